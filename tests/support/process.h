/* SPDX-License-Identifier: Apache-2.0 */
/* Children of a test's process. */
#ifndef TEST_PROCESS_H
#define TEST_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* fork(), under AddressSanitizer while all other threads sleep: that of gcc 12 does not hold its
 * allocator's locks meanwhile, so that a child whose parent had another thread inside it, as any is
 * that begins, waits for ever at its first allocation. */
pid_t test_fork(void);

/* Whether all threads but the calling one are at rest: each waits for something. */
bool test_others_sleep(void);

/* Wait until it has ended: its exit status, or 128 and the signal that ended it, as shells have it. */
int test_child_status(pid_t child);

#endif
