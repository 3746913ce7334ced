/* SPDX-License-Identifier: Apache-2.0 */
/* Making room for what is asked for. */
#ifndef MS_STORE_SPACE_ROOM_H
#define MS_STORE_SPACE_ROOM_H

#include "index/index.h"
#include "segment/budget.h"

#include <memstore/memstore.h>
#include <stdint.h>

/* Bytes that no eviction brings back, beside what views hold. */
uint64_t ms_room_that_stays(memstore *store);
/* Segments that are kept free for writers. */
uint32_t ms_room_kept_for_writers(const memstore *store);
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
/* The same, for which nothing that lives goes; what is kept free for writers is left alone. OK or SHARD_OVERFLOW. */
int ms_room_take_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           const struct ms_budget_mark *since);

#endif
