/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a segment's entries. The reclaim lock is held. */
#ifndef MS_STORE_SPACE_RECLAIM_H
#define MS_STORE_SPACE_RECLAIM_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

struct ms_segment;

/* Remove or move every live entry, as the policy judges; a large one, which has a segment of its
 * own, is kept by listing that anew. False when something could not be taken, or is kept and has to wait
 * until what is in limbo is free (`moves_wait`). */
bool ms_reclaim_evict_locked(memstore *store, struct ms_segment *victim);
/* Move every live entry to another segment. False when some were left because others held their
 * shards. */
bool ms_reclaim_compact_locked(memstore *store, struct ms_segment *victim);
/* Remove what has expired at `now`, at most `most` entries (0 = all); with `keeps` it stays where it
 * is for `loader.max_stale`, for stale.h. Returns how many were removed. */
uint64_t ms_reclaim_sweep_locked(memstore *store, struct ms_segment *segment, int64_t now,
                                 uint32_t most, bool keeps);
/* Drop what is kept in a segment beyond its expiry. Returns how many entries that were. */
uint64_t ms_reclaim_drop_stale_locked(memstore *store, struct ms_segment *segment);

#endif
