/* SPDX-License-Identifier: Apache-2.0 */
/* The default policy: S3-FIFO's two queues, with what no single setting of them is good at learned
 * while the store runs: adapt.h says how. docs/design/eviction.md has the measurements.
 *
 * A key that comes back soon enough goes to the main queue; another begins anew. Until the store is
 * full everything goes to the main queue, so that a loop that is larger than the store finds part of
 * itself there each time. */
#include "eviction/eviction.h"

static struct ms_sizing sizing_of(const struct ms_eviction *eviction)
{
    return (struct ms_sizing){eviction->goal, ms_load_relaxed(&eviction->mean_size)};
}

static enum ms_queue queue_for(struct ms_eviction *eviction, struct ms_subject *entry,
                               const struct ms_segment *old)
{
    if (old != NULL)
        return old->queue == MS_QUEUE_NEW ? MS_QUEUE_NEW : MS_QUEUE_MAIN;
    if (ms_load_relaxed(&eviction->ghost.table) == NULL)
        return MS_QUEUE_MAIN;

    const struct ms_ghost_trace trace = ms_ghost_take(&eviction->ghost, entry->hash);
    const struct ms_sizing sizing = sizing_of(eviction);
    ms_learned_note(&eviction->learned, &trace);
    if (!ms_adapt_is_main(&eviction->learned, &sizing, &trace, entry->size))
        return MS_QUEUE_NEW;
    entry->access = ms_adapt_credit(&sizing, entry->size);
    return MS_QUEUE_MAIN;
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
    const uint64_t keys = ms_ghost_capacity(&eviction->ghost) * 100 / MS_ADAPT_GHOST_PERCENT;

    ms_learned_look(&eviction->learned, keys, eviction->misses);
    struct ms_segment *segment =
        ms_eviction_oldest_by_share(eviction, eviction->learned.small_share);
    if (segment != NULL && ms_load_relaxed(&segment->queue) == MS_QUEUE_NEW)
        weigh_small(eviction, segment);
    return segment;
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    const struct ms_sizing sizing = sizing_of(eviction);
    struct ms_verdict verdict = {.queue = MS_QUEUE_MAIN};

    verdict.keep = victim->queue == MS_QUEUE_NEW
                       ? ms_adapt_keeps_small(&eviction->learned, &sizing, entry, &verdict.access)
                       : ms_adapt_keeps_main(&eviction->learned, &sizing, entry, &verdict.access);
    return verdict;
}

static enum ms_ghost_kind drop(struct ms_eviction *eviction, const struct ms_segment *victim,
                               unsigned access)
{
    const enum ms_ghost_kind kind = ms_adapt_kind(victim->queue == MS_QUEUE_NEW, access);

    eviction->learned.dropped[kind]++;
    return kind;
}

const struct ms_policy ms_policy_adaptive = {
    .touch = MS_TOUCH_COUNT,
    .queue_for = queue_for,
    .victim = victim,
    .judge = judge,
    .drop = drop,
    .ghost_percent = MS_ADAPT_GHOST_PERCENT,
};
