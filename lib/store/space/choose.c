/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space/choose.h"

#include "store/space/move.h"
#include "store/store.h"

#include "platform/wait.h"

static void consider_stale(struct ms_segment *segment, void *context)
{
    struct ms_segment **stalest = context;

    if (ms_load_relaxed(&segment->stale_bytes) != 0 &&
        (*stalest == NULL ||
         ms_load_relaxed(&segment->earliest) < ms_load_relaxed(&(*stalest)->earliest)))
        *stalest = segment;
}

struct ms_segment *ms_choose_stalest(memstore *store)
{
    struct ms_segment *stalest = NULL;

    ms_arena_each(&store->arena, consider_stale, &stalest);
    return stalest;
}

/* Which not to choose. */
enum { SPARE_WHAT_DOES_NOT_PAY = 1, SPARE_WHAT_IS_KEPT = 2 };

struct emptiest {
    const memstore *store;
    struct ms_segment *segment;
    uint32_t dead;
    unsigned spares;
};

static bool is_spared(const struct emptiest *best, const struct ms_segment *segment, uint32_t dead)
{
    if ((best->spares & SPARE_WHAT_IS_KEPT) != 0 && ms_load_relaxed(&segment->stale_bytes) != 0)
        return true;
    return (best->spares & SPARE_WHAT_DOES_NOT_PAY) != 0 && dead < segment->pays_from;
}

static void consider(struct ms_segment *segment, void *context)
{
    struct emptiest *best = context;

    if (ms_load_relaxed(&segment->state) != MS_SEGMENT_SEALED || segment->is_solo ||
        segment->queue == MS_QUEUE_RECORDS || ms_segment_pending(segment) != 0 ||
        segment == best->store->half_evicted)
        return;
    /* Not what is left unused at the end: moving wins none of that. */
    const uint32_t dead = ms_segment_dead_bytes(segment);
    if (dead > best->dead && !is_spared(best, segment, dead) &&
        !ms_segment_is_pinned(&best->store->arena, segment)) {
        best->segment = segment;
        best->dead = dead;
    }
}

static struct ms_segment *choose(memstore *store, uint64_t least, unsigned spares)
{
    struct emptiest best = {.store = store, .spares = spares};

    if (least >= store->arena.worn_from && !ms_arena_is_worn(&store->arena))
        return NULL;
    ms_arena_each(&store->arena, consider, &best);
    return best.dead >= least ? best.segment : NULL;
}

struct ms_segment *ms_choose_emptiest(memstore *store, uint64_t least)
{
    return choose(store, least, 0);
}

static struct ms_segment *choose_what_pays(memstore *store, uint64_t least, unsigned spares,
                                           int64_t deadline_us)
{
    struct ms_segment *segment;

    spares |= SPARE_WHAT_DOES_NOT_PAY;
    while ((segment = choose(store, least, spares)) != NULL && !ms_move_pays(store, segment)) {
        if (ms_wait_is_over(deadline_us))
            return NULL;
    }
    return segment;
}

struct ms_segment *ms_choose_to_compact(memstore *store, uint64_t least, int64_t deadline_us)
{
    return choose_what_pays(store, least, 0, deadline_us);
}

struct ms_segment *ms_choose_to_tidy(memstore *store, uint64_t least, int64_t deadline_us)
{
    return choose_what_pays(store, least, SPARE_WHAT_IS_KEPT, deadline_us);
}
