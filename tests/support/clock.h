/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that stands still until a test moves it. Process-wide, as the hooks of
 * platform/testing.h are. */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H

#include <stdint.h>

/* Both are whole minutes, so that rounding by `ttl_precision` falls on the same moments of
 * either clock. */
#define TEST_CLOCK_MONOTONIC INT64_C(1200000000)
#define TEST_CLOCK_UNIX INT64_C(1700000040000)

/* Stop both clocks at the times above. */
void test_clock_start(void);
/* Let both go on by `ms`. */
void test_clock_advance(int64_t ms);
/* Step the wall clock alone, as an administrator or NTP does. */
void test_clock_step_unix(int64_t ms);
int64_t test_clock_monotonic(void);
int64_t test_clock_unix(void);

#endif
