/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/counters.h"

#include <string.h>

void ms_counters_init(struct ms_counters *counters, uint32_t stripes, void *memory)
{
    *counters =
        (struct ms_counters){.stripes = memory, .stripe_count = stripes, .exclusive = stripes - 1};
    ms_mutex_init(&counters->reset_lock, MS_RANK_COUNTERS);
}

void ms_counters_fini(struct ms_counters *counters)
{
    ms_mutex_destroy(&counters->reset_lock);
}

uint64_t ms_count_shared(struct ms_counters *counters, enum ms_counter counter, uint64_t n)
{
    bool exclusive;
    atomic_uint_least64_t *count = &ms_counters_stripe(counters, &exclusive)->counts[counter];

    /* A stripe of its own is written by this thread alone, atomically or not. */
    return ms_add_relaxed(count, n);
}

void ms_counters_sum_all(struct ms_counters *counters, uint64_t sums[MS_COUNTERS])
{
    memset(sums, 0, MS_COUNTERS * sizeof *sums);
    for (uint32_t i = 0; i < counters->stripe_count; i++) {
        for (int counter = 0; counter < MS_COUNTERS; counter++)
            sums[counter] += ms_load_relaxed(&counters->stripes[i].counts[counter]);
    }
}

uint64_t ms_counters_total(const struct ms_counters *counters, enum ms_counter counter)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < counters->stripe_count; i++)
        total += ms_load_relaxed(&counters->stripes[i].counts[counter]);
    return total;
}

static void sum_locked(struct ms_counters *counters, uint64_t sums[MS_COUNTERS])
{
    ms_counters_sum_all(counters, sums);
    for (int counter = 0; counter < MS_COUNTERS; counter++) {
        /* What was counted before the reset may have been taken back since. */
        if (counters->baseline[counter] > sums[counter])
            counters->baseline[counter] = sums[counter];
        sums[counter] -= counters->baseline[counter];
    }
}

void ms_counters_sum(struct ms_counters *counters, uint64_t sums[MS_COUNTERS])
{
    ms_mutex_lock(&counters->reset_lock);
    sum_locked(counters, sums);
    ms_mutex_unlock(&counters->reset_lock);
}

static uint64_t keep_most(uint64_t *told, uint64_t now)
{
    if (now > *told)
        *told = now;
    return *told;
}

void ms_counters_sum_rising(struct ms_counters *counters, uint64_t sums[MS_COUNTERS])
{
    ms_mutex_lock(&counters->reset_lock);
    sum_locked(counters, sums);
    uint64_t *const reads = &sums[MS_COUNT_READS], *const misses = &sums[MS_COUNT_MISSES];
    const uint64_t hits = *reads > *misses ? *reads - *misses : 0;
    *misses = keep_most(&counters->told_misses, *misses);
    *reads = *misses + keep_most(&counters->told_hits, hits);
    ms_mutex_unlock(&counters->reset_lock);
}

void ms_counters_reset(struct ms_counters *counters)
{
    ms_mutex_lock(&counters->reset_lock);
    ms_counters_sum_all(counters, counters->baseline);
    counters->told_hits = counters->told_misses = 0;
    ms_mutex_unlock(&counters->reset_lock);
}
