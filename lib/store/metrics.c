/* SPDX-License-Identifier: Apache-2.0 */
#include "store/metrics.h"

#include "platform/mem.h"
#include "store/store.h"

#include <inttypes.h>
#include <memstore/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Text ---- */

static bool make_room(struct ms_metrics_text *out, size_t more)
{
    if (out->room - out->size > more)
        return true;
    const size_t room = 2 * out->room + more + 4096;
    char *data = ms_mem_resize(out->data, room);

    if (data == NULL)
        return false;
    out->data = data;
    out->room = room;
    return true;
}

static void put(struct ms_metrics_text *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line is at most this long. */
#define LINE_SIZE 512

static void put(struct ms_metrics_text *out, const char *format, ...)
{
    va_list arguments;

    if (out->failed || !make_room(out, LINE_SIZE)) {
        out->failed = true;
        return;
    }
    va_start(arguments, format);
    out->size += (size_t)vsnprintf(out->data + out->size, LINE_SIZE, format, arguments);
    va_end(arguments);
}

static void put_family(struct ms_metrics_text *out, const char *name, const char *type,
                       const char *help)
{
    /* Prometheus' older form names a family as its samples, and has no infos. */
    const bool older = out->form == MS_METRICS_PROMETHEUS;
    const char *const suffix = !older                         ? ""
                               : strcmp(type, "counter") == 0 ? "_total"
                               : strcmp(type, "info") == 0    ? "_info"
                                                              : "";

    put(out, "# TYPE memstore_%s%s %s\n# HELP memstore_%s%s %s\n", name, suffix,
        older && strcmp(type, "info") == 0 ? "gauge" : type, name, suffix, help);
}

static void put_counter(struct ms_metrics_text *out, const char *name, uint64_t value,
                        const char *help)
{
    put_family(out, name, "counter", help);
    put(out, "memstore_%s_total %" PRIu64 "\n", name, value);
}

static void put_gauge(struct ms_metrics_text *out, const char *name, double value, const char *help)
{
    put_family(out, name, "gauge", help);
    put(out, "memstore_%s %.17g\n", name, value);
}

/* ---- What there is ---- */

static void put_rejections(struct ms_metrics_text *out, const memstore_stats *stats)
{
    const struct {
        const char *reason;
        uint64_t count;
    } rows[] = {
        {"too_large", stats->rejected_too_large}, {"invalid_ttl", stats->rejected_invalid_ttl},
        {"full", stats->rejected_full},           {"memory", stats->rejected_memory},
        {"condition", stats->rejected_condition}, {"timeout", stats->rejected_timeout},
    };

    put_family(out, "rejected_writes", "counter", "Writes refused, by the reason.");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put(out, "memstore_rejected_writes_total{reason=\"%s\"} %" PRIu64 "\n", rows[i].reason,
            rows[i].count);
}

static void put_counts(struct ms_metrics_text *out, memstore *store)
{
    memstore_stats stats = {0};

    ms_store_stats(store, &stats);
    put_counter(out, "hits", stats.hits, "Reads that found a live entry.");
    put_counter(out, "misses", stats.misses, "Reads that found none.");
    put_counter(out, "sets", stats.sets, "Entries stored, new and overwritten.");
    put_counter(out, "updates", stats.updates, "Entries stored that replaced a live one.");
    put_counter(out, "deletes", stats.deletes, "Live entries removed by deleting calls.");
    put_counter(out, "evictions", stats.evictions, "Live entries removed to make room.");
    put_counter(out, "expirations", stats.expirations, "Entries removed because they expired.");
    put_rejections(out, &stats);
    put_counter(out, "compactions", stats.compactions, "Segments emptied by moving entries.");
    put_counter(out, "moved_bytes", stats.moved_bytes, "Bytes moved by compaction and eviction.");
    put_counter(out, "written_bytes", stats.written_bytes, "Bytes appended by writes.");
    put_counter(out, "room_made", stats.room_made,
                "Entries whose writers had to reclaim memory themselves.");
    put_counter(out, "exports", stats.exports, "Times the file of export_metrics was written.");
    put_counter(out, "export_failures", stats.export_failures, "Times it could not be written.");
    put_gauge(out, "entries", (double)stats.entries, "Live entries.");
}

static void put_kind(struct ms_metrics_text *out, const char *kind, uint64_t bytes)
{
    put(out, "memstore_memory_bytes{kind=\"%s\"} %" PRIu64 "\n", kind, bytes);
}

static void put_memory(struct ms_metrics_text *out, memstore *store)
{
    memstore_memory_stats memory = {0};

    ms_store_memory_stats(store, &memory);
    put_gauge(out, "memory_limit_bytes", (double)memory.limit, "Bytes the store may use.");
    put_gauge(out, "memory_charged_bytes", (double)memory.charged,
              "Bytes that count against the limit.");
    if (!ms_setting_of(&store->settings, enable_memory_stats))
        return;
    put_family(out, "memory_bytes", "gauge", "What the bytes that are charged hold.");
    put_kind(out, "live", memory.live);
    put_kind(out, "dead", memory.dead);
    put_kind(out, "index", memory.index);
    put_kind(out, "overhead", memory.overhead);
    put_kind(out, "free", memory.free);
    put_gauge(out, "memory_pinned_bytes", (double)memory.pinned,
              "Bytes of segments that views hold.");
    put_gauge(out, "segments", (double)memory.segments, "Segments in use.");
}

static void put_alert(struct ms_metrics_text *out, const char *kind, bool raised)
{
    put(out, "memstore_alert{kind=\"%s\"} %d\n", kind, raised);
}

static void put_window(struct ms_metrics_text *out, memstore *store)
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

static void put_histogram(struct ms_metrics_text *out, const char *operation,
                          const struct ms_histogram_sums *sums)
{
    uint64_t below = 0;
    uint32_t bucket = 0;

    for (unsigned power = FIRST_BOUND; power <= LAST_BOUND; power += 2) {
        for (; ms_histogram_lowest(bucket) < UINT64_C(1) << power; bucket++)
            below += sums->counts[bucket];
        put(out,
            "memstore_operation_duration_seconds_bucket{operation=\"%s\",le=\"%.9f\"} %" PRIu64
            "\n",
            operation, (double)((UINT64_C(1) << power) - 1) / 1e9, below);
    }
    put(out,
        "memstore_operation_duration_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
        operation, sums->count);
    put(out, "memstore_operation_duration_seconds_count{operation=\"%s\"} %" PRIu64 "\n", operation,
        sums->count);
    put(out, "memstore_operation_duration_seconds_sum{operation=\"%s\"} %.9f\n", operation,
        (double)sums->sum_ns / 1e9);
}

static void put_quantiles(struct ms_metrics_text *out, const char *operation,
                          const struct ms_histogram_sums *sums)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};

    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const uint64_t ns = shares[i] == 1 ? sums->max_ns : ms_histogram_quantile(sums, shares[i]);

        put(out, "memstore_operation_quantile_seconds{operation=\"%s\",quantile=\"%g\"} %.9f\n",
            operation, shares[i], (double)ns / 1e9);
    }
}

static void put_slow(struct ms_metrics_text *out, const char *operation,
                     const struct ms_histogram_sums *sums)
{
    put(out, "memstore_slow_operations_total{operation=\"%s\"} %" PRIu64 "\n", operation,
        sums->slow);
}

static void put_each(struct ms_metrics_text *out, memstore *store,
                     void (*fn)(struct ms_metrics_text *, const char *,
                                const struct ms_histogram_sums *))
{
    struct ms_histogram_sums sums;

    for (int operation = 0; operation < MEMSTORE_OPERATIONS; operation++) {
        ms_latency_sum(&store->latency, (enum memstore_operation)operation, &sums);
        fn(out, ms_latency_name((enum memstore_operation)operation), &sums);
    }
}

static void put_latencies(struct ms_metrics_text *out, memstore *store)
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

/* ---- The store's name ---- */

static void put_bytes(struct ms_metrics_text *out, const char *bytes, size_t size)
{
    if (out->failed || !make_room(out, size)) {
        out->failed = true;
        return;
    }
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

static void put_name(struct ms_metrics_text *out, const char *name)
{
    put_bytes(out, "store=\"", 7);
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\')
            put_bytes(out, "\\", 1);
        put_bytes(out, name, 1);
    }
    put_bytes(out, "\"", 1);
}

/* A line, which ends before `end`. */
static void put_labelled(struct ms_metrics_text *out, const char *name, const char *line,
                         const char *end)
{
    const size_t metric = strcspn(line, "{ ");

    if (line[0] == '#') {
        put_bytes(out, line, (size_t)(end - line));
        return;
    }
    put_bytes(out, line, metric);
    put_bytes(out, "{", 1);
    put_name(out, name);
    if (line[metric] == '{')
        put_bytes(out, ",", 1);
    else
        put_bytes(out, "}", 1);
    const char *const rest = line + metric + (line[metric] == '{');
    put_bytes(out, rest, (size_t)(end - rest));
}

static void label_samples(struct ms_metrics_text *out)
{
    struct ms_metrics_text labelled = {.form = out->form, .store_name = out->store_name};

    for (size_t at = 0; at < out->size;) {
        const char *const line = out->data + at;
        const char *const end = (const char *)memchr(line, '\n', out->size - at) + 1;

        put_labelled(&labelled, out->store_name, line, end);
        at += (size_t)(end - line);
    }
    labelled.failed |= out->failed;
    ms_mem_free(out->data);
    *out = labelled;
}

int ms_metrics_write(memstore *store, struct ms_metrics_text *out)
{
    put_family(out, "build", "info", "The library.");
    put(out, "memstore_build_info{version=\"" MEMSTORE_VERSION_STRING "\"} 1\n");
    put_counts(out, store);
    put_memory(out, store);
    put_window(out, store);
    put_latencies(out, store);
    if (out->form == MS_METRICS_OPENMETRICS)
        put(out, "# EOF\n");
    if (out->store_name != NULL && out->store_name[0] != '\0' && !out->failed)
        label_samples(out);
    return out->failed ? MEMSTORE_ERR_MEMORY_EXHAUSTED : MEMSTORE_OK;
}
