/* SPDX-License-Identifier: Apache-2.0 */
/* The index: from a key's hash to the place of its entry, in shards.
 *
 *     hash   63..48            47..32      31..0
 *            shard             tag         home bucket = low half * buckets >> 32
 *
 *     tables: one word a shard, read by everybody: [ table offset >> shift : 32 | buckets : 32 ]
 *     shards: one line a shard, for writers: lock, counts, batch sequence
 *     table:  buckets in a row, see table.h
 *
 * A shard is a writers' lock, not a pool of memory. Readers load the table's word, then one bucket,
 * then the entry, and lock nothing. Writers hold the shard's lock and publish with release
 * stores.
 *
 * A shard without a table has the word 0, which stands for the 64 bytes at the base: an empty bucket
 * that the owner keeps zeroed.
 *
 * IX-3  A table is replaced, never changed in size: the new one is filled under the lock and
 *       published in one store; the old one is frozen from then on and freed after a grace
 *       period. A reader in the old one reads the past, as of its start.
 * IX-4  At most MS_INDEX_MAX_LOAD of a table's slots are in use, unless it could not grow or is
 *       just being replaced.
 * IX-5  A large table is replaced in steps, a few buckets with each entry that is added, so that no
 *       writer waits for all of it: `next` holds the entries in the first `moved` buckets of the shard's
 *       table and no others, as what changes one of them changes both. Readers know nothing of it.
 *
 * The index sees hashes and places, never the bytes of entries: keys are compared and hashes
 * computed by the caller's functions, inlined. */
#ifndef MS_INDEX_INDEX_H
#define MS_INDEX_INDEX_H

#include "index/table.h"
#include "platform/thread.h"

#define MS_INDEX_MAX_LOAD_NUM 9
#define MS_INDEX_MAX_LOAD_DEN 10

struct ms_shard {
    ms_mutex lock;
    atomic_uint_least32_t entries; /* in the table; shard lock to write */
    /* odd while a batch is being published here. Shard lock to write */
    atomic_uint_least32_t batch_sequence;
    /* Buckets of the table whose entries are in `next`, too. Shard lock */
    uint32_t moved;
    /* No fewer entries were there at some time since ms_index_begin_peaks(); those that are there count
     * besides. Shard lock to write, but by that */
    atomic_uint_least32_t peak;
    /* So many more are about to be added together, for which the table has grown; a hint, by anybody */
    atomic_uint_least32_t expected;
    /* The word of the table that is to take the place of the shard's; 0 = none. Shard lock */
    uint64_t next;
} MS_ALIGNED(MS_CACHE_LINE);

/* What the index asks of its owner. */
struct ms_index_owner {
    /* Zeroed table memory at a multiple of 64 from the index' base, or of a larger granule, at *offset;
     * false when there is no room. With `wins` it takes the place of more, for which the last there is may be
     * had. */
    bool (*alloc_table)(void *context, size_t bytes, bool wins, uint64_t *offset);
    /* Free a table after a grace period. Never fails: what that needs was set aside by
     * alloc_table. */
    void (*retire_table)(void *context, uint64_t offset, size_t bytes);
    /* The address of an entry, to be prefetched, and its hash. */
    const void *(*address)(void *context, uint32_t place);
    uint64_t (*hash)(void *context, uint32_t place);
    /* What tables' bytes are a multiple of where they are more, a power of two; smaller ones are powers of
     * two themselves. */
    size_t table_unit;
    void *context;
    /* The binary logarithm of the granule, of which no table is smaller: so many that 32 bits count them
     * lie in front of a table at most. Less than a bucket is as much as one. */
    unsigned granule_shift;
};

struct ms_index {
    /* By shard; 0 = no table yet. ORDER: release by growth, acquire by readers */
    atomic_uint_least64_t *tables;
    char *base;
    uint32_t shard_count; /* power of two up to 65536 */
    uint32_t table_shift; /* of offsets in the tables' words */
    struct ms_shard *shards;
    struct ms_index_owner owner;
    atomic_uint_least64_t table_bytes; /* those that are being filled included */
    uint32_t
        announced; /* entries of each shard that there are to be; the owner's, constant while in use */
    atomic_uint_least32_t replacing; /* shards whose tables are being replaced. Any thread */
    /* Some table may be oversized, even for those: it was when an entry was removed. Any thread */
    atomic_bool may_be_oversized;
};

/* Bytes of bookkeeping for this many shards. */
size_t ms_index_overhead(uint32_t shards);
/* `shards` is a power of two; `memory` is of as many bytes, zeroed, aligned to a cache line, begins with
 * the tables' words and stays the caller's; `base` is what table offsets are relative to. */
void ms_index_init(struct ms_index *index, uint32_t shards, void *memory, char *base,
                   const struct ms_index_owner *owner);

static inline uint32_t ms_index_shard_of(const struct ms_index *index, uint64_t hash)
{
    return (uint32_t)(hash >> 48) & (index->shard_count - 1);
}

static inline struct ms_bucket *ms_table_at(const struct ms_index *index, uint64_t table)
{
    return (struct ms_bucket *)(index->base + ms_table_offset(table, index->table_shift));
}

/* Where a lookup of a hash begins in a table. */
MS_ALWAYS_INLINE struct ms_probe ms_index_probe_in(const struct ms_index *index, uint64_t table,
                                                   uint64_t hash)
{
    return ms_table_probe(ms_table_at(index, table), table, hash);
}

static inline uint64_t ms_index_table(const struct ms_index *index, uint64_t hash)
{
    /* ORDER: acquire, pairs with the release in publish_table: the table is filled. */
    return ms_load_acquire(&index->tables[ms_index_shard_of(index, hash)]);
}

static inline uint32_t ms_index_entries(const struct ms_index *index, uint32_t shard)
{
    return ms_load_relaxed(&index->shards[shard].entries);
}

/* Those that are there, and that are about to be. */
static inline uint64_t ms_index_entries_to_be(const struct ms_index *index, uint32_t shard)
{
    return (uint64_t)ms_index_entries(index, shard) +
           ms_load_relaxed(&index->shards[shard].expected);
}

/* Of all shards. */
static inline uint64_t ms_index_count(const struct ms_index *index)
{
    uint64_t entries = 0;

    for (uint32_t shard = 0; shard < index->shard_count; shard++)
        entries += ms_index_entries(index, shard);
    return entries;
}

/* Start loading the bucket that a lookup of this hash begins with, to be changed. */
static inline void ms_index_prefetch(const struct ms_index *index, uint64_t hash)
{
    const uint64_t table = ms_index_table(index, hash);

    if (ms_likely(table != 0))
        ms_prefetch_write(ms_table_at(index, table) + ms_table_home(table, hash));
}

/* The same in the table of its shard. */
MS_ALWAYS_INLINE struct ms_probe ms_index_probe(const struct ms_index *index, uint64_t hash)
{
    return ms_index_probe_in(index, ms_index_table(index, hash), hash);
}

/* ---- For writers: the shard's lock is held ---- */

/* The slot whose entry matches. False when there is none. `match` is inlined. */
MS_ALWAYS_INLINE bool ms_index_find_slot(struct ms_index *index, uint64_t hash,
                                         ms_index_match match, void *context,
                                         struct ms_index_slot *out)
{
    return ms_table_find_slot(ms_index_probe(index, hash), hash, match, context, out);
}

/* The slot that holds exactly this place. */
bool ms_index_find_place(struct ms_index *index, uint64_t hash, uint32_t place,
                         struct ms_index_slot *out);
/* Put an entry into a free slot; ms_index_has_room() or ms_index_has_slots() was true, or the table has
 * grown. */
void ms_index_insert(struct ms_index *index, uint64_t hash, uint32_t place,
                     struct ms_index_slot *out);
/* Let the slot of this hash refer to another entry of the same key. */
static inline void ms_index_set(struct ms_index *index, uint64_t hash,
                                const struct ms_index_slot *slot, uint32_t place);
/* Empty a slot. */
void ms_index_remove(struct ms_index *index, uint64_t hash, const struct ms_index_slot *slot);

/* ---- Growth, in growth.c: the shard's lock is held ---- */

enum ms_index_growth { MS_INDEX_AS_IT_WAS, MS_INDEX_GROWN, MS_INDEX_NO_ROOM };

/* Whether `more` entries can be inserted without growing, or going on to. */
bool ms_index_has_room(const struct ms_index *index, uint32_t shard, uint32_t more);
/* Whether that many slots are free at all: for when the table should grow and cannot. */
bool ms_index_has_slots(const struct ms_index *index, uint32_t shard, uint32_t more);
/* Make room for `more` entries beyond those in the shard: there are slots for as many now, and those of
 * a larger table soon, which may be a step nearer. Slots found before may be of the old table.
 * MS_INDEX_NO_ROOM when there is no memory for a larger table; the shard is as before. */
enum ms_index_growth ms_index_grow(struct ms_index *index, uint32_t shard, uint32_t more);
/* Take some steps towards the table that is to take the place of the shard's. False when there
 * is none. */
bool ms_index_go_on(struct ms_index *index, uint32_t shard);
/* What a table for `more` entries beyond those in the shard takes. */
uint64_t ms_index_bytes_to_grow(const struct ms_index *index, uint32_t shard, uint32_t more);

enum ms_index_wish {
    MS_INDEX_ROOMY,      /* a table keeps some slots free */
    MS_INDEX_LARGER,     /* the same, and it grows in any case: room was made for that */
    MS_INDEX_TO_THE_LAST /* each slot serves */
};

/* See that `more` entries can be inserted, by growth where there is memory for that. Where there is none a
 * table of any size that matters keeps some slots free, without which a search for what is not there goes
 * through hundreds of buckets, unless the wish is another. */
enum ms_index_growth ms_index_ensure(struct ms_index *index, uint32_t shard, uint32_t more,
                                     enum ms_index_wish wish);
/* Whether a shard's table is more than twice as large as its entries need, or `least` if those are more. Any
 * thread. */
bool ms_index_is_oversized(const struct ms_index *index, uint32_t shard, uint64_t least);
/* Begin to replace such a table by one that has a little room, or take some steps; `to_the_last` with what memory
 * there is. False when there is nothing to win any more, or no memory for both; the shard is as before then. */
bool ms_index_shrink(struct ms_index *index, uint32_t shard, uint64_t least, bool to_the_last);
/* The most entries that were in a shard since then. Any thread; what is removed at that moment may count in
 * neither. */
void ms_index_begin_peaks(struct ms_index *index);
uint32_t ms_index_peak(const struct ms_index *index, uint32_t shard);

/* ---- For scans ---- */

/* Visit the places in the buckets that entries with home hashes (low halves) in [from, to] may
 * be in. In a read section or with the shard's lock held. The caller tells by each entry's hash
 * whether it lies in the interval. `fn` returns false to stop. */
bool ms_index_scan(const struct ms_index *index, uint32_t shard, uint32_t from, uint32_t to,
                   ms_index_visit fn, void *context);

/* ---- Dropping ---- */

/* Forget all entries of a shard and its table. `fn` is shown each entry once readers that begin
 * now do not find it any more, and not before: what it counts as dead may be freed by others a
 * grace period later, while the lock is still held. What it returns is not looked at; NULL when
 * nobody is to be shown them. */
void ms_index_drop_table(struct ms_index *index, uint32_t shard, ms_index_visit fn, void *context);

/* ---- Inline ---- */

/* Whether what is in a slot of the shard's table is in the one that is to take its place, too. */
static inline bool ms_index_is_moved(const struct ms_index *index, uint32_t shard,
                                     const struct ms_index_slot *slot)
{
    const struct ms_shard *of = &index->shards[shard];

    return ms_unlikely(of->next != 0) &&
           slot->bucket < ms_table_at(index, ms_load_relaxed(&index->tables[shard])) + of->moved;
}

void ms_index_set_moved(struct ms_index *index, uint64_t hash, uint32_t before, uint32_t place);

static inline void ms_index_set(struct ms_index *index, uint64_t hash,
                                const struct ms_index_slot *slot, uint32_t place)
{
    if (ms_index_is_moved(index, ms_index_shard_of(index, hash), slot))
        ms_index_set_moved(index, hash, ms_slot_place(slot), place);
    ms_slot_set(slot, place);
}

#endif
