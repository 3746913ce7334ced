/* SPDX-License-Identifier: Apache-2.0 */
#include "eviction/eviction.h"

#include "segment/pins.h"

void ms_eviction_init(struct ms_eviction *eviction, const struct ms_policy *policy,
                      enum ms_goal goal, struct ms_arena *arena)
{
    *eviction = (struct ms_eviction){.policy = policy, .goal = goal, .arena = arena};
    if (policy == &ms_policy_adaptive)
        ms_learned_init(&eviction->learned);
    if (policy->touch == MS_TOUCH_STAMP)
        ms_store_relaxed(&eviction->next_epoch, 1);
    /* Use is what counts for a policy that stamps, and a segment's entries are used while it is
     * filled; else it is when they came. */
    arena->ranks_at_sealing = policy->touch == MS_TOUCH_STAMP;
    eviction->bins = arena->bins;
}

struct ms_segment *ms_eviction_oldest(struct ms_eviction *eviction, enum ms_list list)
{
    struct ms_arena *arena = eviction->arena;

    ms_mutex_lock(&arena->pool_lock);
    struct ms_segment *segment = arena->lists[list].oldest;
    while (segment != NULL &&
           (ms_segment_pending(segment) != 0 || ms_segment_is_pinned(arena, segment)))
        segment = segment->newer;
    ms_mutex_unlock(&arena->pool_lock);
    return segment;
}

void ms_eviction_queue_bytes(struct ms_eviction *eviction, uint64_t *small, uint64_t *main)
{
    struct ms_arena *arena = eviction->arena;

    ms_mutex_lock(&arena->pool_lock);
    *small = arena->lists[MS_LIST_NEW].bytes;
    *main = arena->lists[MS_LIST_MAIN].bytes;
    ms_mutex_unlock(&arena->pool_lock);
}

struct ms_segment *ms_eviction_oldest_by_share(struct ms_eviction *eviction, double share)
{
    uint64_t small, main;

    ms_eviction_queue_bytes(eviction, &small, &main);
    const bool small_first = (double)small > share * (double)(small + main);
    struct ms_segment *segment =
        ms_eviction_oldest(eviction, small_first ? MS_LIST_NEW : MS_LIST_MAIN);

    return segment != NULL ? segment
                           : ms_eviction_oldest(eviction, small_first ? MS_LIST_MAIN : MS_LIST_NEW);
}

void ms_eviction_inform(struct ms_eviction *eviction, uint64_t keys, uint64_t misses)
{
    struct ms_arena *arena = eviction->arena;
    const struct ms_segment_list *small = &arena->lists[MS_LIST_NEW];
    const struct ms_segment_list *main = &arena->lists[MS_LIST_MAIN];

    ms_mutex_lock(&arena->pool_lock);
    const uint64_t bytes = small->bytes + main->bytes;
    const uint64_t entries = small->entries + main->entries;
    ms_mutex_unlock(&arena->pool_lock);
    eviction->keys = keys;
    eviction->misses = misses;
    ms_store_relaxed(&eviction->mean_size, entries != 0 ? bytes / entries : 0);
}
