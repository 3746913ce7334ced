/* SPDX-License-Identifier: Apache-2.0 */
/* By itself, so that it can be linked below whatever is tested. */
#include "support/await.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds */
/* Asleep between two questions, as test_fork() wants the other threads to be. */
#define PAUSE_NS 100000

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double test_await_begin(void)
{
    return now() + PATIENCE;
}

void test_await_again(double until, const char *file, int line, const char *condition)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    if (now() < until) {
        nanosleep(&pause, NULL);
        return;
    }
    fflush(stdout);
    fprintf(stderr, "%s:%d: waited %d s in vain for: %s\n", file, line, PATIENCE, condition);
    fflush(stderr);
    _exit(1);
}
