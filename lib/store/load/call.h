/* SPDX-License-Identifier: Apache-2.0 */
/* Calling loaders. */
#ifndef MS_STORE_LOAD_CALL_H
#define MS_STORE_LOAD_CALL_H

#include "store/load/load.h"

/* Call the loader until it says something else than LOAD_RETRY: LOAD_OK, LOAD_ABSENT,
 * MS_LOAD_REFUSED or the status of a failure. ms_load_done() is due once the value is released. */
int ms_load_call(const struct ms_load *load, bool closed, memstore_load_value *value);

/* Several keys, whose flights the caller leads: values[i] and its `result` are of what was keys[order[i]] and is
 * flights[order[i]]'s. */
struct ms_load_batch {
    struct ms_load load; /* of all of them; the keys that refresh are told by their flights */
    memstore_key *keys;
    memstore_load_value *values;
    size_t *order;
    struct ms_flight **flights;
    size_t n;
    size_t settled; /* so many of the first */
    /* Called once for each i, with its value to be released: as soon as it is known what it has come to, though
     * others are to be asked for again, since somebody may wait for it. May change `load.holds_view`. */
    void (*settle)(struct ms_load_batch *batch, size_t i);
    void *context;
};

/* As ms_load_call() for several keys, all of which are settled then. Those that refresh are tried once. */
void ms_load_call_many(struct ms_load_batch *batch);

/* Give a value back to its loader. */
void ms_load_release(memstore *store, const memstore_load_value *value);
/* Whether a loader may be called, as its breaker says; and how that went. */
bool ms_load_may_call(memstore *store, uint64_t loader);
void ms_load_note_success(memstore *store, uint64_t loader);
void ms_load_note_failure(memstore *store, uint64_t loader);

#endif
