/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of one store, parsed: what the rest of the library sees of a configuration.
 *
 * In a running store those that the schema calls live may change at any moment, one at a time.
 * They are read by ms_setting_of() and written by ms_settings_put(), both relaxed: a setting
 * guards nothing but itself, and a call that is in progress may go by the old value or the new
 * one. The others are constant once the store is open. */
#ifndef MS_CONFIG_SETTINGS_H
#define MS_CONFIG_SETTINGS_H

#include "platform/atomic.h"
#include "util/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_eviction_goal { MS_EVICTION_GOAL_HITS, MS_EVICTION_GOAL_BYTES, MS_EVICTION_GOAL_BALANCED };
enum ms_eviction_kind {
    MS_EVICTION_ADAPTIVE,
    MS_EVICTION_S3FIFO,
    MS_EVICTION_LRU,
    MS_EVICTION_LFU,
    MS_EVICTION_FIFO,
    MS_EVICTION_NONE
};
enum ms_ttl_mode { MS_TTL_MODE_WRITE, MS_TTL_MODE_ACCESS };
enum ms_maintenance_kind { MS_MAINTENANCE_BACKGROUND, MS_MAINTENANCE_MANUAL };
enum ms_store_error_kind { MS_STORE_ERROR_BYPASS, MS_STORE_ERROR_FAIL };
enum ms_compression_kind { MS_COMPRESSION_NONE, MS_COMPRESSION_ZSTD };
enum ms_memory_pressure_kind {
    MS_MEMORY_PRESSURE_OFF,
    MS_MEMORY_PRESSURE_CGROUP,
    MS_MEMORY_PRESSURE_PSI
};
enum ms_huge_pages_kind { MS_HUGE_PAGES_AUTO, MS_HUGE_PAGES_ON, MS_HUGE_PAGES_OFF };

struct ms_settings {
    /* Memory. */
    /* The limit in force: the smaller of the next two that is given. Not a row of its own. */
    uint64_t limit;
    uint64_t memory_limit; /* performance.memory_limit, bytes; 0 = not given */
    /* hard_max_cache_size, bytes (the key is in MB of 2^20); 0 = not given */
    uint64_t hard_max_cache_size;
    uint64_t max_entry_size;        /* key + value, bytes; 0 = whatever fits */
    uint64_t max_entries_in_window; /* sizes the index at open; 0 = grow from nothing */
    uint32_t shards;                /* power of two, 1 .. 65536 */
    /* dead bytes, in percent of live bytes, that start a compaction; 0 = only when short */
    uint32_t gc_percent;
    enum ms_hash_kind hash_function;
    enum ms_eviction_kind eviction;
    enum ms_eviction_goal eviction_goal;
    enum ms_maintenance_kind maintenance;
    enum ms_huge_pages_kind huge_pages;
    enum ms_memory_pressure_kind memory_pressure; /* what the limit gives way to */
    bool secure_wipe; /* memory that held keys and values is overwritten before it is free */

    /* Time, milliseconds. */
    int64_t life_window; /* no entry outlives this age; 0 = no bound */
    /* longest wait between looks for entries past life_window; 0 = no bound of its own */
    int64_t clean_window;
    enum ms_ttl_mode ttl_mode;
    int64_t default_ttl;   /* 0 = never */
    int64_t min_ttl;       /* 0 = no bound */
    int64_t max_ttl;       /* 0 = no bound; else "never" is bounded by it too */
    uint32_t ttl_jitter;   /* percent by which a TTL is shortened at most */
    int64_t ttl_precision; /* 1, 1000 or 60000: expiry is rounded up to its multiples */
    /* longest wait between two sweeps for expired entries; 0 = no bound of its own */
    int64_t cleanup_interval;
    /* most entries one sweep step removes before it yields; 0 = no bound */
    uint32_t batch_cleanup_size;
    bool store_creation_time;
    int64_t lock_timeout; /* longest wait anywhere in a write; 0 = do not wait */

    /* Admission. */
    uint32_t max_concurrent_readers; /* views pinned at once; 0 = no bound */
    uint32_t max_concurrent_writers; /* writers at work at once; 0 = no bound */

    /* Asynchronous writes. */
    uint32_t batch_size;            /* they are applied when so many are queued, */
    int64_t batch_timeout;          /* or the oldest is this old, milliseconds */
    bool enable_batch_optimization; /* they are queued at all */

    /* Events. */
    uint64_t event_memory; /* events.queue_memory, bytes; 0 = a part of the limit */

    /* Loading through; milliseconds and bytes. */
    int64_t load_timeout;       /* how long a load is tried; 0 = no bound */
    int64_t load_retry_initial; /* longest pause after the first attempt, */
    int64_t load_retry_max;     /* and after many */
    int64_t load_negative_ttl;  /* how long it is known that a key does not exist; 0 = not */
    uint32_t load_max_absent;   /* of how many keys that is known */
    uint32_t load_max_loads;    /* calls of loaders at once; 0 = no bound */
    int64_t load_lease_timeout; /* when a lease ends */
    enum ms_store_error_kind load_on_store_error;
    uint64_t load_bypass_limit;   /* values kept that the store could not take */
    int64_t load_refresh_after;   /* age from which a value is loaded anew; 0 = none */
    int64_t load_max_stale;       /* how long after its expiry a value may still serve; 0 = not */
    uint32_t breaker_failures;    /* failed loads in a row that open a breaker; 0 = none do */
    int64_t breaker_open;         /* how long it stays open */
    uint64_t load_max_load_bytes; /* values expected of the loads in flight; 0 = no bound */

    uint32_t load_warm_rate; /* keys a second that memstore_warm() asks for; 0 = no bound */

    /* Snapshots. */
    enum ms_compression_kind snapshot_compression;
    bool snapshot_fsync;            /* saving ends when the disk has it */
    uint64_t snapshot_batch_memory; /* bytes of what batches overwrite meanwhile */

    /* What the store tells of itself. Texts by ms_setting_text(). */
    uint64_t store_name;      /* what it is called, "" = a number */
    bool logger_enabled;      /* the default logger writes */
    bool verbose;             /* details are logged, too */
    uint64_t export_metrics;  /* monitoring.export_metrics, a path; "" = none */
    bool enable_memory_stats; /* bytes by kind are summed up when asked for */
    bool enable_metrics;      /* windows are kept */
    int64_t metrics_interval; /* their length, milliseconds */
    bool track_hit_rate;
    bool track_memory_usage;
    bool track_operation_latency;
    uint32_t access_sample; /* share of the keys that are followed, in millionths; 0 = none */
    /* Alerts, 0 = none: shares in millionths, and milliseconds. */
    uint32_t hit_rate_threshold;
    uint32_t memory_usage_threshold;
    int64_t latency_threshold;
    uint32_t reclaim_pressure_threshold;
    uint32_t load_failure_threshold;
    uint32_t pinned_threshold;
    uint32_t alert_hysteresis;
};

/* The value of a live member, once the store is open. */
#define ms_setting_of(settings, member) ms_plain_load_relaxed(&(settings)->member)

/* A member that stands for a text, which stays where it is for as long as the process lives. */
static inline const char *ms_setting_text(uint64_t value)
{
    return (const char *)(uintptr_t)value;
}
/* ORDER: acquire, pairs with ms_settings_put(): the text is written. */
#define ms_setting_text_of(settings, member)                                                       \
    ms_setting_text(__atomic_load_n(&(settings)->member, __ATOMIC_ACQUIRE))

/* Write the member of `size` bytes (1, 4 or 8) at `offset`. */
static inline void ms_settings_put(struct ms_settings *settings, size_t offset, size_t size,
                                   uint64_t value)
{
    char *member = (char *)settings + offset;

    if (size == sizeof(bool))
        ms_plain_store_relaxed((bool *)member, value != 0);
    else if (size == sizeof(uint32_t))
        ms_plain_store_relaxed((uint32_t *)member, (uint32_t)value);
    else
        /* ORDER: release, for ms_setting_text_of(). */
        __atomic_store_n((uint64_t *)member, value, __ATOMIC_RELEASE);
}

#endif
