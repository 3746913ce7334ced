/* SPDX-License-Identifier: Apache-2.0 */
#include "util/bytes.h"

#include <criterion/criterion.h>

Test(bytes, are_equal_when_size_and_content_are)
{
    cr_assert(ms_bytes_equal(ms_bytes("abc", 3), ms_bytes_of("abc")));
    cr_assert_not(ms_bytes_equal(ms_bytes("abc", 3), ms_bytes("abd", 3)));
    cr_assert_not(ms_bytes_equal(ms_bytes("abc", 3), ms_bytes("abc", 2)));
}

Test(bytes, compare_past_a_nul)
{
    cr_assert(ms_bytes_equal(ms_bytes("a\0b", 3), ms_bytes("a\0b", 3)));
    cr_assert_not(ms_bytes_equal(ms_bytes("a\0b", 3), ms_bytes("a\0c", 3)));
}

Test(bytes, none_equal_none_wherever_they_are_not)
{
    cr_assert(ms_bytes_equal(ms_bytes(NULL, 0), ms_bytes("", 0)));
    cr_assert_not(ms_bytes_equal(ms_bytes(NULL, 0), ms_bytes("a", 1)));
}
