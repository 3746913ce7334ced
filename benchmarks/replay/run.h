/* SPDX-License-Identifier: Apache-2.0 */
/* One replay: a workload against a fresh store with one limit and one eviction policy.
 *
 * Threads take blocks of consecutive requests in turn, so that the order of the workload is kept
 * to within a block for each thread. A get that misses stores the value; every value read is
 * checked against its key's pattern. */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include "common/histogram.h"
#include "replay/progress.h"
#include "replay/workload.h"

enum { RUN_MAX_SETTINGS = 32, RUN_MAX_THREADS = 256, RUN_STATUSES = 32 };

struct run_options {
    uint64_t limit_bytes;
    const char *eviction;
    unsigned threads;
    /* > 0: request times are kept, this many times faster, and TTLs shrink by it */
    double speed;
    bool verify;                            /* check every value read */
    uint32_t sample_every;                  /* time one request in this many */
    const char *settings[RUN_MAX_SETTINGS]; /* "key=value" */
    unsigned setting_count;
};

struct run_counts {
    uint64_t gets, hits;
    uint64_t get_bytes, hit_bytes; /* key and value bytes asked for, and served from the store */
    uint64_t sets, deletes;
    uint64_t wrong_values;
    uint64_t refused[RUN_STATUSES]; /* writes refused, by negated status */
    uint64_t failed_reads[RUN_STATUSES];
};

struct run_result {
    struct run_counts counts;
    struct histogram get_ns, set_ns;
    double seconds;
    uint64_t evictions, expirations;
    uint64_t entries, charged_bytes, live_key_value_bytes, capacity_bytes;
    /* of the process, from before the store was opened to the end of the replay */
    uint64_t resident_growth_bytes;
    uint64_t moved_bytes, written_bytes;
    char refusal[256]; /* not empty: the store was not opened or a thread not started, and why */
};

void run_replay(const struct workload *workload, const struct run_options *options,
                struct progress *progress, struct run_result *result);

/* Reads that failed and values that were wrong: none in a store that works. */
uint64_t run_faults(const struct run_result *result);

#endif
