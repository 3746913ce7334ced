/* SPDX-License-Identifier: Apache-2.0 */
/* A table of the index: buckets in a row. An entry that finds its home full goes to the next bucket
 * with room, around the end.
 *
 *     word: [ table offset >> shift : 32 | buckets : 32 ]
 *
 * The shift is that of the size of a bucket, or more where offsets would not fit.
 *
 * IX-1  An entry is in the first bucket, from its home on, that had room when it was inserted;
 *       every bucket it passed counts it in `overflow`. A search ends at a bucket with overflow
 *       0.
 * IX-2  Entries never change their slot within a table. So a reader that passes a slot before a
 *       key is removed from it and put into another has overlapped with a moment in which the
 *       key was absent. */
#ifndef MS_INDEX_TABLE_H
#define MS_INDEX_TABLE_H

#include "index/bucket.h"
#include "platform/testing.h"

#include <stdbool.h>
#include <stddef.h>

static inline uint16_t ms_index_tag(uint64_t hash)
{
    return (uint16_t)(hash >> 32);
}

static inline uint32_t ms_table_buckets(uint64_t table)
{
    return (uint32_t)table;
}

static inline uint32_t ms_table_home(uint64_t table, uint64_t hash)
{
    return (uint32_t)((hash & UINT32_MAX) * ms_table_buckets(table) >> 32);
}

#define MS_TABLE_SHIFT_MIN 6

static inline uint64_t ms_table_offset(uint64_t table, unsigned shift)
{
    return table >> 32 << shift;
}

/* Where a lookup of a hash begins. */
struct ms_probe {
    struct ms_bucket *buckets;
    uint32_t count; /* 0 = the shard has no table */
    uint32_t at;
};

MS_ALWAYS_INLINE struct ms_probe ms_table_probe(struct ms_bucket *buckets, uint64_t table,
                                                uint64_t hash)
{
    return (struct ms_probe){buckets, ms_table_buckets(table), ms_table_home(table, hash)};
}

MS_ALWAYS_INLINE void ms_probe_next(struct ms_probe *probe)
{
    probe->at = probe->at + 1 == probe->count ? 0 : probe->at + 1;
}

/* Whether the entry at a place is the one looked for. May replace *place by the one it stands
 * for. */
typedef bool (*ms_index_match)(void *context, uint32_t *place);

/* Find the place of an entry from its home bucket on; 0 when there is none. For readers: in a
 * read section, no lock. `match` is inlined. */
MS_ALWAYS_INLINE uint32_t ms_table_find(struct ms_probe probe, uint64_t hash, ms_index_match match,
                                        void *context)
{
    for (uint32_t left = probe.count; ms_likely(left != 0); left--) {
        const struct ms_bucket *bucket = &probe.buckets[probe.at];
        unsigned candidates = ms_bucket_candidates(bucket, ms_index_tag(hash));

        for (; candidates != 0; candidates &= candidates - 1) {
            uint32_t place = ms_bucket_first_place(bucket, candidates);
            if (ms_likely(place != 0) && ms_likely(match(context, &place)))
                return place;
        }
        /* ORDER: acquire, pairs with the release in ms_table_remove(): who misses a key because
         * nothing has passed here any more sees also what came before its removal. It is raised
         * before the place that passed here is released, see BK-2. */
        if (ms_likely(ms_load_acquire(&bucket->overflow) == 0))
            return 0;
        ms_probe_next(&probe);
    }
    return 0;
}

/* Visit the places in a bucket. `fn` returns false to stop; false when it did. */
typedef bool (*ms_index_visit)(void *context, uint32_t place);
bool ms_table_visit(const struct ms_bucket *bucket, ms_index_visit fn, void *context);

/* ---- For writers: the lock of the table's shard is held ---- */

/* A slot of a table: where it is, and what it holds. */
struct ms_index_slot {
    struct ms_bucket *bucket;
    unsigned number;
};

static inline uint32_t ms_slot_place(const struct ms_index_slot *slot)
{
    return ms_load_relaxed(&slot->bucket->places[slot->number]);
}

/* Let the slot refer to another entry of the same key. */
static inline void ms_slot_set(const struct ms_index_slot *slot, uint32_t place)
{
    /* ORDER: release, pairs with the acquire in ms_table_find(). */
    ms_store_release(&slot->bucket->places[slot->number], place);
}

/* The slot whose entry matches, from its home bucket on. False when there is none. `match` is inlined. */
MS_ALWAYS_INLINE bool ms_table_find_slot(struct ms_probe probe, uint64_t hash, ms_index_match match,
                                         void *context, struct ms_index_slot *out)
{
    for (uint32_t left = probe.count; ms_likely(left != 0); left--) {
        struct ms_bucket *bucket = &probe.buckets[probe.at];
        unsigned candidates = ms_bucket_candidates(bucket, ms_index_tag(hash));

        for (; candidates != 0; candidates &= candidates - 1) {
            *out = (struct ms_index_slot){bucket, (unsigned)__builtin_ctz(candidates)};
            uint32_t place = ms_slot_place(out);

            if (ms_likely(place != 0) && ms_likely(match(context, &place)))
                return true;
        }
        if (ms_likely(ms_load_relaxed(&bucket->overflow) == 0))
            return false;
        ms_probe_next(&probe);
    }
    return false;
}

/* The slot that holds exactly this place. */
bool ms_table_find_place(struct ms_probe probe, uint64_t hash, uint32_t place,
                         struct ms_index_slot *out);
/* Put an entry into the first free slot from its home on; there is one. */
void ms_table_insert(struct ms_probe probe, uint64_t hash, uint32_t place,
                     struct ms_index_slot *out);
/* Empty a slot that a search from this home came to. */
void ms_table_remove(struct ms_probe probe, const struct ms_index_slot *slot);

#endif
