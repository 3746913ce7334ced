/* SPDX-License-Identifier: Apache-2.0 */
/* Small programs with known outcomes, to test the explorer by. */
#ifndef EXPLORE_LITMUS_H
#define EXPLORE_LITMUS_H

#include "explore.h"

#define LITMUS_OUTCOMES 16

struct litmus {
    struct explore_scenario scenario;
    /* What the registers hold at the end, as decimal digits: all outcomes there are, and all with
     * older values read. Ended by -1. */
    int outcomes[LITMUS_OUTCOMES];
    int weak_outcomes[LITMUS_OUTCOMES];
    uint64_t runs;     /* that come to an end, in EXPLORE_ORDERS; 0 = any number */
    const char *fails; /* what a failure says, in both modes; NULL = none fails */
};

extern const struct litmus litmus_tests[];
extern const unsigned litmus_test_count;

/* What the registers hold. */
int litmus_outcome(void);

#endif
