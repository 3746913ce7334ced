/* SPDX-License-Identifier: Apache-2.0 */
/* A miss-ratio curve: of how many references a cache of each size would have missed, if it evicts
 * what was used least recently.
 *
 * A reference hits in every cache that is at least as large as its distance, so that the curve is a
 * histogram of distances. Buckets are as in stats/histogram.h: 1/32 as wide as what they count is
 * large at most, and exact below 64. What no size would have hit is `infinite`. Counts are weights: a
 * reference of a sample stands for several.
 *
 * How many references there were in all is known. By how many the sample is off is put right by
 * regression: where the references and the misses of a key go together, as with keys that are used
 * once or twice, by as much as the misses follow; where the references are those of a few keys that
 * are used most, not at all, which is SHARDS-adj. With x references and y misses of a key the
 * coefficient is sum(x y) / sum(x x), since each key is in the sample or not on its own. */
#ifndef MS_ADVICE_CURVE_H
#define MS_ADVICE_CURVE_H

#include <stdbool.h>
#include <stdint.h>

#define MS_CURVE_SUB_BITS 5
#define MS_CURVE_SUBS (1u << MS_CURVE_SUB_BITS)
#define MS_CURVE_TOP 48 /* distances of this power of two and more are in the last bucket */
#define MS_CURVE_BUCKETS ((MS_CURVE_TOP - MS_CURVE_SUB_BITS + 1) * MS_CURVE_SUBS)

/* Weights, and the part that they have in sum(x y). */
struct ms_curve_sums {
    double weight, cross;
};

struct ms_curve {
    struct ms_curve_sums buckets[MS_CURVE_BUCKETS];
    struct ms_curve_sums infinite;
    struct ms_curve_sums total; /* its cross is sum(x x) */
    double first, first_missed; /* weights of keys' first references; of those that are infinite */
};

static inline uint32_t ms_curve_bucket(uint64_t distance)
{
    if (distance < 2 * MS_CURVE_SUBS)
        return (uint32_t)distance;
    if (distance >> MS_CURVE_TOP != 0)
        return MS_CURVE_BUCKETS - 1;
    const uint32_t shift = 63 - (uint32_t)__builtin_clzll(distance) - MS_CURVE_SUB_BITS;
    return shift * MS_CURVE_SUBS + (uint32_t)(distance >> shift);
}

/* How often a key's n-th reference counts in sum(x x), beside once for its first. */
static inline double ms_curve_cross(uint32_t n)
{
    return 2.0 * (n - 1);
}

/* Add the n-th reference of a key, from 1 on: that it has this distance, or an infinite one. */
static inline void ms_curve_add_to(struct ms_curve *curve, struct ms_curve_sums *sums,
                                   double weight, uint32_t n)
{
    const double cross = weight * ms_curve_cross(n);

    sums->weight += weight;
    sums->cross += cross;
    curve->total.weight += weight;
    curve->total.cross += weight + cross;
    if (n == 1)
        curve->first += weight;
}

static inline void ms_curve_add(struct ms_curve *curve, double distance, double weight, uint32_t n)
{
    /* Signed: there is an instruction for that. */
    const uint64_t whole = (uint64_t)(int64_t)distance;

    ms_curve_add_to(curve, &curve->buckets[ms_curve_bucket(whole)], weight, n);
}

static inline void ms_curve_add_infinite(struct ms_curve *curve, double weight, uint32_t n)
{
    ms_curve_add_to(curve, &curve->infinite, weight, n);
    if (n == 1)
        curve->first_missed += weight;
}

/* The share of `references`, all there were, that a cache of this size misses. */
double ms_curve_miss_ratio(const struct ms_curve *curve, double size, double references);
/* The coefficient for misses of these sums, `first_missed` of which are first references. */
double ms_curve_slope(const struct ms_curve *curve, double cross, double first_missed);

#endif
