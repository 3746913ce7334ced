/* SPDX-License-Identifier: Apache-2.0 */
#include "exact.h"

#include "unit/random.h"

#include <math.h>
#include <string.h>

/* ---- Distances ---- */

struct last_use {
    uint64_t key;
    size_t at; /* reference number + 1; 0 = none */
};

static struct last_use *use_of(struct last_use *table, size_t mask, uint64_t key)
{
    struct unit_random rng = {key};
    size_t at = unit_random_next(&rng) & mask;

    while (table[at].at != 0 && table[at].key != key)
        at = (at + 1) & mask;
    return &table[at];
}

static void add(int32_t *tree, size_t n, size_t at, int32_t value)
{
    for (; at <= n; at += at & -at)
        tree[at] += value;
}

static int64_t sum_up_to(const int32_t *tree, size_t at)
{
    int64_t sum = 0;

    for (; at > 0; at -= at & -at)
        sum += tree[at];
    return sum;
}

struct test_exact test_exact_of(const uint64_t *keys, size_t n)
{
    size_t mask = 1;

    while (mask < 2 * n)
        mask *= 2;
    struct last_use *table = calloc(mask, sizeof *table);
    int32_t *tree = calloc(n + 1, sizeof *tree);
    struct test_exact exact = {calloc(n + 2, sizeof *exact.hits_at), 0, n};

    for (size_t i = 1; i <= n; i++) {
        struct last_use *use = use_of(table, mask - 1, keys[i - 1]);

        if (use->at != 0) {
            exact.hits_at[sum_up_to(tree, i - 1) - sum_up_to(tree, use->at) + 1]++;
            add(tree, n, use->at, -1);
        } else {
            exact.keys++;
        }
        *use = (struct last_use){keys[i - 1], i};
        add(tree, n, i, 1);
    }
    for (size_t d = 1; d <= n; d++)
        exact.hits_at[d] += exact.hits_at[d - 1];
    free(table);
    free(tree);
    return exact;
}

void test_exact_free(struct test_exact *exact)
{
    free(exact->hits_at);
}

double test_exact_miss_ratio(const struct test_exact *exact, size_t entries)
{
    const size_t at = entries < exact->references ? entries : exact->references;

    return 1 - (double)exact->hits_at[at] / (double)exact->references;
}

/* ---- Streams ---- */

uint64_t *test_zipf_stream(size_t n, size_t keys, double skew, uint64_t seed)
{
    struct unit_random rng = {seed};
    uint64_t *stream = malloc(n * sizeof *stream);
    double *up_to = malloc(keys * sizeof *up_to);
    double sum = 0;

    for (size_t r = 0; r < keys; r++)
        up_to[r] = sum += pow((double)(r + 1), -skew);
    for (size_t i = 0; i < n; i++) {
        const double at = (double)(unit_random_next(&rng) >> 11) * 0x1p-53 * sum;
        size_t low = 0, high = keys - 1;

        while (low < high) {
            const size_t middle = (low + high) / 2;

            if (up_to[middle] > at)
                high = middle;
            else
                low = middle + 1;
        }
        stream[i] = low;
    }
    free(up_to);
    return stream;
}

/* Sizes at which curves are compared. */
#define STEPS 200

double test_exact_error(const struct test_exact *exact, const struct ms_curve *curve,
                        double references)
{
    double sum = 0;

    for (size_t i = 1; i <= STEPS; i++) {
        const size_t size = exact->keys * i / STEPS + 1;

        sum += fabs(ms_curve_miss_ratio(curve, (double)size, references) -
                    test_exact_miss_ratio(exact, size));
    }
    return sum / STEPS;
}

#define TRACE_HEADER 24
#define TRACE_RECORD 12

uint64_t *test_trace(const char *name, size_t most, size_t *n)
{
    const char *root = getenv("MEMSTORE_TRACES");
    char command[512];
    char header[TRACE_HEADER], record[TRACE_RECORD];
    uint64_t *keys = NULL;

    snprintf(command, sizeof command, "zstd -dcq '%s/%s.mst.zst' 2>/dev/null",
             root != NULL ? root : "../shared/traces", name);
    FILE *trace = popen(command, "r");
    *n = 0;
    if (trace != NULL && fread(header, sizeof header, 1, trace) == 1) {
        keys = malloc(most * sizeof *keys);
        while (*n < most && fread(record, sizeof record, 1, trace) == 1)
            memcpy(&keys[(*n)++], record, sizeof *keys);
    }
    if (trace != NULL)
        pclose(trace);
    return keys;
}
