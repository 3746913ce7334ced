/* SPDX-License-Identifier: Apache-2.0 */
/* Advice on more or less memory, and the curve that it rests on. */
#include "stories/advice.h"
#include "support/criterion.h"

#include <stdlib.h>

/* ---- Memory ---- */

Test(advice, more_memory_is_advised_where_it_would_save_misses)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);
    struct heard heard;

    use_accounts_at_random(store, 20000, 200000);
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
        use_account(store, i, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_MORE_MEMORY);
    memstore_destroy(store);
}

Test(advice, more_memory_is_advised_by_the_setting_that_bounds_it)
{
    memstore *store = test_open("hard_max_cache_size=1", "shards=4", FOLLOWED, NULL);
    struct heard heard;

    use_accounts_at_random(store, 20000, 200000);
    const uint64_t entries = test_stats(store).entries;
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "hard_max_cache_size");
    cr_assert_str_eq(heard.current[i], "1");
    follow_advice(store, &heard, i);
    cr_assert_eq(test_memory(store).limit, strtoull(heard.suggested[i], NULL, 10) << 20);
    use_accounts_at_random(store, 20000, 200000);
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

        use_accounts_at_random(store, 200000, 400000);
        const struct heard heard = ask_advice(store);
        const int i = find_advice(&heard, MEMSTORE_ADVICE_MORE_MEMORY);
        cr_assert_geq(i, 0);
        follow_advice(store, &heard, i);
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
        use_account(store, i % 50000, 100, 0);
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

    use_accounts_at_random(store, 20000, 200000);
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "performance.memory_limit");
    follow_advice(store, &heard, i);
    cr_assert_eq(test_memory(store).limit, 1 << 20);
    cr_assert(strstr(heard.expected[i], "with hard_max_cache_size as high") != NULL, "%s",
              heard.expected[i]);
    const int next =
        assert_advised(store, &heard, MEMSTORE_ADVICE_MORE_MEMORY, "hard_max_cache_size");
    follow_advice(store, &heard, next);
    cr_assert_gt(test_memory(store).limit, 1 << 20);
    memstore_destroy(store);
}

Test(advice, less_memory_is_advised_where_it_would_do)
{
    memstore *store = test_open("performance.memory_limit=8MB", FOLLOWED, NULL);
    struct heard heard;

    use_accounts_at_random(store, 2000, 50000);
    assert_advised(store, &heard, MEMSTORE_ADVICE_LESS_MEMORY, "performance.memory_limit");
    assert_not_advised(store, MEMSTORE_ADVICE_MORE_MEMORY);
    memstore_destroy(store);
}

/* Writes are no references: what is only being filled tells nothing of misses. */
Test(advice, less_memory_is_not_advised_where_hardly_anything_was_read)
{
    memstore *store = test_open(FOLLOWED, NULL);

    for (uint64_t i = 0; i < 5000; i++)
        put_account(store, i, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_LESS_MEMORY);
    for (uint64_t i = 0; i < 20; i++)
        cr_assert(use_account(store, i, 100, 0));
    assert_not_advised(store, MEMSTORE_ADVICE_LESS_MEMORY);
    memstore_destroy(store);
}

Test(advice, less_memory_is_not_advised_where_all_of_it_is_used)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);

    use_accounts_at_random(store, 8000, 100000);
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
            use_account(store, key % 100, 10, 0);
        const struct heard heard = ask_advice(store);
        const int at = find_advice(&heard, MEMSTORE_ADVICE_LESS_MEMORY);
        if (at >= 0) {
            const uint64_t before = test_memory(store).limit;

            follow_advice(store, &heard, at);
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
        put_account(store, 1000 + key, 100, 0);
    for (uint64_t key = 0; key < 20000; key++)
        use_account(store, key % 100, 10, 0);
    const struct heard heard = ask_advice(store);
    const int at = find_advice(&heard, MEMSTORE_ADVICE_LESS_MEMORY);
    cr_assert_geq(at, 0);
    follow_advice(store, &heard, at);
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
        use_account(store, key % 100, 10, 0);
    const struct heard heard = ask_advice(store);
    const int at = find_advice(&heard, MEMSTORE_ADVICE_LESS_MEMORY);
    cr_assert_geq(at, 0);
    follow_advice(store, &heard, at);
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

/* ---- The curve ---- */

Test(advice, a_curve_foretells_what_stores_of_other_sizes_miss)
{
    memstore *small =
        test_open("performance.memory_limit=2MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    memstore *large =
        test_open("performance.memory_limit=4MB", "shards=4", "eviction=lru", PATIENT, NULL);
    const double missed_small = use_accounts_at_random(small, 60000, 300000);
    const double missed_large = use_accounts_at_random(large, 60000, 300000);

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
