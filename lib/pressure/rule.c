/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure/rule.h"

/* Hundredths of a percent. At a tenth of the time programs are slow for want of memory; a hundredth
 * is what is seen of the kernel's ordinary work. */
#define STALLS_SHORT 1000
#define STALLS_ENOUGH 100
/* The kernel takes its averages so often. */
#define STALLS_INTERVAL_MS 2000
/* How long memory has to be enough; doubled, up to the second, each time that a step up was too much. */
#define CALM_LEAST_MS 10000
#define CALM_MOST_MS 320000
/* Between two steps up: what was set free is used by then, if it is going to be. */
#define RAISE_INTERVAL_MS 2000

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* ---- What a reading says ---- */

/* Bytes that are to be had back; 0 = memory is not short. */
static uint64_t lacking(const struct ms_pressure_reading *reading, uint64_t step)
{
    if (reading->source == MS_PRESSURE_PSI)
        return reading->stalled >= STALLS_SHORT ? step : 0;
    const int64_t room = ms_pressure_room(reading);

    return room < 0 ? (uint64_t)-room : 0;
}

/* Whether a step up may be taken. */
static bool is_enough(const struct ms_pressure_reading *reading, uint64_t step)
{
    if (reading->outcome == MS_PRESSURE_UNBOUNDED)
        return true;
    if (reading->source == MS_PRESSURE_PSI)
        return reading->stalled <= STALLS_ENOUGH;
    const int64_t room = ms_pressure_room(reading);

    return room > 0 && (uint64_t)room >= ms_pressure_margin(reading->bound) + step;
}

/* ---- Down ---- */

/* Averages lag: as long as they go down, what was done before is still having its effect. */
static bool is_getting_better(struct ms_pressure_state *state,
                              const struct ms_pressure_reading *reading, int64_t now_ms)
{
    if (reading->source != MS_PRESSURE_PSI)
        return false;
    if (state->stalled != 0 && now_ms - state->judged_ms < STALLS_INTERVAL_MS)
        return true;
    const bool fewer = reading->stalled < state->stalled;

    state->stalled = reading->stalled;
    state->judged_ms = now_ms;
    return fewer;
}

static uint64_t lower(const struct ms_pressure_limits *limits, uint64_t bytes)
{
    const uint64_t from = limits->now < limits->charged ? limits->now : limits->charged;
    const uint64_t to = from > bytes ? from - bytes : 0;

    /* The floor may have risen above what the limit was lowered to. */
    return limits->floor < limits->now ? clamp(to, limits->floor, limits->now) : limits->now;
}

/* The last step up was too much: the next is to come later. */
static void note_short(struct ms_pressure_state *state, int64_t now_ms)
{
    if (state->raised_ms > state->short_ms && now_ms - state->raised_ms < 2 * state->calm_ms)
        state->calm_ms = (int64_t)clamp((uint64_t)state->calm_ms * 2, CALM_LEAST_MS, CALM_MOST_MS);
    state->short_ms = now_ms;
}

/* ---- Up ---- */

static bool may_rise(const struct ms_pressure_state *state, int64_t now_ms)
{
    return now_ms - state->short_ms >= state->calm_ms &&
           now_ms - state->changed_ms >= RAISE_INTERVAL_MS;
}

/* ---- Both ---- */

static void begin(struct ms_pressure_state *state, int64_t now_ms)
{
    if (state->has_begun)
        return;
    *state = (struct ms_pressure_state){.has_begun = true,
                                        .short_ms = now_ms,
                                        .changed_ms = now_ms,
                                        .raised_ms = now_ms,
                                        .calm_ms = CALM_LEAST_MS};
}

static uint64_t judge(struct ms_pressure_state *state, const struct ms_pressure_reading *reading,
                      const struct ms_pressure_limits *limits, int64_t now_ms)
{
    const uint64_t step = limits->configured / MS_PRESSURE_STEP_DIVISOR;
    const uint64_t bytes = lacking(reading, step);

    if (reading->outcome == MS_PRESSURE_READ && bytes != 0) {
        note_short(state, now_ms);
        if (is_getting_better(state, reading, now_ms))
            return limits->now;
        return lower(limits,
                     clamp(bytes, step, limits->configured / MS_PRESSURE_LARGEST_STEP_DIVISOR));
    }
    state->stalled = 0;
    if (limits->now >= limits->configured) {
        state->calm_ms = now_ms - state->short_ms >= CALM_MOST_MS ? CALM_LEAST_MS : state->calm_ms;
        return limits->now;
    }
    if (!is_enough(reading, step) || !may_rise(state, now_ms))
        return limits->now;
    return clamp(limits->now + step, limits->now, limits->configured);
}

uint64_t ms_pressure_judge(struct ms_pressure_state *state,
                           const struct ms_pressure_reading *reading,
                           const struct ms_pressure_limits *limits, int64_t now_ms)
{
    begin(state, now_ms);
    if (reading->outcome == MS_PRESSURE_UNKNOWN)
        return limits->now;
    const uint64_t next = judge(state, reading, limits, now_ms);

    if (next != limits->now)
        state->changed_ms = now_ms;
    if (next > limits->now)
        state->raised_ms = now_ms;
    return next;
}
