/* SPDX-License-Identifier: Apache-2.0 */
/* S3-FIFO on segments, with the published parameters: a tenth for the small queue, two uses to
 * be promoted. */
#include "eviction/eviction.h"

#define SMALL_SHARE_DIVISOR 10
#define PROMOTION_COUNT 2

static enum ms_queue queue_for(struct ms_eviction *eviction, uint64_t hash,
                               const struct ms_segment *old)
{
    if (old != NULL)
        return old->queue == MS_QUEUE_NEW ? MS_QUEUE_NEW : MS_QUEUE_MAIN;
    return ms_ghost_take(&eviction->ghost, hash) ? MS_QUEUE_MAIN : MS_QUEUE_NEW;
}

/* Bytes in each list's sealed segments. */
static void list_bytes(struct ms_arena *arena, uint64_t *small, uint64_t *main)
{
    ms_mutex_lock(&arena->pool_lock);
    *small = arena->lists[MS_LIST_NEW].bytes;
    *main = arena->lists[MS_LIST_MAIN].bytes;
    ms_mutex_unlock(&arena->pool_lock);
}

static struct ms_segment *victim(struct ms_eviction *eviction)
{
    uint64_t small, main;

    list_bytes(eviction->arena, &small, &main);
    const enum ms_list first =
        small > (small + main) / SMALL_SHARE_DIVISOR ? MS_LIST_NEW : MS_LIST_MAIN;
    struct ms_segment *segment = ms_eviction_oldest(eviction, first);

    return segment != NULL
               ? segment
               : ms_eviction_oldest(eviction, first == MS_LIST_NEW ? MS_LIST_MAIN : MS_LIST_NEW);
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               unsigned access)
{
    (void)eviction;
    if (victim->queue == MS_QUEUE_NEW)
        return (struct ms_verdict){.keep = access >= PROMOTION_COUNT, .queue = MS_QUEUE_MAIN};
    return (struct ms_verdict){
        .keep = access > 0, .queue = MS_QUEUE_MAIN, .access = access > 0 ? access - 1 : 0};
}

static bool remembers(const struct ms_segment *victim)
{
    return victim->queue == MS_QUEUE_NEW;
}

const struct ms_policy ms_policy_s3fifo = {
    .touch = MS_TOUCH_COUNT,
    .queue_for = queue_for,
    .victim = victim,
    .judge = judge,
    .remembers = remembers,
};
