/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "api/tell.h"
#include "config/config.h"
#include "store/calls.h"
#include "store/reconfigure.h"
#include "store/space/resize.h"

#include <stdio.h>

/* Settings of an open store that are being changed. */
struct change {
    struct ms_settings before, next;
    const struct ms_setting *settings[MS_SETTINGS_MAX]; /* the rows of those that differ */
    size_t count;
    char why[MS_CONFIG_TEXT_SIZE];
};

/* The row of a setting among those that change, or NULL. */
static const struct ms_setting *changed_at(const struct change *change, size_t offset)
{
    for (size_t i = 0; i < change->count; i++) {
        if (change->settings[i]->offset == offset)
            return change->settings[i];
    }
    return NULL;
}

/* Of those that make up the limit, the one that changes it. */
static const struct ms_setting *changed_for_limit(const struct change *change)
{
    const size_t limit = offsetof(struct ms_settings, memory_limit);
    const size_t megabytes = offsetof(struct ms_settings, hard_max_cache_size);
    const bool is_megabytes = change->next.limit != change->next.memory_limit;
    const struct ms_setting *setting = changed_at(change, is_megabytes ? megabytes : limit);

    if (setting == NULL)
        setting = changed_at(change, is_megabytes ? limit : megabytes);
    return setting != NULL ? setting
                           : changed_at(change, offsetof(struct ms_settings, memory_pressure));
}

/* The path of the setting that a reason is about: of what several make up, of one that changes. */
static const char *path_at(const struct change *change, size_t offset)
{
    const struct ms_setting *setting = change->count == 1 ? change->settings[0]
                                       : offset == offsetof(struct ms_settings, memory_limit)
                                           ? changed_for_limit(change)
                                           : NULL;

    if (setting != NULL)
        return setting->path;
    for (setting = ms_schema; setting->offset != offset;)
        setting++;
    return setting->path;
}

/* Put what was checked into force, and tell it. */
static int apply(memstore *store, struct change *change)
{
    struct ms_setting_change changes[MS_SETTINGS_MAX];
    char reason[MS_WHY_SIZE];
    size_t refused = 0;

    for (size_t i = 0; i < change->count; i++) {
        const struct ms_setting *const setting = change->settings[i];

        changes[i] = (struct ms_setting_change){setting->offset, setting->size,
                                                ms_schema_load(setting, &change->next)};
    }
    const int status =
        ms_store_reconfigure(store, &change->next, changes, change->count, &refused, reason);
    if (status != MEMSTORE_OK) {
        snprintf(change->why, sizeof change->why, "%s: %s", path_at(change, refused), reason);
        return status;
    }
    for (size_t i = 0; i < change->count; i++)
        ms_tell_reconfigured(store, change->settings[i],
                             ms_schema_load(change->settings[i], &change->before),
                             changes[i].value);
    return status;
}

/* Check a change against the settings in force and put it into force. */
static int change_one(memstore *store, struct change *change, const char *key, const char *value)
{
    change->next = change->before;
    change->count = 1;
    const int status =
        ms_config_change(&change->next, key, value, &change->settings[0], change->why);
    return status == MEMSTORE_OK ? apply(store, change) : status;
}

static int change_all(memstore *store, struct change *change, const memstore_config *config)
{
    struct ms_config_conflict conflict;

    /* Its error is not touched: several stores may take the same configuration at once. */
    ms_config_copy_settings(config, &change->next);
    if (!ms_config_settle_all(&change->next, &conflict)) {
        snprintf(change->why, sizeof change->why, "%s", conflict.text);
        return MEMSTORE_ERR_INVALID_CONFIG;
    }
    const int status = ms_config_compare(&change->before, &change->next, change->settings,
                                         &change->count, change->why);
    return status == MEMSTORE_OK && change->count != 0 ? apply(store, change) : status;
}

/* Alone, one setting, or all of a configuration when there is one. */
static int change_in_turn(memstore *store, struct change *change, const memstore_config *config,
                          const char *key, const char *value)
{
    if (!ms_store_begin_reconfiguration(store, &change->before))
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    const int status =
        config != NULL ? change_all(store, change, config) : change_one(store, change, key, value);
    ms_store_end_reconfiguration(store);
    return status;
}

static int reconfigure(memstore *store, const memstore_config *config, const char *key,
                       const char *value, char *why, size_t cap)
{
    struct change change = {.why = ""};
    int status = ms_store_enter(store);

    if (status == MEMSTORE_OK) {
        status = change_in_turn(store, &change, config, key, value);
        if (status != MEMSTORE_OK)
            ms_tell_reconfigure_refused(store, status, change.why);
        ms_store_leave(store);
    }
    if (cap != 0)
        snprintf(why, cap, "%s",
                 status == MEMSTORE_OK   ? ""
                 : change.why[0] != '\0' ? change.why
                                         : memstore_strerror(status));
    return status;
}

/* An argument is missing; there may be room to say so. */
static int refuse_arguments(const memstore *store, char *why, size_t cap)
{
    const int status = ms_refuse_argument(store);

    if (why != NULL && cap != 0)
        snprintf(why, cap, "%s", memstore_strerror(status));
    return status;
}

int memstore_reconfigure_explained(memstore *store, const char *key, const char *value, char *why,
                                   size_t cap)
{
    if (store == NULL || key == NULL || value == NULL || (why == NULL && cap != 0))
        return refuse_arguments(store, why, cap);
    return reconfigure(store, NULL, key, value, why, cap);
}

int memstore_reconfigure(memstore *store, const char *key, const char *value)
{
    return memstore_reconfigure_explained(store, key, value, NULL, 0);
}

int memstore_reconfigure_all(memstore *store, const memstore_config *config, char *why, size_t cap)
{
    if (store == NULL || config == NULL || (why == NULL && cap != 0))
        return refuse_arguments(store, why, cap);
    return reconfigure(store, config, NULL, NULL, why, cap);
}

int memstore_get_setting(memstore *store, const char *key, char *buf, size_t cap, size_t *size)
{
    struct ms_settings settings;
    char why[MS_CONFIG_TEXT_SIZE];

    if (store == NULL || key == NULL || (buf == NULL && cap != 0))
        return ms_refuse_argument(store);
    int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        status = MEMSTORE_ERR_LOCK_TIMEOUT;
        if (ms_store_begin_reconfiguration(store, &settings)) {
            ms_store_end_reconfiguration(store);
            status = ms_config_text(&settings, key, buf, cap, size, why);
        }
        ms_store_leave(store);
    }
    return status;
}
