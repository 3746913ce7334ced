/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: loads that the caller makes himself. */
#include "store/store.h"
#include "stories/flights.h"
#include "stories/loading.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/stopper.h"

#include <pthread.h>

Test(leases, a_lease_is_given_once_and_its_fill_is_stored)
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

Test(leases, a_lease_is_not_current_when_the_store_is_closed)
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

Test(leases, a_lease_that_is_not_filled_ends_and_another_gets_one)
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

Test(leases, a_lease_whose_time_is_over_is_refused_even_if_nobody_asked)
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

Test(leases, those_who_wait_for_a_lease_get_its_fill_or_its_failure)
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

Test(leases, one_of_those_who_wait_for_a_lease_that_is_abandoned_loads)
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
Test(leases, a_load_without_a_place_is_one_refused_write_and_none_when_it_has_nothing_to_write)
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

Test(leases, a_lease_that_is_given_up_for_want_of_time_ends_the_load_of_nobody_else)
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

Test(leases, a_loader_has_no_load_to_abandon)
{
    memstore *store = open_manual();
    const memstore_loader loader = {.struct_size = sizeof loader, .load = abandon_load};
    memstore_view view;

    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(test_stats(store).load_failures, 1);
    memstore_destroy(store);
}

Test(leases, a_lease_may_come_back_after_closing)
{
    memstore *store = test_open("maintenance=manual", "loader.on_store_error=fail", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(acquire(store, 0, &lease, &view));
    assert_ok(memstore_close(store));
    assert_status(memstore_lease_fill(lease, "row", 3, 0, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}
