/* SPDX-License-Identifier: Apache-2.0 */
/* How long calls took, beside what the clock takes and what interrupts a loop that calls nothing. */
#ifndef SMOOTHNESS_TAILS_H
#define SMOOTHNESS_TAILS_H

#include "common/histogram.h"
#include "common/json.h"

enum tails_kind { TAILS_NOTHING, TAILS_SPIN, TAILS_GET, TAILS_SET, TAILS_KINDS };

struct tails {
    struct histogram of[TAILS_KINDS];
};

void tails_merge(struct tails *into, const struct tails *from);
/* Percentiles, and how many took how long by powers of two. */
void tails_print(const struct tails *tails);
/* The same as an array of this name, of one object for each kind of call that was made. */
void tails_write_json(const struct tails *tails, struct json *json, const char *name);

#endif
