/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/bitmap.h"

size_t ms_bitmap_find(const uint64_t *words, size_t from, size_t end, bool value)
{
    const uint64_t flip = value ? 0 : ~UINT64_C(0);

    while (from < end) {
        const uint64_t left = (words[from / 64] ^ flip) >> from % 64;
        if (left != 0) {
            from += (size_t)__builtin_ctzll(left);
            break;
        }
        from = (from / 64 + 1) * 64;
    }
    return from < end ? from : end;
}

/* The bits of one word from `first` on, up to `end`; *n is how many they are. */
static uint64_t mask_of(size_t first, size_t end, size_t *n)
{
    const size_t bit = first % 64;

    *n = end - first < 64 - bit ? end - first : 64 - bit;
    return ~UINT64_C(0) >> (64 - *n) << bit;
}

size_t ms_bitmap_count(const uint64_t *words, size_t first, size_t n)
{
    const size_t end = first + n;
    size_t count = 0;

    for (size_t in_word; first < end; first += in_word) {
        const uint64_t mask = mask_of(first, end, &in_word);
        count += (size_t)__builtin_popcountll(words[first / 64] & mask);
    }
    return count;
}

void ms_bitmap_fill(uint64_t *words, size_t first, size_t n, bool value)
{
    const size_t end = first + n;

    for (size_t in_word; first < end; first += in_word) {
        const uint64_t mask = mask_of(first, end, &in_word);

        if (value)
            words[first / 64] |= mask;
        else
            words[first / 64] &= ~mask;
    }
}
