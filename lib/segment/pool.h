/* SPDX-License-Identifier: Apache-2.0 */
/* What appending needs of the pool of free segments; for the files of this module. */
#ifndef MS_SEGMENT_POOL_H
#define MS_SEGMENT_POOL_H

#include "segment/arena.h"

/* How far a segment's time base lies before its opening: a writer that computed an expiry and
 * was then held up longer than this finds its entry expired, as it is. */
#define MS_TIME_BASE_MARGIN_MS 60000

/* How many slots have open segments: for each queue that is used and each TTL class one a stripe. */
static inline size_t ms_pool_slots(const struct ms_arena *arena)
{
    return (size_t)(MS_QUEUE_BIN0 + arena->bins) * arena->ttl_classes * arena->slot_stripes;
}

/* What of the reserve is not charged yet. Pool lock held. */
uint64_t ms_pool_withheld_bytes(const struct ms_arena *arena);
/* A free segment, charged and in state OPEN, or NULL. */
struct ms_segment *ms_pool_open_segment(struct ms_arena *arena,
                                        const struct ms_placement *placement);
/* Let a slot's open segment have an entry of `size` bytes more than fits, if the next one is free. The slot's
 * lock is held. */
bool ms_pool_extend_segment(struct ms_arena *arena, struct ms_segment *segment, uint32_t size,
                            bool privileged);
/* Seal an open segment into its list, or straight to limbo when nothing in it lives. */
void ms_pool_seal(struct ms_arena *arena, struct ms_segment *segment);
/* Whether all that was appended is gone. Nothing may be appended any more: it is sealed, or the slot's
 * lock is held. */
bool ms_pool_is_empty(struct ms_segment *segment);
/* So many bytes of the segment, which are one entry's, are dead. */
void ms_pool_count_gone(struct ms_arena *arena, struct ms_segment *segment, uint32_t size);
/* Whether a segment of which so many bytes are dead counts as worn: AR-4. */
static inline bool ms_pool_is_worn(const struct ms_arena *arena, const struct ms_segment *segment,
                                   uint32_t dead)
{
    return !segment->is_solo && dead >= arena->worn_from;
}
/* Bytes that come free with a segment, for a large one at most. */
static inline uint64_t ms_pool_bytes_of(const struct ms_arena *arena,
                                        const struct ms_segment *segment)
{
    return segment->is_solo
               ? ms_pages_charge_of((size_t)ms_arena_solo_head(arena) + segment->capacity)
               : ms_arena_segment_size(arena);
}
/* Put a segment in limbo. The pool's lock is held. */
void ms_pool_push_limbo(struct ms_arena *arena, struct ms_segment *segment);
/* Charge the rows of counts that threads have asked for, as far as there is room for them now. The pool's lock
 * is held. */
void ms_pool_charge_rows(struct ms_arena *arena);
/* Start a segment's record over for a new use of its memory. */
void ms_pool_init_segment(struct ms_arena *arena, struct ms_segment *segment,
                          const struct ms_placement *placement);

#endif
