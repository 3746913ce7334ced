/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that is stopped at one of the points of platform/testing.h, and let go on later. */
#ifndef TEST_STOPPER_H
#define TEST_STOPPER_H

#include "platform/testing.h"

/* Run `work` in a thread of its own and return when it has reached `point`, where it stays.
 * `work` is called again and again until it gets there. One thread at a time; no other thread
 * uses a store during the call. */
void test_stop_at(enum ms_testing_point point, void (*work)(void *context), void *context);
/* Let the thread go on to the end of its `work`. */
void test_let_go(void);

#endif
