/* SPDX-License-Identifier: Apache-2.0 */
/* Room for an entry. */
#ifndef MS_STORE_SPACE_RESERVE_H
#define MS_STORE_SPACE_RESERVE_H

#include "store/maintenance.h"
#include "store/store.h"

/* Reserve room for an entry, reclaiming as long as there is none. */
int ms_reserve_room(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out);
/* The same, for which nothing that lives goes: OK or CACHE_FULL. Leaves alone what is kept free for writers. */
int ms_reserve_free(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out);
/* Whether the entry is the first of its segment. */
static inline bool ms_reserve_opened(const struct ms_reserved *reserved)
{
    return (const char *)reserved->entry == reserved->segment->base;
}
/* For a writer who has opened a segment and is done: if that was the last free one, empty another,
 * unless somebody is at it. Where all processors are busy the maintenance thread does not get to
 * it in time. Waits for nothing; no lock held. */
void ms_reserve_prepare(memstore *store);
/* A writer gives up what it reserved: its bytes are dead from the start. */
static inline void ms_reserve_abandon(memstore *store, const struct ms_reserved *reserved)
{
    if (ms_arena_abandon(&store->arena, reserved))
        ms_maintenance_wake(store);
}

#endif
