/* SPDX-License-Identifier: Apache-2.0 */
/* Large tables are replaced in steps, while entries come, change and go. */
#include "unit/index/shelf.h"
#include "unit/random.h"

#include <criterion/criterion.h>

/* Enough for a table that is not replaced in one go. */
#define MANY 3000

static struct shelf *shelf;

static void set_up(void)
{
    shelf = shelf_open(1);
}

static void tear_down(void)
{
    shelf_check(shelf);
    shelf_close(shelf);
}

TestSuite(steps, .init = set_up, .fini = tear_down);

/* Insert keys until a table is being replaced that has MANY entries, and the first part of it is moved.
 * Returns the number of keys. */
static uint64_t insert_until_moving(void)
{
    uint64_t key = 0;

    while (key < MANY || !shelf_is_moving(shelf, 0) || shelf->index.shards[0].moved < 100)
        shelf_insert(shelf, shelf_hash_of(key), key), key++;
    return key;
}

static uint64_t insert_until_moved(uint64_t key)
{
    while (shelf_is_moving(shelf, 0))
        shelf_insert(shelf, shelf_hash_of(key), key), key++;
    return key;
}

/* A key of a bucket that was moved, or of one that was not. */
static uint64_t key_in(bool moved, uint64_t keys)
{
    struct ms_index_slot slot;

    for (uint64_t key = 0; key < keys; key++) {
        if (shelf_find_slot(shelf, shelf_hash_of(key), key, &slot) &&
            ms_index_is_moved(&shelf->index, 0, &slot) == moved)
            return key;
    }
    cr_assert_fail("there is none");
    return 0;
}

/* Those of eight buckets, or a table of 64. */
Test(steps, no_insert_moves_more_than_some_buckets)
{
    for (uint64_t key = 0; key < 100000; key++) {
        const uint32_t before = shelf->hashed, buckets = shelf_buckets(shelf, 0);

        shelf_insert(shelf, shelf_hash_of(key), key);
        cr_assert_leq(shelf->hashed - before, (buckets > 64 ? 8 : 64) * MS_BUCKET_SLOTS, "key %llu",
                      (unsigned long long)key);
    }
    cr_assert_gt(shelf_buckets(shelf, 0), 100000 / MS_BUCKET_SLOTS);
}

Test(steps, a_table_is_replaced_after_an_eighth_as_many_inserts_as_it_has_buckets)
{
    uint64_t key = insert_until_moving();
    const uint32_t buckets = shelf_buckets(shelf, 0);
    const uint64_t before = key - shelf->index.shards[0].moved / 8;

    key = insert_until_moved(key);
    cr_assert_leq(key - before, buckets / 8 + 1);
    cr_assert_gt(shelf_buckets(shelf, 0), buckets);
}

Test(steps, readers_find_every_entry_at_each_of_them)
{
    uint64_t keys = insert_until_moving();

    while (shelf_is_moving(shelf, 0)) {
        for (uint64_t key = 0; key < keys; key++)
            cr_assert_neq(shelf_find(shelf, shelf_hash_of(key), key), 0);
        cr_assert_eq(shelf_find(shelf, shelf_hash_of(keys), keys), 0);
        shelf_check(shelf);
        shelf_insert(shelf, shelf_hash_of(keys), keys);
        keys++;
    }
    for (uint64_t key = 0; key < keys; key++)
        cr_assert_neq(shelf_find(shelf, shelf_hash_of(key), key), 0);
}

Test(steps, are_taken_by_whom_no_entry_is_added_by_too)
{
    const uint64_t keys = insert_until_moving();
    const uint32_t buckets = shelf_buckets(shelf, 0);
    uint32_t steps = 0;

    while (ms_index_go_on(&shelf->index, 0))
        steps++;
    cr_assert(!shelf_is_moving(shelf, 0));
    cr_assert_gt(shelf_buckets(shelf, 0), buckets);
    cr_assert_gt(steps, buckets / 64, "one step moved much");
    for (uint64_t key = 0; key < keys; key++)
        cr_assert_neq(shelf_find(shelf, shelf_hash_of(key), key), 0);
}

Test(steps, what_changes_meanwhile_is_changed_when_they_are_over)
{
    for (int moved = 0; moved < 2; moved++) {
        uint64_t keys = insert_until_moving();
        const uint64_t updated = key_in(moved, keys);
        const uint32_t before = shelf_find(shelf, shelf_hash_of(updated), updated);

        cr_assert(shelf_update(shelf, shelf_hash_of(updated), updated));
        shelf_check(shelf);
        const uint32_t after = shelf_find(shelf, shelf_hash_of(updated), updated);
        cr_assert_neq(after, before);
        keys = insert_until_moved(keys);
        cr_assert_eq(shelf_find(shelf, shelf_hash_of(updated), updated), after);
        shelf_check(shelf);
        tear_down();
        set_up();
    }
}

Test(steps, what_goes_meanwhile_is_gone_when_they_are_over)
{
    for (int moved = 0; moved < 2; moved++) {
        uint64_t keys = insert_until_moving();
        const uint64_t removed = key_in(moved, keys);

        cr_assert(shelf_remove(shelf, shelf_hash_of(removed), removed));
        shelf_check(shelf);
        keys = insert_until_moved(keys);
        cr_assert_eq(shelf_find(shelf, shelf_hash_of(removed), removed), 0);
        cr_assert_eq(ms_index_entries(&shelf->index, 0), keys - 1);
        shelf_check(shelf);
        tear_down();
        set_up();
    }
}

Test(steps, more_than_the_old_table_has_slots_for_takes_them_all_at_once)
{
    insert_until_moving();
    const uint32_t free_slots =
        shelf_buckets(shelf, 0) * MS_BUCKET_SLOTS - ms_index_entries(&shelf->index, 0);

    cr_assert_eq(ms_index_grow(&shelf->index, 0, free_slots + 1), MS_INDEX_GROWN);
    cr_assert_not(shelf_is_moving(shelf, 0));
    cr_assert(ms_index_has_slots(&shelf->index, 0, free_slots + 1));
    cr_assert(ms_index_has_room(&shelf->index, 0, free_slots + 1));
}

Test(steps, several_entries_together_are_a_step_each)
{
    insert_until_moving();
    const uint32_t begun = shelf->index.shards[0].moved;

    cr_assert_eq(ms_index_grow(&shelf->index, 0, 1), MS_INDEX_GROWN);
    const uint32_t one = shelf->index.shards[0].moved - begun;
    cr_assert_gt(one, 0);
    cr_assert_eq(ms_index_grow(&shelf->index, 0, 5), MS_INDEX_GROWN);
    cr_assert(shelf_is_moving(shelf, 0));
    cr_assert_eq(shelf->index.shards[0].moved, begun + 6 * one);
}

Test(steps, more_than_the_new_table_has_room_for_begins_another)
{
    insert_until_moving();
    const unsigned retired = shelf->retired_tables, tables = shelf->tables;

    cr_assert_eq(ms_index_grow(&shelf->index, 0, 10 * MANY), MS_INDEX_GROWN);
    cr_assert_not(shelf_is_moving(shelf, 0));
    cr_assert(ms_index_has_room(&shelf->index, 0, 10 * MANY));
    cr_assert_eq(shelf->retired_tables, retired + 2);
    cr_assert_eq(shelf->tables, tables - 1);
}

Test(steps, without_memory_for_another_one_is_given_up_and_nothing_is_lost)
{
    const uint64_t keys = insert_until_moving();
    const uint64_t table = ms_load_relaxed(&shelf->index.tables[0]);

    shelf->refuses = true;
    cr_assert_eq(ms_index_grow(&shelf->index, 0, 10 * MANY), MS_INDEX_NO_ROOM);
    shelf->refuses = false;
    cr_assert_eq(ms_load_relaxed(&shelf->index.tables[0]), table);
    for (uint64_t key = 0; key < keys; key++)
        cr_assert_neq(shelf_find(shelf, shelf_hash_of(key), key), 0);
}

Test(steps, a_shard_that_is_dropped_meanwhile_leaves_no_table)
{
    insert_until_moving();
    ms_index_drop_table(&shelf->index, 0, NULL, NULL);
    cr_assert_eq(shelf->tables, 0);
    cr_assert_eq(ms_load_relaxed(&shelf->index.table_bytes), 0);
    insert_until_moving();
}

Test(steps, to_a_smaller_table_leave_room_for_what_comes_meanwhile)
{
    const uint64_t keys = insert_until_moved(insert_until_moving());

    for (uint64_t key = 0; key < keys; key++) {
        if (key % 4 != 0)
            cr_assert(shelf_remove(shelf, shelf_hash_of(key), key));
    }
    cr_assert(ms_index_shrink(&shelf->index, 0, 0, false));
    cr_assert(shelf_is_moving(shelf, 0));
    shelf_check(shelf);
    /* Twice as many as there were. */
    uint64_t key = keys;
    while (ms_index_entries(&shelf->index, 0) < keys / 2) {
        shelf_insert(shelf, shelf_hash_of(key), key);
        shelf_check(shelf);
        key++;
    }
    for (uint64_t wanted = 0; wanted < key; wanted++)
        cr_assert_eq(shelf_find(shelf, shelf_hash_of(wanted), wanted) != 0,
                     wanted >= keys || wanted % 4 == 0);
}

Test(steps, a_table_that_is_to_be_smaller_is_given_up_where_the_old_one_is_needed)
{
    const uint64_t keys = insert_until_moved(insert_until_moving());
    const uint32_t buckets = shelf_buckets(shelf, 0);

    for (uint64_t key = keys / 4; key < keys; key++)
        cr_assert(shelf_remove(shelf, shelf_hash_of(key), key));
    cr_assert(ms_index_shrink(&shelf->index, 0, 0, false));
    cr_assert(shelf_is_moving(shelf, 0));
    cr_assert_eq(ms_index_grow(&shelf->index, 0, (uint32_t)keys / 2), MS_INDEX_GROWN);
    cr_assert_not(shelf_is_moving(shelf, 0));
    cr_assert_eq(shelf_buckets(shelf, 0), buckets);
}

/* Keys come, change and go at random, and the invariants hold at every hundredth turn. */
static void churn(unsigned rounds, struct unit_random *random)
{
    enum { KEYS = 20000 };
    static bool there[KEYS];

    for (unsigned i = 0; i < KEYS; i++)
        there[i] = false;
    for (unsigned i = 0; i < rounds; i++) {
        const uint64_t key = unit_random_below(random, KEYS);
        const unsigned kind = (unsigned)unit_random_below(random, 10);

        if (!there[key]) {
            shelf_insert(shelf, shelf_hash_of(key), key);
            there[key] = true;
        } else if (kind < 3) {
            cr_assert(shelf_remove(shelf, shelf_hash_of(key), key));
            there[key] = false;
        } else if (kind < 8) {
            cr_assert(shelf_update(shelf, shelf_hash_of(key), key));
        } else {
            ms_index_shrink(&shelf->index, 0, 0, false);
        }
        if (i % 100 == 0)
            shelf_check(shelf);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        cr_assert_eq(shelf_find(shelf, shelf_hash_of(key), key) != 0, there[key]);
}

Test(steps, random_changes_among_them_lose_nothing)
{
    struct unit_random random = unit_random_start("steps");

    churn(150000, &random);
}
