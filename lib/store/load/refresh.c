/* SPDX-License-Identifier: Apache-2.0 */
/* Loading what is there and old anew: one caller does, the others are given what there is. */
#include "store/load/call.h"
#include "store/load/place.h"
#include "store/load/load.h"
#include "store/read/view.h"

bool ms_load_is_old(const memstore *store, size_t key_size, const memstore_view *view)
{
    const int64_t age = ms_setting_of(&store->settings, load_refresh_after);
    int64_t created;

    if (age == 0)
        return false;
    /* Whatever form the entry has, what is kept of it stands right before the key, the time first:
     * EN-4. */
    memcpy(&created, (const char *)view->data - key_size - store->kept, sizeof created);
    return ms_clock_exact_ms() - created >= age;
}

/* Pin the old value for the time of its refresh, with its expiry by the clock that nobody steps, unless a
 * change of its TTL has told another since the flight is listed. */
static void hold_old(struct ms_flight *flight, const memstore_view *view)
{
    int64_t unknown = 0;
    const int64_t expiry =
        view->expires_at_ms == 0 ? MS_NEVER : view->expires_at_ms - ms_clock_unix_offset_ms();

    flight->value = *view;
    ms_cas_relaxed(&flight->old_expiry, &unknown, expiry);
}

bool ms_load_begin_refresh(const struct ms_load *load, int64_t lease_until,
                           struct ms_flight **flight, memstore_view *out)
{
    memstore *store = load->store;
    const struct ms_flight_call call = {
        .key = load->key, .hash = load->hash, .lease_until = lease_until, .refreshes = true};
    memstore_view view, held;
    int status;

    if (ms_load_join(store, &call, flight, &status) != MS_JOINED_AS_LEADER)
        return false;
    /* FL-3: writes that come from now on overtake it. */
    status = ms_load_recheck(store, &load->key, load->hash, &view);
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND ||
        (status == MEMSTORE_OK && ms_load_is_old(store, load->key.size, &view))) {
        if (lease_until == 0)
            hold_old(*flight, &view);
        else
            ms_view_give_back(&view);
        return true;
    }
    status = ms_load_finish_found(store, *flight, status, &view, &held);
    if (status == MEMSTORE_OK) {
        ms_view_give_back(out);
        *out = held;
    }
    return false;
}

int ms_load_refresh(const struct ms_load *load, memstore_view *out)
{
    memstore *store = load->store;
    struct ms_flight *flight;
    memstore_load_value value;
    memstore_view view;

    if (!ms_load_begin_refresh(load, 0, &flight, out))
        return MEMSTORE_OK;
    struct ms_load once = *load;
    once.refreshes = true;
    once.holds_view = true;
    const int result = ms_load_call(&once, false, &value);
    /* Where views are bounded its place was that of the loader. */
    ms_view_give_back(out);
    const int status = ms_load_settle(flight, result, &value, &view, NULL);
    if (result == MEMSTORE_LOAD_OK)
        ms_load_release(store, &value);
    ms_load_done(store);
    return ms_load_finish(store, flight, status, &view, out);
}
