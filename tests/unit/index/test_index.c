/* SPDX-License-Identifier: Apache-2.0 */
/* Inserting, finding and removing within a table. */
#include "unit/index/shelf.h"

#include "unit/random.h"

#include <criterion/criterion.h>

Test(index, a_shard_without_a_table_holds_nothing)
{
    struct shelf *shelf = shelf_open(4);
    const uint64_t hash = shelf_hash(0x4000, 1, 2);
    struct ms_index_slot slot;

    cr_assert_eq(shelf_find(shelf, hash, 1), 0);
    cr_assert_not(shelf_find_slot(shelf, hash, 1, &slot));
    cr_assert_not(ms_index_find_place(&shelf->index, hash, 1, &slot));
    cr_assert_not(ms_index_has_slots(&shelf->index, 1, 1));
    cr_assert(ms_index_has_room(&shelf->index, 1, 0));
    ms_index_prefetch(&shelf->index, hash);
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(index, what_is_inserted_is_found_until_it_is_removed)
{
    struct shelf *shelf = shelf_open(1);
    const uint64_t hash = shelf_hash(7, 8, 9);
    const uint32_t place = shelf_insert(shelf, hash, 1);
    struct ms_index_slot slot;

    cr_assert_eq(shelf_find(shelf, hash, 1), place);
    cr_assert(shelf_find_slot(shelf, hash, 1, &slot));
    cr_assert_eq(ms_slot_place(&slot), place);
    cr_assert_eq(shelf_find(shelf, hash, 2), 0);
    cr_assert_eq(ms_index_entries(&shelf->index, 0), 1);

    cr_assert(shelf_remove(shelf, hash, 1));
    cr_assert_eq(shelf_find(shelf, hash, 1), 0);
    cr_assert_not(shelf_remove(shelf, hash, 1));
    cr_assert_eq(ms_index_entries(&shelf->index, 0), 0);
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(index, keys_of_one_hash_are_told_apart_by_the_match)
{
    enum { KEYS = 35 };
    struct shelf *shelf = shelf_open(1);
    const uint64_t hash = shelf_hash(1, 0xabcd, 0x12345678);
    uint32_t places[KEYS];

    for (uint64_t key = 0; key < KEYS; key++)
        places[key] = shelf_insert(shelf, hash, key);
    for (uint64_t key = 0; key < KEYS; key++)
        cr_assert_eq(shelf_find(shelf, hash, key), places[key]);
    cr_assert_eq(shelf_find(shelf, hash, KEYS), 0);
    for (uint64_t key = 0; key < KEYS; key += 2)
        cr_assert(shelf_remove(shelf, hash, key));
    for (uint64_t key = 0; key < KEYS; key++)
        cr_assert_eq(shelf_find(shelf, hash, key), key % 2 == 0 ? 0 : places[key]);
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(index, entries_whose_tags_agree_are_found_by_their_keys)
{
    struct shelf *shelf = shelf_open(1);
    struct unit_random random = unit_random_start("index");
    uint64_t hashes[500];
    uint32_t places[500];

    for (uint64_t key = 0; key < 500; key++) {
        hashes[key] = shelf_hash(0, 0x5a5a, (uint32_t)unit_random_next(&random));
        places[key] = shelf_insert(shelf, hashes[key], key);
    }
    for (uint64_t key = 0; key < 500; key++)
        cr_assert_eq(shelf_find(shelf, hashes[key], key), places[key]);
    shelf_check(shelf);
    shelf_close(shelf);
}

/* ---- Chains: entries that found their home full ---- */

/* A table of that many buckets, and entries all at home in one of them. */
static struct shelf *open_chain(uint32_t buckets, uint32_t home, uint64_t count)
{
    struct shelf *shelf = shelf_open(1);

    cr_assert_eq(ms_index_grow(&shelf->index, 0, buckets * MS_BUCKET_SLOTS * 8 / 10),
                 MS_INDEX_GROWN);
    const uint32_t got = shelf_buckets(shelf, 0);
    cr_assert_geq(got, buckets);
    for (uint64_t key = 0; key < count; key++)
        shelf_insert(
            shelf, shelf_hash(0, (uint16_t)key, shelf_home(home < got ? home : got - 1, got)), key);
    cr_assert_eq(shelf_buckets(shelf, 0), got, "the table was to be large enough");
    return shelf;
}

static uint64_t chain_hash(const struct shelf *shelf, uint32_t home, uint64_t key)
{
    const uint32_t buckets = shelf_buckets(shelf, 0);

    return shelf_hash(0, (uint16_t)key, shelf_home(home < buckets ? home : buckets - 1, buckets));
}

static void check_chain(uint32_t buckets, uint32_t home)
{
    enum { KEYS = 4 * MS_BUCKET_SLOTS + 3 };
    struct shelf *shelf = open_chain(buckets, home, KEYS);
    struct unit_random random = unit_random_start("index");
    bool there[KEYS];

    for (int key = 0; key < KEYS; key++)
        there[key] = true;
    for (int round = 0; round < 400; round++) {
        const uint64_t key = unit_random_below(&random, KEYS);

        if (there[key])
            cr_assert(shelf_remove(shelf, chain_hash(shelf, home, key), key));
        else
            shelf_insert(shelf, chain_hash(shelf, home, key), key);
        there[key] = !there[key];
        shelf_check(shelf);
        for (uint64_t other = 0; other < KEYS; other++)
            cr_assert_eq(shelf_find(shelf, chain_hash(shelf, home, other), other) != 0,
                         there[other]);
    }
    shelf_close(shelf);
}

Test(index, removing_keeps_what_overflowed_in_reach)
{
    check_chain(16, 3);
}

Test(index, what_overflows_goes_on_around_the_end_of_the_table)
{
    check_chain(16, UINT32_MAX);
}

Test(index, entries_never_change_their_slot_within_a_table)
{
    enum { KEYS = 4 * MS_BUCKET_SLOTS };
    struct shelf *shelf = open_chain(16, 3, KEYS);
    struct ms_index_slot before[KEYS], now;

    for (uint64_t key = 0; key < KEYS; key++)
        cr_assert(shelf_find_slot(shelf, chain_hash(shelf, 3, key), key, &before[key]));
    for (uint64_t key = 0; key < KEYS; key += 2)
        cr_assert(shelf_remove(shelf, chain_hash(shelf, 3, key), key));
    for (uint64_t key = KEYS; key < KEYS + 20; key++)
        shelf_insert(shelf, chain_hash(shelf, 3, key), key);
    for (uint64_t key = 1; key < KEYS; key += 2) {
        cr_assert(shelf_find_slot(shelf, chain_hash(shelf, 3, key), key, &now));
        cr_assert(now.bucket == before[key].bucket && now.number == before[key].number);
    }
    shelf_close(shelf);
}

static bool count_calls(void *context, uint32_t *place)
{
    (void)place;
    ++*(unsigned *)context;
    return false;
}

Test(index, a_search_ends_where_nothing_has_passed)
{
    struct shelf *shelf = open_chain(16, 3, MS_BUCKET_SLOTS);
    const uint64_t hash = shelf_hash(0, 1, (uint32_t)chain_hash(shelf, 3, 1));
    unsigned calls = 0;

    /* In the next bucket, with the same tag: nobody who comes from bucket 3 need look at it. */
    shelf_insert(shelf, shelf_hash(0, 1, (uint32_t)chain_hash(shelf, 4, 1)), 100);
    cr_assert_eq(ms_table_find(ms_index_probe(&shelf->index, hash), hash, count_calls, &calls), 0);
    cr_assert_eq(calls, 1);
    shelf_close(shelf);
}

/* ---- Slots ---- */

Test(index, a_slot_can_be_made_to_refer_to_another_entry_of_its_key)
{
    struct shelf *shelf = shelf_open(1);
    const uint64_t hash = shelf_hash(1, 2, 3);
    const uint32_t old = shelf_insert(shelf, hash, 1);
    const uint32_t new = shelf_place(shelf, hash, 1);
    struct ms_index_slot slot;

    cr_assert(shelf_find_slot(shelf, hash, 1, &slot));
    ms_slot_set(&slot, new);
    cr_assert_eq(shelf_find(shelf, hash, 1), new);
    cr_assert(ms_index_find_place(&shelf->index, hash, new, &slot));
    cr_assert_not(ms_index_find_place(&shelf->index, hash, old, &slot));
    cr_assert_eq(ms_index_entries(&shelf->index, 0), 1);
    shelf_check(shelf);
    shelf_close(shelf);
}

static bool stand_for(void *context, uint32_t *place)
{
    *place = *(uint32_t *)context;
    return true;
}

Test(index, a_match_may_answer_with_another_place)
{
    struct shelf *shelf = shelf_open(1);
    const uint64_t hash = shelf_hash(1, 2, 3);
    uint32_t other = 12345;
    struct ms_index_slot slot;

    const uint32_t place = shelf_insert(shelf, hash, 1);
    cr_assert_eq(ms_table_find(ms_index_probe(&shelf->index, hash), hash, stand_for, &other),
                 12345);
    /* The slot is the one that was found, whatever it stands for. */
    cr_assert(ms_index_find_slot(&shelf->index, hash, stand_for, &other, &slot));
    cr_assert_eq(ms_slot_place(&slot), place);
    shelf_close(shelf);
}

/* ---- Shards ---- */

Test(index, one_shard_takes_every_hash)
{
    struct shelf *shelf = shelf_open(1);

    cr_assert_eq(ms_index_shard_of(&shelf->index, 0), 0);
    cr_assert_eq(ms_index_shard_of(&shelf->index, UINT64_MAX), 0);
    shelf_close(shelf);
}

Test(index, the_top_sixteen_bits_of_a_hash_choose_the_shard)
{
    for (uint32_t shards = 2; shards <= 65536; shards *= 8) {
        struct shelf *shelf = shelf_open(shards);

        for (uint32_t shard = 0; shard < shards; shard += shards / 2 - 1 + (shards == 2)) {
            const uint64_t hash = (uint64_t)shard << 48;
            const uint64_t unused = UINT64_MAX << 48 << __builtin_ctz(shards);
            cr_assert_eq(ms_index_shard_of(&shelf->index, hash), shard);
            cr_assert_eq(ms_index_shard_of(&shelf->index, hash | (UINT64_MAX >> 16)), shard);
            cr_assert_eq(ms_index_shard_of(&shelf->index, hash | unused), shard);
        }
        cr_assert_eq(ms_index_shard_of(&shelf->index, UINT64_MAX), shards - 1);
        shelf_close(shelf);
    }
}

Test(index, shards_do_not_know_of_each_other)
{
    struct shelf *shelf = shelf_open(16);

    for (uint16_t shard = 0; shard < 16; shard++)
        shelf_insert(shelf, shelf_hash(shard, 1, 1), 7);
    for (uint16_t shard = 0; shard < 16; shard++) {
        cr_assert_eq(shelf_find(shelf, shelf_hash(shard, 1, 1), 7), shard + 1u);
        cr_assert_eq(ms_index_entries(&shelf->index, shard), 1);
    }
    cr_assert(shelf_remove(shelf, shelf_hash(5, 1, 1), 7));
    cr_assert_eq(shelf_find(shelf, shelf_hash(5, 1, 1), 7), 0);
    cr_assert_eq(shelf_find(shelf, shelf_hash(6, 1, 1), 7), 7);
    shelf_check(shelf);
    shelf_close(shelf);
}

static size_t bytes_of_table(struct shelf *shelf)
{
    return ms_table_buckets(ms_load_relaxed(&shelf->index.tables[0])) * sizeof(struct ms_bucket);
}

Test(index, tables_are_whole_units_or_powers_of_two_below)
{
    struct shelf *shelf = shelf_open(1);
    const size_t unit = 512;

    shelf->index.owner.table_unit = unit;
    for (uint64_t key = 1; key <= 2000; key++) {
        shelf_insert(shelf, shelf_hash(0, (uint32_t)key, (uint16_t)key), key);
        const size_t bytes = bytes_of_table(shelf);

        cr_assert(bytes % unit == 0 || (bytes < unit && (bytes & (bytes - 1)) == 0),
                  "a table of %zu bytes", bytes);
        /* A fifth and a unit more than what fits at the highest load, which is nine in ten. */
        cr_assert_leq(bytes, key * sizeof(struct ms_bucket) / 9 * 6 / 5 + 2 * unit);
    }
    shelf_close(shelf);
}

Test(index, bookkeeping_is_as_large_as_it_says)
{
    cr_assert_geq(ms_index_overhead(1), sizeof(struct ms_shard) + sizeof(atomic_uint_least64_t));
    cr_assert_geq(ms_index_overhead(65536),
                  65536 * (sizeof(struct ms_shard) + sizeof(atomic_uint_least64_t)));
    /* Rounding to a cache line, and no more. */
    cr_assert_leq(ms_index_overhead(1), sizeof(struct ms_shard) + MS_CACHE_LINE);
}

/* ---- Against a plain table ---- */

static void compare_with_a_table(uint32_t shards, unsigned rounds)
{
    enum { KEYS = 3000 };
    struct shelf *shelf = shelf_open(shards);
    struct unit_random random = unit_random_start("index");
    static uint64_t hashes[KEYS];
    static uint32_t places[KEYS];

    for (int key = 0; key < KEYS; key++) {
        /* Few home buckets and few tags, so that there are long chains and much that agrees. */
        hashes[key] = unit_random_next(&random) & UINT64_C(0xffff00070f00ffff);
        places[key] = 0;
    }
    for (unsigned round = 0; round < rounds; round++) {
        const uint64_t key = unit_random_below(&random, KEYS);

        cr_assert_eq(shelf_find(shelf, hashes[key], key), places[key]);
        if (places[key] == 0) {
            places[key] = shelf_insert(shelf, hashes[key], key);
        } else if (unit_random_below(&random, 3) == 0) {
            cr_assert(shelf_remove(shelf, hashes[key], key));
            places[key] = 0;
        }
        if (round % 1000 == 0)
            shelf_check(shelf);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        cr_assert_eq(shelf_find(shelf, hashes[key], key), places[key]);
    shelf_check(shelf);
    shelf_close(shelf);
}

Test(index, one_shard_holds_what_a_plain_table_holds)
{
    compare_with_a_table(1, 30000);
}

Test(index, many_shards_hold_what_a_plain_table_holds)
{
    compare_with_a_table(64, 30000);
}
