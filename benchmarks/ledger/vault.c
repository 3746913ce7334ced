/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/vault.h"

/* Fitted to the recorded trace; see ledger.md. The chance to issue rather than settle is
 * logistic in the number of states waiting and in how many requests ago the oldest of them was
 * issued, with its own constant after an issue and after a settlement. */
static const double issue_after_issue = 3.759;
static const double issue_after_settlement = 2.613;
static const double issue_per_waiting = -0.0677;
static const double issue_per_age = -0.0868;
/* A settlement takes the oldest waiting state, or passes over it with this chance, and so on:
 * geometric. */
static const double pass_over = 0.407;
/* Settlements that take two states at once. */
static const double settle_two = 0.0261;

void vault_init(struct vault *vault, uint64_t seed)
{
    *vault = (struct vault){.next_key = 0};
    random_seed(&vault->random, seed);
}

static int chooses_issue(struct vault *vault)
{
    double logit = vault->last_was_issue ? issue_after_issue : issue_after_settlement;

    if (vault->waiting_count == 0)
        return 1;
    if (vault->waiting_count == VAULT_WAITING)
        return 0;
    logit += issue_per_waiting * vault->waiting_count;
    logit += issue_per_age * (double)(vault->requests - vault->waiting[0].issued_at);
    return random_unit(&vault->random) < 1.0 / (1.0 + exp(-logit));
}

static uint64_t take_waiting(struct vault *vault)
{
    unsigned rank = 0;
    uint64_t key;

    while (rank + 1 < vault->waiting_count && random_unit(&vault->random) < pass_over)
        rank++;
    key = vault->waiting[rank].key;
    for (unsigned i = rank + 1; i < vault->waiting_count; i++)
        vault->waiting[i - 1] = vault->waiting[i];
    vault->waiting_count--;
    return key;
}

static void queue_settlement(struct vault *vault)
{
    unsigned states = vault->waiting_count >= 2 && random_unit(&vault->random) < settle_two ? 2 : 1;

    vault->queue_begin = 0;
    vault->queue_end = 0;
    for (unsigned i = 0; i < states; i++)
        vault->queue[vault->queue_end++] = vault->next_key++;
    for (unsigned i = 0; i < states; i++)
        vault->queue[vault->queue_end++] = take_waiting(vault);
}

uint64_t vault_next(struct vault *vault)
{
    vault->requests++;
    if (vault->queue_begin < vault->queue_end)
        return vault->queue[vault->queue_begin++];
    vault->last_was_issue = chooses_issue(vault);
    if (vault->last_was_issue) {
        vault->waiting[vault->waiting_count].key = vault->next_key;
        vault->waiting[vault->waiting_count++].issued_at = vault->requests;
        return vault->next_key++;
    }
    queue_settlement(vault);
    return vault->queue[vault->queue_begin++];
}
