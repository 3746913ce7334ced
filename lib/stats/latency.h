/* SPDX-License-Identifier: Apache-2.0 */
/* How long calls take: a histogram for each operation. Writes and batches are all measured;
 * reads that take less than two looks at the clock do are measured one in MS_LATENCY_READS_ONE_IN,
 * chosen by the thread's own count of them.
 *
 * Threads are spread over stripes, so that those which add at the same time seldom meet. */
#ifndef MS_STATS_LATENCY_H
#define MS_STATS_LATENCY_H

#include "platform/thread.h"
#include "stats/histogram.h"

#include <memstore/stats.h>
#include <stdbool.h>
#include <stddef.h>

#define MS_LATENCY_READS_ONE_IN 256

struct ms_latency {
    struct ms_histogram *histograms; /* of each operation, stripe by stripe; NULL = not measured */
    uint32_t stripe_count;           /* a power of two */
};

static inline size_t ms_latency_bytes(uint32_t stripes)
{
    return (size_t)stripes * MEMSTORE_OPERATIONS * sizeof(struct ms_histogram);
}

/* `memory` is zeroed, aligned to a cache line, has room for that many stripes and stays the
 * caller's. */
static inline void ms_latency_init(struct ms_latency *latency, uint32_t stripes, void *memory)
{
    *latency = (struct ms_latency){memory, stripes};
}

/* The operation's name, a static string. */
const char *ms_latency_name(enum memstore_operation operation);
/* One in how many calls of an operation is measured. */
uint32_t ms_latency_one_in(enum memstore_operation operation);

extern __thread uint64_t ms_latency_turn;

/* Whether a thread's n-th read is one to measure. A multiple of the golden ratio spreads them evenly
 * and falls in step with no pattern of calls. */
MS_ALWAYS_INLINE bool ms_latency_is_sampled(uint64_t n)
{
    return ms_unlikely((uint32_t)n * UINT32_C(0x9e3779b1) < UINT32_MAX / MS_LATENCY_READS_ONE_IN);
}

/* Whether the calling thread's next read is. */
MS_ALWAYS_INLINE bool ms_latency_is_turn(void)
{
    return ms_latency_is_sampled(ms_latency_turn++);
}

void ms_latency_add(struct ms_latency *latency, enum memstore_operation operation, uint64_t ns,
                    uint64_t slow_from_ns);
/* The sums of all stripes. */
void ms_latency_sum(const struct ms_latency *latency, enum memstore_operation operation,
                    struct ms_histogram_sums *sums);
void ms_latency_clear(struct ms_latency *latency);
/* What was measured of all operations but loads, which take as long as they take, and how much of it was
 * slow. */
void ms_latency_totals(const struct ms_latency *latency, uint64_t *measured, uint64_t *slow);

#endif
