/* SPDX-License-Identifier: Apache-2.0 */
/* The ghost: fingerprints of keys that were evicted soon after they were written. A key that
 * comes back while its fingerprint is there was evicted too early and goes straight to the main
 * queue (S3-FIFO).
 *
 *     set of 32 cells of 16 bits, one cache line: | cursor | fp 1 | fp 2 | ... | fp 31 |
 *
 * A set is a ring: a new fingerprint replaces its oldest. All sets together approximate one
 * queue of as many keys.
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

struct ms_ghost_table {
    uint32_t sets;
    uint32_t bytes; /* of the allocation */
    char pad[MS_CACHE_LINE - 8];
    atomic_ushort cells[];
};

struct ms_ghost {
    _Atomic(struct ms_ghost_table *) table; /* NULL until something is evicted */
};

/* Whether the key was evicted not long ago; forgets it. In a read section. */
bool ms_ghost_take(struct ms_ghost *ghost, uint64_t hash);
/* Remember an evicted key. */
void ms_ghost_insert(struct ms_ghost *ghost, uint64_t hash);
/* Whether the table should be replaced to hold `keys` keys. */
bool ms_ghost_needs_resize(struct ms_ghost *ghost, uint64_t keys);
/* Replace the table by an empty one for `keys` keys, with `spare` bytes of the limit left for
 * others; false when there is no memory. The old one, if any, is for the caller to free after a
 * grace period. */
bool ms_ghost_resize(struct ms_ghost *ghost, struct ms_pages *pages, uint64_t keys, uint64_t spare,
                     struct ms_ghost_table **old);

#endif
