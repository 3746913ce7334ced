/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of how a store is used, in plain figures: what advice is judged by and reports are
 * written from. */
#ifndef MS_ADVICE_FINDINGS_H
#define MS_ADVICE_FINDINGS_H

#include "advice/hot.h"
#include "advice/miniature.h"
#include "advice/spread.h"

#include <stdbool.h>
#include <stdint.h>

#define MS_FINDINGS_POINTS 64
#define MS_FINDINGS_HOT_KEYS 16

struct ms_point {
    uint64_t bytes, entries;
    double miss_ratio;
};

/* The settings that advice is about; times in milliseconds, 0 = not given. */
struct ms_findings_settings {
    const char *eviction, *hash_function; /* static */
    uint64_t limit;                       /* in force; below the next while memory is short */
    uint64_t configured_limit, max_entry_size;
    uint64_t memory_limit, hard_max;     /* 0 = not given; the smaller is the one above */
    uint64_t least_limit, largest_limit; /* that the store can be given as it is now */
    int64_t default_ttl, min_ttl, max_ttl, life_window;
    uint32_t ttl_jitter;
    bool reads_renew; /* TTLs */
    double sample_ratio;
};

/* What is counted of every store. */
struct ms_findings_counts {
    uint64_t entries, hits, misses, sets, evictions, expirations, rejected_full, limit_lowered;
    bool unread_is_known; /* the policy counts uses: */
    uint64_t expired_unread, evicted_unread;
};

/* What a walk over some entries has seen. */
struct ms_findings_entries {
    uint64_t walked, expiring;
    struct ms_spread sizes; /* and bytes, in the sums */
    struct ms_spread ttls;  /* what is left of them, ms */
    double burst_share;     /* the largest part of those that expire that does so within */
    int64_t burst_ms;
    uint32_t shards;
    uint64_t fullest_shard, all_in_shards;
};

/* What following keys has told. */
struct ms_findings_pattern {
    bool is_tracked;
    double ratio; /* of the keys, now */
    uint32_t followed;
    uint64_t sampled, sampled_reads; /* uses of followed keys, and reads among them */
    uint64_t missed;                 /* uses that were lost */
    uint64_t references;             /* reads of the store */
    double miss_ratio;               /* of the store, by the sample */
    struct ms_point points[MS_FINDINGS_POINTS];
    uint32_t point_count, at_limit; /* which point is the limit there is */
    double policies[MS_MINI_POLICIES];
    struct ms_hot_key hot[MS_FINDINGS_HOT_KEYS];
    uint32_t hot_count;
    uint64_t hot_noted;
    double read_once;
    struct ms_spread reuse_ages, ttls, late, hit_ages, idle_ages, hit_sizes;
};

/* Entries by TTL: class 0 never expires, others have those from so many milliseconds on. */
#define MS_FINDINGS_TTLS 17

struct ms_findings_ttls {
    uint32_t classes;
    uint64_t from_ms[MS_FINDINGS_TTLS], entries[MS_FINDINGS_TTLS];
};

struct ms_findings {
    struct ms_findings_settings settings;
    struct ms_findings_counts counts;
    struct ms_findings_entries entries;
    struct ms_findings_ttls ttls;
    struct ms_findings_pattern pattern;
};

/* The policy's name in settings. */
const char *ms_findings_policy_name(enum ms_mini_policy policy);

#endif
