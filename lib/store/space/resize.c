/* SPDX-License-Identifier: Apache-2.0 */
/* Another memory limit for a running store.
 *
 * A higher one is a number, as long as the arena's addresses last. A lower one is approached in
 * steps: the limit is let down to a little above what is charged, a segment's worth is reclaimed
 * as it always is, and so on. So the reclaimer has room to move what is worth keeping, and
 * writers go on meanwhile, at the limit of the moment.
 *
 * Who asks for another limit by hand waits for it, and has the old one if it cannot be reached. What
 * memory pressure asks for (pressure_limit.h) is brought about as far as it goes, a while at a time.
 *
 * Lock: the settings lock throughout; the reclaim lock for a step at a time. */
#include "store/space/resize.h"

#include "store/maintenance.h"
#include "store/space/freeing.h"
#include "store/space/ghost_memory.h"
#include "store/store.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* Room that is kept above what is charged: segments to move entries to, and a share for the
 * ghost, which takes two bytes an entry, and for smaller index tables. */
#define HEADROOM_SEGMENTS 4
#define HEADROOM_DIVISOR 32
/* The limit goes down by such a part at a time. */
#define PARTS 64
/* The reclaim lock is held for so long at a time; writers that find no room wait for it. */
#define STEP_US 20000
/* Who may not wait for that lock tries for so long, with such pauses. */
#define TRIES_US 2000
#define TRY_US 50
/* How long to wait for views. */
#define POLL_US 500
/* Who waits for another limit waits so long at least for what writers may not wait for at all. */
#define PATIENCE_LEAST_US 100000
/* Memory pressure lets go on for so long that gains nothing. */
#define VAIN_MOST_US 200000

struct resize {
    memstore *store;
    uint64_t before;
    uint64_t target;
    uint64_t parting;     /* of what is in use: given back when the goal is reached */
    uint64_t goal;        /* down to where something has to be reclaimed: with what is parting */
    int64_t vain_most_us; /* how long it may get no further */
    struct ms_descent *descent;
    bool sealed; /* what is appended to has been sealed since something was last reclaimed */
    /* of the last step */
    bool got_on;          /* it has brought the limit further */
    int64_t replacing_us; /* what it spent on tables */
};

/* ---- The least that is needed ---- */

uint64_t ms_store_least_limit(memstore *store)
{
    return ms_arena_least_limit(&store->arena) + ms_events_charged(&store->events) +
           ms_track_charged(store);
}

int ms_store_check_least(uint64_t limit, uint64_t least, char why[static MS_WHY_SIZE])
{
    if (limit >= least)
        return MEMSTORE_OK;
    snprintf(why, MS_WHY_SIZE,
             "%" PRIu64
             " bytes are too few: bookkeeping, events, followed keys and eight segments of this "
             "store take %" PRIu64,
             limit, least);
    return MEMSTORE_ERR_INVALID_CONFIG;
}

/* What is in use, with the room to go down to it. */
static uint64_t held_bytes(memstore *store)
{
    struct ms_arena *arena = &store->arena;
    const uint64_t charged = ms_budget_charged(&arena->budget), free = ms_arena_free_bytes(arena);
    const uint64_t used = charged > free ? charged - free : 0;

    return used + used / HEADROOM_DIVISOR +
           MS_ARENA_MIN_SEGMENTS * (uint64_t)ms_arena_segment_size(arena);
}

uint64_t ms_store_reachable_limit(memstore *store)
{
    const uint64_t bare = ms_arena_least_limit(&store->arena) + ms_events_charged(&store->events);
    uint64_t least = bare, next;

    /* What follows keys takes more of a higher limit, up to a bound. */
    while (ms_setting_of(&store->settings, access_sample) != 0 &&
           (next = bare + ms_track_charge_at(least)) > least)
        least = next;
    if (store->settings.eviction == MS_EVICTION_NONE && held_bytes(store) > least)
        least = held_bytes(store);
    return least;
}

/* Refuse what could never be reached. Reclaim lock held. */
static int check_target(memstore *store, uint64_t target, uint64_t parting,
                        char why[static MS_WHY_SIZE])
{
    const uint64_t least = ms_store_least_limit(store) - parting;

    const int status = ms_store_check_least(target, least, why);

    if (status != MEMSTORE_OK)
        return status;
    const uint64_t pinned = ms_arena_pinned(&store->arena);
    if (target < least + pinned) {
        snprintf(why, MS_WHY_SIZE,
                 "%" PRIu64 " bytes are too few while views hold %" PRIu64 "; with these %" PRIu64
                 " are needed",
                 target, pinned, least + pinned);
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    return MEMSTORE_OK;
}

/* ---- Down ---- */

/* Replace tables of shards that have lost most of their entries, until then, and note how long it took: nothing
 * comes free until all of a table is replaced. Reclaim lock held. */
static bool replace_tables(struct resize *resize, int64_t until_us)
{
    const int64_t begun = ms_clock_real_us();
    const bool shrunk = ms_tables_shrink_to_least_locked(resize->store, until_us);

    if (shrunk)
        resize->replacing_us += ms_clock_real_us() - begun;
    return shrunk;
}

/* Give something back, for which tables are replaced `until_us`. False when there is nothing to be had now.
 * Reclaim lock held. */
static bool reclaim_locked(struct resize *resize, int64_t deadline_us, int64_t until_us)
{
    memstore *store = resize->store;

    if (ms_arena_cool(&store->arena, store->arena.reserve) != 0 ||
        replace_tables(resize, until_us) ||
        ms_freeing_persist_locked(store, &store->steps_down, deadline_us)) {
        resize->sealed = false;
        return true;
    }
    if (resize->sealed)
        return false;
    resize->sealed = true;
    ms_arena_seal_open(&store->arena);
    return true;
}

/* Whether what is charged leaves `spare` of the limit. */
static bool has_room(const struct resize *resize, uint64_t spare)
{
    struct ms_budget *budget = &resize->store->arena.budget;

    return ms_budget_charged(budget) + spare <= ms_budget_limit(budget);
}

static bool has_arrived(const struct resize *resize)
{
    return ms_budget_limit(&resize->store->arena.budget) == resize->goal && has_room(resize, 0);
}

/* What the reclaimer wants to find: segments to move entries to, and a share for new tables. */
static uint64_t headroom(const struct resize *resize)
{
    const struct ms_arena *arena = &resize->store->arena;

    if (ms_budget_limit(&arena->budget) == resize->goal)
        return 0;
    return ms_budget_limit(&arena->budget) / HEADROOM_DIVISOR +
           HEADROOM_SEGMENTS * ms_arena_segment_size(arena);
}

/* Let the limit down to what is in use and some room, or else by a part of it. Reclaim lock
 * held. */
static void lower_limit_locked(struct resize *resize)
{
    struct ms_arena *arena = &resize->store->arena;
    const uint64_t now = ms_budget_limit(&arena->budget);
    const uint64_t used = ms_budget_charged(&arena->budget) + headroom(resize);
    const uint64_t down = now / PARTS + ms_arena_segment_size(arena);
    uint64_t next = now > down ? now - down : 0;

    if (used < next)
        next = used;
    if (resize->store->steps_down <= arena->segment_count)
        resize->store->steps_down = 0;
    ms_arena_set_limit(arena, next > resize->goal ? next : resize->goal);
}

/* Whether it has come further than ever: the limit, or at that limit what is charged, by a segment, or else the
 * number of entries. What writers add and is reclaimed again is nothing of that, so that it comes to an end. */
static bool gets_on(struct resize *resize)
{
    memstore *store = resize->store;
    struct ms_descent *descent = resize->descent;
    const struct ms_descent now = {.limit = ms_budget_limit(&store->arena.budget),
                                   .charged = ms_budget_charged(&store->arena.budget),
                                   .entries = ms_index_count(&store->index)};

    if (descent->limit == 0 || now.limit < descent->limit ||
        now.charged + ms_arena_segment_size(&store->arena) <= descent->charged) {
        *descent = now;
        return true;
    }
    if (now.entries >= descent->entries)
        return false;
    descent->entries = now.entries;
    return true;
}

/* What a step that began then has come to. */
static void judge_step(struct resize *resize, int64_t begun_us)
{
    const int64_t took = ms_clock_real_us() - begun_us - resize->replacing_us;

    resize->got_on = gets_on(resize);
    resize->descent->vain_us = resize->got_on ? 0 : resize->descent->vain_us + took;
}

static bool is_in_vain(const struct resize *resize)
{
    return resize->descent->vain_us >= resize->vain_most_us;
}

/* Go down for as long as a step may take: reclaim until there is room, and at once let the limit
 * down by it. `*idle` when there is nothing to reclaim, or it was in vain for as long as it may be. False when
 * the reclaim lock was not had.
 * Until the way down is over nothing of what comes free is to stay with writers. */
static bool step(struct resize *resize, int64_t deadline_us, bool *idle)
{
    memstore *store = resize->store;

    /* What is remembered not to exist does not keep its share of the old limit, or entries would go for it. */
    ms_flights_forget_absences(&store->flights, UINT32_MAX, ms_flights_most_absent(resize->goal));
    if (!ms_freeing_lock(store, deadline_us))
        return false;
    const int64_t begun = ms_clock_real_us(), end = begun + STEP_US;
    ms_arena_keep_warm(&store->arena, store->arena.reserve);
    *idle = false;
    resize->replacing_us = 0;
    while (!*idle && !has_arrived(resize) && ms_clock_real_us() < end) {
        if (has_room(resize, headroom(resize)))
            lower_limit_locked(resize);
        else
            *idle = !reclaim_locked(resize, deadline_us, end);
    }
    judge_step(resize, begun);
    *idle = *idle || is_in_vain(resize);
    if (*idle || has_arrived(resize)) {
        ms_arena_keep_warm(&store->arena, 0);
        store->steps_down = 0;
    }
    ms_mutex_unlock(&store->reclaim_lock);
    return true;
}

/* Why the limit cannot be reached; it is put back. */
static int give_up(struct resize *resize, char why[static MS_WHY_SIZE])
{
    memstore *store = resize->store;
    const uint64_t charged = ms_budget_charged(&store->arena.budget);

    ms_mutex_lock(&store->reclaim_lock);
    ms_arena_set_limit(&store->arena, resize->before);
    store->steps_down = 0;
    const int refused = check_target(store, resize->target, resize->parting, why);
    ms_mutex_unlock(&store->reclaim_lock);
    if (refused != MEMSTORE_OK)
        return refused;
    if (store->settings.eviction == MS_EVICTION_NONE) {
        snprintf(why, MS_WHY_SIZE,
                 "%" PRIu64 " bytes are too few for what the store holds, %" PRIu64
                 " bytes, and eviction is none",
                 resize->target, charged);
        return MEMSTORE_ERR_CACHE_FULL;
    }
    snprintf(why, MS_WHY_SIZE,
             "no more than %" PRIu64 " of the bytes above %" PRIu64
             " were had back within performance.lock_timeout",
             resize->before > charged ? resize->before - charged : 0, resize->target);
    return MEMSTORE_ERR_GC_PRESSURE;
}

/* Without eviction, what cannot be had now is had when views are released, or not at all. */
static bool may_wait(memstore *store)
{
    return store->settings.eviction != MS_EVICTION_NONE || ms_arena_has_waiting(&store->arena) ||
           ms_arena_has_limbo(&store->arena, 1);
}

static struct resize plan(memstore *store, uint64_t target, uint64_t parting,
                          struct ms_descent *descent, int64_t vain_most_us)
{
    const uint64_t before = ms_budget_limit(&store->arena.budget), goal = target + parting;

    return (struct resize){.store = store,
                           .before = before,
                           .target = target,
                           .parting = parting,
                           .goal = goal < before ? goal : before,
                           .descent = descent,
                           .vain_most_us = vain_most_us};
}

static int64_t patience(const memstore *store)
{
    const int64_t deadline = ms_store_deadline(store);
    const int64_t least = ms_wait_deadline(ms_clock_real_us() + PATIENCE_LEAST_US);

    return deadline > least ? deadline : least;
}

/* After a step that was not the last: whether there is to be another, after a pause. */
static bool goes_on(const struct resize *resize, bool idle, int64_t deadline_us)
{
    if (ms_clock_real_us() >= deadline_us || (idle && !may_wait(resize->store)))
        return resize->got_on;
    if (idle)
        usleep(POLL_US);
    else
        sched_yield();
    return true;
}

static int shrink(memstore *store, uint64_t target, uint64_t parting, char why[static MS_WHY_SIZE])
{
    struct ms_descent descent = {0};
    /* As long as it gets on it may take its time. */
    struct resize resize = plan(store, target, parting, &descent, INT64_MAX);
    int64_t deadline = patience(store);

    while (!has_arrived(&resize)) {
        bool idle;

        if (!step(&resize, deadline, &idle) || (ms_wait_was_cut() && !has_arrived(&resize)))
            return give_up(&resize, why);
        deadline = resize.got_on ? patience(store) : deadline + resize.replacing_us;
        if (!has_arrived(&resize) && !goes_on(&resize, idle, deadline))
            return give_up(&resize, why);
    }
    return MEMSTORE_OK;
}

/* ---- Both ways ---- */

/* A limit as high as the one there is, or higher. Reclaim lock held. */
static void raise_locked(memstore *store, uint64_t limit)
{
    ms_arena_set_limit(&store->arena, limit);
    /* It may have been on its way down. */
    ms_arena_keep_warm(&store->arena, 0);
    store->steps_down = 0;
}

int ms_store_check_limit(const memstore *store, uint64_t limit, char why[static MS_WHY_SIZE])
{
    if (limit <= store->arena.largest_limit)
        return MEMSTORE_OK;
    snprintf(why, MS_WHY_SIZE,
             "%" PRIu64 " bytes are more than this store can grow to; when it was opened, "
             "addresses were reserved for %" PRIu64,
             limit, store->arena.largest_limit);
    return MEMSTORE_ERR_UNSUPPORTED;
}

static int lock_reclaim(memstore *store, char why[static MS_WHY_SIZE])
{
    if (ms_mutex_lock_until(&store->reclaim_lock, patience(store)))
        return MEMSTORE_OK;
    snprintf(why, MS_WHY_SIZE, "somebody has been reclaiming for all of performance.lock_timeout");
    return MEMSTORE_ERR_LOCK_TIMEOUT;
}

int ms_store_raise(memstore *store, uint64_t limit, uint64_t taken, char why[static MS_WHY_SIZE])
{
    const int status = lock_reclaim(store, why);

    if (status != MEMSTORE_OK)
        return status;
    ms_add_relaxed(&store->arena.budget.charged, taken);
    raise_locked(store, limit);
    ms_mutex_unlock(&store->reclaim_lock);
    return status;
}

int ms_store_lower(memstore *store, uint64_t limit, uint64_t parting, char why[static MS_WHY_SIZE])
{
    struct ms_arena *arena = &store->arena;
    int status = lock_reclaim(store, why);

    if (status != MEMSTORE_OK)
        return status;
    ms_ghost_memory_give_back_locked(store);
    status = check_target(store, limit, parting, why);
    ms_mutex_unlock(&store->reclaim_lock);
    if (status != MEMSTORE_OK)
        return status;

    ms_combiner_shed(store);
    ms_store_relaxed(&store->resizing, true);
    status = shrink(store, limit, parting, why);
    ms_store_relaxed(&store->resizing, false);
    ms_mutex_lock(&store->reclaim_lock);
    /* With what is parting in use that may be less than is charged: nobody takes its place. */
    if (status == MEMSTORE_OK)
        ms_arena_set_limit(arena, limit);
    ms_arena_keep_warm(arena, 0);
    ms_mutex_unlock(&store->reclaim_lock);
    return status;
}

void ms_store_settle_limit(memstore *store)
{
    struct ms_arena *arena = &store->arena;
    const int64_t deadline = patience(store);

    if (ms_budget_charged(&arena->budget) <= ms_budget_limit(&arena->budget) ||
        !ms_mutex_lock_until(&store->reclaim_lock, deadline))
        return;
    while (ms_budget_charged(&arena->budget) > ms_budget_limit(&arena->budget) &&
           ms_clock_real_us() < deadline &&
           (ms_arena_cool(arena, arena->reserve) != 0 || ms_freeing_step_locked(store, deadline)))
        continue;
    ms_mutex_unlock(&store->reclaim_lock);
}

void ms_store_put_limit_back(memstore *store, uint64_t limit)
{
    ms_mutex_lock(&store->reclaim_lock);
    ms_arena_set_limit(&store->arena, limit);
    ms_mutex_unlock(&store->reclaim_lock);
}

/* The maintenance thread does not wait for the reclaim lock; but writers, who stand back from it while
 * the limit goes down, may be just done with it. */
static bool step_soon(struct resize *resize, bool *idle)
{
    const int64_t end = ms_clock_real_us() + TRIES_US;
    bool locked;

    while (!(locked = step(resize, ms_store_deadline(resize->store), idle)) &&
           ms_clock_real_us() < end)
        usleep(TRY_US);
    return locked;
}

enum ms_resize_end ms_store_resize_some(memstore *store, uint64_t limit, struct ms_descent *descent,
                                        int64_t until_us)
{
    struct resize resize = plan(store, limit, 0, descent, VAIN_MOST_US);
    bool idle = false, locked = true;

    if (limit >= resize.before) {
        locked = ms_freeing_lock(store, ms_store_deadline(store));
        if (!locked)
            return MS_RESIZE_LATER;
        raise_locked(store, limit);
        ms_mutex_unlock(&store->reclaim_lock);
        return MS_RESIZE_DONE;
    }
    ms_combiner_free_spare(store);
    ms_store_relaxed(&store->resizing, true);
    while (locked && !idle && !has_arrived(&resize) && ms_clock_real_us() < until_us &&
           !ms_store_is_closed(store)) {
        locked = step_soon(&resize, &idle);
        if (ms_maintenance_is_me())
            ms_maintenance_pass_grace_periods();
        sched_yield();
    }
    ms_store_relaxed(&store->resizing, false);
    return has_arrived(&resize) ? MS_RESIZE_DONE : idle ? MS_RESIZE_STUCK : MS_RESIZE_LATER;
}
