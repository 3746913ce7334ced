/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/curve.h"

/* How many distances are alike in a bucket. */
static uint64_t width_of(uint32_t bucket)
{
    return bucket < 2 * MS_CURVE_SUBS ? 1 : UINT64_C(1) << (bucket / MS_CURVE_SUBS - 1);
}

static uint64_t lowest_of(uint32_t bucket)
{
    if (bucket < 2 * MS_CURVE_SUBS)
        return bucket;
    return (uint64_t)(MS_CURVE_SUBS + bucket % MS_CURVE_SUBS) * width_of(bucket);
}

/* The sums of all distances beyond `size`; what is in its bucket is taken to be spread evenly. */
static struct ms_curve_sums sum_beyond(const struct ms_curve *curve, uint64_t size)
{
    const uint32_t bucket = ms_curve_bucket(size);
    const uint64_t last = lowest_of(bucket) + width_of(bucket) - 1;
    const double part = size >= last ? 0 : (double)(last - size) / (double)width_of(bucket);
    struct ms_curve_sums beyond = {
        curve->infinite.weight + curve->buckets[bucket].weight * part,
        curve->infinite.cross + curve->buckets[bucket].cross * part,
    };

    for (uint32_t i = bucket + 1; i < MS_CURVE_BUCKETS; i++) {
        beyond.weight += curve->buckets[i].weight;
        beyond.cross += curve->buckets[i].cross;
    }
    return beyond;
}

/* A key's first reference has a part in sum(x y) for each of its references: on average, as many as
 * keys have. */
double ms_curve_slope(const struct ms_curve *curve, double cross, double first_missed)
{
    const double each = curve->first > 0 ? curve->total.weight / curve->first : 0;

    return curve->total.cross > 0 ? (cross + first_missed * each) / curve->total.cross : 0;
}

/* The sample has so many times the keys that it should: distances are as many times too long. */
static double stretch_of(const struct ms_curve *curve, double lacking)
{
    const double keys = curve->first + ms_curve_slope(curve, 0, curve->first) * lacking;

    return keys > 0 && curve->first > 0 ? curve->first / keys : 1;
}

double ms_curve_miss_ratio(const struct ms_curve *curve, double size, double references)
{
    if (references <= 0 || curve->total.weight <= 0)
        return 0;
    const double lacking = references - curve->total.weight;
    const struct ms_curve_sums beyond =
        sum_beyond(curve, (uint64_t)(size * stretch_of(curve, lacking)));
    const double slope = ms_curve_slope(curve, beyond.cross, curve->first_missed);
    const double ratio = (beyond.weight + slope * lacking) / references;

    return ratio < 0 ? 0 : ratio < 1 ? ratio : 1;
}
