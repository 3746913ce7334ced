/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of asking that are known to defeat one eviction policy or another, and what the default
 * makes of them. */
#include "store/store.h"
#include "store/validate.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <pthread.h>

#define LIMIT "performance.memory_limit=4MiB"
#define VALUE 200
#define FITS 17000 /* about as many entries of VALUE bytes and an 8-byte key as the limit holds */

/* A cache as most are used: get, and on a miss set. Whether it was a hit. */
static bool ask(memstore *store, uint64_t key)
{
    char value[VALUE];

    if (memstore_get(store, &key, sizeof key, value, sizeof value, NULL) == MEMSTORE_OK)
        return true;
    memset(value, (int)key, sizeof value);
    assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    return false;
}

static double loop_hit_ratio(const char *eviction, uint64_t length)
{
    memstore *store = test_open(LIMIT, eviction, "maintenance=manual", NULL);
    unsigned hits = 0;

    for (unsigned round = 0; round < 10; round++) {
        for (uint64_t key = 0; key < length; key++)
            hits += ask(store, key) && round >= 5;
    }
    memstore_destroy(store);
    return hits / (5.0 * (double)length);
}

Test(eviction, a_loop_larger_than_the_store_finds_part_of_itself)
{
    /* A third of it fits. */
    cr_assert_gt(loop_hit_ratio("eviction=adaptive", (uint64_t)3 * FITS), 0.2);
    cr_assert_lt(loop_hit_ratio("eviction=lru", (uint64_t)3 * FITS), 0.05);
}

Test(eviction, entries_of_more_than_half_a_segment_do_not_have_one_each)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "maintenance=manual", NULL);
    static char value[10000];

    for (uint64_t key = 0; key < 500; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    memstore_stats stats = {.struct_size = sizeof stats};
    assert_ok(memstore_get_stats(store, &stats));
    cr_assert_gt(stats.entries * sizeof value, (1 << 20) * 85 / 100, "%llu",
                 (unsigned long long)stats.entries);
    memstore_destroy(store);
}

/* What is remembered of evicted keys is not for all of them there. */
Test(eviction, the_policy_goes_by_the_number_of_entries_there_are_however_small_they_are)
{
    memstore *store = test_open(LIMIT, "maintenance=manual", NULL);

    for (uint64_t key = 0; key < 400000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, "", 0, 0));
    const uint64_t entries = memstore_size(store);
    cr_assert_gt(entries, 100000);
    cr_assert_gt(store->eviction.keys, entries * 95 / 100, "of %llu", (unsigned long long)entries);
    cr_assert_lt(store->eviction.keys, entries * 105 / 100, "of %llu", (unsigned long long)entries);
    memstore_destroy(store);
}

Test(eviction, a_scan_does_not_push_out_what_is_used)
{
    memstore *store = test_open(LIMIT, "maintenance=manual", NULL);
    const uint64_t used = FITS / 2;
    unsigned hits = 0;
    uint64_t next = 1000000;

    for (unsigned round = 0; round < 20; round++) {
        for (uint64_t key = 0; key < used; key++)
            hits += ask(store, key) && round >= 15;
        for (unsigned i = 0; i < FITS * 2; i++)
            ask(store, next++);
    }
    cr_assert_gt(hits, 5 * used * 8 / 10, "%u of %llu", hits, (unsigned long long)(5 * used));
    memstore_destroy(store);
}

/* How an entry that is there may be overwritten. */
static int by_set(memstore *store, uint64_t key, const char *value)
{
    return memstore_set(store, &key, sizeof key, value, VALUE, 0);
}

static int by_replace(memstore *store, uint64_t key, const char *value)
{
    return memstore_replace(store, &key, sizeof key, value, VALUE, 0);
}

static int by_batch(memstore *store, uint64_t key, const char *value)
{
    const memstore_entry entry = {.key = {&key, sizeof key}, .value = value, .value_size = VALUE};

    return memstore_set_many(store, &entry, 1);
}

/* How many of a hundred keys that were used, if `uses` is, and then overwritten are there after twice
 * as many new ones as fit. */
static unsigned kept_of_overwritten(int (*overwrite)(memstore *, uint64_t, const char *), bool uses)
{
    enum { KEYS = 100 };
    memstore *store = test_open(LIMIT, "eviction=s3fifo", "maintenance=manual", NULL);
    char value[VALUE] = {0};
    unsigned kept = 0;

    for (uint64_t key = 0; key < KEYS; key++) {
        ask(store, key);
        for (int i = 0; i < 3 && uses; i++)
            cr_assert(ask(store, key));
        assert_ok(overwrite(store, key, value));
    }
    for (uint64_t key = KEYS; key < (uint64_t)2 * FITS; key++)
        ask(store, key);
    for (uint64_t key = 0; key < KEYS; key++)
        kept += memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
    memstore_destroy(store);
    return kept;
}

Test(eviction, what_is_overwritten_has_been_used_as_often_as_before)
{
    cr_expect_eq(kept_of_overwritten(by_set, true), 100);
    cr_expect_eq(kept_of_overwritten(by_replace, true), 100);
    cr_expect_eq(kept_of_overwritten(by_batch, true), 100);
    /* But for one that a compaction has moved to the end of the segment that was being written to. */
    cr_expect_leq(kept_of_overwritten(by_set, false), 1);
}

Test(eviction, what_was_written_last_is_kept_where_nobody_asks_first)
{
    memstore *store = test_open(LIMIT, "maintenance=manual", NULL);
    char value[VALUE] = {0};
    unsigned there = 0;
    const uint64_t written = (uint64_t)20 * FITS;

    for (uint64_t key = 0; key < written; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    for (uint64_t key = written - FITS / 2; key < written; key++)
        there += memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
    cr_assert_gt(there, FITS / 2 * 95 / 100);
    memstore_destroy(store);
}

/* What is compacted is listed by its age, and what is written after that by its own. */
Test(eviction, what_is_written_after_a_compaction_is_as_new_as_it_is)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "eviction=fifo", "maintenance=manual", NULL);
    const uint64_t a_segment = ms_arena_segment_size(&store->arena) / (VALUE + 8 + 4);
    char value[VALUE] = {0};
    uint64_t next = 0;

    while (test_stats(store).evictions == 0) {
        assert_ok(memstore_set(store, &next, sizeof next, value, sizeof value, 0));
        next++;
    }
    /* In one of the oldest segments. */
    const uint64_t oldest = next - memstore_size(store);
    for (uint64_t key = oldest; key < oldest + a_segment; key++) {
        if (key % 5 < 2)
            assert_ok(memstore_delete(store, &key, sizeof key));
    }
    const uint64_t first = next;
    for (uint64_t end = first + a_segment * 5 / 2; next < end; next++)
        assert_ok(memstore_set(store, &next, sizeof next, value, sizeof value, 0));
    cr_assert_gt(test_stats(store).compactions, 0);
    for (uint64_t key = first; key < next; key++)
        cr_assert_eq(memstore_has(store, &key, sizeof key), MEMSTORE_OK, "%d after %d",
                     (int)(key - first), (int)(next - first));
    memstore_destroy(store);
}

Test(eviction, another_set_of_keys_takes_over_in_time)
{
    memstore *store = test_open(LIMIT, "maintenance=manual", NULL);
    unsigned hits = 0;

    for (uint64_t first = 0; first < 3000000; first += 1000000) {
        hits = 0;
        for (unsigned round = 0; round < 20; round++) {
            for (uint64_t key = first; key < first + FITS * 3 / 4; key++)
                hits += ask(store, key) && round >= 15;
        }
        cr_assert_gt(hits, 5 * FITS * 3 / 4 * 9 / 10, "those from %llu: %u",
                     (unsigned long long)first, hits);
    }
    memstore_destroy(store);
}

/* Small and large keys, all asked for equally often: how many requests and how many bytes hit. */
static void ask_for_sizes(const char *goal, double *requests, double *bytes)
{
    memstore *store = test_open(LIMIT, goal, "maintenance=manual", NULL);
    struct test_rng rng = {77};
    static char value[4000];
    double hit = 0, hit_bytes = 0, all = 0, all_bytes = 0;

    for (unsigned i = 0; i < 200000; i++) {
        const uint64_t key = test_below(&rng, 8000);
        const size_t size = key % 2 == 0 ? 200 : sizeof value;
        const bool there =
            memstore_get(store, &key, sizeof key, value, sizeof value, NULL) == MEMSTORE_OK;

        if (!there)
            assert_ok(memstore_set(store, &key, sizeof key, value, size, 0));
        all++;
        all_bytes += (double)size;
        hit += there;
        hit_bytes += there ? (double)size : 0;
    }
    *requests = hit / all;
    *bytes = hit_bytes / all_bytes;
    memstore_destroy(store);
}

Test(eviction, the_goal_decides_between_requests_and_bytes, .timeout = 60)
{
    double hits_requests, hits_bytes, bytes_requests, bytes_bytes;

    ask_for_sizes("eviction_goal=hits", &hits_requests, &hits_bytes);
    ask_for_sizes("eviction_goal=bytes", &bytes_requests, &bytes_bytes);
    cr_assert_gt(hits_requests, bytes_requests + 0.03, "%g, %g", hits_requests, bytes_requests);
    cr_assert_lt(hits_bytes, bytes_bytes + 0.02, "%g, %g", hits_bytes, bytes_bytes);
}

/* Keys of which some are asked for more often than others, with so many empty values written beside each request
 * that nobody ever reads: the part of the requests that hit. */
static double hit_ratio_beside_tiny(memstore *store, struct test_rng *rng, unsigned requests,
                                    unsigned tiny)
{
    static uint64_t next_tiny = 1000000;
    unsigned hits = 0;

    for (unsigned i = 0; i < requests; i++) {
        hits += ask(store, test_below(rng, 1 + test_below(rng, 1 + test_below(rng, 16 * FITS))));
        for (unsigned n = 0; n < tiny; n++, next_tiny++)
            assert_ok(memstore_set(store, &next_tiny, sizeof next_tiny, "", 0, 0));
    }
    return hits / (double)requests;
}

Test(eviction, tiny_entries_that_nobody_reads_do_not_drive_out_what_is_read)
{
    memstore *store = test_open(LIMIT, "maintenance=manual", NULL);
    struct test_rng rng = {78};

    hit_ratio_beside_tiny(store, &rng, 8 * FITS, 0);
    const double alone = hit_ratio_beside_tiny(store, &rng, 8 * FITS, 0);
    hit_ratio_beside_tiny(store, &rng, 8 * FITS, 1);
    const double beside = hit_ratio_beside_tiny(store, &rng, 8 * FITS, 1);
    cr_expect_gt(beside, alone - 0.03, "%g, %g alone", beside, alone);
    hit_ratio_beside_tiny(store, &rng, 1, 8 * FITS);
    const double after = hit_ratio_beside_tiny(store, &rng, 2 * FITS, 0);
    cr_expect_gt(after, alone - 0.08, "%g after a flood, %g alone", after, alone);
    memstore_destroy(store);
}

/* ---- How much goes at once ---- */

struct steps {
    memstore *store;
    uint64_t evicted; /* when the step began */
    double largest;   /* share of the entries that a step removed */
    unsigned count;
};

static void end_step(struct steps *steps)
{
    const uint64_t evicted = ms_counters_total(&steps->store->counters, MS_COUNT_EVICTIONS);
    const uint64_t removed = evicted - steps->evicted;
    uint64_t entries = removed;

    for (uint32_t i = 0; i < steps->store->index.shard_count; i++)
        entries += ms_index_entries(&steps->store->index, i);
    if (removed != 0 && (double)removed / (double)entries > steps->largest)
        steps->largest = (double)removed / (double)entries;
    steps->count += removed != 0;
    steps->evicted = evicted;
}

/* A segment's turn begins, so that of the one before is over. */
static void note_step(enum ms_testing_point point, void *context)
{
    if (point == MS_POINT_RECLAIMING)
        end_step(context);
}

/* More than fits. Of so large a store a segment is a fifth of a percent. */
static void assert_small_steps(const char *eviction)
{
    static char value[4000];
    memstore *store =
        test_open("performance.memory_limit=128MiB", eviction, "maintenance=manual", NULL);
    struct steps steps = {.store = store};

    ms_testing_set_hook(note_step, &steps);
    for (uint64_t key = 0; key < 66000; key++) {
        const uint64_t earlier = key * 7919 % (key + 1);

        assert_ok(memstore_set(store, &key, sizeof key, value, 1000 + key * 7919 % 3000, 0));
        memstore_has(store, &earlier, sizeof earlier);
    }
    ms_testing_set_hook(NULL, NULL);
    end_step(&steps);
    cr_assert_gt(steps.count, 100, "%s: %u steps", eviction, steps.count);
    cr_assert_leq(steps.largest, 0.005, "%s: %.4f of the entries", eviction, steps.largest);
    memstore_destroy(store);
}

Test(eviction, no_step_removes_more_than_half_a_percent_of_the_entries)
{
    assert_small_steps("eviction=adaptive");
    assert_small_steps("eviction=s3fifo");
    assert_small_steps("eviction=lru");
    assert_small_steps("eviction=lfu");
    assert_small_steps("eviction=fifo");
}

/* Write what is used until something goes: whether it is remembered. */
static bool remembers_the_first(const char *eviction, const char *limit)
{
    memstore *store = test_open(eviction, limit, "maintenance=manual", NULL);
    bool has_ghost = false;

    for (uint64_t key = 0; test_stats(store).evictions == 0; key++) {
        has_ghost = ms_load_relaxed(&store->eviction.ghost.table) != NULL;
        ask(store, key);
        ask(store, key);
        ask(store, key);
    }
    memstore_destroy(store);
    return has_ghost;
}

/* Its memory is had before all is in use. In a full store most of what a victim holds may have to be kept, so that a
 * ghost for which others go would cost much of what lives, of which nothing would be known then. */
Test(eviction, the_ghost_is_there_when_the_first_entry_goes)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=s3fifo"};
    static const char *const limits[] = {"performance.memory_limit=1MiB",
                                         "performance.memory_limit=4MiB",
                                         "performance.memory_limit=32MiB"};

    for (size_t i = 0; i < 6; i++)
        cr_assert(remembers_the_first(policies[i % 2], limits[i / 2]), "%s, %s", policies[i % 2],
                  limits[i / 2]);
}

/* The most entries that one write evicts while large ones give way to small ones, as a share of those there are. */
static double largest_eviction(memstore *store)
{
    static const char value[4000];
    uint64_t evictions = 0;
    double largest = 0;

    for (uint64_t key = 0; key < 150000; key++) {
        assert_ok(memstore_set(store, &key, sizeof key, value, key < 8000 ? 4000 : 100, 0));
        const memstore_stats stats = test_stats(store);
        const double share = (double)(stats.evictions - evictions) / (double)(stats.entries + 1);

        evictions = stats.evictions;
        if (key >= 8000 && share > largest)
            largest = share;
    }
    return largest;
}

/* A full store remembers more keys when entries become smaller: it saves the memory for that, by a segment
 * each time that one is evicted. Two of small entries are 1.7 % of those there are beside large ones. */
Test(eviction, the_ghost_grows_in_a_full_store_by_small_steps)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=s3fifo"};

    for (size_t i = 0; i < 2; i++) {
        memstore *store =
            test_open(policies[i], "performance.memory_limit=16MiB", "maintenance=manual", NULL);
        const double largest = largest_eviction(store);

        cr_assert_leq(largest, 0.02, "%s: %.4f of the entries", policies[i], largest);
        cr_assert_geq(ms_load_relaxed(&store->eviction.ghost.table)->sets * MS_GHOST_AGES,
                      memstore_size(store) / 2);
        cr_assert_leq(ms_load_relaxed(&store->ghost_savings), (16 << 20) / MS_GHOST_DIVISOR);
        memstore_destroy(store);
    }
}

/* Write smaller and smaller entries until memory is saved up for the ghost. */
static void write_until_saving(memstore *store)
{
    static const char value[4000];

    for (uint64_t key = 0; ms_load_relaxed(&store->ghost_savings) == 0; key++) {
        cr_assert_lt(key, 200000);
        assert_ok(memstore_set(store, &key, sizeof key, value, key < 8000 ? 4000 : 100, 0));
    }
}

Test(eviction, what_is_saved_for_the_ghost_is_free_in_a_store_that_is_cleared_or_lowered)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=s3fifo"};

    for (size_t i = 0; i < 2; i++) {
        memstore *store =
            test_open(policies[i], "performance.memory_limit=16MiB", "maintenance=manual", NULL);

        write_until_saving(store);
        assert_ok(memstore_reconfigure(store, "performance.memory_limit", "15MiB"));
        cr_assert_eq(ms_load_relaxed(&store->ghost_savings), 0);
        memstore_destroy(store);
        store =
            test_open(policies[i], "performance.memory_limit=16MiB", "maintenance=manual", NULL);
        write_until_saving(store);
        assert_ok(memstore_clear(store));
        cr_assert_eq(ms_load_relaxed(&store->ghost_savings), 0);
        cr_assert_null(ms_store_validate(store));
        memstore_destroy(store);
    }
}

/* What is dead makes room for it, so that nothing ever goes and is to be remembered. */
Test(eviction, a_store_that_is_overwritten_alone_has_no_ghost)
{
    memstore *store = test_open(LIMIT, "maintenance=manual", NULL);
    const char value[VALUE] = {0};
    uint64_t state = 1;

    for (unsigned i = 0; i < 20 * FITS; i++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        const uint64_t key = (state >> 33) % (FITS / 2);

        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    }
    cr_assert_eq(test_stats(store).evictions, 0);
    cr_assert_null(ms_load_relaxed(&store->eviction.ghost.table));
    memstore_destroy(store);
}

/* Write so many entries of about a kilobyte with a TTL. */
static void write_with_ttl(memstore *store, uint64_t *key, unsigned count, int64_t ttl_ms)
{
    static const char value[1000];

    for (unsigned i = 0; i < count; i++, ++*key)
        assert_ok(memstore_set(store, key, sizeof *key, value, sizeof value, ttl_ms));
}

/* What expires first of a segment has been overwritten: nothing in there has expired when it seems so. */
Test(eviction, what_lives_stays_while_there_is_anything_that_has_expired)
{
    test_clock_start();
    memstore *store =
        test_open("performance.memory_limit=8MiB", "eviction=lru", "maintenance=manual", NULL);
    const uint64_t first = 0;
    uint64_t key = 0;

    write_with_ttl(store, &key, 1, 600000);
    assert_ok(memstore_set(store, &first, sizeof first, "value", 5, 1000000));
    write_with_ttl(store, &key, 1000, 1000000);
    test_clock_advance(595000);
    write_with_ttl(store, &key, 5000, 15000);
    test_clock_advance(16000);
    write_with_ttl(store, &key, 5000, 15000);
    cr_assert_eq(test_stats(store).evictions, 0);
    cr_assert_eq(memstore_size(store), 6001);
    memstore_destroy(store);
}

static uint64_t moved_bytes(memstore *store)
{
    memstore_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_stats(store, &stats));
    return stats.moved_bytes;
}

/* A store that has been full for long when it is only read, a tenth of it, while as many reads come as
 * `spans` times its entries; then some more is written. What is moved for that. */
static uint64_t moved_after_reads(uint64_t written, uint64_t spans)
{
    memstore *store = test_open(LIMIT, "eviction=lru", "maintenance=manual", NULL);
    const uint64_t hot = written - FITS * 6 / 10;

    for (uint64_t key = 0; key < written; key++)
        ask(store, key);
    for (uint64_t i = 0; i < spans * FITS; i++)
        cr_assert(ask(store, hot + i % (FITS / 10)));
    const uint64_t before = moved_bytes(store);
    for (uint64_t key = written; key < written + FITS / 10; key++)
        ask(store, key);
    const uint64_t moved = moved_bytes(store) - before;
    for (uint64_t i = 0; i < FITS / 10; i++)
        cr_assert(memstore_has(store, &(uint64_t){hot + i}, sizeof i) == MEMSTORE_OK);
    memstore_destroy(store);
    return moved;
}

Test(eviction, the_first_write_after_a_night_of_hits_does_not_move_the_store)
{
    for (uint64_t spans = 1; spans <= TEST_FEWER(30, 2); spans += 4) {
        cr_expect_lt(moved_after_reads((uint64_t)3 * FITS, spans), (1 << 20), "%llu spans",
                     (unsigned long long)spans);
        cr_expect_lt(moved_after_reads(FITS * 95 / 100, spans), (1 << 20), "%llu spans, never full",
                     (unsigned long long)spans);
    }
}

/* A full store that has forgotten all of it, by `forget`, is filled again with other keys, and some more. What
 * is moved for that. */
static uint64_t moved_to_fill_again(void (*forget)(memstore *))
{
    test_clock_start();
    memstore *store = test_open(LIMIT, "ttl.default_ttl=1s", "maintenance=manual", NULL);
    uint64_t key = 0;

    for (; key < (uint64_t)3 * FITS; key++)
        ask(store, key);
    forget(store);
    const uint64_t before = moved_bytes(store);
    for (const uint64_t end = key + FITS * 11 / 10; key < end; key++)
        ask(store, key);
    cr_assert_gt(test_stats(store).evictions, (uint64_t)2 * FITS * 8 / 10);
    const uint64_t moved = moved_bytes(store) - before;
    memstore_destroy(store);
    return moved;
}

static void clear(memstore *store)
{
    assert_ok(memstore_clear(store));
}

static void let_all_expire(memstore *store)
{
    (void)store;
    test_clock_advance(2000);
}

Test(eviction, a_store_that_was_emptied_is_filled_as_a_new_one)
{
    cr_expect_lt(moved_to_fill_again(clear), (1 << 20));
    cr_expect_lt(moved_to_fill_again(let_all_expire), (1 << 20));
}

/* A store that has been full for long and of which all is read, several times. */
static memstore *read_all(const char *eviction)
{
    memstore *store =
        test_open("performance.memory_limit=16MiB", eviction, "maintenance=manual", NULL);
    char value[VALUE];

    for (uint64_t key = 0; key < (uint64_t)8 * FITS; key++)
        ask(store, key);
    for (int i = 0; i < 3; i++) {
        for (uint64_t key = 0; key < (uint64_t)8 * FITS; key++)
            memstore_get(store, &key, sizeof key, value, sizeof value, NULL);
    }
    return store;
}

/* The most segments that are moved for one of the next writes. */
static uint64_t most_moved_after_all_was_read(const char *eviction)
{
    memstore *store = read_all(eviction);
    uint64_t most = 0;

    for (uint64_t key = UINT32_MAX; key < UINT32_MAX + (uint64_t)FITS / 2; key++) {
        const uint64_t before = moved_bytes(store);

        ask(store, key);
        const uint64_t moved = moved_bytes(store) - before;
        most = moved > most ? moved : most;
    }
    const size_t segment = ms_arena_segment_size(&store->arena);
    memstore_destroy(store);
    return most / segment;
}

Test(eviction, no_write_after_a_night_in_which_all_was_read_moves_much_of_the_store)
{
    cr_expect_leq(most_moved_after_all_was_read("eviction=adaptive"), 20);
    cr_expect_leq(most_moved_after_all_was_read("eviction=s3fifo"), 20);
    cr_expect_leq(most_moved_after_all_was_read("eviction=lru"), 20);
}

/* The first segment that is reclaimed takes more than half of the time that a write has. */
static void take_long_once(enum ms_testing_point point, void *context)
{
    int64_t *until = context;

    if (point != MS_POINT_RECLAIMING || *until != 0)
        return;
    *until = ms_clock_real_us() + 600000;
    while (ms_clock_real_us() < *until)
        continue;
}

Test(eviction, what_is_used_is_kept_for_half_of_the_time_of_a_write)
{
    memstore *store = read_all("eviction=adaptive");
    const uint64_t before = moved_bytes(store);
    int64_t until = 0;

    ms_testing_set_hook(take_long_once, &until);
    for (uint64_t key = UINT32_MAX; until == 0; key++)
        ask(store, key);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_leq(moved_bytes(store) - before, ms_arena_segment_size(&store->arena));
    memstore_destroy(store);
}

/* One who is first in line for so long while another stands behind. */
struct first_in_line {
    memstore *store;
    int64_t until;
    atomic_bool is_there, is_over;
};

static void take_long_with_one_behind(enum ms_testing_point point, void *context)
{
    struct first_in_line *first = context;

    if (point != MS_POINT_RECLAIMING || first->until != 0)
        return;
    first->until = 1;
    atomic_store(&first->is_there, true);
    TEST_AWAIT(ms_load_relaxed(&first->store->room_line.state) >= MS_GATE_WAITER);
    first->until = ms_clock_real_us() + 600000;
    while (ms_clock_real_us() < first->until)
        continue;
    atomic_store(&first->is_over, true);
}

static void *write_as_first(void *context)
{
    struct first_in_line *first = context;

    for (uint64_t key = (uint64_t)2 * UINT32_MAX; !atomic_load(&first->is_over); key++)
        (void)memstore_set(first->store, &key, sizeof key, "value", 5, 0);
    return NULL;
}

/* To stand in line is some of it. */
Test(eviction, half_of_the_time_of_a_write_begins_when_it_begins_to_wait)
{
    memstore *store = read_all("eviction=adaptive");
    const uint64_t before = moved_bytes(store);
    struct first_in_line first = {.store = store};
    pthread_t thread;

    ms_testing_set_hook(take_long_with_one_behind, &first);
    cr_assert_eq(pthread_create(&thread, NULL, write_as_first, &first), 0);
    TEST_AWAIT(atomic_load(&first.is_there));
    for (uint64_t key = UINT32_MAX; !atomic_load(&first.is_over); key++)
        ask(store, key);
    pthread_join(thread, NULL);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_leq(moved_bytes(store) - before, ms_arena_segment_size(&store->arena));
    memstore_destroy(store);
}

/* How many of some keys are lost that are each read after every HOT writes, of a store of so many MiB. */
#define HOT 94
static unsigned lost_of_hot(unsigned mib, const char *eviction, const char *maintenance)
{
    char limit[64], value[1000] = {7};

    snprintf(limit, sizeof limit, "performance.memory_limit=%uMiB", mib);
    memstore *store = test_open(limit, eviction, maintenance, NULL);
    const uint64_t filled = (uint64_t)mib * 685, end = filled + (uint64_t)mib * 4000;
    unsigned lost = 0;
    bool is_lost[HOT] = {false};

    for (uint64_t key = 0; key < end; key++) {
        const uint64_t hot = key % HOT;

        if (key >= filled && !is_lost[hot] &&
            memstore_get(store, &hot, sizeof hot, value, sizeof value, NULL) != MEMSTORE_OK) {
            is_lost[hot] = true;
            lost++;
        }
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    }
    memstore_destroy(store);
    return lost;
}

Test(eviction, what_is_read_all_the_time_is_not_evicted, .timeout = 120)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=s3fifo", "eviction=lru",
                                           "eviction=lfu"};
    static const char *const maintenance[] = {"maintenance=background", "maintenance=manual"};

    for (size_t i = 0; i < 4; i++) {
        for (unsigned mib = 2; mib <= 8; mib += 2) {
            for (size_t m = 0; m < 2; m++) {
                const unsigned lost = lost_of_hot(mib, policies[i], maintenance[m]);

                cr_expect_leq(lost, 4, "%s, %s, %u MiB: %u of %d lost", policies[i], maintenance[m],
                              mib, lost, HOT);
            }
        }
    }
}
