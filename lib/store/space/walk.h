/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over the entries of a segment, in the order in which they lie. */
#ifndef MS_STORE_SPACE_WALK_H
#define MS_STORE_SPACE_WALK_H

#include "store/store.h"

/* The processor reads ahead to the end of a page only. */
#define MS_WALK_AHEAD_BYTES 2048

struct ms_walk {
    const memstore *store;
    struct ms_segment *segment;
    uint32_t offset;
    uint32_t end;
};

static inline struct ms_walk ms_walk_start(const memstore *store, struct ms_segment *segment)
{
    /* ORDER: acquire, pairs with the release in write_entry(): every head below is whole. */
    return (struct ms_walk){store, segment, 0, ms_load_acquire(&segment->used)};
}

/* False at the end. */
static inline bool ms_walk_next(struct ms_walk *walk, struct ms_found *out)
{
    if (walk->offset >= walk->end)
        return false;

    out->segment = walk->segment;
    out->entry = (struct ms_entry *)(walk->segment->base + walk->offset);
    out->parts = ms_entry_parts(out->entry, walk->store->kept);
    out->place = ms_arena_place_of(&walk->store->arena, out->entry);
    walk->offset += ms_arena_padded(&walk->store->arena, out->parts.size);
    ms_prefetch((const char *)out->entry + MS_WALK_AHEAD_BYTES);
    return true;
}

#endif
