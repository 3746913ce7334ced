/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that a thread under exploration sets; stands before the library's own header of this
 * name. Reading it is a step like any other, which others can come before or after. */
#ifndef MS_PLATFORM_CLOCK_H
#define MS_PLATFORM_CLOCK_H

#include "platform/testing.h"

#include <stdint.h>

#define MS_CLOCK_COARSE_LAG_MS 10

int64_t explore_clock_ms(void);

static inline int64_t ms_clock_coarse_ms(void)
{
    return explore_clock_ms();
}

static inline int64_t ms_clock_exact_ms(void)
{
    return explore_clock_ms();
}

static inline int64_t ms_clock_unix_ms(void)
{
    return explore_clock_ms();
}

static inline int64_t ms_clock_unix_offset_ms(void)
{
    return 0;
}

static inline int64_t ms_clock_unix_offset_of_past_ms(void)
{
    return 0;
}

/* Budgets and waits never end: what they bound is outside of the exploration. */
static inline int64_t ms_clock_real_us(void)
{
    return 1000000;
}

static inline uint64_t ms_clock_real_ns(void)
{
    return 1000000000;
}

#endif
