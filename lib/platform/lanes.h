/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: read sections of readers that call no function of this library, such as Go code that reads
 * the store's memory itself.
 *
 * A lane is one word in a line of its own. Whoever has it to himself adds one to it to begin a section,
 * which makes it odd, and one more to end it. That is what liburcu's records do, written down so that
 * another language can do it: a grace period looks at the lanes after it is done with liburcu's
 * records.
 *
 *     reader                          grace period
 *     turn = odd      (plain store)   the last reference is taken away
 *     loads of the section            membarrier(): every processor's stores are seen
 *     turn = even     (release)       for each turn that is odd: wait until it has changed
 *
 * LA-1  A section whose begin the look at its lane missed began, in its own processor's order, after
 *       the membarrier: all that it loads is loaded after that, so it does not find what was taken
 *       away before. Every other one is waited for.
 * LA-2  A turn never has a value twice, so one that has changed has ended the section that was seen.
 * LA-3  The lane of a number is that of the thread number of the same value, which no thread has while
 *       the lane is given away: whoever is in the lane may count in that number's stripe.
 * LA-4  Lanes are given away for good, and only where the kernel runs a barrier on all processors. */
#ifndef MS_PLATFORM_LANES_H
#define MS_PLATFORM_LANES_H

#include "platform/atomic.h"
#include "platform/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_lane {
    atomic_uint_least64_t turn;
} MS_ALIGNED(2 * MS_CACHE_LINE);

/* Give away `n` lanes with numbers in a row; *first is the lowest of these. NULL when there are no
 * such numbers, or no barriers. */
struct ms_lane *ms_lanes_claim(uint32_t n, uint32_t *first);

/* Wait until the sections have ended that are in lanes now. Not called inside one. */
void ms_lanes_wait(void);

/* In the child of a fork() nobody is in a lane. */
void ms_lanes_forget_readers(void);

#endif
