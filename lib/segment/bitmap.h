/* SPDX-License-Identifier: Apache-2.0 */
/* Bits in words of 64, searched and changed a word at a time. No lock of its own. */
#ifndef MS_SEGMENT_BITMAP_H
#define MS_SEGMENT_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first bit in [from, end) that has this value; `end` when there is none. */
size_t ms_bitmap_find(const uint64_t *words, size_t from, size_t end, bool value);

/* How many of `n` bits from `first` on are set. */
size_t ms_bitmap_count(const uint64_t *words, size_t first, size_t n);

/* Give `n` bits from `first` on this value. */
void ms_bitmap_fill(uint64_t *words, size_t first, size_t n, bool value);

#endif
