/* SPDX-License-Identifier: Apache-2.0 */
/* One run: a real store and the model of it, driven by the same random operations until they
 * differ. */
#ifndef TEST_RUN_H
#define TEST_RUN_H

#include "model/model.h"
#include "support/support.h"

#define RUN_VIEWS 6
#define RUN_MAX_BATCH 12

struct run_config {
    const char *name;
    const char *settings[12];
    struct model_rules rules;
    size_t big_value; /* the largest value; most are small */
    bool tight;       /* the limit is reached: entries may be evicted, or writes refused */
    bool evicts;      /* what gives way is old entries, else new ones (eviction: none) */
    unsigned views;   /* most views held at once, up to RUN_VIEWS */
    unsigned ops;     /* operations per run, in place of the common number; 0 = that */
};

extern const struct run_config run_configs[];
extern const unsigned run_config_count;

struct run_view {
    memstore_view view;
    unsigned char *bytes; /* what the view showed at first */
};

struct run {
    memstore *store;
    const struct run_config *config;
    struct test_rng rng;
    struct model model;
    uint64_t evicted; /* entries found to be gone for no other reason */

    struct run_view views[RUN_VIEWS];
    unsigned held;

    memstore_cursor *cursor;
    const char *cursor_pattern;

    /* For the message of a failure. */
    uint64_t seed;
    unsigned op;
    const char *op_name;
    bool trace;
};

typedef void (*run_op)(struct run *run);

/* Say what differed and how to see it again, and end the program. */
_Noreturn void run_fail(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void run_note(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Compare a status; fails unless they are the same. */
void run_expect(struct run *run, const char *call, int got, int wanted);
/* The same for a write, which a tight limit may refuse: whether it took effect. Counts the
 * refusal either way. */
bool run_settle(struct run *run, const char *call, int got, int wanted);

/* Find out whether the entry was evicted since it was last looked at. */
void run_sync(struct run *run, struct model_entry *entry);
void run_sync_all(struct run *run);

/* The real store is about to apply what is queued, or has just done so: whatever is queued; if a
 * write of the key is; if it is old enough. */
void run_settle_all(struct run *run);
void run_settle_key(struct run *run, const struct model_entry *entry);
void run_settle_due(struct run *run);
/* Let both apply what is queued. */
void run_flush(struct run *run);

struct model_entry *run_pick(struct run *run);
/* A TTL, valid or not. */
int64_t run_pick_ttl(struct run *run);
int64_t run_pick_valid_ttl(struct run *run);
/* A value for free(); some are decimal numbers. */
unsigned char *run_pick_value(struct run *run, size_t *size);
/* A pattern; whether it is well formed. */
const char *run_pick_pattern(struct run *run, bool *well_formed);

/* Compare an entry with the model through one of the reading calls. */
void run_check_entry(struct run *run, struct model_entry *entry);
/* What was written is there at once, and what was refused left no trace. */
void run_check_after(struct run *run, struct model_entry *entry);
void run_check_view(struct run *run, struct model_entry *entry, const memstore_view *view);
void run_check_stats(struct run *run);
/* Check the store's own invariants. */
void run_check_validity(struct run *run);
void run_release_view(struct run *run, unsigned which);
void run_close_cursor(struct run *run);

/* Operations, by file. */
void op_set(struct run *run);
void op_set_until(struct run *run);
void op_add(struct run *run);
void op_replace(struct run *run);
void op_compare_and_set(struct run *run);
void op_increment(struct run *run);
void op_get(struct run *run);
void op_hold_view(struct run *run);
void op_release_view(struct run *run);
void op_has(struct run *run);
void op_delete(struct run *run);
void op_query_ttl(struct run *run);
void op_update_ttl(struct run *run);

void op_set_async(struct run *run);
void op_flush(struct run *run);

void op_set_many(struct run *run);
void op_get_many(struct run *run);
void op_has_many(struct run *run);
void op_delete_many(struct run *run);
void op_batch(struct run *run);

void op_advance(struct run *run);
void op_step_unix(struct run *run);
void op_maintain(struct run *run);
void op_compact(struct run *run);
void op_clear(struct run *run);
void op_size(struct run *run);
void op_keys(struct run *run);
void op_count(struct run *run);
void op_delete_by_pattern(struct run *run);
void op_cursor(struct run *run);
void op_stats(struct run *run);
void op_reset_stats(struct run *run);
void op_bad_arguments(struct run *run);

#endif
