/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that are used most, by Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient computation
 * of frequent and top-k elements in data streams", ICDT 2005).
 *
 * HO-1  A key that was noted more often than noted / MS_HOT_KEYS times is among the keys.
 * HO-2  A key's count is at least how often it was noted, and at most `error` more. */
#ifndef MS_ADVICE_HOT_H
#define MS_ADVICE_HOT_H

#include <stddef.h>
#include <stdint.h>

#define MS_HOT_KEYS 64
#define MS_HOT_KEY_BYTES 64 /* of a longer key only the beginning is kept */

struct ms_hot_key {
    uint64_t hash;
    uint64_t count, error;
    uint32_t key_size; /* of all of it */
    char key[MS_HOT_KEY_BYTES];
};

struct ms_hot {
    uint64_t noted;
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
/* The keys, most used first; `out` has room for MS_HOT_KEYS. Returns how many. */
uint32_t ms_hot_sorted(const struct ms_hot *hot, struct ms_hot_key *out);

#endif
