/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps one store in shape without being asked: expiry, free segments ahead of writers,
 * compaction. Run by the maintenance thread, or by memstore_maintain(). */
#include "store/upkeep.h"

#include "store/maintenance.h"
#include "store/space/choose.h"
#include "store/space/freeing.h"
#include "store/space/harvest.h"
#include "store/space/reclaim.h"
#include "store/store.h"
#include "store/watch/report.h"

#include "platform/wait.h"

#include <sched.h>

/* Dead bytes that a segment must have to be compacted in time. */
#define COMPACT_DIVISOR 4
/* So long nothing may have been appended to a segment that is sealed for having nothing live. */
#define SPENT_MS 1000
/* Between the segments that somebody sweeps who wants all of it swept, writers that make room come
 * first. */
#define GIVE_WAY_US 200
/* The maintenance thread tries for so long to get the reclaim lock for that, with such pauses. */
#define TRIES_US 2000
#define TRY_US 50

/* Sweep one segment, if one is due. */
static bool sweep_one(memstore *store, bool exact)
{
    const int64_t now = ms_clock_exact_ms();
    struct ms_segment *segment =
        exact ? ms_due_any_expired(&store->due, now) : ms_due_next(&store->due, now);

    if (segment == NULL)
        return false;
    const uint64_t removed = ms_reclaim_sweep_locked(
        store, segment, now, ms_setting_of(&store->settings, batch_cleanup_size), true);
    /* Nothing removed and still expired means that somebody holds the shard: later. */
    return removed != 0 || ms_load_relaxed(&segment->earliest) > now;
}

static uint32_t compacts_from(const memstore *store)
{
    return (uint32_t)(ms_arena_segment_size(&store->arena) / COMPACT_DIVISOR);
}

/* Whether dead bytes have reached gc_percent of live bytes. */
static bool is_gc_due(memstore *store)
{
    const uint32_t percent = ms_setting_of(&store->settings, gc_percent);
    uint64_t live, dead;

    if (percent == 0 || !ms_arena_is_worn(&store->arena))
        return false;
    ms_store_live_and_dead(store, &live, &dead);
    return dead != 0 && dead * 100 >= live * percent;
}

/* Seal open segments of which nothing is left, and those to be compacted, if nobody has appended to them for a
 * second: where entries are written and soon gone a segment is to take many of them. */
static bool seal_spent(memstore *store, bool all)
{
    const int64_t now = ms_clock_exact_ms(), planned = ms_load_relaxed(&store->spent_at);
    bool left;

    if (!all && planned != MS_NEVER && now < planned)
        return false;
    const bool gc_due = is_gc_due(store);
    if (!all && planned == MS_NEVER && !gc_due && !ms_load_relaxed(&store->arena.may_be_spent))
        return false;
    const bool sealed =
        ms_arena_seal_spent(&store->arena, gc_due ? compacts_from(store) : UINT32_MAX, all, &left);
    ms_store_relaxed(&store->spent_at, left ? now + SPENT_MS : MS_NEVER);
    return sealed;
}

/* Compact one when it is time for that. */
static bool compact_one(memstore *store)
{
    if (!is_gc_due(store))
        return false;

    struct ms_segment *segment =
        ms_choose_to_tidy(store, compacts_from(store), ms_store_deadline(store));
    if (segment == NULL)
        return false;
    ms_reclaim_compact_locked(store, segment);
    return ms_segment_is_in_limbo(segment);
}

/* Whether more is to be emptied, so that enough is free before writers ask for it: what only waits for a
 * grace period counts, and so does what tables of what has expired took while nobody wrote, for which some of
 * that would be dropped. */
static bool lacks_room(memstore *store)
{
    struct ms_arena *arena = &store->arena;
    const uint32_t ahead = ms_arena_freed_ahead(arena);
    const uint64_t taken = ms_load_relaxed(&store->stale.taken) + ms_arena_segment_size(arena) - 1;

    return store->settings.eviction != MS_EVICTION_NONE && ahead != 0 &&
           ms_arena_available(arena) + (ms_arena_limbo_bytes(arena) >> arena->segment_shift) +
                   (taken >> arena->segment_shift) <
               ahead;
}

static bool evict_ahead(memstore *store)
{
    return ms_freeing_empty_locked(store, ms_store_deadline(store));
}

/* Whether to go on before a grace period is let pass: one serves for several large entries, each of which is a
 * segment. Others hold so many that each is worth one, and is the writers' the sooner. */
static bool gathers(memstore *store)
{
    return ms_arena_limbo_is_large(&store->arena) && lacks_room(store);
}

/* The maintenance thread lets grace periods pass between its steps, when others may reclaim. */
static bool harvest(memstore *store)
{
    return ms_maintenance_is_me() ? ms_harvest_ripe_locked(store, MS_HARVEST_NO_WAIT)
                                  : ms_harvest_locked(store, ms_store_deadline(store));
}

static bool step_locked(memstore *store, bool exact, bool all)
{
    if (sweep_one(store, exact))
        return true;
    if (ms_arena_has_waiting(&store->arena) && ms_arena_recycle_waiting(&store->arena) != 0)
        return true;
    if (gathers(store) && evict_ahead(store))
        return true;
    return harvest(store) || (lacks_room(store) && evict_ahead(store)) ||
           ms_arena_make_ahead(&store->arena) ||
           ms_arena_give_idle(&store->arena, ms_clock_exact_ms()) || seal_spent(store, all) ||
           compact_one(store) || ms_tables_tend_locked(store, all);
}

/* The maintenance thread does not wait for the reclaim lock: whoever holds it may be waiting for
 * that thread. */
static bool lock_reclaim(memstore *store, bool exact, int64_t deadline_us)
{
    return exact ? ms_mutex_lock_until(&store->reclaim_lock, deadline_us)
                 : ms_mutex_try_lock(&store->reclaim_lock);
}

/* When a budget ends: a very large one never, and neither does 0, which is none. */
static int64_t end_of_budget(int64_t budget_us)
{
    int64_t end;

    return budget_us == 0 || __builtin_add_overflow(ms_clock_real_us(), budget_us, &end) ? INT64_MAX
                                                                                         : end;
}

/* Apply what is queued and due, which waits no longer than all the rest: what is not applied for that
 * stays queued. */
static int combine(memstore *store, int64_t deadline)
{
    /* The caller's own bound counts from here on, and still does after it. */
    const int64_t until = ms_wait_deadline(deadline);
    const struct ms_wait_bound bound = ms_wait_bound;

    ms_wait_bound.until_us = until;
    const int status = ms_combiner_run_due(store);
    ms_wait_bound = bound;
    return status;
}

int ms_upkeep_run(memstore *store, int64_t budget_us, bool exact)
{
    const int64_t deadline = end_of_budget(budget_us);
    /* The maintenance thread's patience is shorter anyway, and what it leaves for that is counted. */
    const int combined = exact ? combine(store, deadline) : ms_combiner_run_due(store);
    bool busy = true;

    ms_monitor_look(store);
    ms_track_digest(store);
    ms_exporter_look(store);
    const bool limit_settled = ms_pressure_limit_run(store, deadline);
    while (busy) {
        if (!lock_reclaim(store, exact, budget_us != 0 ? deadline : ms_store_deadline(store)))
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        const bool closed = ms_store_is_closed(store);
        busy = !closed && step_locked(store, exact, exact && budget_us == 0);
        /* Who waits for it is not kept waiting. */
        const bool ripens = !closed && ms_maintenance_is_me() &&
                            (store->ripening != 0 || !busy || !gathers(store)) &&
                            ms_harvest_begin_locked(store);
        ms_mutex_unlock(&store->reclaim_lock);
        /* Nor who waits for one in another store. */
        if (ms_maintenance_is_me())
            ms_maintenance_pass_grace_periods();
        busy = busy || ripens;
        /* Between steps writers that wait for the reclaim lock come first. */
        if (busy && ms_wait_is_over(deadline))
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        if (busy)
            sched_yield();
    }
    /* A step that was stopped may say that there was nothing to do. */
    if (!limit_settled || ms_wait_is_stopped())
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    /* The maintenance thread knows when it comes back. */
    return exact ? combined : MEMSTORE_OK;
}

/* Whether what has expired by `now` is removed. */
static bool is_swept(memstore *store, int64_t now)
{
    /* ORDER: the segments first: one that is being swept is not seen as expired, but then its
     * sweeper has set the flag before, under the lock that we have just held. Acquire, pairs with
     * the release at the end of the sweep: the entries are removed. */
    return ms_due_any_expired(&store->due, now) == NULL && !ms_load_acquire(&store->sweeping);
}

/* Lock to sweep: the maintenance thread tries for a while, and has those go on who wait for it. */
static bool lock_to_expire(memstore *store, int64_t deadline_us)
{
    if (!ms_maintenance_is_me())
        return ms_mutex_lock_until(&store->reclaim_lock, deadline_us);

    const int64_t end = ms_clock_real_us() + TRIES_US;
    while (!ms_mutex_try_lock(&store->reclaim_lock)) {
        if (ms_clock_real_us() >= end)
            return false;
        ms_maintenance_pass_grace_periods();
        ms_wait_us(TRY_US);
    }
    return true;
}

/* Others come to the reclaim lock, though a mutex is not fair, and to their grace periods. */
static void give_way(memstore *store)
{
    if (ms_maintenance_is_me())
        ms_maintenance_pass_grace_periods();
    if (ms_gate_is_taken(&store->room_line))
        ms_wait_us(GIVE_WAY_US);
    else
        sched_yield();
}

bool ms_upkeep_expire(memstore *store, int64_t deadline_us)
{
    const int64_t now = ms_clock_exact_ms();
    bool swept = is_swept(store, now), more = !swept;

    /* How much there is to sweep nobody knows. */
    if (more)
        ms_wait_begins();
    while (more) {
        if (!lock_to_expire(store, deadline_us))
            return false;
        more = sweep_one(store, true);
        /* Nobody else is sweeping now. */
        swept = ms_due_any_expired(&store->due, now) == NULL;
        ms_mutex_unlock(&store->reclaim_lock);
        more = more && !swept;
        if (more && ms_wait_is_over(deadline_us))
            return false;
        if (more)
            give_way(store);
    }
    return swept;
}
