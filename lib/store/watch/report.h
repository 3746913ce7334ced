/* SPDX-License-Identifier: Apache-2.0 */
/* What a store says of itself. */
#ifndef MS_STORE_WATCH_REPORT_H
#define MS_STORE_WATCH_REPORT_H

#include <memstore/memstore.h>
#include <stdint.h>

uint64_t ms_store_size(memstore *store);
void ms_store_stats(memstore *store, memstore_stats *out);
/* The same with hits and misses that do not go down from one call to the next, for metrics. */
void ms_store_rising_stats(memstore *store, memstore_stats *out);
void ms_store_memory_stats(memstore *store, memstore_memory_stats *out);
/* Entries by TTL; `out` is zeroed. */
void ms_store_ttl_stats(memstore *store, memstore_ttl_stats *out);
/* All of it, whether `performance.enable_memory_stats` is on or not. */
void ms_store_measure_memory(memstore *store, memstore_memory_stats *out);
/* OK, or UNSUPPORTED where calls are not measured. */
int ms_store_latency(memstore *store, enum memstore_operation operation, memstore_latency *out);
void ms_store_reset_stats(memstore *store);
/* Live and dead bytes of all segments: what is kept beyond its expiry is of use, so that it counts as live. */
void ms_store_live_and_dead(memstore *store, uint64_t *live, uint64_t *dead);

#endif
