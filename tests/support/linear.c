/* SPDX-License-Identifier: Apache-2.0 */
#include "support/linear.h"

#include "support/linear_model.h"

#include <stdlib.h>
#include <string.h>

/* Nodes visited before the search is given up. Real histories need a few hundred. */
#define NODES_MAX 2000000
#define SEEN_BITS 16

struct node {
    struct linear_state state;
    uint8_t next[HISTORY_THREADS]; /* of each thread, the operation to come */
    uint8_t read[HISTORY_THREADS]; /* of a read of many that has begun, the keys already read */
};

/* What was tried, by 128 bits of hash: that two of the few million nodes agree in them is not to
 * be expected. */
struct seen {
    uint64_t low, high;
};

struct search {
    const struct history *history;
    struct linear_model model;
    struct seen *seen;
    size_t seen_size, seen_count;
    uint64_t nodes;
    unsigned total;
    /* The furthest that any order went. */
    unsigned best_count;
    struct node best;
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash ^= word;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static struct seen digest(const struct node *node)
{
    const size_t words = sizeof *node / 8;
    struct seen digest = {1, 2};
    uint64_t word;

    for (size_t i = 0; i < words; i++) {
        memcpy(&word, (const char *)node + i * 8, 8);
        digest.low = mix(digest.low, word);
        digest.high = mix(digest.high, word + i);
    }
    return digest;
}

_Static_assert(sizeof(struct node) % 8 == 0, "a node is hashed by words");

static void remember(struct search *search, struct seen digest);

static void grow_seen(struct search *search)
{
    struct seen *old = search->seen;
    const size_t old_size = search->seen_size;

    search->seen_size = old_size != 0 ? old_size * 2 : (size_t)1 << 8;
    search->seen = calloc(search->seen_size, sizeof *search->seen);
    if (search->seen == NULL)
        abort();
    search->seen_count = 0;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].low != 0)
            remember(search, old[i]);
    }
    free(old);
}

static struct seen *seen_at(const struct search *search, struct seen digest)
{
    size_t i = digest.high & (search->seen_size - 1);

    while (search->seen[i].low != 0 &&
           (search->seen[i].low != digest.low || search->seen[i].high != digest.high))
        i = (i + 1) & (search->seen_size - 1);
    return &search->seen[i];
}

static void remember(struct search *search, struct seen digest)
{
    if (search->seen_count * 2 >= search->seen_size)
        grow_seen(search);
    *seen_at(search, digest) = digest;
    search->seen_count++;
}

static bool is_seen(struct search *search, const struct node *node)
{
    struct seen key = digest(node);

    key.low |= 1;
    if (search->seen_size != 0 && seen_at(search, key)->low != 0)
        return true;
    remember(search, key);
    return false;
}

/* ---- What may come next ---- */

/* The next operation of a thread, if all that ended before it began have come. */
static const struct history_op *next_of(const struct search *search, const struct node *node,
                                        unsigned thread)
{
    const struct history *history = search->history;
    const unsigned i = node->next[thread];

    if (i == history->counts[thread])
        return NULL;
    for (unsigned other = 0; other < history->threads; other++) {
        if (node->next[other] < history->before[thread][i][other])
            return NULL;
    }
    return &history->ops[thread][i];
}

/* The keys that an operation writes, as bits: not those that it has only conditions on. */
static unsigned written_keys(const struct history_op *op)
{
    unsigned keys = 0;

    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if ((op->keys >> k & 1) != 0 && op->parts[k].effect != HISTORY_NO_EFFECT)
            keys |= 1u << k;
    }
    return keys;
}

/* A read of many that has begun keeps batches on its keys away. */
static bool is_kept_away(const struct search *search, const struct node *node,
                         const struct history_op *op)
{
    if (!history_is_batch(op->kind))
        return false;
    const unsigned keys = written_keys(op);
    for (unsigned t = 0; t < search->history->threads; t++) {
        if (node->read[t] != 0 && (search->history->ops[t][node->next[t]].keys & keys) != 0)
            return true;
    }
    return false;
}

static void advance(struct node *node, unsigned thread)
{
    node->next[thread]++;
    node->read[thread] = 0;
}

/* Which of its keys, beside those already read, a read of many finds as it found them. */
static unsigned readable(const struct search *search, const struct node *node, unsigned thread,
                         const struct history_op *op)
{
    unsigned keys = node->read[thread];

    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if ((op->keys >> k & 1) != 0 && linear_reads(&search->model, &node->state, op, k))
            keys |= 1u << k;
    }
    return keys;
}

/* Take an operation, or more of one that has begun, if that changes nothing and closes no way to
 * others. */
static bool take_free(struct search *search, struct node *node, unsigned thread)
{
    const struct history_op *op = next_of(search, node, thread);
    struct linear_state after[LINEAR_OUTCOMES];

    if (op == NULL)
        return false;
    if (history_is_read_of_many(op->kind) && op->status == 0) {
        const unsigned keys = readable(search, node, thread, op);

        if (keys == op->keys && (!search->history->snapshots || node->read[thread] == 0)) {
            advance(node, thread);
            return true;
        }
        if (node->read[thread] == 0 || keys == node->read[thread])
            return false;
        node->read[thread] = (uint8_t)keys;
        return true;
    }
    if (!history_is_read(op->kind) && op->status == 0)
        return false;
    const unsigned count = linear_outcomes(&search->model, op, &node->state, after);
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(&after[i], &node->state, sizeof node->state) == 0) {
            advance(node, thread);
            return true;
        }
    }
    return false;
}

static unsigned count_done(const struct search *search, const struct node *node)
{
    unsigned done = 0;

    for (unsigned t = 0; t < search->history->threads; t++)
        done += node->next[t];
    return done;
}

static void take_all_free(struct search *search, struct node *node)
{
    bool taken = true;

    while (taken) {
        taken = false;
        for (unsigned t = 0; t < search->history->threads; t++) {
            while (take_free(search, node, t))
                taken = true;
        }
    }
}

static bool can_end(struct search *search, struct node node);

/* Begin a read of many although not all of its keys are as it found them, or let one of its keys
 * vanish. */
static bool try_read_of_many(struct search *search, const struct node *node, unsigned thread,
                             const struct history_op *op)
{
    struct node after = *node;
    const unsigned keys = readable(search, node, thread, op);

    if (!search->history->snapshots && keys != 0 && node->read[thread] == 0) {
        after.read[thread] = (uint8_t)keys;
        if (can_end(search, after))
            return true;
    }
    for (unsigned k = 0; search->history->evicts && k < HISTORY_KEYS; k++) {
        if ((op->keys & ~keys) >> k & 1 && op->parts[k].value == 0) {
            after = *node;
            linear_vanish(&after.state, k);
            if (can_end(search, after))
                return true;
        }
    }
    return false;
}

static bool try_op(struct search *search, const struct node *node, unsigned thread)
{
    const struct history_op *op = next_of(search, node, thread);
    struct linear_state outcomes[LINEAR_OUTCOMES];

    if (op == NULL || is_kept_away(search, node, op))
        return false;
    if (history_is_read_of_many(op->kind))
        return try_read_of_many(search, node, thread, op);

    const unsigned count = linear_outcomes(&search->model, op, &node->state, outcomes);
    for (unsigned i = 0; i < count; i++) {
        struct node after = *node;

        after.state = outcomes[i];
        advance(&after, thread);
        if (can_end(search, after))
            return true;
    }
    return false;
}

/* Whether the operations that are left can follow, in some order. */
static bool can_end(struct search *search, struct node node)
{
    take_all_free(search, &node);
    const unsigned done = count_done(search, &node);
    if (done > search->best_count || search->nodes == 0) {
        search->best_count = done;
        search->best = node;
    }
    search->nodes++;
    if (done == search->total)
        return true;
    if (search->nodes > NODES_MAX || is_seen(search, &node))
        return false;
    for (unsigned t = 0; t < search->history->threads; t++) {
        if (try_op(search, &node, t))
            return true;
    }
    return false;
}

static enum linear_answer run(struct search *search, const struct history *history)
{
    struct node start;
    bool explained;

    memset(&start, 0, sizeof start);
    *search = (struct search){.history = history};
    for (unsigned t = 0; t < history->threads; t++)
        search->total += history->counts[t];
    if (!linear_model_init(&search->model, history, &start.state))
        return LINEAR_IMPOSSIBLE;
    explained = can_end(search, start);
    free(search->seen);
    return explained                   ? LINEAR_EXPLAINED
           : search->nodes > NODES_MAX ? LINEAR_TOO_LARGE
                                       : LINEAR_IMPOSSIBLE;
}

enum linear_answer linear_check(const struct history *history)
{
    struct search search;

    return run(&search, history);
}

enum linear_answer linear_explain(const struct history *history, FILE *file)
{
    struct search search;
    const enum linear_answer answer = run(&search, history);

    if (answer != LINEAR_IMPOSSIBLE)
        return answer;
    history_print(file, history);
    fprintf(file,
            "No order of these operations gives these results. At most %u of %u could be "
            "put in order;\nthen ",
            search.best_count, search.total);
    linear_print_state(file, &search.best.state);
    fprintf(file, " and none of these could follow:\n");
    for (unsigned t = 0; t < history->threads; t++) {
        const struct history_op *op = next_of(&search, &search.best, t);

        if (op == NULL)
            continue;
        fprintf(file, "  thread %u: ", t);
        history_print_op(file, op);
        fprintf(file, "\n");
    }
    return answer;
}
