/* SPDX-License-Identifier: Apache-2.0 */
/* Loading what is not there. A load goes through these steps:
 *
 *     look      a hit needs nothing of what follows, unless it is old (load.c, refresh.c)
 *     join      the key's flight, or begin one (loader/flights.h)
 *     recheck   the store, under the key's shard lock: FL-3 (load.c)
 *     call      the loader, again after LOAD_RETRY (call.c)
 *     settle    store the value, unless it was overtaken; or find an old one that may serve for a
 *               load that failed (fallback.c); end the flight (settle.c)
 *     hand out  the value, to the leader and to each who waits (settle.c)
 *
 * The value is handed out as the store's own bytes, pinned, even if it was not stored: then its
 * entry was dead from the start. Only what could not even be appended is copied to the heap
 * (loader/kept.h). No lock is held between two steps. */
#ifndef MS_STORE_LOAD_LOAD_H
#define MS_STORE_LOAD_LOAD_H

#include "store/store.h"

/* What a caller asked for. */
struct ms_load {
    memstore *store;
    memstore_key key;
    uint64_t hash;
    const memstore_loader *loader;
    int64_t deadline_us; /* for waiting, in ms_clock_real_us() */
    bool refreshes;      /* the key is there: one attempt */
    bool holds_view;     /* of an old value, over the call of the loader */
};

/* Not a status, but what a call comes to while the loader's breaker is open: nothing was called. */
#define MS_LOAD_REFUSED 4

/* The loader that stands for all leases. */
#define MS_LOADER_OF_LEASES 0

/* How long room is made for a refresh, in microseconds: there is a value meanwhile; and how long nobody
 * tries again where none could be made. */
#define MS_REFRESH_PATIENCE_US INT64_C(10000)
#define MS_REFRESH_PAUSE_US INT64_C(200000)

static inline bool ms_load_bypasses(const memstore *store)
{
    return ms_setting_of(&store->settings, load_on_store_error) == MS_STORE_ERROR_BYPASS;
}

static inline bool ms_load_refreshes_wait(const memstore *store)
{
    return ms_clock_real_us() < ms_load_relaxed(&store->refreshes_wait_until);
}

static inline memstore *ms_load_store_of(const struct ms_flight *flight)
{
    return (memstore *)((char *)flight->flights - offsetof(memstore, flights));
}

/* When a wait of this many milliseconds from now ends, in ms_clock_real_us(). */
static inline int64_t ms_load_deadline(int64_t wait_ms)
{
    const int64_t now = ms_clock_real_us();

    return wait_ms > (INT64_MAX - now) / 1000 ? INT64_MAX : now + wait_ms * 1000;
}

/* ---- load.c ---- */
int ms_load_get(memstore *store, const memstore_key *key, const memstore_loader *loader,
                memstore_view *out);
/* Overtake the loads of all keys that match a pattern: OK, LOCK_TIMEOUT or MEMORY_EXHAUSTED. */
int ms_load_overtake_matching(memstore *store, const char *pattern, size_t pattern_size);
/* As memstore_get_view(). */
int ms_load_look(memstore *store, const memstore_key *key, memstore_view *out);
/* For who got LOCK_TIMEOUT, which had to do with a place or with a load: give him the value if it is there
 * by now, waiting for nothing. Where there is no place for a view either it is a copy, as of what the store
 * cannot take; or LOCK_TIMEOUT. */
int ms_load_look_again(memstore *store, const memstore_key *key, memstore_view *out);
/* As ms_flights_join(), making room in the store for the flight; *status is why there is none where that
 * comes to MS_JOINED_NO_MEMORY. */
enum ms_joined ms_load_join(memstore *store, const struct ms_flight_call *call,
                            struct ms_flight **out, int *status);
/* See FL-3: OK with a view when somebody has written the key meanwhile, KEY_NOT_FOUND, LOCK_TIMEOUT
 * or CACHE_CLOSED. */
int ms_load_recheck(memstore *store, const memstore_key *key, uint64_t hash, memstore_view *found);
/* Call the loader for a caller whom the store failed with `status`, and give him the value without
 * storing it; or the status. */
int ms_load_aside(const struct ms_load *load, int status, memstore_view *out);
/* Wait for a flight, and give back the reference to it: its result, or MS_FLIGHT_LAPSED. */
int ms_load_await(const struct ms_load *load, struct ms_flight *flight, memstore_view *out);

/* ---- refresh.c ---- */
/* Whether what was found is to be loaded anew. */
bool ms_load_is_old(const memstore *store, size_t key_size, const memstore_view *view);
/* Load what is old anew, unless somebody is at it; *out shows it, and then what there is. */
int ms_load_refresh(const struct ms_load *load, memstore_view *out);
/* Begin to refresh: true with a flight, of a lease when `lease_until` is not 0. When the key has been
 * written meanwhile there is none, and *out shows that. A flight that the caller leads has the old value
 * pinned, for those whom its failure leaves without one when that is evicted meanwhile; a lease, which may
 * be out for long and was given along with the value, pins nothing. */
bool ms_load_begin_refresh(const struct ms_load *load, int64_t lease_until,
                           struct ms_flight **flight, memstore_view *out);

/* ---- fallback.c ---- */
/* Find what may be given to those whose load has failed: what is there, or, unless the load was
 * overtaken, what was to be refreshed and has been evicted since, `old`, or what has expired within
 * `loader.max_stale`. *old is given back or becomes *view. */
bool ms_load_fall_back(memstore *store, const struct ms_flight *flight, memstore_view *old,
                       memstore_view *view);
/* The loader says that there is no such key: remove what is there or kept, unless the load was
 * overtaken. False when a lock could not be had. */
bool ms_load_remove(memstore *store, const struct ms_flight *flight);

/* ---- settle.c ---- */
/* What was loaded, or found not to exist, is newer than a snapshot also where nothing of that has come to the
 * store. */
void ms_load_note_news(memstore *store, size_t key_size, uint64_t hash);
/* End a flight that the caller leads as its load went: `result` is of ms_load_call(). When it failed, or
 * when the store cannot take what was loaded anew, the value may be an old one. Returns what the leader
 * gets, with the value in *view, to be released by the caller; those who wait get that, too, unless they
 * look again, as his own bound was over. *stored is what became of a loaded value in the store, and may be NULL. */
int ms_load_settle(struct ms_flight *flight, int result, const memstore_load_value *value,
                   memstore_view *view, int *stored);
/* Count a load that failed; the status that this is to callers. */
int ms_load_count_failure(memstore *store, int result);
/* Give a caller a view of his own: waits for a pass where views are bounded. */
int ms_load_hand_out(memstore *store, const memstore_view *view, memstore_view *out);
/* The end of a flight for the one who led it: give him the value in *view, if `status` is OK, then give
 * back *view and the reference to the flight. Returns what he gets. */
int ms_load_finish(memstore *store, struct ms_flight *flight, int status, memstore_view *view,
                   memstore_view *out);
/* The same, with the flight ended here by what was found in the store instead of loaded. */
int ms_load_finish_found(memstore *store, struct ms_flight *flight, int status, memstore_view *view,
                         memstore_view *out);
/* Keep a value that the store cannot take, or give `status` when that cannot be either. */
int ms_load_keep(memstore *store, const memstore_load_value *value, int status, memstore_view *out);
/* Give a reference to a flight back. */
void ms_load_drop(struct ms_flight *flight);

#endif
