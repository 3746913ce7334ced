/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/index/shelf.h"

#include "unit/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MOST = 5000 };

struct visits {
    const struct shelf *shelf;
    uint32_t from, to;
    unsigned met[MOST];
    unsigned calls, stop_after;
};

/* Counts entries whose home is in the interval, as the caller of a scan has to tell by itself. */
static bool visit(void *context, uint32_t place)
{
    struct visits *visits = context;
    const struct shelf_entry *entry = &visits->shelf->entries[place];
    const uint32_t home = (uint32_t)entry->hash;

    if (home >= visits->from && home <= visits->to)
        visits->met[entry->key]++;
    return ++visits->calls != visits->stop_after;
}

static struct shelf *open_filled(uint32_t shards, uint64_t count, uint64_t mask)
{
    struct shelf *shelf = shelf_open(shards);
    struct unit_random random = unit_random_start("scan");

    for (uint64_t key = 0; key < count; key++)
        shelf_insert(shelf, unit_random_next(&random) & mask, key);
    return shelf;
}

/* Divide a shard's home hashes at random and scan one interval after the other. */
static void scan_in_pieces(struct shelf *shelf, uint32_t shard, struct visits *visits)
{
    struct unit_random random = unit_random_start("scan");
    uint64_t from = 0;

    while (from >> 32 == 0) {
        const uint64_t end =
            from + (unit_random_next(&random) >> (32 + unit_random_below(&random, 8)));

        visits->from = (uint32_t)from;
        visits->to = end >> 32 != 0 ? UINT32_MAX : (uint32_t)end;
        cr_assert(ms_index_scan(&shelf->index, shard, visits->from, visits->to, visit, visits));
        from = (uint64_t)visits->to + 1;
    }
}

static void expect_each_once(uint32_t shards, uint64_t count, uint64_t mask)
{
    struct shelf *shelf = open_filled(shards, count, mask);
    static struct visits visits;

    memset(&visits, 0, sizeof visits);
    visits.shelf = shelf;
    for (uint32_t shard = 0; shard < shards; shard++)
        scan_in_pieces(shelf, shard, &visits);
    for (uint64_t key = 0; key < count; key++)
        cr_assert_eq(visits.met[key], 1, "key %llu was met %u times", (unsigned long long)key,
                     visits.met[key]);
    shelf_close(shelf);
}

Test(scan, intervals_together_meet_each_entry_once)
{
    expect_each_once(1, 1, UINT64_MAX);
    expect_each_once(1, 30, UINT64_MAX);
    expect_each_once(1, MOST, UINT64_MAX);
    expect_each_once(16, MOST, UINT64_MAX);
}

Test(scan, meets_what_overflowed_out_of_its_interval)
{
    /* Three home buckets for all, the last one of the table among them: chains go on around its
     * end. */
    expect_each_once(1, 2000, UINT64_C(0xffffffffc0000000));
}

Test(scan, of_a_shard_without_a_table_meets_nothing)
{
    struct shelf *shelf = shelf_open(2);
    static struct visits visits;

    visits.shelf = shelf;
    cr_assert(ms_index_scan(&shelf->index, 1, 0, UINT32_MAX, visit, &visits));
    cr_assert_eq(visits.calls, 0);
    shelf_close(shelf);
}

Test(scan, stops_when_it_is_told_to)
{
    struct shelf *shelf = open_filled(1, 1000, UINT64_MAX);
    static struct visits visits;

    visits.shelf = shelf;
    visits.stop_after = 7;
    cr_assert_not(ms_index_scan(&shelf->index, 0, 0, UINT32_MAX, visit, &visits));
    cr_assert_eq(visits.calls, 7);
    shelf_close(shelf);
}

Test(scan, of_a_short_interval_does_not_walk_the_table)
{
    struct shelf *shelf = open_filled(1, MOST, UINT64_MAX);
    static struct visits visits;

    visits.shelf = shelf;
    visits.from = visits.to = UINT32_MAX / 2;
    cr_assert(ms_index_scan(&shelf->index, 0, visits.from, visits.to, visit, &visits));
    cr_assert_lt(visits.calls, MOST / 10);
    shelf_close(shelf);
}

Test(scan, of_a_full_table_comes_to_an_end)
{
    struct shelf *shelf = shelf_open(1);
    struct unit_random random = unit_random_start("scan");
    static struct visits visits;
    struct ms_index_slot slot;
    unsigned count = 0;

    cr_assert_eq(ms_index_grow(&shelf->index, 0, 100), MS_INDEX_GROWN);
    for (; ms_index_has_slots(&shelf->index, 0, 1); count++) {
        const uint64_t hash = unit_random_next(&random);
        ms_index_insert(&shelf->index, hash, shelf_place(shelf, hash, count), &slot);
    }
    visits.shelf = shelf;
    visits.to = UINT32_MAX;
    cr_assert(ms_index_scan(&shelf->index, 0, 0, UINT32_MAX, visit, &visits));
    cr_assert_eq(visits.calls, count);
    shelf_close(shelf);
}
