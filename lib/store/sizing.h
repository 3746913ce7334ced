/* SPDX-License-Identifier: Apache-2.0 */
/* How many of what a store has, by its limit. */
#ifndef MS_STORE_SIZING_H
#define MS_STORE_SIZING_H

#include "config/settings.h"
#include "segment/arena.h"

#include <memstore/memstore.h>
#include <stdint.h>

/* Limits below count as small: what is there for each thread or shard would be memory of the entries. */
#define MS_SIZING_SMALL (UINT64_C(4) << 20)

/* Shards; a power of two, as all below but the stripes. */
uint32_t ms_sizing_shards(const struct ms_settings *settings);
/* Stripes of counters. */
uint32_t ms_sizing_stripes(const struct ms_settings *settings);
/* Stripes of histograms of latencies; 0 = none are kept. */
uint32_t ms_sizing_latency_stripes(const struct ms_settings *settings);
/* Which pages its arena asks for. */
enum ms_arena_paging ms_sizing_paging(const struct ms_settings *settings);
/* After how many accesses of a thread, less one, the policy is told of them. The policy is known. */
uint64_t ms_sizing_tick_mask(const memstore *store);

#endif
