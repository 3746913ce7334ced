/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/latency.h"

#include <string.h>

__thread uint64_t ms_latency_turn;

const char *ms_latency_name(enum memstore_operation operation)
{
    static const char *const names[MEMSTORE_OPERATIONS] = {
        [MEMSTORE_OPERATION_GET] = "get",
        [MEMSTORE_OPERATION_GET_VIEW] = "get_view",
        [MEMSTORE_OPERATION_HAS] = "has",
        [MEMSTORE_OPERATION_GET_MANY] = "get_many",
        [MEMSTORE_OPERATION_HAS_MANY] = "has_many",
        [MEMSTORE_OPERATION_SET] = "set",
        [MEMSTORE_OPERATION_SET_ASYNC] = "set_async",
        [MEMSTORE_OPERATION_SET_MANY] = "set_many",
        [MEMSTORE_OPERATION_INCREMENT] = "increment",
        [MEMSTORE_OPERATION_DELETE] = "delete",
        [MEMSTORE_OPERATION_DELETE_MANY] = "delete_many",
        [MEMSTORE_OPERATION_UPDATE_TTL] = "update_ttl",
        [MEMSTORE_OPERATION_COMMIT] = "commit",
        [MEMSTORE_OPERATION_LOAD] = "load",
    };

    return names[operation];
}

uint32_t ms_latency_one_in(enum memstore_operation operation)
{
    switch (operation) {
    case MEMSTORE_OPERATION_GET:
    case MEMSTORE_OPERATION_GET_VIEW:
    case MEMSTORE_OPERATION_HAS:
        return MS_LATENCY_READS_ONE_IN;
    default:
        return 1;
    }
}

static struct ms_histogram *histogram_of(const struct ms_latency *latency, uint32_t stripe,
                                         enum memstore_operation operation)
{
    return &latency->histograms[stripe * MEMSTORE_OPERATIONS + operation];
}

void ms_latency_add(struct ms_latency *latency, enum memstore_operation operation, uint64_t ns,
                    uint64_t slow_from_ns)
{
    const uint32_t stripe = ms_thread_slot() & (latency->stripe_count - 1);

    ms_histogram_add(histogram_of(latency, stripe, operation), ns, slow_from_ns);
}

void ms_latency_sum(const struct ms_latency *latency, enum memstore_operation operation,
                    struct ms_histogram_sums *sums)
{
    memset(sums, 0, sizeof *sums);
    for (uint32_t stripe = 0; stripe < latency->stripe_count; stripe++)
        ms_histogram_sum(histogram_of(latency, stripe, operation), sums);
}

void ms_latency_clear(struct ms_latency *latency)
{
    for (uint32_t i = 0; i < latency->stripe_count * MEMSTORE_OPERATIONS; i++)
        ms_histogram_clear(&latency->histograms[i]);
}

void ms_latency_totals(const struct ms_latency *latency, uint64_t *measured, uint64_t *slow)
{
    *measured = *slow = 0;
    for (uint32_t i = 0; i < latency->stripe_count * MEMSTORE_OPERATIONS; i++) {
        const struct ms_histogram *histogram = &latency->histograms[i];

        if (i % MEMSTORE_OPERATIONS == MEMSTORE_OPERATION_LOAD)
            continue;
        *slow += ms_load_relaxed(&histogram->slow);
        for (uint32_t bucket = 0; bucket < MS_HISTOGRAM_BUCKETS; bucket++)
            *measured += ms_load_relaxed(&histogram->counts[bucket]);
    }
}
