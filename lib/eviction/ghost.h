/* SPDX-License-Identifier: Apache-2.0 */
/* The ghost: fingerprints of keys that were evicted, each with the kind of place it was evicted
 * from. A key that comes back while its fingerprint is there was evicted too early.
 *
 *     set of 32 cells of 16 bits, one cache line: | cursor | cell 1 | cell 2 | ... | cell 31 |
 *     cell: | kind 2, the last of four as 0 | fingerprint 14, never 0 |, 0 = empty
 *
 * A set is a ring: a new fingerprint replaces its oldest. All sets together approximate one
 * queue of as many keys, and how far behind the cursor a cell is tells how long ago its key was
 * evicted.
 *
 * GH-1  Any thread may look and insert at any time; cells are independent and a lost update
 *       costs one fingerprint.
 * GH-2  The table is replaced by the reclaimer only; who looks is in a read section. */
#ifndef MS_EVICTION_GHOST_H
#define MS_EVICTION_GHOST_H

#include "platform/atomic.h"
#include "segment/pages.h"

#include <stdbool.h>

#define MS_GHOST_CELLS 32
#define MS_GHOST_AGES (MS_GHOST_CELLS - 1)
/* Keys evicted last that count as evicted just now, and as not long ago. */
#define MS_GHOST_RECENT 2
#define MS_GHOST_NEAR 23

/* Where a key was evicted from. */
enum ms_ghost_kind {
    MS_GHOST_NONE,       /* nowhere: it is not remembered */
    MS_GHOST_UNUSED,     /* the small queue, without a use */
    MS_GHOST_USED_ONCE,  /* the small queue, with one */
    MS_GHOST_MAIN,       /* the main queue */
    MS_GHOST_USED_OFTEN, /* the small queue, with more uses */
    MS_GHOST_KINDS
};

struct ms_ghost_table {
    uint32_t sets;
    uint32_t bytes; /* of the allocation */
    char pad[MS_CACHE_LINE - 8];
    atomic_ushort cells[];
};

struct ms_ghost {
    _Atomic(struct ms_ghost_table *) table; /* NULL until something is evicted */
};

/* What the ghost knows of a key. */
struct ms_ghost_trace {
    enum ms_ghost_kind kind;
    unsigned age; /* how many keys of its set were evicted after it; below MS_GHOST_AGES */
};

/* What the ghost may take of a store's limit: where entries are small, more entries are worth more than
 * a longer memory. */
#define MS_GHOST_DIVISOR 32

/* Keys to remember in a store of so many entries: `percent` of them, if `limit` bytes allow it. */
static inline uint64_t ms_ghost_keys(uint64_t entries, unsigned percent, uint64_t limit)
{
    const uint64_t wanted = entries * percent / 100;
    const uint64_t most = limit / MS_GHOST_DIVISOR / sizeof(atomic_ushort);

    return wanted < most ? wanted : most;
}

/* Begin to load what take and insert are going to look at. In a read section, or the reclaimer. */
void ms_ghost_prefetch(struct ms_ghost *ghost, uint64_t hash);
/* Where the key was evicted from, if it was not long ago; forgets it. In a read section. */
struct ms_ghost_trace ms_ghost_take(struct ms_ghost *ghost, uint64_t hash);
/* Remember an evicted key. */
void ms_ghost_insert(struct ms_ghost *ghost, uint64_t hash, enum ms_ghost_kind kind);
/* What a table for `keys` keys takes. */
uint64_t ms_ghost_bytes(uint64_t keys);
/* Whether the table should be replaced to hold `keys` keys. */
bool ms_ghost_needs_resize(struct ms_ghost *ghost, uint64_t keys);
/* Replace the table by one for `keys` keys, which knows most of what the old one knew unless it is very
 * large, with `spare` bytes of the limit left for others; false when there is no memory. The old one, if any, is for the caller to free after a
 * grace period. */
bool ms_ghost_resize(struct ms_ghost *ghost, struct ms_pages *pages, uint64_t keys, uint64_t spare,
                     struct ms_ghost_table **old);

#endif
