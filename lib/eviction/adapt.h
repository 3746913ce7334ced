/* SPDX-License-Identifier: Apache-2.0 */
/* What the adaptive policy decides by, without the segments it decides about (adaptive.c): for the
 * policy, and for simulations of it (advice/mini_adaptive.c).
 *
 * Where space is worth most is seen from the keys that come back soon after they were dropped, of
 * which a ghost tells where they were dropped from. Per dropped key, they are the hits that a
 * little more room in that place would have made.
 *
 *   small share  More of what the small queue dropped comes back than of what the main queue
 *                dropped: the small queue grows, up to nearly all of the store, as recency wants it; else
 *                it shrinks, down to a hundredth, as loops and steady popularity want it. While
 *                nothing comes back it shrinks slowly. But where most of what is written was not
 *                asked for before, nothing would come back if it were missed: then the small queue
 *                grows as well, and what was written last is kept.
 *                Likewise where next to nothing of what the main queue drops comes back, and much of
 *                what the small queue drops does, if late: keys that are used again once, after a time.
 *                A small queue that holds much more than its share, because nothing of it is
 *                promoted, gives way: what is oldest in it goes to the main queue as it is.
 *   worth        How often a place in the main queue would be used by a key of a kind, if the keys of
 *                that kind had been kept when they were dropped: how many came back, by how long they
 *                and the others would have taken room. The worth of what the main queue drops is what
 *                others have to be better than.
 *   promotion    What was used once in the small queue is kept, too, while it is clearly worth
 *                more than what the main queue drops for it. One key in eight, by its hash,
 *                is not, or there would be nothing to learn from. What was used more often is kept
 *                unless what the main queue drops for it is worth as much, as where uses come in
 *                bursts; one key in sixteen tells.
 *   returning    A key that comes back while the ghost remembers it goes to the main queue if it has
 *                not been away for too long: what comes back after the time t is taken to be used once
 *                in t. So a loop that is larger than the store does not drive out what is used more
 *                often than once a round, nor itself. What the main queue has dropped must come back
 *                much sooner. What the ghost was about to forget, its last quarter, must be worth twice as
 *                much, and nothing is learned of it.
 *
 * Uses in the main queue buy at most two more rounds; three, while what it drops is worth clearly more
 * than what the small queue drops unused, so that what was used before is what will be; and one, while
 * recency is what counts, which is while the small queue has nearly half of the store.
 *
 * Sizes count by the goal. For hits and balanced, what is large stays for a part of a turn of the main
 * queue only, and what is small is given credit for a use or two there. For hits, besides, what comes
 * back and what is dropped counts by the room that it takes, and what is smaller than half the mean is
 * kept without having been used; so is what is smaller than the mean, while such entries are worth
 * as much as what the main queue drops. But where next to nothing of what is tiny is used, for its room, at the
 * end of either queue, it goes unused, is not remembered, and counts for no mean; one key in 32 stays and
 * tells. For bytes, sizes do not count, which suits bytes. */
#ifndef MS_EVICTION_ADAPT_H
#define MS_EVICTION_ADAPT_H

#include "eviction/ghost.h"
#include "platform/atomic.h"

#include <stdbool.h>
#include <stdint.h>

#define MS_ACCESS_COUNT_MAX 3 /* S3-FIFO counts uses up to three */
/* Of the store, for the small queue, before anything was learned. */
#define MS_SMALL_SHARE_AT_FIRST 0.03
/* Keys that the ghost should remember, in per cent of those in the store: see ms_ghost_keys(). */
#define MS_ADAPT_GHOST_PERCENT 200

/* What is to be had of eviction, where sizes differ: few misses, few bytes missed, or some of
 * both. */
enum ms_goal { MS_GOAL_HITS, MS_GOAL_BYTES, MS_GOAL_BALANCED };

/* What a policy is told of an entry. */
struct ms_subject {
    uint64_t hash;
    uint64_t size;   /* bytes that it takes */
    unsigned access; /* its access bits */
    uint64_t rank;   /* for ms_placement, where it is written; 0 = as the newest */
};

struct ms_sizing {
    enum ms_goal goal;
    uint64_t mean; /* of the entries' sizes; 0 = there are none */
};

/* Sizes and times are counted in such parts: of the mean, of a turn, of the ghost's ages. */
#define MS_ADAPT_ONE 16

/* What is learned of: the kinds of the ghost, and of what the small queue dropped unused that which
 * is a little smaller than the mean. */
enum { MS_LEARNED_SMALLER = MS_GHOST_KINDS, MS_LEARNED_KINDS };

/* Keys of a kind, lately: the older, the less they count. */
struct ms_worth {
    double dropped, returned; /* the sizes of those that were dropped, and returned */
    double uses;              /* how many returned */
    double ages;              /* in the ghost, of these, times their sizes */
};

/* Keys of a kind that came back since the last look; any thread. */
struct ms_come_back {
    atomic_uint_least64_t soon; /* how many of them did so soon */
    atomic_uint_least64_t sums; /* how many, from MS_USES_SHIFT on, and their sizes below */
    atomic_uint_least64_t ages; /* times their sizes */
};
#define MS_USES_SHIFT 32

/* Entries that were judged at the end of a queue, lately: the older, the less they count. */
struct ms_judged {
    double count, bytes;     /* of them, */
    double used, used_bytes; /* and of those that had been used */
};
enum { MS_JUDGED_OTHER, MS_JUDGED_TINY, MS_JUDGED_KINDS };

struct ms_learned {
    double small_share;   /* of the store, for the small queue; reclaim lock, like the rest */
    bool grew_unasked;    /* the share, as nobody had asked for what was written */
    bool small_gives_way; /* as of the segment that is being emptied */
    bool one_use_promotes;
    bool more_uses_promote;
    bool smaller_promotes; /* unused */
    bool third_round;      /* in the main queue, for what was used often */
    bool tiny_goes;        /* unused */
    uint64_t typical;      /* mean size of what was used; 0 = not known */
    uint64_t misses;       /* when it last looked */
    struct ms_worth worth[MS_LEARNED_KINDS];
    /* Dropped, their sizes, and how many came back soon, lately: the older, the less they count. */
    double dropped_lately[MS_LEARNED_KINDS];
    double sizes_lately[MS_LEARNED_KINDS];
    double returned_lately[MS_LEARNED_KINDS];
    /* What changes with each entry that goes is on no line that writers read. */
    char before[MS_CACHE_LINE];
    struct ms_judged judged_small[MS_JUDGED_KINDS], judged_main[MS_JUDGED_KINDS];
    uint64_t judged;                    /* in both, since it last looked at these */
    unsigned told;                      /* tiny entries of the main queue that tell, so far */
    uint64_t passed_over;               /* dropped as tiny since it last looked; */
    uint64_t dropped[MS_LEARNED_KINDS]; /* otherwise, */
    uint64_t sizes[MS_LEARNED_KINDS];   /* and their sizes */
    char behind[MS_CACHE_LINE];
    struct ms_come_back come_back[MS_LEARNED_KINDS];
    /* What was typical, for the mean size of the store; 0 while that does. Any thread. */
    atomic_uint_least64_t mean;
    /* In parts of the ghost's ages: times from one use to the next that are just worth a place in
     * the main queue, for what the small queue dropped, and for what the main queue dropped; and how
     * long an entry is in the small queue. */
    atomic_uint reach, reach_for_main, in_small;
};

void ms_learned_init(struct ms_learned *learned);
/* Before a victim is chosen: the store has so many keys, and so many of its reads have missed. Learns
 * when a tenth as many keys have been dropped. */
void ms_learned_look(struct ms_learned *learned, uint64_t keys, uint64_t misses);

/* Before entries of the small queue are judged: beside what is judged it has so many bytes of all that
 * there are. */
void ms_learned_weigh(struct ms_learned *learned, uint64_t small, uint64_t all);

/* Uses that an entry is given credit for: one for half the mean size, two for a quarter. */
static inline unsigned ms_adapt_credit(const struct ms_sizing *sizing, uint64_t size)
{
    if (sizing->goal == MS_GOAL_BYTES)
        return 0;
    return size * 4 <= sizing->mean ? 2 : size * 2 <= sizing->mean ? 1 : 0;
}

/* For how much of a turn of the main queue an entry is kept there; MS_ADAPT_ONE is all of it. */
static inline unsigned ms_adapt_life(const struct ms_sizing *sizing, uint64_t size)
{
    if (sizing->goal == MS_GOAL_BYTES || sizing->mean == 0 || size * 5 <= sizing->mean * 7)
        return MS_ADAPT_ONE;
    return size >= 4 * sizing->mean ? MS_ADAPT_ONE / 4
                                    : (unsigned)(MS_ADAPT_ONE * sizing->mean / size);
}

/* The mean size that counts, where that of the store's entries is `held`. Any thread. */
static inline uint64_t ms_learned_mean(const struct ms_learned *learned, uint64_t held)
{
    const uint64_t mean = ms_load_relaxed(&learned->mean);

    return mean != 0 ? mean : held;
}

/* An entry is dropped, which was of this kind. Returns what the ghost should remember of it. */
enum ms_ghost_kind ms_learned_drop(struct ms_learned *learned, const struct ms_sizing *sizing,
                                   enum ms_ghost_kind kind, const struct ms_subject *entry);
/* A key comes back, with an entry of this size: note it. Any thread. */
void ms_learned_note(struct ms_learned *learned, const struct ms_sizing *sizing,
                     const struct ms_ghost_trace *trace, uint64_t size);
/* Whether it goes to the main queue. Any thread. */
bool ms_adapt_is_main(const struct ms_learned *learned, const struct ms_sizing *sizing,
                      const struct ms_ghost_trace *trace, uint64_t size);
/* Whether the small queue's oldest entry goes to the main queue, and with what access bits; else it is
 * dropped. */
bool ms_adapt_keeps_small(struct ms_learned *learned, const struct ms_sizing *sizing,
                          const struct ms_subject *entry, unsigned *access);
/* The same of the main queue's. */
bool ms_adapt_keeps_main(struct ms_learned *learned, const struct ms_sizing *sizing,
                         const struct ms_subject *entry, unsigned *access);
/* What is dropped from one of them. */
static inline enum ms_ghost_kind ms_adapt_kind(bool small, unsigned access)
{
    if (!small)
        return MS_GHOST_MAIN;
    return access == 0 ? MS_GHOST_UNUSED : access == 1 ? MS_GHOST_USED_ONCE : MS_GHOST_USED_OFTEN;
}

#endif
