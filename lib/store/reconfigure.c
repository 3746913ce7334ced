/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the settings of a running store, one at a time.
 *
 * Most take effect by being read: whoever needs a setting loads it when it needs it. The memory
 * limit is brought about (resize.c), and what sleeps until a moment that a setting had a part in
 * is woken. The queue of asynchronous writes is judged anew. */
#include "store/notify.h"
#include "store/store.h"

#include <stdio.h>

void ms_store_begin_reconfiguration(memstore *store, struct ms_settings *now)
{
    ms_mutex_lock(&store->settings_lock);
    *now = store->settings;
}

void ms_store_end_reconfiguration(memstore *store)
{
    ms_mutex_unlock(&store->settings_lock);
}

int64_t ms_store_sweep_slack(const struct ms_settings *settings)
{
    int64_t slack = settings->cleanup_interval;

    if (settings->life_window != 0 && settings->clean_window != 0 &&
        (slack == 0 || settings->clean_window < slack))
        slack = settings->clean_window;
    return slack;
}

/* Bring about another limit: the one configured, or what memory pressure leaves of it. What is set
 * aside for events is part of what has to go below it. */
static int resize(memstore *store, const struct ms_settings *next, char why[static MS_WHY_SIZE])
{
    const bool less = ms_notify_allowance(next) < ms_notify_allowance(&store->settings);

    if (ms_store_check_limit(store, next->limit, why) != MEMSTORE_OK)
        return MEMSTORE_ERR_UNSUPPORTED;
    const bool moving = ms_load_relaxed(&store->guard.moving);
    const uint64_t limit = ms_guard_limit(store, next);
    if (!moving && limit == ms_budget_limit(&store->arena.budget))
        return MEMSTORE_OK;
    if (less)
        ms_events_allow(&store->events, ms_notify_allowance(next));
    const int status = ms_store_resize(store, limit, why);
    if (status != MEMSTORE_OK && less)
        ms_notify_reconfigured(store, &store->settings);
    return status;
}

int ms_store_reconfigure(memstore *store, const struct ms_settings *next,
                         const struct ms_setting_change *change, char why[static MS_WHY_SIZE])
{
    if (next->life_window != 0 && !store->keeps_created) {
        snprintf(why, MS_WHY_SIZE,
                 "entries do not keep their creation time in this store; open it with a "
                 "life_window or with ttl.store_creation_time");
        return MEMSTORE_ERR_UNSUPPORTED;
    }
    if (next->load_refresh_after != 0 && !store->keeps_created) {
        snprintf(why, MS_WHY_SIZE,
                 "entries do not keep their creation time in this store; open it with a "
                 "loader.refresh_after or with ttl.store_creation_time");
        return MEMSTORE_ERR_UNSUPPORTED;
    }
    if (next->limit != store->settings.limit ||
        next->memory_pressure != store->settings.memory_pressure) {
        const int status = resize(store, next, why);
        if (status != MEMSTORE_OK)
            return status;
        ms_track_resize(store);
        ms_store_relaxed(&store->limit_told, false);
    }
    if (next->access_sample != store->settings.access_sample &&
        ms_track_start(store, next->access_sample) != MEMSTORE_OK) {
        snprintf(why, MS_WHY_SIZE, "performance.memory_limit has no room for what it needs");
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    ms_settings_put(&store->settings, offsetof(struct ms_settings, limit), sizeof next->limit,
                    next->limit);
    ms_settings_put(&store->settings, change->offset, change->size, change->value);
    ms_log_set_level(&store->log, next->logger_enabled, next->verbose);
    ms_due_set_slack(&store->due, ms_store_sweep_slack(next));
    ms_combiner_retune(store);
    if (ms_notify_allowance(next) != store->events.allowance)
        ms_notify_reconfigured(store, next);
    ms_maintenance_wake(store);
    return MEMSTORE_OK;
}
