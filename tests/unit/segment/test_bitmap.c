/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/bitmap.h"

#include "unit/random.h"

#include <criterion/criterion.h>

#define BITS 320

static uint64_t words[BITS / 64];

static bool is_set(size_t bit)
{
    return words[bit / 64] >> bit % 64 & 1;
}

static size_t find_slowly(size_t from, size_t end, bool value)
{
    while (from < end && is_set(from) != value)
        from++;
    return from;
}

static size_t count_slowly(size_t first, size_t n)
{
    size_t count = 0;

    for (size_t bit = first; bit < first + n; bit++)
        count += is_set(bit);
    return count;
}

Test(bitmap, the_first_bit_of_a_value_is_found_across_words)
{
    ms_bitmap_fill(words, 63, 130, true);
    cr_assert_eq(ms_bitmap_find(words, 0, BITS, true), 63);
    cr_assert_eq(ms_bitmap_find(words, 63, BITS, false), 193);
    cr_assert_eq(ms_bitmap_find(words, 193, BITS, true), BITS, "there is none");
    cr_assert_eq(ms_bitmap_find(words, 0, 63, true), 63, "nor before the end");
    cr_assert_eq(ms_bitmap_find(words, 70, 70, true), 70, "nor in nothing");
}

Test(bitmap, whole_words_can_be_filled)
{
    ms_bitmap_fill(words, 0, BITS, true);
    cr_assert_eq(ms_bitmap_find(words, 0, BITS, false), BITS);
    ms_bitmap_fill(words, 64, 64, false);
    cr_assert_eq(ms_bitmap_find(words, 0, BITS, false), 64);
    cr_assert_eq(ms_bitmap_find(words, 64, BITS, true), 128);
}

Test(bitmap, finds_and_fills_as_one_bit_after_the_other_would)
{
    struct unit_random random = unit_random_start("bitmap");
    bool model[BITS] = {false};

    for (int round = 0; round < 20000; round++) {
        const size_t first = unit_random_below(&random, BITS);
        const size_t n = unit_random_below(&random, BITS - first + 1);
        const bool value = unit_random_below(&random, 2) != 0;

        if (unit_random_below(&random, 3) == 0) {
            ms_bitmap_fill(words, first, n, value);
            for (size_t bit = first; bit < first + n; bit++)
                model[bit] = value;
        }
        cr_assert_eq(ms_bitmap_find(words, first, first + n, value),
                     find_slowly(first, first + n, value));
        cr_assert_eq(ms_bitmap_count(words, first, n), count_slowly(first, n));
        const size_t bit = unit_random_below(&random, BITS);
        cr_assert_eq(is_set(bit), model[bit]);
    }
}
