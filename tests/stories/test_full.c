/* SPDX-License-Identifier: Apache-2.0 */
/* A full store that evicts nothing: what is dead is room again, wherever it lies. */
#include "store/validate.h"
#include "support/criterion.h"

#include <inttypes.h>

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
