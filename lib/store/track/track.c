/* SPDX-License-Identifier: Apache-2.0 */
#include "store/track/track.h"

#include "platform/mem.h"
#include "store/ways.h"
#include "store/maintenance.h"
#include "store/space/room.h"
#include "store/store.h"
#include "store/track/sampler.h"

/* A key that is followed for each so many bytes of the limit. */
#define LIMIT_PER_KEY 4096
#define KEYS_MIN 1024
#define KEYS_MAX MS_REUSE_KEYS_MAX
#define MILLION 1000000
/* What of the limit entries can take, in a store that is full: the rest is for segments that are
 * being filled or emptied. */
#define USABLE 0.95

void ms_track_init(struct ms_track *track)
{
    *track = (struct ms_track){0};
    ms_mutex_init(&track->lock, MS_RANK_TRACK);
    ms_store_relaxed(&track->look_ms, INT64_MAX);
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

static uint64_t cache_bytes(const memstore *store, uint64_t limit)
{
    return (uint64_t)((double)(limit - store->arena.overhead) * USABLE);
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

/* Cells of a ring of uses: one for each so many bytes of the limit. */
#define LIMIT_PER_CELL 65536
#define CELLS_MIN 128
/* There is a key for so many uses, about. */
#define USES_PER_KEY 8

static uint32_t cells_for(uint64_t limit)
{
    uint32_t cells = CELLS_MIN;

    while (cells < MS_TRACK_CELLS_MAX && (uint64_t)cells * LIMIT_PER_CELL < limit)
        cells *= 2;
    return cells;
}

static size_t ring_bytes(uint32_t cells)
{
    return MS_TRACK_RINGS * (cells * sizeof(struct ms_track_use) +
                             cells / USES_PER_KEY * sizeof(struct ms_track_noted));
}

static size_t sampler_bytes(uint64_t limit)
{
    return sizeof(struct ms_sampler) + ring_bytes(cells_for(limit)) +
           ms_pattern_bytes(keys_for(limit));
}

static void init_rings(struct ms_sampler *sampler, uint32_t cells, char *memory)
{
    for (int i = 0; i < MS_TRACK_RINGS; i++) {
        ms_ring_init(&sampler->uses[i], cells, sizeof(struct ms_track_use), memory);
        memory += cells * sizeof(struct ms_track_use);
        ms_ring_init(&sampler->keys[i], cells / USES_PER_KEY, sizeof(struct ms_track_noted),
                     memory);
        memory += cells / USES_PER_KEY * sizeof(struct ms_track_noted);
    }
}

/* Whether what is left of the limit is enough for a store. */
static bool leaves_a_store(const memstore *store, uint64_t limit, size_t bytes)
{
    return limit >= ms_arena_least_limit(&store->arena) + ms_pages_charge_of(bytes);
}

static struct ms_sampler *make_sampler(memstore *store, uint64_t limit, uint32_t millionths)
{
    const uint32_t cells = cells_for(limit);
    const size_t bytes = sampler_bytes(limit);
    struct ms_sampler *sampler = leaves_a_store(store, limit, bytes) ? alloc(store, bytes) : NULL;

    if (sampler == NULL)
        return NULL;
    sampler->bytes = bytes;
    sampler->reads_before = ms_counters_total(&store->counters, MS_COUNT_READS);
    init_rings(sampler, cells, (char *)(sampler + 1));
    ms_pace_init(&sampler->pace, (double)millionths / MILLION);
    ms_pattern_init(&sampler->pattern, keys_for(limit), MS_REUSE_ALL, cache_bytes(store, limit),
                    store->eviction.goal, (char *)(sampler + 1) + ring_bytes(cells));
    return sampler;
}

/* One in so many of the followed keys' share of reads is taken for its key alone. */
#define TURNS_ONE_IN 8

bool ms_track_prepare(memstore *store, uint64_t limit, uint32_t millionths,
                      struct ms_sampler **sampler)
{
    *sampler = millionths != 0 ? make_sampler(store, limit, millionths) : NULL;
    return *sampler != NULL || millionths == 0;
}

uint64_t ms_track_charged(const memstore *store)
{
    /* It may be exchanged meanwhile. */
    ms_rcu_read_lock();
    /* ORDER: acquire, pairs with the release of ms_track_start(): it is set up. */
    const struct ms_sampler *sampler = ms_load_acquire(&store->track.sampler);
    const uint64_t charged = sampler != NULL ? ms_pages_charge_of(sampler->bytes) : 0;
    ms_rcu_read_unlock();
    return charged;
}

uint64_t ms_track_charge_at(uint64_t limit)
{
    return ms_pages_charge_of(sampler_bytes(limit));
}

void ms_track_discard(memstore *store, struct ms_sampler *sampler)
{
    if (sampler == NULL)
        return;
    const size_t bytes = sampler->bytes;
    /* It holds keys. */
    if (store->settings.secure_wipe)
        ms_mem_wipe(sampler, bytes);
    ms_pages_free(&store->arena.pages, sampler, bytes);
}

void ms_track_start(memstore *store, struct ms_sampler *sampler, uint32_t millionths)
{
    ms_mutex_lock(&store->track.lock);
    struct ms_sampler *old = ms_track_sampler_locked(store);
    /* ORDER: release, pairs with the acquire of put_use() and ms_track_try_key(): it is set up. */
    ms_store_release(&store->track.sampler, sampler);
    ms_store_relaxed(&store->track.missed, 0);
    ms_store_relaxed(&store->track.look_ms, INT64_MAX);
    ms_track_publish_threshold(store, sampler);
    ms_store_relaxed(&store->turn_below,
                     (uint32_t)(MS_REUSE_ALL / TURNS_ONE_IN * millionths / MILLION));
    ms_mutex_unlock(&store->track.lock);
    for (uint32_t i = 0; i < store->counters.stripe_count; i++)
        ms_store_relaxed(&store->counters.stripes[i].next_turn, 0);
    ms_ways_divert(store, MS_DIVERT_TRACKED, sampler != NULL);
    if (old != NULL) {
        ms_rcu_synchronize();
        ms_track_discard(store, old);
    }
}

void ms_track_forget_users(memstore *store)
{
    struct ms_sampler *sampler = ms_load_relaxed(&store->track.sampler);

    for (int i = 0; sampler != NULL && i < MS_TRACK_RINGS; i++) {
        ms_ring_reset(&sampler->uses[i]);
        ms_ring_reset(&sampler->keys[i]);
    }
}

/* ---- For who asks ---- */

void ms_track_resize(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (ms_track_sampler_locked(store) != NULL)
        ms_pattern_resize(&ms_track_sampler_locked(store)->pattern,
                          cache_bytes(store, ms_budget_limit(&store->arena.budget)));
    ms_mutex_unlock(&store->track.lock);
}

uint32_t ms_track_hot_keys(memstore *store, struct ms_hot_key *out, uint64_t *noted)
{
    uint32_t count = 0;

    *noted = 0;
    ms_mutex_lock(&store->track.lock);
    if (ms_track_sampler_locked(store) != NULL) {
        ms_track_settle_locked(store);
        *noted = ms_track_sampler_locked(store)->pattern.hot.noted;
        count = ms_hot_sorted(&ms_track_sampler_locked(store)->pattern.hot, out, MS_HOT_KEYS);
    }
    ms_mutex_unlock(&store->track.lock);
    return count;
}

void ms_track_forget_keys(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (ms_track_sampler_locked(store) != NULL) {
        ms_track_settle_locked(store);
        ms_hot_forget(&ms_track_sampler_locked(store)->pattern.hot);
    }
    ms_mutex_unlock(&store->track.lock);
}

void ms_track_forget(memstore *store)
{
    bool pauses = false;

    ms_mutex_lock(&store->track.lock);
    if (ms_track_sampler_locked(store) != NULL) {
        ms_track_settle_locked(store);
        ms_pattern_forget(&ms_track_sampler_locked(store)->pattern);
        ms_pace_forget(&ms_track_sampler_locked(store)->pace);
        ms_track_sampler_locked(store)->reads_before =
            ms_counters_total(&store->counters, MS_COUNT_READS);
        ms_store_relaxed(&store->track.missed, 0);
        pauses = ms_track_sampler_locked(store)->pace.pauses;
    }
    if (pauses && ms_load_relaxed(&store->track.look_ms) != INT64_MAX)
        ms_store_relaxed(&store->track.look_ms, 0);
    ms_mutex_unlock(&store->track.lock);
    /* The pause is over. */
    if (pauses)
        ms_maintenance_wake(store);
}
