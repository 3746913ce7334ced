/* SPDX-License-Identifier: Apache-2.0 */
/* The two policies that keep nothing: oldest first, and none at all. */
#include "eviction/eviction.h"

static struct ms_segment *oldest(struct ms_eviction *eviction)
{
    return ms_eviction_oldest(eviction, MS_LIST_MAIN);
}

static struct ms_segment *no_victim(struct ms_eviction *eviction)
{
    (void)eviction;
    return NULL;
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    (void)eviction;
    (void)victim;
    (void)entry;
    return (struct ms_verdict){.keep = false};
}

const struct ms_policy ms_policy_fifo = {
    .touch = MS_TOUCH_NOTHING,
    .victim = oldest,
    .judge = judge,
};

const struct ms_policy ms_policy_none = {
    .touch = MS_TOUCH_NOTHING,
    .victim = no_victim,
    .judge = judge,
};
