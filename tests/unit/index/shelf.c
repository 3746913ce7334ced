/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/index/shelf.h"

#include "platform/mem.h"

#include <criterion/criterion.h>
#include <string.h>

#define TABLES_BYTES ((size_t)256 << 20)

static bool alloc_table(void *context, size_t bytes, bool wins, uint64_t *offset)
{
    struct shelf *shelf = context;

    if ((wins ? shelf->refuses_all : shelf->refuses) || shelf->used + bytes > TABLES_BYTES)
        return false;
    *offset = shelf->used;
    shelf->used += (bytes + 63) & ~(size_t)63;
    shelf->tables++;
    return true;
}

/* Tables are kept: a reader may be in one, and tests look whether it is as it was. */
static void retire_table(void *context, uint64_t offset, size_t bytes)
{
    struct shelf *shelf = context;

    shelf->tables--;
    shelf->retired_tables++;
    shelf->retired_offset = offset;
    shelf->retired_bytes = bytes;
}

static const void *address(void *context, uint32_t place)
{
    return &((struct shelf *)context)->entries[place];
}

static uint64_t hash_of(void *context, uint32_t place)
{
    struct shelf *shelf = context;

    shelf->hashed++;
    return shelf->entries[place].hash;
}

struct shelf *shelf_open(uint32_t shards)
{
    static struct shelf shelf;
    static char memory[65536 * (sizeof(struct ms_shard) + sizeof(uint64_t))] MS_ALIGNED(
        MS_CACHE_LINE);
    const struct ms_index_owner owner = {.alloc_table = alloc_table,
                                         .retire_table = retire_table,
                                         .address = address,
                                         .hash = hash_of,
                                         .table_unit = MS_PAGE_SIZE,
                                         .context = &shelf};

    memset(&shelf, 0, sizeof shelf);
    cr_assert_leq(ms_index_overhead(shards), sizeof memory);
    memset(memory, 0, ms_index_overhead(shards));
    shelf.base = ms_mem_reserve(TABLES_BYTES);
    cr_assert_not_null(shelf.base);
    shelf.used = 64; /* a table is not at offset 0 */
    ms_index_init(&shelf.index, shards, memory, shelf.base, &owner);
    return &shelf;
}

void shelf_close(struct shelf *shelf)
{
    ms_mem_unreserve(shelf->base, TABLES_BYTES);
}

uint32_t shelf_place(struct shelf *shelf, uint64_t hash, uint64_t key)
{
    const uint32_t place = ++shelf->places;

    cr_assert_lt(place, SHELF_PLACES);
    shelf->entries[place] = (struct shelf_entry){hash, key};
    return place;
}

uint32_t shelf_insert(struct shelf *shelf, uint64_t hash, uint64_t key)
{
    const uint32_t place = shelf_place(shelf, hash, key);
    const uint32_t shard = ms_index_shard_of(&shelf->index, hash);
    struct ms_index_slot slot;

    if (!ms_index_has_room(&shelf->index, shard, 1))
        cr_assert_eq(ms_index_grow(&shelf->index, shard, 1), MS_INDEX_GROWN);
    ms_index_insert(&shelf->index, hash, place, &slot);
    cr_assert_eq(ms_slot_place(&slot), place);
    return place;
}

struct wanted {
    const struct shelf *shelf;
    uint64_t key;
};

static bool has_key(void *context, uint32_t *place)
{
    const struct wanted *wanted = context;

    return wanted->shelf->entries[*place].key == wanted->key;
}

uint32_t shelf_find_from(struct shelf *shelf, struct ms_probe probe, uint64_t hash, uint64_t key)
{
    struct wanted wanted = {shelf, key};

    return ms_table_find(probe, hash, has_key, &wanted);
}

uint32_t shelf_find(struct shelf *shelf, uint64_t hash, uint64_t key)
{
    return shelf_find_from(shelf, ms_index_probe(&shelf->index, hash), hash, key);
}

bool shelf_find_slot(struct shelf *shelf, uint64_t hash, uint64_t key, struct ms_index_slot *slot)
{
    struct wanted wanted = {shelf, key};

    return ms_index_find_slot(&shelf->index, hash, has_key, &wanted, slot);
}

bool shelf_remove(struct shelf *shelf, uint64_t hash, uint64_t key)
{
    struct ms_index_slot slot;

    if (!shelf_find_slot(shelf, hash, key, &slot))
        return false;
    ms_index_remove(&shelf->index, hash, &slot);
    return true;
}

bool shelf_update(struct shelf *shelf, uint64_t hash, uint64_t key)
{
    struct ms_index_slot slot;

    if (!shelf_find_slot(shelf, hash, key, &slot))
        return false;
    ms_index_set(&shelf->index, hash, &slot, shelf_place(shelf, hash, key));
    return true;
}

uint32_t shelf_buckets(const struct shelf *shelf, uint32_t shard)
{
    return ms_table_buckets(ms_load_relaxed(&shelf->index.tables[shard]));
}

void shelf_check(const struct shelf *shelf)
{
    const char *const problem = ms_index_validate(&shelf->index);

    cr_assert_null(problem, "%s", problem);
}
