/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a store, and how long it takes. */
#ifndef COMPARE_OPERATIONS_H
#define COMPARE_OPERATIONS_H

#include "common/bench_key.h"
#include "compare/engine.h"

#include <stdbool.h>
#include <stddef.h>

enum { VALUE_SIZE = 100, BATCH = 16 };

/* The keys of one round, and the sum of the first eight bytes of their values. */
struct round {
    size_t count; /* a multiple of BATCH */
    char (*keys)[BENCH_KEY_SIZE];
    uint64_t *ids;
    uint64_t value_sum;
};

struct operation {
    const char *name;
    const char *what;
    /* Does it for every key. What comes back is the sum of what was read where it reads values, else how many
     * keys it was done for. */
    uint64_t (*run)(const struct engine *engine, const struct round *round);
    bool sums_values;
    bool fresh; /* keys that are not there yet */
};

extern const struct operation operations[];
extern const size_t operation_count;

/* The value of an id. */
void operation_value(uint64_t id, char out[VALUE_SIZE]);

/* Nanoseconds for each key of a round. Ends the program when the result is wrong. */
double operation_time(const struct operation *operation, const struct engine *engine,
                      const struct round *round);

#endif
