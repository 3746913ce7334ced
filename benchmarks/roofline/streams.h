/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in the order they will be asked for, written out beforehand so that making them costs the
 * measurement nothing, and the sum that reading all their values must give. */
#ifndef ROOFLINE_STREAMS_H
#define ROOFLINE_STREAMS_H

#include "common/bench_key.h"
#include <stddef.h>
#include <stdint.h>

enum { VALUE_SIZE = 100, BATCH = 16, LARGEST_BATCH = 256 };

struct stream {
    size_t count; /* a multiple of LARGEST_BATCH */
    char (*keys)[BENCH_KEY_SIZE];
    uint64_t value_sum; /* of the values' first eight bytes */
};

enum distribution { UNIFORM, ZIPF, FRESH, DISTRIBUTIONS };

/* `count` keys out of ids 0 .. entries-1. UNIFORM and ZIPF (exponent 0.99, the popular ids
 * scattered) repeat; FRESH counts up from `first_fresh`, ids never asked for before. Ends the
 * program when the system gives no memory. */
struct stream stream_create(enum distribution distribution, size_t count, uint64_t entries,
                            uint64_t seed);
void stream_refill_fresh(struct stream *stream, uint64_t first_fresh);
void stream_destroy(struct stream *stream);

/* The value of an id: VALUE_SIZE bytes that follow from it. */
void stream_value(uint64_t id, unsigned char out[VALUE_SIZE]);

#endif
