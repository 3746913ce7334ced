/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store: its block, its members, its arena and index. */
#include "store/lifetime.h"

#include "store/ways.h"
#include "store/index_owner.h"
#include "store/load/place.h"
#include "store/maintenance.h"
#include "store/reconfigure.h"
#include "store/sizing.h"
#include "store/space/harvest.h"
#include "store/store.h"
#include "store/watch/notify.h"

#include "platform/mem.h"
#include "platform/random.h"

static const struct ms_policy *policy_of(enum ms_eviction_kind kind)
{
    switch (kind) {
    case MS_EVICTION_ADAPTIVE:
        return &ms_policy_adaptive;
    case MS_EVICTION_S3FIFO:
        return &ms_policy_s3fifo;
    case MS_EVICTION_LRU:
        return &ms_policy_lru;
    case MS_EVICTION_LFU:
        return &ms_policy_lfu;
    case MS_EVICTION_FIFO:
        return &ms_policy_fifo;
    case MS_EVICTION_NONE:
        return &ms_policy_none;
    }
    return &ms_policy_adaptive;
}

static enum ms_goal goal_of(enum ms_eviction_goal goal)
{
    switch (goal) {
    case MS_EVICTION_GOAL_HITS:
        return MS_GOAL_HITS;
    case MS_EVICTION_GOAL_BYTES:
        return MS_GOAL_BYTES;
    case MS_EVICTION_GOAL_BALANCED:
        return MS_GOAL_BALANCED;
    }
    return MS_GOAL_HITS;
}

static void init_members(memstore *store, const struct ms_settings *settings,
                         const struct ms_logger *logger)
{
    store->settings = *settings;
    store->hasher = ms_hasher_of(settings->hash_function, ms_random_seed());
    store->keeps_created = settings->store_creation_time || settings->life_window != 0 ||
                           settings->load_refresh_after != 0;
    store->kept = (uint8_t)((store->keeps_created ? MS_KEPT_CREATED : 0) |
                            (settings->ttl_mode == MS_TTL_MODE_ACCESS ? MS_KEPT_TTL : 0));
    store->short_head = (uint8_t)ms_entry_head_size(false, store->kept);
    store->unix_offset_read = INT64_MIN / 2;
    ms_mutex_init(&store->settings_lock, MS_RANK_SETTINGS);
    ms_mutex_init(&store->reclaim_lock, MS_RANK_RECLAIM);
    ms_gate_init(&store->room_line, 1);
    ms_mutex_init(&store->retired_lock, MS_RANK_RETIRED);
    ms_store_relaxed(&store->diverts, ms_admission_diverts(settings));
    ms_admission_init(&store->admission, settings);
    ms_combiner_init(&store->combiner, settings->limit);
    ms_events_init(&store->events, &store->arena.budget, &store->events_wanted,
                   settings->secure_wipe);
    ms_events_allow(&store->events, ms_notify_allowance(settings));
    ms_flights_init(&store->flights, &store->arena.budget, settings->limit, settings->secure_wipe);
    ms_breakers_init(&store->breakers);
    ms_captures_init(&store->captures);
    ms_news_init(&store->news);
    ms_gate_init(&store->loads_gate, settings->load_max_loads);
    ms_gate_init(&store->load_bytes_gate, ms_load_byte_places(settings));
    ms_due_init(&store->due, ms_store_sweep_slack(settings));
    ms_store_relaxed(&store->spent_at, MS_NEVER);
    ms_tables_init(&store->tables);
    ms_monitor_init(&store->monitor, settings->enable_metrics);
    ms_track_init(&store->track);
    ms_log_init(&store->log, logger, ms_setting_text(settings->store_name));
    ms_log_set_level(&store->log, settings->logger_enabled, settings->verbose);
}

/* Why the overhead leaves too little of the limit. */
static const char *why_too_small(const memstore *store)
{
    const uint64_t passes = ms_admission_overhead(&store->settings);

    _Static_assert(sizeof(struct ms_view_pass) == 40, "the text says so");
    if (ms_arena_least_limit(&store->arena) - passes <= store->settings.limit)
        return "performance.max_concurrent_readers: so many, of 40 bytes each, do not fit "
               "performance.memory_limit";
    return "performance.memory_limit: too small to hold the bookkeeping and eight segments; 128KiB "
           "is enough, and 320KiB with monitoring.track_operation_latency";
}

static int init_arena(memstore *store, const char **why)
{
    const struct ms_settings *settings = &store->settings;
    const struct ms_arena_options options = {
        .limit = settings->limit,
        .overhead = store->block_bytes + ms_sizing_shards(settings) * sizeof(struct ms_retired) +
                    ms_admission_overhead(settings) + ms_stale_overhead(ms_sizing_shards(settings)),
        .kept = store->kept,
        .wipes = settings->secure_wipe,
        .evicts = settings->eviction != MS_EVICTION_NONE,
        .bins = policy_of(settings->eviction)->bins,
        .segments_a_bin = policy_of(settings->eviction)->segments_a_bin,
        .paging = ms_sizing_paging(settings),
    };
    bool out_of_memory;

    if (ms_arena_init(&store->arena, &options, &out_of_memory)) {
        store->granule_shift = (uint8_t)store->arena.granule_shift;
        return MEMSTORE_OK;
    }
    if (out_of_memory)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    *why = why_too_small(store);
    return MEMSTORE_ERR_INVALID_CONFIG;
}

/* Size the tables for the entries that are announced, and a little more, because keys do not
 * spread evenly. */
static int presize_index(memstore *store, const char **why)
{
    const uint64_t announced = store->settings.max_entries_in_window;
    const uint32_t shards = store->index.shard_count;

    if (announced == 0)
        return MEMSTORE_OK;
    const uint64_t mean = announced / shards + 1;
    const uint64_t each = mean + mean / 16 + 32;
    for (uint32_t shard = 0; shard < shards; shard++) {
        if (each > UINT32_MAX ||
            ms_index_grow(&store->index, shard, (uint32_t)each) != MS_INDEX_GROWN) {
            *why = "max_entries_in_window: the index for as many entries does not fit "
                   "performance.memory_limit";
            return MEMSTORE_ERR_INVALID_CONFIG;
        }
    }
    store->index.announced = (uint32_t)each;
    return MEMSTORE_OK;
}

static int follow_keys(memstore *store, const char **why)
{
    struct ms_sampler *sampler;

    if (!ms_track_prepare(store, ms_budget_limit(&store->arena.budget),
                          store->settings.access_sample, &sampler)) {
        *why = "performance.memory_limit: too small to hold what monitoring.access_sample_ratio "
               "needs; 1MB is enough";
        return MEMSTORE_ERR_INVALID_CONFIG;
    }
    ms_track_start(store, sampler, store->settings.access_sample);
    return MEMSTORE_OK;
}

/* Whether what is set aside for events once somebody subscribes leaves a store. */
static int check_event_memory(const memstore *store, const char **why)
{
    const uint64_t least = ms_arena_least_limit(&store->arena) + ms_track_charged(store);

    if (store->settings.event_memory == 0 ||
        least + store->settings.event_memory <= store->settings.limit)
        return MEMSTORE_OK;
    *why = "events.queue_memory: leaves too little of performance.memory_limit to hold the "
           "bookkeeping and eight segments";
    return MEMSTORE_ERR_INVALID_CONFIG;
}

static void free_retired(struct ms_retired *retired)
{
    while (retired != NULL) {
        struct ms_retired *next = retired->next;
        ms_mem_free(retired);
        retired = next;
    }
}

void ms_store_free(memstore *store)
{
    ms_events_fini(&store->events);
    ms_log_fini(&store->log);
    ms_combiner_fini(store);
    ms_flights_fini(&store->flights);
    ms_breakers_fini(&store->breakers);
    ms_gate_fini(&store->loads_gate);
    ms_gate_fini(&store->load_bytes_gate);
    ms_stale_fini(&store->stale, store->index.shard_count);
    ms_track_discard(store, ms_load_relaxed(&store->track.sampler));
    if (store->arena.base != NULL)
        ms_arena_fini(&store->arena);
    ms_counters_fini(&store->counters);
    ms_due_fini(&store->due);
    free_retired(store->retired);
    free_retired(store->retired_spare);
    ms_admission_fini(&store->admission);
    ms_monitor_fini(&store->monitor);
    ms_track_fini(&store->track);
    ms_captures_fini(&store->captures);
    ms_news_fini(&store->news);
    ms_mutex_destroy(&store->settings_lock);
    ms_gate_fini(&store->room_line);
    ms_mutex_destroy(&store->reclaim_lock);
    ms_mutex_destroy(&store->retired_lock);
    ms_mem_unreserve(store->block, store->block_bytes);
}

/* Map the counters, the store, its shards and the histograms, in this order. */
static memstore *map_block(const struct ms_settings *settings)
{
    const size_t counters = ms_counters_bytes(ms_sizing_stripes(settings));
    const size_t latencies =
        counters + sizeof(memstore) + ms_index_overhead(ms_sizing_shards(settings));
    const uint32_t latency_stripes = ms_sizing_latency_stripes(settings);
    const size_t bytes = ms_mem_whole_pages(latencies + ms_latency_bytes(latency_stripes));
    char *block = ms_mem_reserve(bytes);

    if (block == NULL)
        return NULL;
    memstore *store = (memstore *)(block + counters);
    store->block = block;
    store->block_bytes = bytes;
    ms_counters_init(&store->counters, ms_sizing_stripes(settings), block);
    if (latency_stripes != 0)
        ms_latency_init(&store->latency, latency_stripes, block + latencies);
    return store;
}

/* Where nothing is evicted no room can be made for a load once the store is full: it has some from the start,
 * a 512th of the limit, and as much as a dozen loads at once take at most. */
#define LIMIT_PER_ASIDE 512
#define ASIDE_MOST 4096

static bool set_aside(memstore *store)
{
    const uint64_t share = store->settings.limit / LIMIT_PER_ASIDE;

    store->flights.spare = (uint64_t)store->arena.reserve << store->arena.segment_shift;
    return store->settings.eviction != MS_EVICTION_NONE ||
           ms_flights_set_aside(&store->flights, share < ASIDE_MOST ? share : ASIDE_MOST);
}

static int build(memstore *store, const char **why)
{
    int status = init_arena(store, why);

    if (status != MEMSTORE_OK)
        return status;
    if (!set_aside(store) || !ms_due_reserve(&store->due, ms_arena_most_in_use(&store->arena)))
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    ms_eviction_init(&store->eviction, policy_of(store->settings.eviction),
                     goal_of(store->settings.eviction_goal), &store->arena);
    store->touch = store->eviction.policy->touch;
    store->tick_mask = ms_sizing_tick_mask(store);
    ms_index_owner_init(store);
    if (!ms_stale_init(&store->stale, store->index.shard_count))
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    status = presize_index(store, why);
    if (status == MEMSTORE_OK && store->settings.access_sample != 0)
        status = follow_keys(store, why);
    if (status == MEMSTORE_OK)
        status = check_event_memory(store, why);
    return status == MEMSTORE_OK ? ms_maintenance_register(store) : status;
}

int ms_store_open(const struct ms_settings *settings, const struct ms_logger *logger,
                  memstore **out, const char **why)
{
    memstore *store = map_block(settings);

    *why = "the system gave no memory, no addresses or no thread for a store with this "
           "performance.memory_limit";
    if (store == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;

    init_members(store, settings, logger);
    const int status = build(store, why);
    if (status != MEMSTORE_OK) {
        ms_store_free(store);
        return status;
    }
    ms_ways_open(store);
    *why = NULL;
    *out = store;
    return MEMSTORE_OK;
}
