/* SPDX-License-Identifier: Apache-2.0 */
/* Loading what is not there: once for all who ask, never what was overtaken, and without standing
 * still for ever. */
#include "store/store.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/process.h"
#include "support/stopper.h"

#include <memstore/snapshot.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A database of one row, or none: what a loader's context is. */
struct row {
    memstore *store;
    const char *value; /* NULL = there is no such row */
    int64_t ttl_ms;
    unsigned failures; /* calls that ask for a retry before one succeeds */
    bool fails;
    int (*during)(struct row *row); /* called by the loader */
    int during_status;
    const memstore_loader *loader;
    atomic_uint calls;
    atomic_uint released;
    atomic_bool may_end;
};

static void count_release(void *context)
{
    atomic_fetch_add(&((struct row *)context)->released, 1);
}

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct row *row = context;
    const unsigned call = atomic_fetch_add(&row->calls, 1) + 1;

    (void)key;
    (void)key_size;
    if (row->during != NULL)
        row->during_status = row->during(row);
    if (row->fails)
        return MEMSTORE_LOAD_FAILED;
    if (call <= row->failures)
        return MEMSTORE_LOAD_RETRY;
    if (row->value == NULL)
        return MEMSTORE_LOAD_ABSENT;
    out->value = row->value;
    out->value_size = strlen(row->value);
    out->ttl_ms = row->ttl_ms;
    out->release = count_release;
    out->release_context = row;
    return MEMSTORE_LOAD_OK;
}

static memstore_loader loader_of(struct row *row)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader), .load = load, .context = row};
}

static int get_or_load(memstore *store, const char *key, struct row *row, memstore_view *view)
{
    const memstore_loader loader = loader_of(row);

    return memstore_get_or_load(store, key, strlen(key), &loader, view);
}

static bool shows(const memstore_view *view, const char *value)
{
    return view->data != NULL && view->size == strlen(value) &&
           memcmp(view->data, value, view->size) == 0;
}

/* Load and compare; releases the view. */
static void assert_loads(memstore *store, const char *key, struct row *row, const char *value)
{
    memstore_view view;

    assert_ok(get_or_load(store, key, row, &view));
    cr_assert(shows(&view, value));
    memstore_view_release(&view);
}

static void wait_for_calls(struct row *row, unsigned calls)
{
    TEST_AWAIT(atomic_load(&row->calls) >= calls);
}

/* A loader that waits until the test lets it end. */
static int wait_for_leave(struct row *row)
{
    while (!atomic_load(&row->may_end))
        test_sleep_ms(1); /* at rest, which test_fork() waits for */
    return MEMSTORE_OK;
}

/* A call in a thread of its own. */
struct caller {
    pthread_t thread;
    memstore *store;
    const char *key;
    struct row *row;
    int64_t wait_ms;
    memstore_view view;
    int status;
    atomic_bool ended;
};

static void *call_loading(void *context)
{
    struct caller *caller = context;
    memstore_loader loader = loader_of(caller->row);

    loader.wait_ms = caller->wait_ms;
    caller->status = memstore_get_or_load(caller->store, caller->key, strlen(caller->key), &loader,
                                          &caller->view);
    atomic_store(&caller->ended, true);
    return NULL;
}

static void start(struct caller *caller, memstore *store, const char *key, struct row *row)
{
    *caller = (struct caller){.store = store, .key = key, .row = row};
    cr_assert_eq(pthread_create(&caller->thread, NULL, call_loading, caller), 0);
}

static int result_of(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    return caller->status;
}

static uint32_t count_references(memstore *store)
{
    struct ms_flight **list;
    size_t count = 0;
    uint32_t references = 0;
    memstore_view left;

    cr_assert(ms_flights_list(&store->flights, &list, &count));
    ms_mutex_lock(&store->flights.lock);
    for (size_t i = 0; i < count; i++)
        references += list[i]->references - 1;
    ms_mutex_unlock(&store->flights.lock);
    for (size_t i = 0; i < count; i++)
        ms_flight_drop(list[i], &left);
    free(list);
    return references;
}

/* Until so many threads wait for loads in flight. */
static void wait_for_references(memstore *store, uint32_t references)
{
    TEST_AWAIT(count_references(store) >= references);
}

static memstore *open_manual(void)
{
    return test_open("maintenance=manual", NULL);
}

/* ---- One load ---- */

Test(loading, what_is_not_there_is_loaded_stored_and_handed_out)
{
    memstore *store = open_manual();
    struct row row = {.value = "row", .ttl_ms = 1000};
    memstore_view view, again;

    assert_ok(get_or_load(store, "key", &row, &view));
    cr_assert(shows(&view, "row") && view.version != 0 && view.expires_at_ms != 0);
    assert_holds(store, "key", "row");
    assert_ok(memstore_get_view(store, "key", 3, &again));
    cr_assert(again.data == view.data && again.version == view.version);
    memstore_view_release(&view);
    memstore_view_release(&again);
    assert_loads(store, "key", &row, "row");
    cr_assert(row.calls == 1 && row.released == 1);
    cr_assert(test_stats(store).loads == 1 && test_stats(store).loads_overtaken == 0);
    cr_assert_eq(test_memory(store).pinned, 0);
    memstore_destroy(store);
}

#define MANY 1000

Test(loading, many_threads_that_miss_one_key_load_it_once)
{
    memstore *store = open_manual();
    struct row row = {.value = "row", .during = wait_for_leave};
    struct caller *callers = calloc(MANY, sizeof *callers);

    start(&callers[0], store, "key", &row);
    wait_for_calls(&row, 1);
    for (unsigned i = 1; i < MANY; i++)
        start(&callers[i], store, "key", &row);
    wait_for_references(store, MANY);
    atomic_store(&row.may_end, true);
    for (unsigned i = 0; i < MANY; i++) {
        assert_ok(result_of(&callers[i]));
        cr_assert(shows(&callers[i].view, "row"));
        memstore_view_release(&callers[i].view);
    }
    cr_assert(row.calls == 1 && test_stats(store).loads == 1);
    cr_assert_eq(test_stats(store).loads_coalesced, MANY - 1);
    cr_assert_eq(test_memory(store).pinned, 0);
    memstore_destroy(store);
    free(callers);
}

Test(loading, a_load_of_one_key_does_not_hold_up_another)
{
    memstore *store = open_manual();
    struct row slow = {.value = "slow", .during = wait_for_leave}, quick = {.value = "quick"};
    struct caller caller;

    start(&caller, store, "slow", &slow);
    wait_for_calls(&slow, 1);
    assert_loads(store, "quick", &quick, "quick");
    atomic_store(&slow.may_end, true);
    assert_ok(result_of(&caller));
    memstore_view_release(&caller.view);
    memstore_destroy(store);
}

Test(loading, a_value_that_expires_at_once_still_reaches_those_who_wait)
{
    test_clock_start();
    memstore *store = open_manual();
    struct row row = {.value = "brief", .ttl_ms = 1, .during = wait_for_leave};
    struct caller leader, waiter;

    start(&leader, store, "key", &row);
    wait_for_calls(&row, 1);
    start(&waiter, store, "key", &row);
    wait_for_references(store, 2);
    atomic_store(&row.may_end, true);
    assert_ok(result_of(&leader));
    test_clock_advance(10);
    assert_ok(result_of(&waiter));
    cr_assert(shows(&waiter.view, "brief") && shows(&leader.view, "brief"));
    assert_holds(store, "key", NULL);
    memstore_view_release(&leader.view);
    memstore_view_release(&waiter.view);
    memstore_destroy(store);
}

Test(loading, a_waiter_that_gives_up_does_not_harm_the_load)
{
    memstore *store = open_manual();
    struct row row = {.value = "row", .during = wait_for_leave};
    memstore_loader impatient = loader_of(&row);
    struct caller leader;
    memstore_view view;

    impatient.wait_ms = 20;
    start(&leader, store, "key", &row);
    wait_for_calls(&row, 1);
    assert_status(memstore_get_or_load(store, "key", 3, &impatient, &view),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(view.data == NULL && view.pin == NULL);
    atomic_store(&row.may_end, true);
    assert_ok(result_of(&leader));
    memstore_view_release(&leader.view);
    assert_holds(store, "key", "row");
    cr_assert_eq(row.calls, 1);
    memstore_destroy(store);
}

/* ---- Invalidation wins ---- */

static int by_set(struct row *row)
{
    return test_set(row->store, "key", "newer", 0);
}
static int by_add(struct row *row)
{
    return memstore_add(row->store, "key", 3, "newer", 5, 0);
}
static int by_cas(struct row *row)
{
    return memstore_compare_and_set(row->store, "key", 3, "newer", 5, 0, 0);
}
static int by_set_until(struct row *row)
{
    return memstore_set_until(row->store, "key", 3, "newer", 5, INT64_C(1) << 45);
}
static int by_set_async(struct row *row)
{
    return memstore_set_async(row->store, "key", 3, "newer", 5, 0);
}
static int by_batch(struct row *row)
{
    const memstore_entry entries[] = {test_entry("other", "x", 0), test_entry("key", "newer", 0)};

    return memstore_set_many(row->store, entries, 2);
}
static int by_increment(struct row *row)
{
    return memstore_increment(row->store, "key", 3, 1, 0, 0, NULL);
}
static int by_delete(struct row *row)
{
    return test_delete(row->store, "key");
}
static int by_delete_many(struct row *row)
{
    const memstore_key keys[] = {test_key("other"), test_key("key")};

    return memstore_delete_many(row->store, keys, 2, NULL);
}
static int by_clear(struct row *row)
{
    return memstore_clear(row->store);
}
static int by_pattern(struct row *row)
{
    return memstore_delete_by_pattern(row->store, "k*", 2, NULL);
}
static int by_other_pattern(struct row *row)
{
    return memstore_delete_by_pattern(row->store, "x*", 2, NULL);
}
static int by_writing_another_key(struct row *row)
{
    return test_set(row->store, "another", "v", 0);
}

static const struct {
    const char *name;
    int (*during)(struct row *row);
    int status;
    const char *left; /* under the key afterwards */
} invalidations[] = {
    {"set", by_set, MEMSTORE_OK, "newer"},
    {"add", by_add, MEMSTORE_OK, "newer"},
    {"compare_and_set", by_cas, MEMSTORE_OK, "newer"},
    {"set_until", by_set_until, MEMSTORE_OK, "newer"},
    {"set_async", by_set_async, MEMSTORE_OK, "newer"},
    {"set_many", by_batch, MEMSTORE_OK, "newer"},
    {"increment", by_increment, MEMSTORE_OK, "1"},
    {"delete", by_delete, MEMSTORE_ERR_KEY_NOT_FOUND, NULL},
    {"delete_many", by_delete_many, MEMSTORE_OK, NULL},
    {"clear", by_clear, MEMSTORE_OK, NULL},
    {"delete_by_pattern", by_pattern, MEMSTORE_OK, NULL},
};

Test(loading, each_kind_of_write_during_a_load_wins_over_it)
{
    for (size_t i = 0; i < TEST_COUNT_OF(invalidations); i++) {
        memstore *store = open_manual();
        struct row row = {.store = store, .value = "older", .during = invalidations[i].during};

        assert_loads(store, "key", &row, "older");
        cr_assert_eq(row.during_status, invalidations[i].status, "%s", invalidations[i].name);
        cr_assert(test_holds(store, "key", invalidations[i].left), "%s", invalidations[i].name);
        cr_assert(test_stats(store).loads_overtaken == 1, "%s", invalidations[i].name);
        cr_assert_eq(test_memory(store).pinned, 0);
        memstore_destroy(store);
    }
}

Test(loading, writes_of_other_keys_leave_a_load_alone)
{
    int (*const others[])(struct row *) = {by_other_pattern, by_writing_another_key};

    for (size_t i = 0; i < 2; i++) {
        memstore *store = open_manual();
        struct row row = {.store = store, .value = "row", .during = others[i]};

        assert_loads(store, "key", &row, "row");
        assert_holds(store, "key", "row");
        cr_assert_eq(test_stats(store).loads_overtaken, 0);
        memstore_destroy(store);
    }
}

Test(loading, who_asks_after_an_invalidation_gets_a_load_of_his_own)
{
    memstore *store = open_manual();
    struct row older = {.value = "older", .during = wait_for_leave}, newer = {.value = "newer"};
    struct caller before;

    start(&before, store, "key", &older);
    wait_for_calls(&older, 1);
    assert_status(test_delete(store, "key"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_loads(store, "key", &newer, "newer");
    atomic_store(&older.may_end, true);
    assert_ok(result_of(&before));
    cr_assert(shows(&before.view, "older"));
    memstore_view_release(&before.view);
    assert_holds(store, "key", "newer");
    memstore_destroy(store);
}

/* ---- Loaders that use the store ---- */

static int load_same_key(struct row *row)
{
    struct row inner = {.value = "inner"};
    memstore_view view;

    return get_or_load(row->store, "key", &inner, &view);
}

static int load_other_key(struct row *row)
{
    struct row inner = {.value = "inner"};
    memstore_view view;
    const int status = get_or_load(row->store, "other", &inner, &view);

    memstore_view_release(&view);
    return status;
}

static int close_from_within(struct row *row)
{
    return memstore_close(row->store);
}

Test(loading, a_loader_that_asks_for_its_own_key_is_refused_at_once)
{
    memstore *store = open_manual();
    struct row row = {.store = store, .value = "row", .during = load_same_key};

    assert_loads(store, "key", &row, "row");
    cr_assert_eq(row.during_status, MEMSTORE_ERR_LOADER_FAILED);
    assert_holds(store, "key", "row");
    memstore_destroy(store);
}

Test(loading, a_loader_may_load_another_key_even_with_one_place)
{
    memstore *store = test_open("maintenance=manual", "loader.max_loads=1", NULL);
    struct row row = {.store = store, .value = "row", .during = load_other_key};

    assert_loads(store, "key", &row, "row");
    assert_ok(row.during_status);
    assert_holds(store, "other", "inner");
    memstore_destroy(store);
}

Test(loading, closing_the_store_in_a_loader_is_refused)
{
    memstore *store = open_manual();
    struct row row = {.store = store, .value = "row", .during = close_from_within};

    assert_loads(store, "key", &row, "row");
    cr_assert_eq(row.during_status, MEMSTORE_ERR_UNSUPPORTED);
    assert_holds(store, "key", "row");
    memstore_destroy(store);
}

/* Two loaders that each wait until both run, then ask for the other's key. */
static atomic_uint at_once;
static const char *const circle_keys[] = {"one", "two"};

static int load_the_others_key(struct row *row)
{
    struct row inner = {.value = "inner"};
    memstore_view view;
    const char *other = circle_keys[row->ttl_ms == 1];

    atomic_fetch_add(&at_once, 1);
    TEST_AWAIT(atomic_load(&at_once) >= 2);
    const int status = get_or_load(row->store, other, &inner, &view);
    memstore_view_release(&view);
    return status;
}

Test(loading, loaders_that_wait_for_each_other_are_told_so)
{
    memstore *store = open_manual();
    struct row one = {.store = store, .value = "1", .ttl_ms = 1, .during = load_the_others_key};
    struct row two = {.store = store, .value = "2", .ttl_ms = 2, .during = load_the_others_key};
    struct caller callers[2];

    start(&callers[0], store, "one", &one);
    start(&callers[1], store, "two", &two);
    assert_ok(result_of(&callers[0]));
    assert_ok(result_of(&callers[1]));
    /* One of them was refused; that one's load then ended, and the other got its value. */
    cr_assert((one.during_status == MEMSTORE_ERR_LOADER_FAILED) !=
              (two.during_status == MEMSTORE_ERR_LOADER_FAILED));
    memstore_view_release(&callers[0].view);
    memstore_view_release(&callers[1].view);
    memstore_destroy(store);
}

/* ---- Failures ---- */

Test(loading, those_who_wait_for_a_load_that_fails_are_told_and_the_next_tries_anew)
{
    memstore *store = open_manual();
    struct row row = {.fails = true, .during = wait_for_leave}, good = {.value = "row"};
    struct caller leader, waiter;

    start(&leader, store, "key", &row);
    wait_for_calls(&row, 1);
    start(&waiter, store, "key", &row);
    wait_for_references(store, 2);
    atomic_store(&row.may_end, true);
    assert_status(result_of(&leader), MEMSTORE_ERR_LOADER_FAILED);
    assert_status(result_of(&waiter), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(row.calls == 1 && test_stats(store).load_failures == 1);
    assert_loads(store, "key", &good, "row");
    memstore_destroy(store);
}

Test(loading, a_loader_that_asks_for_it_is_called_again)
{
    memstore *store = test_open("maintenance=manual", "loader.retry_initial=1ms", NULL);
    struct row row = {.value = "row", .failures = 3};

    assert_loads(store, "key", &row, "row");
    cr_assert(row.calls == 4 && test_stats(store).load_retries == 3);
    memstore_destroy(store);
}

static int take_a_second(struct row *row)
{
    (void)row;
    test_clock_advance(1000);
    return MEMSTORE_OK;
}

Test(loading, retries_end_with_loader_timeout)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.retry_initial=0", "loader.timeout=5s", NULL);
    struct row row = {.value = "row", .failures = 1000, .during = take_a_second};
    memstore_view view;

    assert_status(get_or_load(store, "key", &row, &view), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(row.calls, 5);
    const memstore_stats stats = test_stats(store);
    cr_assert(stats.loads_timed_out == 1 && stats.load_failures == 1);
    memstore_destroy(store);
}

Test(loading, a_load_that_fails_at_once_has_not_timed_out)
{
    memstore *store = test_open("maintenance=manual", NULL);
    struct row row = {.fails = true};
    memstore_view view;

    assert_status(get_or_load(store, "key", &row, &view), MEMSTORE_ERR_LOADER_FAILED);
    const memstore_stats stats = test_stats(store);
    cr_assert(stats.loads_timed_out == 0 && stats.load_failures == 1);
    memstore_destroy(store);
}

Test(loading, a_retry_waits_for_its_pause)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.retry_initial=10000h",
                                "loader.retry_max=10000h", "loader.timeout=0", NULL);
    struct row row = {.value = "row", .failures = 1};
    struct caller caller;

    start(&caller, store, "key", &row);
    wait_for_calls(&row, 1);
    test_sleep_ms(300); /* the clock stands still, and so does the load */
    cr_assert_eq(row.calls, 1);
    /* Again, should the pause only begin by now. */
    TEST_AWAIT((test_clock_advance(INT64_C(10001) * 3600 * 1000), atomic_load(&row.calls) >= 2));
    assert_ok(result_of(&caller));
    cr_assert_eq(row.calls, 2);
    memstore_view_release(&caller.view);
    memstore_destroy(store);
}

/* ---- What does not exist ---- */

Test(loading, that_a_key_does_not_exist_is_remembered_for_negative_ttl)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.negative_ttl=10s", NULL);
    struct row none = {.value = NULL};
    memstore_view view;

    for (unsigned i = 0; i < 3; i++)
        assert_status(get_or_load(store, "key", &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(none.calls, 1);
    test_clock_advance(9999);
    assert_status(get_or_load(store, "key", &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert(none.calls == 1 && test_stats(store).absent_served == 3);
    test_clock_advance(1);
    assert_status(get_or_load(store, "key", &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert(none.calls == 2 && test_stats(store).absent_loaded == 2);
    cr_assert_eq(memstore_size(store), 0);
    memstore_destroy(store);
}

Test(loading, each_kind_of_write_ends_what_is_remembered)
{
    for (size_t i = 0; i < TEST_COUNT_OF(invalidations); i++) {
        memstore *store = open_manual();
        struct row none = {.value = NULL}, row = {.store = store, .value = "row"};
        const char *left = invalidations[i].left != NULL ? invalidations[i].left : "row";
        memstore_view view;

        assert_status(get_or_load(store, "key", &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
        cr_assert_eq(invalidations[i].during(&row), invalidations[i].status);
        assert_ok(memstore_flush(store));
        assert_loads(store, "key", &row, left);
        memstore_destroy(store);
    }
}

Test(loading, that_a_key_does_not_exist_is_not_remembered_when_it_was_written_meanwhile)
{
    memstore *store = open_manual();
    struct row none = {.store = store, .during = by_delete}, row = {.value = "row"};
    memstore_view view;

    assert_status(get_or_load(store, "key", &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_loads(store, "key", &row, "row");
    memstore_destroy(store);
}

/* ---- The store fails ---- */

Test(loading, what_the_store_cannot_take_is_handed_out_all_the_same)
{
    memstore *store = test_open("maintenance=manual", "max_entry_size=8", NULL);
    struct row row = {.value = "much too large a value", .during = wait_for_leave};
    struct caller leader, waiter;

    start(&leader, store, "key", &row);
    wait_for_calls(&row, 1);
    start(&waiter, store, "key", &row);
    wait_for_references(store, 2);
    atomic_store(&row.may_end, true);
    assert_ok(result_of(&leader));
    assert_ok(result_of(&waiter));
    cr_assert(shows(&leader.view, row.value) && shows(&waiter.view, row.value));
    cr_assert(leader.view.version != 0);
    assert_holds(store, "key", NULL);
    cr_assert_eq(store->flights.kept_bytes, strlen(row.value));
    memstore_view_release(&leader.view);
    assert_ok(memstore_close(store));
    cr_assert(shows(&waiter.view, row.value), "a view outlives the closing");
    memstore_view_release(&waiter.view);
    cr_assert_eq(store->flights.kept_bytes, 0);
    memstore_destroy(store);
}

Test(loading, a_closed_store_falls_through_to_the_loader)
{
    memstore *store = open_manual();
    struct row row = {.value = "row"}, none = {.value = NULL};
    memstore_view view;

    assert_ok(memstore_close(store));
    assert_loads(store, "key", &row, "row");
    assert_loads(store, "key", &row, "row");
    assert_status(get_or_load(store, "key", &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(row.calls, 2);
    memstore_destroy(store);
}

Test(loading, with_on_store_error_fail_the_error_is_told)
{
    memstore *store =
        test_open("maintenance=manual", "max_entry_size=8", "loader.on_store_error=fail", NULL);
    struct row row = {.value = "much too large a value"};
    memstore_view view;

    assert_status(get_or_load(store, "key", &row, &view), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_ok(memstore_close(store));
    assert_status(get_or_load(store, "key", &row, &view), MEMSTORE_ERR_CACHE_CLOSED);
    cr_assert(row.calls == 1 && row.released == 1);
    memstore_destroy(store);
}

/* Write until a store whose reader stands still has nothing left to reuse, and what it says then. That
 * the maintenance thread had a shard's lock for too long is something else. */
static int write_until_refused(memstore *store)
{
    unsigned char value[1000] = {0};
    int status = MEMSTORE_OK;

    for (uint64_t key = 0; status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT; key++)
        status = memstore_set(store, &key, sizeof key, value, sizeof value, 0);
    return status;
}

static void read_first(void *store)
{
    const uint64_t key = 0;
    unsigned char value[1000];

    (void)memstore_get(store, &key, sizeof key, value, sizeof value, NULL);
}

/* Load until something else is told than that a shard's lock was held, and count that load alone. */
static int load_despite_locks(memstore *store, struct row *row, memstore_view *view)
{
    const unsigned calls = row->calls, released = row->released;
    int status;

    while ((status = get_or_load(store, "key", row, view)) == MEMSTORE_ERR_LOCK_TIMEOUT) {
        atomic_store(&row->calls, calls);
        atomic_store(&row->released, released);
    }
    return status;
}

/* A row that is loaded while a reader that stands still keeps all memory from being reused. Of what is too little for
 * a segment there are some kilobytes, which note the load. */
static int load_under_pressure(const char *on_store_error, struct row *row)
{
    memstore *store = test_open("performance.memory_limit=1028KiB", "performance.lock_timeout=5ms",
                                on_store_error, NULL);
    memstore_view view = {0};

    assert_ok(memstore_set(store, &(uint64_t){0}, 8, "first", 5, 0));
    test_stop_at(MS_POINT_READ_FOUND, read_first, store);
    assert_status(write_until_refused(store), MEMSTORE_ERR_GC_PRESSURE);
    const int status = load_despite_locks(store, row, &view);
    cr_assert(status != MEMSTORE_OK || shows(&view, row->value));
    memstore_view_release(&view);
    test_let_go();
    memstore_destroy(store);
    return status;
}

Test(loading, what_finds_no_memory_to_be_stored_in_is_handed_out_all_the_same)
{
    char value[1001];
    struct row row = {.value = memset(value, 'v', sizeof value - 1)};

    value[sizeof value - 1] = '\0';
    assert_ok(load_under_pressure("loader.on_store_error=bypass", &row));
    assert_status(load_under_pressure("loader.on_store_error=fail", &row),
                  MEMSTORE_ERR_GC_PRESSURE);
    cr_assert(row.calls == 2 && row.released == 2);
}

#define OF_A_LOAD 8192

Test(loading, what_a_full_store_does_not_take_is_handed_out_all_the_same)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none",
                                "maintenance=manual", "shards=1", NULL);
    char value[1001];
    struct row row = {.value = memset(value, 'v', sizeof value - 1)};
    memstore_view view;

    value[sizeof value - 1] = '\0';
    /* What a load needs for itself is to fit what is left, which is less than a segment. */
    struct ms_budget *const budget = &store->arena.budget;
    cr_assert(ms_budget_charge(budget, OF_A_LOAD, 0));
    assert_status(write_until_refused(store), MEMSTORE_ERR_CACHE_FULL);
    const uint64_t left = ms_budget_limit(budget) - ms_budget_charged(budget);
    const uint64_t wanted = store->flights.spare + OF_A_LOAD;
    const uint64_t lacking = left < wanted ? wanted - left : 0;
    const uint64_t let_go = lacking < OF_A_LOAD ? lacking : OF_A_LOAD;
    ms_budget_uncharge(budget, let_go);
    assert_loads(store, "key", &row, row.value);
    assert_holds(store, "key", NULL);
    assert_ok(memstore_reconfigure(store, "loader.on_store_error", "fail"));
    assert_status(get_or_load(store, "key", &row, &view), MEMSTORE_ERR_CACHE_FULL);
    ms_budget_uncharge(budget, OF_A_LOAD - let_go);
    memstore_destroy(store);
}

/* 2400 bytes: more than a store of 1 MiB has for loads when it is full. */
#define LONG_24 "a key of very many bytes"
#define LONG_240 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24
#define LONG_KEY                                                                                   \
    LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240

Test(loading, closing_the_store_in_a_loader_that_it_has_no_memory_to_note_is_refused_too)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none",
                                "maintenance=manual", "shards=1", NULL);
    struct ms_budget *const budget = &store->arena.budget;
    struct row row = {.store = store, .value = "row", .during = close_from_within};
    uint64_t taken = 0;

    assert_status(write_until_refused(store), MEMSTORE_ERR_CACHE_FULL);
    while (ms_budget_charge(budget, 16, 0))
        taken += 16;
    assert_loads(store, LONG_KEY, &row, "row");
    cr_assert_eq(row.during_status, MEMSTORE_ERR_UNSUPPORTED);
    assert_holds(store, LONG_KEY, NULL);
    ms_budget_uncharge(budget, taken);
    memstore_destroy(store);
}

/* A store that evicts nothing, and of which nothing is free. */
static memstore *open_full(uint64_t *taken)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "eviction=none", "maintenance=manual", NULL);

    assert_status(write_until_refused(store), MEMSTORE_ERR_CACHE_FULL);
    *taken = 0;
    while (ms_budget_charge(&store->arena.budget, 16, store->flights.spare))
        *taken += 16;
    return store;
}

#define ASKERS 8

Test(loading, where_nothing_is_free_or_evicted_a_key_is_loaded_once_for_all_who_ask_too)
{
    uint64_t taken;
    memstore *store = open_full(&taken);
    struct row row = {.value = "row", .during = wait_for_leave};
    struct caller callers[ASKERS];

    for (size_t i = 0; i < ASKERS; i++)
        start(&callers[i], store, "key", &row);
    wait_for_references(store, ASKERS);
    atomic_store(&row.may_end, true);
    for (size_t i = 0; i < ASKERS; i++) {
        assert_ok(result_of(&callers[i]));
        cr_assert(shows(&callers[i].view, "row"));
        memstore_view_release(&callers[i].view);
    }
    cr_assert_eq(row.calls, 1);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

Test(loading, where_nothing_is_free_or_evicted_it_is_remembered_of_some_keys_that_they_do_not_exist)
{
    uint64_t taken;
    memstore *store = open_full(&taken);
    struct row none = {.value = NULL};
    memstore_view view;
    char key[16];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%u", i);
        for (unsigned j = 0; j < 2; j++)
            assert_status(get_or_load(store, key, &none, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
        cr_assert_eq(none.calls, i + 1);
    }
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

Test(loading, where_nothing_is_free_or_evicted_who_has_to_be_told_is_told_that_the_store_is_full)
{
    uint64_t taken;
    memstore *store = open_full(&taken);
    struct row row = {.value = "row"};
    memstore_lease *lease = NULL;
    memstore_view view;

    assert_status(memstore_lease_acquire(store, LONG_KEY, strlen(LONG_KEY), 0, &lease, &view),
                  MEMSTORE_ERR_CACHE_FULL);
    assert_ok(memstore_reconfigure(store, "loader.on_store_error", "fail"));
    assert_status(get_or_load(store, LONG_KEY, &row, &view), MEMSTORE_ERR_CACHE_FULL);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

Test(loading, values_beside_the_store_are_bounded_by_bypass_limit)
{
    memstore *store =
        test_open("maintenance=manual", "max_entry_size=8", "loader.bypass_limit=30", NULL);
    struct row row = {.value = "a value of 24 characters"};
    memstore_view one, two;

    assert_ok(get_or_load(store, "one", &row, &one));
    assert_status(get_or_load(store, "two", &row, &two), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    memstore_view_release(&one);
    assert_ok(get_or_load(store, "two", &row, &two));
    memstore_view_release(&two);
    cr_assert_eq(row.released, 3);
    memstore_destroy(store);
}

Test(loading, a_ttl_that_is_not_accepted_is_the_loaders_mistake)
{
    memstore *store = open_manual();
    struct row row = {.value = "row", .ttl_ms = -7};
    memstore_view view;

    assert_status(get_or_load(store, "key", &row, &view), MEMSTORE_ERR_INVALID_TTL);
    cr_assert_eq(row.released, 1);
    const memstore_stats stats = test_stats(store);
    cr_assert(stats.loads == 1 && stats.loads_bypassed == 1 && stats.sets == 0);
    memstore_destroy(store);
}

Test(loading, values_that_the_store_cannot_take_are_counted_whatever_callers_get)
{
    static const char *const settings[] = {"loader.on_store_error=bypass",
                                           "loader.on_store_error=fail"};

    for (size_t i = 0; i < TEST_COUNT_OF(settings); i++) {
        memstore *store = test_open("maintenance=manual", "max_entry_size=20", settings[i], NULL);
        struct row row = {.value = "a value that is larger than an entry may be"};
        memstore_view view;

        assert_status(get_or_load(store, "key", &row, &view),
                      i == 0 ? MEMSTORE_OK : MEMSTORE_ERR_ENTRY_TOO_LARGE);
        memstore_view_release(&view);
        const memstore_stats stats = test_stats(store);
        cr_assert(stats.loads == 1 && stats.loads_bypassed == 1 && stats.rejected_too_large == 1);
        memstore_destroy(store);
    }
}

Test(loading, where_views_are_bounded_loaded_ones_count_too)
{
    memstore *store =
        test_open("maintenance=manual", "performance.max_concurrent_readers=1",
                  "performance.lock_timeout=20ms", "loader.on_store_error=fail", NULL);
    struct row row = {.value = "row"};
    memstore_view one, two;

    assert_ok(get_or_load(store, "one", &row, &one));
    assert_status(get_or_load(store, "two", &row, &two), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(row.calls, 1, "the loader is called when there is a place for it");
    memstore_view_release(&one);
    assert_ok(get_or_load(store, "two", &row, &two));
    memstore_view_release(&two);
    memstore_destroy(store);
}

Test(loading, where_views_are_bounded_a_load_in_flight_counts_as_one)
{
    memstore *store = test_open("maintenance=manual", "performance.max_concurrent_readers=1",
                                "performance.lock_timeout=20ms", NULL);
    struct row row = {.value = "row", .during = wait_for_leave};
    struct caller loading;
    memstore_view view;
    char value[8];

    assert_ok(test_set(store, "there", "v", 0));
    start(&loading, store, "key", &row);
    wait_for_calls(&row, 1);
    assert_status(memstore_get_view(store, "there", 5, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_ok(memstore_get(store, "there", 5, value, sizeof value, NULL));
    atomic_store(&row.may_end, true);
    assert_ok(result_of(&loading));
    assert_status(memstore_get_view(store, "there", 5, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_view_release(&loading.view);
    assert_ok(memstore_get_view(store, "there", 5, &view));
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(loading, where_views_are_bounded_what_a_loader_loads_is_a_view_of_its_own)
{
    memstore *store =
        test_open("maintenance=manual", "performance.max_concurrent_readers=2",
                  "performance.lock_timeout=20ms", "loader.on_store_error=fail", NULL);
    struct row row = {.store = store, .value = "row", .during = load_other_key};
    memstore_view held, view;

    assert_ok(get_or_load(store, "key", &row, &view));
    assert_ok(row.during_status);
    memstore_view_release(&view);
    assert_ok(memstore_get_view(store, "key", 3, &held));
    assert_ok(test_delete(store, "other"));
    assert_ok(get_or_load(store, "another", &row, &view));
    assert_status(row.during_status, MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_view_release(&view);
    memstore_view_release(&held);
    memstore_destroy(store);
}

/* ---- Closing and forking ---- */

static void *close_store(void *store)
{
    cr_assert_eq(memstore_close(store), MEMSTORE_OK);
    return NULL;
}

/* Close beside a load that another waits for, and that was overtaken or not. */
static void close_beside_load(bool overtaken)
{
    memstore *store = open_manual();
    struct row row = {.value = "row", .during = wait_for_leave};
    struct caller leader, waiter;
    pthread_t closer;

    start(&leader, store, "key", &row);
    wait_for_calls(&row, 1);
    start(&waiter, store, "key", &row);
    wait_for_references(store, 2);
    if (overtaken)
        assert_status(test_delete(store, "key"), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(pthread_create(&closer, NULL, close_store, store), 0);
    TEST_AWAIT(atomic_load(&waiter.ended));
    assert_status(result_of(&waiter), MEMSTORE_ERR_CACHE_CLOSED);
    atomic_store(&row.may_end, true);
    pthread_join(closer, NULL);
    assert_ok(result_of(&leader));
    cr_assert(shows(&leader.view, "row"));
    memstore_view_release(&leader.view);
    memstore_destroy(store);
}

Test(loading, closing_waits_for_loaders_and_sends_those_who_wait_away)
{
    close_beside_load(false);
    close_beside_load(true);
}

struct closing {
    memstore *store;
    atomic_bool has_returned;
};

static void *close_and_tell(void *context)
{
    struct closing *closing = context;

    cr_assert_eq(memstore_close(closing->store), MEMSTORE_OK);
    atomic_store(&closing->has_returned, true);
    return NULL;
}

Test(loading, closing_waits_for_loaders_that_the_store_has_no_memory_to_note)
{
    uint64_t taken;
    struct closing closing = {.store = open_full(&taken)};
    struct row row = {.value = "row", .during = wait_for_leave};
    struct caller caller;
    pthread_t closer;

    start(&caller, closing.store, LONG_KEY, &row);
    wait_for_calls(&row, 1);
    ms_budget_uncharge(&closing.store->arena.budget, taken);
    cr_assert_eq(pthread_create(&closer, NULL, close_and_tell, &closing), 0);
    TEST_AWAIT(test_has(closing.store, "key") == MEMSTORE_ERR_CACHE_CLOSED && test_others_sleep());
    cr_assert_not(atomic_load(&closing.has_returned));
    atomic_store(&row.may_end, true);
    pthread_join(closer, NULL);
    assert_ok(result_of(&caller));
    cr_assert(shows(&caller.view, "row"));
    memstore_view_release(&caller.view);
    memstore_destroy(closing.store);
}

static int fork_and_exit(struct row *row)
{
    const pid_t child = test_fork();

    if (child != 0)
        return test_child_status(child);
    /* In the child this load goes on, and that of the other thread has failed: of the two places one is
     * this loader's, and one is free. */
    struct row other = {.value = "child"};
    memstore_view view, more;
    const bool good = get_or_load(row->store, "slow", &other, &view) == MEMSTORE_OK &&
                      shows(&view, "child") &&
                      memstore_get_view(row->store, "slow", 4, &more) == MEMSTORE_ERR_LOCK_TIMEOUT;
    memstore_view_release(&view);
    _exit(good ? 0 : 1);
}

Test(loading, a_loader_may_fork_and_the_child_loads_what_other_threads_were_loading)
{
    memstore *store =
        test_open("maintenance=manual", "loader.max_loads=2",
                  "performance.max_concurrent_readers=2", "performance.lock_timeout=20ms", NULL);
    struct row slow = {.value = "slow", .during = wait_for_leave};
    struct row row = {.store = store, .value = "row", .during = fork_and_exit};
    struct caller caller;

    start(&caller, store, "slow", &slow);
    wait_for_calls(&slow, 1);
    assert_loads(store, "key", &row, "row");
    cr_assert_eq(row.during_status, 0);
    atomic_store(&slow.may_end, true);
    assert_ok(result_of(&caller));
    memstore_view_release(&caller.view);
    memstore_destroy(store);
}

/* Fork and load a key in the child: its exit status is 0. */
static int fork_and_load(memstore *store, const char *key)
{
    const pid_t child = test_fork();
    struct row row = {.value = "child"};
    memstore_view view;

    if (child != 0)
        return test_child_status(child);
    alarm(60);
    _exit(get_or_load(store, key, &row, &view) == MEMSTORE_OK && shows(&view, "child") ? 0 : 1);
}

Test(loading, a_load_that_another_thread_was_ending_at_a_fork_has_failed_in_the_child)
{
    memstore *store = open_manual();
    struct row row = {.value = "row", .during = wait_for_leave};
    struct ms_flight **flights;
    struct caller caller;
    memstore_view left;
    size_t count;

    start(&caller, store, "key", &row);
    wait_for_calls(&row, 1);
    cr_assert(ms_flights_list(&store->flights, &flights, &count) && count == 1);
    /* What ms_flights_end() does before it takes the lock. */
    const uint64_t leader = ms_load_relaxed(&flights[0]->leader);
    ms_store_relaxed(&flights[0]->leader, 0);
    cr_assert_eq(fork_and_load(store, "key"), 0);
    ms_store_relaxed(&flights[0]->leader, leader);
    ms_flight_drop(flights[0], &left);
    free(flights);
    atomic_store(&row.may_end, true);
    assert_ok(result_of(&caller));
    memstore_view_release(&caller.view);
    memstore_destroy(store);
}

/* What a loader of several keys does while the load of another is in flight. */
struct forking {
    memstore *store;
    struct row *other;
    pid_t child;
    int child_status;
};

static int delete_and_fork(const memstore_key *keys, size_t n, memstore_load_value *out,
                           void *context)
{
    struct forking *forking = context;

    (void)keys;
    (void)n;
    (void)out;
    assert_status(test_delete(forking->store, "slow"), MEMSTORE_ERR_KEY_NOT_FOUND);
    forking->child = test_fork();
    if (forking->child == 0) {
        alarm(60);
        return MEMSTORE_LOAD_OK;
    }
    forking->child_status = test_child_status(forking->child);
    atomic_store(&forking->other->may_end, true);
    return MEMSTORE_LOAD_OK;
}

Test(loading, a_load_of_another_thread_that_was_overtaken_has_failed_in_the_child_of_a_fork)
{
    memstore *store = open_manual();
    struct row slow = {.value = "slow", .during = wait_for_leave};
    struct forking forking = {.store = store, .other = &slow};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load_many = delete_and_fork, .context = &forking};
    const memstore_key keys[] = {test_key("none"), test_key("slow")};
    struct caller caller;
    memstore_view views[2];

    start(&caller, store, "slow", &slow);
    wait_for_calls(&slow, 1);
    const int status = memstore_get_or_load_many(store, keys, 2, &loader, views, NULL);
    if (forking.child == 0)
        _exit(status == MEMSTORE_ERR_LOADER_FAILED ? 0 : 1);
    cr_assert_eq(forking.child_status, 0);
    assert_ok(status);
    cr_assert(views[0].data == NULL && shows(&views[1], "slow"));
    memstore_view_release_many(views, 2);
    assert_ok(result_of(&caller));
    memstore_view_release(&caller.view);
    memstore_destroy(store);
}

/* ---- Many keys ---- */

static int load_pairs(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    struct row *row = context;

    if (atomic_fetch_add(&row->calls, 1) < row->failures)
        return MEMSTORE_LOAD_RETRY;
    for (size_t i = 0; i < n; i++) {
        const char first = *(const char *)keys[i].data;

        if (first == 'x')
            continue; /* there is no such row */
        out[i].value = keys[i].data;
        out[i].value_size = keys[i].size;
        out[i].result = MEMSTORE_LOAD_OK;
        if (first == 'r' && atomic_load(&row->calls) == 1)
            out[i].result = MEMSTORE_LOAD_RETRY;
        if (first == 'f')
            out[i].result = MEMSTORE_LOAD_FAILED;
    }
    return MEMSTORE_LOAD_OK;
}

static memstore_loader many_loader(struct row *row)
{
    return (memstore_loader){
        .struct_size = sizeof(memstore_loader), .context = row, .load_many = load_pairs};
}

Test(loading, what_is_missing_of_many_is_loaded_by_one_call)
{
    memstore *store = open_manual();
    struct row row = {.value = NULL};
    const memstore_loader loader = many_loader(&row);
    const memstore_key keys[] = {test_key("a"), test_key("there"), test_key("x"), test_key("b"),
                                 test_key("a")};
    memstore_view views[5];
    size_t found;

    assert_ok(test_set(store, "there", "there", 0));
    assert_ok(memstore_get_or_load_many(store, keys, 5, &loader, views, &found));
    cr_assert(found == 4 && row.calls == 1);
    cr_assert(shows(&views[0], "a") && shows(&views[1], "there") && views[2].data == NULL &&
              shows(&views[3], "b") && shows(&views[4], "a"));
    memstore_view_release_many(views, 5);
    assert_ok(memstore_get_or_load_many(store, keys, 5, &loader, views, &found));
    cr_assert(found == 4 && row.calls == 1, "all is there now, or known not to exist");
    memstore_view_release_many(views, 5);
    cr_assert_eq(test_memory(store).pinned, 0);
    memstore_destroy(store);
}

Test(loading, of_many_only_those_that_ask_for_it_are_tried_again)
{
    memstore *store = test_open("maintenance=manual", "loader.retry_initial=0", NULL);
    struct row row = {.value = NULL};
    const memstore_loader loader = many_loader(&row);
    const memstore_key keys[] = {test_key("r1"), test_key("a"), test_key("r2"), test_key("b")};
    memstore_view views[4];
    size_t found;

    assert_ok(memstore_get_or_load_many(store, keys, 4, &loader, views, &found));
    cr_assert(found == 4 && row.calls == 2);
    cr_assert(shows(&views[0], "r1") && shows(&views[1], "a") && shows(&views[2], "r2") &&
              shows(&views[3], "b"));
    memstore_view_release_many(views, 4);
    memstore_destroy(store);
}

Test(loading, a_failure_among_many_is_told_and_the_others_are_stored)
{
    memstore *store = open_manual();
    struct row row = {.value = NULL};
    const memstore_loader loader = many_loader(&row);
    const memstore_key keys[] = {test_key("a"), test_key("f"), test_key("b")};
    memstore_view views[3];
    size_t found;

    assert_status(memstore_get_or_load_many(store, keys, 3, &loader, views, &found),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(found == 0 && views[0].data == NULL && views[2].data == NULL);
    assert_holds(store, "a", "a");
    assert_holds(store, "b", "b");
    memstore_destroy(store);
}

/* ---- Leases ---- */

static int acquire(memstore *store, int64_t timeout_ms, memstore_lease **lease, memstore_view *view)
{
    return memstore_lease_acquire(store, "key", 3, timeout_ms, lease, view);
}

Test(loading, a_lease_is_given_once_and_its_fill_is_stored)
{
    memstore *store = open_manual();
    memstore_lease *lease, *second;
    memstore_view view;

    assert_ok(acquire(store, 0, &lease, &view));
    cr_assert(lease != NULL && view.data == NULL && memstore_lease_is_current(lease));
    assert_status(acquire(store, 0, &second, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(second == NULL);
    assert_ok(memstore_lease_fill(lease, "row", 3, 0, &view));
    cr_assert(shows(&view, "row"));
    memstore_view_release(&view);
    assert_ok(acquire(store, 0, &second, &view));
    cr_assert(second == NULL && shows(&view, "row"));
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(loading, a_fill_that_was_overtaken_is_refused)
{
    for (size_t i = 0; i < TEST_COUNT_OF(invalidations); i++) {
        memstore *store = open_manual();
        struct row row = {.store = store};
        memstore_lease *lease;
        memstore_view view;

        assert_ok(acquire(store, 0, &lease, &view));
        invalidations[i].during(&row);
        assert_ok(memstore_flush(store));
        cr_assert(!memstore_lease_is_current(lease), "%s", invalidations[i].name);
        assert_status(memstore_lease_fill(lease, "older", 5, 0, NULL),
                      MEMSTORE_ERR_VERSION_MISMATCH);
        cr_assert(test_holds(store, "key", invalidations[i].left), "%s", invalidations[i].name);
        memstore_destroy(store);
    }
}

Test(loading, a_lease_is_not_current_when_the_store_is_closed)
{
    memstore *store = open_manual();
    memstore_lease *lease;
    memstore_view view;

    assert_ok(acquire(store, 0, &lease, &view));
    assert_ok(memstore_close(store));
    cr_assert_eq(memstore_lease_is_current(lease), 0);
    assert_status(memstore_lease_fill(lease, "row", 3, 0, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(loading, a_lease_that_is_not_filled_ends_and_another_gets_one)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.lease_timeout=5s", NULL);
    memstore_lease *lost, *second;
    memstore_view view;

    assert_ok(acquire(store, 0, &lost, &view));
    test_clock_advance(4999);
    assert_status(acquire(store, 0, &second, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    test_clock_advance(1);
    assert_ok(acquire(store, 0, &second, &view));
    cr_assert(second != NULL && !memstore_lease_is_current(lost));
    assert_status(memstore_lease_fill(lost, "late", 4, 0, NULL), MEMSTORE_ERR_VERSION_MISMATCH);
    assert_holds(store, "key", NULL);
    assert_ok(memstore_lease_fill(second, "row", 3, 0, NULL));
    assert_holds(store, "key", "row");
    memstore_destroy(store);
}

Test(loading, a_lease_whose_time_is_over_is_refused_even_if_nobody_asked)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.lease_timeout=5s", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(acquire(store, 0, &lease, &view));
    test_clock_advance(5000);
    assert_status(memstore_lease_fill(lease, "late", 4, 0, NULL), MEMSTORE_ERR_VERSION_MISMATCH);
    assert_holds(store, "key", NULL);
    memstore_destroy(store);
}

Test(loading, those_who_wait_for_a_lease_get_its_fill_or_its_failure)
{
    memstore *store = open_manual();
    struct row unused = {.value = "unused"};
    memstore_lease *lease;
    memstore_view view;
    struct caller waiter;

    assert_ok(acquire(store, 0, &lease, &view));
    start(&waiter, store, "key", &unused);
    wait_for_references(store, 2);
    assert_ok(memstore_lease_fill(lease, "row", 3, 0, NULL));
    assert_ok(result_of(&waiter));
    cr_assert(shows(&waiter.view, "row") && unused.calls == 0);
    memstore_view_release(&waiter.view);

    assert_ok(test_delete(store, "key"));
    assert_ok(acquire(store, 0, &lease, &view));
    start(&waiter, store, "key", &unused);
    wait_for_references(store, 2);
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    assert_status(result_of(&waiter), MEMSTORE_ERR_LOADER_FAILED);

    assert_ok(acquire(store, 0, &lease, &view));
    memstore_lease_fail(lease, MEMSTORE_LOAD_ABSENT, NULL);
    assert_status(acquire(store, 0, &lease, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_destroy(store);
}

Test(loading, one_of_those_who_wait_for_a_lease_that_is_abandoned_loads)
{
    memstore *store = open_manual();
    struct row row = {.value = "row"};
    memstore_lease *lease;
    memstore_view view;
    struct caller waiters[2];

    assert_ok(acquire(store, 0, &lease, &view));
    start(&waiters[0], store, "key", &row);
    start(&waiters[1], store, "key", &row);
    wait_for_references(store, 3);
    assert_status(memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_null(view.data);
    for (int i = 0; i < 2; i++) {
        assert_ok(result_of(&waiters[i]));
        cr_assert(shows(&waiters[i].view, "row"));
        memstore_view_release(&waiters[i].view);
    }
    cr_assert_eq(row.calls, 1);
    const memstore_stats stats = test_stats(store);
    cr_assert(stats.loads == 1 && stats.load_failures == 0 && stats.loads_coalesced <= 1);
    memstore_destroy(store);
}

/* Who asks for a lease, and gives up what that waits for when he is told to. */
struct impatient {
    memstore *store;
    int64_t stop;
    int status;
};

static void *acquire_impatiently(void *context)
{
    struct impatient *impatient = context;
    memstore_lease *lease;
    memstore_view view;

    memstore_bound_waits(-1, &impatient->stop);
    impatient->status = acquire(impatient->store, 0, &lease, &view);
    memstore_bound_waits(-1, NULL);
    return NULL;
}

static void write_beside(void *store)
{
    assert_ok(test_set(store, "beside", "value", 0));
}

/* Whoever has the only place of a writer keeps it: nothing can be looked for, stored or removed. */
Test(loading, a_load_without_a_place_is_one_refused_write_and_none_when_it_has_nothing_to_write)
{
    static const struct {
        struct row row;
        int status;
        uint64_t refused;
    } cases[] = {
        {{.value = "row"}, MEMSTORE_OK, 1},
        {{.value = NULL}, MEMSTORE_ERR_KEY_NOT_FOUND, 1},
        {{.fails = true}, MEMSTORE_ERR_LOADER_FAILED, 0},
    };
    memstore *store = test_open("maintenance=manual", "performance.max_concurrent_writers=1",
                                "performance.lock_timeout=10ms", "loader.max_stale=1m", NULL);

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_beside, store);
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        struct row row = {.value = cases[i].row.value, .fails = cases[i].row.fails};
        memstore_view view;

        assert_ok(memstore_reset_stats(store));
        assert_status(get_or_load(store, "key", &row, &view), cases[i].status);
        memstore_view_release(&view);
        cr_expect_eq(test_stats(store).rejected_timeout, cases[i].refused, "case %zu: %u", i,
                     (unsigned)test_stats(store).rejected_timeout);
    }
    test_let_go();
    memstore_destroy(store);
}

/* A lease of a key that is missed is asked for, and then a load: what his bound cut short is his alone. */
static void expect_load_after_lease_was_given_up(const char *on_store_error)
{
    memstore *store = test_open("maintenance=manual", "performance.max_concurrent_writers=1",
                                "performance.lock_timeout=60s", on_store_error, NULL);
    struct row row = {.value = "row"};
    struct impatient impatient = {.store = store};
    struct caller waiter;
    pthread_t thread;

    /* Whoever has the only place of a writer keeps it. */
    test_stop_at(MS_POINT_SHARD_LOCKED, write_beside, store);
    cr_assert_eq(pthread_create(&thread, NULL, acquire_impatiently, &impatient), 0);
    TEST_AWAIT(ms_load_relaxed(&store->flights.listed) == 1);
    start(&waiter, store, "key", &row);
    wait_for_references(store, 2);
    __atomic_store_n(&impatient.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_status(impatient.status, MEMSTORE_ERR_LOCK_TIMEOUT);
    test_let_go();
    assert_ok(result_of(&waiter));
    cr_assert(shows(&waiter.view, "row") && row.calls == 1);
    memstore_view_release(&waiter.view);
    assert_holds(store, "key", "row");
    memstore_destroy(store);
}

Test(loading, a_lease_that_is_given_up_for_want_of_time_ends_the_load_of_nobody_else)
{
    expect_load_after_lease_was_given_up("loader.on_store_error=bypass");
    expect_load_after_lease_was_given_up("loader.on_store_error=fail");
}

static int abandon_load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key;
    (void)key_size;
    (void)out;
    (void)context;
    return MEMSTORE_LOAD_ABANDONED;
}

Test(loading, a_loader_has_no_load_to_abandon)
{
    memstore *store = open_manual();
    const memstore_loader loader = {.struct_size = sizeof loader, .load = abandon_load};
    memstore_view view;

    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(test_stats(store).load_failures, 1);
    memstore_destroy(store);
}

Test(loading, a_lease_may_come_back_after_closing)
{
    memstore *store = test_open("maintenance=manual", "loader.on_store_error=fail", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(acquire(store, 0, &lease, &view));
    assert_ok(memstore_close(store));
    assert_status(memstore_lease_fill(lease, "row", 3, 0, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

/* ---- A loader of many keys alone ---- */

Test(loading, a_loader_of_many_alone_is_asked_for_single_keys_of_a_closed_store)
{
    memstore *store = open_manual();
    struct row row = {.value = NULL};
    const memstore_loader loader = many_loader(&row);
    const memstore_key keys[] = {test_key("a"), test_key("x"), test_key("f")};
    memstore_view views[2];
    size_t found;

    assert_ok(memstore_close(store));
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, &found));
    cr_assert(found == 1 && shows(&views[0], "a") && views[1].data == NULL);
    memstore_view_release_many(views, 2);
    assert_status(memstore_get_or_load_many(store, &keys[2], 1, &loader, views, &found),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(row.calls, 3);
    memstore_destroy(store);
}

struct many_caller {
    memstore *store;
    struct row *row;
    memstore_view view;
    int status;
};

static void *call_loading_many(void *context)
{
    struct many_caller *caller = context;
    const memstore_loader loader = many_loader(caller->row);
    const memstore_key key = test_key("key");

    caller->status =
        memstore_get_or_load_many(caller->store, &key, 1, &loader, &caller->view, NULL);
    return NULL;
}

Test(loading, a_loader_of_many_alone_loads_what_the_lease_of_another_has_not)
{
    memstore *store = test_open("maintenance=manual", "loader.retry_initial=0", NULL);
    struct row row = {.value = NULL, .failures = 1};
    struct many_caller waiter = {.store = store, .row = &row};
    memstore_lease *lease;
    memstore_view view;
    pthread_t thread;

    assert_ok(acquire(store, 0, &lease, &view));
    cr_assert_eq(pthread_create(&thread, NULL, call_loading_many, &waiter), 0);
    wait_for_references(store, 2);
    memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    pthread_join(thread, NULL);
    assert_ok(waiter.status);
    cr_assert(shows(&waiter.view, "key") && row.calls == 2);
    memstore_view_release(&waiter.view);
    assert_holds(store, "key", "key");
    memstore_destroy(store);
}

#define MISSING 1000

Test(loading, a_loader_of_many_alone_is_asked_for_keys_whose_loads_find_no_memory)
{
    uint64_t taken;
    memstore *store = open_full(&taken);
    struct row row = {.value = NULL};
    const memstore_loader loader = many_loader(&row);
    static char names[MISSING][16];
    static memstore_key keys[MISSING];
    static memstore_view views[MISSING];
    size_t found;

    for (unsigned i = 0; i < MISSING; i++) {
        snprintf(names[i], sizeof names[i], "missing/%u", i);
        keys[i] = test_key(names[i]);
    }
    assert_ok(memstore_get_or_load_many(store, keys, MISSING, &loader, views, &found));
    cr_assert_eq(found, MISSING);
    for (unsigned i = 0; i < MISSING; i++)
        cr_assert(shows(&views[i], names[i]));
    memstore_view_release_many(views, MISSING);
    assert_status(memstore_warm(store, keys, MISSING, &loader, NULL, NULL),
                  MEMSTORE_ERR_CACHE_FULL);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

/* ---- Arguments ---- */

Test(loading, bad_arguments_are_refused)
{
    memstore *store = open_manual();
    struct row row = {.value = "row"};
    const memstore_loader good = loader_of(&row);
    memstore_loader bad = good;
    struct {
        memstore_loader loader;
        uint64_t newer;
    } larger = {.loader = good};
    memstore_lease *lease;
    memstore_view view;

    larger.loader.struct_size = sizeof larger;
    assert_ok(memstore_get_or_load(store, "key", 3, &larger.loader, &view));
    memstore_view_release(&view);
    larger.newer = 1;
    assert_status(memstore_get_or_load(store, "key", 3, &larger.loader, &view),
                  MEMSTORE_ERR_UNSUPPORTED);
    assert_status(memstore_get_or_load(NULL, "key", 3, &good, &view),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_or_load(store, "", 0, &good, &view), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_or_load(store, "key", 3, NULL, &view),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_or_load(store, "key", 3, &good, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    bad.struct_size = 8;
    assert_status(memstore_get_or_load(store, "key", 3, &bad, &view),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    bad = good;
    bad.load = NULL;
    assert_status(memstore_get_or_load(store, "key", 3, &bad, &view),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    bad = good;
    bad.wait_ms = -1;
    assert_status(memstore_get_or_load(store, "key", 3, &bad, &view),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_lease_acquire(store, "key", 3, -1, &lease, &view),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_lease_acquire(store, "new", 3, 0, &lease, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_lease_fill(NULL, "v", 1, 0, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_lease_acquire(store, "new", 3, 0, &lease, &view));
    assert_status(memstore_lease_fill(lease, NULL, 1, 0, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_lease_fail(NULL, MEMSTORE_LOAD_FAILED, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_lease_is_current(NULL), 0);
    memstore_destroy(store);
}

/* ---- Settings ---- */

Test(loading, max_absent_bounds_how_much_is_remembered)
{
    memstore *store =
        test_open("maintenance=manual", "loader.max_absent=2", "loader.negative_ttl=1h", NULL);
    struct row none = {.value = NULL};
    memstore_view view;

    get_or_load(store, "a", &none, &view);
    get_or_load(store, "b", &none, &view);
    get_or_load(store, "c", &none, &view);
    get_or_load(store, "c", &none, &view);
    get_or_load(store, "b", &none, &view);
    cr_assert_eq(none.calls, 3);
    get_or_load(store, "a", &none, &view);
    cr_assert_eq(none.calls, 4, "the oldest made way");
    memstore_destroy(store);
}

Test(loading, negative_ttl_0_remembers_nothing)
{
    memstore *store = test_open("maintenance=manual", "loader.negative_ttl=0", NULL);
    struct row none = {.value = NULL};
    memstore_view view;

    get_or_load(store, "a", &none, &view);
    get_or_load(store, "a", &none, &view);
    cr_assert_eq(none.calls, 2);
    memstore_destroy(store);
}

static bool has_line(struct ms_gate *gate)
{
    return ms_load_relaxed(&gate->state) >= MS_GATE_WAITER;
}

Test(loading, max_loads_lets_so_many_loaders_run_at_once)
{
    memstore *store = test_open("maintenance=manual", "loader.max_loads=1", NULL);
    struct row first = {.value = "first", .during = wait_for_leave}, second = {.value = "second"};
    struct caller one, two;

    start(&one, store, "one", &first);
    wait_for_calls(&first, 1);
    start(&two, store, "two", &second);
    TEST_AWAIT(has_line(&store->loads_gate));
    cr_assert_eq(second.calls, 0);
    atomic_store(&first.may_end, true);
    assert_ok(result_of(&one));
    assert_ok(result_of(&two));
    memstore_view_release(&one.view);
    memstore_view_release(&two.view);
    memstore_destroy(store);
}

/* Ask for what another thread loads as soon as it has a place. */
static int load_what_waits_for_a_place(struct row *row)
{
    struct row inner = {.value = "inner"};
    memstore *store = row->store;
    memstore_view view;

    TEST_AWAIT(has_line(&store->loads_gate) || has_line(&store->load_bytes_gate) ||
               has_line(&store->admission.views));
    const int status = get_or_load(store, "inner", &inner, &view);
    cr_assert(status != MEMSTORE_OK || shows(&view, "from another"));
    memstore_view_release(&view);
    return status;
}

static void assert_does_not_stand_still(const char *bound)
{
    memstore *store = test_open("maintenance=manual", "loader.timeout=20s",
                                "performance.lock_timeout=20s", bound, NULL);
    struct row outer = {.store = store, .value = "outer", .during = load_what_waits_for_a_place};
    struct row inner = {.value = "from another"};
    const double began = test_now();
    struct caller one, two;

    start(&one, store, "outer", &outer);
    wait_for_calls(&outer, 1);
    start(&two, store, "inner", &inner);
    assert_ok(result_of(&one));
    assert_ok(result_of(&two));
    assert_ok(outer.during_status);
    cr_assert(shows(&one.view, "outer") && shows(&two.view, "from another"));
    cr_assert_lt(test_now() - began, 10);
    memstore_view_release(&one.view);
    memstore_view_release(&two.view);
    memstore_destroy(store);
}

Test(loading, a_loader_that_waits_for_a_load_lets_it_have_its_place)
{
    assert_does_not_stand_still("loader.max_loads=1");
    assert_does_not_stand_still("loader.max_load_bytes=1KiB");
}

Test(loading, who_finds_no_place_within_loader_timeout_is_told)
{
    memstore *store =
        test_open("maintenance=manual", "loader.max_loads=1", "loader.timeout=20ms", NULL);
    struct row first = {.value = "first", .during = wait_for_leave}, second = {.value = "second"};
    struct caller one;
    memstore_view view;

    start(&one, store, "one", &first);
    wait_for_calls(&first, 1);
    assert_status(get_or_load(store, "two", &second, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(second.calls, 0);
    cr_assert(test_stats(store).loads_without_place == 1);
    cr_assert(test_stats(store).loads_without_bytes == 0);
    atomic_store(&first.may_end, true);
    assert_ok(result_of(&one));
    memstore_view_release(&one.view);
    memstore_destroy(store);
}
