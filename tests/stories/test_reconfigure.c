/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the settings of a running store: each live one takes effect, each other is refused
 * with its reason, and a change that is refused changes nothing. */
#include "platform/clock.h"
#include "platform/testing.h"
#include "store/store.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/stopper.h"
#include "support/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define HOUR INT64_C(3600000)
#define MIB ((uint64_t)1 << 20)

/* Write `count` entries of `size` bytes under numbers from `first` on. */
static void fill(memstore *store, uint64_t first, uint64_t count, size_t size)
{
    unsigned char *value = test_bytes(size, first);

    for (uint64_t key = first; key < first + count; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, size, 0));
    free(value);
}

static unsigned count_present(memstore *store, uint64_t first, uint64_t count)
{
    unsigned present = 0;

    for (uint64_t key = first; key < first + count; key++)
        present += memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
    return present;
}

static void expect_refused(memstore *store, const char *key, const char *value, int status,
                           const char *reason)
{
    char why[512] = "nothing";

    assert_status(memstore_reconfigure(store, key, value), status);
    assert_status(memstore_reconfigure_explained(store, key, value, why, sizeof why), status);
    cr_expect_str_eq(why, reason, "%s", why);
}

/* ---- Time ---- */

Test(reconfigure, ttl_settings_hold_for_the_writes_that_follow)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", NULL);

    assert_ok(test_set(store, "before", "v", MEMSTORE_TTL_DEFAULT));
    assert_ok(memstore_reconfigure(store, "ttl.default_ttl", "1h"));
    assert_ok(test_set(store, "after", "v", MEMSTORE_TTL_DEFAULT));
    cr_assert(test_ttl(store, "before") == MEMSTORE_ERR_TTL_NOT_SET &&
              test_ttl(store, "after") == HOUR);

    assert_ok(memstore_reconfigure(store, "ttl.max_ttl", "2h"));
    assert_status(test_set(store, "long", "v", 3 * HOUR), MEMSTORE_ERR_INVALID_TTL);
    assert_ok(test_set(store, "never", "v", MEMSTORE_TTL_NONE));
    cr_assert_eq(test_ttl(store, "never"), 2 * HOUR);
    assert_ok(memstore_reconfigure(store, "ttl.min_ttl", "1m"));
    assert_status(test_set(store, "short", "v", 1000), MEMSTORE_ERR_INVALID_TTL);
    assert_ok(memstore_reconfigure(store, "ttl.ttl_precision", "minute"));
    assert_ok(test_set(store, "rounded", "v", 61000));
    cr_assert_eq(test_ttl(store, "rounded"), 120000);

    assert_ok(memstore_reconfigure(store, "ttl.max_ttl", "0"));
    assert_ok(memstore_reconfigure(store, "storage.memory.ttl.min_ttl", "0"));
    assert_ok(test_set(store, "long", "v", 300 * HOUR));
    assert_ok(test_set(store, "never", "v", MEMSTORE_TTL_NONE));
    cr_assert_eq(test_ttl(store, "never"), MEMSTORE_ERR_TTL_NOT_SET);
    memstore_destroy(store);
}

Test(reconfigure, life_window_holds_for_the_writes_that_follow)
{
    test_clock_start();
    memstore *store = test_open("life_window=10s", "maintenance=manual", NULL);

    assert_ok(test_set(store, "old", "v", 0));
    assert_ok(memstore_reconfigure(store, "life_window", "1h"));
    assert_ok(test_set(store, "new", "v", 0));
    cr_assert(test_ttl(store, "old") == 10000 && test_ttl(store, "new") == HOUR);
    test_clock_advance(4000);
    assert_ok(memstore_update_ttl(store, "old", 3, 100 * HOUR));
    cr_assert_eq(test_ttl(store, "old"), HOUR - 4000, "age counts from the writing");
    assert_ok(memstore_reconfigure(store, "life_window", "0"));
    assert_ok(test_set(store, "new", "v", 0));
    cr_assert_eq(test_ttl(store, "new"), MEMSTORE_ERR_TTL_NOT_SET);
    assert_ok(memstore_reconfigure(store, "life_window", "5s"));
    assert_ok(test_set(store, "new", "v", 0));
    cr_assert_eq(test_ttl(store, "new"), 5000);
    memstore_destroy(store);
}

Test(reconfigure, life_window_needs_entries_that_know_their_age)
{
    memstore *without = test_open("maintenance=manual", NULL);
    memstore *with = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);

    expect_refused(without, "life_window", "1h", MEMSTORE_ERR_UNSUPPORTED,
                   "life_window: entries do not keep their creation time in this store; open it "
                   "with a life_window or with ttl.store_creation_time");
    assert_ok(memstore_reconfigure(without, "life_window", "0"));
    assert_ok(memstore_reconfigure(with, "life_window", "1h"));
    memstore_destroy(without);
    memstore_destroy(with);
}

/* Whether a condition comes true within some seconds. */
#define WITHIN(seconds, condition)                                                                 \
    ({                                                                                             \
        const double within_end = test_now() + (seconds);                                          \
        while (!(condition) && test_now() < within_end)                                            \
            test_sleep_ms(5);                                                                      \
        (condition);                                                                               \
    })

/* Entries of an hour, ten seconds after their end, are swept once the setting asks for it. */
static void expect_sweep(const char *key, const char *window, int64_t ttl)
{
    test_clock_start();
    memstore *store = test_open("shards=1", window, NULL);

    for (unsigned i = 0; i < 1000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "value", 5, ttl));
    test_clock_advance(HOUR + 10000);
    assert_ok(memstore_reconfigure(store, "performance.gc_percent", "90")); /* wakes the thread */
    cr_assert_not(WITHIN(0.3, test_memory(store).live == 0), "%s", key);
    assert_ok(memstore_reconfigure(store, key, "2s"));
    cr_assert(WITHIN(60, test_memory(store).live == 0), "%s", key);
    memstore_destroy(store);
}

Test(reconfigure, sweeping_intervals_hold_also_for_what_is_there)
{
    expect_sweep("ttl.cleanup_interval", "life_window=0", HOUR);
    expect_sweep("clean_window", "life_window=1h", 0);
}

Test(reconfigure, batch_cleanup_size_holds_for_the_next_step)
{
    test_clock_start();
    memstore *store = test_open("ttl.batch_cleanup_size=100000", "maintenance=manual", NULL);

    for (unsigned i = 0; i < 20000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "v", 1, 1000));
    assert_ok(memstore_reconfigure(store, "ttl.batch_cleanup_size", "10"));
    test_clock_advance(1000);
    const uint64_t before = test_memory(store).live;
    (void)memstore_maintain(store, 1);
    cr_assert((before - test_memory(store).live) * 20000 / before <= 100);
    memstore_destroy(store);
}

/* ---- Sizes and waits ---- */

Test(reconfigure, max_entry_size_holds_for_the_writes_that_follow)
{
    memstore *store = test_open("max_entry_size=100", NULL);
    char value[200] = {0};

    assert_status(memstore_set(store, "k", 1, value, 150, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_ok(memstore_reconfigure(store, "max_entry_size", "200"));
    assert_ok(memstore_set(store, "k", 1, value, 150, 0));
    assert_ok(memstore_reconfigure(store, "max_entry_size", "50B"));
    assert_status(memstore_set(store, "k", 1, value, 50, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_ok(memstore_has(store, "k", 1));
    memstore_destroy(store);
}

struct target {
    memstore *store;
};

static void set_key(void *context)
{
    CHECK_OK(test_set(((struct target *)context)->store, "key", "v", 0));
}

Test(reconfigure, lock_timeout_holds_for_the_waits_that_follow)
{
    memstore *store =
        test_open("shards=1", "performance.lock_timeout=10s", "maintenance=manual", NULL);
    struct target target = {store};

    test_stop_at(MS_POINT_SHARD_LOCKED, set_key, &target);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "1ms"));
    const double start = test_now();
    assert_status(test_set(store, "other", "v", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_now() - start < 5);
    test_let_go();
    memstore_destroy(store);
}

Test(reconfigure, gc_percent_holds_at_once)
{
    memstore *store = test_open("performance.gc_percent=0", "maintenance=manual",
                                "performance.memory_limit=64MiB", NULL);
    unsigned char value[500] = {0};
    struct test_rng rng = {42};

    for (unsigned i = 0; i < 30000; i++) {
        const unsigned key = i < 10000 ? i : (unsigned)test_below(&rng, 10000);
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    }
    assert_ok(memstore_maintain(store, 0));
    cr_assert(test_memory(store).dead * 100 > test_memory(store).live * 80);
    assert_ok(memstore_reconfigure(store, "performance.gc_percent", "10"));
    assert_ok(memstore_maintain(store, 0));
    cr_assert(test_memory(store).dead * 100 <= test_memory(store).live * 25);
    memstore_destroy(store);
}

/* ---- The memory limit ---- */

Test(reconfigure, a_lower_limit_evicts_and_gives_memory_back, .timeout = 120)
{
    static const char *const evictions[] = {"eviction=adaptive", "eviction=s3fifo", "eviction=lru",
                                            "eviction=lfu", "eviction=fifo"};
    static const char *const maintenances[] = {"maintenance=manual", "maintenance=background"};

    /* Each with both, or with one of them. */
    for (unsigned i = 0; i < TEST_FEWER(10, 2); i++) {
        memstore *store = test_open(evictions[i % 5], maintenances[i % 2],
                                    "performance.memory_limit=32MiB", NULL);
        fill(store, 0, 150000, 200);
        const size_t resident = test_resident();
        cr_assert(test_memory(store).charged > 25 * MIB);
        assert_ok(memstore_reconfigure(store, "performance.memory_limit", "8MiB"));
        cr_assert_eq(memstore_capacity(store), 8 * MIB);
        cr_assert(test_memory(store).charged <= 8 * MIB);
        const uint64_t left = memstore_size(store);
        cr_assert(left > 20000 && left < 40000, "%s: %llu entries of 200 bytes in 8 MiB",
                  evictions[i % 5], (unsigned long long)left);
#if !defined(__SANITIZE_ADDRESS__)
        cr_assert(test_resident() + 16 * MIB < resident, "%zu bytes came back",
                  resident - test_resident());
#endif
        /* It works on at the new limit. */
        fill(store, 1000000, 60000, 200);
        cr_assert(test_memory(store).charged <= 8 * MIB);
        cr_assert(count_present(store, 1050000, 10000) > 9000);
        memstore_destroy(store);
    }
}

Test(reconfigure, what_is_used_outlives_a_lower_limit)
{
    memstore *store = test_open("performance.memory_limit=32MiB", "maintenance=manual", NULL);
    char value[200];

    fill(store, 0, 100000, 200);
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t key = 0; key < 10000; key++)
            assert_ok(memstore_get(store, &key, sizeof key, value, sizeof value, NULL));
    }
    cr_assert_eq(test_stats(store).evictions, 0);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "8MiB"));
    const unsigned hot = count_present(store, 0, 10000);
    cr_assert(hot > 9000, "%u of 10000 that were read are left", hot);
    memstore_destroy(store);
}

struct readers {
    memstore *store;
    uint64_t keys;
    unsigned victims; /* segments that were looked at */
};

/* Until it is plain that nothing goes. */
#define VICTIMS_MOST 5000

static void read_all_again(enum ms_testing_point point, void *context)
{
    struct readers *readers = context;
    char value[1000];

    if (point != MS_POINT_RECLAIMING || ++readers->victims > VICTIMS_MOST)
        return;
    for (uint64_t i = 0; i < 3 * readers->keys; i++) {
        const uint64_t key = i % readers->keys;
        memstore_get(readers->store, &key, sizeof key, value, sizeof value, NULL);
    }
}

Test(reconfigure, a_lower_limit_is_reached_although_readers_use_everything_again)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=s3fifo", "eviction=lru"};

    for (size_t i = 0; i < TEST_COUNT_OF(policies); i++) {
        memstore *store = test_open("performance.memory_limit=1MiB", "maintenance=manual",
                                    policies[i], "shards=4", NULL);
        struct readers readers = {.store = store, .keys = 800};

        fill(store, 0, readers.keys, 1000);
        ms_testing_set_hook(read_all_again, &readers);
        assert_ok(memstore_reconfigure(store, "performance.memory_limit", "500KiB"));
        ms_testing_set_hook(NULL, NULL);
        cr_assert_lt(readers.victims, VICTIMS_MOST, "%s", policies[i]);
        cr_assert_leq(test_memory(store).charged, 500 * 1024);
        memstore_destroy(store);
    }
}

Test(reconfigure, a_higher_limit_is_used)
{
    memstore *store =
        test_open("performance.memory_limit=8MiB", "performance.lock_timeout=60s", NULL);

    fill(store, 0, 100000, 200);
    const uint64_t before = memstore_size(store);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "32MiB"));
    cr_assert_eq(memstore_capacity(store), 32 * MIB);
    fill(store, 0, 200000, 200);
    cr_assert(memstore_size(store) > before * 7 / 2, "%llu then, %llu now",
              (unsigned long long)before, (unsigned long long)memstore_size(store));
    cr_assert(test_memory(store).charged <= 32 * MIB);
    unsigned char *large = test_bytes(12 * MIB, 1);
    assert_ok(memstore_set(store, "large", 5, large, 12 * MIB, 0));
    free(large);
    memstore_destroy(store);
}

Test(reconfigure, the_limit_goes_up_and_down_again_and_again)
{
    memstore *store = test_open("performance.memory_limit=8MiB", "maintenance=manual", NULL);
    static const char *const limits[] = {"32MiB", "4MiB", "16MiB", "2MiB", "8MiB"};
    uint64_t first = 0;

    for (unsigned i = 0; i < TEST_FEWER(20, 2); i++) {
        assert_ok(memstore_reconfigure(store, "performance.memory_limit", limits[i % 5]));
        fill(store, first, 40000, 150);
        const memstore_memory_stats memory = test_memory(store);
        cr_assert(memory.charged <= memory.limit);
        cr_assert(count_present(store, first + 39000, 1000) == 1000);
        first += 40000;
    }
    assert_ok(memstore_clear(store));
    assert_ok(memstore_maintain(store, 0));
    cr_assert(test_memory(store).charged < 2 * MIB);
    memstore_destroy(store);
}

Test(reconfigure, the_smaller_of_both_limits_holds)
{
    memstore *store = test_open("performance.memory_limit=1MB", "hard_max_cache_size=0", NULL);

    assert_ok(memstore_reconfigure(store, "hard_max_cache_size", "2"));
    cr_assert_eq(memstore_capacity(store), 1000000);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "3MB"));
    cr_assert_eq(memstore_capacity(store), 2 * MIB);
    assert_ok(memstore_reconfigure(store, "hard_max_cache_size", "0"));
    cr_assert_eq(memstore_capacity(store), 3000000);
    expect_refused(store, "performance.memory_limit", "0", MEMSTORE_ERR_INVALID_CONFIG,
                   "performance.memory_limit and hard_max_cache_size are both 0: a store needs a "
                   "limit");
    cr_assert_eq(memstore_capacity(store), 3000000);
    memstore_destroy(store);
}

Test(reconfigure, a_limit_beyond_the_reserved_addresses_is_refused)
{
    memstore *store = test_open("performance.memory_limit=1MiB", NULL);

    expect_refused(store, "performance.memory_limit", "5MiB", MEMSTORE_ERR_UNSUPPORTED,
                   "performance.memory_limit: 5242880 bytes are more than this store can grow to; "
                   "when it was opened, addresses were reserved for 4194304");
    cr_assert_eq(memstore_capacity(store), MIB);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "4MiB"));
    memstore_destroy(store);
}

Test(reconfigure, a_limit_below_the_least_is_refused)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "shards=1", NULL);
    char why[256];

    fill(store, 0, 1000, 100);
    assert_status(
        memstore_reconfigure_explained(store, "performance.memory_limit", "10kB", why, sizeof why),
        MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_not_null(
        strstr(why, "performance.memory_limit: 10000 bytes are too few: "
                    "bookkeeping, events, followed keys and eight segments of this store take "));
    cr_assert_eq(memstore_capacity(store), MIB);
    cr_assert_eq(memstore_size(store), 1000);
    /* The number that it names does. */
    const char *const least = strrchr(why, ' ') + 1;
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", least));
    fill(store, 0, 10000, 100);
    cr_assert(memstore_size(store) > 100);
    memstore_destroy(store);
}

Test(reconfigure, a_limit_below_what_views_hold_is_refused_until_they_are_released)
{
    memstore *store = test_open("performance.memory_limit=8MiB", "maintenance=manual",
                                "performance.lock_timeout=100ms", NULL);
    unsigned char *value = test_bytes(3 * MIB, 1);
    memstore_view view;
    char why[256];

    assert_ok(memstore_set(store, "large", 5, value, 3 * MIB, 0));
    fill(store, 0, 10000, 100);
    assert_ok(memstore_get_view(store, "large", 5, &view));
    const uint64_t size = memstore_size(store);
    assert_status(
        memstore_reconfigure_explained(store, "performance.memory_limit", "2MiB", why, sizeof why),
        MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert_not_null(strstr(why, "performance.memory_limit: 2097152 bytes are too few while "
                                   "views hold 31"),
                       "%s", why);
    cr_assert_eq(memstore_capacity(store), 8 * MIB);
    cr_assert_eq(memstore_size(store), size);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "4MiB"));
    cr_assert_eq(memcmp(view.data, value, 3 * MIB), 0);
    memstore_view_release(&view);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "2MiB"));
    cr_assert(test_memory(store).charged <= 2 * MIB);
    free(value);
    memstore_destroy(store);
}

/* For so long at most, so that what waits for them comes to an end. */
#define WRITES_FOR_S 20.0

static void write_small_ones(unsigned number, void *context)
{
    const double end = test_now() + WRITES_FOR_S;

    for (uint64_t key = (uint64_t)number << 32; test_team_goes_on() && test_now() < end; key++)
        (void)memstore_set(context, &key, sizeof key, "value", 5, 0);
}

/* Pin segments of so many bytes by views of entries of 1000. Returns how many views. */
static unsigned pin(memstore *store, uint64_t bytes, memstore_view *views, unsigned most)
{
    unsigned held = 0;

    for (uint64_t key = 0; key < bytes / 1024 && held < most; key += 16)
        held += memstore_get_view(store, &key, sizeof key, &views[held]) == MEMSTORE_OK;
    return held;
}

/* The least that is needed leaves no room to go down to it, and what writers add meanwhile is no progress. */
Test(reconfigure, a_limit_that_is_not_reached_is_given_up_although_others_write, .timeout = 120)
{
    memstore *store =
        test_open("performance.memory_limit=64MiB", "performance.lock_timeout=200ms", NULL);
    static memstore_view views[4000];
    struct test_team team = {0};
    char why[256], needed[24];

    fill(store, 0, 50000, 1000);
    const unsigned held = pin(store, 44 * MIB, views, TEST_COUNT_OF(views));
    assert_status(
        memstore_reconfigure_explained(store, "performance.memory_limit", "8MiB", why, sizeof why),
        MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert_eq(sscanf(why, "%*[^;]; with these %20[0-9] are", needed), 1, "%s", why);
    test_team_start(&team, 2, write_small_ones, store);
    const double begun = test_now();
    const int status = memstore_reconfigure(store, "performance.memory_limit", needed);
    const double took = test_now() - begun;
    test_team_finish(&team, 0);
    cr_expect(status == MEMSTORE_OK || status == MEMSTORE_ERR_GC_PRESSURE, "%s",
              memstore_status_name(status));
    cr_expect_lt(took, WRITES_FOR_S / 2, "it took %.1f s", took);
    for (unsigned i = 0; i < held; i++)
        memstore_view_release(&views[i]);
    memstore_destroy(store);
}

/* The setting is about writes. */
Test(reconfigure, writers_that_do_not_wait_leave_a_lower_limit_within_reach)
{
    memstore *store = test_open("performance.memory_limit=64MiB", NULL);

    fill(store, 0, 70000, 1000);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "0"));
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "16MiB"));
    cr_assert_leq(test_memory(store).charged, 16 * MIB);
    memstore_destroy(store);
}

Test(reconfigure, without_eviction_a_lower_limit_loses_nothing)
{
    memstore *store =
        test_open("performance.memory_limit=8MiB", "eviction=none", "maintenance=manual", NULL);
    char why[256];

    fill(store, 0, 30000, 100);
    assert_status(
        memstore_reconfigure_explained(store, "performance.memory_limit", "2MiB", why, sizeof why),
        MEMSTORE_ERR_CACHE_FULL);
    cr_assert_not_null(strstr(why, ", and eviction is none"), "%s", why);
    cr_assert_eq(memstore_capacity(store), 8 * MIB);
    cr_assert_eq(count_present(store, 0, 30000), 30000);
    /* What was deleted makes room for it, also where it is spread over all segments. */
    for (uint64_t key = 0; key < 30000; key++) {
        if (key % 3 != 0)
            assert_ok(memstore_delete(store, &key, sizeof key));
    }
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "2MiB"));
    cr_assert_eq(memstore_size(store), 10000);
    for (uint64_t key = 0; key < 30000; key += 3)
        assert_ok(memstore_has(store, &key, sizeof key));
    memstore_destroy(store);
}

Test(reconfigure, without_addresses_to_spare_a_store_opens_all_the_same)
{
    memstore *store;
    unsigned refused = 0;

    /* The first few requests that fail are those of the opening. */
    for (uint64_t n = 1; n <= 12; n++) {
        ms_testing_fail_memory(n, false);
        const int status = test_try_open(&store, NULL, "performance.memory_limit=1MiB",
                                         "maintenance=manual", NULL);
        ms_testing_fail_memory(0, false);
        if (status != MEMSTORE_OK)
            continue;
        if (memstore_reconfigure(store, "performance.memory_limit", "2MiB") ==
            MEMSTORE_ERR_UNSUPPORTED)
            refused++;
        fill(store, 0, 5000, 100);
        memstore_destroy(store);
    }
    cr_assert_eq(refused, 3, "%u of the reservations were done without", refused);
}

/* ---- Refusals ---- */

Test(reconfigure, what_is_fixed_is_refused_with_its_reason)
{
    static const char *const fixed[][3] = {
        {"shards", "64", "every key's place in the index depends on their number"},
        {"hash_function", "fnv", "every key's place in the index depends on it"},
        {"eviction", "lru",
         "entries are kept in the order that the policy needs from the first one on"},
        {"eviction_goal", "bytes",
         "which entries are in the store follows from it from the first one on"},
        {"maintenance", "manual", "whether the store has a thread is decided when it is opened"},
        {"huge_pages", "off", "the system is asked when the memory is mapped"},
        {"secure_wipe", "true", "what was removed before would not have been overwritten"},
        {"max_entries_in_window", "5",
         "the index is sized when the store is opened, and grows by itself"},
        {"ttl.mode", "access", "it decides how the entries that are there are laid out"},
        {"ttl.store_creation_time", "true",
         "it decides how the entries that are there are laid out"},
        {"store_name", "other", "what was logged and exported would be of another store"},
        {"performance.max_concurrent_readers", "5",
         "views are counted from the first one on, or not at all"},
        {"performance.max_concurrent_writers", "5",
         "writers are counted from the first one on, or not at all"},
        {"monitoring.track_operation_latency", "true",
         "calls are measured from the first one on, or not at all"},
        {"loader.max_loads", "5", "loads are counted from the first one on, or not at all"},
        {"loader.max_load_bytes", "5MB", "loads are counted from the first one on, or not at all"},
    };
    memstore *store = test_open_defaults();

    for (unsigned i = 0; i < TEST_COUNT_OF(fixed); i++) {
        char reason[256];

        snprintf(reason, sizeof reason, "%s: cannot be changed while the store is open: %s",
                 fixed[i][0], fixed[i][2]);
        expect_refused(store, fixed[i][0], fixed[i][1], MEMSTORE_ERR_UNSUPPORTED, reason);
    }
    memstore_destroy(store);
}

Test(reconfigure, what_is_wrong_is_refused_with_its_reason)
{
    memstore *store = test_open("ttl.max_ttl=1h", NULL);
    char why[8] = "nothing";

    expect_refused(store, "shard", "64", MEMSTORE_ERR_INVALID_CONFIG,
                   "unknown key \"shard\"; the nearest known key is \"shards\"");
    expect_refused(store, "ttl.min_ttl", "soon", MEMSTORE_ERR_INVALID_CONFIG,
                   "ttl.min_ttl: \"soon\" is not a number; expected a duration such as 250ms, 10s, "
                   "5m, 1.5h, 7d, 0 or a plain number of milliseconds");
    expect_refused(store, "ttl.min_ttl", "2h", MEMSTORE_ERR_INVALID_CONFIG,
                   "ttl.min_ttl (2h) is above ttl.max_ttl (1h)");
    expect_refused(store, NULL, "2h", MEMSTORE_ERR_INVALID_ARGUMENT,
                   memstore_strerror(MEMSTORE_ERR_INVALID_ARGUMENT));
    expect_refused(store, "ttl.min_ttl", NULL, MEMSTORE_ERR_INVALID_ARGUMENT,
                   memstore_strerror(MEMSTORE_ERR_INVALID_ARGUMENT));
    expect_refused(NULL, "ttl.min_ttl", "1m", MEMSTORE_ERR_INVALID_ARGUMENT,
                   memstore_strerror(MEMSTORE_ERR_INVALID_ARGUMENT));
    assert_ok(test_set(store, "key", "v", 1));

    /* The sentence is cut to the room there is; none is needed. */
    assert_status(memstore_reconfigure_explained(store, "shard", "64", why, sizeof why),
                  MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_str_eq(why, "unknown");
    assert_status(memstore_reconfigure_explained(store, "shard", "64", NULL, 0),
                  MEMSTORE_ERR_INVALID_CONFIG);
    assert_status(memstore_reconfigure_explained(store, "shard", "64", NULL, 1),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_reconfigure_explained(store, "ttl.max_ttl", "2h", why, sizeof why));
    cr_assert_str_eq(why, "");
    assert_ok(memstore_close(store));
    expect_refused(store, "ttl.max_ttl", "1h", MEMSTORE_ERR_CACHE_CLOSED,
                   memstore_strerror(MEMSTORE_ERR_CACHE_CLOSED));
    memstore_destroy(store);
}

/* ---- The way to a lower limit gives others their turn ---- */

#define SHRUNK_SHARDS 512

static atomic_bool has_had_turn, is_lowered;
static atomic_uint replaced; /* tables */

/* As if tables were larger. All of them take 2.5 seconds, a step 20 milliseconds. */
static void replace_slowly(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point != MS_POINT_INDEX_GROWN)
        return;
    atomic_fetch_add(&replaced, 1);
    if (!atomic_load(&has_had_turn))
        test_sleep_ms(5);
}

static void *lower_limit(void *store)
{
    CHECK_OK(memstore_reconfigure(store, "performance.memory_limit", "3MiB"));
    atomic_store(&is_lowered, true);
    return NULL;
}

/* Hold the lock for a moment once tables are being replaced: how many were until then. */
static unsigned take_turn(memstore *store)
{
    TEST_AWAIT(atomic_load(&replaced) != 0 || atomic_load(&is_lowered));
    while (!ms_mutex_try_lock(&store->reclaim_lock))
        sched_yield();
    const unsigned until_then = atomic_load(&replaced);
    atomic_store(&has_had_turn, true);
    ms_mutex_unlock(&store->reclaim_lock);
    return until_then;
}

Test(reconfigure, tables_are_replaced_a_while_at_a_time)
{
    memstore *store = test_open("performance.memory_limit=64MiB", "shards=512",
                                "maintenance=manual", "performance.lock_timeout=1m", NULL);
    const uint64_t count = (uint64_t)SHRUNK_SHARDS * 400, left = count / 20;
    pthread_t thread;

    fill(store, 0, count, 8);
    for (uint64_t key = left; key < count; key++)
        assert_ok(memstore_delete(store, &key, sizeof key));
    ms_testing_set_hook(replace_slowly, NULL);
    cr_assert_eq(pthread_create(&thread, NULL, lower_limit, store), 0);
    const unsigned until_then = take_turn(store);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_lt(until_then, atomic_load(&replaced),
                 "the lock was held for as long as tables were replaced");
    cr_assert_eq(count_present(store, 0, left), left);
    memstore_destroy(store);
}
