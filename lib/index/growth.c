/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard's table is replaced by a larger or a smaller one, and dropped. */
#include "index/index.h"

/* Tables of up to so many buckets are replaced in one go, some tens of microseconds at most. */
#define AT_ONCE 64
/* Buckets that are moved with an entry that is added: about 70 entries, each a cache miss. A table that
 * is to grow has one free slot a bucket left, of which an eighth is taken meanwhile. */
#define STEP 8
/* The same each time that somebody locks a shard for nothing else. */
#define IN_A_LOCK 32
/* Larger tables than those keep one of so many slots free as long as memory can be had for growth: at 15 of 16
 * a search goes through some 8 buckets, at the last slot through half of a table's. */
#define KEPT_FREE_DIVISOR 16

/* ---- Sizes ---- */

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
        uint64_t power = (UINT64_C(1) << index->table_shift) / sizeof(struct ms_bucket);
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

static uint64_t table_of(const struct ms_index *index, uint32_t shard)
{
    return ms_load_relaxed(&index->tables[shard]);
}

static uint64_t next_of(const struct ms_index *index, uint32_t shard)
{
    return index->shards[shard].next;
}

static uint64_t entries_and(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    return (uint64_t)ms_index_entries(index, shard) + more;
}

bool ms_index_has_room(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    return next_of(index, shard) == 0 &&
           fits_load(ms_table_buckets(table_of(index, shard)), entries_and(index, shard, more));
}

bool ms_index_has_slots(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t buckets = ms_table_buckets(table_of(index, shard));

    return entries_and(index, shard, more) <= buckets * MS_BUCKET_SLOTS;
}

/* ---- Moving ---- */

/* Entries are read ahead this far, because each is a cache miss, and up to where a key of usual length
 * ends, which is in the next line for two of five. */
#define REHASH_AHEAD 32
#define KEY_ENDS 36

/* Put the entries of `count` buckets into a table. */
static void copy_buckets(const struct ms_index *index, const struct ms_bucket *old, uint32_t count,
                         uint64_t table)
{
    const struct ms_index_owner *owner = &index->owner;
    uint32_t ahead[REHASH_AHEAD];
    uint32_t queued = 0, done = 0;
    struct ms_index_slot slot;

    for (uint64_t i = 0; i < (uint64_t)count * MS_BUCKET_SLOTS + REHASH_AHEAD; i++) {
        const bool inside = i < (uint64_t)count * MS_BUCKET_SLOTS;
        const uint32_t place =
            inside ? ms_load_relaxed(&old[i / MS_BUCKET_SLOTS].places[i % MS_BUCKET_SLOTS]) : 0;

        if (inside && place == 0)
            continue;
        if (queued - done == REHASH_AHEAD || (!inside && queued != done)) {
            const uint32_t next = ahead[done++ % REHASH_AHEAD];
            const uint64_t hash = owner->hash(owner->context, next);

            ms_table_insert(ms_index_probe_in(index, table, hash), hash, next, &slot);
        }
        if (inside) {
            const char *entry = owner->address(owner->context, place);

            ms_prefetch(entry);
            ms_prefetch(entry + KEY_ENDS);
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
    index->owner.retire_table(index->owner.context, ms_table_offset(word, index->table_shift),
                              bytes);
    ms_sub_relaxed(&index->table_bytes, bytes);
}

/* Returns the word of the table before, which is to be retired. */
static uint64_t publish_table(struct ms_index *index, uint32_t shard, uint64_t word)
{
    const uint64_t old = table_of(index, shard);

    /* ORDER: release, pairs with the acquire in ms_index_table. */
    ms_store_release(&index->tables[shard], word);
    return old;
}

/* There is one already, or this is one. */
static void set_next(struct ms_index *index, uint32_t shard, uint64_t word)
{
    if (word != 0)
        ms_add_relaxed(&index->replacing, 1);
    else
        ms_sub_relaxed(&index->replacing, 1);
    index->shards[shard].next = word;
    index->shards[shard].moved = 0;
}

/* Begin to give a shard a table of `count` buckets. False when there is no memory for it. */
static bool begin(struct ms_index *index, uint32_t shard, uint64_t count, bool wins)
{
    const size_t bytes = count * sizeof(struct ms_bucket);
    uint64_t offset;

    if (count >> 30 != 0 || !index->owner.alloc_table(index->owner.context, bytes, wins, &offset))
        return false;
    ms_add_relaxed(&index->table_bytes, bytes);
    set_next(index, shard, offset >> index->table_shift << 32 | count);
    return true;
}

/* Leave the shard with the table that it has. */
static void give_up(struct ms_index *index, uint32_t shard)
{
    const uint64_t next = next_of(index, shard);

    if (next == 0)
        return;
    set_next(index, shard, 0);
    retire_table(index, next);
}

/* Move the entries of some buckets; with the last ones the table that they are moved to takes the place
 * of the shard's. */
static void move(struct ms_index *index, uint32_t shard, uint32_t buckets)
{
    struct ms_shard *of = &index->shards[shard];
    const uint64_t old = table_of(index, shard), next = next_of(index, shard);
    const uint32_t left = ms_table_buckets(old) - of->moved;
    const uint32_t count = buckets < left ? buckets : left;

    copy_buckets(index, ms_table_at(index, old) + of->moved, count, next);
    of->moved += count;
    if (count != left)
        return;
    ms_testing_reach(MS_POINT_INDEX_GROWN);
    set_next(index, shard, 0);
    retire_table(index, publish_table(index, shard, next));
}

/* As many buckets as are to be moved when `more` entries are about to be added. */
static uint32_t step_for(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    const bool at_once = ms_table_buckets(table_of(index, shard)) <= AT_ONCE ||
                         !ms_index_has_slots(index, shard, more);
    const uint32_t steps = more != 0 ? more : 1;

    return at_once || steps > UINT32_MAX / STEP ? UINT32_MAX : steps * STEP;
}

/* ---- Growth ---- */

/* Go on to the table that is to come, if it has room for all. */
static bool goes_on(struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t next = next_of(index, shard);

    if (next == 0 || !fits_load(ms_table_buckets(next), entries_and(index, shard, more)))
        return false;
    move(index, shard, step_for(index, shard, more));
    return true;
}

static uint64_t roomy_for(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t now = ms_table_buckets(table_of(index, shard));

    return buckets_for(index, entries_and(index, shard, more), now + now / 5 + 1);
}

uint64_t ms_index_bytes_to_grow(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    return roomy_for(index, shard, more) * sizeof(struct ms_bucket);
}

/* By a fifth at a time, so that an entry is moved six times or so however many there will be, and the
 * load of large tables is between 75 and 90 %; where there is no room for that, by what is needed. */
enum ms_index_growth ms_index_grow(struct ms_index *index, uint32_t shard, uint32_t more)
{
    if (goes_on(index, shard, more))
        return MS_INDEX_GROWN;
    if (next_of(index, shard) != 0) {
        give_up(index, shard);
        /* It was to be smaller. */
        if (ms_index_has_room(index, shard, more))
            return MS_INDEX_GROWN;
    }

    const uint64_t roomy = roomy_for(index, shard, more);
    const uint64_t scanty = buckets_for(index, entries_and(index, shard, more),
                                        (uint64_t)ms_table_buckets(table_of(index, shard)) + 1);

    if (!begin(index, shard, roomy, false) &&
        (scanty == roomy || !begin(index, shard, scanty, false)))
        return MS_INDEX_NO_ROOM;
    move(index, shard, step_for(index, shard, more));
    return MS_INDEX_GROWN;
}

bool ms_index_go_on(struct ms_index *index, uint32_t shard)
{
    if (next_of(index, shard) == 0)
        return false;
    move(index, shard, IN_A_LOCK);
    return true;
}

static bool keeps_free_slots(const struct ms_index *index, uint32_t shard, uint32_t more)
{
    const uint64_t buckets = ms_table_buckets(table_of(index, shard));
    const uint64_t slots = buckets * MS_BUCKET_SLOTS;
    const uint64_t kept_free = buckets > AT_ONCE ? slots / KEPT_FREE_DIVISOR : 0;

    return entries_and(index, shard, more) + kept_free <= slots;
}

enum ms_index_growth ms_index_ensure(struct ms_index *index, uint32_t shard, uint32_t more,
                                     enum ms_index_wish wish)
{
    if (wish != MS_INDEX_LARGER && ms_index_has_room(index, shard, more))
        return MS_INDEX_AS_IT_WAS;
    if (ms_index_grow(index, shard, more) == MS_INDEX_GROWN)
        return MS_INDEX_GROWN;
    const bool fit = wish == MS_INDEX_TO_THE_LAST ? ms_index_has_slots(index, shard, more)
                                                  : keeps_free_slots(index, shard, more);
    return fit ? MS_INDEX_AS_IT_WAS : MS_INDEX_NO_ROOM;
}

/* ---- Less ---- */

/* Buckets for the entries that a shard has, or `least`, and an eighth more. */
static uint64_t buckets_needed(const struct ms_index *index, uint32_t shard, uint64_t least)
{
    const uint64_t there = ms_index_entries(index, shard);
    const uint64_t entries = there > least ? there : least;

    return buckets_for(index, entries + entries / 8, 0);
}

static bool is_oversized(const struct ms_index *index, uint32_t shard, uint64_t table,
                         uint64_t least)
{
    return ms_table_buckets(table) > 2 * buckets_needed(index, shard, least);
}

bool ms_index_is_oversized(const struct ms_index *index, uint32_t shard, uint64_t least)
{
    return is_oversized(index, shard, table_of(index, shard), least);
}

bool ms_index_shrink(struct ms_index *index, uint32_t shard, uint64_t least, bool to_the_last)
{
    if (!ms_index_is_oversized(index, shard, least))
        return false;
    if (is_oversized(index, shard, next_of(index, shard), least))
        give_up(index, shard);
    if (next_of(index, shard) == 0 &&
        !begin(index, shard, buckets_needed(index, shard, least), to_the_last))
        return false;
    move(index, shard, IN_A_LOCK);
    return true;
}

void ms_index_begin_peaks(struct ms_index *index)
{
    for (uint32_t shard = 0; shard < index->shard_count; shard++)
        ms_store_relaxed(&index->shards[shard].peak, 0);
}

uint32_t ms_index_peak(const struct ms_index *index, uint32_t shard)
{
    const uint32_t now = ms_index_entries(index, shard);
    const uint32_t peak = ms_load_relaxed(&index->shards[shard].peak);

    return peak > now ? peak : now;
}

void ms_index_drop_table(struct ms_index *index, uint32_t shard, ms_index_visit fn, void *context)
{
    give_up(index, shard);
    const uint64_t table = publish_table(index, shard, 0);
    const struct ms_bucket *buckets = ms_table_at(index, table);

    ms_store_relaxed(&index->shards[shard].entries, 0);
    for (uint32_t i = 0; fn != NULL && i < ms_table_buckets(table); i++)
        ms_table_visit(&buckets[i], fn, context);
    retire_table(index, table);
}
