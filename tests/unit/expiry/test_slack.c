/* SPDX-License-Identifier: Apache-2.0 */
/* How late a segment may be swept, changed while segments wait to be. */
#include "expiry/due.h"

#include <criterion/criterion.h>

#define SEGMENTS 100
#define HOUR INT64_C(3600000)

static struct ms_due due;
static struct ms_segment segments[SEGMENTS];

static void set_up(void)
{
    ms_due_init(&due, 0);
    cr_assert(ms_due_reserve(&due, SEGMENTS));
    /* What expires later has the longer slack; noted in no order. */
    for (unsigned i = 0; i < SEGMENTS; i++) {
        ms_store_relaxed(&segments[i].earliest, MS_NEVER);
        ms_due_note(&due, &segments[i], (1 + i * 37 % SEGMENTS) * HOUR, 0);
    }
}

static void tear_down(void)
{
    ms_due_fini(&due);
}

TestSuite(slack, .init = set_up, .fini = tear_down);

/* All segments come to be due in the order of their expiry, each within `slack` after it. */
static void expect_order(int64_t slack)
{
    int64_t before = 0;

    for (unsigned i = 0; i < SEGMENTS; i++) {
        const int64_t when = ms_due_when(&due);
        struct ms_segment *segment = ms_due_next(&due, when);

        cr_assert_not_null(segment);
        cr_assert_null(ms_due_next(&due, when - 1));
        cr_assert(when >= before);
        cr_assert(when >= segment->earliest && when <= segment->earliest + slack);
        before = when;
        ms_due_forget(&due, segment);
    }
    cr_assert_eq(ms_due_when(&due), MS_NEVER);
}

Test(slack, grows_with_the_time_to_live_when_it_has_no_cap)
{
    cr_assert_eq(ms_due_when(&due), HOUR + 50 + HOUR / 100);
    expect_order(50 + HOUR);
}

Test(slack, a_cap_holds_for_what_is_waiting)
{
    ms_due_set_slack(&due, 10);
    cr_assert_eq(ms_due_when(&due), HOUR + 10);
    expect_order(10);
}

Test(slack, a_higher_cap_holds_for_what_is_noted_from_then_on)
{
    ms_due_set_slack(&due, 10);
    ms_due_set_slack(&due, 0);
    cr_assert_eq(ms_due_when(&due), HOUR + 10);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        ms_due_forget(&due, &segments[i]);
        ms_due_note(&due, &segments[i], (1 + i) * HOUR, 0);
    }
    cr_assert_eq(ms_due_when(&due), HOUR + 50 + HOUR / 100);
}

Test(slack, a_segment_that_is_being_swept_stays_where_it_is)
{
    struct ms_segment *first = ms_due_next(&due, MS_NEVER - 1);

    ms_due_sweep_begins(&due, first);
    ms_due_set_slack(&due, 10);
    ms_due_swept(&due, first, 5 * HOUR, HOUR);
    cr_assert_eq(first->due, 5 * HOUR + 10);
    cr_assert_eq(ms_due_when(&due), 2 * HOUR + 10);
}

Test(slack, an_empty_heap_takes_a_cap)
{
    for (unsigned i = 0; i < SEGMENTS; i++)
        ms_due_forget(&due, &segments[i]);
    ms_due_set_slack(&due, 10);
    cr_assert_eq(ms_due_when(&due), MS_NEVER);
    ms_due_note(&due, &segments[0], HOUR, 0);
    cr_assert_eq(ms_due_when(&due), HOUR + 10);
}
