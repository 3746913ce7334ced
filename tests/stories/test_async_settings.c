/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of asynchronous writes while the settings that shape it are changed: what is queued is
 * judged by the new ones at once, and nothing of it is lost. */
#include "store/maintenance.h"
#include "store/store.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/process.h"
#include "support/stopper.h"

#include <stdlib.h>

#define MANUAL "maintenance=manual"
#define MIB ((uint64_t)1 << 20)
#define PATIENCE 60 /* seconds until something that another thread does counts as not happening */

static int set_async(memstore *store, const char *key, const char *value)
{
    return memstore_set_async(store, key, strlen(key), value, strlen(value), 0);
}

static void queue_three(memstore *store)
{
    assert_ok(set_async(store, "a", "1"));
    assert_ok(set_async(store, "b", "2"));
    assert_ok(set_async(store, "c", "3"));
}

static void expect_three(memstore *store)
{
    assert_holds(store, "a", "1");
    assert_holds(store, "b", "2");
    assert_holds(store, "c", "3");
}

Test(async_settings, a_smaller_batch_size_holds_for_what_is_queued)
{
    memstore *store = test_open(MANUAL, "performance.batch_size=100", NULL);

    queue_three(store);
    assert_ok(memstore_reconfigure(store, "performance.batch_size", "4"));
    cr_assert_eq(memstore_size(store), 0, "three are fewer than four");
    assert_ok(memstore_reconfigure(store, "performance.batch_size", "3"));
    expect_three(store);
    assert_ok(set_async(store, "d", "4"));
    assert_ok(set_async(store, "e", "5"));
    cr_assert_eq(memstore_size(store), 3);
    assert_ok(set_async(store, "f", "6"));
    cr_assert_eq(memstore_size(store), 6);
    memstore_destroy(store);
}

Test(async_settings, a_larger_batch_size_lets_more_be_queued)
{
    memstore *store = test_open(MANUAL, "performance.batch_size=2", NULL);

    assert_ok(set_async(store, "first", "v"));
    assert_ok(memstore_reconfigure(store, "performance.batch_size", "5000"));
    for (unsigned i = 0; i < 4998; i++)
        assert_ok(memstore_set_async(store, &i, sizeof i, "value", 5, 0));
    cr_assert_eq(memstore_size(store), 0);
    assert_ok(set_async(store, "last", "v"));
    cr_assert_eq(memstore_size(store), 5000);
    memstore_destroy(store);
}

Test(async_settings, batch_timeout_counts_from_when_the_oldest_was_queued)
{
    test_clock_start();
    memstore *store = test_open(MANUAL, "performance.batch_timeout=100ms", NULL);

    queue_three(store);
    test_clock_advance(50);
    assert_ok(memstore_reconfigure(store, "performance.batch_timeout", "60ms"));
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(memstore_size(store), 0);
    test_clock_advance(10);
    assert_ok(memstore_maintain(store, 0));
    expect_three(store);

    assert_ok(set_async(store, "d", "4"));
    test_clock_advance(59);
    assert_ok(memstore_reconfigure(store, "performance.batch_timeout", "1h"));
    test_clock_advance(3600 * 1000 - 60);
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "d", NULL);
    test_clock_advance(1);
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "d", "4");
    memstore_destroy(store);
}

Test(async_settings, a_shorter_batch_timeout_wakes_the_maintenance_thread, .timeout = 100)
{
    memstore *store = test_open("performance.batch_timeout=1h", NULL);

    queue_three(store);
    assert_ok(memstore_reconfigure(store, "performance.batch_timeout", "1ms"));
    const double end = test_now() + PATIENCE;
    while (memstore_size(store) != 3 && test_now() < end)
        test_sleep_ms(1);
    expect_three(store);
    memstore_destroy(store);
}

Test(async_settings, without_batch_optimization_what_is_queued_is_applied_first)
{
    memstore *store = test_open(MANUAL, NULL);

    queue_three(store);
    assert_ok(memstore_reconfigure(store, "performance.enable_batch_optimization", "false"));
    expect_three(store);
    assert_ok(set_async(store, "a", "at once"));
    assert_holds(store, "a", "at once");
    assert_ok(memstore_reconfigure(store, "performance.enable_batch_optimization", "true"));
    assert_ok(set_async(store, "a", "queued"));
    assert_holds(store, "a", "at once");
    assert_ok(memstore_flush(store));
    assert_holds(store, "a", "queued");
    memstore_destroy(store);
}

Test(async_settings, another_setting_leaves_the_queue_alone)
{
    memstore *store = test_open(MANUAL, NULL);

    queue_three(store);
    assert_ok(memstore_reconfigure(store, "performance.gc_percent", "50"));
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "128MiB"));
    cr_assert_eq(memstore_size(store), 0);
    assert_ok(memstore_flush(store));
    expect_three(store);
    memstore_destroy(store);
}

/* ---- A lower limit ---- */

Test(async_settings, a_lower_limit_sheds_the_queue_and_its_memory)
{
    memstore *store =
        test_open(MANUAL, "performance.memory_limit=64MiB", "performance.batch_size=10000", NULL);
    static unsigned char value[1000] = {7};

    assert_ok(set_async(store, "first", "v"));
    assert_ok(memstore_flush(store));
    const memstore_memory_stats before = test_memory(store);
    for (unsigned i = 0; i < 3000; i++)
        assert_ok(memstore_set_async(store, &i, sizeof i, value, sizeof value, 0));
    cr_assert(test_memory(store).overhead >= before.overhead + 3000000);
    cr_assert_eq(memstore_size(store), 1);

    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "16MiB"));
    cr_assert_eq(memstore_size(store), 3001, "all of them were applied");
    const memstore_memory_stats after = test_memory(store);
    cr_assert(after.charged <= 16 * MIB);
    cr_assert(after.overhead <= before.overhead + 20000, "%llu bytes more than before",
              (unsigned long long)(after.overhead - before.overhead));
    assert_ok(memstore_flush(store));
    memstore_destroy(store);
}

Test(async_settings, the_queues_share_follows_the_limit)
{
    memstore *store =
        test_open(MANUAL, "performance.memory_limit=64MiB", "performance.batch_size=10000", NULL);
    static unsigned char value[10000] = {7};

    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "16MiB"));
    unsigned queued = 0;
    while (memstore_size(store) == 0) {
        assert_ok(memstore_set_async(store, &queued, sizeof queued, value, sizeof value, 0));
        queued++;
    }
    cr_assert(queued >= 95 && queued <= 106, "%u of 10 kB were queued in a sixteenth of 16 MiB",
              queued);
    memstore_destroy(store);
}

/* ---- fork ---- */

static void queue_more(void *store)
{
    static unsigned number;
    static unsigned char value[1000];

    number++;
    CHECK_OK(memstore_set_async(store, &number, sizeof number, value, sizeof value, 0));
}

/* Runs in a child: the queue is empty, takes no memory but for its filter, and works. */
static void expect_no_queue(memstore *store, uint64_t overhead)
{
    alarm(PATIENCE);
    ms_testing_set_hook(NULL, NULL);
    CHECK(memstore_size(store) == 1);
    CHECK(test_memory(store).overhead == overhead);
    CHECK_OK(memstore_flush(store));
    CHECK(memstore_size(store) == 1);
    for (unsigned i = 0; i < 100; i++)
        queue_more(store);
    CHECK_OK(memstore_close(store));
    memstore_destroy(store);
    _exit(0);
}

/* The parent's thread has made the queue's next chunk, which is in no list yet, and another is
 * partly filled. */
Test(async_settings, a_child_has_neither_a_half_filled_chunk_nor_one_in_another_threads_hands)
{
    memstore *store = test_open(MANUAL, "performance.batch_size=10000", NULL);

    assert_ok(set_async(store, "first", "v"));
    assert_ok(memstore_flush(store));
    /* A lower limit gives the spare chunks back, so that what is left is the filter. */
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "32MiB"));
    const uint64_t overhead = test_memory(store).overhead;
    test_stop_at(MS_POINT_CHUNK_MADE, queue_more, store);
    assert_ok(set_async(store, "second", "v"));
    cr_assert(test_memory(store).overhead > overhead);

    const pid_t child = test_fork();
    if (child == 0)
        expect_no_queue(store, overhead);
    const int status = test_child_status(child);
    test_let_go();
    cr_assert_eq(status, 0, "%d", status);
    assert_ok(memstore_flush(store));
    assert_holds(store, "second", "v");
    memstore_destroy(store);
}

/* ---- The maintenance thread ---- */

/* Whether it comes back soon for what it could not apply, which is awaited. */
static bool comes_back(memstore *store, bool expected)
{
    for (const double end = test_now() + PATIENCE;
         ms_combiner_wants_help(&store->combiner) != expected && test_now() < end;)
        test_sleep_ms(1);
    return ms_combiner_wants_help(&store->combiner);
}

Test(async_settings, the_maintenance_thread_comes_back_for_what_there_is_to_apply)
{
    memstore *store = test_open("performance.batch_timeout=1h", NULL);

    /* It looks at the queue from now on, whoever applies it. */
    assert_ok(set_async(store, "a", "1"));
    assert_ok(memstore_flush(store));
    ms_mutex_lock(&store->combiner.apply_lock);
    ms_maintenance_wake(store);
    const bool was_kept_out = comes_back(store, true);
    ms_mutex_unlock(&store->combiner.apply_lock);
    cr_assert(was_kept_out);
    cr_assert_not(comes_back(store, false), "there is nothing to apply, and it comes all the time");
    memstore_destroy(store);
}
