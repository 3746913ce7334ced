/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, destroying. */
#include "store/lifetime.h"

#include "store/hot.h"
#include "store/load/call.h"
#include "store/maintenance.h"
#include "store/read/read.h"
#include "store/reconfigure.h"
#include "store/space/harvest.h"
#include "store/store.h"
#include "store/validate.h"
#include "store/watch/notify.h"
#include "store/watch/store_log.h"

#include "loader/leading.h"
#include "platform/mem.h"
#include "platform/processor.h"
#include "platform/random.h"

#include <sched.h>

__thread int64_t ms_store_patience_us = MS_STORE_PATIENT;

/* Fewer shards than asked for are used in a store of under 64 KiB each: with a handful of
 * entries to a shard, tables would be mostly empty and take the memory of the entries. */
#define LIMIT_PER_SHARD (64 * 1024)
#define LIMIT_PER_SHARD_OF_SMALL (128 * 1024)
/* Threads that count in a stripe of their own: from SMALL on as many as prepared readers, see quick.h;
 * in a smaller store a stripe for each is memory of the entries. */
#define STRIPES_MAX MS_READER_SLOTS
#define SMALL (STRIPES_MAX * UINT64_C(32) * 1024)
#define LIMIT_PER_STRIPE (128 * 1024)
/* Histograms of latencies are kept in several stripes in larger stores. */
#define LATENCY_STRIPES_MAX 8
#define LIMIT_PER_LATENCY_STRIPE (16 << 20)
/* Huge pages are asked for from this limit on: below, their rounding weighs more than what they
 * save. */
#define HUGE_PAGES_FROM (UINT64_C(64) << 20)
/* Close looks so often whether calls are over before it sleeps between looks, for so long. */
#define YIELDS 100
#define CALLS_POLL_US 200

/* ---- What the index asks of its owner ---- */

static bool alloc_table(void *context, size_t bytes, bool wins, uint64_t *offset)
{
    memstore *store = context;
    struct ms_arena *arena = &store->arena;
    const uint64_t spare = wins ? 0 : (uint64_t)arena->reserve << arena->segment_shift;
    struct ms_retired *node = ms_mem_alloc(sizeof *node);
    void *table = node != NULL ? ms_pages_alloc(&arena->pages, bytes, spare) : NULL;

    if (table == NULL) {
        if (node == NULL)
            ms_budget_note_refusal(&arena->budget);
        ms_mem_free(node);
        return false;
    }
    *node = (struct ms_retired){.memory = table, .size = bytes};
    ms_mutex_lock(&store->retired_lock);
    node->next = store->retired_spare;
    store->retired_spare = node;
    ms_mutex_unlock(&store->retired_lock);
    ms_tell_index_grown(store, bytes);
    *offset = (uint64_t)((char *)table - arena->base);
    return true;
}

static void retire_table(void *context, uint64_t offset, size_t bytes)
{
    memstore *store = context;

    /* Each table in use has a node set aside; which one does not matter. */
    ms_mutex_lock(&store->retired_lock);
    struct ms_retired *node = store->retired_spare;
    store->retired_spare = node->next;
    ms_mutex_unlock(&store->retired_lock);
    *node = (struct ms_retired){.memory = store->arena.base + offset, .size = bytes};
    ms_harvest_retire(store, node);
}

static const void *entry_address(void *context, uint32_t place)
{
    memstore *store = context;

    return ms_arena_entry(&store->arena, place);
}

static uint64_t entry_hash(void *context, uint32_t place)
{
    memstore *store = context;
    const struct ms_entry_parts parts =
        ms_entry_parts(ms_arena_entry(&store->arena, place), store->kept);

    return ms_store_hash(store, parts.key, parts.key_size);
}

/* ---- Opening ---- */

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

static uint32_t power_of_two_up_to(uint64_t n, uint32_t most)
{
    uint32_t power = 1;

    while (power < most && (uint64_t)power * 2 <= n)
        power *= 2;
    return power;
}

static uint32_t shards_of(const struct ms_settings *settings)
{
    const uint64_t each = settings->limit < SMALL ? LIMIT_PER_SHARD_OF_SMALL : LIMIT_PER_SHARD;

    return power_of_two_up_to(settings->limit / each, settings->shards);
}

static uint32_t stripes_of(const struct ms_settings *settings)
{
    if (settings->limit >= SMALL)
        return 1 + STRIPES_MAX;
    return 1 + power_of_two_up_to(settings->limit / LIMIT_PER_STRIPE, STRIPES_MAX);
}

static uint32_t latency_stripes_of(const struct ms_settings *settings)
{
    if (!settings->track_operation_latency)
        return 0;
    return power_of_two_up_to(settings->limit / LIMIT_PER_LATENCY_STRIPE, LATENCY_STRIPES_MAX);
}

static enum ms_arena_paging paging_of(const struct ms_settings *settings)
{
    switch (settings->huge_pages) {
    case MS_HUGE_PAGES_AUTO:
        return settings->limit >= HUGE_PAGES_FROM ? MS_PAGING_MIXED : MS_PAGING_SMALL;
    case MS_HUGE_PAGES_ON:
        return MS_PAGING_HUGE;
    default:
        return MS_PAGING_SMALL;
    }
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
        .overhead = store->block_bytes + shards_of(settings) * sizeof(struct ms_retired) +
                    ms_admission_overhead(settings) + ms_stale_overhead(shards_of(settings)),
        .kept = store->kept,
        .wipes = settings->secure_wipe,
        .evicts = settings->eviction != MS_EVICTION_NONE,
        .bins = policy_of(settings->eviction)->bins,
        .segments_a_bin = policy_of(settings->eviction)->segments_a_bin,
        .paging = paging_of(settings),
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

static void init_index(memstore *store)
{
    const struct ms_index_owner owner = {
        .alloc_table = alloc_table,
        .retire_table = retire_table,
        .address = entry_address,
        .hash = entry_hash,
        .table_unit =
            store->settings.limit < SMALL ? ms_pages_unit(&store->arena.pages) : MS_PAGE_SIZE,
        .context = store,
        .granule_shift = store->arena.granule_shift,
    };

    ms_index_init(&store->index, shards_of(&store->settings), store + 1, store->arena.base, &owner);
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

static void free_store(memstore *store)
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
    const size_t counters = ms_counters_bytes(stripes_of(settings));
    const size_t latencies = counters + sizeof(memstore) + ms_index_overhead(shards_of(settings));
    const uint32_t latency_stripes = latency_stripes_of(settings);
    const size_t bytes = ms_mem_whole_pages(latencies + ms_latency_bytes(latency_stripes));
    char *block = ms_mem_reserve(bytes);

    if (block == NULL)
        return NULL;
    memstore *store = (memstore *)(block + counters);
    store->block = block;
    store->block_bytes = bytes;
    ms_counters_init(&store->counters, stripes_of(settings), block);
    if (latency_stripes != 0)
        ms_latency_init(&store->latency, latency_stripes, block + latencies);
    return store;
}

/* Keys are followed, or not. */
static ms_get_fn get_of(bool following)
{
#if MS_HAVE_AVX2_BUILD
    if (ms_processor_has_avx2())
        return following ? ms_store_get_following_avx2 : ms_store_get_avx2;
#endif
    return following ? ms_store_get_following : ms_store_get;
}

/* Let `hot` say what quick.h needs to know. The settings lock is held, or nobody else knows the
 * store yet. */
static void heat_locked(memstore *store)
{
    const uint64_t flags = store->hot_unmeasured;
    const unsigned diverts = ms_store_diverts(store) & (MS_DIVERT_MEASURED | MS_DIVERT_TRACKED);
    const bool followed = diverts == MS_DIVERT_TRACKED && (flags & MS_HOT_USUAL) != 0;
    const uint64_t diverted = MS_HOT_MEASURED |
                              ((flags & MS_HOT_USUAL) != 0 ? MS_HOT_MEASURED_USUAL : 0) |
                              (followed ? MS_HOT_FOLLOWED_USUAL : 0);
    const uint64_t rest = ms_load_relaxed(&store->hot) & ~(uint64_t)MS_HOT_FLAGS;

    ms_store_relaxed(&store->get, get_of(followed));
    if (!store->is_shut)
        ms_store_release(&store->hot, rest | (diverts != 0 ? diverted : flags));
}

void ms_store_divert(memstore *store, enum ms_diverts why, bool wanted)
{
    const unsigned others = ms_store_diverts(store) & ~(unsigned)why;

    ms_store_relaxed(&store->diverts, (unsigned char)(others | (wanted ? why : 0)));
    /* Before it is open, heat() comes later. */
    if (ms_load_relaxed(&store->hot) != 0)
        heat_locked(store);
}

/* Last, because it lets readers in. */
static void heat(memstore *store)
{
    const uint64_t base = (uint64_t)(uintptr_t)store->arena.base;
    const bool open = store->counters.exclusive == MS_READER_SLOTS &&
                      ms_arena_solo_threshold(&store->arena) >= 2 * MS_QUICK_SHARED;
    const bool usual = open && store->hasher.kind == MS_HASH_XXH3 && store->kept == 0 &&
                       store->index.table_shift == MS_TABLE_SHIFT_MIN &&
                       store->touch == MS_TOUCH_COUNT;

    store->hot_unmeasured = (open ? MS_HOT_OPEN : 0) | (usual ? MS_HOT_USUAL : 0);
    ms_store_relaxed(&store->hot, base | (store->index.shard_count - 1));
    heat_locked(store);
}

/* Only a policy that stamps wants to be told. In a small store an epoch of it is a few accesses; in
 * a large one it is many, and threads that report often would be in each other's way. */
#define TICKS_SPARSE_FROM (16 << 20)
#define LIMIT_PER_TICK (512 * 1024)
#define TICK_MAX 512

static uint64_t tick_mask_of(const memstore *store)
{
    const uint64_t limit = store->settings.limit;

    if (store->touch != MS_TOUCH_STAMP)
        return UINT64_MAX;
    return limit >= TICKS_SPARSE_FROM ? power_of_two_up_to(limit / LIMIT_PER_TICK, TICK_MAX) - 1
                                      : 0;
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
    store->tick_mask = tick_mask_of(store);
    init_index(store);
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
        free_store(store);
        return status;
    }
    heat(store);
    *why = NULL;
    *out = store;
    return MEMSTORE_OK;
}

/* ---- Calls in flight ---- */

int ms_store_enter(memstore *store)
{
    bool exclusive;
    struct ms_counter_stripe *stripe = ms_counters_stripe(&store->counters, &exclusive);

    /* ORDER: seq_cst on both sides: either close sees the call, or the call sees that the store
     * is closed. */
    ms_add_seq_cst(&stripe->writers, 1);
    if (ms_unlikely(ms_load_seq_cst(&store->closed))) {
        ms_sub_seq_cst(&stripe->writers, 1);
        return MEMSTORE_ERR_CACHE_CLOSED;
    }
    if (ms_unlikely(ms_load_relaxed(&store->lacks_thread)))
        ms_maintenance_resume(store);
    return MEMSTORE_OK;
}

void ms_store_leave(memstore *store)
{
    bool exclusive;

    /* A thread keeps its number for as long as it lives, so this is the stripe of
     * ms_store_enter(). */
    ms_sub_seq_cst(&ms_counters_stripe(&store->counters, &exclusive)->writers, 1);
}

/* Of this thread: calls that close would wait for, and others that the store has to outlast. */
static __thread struct ms_calling *calling_out;
static __thread struct ms_calling *calling_back;

int ms_store_enter_to_call_out(memstore *store, struct ms_calling **call)
{
    const int status = ms_store_enter(store);

    if (status != MEMSTORE_OK)
        return status;
    *call = ms_calling_begin(&calling_out, store);
    if (*call != NULL)
        return MEMSTORE_OK;
    ms_store_leave(store);
    return MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

void ms_store_leave_calling_out(memstore *store, struct ms_calling *call)
{
    ms_calling_end(&calling_out, call);
    ms_store_leave(store);
}

int ms_store_begin_callback(memstore *store, struct ms_calling **call)
{
    *call = ms_calling_begin(&calling_back, store);
    return *call != NULL ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

void ms_store_end_callback(struct ms_calling *call)
{
    ms_calling_end(&calling_back, call);
}

void ms_store_forget_calls(memstore *store)
{
    bool exclusive;
    struct ms_counter_stripe *const own = ms_counters_stripe(&store->counters, &exclusive);

    for (uint32_t i = 0; i < store->counters.stripe_count; i++)
        ms_store_relaxed(&store->counters.stripes[i].writers, 0);
    ms_add_relaxed(&own->writers, ms_calling_count(calling_out, store));
}

/* Most calls are over at once; some, as those that write or read a file, take long. */
static void wait_a_while(unsigned looks)
{
    if (looks < YIELDS)
        sched_yield();
    else
        ms_wait_us(CALLS_POLL_US);
}

static void wait_for_calls(memstore *store)
{
    unsigned looks = 0;

    /* Readers: they are in read sections. */
    ms_rcu_synchronize();
    for (uint32_t i = 0; i < store->counters.stripe_count; i++) {
        while (ms_load_seq_cst(&store->counters.stripes[i].writers) != 0)
            wait_a_while(looks++);
    }
}

/* ---- Closing ---- */

/* Free all memory but what views hold. Nobody reads or writes any more. */
static void free_contents(memstore *store)
{
    ms_store_assert_valid(store);
    ms_mutex_lock(&store->reclaim_lock);
    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        if (ms_load_relaxed(&store->index.tables[shard]) != 0)
            ms_index_drop_table(&store->index, shard, NULL, NULL);
    }
    ms_arena_seal_open(&store->arena);
    ms_harvest_locked(store, INT64_MAX);
    ms_arena_close(&store->arena);
    ms_mutex_unlock(&store->reclaim_lock);
}

/* Apply what is queued while the store is still open to readers. What is left, by want of time or
 * because it is queued meanwhile, is applied when no call is in flight any more. */
static void apply_queued(memstore *store)
{
    if (ms_store_enter(store) != MEMSTORE_OK)
        return;
    ms_combiner_settle_all(store);
    ms_store_leave(store);
}

/* No read goes the quick way from now on. */
static void shut(memstore *store)
{
    ms_mutex_lock(&store->settings_lock);
    store->is_shut = true;
    ms_store_release(&store->hot, ms_load_relaxed(&store->hot) & ~MS_HOT_FLAGS);
    ms_mutex_unlock(&store->settings_lock);
}

/* Whether the caller is a function that a call of his own thread calls: it would be waited for, or the
 * store be pulled from under it. */
static bool is_called_out(const memstore *store)
{
    return ms_leading_any(&store->flights) || ms_load_is_calling(store) ||
           ms_calling_count(calling_out, store) != 0;
}

int ms_store_close(memstore *store)
{
    bool open = false;

    if (is_called_out(store))
        return MEMSTORE_ERR_UNSUPPORTED;
    apply_queued(store);
    shut(store);
    if (!atomic_compare_exchange_strong(&store->closed, &open, true))
        return MEMSTORE_ERR_CACHE_CLOSED;
    ms_admission_close(&store->admission);
    ms_gate_close(&store->loads_gate);
    ms_gate_close(&store->load_bytes_gate);
    ms_flights_close(&store->flights);
    ms_maintenance_retire(store);
    wait_for_calls(store);
    ms_combiner_drain(store);
    free_contents(store);
    ms_exporter_close(store);
    ms_pressure_limit_close(store);
    ms_events_close(&store->events);
    ms_tell_closed(store);
    /* Who is told may be waiting for the end of a callback. */
    if (!ms_events_calls_me(&store->events))
        ms_log_flush(&store->log);
    return MEMSTORE_OK;
}

void ms_store_destroy(memstore *store)
{
    /* A function that the store calls would wait for its own end, or its call go on with what is gone. */
    if (ms_store_close(store) == MEMSTORE_ERR_UNSUPPORTED || ms_events_calls_me(&store->events) ||
        ms_log_calls_me(&store->log) || ms_calling_count(calling_back, store) != 0)
        return;
    ms_maintenance_unregister(store);
    free_store(store);
}
