/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: how they grow, are replaced and go. */
#include "unit/index/shelf.h"

#include "unit/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of_key(uint64_t key)
{
    struct unit_random random = {key};

    return unit_random_next(&random);
}

static void insert_keys(struct shelf *shelf, uint64_t from, uint64_t to)
{
    for (uint64_t key = from; key < to; key++)
        shelf_insert(shelf, hash_of_key(key), key);
}

static void expect_keys(struct shelf *shelf, uint64_t from, uint64_t to)
{
    for (uint64_t key = from; key < to; key++)
        cr_assert_neq(shelf_find(shelf, hash_of_key(key), key), 0, "key %llu",
                      (unsigned long long)key);
}

Test(growth, keeps_every_entry)
{
    struct shelf *shelf = shelf_open(1);

    for (uint64_t count = 1; count < 20000; count += count / 3 + 1) {
        insert_keys(shelf, shelf->places, count);
        expect_keys(shelf, 0, count);
        shelf_check(shelf);
    }
    cr_assert_gt(shelf->retired_tables, 10);
    cr_assert_eq(shelf->tables, 1);
    shelf_close(shelf);
}

Test(growth, keeps_the_load_under_its_bound_and_above_a_half)
{
    struct shelf *shelf = shelf_open(1);

    for (uint64_t key = 0; key < 20000; key++) {
        shelf_insert(shelf, hash_of_key(key), key);
        const uint64_t slots = (uint64_t)shelf_buckets(shelf, 0) * MS_BUCKET_SLOTS;
        /* While a table is being replaced entries come, one for each eight buckets. */
        const uint64_t meanwhile = shelf_is_moving(shelf, 0) ? slots / MS_BUCKET_SLOTS / 8 + 1 : 0;
        cr_assert_leq((key + 1 - meanwhile) * MS_INDEX_MAX_LOAD_DEN, slots * MS_INDEX_MAX_LOAD_NUM);
        cr_assert(key < MS_BUCKET_SLOTS || (key + 1) * 3 > slots, "%llu entries in %llu slots",
                  (unsigned long long)key + 1, (unsigned long long)slots);
    }
    shelf_close(shelf);
}

Test(growth, of_a_large_table_is_by_a_fifth)
{
    struct shelf *shelf = shelf_open(1);

    insert_keys(shelf, 0, 20000);
    const unsigned before = shelf->retired_tables;
    insert_keys(shelf, 20000, 150000);
    /* 7.5 is 1.2 to the power of 11. */
    cr_assert_leq(shelf->retired_tables - before, 12);
    shelf_close(shelf);
}

Test(growth, makes_room_for_as_many_as_are_asked_for)
{
    static const uint32_t wanted[] = {1, 9, 10, 11, 100, 577, 1000, 12345};

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct shelf *shelf = shelf_open(1);

        cr_assert_eq(ms_index_grow(&shelf->index, 0, wanted[i]), MS_INDEX_GROWN);
        cr_assert(ms_index_has_room(&shelf->index, 0, wanted[i]));
        cr_assert(ms_index_has_slots(&shelf->index, 0, wanted[i]));
        insert_keys(shelf, 0, wanted[i]);
        cr_assert_eq(shelf->retired_tables, 0);
        cr_assert_eq(ms_index_grow(&shelf->index, 0, 2 * wanted[i]), MS_INDEX_GROWN);
        cr_assert(ms_index_has_room(&shelf->index, 0, 2 * wanted[i]));
        expect_keys(shelf, 0, wanted[i]);
        shelf_close(shelf);
    }
}

Test(growth, always_gives_a_larger_table)
{
    struct shelf *shelf = shelf_open(1);
    uint32_t before = 0;

    for (int i = 0; i < 40; i++) {
        do
            cr_assert_eq(ms_index_grow(&shelf->index, 0, 0), MS_INDEX_GROWN);
        while (shelf_is_moving(shelf, 0));
        cr_assert_gt(shelf_buckets(shelf, 0), before);
        before = shelf_buckets(shelf, 0);
    }
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(growth, that_is_refused_changes_nothing)
{
    struct shelf *shelf = shelf_open(1);

    insert_keys(shelf, 0, 500);
    const uint64_t table = ms_load_relaxed(&shelf->index.tables[0]);
    const uint64_t bytes = ms_load_relaxed(&shelf->index.table_bytes);
    shelf->refuses = true;
    cr_assert_eq(ms_index_grow(&shelf->index, 0, 500), MS_INDEX_NO_ROOM);
    cr_assert_eq(ms_load_relaxed(&shelf->index.tables[0]), table);
    cr_assert_eq(ms_load_relaxed(&shelf->index.table_bytes), bytes);
    expect_keys(shelf, 0, 500);
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(growth, when_refused_leaves_every_slot_to_be_filled)
{
    struct shelf *shelf = shelf_open(1);
    uint64_t key = 0;

    insert_keys(shelf, 0, 100);
    for (key = 100; ms_index_has_slots(&shelf->index, 0, 1); key++) {
        struct ms_index_slot slot;
        const uint64_t hash = hash_of_key(key);

        ms_index_insert(&shelf->index, hash, shelf_place(shelf, hash, key), &slot);
    }
    cr_assert_eq(key, (uint64_t)shelf_buckets(shelf, 0) * MS_BUCKET_SLOTS);
    cr_assert_not(ms_index_has_room(&shelf->index, 0, 1));
    expect_keys(shelf, 0, key);
    /* A search for what is not there ends all the same. */
    cr_assert_eq(shelf_find(shelf, hash_of_key(key), key), 0);
    shelf_check(shelf);
    cr_assert(shelf_remove(shelf, hash_of_key(50), 50));
    cr_assert(ms_index_has_slots(&shelf->index, 0, 1));
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(growth, when_refused_keeps_some_slots_of_a_large_table_free_unless_each_is_wanted)
{
    struct shelf *shelf = shelf_open(1);
    struct ms_index_slot slot;
    uint64_t key = 5000;

    insert_keys(shelf, 0, key);
    while (shelf_is_moving(shelf, 0))
        insert_keys(shelf, key, key + 1), key++;
    const uint64_t slots = (uint64_t)shelf_buckets(shelf, 0) * MS_BUCKET_SLOTS;
    shelf->refuses = true;
    for (; ms_index_ensure(&shelf->index, 0, 1, MS_INDEX_ROOMY) == MS_INDEX_AS_IT_WAS; key++)
        ms_index_insert(&shelf->index, hash_of_key(key), shelf_place(shelf, hash_of_key(key), key),
                        &slot);
    cr_assert_eq(key, slots - slots / 16);
    cr_assert_eq(ms_index_ensure(&shelf->index, 0, 1, MS_INDEX_ROOMY), MS_INDEX_NO_ROOM);
    for (; ms_index_ensure(&shelf->index, 0, 1, MS_INDEX_TO_THE_LAST) == MS_INDEX_AS_IT_WAS; key++)
        ms_index_insert(&shelf->index, hash_of_key(key), shelf_place(shelf, hash_of_key(key), key),
                        &slot);
    cr_assert_eq(key, slots);
    shelf->refuses = false;
    cr_assert_geq(ms_index_bytes_to_grow(&shelf->index, 0, 1),
                  slots / MS_BUCKET_SLOTS * 64 * 6 / 5);
    cr_assert_eq(ms_index_ensure(&shelf->index, 0, 1, MS_INDEX_ROOMY), MS_INDEX_GROWN);
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(growth, retires_the_old_table_whole_and_leaves_it_as_it_was)
{
    struct shelf *shelf = shelf_open(1);

    insert_keys(shelf, 0, 300);
    const uint64_t table = ms_load_relaxed(&shelf->index.tables[0]);
    const size_t bytes = ms_table_buckets(table) * sizeof(struct ms_bucket);
    void *copy = malloc(bytes);
    memcpy(copy, ms_table_at(&shelf->index, table), bytes);

    cr_assert_eq(ms_index_grow(&shelf->index, 0, 1000), MS_INDEX_GROWN);
    cr_assert_eq(shelf->base + shelf->retired_offset, (char *)ms_table_at(&shelf->index, table));
    cr_assert_eq(shelf->retired_bytes, bytes);
    insert_keys(shelf, 300, 600);
    cr_assert(shelf_remove(shelf, hash_of_key(1), 1));
    cr_assert_arr_eq(ms_table_at(&shelf->index, table), copy, bytes);
    free(copy);
    shelf_close(shelf);
}

Test(growth, lets_a_reader_in_the_old_table_see_what_was_there)
{
    struct shelf *shelf = shelf_open(1);
    const uint64_t hash = hash_of_key(5), later = hash_of_key(1000);

    insert_keys(shelf, 0, 300);
    const struct ms_probe probe = ms_index_probe(&shelf->index, hash);
    const struct ms_probe later_probe = ms_index_probe(&shelf->index, later);
    const uint32_t place = shelf_find(shelf, hash, 5);

    cr_assert_eq(ms_index_grow(&shelf->index, 0, 1000), MS_INDEX_GROWN);
    cr_assert(shelf_remove(shelf, hash, 5));
    shelf_insert(shelf, later, 1000);
    cr_assert_eq(shelf_find_from(shelf, probe, hash, 5), place);
    cr_assert_eq(shelf_find_from(shelf, later_probe, later, 1000), 0);
    cr_assert_eq(shelf_find(shelf, hash, 5), 0);
    cr_assert_neq(shelf_find(shelf, later, 1000), 0);
    shelf_close(shelf);
}

static struct shelf *stopped_shelf;
static uint32_t found_while_growing;

static void look(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point == MS_POINT_INDEX_GROWN)
        found_while_growing = shelf_find(stopped_shelf, hash_of_key(5), 5);
}

Test(growth, publishes_the_new_table_when_it_is_filled)
{
    struct shelf *shelf = shelf_open(1);

    insert_keys(shelf, 0, 300);
    stopped_shelf = shelf;
    ms_testing_set_hook(look, NULL);
    cr_assert_eq(ms_index_grow(&shelf->index, 0, 1000), MS_INDEX_GROWN);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_eq(found_while_growing, shelf_find(shelf, hash_of_key(5), 5));
    cr_assert_neq(found_while_growing, 0);
    shelf_close(shelf);
}

Test(growth, counts_the_bytes_of_all_tables)
{
    struct shelf *shelf = shelf_open(8);
    uint64_t bytes = 0;

    insert_keys(shelf, 0, 5000);
    for (uint32_t shard = 0; shard < 8; shard++)
        bytes += shelf_buckets(shelf, shard) * sizeof(struct ms_bucket);
    cr_assert_eq(ms_load_relaxed(&shelf->index.table_bytes), bytes);
    shelf_close(shelf);
}

struct dropped {
    struct shelf *shelf;
    uint32_t count;
};

/* Readers that begin now do not find it, and may still be in the table. */
static bool see_dropped(void *context, uint32_t place)
{
    struct dropped *dropped = context;
    const uint64_t key = dropped->shelf->entries[place].key;

    cr_assert_eq(shelf_find(dropped->shelf, hash_of_key(key), key), 0);
    cr_assert_eq(dropped->shelf->retired_tables, 0);
    dropped->count++;
    return true;
}

Test(growth, what_is_dropped_is_shown_when_nobody_finds_it_any_more)
{
    struct shelf *shelf = shelf_open(1);
    struct dropped dropped = {.shelf = shelf};

    cr_assert_eq(ms_index_grow(&shelf->index, 0, 2000), MS_INDEX_GROWN);
    insert_keys(shelf, 0, 2000);
    ms_index_drop_table(&shelf->index, 0, see_dropped, &dropped);
    cr_assert_eq(dropped.count, 2000);
    cr_assert_eq(shelf->retired_tables, 1);
    ms_index_drop_table(&shelf->index, 0, see_dropped, &dropped);
    cr_assert_eq(dropped.count, 2000);
    cr_assert_eq(shelf->retired_tables, 1);
    shelf_close(shelf);
}

Test(growth, dropping_a_table_forgets_its_shard_alone)
{
    struct shelf *shelf = shelf_open(2);

    insert_keys(shelf, 0, 2000);
    const uint32_t others = ms_index_entries(&shelf->index, 1);
    const unsigned retired = shelf->retired_tables;
    const size_t bytes = shelf_buckets(shelf, 0) * sizeof(struct ms_bucket);

    ms_index_drop_table(&shelf->index, 0, NULL, NULL);
    cr_assert_eq(shelf->retired_tables, retired + 1);
    cr_assert_eq(shelf->retired_bytes, bytes);
    cr_assert_eq(ms_index_entries(&shelf->index, 0), 0);
    cr_assert_eq(ms_index_entries(&shelf->index, 1), others);
    for (uint64_t key = 0; key < 2000; key++)
        cr_assert_eq(shelf_find(shelf, hash_of_key(key), key) != 0,
                     ms_index_shard_of(&shelf->index, hash_of_key(key)) == 1);
    shelf_check(shelf);

    insert_keys(shelf, 2000, 2100);
    expect_keys(shelf, 2000, 2100);
    shelf_check(shelf);
    shelf_close(shelf);
}
