/* SPDX-License-Identifier: Apache-2.0 */
/* What each operation does to a store of a few keys when nothing else happens: the sequential
 * meaning of the API, for linear.c. */
#ifndef TEST_LINEAR_MODEL_H
#define TEST_LINEAR_MODEL_H

#include "support/history.h"

#define LINEAR_CLOCKS 8
/* One for each clock that an expiry may have been computed from, and as many where a key was
 * live or not. */
#define LINEAR_OUTCOMES (2 * LINEAR_CLOCKS)

struct linear_state {
    uint64_t value[HISTORY_KEYS]; /* 0 = nothing; what has expired stays until it is replaced */
    int64_t expiry[HISTORY_KEYS];
    int64_t now;
};

struct linear_version {
    uint64_t value, version;
};

struct linear_model {
    const struct history *history;
    int64_t clocks[LINEAR_CLOCKS]; /* that the history ever shows, ascending */
    unsigned clock_count;
    /* What reads told of the versions of values. */
    struct linear_version versions[HISTORY_THREADS * HISTORY_OPS * HISTORY_KEYS];
    unsigned version_count;
};

/* False when the reads contradict each other: two versions of one value, or one of two. */
bool linear_model_init(struct linear_model *model, const struct history *history,
                       struct linear_state *start);

/* Whether a read finds this key as it says. */
bool linear_reads(const struct linear_model *model, const struct linear_state *state,
                  const struct history_op *op, unsigned key);

/* The states that an operation with this outcome may leave behind; none when it cannot have this
 * outcome here. For all but reads of many. */
unsigned linear_outcomes(const struct linear_model *model, const struct history_op *op,
                         const struct linear_state *state,
                         struct linear_state after[LINEAR_OUTCOMES]);

void linear_vanish(struct linear_state *state, unsigned key);
void linear_print_state(FILE *file, const struct linear_state *state);

#endif
