/* SPDX-License-Identifier: Apache-2.0 */
/* Closing and destroying. */
#include "store/lifetime.h"

#include "store/calls.h"
#include "store/ways.h"
#include "store/load/place.h"
#include "store/maintenance.h"
#include "store/space/harvest.h"
#include "store/store.h"
#include "store/validate.h"
#include "store/watch/store_log.h"

#include "loader/leading.h"

__thread int64_t ms_store_patience_us = MS_STORE_PATIENT;

/* Free all memory but what views hold. Nobody reads or writes any more. */
static void free_contents(memstore *store)
{
    ms_store_assert_valid(store);
    ms_mutex_lock(&store->reclaim_lock);
    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        if (ms_load_relaxed(&store->index.tables[shard]) != 0)
            ms_index_drop_table(&store->index, shard, NULL, NULL);
    }
    ms_arena_seal_open(&store->arena);
    ms_harvest_locked(store, INT64_MAX);
    ms_arena_close(&store->arena);
    ms_mutex_unlock(&store->reclaim_lock);
}

/* Apply what is queued while the store is still open to readers. What is left, by want of time or
 * because it is queued meanwhile, is applied when no call is in flight any more. */
static void apply_queued(memstore *store)
{
    if (ms_store_enter(store) != MEMSTORE_OK)
        return;
    ms_combiner_settle_all(store);
    ms_store_leave(store);
}

/* Whether the caller is a function that a call of his own thread calls: it would be waited for, or the
 * store be pulled from under it. */
static bool is_called_out(const memstore *store)
{
    return ms_leading_any(&store->flights) || ms_load_is_calling(store) || ms_calls_out(store) != 0;
}

int ms_store_close(memstore *store)
{
    bool open = false;

    if (is_called_out(store))
        return MEMSTORE_ERR_UNSUPPORTED;
    apply_queued(store);
    ms_ways_shut(store);
    if (!atomic_compare_exchange_strong(&store->closed, &open, true))
        return MEMSTORE_ERR_CACHE_CLOSED;
    ms_admission_close(&store->admission);
    ms_gate_close(&store->loads_gate);
    ms_gate_close(&store->load_bytes_gate);
    ms_flights_close(&store->flights);
    ms_maintenance_retire(store);
    ms_calls_wait(store);
    ms_combiner_drain(store);
    free_contents(store);
    ms_exporter_close(store);
    ms_pressure_limit_close(store);
    ms_events_close(&store->events);
    ms_tell_closed(store);
    /* Who is told may be waiting for the end of a callback. */
    if (!ms_events_calls_me(&store->events))
        ms_log_flush(&store->log);
    return MEMSTORE_OK;
}

void ms_store_destroy(memstore *store)
{
    /* A function that the store calls would wait for its own end, or its call go on with what is gone. */
    if (ms_store_close(store) == MEMSTORE_ERR_UNSUPPORTED || ms_events_calls_me(&store->events) ||
        ms_log_calls_me(&store->log) || ms_calls_back(store) != 0)
        return;
    ms_maintenance_unregister(store);
    ms_store_free(store);
}
