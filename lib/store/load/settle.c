/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a loaded value: stored, unless it was overtaken, and given to those who asked. */
#include "store/load/load.h"
#include "store/read/view.h"
#include "store/write/ttl.h"
#include "store/write/write.h"

#include "loader/kept.h"
#include "store/watch/store_log.h"
#include "store/write/writing.h"

/* That a longer key does not exist is not remembered, so that `loader.max_absent` bounds memory. */
#define ABSENT_KEY_MAX 1024

void ms_load_drop(struct ms_flight *flight)
{
    memstore_view left;

    ms_flight_drop(flight, &left);
    ms_view_give_back(&left);
}

int ms_load_keep(memstore *store, const memstore_load_value *value, int status, memstore_view *out)
{
    const uint64_t most = ms_setting_of(&store->settings, load_bypass_limit);
    struct ms_life life;

    if (!ms_load_bypasses(store) ||
        !ms_kept_make(&store->flights.kept_bytes, most, value->value, value->value_size,
                      store->settings.secure_wipe, out))
        return status;
    if (ms_ttl_to_life(store, value->ttl_ms, &life) == MEMSTORE_OK)
        out->expires_at_ms = ms_store_unix_expiry(store, life.expiry);
    return MEMSTORE_OK;
}

int ms_load_hand_out(memstore *store, const memstore_view *view, memstore_view *out)
{
    ms_view_share(view, out);
    if ((ms_store_diverts(store) & MS_DIVERT_VIEWS) == 0 || ms_view_is_kept(out))
        return MEMSTORE_OK;
    const int status = ms_admission_hold(store, out);
    if (status == MEMSTORE_OK)
        return status;
    const memstore_load_value value = {
        .value = out->data, .value_size = out->size, .ttl_ms = MEMSTORE_TTL_NONE};
    const int64_t expires = out->expires_at_ms;
    memstore_view kept = {0};
    const int kept_status = ms_load_keep(store, &value, status, &kept);

    if (kept_status == MEMSTORE_OK)
        kept.expires_at_ms = expires;
    ms_view_release(out);
    *out = kept;
    return kept_status;
}

int ms_load_finish(memstore *store, struct ms_flight *flight, int status, memstore_view *view,
                   memstore_view *out)
{
    if (status == MEMSTORE_OK)
        status = ms_load_hand_out(store, view, out);
    ms_view_give_back(view);
    ms_load_drop(flight);
    return status;
}

/* What those who wait get where the leader of their flight gets a status: they look again, and one of them loads,
 * where nothing but his own bound kept him from a value. */
static int for_others(int status)
{
    return ms_store_gave_up(status) ? MS_FLIGHT_LAPSED : status;
}

int ms_load_finish_found(memstore *store, struct ms_flight *flight, int status, memstore_view *view,
                         memstore_view *out)
{
    /* Where the store does not serve those who wait they go past it. */
    const bool pass = status != MEMSTORE_OK && ms_load_bypasses(store);
    memstore_view shared;

    ms_view_share(view, &shared);
    ms_flights_end(flight, pass ? MS_FLIGHT_LAPSED : for_others(status), &shared);
    return ms_load_finish(store, flight, status, view, out);
}

/* ---- Storing ---- */

/* Write the value of a flight: OK, VERSION_MISMATCH when it was overtaken, or what ms_store_write()
 * gives. *view shows what was appended, stored or not; nothing when nothing was. */
static int write_value(struct ms_flight *flight, memstore *store, const memstore_load_value *value,
                       memstore_view *view)
{
    struct ms_write write = {.key = {flight->key, flight->key_size},
                             .value = value->value,
                             .value_size = value->value_size,
                             .mode = MS_WRITE_SET,
                             .flight = flight,
                             .pinned = view};
    struct ms_write_outcome outcome;
    int status = ms_ttl_to_life(store, value->ttl_ms, &write.life);

    if (status == MEMSTORE_OK)
        status = ms_store_check_size(store, write.key.size, write.value_size);
    if (status == MEMSTORE_OK)
        status = ms_store_try_write(store, &write, flight->hash, &outcome);
    if (status == MEMSTORE_ERR_VERSION_MISMATCH)
        ms_count(&store->counters, MS_COUNT_LOADS_OVERTAKEN, 1);
    else
        ms_store_count_write(store, status, &outcome);
    return status;
}

static int store_value(struct ms_flight *flight, memstore *store, const memstore_load_value *value,
                       memstore_view *view)
{
    int status = ms_writing_begin(store, flight->key, flight->key_size);

    if (status != MEMSTORE_OK)
        return status;
    status = write_value(flight, store, value, view);
    ms_writing_end(store);
    return status;
}

/* Whether a refresh that the store refuses tells that others are refused, too: there is no room, or it was waited for
 * in vain. */
static bool tells_of_others(int status, int64_t until_us)
{
    switch (status) {
    case MEMSTORE_ERR_CACHE_FULL:
    case MEMSTORE_ERR_GC_PRESSURE:
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
    case MEMSTORE_ERR_LOCK_TIMEOUT:
        return ms_clock_real_us() >= until_us ||
               (status != MEMSTORE_ERR_LOCK_TIMEOUT && !ms_store_gave_up(status));
    default:
        return false;
    }
}

/* There is a value meanwhile: room for what was loaded anew is made no longer than for its flight was. */
static int store_refreshed(struct ms_flight *flight, memstore *store,
                           const memstore_load_value *value, memstore_view *view)
{
    const int64_t patience = ms_store_patience_us;
    const bool waits = !ms_load_refreshes_wait(store);
    const int64_t until_us = ms_clock_real_us() + (waits ? MS_REFRESH_PATIENCE_US : 0);

    ms_store_patience_us = until_us < patience ? until_us : patience;
    const int status = store_value(flight, store, value, view);
    ms_store_patience_us = patience;
    if (waits && tells_of_others(status, until_us))
        ms_store_relaxed(&store->refreshes_wait_until, ms_clock_real_us() + MS_REFRESH_PAUSE_US);
    return status;
}

/* What those who asked get: the value, whatever became of it in the store, unless that is to be
 * told. */
static int value_for_callers(memstore *store, int stored, const memstore_load_value *value,
                             memstore_view *view)
{
    if (stored == MEMSTORE_OK)
        return stored;
    if (stored != MEMSTORE_ERR_VERSION_MISMATCH) {
        ms_count(&store->counters, MS_COUNT_LOADS_BYPASSED, 1);
        if (stored == MEMSTORE_ERR_INVALID_TTL || !ms_load_bypasses(store))
            return stored;
    }
    return view->pin != NULL ? MEMSTORE_OK : ms_load_keep(store, value, stored, view);
}

/* ---- Ending ---- */

void ms_load_note_news(memstore *store, size_t key_size, uint64_t hash)
{
    if (!ms_news_are_wanted(&store->news) || key_size > MS_KEY_SIZE_MAX ||
        ms_store_enter(store) != MEMSTORE_OK)
        return;
    ms_news_note_unlocked(store, hash);
    ms_store_leave(store);
}

static int settle_absent(struct ms_flight *flight, memstore *store)
{
    const int64_t ttl = ms_setting_of(&store->settings, load_negative_ttl);
    const bool remembers = ttl != 0 && flight->key_size <= ABSENT_KEY_MAX;

    ms_count(&store->counters, MS_COUNT_ABSENT_LOADED, 1);
    /* What could not be removed is not denied either. */
    if (!ms_load_remove(store, flight)) {
        ms_load_note_news(store, flight->key_size, flight->hash);
        ms_flight_overtake(flight);
    }
    ms_flights_end_absent(flight, ms_clock_exact_ms() + ttl,
                          remembers ? ms_setting_of(&store->settings, load_max_absent) : 0);
    return MEMSTORE_ERR_KEY_NOT_FOUND;
}

int ms_load_count_failure(memstore *store, int result)
{
    if (result == MS_LOAD_REFUSED) {
        ms_count(&store->counters, MS_COUNT_LOADS_REFUSED, 1);
        return MEMSTORE_ERR_LOADER_FAILED;
    }
    if (ms_store_gave_up(result))
        return result;
    ms_count(&store->counters, MS_COUNT_LOAD_FAILURES, 1);
    /* What a loader has returned is told where that is known. */
    if (result != MEMSTORE_ERR_LOADER_FAILED)
        ms_tell_load_failed(store, result);
    return result;
}

/* A refresh that failed, or whose value was not stored, is not tried again at once: whoever tries waits for it, though
 * he has a value. `status` is for those who wait. */
static void end_in_vain(struct ms_flight *flight, memstore *store, int status,
                        const memstore_view *shared)
{
    const int64_t pause = ms_setting_of(&store->settings, load_retry_max);
    const uint32_t absences = ms_setting_of(&store->settings, load_max_absent);

    if (flight->refreshes && pause != 0)
        ms_flights_end_paused(flight, status, shared, ms_clock_exact_ms() + pause,
                              ms_flights_most_pauses(absences));
    else
        ms_flights_end(flight, status, shared);
}

/* The loader was not called, for want of the leader's patience: others may have more. */
static void end_untried(struct ms_flight *flight, memstore *store, int status,
                        const memstore_view *shared)
{
    (void)store;
    ms_flights_end(flight, status, shared);
}

typedef void (*flight_end)(struct ms_flight *flight, memstore *store, int status,
                           const memstore_view *shared);

/* Nothing new can be given, for which `status` is the reason: give what there is, if anything. The flight is ended by
 * `end`. */
static int settle_by_old(struct ms_flight *flight, memstore *store, int status, memstore_view *old,
                         memstore_view *view, flight_end end)
{
    int others = for_others(status);
    memstore_view shared = {0};

    ms_view_give_back(view);
    if (ms_load_fall_back(store, flight, old, view)) {
        status = MEMSTORE_OK;
        /* Those who may wait on for something new do. */
        if (others != MS_FLIGHT_LAPSED) {
            others = MEMSTORE_OK;
            ms_view_share(view, &shared);
        }
    }
    end(flight, store, others, &shared);
    return status;
}

static int settle_failed(struct ms_flight *flight, memstore *store, int result, memstore_view *old,
                         memstore_view *view)
{
    const int status = ms_load_count_failure(store, result);

    if (flight->refreshes && result != MS_LOAD_REFUSED && !ms_store_gave_up(status))
        ms_count(&store->counters, MS_COUNT_REFRESH_FAILURES, 1);
    return settle_by_old(flight, store, status, old, view,
                         ms_store_gave_up(status) ? end_untried : end_in_vain);
}

/* Store what was loaded, *stored being what comes of that; and only then end the flight, so that it is seen until then
 * that the key is being loaded. */
static int settle_loaded(struct ms_flight *flight, memstore *store,
                         const memstore_load_value *value, memstore_view *old, memstore_view *view,
                         int *stored)
{
    memstore_view shared = {0};

    ms_count(&store->counters, MS_COUNT_LOADS, 1);
    if (flight->refreshes)
        ms_count(&store->counters, MS_COUNT_REFRESHES, 1);
    /* Where the new value is given out also if it is not stored, the old one need not be in the way of that. */
    if (ms_load_bypasses(store))
        ms_view_give_back(old);
    *stored = flight->refreshes ? store_refreshed(flight, store, value, view)
                                : store_value(flight, store, value, view);
    if (*stored != MEMSTORE_OK)
        ms_load_note_news(store, flight->key_size, flight->hash);
    const int status = value_for_callers(store, *stored, value, view);
    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_INVALID_TTL && flight->refreshes)
        return settle_by_old(flight, store, status, old, view, end_in_vain);
    ms_view_give_back(old);
    if (status == MEMSTORE_OK)
        ms_view_share(view, &shared);
    if (*stored == MEMSTORE_OK)
        ms_flights_end(flight, status, &shared);
    else
        end_in_vain(flight, store, for_others(status), &shared);
    return status;
}

int ms_load_settle(struct ms_flight *flight, int result, const memstore_load_value *value,
                   memstore_view *view, int *stored)
{
    memstore *store = ms_load_store_of(flight);
    memstore_view old = flight->value;
    int unused;

    *view = (memstore_view){0};
    flight->value = (memstore_view){0};
    if (result == MEMSTORE_LOAD_OK)
        return settle_loaded(flight, store, value, &old, view, stored != NULL ? stored : &unused);
    if (result != MEMSTORE_LOAD_ABSENT)
        return settle_failed(flight, store, result, &old, view);
    ms_view_give_back(&old);
    return settle_absent(flight, store);
}
