/* SPDX-License-Identifier: Apache-2.0 */
#include "store/load/place.h"

#include "store/calling.h"
#include "store/calls.h"
#include "store/load/load.h"
#include "store/store.h"
#include "store/write/outcome.h"

/* The loaders that this thread is in. One that is called meanwhile takes no place: it would wait for
 * another's. */
static __thread struct ms_calling *inside;
static __thread struct ms_load_held held; /* by this thread, for all of them */

uint32_t ms_load_places_held(const memstore *store)
{
    return held.place_of == store;
}

uint32_t ms_load_readers_held(const memstore *store)
{
    return held.reader_of == store;
}

uint32_t ms_load_bytes_held(const memstore *store)
{
    return held.bytes_of == store ? held.bytes : 0;
}

bool ms_load_is_calling(const memstore *store)
{
    return ms_calling_count(inside, store) != 0;
}

uint32_t ms_load_byte_places(const struct ms_settings *settings)
{
    const uint64_t places = (settings->load_max_load_bytes + 1023) / 1024;

    return places < INT32_MAX ? (uint32_t)places : INT32_MAX;
}

int64_t ms_load_patience(const memstore *store)
{
    const int64_t timeout = ms_setting_of(&store->settings, load_timeout);

    return timeout == 0 ? INT64_MAX : ms_clock_exact_ms() + timeout;
}

/* Such a time in ms_clock_real_us(). */
static int64_t deadline_of(int64_t until)
{
    return until == INT64_MAX ? INT64_MAX
                              : ms_clock_real_us() + (until - ms_clock_exact_ms()) * 1000;
}

/* So many places for bytes, for `n` keys: OK, LOCK_TIMEOUT or CACHE_CLOSED. */
static int take_bytes(memstore *store, uint32_t bytes, size_t n, int64_t until)
{
    const int status = ms_admission_status(
        ms_gate_enter_asking(&store->load_bytes_gate, bytes, deadline_of(until)));

    if (status == MEMSTORE_OK) {
        held.bytes_of = store;
        held.bytes = bytes;
        held.bytes_calls = ms_calls_back(store);
    } else if (status == MEMSTORE_ERR_LOCK_TIMEOUT && !ms_store_gave_up(status)) {
        ms_count(&store->counters, MS_COUNT_LOADS_WITHOUT_BYTES, n);
    }
    return status;
}

static void give_bytes(memstore *store)
{
    held.bytes_of = NULL;
    ms_gate_leave(&store->load_bytes_gate, held.bytes);
}

/* Who waits among those who hold views lets others have his bytes meanwhile: one who holds a view, as of the old
 * value that he loads anew, may be waiting for them. */
static int wait_for_reader(memstore *store, size_t n, int64_t until)
{
    const uint32_t bytes = ms_load_bytes_held(store), calls = held.bytes_calls;

    if (bytes == 0)
        return ms_admission_enter_load(store);
    if (ms_gate_try_enter(&store->admission.views, 1))
        return MEMSTORE_OK;
    give_bytes(store);
    int status = ms_admission_enter_load(store);
    if (status != MEMSTORE_OK)
        return status;
    status = take_bytes(store, bytes, n, until);
    if (status == MEMSTORE_OK)
        held.bytes_calls = calls;
    else
        ms_admission_leave_load(store);
    return status;
}

/* Among those who hold views or load: OK, LOCK_TIMEOUT or CACHE_CLOSED. Who holds the view of an old
 * value has his place by that. */
static int take_reader(const struct ms_load *load, size_t n, int64_t until)
{
    memstore *store = load->store;

    if (store->admission.views.places == 0 || load->holds_view)
        return MEMSTORE_OK;
    const int status = wait_for_reader(store, n, until);
    if (status == MEMSTORE_OK)
        held.reader_of = store;
    return status;
}

/* Among those who load, for `n` keys: the same. */
static int take_turn(memstore *store, size_t n, int64_t until)
{
    if (store->loads_gate.places == 0)
        return MEMSTORE_OK;
    const int status =
        ms_admission_status(ms_gate_enter_asking(&store->loads_gate, 1, deadline_of(until)));
    if (status == MEMSTORE_OK)
        held.place_of = store;
    else if (status == MEMSTORE_ERR_LOCK_TIMEOUT && !ms_store_gave_up(status))
        ms_count(&store->counters, MS_COUNT_LOADS_WITHOUT_PLACE, n);
    return status;
}

/* Which the last loader of the store keeps for all of its thread. */
static void leave_place(memstore *store)
{
    if (ms_load_is_calling(store))
        return;
    if (held.place_of == store) {
        held.place_of = NULL;
        ms_gate_leave(&store->loads_gate, 1);
    }
    if (held.reader_of == store) {
        held.reader_of = NULL;
        ms_admission_leave_load(store);
    }
}

/* What it takes to call a loader for `n` keys. A store that is closed bounds nothing. */
static int take_place(const struct ms_load *load, size_t n, int64_t until, bool closed)
{
    if (inside != NULL || closed)
        return MEMSTORE_OK;
    int status = take_reader(load, n, until);
    if (status != MEMSTORE_OK)
        return status;
    status = take_turn(load->store, n, until);
    if (status != MEMSTORE_OK)
        leave_place(load->store);
    return status;
}

int ms_load_enter(const struct ms_load *load, size_t n, int64_t until, bool closed,
                  struct ms_calling **noted)
{
    const int status = take_place(load, n, until, closed);

    if (status != MEMSTORE_OK)
        return status;
    *noted = ms_calling_begin(&inside, load->store);
    if (*noted != NULL)
        return MEMSTORE_OK;
    leave_place(load->store);
    return MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

void ms_load_leave(memstore *store, struct ms_calling *noted)
{
    ms_calling_end(&inside, noted);
    leave_place(store);
}

int ms_load_take_bytes(memstore *store, size_t n, int64_t until, bool closed)
{
    const uint32_t most = store->load_bytes_gate.places;

    if (most == 0 || inside != NULL || closed || held.bytes_of != NULL)
        return MEMSTORE_OK;
    const uint64_t each = ms_load_relaxed(&store->load_size) / 1024 + 1;

    return take_bytes(store, n < most && each < most / n ? (uint32_t)(n * each) : most, n, until);
}

void ms_load_done(memstore *store)
{
    if (held.bytes_of != store || ms_load_is_calling(store) ||
        ms_calls_back(store) > held.bytes_calls)
        return;
    give_bytes(store);
}

struct ms_load_held ms_load_lend(void)
{
    const struct ms_load_held lent = held;

    if (lent.place_of != NULL)
        ms_gate_leave(&lent.place_of->loads_gate, 1);
    if (lent.reader_of != NULL)
        ms_admission_leave_load(lent.reader_of);
    if (lent.bytes_of != NULL)
        ms_gate_leave(&lent.bytes_of->load_bytes_gate, lent.bytes);
    held = (struct ms_load_held){0};
    return lent;
}

/* Be in a gate again; who does not get in within loader.timeout goes on without. */
static bool enter_again(const memstore *store, struct ms_gate *gate, uint32_t n)
{
    return ms_gate_enter_asking(gate, n, deadline_of(ms_load_patience(store))) == MS_GATE_ENTERED;
}

void ms_load_take_back(const struct ms_load_held *lent)
{
    memstore *store;

    /* Bytes are not held while the place among those who hold views is waited for. */
    if ((store = lent->reader_of) != NULL && ms_admission_enter_load(store) == MEMSTORE_OK)
        held.reader_of = store;
    if ((store = lent->bytes_of) != NULL &&
        enter_again(store, &store->load_bytes_gate, lent->bytes)) {
        held.bytes_of = store;
        held.bytes = lent->bytes;
        held.bytes_calls = lent->bytes_calls;
    }
    if ((store = lent->place_of) != NULL && enter_again(store, &store->loads_gate, 1))
        held.place_of = store;
}

void ms_load_note_size(memstore *store, size_t size)
{
    /* The mean of the last few: one of eight parts is what has come now. */
    const uint64_t mean = ms_load_relaxed(&store->load_size);

    if (store->load_bytes_gate.places != 0)
        ms_store_relaxed(&store->load_size, mean == 0 ? size : mean - mean / 8 + size / 8);
}
