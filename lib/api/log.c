/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tell.h"
#include "config/config.h"

int memstore_set_logger(memstore_config *config, int level, memstore_log_fn fn, void *context)
{
    if (config == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (level < MEMSTORE_LOG_OFF || level > MEMSTORE_LOG_DEBUG) {
        ms_config_set_error(config, "there is no such level of a logger");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    *ms_config_logger(config) = (struct ms_logger){level, fn, context};
    return MEMSTORE_OK;
}

/* ---- What is said ---- */

static enum memstore_log_kind kind_of(const struct ms_setting *setting)
{
    switch (setting->type) {
    case MS_SETTING_INTEGER:
    case MS_SETTING_POWER_OF_TWO:
    case MS_SETTING_MEGABYTES:
        return MEMSTORE_LOG_INTEGER;
    case MS_SETTING_RATIO:
        return MEMSTORE_LOG_REAL;
    case MS_SETTING_BOOL:
        return MEMSTORE_LOG_BOOLEAN;
    default:
        return MEMSTORE_LOG_TEXT;
    }
}

static void put_setting(struct ms_log_line *line, const char *name,
                        const struct ms_setting *setting, uint64_t value)
{
    char text[MS_SETTING_TEXT_SIZE];

    ms_log_field(line, name, kind_of(setting), ms_schema_format(setting, value, text));
}

void ms_tell_opened(memstore *store)
{
    const struct ms_settings *settings = &store->settings;
    struct ms_settings defaults;
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_OPENED, &line))
        return;
    ms_log_text(&line, "version", MEMSTORE_VERSION_STRING);
    ms_log_integer(&line, "limit", settings->limit);
    ms_config_defaults(&defaults);
    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        const uint64_t value = ms_schema_load(setting, settings);

        if (value != ms_schema_load(setting, &defaults))
            put_setting(&line, setting->path, setting, value);
    }
    ms_log_end(&line);
}

void ms_tell_reconfigured(memstore *store, const struct ms_setting *setting, uint64_t before,
                          uint64_t now)
{
    struct ms_log_line line;

    if (before == now || !ms_log_begin(&store->log, MS_LOG_RECONFIGURED, &line))
        return;
    ms_log_text(&line, "key", setting->path);
    put_setting(&line, "before", setting, before);
    put_setting(&line, "now", setting, now);
    ms_log_end(&line);
}

void ms_tell_reconfigure_refused(memstore *store, int status, const char *why)
{
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_RECONFIGURE_REFUSED, &line))
        return;
    ms_log_text(&line, "status", memstore_status_name(status));
    ms_log_text(&line, "why", why);
    ms_log_end(&line);
}
