/* SPDX-License-Identifier: Apache-2.0 */
/* What has expired and is kept for `loader.max_stale`, for callers whose load fails.
 *
 *     a slot of the index -> entry                  live, or expired and not swept yet
 *     a slot here         -> entry, marked STALE    swept; nobody else finds it
 *
 * When a sweep takes an expired entry out of the index it leaves the entry where it is and notes its
 * place here, by the shard of its key. So keeping copies nothing, what reads and counts entries
 * does not know of it, and its memory is what it was: that of its segment, which counts the entry
 * as live. It goes when its key is written or deleted, when its time is over, when its segment is evicted or, by
 * memstore_compact(), compacted, and when memory is needed, before anything live does (room.c).
 *
 * SL-1  An entry is referred to by a slot of the index, or by one here, or is dead; of a key one
 *       of both is there at most.
 * SL-2  `entries` is the number of slots in use of all shards; a segment's `stale_entries` and
 *       `stale_bytes` are those of the entries in it.
 * SL-3  Tables are charged to the store's limit before they grow, and grow in sweeps alone.
 *
 * The slots of a shard are guarded by the shard's lock. */
#ifndef MS_STORE_SPACE_STALE_H
#define MS_STORE_SPACE_STALE_H

#include "platform/atomic.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

struct ms_found;
struct ms_segment;

struct ms_stale_slot {
    uint32_t tag;
    uint32_t place; /* MS_PLACE_NONE = free */
};

struct ms_stale_shard {
    struct ms_stale_slot *slots; /* probed from the tag on, one by one; NULL while there is none */
    uint32_t room;               /* of slots: a power of two, or 0 */
    uint32_t used;
};

struct ms_stale {
    struct ms_stale_shard *shards;
    uint64_t granted;              /* charged for tables that grow in this sweep; reclaim lock */
    uint64_t credit;               /* what is left of that; reclaim lock */
    uint64_t missed;               /* by which it was too little in the last sweep; reclaim lock */
    atomic_uint_least64_t charged; /* what tables take, and the credit */
    /* What they took since a writer opened a segment last: until one does, nothing of what is kept is
     * dropped to have as much free for writers as before. Reclaim lock to add */
    atomic_uint_least64_t taken;
    /* Kept entries. Shard lock to write; read by every write that adds a key. */
    atomic_uint_least64_t entries;
};

/* Bytes that it takes from the start. */
uint64_t ms_stale_overhead(uint32_t shards);
bool ms_stale_init(struct ms_stale *stale, uint32_t shards);
void ms_stale_fini(struct ms_stale *stale, uint32_t shards);

static inline bool ms_stale_any(const struct ms_stale *stale)
{
    return ms_load_relaxed(&stale->entries) != 0;
}

/* ---- In a sweep; reclaim lock held ---- */

/* Before what is in a segment is kept, and afterwards: charge for tables that may grow, making room
 * for that if there is none. The segment is pinned: it may be evicted for that. False when there is none. */
bool ms_stale_prepare_locked(memstore *store, const struct ms_segment *segment);
void ms_stale_settle_locked(memstore *store);
/* Keep an entry that has just left the index. False when there is no memory; then it is dead. The
 * shard is locked, too. */
bool ms_stale_keep_locked(memstore *store, uint64_t hash, const struct ms_found *found);
/* Whether an entry is kept; if `drop`, not any longer. Its shard is locked. */
bool ms_stale_judge(memstore *store, uint64_t hash, const struct ms_found *found, bool drop);

/* ---- By key; its shard is locked ---- */

bool ms_stale_find(memstore *store, const memstore_key *key, uint64_t hash, struct ms_found *out);
/* The key is written or deleted. */
void ms_stale_forget(memstore *store, const memstore_key *key, uint64_t hash);
/* All of a shard go. */
void ms_stale_clear_shard(memstore *store, uint32_t shard);

/* ---- With no lock held ---- */

/* All go that match a pattern: OK or LOCK_TIMEOUT. */
int ms_stale_forget_matching(memstore *store, const char *pattern, size_t pattern_size);

#endif
