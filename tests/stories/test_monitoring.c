/* SPDX-License-Identifier: Apache-2.0 */
/* What a store tells of itself beyond its counters: latencies, rates, alerts; and that each of the
 * settings about it acts. */
#include "support/clock.h"
#include "support/criterion.h"
#include "support/locale.h"
#include "support/stopper.h"

#include "store/store.h"

#include <stdlib.h>

static memstore_latency latency_of(memstore *store, int operation)
{
    memstore_latency latency = {.struct_size = sizeof latency};

    assert_ok(memstore_get_latency(store, operation, &latency));
    return latency;
}

static void set_some(memstore *store, unsigned n)
{
    char key[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key/%u", i);
        assert_ok(test_set(store, key, "value", 0));
    }
}

static void read_some(memstore *store, unsigned hits, unsigned misses)
{
    assert_ok(test_set(store, "there", "value", 0));
    for (unsigned i = 0; i < hits; i++)
        assert_holds(store, "there", "value");
    for (unsigned i = 0; i < misses; i++)
        assert_holds(store, "absent", NULL);
}

static bool gets(memstore *store, const char *key)
{
    char buf[16];
    size_t size;

    return memstore_get(store, key, strlen(key), buf, sizeof buf, &size) == MEMSTORE_OK;
}

static void maintain_for(memstore *store, int64_t ms)
{
    test_clock_advance(ms);
    assert_ok(memstore_maintain(store, 0));
}

/* The metrics of a store, as a string. */
static char metrics[1 << 17];

static int keep(const char *data, size_t size, void *context)
{
    (void)context;
    cr_assert_lt(size, sizeof metrics);
    memcpy(metrics, data, size);
    metrics[size] = '\0';
    return 0;
}

/* ---- Reads in flight ---- */

static void read_into_nothing(void *store)
{
    size_t size;

    assert_status(memstore_get(store, "key", 3, NULL, 0, &size), MEMSTORE_ERR_BUFFER_TOO_SMALL);
}

Test(monitoring, a_reset_beside_a_read_that_is_refused_leaves_no_negative_count)
{
    memstore *store = test_open("maintenance=manual", NULL);

    assert_ok(test_set(store, "key", "value", 0));
    test_stop_at(MS_POINT_READ_FOUND, read_into_nothing, store);
    assert_ok(memstore_reset_stats(store));
    test_let_go();
    cr_assert_eq(test_stats(store).hits, 0);
    cr_assert_eq(memstore_get_hit_rate(store), 0);
    assert_holds(store, "key", "value");
    assert_holds(store, "absent", NULL);
    cr_assert_eq(test_stats(store).hits, 1);
    cr_assert_eq(test_stats(store).misses, 1);
    memstore_destroy(store);
}

static uint64_t metric_of(memstore *store, const char *name)
{
    assert_ok(memstore_metrics_text(store, keep, NULL));
    const char *const line = strstr(metrics, name);
    cr_assert_not_null(line);
    return strtoull(line + strlen(name), NULL, 10);
}

static void find_nothing(void *store)
{
    char buf[8];
    size_t size;

    assert_status(memstore_get(store, "expired", 7, buf, sizeof buf, &size),
                  MEMSTORE_ERR_KEY_NOT_FOUND);
}

Test(monitoring, counters_in_metrics_do_not_go_down_when_a_read_in_flight_misses)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", NULL);

    read_some(store, 5, 2);
    assert_ok(test_set(store, "expired", "value", 1000));
    test_clock_advance(1000);
    test_stop_at(MS_POINT_READ_FOUND, find_nothing, store);
    const uint64_t hits = metric_of(store, "\nmemstore_hits_total ");
    cr_assert_geq(hits, 5);
    test_let_go();
    cr_assert_geq(metric_of(store, "\nmemstore_hits_total "), hits);
    cr_assert_eq(metric_of(store, "\nmemstore_misses_total "), 3);
    cr_assert_eq(test_stats(store).hits, 5, "what is asked for when nobody reads is exact");
    read_some(store, 7, 0);
    cr_assert_eq(metric_of(store, "\nmemstore_hits_total "), 12);
    assert_ok(memstore_reset_stats(store));
    cr_assert_eq(metric_of(store, "\nmemstore_hits_total "), 0);
    cr_assert_eq(metric_of(store, "\nmemstore_misses_total "), 0);
    memstore_destroy(store);
}

/* ---- Entries by TTL ---- */

static memstore_ttl_stats ttls_of(memstore *store)
{
    memstore_ttl_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_ttl_stats(store, &stats));
    return stats;
}

static void set_many_with(memstore *store, const char *prefix, unsigned n, int64_t ttl_ms)
{
    char key[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%s/%u", prefix, i);
        assert_ok(test_set(store, key, "value", ttl_ms));
    }
}

/* What is in the class of a TTL. */
static uint64_t entries_with(memstore *store, int64_t ttl_ms)
{
    const memstore_ttl_stats stats = ttls_of(store);
    uint64_t found = 1;

    while (found + 1 < stats.classes && stats.from_ms[found + 1] <= (uint64_t)ttl_ms)
        found++;
    return stats.entries[found];
}

static void check_sum(memstore *store)
{
    const memstore_ttl_stats stats = ttls_of(store);
    uint64_t sum = 0;

    for (unsigned i = 0; i < MEMSTORE_TTL_CLASSES; i++)
        sum += stats.entries[i];
    cr_assert_eq(sum, memstore_size(store));
    cr_assert_eq(sum, test_stats(store).entries);
}

Test(monitoring, entries_are_counted_by_the_class_of_their_ttl)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=256MB", NULL);

    cr_assert_eq(ttls_of(store).classes, MEMSTORE_TTL_CLASSES);
    set_many_with(store, "never", 300, 0);
    set_many_with(store, "second", 200, 1500);
    set_many_with(store, "minute", 100, 60000);
    set_many_with(store, "week", 50, INT64_C(7) * 24 * 3600 * 1000);
    cr_assert_eq(ttls_of(store).entries[0], 300);
    cr_assert_eq(entries_with(store, 1500), 200);
    cr_assert_eq(entries_with(store, 60000), 100);
    cr_assert_eq(entries_with(store, INT64_C(7) * 24 * 3600 * 1000), 50);
    check_sum(store);

    assert_ok(test_delete(store, "never/7"));
    set_many_with(store, "never", 5, 60000);
    cr_assert_eq(ttls_of(store).entries[0], 294);
    cr_assert_eq(entries_with(store, 60000), 105);
    test_clock_advance(2000);
    cr_assert_eq(entries_with(store, 1500), 0, "they have expired");
    check_sum(store);
    assert_ok(memstore_clear(store));
    check_sum(store);
    memstore_destroy(store);
}

Test(monitoring, entries_by_ttl_are_all_entries_under_churn_with_what_is_kept_stale_and_batches)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=4MB",
                                "loader.max_stale=1h", NULL);
    struct test_rng rng = {test_seed("monitoring")};
    char key[32], value[2000];
    bool kept = false;

    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < 20000; i++) {
        const size_t size =
            (size_t)snprintf(key, sizeof key, "key/%u", (unsigned)test_below(&rng, 3000));
        const int64_t ttl = test_one_in(&rng, 3) ? 0 : 100 << test_below(&rng, 16);

        if (test_one_in(&rng, 20))
            memstore_delete(store, key, size);
        else if (memstore_set(store, key, size, value, test_below(&rng, sizeof value), ttl) !=
                 MEMSTORE_OK)
            assert_ok(memstore_maintain(store, 0));
        if (i % 100 == 0)
            maintain_for(store, 150);
        if (i % 500 == 0) {
            check_sum(store);
            kept |= test_memory(store).stale != 0;
        }
    }
    cr_assert(kept, "nothing that had expired was kept");
    const memstore_entry both[] = {test_entry("a", "1", 0), test_entry("b", "2", 5000)};
    assert_ok(memstore_set_many(store, both, 2));
    check_sum(store);
    memstore_destroy(store);
}

Test(monitoring, metrics_have_entries_by_ttl)
{
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=256MB", NULL);

    set_many_with(store, "never", 3, 0);
    set_many_with(store, "minute", 2, 60000);
    assert_ok(memstore_metrics_text(store, keep, NULL));
    cr_assert_not_null(strstr(metrics, "\nmemstore_ttl_entries{from=\"never\"} 3\n"), "%s",
                       metrics);
    cr_assert_not_null(strstr(metrics, "\nmemstore_ttl_entries{from=\"32\"} 2\n"), "%s", metrics);
    assert_ok(memstore_reconfigure(store, "performance.enable_memory_stats", "false"));
    assert_ok(memstore_metrics_text(store, keep, NULL));
    cr_assert_null(strstr(metrics, "ttl_entries"));
    memstore_destroy(store);
}

/* ---- Hot keys ---- */

/* What the metrics say of a key by this label; below 0 when nothing. */
static double share_of(memstore *store, const char *label)
{
    char begin[400];

    snprintf(begin, sizeof begin, "\nmemstore_hot_key_share{key=\"%s\"} ", label);
    assert_ok(memstore_metrics_text(store, keep, NULL));
    const char *found = strstr(metrics, begin);
    return found != NULL ? strtod(found + strlen(begin), NULL) : -1;
}

static unsigned hot_rows(memstore *store)
{
    unsigned rows = 0;

    assert_ok(memstore_metrics_text(store, keep, NULL));
    for (const char *row = metrics; (row = strstr(row, "\nmemstore_hot_key_share{")) != NULL; row++)
        rows++;
    return rows;
}

static void read_key(memstore *store, const void *key, size_t size, unsigned times)
{
    char value[8];
    size_t found;

    assert_ok(memstore_set(store, key, size, "v", 1, 0));
    for (unsigned i = 0; i < times; i++)
        assert_ok(memstore_get(store, key, size, value, sizeof value, &found));
}

Test(monitoring, hot_keys_are_told_while_keys_are_followed)
{
    memstore *store = test_open("maintenance=manual", NULL);

    read_key(store, "cold", 4, 4000);
    cr_assert_null(strstr((hot_rows(store), metrics), "hot_key"));
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    cr_assert_eq(hot_rows(store), 0, "nothing is read yet");
    read_key(store, "hot", 3, 6000);
    read_key(store, "warm", 4, 2000);
    cr_assert_float_eq(share_of(store, "hot"), 0.75, 0.05);
    cr_assert_float_eq(share_of(store, "warm"), 0.25, 0.05);
    cr_assert_eq(hot_rows(store), 2);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0"));
    cr_assert_eq(hot_rows(store), 0);
    memstore_destroy(store);
}

Test(monitoring, hot_keys_are_the_ten_hottest_and_none_where_all_are_alike)
{
    memstore *store =
        test_open("maintenance=manual", "monitoring.access_sample_ratio=1", "shards=16", NULL);
    char key[32];

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 2000; i++)
            read_key(store, key, (size_t)snprintf(key, sizeof key, "key/%u", i), 1);
    }
    cr_assert_eq(hot_rows(store), 0, "%s", strstr(metrics, "\nmemstore_hot_key_share{"));
    assert_ok(memstore_reset_stats(store));
    for (unsigned i = 0; i < 20; i++)
        read_key(store, key, (size_t)snprintf(key, sizeof key, "key/%u", i), 1000 + 100 * i);
    cr_assert_eq(hot_rows(store), 10);
    cr_assert(share_of(store, "key/19") > 0 && share_of(store, "key/0") < 0);
    memstore_destroy(store);
}

Test(monitoring, a_key_that_was_hot_once_is_not_told_for_ever)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "monitoring.access_sample_ratio=1", "shards=16", NULL);

    read_key(store, "yesterday", 9, 400000);
    for (unsigned i = 0; i < 12; i++) {
        test_clock_advance(10 * 60 * 1000);
        read_key(store, "today", 5, 32768);
    }
    cr_assert_gt(share_of(store, "today"), 0.95, "%s", metrics);
    cr_assert_lt(share_of(store, "yesterday"), 0.05);
    memstore_destroy(store);
}

Test(monitoring, any_bytes_of_a_hot_key_are_shown_in_a_label)
{
    static const struct {
        const char *key, *label;
    } cases[] = {
        {"a\\b", "a\\\\b"},
        {"say \"x\", {y}", "say \\\"x\\\", {y}"},
        {"two\nlines", "two\\nlines"},
        {"\xff\x01\x7f", "\\\\xff\\\\x01\\\\x7f"},
        {"caf\u00e9 \u2713 \U0001f600", "caf\u00e9 \u2713 \U0001f600"},
        {"\xe2\x9c", "\\\\xe2\\\\x9c"},
        {"\xc2\x9b[2J", "\\\\xc2\\\\x9b[2J"},
        {"\xed\xa0\x80\xc0\xaf", "\\\\xed\\\\xa0\\\\x80\\\\xc0\\\\xaf"},
    };
    const unsigned count = sizeof cases / sizeof *cases;
    memstore *store =
        test_open("maintenance=manual", "monitoring.access_sample_ratio=1", "shards=16", NULL);

    for (unsigned i = 0; i < count; i++)
        read_key(store, cases[i].key, strlen(cases[i].key), 4000);
    for (unsigned i = 0; i < count; i++)
        cr_assert_float_eq(share_of(store, cases[i].label), 1.0 / count, 0.03, "%s", metrics);
    memstore_destroy(store);
}

Test(monitoring, long_hot_keys_are_cut_between_characters)
{
    char alike[80], split[80], whole[64], label[80];
    memstore *store =
        test_open("maintenance=manual", "monitoring.access_sample_ratio=1", "shards=16", NULL);

    memset(alike, 'a', sizeof alike);
    memset(split, 's', sizeof split);
    memset(whole, 'w', sizeof whole);
    memcpy(split + 62, "\u2713", 3);
    read_key(store, alike, 70, 4000);
    read_key(store, alike, 80, 4000);
    read_key(store, split, 80, 4000);
    read_key(store, whole, 64, 4000);
    snprintf(label, sizeof label, "%.64s\u2026", alike);
    cr_assert_float_eq(share_of(store, label), 0.5, 0.05, "those that look alike are one");
    snprintf(label, sizeof label, "%.62s\u2026", split);
    cr_assert_float_eq(share_of(store, label), 0.25, 0.05);
    snprintf(label, sizeof label, "%.64s", whole);
    cr_assert_float_eq(share_of(store, label), 0.25, 0.05);
    cr_assert_eq(hot_rows(store), 3);
    memstore_destroy(store);
}

/* ---- Latencies ---- */

static void write_each_way(memstore *store)
{
    const memstore_entry entry = test_entry("many", "v", 0);
    const memstore_key key = test_key("many");
    memstore_batch *batch = memstore_batch_new(store);
    int64_t sum;

    assert_ok(test_set(store, "k", "v", 0));
    assert_status(memstore_add(store, "k", 1, "v", 1, 0), MEMSTORE_ERR_KEY_EXISTS);
    assert_ok(memstore_replace(store, "k", 1, "v", 1, 0));
    assert_status(memstore_compare_and_set(store, "k", 1, "v", 1, 0, 7),
                  MEMSTORE_ERR_VERSION_MISMATCH);
    assert_status(memstore_set_until(store, "k", 1, "v", 1, 1), MEMSTORE_ERR_TTL_EXPIRED);
    assert_ok(memstore_set_async(store, "async", 5, "v", 1, 0));
    assert_ok(memstore_set_many(store, &entry, 1));
    assert_ok(memstore_increment(store, "n", 1, 1, 0, 0, &sum));
    assert_ok(memstore_update_ttl(store, "k", 1, 60000));
    assert_ok(memstore_delete(store, "k", 1));
    assert_ok(memstore_delete_many(store, &key, 1, NULL));
    assert_ok(memstore_batch_set(batch, "b", 1, "v", 1, 0));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
}

Test(monitoring, every_write_is_measured_whatever_it_returned)
{
    memstore *store =
        test_open("monitoring.track_operation_latency=true", "maintenance=manual", NULL);

    write_each_way(store);
    for (int operation = MEMSTORE_OPERATION_SET; operation <= MEMSTORE_OPERATION_COMMIT;
         operation++) {
        const memstore_latency latency = latency_of(store, operation);
        const uint64_t calls = operation == MEMSTORE_OPERATION_SET ? 5 : 1;

        cr_assert_eq(latency.count, calls, "%s: %lu", memstore_operation_name(operation),
                     (unsigned long)latency.count);
        cr_assert(latency.one_in == 1 && latency.max_ns > 0 && latency.total_ns >= latency.max_ns);
        cr_assert(latency.p50_ns <= latency.p90_ns && latency.p90_ns <= latency.p99_ns &&
                  latency.p99_ns <= latency.p999_ns && latency.p999_ns <= latency.p9999_ns &&
                  latency.p9999_ns <= latency.max_ns);
    }
    memstore_destroy(store);
}

/* Read in each way `n` times. */
static void read_each_way(memstore *store, unsigned n)
{
    const memstore_key key = test_key("key/1");
    memstore_view view;
    unsigned char has;

    set_some(store, 2);
    for (unsigned i = 0; i < n; i++) {
        cr_assert(gets(store, "key/1"));
        assert_ok(memstore_get_view(store, "key/1", 5, &view));
        memstore_view_release(&view);
        assert_ok(test_has(store, "key/1"));
        assert_ok(memstore_get_many(store, &key, 1, &view, NULL));
        memstore_view_release(&view);
        assert_ok(memstore_has_many(store, &key, 1, &has, NULL));
    }
}

static void expect_sampled(memstore *store, unsigned n)
{
    uint64_t sampled = 0;

    for (int operation = MEMSTORE_OPERATION_GET; operation <= MEMSTORE_OPERATION_HAS; operation++) {
        const memstore_latency latency = latency_of(store, operation);

        cr_assert_eq(latency.one_in, 256);
        cr_assert_gt(latency.count, 0, "%s", memstore_operation_name(operation));
        sampled += latency.count;
    }
    cr_assert(sampled >= 3 * n / 256 - n / 500 && sampled <= 3 * n / 256 + n / 500, "%lu of %u",
              (unsigned long)sampled, 3 * n);
    cr_assert_eq(latency_of(store, MEMSTORE_OPERATION_GET_MANY).count, n);
    cr_assert_eq(latency_of(store, MEMSTORE_OPERATION_HAS_MANY).count, n);
}

Test(monitoring, one_single_read_in_256_is_measured_and_all_are_counted)
{
    /* What reads take the quick way, the general one, the whole one, and what waits for views. */
    static const char *const kinds[] = {"shards=16", "hash_function=fnv",
                                        "performance.memory_limit=1MB",
                                        "performance.max_concurrent_readers=8"};

    for (size_t i = 0; i < TEST_COUNT_OF(kinds); i++) {
        memstore *store = test_open("monitoring.track_operation_latency=true", kinds[i], NULL);

        read_each_way(store, 25600);
        expect_sampled(store, 25600);
        cr_assert_eq(test_stats(store).hits, 3 * 25600, "get, get_view and get_many each once");
        cr_assert_eq(test_stats(store).misses, 0);
        memstore_destroy(store);
    }
}

Test(monitoring, as_many_reads_are_measured_where_keys_are_followed)
{
    static const char *const ratios[] = {"0.01", "0.1", "1"};

    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        memstore *store =
            test_open("maintenance=manual", "monitoring.track_operation_latency=true", NULL);

        assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", ratios[i]));
        assert_ok(test_set(store, "key", "value", 0));
        for (unsigned n = 0; n < 256 * 100; n++)
            cr_assert(gets(store, "key"));
        const uint64_t measured = latency_of(store, MEMSTORE_OPERATION_GET).count;
        cr_assert(measured >= 90 && measured <= 110, "%lu with %s", (unsigned long)measured,
                  ratios[i]);
        memstore_destroy(store);
    }
}

Test(monitoring, a_measured_store_reads_as_any_other)
{
    memstore_view view;
    char buf[4];
    size_t size;

    test_clock_start();
    memstore *store = test_open("monitoring.track_operation_latency=true", NULL);
    for (int i = 0; i < 200; i++) {
        assert_ok(test_set(store, "mortal", "value", 1000));
        cr_assert(gets(store, "mortal"));
        assert_ok(memstore_get_view(store, "mortal", 6, &view));
        cr_assert(view.size == 5 && memcmp(view.data, "value", 5) == 0 && view.expires_at_ms != 0);
        memstore_view_release(&view);
        assert_status(memstore_get(store, "mortal", 6, buf, sizeof buf, &size),
                      MEMSTORE_ERR_BUFFER_TOO_SMALL);
        test_clock_advance(1000);
        cr_assert_not(gets(store, "mortal"));
        assert_status(memstore_get_view(store, "mortal", 6, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_status(test_has(store, "mortal"), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    cr_assert(test_stats(store).hits == 400 && test_stats(store).misses == 400);
    assert_ok(memstore_close(store));
    assert_status(memstore_get(store, "mortal", 6, buf, sizeof buf, &size),
                  MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_get_view(store, "mortal", 6, &view), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(test_has(store, "mortal"), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

static void assert_within_three_percent(const char *what, uint64_t told, uint64_t exact)
{
    const uint64_t off = told > exact ? told - exact : exact - told;

    cr_assert_leq(off * 100, exact * 3, "%s: %lu for %lu", what, (unsigned long)told,
                  (unsigned long)exact);
}

/* Durations of 1 to 100000 microseconds, each once: what is told of them is known. */
Test(monitoring, each_share_of_the_calls_is_told_within_three_percent_and_the_longest_exactly)
{
    memstore *store =
        test_open("monitoring.track_operation_latency=true", "maintenance=manual", NULL);
    enum { CALLS = 100000 };

    for (uint64_t us = 1; us <= CALLS; us++)
        ms_latency_add(&store->latency, MEMSTORE_OPERATION_COMMIT, us * 1000, UINT64_MAX);
    const memstore_latency latency = latency_of(store, MEMSTORE_OPERATION_COMMIT);
    assert_within_three_percent("p50", latency.p50_ns, 50000 * 1000);
    assert_within_three_percent("p90", latency.p90_ns, 90000 * 1000);
    assert_within_three_percent("p99", latency.p99_ns, 99000 * 1000);
    assert_within_three_percent("p99.9", latency.p999_ns, 99900 * 1000);
    assert_within_three_percent("p99.99", latency.p9999_ns, 99990 * 1000);
    cr_assert_eq(latency.max_ns, CALLS * UINT64_C(1000));
    cr_assert_eq(latency.total_ns, UINT64_C(1000) * CALLS * (CALLS + 1) / 2);
    cr_assert_eq(latency.count, CALLS);
    memstore_destroy(store);
}

/* The upper shares are told apart where they are apart. */
Test(monitoring, of_ten_thousand_calls_the_slowest_two_are_told_from_the_slowest_twenty)
{
    memstore *store =
        test_open("monitoring.track_operation_latency=true", "maintenance=manual", NULL);

    for (unsigned call = 0; call < 10000; call++)
        ms_latency_add(&store->latency, MEMSTORE_OPERATION_SET,
                       call < 8000   ? 100
                       : call < 9800 ? 1000
                       : call < 9980 ? 10000
                       : call < 9998 ? 100000
                       : call < 9999 ? 1000000
                                     : 10000000,
                       UINT64_MAX);
    const memstore_latency latency = latency_of(store, MEMSTORE_OPERATION_SET);
    assert_within_three_percent("p50", latency.p50_ns, 100);
    assert_within_three_percent("p90", latency.p90_ns, 1000);
    assert_within_three_percent("p99", latency.p99_ns, 10000);
    assert_within_three_percent("p99.9", latency.p999_ns, 100000);
    assert_within_three_percent("p99.99", latency.p9999_ns, 1000000);
    cr_assert_eq(latency.max_ns, 10000000);
    memstore_destroy(store);
}

Test(monitoring, without_tracking_nothing_is_measured_and_no_memory_taken)
{
    memstore *without = test_open("maintenance=manual", NULL);
    memstore *with =
        test_open("maintenance=manual", "monitoring.track_operation_latency=true", NULL);
    memstore_latency latency = {.struct_size = sizeof latency};

    assert_status(memstore_get_latency(without, MEMSTORE_OPERATION_GET, &latency),
                  MEMSTORE_ERR_UNSUPPORTED);
    const uint64_t more = test_memory(with).charged - test_memory(without).charged;
    /* Either store's own memory is rounded up to pages. */
    cr_assert(more + 4096 > 14 * 8 * 1024 * 2 && more < 14 * 8 * 1024 * 2 + 16384,
              "two stripes of fourteen histograms are charged: %lu", (unsigned long)more);
    cr_assert_eq(test_memory(with).limit, test_memory(without).limit);
    memstore_destroy(with);
    memstore_destroy(without);
}

Test(monitoring, reset_forgets_latencies)
{
    memstore *store = test_open("monitoring.track_operation_latency=true", NULL);

    set_some(store, 10);
    assert_ok(memstore_reset_stats(store));
    const memstore_latency latency = latency_of(store, MEMSTORE_OPERATION_SET);
    cr_assert(latency.count == 0 && latency.max_ns == 0 && latency.total_ns == 0);
    memstore_destroy(store);
}

Test(monitoring, operations_have_names_and_others_are_refused)
{
    memstore *store = test_open("monitoring.track_operation_latency=true", NULL);
    memstore_latency latency = {.struct_size = sizeof latency};

    cr_assert_str_eq(memstore_operation_name(MEMSTORE_OPERATION_GET), "get");
    cr_assert_str_eq(memstore_operation_name(MEMSTORE_OPERATION_COMMIT), "commit");
    cr_assert_null(memstore_operation_name(-1));
    cr_assert_null(memstore_operation_name(MEMSTORE_OPERATIONS));
    assert_status(memstore_get_latency(store, -1, &latency), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_latency(store, MEMSTORE_OPERATIONS, &latency),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_latency(store, 0, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_latency(NULL, 0, &latency), MEMSTORE_ERR_INVALID_ARGUMENT);
    latency.struct_size = 8;
    assert_status(memstore_get_latency(store, 0, &latency), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_close(store));
    assert_status(memstore_get_latency(store, 0, &latency), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

/* ---- Rates ---- */

Test(monitoring, rates_are_those_of_the_last_window_of_metrics_interval)
{
    test_clock_start();
    memstore *store = test_open("monitoring.metrics_interval=10s", "maintenance=manual", NULL);

    cr_assert_eq(test_rates(store).window_seconds, 0);
    set_some(store, 40);
    test_clock_advance(4000);
    cr_assert(test_rates(store).window_seconds == 4 && test_rates(store).sets == 10,
              "since it was opened, as long as no window has ended");
    set_some(store, 60);
    maintain_for(store, 6000);
    read_some(store, 30, 10);
    const memstore_rates rates = test_rates(store);
    cr_assert(rates.window_seconds == 10 && rates.sets == 10 && rates.hits == 0);
    cr_assert(rates.written_bytes > 100 && rates.memory_usage > 0 && rates.memory_usage < 1);
    test_clock_advance(20000);
    cr_assert(test_rates(store).window_seconds == 20 && test_rates(store).hits == 1.5 &&
                  test_rates(store).misses == 0.5 && test_rates(store).hit_rate == 0.75,
              "who asks ends the window");
    assert_ok(memstore_reset_stats(store));
    test_clock_advance(9999);
    cr_assert_eq(test_rates(store).hits, 1.5, "a reset of the counters is not one of the windows");
    memstore_destroy(store);
}

/* Some of everything that a store without a loader counts. */
static void do_everything(memstore *store)
{
    unsigned char *value = test_bytes(50000, 3);
    char key[32];

    for (unsigned i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "large/%u", i);
        assert_ok(memstore_set(store, key, strlen(key), value, 50000, 0));
    }
    set_many_with(store, "brief", 70, 100);
    set_many_with(store, "gone", 30, 0);
    set_many_with(store, "gone", 20, 0);
    for (unsigned i = 0; i < 30; i++) {
        snprintf(key, sizeof key, "gone/%u", i);
        assert_ok(test_delete(store, key));
    }
    for (unsigned i = 0; i < 40; i++)
        assert_status(test_set(store, "never", "v", -3), MEMSTORE_ERR_INVALID_TTL);
    read_some(store, 60, 10);
    maintain_for(store, 1000);
    free(value);
}

Test(monitoring, each_rate_is_what_was_counted_by_the_seconds_of_the_window)
{
    test_clock_start();
    memstore *store = test_open("monitoring.metrics_interval=10s", "maintenance=manual",
                                "performance.memory_limit=4MB", NULL);

    do_everything(store);
    assert_ok(memstore_compact(store, 0));
    test_clock_advance(9000);
    const memstore_rates rates = test_rates(store);
    const memstore_stats stats = test_stats(store);
    cr_assert_eq(rates.window_seconds, 10);
    cr_assert(rates.sets == 32.1 && rates.updates == 2 && rates.deletes == 3 &&
              rates.expirations == 7 && rates.rejected == 4 && rates.hits == 6 &&
              rates.misses == 1);
    cr_assert(stats.evictions > 100 && rates.evictions == stats.evictions / 10.0);
    cr_assert(stats.written_bytes > 0 && rates.written_bytes == stats.written_bytes / 10.0);
    cr_assert(stats.moved_bytes > 0 && rates.moved_bytes == stats.moved_bytes / 10.0);
    test_clock_advance(10000);
    const memstore_rates next = test_rates(store);
    cr_assert(next.sets == 0 && next.updates == 0 && next.deletes == 0 && next.evictions == 0 &&
              next.expirations == 0 && next.rejected == 0 && next.hits == 0 && next.misses == 0 &&
              next.written_bytes == 0 && next.moved_bytes == 0);
    memstore_destroy(store);
}

Test(monitoring, the_maintenance_thread_ends_windows)
{
    memstore *store = test_open("monitoring.metrics_interval=20ms", NULL);
    bool ended = false;

    for (int i = 0; i < 2000 && !ended; i++) {
        test_sleep_ms(40);
        /* Whoever asks does not end it. */
        assert_ok(memstore_reconfigure(store, "monitoring.metrics_interval", "1h"));
        ended = test_rates(store).memory_usage > 0;
        assert_ok(memstore_reconfigure(store, "monitoring.metrics_interval", "20ms"));
    }
    cr_assert(ended);
    memstore_destroy(store);
}

Test(monitoring, without_metrics_there_are_no_rates_and_no_alerts)
{
    test_clock_start();
    memstore *store = test_open("monitoring.enable_metrics=false", "maintenance=manual",
                                "monitoring.hit_rate_threshold=0.9", NULL);
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_status(memstore_get_rates(store, &rates), MEMSTORE_ERR_UNSUPPORTED);
    read_some(store, 0, 200);
    maintain_for(store, 60000);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "true"));
    cr_assert_eq(test_rates(store).alerts_raised, 0, "what was before is not judged");
    read_some(store, 0, 200);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts_raised, 1);
    assert_status(memstore_get_rates(store, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_rates(NULL, &rates), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_close(store));
    assert_status(memstore_get_rates(store, &rates), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(monitoring, windows_begin_when_metrics_are_switched_on)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.9",
                                "monitoring.memory_usage_threshold=0.9", NULL);

    read_some(store, 300, 0);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).hits, 10);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "false"));
    read_some(store, 0, 10000);
    maintain_for(store, 36000000);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "true"));
    const memstore_rates at_once = test_rates(store);
    cr_assert(at_once.window_seconds == 0 && at_once.hits == 0 && at_once.misses == 0 &&
                  at_once.alerts_raised == 0 && at_once.memory_usage == 0,
              "nothing has been counted since");
    read_some(store, 100, 0);
    test_clock_advance(10000);
    const memstore_rates soon = test_rates(store);
    cr_assert(soon.window_seconds == 10 && soon.hits == 10 && soon.misses == 0 &&
              soon.hit_rate == 1);
    assert_ok(memstore_reconfigure(store, "monitoring.metrics_interval", "30s"));
    maintain_for(store, 20000);
    const memstore_rates later = test_rates(store);
    cr_assert(later.window_seconds == 30 && later.hits == 100 / 30.0 && later.misses == 0 &&
              later.alerts_raised == 0 && later.memory_usage > 0);
    memstore_destroy(store);
}

Test(monitoring, track_hit_rate_and_track_memory_usage_can_be_off)
{
    test_clock_start();
    memstore *store = test_open(
        "maintenance=manual", "monitoring.track_hit_rate=false", "monitoring.hit_rate_threshold=1",
        "monitoring.track_memory_usage=false", "monitoring.memory_usage_threshold=0.000001", NULL);

    read_some(store, 100, 100);
    maintain_for(store, 30000);
    cr_assert(test_rates(store).hits > 0 && test_rates(store).hit_rate == 0 &&
              test_rates(store).memory_usage == 0 && test_rates(store).alerts == 0);
    assert_ok(memstore_reconfigure(store, "monitoring.track_hit_rate", "true"));
    assert_ok(memstore_reconfigure(store, "monitoring.track_memory_usage", "true"));
    read_some(store, 100, 100);
    maintain_for(store, 30000);
    cr_assert(test_rates(store).hit_rate == 0.5 && test_rates(store).memory_usage > 0);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE | MEMSTORE_ALERT_MEMORY_USAGE);
    memstore_destroy(store);
}

/* ---- Alerts ---- */

Test(monitoring, hit_rate_threshold_raises_once_and_clears_with_a_margin)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8", NULL);

    read_some(store, 10, 89);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, 0, "99 reads say little");
    read_some(store, 79, 21);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE);
    read_some(store, 10, 90);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts_raised, 1, "it was raised already");
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE, "no reads change nothing");
    read_some(store, 805, 195);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE, "barely back is not back");
    read_some(store, 81, 19);
    maintain_for(store, 30000);
    cr_assert(test_rates(store).alerts == 0 && test_rates(store).alerts_raised == 1);
    read_some(store, 10, 90);
    maintain_for(store, 30000);
    cr_assert(test_rates(store).alerts == MEMSTORE_ALERT_HIT_RATE &&
              test_rates(store).alerts_raised == 2);
    assert_ok(memstore_reconfigure(store, "monitoring.hit_rate_threshold", "0"));
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, 0, "there is no threshold any more");
    memstore_destroy(store);
}

Test(monitoring, memory_usage_threshold_raises_and_clears)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=8MB",
                                "monitoring.memory_usage_threshold=0.5", NULL);
    unsigned char *value = test_bytes(100000, 1);
    char key[16];

    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, 0);
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "large/%d", i);
        assert_ok(memstore_set(store, key, strlen(key), value, 100000, 0));
    }
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_MEMORY_USAGE);
    assert_ok(memstore_clear(store));
    maintain_for(store, 30000);
    cr_assert(test_rates(store).alerts == 0 && test_rates(store).memory_usage < 0.5);
    free(value);
    memstore_destroy(store);
}

static void set_slowly(void *store)
{
    test_set(store, "slow", "value", 0);
}

Test(monitoring, latency_threshold_raises_and_clears)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "monitoring.track_operation_latency=true",
                  "monitoring.latency_threshold=200ms", "performance.lock_timeout=20s", NULL);

    test_stop_at(MS_POINT_SHARD_LOCKED, set_slowly, store);
    test_sleep_ms(250);
    test_let_go();
    cr_assert_geq(latency_of(store, MEMSTORE_OPERATION_SET).max_ns, 250000000);
    cr_assert_eq(latency_of(store, MEMSTORE_OPERATION_SET).slow, 1);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_LATENCY);
    maintain_for(store, 30000);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_LATENCY, "nothing was measured");
    set_some(store, 2000);
    maintain_for(store, 30000);
    cr_assert(test_rates(store).alerts == 0 && test_rates(store).alerts_raised == 1);
    memstore_destroy(store);
}

/* ---- Memory ---- */

Test(monitoring, without_memory_stats_only_sums_are_told)
{
    memstore *store = test_open("performance.enable_memory_stats=false", NULL);

    set_some(store, 1000);
    const memstore_memory_stats memory = test_memory(store);
    cr_assert(memory.limit > 0 && memory.charged > 0 && memory.index > 0 &&
              memory.segment_size > 0);
    cr_assert(memory.live == 0 && memory.dead == 0 && memory.free == 0 && memory.segments == 0 &&
              memory.overhead == 0 && memory.pinned == 0 && memory.resident == 0);
    assert_ok(memstore_reconfigure(store, "performance.enable_memory_stats", "true"));
    cr_assert(test_memory(store).live > 1000 && test_memory(store).segments > 0);
    memstore_destroy(store);
}

/* ---- Metrics ---- */

static char metrics[1 << 17];

static int keep_metrics(const char *data, size_t size, void *calls)
{
    cr_assert_lt(size, sizeof metrics);
    memcpy(metrics, data, size);
    metrics[size] = '\0';
    ++*(int *)calls;
    return 0;
}

static int refuse_metrics(const char *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    (void)context;
    return 1;
}

Test(monitoring, metrics_are_one_text_with_an_end)
{
    memstore *store = test_open("monitoring.track_operation_latency=true", NULL);
    int calls = 0;

    set_some(store, 7);
    assert_ok(memstore_metrics_text(store, keep_metrics, &calls));
    cr_assert_eq(calls, 1);
    cr_assert_not_null(strstr(metrics, "# TYPE memstore_sets counter\n"));
    cr_assert_not_null(strstr(metrics, "\nmemstore_sets_total 7\n"));
    cr_assert_not_null(
        strstr(metrics, "\nmemstore_operation_duration_seconds_count{operation=\"set\"} 7\n"));
    cr_assert_str_eq(metrics + strlen(metrics) - 7, "\n# EOF\n");
    memstore_destroy(store);
}

/* A program with windows has the locale of its user. */
Test(monitoring, numbers_have_a_point_in_every_locale)
{
    memstore *store =
        test_open("monitoring.track_operation_latency=true", "monitoring.access_sample_ratio=0.5",
                  "performance.memory_limit=4MiB", NULL);
    int calls = 0;

    set_some(store, 7);
    read_some(store, 1, 1);
    if (!test_locale_comma())
        cr_skip_test("the C library reads other locales");
    assert_ok(memstore_metrics_text(store, keep_metrics, &calls));
    cr_assert_not_null(strstr(metrics, "{operation=\"set\",le=\"0.000000063\"} "), "%s", metrics);
    cr_assert_not_null(strstr(metrics, "{operation=\"set\",q=\"0.5\"} 0.0"), "%s", metrics);
    assert_ok(memstore_advise_json(store, keep_metrics, &calls));
    cr_assert_not_null(strstr(metrics, "\"access_sample_ratio\":0.5}"), "%s", metrics);
    memstore_destroy(store);
}

Test(monitoring, metrics_that_cannot_be_taken_are_an_error)
{
    memstore *store = test_open_defaults();
    int calls = 0;

    assert_status(memstore_metrics_text(store, refuse_metrics, NULL), MEMSTORE_ERR_IO);
    assert_status(memstore_metrics_text(store, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_metrics_text(NULL, keep_metrics, &calls), MEMSTORE_ERR_INVALID_ARGUMENT);
    ms_testing_fail_memory(1, true);
    assert_status(memstore_metrics_text(store, keep_metrics, &calls),
                  MEMSTORE_ERR_MEMORY_EXHAUSTED);
    ms_testing_fail_memory(0, false);
    assert_ok(memstore_close(store));
    assert_status(memstore_metrics_text(store, keep_metrics, &calls), MEMSTORE_ERR_CACHE_CLOSED);
    cr_assert_eq(calls, 0);
    memstore_destroy(store);
}
