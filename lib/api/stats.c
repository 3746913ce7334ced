/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "api/write_out.h"
#include "platform/mem.h"
#include "store/calls.h"
#include "store/watch/metrics.h"
#include "store/watch/report.h"
#include "store/write/writing.h"
#include "util/abi.h"

int memstore_get_stats(memstore *store, memstore_stats *stats)
{
    memstore_stats now = {0};

    if (store == NULL || stats == NULL)
        return ms_refuse_argument(store);
    const int status = ms_store_enter(store);
    if (status != MEMSTORE_OK)
        return status;
    ms_store_stats(store, &now);
    ms_store_leave(store);
    return ms_abi_store(stats, &now, sizeof now);
}

double memstore_get_hit_rate(memstore *store)
{
    memstore_stats stats = {.struct_size = sizeof stats};

    if (memstore_get_stats(store, &stats) != MEMSTORE_OK || stats.hits + stats.misses == 0)
        return 0;
    return (double)stats.hits / (double)(stats.hits + stats.misses);
}

int memstore_get_memory_stats(memstore *store, memstore_memory_stats *stats)
{
    memstore_memory_stats now = {0};

    if (store == NULL || stats == NULL)
        return ms_refuse_argument(store);
    const int status = ms_store_enter(store);
    if (status != MEMSTORE_OK)
        return status;
    ms_store_memory_stats(store, &now);
    ms_store_leave(store);
    return ms_abi_store(stats, &now, sizeof now);
}

int memstore_get_ttl_stats(memstore *store, memstore_ttl_stats *stats)
{
    memstore_ttl_stats now = {0};

    if (store == NULL || stats == NULL)
        return ms_refuse_argument(store);
    const int status = ms_store_enter(store);
    if (status != MEMSTORE_OK)
        return status;
    ms_store_ttl_stats(store, &now);
    ms_store_leave(store);
    return ms_abi_store(stats, &now, sizeof now);
}

int memstore_reset_stats(memstore *store)
{
    if (store == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;

    const int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        ms_store_reset_stats(store);
        ms_store_leave(store);
    }
    return status;
}

/* ---- Latencies and rates ---- */

const char *memstore_operation_name(int operation)
{
    return operation >= 0 && operation < MEMSTORE_OPERATIONS
               ? ms_latency_name((enum memstore_operation)operation)
               : NULL;
}

int memstore_get_latency(memstore *store, int operation, memstore_latency *latency)
{
    memstore_latency now = {0};

    if (store == NULL || latency == NULL || memstore_operation_name(operation) == NULL)
        return ms_refuse_argument(store);
    int status = ms_store_enter(store);
    if (status != MEMSTORE_OK)
        return status;
    status = ms_store_latency(store, (enum memstore_operation)operation, &now);
    ms_store_leave(store);
    return status == MEMSTORE_OK ? ms_abi_store(latency, &now, sizeof now) : status;
}

int memstore_get_rates(memstore *store, memstore_rates *rates)
{
    memstore_rates now = {0};

    if (store == NULL || rates == NULL)
        return ms_refuse_argument(store);
    int status = ms_store_enter(store);
    if (status != MEMSTORE_OK)
        return status;
    status = ms_monitor_rates(store, &now);
    ms_store_leave(store);
    return status == MEMSTORE_OK ? ms_abi_store(rates, &now, sizeof now) : status;
}

/* ---- Metrics ---- */

int memstore_metrics_text(memstore *store, memstore_write_fn fn, void *context)
{
    struct ms_text text = {0};

    if (store == NULL || fn == NULL)
        return ms_refuse_argument(store);
    int status = ms_store_enter(store);
    if (status != MEMSTORE_OK)
        return status;
    text.wipes = store->settings.secure_wipe;
    status = ms_metrics_write(store, &text);
    ms_store_leave(store);
    if (status == MEMSTORE_OK)
        status = ms_write_out(store, &text, fn, context);
    ms_mem_free_wiped(text.data, text.wipes);
    return status;
}
