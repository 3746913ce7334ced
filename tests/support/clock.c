/* SPDX-License-Identifier: Apache-2.0 */
#include "support/clock.h"

#include "platform/testing.h"

static int64_t monotonic_now, unix_now;

static void apply(void)
{
    ms_testing_set_clock(monotonic_now, unix_now);
}

void test_clock_start(void)
{
    monotonic_now = TEST_CLOCK_MONOTONIC;
    unix_now = TEST_CLOCK_UNIX;
    apply();
}

void test_clock_advance(int64_t ms)
{
    monotonic_now += ms;
    unix_now += ms;
    apply();
}

void test_clock_step_unix(int64_t ms)
{
    unix_now += ms;
    apply();
}

int64_t test_clock_monotonic(void)
{
    return monotonic_now;
}

int64_t test_clock_unix(void)
{
    return unix_now;
}
