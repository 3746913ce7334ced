/* SPDX-License-Identifier: Apache-2.0 */
/* Loads without a callback. A lease is a flight that no thread leads, and that ends by itself. */
#include "store/load/lease.h"

#include "store/load/call.h"
#include "store/load/load.h"
#include "store/read/view.h"
#include "store/watch/store_log.h"

/* A flight of one's own: OK and a lease, or a view when the key has come meanwhile, or an error. */
static int give_lease(memstore *store, struct ms_flight *flight, struct ms_flight **lease,
                      memstore_view *out)
{
    const memstore_key key = {flight->key, flight->key_size};
    memstore_view view;
    int status = ms_load_recheck(store, &key, flight->hash, &view);

    if (status != MEMSTORE_ERR_KEY_NOT_FOUND)
        return ms_load_finish_found(store, flight, status, &view, out);
    if (ms_load_may_call(store, MS_LOADER_OF_LEASES)) {
        *lease = flight;
        return MEMSTORE_OK;
    }
    status = ms_load_settle(flight, MS_LOAD_REFUSED, NULL, &view, NULL);
    return ms_load_finish(store, flight, status, &view, out);
}

static int64_t end_of_lease(const memstore *store)
{
    return ms_clock_exact_ms() + ms_setting_of(&store->settings, load_lease_timeout);
}

/* What was found is old: give a lease to load it anew along with it, unless another has one. */
static void give_lease_to_refresh(const struct ms_load *load, struct ms_flight **lease,
                                  memstore_view *out)
{
    struct ms_flight *flight;
    memstore_view view;

    if (!ms_load_begin_refresh(load, end_of_lease(load->store), &flight, out))
        return;
    if (ms_load_may_call(load->store, MS_LOADER_OF_LEASES)) {
        *lease = flight;
        return;
    }
    ms_load_settle(flight, MS_LOAD_REFUSED, NULL, &view, NULL);
    ms_view_give_back(&view);
    ms_load_drop(flight);
}

static int acquire_missed(const struct ms_load *load, struct ms_flight **lease, memstore_view *out)
{
    memstore *store = load->store;
    const struct ms_flight_call call = {
        .key = load->key, .hash = load->hash, .lease_until = end_of_lease(store)};
    struct ms_flight *flight;
    int status;

    switch (ms_load_join(store, &call, &flight, &status)) {
    case MS_JOINED_AS_LEADER:
        return give_lease(store, flight, lease, out);
    case MS_JOINED:
        return ms_load_await(load, flight, out);
    case MS_JOINED_ABSENCE:
        ms_count(&store->counters, MS_COUNT_ABSENT_SERVED, 1);
        return MEMSTORE_ERR_KEY_NOT_FOUND;
    case MS_JOINED_CLOSED:
        return MEMSTORE_ERR_CACHE_CLOSED;
    case MS_JOINED_NOT:
    case MS_JOINED_NO_MEMORY:
        return status;
    }
    return MEMSTORE_ERR_INVALID_ARGUMENT;
}

int ms_lease_acquire(memstore *store, const memstore_key *key, int64_t timeout_ms,
                     struct ms_flight **lease, memstore_view *out)
{
    const struct ms_load load = {.store = store,
                                 .key = *key,
                                 .hash = ms_store_hash(store, key->data, key->size),
                                 .deadline_us = ms_load_deadline(timeout_ms)};
    int status;

    if (key->size > MS_KEY_SIZE_MAX)
        return MEMSTORE_ERR_ENTRY_TOO_LARGE;
    do {
        status = ms_load_look(store, key, out);
        if (status == MEMSTORE_OK && ms_load_is_old(store, key->size, out))
            give_lease_to_refresh(&load, lease, out);
        if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
            status = acquire_missed(&load, lease, out);
    } while (status == MS_FLIGHT_LAPSED);
    return status;
}

int ms_lease_fill(struct ms_flight *lease, const memstore_load_value *value, memstore_view *out)
{
    memstore_view view;
    int stored = MEMSTORE_ERR_LOADER_FAILED;

    ms_load_note_success(ms_load_store_of(lease), MS_LOADER_OF_LEASES);
    /* One whose time is over is overtaken by that. */
    ms_flight_stands(lease);
    const int status = ms_load_settle(lease, MEMSTORE_LOAD_OK, value, &view, &stored);
    if (out != NULL && status == MEMSTORE_OK)
        ms_load_hand_out(ms_load_store_of(lease), &view, out);
    ms_view_give_back(&view);
    ms_load_drop(lease);
    return stored;
}

/* Nothing is known of how the load went: who waits looks again, and loads. */
static int abandon(struct ms_flight *lease)
{
    ms_flights_end(lease, MS_FLIGHT_LAPSED, &(memstore_view){0});
    ms_load_drop(lease);
    return MEMSTORE_ERR_LOADER_FAILED;
}

static void note_failure(memstore *store, int result)
{
    ms_tell_load_failed(store, result);
    ms_load_note_failure(store, MS_LOADER_OF_LEASES);
}

int ms_lease_fail(struct ms_flight *lease, int result, memstore_view *out)
{
    memstore *store = ms_load_store_of(lease);
    const bool absent = result == MEMSTORE_LOAD_ABSENT;
    memstore_view view;

    if (result == MEMSTORE_LOAD_ABANDONED)
        return abandon(lease);
    if (absent)
        ms_load_note_success(store, MS_LOADER_OF_LEASES);
    else
        note_failure(store, result);
    int status = ms_load_settle(lease, absent ? MEMSTORE_LOAD_ABSENT : MEMSTORE_ERR_LOADER_FAILED,
                                NULL, &view, NULL);
    if (out != NULL && status == MEMSTORE_OK)
        status = ms_load_hand_out(store, &view, out);
    ms_view_give_back(&view);
    ms_load_drop(lease);
    return status;
}
