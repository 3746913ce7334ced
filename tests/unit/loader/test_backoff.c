/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/backoff.h"
#include "support/criterion.h"

Test(backoff, doubles_from_the_initial_pause_up_to_the_longest)
{
    const int64_t longest[] = {10, 20, 40, 80, 100, 100};

    for (uint32_t attempt = 1; attempt <= 6; attempt++)
        cr_assert_eq(ms_backoff_longest(attempt, 10, 100), longest[attempt - 1]);
    cr_assert_eq(ms_backoff_longest(1, 500, 100), 100);
    cr_assert_eq(ms_backoff_longest(1000, 0, 100), 0);
}

Test(backoff, never_overflows)
{
    cr_assert_eq(ms_backoff_longest(UINT32_MAX, 3, INT64_MAX), INT64_MAX);
}

Test(backoff, pauses_take_every_length_from_none_to_the_longest)
{
    bool seen[5] = {false};

    for (uint64_t random = 0; random < 1000; random++) {
        const int64_t pause = ms_backoff_pause(3, 1, 100, random * UINT64_C(0x9e3779b97f4a7c15));

        cr_assert(pause >= 0 && pause <= 4);
        seen[pause] = true;
    }
    for (unsigned i = 0; i < 5; i++)
        cr_assert(seen[i]);
}
