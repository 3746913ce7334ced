/* SPDX-License-Identifier: Apache-2.0 */
/* How full the tables of an index get in a store that is full itself: a search for what is not there walks to
 * the next free slot, which in a table without any is far. */
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
    struct filling filling = {.store = test_open(SMALLER, "shards=1", NULL)};

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
    struct filling filling = {.store = test_open(LARGER, "shards=1", NULL)};

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
