/* SPDX-License-Identifier: Apache-2.0 */
/* What the threads of a history are going to do. */
#ifndef LINEAR_PLAN_H
#define LINEAR_PLAN_H

#include "linear_run.h"
#include "support/support.h"

/* How far the clock is set forward at a time, and what TTLs are multiples of the half of. */
#define LINEAR_CLOCK_STEP 1000

/* Fill everything but results and times. The clock starts at `clock`. */
void linear_plan(const struct linear_mix *mix, struct test_rng *rng, int64_t clock,
                 struct history *history);

#endif
