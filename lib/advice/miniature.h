/* SPDX-License-Identifier: Apache-2.0 */
/* Miniature simulations: what other policies would have made of the references to the keys of a
 * sample, in a cache that is smaller by the same share (Waldspurger, Saemundsson, Ahmad, Park: "Cache
 * modeling and optimization using miniature simulations", USENIX ATC 2017).
 *
 * The policies are the store's (eviction/), entry by entry instead of segment by segment: lru, fifo,
 * s3fifo with the published parameters (mini_queues.c) and adaptive (mini_adaptive.c). What is read
 * and not there is taken to be loaded and stored. What lru has is told by the reuse distance (reuse.h), so
 * that it needs no lists. docs/advice.md says why there is none of lfu.
 *
 * MI-1  A key is in at most one list of a simulation. Those in lists from `small` on are in the
 *       cache and count against the capacity; the ghosts have no more keys than the policy's ghost
 *       has of as many entries. */
#ifndef MS_ADVICE_MINIATURE_H
#define MS_ADVICE_MINIATURE_H

#include "advice/curve.h"
#include "eviction/adapt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_mini_policy {
    MS_MINI_LRU,
    MS_MINI_FIFO,
    MS_MINI_S3FIFO,
    MS_MINI_ADAPTIVE,
    MS_MINI_POLICIES,
    MS_MINI_LISTED = MS_MINI_POLICIES - MS_MINI_FIFO /* those from fifo on have lists */
};

enum ms_mini_where {
    MS_MINI_NOWHERE,
    MS_MINI_GHOST,
    MS_MINI_SMALL,
    MS_MINI_MAIN,
    MS_MINI_PART, /* adaptive: of the main queue, what stays for a part of a turn */
    MS_MINI_LISTS
};

#define MS_MINI_NONE UINT32_MAX
#define MS_MINI_PART_BITS 32

/* What a simulation keeps with a key. Those of one key are side by side, and beside what the pattern keeps
 * with it: a cache line. */
struct ms_mini_link {
    uint32_t older, newer; /* keys by number */
    uint32_t size;         /* as it is counted in its list */
    uint8_t where;
    uint8_t uses;
    uint8_t dropped_from; /* enum ms_ghost_kind; in a ghost */
    uint8_t at;           /* dropped, by the ghost's clock, or due, by the main queue's */
};

struct ms_mini_key {
    struct ms_mini_link links[MS_MINI_LISTED];
    /* The pattern's (pattern.h): when it was read last, by the time while keys were followed; 0 = it never
     * expires. */
    int64_t used_ms, expires_ms;
};
#define MS_MINI_STRIDE (sizeof(struct ms_mini_key) / sizeof(struct ms_mini_link))
_Static_assert(sizeof(struct ms_mini_key) == 64, "a cache line");

struct ms_mini_list {
    uint32_t oldest, newest;
    uint32_t count;
    uint64_t bytes;
};

struct ms_mini_rules;

struct ms_mini {
    const struct ms_mini_rules *rules;
    uint64_t capacity;          /* bytes */
    enum ms_goal goal;          /* for adaptive */
    struct ms_mini_link *links; /* its own of the first key; each key's is a stride further on */
    struct ms_mini_list lists[MS_MINI_LISTS];
    uint32_t held; /* entries in the cache */
    uint64_t held_bytes;
    /* Misses, as in curve.h: weights, sum(x y), and those that are keys' first references. */
    struct ms_curve_sums missed;
    double first_missed;
    /* adaptive */
    struct ms_learned learned;
    uint64_t miss_count;
    uint64_t ghost_parts; /* the ghost's clock; MS_MINI_PART_BITS of it are of a part */
    uint64_t main_parts;  /* likewise, of which MS_ADAPT_ONE are a turn */
    bool has_evicted;
};

/* `keys` has one for each key number there may be, zeroed. */
void ms_mini_init(struct ms_mini *mini, enum ms_mini_policy policy, enum ms_goal goal,
                  struct ms_mini_key *keys);
/* Another capacity; evicts what is above it. */
void ms_mini_resize(struct ms_mini *mini, uint64_t capacity);
/* A key that is not there is read for the n-th time. */
void ms_mini_miss(struct ms_mini *mini, double weight, uint32_t n);
/* An entry is stored, anew or in place of another. */
void ms_mini_store(struct ms_mini *mini, uint32_t key, uint32_t size);
/* A key is deleted, has expired, or is not followed any more. */
void ms_mini_remove(struct ms_mini *mini, uint32_t key);

static inline struct ms_mini_link *ms_mini_link_of(const struct ms_mini *mini, uint32_t key)
{
    return &mini->links[(size_t)key * MS_MINI_STRIDE];
}

static inline bool ms_mini_has(const struct ms_mini *mini, uint32_t key)
{
    return ms_mini_link_of(mini, key)->where >= MS_MINI_SMALL;
}

/* A key is read for the n-th time, whose entry has so many bytes; 0 = not known, nothing is stored
 * then. Not of lru. */
static inline void ms_mini_read(struct ms_mini *mini, uint32_t key, uint32_t size, double weight,
                                uint32_t n)
{
    struct ms_mini_link *link = ms_mini_link_of(mini, key);

    if (link->where >= MS_MINI_SMALL) {
        link->uses += link->uses < MS_ACCESS_COUNT_MAX;
        return;
    }
    ms_mini_miss(mini, weight, n);
    if (size != 0)
        ms_mini_store(mini, key, size);
}

/* A key is written. `is_fill`: because a read of it has missed; it did not in the simulation, if that
 * has the key, and would not be written. Not of lru. */
static inline void ms_mini_write(struct ms_mini *mini, uint32_t key, uint32_t size, bool is_fill)
{
    if (!is_fill || !ms_mini_has(mini, key) || ms_mini_link_of(mini, key)->size != size)
        ms_mini_store(mini, key, size);
}
/* The share of `references`, all there were, that missed; `curve` has counted the same ones. */
double ms_mini_miss_ratio(const struct ms_mini *mini, const struct ms_curve *curve,
                          double references);

#endif
