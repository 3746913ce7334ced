/* SPDX-License-Identifier: Apache-2.0 */
/* Advice on times to live. */
#include "platform/testing.h"
#include "stories/advice.h"
#include "support/clock.h"
#include "support/criterion.h"

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
        put_account(store, (uint64_t)i, 100, MEMSTORE_TTL_DEFAULT);
        if (i % read_one_in == 0) {
            use_account(store, (uint64_t)i, 100, MEMSTORE_TTL_DEFAULT);
            test_clock_advance(4000);
            use_account(store, (uint64_t)i, 100, MEMSTORE_TTL_DEFAULT);
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
        follow_advice(store, &heard, i);
        memstore_destroy(store);
    }
}

/* However soon after each other the reads of a key come: the last are half an hour after the write. */
Test(advice, a_shorter_ttl_is_long_enough_for_hits_long_after_the_write)
{
    memstore *store = open_manual("1h", "1");

    for (uint64_t i = 0; i < 4000; i++)
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
    for (int half_hours = 0; half_hours < 2; half_hours++) {
        for (uint64_t i = 0; i < 4000 * 50; i++) {
            if (i / 50 % 4 == 0)
                cr_assert(use_account(store, i / 50, 100, MEMSTORE_TTL_DEFAULT));
        }
        test_clock_advance(1800 * 1000);
    }
    test_clock_advance(1000 * 1000);
    assert_ok(memstore_maintain(store, 0));
    struct heard heard = ask_advice(store);
    const int i = find_advice(&heard, MEMSTORE_ADVICE_TTL_TOO_LONG);
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
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
    for (int seconds = 0; seconds < 3600; seconds += 10) {
        for (uint64_t i = 0; i < 200; i++)
            cr_assert(use_account(store, i, 100, MEMSTORE_TTL_DEFAULT));
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
            put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
        test_clock_advance(cases[c].first_ms);
        for (int round = 0; round < 10; round++) {
            for (uint64_t i = 0; i < 200; i++)
                cr_assert(use_account(store, i, 100, MEMSTORE_TTL_DEFAULT));
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
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
    test_clock_advance(3700 * 1000);
    assert_ok(memstore_maintain(store, 0));
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    put_account(store, 1000, 100, MEMSTORE_TTL_DEFAULT);
    for (int i = 0; i < 2; i++)
        cr_assert(use_account(store, 1000, 100, MEMSTORE_TTL_DEFAULT));
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_LONG, "");
    memstore_destroy(store);
}

/* Whoever begins to follow keys has not seen when they were written. */
Test(advice, a_shorter_ttl_is_not_named_by_hits_of_which_no_write_was_seen)
{
    memstore *store = open_manual("1h", "0");
    struct heard heard;

    for (uint64_t i = 0; i < 400; i++)
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
    test_clock_advance(1800 * 1000);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    for (uint64_t i = 0; i < 2000; i++)
        cr_assert(use_account(store, i % 200, 100, MEMSTORE_TTL_DEFAULT));
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
            use_account(store, key, 100, MEMSTORE_TTL_DEFAULT);
        test_clock_advance(15000);
    }
}

/* What missed each time hits once the advice is followed. */
static void follow_to_hits(memstore *store, const struct heard *heard, int i)
{
    cr_assert_eq(test_stats(store).hits, 0);
    follow_advice(store, heard, i);
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

Test(advice, a_miss_right_after_an_expiry_is_told_from_one_after_an_eviction)
{
    memstore *store = open_manual("15s", "1");
    struct heard heard;

    ms_testing_set_clock_lag(4);
    read_every_15_seconds(store);
    cr_assert_eq(test_stats(store).hits, 0);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "ttl.default_ttl");
    cr_assert_str_eq(heard.current[i], "15000ms");
    ms_testing_set_clock_lag(0);
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
    follow_advice(store, &heard, i);
    const int next =
        assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_TOO_SHORT, "ttl.default_ttl");
    follow_advice(store, &heard, next);
    memstore_destroy(store);
}

Test(advice, no_setting_is_named_for_ttls_that_are_given)
{
    memstore *store = open_manual("0", "1");
    struct heard heard;

    for (int round = 0; round < 20; round++) {
        for (uint64_t key = 0; key < 200; key++)
            use_account(store, key, 100, 10000);
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
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_JITTER, "ttl.jitter");
    memstore_destroy(store);
}

Test(advice, jitter_is_not_advised_where_expiries_are_spread)
{
    memstore *store = open_manual("1h", "0");

    for (uint64_t i = 0; i < 500; i++) {
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
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
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
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
        put_account(store, i, 100, MEMSTORE_TTL_DEFAULT);
    assert_advised(store, &heard, MEMSTORE_ADVICE_TTL_JITTER, "ttl.jitter");
    memstore_destroy(store);
}
