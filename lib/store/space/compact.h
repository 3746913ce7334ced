/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction on demand. */
#ifndef MS_STORE_SPACE_COMPACT_H
#define MS_STORE_SPACE_COMPACT_H

#include <memstore/memstore.h>

/* Compact segments until no more than that share of what entries take is dead: OK, or MEMORY_FRAGMENTATION where that is
 * not to be had, LOCK_TIMEOUT, CACHE_CLOSED. */
int ms_store_compact(memstore *store, double max_dead_ratio);

#endif
