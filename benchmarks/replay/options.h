/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of replay. */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include "ledger/generator.h"
#include "replay/budget.h"
#include "replay/reader.h"
#include "replay/run.h"

enum { OPTIONS_MAX_POLICIES = 8 };

struct options {
    const char *path; /* NULL: generate */
    struct reader_options reader;
    bool generate;
    struct ledger_options ledger;
    struct budget budgets[BUDGET_MAX];
    int budget_count;
    uint32_t overhead;
    bool share_has_overhead;
    const char *policies[OPTIONS_MAX_POLICIES];
    int policy_count;
    char policy_text[256]; /* what `policies` point into */
    struct run_options run;
    bool quiet;
    bool json;
    const char *json_path;           /* NULL: the standard output */
    const char *svg_path, *png_path; /* NULL: none */
    /* An option that is for a trace, and one that is for --generate; NULL: there was none. */
    const char *of_trace, *of_generator;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/* Parse the command line. OPTIONS_DONE: help was printed; OPTIONS_BAD: the reason is on the
 * standard error. */
enum options_outcome options_parse(struct options *options, int argc, char **argv);

#endif
