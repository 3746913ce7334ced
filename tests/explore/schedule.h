/* SPDX-License-Identifier: Apache-2.0 */
/* Runs: the threads of one (schedule.c), and which orders of their steps are left to be seen
 * (order.c). */
#ifndef EXPLORE_SCHEDULE_H
#define EXPLORE_SCHEDULE_H

#include "model.h"

/* How a run ended. */
enum run_end {
    RUN_FINISHED,
    RUN_REDUNDANT, /* an equivalent one has been seen */
    RUN_FAILED
};

/* Forget what was seen: the next run is the first. */
void schedule_reset(void);
/* Run the threads, each `body` with its number. */
enum run_end schedule_run(unsigned threads, void (*body)(unsigned number));
/* Make the next run another one; false when all have been seen. */
bool schedule_next(void);
uint64_t schedule_steps(void);
/* Why the last run has failed. */
const char *schedule_failure(void);

/* ---- Between the two ---- */

extern struct thread explore_threads[EXPLORE_THREADS];
extern unsigned explore_thread_count;

void order_start_run(void);
/* Decide who goes on, and note the step it takes. Ends the run when nobody does. */
unsigned order_decide(void);
_Noreturn void explore_end_run(enum run_end end);

#endif
