/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction on demand. */
#include "store/space/compact.h"

#include "store/space/choose.h"
#include "store/space/freeing.h"
#include "store/space/harvest.h"
#include "store/space/reclaim.h"
#include "store/store.h"
#include "store/upkeep.h"
#include "store/watch/report.h"

#include "platform/wait.h"

#include <sched.h>

/* Not a status: a segment was emptied. */
#define COMPACTS_ON 1

static double dead_ratio(memstore *store)
{
    uint64_t live, dead;

    ms_store_live_and_dead(store, &live, &dead);
    return dead == 0 ? 0 : (double)dead / (double)(live + dead);
}

/* Free what is spent already. */
static void begin_compaction_locked(memstore *store)
{
    store->half_evicted = NULL;
    ms_arena_seal_open(&store->arena);
    ms_freeing_emptied_locked(store, ms_store_deadline(store));
}

/* Compact one segment. OK when the share of dead bytes was as it should be before. */
static int compact_step_locked(memstore *store, double max_dead_ratio)
{
    if (ms_store_is_closed(store))
        return MEMSTORE_ERR_CACHE_CLOSED;
    if (dead_ratio(store) <= max_dead_ratio)
        return MEMSTORE_OK;
    struct ms_segment *segment = ms_choose_to_compact(store, 1, ms_store_deadline(store));
    if (segment == NULL)
        return MEMSTORE_ERR_MEMORY_FRAGMENTATION;
    ms_reclaim_compact_locked(store, segment);
    const bool emptied = ms_segment_is_in_limbo(segment);
    ms_harvest_locked(store, ms_store_deadline(store));
    return emptied ? COMPACTS_ON : MEMSTORE_ERR_MEMORY_FRAGMENTATION;
}

int ms_store_compact(memstore *store, double max_dead_ratio)
{
    /* More segments than there are die only while it goes on: others may overwrite for ever. */
    uint32_t left = ms_arena_most_in_use(&store->arena);
    int status = COMPACTS_ON;

    ms_upkeep_expire(store, ms_store_deadline(store));
    if (store->settings.secure_wipe && max_dead_ratio == 0)
        ms_track_forget_keys(store);
    for (bool begun = false; status == COMPACTS_ON; begun = true) {
        if (!ms_mutex_lock_until(&store->reclaim_lock, ms_store_deadline(store)))
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        if (!begun)
            begin_compaction_locked(store);
        status = compact_step_locked(store, max_dead_ratio);
        ms_mutex_unlock(&store->reclaim_lock);
        if (status == COMPACTS_ON && ms_wait_is_stopped())
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        if (status == COMPACTS_ON && left-- == 0)
            return MEMSTORE_ERR_MEMORY_FRAGMENTATION;
        /* Between segments writers that wait for the reclaim lock come first. */
        if (status == COMPACTS_ON)
            sched_yield();
    }
    return status;
}
