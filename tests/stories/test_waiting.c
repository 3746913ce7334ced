/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller gives up before a call waits, and that it is asked to in time: here, the views that the
 * call waits for. And that a call waits no longer than its caller wants to. */
#include "platform/wait.h"
#include "store/store.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/holder.h"
#include "support/support.h"

#define VIEWS_MAX 4000

static memstore_view held[VIEWS_MAX];
static size_t held_count;
static int calls;

static void release_views(void)
{
    calls++;
    memstore_view_release_many(held, held_count);
}

static memstore *open_small(const char *setting)
{
    return test_open("performance.memory_limit=4MB", "shards=1", "performance.lock_timeout=1ms",
                     setting, NULL);
}

static void hold_all(memstore *store)
{
    held_count = test_hold_all(store, held, VIEWS_MAX);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "20s"));
}

static memstore *open_held(const char *setting)
{
    memstore *store = open_small(setting);

    hold_all(store);
    return store;
}

static int fail_to_load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key, (void)key_size, (void)out, (void)context;
    return MEMSTORE_LOAD_FAILED;
}

/* There is a value for each, and the views of the caller may be what holds the memory. */
Test(waiting, refreshes_for_which_views_leave_no_memory_are_waited_for_together)
{
    enum { ASKED = 1000 };
    const memstore_loader loader = {.struct_size = sizeof loader, .load = fail_to_load};
    static char names[ASKED][32];
    static memstore_key keys[ASKED];
    static memstore_view views[ASKED];
    size_t found;

    memstore *store = open_held("loader.refresh_after=1ms");
    for (size_t i = 0; i < ASKED; i++)
        keys[i] = test_held_key(i, names[i]);
    const double start = test_now();
    assert_ok(memstore_get_or_load_many(store, keys, ASKED, &loader, views, &found));
    /* Each by itself would wait for ten milliseconds. */
    cr_assert_lt(test_now() - start, 8);
    cr_assert_eq(found, ASKED);
    memstore_view_release_many(views, ASKED);
    release_views();
    memstore_destroy(store);
}

static void write_what_waits(memstore *store)
{
    char value[3000] = {0};

    ms_before_wait = release_views;
    assert_ok(memstore_set(store, "k", 1, value, sizeof value, MEMSTORE_TTL_NONE));
    cr_assert_eq(calls, 1);
    cr_assert_null(ms_before_wait);
    memstore_destroy(store);
}

Test(waiting, a_write_that_waits_for_views_says_so_first)
{
    write_what_waits(open_held("maintenance=background"));
}

Test(waiting, so_does_one_that_reclaims_by_itself)
{
    write_what_waits(open_held("maintenance=manual"));
}

Test(waiting, what_needs_no_wait_says_nothing)
{
    memstore *store = test_open("performance.memory_limit=4MB", NULL);
    int64_t sum;

    ms_before_wait = release_views;
    assert_ok(memstore_set(store, "k", 1, "1", 1, MEMSTORE_TTL_NONE));
    assert_ok(memstore_increment(store, "k", 1, 1, 0, MEMSTORE_TTL_NONE, &sum));
    assert_ok(memstore_has(store, "k", 1));
    cr_assert_eq(memstore_size(store), 1);
    assert_ok(memstore_delete(store, "k", 1));
    cr_assert_eq(calls, 0);
    ms_before_wait = NULL;
    memstore_destroy(store);
}

/* What views hold cannot be freed, but what is kept to make room with serves. */
Test(waiting, a_batch_that_only_deletes_does_not_wait_for_views)
{
    memstore *store = open_held("maintenance=manual");
    char names[50][32];
    memstore_key keys[50];
    size_t deleted, n = 0;

    for (size_t i = 0; i < held_count && n < 50; i++) {
        keys[n] = test_held_key(i, names[n]);
        n += test_has(store, names[n]) == MEMSTORE_OK;
    }
    const double start = test_now();
    ms_before_wait = release_views;
    assert_ok(memstore_delete_many(store, keys, 50, &deleted));
    cr_assert_eq(deleted, n, "%zu of %zu", deleted, n);
    cr_assert_eq(n, 50);
    cr_assert_eq(calls, 0, "it waited for views");
    cr_assert_lt(test_now() - start, 10);
    ms_before_wait = NULL;
    release_views();
    memstore_destroy(store);
}

/* ---- By the caller's own wish ---- */

#define LONG "performance.lock_timeout=10m"
#define SOON 60 /* seconds; a call that waits for its lock_timeout takes ten times as long */

static int64_t stop;

static void *stop_waits(void *unused)
{
    ms_wait_us(20000);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    return unused;
}

static uint64_t refusals(memstore *store)
{
    memstore_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_stats(store, &stats));
    return stats.rejected_full + stats.rejected_memory + stats.rejected_timeout;
}

static memstore *open_held_long(void)
{
    memstore *store = open_held("maintenance=background");

    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "10m"));
    return store;
}

static void assert_gives_up(memstore *store)
{
    const uint64_t before = refusals(store);
    const double start = test_now();
    char value[3000] = {0};

    const int status = memstore_set(store, "held 1", 6, value, 2900, MEMSTORE_TTL_NONE);
    cr_assert(status == MEMSTORE_ERR_MEMORY_EXHAUSTED || status == MEMSTORE_ERR_GC_PRESSURE, "%s",
              memstore_status_name(status));
    cr_assert_lt(test_now() - start, SOON);
    cr_assert_eq(refusals(store), before, "the store did not refuse it");
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
}

static void assert_as_before(memstore *store)
{
    memstore_view view;
    char value[3000] = {0};

    assert_ok(memstore_get_view(store, "held 1", 6, &view));
    cr_assert_eq(view.size, sizeof value);
    memstore_view_release(&view);
    release_views();
    assert_ok(memstore_set(store, "held 1", 6, value, 2900, MEMSTORE_TTL_NONE));
    cr_assert_eq(memstore_bound_waits(-1, NULL), 0);
    memstore_destroy(store);
}

Test(waiting, a_write_gives_up_when_its_callers_time_is_over)
{
    memstore *store = open_held_long();

    cr_assert_eq(memstore_bound_waits(20, NULL), 0);
    assert_gives_up(store);
    assert_as_before(store);
}

Test(waiting, a_write_gives_up_when_its_caller_is_told_to)
{
    memstore *store = open_held_long();
    pthread_t thread;

    memstore_bound_waits(-1, &stop);
    cr_assert_eq(pthread_create(&thread, NULL, stop_waits, NULL), 0);
    assert_gives_up(store);
    pthread_join(thread, NULL);
    assert_as_before(store);
}

Test(waiting, without_time_to_wait_a_call_that_needs_none_succeeds)
{
    memstore *store = test_open(LONG, NULL);

    memstore_bound_waits(0, NULL);
    assert_ok(memstore_set(store, "k", 1, "1", 1, MEMSTORE_TTL_NONE));
    assert_ok(memstore_delete(store, "k", 1));
    cr_assert_eq(memstore_bound_waits(-1, NULL), 0, "nothing was waited for");
    memstore_destroy(store);
}

Test(waiting, a_batch_that_gives_up_has_stored_nothing)
{
    memstore *store = open_held_long();
    memstore_batch *batch = memstore_batch_new(store);
    char value[3000] = {0};

    assert_ok(memstore_batch_delete(batch, "held 2", 6));
    for (int i = 0; i < 40; i++)
        assert_ok(memstore_batch_set(batch, "held 1", 6, value, sizeof value, MEMSTORE_TTL_NONE));
    memstore_bound_waits(5, NULL);
    cr_assert_neq(memstore_batch_commit(batch), MEMSTORE_OK);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    assert_ok(memstore_has(store, "held 2", 6));
    release_views();
    assert_ok(memstore_batch_commit(batch));
    cr_assert_eq(memstore_has(store, "held 2", 6), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_batch_free(batch);
    memstore_destroy(store);
}

Test(waiting, who_gives_up_leaves_what_was_queued_before)
{
    memstore *store = open_small("maintenance=manual");
    char value[3000] = {0};

    assert_ok(memstore_set_async(store, "q0", 2, value, sizeof value, MEMSTORE_TTL_NONE));
    assert_ok(memstore_set_async(store, "q1", 2, value, sizeof value, MEMSTORE_TTL_NONE));
    hold_all(store);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "10m"));
    memstore_bound_waits(5, NULL);
    cr_assert_neq(memstore_delete(store, "q0", 2), MEMSTORE_OK);
    cr_assert_eq(memstore_bound_waits(5, NULL), 1);
    cr_assert_neq(memstore_flush(store), MEMSTORE_OK);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    release_views();
    assert_ok(memstore_flush(store));
    assert_ok(memstore_has(store, "q0", 2));
    assert_ok(memstore_has(store, "q1", 2));
    memstore_destroy(store);
}

Test(waiting, a_view_is_not_waited_for_any_longer)
{
    memstore *store = test_open("performance.max_concurrent_readers=1", LONG, NULL);
    memstore_view one, other;
    pthread_t thread;

    assert_ok(memstore_set(store, "k", 1, "1", 1, MEMSTORE_TTL_NONE));
    assert_ok(memstore_get_view(store, "k", 1, &one));
    memstore_bound_waits(-1, &stop);
    cr_assert_eq(pthread_create(&thread, NULL, stop_waits, NULL), 0);
    cr_assert_eq(memstore_get_view(store, "k", 1, &other), MEMSTORE_ERR_LOCK_TIMEOUT);
    pthread_join(thread, NULL);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    memstore_view_release(&one);
    assert_ok(memstore_get_view(store, "k", 1, &other));
    memstore_view_release(&other);
    memstore_destroy(store);
}

Test(waiting, a_memory_limit_on_its_way_down_is_put_back)
{
    memstore *store = test_open("performance.memory_limit=128MiB", LONG, NULL);
    const uint64_t limit = memstore_capacity(store);
    char value[10000] = {0};

    for (uint32_t i = 0; i < 20000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, MEMSTORE_TTL_NONE));
    stop = 1;
    memstore_bound_waits(-1, &stop);
    cr_assert_eq(memstore_reconfigure(store, "performance.memory_limit", "16MiB"),
                 MEMSTORE_ERR_GC_PRESSURE);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    cr_assert_eq(memstore_capacity(store), limit);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "16MiB"));
    memstore_destroy(store);
}

Test(waiting, maintenance_ends_where_it_is_when_its_caller_is_told_to)
{
    memstore *store = test_open("maintenance=manual", NULL);
    const int64_t stopped = 1;
    char value[10000] = {0};

    test_clock_start();
    for (uint32_t i = 0; i < 2000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 1));
    test_clock_advance(10);
    memstore_bound_waits(-1, &stopped);
    cr_assert_eq(memstore_maintain(store, 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    assert_ok(memstore_maintain(store, 0));
    memstore_destroy(store);
}

Test(waiting, a_deletion_by_pattern_ends_where_it_is_when_its_caller_is_told_to)
{
    memstore *store = test_open("maintenance=manual", NULL);
    const int64_t stopped = 1;
    uint64_t deleted = 7;

    assert_ok(memstore_set(store, "k", 1, "1", 1, MEMSTORE_TTL_NONE));
    memstore_bound_waits(-1, &stopped);
    cr_assert_eq(memstore_delete_by_pattern(store, "none*", 5, &deleted),
                 MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(memstore_delete_by_pattern(store, "*", 1, &deleted), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    cr_assert_eq(deleted, 0);
    assert_ok(memstore_delete_by_pattern(store, "*", 1, &deleted));
    cr_assert_eq(deleted, 1);
    memstore_destroy(store);
}

Test(waiting, a_compaction_ends_where_it_is_when_its_caller_is_told_to)
{
    memstore *store = test_open("performance.memory_limit=4MB", "maintenance=manual", NULL);
    const int64_t stopped = 1;
    char value[1000] = {0};

    for (uint32_t i = 0; i < 3000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    for (uint32_t i = 0; i < 3000; i += 2)
        assert_ok(memstore_delete(store, &i, sizeof i));
    memstore_bound_waits(-1, &stopped);
    cr_assert_eq(memstore_compact(store, 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    memstore_stats stats = {.struct_size = sizeof stats};
    assert_ok(memstore_get_stats(store, &stats));
    cr_assert_leq(stats.compactions, 1);
    assert_ok(memstore_compact(store, 0));
    memstore_destroy(store);
}

static int count_key(const void *key, size_t key_size, void *context)
{
    (void)key;
    (void)key_size;
    ++*(uint64_t *)context;
    return 0;
}

Test(waiting, a_pass_over_keys_ends_where_it_is_when_its_caller_is_told_to)
{
    memstore *store = test_open("maintenance=manual", NULL);
    const int64_t stopped = 1;
    uint64_t met = 0;
    memstore_cursor *cursor;
    memstore_key key;

    assert_ok(memstore_set(store, "k", 1, "1", 1, MEMSTORE_TTL_NONE));
    assert_ok(memstore_cursor_new(store, "*", 1, &cursor));
    memstore_bound_waits(-1, &stopped);
    assert_status(memstore_count_by_pattern(store, "*", 1, &met), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_keys(store, "*", 1, count_key, &met), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    cr_assert_eq(met, 0);
    assert_ok(memstore_cursor_next(cursor, &key));
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    memstore_destroy(store);
}
