/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that make no sense: each gets its status, and nothing is changed. */
#include "support/criterion.h"
#include "stories/one_store.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static void set_up(void)
{
    store = test_open_defaults();
    assert_ok(test_set(store, "key", "value", 0));
}

TestSuite(bad_input, .init = set_up, .fini = destroy_store);

static void check_untouched(void)
{
    assert_holds(store, "key", "value");
    cr_assert_eq(memstore_size(store), 1);
}

#define assert_invalid(call) assert_status(call, MEMSTORE_ERR_INVALID_ARGUMENT)

/* Every call that takes a store and a key, given three wrong ways of both. */
static void check_key_calls(memstore *s, const void *k, size_t n)
{
    char buffer[16];
    size_t size;
    int64_t time;
    memstore_view view;

    assert_invalid(memstore_set(s, k, n, "v", 1, 0));
    assert_invalid(memstore_set_until(s, k, n, "v", 1, INT64_MAX / 4));
    assert_invalid(memstore_add(s, k, n, "v", 1, 0));
    assert_invalid(memstore_replace(s, k, n, "v", 1, 0));
    assert_invalid(memstore_compare_and_set(s, k, n, "v", 1, 0, 0));
    assert_invalid(memstore_increment(s, k, n, 1, 0, 0, &time));
    assert_invalid(memstore_get(s, k, n, buffer, sizeof buffer, &size));
    assert_invalid(memstore_get_view(s, k, n, &view));
    assert_invalid(memstore_delete(s, k, n));
    assert_invalid(memstore_has(s, k, n));
    assert_invalid(memstore_get_ttl(s, k, n, &time));
    assert_invalid(memstore_get_expiration(s, k, n, &time));
    assert_invalid(memstore_get_created(s, k, n, &time));
    assert_invalid(memstore_update_ttl(s, k, n, 1000));
}

Test(bad_input, null_and_empty_keys_and_no_store)
{
    check_key_calls(NULL, "key", 3);
    check_key_calls(store, NULL, 3);
    check_key_calls(store, NULL, 0);
    check_key_calls(store, "key", 0);
    check_untouched();
}

Test(bad_input, null_values_and_outputs)
{
    assert_invalid(memstore_set(store, "key", 3, NULL, 1, 0));
    assert_invalid(memstore_add(store, "new", 3, NULL, 1, 0));
    assert_invalid(memstore_replace(store, "key", 3, NULL, 1, 0));
    assert_invalid(memstore_compare_and_set(store, "new", 3, NULL, 1, 0, 0));
    assert_invalid(memstore_set_until(store, "key", 3, NULL, 1, INT64_MAX / 4));
    assert_invalid(memstore_get(store, "key", 3, NULL, 1, NULL));
    assert_invalid(memstore_get_view(store, "key", 3, NULL));
    assert_invalid(memstore_get_ttl(store, "key", 3, NULL));
    assert_invalid(memstore_get_expiration(store, "key", 3, NULL));
    assert_invalid(memstore_get_created(store, "key", 3, NULL));
    check_untouched();
}

static void ignore_views(const memstore_view *views, size_t n, void *context)
{
    (void)views;
    (void)n;
    ++*(unsigned *)context;
}

Test(bad_input, null_in_calls_on_several_keys)
{
    const memstore_key keys[2] = {test_key("key"), {NULL, 4}};
    const memstore_entry entries[2] = {test_entry("key", "new", 0), {{NULL, 4}, "v", 1, 0}};
    memstore_view views[2] = {{0}};
    unsigned char there[2];
    unsigned calls = 0;

    assert_invalid(memstore_set_many(store, NULL, 1));
    assert_invalid(memstore_set_many(NULL, entries, 1));
    assert_invalid(memstore_set_many(store, entries, 2));
    assert_invalid(memstore_get_many(store, NULL, 1, views, NULL));
    assert_invalid(memstore_get_many(store, keys, 1, NULL, NULL));
    assert_invalid(memstore_get_many(store, keys, 2, views, NULL));
    assert_invalid(memstore_get_many(NULL, keys, 1, views, NULL));
    assert_invalid(memstore_read_many(NULL, keys, 1, ignore_views, &calls));
    assert_invalid(memstore_read_many(store, keys, 1, NULL, &calls));
    assert_invalid(memstore_read_many(store, keys, 2, ignore_views, &calls));
    assert_invalid(memstore_read_many(store, NULL, 1, ignore_views, &calls));
    cr_assert_eq(calls, 0);
    assert_invalid(memstore_has_many(store, keys, 1, NULL, NULL));
    assert_invalid(memstore_has_many(store, keys, 2, there, NULL));
    assert_invalid(memstore_delete_many(store, NULL, 1, NULL));
    assert_invalid(memstore_delete_many(store, keys, 2, NULL));
    assert_invalid(memstore_delete_many(NULL, keys, 1, NULL));
    check_untouched();
}

Test(bad_input, null_in_batches)
{
    memstore_batch *batch = memstore_batch_new(store);

    cr_assert_null(memstore_batch_new(NULL));
    assert_invalid(memstore_batch_commit(NULL));
    assert_invalid(memstore_batch_set(NULL, "k", 1, "v", 1, 0));
    assert_invalid(memstore_batch_set(batch, NULL, 1, "v", 1, 0));
    assert_invalid(memstore_batch_set(batch, "k", 0, "v", 1, 0));
    assert_invalid(memstore_batch_set(batch, "k", 1, NULL, 1, 0));
    assert_invalid(memstore_batch_delete(batch, NULL, 1));
    assert_invalid(memstore_batch_delete(NULL, "k", 1));
    assert_invalid(memstore_batch_update_ttl(batch, "k", 0, 5));
    assert_invalid(memstore_batch_expect_version(batch, NULL, 1, 5));
    assert_invalid(memstore_batch_expect_absent(batch, "k", 0));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    check_untouched();
}

static int ignore_key(const void *key, size_t size, void *context)
{
    (void)key;
    (void)size;
    (void)context;
    return 0;
}

Test(bad_input, null_in_patterns)
{
    memstore_cursor *cursor;
    memstore_key key;
    uint64_t count;

    assert_invalid(memstore_keys(NULL, "*", 1, ignore_key, NULL));
    assert_invalid(memstore_keys(store, "*", 1, NULL, NULL));
    assert_invalid(memstore_keys(store, NULL, 1, ignore_key, NULL));
    assert_invalid(memstore_count_by_pattern(store, "*", 1, NULL));
    assert_invalid(memstore_count_by_pattern(store, NULL, 1, &count));
    assert_invalid(memstore_delete_by_pattern(NULL, "*", 1, &count));
    assert_invalid(memstore_delete_by_pattern(store, NULL, 1, &count));
    assert_invalid(memstore_cursor_new(store, "*", 1, NULL));
    assert_invalid(memstore_cursor_new(NULL, "*", 1, &cursor));
    cr_assert_null(cursor);
    assert_invalid(memstore_cursor_next(NULL, &key));
    assert_ok(memstore_cursor_new(store, "", 0, &cursor));
    assert_invalid(memstore_cursor_next(cursor, NULL));
    memstore_cursor_free(cursor);
    check_untouched();
}

Test(bad_input, null_and_ranges_in_management)
{
    memstore_stats stats = {.struct_size = sizeof stats};
    memstore_memory_stats memory = {.struct_size = sizeof memory};
    memstore_ttl_stats ttls = {.struct_size = sizeof ttls};

    assert_invalid(memstore_open(NULL, NULL));
    assert_invalid(memstore_close(NULL));
    memstore_destroy(NULL);
    assert_invalid(memstore_clear(NULL));
    cr_assert(memstore_size(NULL) == 0 && memstore_capacity(NULL) == 0 &&
              memstore_get_hit_rate(NULL) == 0);
    assert_invalid(memstore_compact(NULL, 0.5));
    assert_invalid(memstore_compact(store, -0.1));
    assert_invalid(memstore_compact(store, 1.1));
    assert_invalid(memstore_compact(store, NAN));
    assert_invalid(memstore_maintain(NULL, 0));
    assert_invalid(memstore_maintain(store, -1));
    assert_invalid(memstore_get_stats(NULL, &stats));
    assert_invalid(memstore_get_stats(store, NULL));
    assert_invalid(memstore_get_memory_stats(NULL, &memory));
    assert_invalid(memstore_get_memory_stats(store, NULL));
    assert_invalid(memstore_get_ttl_stats(NULL, &ttls));
    assert_invalid(memstore_get_ttl_stats(store, NULL));
    assert_invalid(memstore_reset_stats(NULL));
    check_untouched();
}

Test(bad_input, null_and_unknown_settings)
{
    memstore_config *config = memstore_config_new();
    static const char *const wrong[][2] = {
        {"no.such.key", "1"},
        {"", "1"},
        {"shards", "3"},
        {"shards", "0"},
        {"shards", "131072"},
        {"shards", "many"},
        {"shards", ""},
        {"shards", "-4"},
        {"shards", "1024 "},
        {"performance.memory_limit", "12parsecs"},
        {"performance.memory_limit", "-1"},
        {"performance.memory_limit", "99999999999999999999"},
        {"ttl.default_ttl", "5 apples"},
        {"ttl.default_ttl", "-5s"},
        {"ttl.default_ttl", "1MB"},
        {"ttl.ttl_precision", "fortnight"},
        {"ttl.mode", "idle"},
        {"hash_function", "md5"},
        {"eviction", "random"},
        {"ttl.store_creation_time", "maybe"},
        {"performance.gc_percent", "1.5.2"},
        {"max_entry_size", "NaN"},
        {"ttl", "1s"},
    };
    char text[32];

    assert_invalid(memstore_config_set(NULL, "shards", "1"));
    assert_invalid(memstore_config_set(config, NULL, "1"));
    assert_invalid(memstore_config_set(config, "shards", NULL));
    for (unsigned i = 0; i < TEST_COUNT_OF(wrong); i++) {
        cr_assert_eq(memstore_config_set(config, wrong[i][0], wrong[i][1]),
                     MEMSTORE_ERR_INVALID_CONFIG, "%s: %s", wrong[i][0], wrong[i][1]);
        cr_assert(strlen(memstore_config_error(config)) > 10, "%s: %s", wrong[i][0], wrong[i][1]);
    }
    assert_ok(memstore_config_get(config, "shards", text, sizeof text, NULL));
    cr_assert_str_eq(text, "1024");
    assert_status(memstore_config_get(config, "no.such.key", text, sizeof text, NULL),
                  MEMSTORE_ERR_INVALID_CONFIG);
    memstore_config_free(config);
    memstore_config_free(NULL);
    cr_assert_str_eq(memstore_config_error(NULL), "");
}

Test(bad_input, settings_that_cannot_work_are_refused_with_a_sentence)
{
    static const char *const wrong[][2] = {
        {"performance.memory_limit=1", "shards=1"},
        {"performance.memory_limit=1000", "shards=1"},
        {"performance.memory_limit=4096", "shards=1024"},
        {"ttl.min_ttl=1h", "ttl.max_ttl=1m"},
        {"ttl.min_ttl=1h", "ttl.default_ttl=1m"},
        {"ttl.max_ttl=1h", "ttl.default_ttl=2h"},
        {"performance.memory_limit=0", "hard_max_cache_size=0"},
    };

    for (unsigned i = 0; i < TEST_COUNT_OF(wrong); i++) {
        char error[256] = "";
        memstore *none = (memstore *)&none;
        const int status = test_try_open(&none, error, wrong[i][0], wrong[i][1], NULL);

        cr_assert(status == MEMSTORE_ERR_INVALID_CONFIG, "%s with %s gave %s", wrong[i][0],
                  wrong[i][1], memstore_status_name(status));
        cr_assert(strlen(error) > 20, "%s with %s: \"%s\"", wrong[i][0], wrong[i][1], error);
        cr_assert_null(none);
    }
}

Test(bad_input, the_smallest_limit_that_opens_can_hold_something)
{
    memstore *small = NULL;
    char error[256], setting[64];
    size_t limit = 4096;

    for (; small == NULL; limit += 4096) {
        snprintf(setting, sizeof setting, "performance.memory_limit=%zu", limit);
        const int status = test_try_open(&small, error, setting, "shards=1", NULL);
        cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_INVALID_CONFIG);
    }
    cr_assert(limit <= 512 * 1024, "the smallest limit is %zu", limit);
    for (unsigned i = 0; i < 5000; i++) {
        assert_ok(memstore_set(small, &i, sizeof i, "some value", 10, i % 2 == 0 ? 0 : 1000));
        assert_ok(memstore_has(small, &i, sizeof i));
    }
    memstore_destroy(small);
}

/* ---- After close ---- */

Test(bad_input, use_after_close)
{
    const memstore_key key = test_key("key");
    const memstore_entry entry = test_entry("key", "v", 0);
    memstore_view view = {0};
    memstore_stats stats = {.struct_size = sizeof stats};
    memstore_memory_stats memory = {.struct_size = sizeof memory};
    memstore_ttl_stats ttls = {.struct_size = sizeof ttls};
    memstore_batch *batch = memstore_batch_new(store);
    memstore_cursor *cursor, *second;
    unsigned char there;
    unsigned calls = 0;
    int64_t time;
    uint64_t count;

#define assert_closed(call) assert_status(call, MEMSTORE_ERR_CACHE_CLOSED)
    assert_ok(memstore_batch_set(batch, "b", 1, "v", 1, 0));
    assert_ok(memstore_cursor_new(store, "", 0, &cursor));
    assert_ok(memstore_close(store));
    assert_closed(memstore_close(store));
    assert_closed(memstore_set(store, "key", 3, "v", 1, 0));
    assert_closed(memstore_set_until(store, "key", 3, "v", 1, INT64_MAX / 4));
    assert_closed(memstore_add(store, "key", 3, "v", 1, 0));
    assert_closed(memstore_replace(store, "key", 3, "v", 1, 0));
    assert_closed(memstore_compare_and_set(store, "key", 3, "v", 1, 0, 0));
    assert_closed(memstore_increment(store, "key", 3, 1, 0, 0, NULL));
    assert_closed(memstore_get(store, "key", 3, NULL, 0, NULL));
    assert_closed(memstore_get_view(store, "key", 3, &view));
    assert_closed(memstore_delete(store, "key", 3));
    assert_closed(memstore_has(store, "key", 3));
    assert_closed(memstore_get_ttl(store, "key", 3, &time));
    assert_closed(memstore_get_expiration(store, "key", 3, &time));
    assert_closed(memstore_get_created(store, "key", 3, &time));
    assert_closed(memstore_update_ttl(store, "key", 3, 1000));
    assert_closed(memstore_set_many(store, &entry, 1));
    assert_closed(memstore_get_many(store, &key, 1, &view, NULL));
    assert_closed(memstore_read_many(store, &key, 1, ignore_views, &calls));
    assert_closed(memstore_has_many(store, &key, 1, &there, NULL));
    assert_closed(memstore_delete_many(store, &key, 1, NULL));
    assert_closed(memstore_batch_commit(batch));
    assert_closed(memstore_clear(store));
    assert_closed(memstore_compact(store, 0.5));
    assert_closed(memstore_maintain(store, 0));
    assert_closed(memstore_keys(store, "*", 1, ignore_key, NULL));
    assert_closed(memstore_count_by_pattern(store, "*", 1, &count));
    assert_closed(memstore_delete_by_pattern(store, "*", 1, &count));
    assert_closed(memstore_cursor_new(store, "*", 1, &second));
    assert_closed(memstore_cursor_next(cursor, &(memstore_key){0}));
    assert_closed(memstore_get_stats(store, &stats));
    assert_closed(memstore_get_memory_stats(store, &memory));
    assert_closed(memstore_get_ttl_stats(store, &ttls));
    assert_closed(memstore_reset_stats(store));
    cr_assert(memstore_size(store) == 0 && memstore_capacity(store) == 0 &&
              memstore_get_hit_rate(store) == 0);
    cr_assert(view.data == NULL && second == NULL && calls == 0);
    memstore_batch_free(batch);
    memstore_cursor_free(cursor);
}

/* What else is wrong with a call does not matter any more. */
Test(bad_input, bad_arguments_after_close)
{
    const memstore_key empty = {"", 0};
    const memstore_entry entry = test_entry("", "v", 0);
    memstore_latency latency = {.struct_size = sizeof latency};
    memstore_batch *batch = memstore_batch_new(store);
    memstore_subscription *subscription;
    memstore_cursor *cursor;
    memstore_lease *lease;
    memstore_view view;
    unsigned calls = 0;
    int64_t time;
    uint64_t count;
    char why[64];

    assert_ok(memstore_close(store));
    assert_closed(memstore_set(store, "", 0, "v", 1, 0));
    assert_closed(memstore_set(store, "key", 3, NULL, 1, 0));
    assert_closed(memstore_set_until(store, "", 0, "v", 1, 0));
    assert_closed(memstore_set_async(store, "", 0, "v", 1, 0));
    assert_closed(memstore_increment(store, "", 0, 1, 0, 0, NULL));
    assert_closed(memstore_delete(store, "", 0));
    assert_closed(memstore_get(store, "", 0, NULL, 0, NULL));
    assert_closed(memstore_get_view(store, "", 0, &view));
    assert_closed(memstore_has(store, "", 0));
    assert_closed(memstore_get_ttl(store, "", 0, &time));
    assert_closed(memstore_update_ttl(store, "", 0, 0));
    assert_closed(memstore_set_many(store, &entry, 1));
    assert_closed(memstore_get_many(store, &empty, 1, &view, NULL));
    assert_closed(memstore_read_many(store, &empty, 1, ignore_views, &calls));
    assert_closed(memstore_delete_many(store, &empty, 1, NULL));
    assert_closed(memstore_batch_set(batch, "", 0, "v", 1, 0));
    assert_closed(memstore_keys(store, "[", 1, ignore_key, NULL));
    assert_closed(memstore_count_by_pattern(store, "[", 1, &count));
    assert_closed(memstore_delete_by_pattern(store, "[", 1, &count));
    assert_closed(memstore_cursor_new(store, "[", 1, &cursor));
    assert_closed(memstore_compact(store, -1));
    assert_closed(memstore_maintain(store, -1));
    assert_closed(memstore_get_latency(store, 99, &latency));
    assert_closed(memstore_subscribe(store, 0, 0, &subscription));
    assert_closed(memstore_save(store, "", NULL, NULL));
    assert_closed(memstore_load(store, "", NULL, NULL));
    assert_closed(memstore_warm(store, &empty, 1, NULL, NULL, NULL));
    assert_closed(memstore_warm(store, NULL, 0, NULL, NULL, NULL));
    assert_closed(memstore_lease_acquire(store, "", 0, 0, &lease, &view));
    assert_closed(memstore_reconfigure_explained(store, NULL, NULL, why, sizeof why));
    cr_assert(cursor == NULL && subscription == NULL && lease == NULL && calls == 0);
    memstore_batch_free(batch);
}

static void *close_it(void *status)
{
    *(int *)status = memstore_close(store);
    return NULL;
}

Test(bad_input, close_from_several_threads_has_one_winner)
{
    pthread_t threads[8];
    int statuses[8];
    unsigned won = 0;

    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, close_it, &statuses[i]), 0);
    for (unsigned i = 0; i < 8; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_assert(statuses[i] == MEMSTORE_OK || statuses[i] == MEMSTORE_ERR_CACHE_CLOSED);
        won += statuses[i] == MEMSTORE_OK;
    }
    cr_assert_eq(won, 1);
}

Test(bad_input, every_status_has_a_name_and_a_sentence)
{
    cr_assert_str_eq(memstore_status_name(MEMSTORE_OK), "MEMSTORE_OK");
    cr_assert_str_eq(memstore_status_name(MEMSTORE_ERR_KEY_NOT_FOUND),
                     "MEMSTORE_ERR_KEY_NOT_FOUND");
    for (int status = 0; status >= MEMSTORE_ERR_CANCELLED; status--) {
        cr_assert(strncmp(memstore_status_name(status), "MEMSTORE_", 9) == 0);
        cr_assert_str_neq(memstore_status_name(status), "MEMSTORE_ERR_UNKNOWN");
        cr_assert(strlen(memstore_strerror(status)) > 5);
        for (int other = 0; other > status; other--)
            cr_assert_str_neq(memstore_strerror(status), memstore_strerror(other));
    }
    cr_assert_str_eq(memstore_status_name(MEMSTORE_ERR_CANCELLED - 1), "MEMSTORE_ERR_UNKNOWN");
    cr_assert_str_eq(memstore_status_name(1), "MEMSTORE_ERR_UNKNOWN");
    cr_assert_str_eq(memstore_status_name(INT_MIN), "MEMSTORE_ERR_UNKNOWN");
    cr_assert_not_null(memstore_strerror(INT_MAX));
}
