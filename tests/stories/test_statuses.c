/* SPDX-License-Identifier: Apache-2.0 */
/* Each failure that a caller can meet, provoked. */
#include "support/clock.h"
#include "support/criterion.h"
#include "support/stopper.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- What is refused is counted ---- */

#define IN(member) offsetof(memstore_stats, member)

/* Where a status is counted: in the sum of its kind, and by itself where the sum is of several. */
static const struct counted {
    int status;
    size_t members[2];
} counted[] = {
    {MEMSTORE_ERR_ENTRY_TOO_LARGE, {IN(rejected_too_large)}},
    {MEMSTORE_ERR_INVALID_TTL, {IN(rejected_invalid_ttl)}},
    {MEMSTORE_ERR_TTL_EXPIRED, {IN(rejected_invalid_ttl), IN(rejected_ttl_expired)}},
    {MEMSTORE_ERR_CACHE_FULL, {IN(rejected_full)}},
    {MEMSTORE_ERR_MEMORY_EXHAUSTED, {IN(rejected_memory)}},
    {MEMSTORE_ERR_GC_PRESSURE, {IN(rejected_memory), IN(rejected_gc_pressure)}},
    {MEMSTORE_ERR_SHARD_OVERFLOW, {IN(rejected_memory), IN(rejected_shard_overflow)}},
    {MEMSTORE_ERR_KEY_EXISTS, {IN(rejected_condition), IN(rejected_key_exists)}},
    {MEMSTORE_ERR_KEY_NOT_FOUND, {IN(rejected_condition), IN(rejected_key_not_found)}},
    {MEMSTORE_ERR_VERSION_MISMATCH, {IN(rejected_condition), IN(rejected_version_mismatch)}},
    {MEMSTORE_ERR_NOT_A_NUMBER, {IN(rejected_condition), IN(rejected_not_a_number)}},
    {MEMSTORE_ERR_LOCK_TIMEOUT, {IN(rejected_timeout)}},
};

static uint64_t member_of(const memstore_stats *stats, size_t offset)
{
    return *(const uint64_t *)((const char *)stats + offset);
}

/* A write was refused with this status, once since the counters were `before`; nothing else was. */
static void assert_refused(memstore *store, const memstore_stats *before, int got, int status)
{
    const memstore_stats after = test_stats(store);

    assert_status(got, status);
    for (unsigned i = 0; i < TEST_COUNT_OF(counted); i++) {
        for (unsigned m = 0; m < 2; m++) {
            const size_t member = counted[i].members[m];
            bool counts = false;

            for (unsigned k = 0; k < TEST_COUNT_OF(counted); k++)
                counts |= counted[k].status == status &&
                          (counted[k].members[0] == member || counted[k].members[1] == member);
            if (member != 0)
                cr_assert_eq(member_of(&after, member) - member_of(before, member), counts,
                             "a write refused with %s, and the counter %s of %s",
                             memstore_status_name(status), m == 0 ? "(of its kind)" : "(alone)",
                             memstore_status_name(counted[i].status));
        }
    }
    cr_assert_eq(after.sets, before->sets);
}

#define REFUSED(status, call)                                                                      \
    do {                                                                                           \
        const memstore_stats before_ = test_stats(store);                                          \
        assert_refused(store, &before_, (call), (status));                                         \
    } while (0)

Test(statuses, each_refused_write_is_counted_under_its_status_and_nowhere_else)
{
    memstore *store = test_open("max_entry_size=1000", NULL);
    const memstore_entry alike[] = {test_entry("there", "v", 0), test_entry("b", "v", 0)};
    char large[2000] = {0};
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "there", "value", 0));
    REFUSED(MEMSTORE_ERR_ENTRY_TOO_LARGE, memstore_set(store, "k", 1, large, sizeof large, 0));
    REFUSED(MEMSTORE_ERR_ENTRY_TOO_LARGE, memstore_add(store, "k", 1, large, sizeof large, 0));
    REFUSED(MEMSTORE_ERR_INVALID_TTL, memstore_set(store, "k", 1, "v", 1, -5));
    REFUSED(MEMSTORE_ERR_TTL_EXPIRED, memstore_set_until(store, "k", 1, "v", 1, 1));
    REFUSED(MEMSTORE_ERR_KEY_EXISTS, memstore_add(store, "there", 5, "v", 1, 0));
    REFUSED(MEMSTORE_ERR_KEY_NOT_FOUND, memstore_replace(store, "k", 1, "v", 1, 0));
    REFUSED(MEMSTORE_ERR_VERSION_MISMATCH,
            memstore_compare_and_set(store, "there", 5, "v", 1, 0, 7));
    REFUSED(MEMSTORE_ERR_NOT_A_NUMBER, memstore_increment(store, "there", 5, 1, 0, 0, NULL));
    /* Of a batch it is one write that is refused. */
    assert_ok(memstore_batch_expect_absent(batch, "there", 5));
    assert_ok(memstore_batch_set(batch, "b", 1, "v", 1, 0));
    REFUSED(MEMSTORE_ERR_KEY_EXISTS, memstore_batch_commit(batch));
    memstore_batch_free(batch);
    assert_ok(memstore_set_many(store, alike, 2));
    memstore_destroy(store);
}

/* ---- Statuses ---- */

Test(statuses, cache_full_when_eviction_is_off)
{
    memstore *store = test_open("eviction=none", "performance.memory_limit=256KiB",
                                "maintenance=manual", "shards=1", NULL);
    unsigned char value[1000] = {0};
    unsigned i = 0;
    int status;

    while ((status = memstore_set(store, &i, sizeof i, value, sizeof value, 0)) == MEMSTORE_OK)
        i++;
    assert_status(status, MEMSTORE_ERR_CACHE_FULL);
    REFUSED(MEMSTORE_ERR_CACHE_FULL, memstore_add(store, "new", 3, value, sizeof value, 0));
    /* What has run out makes room. */
    for (unsigned k = 0; k < i; k++)
        assert_ok(memstore_update_ttl(store, &k, sizeof k, 1));
    test_sleep_ms(2);
    assert_ok(memstore_set(store, "new", 3, value, sizeof value, 0));
    memstore_destroy(store);
}

Test(statuses, memory_exhausted_when_views_hold_everything)
{
    /* On a busy machine a grace period, which the last write needs, may take some time. */
    memstore *store =
        test_open("performance.memory_limit=1MiB", "performance.lock_timeout=500ms", NULL);
    memstore_view views[500];
    unsigned char value[4000] = {0};
    unsigned held = 0, i = 0;
    int status = MEMSTORE_OK;

    for (; i < 500 && status == MEMSTORE_OK; i++) {
        status = memstore_set(store, &i, sizeof i, value, sizeof value, 0);
        if (status == MEMSTORE_OK)
            assert_ok(memstore_get_view(store, &i, sizeof i, &views[held++]));
    }
    assert_status(status, MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert(held > 150, "%u views of 4000 bytes held 1 MiB", held);
    cr_assert(test_memory(store).charged <= 1 << 20);
    assert_refused(store, &(memstore_stats){.sets = i - 1}, status, status);
    memstore_view_release_many(views, held);
    assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    memstore_destroy(store);
}

/* A write: its status, and the counters before it. */
static int set_number(memstore *store, unsigned i, size_t size, memstore_stats *before)
{
    static const unsigned char value[1000];

    *before = test_stats(store);
    return memstore_set(store, &i, sizeof i, value, size, 0);
}

/* Whether the store goes on taking new entries: that the maintenance thread had a shard's lock for longer
 * than a write waits does not end it. */
static bool goes_on(int status)
{
    return status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT;
}

Test(statuses, gc_pressure_when_no_memory_comes_free_in_time)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "performance.lock_timeout=50ms", NULL);
    memstore_view *views = calloc(2000, sizeof *views);
    memstore_stats before = {0};
    unsigned held = 0;
    int status = MEMSTORE_OK;

    /* One small entry a segment is held: little is pinned, yet nothing comes free. */
    for (unsigned i = 0; i < 4000 && goes_on(status); i++) {
        status = set_number(store, i, 400, &before);
        if (status == MEMSTORE_OK && i % 2 == 0 && held < 2000)
            assert_ok(memstore_get_view(store, &i, sizeof i, &views[held++]));
    }
    cr_assert(status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED, "%s",
              memstore_status_name(status));
    assert_refused(store, &before, status, status);
    memstore_view_release_many(views, held);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "60s"));
    assert_ok(test_set(store, "key", "value", 0));
    free(views);
    memstore_destroy(store);
}

static void read_first(void *store)
{
    char value[1000];

    (void)memstore_get(store, "first", 5, value, sizeof value, NULL);
}

Test(statuses, gc_pressure_while_a_reader_stands_still)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "performance.lock_timeout=5ms", NULL);
    memstore_stats before = {0};
    int status = MEMSTORE_OK;

    assert_ok(test_set(store, "first", "value", 0));
    test_stop_at(MS_POINT_READ_FOUND, read_first, store);
    for (unsigned i = 0; i < 10000 && goes_on(status); i++)
        status = set_number(store, i, 1000, &before);
    assert_refused(store, &before, status, MEMSTORE_ERR_GC_PRESSURE);
    test_let_go();
    memstore_destroy(store);
}

Test(statuses, memory_fragmentation_when_views_keep_segments_in_place)
{
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=4MiB", NULL);
    unsigned char value[2000] = {0};
    memstore_view view;

    for (unsigned i = 0; i < 500; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    const unsigned first = 0;
    assert_ok(memstore_get_view(store, &first, sizeof first, &view));
    for (unsigned i = 0; i < 490; i++)
        assert_ok(memstore_delete(store, &i, sizeof i));
    assert_status(memstore_compact(store, 0), MEMSTORE_ERR_MEMORY_FRAGMENTATION);
    assert_ok(memstore_compact(store, 1));
    memstore_view_release(&view);
    assert_ok(memstore_compact(store, 0));
    cr_assert_eq(test_memory(store).dead, 0);
    for (unsigned i = 490; i < 500; i++)
        assert_ok(memstore_has(store, &i, sizeof i));
    memstore_destroy(store);
}

static void set_last(void *store)
{
    const unsigned last = 499;

    CHECK_OK(memstore_set(store, &last, sizeof last, "v", 1, 0));
}

Test(statuses, memory_fragmentation_when_a_writer_keeps_its_shard)
{
    memstore *store =
        test_open("maintenance=manual", "shards=1", "performance.memory_limit=4MiB", NULL);
    unsigned char value[2000] = {0};

    for (unsigned i = 0; i < 500; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    for (unsigned i = 0; i < 500; i += 2)
        assert_ok(memstore_delete(store, &i, sizeof i));
    test_stop_at(MS_POINT_SHARD_LOCKED, set_last, store);
    assert_status(memstore_compact(store, 0), MEMSTORE_ERR_MEMORY_FRAGMENTATION);
    cr_assert_eq(test_stats(store).compactions, 0);
    test_let_go();
    assert_ok(memstore_compact(store, 0));
    cr_assert_neq(test_stats(store).compactions, 0);
    memstore_destroy(store);
}

Test(statuses, shard_overflow_when_the_index_cannot_grow)
{
    memstore *store = test_open("eviction=none", "shards=1", "performance.memory_limit=256KiB",
                                "maintenance=manual", NULL);
    unsigned i = 0;
    int status;

    /* Tiny entries: a table has to grow before the segments are full. */
    while ((status = memstore_set(store, &i, sizeof i, "", 0, 0)) == MEMSTORE_OK)
        i++;
    cr_assert(status == MEMSTORE_ERR_SHARD_OVERFLOW || status == MEMSTORE_ERR_CACHE_FULL, "%s",
              memstore_status_name(status));
    cr_assert_eq(memstore_size(store), i);
    for (unsigned k = 0; k < i; k++)
        assert_ok(memstore_has(store, &k, sizeof k));
    assert_refused(store, &(memstore_stats){.sets = i}, status, status);
    memstore_destroy(store);
}

/* The hook runs in the thread that rewrites the entry for its new TTL, at a point where no lock
 * is held. */
static void overwrite_meanwhile(enum ms_testing_point point, void *store)
{
    static bool is_within;

    if (point != MS_POINT_ENTRY_WRITTEN || is_within)
        return;
    is_within = true;
    assert_ok(test_set(store, "key", "the winner", 777000));
}

Test(statuses, ttl_update_failed_when_the_entry_is_replaced_meanwhile)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", NULL);
    int64_t ttl;

    assert_ok(test_set(store, "key", "value", 1000));
    ms_testing_set_hook(overwrite_meanwhile, store);
    assert_status(memstore_update_ttl(store, "key", 3, INT64_C(100) * 86400000),
                  MEMSTORE_ERR_TTL_UPDATE_FAILED);
    ms_testing_set_hook(NULL, NULL);
    assert_holds(store, "key", "the winner");
    assert_ok(memstore_get_ttl(store, "key", 3, &ttl));
    cr_assert_eq(ttl, 777000);
    memstore_destroy(store);
}

static void overwrite_each_time(enum ms_testing_point point, void *store)
{
    if (point == MS_POINT_BATCH_RESERVED)
        assert_ok(test_set(store, "key", "another", 0));
}

Test(statuses, ttl_update_failed_when_the_entry_is_replaced_again_and_again)
{
    memstore *store = test_open("maintenance=manual", NULL);
    memstore_batch *batch = memstore_batch_new(store);
    size_t refused;

    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_batch_set(batch, "other", 5, "v", 1, 0));
    assert_ok(memstore_batch_update_ttl(batch, "key", 3, 1000));
    ms_testing_set_hook(overwrite_each_time, store);
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_TTL_UPDATE_FAILED);
    ms_testing_set_hook(NULL, NULL);
    assert_ok(memstore_batch_refused(batch, &refused, NULL));
    cr_assert_eq(refused, 1);
    assert_status(memstore_has(store, "other", 5), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    memstore_destroy(store);
}

/* Overwrites once. */
static void overwrite_once(enum ms_testing_point point, void *store)
{
    if (point != MS_POINT_BATCH_RESERVED)
        return;
    ms_testing_set_hook(NULL, NULL);
    assert_ok(test_set(store, "key", "another", 0));
}

Test(statuses, a_ttl_update_of_a_batch_is_bound_by_the_age_of_what_it_changes)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "life_window=10s", NULL);
    memstore_batch *batch = memstore_batch_new(store);
    int64_t ttl;

    assert_ok(test_set(store, "key", "value", 0));
    test_clock_advance(9000);
    assert_ok(memstore_batch_update_ttl(batch, "key", 3, 5000));
    ms_testing_set_hook(overwrite_once, store);
    assert_ok(memstore_batch_commit(batch));
    assert_ok(memstore_get_ttl(store, "key", 3, &ttl));
    cr_assert_eq(ttl, 5000);
    memstore_batch_free(batch);
    memstore_destroy(store);
}

Test(statuses, version_mismatch_and_key_exists_and_not_found)
{
    memstore *store = test_open_defaults();
    memstore_view view;

    assert_status(memstore_replace(store, "key", 3, "v", 1, 0), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_update_ttl(store, "key", 3, 1000), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_add(store, "key", 3, "first", 5, 0));
    assert_status(memstore_add(store, "key", 3, "v", 1, 0), MEMSTORE_ERR_KEY_EXISTS);
    assert_status(memstore_compare_and_set(store, "key", 3, "v", 1, 0, 0),
                  MEMSTORE_ERR_VERSION_MISMATCH);
    assert_ok(memstore_get_view(store, "key", 3, &view));
    assert_ok(memstore_compare_and_set(store, "key", 3, "second", 6, 0, view.version));
    assert_status(memstore_compare_and_set(store, "key", 3, "third", 5, 0, view.version),
                  MEMSTORE_ERR_VERSION_MISMATCH);
    assert_holds(store, "key", "second");
    assert_ok(test_delete(store, "key"));
    assert_status(memstore_compare_and_set(store, "key", 3, "third", 5, 0, view.version),
                  MEMSTORE_ERR_VERSION_MISMATCH);
    assert_ok(memstore_compare_and_set(store, "key", 3, "third", 5, 0, 0));
    const memstore_stats stats = test_stats(store);
    cr_assert_eq(stats.rejected_condition, 6);
    cr_assert_eq(stats.rejected_key_exists, 1);
    cr_assert_eq(stats.rejected_key_not_found, 2);
    cr_assert_eq(stats.rejected_version_mismatch, 3);
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(statuses, a_version_stays_the_same_until_the_next_write)
{
    memstore *store = test_open("performance.memory_limit=1MiB", NULL);
    unsigned char value[500] = {0};
    memstore_view before, after;

    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_get_view(store, "key", 3, &before));
    /* Reads keep it in, and eviction and compaction move it about. */
    for (unsigned i = 0; i < 20000; i++) {
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
        assert_ok(memstore_get(store, "key", 3, value, sizeof value, NULL));
    }
    (void)memstore_compact(store, 0);
    assert_ok(memstore_get_view(store, "key", 3, &after));
    cr_assert_eq(before.version, after.version);
    assert_ok(memstore_compare_and_set(store, "key", 3, "new", 3, 0, before.version));
    memstore_view_release(&before);
    memstore_view_release(&after);
    memstore_destroy(store);
}

Test(statuses, not_a_number)
{
    memstore *store = test_open_defaults();
    static const char *const wrong[] = {"",
                                        "x",
                                        "12x",
                                        " 12",
                                        "12 ",
                                        "+12",
                                        "1.5",
                                        "0x10",
                                        "-",
                                        "--1",
                                        "1e3",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999"};
    static const char *const right[] = {"0", "-1", "9223372036854775806", "-9223372036854775808"};
    int64_t sum = 0;

    for (unsigned i = 0; i < TEST_COUNT_OF(wrong); i++) {
        assert_ok(test_set(store, "n", wrong[i], 0));
        cr_assert_eq(memstore_increment(store, "n", 1, 1, 0, 0, &sum), MEMSTORE_ERR_NOT_A_NUMBER,
                     "\"%s\"", wrong[i]);
        assert_holds(store, "n", wrong[i]);
    }
    for (unsigned i = 0; i < TEST_COUNT_OF(right); i++) {
        assert_ok(test_set(store, "n", right[i], 0));
        assert_ok(memstore_increment(store, "n", 1, 1, 0, 0, &sum));
        cr_assert_eq(sum, strtoll(right[i], NULL, 10) + 1);
    }
    assert_ok(test_set(store, "n", "9223372036854775807", 0));
    assert_status(memstore_increment(store, "n", 1, 1, 0, 0, &sum), MEMSTORE_ERR_NOT_A_NUMBER);
    assert_status(memstore_increment(store, "new", 3, -1, INT64_MIN, 0, &sum),
                  MEMSTORE_ERR_NOT_A_NUMBER);
    assert_holds(store, "n", "9223372036854775807");
    assert_holds(store, "new", NULL);
    memstore_destroy(store);
}

static void hold_lock(void *store)
{
    CHECK_OK(test_set(store, "holder", "v", 0));
}

Test(statuses, lock_timeout_from_every_call_that_takes_a_lock)
{
    memstore *store =
        test_open("shards=1", "performance.lock_timeout=5ms", "maintenance=manual", NULL);
    const memstore_entry entries[2] = {test_entry("a", "1", 0), test_entry("b", "2", 0)};
    const memstore_key keys[2] = {test_key("a"), test_key("b")};
    uint64_t deleted;

    assert_ok(memstore_set_many(store, entries, 2));
    test_stop_at(MS_POINT_SHARD_LOCKED, hold_lock, store);
    REFUSED(MEMSTORE_ERR_LOCK_TIMEOUT, test_set(store, "a", "new", 0));
    assert_status(memstore_add(store, "c", 1, "new", 3, 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_increment(store, "n", 1, 1, 0, 0, NULL), MEMSTORE_ERR_LOCK_TIMEOUT);
    REFUSED(MEMSTORE_ERR_LOCK_TIMEOUT, test_delete(store, "a"));
    assert_status(memstore_update_ttl(store, "a", 1, 1000), MEMSTORE_ERR_LOCK_TIMEOUT);
    REFUSED(MEMSTORE_ERR_LOCK_TIMEOUT, memstore_set_many(store, entries, 2));
    assert_status(memstore_delete_many(store, keys, 2, NULL), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_delete_by_pattern(store, "*", 1, &deleted), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_clear(store), MEMSTORE_ERR_LOCK_TIMEOUT);
    test_let_go();
    assert_holds(store, "a", "1");
    assert_holds(store, "b", "2");
    assert_ok(memstore_clear(store));
    memstore_destroy(store);
}
