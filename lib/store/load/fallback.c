/* SPDX-License-Identifier: Apache-2.0 */
/* When a load failed, or says that there is nothing: what becomes of the value that is there, or was
 * until it expired. */
#include "store/load/load.h"
#include "store/lookup.h"
#include "store/read/view.h"
#include "store/track/follow.h"
#include "store/watch/notify.h"
#include "store/write/write.h"
#include "store/write/writing.h"

/* Whether what was to expire then may be given now, which is counted when it has expired. */
static bool may_serve(memstore *store, const struct ms_flight *flight, int64_t expiry)
{
    const int64_t max_stale = ms_setting_of(&store->settings, load_max_stale);

    if (!ms_has_expired(expiry))
        return true;
    if (ms_flight_is_overtaken(flight) || ms_clock_exact_ms() - expiry >= max_stale)
        return false;
    ms_count(&store->counters, MS_COUNT_STALE_SERVED, 1);
    return true;
}

static bool find_locked(memstore *store, const struct ms_flight *flight, memstore_view *view)
{
    const memstore_key key = {flight->key, flight->key_size};
    struct ms_index_slot slot;
    struct ms_found found;

    if (!ms_lookup_find_slot(store, key.data, key.size, flight->hash, &slot, &found) &&
        (ms_flight_is_overtaken(flight) || !ms_stale_find(store, &key, flight->hash, &found)))
        return false;
    if (!may_serve(store, flight, ms_found_expiry(&found)))
        return false;
    ms_view_of(store, &found, view);
    return true;
}

/* Begin to look at the key of a flight: its shard is locked. */
static int begin(memstore *store, const struct ms_flight *flight)
{
    int status = ms_writing_begin_to_look(store, flight->key, flight->key_size);

    if (status != MEMSTORE_OK)
        return status;
    status = ms_store_lock_shard(store, flight->hash);
    if (status != MEMSTORE_OK)
        ms_writing_end(store);
    return status;
}

static void end(memstore *store, const struct ms_flight *flight)
{
    ms_mutex_unlock(ms_store_shard_lock(store, flight->hash));
    ms_writing_end(store);
}

static bool find(memstore *store, const struct ms_flight *flight, memstore_view *view)
{
    if ((!flight->refreshes && ms_setting_of(&store->settings, load_max_stale) == 0) ||
        begin(store, flight) != MEMSTORE_OK)
        return false;
    const bool found = find_locked(store, flight, view);
    end(store, flight);
    return found;
}

/* Whether what was to be refreshed may be given still, wherever it has gone; by the expiry that it had last. Asks
 * for no lock: who waits has joined before the flight was overtaken, and what there was then serves him. */
static bool keep_old(memstore *store, const struct ms_flight *flight, const memstore_view *old)
{
    return old->pin != NULL && !ms_flight_is_overtaken(flight) &&
           may_serve(store, flight, ms_load_relaxed(&flight->old_expiry));
}

bool ms_load_fall_back(memstore *store, const struct ms_flight *flight, memstore_view *old,
                       memstore_view *view)
{
    const bool found = find(store, flight, view);

    if (!found && keep_old(store, flight, old)) {
        *view = *old;
        return true;
    }
    ms_view_give_back(old);
    return found;
}

/* False when the load was overtaken, and nothing is removed. */
static bool remove_locked(memstore *store, const struct ms_flight *flight)
{
    const memstore_key key = {flight->key, flight->key_size};
    struct ms_index_slot slot;
    struct ms_found found;

    ms_news_note(&store->news, flight->hash);
    if (ms_flight_is_overtaken(flight))
        return false;
    if (!ms_lookup_find_slot(store, key.data, key.size, flight->hash, &slot, &found)) {
        ms_stale_forget(store, &key, flight->hash);
        return true;
    }
    const bool live = !ms_has_expired(ms_found_expiry(&found));
    ms_index_remove(&store->index, flight->hash, &slot);
    ms_notify_removal(store, &found, ms_removal_kind(live, MEMSTORE_EVENT_DELETED));
    ms_store_entry_died(store, &found);
    ms_count(&store->counters, live ? MS_COUNT_DELETES : MS_COUNT_EXPIRATIONS, 1);
    return true;
}

/* What has expired goes also while `loader.max_stale` is 0: it may be something else by the time of a load that
 * fails. */
bool ms_load_remove(memstore *store, const struct ms_flight *flight)
{
    const int status = begin(store, flight);

    if (status != MEMSTORE_OK) {
        ms_store_count_refusal(store, status);
        return false;
    }
    const bool removed = remove_locked(store, flight);
    ms_mutex_unlock(ms_store_shard_lock(store, flight->hash));
    /* Of a larger store, too, in which it may still have been. */
    if (removed && ms_track_follows(store, flight->hash))
        ms_track_delete(store, flight->hash);
    ms_writing_end(store);
    return true;
}
