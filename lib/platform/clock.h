/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks. Expiry runs on CLOCK_MONOTONIC, which no step of the wall clock moves and which stands
 * still while the machine is suspended. The coarse reading is the same clock as of the last
 * tick: at most MS_CLOCK_COARSE_LAG_MS behind, never ahead, and about five times cheaper. */
#ifndef MS_PLATFORM_CLOCK_H
#define MS_PLATFORM_CLOCK_H

#include "platform/testing.h"

#include <stdint.h>
#include <time.h>

/* A tick is 10 ms at most (HZ=100), but comes late where a hypervisor holds the processor back that
 * it is for: 20 ms were seen with ticks of 4. */
#define MS_CLOCK_COARSE_LAG_MS 100

static inline int64_t ms_clock_read_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    /* Divided as 32 bits without a sign, which is two instructions. */
    return (int64_t)now.tv_sec * 1000 + (uint32_t)now.tv_nsec / 1000000;
}

/* Monotonic milliseconds, possibly a tick old. */
static inline int64_t ms_clock_coarse_ms(void)
{
    int64_t monotonic, unix_now;

    return ms_testing_clock(&monotonic, &unix_now) ? monotonic - ms_testing_clock_lag()
                                                   : ms_clock_read_ms(CLOCK_MONOTONIC_COARSE);
}

/* Monotonic milliseconds, now. */
static inline int64_t ms_clock_exact_ms(void)
{
    int64_t monotonic, unix_now;

    return ms_testing_clock(&monotonic, &unix_now) ? monotonic : ms_clock_read_ms(CLOCK_MONOTONIC);
}

/* Unix milliseconds, now. */
static inline int64_t ms_clock_unix_ms(void)
{
    int64_t monotonic, unix_now;

    return ms_testing_clock(&monotonic, &unix_now) ? unix_now : ms_clock_read_ms(CLOCK_REALTIME);
}

/* What to add to monotonic milliseconds to get Unix milliseconds. The difference is taken of nanoseconds, so
 * that it is the same at each call, whatever part of a millisecond either clock has begun. */
static inline int64_t ms_clock_unix_offset_rounded(bool up)
{
    struct timespec monotonic, unix_now;
    int64_t fake_monotonic, fake_unix;

    if (ms_testing_clock(&fake_monotonic, &fake_unix))
        return fake_unix - fake_monotonic;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &unix_now);
    const int64_t rest = (int64_t)unix_now.tv_nsec - (int64_t)monotonic.tv_nsec;
    /* A division rounds towards 0. */
    const int64_t more = up ? (rest > 0 ? 999999 : 0) : (rest < 0 ? -999999 : 0);
    return ((int64_t)unix_now.tv_sec - (int64_t)monotonic.tv_sec) * 1000 + (rest + more) / 1000000;
}

/* Rounded up, of what is to come: what is said to be over at a Unix time is over when that comes. */
static inline int64_t ms_clock_unix_offset_ms(void)
{
    return ms_clock_unix_offset_rounded(true);
}

/* Rounded down, of what has been: it is not said to be later than now. */
static inline int64_t ms_clock_unix_offset_of_past_ms(void)
{
    return ms_clock_unix_offset_rounded(false);
}

/* Monotonic microseconds of the real clock, for budgets and waits, which no test replaces. */
static inline int64_t ms_clock_real_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Monotonic nanoseconds of the real clock, to measure with. */
static inline uint64_t ms_clock_real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
