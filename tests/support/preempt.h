/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that lose the processor where it hurts: at the points of platform/testing.h each one
 * yields or dawdles at random. */
#ifndef TEST_PREEMPT_H
#define TEST_PREEMPT_H

#include <stdint.h>

/* From now on a thread is held up at about one in `one_in` points. Each thread's random numbers
 * begin with preempt_seed(), and so does the number of times it yields. */
void preempt_start(unsigned one_in);
void preempt_stop(void);
void preempt_seed(uint64_t seed);
/* The calling thread is not held up: it is to overtake the others. */
void preempt_exempt(void);
/* The same at a place of the test's own. */
void preempt_here(void);

#endif
