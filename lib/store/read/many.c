/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of several keys, consistent with batches.
 *
 * All keys are looked up as of one moment between batches. If no batch was being published when
 * the lookups began and none had begun when they ended, that is shown by two loads. Else the
 * batch sequences of the shards concerned are compared, and if batches keep coming, the shards
 * are locked. */
#include "store/read/many.h"

#include "store/lookup.h"
#include "store/read/quick.h"
#include "store/read/lookups.h"
#include "store/read/view.h"
#include "store/track/follow.h"
#include "store/write/slide.h"

#include "platform/mem.h"

#include <stdlib.h>

/* Attempts without a lock; after that writers are kept out. */
#define OPTIMISTIC_TRIES 8

/* ---- Consistency ---- */

/* Look up while no batch publishes anywhere. False when one did. */
static bool try_quiet(struct ms_lookups *lookups)
{
    memstore *store = lookups->store;
    /* ORDER: acquire; a batch raises `begun` before it touches a slot, so who has seen one of
     * its slots sees that too. */
    const uint64_t done = ms_load_acquire(&store->batches_done);
    const uint64_t begun = ms_load_acquire(&store->batches_begun);

    if (done != begun)
        return false;
    ms_lookups_run(lookups);
    return ms_load_acquire(&store->batches_begun) == begun;
}

static uint32_t shard_of(const struct ms_lookups *lookups, size_t i)
{
    const uint64_t hash =
        ms_store_hash(lookups->store, lookups->keys[i].data, lookups->keys[i].size);

    return ms_index_shard_of(&lookups->store->index, hash);
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The shards concerned, ascending, each once. Returns how many; `shards` has room for one a key. */
static size_t collect_shards(const struct ms_lookups *lookups, uint32_t *shards)
{
    size_t count = 0;

    for (size_t i = 0; i < lookups->n; i++)
        shards[i] = shard_of(lookups, i);
    qsort(shards, lookups->n, sizeof *shards, compare_u32);
    for (size_t i = 0; i < lookups->n; i++) {
        if (count == 0 || shards[count - 1] != shards[i])
            shards[count++] = shards[i];
    }
    return count;
}

static bool sequences_are(const memstore *store, const uint32_t *shards, const uint32_t *sequences,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ms_load_acquire(&store->index.shards[shards[i]].batch_sequence) != sequences[i])
            return false;
    }
    return true;
}

/* Look up while no batch publishes in these shards. */
static bool try_shards(struct ms_lookups *lookups, const uint32_t *shards, uint32_t *sequences,
                       size_t count)
{
    memstore *store = lookups->store;

    for (size_t i = 0; i < count; i++) {
        sequences[i] = ms_load_acquire(&store->index.shards[shards[i]].batch_sequence);
        if (sequences[i] % 2 != 0)
            return false;
    }
    ms_lookups_run(lookups);
    return sequences_are(store, shards, sequences, count);
}

/* Look up with the shards locked: OK or LOCK_TIMEOUT. Begins and ends in a read section, but
 * waits outside it. */
static int read_locked(struct ms_lookups *lookups, const uint32_t *shards, size_t count)
{
    memstore *store = lookups->store;
    const int64_t deadline = ms_store_deadline(store);
    size_t locked = 0;
    int status = MEMSTORE_ERR_LOCK_TIMEOUT;

    ms_rcu_read_unlock();
    while (locked < count &&
           ms_mutex_lock_until(&store->index.shards[shards[locked]].lock, deadline))
        locked++;
    ms_rcu_read_lock();
    if (locked == count) {
        ms_lookups_run(lookups);
        status = MEMSTORE_OK;
    }
    while (locked > 0)
        ms_mutex_unlock(&store->index.shards[shards[--locked]].lock);
    return status;
}

static MS_NOINLINE int read_against_batches(struct ms_lookups *lookups)
{
    uint32_t *shards = ms_mem_alloc(2 * lookups->n * sizeof *shards);
    if (shards == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;

    uint32_t *sequences = shards + lookups->n;
    const size_t count = collect_shards(lookups, shards);
    bool consistent = false;
    int status = MEMSTORE_OK;

    for (int i = 0; i < OPTIMISTIC_TRIES && !consistent; i++)
        consistent = try_shards(lookups, shards, sequences, count);
    if (!consistent)
        status = read_locked(lookups, shards, count);
    ms_mem_free(shards);
    return status;
}

static int read_all(struct ms_lookups *lookups)
{
    if (ms_testing_has_fault(MS_FAULT_UNCHECKED_READ_MANY))
        return ms_lookups_run(lookups), MEMSTORE_OK;
    return try_quiet(lookups) ? MEMSTORE_OK : read_against_batches(lookups);
}

/* ---- Views ---- */

/* What the reads of these renew; only now are they known to count. */
static void renew(const struct ms_lookups *lookups, size_t i, const struct ms_found *found)
{
    const memstore_key *key = &lookups->keys[i];

    ms_slide_read(lookups->store, key->data, key->size, found->place);
    const int64_t expiry = ms_found_expiry(found);
    lookups->views[i].expires_at_ms = expiry == MS_NEVER ? 0 : expiry;
}

/* Pin what the view shows of any store. Its version is the entry's unless the lookup was told another. */
static MS_NOINLINE void complete_any(const struct ms_lookups *lookups, size_t i)
{
    memstore *store = lookups->store;
    memstore_view *view = &lookups->views[i];
    struct ms_found found = {.entry = view->pin};

    found.place = ms_arena_place_of(&store->arena, found.entry);
    found.segment = ms_arena_segment_of(&store->arena, found.place);
    void *const pin = ms_store_pin(store, found.segment);
    ms_eviction_touch(store->touch, &store->eviction, found.entry);
    if (ms_unlikely((store->kept & MS_KEPT_TTL) != 0))
        renew(lookups, i, &found);
    if (view->version == 0)
        view->version = ms_found_version(store, &found);
    view->pin = pin;
}

/* The same in a usual store. */
MS_ALWAYS_INLINE void complete_usual(memstore *store, uint64_t hot, ms_reader reader,
                                     memstore_view *view)
{
    uint64_t version;

    view->pin = ms_quick_pin(store, hot, reader, view->pin, &version);
    if (ms_likely(view->version == 0))
        view->version = version;
}

/* Pin what was found and complete the views. Still in the read section of the lookups. */
static void complete_views(const struct ms_lookups *lookups)
{
    memstore *const store = lookups->store;
    const uint64_t hot = ms_quick_hot(store);
    const ms_reader reader = ms_reader_current();
    const bool usual = ms_lookups_are_usual(store) && ms_reader_is_prepared(reader);
    int64_t offset = 0;

    for (size_t i = 0; i < lookups->n; i++) {
        memstore_view *view = &lookups->views[i];
        const struct ms_entry *entry = view->pin;

        if (ms_unlikely(entry == NULL))
            continue;
        if (ms_likely(usual) && ms_likely(!ms_entry_is_long(entry)))
            complete_usual(store, hot, reader, view);
        else
            complete_any(lookups, i);
        if (ms_unlikely(view->expires_at_ms != 0)) {
            if (offset == 0)
                offset = ms_clock_unix_offset_ms();
            view->expires_at_ms += offset;
        }
    }
}

static void track_read(const struct ms_lookups *lookups, size_t i, uint64_t hash)
{
    const memstore_view *view = &lookups->views[i];

    if (lookups->keys[i].size <= MS_KEY_SIZE_MAX)
        ms_track_read_of(lookups->store, hash, lookups->keys[i].size, view->pin != NULL,
                         view->size);
}

/* More of the keys are followed than were noted. */
static void track_all_followed(const struct ms_lookups *lookups)
{
    for (size_t i = 0; i < lookups->n; i++) {
        const uint64_t hash =
            ms_store_hash(lookups->store, lookups->keys[i].data, lookups->keys[i].size);

        if (ms_track_follows(lookups->store, hash))
            track_read(lookups, i, hash);
    }
}

/* Of reads that were counted, `before` before them. */
static void track_by_turn(const struct ms_lookups *lookups, uint64_t before)
{
    bool exclusive;
    struct ms_counter_stripe *stripe = ms_counters_stripe(&lookups->store->counters, &exclusive);
    size_t i;

    while ((i = ms_track_next_turn(lookups->store, stripe, before, lookups->n)) < lookups->n) {
        if (lookups->keys[i].size <= MS_KEY_SIZE_MAX)
            ms_track_key(lookups->store, lookups->keys[i].data, lookups->keys[i].size);
    }
}

static void track_reads(const struct ms_lookups *lookups, uint64_t before)
{
    track_by_turn(lookups, before);
    if (lookups->followed_count > MS_FOLLOWED_NOTED) {
        track_all_followed(lookups);
        return;
    }
    for (size_t i = 0; i < lookups->followed_count; i++)
        track_read(lookups, lookups->followed[i].i, lookups->followed[i].hash);
}

/* How many reads the thread had counted before. */
static uint64_t count_reads(memstore *store, size_t hits, size_t misses)
{
    const uint64_t before = ms_count(&store->counters, MS_COUNT_READS, hits + misses);

    ms_count(&store->counters, MS_COUNT_MISSES, misses);
    if (store->touch == MS_TOUCH_STAMP)
        ms_eviction_tick(&store->eviction, hits + misses);
    return before;
}

int ms_store_get_many_up_to(memstore *store, const memstore_key *keys, size_t n, size_t most,
                            memstore_view *out, size_t *found)
{
    struct ms_lookups_followed followed[MS_FOLLOWED_NOTED];
    struct ms_lookups lookups = {
        .store = store, .keys = keys, .n = n, .views = out, .followed = followed};

    if (ms_unlikely(!ms_reader_is_prepared(ms_reader_current())))
        ms_reader_prepare();
    ms_rcu_read_lock();
    int status = ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : read_all(&lookups);
    const bool taken = status == MEMSTORE_OK && lookups.found <= most;
    if (taken)
        complete_views(&lookups);
    ms_rcu_read_unlock();

    if (status == MEMSTORE_OK)
        *found = lookups.found;
    if (!taken) {
        ms_lookups_forget(&lookups);
        return status;
    }
    const uint64_t before = count_reads(store, lookups.found, n - lookups.found);
    if (ms_unlikely((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0))
        track_reads(&lookups, before);
    return MEMSTORE_OK;
}

int ms_store_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                      size_t *found)
{
    return ms_store_get_many_up_to(store, keys, n, n, out, found);
}

int ms_store_has_many(memstore *store, const memstore_key *keys, size_t n, unsigned char *out,
                      size_t *found)
{
    struct ms_lookups lookups = {.store = store, .keys = keys, .n = n, .flags = out};

    ms_rcu_read_lock();
    const int status = ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : read_all(&lookups);
    ms_rcu_read_unlock();

    if (status != MEMSTORE_OK)
        ms_lookups_forget(&lookups);
    *found = lookups.found;
    return status;
}
