/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "store/read/times.h"
#include "store/watch/measuring.h"
#include "store/write/retime.h"
#include "store/write/writing.h"

int memstore_get_ttl(memstore *store, const void *key, size_t key_size, int64_t *ttl_ms)
{
    int64_t expiry, now;

    if (store == NULL || !ms_is_key(key, key_size) || ttl_ms == NULL)
        return ms_refuse_argument(store);
    const int status = ms_store_get_expiry(store, key, key_size, &expiry, &now);
    if (status == MEMSTORE_OK)
        *ttl_ms = expiry - now;
    return status;
}

int memstore_get_expiration(memstore *store, const void *key, size_t key_size, int64_t *unix_ms)
{
    int64_t expiry, now;

    if (store == NULL || !ms_is_key(key, key_size) || unix_ms == NULL)
        return ms_refuse_argument(store);
    const int status = ms_store_get_expiry(store, key, key_size, &expiry, &now);
    if (status == MEMSTORE_OK)
        *unix_ms = expiry + ms_clock_unix_offset_ms();
    return status;
}

int memstore_get_created(memstore *store, const void *key, size_t key_size, int64_t *unix_ms)
{
    if (store == NULL || !ms_is_key(key, key_size) || unix_ms == NULL)
        return ms_refuse_argument(store);
    if (!store->settings.store_creation_time)
        return ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : MEMSTORE_ERR_UNSUPPORTED;
    return ms_store_get_created(store, key, key_size, unix_ms);
}

int memstore_update_ttl(memstore *store, const void *key, size_t key_size, int64_t ttl_ms)
{
    if (store == NULL || !ms_is_key(key, key_size))
        return ms_refuse_argument(store);

    const uint64_t start = ms_measuring_begin(store);
    int status = ms_writing_begin(store, key, key_size);
    if (status == MEMSTORE_OK) {
        status = ms_store_update_ttl(store, key, key_size, ttl_ms);
        ms_writing_end(store);
    }
    ms_measuring_end(store, MEMSTORE_OPERATION_UPDATE_TTL, start);
    return status;
}
