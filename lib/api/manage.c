/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "store/calls.h"
#include "store/space/compact.h"
#include "store/upkeep.h"
#include "store/watch/report.h"
#include "store/write/clear.h"
#include "store/write/writing.h"

int memstore_clear(memstore *store)
{
    if (store == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;

    int status = ms_writing_begin_all(store);
    if (status == MEMSTORE_OK) {
        status = ms_store_clear(store);
        ms_writing_end(store);
    }
    return status;
}

uint64_t memstore_size(memstore *store)
{
    if (store == NULL || ms_store_enter(store) != MEMSTORE_OK)
        return 0;
    const uint64_t size = ms_store_size(store);
    ms_store_leave(store);
    return size;
}

uint64_t memstore_capacity(memstore *store)
{
    return store != NULL && !ms_store_is_closed(store) ? ms_budget_limit(&store->arena.budget) : 0;
}

int memstore_compact(memstore *store, double max_dead_ratio)
{
    /* Written so that NaN is refused too. */
    if (store == NULL || !(max_dead_ratio >= 0 && max_dead_ratio <= 1))
        return ms_refuse_argument(store);

    int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        status = ms_store_compact(store, max_dead_ratio);
        ms_store_leave(store);
    }
    return status;
}

int memstore_maintain(memstore *store, int64_t budget_us)
{
    if (store == NULL || budget_us < 0)
        return ms_refuse_argument(store);

    int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        status = ms_upkeep_run(store, budget_us, true);
        ms_store_leave(store);
    }
    return status;
}
