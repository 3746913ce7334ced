/* SPDX-License-Identifier: Apache-2.0 */
/* The check of the index finds what is wrong. */
#include "unit/index/shelf.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect_problem(struct shelf *shelf, const char *invariant)
{
    const char *const problem = ms_index_validate(&shelf->index);

    cr_assert_not_null(problem, "%s was broken and not noticed", invariant);
    cr_assert(strncmp(problem, invariant, strlen(invariant)) == 0, "%s: %s", invariant, problem);
    shelf_close(shelf);
}

static struct shelf *open_with_overflow(struct ms_index_slot *slot)
{
    struct shelf *shelf = shelf_open(2);

    /* One more than a bucket holds. */
    for (uint64_t key = 0; key <= MS_BUCKET_SLOTS; key++)
        shelf_insert(shelf, shelf_hash(0, 5, 0), key);
    shelf_check(shelf);
    cr_assert(shelf_find_slot(shelf, shelf_hash(0, 5, 0), 0, slot));
    return shelf;
}

Test(index_validate, finds_an_overflow_that_is_too_low)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_with_overflow(&slot);

    ms_store_relaxed(&slot.bucket->overflow, 0);
    expect_problem(shelf, "BK-2");
}

Test(index_validate, finds_an_entry_that_was_not_counted_out)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_with_overflow(&slot);

    ms_slot_set(&slot, 0);
    expect_problem(shelf, "IX");
}

Test(index_validate, finds_a_wrong_tag)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_with_overflow(&slot);

    ms_bucket_set_tag(slot.bucket, slot.number, 6);
    expect_problem(shelf, "BK-1");
}

Test(index_validate, finds_an_entry_in_the_wrong_shard)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_with_overflow(&slot);

    shelf->entries[ms_slot_place(&slot)].hash = shelf_hash(1, 5, 0);
    expect_problem(shelf, "IX");
}

Test(index_validate, finds_a_batch_left_in_publication)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_with_overflow(&slot);

    ms_store_relaxed(&shelf->index.shards[1].batch_sequence, 1);
    expect_problem(shelf, "IX");
}
