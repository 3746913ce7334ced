/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for what other threads are certain to do, however busy the machine is. */
#ifndef TEST_AWAIT_H
#define TEST_AWAIT_H

/* Until the condition holds, which is asked again and again while others have the processor. After a
 * minute the process ends with status 1, and says where it waited for what. */
#define TEST_AWAIT(condition)                                                                      \
    do {                                                                                           \
        const double await_until = test_await_begin();                                             \
        while (!(condition))                                                                       \
            test_await_again(await_until, __FILE__, __LINE__, #condition);                         \
    } while (0)

/* Its parts: when to give up, and what is done between two questions. */
double test_await_begin(void);
void test_await_again(double until, const char *file, int line, const char *condition);

#endif
