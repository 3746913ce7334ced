/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of 17 to 32 bytes, the sizes that most keys of a ledger have (addresses, hashes, both with a
 * prefix): held in two registers, from which they are hashed and compared without being loaded
 * again.
 *
 * The hash is XXH3's for these sizes (Collet, https://github.com/Cyan4973/xxHash, the specification
 * in doc/xxhash_spec.md): two 16-byte pieces, which may overlap, each combined with the secret and
 * folded by a multiplication. It equals what the library gives. */
#ifndef MS_UTIL_QUICK_KEY_H
#define MS_UTIL_QUICK_KEY_H

#include "util/hash.h"

#include <stdbool.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline bool ms_is_quick_size(size_t size)
{
    return size - 17 < 16;
}

/* Sixteen bytes in a register. */
#if defined(__SSE2__)
typedef __m128i ms_piece;

MS_ALWAYS_INLINE ms_piece ms_piece_load(const void *at)
{
    return _mm_loadu_si128(at);
}

MS_ALWAYS_INLINE ms_piece ms_piece_xor(ms_piece piece, const uint64_t words[2])
{
    return _mm_xor_si128(piece, *(const __m128i *)words);
}

MS_ALWAYS_INLINE uint64_t ms_piece_low(ms_piece piece)
{
    return (uint64_t)_mm_cvtsi128_si64(piece);
}

MS_ALWAYS_INLINE uint64_t ms_piece_high(ms_piece piece)
{
    /* Not unpackhi: that would depend on what the target register held before, which may be a value
     * that is still on its way from memory. */
    return (uint64_t)_mm_cvtsi128_si64(_mm_shuffle_epi32(piece, 0xee));
}

MS_ALWAYS_INLINE bool ms_pieces_equal(ms_piece a, ms_piece b, ms_piece c, ms_piece d)
{
    const __m128i both = _mm_and_si128(_mm_cmpeq_epi8(a, b), _mm_cmpeq_epi8(c, d));

    return _mm_movemask_epi8(both) == 0xffff;
}
#else
typedef struct {
    uint64_t low, high;
} ms_piece;

MS_ALWAYS_INLINE ms_piece ms_piece_load(const void *at)
{
    ms_piece piece;

    memcpy(&piece, at, sizeof piece);
    return piece;
}

MS_ALWAYS_INLINE ms_piece ms_piece_xor(ms_piece piece, const uint64_t words[2])
{
    return (ms_piece){piece.low ^ words[0], piece.high ^ words[1]};
}

MS_ALWAYS_INLINE uint64_t ms_piece_low(ms_piece piece)
{
    return piece.low;
}

MS_ALWAYS_INLINE uint64_t ms_piece_high(ms_piece piece)
{
    return piece.high;
}

MS_ALWAYS_INLINE bool ms_pieces_equal(ms_piece a, ms_piece b, ms_piece c, ms_piece d)
{
    return ((a.low ^ b.low) | (a.high ^ b.high) | (c.low ^ d.low) | (c.high ^ d.high)) == 0;
}
#endif

struct ms_quick_key {
    ms_piece first; /* bytes 0 to 15 */
    ms_piece last;  /* the last sixteen */
    size_t size;
};

MS_ALWAYS_INLINE struct ms_quick_key ms_quick_key(const void *key, size_t size)
{
    return (struct ms_quick_key){ms_piece_load(key), ms_piece_load((const char *)key + size - 16),
                                 size};
}

#define MS_XXH_PRIME64_1 UINT64_C(0x9e3779b185ebca87)
/* Times each size: adding it is one instruction, multiplying three. */
#define MS_SIZE(n) ((n) * MS_XXH_PRIME64_1)
static const uint64_t ms_quick_sizes[16] = {
    MS_SIZE(17), MS_SIZE(18), MS_SIZE(19), MS_SIZE(20), MS_SIZE(21), MS_SIZE(22),
    MS_SIZE(23), MS_SIZE(24), MS_SIZE(25), MS_SIZE(26), MS_SIZE(27), MS_SIZE(28),
    MS_SIZE(29), MS_SIZE(30), MS_SIZE(31), MS_SIZE(32),
};
#undef MS_SIZE

#define MS_XXH3_AVALANCHE UINT64_C(0x165667919e3779f9)

MS_ALWAYS_INLINE uint64_t ms_piece_fold(ms_piece piece, const uint64_t secret[2])
{
    const ms_piece mixed = ms_piece_xor(piece, secret);
    const unsigned __int128 product = (unsigned __int128)ms_piece_low(mixed) * ms_piece_high(mixed);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash by a hasher of kind MS_HASH_XXH3. */
MS_ALWAYS_INLINE uint64_t ms_quick_key_hash(const struct ms_hasher *hasher, struct ms_quick_key key)
{
    uint64_t hash = ms_piece_fold(key.first, hasher->secret) + ms_quick_sizes[key.size - 17];

    /* One after the other: side by side they take two more registers, which have to be saved. */
    ms_keep_in_order(hash);
    hash += ms_piece_fold(key.last, hasher->secret + 2);
    hash ^= hash >> 37;
    hash *= MS_XXH3_AVALANCHE;
    return hash ^ hash >> 32;
}

/* Whether the key.size bytes at `bytes` are the key. */
MS_ALWAYS_INLINE bool ms_quick_key_is(struct ms_quick_key key, const char *bytes)
{
    return ms_pieces_equal(key.first, ms_piece_load(bytes), key.last,
                           ms_piece_load(bytes + key.size - 16));
}

#endif
