/* SPDX-License-Identifier: Apache-2.0 */
/* What is old was loaded anew, and the store cannot take it. */
#include "store/store.h"
#include "stories/loading.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/holder.h"

#include <pthread.h>
#include <stdatomic.h>

#define VIEWS_MAX 4000
#define MANY 1000

static char old_value[TEST_HELD_BYTES], new_value[TEST_HELD_BYTES];

/* A loader that has views hold all memory when it is first called, unless nothing is to be held. */
struct holder {
    memstore *store;
    unsigned calls;
    memstore_view views[VIEWS_MAX];
    size_t held;
};
static struct holder holder;

static void answer(memstore_load_value *out)
{
    out->value = new_value;
    out->value_size = sizeof new_value;
    out->result = MEMSTORE_LOAD_OK;
}

static void hold_all_once(void)
{
    if (holder.calls++ != 0 || holder.store == NULL)
        return;
    holder.held = test_hold_all(holder.store, holder.views, VIEWS_MAX);
    /* As long as who waits for room for the new value would. */
    assert_ok(memstore_reconfigure(holder.store, "performance.lock_timeout", "10s"));
}

static int load_holding(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key, (void)key_size, (void)context;
    hold_all_once();
    answer(out);
    return MEMSTORE_LOAD_OK;
}

static int load_many_holding(const memstore_key *keys, size_t n, memstore_load_value *out,
                             void *context)
{
    (void)keys, (void)context;
    hold_all_once();
    for (size_t i = 0; i < n; i++)
        answer(&out[i]);
    return MEMSTORE_LOAD_OK;
}

static const memstore_loader loader = {
    .struct_size = sizeof loader, .load = load_holding, .load_many = load_many_holding};

static void begin(void)
{
    memset(old_value, 'o', sizeof old_value);
    memset(new_value, 'n', sizeof new_value);
    test_clock_start();
}

static memstore *open_small(const char *setting)
{
    begin();
    memstore *store = test_open("performance.memory_limit=4MB", "shards=1", "maintenance=manual",
                                "loader.refresh_after=10s", "loader.retry_max=1s", setting, NULL);

    assert_ok(memstore_set(store, "key", 3, old_value, sizeof old_value, 0));
    test_clock_advance(10000);
    return store;
}

static void assert_gives(memstore *store, const char *value)
{
    const double start = test_now();
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    cr_assert(view.size == TEST_HELD_BYTES && memcmp(view.data, value, view.size) == 0);
    cr_assert_lt(test_now() - start, 8);
    memstore_view_release(&view);
}

static void release_all(void)
{
    memstore_view_release_many(holder.views, holder.held);
}

/* That of the key, by the test's clock, and that of the store, which is real time. */
static void end_pauses(memstore *store)
{
    test_clock_advance(1000);
    ms_store_relaxed(&store->refreshes_wait_until, 0);
}

Test(refresh_refused, what_views_leave_no_room_for_is_handed_out_soon_and_tried_again_later)
{
    memstore *store = holder.store = open_small(NULL);
    memstore_view kept;

    assert_ok(memstore_get_view(store, "key", 3, &kept));
    assert_gives(store, new_value);
    assert_gives(store, old_value);
    cr_assert_eq(holder.calls, 1);
    memstore_view_release(&kept);
    release_all();
    end_pauses(store);
    assert_gives(store, new_value);
    assert_gives(store, new_value);
    cr_assert_eq(holder.calls, 2);
    memstore_destroy(store);
}

Test(refresh_refused, the_old_value_serves_where_the_new_one_is_not_handed_out)
{
    memstore *store = holder.store = open_small("loader.on_store_error=fail");

    assert_gives(store, old_value);
    cr_assert(holder.calls == 1 && test_stats(store).refresh_failures == 0);
    release_all();
    end_pauses(store);
    assert_gives(store, new_value);
    memstore_destroy(store);
}

Test(refresh_refused, those_of_many_for_which_there_is_no_room_are_waited_for_together)
{
    memstore *store = holder.store = open_small("loader.on_store_error=fail");
    static memstore_view kept[MANY], views[MANY];
    static memstore_key keys[MANY];
    static char names[MANY][32];
    size_t found;

    for (size_t i = 0; i < MANY; i++) {
        keys[i] = (memstore_key){names[i], (size_t)snprintf(names[i], 32, "old %zu", i)};
        assert_ok(memstore_set(store, keys[i].data, keys[i].size, "old", 3, 0));
        assert_ok(memstore_get_view(store, keys[i].data, keys[i].size, &kept[i]));
    }
    test_clock_advance(10000);
    const double start = test_now();
    assert_ok(memstore_get_or_load_many(store, keys, MANY, &loader, views, &found));
    /* Each by itself would wait for ten milliseconds, beside a second or so of the loader. */
    cr_assert_lt(test_now() - start, 8);
    cr_assert(found == MANY && holder.calls == 1);
    for (size_t i = 0; i < MANY; i++)
        cr_assert(views[i].size == 3 && memcmp(views[i].data, "old", 3) == 0);
    memstore_view_release_many(views, MANY);
    memstore_view_release_many(kept, MANY);
    release_all();
    memstore_destroy(store);
}

Test(refresh_refused, where_nothing_is_evicted_a_full_store_goes_on_giving_what_it_has)
{
    begin();
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none",
                                "maintenance=manual", "loader.refresh_after=10s",
                                "loader.retry_max=1s", "loader.on_store_error=fail", NULL);

    assert_ok(memstore_set(store, "key", 3, old_value, sizeof old_value, 0));
    assert_status(write_until_refused(store), MEMSTORE_ERR_CACHE_FULL);
    test_clock_advance(10000);
    assert_gives(store, old_value);
    assert_gives(store, old_value);
    cr_assert_eq(holder.calls, 1);
    end_pauses(store);
    assert_gives(store, old_value);
    cr_assert_eq(holder.calls, 2);
    memstore_destroy(store);
}

Test(refresh_refused, where_there_is_no_room_for_one_nobody_refreshes_others_for_a_while)
{
    begin();
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none",
                                "maintenance=manual", "loader.refresh_after=10s", NULL);
    memstore_view view;

    assert_status(write_until_refused(store), MEMSTORE_ERR_CACHE_FULL);
    test_clock_advance(10000);
    const int64_t until_us = ms_clock_real_us() + 200000;
    for (uint64_t key = 0; key < 100; key++) {
        assert_ok(memstore_get_or_load(store, &key, sizeof key, &loader, &view));
        memstore_view_release(&view);
    }
    cr_assert(holder.calls == 1 || ms_clock_real_us() >= until_us);
    memstore_destroy(store);
}

Test(refresh_refused, what_is_too_large_now_leaves_the_old_value)
{
    begin();
    memstore *store = test_open("maintenance=manual", "max_entry_size=100",
                                "loader.refresh_after=10s", "loader.on_store_error=fail", NULL);
    memstore_view view;

    assert_ok(memstore_set(store, "key", 3, "old", 3, 0));
    test_clock_advance(10000);
    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    cr_assert(view.size == 3 && memcmp(view.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_destroy(store);
}

/* ---- What others have queued ---- */

/* A thread that has the lock of the one shard for longer than room is made for a refresh. */
static struct {
    memstore *store;
    pthread_t thread;
    atomic_bool has_lock;
} busy;

static void *hold_shard(void *unused)
{
    ms_mutex *const lock = &busy.store->index.shards[0].lock;

    ms_mutex_lock(lock);
    atomic_store(&busy.has_lock, true);
    test_sleep_ms(200);
    ms_mutex_unlock(lock);
    return unused;
}

static int load_while_the_key_is_queued(const void *key, size_t key_size, memstore_load_value *out,
                                        void *context)
{
    (void)context;
    assert_ok(memstore_set_async(busy.store, key, key_size, "queued", 6, 0));
    cr_assert_eq(pthread_create(&busy.thread, NULL, hold_shard, NULL), 0);
    TEST_AWAIT(atomic_load(&busy.has_lock));
    answer(out);
    return MEMSTORE_LOAD_OK;
}

Test(refresh_refused, what_is_queued_waits_as_long_as_it_may_whoever_comes_by)
{
    const memstore_loader queueing = {.struct_size = sizeof queueing,
                                      .load = load_while_the_key_is_queued};
    memstore_view view;

    busy.store = open_small("performance.batch_timeout=1h");
    assert_ok(memstore_get_or_load(busy.store, "key", 3, &queueing, &view));
    memstore_view_release(&view);
    pthread_join(busy.thread, NULL);
    assert_ok(memstore_flush(busy.store));
    assert_holds(busy.store, "key", "queued");
    memstore_destroy(busy.store);
}
