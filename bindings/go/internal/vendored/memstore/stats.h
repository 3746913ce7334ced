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
    /** entries stored by any writing call, by loads and from snapshots, new and overwritten */
    uint64_t sets;
    uint64_t updates; /**< those of `sets` that replaced a live entry */
    /** live entries removed by delete, delete_many, batches and delete_by_pattern, because a loader said that
     * there is no such key, and by a memstore_load() that failed, of what it had stored */
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
    /** loads that were not tried because the loader's breaker was open */
    uint64_t loads_refused;
    uint64_t breakers_opened; /**< times that a breaker opened: `loader.breaker_failures` */
    uint64_t breakers_open;   /**< breakers open now, half open ones included */
    /** failed loads in whose place a value that had expired was given: `loader.max_stale` */
    uint64_t stale_served;
    /** those of `loads` that were for a key that was there: `loader.refresh_after` */
    uint64_t refreshes;
    uint64_t refresh_failures; /**< those of `load_failures` likewise */
    /** entries whose writers found no free memory and reclaimed some, or were refused for want of it */
    uint64_t room_made;
    uint64_t exports;                   /**< files written for `monitoring.export_metrics` */
    uint64_t export_failures;           /**< times that it could not be written */
    uint64_t rejected_ttl_expired;      /**< those of rejected_invalid_ttl with TTL_EXPIRED */
    uint64_t rejected_gc_pressure;      /**< those of rejected_memory with GC_PRESSURE, */
    uint64_t rejected_shard_overflow;   /**< and with SHARD_OVERFLOW */
    uint64_t rejected_key_exists;       /**< those of rejected_condition with KEY_EXISTS, */
    uint64_t rejected_key_not_found;    /**< with KEY_NOT_FOUND, */
    uint64_t rejected_version_mismatch; /**< with VERSION_MISMATCH, */
    uint64_t rejected_not_a_number;     /**< and with NOT_A_NUMBER */
    uint64_t limit_lowered; /**< times that `memory_pressure` has lowered the limit in force, */
    uint64_t limit_raised;  /**< and raised it again */
    /** those of `load_failures` that asked for another attempt after all of `loader.timeout` */
    uint64_t loads_timed_out;
    /** those that waited so long for a place among `loader.max_loads`, */
    uint64_t loads_without_place;
    uint64_t loads_without_bytes; /**< and among `loader.max_load_bytes` */
    /** those of `breakers_open` that are half open: a load is let through to try, or will be */
    uint64_t breakers_half_open;
} memstore_stats;

/** Where a store's bytes are. `charged` is the sum the memory limit is held against. */
typedef struct memstore_memory_stats {
    size_t struct_size; /**< [in] sizeof(memstore_memory_stats) as the caller knows it */
    /** bytes the store may use: the limit in force, which `memory_pressure` may have lowered */
    uint64_t limit;
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
    uint64_t stale;        /**< bytes of expired entries that are kept for `loader.max_stale` */
    /** bytes of the store's mappings that are in memory, as the kernel tells; what is charged and
     * was never touched is not */
    uint64_t resident;
    uint64_t configured_limit; /**< what `limit` is while memory is not short */
} memstore_memory_stats;

/** The most classes of TTLs that a store tells apart. */
#define MEMSTORE_TTL_CLASSES 17

/** How many entries there are by their TTL. A store keeps entries with similar TTLs together: class
 * 0 are those that never expire, and each further one has those from its `from_ms` on and below that
 * of the next. What counts is the TTL that an entry had left when it was written, or last moved by
 * the store itself; a new expiry alone leaves it in its class, and a full store may move it to another. While
 * the memory limit is lower than it was when the store was opened neighbours may share the first of them. */
typedef struct memstore_ttl_stats {
    size_t struct_size; /**< [in] sizeof(memstore_ttl_stats) as the caller knows it */
    uint64_t classes;   /**< how many the store tells apart, by its memory limit: from 2 on */
    /** live entries of each class; together memstore_stats.entries */
    uint64_t entries[MEMSTORE_TTL_CLASSES];
    /** the shortest TTL of each class in milliseconds; 0 of classes 0 and 1 */
    uint64_t from_ms[MEMSTORE_TTL_CLASSES];
} memstore_ttl_stats;

/** What is measured with `monitoring.track_operation_latency`. Values are never renumbered. */
enum memstore_operation {
    MEMSTORE_OPERATION_GET = 0,          /**< memstore_get(), one in 256 of each thread's */
    MEMSTORE_OPERATION_GET_VIEW = 1,     /**< memstore_get_view(), one in 256 */
    MEMSTORE_OPERATION_HAS = 2,          /**< memstore_has(), one in 256 */
    MEMSTORE_OPERATION_GET_MANY = 3,     /**< memstore_get_many(), memstore_read_many() */
    MEMSTORE_OPERATION_HAS_MANY = 4,     /**< memstore_has_many() */
    MEMSTORE_OPERATION_SET = 5,          /**< set, set_until, add, replace, compare_and_set */
    MEMSTORE_OPERATION_SET_ASYNC = 6,    /**< memstore_set_async(): handing over, not applying */
    MEMSTORE_OPERATION_SET_MANY = 7,     /**< memstore_set_many() */
    MEMSTORE_OPERATION_INCREMENT = 8,    /**< memstore_increment() */
    MEMSTORE_OPERATION_DELETE = 9,       /**< memstore_delete() */
    MEMSTORE_OPERATION_DELETE_MANY = 10, /**< memstore_delete_many() */
    MEMSTORE_OPERATION_UPDATE_TTL = 11,  /**< memstore_update_ttl() */
    MEMSTORE_OPERATION_COMMIT = 12,      /**< memstore_batch_commit() */
    /** each call of a loader, for one key or several; the alert of `monitoring.latency_threshold` goes
     * by the other operations alone */
    MEMSTORE_OPERATION_LOAD = 13,
    MEMSTORE_OPERATIONS = 14 /**< how many this version knows */
};

/** How long the calls of one operation took since the store was opened or since
 * memstore_reset_stats(), whatever they returned. Quantiles are within 1.6 % of a duration that
 * was measured; one above 67 s is told as `max_ns`. */
typedef struct memstore_latency {
    size_t struct_size; /**< [in] sizeof(memstore_latency) as the caller knows it */
    uint64_t count;     /**< calls that were measured */
    uint64_t one_in;    /**< one in how many calls is measured: 1 or 256 */
    uint64_t total_ns;  /**< nanoseconds of all measured calls together */
    uint64_t p50_ns;    /**< half of the measured calls took no longer */
    uint64_t p90_ns;    /**< 90 % took no longer */
    uint64_t p99_ns;    /**< 99 % took no longer */
    uint64_t p999_ns;   /**< 99.9 % took no longer */
    uint64_t p9999_ns;  /**< 99.99 % took no longer */
    uint64_t max_ns;    /**< the longest measured call, exactly */
    uint64_t slow;      /**< measured calls that took longer than `monitoring.latency_threshold` */
} memstore_latency;

/** What is over its threshold, as bits of memstore_rates.alerts. */
enum memstore_alert {
    /** the hit rate is under `monitoring.hit_rate_threshold` */
    MEMSTORE_ALERT_HIT_RATE = 1,
    /** the memory in use is over `monitoring.memory_usage_threshold` */
    MEMSTORE_ALERT_MEMORY_USAGE = 2,
    /** more than 1 % of the measured calls took over `monitoring.latency_threshold` */
    MEMSTORE_ALERT_LATENCY = 4,
    /** the share of writes that had to reclaim is over `monitoring.reclaim_pressure_threshold` */
    MEMSTORE_ALERT_RECLAIM_PRESSURE = 8,
    /** the share of loads that failed is over `monitoring.load_failure_threshold` */
    MEMSTORE_ALERT_LOAD_FAILURES = 16,
    /** the memory that views hold is over `monitoring.pinned_threshold` */
    MEMSTORE_ALERT_PINNED = 32,
    /** the circuit breaker of a loader is open or half open: `loader.breaker_failures` */
    MEMSTORE_ALERT_BREAKER = 64
};

/** What went on in the last whole window of `monitoring.metrics_interval`; before the first one
 * has ended, since the store was opened. Rates are per second. */
typedef struct memstore_rates {
    size_t struct_size;    /**< [in] sizeof(memstore_rates) as the caller knows it */
    double window_seconds; /**< how long the window was; 0 = nothing to tell yet */
    double hits;           /**< reads that found a live entry */
    double misses;         /**< reads that found none */
    double sets;           /**< entries stored */
    double deletes;        /**< live entries removed by deleting calls */
    double evictions;      /**< live entries removed to make room */
    double expirations;    /**< entries removed because their time was over */
    double rejected;       /**< writes refused, for whatever reason */
    double written_bytes;  /**< bytes appended by writes */
    double moved_bytes;    /**< bytes moved by compaction and second chances */
    /** hits / (hits + misses) of the window, not a rate; 0 when nothing was read or
     * `monitoring.track_hit_rate` is off */
    double hit_rate;
    /** the share of the limit in force that was in use when the window ended: what is charged less what is free or
     * dead; 0 before, or when `monitoring.track_memory_usage` is off */
    double memory_usage;
    uint64_t alerts;        /**< what is over its threshold now: bits of memstore_alert */
    uint64_t alerts_raised; /**< how often that happened since the store was opened */
    /** the share of the window's writes that found no free memory and reclaimed some themselves, or
     * were refused for want of it, 1 at most; 0 when none was. Writes that a condition refused are not among
     * the window's writes, but what they reclaimed is. */
    double reclaim_pressure;
    double load_failure_rate; /**< the share of the window's loads that failed; 0 without loads */
    /** the share of the limit in segments that views held when the window ended; 0 when
     * `monitoring.track_memory_usage` is off */
    double pinned;
    double updates;       /**< of sets, those that replaced a live entry */
    double loads;         /**< values that loaders gave */
    double load_failures; /**< loads that failed */
    double stale_served;  /**< expired values served in place of a load that failed */
} memstore_rates;

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

/** Read where the bytes are. With `performance.enable_memory_stats` off only the limits, what is
 * charged, what the index takes and the size of a segment are told, and the rest reads 0; on, each
 * call visits every segment.
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

/** Count the live entries by their TTL. Each call visits every segment, no entry. The sum over all
 * classes is memstore_size() when no call is in flight.
 * @param[in] store the store
 * @param[in,out] stats `struct_size` is read, the rest is written
 * @retval MEMSTORE_OK stats is filled
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or struct_size is too small to hold
 *     any field
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_size().
 * @since 0.1 */
MEMSTORE_API int memstore_get_ttl_stats(struct memstore *store, memstore_ttl_stats *stats);

/** Read how long the calls of an operation took.
 * @param[in] store the store
 * @param[in] operation one of enum memstore_operation
 * @param[in,out] latency `struct_size` is read, the rest is written
 * @retval MEMSTORE_OK latency is filled
 * @retval MEMSTORE_ERR_UNSUPPORTED the store was opened without
 *     `monitoring.track_operation_latency`
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT a pointer is NULL, there is no such operation, or
 *     struct_size is too small to hold any field
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free.
 * @since 0.1 */
MEMSTORE_API int memstore_get_latency(struct memstore *store, int operation,
                                      memstore_latency *latency);

/** The name of an operation: "get", "set_many".
 * @param[in] operation one of enum memstore_operation
 * @return a static string; NULL when there is no such operation
 * @threadsafety any
 * @progress Lock-free.
 * @since 0.1 */
MEMSTORE_API const char *memstore_operation_name(int operation);

/** Read the rates of the last window, and what is over its threshold. Windows end when the
 * maintenance thread, memstore_maintain() or this call finds that their time is over; where none
 * of them comes by in time a window is longer than `monitoring.metrics_interval`.
 * @param[in] store the store
 * @param[in,out] rates `struct_size` is read, the rest is written
 * @retval MEMSTORE_OK rates is filled
 * @retval MEMSTORE_ERR_UNSUPPORTED `monitoring.enable_metrics` is off
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or struct_size is too small to hold
 *     any field
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API int memstore_get_rates(struct memstore *store, memstore_rates *rates);

/** Takes a piece of text, which is the library's and valid for the call. It may call every function of
 * the store; memstore_destroy() only closes it.
 * @param data the text, not ended by a NUL
 * @param size its bytes
 * @param context as it was given
 * @return 0; anything else if it could not be taken */
typedef int (*memstore_write_fn)(const char *data, size_t size, void *context);

/** Write all that the store tells of itself in OpenMetrics' text form, which Prometheus reads:
 * counters, bytes by kind, the last window and its alerts, and histograms of latencies, as far as
 * the settings have them. docs/metrics.md lists the metrics.
 * @param[in] store the store
 * @param[in] fn called once with all of the text, off every lock; it may call the store
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK the text was taken
 * @retval MEMSTORE_ERR_IO fn did not return 0
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory for the text
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_size(), and for fn.
 * @since 0.1 */
MEMSTORE_API int memstore_metrics_text(struct memstore *store, memstore_write_fn fn, void *context);

/** Set every counter of memstore_stats to zero, `entries` excepted, and forget the latencies
 * measured. The windows of memstore_get_rates() go on.
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
