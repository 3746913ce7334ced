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

void ms_bitmap_fill(uint64_t *words, size_t first, size_t n, bool value)
{
    const size_t end = first + n;

    while (first < end) {
        const size_t bit = first % 64;
        const size_t count = end - first < 64 - bit ? end - first : 64 - bit;
        const uint64_t mask = ~UINT64_C(0) >> (64 - count) << bit;

        if (value)
            words[first / 64] |= mask;
        else
            words[first / 64] &= ~mask;
        first += count;
    }
}
