/* SPDX-License-Identifier: Apache-2.0 */
/* Reuse distances of a sample of the keys: SHARDS (Waldspurger, Park, Garthwaite, Ahmad: "Efficient
 * MRC construction with SHARDS", FAST 2015), in bytes and in entries.
 *
 * A key is followed when the lower half of its hash is below a threshold: all of its references are
 * in the sample, or none. The distance of a reference is what was referenced since the key was the
 * last time, divided by the share of keys that are followed. When there is no room for another key,
 * the one referenced longest ago makes way if its distance is beyond the horizon, the largest size
 * that the curve is asked about; else the threshold is lowered.
 *
 *     slots, by time:    | a |   | c | b |   | d | next ...
 *     sizes:               8   0   4   9   0   1             and sums of them in blocks of slots
 *
 * What comes after a slot is summed up from the rest of its block and the blocks after: a few lines
 * of memory one after the other, where a tree would take many steps, each to another line.
 *
 * RU-1  A followed key that is in the cache (its size is not 0) has the slot of its last reference,
 *       with its size there.
 * RU-2  All followed keys have hashes below the threshold, which only falls. */
#ifndef MS_ADVICE_REUSE_H
#define MS_ADVICE_REUSE_H

#include "advice/curve.h"

#include <stdbool.h>
#include <stddef.h>

#define MS_REUSE_ALL (UINT64_C(1) << 32) /* the threshold below which every hash is */
#define MS_REUSE_NONE UINT32_MAX
#define MS_REUSE_BLOCK 128 /* slots */

struct ms_followed {
    uint64_t hash;
    int64_t used_ms;    /* when it was referenced last */
    int64_t expires_ms; /* INT64_MAX = never */
    uint32_t slot;      /* MS_REUSE_NONE = none was taken yet */
    uint32_t size;      /* of its entry; 0 = there is none */
    uint32_t reads;     /* of it */
    bool is_used;       /* this struct is */
    bool was_missed;    /* by the last read, and not written since */
};

struct ms_reuse {
    uint32_t capacity; /* keys; a power of two */
    uint32_t count;
    uint64_t threshold;
    uint64_t horizon; /* bytes; 0 = none, keys are never dropped for their distance */
    struct ms_followed *keys;
    uint32_t *free_keys; /* numbers of those that are not used */
    uint32_t *table;     /* of the numbers + 1, by hash; 2 * capacity */
    uint32_t *slot_keys; /* the number + 1 of each slot's key; 2 * capacity, like the sizes */
    uint32_t *slot_sizes;
    uint64_t *block_bytes;
    uint32_t *block_counts;
    uint32_t next_slot, oldest_slot;
    uint64_t held_bytes; /* of all keys in slots */
    uint32_t held;
    struct ms_curve bytes, entries;
    /* Of keys that are not followed any more: weights of all, and of those read once. */
    double gone, gone_read_once;
    /* Told before a key's number is used anew. */
    void (*on_drop)(void *context, uint32_t key);
    void *context;
};

static inline size_t ms_reuse_bytes(uint32_t capacity)
{
    return capacity * (sizeof(struct ms_followed) + 7 * sizeof(uint32_t)) +
           (2 * capacity / MS_REUSE_BLOCK + 1) * (sizeof(uint64_t) + sizeof(uint32_t)) + 8;
}

/* `memory` is zeroed, aligned to 8 bytes, and stays the caller's. */
void ms_reuse_init(struct ms_reuse *reuse, uint32_t capacity, uint64_t threshold, void *memory);

static inline bool ms_reuse_follows(const struct ms_reuse *reuse, uint64_t hash)
{
    return (uint32_t)hash < reuse->threshold;
}

/* How many keys each followed one stands for. */
static inline double ms_reuse_weight(const struct ms_reuse *reuse)
{
    return (double)MS_REUSE_ALL / (double)reuse->threshold;
}

/* The number of a followed key, which is made one if need be. MS_REUSE_NONE when the threshold had
 * to be lowered below its hash. */
uint32_t ms_reuse_key(struct ms_reuse *reuse, uint64_t hash);
/* Lower the threshold by a step, to `least` at most, which is below it: fewer keys are followed. */
void ms_reuse_lower(struct ms_reuse *reuse, uint64_t least);
/* The key is read: adds its distance to the curves. `can_hit`: no cache can, otherwise. */
void ms_reuse_read(struct ms_reuse *reuse, uint32_t key, bool can_hit);
/* The key is referenced: what was referenced since counts from here on; its entry has `size` bytes
 * now. 0 = it is not there any more. */
void ms_reuse_touch(struct ms_reuse *reuse, uint32_t key, uint32_t size);
/* The share of keys read once at most. */
double ms_reuse_read_once(const struct ms_reuse *reuse);

#endif
