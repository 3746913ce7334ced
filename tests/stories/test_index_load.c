/* SPDX-License-Identifier: Apache-2.0 */
/* How full the tables of an index get in a store that is full itself: a search for what is not there walks to
 * the next free slot, which in a table without any is far. */
#include "platform/testing.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <inttypes.h>

#define BUCKET 64
#define SLOTS 10
#define TOGETHER 100

/* Entries of stores of 64 and 16 MiB, and of smaller ones under a sanitizer: their tables grow at the same share of the limit. */
#define ENTRIES(count) ((uint64_t)TEST_FEWER(count, 4))
#if defined(__SANITIZE_ADDRESS__)
#define LARGER "performance.memory_limit=16MiB"
#define SMALLER "performance.memory_limit=4MiB"
#else
#define LARGER "performance.memory_limit=64MiB"
#define SMALLER "performance.memory_limit=16MiB"
#endif

/* However busy the machine is with other tests. */
#define PATIENT "performance.lock_timeout=60s"

struct filling {
    memstore *store;
    uint64_t next; /* number of the key to come */
};

static void set_one_by_one(struct filling *filling, uint64_t count, size_t size)
{
    unsigned char *value = test_bytes(size, 1);

    for (uint64_t end = filling->next + count; filling->next < end; filling->next++)
        assert_ok(
            memstore_set(filling->store, &filling->next, sizeof filling->next, value, size, 0));
    free(value);
}

static void set_together(struct filling *filling, uint64_t count, size_t size)
{
    unsigned char *value = test_bytes(size, 1);
    uint64_t keys[TOGETHER];
    memstore_entry items[TOGETHER];

    for (uint64_t set = 0; set < count; set += TOGETHER) {
        for (size_t i = 0; i < TOGETHER; i++) {
            keys[i] = filling->next++;
            items[i] = (memstore_entry){
                .key = {&keys[i], sizeof keys[i]}, .value = value, .value_size = size};
        }
        assert_ok(memstore_set_many(filling->store, items, TOGETHER));
    }
    free(value);
}

static double load_of(memstore *store)
{
    return (double)memstore_size(store) * BUCKET / SLOTS / (double)test_memory(store).index;
}

static void fill_with_smaller_and_smaller(void (*set)(struct filling *, uint64_t, size_t))
{
    struct filling filling = {.store = test_open(SMALLER, "shards=1", PATIENT, NULL)};

    set(&filling, ENTRIES(80000), 200);
    for (size_t size = 180; size >= 60; size -= 20) {
        set(&filling, ENTRIES(120000), size);
        cr_assert_leq(load_of(filling.store), 0.95, "%.3f of the slots are taken at %zu bytes",
                      load_of(filling.store), size);
    }
    memstore_destroy(filling.store);
}

Test(index_load, a_full_store_leaves_slots_free_for_entries_that_get_smaller, .timeout = 120)
{
    fill_with_smaller_and_smaller(set_one_by_one);
}

Test(index_load, batches_leave_slots_free_as_single_writes_do, .timeout = 120)
{
    fill_with_smaller_and_smaller(set_together);
}

/* What is evicted for a larger table is no more than it takes, table and all. */
Test(index_load, a_batch_that_needs_a_larger_table_makes_room_for_it_at_once, .timeout = 120)
{
    struct filling filling = {.store = test_open(LARGER, "shards=1", PATIENT, NULL)};

    set_together(&filling, ENTRIES(300000), 200);
    for (size_t size = 180; size >= 120; size -= 20) {
        const uint64_t steps = ENTRIES(400000) / TOGETHER;

        for (uint64_t i = 0; i < steps; i++) {
            const uint64_t before = memstore_size(filling.store);

            set_together(&filling, TOGETHER, size);
            const uint64_t after = memstore_size(filling.store);
            cr_assert_geq(after, before - before / 8,
                          "%" PRIu64 " entries of %" PRIu64 " are left after a batch", after,
                          before);
        }
    }
    memstore_destroy(filling.store);
}

/* How many calls of some store-fulls each cost the store more than a part of its entries. */
static unsigned drops_in(struct filling *filling, void (*set)(struct filling *, uint64_t, size_t),
                         uint64_t count, size_t size)
{
    unsigned drops = 0;

    for (uint64_t done = 0; done < count; done += TOGETHER) {
        const uint64_t before = memstore_size(filling->store);

        set(filling, TOGETHER, size);
        drops += memstore_size(filling->store) < before - before / 25;
    }
    return drops;
}

/* Room that is made for a larger table is used for it, and not made again and again. */
static void expect_growth(void (*set)(struct filling *, uint64_t, size_t))
{
    struct filling filling = {.store = test_open(SMALLER, "maintenance=manual", "shards=1", NULL)};

    set(&filling, ENTRIES(120000), 200);
    const uint64_t index = test_memory(filling.store).index;
    drops_in(&filling, set, ENTRIES(300000), 100);
    cr_expect_gt(test_memory(filling.store).index, index, "the table is as it was");
    cr_expect_eq(drops_in(&filling, set, ENTRIES(1000000), 100), 0);
    memstore_destroy(filling.store);
}

Test(index_load, what_is_evicted_for_a_larger_table_is_evicted_once, .timeout = 120)
{
    expect_growth(set_one_by_one);
}

Test(index_load, so_is_what_is_evicted_for_a_batch, .timeout = 120)
{
    expect_growth(set_together);
}

/* Where nothing is evicted each slot serves. */
Test(index_load, a_store_without_eviction_uses_every_slot, .timeout = 120)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none", "shards=1", NULL);
    uint64_t key = 0;
    int status;

    do
        status = memstore_set(store, &key, sizeof key, "", 0, 0);
    while (status == MEMSTORE_OK && ++key < 1000000);
    cr_assert(status == MEMSTORE_ERR_CACHE_FULL || status == MEMSTORE_ERR_SHARD_OVERFLOW);
    cr_assert_gt(load_of(store), 0.9);
    memstore_destroy(store);
}

static uint64_t entries_that_fit(unsigned kilobytes)
{
    char limit[64];

    snprintf(limit, sizeof limit, "performance.memory_limit=%ukB", kilobytes);
    memstore *store = test_open(limit, "eviction=none", "shards=1", NULL);
    const uint64_t stored = test_set_numbers(store, 0, UINT64_MAX, 0);
    memstore_destroy(store);
    return stored;
}

/* A table and the one that is to take its place are there both, for as long as entries are added. */
Test(index_load, without_eviction_no_write_is_refused_for_a_table_that_is_being_replaced,
     .timeout = 120)
{
    for (unsigned i = 0, limits = TEST_FEWER(36, 6); i < limits; i++) {
        const unsigned kilobytes = 1500 + i * 3600 / limits;
        const uint64_t entries = entries_that_fit(kilobytes);

        cr_expect_geq(entries, kilobytes * UINT64_C(33), "%u kB hold %" PRIu64 " entries",
                      kilobytes, entries);
    }
}

/* Evicting small entries makes the table too large, and while it is replaced there are two. */
Test(index_load, a_large_entry_is_not_refused_for_a_table_that_is_being_replaced, .timeout = 120)
{
    const uint64_t large = UINT64_MAX;
    const size_t size = (1 << 20) * 9 / 20;
    unsigned char *value = test_bytes(size, 1);

    for (unsigned i = 0, counts = TEST_FEWER(50, 10); i < counts; i++) {
        const uint64_t count = 22000 + i * UINT64_C(65000) / counts;
        memstore *store = test_open("performance.memory_limit=1MiB", "eviction=fifo", "shards=1",
                                    "maintenance=manual", NULL);

        for (uint32_t key = 1; key <= count; key++)
            assert_ok(memstore_set(store, &key, sizeof key, "", 0, 0));
        assert_ok(memstore_set(store, &large, sizeof large, value, size, 0));
        memstore_destroy(store);
    }
    free(value);
}

/* Room is made for the table of one shard after the other, while those that have grown are all but empty. */
Test(index_load, a_batch_of_many_keys_is_stored_in_a_full_store_of_many_shards, .timeout = 120)
{
    enum { KEYS = 40000 };
    memstore *store =
        test_open("performance.memory_limit=16MiB", "shards=256", "maintenance=manual", NULL);
    memstore_batch *batch = memstore_batch_new(store);

    cr_assert_eq(test_set_numbers(store, 0, 20000, 1000), 20000);
    for (uint64_t key = 1 << 20; key < (1 << 20) + KEYS; key++)
        assert_ok(memstore_batch_set(batch, &key, sizeof key, &key, sizeof key, 0));
    assert_ok(memstore_batch_commit(batch));
    cr_assert_gt(memstore_size(store), KEYS);
    memstore_batch_free(batch);
    memstore_destroy(store);
}

static void count_tries(enum ms_testing_point point, void *tries)
{
    *(unsigned *)tries += point == MS_POINT_SHARD_LOCKED;
}

/* Each try looks up all keys: for one table after the other a large batch had no time. */
Test(index_load, room_for_the_tables_of_a_batch_is_made_in_a_few_tries, .timeout = 120)
{
    enum { SHARDS = 256, KEYS = 100000 };
    memstore *store = test_open("performance.memory_limit=16MiB", "shards=256",
                                "maintenance=manual", "performance.lock_timeout=60s", NULL);
    memstore_batch *batch = memstore_batch_new(store);
    unsigned tries = 0;

    test_set_numbers(store, 0, 200000, 100);
    for (uint64_t key = 1 << 20; key < (1 << 20) + KEYS; key++)
        assert_ok(memstore_batch_set(batch, &key, sizeof key, NULL, 0, 0));
    ms_testing_set_hook(count_tries, &tries);
    assert_ok(memstore_batch_commit(batch));
    ms_testing_set_hook(NULL, NULL);
    cr_assert_gt(memstore_size(store), KEYS);
    cr_assert_lt(tries, SHARDS / 8, "%u tries", tries);
    memstore_batch_free(batch);
    memstore_destroy(store);
}

/* ---- Tables of what is gone ---- */

#define EMPTIED_LIMIT "performance.memory_limit=4MiB"
#define MINUTE 60000

static void delete_numbers(memstore *store, uint64_t first, uint64_t count)
{
    for (uint64_t key = first; key < first + count; key++)
        memstore_delete(store, &key, sizeof key);
}

/* How many entries of 1000 bytes a store holds once many more were written, after as many small ones as it
 * takes were there, or none. */
static uint64_t held_after(const char *eviction, const char *maintenance, bool had_small)
{
    memstore *store = test_open(EMPTIED_LIMIT, eviction, maintenance, NULL);

    if (had_small) {
        const uint64_t count = test_set_numbers(store, 0, 150000, 2);

        cr_assert_gt(test_memory(store).index, MINUTE * 10);
        delete_numbers(store, 0, count);
    }
    test_set_numbers(store, 1000000, 20000, 1000);
    const uint64_t held = memstore_size(store);
    memstore_destroy(store);
    return held;
}

static void expect_room_again(const char *eviction, const char *maintenance)
{
    const uint64_t fresh = held_after(eviction, maintenance, false);
    const uint64_t held = held_after(eviction, maintenance, true);

    cr_expect_geq(held, fresh - fresh / 33, "%s, %s: %" PRIu64 " entries where %" PRIu64 " fit",
                  eviction, maintenance, held, fresh);
}

Test(index_load, what_many_small_entries_needed_is_for_large_ones_when_they_are_gone,
     .timeout = 120)
{
    expect_room_again("eviction=none", "maintenance=manual");
    expect_room_again("eviction=none", "maintenance=background");
    expect_room_again("eviction=adaptive", "maintenance=manual");
    expect_room_again("eviction=adaptive", "maintenance=background");
    expect_room_again("eviction=fifo", "maintenance=manual");
}

/* Nobody wants the memory. */
Test(index_load, tables_that_were_too_large_for_a_minute_give_their_memory_back, .timeout = 120)
{
    memstore *store = test_open("maintenance=manual", NULL);

    test_clock_start();
    test_set_numbers(store, 0, 50000, 2);
    const uint64_t full = test_memory(store).index;
    delete_numbers(store, 100, 50000 - 100);
    assert_ok(memstore_maintain(store, 1000000));
    test_clock_advance(MINUTE - 1);
    assert_ok(memstore_maintain(store, 1000000));
    cr_assert_eq(test_memory(store).index, full);
    test_clock_advance(1);
    assert_ok(memstore_maintain(store, 1000000));
    cr_assert_lt(test_memory(store).index, full / 4);
    for (uint64_t key = 0; key < 100; key++)
        assert_ok(memstore_has(store, &key, sizeof key));
    memstore_destroy(store);
}

Test(index_load, by_hand_all_of_it_is_given_back_at_once, .timeout = 120)
{
    memstore *store = test_open("maintenance=manual", NULL);

    test_set_numbers(store, 0, 50000, 2);
    const uint64_t full = test_memory(store).index, charged = test_memory(store).charged;
    delete_numbers(store, 100, 50000 - 100);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_lt(test_memory(store).index, full / 4);
    cr_assert_lt(test_memory(store).charged, charged - full / 2);
    memstore_destroy(store);
}

Test(index_load, a_store_that_fills_again_each_second_keeps_its_tables, .timeout = 120)
{
    memstore *store = test_open("maintenance=manual", NULL);

    test_clock_start();
    test_set_numbers(store, 0, 20000, 2);
    const uint64_t full = test_memory(store).index;
    for (unsigned second = 0; second < 150; second++) {
        delete_numbers(store, 0, 20000);
        assert_ok(memstore_maintain(store, 1000000));
        cr_assert_eq(test_memory(store).index, full);
        test_set_numbers(store, 0, 20000, 2);
        test_clock_advance(1000);
    }
    memstore_destroy(store);
}

Test(index_load, tables_that_were_sized_at_open_are_not_made_smaller, .timeout = 120)
{
    memstore *store =
        test_open("maintenance=manual", "shards=16", "max_entries_in_window=100000", NULL);
    const uint64_t at_open = test_memory(store).index;

    test_set_numbers(store, 0, 50000, 2);
    delete_numbers(store, 0, 50000);
    assert_ok(memstore_maintain(store, 0));
    cr_expect_eq(test_memory(store).index, at_open);
    test_set_numbers(store, 0, 400000, 2);
    delete_numbers(store, 0, 400000);
    assert_ok(memstore_maintain(store, 0));
    cr_expect_geq(test_memory(store).index, at_open);
    cr_expect_leq(test_memory(store).index, at_open + at_open / 4);
    test_set_numbers(store, 0, 100000, 2);
    cr_expect_leq(test_memory(store).index, at_open + at_open / 4);
    memstore_destroy(store);
}
