/* SPDX-License-Identifier: Apache-2.0 */
/* Eviction policies: which segment to reclaim when space runs out, and which of its entries to
 * keep by moving them.
 *
 * A policy sees segments and the five access bits of entries, never keys. Entries are appended
 * to a queue's open segment; sealed segments stand in lists; the reclaimer asks for a victim,
 * then judges each live entry in it.
 *
 *   adaptive  s3fifo that learns from the keys that come back how large its small queue should be
 *           and how many uses promote, adapt.h.
 *   s3fifo  Yang, Zhang, Qiu, Yue, Vigfusson: "FIFO queues are all you need for cache eviction",
 *           SOSP 2023. A small queue for what is new, a main queue for what was used twice there
 *           or came back, a ghost of what was dropped.
 *   lru     one list by last use: entries carry a stamp of it; who was used since its segment was
 *           listed is moved on to a segment that is listed at that age.
 *   lfu     by how often entries were used since they were written, lfu.c.
 *   fifo    one list by writing, nothing is moved: the window of BigCache.
 *   none    no victims.
 *
 * Locks: victims are chosen and judged under the store's reclaim lock. The rest may be called by
 * any thread. */
#ifndef MS_EVICTION_EVICTION_H
#define MS_EVICTION_EVICTION_H

#include "eviction/adapt.h"
#include "eviction/ghost.h"
#include "segment/arena.h"

/* What a read notes in an entry's access bits. */
enum ms_touch {
    MS_TOUCH_NOTHING,
    MS_TOUCH_COUNT,     /* uses up to MS_ACCESS_COUNT_MAX */
    MS_TOUCH_FREQUENCY, /* uses up to half a million, large counts by chance */
    MS_TOUCH_STAMP      /* when it was used */
};

#define MS_STAMPS 32 /* LRU stamps go round after as many epochs */

/* What becomes of a live entry in a victim. */
struct ms_verdict {
    bool keep;
    enum ms_queue queue; /* where it is moved to */
    unsigned access;     /* its access bits there */
    uint64_t rank;       /* for ms_placement */
};

/* From so many segments on the adaptive policy has a bin: one that is half full is too much of fewer. */
#define MS_ADAPT_BIN_FROM_SEGMENTS 64

struct ms_eviction;

struct ms_policy {
    enum ms_touch touch;
    /* Where a written entry goes, NULL when all go to the main queue; in a read section. `old` is the
     * segment of the entry it replaces, or NULL. May change the access bits and the rank. */
    enum ms_queue (*queue_for)(struct ms_eviction *eviction, struct ms_subject *entry,
                               const struct ms_segment *old);
    /* The next segment to reclaim, or NULL. Reclaim lock held. */
    struct ms_segment *(*victim)(struct ms_eviction *eviction);
    struct ms_verdict (*judge)(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry);
    /* An entry of this victim is dropped: what the ghost remembers of it; NULL when there is no ghost. */
    enum ms_ghost_kind (*drop)(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry);
    /* Keys that the ghost should remember, in per cent of those in the store; 0 = there is none. */
    unsigned ghost_percent;
    uint32_t bins; /* what is kept may be sorted into so many bins */
    /* Segments of the store for each: a bin has one half full, and sorts the better the more there are. */
    uint32_t segments_a_bin;
    bool sorts; /* by moving what is kept, so that all of it is moved, however much that is */
};

extern const struct ms_policy ms_policy_adaptive;
extern const struct ms_policy ms_policy_s3fifo;
extern const struct ms_policy ms_policy_lru;
extern const struct ms_policy ms_policy_lfu;
extern const struct ms_policy ms_policy_fifo;
extern const struct ms_policy ms_policy_none;

/* The LFU policy's rounds through a bin, lfu.c. */
#define MS_LFU_BINS MS_BINS_MOST
struct ms_round {
    uint64_t end;       /* rank from which on segments came after it began */
    unsigned bar;       /* counts up to this are dropped */
    bool has_met;       /* anything, in this round; */
    unsigned least_met; /* and the least count of it */
};

struct ms_eviction {
    const struct ms_policy *policy;
    struct ms_arena *arena;
    struct ms_ghost ghost;
    /* What the store knows, as of this eviction; reclaim lock to write. */
    uint64_t keys;                   /* that it holds */
    uint64_t misses;                 /* of its reads so far */
    atomic_uint_least64_t mean_size; /* of its entries, in padded bytes; 0 = not known */
    enum ms_goal goal;               /* constant */
    uint32_t bins;                   /* of the arena's */

    /* Of each policy what it has of its own: stores are of one. */
    union {
        struct {
            struct ms_learned learned; /* adaptive */
            /* of the main queue's last victim, and so of its oldest end */
            atomic_uint_least64_t main_rank;
            atomic_bool fills; /* the store is, again; anybody */
        };
        /* LRU. Stamp s was current from epoch_start[s] on, by the arena's rank clock, which counts
         * accesses. */
        struct {
            atomic_uint stamp MS_ALIGNED(MS_CACHE_LINE);
            atomic_uint_least64_t
                next_epoch; /* when the rank clock reaches it, a new stamp begins */
            /* 0 until something was evicted; written with every victim */
            atomic_uint_least64_t epoch_length MS_ALIGNED(MS_CACHE_LINE);
            atomic_uint_least64_t oldest_rank; /* the last victim's, */
            atomic_uint_least64_t evicted;     /* and when it became that */
            atomic_uint_least64_t epoch_used;  /* bytes of the store when the stamp's epoch began */
            atomic_uint_least64_t epoch_start[MS_STAMPS];
        };
        struct ms_round rounds[MS_LFU_BINS]; /* LFU; reclaim lock */
    };
};

void ms_eviction_init(struct ms_eviction *eviction, const struct ms_policy *policy,
                      enum ms_goal goal, struct ms_arena *arena);
/* Before victim() is asked: the store holds so many keys, and so many of its reads have missed. Reclaim lock
 * held. */
void ms_eviction_inform(struct ms_eviction *eviction, uint64_t keys, uint64_t misses);

/* As the policy's function of this name. */
static inline enum ms_queue ms_eviction_queue_for(struct ms_eviction *eviction,
                                                  struct ms_subject *entry,
                                                  const struct ms_segment *old)
{
    return eviction->policy->queue_for != NULL ? eviction->policy->queue_for(eviction, entry, old)
                                               : MS_QUEUE_MAIN;
}

/* As the policy's function of this name. */
static inline enum ms_ghost_kind ms_eviction_drop(struct ms_eviction *eviction,
                                                  const struct ms_segment *victim,
                                                  const struct ms_subject *entry)
{
    return eviction->policy->drop != NULL ? eviction->policy->drop(eviction, victim, entry)
                                          : MS_GHOST_NONE;
}

/* The stamp of a use now. */
static inline unsigned ms_eviction_stamp(const struct ms_eviction *eviction)
{
    /* ORDER: acquire, pairs with the release in ms_eviction_tick(). */
    return ms_load_acquire(&eviction->stamp);
}

/* The access bits of an entry that is written now; `old` are those of the entry it replaces, or
 * 0. */
static inline unsigned ms_eviction_initial_access(struct ms_eviction *eviction, unsigned old)
{
    return eviction->policy->touch == MS_TOUCH_STAMP ? ms_eviction_stamp(eviction) : old;
}

/* Note a use in an entry with this mark, for policies that count up to many. */
void ms_eviction_count_use(struct ms_entry *entry, unsigned mark);

/* Note that an entry was read. One attempt at most, none when the bits say it already. */
MS_ALWAYS_INLINE void ms_eviction_touch(enum ms_touch touch, struct ms_eviction *eviction,
                                        struct ms_entry *entry)
{
    const unsigned mark = ms_load_relaxed(&entry->mark);
    unsigned access = mark & MS_MARK_ACCESS;

    if (touch == MS_TOUCH_COUNT) {
        if (ms_likely(access >= MS_ACCESS_COUNT_MAX))
            return;
        access++;
    } else if (touch == MS_TOUCH_FREQUENCY) {
        ms_eviction_count_use(entry, mark);
        return;
    } else if (touch == MS_TOUCH_STAMP) {
        if (ms_likely(access == ms_load_relaxed(&eviction->stamp)))
            return;
        access = ms_eviction_stamp(eviction);
    } else {
        return;
    }
    ms_entry_note_use(entry, mark, (mark & ~(unsigned)MS_MARK_ACCESS) | access);
}

/* `accesses` more reads and writes have happened (for policies that stamp). */
void ms_eviction_tick(struct ms_eviction *eviction, uint64_t accesses);

/* Bytes in the sealed segments of the small queue, and of the main queue. */
void ms_eviction_queue_bytes(struct ms_eviction *eviction, uint64_t *small, uint64_t *main);
/* The oldest sealed segment of a list that can be reclaimed now: nobody writes to it or holds a
 * view of it. */
struct ms_segment *ms_eviction_oldest(struct ms_eviction *eviction, enum ms_list list);
/* The same of the small queue while that holds more than `share` of what is sealed, else of the
 * main queue; of the other where there is none. */
struct ms_segment *ms_eviction_oldest_by_share(struct ms_eviction *eviction, double share);

#endif
