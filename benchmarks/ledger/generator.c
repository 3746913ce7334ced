/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/generator.h"

#include "ledger/chain.h"
#include "ledger/vault.h"
#include <stdlib.h>

enum { KIND_VAULT = 1, VAULT_KEY_SIZE = 36 };

/* Of LEDGER_NODE's requests; what is left after the last is the vault's. */
static const double account_share = 0.35;
static const double block_share = 0.10;
static const double output_share = 0.15;
static const double status_share = 0.10;

struct generator {
    const struct ledger_options *options;
    struct random_state random;
    struct vault vault;
    struct chain chain;
};

void ledger_options_init(struct ledger_options *options)
{
    *options = (struct ledger_options){.mix = LEDGER_NODE,
                                       .seed = 1,
                                       .requests = 1000000,
                                       .requests_per_second = 5000,
                                       .accounts = 200000,
                                       .account_skew = 0.9};
}

static void vault_request(struct vault *vault, struct request *request)
{
    request->key = chain_key(KIND_VAULT, vault_next(vault));
    request->key_size = VAULT_KEY_SIZE;
    request->value_size = chain_value_size(request->key, 700.0, 0.5, 16384);
    request->op = OP_GET;
}

static void next_request(struct generator *generator, struct request *request)
{
    double draw = generator->options->mix == LEDGER_NODE ? random_unit(&generator->random) : 1.0;

    if ((draw -= account_share) < 0.0)
        chain_account_request(&generator->chain, request);
    else if ((draw -= block_share) < 0.0)
        chain_block_request(&generator->chain, request);
    else if ((draw -= output_share) < 0.0)
        chain_output_request(&generator->chain, request);
    else if ((draw -= status_share) < 0.0)
        chain_status_request(&generator->chain, request);
    else
        vault_request(&generator->vault, request);
}

bool ledger_generate(const struct ledger_options *options, struct workload *workload)
{
    struct generator *generator = malloc(sizeof *generator);
    bool ok = generator != NULL;

    workload_init(workload);
    if (ok) {
        generator->options = options;
        random_seed(&generator->random, options->seed);
        vault_init(&generator->vault, random_next(&generator->random));
        chain_init(&generator->chain, random_next(&generator->random), options->accounts,
                   options->account_skew);
    }
    for (uint64_t i = 0; ok && i < options->requests; i++) {
        struct request request = {.time_ms = (uint32_t)(i * 1000 / options->requests_per_second)};

        next_request(generator, &request);
        ok = workload_add(workload, &request);
    }
    ok = ok && workload_summarize(workload);
    free(generator);
    if (!ok)
        workload_fini(workload);
    return ok;
}
