/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of advice, in a store whose use deserves it and in one whose use does not. */
#include "store/store.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/team.h"

#include <memstore/events.h>
#include <stdlib.h>

/* ---- Support ---- */

struct heard {
    int count;
    int kinds[16];
    char setting[16][64], suggested[16][64], current[16][64], evidence[16][400], expected[16][200];
};

static int hear(const memstore_advice *advice, void *context)
{
    struct heard *heard = context;
    const int i = heard->count++;

    cr_assert_eq(advice->struct_size, sizeof *advice);
    heard->kinds[i] = advice->kind;
    snprintf(heard->setting[i], sizeof heard->setting[i], "%s", advice->setting);
    snprintf(heard->current[i], sizeof heard->current[i], "%s", advice->current);
    snprintf(heard->suggested[i], sizeof heard->suggested[i], "%s", advice->suggested);
    snprintf(heard->expected[i], sizeof heard->expected[i], "%s", advice->expected);
    snprintf(heard->evidence[i], sizeof heard->evidence[i], "%s", advice->evidence);
    cr_assert(advice->what[0] != '\0' && advice->expected[0] != '\0' && advice->name[0] != '\0');
    return 0;
}

static struct heard ask(memstore *store)
{
    struct heard heard = {0};

    assert_ok(memstore_advise(store, hear, &heard));
    return heard;
}

/* Where a kind is, or -1. */
static int find(const struct heard *heard, int kind)
{
    for (int i = 0; i < heard->count; i++) {
        if (heard->kinds[i] == kind)
            return i;
    }
    return -1;
}

static int assert_advised(memstore *store, struct heard *heard, int kind, const char *setting)
{
    *heard = ask(store);
    const int i = find(heard, kind);

    cr_assert_geq(i, 0, "no advice of kind %d", kind);
    cr_assert_str_eq(heard->setting[i], setting);
    return i;
}

static void assert_not_advised(memstore *store, int kind)
{
    struct heard heard = ask(store);
    const int i = find(&heard, kind);

    cr_assert_lt(i, 0, "because %s", heard.evidence[i < 0 ? 0 : i]);
}

static const char *key_of(uint64_t i)
{
    static char key[32];

    snprintf(key, sizeof key, "account/balance/%08u", (unsigned)i);
    return key;
}

static char filler[100000];

static void put(memstore *store, uint64_t i, size_t size, int64_t ttl)
{
    const char *key = key_of(i);

    assert_ok(memstore_set(store, key, strlen(key), filler, size, ttl));
}

/* Read, and write what is not there. */
static bool use(memstore *store, uint64_t i, size_t size, int64_t ttl)
{
    const char *key = key_of(i);
    size_t found;
    const int status = memstore_get(store, key, strlen(key), filler, sizeof filler, &found);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        put(store, i, size, ttl);
    else
        assert_ok(status);
    return status == MEMSTORE_OK;
}

/* Keys at random; some are used more than others. */
static double use_at_random(memstore *store, uint64_t keys, int times)
{
    struct test_rng rng = {42};
    int hits = 0;

    for (int i = 0; i < times; i++) {
        const uint64_t a = test_below(&rng, keys), b = test_below(&rng, keys);

        hits += use(store, a < b ? a : b, 100, 0);
    }
    return 1 - (double)hits / times;
}

/* No write gives up for want of time, on a machine that has none. */
#define PATIENT "performance.lock_timeout=10m"
/* Without a maintenance thread none of what is followed is lost to it. */
#define FOLLOWED "monitoring.access_sample_ratio=1", "maintenance=manual", PATIENT

/* ---- Memory ---- */

Test(advice, more_memory_is_advised_where_it_would_save_misses)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);
    struct heard heard;

    use_at_random(store, 20000, 200000);
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "performance.memory_limit");
    cr_assert_str_eq(heard.current[i], "1000kB");
    /* 20000 entries of about 140 bytes: the advice is not to have far more than fits them. */
    const double mb = atof(heard.suggested[i]) / 1000;
    cr_assert(mb > 1.4 && mb < 5, "%s", heard.suggested[i]);
    memstore_destroy(store);
}

Test(advice, more_memory_is_not_advised_where_nothing_comes_back)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);

    for (uint64_t i = 0; i < 30000; i++)
        use(store, i, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_MORE_MEMORY);
    memstore_destroy(store);
}

/* Do what was advised. */
static void follow(memstore *store, const struct heard *heard, int i)
{
    const int status = memstore_reconfigure(store, heard->setting[i], heard->suggested[i]);

    cr_assert_eq(status, MEMSTORE_OK, "%s: %s (is %s): %s", heard->setting[i], heard->suggested[i],
                 heard->current[i], memstore_status_name(status));
}

Test(advice, more_memory_is_advised_by_the_setting_that_bounds_it)
{
    memstore *store = test_open("hard_max_cache_size=1", "shards=4", FOLLOWED, NULL);
    struct heard heard;

    use_at_random(store, 20000, 200000);
    const uint64_t entries = test_stats(store).entries;
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "hard_max_cache_size");
    cr_assert_str_eq(heard.current[i], "1");
    follow(store, &heard, i);
    cr_assert_eq(test_memory(store).limit, strtoull(heard.suggested[i], NULL, 10) << 20);
    use_at_random(store, 20000, 200000);
    cr_assert_gt(test_stats(store).entries, entries * 3 / 2);
    memstore_destroy(store);
}

/* The largest that is named first is what an open store grows to, however much more would save more. */
Test(advice, more_memory_is_as_much_as_the_store_grows_to)
{
    static const char *const limits[] = {"performance.memory_limit=1MB",
                                         "performance.memory_limit=1500001",
                                         "hard_max_cache_size=1"};

    for (size_t at = 0; at < TEST_COUNT_OF(limits); at++) {
        memstore *store = test_open(limits[at], "shards=4", FOLLOWED, NULL);
        const uint64_t before = test_memory(store).limit;

        use_at_random(store, 200000, 400000);
        const struct heard heard = ask(store);
        const int i = find(&heard, MEMSTORE_ADVICE_MORE_MEMORY);
        cr_assert_geq(i, 0);
        follow(store, &heard, i);
        cr_assert_gt(test_memory(store).limit, 2 * before);
        memstore_destroy(store);
    }
}

Test(advice, more_memory_than_the_store_grows_to_is_told_to_need_it_opened_anew)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    struct heard heard;

    /* Ten times as many as fit, round and round: nothing less than all of them helps. */
    for (uint64_t i = 0; i < 250000; i++)
        use(store, i % 50000, 100, 0);
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "performance.memory_limit");
    assert_status(memstore_reconfigure(store, heard.setting[i], heard.suggested[i]),
                  MEMSTORE_ERR_UNSUPPORTED);
    cr_assert(strstr(heard.expected[i], "opened with it") != NULL, "%s", heard.expected[i]);
    memstore_destroy(store);
}

Test(advice, more_memory_than_the_other_bound_is_told_to_need_both)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "hard_max_cache_size=1",
                                "shards=4", FOLLOWED, NULL);
    struct heard heard;

    use_at_random(store, 20000, 200000);
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "performance.memory_limit");
    follow(store, &heard, i);
    cr_assert_eq(test_memory(store).limit, 1 << 20);
    cr_assert(strstr(heard.expected[i], "with hard_max_cache_size as high") != NULL, "%s",
              heard.expected[i]);
    const int next =
        assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "hard_max_cache_size");
    follow(store, &heard, next);
    cr_assert_gt(test_memory(store).limit, 1 << 20);
    memstore_destroy(store);
}

Test(advice, less_memory_is_advised_where_it_would_do)
{
    memstore *store = test_open("performance.memory_limit=8MB", FOLLOWED, NULL);
    struct heard heard;

    use_at_random(store, 2000, 50000);
    assert_advised(store, &heard, MEMSTORE_ADVICE_LESS_MEMORY, "performance.memory_limit");
    assert_not_advised(store, MEMSTORE_ADVICE_MORE_MEMORY);
    memstore_destroy(store);
}

/* Writes are no references: what is only being filled tells nothing of misses. */
Test(advice, less_memory_is_not_advised_where_hardly_anything_was_read)
{
    memstore *store = test_open(FOLLOWED, NULL);

    for (uint64_t i = 0; i < 5000; i++)
        put(store, i, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_LESS_MEMORY);
    for (uint64_t i = 0; i < 20; i++)
        cr_assert(use(store, i, 100, 0));
    assert_not_advised(store, MEMSTORE_ADVICE_LESS_MEMORY);
    memstore_destroy(store);
}

Test(advice, less_memory_is_not_advised_where_all_of_it_is_used)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);

    use_at_random(store, 8000, 100000);
    assert_not_advised(store, MEMSTORE_ADVICE_LESS_MEMORY);
    memstore_destroy(store);
}

Test(advice, less_memory_is_as_little_as_the_store_can_be_given)
{
    static const char *const limits[] = {"64MB", "8MB", "1MB", "400KiB"};
    static const char *const policies[] = {"eviction=adaptive", "eviction=none"};
    unsigned followed = 0;

    for (size_t i = 0; i < TEST_COUNT_OF(limits) * TEST_COUNT_OF(policies); i++) {
        char limit[64];

        snprintf(limit, sizeof limit, "performance.memory_limit=%s", limits[i / 2]);
        memstore *store = test_open(limit, policies[i % 2], FOLLOWED, NULL);
        for (uint64_t key = 0; key < 2000; key++)
            use(store, key % 100, 10, 0);
        const struct heard heard = ask(store);
        const int at = find(&heard, MEMSTORE_ADVICE_LESS_MEMORY);
        if (at >= 0) {
            const uint64_t before = test_memory(store).limit;

            follow(store, &heard, at);
            cr_assert_lt(test_memory(store).limit, before);
            cr_assert_eq(test_stats(store).entries, 100);
            followed++;
        }
        memstore_destroy(store);
    }
    cr_assert_geq(followed, 4);
}

Test(advice, less_memory_is_enough_for_what_a_store_without_eviction_holds)
{
    memstore *store = test_open("performance.memory_limit=32MB", "eviction=none", FOLLOWED, NULL);

    /* Most of it is never read. */
    for (uint64_t key = 0; key < 60000; key++)
        put(store, 1000 + key, 100, 0);
    for (uint64_t key = 0; key < 20000; key++)
        use(store, key % 100, 10, 0);
    const struct heard heard = ask(store);
    const int at = find(&heard, MEMSTORE_ADVICE_LESS_MEMORY);
    cr_assert_geq(at, 0);
    follow(store, &heard, at);
    cr_assert_eq(test_stats(store).entries, 60100);
    memstore_destroy(store);
}

/* Events are told of within the limit. */
Test(advice, less_memory_leaves_room_for_what_is_set_aside)
{
    memstore *store =
        test_open("performance.memory_limit=16MB", "events.queue_memory=1500kB", FOLLOWED, NULL);
    memstore_subscription *subscription;

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &subscription));
    for (uint64_t key = 0; key < 2000; key++)
        use(store, key % 100, 10, 0);
    const struct heard heard = ask(store);
    const int at = find(&heard, MEMSTORE_ADVICE_LESS_MEMORY);
    cr_assert_geq(at, 0);
    follow(store, &heard, at);
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

/* ---- The curve ---- */

/* The curve's ratio nearest to a limit. */
static double foretold(memstore *store, double bytes)
{
    memstore_miss_ratio_point points[MEMSTORE_CURVE_POINTS];
    size_t n, best = 0;

    assert_ok(memstore_get_miss_ratio_curve(store, points, MEMSTORE_CURVE_POINTS, &n));
    for (size_t i = 1; i < n; i++) {
        cr_assert_gt(points[i].bytes, points[i - 1].bytes);
        cr_assert_leq(points[i].miss_ratio, points[i - 1].miss_ratio + 1e-9);
        if (llabs((int64_t)points[i].bytes - (int64_t)bytes) <
            llabs((int64_t)points[best].bytes - (int64_t)bytes))
            best = i;
    }
    return points[best].miss_ratio;
}

Test(advice, a_curve_foretells_what_stores_of_other_sizes_miss)
{
    memstore *small =
        test_open("performance.memory_limit=2MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    memstore *large =
        test_open("performance.memory_limit=4MB", "shards=4", "eviction=lru", PATIENT, NULL);
    const double missed_small = use_at_random(small, 60000, 300000);
    const double missed_large = use_at_random(large, 60000, 300000);

    cr_assert_float_eq(foretold(small, 2e6), missed_small, 0.05, "%f, not %f", foretold(small, 2e6),
                       missed_small);
    cr_assert_float_eq(foretold(small, 4e6), missed_large, 0.05, "%f, not %f", foretold(small, 4e6),
                       missed_large);
    memstore_destroy(small);
    memstore_destroy(large);
}

Test(advice, a_curve_needs_keys_to_be_followed_and_room_for_all_of_it)
{
    memstore *store = test_open_defaults();
    memstore_miss_ratio_point points[2];
    size_t n = 7;

    assert_status(memstore_get_miss_ratio_curve(store, NULL, 0, &n), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(n, 0);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0.5"));
    assert_status(memstore_get_miss_ratio_curve(store, points, 2, &n),
                  MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert(n > 2 && n <= MEMSTORE_CURVE_POINTS);
    assert_status(memstore_get_miss_ratio_curve(store, NULL, 2, &n), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_miss_ratio_curve(store, points, 2, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    memstore_destroy(store);
}

/* ---- Eviction ---- */

/* What is used again and again, beside a scan that nobody comes back to. */
static void use_beside_a_scan(memstore *store, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        use(store, (uint64_t)i % 3000, 100, 0);
        use(store, 1000000 + 2 * (uint64_t)i, 100, 0);
        use(store, 1000001 + 2 * (uint64_t)i, 100, 0);
    }
}

Test(advice, another_policy_is_advised_where_it_would_save_misses)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    struct heard heard;

    use_beside_a_scan(store, 40000);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_EVICTION, "eviction");
    cr_assert_str_eq(heard.current[i], "lru");
    cr_assert_str_eq(heard.suggested[i], "adaptive");
    memstore_destroy(store);
}

Test(advice, no_other_policy_is_advised_where_none_is_better)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=s3fifo", FOLLOWED, NULL);

    use_beside_a_scan(store, 40000);
    assert_not_advised(store, MEMSTORE_ADVICE_EVICTION);
    assert_not_advised(store, MEMSTORE_ADVICE_READ_ONCE);
    memstore_destroy(store);
}

/* Round and round, three times as many as fit. */
static void use_in_a_loop(memstore *store, int rounds)
{
    for (int i = 0; i < 15000 * rounds; i++)
        use(store, (uint64_t)i % 15000, 100, 0);
}

static memstore *open_under(const char *policy)
{
    char setting[32];

    snprintf(setting, sizeof setting, "eviction=%s", policy);
    return test_open("performance.memory_limit=1MB", "shards=4", setting, FOLLOWED, NULL);
}

Test(advice, adaptive_is_advised_where_it_alone_finds_something)
{
    static const char *const others[] = {"lru", "fifo", "s3fifo", "lfu"};

    for (size_t i = 0; i < TEST_COUNT_OF(others); i++) {
        memstore *store = open_under(others[i]);
        struct heard heard;

        use_in_a_loop(store, 10);
        const int at = assert_advised(store, &heard, MEMSTORE_ADVICE_EVICTION, "eviction");
        cr_assert_str_eq(heard.current[at], others[i]);
        cr_assert_str_eq(heard.suggested[at], "adaptive");
        cr_assert(strstr(heard.evidence[at], ", adaptive ") != NULL, "%s", heard.evidence[at]);
        /* What is not simulated was seen. */
        cr_assert_eq(strstr(heard.evidence[at], "; lfu misses ") != NULL,
                     strcmp(others[i], "lfu") == 0, "%s", heard.evidence[at]);
        memstore_destroy(store);
    }
}

Test(advice, adaptive_is_not_advised_where_it_is_there_or_finds_no_more)
{
    memstore *store = open_under("adaptive");

    use_in_a_loop(store, 10);
    assert_not_advised(store, MEMSTORE_ADVICE_EVICTION);
    memstore_destroy(store);

    static const char *const others[] = {"lru", "fifo", "s3fifo", "lfu"};
    for (size_t i = 0; i < TEST_COUNT_OF(others); i++) {
        store = open_under(others[i]);
        /* Nothing comes back, whatever is kept. */
        for (uint64_t key = 0; key < 60000; key++)
            use(store, key, 100, 0);
        assert_not_advised(store, MEMSTORE_ADVICE_EVICTION);
        memstore_destroy(store);
    }
}

Test(advice, keys_read_once_are_told_where_the_policy_keeps_them)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=fifo", FOLLOWED, NULL);
    struct heard heard;

    use_beside_a_scan(store, 20000);
    assert_advised(store, &heard, MEMSTORE_ADVICE_READ_ONCE, "eviction");
    memstore_destroy(store);
}

Test(advice, keys_read_once_are_not_told_where_there_are_few)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=fifo", FOLLOWED, NULL);

    use_at_random(store, 8000, 100000);
    assert_not_advised(store, MEMSTORE_ADVICE_READ_ONCE);
    memstore_destroy(store);
}

/* ---- Times ---- */

static memstore *open_manual(const char *ttl, const char *ratio)
{
    char setting[64], sample[64];

    snprintf(setting, sizeof setting, "ttl.default_ttl=%s", ttl);
    snprintf(sample, sizeof sample, "monitoring.access_sample_ratio=%s", ratio);
    test_clock_start();
    return test_open("maintenance=manual", setting, sample, NULL);
}

static memstore *open_with_ttls(const char *a, const char *b, const char *c)
{
    test_clock_start();
    return test_open("maintenance=manual", "monitoring.access_sample_ratio=1", a, b, c, NULL);
}

/* Entries are read for some seconds after they are written, and live for an hour. */
static void write_and_read_for(memstore *store, int entries, int read_one_in)
{
    for (int i = 0; i < entries; i++) {
        put(store, (uint64_t)i, 100, MEMSTORE_TTL_DEFAULT);
        if (i % read_one_in == 0) {
            use(store, (uint64_t)i, 100, MEMSTORE_TTL_DEFAULT);
            test_clock_advance(4000);
            use(store, (uint64_t)i, 100, MEMSTORE_TTL_DEFAULT);
        }
    }
    test_clock_advance(3700 * 1000);
    assert_ok(memstore_maintain(store, 0));
}

Test(advice, a_shorter_ttl_is_advised_where_entries_expire_unread)
{
    memstore *store = open_manual("1h", "1");
    struct heard heard;

    write_and_read_for(store, 4000, 4);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "ttl.default_ttl");
    cr_assert_str_eq(heard.current[i], "3600s");
    /* Reads follow each other within 4 s. */
    cr_assert_str_eq(heard.suggested[i], "4096ms");
    memstore_destroy(store);
}

Test(advice, a_shorter_ttl_is_advised_within_the_bounds_there_are)
{
    static const struct {
        const char *settings[3], *setting, *suggested;
    } cases[] = {
        {{"ttl.default_ttl=1h", "life_window=10m", NULL}, "ttl.default_ttl", "4096ms"},
        {{"ttl.default_ttl=1h", "ttl.min_ttl=10s", NULL}, "ttl.default_ttl", "10000ms"},
        {{"ttl.default_ttl=1h", "ttl.min_ttl=121500ms", NULL}, "ttl.default_ttl", "121500ms"},
        {{"ttl.default_ttl=1h", "ttl.min_ttl=1h", NULL}, "ttl.min_ttl", "4096ms"},
        {{"ttl.max_ttl=1h", "life_window=2h", NULL}, "ttl.max_ttl", "4096ms"},
        {{"ttl.max_ttl=2h", "life_window=1h", NULL}, "life_window", "4096ms"},
        {{"life_window=1h", NULL}, "life_window", "4096ms"},
    };

    for (size_t c = 0; c < TEST_COUNT_OF(cases); c++) {
        memstore *store =
            open_with_ttls(cases[c].settings[0], cases[c].settings[1], cases[c].settings[2]);
        struct heard heard;

        write_and_read_for(store, 4000, 4);
        test_clock_advance(3600 * 1000);
        assert_ok(memstore_maintain(store, 0));
        const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, cases[c].setting);
        cr_assert_str_eq(heard.suggested[i], cases[c].suggested);
        follow(store, &heard, i);
        memstore_destroy(store);
    }
}

/* However soon after each other the reads of a key come: the last are half an hour after the write. */
Test(advice, a_shorter_ttl_is_long_enough_for_hits_long_after_the_write)
{
    memstore *store = open_manual("1h", "1");

    for (uint64_t i = 0; i < 4000; i++)
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
    for (int half_hours = 0; half_hours < 2; half_hours++) {
        for (uint64_t i = 0; i < 4000 * 50; i++) {
            if (i / 50 % 4 == 0)
                cr_assert(use(store, i / 50, 100, MEMSTORE_TTL_DEFAULT));
        }
        test_clock_advance(1800 * 1000);
    }
    test_clock_advance(1000 * 1000);
    assert_ok(memstore_maintain(store, 0));
    struct heard heard = ask(store);
    const int i = find(&heard, MEMSTORE_ADVICE_TTL_TOO_LONG);
    cr_assert_geq(i, 0);
    /* Half of the hits come 1800 s after the write: 2097 s are enough. */
    cr_assert_str_eq(heard.setting[i], "ttl.default_ttl");
    cr_assert_str_eq(heard.suggested[i], "2097s");
    cr_assert(strstr(heard.evidence[i], "99 % of hits come within 2097s of the write") != NULL,
              "%s", heard.evidence[i]);
    memstore_destroy(store);
}

/* Half of the entries are read all their life. */
Test(advice, a_shorter_ttl_is_not_named_where_it_would_end_hits)
{
    memstore *store = open_manual("1h", "1");
    struct heard heard;

    for (uint64_t i = 0; i < 400; i++)
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
    for (int seconds = 0; seconds < 3600; seconds += 10) {
        for (uint64_t i = 0; i < 200; i++)
            cr_assert(use(store, i, 100, MEMSTORE_TTL_DEFAULT));
        test_clock_advance(10 * 1000);
    }
    assert_ok(memstore_maintain(store, 0));
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "");
    memstore_destroy(store);
}

/* A TTL that begins anew with each read is to last from one to the next, and from the write to the first. */
Test(advice, a_shorter_ttl_that_reads_renew_is_long_enough_between_them)
{
    static const struct {
        int64_t first_ms;
        const char *suggested;
    } cases[] = {{4000, "4096ms"}, {100000, "131s"}};

    for (size_t c = 0; c < TEST_COUNT_OF(cases); c++) {
        memstore *store = open_with_ttls("ttl.default_ttl=1h", "ttl.mode=access", NULL);
        struct heard heard;

        for (uint64_t i = 0; i < 2000; i++)
            put(store, i, 100, MEMSTORE_TTL_DEFAULT);
        test_clock_advance(cases[c].first_ms);
        for (int round = 0; round < 10; round++) {
            for (uint64_t i = 0; i < 200; i++)
                cr_assert(use(store, i, 100, MEMSTORE_TTL_DEFAULT));
            test_clock_advance(4000);
        }
        test_clock_advance(3700 * 1000);
        assert_ok(memstore_maintain(store, 0));
        const int i =
            assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "ttl.default_ttl");
        cr_assert_str_eq(heard.suggested[i], cases[c].suggested);
        memstore_destroy(store);
    }
}

Test(advice, a_shorter_ttl_is_not_named_by_few_reads)
{
    memstore *store = open_manual("1h", "0");
    struct heard heard;

    for (uint64_t i = 0; i < 200; i++)
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
    test_clock_advance(3700 * 1000);
    assert_ok(memstore_maintain(store, 0));
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    put(store, 1000, 100, MEMSTORE_TTL_DEFAULT);
    for (int i = 0; i < 2; i++)
        cr_assert(use(store, 1000, 100, MEMSTORE_TTL_DEFAULT));
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "");
    memstore_destroy(store);
}

/* Whoever begins to follow keys has not seen when they were written. */
Test(advice, a_shorter_ttl_is_not_named_by_hits_of_which_no_write_was_seen)
{
    memstore *store = open_manual("1h", "0");
    struct heard heard;

    for (uint64_t i = 0; i < 400; i++)
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
    test_clock_advance(1800 * 1000);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    for (uint64_t i = 0; i < 2000; i++)
        cr_assert(use(store, i % 200, 100, MEMSTORE_TTL_DEFAULT));
    test_clock_advance(1900 * 1000);
    assert_ok(memstore_maintain(store, 0));
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "");
    cr_assert(strstr(heard.evidence[i], "of 100.0 % of hits") != NULL, "%s", heard.evidence[i]);
    memstore_destroy(store);
}

/* Half of the reads come when the entry has expired. */
Test(advice, no_setting_is_named_where_no_shorter_ttl_would_do)
{
    memstore *store = open_with_ttls("ttl.default_ttl=1h", "life_window=3s", NULL);
    struct heard heard;

    write_and_read_for(store, 4000, 4);
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "");
    memstore_destroy(store);
}

Test(advice, of_entries_that_expire_unread_is_told_without_following_keys)
{
    memstore *store = open_manual("1h", "0");
    struct heard heard;

    write_and_read_for(store, 4000, 4);
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "monitoring.access_sample_ratio");
    memstore_destroy(store);
}

Test(advice, a_shorter_ttl_is_not_advised_where_entries_are_read)
{
    memstore *store = open_manual("1h", "1");

    write_and_read_for(store, 1000, 1);
    assert_not_advised(store, MEMSTORE_ADVICE_TTL_TOO_LONG);
    memstore_destroy(store);
}

/* 200 keys, each read every 15 s. */
static void read_every_15_seconds(memstore *store)
{
    for (int round = 0; round < 20; round++) {
        for (uint64_t key = 0; key < 200; key++)
            use(store, key, 100, MEMSTORE_TTL_DEFAULT);
        test_clock_advance(15000);
    }
}

/* What missed each time hits once the advice is followed. */
static void follow_to_hits(memstore *store, const struct heard *heard, int i)
{
    cr_assert_eq(test_stats(store).hits, 0);
    follow(store, heard, i);
    read_every_15_seconds(store);
    cr_assert_eq(test_stats(store).hits, 2000);
}

Test(advice, a_longer_ttl_is_advised_where_keys_are_read_after_they_expired)
{
    memstore *store = open_manual("10s", "1");
    struct heard heard;

    read_every_15_seconds(store);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "ttl.default_ttl");
    cr_assert_str_eq(heard.current[i], "10000ms");
    cr_assert_str_eq(heard.suggested[i], "18192ms");
    memstore_destroy(store);
}

Test(advice, a_longer_life_is_advised_where_life_window_ends_it)
{
    memstore *store = open_with_ttls("life_window=10s", "ttl.default_ttl=1h", NULL);
    struct heard heard;

    read_every_15_seconds(store);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "life_window");
    cr_assert_str_eq(heard.current[i], "10000ms");
    cr_assert_str_eq(heard.suggested[i], "18192ms");
    follow_to_hits(store, &heard, i);
    memstore_destroy(store);
}

Test(advice, a_longer_ttl_is_no_longer_than_life_window_and_max_ttl_allow)
{
    static const char *const bounds[] = {"life_window=16s", "ttl.max_ttl=16s"};

    for (size_t at = 0; at < TEST_COUNT_OF(bounds); at++) {
        memstore *store = open_with_ttls(bounds[at], "ttl.default_ttl=10s", NULL);
        struct heard heard;

        read_every_15_seconds(store);
        const int i =
            assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "ttl.default_ttl");
        cr_assert_str_eq(heard.suggested[i], "16000ms");
        follow_to_hits(store, &heard, i);
        memstore_destroy(store);
    }
}

Test(advice, a_longer_ttl_needs_a_longer_max_ttl_where_it_is_as_long)
{
    memstore *store = open_with_ttls("ttl.max_ttl=10s", "ttl.default_ttl=10s", NULL);
    struct heard heard;

    read_every_15_seconds(store);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "ttl.max_ttl");
    cr_assert_str_eq(heard.suggested[i], "18192ms");
    cr_assert(strstr(heard.expected[i], "ttl.default_ttl") != NULL, "%s", heard.expected[i]);
    follow(store, &heard, i);
    const int next =
        assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "ttl.default_ttl");
    follow(store, &heard, next);
    memstore_destroy(store);
}

Test(advice, no_setting_is_named_for_ttls_that_are_given)
{
    memstore *store = open_manual("0", "1");
    struct heard heard;

    for (int round = 0; round < 20; round++) {
        for (uint64_t key = 0; key < 200; key++)
            use(store, key, 100, 10000);
        test_clock_advance(15000);
    }
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "");
    memstore_destroy(store);
}

Test(advice, a_longer_ttl_is_not_advised_where_keys_are_read_in_time)
{
    memstore *store = open_manual("1h", "1");

    read_every_15_seconds(store);
    assert_not_advised(store, MEMSTORE_ADVICE_TTL_TOO_SHORT);
    memstore_destroy(store);
}

Test(advice, jitter_is_advised_where_entries_expire_together)
{
    memstore *store = open_manual("1h", "0");
    struct heard heard;

    for (uint64_t i = 0; i < 500; i++)
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_JITTER, "ttl.jitter");
    memstore_destroy(store);
}

Test(advice, jitter_is_not_advised_where_expiries_are_spread)
{
    memstore *store = open_manual("1h", "0");

    for (uint64_t i = 0; i < 500; i++) {
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
        test_clock_advance(3000);
    }
    assert_not_advised(store, MEMSTORE_ADVICE_TTL_JITTER);
    memstore_destroy(store);
}

/* Within a second a third of them does, however they come. */
Test(advice, jitter_is_not_advised_where_expiries_of_a_short_ttl_are_spread)
{
    memstore *store = open_manual("3s", "0");

    for (uint64_t i = 0; i < 500; i++) {
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
        test_clock_advance(6);
    }
    assert_not_advised(store, MEMSTORE_ADVICE_TTL_JITTER);
    memstore_destroy(store);
}

Test(advice, jitter_is_advised_where_entries_of_a_short_ttl_expire_together)
{
    memstore *store = open_manual("3s", "0");
    struct heard heard;

    for (uint64_t i = 0; i < 500; i++)
        put(store, i, 100, MEMSTORE_TTL_DEFAULT);
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_JITTER, "ttl.jitter");
    memstore_destroy(store);
}

/* ---- Keys, sizes, shards, refusals ---- */

Test(advice, hot_keys_are_told_where_few_get_much_of_the_reads)
{
    memstore *store = test_open(FOLLOWED, NULL);
    struct test_rng rng = {1};
    struct heard heard;

    for (int i = 0; i < 20000; i++)
        use(store, test_one_in(&rng, 3) ? 7 : test_below(&rng, 5000) + 100, 100, 0);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_HOT_KEYS, "");
    cr_assert(strstr(heard.evidence[i], "1 key gets 3") != NULL, "%s", heard.evidence[i]);
    memstore_destroy(store);
}

Test(advice, hot_keys_are_not_told_where_all_are_alike)
{
    memstore *store = test_open(FOLLOWED, NULL);

    for (uint64_t i = 0; i < 20000; i++)
        use(store, i * 7919 % 5000, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_HOT_KEYS);
    memstore_destroy(store);
}

/* One entry in twenty has 20 kB; small ones are read again, large ones if `large_too`. */
static void use_sizes(memstore *store, bool large_too)
{
    struct test_rng rng = {3};

    for (uint64_t i = 0; i < 60000; i++) {
        if (i % 20 == 0)
            use(store, 100000 + (large_too ? i / 20 % 20 : i), 20000, 0);
        use(store, test_below(&rng, 8000), 100, 0);
    }
}

Test(advice, a_largest_size_is_advised_where_large_entries_are_not_read)
{
    memstore *store =
        test_open("performance.memory_limit=4MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    struct heard heard;

    use_sizes(store, false);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_LARGE_ENTRIES, "max_entry_size");
    const double size = atof(heard.suggested[i]);
    cr_assert(size >= 128 && size <= 16384, "%s", heard.suggested[i]);
    memstore_destroy(store);
}

Test(advice, a_largest_size_is_not_advised_where_large_entries_are_read)
{
    memstore *store =
        test_open("performance.memory_limit=4MB", "shards=4", "eviction=lru", FOLLOWED, NULL);

    use_sizes(store, true);
    assert_not_advised(store, MEMSTORE_ADVICE_LARGE_ENTRIES);
    memstore_destroy(store);
}

/* Keys whose CRC-32 is one and the same whatever the seed: each is a multiple of the polynomial, as
 * bits, beside the first. */
static void put_colliding(memstore *store, int count)
{
    /* 33 bits, the first byte's lowest bit first: x^32 + x^26 + ... + 1, reflected. */
    static const unsigned char polynomial[5] = {0x41, 0x06, 0x71, 0xdb, 0x01};
    unsigned char key[40];

    for (int i = 0; i < count; i++) {
        memset(key, 'k', sizeof key);
        for (int bit = 0; bit < 10; bit++) {
            for (int j = 0; (i >> bit & 1) != 0 && j < 5; j++) {
                const unsigned shifted = (unsigned)polynomial[j] << (bit % 7);

                key[3 * (bit / 7) + j + 2] ^= (unsigned char)shifted;
                key[3 * (bit / 7) + j + 3] ^= (unsigned char)(shifted >> 8);
            }
        }
        assert_ok(memstore_set(store, key, sizeof key, "v", 1, 0));
    }
}

Test(advice, another_hash_function_is_advised_where_keys_collide)
{
    memstore *store = test_open("hash_function=crc32", "shards=64", NULL);
    struct heard heard;

    put_colliding(store, 1000);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_SHARDS, "hash_function");
    cr_assert_str_eq(heard.suggested[i], "xxh3");
    memstore_destroy(store);
}

Test(advice, no_other_hash_function_is_advised_where_shards_are_alike)
{
    memstore *store = test_open("hash_function=crc32", "shards=64", NULL);

    for (uint64_t i = 0; i < 5000; i++)
        put(store, i, 10, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_SHARDS);
    memstore_destroy(store);
}

Test(advice, eviction_is_advised_where_writes_are_refused)
{
    memstore *store = test_open("performance.memory_limit=256KiB", "eviction=none", NULL);
    struct heard heard;

    for (uint64_t i = 0; i < 5000; i++) {
        const char *key = key_of(i);

        memstore_set(store, key, strlen(key), filler, 100, 0);
    }
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_REFUSED, "eviction");
    cr_assert_eq(i, 0, "a warning comes first");
    cr_assert_str_eq(heard.suggested[i], "adaptive");
    memstore_destroy(store);
}

Test(advice, eviction_is_not_advised_where_all_fits)
{
    memstore *store = test_open("eviction=none", NULL);

    for (uint64_t i = 0; i < 1000; i++)
        put(store, i, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_REFUSED);
    memstore_destroy(store);
}

/* ---- Following keys ---- */

Test(advice, says_what_needs_keys_to_be_followed)
{
    memstore *store = test_open_defaults();
    struct heard heard;
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_TRACKING, "monitoring.access_sample_ratio");

    cr_assert_str_eq(heard.suggested[i], "0.01");
    memstore_destroy(store);
}

Test(advice, says_when_too_few_keys_are_followed)
{
    memstore *store = test_open("monitoring.access_sample_ratio=0.001", PATIENT, NULL);
    struct heard heard;

    /* Many keys are enough to begin with, but not for the reads that are counted anew. */
    use_at_random(store, 400000, 400000);
    assert_ok(memstore_reset_stats(store));
    use_at_random(store, 400000, 20000);
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_TRACKING, "monitoring.access_sample_ratio");
    cr_assert_gt(atof(heard.suggested[i]), 0.01);
    follow(store, &heard, i);
    memstore_destroy(store);
}

Test(advice, has_nothing_to_say_of_tracking_where_enough_keys_are_followed)
{
    memstore *store = test_open(FOLLOWED, NULL);

    use_at_random(store, 2000, 20000);
    assert_not_advised(store, MEMSTORE_ADVICE_TRACKING);
    memstore_destroy(store);
}

Test(advice, following_is_switched_on_and_off_in_a_store_in_use)
{
    memstore *store = test_open("performance.memory_limit=16MB", "maintenance=manual", NULL);
    size_t n;

    use_at_random(store, 2000, 20000);
    const uint64_t before = test_memory(store).charged;
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    /* What it takes counts against the limit. */
    cr_assert_gt(test_memory(store).charged, before + 100000);
    use_at_random(store, 2000, 20000);
    assert_not_advised(store, MEMSTORE_ADVICE_TRACKING);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0"));
    cr_assert_leq(test_memory(store).charged, before);
    assert_status(memstore_get_miss_ratio_curve(store, NULL, 0, &n), MEMSTORE_ERR_UNSUPPORTED);
    use_at_random(store, 2000, 20000);
    memstore_destroy(store);
}

Test(advice, reads_of_every_kind_are_followed)
{
    memstore *store = test_open(FOLLOWED, "monitoring.track_operation_latency=true", NULL);
    memstore_view view;
    memstore_key key = test_key("account/balance/00000001");
    size_t found;

    for (int i = 0; i < 500; i++) {
        use(store, 1, 100, 0);
        assert_ok(memstore_get_view(store, key.data, key.size, &view));
        memstore_view_release(&view);
        assert_ok(memstore_get_many(store, &key, 1, &view, &found));
        memstore_view_release_many(&view, 1);
        assert_ok(memstore_has(store, key.data, key.size));
    }
    /* Two misses at first and one hit after the other: at every size that holds the entry. */
    cr_assert_lt(foretold(store, 64e6), 0.01);
    struct heard heard;
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_HOT_KEYS, "");
    cr_assert(strstr(heard.evidence[i], "100.0 %") != NULL, "%s", heard.evidence[i]);
    memstore_destroy(store);
}

struct taken {
    char *text;
    int calls;
};

static int take(const char *data, size_t size, void *context)
{
    struct taken *taken = context;

    taken->text = strndup(data, size);
    taken->calls++;
    return 0;
}

static uint64_t lost_of(memstore *store)
{
    struct taken taken = {0};
    char *found;

    assert_ok(memstore_advise_json(store, take, &taken));
    found = strstr(taken.text, "\"lost\":");
    cr_assert_not_null(found);
    const uint64_t lost = strtoull(found + strlen("\"lost\":"), NULL, 10);
    free(taken.text);
    return lost;
}

static uint64_t sampled_of(memstore *store)
{
    struct taken taken = {0};
    char *found;

    assert_ok(memstore_advise_json(store, take, &taken));
    found = strstr(taken.text, "\"sampled\":");
    cr_assert_not_null(found);
    const uint64_t sampled = strtoull(found + strlen("\"sampled\":"), NULL, 10);
    free(taken.text);
    return sampled;
}

Test(advice, the_maintenance_thread_digests_what_is_followed_or_its_loss_is_counted)
{
    memstore *store = test_open("monitoring.access_sample_ratio=1", NULL);
    enum { READS = 200000 };

    assert_ok(test_set(store, "key", "value", 0));
    for (int i = 0; i < READS; i++)
        assert_holds(store, "key", "value");
    const uint64_t lost = lost_of(store), sampled = sampled_of(store);
    /* The write and the reads; of those taken at random for their keys some more may be lost. */
    cr_assert_geq(sampled + lost, READS + 1, "%lu and %lu", (unsigned long)sampled,
                  (unsigned long)lost);
    cr_assert_leq(sampled, READS + 1);
    memstore_destroy(store);
}

Test(advice, nothing_is_lost_where_readers_see_to_it_themselves)
{
    memstore *store = test_open(FOLLOWED, NULL);
    enum { READS = 50000 };

    assert_ok(test_set(store, "key", "value", 0));
    for (int i = 0; i < READS; i++)
        assert_holds(store, "key", "value");
    cr_assert_eq(sampled_of(store), READS + 1);
    cr_assert_eq(lost_of(store), 0);
    memstore_destroy(store);
}

Test(advice, what_replaces_an_entry_in_a_full_store_without_eviction_is_followed)
{
    memstore *store =
        test_open(FOLLOWED, "eviction=none", "performance.memory_limit=4MiB", "shards=1", NULL);
    unsigned char value[4000] = {7};
    uint64_t key = 0;

    while (memstore_set(store, &key, sizeof key, value, sizeof value, 0) == MEMSTORE_OK)
        key++;
    const uint64_t before = sampled_of(store);
    for (key = 0; key < 100; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    const uint64_t after = sampled_of(store);
    cr_assert_eq(after - before, 100, "%lu, then %lu of %lu", (unsigned long)before,
                 (unsigned long)after, (unsigned long)lost_of(store));
    memstore_destroy(store);
}

static int view_of(memstore *store, const char *key)
{
    memstore_view view;
    const int status = memstore_get_view(store, key, strlen(key), &view);

    if (status == MEMSTORE_OK)
        memstore_view_release(&view);
    return status;
}

Test(advice, views_are_followed_whatever_they_find)
{
    memstore *store = test_open(FOLLOWED, NULL);
    enum { READS = 3000 };

    test_clock_start();
    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(test_set(store, "brief", "value", 1000));
    test_clock_advance(2000);
    for (int i = 0; i < READS; i++) {
        assert_ok(view_of(store, "key"));
        assert_status(view_of(store, "brief"), MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_status(view_of(store, "absent"), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    cr_assert_eq(sampled_of(store), 3 * READS + 2);
    cr_assert_eq(lost_of(store), 0);
    cr_assert_float_eq(foretold(store, 64e6), 2.0 / 3, 0.001);
    memstore_destroy(store);
}

static int get_of(memstore *store, const char *key, size_t cap)
{
    char value[8];

    return memstore_get(store, key, strlen(key), value, cap, NULL);
}

Test(advice, gets_are_followed_whatever_they_find)
{
    memstore *store = test_open(FOLLOWED, NULL);
    enum { READS = 3000 };

    test_clock_start();
    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(test_set(store, "later", "value", 10000));
    assert_ok(test_set(store, "brief", "value", 1000));
    test_clock_advance(2000);
    for (int i = 0; i < READS; i++) {
        assert_ok(get_of(store, "key", 8));
        assert_ok(get_of(store, "later", 8));
        assert_status(get_of(store, "brief", 8), MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_status(get_of(store, "absent", 8), MEMSTORE_ERR_KEY_NOT_FOUND);
        /* Neither hit nor miss. */
        assert_status(get_of(store, "key", 4), MEMSTORE_ERR_BUFFER_TOO_SMALL);
    }
    cr_assert_eq(sampled_of(store), 4 * READS + 3);
    cr_assert_eq(lost_of(store), 0);
    cr_assert_float_eq(foretold(store, 64e6), 0.5, 0.001);
    memstore_destroy(store);
}

/* Keys 0 to `there` - 1 are there. */
static void get_many(memstore *store, size_t n, size_t there)
{
    static char names[300][32];
    memstore_key keys[300];
    memstore_view views[300];
    size_t found;

    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%s", key_of(i));
        keys[i] = (memstore_key){names[i], strlen(names[i])};
    }
    assert_ok(memstore_get_many(store, keys, n, views, &found));
    cr_assert_eq(found, there);
    memstore_view_release_many(views, n);
}

Test(advice, all_keys_of_a_call_for_many_are_followed_however_many)
{
    static const size_t counts[] = {1, 31, 32, 33, 200, 300};
    memstore *store = test_open(FOLLOWED, NULL);
    size_t reads = 0, misses = 0;

    for (uint64_t i = 0; i < 200; i++)
        put(store, i, 100, 0);
    for (unsigned c = 0; c < 6; c++) {
        const size_t there = counts[c] < 200 ? counts[c] : 200;

        for (int round = 0; round < 100; round++)
            get_many(store, counts[c], there);
        reads += 100 * counts[c];
        misses += 100 * (counts[c] - there);
    }
    cr_assert_eq(sampled_of(store), 200 + reads);
    cr_assert_eq(lost_of(store), 0);
    cr_assert_float_eq(foretold(store, 64e6), (double)misses / reads, 0.001);
    memstore_destroy(store);
}

/* What a thing that is done adds to the sample of a store that has its share of the keys. */
Test(advice, a_call_for_many_adds_the_keys_to_the_sample_that_gets_add)
{
    memstore *store =
        test_open("monitoring.access_sample_ratio=0.01", "maintenance=manual", PATIENT, NULL);

    for (uint64_t i = 0; i < 300000; i++)
        put(store, i, 8, 0);
    const uint64_t before = sampled_of(store);
    for (uint64_t i = 0; i < 300; i++)
        assert_ok(view_of(store, key_of(i)));
    const uint64_t by_views = sampled_of(store) - before;
    for (uint64_t i = 0; i < 300; i++)
        assert_ok(memstore_get(store, key_of(i), strlen(key_of(i)), filler, 100, NULL));
    const uint64_t by_gets = sampled_of(store) - before - by_views;
    get_many(store, 300, 300);
    const uint64_t by_many = sampled_of(store) - before - by_views - by_gets;
    cr_assert(by_views < 30, "not all keys are followed: %lu", (unsigned long)by_views);
    cr_assert_eq(by_gets, by_views);
    cr_assert_eq(by_many, by_views);
    memstore_destroy(store);
}

Test(advice, hot_keys_of_calls_for_many_are_told)
{
    memstore *store = test_open(FOLLOWED, NULL);
    memstore_key keys[40];
    memstore_view views[40];
    size_t found;

    /* Of each call's keys a quarter are one key. */
    for (int round = 0; round < 500; round++) {
        static char names[40][32];

        for (unsigned i = 0; i < 40; i++) {
            snprintf(names[i], sizeof names[i], "%s", i % 4 == 0 ? "hot" : key_of(40u * round + i));
            keys[i] = (memstore_key){names[i], strlen(names[i])};
        }
        assert_ok(memstore_get_many(store, keys, 40, views, &found));
        memstore_view_release_many(views, 40);
    }
    struct heard heard;
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_HOT_KEYS, "");
    const char *share = strstr(heard.evidence[i], " %");
    cr_assert_not_null(share);
    while (share > heard.evidence[i] && share[-1] != ' ')
        share--;
    cr_assert_float_eq(atof(share), 25, 3, "%s", heard.evidence[i]);
    memstore_destroy(store);
}

#define TEAM 14 /* more threads than have a ring of their own */
#define TEAM_READS 20000

static void read_often(unsigned number, void *context)
{
    for (int i = 0; i < TEAM_READS; i++)
        assert_ok(i % 2 == 0 ? view_of(context, "key") : get_of(context, "key", 8));
    (void)number;
}

Test(advice, what_many_threads_read_is_in_the_sample_or_lost)
{
    memstore *store = test_open("monitoring.access_sample_ratio=1", NULL);
    struct test_team team = {0};

    assert_ok(test_set(store, "key", "value", 0));
    test_team_start(&team, TEAM, read_often, store);
    test_team_join(&team);
    const uint64_t lost = lost_of(store), sampled = sampled_of(store);
    cr_assert_geq(sampled + lost, TEAM * TEAM_READS + 1);
    cr_assert_leq(sampled, TEAM * TEAM_READS + 1);
    cr_assert_eq(test_stats(store).hits, TEAM * TEAM_READS);
    memstore_destroy(store);
}

/* Few are in the sample, which the others do not tell from what is not followed. */
Test(advice, views_of_keys_that_are_not_followed_are_as_any)
{
    memstore *store =
        test_open("monitoring.access_sample_ratio=0.000001", "maintenance=manual", PATIENT, NULL);
    enum { KEYS = 20000 };

    test_clock_start();
    for (uint64_t i = 0; i < KEYS; i++)
        put(store, i, 100, i % 2 != 0 ? 1000 : 0);
    test_clock_advance(2000);
    assert_ok(memstore_reset_stats(store));
    for (uint64_t i = 0; i < 2 * KEYS; i++)
        assert_status(view_of(store, key_of(i)),
                      i < KEYS && i % 2 == 0 ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
    const memstore_stats stats = test_stats(store);
    cr_assert_eq(stats.hits, KEYS / 2);
    cr_assert_eq(stats.misses, 2 * KEYS - KEYS / 2);
    assert_ok(memstore_close(store));
    assert_status(view_of(store, key_of(0)), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

/* advice/pace.h: all keys of a small store are followed, by turns in the long run. */
Test(advice, a_small_store_is_followed_as_a_whole_and_by_turns)
{
    memstore *store =
        test_open("monitoring.access_sample_ratio=0.01", "maintenance=manual", PATIENT, NULL);
    enum { KEYS = 400, READS = 2000000, AT_FIRST = 40960, SLACK = 8192 };

    for (uint64_t i = 0; i < READS; i++)
        use(store, i % KEYS, 100, 0);
    const uint64_t sampled = sampled_of(store);
    cr_assert_leq(sampled, AT_FIRST + READS / 100 + SLACK);
    cr_assert_geq(sampled, AT_FIRST + READS / 100 - 2 * SLACK);
    cr_assert_eq(lost_of(store), 0);
    cr_assert_lt(foretold(store, 64e6), 0.02);
    assert_not_advised(store, MEMSTORE_ADVICE_TRACKING);
    memstore_destroy(store);
}

Test(advice, what_was_counted_is_forgotten_with_the_statistics)
{
    memstore *store = test_open(FOLLOWED, NULL);

    for (uint64_t i = 0; i < 1000; i++)
        use(store, i, 100, 0);
    cr_assert_gt(foretold(store, 64e6), 0.99);
    assert_ok(memstore_reset_stats(store));
    for (uint64_t i = 0; i < 1000; i++)
        use(store, i, 100, 0);
    cr_assert_lt(foretold(store, 64e6), 0.01);
    memstore_destroy(store);
}

/* ---- Reports ---- */

static int refuse(const char *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    (void)context;
    return 1;
}

Test(advice, is_written_for_people_with_its_figures)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);
    struct taken taken = {0};

    use_at_random(store, 20000, 50000);
    assert_ok(memstore_advise_text(store, take, &taken));
    cr_assert_eq(taken.calls, 1);
    cr_assert(strstr(taken.text, "set       performance.memory_limit: ") != NULL);
    cr_assert(strstr(taken.text, "the limit now") != NULL);
    cr_assert(strstr(taken.text, "account/balance/") != NULL);
    cr_assert(strstr(taken.text, "Sizes of entries") != NULL);
    cr_assert(strstr(taken.text, " %, adaptive ") != NULL);
    free(taken.text);
    memstore_destroy(store);
}

Test(advice, is_written_as_json_whatever_keys_are_like)
{
    memstore *store = test_open(FOLLOWED, NULL);
    struct taken taken = {0};
    char buf[8];

    for (int i = 0; i < 2000; i++)
        memstore_get(store, "\"\\\n\xff\0k", 6, buf, sizeof buf, NULL);
    assert_ok(memstore_advise_json(store, take, &taken));
    cr_assert(strstr(taken.text, "\"key\":\"\\\"\\\\\\u000a\\u00ff\\u0000k\"") != NULL, "%s",
              taken.text);
    free(taken.text);
    memstore_destroy(store);
}

/* What a store of so few bytes holds at least. */
static void write_into_little(memstore *store)
{
    char value[1000] = "";

    for (int i = 0; i < 50; i++) {
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
        assert_ok(memstore_has(store, &i, sizeof i));
    }
}

Test(advice, following_keys_is_refused_where_it_leaves_no_room_for_entries)
{
    unsigned refused = 0, opened = 0;

    for (unsigned kib = 160; kib <= 400; kib += 4) {
        memstore_config *config = memstore_config_new();
        memstore *store = NULL;
        char limit[32];

        snprintf(limit, sizeof limit, "%uKiB", kib);
        assert_ok(memstore_config_set(config, "performance.memory_limit", limit));
        assert_ok(memstore_config_set(config, "monitoring.access_sample_ratio", "0.01"));
        const int status = memstore_open(config, &store);
        if (status == MEMSTORE_OK) {
            opened++;
            write_into_little(store);
            memstore_destroy(store);
        } else {
            refused++;
            cr_assert_eq(status, MEMSTORE_ERR_INVALID_CONFIG, "%s", memstore_status_name(status));
        }
        assert_ok(memstore_config_set(config, "monitoring.access_sample_ratio", "0"));
        assert_ok(memstore_open(config, &store));
        write_into_little(store);
        const int changed = memstore_reconfigure(store, "monitoring.access_sample_ratio", "0.01");
        cr_assert_eq(changed, status == MEMSTORE_OK ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED,
                     "%s: %s", limit, memstore_status_name(changed));
        write_into_little(store);
        memstore_destroy(store);
        memstore_config_free(config);
    }
    cr_assert(refused > 0 && opened > 0, "%u refused, %u opened", refused, opened);
}

Test(advice, refuses_bad_arguments_and_tells_when_text_is_not_taken)
{
    memstore *store = test_open_defaults();
    struct heard heard = {0};
    struct taken taken = {0};

    assert_status(memstore_advise(NULL, hear, &heard), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise(store, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise_text(store, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise_json(NULL, take, &taken), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise_text(store, refuse, NULL), MEMSTORE_ERR_IO);
    assert_ok(memstore_close(store));
    assert_status(memstore_advise(store, hear, &heard), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_advise_json(store, take, &taken), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(advice, a_look_that_was_due_when_sampling_was_switched_off_is_the_last)
{
    memstore *store = test_open("maintenance=manual", NULL);

    cr_assert_eq(ms_load_relaxed(&store->track.look_ms), INT64_MAX);
    /* As somebody leaves it who did not get the settings lock meanwhile. */
    ms_store_relaxed(&store->track.look_ms, 0);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(ms_load_relaxed(&store->track.look_ms), INT64_MAX);
    memstore_destroy(store);
}
