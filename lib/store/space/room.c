/* SPDX-License-Identifier: Apache-2.0 */
/* Making room for what is asked for, in turn, until a deadline. */
#include "store/space/room.h"

#include "store/maintenance.h"
#include "store/space/freeing.h"
#include "store/store.h"

#include "platform/wait.h"

/* How long to wait for views to be released before looking again. */
#define PIN_POLL_US 500

/* How long a writer stands back from the reclaim lock for a change of the limit. */
#define GIVE_WAY_US 200

/* A writer that keeps losing what it makes room for goes on this long after its deadline. */
#define GRACE_FOR_OTHERS_US 10000

/* Who makes room for much looks after so many steps, and each time that they are twice as many, at what views
 * hold. */
#define LOOK_AT_VIEWS_FROM 8

/* Who waits for what views hold looks at that again after so long. */
#define LOOK_AGAIN_US 4000

/* What room is to be made for. */
struct wanted {
    uint64_t bytes; /* 0 = a segment */
    bool pages;     /* or else bytes that are charged alone */
    bool hurries;   /* views are not waited for */
};

/* Whether the limit has room for so many bytes more: who takes pages gives back those that are warm before he
 * is refused, but no segments. */
static bool fits(struct ms_arena *arena, const struct wanted *wanted, uint64_t need)
{
    const uint64_t warm = wanted->pages ? ms_pages_warm(&arena->pages) : 0;

    return ms_budget_limit(&arena->budget) + warm >= ms_budget_charged(&arena->budget) + need;
}

/* What is to be free for it, or 0: a segment. Pages and free segments come out of the same limit. */
static uint64_t needed(const struct ms_arena *arena, const struct wanted *wanted)
{
    return wanted->bytes == 0 ? 0
                              : ms_pages_charge_of(wanted->bytes) +
                                    ((uint64_t)arena->reserve << arena->segment_shift);
}

/* Whether what is asked for can be had now. */
static bool is_satisfied(memstore *store, const struct wanted *wanted)
{
    struct ms_arena *arena = &store->arena;

    if (wanted->bytes == 0)
        return ms_arena_available(arena) != 0;

    const uint64_t need = needed(arena, wanted);
    if (ms_arena_room(arena) < need)
        return false;
    if (fits(arena, wanted, need))
        return true;
    ms_arena_cool(arena, 0);
    /* Pages that a segment shares with the one before stay charged as long as that has them. */
    return fits(arena, wanted, need);
}

/* Why no room could be made. */
static int why_none(memstore *store)
{
    if (store->settings.eviction == MS_EVICTION_NONE)
        return MEMSTORE_ERR_CACHE_FULL;
    return ms_arena_pinned(&store->arena) >= ms_budget_limit(&store->arena.budget) / 2
               ? MEMSTORE_ERR_MEMORY_EXHAUSTED
               : MEMSTORE_ERR_GC_PRESSURE;
}

/* What is done for what is asked for. */
struct efforts {
    int64_t deadline_us;
    bool in_line;           /* has the place of who makes room */
    bool locked;            /* has the reclaim lock */
    bool sealed;            /* what was being appended to, since views were waited for */
    uint32_t steps;         /* of evicting */
    int64_t half_over_us;   /* when half of what the store allows a write to wait is */
    bool is_late;           /* it is */
    bool views_hold_it;     /* looked at last */
    int64_t looks_again_us; /* if they do: when */
};

/* Wait a moment for views. The reclaim lock is given up meanwhile; and where what others ask for may be had
 * though this may not, so is the place in line. False when that was not had back in time. */
static bool wait_for_views(memstore *store, struct efforts *efforts)
{
    ms_mutex_unlock(&store->reclaim_lock);
    efforts->locked = false;
    if (efforts->views_hold_it) {
        ms_gate_leave(&store->room_line, 1);
        efforts->in_line = false;
    }
    ms_wait_us(PIN_POLL_US);
    efforts->in_line = efforts->in_line ||
                       ms_gate_enter(&store->room_line, 1, efforts->deadline_us) == MS_GATE_ENTERED;
    efforts->locked =
        efforts->in_line && ms_mutex_lock_until(&store->reclaim_lock, efforts->deadline_us);
    efforts->sealed = false;
    return efforts->locked;
}

/* Nothing could be reclaimed: list what is still being appended to, once; then wait for views,
 * as long as there is time. */
static bool may_try_again(memstore *store, const struct wanted *wanted, struct efforts *efforts)
{
    const bool evicts = store->settings.eviction != MS_EVICTION_NONE;

    /* Without eviction, and where what it may have would not do, what is left in open segments is of more use to
     * later writes. */
    if (evicts && !efforts->sealed && !efforts->views_hold_it) {
        efforts->sealed = true;
        ms_arena_seal_open(&store->arena);
        return true;
    }
    if (wanted->hurries || (!evicts && !ms_arena_has_waiting(&store->arena)) ||
        ms_wait_is_over(efforts->deadline_us) || ms_maintenance_is_me())
        return false;
    return wait_for_views(store, efforts);
}

uint64_t ms_room_that_stays(memstore *store)
{
    struct ms_arena *arena = &store->arena;

    return arena->overhead + ms_arena_further_overhead(arena) +
           ms_load_relaxed(&store->index.table_bytes) + ms_track_charged(store) +
           ms_events_charged(&store->events);
}

/* Whether the limit is too low for it beside so many bytes that are held, whatever is evicted: it may have been
 * lowered since that was admitted. */
static bool is_beyond_limit(memstore *store, const struct wanted *wanted, uint64_t held)
{
    return wanted->bytes != 0 && needed(&store->arena, wanted) + ms_room_that_stays(store) + held >
                                     ms_budget_limit(&store->arena.budget);
}

/* When half of what the store allows a write to wait is over. Its deadline tells, whatever it has waited for before;
 * but whoever has a bound of his own, or makes room for what there need not be, is rather refused. */
static int64_t half_over(const memstore *store, int64_t deadline_us)
{
    const int64_t allowed_us = ms_setting_of(&store->settings, lock_timeout) * 1000;
    const bool is_his_own = deadline_us >= ms_wait_bound.until_us ||
                            deadline_us >= ms_store_patience_us || ms_wait_is_stopped();

    if (allowed_us == 0)
        return INT64_MAX;
    if (ms_wait_bound.since_us != 0)
        return ms_wait_bound.since_us + allowed_us / 2;
    return is_his_own ? ms_clock_real_us() + allowed_us / 2 : deadline_us - allowed_us / 2;
}

/* Whether views hold so much that all of the rest would be evicted in vain. To look means to visit all segments,
 * which is done when more was evicted than a write is used to, or all is about to be, and now and then as long as
 * they do. */
static bool do_views_hold(memstore *store, const struct wanted *wanted, struct efforts *efforts,
                          int64_t now_us, bool becomes_late)
{
    const uint32_t steps = efforts->steps;
    const bool looks = efforts->views_hold_it
                           ? now_us >= efforts->looks_again_us
                           : steps >= LOOK_AT_VIEWS_FROM && (steps & (steps - 1)) == 0;

    if (wanted->bytes != 0 && (looks || becomes_late)) {
        efforts->views_hold_it = is_beyond_limit(store, wanted, ms_arena_pinned(&store->arena));
        efforts->looks_again_us = now_us + LOOK_AGAIN_US;
    }
    return efforts->views_hold_it;
}

/* Reclaim something for it. False when there is nothing. */
static bool step_towards(memstore *store, const struct wanted *wanted, struct efforts *efforts)
{
    const int64_t now_us = ms_clock_real_us();
    const bool was_late = efforts->is_late;

    efforts->is_late = now_us >= efforts->half_over_us;
    if (do_views_hold(store, wanted, efforts, now_us, efforts->is_late && !was_late))
        return ms_freeing_spent_locked(store, efforts->deadline_us);
    /* Rather than that it is refused for want of time what is used goes, as after a turn. */
    uint32_t steps = efforts->is_late ? store->arena.segment_count : efforts->steps;
    efforts->steps++;
    return ms_freeing_persist_locked(store, &steps, efforts->deadline_us);
}

/* Reclaim until it is satisfied. */
static int make_room_in_turn(memstore *store, const struct wanted *wanted, struct efforts *efforts,
                             const struct ms_budget_mark *since)
{
    int status = MEMSTORE_OK;

    /* A mutex is not fair, and writers that fill the store take it again and again. */
    if (ms_load_relaxed(&store->resizing))
        ms_wait_us(GIVE_WAY_US);
    efforts->locked = ms_freeing_lock(store, efforts->deadline_us);
    if (!efforts->locked)
        return MEMSTORE_ERR_GC_PRESSURE;
    /* The limit may have room and no run of pages be long enough: then one step at least, unless
     * somebody has given some back since it was tried. */
    bool insist = wanted->pages && !ms_budget_was_released(&store->arena.budget, since);
    while (status == MEMSTORE_OK && (insist || !is_satisfied(store, wanted))) {
        insist = false;
        /* A table that is being replaced counts twice as long as it is. */
        const bool goes_on =
            is_beyond_limit(store, wanted, 0)
                ? !ms_wait_is_over(efforts->deadline_us) && ms_tables_finish_locked(store)
                : step_towards(store, wanted, efforts) || may_try_again(store, wanted, efforts);
        if (!goes_on)
            status = why_none(store);
    }
    if (efforts->locked)
        ms_mutex_unlock(&store->reclaim_lock);
    return status;
}

/* Who has just had the lock would have it again before the one who is woken for it: a writer could
 * wait for ever while others evict. */
static int make_room(memstore *store, const struct wanted *wanted, int64_t deadline_us,
                     const struct ms_budget_mark *since)
{
    struct efforts efforts = {.deadline_us = deadline_us,
                              .half_over_us = half_over(store, deadline_us)};

    if (ms_maintenance_is_me())
        return make_room_in_turn(store, wanted, &efforts, since);
    efforts.in_line = ms_gate_enter(&store->room_line, 1, deadline_us) == MS_GATE_ENTERED;
    if (!efforts.in_line)
        return MEMSTORE_ERR_GC_PRESSURE;
    const int status = make_room_in_turn(store, wanted, &efforts, since);
    if (efforts.in_line)
        ms_gate_leave(&store->room_line, 1);
    return status;
}

static int make_unless_refused(memstore *store, const struct wanted *wanted, int64_t deadline_us,
                               struct ms_budget_mark *since)
{
    if (ms_budget_was_refused(&store->arena.budget, since))
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    /* Others may take what was made room for, again and again. */
    if (ms_wait_is_stopped() || ms_clock_real_us() > deadline_us + GRACE_FOR_OTHERS_US)
        return MEMSTORE_ERR_GC_PRESSURE;
    const int status = make_room(store, wanted, deadline_us, since);
    *since = ms_budget_mark(&store->arena.budget);
    return status;
}

int ms_room_make(memstore *store, uint64_t bytes, int64_t deadline_us, struct ms_budget_mark *since)
{
    const struct wanted wanted = {.bytes = bytes, .pages = bytes != 0};

    return make_unless_refused(store, &wanted, deadline_us, since);
}

int ms_room_make_at_once(memstore *store, int64_t deadline_us, struct ms_budget_mark *since)
{
    const struct wanted wanted = {.hurries = true};

    return make_unless_refused(store, &wanted, deadline_us, since);
}

int ms_room_make_to_charge(memstore *store, uint64_t bytes, int64_t deadline_us,
                           struct ms_budget_mark *since)
{
    const struct wanted wanted = {.bytes = bytes};

    return make_unless_refused(store, &wanted, deadline_us, since);
}

int ms_room_make_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           struct ms_budget_mark *since, enum ms_index_wish *wish)
{
    const int status = ms_room_make(store, bytes, deadline_us, since);

    if (status == MEMSTORE_OK) {
        /* What was evicted leaves slots: without growth room would be made for it again and again. */
        if (*wish == MS_INDEX_ROOMY)
            *wish = MS_INDEX_LARGER;
        return status;
    }
    if (*wish == MS_INDEX_TO_THE_LAST)
        return status == MEMSTORE_ERR_CACHE_FULL ? MEMSTORE_ERR_SHARD_OVERFLOW : status;
    *wish = MS_INDEX_TO_THE_LAST;
    return MEMSTORE_OK;
}

uint32_t ms_room_kept_for_writers(const memstore *store)
{
    return store->settings.eviction != MS_EVICTION_NONE ? ms_arena_freed_ahead(&store->arena) : 0;
}

int ms_room_take_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           const struct ms_budget_mark *since)
{
    struct ms_arena *arena = &store->arena;
    const uint64_t kept = (uint64_t)ms_room_kept_for_writers(store) << arena->segment_shift;
    const struct wanted wanted = {.bytes = bytes + kept};
    bool satisfied = false;

    if (ms_budget_was_refused(&arena->budget, since) || ms_wait_is_over(deadline_us) ||
        !ms_freeing_lock(store, deadline_us))
        return MEMSTORE_ERR_SHARD_OVERFLOW;
    while (!(satisfied = is_satisfied(store, &wanted)) &&
           ms_freeing_spent_locked(store, deadline_us))
        continue;
    ms_mutex_unlock(&store->reclaim_lock);
    return satisfied ? MEMSTORE_OK : MEMSTORE_ERR_SHARD_OVERFLOW;
}
