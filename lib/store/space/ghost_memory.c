/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space/ghost_memory.h"

#include "store/space/harvest.h"
#include "store/store.h"

#include "platform/mem.h"

/* The ghost is made when no more than this part of the limit is free, of which it takes half at most. */
#define READY_DIVISOR 16

_Static_assert(READY_DIVISOR < MS_GHOST_DIVISOR, "there is room for the ghost, and for writers");

/* Nothing has to go for a while where at least one of so many segments is worth compacting: as in a store that is
 * overwritten, and might never need a ghost. */
#define WORN_SHARE 8

/* What moving entries needs is left alone. */
static uint64_t spare_bytes(const memstore *store)
{
    return (uint64_t)store->arena.reserve << store->arena.segment_shift;
}

/* Give the ghost a table for so many keys. */
static bool resize(memstore *store, uint64_t keys)
{
    struct ms_retired *node = ms_mem_alloc(sizeof *node);
    struct ms_ghost_table *old = NULL;
    const bool resized =
        node != NULL && ms_ghost_resize(&store->eviction.ghost, &store->arena.pages, keys,
                                        spare_bytes(store), &old);

    if (old == NULL) {
        ms_mem_free(node);
        return resized;
    }
    *node = (struct ms_retired){.memory = old, .size = old->bytes};
    ms_harvest_retire(store, node);
    return true;
}

/* How many keys the policy wants the ghost to hold, of so many entries. */
static uint64_t keys_of(const memstore *store, uint64_t entries)
{
    return ms_ghost_keys(entries, store->eviction.policy->ghost_percent,
                         ms_budget_limit(&store->arena.budget));
}

static bool is_worn(const struct ms_arena *arena, uint64_t limit)
{
    return ms_load_relaxed(&arena->worn) >= (limit >> arena->segment_shift) / WORN_SHARE;
}

/* Later on it would be paid for with what lives, where most of what a segment holds may have to be kept; and
 * nothing is known of what goes before it is there. */
void ms_ghost_memory_ready(memstore *store)
{
    const uint64_t limit = ms_budget_limit(&store->arena.budget);

    if (store->eviction.policy->ghost_percent == 0 ||
        ms_load_relaxed(&store->eviction.ghost.table) != NULL ||
        ms_budget_charged(&store->arena.budget) + limit / READY_DIVISOR < limit ||
        is_worn(&store->arena, limit) || !ms_mutex_try_lock(&store->reclaim_lock))
        return;
    if (ms_load_relaxed(&store->eviction.ghost.table) == NULL)
        resize(store, keys_of(store, ms_index_count(&store->index)));
    ms_mutex_unlock(&store->reclaim_lock);
}

bool ms_ghost_memory_give_back_locked(memstore *store)
{
    const uint64_t saved = ms_load_relaxed(&store->ghost_savings);

    if (saved == 0)
        return false;
    ms_store_relaxed(&store->ghost_savings, 0);
    ms_budget_uncharge(&store->arena.budget, saved);
    return true;
}

/* Keep so many bytes from others, unless somebody has taken them. */
static void save(memstore *store, uint64_t bytes)
{
    if (ms_budget_charge(&store->arena.budget, bytes, spare_bytes(store)))
        ms_add_relaxed(&store->ghost_savings, bytes);
}

/* A full store has the memory for it by a segment each time that one is evicted: all at once would be a
 * thirtieth of what it holds. */
bool ms_ghost_memory_fit_locked(memstore *store, uint64_t entries)
{
    const uint64_t keys = keys_of(store, entries);
    const uint64_t saved = ms_load_relaxed(&store->ghost_savings);

    ms_ghost_memory_give_back_locked(store);
    if (!ms_ghost_needs_resize(&store->eviction.ghost, keys))
        return false;
    ms_arena_cool(&store->arena, 0);
    if (resize(store, keys))
        return false;
    if (ms_load_relaxed(&store->resizing))
        return false;
    if (saved != 0)
        save(store, saved);
    /* Where it is not the limit that refuses it, evicting more does not help. */
    return ms_load_relaxed(&store->ghost_savings) < ms_pages_charge_of(ms_ghost_bytes(keys));
}

void ms_ghost_memory_save_locked(memstore *store)
{
    ms_arena_cool(&store->arena, 0);
    save(store, (uint64_t)1 << store->arena.segment_shift);
}
