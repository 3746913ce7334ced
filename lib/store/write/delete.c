/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write/delete.h"

#include "store/lookup.h"
#include "store/track/follow.h"
#include "store/watch/notify.h"
#include "store/write/write.h"

int ms_store_delete(memstore *store, const void *key, size_t key_size)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    struct ms_index_slot slot;
    struct ms_found found;
    bool live = false;
    const int status = ms_store_lock_shard(store, hash);

    if (status != MEMSTORE_OK) {
        ms_store_count_refusal(store, status);
        return status;
    }
    ms_store_overtake(store, &(memstore_key){key, key_size}, hash);
    const bool exists = ms_lookup_find_slot(store, key, key_size, hash, &slot, &found);
    if (exists) {
        live = !ms_has_expired(ms_found_expiry(&found));
        ms_index_remove(&store->index, hash, &slot);
        ms_notify_removal(store, &found, ms_removal_kind(live, MEMSTORE_EVENT_DELETED));
        ms_store_entry_died(store, &found);
    } else if (ms_unlikely(ms_stale_any(&store->stale))) {
        ms_stale_forget(store, &(memstore_key){key, key_size}, hash);
    }
    ms_mutex_unlock(ms_store_shard_lock(store, hash));

    if (ms_track_follows(store, hash))
        ms_track_delete(store, hash);
    if (exists)
        ms_count(&store->counters, live ? MS_COUNT_DELETES : MS_COUNT_EXPIRATIONS, 1);
    return live ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND;
}
