/* SPDX-License-Identifier: Apache-2.0 */
/* Room for an entry: reserved, made where there is none, or taken only of what is free. */
#include "store/space/reserve.h"

#include "store/space/choose.h"
#include "store/space/freeing.h"
#include "store/space/ghost_memory.h"
#include "store/space/harvest.h"
#include "store/space/move.h"
#include "store/space/reclaim.h"
#include "store/space/room.h"
#include "store/store.h"
#include "store/watch/report.h"

#include "platform/wait.h"

/* What is to be done for an entry that has got its room. */
static int settle_in(memstore *store, const struct ms_reserved *reserved)
{
    if (ms_unlikely(reserved->segment->is_solo) &&
        !ms_due_reserve(&store->due, ms_arena_most_in_use(&store->arena))) {
        ms_reserve_abandon(store, reserved);
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    /* The first entry of a segment is the time to see that others stay free and that dead bytes
     * do not pile up. */
    if (ms_unlikely(ms_reserve_opened(reserved))) {
        ms_store_relaxed(&store->stale.taken, 0);
        ms_ghost_memory_ready(store);
        ms_maintenance_wake(store);
    }
    return MEMSTORE_OK;
}

/* ---- Where nothing is evicted: to the last byte ---- */

/* A segment to be compacted, however little of it is dead: what that wins is left where its entries go, which is of no
 * use to a large one. */
static struct ms_segment *choose_little(memstore *store, bool large, int64_t deadline_us)
{
    struct ms_segment *const segment = large ? NULL : ms_choose_emptiest(store, 1);

    if (segment != NULL && ms_move_fits_reserve(store, segment))
        return segment;
    /* What pays fits one segment. */
    return ms_move_has_reserve(store) ? ms_choose_to_compact(store, 1, deadline_us) : NULL;
}

static bool compact_little(memstore *store, bool large, int64_t deadline_us)
{
    struct ms_segment *const segment = choose_little(store, large, deadline_us);

    if (segment == NULL)
        return false;
    ms_reclaim_compact_locked(store, segment);
    return ms_segment_is_in_limbo(segment) && ms_harvest_locked(store, deadline_us);
}

/* Room of its own for a large entry, else in any open segment. The reserve stays. */
static bool reserve_anywhere(memstore *store, const struct ms_placement *placement,
                             const struct ms_entry_shape *shape, bool large,
                             struct ms_reserved *out)
{
    struct ms_arena *const arena = &store->arena;

    if (!ms_move_has_reserve(store))
        return false;
    if (ms_arena_reserve(arena, placement, shape, out))
        return true;
    /* What came free is kept warm for segments, and charged. */
    return large ? ms_arena_cool(arena, 0) != 0 && ms_arena_reserve(arena, placement, shape, out)
                 : ms_arena_reserve_rest(arena, placement, shape, out);
}

static uint64_t dead_bytes(memstore *store)
{
    uint64_t live, dead;

    ms_store_live_and_dead(store, &live, &dead);
    return dead;
}

/* The same after compactions of segments that are not worth it otherwise, if they come to it. */
static bool squeeze_in_locked(memstore *store, const struct ms_placement *placement,
                              const struct ms_entry_shape *shape, uint64_t large,
                              int64_t deadline_us, struct ms_reserved *out)
{
    bool sealed = false;

    for (;;) {
        if (reserve_anywhere(store, placement, shape, large != 0, out))
            return true;
        if (ms_wait_is_over(deadline_us) || (large != 0 && dead_bytes(store) < large))
            return false;
        if (!compact_little(store, large != 0, deadline_us)) {
            bool left;
            if (sealed || !ms_arena_seal_spent(&store->arena, 1, true, &left))
                return false;
            sealed = true;
        }
    }
}

static int squeeze_in(memstore *store, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, uint64_t large, int64_t deadline_us,
                      struct ms_reserved *out)
{
    if (!ms_freeing_lock(store, deadline_us))
        return MEMSTORE_ERR_CACHE_FULL;
    const bool reserved = squeeze_in_locked(store, placement, shape, large, deadline_us, out);
    ms_mutex_unlock(&store->reclaim_lock);
    return reserved ? MEMSTORE_OK : MEMSTORE_ERR_CACHE_FULL;
}

int ms_reserve_room(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    struct ms_arena *arena = &store->arena;

    struct ms_budget_mark asked = ms_budget_mark(&arena->budget);

    if (ms_unlikely(!ms_arena_reserve(arena, placement, shape, out))) {
        const uint64_t size = ms_shape_size(shape, true, store->kept);
        const uint64_t bytes =
            ms_arena_is_large(arena, size)
                ? (uint64_t)ms_arena_solo_head(arena) + ms_arena_padded(arena, size)
                : 0;
        const int64_t deadline = ms_store_deadline(store);

        ms_count(&store->counters, MS_COUNT_ROOM_MADE, 1);
        do {
            int status = ms_room_make(store, bytes, deadline, &asked);
            if (status == MEMSTORE_ERR_CACHE_FULL) {
                status = squeeze_in(store, placement, shape, bytes, deadline, out);
                if (status == MEMSTORE_OK)
                    break;
            }
            if (status != MEMSTORE_OK)
                return status;
        } while (!ms_arena_reserve(arena, placement, shape, out));
    }
    return settle_in(store, out);
}

void ms_reserve_prepare(memstore *store)
{
    if (store->settings.eviction == MS_EVICTION_NONE || ms_arena_freed_ahead(&store->arena) == 0 ||
        ms_arena_available(&store->arena) != 0 || !ms_maintenance_wake(store) ||
        !ms_mutex_try_lock(&store->reclaim_lock))
        return;
    if (ms_arena_available(&store->arena) == 0 && !ms_store_is_closed(store)) {
        ms_freeing_step_locked(store, MS_HARVEST_NO_WAIT);
        ms_harvest_begin_locked(store);
    }
    ms_mutex_unlock(&store->reclaim_lock);
}

/* Free some of what is of no use any more. False when nothing came free. */
static bool free_spent(memstore *store, int64_t deadline_us)
{
    if (!ms_freeing_lock(store, deadline_us))
        return false;
    const bool stepped = ms_freeing_spent_locked(store, deadline_us);
    ms_mutex_unlock(&store->reclaim_lock);
    return stepped;
}

/* Whether as much is free as is kept so for writers. */
static bool leaves_enough(memstore *store)
{
    const uint32_t kept = ms_room_kept_for_writers(store);

    return kept == 0 || ms_arena_available(&store->arena) >= kept;
}

/* Take what is free beyond what is kept so for writers. */
static bool take_free(memstore *store, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    struct ms_arena *arena = &store->arena;

    if (!ms_arena_reserve(arena, placement, shape, out))
        return false;
    /* A segment was opened for it: the next one would be taken from those kept free for writers,
     * and something be evicted in its place. */
    if (ms_reserve_opened(out) && !leaves_enough(store)) {
        ms_reserve_abandon(store, out);
        return false;
    }
    return true;
}

int ms_reserve_free(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    if (!take_free(store, placement, shape, out)) {
        const int64_t deadline = ms_store_deadline(store);

        /* What was opened in vain is open still. */
        do {
            if (!free_spent(store, deadline))
                return MEMSTORE_ERR_CACHE_FULL;
        } while (!leaves_enough(store) || !take_free(store, placement, shape, out));
    }
    return settle_in(store, out);
}
