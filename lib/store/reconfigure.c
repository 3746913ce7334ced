/* SPDX-License-Identifier: Apache-2.0 */
/* Changing settings of a running store.
 *
 * Most take effect by being read: whoever needs a setting loads it when it needs it. The memory
 * limit is brought about (resize.c), and what sleeps until a moment that a setting had a part in
 * is woken. The queue of asynchronous writes is judged anew. */
#include "store/reconfigure.h"

#include "store/maintenance.h"
#include "store/space/resize.h"
#include "store/store.h"
#include "store/watch/notify.h"

#include <stdio.h>

bool ms_store_begin_reconfiguration(memstore *store, struct ms_settings *now)
{
    if (!ms_mutex_lock_until(&store->settings_lock, ms_wait_deadline(MS_WAIT_UNBOUNDED)))
        return false;
    *now = store->settings;
    return true;
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

/* Whether entries know their age where a setting goes by it. */
static bool knows_ages(const memstore *store, const struct ms_settings *next, size_t *refused,
                       char why[static MS_WHY_SIZE])
{
    const char *const key = next->life_window != 0 ? "life_window" : "loader.refresh_after";

    if ((next->life_window == 0 && next->load_refresh_after == 0) || store->keeps_created)
        return true;
    *refused = next->life_window != 0 ? offsetof(struct ms_settings, life_window)
                                      : offsetof(struct ms_settings, load_refresh_after);
    snprintf(why, MS_WHY_SIZE,
             "entries do not keep their creation time in this store; open it with a %s or with "
             "ttl.store_creation_time",
             key);
    return false;
}

/* A limit and following a share of the keys, brought about together. */
struct memory_change {
    const struct ms_settings *next;
    uint64_t before, limit;
    bool raises; /* or stops one on its way down */
    bool samples_anew;
};

/* Whether what follows the keys of a store of this size stands in the way of a lower limit. */
static bool has_too_large_a_sample(memstore *store, uint64_t limit)
{
    const uint64_t least = ms_store_least_limit(store);

    return limit < least && limit >= least - ms_track_charged(store);
}

/* What takes memory or gives it back, and may be refused. */
static struct memory_change plan_memory(memstore *store, const struct ms_settings *next)
{
    const struct ms_settings *const now = &store->settings;
    const uint64_t before = ms_budget_limit(&store->arena.budget);
    struct memory_change change = {next, before, before, false,
                                   next->access_sample != now->access_sample};

    if (next->limit != now->limit || next->memory_pressure != now->memory_pressure) {
        const bool moving = ms_load_relaxed(&store->pressure_limit.moving);

        change.limit = ms_pressure_limit_for(store, next);
        change.raises = change.limit > before || (change.limit == before && moving);
        change.samples_anew |=
            next->access_sample != 0 && has_too_large_a_sample(store, change.limit);
    }
    return change;
}

/* Bring about a higher limit. What events are to have of it nobody else gets first. */
static int raise_limit(memstore *store, const struct memory_change *change,
                       char why[static MS_WHY_SIZE])
{
    const uint64_t more = change->limit - change->before;
    const uint64_t lacks = ms_notify_lacks(store, change->next);
    const uint64_t taken = lacks < more ? lacks : more;
    const int status = ms_store_raise(store, change->limit, taken, why);

    if (status == MEMSTORE_OK && taken != 0)
        ms_notify_grant(store, change->next, taken);
    return status;
}

/* Bring about a lower limit, the one configured or what memory pressure leaves of it, with so much of the
 * old one in use that is given back next. What is set aside for events is part of what has to go below it. */
static int lower_limit(memstore *store, const struct memory_change *change, uint64_t parting,
                       char why[static MS_WHY_SIZE])
{
    const struct ms_settings *const next = change->next;
    const bool less = ms_notify_allowance(next) < ms_notify_allowance(&store->settings);

    if (less)
        ms_events_allow(&store->events, ms_notify_allowance(next));
    return ms_store_lower(store, change->limit, parting, why);
}

/* Set aside what following keys and events are to take: all of it, or nothing. */
static int gather(memstore *store, const struct memory_change *change, struct ms_sampler **sampler,
                  size_t *refused, char why[static MS_WHY_SIZE])
{
    const struct ms_settings *const next = change->next;

    *sampler = NULL;
    if (change->samples_anew &&
        !ms_track_prepare(store, change->limit, next->access_sample, sampler)) {
        *refused = offsetof(struct ms_settings, access_sample);
        snprintf(
            why, MS_WHY_SIZE,
            "performance.memory_limit has no room for what monitoring.access_sample_ratio needs");
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    const int status = ms_notify_raise(store, next, why);
    if (status != MEMSTORE_OK) {
        *refused = offsetof(struct ms_settings, event_memory);
        ms_track_discard(store, *sampler);
    }
    return status;
}

/* A higher limit first, and a lower one when what keys and events need is there, with what keys needed
 * until now still in use: each where there is room for the other. */
static int change_memory(memstore *store, const struct memory_change *change, size_t *refused,
                         char why[static MS_WHY_SIZE])
{
    struct ms_sampler *sampler;
    int status = MEMSTORE_OK;

    *refused = offsetof(struct ms_settings, memory_limit);
    if (change->raises)
        status = raise_limit(store, change, why);
    if (status != MEMSTORE_OK)
        return status;
    status = gather(store, change, &sampler, refused, why);
    if (status != MEMSTORE_OK) {
        /* In this order: nobody takes what events give back. */
        if (change->raises)
            ms_store_put_limit_back(store, change->before);
        ms_notify_take_back(store);
        return status;
    }
    if (change->limit < change->before)
        status =
            lower_limit(store, change, change->samples_anew ? ms_track_charged(store) : 0, why);
    if (status != MEMSTORE_OK) {
        ms_track_discard(store, sampler);
        ms_notify_reconfigured(store, &store->settings);
    } else if (change->samples_anew) {
        ms_track_start(store, sampler, change->next->access_sample);
    }
    return status;
}

/* Whether what is set aside for events, now or when somebody subscribes, leaves a store of the limit. */
static int check_events(const memstore *store, const struct ms_settings *next, size_t *refused,
                        char why[static MS_WHY_SIZE])
{
    const struct ms_settings *const now = &store->settings;
    /* One that is too large for a lower limit is replaced along with it. */
    const uint64_t sample = next->access_sample != 0 ? ms_track_charge_at(next->limit) : 0;

    *refused = next->event_memory != now->event_memory ? offsetof(struct ms_settings, event_memory)
                                                       : offsetof(struct ms_settings, memory_limit);
    if (next->event_memory == 0 ||
        (next->event_memory <= now->event_memory && next->limit >= now->limit))
        return MEMSTORE_OK;
    return ms_store_check_least(
        next->limit, ms_arena_least_limit(&store->arena) + sample + next->event_memory, why);
}

static int reconfigure_memory(memstore *store, const struct ms_settings *next, size_t *refused,
                              char why[static MS_WHY_SIZE])
{
    int status = check_events(store, next, refused, why);

    if (status != MEMSTORE_OK)
        return status;
    *refused = offsetof(struct ms_settings, memory_limit);
    if (ms_store_check_limit(store, next->limit, why) != MEMSTORE_OK)
        return MEMSTORE_ERR_UNSUPPORTED;
    const struct memory_change change = plan_memory(store, next);
    status = change_memory(store, &change, refused, why);
    if (status == MEMSTORE_OK && change.limit < change.before)
        ms_store_settle_limit(store);
    if (status == MEMSTORE_OK && (change.raises || change.limit != change.before)) {
        ms_pressure_limit_give_up(store);
        ms_track_resize(store);
        ms_store_relaxed(&store->limit_told, false);
    }
    return status;
}

int ms_store_reconfigure(memstore *store, const struct ms_settings *next,
                         const struct ms_setting_change *changes, size_t count, size_t *refused,
                         char why[static MS_WHY_SIZE])
{
    const bool pressure_switched = next->memory_pressure != store->settings.memory_pressure;

    if (!knows_ages(store, next, refused, why))
        return MEMSTORE_ERR_UNSUPPORTED;
    const int status = reconfigure_memory(store, next, refused, why);
    if (status != MEMSTORE_OK)
        return status;
    ms_settings_put(&store->settings, offsetof(struct ms_settings, limit), sizeof next->limit,
                    next->limit);
    for (size_t i = 0; i < count; i++)
        ms_settings_put(&store->settings, changes[i].offset, changes[i].size, changes[i].value);
    if (pressure_switched)
        ms_pressure_limit_switched(store);
    ms_log_set_level(&store->log, next->logger_enabled, next->verbose);
    ms_due_set_slack(&store->due, ms_store_sweep_slack(next));
    ms_combiner_retune(store);
    ms_flights_forget_absences(&store->flights, next->load_max_absent, UINT64_MAX);
    if (ms_notify_allowance(next) != store->events.allowance)
        ms_notify_reconfigured(store, next);
    ms_monitor_reconfigured(store);
    ms_maintenance_wake(store);
    return MEMSTORE_OK;
}
