/* SPDX-License-Identifier: Apache-2.0 */
/* What a store tells about itself. */
#include "store/watch/report.h"

#include "store/lookup.h"
#include "store/scan.h"
#include "store/upkeep.h"
#include "store/watch/measuring.h"

#include "expiry/ttl_class.h"
#include "platform/mem.h"

uint64_t ms_store_size(memstore *store)
{
    /* Whoever stands still with a lock keeps what has expired in the index: count around it. */
    if (!ms_upkeep_expire(store, ms_store_deadline(store)))
        return ms_scan_count(store);
    return ms_index_count(&store->index);
}

/* What was counted, in these sums. */
static void tell_counts(memstore *store, const uint64_t sums[MS_COUNTERS], memstore_stats *out)
{
    out->misses = sums[MS_COUNT_MISSES];
    /* Reads on their way may have been counted as the one and not yet as the other. */
    out->hits = sums[MS_COUNT_READS] > out->misses ? sums[MS_COUNT_READS] - out->misses : 0;
    out->sets = sums[MS_COUNT_SETS];
    out->updates = sums[MS_COUNT_UPDATES];
    out->deletes = sums[MS_COUNT_DELETES];
    out->evictions = sums[MS_COUNT_EVICTIONS];
    out->expirations = sums[MS_COUNT_EXPIRATIONS];
    out->rejected_too_large = sums[MS_COUNT_REJECTED_TOO_LARGE];
    out->rejected_invalid_ttl =
        ms_counts_from_to(sums, MS_COUNT_REJECTED_INVALID_TTL, MS_COUNT_REJECTED_TTL_EXPIRED);
    out->rejected_full = sums[MS_COUNT_REJECTED_FULL];
    out->rejected_memory = ms_counts_from_to(sums, MS_COUNT_REJECTED_MEMORY_EXHAUSTED,
                                             MS_COUNT_REJECTED_SHARD_OVERFLOW);
    out->rejected_condition =
        ms_counts_from_to(sums, MS_COUNT_REJECTED_KEY_EXISTS, MS_COUNT_REJECTED_NOT_A_NUMBER);
    out->compactions = sums[MS_COUNT_COMPACTIONS];
    out->moved_bytes = sums[MS_COUNT_MOVED_BYTES];
    out->written_bytes = sums[MS_COUNT_WRITTEN_BYTES];
    out->rejected_timeout = sums[MS_COUNT_REJECTED_TIMEOUT];
    out->loads = sums[MS_COUNT_LOADS];
    out->load_failures = sums[MS_COUNT_LOAD_FAILURES];
    out->load_retries = sums[MS_COUNT_LOAD_RETRIES];
    out->loads_coalesced = sums[MS_COUNT_LOADS_COALESCED];
    out->loads_overtaken = sums[MS_COUNT_LOADS_OVERTAKEN];
    out->loads_bypassed = sums[MS_COUNT_LOADS_BYPASSED];
    out->absent_loaded = sums[MS_COUNT_ABSENT_LOADED];
    out->absent_served = sums[MS_COUNT_ABSENT_SERVED];
    out->loads_refused = sums[MS_COUNT_LOADS_REFUSED];
    out->breakers_opened = sums[MS_COUNT_BREAKERS_OPENED];
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);
    const struct ms_breakers_sum breakers =
        ms_breakers_sum_up(&store->breakers, &rule, ms_clock_exact_ms());
    out->breakers_open = breakers.open;
    out->breakers_half_open = breakers.half_open;
    out->stale_served = sums[MS_COUNT_STALE_SERVED];
    out->refreshes = sums[MS_COUNT_REFRESHES];
    out->refresh_failures = sums[MS_COUNT_REFRESH_FAILURES];
    out->loads_timed_out = sums[MS_COUNT_LOADS_TIMED_OUT];
    out->loads_without_place = sums[MS_COUNT_LOADS_WITHOUT_PLACE];
    out->loads_without_bytes = sums[MS_COUNT_LOADS_WITHOUT_BYTES];
    out->room_made = sums[MS_COUNT_ROOM_MADE];
    out->exports = sums[MS_COUNT_EXPORTS];
    out->export_failures = sums[MS_COUNT_EXPORT_FAILURES];
    out->rejected_ttl_expired = sums[MS_COUNT_REJECTED_TTL_EXPIRED];
    out->rejected_gc_pressure = sums[MS_COUNT_REJECTED_GC_PRESSURE];
    out->rejected_shard_overflow = sums[MS_COUNT_REJECTED_SHARD_OVERFLOW];
    out->rejected_key_exists = sums[MS_COUNT_REJECTED_KEY_EXISTS];
    out->rejected_key_not_found = sums[MS_COUNT_REJECTED_KEY_NOT_FOUND];
    out->rejected_version_mismatch = sums[MS_COUNT_REJECTED_VERSION_MISMATCH];
    out->rejected_not_a_number = sums[MS_COUNT_REJECTED_NOT_A_NUMBER];
    out->limit_lowered = sums[MS_COUNT_LIMIT_LOWERED];
    out->limit_raised = sums[MS_COUNT_LIMIT_RAISED];
}

void ms_store_stats(memstore *store, memstore_stats *out)
{
    uint64_t sums[MS_COUNTERS];

    out->entries = ms_store_size(store);
    ms_counters_sum(&store->counters, sums);
    tell_counts(store, sums, out);
}

void ms_store_rising_stats(memstore *store, memstore_stats *out)
{
    uint64_t sums[MS_COUNTERS];

    out->entries = ms_store_size(store);
    ms_counters_sum_rising(&store->counters, sums);
    tell_counts(store, sums, out);
}

/* ---- Bytes ---- */

struct byte_sums {
    uint64_t live, dead, stale, unused, segments;
};

static void sum_segment(struct ms_segment *segment, void *context)
{
    struct byte_sums *sums = context;

    /* What is kept counts as live in the segment; it may go, or come to be kept, between the two loads. */
    const uint32_t live = ms_segment_live_bytes(segment);
    const uint32_t stale = ms_load_relaxed(&segment->stale_bytes);

    sums->live += live > stale ? live - stale : 0;
    sums->stale += stale;
    sums->dead += ms_segment_dead_bytes(segment);
    sums->unused += segment->capacity - ms_load_relaxed(&segment->used);
    sums->segments++;
}

void ms_store_live_and_dead(memstore *store, uint64_t *live, uint64_t *dead)
{
    struct byte_sums sums = {0};

    ms_arena_each(&store->arena, sum_segment, &sums);
    *live = sums.live + sums.stale;
    *dead = sums.dead;
}

static void tell_sums(memstore *store, memstore_memory_stats *out)
{
    struct ms_arena *arena = &store->arena;

    out->limit = ms_budget_limit(&arena->budget);
    out->configured_limit = ms_setting_of(&store->settings, limit);
    out->charged = ms_budget_charged(&arena->budget);
    out->segment_size = ms_arena_segment_size(arena);
    out->index = ms_load_relaxed(&store->index.table_bytes);
}

void ms_store_memory_stats(memstore *store, memstore_memory_stats *out)
{
    if (!ms_setting_of(&store->settings, enable_memory_stats)) {
        tell_sums(store, out);
        return;
    }
    ms_store_measure_memory(store, out);
    out->resident =
        ms_arena_resident(&store->arena) + ms_mem_resident(store->block, store->block_bytes);
}

void ms_store_measure_memory(memstore *store, memstore_memory_stats *out)
{
    struct ms_arena *arena = &store->arena;
    struct byte_sums sums = {0};

    tell_sums(store, out);
    ms_arena_each(arena, sum_segment, &sums);
    out->live = sums.live;
    out->dead = sums.dead;
    out->pinned = ms_arena_pinned(arena);
    out->segments = sums.segments;
    out->stale = sums.stale;

    out->free = sums.unused + ms_arena_free_bytes(arena);
    const uint64_t known = out->live + out->dead + out->stale + out->index + out->free;
    out->overhead = out->charged > known ? out->charged - known : 0;
}

/* ---- Entries by TTL ---- */

_Static_assert(MS_TTL_CLASSES_MOST == MEMSTORE_TTL_CLASSES, "all classes are told");

static void count_entries(struct ms_segment *segment, void *context)
{
    memstore_ttl_stats *out = context;
    const uint32_t live = ms_segment_live_entries(segment);
    const uint32_t stale = ms_load_relaxed(&segment->stale_entries);

    out->entries[segment->ttl_class] += live > stale ? live - stale : 0;
}

void ms_store_ttl_stats(memstore *store, memstore_ttl_stats *out)
{
    const uint32_t classes = store->arena.ttl_classes;

    /* What cannot be removed now counts until it can. */
    (void)ms_upkeep_expire(store, ms_store_deadline(store));
    out->classes = classes;
    for (uint32_t i = 0; i < classes; i++)
        out->from_ms[i] = (uint64_t)ms_ttl_class_from_ms(i, classes);
    ms_arena_each(&store->arena, count_entries, out);
}

/* ---- Latencies ---- */

void ms_measuring_add(memstore *store, enum memstore_operation operation, uint64_t start)
{
    const int64_t slow_ms = ms_setting_of(&store->settings, latency_threshold);

    ms_latency_add(&store->latency, operation, ms_clock_real_ns() - start,
                   slow_ms != 0 ? (uint64_t)slow_ms * 1000000 : UINT64_MAX);
}

int ms_store_latency(memstore *store, enum memstore_operation operation, memstore_latency *out)
{
    struct ms_histogram_sums sums;

    if (store->latency.histograms == NULL)
        return MEMSTORE_ERR_UNSUPPORTED;
    ms_latency_sum(&store->latency, operation, &sums);
    out->count = sums.count;
    out->one_in = ms_latency_one_in(operation);
    out->total_ns = sums.sum_ns;
    out->p50_ns = ms_histogram_quantile(&sums, 0.5);
    out->p90_ns = ms_histogram_quantile(&sums, 0.9);
    out->p99_ns = ms_histogram_quantile(&sums, 0.99);
    out->p999_ns = ms_histogram_quantile(&sums, 0.999);
    out->p9999_ns = ms_histogram_quantile(&sums, 0.9999);
    out->max_ns = sums.max_ns;
    out->slow = sums.slow;
    return MEMSTORE_OK;
}

void ms_store_reset_stats(memstore *store)
{
    ms_counters_reset(&store->counters);
    ms_track_forget(store);
    if (store->latency.histograms != NULL)
        ms_monitor_forget_latencies(store);
}
