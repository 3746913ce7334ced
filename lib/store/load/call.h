/* SPDX-License-Identifier: Apache-2.0 */
/* Calling loaders, and what a thread holds while it is in one. */
#ifndef MS_STORE_LOAD_CALL_H
#define MS_STORE_LOAD_CALL_H

#include "store/load/load.h"

/* Call the loader until it says something else than LOAD_RETRY: LOAD_OK, LOAD_ABSENT,
 * MS_LOAD_REFUSED or the status of a failure. ms_load_done() is due once the value is released. */
int ms_load_call(const struct ms_load *load, bool closed, memstore_load_value *value);
/* The same for several keys, whose flights the caller leads: values[i] and its `result` are of what was
 * keys[order[i]] and is flights[order[i]]'s. Those that refresh are tried once. */
void ms_load_call_many(const struct ms_load *load, memstore_key *keys, size_t n,
                       memstore_load_value *values, size_t *order,
                       struct ms_flight *const *flights);
/* Give a value back to its loader. */
void ms_load_release(memstore *store, const memstore_load_value *value);
/* What was loaded takes no memory any more. */
void ms_load_done(memstore *store);
/* What a thread holds of what bounds loads, for a loader that it is in; of which stores, NULL = nothing. */
struct ms_load_held {
    memstore *place_of;  /* a place of `loader.max_loads`, */
    memstore *reader_of; /* one of `performance.max_concurrent_readers`, */
    memstore
        *bytes_of;  /* and those of `loader.max_load_bytes`, held until the value is released: */
    uint32_t bytes; /* so many KiB */
};
/* The loader is about to wait for the load of another thread, which may be waiting for these. */
struct ms_load_held ms_load_lend(void);
void ms_load_take_back(const struct ms_load_held *lent);
/* Whether a loader may be called, as its breaker says; and how that went. */
bool ms_load_may_call(memstore *store, uint64_t loader);
void ms_load_note_success(memstore *store, uint64_t loader);
void ms_load_note_failure(memstore *store, uint64_t loader);

/* The calling thread is in a loader that was called for this store. */
bool ms_load_is_calling(const memstore *store);
/* Places among `loader.max_loads` that the calling thread holds. */
uint32_t ms_load_places_held(const memstore *store);
/* The same of performance.max_concurrent_readers, for a loader that it is in; */
uint32_t ms_load_readers_held(const memstore *store);
/* The same of the KiB of `loader.max_load_bytes`, and how many those are. */
uint32_t ms_load_bytes_held(const memstore *store);
uint32_t ms_load_byte_places(const struct ms_settings *settings);

#endif
