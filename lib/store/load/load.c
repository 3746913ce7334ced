/* SPDX-License-Identifier: Apache-2.0 */
/* One key: look, join, lead or wait. */
#include "store/load/load.h"

#include "platform/mem.h"
#include "store/calls.h"
#include "store/load/call.h"
#include "store/load/place.h"
#include "store/lookup.h"
#include "store/read/read.h"
#include "store/read/view.h"
#include "store/space/room.h"
#include "store/watch/store_log.h"
#include "store/write/write.h"
#include "store/write/writing.h"
#include "util/glob.h"

int ms_load_look(memstore *store, const memstore_key *key, memstore_view *out)
{
    return (ms_store_diverts(store) & MS_DIVERT_VIEWS) != 0
               ? ms_admission_get_view(store, key->data, key->size, out)
               : ms_store_get_view(store, key->data, key->size, out);
}

int ms_load_look_again(memstore *store, const memstore_key *key, memstore_view *out)
{
    const int64_t patience = ms_store_patience_us;
    memstore_view view;

    /* A value that is not there is no miss once more. */
    if (ms_store_has(store, key->data, key->size) != MEMSTORE_OK ||
        ms_store_get_view(store, key->data, key->size, &view) != MEMSTORE_OK)
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    ms_store_patience_us = 0;
    const int status = ms_load_hand_out(store, &view, out);
    ms_store_patience_us = patience;
    ms_view_release(&view);
    return status;
}

static int64_t deadline_to_join(const memstore *store, bool refreshes)
{
    const int64_t deadline = ms_store_deadline(store);
    const int64_t soon = ms_clock_real_us() + MS_REFRESH_PATIENCE_US;

    return refreshes && soon < deadline ? soon : deadline;
}

/* Join a flight for which there was no memory, making room for it. */
static enum ms_joined join_in_room(memstore *store, struct ms_flight_call *call,
                                   struct ms_budget_mark *asked, struct ms_flight **out,
                                   int *status)
{
    const uint64_t bytes = ms_flights_bytes_to_join(&store->flights, call->key.size);
    const int64_t deadline = deadline_to_join(store, call->refreshes);
    enum ms_joined joined = MS_JOINED_NO_MEMORY;

    do {
        *status = ms_room_make_to_charge(store, bytes, deadline, asked);
        call->insists = *status == MEMSTORE_ERR_CACHE_FULL;
        if (*status == MEMSTORE_OK || call->insists)
            joined = ms_flights_join(&store->flights, call, out);
    } while (joined == MS_JOINED_NO_MEMORY && *status == MEMSTORE_OK);
    return joined;
}

enum ms_joined ms_load_join(memstore *store, const struct ms_flight_call *call,
                            struct ms_flight **out, int *status)
{
    struct ms_budget_mark asked = ms_budget_mark(&store->arena.budget);
    struct ms_flight_call again = *call;

    *status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    /* There would hardly be room for its value either. */
    if (call->refreshes && ms_load_refreshes_wait(store))
        return MS_JOINED_NOT;
    enum ms_joined joined = ms_flights_join(&store->flights, call, out);
    /* No room is made for what could not be stored anyway. */
    if (joined != MS_JOINED_NO_MEMORY ||
        ms_store_check_size(store, call->key.size, 0) != MEMSTORE_OK ||
        ms_store_enter(store) != MEMSTORE_OK)
        return joined;
    joined = join_in_room(store, &again, &asked, out, status);
    if (call->refreshes && joined == MS_JOINED_NO_MEMORY)
        ms_store_relaxed(&store->refreshes_wait_until, ms_clock_real_us() + MS_REFRESH_PAUSE_US);
    ms_store_leave(store);
    return joined;
}

static int recheck(memstore *store, const memstore_key *key, uint64_t hash, memstore_view *found)
{
    struct ms_index_slot slot;
    struct ms_found entry;
    int status = ms_store_lock_shard(store, hash);

    if (status != MEMSTORE_OK)
        return status;
    if (ms_lookup_find_slot(store, key->data, key->size, hash, &slot, &entry) &&
        !ms_has_expired(ms_found_expiry(&entry)))
        ms_view_of(store, &entry, found);
    else
        status = MEMSTORE_ERR_KEY_NOT_FOUND;
    ms_mutex_unlock(ms_store_shard_lock(store, hash));
    return status;
}

int ms_load_recheck(memstore *store, const memstore_key *key, uint64_t hash, memstore_view *found)
{
    int status = ms_writing_begin_to_look(store, key->data, key->size);

    *found = (memstore_view){0};
    if (status != MEMSTORE_OK)
        return status;
    status = recheck(store, key, hash, found);
    ms_writing_end(store);
    return status;
}

static int call_aside(const struct ms_load *load, int status, bool closed, memstore_view *out)
{
    memstore *store = load->store;
    memstore_load_value value;
    const int result = ms_load_call(load, closed, &value);

    if (result != MEMSTORE_LOAD_OK)
        ms_load_done(store);
    if (result == MEMSTORE_LOAD_ABSENT) {
        ms_count(&store->counters, MS_COUNT_ABSENT_LOADED, 1);
        ms_load_note_news(store, load->key.size, load->hash);
        return MEMSTORE_ERR_KEY_NOT_FOUND;
    }
    if (result != MEMSTORE_LOAD_OK)
        return ms_load_count_failure(store, result);
    ms_count(&store->counters, MS_COUNT_LOADS, 1);
    ms_count(&store->counters, MS_COUNT_LOADS_BYPASSED, 1);
    status = ms_load_keep(store, &value, status, out);
    ms_load_release(store, &value);
    ms_load_done(store);
    ms_load_note_news(store, load->key.size, load->hash);
    return status;
}

int ms_load_aside(const struct ms_load *load, int status, memstore_view *out)
{
    memstore *store = load->store;
    struct ms_calling *call;

    if (!ms_load_bypasses(store))
        return status;
    /* No flight tells close that there is a loader to wait for. */
    const int entered = ms_store_enter_to_call_out(store, &call);
    if (entered == MEMSTORE_ERR_MEMORY_EXHAUSTED)
        return ms_load_count_failure(store, entered);
    status = call_aside(load, status, entered != MEMSTORE_OK, out);
    if (entered == MEMSTORE_OK)
        ms_store_leave_calling_out(store, call);
    return status;
}

int ms_load_await(const struct ms_load *load, struct ms_flight *flight, memstore_view *out)
{
    const struct ms_load_held lent = ms_load_lend();
    int status = ms_flights_wait(flight, load->deadline_us);

    ms_load_take_back(&lent);
    if (status == MEMSTORE_OK) {
        ms_count(&load->store->counters, MS_COUNT_LOADS_COALESCED, 1);
        status = flight->status;
    }
    if (status == MEMSTORE_OK)
        status = ms_load_hand_out(load->store, &flight->value, out);
    ms_load_drop(flight);
    return status;
}

/* Load the key of a flight that this thread has begun. */
static int lead(const struct ms_load *load, struct ms_flight *flight, memstore_view *out)
{
    memstore *store = load->store;
    memstore_load_value value;
    memstore_view view;
    int status = ms_load_recheck(store, &load->key, load->hash, &view);

    if (status != MEMSTORE_ERR_KEY_NOT_FOUND && status != MEMSTORE_OK && ms_load_bypasses(store)) {
        /* What was not looked for may be there: nothing is stored. */
        ms_flight_overtake(flight);
        status = MEMSTORE_ERR_KEY_NOT_FOUND;
    }
    if (status != MEMSTORE_ERR_KEY_NOT_FOUND)
        return ms_load_finish_found(store, flight, status, &view, out);
    const int result = ms_load_call(load, false, &value);
    status = ms_load_settle(flight, result, &value, &view, NULL);
    if (result == MEMSTORE_LOAD_OK)
        ms_load_release(store, &value);
    ms_load_done(store);
    return ms_load_finish(store, flight, status, &view, out);
}

/* Load what was missed: its result, or MS_FLIGHT_LAPSED to look again. */
static int load_missed(const struct ms_load *load, memstore_view *out)
{
    const struct ms_flight_call call = {.key = load->key, .hash = load->hash};
    struct ms_flight *flight;
    int status;

    switch (ms_load_join(load->store, &call, &flight, &status)) {
    case MS_JOINED_AS_LEADER:
        return lead(load, flight, out);
    case MS_JOINED:
        return ms_load_await(load, flight, out);
    case MS_JOINED_ABSENCE:
        ms_count(&load->store->counters, MS_COUNT_ABSENT_SERVED, 1);
        return MEMSTORE_ERR_KEY_NOT_FOUND;
    case MS_JOINED_CLOSED:
        return ms_load_aside(load, MEMSTORE_ERR_CACHE_CLOSED, out);
    case MS_JOINED_NOT:
    case MS_JOINED_NO_MEMORY:
        return ms_load_aside(load, status, out);
    }
    return MEMSTORE_ERR_INVALID_ARGUMENT;
}

/* Load what was looked for, with the status that this gave, until that is settled. */
static int load_until_settled(const struct ms_load *load, int status, memstore_view *out)
{
    for (;;) {
        status = status == MEMSTORE_ERR_KEY_NOT_FOUND ? load_missed(load, out)
                                                      : ms_load_aside(load, status, out);
        if (status != MS_FLIGHT_LAPSED)
            return status;
        status = ms_load_look(load->store, &load->key, out);
        if (status == MEMSTORE_OK)
            return status;
    }
}

int ms_load_get(memstore *store, const memstore_key *key, const memstore_loader *loader,
                memstore_view *out)
{
    struct ms_load load = {.store = store, .key = *key, .loader = loader};
    int status = ms_load_look(store, key, out);

    if (status == MEMSTORE_OK && !ms_load_is_old(store, key->size, out))
        return status;
    /* Where there is no place to look at its age it is not to be refreshed now. */
    if (status == MEMSTORE_ERR_LOCK_TIMEOUT && ms_load_look_again(store, key, out) == MEMSTORE_OK)
        return MEMSTORE_OK;
    load.deadline_us = loader->wait_ms == 0 ? INT64_MAX : ms_load_deadline(loader->wait_ms);
    if (key->size > MS_KEY_SIZE_MAX)
        return ms_load_aside(&load, MEMSTORE_ERR_ENTRY_TOO_LARGE, out);
    load.hash = ms_store_hash(store, key->data, key->size);
    if (status == MEMSTORE_OK)
        return ms_load_refresh(&load, out);
    status = load_until_settled(&load, status, out);
    return status == MEMSTORE_ERR_LOCK_TIMEOUT ? ms_load_look_again(store, key, out) : status;
}

/* ---- delete_by_pattern ---- */

/* Overtake a flight as if its key were deleted. */
static int overtake_as_deleted(memstore *store, struct ms_flight *flight)
{
    const int status = ms_store_lock_shard(store, flight->hash);

    if (status != MEMSTORE_OK)
        return status;
    ms_flight_overtake(flight);
    ms_mutex_unlock(ms_store_shard_lock(store, flight->hash));
    return MEMSTORE_OK;
}

int ms_load_overtake_matching(memstore *store, const char *pattern, size_t pattern_size)
{
    struct ms_flight **flights;
    size_t count;
    int status = ms_glob_validate(pattern, pattern_size);

    if (status == MEMSTORE_OK)
        status = ms_news_note_matching(store, pattern, pattern_size);
    if (status != MEMSTORE_OK)
        return status;
    if (!ms_flights_list(&store->flights, &flights, &count))
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    for (size_t i = 0; i < count; i++) {
        if (status == MEMSTORE_OK &&
            ms_glob_match(pattern, pattern_size, flights[i]->key, flights[i]->key_size))
            status = overtake_as_deleted(store, flights[i]);
        ms_load_drop(flights[i]);
    }
    ms_mem_free(flights);
    return status;
}
