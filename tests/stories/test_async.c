/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous writes: when they take effect, in which order, and what becomes of those that
 * cannot. */
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/holder.h"
#include "support/process.h"
#include "support/stopper.h"
#include "support/team.h"

#include <pthread.h>
#include <stdlib.h>

#define MANUAL "maintenance=manual"

static int set_async(memstore *store, const char *key, const char *value, int64_t ttl_ms)
{
    return memstore_set_async(store, key, strlen(key), value, strlen(value), ttl_ms);
}

static bool has(memstore *store, const char *key)
{
    return test_has(store, key) == MEMSTORE_OK;
}

/* ---- When ---- */

Test(async, nobody_sees_a_write_before_it_is_applied_and_flush_applies_all)
{
    memstore *store = test_open(MANUAL, NULL);

    assert_ok(test_set(store, "b", "old", 0));
    assert_ok(set_async(store, "a", "1", 0));
    assert_ok(set_async(store, "b", "2", 0));
    assert_holds(store, "a", NULL);
    assert_holds(store, "b", "old");
    cr_assert_eq(memstore_size(store), 1);
    assert_ok(memstore_flush(store));
    assert_holds(store, "a", "1");
    assert_holds(store, "b", "2");
    cr_assert(test_stats(store).sets == 3 && test_stats(store).updates == 1);
    assert_ok(memstore_flush(store));
    memstore_destroy(store);
}

Test(async, batch_size_says_how_many_are_queued)
{
    memstore *store = test_open(MANUAL, "performance.batch_size=3", NULL);

    for (unsigned round = 0; round < 4; round++) {
        assert_ok(memstore_clear(store));
        assert_ok(set_async(store, "a", "1", 0));
        assert_ok(set_async(store, "b", "2", 0));
        cr_assert_eq(memstore_size(store), 0);
        assert_ok(set_async(store, "c", "3", 0));
        cr_assert_eq(memstore_size(store), 3, "the third call has applied all three");
    }
    memstore *each = test_open(MANUAL, "performance.batch_size=1", NULL);
    assert_ok(set_async(each, "a", "1", 0));
    assert_holds(each, "a", "1");
    memstore_destroy(each);
    memstore_destroy(store);
}

Test(async, batch_timeout_says_how_long_the_oldest_is_queued)
{
    test_clock_start();
    memstore *store = test_open(MANUAL, "performance.batch_timeout=50ms", NULL);

    for (unsigned round = 0; round < 3; round++) {
        assert_ok(memstore_clear(store));
        assert_ok(set_async(store, "a", "1", 0));
        test_clock_advance(30);
        assert_ok(set_async(store, "b", "2", 0));
        test_clock_advance(19);
        assert_ok(memstore_maintain(store, 0));
        cr_assert_eq(memstore_size(store), 0);
        test_clock_advance(1);
        assert_ok(memstore_maintain(store, 0));
        cr_assert_eq(memstore_size(store), 2, "the younger one went along");
    }
    memstore_destroy(store);
}

Test(async, the_maintenance_thread_applies_what_is_old_enough)
{
    memstore *store = test_open("performance.batch_timeout=20ms", NULL);

    for (unsigned round = 0; round < 5; round++) {
        assert_ok(memstore_clear(store));
        assert_ok(set_async(store, "a", "1", 0));
        assert_ok(set_async(store, "b", "2", 0));
        TEST_AWAIT(has(store, "a") && has(store, "b"));
        test_sleep_ms(round * 20);
    }
    memstore_destroy(store);
}

Test(async, the_maintenance_thread_leaves_alone_what_is_not)
{
    test_clock_start();
    memstore *store = test_open("performance.batch_timeout=1h", NULL);
    memstore *other = test_open("performance.memory_limit=1MiB", NULL);

    assert_ok(set_async(store, "a", "1", 0));
    assert_ok(test_set(other, "wakes the thread", "value", 1));
    test_sleep_ms(100);
    cr_assert_not(has(store, "a"));
    test_clock_advance(3600000);
    assert_ok(test_set(other, "wakes it again", "value", 1));
    TEST_AWAIT(has(store, "a"));
    memstore_destroy(store);
    memstore_destroy(other);
}

Test(async, without_batch_optimization_each_is_written_at_once)
{
    memstore *store = test_open(MANUAL, "performance.enable_batch_optimization=false", "shards=1",
                                "performance.memory_limit=1MiB", "eviction=none", NULL);
    unsigned char value[500] = {7};
    uint64_t key = 0;
    int status;

    assert_ok(set_async(store, "a", "1", 0));
    assert_holds(store, "a", "1");
    while ((status = memstore_set_async(store, &key, sizeof key, value, sizeof value, 0)) ==
           MEMSTORE_OK)
        key++;
    assert_status(status, MEMSTORE_ERR_CACHE_FULL);
    cr_assert_eq(memstore_size(store), key + 1);
    assert_ok(memstore_flush(store));
    memstore_destroy(store);
}

/* ---- In which order ---- */

Test(async, of_several_writes_of_a_key_the_last_counts)
{
    memstore *store = test_open(MANUAL, NULL);

    assert_ok(set_async(store, "a", "1", 0));
    assert_ok(set_async(store, "b", "1", 0));
    assert_ok(set_async(store, "a", "2", 0));
    assert_ok(set_async(store, "a", "3", 5000));
    assert_ok(memstore_flush(store));
    assert_holds(store, "a", "3");
    assert_ok(set_async(store, "a", "4", 0));
    assert_ok(memstore_flush(store));
    assert_holds(store, "a", "4");
    memstore_destroy(store);
}

/* Writes of a key by other calls find what asynchronous ones before them have left. */
Test(async, a_later_write_of_the_key_is_not_overtaken)
{
    memstore *store = test_open(MANUAL, NULL);
    int64_t sum = 0;

    assert_ok(set_async(store, "set", "1", 0));
    assert_ok(test_set(store, "set", "2", 0));
    assert_ok(set_async(store, "deleted", "1", 0));
    assert_ok(test_delete(store, "deleted"));
    assert_ok(set_async(store, "added", "1", 0));
    assert_status(memstore_add(store, "added", 5, "2", 1, 0), MEMSTORE_ERR_KEY_EXISTS);
    assert_ok(set_async(store, "replaced", "1", 0));
    assert_ok(memstore_replace(store, "replaced", 8, "2", 1, 0));
    assert_ok(set_async(store, "swapped", "1", 0));
    assert_status(memstore_compare_and_set(store, "swapped", 7, "2", 1, 0, 0),
                  MEMSTORE_ERR_VERSION_MISMATCH);
    assert_ok(set_async(store, "n", "41", 0));
    assert_ok(memstore_increment(store, "n", 1, 1, 0, 0, &sum));
    cr_assert_eq(sum, 42);
    assert_ok(set_async(store, "retimed", "1", 0));
    assert_ok(memstore_update_ttl(store, "retimed", 7, 60000));
    assert_ok(set_async(store, "until", "1", 0));
    assert_ok(memstore_set_until(store, "until", 5, "2", 1, INT64_MAX / 4));

    assert_ok(memstore_flush(store));
    assert_holds(store, "set", "2");
    assert_holds(store, "deleted", NULL);
    assert_holds(store, "added", "1");
    assert_holds(store, "replaced", "2");
    assert_holds(store, "swapped", "1");
    assert_holds(store, "n", "42");
    assert_ok(memstore_get_ttl(store, "retimed", 7, &sum));
    assert_holds(store, "until", "2");
    memstore_destroy(store);
}

Test(async, a_later_batch_is_not_overtaken)
{
    memstore *store = test_open(MANUAL, NULL);
    const memstore_entry entries[2] = {test_entry("x", "9", 0), test_entry("many", "2", 0)};
    const memstore_key keys[2] = {test_key("y"), test_key("gone")};
    memstore_batch *batch = memstore_batch_new(store);
    size_t deleted = 0;

    assert_ok(set_async(store, "many", "1", 0));
    assert_ok(memstore_set_many(store, entries, 2));
    assert_ok(set_async(store, "gone", "1", 0));
    assert_ok(memstore_delete_many(store, keys, 2, &deleted));
    cr_assert_eq(deleted, 1);
    assert_ok(memstore_batch_set(batch, "other", 5, "2", 1, 0));
    assert_ok(memstore_batch_expect_absent(batch, "expected", 8));
    assert_ok(set_async(store, "expected", "1", 0));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_KEY_EXISTS);
    assert_ok(memstore_flush(store));
    assert_holds(store, "many", "2");
    assert_holds(store, "gone", NULL);
    assert_holds(store, "other", NULL);
    assert_holds(store, "expected", "1");
    memstore_batch_free(batch);
    memstore_destroy(store);
}

Test(async, clear_and_delete_by_pattern_take_what_is_queued_along)
{
    memstore *store = test_open(MANUAL, NULL);
    uint64_t deleted = 0;

    assert_ok(set_async(store, "a/1", "1", 0));
    assert_ok(set_async(store, "b/1", "1", 0));
    assert_ok(memstore_delete_by_pattern(store, "a/*", 3, &deleted));
    cr_assert_eq(deleted, 1);
    assert_ok(set_async(store, "a/2", "1", 0));
    assert_ok(memstore_clear(store));
    assert_ok(memstore_flush(store));
    cr_assert_eq(memstore_size(store), 0);
    memstore_destroy(store);
}

Test(async, writes_of_other_keys_do_not_disturb_the_queue)
{
    memstore *store = test_open(MANUAL, NULL);
    const memstore_entry entry = test_entry("other", "1", 0);

    assert_ok(set_async(store, "queued", "1", 0));
    for (unsigned i = 0; i < 2000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "v", 1, 0));
    assert_ok(memstore_set_many(store, &entry, 1));
    assert_ok(test_delete(store, "other"));
    cr_assert_not(has(store, "queued"));
    assert_ok(test_set(store, "queued", "2", 0));
    assert_holds(store, "queued", "2");
    memstore_destroy(store);
}

/* ---- Time ---- */

Test(async, the_ttl_counts_from_the_call)
{
    test_clock_start();
    memstore *store =
        test_open(MANUAL, "ttl.store_creation_time=true", "performance.batch_timeout=1h", NULL);
    int64_t ttl = 0, created = 0;
    const int64_t called = test_clock_unix();

    for (unsigned alone = 0; alone < 2; alone++) {
        assert_ok(test_set(store, "short", "old", 0));
        assert_ok(set_async(store, "long", "1", 100));
        if (!alone)
            assert_ok(set_async(store, "short", "1", 50));
        test_clock_advance(60);
        assert_ok(memstore_flush(store));
        assert_ok(memstore_get_ttl(store, "long", 4, &ttl));
        cr_assert_eq(ttl, 40);
        assert_ok(memstore_get_created(store, "long", 4, &created));
        cr_assert_eq(created, called + alone * 60);
        /* It has run out before it was applied, and takes what it replaces with it. */
        assert_holds(store, "short", alone ? "old" : NULL);
    }
    memstore_destroy(store);
}

/* ---- What cannot be stored ---- */

Test(async, what_can_never_be_stored_is_refused_by_the_call)
{
    memstore *store = test_open(MANUAL, "max_entry_size=100", "ttl.max_ttl=1h", NULL);
    char large[200] = {0};

    assert_status(memstore_set_async(NULL, "k", 1, "v", 1, 0), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_set_async(store, NULL, 1, "v", 1, 0), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_set_async(store, "k", 0, "v", 1, 0), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_set_async(store, "k", 1, NULL, 1, 0), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_set_async(store, "k", 1, large, 100, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set_async(store, "k", 1, large, SIZE_MAX - 5, 0),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set_async(store, large, SIZE_MAX, "v", 1, 0),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(set_async(store, "k", "v", -5), MEMSTORE_ERR_INVALID_TTL);
    assert_status(set_async(store, "k", "v", 3600001), MEMSTORE_ERR_INVALID_TTL);
    cr_assert_eq(test_stats(store).rejected_too_large, 3);
    cr_assert_eq(test_stats(store).rejected_invalid_ttl, 2);
    assert_ok(memstore_set_async(store, "k", 1, NULL, 0, 0));
    assert_ok(memstore_flush(store));
    assert_holds(store, "k", "");
    assert_status(memstore_flush(NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    memstore_destroy(store);
}

/* Queue entries of which a store without eviction can hold a part. */
Test(async, one_write_refused_does_not_refuse_the_others_and_flush_tells)
{
    memstore *store = test_open(MANUAL, "performance.memory_limit=4MiB", "eviction=none",
                                "performance.batch_size=1000", "shards=1", NULL);
    unsigned char value[20000] = {7};
    uint64_t key = 0;

    assert_ok(test_set(store, "first", "value", 0));
    for (; key < 20; key++)
        assert_ok(memstore_set_async(store, &key, sizeof key, value, sizeof value, 0));
    assert_ok(memstore_flush(store));
    cr_assert_eq(memstore_size(store), 21);
    for (; key < 28; key++)
        assert_ok(memstore_set_async(store, &key, sizeof key, value, sizeof value, 0));
    /* Use up what is left of the room beside the queue. */
    while (memstore_set(store, &key, sizeof key, value, sizeof value, 0) == MEMSTORE_OK)
        key++;
    const uint64_t refused_before = test_stats(store).rejected_full;
    const uint64_t size_before = memstore_size(store);

    assert_status(memstore_flush(store), MEMSTORE_ERR_CACHE_FULL);
    const uint64_t stored = memstore_size(store) - size_before;
    cr_assert(stored > 0 && stored < 8, "%u of 8 were stored", (unsigned)stored);
    cr_assert_eq(test_stats(store).rejected_full - refused_before, 8 - stored);
    assert_ok(memstore_flush(store));
    for (uint64_t i = 0; i < 20; i++)
        assert_ok(memstore_has(store, &i, sizeof i));
    memstore_destroy(store);
}

/* ---- Memory ---- */

Test(async, what_is_queued_counts_against_the_limit_and_is_given_back)
{
    test_clock_start();
    memstore *store = test_open(MANUAL, "performance.batch_size=1000", NULL);
    unsigned char *large = test_bytes(1000000, 1);

    assert_ok(test_set(store, "key", "value", 0));
    const memstore_memory_stats before = test_memory(store);
    for (unsigned i = 0; i < 100; i++)
        assert_ok(memstore_set_async(store, &i, sizeof i, large, 1000, 0));
    assert_ok(memstore_set_async(store, "large", 5, large, 1000000, 0));
    const memstore_memory_stats queued = test_memory(store);
    cr_assert(queued.charged >= before.charged + 1100000 && queued.charged <= queued.limit);
    cr_assert_eq(queued.live, before.live);

    assert_ok(memstore_flush(store));
    assert_ok(memstore_clear(store));
    test_clock_advance(1000);
    assert_ok(memstore_maintain(store, 0));
    const memstore_memory_stats after = test_memory(store);
    cr_assert(after.overhead <= before.overhead + 10000, "%u more bytes",
              (unsigned)(after.overhead - before.overhead));
    free(large);
    memstore_destroy(store);
}

Test(async, the_queue_takes_no_more_than_a_sixteenth_of_the_limit)
{
    memstore *store =
        test_open(MANUAL, "performance.memory_limit=1600KiB", "performance.batch_size=10000", NULL);
    unsigned char *value = test_bytes(200000, 1);

    for (unsigned i = 0; i < 9; i++)
        assert_ok(memstore_set_async(store, &i, sizeof i, value, 10000, 0));
    cr_assert_eq(memstore_size(store), 0);
    const unsigned last = 9;
    assert_ok(memstore_set_async(store, &last, sizeof last, value, 13000, 0));
    cr_assert_eq(memstore_size(store), 10, "100 KiB are queued");
    /* What is larger by itself is not queued at all. */
    assert_ok(memstore_set_async(store, "large", 5, value, 110000, 0));
    assert_ok(test_has(store, "large"));
    free(value);
    memstore_destroy(store);
}

Test(async, without_memory_for_the_queue_the_call_writes_at_once)
{
    memstore *store =
        test_open(MANUAL, "performance.memory_limit=1MiB", "eviction=none", "shards=1", NULL);
    unsigned char value[20000] = {7};
    uint64_t key = 0;
    int status;

    while ((status = memstore_set(store, &key, sizeof key, value, 500, 0)) == MEMSTORE_OK)
        key++;
    assert_status(status, MEMSTORE_ERR_CACHE_FULL);
    /* No room for the queue, and none for the entry, which is larger than what may be left. */
    assert_status(memstore_set_async(store, &key, sizeof key, value, sizeof value, 0),
                  MEMSTORE_ERR_CACHE_FULL);
    cr_assert_eq(test_stats(store).rejected_full, 2);
    /* What is left may do for a small entry, or for a queue. It is stored, or somebody is told. */
    status = memstore_set_async(store, "s", 1, "v", 1, 0);
    const int flushed = memstore_flush(store);
    cr_assert(has(store, "s")
                  ? status == MEMSTORE_OK && flushed == MEMSTORE_OK
                  : (status == MEMSTORE_OK ? flushed : status) == MEMSTORE_ERR_CACHE_FULL);
    memstore_destroy(store);
}

Test(async, a_full_store_makes_room_for_the_queue)
{
    memstore *store = test_open(MANUAL, "performance.memory_limit=1MiB", NULL);
    unsigned char value[500] = {7};

    for (uint64_t key = 0; key < 5000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    assert_ok(set_async(store, "queued", "1", 0));
    cr_assert_not(has(store, "queued"));
    for (uint64_t key = 0; key < 5000; key++)
        assert_ok(memstore_set_async(store, &key, sizeof key, value, sizeof value, 0));
    assert_ok(memstore_flush(store));
    const uint64_t last = 4999;
    assert_ok(memstore_has(store, &last, sizeof last));
    const memstore_memory_stats memory = test_memory(store);
    cr_assert(memory.charged <= memory.limit);
    memstore_destroy(store);
}

/* ---- Others at work ---- */

struct caller {
    pthread_t thread;
    memstore *store;
    int status;
};

static void *flush(void *context)
{
    struct caller *caller = context;

    caller->status = memstore_flush(caller->store);
    return NULL;
}

static void call(struct caller *caller, memstore *store, void *(*work)(void *))
{
    *caller = (struct caller){.store = store};
    cr_assert_eq(pthread_create(&caller->thread, NULL, work, caller), 0);
}

static int result_of(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    return caller->status;
}

/* Queue two writes and apply them, as one batch. */
static void flush_two(void *context)
{
    memstore *store = context;

    CHECK_OK(set_async(store, "a", "new", 0));
    CHECK_OK(set_async(store, "b", "new", 0));
    CHECK_OK(memstore_flush(store));
}

Test(async, what_is_applied_together_becomes_visible_at_one_instant)
{
    memstore *store = test_open(MANUAL, NULL);
    const memstore_key keys[2] = {test_key("a"), test_key("b")};
    unsigned char there[2];
    size_t found = 0;

    test_stop_at(MS_POINT_BATCH_PENDING, flush_two, store);
    assert_status(memstore_has(store, "a", 1), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_has(store, "b", 1), MEMSTORE_ERR_KEY_NOT_FOUND);
    test_let_go();
    assert_ok(memstore_has_many(store, keys, 2, there, &found));
    cr_assert_eq(found, 2);

    assert_ok(memstore_clear(store));
    test_stop_at(MS_POINT_BATCH_COMMITTED, flush_two, store);
    assert_holds(store, "a", "new");
    assert_holds(store, "b", "new");
    test_let_go();
    memstore_destroy(store);
}

Test(async, flush_and_writes_of_the_key_wait_for_who_is_applying)
{
    memstore *store = test_open(MANUAL, "performance.lock_timeout=50ms", "shards=1024", NULL);
    struct caller flusher;

    /* The first part of the batch is written and holds no lock yet. */
    test_stop_at(MS_POINT_BATCH_PREPARED, flush_two, store);
    call(&flusher, store, flush);
    const double start = test_now();
    assert_status(test_set(store, "a", "newer", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_now() - start >= 0.05);
    assert_holds(store, "a", NULL);
    test_let_go();
    assert_ok(result_of(&flusher));
    assert_holds(store, "a", "new");
    assert_ok(test_set(store, "a", "newer", 0));
    assert_holds(store, "a", "newer");
    memstore_destroy(store);
}

Test(async, a_full_queue_that_is_not_applied_in_time_takes_nothing_more)
{
    memstore *store =
        test_open(MANUAL, "performance.batch_size=3", "performance.lock_timeout=30ms", NULL);

    test_stop_at(MS_POINT_BATCH_PREPARED, flush_two, store);
    assert_ok(set_async(store, "c", "1", 0));
    assert_ok(set_async(store, "d", "1", 0));
    assert_ok(set_async(store, "e", "1", 0));
    const double start = test_now();
    assert_status(set_async(store, "f", "1", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_now() - start >= 0.03);
    cr_assert_eq(test_stats(store).rejected_timeout, 1);
    test_let_go();
    assert_ok(memstore_flush(store));
    cr_assert(has(store, "c") && has(store, "d") && has(store, "e") && !has(store, "f"));
    memstore_destroy(store);
}

static void write_one(void *context)
{
    CHECK_OK(test_set(context, "stopped", "value", 0));
}

Test(async, a_batch_is_one_of_the_bounded_writers)
{
    memstore *store = test_open(MANUAL, "performance.max_concurrent_writers=1",
                                "performance.batch_size=2", "performance.lock_timeout=30ms", NULL);

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    assert_ok(set_async(store, "a", "1", 0));
    /* Queued, though it could not be applied; and so are as many again. */
    assert_ok(set_async(store, "b", "1", 0));
    assert_ok(set_async(store, "c", "1", 0));
    assert_ok(set_async(store, "d", "1", 0));
    assert_status(set_async(store, "e", "1", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_flush(store), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(test_set(store, "a", "2", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    test_let_go();
    assert_ok(memstore_flush(store));
    assert_holds(store, "a", "1");
    assert_holds(store, "b", "1");
    assert_holds(store, "d", "1");
    assert_holds(store, "e", NULL);
    assert_ok(test_set(store, "a", "2", 0));
    memstore_destroy(store);
}

/* A writer holds the only shard; the maintenance thread tries as long as a writer would. */
Test(async, the_maintenance_thread_tries_again_until_lock_timeout)
{
    static const char *const timeouts[] = {"performance.lock_timeout=10m",
                                           "performance.lock_timeout=60ms"};

    for (unsigned gives_up = 0; gives_up < 2; gives_up++) {
        memstore *store =
            test_open("shards=1", "performance.batch_timeout=5ms", timeouts[gives_up], NULL);

        test_stop_at(MS_POINT_SHARD_LOCKED, write_one, store);
        assert_ok(set_async(store, "a", "1", 0));
        assert_ok(set_async(store, "b", "1", 0));
        if (gives_up)
            TEST_AWAIT(test_stats(store).rejected_timeout == 2);
        else
            test_sleep_ms(100);
        cr_assert(!has(store, "a") && !has(store, "b"));
        test_let_go();
        if (gives_up) {
            assert_status(memstore_flush(store), MEMSTORE_ERR_LOCK_TIMEOUT);
            cr_assert(!has(store, "a") && !has(store, "b"));
        } else {
            TEST_AWAIT(has(store, "a") && has(store, "b"));
            cr_assert_eq(test_stats(store).rejected_timeout, 0);
        }
        assert_ok(memstore_flush(store));
        memstore_destroy(store);
    }
}

/* What a write would wait for the maintenance thread comes back to. */
Test(async, what_waits_for_memory_that_views_hold_is_not_lost)
{
    static const char *const evictions[] = {"eviction=fifo", "eviction=none"};
    static memstore_view views[1000];
    static const char value[20000];
    char name[32];

    for (unsigned i = 0; i < 2; i++) {
        memstore *store = test_open("performance.memory_limit=1MiB", evictions[i], "shards=1",
                                    "performance.batch_timeout=1h", NULL);

        assert_ok(memstore_set_async(store, "a", 1, value, sizeof value, 0));
        const size_t held = test_hold_all(store, views, TEST_COUNT_OF(views));
        for (size_t at = 0; i == 1 && at < held; at++) {
            const memstore_key key = test_held_key(at, name);
            assert_ok(memstore_delete(store, key.data, key.size));
        }
        const memstore_stats before = test_stats(store);
        assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "1m"));
        assert_ok(memstore_reconfigure(store, "performance.batch_timeout", "5ms"));
        test_sleep_ms(100);
        cr_assert(!has(store, "a"));
        for (size_t at = 0; at < held; at++)
            memstore_view_release(&views[at]);
        TEST_AWAIT(has(store, "a"));
        cr_assert_eq(test_stats(store).rejected_memory, before.rejected_memory);
        cr_assert_eq(test_stats(store).rejected_full, before.rejected_full);
        assert_ok(memstore_flush(store));
        memstore_destroy(store);
    }
}

Test(async, a_shorter_batch_timeout_counts_for_what_is_queued_after_an_empty_queue_too)
{
    memstore *store =
        test_open("performance.batch_timeout=1h", "monitoring.enable_metrics=false", NULL);

    assert_ok(set_async(store, "a", "1", 0));
    assert_ok(memstore_flush(store));
    assert_ok(memstore_reconfigure(store, "performance.batch_timeout", "5ms"));
    test_sleep_ms(50);
    assert_ok(set_async(store, "b", "1", 0));
    TEST_AWAIT(has(store, "b"));
    memstore_destroy(store);
}

Test(async, maintain_waits_no_longer_for_what_is_queued_than_it_is_to_take)
{
    memstore *store =
        test_open(MANUAL, "performance.max_concurrent_writers=1", "performance.batch_timeout=1ms",
                  "performance.lock_timeout=5m", NULL);

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    assert_ok(set_async(store, "a", "1", 0));
    test_sleep_ms(5);
    const double start = test_now();
    assert_status(memstore_maintain(store, 1000), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_now() - start < 60);
    test_let_go();
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "a", "1");
    cr_assert_eq(test_stats(store).rejected_timeout, 0);
    memstore_destroy(store);
}

Test(async, maintain_tells_that_the_callers_own_bound_ended_it)
{
    memstore *store =
        test_open(MANUAL, "performance.max_concurrent_writers=1", "performance.batch_timeout=1ms",
                  "performance.lock_timeout=5m", NULL);

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    assert_ok(set_async(store, "a", "1", 0));
    test_sleep_ms(5);
    memstore_bound_waits(20, NULL);
    assert_status(memstore_maintain(store, 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(memstore_bound_waits(-1, NULL), 1);
    test_let_go();
    assert_ok(memstore_flush(store));
    memstore_destroy(store);
}

static void keep_writing(unsigned number, void *store)
{
    while (test_team_goes_on())
        CHECK_OK(memstore_set(store, &number, sizeof number, "v", 1, 0));
}

Test(async, writers_that_leave_no_place_free_do_not_keep_it_from_being_applied)
{
    memstore *store =
        test_open("performance.max_concurrent_writers=1", "performance.lock_timeout=60s", NULL);
    struct test_team team = {0};

    test_team_start(&team, 4, keep_writing, store);
    for (unsigned i = 0; i < 5; i++) {
        assert_ok(set_async(store, "a", "1", 0));
        assert_ok(set_async(store, "b", "1", 0));
        TEST_AWAIT(has(store, "a") && has(store, "b"));
        assert_ok(test_delete(store, "a"));
    }
    test_team_finish(&team, 0);
    memstore_destroy(store);
}

/* ---- The end ---- */

static void close_with_two_queued(void *context)
{
    memstore *store = context;

    CHECK_OK(set_async(store, "a", "new", 0));
    CHECK_OK(set_async(store, "b", "new", 0));
    CHECK_OK(memstore_close(store));
}

Test(async, closing_applies_what_is_queued_before_it_closes)
{
    memstore *store = test_open(MANUAL, NULL);

    test_stop_at(MS_POINT_BATCH_COMMITTED, close_with_two_queued, store);
    assert_holds(store, "a", "new");
    assert_holds(store, "b", "new");
    test_let_go();
    assert_status(set_async(store, "c", "1", 0), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_flush(store), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

static void be_child(memstore *store)
{
    alarm(120);
    CHECK_OK(memstore_reconfigure(store, "performance.batch_timeout", "1ms"));
    /* What the parent has queued is the parent's. */
    CHECK_OK(memstore_flush(store));
    CHECK(!has(store, "a") && !has(store, "b"));
    CHECK_OK(test_set(store, "a", "of the child", 0));
    CHECK_OK(set_async(store, "c", "1", 0));
    TEST_AWAIT(has(store, "c"));
    CHECK(test_holds(store, "a", "of the child"));
    CHECK_OK(set_async(store, "d", "1", 0));
    memstore_destroy(store);
    _exit(0);
}

Test(async, a_child_does_not_apply_what_the_parent_has_queued)
{
    memstore *store = test_open("performance.batch_timeout=1h", NULL);

    assert_ok(set_async(store, "a", "1", 0));
    assert_ok(set_async(store, "b", "1", 0));
    const pid_t child = test_fork();
    if (child == 0)
        be_child(store);
    cr_assert_eq(test_child_status(child), 0);
    assert_ok(memstore_flush(store));
    assert_holds(store, "a", "1");
    assert_holds(store, "b", "1");
    memstore_destroy(store);
}
