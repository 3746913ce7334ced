/* SPDX-License-Identifier: Apache-2.0 */
/* What a slot refers to while a batch publishes: a record, which stands for the entry before or
 * the entry after, by the batch's commit word. One release store of that word switches all slots
 * of the batch at once, for single reads too.
 *
 * RE-1  A record is written before a slot refers to it; the word changes once, from 0 to 1.
 * RE-2  Records live in segments of their own and are retired like entries: a reader may be in
 *       one for a grace period. */
#ifndef MS_STORE_RECORD_H
#define MS_STORE_RECORD_H

#include "segment/arena.h"

struct ms_record {
    struct ms_entry head; /* key_size 0, value_size MS_ENTRY_RECORD */
    ms_place before;      /* the entry until the commit; 0 = none */
    ms_place after;       /* the entry from then on; 0 = none */
    ms_place word;        /* where the commit word is */
};

/* Records begin at multiples of the granule like entries, so that places lead to them: bytes before the
 * first one of a chunk, and from one to the next. */
static inline size_t ms_record_head_size(const struct ms_arena *arena)
{
    return ms_arena_padded(arena, sizeof(struct ms_entry));
}

static inline size_t ms_record_size(const struct ms_arena *arena)
{
    return ms_arena_padded(arena, sizeof(struct ms_record));
}

static inline bool ms_entry_is_record(const struct ms_entry *entry)
{
    /* Not key_size as well: the compiler would read both at once, and the mark with them. */
    return entry->value_size == MS_ENTRY_RECORD;
}

/* The place that a record stands for now. */
static inline ms_place ms_record_resolve(const struct ms_arena *arena, const struct ms_entry *entry)
{
    const struct ms_record *record = (const struct ms_record *)entry;
    const atomic_uint_least32_t *word =
        (const atomic_uint_least32_t *)ms_arena_entry(arena, record->word);

    /* ORDER: acquire, pairs with the release that commits the batch: who sees one of its entries
     * sees them all. */
    return ms_load_acquire(word) != 0 ? record->after : record->before;
}

#endif
