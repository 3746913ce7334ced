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

/* A table that is being replaced, the first part of which is moved, and a slot in it. */
static struct shelf *open_while_moving(struct ms_index_slot *slot)
{
    struct shelf *shelf = shelf_open(1);
    uint64_t key = 0;

    for (; key < 3000 || shelf->index.shards[0].moved < 100; key++)
        shelf_insert(shelf, shelf_hash_of(key), key);
    shelf_check(shelf);
    for (key = 0; !shelf_find_slot(shelf, shelf_hash_of(key), key, slot) ||
                  !ms_index_is_moved(&shelf->index, 0, slot);
         key++)
        ;
    return shelf;
}

Test(index_validate, finds_a_change_that_the_table_to_come_has_not_seen)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_while_moving(&slot);
    const struct shelf_entry *entry = &shelf->entries[ms_slot_place(&slot)];

    ms_slot_set(&slot, shelf_place(shelf, entry->hash, entry->key));
    expect_problem(shelf, "IX-5");
}

Test(index_validate, finds_an_entry_that_is_only_in_the_table_to_come)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_while_moving(&slot);

    shelf->index.shards[0].moved -= 8;
    expect_problem(shelf, "IX-5");
}

Test(index_validate, finds_a_table_to_come_that_all_is_moved_to)
{
    struct ms_index_slot slot;
    struct shelf *shelf = open_while_moving(&slot);

    shelf->index.shards[0].moved = shelf_buckets(shelf, 0);
    expect_problem(shelf, "IX-5");
}
