/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tell.h"
#include "config/config.h"

#include <stdio.h>

/* Check a change against the settings in force and put it into force. */
static int reconfigure(memstore *store, const char *key, const char *value,
                       char why[static MS_CONFIG_TEXT_SIZE])
{
    const struct ms_setting *setting;
    struct ms_settings before, next;
    char reason[MS_WHY_SIZE];

    ms_store_begin_reconfiguration(store, &before);
    next = before;
    int status = ms_config_change(&next, key, value, &setting, why);
    if (status == MEMSTORE_OK) {
        const struct ms_setting_change change = {setting->offset, setting->size,
                                                 ms_schema_load(setting, &next)};

        status = ms_store_reconfigure(store, &next, &change, reason);
        if (status != MEMSTORE_OK)
            snprintf(why, MS_CONFIG_TEXT_SIZE, "%s: %s", setting->path, reason);
        else
            ms_tell_reconfigured(store, setting, ms_schema_load(setting, &before), change.value);
    }
    ms_store_end_reconfiguration(store);
    if (status != MEMSTORE_OK)
        ms_tell_reconfigure_refused(store, status, why);
    return status;
}

int memstore_reconfigure_explained(memstore *store, const char *key, const char *value, char *why,
                                   size_t cap)
{
    char text[MS_CONFIG_TEXT_SIZE] = "";
    int status = MEMSTORE_ERR_INVALID_ARGUMENT;

    if (why == NULL && cap != 0)
        return status;
    if (store != NULL && key != NULL && value != NULL) {
        status = ms_store_enter(store);
        if (status == MEMSTORE_OK) {
            status = reconfigure(store, key, value, text);
            ms_store_leave(store);
        }
    }
    if (cap != 0)
        snprintf(why, cap, "%s",
                 status == MEMSTORE_OK ? ""
                 : text[0] != '\0'     ? text
                                       : memstore_strerror(status));
    return status;
}

int memstore_reconfigure(memstore *store, const char *key, const char *value)
{
    return memstore_reconfigure_explained(store, key, value, NULL, 0);
}
