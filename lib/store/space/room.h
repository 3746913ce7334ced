/* SPDX-License-Identifier: Apache-2.0 */
/* Making room. */
#ifndef MS_STORE_SPACE_ROOM_H
#define MS_STORE_SPACE_ROOM_H

#include "store/maintenance.h"
#include "store/store.h"

/* Take the reclaim lock; the maintenance thread does not wait for it, since who holds it may be
 * waiting for a grace period from that thread. */
bool ms_room_lock(memstore *store, int64_t deadline_us);
/* Bytes that no eviction brings back, beside what views hold. */
uint64_t ms_room_that_stays(memstore *store);
/* For one who has tried to reserve and got nothing: make room for a segment, or for `bytes` of
 * pages when that is not 0. OK when it is worth trying again, else why not. Not when the system
 * has refused memory since the mark, which was taken before trying and is moved on for the next
 * try; and not for ever. */
int ms_room_make(memstore *store, uint64_t bytes, int64_t deadline_us,
                 struct ms_budget_mark *since);
/* The same for a segment, waiting for no views. */
int ms_room_make_at_once(memstore *store, int64_t deadline_us, struct ms_budget_mark *since);
/* As ms_room_make() for bytes that are charged without pages of the arena. */
int ms_room_make_to_charge(memstore *store, uint64_t bytes, int64_t deadline_us,
                           struct ms_budget_mark *since);
/* The same for one whose table could not grow: what to ask of it next is in *wish. Where nothing is evicted it
 * stays as it is. */
int ms_room_make_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           struct ms_budget_mark *since, enum ms_index_wish *wish);
/* Reserve room for an entry, reclaiming as long as there is none. */
int ms_room_reserve(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out);
/* Whether a segment is free for a compaction, of the reserve. Reclaim lock held. */
bool ms_room_has_reserve_locked(memstore *store);
/* Take one step towards more free memory: what has expired first, then what is dead, then what
 * the policy gives up. Reclaim lock held. False when nothing can be done. */
bool ms_room_step_locked(memstore *store, int64_t deadline_us);
/* The same for one who has taken so many steps, which is counted on: where readers use everything again before
 * its turn comes nothing would ever go, so after a turn of all segments what is used goes as well. */
bool ms_room_persist_locked(memstore *store, uint32_t *steps, int64_t deadline_us);
/* As ms_room_step_locked(), but what was emptied before is left to wait for its grace period. */
bool ms_room_empty_locked(memstore *store, int64_t deadline_us);
/* Evict, and give the memory back to the limit. Reclaim lock held. False when nothing was won. */
bool ms_room_evict_locked(memstore *store, int64_t deadline_us);
/* Whether the entry is the first of its segment. */
static inline bool ms_room_was_opened_for(const struct ms_reserved *reserved)
{
    return (const char *)reserved->entry == reserved->segment->base;
}
/* For a writer who has opened a segment and is done: if that was the last free one, empty another,
 * unless somebody is at it. Where all processors are busy the maintenance thread does not get to
 * it in time. Waits for nothing; no lock held. */
void ms_room_prepare(memstore *store);
/* As ms_room_reserve(), for which nothing that lives goes: OK or CACHE_FULL. Leaves alone what is kept free
 * for writers. */
int ms_room_take(memstore *store, const struct ms_placement *placement,
                 const struct ms_entry_shape *shape, struct ms_reserved *out);
/* The same for bytes of the index, as ms_room_make_for_index(): OK or SHARD_OVERFLOW. */
int ms_room_take_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           const struct ms_budget_mark *since);
/* Free what was emptied before. */
void ms_room_free_emptied(memstore *store);
int ms_store_compact(memstore *store, double max_dead_ratio);

/* A writer gives up what it reserved: its bytes are dead from the start. */
static inline void ms_store_abandon(memstore *store, const struct ms_reserved *reserved)
{
    if (ms_arena_abandon(&store->arena, reserved))
        ms_maintenance_wake(store);
}

#endif
