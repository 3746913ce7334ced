/* SPDX-License-Identifier: Apache-2.0 */
#include "store/track.h"

#include "store/store.h"

/* A key that is followed for each so many bytes of the limit. */
#define LIMIT_PER_KEY 4096
#define KEYS_MIN 1024
#define KEYS_MAX 16384
#define MILLION 1000000
/* What of the limit entries can take, in a store that is full: the rest is for segments that are
 * being filled or emptied. */
#define USABLE 0.95

void ms_track_init(struct ms_track *track)
{
    *track = (struct ms_track){0};
    ms_mutex_init(&track->lock, MS_RANK_TRACK);
}

void ms_track_fini(struct ms_track *track)
{
    ms_mutex_destroy(&track->lock);
}

/* ---- On and off ---- */

static uint32_t keys_for(uint64_t limit)
{
    uint32_t keys = KEYS_MIN;

    while (keys < KEYS_MAX && (uint64_t)keys * LIMIT_PER_KEY < limit)
        keys *= 2;
    return keys;
}

static uint64_t cache_bytes(const memstore *store)
{
    const struct ms_arena *arena = &store->arena;

    return (uint64_t)((double)(ms_budget_limit(&arena->budget) - arena->overhead) * USABLE);
}

/* Zeroed memory out of the store's limit, for which entries make room. */
static void *alloc(memstore *store, size_t bytes)
{
    struct ms_arena *arena = &store->arena;
    const int64_t deadline = ms_store_deadline(store);
    struct ms_budget_mark mark = ms_budget_mark(&arena->budget);

    for (;;) {
        void *memory =
            ms_pages_alloc(&arena->pages, bytes, (uint64_t)arena->reserve << arena->segment_shift);

        if (memory != NULL || ms_room_make(store, bytes, deadline, &mark) != MEMSTORE_OK)
            return memory;
    }
}

static struct ms_sampler *make_sampler(memstore *store, uint32_t millionths)
{
    const uint32_t keys = keys_for(ms_budget_limit(&store->arena.budget));
    const size_t head = (sizeof(struct ms_sampler) + 7) & ~(size_t)7;
    const size_t bytes = head + ms_pattern_bytes(keys);
    struct ms_sampler *sampler = alloc(store, bytes);

    if (sampler == NULL)
        return NULL;
    sampler->bytes = bytes;
    sampler->reads_before = ms_counters_total(&store->counters, MS_COUNT_READS);
    ms_pattern_init(&sampler->pattern, keys, MS_REUSE_ALL * millionths / MILLION,
                    cache_bytes(store), (char *)sampler + head);
    return sampler;
}

/* One in so many of the followed keys' share of reads is taken for its key alone. */
#define TURNS_ONE_IN 8

static void publish_threshold(memstore *store, uint64_t threshold)
{
    if (ms_load_relaxed(&store->follows_below) != threshold)
        ms_store_relaxed(&store->follows_below, threshold);
}

int ms_track_start(memstore *store, uint32_t millionths)
{
    struct ms_sampler *sampler = NULL;

    if (millionths != 0) {
        sampler = make_sampler(store, millionths);
        if (sampler == NULL)
            return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    ms_mutex_lock(&store->track.lock);
    struct ms_sampler *old = store->track.sampler;
    store->track.sampler = sampler;
    ms_store_relaxed(&store->track.missed, 0);
    publish_threshold(store, sampler != NULL ? sampler->pattern.reuse.threshold : 0);
    ms_store_relaxed(&store->turn_below,
                     (uint32_t)(MS_REUSE_ALL / TURNS_ONE_IN * millionths / MILLION));
    ms_mutex_unlock(&store->track.lock);
    if (old != NULL)
        ms_pages_free(&store->arena.pages, old, old->bytes);
    ms_store_divert(store, MS_BOUNDS_TRACKED, sampler != NULL);
    return MEMSTORE_OK;
}

void ms_track_settle_locked(memstore *store)
{
    struct ms_sampler *sampler = store->track.sampler;

    for (uint32_t i = 0; i < sampler->gathered; i++) {
        if (ms_reuse_follows(&sampler->pattern.reuse, sampler->references[i].hash))
            ms_pattern_note(&sampler->pattern, &sampler->references[i]);
    }
    sampler->gathered = 0;
    publish_threshold(store, sampler->pattern.reuse.threshold);
}

void ms_track_resize(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (store->track.sampler != NULL)
        ms_pattern_resize(&store->track.sampler->pattern, cache_bytes(store));
    ms_mutex_unlock(&store->track.lock);
}

uint32_t ms_track_hot_keys(memstore *store, struct ms_hot_key *out, uint64_t *noted)
{
    uint32_t count = 0;

    *noted = 0;
    ms_mutex_lock(&store->track.lock);
    if (store->track.sampler != NULL) {
        *noted = store->track.sampler->pattern.hot.noted;
        count = ms_hot_sorted(&store->track.sampler->pattern.hot, out);
    }
    ms_mutex_unlock(&store->track.lock);
    return count;
}

void ms_track_forget(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (store->track.sampler != NULL) {
        ms_track_settle_locked(store);
        ms_pattern_forget(&store->track.sampler->pattern);
        store->track.sampler->reads_before = ms_counters_total(&store->counters, MS_COUNT_READS);
        ms_store_relaxed(&store->track.missed, 0);
    }
    ms_mutex_unlock(&store->track.lock);
}

/* ---- References ---- */

/* The sampler, with its lock held, or NULL: others have it, or nothing is followed any more. */
static struct ms_sampler *try_sampler(memstore *store)
{
    if (!ms_mutex_try_lock(&store->track.lock)) {
        ms_add_relaxed(&store->track.missed, 1);
        return NULL;
    }
    struct ms_sampler *const sampler = store->track.sampler;
    if (sampler == NULL)
        ms_mutex_unlock(&store->track.lock);
    return sampler;
}

static void gather(memstore *store, struct ms_sampler *sampler,
                   const struct ms_reference *reference)
{
    if (!ms_reuse_follows(&sampler->pattern.reuse, reference->hash))
        return;
    sampler->references[sampler->gathered++] = *reference;
    if (sampler->gathered == MS_TRACK_GATHERED)
        ms_track_settle_locked(store);
}

/* What an entry takes, its slot included. */
#define SLOT_BYTES 8

static uint32_t entry_bytes(const memstore *store, size_t key_size, size_t value_size)
{
    const uint64_t bytes = ms_arena_padded(
        &store->arena, (uint32_t)(store->short_head + key_size + value_size + SLOT_BYTES));

    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

void ms_track_read(memstore *store, const void *key, size_t key_size, int status, size_t value_size,
                   bool by_turn)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    const bool found = status == MEMSTORE_OK;
    const struct ms_reference reference = {
        .kind = MS_REFERENCE_READ,
        .hash = hash,
        .size = found ? entry_bytes(store, key_size, value_size) : 0,
        .now_ms = ms_clock_coarse_ms(),
    };

    /* The bytes of a key that no entry has are not looked at. */
    if (key_size > MS_KEY_SIZE_MAX || (!found && status != MEMSTORE_ERR_KEY_NOT_FOUND))
        return;
    struct ms_sampler *sampler = try_sampler(store);
    if (sampler == NULL)
        return;
    if (by_turn)
        ms_hot_note(&sampler->pattern.hot, hash, key, key_size);
    gather(store, sampler, &reference);
    ms_mutex_unlock(&store->track.lock);
}

void ms_track_any_read(memstore *store, const void *key, size_t key_size, int status,
                       size_t value_size)
{
    const bool by_turn = ms_track_is_turn(store, ms_latency_turn++);

    if (by_turn || ms_track_follows(store, ms_store_hash(store, key, key_size)))
        ms_track_read(store, key, key_size, status, value_size, by_turn);
}

static void note(memstore *store, enum ms_reference_kind kind, uint64_t hash, uint32_t size,
                 int64_t expiry)
{
    const struct ms_reference reference = {kind, hash, size, ms_clock_coarse_ms(), expiry};
    struct ms_sampler *sampler = try_sampler(store);

    if (sampler == NULL)
        return;
    gather(store, sampler, &reference);
    ms_mutex_unlock(&store->track.lock);
}

void ms_track_write(memstore *store, uint64_t hash, size_t key_size, size_t value_size,
                    int64_t expiry)
{
    note(store, MS_REFERENCE_WRITE, hash, entry_bytes(store, key_size, value_size), expiry);
}

void ms_track_delete(memstore *store, uint64_t hash)
{
    note(store, MS_REFERENCE_DELETE, hash, 0, MS_NEVER);
}

void ms_track_retime(memstore *store, uint64_t hash, int64_t expiry)
{
    note(store, MS_REFERENCE_RETIME, hash, 0, expiry);
}

void ms_track_clear(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (store->track.sampler != NULL) {
        ms_track_settle_locked(store);
        ms_pattern_clear(&store->track.sampler->pattern);
    }
    ms_mutex_unlock(&store->track.lock);
}
