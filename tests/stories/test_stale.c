/* SPDX-License-Identifier: Apache-2.0 */
/* What has expired serves when loaders fail. */
#include "platform/wait.h"
#include "store/store.h"
#include "stories/sources.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <sched.h>
#include <stdlib.h>

static uint64_t stale_bytes(memstore *store)
{
    memstore_memory_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_memory_stats(store, &stats));
    return stats.stale;
}

static void assert_serves_for_a_minute(bool swept)
{
    struct source source;
    memstore *store = open_with_expired(&source, swept);

    assert_asks(store, &source, "old");
    cr_assert(!is_there(store));
    cr_assert_eq(memstore_size(store), 0);
    test_clock_advance(59 * 1000 + 999);
    assert_asks(store, &source, "old");
    cr_assert(source.calls == 3 && test_stats(store).stale_served == 2);
    test_clock_advance(1);
    assert_fails(store, &source);
    cr_assert_eq(test_stats(store).load_failures, 3);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "new");
    memstore_destroy(store);
}

Test(stale, what_has_expired_serves_for_max_stale_when_its_load_fails)
{
    assert_serves_for_a_minute(false);
}

Test(stale, what_has_expired_serves_after_it_was_swept_too)
{
    assert_serves_for_a_minute(true);
}

Test(stale, what_has_expired_is_told_by_its_expiry)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    const memstore_loader loader = loader_of(&source);
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    cr_assert_eq(view.expires_at_ms, test_clock_unix());
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(stale, nobody_but_a_failed_load_sees_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    memstore_cursor *cursor;
    memstore_key key;
    int64_t ttl;
    char byte;
    size_t size;

    cr_assert(stale_bytes(store) != 0);
    assert_status(memstore_get(store, "key", 3, &byte, 1, &size), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_get_ttl(store, "key", 3, &ttl), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_update_ttl(store, "key", 3, 1000), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_cursor_new(store, "*", 1, &cursor));
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    assert_status(memstore_delete(store, "key", 3), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_destroy(store);
}

static int set_key(memstore *store)
{
    const int status = memstore_set(store, "key", 3, "set", 3, 1);

    test_clock_advance(70 * 1000);
    return status;
}

static int delete_key(memstore *store)
{
    return memstore_delete(store, "key", 3) == MEMSTORE_ERR_KEY_NOT_FOUND ? MEMSTORE_OK : 1;
}

static int delete_matching(memstore *store)
{
    return memstore_delete_by_pattern(store, "k*", 2, NULL);
}

static int delete_by_batch(memstore *store)
{
    memstore_batch *batch = memstore_batch_new(store);
    int status = memstore_batch_delete(batch, "key", 3);

    if (status == MEMSTORE_OK)
        status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

Test(stale, each_kind_of_write_ends_what_has_expired)
{
    int (*const writes[])(memstore *) = {set_key, delete_key, delete_matching, delete_by_batch,
                                         memstore_clear};

    for (size_t i = 0; i < 2 * (sizeof writes / sizeof *writes); i++) {
        struct source source;
        memstore *store = open_with_expired(&source, i % 2 == 0);

        assert_ok(writes[i / 2](store));
        assert_fails(store, &source);
        cr_assert_eq(stale_bytes(store), 0);
        memstore_destroy(store);
    }
}

Test(stale, what_was_written_during_the_load_is_not_served_from_before)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);

    source.during = store;
    assert_fails(store, &source);
    memstore_destroy(store);
}

Test(stale, that_a_key_does_not_exist_ends_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);

    source.result = MEMSTORE_LOAD_ABSENT;
    ask(store, &source, MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(stale_bytes(store), 0);
    memstore_destroy(store);
}

/* Also where it is said while nothing would be served, and something is later on. */
Test(stale, what_does_not_exist_is_not_served_when_max_stale_is_switched_on_again)
{
    for (int swept = 0; swept < 2; swept++) {
        struct source source;
        memstore *store = open_with_expired(&source, swept != 0);

        assert_ok(memstore_reconfigure(store, "loader.max_stale", "0"));
        source.result = MEMSTORE_LOAD_ABSENT;
        ask(store, &source, MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_ok(memstore_reconfigure(store, "loader.max_stale", "1m"));
        test_clock_advance(2000);
        source.result = MEMSTORE_LOAD_FAILED;
        assert_fails(store, &source);
        cr_assert_eq(stale_bytes(store), 0);
        memstore_destroy(store);
    }
}

/* Likewise where it is deleted. */
Test(stale, what_was_deleted_is_not_served_when_max_stale_is_switched_on_again)
{
    int (*const writes[])(memstore *) = {delete_key, delete_matching, delete_by_batch,
                                         memstore_clear};

    for (size_t i = 0; i < 2 * (sizeof writes / sizeof *writes); i++) {
        struct source source;
        memstore *store = open_with_expired(&source, i % 2 == 0);

        assert_ok(memstore_reconfigure(store, "loader.max_stale", "0"));
        assert_ok(writes[i / 2](store));
        assert_ok(memstore_reconfigure(store, "loader.max_stale", "1m"));
        assert_fails(store, &source);
        cr_assert_eq(stale_bytes(store), 0);
        memstore_destroy(store);
    }
}

/* Fill a store of 1 MB with what expires at once and is kept. */
static uint64_t keep_thousands(memstore *store)
{
    static const char value[100];
    char key[16];

    for (int i = 0; i < 4000; i++) {
        const int size = snprintf(key, sizeof key, "old/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 1000));
    }
    test_clock_advance(2000);
    cr_assert(memstore_size(store) <= 1);
    return stale_bytes(store);
}

Test(stale, what_has_expired_goes_when_memory_is_needed_before_anything_live)
{
    static const char value[100];
    char key[16];

    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.memory_limit=1MB", NULL);
    assert_ok(memstore_set(store, "live", 4, "v", 1, 0));
    const uint64_t kept = keep_thousands(store);
    cr_assert(kept > 4000 * 100);
    for (int i = 0; i < 5000; i++) {
        const int size = snprintf(key, sizeof key, "new/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 0));
    }
    cr_assert(stale_bytes(store) < kept);
    cr_assert_eq(test_stats(store).evictions, 0);
    cr_assert_eq(memstore_size(store), 5001);
    memstore_destroy(store);
}

/* Somebody who holds a shard until another waits for it. */
struct obstacle {
    ms_mutex *shard;
    pthread_t thread;
    atomic_bool holds, may_end;
};

static struct obstacle obstacle;

static void *hold_shard(void *unused)
{
    ms_mutex_lock(obstacle.shard);
    atomic_store(&obstacle.holds, true);
    while (!atomic_load(&obstacle.may_end))
        sched_yield();
    ms_mutex_unlock(obstacle.shard);
    return unused;
}

static void let_on(void)
{
    atomic_store(&obstacle.may_end, true);
}

Test(stale, deleting_by_pattern_waits_for_who_holds_what_has_expired)
{
    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "shards=1", "performance.lock_timeout=10m", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};

    obstacle.shard = &store->index.shards[0].lock;
    assert_ok(test_set(store, "key", "old", 1000));
    test_clock_advance(1000);
    cr_assert_eq(pthread_create(&obstacle.thread, NULL, hold_shard, NULL), 0);
    TEST_AWAIT(atomic_load(&obstacle.holds));
    ms_before_wait = let_on;
    const int status = memstore_delete_by_pattern(store, "k*", 2, NULL);
    let_on();
    pthread_join(obstacle.thread, NULL);
    assert_ok(status);
    cr_assert_null(ms_before_wait, "it had to wait");
    assert_fails(store, &source);
    memstore_destroy(store);
}

/* It is work, for which nobody waits. */
Test(stale, deleting_by_pattern_ends_all_that_has_expired_where_nobody_is_to_wait)
{
    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.lock_timeout=0", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    char key[16];

    for (int i = 0; i < 20000; i++) {
        const int size = snprintf(key, sizeof key, "key/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, "old", 3, 1000));
    }
    assert_ok(test_set(store, "key", "old", 1000));
    test_clock_advance(1000);
    assert_ok(memstore_delete_by_pattern(store, "k*", 2, NULL));
    assert_fails(store, &source);
    cr_assert_eq(stale_bytes(store), 0);
    memstore_destroy(store);
}

Test(stale, what_has_expired_goes_when_max_stale_is_over)
{
    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.memory_limit=1MB", NULL);

    cr_assert(keep_thousands(store) != 0);
    test_clock_advance(60 * 1000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(stale_bytes(store), 0);
    assert_ok(memstore_reconfigure(store, "loader.max_stale", "0"));
    cr_assert_eq(keep_thousands(store), 0);
    memstore_destroy(store);
}

Test(stale, a_full_store_keeps_what_expires_through_a_failure)
{
    static const char value[100];
    char key[16];

    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.memory_limit=1MB", NULL);
    for (int i = 0; i < 20000; i++) {
        const int size = snprintf(key, sizeof key, "old/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 1000));
    }
    const uint64_t entries = memstore_size(store);
    test_clock_advance(2000);
    cr_assert_eq(memstore_size(store), 0);
    cr_assert(stale_bytes(store) > entries * 100 * 3 / 4);
    memstore_destroy(store);
}

#define KEYS_A_MIB 2500 /* somewhat more than there is room for */

/* Overwrite keys in no order until the store is full, as the clock goes on. */
static void overwrite_until_full(memstore *store, uint32_t keys)
{
    static const char value[450];
    uint64_t state = 1;

    for (uint32_t i = 0; i < 4 * keys; i++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        const uint32_t key = (uint32_t)((state >> 33) % keys);

        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 1000));
        if (i % (keys / 200) == 0)
            test_clock_advance(1);
    }
}

/* How many of those that live are served when they have expired, while nobody writes. */
static uint32_t count_served(memstore *store, uint32_t keys, uint32_t *lived)
{
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    bool *const lives = calloc(keys, sizeof *lives);
    uint32_t served = 0;

    *lived = 0;
    for (uint32_t key = 0; key < keys; key++) {
        lives[key] = memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
        *lived += lives[key];
    }
    for (int i = 0; i < 20; i++) {
        test_clock_advance(100);
        assert_ok(memstore_maintain(store, 0));
    }
    for (uint32_t key = 0; key < keys; key++) {
        memstore_view view;

        if (lives[key] &&
            memstore_get_or_load(store, &key, sizeof key, &loader, &view) == MEMSTORE_OK) {
            memstore_view_release(&view);
            served++;
        }
    }
    free(lives);
    return served;
}

/* Segments that are half dead are not compacted for that, nor is room made for writers that do not come. */
Test(stale, a_full_store_of_whatever_size_keeps_what_expires_while_nobody_writes)
{
    static const char *const limits[] = {"performance.memory_limit=2MiB",
                                         "performance.memory_limit=4MiB",
                                         "performance.memory_limit=16MiB"};
    static const uint32_t mib[] = {2, 4, 16};

    test_clock_start();
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        memstore *store = test_open(STALE_SETTINGS, limits[i], NULL);
        const uint32_t keys = mib[i] * KEYS_A_MIB;
        uint32_t lived;

        overwrite_until_full(store, keys);
        const uint32_t served = count_served(store, keys, &lived);
        cr_expect_gt(served, lived / 10 * 9, "%s: %u of %u", limits[i], served, lived);
        memstore_destroy(store);
    }
}

static const char short_value[200];

static void set_numbers_for(memstore *store, uint32_t first, uint32_t count, uint32_t step,
                            int64_t ttl_ms)
{
    for (uint32_t key = first; key < count; key += step)
        assert_ok(memstore_set(store, &key, sizeof key, short_value, sizeof short_value, ttl_ms));
}

/* How many of each so many keys from the first on are served what has expired. */
static uint32_t served_of(memstore *store, uint32_t first, uint32_t count, uint32_t step)
{
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    uint32_t served = 0;

    for (uint32_t key = first; key < count; key += step) {
        memstore_view view;

        if (memstore_get_or_load(store, &key, sizeof key, &loader, &view) == MEMSTORE_OK) {
            memstore_view_release(&view);
            served++;
        }
    }
    return served;
}

/* The tables of where it is begin with more than an entry needs, and are as many as shards. */
Test(stale, a_store_that_is_not_full_keeps_all_whatever_number_of_shards_it_is_in)
{
    test_clock_start();
    for (uint32_t count = 10; count <= 10000; count *= 10) {
        memstore *store = test_open(STALE_SETTINGS, "loader.breaker_failures=0", NULL);

        set_numbers_for(store, 0, count, 1, 1000);
        test_clock_advance(2000);
        assert_ok(memstore_maintain(store, 0));
        cr_assert_eq(memstore_size(store), 0);
        cr_expect_eq(served_of(store, 0, count, 1), count);
        memstore_destroy(store);
    }
}

/* Compactions in time are not for want of room. */
Test(stale, a_store_that_is_not_full_keeps_what_expires_beside_what_is_deleted)
{
    enum { COUNT = 20000 };

    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "loader.breaker_failures=0", NULL);
    set_numbers_for(store, 0, COUNT, 4, 1000);
    for (uint32_t first = 1; first < 4; first++)
        set_numbers_for(store, first, COUNT, 4, 3500);
    test_clock_advance(1000);
    assert_ok(memstore_maintain(store, 0));
    for (uint32_t key = 0; key < COUNT; key++) {
        if (key % 4 != 0)
            assert_ok(memstore_delete(store, &key, sizeof key));
    }
    for (int i = 0; i < 20; i++) {
        test_clock_advance(500);
        assert_ok(memstore_maintain(store, 0));
    }
    cr_expect_eq(served_of(store, 0, COUNT, 4), COUNT / 4);
    /* When their time is over all of it is given back. */
    test_clock_advance(60 * 1000);
    for (int i = 0; i < 4; i++) {
        test_clock_advance(1000);
        assert_ok(memstore_maintain(store, 0));
    }
    cr_assert_eq(stale_bytes(store), 0);
    cr_assert_lt(test_memory(store).dead, 1 << 16);
    memstore_destroy(store);
}

Test(stale, what_expires_at_once_in_a_full_store_that_evicts_nothing_serves_in_part)
{
    test_clock_start();
    memstore *store =
        test_open(STALE_SETTINGS, "performance.memory_limit=1MiB", "eviction=none", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    static const char value[200];
    uint64_t written = 0, served = 0;

    while (memstore_set(store, &written, sizeof written, value, sizeof value, 1000) == MEMSTORE_OK)
        written++;
    test_clock_advance(1000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(memstore_size(store), 0);
    for (uint64_t key = 0; key < written; key++) {
        memstore_view view;

        served += memstore_get_or_load(store, &key, sizeof key, &loader, &view) == MEMSTORE_OK;
        memstore_view_release(&view);
    }
    /* The rest makes room for the tables of where it is. */
    cr_assert_gt(served, written / 4 * 3, "%lu of %lu", (unsigned long)served,
                 (unsigned long)written);
    memstore_destroy(store);
}

Test(stale, many_at_once_are_served_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}};
    memstore_view view;
    size_t found;

    assert_ok(memstore_get_or_load_many(store, keys, 1, &loader, &view, &found));
    cr_assert(found == 1 && view.size == 3 && memcmp(view.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(stale, a_lease_that_fails_gives_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert(lease != NULL && view.data == NULL);
    assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view));
    cr_assert(view.size == 3 && memcmp(view.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_destroy(store);
}
