/* SPDX-License-Identifier: Apache-2.0 */
/* The vault service: every state is read when it is issued and once more when a transaction
 * consumes it; the transaction's own identifier is looked up just before and never again.
 *
 *     issue    F            a new state's first request; it waits from now on
 *     settle   o S          a transaction's identifier, then the waiting state it consumes
 *              oo SS        rarely two transactions are checked together
 *
 * Invariants: no key is requested more than twice; one key in two is requested once; at most
 * VAULT_WAITING states wait. */
#ifndef LEDGER_VAULT_H
#define LEDGER_VAULT_H

#include "common/random.h"

enum { VAULT_WAITING = 64, VAULT_QUEUE = 8 };

struct vault {
    struct random_state random;
    uint64_t next_key;
    uint64_t requests; /* made so far */
    struct {
        uint64_t key;
        uint64_t issued_at;   /* `requests` at its first request */
    } waiting[VAULT_WAITING]; /* issued states, the oldest first */
    unsigned waiting_count;
    uint64_t queue[VAULT_QUEUE]; /* requests of the current settlement, in order */
    unsigned queue_begin, queue_end;
    int last_was_issue;
};

void vault_init(struct vault *vault, uint64_t seed);
/* The next request's key, as a running number: distinct from all others unless it is the same
 * key again. */
uint64_t vault_next(struct vault *vault);

#endif
