/* SPDX-License-Identifier: Apache-2.0 */
#include "expiry/ttl_class.h"

#include "unit/random.h"

#include <criterion/criterion.h>

#define NOW INT64_C(123456789)
#define SECOND INT64_C(1000)
#define DAY (INT64_C(86400) * SECOND)

Test(ttl_class, what_never_expires_has_class_0_to_itself)
{
    for (uint32_t classes = 2; classes <= 40; classes++) {
        cr_assert_eq(ms_ttl_class(MS_NEVER, NOW, classes), 0);
        for (int64_t ttl = 1; ttl < 1000 * DAY; ttl *= 3)
            cr_assert_neq(ms_ttl_class(NOW + ttl, NOW, classes), 0);
    }
}

Test(ttl_class, there_is_a_class_for_every_expiry)
{
    static const int64_t expiries[] = {INT64_MIN / 2, -1,      0,         NOW - DAY,    NOW - 1,
                                       NOW,           NOW + 1, NOW + DAY, INT64_MAX - 1};

    for (uint32_t classes = 2; classes <= 40; classes++) {
        for (size_t i = 0; i < sizeof expiries / sizeof *expiries; i++) {
            const uint32_t class = ms_ttl_class(expiries[i], NOW, classes);
            cr_assert(class >= 1 && class < classes, "%lld of %u classes: %u",
                      (long long)expiries[i], classes, class);
        }
    }
}

Test(ttl_class, what_has_expired_is_with_what_expires_next)
{
    for (uint32_t classes = 2; classes <= 40; classes++) {
        cr_assert_eq(ms_ttl_class(NOW + 1, NOW, classes), 1);
        cr_assert_eq(ms_ttl_class(NOW, NOW, classes), 1);
        cr_assert_eq(ms_ttl_class(NOW - DAY, NOW, classes), 1);
    }
}

Test(ttl_class, longer_ttls_have_the_same_class_or_a_higher_one)
{
    struct unit_random random = unit_random_start("ttl_class");

    for (uint32_t classes = 2; classes <= 1 + MS_TTL_OCTAVES; classes++) {
        uint32_t last = 1;
        for (int64_t ttl = 1; ttl < 10 * DAY;
             ttl += 1 + (int64_t)unit_random_below(&random, (uint64_t)ttl)) {
            const uint32_t class = ms_ttl_class(NOW + ttl, NOW, classes);
            cr_assert_geq(class, last);
            last = class;
        }
        cr_assert_eq(last, classes - 1, "all classes are used");
    }
}

Test(ttl_class, with_a_class_for_each_doubling_no_ttl_is_more_than_twice_another)
{
    for (int64_t ttl = SECOND; ttl < DAY / 2; ttl = ttl * 5 / 4) {
        const uint32_t class = ms_ttl_class(NOW + ttl, NOW, 1 + MS_TTL_OCTAVES);
        cr_assert_neq(ms_ttl_class(NOW + 2 * ttl, NOW, 1 + MS_TTL_OCTAVES), class);
        cr_assert_leq(ms_ttl_class(NOW + 2 * ttl, NOW, 1 + MS_TTL_OCTAVES), class + 1);
    }
}

Test(ttl_class, neighbours_share_the_first_of_them_where_fewer_are_used)
{
    for (uint32_t classes = 2; classes <= 40; classes++) {
        for (uint32_t used = 2; used <= classes; used++) {
            uint32_t last = 0, different = 1;

            cr_assert_eq(ms_ttl_class_merged(0, classes, used), 0);
            for (uint32_t class = 1; class < classes; class ++) {
                const uint32_t merged = ms_ttl_class_merged(class, classes, used);

                cr_assert(merged >= 1 && merged <= class && merged >= last);
                cr_assert(used != classes || merged == class);
                /* The first of its neighbours is with itself. */
                cr_assert_eq(ms_ttl_class_merged(merged, classes, used), merged);
                different += merged != last;
                last = merged;
            }
            cr_assert_leq(different, used, "%u of %u: %u", used, classes, different);
        }
    }
}
