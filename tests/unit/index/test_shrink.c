/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's table made smaller again. */
#include "unit/index/shelf.h"

#include <criterion/criterion.h>

#define ENTRIES 5000

static struct shelf *shelf;

static void set_up(void)
{
    shelf = shelf_open(1);
    for (uint64_t key = 1; key <= ENTRIES; key++)
        shelf_insert(shelf, shelf_hash_of(key), key);
}

static void tear_down(void)
{
    shelf_check(shelf);
    shelf_close(shelf);
}

TestSuite(index_shrink, .init = set_up, .fini = tear_down);

/* Remove all but every `step`-th. */
static void thin_out(uint64_t step)
{
    for (uint64_t key = 1; key <= ENTRIES; key++) {
        if (key % step != 0)
            cr_assert(shelf_remove(shelf, shelf_hash_of(key), key));
    }
}

/* Take all steps; false when there are none. */
static bool shrink(void)
{
    bool shrunk = false;

    while (ms_index_shrink(&shelf->index, 0))
        shrunk = true;
    return shrunk;
}

static void expect_every(uint64_t step)
{
    for (uint64_t key = 1; key <= ENTRIES; key++)
        cr_expect_eq(shelf_find(shelf, shelf_hash_of(key), key) != 0, key % step == 0, "%d",
                     (int)key);
    cr_expect_eq(ms_index_entries(&shelf->index, 0), ENTRIES / step);
}

Test(index_shrink, a_table_that_is_used_is_left_as_it_is)
{
    const uint32_t buckets = shelf_buckets(shelf, 0);

    cr_assert_not(ms_index_is_oversized(&shelf->index, 0));
    cr_assert_not(shrink());
    cr_assert_eq(shelf_buckets(shelf, 0), buckets);
    expect_every(1);
}

Test(index_shrink, a_table_that_is_mostly_empty_is_replaced_by_a_smaller_one)
{
    const uint32_t before = shelf_buckets(shelf, 0);

    thin_out(20);
    cr_assert(ms_index_is_oversized(&shelf->index, 0));
    cr_assert(shrink());
    cr_assert(shelf_buckets(shelf, 0) < before / 8, "%u of %u buckets", shelf_buckets(shelf, 0),
              before);
    cr_assert_eq(shelf->retired_bytes, before * sizeof(struct ms_bucket));
    cr_assert_not(ms_index_is_oversized(&shelf->index, 0));
    cr_assert(ms_index_has_room(&shelf->index, 0, ENTRIES / 20 / 10), "with a little room");
    expect_every(20);
}

Test(index_shrink, without_memory_for_the_smaller_table_nothing_changes)
{
    const uint32_t before = shelf_buckets(shelf, 0);

    thin_out(20);
    shelf->refuses = true;
    cr_assert_not(shrink());
    shelf->refuses = false;
    cr_assert_eq(shelf_buckets(shelf, 0), before);
    expect_every(20);
}

Test(index_shrink, an_empty_table_shrinks_to_one_bucket)
{
    thin_out(ENTRIES + 1);
    cr_assert(shrink());
    cr_assert_eq(shelf_buckets(shelf, 0), 1);
    cr_assert_not(shrink());
}
