/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring calls, in a store opened with monitoring.track_operation_latency: a look at the clock
 * before and one after. In other stores both functions are a look at a byte that the call has at
 * hand. */
#ifndef MS_STORE_WATCH_MEASURING_H
#define MS_STORE_WATCH_MEASURING_H

#include "store/store.h"

/* Add a call that began at `start`. */
void ms_measuring_add(memstore *store, enum memstore_operation operation, uint64_t start);

/* What ms_measuring_end() is given: when the call began, or 0 when it is not measured. */
MS_ALWAYS_INLINE uint64_t ms_measuring_begin(const memstore *store)
{
    return ms_unlikely((ms_store_diverts(store) & MS_DIVERT_MEASURED) != 0) ? ms_clock_real_ns()
                                                                            : 0;
}

/* Whether calls are measured, and this read, as one in MS_LATENCY_READS_ONE_IN. */
MS_ALWAYS_INLINE bool ms_measuring_is_turn(const memstore *store)
{
    return ms_unlikely((ms_store_diverts(store) & MS_DIVERT_MEASURED) != 0) && ms_latency_is_turn();
}

/* As ms_measuring_begin() for such a read. */
MS_ALWAYS_INLINE uint64_t ms_measuring_begin_read(const memstore *store)
{
    return ms_measuring_is_turn(store) ? ms_clock_real_ns() : 0;
}

MS_ALWAYS_INLINE void ms_measuring_end(memstore *store, enum memstore_operation operation,
                                       uint64_t start)
{
    if (ms_unlikely(start != 0))
        ms_measuring_add(store, operation, start);
}

#endif
