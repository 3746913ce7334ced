/* SPDX-License-Identifier: Apache-2.0 */
/* What a node reads beside its vault: account state, recent blocks, unspent outputs and
 * transaction status. The parameters are assumptions that ledger.md states and explains; none is
 * fitted to a recording. */
#ifndef LEDGER_CHAIN_H
#define LEDGER_CHAIN_H

#include "common/random.h"
#include "common/zipf.h"
#include "replay/workload.h"

enum { CHAIN_OUTPUTS = 1 << 16 };

struct chain {
    struct random_state random;
    struct zipf account_ranks;
    uint64_t height;           /* of the newest block */
    uint64_t until_next_block; /* block requests until the next one arrives */
    uint64_t next_output;      /* running numbers of outputs and of pending transactions */
    uint64_t next_pending;
    uint64_t outputs[CHAIN_OUTPUTS]; /* unspent ones, a ring: [begin, end) modulo its size */
    uint64_t outputs_begin, outputs_end;
    uint64_t spending; /* output that the next output request deletes, plus one; 0 = none */
};

void chain_init(struct chain *chain, uint64_t seed, uint64_t accounts, double account_skew);

/* The next request of each kind; key, key_size, value_size, ttl_ms and op are set. */
void chain_account_request(struct chain *chain, struct request *request);
void chain_block_request(struct chain *chain, struct request *request);
void chain_output_request(struct chain *chain, struct request *request);
void chain_status_request(struct chain *chain, struct request *request);

/* The bytes of the state with this key: the same whenever it is asked for, log-normal around the
 * median. */
uint32_t chain_value_size(uint64_t key, double median, double sigma, uint32_t max);
/* A 64-bit key for running number `number` of a kind of keys: distinct for distinct (kind,
 * number). */
uint64_t chain_key(unsigned kind, uint64_t number);

#endif
