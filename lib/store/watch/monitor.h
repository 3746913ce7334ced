/* SPDX-License-Identifier: Apache-2.0 */
/* What went on in the store, by windows of monitoring.metrics_interval, and what is over its
 * threshold.
 *
 * A window ends when somebody looks and its time is over: the maintenance thread, which plans for
 * it, memstore_maintain(), or who asks for the rates. An alert is raised by a whole window over a
 * threshold, and cleared by one that is clearly back. Windows with few reads, writes or loads are judged
 * together, once these are enough to tell a share by. */
#ifndef MS_STORE_WATCH_MONITOR_H
#define MS_STORE_WATCH_MONITOR_H

#include "loader/breaker.h"
#include "stats/counters.h"

#include <memstore/memstore.h>
#include <memstore/stats.h>

/* What had been counted at a moment. */
struct ms_monitor_sums {
    uint64_t counts[MS_COUNTERS];
    uint64_t measured, slow;
};

struct ms_monitor_part {
    uint64_t part, all;
};

struct ms_monitor {
    ms_mutex lock;
    atomic_int_least64_t began_ms; /* the window that is open; written under the lock */
    struct ms_monitor_sums base;   /* when it began */
    bool is_on;                    /* it has begun */
    bool has_window;               /* one has ended: */
    int64_t length_ms;
    struct ms_monitor_sums window; /* what was counted in it */
    double memory_usage, pinned;   /* at its end */
    /* Since the window that was judged by last: hits of reads, writes that reclaimed, loads that failed. */
    struct ms_monitor_part few_hits, few_reclaimed, few_failed;
    uint64_t alerts, alerts_raised;
};

/* `is_on`: windows are kept from now on. */
void ms_monitor_init(struct ms_monitor *monitor, bool is_on);
void ms_monitor_fini(struct ms_monitor *monitor);

/* End the window if its time is over. No lock held that is not below the pool's. */
void ms_monitor_look(memstore *store);
/* `monitoring.enable_metrics` or a threshold may have been switched off: what is raised for it is cleared. Or on: a
 * window begins. In any case what breakers have raised goes by `loader.breaker_failures` as it is now. The same. */
void ms_monitor_reconfigured(memstore *store);
/* When the window ends, in ms_clock_real_us(); INT64_MAX when none is kept. */
int64_t ms_monitor_when(memstore *store, int64_t now_us);
/* A loader's breaker has changed: told in the log and to subscribers, and the alert raised or cleared, unless it has
 * changed again since. No lock held. */
void ms_monitor_breaker(memstore *store, uint64_t loader, enum ms_breaker_change change);
/* What an alert is called; NULL = there is none. */
const char *ms_monitor_alert_name(uint64_t alert);
/* OK, or UNSUPPORTED when no windows are kept. */
int ms_monitor_rates(memstore *store, memstore_rates *out);
/* What was measured is forgotten: the window goes on from here, as if nothing had been measured. */
void ms_monitor_forget_latencies(memstore *store);

#endif
