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

/* Remove all but every `step`-th, if they are there. */
static void thin_out(uint64_t step)
{
    for (uint64_t key = 1; key <= ENTRIES; key++) {
        if (key % step != 0)
            shelf_remove(shelf, shelf_hash_of(key), key);
    }
}

/* Take all steps; false when there are none. */
static bool shrink(void)
{
    bool shrunk = false;

    while (ms_index_shrink(&shelf->index, 0, 0, false))
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

    cr_assert_not(ms_index_is_oversized(&shelf->index, 0, 0));
    cr_assert_not(shrink());
    cr_assert_eq(shelf_buckets(shelf, 0), buckets);
    expect_every(1);
}

Test(index_shrink, a_table_that_is_mostly_empty_is_replaced_by_a_smaller_one)
{
    const uint32_t before = shelf_buckets(shelf, 0);

    thin_out(20);
    cr_assert(ms_index_is_oversized(&shelf->index, 0, 0));
    cr_assert(shrink());
    cr_assert(shelf_buckets(shelf, 0) < before / 8, "%u of %u buckets", shelf_buckets(shelf, 0),
              before);
    cr_assert_eq(shelf->retired_bytes, before * sizeof(struct ms_bucket));
    cr_assert_not(ms_index_is_oversized(&shelf->index, 0, 0));
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

Test(index_shrink, with_the_last_memory_there_is_a_smaller_table_takes_its_place)
{
    const uint32_t before = shelf_buckets(shelf, 0);

    thin_out(20);
    shelf->refuses = true;
    while (ms_index_shrink(&shelf->index, 0, 0, true))
        continue;
    cr_assert_lt(shelf_buckets(shelf, 0), before / 8);
    expect_every(20);
}

Test(index_shrink, room_is_kept_for_as_many_as_are_asked_for)
{
    thin_out(20);
    cr_assert_not(ms_index_is_oversized(&shelf->index, 0, ENTRIES));
    cr_assert_not(ms_index_shrink(&shelf->index, 0, ENTRIES, false));
    while (ms_index_shrink(&shelf->index, 0, ENTRIES / 4, false))
        continue;
    cr_assert(ms_index_has_room(&shelf->index, 0, ENTRIES / 4 - ENTRIES / 20));
    expect_every(20);
}

Test(index_shrink, a_table_that_may_be_oversized_is_told)
{
    cr_assert_not(shelf->index.may_be_oversized);
    thin_out(2);
    cr_assert_not(shelf->index.may_be_oversized);
    thin_out(20);
    cr_assert(shelf->index.may_be_oversized);
}

Test(index_shrink, but_not_one_that_is_to_be_as_large)
{
    shelf->index.announced = ENTRIES;
    thin_out(20);
    cr_assert_not(shelf->index.may_be_oversized);
}

Test(index_shrink, the_most_that_were_there_are_told_from_when_it_was_asked_for)
{
    thin_out(2);
    cr_assert_eq(ms_index_peak(&shelf->index, 0), ENTRIES);
    ms_index_begin_peaks(&shelf->index);
    cr_assert_eq(ms_index_peak(&shelf->index, 0), ENTRIES / 2);
    thin_out(20);
    cr_assert_eq(ms_index_peak(&shelf->index, 0), ENTRIES / 2);
    ms_index_begin_peaks(&shelf->index);
    cr_assert_eq(ms_index_peak(&shelf->index, 0), ENTRIES / 20);
}
