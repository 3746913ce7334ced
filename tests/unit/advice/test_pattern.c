/* SPDX-License-Identifier: Apache-2.0 */
/* What a sample tells besides the curve: miniatures, hot keys, times. */
#include "advice/pattern.h"
#include "exact.h"

#include "unit/random.h"
#include "util/hash.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define REFERENCES 400000
#define KEYS 16000
#define CACHE 1600

static struct ms_pattern pattern;
static void *memory;

/* Bytes of one: not so small that the ghost would have to be. */
#define ENTRY 200

static void open_pattern(uint32_t keys, double rate, uint64_t cache)
{
    memory = calloc(1, ms_pattern_bytes(keys));
    ms_pattern_init(&pattern, keys, (uint64_t)(rate * (double)MS_REUSE_ALL), cache, MS_GOAL_HITS,
                    memory);
}

static void note(enum ms_reference_kind kind, uint64_t name, uint32_t size, int64_t now,
                 int64_t expires)
{
    const struct ms_reference reference = {kind, ms_mix64(name + 1), size, now, expires};

    if (ms_reuse_follows(&pattern.reuse, reference.hash))
        ms_pattern_note(&pattern, &reference);
}

/* A read that misses, and the write that follows it; the miniatures know best what hits. */
static void read_through(uint64_t name)
{
    note(MS_REFERENCE_READ, name, 0, 0, 0);
    note(MS_REFERENCE_WRITE, name, ENTRY, 0, INT64_MAX);
}

static double miss_ratio_of(enum ms_mini_policy policy, const uint64_t *stream, double rate)
{
    open_pattern(MS_REUSE_KEYS_MAX, rate, CACHE * ENTRY);
    for (size_t i = 0; i < REFERENCES; i++)
        read_through(stream[i]);
    const double ratio =
        ms_mini_miss_ratio(&pattern.minis[policy], &pattern.reuse.curve, REFERENCES);
    free(memory);
    return ratio;
}

/* ---- Miniatures ---- */

Test(miniature, of_all_keys_under_lru_is_the_exact_cache)
{
    uint64_t *stream = test_zipf_stream(REFERENCES, KEYS, 0.8, 5);
    struct test_exact exact = test_exact_of(stream, REFERENCES);

    const double ratio = miss_ratio_of(MS_MINI_LRU, stream, 1);
    cr_assert_float_eq(ratio, test_exact_miss_ratio(&exact, CACHE), 1e-9);
    test_exact_free(&exact);
    free(stream);
}

Test(miniature, of_a_quarter_tells_what_each_policy_would_have_missed)
{
    uint64_t *stream = test_zipf_stream(REFERENCES, KEYS, 0.8, 6);

    for (int policy = 0; policy < MS_MINI_POLICIES; policy++) {
        const double whole = miss_ratio_of((enum ms_mini_policy)policy, stream, 1);
        const double small = miss_ratio_of((enum ms_mini_policy)policy, stream, 0.25);

        cr_assert_float_eq(small, whole, 0.03, "policy %d: %.4f, not %.4f", policy, small, whole);
    }
    free(stream);
}

Test(miniature, of_s3fifo_keeps_what_is_used_beside_a_scan)
{
    open_pattern(MS_REUSE_KEYS_MAX, 1, 1000 * ENTRY);
    for (uint64_t i = 0; i < 50000; i++) {
        read_through(i % 500);
        read_through(100000 + i);
    }
    const struct ms_curve *curve = &pattern.reuse.curve;
    cr_assert_lt(ms_mini_miss_ratio(&pattern.minis[MS_MINI_S3FIFO], curve, 100000), 0.53);
    /* Half are the scan's own. */
    cr_assert_geq(ms_mini_miss_ratio(&pattern.minis[MS_MINI_S3FIFO], curve, 100000), 0.5);
    free(memory);
}

Test(miniature, of_fifo_forgets_by_age_what_lru_keeps)
{
    open_pattern(MS_REUSE_KEYS_MAX, 1, 100);
    for (uint64_t i = 0; i < 20000; i++) {
        note(MS_REFERENCE_READ, 0, 1, 0, 0);
        note(MS_REFERENCE_READ, i + 1, 0, 0, 0);
        note(MS_REFERENCE_WRITE, i + 1, 1, 0, INT64_MAX);
    }
    const struct ms_curve *curve = &pattern.reuse.curve;
    const double lru = ms_mini_miss_ratio(&pattern.minis[MS_MINI_LRU], curve, 40000);
    const double fifo = ms_mini_miss_ratio(&pattern.minis[MS_MINI_FIFO], curve, 40000);
    cr_assert_gt(fifo, lru + 0.003, "%f %f", fifo, lru);
    free(memory);
}

/* Of a loop that is larger than the cache, lru and s3fifo find nothing. */
Test(miniature, of_adaptive_finds_part_of_a_loop_each_time)
{
    open_pattern(4096, 1, 1000 * ENTRY);
    for (uint64_t i = 0; i < 100000; i++)
        read_through(i % 3000);
    const struct ms_curve *curve = &pattern.reuse.curve;
    const double adaptive = ms_mini_miss_ratio(&pattern.minis[MS_MINI_ADAPTIVE], curve, 100000);
    cr_assert_gt(ms_mini_miss_ratio(&pattern.minis[MS_MINI_LRU], curve, 100000), 0.99);
    cr_assert(adaptive > 0.66 && adaptive < 0.75, "%f", adaptive);
    free(memory);
}

/* Keys come back soon after they were written, and later not at all. */
Test(miniature, of_adaptive_learns_how_large_its_small_queue_should_be)
{
    const struct ms_learned *learned = &pattern.minis[MS_MINI_ADAPTIVE].learned;

    open_pattern(MS_REUSE_KEYS_MAX, 1, 1000 * ENTRY);
    for (uint64_t i = 0; i < 3000; i++) {
        read_through(i);
        read_through(i >= 100 ? i - 100 : 0);
    }
    cr_assert_gt(learned->small_share, 0.3, "%f", learned->small_share);
    free(memory);

    open_pattern(MS_REUSE_KEYS_MAX, 1, 1000 * ENTRY);
    for (uint64_t i = 0; i < 60000; i++)
        read_through(i % 2 == 0 ? i % 1800 : 100000 + i);
    cr_assert_lt(learned->small_share, 0.05, "%f", learned->small_share);
    free(memory);
}

/* Names of which every fourth has a large entry, in no order. */
static void read_of_two_sizes(enum ms_goal goal)
{
    memory = calloc(1, ms_pattern_bytes(16384));
    ms_pattern_init(&pattern, 16384, MS_REUSE_ALL, 100000, goal, memory);
    for (uint64_t i = 0; i < 100000; i++) {
        const uint64_t name = ms_mix64(i + 1) % 8000;

        note(MS_REFERENCE_READ, name, name % 4 == 0 ? 100 : 10, 0, 0);
    }
}

/* By the goal of hits; by that of bytes sizes are all the same. */
Test(miniature, of_adaptive_keeps_small_entries_sooner_by_its_goal)
{
    double missed[2];

    for (int goal = 0; goal < 2; goal++) {
        read_of_two_sizes(goal == 0 ? MS_GOAL_HITS : MS_GOAL_BYTES);
        missed[goal] =
            ms_mini_miss_ratio(&pattern.minis[MS_MINI_ADAPTIVE], &pattern.reuse.curve, 100000);
        free(memory);
    }
    cr_assert_lt(missed[0], missed[1] - 0.05, "%f, %f", missed[0], missed[1]);
}

Test(miniature, of_adaptive_keeps_large_entries_for_a_part_of_a_turn_unless_bytes_count)
{
    const struct ms_mini *mini = &pattern.minis[MS_MINI_ADAPTIVE];
    const struct ms_mini_list *part = &mini->lists[MS_MINI_PART];

    read_of_two_sizes(MS_GOAL_HITS);
    cr_assert_gt(part->count, 0);
    cr_assert_eq(part->bytes, part->count * UINT64_C(100), "they are the large ones");
    const uint8_t now = (uint8_t)(mini->main_parts >> MS_MINI_PART_BITS);
    const uint8_t due = ms_mini_link_of(mini, part->oldest)->at;
    cr_assert_leq((int8_t)(now - due), 1, "none is kept when its time is over");
    free(memory);
    read_of_two_sizes(MS_GOAL_BYTES);
    cr_assert_eq(part->count, 0);
    free(memory);
}

/* The store evicts otherwise: what it reads again and writes is still there in the simulation. */
Test(miniature, does_not_take_for_written_what_only_the_store_had_missed)
{
    open_pattern(64, 1, 2 * ENTRY);
    read_through(1);
    read_through(2);
    read_through(1);
    cr_assert_eq(pattern.minis[MS_MINI_FIFO].lists[MS_MINI_MAIN].count, 2);
    read_through(3);
    /* The first that was written. */
    note(MS_REFERENCE_WRITE, 4, ENTRY, 0, INT64_MAX);
    cr_assert_float_eq(pattern.minis[MS_MINI_FIFO].missed.weight, 3, 1e-9);
    read_through(1);
    cr_assert_float_eq(pattern.minis[MS_MINI_FIFO].missed.weight, 4, 1e-9);
    free(memory);
}

Test(miniature, never_holds_more_than_its_capacity)
{
    struct unit_random rng = unit_random_start("miniature");

    open_pattern(4096, 1, 50000);
    for (int i = 0; i < 200000; i++) {
        const uint64_t name = unit_random_below(&rng, 8000);
        const uint32_t size = (uint32_t)unit_random_below(&rng, 900) + 1;

        note(unit_random_below(&rng, 20) == 0  ? MS_REFERENCE_DELETE
             : unit_random_below(&rng, 2) == 0 ? MS_REFERENCE_WRITE
                                               : MS_REFERENCE_READ,
             name, size, i, INT64_MAX);
        for (int policy = 0; policy < MS_MINI_POLICIES; policy++) {
            const struct ms_mini *mini = &pattern.minis[policy];

            cr_assert_leq(mini->held_bytes, mini->capacity);
        }
    }
    free(memory);
}

/* ---- Hot keys ---- */

Test(hot, keys_are_counted_within_their_bounds)
{
    uint64_t *stream = test_zipf_stream(100000, 5000, 1, 7);
    struct ms_hot hot = {0};
    struct ms_hot_key sorted[MS_HOT_KEYS];
    uint64_t counts[5000] = {0};

    for (size_t i = 0; i < 100000; i++) {
        counts[stream[i]]++;
        ms_hot_note(&hot, stream[i], &stream[i], sizeof stream[i]);
    }
    cr_assert_eq(ms_hot_sorted(&hot, sorted, MS_HOT_KEYS), MS_HOT_KEYS);
    for (uint32_t i = 0; i < MS_HOT_KEYS; i++) {
        uint64_t name;

        memcpy(&name, sorted[i].key, sizeof name);
        cr_assert_geq(sorted[i].count, counts[name]);
        cr_assert_leq(sorted[i].count - sorted[i].error, counts[name]);
        cr_assert(i == 0 || sorted[i - 1].count >= sorted[i].count);
    }
    for (uint64_t name = 0; counts[name] > 100000 / MS_HOT_KEYS; name++)
        cr_assert_eq(sorted[name].hash, name);
    free(stream);
}

/* Each new key takes the place of one with the least count, of which there is always another one. */
Test(hot, places_go_round_while_all_keys_are_new)
{
    struct ms_hot hot = {0};

    for (uint64_t name = 0; name < 100 * MS_HOT_KEYS; name++) {
        const uint64_t hash = ms_mix64(name + 1);

        ms_hot_note(&hot, hash, &hash, sizeof hash);
    }
    for (uint32_t i = 0; i < MS_HOT_KEYS; i++) {
        cr_assert_eq(hot.counts[i], 100);
        cr_assert_eq(hot.keys[i].error, 99);
    }
}

static void note_often(struct ms_hot *hot, uint64_t name, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        ms_hot_note(hot, name, &name, sizeof name);
}

Test(hot, a_key_that_is_not_read_any_more_gives_way_to_those_that_are)
{
    struct ms_hot hot = {0};
    struct ms_hot_key sorted[MS_HOT_KEYS];
    int64_t now = 1000;

    note_often(&hot, 1, 10000000);
    for (int i = 0; i < 20; i++) {
        ms_hot_age(&hot, now += MS_HOT_HALF_LIFE_MS);
        note_often(&hot, 2, MS_HOT_ENOUGH);
    }
    cr_assert_eq(ms_hot_sorted(&hot, sorted, MS_HOT_KEYS), 2);
    cr_assert_eq(sorted[0].hash, 2);
    cr_assert_lt((double)sorted[1].count / (double)hot.noted, 0.01);
}

Test(hot, counts_are_halved_once_in_a_while_and_while_they_are_enough)
{
    struct ms_hot hot = {0};

    note_often(&hot, 1, MS_HOT_ENOUGH - 1);
    ms_hot_age(&hot, 1000);
    cr_assert_eq(hot.noted, MS_HOT_ENOUGH - 1, "few tell more than half of them");
    note_often(&hot, 1, 1);
    ms_hot_age(&hot, 1000 + MS_HOT_HALF_LIFE_MS);
    cr_assert_eq(hot.noted, MS_HOT_ENOUGH / 2);
    note_often(&hot, 1, MS_HOT_ENOUGH);
    ms_hot_age(&hot, 1000 + 2 * MS_HOT_HALF_LIFE_MS - 1);
    cr_assert_eq(hot.noted, MS_HOT_ENOUGH * 3 / 2, "a half-life has not passed");
    ms_hot_age(&hot, 1000 + 2 * MS_HOT_HALF_LIFE_MS);
    cr_assert_eq(hot.noted, MS_HOT_ENOUGH * 3 / 4);
    cr_assert_eq(hot.counts[0], hot.noted);
}

/* However late it is by the clock then. */
Test(hot, what_is_noted_first_counts_in_full_for_a_half_life)
{
    struct ms_hot hot = {0};

    note_often(&hot, 1, MS_HOT_ENOUGH);
    ms_hot_age(&hot, 1000 * (int64_t)MS_HOT_HALF_LIFE_MS);
    cr_assert_eq(hot.noted, MS_HOT_ENOUGH);
    note_often(&hot, 2, MS_HOT_ENOUGH);
    ms_hot_age(&hot, 1001 * (int64_t)MS_HOT_HALF_LIFE_MS - 1);
    cr_assert_eq(hot.noted, 2 * MS_HOT_ENOUGH);
}

Test(hot, counts_that_were_halved_are_within_their_bounds)
{
    uint64_t *stream = test_zipf_stream(100000, 5000, 1, 7);
    struct ms_hot hot = {0};
    struct ms_hot_key sorted[MS_HOT_KEYS];
    static double counts[5000];

    for (int64_t i = 0; i < 100000; i++) {
        const uint64_t noted = hot.noted;

        ms_hot_age(&hot, 1 + i * (MS_HOT_HALF_LIFE_MS / 3000));
        for (unsigned name = 0; hot.noted < noted && name < 5000; name++)
            counts[name] /= 2;
        counts[stream[i]]++;
        ms_hot_note(&hot, stream[i], &stream[i], sizeof stream[i]);
    }
    cr_assert_lt(hot.noted, 10000);
    cr_assert_eq(ms_hot_sorted(&hot, sorted, MS_HOT_KEYS), MS_HOT_KEYS);
    for (uint32_t i = 0; i < MS_HOT_KEYS; i++) {
        cr_assert_geq((double)sorted[i].count, counts[sorted[i].hash]);
        cr_assert_leq((double)(sorted[i].count - sorted[i].error), counts[sorted[i].hash]);
    }
    for (uint64_t name = 0; counts[name] > (double)hot.noted / MS_HOT_KEYS + 2; name++)
        cr_assert_eq(sorted[name].hash, name);
    free(stream);
}

Test(hot, of_a_long_key_the_beginning_is_kept)
{
    char key[200];
    struct ms_hot hot = {0};

    memset(key, 'k', sizeof key);
    ms_hot_note(&hot, 1, key, sizeof key);
    cr_assert_eq(hot.keys[0].key_size, 200);
    cr_assert_eq(memcmp(hot.keys[0].key, key, MS_HOT_KEY_BYTES), 0);
}

/* ---- Times and sizes ---- */

Test(pattern, tells_the_times_between_reads_and_of_ttls)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_WRITE, 1, 10, 0, 1000);
    note(MS_REFERENCE_READ, 1, 10, 100, 0);
    note(MS_REFERENCE_READ, 1, 10, 400, 0);
    cr_assert_float_eq(pattern.ttls.counts[ms_spread_bucket(1000)], 1, 1e-9);
    cr_assert_float_eq(pattern.reuse_ages.counts[ms_spread_bucket(300)], 1, 1e-9);
    cr_assert_float_eq(pattern.reuse_ages.total, 1, 1e-9);
    free(memory);
}

static void expect_ages(const struct ms_spread *ages, double total, uint64_t ms, double count)
{
    cr_expect_float_eq(ages->total, total, 1e-9, "%f, not %f", ages->total, total);
    cr_expect_float_eq(ages->counts[ms_spread_bucket(ms)], count, 1e-9, "of %d ms", (int)ms);
}

Test(pattern, tells_how_old_entries_are_when_they_are_hit)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_WRITE, 1, 10, 1000, 11000);
    note(MS_REFERENCE_READ, 1, 10, 1300, 0);
    expect_ages(&pattern.hit_ages, 1, 300, 1);
    expect_ages(&pattern.idle_ages, 1, 300, 1);
    /* With the expiry that it had: its TTL goes on. */
    note(MS_REFERENCE_WRITE, 1, 10, 2000, 11000);
    note(MS_REFERENCE_READ, 1, 10, 5300, 0);
    expect_ages(&pattern.hit_ages, 2, 4300, 1);
    expect_ages(&pattern.idle_ages, 2, 4000, 1);
    note(MS_REFERENCE_WRITE, 1, 10, 5300, 15300);
    note(MS_REFERENCE_READ, 1, 10, 6000, 0);
    expect_ages(&pattern.hit_ages, 3, 700, 1);
    free(memory);
}

Test(pattern, does_not_tell_how_old_entries_are_whose_write_it_has_not_seen)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_READ, 1, 10, 1000, 0);
    expect_ages(&pattern.hit_ages, 1, 0, 0);
    expect_ages(&pattern.idle_ages, 1, 0, 0);
    /* It was read at least. */
    note(MS_REFERENCE_READ, 1, 10, 1200, 0);
    expect_ages(&pattern.hit_ages, 2, 200, 0);
    expect_ages(&pattern.idle_ages, 2, 200, 1);
    /* What should have expired is another, which nobody has seen to be written. */
    note(MS_REFERENCE_WRITE, 1, 10, 2000, 3000);
    note(MS_REFERENCE_READ, 1, 10, 12000, 0);
    note(MS_REFERENCE_READ, 1, 10, 12000, 0);
    expect_ages(&pattern.hit_ages, 4, 10000, 0);
    /* Nor is one that comes back of the age of the one that was removed. */
    note(MS_REFERENCE_WRITE, 1, 10, 13000, 23000);
    note(MS_REFERENCE_DELETE, 1, 0, 13000, 0);
    note(MS_REFERENCE_READ, 1, 10, 14000, 0);
    expect_ages(&pattern.hit_ages, 5, 1000, 0);
    /* What never expires does not matter. */
    note(MS_REFERENCE_WRITE, 1, 10, 15000, INT64_MAX);
    note(MS_REFERENCE_READ, 1, 10, 16000, 0);
    expect_ages(&pattern.hit_ages, 5, 1000, 0);
    cr_assert_eq(ms_spread_below(&pattern.hit_ages, 0.99), 0);
    ms_pattern_forget(&pattern);
    expect_ages(&pattern.hit_ages, 0, 200, 0);
    expect_ages(&pattern.idle_ages, 0, 200, 0);
    free(memory);
}

Test(pattern, takes_no_pause_for_time_between_reads)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_READ, 1, 10, 100, 0);
    ms_pattern_pass(&pattern, 100000);
    note(MS_REFERENCE_READ, 1, 10, 100400, 0);
    note(MS_REFERENCE_READ, 1, 10, 100700, 0);
    cr_assert_float_eq(pattern.reuse_ages.counts[ms_spread_bucket(300)], 2, 1e-9);
    free(memory);
}

Test(pattern, tells_how_late_reads_of_expired_entries_came)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_WRITE, 1, 10, 0, 1000);
    note(MS_REFERENCE_READ, 1, 0, 1100, 0);
    cr_assert_float_eq(pattern.late.counts[ms_spread_bucket(100)], 1, 1e-9);
    cr_assert_float_eq(pattern.misses, 1, 1e-9);
    /* A miss that no memory saves. */
    cr_assert_float_eq(ms_curve_miss_ratio(&pattern.reuse.curve, 1e9, 1), 1, 1e-9);
    free(memory);
}

Test(pattern, takes_deleted_and_cleared_keys_out_of_the_cache)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_WRITE, 1, 10, 0, INT64_MAX);
    note(MS_REFERENCE_WRITE, 2, 10, 0, INT64_MAX);
    note(MS_REFERENCE_DELETE, 1, 0, 0, 0);
    cr_assert_eq(pattern.reuse.held, 1);
    cr_assert_eq(pattern.minis[MS_MINI_FIFO].lists[MS_MINI_MAIN].count, 1);
    ms_pattern_clear(&pattern);
    cr_assert_eq(pattern.reuse.held, 0);
    cr_assert_eq(pattern.minis[MS_MINI_FIFO].lists[MS_MINI_MAIN].count, 0);
    free(memory);
}

Test(pattern, forgets_counts_but_not_when_keys_were_used)
{
    open_pattern(64, 1, 1000);
    note(MS_REFERENCE_WRITE, 1, 10, 0, INT64_MAX);
    note(MS_REFERENCE_READ, 2, 0, 0, 0);
    ms_pattern_forget(&pattern);
    note(MS_REFERENCE_READ, 1, 10, 5, 0);
    cr_assert_float_eq(pattern.misses, 0, 1e-9);
    cr_assert_float_eq(ms_curve_miss_ratio(&pattern.reuse.curve, 100, 1), 0, 1e-9);
    free(memory);
}
