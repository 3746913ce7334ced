/* SPDX-License-Identifier: Apache-2.0 */
/* Calling the loader: in its turn, where `loader.max_loads` bounds how many are called at once, and
 * again after a pause when it asks for that. */
#include "store/load.h"

#include "loader/backoff.h"
#include "platform/random.h"

/* Loaders that this thread is in. One that is called by another takes no place: it would wait for
 * the other's. */
static __thread uint32_t loaders_inside;
/* The store among whose places this thread has one. */
static __thread const memstore *place_of;

uint32_t ms_load_places_held(const memstore *store)
{
    return place_of == store;
}

void ms_load_release(const memstore_load_value *value)
{
    if (value->release != NULL)
        value->release(value->release_context);
}

/* ---- A place ---- */

/* The time until which a load is tried, in ms_clock_exact_ms(). */
static int64_t end_of_patience(const memstore *store)
{
    const int64_t timeout = ms_setting_of(&store->settings, load_timeout);

    return timeout == 0 ? INT64_MAX : ms_clock_exact_ms() + timeout;
}

/* OK, LOCK_TIMEOUT or CACHE_CLOSED. A store that is closed bounds nothing. */
static int take_place(memstore *store, int64_t until, bool closed)
{
    int64_t deadline_us = INT64_MAX;

    if (store->loads_gate.places == 0 || loaders_inside != 0 || closed)
        return MEMSTORE_OK;
    if (until != INT64_MAX)
        deadline_us = ms_clock_real_us() + (until - ms_clock_exact_ms()) * 1000;
    const int status = ms_admission_status(ms_gate_enter(&store->loads_gate, 1, deadline_us));
    if (status == MEMSTORE_OK)
        place_of = store;
    return status;
}

static void leave_place(memstore *store)
{
    if (loaders_inside != 0 || place_of != store)
        return;
    place_of = NULL;
    ms_gate_leave(&store->loads_gate, 1);
}

/* ---- Attempts ---- */

/* A number of attempts at one thing. */
struct attempts {
    memstore *store;
    int64_t until;
    uint32_t made;
    bool closed;
};

static struct attempts attempts_at(memstore *store, bool closed)
{
    return (struct attempts){store, end_of_patience(store), 0, closed};
}

/* An attempt was made and asks for another: wait for its time. OK, or why there is none. */
static int wait_for_next(struct attempts *attempts)
{
    memstore *store = attempts->store;
    const int64_t pause =
        ms_backoff_pause(++attempts->made, ms_setting_of(&store->settings, load_retry_initial),
                         ms_setting_of(&store->settings, load_retry_max), ms_random_seed());
    const int64_t now = ms_clock_exact_ms();

    if (now >= attempts->until || pause > attempts->until - now || attempts->closed)
        return MEMSTORE_ERR_LOADER_FAILED;
    if (!ms_flights_pause(&store->flights, now + pause))
        return MEMSTORE_ERR_CACHE_CLOSED;
    ms_count(&store->counters, MS_COUNT_LOAD_RETRIES, 1);
    return MEMSTORE_OK;
}

/* What a loader may return is what we go on with; all failures are one. */
static int result_of(int result)
{
    return result == MEMSTORE_LOAD_OK || result == MEMSTORE_LOAD_ABSENT ||
                   result == MEMSTORE_LOAD_RETRY
               ? result
               : MEMSTORE_ERR_LOADER_FAILED;
}

/* ---- One key ---- */

static int call_once(const struct ms_load *load, const struct attempts *attempts,
                     memstore_load_value *value)
{
    const memstore_loader *loader = load->loader;
    int result = take_place(load->store, attempts->until, attempts->closed);

    if (result != MEMSTORE_OK)
        return result;
    *value = (memstore_load_value){.ttl_ms = loader->ttl_ms};
    loaders_inside++;
    result = result_of(loader->load(load->key.data, load->key.size, value, loader->context));
    loaders_inside--;
    leave_place(load->store);
    if (result == MEMSTORE_LOAD_OK && value->value == NULL && value->value_size != 0) {
        ms_load_release(value);
        result = MEMSTORE_ERR_LOADER_FAILED;
    }
    return result;
}

int ms_load_call(const struct ms_load *load, bool closed, memstore_load_value *value)
{
    struct attempts attempts = attempts_at(load->store, closed);
    int result;

    while ((result = call_once(load, &attempts, value)) == MEMSTORE_LOAD_RETRY) {
        const int status = wait_for_next(&attempts);
        if (status != MEMSTORE_OK)
            return status;
    }
    return result;
}

/* ---- Several ---- */

static void call_each(const struct ms_load *load, const memstore_key *keys, size_t n,
                      memstore_load_value *values)
{
    struct ms_load single = *load;

    for (size_t i = 0; i < n; i++) {
        single.key = keys[i];
        const int result = ms_load_call(&single, false, &values[i]);
        values[i].result = result;
    }
}

static int call_many_once(const struct ms_load *load, const struct attempts *attempts,
                          const memstore_key *keys, size_t n, memstore_load_value *values)
{
    const memstore_loader *loader = load->loader;
    int result = take_place(load->store, attempts->until, false);

    if (result != MEMSTORE_OK)
        return result;
    for (size_t i = 0; i < n; i++)
        values[i] = (memstore_load_value){.ttl_ms = loader->ttl_ms, .result = MEMSTORE_LOAD_ABSENT};
    loaders_inside++;
    result = result_of(loader->load_many(keys, n, values, loader->context));
    loaders_inside--;
    leave_place(load->store);
    return result;
}

/* Let a result about all keys be about each. */
static void tell_each(memstore_load_value *values, size_t n, int result)
{
    for (size_t i = 0; i < n; i++) {
        if (result == MEMSTORE_LOAD_OK)
            values[i].result = result_of(values[i].result);
        else
            values[i].result = result;
        if (values[i].result == MEMSTORE_LOAD_OK && values[i].value == NULL &&
            values[i].value_size != 0) {
            ms_load_release(&values[i]);
            values[i].result = MEMSTORE_ERR_LOADER_FAILED;
        }
    }
}

/* Move the keys that are to be tried again, which come last, and tell how many others there are. */
static size_t settle_some(memstore_key *keys, memstore_load_value *values, size_t *order, size_t n)
{
    size_t settled = 0;

    for (size_t i = 0; i < n; i++) {
        const memstore_load_value value = values[i];
        const memstore_key key = keys[i];
        const size_t at = order[i];

        if (value.result == MEMSTORE_LOAD_RETRY)
            continue;
        values[i] = values[settled];
        keys[i] = keys[settled];
        order[i] = order[settled];
        values[settled] = value;
        keys[settled] = key;
        order[settled++] = at;
    }
    return settled;
}

void ms_load_call_many(const struct ms_load *load, memstore_key *keys, size_t n,
                       memstore_load_value *values, size_t *order)
{
    struct attempts attempts = attempts_at(load->store, false);

    if (load->loader->load_many == NULL) {
        call_each(load, keys, n, values);
        return;
    }
    while (n != 0) {
        tell_each(values, n, call_many_once(load, &attempts, keys, n, values));
        const size_t settled = settle_some(keys, values, order, n);
        keys += settled;
        values += settled;
        order += settled;
        n -= settled;
        const int status = n != 0 ? wait_for_next(&attempts) : MEMSTORE_OK;
        if (status != MEMSTORE_OK) {
            tell_each(values, n, status);
            return;
        }
    }
}
