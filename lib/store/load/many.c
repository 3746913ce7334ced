/* SPDX-License-Identifier: Apache-2.0 */
/* Several keys: what is missing is loaded by one call of the loader. Flights that this thread leads
 * are ended before any other is waited for, so that two calls that share keys never wait for each
 * other; and each as soon as it is known what its key has come to, so that who waits for one key does
 * not wait for the others. The caller gets his views at the end: where those are bounded, they would
 * take the place of the loader of the rest. */
#include "store/load/many.h"

#include "store/load/call.h"
#include "store/load/place.h"
#include "store/load/load.h"
#include "store/read/many.h"
#include "store/read/view.h"

#include "platform/mem.h"

/* What a key that was loaded has come to, until it is handed out; what there is to see is pinned meanwhile in the
 * caller's view, which has no place yet. */
struct settled {
    int status;
    int stored; /* what became of the value in the store */
};

/* A call on its way. */
struct gathering {
    memstore *store;
    const memstore_loader *loader;
    const memstore_key *asked;
    size_t n;
    memstore_view *views;
    int64_t deadline_us;
    struct ms_load_batch led;  /* by this thread */
    size_t *indices;           /* of what is led, as its flights are in order; */
    struct settled *settled;   /* likewise */
    size_t old;                /* views of what is there and led, until it is settled */
    struct ms_flight **joined; /* by the index of the key; NULL where none is waited for */
    int *unlooked; /* likewise, why it was not looked whether its value is there; or OK */
    int status;    /* of the failed key with the lowest index */
    size_t failed; /* that index */
    struct ms_load_outcome *outcome;
};

/* Note what a key came to, unless its value is there after all. */
static void note_status(struct gathering *gathering, size_t index, int status)
{
    if (status == MEMSTORE_ERR_LOCK_TIMEOUT)
        status = ms_load_look_again(gathering->store, &gathering->asked[index],
                                    &gathering->views[index]);
    if (gathering->outcome->statuses != NULL)
        gathering->outcome->statuses[index] = status;
    if (status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND ||
        (gathering->status != MEMSTORE_OK && gathering->failed < index))
        return;
    gathering->status = status;
    gathering->failed = index;
}

/* A value is given out that the store did not take. */
static void note_refusal(struct gathering *gathering, int status)
{
    if (gathering->outcome->refused++ == 0)
        gathering->outcome->refusal = status;
}

static struct ms_load load_of(const struct gathering *gathering, size_t index)
{
    const memstore_key *key = &gathering->asked[index];

    return (struct ms_load){.store = gathering->store,
                            .key = *key,
                            .hash = ms_store_hash(gathering->store, key->data, key->size),
                            .loader = gathering->loader,
                            .deadline_us = gathering->deadline_us};
}

static bool allocate(struct gathering *gathering)
{
    struct ms_load_batch *led = &gathering->led;
    const size_t n = gathering->n;

    led->keys = ms_mem_alloc(n * sizeof *led->keys);
    led->values = ms_mem_alloc(n * sizeof *led->values);
    led->order = ms_mem_alloc(n * sizeof *led->order);
    led->flights = ms_mem_alloc(n * sizeof(struct ms_flight *));
    gathering->indices = ms_mem_alloc(n * sizeof *gathering->indices);
    gathering->settled = ms_mem_alloc(n * sizeof *gathering->settled);
    gathering->joined = ms_mem_alloc(n * sizeof(struct ms_flight *));
    gathering->unlooked = ms_mem_alloc(n * sizeof *gathering->unlooked);
    return led->keys != NULL && led->values != NULL && led->order != NULL && led->flights != NULL &&
           gathering->indices != NULL && gathering->settled != NULL && gathering->joined != NULL &&
           gathering->unlooked != NULL;
}

static void free_all(struct gathering *gathering)
{
    ms_mem_free(gathering->led.keys);
    ms_mem_free(gathering->led.values);
    ms_mem_free(gathering->led.order);
    ms_mem_free(gathering->led.flights);
    ms_mem_free(gathering->indices);
    ms_mem_free(gathering->settled);
    ms_mem_free(gathering->joined);
    ms_mem_free(gathering->unlooked);
}

/* The store is not asked, or cannot be: `status` says why. */
static void load_aside(struct gathering *gathering, size_t index, int status)
{
    const struct ms_load load = load_of(gathering, index);
    const int result = ms_load_aside(&load, status, &gathering->views[index]);

    note_status(gathering, index, result);
    if (result == MEMSTORE_OK)
        note_refusal(gathering, status);
}

/* ---- Joining ---- */

static void note_for_loader(struct gathering *gathering, size_t index, struct ms_flight *flight)
{
    struct ms_load_batch *led = &gathering->led;

    led->keys[led->n] = gathering->asked[index];
    led->order[led->n] = led->n;
    gathering->indices[led->n] = index;
    led->flights[led->n++] = flight;
}

static bool is_old(const struct gathering *gathering, size_t index)
{
    return ms_load_is_old(gathering->store, gathering->asked[index].size, &gathering->views[index]);
}

/* What is there and old is loaded along with what is not there. */
static void refresh(struct gathering *gathering, size_t index)
{
    const struct ms_load load = load_of(gathering, index);
    struct ms_flight *flight;

    if (!ms_load_begin_refresh(&load, 0, &flight, &gathering->views[index]))
        return;
    note_for_loader(gathering, index, flight);
    gathering->old++;
}

/* A flight of one's own: end it if the key has come meanwhile, else note it for the loader. */
static void lead(struct gathering *gathering, size_t index, struct ms_flight *flight)
{
    const struct ms_load load = load_of(gathering, index);
    memstore_view view;
    int status = ms_load_recheck(load.store, &load.key, load.hash, &view);

    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_KEY_NOT_FOUND &&
        ms_load_bypasses(load.store)) {
        ms_flight_overtake(flight);
        gathering->unlooked[index] = status;
        status = MEMSTORE_ERR_KEY_NOT_FOUND;
    }
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND) {
        note_for_loader(gathering, index, flight);
        return;
    }
    status = ms_load_finish_found(load.store, flight, status, &view, &gathering->views[index]);
    note_status(gathering, index, status);
}

static void join(struct gathering *gathering, size_t index)
{
    const struct ms_load load = load_of(gathering, index);
    const struct ms_flight_call call = {.key = load.key, .hash = load.hash};
    struct ms_flight *flight;
    int status;

    if (load.key.size > MS_KEY_SIZE_MAX) {
        load_aside(gathering, index, MEMSTORE_ERR_ENTRY_TOO_LARGE);
        return;
    }
    switch (ms_load_join(load.store, &call, &flight, &status)) {
    case MS_JOINED_AS_LEADER:
        lead(gathering, index, flight);
        break;
    case MS_JOINED:
        gathering->joined[index] = flight;
        break;
    case MS_JOINED_ABSENCE:
        ms_count(&load.store->counters, MS_COUNT_ABSENT_SERVED, 1);
        note_status(gathering, index, MEMSTORE_ERR_KEY_NOT_FOUND);
        break;
    case MS_JOINED_CLOSED:
        load_aside(gathering, index, MEMSTORE_ERR_CACHE_CLOSED);
        break;
    case MS_JOINED_NOT:
    case MS_JOINED_NO_MEMORY:
        load_aside(gathering, index, status);
        break;
    }
}

/* ---- Loading and waiting ---- */

/* As ms_load_refresh(): what is old has given the loader its place, until then. */
static void give_back_old(struct gathering *gathering, size_t index)
{
    ms_view_give_back(&gathering->views[index]);
    gathering->led.load.holds_view = --gathering->old != 0;
}

/* End a flight: its value is the store's, and of those who wait; and the caller's for later. */
static void settle(struct ms_load_batch *led, size_t i)
{
    struct gathering *gathering = led->context;
    const size_t at = led->order[i];
    const size_t index = gathering->indices[at];
    const memstore_load_value *value = &led->values[i];
    struct settled settled = {.stored = MEMSTORE_OK};

    if (led->flights[at]->refreshes)
        give_back_old(gathering, index);
    settled.status = ms_load_settle(led->flights[at], value->result, value,
                                    &gathering->views[index], &settled.stored);
    if (value->result == MEMSTORE_LOAD_OK)
        ms_load_release(gathering->store, value);
    ms_load_drop(led->flights[at]);
    gathering->settled[at] = settled;
}

/* Give the caller what was settled. */
static void hand_out(struct gathering *gathering, size_t at)
{
    const size_t index = gathering->indices[at];
    memstore_view view = gathering->views[index];
    int status = gathering->settled[at].status;
    int stored = gathering->settled[at].stored;

    gathering->views[index] = (memstore_view){0};
    if (status == MEMSTORE_OK)
        status = ms_load_hand_out(gathering->store, &view, &gathering->views[index]);
    ms_view_give_back(&view);
    note_status(gathering, index, status);
    /* What was overtaken is not missing: somebody wrote it, unless it was not looked for. */
    if (stored == MEMSTORE_ERR_VERSION_MISMATCH)
        stored = gathering->unlooked[index];
    if (status == MEMSTORE_OK && stored != MEMSTORE_OK)
        note_refusal(gathering, stored);
}

static void load_led(struct gathering *gathering)
{
    struct ms_load_batch *led = &gathering->led;

    if (led->n == 0)
        return;
    led->load = (struct ms_load){
        .store = gathering->store, .loader = gathering->loader, .holds_view = gathering->old != 0};
    led->settle = settle;
    led->context = gathering;
    ms_load_call_many(led);
    ms_load_done(gathering->store);
    for (size_t i = 0; i < led->n; i++)
        hand_out(gathering, i);
}

static void await_joined(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->n; i++) {
        if (gathering->joined[i] == NULL)
            continue;
        const struct ms_load load = load_of(gathering, i);
        int status = ms_load_await(&load, gathering->joined[i], &gathering->views[i]);
        /* Rare: the lease of another was lost. */
        if (status == MS_FLIGHT_LAPSED)
            status =
                ms_load_get(gathering->store, &load.key, gathering->loader, &gathering->views[i]);
        note_status(gathering, i, status);
    }
}

/* What is there is given though it is old. */
static int without_memory(const struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->n; i++) {
        if (gathering->views[i].data == NULL)
            return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    return MEMSTORE_OK;
}

static int load_missing(struct gathering *gathering)
{
    if (!allocate(gathering)) {
        free_all(gathering);
        return without_memory(gathering);
    }
    for (size_t i = 0; i < gathering->n; i++) {
        if (gathering->views[i].data == NULL)
            join(gathering, i);
        else if (is_old(gathering, i))
            refresh(gathering, i);
    }
    load_led(gathering);
    await_joined(gathering);
    free_all(gathering);
    return gathering->status;
}

/* The store cannot be read: ask for each key beside it. */
static int load_all_aside(struct gathering *gathering, int status)
{
    for (size_t i = 0; i < gathering->n; i++) {
        if (status != MEMSTORE_ERR_LOCK_TIMEOUT ||
            ms_load_look_again(gathering->store, &gathering->asked[i], &gathering->views[i]) !=
                MEMSTORE_OK)
            load_aside(gathering, i, status);
    }
    return gathering->status;
}

static bool any_is_old(const struct gathering *gathering)
{
    bool old = false;

    for (size_t i = 0; i < gathering->n && !old; i++)
        old = is_old(gathering, i);
    return old;
}

int ms_load_get_many(memstore *store, const memstore_key *keys, size_t n,
                     const memstore_loader *loader, memstore_view *out, size_t *found,
                     struct ms_load_outcome *outcome)
{
    struct gathering gathering = {
        .store = store, .loader = loader, .asked = keys, .n = n, .views = out, .outcome = outcome};

    outcome->refused = 0;
    outcome->refusal = MEMSTORE_OK;
    for (size_t i = 0; outcome->statuses != NULL && i < n; i++)
        outcome->statuses[i] = MEMSTORE_OK;
    int status = (ms_store_diverts(store) & MS_DIVERT_VIEWS) != 0
                     ? ms_admission_get_many(store, keys, n, out, found)
                     : ms_store_get_many(store, keys, n, out, found);

    if (status == MEMSTORE_OK && *found == n && !any_is_old(&gathering))
        return status;
    gathering.deadline_us = loader->wait_ms == 0 ? INT64_MAX : ms_load_deadline(loader->wait_ms);
    status = status == MEMSTORE_OK ? load_missing(&gathering) : load_all_aside(&gathering, status);
    *found = 0;
    for (size_t i = 0; i < n; i++) {
        if (status != MEMSTORE_OK)
            ms_view_give_back(&out[i]);
        *found += out[i].data != NULL;
    }
    return status;
}
