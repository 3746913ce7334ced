/* SPDX-License-Identifier: Apache-2.0 */
/* The results of replay, for people (a table) and for programs (JSON). */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include "replay/options.h"
#include <stdio.h>

/* One line of the results. */
struct report_row {
    const struct budget *budget;
    const char *eviction;
    uint64_t limit_bytes;
    struct run_result result;
};

void report_workload(FILE *out, const char *name, const struct workload *workload);
void report_table(FILE *out, const struct workload *workload, const struct report_row *rows,
                  size_t count);
void report_json(FILE *out, const char *name, const struct workload *workload,
                 const struct options *options, const struct report_row *rows, size_t count);

#endif
