/* SPDX-License-Identifier: Apache-2.0 */
/* In which order memory comes free: what has expired, what is kept beyond that, dead bytes, what the tables do
 * not need, then what the eviction policy gives up. */
#include "store/space/freeing.h"

#include "store/maintenance.h"
#include "store/space/choose.h"
#include "store/space/ghost_memory.h"
#include "store/space/harvest.h"
#include "store/space/reclaim.h"
#include "store/store.h"
#include "store/watch/store_log.h"

#include "platform/wait.h"

/* How long a compaction that held shards keep from its end is tried again before something is evicted
 * in its place: whoever holds them mostly waits for a processor. */
#define PATIENCE_FOR_SHARDS_US 100000

/* Victims tried in one step. Large entries that are kept come up a few times each before one goes;
 * of those that cannot be emptied fewer. */
#define VICTIMS_A_STEP 1024
#define FAILURES_A_STEP 8

/* From so many segments on one more is emptied while the grace period of another passes: that is
 * less than a hundredth of the memory. */
#define AHEAD_FROM_SEGMENTS 128

/* Segments that are swept in vain in one step, whose caller holds the reclaim lock: some milliseconds. */
#define SWEEPS_A_STEP 8

bool ms_freeing_lock(memstore *store, int64_t deadline_us)
{
    return ms_maintenance_is_me() ? ms_mutex_try_lock(&store->reclaim_lock)
                                  : ms_mutex_lock_until(&store->reclaim_lock, deadline_us);
}

/* Sweep segments until something is removed. What was to expire first in one may have been replaced or renewed
 * since: after its sweep it does not seem to hold anything expired any more. */
static bool sweep_expired(memstore *store)
{
    const int64_t now = ms_clock_exact_ms();
    struct ms_segment *segment;

    for (int i = 0; i < SWEEPS_A_STEP; i++) {
        segment = ms_due_any_expired(&store->due, now);
        if (segment == NULL)
            return false;
        if (ms_reclaim_sweep_locked(store, segment, now, 0, false) != 0)
            return true;
        /* Somebody holds a shard. */
        if (ms_load_relaxed(&segment->earliest) <= now)
            return false;
    }
    return false;
}

/* Give up what is kept beyond its expiry in one segment. */
static bool drop_stale(memstore *store)
{
    struct ms_segment *segment = ms_stale_any(&store->stale) ? ms_choose_stalest(store) : NULL;

    return segment != NULL && ms_reclaim_drop_stale_locked(store, segment) != 0;
}

enum compaction {
    COMPACTION_NOTHING,
    COMPACTION_DONE,
    COMPACTION_HELD_UP,
    COMPACTION_WITHOUT_ROOM
};

static enum compaction compact_one(memstore *store, int64_t deadline_us)
{
    struct ms_segment *segment = ms_choose_to_compact(store, store->arena.worn_from, deadline_us);

    if (segment == NULL)
        return COMPACTION_NOTHING;
    const bool met_all = ms_reclaim_compact_locked(store, segment);
    if (ms_segment_is_in_limbo(segment)) {
        store->held_up_since = 0;
        return COMPACTION_DONE;
    }
    return met_all ? COMPACTION_WITHOUT_ROOM : COMPACTION_HELD_UP;
}

/* Whether what is dead is to be had soon, so that nothing that lives need go: there is room to move
 * entries to once a grace period has passed, or those who hold shards may give them back. */
static bool may_go_on(memstore *store, enum compaction compaction, int64_t deadline_us)
{
    if (compaction == COMPACTION_NOTHING)
        return false;
    if (ms_arena_has_limbo(&store->arena, 1))
        return ms_harvest_locked(store, deadline_us) || deadline_us == MS_HARVEST_NO_WAIT;
    if (compaction == COMPACTION_WITHOUT_ROOM)
        return false;
    /* Others may have ended what kept us the last time. */
    const int64_t now = ms_clock_real_us();
    if (store->held_up_since == 0 || now - store->held_up_last >= PATIENCE_FOR_SHARDS_US)
        store->held_up_since = now;
    store->held_up_last = now;
    return now - store->held_up_since < PATIENCE_FOR_SHARDS_US && !ms_wait_is_over(deadline_us);
}

/* Empty a victim, or as much of it as there is room for what is kept. */
static bool evict_victim(memstore *store)
{
    int failures = 0;

    for (int i = 0; i < VICTIMS_A_STEP && failures < FAILURES_A_STEP; i++) {
        struct ms_segment *victim = store->eviction.policy->victim(&store->eviction);

        if (victim == NULL)
            return false;
        ms_tell_limit_reached(store);
        failures += !ms_reclaim_evict_locked(store, victim);
        if (ms_segment_is_in_limbo(victim) || store->moves_wait)
            return true;
    }
    return false;
}

static bool evict_one(memstore *store, int64_t deadline_us)
{
    if (store->eviction.policy->ghost_percent != 0) {
        const uint64_t entries = ms_index_count(&store->index);

        ms_eviction_inform(&store->eviction, entries,
                           ms_counters_total(&store->counters, MS_COUNT_MISSES));
        if (ms_ghost_memory_fit_locked(store, entries) && evict_victim(store) &&
            ms_harvest_locked(store, deadline_us))
            ms_ghost_memory_save_locked(store);
    }
    return evict_victim(store);
}

/* Free what was emptied before. Where memory allows it, a grace period is not waited for before
 * another segment has been emptied, if there is room for what is kept of that: it is the next writer's. The
 * maintenance thread lets it pass itself: nobody else does. */
static bool harvest(memstore *store, int64_t deadline_us)
{
    const struct ms_arena *arena = &store->arena;

    if (ms_maintenance_is_me() || !ms_harvest_begin_locked(store))
        return ms_harvest_locked(store, deadline_us);
    const bool waits = store->moves_wait || arena->segment_count < AHEAD_FROM_SEGMENTS ||
                       ms_arena_has_limbo(&store->arena, 2);
    return ms_harvest_ripe_locked(store, waits ? deadline_us : MS_HARVEST_NO_WAIT);
}

/* Empty a segment of what is of no use any more, or have tables give back what they do not need. */
static bool empty_spent(memstore *store, int64_t deadline_us)
{
    if (sweep_expired(store) || drop_stale(store))
        return true;
    const enum compaction compaction = compact_one(store, deadline_us);
    return compaction == COMPACTION_DONE || may_go_on(store, compaction, deadline_us) ||
           ms_tables_shrink_locked(store);
}

bool ms_freeing_empty_locked(memstore *store, int64_t deadline_us)
{
    return empty_spent(store, deadline_us) || evict_one(store, deadline_us);
}

/* What is dead in open segments is had once they are sealed. */
static bool seal_spent(memstore *store)
{
    bool left;

    return ms_arena_seal_spent(&store->arena, store->arena.worn_from, true, &left);
}

static bool take_step(memstore *store, bool evicts, int64_t deadline_us)
{
    struct ms_arena *arena = &store->arena;

    if (ms_arena_has_waiting(arena) && ms_arena_recycle_waiting(arena) != 0)
        return true;
    if (harvest(store, deadline_us))
        return true;
    /* The grace period of those emptied before did not end in time. Emptying more would not help
     * and would cost the store its entries. */
    if (ms_arena_has_limbo(arena, 1) && ms_wait_is_over(deadline_us))
        return false;
    if (empty_spent(store, deadline_us) || (evicts && evict_one(store, deadline_us)) ||
        ms_harvest_ripe_locked(store, deadline_us) || ms_tables_finish_locked(store) ||
        ms_ghost_memory_give_back_locked(store))
        return true;
    /* Who evicts nothing may have opened one in vain, which is to be found open. */
    return evicts && seal_spent(store);
}

bool ms_freeing_step_locked(memstore *store, int64_t deadline_us)
{
    return take_step(store, true, deadline_us);
}

bool ms_freeing_spent_locked(memstore *store, int64_t deadline_us)
{
    return take_step(store, false, deadline_us);
}

bool ms_freeing_persist_locked(memstore *store, uint32_t *steps, int64_t deadline_us)
{
    store->keeps_none = ++*steps > store->arena.segment_count;
    const bool stepped = ms_freeing_step_locked(store, deadline_us);
    store->keeps_none = false;
    return stepped;
}

bool ms_freeing_evict_locked(memstore *store, int64_t deadline_us)
{
    if (store->settings.eviction == MS_EVICTION_NONE || !evict_one(store, deadline_us) ||
        !ms_harvest_locked(store, deadline_us))
        return false;
    return ms_arena_cool(&store->arena, 0) != 0;
}

void ms_freeing_emptied_locked(memstore *store, int64_t deadline_us)
{
    ms_arena_recycle_waiting(&store->arena);
    ms_harvest_locked(store, deadline_us);
}

void ms_freeing_emptied(memstore *store)
{
    const int64_t deadline = ms_store_deadline(store);

    if (!ms_freeing_lock(store, deadline))
        return;
    ms_freeing_emptied_locked(store, deadline);
    ms_mutex_unlock(&store->reclaim_lock);
}
