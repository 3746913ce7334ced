/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of several keys: pipelined, so that their cache misses overlap, and consistent with
 * batches.
 *
 * All keys are looked up as of one moment between batches. If no batch was being published when
 * the lookups began and none had begun when they ended, that is shown by two loads. Else the
 * batch sequences of the shards concerned are compared, and if batches keep coming, the shards
 * are locked. */
#include "store/lookup.h"
#include "store/slide.h"

#include "platform/mem.h"

#include <stdlib.h>

/* Lookups in flight at once; about as many as the processor has line fill buffers. */
#define GROUP 16
/* Attempts without a lock; after that writers are kept out. */
#define OPTIMISTIC_TRIES 8

/* What is done with each lookup. */
struct reading {
    memstore *store;
    const memstore_key *keys;
    size_t n;
    memstore_view *views; /* or NULL */
    unsigned char *flags; /* or NULL */
    size_t found;
    /* One clock for all keys, so that what a batch lets run out together is missed together; 0 =
     * not looked at yet. */
    int64_t now;
};

static bool has_expired(struct reading *reading, int64_t expiry)
{
    if (ms_likely(expiry == MS_NEVER) || ms_testing_has_fault(MS_FAULT_EXPIRED_SERVED))
        return false;
    if (reading->now == 0)
        reading->now = ms_clock_exact_ms();
    return expiry <= reading->now;
}

static void note_found(struct reading *reading, size_t i, struct ms_found *found)
{
    if (has_expired(reading, ms_found_expiry(found))) {
        const memstore_key *key = &reading->keys[i];

        if (!ms_lookup_renewed(reading->store, key->data, key->size, &found->place))
            return;
        ms_found_at(reading->store, found->place, found);
    }
    const int64_t expiry = ms_found_expiry(found);
    reading->found++;
    if (reading->flags != NULL) {
        reading->flags[i] = 1;
        return;
    }
    /* The pin and what follows from it are added when the lookups are known to be consistent. */
    reading->views[i].data = found->parts.value;
    reading->views[i].size = found->parts.value_size;
    reading->views[i].version = found->place;
    reading->views[i].expires_at_ms = expiry;
    reading->views[i].pin = found->entry;
}

static void forget_results(struct reading *reading)
{
    reading->found = 0;
    reading->now = 0;
    if (reading->n == 0)
        return;
    if (reading->views != NULL)
        memset(reading->views, 0, reading->n * sizeof *reading->views);
    else
        memset(reading->flags, 0, reading->n);
}

/* One lookup on its way through the stages. */
struct stage {
    uint64_t hash;
    struct ms_probe probe;
    ms_place likely; /* the first candidate in the home bucket; nearly always the one */
};

/* First: which bucket. */
static inline void stage_bucket(const memstore *store, const memstore_key *key, struct stage *stage)
{
    stage->hash = ms_store_hash(store, key->data, key->size);
    stage->probe = ms_index_probe(&store->index, stage->hash);
    ms_prefetch(&stage->probe.buckets[stage->probe.at]);
}

/* Second, with the bucket there: which entry. */
static inline void stage_entry(const memstore *store, struct stage *stage)
{
    stage->likely = MS_PLACE_NONE;
    if (stage->probe.count == 0)
        return;

    const struct ms_bucket *bucket = &stage->probe.buckets[stage->probe.at];
    const unsigned candidates = ms_bucket_candidates(bucket, ms_index_tag(stage->hash));
    if (candidates == 0)
        return;
    /* ORDER: acquire, as in ms_index_find_from. */
    stage->likely = ms_load_acquire(&bucket->places[__builtin_ctz(candidates)]);
    const char *entry = (const char *)ms_arena_entry(&store->arena, stage->likely);
    ms_prefetch(entry);
    ms_prefetch(entry + MS_CACHE_LINE);
}

/* Third, with the entry there: compare. */
static inline ms_place stage_compare(const memstore *store, const memstore_key *key,
                                     struct stage *stage)
{
    const struct ms_lookup lookup = {.store = store, .key = key->data, .key_size = key->size};

    if (ms_likely(stage->likely != MS_PLACE_NONE &&
                  ms_lookup_match((void *)&lookup, &stage->likely)))
        return stage->likely;
    return ms_lookup_walk(&lookup, stage->probe, stage->hash);
}

static void look_up_group(struct reading *reading, size_t first, size_t count)
{
    const memstore *store = reading->store;
    const memstore_key *keys = reading->keys + first;
    struct stage stages[GROUP];
    struct ms_found found;

    for (size_t i = 0; i < count; i++)
        stage_bucket(store, &keys[i], &stages[i]);
    for (size_t i = 0; i < count; i++)
        stage_entry(store, &stages[i]);
    for (size_t i = 0; i < count; i++) {
        const ms_place place = stage_compare(store, &keys[i], &stages[i]);

        if (place != MS_PLACE_NONE) {
            ms_found_at(store, place, &found);
            note_found(reading, first + i, &found);
        }
    }
}

static void look_up_all(struct reading *reading)
{
    forget_results(reading);
    for (size_t first = 0; first < reading->n; first += GROUP)
        look_up_group(reading, first, reading->n - first < GROUP ? reading->n - first : GROUP);
    ms_testing_reach(MS_POINT_READ_LOADED);
}

/* ---- Consistency ---- */

/* Look up while no batch publishes anywhere. False when one did. */
static bool try_quiet(struct reading *reading)
{
    memstore *store = reading->store;
    /* ORDER: acquire; a batch raises `begun` before it touches a slot, so who has seen one of
     * its slots sees that too. */
    const uint64_t done = ms_load_acquire(&store->batches_done);
    const uint64_t begun = ms_load_acquire(&store->batches_begun);

    if (done != begun)
        return false;
    look_up_all(reading);
    return ms_load_acquire(&store->batches_begun) == begun;
}

static uint32_t shard_of(const struct reading *reading, size_t i)
{
    const uint64_t hash =
        ms_store_hash(reading->store, reading->keys[i].data, reading->keys[i].size);

    return ms_index_shard_of(&reading->store->index, hash);
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The shards concerned, ascending, each once. Returns how many; `shards` has room for one a key. */
static size_t collect_shards(const struct reading *reading, uint32_t *shards)
{
    size_t count = 0;

    for (size_t i = 0; i < reading->n; i++)
        shards[i] = shard_of(reading, i);
    qsort(shards, reading->n, sizeof *shards, compare_u32);
    for (size_t i = 0; i < reading->n; i++) {
        if (count == 0 || shards[count - 1] != shards[i])
            shards[count++] = shards[i];
    }
    return count;
}

static bool sequences_are(const memstore *store, const uint32_t *shards, const uint32_t *sequences,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ms_load_acquire(&store->index.views[shards[i]].batch_sequence) != sequences[i])
            return false;
    }
    return true;
}

/* Look up while no batch publishes in these shards. */
static bool try_shards(struct reading *reading, const uint32_t *shards, uint32_t *sequences,
                       size_t count)
{
    memstore *store = reading->store;

    for (size_t i = 0; i < count; i++) {
        sequences[i] = ms_load_acquire(&store->index.views[shards[i]].batch_sequence);
        if (sequences[i] % 2 != 0)
            return false;
    }
    look_up_all(reading);
    return sequences_are(store, shards, sequences, count);
}

/* Look up with the shards locked: OK or LOCK_TIMEOUT. Begins and ends in a read section, but
 * waits outside it. */
static int read_locked(struct reading *reading, const uint32_t *shards, size_t count)
{
    memstore *store = reading->store;
    const int64_t deadline = ms_store_deadline(store);
    size_t locked = 0;
    int status = MEMSTORE_ERR_LOCK_TIMEOUT;

    ms_rcu_read_unlock();
    while (locked < count &&
           ms_mutex_lock_until(&store->index.shards[shards[locked]].lock, deadline))
        locked++;
    ms_rcu_read_lock();
    if (locked == count) {
        look_up_all(reading);
        status = MEMSTORE_OK;
    }
    while (locked > 0)
        ms_mutex_unlock(&store->index.shards[shards[--locked]].lock);
    return status;
}

static MS_NOINLINE int read_against_batches(struct reading *reading)
{
    uint32_t *shards = ms_mem_alloc(2 * reading->n * sizeof *shards);
    if (shards == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;

    uint32_t *sequences = shards + reading->n;
    const size_t count = collect_shards(reading, shards);
    bool consistent = false;
    int status = MEMSTORE_OK;

    for (int i = 0; i < OPTIMISTIC_TRIES && !consistent; i++)
        consistent = try_shards(reading, shards, sequences, count);
    if (!consistent)
        status = read_locked(reading, shards, count);
    ms_mem_free(shards);
    return status;
}

static int read_all(struct reading *reading)
{
    if (ms_testing_has_fault(MS_FAULT_UNCHECKED_READ_MANY))
        return look_up_all(reading), MEMSTORE_OK;
    return try_quiet(reading) ? MEMSTORE_OK : read_against_batches(reading);
}

/* ---- Views ---- */

static int64_t unix_offset_now(void)
{
    return ms_clock_unix_ms() - ms_clock_exact_ms();
}

/* Pin what was found and complete the views. Still in the read section of the lookups. */
static void complete_views(struct reading *reading)
{
    memstore *store = reading->store;
    int64_t offset = 0;

    for (size_t i = 0; i < reading->n; i++) {
        memstore_view *view = &reading->views[i];
        if (view->pin == NULL)
            continue;

        struct ms_found found = {.place = (ms_place)view->version, .entry = view->pin};
        found.segment = ms_arena_segment_of(&store->arena, found.place);
        ms_add_acquire(&found.segment->pins, 1);
        ms_eviction_touch(store->touch, &store->eviction, found.entry);
        ms_found_mark_versioned(&found);
        if (ms_unlikely((store->kept & MS_KEPT_TTL) != 0)) {
            ms_slide_read(store, reading->keys[i].data, reading->keys[i].size, found.place);
            view->expires_at_ms = ms_found_expiry(&found);
        }
        view->version = ms_found_version(store, &found);
        view->pin = found.segment;
        if (view->expires_at_ms == MS_NEVER) {
            view->expires_at_ms = 0;
        } else {
            if (offset == 0)
                offset = unix_offset_now();
            view->expires_at_ms += offset;
        }
    }
}

static void track_reads(const struct reading *reading)
{
    for (size_t i = 0; i < reading->n; i++) {
        const memstore_view *view = &reading->views[i];

        ms_track_any_read(reading->store, reading->keys[i].data, reading->keys[i].size,
                          view->pin != NULL ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND, view->size);
    }
}

static void count_reads(memstore *store, size_t hits, size_t misses)
{
    ms_count(&store->counters, MS_COUNT_READS, hits + misses);
    ms_count(&store->counters, MS_COUNT_MISSES, misses);
    if (store->touch == MS_TOUCH_STAMP)
        ms_eviction_tick(&store->eviction, hits + misses);
}

int ms_store_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                      size_t *found)
{
    struct reading reading = {.store = store, .keys = keys, .n = n, .views = out};

    ms_rcu_read_lock();
    int status = ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : read_all(&reading);
    if (status == MEMSTORE_OK)
        complete_views(&reading);
    ms_rcu_read_unlock();

    if (status != MEMSTORE_OK) {
        forget_results(&reading);
        return status;
    }
    count_reads(store, reading.found, n - reading.found);
    if (ms_unlikely((ms_store_bounds(store) & MS_BOUNDS_TRACKED) != 0))
        track_reads(&reading);
    *found = reading.found;
    return MEMSTORE_OK;
}

int ms_store_has_many(memstore *store, const memstore_key *keys, size_t n, unsigned char *out,
                      size_t *found)
{
    struct reading reading = {.store = store, .keys = keys, .n = n, .flags = out};

    ms_rcu_read_lock();
    const int status = ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : read_all(&reading);
    ms_rcu_read_unlock();

    if (status != MEMSTORE_OK)
        forget_results(&reading);
    *found = reading.found;
    return status;
}
