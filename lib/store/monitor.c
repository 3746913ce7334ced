/* SPDX-License-Identifier: Apache-2.0 */
#include "store/monitor.h"

#include "config/settings.h"
#include "store/store.h"

#include <string.h>

/* A hit rate of fewer reads than this says little. */
#define READS_FOR_AN_ALERT 100
/* How far back a share has to be for its alert to be cleared. */
#define CLEARED_BY 0.01

#define MILLIONTHS 1e6

void ms_monitor_init(struct ms_monitor *monitor)
{
    *monitor = (struct ms_monitor){0};
    ms_mutex_init(&monitor->lock, MS_RANK_MONITOR);
    ms_store_relaxed(&monitor->began_ms, ms_clock_exact_ms());
}

void ms_monitor_fini(struct ms_monitor *monitor)
{
    ms_mutex_destroy(&monitor->lock);
}

/* ---- Sums ---- */

static void sum_up(memstore *store, struct ms_monitor_sums *sums)
{
    ms_counters_sum_all(&store->counters, sums->counts);
    sums->measured = sums->slow = 0;
    if (store->latency.histograms != NULL)
        ms_latency_totals(&store->latency, &sums->measured, &sums->slow);
}

static uint64_t less(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* What was counted since `before`. Sums that are read while others add may be a little behind each
 * other. */
static void subtract(struct ms_monitor_sums *sums, const struct ms_monitor_sums *before)
{
    for (int i = 0; i < MS_COUNTERS; i++)
        sums->counts[i] = less(sums->counts[i], before->counts[i]);
    sums->measured = less(sums->measured, before->measured);
    sums->slow = less(sums->slow, before->slow);
}

static double hit_rate_of(const struct ms_monitor_sums *sums)
{
    const uint64_t reads = sums->counts[MS_COUNT_READS];
    const uint64_t misses = sums->counts[MS_COUNT_MISSES];

    return reads > misses ? (double)(reads - misses) / (double)reads : 0;
}

/* The share of the limit in use. */
static double usage_of(memstore *store)
{
    memstore_memory_stats memory = {0};

    ms_store_memory_stats(store, &memory);
    const uint64_t unused = memory.free + memory.dead;
    return memory.limit != 0 ? (double)less(memory.charged, unused) / (double)memory.limit : 0;
}

/* ---- Alerts. The monitor's lock is held ---- */

static void set_alert(struct ms_monitor *monitor, enum memstore_alert alert, bool raise, bool clear)
{
    if (raise && (monitor->alerts & alert) == 0) {
        monitor->alerts |= alert;
        monitor->alerts_raised++;
    } else if (clear) {
        monitor->alerts &= ~(uint64_t)alert;
    }
}

static void judge_hit_rate(struct ms_monitor *monitor, const struct ms_settings *settings)
{
    const double threshold = ms_setting_of(settings, hit_rate_threshold) / MILLIONTHS;
    const double rate = hit_rate_of(&monitor->window);
    const double back = threshold + CLEARED_BY < 1 ? threshold + CLEARED_BY : 1;

    if (threshold == 0 || !ms_setting_of(settings, track_hit_rate))
        set_alert(monitor, MEMSTORE_ALERT_HIT_RATE, false, true);
    else if (monitor->window.counts[MS_COUNT_READS] >= READS_FOR_AN_ALERT)
        set_alert(monitor, MEMSTORE_ALERT_HIT_RATE, rate < threshold, rate >= back);
}

static void judge_memory_usage(struct ms_monitor *monitor, const struct ms_settings *settings)
{
    const double threshold = ms_setting_of(settings, memory_usage_threshold) / MILLIONTHS;
    const double usage = monitor->memory_usage;

    if (threshold == 0 || !ms_setting_of(settings, track_memory_usage))
        set_alert(monitor, MEMSTORE_ALERT_MEMORY_USAGE, false, true);
    else
        set_alert(monitor, MEMSTORE_ALERT_MEMORY_USAGE, usage > threshold,
                  usage <= threshold - CLEARED_BY);
}

static void judge_latency(struct ms_monitor *monitor, const struct ms_settings *settings)
{
    const uint64_t measured = monitor->window.measured, slow = monitor->window.slow;

    if (ms_setting_of(settings, latency_threshold) == 0)
        set_alert(monitor, MEMSTORE_ALERT_LATENCY, false, true);
    else if (measured != 0)
        set_alert(monitor, MEMSTORE_ALERT_LATENCY, slow * 100 > measured, slow * 200 <= measured);
}

/* ---- Windows ---- */

static bool is_over(memstore *store, int64_t now)
{
    return now - ms_load_relaxed(&store->monitor.began_ms) >=
           ms_setting_of(&store->settings, metrics_interval);
}

static void end_window_locked(memstore *store, int64_t now, double usage)
{
    struct ms_monitor *monitor = &store->monitor;
    struct ms_monitor_sums sums;

    sum_up(store, &sums);
    monitor->window = sums;
    subtract(&monitor->window, &monitor->base);
    monitor->base = sums;
    monitor->length_ms = now - ms_load_relaxed(&monitor->began_ms);
    monitor->memory_usage = usage;
    monitor->has_window = true;
    ms_store_relaxed(&monitor->began_ms, now);
    judge_hit_rate(monitor, &store->settings);
    judge_memory_usage(monitor, &store->settings);
    judge_latency(monitor, &store->settings);
}

void ms_monitor_look(memstore *store)
{
    const int64_t now = ms_clock_exact_ms();

    if (!ms_setting_of(&store->settings, enable_metrics) || !is_over(store, now))
        return;
    const double usage = ms_setting_of(&store->settings, track_memory_usage) ? usage_of(store) : 0;
    ms_mutex_lock(&store->monitor.lock);
    if (is_over(store, now))
        end_window_locked(store, now, usage);
    ms_mutex_unlock(&store->monitor.lock);
}

int64_t ms_monitor_when(memstore *store, int64_t now_us)
{
    if (!ms_setting_of(&store->settings, enable_metrics))
        return INT64_MAX;
    const int64_t left = ms_load_relaxed(&store->monitor.began_ms) +
                         ms_setting_of(&store->settings, metrics_interval) - ms_clock_exact_ms();
    return left > 0 ? now_us + left * 1000 : now_us;
}

static void fill_rates(const struct ms_monitor_sums *sums, double seconds, memstore_rates *out)
{
    const uint64_t *const counts = sums->counts;

    out->window_seconds = seconds;
    out->hits = (double)less(counts[MS_COUNT_READS], counts[MS_COUNT_MISSES]) / seconds;
    out->misses = (double)counts[MS_COUNT_MISSES] / seconds;
    out->sets = (double)counts[MS_COUNT_SETS] / seconds;
    out->deletes = (double)counts[MS_COUNT_DELETES] / seconds;
    out->evictions = (double)counts[MS_COUNT_EVICTIONS] / seconds;
    out->expirations = (double)counts[MS_COUNT_EXPIRATIONS] / seconds;
    out->rejected =
        (double)(counts[MS_COUNT_REJECTED_TOO_LARGE] + counts[MS_COUNT_REJECTED_INVALID_TTL] +
                 counts[MS_COUNT_REJECTED_FULL] + counts[MS_COUNT_REJECTED_MEMORY] +
                 counts[MS_COUNT_REJECTED_CONDITION] + counts[MS_COUNT_REJECTED_TIMEOUT]) /
        seconds;
    out->written_bytes = (double)counts[MS_COUNT_WRITTEN_BYTES] / seconds;
    out->moved_bytes = (double)counts[MS_COUNT_MOVED_BYTES] / seconds;
}

int ms_monitor_rates(memstore *store, memstore_rates *out)
{
    struct ms_monitor *monitor = &store->monitor;
    struct ms_monitor_sums sums;

    if (!ms_setting_of(&store->settings, enable_metrics))
        return MEMSTORE_ERR_UNSUPPORTED;
    ms_monitor_look(store);
    ms_mutex_lock(&monitor->lock);
    int64_t length = monitor->length_ms;
    sums = monitor->window;
    if (!monitor->has_window) {
        length = ms_clock_exact_ms() - ms_load_relaxed(&monitor->began_ms);
        sum_up(store, &sums);
    }
    out->memory_usage = monitor->memory_usage;
    out->alerts = monitor->alerts;
    out->alerts_raised = monitor->alerts_raised;
    ms_mutex_unlock(&monitor->lock);

    if (length > 0)
        fill_rates(&sums, (double)length / 1000, out);
    if (length > 0 && ms_setting_of(&store->settings, track_hit_rate))
        out->hit_rate = hit_rate_of(&sums);
    return MEMSTORE_OK;
}

void ms_monitor_forget_latencies(memstore *store)
{
    ms_mutex_lock(&store->monitor.lock);
    ms_latency_clear(&store->latency);
    store->monitor.base.measured = store->monitor.base.slow = 0;
    ms_mutex_unlock(&store->monitor.lock);
}
