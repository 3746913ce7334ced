/* SPDX-License-Identifier: Apache-2.0 */
#include "util/hash.h"

#include "util/quick_key.h"

#include <string.h>

#define FNV1A_PRIME UINT64_C(0x100000001b3)

uint64_t ms_fnv1a(uint64_t basis, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t hash = basis;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * FNV1A_PRIME;
    return hash;
}

static uint64_t hash_fnv(uint64_t seed, const void *key, size_t size)
{
    /* The seed goes through the mixer first, so that seeds 1 and 2 do not start from almost the
     * same basis. */
    return ms_mix64(ms_fnv1a(MS_FNV1A_BASIS ^ ms_mix64(seed), key, size));
}

static uint64_t hash_crc32(uint64_t seed, const void *key, size_t size)
{
    /* CRC-32 of equally long keys differs by the same bits under every start value, so seeding the
     * CRC itself would move keys and mix nothing. The size and the seed enter at the mixer, which
     * is a bijection: what collides is what CRC-32 lets collide, and nothing more. */
    const uint64_t crc = ms_crc32(0, key, size);

    return ms_mix64((crc | (uint64_t)size << 32) ^ ms_mix64(seed));
}

struct ms_hasher ms_hasher_of(enum ms_hash_kind kind, uint64_t seed)
{
    struct ms_hasher hasher = {.kind = kind, .seed = seed};
    unsigned char secret[XXH3_SECRET_DEFAULT_SIZE];

    XXH3_generateSecret_fromSeed(secret, seed);
    memcpy(hasher.secret, secret, sizeof hasher.secret);
    return hasher;
}

uint64_t ms_hash(const struct ms_hasher *hasher, const void *key, size_t size)
{
    switch (hasher->kind) {
    case MS_HASH_XXH3:
        if (ms_likely(ms_is_quick_size(size)))
            return ms_quick_key_hash(hasher, ms_quick_key(key, size));
        return XXH3_64bits_withSeed(key, size, hasher->seed);
    case MS_HASH_FNV:
        return hash_fnv(hasher->seed, key, size);
    case MS_HASH_CRC32:
        return hash_crc32(hasher->seed, key, size);
    }
    __builtin_unreachable();
}
