/* SPDX-License-Identifier: Apache-2.0 */
/* Unpredictable numbers from the system. */
#ifndef MS_PLATFORM_RANDOM_H
#define MS_PLATFORM_RANDOM_H

#include <stdint.h>

/* A seed that nobody outside the process can guess. Where the system has no entropy to give
 * (early boot, a strict sandbox) it is mixed from clocks, the process and addresses: still
 * different from store to store, then merely hard to guess. */
uint64_t ms_random_seed(void);

#endif
