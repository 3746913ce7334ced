/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of durations: buckets that grow with what they count, as those of HdrHistogram
 * (hdrhistogram.github.io): each power of two is divided linearly, so that a bucket is at most
 * 1/32 as wide as its values are large.
 *
 *     ns    0 1 2 ... 63 | 64 66 68 ... 126 | 128 132 ... 252 | ... | ... 2^36
 *           one each     | 32 buckets       | 32              |     | 32
 *
 * HI-1  The middle of the bucket that a duration falls into differs from it by at most 1/64,
 *       1.6 %; below 64 ns it is the duration.
 * HI-2  Counts are added atomically: none is lost, whoever adds. */
#ifndef MS_STATS_HISTOGRAM_H
#define MS_STATS_HISTOGRAM_H

#include "platform/atomic.h"
#include "platform/compiler.h"

#include <stdint.h>

/* Durations of this power of two of nanoseconds, 69 s, and longer are in the last bucket, with those just
 * below: HI-1 does not hold for it. */
#define MS_HISTOGRAM_TOP 36
#define MS_HISTOGRAM_SUB_BITS 5
#define MS_HISTOGRAM_SUBS (1u << MS_HISTOGRAM_SUB_BITS)
#define MS_HISTOGRAM_LINEAR (2 * MS_HISTOGRAM_SUBS)
#define MS_HISTOGRAM_BUCKETS                                                                       \
    (MS_HISTOGRAM_LINEAR + (MS_HISTOGRAM_TOP - MS_HISTOGRAM_SUB_BITS - 1) * MS_HISTOGRAM_SUBS)

struct ms_histogram {
    atomic_uint_least64_t sum_ns;
    atomic_uint_least64_t max_ns;
    atomic_uint_least64_t slow; /* those above the threshold given with them */
    atomic_uint_least64_t counts[MS_HISTOGRAM_BUCKETS];
} MS_ALIGNED(MS_CACHE_LINE);

/* The bucket that a duration falls into. */
static inline uint32_t ms_histogram_bucket(uint64_t ns)
{
    if (ns < MS_HISTOGRAM_LINEAR)
        return (uint32_t)ns;
    if (ns >> MS_HISTOGRAM_TOP != 0)
        return MS_HISTOGRAM_BUCKETS - 1;
    const uint32_t shift = 63 - (uint32_t)__builtin_clzll(ns) - MS_HISTOGRAM_SUB_BITS;
    return shift * MS_HISTOGRAM_SUBS + (uint32_t)(ns >> shift);
}

/* The shortest duration of a bucket. */
uint64_t ms_histogram_lowest(uint32_t bucket);
/* What stands for all durations of a bucket. */
uint64_t ms_histogram_middle(uint32_t bucket);

void ms_histogram_add(struct ms_histogram *histogram, uint64_t ns, uint64_t slow_from_ns);

/* Several histograms added up. */
struct ms_histogram_sums {
    uint64_t count, sum_ns, max_ns, slow;
    uint64_t counts[MS_HISTOGRAM_BUCKETS];
};

/* Add one to sums that begin as zeroes. */
void ms_histogram_sum(const struct ms_histogram *histogram, struct ms_histogram_sums *sums);
void ms_histogram_clear(struct ms_histogram *histogram);

/* The duration that `share` of those counted do not exceed, by its bucket's middle, or the longest of all
 * when that is the last bucket; 0 when there are none. */
uint64_t ms_histogram_quantile(const struct ms_histogram_sums *sums, double share);

#endif
