/* SPDX-License-Identifier: Apache-2.0 */
/* The version that a view told is the entry's until somebody writes the key, wherever the entry goes. */
#include "support/await.h"
#include "support/criterion.h"
#include "support/stopper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* Of a size that reads have a way of their own for, and of one that they have none for. */
#define KEY "the key of a usual read"
#define LONG_KEY "a key of more bytes than those that most reads ask for by far and wide"

/* What the key of a test is, and where it lies. */
static const struct way {
    const char *setting, *key;
    int64_t ttl_ms;
} ways[] = {
    {"ttl.mode=write", KEY, 0},          {"ttl.mode=write", LONG_KEY, 0},
    {"ttl.mode=write", KEY, 3600000},    {"ttl.mode=access", KEY, 3600000},
    {"ttl.mode=access", KEY, 0},         {"eviction=lru", KEY, 0},
    {"eviction=lru", LONG_KEY, 3600000},
};

static memstore *store;
static const struct way *way;

static void set_up(const struct way *next)
{
    way = next;
    store = test_open("maintenance=manual", "performance.gc_percent=0", way->setting, NULL);
}

static void tear_down(void)
{
    memstore_destroy(store);
}

/* Store the key where little else is alive, so that a compaction moves it. */
static void store_key(void)
{
    char name[16];

    assert_ok(test_set(store, way->key, "value", way->ttl_ms));
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_ok(test_set(store, name, "value", way->ttl_ms));
    }
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_ok(test_delete(store, name));
    }
    /* So that nothing else waits for readers before the key is moved. */
    assert_ok(memstore_maintain(store, 0));
}

/* Who comes by meanwhile may leave dead bytes behind. */
static void compact(void)
{
    const int status = memstore_compact(store, 0);

    if (status != MEMSTORE_ERR_MEMORY_FRAGMENTATION)
        assert_ok(status);
    cr_assert_geq(test_stats(store).compactions, 1);
}

static uint64_t told_by_a_view(void)
{
    memstore_view view;

    assert_ok(memstore_get_view(store, way->key, strlen(way->key), &view));
    const uint64_t version = view.version;
    memstore_view_release(&view);
    return version;
}

static uint64_t told_with_another(void)
{
    const memstore_key keys[] = {{"absent", 6}, {way->key, strlen(way->key)}};
    memstore_view views[2];
    size_t found;

    assert_ok(memstore_get_many(store, keys, 2, views, &found));
    cr_assert_eq(found, 1);
    const uint64_t version = views[1].version;
    memstore_view_release(&views[1]);
    return version;
}

static int replace_by_version(uint64_t version)
{
    return memstore_compare_and_set(store, way->key, strlen(way->key), "newer", 5,
                                    MEMSTORE_TTL_NONE, version);
}

static void assert_removed_by_version(uint64_t version)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(memstore_batch_expect_version(batch, way->key, strlen(way->key), version));
    assert_ok(memstore_batch_delete(batch, way->key, strlen(way->key)));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    assert_holds(store, way->key, NULL);
}

static void get_key(void *context)
{
    char value[8];

    (void)context;
    /* A thread's first read goes another way. */
    assert_status(test_has(store, "absent"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get(store, way->key, strlen(way->key), value, sizeof value, NULL));
}

Test(versions, a_get_beside_the_view_leaves_the_version_what_was_told)
{
    set_up(&ways[0]);
    store_key();
    test_stop_at(MS_POINT_READ_KEPT, get_key, NULL);
    const uint64_t version = told_by_a_view();
    test_let_go();
    compact();
    assert_removed_by_version(version);
    tear_down();
}

/* ---- Told while the entry is moved ---- */

static struct {
    enum ms_testing_point read_at; /* there the reader is overtaken */
    pthread_t thread;
    atomic_bool has_begun, is_retiring, is_written, is_over;
    uint64_t version[2];
    int status;
} move;

/* Do something in each way, once with each of the calls that tell versions. */
static void in_each_way(void (*check)(uint64_t (*tell)(void), enum ms_testing_point read_at))
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (int many = 0; many < 2; many++) {
            set_up(&ways[i]);
            store_key();
            memset(&move, 0, sizeof move);
            /* A thread's first read goes another way. */
            assert_status(test_has(store, "absent"), MEMSTORE_ERR_KEY_NOT_FOUND);
            check(many ? told_with_another : told_by_a_view,
                  many ? MS_POINT_READ_LOADED : MS_POINT_READ_KEPT);
            tear_down();
        }
    }
}

static void *compact_beside(void *unused)
{
    compact();
    return unused;
}

/* The compaction goes on until it waits for the reader, who is in a section. */
static void overtake(enum ms_testing_point point, void *unused)
{
    (void)unused;
    if (point == MS_POINT_RETIRING)
        atomic_store(&move.is_retiring, true);
    if (point != move.read_at || atomic_exchange(&move.has_begun, true))
        return;
    cr_assert_eq(pthread_create(&move.thread, NULL, compact_beside, NULL), 0);
    TEST_AWAIT(atomic_load(&move.is_retiring));
}

static void tell_late(uint64_t (*tell)(void), enum ms_testing_point read_at)
{
    move.read_at = read_at;
    ms_testing_set_hook(overtake, NULL);
    const uint64_t version = tell();
    ms_testing_set_hook(NULL, NULL);
    cr_assert_eq(pthread_join(move.thread, NULL), 0);
    cr_assert_eq(told_by_a_view(), version, "%s", way->setting);
    assert_removed_by_version(version);
}

Test(versions, what_was_moved_since_it_was_found_has_the_version_that_is_told_then)
{
    in_each_way(tell_late);
}

/* What the mover's own thread is told when it has copied the entry. */
static uint64_t (*tell_there)(void);

static void tell_of_a_copied_entry(enum ms_testing_point point, void *unused)
{
    (void)unused;
    if (point == MS_POINT_ENTRY_COPIED && !atomic_exchange(&move.has_begun, true))
        move.version[0] = tell_there();
}

static void tell_at_the_copy(uint64_t (*tell)(void), enum ms_testing_point read_at)
{
    (void)read_at;
    tell_there = tell;
    ms_testing_set_hook(tell_of_a_copied_entry, NULL);
    compact();
    ms_testing_set_hook(NULL, NULL);
    cr_assert(atomic_load(&move.has_begun));
    cr_assert_eq(told_by_a_view(), move.version[0]);
    assert_removed_by_version(move.version[0]);
}

Test(versions, what_is_being_copied_has_the_version_that_is_told_meanwhile)
{
    in_each_way(tell_at_the_copy);
}

static void *replace_beside(void *unused)
{
    move.status = replace_by_version(move.version[0]);
    atomic_store(&move.is_over, true);
    return unused;
}

/* Told twice, and once more to a writer who waits for the mover. */
static void tell_before_the_switch(enum ms_testing_point point, void *unused)
{
    (void)unused;
    if (point == MS_POINT_ENTRY_WRITTEN)
        atomic_store(&move.is_written, true);
    if (point != MS_POINT_VERSION_WITHHELD || atomic_exchange(&move.has_begun, true))
        return;
    move.version[0] = tell_there();
    move.version[1] = told_by_a_view();
    cr_assert_eq(pthread_create(&move.thread, NULL, replace_beside, NULL), 0);
    TEST_AWAIT(atomic_load(&move.is_written) || atomic_load(&move.is_over));
}

static void tell_of_the_copy(uint64_t (*tell)(void), enum ms_testing_point read_at)
{
    (void)read_at;
    tell_there = tell;
    ms_testing_set_hook(tell_before_the_switch, NULL);
    compact();
    cr_assert(atomic_load(&move.has_begun));
    cr_assert_eq(pthread_join(move.thread, NULL), 0);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_eq(move.version[1], move.version[0]);
    assert_ok(move.status);
    assert_holds(store, way->key, "newer");
}

Test(versions, what_has_been_copied_is_told_with_the_version_of_its_copy)
{
    in_each_way(tell_of_the_copy);
}

Test(versions, what_was_told_before_is_not_that_of_an_entry_moved_carelessly)
{
    ms_testing_plant(MS_FAULT_VERSION_LEFT_BEHIND);
    set_up(&ways[0]);
    store_key();
    memset(&move, 0, sizeof move);
    tell_there = told_by_a_view;
    ms_testing_set_hook(tell_of_a_copied_entry, NULL);
    compact();
    ms_testing_set_hook(NULL, NULL);
    ms_testing_plant(MS_FAULT_NONE);
    assert_status(replace_by_version(move.version[0]), MEMSTORE_ERR_VERSION_MISMATCH);
    tear_down();
}
