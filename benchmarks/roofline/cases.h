/* SPDX-License-Identifier: Apache-2.0 */
/* What is measured: the minimal loop and the store's functions, each over a whole stream of
 * keys. */
#ifndef ROOFLINE_CASES_H
#define ROOFLINE_CASES_H

#include "roofline/loop_table.h"
#include "roofline/streams.h"
#include <memstore/memstore.h>

struct subject {
    struct loop_table loop;
    memstore *read;        /* all entries, never written during the measurements */
    memstore *overwritten; /* all entries, for overwrites, among reads or alone */
    memstore *filled;      /* smaller than what is written to it, for new keys */
};

struct outcome {
    uint64_t done; /* values found, or writes accepted */
    uint64_t sum;  /* of the values' first eight bytes, where the case reads values */
};

enum case_id {
    CASE_EMPTY,
    CASE_LOOP,
    CASE_GET,
    CASE_LOOP8,
    CASE_GET_MANY8,
    CASE_LOOP16,
    CASE_GET_MANY16,
    CASE_GET_MANY64,
    CASE_GET_MANY256,
    CASE_HAS,
    CASE_GET_VIEW,
    CASE_READS, /* how many cases above only read */
    CASE_OVERWRITE = CASE_READS,
    CASE_MIXED,
    CASE_SET_NEW,
    CASES
};

struct bench_case {
    const char *name;
    struct outcome (*run)(const struct subject *subject, const struct stream *stream);
    bool sums_values;
    enum case_id reference; /* the case whose time this one is compared with; itself = none */
    double target;          /* the ratio to reach; 0 = none */
    /* how many times what one thread does two threads are to do; 0 = nothing is asked */
    double scaling;
};

extern const struct bench_case bench_cases[CASES];

#endif
