/* SPDX-License-Identifier: Apache-2.0 */
/* A workload in memory: requests in their order, and what is known of the keys.
 *
 * A numeric key is kept as its 64 bits and written out when it is needed (workload_key()); the
 * keys of text and CSV files are kept as they are, one after another, in `text`. A workload is
 * not changed while it is replayed. */
#ifndef REPLAY_WORKLOAD_H
#define REPLAY_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are those of the MSTTTL01 format. */
enum request_op {
    OP_GET = 0, /* on a miss the value is stored */
    OP_SET = 1,
    OP_ADD = 2,
    OP_DELETE = 3,
    OP_INCREMENT = 4, /* replaces a live value by compare-and-set, stores one where none is */
    OP_GETS = 5,      /* as OP_GET */
    OP_CAS = 6,       /* replaces a live value by compare-and-set, else does nothing */
    OP_PREPEND = 7,   /* as OP_CAS */
    OP_COUNT
};

struct request {
    uint64_t key; /* a number, or the key's offset in `text` */
    int64_t ttl_ms;
    uint32_t time_ms;
    uint32_t value_size;
    uint32_t key_size;
    uint8_t op;
};

struct workload {
    struct request *requests;
    size_t count;
    size_t capacity;
    char *text; /* NULL when keys are numbers */
    size_t text_size;
    size_t text_capacity;
    bool has_text;

    /* Set by workload_summarize(). */
    uint64_t distinct_keys;
    uint64_t one_hit_keys;    /* keys requested once */
    uint64_t footprint_bytes; /* keys and values of all distinct keys, at their largest size */
    uint32_t max_value_size;
    uint32_t max_key_size;
};

enum {
    WORKLOAD_NUMERIC_KEY_SIZE = 20,
    WORKLOAD_MAX_KEY_SIZE = 65535,
    WORKLOAD_MAX_VALUE_SIZE = 1 << 30
};

void workload_init(struct workload *workload);
void workload_fini(struct workload *workload);

/* Append; false when the system gave no memory. A text key is copied and its request's `key` is
 * set. */
bool workload_add(struct workload *workload, const struct request *request);
bool workload_add_text(struct workload *workload, struct request *request, const char *key);

/* Count keys and bytes; false when the system gave no memory. */
bool workload_summarize(struct workload *workload);

/* The bytes of a request's key: in `text`, or written to scratch, which has room for
 * max_key_size bytes and at least WORKLOAD_NUMERIC_KEY_SIZE. A numeric key of 20 bytes and up
 * reads "key-<16 hexadecimal digits>" padded with dots; a shorter one is its 8 bytes,
 * little-endian, padded with zeros, and never shorter than 8, so that all stay distinct. */
const char *workload_key(const struct workload *workload, const struct request *request,
                         char *scratch);

#endif
