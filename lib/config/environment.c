/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from the environment: MEMSTORE_TTL_MAX_TTL for ttl.max_ttl. Applied whole or not at
 * all. Only when the program asks for it: what a library does should not depend on variables
 * that its program knows nothing of. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "MEMSTORE_"
/* Longer names are cut; no setting has one as long. */
#define NAME_SIZE 96

/* The variable of a path. */
static const char *variable_of(const char *path, char name[static NAME_SIZE])
{
    size_t used = (size_t)snprintf(name, NAME_SIZE, "%s", PREFIX);

    for (; *path != '\0' && used + 1 < NAME_SIZE; path++) {
        const bool lower = *path >= 'a' && *path <= 'z';
        name[used++] = *path == '.' ? '_' : lower ? (char)(*path - 'a' + 'A') : *path;
    }
    name[used] = '\0';
    return name;
}

/* Whether a variable's name is in a section of ours: MEMSTORE_TTL_ and more. */
static bool is_in_section(const char *name, const struct ms_setting *setting)
{
    const size_t section = strcspn(setting->path, ".");
    char known[NAME_SIZE];

    variable_of(setting->path, known);
    return setting->path[section] == '.' &&
           strncmp(name, known, sizeof PREFIX + section) == 0; /* with the '_' */
}

/* The variable that one which we do not know was meant to be; NULL when it is somebody else's,
 * such as those that a container platform makes for a service called memstore. */
static const char *meant(const char *name, char best[static NAME_SIZE])
{
    unsigned best_distance = UINT32_MAX;
    bool ours = false;

    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        char known[NAME_SIZE];
        const unsigned distance = ms_schema_distance(name, variable_of(setting->path, known));

        if (distance == 0 && strcmp(name, known) == 0)
            return NULL;
        ours |= is_in_section(name, setting) || distance <= 2;
        if (distance < best_distance) {
            best_distance = distance;
            strcpy(best, known);
        }
    }
    return ours ? best : NULL;
}

static bool check_names(memstore_config *config)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        char name[NAME_SIZE], best[NAME_SIZE], quoted[MS_QUOTED_SIZE];

        if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
        const char *const nearest = meant(name, best);
        if (nearest != NULL) {
            ms_config_set_error(config,
                                "environment: %s is no setting; the nearest known variable is "
                                "\"%s\"",
                                ms_config_quote(name, quoted), nearest);
            return false;
        }
    }
    return true;
}

/* Read all variables into `settings`; given[row] tells which were there. */
static bool read_variables(memstore_config *config, struct ms_settings *settings, bool given[])
{
    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        char name[NAME_SIZE], why[MS_CONFIG_TEXT_SIZE];
        const char *const text = getenv(variable_of(setting->path, name));
        uint64_t value;

        if (text == NULL)
            continue;
        if (!ms_config_parse(setting, text, &value, why)) {
            ms_config_set_error(config, "%s: %s", name, why);
            return false;
        }
        ms_schema_store(setting, settings, value);
        given[setting - ms_schema] = true;
    }
    return true;
}

static bool check_agreement(memstore_config *config, struct ms_settings *settings,
                            const bool given[])
{
    struct ms_config_conflict conflict;
    char name[NAME_SIZE];

    if (ms_config_settle(settings, &conflict))
        return true;
    for (int i = 0; i < 2; i++) {
        const char *const path = i == 0 ? conflict.one : conflict.other;

        if (given[ms_schema_find(path) - ms_schema]) {
            ms_config_set_error(config, "%s: %s", variable_of(path, name), conflict.text);
            return false;
        }
    }
    /* One that the environment has no part in is for the opening to refuse. */
    return true;
}

int ms_config_load_environment(memstore_config *config)
{
    bool given[MS_SETTINGS_MAX] = {false};
    struct ms_settings settings;

    ms_config_copy_settings(config, &settings);
    if (!check_names(config) || !read_variables(config, &settings, given) ||
        !check_agreement(config, &settings, given))
        return MEMSTORE_ERR_INVALID_CONFIG;
    ms_config_replace_settings(config, &settings);
    return MEMSTORE_OK;
}
