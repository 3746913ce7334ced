/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to read single keys share: a read is counted when it begins, and once more if it
 * misses. */
#ifndef MS_STORE_READ_READING_H
#define MS_STORE_READ_READING_H

#include "store/store.h"

static inline void ms_read_count(memstore *store)
{
    ms_store_tick(store, ms_count(&store->counters, MS_COUNT_READS, 1));
}

/* A read that was counted is refused, which is neither hit nor miss. */
static inline void ms_read_uncount(memstore *store)
{
    ms_count(&store->counters, MS_COUNT_READS, UINT64_MAX);
}

/* Ends of reads that were counted: each leaves the section and gives the status. */
int ms_read_missed(memstore *store);
int ms_read_refused(memstore *store); /* the store is closed */

#endif
