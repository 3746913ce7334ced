/* SPDX-License-Identifier: Apache-2.0 */
/* Being in a loader, in turn where `loader.max_loads` bounds how many are called at once, and what a thread holds
 * meanwhile. */
#ifndef MS_STORE_LOAD_PLACE_H
#define MS_STORE_LOAD_PLACE_H

#include "config/settings.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_calling;
struct ms_load;

/* The time until which a load that begins now is tried, in ms_clock_exact_ms(). */
int64_t ms_load_patience(const memstore *store);
/* Begin to be in a loader that is called for `n` keys: OK and ms_load_leave() is due, or LOCK_TIMEOUT, CACHE_CLOSED,
 * MEMORY_EXHAUSTED. A store that is closed bounds nothing. */
int ms_load_enter(const struct ms_load *load, size_t n, int64_t until, bool closed,
                  struct ms_calling **noted);
void ms_load_leave(memstore *store, struct ms_calling *noted);
/* Take places for the bytes that `n` values are expected to have, none of them known yet: OK and ms_load_done() is
 * due, LOCK_TIMEOUT or CACHE_CLOSED. */
int ms_load_take_bytes(memstore *store, size_t n, int64_t until, bool closed);
/* A value of so many bytes was loaded: as many are expected of others. */
void ms_load_note_size(memstore *store, size_t size);
/* What was loaded takes no memory any more. */
void ms_load_done(memstore *store);
/* What a thread holds of what bounds loads, for a loader that it is in; of which stores, NULL = nothing. */
struct ms_load_held {
    memstore *place_of;  /* a place of `loader.max_loads`, */
    memstore *reader_of; /* one of `performance.max_concurrent_readers`, */
    memstore
        *bytes_of;  /* and those of `loader.max_load_bytes`, held until the value is released: */
    uint32_t bytes; /* so many KiB, */
    /* taken in so many functions of the caller's, of which `release` of a value that is counted may load, too */
    uint32_t bytes_calls;
};
/* The loader is about to wait for the load of another thread, which may be waiting for these. */
struct ms_load_held ms_load_lend(void);
void ms_load_take_back(const struct ms_load_held *lent);
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
