/* SPDX-License-Identifier: Apache-2.0 */
/* How long to pause before a load is tried again: exponential, with full jitter, so that many
 * that failed together do not come back together. */
#ifndef MS_LOADER_BACKOFF_H
#define MS_LOADER_BACKOFF_H

#include <stdint.h>

/* The longest pause after `attempt` attempts, the first being 1: `initial`, doubled by each after
 * it, at most `most`. */
static inline int64_t ms_backoff_longest(uint32_t attempt, int64_t initial, int64_t most)
{
    int64_t longest = initial < most ? initial : most;

    for (uint32_t i = 1; i < attempt && longest < most; i++)
        longest = longest > most / 2 ? most : longest * 2;
    return longest;
}

/* The pause itself: uniform from 0 to the longest. */
static inline int64_t ms_backoff_pause(uint32_t attempt, int64_t initial, int64_t most,
                                       uint64_t random)
{
    return (int64_t)(random % ((uint64_t)ms_backoff_longest(attempt, initial, most) + 1));
}

#endif
