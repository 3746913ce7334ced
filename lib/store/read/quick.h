/* SPDX-License-Identifier: Apache-2.0 */
/* The case that nearly all reads are: an entry in the short form, in its home bucket, where the
 * first tag that agrees is its own.
 *
 * Consecutive reads overlap their cache misses only as far as the processor's queues reach, so what
 * is counted here is loads and instructions (docs/design/performance.md): what a read needs of the
 * store is in one word, `hot`, or at a constant distance from it; nothing calls a function and comes
 * back; what is not this case is left to the whole way, which starts again.
 *
 * Two kinds of stores: `usual` ones, where the details are constants of the code, and the others. */
#ifndef MS_STORE_READ_QUICK_H
#define MS_STORE_READ_QUICK_H

#include "store/hot.h"
#include "store/lookup.h"

#include "segment/pins.h"

#include "store/read/view.h"
#include "util/quick_key.h"

/* The word is read in the section: its flags are cleared by close, which waits for sections.
 * ORDER: acquire, pairs with the release by close. */
MS_ALWAYS_INLINE uint64_t ms_quick_hot(const memstore *store)
{
    return ms_load_acquire(&store->hot);
}

MS_ALWAYS_INLINE const char *ms_quick_base(uint64_t hot)
{
    return (const char *)(uintptr_t)(hot & ~(uint64_t)MS_HOT_MASK);
}

/* Whether a read is the usual case but for being measured, or its key followed. */
MS_ALWAYS_INLINE bool ms_is_quick_measured(uint64_t hot, size_t key_size)
{
    return (hot & MS_HOT_MEASURED_USUAL) != 0 && ms_is_quick_size(key_size);
}

_Static_assert(sizeof(struct ms_counter_stripe) == MS_READER_PART, "a stripe is a reader's part");

/* The stripe of the thread, in a store with a stripe for each thread that is prepared to read. CO-2. */
MS_ALWAYS_INLINE struct ms_counter_stripe *ms_quick_stripe(memstore *store, ms_reader reader)
{
    return ms_reader_part(reader, store);
}

MS_ALWAYS_INLINE const struct ms_bucket *ms_quick_bucket(const memstore *store, uint64_t hot,
                                                         uint64_t hash, bool usual)
{
    const atomic_uint_least64_t *tables = (const atomic_uint_least64_t *)(store + 1);
    /* ORDER: acquire, as in ms_index_table. */
    const uint64_t table = ms_load_acquire(&tables[hash >> 48 & (hot & MS_HOT_SHARDS)]);

    /* Where granules are small, tables lie near. */
    const unsigned shift = usual ? MS_TABLE_SHIFT_MIN : store->index.table_shift;

    return (const struct ms_bucket *)(ms_quick_base(hot) + ms_table_offset(table, shift)) +
           ms_table_home(table, hash);
}

/* The head of an entry, all of it as of one load: its fields change one by one, so any mixture of old
 * and new is one that was there or could have been. */
MS_ALWAYS_INLINE uint64_t ms_quick_head(const struct ms_entry *entry)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    return ms_load_relaxed(&entry->expiry) | (uint64_t)ms_load_relaxed(&entry->mark) << 32 |
           (uint64_t)entry->key_size << 40 | (uint64_t)entry->value_size << 48;
#else
    typedef const volatile uint64_t __attribute__((aligned(4), may_alias)) head_word;

    return *(head_word *)entry;
#endif
}

MS_ALWAYS_INLINE bool ms_quick_never_expires(uint64_t head)
{
    return ms_likely((uint32_t)head == MS_EXPIRY_NEVER);
}

MS_ALWAYS_INLINE size_t ms_quick_value_size(uint64_t head)
{
    return head >> 48;
}

/* When an entry expires that does, or 0 where that takes more than its head and its segment to tell. */
MS_ALWAYS_INLINE int64_t ms_quick_expiry(const memstore *store, const struct ms_entry *entry,
                                         uint64_t head)
{
    const uint32_t stored = (uint32_t)head;

    if (ms_unlikely(stored >= MS_EXPIRY_COARSE) ||
        ms_unlikely(ms_quick_value_size(head) > MS_QUICK_SHARED))
        return 0;
    return ms_arena_shared_segment_of(&store->arena, entry)->time_base + stored;
}

/* Whether an expiry is not reached yet, however far the coarse clock is behind. */
MS_ALWAYS_INLINE bool ms_quick_lasts(int64_t expiry, int64_t coarse_now)
{
    return ms_likely(expiry > coarse_now + MS_CLOCK_COARSE_LAG_MS);
}

/* The first entry in the bucket whose tag agrees, or NULL. Place 0 leads to zeroes, which are no
 * entry. */
MS_ALWAYS_INLINE struct ms_entry *ms_quick_candidate_in(const memstore *store, uint64_t hot,
                                                        const struct ms_bucket *bucket,
                                                        uint64_t hash)
{
    const unsigned candidates = ms_bucket_candidates(bucket, ms_index_tag(hash));

    if (ms_unlikely(candidates == 0))
        return NULL;
    const size_t place = ms_bucket_first_place(bucket, candidates);

    ms_testing_reach(MS_POINT_READ_FOUND);
    struct ms_entry *const entry =
        (struct ms_entry *)(ms_quick_base(hot) + (place << store->granule_shift));
    ms_assume(entry != NULL);
    return entry;
}

MS_ALWAYS_INLINE struct ms_entry *ms_quick_candidate(const memstore *store, uint64_t hot,
                                                     uint64_t hash, bool usual)
{
    return ms_quick_candidate_in(store, hot, ms_quick_bucket(store, hot, hash, usual), hash);
}

/* Bytes of a short entry before its key. */
MS_ALWAYS_INLINE size_t ms_quick_head_size(const memstore *store, bool usual)
{
    return usual ? sizeof(struct ms_entry) : store->short_head;
}

struct ms_quick_found {
    struct ms_entry *entry; /* NULL = not there, or not this case */
    uint64_t head;
};

/* Find a key of a quick size in a usual store, by its hash. */
MS_ALWAYS_INLINE struct ms_quick_found
ms_quick_find_hashed(const memstore *store, uint64_t hot, struct ms_quick_key quick, uint64_t hash)
{
    struct ms_entry *entry = ms_quick_candidate(store, hot, hash, true);
    struct ms_quick_found found = {NULL, 0};

    if (ms_unlikely(entry == NULL))
        return found;
    found.head = ms_quick_head(entry);
    if (ms_likely((uint8_t)(found.head >> 40) == (uint8_t)quick.size) &&
        ms_likely(ms_quick_key_is(quick, (const char *)(entry + 1))))
        found.entry = entry;
    return found;
}

MS_ALWAYS_INLINE struct ms_quick_found ms_quick_find_usual(const memstore *store, uint64_t hot,
                                                           const void *key, size_t key_size)
{
    const struct ms_quick_key quick = ms_quick_key(key, key_size);

    return ms_quick_find_hashed(store, hot, quick, ms_quick_key_hash(&store->hasher, quick));
}

/* Whether an entry with this head is that of a key, in any store. */
MS_ALWAYS_INLINE bool ms_quick_is_of(const memstore *store, const struct ms_entry *entry,
                                     uint64_t head, const void *key, size_t key_size)
{
    return ms_likely((head >> 40 & 0xff) == key_size) &&
           ms_likely(ms_key_equal((const char *)entry + store->short_head, key, key_size));
}

/* Find any key in any store, by its hash. */
MS_ALWAYS_INLINE struct ms_quick_found ms_quick_find_any_hashed(const memstore *store, uint64_t hot,
                                                                uint64_t hash, const void *key,
                                                                size_t key_size)
{
    struct ms_entry *entry = ms_quick_candidate(store, hot, hash, false);
    struct ms_quick_found found = {NULL, 0};

    if (ms_unlikely(entry == NULL))
        return found;
    found.head = ms_quick_head(entry);
    if (ms_quick_is_of(store, entry, found.head, key, key_size))
        found.entry = entry;
    return found;
}

MS_ALWAYS_INLINE struct ms_quick_found ms_quick_find_any(const memstore *store, uint64_t hot,
                                                         const void *key, size_t key_size)
{
    return ms_quick_find_any_hashed(store, hot, ms_store_hash(store, key, key_size), key, key_size);
}

/* Note the use of an entry in a usual store, whose policy counts. */
MS_ALWAYS_INLINE void ms_quick_touch_usual(struct ms_entry *entry, uint64_t head)
{
    const unsigned mark = head >> 32 & 0xff;

    if (ms_unlikely((mark & MS_MARK_ACCESS) < MS_ACCESS_COUNT_MAX))
        ms_entry_note_use(entry, mark, mark + 1);
}

/* ---- Views ---- */

/* Note a use, and that somebody is told the version: whether ms_entry_keep_version() does that. */
MS_ALWAYS_INLINE bool ms_quick_touch_viewed(struct ms_quick_found found)
{
    unsigned char mark = found.head >> 32 & 0xff;

    ms_quick_touch_usual(found.entry, found.head);
    return (mark & MS_MARK_VERSIONED) != 0 || ms_entry_keep_version(found.entry);
}

/* Hold an entry of a usual store in place for a view and note that; the version is its own. In a read section, which is what keeps the segment from being reused until the pin counts. */
MS_ALWAYS_INLINE void *ms_quick_pin(memstore *store, uint64_t hot, ms_reader reader,
                                    struct ms_entry *entry, uint64_t *version)
{
    const size_t offset = (size_t)((const char *)entry - ms_quick_base(hot));
    struct ms_segment *const segment = ms_arena_segment_at(&store->arena, offset);
    struct ms_pin_row *const row = ms_quick_stripe(store, reader)->pins;
    void *const pin = ms_likely(row != NULL) && ms_likely(offset < store->arena.pages_offset)
                          ? ms_pin_take(row, offset >> store->arena.segment_shift)
                          : ms_store_pin(store, segment);

    ms_quick_touch_usual(entry, ms_quick_head(entry));
    *version = ms_segment_version(segment, entry, store->granule_shift);
    return pin;
}

/* Whether the use of a view has nothing to note in the entry any more: of its mark, the count and the bit
 * above it. */
MS_ALWAYS_INLINE bool ms_quick_is_noted(uint64_t head)
{
    _Static_assert(MS_MARK_VERSIONED == MS_MARK_ACCESS + 1, "they are compared at once");
    return (head >> 32 & (MS_MARK_VERSIONED | MS_MARK_ACCESS)) >=
           (MS_MARK_VERSIONED | MS_ACCESS_COUNT_MAX);
}

/* The same as ms_quick_pin() for a view that is the only one that its thread has, as most are: its entry
 * is held in the first place of the thread's row. NULL when it cannot be. */
MS_ALWAYS_INLINE void *ms_quick_hold(memstore *store, uint64_t hot, ms_reader reader,
                                     struct ms_quick_found found, uint64_t *version)
{
    const struct ms_arena *const arena = &store->arena;
    const size_t offset = (size_t)((const char *)found.entry - ms_quick_base(hot));
    struct ms_pin_row *const row = ms_quick_stripe(store, reader)->pins;

    if (ms_unlikely(row == NULL) || ms_unlikely(offset >= arena->pages_offset) ||
        ms_unlikely(!ms_pin_has_place(row)))
        return NULL;
    *version = ms_segment_version(&arena->segments[offset >> arena->segment_shift], found.entry,
                                  store->granule_shift);
    return ms_pin_hold(row, found.entry);
}

#endif
