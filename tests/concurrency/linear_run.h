/* SPDX-License-Identifier: Apache-2.0 */
/* Random short histories on a store, each checked by linear.h. */
#ifndef LINEAR_RUN_H
#define LINEAR_RUN_H

#include "support/linear.h"
#include "support/perform.h"

/* What kind of histories. */
struct linear_mix {
    const char *name;
    const char *settings[8];
    unsigned threads; /* with timed, one more for the clock */
    unsigned ops;     /* of a thread, at most */
    enum perform_form form;
    size_t longest;    /* value */
    unsigned singles;  /* keys of operations on one key, as a bit set */
    unsigned together; /* keys of batches and of reads of many */
    bool snapshots, timed, evicts;
    bool versions; /* views tell them, compare_and_set and batches use them */
    /* threads that let other keys come and go, so that tables grow and segments are reclaimed */
    unsigned churns;
    uint8_t weights[HISTORY_CLOCK];
};

struct linear_result {
    uint64_t histories;
    uint64_t overlapping; /* in which operations of different threads overlapped */
    uint64_t undecided;
    bool impossible; /* one could not be explained; nothing was run after it */
};

/* Run for `seconds`, and up to a minute longer until there are `least` histories and some overlap, or
 * until one cannot be explained, which is then printed to `file`. */
struct linear_result linear_run(const struct linear_mix *mix, uint64_t seed, uint64_t least,
                                double seconds, FILE *file);

/* Run all mixes, the seconds divided among them: 1,000 histories at least, and 100 of each. Ends the
 * program when there are fewer or when one cannot be explained. */
void linear_run_all(const struct linear_mix *mixes, size_t count, uint64_t seed, double seconds);

#endif
