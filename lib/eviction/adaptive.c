/* SPDX-License-Identifier: Apache-2.0 */
/* The default policy: S3-FIFO's two queues, with what no single setting of them is good at learned
 * while the store runs: adapt.h says how. docs/design/eviction.md has the measurements.
 *
 * A key that comes back soon enough goes to the main queue; another begins anew. Until the store is
 * full, at first or after it was emptied, everything goes to the main queue, so that a loop that is
 * larger than the store finds part of itself there each time.
 *
 * Entries that stay for a part of a turn of the main queue only are listed among its older ones. They
 * have segments of their own for that: a bin. */
#include "eviction/eviction.h"

/* A full store may have this part of its limit free, beside what it keeps so. One that has another such part
 * free was emptied: large entries that go leave less. */
#define FREE_DIVISOR 16
#define EMPTIED_DIVISOR 4

static struct ms_sizing sizing_of(const struct ms_eviction *eviction)
{
    return (struct ms_sizing){
        eviction->goal,
        ms_learned_mean(&eviction->learned, ms_load_relaxed(&eviction->mean_size)),
    };
}

/* As the mean counts it. */
static uint64_t size_of(const struct ms_eviction *eviction, const struct ms_subject *entry)
{
    return ms_arena_padded(eviction->arena, entry->size);
}

/* Whether segments that are listed elsewhere than others can be had for it. */
static bool can_be_listed_apart(const struct ms_eviction *eviction, uint64_t size)
{
    return eviction->arena->segment_count >= MS_ADAPT_BIN_FROM_SEGMENTS ||
           ms_arena_is_large(eviction->arena, size);
}

/* The queue for an entry that is kept, and its rank there. */
static enum ms_queue main_queue(const struct ms_eviction *eviction, uint64_t size, uint64_t *rank)
{
    const struct ms_sizing sizing = sizing_of(eviction);
    const unsigned life = ms_adapt_life(&sizing, size);

    *rank = 0;
    if (life == MS_ADAPT_ONE || !can_be_listed_apart(eviction, size))
        return MS_QUEUE_MAIN;
    const uint64_t oldest = ms_load_relaxed(&eviction->main_rank);
    const uint64_t now = ms_load_relaxed(&eviction->arena->rank_clock);
    if (oldest < now)
        *rank = oldest + (now - oldest) * life / MS_ADAPT_ONE + 1;
    return MS_QUEUE_BIN0;
}

/* Whether the store is being filled again after it was emptied. */
static bool is_filling(struct ms_eviction *eviction)
{
    const struct ms_arena *arena = eviction->arena;
    const uint64_t limit = ms_budget_limit(&arena->budget);
    const uint64_t kept_free = (uint64_t)(arena->reserve + 1) << arena->segment_shift;
    const bool was = ms_load_relaxed(&eviction->fills);
    const uint64_t least = limit / FREE_DIVISOR + (was ? 0 : limit / EMPTIED_DIVISOR) + kept_free;
    const bool fills = ms_budget_charged(&arena->budget) + least < limit;

    if (ms_unlikely(fills != was))
        ms_store_relaxed(&eviction->fills, fills);
    return fills;
}

static enum ms_queue queue_for(struct ms_eviction *eviction, struct ms_subject *entry,
                               const struct ms_segment *old)
{
    if (old != NULL && old->queue == MS_QUEUE_NEW)
        return MS_QUEUE_NEW;

    const uint64_t size = size_of(eviction, entry);
    if (old != NULL)
        return main_queue(eviction, size, &entry->rank);
    if (ms_load_relaxed(&eviction->ghost.table) == NULL || is_filling(eviction))
        return MS_QUEUE_MAIN;

    const struct ms_ghost_trace trace = ms_ghost_take(&eviction->ghost, entry->hash);
    const struct ms_sizing sizing = sizing_of(eviction);
    if (trace.kind == MS_GHOST_NONE)
        return MS_QUEUE_NEW;
    ms_learned_note(&eviction->learned, &sizing, &trace, size);
    if (!ms_adapt_is_main(&eviction->learned, &sizing, &trace, size))
        return MS_QUEUE_NEW;
    entry->access = ms_adapt_credit(&sizing, size);
    return main_queue(eviction, size, &entry->rank);
}

/* What the small queue holds beside the one that is about to be emptied, which may have left its list. */
static void weigh_small(struct ms_eviction *eviction, const struct ms_segment *segment)
{
    const uint64_t used = ms_load_relaxed(&segment->used);
    uint64_t small, main;

    ms_eviction_queue_bytes(eviction, &small, &main);
    ms_learned_weigh(&eviction->learned, small > used ? small - used : 0, small + main);
}

static struct ms_segment *victim(struct ms_eviction *eviction)
{
    ms_learned_look(&eviction->learned, eviction->keys, eviction->misses);
    struct ms_segment *segment =
        ms_eviction_oldest_by_share(eviction, eviction->learned.small_share);
    if (segment == NULL)
        return NULL;
    if (ms_load_relaxed(&segment->queue) == MS_QUEUE_NEW)
        weigh_small(eviction, segment);
    else
        ms_store_relaxed(&eviction->main_rank, segment->rank);
    return segment;
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    const struct ms_sizing sizing = sizing_of(eviction);
    const struct ms_subject sized = {entry->hash, size_of(eviction, entry), entry->access, 0};
    struct ms_verdict verdict = {.queue = MS_QUEUE_MAIN};

    verdict.keep = victim->queue == MS_QUEUE_NEW
                       ? ms_adapt_keeps_small(&eviction->learned, &sizing, &sized, &verdict.access)
                       : ms_adapt_keeps_main(&eviction->learned, &sizing, &sized, &verdict.access);
    if (verdict.keep)
        verdict.queue = main_queue(eviction, sized.size, &verdict.rank);
    return verdict;
}

static enum ms_ghost_kind drop(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    const struct ms_sizing sizing = sizing_of(eviction);
    const enum ms_ghost_kind kind = ms_adapt_kind(victim->queue == MS_QUEUE_NEW, entry->access);
    const struct ms_subject sized = {entry->hash, size_of(eviction, entry), entry->access, 0};

    return ms_learned_drop(&eviction->learned, &sizing, kind, &sized);
}

const struct ms_policy ms_policy_adaptive = {
    .touch = MS_TOUCH_COUNT,
    .queue_for = queue_for,
    .victim = victim,
    .judge = judge,
    .drop = drop,
    .ghost_percent = MS_ADAPT_GHOST_PERCENT,
    .bins = 1,
    .segments_a_bin = 64,
};
