/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write/outcome.h"

#include "store/store.h"
#include "store/watch/store_log.h"

#include "platform/wait.h"

/* What counts refusals with this status; MS_COUNTERS where nothing does. */
static enum ms_counter counter_of(int status)
{
    switch (status) {
    case MEMSTORE_ERR_ENTRY_TOO_LARGE:
        return MS_COUNT_REJECTED_TOO_LARGE;
    case MEMSTORE_ERR_LOCK_TIMEOUT:
        return MS_COUNT_REJECTED_TIMEOUT;
    case MEMSTORE_ERR_INVALID_TTL:
        return MS_COUNT_REJECTED_INVALID_TTL;
    case MEMSTORE_ERR_TTL_EXPIRED:
        return MS_COUNT_REJECTED_TTL_EXPIRED;
    case MEMSTORE_ERR_CACHE_FULL:
        return MS_COUNT_REJECTED_FULL;
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
        return MS_COUNT_REJECTED_MEMORY_EXHAUSTED;
    case MEMSTORE_ERR_GC_PRESSURE:
        return MS_COUNT_REJECTED_GC_PRESSURE;
    case MEMSTORE_ERR_SHARD_OVERFLOW:
        return MS_COUNT_REJECTED_SHARD_OVERFLOW;
    case MEMSTORE_ERR_KEY_EXISTS:
        return MS_COUNT_REJECTED_KEY_EXISTS;
    case MEMSTORE_ERR_KEY_NOT_FOUND:
        return MS_COUNT_REJECTED_KEY_NOT_FOUND;
    case MEMSTORE_ERR_VERSION_MISMATCH:
        return MS_COUNT_REJECTED_VERSION_MISMATCH;
    case MEMSTORE_ERR_NOT_A_NUMBER:
        return MS_COUNT_REJECTED_NOT_A_NUMBER;
    default:
        return MS_COUNTERS;
    }
}

bool ms_store_gave_up(int status)
{
    switch (status) {
    case MEMSTORE_ERR_LOCK_TIMEOUT:
    case MEMSTORE_ERR_GC_PRESSURE:
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
    case MEMSTORE_ERR_CACHE_FULL:
    case MEMSTORE_ERR_SHARD_OVERFLOW:
        return ms_wait_was_cut();
    default:
        return false;
    }
}

void ms_store_count_refusal(memstore *store, int status)
{
    const enum ms_counter counter = counter_of(status);

    if (counter == MS_COUNTERS || ms_store_gave_up(status))
        return;
    ms_count(&store->counters, counter, 1);
    if (counter >= MS_COUNT_REJECTED_FULL && counter <= MS_COUNT_REJECTED_SHARD_OVERFLOW)
        ms_tell_no_room(store, status);
}

uint64_t ms_store_count_stored(memstore *store, const struct ms_write_outcome *outcome)
{
    const uint64_t before = ms_count(&store->counters, MS_COUNT_SETS, 1);

    ms_count(&store->counters, MS_COUNT_WRITTEN_BYTES, outcome->size);
    ms_count(&store->counters, MS_COUNT_UPDATES, outcome->updated);
    if (outcome->replaced_expired)
        ms_count(&store->counters, MS_COUNT_EXPIRATIONS, 1);
    if (outcome->replaced_unread)
        ms_count(&store->counters, MS_COUNT_EXPIRED_UNREAD, 1);
    return before;
}

void ms_store_count_write(memstore *store, int status, const struct ms_write_outcome *outcome)
{
    if (status != MEMSTORE_OK) {
        ms_store_count_refusal(store, status);
        return;
    }
    ms_store_tick(store, ms_store_count_stored(store, outcome));
}
