/* SPDX-License-Identifier: Apache-2.0 */
/* When a thread stood in a call for long, so that the times in which all did can be told. */
#ifndef SMOOTHNESS_STALLS_H
#define SMOOTHNESS_STALLS_H

#include <stdint.h>

enum { STALL_NS = 100000, STALLS_MAX = 1 << 16 };

/* Of one thread, in the order of time; those after the first STALLS_MAX are not kept. */
struct stalls {
    uint64_t count;
    struct {
        uint64_t began, ended;
    } at[STALLS_MAX];
};

/* A call of STALL_NS or more is kept. */
void stalls_note(struct stalls *stalls, uint64_t began, uint64_t ended);
/* The longest time in which all of these threads stood in a call at once. */
uint64_t stalls_longest_of_all(const struct stalls *const *stalls, unsigned threads);

#endif
