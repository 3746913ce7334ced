/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space/pressure_limit.h"

#include "store/space/resize.h"
#include "store/store.h"
#include "store/watch/store_log.h"

/* A program that takes a gigabyte in a second leaves time for one look at least before it has used
 * up the margin; and a look is some ten small files. */
#define LOOK_INTERVAL_MS 500
/* Somebody is changing a setting: after this it may be over. */
#define RESUME_MS 10

_Static_assert((int)MS_PRESSURE_CGROUP == (int)MS_MEMORY_PRESSURE_CGROUP &&
                   (int)MS_PRESSURE_PSI == (int)MS_MEMORY_PRESSURE_PSI,
               "the setting names the source");

/* ---- When ---- */

static bool is_time(memstore *store, int source)
{
    return ms_load_relaxed(&store->pressure_limit.watched) != source ||
           ms_clock_exact_ms() >= ms_load_relaxed(&store->pressure_limit.look_ms);
}

int64_t ms_pressure_limit_when(memstore *store, int64_t now_us)
{
    const int source = (int)ms_setting_of(&store->settings, memory_pressure);

    if (source == MS_MEMORY_PRESSURE_OFF)
        return INT64_MAX;
    if (is_time(store, source))
        return now_us;
    if (ms_load_relaxed(&store->pressure_limit.moving))
        return now_us + RESUME_MS * 1000;
    return now_us + (ms_load_relaxed(&store->pressure_limit.look_ms) - ms_clock_exact_ms()) * 1000;
}

/* ---- Limits. The settings lock is held ---- */

/* How far the limit may go down. */
static uint64_t floor_of(memstore *store, uint64_t configured)
{
    const uint64_t least = ms_store_least_limit(store);
    const uint64_t part = configured / MS_PRESSURE_FLOOR_DIVISOR;
    const uint64_t floor = part > least ? part : least;

    return floor < configured ? floor : configured;
}

uint64_t ms_pressure_limit_for(memstore *store, const struct ms_settings *next)
{
    const uint64_t now = ms_budget_limit(&store->arena.budget);

    if (next->memory_pressure == MS_MEMORY_PRESSURE_OFF || now >= store->settings.limit)
        return next->limit;
    const uint64_t floor = floor_of(store, next->limit);
    const uint64_t held = now > floor ? now : floor;
    return held < next->limit ? held : next->limit;
}

void ms_pressure_limit_give_up(memstore *store)
{
    ms_store_relaxed(&store->pressure_limit.moving, false);
}

void ms_pressure_limit_switched(memstore *store)
{
    ms_store_relaxed(&store->pressure_limit.watched, MS_MEMORY_PRESSURE_OFF);
}

/* ---- Changes. The settings lock is held ---- */

static void begin_change(memstore *store, const struct ms_pressure_reading *reading)
{
    struct ms_pressure_limit *pressure = &store->pressure_limit;
    const uint64_t configured = store->settings.limit;
    const struct ms_pressure_limits limits = {.configured = configured,
                                              .floor = floor_of(store, configured),
                                              .now = ms_budget_limit(&store->arena.budget),
                                              .charged = ms_budget_charged(&store->arena.budget)};

    pressure->before = limits.now;
    pressure->descent = (struct ms_descent){0};
    pressure->target = ms_pressure_judge(&pressure->state, reading, &limits, ms_clock_exact_ms());
    ms_store_relaxed(&pressure->moving, pressure->target != pressure->before);
}

/* It is over, at the target or before. */
static void end_change(memstore *store)
{
    struct ms_pressure_limit *pressure = &store->pressure_limit;
    const uint64_t now = ms_budget_limit(&store->arena.budget);

    ms_store_relaxed(&pressure->moving, false);
    if (now == pressure->before)
        return;
    ms_count(&store->counters,
             now < pressure->before ? MS_COUNT_LIMIT_LOWERED : MS_COUNT_LIMIT_RAISED, 1);
    ms_track_resize(store);
    ms_store_relaxed(&store->limit_told, false);
    ms_tell_limit_moved(store, pressure->before);
}

/* Go on with what was begun. False when there is more to do at once. */
static bool move(memstore *store, int64_t until_us)
{
    const enum ms_resize_end end = ms_store_resize_some(store, store->pressure_limit.target,
                                                        &store->pressure_limit.descent, until_us);

    if (end != MS_RESIZE_LATER)
        end_change(store);
    return end != MS_RESIZE_LATER;
}

/* ---- Looks. `busy` is set ---- */

/* What is said of readings, once until it changes. */
static void tell_reading(memstore *store, const struct ms_pressure_reading *reading)
{
    static const char watched[] = "", unbounded[] = "no group up the hierarchy has a limit";
    struct ms_pressure_limit *pressure = &store->pressure_limit;
    const char *const text = reading->outcome == MS_PRESSURE_READ        ? watched
                             : reading->outcome == MS_PRESSURE_UNBOUNDED ? unbounded
                                                                         : reading->why;

    if (pressure->told == text)
        return;
    pressure->told = text;
    if (text == watched)
        ms_tell_pressure_watched(store, pressure->sensor.file);
    else
        ms_tell_pressure_unknown(store, pressure->sensor.file, text);
}

static struct ms_pressure_reading look(memstore *store, int source)
{
    struct ms_pressure_limit *pressure = &store->pressure_limit;

    if (ms_load_relaxed(&pressure->watched) != source) {
        pressure->told = NULL;
        pressure->state.has_begun = false;
        ms_store_relaxed(&pressure->watched, source);
    }
    ms_store_relaxed(&pressure->look_ms, ms_clock_exact_ms() + LOOK_INTERVAL_MS);
    const struct ms_pressure_reading reading =
        ms_pressure_read(&pressure->sensor, (enum ms_pressure_source)source);
    tell_reading(store, &reading);
    return reading;
}

/* Look if it is time, and go on. */
static bool run(memstore *store, int source, int64_t until_us)
{
    struct ms_pressure_limit *pressure = &store->pressure_limit;
    struct ms_pressure_reading reading = {.outcome = MS_PRESSURE_UNKNOWN};
    const bool looks = is_time(store, source);
    bool done = true;

    if (!looks && !ms_load_relaxed(&pressure->moving))
        return true;
    if (looks)
        reading = look(store, source);
    if (!ms_mutex_try_lock(&store->settings_lock)) {
        ms_store_relaxed(&pressure->look_ms, ms_clock_exact_ms() + RESUME_MS);
        return true;
    }
    /* It may have been changed meanwhile. */
    if ((int)ms_setting_of(&store->settings, memory_pressure) == source) {
        if (looks && !ms_load_relaxed(&pressure->moving))
            begin_change(store, &reading);
        if (ms_load_relaxed(&pressure->moving))
            done = move(store, until_us);
    }
    ms_mutex_unlock(&store->settings_lock);
    return done;
}

bool ms_pressure_limit_run(memstore *store, int64_t until_us)
{
    const int source = (int)ms_setting_of(&store->settings, memory_pressure);
    bool idle = false;

    if (ms_likely(source == MS_MEMORY_PRESSURE_OFF) ||
        !ms_cas_acq_rel(&store->pressure_limit.busy, &idle, true))
        return true;
    const bool done = run(store, source, until_us);
    ms_store_release(&store->pressure_limit.busy, false);
    return done;
}

/* ---- Ends ---- */

void ms_pressure_limit_close(memstore *store)
{
    ms_pressure_forget(&store->pressure_limit.sensor);
}

void ms_pressure_limit_forget_parent(memstore *store)
{
    struct ms_pressure_limit *pressure = &store->pressure_limit;

    /* What somebody was looking up in the middle of it is lost. */
    if (ms_load_relaxed(&pressure->busy))
        pressure->sensor = (struct ms_pressure_sensor){.file = ""};
    ms_store_relaxed(&pressure->busy, false);
}
