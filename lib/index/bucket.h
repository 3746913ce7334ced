/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket of the index: one cache line, ten slots.
 *
 *     0              16     20         24                                              64
 *     +--------------+------+----------+----------+----------+- - - - - -+----------+
 *     | tags 0..7    | 8, 9 | overflow | place 0  | place 1  |           | place 9  |
 *     +--------------+------+----------+----------+----------+- - - - - -+----------+
 *
 * A slot is a 16-bit tag of the hash and a 32-bit place in the arena; place 0 is an empty slot.
 * Tags are compared all at once. Six bytes a slot instead of eight for a tagged pointer are a
 * quarter more entries per cache line.
 *
 * BK-1  A tag is stored before its place; it is meaningless while the place is 0.
 * BK-2  `overflow` counts the entries that passed this bucket on their way from their home to
 *       where they are. */
#ifndef MS_INDEX_BUCKET_H
#define MS_INDEX_BUCKET_H

#include "platform/atomic.h"
#include "platform/compiler.h"

#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define MS_BUCKET_SLOTS 10

struct ms_bucket {
    atomic_uint_least64_t tags[2];
    atomic_uint_least32_t last_tags;
    atomic_uint_least32_t overflow;
    atomic_uint_least32_t places[MS_BUCKET_SLOTS];
};

_Static_assert(sizeof(struct ms_bucket) == MS_CACHE_LINE, "a bucket is one cache line");

#define MS_TAG_LANES UINT64_C(0x0001000100010001)
#define MS_TAG_HIGHS UINT64_C(0x8000800080008000)

/* The high bit of each 16-bit lane of `word` that equals the lane of `lanes`. A lane above an
 * equal one may be reported wrongly (the subtraction borrows); it costs a look at its place, no
 * more. */
static inline uint64_t ms_tags_equal(uint64_t word, uint64_t lanes)
{
    const uint64_t x = word ^ lanes;

    return (x - MS_TAG_LANES) & ~x & MS_TAG_HIGHS;
}

/* One bit in ten for each slot whose tag may be `tag`, slot 0 lowest.
 *
 * ORDER: acquire, pairs with the release in ms_bucket_set_tag(). A tag that is seen too early or
 * too late is made good by the place and by the key; but who misses a key, because its slot shows
 * another tag, sees also what came before the slot was given away, such as the rest of a batch
 * that has emptied it. To the processors with SSE2 every load is an acquire. A lookup that starts
 * after an insert has returned sees the tag, because it sees the place that was released after
 * it. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
MS_ALWAYS_INLINE unsigned ms_bucket_candidates(const struct ms_bucket *bucket, uint16_t tag)
{
    /* Two loads: tags 0..7, and tags 8 and 9 with what follows them, which is masked out. Lanes
     * of sixteen bits are written whole, so each is some value that was stored. */
    const __m128i wanted = _mm_set1_epi16((short)tag);
    const __m128i *quarters = (const __m128i *)bucket;
    const __m128i low = _mm_cmpeq_epi16(_mm_load_si128(&quarters[0]), wanted);
    const __m128i high = _mm_cmpeq_epi16(_mm_load_si128(&quarters[1]), wanted);
    const unsigned equal = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high));

    return equal & ((1u << MS_BUCKET_SLOTS) - 1);
}
#else
MS_ALWAYS_INLINE unsigned ms_bucket_candidates(const struct ms_bucket *bucket, uint16_t tag)
{
    const uint64_t lanes = tag * MS_TAG_LANES;
    const uint64_t low = ms_tags_equal(ms_load_acquire(&bucket->tags[0]), lanes);
    const uint64_t middle = ms_tags_equal(ms_load_acquire(&bucket->tags[1]), lanes);
    const uint64_t high = ms_tags_equal(ms_load_acquire(&bucket->last_tags), lanes) & UINT32_MAX;

    /* Multiplying gathers the four high bits, 16 apart, into adjacent ones. */
    const uint64_t gather = UINT64_C(0x0000200040008001);
    return (unsigned)((((low >> 15) * gather) >> 45 & 0xf) |
                      (((middle >> 15) * gather) >> 45 & 0xf) << 4 |
                      (((high >> 15) * gather) >> 45 & 0x3) << 8);
}
#endif

/* The place in the first of some slots, not none.
 *
 * ORDER: acquire, pairs with the release of the writer: the entry is written. */
MS_ALWAYS_INLINE uint32_t ms_bucket_first_place(const struct ms_bucket *bucket, unsigned slots)
{
    const atomic_uint_least32_t *at =
        (const atomic_uint_least32_t *)bucket + (unsigned)__builtin_ctz(slots);

    /* The offset of the places is to be part of the load, not of the number. */
    ms_keep_in_order(at);
    return ms_load_acquire(&at[offsetof(struct ms_bucket, places) / sizeof *at]);
}

/* One bit in ten for each empty slot. Shard lock held. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
MS_ALWAYS_INLINE unsigned ms_bucket_empty_slots(const struct ms_bucket *bucket)
{
    const char *const places = (const char *)bucket->places;
    const __m128i none = _mm_setzero_si128();
    const __m128i low = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)places), none);
    const __m128i middle = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(places + 16)), none);
    const __m128i high = _mm_cmpeq_epi32(_mm_loadl_epi64((const __m128i *)(places + 32)), none);
    const __m128i words =
        _mm_packs_epi16(_mm_packs_epi32(low, middle), _mm_packs_epi32(high, none));

    return (unsigned)_mm_movemask_epi8(words) & ((1u << MS_BUCKET_SLOTS) - 1);
}
#else
MS_ALWAYS_INLINE unsigned ms_bucket_empty_slots(const struct ms_bucket *bucket)
{
    unsigned empty = 0;

    for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++)
        empty |= (unsigned)(ms_load_relaxed(&bucket->places[i]) == 0) << i;
    return empty;
}
#endif

/* ORDER: release, pairs with the acquire in ms_bucket_candidates(). */
static inline void ms_bucket_set_tag(struct ms_bucket *bucket, unsigned slot, uint16_t tag)
{
    if (slot >= 8) {
        const uint32_t shift = (slot - 8) * 16;
        const uint32_t word = ms_load_relaxed(&bucket->last_tags) & ~(UINT32_C(0xffff) << shift);
        ms_store_release(&bucket->last_tags, word | (uint32_t)tag << shift);
    } else {
        const unsigned shift = slot % 4 * 16;
        const uint64_t word =
            ms_load_relaxed(&bucket->tags[slot / 4]) & ~(UINT64_C(0xffff) << shift);
        ms_store_release(&bucket->tags[slot / 4], word | (uint64_t)tag << shift);
    }
}

#endif
