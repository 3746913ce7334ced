/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/histogram.h"
#include "stats/latency.h"

#include "unit/random.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct ms_histogram histogram;

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* From one nanosecond to a minute, evenly over the powers of two. */
static uint64_t random_duration(struct unit_random *rng)
{
    const uint64_t power = UINT64_C(1) << unit_random_below(rng, MS_HISTOGRAM_TOP);

    return power + unit_random_below(rng, power);
}

Test(histogram, a_bucket_stands_for_its_durations_within_two_percent)
{
    struct unit_random rng = unit_random_start("histogram");

    for (int i = 0; i < 200000; i++) {
        const uint64_t ns = random_duration(&rng);
        const uint32_t bucket = ms_histogram_bucket(ns);

        cr_assert_lt(bucket, MS_HISTOGRAM_BUCKETS);
        cr_assert_leq(ms_histogram_lowest(bucket), ns);
        cr_assert(bucket + 1 == MS_HISTOGRAM_BUCKETS || ns < ms_histogram_lowest(bucket + 1));
        cr_assert_leq(distance(ms_histogram_middle(bucket), ns) * 64, ns, "%lu", (unsigned long)ns);
    }
}

Test(histogram, buckets_follow_each_other_without_a_gap)
{
    for (uint32_t bucket = 0; bucket < MS_HISTOGRAM_BUCKETS; bucket++) {
        const uint64_t lowest = ms_histogram_lowest(bucket);

        cr_assert_eq(ms_histogram_bucket(lowest), bucket);
        cr_assert(lowest == 0 || ms_histogram_bucket(lowest - 1) == bucket - 1);
    }
    cr_assert_eq(ms_histogram_bucket(UINT64_MAX), MS_HISTOGRAM_BUCKETS - 1);
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

Test(histogram, quantiles_are_those_of_the_sorted_durations_within_three_percent)
{
    enum { COUNT = 50000 };
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    static struct ms_histogram_sums sums;
    static uint64_t durations[COUNT];
    struct unit_random rng = unit_random_start("histogram");

    for (int i = 0; i < COUNT; i++) {
        durations[i] = random_duration(&rng);
        ms_histogram_add(&histogram, durations[i], UINT64_MAX);
    }
    qsort(durations, COUNT, sizeof *durations, compare_u64);
    ms_histogram_sum(&histogram, &sums);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const double rank = shares[i] * COUNT;
        const uint64_t exact = durations[(size_t)(rank + 0.999999) - 1];
        const uint64_t told = ms_histogram_quantile(&sums, shares[i]);

        cr_assert_leq(distance(told, exact) * 100, exact * 3, "%g: %lu for %lu", shares[i],
                      (unsigned long)told, (unsigned long)exact);
    }
    cr_assert_eq(sums.max_ns, durations[COUNT - 1]);
    cr_assert_eq(sums.count, COUNT);
}

Test(histogram, what_is_longer_than_all_buckets_is_told_as_the_longest)
{
    const uint64_t second = 1000000000;
    static struct ms_histogram_sums sums;

    ms_histogram_add(&histogram, 60 * second, UINT64_MAX);
    ms_histogram_add(&histogram, 100 * second, UINT64_MAX);
    ms_histogram_add(&histogram, 300 * second, UINT64_MAX);
    ms_histogram_sum(&histogram, &sums);
    cr_assert_leq(distance(ms_histogram_quantile(&sums, 0.3), 60 * second), second);
    cr_assert_eq(ms_histogram_quantile(&sums, 0.5), 300 * second);
    cr_assert_eq(ms_histogram_quantile(&sums, 1), 300 * second);
}

Test(histogram, one_that_is_empty_says_nothing)
{
    static struct ms_histogram_sums sums;

    ms_histogram_sum(&histogram, &sums);
    cr_assert(sums.count == 0 && sums.max_ns == 0 && ms_histogram_quantile(&sums, 0.5) == 0);
}

Test(histogram, what_is_above_the_threshold_is_slow)
{
    static struct ms_histogram_sums sums;

    for (uint64_t ns = 1; ns <= 1000; ns++)
        ms_histogram_add(&histogram, ns, 990);
    ms_histogram_sum(&histogram, &sums);
    cr_assert_eq(sums.slow, 10);
    cr_assert_eq(sums.sum_ns, 500500);
    ms_histogram_clear(&histogram);
    memset(&sums, 0, sizeof sums);
    ms_histogram_sum(&histogram, &sums);
    cr_assert(sums.count == 0 && sums.sum_ns == 0 && sums.slow == 0 && sums.max_ns == 0);
}

#define THREADS 4
#define ADDS 50000

static void *add_many(void *unused)
{
    (void)unused;
    for (uint64_t i = 1; i <= ADDS; i++)
        ms_histogram_add(&histogram, i, UINT64_MAX);
    return NULL;
}

Test(histogram, nothing_is_lost_when_threads_add_at_once)
{
    static struct ms_histogram_sums sums;
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ms_histogram_sum(&histogram, &sums);
    cr_assert_eq(sums.count, (uint64_t)THREADS * ADDS);
    cr_assert_eq(sums.sum_ns, (uint64_t)THREADS * ADDS * (ADDS + 1) / 2);
    cr_assert_eq(sums.max_ns, ADDS);
}

Test(latency, one_read_in_256_is_measured_and_the_first_is_among_them)
{
    unsigned turns = 0;

    cr_assert(ms_latency_is_turn());
    for (int i = 1; i < 256000; i++)
        turns += ms_latency_is_turn();
    cr_assert(turns > 980 && turns < 1020, "%u", turns);
}

Test(latency, a_period_in_the_calls_does_not_decide_which_are_measured)
{
    unsigned turns[256] = {0};

    for (int i = 0; i < 2560000; i++)
        turns[i % 256] += ms_latency_is_turn();
    for (int i = 0; i < 256; i++)
        cr_assert(turns[i] > 10 && turns[i] < 80, "%d: %u", i, turns[i]);
}
