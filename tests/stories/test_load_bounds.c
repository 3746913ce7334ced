/* SPDX-License-Identifier: Apache-2.0 */
/* Loads have bounds: how many run at once, what is handed out beside the store, what is remembered. */
#include "store/store.h"
#include "stories/loading.h"
#include "support/await.h"
#include "support/criterion.h"

#include <stdatomic.h>

/* ---- Places, and what is remembered ---- */

static int load_other_key(struct row *row)
{
    struct row inner = {.value = "inner"};
    memstore_view view;
    const int status = get_or_load(row->store, "other", &inner, &view);

    memstore_view_release(&view);
    return status;
}

Test(load_bounds, a_loader_may_load_another_key_even_with_one_place)
{
    memstore *store = test_open("maintenance=manual", "loader.max_loads=1", NULL);
    struct row row = {.store = store, .value = "row", .during = load_other_key};

    assert_loads(store, "key", &row, "row");
    assert_ok(row.during_status);
    assert_holds(store, "other", "inner");
    memstore_destroy(store);
}

Test(load_bounds, values_beside_the_store_are_bounded_by_bypass_limit)
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

Test(load_bounds, max_absent_bounds_how_much_is_remembered)
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

Test(load_bounds, negative_ttl_0_remembers_nothing)
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

Test(load_bounds, max_loads_lets_so_many_loaders_run_at_once)
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

Test(load_bounds, a_loader_that_waits_for_a_load_lets_it_have_its_place)
{
    assert_does_not_stand_still("loader.max_loads=1");
    assert_does_not_stand_still("loader.max_load_bytes=1KiB");
}

Test(load_bounds, who_finds_no_place_within_loader_timeout_is_told)
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

/* ---- Views ---- */

Test(load_bounds, where_views_are_bounded_loaded_ones_count_too)
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

Test(load_bounds, where_views_are_bounded_a_load_in_flight_counts_as_one)
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

Test(load_bounds, where_views_are_bounded_what_a_loader_loads_is_a_view_of_its_own)
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
