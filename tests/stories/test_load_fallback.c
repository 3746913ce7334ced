/* SPDX-License-Identifier: Apache-2.0 */
/* When a store cannot take what is loaded: it is handed out all the same, or the error is told. */
#include "store/store.h"
#include "stories/flights.h"
#include "stories/loading.h"
#include "support/criterion.h"
#include "support/stopper.h"

#include <stdatomic.h>

Test(load_fallback, what_the_store_cannot_take_is_handed_out_all_the_same)
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

Test(load_fallback, a_closed_store_falls_through_to_the_loader)
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

Test(load_fallback, with_on_store_error_fail_the_error_is_told)
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

Test(load_fallback, what_finds_no_memory_to_be_stored_in_is_handed_out_all_the_same)
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

Test(load_fallback, what_a_full_store_does_not_take_is_handed_out_all_the_same)
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

#define ASKERS 8

Test(load_fallback, where_nothing_is_free_or_evicted_a_key_is_loaded_once_for_all_who_ask_too)
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

Test(load_fallback,
     where_nothing_is_free_or_evicted_it_is_remembered_of_some_keys_that_they_do_not_exist)
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

Test(load_fallback,
     where_nothing_is_free_or_evicted_who_has_to_be_told_is_told_that_the_store_is_full)
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

Test(load_fallback, a_ttl_that_is_not_accepted_is_the_loaders_mistake)
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

Test(load_fallback, values_that_the_store_cannot_take_are_counted_whatever_callers_get)
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
