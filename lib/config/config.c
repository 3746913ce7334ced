/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "config/schema.h"
#include "config/units.h"
#include "config/yaml_reader.h"
#include "platform/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of longer names of texts the end is kept, which is more than is shown. */
#define SOURCE_SIZE 256

struct memstore_config {
    struct ms_settings settings;
    char error[MS_CONFIG_TEXT_SIZE];
    struct ms_logger logger;
    struct ms_log_limit refusals; /* how often they are told */
    char source[SOURCE_SIZE];     /* the name of the text that gave what has a place: */
    struct ms_config_place places[MS_SETTINGS_MAX];
};

const struct ms_logger ms_config_default_logger = {.level = MEMSTORE_LOG_INFO};

const char *ms_config_quote(const char *text, char buf[static MS_QUOTED_SIZE])
{
    const size_t room = MS_QUOTED_SIZE - sizeof "\"...\"";
    const size_t size = strnlen(text, room + 1);
    size_t used = 0;

    buf[used++] = '"';
    for (size_t i = 0; i < size && i < room; i++)
        buf[used++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    strcpy(buf + used, size > room ? "...\"" : "\"");
    return buf;
}

void ms_config_defaults(struct ms_settings *out)
{
    char problem[MS_SETTING_PROBLEM_SIZE];

    memset(out, 0, sizeof *out);
    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        uint64_t value = 0;
        const char *const wrong = ms_schema_parse(setting, setting->initial, &value, problem);

        assert(wrong == NULL);
        (void)wrong;
        ms_schema_store(setting, out, value);
    }
}

memstore_config *ms_config_create(void)
{
    memstore_config *const config = ms_mem_alloc(sizeof *config);

    if (config != NULL) {
        ms_config_defaults(&config->settings);
        config->logger = ms_config_default_logger;
    }
    return config;
}

struct ms_logger *ms_config_logger(memstore_config *config)
{
    return &config->logger;
}

static const char *status_of(int status)
{
    switch (status) {
    case MEMSTORE_ERR_INVALID_CONFIG:
        return "MEMSTORE_ERR_INVALID_CONFIG";
    case MEMSTORE_ERR_IO:
        return "MEMSTORE_ERR_IO";
    default:
        return "MEMSTORE_ERR_MEMORY_EXHAUSTED";
    }
}

int ms_config_told(const memstore_config *config, int status)
{
    memstore_config *const told = (memstore_config *)config;

    if (config != NULL && status != MEMSTORE_OK)
        ms_log_refusal(&config->logger, config->settings.logger_enabled, &told->refusals,
                       status_of(status), config->error);
    return status;
}

void ms_config_destroy(memstore_config *config)
{
    ms_mem_free(config);
}

const char *ms_config_error(const memstore_config *config)
{
    return config != NULL ? config->error : "";
}

void ms_config_set_error(const memstore_config *config, const char *format, ...)
{
    va_list arguments;

    if (config == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(((memstore_config *)config)->error, MS_CONFIG_TEXT_SIZE, format, arguments);
    va_end(arguments);
}

static void clear_error(const memstore_config *config)
{
    if (config != NULL)
        ((memstore_config *)config)->error[0] = '\0';
}

void ms_config_copy_settings(const memstore_config *config, struct ms_settings *out)
{
    *out = config->settings;
}

void ms_config_note_places(memstore_config *config, const char *name,
                           const struct ms_config_place places[static MS_SETTINGS_MAX])
{
    const size_t length = strlen(name);

    strcpy(config->source, length < SOURCE_SIZE ? name : name + length - (SOURCE_SIZE - 1));
    memcpy(config->places, places, sizeof config->places);
}

/* The place of the setting that a text begins with, or has alone. */
static struct ms_config_place place_of(const memstore_config *config, const char *text)
{
    char path[MS_CONFIG_TEXT_SIZE];

    snprintf(path, sizeof path, "%.*s", (int)strcspn(text, ": "), text);
    const struct ms_setting *const setting = ms_schema_find(path);
    return setting != NULL ? config->places[setting - ms_schema] : (struct ms_config_place){0};
}

static bool is_later(struct ms_config_place a, struct ms_config_place b)
{
    return a.line > b.line || (a.line == b.line && a.column > b.column);
}

void ms_config_refuse(const memstore_config *config, const char *why, const char *other)
{
    if (config == NULL)
        return;
    struct ms_config_place at = place_of(config, why);
    const struct ms_config_place at_other =
        other != NULL ? place_of(config, other) : (struct ms_config_place){0};

    if (is_later(at_other, at))
        at = at_other;
    if (at.line != 0) {
        struct ms_yaml text = {.name = config->source};

        ms_yaml_fail(&text, (struct ms_yaml_mark){at.line, at.column}, "%s", why);
        ms_config_set_error(config, "%s", text.why);
    } else {
        ms_config_set_error(config, "%s", why);
    }
}

void ms_config_replace_settings(memstore_config *config, const struct ms_settings *settings)
{
    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        if (ms_schema_load(setting, settings) != ms_schema_load(setting, &config->settings))
            config->places[setting - ms_schema] = (struct ms_config_place){0};
    }
    config->settings = *settings;
    clear_error(config);
}

/* The row of a key; NULL, with the reason in `why`, when there is none. */
static const struct ms_setting *find_setting(const char *key, char why[static MS_CONFIG_TEXT_SIZE])
{
    const struct ms_setting *const setting = ms_schema_find(key);
    char quoted[MS_QUOTED_SIZE];

    if (setting == NULL)
        snprintf(why, MS_CONFIG_TEXT_SIZE, "unknown key %s; the nearest known key is \"%s\"",
                 ms_config_quote(key, quoted), ms_schema_nearest(key)->path);
    return setting;
}

bool ms_config_parse(const struct ms_setting *setting, const char *text, uint64_t *value,
                     char why[static MS_CONFIG_TEXT_SIZE])
{
    char problem[MS_SETTING_PROBLEM_SIZE], expected[MS_SETTING_EXPECTED_SIZE];
    char quoted[MS_QUOTED_SIZE];
    const char *const wrong = ms_schema_parse(setting, text, value, problem);

    if (wrong != NULL)
        snprintf(why, MS_CONFIG_TEXT_SIZE, "%s: %s %s; expected %s", setting->path,
                 ms_config_quote(text, quoted), wrong, ms_schema_expected(setting, expected));
    return wrong == NULL;
}

int ms_config_set(memstore_config *config, const char *key, const char *value)
{
    const struct ms_setting *const setting = find_setting(key, config->error);
    uint64_t parsed;

    if (setting == NULL || !ms_config_parse(setting, value, &parsed, config->error))
        return MEMSTORE_ERR_INVALID_CONFIG;
    ms_schema_store(setting, &config->settings, parsed);
    config->places[setting - ms_schema] = (struct ms_config_place){0};
    clear_error(config);
    return MEMSTORE_OK;
}

int ms_config_text(const struct ms_settings *settings, const char *key, char *buf, size_t cap,
                   size_t *size, char why[static MS_CONFIG_TEXT_SIZE])
{
    const struct ms_setting *const setting = find_setting(key, why);
    char room[MS_SETTING_TEXT_SIZE];

    if (setting == NULL)
        return MEMSTORE_ERR_INVALID_CONFIG;

    const char *const text = ms_schema_format(setting, ms_schema_load(setting, settings), room);
    const size_t length = strlen(text);

    if (size != NULL)
        *size = length;
    if (cap <= length) {
        snprintf(why, MS_CONFIG_TEXT_SIZE, "%s: its value takes %zu bytes and a NUL byte",
                 setting->path, length);
        return MEMSTORE_ERR_BUFFER_TOO_SMALL;
    }
    memcpy(buf, text, length + 1);
    return MEMSTORE_OK;
}

int ms_config_get(const memstore_config *config, const char *key, char *buf, size_t cap,
                  size_t *size)
{
    clear_error(config);
    return ms_config_text(&config->settings, key, buf, cap, size,
                          ((memstore_config *)config)->error);
}

/* ---- What several settings must agree on ---- */

/* Whether a is at most b. 0 sets no bound. */
static bool durations_agree(struct ms_config_conflict *conflict, const char *a_path, int64_t a,
                            const char *b_path, int64_t b)
{
    char a_text[MS_UNITS_TEXT_SIZE], b_text[MS_UNITS_TEXT_SIZE];

    if (a == 0 || b == 0 || a <= b)
        return true;
    conflict->one = a_path;
    conflict->other = b_path;
    snprintf(conflict->text, sizeof conflict->text, "%s (%s) is above %s (%s)", a_path,
             ms_units_format_duration(a, a_text), b_path, ms_units_format_duration(b, b_text));
    return false;
}

static bool ttls_agree(const struct ms_settings *settings, struct ms_config_conflict *conflict)
{
    return durations_agree(conflict, "ttl.min_ttl", settings->min_ttl, "ttl.max_ttl",
                           settings->max_ttl) &&
           durations_agree(conflict, "ttl.min_ttl", settings->min_ttl, "ttl.default_ttl",
                           settings->default_ttl) &&
           durations_agree(conflict, "ttl.default_ttl", settings->default_ttl, "ttl.max_ttl",
                           settings->max_ttl);
}

/* The smaller of two limits that is given; 0 when neither is. */
static uint64_t effective_limit(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

bool ms_config_settle(struct ms_settings *settings, struct ms_config_conflict *conflict)
{
    if (!ttls_agree(settings, conflict))
        return false;

    const uint64_t limit = effective_limit(settings->memory_limit, settings->hard_max_cache_size);
    if (limit == 0) {
        conflict->one = "performance.memory_limit";
        conflict->other = "hard_max_cache_size";
        snprintf(conflict->text, sizeof conflict->text,
                 "%s and %s are both 0: a store needs a limit", conflict->one, conflict->other);
        return false;
    }
    settings->limit = limit;
    return true;
}

bool ms_config_memory_agrees(const struct ms_settings *settings,
                             struct ms_config_conflict *conflict)
{
    char one[MS_UNITS_TEXT_SIZE], other[MS_UNITS_TEXT_SIZE];

    if (settings->event_memory < settings->limit)
        return true;
    conflict->one = "events.queue_memory";
    conflict->other = settings->memory_limit == settings->limit ? "performance.memory_limit"
                                                                : "hard_max_cache_size";
    snprintf(conflict->text, sizeof conflict->text, "%s (%s) is not below %s (%s)", conflict->one,
             ms_units_format_size(settings->event_memory, one), conflict->other,
             ms_units_format_size(settings->limit, other));
    return false;
}

bool ms_config_settle_all(struct ms_settings *settings, struct ms_config_conflict *conflict)
{
    return ms_config_settle(settings, conflict) && ms_config_memory_agrees(settings, conflict);
}

int ms_config_resolve(const memstore_config *config, struct ms_settings *out)
{
    struct ms_config_conflict conflict;
    struct ms_settings settings;

    if (config != NULL)
        settings = config->settings;
    else
        ms_config_defaults(&settings);
    if (!ms_config_settle_all(&settings, &conflict)) {
        ms_config_refuse(config, conflict.text, conflict.other);
        return MEMSTORE_ERR_INVALID_CONFIG;
    }
    clear_error(config);
    *out = settings;
    return MEMSTORE_OK;
}

/* Say why a running store cannot change a setting. */
static int refuse_fixed(const struct ms_setting *setting, char why[static MS_CONFIG_TEXT_SIZE])
{
    snprintf(why, MS_CONFIG_TEXT_SIZE, "%s: cannot be changed while the store is open: %s",
             setting->path, ms_schema_why_fixed(setting));
    return MEMSTORE_ERR_UNSUPPORTED;
}

int ms_config_change(struct ms_settings *settings, const char *key, const char *value,
                     const struct ms_setting **setting, char why[static MS_CONFIG_TEXT_SIZE])
{
    struct ms_config_conflict conflict;
    uint64_t parsed;

    *setting = find_setting(key, why);
    if (*setting == NULL)
        return MEMSTORE_ERR_INVALID_CONFIG;
    if (!(*setting)->live)
        return refuse_fixed(*setting, why);
    if (!ms_config_parse(*setting, value, &parsed, why))
        return MEMSTORE_ERR_INVALID_CONFIG;
    ms_schema_store(*setting, settings, parsed);
    if (!ms_config_settle_all(settings, &conflict)) {
        snprintf(why, MS_CONFIG_TEXT_SIZE, "%s", conflict.text);
        return MEMSTORE_ERR_INVALID_CONFIG;
    }
    return MEMSTORE_OK;
}

int ms_config_compare(const struct ms_settings *now, const struct ms_settings *next,
                      const struct ms_setting *changed[static MS_SETTINGS_MAX], size_t *count,
                      char why[static MS_CONFIG_TEXT_SIZE])
{
    *count = 0;
    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        if (ms_schema_load(setting, now) == ms_schema_load(setting, next))
            continue;
        if (!setting->live)
            return refuse_fixed(setting, why);
        changed[(*count)++] = setting;
    }
    return MEMSTORE_OK;
}
