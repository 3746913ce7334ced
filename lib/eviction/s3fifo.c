/* SPDX-License-Identifier: Apache-2.0 */
/* S3-FIFO on segments, with the published parameters: a tenth for the small queue, two uses to
 * be promoted. */
#include "eviction/eviction.h"

#define SMALL_SHARE 0.1
#define PROMOTION_COUNT 2
/* The published queue remembers as many keys as the store has, and a key that comes back leaves its place to
 * another; in the ghost's rings it does not, so there are a few places more. */
#define GHOST_PERCENT 120

static enum ms_queue queue_for(struct ms_eviction *eviction, struct ms_subject *entry,
                               const struct ms_segment *old)
{
    if (old != NULL)
        return old->queue == MS_QUEUE_NEW ? MS_QUEUE_NEW : MS_QUEUE_MAIN;
    return ms_ghost_take(&eviction->ghost, entry->hash).kind != MS_GHOST_NONE ? MS_QUEUE_MAIN
                                                                              : MS_QUEUE_NEW;
}

static struct ms_segment *victim(struct ms_eviction *eviction)
{
    return ms_eviction_oldest_by_share(eviction, SMALL_SHARE);
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    const unsigned access = entry->access;

    (void)eviction;
    if (victim->queue == MS_QUEUE_NEW)
        return (struct ms_verdict){.keep = access >= PROMOTION_COUNT, .queue = MS_QUEUE_MAIN};
    return (struct ms_verdict){
        .keep = access > 0, .queue = MS_QUEUE_MAIN, .access = access > 0 ? access - 1 : 0};
}

static enum ms_ghost_kind drop(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    (void)eviction;
    (void)entry;
    return victim->queue == MS_QUEUE_NEW ? MS_GHOST_UNUSED : MS_GHOST_NONE;
}

const struct ms_policy ms_policy_s3fifo = {
    .touch = MS_TOUCH_COUNT,
    .queue_for = queue_for,
    .victim = victim,
    .judge = judge,
    .drop = drop,
    .ghost_percent = GHOST_PERCENT,
};
