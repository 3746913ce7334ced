/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from YAML.
 *
 * The reader turns the text into events; this walks them down the few levels that settings have. No
 * tree is built and nothing is expanded, so that a hostile text costs no more than its size.
 * Settings stand at the top or, as in a file that holds other programs' sections too, under
 * storage.memory. They are collected in a copy and replace the configuration's at the end, so
 * that a text is applied whole or not at all.
 *
 * Whatever could be meant as a setting and is none is refused. Beside storage.memory, and only
 * there, other names are other programs' and are skipped. */
#include "config/config.h"
#include "config/yaml_reader.h"
#include "platform/file.h"
#include "platform/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A thousand times what all settings with comments take. */
#define LARGEST_TEXT ((size_t)1 << 20)
/* Longer paths are cut; no setting has one as long. */
#define PATH_SIZE 160

/* Sections by number: the two outer ones, then each by the first row in it. */
enum { SECTION_STORAGE, SECTION_MEMORY, SECTION_FIRST };

struct loader {
    struct ms_yaml yaml;
    struct ms_settings settings;
    struct ms_yaml_mark given[MS_SETTINGS_MAX]; /* the value of each row */
    struct ms_yaml_mark sections[SECTION_FIRST + MS_SETTINGS_MAX];
    struct ms_yaml_mark nested, flat; /* the first setting under storage.memory, and elsewhere */
    struct ms_yaml_mark foreign;      /* the first name that is not ours */
    char foreign_path[PATH_SIZE];     /* what it is */
    const char *foreign_suggestion;   /* what it might have been */
    char suggestion[PATH_SIZE];
};

/* What settings may stand under, by the name that is asked for there: in the file, and in its storage. */
struct outer {
    const char *name, *path;
};

static const struct outer outer_of_file = {"storage", "storage"};
static const struct outer outer_of_storage = {"memory", "storage.memory"};

/* The section whose name is the fewest edits away, or what is around them all; NULL = nothing is. */
static const char *nearest_section(struct loader *loader, const char *path,
                                   const struct outer *outer)
{
    unsigned best = UINT32_MAX;

    if (outer != NULL) {
        best = ms_schema_distance(path, outer->name);
        strcpy(loader->suggestion, outer->path);
    }

    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        const char *const dot = strchr(row->path, '.');
        char section[PATH_SIZE];

        if (dot == NULL)
            continue;
        snprintf(section, sizeof section, "%.*s", (int)(dot - row->path), row->path);
        const unsigned distance = ms_schema_distance(path, section);
        if (distance < best) {
            best = distance;
            strcpy(loader->suggestion, section);
        }
    }
    return loader->suggestion;
}

/* The known name that a path may have been meant to be; the event is its value. */
static const char *suggest(struct loader *loader, const char *path, const struct outer *outer)
{
    if (loader->yaml.event.type == YAML_MAPPING_START_EVENT)
        return nearest_section(loader, path, outer);
    return ms_schema_nearest(path)->path;
}

static bool fail_unknown(struct loader *loader, struct ms_yaml_mark at, const char *path,
                         const char *suggestion)
{
    return ms_yaml_fail(&loader->yaml, at, "%.60s%s: unknown key; the nearest known key is \"%s\"",
                        path, strlen(path) > 60 ? "..." : "", suggestion);
}

/* ---- Settings ---- */

/* Settings stand together: in a file with a storage.memory, those outside of it would look as if
 * they counted. */
static bool check_placement(struct loader *loader, const char *path, struct ms_yaml_mark at)
{
    const bool nested = ms_schema_skip_prefix(path) != path;
    const struct ms_yaml_mark other = nested ? loader->flat : loader->nested;

    if (other.line != 0)
        return ms_yaml_fail(
            &loader->yaml, at,
            "%s: settings stand either all under storage.memory or all outside of it; one "
            "in line %zu is %s",
            ms_schema_skip_prefix(path), other.line, nested ? "outside" : "under it");
    struct ms_yaml_mark *const own = nested ? &loader->nested : &loader->flat;
    if (own->line == 0)
        *own = at;
    return true;
}

/* The text of a value; null in place of a text is an empty one, not its name. */
static const char *text_of_value(const struct loader *loader, const struct ms_setting *setting)
{
    if (setting->type == MS_SETTING_STRING && ms_yaml_is_nothing(&loader->yaml))
        return "";
    return ms_yaml_scalar(&loader->yaml);
}

static bool load_setting(struct loader *loader, const struct ms_setting *setting,
                         struct ms_yaml_mark at)
{
    struct ms_yaml_mark *const given = &loader->given[setting - ms_schema];
    char why[MS_CONFIG_TEXT_SIZE], expected[MS_SETTING_EXPECTED_SIZE];
    uint64_t value;

    if (given->line != 0)
        return ms_yaml_fail(&loader->yaml, at, "%s: duplicate key, first given in line %zu",
                            setting->path, given->line);
    if (!ms_yaml_is_scalar(&loader->yaml))
        return ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml),
                            "%s: %s is no value for it; expected %s", setting->path,
                            ms_yaml_kind(&loader->yaml), ms_schema_expected(setting, expected));
    if (ms_yaml_is_tagged(&loader->yaml) || ms_yaml_has_nul(&loader->yaml))
        return ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml),
                            "%s: %s is not accepted; expected %s", setting->path,
                            ms_yaml_is_tagged(&loader->yaml) ? "a value with a tag" : "a NUL byte",
                            ms_schema_expected(setting, expected));
    if (!ms_config_parse(setting, text_of_value(loader, setting), &value, why))
        return ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml), "%s%s", why,
                            loader->yaml.event.end_mark.line != loader->yaml.event.start_mark.line
                                ? "; the next line was taken as part of it: check the indentation"
                                : "");
    ms_schema_store(setting, &loader->settings, value);
    *given = ms_yaml_here(&loader->yaml);
    return true;
}

static bool load_mapping(struct loader *loader, const char *section);

/* What the event begins: a mapping or nothing. Errors call it by `name`, "" for all of the file. */
static bool load_settings(struct loader *loader, const char *section, const char *name)
{
    if (ms_yaml_is_tagged(&loader->yaml))
        return ms_yaml_fail(
            &loader->yaml, ms_yaml_here(&loader->yaml),
            "%s%sa value with a tag is not accepted; expected a mapping of settings", name,
            name[0] != '\0' ? ": " : "");
    if (ms_yaml_is_nothing(&loader->yaml))
        return true;
    if (loader->yaml.event.type != YAML_MAPPING_START_EVENT)
        return ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml),
                            "%s%sexpected a mapping of settings", name,
                            name[0] != '\0' ? ": " : "");
    return load_mapping(loader, section);
}

static size_t section_number(const char *path)
{
    const char *const name = ms_schema_skip_prefix(path);
    size_t row = 0;

    if (strcmp(path, "storage") == 0)
        return SECTION_STORAGE;
    if (strcmp(path, "storage.memory") == 0)
        return SECTION_MEMORY;
    while (strncmp(ms_schema[row].path, name, strlen(name)) != 0)
        row++;
    return SECTION_FIRST + row;
}

static bool load_section(struct loader *loader, const char *path, struct ms_yaml_mark at)
{
    struct ms_yaml_mark *const first = &loader->sections[section_number(path)];

    if (first->line != 0)
        return ms_yaml_fail(&loader->yaml, at, "%s: duplicate section, first given in line %zu",
                            ms_schema_skip_prefix(path), first->line);
    *first = at;
    return load_settings(loader, path, ms_schema_skip_prefix(path));
}

/* ---- Names that are not ours ---- */

static bool is_like(const char *name, const char *known)
{
    /* In short names one letter is no mistake but another word. */
    return strlen(name) >= 5 && ms_schema_distance(name, known) <= 1;
}

/* Whether a name beside storage or storage.memory is one of ours in the wrong place, or as good
 * as one: nobody else's. */
static bool is_meant_for_us(const char *name, const char *outer)
{
    char first[PATH_SIZE];

    snprintf(first, sizeof first, "%.*s", (int)strcspn(name, "."), name);
    if (is_like(first, outer))
        return true;
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        char known[PATH_SIZE];

        snprintf(known, sizeof known, "%.*s", (int)strcspn(row->path, "."), row->path);
        if (strcmp(first, known) == 0 || is_like(first, known))
            return true;
    }
    return false;
}

/* A name that we do not know: refused among settings, skipped beside storage.memory, if there is
 * one. */
static bool load_unknown(struct loader *loader, const char *path, struct ms_yaml_mark at)
{
    static const char storage[] = "storage.";
    const bool in_storage = strncmp(path, storage, sizeof storage - 1) == 0;
    const char *const name = in_storage ? path + sizeof storage - 1 : path;
    const struct outer *const outer = in_storage ? &outer_of_storage : &outer_of_file;

    if (ms_schema_skip_prefix(path) != path)
        return fail_unknown(loader, at, ms_schema_skip_prefix(path),
                            suggest(loader, ms_schema_skip_prefix(path), NULL));
    if (is_meant_for_us(name, outer->name)) {
        if (in_storage && (ms_schema_find(name) != NULL || ms_schema_is_section(name)))
            return ms_yaml_fail(&loader->yaml, at,
                                "%s: beside storage.memory, not in it; indent it further", path);
        return fail_unknown(loader, at, path, suggest(loader, name, outer));
    }
    if (loader->foreign.line == 0) {
        loader->foreign = at;
        strcpy(loader->foreign_path, path);
        loader->foreign_suggestion = suggest(loader, name, outer);
    }
    return ms_yaml_skip_value(&loader->yaml);
}

/* ---- Mappings ---- */

static bool load_value(struct loader *loader, const char *path, struct ms_yaml_mark at)
{
    const struct ms_setting *const setting = ms_schema_find(path);

    if (strcmp(path, "storage") == 0 || strcmp(path, "storage.memory") == 0)
        return load_section(loader, path, at);
    if (setting != NULL)
        return check_placement(loader, path, at) && load_setting(loader, setting, at);
    if (ms_schema_is_section(ms_schema_skip_prefix(path)))
        return check_placement(loader, path, at) && load_section(loader, path, at);
    return load_unknown(loader, path, at);
}

/* The path of the key that is the event. */
static bool read_key(struct loader *loader, const char *section, char path[static PATH_SIZE])
{
    if (!ms_yaml_is_scalar(&loader->yaml))
        return ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml),
                            "%s%s is no key; expected the name of a setting", section,
                            section[0] != '\0' ? ": this" : "this");
    if (ms_yaml_has_nul(&loader->yaml) || ms_yaml_is_tagged(&loader->yaml))
        return ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml),
                            "a key with %s is not accepted",
                            ms_yaml_is_tagged(&loader->yaml) ? "a tag" : "a NUL byte");
    snprintf(path, PATH_SIZE, "%s%s%s", section, section[0] != '\0' ? "." : "",
             ms_yaml_scalar(&loader->yaml));
    return true;
}

/* The mapping that the event begins, up to its end. */
static bool load_mapping(struct loader *loader, const char *section)
{
    char path[PATH_SIZE];

    while (ms_yaml_next(&loader->yaml)) {
        if (loader->yaml.event.type == YAML_MAPPING_END_EVENT)
            return true;
        const struct ms_yaml_mark at = ms_yaml_here(&loader->yaml);
        if (!read_key(loader, section, path) || !ms_yaml_next(&loader->yaml) ||
            !load_value(loader, path, at))
            return false;
    }
    return false;
}

static bool load_document(struct loader *loader)
{
    return ms_yaml_next(&loader->yaml) && load_settings(loader, "", "") &&
           ms_yaml_next(&loader->yaml) && ms_yaml_next(&loader->yaml) &&
           (loader->yaml.event.type == YAML_STREAM_END_EVENT ||
            ms_yaml_fail(&loader->yaml, ms_yaml_here(&loader->yaml),
                         "a second document begins; expected one"));
}

/* Where the text gives a setting; line 0 when it does not. */
static struct ms_yaml_mark given_at(const struct loader *loader, const char *path)
{
    return loader->given[ms_schema_find(path) - ms_schema];
}

/* Refuse a contradiction at what comes later of the two. One that the text has no part in is for the
 * opening to refuse. */
static bool fail_to_agree(struct loader *loader, const struct ms_config_conflict *conflict)
{
    const struct ms_yaml_mark one = given_at(loader, conflict->one);
    const struct ms_yaml_mark other = given_at(loader, conflict->other);
    const bool one_is_later =
        one.line > other.line || (one.line == other.line && one.column > other.column);
    const struct ms_yaml_mark last = one_is_later ? one : other;

    return last.line == 0 || ms_yaml_fail(&loader->yaml, last, "%s", conflict->text);
}

/* What only the whole tells: whose the names beside ours are, and whether settings agree. */
static bool check_whole(struct loader *loader)
{
    struct ms_config_conflict conflict;

    if (loader->foreign.line != 0 && loader->sections[SECTION_MEMORY].line == 0 &&
        loader->nested.line == 0)
        return fail_unknown(loader, loader->foreign, loader->foreign_path,
                            loader->foreign_suggestion);
    if (!ms_config_settle(&loader->settings, &conflict))
        return fail_to_agree(loader, &conflict);
    /* Either of the two may come from elsewhere, later. */
    return ms_config_memory_agrees(&loader->settings, &conflict) ||
           given_at(loader, conflict.one).line == 0 || given_at(loader, conflict.other).line == 0 ||
           fail_to_agree(loader, &conflict);
}

static bool load_stream(struct loader *loader)
{
    if (!ms_yaml_next(&loader->yaml) || !ms_yaml_next(&loader->yaml))
        return false;
    if (loader->yaml.event.type != YAML_STREAM_END_EVENT && !load_document(loader))
        return false;
    return check_whole(loader);
}

/* ---- Entry points ---- */

static void apply(memstore_config *config, const struct loader *loader, const char *name)
{
    struct ms_config_place places[MS_SETTINGS_MAX];

    for (size_t row = 0; row < MS_SETTINGS_MAX; row++)
        places[row] = (struct ms_config_place){loader->given[row].line, loader->given[row].column};
    ms_config_replace_settings(config, &loader->settings);
    ms_config_note_places(config, name, places);
}

static int load(memstore_config *config, const char *name, const char *text, size_t size)
{
    struct loader loader = {.yaml = {.name = name}};
    bool loaded = false;

    ms_config_copy_settings(config, &loader.settings);
    if (size > LARGEST_TEXT) {
        ms_yaml_fail(&loader.yaml, MS_YAML_WHOLE, "larger than 1 MiB, which no configuration is");
    } else if (ms_yaml_open(&loader.yaml, name, text, size)) {
        loaded = load_stream(&loader);
        ms_yaml_close(&loader.yaml);
    }
    if (loaded)
        apply(config, &loader, name);
    else
        ms_config_set_error(config, "%s", loader.yaml.why);
    return loaded ? MEMSTORE_OK : loader.yaml.status;
}

int ms_config_load_yaml(memstore_config *config, const char *text, size_t size)
{
    return load(config, "yaml", size != 0 ? text : "", size);
}

static int fail_to_read(memstore_config *config, const char *path, int error)
{
    struct ms_yaml yaml = {.name = path};
    char room[128];

    ms_yaml_fail(&yaml, MS_YAML_WHOLE, "%s", ms_file_error(error, room, sizeof room));
    ms_config_set_error(config, "%s", yaml.why);
    return error == ENOMEM ? MEMSTORE_ERR_MEMORY_EXHAUSTED : MEMSTORE_ERR_IO;
}

int ms_config_load_file(memstore_config *config, const char *path)
{
    struct ms_file_text file;
    const int error = ms_file_read(path, LARGEST_TEXT, &file);

    if (error != 0)
        return fail_to_read(config, path, error);
    /* One byte too many stands for all that there is more. */
    const int status = load(config, path, file.data, file.cut ? LARGEST_TEXT + 1 : file.size);
    ms_mem_free(file.data);
    return status;
}
