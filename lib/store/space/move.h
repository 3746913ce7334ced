/* SPDX-License-Identifier: Apache-2.0 */
/* Moving an entry to another segment. The reclaim lock is held. */
#ifndef MS_STORE_SPACE_MOVE_H
#define MS_STORE_SPACE_MOVE_H

#include "eviction/eviction.h"
#include "index/index.h"
#include "store/store.h"

/* Moves of entries of one segment. */
struct ms_moves {
    memstore *store;
    struct ms_segment *from;
    int64_t now;
    bool any_class;        /* what has no room in its own TTL class goes to any */
    uint64_t refused_size; /* then: there is no room for an entry of so many bytes; 0 = for any */
    uint64_t bytes;        /* moved */
};

/* Copy an entry and let its slot refer to the copy. False when there is no room. Its shard's lock is held, too. */
bool ms_move_entry(struct ms_moves *moves, const struct ms_found *found, uint64_t hash,
                   const struct ms_index_slot *slot, const struct ms_verdict *verdict);
/* Whether a segment is free for a compaction, of the reserve. */
bool ms_move_has_reserve(memstore *store);
/* Whether what lives in the segment certainly fits what is free of the reserve. */
bool ms_move_fits_reserve(memstore *store, struct ms_segment *segment);
/* Whether to compact it wins anything: what lives in it may be longer where it goes, by versions that were told. Where
 * something can be evicted it always does, since what does not fit goes. Otherwise how much more is to be dead first is
 * noted in it. */
bool ms_move_pays(memstore *store, struct ms_segment *segment);

#endif
