/* SPDX-License-Identifier: Apache-2.0 */
/* Finding an entry by its key: the path that everything else is measured by, so all of it is
 * inlined. */
#ifndef MS_STORE_LOOKUP_H
#define MS_STORE_LOOKUP_H

#include "store/maintenance.h"
#include "store/record.h"
#include "store/store.h"

/* An entry that was found, in a read section or under its shard's lock. */
struct ms_found {
    ms_place place;
    struct ms_segment *segment;
    struct ms_entry *entry;
    struct ms_entry_parts parts;
};

struct ms_lookup {
    const memstore *store;
    const char *key;
    size_t key_size;
};

/* Keys are short: eight bytes at a time, the last eight overlapping, beats a call. */
MS_ALWAYS_INLINE bool ms_key_equal(const char *a, const char *b, size_t size)
{
    uint64_t x, y;

    if (ms_unlikely(size < 8)) {
        for (size_t i = 0; i < size; i++) {
            if (a[i] != b[i])
                return false;
        }
        return true;
    }
    for (size_t i = 0; i + 8 < size; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + size - 8, 8);
    memcpy(&y, b + size - 8, 8);
    return x == y;
}

/* The cases that are rare: records of batches, long entries, and tags that agree by chance. */
bool ms_lookup_match_rare(const struct ms_lookup *lookup, uint32_t *place);

MS_ALWAYS_INLINE bool ms_lookup_match(void *context, uint32_t *place)
{
    const struct ms_lookup *lookup = context;
    const struct ms_entry *entry = ms_arena_entry(&lookup->store->arena, *place);

    ms_testing_reach(MS_POINT_READ_FOUND);
    if (ms_likely(entry->key_size == lookup->key_size))
        return ms_key_equal((const char *)entry + lookup->store->short_head, lookup->key,
                            lookup->key_size);
    return ms_lookup_match_rare(lookup, place);
}

/* Find an entry from the home bucket on, whatever it takes. */
ms_place ms_lookup_walk(const struct ms_lookup *lookup, struct ms_probe probe, uint64_t hash);

/* Where an entry nearly always is: the first tag of its home bucket that agrees, or MS_PLACE_NONE. The
 * table has buckets. */
MS_ALWAYS_INLINE ms_place ms_lookup_candidate(const struct ms_probe *probe, uint64_t hash)
{
    const struct ms_bucket *bucket = &probe->buckets[probe->at];
    const unsigned candidates = ms_bucket_candidates(bucket, ms_index_tag(hash));

    return ms_likely(candidates != 0) ? ms_bucket_first_place(bucket, candidates) : MS_PLACE_NONE;
}

/* Find an entry there; else search on. */
MS_ALWAYS_INLINE ms_place ms_lookup_place(const struct ms_lookup *lookup, struct ms_probe probe,
                                          uint64_t hash)
{
    if (ms_unlikely(probe.count == 0))
        return MS_PLACE_NONE;

    ms_place place = ms_lookup_candidate(&probe, hash);
    if (ms_likely(place != MS_PLACE_NONE)) {
        /* Most entries reach into a second line. */
        ms_prefetch((const char *)ms_arena_entry(&lookup->store->arena, place) + MS_CACHE_LINE);
        if (ms_likely(ms_lookup_match((void *)lookup, &place)))
            return place;
    }
    return ms_lookup_walk(lookup, probe, hash);
}

/* The place that a lookup of this hash nearly always finds, by the tag alone, or MS_PLACE_NONE. In a read
 * section. */
MS_ALWAYS_INLINE ms_place ms_lookup_likely(const memstore *store, uint64_t hash)
{
    const struct ms_probe probe = ms_index_probe(&store->index, hash);

    return ms_likely(probe.count != 0) ? ms_lookup_candidate(&probe, hash) : MS_PLACE_NONE;
}

/* Start loading the entry there, with its bucket there already. In a read section. */
static inline void ms_lookup_prefetch(const memstore *store, uint64_t hash)
{
    ms_prefetch_write(ms_arena_entry(&store->arena, ms_lookup_likely(store, hash)));
}

/* What there is at a place that a lookup gave. */
MS_ALWAYS_INLINE void ms_found_at(const memstore *store, ms_place place, struct ms_found *out)
{
    out->place = place;
    out->segment = ms_arena_segment_of(&store->arena, place);
    out->entry = (struct ms_entry *)ms_arena_entry(&store->arena, place);
    out->parts = ms_entry_parts(out->entry, store->kept);
}

/* Find an entry, expired or not. In a read section. */
MS_ALWAYS_INLINE bool ms_lookup_find(memstore *store, const void *key, size_t key_size,
                                     uint64_t hash, struct ms_found *out)
{
    struct ms_lookup lookup = {.store = store, .key = key, .key_size = key_size};
    const ms_place place = ms_lookup_place(&lookup, ms_index_probe(&store->index, hash), hash);

    if (place == MS_PLACE_NONE)
        return false;
    ms_found_at(store, place, out);
    return true;
}

/* Find an entry's slot, expired or not. With the shard's lock held. */
bool ms_lookup_find_slot(memstore *store, const void *key, size_t key_size, uint64_t hash,
                         struct ms_index_slot *slot, struct ms_found *out);

static inline int64_t ms_found_expiry(const struct ms_found *found)
{
    return ms_entry_expiry(found->entry, found->segment->time_base);
}

/* What reads renew the entry's expiry by; 0 = they do not. */
static inline int64_t ms_found_ttl(const memstore *store, const struct ms_found *found)
{
    return (store->kept & MS_KEPT_TTL) != 0 ? ms_entry_ttl(found->entry, store->kept) : 0;
}

/* Whether an expiry has passed. The coarse clock decides, unless it is too close to tell. */
MS_ALWAYS_INLINE bool ms_has_expired(int64_t expiry)
{
    if (ms_likely(expiry == MS_NEVER) || ms_testing_has_fault(MS_FAULT_EXPIRED_SERVED))
        return false;

    const int64_t coarse = ms_clock_coarse_ms();
    if (expiry <= coarse)
        return true;
    return ms_unlikely(expiry <= coarse + MS_CLOCK_COARSE_LAG_MS) && expiry <= ms_clock_exact_ms();
}

/* Whether the entry at a place has expired. That it never does is the case to be fast in. */
bool ms_lookup_has_expired(const memstore *store, ms_place place);
MS_ALWAYS_INLINE bool ms_lookup_is_live(const memstore *store, ms_place place,
                                        const struct ms_entry *entry)
{
    return ms_likely(ms_load_relaxed(&entry->expiry) == MS_EXPIRY_NEVER) ||
           !ms_lookup_has_expired(store, place);
}

/* An entry was found and then seen to have expired. Meanwhile its key may have been written
 * anew, and before it expired, so that there was no moment without a live entry: whether there
 * is one now. *place is then the place of that one. */
bool ms_lookup_renewed(const memstore *store, const void *key, size_t key_size, ms_place *place);

/* Find a live entry. In a read section. */
MS_ALWAYS_INLINE bool ms_lookup_live(memstore *store, const void *key, size_t key_size,
                                     uint64_t hash, struct ms_found *out)
{
    if (!ms_lookup_find(store, key, key_size, hash, out))
        return false;
    if (ms_likely(!ms_has_expired(ms_found_expiry(out))))
        return true;
    if (!ms_lookup_renewed(store, key, key_size, &out->place))
        return false;
    ms_found_at(store, out->place, out);
    return true;
}

/* The version of an entry: the one it brought with it when it was moved, or its place. */
static inline uint64_t ms_found_version(const memstore *store, const struct ms_found *found)
{
    if (ms_unlikely(ms_entry_is_long(found->entry))) {
        const uint64_t kept = ms_u64_of_halves(ms_entry_long_form(found->entry)->version);
        if (kept != 0)
            return kept;
    }
    return ms_arena_version(&store->arena, found->place, found->segment);
}

/* What tells this entry from every other that ever was: unlike the version it changes when the
 * entry is moved. */
static inline uint64_t ms_found_instance(const memstore *store, const struct ms_found *found)
{
    return ms_arena_version(&store->arena, found->place, found->segment);
}

/* From now on the entry's version is known to somebody and is kept when the entry is moved. With the shard's
 * lock held. */
static inline void ms_found_mark_versioned(const struct ms_found *found)
{
    const unsigned mark = ms_load_relaxed(&found->entry->mark);

    if ((mark & MS_MARK_VERSIONED) == 0)
        ms_or_relaxed(&found->entry->mark, MS_MARK_VERSIONED);
}

/* ---- Telling a version without the lock ----
 *
 * VE-1  VERSIONED is set in an entry that is not dead, and stands as long as a slot leads to it.
 * VE-2  An entry that is moved without its version is first made dead, by a compare-and-swap from a mark
 *       without VERSIONED. So either was told and moves along, or nobody is told it any more.
 * VE-3  From before that until the slot leads to the copy, `moving` says where this is. Who comes too late for
 *       the version of the entry is told that of the copy, or looks the key up again: nobody waits. */

/* The same without the lock, in a read section. False when it is too late: the entry was moved or removed, or
 * is about to be. */
static inline bool ms_entry_keep_version(struct ms_entry *entry)
{
    /* ORDER: acquire: who finds it dead finds what was done before, the copy or a changed slot. */
    unsigned char mark = ms_load_acquire(&entry->mark);

    while ((mark & MS_MARK_VERSIONED) == 0) {
        if ((mark & MS_MARK_DEAD) != 0)
            return false;
        /* ORDER: release, as in ms_entry_note_use(). */
        if (ms_cas_acq_rel(&entry->mark, &mark, (unsigned char)(mark | MS_MARK_VERSIONED)))
            return true;
    }
    return true;
}

/* The version of what was found without the lock, for a view to tell. In the read section of the lookup. False
 * when the key is to be looked up again. */
bool ms_version_tell(const memstore *store, const struct ms_found *found, uint64_t *version);

/* ---- What becomes of an entry ---- */

/* Whether an entry was surely never read: its use bits say so, unless the policy may have had it in
 * hand since it was written, which takes from them. */
static inline bool ms_store_is_unread(const memstore *store, const struct ms_found *found)
{
    return store->touch == MS_TOUCH_COUNT &&
           (ms_load_relaxed(&found->entry->mark) & MS_MARK_ACCESS) == 0 &&
           (ms_load_relaxed(&found->segment->queue) == MS_QUEUE_NEW ||
            ms_load_relaxed(&store->eviction.ghost.table) == NULL);
}

/* An entry is not referred to any more (ST-2). In a read section, because as soon as it is
 * counted dead somebody else may retire its segment, and a large entry's segment ends with its
 * record. */
static inline void ms_store_entry_died(memstore *store, const struct ms_found *found)
{
    const ms_reader reader = ms_section_begin();

    /* ORDER: release, pairs with the acquire in ms_entry_keep_version(): who finds it dead finds the slot
     * changed. */
    ms_store_release(&found->entry->mark,
                     (unsigned char)(ms_load_relaxed(&found->entry->mark) | MS_MARK_DEAD));
    if (ms_arena_entry_died(&store->arena, found->segment,
                            ms_arena_padded(&store->arena, found->parts.size)) &&
        ms_arena_retire(&store->arena, found->segment))
        ms_maintenance_wake(store);
    ms_section_end(reader);
}

#endif
