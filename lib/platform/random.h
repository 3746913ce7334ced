/* SPDX-License-Identifier: Apache-2.0 */
/* Unpredictable numbers from the system, and cheap ones. */
#ifndef MS_PLATFORM_RANDOM_H
#define MS_PLATFORM_RANDOM_H

#include <stdint.h>

/* A seed that nobody outside the process can guess. Where the system has no entropy to give
 * (early boot, a strict sandbox) it is mixed from clocks, the process and addresses: still
 * different from store to store, then merely hard to guess. */
uint64_t ms_random_seed(void);

/* A number that is good enough to throw a coin with, for the cost of a few instructions. */
uint64_t ms_random_cheap(void);

#endif
