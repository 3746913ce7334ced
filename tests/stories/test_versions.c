/* SPDX-License-Identifier: Apache-2.0 */
/* The version that a view told is the entry's until somebody writes the key, wherever the entry goes. */
#include "support/criterion.h"
#include "support/stopper.h"
#include "stories/one_store.h"

#include <stdio.h>

/* Of a size that reads have a way of their own for. */
#define KEY "the key of a usual read"
#define KEY_SIZE (sizeof KEY - 1)

static void set_up(void)
{
    store = test_open("maintenance=manual", NULL);
}

TestSuite(versions, .init = set_up, .fini = destroy_store);

/* Store the key where little else is alive, so that a compaction moves it. */
static void store_key(void)
{
    char name[16];

    assert_ok(test_set(store, KEY, "value", 0));
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_ok(test_set(store, name, "value", 0));
    }
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_ok(test_delete(store, name));
    }
}

static void compact(void)
{
    assert_ok(memstore_compact(store, 0));
    cr_assert_eq(test_stats(store).compactions, 1);
}

static uint64_t told_version(void)
{
    memstore_view view;

    assert_ok(memstore_get_view(store, KEY, KEY_SIZE, &view));
    const uint64_t version = view.version;
    memstore_view_release(&view);
    return version;
}

static void assert_removed_by_version(uint64_t version)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(memstore_batch_expect_version(batch, KEY, KEY_SIZE, version));
    assert_ok(memstore_batch_delete(batch, KEY, KEY_SIZE));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    assert_holds(store, KEY, NULL);
}

static void get_key(void *context)
{
    char value[8];

    (void)context;
    /* A thread's first read goes another way. */
    assert_status(test_has(store, "absent"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get(store, KEY, KEY_SIZE, value, sizeof value, NULL));
}

Test(versions, a_get_beside_the_view_leaves_the_version_what_was_told)
{
    store_key();
    test_stop_at(MS_POINT_READ_KEPT, get_key, NULL);
    const uint64_t version = told_version();
    test_let_go();
    compact();
    assert_removed_by_version(version);
}
