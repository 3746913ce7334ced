/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space/tables.h"

#include "store/store.h"

/* Writers that make room wait while this goes on. */
#define STEP_US 300
/* A shard that somebody holds for longer is left for another time. */
#define SHARD_PATIENCE_US 5000
#define MINUTE_MS 60000
/* With less of the limit left than such a part there may be no room for a second table once memory is wanted. */
#define SCARCE_DIVISOR 8

/* How many entries a shard's table is to have room for at least. */
typedef uint64_t (*keep_fn)(const memstore *store, uint32_t shard);

static uint64_t keep_nothing(const memstore *store, uint32_t shard)
{
    (void)store;
    (void)shard;
    return 0;
}

static uint64_t keep_announced(const memstore *store, uint32_t shard)
{
    const uint64_t entries = ms_index_entries_to_be(&store->index, shard);

    return entries > store->index.announced ? entries : store->index.announced;
}

static uint64_t keep_peak(const memstore *store, uint32_t shard)
{
    const uint64_t peak = ms_index_peak(&store->index, shard);
    const uint64_t announced = keep_announced(store, shard);

    return peak > announced ? peak : announced;
}

void ms_tables_init(struct ms_tables *tables)
{
    *tables = (struct ms_tables){0};
    ms_store_relaxed(&tables->look_at, MS_NEVER);
}

static bool finish(memstore *store, uint32_t shard, int64_t until_us)
{
    ms_mutex *lock = &store->index.shards[shard].lock;
    bool stepped = false, goes_on = true;

    while (goes_on && ms_mutex_lock_until(lock, ms_clock_real_us() + SHARD_PATIENCE_US)) {
        goes_on = ms_index_go_on(&store->index, shard);
        ms_mutex_unlock(lock);
        stepped = stepped || goes_on;
        goes_on = goes_on && ms_clock_real_us() < until_us;
    }
    return stepped;
}

bool ms_tables_finish_locked(memstore *store)
{
    const int64_t until_us = ms_clock_real_us() + STEP_US;
    bool stepped = false;

    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        if (ms_load_relaxed(&store->index.replacing) == 0 || ms_clock_real_us() >= until_us)
            break;
        stepped = finish(store, shard, until_us) || stepped;
    }
    return stepped;
}

static bool is_oversized(const memstore *store, uint32_t shard, keep_fn keep)
{
    return ms_index_is_oversized(&store->index, shard, keep(store, shard));
}

struct shrinking {
    keep_fn keep;
    int64_t until_us;
    bool to_the_last; /* out of the reserve, too: one table, which gives more back */
};

/* A step towards a smaller table of a shard. False when there is none to take now. */
static bool step(memstore *store, uint32_t shard, const struct shrinking *how)
{
    ms_mutex *lock = &store->index.shards[shard].lock;

    if (!is_oversized(store, shard, how->keep) ||
        !ms_mutex_lock_until(lock, ms_clock_real_us() + SHARD_PATIENCE_US))
        return false;
    const bool stepped =
        ms_index_shrink(&store->index, shard, how->keep(store, shard), how->to_the_last);
    ms_mutex_unlock(lock);
    return stepped;
}

/* Take steps, one at least, from the shard on that is next. False when there was none to take. */
static bool shrink(memstore *store, const struct shrinking *how)
{
    const uint32_t shards = store->index.shard_count;
    struct ms_tables *tables = &store->tables;
    bool shrunk = false;

    for (uint32_t i = 0; i < shards && !(shrunk && how->to_the_last); i++) {
        while (step(store, tables->next, how)) {
            shrunk = true;
            if (ms_clock_real_us() >= how->until_us)
                return true;
        }
        tables->next = (tables->next + 1) & (shards - 1);
    }
    return shrunk;
}

static bool has_oversized(const memstore *store, keep_fn keep)
{
    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        if (is_oversized(store, shard, keep))
            return true;
    }
    return false;
}

/* In a full store there may be no other room for a second table than what is kept free. */
static bool shrink_some(memstore *store, keep_fn keep)
{
    struct shrinking how = {.keep = keep, .until_us = ms_clock_real_us() + STEP_US};

    if (shrink(store, &how))
        return true;
    if (!has_oversized(store, keep))
        return false;
    ms_arena_cool(&store->arena, 0);
    how.to_the_last = true;
    return shrink(store, &how);
}

static bool may_be_oversized(const memstore *store)
{
    return ms_load_relaxed(&store->index.may_be_oversized);
}

/* Whether some still are: else nobody looks again before entries are removed. */
static bool are_left(memstore *store)
{
    /* First, so that what is removed meanwhile tells. */
    ms_store_relaxed(&store->index.may_be_oversized, false);
    const bool left = has_oversized(store, keep_announced);
    if (left)
        ms_store_relaxed(&store->index.may_be_oversized, true);
    return left;
}

bool ms_tables_shrink_locked(memstore *store)
{
    return may_be_oversized(store) &&
           (shrink_some(store, keep_announced) || (are_left(store), false));
}

static bool is_scarce(memstore *store)
{
    return ms_arena_room(&store->arena) < ms_budget_limit(&store->arena.budget) / SCARCE_DIVISOR;
}

static void begin_minute(memstore *store, int64_t now)
{
    ms_index_begin_peaks(&store->index);
    ms_store_relaxed(&store->tables.look_at, now + MINUTE_MS);
}

/* What has been too large for a minute is made smaller; what is now is watched for another. */
static bool end_minute(memstore *store, int64_t now)
{
    if (shrink_some(store, keep_peak))
        return true;
    ms_store_relaxed(&store->tables.look_at, MS_NEVER);
    if (are_left(store))
        begin_minute(store, now);
    return false;
}

bool ms_tables_tend_locked(memstore *store, bool all)
{
    const int64_t now = ms_clock_exact_ms();
    const int64_t look_at = ms_load_relaxed(&store->tables.look_at);

    if (now >= look_at)
        return end_minute(store, now);
    if (!may_be_oversized(store))
        return false;
    if ((all || is_scarce(store)) && ms_tables_shrink_locked(store))
        return true;
    if (look_at == MS_NEVER && may_be_oversized(store))
        begin_minute(store, now);
    return false;
}

bool ms_tables_shrink_to_least_locked(memstore *store, int64_t until_us)
{
    const struct shrinking how = {.keep = keep_nothing, .until_us = until_us};

    return shrink(store, &how);
}
