/* SPDX-License-Identifier: Apache-2.0 */
/* Following keys for advice. */
#include "stories/advice.h"
#include "stories/loading.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/team.h"

#include <memstore/events.h>
#include <stdlib.h>

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
    use_accounts_at_random(store, 400000, 400000);
    assert_ok(memstore_reset_stats(store));
    use_accounts_at_random(store, 400000, 20000);
    const int i =
        assert_advised(store, &heard, MEMSTORE_ADVICE_TRACKING, "monitoring.access_sample_ratio");
    cr_assert_gt(atof(heard.suggested[i]), 0.01);
    follow_advice(store, &heard, i);
    memstore_destroy(store);
}

Test(advice, has_nothing_to_say_of_tracking_where_enough_keys_are_followed)
{
    memstore *store = test_open(FOLLOWED, NULL);

    use_accounts_at_random(store, 2000, 20000);
    assert_not_advised(store, MEMSTORE_ADVICE_TRACKING);
    memstore_destroy(store);
}

Test(advice, following_is_switched_on_and_off_in_a_store_in_use)
{
    memstore *store = test_open("performance.memory_limit=16MB", "maintenance=manual", NULL);
    size_t n;

    use_accounts_at_random(store, 2000, 20000);
    const uint64_t before = test_memory(store).charged;
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    /* What it takes counts against the limit. */
    cr_assert_gt(test_memory(store).charged, before + 100000);
    use_accounts_at_random(store, 2000, 20000);
    assert_not_advised(store, MEMSTORE_ADVICE_TRACKING);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0"));
    cr_assert_leq(test_memory(store).charged, before);
    assert_status(memstore_get_miss_ratio_curve(store, NULL, 0, &n), MEMSTORE_ERR_UNSUPPORTED);
    use_accounts_at_random(store, 2000, 20000);
    memstore_destroy(store);
}

Test(advice, reads_of_every_kind_are_followed)
{
    memstore *store = test_open(FOLLOWED, "monitoring.track_operation_latency=true", NULL);
    memstore_view view;
    memstore_key key = test_key("account/balance/00000001");
    size_t found;

    for (int i = 0; i < 500; i++) {
        use_account(store, 1, 100, 0);
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

static uint64_t lost_of(memstore *store)
{
    struct taken_text taken = {0};
    char *found;

    assert_ok(memstore_advise_json(store, take_text, &taken));
    found = strstr(taken.text, "\"lost\":");
    cr_assert_not_null(found);
    const uint64_t lost = strtoull(found + strlen("\"lost\":"), NULL, 10);
    free(taken.text);
    return lost;
}

static uint64_t sampled_of(memstore *store)
{
    struct taken_text taken = {0};
    char *found;

    assert_ok(memstore_advise_json(store, take_text, &taken));
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

Test(advice, misses_are_followed_while_all_places_of_views_are_taken)
{
    memstore *store = test_open(FOLLOWED, "performance.max_concurrent_readers=1", NULL);
    enum { READS = 3000 };
    memstore_view held;

    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_get_view(store, "key", 3, &held));
    for (int i = 0; i < READS; i++)
        assert_status(view_of(store, "absent"), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(test_stats(store).misses, READS);
    cr_assert_eq(sampled_of(store), READS + 2);
    memstore_view_release(&held);
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

/* What a loader does not know any more is removed, and is missed from then on whatever the limit. */
static void lose_accounts(memstore *store, uint64_t accounts)
{
    struct row row = {0};
    memstore_view view;

    for (uint64_t i = 0; i < accounts; i++)
        put_account(store, i, 100, 0);
    test_clock_advance(2000);
    for (uint64_t i = 0; i < accounts; i++)
        assert_status(get_or_load(store, account_key(i), &row, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(atomic_load(&row.calls), accounts);
}

Test(advice, what_a_loader_says_is_gone_is_missed_at_every_size)
{
    memstore *store = test_open(FOLLOWED, "loader.refresh_after=1s", "loader.negative_ttl=0", NULL);
    enum { ACCOUNTS = 500 };

    test_clock_start();
    for (int round = 0; round < 10; round++) {
        lose_accounts(store, ACCOUNTS);
        for (uint64_t i = 0; i < 4 * ACCOUNTS; i++)
            assert_status(get_of(store, account_key(i % ACCOUNTS), 8), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    const memstore_stats stats = test_stats(store);
    cr_assert_float_eq(foretold(store, 64e6), (double)stats.misses / (stats.hits + stats.misses),
                       0.001);
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
        snprintf(names[i], sizeof names[i], "%s", account_key(i));
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
        put_account(store, i, 100, 0);
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
        put_account(store, i, 8, 0);
    const uint64_t before = sampled_of(store);
    for (uint64_t i = 0; i < 300; i++)
        assert_ok(view_of(store, account_key(i)));
    const uint64_t by_views = sampled_of(store) - before;
    for (uint64_t i = 0; i < 300; i++)
        assert_ok(
            memstore_get(store, account_key(i), strlen(account_key(i)), account_filler, 100, NULL));
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
            snprintf(names[i], sizeof names[i], "%s",
                     i % 4 == 0 ? "hot" : account_key(40u * round + i));
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
        put_account(store, i, 100, i % 2 != 0 ? 1000 : 0);
    test_clock_advance(2000);
    assert_ok(memstore_reset_stats(store));
    for (uint64_t i = 0; i < 2 * KEYS; i++)
        assert_status(view_of(store, account_key(i)),
                      i < KEYS && i % 2 == 0 ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
    const memstore_stats stats = test_stats(store);
    cr_assert_eq(stats.hits, KEYS / 2);
    cr_assert_eq(stats.misses, 2 * KEYS - KEYS / 2);
    assert_ok(memstore_close(store));
    assert_status(view_of(store, account_key(0)), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

/* advice/pace.h: all keys of a small store are followed, by turns in the long run. */
Test(advice, a_small_store_is_followed_as_a_whole_and_by_turns)
{
    memstore *store =
        test_open("monitoring.access_sample_ratio=0.01", "maintenance=manual", PATIENT, NULL);
    enum { KEYS = 400, READS = 2000000, AT_FIRST = 40960, SLACK = 8192 };

    for (uint64_t i = 0; i < READS; i++)
        use_account(store, i % KEYS, 100, 0);
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
        use_account(store, i, 100, 0);
    cr_assert_gt(foretold(store, 64e6), 0.99);
    assert_ok(memstore_reset_stats(store));
    for (uint64_t i = 0; i < 1000; i++)
        use_account(store, i, 100, 0);
    cr_assert_lt(foretold(store, 64e6), 0.01);
    memstore_destroy(store);
}
