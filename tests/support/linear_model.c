/* SPDX-License-Identifier: Apache-2.0 */
#include "support/linear_model.h"

#include <inttypes.h>
#include <memstore/memstore.h>
#include <string.h>

/* ---- Setting up ---- */

static void add_clock(struct linear_model *model, int64_t clock)
{
    unsigned at = 0;

    while (at < model->clock_count && model->clocks[at] < clock)
        at++;
    if ((at < model->clock_count && model->clocks[at] == clock) ||
        model->clock_count == LINEAR_CLOCKS)
        return;
    memmove(&model->clocks[at + 1], &model->clocks[at],
            (model->clock_count - at) * sizeof *model->clocks);
    model->clocks[at] = clock;
    model->clock_count++;
}

static bool add_version(struct linear_model *model, uint64_t value, uint64_t version)
{
    for (unsigned i = 0; i < model->version_count; i++) {
        const struct linear_version *known = &model->versions[i];

        if (known->value == value || known->version == version)
            return known->value == value && known->version == version;
    }
    model->versions[model->version_count++] = (struct linear_version){value, version};
    return true;
}

static bool add_op(struct linear_model *model, const struct history_op *op)
{
    if (op->kind == HISTORY_CLOCK)
        add_clock(model, op->clock);
    if (!history_is_read(op->kind))
        return true;
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        const struct history_part *part = &op->parts[k];

        if ((op->keys >> k & 1) != 0 && part->version != 0 &&
            !add_version(model, part->value, part->version))
            return false;
    }
    return true;
}

bool linear_model_init(struct linear_model *model, const struct history *history,
                       struct linear_state *start)
{
    model->history = history;
    model->clock_count = 0;
    model->version_count = 0;
    add_clock(model, history->clock);
    for (unsigned t = 0; t < history->threads; t++) {
        for (unsigned i = 0; i < history->counts[t]; i++) {
            if (!add_op(model, &history->ops[t][i]))
                return false;
        }
    }
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        start->value[k] = history->start[k];
        start->expiry[k] = HISTORY_NEVER;
    }
    start->now = history->clock;
    return true;
}

static uint64_t version_of(const struct linear_model *model, uint64_t value)
{
    for (unsigned i = 0; i < model->version_count; i++) {
        if (model->versions[i].value == value)
            return model->versions[i].version;
    }
    return 0;
}

/* ---- What is under a key ---- */

static bool is_live(const struct linear_state *state, unsigned key)
{
    return state->value[key] != 0 && state->expiry[key] > state->now;
}

/* What an operation that has succeeded may have taken a key to be. */
#define LIVE 1u
#define DEAD 2u

/* It has run out by now and may have been judged earlier in the same call. */
static bool may_have_been_live(const struct linear_model *model, const struct history_op *op,
                               const struct linear_state *state, unsigned key)
{
    return model->history->timed && state->value[key] != 0 && state->expiry[key] > op->clock;
}

static unsigned judgements(const struct linear_model *model, const struct history_op *op,
                           const struct linear_state *state, unsigned key)
{
    if (is_live(state, key))
        return LIVE | (model->history->evicts ? DEAD : 0);
    return may_have_been_live(model, op, state, key) ? LIVE | DEAD : DEAD;
}

void linear_vanish(struct linear_state *state, unsigned key)
{
    state->value[key] = 0;
    state->expiry[key] = HISTORY_NEVER;
}

/* ---- Reads ---- */

bool linear_reads(const struct linear_model *model, const struct linear_state *state,
                  const struct history_op *op, unsigned key)
{
    const uint64_t there = is_live(state, key) ? state->value[key] : 0;

    (void)model;
    if (op->kind == HISTORY_HAS || op->kind == HISTORY_HAS_MANY)
        return (there != 0) == (op->parts[key].value != 0);
    return there == op->parts[key].value;
}

static unsigned read_outcomes(const struct linear_model *model, const struct history_op *op,
                              const struct linear_state *state, struct linear_state *after)
{
    const unsigned key = (unsigned)__builtin_ctz(op->keys);

    *after = *state;
    if (linear_reads(model, state, op, key))
        return 1;
    linear_vanish(after, key);
    return model->history->evicts && op->parts[key].value == 0;
}

/* ---- Writes that were refused ---- */

/* What is asked of a key before an operation is done: OK when it is met while the key is live, or
 * is not, else the status. */
typedef int demand(const struct linear_model *model, const struct history_op *op,
                   const struct linear_state *state, unsigned key, bool live);

static int condition(const struct linear_model *model, const struct history_op *op,
                     const struct linear_state *state, unsigned key, bool live)
{
    const struct history_part *part = &op->parts[key];

    switch (part->expect) {
    case HISTORY_ANYTHING:
        return MEMSTORE_OK;
    case HISTORY_ABSENT:
        return live ? MEMSTORE_ERR_KEY_EXISTS : MEMSTORE_OK;
    case HISTORY_PRESENT:
        return live ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND;
    case HISTORY_VERSION:
        break;
    }
    const uint64_t version = live ? version_of(model, state->value[key]) : 0;
    const bool holds = live ? version == part->version && version != 0 : part->version == 0;
    return holds ? MEMSTORE_OK : MEMSTORE_ERR_VERSION_MISMATCH;
}

/* A change of TTL needs an entry, whatever the conditions say. */
static int something_to_retime(const struct linear_model *model, const struct history_op *op,
                               const struct linear_state *state, unsigned key, bool live)
{
    (void)model;
    (void)state;
    return op->parts[key].effect != HISTORY_RETIMES || live ? MEMSTORE_OK
                                                            : MEMSTORE_ERR_KEY_NOT_FOUND;
}

/* All conditions come before the first change of TTL. */
static demand *const demands[] = {condition, something_to_retime};
#define DEMANDS (sizeof demands / sizeof demands[0])

static bool refuses(demand *asks, const struct linear_model *model, const struct history_op *op,
                    const struct linear_state *state, unsigned key, bool live)
{
    const bool retimes = op->kind == HISTORY_RETIME ||
                         (asks == something_to_retime && op->parts[key].effect == HISTORY_RETIMES);

    if (retimes && op->status == MEMSTORE_ERR_TTL_EXPIRED)
        return !live && state->value[key] != 0;
    return asks(model, op, state, key, live) == op->status;
}

enum refusal { GOES_ON, REFUSED, CANNOT_BE };

/* Whether one demand on one key refuses as the operation was refused. */
static enum refusal refusal_by(demand *asks, const struct linear_model *model,
                               const struct history_op *op, const struct linear_state *state,
                               unsigned key, struct linear_state *after)
{
    const bool live = is_live(state, key);
    /* What is judged of several keys is judged of one after the other. */
    const bool was_live =
        live || (op->kind == HISTORY_COMMIT && may_have_been_live(model, op, state, key));

    if (refuses(asks, model, op, state, key, live) ||
        refuses(asks, model, op, state, key, was_live))
        return REFUSED;
    if (model->history->evicts && live && refuses(asks, model, op, state, key, false)) {
        linear_vanish(after, key);
        return REFUSED;
    }
    return asks(model, op, state, key, live) == MEMSTORE_OK ||
                   asks(model, op, state, key, was_live) == MEMSTORE_OK
               ? GOES_ON
               : CANNOT_BE;
}

/* The first demand that is not met tells the status. */
static unsigned refusal_outcomes(const struct linear_model *model, const struct history_op *op,
                                 const struct linear_state *state, struct linear_state *after)
{
    *after = *state;
    for (unsigned i = 0; i < DEMANDS * HISTORY_KEYS; i++) {
        const unsigned key = i % HISTORY_KEYS;

        if ((op->keys >> key & 1) == 0)
            continue;
        const enum refusal refusal =
            refusal_by(demands[i / HISTORY_KEYS], model, op, state, key, after);
        if (refusal != GOES_ON)
            return refusal == REFUSED;
    }
    return 0;
}

/* ---- Writes that have succeeded ---- */

static bool is_met(const struct linear_model *model, const struct history_op *op,
                   const struct linear_state *state, unsigned key, bool live)
{
    for (unsigned i = 0; i < DEMANDS; i++) {
        if (demands[i](model, op, state, key, live) != MEMSTORE_OK)
            return false;
    }
    return true;
}

static bool expectation_holds(const struct linear_model *model, const struct history_op *op,
                              const struct linear_state *state, unsigned key)
{
    const unsigned judged = judgements(model, op, state, key);

    return ((judged & LIVE) != 0 && is_met(model, op, state, key, true)) ||
           ((judged & DEAD) != 0 && is_met(model, op, state, key, false));
}

static bool expectations_hold(const struct linear_model *model, const struct history_op *op,
                              const struct linear_state *state)
{
    size_t least = 0, most = 0;

    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if ((op->keys >> k & 1) == 0)
            continue;
        if (!expectation_holds(model, op, state, k))
            return false;
        const unsigned judged = judgements(model, op, state, k);
        least += judged == LIVE;
        most += (judged & LIVE) != 0;
    }
    return op->kind != HISTORY_DELETE_MANY || (op->deleted >= least && op->deleted <= most);
}

static void apply(const struct history_op *op, struct linear_state *state, int64_t clock)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        const struct history_part *part = &op->parts[k];

        if ((op->keys >> k & 1) == 0 || part->effect == HISTORY_NO_EFFECT)
            continue;
        if (part->effect == HISTORY_REMOVES) {
            linear_vanish(state, k);
            continue;
        }
        if (part->effect == HISTORY_STORES)
            state->value[k] = part->value;
        state->expiry[k] = part->ttl != 0 ? clock + part->ttl : HISTORY_NEVER;
    }
}

static bool uses_clock(const struct history_op *op)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if ((op->keys >> k & 1) != 0 && op->parts[k].ttl != 0)
            return true;
    }
    return false;
}

/* Apply with each clock that the call may have read. */
static unsigned apply_by_clocks(const struct linear_model *model, const struct history_op *op,
                                const struct linear_state *state, struct linear_state *after)
{
    unsigned count = 0;

    if (!uses_clock(op)) {
        after[0] = *state;
        apply(op, &after[0], state->now);
        return 1;
    }
    for (unsigned i = 0; i < model->clock_count; i++) {
        if (model->clocks[i] < op->clock || model->clocks[i] > state->now)
            continue;
        after[count] = *state;
        apply(op, &after[count++], model->clocks[i]);
    }
    return count;
}

/* A counter that was live goes on from its value and keeps its expiry. */
static unsigned increment_outcomes(const struct linear_model *model, const struct history_op *op,
                                   const struct linear_state *state, struct linear_state *after)
{
    const unsigned key = (unsigned)__builtin_ctz(op->keys);
    const unsigned judged = judgements(model, op, state, key);
    const uint64_t sum = op->parts[key].value;
    unsigned count = 0;

    if ((judged & LIVE) != 0 && state->value[key] + (uint64_t)op->delta == sum) {
        after[count] = *state;
        after[count++].value[key] = sum;
    }
    if ((judged & DEAD) != 0 && (uint64_t)(op->initial + op->delta) == sum)
        count += apply_by_clocks(model, op, state, after + count);
    return count;
}

unsigned linear_outcomes(const struct linear_model *model, const struct history_op *op,
                         const struct linear_state *state,
                         struct linear_state after[LINEAR_OUTCOMES])
{
    switch (op->status) {
    case MEMSTORE_OK:
        break;
    case MEMSTORE_ERR_KEY_EXISTS:
    case MEMSTORE_ERR_KEY_NOT_FOUND:
    case MEMSTORE_ERR_VERSION_MISMATCH:
    case MEMSTORE_ERR_TTL_EXPIRED:
        return refusal_outcomes(model, op, state, after);
    default:
        /* No room, no lock in time: nothing was done. */
        after[0] = *state;
        return 1;
    }
    if (history_is_read(op->kind))
        return read_outcomes(model, op, state, after);
    if (op->kind == HISTORY_CLOCK) {
        after[0] = *state;
        after[0].now = op->clock;
        return 1;
    }
    if (op->kind == HISTORY_INCREMENT)
        return increment_outcomes(model, op, state, after);
    return expectations_hold(model, op, state) ? apply_by_clocks(model, op, state, after) : 0;
}

void linear_print_state(FILE *file, const struct linear_state *state)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        fprintf(file, "%sk%u is ", k != 0 ? ", " : "", k);
        if (is_live(state, k))
            fprintf(file, "%" PRIu64, state->value[k]);
        else
            fprintf(file, "nothing");
    }
}
