/* SPDX-License-Identifier: Apache-2.0 */
/* Removing everything. Shard by shard: under the lock the table is dropped as a whole, then each
 * entry that was in it is told to be dead. */
#include "store/write/clear.h"

#include "store/lookup.h"
#include "store/space/ghost_memory.h"
#include "store/space/harvest.h"
#include "store/watch/notify.h"
#include "store/write/write.h"

struct clearing {
    memstore *store;
    uint64_t expired; /* entries whose time was over already */
};

static bool kill_entry(void *context, uint32_t place)
{
    struct clearing *clearing = context;
    memstore *store = clearing->store;
    struct ms_found found = {.place = place,
                             .entry = (struct ms_entry *)ms_arena_entry(&store->arena, place)};

    found.parts = ms_entry_parts(found.entry, store->kept);
    found.segment = ms_arena_segment_of(&store->arena, place);
    const bool live = !ms_has_expired(ms_found_expiry(&found));
    clearing->expired += !live;
    ms_notify_removal(store, &found, ms_removal_kind(live, MEMSTORE_EVENT_CLEARED));
    ms_store_entry_died(store, &found);
    return true;
}

static void clear_shard_locked(memstore *store, uint32_t shard)
{
    struct clearing clearing = {.store = store};

    if (ms_flights_any(&store->flights))
        ms_flights_overtake_shard(&store->flights, shard, store->index.shard_count);
    ms_news_note_all(&store->news);
    if (ms_stale_any(&store->stale))
        ms_stale_clear_shard(store, shard);
    if (ms_load_relaxed(&store->index.tables[shard]) == 0)
        return;
    ms_index_drop_table(&store->index, shard, kill_entry, &clearing);
    if (clearing.expired != 0)
        ms_count(&store->counters, MS_COUNT_EXPIRATIONS, clearing.expired);
}

int ms_store_clear(memstore *store)
{
    const int64_t deadline = ms_store_deadline(store);

    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        ms_mutex *lock = &store->index.shards[shard].lock;

        if (!ms_mutex_lock_until(lock, deadline)) {
            ms_store_count_refusal(store, MEMSTORE_ERR_LOCK_TIMEOUT);
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        }
        clear_shard_locked(store, shard);
        ms_mutex_unlock(lock);
    }
    ms_track_clear(store);
    /* What was being appended to is reclaimed as well, and given back to the system. */
    ms_arena_seal_open(&store->arena);
    if (!ms_mutex_lock_until(&store->reclaim_lock, deadline))
        return MEMSTORE_OK;
    ms_harvest_locked(store, deadline);
    ms_ghost_memory_give_back_locked(store);
    ms_arena_cool(&store->arena, store->arena.reserve);
    ms_mutex_unlock(&store->reclaim_lock);
    return MEMSTORE_OK;
}
