/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/metrics.h"

#include "platform/mem.h"
#include "store/store.h"
#include "store/watch/metrics_keys.h"
#include "store/watch/report.h"

#include <inttypes.h>
#include <memstore/version.h>

static void put_family(struct ms_text *out, const char *name, const char *type, const char *help)
{
    ms_text_put(out, "# TYPE memstore_%s %s\n# HELP memstore_%s %s\n", name, type, name, help);
}

static void put_counter(struct ms_text *out, const char *name, uint64_t value, const char *help)
{
    put_family(out, name, "counter", help);
    ms_text_put(out, "memstore_%s_total %" PRIu64 "\n", name, value);
}

static void put_gauge(struct ms_text *out, const char *name, double value, const char *help)
{
    put_family(out, name, "gauge", help);
    ms_text_put(out, "memstore_%s %.17g\n", name, value);
}

/* ---- What there is ---- */

/* One value of a counter's label, and how much it counts. */
struct labelled {
    const char *value;
    uint64_t count;
};

static void put_labelled(struct ms_text *out, const char *name, const char *label,
                         const struct labelled *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ms_text_put(out, "memstore_%s_total{%s=\"%s\"} %" PRIu64 "\n", name, label, rows[i].value,
                    rows[i].count);
}

static void put_rejections(struct ms_text *out, const memstore_stats *stats)
{
    const struct labelled rows[] = {
        {"too_large", stats->rejected_too_large}, {"invalid_ttl", stats->rejected_invalid_ttl},
        {"full", stats->rejected_full},           {"memory", stats->rejected_memory},
        {"condition", stats->rejected_condition}, {"timeout", stats->rejected_timeout},
    };

    put_family(out, "rejected_writes", "counter", "Writes refused, by the reason.");
    put_labelled(out, "rejected_writes", "reason", rows, sizeof rows / sizeof *rows);
}

/* The groups above by what the callers were told. */
static void put_refusals(struct ms_text *out, const memstore_stats *stats)
{
    const struct labelled rows[] = {
        {"ENTRY_TOO_LARGE", stats->rejected_too_large},
        {"INVALID_TTL", stats->rejected_invalid_ttl - stats->rejected_ttl_expired},
        {"TTL_EXPIRED", stats->rejected_ttl_expired},
        {"CACHE_FULL", stats->rejected_full},
        {"MEMORY_EXHAUSTED",
         stats->rejected_memory - stats->rejected_gc_pressure - stats->rejected_shard_overflow},
        {"GC_PRESSURE", stats->rejected_gc_pressure},
        {"SHARD_OVERFLOW", stats->rejected_shard_overflow},
        {"KEY_EXISTS", stats->rejected_key_exists},
        {"KEY_NOT_FOUND", stats->rejected_key_not_found},
        {"VERSION_MISMATCH", stats->rejected_version_mismatch},
        {"NOT_A_NUMBER", stats->rejected_not_a_number},
        {"LOCK_TIMEOUT", stats->rejected_timeout},
    };

    put_family(out, "refusals", "counter", "Writes refused, by the status they were given.");
    put_labelled(out, "refusals", "status", rows, sizeof rows / sizeof *rows);
}

static void put_loads(struct ms_text *out, const memstore_stats *stats)
{
    put_counter(out, "loads", stats->loads, "Values that loaders gave.");
    put_counter(out, "load_failures", stats->load_failures, "Loads that failed.");
    put_counter(out, "load_retries", stats->load_retries, "Times that a loader was called again.");
    put_counter(out, "loads_coalesced", stats->loads_coalesced, "Callers that waited for another.");
    put_counter(out, "loads_overtaken", stats->loads_overtaken, "Values loaded but not stored.");
    put_counter(out, "loads_bypassed", stats->loads_bypassed, "Values the store could not take.");
    put_counter(out, "absent_loaded", stats->absent_loaded, "Loads that found no such key.");
    put_counter(out, "absent_served", stats->absent_served, "Callers told so without a load.");
    put_counter(out, "loads_refused", stats->loads_refused, "Loads refused by a breaker.");
    put_counter(out, "breakers_opened", stats->breakers_opened, "Times that a breaker opened.");
    put_gauge(out, "breakers_open", (double)stats->breakers_open, "Breakers open now.");
    put_gauge(out, "breakers_half_open", (double)stats->breakers_half_open,
              "Those of them that let a load through to try.");
    put_counter(out, "stale_served", stats->stale_served, "Failed loads served what had expired.");
    put_counter(out, "refreshes", stats->refreshes, "Loads of what was there and old.");
    put_counter(out, "refresh_failures", stats->refresh_failures, "Such loads that failed.");
    put_counter(out, "loads_timed_out", stats->loads_timed_out, "Loads tried for loader.timeout.");
    put_counter(out, "loads_without_place", stats->loads_without_place,
                "Loads for which loader.max_loads left no place.");
    put_counter(out, "loads_without_bytes", stats->loads_without_bytes,
                "Loads for which loader.max_load_bytes left none.");
}

static void put_counts(struct ms_text *out, memstore *store)
{
    memstore_stats stats = {0};

    ms_store_rising_stats(store, &stats);
    put_counter(out, "hits", stats.hits, "Reads that found a live entry.");
    put_counter(out, "misses", stats.misses, "Reads that found none.");
    put_counter(out, "sets", stats.sets, "Entries stored, new and overwritten.");
    put_counter(out, "updates", stats.updates, "Entries stored that replaced a live one.");
    put_counter(out, "deletes", stats.deletes, "Live entries removed by deleting calls.");
    put_counter(out, "evictions", stats.evictions, "Live entries removed to make room.");
    put_counter(out, "expirations", stats.expirations, "Entries removed because they expired.");
    put_rejections(out, &stats);
    put_refusals(out, &stats);
    put_counter(out, "compactions", stats.compactions, "Segments emptied by moving entries.");
    put_counter(out, "moved_bytes", stats.moved_bytes, "Bytes moved by compaction and eviction.");
    put_counter(out, "written_bytes", stats.written_bytes, "Bytes appended by writes.");
    put_counter(out, "room_made", stats.room_made,
                "Entries whose writers had to reclaim memory themselves.");
    put_counter(out, "exports", stats.exports, "Times the file of export_metrics was written.");
    put_counter(out, "export_failures", stats.export_failures, "Times it could not be written.");
    put_counter(out, "limit_lowered", stats.limit_lowered,
                "Times that memory pressure lowered the limit.");
    put_counter(out, "limit_raised", stats.limit_raised, "Times that it was raised again.");
    put_gauge(out, "entries", (double)stats.entries, "Live entries.");
    put_loads(out, &stats);
}

static void put_kind(struct ms_text *out, const char *kind, uint64_t bytes)
{
    ms_text_put(out, "memstore_memory_bytes{kind=\"%s\"} %" PRIu64 "\n", kind, bytes);
}

static void put_memory(struct ms_text *out, memstore *store)
{
    memstore_memory_stats memory = {0};

    ms_store_memory_stats(store, &memory);
    put_gauge(out, "memory_limit_bytes", (double)memory.limit, "Bytes the store may use.");
    put_gauge(out, "memory_configured_limit_bytes", (double)memory.configured_limit,
              "Bytes the store may use while memory is not short.");
    put_gauge(out, "memory_charged_bytes", (double)memory.charged,
              "Bytes that count against the limit.");
    if (!ms_setting_of(&store->settings, enable_memory_stats))
        return;
    put_family(out, "memory_bytes", "gauge", "What the bytes that are charged hold.");
    put_kind(out, "live", memory.live);
    put_kind(out, "stale", memory.stale);
    put_kind(out, "dead", memory.dead);
    put_kind(out, "index", memory.index);
    put_kind(out, "overhead", memory.overhead);
    put_kind(out, "free", memory.free);
    put_gauge(out, "memory_pinned_bytes", (double)memory.pinned,
              "Bytes of segments that views hold.");
    put_gauge(out, "memory_resident_bytes", (double)memory.resident,
              "Bytes of the store's mappings that are in memory.");
    put_gauge(out, "segments", (double)memory.segments, "Segments in use.");
}

static void put_ttls(struct ms_text *out, memstore *store)
{
    memstore_ttl_stats ttls = {0};

    if (!ms_setting_of(&store->settings, enable_memory_stats))
        return;
    ms_store_ttl_stats(store, &ttls);
    put_family(out, "ttl_entries", "gauge", "Live entries by TTL, from so many seconds on.");
    ms_text_put(out, "memstore_ttl_entries{from=\"never\"} %" PRIu64 "\n", ttls.entries[0]);
    for (uint64_t i = 1; i < ttls.classes; i++)
        ms_text_put(out, "memstore_ttl_entries{from=\"%" PRIu64 "\"} %" PRIu64 "\n",
                    ttls.from_ms[i] / 1000, ttls.entries[i]);
}

static void put_alert(struct ms_text *out, const char *kind, bool raised)
{
    ms_text_put(out, "memstore_alert{kind=\"%s\"} %d\n", kind, raised);
}

static void put_window(struct ms_text *out, memstore *store)
{
    memstore_rates rates = {0};

    if (ms_monitor_rates(store, &rates) != MEMSTORE_OK)
        return;
    put_gauge(out, "window_seconds", rates.window_seconds, "How long the last window was.");
    if (ms_setting_of(&store->settings, track_hit_rate))
        put_gauge(out, "window_hit_ratio", rates.hit_rate, "Hits of all reads in the last window.");
    if (ms_setting_of(&store->settings, track_memory_usage))
        put_gauge(out, "window_memory_usage_ratio", rates.memory_usage,
                  "Share of the limit in use at the end of the last window.");
    if (ms_setting_of(&store->settings, track_memory_usage))
        put_gauge(out, "window_pinned_ratio", rates.pinned,
                  "Share of the limit that views held at the end of the last window.");
    put_gauge(out, "window_reclaim_pressure_ratio", rates.reclaim_pressure,
              "Writes of the last window that had to reclaim memory themselves.");
    put_gauge(out, "window_load_failure_ratio", rates.load_failure_rate,
              "Loads of the last window that failed.");
    put_family(out, "alert", "gauge", "1 while something is over its threshold.");
    for (uint64_t alert = 1; ms_monitor_alert_name(alert) != NULL; alert <<= 1)
        put_alert(out, ms_monitor_alert_name(alert), (rates.alerts & alert) != 0);
    put_counter(out, "alerts_raised", rates.alerts_raised,
                "How often something went over its threshold.");
}

/* ---- Latencies ---- */

/* Bounds of the buckets that are told: 2^k - 1 ns for every second k. All of a histogram's own
 * buckets are on one side of each. */
#define FIRST_BOUND 6
#define LAST_BOUND 34

static void put_histogram(struct ms_text *out, const char *operation,
                          const struct ms_histogram_sums *sums)
{
    uint64_t below = 0;
    uint32_t bucket = 0;

    for (unsigned power = FIRST_BOUND; power <= LAST_BOUND; power += 2) {
        for (; ms_histogram_lowest(bucket) < UINT64_C(1) << power; bucket++)
            below += sums->counts[bucket];
        ms_text_put(
            out,
            "memstore_operation_duration_seconds_bucket{operation=\"%s\",le=\"%.9f\"} %" PRIu64
            "\n",
            operation, (double)((UINT64_C(1) << power) - 1) / 1e9, below);
    }
    ms_text_put(out,
                "memstore_operation_duration_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %" PRIu64
                "\n",
                operation, sums->count);
    ms_text_put(out, "memstore_operation_duration_seconds_count{operation=\"%s\"} %" PRIu64 "\n",
                operation, sums->count);
    ms_text_put(out, "memstore_operation_duration_seconds_sum{operation=\"%s\"} %.9f\n", operation,
                (double)sums->sum_ns / 1e9);
}

static void put_quantiles(struct ms_text *out, const char *operation,
                          const struct ms_histogram_sums *sums)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};

    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const uint64_t ns = shares[i] == 1 ? sums->max_ns : ms_histogram_quantile(sums, shares[i]);

        ms_text_put(out, "memstore_operation_quantile_seconds{operation=\"%s\",q=\"%g\"} %.9f\n",
                    operation, shares[i], (double)ns / 1e9);
    }
}

static void put_slow(struct ms_text *out, const char *operation,
                     const struct ms_histogram_sums *sums)
{
    ms_text_put(out, "memstore_slow_operations_total{operation=\"%s\"} %" PRIu64 "\n", operation,
                sums->slow);
}

static void put_each(struct ms_text *out, memstore *store,
                     void (*fn)(struct ms_text *, const char *, const struct ms_histogram_sums *))
{
    struct ms_histogram_sums sums;

    for (int operation = 0; operation < MEMSTORE_OPERATIONS; operation++) {
        ms_latency_sum(&store->latency, (enum memstore_operation)operation, &sums);
        fn(out, ms_latency_name((enum memstore_operation)operation), &sums);
    }
}

static void put_latencies(struct ms_text *out, memstore *store)
{
    if (store->latency.histograms == NULL)
        return;
    put_family(out, "operation_duration_seconds", "histogram",
               "How long calls took; of get, get_view and has one in 256 is measured.");
    put_each(out, store, put_histogram);
    put_family(out, "operation_quantile_seconds", "gauge",
               "Quantiles of operation_duration_seconds, within 1.6 %.");
    put_each(out, store, put_quantiles);
    put_family(out, "slow_operations", "counter",
               "Measured calls that took longer than monitoring.latency_threshold.");
    put_each(out, store, put_slow);
}

/* ---- Hot keys ---- */

static void put_hot_keys(struct ms_text *out, memstore *store)
{
    struct ms_metrics_key keys[MS_METRICS_KEYS];
    const uint32_t count = ms_metrics_hot_keys(store, keys);

    if (count != 0)
        put_family(out, "hot_key_share", "gauge",
                   "Share of the reads that a key gets, at most and at least half; the hottest.");
    for (uint32_t i = 0; i < count; i++)
        ms_text_put(out, "memstore_hot_key_share{key=\"%s\"} %.6g\n", keys[i].label, keys[i].share);
    if (out->wipes)
        ms_mem_wipe(keys, sizeof keys);
}

int ms_metrics_write(memstore *store, struct ms_text *out)
{
    ms_text_put(out, "# TYPE memstore_build info\n# HELP memstore_build The library.\n"
                     "memstore_build_info{version=\"" MEMSTORE_VERSION_STRING "\"} 1\n");
    put_counts(out, store);
    put_memory(out, store);
    put_ttls(out, store);
    put_window(out, store);
    put_latencies(out, store);
    put_hot_keys(out, store);
    ms_text_put(out, "# EOF\n");
    return out->failed ? MEMSTORE_ERR_MEMORY_EXHAUSTED : MEMSTORE_OK;
}
