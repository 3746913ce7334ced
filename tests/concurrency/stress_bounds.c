/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that may wait do so for `performance.lock_timeout` and not much longer, whatever stands
 * still meanwhile: a writer with its lock, who reclaims, a reader. */
#include "store/store.h"
#include "support/clock.h"
#include "support/stopper.h"
#include "support/support.h"
#include "support/team.h"

/* Seconds that a call may take. Timeouts are milliseconds here; the rest is for a machine that is
 * busy. */
#define PATIENCE 8

static memstore *store;

/* Run `call` and see that it comes back in time. */
static int in_time(int (*call)(void))
{
    const double start = test_now();

    /* What never comes back shows as a signal. */
    const unsigned before = alarm(3 * PATIENCE);
    const int status = call();
    alarm(before);
    if (test_now() - start >= PATIENCE)
        test_fail(__FILE__, __LINE__, "a call took %.1f s", test_now() - start);
    return status;
}

static int ask_for_size(void)
{
    return (int)memstore_size(store);
}

static int ask_for_stats(void)
{
    return (int)test_stats(store).entries;
}

static int compact(void)
{
    return memstore_compact(store, 0);
}

static int maintain(void)
{
    return memstore_maintain(store, 0);
}

static int maintain_briefly(void)
{
    return memstore_maintain(store, 1000);
}

static int clear(void)
{
    return memstore_clear(store);
}

static int set_another(void)
{
    return test_set(store, "another", "v", 0);
}

/* ---- A writer stands still with its shard's lock ---- */

static void set_stopped(void *context)
{
    (void)context;
    CHECK_OK(test_set(store, "stopped", "v", 0));
}

static void size_does_not_wait_for_each_entry_of_a_held_shard(void)
{
    const uint64_t live = 10, expired = 5000;

    test_clock_start();
    store = test_open("shards=1", "performance.memory_limit=8MiB", "maintenance=manual",
                      "performance.lock_timeout=20ms", NULL);
    for (uint64_t i = 0; i < live + expired; i++)
        CHECK_OK(memstore_set(store, &i, sizeof i, "v", 1, i < live ? 0 : 1000));
    test_stop_at(MS_POINT_SHARD_LOCKED, set_stopped, NULL);
    test_clock_advance(2000);

    CHECK((uint64_t)in_time(ask_for_size) == live);
    CHECK((uint64_t)in_time(ask_for_stats) == live);
    CHECK(test_stats(store).expirations == 0); /* nobody could remove them */
    CHECK_STATUS(in_time(set_another), MEMSTORE_ERR_LOCK_TIMEOUT);
    CHECK_STATUS(in_time(clear), MEMSTORE_ERR_LOCK_TIMEOUT);

    test_let_go();
    CHECK((uint64_t)in_time(ask_for_size) == live + 1);
    CHECK_OK(in_time(maintain)); /* asking sweeps for some milliseconds only */
    CHECK(test_stats(store).expirations == expired);
    memstore_destroy(store);
    ms_testing_use_real_clock();
}

/* ---- A writer holds its shard's lock for a while ---- */

static void let_go_at_second_pass(enum ms_testing_point point, void *passes)
{
    if (point == MS_POINT_RECLAIMING && ++*(unsigned *)passes == 2)
        test_let_go();
}

static void compaction_comes_back_to_a_shard_that_was_held(void)
{
    unsigned passes = 0;

    store = test_open("shards=1", "performance.memory_limit=8MiB", "maintenance=manual", NULL);
    for (uint64_t i = 0; i < 10; i++)
        CHECK_OK(memstore_set(store, &i, sizeof i, "v", 1, 0));
    CHECK_OK(test_set(store, "replaced", "v", 0));
    CHECK_OK(test_set(store, "replaced", "again", 0));
    test_stop_at(MS_POINT_SHARD_LOCKED, set_stopped, NULL);
    ms_testing_set_hook(let_go_at_second_pass, &passes);

    CHECK_OK(in_time(compact));
    CHECK(passes == 2);
    CHECK(memstore_size(store) == 12);
    CHECK(test_stats(store).evictions == 0);
    memstore_destroy(store);
}

static void delete_stopped(void *context)
{
    (void)context;
    CHECK_STATUS(memstore_delete(store, "stopped", 7), MEMSTORE_ERR_KEY_NOT_FOUND);
}

/* Fill the store up and let some of a segment be dead, and hold a shard that has others of it. */
static void hold_up_compactions(uint64_t *key)
{
    static const char value[200];
    const uint64_t first = *key;
    int status;

    while ((status = memstore_set(store, key, sizeof *key, value, sizeof value, 0)) == MEMSTORE_OK)
        ++*key;
    CHECK_STATUS(status, MEMSTORE_ERR_CACHE_FULL);
    for (uint64_t i = first; i < first + 200; i++) {
        if (i % 2 == 0)
            CHECK_OK(memstore_delete(store, &i, sizeof i));
    }
    test_stop_at(MS_POINT_SHARD_LOCKED, delete_stopped, NULL);
}

/* Write what is not of that shard, another key each time. */
static int set_elsewhere(void)
{
    static const char value[200];
    static uint64_t key = UINT64_MAX;
    const ms_mutex *held = ms_store_shard_lock(store, ms_store_hash(store, "stopped", 7));

    do
        key--;
    while (ms_store_shard_lock(store, ms_store_hash(store, &key, sizeof key)) == held);
    return memstore_set(store, &key, sizeof key, value, sizeof value, 0);
}

static void let_go_at_second_compaction(enum ms_testing_point point, void *passes)
{
    if (point == MS_POINT_RECLAIMING && ++*(unsigned *)passes == 5)
        test_let_go();
}

static void a_shard_that_was_held_up_long_ago_is_waited_for_again(void)
{
    uint64_t key = 0;
    unsigned passes = 0;
    int status;

    store = test_open("shards=2", "performance.memory_limit=1MiB", "maintenance=manual",
                      "eviction=none", NULL);
    hold_up_compactions(&key);
    /* What was moved of the other shard leaves room beside it for some. */
    while ((status = in_time(set_elsewhere)) == MEMSTORE_OK)
        continue;
    CHECK_STATUS(status, MEMSTORE_ERR_CACHE_FULL);
    test_let_go();

    CHECK_OK(in_time(clear));
    hold_up_compactions(&key);
    test_sleep_ms(200); /* of the real clock, as that patience is */
    ms_testing_set_hook(let_go_at_second_compaction, &passes);
    while (passes < 5)
        CHECK_OK(in_time(set_elsewhere));
    memstore_destroy(store);
}

/* ---- Who reclaims stands still ---- */

static void compact_stopped(void *context)
{
    (void)context;
    CHECK_OK(test_set(store, "stopped", "v", 0));
    CHECK_OK(test_set(store, "stopped", "again", 0));
    const int status = memstore_compact(store, 0);
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_MEMORY_FRAGMENTATION);
}

static void calls_give_up_on_who_reclaims(void)
{
    const uint64_t live = 10, expired = 100;

    test_clock_start();
    store = test_open("shards=1", "performance.memory_limit=8MiB", "maintenance=manual",
                      "performance.lock_timeout=20ms", NULL);
    for (uint64_t i = 0; i < live + expired; i++)
        CHECK_OK(memstore_set(store, &i, sizeof i, "v", 1, i < live ? 0 : 1000));
    test_stop_at(MS_POINT_RECLAIMING, compact_stopped, NULL);
    test_clock_advance(2000);

    CHECK((uint64_t)in_time(ask_for_size) == live + 1);
    CHECK((uint64_t)in_time(ask_for_stats) == live + 1);
    CHECK_STATUS(in_time(compact), MEMSTORE_ERR_LOCK_TIMEOUT);
    CHECK_STATUS(in_time(maintain), MEMSTORE_ERR_LOCK_TIMEOUT);
    CHECK_STATUS(in_time(maintain_briefly), MEMSTORE_ERR_LOCK_TIMEOUT);
    CHECK_OK(in_time(clear));
    CHECK_OK(in_time(set_another));
    CHECK((uint64_t)in_time(ask_for_size) == 1);

    test_let_go();
    CHECK_OK(in_time(compact));
    CHECK_OK(in_time(maintain));
    memstore_destroy(store);
    ms_testing_use_real_clock();
}

/* ---- A writer waits for views, and meanwhile who reclaims comes to stand still ---- */

#define VALUE 1000

static int set_number(uint64_t i)
{
    static const unsigned char value[VALUE];

    return memstore_set(store, &i, sizeof i, value, sizeof value, 0);
}

static uint64_t fill(uint64_t first)
{
    uint64_t i = first;
    int status;

    while ((status = set_number(i)) == MEMSTORE_OK)
        i++;
    CHECK_STATUS(status, MEMSTORE_ERR_CACHE_FULL);
    return i;
}

static int set_one_more(void)
{
    return set_number(UINT64_MAX);
}

static void wait_for_room(unsigned number, void *context)
{
    (void)number;
    (void)context;
    const int status = in_time(set_one_more);
    CHECK(status == MEMSTORE_ERR_CACHE_FULL || status == MEMSTORE_ERR_GC_PRESSURE);
}

static void compact_until_stopped(void *context)
{
    (void)context;
    (void)memstore_compact(store, 0);
}

static void a_writer_that_waits_for_views_gives_up_on_who_reclaims(void)
{
    struct test_team team = {0};
    const uint64_t first = 0;
    memstore_view view;

    store = test_open("shards=1", "performance.memory_limit=1MiB", "maintenance=manual",
                      "eviction=none", "performance.lock_timeout=500ms", NULL);
    /* Dead bytes, too few for a writer to bother and enough for a compaction. */
    CHECK_OK(test_set(store, "tiny", "v", 0));
    CHECK_OK(set_number(first));
    CHECK_OK(memstore_get_view(store, &first, sizeof first, &view));
    const uint64_t count = fill(first + 1);
    /* A segment that is dead and viewed: something may come free at any time. */
    for (uint64_t i = 0; i < count / 2; i++)
        CHECK_OK(memstore_delete(store, &i, sizeof i));
    CHECK_OK(test_delete(store, "tiny"));
    CHECK_OK(test_set(store, "tiny", "v", 0));
    fill(count);
    CHECK_OK(test_delete(store, "tiny"));

    alarm(3 * PATIENCE);
    test_team_start(&team, 1, wait_for_room, NULL);
    test_sleep_ms(100);
    test_stop_at(MS_POINT_RECLAIMING, compact_until_stopped, NULL);
    test_team_join(&team);
    test_let_go();
    memstore_view_release(&view);
    memstore_destroy(store);
    alarm(0);
}

/* ---- A writer that sweeps to make room stands still ---- */

static void set_stopped_while_it_sweeps(void *context)
{
    (void)context;
    const int status = set_one_more();
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_CACHE_FULL);
}

static void size_counts_around_a_writer_that_sweeps(void)
{
    test_clock_start();
    store = test_open("shards=1", "performance.memory_limit=1MiB", "maintenance=manual",
                      "eviction=none", "performance.lock_timeout=20ms", NULL);
    CHECK_OK(test_set(store, "brief", "v", 1000));
    const int live = (int)fill(0);
    test_clock_advance(2000);
    test_stop_at(MS_POINT_RECLAIMING, set_stopped_while_it_sweeps, NULL);

    CHECK(in_time(ask_for_size) == live);
    CHECK(in_time(ask_for_stats) == live);
    test_let_go();
    CHECK((uint64_t)in_time(ask_for_size) == test_stats(store).sets - 1);
    memstore_destroy(store);
    ms_testing_use_real_clock();
}

/* ---- A reader stands still ---- */

static bool is_shortage(int status)
{
    return status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

/* It has found the entry and not read it: writers go on, and what it reads in the end is whole. */
static void be_slow_reader(void *context)
{
    char buffer[16];
    size_t size = 0;

    (void)context;
    CHECK_OK(memstore_get(store, "read", 4, buffer, sizeof buffer, &size));
    CHECK(size == 5 && memcmp(buffer, "value", 5) == 0);
}

static void writers_pass_a_stopped_reader(void)
{
    unsigned char value[1500] = {0};
    unsigned stored = 0;

    /* With manual maintenance the writer itself would wait for the grace period, which has no
     * bound. */
    store = test_open("shards=1", "performance.memory_limit=1MiB", "performance.lock_timeout=5ms",
                      NULL);
    CHECK_OK(test_set(store, "read", "value", 0));
    test_stop_at(MS_POINT_READ_FOUND, be_slow_reader, NULL);

    /* Three times what fits: the reader holds memory back, so that some writes may be refused,
     * each in its time. */
    for (uint64_t i = 0; i < 2000; i++) {
        const double start = test_now();
        const int status = memstore_set(store, &i, sizeof i, value, sizeof value, 0);

        /* The maintenance thread may have to wait for a processor with the shard's lock. */
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT || is_shortage(status));
        CHECK(test_now() - start < PATIENCE);
        stored += status == MEMSTORE_OK;
        if (is_shortage(status) && stored > 100 && i > 1000)
            break;
    }
    CHECK(stored > 100);
    test_let_go();

    /* Memory comes back, though not within any one write's few milliseconds. */
    const double end = test_now() + 60;
    for (uint64_t i = 0; i < 2000; i++) {
        int status;

        while ((status = memstore_set(store, &i, sizeof i, value, sizeof value, 0)) ==
                   MEMSTORE_ERR_GC_PRESSURE ||
               status == MEMSTORE_ERR_LOCK_TIMEOUT)
            CHECK(test_now() < end);
        CHECK_OK(status);
    }
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"compaction_comes_back_to_a_shard_that_was_held",
         compaction_comes_back_to_a_shard_that_was_held},
        {"size_does_not_wait_for_each_entry_of_a_held_shard",
         size_does_not_wait_for_each_entry_of_a_held_shard},
        {"a_shard_that_was_held_up_long_ago_is_waited_for_again",
         a_shard_that_was_held_up_long_ago_is_waited_for_again},
        {"calls_give_up_on_who_reclaims", calls_give_up_on_who_reclaims},
        {"a_writer_that_waits_for_views_gives_up_on_who_reclaims",
         a_writer_that_waits_for_views_gives_up_on_who_reclaims},
        {"size_counts_around_a_writer_that_sweeps", size_counts_around_a_writer_that_sweeps},
        {"writers_pass_a_stopped_reader", writers_pass_a_stopped_reader},
    };

    return test_run_cases("stress_bounds", cases, TEST_COUNT_OF(cases), argc > 1 ? argv[1] : NULL);
}
