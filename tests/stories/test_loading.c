/* SPDX-License-Identifier: Apache-2.0 */
/* Loading what is not there: once for all who ask, never what was overtaken, and without standing
 * still for ever. */
#include "store/store.h"
#include "stories/flights.h"
#include "stories/loading.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <memstore/snapshot.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

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

/* ---- Loaders that use the store ---- */

static int load_same_key(struct row *row)
{
    struct row inner = {.value = "inner"};
    memstore_view view;

    return get_or_load(row->store, "key", &inner, &view);
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

Test(loading, the_last_attempt_is_made_when_loader_timeout_ends)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.retry_initial=10000h",
                                "loader.retry_max=10000h", "loader.timeout=5s", NULL);
    struct row row = {.value = "row", .failures = 1};
    struct caller caller;

    start(&caller, store, "key", &row);
    wait_for_calls(&row, 1);
    TEST_AWAIT((test_clock_advance(1000), atomic_load(&row.calls) >= 2));
    assert_ok(result_of(&caller));
    memstore_view_release(&caller.view);
    row = (struct row){.value = "row", .failures = 1000};
    start(&caller, store, "other", &row);
    wait_for_calls(&row, 1);
    TEST_AWAIT((test_clock_advance(1000), atomic_load(&row.calls) >= 2));
    assert_status(result_of(&caller), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(row.calls == 2 && test_stats(store).loads_timed_out == 1);
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
