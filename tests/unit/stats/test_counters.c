/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct ms_counters counters;
static struct ms_counter_stripe memory[MS_THREAD_SLOTS];

static void open_counters(uint32_t stripes)
{
    memset(memory, 0, stripes * sizeof *memory);
    ms_counters_init(&counters, stripes, memory);
}

static uint64_t sum_of(enum ms_counter counter)
{
    uint64_t sums[MS_COUNTERS];

    ms_counters_sum(&counters, sums);
    return sums[counter];
}

static void expect_zeros(void)
{
    for (int i = 0; i < MS_COUNTERS; i++)
        cr_assert_eq(sum_of((enum ms_counter)i), 0, "counter %d", i);
}

Test(counters, begin_at_zero)
{
    open_counters(4);
    expect_zeros();
    ms_counters_fini(&counters);
}

Test(counters, add_up_each_for_itself)
{
    open_counters(4);
    for (int i = 0; i < MS_COUNTERS; i++) {
        for (int k = 0; k <= i; k++)
            ms_count(&counters, (enum ms_counter)i, 10);
    }
    for (int i = 0; i < MS_COUNTERS; i++)
        cr_assert_eq(sum_of((enum ms_counter)i), (uint64_t)(i + 1) * 10);
    ms_counters_fini(&counters);
}

Test(counters, tell_the_count_before)
{
    open_counters(4);
    cr_assert_eq(ms_count(&counters, MS_COUNT_READS, 5), 0);
    cr_assert_eq(ms_count(&counters, MS_COUNT_READS, 1), 5);
    cr_assert_eq(ms_count(&counters, MS_COUNT_READS, 0), 6);
    ms_counters_fini(&counters);
}

Test(counters, the_total_of_one_goes_on_over_resets)
{
    open_counters(4);
    ms_count(&counters, MS_COUNT_MISSES, 5);
    ms_count_shared(&counters, MS_COUNT_MISSES, 2);
    ms_counters_reset(&counters);
    ms_count(&counters, MS_COUNT_MISSES, 1);
    cr_assert_eq(ms_counters_total(&counters, MS_COUNT_MISSES), 8);
    cr_assert_eq(ms_counters_total(&counters, MS_COUNT_SETS), 0);
    ms_counters_fini(&counters);
}

Test(counters, a_reset_starts_all_over)
{
    open_counters(4);
    ms_count(&counters, MS_COUNT_READS, 5);
    ms_count(&counters, MS_COUNT_SETS, UINT64_C(1) << 40);
    ms_counters_reset(&counters);
    expect_zeros();
    ms_count(&counters, MS_COUNT_READS, 2);
    cr_assert_eq(sum_of(MS_COUNT_READS), 2);
    cr_assert_eq(sum_of(MS_COUNT_SETS), 0);
    ms_counters_reset(&counters);
    expect_zeros();
    ms_counters_fini(&counters);
}

Test(counters, what_is_taken_back_after_a_reset_is_no_negative_sum)
{
    open_counters(4);
    ms_count(&counters, MS_COUNT_READS, 3);
    ms_counters_reset(&counters);
    ms_count(&counters, MS_COUNT_READS, UINT64_MAX);
    expect_zeros();
    ms_count(&counters, MS_COUNT_READS, 1);
    cr_assert_eq(sum_of(MS_COUNT_READS), 1);
    ms_counters_fini(&counters);
}

static void expect_rising(uint64_t hits, uint64_t misses)
{
    uint64_t sums[MS_COUNTERS];

    ms_counters_sum_rising(&counters, sums);
    cr_assert_eq(sums[MS_COUNT_READS] - sums[MS_COUNT_MISSES], hits);
    cr_assert_eq(sums[MS_COUNT_MISSES], misses);
}

Test(counters, what_rises_stays_until_there_is_more_or_a_reset)
{
    open_counters(4);
    expect_rising(0, 0);
    ms_count(&counters, MS_COUNT_READS, 5);
    expect_rising(5, 0);
    ms_count(&counters, MS_COUNT_MISSES, 2);
    expect_rising(5, 2);
    cr_assert_eq(sum_of(MS_COUNT_READS), 5, "the others are told as it is");
    ms_count(&counters, MS_COUNT_READS, 3);
    expect_rising(6, 2);
    ms_counters_reset(&counters);
    expect_rising(0, 0);
    ms_count(&counters, MS_COUNT_MISSES, 1);
    expect_rising(0, 1);
    ms_counters_fini(&counters);
}

Test(counters, sets_of_counters_do_not_know_of_each_other)
{
    static struct ms_counter_stripe more_memory[2];
    struct ms_counters others;

    open_counters(2);
    ms_counters_init(&others, 2, more_memory);
    ms_count(&counters, MS_COUNT_READS, 5);
    ms_count(&others, MS_COUNT_READS, 7);
    cr_assert_eq(sum_of(MS_COUNT_READS), 5);
    ms_counters_reset(&others);
    cr_assert_eq(sum_of(MS_COUNT_READS), 5);
    ms_counters_fini(&others);
    ms_counters_fini(&counters);
}

Test(counters, take_what_they_are_said_to_take)
{
    cr_assert_eq(ms_counters_bytes(7), 7 * sizeof(struct ms_counter_stripe));
    cr_assert_geq(sizeof(struct ms_counter_stripe), MS_COUNTERS * sizeof(uint64_t));
}

/* ---- Threads ---- */

#define MOST_THREADS 300

static pthread_barrier_t all_there;
static uint64_t each; /* times that each thread counts */

static void *count_many(void *argument)
{
    (void)argument;
    /* All at once, so that each has a number of its own as long as there are any. */
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < (int)each; i++)
        ms_count(&counters, MS_COUNT_READS, 1);
    ms_count(&counters, MS_COUNT_MISSES, 3);
    pthread_barrier_wait(&all_there);
    return NULL;
}

static void count_with(unsigned threads, uint32_t stripes, uint64_t times)
{
    static pthread_t running[MOST_THREADS];
    pthread_attr_t small;

    each = times;
    open_counters(stripes);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    pthread_barrier_init(&all_there, NULL, threads);
    for (unsigned i = 0; i < threads; i++)
        cr_assert_eq(pthread_create(&running[i], &small, count_many, NULL), 0);
    for (unsigned i = 0; i < threads; i++)
        cr_assert_eq(pthread_join(running[i], NULL), 0);
    pthread_barrier_destroy(&all_there);
    pthread_attr_destroy(&small);
    cr_assert_eq(sum_of(MS_COUNT_READS), threads * each);
    cr_assert_eq(sum_of(MS_COUNT_MISSES), (uint64_t)threads * 3);
    ms_counters_fini(&counters);
}

Test(counters, lose_nothing_with_a_stripe_for_every_thread)
{
    count_with(8, 65, 100000);
}

Test(counters, lose_nothing_with_more_threads_than_stripes)
{
    count_with(16, 4, 50000);
    count_with(3, 2, 5000000);
}

Test(counters, lose_nothing_with_one_stripe)
{
    count_with(8, 1, 100000);
}

Test(counters, lose_nothing_with_more_threads_than_numbers)
{
    cr_assert_gt(MOST_THREADS, MS_THREAD_SLOTS);
    count_with(MOST_THREADS, MS_THREAD_SLOTS, 1000);
}

Test(counters, keep_what_threads_counted_that_have_ended)
{
    each = 1000;
    open_counters(8);
    /* Their numbers, and with them their stripes, go to others. */
    for (int round = 0; round < 50; round++) {
        pthread_t thread;
        pthread_barrier_init(&all_there, NULL, 1);
        cr_assert_eq(pthread_create(&thread, NULL, count_many, NULL), 0);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        pthread_barrier_destroy(&all_there);
    }
    cr_assert_eq(sum_of(MS_COUNT_READS), 50 * each);
    ms_counters_fini(&counters);
}

static void *hold_a_stripe(void *exclusive)
{
    return ms_counters_stripe(&counters, exclusive);
}

Test(counters, only_the_first_stripe_is_shared)
{
    bool mine, others;
    void *other;
    pthread_t thread;

    open_counters(3);
    struct ms_counter_stripe *stripe = ms_counters_stripe(&counters, &mine);
    cr_assert_eq(mine, stripe != &counters.stripes[0]);
    cr_assert(!mine || stripe == &memory[3] - 1 - ms_thread_slot(), "CO-2");
    cr_assert_eq(stripe, ms_counters_stripe(&counters, &mine), "a thread keeps its stripe");
    cr_assert_eq(pthread_create(&thread, NULL, hold_a_stripe, &others), 0);
    cr_assert_eq(pthread_join(thread, &other), 0);
    cr_assert(other != stripe || (!mine && !others));
    ms_counters_fini(&counters);
}

static void *reset_often(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2000; i++) {
        uint64_t sums[MS_COUNTERS];

        ms_counters_sum(&counters, sums);
        if (sums[MS_COUNT_READS] > 2 * each)
            return (void *)1;
        ms_counters_reset(&counters);
    }
    return NULL;
}

Test(counters, a_reset_while_others_count_leaves_no_negative_sum)
{
    pthread_t resetting, counting[2];
    void *wrong;

    each = 20000;
    open_counters(4);
    pthread_barrier_init(&all_there, NULL, 2);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&counting[i], NULL, count_many, NULL), 0);
    cr_assert_eq(pthread_create(&resetting, NULL, reset_often, NULL), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(counting[i], NULL), 0);
    cr_assert_eq(pthread_join(resetting, &wrong), 0);
    cr_assert_null(wrong);
    pthread_barrier_destroy(&all_there);
    ms_counters_fini(&counters);
}
