/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sizing.h"

#include "store/store.h"

/* Fewer shards than asked for are used in a store of under 64 KiB each: with a handful of
 * entries to a shard, tables would be mostly empty and take the memory of the entries. */
#define LIMIT_PER_SHARD (64 * 1024)
#define LIMIT_PER_SHARD_OF_SMALL (128 * 1024)
/* Threads that count in a stripe of their own: in all but small stores as many as prepared readers, see quick.h;
 * in a small one a stripe for each is memory of the entries. */
#define STRIPES_MAX MS_READER_SLOTS
_Static_assert(MS_SIZING_SMALL == STRIPES_MAX * UINT64_C(32) * 1024,
               "a 32nd of a small limit for stripes");
#define LIMIT_PER_STRIPE (128 * 1024)
/* Histograms of latencies are kept in several stripes in larger stores. */
#define LATENCY_STRIPES_MAX 8
#define LIMIT_PER_LATENCY_STRIPE (16 << 20)
/* Huge pages are asked for from this limit on: below, their rounding weighs more than what they
 * save. */
#define HUGE_PAGES_FROM (UINT64_C(64) << 20)

static uint32_t power_of_two_up_to(uint64_t n, uint32_t most)
{
    uint32_t power = 1;

    while (power < most && (uint64_t)power * 2 <= n)
        power *= 2;
    return power;
}

uint32_t ms_sizing_shards(const struct ms_settings *settings)
{
    const uint64_t each =
        settings->limit < MS_SIZING_SMALL ? LIMIT_PER_SHARD_OF_SMALL : LIMIT_PER_SHARD;

    return power_of_two_up_to(settings->limit / each, settings->shards);
}

uint32_t ms_sizing_stripes(const struct ms_settings *settings)
{
    if (settings->limit >= MS_SIZING_SMALL)
        return 1 + STRIPES_MAX;
    return 1 + power_of_two_up_to(settings->limit / LIMIT_PER_STRIPE, STRIPES_MAX);
}

uint32_t ms_sizing_latency_stripes(const struct ms_settings *settings)
{
    if (!settings->track_operation_latency)
        return 0;
    return power_of_two_up_to(settings->limit / LIMIT_PER_LATENCY_STRIPE, LATENCY_STRIPES_MAX);
}

enum ms_arena_paging ms_sizing_paging(const struct ms_settings *settings)
{
    switch (settings->huge_pages) {
    case MS_HUGE_PAGES_AUTO:
        return settings->limit >= HUGE_PAGES_FROM ? MS_PAGING_MIXED : MS_PAGING_SMALL;
    case MS_HUGE_PAGES_ON:
        return MS_PAGING_HUGE;
    default:
        return MS_PAGING_SMALL;
    }
}

/* Only a policy that stamps wants to be told. In a small store an epoch of it is a few accesses; in
 * a large one it is many, and threads that report often would be in each other's way. */
#define TICKS_SPARSE_FROM (16 << 20)
#define LIMIT_PER_TICK (512 * 1024)
#define TICK_MAX 512

uint64_t ms_sizing_tick_mask(const memstore *store)
{
    const uint64_t limit = store->settings.limit;

    if (store->touch != MS_TOUCH_STAMP)
        return UINT64_MAX;
    return limit >= TICKS_SPARSE_FROM ? power_of_two_up_to(limit / LIMIT_PER_TICK, TICK_MAX) - 1
                                      : 0;
}
