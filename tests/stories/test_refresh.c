/* SPDX-License-Identifier: Apache-2.0 */
/* What is old is loaded anew while it still serves. */
#include "platform/testing.h"
#include "store/store.h"
#include "stories/flights.h"
#include "stories/sources.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <pthread.h>
#include <stdatomic.h>

Test(refresh, what_is_old_is_loaded_anew)
{
    struct source source;
    memstore *store = open_with_old(&source);

    assert_asks(store, &source, "new");
    assert_asks(store, &source, "new");
    cr_assert(source.calls == 2 && test_stats(store).refreshes == 1);
    memstore_destroy(store);
}

Test(refresh, while_one_caller_refreshes_others_are_given_the_old_value)
{
    struct source source;
    memstore *store = open_with_old(&source);
    struct asker asker = {.store = store, .source = &source};

    atomic_store(&source.holds, true);
    begin_asking(&asker, ask_in_thread, 2);
    for (int i = 0; i < 10; i++)
        assert_asks(store, &source, "old");
    cr_assert_eq(source.calls, 2);
    atomic_store(&source.holds, false);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    cr_assert(memcmp(asker.view.data, "new", 3) == 0);
    memstore_view_release(&asker.view);
    memstore_destroy(store);
}

Test(refresh, a_refresh_that_fails_leaves_the_old_value_and_waits_before_the_next)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.result = MEMSTORE_LOAD_RETRY;
    for (int i = 0; i < 10; i++)
        assert_asks(store, &source, "old");
    cr_assert(source.calls == 2 && test_stats(store).refresh_failures == 1);
    test_clock_advance(1000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "new");
    cr_assert_eq(test_stats(store).stale_served, 0);
    memstore_destroy(store);
}

/* Have a refresh of a key fail, and ask again. */
static void check_that_a_failure_holds_back(size_t key_size, const char *max_absent)
{
    static char key[4000];
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.refresh_after=10s", max_absent, NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    memstore_view view;

    assert_ok(memstore_set(store, key, key_size, "old", 3, 0));
    test_clock_advance(10000);
    for (int i = 0; i < 10; i++) {
        assert_ok(memstore_get_or_load(store, key, key_size, &loader, &view));
        memstore_view_release(&view);
    }
    cr_assert_eq(source.calls, 1);
    memstore_destroy(store);
}

Test(refresh, one_that_fails_holds_back_the_next_also_where_no_absence_is_remembered)
{
    check_that_a_failure_holds_back(3, "loader.max_absent=0");
    check_that_a_failure_holds_back(4000, "loader.max_absent=1000");
}

/* Ask for keys of a prefix, of which a database knows nothing or is away. */
static void ask_for_each(memstore *store, struct source *source, const char *prefix, int count,
                         int wanted)
{
    const memstore_loader loader = loader_of(source);
    memstore_view view;
    char key[16];

    for (int i = 0; i < count; i++) {
        const int size = snprintf(key, sizeof key, "%s%d", prefix, i);
        assert_status(memstore_get_or_load(store, key, (size_t)size, &loader, &view), wanted);
        if (wanted == MEMSTORE_OK)
            memstore_view_release(&view);
    }
}

static memstore *open_with_many_old(const char *max_absent, const char *limit, int count)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s", "loader.negative_ttl=1h",
                  "loader.retry_max=1h", max_absent, limit, NULL);
    char key[16];

    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "old%d", i);
        assert_ok(test_set(store, key, "old", 0));
    }
    test_clock_advance(10000);
    return store;
}

/* Few absences may be remembered; and failures of 1000 keys are all the same. */
static void check_that_failures_outlast_absences(const char *max_absent)
{
    memstore *store = open_with_many_old(max_absent, "performance.memory_limit=16MiB", 1001);
    struct source failing = {.result = MEMSTORE_LOAD_FAILED};
    struct source empty = {.result = MEMSTORE_LOAD_ABSENT};

    ask_for_each(store, &failing, "old", 1000, MEMSTORE_OK);
    ask_for_each(store, &empty, "absent", 20, MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_reconfigure(store, "loader.timeout", "1m"));
    ask_for_each(store, &failing, "old", 1000, MEMSTORE_OK);
    cr_assert_eq(failing.calls, 1000);
    /* Of one more the first makes way. */
    ask_for_each(store, &failing, "old", 1001, MEMSTORE_OK);
    ask_for_each(store, &failing, "old", 1, MEMSTORE_OK);
    cr_assert_eq(failing.calls, 1002);
    memstore_destroy(store);
}

Test(refresh, one_that_failed_is_remembered_however_few_absences_are)
{
    check_that_failures_outlast_absences("loader.max_absent=0");
    check_that_failures_outlast_absences("loader.max_absent=1");
    check_that_failures_outlast_absences("loader.max_absent=10");
}

Test(refresh, failures_do_not_take_the_places_of_absences)
{
    memstore *store = open_with_many_old("loader.max_absent=10", NULL, 100);
    struct source failing = {.result = MEMSTORE_LOAD_FAILED};
    struct source empty = {.result = MEMSTORE_LOAD_ABSENT};

    ask_for_each(store, &empty, "absent", 10, MEMSTORE_ERR_KEY_NOT_FOUND);
    ask_for_each(store, &failing, "old", 100, MEMSTORE_OK);
    ask_for_each(store, &empty, "absent", 10, MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(empty.calls, 10);
    memstore_destroy(store);
}

/* In a store of 1 MiB there is room for some 250 of both. */
Test(refresh, failures_and_absences_share_what_the_limit_has_for_them)
{
    memstore *store =
        open_with_many_old("loader.max_absent=1000", "performance.memory_limit=1MiB", 100);
    struct source failing = {.result = MEMSTORE_LOAD_FAILED};
    struct source empty = {.result = MEMSTORE_LOAD_ABSENT};

    ask_for_each(store, &empty, "absent", 1000, MEMSTORE_ERR_KEY_NOT_FOUND);
    ask_for_each(store, &failing, "old", 100, MEMSTORE_OK);
    ask_for_each(store, &empty, "more", 1000, MEMSTORE_ERR_KEY_NOT_FOUND);
    ask_for_each(store, &failing, "old", 100, MEMSTORE_OK);
    cr_assert_eq(failing.calls, 100);
    memstore_destroy(store);
}

Test(refresh, after_a_refresh_that_failed_what_is_gone_is_loaded_at_once)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.result = MEMSTORE_LOAD_FAILED;
    assert_asks(store, &source, "old");
    assert_ok(memstore_delete(store, "key", 3));
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "new");
    memstore_destroy(store);
}

Test(refresh, a_refresh_that_finds_that_the_key_is_gone_removes_it)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.result = MEMSTORE_LOAD_ABSENT;
    ask(store, &source, MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert(!is_there(store) && test_stats(store).deletes == 1);
    memstore_destroy(store);
}

Test(refresh, a_write_during_a_refresh_wins_over_it)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.during = store;
    assert_asks(store, &source, "new");
    cr_assert(!is_there(store) && test_stats(store).loads_overtaken == 1);
    memstore_destroy(store);
}

Test(refresh, a_ttl_that_is_changed_during_a_refresh_leaves_it_alone)
{
    struct source source;
    memstore *store = open_with_old(&source);

    /* Which an entry of a minute has no room for: it is rewritten. */
    source.during = store;
    source.retimes = INT64_C(100) * 86400 * 1000;
    assert_asks(store, &source, "new");
    assert_asks(store, &source, "new");
    cr_assert(source.calls == 2 && test_stats(store).loads_overtaken == 0);
    memstore_destroy(store);
}

Test(refresh, what_was_written_during_a_refresh_that_fails_is_given)
{
    struct source source;
    memstore *store = open_with_old(&source);
    memstore_lease *lease;
    memstore_view old, view;

    source.during = store;
    source.sets = "set";
    source.result = MEMSTORE_LOAD_FAILED;
    assert_asks(store, &source, "set");
    test_clock_advance(10000);
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &old));
    assert_ok(test_set(store, "key", "again", 0));
    assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view));
    cr_assert(memcmp(old.data, "set", 3) == 0 && memcmp(view.data, "again", 5) == 0);
    memstore_view_release(&view);
    memstore_view_release(&old);
    memstore_destroy(store);
}

Test(refresh, what_is_deleted_during_a_refresh_that_fails_is_not_given)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.during = store;
    source.result = MEMSTORE_LOAD_FAILED;
    assert_fails(store, &source);
    memstore_destroy(store);
}

/* How a TTL is changed by a loader that fails after that has run out. */
struct running_out {
    memstore *store;
    int (*retime)(memstore *store);
    bool swept;
};

static int retime_alone(memstore *store)
{
    return memstore_update_ttl(store, "key", 3, 1);
}

static int retime_by_batch(memstore *store)
{
    memstore_batch *batch = memstore_batch_new(store);
    int status = memstore_batch_update_ttl(batch, "key", 3, 1);

    if (status == MEMSTORE_OK)
        status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

/* Which an entry of a minute has no room for: it is rewritten, and then runs out. */
static int retime_far_and_back(memstore *store)
{
    const int status = memstore_update_ttl(store, "key", 3, INT64_C(100) * 86400 * 1000);

    return status == MEMSTORE_OK ? retime_alone(store) : status;
}

static int let_run_out(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    const struct running_out *running_out = context;

    (void)key;
    (void)key_size;
    (void)out;
    assert_ok(running_out->retime(running_out->store));
    test_clock_advance(2);
    if (running_out->swept)
        cr_assert_eq(memstore_size(running_out->store), 0);
    return MEMSTORE_LOAD_FAILED;
}

static void assert_runs_out(int (*retime)(memstore *store), bool swept)
{
    struct source source;
    struct running_out running_out = {open_with_old(&source), retime, swept};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = let_run_out, .context = &running_out};
    memstore_view view;

    assert_status(memstore_get_or_load(running_out.store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    memstore_destroy(running_out.store);
}

Test(refresh, what_a_change_of_its_ttl_ends_during_a_refresh_that_fails_is_not_given)
{
    int (*const retimes[])(memstore *) = {retime_alone, retime_by_batch, retime_far_and_back};

    for (size_t i = 0; i < TEST_COUNT_OF(retimes); i++) {
        assert_runs_out(retimes[i], false);
        assert_runs_out(retimes[i], true);
    }
}

/* A small store in which "old" is old, whose next load fails. */
static memstore *open_small(struct source *source)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=2MiB",
                                "eviction=fifo", "loader.refresh_after=10s", NULL);

    *source = (struct source){.value = "new", .result = MEMSTORE_LOAD_FAILED, .during = store};
    assert_ok(test_set(store, "key", "old", LIFE_MS));
    test_clock_advance(10000);
    return store;
}

/* More than the first load of a store takes. */
#define ROOM_FOR_A_LOAD 65536

/* Ask once the memory of the key is being reclaimed, when a view comes too late to keep it there. Whether
 * there is room for a load at that moment is chance, and nobody could make any: some was set aside. */
static void ask_while_reclaiming(enum ms_testing_point point, void *context)
{
    struct asker *asker = context;

    if (point != MS_POINT_RECLAIMING || asker->source->calls != 0)
        return;
    ms_budget_uncharge(&asker->store->arena.budget, ROOM_FOR_A_LOAD);
    begin_asking(asker, ask_in_thread, 1);
}

/* Begin a refresh, and have the old value evicted while its loader is held. */
static void begin_and_evict(struct asker *asker)
{
    asker->source->during = NULL;
    atomic_store(&asker->source->holds, true);
    cr_assert(ms_budget_charge(&asker->store->arena.budget, ROOM_FOR_A_LOAD, 0));
    ms_testing_set_hook(ask_while_reclaiming, asker);
    fill(asker->store);
    ms_testing_set_hook(NULL, NULL);
    cr_assert(!is_there(asker->store));
}

static void assert_got_old(struct asker *asker)
{
    assert_ok(asker->status);
    cr_assert(asker->view.size == 3 && memcmp(asker->view.data, "old", 3) == 0);
    memstore_view_release(&asker->view);
}

Test(refresh, what_is_evicted_during_a_refresh_that_fails_is_given_all_the_same)
{
    struct source source;
    memstore *store = open_small(&source);
    struct asker asker = {.store = store, .source = &source};

    begin_and_evict(&asker);
    let_end(&asker);
    assert_got_old(&asker);
    cr_assert(test_stats(store).refresh_failures == 1 && test_stats(store).stale_served == 0);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(refresh, what_is_evicted_during_a_refresh_is_no_longer_pinned_however_that_ends)
{
    static const int results[] = {MEMSTORE_LOAD_OK, MEMSTORE_LOAD_ABSENT};

    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct source source;
        memstore *store = open_small(&source);
        struct asker asker = {.store = store, .source = &source};

        source.result = results[i];
        begin_and_evict(&asker);
        let_end(&asker);
        assert_status(asker.status,
                      results[i] == MEMSTORE_LOAD_OK ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
        memstore_view_release(&asker.view);
        assert_nothing_is_pinned(store);
        memstore_destroy(store);
    }
}

Test(refresh, what_is_evicted_and_deleted_during_a_refresh_that_fails_is_not_given)
{
    struct source source;
    memstore *store = open_small(&source);
    struct asker asker = {.store = store, .source = &source};

    begin_and_evict(&asker);
    assert_status(memstore_delete(store, "key", 3), MEMSTORE_ERR_KEY_NOT_FOUND);
    let_end(&asker);
    assert_status(asker.status, MEMSTORE_ERR_LOADER_FAILED);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(refresh, what_is_evicted_and_expires_during_a_refresh_that_fails_serves_as_long_as_others)
{
    static const char *const max_stale[] = {"0", "1m"};

    for (size_t i = 0; i < 2; i++) {
        struct source source;
        memstore *store = open_small(&source);
        struct asker asker = {.store = store, .source = &source};

        assert_ok(memstore_reconfigure(store, "loader.max_stale", max_stale[i]));
        begin_and_evict(&asker);
        test_clock_advance(LIFE_MS);
        let_end(&asker);
        if (i == 0)
            assert_status(asker.status, MEMSTORE_ERR_LOADER_FAILED);
        else
            assert_got_old(&asker);
        cr_assert_eq(test_stats(store).stale_served, i);
        assert_nothing_is_pinned(store);
        memstore_destroy(store);
    }
}

Test(refresh, a_step_of_the_wall_clock_during_a_refresh_that_fails_changes_nothing)
{
    static const int64_t steps[] = {-86400000, 86400000};

    for (size_t i = 0; i < 4; i++) {
        struct source source;
        memstore *store = open_small(&source);
        struct asker asker = {.store = store, .source = &source};
        const bool expires = i >= 2;

        begin_and_evict(&asker);
        test_clock_advance(expires ? LIFE_MS : 0);
        test_clock_step_unix(steps[i % 2]);
        let_end(&asker);
        if (expires)
            assert_status(asker.status, MEMSTORE_ERR_LOADER_FAILED);
        else
            assert_got_old(&asker);
        memstore_destroy(store);
    }
}

Test(refresh, what_is_old_is_refreshed_where_no_memory_is_free)
{
    struct source source = {.value = "new"};
    const memstore_loader loader = loader_of(&source);
    const memstore_key key = {.data = "key", .size = 3};

    for (int how = 0; how < 3; how++) {
        memstore_view view = {0};
        memstore_lease *lease = NULL;

        test_clock_start();
        memstore *store = test_open("maintenance=manual", "performance.memory_limit=2MiB",
                                    "loader.refresh_after=10s", NULL);
        fill(store);
        assert_ok(test_set(store, "key", "old", 0));
        test_clock_advance(10000);
        if (how == 0)
            assert_asks(store, &source, "new");
        else if (how == 1)
            assert_ok(memstore_get_or_load_many(store, &key, 1, &loader, &view, NULL));
        else
            assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
        if (how == 1)
            cr_assert(memcmp(view.data, "new", 3) == 0);
        cr_assert(how != 2 || lease != NULL);
        memstore_view_release(&view);
        if (lease != NULL)
            assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL));
        memstore_destroy(store);
    }
    cr_assert_eq(source.calls, 2);
}

/* A store in which nothing is free, and a key is old. */
static memstore *open_full_with_old(void)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=2MiB",
                                "loader.refresh_after=10s", NULL);

    fill(store);
    assert_ok(test_set(store, "key", "old", 0));
    test_clock_advance(10000);
    return store;
}

Test(refresh, a_failed_refresh_holds_back_the_next_where_others_have_taken_all_memory)
{
    memstore *store = open_full_with_old();
    uint64_t taken = 0;
    struct source source = {.result = MEMSTORE_LOAD_FAILED, .during = store, .takes = &taken};

    assert_asks(store, &source, "old");
    assert_nothing_is_pinned(store);
    assert_asks(store, &source, "old");
    cr_assert_eq(source.calls, 1);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

Test(refresh, a_failed_lease_holds_back_the_next_where_others_have_taken_all_memory)
{
    memstore *store = open_full_with_old();
    memstore_lease *lease = NULL;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    memstore_view_release(&view);
    const uint64_t taken = take_all_memory(store);
    assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL));
    lease = NULL;
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert_null(lease);
    memstore_view_release(&view);
    assert_nothing_is_pinned(store);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

/* Acquire leases of keys of a size that are not there, between writes that take what is free. */
static void check_that_leases_find_memory(size_t size)
{
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=1MiB", NULL);
    static const char value[5000];
    char absent[2000] = {0};
    uint64_t key = 0;

    for (uint64_t i = 0; i < 3000; i++) {
        memstore_lease *lease;
        memstore_view view;

        for (unsigned j = 0; j < 4; j++, key++)
            assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
        memcpy(absent, &i, sizeof i);
        assert_ok(memstore_lease_acquire(store, absent, size, 0, &lease, &view));
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    }
    memstore_destroy(store);
}

Test(refresh, leases_find_memory_wherever_something_can_be_evicted)
{
    for (size_t size = 1500; size <= 1800; size += 50)
        check_that_leases_find_memory(size);
}

Test(refresh, who_waits_for_a_refresh_that_fails_is_given_what_was_evicted_too)
{
    struct source source;
    memstore *store = open_small(&source);
    struct asker first = {.store = store, .source = &source};
    struct asker second = first;

    begin_and_evict(&first);
    cr_assert_eq(pthread_create(&second.thread, NULL, ask_in_thread, &second), 0);
    wait_for_references(store, 2);
    let_end(&first);
    let_end(&second);
    cr_assert_eq(source.calls, 1);
    assert_got_old(&first);
    assert_got_old(&second);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(refresh, of_many_the_old_ones_are_given_when_their_refresh_fails_however_full_the_store_is)
{
    struct source source;
    memstore *store = open_small(&source);
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"new", 3}, {"too", 3}};
    memstore_view views[3];
    size_t found;

    assert_ok(test_set(store, "too", "old", 0));
    test_clock_advance(10000);
    assert_ok(test_set(store, "new", "set", 0));
    source.fills = true;
    assert_ok(memstore_get_or_load_many(store, keys, 3, &loader, views, &found));
    cr_assert_eq(found, 3);
    cr_assert(memcmp(views[0].data, "old", 3) == 0 && memcmp(views[1].data, "set", 3) == 0 &&
              memcmp(views[2].data, "old", 3) == 0);
    cr_assert_eq(source.calls, 2);
    memstore_view_release_many(views, 3);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(refresh, where_views_are_bounded_the_old_ones_of_many_are_the_place_of_their_loader)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s",
                  "performance.max_concurrent_readers=2", "performance.lock_timeout=20ms", NULL);
    struct source source = {.value = "new"};
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"other", 5}};
    memstore_view views[2];

    assert_ok(test_set(store, "key", "old", 0));
    assert_ok(test_set(store, "other", "old", 0));
    test_clock_advance(10000);
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL));
    cr_assert(memcmp(views[0].data, "new", 3) == 0 && memcmp(views[1].data, "new", 3) == 0);
    memstore_view_release_many(views, 2);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(refresh, where_views_are_bounded_a_refresh_in_flight_counts_as_one)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s",
                  "performance.max_concurrent_readers=1", "performance.lock_timeout=20ms", NULL);
    struct source source = {.value = "old"};
    struct asker asker = {.store = store, .source = &source};
    memstore_view view;

    assert_asks(store, &source, "old");
    test_clock_advance(10000);
    source.value = "new";
    atomic_store(&source.holds, true);
    begin_asking(&asker, ask_in_thread, 2);
    assert_status(memstore_get_view(store, "key", 3, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    atomic_store(&source.holds, false);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    cr_assert(memcmp(asker.view.data, "new", 3) == 0);
    memstore_view_release(&asker.view);
    memstore_destroy(store);
}

Test(refresh, of_many_those_that_are_old_are_loaded_along)
{
    struct source source;
    memstore *store = open_with_old(&source);
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"other", 5}};
    memstore_view views[2];
    size_t found;

    assert_ok(memstore_set(store, "other", 5, "set", 3, 0));
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, &found));
    cr_assert(found == 2 && memcmp(views[0].data, "new", 3) == 0 &&
              memcmp(views[1].data, "set", 3) == 0 && source.calls == 2);
    memstore_view_release_many(views, 2);
    memstore_destroy(store);
}

Test(refresh, a_lease_to_refresh_comes_with_the_value_and_to_one)
{
    struct source source;
    memstore *store = open_with_old(&source);
    memstore_lease *lease, *none;
    memstore_view view, other;

    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &none, &other));
    cr_assert(lease != NULL && none == NULL);
    cr_assert(memcmp(view.data, "old", 3) == 0 && memcmp(other.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_view_release(&other);
    assert_ok(memstore_lease_fill(lease, "new", 3, 0, NULL));
    assert_asks(store, &source, "new");
    memstore_destroy(store);
}

Test(refresh, refresh_after_needs_a_store_that_knows_how_old_entries_are)
{
    memstore *without = test_open("maintenance=manual", NULL);
    memstore *with = test_open("maintenance=manual", "ttl.store_creation_time=true", NULL);

    assert_status(memstore_reconfigure(without, "loader.refresh_after", "1s"),
                  MEMSTORE_ERR_UNSUPPORTED);
    assert_ok(memstore_reconfigure(with, "loader.refresh_after", "1s"));
    memstore_destroy(without);
    memstore_destroy(with);
}

/* Ask for "key", which is there and old, and one that is not, whose loader asks for another call. */
static void check_that_the_old_one_is_tried_once(bool together)
{
    struct source source;
    memstore *store = open_with_old(&source);
    memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"other", 5}};
    memstore_view views[2];

    if (!together)
        loader.load_many = NULL;
    assert_ok(memstore_reconfigure(store, "loader.retry_initial", "0"));
    source.takes_time = true;
    source.result = MEMSTORE_LOAD_RETRY;
    source.succeeds = 4;
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL));
    cr_expect(memcmp(views[0].data, "old", 3) == 0 && memcmp(views[1].data, "new", 3) == 0);
    cr_expect_eq(source.calls, 4);
    const memstore_stats stats = test_stats(store);
    cr_expect(stats.load_retries == 1 && stats.refresh_failures == 1 && stats.refreshes == 0);
    memstore_view_release_many(views, 2);
    memstore_destroy(store);
}

Test(refresh, of_many_those_that_are_old_are_tried_once)
{
    check_that_the_old_one_is_tried_once(true);
}

Test(refresh, of_many_that_are_loaded_one_by_one_those_that_are_old_are_tried_once)
{
    check_that_the_old_one_is_tried_once(false);
}
