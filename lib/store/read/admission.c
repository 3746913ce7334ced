/* SPDX-License-Identifier: Apache-2.0 */
#include "store/read/admission.h"

#include "store/calls.h"
#include "store/maintenance.h"
#include "store/read/many.h"
#include "store/read/read.h"
#include "store/read/view.h"
#include "store/store.h"

/* Not a status: more was found than there were places for. */
#define LOOK_AGAIN 1

uint8_t ms_admission_diverts(const struct ms_settings *settings)
{
    return (uint8_t)((settings->max_concurrent_readers != 0 ? MS_DIVERT_VIEWS : 0) |
                     (settings->max_concurrent_writers != 0 ? MS_DIVERT_WRITERS : 0) |
                     (settings->track_operation_latency ? MS_DIVERT_MEASURED : 0));
}

uint64_t ms_admission_overhead(const struct ms_settings *settings)
{
    return settings->max_concurrent_readers * sizeof(struct ms_view_pass);
}

void ms_admission_init(struct ms_admission *admission, const struct ms_settings *settings)
{
    ms_gate_init(&admission->views, settings->max_concurrent_readers);
    ms_gate_init(&admission->writers, settings->max_concurrent_writers);
    ms_view_passes_init(&admission->passes);
}

void ms_admission_fini(struct ms_admission *admission)
{
    ms_view_passes_fini(&admission->passes);
    ms_gate_fini(&admission->writers);
    ms_gate_fini(&admission->views);
}

void ms_admission_close(struct ms_admission *admission)
{
    ms_gate_close(&admission->views);
    ms_gate_close(&admission->writers);
}

int ms_admission_status(enum ms_gate_result result)
{
    switch (result) {
    case MS_GATE_ENTERED:
        return MEMSTORE_OK;
    case MS_GATE_TIMED_OUT:
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    case MS_GATE_CLOSED:
        return MEMSTORE_ERR_CACHE_CLOSED;
    }
    return MEMSTORE_ERR_INVALID_ARGUMENT;
}

/* ---- Views ---- */

static struct ms_admission *admission_of(const struct ms_view_pass *pass)
{
    return (struct ms_admission *)((char *)pass->owner - offsetof(struct ms_admission, passes));
}

void ms_admission_release(memstore_view *view)
{
    struct ms_view_pass *pass = ms_view_pass_withdraw(view);
    struct ms_admission *admission = admission_of(pass);
    const bool is_counted = pass->holder != 0;

    ms_view_pass_put(pass);
    /* The place comes last, so that never more is pinned than there are places. */
    ms_view_release(view);
    if (is_counted)
        ms_gate_leave(&admission->views, 1);
}

/* Wait for places. As a call in flight, so that closing the store waits for it in turn. */
static int wait_for_places(memstore *store, uint64_t n, int64_t deadline_us)
{
    struct ms_gate *gate = &store->admission.views;
    int status = ms_store_enter(store);

    if (status == MEMSTORE_OK) {
        status = n <= gate->places
                     ? ms_admission_status(ms_gate_enter(gate, (uint32_t)n, deadline_us))
                     : MEMSTORE_ERR_LOCK_TIMEOUT;
        ms_store_leave(store);
    }
    return status;
}

/* A view was asked for, and there is no such key. */
static void note_miss(memstore *store, const void *key, size_t key_size)
{
    ms_store_tick(store, ms_count(&store->counters, MS_COUNT_READS, 1));
    ms_count(&store->counters, MS_COUNT_MISSES, 1);
    if (ms_unlikely((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0))
        ms_track_any_read(store, key, key_size, MEMSTORE_ERR_KEY_NOT_FOUND, 0);
}

/* Take a place for a view of the key: OK; or KEY_NOT_FOUND, counted as a miss, when there is
 * nothing to be waited for. */
static int enter_for_key(memstore *store, const void *key, size_t key_size)
{
    if (ms_likely(ms_gate_try_enter(&store->admission.views, 1)))
        return MEMSTORE_OK;

    const int status = ms_store_has(store, key, key_size);
    if (status == MEMSTORE_OK)
        return wait_for_places(store, 1, ms_store_deadline(store));
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        note_miss(store, key, key_size);
    return status;
}

int ms_admission_get_view(memstore *store, const void *key, size_t key_size, memstore_view *out)
{
    struct ms_admission *admission = &store->admission;
    int status = enter_for_key(store, key, key_size);

    if (status != MEMSTORE_OK)
        return status;
    struct ms_view_pass *pass = ms_view_pass_take(&admission->passes);
    if (pass != NULL)
        status = ms_store_get_view(store, key, key_size, out);
    else
        status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    if (status == MEMSTORE_OK) {
        ms_view_pass_give(pass, out);
        return MEMSTORE_OK;
    }
    if (pass != NULL)
        ms_view_pass_put(pass);
    ms_gate_leave(&admission->views, 1);
    return status;
}

int ms_admission_hold(memstore *store, memstore_view *view)
{
    struct ms_admission *admission = &store->admission;
    int status = wait_for_places(store, 1, ms_store_deadline(store));

    if (status != MEMSTORE_OK)
        return status;
    struct ms_view_pass *pass = ms_view_pass_take(&admission->passes);
    if (pass == NULL) {
        ms_gate_leave(&admission->views, 1);
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    ms_view_pass_give(pass, view);
    return MEMSTORE_OK;
}

/* A get_many on its way. */
struct taking {
    memstore *store;
    const memstore_key *keys;
    size_t n;
    memstore_view *views;
    size_t found;
    size_t places; /* taken */
};

/* Take places for the views to come: for all keys, if that needs no waiting, else for those that
 * are there. */
static int enter_for_keys(struct taking *taking, int64_t deadline_us)
{
    memstore *store = taking->store;
    size_t present = 0;

    taking->places = taking->n;
    if (taking->n <= store->admission.views.places &&
        ms_gate_try_enter(&store->admission.views, (uint32_t)taking->n))
        return MEMSTORE_OK;
    /* The memory of the views to come has room for a flag a key. */
    const int status =
        ms_store_has_many(store, taking->keys, taking->n, (unsigned char *)taking->views, &present);
    taking->places = present;
    if (status != MEMSTORE_OK || present == 0)
        return status;
    return wait_for_places(store, present, deadline_us);
}

static void leave_places(struct taking *taking, size_t keep)
{
    if (taking->places > keep)
        ms_gate_leave(&taking->store->admission.views, (uint32_t)(taking->places - keep));
}

static void drop_views(struct taking *taking)
{
    for (size_t i = 0; i < taking->n; i++)
        ms_view_give_back(&taking->views[i]);
}

/* Look up with places taken: OK; or LOOK_AGAIN when more was found than there are places for,
 * because entries came meanwhile. */
static int look_up(struct taking *taking)
{
    const int status = ms_store_get_many_up_to(taking->store, taking->keys, taking->n,
                                               taking->places, taking->views, &taking->found);

    return status == MEMSTORE_OK && taking->found > taking->places ? LOOK_AGAIN : status;
}

/* Give each view a pass. The places without one are left. */
static int give_passes(struct taking *taking)
{
    struct ms_admission *admission = &taking->store->admission;
    size_t given = 0;
    int status = MEMSTORE_OK;

    for (size_t i = 0; i < taking->n && status == MEMSTORE_OK; i++) {
        struct ms_view_pass *pass = NULL;

        if (taking->views[i].pin == NULL)
            continue;
        pass = ms_view_pass_take(&admission->passes);
        if (pass == NULL) {
            status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
        } else {
            ms_view_pass_give(pass, &taking->views[i]);
            given++;
        }
    }
    leave_places(taking, given);
    if (status != MEMSTORE_OK)
        drop_views(taking);
    return status;
}

int ms_admission_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                          size_t *found)
{
    struct taking taking = {.store = store, .keys = keys, .n = n, .views = out};
    const int64_t deadline = ms_store_deadline(store);
    int status;

    if (n == 0)
        return ms_store_get_many(store, keys, n, out, found);
    do {
        status = enter_for_keys(&taking, deadline);
        if (status != MEMSTORE_OK) {
            memset(out, 0, n * sizeof *out);
            return status;
        }
        status = look_up(&taking);
        if (status != MEMSTORE_OK)
            leave_places(&taking, 0);
    } while (status == LOOK_AGAIN);

    if (status == MEMSTORE_OK)
        status = give_passes(&taking);
    if (status == MEMSTORE_OK)
        *found = taking.found;
    return status;
}

/* ---- Loads ---- */

int ms_admission_enter_load(memstore *store)
{
    return ms_admission_status(ms_gate_enter(&store->admission.views, 1, ms_store_deadline(store)));
}

void ms_admission_leave_load(memstore *store)
{
    ms_gate_leave(&store->admission.views, 1);
}

/* ---- Writers ---- */

int ms_admission_enter_writer(memstore *store)
{
    struct ms_gate *gate = &store->admission.writers;

    if (ms_likely(ms_gate_try_enter(gate, 1)))
        return MEMSTORE_OK;
    /* Those at work may be waiting for a grace period from the maintenance thread. */
    if (ms_maintenance_is_me())
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    return ms_admission_status(ms_gate_enter(gate, 1, ms_store_deadline(store)));
}

void ms_admission_leave_writer(memstore *store)
{
    ms_gate_leave(&store->admission.writers, 1);
}

/* ---- fork ---- */

void ms_admission_forget_threads(struct ms_admission *admission, uint32_t loads)
{
    ms_gate_forget_threads(&admission->writers, 0);
    ms_gate_forget_threads(&admission->views, ms_view_passes_recount(&admission->passes) + loads);
}
