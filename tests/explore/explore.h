/* SPDX-License-Identifier: Apache-2.0 */
/* Exhaustive exploration of what a few threads can do to one store.
 *
 * The library's own sources, compiled with -fsanitize=thread, but linked with this instead of
 * ThreadSanitizer's run time: gcc hands over every access to memory, atomic ones with their
 * memory order. The threads are coroutines of one thread of the system, and whenever one is about
 * to do something that another could notice (an atomic access, a lock, a read section, a grace
 * period, the clock), any of them may go on. A scenario is run from the same start again and
 * again, until every order has been seen, up to orders that differ only in what does not depend
 * on each other (order.c).
 *
 *     EXPLORE_ORDERS   the orders of the steps alone: every load reads what was stored last. The
 *                      order in which calls begin and end counts, so that a history is held to
 *                      linearizability in the strict sense
 *     EXPLORE_WEAK     besides, loads read older values, `stale` times in a run at most, wherever
 *                      C11 allows it: by the release and acquire operations there are, not by
 *                      what the processor at hand makes of them (atomics.c). A call comes after
 *                      another when it is ordered after it by these operations
 *
 * A run has failed when its history cannot be explained (support/linear.h), when two accesses to
 * the same byte of which one is not atomic are unordered, or when nobody can go on. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "support/history.h"

#include <memstore/memstore.h>
#include <stdio.h>

#define EXPLORE_THREADS 4
#define EXPLORE_STEPS 6 /* of a thread */

enum explore_mode { EXPLORE_ORDERS, EXPLORE_WEAK };

/* What a thread does: an operation, which is part of the history, or something else. */
struct explore_step {
    struct history_op op;
    void (*other)(memstore *store);
};

struct explore_scenario {
    const char *name;
    const char *settings[8];
    /* Before the threads begin; what the history begins with is up to it. */
    void (*setup)(memstore *store);
    struct explore_step steps[EXPLORE_THREADS][EXPLORE_STEPS];
    /* After each run that came to its end; false = it has failed. */
    bool (*finish)(memstore *store);
    bool snapshots, timed, evicts, versions, counters;
    bool large;     /* takes minutes to see whole */
    size_t longest; /* value; 0 = as short as can be */
    unsigned stale; /* loads in a run that read something older, in EXPLORE_WEAK; 0 = 1 */
};

struct explore_result {
    uint64_t runs;
    uint64_t redundant; /* begun and given up, because an equivalent one had been seen */
    uint64_t steps;
    bool complete; /* everything was seen; else it was enough, or a run failed */
    bool failed;
    char why[256];
};

/* Explore for `seconds`, and for `runs` at least, which are the same ones each time; to the end, if
 * that comes sooner. A failure is shown on `file`, unless that is NULL. */
struct explore_result explore(const struct explore_scenario *scenario, enum explore_mode mode,
                              double seconds, uint64_t runs, FILE *file);

/* For setups: let a key hold a number from the start. */
void explore_start_with(unsigned key, uint64_t value);
/* Also for setups: the clock, in milliseconds, from which every run begins. */
void explore_set_clock(int64_t clock);
int64_t explore_clock(void);
/* The name of a key; keys beyond HISTORY_KEYS are there to fill the store. */
memstore_key explore_key(unsigned key);

/* Plant a fault in the memory orders: the `n`-th place in the code (from 0) whose release or
 * acquire is reached is relaxed; -1 stops that. */
void explore_relax(int n);
/* After an exploration: whether there were as many places, and where that one is. */
bool explore_has_relaxed(void);
const char *explore_relaxed_place(void);

#endif
