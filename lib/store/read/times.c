/* SPDX-License-Identifier: Apache-2.0 */
#include "store/read/times.h"

#include "store/lookup.h"
#include "store/store.h"

/* In a read section. As for ms_lookup_renewed(), an entry that has expired counts only when it is
 * found once more. */
static int read_expiry(memstore *store, const void *key, size_t key_size, int64_t *expiry,
                       int64_t *now)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    ms_place before = MS_PLACE_NONE;
    struct ms_found found;

    while (ms_lookup_find(store, key, key_size, hash, &found)) {
        *expiry = ms_found_expiry(&found);
        if (*expiry == MS_NEVER)
            return MEMSTORE_ERR_TTL_NOT_SET;
        *now = ms_clock_exact_ms();
        if (*expiry > *now)
            return MEMSTORE_OK;
        if (found.place == before)
            return MEMSTORE_ERR_TTL_EXPIRED;
        before = found.place;
    }
    return MEMSTORE_ERR_KEY_NOT_FOUND;
}

int ms_store_get_expiry(memstore *store, const void *key, size_t key_size, int64_t *expiry,
                        int64_t *now)
{
    int status = MEMSTORE_ERR_CACHE_CLOSED;

    ms_rcu_read_lock();
    if (ms_likely(!ms_store_is_closed(store)))
        status = read_expiry(store, key, key_size, expiry, now);
    ms_rcu_read_unlock();
    return status;
}

/* In a read section. */
static int read_created(memstore *store, const void *key, size_t key_size, int64_t *unix_ms)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    struct ms_found found;

    if (!ms_lookup_live(store, key, key_size, hash, &found))
        return MEMSTORE_ERR_KEY_NOT_FOUND;
    *unix_ms = ms_entry_created(found.entry) + ms_clock_unix_offset_of_past_ms();
    return MEMSTORE_OK;
}

int ms_store_get_created(memstore *store, const void *key, size_t key_size, int64_t *unix_ms)
{
    int status = MEMSTORE_ERR_CACHE_CLOSED;

    ms_rcu_read_lock();
    if (ms_likely(!ms_store_is_closed(store)))
        status = read_created(store, key, key_size, unix_ms);
    ms_rcu_read_unlock();
    return status;
}
