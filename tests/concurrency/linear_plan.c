/* SPDX-License-Identifier: Apache-2.0 */
#include "linear_plan.h"

#define CLOCK_STEPS 3

/* Numbers are written once each: that two of them agree in 48 bits is not to be expected. */
static uint64_t fresh_number(struct test_rng *rng)
{
    return test_random(rng) >> 16 | 1;
}

static enum history_kind choose_kind(const struct linear_mix *mix, struct test_rng *rng)
{
    unsigned total = 0;

    for (unsigned kind = 0; kind < HISTORY_CLOCK; kind++)
        total += mix->weights[kind];
    uint64_t pick = test_below(rng, total);
    for (unsigned kind = 0; kind < HISTORY_CLOCK; kind++) {
        if (pick < mix->weights[kind])
            return (enum history_kind)kind;
        pick -= mix->weights[kind];
    }
    return HISTORY_GET;
}

static unsigned choose_one(unsigned keys, struct test_rng *rng)
{
    uint64_t pick = test_below(rng, (uint64_t)__builtin_popcount(keys));

    for (; pick > 0; pick--)
        keys &= keys - 1;
    return keys & -keys;
}

/* Two keys at least: all, more often than not, because mixes show best there. */
static unsigned choose_several(unsigned keys, struct test_rng *rng)
{
    unsigned chosen = keys;

    if (test_one_in(rng, 3)) {
        chosen = choose_one(keys, rng);
        chosen |= choose_one(keys & ~chosen, rng);
    }
    return chosen;
}

static int64_t choose_ttl(const struct linear_mix *mix, struct test_rng *rng)
{
    if (!mix->timed || test_one_in(rng, 3))
        return 0;
    return (int64_t)(test_below(rng, 5) + 1) * (LINEAR_CLOCK_STEP / 2);
}

static enum history_expect expectation_of(enum history_kind kind)
{
    switch (kind) {
    case HISTORY_ADD:
        return HISTORY_ABSENT;
    case HISTORY_COMPARE_AND_SET:
        return HISTORY_VERSION;
    case HISTORY_REPLACE:
    case HISTORY_DELETE:
    case HISTORY_RETIME:
        return HISTORY_PRESENT;
    default:
        return HISTORY_ANYTHING;
    }
}

static enum history_effect effect_of(enum history_kind kind)
{
    switch (kind) {
    case HISTORY_DELETE:
    case HISTORY_DELETE_MANY:
        return HISTORY_REMOVES;
    case HISTORY_RETIME:
        return HISTORY_RETIMES;
    default:
        return history_is_read(kind) ? HISTORY_NO_EFFECT : HISTORY_STORES;
    }
}

static void plan_part(const struct linear_mix *mix, struct test_rng *rng, enum history_kind kind,
                      int64_t ttl, struct history_part *part)
{
    *part = (struct history_part){.expect = expectation_of(kind), .effect = effect_of(kind)};
    if (kind == HISTORY_COMMIT) {
        if (test_one_in(rng, 4))
            part->effect = HISTORY_REMOVES;
        else if (test_one_in(rng, 4))
            part->effect = HISTORY_RETIMES;
        else if (test_one_in(rng, 6))
            part->effect = HISTORY_NO_EFFECT;
        if (test_one_in(rng, 8))
            part->expect = HISTORY_ABSENT;
        else if (mix->versions && test_one_in(rng, 3))
            part->expect = HISTORY_VERSION;
    }
    if (part->effect == HISTORY_STORES)
        part->value = fresh_number(rng);
    if (part->effect == HISTORY_STORES || part->effect == HISTORY_RETIMES)
        part->ttl = ttl;
}

static void plan_op(const struct linear_mix *mix, struct test_rng *rng, struct history_op *op)
{
    memset(op, 0, sizeof *op);
    op->kind = choose_kind(mix, rng);
    const bool several = history_is_read_of_many(op->kind) || history_is_batch(op->kind);

    op->keys = several ? choose_several(mix->together, rng) : choose_one(mix->singles, rng);
    const int64_t ttl = choose_ttl(mix, rng);
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if ((op->keys >> k & 1) != 0)
            plan_part(mix, rng, op->kind, ttl, &op->parts[k]);
    }
    op->by_view = test_one_in(rng, 2);
    op->delta = (int64_t)(fresh_number(rng) >> 16);
    op->initial = (int64_t)fresh_number(rng);
}

static void plan_clock(struct history *history, unsigned thread)
{
    history->counts[thread] = CLOCK_STEPS;
    for (unsigned i = 0; i < CLOCK_STEPS; i++)
        history->ops[thread][i] = (struct history_op){
            .kind = HISTORY_CLOCK, .clock = history->clock + (int64_t)(i + 1) * LINEAR_CLOCK_STEP};
}

void linear_plan(const struct linear_mix *mix, struct test_rng *rng, int64_t clock,
                 struct history *history)
{
    history->threads = mix->threads + mix->timed;
    history->snapshots = mix->snapshots;
    history->timed = mix->timed;
    history->evicts = mix->evicts;
    history->clock = clock;
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        const bool used = ((mix->singles | mix->together) >> k & 1) != 0;
        history->start[k] = used && test_one_in(rng, 2) ? fresh_number(rng) : 0;
    }
    for (unsigned t = 0; t < mix->threads; t++) {
        history->counts[t] = 1 + (unsigned)test_below(rng, mix->ops);
        for (unsigned i = 0; i < history->counts[t]; i++)
            plan_op(mix, rng, &history->ops[t][i]);
    }
    if (mix->timed)
        plan_clock(history, mix->threads);
}
