/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/kept.h"
#include "support/criterion.h"

Test(kept, a_value_is_there_until_its_last_view_is_released)
{
    atomic_uint_least64_t bytes = 0;
    memstore_view view;

    cr_assert(ms_kept_make(&bytes, 100, "value", 5, false, &view));
    cr_assert(ms_view_is_kept(&view) && view.size == 5 && memcmp(view.data, "value", 5) == 0);
    cr_assert_eq(bytes, 5);
    ms_kept_share(&view);
    ms_kept_release(&view);
    cr_assert(bytes == 5 && memcmp(view.data, "value", 5) == 0);
    ms_kept_release(&view);
    cr_assert_eq(bytes, 0);
}

Test(kept, all_values_together_stay_within_the_bound)
{
    atomic_uint_least64_t bytes = 0;
    memstore_view one, two;

    cr_assert(!ms_kept_make(&bytes, 4, "value", 5, false, &one));
    cr_assert(ms_kept_make(&bytes, 9, "value", 5, false, &one));
    cr_assert(!ms_kept_make(&bytes, 9, "value", 5, false, &two));
    cr_assert(ms_kept_make(&bytes, 9, "four", 4, false, &two));
    ms_kept_release(&one);
    ms_kept_release(&two);
    cr_assert_eq(bytes, 0);
}

Test(kept, an_empty_value_is_a_value)
{
    atomic_uint_least64_t bytes = 0;
    memstore_view view;

    cr_assert(ms_kept_make(&bytes, 0, NULL, 0, false, &view));
    cr_assert(view.data != NULL && view.size == 0);
    ms_kept_release(&view);
}
