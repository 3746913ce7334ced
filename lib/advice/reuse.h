/* SPDX-License-Identifier: Apache-2.0 */
/* Reuse distances of a sample of the keys, in bytes: SHARDS (Waldspurger, Park, Garthwaite, Ahmad:
 * "Efficient MRC construction with SHARDS", FAST 2015).
 *
 * A key is followed when the lower half of its hash is below a threshold: all of its references are
 * in the sample, or none. The distance of a reference is what was referenced since the key was the
 * last time, divided by the share of keys that are followed. When there is no room for another key,
 * the one without an entry referenced longest ago makes way: no size would have it. Where each has
 * one, the one referenced longest ago does if its distance is beyond the horizon, the largest size
 * that the curve is asked about; else the threshold is lowered.
 *
 *     slots, by time:    | a |   | c | b |   | d | next ...
 *     sizes:               8   0   4   9   0   1
 *     sums of blocks:    |  of 32 slots  | ...
 *     sums of groups:    |  of 32 blocks      | ...
 *
 * What comes after a slot is summed up from the rest of its block, of its group and of all groups: three
 * runs of 32 numbers side by side, where a tree would take many steps, each to another line. Of a slot that is
 * left nothing but its size is taken back, the half of its block that is summed up anyway: what else is
 * kept of it is told to be old by the key, which has another slot.
 *
 * RU-1  A followed key that is in the cache (its size is not 0) has the slot of its last reference,
 *       with its size there. The others are listed, by the time of their last reference.
 * RU-2  All followed keys have hashes below the threshold, which only falls. */
#ifndef MS_ADVICE_REUSE_H
#define MS_ADVICE_REUSE_H

#include "advice/curve.h"

#include <stdbool.h>
#include <stddef.h>

#define MS_REUSE_ALL (UINT64_C(1) << 32) /* the threshold below which every hash is */
#define MS_REUSE_NONE UINT32_MAX
#define MS_REUSE_RUN 32 /* slots of a block, blocks of a group, groups */
#define MS_REUSE_GROUP (MS_REUSE_RUN * MS_REUSE_RUN)
#define MS_REUSE_KEYS_MAX (MS_REUSE_RUN * MS_REUSE_GROUP / 2) /* there are two slots for each */

struct ms_followed {
    uint64_t hash;
    uint32_t slot;   /* MS_REUSE_NONE = none was taken yet */
    uint32_t size;   /* of its entry; 0 = there is none */
    uint32_t reads;  /* of it */
    bool is_used;    /* this struct is */
    bool was_missed; /* by the last read, and not written since; the pattern's (pattern.h) */
    union {
        /* Without an entry: where it is listed, the numbers + 1 of those beside it. */
        struct {
            uint32_t older, newer;
        };
        /* With one: when it was written; 0 = that was not seen. The pattern's, but forgotten with the entry. */
        int64_t written_ms;
    };
};
_Static_assert(sizeof(struct ms_followed) == 32, "two to a cache line");

struct ms_reuse {
    uint32_t capacity; /* keys; a power of two */
    uint32_t count;
    uint32_t numbers;   /* of keys, from which on none was used yet */
    uint64_t threshold; /* ms_reuse_set_threshold() writes it and what follows from it */
    double weight;      /* how many keys each followed one stands for */
    uint64_t horizon;   /* bytes; 0 = none, keys are never dropped for their distance */
    struct ms_followed *keys;
    uint32_t *free_keys;  /* numbers of those that are not used */
    uint32_t *table;      /* of the numbers + 1, by hash; 2 * capacity */
    uint32_t *slot_sizes; /* 2 * capacity */
    uint32_t *slot_keys;  /* the number + 1 of the key that each slot had last; as many */
    uint64_t *block_bytes;
    uint64_t group_bytes[MS_REUSE_RUN];
    uint32_t next_slot, oldest_slot;
    /* The numbers + 1 of keys without an entry; 0 = each has one. */
    uint32_t oldest_absent, newest_absent;
    uint64_t held_bytes; /* of all keys in slots */
    uint32_t held;
    struct ms_curve curve;
    /* Of keys that are not followed any more: weights of all, and of those read once. */
    double gone, gone_read_once;
    /* Told before a key's number is used anew. */
    void (*on_drop)(void *context, uint32_t key);
    void *context;
};

/* Blocks, those that the last group has beyond the slots included. */
static inline uint32_t ms_reuse_blocks(uint32_t capacity)
{
    return (2 * capacity + MS_REUSE_GROUP - 1) / MS_REUSE_GROUP * MS_REUSE_RUN;
}

static inline size_t ms_reuse_bytes(uint32_t capacity)
{
    return capacity * (sizeof(struct ms_followed) + 7 * sizeof(uint32_t)) +
           ms_reuse_blocks(capacity) * sizeof(uint64_t);
}

/* `memory` is zeroed, aligned to 8 bytes, and stays the caller's; there are from
 * 16 to MS_REUSE_KEYS_MAX keys. */
void ms_reuse_init(struct ms_reuse *reuse, uint32_t capacity, uint64_t threshold, void *memory);

static inline bool ms_reuse_follows(const struct ms_reuse *reuse, uint64_t hash)
{
    return (uint32_t)hash < reuse->threshold;
}

void ms_reuse_set_threshold(struct ms_reuse *reuse, uint64_t threshold);

/* The next references are of keys with these hashes: what is kept of them is fetched into the
 * processor's caches, all of it at a time. `numbers` gets those of the keys, or MS_REUSE_NONE, which are
 * only likely: to fetch more by. */
void ms_reuse_expect(const struct ms_reuse *reuse, const uint64_t *hashes, uint32_t *numbers,
                     uint32_t n);
/* Where a key belongs in the table: by the half of its hash that does not say whether it is followed. */
static inline uint32_t ms_reuse_home(const struct ms_reuse *reuse, uint64_t hash)
{
    return (uint32_t)(hash >> 32) & (2 * reuse->capacity - 1);
}

/* The place of a hash in the table, or the free one where it belongs. */
static inline uint32_t ms_reuse_find(const struct ms_reuse *reuse, uint64_t hash)
{
    uint32_t at = ms_reuse_home(reuse, hash);

    while (reuse->table[at] != 0 && reuse->keys[reuse->table[at] - 1].hash != hash)
        at = (at + 1) & (2 * reuse->capacity - 1);
    return at;
}

uint32_t ms_reuse_add(struct ms_reuse *reuse, uint64_t hash);
/* The number of a followed key, which is made one if need be. MS_REUSE_NONE when the threshold had
 * to be lowered below its hash. */
static inline uint32_t ms_reuse_key(struct ms_reuse *reuse, uint64_t hash)
{
    const uint32_t number = reuse->table[ms_reuse_find(reuse, hash)];

    return number != 0 ? number - 1 : ms_reuse_add(reuse, hash);
}

/* Lower the threshold by a step, to `least` at most, which is below it: fewer keys are followed. */
void ms_reuse_lower(struct ms_reuse *reuse, uint64_t least);
/* The key is read: adds its distance to the curve. `can_hit`: no cache can, otherwise. Returns the bytes
 * of followed keys that a cache has to hold for it, UINT64_MAX = none would do. */
uint64_t ms_reuse_read(struct ms_reuse *reuse, uint32_t key, bool can_hit);
/* The key is referenced: what was referenced since counts from here on; its entry has `size` bytes
 * now. 0 = it is not there any more. */
void ms_reuse_touch(struct ms_reuse *reuse, uint32_t key, uint32_t size);
/* The share of keys read once at most. */
double ms_reuse_read_once(const struct ms_reuse *reuse);

#endif
