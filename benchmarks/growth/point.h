/* SPDX-License-Identifier: Apache-2.0 */
/* One point of a curve: a store of some size and shape, and what its calls cost. */
#ifndef GROWTH_POINT_H
#define GROWTH_POINT_H

#include <stdint.h>

enum { POINT_MOST_THREADS = 64 };

struct point {
    uint64_t entries;
    uint64_t value_size; /* at least 8 */
    unsigned shards;
    unsigned threads;
};

/* Nanoseconds; of a call on one thread, whatever the others do meanwhile. */
struct cost {
    double fill, get, overwrite; /* the mean */
    uint64_t longest_set;        /* while it was filled, on one thread */
    uint64_t slow_sets;          /* of those, over a millisecond */
    double bytes_an_entry;       /* what the store charges, over key and value */
};

/* Ends the program when a value is wrong or an entry missing. */
struct cost point_measure(const struct point *point);

#endif
