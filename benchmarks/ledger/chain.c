/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/chain.h"

enum key_kind { KIND_ACCOUNT = 2, KIND_BLOCK = 3, KIND_OUTPUT = 4, KIND_STATUS = 5 };
enum key_bytes {
    ACCOUNT_KEY_SIZE = 26,
    BLOCK_KEY_SIZE = 20,
    OUTPUT_KEY_SIZE = 36,
    STATUS_KEY_SIZE = 36
};

static const double account_writes = 0.10;   /* the share of account requests that write */
static const uint64_t reads_per_block = 400; /* block requests from one new block to the next */
static const double block_recency =
    0.25; /* a read goes to the newest block with this chance, else one back, ... */
static const int64_t block_ttl_ms = 600 * 1000; /* after that a block is read from the database */
static const double outputs_created =
    0.40; /* of output requests; the others spend, as long as there are any */
static const double status_written = 0.35; /* of status requests; the others read */
static const double status_recency = 0.02; /* reads go to transactions about 50 back */
static const int64_t status_ttl_ms = 60 * 1000;

uint64_t chain_key(unsigned kind, uint64_t number)
{
    return random_mix((uint64_t)kind << 56 | number);
}

uint32_t chain_value_size(uint64_t key, double median, double sigma, uint32_t max)
{
    struct random_state random;
    double size;

    random_seed(&random, key);
    size = median * exp(sigma * random_normal(&random));
    return size < 1.0 ? 1 : size > max ? max : (uint32_t)size;
}

void chain_init(struct chain *chain, uint64_t seed, uint64_t accounts, double account_skew)
{
    *chain = (struct chain){.until_next_block = 0};
    random_seed(&chain->random, seed);
    zipf_init(&chain->account_ranks, accounts, account_skew);
}

void chain_account_request(struct chain *chain, struct request *request)
{
    request->key = chain_key(KIND_ACCOUNT, zipf_draw(&chain->account_ranks, &chain->random));
    request->key_size = ACCOUNT_KEY_SIZE;
    request->value_size = chain_value_size(request->key, 110.0, 0.6, 4096);
    request->op = random_unit(&chain->random) < account_writes ? OP_SET : OP_GET;
}

void chain_block_request(struct chain *chain, struct request *request)
{
    uint64_t back;

    request->key_size = BLOCK_KEY_SIZE;
    request->ttl_ms = block_ttl_ms;
    if (chain->until_next_block == 0) {
        chain->until_next_block = reads_per_block;
        chain->height++;
        request->op = OP_SET;
        back = 0;
    } else {
        chain->until_next_block--;
        request->op = OP_GET;
        back = random_geometric(&chain->random, block_recency);
    }
    request->key = chain_key(KIND_BLOCK, back < chain->height ? chain->height - back : 0);
    request->value_size = chain_value_size(request->key, 24000.0, 0.5, 256 * 1024);
}

static uint64_t *output_at(struct chain *chain, uint64_t index)
{
    return &chain->outputs[index % CHAIN_OUTPUTS];
}

/* Spend an output: how far back it lies is log-uniform, so that young ones go first and old ones
 * still go at times. The oldest takes its place in the ring. */
static uint64_t spend_output(struct chain *chain)
{
    double unspent = (double)(chain->outputs_end - chain->outputs_begin);
    uint64_t back = (uint64_t)exp(random_unit(&chain->random) * log(unspent));
    uint64_t *spent = output_at(chain, chain->outputs_end - (back ? back : 1));
    uint64_t number = *spent;

    *spent = *output_at(chain, chain->outputs_begin++);
    return number;
}

void chain_output_request(struct chain *chain, struct request *request)
{
    uint64_t number;

    if (chain->spending) {
        number = chain->spending - 1;
        chain->spending = 0;
        request->op = OP_DELETE;
    } else if (chain->outputs_end == chain->outputs_begin ||
               random_unit(&chain->random) < outputs_created) {
        number = chain->next_output++;
        if (chain->outputs_end - chain->outputs_begin == CHAIN_OUTPUTS)
            chain->outputs_begin++;
        *output_at(chain, chain->outputs_end++) = number;
        request->op = OP_SET;
    } else {
        number = spend_output(chain);
        chain->spending = number + 1;
        request->op = OP_GET;
    }
    request->key = chain_key(KIND_OUTPUT, number);
    request->key_size = OUTPUT_KEY_SIZE;
    request->value_size = chain_value_size(request->key, 60.0, 0.4, 1024);
}

void chain_status_request(struct chain *chain, struct request *request)
{
    uint64_t back;

    request->key_size = STATUS_KEY_SIZE;
    request->ttl_ms = status_ttl_ms;
    if (chain->next_pending == 0 || random_unit(&chain->random) < status_written) {
        chain->next_pending++;
        request->op = OP_SET;
        back = 0;
    } else {
        request->op = OP_GET;
        back = random_geometric(&chain->random, status_recency);
    }
    request->key =
        chain_key(KIND_STATUS, back < chain->next_pending ? chain->next_pending - back : 0);
    request->value_size = chain_value_size(request->key, 300.0, 0.7, 16384);
}
