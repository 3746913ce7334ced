/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that run together until told to stop. */
#ifndef TEST_TEAM_H
#define TEST_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define TEST_TEAM_MAX 256

/* Work of one thread; `number` counts from 0 over the whole team. */
typedef void (*test_work)(unsigned number, void *context);

struct test_team {
    pthread_t threads[TEST_TEAM_MAX];
    unsigned count;
};

/* Whether the threads should come to an end. */
extern atomic_bool test_team_stop;

static inline bool test_team_goes_on(void)
{
    return !atomic_load_explicit(&test_team_stop, memory_order_relaxed);
}

/* Add `count` threads that run `work`; may be called again for other work. An empty team is all
 * zero. */
void test_team_start(struct test_team *team, unsigned count, test_work work, void *context);
/* Wait until all have returned; the team is empty afterwards. */
void test_team_join(struct test_team *team);
/* Let them run for `seconds`, tell them to stop and join. */
void test_team_finish(struct test_team *team, double seconds);
/* The same, but not before `enough` holds, or ten minutes have passed: on a busy machine little gets
 * done in a second. */
void test_team_finish_when(struct test_team *team, double seconds, bool (*enough)(void));

#endif
