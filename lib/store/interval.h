/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over the index by intervals of home hashes. A key's home hash never changes, so each key
 * belongs to exactly one interval, however often the table is replaced meanwhile: a key that is there
 * throughout is met once. */
#ifndef MS_STORE_INTERVAL_H
#define MS_STORE_INTERVAL_H

#include "store/store.h"

/* An interval covers about this many buckets. */
#define MS_INTERVAL_BUCKETS 64

/* Home hashes from..to of a shard. */
struct ms_interval {
    uint32_t shard;
    uint32_t from, to;
};

/* The interval that begins at a home hash, and covers about MS_INTERVAL_BUCKETS of the table there is
 * now. In a read section. */
static inline struct ms_interval ms_interval_from(const memstore *store, uint32_t shard,
                                                  uint64_t from)
{
    /* ORDER: acquire, as in ms_index_table(). */
    const uint64_t table = ms_load_acquire(&store->index.tables[shard]);
    const uint32_t buckets = ms_table_buckets(table);
    const uint64_t width = buckets <= MS_INTERVAL_BUCKETS
                               ? UINT64_C(1) << 32
                               : (UINT64_C(1) << 32) / buckets * MS_INTERVAL_BUCKETS;
    const uint64_t end = from + width;

    return (struct ms_interval){.shard = shard,
                                .from = (uint32_t)from,
                                .to = end >> 32 != 0 ? UINT32_MAX : (uint32_t)(end - 1)};
}

/* Whether a key of the shard belongs to it. */
static inline bool ms_interval_has(const struct ms_interval *interval, uint64_t hash)
{
    return (uint32_t)hash >= interval->from && (uint32_t)hash <= interval->to;
}

#endif
