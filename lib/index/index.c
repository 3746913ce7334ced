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
                               .shards = (struct ms_shard *)((char *)memory + words_bytes(shards)),
                               .owner = *owner};
    for (uint32_t i = 0; i < shards; i++)
        ms_mutex_init(&index->shards[i].lock, MS_RANK_SHARD);
}

/* ---- Slots ---- */

static bool match_place(void *context, uint32_t *place)
{
    return *place == *(const uint32_t *)context;
}

bool ms_index_find_place(struct ms_index *index, uint64_t hash, uint32_t place,
                         struct ms_index_slot *out)
{
    return ms_index_find_slot(index, hash, match_place, &place, out);
}

/* Put an entry into the first free slot from its home on. */
static void insert_into(struct ms_probe probe, uint64_t hash, uint32_t place,
                        struct ms_index_slot *out)
{
    unsigned empty;

    while ((empty = ms_bucket_empty_slots(&probe.buckets[probe.at])) == 0) {
        struct ms_bucket *full = &probe.buckets[probe.at];
        ms_store_relaxed(&full->overflow, ms_load_relaxed(&full->overflow) + 1);
        ms_probe_next(&probe);
    }
    const unsigned number = (unsigned)__builtin_ctz(empty);
    *out = (struct ms_index_slot){&probe.buckets[probe.at], number};
    if (ms_testing_has_fault(MS_FAULT_PLACE_BEFORE_TAG))
        ms_slot_set(out, place);
    ms_bucket_set_tag(out->bucket, number, ms_index_tag(hash));
    ms_testing_reach(MS_POINT_INDEX_TAGGED);
    ms_slot_set(out, place);
}

/* The lock makes load and store one step; they are atomic for those who sum up without it. */
static void count_entries(struct ms_index *index, uint32_t shard, int change)
{
    ms_store_relaxed(&index->shards[shard].entries,
                     ms_index_entries(index, shard) + (uint32_t)change);
}

void ms_index_insert(struct ms_index *index, uint64_t hash, uint32_t place,
                     struct ms_index_slot *out)
{
    insert_into(ms_index_probe(index, hash), hash, place, out);
    count_entries(index, ms_index_shard_of(index, hash), 1);
}

void ms_index_remove(struct ms_index *index, uint64_t hash, const struct ms_index_slot *slot)
{
    ms_slot_set(slot, 0);
    for (struct ms_probe probe = ms_index_probe(index, hash);
         &probe.buckets[probe.at] != slot->bucket; ms_probe_next(&probe)) {
        struct ms_bucket *passed = &probe.buckets[probe.at];
        /* ORDER: release, pairs with the acquire in ms_index_find_from(). */
        ms_store_release(&passed->overflow, ms_load_relaxed(&passed->overflow) - 1);
    }
    count_entries(index, ms_index_shard_of(index, hash), -1);
}

/* ---- Growth ---- */

/* Buckets that hold this many entries at the highest load, and as many as there are to be at least; such
 * a number that tables fit what they are allocated in. */
static uint64_t buckets_for(const struct ms_index *index, uint64_t entries, uint64_t least)
{
    const uint64_t per_unit = index->owner.table_unit / sizeof(struct ms_bucket);
    uint64_t need =
        (entries * MS_INDEX_MAX_LOAD_DEN + MS_INDEX_MAX_LOAD_NUM * MS_BUCKET_SLOTS - 1) /
        (MS_INDEX_MAX_LOAD_NUM * MS_BUCKET_SLOTS);

    if (need < least)
        need = least;
    if (need <= per_unit / 2) {
        uint64_t power = 1;
        while (power < need)
            power *= 2;
        return power;
    }
    return (need + per_unit - 1) / per_unit * per_unit;
}

static bool fits_load(uint64_t buckets, uint64_t entries)
{
    return entries * MS_INDEX_MAX_LOAD_DEN <= buckets * MS_BUCKET_SLOTS * MS_INDEX_MAX_LOAD_NUM;
}

bool ms_index_has_room(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t buckets = ms_table_buckets(ms_load_relaxed(&index->tables[shard]));

    return fits_load(buckets, (uint64_t)ms_index_entries(index, shard) + more);
}

bool ms_index_has_slots(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t buckets = ms_table_buckets(ms_load_relaxed(&index->tables[shard]));

    return (uint64_t)ms_index_entries(index, shard) + more <= buckets * MS_BUCKET_SLOTS;
}

/* Entries are read ahead this far, because each is a cache miss. */
#define REHASH_AHEAD 16

static void refill_from(const struct ms_index *index, const struct ms_bucket *old,
                        uint32_t old_count, struct ms_probe table)
{
    const struct ms_index_owner *owner = &index->owner;
    uint32_t ahead[REHASH_AHEAD];
    uint32_t queued = 0, done = 0;
    struct ms_index_slot slot;

    for (uint32_t i = 0; i < old_count * MS_BUCKET_SLOTS + REHASH_AHEAD; i++) {
        const bool inside = i < old_count * MS_BUCKET_SLOTS;
        const uint32_t place =
            inside ? ms_load_relaxed(&old[i / MS_BUCKET_SLOTS].places[i % MS_BUCKET_SLOTS]) : 0;

        if (inside && place == 0)
            continue;
        if (queued - done == REHASH_AHEAD || (!inside && queued != done)) {
            const uint32_t next = ahead[done++ % REHASH_AHEAD];
            const uint64_t hash = owner->hash(owner->context, next);

            table.at = (uint32_t)((hash & UINT32_MAX) * table.count >> 32);
            insert_into(table, hash, next, &slot);
        }
        if (inside) {
            ms_prefetch(owner->address(owner->context, place));
            ahead[queued++ % REHASH_AHEAD] = place;
        }
    }
}

/* Nobody finds the table any more, if it is one. */
static void retire_table(struct ms_index *index, uint64_t word)
{
    const size_t bytes = ms_table_buckets(word) * sizeof(struct ms_bucket);

    if (word == 0)
        return;
    index->owner.retire_table(index->owner.context, word >> 32 << 6, bytes);
    ms_sub_relaxed(&index->table_bytes, bytes);
}

/* Returns the word of the table before, which is to be retired. */
static uint64_t publish_table(struct ms_index *index, uint32_t shard, uint64_t word)
{
    const uint64_t old = ms_load_relaxed(&index->tables[shard]);

    /* ORDER: release, pairs with the acquire in ms_index_table. */
    ms_store_release(&index->tables[shard], word);
    ms_add_relaxed(&index->table_bytes, ms_table_buckets(word) * sizeof(struct ms_bucket));
    return old;
}

/* Give a shard a table of `count` buckets. */
static enum ms_index_growth replace_table(struct ms_index *index, uint32_t shard, uint64_t count)
{
    const uint64_t old = ms_load_relaxed(&index->tables[shard]);
    const size_t bytes = count * sizeof(struct ms_bucket);
    uint64_t offset;

    if (count >> 30 != 0 || !index->owner.alloc_table(index->owner.context, bytes, &offset))
        return MS_INDEX_NO_ROOM;

    const struct ms_probe table = {(struct ms_bucket *)(index->base + offset), (uint32_t)count, 0};
    refill_from(index, ms_table_at(index, old), ms_table_buckets(old), table);
    ms_testing_reach(MS_POINT_INDEX_GROWN);
    retire_table(index, publish_table(index, shard, offset >> 6 << 32 | count));
    return MS_INDEX_GROWN;
}

/* By a fifth at a time, so that an entry is moved six times or so however many there will be, and the
 * load of large tables is between 75 and 90 %; where there is no room for that, by what is needed. */
enum ms_index_growth ms_index_grow(struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t now = ms_table_buckets(ms_load_relaxed(&index->tables[shard]));
    const uint64_t entries = (uint64_t)ms_index_entries(index, shard) + more;
    const uint64_t roomy = buckets_for(index, entries, now + now / 5 + 1);
    const uint64_t scanty = buckets_for(index, entries, now + 1);
    const enum ms_index_growth grown = replace_table(index, shard, roomy);

    return grown == MS_INDEX_GROWN || scanty == roomy ? grown : replace_table(index, shard, scanty);
}

/* Buckets for the entries that a shard has, and an eighth more. */
static uint64_t buckets_needed(const struct ms_index *index, uint32_t shard)
{
    const uint64_t entries = ms_index_entries(index, shard);

    return buckets_for(index, entries + entries / 8, 0);
}

bool ms_index_is_oversized(const struct ms_index *index, uint32_t shard)
{
    const uint64_t now = ms_table_buckets(ms_load_relaxed(&index->tables[shard]));

    return now > 2 * buckets_needed(index, shard);
}

bool ms_index_shrink(struct ms_index *index, uint32_t shard)
{
    return ms_index_is_oversized(index, shard) &&
           replace_table(index, shard, buckets_needed(index, shard)) == MS_INDEX_GROWN;
}

/* ---- Scanning ---- */

static bool visit_bucket(const struct ms_bucket *bucket, ms_index_visit fn, void *context)
{
    for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++) {
        /* ORDER: acquire, as in ms_index_find. */
        const uint32_t place = ms_load_acquire(&bucket->places[i]);
        if (place != 0 && !fn(context, place))
            return false;
    }
    return true;
}

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
        if (!visit_bucket(&buckets[at], fn, context))
            return false;
        /* ORDER: acquire, as in ms_index_find_from. */
        if (visited >= homes && ms_load_acquire(&buckets[at].overflow) == 0)
            return true;
        at = at + 1 == count ? 0 : at + 1;
    }
    return true;
}

void ms_index_drop_table(struct ms_index *index, uint32_t shard, ms_index_visit fn, void *context)
{
    const uint64_t table = publish_table(index, shard, 0);
    const struct ms_bucket *buckets = ms_table_at(index, table);

    ms_store_relaxed(&index->shards[shard].entries, 0);
    for (uint32_t i = 0; fn != NULL && i < ms_table_buckets(table); i++)
        visit_bucket(&buckets[i], fn, context);
    retire_table(index, table);
}
