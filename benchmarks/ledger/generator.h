/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger node's cache requests, generated: the same options give the same requests on every
 * machine.
 *
 * Two mixes. LEDGER_VAULT is the vault service alone, its parameters fitted to a recorded trace
 * of one. LEDGER_NODE adds what else a node reads: account state, recent blocks, unspent
 * outputs, transaction status; those parts are assumptions, not fits. ledger.md tells how each
 * parameter was found, with recorded and generated figures side by side. */
#ifndef LEDGER_GENERATOR_H
#define LEDGER_GENERATOR_H

#include "replay/workload.h"

enum ledger_mix { LEDGER_VAULT, LEDGER_NODE };

struct ledger_options {
    enum ledger_mix mix;
    uint64_t seed;
    uint64_t requests;
    uint32_t requests_per_second; /* only sets the requests' times */
    uint64_t accounts;            /* LEDGER_NODE: how many there are */
    double account_skew;          /* LEDGER_NODE: their Zipf exponent */
};

void ledger_options_init(struct ledger_options *options);

/* Generate and summarize. False when the system gave no memory; the workload holds nothing then. */
bool ledger_generate(const struct ledger_options *options, struct workload *workload);

#endif
