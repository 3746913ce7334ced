/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"

#include "platform/mem.h"

static size_t words_bytes(uint32_t shards)
{
    return (shards * sizeof(atomic_uint_least64_t) + MS_CACHE_LINE - 1) &
           ~(size_t)(MS_CACHE_LINE - 1);
}

size_t ms_index_overhead(uint32_t shards)
{
    return words_bytes(shards) + shards * sizeof(struct ms_shard);
}

void ms_index_init(struct ms_index *index, uint32_t shards, void *memory, char *base,
                   const struct ms_index_owner *owner)
{
    *index = (struct ms_index){.tables = memory,
                               .base = base,
                               .shard_count = shards,
                               .table_shift = owner->granule_shift > MS_TABLE_SHIFT_MIN
                                                  ? owner->granule_shift
                                                  : MS_TABLE_SHIFT_MIN,
                               .shards = (struct ms_shard *)((char *)memory + words_bytes(shards)),
                               .owner = *owner};
    for (uint32_t i = 0; i < shards; i++)
        ms_mutex_init(&index->shards[i].lock, MS_RANK_SHARD);
}

/* ---- Slots ---- */

bool ms_index_find_place(struct ms_index *index, uint64_t hash, uint32_t place,
                         struct ms_index_slot *out)
{
    return ms_table_find_place(ms_index_probe(index, hash), hash, place, out);
}

static struct ms_probe probe_next(const struct ms_index *index, uint64_t hash)
{
    return ms_index_probe_in(index, index->shards[ms_index_shard_of(index, hash)].next, hash);
}

/* The lock makes load and store one step; they are atomic for those who sum up without it. */
static void count_entries(struct ms_index *index, uint32_t shard, int change)
{
    ms_store_relaxed(&index->shards[shard].entries,
                     ms_index_entries(index, shard) + (uint32_t)change);
}

/* A table with more entries to a bucket is not oversized. */
#define OVERSIZED_UP_TO 4

/* An entry was removed from a shard. */
static void note_less(struct ms_index *index, uint32_t shard)
{
    struct ms_shard *of = &index->shards[shard];
    const uint32_t entries = ms_index_entries(index, shard);
    const uint64_t buckets = ms_table_buckets(ms_load_relaxed(&index->tables[shard]));

    if (entries >= ms_load_relaxed(&of->peak))
        ms_store_relaxed(&of->peak, entries + 1);
    if (ms_unlikely(entries < buckets * OVERSIZED_UP_TO) &&
        !ms_load_relaxed(&index->may_be_oversized) &&
        ms_index_is_oversized(index, shard, index->announced))
        ms_store_relaxed(&index->may_be_oversized, true);
}

void ms_index_insert(struct ms_index *index, uint64_t hash, uint32_t place,
                     struct ms_index_slot *out)
{
    const uint32_t shard = ms_index_shard_of(index, hash);
    struct ms_index_slot moved;

    ms_table_insert(ms_index_probe(index, hash), hash, place, out);
    if (ms_index_is_moved(index, shard, out))
        ms_table_insert(probe_next(index, hash), hash, place, &moved);
    count_entries(index, shard, 1);
}

void ms_index_set_moved(struct ms_index *index, uint64_t hash, uint32_t before, uint32_t place)
{
    struct ms_index_slot moved;

    if (ms_table_find_place(probe_next(index, hash), hash, before, &moved))
        ms_slot_set(&moved, place);
}

static void remove_moved(struct ms_index *index, uint64_t hash, uint32_t place)
{
    const struct ms_probe probe = probe_next(index, hash);
    struct ms_index_slot moved;

    if (ms_table_find_place(probe, hash, place, &moved))
        ms_table_remove(probe, &moved);
}

void ms_index_remove(struct ms_index *index, uint64_t hash, const struct ms_index_slot *slot)
{
    const uint32_t shard = ms_index_shard_of(index, hash);

    if (ms_index_is_moved(index, shard, slot))
        remove_moved(index, hash, ms_slot_place(slot));
    ms_table_remove(ms_index_probe(index, hash), slot);
    count_entries(index, shard, -1);
    note_less(index, shard);
}

/* ---- Scanning ---- */

bool ms_index_scan(const struct ms_index *index, uint32_t shard, uint32_t from, uint32_t to,
                   ms_index_visit fn, void *context)
{
    const uint64_t table = ms_load_acquire(&index->tables[shard]);
    const uint32_t count = ms_table_buckets(table);

    if (table == 0)
        return true;

    const struct ms_bucket *buckets = ms_table_at(index, table);
    const uint32_t homes = ms_table_home(table, to) - ms_table_home(table, from);
    uint32_t at = ms_table_home(table, from);

    /* Past the last home bucket, entries that passed it may follow, until a bucket that none has
     * passed. */
    for (uint32_t visited = 0; visited < count; visited++) {
        if (!ms_table_visit(&buckets[at], fn, context))
            return false;
        /* ORDER: acquire, as in ms_table_find. */
        if (visited >= homes && ms_load_acquire(&buckets[at].overflow) == 0)
            return true;
        at = at + 1 == count ? 0 : at + 1;
    }
    return true;
}
