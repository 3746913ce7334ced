/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a history can be explained: an order of its operations, one after the other, that
 * agrees with which ended before which began and in which each gives what it gave.
 *
 * The search is Wing and Gong's with Lowe's memory of what was tried: from each thread the next
 * operation may come next if all that ended before it began have come. What changes nothing and
 * agrees with the state is taken at once; only what changes the state is a choice.
 *
 * Where several keys are concerned:
 *
 *     a batch         takes effect at one instant
 *     a read of many  is of one instant in a history of snapshots. Else each of its keys is read
 *                     at an instant of its own, and no batch that writes one of its keys comes
 *                     between them
 *
 * Where time passes during a call: a read is judged by the clock of its instant. A write that has
 * succeeded takes effect at one instant and may have computed its expiry, and judged whether the
 * entry it replaces is live, by any earlier clock of the same call. */
#ifndef TEST_LINEAR_H
#define TEST_LINEAR_H

#include "support/history.h"

enum linear_answer {
    LINEAR_EXPLAINED,
    LINEAR_IMPOSSIBLE,
    LINEAR_TOO_LARGE /* the search was given up */
};

enum linear_answer linear_check(const struct history *history);

/* The same; prints the history, how far it could be explained, and what could not, when it is
 * impossible. */
enum linear_answer linear_explain(const struct history *history, FILE *file);

#endif
