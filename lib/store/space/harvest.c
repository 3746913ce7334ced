/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that were emptied and tables that were replaced, until a grace period has passed. */
#include "store/space/harvest.h"

#include "store/maintenance.h"
#include "store/store.h"

#include "platform/mem.h"

/* Old tables are freed when they hold more than this share of the limit, by the maintenance thread; by
 * the writer that has grown a table when they hold the larger share, or there is no such thread. */
#define RETIRED_SHARE_DIVISOR 256
#define RETIRED_SHARE_DIVISOR_AT_MOST 32

void ms_harvest_retire(memstore *store, struct ms_retired *node)
{
    ms_mutex_lock(&store->retired_lock);
    node->next = store->retired;
    store->retired = node;
    ms_add_relaxed(&store->retired_bytes, node->size);
    ms_mutex_unlock(&store->retired_lock);
}

void ms_harvest_if_much(memstore *store)
{
    const uint64_t limit = ms_budget_limit(&store->arena.budget);
    const uint64_t bytes = ms_load_relaxed(&store->retired_bytes);

    if (ms_likely(bytes < limit / RETIRED_SHARE_DIVISOR))
        return;
    if (ms_maintenance_wake(store) && bytes < limit / RETIRED_SHARE_DIVISOR_AT_MOST)
        return;
    if (!ms_mutex_try_lock(&store->reclaim_lock))
        return;
    ms_harvest_locked(store, ms_store_deadline(store));
    ms_mutex_unlock(&store->reclaim_lock);
}

/* Take the tables from this one on, which is where the older ones begin; NULL = none. */
static struct ms_retired *take_retired(memstore *store, struct ms_retired *from)
{
    ms_mutex_lock(&store->retired_lock);
    struct ms_retired **link = &store->retired;
    while (*link != from)
        link = &(*link)->next;
    *link = NULL;
    store->retired_ripening = NULL;
    for (struct ms_retired *node = from; node != NULL; node = node->next)
        ms_sub_relaxed(&store->retired_bytes, node->size);
    ms_mutex_unlock(&store->retired_lock);
    return from;
}

static void put_back_retired(memstore *store, struct ms_retired *retired)
{
    while (retired != NULL) {
        struct ms_retired *next = retired->next;
        ms_harvest_retire(store, retired);
        retired = next;
    }
}

/* Everything that waits. */
static struct ms_retired *take_all_retired(memstore *store)
{
    ms_mutex_lock(&store->retired_lock);
    struct ms_retired *const first = store->retired;
    ms_mutex_unlock(&store->retired_lock);
    return take_retired(store, first);
}

/* Free what a grace period has passed for. False when nothing came free. */
static bool release(memstore *store, struct ms_segment *limbo, struct ms_retired *retired)
{
    for (struct ms_segment *segment = limbo; segment != NULL; segment = segment->newer)
        ms_due_forget(&store->due, segment);
    bool freed = ms_arena_recycle(&store->arena, limbo) != 0;
    store->moves_wait = false;
    while (retired != NULL) {
        struct ms_retired *next = retired->next;

        ms_pages_free(&store->arena.pages, retired->memory, retired->size);
        ms_mem_free(retired);
        retired = next;
        freed = true;
    }
    return freed;
}

bool ms_harvest_locked(memstore *store, int64_t deadline_us)
{
    struct ms_segment *limbo = ms_arena_take_limbo(&store->arena);
    struct ms_retired *retired = take_all_retired(store);

    store->ripening = 0;
    if (limbo == NULL && retired == NULL)
        return false;

    if (!ms_maintenance_grace_period(store, deadline_us)) {
        ms_arena_put_limbo(&store->arena, limbo);
        put_back_retired(store, retired);
        return false;
    }
    return release(store, limbo, retired);
}

bool ms_harvest_begin_locked(memstore *store)
{
    if (store->ripening != 0)
        return true;
    ms_mutex_lock(&store->retired_lock);
    store->retired_ripening = store->retired;
    ms_mutex_unlock(&store->retired_lock);
    if (!ms_arena_let_ripen(&store->arena) && store->retired_ripening == NULL)
        return false;
    store->ripening = ms_maintenance_begin_grace_period(store);
    return store->ripening != 0;
}

bool ms_harvest_ripe_locked(memstore *store, int64_t deadline_us)
{
    if (store->ripening == 0 || !ms_maintenance_await_grace_period(store->ripening, deadline_us))
        return false;
    store->ripening = 0;
    struct ms_segment *const limbo = ms_arena_take_ripe(&store->arena);
    const bool freed = release(store, limbo, take_retired(store, store->retired_ripening));
    /* For whoever comes next. */
    ms_harvest_begin_locked(store);
    return freed;
}
