/* SPDX-License-Identifier: Apache-2.0 */
/* A full store that evicts nothing: what is dead is room again, wherever it lies. */
#include "store/validate.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <inttypes.h>
#include <memstore/loader.h>
#include <stdlib.h>

/* Of one shard, so that no table has to grow for keys that others give way to. */
static memstore *open_without_eviction(const char *limit)
{
    return test_open(limit, "eviction=none", "maintenance=manual", "shards=1", NULL);
}

static void view_numbers(memstore *store, uint64_t first, uint64_t end)
{
    memstore_view view;

    for (uint64_t key = first; key < end; key++) {
        assert_ok(memstore_get_view(store, &key, sizeof key, &view));
        memstore_view_release(&view);
    }
}

static void delete_numbers(memstore *store, uint64_t first, uint64_t end, uint64_t apart)
{
    for (uint64_t key = first; key < end; key += apart)
        assert_ok(memstore_delete(store, &key, sizeof key));
}

/* Of what was viewed, which takes more where it goes, more is dead than of the rest, but not enough to move it. */
static void fill_where_nothing_was_viewed(const char *limit)
{
    enum { SIZE = 20 };
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, SIZE), half = count / 2;

    view_numbers(store, 0, half);
    delete_numbers(store, 0, half, 3);
    delete_numbers(store, half, count, 4);
    const uint64_t stored = test_set_numbers(store, count, UINT64_MAX - count, SIZE);
    cr_assert_gt(stored, half / 4 * 3 / 4, "%" PRIu64 " of %" PRIu64, stored, half / 4);
    cr_assert_null(ms_store_validate(store));
    memstore_destroy(store);
}

Test(full, what_does_not_pay_to_be_moved_keeps_nobody_from_what_does)
{
    fill_where_nothing_was_viewed("performance.memory_limit=1MiB");
    fill_where_nothing_was_viewed("performance.memory_limit=16MiB");
}

static int set_together(memstore *store, uint64_t first, size_t n, size_t size)
{
    memstore_batch *batch = memstore_batch_new(store);
    unsigned char value[1000] = {8};

    for (uint64_t key = first; key < first + n; key++)
        assert_ok(memstore_batch_set(batch, &key, sizeof key, value, size, 0));
    const int status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

/* No segment is free for what a batch needs while it is committed. */
static void batch_beside_small_dead_parts(const char *limit)
{
    enum { SIZE = 1000, TOGETHER = 5, SMALL = 100, APART = 25 };
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, SIZE);

    delete_numbers(store, 0, count, APART);
    for (uint64_t key = count; key < count + count / APART; key += TOGETHER)
        assert_ok(set_together(store, key, TOGETHER, SMALL));
    for (uint64_t key = 1; key < count; key++)
        cr_assert_eq(memstore_has(store, &key, sizeof key) == MEMSTORE_OK, key % APART != 0);
    cr_assert_null(ms_store_validate(store));
    memstore_destroy(store);
}

Test(full, a_batch_is_stored_beside_small_dead_parts)
{
    batch_beside_small_dead_parts("performance.memory_limit=1MiB");
    batch_beside_small_dead_parts("performance.memory_limit=16MiB");
}

enum { REFRESHED = 1000 };

static int load_anew(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    static const unsigned char value[REFRESHED] = {9};
    unsigned *calls = context;

    (void)key, (void)key_size;
    (*calls)++;
    out->value = value;
    out->value_size = sizeof value;
    out->result = MEMSTORE_LOAD_OK;
    return MEMSTORE_LOAD_OK;
}

/* What was loaded has been told its version, which takes room as well as soon as it is moved: that of the reserve. */
static void refresh(const char *limit, uint64_t most)
{
    test_clock_start();
    unsigned calls = 0;
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = load_anew, .context = &calls};
    memstore *store = test_open(limit, "eviction=none", "maintenance=manual", "shards=1",
                                "loader.refresh_after=10s", NULL);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, REFRESHED);
    const uint64_t end = count < most ? count : most, refused = test_stats(store).rejected_full;
    memstore_view view;

    test_clock_advance(10000);
    for (uint64_t key = 0; key < end; key++) {
        assert_ok(memstore_get_or_load(store, &key, sizeof key, &loader, &view));
        cr_assert_eq(((const unsigned char *)view.data)[0], 9);
        memstore_view_release(&view);
    }
    cr_assert_eq(calls, end);
    cr_assert_eq(memstore_size(store), count);
    cr_assert_eq(test_stats(store).rejected_full, refused);
    cr_assert_null(ms_store_validate(store));
    memstore_destroy(store);
}

Test(full, what_is_refreshed_is_stored_for_what_it_replaces)
{
    refresh("performance.memory_limit=1MiB", UINT64_MAX);
    refresh("performance.memory_limit=16MiB", 2000);
}

static int delete_together(memstore *store, uint64_t *numbers, size_t n)
{
    memstore_key *keys = malloc(n * sizeof *keys);

    for (size_t i = 0; i < n; i++) {
        numbers[i] = i;
        keys[i] = (memstore_key){&numbers[i], sizeof *numbers};
    }
    const int status = memstore_delete_many(store, keys, n, NULL);
    free(keys);
    return status;
}

/* It has no room to note them all, and nobody whom to wait for. */
Test(full, who_deletes_more_at_once_than_can_be_noted_is_told_that_the_store_is_full)
{
    memstore *store = open_without_eviction("performance.memory_limit=1MiB");
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, 20);
    uint64_t *numbers = malloc(count * sizeof *numbers);

    assert_status(delete_together(store, numbers, count), MEMSTORE_ERR_CACHE_FULL);
    cr_assert_eq(memstore_size(store), count, "nothing is deleted");
    assert_ok(delete_together(store, numbers, 100));
    cr_assert_eq(memstore_size(store), count - 100);
    free(numbers);
    memstore_destroy(store);
}
