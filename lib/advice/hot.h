/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that are used most, by Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient computation
 * of frequent and top-k elements in data streams", ICDT 2005), whose counts decay (Cormode, Korn,
 * Tirthapura: "Exponentially decayed aggregates on data streams", ICDE 2008), in steps, as those of TinyLFU
 * (Einziger, Friedman, Manes, ACM Transactions on Storage 13, 2017) do: what was noted before a halving is
 * half as often from then on.
 *
 * HO-1  A key that was noted more often than noted / MS_HOT_KEYS + 1 times is among the keys: the 1 is for what
 *       halving rounds.
 * HO-2  A key's count is at least how often it was noted, and at most `error` more. */
#ifndef MS_ADVICE_HOT_H
#define MS_ADVICE_HOT_H

#include <stddef.h>
#include <stdint.h>

#define MS_HOT_KEYS 64
#define MS_HOT_KEY_BYTES 64 /* of a longer key only the beginning is kept */
/* Counts are halved once in this time at most, and not before so much is noted that half of it tells enough. */
#define MS_HOT_HALF_LIFE_MS (10 * 60 * 1000)
#define MS_HOT_ENOUGH 4096

struct ms_hot_key {
    uint64_t hash;
    uint64_t count, error;
    uint32_t key_size; /* of all of it */
    char key[MS_HOT_KEY_BYTES];
};

struct ms_hot {
    uint64_t noted;
    int64_t aged_ms; /* when counts were halved last, or what is noted began; 0 = not yet */
    uint32_t used;
    /* The least count there is, or was; where it was found last: the next key is there, or further on. */
    uint64_t least;
    uint32_t least_at;
    /* Keys whose hashes have the same lowest bits are a chain: the first one's place + 1, and of each the
     * next one's; 0 = none. */
    uint8_t first[MS_HOT_KEYS], next[MS_HOT_KEYS];
    /* What is searched, side by side; hashes[i] and counts[i] are of keys[i], where they are not
     * kept up to date. */
    uint64_t hashes[MS_HOT_KEYS], counts[MS_HOT_KEYS];
    struct ms_hot_key keys[MS_HOT_KEYS];
};

/* As at first; nothing of a key is left. */
void ms_hot_forget(struct ms_hot *hot);
void ms_hot_note(struct ms_hot *hot, uint64_t hash, const void *key, size_t key_size);
/* It is so late now: what was noted long ago counts less. */
void ms_hot_age(struct ms_hot *hot, int64_t now_ms);
/* The keys, most used first, for `most` of which `out` has room. Returns how many. */
uint32_t ms_hot_sorted(const struct ms_hot *hot, struct ms_hot_key *out, uint32_t most);

#endif
