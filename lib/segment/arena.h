/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of one store: a reserved address range, cut into segments below and pages above,
 * under one byte limit.
 *
 *     base                              pages_offset
 *     | segment 0 | segment 1 | ... | n | pages: index tables, large entries, ghost ... |
 *
 * The range has room for a limit several times that of the opening, because addresses cost
 * nothing and a range cannot grow.
 *
 * Addresses within the range are 32-bit places, counted in granules, 0 meaning none. The range
 * stays mapped until the store is destroyed, so that a stale place still points into it.
 *
 * AR-1  A segment of the range is charged to the budget before it is touched, and until it is
 *       discarded: see segment/backing.h.
 * AR-2  `reserve` free segments are kept for the reclaimer, which needs room to move entries in
 *       order to make room, and lends some for the records of a batch that only deletes, or of any
 *       where nothing is evicted.
 * AR-3  Open slots: one segment at a time is appended to per queue, TTL class and writer stripe.
 *       TTL classes keep entries together that die together.
 * AR-4  `worn` counts the segments in use of which `worn_from` bytes or more are dead: when there are none,
 *       nothing is worth compacting, and nobody need look through all segments for it.
 *
 * Locks: an open slot's lock, then the pool lock. Both are taken under shard locks and never the
 * other way round. */
#ifndef MS_SEGMENT_ARENA_H
#define MS_SEGMENT_ARENA_H

#include "platform/thread.h"
#include "segment/budget.h"
#include "segment/pages.h"
#include "segment/segment.h"

#include <stdbool.h>

typedef uint32_t ms_place;
#define MS_PLACE_NONE UINT32_C(0)

/* The range begins with a line that stays zero: what place 0 leads to, and, for the index, the
 * bucket of shards that have no table. The first segment is smaller by it, and by what is left of a
 * granule. */
#define MS_ARENA_EMPTY_BYTES MS_CACHE_LINE

#define MS_TTL_CLASSES_MOST 17

struct ms_segment_list {
    struct ms_segment *oldest;
    struct ms_segment *newest;
    uint32_t count;
    uint64_t bytes;   /* sum of `used` */
    uint64_t entries; /* and of `claimed`: those that are gone are among them */
};

struct ms_open_slot {
    ms_mutex lock;
    struct ms_segment *segment; /* NULL until first used */
    /* an earlier one, too full for some large entry, that smaller ones still go to; or NULL */
    struct ms_segment *spare;
    uint32_t spare_age; /* segments opened since it was made the spare */
    bool is_held;       /* `segment` came out of the reserve, and the reclaimer needs it */
} MS_ALIGNED(MS_CACHE_LINE);

/* Which memory is on huge pages, each of which is resident as a whole when its first byte is
 * touched. */
enum ms_arena_paging {
    MS_PAGING_SMALL, /* none */
    MS_PAGING_MIXED, /* segments, but for the first 16 MiB and where that would hold too much */
    MS_PAGING_HUGE   /* all, the index and large entries with it */
};

struct ms_arena_options {
    uint64_t limit;
    uint64_t overhead; /* bytes of bookkeeping outside the arena, charged from the start */
    unsigned kept;     /* MS_KEPT_ of every entry */
    bool wipes;        /* what held entries is overwritten before it is free */
    bool evicts;       /* what cannot be moved for want of room may go */
    uint32_t bins; /* by which the policy sorts what it keeps, at most: MS_QUEUE_BIN0 and further */
    uint32_t segments_a_bin; /* in a store of fewer segments there are fewer bins */
    enum ms_arena_paging paging;
};

struct ms_arena {
    /* Constant after init; read on every lookup. */
    char *base;
    struct ms_segment *segments;
    size_t pages_offset;
    unsigned granule_shift;
    unsigned segment_shift;
    unsigned kept; /* MS_KEPT_ of every entry */
    bool wipes;
    bool evicts;
    bool tiles; /* BK-2 */
    /* segments are listed by when they were sealed, not by when they were opened */
    bool ranks_at_sealing;

    uint32_t segment_count;  /* within the limit at open; others derive theirs from it */
    uint32_t range_segments; /* that the range has room for */
    uint32_t stripes;        /* power of two */
    uint32_t slot_stripes;   /* the same, and the reclaimer's where it has one of its own */
    uint32_t bins;           /* queues from MS_QUEUE_BIN0 on; the others have no slots */
    uint32_t segments_a_bin; /* for each of them */
    uint32_t ttl_classes;    /* class 0 never expires */
    /* Of stripes and TTL classes as many are used as the limit in force has segments for. Who has read them before
     * may still use others. Written under the store's reclaim lock; relaxed */
    atomic_uint_least32_t stripes_used, classes_used;
    uint32_t reserve;       /* AR-2 */
    uint32_t worn_from;     /* AR-4 */
    uint32_t pin_row_count; /* threads with counts of their own: pins.h */
    uint32_t pin_row_bytes; /* what of a row is used */
    char *pin_rows;
    char *pin_memory;   /* that they lie in */
    uint32_t huge_from; /* segments from this number on may be on huge pages: BK-1 */
    size_t reserved_bytes;
    size_t segments_bytes;
    struct ms_open_slot *open;
    uint64_t overhead;

    uint64_t largest_limit; /* that the range has room for */
    /* segments whose records are charged; see set_limit */
    atomic_uint_least32_t charged_records;
    atomic_uint_least64_t pin_rows_made; /* a bit for each row that is in use, and charged */
    bool holds; /* some slot has one that is held; the store's reclaim lock */

    struct ms_budget budget;
    struct ms_pages pages;
    atomic_uint_least64_t sequence; /* of the last segment opened */
    /* ranks are given from it; the LRU policy moves it on with accesses */
    atomic_uint_least64_t rank_clock;

    atomic_uint_least32_t worn; /* AR-4. Relaxed: whoever is about to make room looks again */
    /* Nothing lives any more in some open segment, as of when an entry in it died. Relaxed */
    atomic_bool may_be_spent;

    ms_mutex pool_lock MS_ALIGNED(MS_CACHE_LINE);
    uint32_t solos;      /* segments of one large entry that are in use */
    uint32_t fresh;      /* segments from this number on were never used */
    uint32_t ahead;      /* as many of them are charged already */
    uint32_t made;       /* those below this number have pages, if they are charged */
    uint32_t seen_fresh; /* `fresh` when what is ahead was made or looked at last */
    size_t seen_packed;  /* and the packed runs that had been taken */
    uint32_t
        idle_fresh; /* `fresh` when it was given back, since nobody opened a segment any more */
    /* when to look whether anybody does, by the exact clock; MS_NEVER = not. To write; relaxed */
    atomic_int_least64_t idle_at;
    uint32_t warm_count; /* in `warm` */
    /* warm segments kept; further ones are given back to the system. To write; relaxed */
    atomic_uint_least32_t warm_keep;
    struct ms_segment *warm; /* free and still charged */
    struct ms_segment *cold; /* free and given back to the system */
    struct ms_segment_list lists[MS_LISTS];
    uint64_t limbo_bytes;        /* that come free with what is in limbo */
    struct ms_segment *limbo;    /* newest first */
    struct ms_segment *ripening; /* from here on they were in it when a grace period began */
    struct ms_segment *waiting;
    uint64_t pin_rows_wanted; /* a bit for each that there was no room for; pool lock */
};

/* Reserve and set up. False when the limit cannot hold `MS_ARENA_MIN_SEGMENTS` segments beside
 * the overhead, or when the system gives no memory (*out_of_memory tells). */
#define MS_ARENA_MIN_SEGMENTS 8
bool ms_arena_init(struct ms_arena *arena, const struct ms_arena_options *options,
                   bool *out_of_memory);
void ms_arena_fini(struct ms_arena *arena);

/* ---- A limit that changes; the store's reclaim lock held ---- */

/* Bytes charged beside `overhead`: of records, since the limit was higher than at open, and of rows. */
static inline uint64_t ms_arena_further_overhead(const struct ms_arena *arena)
{
    return (ms_load_relaxed(&arena->charged_records) - arena->segment_count) *
               sizeof(struct ms_segment) +
           (uint64_t)__builtin_popcountll(ms_load_relaxed(&arena->pin_rows_made)) *
               arena->pin_row_bytes;
}

/* The least that it can do with, pins apart. */
uint64_t ms_arena_least_limit(const struct ms_arena *arena);
/* Up to `largest_limit`. What is charged beyond a lower one is the caller's to reclaim. The store's
 * settings lock is held, and its reclaim lock. */
void ms_arena_set_limit(struct ms_arena *arena, uint64_t limit);
/* How many free segments to keep at hand, at least the reserve, or as many as suits the limit at
 * open when `keep` is 0. */
void ms_arena_keep_warm(struct ms_arena *arena, uint32_t keep);
/* How many of these are to be free before writers ask for them. */
uint32_t ms_arena_freed_ahead(const struct ms_arena *arena);

MS_ALWAYS_INLINE const struct ms_entry *ms_arena_entry(const struct ms_arena *arena, ms_place place)
{
    return (const struct ms_entry *)(arena->base + ((size_t)place << arena->granule_shift));
}

static inline ms_place ms_arena_place_of(const struct ms_arena *arena, const void *address)
{
    return (ms_place)((size_t)((const char *)address - arena->base) >> arena->granule_shift);
}

/* The segment of an entry that has none to itself. */
MS_ALWAYS_INLINE struct ms_segment *ms_arena_shared_segment_of(const struct ms_arena *arena,
                                                               const struct ms_entry *entry)
{
    return &arena->segments[(size_t)((const char *)entry - arena->base) >> arena->segment_shift];
}

/* The segment that lies at an offset from the arena's base. */
MS_ALWAYS_INLINE struct ms_segment *ms_arena_segment_at(const struct ms_arena *arena, size_t offset)
{
    if (ms_likely(offset < arena->pages_offset))
        return &arena->segments[offset >> arena->segment_shift];
    return (struct ms_segment *)(arena->base + offset - sizeof(struct ms_segment));
}

/* The segment that a place lies in. */
MS_ALWAYS_INLINE struct ms_segment *ms_arena_segment_of(const struct ms_arena *arena,
                                                        ms_place place)
{
    return ms_arena_segment_at(arena, (size_t)place << arena->granule_shift);
}

/* What tells one write of a key from every other. */
static inline uint64_t ms_arena_version(const struct ms_arena *arena, ms_place place,
                                        const struct ms_segment *segment)
{
    return ms_segment_version(segment, ms_arena_entry(arena, place), arena->granule_shift);
}

static inline size_t ms_arena_segment_size(const struct ms_arena *arena)
{
    return (size_t)1 << arena->segment_shift;
}

/* Bytes that an entry of `size` bytes takes in a segment. */
static inline uint32_t ms_arena_padded(const struct ms_arena *arena, uint64_t size)
{
    const uint64_t granule = UINT64_C(1) << arena->granule_shift;

    return (uint32_t)((size + granule - 1) & ~(granule - 1));
}

/* Bytes of a packed run before its large entry, which has a place as any other: the segment's record ends
 * there. */
static inline uint32_t ms_arena_solo_head(const struct ms_arena *arena)
{
    return ms_arena_padded(arena, sizeof(struct ms_segment));
}

/* Entries of up to this many bytes are in segments with others. */
uint64_t ms_arena_solo_threshold(const struct ms_arena *arena);
/* Whether an entry gets a segment of its own: above that, unless it is so near to half a segment that two
 * fill one. */
bool ms_arena_is_large(const struct ms_arena *arena, uint64_t size);

/* ---- Appending ---- */

struct ms_placement {
    enum ms_queue queue;
    uint32_t ttl_class;
    /* any number; taken modulo the stripes. A privileged placement has one of its own, but in a
     * store of one stripe that evicts: see ms_arena_let_writers_in() */
    uint32_t stripe;
    unsigned access; /* initial MS_MARK_ACCESS bits */
    uint64_t rank;   /* where the segment is listed when sealed; 0 = as the newest */
    bool privileged; /* may take the reserve: the reclaimer alone */
};

/* A reserved stretch of a segment, pending until it is published or given up. */
struct ms_reserved {
    struct ms_segment *segment;
    struct ms_entry *entry;
    char *key; /* where key and value go */
    ms_place place;
    uint32_t size; /* padded bytes */
};

/* Reserve room for an entry and write its head, pending. False when there is no segment to open,
 * or no memory for a large one: the caller reclaims and tries again. */
bool ms_arena_reserve(struct ms_arena *arena, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, struct ms_reserved *out);
/* The same in what any open segment of the queue has left, the reclaimer's too; none is opened. */
bool ms_arena_reserve_rest(struct ms_arena *arena, const struct ms_placement *placement,
                           const struct ms_entry_shape *shape, struct ms_reserved *out);
/* The same for `size` bytes that are not an entry. */
bool ms_arena_reserve_raw(struct ms_arena *arena, const struct ms_placement *placement,
                          uint32_t size, struct ms_reserved *out);
/* The same for records, out of what is kept for the reclaimer, whose lock is held until the loan is
 * over: in `*loan`, NULL at first, or in another segment. False when that is in use. */
bool ms_arena_borrow(struct ms_arena *arena, uint32_t size, struct ms_segment **loan,
                     struct ms_reserved *out);
/* Nothing more is borrowed, NULL: nothing was. It is free when what was reserved is given up. */
void ms_arena_end_loan(struct ms_arena *arena, struct ms_segment *loan);

/* The entry is published: it is live and not pending any more. Shard lock held; when that is given up
 * the entry may die and its segment with it, so `reserved` is not to be used after that. */
void ms_arena_publish(struct ms_reserved *reserved);
/* What was reserved is given up, or a batch has done with its records. True when its segment was
 * retired for that. */
bool ms_arena_abandon(struct ms_arena *arena, const struct ms_reserved *reserved);
/* An entry of `size` padded bytes is not referred to any more. True when ms_arena_retire() is to look at the
 * segment. */
bool ms_arena_entry_died(struct ms_arena *arena, struct ms_segment *segment, uint32_t size);

/* ---- The life of segments ---- */

/* Overwrite all that holds entries, of whatever state. Nobody uses the arena any more. */
void ms_arena_wipe(struct ms_arena *arena);
/* Move a sealed segment that holds nothing live and nothing in flight to limbo. False when it is
 * not such a one; true also when it is open still and the first such since ms_arena_seal_spent(). */
bool ms_arena_retire(struct ms_arena *arena, struct ms_segment *segment);
/* Seal all open segments, so that lists hold everything. */
void ms_arena_seal_open(struct ms_arena *arena);
/* Seal those open segments in which nothing lives any more, or `worn_from` bytes at least are dead; unless
 * `at_once` only those to which nothing was appended since the last call: others, which are `*left`, may be
 * filled up. False when none was. */
bool ms_arena_seal_spent(struct ms_arena *arena, uint32_t worn_from, bool at_once, bool *left);
/* Seal this one if it is open. */
void ms_arena_seal(struct ms_arena *arena, struct ms_segment *segment);
/* Return when everybody who was appending to an open segment has done so: what is appended from
 * now on is ordered after what the caller did before. */
void ms_arena_await_appends(struct ms_arena *arena, const struct ms_segment *segment);
/* The reclaimer has done with a pass. Where writers share its open segments, those that came out of
 * the reserve were closed to them: they would have left it no room to empty its victim, and so never
 * to give the reserve back. */
void ms_arena_let_writers_in(struct ms_arena *arena);
/* Move a sealed segment to its place in a list by this rank; 0 = to the newest end. */
void ms_arena_requeue(struct ms_arena *arena, struct ms_segment *segment, enum ms_list list,
                      uint64_t rank);
/* Take what is in limbo. The caller waits for a grace period and hands it to ms_arena_recycle(). */
struct ms_segment *ms_arena_take_limbo(struct ms_arena *arena);
/* From now on a grace period passes for all that is in limbo. False when that is nothing. */
bool ms_arena_let_ripen(struct ms_arena *arena);
/* Take what it has passed for, as ms_arena_take_limbo() takes all. */
struct ms_segment *ms_arena_take_ripe(struct ms_arena *arena);
/* Put it back, because no grace period passed. */
void ms_arena_put_limbo(struct ms_arena *arena, struct ms_segment *limbo);
/* Make these segments free, but those that are pinned, which wait. Returns how many came free.
 * Reclaim lock held. */
uint32_t ms_arena_recycle(struct ms_arena *arena, struct ms_segment *limbo);
/* Free waiting segments that are not pinned any more. Returns how many. Reclaim lock held. */
uint32_t ms_arena_recycle_waiting(struct ms_arena *arena);
/* Give warm segments back to the system until at most `keep` are left, and what is charged ahead;
 * returns the bytes given back. */
uint64_t ms_arena_cool(struct ms_arena *arena, uint32_t keep);
/* Have memory ready for segments that were never used, before a writer opens them. False when nothing was
 * to be done. Reclaim lock held, so that none of it is given back meanwhile. */
bool ms_arena_make_ahead(struct ms_arena *arena);
/* Give that back, and warm pages, when no segment was opened for a second and no large entry written.
 * False when nothing was to be done. Reclaim lock held. */
bool ms_arena_give_idle(struct ms_arena *arena, int64_t now);
/* Free every segment that is not pinned, whatever is in it: the store is closed, nobody reads or
 * writes. Pinned ones stay as they are until ms_arena_fini(). */
void ms_arena_close(struct ms_arena *arena);
/* Bytes that are charged and free: of segments, and of warm pages. */
uint64_t ms_arena_free_bytes(struct ms_arena *arena);
/* Bytes that could be taken without reclaiming, if all that is free but charged were given back. */
uint64_t ms_arena_room(struct ms_arena *arena);
/* Segments a writer could open now without reclaiming. */
uint32_t ms_arena_available(struct ms_arena *arena);
/* Most segments that can be in use now: all of the range, and the large entries there are. */
uint32_t ms_arena_most_in_use(struct ms_arena *arena);
/* Whether so many segments at least are in limbo. */
bool ms_arena_has_limbo(struct ms_arena *arena, uint32_t least);
/* Whether what has come there last is a large entry. */
bool ms_arena_limbo_is_large(struct ms_arena *arena);
/* Bytes that come free with what is in limbo. */
uint64_t ms_arena_limbo_bytes(struct ms_arena *arena);
bool ms_arena_has_waiting(struct ms_arena *arena);

/* Charge the row of counts with this number, which is in use from then on. False when there is no room for it,
 * until a segment comes free, or somebody holds the pool lock. */
bool ms_arena_try_charge_row(struct ms_arena *arena, uint32_t number);
/* Whether some segment may be worth compacting: AR-4. */
static inline bool ms_arena_is_worn(const struct ms_arena *arena)
{
    return ms_load_relaxed(&arena->worn) != 0;
}
/* Bytes of the segments that are held in place. */
uint64_t ms_arena_pinned(struct ms_arena *arena);

/* Visit every segment in use (open, sealed, limbo, waiting) under the pool lock. */
typedef void (*ms_segment_fn)(struct ms_segment *segment, void *context);
void ms_arena_each(struct ms_arena *arena, ms_segment_fn fn, void *context);

/* Bytes of its mappings that are in memory. */
uint64_t ms_arena_resident(struct ms_arena *arena);

/* For fork(), which holds all locks: those of the open slots. */
void ms_arena_each_slot_lock(struct ms_arena *arena, void (*fn)(ms_mutex *lock));
/* In the child of a fork() no call is in flight: what others had reserved and not published is
 * dead, segments that only they kept go to limbo, and what they held for the call they hold no more. */
void ms_arena_forget_calls(struct ms_arena *arena);

#endif
