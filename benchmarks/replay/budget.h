/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a replay gives the store: "5%" of the bytes of the workload's distinct keys
 * and values, "64MB" bytes, or "1000e" entries of the workload's mean size. */
#ifndef REPLAY_BUDGET_H
#define REPLAY_BUDGET_H

#include "replay/workload.h"

enum { BUDGET_MAX = 64, BUDGET_TEXT = 32 };

enum budget_kind { BUDGET_SHARE, BUDGET_BYTES, BUDGET_ENTRIES };

struct budget {
    enum budget_kind kind;
    double share;   /* BUDGET_SHARE: 0.05 for 5 % */
    uint64_t count; /* BUDGET_BYTES, BUDGET_ENTRIES */
    char text[BUDGET_TEXT];
};

/* Parse a comma-separated list. The number of budgets, or -1 with a message in error. */
int budget_parse_list(const char *text, struct budget out[BUDGET_MAX], char *error,
                      size_t error_cap);

/* The bytes of memory that a budget means for a workload. `overhead` bytes are added for each
 * entry to BUDGET_ENTRIES and, when share_has_overhead, to BUDGET_SHARE. */
uint64_t budget_bytes(const struct budget *budget, const struct workload *workload,
                      uint32_t overhead, bool share_has_overhead);

#endif
