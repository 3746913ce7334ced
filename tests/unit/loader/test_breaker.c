/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/breaker.h"
#include "support/criterion.h"

static const struct ms_breaker_rule rule = {.failures = 3, .open_ms = 100};
static struct ms_breakers breakers;

static void init(void)
{
    memset(&breakers, 0, sizeof breakers);
    ms_breakers_init(&breakers);
}

TestSuite(breaker, .init = init);

/* What the last call has made of its breaker. */
static enum ms_breaker_change change;

static bool may(uint64_t loader, int64_t now)
{
    return ms_breakers_let_through(&breakers, loader, &rule, now, &change);
}

static enum ms_breaker_change fail(uint64_t loader, int64_t now)
{
    return ms_breakers_failed(&breakers, loader, &rule, now);
}

static bool are_open(int64_t now, uint32_t open, uint32_t half_open)
{
    const struct ms_breakers_sum sum = ms_breakers_sum_up(&breakers, &rule, now);

    return sum.open == open && sum.half_open == half_open;
}

static void fail_times(uint64_t loader, unsigned times, int64_t now)
{
    for (unsigned i = 0; i < times; i++)
        ms_breakers_failed(&breakers, loader, &rule, now);
}

Test(breaker, opens_after_so_many_failures_in_a_row)
{
    fail_times(1, 2, 0);
    ms_breakers_succeeded(&breakers, 1);
    fail_times(1, 2, 0);
    cr_assert(may(1, 0));
    cr_assert_eq(fail(1, 0), MS_BREAKER_OPENS);
    cr_assert(!may(1, 0) && !may(1, 99) && may(2, 0));
    cr_assert(are_open(99, 1, 0));
}

Test(breaker, lets_one_through_when_it_has_been_open_and_closes_when_that_succeeds)
{
    fail_times(1, 3, 0);
    cr_assert(may(1, 100));
    cr_assert(!may(1, 100) && !may(1, 199));
    ms_breakers_succeeded(&breakers, 1);
    cr_assert(may(1, 100) && may(1, 100));
    cr_assert(are_open(100, 0, 0));
}

Test(breaker, stays_open_when_what_was_let_through_fails)
{
    fail_times(1, 3, 0);
    cr_assert(may(1, 100));
    cr_assert_eq(fail(1, 150), MS_BREAKER_REOPENS);
    cr_assert(!may(1, 249) && may(1, 250));
}

Test(breaker, does_not_wait_for_ever_for_what_was_let_through)
{
    fail_times(1, 3, 0);
    cr_assert(may(1, 100));
    cr_assert(may(1, 200));
}

Test(breaker, lets_loaders_through_that_find_no_place)
{
    for (uint64_t loader = 1; loader <= MS_BREAKERS; loader++)
        fail_times(loader, 3, 0);
    fail_times(MS_BREAKERS + 1, 3, 0);
    cr_assert(may(MS_BREAKERS + 1, 0) && !may(MS_BREAKERS, 0));
    ms_breakers_succeeded(&breakers, 1);
    fail_times(MS_BREAKERS + 1, 3, 0);
    cr_assert(!may(MS_BREAKERS + 1, 0));
}

Test(breaker, gives_the_place_of_what_failed_least_recently)
{
    for (uint64_t loader = 1; loader <= MS_BREAKERS; loader++)
        fail_times(loader, 2, (int64_t)loader);
    fail_times(1, 1, 40); /* which opens it */
    fail_times(MS_BREAKERS + 1, 3, 41);
    cr_assert(!may(1, 41) && !may(MS_BREAKERS + 1, 41));
    cr_assert_eq(fail(2, 42), MS_BREAKER_STAYS, "it was forgotten");
    cr_assert_eq(fail(4, 43), MS_BREAKER_OPENS);
}

Test(breaker, gives_the_place_of_what_nobody_asked_for_since_it_was_open)
{
    for (uint64_t loader = 1; loader <= MS_BREAKERS; loader++)
        fail_times(loader, 3, 0);
    cr_assert(may(1, 150));
    fail_times(MS_BREAKERS + 1, 3, 200);
    cr_assert(may(MS_BREAKERS + 1, 200), "all are open, or may be tried");
    fail_times(MS_BREAKERS + 1, 3, 201);
    cr_assert(!may(MS_BREAKERS + 1, 201) && !may(1, 201));
}

Test(breaker, does_not_count_what_nobody_asked_for_long_since_it_was_open)
{
    fail_times(1, 3, 0);
    cr_assert(are_open(1100, 1, 1) && are_open(1110, 0, 0));
    cr_assert(may(1, 1110) && change == MS_BREAKER_HALF_OPENS && are_open(1110, 1, 1));
    cr_assert(fail(1, 1111) == MS_BREAKER_REOPENS && are_open(1111, 1, 0));
}

Test(breaker, a_threshold_of_0_never_opens)
{
    const struct ms_breaker_rule never = {0};

    for (int i = 0; i < 100; i++)
        cr_assert_eq(ms_breakers_failed(&breakers, 1, &never, 0), MS_BREAKER_STAYS);
    cr_assert(ms_breakers_let_through(&breakers, 1, &never, 0, &change));
    cr_assert_eq(ms_breakers_sum_up(&breakers, &never, 0).open, 0);
}

Test(breaker, tells_each_of_its_changes_once)
{
    cr_assert(may(1, 0) && change == MS_BREAKER_STAYS);
    cr_assert(fail(1, 0) == MS_BREAKER_STAYS && fail(1, 0) == MS_BREAKER_STAYS);
    cr_assert(fail(1, 0) == MS_BREAKER_OPENS && fail(1, 10) == MS_BREAKER_STAYS);
    cr_assert(!may(1, 109) && change == MS_BREAKER_STAYS);
    cr_assert(are_open(109, 1, 0) && are_open(110, 1, 1));
    cr_assert(may(1, 110) && change == MS_BREAKER_HALF_OPENS);
    cr_assert(!may(1, 111) && change == MS_BREAKER_STAYS && are_open(111, 1, 1));
    cr_assert(fail(1, 120) == MS_BREAKER_REOPENS && are_open(120, 1, 0));
    cr_assert(may(1, 220) && change == MS_BREAKER_HALF_OPENS);
    cr_assert(may(1, 320) && change == MS_BREAKER_STAYS);
    cr_assert_eq(ms_breakers_succeeded(&breakers, 1), MS_BREAKER_CLOSES);
    cr_assert_eq(ms_breakers_succeeded(&breakers, 1), MS_BREAKER_STAYS);
    cr_assert(fail(1, 400) == MS_BREAKER_STAYS);
    cr_assert_eq(ms_breakers_succeeded(&breakers, 1), MS_BREAKER_STAYS);
    cr_assert(are_open(400, 0, 0));
}

static bool stands(uint64_t loader, enum ms_breaker_change made, int64_t now, uint32_t open)
{
    struct ms_breakers_sum sum;
    const bool it_does = ms_breakers_stand(&breakers, loader, made, &rule, now, &sum);

    cr_assert_eq(sum.open, open);
    return it_does;
}

/* Whoever tells of a change later than it was made knows by this whether it has been overtaken. */
Test(breaker, knows_whether_a_change_is_the_last)
{
    fail_times(1, 3, 0);
    cr_assert(stands(1, MS_BREAKER_OPENS, 0, 1) && !stands(1, MS_BREAKER_CLOSES, 0, 1));
    cr_assert(stands(2, MS_BREAKER_CLOSES, 0, 1) && !stands(2, MS_BREAKER_OPENS, 0, 1));
    cr_assert(may(1, 100) && change == MS_BREAKER_HALF_OPENS);
    cr_assert(stands(1, MS_BREAKER_HALF_OPENS, 100, 1) && !stands(1, MS_BREAKER_OPENS, 100, 1));
    cr_assert_eq(fail(1, 110), MS_BREAKER_REOPENS);
    cr_assert(stands(1, MS_BREAKER_REOPENS, 110, 1) && !stands(1, MS_BREAKER_HALF_OPENS, 110, 1));
    cr_assert_eq(ms_breakers_succeeded(&breakers, 1), MS_BREAKER_CLOSES);
    cr_assert(stands(1, MS_BREAKER_CLOSES, 110, 0) && !stands(1, MS_BREAKER_REOPENS, 110, 0));
}

Test(breaker, opens_by_a_threshold_that_was_lowered_below_its_failures)
{
    const struct ms_breaker_rule lower = {.failures = 1, .open_ms = 100};

    fail_times(1, 2, 0);
    cr_assert_eq(ms_breakers_failed(&breakers, 1, &lower, 0), MS_BREAKER_OPENS);
}
