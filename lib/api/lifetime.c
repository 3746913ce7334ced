/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "store/store.h"

int memstore_open(const memstore_config *config, memstore **out)
{
    struct ms_settings settings;
    const char *why = NULL;

    if (out == NULL) {
        ms_config_set_error(config, "the place for the store is NULL");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    *out = NULL;
    int status = ms_config_resolve(config, &settings);
    if (status != MEMSTORE_OK)
        return status;
    status = ms_store_open(&settings, out, &why);
    if (why != NULL)
        ms_config_set_error(config, "%s", why);
    return status;
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
