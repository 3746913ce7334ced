/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tell.h"
#include "config/config.h"
#include "store/lifetime.h"
#include "store/maintenance.h"

int memstore_open(const memstore_config *config, memstore **out)
{
    struct ms_logger logger;
    struct ms_settings settings;
    const char *why = NULL;

    if (out == NULL) {
        ms_config_set_error(config, "the place for the store is NULL");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    *out = NULL;
    int status = ms_config_resolve(config, &settings);
    if (status != MEMSTORE_OK)
        return ms_config_told(config, status);
    logger =
        config != NULL ? *ms_config_logger((memstore_config *)config) : ms_config_default_logger;
    status = ms_store_open(&settings, &logger, out, &why);
    if (why != NULL)
        ms_config_refuse(config, why, NULL);
    if (status == MEMSTORE_OK) {
        ms_tell_opened(*out);
        /* The thread may be asleep for as long as the other stores let it. It is woken now, so that what it has to
         * say comes after that. */
        ms_maintenance_plan(*out);
    }
    return ms_config_told(config, status);
}

int memstore_close(memstore *store)
{
    return store != NULL ? ms_store_close(store) : MEMSTORE_ERR_INVALID_ARGUMENT;
}

void memstore_destroy(memstore *store)
{
    if (store != NULL)
        ms_store_destroy(store);
}
