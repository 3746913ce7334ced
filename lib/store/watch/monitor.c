/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/monitor.h"

#include "config/settings.h"
#include "store/store.h"
#include "store/watch/notify.h"
#include "store/watch/report.h"
#include "store/watch/store_log.h"

#include <string.h>

/* Shares of fewer than these say little: as many windows are judged together as it takes. */
#define READS_FOR_AN_ALERT 100
#define WRITES_FOR_AN_ALERT 100
#define LOADS_FOR_AN_ALERT 10
/* Of the calls measured: more that are slow raise an alert. */
#define SLOW_SHARE 0.01

#define MILLIONTHS 1e6

void ms_monitor_init(struct ms_monitor *monitor, bool is_on)
{
    *monitor = (struct ms_monitor){.is_on = is_on};
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

static double share_of(uint64_t part, uint64_t all)
{
    return part == 0 ? 0 : part < all ? (double)part / (double)all : 1;
}

static uint64_t hits_of(const struct ms_monitor_sums *sums)
{
    return less(sums->counts[MS_COUNT_READS], sums->counts[MS_COUNT_MISSES]);
}

static double hit_rate_of(const struct ms_monitor_sums *sums)
{
    return share_of(hits_of(sums), sums->counts[MS_COUNT_READS]);
}

/* Shares of the limit. */
struct shares {
    double used, pinned;
};

/* Whatever performance.enable_memory_stats says: what is charged and free is not in use. */
static struct shares shares_of(memstore *store)
{
    memstore_memory_stats memory = {0};

    if (!ms_setting_of(&store->settings, track_memory_usage))
        return (struct shares){0};
    ms_store_measure_memory(store, &memory);
    const double limit = memory.limit != 0 ? (double)memory.limit : 1;
    return (struct shares){(double)less(memory.charged, memory.free + memory.dead) / limit,
                           (double)memory.pinned / limit};
}

/* Writes of entries that got as far as looking for memory. */
static uint64_t writes_of(const struct ms_monitor_sums *sums)
{
    return sums->counts[MS_COUNT_SETS] + ms_counts_from_to(sums->counts, MS_COUNT_REJECTED_FULL,
                                                           MS_COUNT_REJECTED_SHARD_OVERFLOW);
}

/* Of more than all: writes that are not over yet, or that a condition refused, are among the former alone. */
static double reclaim_pressure_of(const struct ms_monitor_sums *sums)
{
    return share_of(sums->counts[MS_COUNT_ROOM_MADE], writes_of(sums));
}

static uint64_t loads_of(const struct ms_monitor_sums *sums)
{
    return sums->counts[MS_COUNT_LOADS] + sums->counts[MS_COUNT_ABSENT_LOADED] +
           sums->counts[MS_COUNT_LOAD_FAILURES];
}

static double load_failures_of(const struct ms_monitor_sums *sums)
{
    return share_of(sums->counts[MS_COUNT_LOAD_FAILURES], loads_of(sums));
}

/* ---- Alerts. The monitor's lock is held ---- */

/* What a window says about one of them. */
struct verdict {
    double value, threshold;
    bool raise, clear;
};

const char *ms_monitor_alert_name(uint64_t alert)
{
    switch (alert) {
    case MEMSTORE_ALERT_HIT_RATE:
        return "hit_rate";
    case MEMSTORE_ALERT_MEMORY_USAGE:
        return "memory_usage";
    case MEMSTORE_ALERT_LATENCY:
        return "latency";
    case MEMSTORE_ALERT_RECLAIM_PRESSURE:
        return "reclaim_pressure";
    case MEMSTORE_ALERT_LOAD_FAILURES:
        return "load_failures";
    case MEMSTORE_ALERT_PINNED:
        return "pinned";
    case MEMSTORE_ALERT_BREAKER:
        return "breaker";
    default:
        return NULL;
    }
}

/* The share from which on it is raised; 0 = it is off. Of slow calls the setting is a time. */
static double threshold_of(const memstore *store, uint64_t alert)
{
    const struct ms_settings *settings = &store->settings;
    const bool tracks_memory = ms_setting_of(settings, track_memory_usage);

    switch (alert) {
    case MEMSTORE_ALERT_HIT_RATE:
        return ms_setting_of(settings, track_hit_rate)
                   ? ms_setting_of(settings, hit_rate_threshold) / MILLIONTHS
                   : 0;
    case MEMSTORE_ALERT_MEMORY_USAGE:
        return tracks_memory ? ms_setting_of(settings, memory_usage_threshold) / MILLIONTHS : 0;
    case MEMSTORE_ALERT_LATENCY:
        return ms_setting_of(settings, latency_threshold) != 0 ? SLOW_SHARE : 0;
    case MEMSTORE_ALERT_RECLAIM_PRESSURE:
        return ms_setting_of(settings, reclaim_pressure_threshold) / MILLIONTHS;
    case MEMSTORE_ALERT_LOAD_FAILURES:
        return ms_setting_of(settings, load_failure_threshold) / MILLIONTHS;
    case MEMSTORE_ALERT_PINNED:
        return tracks_memory ? ms_setting_of(settings, pinned_threshold) / MILLIONTHS : 0;
    default:
        return 0;
    }
}

/* Told under the lock, so that raising and clearing come in order: what that takes are the events' lock
 * and the log's, which nobody holds for long. */

/* An alert is raised that was not, or cleared. */
static void switch_alert(memstore *store, const struct ms_alert_note *note)
{
    store->monitor.alerts ^= note->alert;
    store->monitor.alerts_raised += note->raised;
    ms_tell_alert(store, note);
}

static void set_alert(memstore *store, enum memstore_alert alert, const struct verdict *verdict)
{
    const bool raised = (store->monitor.alerts & alert) != 0;

    if (raised ? verdict->raise || !verdict->clear : !verdict->raise)
        return;
    const struct ms_alert_note note = {alert, verdict->raise, verdict->value, verdict->threshold};
    ms_notify_alert(store, &note);
    switch_alert(store, &note);
}

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

/* A window's part of all, with those of the windows before it that were too few to say anything. */
static struct ms_monitor_part gather(struct ms_monitor_part *few, uint64_t part, uint64_t all,
                                     uint64_t enough)
{
    const struct ms_monitor_part whole = {few->part + part, few->all + all};

    *few = whole.all < enough ? whole : (struct ms_monitor_part){0};
    return whole;
}

/* Too much of something. `telling`: there is enough to say anything. */
static void judge_above(memstore *store, enum memstore_alert alert, double value, bool telling)
{
    const double threshold = threshold_of(store, alert);
    const double hysteresis = ms_setting_of(&store->settings, alert_hysteresis) / MILLIONTHS;
    const double back = threshold - lesser(hysteresis, threshold / 2);
    const struct verdict verdict = {
        value, threshold, threshold != 0 && telling && value > threshold, telling && value <= back};

    set_alert(store, alert, &verdict);
}

/* Too few hits. Of what is missing to a perfect rate no more than half is asked for, either. */
static void judge_hit_rate(memstore *store)
{
    const struct ms_monitor_sums *window = &store->monitor.window;
    const struct ms_monitor_part hits = gather(&store->monitor.few_hits, hits_of(window),
                                               window->counts[MS_COUNT_READS], READS_FOR_AN_ALERT);
    const double threshold = threshold_of(store, MEMSTORE_ALERT_HIT_RATE);
    const double hysteresis = ms_setting_of(&store->settings, alert_hysteresis) / MILLIONTHS;
    const double back = threshold + lesser(hysteresis, lesser(threshold, 1 - threshold) / 2);
    const double rate = share_of(hits.part, hits.all);
    const bool telling = hits.all >= READS_FOR_AN_ALERT;
    const struct verdict verdict = {rate, threshold, telling && rate < threshold,
                                    telling && rate >= back};

    set_alert(store, MEMSTORE_ALERT_HIT_RATE, &verdict);
}

/* One call in a hundred may be slow, and one in two hundred is back. */
static void judge_latency(memstore *store)
{
    const uint64_t measured = store->monitor.window.measured, slow = store->monitor.window.slow;
    const double threshold = threshold_of(store, MEMSTORE_ALERT_LATENCY);
    const struct verdict verdict = {share_of(slow, measured), threshold,
                                    threshold != 0 && slow * 100 > measured,
                                    measured != 0 && slow * 200 <= measured};

    set_alert(store, MEMSTORE_ALERT_LATENCY, &verdict);
}

/* What is not judged any more is over, and nothing is if no windows are kept. */
static void clear_alerts(memstore *store, bool all)
{
    static const struct verdict off = {.clear = true};

    for (uint64_t alert = 1; ms_monitor_alert_name(alert) != NULL; alert <<= 1) {
        if (alert != MEMSTORE_ALERT_BREAKER && (all || threshold_of(store, alert) == 0))
            set_alert(store, (enum memstore_alert)alert, &off);
    }
}

static uint32_t open_breakers(memstore *store)
{
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);

    return ms_breakers_sum_up(&store->breakers, &rule, ms_clock_exact_ms()).open;
}

/* For when `loader.breaker_failures` was changed, or nobody asks for what is open: else changes are told
 * as they come. */
static void judge_breakers(memstore *store)
{
    const uint32_t open = open_breakers(store);
    const struct verdict verdict = {open != 0, 0, open != 0, open == 0};

    set_alert(store, MEMSTORE_ALERT_BREAKER, &verdict);
}

static void judge(memstore *store)
{
    struct ms_monitor *monitor = &store->monitor;
    const struct ms_monitor_sums *window = &monitor->window;
    const struct ms_monitor_part reclaimed =
        gather(&monitor->few_reclaimed, window->counts[MS_COUNT_ROOM_MADE], writes_of(window),
               WRITES_FOR_AN_ALERT);
    const struct ms_monitor_part failed =
        gather(&monitor->few_failed, window->counts[MS_COUNT_LOAD_FAILURES], loads_of(window),
               LOADS_FOR_AN_ALERT);

    judge_hit_rate(store);
    judge_latency(store);
    judge_above(store, MEMSTORE_ALERT_MEMORY_USAGE, monitor->memory_usage, true);
    judge_above(store, MEMSTORE_ALERT_PINNED, monitor->pinned, true);
    judge_above(store, MEMSTORE_ALERT_RECLAIM_PRESSURE, share_of(reclaimed.part, reclaimed.all),
                reclaimed.all >= WRITES_FOR_AN_ALERT);
    judge_above(store, MEMSTORE_ALERT_LOAD_FAILURES, share_of(failed.part, failed.all),
                failed.all >= LOADS_FOR_AN_ALERT);
    judge_breakers(store);
}

/* How open a breaker is that has changed so. */
static double openness_after(enum ms_breaker_change change)
{
    return change == MS_BREAKER_CLOSES ? 0 : change == MS_BREAKER_HALF_OPENS ? 0.5 : 1;
}

static void tell_breaker_locked(memstore *store, enum ms_breaker_change change, uint32_t open)
{
    const bool was_raised = (store->monitor.alerts & MEMSTORE_ALERT_BREAKER) != 0;
    const bool raised = open != 0;
    const struct ms_alert_note note = {MEMSTORE_ALERT_BREAKER, raised, openness_after(change), 0};

    ms_tell_breaker(store, change, open);
    ms_notify_alert(store, &note);
    if (raised != was_raised)
        switch_alert(store, &note);
}

/* Of two who come at once the one whose change the other has overtaken tells nothing. */
void ms_monitor_breaker(memstore *store, uint64_t loader, enum ms_breaker_change change)
{
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);
    struct ms_breakers_sum sum;

    if (change == MS_BREAKER_STAYS || ms_store_is_closed(store))
        return;
    ms_mutex_lock(&store->monitor.lock);
    if (ms_breakers_stand(&store->breakers, loader, change, &rule, ms_clock_exact_ms(), &sum))
        tell_breaker_locked(store, change, sum.open);
    ms_mutex_unlock(&store->monitor.lock);
}

/* ---- Windows ---- */

static bool is_over(memstore *store, int64_t now)
{
    return now - ms_load_relaxed(&store->monitor.began_ms) >=
           ms_setting_of(&store->settings, metrics_interval);
}

/* Nobody has looked since they were switched off: the next window has nothing of that time. */
static void begin_windows_locked(memstore *store)
{
    struct ms_monitor *monitor = &store->monitor;

    sum_up(store, &monitor->base);
    monitor->has_window = false;
    monitor->few_hits = monitor->few_reclaimed = monitor->few_failed = (struct ms_monitor_part){0};
    monitor->memory_usage = monitor->pinned = 0;
    ms_store_relaxed(&monitor->began_ms, ms_clock_exact_ms());
}

static void end_window_locked(memstore *store, int64_t now, const struct shares *shares)
{
    struct ms_monitor *monitor = &store->monitor;
    struct ms_monitor_sums sums;

    sum_up(store, &sums);
    monitor->window = sums;
    subtract(&monitor->window, &monitor->base);
    monitor->base = sums;
    monitor->length_ms = now - ms_load_relaxed(&monitor->began_ms);
    monitor->memory_usage = shares->used;
    monitor->pinned = shares->pinned;
    monitor->has_window = true;
    ms_store_relaxed(&monitor->began_ms, now);
    judge(store);
}

void ms_monitor_look(memstore *store)
{
    const int64_t now = ms_clock_exact_ms();

    if (!ms_setting_of(&store->settings, enable_metrics) || !is_over(store, now))
        return;
    const struct shares shares = shares_of(store);
    ms_mutex_lock(&store->monitor.lock);
    if (is_over(store, now) && store->monitor.is_on)
        end_window_locked(store, now, &shares);
    ms_mutex_unlock(&store->monitor.lock);
}

void ms_monitor_reconfigured(memstore *store)
{
    struct ms_monitor *monitor = &store->monitor;
    const bool is_on = ms_setting_of(&store->settings, enable_metrics);

    ms_mutex_lock(&monitor->lock);
    clear_alerts(store, !is_on);
    if (is_on && !monitor->is_on)
        begin_windows_locked(store);
    monitor->is_on = is_on;
    judge_breakers(store);
    ms_mutex_unlock(&monitor->lock);
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
    out->rejected = (double)ms_counts_from_to(counts, MS_COUNT_REJECTED_TOO_LARGE,
                                              MS_COUNT_REJECTED_NOT_A_NUMBER) /
                    seconds;
    out->written_bytes = (double)counts[MS_COUNT_WRITTEN_BYTES] / seconds;
    out->moved_bytes = (double)counts[MS_COUNT_MOVED_BYTES] / seconds;
    out->updates = (double)counts[MS_COUNT_UPDATES] / seconds;
    out->loads = (double)counts[MS_COUNT_LOADS] / seconds;
    out->load_failures = (double)counts[MS_COUNT_LOAD_FAILURES] / seconds;
    out->stale_served = (double)counts[MS_COUNT_STALE_SERVED] / seconds;
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
        subtract(&sums, &monitor->base);
    }
    out->memory_usage = monitor->memory_usage;
    out->pinned = monitor->pinned;
    out->alerts = monitor->alerts;
    out->alerts_raised = monitor->alerts_raised;
    ms_mutex_unlock(&monitor->lock);

    if (length > 0)
        fill_rates(&sums, (double)length / 1000, out);
    if (length > 0 && ms_setting_of(&store->settings, track_hit_rate))
        out->hit_rate = hit_rate_of(&sums);
    out->reclaim_pressure = reclaim_pressure_of(&sums);
    out->load_failure_rate = load_failures_of(&sums);
    return MEMSTORE_OK;
}

void ms_monitor_forget_latencies(memstore *store)
{
    ms_mutex_lock(&store->monitor.lock);
    ms_latency_clear(&store->latency);
    store->monitor.base.measured = store->monitor.base.slow = 0;
    ms_mutex_unlock(&store->monitor.lock);
}
