/* SPDX-License-Identifier: Apache-2.0 */
/* Loads that are in flight when their store is closed or their process forks. */
#include "store/store.h"
#include "stories/flights.h"
#include "stories/loading.h"
#include "support/await.h"
#include "support/criterion.h"
#include "support/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static int close_from_within(struct row *row)
{
    return memstore_close(row->store);
}

Test(load_ending, closing_the_store_in_a_loader_is_refused)
{
    memstore *store = open_manual();
    struct row row = {.store = store, .value = "row", .during = close_from_within};

    assert_loads(store, "key", &row, "row");
    cr_assert_eq(row.during_status, MEMSTORE_ERR_UNSUPPORTED);
    assert_holds(store, "key", "row");
    memstore_destroy(store);
}

Test(load_ending, closing_the_store_in_a_loader_that_it_has_no_memory_to_note_is_refused_too)
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

Test(load_ending, closing_waits_for_loaders_and_sends_those_who_wait_away)
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

Test(load_ending, closing_waits_for_loaders_that_the_store_has_no_memory_to_note)
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

Test(load_ending, a_loader_may_fork_and_the_child_loads_what_other_threads_were_loading)
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

Test(load_ending, a_load_that_another_thread_was_ending_at_a_fork_has_failed_in_the_child)
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

Test(load_ending, a_load_of_another_thread_that_was_overtaken_has_failed_in_the_child_of_a_fork)
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
