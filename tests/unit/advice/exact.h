/* SPDX-License-Identifier: Apache-2.0 */
/* The exact miss-ratio curve of a stream of keys under LRU, by one stack distance for each
 * reference: Mattson's, with a Fenwick tree over all of the stream. */
#ifndef TEST_ADVICE_EXACT_H
#define TEST_ADVICE_EXACT_H

#include "advice/curve.h"

#include <stddef.h>
#include <stdint.h>

struct test_exact {
    uint64_t *hits_at; /* hits_at[d]: references that hit in caches of d entries and more */
    size_t keys;       /* distinct ones, which is the longest distance */
    size_t references;
};

struct test_exact test_exact_of(const uint64_t *keys, size_t n);
void test_exact_free(struct test_exact *exact);
/* The exact miss ratio of a cache of this many entries. */
double test_exact_miss_ratio(const struct test_exact *exact, size_t entries);

/* The mean difference of a curve of so many references to the exact one, over sizes up to the number of
 * keys. */
double test_exact_error(const struct test_exact *exact, const struct ms_curve *curve,
                        double references);

/* A stream where the key of rank r comes with a weight of 1 / r^skew. For free(). */
uint64_t *test_zipf_stream(size_t n, size_t keys, double skew, uint64_t seed);
/* The keys of a trace in ../shared/traces, at most `most`; NULL where it is not. For free(). */
uint64_t *test_trace(const char *name, size_t most, size_t *n);

#endif
