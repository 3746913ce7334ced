/* SPDX-License-Identifier: Apache-2.0 */
#include "support/history.h"

#include <inttypes.h>
#include <memstore/memstore.h>

void history_order_by_time(struct history *history)
{
    for (unsigned t = 0; t < history->threads; t++) {
        for (unsigned i = 0; i < history->counts[t]; i++) {
            for (unsigned other = 0; other < history->threads; other++) {
                uint8_t ended = 0;

                while (ended < history->counts[other] &&
                       history->ops[other][ended].end < history->ops[t][i].begin)
                    ended++;
                history->before[t][i][other] = ended;
            }
        }
    }
}

static const char *const kind_names[] = {
    [HISTORY_GET] = "get",
    [HISTORY_HAS] = "has",
    [HISTORY_GET_MANY] = "get_many",
    [HISTORY_HAS_MANY] = "has_many",
    [HISTORY_SET] = "set",
    [HISTORY_ADD] = "add",
    [HISTORY_REPLACE] = "replace",
    [HISTORY_COMPARE_AND_SET] = "compare_and_set",
    [HISTORY_INCREMENT] = "increment",
    [HISTORY_DELETE] = "delete",
    [HISTORY_RETIME] = "update_ttl",
    [HISTORY_SET_MANY] = "set_many",
    [HISTORY_DELETE_MANY] = "delete_many",
    [HISTORY_COMMIT] = "batch",
    [HISTORY_CLOCK] = "clock",
};

static void print_value(FILE *file, uint64_t value)
{
    if (value == 0)
        fprintf(file, "nothing");
    else if (value == HISTORY_TORN)
        fprintf(file, "TORN");
    else
        fprintf(file, "%" PRIu64, value);
}

static void print_ttl(FILE *file, const struct history_part *part)
{
    if (part->ttl != 0)
        fprintf(file, " for %" PRId64 " ms", part->ttl);
}

static void print_expectation(FILE *file, const struct history_part *part)
{
    if (part->expect == HISTORY_ABSENT)
        fprintf(file, " if absent");
    else if (part->expect == HISTORY_PRESENT)
        fprintf(file, " if present");
    else if (part->expect == HISTORY_VERSION)
        fprintf(file, " if version %" PRIu64, part->version);
}

static void print_part(FILE *file, const struct history_op *op, unsigned key)
{
    const struct history_part *part = &op->parts[key];

    fprintf(file, " k%u", key);
    if (history_is_read(op->kind) && op->status == MEMSTORE_OK) {
        fprintf(file, " is ");
        if (op->kind == HISTORY_HAS || op->kind == HISTORY_HAS_MANY)
            fprintf(file, "%s", part->value != 0 ? "there" : "not there");
        else
            print_value(file, part->value);
        if (part->version != 0)
            fprintf(file, " (version %" PRIu64 ")", part->version);
        return;
    }
    if (part->effect == HISTORY_STORES) {
        fprintf(file, " = ");
        print_value(file, part->value);
    } else if (part->effect == HISTORY_REMOVES) {
        fprintf(file, " removed");
    } else if (part->effect == HISTORY_RETIMES) {
        fprintf(file, " to live on");
    }
    print_ttl(file, part);
    print_expectation(file, part);
}

void history_print_op(FILE *file, const struct history_op *op)
{
    fprintf(file, "%s", kind_names[op->kind]);
    if (op->kind == HISTORY_CLOCK) {
        fprintf(file, " set to %" PRId64, op->clock);
        return;
    }
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        if ((op->keys >> key & 1) != 0)
            print_part(file, op, key);
    }
    if (op->kind == HISTORY_INCREMENT)
        fprintf(file, " (by %" PRId64 " from %" PRId64 ")", op->delta, op->initial);
    if (op->kind == HISTORY_DELETE_MANY)
        fprintf(file, " (%zu were there)", op->deleted);
    if (!history_is_read(op->kind) || op->status != MEMSTORE_OK)
        fprintf(file, ": %s", memstore_status_name(op->status));
}

void history_print(FILE *file, const struct history *history)
{
    unsigned next[HISTORY_THREADS] = {0};

    fprintf(file, "before: ");
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        fprintf(file, "%sk%u is ", key != 0 ? ", " : "", key);
        print_value(file, history->start[key]);
    }
    fprintf(file, "\n%8s %8s  thread\n", "begin", "end");
    for (;;) {
        unsigned first = HISTORY_THREADS;

        for (unsigned t = 0; t < history->threads; t++) {
            if (next[t] < history->counts[t] &&
                (first == HISTORY_THREADS ||
                 history->ops[t][next[t]].begin < history->ops[first][next[first]].begin))
                first = t;
        }
        if (first == HISTORY_THREADS)
            return;
        const struct history_op *op = &history->ops[first][next[first]++];
        fprintf(file, "%8" PRIu64 " %8" PRIu64 "  %6u  ", op->begin, op->end, first);
        history_print_op(file, op);
        fprintf(file, "\n");
    }
}
