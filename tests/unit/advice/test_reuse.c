/* SPDX-License-Identifier: Apache-2.0 */
/* Miss-ratio curves of samples against the exact ones. */
#include "advice/reuse.h"
#include "exact.h"

#include "util/hash.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct ms_reuse reuse;
static void *memory;

static void open_reuse(uint32_t capacity, double rate)
{
    memory = calloc(1, ms_reuse_bytes(capacity));
    ms_reuse_init(&reuse, capacity, (uint64_t)(rate * (double)MS_REUSE_ALL), memory);
}

static void reference(uint64_t name, uint32_t size)
{
    const uint64_t hash = ms_mix64(name + 1);

    if (!ms_reuse_follows(&reuse, hash))
        return;
    const uint32_t key = ms_reuse_key(&reuse, hash);
    if (key == MS_REUSE_NONE)
        return;
    ms_reuse_read(&reuse, key, true);
    ms_reuse_touch(&reuse, key, size);
}

static double error_of(const struct test_exact *exact)
{
    return test_exact_error(exact, &reuse.curve, (double)exact->references);
}

static double error_on(const uint64_t *stream, size_t n, uint32_t capacity, double rate)
{
    struct test_exact exact = test_exact_of(stream, n);

    open_reuse(capacity, rate);
    for (size_t i = 0; i < n; i++)
        reference(stream[i], 1);
    const double error = error_of(&exact);
    free(memory);
    test_exact_free(&exact);
    return error;
}

Test(reuse, of_all_keys_is_the_exact_curve)
{
    uint64_t *stream = test_zipf_stream(20000, 1000, 0.8, 1);
    struct test_exact exact = test_exact_of(stream, 20000);

    open_reuse(1024, 1);
    for (size_t i = 0; i < 20000; i++)
        reference(stream[i], 1);
    for (size_t size = 1; size <= 60; size++)
        cr_assert_float_eq(ms_curve_miss_ratio(&reuse.curve, (double)size, 20000),
                           test_exact_miss_ratio(&exact, size), 1e-9, "%zu entries", size);
    cr_assert_lt(error_of(&exact), 0.001);
    free(memory);
    test_exact_free(&exact);
    free(stream);
}

Test(reuse, counts_bytes_of_what_was_referenced_between)
{
    open_reuse(16, 1);
    reference(1, 100);
    reference(2, 1000);
    reference(3, 50);
    reference(2, 1000);
    reference(1, 100);
    /* Key 2 needs 1050 bytes to be still there, key 1 needs 1150. */
    cr_assert_float_eq(ms_curve_miss_ratio(&reuse.curve, 800, 5), 1.0, 1e-9);
    cr_assert_float_eq(ms_curve_miss_ratio(&reuse.curve, 1088, 5), 0.8, 1e-9);
    cr_assert_float_eq(ms_curve_miss_ratio(&reuse.curve, 2000, 5), 0.6, 1e-9);
    free(memory);
}

Test(reuse, a_read_that_no_size_could_have_hit_is_a_miss_at_every_size)
{
    open_reuse(16, 1);
    reference(1, 1);
    ms_reuse_read(&reuse, ms_reuse_key(&reuse, ms_mix64(2)), false);
    cr_assert_float_eq(ms_curve_miss_ratio(&reuse.curve, 1e9, 2), 1.0, 1e-9);
    free(memory);
}

Test(reuse, an_entry_that_is_gone_takes_no_room)
{
    open_reuse(16, 1);
    reference(1, 10);
    reference(2, 10);
    ms_reuse_touch(&reuse, ms_reuse_key(&reuse, ms_mix64(3)), 0);
    cr_assert_eq(reuse.held, 1);
    cr_assert_eq(reuse.held_bytes, 10);
    free(memory);
}

Test(reuse, a_sample_of_one_key_in_a_hundred_is_within_two_points)
{
    uint64_t *stream = test_zipf_stream(2000000, 200000, 0.9, 2);

    cr_assert_lt(error_on(stream, 2000000, 4096, 0.01), 0.02);
    free(stream);
}

Test(reuse, a_bounded_sample_lowers_its_threshold_and_stays_within_two_points)
{
    uint64_t *stream = test_zipf_stream(1000000, 100000, 0.7, 3);

    cr_assert_lt(error_on(stream, 1000000, 2048, 1), 0.02);
    cr_assert_lt(reuse.threshold, MS_REUSE_ALL / 32);
    cr_assert_leq(reuse.count, 2048);
    free(stream);
}

Test(reuse, of_a_loop_has_its_cliff)
{
    uint64_t *stream = malloc(200000 * sizeof *stream);

    for (size_t i = 0; i < 200000; i++)
        stream[i] = i % 20000;
    cr_assert_lt(error_on(stream, 200000, 2048, 0.1), 0.02);
    free(stream);
}

Test(reuse, what_is_beyond_the_horizon_makes_way_for_new_keys)
{
    open_reuse(1024, 1);
    reuse.horizon = 500;
    for (uint64_t i = 0; i < 100000; i++) {
        reference(i, 1);
        reference(i, 1);
    }
    /* The threshold need not fall for keys that are used for a moment. */
    cr_assert_eq(reuse.threshold, MS_REUSE_ALL);
    cr_assert_float_eq(ms_curve_miss_ratio(&reuse.curve, 400, 200000), 0.5, 1e-6);
    free(memory);
}

/* The first hundred keys have entries, which fit. After them come others, which have none any more once they have
 * been there with `size`, or never had one. */
static void follow_beside_absent_ones(uint32_t size)
{
    enum { LIVE = 100, ABSENT = 100000 };

    open_reuse(1024, 1);
    reuse.horizon = UINT64_C(1) << 40;
    for (uint64_t i = 0; i < LIVE; i++)
        reference(i, 10);
    for (uint64_t i = LIVE; i < LIVE + ABSENT; i++) {
        reference(i, size);
        const uint32_t key = ms_reuse_key(&reuse, ms_mix64(i + 1));
        cr_assert_neq(key, MS_REUSE_NONE);
        ms_reuse_touch(&reuse, key, 0);
    }
    cr_expect_eq(reuse.threshold, MS_REUSE_ALL);
    cr_expect_eq(reuse.count, 1024);
    cr_expect_eq(reuse.held, LIVE);
    for (uint64_t i = 0; i < LIVE; i++)
        cr_expect_neq(reuse.table[ms_reuse_find(&reuse, ms_mix64(i + 1))], 0);
    cr_expect_neq(reuse.table[ms_reuse_find(&reuse, ms_mix64(LIVE + ABSENT))], 0,
                  "those that came last are still followed");
    cr_expect_float_eq(reuse.gone, LIVE + ABSENT - 1024, 1e-6);
    cr_expect_float_eq(ms_reuse_read_once(&reuse), 1, 1e-9);
    free(memory);
}

Test(reuse, what_has_no_entry_makes_way_for_new_keys)
{
    follow_beside_absent_ones(0);
    follow_beside_absent_ones(10);
}

/* A key that is missed again and again is followed, others in between make way. */
Test(reuse, what_has_no_entry_and_was_referenced_longest_ago_makes_way_first)
{
    open_reuse(16, 1);
    for (uint64_t i = 1; i < 1000; i++) {
        reference(0, 0);
        reference(i, 0);
    }
    cr_assert_eq(reuse.threshold, MS_REUSE_ALL);
    cr_assert_eq(reuse.keys[ms_reuse_key(&reuse, ms_mix64(1))].reads, 999);
    free(memory);
}

Test(reuse, tells_the_share_of_keys_read_once)
{
    open_reuse(1024, 1);
    for (uint64_t i = 0; i < 400; i++) {
        reference(i, 1);
        if (i % 4 == 0)
            reference(i, 1);
    }
    cr_assert_float_eq(ms_reuse_read_once(&reuse), 0.75, 1e-9);
    free(memory);
}
