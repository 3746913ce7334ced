/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/histogram.h"

uint64_t ms_histogram_lowest(uint32_t bucket)
{
    if (bucket < MS_HISTOGRAM_LINEAR)
        return bucket;
    const uint32_t shift = bucket / MS_HISTOGRAM_SUBS - 1;
    return (uint64_t)(bucket - shift * MS_HISTOGRAM_SUBS) << shift;
}

uint64_t ms_histogram_middle(uint32_t bucket)
{
    const uint32_t shift = bucket < MS_HISTOGRAM_LINEAR ? 0 : bucket / MS_HISTOGRAM_SUBS - 1;

    return ms_histogram_lowest(bucket) + ((UINT64_C(1) << shift) >> 1);
}

void ms_histogram_add(struct ms_histogram *histogram, uint64_t ns, uint64_t slow_from_ns)
{
    uint64_t max = ms_load_relaxed(&histogram->max_ns);

    ms_add_relaxed(&histogram->counts[ms_histogram_bucket(ns)], 1);
    ms_add_relaxed(&histogram->sum_ns, ns);
    if (ms_unlikely(ns > slow_from_ns))
        ms_add_relaxed(&histogram->slow, 1);
    while (ns > max && !ms_cas_relaxed(&histogram->max_ns, &max, ns))
        ;
}

void ms_histogram_sum(const struct ms_histogram *histogram, struct ms_histogram_sums *sums)
{
    const uint64_t max = ms_load_relaxed(&histogram->max_ns);

    for (uint32_t i = 0; i < MS_HISTOGRAM_BUCKETS; i++) {
        const uint64_t count = ms_load_relaxed(&histogram->counts[i]);
        sums->counts[i] += count;
        sums->count += count;
    }
    sums->sum_ns += ms_load_relaxed(&histogram->sum_ns);
    sums->slow += ms_load_relaxed(&histogram->slow);
    if (max > sums->max_ns)
        sums->max_ns = max;
}

void ms_histogram_clear(struct ms_histogram *histogram)
{
    for (uint32_t i = 0; i < MS_HISTOGRAM_BUCKETS; i++)
        ms_store_relaxed(&histogram->counts[i], 0);
    ms_store_relaxed(&histogram->sum_ns, 0);
    ms_store_relaxed(&histogram->max_ns, 0);
    ms_store_relaxed(&histogram->slow, 0);
}

uint64_t ms_histogram_quantile(const struct ms_histogram_sums *sums, double share)
{
    const double wanted = share * (double)sums->count;
    uint64_t below = 0;

    for (uint32_t i = 0; i < MS_HISTOGRAM_BUCKETS; i++) {
        below += sums->counts[i];
        if (below != 0 && (double)below >= wanted) {
            const uint64_t middle = ms_histogram_middle(i);
            /* The longest is known exactly, and the last bucket has no end. */
            return middle < sums->max_ns && i != MS_HISTOGRAM_BUCKETS - 1 ? middle : sums->max_ns;
        }
    }
    return sums->max_ns;
}
