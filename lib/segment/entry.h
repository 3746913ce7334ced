/* SPDX-License-Identifier: Apache-2.0 */
/* An entry as it lies in a segment.
 *
 * 0        4      5          6            8
 * +--------+------+----------+------------+- - - - - - -+- - - - - +- - - - -+-----+-------+- - -+
 * | expiry | mark | key_size | value_size | long 24 B   | created 8 | ttl 4   | key | value | pad |
 * +--------+------+----------+------------+- - - - - - -+- - - - - +- - - - -+-----+-------+- - -+
 *
 * EN-1  Everything but `expiry`, `mark` and `ttl` is written before the entry is published and
 *       never changes after.
 * EN-2  `key_size` 0 is not a short entry, and a comparison with the size of a key tells it from all
 *       that are: `value_size` says whether it is a long one (EN-3) or a record of a batch in
 *       publication (store/record.h).
 * EN-3  `value_size` MS_ENTRY_LONG: the long form follows, with the sizes, a version and a far
 *       expiry; else there is none.
 * EN-4  `created` is there in all entries of a store that keeps creation times, and in no entry
 *       of another; likewise `ttl` in a store in which reads renew expiries.
 * EN-5  Entries start at multiples of the store's granule (4 bytes below 4 GiB), so that 32 bits
 *       can address them.
 * EN-6  `expiry` changes under the shard's lock; in a store in which reads renew expiries readers
 *       change it, too, so there nobody stores it but by compare-and-swap, and only to another
 *       value. `ttl` changes under the shard's lock, before `expiry` does.
 *
 * Eight bytes are what remains when each field is as short as nearly all entries need: sizes up
 * to 255 and 65533 bytes, expiry relative to the segment. The rest pays with the long form. */
#ifndef MS_SEGMENT_ENTRY_H
#define MS_SEGMENT_ENTRY_H

#include "platform/atomic.h"
#include "platform/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Values of `expiry` that are not milliseconds since the segment's time base. */
#define MS_EXPIRY_NEVER UINT32_C(0xffffffff)
#define MS_EXPIRY_FAR UINT32_C(0xfffffffe) /* more than 46 days off: in the long form */
/* From here on the unit is 4096 ms: what was renewed in a segment that is old. 34 years. */
#define MS_EXPIRY_COARSE UINT32_C(0xf0000000)
#define MS_EXPIRY_COARSE_SHIFT 12
#define MS_EXPIRY_MAX (MS_EXPIRY_COARSE - 1)

/* An expiry that is never reached, where expiries are absolute. */
#define MS_NEVER INT64_MAX

/* `mark`: what changes about a published entry. Readers take no bit back that another sets at the same
 * time: VERSIONED stands until the entry is moved. Whoever kills the entry stores the mark without a
 * read-modify-write, so that a use may be lost, which is harmless (MS_MARK_PENDING is only set while no
 * reader can reach it). */
#define MS_MARK_ACCESS 0x1f    /* the eviction policy's: a use count or a stamp */
#define MS_MARK_VERSIONED 0x20 /* somebody was told the version: keep it when the entry is moved */
#define MS_MARK_PENDING 0x40   /* reserved, not published yet */
#define MS_MARK_DEAD 0x80      /* replaced or removed: spares reclaimers a look into the index */
/* Both at once: removed, and kept for when its load fails (store/space/stale.h). */
#define MS_MARK_STALE (MS_MARK_PENDING | MS_MARK_DEAD)

static inline bool ms_mark_is_pending(unsigned mark)
{
    return (mark & MS_MARK_STALE) == MS_MARK_PENDING;
}

static inline bool ms_mark_is_stale(unsigned mark)
{
    return (mark & MS_MARK_STALE) == MS_MARK_STALE;
}

#define MS_ENTRY_MAX_SHORT_VALUE 0xfffd
#define MS_ENTRY_MAX_SHORT_KEY 0xff

/* `value_size` when key_size is 0; no short entry has it. */
#define MS_ENTRY_LONG 0xffff
#define MS_ENTRY_RECORD 0xfffe

struct ms_entry {
    atomic_uint_least32_t expiry;
    atomic_uchar mark;
    uint8_t key_size;
    uint16_t value_size;
};

struct ms_entry_long {
    uint32_t key_size;
    uint32_t value_size;
    uint32_t version[2]; /* low, high; 0 = the place tells it */
    /* low, high; absolute monotonic milliseconds, when `expiry` is MS_EXPIRY_FAR */
    uint32_t far_expiry[2];
};

_Static_assert(sizeof(struct ms_entry) == 8, "an entry's head is 8 bytes");
_Static_assert(sizeof(struct ms_entry_long) == 24, "the long form adds 24 bytes");

/* The mark of a published entry, whose access bits are to be judged or handed on to a copy. */
static inline unsigned ms_entry_seen_mark(const struct ms_entry *entry)
{
    /* ORDER: acquire, pairs with the release in ms_entry_note_use(): whoever goes by a stamp knows since when
     * it is current, as who stored it did. */
    return ms_load_acquire(&entry->mark);
}

/* Note a use in a published entry: its mark was seen to be `seen` and becomes `mark`. When another has changed
 * it meanwhile the use is not noted; so there is one attempt. */
MS_ALWAYS_INLINE void ms_entry_note_use(struct ms_entry *entry, unsigned seen, unsigned mark)
{
    unsigned char expected = (unsigned char)seen;

    /* ORDER: release, pairs with the acquire in ms_entry_seen_mark(). */
    ms_cas_release(&entry->mark, &expected, (unsigned char)mark);
}

/* What the entries of an arena keep beside what all have, and the bytes that it takes of each. */
#define MS_KEPT_CREATED 8u
#define MS_KEPT_TTL 4u

/* What an entry is going to be, or was found to be. */
struct ms_entry_shape {
    uint32_t key_size;
    uint32_t value_size;
    uint64_t version; /* to be kept from elsewhere; 0 = the place tells it */
    int64_t expiry;   /* absolute monotonic milliseconds, or MS_NEVER */
    int64_t
        created; /* monotonic milliseconds, may be negative; written where these times are kept */
    int64_t ttl; /* what reads renew the expiry by, 0 = they do not; likewise */
};

/* Where the parts of an entry are. */
struct ms_entry_parts {
    const char *key;
    const char *value;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t size; /* from the head to the end of the value, without padding */
};

static inline uint64_t ms_u64_of_halves(const uint32_t half[2])
{
    return (uint64_t)half[1] << 32 | half[0];
}

static inline bool ms_entry_is_long(const struct ms_entry *entry)
{
    return entry->value_size == MS_ENTRY_LONG;
}

static inline const struct ms_entry_long *ms_entry_long_form(const struct ms_entry *entry)
{
    return (const struct ms_entry_long *)(entry + 1);
}

/* Bytes of an entry before its key. */
static inline uint32_t ms_entry_head_size(bool is_long, unsigned kept)
{
    return (uint32_t)(sizeof(struct ms_entry) + (is_long ? sizeof(struct ms_entry_long) : 0) +
                      kept);
}

MS_ALWAYS_INLINE struct ms_entry_parts ms_entry_parts(const struct ms_entry *entry, unsigned kept)
{
    struct ms_entry_parts parts;

    if (ms_likely(!ms_entry_is_long(entry))) {
        parts.key_size = entry->key_size;
        parts.value_size = entry->value_size;
        parts.key = (const char *)entry + ms_entry_head_size(false, kept);
    } else {
        parts.key_size = ms_entry_long_form(entry)->key_size;
        parts.value_size = ms_entry_long_form(entry)->value_size;
        parts.key = (const char *)entry + ms_entry_head_size(true, kept);
    }
    parts.value = parts.key + parts.key_size;
    parts.size = (uint32_t)(parts.value - (const char *)entry) + parts.value_size;
    return parts;
}

/* When the entry was written, in monotonic milliseconds, in a store that keeps creation times. Negative if
 * it comes from a snapshot and was written before the machine started. */
static inline int64_t ms_entry_created(const struct ms_entry *entry)
{
    int64_t created;

    memcpy(&created, (const char *)entry + ms_entry_head_size(ms_entry_is_long(entry), 0),
           sizeof created);
    return created;
}

/* Whether the shape needs the long form in a segment with this time base. */
static inline bool ms_shape_is_long(const struct ms_entry_shape *shape, int64_t time_base)
{
    return shape->key_size > MS_ENTRY_MAX_SHORT_KEY ||
           shape->value_size > MS_ENTRY_MAX_SHORT_VALUE || shape->version != 0 ||
           (shape->expiry != MS_NEVER && shape->expiry - time_base > (int64_t)MS_EXPIRY_MAX);
}

/* Bytes that an entry of this shape takes, without padding. */
static inline uint64_t ms_shape_size(const struct ms_entry_shape *shape, bool is_long,
                                     unsigned kept)
{
    return (uint64_t)ms_entry_head_size(is_long, kept) + shape->key_size + shape->value_size;
}

/* The stored form of an expiry in a segment with this time base. */
static inline uint32_t ms_expiry_encode(int64_t expiry, int64_t time_base)
{
    if (expiry == MS_NEVER)
        return MS_EXPIRY_NEVER;
    /* Before the base means: expired long ago, as the base itself is. */
    if (expiry < time_base)
        return 0;
    return expiry - time_base > (int64_t)MS_EXPIRY_MAX ? MS_EXPIRY_FAR
                                                       : (uint32_t)(expiry - time_base);
}

/* The same in units as coarse as it takes, rounded up; MS_EXPIRY_FAR when none are. */
static inline uint32_t ms_expiry_encode_coarse(int64_t expiry, int64_t time_base)
{
    const uint32_t exact = ms_expiry_encode(expiry, time_base);

    if (exact != MS_EXPIRY_FAR)
        return exact;
    const int64_t unit = INT64_C(1) << MS_EXPIRY_COARSE_SHIFT;
    const int64_t beyond = expiry - time_base - (int64_t)MS_EXPIRY_COARSE;
    const int64_t units = beyond / unit + (beyond % unit != 0);

    return units < (int64_t)(MS_EXPIRY_FAR - MS_EXPIRY_COARSE) ? MS_EXPIRY_COARSE + (uint32_t)units
                                                               : MS_EXPIRY_FAR;
}

/* The absolute expiry of an entry in a segment with this time base, from its stored form. */
MS_ALWAYS_INLINE int64_t ms_expiry_decode(const struct ms_entry *entry, uint32_t stored,
                                          int64_t time_base)
{
    if (stored == MS_EXPIRY_NEVER)
        return MS_NEVER;
    if (ms_likely(stored < MS_EXPIRY_COARSE))
        return time_base + stored;
    if (stored == MS_EXPIRY_FAR)
        return (int64_t)ms_u64_of_halves(ms_entry_long_form(entry)->far_expiry);
    return time_base + MS_EXPIRY_COARSE +
           ((int64_t)(stored - MS_EXPIRY_COARSE) << MS_EXPIRY_COARSE_SHIFT);
}

/* The absolute expiry of an entry in a segment with this time base. */
MS_ALWAYS_INLINE int64_t ms_entry_expiry(const struct ms_entry *entry, int64_t time_base)
{
    /* ORDER: relaxed; an expiry stands for itself, nothing is read through it. */
    return ms_expiry_decode(entry, ms_load_relaxed(&entry->expiry), time_base);
}

/* Where an entry keeps its TTL, in a store in which reads renew expiries. */
static inline atomic_uint_least32_t *ms_entry_ttl_at(struct ms_entry *entry, unsigned kept)
{
    const uint32_t head = ms_entry_head_size(ms_entry_is_long(entry), kept);

    return (atomic_uint_least32_t *)((char *)entry + head - MS_KEPT_TTL);
}

/* A TTL is stored as if it were an expiry, but rounded down, as what is renewed by it may be rounded up; one of
 * more than 34 years is not, so that reads leave the expiry alone. */
static inline uint32_t ms_entry_ttl_encode(int64_t ttl)
{
    const int64_t unit = INT64_C(1) << MS_EXPIRY_COARSE_SHIFT;
    const int64_t beyond = ttl > (int64_t)MS_EXPIRY_COARSE ? ttl - (int64_t)MS_EXPIRY_COARSE : 0;
    const uint32_t stored = ms_expiry_encode_coarse(ttl - beyond % unit, 0);

    return stored == MS_EXPIRY_FAR ? 0 : stored;
}

static inline int64_t ms_entry_ttl(const struct ms_entry *entry, unsigned kept)
{
    const uint32_t stored = ms_load_relaxed(ms_entry_ttl_at((struct ms_entry *)entry, kept));

    return ms_expiry_decode(entry, stored, 0);
}

/* Write the head of an entry, all but key and value, marked as pending. Returns where the key
 * goes. */
char *ms_entry_write_head(struct ms_entry *entry, const struct ms_entry_shape *shape, bool is_long,
                          int64_t time_base, unsigned kept, unsigned access);

#endif
