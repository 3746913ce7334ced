/* SPDX-License-Identifier: Apache-2.0 */
#include "index/validate.h"

#if MS_VALIDATES

#include <stdlib.h>

struct shard_table {
    const struct ms_index *index;
    uint32_t shard;
    uint64_t table;
    const struct ms_bucket *buckets;
    uint32_t count;
    uint32_t *passed; /* entries found to have passed each bucket */
};

/* The entry is where a search for it comes to, and counts as passing on its way there. */
static const char *check_slot(struct shard_table *of, uint32_t at, unsigned slot, uint32_t place)
{
    const struct ms_index_owner *owner = &of->index->owner;
    const uint64_t hash = owner->hash(owner->context, place);
    const unsigned candidates = ms_bucket_candidates(&of->buckets[at], ms_index_tag(hash));

    MS_REQUIRE(ms_index_shard_of(of->index, hash) == of->shard,
               "IX: an entry is in another shard than its hash says");
    MS_REQUIRE((candidates >> slot & 1) != 0, "BK-1: a slot's tag is not that of its entry's hash");
    for (uint32_t bucket = ms_table_home(of->table, hash); bucket != at;
         bucket = bucket + 1 == of->count ? 0 : bucket + 1)
        of->passed[bucket]++;
    return NULL;
}

/* Check all slots, and count those in use. */
static const char *check_slots(struct shard_table *of, uint32_t *entries)
{
    *entries = 0;
    for (uint32_t at = 0; at < of->count; at++) {
        for (unsigned slot = 0; slot < MS_BUCKET_SLOTS; slot++) {
            const uint32_t place = ms_load_relaxed(&of->buckets[at].places[slot]);

            if (place == 0)
                continue;
            ++*entries;
            MS_REQUIRE_VALID(check_slot(of, at, slot, place));
        }
    }
    for (uint32_t at = 0; at < of->count; at++)
        MS_REQUIRE(of->passed[at] == ms_load_relaxed(&of->buckets[at].overflow),
                   "BK-2, IX-1: a bucket miscounts the entries that passed it");
    return NULL;
}

static const char *check_table(const struct ms_index *index, uint32_t shard, uint64_t table,
                               uint32_t *entries)
{
    struct shard_table of = {
        index, shard, table, ms_table_at(index, table), ms_table_buckets(table), NULL};

    /* Not by ms_mem_alloc(), whose requests tests count and refuse. */
    of.passed = calloc(of.count, sizeof *of.passed);
    MS_REQUIRE(of.passed != NULL, "there is no memory to check the index with");
    const char *const problem = check_slots(&of, entries);
    free(of.passed);
    return problem;
}

/* What is in the buckets that were moved is in the table that is to come. */
static const char *check_moved(const struct ms_index *index, uint32_t shard, uint32_t in_next)
{
    const struct ms_index_owner *owner = &index->owner;
    const struct ms_shard *of = &index->shards[shard];
    const struct ms_bucket *buckets = ms_table_at(index, ms_load_relaxed(&index->tables[shard]));
    uint32_t moved = 0;

    for (uint32_t i = 0; i < of->moved * MS_BUCKET_SLOTS; i++) {
        const uint32_t place =
            ms_load_relaxed(&buckets[i / MS_BUCKET_SLOTS].places[i % MS_BUCKET_SLOTS]);
        struct ms_index_slot slot;

        if (place == 0)
            continue;
        moved++;
        const uint64_t hash = owner->hash(owner->context, place);
        MS_REQUIRE(
            ms_table_find_place(ms_index_probe_in(index, of->next, hash), hash, place, &slot),
            "IX-5: an entry was moved, and is not in the table that is to come");
    }
    MS_REQUIRE(moved == in_next, "IX-5: the table that is to come has entries that were not moved");
    return NULL;
}

static const char *check_next(const struct ms_index *index, uint32_t shard)
{
    const struct ms_shard *of = &index->shards[shard];
    uint32_t entries;

    MS_REQUIRE(of->moved < ms_table_buckets(ms_load_relaxed(&index->tables[shard])),
               "IX-5: all is moved, and the table is not in its place");
    MS_REQUIRE_VALID(check_table(index, shard, of->next, &entries));
    return check_moved(index, shard, entries);
}

static const char *check_shard(const struct ms_index *index, uint32_t shard, uint64_t *table_bytes)
{
    const uint64_t table = ms_load_relaxed(&index->tables[shard]);
    const struct ms_shard *of = &index->shards[shard];
    uint32_t entries = 0;

    MS_REQUIRE(ms_load_relaxed(&of->batch_sequence) % 2 == 0,
               "IX: a shard's batch sequence is odd, and no batch is being published");
    *table_bytes +=
        ((uint64_t)ms_table_buckets(table) + ms_table_buckets(of->next)) * sizeof(struct ms_bucket);
    if (table != 0)
        MS_REQUIRE_VALID(check_table(index, shard, table, &entries));
    MS_REQUIRE(entries == ms_index_entries(index, shard),
               "IX: a shard does not have as many entries as it counts");
    return of->next != 0 ? check_next(index, shard) : NULL;
}

const char *ms_index_validate(const struct ms_index *index)
{
    uint64_t table_bytes = 0;

    for (uint32_t shard = 0; shard < index->shard_count; shard++)
        MS_REQUIRE_VALID(check_shard(index, shard, &table_bytes));
    MS_REQUIRE(table_bytes == ms_load_relaxed(&index->table_bytes),
               "IX: the tables do not have as many bytes as are counted");
    return NULL;
}

#else

/* ISO C asks for a declaration in every file. */
typedef int ms_index_validate_is_compiled_out;

#endif
