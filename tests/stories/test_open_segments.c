/* SPDX-License-Identifier: Apache-2.0 */
/* What is dead in segments that entries are appended to still. */
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <inttypes.h>

#define SECOND 1000
/* Of upkeep that is not to do all there is. */
#define BUDGET_US 1000000

/* Entries under numbers from `first` on, up to `most`, until one is refused; how many were stored. */
static uint64_t set_numbers(memstore *store, uint64_t first, uint64_t most, int64_t ttl)
{
    unsigned char *value = test_bytes(100, 1);
    uint64_t key = first;

    while (key < first + most &&
           memstore_set(store, &key, sizeof key, value, 100, ttl) == MEMSTORE_OK)
        key++;
    free(value);
    return key - first;
}

static void delete_numbers(memstore *store, uint64_t first, uint64_t count)
{
    for (uint64_t key = first; key < first + count; key++)
        assert_ok(memstore_delete(store, &key, sizeof key));
}

Test(open_segments, what_has_expired_in_them_is_reclaimed_without_a_write, .timeout = 120)
{
    memstore *store = test_open("performance.memory_limit=16MiB", NULL);

    for (unsigned i = 0; i < 10; i++)
        set_numbers(store, 1000 * i, 1000, 50 + i);
    TEST_AWAIT(test_memory(store).segments == 0);
    cr_expect_eq(test_memory(store).dead, 0);
    memstore_destroy(store);
}

Test(open_segments, what_was_deleted_in_them_is_reclaimed_without_a_write, .timeout = 120)
{
    memstore *store = test_open("performance.memory_limit=16MiB", NULL);

    set_numbers(store, 0, 50, 0);
    delete_numbers(store, 0, 50);
    TEST_AWAIT(test_memory(store).segments == 0);
    memstore_destroy(store);
}

Test(open_segments, by_hand_all_of_it_is_reclaimed_at_once)
{
    memstore *store = test_open("maintenance=manual", NULL);

    test_clock_start();
    set_numbers(store, 0, 50, SECOND);
    test_clock_advance(2 * SECOND);
    assert_ok(memstore_maintain(store, 0));
    cr_expect_eq(test_memory(store).dead, 0);
    cr_expect_eq(test_memory(store).segments, 0);
    memstore_destroy(store);
}

Test(open_segments, so_is_what_makes_up_for_live_entries_beside_it)
{
    memstore *store =
        test_open("maintenance=manual", "performance.memory_limit=16MiB", "shards=1", NULL);

    test_clock_start();
    set_numbers(store, 0, 400, 0);
    delete_numbers(store, 0, 300);
    assert_ok(memstore_maintain(store, BUDGET_US));
    cr_assert_neq(test_memory(store).dead, 0);
    test_clock_advance(SECOND);
    assert_ok(memstore_maintain(store, BUDGET_US));
    cr_expect_eq(test_memory(store).dead, 0);
    cr_expect_eq(memstore_size(store), 100);
    memstore_destroy(store);
}

/* The segment that a key was written to. */
static uint64_t segment_of(memstore *store, uint64_t key)
{
    memstore_view view;

    assert_ok(memstore_get_view(store, &key, sizeof key, &view));
    const uint64_t sequence = view.version >> 20;
    memstore_view_release(&view);
    return sequence;
}

Test(open_segments, entries_that_soon_expire_are_written_to_one_as_long_as_more_come)
{
    memstore *store = test_open("maintenance=manual", NULL);

    test_clock_start();
    set_numbers(store, 0, 1, 100);
    const uint64_t segment = segment_of(store, 0);
    for (uint64_t key = 1; key < 20; key++) {
        test_clock_advance(900);
        assert_ok(memstore_maintain(store, BUDGET_US));
        cr_assert_eq(memstore_size(store), 0);
        set_numbers(store, key, 1, 100);
        cr_assert_eq(segment_of(store, key), segment);
    }
    test_clock_advance(900);
    assert_ok(memstore_maintain(store, BUDGET_US));
    cr_expect_eq(test_memory(store).segments, 1);
    /* Within a second it is seen that no more come, and then that none has for another. */
    for (unsigned second = 0; second < 2; second++) {
        test_clock_advance(SECOND);
        assert_ok(memstore_maintain(store, BUDGET_US));
    }
    cr_expect_eq(test_memory(store).segments, 0);
    memstore_destroy(store);
}

Test(open_segments, without_eviction_as_many_fit_after_expiry_as_before)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "eviction=none", "maintenance=manual", NULL);

    test_clock_start();
    const uint64_t first = set_numbers(store, 0, 100000, SECOND);
    cr_assert_gt(first, 5000);
    test_clock_advance(2 * SECOND);
    const uint64_t second = set_numbers(store, 1000000, 100000, 0);
    cr_expect_geq(second, first - first / 100, "%" PRIu64 " fit where %" PRIu64 " did", second,
                  first);
    memstore_destroy(store);
}
