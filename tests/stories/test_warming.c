/* SPDX-License-Identifier: Apache-2.0 */
/* Stores that are warm before they are asked: filled through a loader. */
#include "stories/snapshots.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/stopper.h"

#include <memstore/snapshot.h>

TestSuite(warming, .init = stop_clock_and_make_folder, .fini = test_folder_remove);

struct database {
    unsigned calls, keys;
    bool fails;           /* all keys of a call in which "key/100" is */
    unsigned absent_from; /* keys numbered from here do not exist */
    int64_t first_takes;  /* milliseconds, the first call */
};

static int load_rows(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    struct database *database = context;

    if (database->calls++ == 0)
        test_clock_advance(database->first_takes);
    database->keys += (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        char name[32] = "";

        memcpy(name, keys[i].data, keys[i].size);
        if (database->fails && strcmp(name, "key/100") == 0)
            return MEMSTORE_LOAD_FAILED;
        if (database->absent_from != 0 && (unsigned)atoi(name + 4) >= database->absent_from)
            continue;
        out[i].value = "loaded";
        out[i].value_size = 6;
        out[i].result = MEMSTORE_LOAD_OK;
    }
    return MEMSTORE_LOAD_OK;
}

#define ROWS 1000

static char row_names[ROWS][32];
static memstore_key row_keys[ROWS];

static memstore_loader loader_of(struct database *database)
{
    for (unsigned i = 0; i < ROWS; i++) {
        snprintf(row_names[i], sizeof row_names[i], "key/%u", i);
        row_keys[i] = test_key(row_names[i]);
    }
    return (memstore_loader){
        .struct_size = sizeof(memstore_loader), .load_many = load_rows, .context = database};
}

Test(warming, warming_loads_in_groups_what_is_not_there)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {0};
    memstore *store = open_manual();

    for (unsigned i = 0; i < ROWS; i += 2)
        assert_ok(test_set(store, row_names[i], "mine", 0));
    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching));
    cr_assert_eq(memstore_size(store), ROWS);
    assert_holds(store, "key/0", "mine");
    assert_holds(store, "key/1", "loaded");
    cr_assert_eq(database.keys, ROWS / 2);
    cr_assert_leq(database.calls, 8);
    cr_assert_eq(watching.last.phase, MEMSTORE_PHASE_WARMING);
    cr_assert_eq(watching.last.done, ROWS);
    cr_assert_eq(watching.last.total, ROWS);
    cr_assert_eq(watching.last.present, ROWS / 2);
    cr_assert_eq(watching.last.stored, ROWS / 2);
    cr_assert_geq(watching.calls, 8);
    /* Again, there is nothing to load. */
    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, NULL, NULL));
    cr_assert_eq(database.keys, ROWS / 2);
    memstore_destroy(store);
}

Test(warming, what_fails_while_warming_is_counted_and_the_rest_is_loaded)
{
    struct database database = {.fails = true, .absent_from = 900};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {0};
    memstore *store = open_manual();

    assert_status(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(watching.last.failed, 128);
    cr_assert_eq(watching.last.absent, 100);
    cr_assert_eq(watching.last.stored, ROWS - 100 - 128);
    cr_assert_eq(watching.last.done, ROWS);
    cr_assert_eq(memstore_size(store), ROWS - 100 - 128);
    memstore_destroy(store);
}

static void warm_a_store_that_refuses(const char *on_store_error)
{
    struct database database = {.absent_from = 900};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {0};
    /* "key/100" and its value are above it. */
    memstore *store = test_open("maintenance=manual", "max_entry_size=12", on_store_error, NULL);

    assert_status(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    cr_assert_eq(memstore_size(store), 100);
    cr_assert_eq(watching.last.stored, 100);
    cr_assert_eq(watching.last.absent, 100);
    cr_assert_eq(watching.last.failed, ROWS - 200);
    cr_assert_eq(watching.last.done, ROWS);
    memstore_destroy(store);
}

Test(warming, what_a_store_cannot_take_while_warming_has_failed)
{
    warm_a_store_that_refuses("loader.on_store_error=fail");
    warm_a_store_that_refuses("loader.on_store_error=bypass");
}

static void write_beside(void *context)
{
    assert_ok(test_set(context, "beside", "value", 0));
}

static int load_when_the_writer_is_gone(const void *key, size_t key_size, memstore_load_value *out,
                                        void *context)
{
    (void)key;
    (void)key_size;
    (void)context;
    test_let_go();
    out->value = "value";
    out->value_size = 5;
    return MEMSTORE_LOAD_OK;
}

/* Its shard is free again when the loader is done. */
Test(warming, a_key_that_could_not_be_looked_at_while_warming_is_not_told_as_stored)
{
    const memstore_key key = {"key", 3};
    const memstore_loader loader = {.struct_size = sizeof loader,
                                    .load = load_when_the_writer_is_gone};
    struct watching watching = {0};
    memstore *store =
        test_open("maintenance=manual", "shards=1", "performance.lock_timeout=1ms", NULL);

    test_stop_at(MS_POINT_SHARD_LOCKED, write_beside, store);
    assert_status(memstore_warm(store, &key, 1, &loader, watch, &watching),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(watching.last.stored, memstore_size(store) - 1);
    cr_assert_eq(watching.last.failed, 1);
    memstore_destroy(store);
}

/* Fails for keys of one byte and knows those of three. */
static int load_by_size(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    (void)context;
    for (size_t i = 0; i < n; i++) {
        out[i].value = "";
        if (keys[i].size == 1)
            out[i].result = MEMSTORE_LOAD_FAILED;
        else if (keys[i].size == 3)
            out[i].result = MEMSTORE_LOAD_OK;
    }
    return MEMSTORE_LOAD_OK;
}

Test(warming, keys_that_begin_at_one_address_are_told_apart_while_warming)
{
    static const char name[] = "abcd";
    const memstore_key keys[] = {{name, 1}, {name, 2}, {name, 3}, {name, 4}};
    const memstore_loader loader = {.struct_size = sizeof loader, .load_many = load_by_size};
    struct watching watching = {0};
    memstore *store = open_manual();

    assert_status(memstore_warm(store, keys, 4, &loader, watch, &watching),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(watching.last.failed, 1);
    cr_assert_eq(watching.last.absent, 2);
    cr_assert_eq(watching.last.stored, 1);
    memstore_destroy(store);
}

Test(warming, what_is_known_not_to_exist_has_not_failed_while_warming)
{
    const memstore_key keys[] = {{"a", 1}, {"ab", 2}};
    const memstore_loader loader = {.struct_size = sizeof loader, .load_many = load_by_size};
    struct watching watching = {0};
    memstore *store = open_manual();
    memstore_view view;

    assert_ok(memstore_get_or_load_many(store, &keys[1], 1, &loader, &view, NULL));
    cr_assert_null(view.data);
    assert_status(memstore_warm(store, keys, 2, &loader, watch, &watching),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(watching.last.failed == 1 && watching.last.absent == 1);
    memstore_destroy(store);
}

Test(warming, warming_stops_when_it_is_told_to)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {.stop_at = 300, .stop_phase = MEMSTORE_PHASE_WARMING};
    memstore *store = open_manual();

    assert_status(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching),
                  MEMSTORE_ERR_CANCELLED);
    cr_assert_eq(memstore_size(store), 384);
    memstore_destroy(store);
}

/* A store that a call's own functions close, and what that gave. */
struct self_closing {
    memstore *store;
    unsigned calls, refused;
};

static void close_by_release(void *context)
{
    struct self_closing *closing = context;

    closing->calls++;
    closing->refused += memstore_close(closing->store) == MEMSTORE_ERR_UNSUPPORTED;
    memstore_destroy(closing->store); /* does nothing */
}

static int load_to_close(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key;
    (void)key_size;
    out->value = "loaded";
    out->value_size = 6;
    out->release = close_by_release;
    out->release_context = context;
    return MEMSTORE_LOAD_OK;
}

static int close_by_progress(const memstore_progress *progress, void *context)
{
    (void)progress;
    close_by_release(context);
    return 0;
}

Test(warming, closing_the_store_in_a_function_that_a_call_waits_for_is_refused)
{
    struct self_closing closing = {.store = open_manual()};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = load_to_close, .context = &closing};
    const memstore_key key = test_key("key");
    unsigned calls;

    alarm(60); /* it would wait for itself */
    assert_ok(memstore_warm(closing.store, &key, 1, &loader, NULL, NULL));
    cr_assert_eq(closing.calls, 1);
    assert_ok(memstore_save(closing.store, test_path("snapshot"), close_by_progress, &closing));
    cr_assert_gt(calls = closing.calls, 1);
    assert_ok(memstore_load(closing.store, test_path("snapshot"), close_by_progress, &closing));
    cr_assert_gt(closing.calls, calls);
    cr_assert_eq(closing.refused, closing.calls);
    assert_holds(closing.store, "key", "loaded");
    memstore_destroy(closing.store);
}

/* Lets a tenth of a second pass at each report. */
static int pass_time(const memstore_progress *progress, void *context)
{
    (void)progress;
    ++*(unsigned *)context;
    test_clock_advance(100);
    return 0;
}

Test(warming, warming_goes_at_the_rate_that_is_asked_for)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    unsigned tenths = 0;
    memstore *store = test_open("loader.warm_rate=500", "maintenance=manual", NULL);
    const int64_t began = test_clock_unix();

    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, pass_time, &tenths));
    cr_assert_eq(memstore_size(store), ROWS);
    /* The last group is asked for when the others have had their time. */
    cr_assert_geq(test_clock_unix() - began, (ROWS - 51) * 1000 / 500);
    cr_assert_geq(database.calls, 19);
    memstore_destroy(store);
}

/* Lets time pass while nothing else is done. */
static int pass_time_of_waiting(const memstore_progress *progress, void *context)
{
    uint64_t *done = context;

    if (progress->done == *done)
        test_clock_advance(10);
    *done = progress->done;
    return 0;
}

Test(warming, what_warming_could_not_ask_for_in_time_is_not_asked_for_at_once)
{
    struct database database = {.first_takes = 60000};
    const memstore_loader loader = loader_of(&database);
    uint64_t done = 0;
    memstore *store = test_open("loader.warm_rate=500", "maintenance=manual", NULL);
    const int64_t began = test_clock_unix();

    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, pass_time_of_waiting, &done));
    cr_assert_geq(test_clock_unix() - began, 60000 + (ROWS - 3 * 51) * 1000 / 500);
    memstore_destroy(store);
}

/* Bounds the rate when half of the keys have been asked for without a bound. */
static int bound_later(const memstore_progress *progress, void *context)
{
    if (progress->done == ROWS / 2 / 128 * 128)
        assert_ok(memstore_reconfigure(context, "loader.warm_rate", "500"));
    if (progress->done >= ROWS / 2 / 128 * 128)
        test_clock_advance(100);
    return 0;
}

Test(warming, a_rate_that_is_set_while_keys_are_warmed_counts_those_that_follow)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    memstore *store = test_open("maintenance=manual", NULL);
    const int64_t began = test_clock_unix();

    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, bound_later, store));
    cr_assert_geq(test_clock_unix() - began, (ROWS / 2 - 2 * 51) * 1000 / 500);
    cr_assert_leq(test_clock_unix() - began, (ROWS / 2 + 5 * 51) * 1000 / 500);
    memstore_destroy(store);
}

Test(warming, bad_arguments_of_warming_are_refused)
{
    struct database database = {0};
    memstore_loader loader = loader_of(&database);
    memstore *store = open_manual();
    const memstore_key none = {"", 0};

    assert_ok(memstore_warm(store, NULL, 0, &loader, NULL, NULL));
    assert_status(memstore_warm(NULL, row_keys, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_warm(store, NULL, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_warm(store, &none, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_warm(store, row_keys, 1, NULL, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    loader.load_many = NULL;
    assert_status(memstore_warm(store, row_keys, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_close(store));
    loader.load_many = load_rows;
    assert_status(memstore_warm(store, row_keys, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}
