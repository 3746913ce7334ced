/* SPDX-License-Identifier: Apache-2.0 */
/* What several threads did to a few keys, and what each call gave: the record of one short run,
 * to be explained by linear.h.
 *
 * Every operation is a set of parts, one for each key concerned: what it expected there, what it
 * stored there or read there. An operation on one key is one part, a batch is several. Values are
 * numbers that are written once each, so that a value read tells the write it comes from; 0 is
 * the absence of one. */
#ifndef TEST_HISTORY_H
#define TEST_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HISTORY_KEYS 6
#define HISTORY_THREADS 16
#define HISTORY_OPS 14 /* of one thread */

/* What a value that was torn, or belongs to another key, is read as: nobody writes it. */
#define HISTORY_TORN UINT64_MAX
#define HISTORY_NEVER INT64_MAX

enum history_kind {
    HISTORY_GET,
    HISTORY_HAS,
    HISTORY_GET_MANY,
    HISTORY_HAS_MANY,
    HISTORY_SET,
    HISTORY_ADD,
    HISTORY_REPLACE,
    HISTORY_COMPARE_AND_SET,
    HISTORY_INCREMENT,
    HISTORY_DELETE,
    HISTORY_RETIME,      /* memstore_update_ttl() */
    HISTORY_SET_MANY,    /* the writes of several keys at one instant: set_many, */
    HISTORY_DELETE_MANY, /* delete_many, */
    HISTORY_COMMIT,      /* and a batch with whatever is in its parts */
    HISTORY_CLOCK        /* the clock is set forward */
};

enum history_expect {
    HISTORY_ANYTHING,
    HISTORY_ABSENT,
    HISTORY_PRESENT,
    HISTORY_VERSION /* `version`; 0 = absent */
};

enum history_effect { HISTORY_NO_EFFECT, HISTORY_STORES, HISTORY_REMOVES, HISTORY_RETIMES };

struct history_part {
    enum history_expect expect;
    enum history_effect effect;
    uint64_t value;   /* stored, or found: 0 = nothing, and 1 is all that has() tells */
    uint64_t version; /* expected, or found; 0 = not told */
    int64_t ttl;      /* of what is stored; 0 = it never expires */
};

struct history_op {
    enum history_kind kind;
    unsigned keys; /* bit k: part k counts */
    struct history_part parts[HISTORY_KEYS];
    int64_t delta, initial; /* increment */
    bool by_view;           /* get: zero copy, and with the version */
    bool by_scan;           /* has: by looking at all keys */
    int64_t clock;          /* what the clock is set to; for the others, what it was at the begin */
    int status;
    size_t deleted;      /* delete_many */
    uint64_t begin, end; /* on one scale for all threads */
};

struct history {
    unsigned threads;
    unsigned counts[HISTORY_THREADS];
    struct history_op ops[HISTORY_THREADS][HISTORY_OPS];
    /* How many operations of each thread had ended when this one began. */
    uint8_t before[HISTORY_THREADS][HISTORY_OPS][HISTORY_THREADS];

    uint64_t start[HISTORY_KEYS]; /* the value under each key before all operations */
    int64_t clock;                /* and the clock */
    bool snapshots;               /* reads of several keys are of one instant */
    bool timed;                   /* the clock goes on meanwhile, by HISTORY_CLOCK */
    bool evicts;                  /* entries may vanish at any time */
};

static inline bool history_is_read(enum history_kind kind)
{
    return kind <= HISTORY_HAS_MANY;
}

static inline bool history_is_read_of_many(enum history_kind kind)
{
    return kind == HISTORY_GET_MANY || kind == HISTORY_HAS_MANY;
}

static inline bool history_is_batch(enum history_kind kind)
{
    return kind >= HISTORY_SET_MANY && kind <= HISTORY_COMMIT;
}

/* Fill `before` from begin and end. */
void history_order_by_time(struct history *history);
/* One operation, as a person would write it down. */
void history_print_op(FILE *file, const struct history_op *op);
/* All of them, by when they began. */
void history_print(FILE *file, const struct history *history);

#endif
