/* SPDX-License-Identifier: Apache-2.0 */
/* Calling the loader, and again after a pause when it asks for that. */
#include "store/load/call.h"

#include "store/calls.h"
#include "store/load/load.h"
#include "store/load/place.h"
#include "store/watch/measuring.h"
#include "store/watch/store_log.h"

#include "loader/backoff.h"
#include "platform/random.h"

void ms_load_release(memstore *store, const memstore_load_value *value)
{
    struct ms_calling *calling;

    if (value->release == NULL)
        return;
    /* What is the caller's goes back to him without a note, too. */
    const int noted = ms_store_begin_callback(store, &calling);
    value->release(value->release_context);
    if (noted == MEMSTORE_OK)
        ms_store_end_callback(calling);
}

/* A number of attempts at one thing. */
struct attempts {
    memstore *store;
    int64_t until;
    uint32_t made;
    bool closed;
    bool once;
};

/* ---- Breakers ---- */

/* What tells a loader from others: its name, or its functions and context. The empty name is that of
 * leases; no other loader is told by 0. */
static uint64_t loader_of(const struct ms_load *load)
{
    const memstore_loader *loader = load->loader;

    if (loader->name != NULL && *loader->name == '\0')
        return MS_LOADER_OF_LEASES;
    if (loader->name != NULL)
        return ms_hash(&load->store->hasher, loader->name, strlen(loader->name)) | 1;
    const uintptr_t function =
        loader->load != NULL ? (uintptr_t)loader->load : (uintptr_t)loader->load_many;
    return ms_mix64(function ^ ms_mix64((uintptr_t)loader->context)) | 1;
}

bool ms_load_may_call(memstore *store, uint64_t loader)
{
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);
    enum ms_breaker_change change;
    const bool may =
        ms_breakers_let_through(&store->breakers, loader, &rule, ms_clock_exact_ms(), &change);

    ms_monitor_breaker(store, loader, change);
    return may;
}

void ms_load_note_success(memstore *store, uint64_t loader)
{
    ms_monitor_breaker(store, loader, ms_breakers_succeeded(&store->breakers, loader));
}

void ms_load_note_failure(memstore *store, uint64_t loader)
{
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);
    const enum ms_breaker_change change =
        ms_breakers_failed(&store->breakers, loader, &rule, ms_clock_exact_ms());

    if (change == MS_BREAKER_OPENS)
        ms_count(&store->counters, MS_COUNT_BREAKERS_OPENED, 1);
    ms_monitor_breaker(store, loader, change);
}

/* That a caller found no place says nothing about the loader. */
static void note_result(const struct ms_load *load, int result)
{
    if (result == MEMSTORE_LOAD_OK || result == MEMSTORE_LOAD_ABSENT)
        ms_load_note_success(load->store, loader_of(load));
    else if (result == MEMSTORE_ERR_LOADER_FAILED)
        ms_load_note_failure(load->store, loader_of(load));
}

/* ---- Attempts ---- */

static struct attempts attempts_of(const struct ms_load *load, bool closed)
{
    return (struct attempts){.store = load->store,
                             .until = ms_load_patience(load->store),
                             .closed = closed,
                             .once = closed || load->refreshes};
}

/* There is no attempt more for a loader that asks for one. */
static int give_up(memstore *store)
{
    ms_tell_load_failed(store, MEMSTORE_LOAD_RETRY);
    return MEMSTORE_ERR_LOADER_FAILED;
}

/* An attempt at `n` keys was made and asks for another: wait for its time. OK, or why there is none. */
static int wait_for_next(struct attempts *attempts, size_t n)
{
    memstore *store = attempts->store;
    const int64_t pause =
        ms_backoff_pause(++attempts->made, ms_setting_of(&store->settings, load_retry_initial),
                         ms_setting_of(&store->settings, load_retry_max), ms_random_seed());
    const int64_t now = ms_clock_exact_ms(), left = attempts->until - now;

    if (attempts->once)
        return give_up(store);
    if (left <= 0) {
        ms_count(&store->counters, MS_COUNT_LOADS_TIMED_OUT, n);
        return give_up(store);
    }
    /* The last attempt is made at the end of the time, however long its pause was to be. */
    const int status =
        ms_flights_pause(&store->flights, pause < left ? now + pause : attempts->until);
    if (status != MEMSTORE_OK)
        return status;
    ms_count(&store->counters, MS_COUNT_LOAD_RETRIES, 1);
    return MEMSTORE_OK;
}

/* What a loader may return is what we go on with; all failures are one, but in the log. */
static int result_of(memstore *store, int returned)
{
    if (returned == MEMSTORE_LOAD_OK || returned == MEMSTORE_LOAD_ABSENT ||
        returned == MEMSTORE_LOAD_RETRY)
        return returned;
    ms_tell_load_failed(store, returned);
    return MEMSTORE_ERR_LOADER_FAILED;
}

/* What a loader that has succeeded gives has to be there. */
static int check_value(memstore *store, const memstore_load_value *value)
{
    if (value->value != NULL || value->value_size == 0)
        return MEMSTORE_LOAD_OK;
    ms_load_release(store, value);
    ms_tell_load_failed(store, MEMSTORE_LOAD_OK);
    return MEMSTORE_ERR_LOADER_FAILED;
}

/* The call of a loader. */
struct call {
    struct ms_calling *noted;
    uint64_t start;
};

/* Before it: OK, or why there is none. A store that is closed measures nothing. */
static int begin_call(const struct ms_load *load, size_t n, const struct attempts *attempts,
                      struct call *call)
{
    const int status = ms_load_enter(load, n, attempts->until, attempts->closed, &call->noted);

    if (status != MEMSTORE_OK)
        return status;
    call->start = attempts->closed ? 0 : ms_measuring_begin(load->store);
    return MEMSTORE_OK;
}

static void end_call(memstore *store, const struct call *call)
{
    ms_measuring_end(store, MEMSTORE_OPERATION_LOAD, call->start);
    ms_load_leave(store, call->noted);
}

/* ---- One key ---- */

/* A loader of many keys alone is asked for one of them. */
static int call_loader(const struct ms_load *load, memstore_load_value *value)
{
    const memstore_loader *loader = load->loader;

    *value = (memstore_load_value){.ttl_ms = loader->ttl_ms, .result = MEMSTORE_LOAD_ABSENT};
    if (loader->load != NULL)
        return loader->load(load->key.data, load->key.size, value, loader->context);
    const int result = loader->load_many(&load->key, 1, value, loader->context);
    return result == MEMSTORE_LOAD_OK ? value->result : result;
}

static int call_once(const struct ms_load *load, const struct attempts *attempts,
                     memstore_load_value *value)
{
    struct call call;
    int result = begin_call(load, 1, attempts, &call);

    if (result != MEMSTORE_OK)
        return result;
    result = call_loader(load, value);
    end_call(load->store, &call);
    return result == MEMSTORE_LOAD_OK ? check_value(load->store, value)
                                      : result_of(load->store, result);
}

static int call_until_settled(const struct ms_load *load, bool closed, memstore_load_value *value)
{
    struct attempts attempts = attempts_of(load, closed);
    int result = ms_load_take_bytes(load->store, 1, attempts.until, closed);

    if (result != MEMSTORE_OK)
        return result;
    while ((result = call_once(load, &attempts, value)) == MEMSTORE_LOAD_RETRY) {
        const int status = wait_for_next(&attempts, 1);
        if (status != MEMSTORE_OK)
            return status;
    }
    return result;
}

int ms_load_call(const struct ms_load *load, bool closed, memstore_load_value *value)
{
    if (!ms_load_may_call(load->store, loader_of(load)))
        return MS_LOAD_REFUSED;
    const int result = call_until_settled(load, closed, value);
    note_result(load, result);
    if (result == MEMSTORE_LOAD_OK)
        ms_load_note_size(load->store, value->value_size);
    return result;
}

/* ---- Several ---- */

/* What comes before the key at `end` is known. */
static void settle_up_to(struct ms_load_batch *batch, size_t end)
{
    while (batch->settled < end)
        batch->settle(batch, batch->settled++);
}

static void call_each(struct ms_load_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct ms_load single = batch->load;

        single.key = batch->keys[i];
        single.refreshes = batch->flights[i]->refreshes;
        const int result = ms_load_call(&single, false, &batch->values[i]);
        batch->values[i].result = result;
        settle_up_to(batch, i + 1);
    }
}

static int call_many_once(const struct ms_load *load, const struct attempts *attempts,
                          const memstore_key *keys, size_t n, memstore_load_value *values)
{
    const memstore_loader *loader = load->loader;
    struct call call;
    int result = begin_call(load, n, attempts, &call);

    if (result != MEMSTORE_OK)
        return result;
    for (size_t i = 0; i < n; i++)
        values[i] = (memstore_load_value){.ttl_ms = loader->ttl_ms, .result = MEMSTORE_LOAD_ABSENT};
    result = loader->load_many(keys, n, values, loader->context);
    end_call(load->store, &call);
    return result_of(load->store, result);
}

/* Let a result about all keys be about each. */
static void tell_each(memstore *store, memstore_load_value *values, size_t n, int result)
{
    for (size_t i = 0; i < n; i++) {
        memstore_load_value *value = &values[i];

        if (result != MEMSTORE_LOAD_OK)
            value->result = result;
        else if (value->result == MEMSTORE_LOAD_OK)
            value->result = check_value(store, value);
        else
            value->result = result_of(store, value->result);
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

/* Whether the loader said anything about any key. */
static void note_results(const struct ms_load *load, const memstore_load_value *values, size_t n)
{
    int result = MEMSTORE_ERR_LOCK_TIMEOUT;

    for (size_t i = 0; i < n; i++) {
        if (values[i].result == MEMSTORE_LOAD_OK)
            ms_load_note_size(load->store, values[i].value_size);
        if (values[i].result == MEMSTORE_LOAD_OK || values[i].result == MEMSTORE_LOAD_ABSENT)
            result = MEMSTORE_LOAD_OK;
        else if (values[i].result == MEMSTORE_ERR_LOADER_FAILED && result != MEMSTORE_LOAD_OK)
            result = MEMSTORE_ERR_LOADER_FAILED;
    }
    note_result(load, result);
}

/* A key that is there has had its one attempt: its caller has a value, and waits no longer for a better one. */
static void end_refreshes(memstore *store, memstore_load_value *values, size_t n,
                          const size_t *order, struct ms_flight *const *flights)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i].result == MEMSTORE_LOAD_RETRY && flights[order[i]]->refreshes)
            values[i].result = give_up(store);
    }
}

/* Call load_many once for the keys from `first` on, and tell how many of them are known then. */
static size_t call_for_rest(const struct ms_load_batch *batch, const struct attempts *attempts,
                            size_t first)
{
    memstore_key *keys = batch->keys + first;
    memstore_load_value *values = batch->values + first;
    size_t *order = batch->order + first;
    const size_t n = batch->n - first;

    tell_each(batch->load.store, values, n,
              call_many_once(&batch->load, attempts, keys, n, values));
    end_refreshes(batch->load.store, values, n, order, batch->flights);
    return settle_some(keys, values, order, n);
}

/* Call load_many until no key is left to be tried again. What is known is settled before the pause, so that who
 * waits for one key does not wait for others; what comes last is left to the caller, who tells the breaker first. */
static void call_together(struct ms_load_batch *batch, struct attempts *attempts)
{
    size_t known = 0;

    while ((known += call_for_rest(batch, attempts, known)) < batch->n) {
        settle_up_to(batch, known);
        const size_t left = batch->n - known;
        const int status = wait_for_next(attempts, left);
        if (status != MEMSTORE_OK) {
            tell_each(batch->load.store, batch->values + known, left, status);
            return;
        }
    }
}

void ms_load_call_many(struct ms_load_batch *batch)
{
    const struct ms_load *load = &batch->load;
    struct attempts attempts = attempts_of(load, false);
    const bool together = load->loader->load_many != NULL;
    int status = MS_LOAD_REFUSED;

    if (!together || ms_load_may_call(load->store, loader_of(load)))
        status = ms_load_take_bytes(load->store, batch->n, attempts.until, false);
    if (status != MEMSTORE_OK) {
        tell_each(load->store, batch->values, batch->n, status);
    } else if (together) {
        call_together(batch, &attempts);
        note_results(load, batch->values, batch->n);
    } else {
        call_each(batch);
    }
    settle_up_to(batch, batch->n);
}
