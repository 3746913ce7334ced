/* SPDX-License-Identifier: Apache-2.0 */
/* Which segment to reclaim, where it is not the eviction policy that says so. The reclaim lock is held. */
#ifndef MS_STORE_SPACE_CHOOSE_H
#define MS_STORE_SPACE_CHOOSE_H

#include <memstore/memstore.h>
#include <stdint.h>

struct ms_segment;

/* The segment in which that is kept of which the time is over first, or NULL. */
struct ms_segment *ms_choose_stalest(memstore *store);
/* The sealed segment with the most dead bytes, if it has at least so many. NULL when there is none. */
struct ms_segment *ms_choose_emptiest(memstore *store, uint64_t least);
/* The same of those that it wins anything to compact: whether that is so is looked at in one after the other, until the
 * deadline. */
struct ms_segment *ms_choose_to_compact(memstore *store, uint64_t least, int64_t deadline_us);
/* The same for who has room enough: none in which something is kept beyond its expiry, which compacting would end. */
struct ms_segment *ms_choose_to_tidy(memstore *store, uint64_t least, int64_t deadline_us);

#endif
