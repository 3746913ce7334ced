/* SPDX-License-Identifier: Apache-2.0 */
/** @file stats.h
 * Counts and bytes. The caller sets `struct_size` to the size it was compiled with; the library
 * fills that much, so that programs built against an older, shorter form go on working. Fields
 * are only ever added at the end. */
#ifndef MEMSTORE_STATS_H
#define MEMSTORE_STATS_H

#include <memstore/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memstore;

/** What a store has done since it was opened or since memstore_reset_stats(). */
typedef struct memstore_stats {
    size_t struct_size; /**< [in] sizeof(memstore_stats) as the caller knows it */
    uint64_t hits;      /**< reads that found a live entry */
    /** reads that found none; a read refused with BUFFER_TOO_SMALL counts as neither */
    uint64_t misses;
    uint64_t sets;    /**< entries stored by any writing call, new and overwritten */
    uint64_t updates; /**< those of `sets` that replaced a live entry */
    /** live entries removed by delete, delete_many, batches and delete_by_pattern */
    uint64_t deletes;
    uint64_t evictions;            /**< live entries removed to make room */
    uint64_t expirations;          /**< entries removed because their time was over */
    uint64_t rejected_too_large;   /**< writes refused with ENTRY_TOO_LARGE */
    uint64_t rejected_invalid_ttl; /**< writes refused with INVALID_TTL or TTL_EXPIRED */
    uint64_t rejected_full;        /**< writes refused with CACHE_FULL */
    /** writes refused with MEMORY_EXHAUSTED, GC_PRESSURE or SHARD_OVERFLOW */
    uint64_t rejected_memory;
    /** writes refused with KEY_EXISTS, VERSION_MISMATCH, NOT_A_NUMBER, or, where the entry had to
     * be there, KEY_NOT_FOUND */
    uint64_t rejected_condition;
    uint64_t entries;     /**< live entries now, as memstore_size() */
    uint64_t compactions; /**< segments emptied by moving what was alive in them */
    /** bytes moved by compaction and by eviction's second chances */
    uint64_t moved_bytes;
    /** bytes appended by writes: moved_bytes / written_bytes is the write amplification */
    uint64_t written_bytes;
    /** writes, deletes included, refused with LOCK_TIMEOUT */
    uint64_t rejected_timeout;
    uint64_t loads;         /**< values that loaders gave, or leases were filled with */
    uint64_t load_failures; /**< loads that ended with a failure */
    uint64_t load_retries;  /**< times that a loader was called again after LOAD_RETRY */
    /** callers that waited for a load of another instead of loading themselves */
    uint64_t loads_coalesced;
    /** those of `loads` that were not stored because the key was written, deleted or cleared
     * meanwhile, or because the lease had ended */
    uint64_t loads_overtaken;
    /** those of `loads` that the store could not take */
    uint64_t loads_bypassed;
    uint64_t absent_loaded; /**< loads that found that the key does not exist */
    uint64_t absent_served; /**< callers told so without a load: `loader.negative_ttl` */
} memstore_stats;

/** Where a store's bytes are. `charged` is the sum the memory limit is held against. */
typedef struct memstore_memory_stats {
    size_t struct_size; /**< [in] sizeof(memstore_memory_stats) as the caller knows it */
    uint64_t limit;     /**< bytes the store may use */
    /** bytes charged to the limit: segments, large entries, index, ghost, bookkeeping */
    uint64_t charged;
    uint64_t live; /**< bytes of live entries: headers, keys, values, padding */
    /** bytes of replaced, deleted and expired entries that are not reclaimed yet */
    uint64_t dead;
    uint64_t index; /**< bytes of index tables */
    /** bytes of everything else: shard records, segment records, counters, ghost, what
     * admission and queued writes take */
    uint64_t overhead;
    uint64_t pinned;       /**< bytes of segments that views hold */
    uint64_t free;         /**< bytes that are charged and hold nothing yet */
    uint64_t segments;     /**< segments in use, large entries included */
    uint64_t segment_size; /**< bytes of one ordinary segment */
} memstore_memory_stats;

/** Read the counters. The sum over all threads is exact when no call is in flight.
 * @param[in] store the store
 * @param[in,out] stats `struct_size` is read, the rest is written
 * @retval MEMSTORE_OK stats is filled
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or struct_size is too small to hold
 *     any field
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_size().
 * @since 0.1 */
MEMSTORE_API int memstore_get_stats(struct memstore *store, memstore_stats *stats);

/** hits / (hits + misses), 0 when nothing was read yet or the store is closed.
 * @param[in] store the store; NULL gives 0
 * @return a number from 0 to 1
 * @threadsafety any
 * @progress Waits as memstore_size().
 * @since 0.1 */
MEMSTORE_API double memstore_get_hit_rate(struct memstore *store);

/** Read where the bytes are.
 * @param[in] store the store
 * @param[in,out] stats `struct_size` is read, the rest is written
 * @retval MEMSTORE_OK stats is filled
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or struct_size is too small to hold
 *     any field
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API int memstore_get_memory_stats(struct memstore *store, memstore_memory_stats *stats);

/** Set every counter of memstore_stats to zero, `entries` excepted.
 * @param[in] store the store
 * @retval MEMSTORE_OK done
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store is NULL
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any; counts made during the call may fall on either side of it
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API int memstore_reset_stats(struct memstore *store);

#ifdef __cplusplus
}
#endif

#endif
