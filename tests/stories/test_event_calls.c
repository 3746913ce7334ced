/* SPDX-License-Identifier: Apache-2.0 */
/* A callback of events may call every function of the library: with the store whose event it hears, and
 * with what is made of it. memstore_destroy() of that store only closes it, there and in a function of
 * its log: it would wait for the function that calls it. */
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/team.h"

#include <memstore/direct.h>
#include <memstore/snapshot.h>

#include <stdatomic.h>
#include <stdlib.h>

/* ---- One function after the other ---- */

static memstore *store;
static const memstore_key key = {"key", 3};
static memstore_subscription *others; /* of a callback's own */

static int ignore_event(const memstore_event *event, void *context)
{
    (void)event;
    return context == NULL;
}

static int ignore_text(const char *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    (void)context;
    return 0;
}

static int ignore_key(const void *data, size_t size, void *context)
{
    return ignore_text(data, size, context);
}

static int ignore_progress(const memstore_progress *progress, void *context)
{
    (void)progress;
    (void)context;
    return 0;
}

static int ignore_advice(const memstore_advice *advice, void *context)
{
    (void)advice;
    (void)context;
    return 0;
}

static void ignore_views(const memstore_view *views, size_t n, void *context)
{
    (void)views;
    (void)n;
    (void)context;
}

static void ignore_record(const memstore_log_record *record, void *context)
{
    (void)record;
    (void)context;
}

static int load_value(const void *of, size_t size, memstore_load_value *out, void *context)
{
    (void)of;
    (void)size;
    (void)context;
    out->value = "loaded";
    out->value_size = 6;
    return MEMSTORE_LOAD_OK;
}

static const memstore_loader loader = {.struct_size = sizeof loader, .load = load_value};

static void read_and_write(void)
{
    memstore_view view;
    char value[100];
    int64_t number;

    CHECK_OK(memstore_set(store, "key", 3, "value", 5, 0));
    CHECK_OK(memstore_set_until(store, "key", 3, "value", 5, INT64_C(1) << 45));
    CHECK_OK(memstore_set_async(store, "async", 5, "value", 5, 0));
    CHECK_OK(memstore_flush(store));
    CHECK(memstore_add(store, "key", 3, "value", 5, 0) == MEMSTORE_ERR_KEY_EXISTS);
    CHECK_OK(memstore_replace(store, "key", 3, "value", 5, 60000));
    CHECK_OK(memstore_get(store, "key", 3, value, sizeof value, NULL));
    CHECK_OK(memstore_get_view(store, "key", 3, &view));
    CHECK_OK(memstore_compare_and_set(store, "key", 3, "value", 5, 0, view.version));
    memstore_view_release(&view);
    CHECK_OK(memstore_has(store, "key", 3));
    CHECK_OK(memstore_update_ttl(store, "key", 3, 60000));
    CHECK_OK(memstore_get_ttl(store, "key", 3, &number));
    CHECK_OK(memstore_get_expiration(store, "key", 3, &number));
    CHECK_OK(memstore_get_created(store, "key", 3, &number));
    CHECK_OK(memstore_increment(store, "number", 6, 1, 0, 0, &number));
    CHECK_OK(memstore_delete(store, "key", 3));
}

static void read_and_write_many(void)
{
    const memstore_entry entry = {.key = key, .value = "value", .value_size = 5};
    memstore_view view;
    unsigned char has;
    size_t count;

    CHECK_OK(memstore_set_many(store, &entry, 1));
    CHECK_OK(memstore_get_many(store, &key, 1, &view, &count));
    memstore_view_release_many(&view, 1);
    CHECK_OK(memstore_read_many(store, &key, 1, ignore_views, NULL));
    CHECK_OK(memstore_has_many(store, &key, 1, &has, &count));
    CHECK(memstore_delete_many(store, &key, 1, &count) == MEMSTORE_OK && count == 1);
}

static void commit_batches(void)
{
    memstore_batch *batch = memstore_batch_new(store);
    memstore_key refused;
    size_t number;

    CHECK(batch != NULL);
    CHECK_OK(memstore_batch_expect_absent(batch, "key", 3));
    CHECK_OK(memstore_batch_set(batch, "key", 3, "value", 5, 0));
    CHECK_OK(memstore_batch_commit(batch));
    CHECK_OK(memstore_batch_update_ttl(batch, "key", 3, 60000));
    CHECK_OK(memstore_batch_commit(batch));
    CHECK_OK(memstore_batch_expect_version(batch, "key", 3, 7));
    CHECK_OK(memstore_batch_delete(batch, "key", 3));
    CHECK(memstore_batch_commit(batch) == MEMSTORE_ERR_VERSION_MISMATCH);
    CHECK_OK(memstore_batch_refused(batch, &number, &refused));
    memstore_batch_free(batch);
}

static void manage(void)
{
    memstore_cursor *cursor;
    memstore_key met;
    uint64_t count;

    CHECK_OK(memstore_bound_waits(60000, NULL));
    CHECK_OK(memstore_bound_waits(-1, NULL));
    CHECK(memstore_size(store) > 0 && memstore_capacity(store) > 0);
    CHECK_OK(memstore_maintain(store, 0));
    CHECK_OK(memstore_compact(store, 1));
    CHECK_OK(memstore_keys(store, "*", 1, ignore_key, NULL));
    CHECK_OK(memstore_count_by_pattern(store, "*", 1, &count));
    CHECK_OK(memstore_cursor_new(store, "*", 1, &cursor));
    CHECK_OK(memstore_cursor_next(cursor, &met));
    memstore_cursor_free(cursor);
    CHECK_OK(memstore_delete_by_pattern(store, "ke?", 3, &count));
    CHECK_OK(memstore_clear(store));
}

static void load(void)
{
    memstore_lease *lease;
    memstore_view view;
    size_t found;

    CHECK_OK(memstore_get_or_load(store, "loaded", 6, &loader, &view));
    memstore_view_release(&view);
    CHECK_OK(memstore_get_or_load_many(store, &key, 1, &loader, &view, &found));
    memstore_view_release(&view);
    CHECK(memstore_lease_acquire(store, "leased", 6, 0, &lease, &view) == MEMSTORE_OK);
    CHECK(lease != NULL && memstore_lease_is_current(lease) == 1);
    CHECK_OK(memstore_lease_fill(lease, "value", 5, 0, &view));
    memstore_view_release(&view);
    CHECK(memstore_lease_acquire(store, "none", 4, 0, &lease, &view) == MEMSTORE_OK);
    (void)memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view);
    CHECK_OK(memstore_warm(store, &key, 1, &loader, ignore_progress, NULL));
}

static void save_and_load(void)
{
    memstore_snapshot_info info = {.struct_size = sizeof info};
    const char *const path = test_path("saved");

    CHECK_OK(memstore_save(store, path, ignore_progress, NULL));
    CHECK_OK(memstore_read_snapshot_info(path, &info));
    CHECK_OK(memstore_load(store, path, ignore_progress, NULL));
}

#define STRUCT(type) ((type[1]){{.struct_size = sizeof(type)}})

static void report(void)
{
    memstore_miss_ratio_point points[256];
    size_t count;

    CHECK_OK(memstore_get_stats(store, STRUCT(memstore_stats)));
    CHECK(memstore_get_hit_rate(store) >= 0);
    CHECK_OK(memstore_get_memory_stats(store, STRUCT(memstore_memory_stats)));
    CHECK_OK(memstore_get_ttl_stats(store, STRUCT(memstore_ttl_stats)));
    CHECK_OK(memstore_get_latency(store, MEMSTORE_OPERATION_SET, STRUCT(memstore_latency)));
    CHECK(memstore_operation_name(MEMSTORE_OPERATION_SET) != NULL);
    CHECK_OK(memstore_get_rates(store, STRUCT(memstore_rates)));
    CHECK_OK(memstore_get_event_stats(store, STRUCT(memstore_event_stats)));
    CHECK_OK(memstore_metrics_text(store, ignore_text, NULL));
    CHECK_OK(memstore_advise(store, ignore_advice, NULL));
    CHECK_OK(memstore_advise_text(store, ignore_text, NULL));
    CHECK_OK(memstore_advise_json(store, ignore_text, NULL));
    CHECK_OK(memstore_get_miss_ratio_curve(store, points, 256, &count));
    CHECK_OK(memstore_reset_stats(store));
    CHECK(memstore_strerror(0) != NULL && memstore_status_name(0) != NULL);
}

static void configure(void)
{
    memstore_config *config = memstore_config_new();
    memstore *another;
    char text[100], why[256];

    CHECK_OK(memstore_config_set(config, "max_entry_size", "900"));
    CHECK_OK(memstore_config_get(config, "max_entry_size", text, sizeof text, NULL));
    CHECK_OK(memstore_config_load_yaml(config, "shards: 4\n", 10));
    test_file_write(test_path("yaml"), "shards: 4\n", 10);
    CHECK_OK(memstore_config_load_file(config, test_path("yaml")));
    CHECK_OK(memstore_config_load_environment(config));
    CHECK(memstore_config_error(config) != NULL && memstore_config_key(0) != NULL);
    CHECK_OK(memstore_set_logger(config, MEMSTORE_LOG_ERROR, ignore_record, NULL));
    CHECK_OK(memstore_open(config, &another));
    CHECK_OK(memstore_close(another));
    memstore_destroy(another);
    memstore_config_free(config);
    CHECK_OK(memstore_get_setting(store, "max_entry_size", text, sizeof text, NULL));
    CHECK_OK(memstore_reconfigure(store, "max_entry_size", "10000"));
    CHECK_OK(memstore_reconfigure_explained(store, "max_entry_size", "10001", why, sizeof why));
}

static void reconfigure_all(void)
{
    memstore_config *config = memstore_config_new();
    char why[256];

    /* What cannot change in an open store is refused, and nothing with it. */
    CHECK_OK(memstore_config_set(config, "shards", "64"));
    CHECK(memstore_reconfigure_all(store, config, why, sizeof why) != MEMSTORE_OK);
    memstore_config_free(config);
}

static void listen(void)
{
    memstore_event event = {.struct_size = sizeof event};

    CHECK_OK(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 10, &others));
    CHECK_OK(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, ignore_event, &others));
    CHECK_OK(memstore_set(store, "key", 3, "value", 5, 0));
    CHECK_OK(memstore_delete(store, "key", 3));
    CHECK_OK(memstore_subscription_next(others, 0, &event));
    memstore_view_release(&event.value);
    CHECK(memstore_subscription_dropped(others) == 0);
    memstore_subscription_wake(others);
    memstore_subscription_close(others);
    /* Of another callback, which may not be running now: callbacks take turns. */
    CHECK_OK(memstore_off_event(store, ignore_event, &others));
}

static void look_in(void)
{
    memstore_lanes lanes;
    memstore_layout layout = {.struct_size = sizeof layout};

    /* Whether there is any for direct reads is another question. */
    if (memstore_claim_lanes(1, &lanes) == MEMSTORE_OK)
        (void)memstore_get_layout(store, &lanes, &layout);
}

static void (*const all[])(void) = {
    read_and_write, read_and_write_many, commit_batches,  manage, load,    save_and_load,
    report,         configure,           reconfigure_all, listen, look_in,
};

/* ---- In a callback ---- */

static atomic_uint calls;
static atomic_int closing = 1;

static int call_all(const memstore_event *event, void *context)
{
    (void)event;
    (void)context;
    for (unsigned i = 0; i < TEST_COUNT_OF(all); i++)
        all[i]();
    if (atomic_fetch_add(&calls, 1) < 3)
        return 0;
    atomic_store(&closing, memstore_close(store));
    return 1;
}

/* Now and then, so that what waits leaves room for what the callback is to hear itself. */
static void delete_until_closed(unsigned number, void *context)
{
    int status = MEMSTORE_OK;

    (void)number;
    (void)context;
    while (status != MEMSTORE_ERR_CACHE_CLOSED && test_team_goes_on()) {
        status = memstore_set(store, "other", 5, "value", 5, 0);
        memstore_delete(store, "other", 5);
        test_sleep_ms(1);
    }
}

static bool is_closed(void)
{
    return atomic_load(&closing) != 1;
}

Test(event_calls, a_callback_may_call_every_function_and_close_the_store, .timeout = 100)
{
    struct test_team team = {0};

    store = test_open("performance.memory_limit=8MiB", "shards=4", "ttl.store_creation_time=true",
                      "monitoring.track_operation_latency=true", "monitoring.access_sample_ratio=1",
                      NULL);
    assert_ok(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, call_all, NULL));
    test_team_start(&team, 2, delete_until_closed, NULL);
    test_team_finish_when(&team, 0, is_closed);
    assert_ok(atomic_load(&closing));
    cr_assert_eq(calls, 4, "it has answered that it wants no more");
    assert_status(test_has(store, "key"), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
    test_folder_remove();
}

/* ---- Destroying the store that calls ---- */

static atomic_uint destroyed; /* by callbacks */

static void destroy_once(void)
{
    if (atomic_load(&destroyed) == 0) {
        memstore_destroy(store);
        /* It is closed, and still there to be asked. */
        CHECK(memstore_has(store, "key", 3) == MEMSTORE_ERR_CACHE_CLOSED);
        atomic_store(&destroyed, 1);
    }
}

static int destroy_by_event(const memstore_event *event, void *context)
{
    CHECK(event->kind == *(const uint32_t *)context);
    destroy_once();
    return 0;
}

static void destroy_by_record(const memstore_log_record *record, void *context)
{
    (void)context;
    if (strcmp(record->event, "reconfigured") == 0)
        destroy_once();
}

static int destroy_by_loader(const void *of, size_t size, memstore_load_value *out, void *context)
{
    memstore_destroy(store);
    return load_value(of, size, out, context);
}

/* The store is what a callback has left of it; this is who may destroy it. */
static void expect_closed_and_destroy(void)
{
    TEST_AWAIT(atomic_load(&destroyed) != 0);
    assert_status(test_has(store, "key"), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_close(store), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(event_calls, to_destroy_the_store_closes_it)
{
    const uint32_t kind = MEMSTORE_EVENT_DELETED;

    store = test_open("shards=4", NULL);
    assert_ok(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, destroy_by_event, (void *)&kind));
    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_delete(store, "key", 3));
    expect_closed_and_destroy();
}

Test(event_calls, to_destroy_the_store_by_an_alert_closes_it)
{
    const uint32_t kind = MEMSTORE_EVENT_ALERT;

    test_clock_start();
    store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8", NULL);
    assert_ok(memstore_on_event(store, MEMSTORE_EVENT_ALERT, destroy_by_event, (void *)&kind));
    for (int i = 0; i < 100; i++)
        assert_holds(store, "absent", NULL);
    test_clock_advance(30000);
    (void)memstore_maintain(store, 0); /* the callback closes the store meanwhile */
    expect_closed_and_destroy();
}

Test(event_calls, to_destroy_the_store_by_a_line_of_its_log_closes_it)
{
    memstore_config *config = memstore_config_new();

    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, destroy_by_record, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    (void)memstore_reconfigure(store, "ttl.max_ttl", "1h");
    expect_closed_and_destroy();
}

Test(event_calls, to_destroy_the_store_by_its_loader_does_nothing)
{
    const memstore_loader destroys = {.struct_size = sizeof destroys, .load = destroy_by_loader};
    memstore_view view;

    store = test_open("shards=4", NULL);
    assert_ok(memstore_get_or_load(store, "loaded", 6, &destroys, &view));
    memstore_view_release(&view);
    assert_holds(store, "loaded", "loaded");
    memstore_destroy(store);
}

Test(event_calls, to_destroy_a_closed_store_by_its_loader_does_nothing)
{
    const memstore_loader destroys = {.struct_size = sizeof destroys, .load = destroy_by_loader};
    memstore_view view;

    store = test_open("shards=4", NULL);
    assert_ok(memstore_close(store));
    assert_ok(memstore_get_or_load(store, "loaded", 6, &destroys, &view));
    cr_assert(view.size == 6 && memcmp(view.data, "loaded", 6) == 0);
    memstore_view_release(&view);
    assert_status(memstore_close(store), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

/* ---- Taking a callback away that closes the store ---- */

static atomic_bool taken_away;

static int close_by_event(const memstore_event *event, void *context)
{
    (void)event;
    (void)context;
    CHECK_OK(memstore_close(store));
    return 0;
}

static void take_away_by_record(const memstore_log_record *record, void *context)
{
    (void)context;
    if (strcmp(record->event, "closed") != 0)
        return;
    CHECK_OK(memstore_off_event(store, close_by_event, NULL));
    atomic_store(&taken_away, true);
}

Test(event_calls, the_function_of_the_log_may_take_the_callback_away_that_closes_the_store)
{
    memstore_config *config = memstore_config_new();

    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, take_away_by_record, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    assert_ok(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, close_by_event, NULL));
    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_delete(store, "key", 3));
    TEST_AWAIT(atomic_load(&taken_away));
    memstore_destroy(store);
}

/* ---- And this is every function ---- */

/* As a string, for free(). */
static char *read_source(const char *name)
{
    const char *const root = getenv("MEMSTORE_SOURCE_ROOT");
    char path[4096];
    size_t size;

    snprintf(path, sizeof path, "%s/%s", root != NULL ? root : ".", name);
    char *const bytes = test_file_read(path, &size);
    cr_assert_not_null(bytes, "%s", path);
    char *const text = strndup(bytes, size);
    free(bytes);
    return text;
}

Test(event_calls, no_function_is_left_out)
{
    char *const map = read_source("lib/memstore.map");
    char *const calls_made = read_source("tests/stories/test_event_calls.c");
    unsigned functions = 0;

    for (char *line = strtok(map, "\n;"); line != NULL; line = strtok(NULL, "\n;")) {
        char call[100];

        line += strspn(line, " ");
        /* Who forks is told by another header. */
        if (strncmp(line, "memstore_", 9) != 0 || strcmp(line, "memstore_fork_members") == 0)
            continue;
        functions++;
        snprintf(call, sizeof call, "%s(", line);
        cr_assert_not_null(strstr(calls_made, call), "%s is not called", line);
    }
    cr_assert_gt(functions, 90);
    free(map);
    free(calls_made);
}
