/* SPDX-License-Identifier: Apache-2.0 */
#include "store/track/advise.h"

#include "platform/mem.h"
#include "store/lookup.h"
#include "store/space/resize.h"
#include "store/watch/report.h"

#include <stdlib.h>

/* ---- Settings and counts ---- */

static const char *name_of_policy(enum ms_eviction_kind kind)
{
    static const char *const names[] = {
        [MS_EVICTION_ADAPTIVE] = "adaptive", [MS_EVICTION_S3FIFO] = "s3fifo",
        [MS_EVICTION_LRU] = "lru",           [MS_EVICTION_FIFO] = "fifo",
        [MS_EVICTION_NONE] = "none",         [MS_EVICTION_LFU] = "lfu",
    };

    return names[kind];
}

static const char *name_of_hash(enum ms_hash_kind kind)
{
    static const char *const names[] = {
        [MS_HASH_XXH3] = "xxh3", [MS_HASH_FNV] = "fnv", [MS_HASH_CRC32] = "crc32"};

    return names[kind];
}

static void gather_settings(memstore *store, struct ms_findings_settings *out)
{
    const struct ms_settings *settings = &store->settings;

    out->eviction = name_of_policy(settings->eviction);
    out->hash_function = name_of_hash(settings->hash_function);
    out->limit = ms_budget_limit(&store->arena.budget);
    out->configured_limit = ms_setting_of(settings, limit);
    out->memory_limit = ms_setting_of(settings, memory_limit);
    out->hard_max = ms_setting_of(settings, hard_max_cache_size);
    out->least_limit = ms_store_reachable_limit(store);
    out->largest_limit = store->arena.largest_limit;
    out->max_entry_size = ms_setting_of(settings, max_entry_size);
    out->default_ttl = ms_setting_of(settings, default_ttl);
    out->min_ttl = ms_setting_of(settings, min_ttl);
    out->max_ttl = ms_setting_of(settings, max_ttl);
    out->life_window = ms_setting_of(settings, life_window);
    out->ttl_jitter = ms_setting_of(settings, ttl_jitter);
    out->reads_renew = settings->ttl_mode == MS_TTL_MODE_ACCESS;
    out->sample_ratio = ms_setting_of(settings, access_sample) / 1e6;
}

/* What was counted of all, while others go on counting. */
static uint64_t part_of(uint64_t part, uint64_t all)
{
    return part < all ? part : all;
}

static void gather_counts(memstore *store, struct ms_findings_counts *out)
{
    uint64_t sums[MS_COUNTERS];

    out->entries = ms_store_size(store);
    ms_counters_sum(&store->counters, sums);
    out->misses = sums[MS_COUNT_MISSES];
    out->hits = sums[MS_COUNT_READS] - part_of(out->misses, sums[MS_COUNT_READS]);
    out->sets = sums[MS_COUNT_SETS];
    out->evictions = sums[MS_COUNT_EVICTIONS];
    out->expirations = sums[MS_COUNT_EXPIRATIONS];
    out->rejected_full = sums[MS_COUNT_REJECTED_FULL];
    out->limit_lowered = sums[MS_COUNT_LIMIT_LOWERED];
    out->unread_is_known = store->touch == MS_TOUCH_COUNT;
    out->expired_unread = part_of(sums[MS_COUNT_EXPIRED_UNREAD], out->expirations);
    out->evicted_unread = part_of(sums[MS_COUNT_EVICTED_UNREAD], out->evictions);
}

/* ---- Entries ---- */

/* Entries looked at: shards are alike, so the first ones stand for all. */
#define WALKED_MOST 65536
/* How far apart the first and the last expiry of a burst may be: 1 % of what is left of the TTLs on
 * average, and no less than this, or a tenth of it where that is less. */
#define BURST_LEAST_MS 1000

struct walk {
    memstore *store;
    struct ms_findings_entries *out;
    int64_t now;
    int64_t *expiries; /* of those that expire; room for WALKED_MOST */
};

static bool look_at(void *context, uint32_t place)
{
    struct walk *walk = context;
    memstore *store = walk->store;
    struct ms_findings_entries *out = walk->out;
    struct ms_found found;

    if (ms_entry_is_record(ms_arena_entry(&store->arena, place)))
        return true;
    ms_found_at(store, place, &found);
    const int64_t expiry = ms_found_expiry(&found);
    if (expiry <= walk->now)
        return true;
    const uint32_t size = found.parts.size;
    ms_spread_add(&out->sizes, size, 1, size);
    if (expiry != MS_NEVER) {
        ms_spread_add(&out->ttls, (uint64_t)(expiry - walk->now), 1, size);
        walk->expiries[out->expiring++] = expiry;
    }
    return ++out->walked < WALKED_MOST;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* How long a burst may last where so much is left of TTLs. */
static int64_t burst_of(int64_t left_ms)
{
    const int64_t least = left_ms / 10 < BURST_LEAST_MS ? left_ms / 10 : BURST_LEAST_MS;
    const int64_t ms = left_ms / 100 > least ? left_ms / 100 : least;

    return ms > 1 ? ms : 1;
}

/* The largest number of expiries within a short time. */
static void find_burst(const struct walk *walk)
{
    struct ms_findings_entries *out = walk->out;
    const size_t count = out->expiring;
    size_t first = 0, most = 0;

    if (count == 0)
        return;
    qsort(walk->expiries, count, sizeof *walk->expiries, compare_times);
    out->burst_ms = burst_of(walk->expiries[count / 2] - walk->now);
    for (size_t last = 0; last < count; last++) {
        while (walk->expiries[last] - walk->expiries[first] > out->burst_ms)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    out->burst_share = (double)most / (double)count;
}

static int walk_entries(memstore *store, struct ms_findings_entries *out)
{
    struct walk walk = {store, out, ms_clock_exact_ms(),
                        ms_mem_alloc(WALKED_MOST * sizeof *walk.expiries)};

    if (walk.expiries == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    for (uint32_t shard = 0; shard < store->index.shard_count && out->walked < WALKED_MOST;
         shard++) {
        ms_rcu_read_lock();
        ms_index_scan(&store->index, shard, 0, UINT32_MAX, look_at, &walk);
        ms_rcu_read_unlock();
    }
    find_burst(&walk);
    ms_mem_free(walk.expiries);
    return MEMSTORE_OK;
}

static void gather_shards(memstore *store, struct ms_findings_entries *out)
{
    out->shards = store->index.shard_count;
    for (uint32_t shard = 0; shard < out->shards; shard++) {
        const uint64_t entries = ms_index_entries(&store->index, shard);

        out->all_in_shards += entries;
        if (entries > out->fullest_shard)
            out->fullest_shard = entries;
    }
}

_Static_assert(MS_FINDINGS_TTLS == MEMSTORE_TTL_CLASSES, "all classes are told");

static void gather_ttls(memstore *store, struct ms_findings_ttls *out)
{
    memstore_ttl_stats stats = {0};

    ms_store_ttl_stats(store, &stats);
    out->classes = (uint32_t)stats.classes;
    memcpy(out->from_ms, stats.from_ms, sizeof out->from_ms);
    memcpy(out->entries, stats.entries, sizeof out->entries);
}

/* ---- The pattern ---- */

/* Points of the curve: four to each doubling, from a 64th of what the limit leaves for entries to sixteen
 * times of it. */
#define POINTS_BELOW 24
#define POINTS_ABOVE 16

/* 2^(i / 4) */
static double power(int quarters)
{
    static const double parts[] = {1, 1.189207115002721, 1.4142135623730951, 1.681792830507429};
    const int whole = (quarters - (quarters & 3)) / 4;

    return whole >= 0 ? parts[quarters & 3] * (double)(1 << whole)
                      : parts[quarters & 3] / (double)(1 << -whole);
}

static void fill_curve(const struct ms_pattern *pattern, const struct ms_arena *arena,
                       struct ms_findings_pattern *out)
{
    const uint64_t overhead = arena->overhead, left = ms_budget_limit(&arena->budget) - overhead;
    const double references = (double)out->references;
    const struct ms_reuse *reuse = &pattern->reuse;
    const double mean = reuse->held != 0 ? (double)reuse->held_bytes / reuse->held : 0;

    out->at_limit = POINTS_BELOW;
    out->point_count = POINTS_BELOW + POINTS_ABOVE + 1;
    for (uint32_t i = 0; i < out->point_count; i++) {
        const double times = power((int)i - POINTS_BELOW);
        const double bytes = times * (double)pattern->cache_bytes;

        out->points[i] = (struct ms_point){
            .bytes = overhead + (uint64_t)(times * (double)left),
            .entries = mean > 0 ? (uint64_t)(bytes / mean) : 0,
            .miss_ratio = ms_curve_miss_ratio(&reuse->curve, bytes, references),
        };
    }
}

/* The curve, which the whole sample has made, tells what lru misses; what the others do differently
 * is told by the difference of their miniatures to that of lru, in which the same keys are there or
 * missing. */
static void fill_policies(const struct ms_pattern *pattern, struct ms_findings_pattern *out)
{
    const double references = (double)out->references;
    const struct ms_curve *curve = &pattern->reuse.curve;
    const double lru = ms_mini_miss_ratio(&pattern->minis[MS_MINI_LRU], curve, references);
    const double off = out->points[out->at_limit].miss_ratio - lru;

    for (int i = 0; i < MS_MINI_POLICIES; i++) {
        const double ratio = ms_mini_miss_ratio(&pattern->minis[i], curve, references) + off;

        out->policies[i] = ratio < 0 ? 0 : ratio < 1 ? ratio : 1;
    }
}

static void fill_hot(const struct ms_pattern *pattern, struct ms_findings_pattern *out)
{
    out->hot_noted = pattern->hot.noted;
    out->hot_count = ms_hot_sorted(&pattern->hot, out->hot, MS_FINDINGS_HOT_KEYS);
}

static void fill_pattern(memstore *store, const struct ms_sampler *sampler,
                         struct ms_findings_pattern *out)
{
    const struct ms_pattern *pattern = &sampler->pattern;

    out->is_tracked = true;
    out->ratio = 1 / pattern->reuse.weight;
    out->followed = pattern->reuse.count;
    out->sampled = pattern->sampled;
    out->sampled_reads = pattern->reads;
    out->missed = ms_load_relaxed(&store->track.missed);
    out->references = ms_track_reads_locked(store);
    /* Of all reads, as the curve has it: those of the sample are fewer or more than their share. */
    out->miss_ratio = out->references > 0 ? pattern->misses / (double)out->references : 0;
    if (out->miss_ratio > 1)
        out->miss_ratio = 1;
    fill_curve(pattern, &store->arena, out);
    fill_policies(pattern, out);
    fill_hot(pattern, out);
    out->read_once = ms_reuse_read_once(&pattern->reuse);
    out->reuse_ages = pattern->reuse_ages;
    out->ttls = pattern->ttls;
    out->late = pattern->late;
    out->hit_ages = pattern->hit_ages;
    out->idle_ages = pattern->idle_ages;
    out->hit_sizes = pattern->hit_sizes;
}

int ms_advise_gather(memstore *store, struct ms_findings *out)
{
    gather_settings(store, &out->settings);
    gather_counts(store, &out->counts);
    gather_shards(store, &out->entries);
    gather_ttls(store, &out->ttls);
    const int status = walk_entries(store, &out->entries);
    if (status != MEMSTORE_OK)
        return status;
    ms_mutex_lock(&store->track.lock);
    const struct ms_sampler *sampler = ms_load_relaxed(&store->track.sampler);
    if (sampler != NULL) {
        ms_track_settle_locked(store);
        fill_pattern(store, sampler, &out->pattern);
    }
    ms_mutex_unlock(&store->track.lock);
    return MEMSTORE_OK;
}
