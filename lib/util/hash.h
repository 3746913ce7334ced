/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing of keys, seeded per store.
 *
 * All 64 bits of a result are used, each range on its own, so each must be well mixed:
 *
 *     63          48 47          32 31                          0
 *     |    shard   |      tag     |           bucket            |
 *
 * XXH3 is that by itself. FNV-1a and CRC-32 are not (CRC-32 has but 32 bits), so they end in a
 * 64-bit mixer.
 *
 * H-1  Equal kind, seed and bytes give an equal hash, in every thread and every process on
 *      machines of one byte order.
 * H-2  Two stores with different seeds put the same keys elsewhere. For keys chosen by an
 *      attacker only XXH3 will do: keys that collide under CRC-32 do so under every seed, and those
 *      that do under FNV-1a are easily found. */
#ifndef MS_UTIL_HASH_H
#define MS_UTIL_HASH_H

#include "platform/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum ms_hash_kind { MS_HASH_XXH3, MS_HASH_FNV, MS_HASH_CRC32 };

struct ms_hasher {
    /* What XXH3 combines with keys of 17 to 32 bytes: the first words of its secret with the seed
     * in them, worked out once instead of for every key. */
    uint64_t secret[4] MS_ALIGNED(16);
    enum ms_hash_kind kind;
    uint64_t seed;
};

struct ms_hasher ms_hasher_of(enum ms_hash_kind kind, uint64_t seed);

#define MS_FNV1A_BASIS UINT64_C(0xcbf29ce484222325)

/* The published functions. FNV-1a 64 starts from `basis`; CRC-32 is that of IEEE 802.3 and
 * continues `crc`, 0 at first. */
uint64_t ms_fnv1a(uint64_t basis, const void *data, size_t size);
uint32_t ms_crc32(uint32_t crc, const void *data, size_t size);

/* Every input bit changes each output bit with a probability near one half; a bijection
 * (MurmurHash3's finaliser, constants of splitmix64). */
static inline uint64_t ms_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The hash of a key of any size. */
uint64_t ms_hash(const struct ms_hasher *hasher, const void *key, size_t size);

#endif
