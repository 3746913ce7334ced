/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller gives up before a call waits, and that it is asked to in time: here, the views that the
 * call waits for. */
#include "platform/wait.h"
#include "store/store.h"
#include "support/criterion.h"

#define VIEWS_MAX 4000

static memstore_view held[VIEWS_MAX];
static size_t held_count;
static int calls;

static void release_views(void)
{
    calls++;
    memstore_view_release_many(held, held_count);
}

/* A store whose memory is all held by views. */
static memstore *open_held(const char *setting)
{
    memstore *store = test_open("performance.memory_limit=4MB", "shards=1",
                                "performance.lock_timeout=1ms", setting, NULL);
    char value[3000] = {0}, key[32];

    for (held_count = 0; held_count < VIEWS_MAX; held_count++) {
        const int size = snprintf(key, sizeof key, "held %zu", held_count);

        if (memstore_set(store, key, (size_t)size, value, sizeof value, MEMSTORE_TTL_NONE) !=
            MEMSTORE_OK)
            break;
        assert_ok(memstore_get_view(store, key, (size_t)size, &held[held_count]));
    }
    cr_assert_lt(held_count, VIEWS_MAX);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "20s"));
    return store;
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
