/* SPDX-License-Identifier: Apache-2.0 */
/* Index tables of shards that have lost most of their entries are replaced by smaller ones, of one shard after
 * the other a few buckets at a time, as they grow:
 *
 * - where memory is wanted, before anything that lives goes for it or a write is refused;
 * - else by upkeep, those that were more than twice as large as need be throughout a minute: a store that is
 *   emptied and filled again and again keeps what it needs when it is full.
 *
 * A shard has both tables while one is replaced. Where nothing else gives memory back that is brought to its end.
 *
 * What max_entries_in_window has sized at open keeps that size, unless the limit is lowered. The reclaim lock is
 * held in all functions. */
#ifndef MS_STORE_SPACE_TABLES_H
#define MS_STORE_SPACE_TABLES_H

#include "platform/atomic.h"

#include <stdbool.h>
#include <stdint.h>

struct memstore;

struct ms_tables {
    uint32_t next; /* the shard that is looked at next; reclaim lock */
    /* By the exact clock, when the minute is over; MS_NEVER = none has begun. To write; relaxed */
    atomic_int_least64_t look_at;
};

void ms_tables_init(struct ms_tables *tables);
/* Go on, for a fraction of a millisecond, with tables that are being replaced, until when both count. False when
 * there was none, or who holds their shards keeps them. */
bool ms_tables_finish_locked(struct memstore *store);
/* Make some of those smaller that are too large now, for a fraction of a millisecond. False when nothing was
 * to be won. */
bool ms_tables_shrink_locked(struct memstore *store);
/* The same for upkeep, which takes its time, unless little is free or it is to do `all` there is. */
bool ms_tables_tend_locked(struct memstore *store, bool all);
/* The same for a lower limit, until then, whatever was announced. */
bool ms_tables_shrink_to_least_locked(struct memstore *store, int64_t until_us);

#endif
