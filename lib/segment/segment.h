/* SPDX-License-Identifier: Apache-2.0 */
/* One segment: a stretch of memory that entries are appended to and that is reclaimed as a whole.
 *
 *     FREE -> OPEN -> SEALED -> LIMBO -> FREE
 *                                 \-> WAITING -/        (views still hold it)
 *
 * OPEN     one of the arena's open slots appends to it
 * SEALED   full; in one of the arena's lists, where the eviction policy finds it
 * LIMBO    no index slot refers to it; readers that found it before may still read it until a
 *          grace period has passed
 * WAITING  that has passed, but views hold it
 *
 * A large entry has a segment of its own: its record stands in front of the entry, at the start
 * of a packed run, or as near to that as the entry's granule allows.
 *
 * SG-1  What was published and is not gone is live: what index slots refer to, and the entries that
 *       are kept beyond their expiry (store/space/stale.h).
 * SG-2  A segment leaves SEALED only when all that was appended is gone, pending entries included.
 * SG-3  Bytes up to `used` can be walked entry by entry at any time, pending ones included. */
#ifndef MS_SEGMENT_SEGMENT_H
#define MS_SEGMENT_SEGMENT_H

#include "platform/atomic.h"
#include "platform/compiler.h"
#include "segment/entry.h"

#include <stdbool.h>
#include <stdint.h>

enum ms_segment_state {
    MS_SEGMENT_FREE,
    MS_SEGMENT_OPEN,
    MS_SEGMENT_SEALED,
    MS_SEGMENT_LIMBO,
    MS_SEGMENT_WAITING
};

#define MS_BINS_MOST 8

/* Of a segment in which nothing has a time to live, and the longest that it tells from others. */
#define MS_TTL_UNKNOWN UINT32_MAX

/* Where an entry is appended, and so which list its segment is sealed into. */
enum ms_queue {
    MS_QUEUE_NEW,  /* what was written */
    MS_QUEUE_MAIN, /* what the policy has found worth keeping */
    /* records of batches in publication: never evicted, dead within the commit */
    MS_QUEUE_RECORDS,
    /* kept, to be listed by age between the others: only some policies have such bins, and arenas of
     * others have no slots for them */
    MS_QUEUE_BIN0,
    MS_QUEUES = MS_QUEUE_BIN0 + MS_BINS_MOST
};

/* The arena's lists of sealed segments. */
enum ms_list { MS_LIST_NEW, MS_LIST_MAIN, MS_LIST_RECORDS, MS_LISTS };

/* Two cache lines: what readers of its entries look at, which changes a few times in one use of the
 * memory, and what every write to it and every view of it changes. */
struct ms_segment {
    char *base; /* constant while the segment is in use */
    /* unique to this use of the memory: the high part of versions; constant likewise */
    uint64_t sequence;
    int64_t time_base; /* what stored expiries are relative to; constant likewise */
    /* Slot and pool lock to write while it is open, pool lock from then on */
    uint32_t capacity;
    uint8_t ttl_class;
    uint8_t is_solo; /* holds one large entry */
    /* enum ms_queue it was opened for; requeueing changes it. Pool lock to write */
    atomic_uchar queue;
    atomic_uchar state;       /* pool lock to write */
    uint64_t rank;            /* lists are sorted by it; pool lock */
    struct ms_segment *older; /* towards the end that is evicted first; pool lock */
    struct ms_segment *newer;
    /* of the huge page that begins with this segment: how many are not charged; pool lock */
    uint32_t missing;
    /* bytes of its stretch that the one before has: BK-2. Pool lock; constant while the segment is open */
    uint32_t left_out : 30;
    uint32_t is_backed : 1; /* it is charged; pool lock */
    uint32_t is_aged : 1;   /* its rank is of what was moved there; constant likewise */

    /* what holds it, beside the counts in rows: pins.h. Any thread */
    atomic_uint pins MS_ALIGNED(MS_CACHE_LINE);
    atomic_uint claimed; /* entries appended; slot lock to write */
    atomic_uint settled; /* of them, those that were published or given up: not pending */
    /* likewise, for the length of a call: the child of a fork() has none of these */
    atomic_uint borrowed;
    /* what is not referred to any more, or was given up: entries in the upper half, their bytes in the
     * lower; both change in one addition */
    atomic_uint_least64_t gone;
    /* bytes appended; slot lock to write. ORDER: release, after the head below it is written */
    atomic_uint used;
    uint32_t due_position;         /* in the heap, 0 = not in it; due lock */
    atomic_int_least64_t earliest; /* no entry expires before this; written under the due lock */
    int64_t due;                   /* when to sweep it; due lock */
    atomic_uint stale_bytes;   /* of the live ones: what store/space/stale.h keeps; shard lock */
    atomic_uint stale_entries; /* likewise */
    /* no entry was given a shorter time to live, in milliseconds; written under the due lock */
    atomic_uint least_ttl;
    union {
        /* open: `claimed` when it was last looked at for being spent; slot lock */
        uint32_t seen;
        /* sealed: with fewer dead bytes to compact it wins nothing; the store's reclaim lock */
        uint32_t pays_from;
    };
} MS_ALIGNED(128);

/* Whether it was emptied, and waits for a grace period. */
static inline bool ms_segment_is_in_limbo(const struct ms_segment *segment)
{
    return ms_load_relaxed(&segment->state) == MS_SEGMENT_LIMBO;
}

_Static_assert(sizeof(struct ms_segment) == 128, "a segment's record is two cache lines");

static inline const struct ms_entry *ms_segment_entry(const struct ms_segment *segment,
                                                      uint32_t offset)
{
    return (const struct ms_entry *)(segment->base + offset);
}

/* What tells one write of a key from every other: the use of the memory that the entry lies in, and
 * where there. */
static inline uint64_t ms_segment_version(const struct ms_segment *segment,
                                          const struct ms_entry *entry, unsigned granule_shift)
{
    return segment->sequence << 20 |
           (uint64_t)((const char *)entry - segment->base) >> granule_shift;
}

/* Hold a segment in place; for views there is pins.h. In a read section, or where else it cannot be freed meanwhile. */
static inline void ms_segment_pin(struct ms_segment *segment)
{
    ms_add_acquire(&segment->pins, 1);
}

static inline void ms_segment_unpin(struct ms_segment *segment)
{
    /* ORDER: release, so that our reads of the values happen before the segment is written again.
     * Pairs with the acquire in ms_segment_is_pinned(). */
    ms_sub_release(&segment->pins, 1);
}

/* The same for as long as a call takes, in which nobody forks. */
static inline void ms_segment_borrow(struct ms_segment *segment)
{
    ms_add_acquire(&segment->borrowed, 1);
}

static inline void ms_segment_return(struct ms_segment *segment)
{
    /* ORDER: release, as in ms_segment_unpin(). */
    ms_sub_release(&segment->borrowed, 1);
}

/* Stacks of segments that are in no list; the pool lock held, or by who has taken the stack. */
static inline void ms_segment_push(struct ms_segment **stack, struct ms_segment *segment)
{
    segment->newer = *stack;
    *stack = segment;
}

/* NULL when the stack is empty. */
static inline struct ms_segment *ms_segment_pop(struct ms_segment **stack)
{
    struct ms_segment *segment = *stack;

    if (segment != NULL)
        *stack = segment->newer;
    return segment;
}

/* What an entry of `size` padded bytes adds to `gone`. */
static inline uint64_t ms_segment_gone_of(uint32_t size)
{
    return UINT64_C(1) << 32 | size;
}

/* Of each difference the count that follows is loaded first, so that none is less than nothing.
 * ORDER: acquire, pairs with the release of whoever counted: what that follows is counted already. */

/* Entries that a writer has appended and not published yet. */
static inline uint32_t ms_segment_pending(const struct ms_segment *segment)
{
    const uint32_t settled = ms_load_acquire(&segment->settled);

    return ms_load_relaxed(&segment->claimed) - settled;
}

static inline uint32_t ms_segment_live_entries(const struct ms_segment *segment)
{
    const uint32_t gone = (uint32_t)(ms_load_acquire(&segment->gone) >> 32);

    return ms_load_relaxed(&segment->settled) - gone;
}

static inline uint32_t ms_segment_dead_bytes(const struct ms_segment *segment)
{
    return (uint32_t)ms_load_acquire(&segment->gone);
}

/* Those of pending entries included. */
static inline uint32_t ms_segment_live_bytes(const struct ms_segment *segment)
{
    const uint32_t gone = ms_segment_dead_bytes(segment);

    return ms_load_relaxed(&segment->used) - gone;
}

#endif
