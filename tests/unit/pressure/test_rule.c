/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure/rule.h"

#include <criterion/criterion.h>

#define MIB (UINT64_C(1) << 20)
#define CONFIGURED (1600 * MIB)
#define STEP (100 * MIB)

static struct ms_pressure_state state;
static struct ms_pressure_limits limits;
static int64_t now_ms;

static void begin(void)
{
    limits = (struct ms_pressure_limits){CONFIGURED, CONFIGURED / 4, CONFIGURED, CONFIGURED};
    now_ms = 1000000;
}

TestSuite(rule, .init = begin);

/* Judge, and have what was judged, with all of it in use. */
static uint64_t judge(const struct ms_pressure_reading *reading, int64_t after_ms)
{
    now_ms += after_ms;
    limits.now = ms_pressure_judge(&state, reading, &limits, now_ms);
    cr_assert(limits.now >= limits.floor && limits.now <= limits.configured);
    limits.charged = limits.now;
    return limits.now;
}

/* A group of 10000 MiB, of which `left` MiB are left: its margin is 1000 MiB. */
static uint64_t judge_group(uint64_t left, int64_t after_ms)
{
    const struct ms_pressure_reading reading = {
        MS_PRESSURE_CGROUP, MS_PRESSURE_READ, (10000 - left) * MIB, 10000 * MIB, 0, NULL};

    return judge(&reading, after_ms);
}

static uint64_t judge_stalls(uint32_t hundredths, int64_t after_ms)
{
    const struct ms_pressure_reading reading = {
        MS_PRESSURE_PSI, MS_PRESSURE_READ, 0, 0, hundredths, NULL};

    return judge(&reading, after_ms);
}

Test(rule, the_margin_is_a_tenth_and_a_gibibyte_at_most)
{
    cr_expect_eq(ms_pressure_margin(1000), 100);
    cr_expect_eq(ms_pressure_margin(UINT64_C(1) << 40), UINT64_C(1) << 30);
}

Test(rule, while_there_is_room_nothing_happens)
{
    cr_expect_eq(judge_group(1000, 0), CONFIGURED);
    cr_expect_eq(judge_group(9000, 500), CONFIGURED);
}

Test(rule, the_limit_goes_down_by_a_step_or_by_what_is_lacking)
{
    cr_expect_eq(judge_group(999, 0), CONFIGURED - STEP);
    cr_expect_eq(judge_group(750, 500), CONFIGURED - STEP - 250 * MIB);
    cr_expect_eq(judge_group(0, 500), CONFIGURED - STEP - 650 * MIB, "a quarter at most");
}

Test(rule, it_never_goes_below_the_floor)
{
    for (int i = 0; i < 20; i++)
        judge_group(0, 500);
    cr_expect_eq(limits.now, limits.floor);
    limits.charged = 0;
    cr_expect_eq(judge_group(0, 500), limits.floor);
}

Test(rule, a_floor_that_rises_above_the_limit_does_not_raise_it)
{
    const struct ms_pressure_reading reading = {
        MS_PRESSURE_CGROUP, MS_PRESSURE_READ, 10000 * MIB, 10000 * MIB, 0, NULL};

    limits.now = limits.charged = 500 * MIB;
    limits.floor = 600 * MIB;
    cr_expect_eq(ms_pressure_judge(&state, &reading, &limits, now_ms), 500 * MIB);
}

Test(rule, it_goes_down_from_what_is_in_use)
{
    limits.charged = 1000 * MIB;
    cr_expect_eq(judge_group(999, 0), 900 * MIB);
}

Test(rule, it_comes_back_by_steps_when_it_has_been_calm)
{
    cr_expect_eq(judge_group(999, 0), CONFIGURED - STEP);
    cr_expect_eq(judge_group(750, 500), CONFIGURED - STEP - 250 * MIB);
    cr_expect_eq(judge_group(9000, 9999), CONFIGURED - STEP - 250 * MIB, "10 s are not over");
    cr_expect_eq(judge_group(9000, 1), CONFIGURED - 250 * MIB);
    cr_expect_eq(judge_group(9000, 1999), CONFIGURED - 250 * MIB);
    cr_expect_eq(judge_group(9000, 1), CONFIGURED - 150 * MIB);
    cr_expect_eq(judge_group(9000, 2000), CONFIGURED - 50 * MIB);
    cr_expect_eq(judge_group(9000, 2000), CONFIGURED);
    cr_expect_eq(judge_group(9000, 2000), CONFIGURED);
}

Test(rule, a_step_up_leaves_twice_the_margin)
{
    judge_group(999, 0);
    cr_expect_eq(judge_group(2099, 20000), CONFIGURED - STEP);
    cr_expect_eq(judge_group(2100, 500), CONFIGURED);
}

Test(rule, a_step_up_that_was_too_much_makes_the_next_one_later)
{
    judge_group(999, 0);
    cr_assert_eq(judge_group(3000, 10000), CONFIGURED);
    cr_assert_eq(judge_group(999, 500), CONFIGURED - STEP);
    cr_expect_eq(judge_group(3000, 19999), CONFIGURED - STEP);
    cr_expect_eq(judge_group(3000, 1), CONFIGURED);
    cr_assert_eq(judge_group(999, 500), CONFIGURED - STEP);
    cr_expect_eq(judge_group(3000, 39999), CONFIGURED - STEP);
    cr_expect_eq(judge_group(3000, 1), CONFIGURED);
    /* After a long calm it is as at first. */
    judge_group(3000, 320000);
    cr_assert_eq(judge_group(999, 500), CONFIGURED - STEP);
    cr_expect_eq(judge_group(3000, 10000), CONFIGURED);
}

Test(rule, the_wait_has_a_longest)
{
    for (int i = 0; i < 12; i++) {
        judge_group(999, 500);
        judge_group(3000, 320000);
        cr_assert_eq(limits.now, CONFIGURED);
    }
}

Test(rule, a_limit_that_is_taken_off_gives_it_all_back)
{
    const struct ms_pressure_reading unbounded = {
        MS_PRESSURE_CGROUP, MS_PRESSURE_UNBOUNDED, 0, 0, 0, NULL};

    judge_group(0, 0);
    cr_assert_eq(judge(&unbounded, 9999), CONFIGURED * 3 / 4);
    for (int i = 0; i < 4; i++)
        judge(&unbounded, 2000);
    cr_expect_eq(limits.now, CONFIGURED);
}

Test(rule, what_is_unknown_changes_nothing)
{
    const struct ms_pressure_reading unknown = {MS_PRESSURE_CGROUP, MS_PRESSURE_UNKNOWN, 0, 0, 0,
                                                "is not there"};

    judge_group(0, 0);
    cr_expect_eq(judge(&unknown, 1000000), CONFIGURED * 3 / 4);
}

Test(rule, stalls_take_a_step_each_two_seconds_while_they_do_not_get_fewer)
{
    cr_expect_eq(judge_stalls(999, 0), CONFIGURED);
    cr_expect_eq(judge_stalls(1000, 500), CONFIGURED - STEP);
    cr_expect_eq(judge_stalls(1500, 500), CONFIGURED - STEP, "the average is no other one yet");
    cr_expect_eq(judge_stalls(1500, 1500), CONFIGURED - 2 * STEP);
    cr_expect_eq(judge_stalls(1400, 2000), CONFIGURED - 2 * STEP, "it goes down");
    cr_expect_eq(judge_stalls(1400, 2000), CONFIGURED - 3 * STEP);
}

Test(rule, stalls_that_are_few_let_it_come_back)
{
    judge_stalls(5000, 0);
    cr_expect_eq(judge_stalls(101, 20000), CONFIGURED - STEP);
    cr_expect_eq(judge_stalls(100, 500), CONFIGURED);
}

Test(rule, a_small_store_moves_too)
{
    limits = (struct ms_pressure_limits){128 << 10, 96 << 10, 128 << 10, 128 << 10};
    judge_group(0, 0);
    cr_expect_eq(limits.now, 96 << 10);
    for (int i = 0; i < 5; i++)
        judge_group(9000, 10000);
    cr_expect_eq(limits.now, 128 << 10);
}
