/* SPDX-License-Identifier: Apache-2.0 */
/* Each setting does what it says: none is read and ignored. */
#include "support/clock.h"
#include "support/criterion.h"
#include "support/stopper.h"

#include <stdlib.h>

#define HOUR INT64_C(3600000)

/* Whether a condition comes true within some seconds. */
#define WITHIN(seconds, condition)                                                                 \
    ({                                                                                             \
        const double within_end = test_now() + (seconds);                                          \
        while (!(condition) && test_now() < within_end)                                            \
            test_sleep_ms(5);                                                                      \
        (condition);                                                                               \
    })

Test(settings, life_window_bounds_every_age)
{
    test_clock_start();
    memstore *store = test_open("life_window=10s", "maintenance=manual", NULL);

    assert_ok(test_set(store, "never", "v", 0));
    assert_ok(test_set(store, "long", "v", HOUR));
    assert_ok(test_set(store, "short", "v", 4000));
    cr_assert(test_ttl(store, "never") == 10000 && test_ttl(store, "long") == 10000 &&
              test_ttl(store, "short") == 4000);
    test_clock_advance(6000);
    test_clock_step_unix(-7 * HOUR); /* age is no matter of the wall clock */
    assert_ok(memstore_update_ttl(store, "never", 5, HOUR));
    cr_assert_eq(test_ttl(store, "never"), 4000,
                 "an update of the TTL does not make it younger: %d",
                 (int)test_ttl(store, "never"));
    test_clock_step_unix(9 * HOUR);
    assert_ok(memstore_update_ttl(store, "long", 4, HOUR));
    cr_assert_eq(test_ttl(store, "long"), 4000);
    test_clock_advance(4000);
    cr_assert_eq(memstore_size(store), 0);
    memstore_destroy(store);
}

/* Entries of an hour, ten seconds after their end: whether the thread, woken for another store,
 * takes them along. It waits for a while to take many together, unless told how long it may. */
static bool is_cleaned_within(double seconds, const char *setting, const char *window, int64_t ttl)
{
    test_clock_start();
    memstore *store = test_open(setting, window, "shards=1", NULL);
    memstore *other = test_open("performance.memory_limit=1MiB", NULL);

    for (unsigned i = 0; i < 1000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "value", 5, ttl));
    test_clock_advance(HOUR + 10000);
    assert_ok(test_set(other, "wakes the thread", "value", 1));
    const bool cleaned = WITHIN(seconds, test_memory(store).live == 0);
    memstore_destroy(store);
    memstore_destroy(other);
    return cleaned;
}

Test(settings, clean_window_bounds_how_late_the_old_are_removed)
{
    cr_assert(is_cleaned_within(60, "clean_window=2s", "life_window=1h", 0));
    cr_assert_not(is_cleaned_within(0.3, "clean_window=0", "life_window=1h", 0));
}

Test(settings, cleanup_interval_bounds_how_late_the_expired_are_removed)
{
    cr_assert(is_cleaned_within(60, "ttl.cleanup_interval=2s", "life_window=0", HOUR));
    cr_assert_not(is_cleaned_within(0.3, "ttl.cleanup_interval=0", "life_window=0", HOUR));
}

Test(settings, max_entries_in_window_sizes_the_index_at_once)
{
    memstore *grown = test_open("shards=16", NULL);
    memstore *sized = test_open("shards=16", "max_entries_in_window=100000", NULL);
    const uint64_t at_open = test_memory(sized).index;

    cr_assert(at_open > 100000 * 4 && test_memory(grown).index < at_open / 10);
    for (unsigned i = 0; i < 100000; i++)
        assert_ok(memstore_set(sized, &i, sizeof i, "v", 1, 0));
    cr_assert_eq(test_memory(sized).index, at_open, "filling up to it rebuilds nothing");
    for (unsigned i = 100000; i < 300000; i++)
        assert_ok(memstore_set(sized, &i, sizeof i, "v", 1, 0));
    cr_assert_eq(memstore_size(sized), 300000, "and it is not a limit");
    memstore_destroy(grown);
    memstore_destroy(sized);
}

Test(settings, max_entry_size_counts_key_and_value)
{
    memstore *store = test_open("max_entry_size=100", NULL);
    char value[100] = {0};

    assert_ok(memstore_set(store, "key", 3, value, 97, 0));
    assert_status(memstore_set(store, "key", 3, value, 98, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set(store, "key4", 4, value, 97, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_ok(memstore_set(store, value, 100, NULL, 0, 0));
    assert_status(memstore_increment(store, value, 99, 9, 1, 0, NULL),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_ok(memstore_increment(store, value, 99, 8, 1, 0, NULL));
    memstore_destroy(store);
}

Test(settings, the_smaller_of_both_limits_holds)
{
    static const struct {
        const char *megabytes, *bytes;
        uint64_t limit;
    } pairs[] = {{"hard_max_cache_size=2", "performance.memory_limit=1GB", 2 << 20},
                 {"hard_max_cache_size=100", "performance.memory_limit=3MB", 3000000},
                 {"hard_max_cache_size=0", "performance.memory_limit=3MiB", 3 << 20},
                 {"hard_max_cache_size=4", "performance.memory_limit=0", 4 << 20}};

    for (unsigned i = 0; i < TEST_COUNT_OF(pairs); i++) {
        memstore *store = test_open(pairs[i].megabytes, pairs[i].bytes, NULL);
        cr_assert_eq(memstore_capacity(store), pairs[i].limit);
        memstore_destroy(store);
    }
}

/* ---- shards, hash_function and lock_timeout: seen by who waits for whom ---- */

struct target {
    memstore *store;
    const void *key;
    size_t size;
};

static void set_target(void *context)
{
    const struct target *target = context;

    CHECK_OK(memstore_set(target->store, target->key, target->size, "v", 1, 0));
}

/* Whether a writer of one key keeps a writer of another waiting. */
static bool share_a_lock(const char *shards, const char *hash, const unsigned char one[5],
                         const unsigned char other[5])
{
    memstore *store =
        test_open(shards, hash, "performance.lock_timeout=1ms", "maintenance=manual", NULL);
    struct target target = {store, one, 5};

    test_stop_at(MS_POINT_SHARD_LOCKED, set_target, &target);
    const int status = memstore_set(store, other, 5, "v", 1, 0);
    test_let_go();
    cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_destroy(store);
    return status == MEMSTORE_ERR_LOCK_TIMEOUT;
}

/* How many of 40 pairs share a lock. The keys of a pair have the same CRC-32, and no other
 * function's value in common. */
static unsigned count_sharing(const char *shards, const char *hash)
{
    static const unsigned char difference[5] = {0x41, 0x06, 0x71, 0xdb, 0x01};
    unsigned sharing = 0;

    for (unsigned i = 0; i < 40; i++) {
        unsigned char one[5], other[5];
        memset(one, (int)i, sizeof one);
        for (unsigned b = 0; b < 5; b++)
            other[b] = one[b] ^ difference[b];
        sharing += share_a_lock(shards, hash, one, other);
    }
    return sharing;
}

Test(settings, hash_function_decides_where_keys_go)
{
    cr_assert_eq(count_sharing("shards=1024", "hash_function=crc32"), 40);
    cr_assert(count_sharing("shards=1024", "hash_function=xxh3") < 5);
    cr_assert(count_sharing("shards=1024", "hash_function=fnv") < 5);
}

Test(settings, each_shard_has_a_lock_of_its_own)
{
    cr_assert_eq(count_sharing("shards=1", "hash_function=xxh3"), 40);
    const unsigned sharing = count_sharing("shards=2", "hash_function=xxh3");
    cr_assert(sharing >= 5 && sharing <= 35, "%u of 40", sharing);
}

/* The shortest that a write waits for a lock, and each waits for `least` seconds. Other programs make some
 * waits long. */
static double quickest_refusal(memstore *store, unsigned tries, double least)
{
    double quickest = 1e9;

    for (unsigned i = 0; i < tries; i++) {
        const double start = test_now();
        assert_status(test_set(store, "other", "v", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
        const double waited = test_now() - start;
        cr_assert(waited >= least, "%g s", waited);
        quickest = waited < quickest ? waited : quickest;
    }
    return quickest;
}

Test(settings, lock_timeout_is_how_long_a_writer_waits)
{
    static const char *const settings[] = {"performance.lock_timeout=0",
                                           "performance.lock_timeout=300ms"};
    static const double least[] = {0, 0.29}, most[] = {0.1, 3};
    static const unsigned tries[] = {20, 3};

    for (unsigned i = 0; i < 2; i++) {
        memstore *store = test_open("shards=1", settings[i], "maintenance=manual", NULL);
        struct target target = {store, "key", 3};

        test_stop_at(MS_POINT_SHARD_LOCKED, set_target, &target);
        const double waited = quickest_refusal(store, tries[i], least[i]);
        cr_assert(waited <= most[i], "%g s", waited);
        assert_status(test_delete(store, "key"), MEMSTORE_ERR_LOCK_TIMEOUT);
        test_let_go();
        assert_ok(test_set(store, "other", "v", 0));
        memstore_destroy(store);
    }
}

/* ---- eviction ---- */

/* Fill far beyond the limit, reading one old key all the while: whether it is still there. */
static bool keeps_what_is_read(const char *eviction)
{
    memstore *store =
        test_open(eviction, "performance.memory_limit=1MiB", "maintenance=manual", NULL);
    unsigned char value[200] = {0};
    bool there = true;

    assert_ok(test_set(store, "read all the time", "value", 0));
    for (unsigned i = 0; i < 30000; i++) {
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
        there = memstore_get(store, "read all the time", 17, value, sizeof value, NULL) ==
                    MEMSTORE_OK &&
                there;
    }
    cr_assert(test_stats(store).evictions > 20000);
    memstore_destroy(store);
    return there;
}

Test(settings, eviction_decides_what_goes)
{
    cr_assert(keeps_what_is_read("eviction=adaptive"));
    cr_assert(keeps_what_is_read("eviction=s3fifo"));
    cr_assert(keeps_what_is_read("eviction=lru"));
    cr_assert(keeps_what_is_read("eviction=lfu"));
    cr_assert_not(keeps_what_is_read("eviction=fifo"));
}

Test(settings, fifo_evicts_in_the_order_of_writing)
{
    memstore *store = test_open("eviction=fifo", "shards=1", "performance.memory_limit=1MiB",
                                "maintenance=manual", NULL);
    unsigned char value[200] = {0};
    unsigned first = 0;

    for (unsigned i = 0; i < 20000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    while (memstore_has(store, &first, sizeof first) != MEMSTORE_OK)
        first++;
    for (unsigned i = first; i < 20000; i++)
        assert_ok(memstore_has(store, &i, sizeof i));
    cr_assert(first > 14000 && first < 19000);
    memstore_destroy(store);
}

/* Keys are used as often as their number says, and then the store is filled with new ones. */
Test(settings, lfu_evicts_by_the_number_of_uses)
{
    enum { KEYS = 2000, MOST_USES = 12 };
    memstore *store = test_open("eviction=lfu", "shards=1", "performance.memory_limit=8MiB",
                                "maintenance=manual", NULL);
    unsigned char value[1000] = {0};
    unsigned there[MOST_USES + 1] = {0};

    for (unsigned i = 0; i < KEYS; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    for (unsigned i = 0; i < KEYS; i++) {
        for (unsigned use = 0; use < i % (MOST_USES + 1); use++)
            assert_ok(memstore_get(store, &i, sizeof i, value, sizeof value, NULL));
    }
    /* Each new one is used often, so that room is wanted for it where the old ones are. */
    for (unsigned i = KEYS; i < KEYS + 7000; i++) {
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
        for (unsigned use = 0; use < 8; use++)
            assert_ok(memstore_get(store, &i, sizeof i, value, sizeof value, NULL));
    }
    for (unsigned i = 0; i < KEYS; i++)
        there[i % (MOST_USES + 1)] += memstore_has(store, &i, sizeof i) == MEMSTORE_OK;
    cr_assert_eq(there[0], 0, "%u that were never used are there", there[0]);
    /* A segment that kept ones are still moved to comes up later: one of 64 KiB. */
    const unsigned seldom = there[1] + there[2] + there[3] + there[4];
    cr_assert_leq(seldom, 64, "%u of those used one to four times", seldom);
    cr_assert_gt(there[12], 145, "%u of those used twelve times", there[12]);
    memstore_destroy(store);
}

Test(settings, lru_evicts_by_last_access)
{
    memstore *store = test_open("eviction=lru", "shards=1", "performance.memory_limit=1MiB",
                                "maintenance=manual", NULL);
    unsigned char value[200] = {0};
    unsigned count = 0, read = 0, unread = 0;

    for (; test_stats(store).evictions == 0; count++)
        assert_ok(memstore_set(store, &count, sizeof count, value, sizeof value, 0));
    /* Read every second one of all, then make room for a third of them. */
    for (unsigned i = 0; i < count; i += 2)
        (void)memstore_get(store, &i, sizeof i, value, sizeof value, NULL);
    for (unsigned i = count; i < count + count / 3; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    for (unsigned i = 0; i < count; i++)
        *(i % 2 == 0 ? &read : &unread) += memstore_has(store, &i, sizeof i) == MEMSTORE_OK;
    cr_assert(read > count / 2 * 8 / 10, "%u of %u that were read", read, count / 2);
    cr_assert(unread < count / 2 * 6 / 10, "%u of %u that were not", unread, count / 2);
    memstore_destroy(store);
}

/* ---- maintenance and memory ---- */

Test(settings, manual_maintenance_runs_no_thread)
{
    const unsigned before = test_count_threads();
    memstore *manual = test_open("maintenance=manual", NULL);

    assert_ok(test_set(manual, "key", "value", 10));
    cr_assert_eq(test_count_threads(), before);
    test_sleep_ms(200);
    cr_assert(test_memory(manual).live > 0, "nobody reclaims it");
    assert_ok(memstore_maintain(manual, 0));
    cr_assert_eq(test_memory(manual).live, 0);
    memstore_destroy(manual);

    memstore *background = test_open("maintenance=background", NULL);
    assert_ok(test_set(background, "key", "value", 10));
    cr_assert(WITHIN(60, test_memory(background).live == 0));
    cr_assert_eq(test_count_threads(), before + 1);
    memstore_destroy(background);
}

/* Whether some mapping of this process asks for huge pages. */
static bool asks_for_huge_pages(void)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool asks = false;

    while (fgets(line, sizeof line, file) != NULL)
        asks |= strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " hg") != NULL;
    fclose(file);
    return asks;
}

Test(settings, huge_pages_are_asked_for_or_not)
{
    memstore *off = test_open("huge_pages=off", "performance.memory_limit=256MiB", NULL);
    cr_assert_not(asks_for_huge_pages());
    memstore *on = test_open("huge_pages=on", "performance.memory_limit=256MiB", NULL);
    cr_assert(asks_for_huge_pages());
    memstore_destroy(off);
    memstore_destroy(on);
}

/* Dead bytes in percent of the live ones, when every entry has been overwritten twice. */
static double dead_after_overwrites(const char *gc_percent)
{
    memstore *store =
        test_open(gc_percent, "maintenance=manual", "performance.memory_limit=64MiB", NULL);
    unsigned char value[500] = {0};
    struct test_rng rng = {42};

    for (unsigned i = 0; i < 10000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    for (unsigned i = 0; i < 20000; i++) {
        const unsigned key = (unsigned)test_below(&rng, 10000);
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
        if (i % 100 == 0)
            assert_ok(memstore_maintain(store, 0));
    }
    assert_ok(memstore_maintain(store, 0));
    const memstore_memory_stats memory = test_memory(store);
    memstore_destroy(store);
    return 100.0 * (double)memory.dead / (double)memory.live;
}

Test(settings, gc_percent_starts_the_compaction)
{
    const double never = dead_after_overwrites("performance.gc_percent=0"),
                 late = dead_after_overwrites("performance.gc_percent=100"),
                 early = dead_after_overwrites("performance.gc_percent=10");

    /* Segments that are nearly full of live entries are left alone, so that the share is not
     * reached exactly. */
    cr_assert(early <= 25, "gc_percent 10 leaves %g %%", early);
    cr_assert(late <= 102 && late > early, "gc_percent 100 leaves %g %%", late);
    cr_assert(never > 80, "gc_percent 0 leaves %g %%", never);
}

Test(settings, memory_limit_is_the_capacity)
{
    memstore *store = test_open("performance.memory_limit=5MB", NULL);

    cr_assert_eq(memstore_capacity(store), 5000000);
    memstore_destroy(store);
}

/* ---- ttl.* ---- */

Test(settings, default_ttl_is_what_the_default_stands_for)
{
    test_clock_start();
    memstore *store = test_open("ttl.default_ttl=1h", "maintenance=manual", NULL);
    memstore *without = test_open("maintenance=manual", NULL);

    assert_ok(test_set(store, "key", "v", MEMSTORE_TTL_DEFAULT));
    cr_assert_eq(test_ttl(store, "key"), HOUR);
    assert_ok(test_set(store, "key", "v", 5));
    assert_ok(memstore_update_ttl(store, "key", 3, MEMSTORE_TTL_DEFAULT));
    cr_assert_eq(test_ttl(store, "key"), HOUR);
    assert_ok(test_set(store, "key", "v", MEMSTORE_TTL_NONE));
    cr_assert_eq(test_ttl(store, "key"), MEMSTORE_ERR_TTL_NOT_SET);
    assert_ok(test_set(without, "key", "v", MEMSTORE_TTL_DEFAULT));
    cr_assert_eq(test_ttl(without, "key"), MEMSTORE_ERR_TTL_NOT_SET);
    memstore_destroy(store);
    memstore_destroy(without);
}

Test(settings, min_and_max_ttl_are_bounds)
{
    test_clock_start();
    memstore *store = test_open("ttl.min_ttl=1s", "ttl.max_ttl=24h", "maintenance=manual", NULL);

    assert_status(test_set(store, "key", "v", 999), MEMSTORE_ERR_INVALID_TTL);
    assert_status(test_set(store, "key", "v", 24 * HOUR + 1), MEMSTORE_ERR_INVALID_TTL);
    assert_ok(test_set(store, "key", "v", 1000));
    assert_status(memstore_update_ttl(store, "key", 3, 999), MEMSTORE_ERR_INVALID_TTL);
    assert_status(memstore_set_until(store, "key", 3, "v", 1, test_clock_unix() + 25 * HOUR),
                  MEMSTORE_ERR_INVALID_TTL);
    cr_assert_eq(test_ttl(store, "key"), 1000);
    assert_ok(test_set(store, "key", "v", 24 * HOUR));
    assert_ok(test_set(store, "key", "v", MEMSTORE_TTL_NONE));
    cr_assert_eq(test_ttl(store, "key"), 24 * HOUR, "\"never\" is bounded too");
    memstore_destroy(store);
}

/* Of 1000 entries given a TTL of 1000, so many milliseconds from one to the next, the shortest and the
 * longest. */
static void spread_of(memstore *store, int64_t step, int64_t *shortest, int64_t *longest)
{
    *shortest = INT64_MAX;
    *longest = 0;
    for (unsigned i = 0; i < 1000; i++) {
        assert_ok(test_set(store, "key", "v", 1000));
        const int64_t ttl = test_ttl(store, "key");
        *shortest = ttl < *shortest ? ttl : *shortest;
        *longest = ttl > *longest ? ttl : *longest;
        test_clock_advance(step);
    }
}

Test(settings, jitter_spreads_what_is_written_together)
{
    int64_t shortest, longest;

    test_clock_start();
    memstore *store = test_open("ttl.jitter=10", "maintenance=manual", NULL);
    spread_of(store, 1, &shortest, &longest);
    cr_assert(shortest >= 900 && shortest < 910, "%d", (int)shortest);
    cr_assert(longest <= 1000 && longest > 990, "%d", (int)longest);
    spread_of(store, 0, &shortest, &longest);
    cr_assert(shortest >= 900 && shortest < 910, "%d, all in one millisecond", (int)shortest);
    cr_assert(longest <= 1000 && longest > 990, "%d, all in one millisecond", (int)longest);

    /* What is one batch, or a moment, or never, is left alone. */
    assert_ok(memstore_set_until(store, "until", 5, "v", 1, test_clock_unix() + 100000));
    cr_assert_eq(test_ttl(store, "until"), 100000);
    assert_ok(test_set(store, "never", "v", MEMSTORE_TTL_NONE));
    cr_assert_eq(test_ttl(store, "never"), MEMSTORE_ERR_TTL_NOT_SET);

    assert_ok(memstore_reconfigure(store, "ttl.jitter", "0"));
    spread_of(store, 1, &shortest, &longest);
    cr_assert(shortest == 1000 && longest == 1000);
    assert_ok(memstore_reconfigure(store, "ttl.jitter", "50"));
    assert_ok(memstore_reconfigure(store, "ttl.min_ttl", "1000"));
    spread_of(store, 1, &shortest, &longest);
    cr_assert(shortest == 1000 && longest == 1000, "not below the shortest TTL");
    memstore_destroy(store);
}

Test(settings, jitter_spreads_ttls_that_are_changed_together)
{
    bool seen[60001] = {0};
    unsigned different = 0;

    test_clock_start();
    memstore *store = test_open("ttl.jitter=50", "maintenance=manual", NULL);
    assert_ok(test_set(store, "key", "v", 1000));
    for (unsigned i = 0; i < 1000; i++) {
        assert_ok(memstore_update_ttl(store, "key", 3, 60000));
        const int64_t ttl = test_ttl(store, "key");
        cr_assert(ttl >= 30000 && ttl <= 60000);
        different += !seen[ttl];
        seen[ttl] = true;
    }
    cr_assert_gt(different, 100);
    memstore_destroy(store);
}

Test(settings, jitter_lets_what_a_batch_gave_one_ttl_run_out_at_once)
{
    memstore_entry entries[50];
    char keys[50][4];

    test_clock_start();
    memstore *store = test_open("ttl.jitter=50", "maintenance=manual", NULL);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(keys[i], sizeof keys[i], "%02u", i);
        entries[i] = (memstore_entry){{keys[i], 2}, "v", 1, 100000};
    }
    assert_ok(memstore_set_many(store, entries, 50));
    for (unsigned i = 1; i < 50; i++)
        cr_assert_eq(test_ttl(store, keys[i]), test_ttl(store, keys[0]));
    cr_assert(test_ttl(store, keys[0]) >= 50000 && test_ttl(store, keys[0]) <= 100000);
    memstore_destroy(store);
}

Test(settings, ttl_precision_rounds_up)
{
    static const char *const names[] = {"ttl.ttl_precision=millisecond", "ttl.ttl_precision=second",
                                        "ttl.ttl_precision=minute"};
    static const int64_t wanted[] = {1234, 2000, 60000};

    for (unsigned i = 0; i < 3; i++) {
        test_clock_start();
        memstore *store = test_open(names[i], "maintenance=manual", NULL);
        assert_ok(test_set(store, "key", "v", 1234));
        cr_assert_eq(test_ttl(store, "key"), wanted[i]);
        test_clock_advance(wanted[i] - 1);
        assert_holds(store, "key", "v");
        test_clock_advance(1);
        assert_holds(store, "key", NULL);
        memstore_destroy(store);
    }
}

Test(settings, ttl_precision_means_whole_seconds_and_minutes_of_the_wall_clock)
{
    static const char *const names[] = {"ttl.ttl_precision=second", "ttl.ttl_precision=minute"};
    static const int64_t steps[] = {1000, 60000};
    int64_t until;

    for (unsigned i = 0; i < 2; i++) {
        test_clock_start();
        test_clock_step_unix(12345);
        memstore *store = test_open(names[i], "maintenance=manual", NULL);
        assert_ok(test_set(store, "key", "v", 1500));
        assert_ok(memstore_get_expiration(store, "key", 3, &until));
        cr_assert_eq(until % steps[i], 0);
        cr_assert(until >= test_clock_unix() + 1500 && until < test_clock_unix() + 1500 + steps[i]);
        assert_ok(memstore_set_until(store, "key", 3, "v", 1, until - 1));
        int64_t again;
        assert_ok(memstore_get_expiration(store, "key", 3, &again));
        cr_assert_eq(again, until);
        test_clock_advance(until - test_clock_unix() - 1);
        assert_holds(store, "key", "v");
        test_clock_advance(1);
        assert_holds(store, "key", NULL);
        memstore_destroy(store);
    }
}

/* How many of 20000 entries a call with no time to spend removes. */
static uint64_t removed_at_once(const char *setting)
{
    test_clock_start();
    memstore *store = test_open(setting, "maintenance=manual", NULL);

    for (unsigned i = 0; i < 20000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "v", 1, 1000));
    test_clock_advance(1000);
    const uint64_t before = test_memory(store).live;
    const int status = memstore_maintain(store, 1);
    cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT);
    /* Not by the counters: asking for those would sweep the rest. */
    const uint64_t removed = (before - test_memory(store).live) * 20000 / before;
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(test_stats(store).expirations, 20000);
    memstore_destroy(store);
    return removed;
}

Test(settings, a_budget_that_never_ends_does_all_there_is)
{
    test_clock_start();
    memstore *store = test_open("ttl.batch_cleanup_size=10", "maintenance=manual", NULL);

    for (unsigned i = 0; i < 1000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "v", 1, 1000));
    test_clock_advance(1000);
    assert_ok(memstore_maintain(store, INT64_MAX));
    cr_assert_eq(test_memory(store).live, 0);
    memstore_destroy(store);
}

Test(settings, batch_cleanup_size_bounds_a_step_of_the_sweep)
{
    const uint64_t few = removed_at_once("ttl.batch_cleanup_size=10");
    const uint64_t many = removed_at_once("ttl.batch_cleanup_size=5000");

    cr_assert(few <= 100, "%llu", (unsigned long long)few);
    cr_assert(many > few && many <= 10000, "%llu", (unsigned long long)many);
}

Test(settings, store_creation_time_keeps_it_and_costs_eight_bytes)
{
    test_clock_start();
    memstore *with = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
    memstore *without = test_open("ttl.store_creation_time=false", "maintenance=manual", NULL);
    int64_t created = 0;

    assert_ok(test_set(with, "key", "value", 0));
    test_clock_advance(500);
    assert_ok(memstore_get_created(with, "key", 3, &created));
    cr_assert_eq(created, test_clock_unix() - 500);
    assert_ok(memstore_update_ttl(with, "key", 3, HOUR));
    assert_ok(memstore_get_created(with, "key", 3, &created));
    cr_assert_eq(created, test_clock_unix() - 500);
    assert_ok(test_set(with, "key", "value", 0));
    assert_ok(memstore_get_created(with, "key", 3, &created));
    cr_assert_eq(created, test_clock_unix());
    assert_ok(test_set(without, "key", "value", 0));
    assert_status(memstore_get_created(without, "key", 3, &created), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(test_memory(with).live, test_memory(without).live + 8);
    memstore_destroy(with);
    memstore_destroy(without);
}

Test(settings, every_setting_reads_back_as_it_was_set)
{
    static const char *const pairs[][2] = {
        {"life_window", "10m"},
        {"clean_window", "5m"},
        {"max_entries_in_window", "1000000"},
        {"max_entry_size", "500"},
        {"hard_max_cache_size", "16"},
        {"shards", "64"},
        {"hash_function", "fnv"},
        {"eviction", "lru"},
        {"eviction_goal", "balanced"},
        {"maintenance", "manual"},
        {"huge_pages", "off"},
        {"memory_pressure", "psi"},
        {"secure_wipe", "true"},
        {"store_name", "blocks"},
        {"logger_enabled", "true"},
        {"verbose", "true"},
        {"ttl.default_ttl", "1h"},
        {"ttl.max_ttl", "24h"},
        {"ttl.min_ttl", "1m"},
        {"ttl.cleanup_interval", "5m"},
        {"ttl.batch_cleanup_size", "1000"},
        {"ttl.jitter", "10"},
        {"ttl.mode", "access"},
        {"ttl.ttl_precision", "second"},
        {"ttl.store_creation_time", "true"},
        {"performance.lock_timeout", "1s"},
        {"performance.max_concurrent_readers", "100"},
        {"performance.max_concurrent_writers", "10"},
        {"performance.batch_size", "50"},
        {"performance.batch_timeout", "20ms"},
        {"performance.enable_batch_optimization", "false"},
        {"performance.gc_percent", "100"},
        {"performance.memory_limit", "1GB"},
        {"performance.enable_memory_stats", "false"},
        {"monitoring.enable_metrics", "false"},
        {"monitoring.metrics_interval", "1m"},
        {"monitoring.track_hit_rate", "false"},
        {"monitoring.track_memory_usage", "false"},
        {"monitoring.track_operation_latency", "true"},
        {"monitoring.access_sample_ratio", "0.01"},
        {"monitoring.hit_rate_threshold", "0.8"},
        {"monitoring.memory_usage_threshold", "0.9"},
        {"monitoring.latency_threshold", "1ms"},
        {"monitoring.reclaim_pressure_threshold", "0.5"},
        {"monitoring.load_failure_threshold", "0.1"},
        {"monitoring.pinned_threshold", "0.25"},
        {"monitoring.alert_hysteresis", "0.05"},
        {"monitoring.export_metrics", "/nowhere/at/all.prom"},
        {"events.queue_memory", "1MB"},
        {"loader.timeout", "5s"},
        {"loader.retry_initial", "5ms"},
        {"loader.retry_max", "2s"},
        {"loader.negative_ttl", "10s"},
        {"loader.max_absent", "10"},
        {"loader.max_loads", "16"},
        {"loader.lease_timeout", "1m"},
        {"loader.on_store_error", "fail"},
        {"loader.bypass_limit", "1MB"},
        {"loader.refresh_after", "1m"},
        {"loader.max_stale", "1h"},
        {"loader.breaker_failures", "5"},
        {"loader.breaker_open", "10s"},
        {"loader.max_load_bytes", "1MB"},
        {"loader.warm_rate", "1000"},
        {"snapshot.compression", "zstd"},
        {"snapshot.fsync", "false"},
        {"snapshot.batch_memory", "1MB"},
    };
    memstore_config *config = memstore_config_new(), *copy = memstore_config_new();
    memstore *store;
    const char *key;

    /* All of them; which test shows the effect of each is in docs/seed-conformance.md. */
    for (unsigned i = 0; (key = memstore_config_key(i)) != NULL; i++) {
        unsigned at = 0;

        while (at < TEST_COUNT_OF(pairs) && strcmp(pairs[at][0], key) != 0)
            at++;
        cr_assert(at < TEST_COUNT_OF(pairs), "%s is not tested here", key);
    }

    for (unsigned i = 0; i < TEST_COUNT_OF(pairs); i++) {
        char text[64], again[64];
        size_t size = 0;

        assert_ok(memstore_config_set(config, pairs[i][0], pairs[i][1]));
        assert_ok(memstore_config_get(config, pairs[i][0], text, sizeof text, &size));
        cr_assert_eq(size, strlen(text));
        assert_ok(memstore_config_set(copy, pairs[i][0], text));
        assert_ok(memstore_config_get(copy, pairs[i][0], again, sizeof again, NULL));
        cr_assert_str_eq(text, again);
        assert_status(memstore_config_get(config, pairs[i][0], again, size, NULL),
                      MEMSTORE_ERR_BUFFER_TOO_SMALL);
    }
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    memstore_config_free(copy);
    cr_assert_eq(memstore_capacity(store), 16 << 20);
    memstore_destroy(store);
}
