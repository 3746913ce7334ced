/* SPDX-License-Identifier: Apache-2.0 */
/* How numbers are spread: counted by powers of two. Bucket i counts what is below 2^i and in no
 * earlier bucket. */
#ifndef MS_ADVICE_SPREAD_H
#define MS_ADVICE_SPREAD_H

#include <stdint.h>

#define MS_SPREAD_BUCKETS 64

struct ms_spread {
    double counts[MS_SPREAD_BUCKETS];
    double sums[MS_SPREAD_BUCKETS]; /* of what was given with them */
    double total;
};

static inline uint32_t ms_spread_bucket(uint64_t n)
{
    const uint32_t bits = n == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(n);

    return bits < MS_SPREAD_BUCKETS ? bits : MS_SPREAD_BUCKETS - 1;
}

/* Count `n` as `weight`. Returns its bucket. */
static inline uint32_t ms_spread_count(struct ms_spread *spread, uint64_t n, double weight)
{
    const uint32_t bucket = ms_spread_bucket(n);

    spread->counts[bucket] += weight;
    spread->total += weight;
    return bucket;
}

/* The same, and add `sum` to what its bucket sums up. */
static inline void ms_spread_add(struct ms_spread *spread, uint64_t n, double weight, double sum)
{
    spread->sums[ms_spread_count(spread, n, weight)] += sum;
}

/* The power of two below which `share` of what was counted is; 0 when nothing was, or too much is in the total
 * alone. */
static inline uint64_t ms_spread_below(const struct ms_spread *spread, double share)
{
    double below = 0;

    for (uint32_t i = 0; i < MS_SPREAD_BUCKETS && spread->total > 0; i++) {
        below += spread->counts[i];
        if (below >= share * spread->total)
            return UINT64_C(1) << i;
    }
    return 0;
}

#endif
