/* SPDX-License-Identifier: Apache-2.0 */
/* The measurements of all rounds, and what is reported of them: medians, and the median of each
 * round's own ratio, which a machine that changes its speed between rounds does not disturb. */
#ifndef ROOFLINE_RESULTS_H
#define ROOFLINE_RESULTS_H

#include "roofline/cases.h"
#include <stdio.h>

enum { RESULTS_MAX_ROUNDS = 101, RESULTS_MAX_CELLS = 256 };

/* A case on one distribution and number of threads. */
struct cell {
    enum case_id id;
    enum distribution distribution;
    unsigned threads;
    double ns[RESULTS_MAX_ROUNDS];
    double reference_ns[RESULTS_MAX_ROUNDS];
};

struct results {
    struct cell cells[RESULTS_MAX_CELLS];
    unsigned cell_count;
    unsigned rounds;
    uint64_t entries, operations, memory_limit;
    uint64_t entries_left; /* in the store that was overwritten; 0 = none was */
    const char *pages, *clock;
    bool correct;
};

/* The cell for a case, added when it is new. */
struct cell *results_cell(struct results *results, enum case_id id, enum distribution distribution,
                          unsigned threads);

/* The table, and what more threads bring. */
void results_table(FILE *out, const struct results *results);
void results_json(FILE *out, const struct results *results);

#endif
