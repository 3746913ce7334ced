/* SPDX-License-Identifier: Apache-2.0 */
/* Making room: expired entries first, then what is kept beyond that, then dead bytes, then what the
 * tables do not need, then what the eviction policy gives up. */
#include "store/space/room.h"

#include "store/maintenance.h"
#include "store/space/harvest.h"
#include "store/space/reclaim.h"
#include "store/store.h"
#include "store/upkeep.h"
#include "store/watch/report.h"
#include "store/watch/store_log.h"

#include "platform/mem.h"
#include "platform/wait.h"

#include <sched.h>

/* How long a compaction that held shards keep from its end is tried again before something is evicted
 * in its place: whoever holds them mostly waits for a processor. */
#define PATIENCE_FOR_SHARDS_US 100000

/* Victims tried in one step. Large entries that are kept come up a few times each before one goes;
 * of those that cannot be emptied fewer. */
#define VICTIMS_A_STEP 1024
#define FAILURES_A_STEP 8

/* How long to wait for views to be released before looking again. */
#define PIN_POLL_US 500

/* How long a writer stands back from the reclaim lock for a change of the limit. */
#define GIVE_WAY_US 200

/* A writer that keeps losing what it makes room for goes on this long after its deadline. */
#define GRACE_FOR_OTHERS_US 10000

/* From so many segments on one more is emptied while the grace period of another passes: that is
 * less than a hundredth of the memory. */
#define AHEAD_FROM_SEGMENTS 128

/* Who makes room for much looks after so many steps, and each time that they are twice as many, at what views
 * hold. */
#define LOOK_AT_VIEWS_FROM 8

/* Who waits for what views hold looks at that again after so long. */
#define LOOK_AGAIN_US 4000

/* Segments that are swept in vain in one step, whose caller holds the reclaim lock: some milliseconds. */
#define SWEEPS_A_STEP 8

static bool was_emptied(struct ms_segment *segment)
{
    return ms_load_relaxed(&segment->state) == MS_SEGMENT_LIMBO;
}

/* Sweep segments until something is removed. What was to expire first in one may have been replaced or renewed
 * since: after its sweep it does not seem to hold anything expired any more. */
static bool sweep_expired(memstore *store)
{
    const int64_t now = ms_clock_exact_ms();
    struct ms_segment *segment;

    for (int i = 0; i < SWEEPS_A_STEP; i++) {
        segment = ms_due_any_expired(&store->due, now);
        if (segment == NULL)
            return false;
        if (ms_reclaim_sweep_locked(store, segment, now, 0, false) != 0)
            return true;
        /* Somebody holds a shard. */
        if (ms_load_relaxed(&segment->earliest) <= now)
            return false;
    }
    return false;
}

/* Give up what is kept beyond its expiry in one segment. */
static bool drop_stale(memstore *store)
{
    struct ms_segment *segment = ms_stale_any(&store->stale) ? ms_reclaim_stalest(store) : NULL;

    return segment != NULL && ms_reclaim_drop_stale_locked(store, segment) != 0;
}

enum compaction {
    COMPACTION_NOTHING,
    COMPACTION_DONE,
    COMPACTION_HELD_UP,
    COMPACTION_WITHOUT_ROOM
};

static enum compaction compact_one(memstore *store)
{
    struct ms_segment *segment = ms_reclaim_emptiest(store, store->arena.worn_from);

    if (segment == NULL)
        return COMPACTION_NOTHING;
    const bool met_all = ms_reclaim_compact_locked(store, segment);
    if (was_emptied(segment)) {
        store->held_up_since = 0;
        return COMPACTION_DONE;
    }
    return met_all ? COMPACTION_WITHOUT_ROOM : COMPACTION_HELD_UP;
}

/* Whether what is dead is to be had soon, so that nothing that lives need go: there is room to move
 * entries to once a grace period has passed, or those who hold shards may give them back. */
static bool may_go_on(memstore *store, enum compaction compaction, int64_t deadline_us)
{
    if (compaction == COMPACTION_NOTHING)
        return false;
    if (ms_arena_has_limbo(&store->arena, 1))
        return ms_harvest_locked(store, deadline_us) || deadline_us == MS_HARVEST_NO_WAIT;
    if (compaction == COMPACTION_WITHOUT_ROOM)
        return false;
    /* Others may have ended what kept us the last time. */
    const int64_t now = ms_clock_real_us();
    if (store->held_up_since == 0 || now - store->held_up_last >= PATIENCE_FOR_SHARDS_US)
        store->held_up_since = now;
    store->held_up_last = now;
    return now - store->held_up_since < PATIENCE_FOR_SHARDS_US && !ms_wait_is_over(deadline_us);
}

/* Give the ghost a table for so many keys. The reserve is left alone: moving
 * entries needs it. */
static bool resize_ghost(memstore *store, uint64_t keys)
{
    struct ms_arena *arena = &store->arena;
    struct ms_retired *node = ms_mem_alloc(sizeof *node);
    struct ms_ghost_table *old = NULL;
    const bool resized =
        node != NULL && ms_ghost_resize(&store->eviction.ghost, &arena->pages, keys,
                                        (uint64_t)arena->reserve << arena->segment_shift, &old);

    if (old == NULL) {
        ms_mem_free(node);
        return resized;
    }
    *node = (struct ms_retired){.memory = old, .size = old->bytes};
    ms_harvest_retire(store, node);
    return true;
}

/* Empty a victim, or as much of it as there is room for what is kept. */
static bool evict_victim(memstore *store)
{
    int failures = 0;

    for (int i = 0; i < VICTIMS_A_STEP && failures < FAILURES_A_STEP; i++) {
        struct ms_segment *victim = store->eviction.policy->victim(&store->eviction);

        if (victim == NULL)
            return false;
        ms_tell_limit_reached(store);
        failures += !ms_reclaim_evict_locked(store, victim);
        if (was_emptied(victim) || store->moves_wait)
            return true;
    }
    return false;
}

/* Let the ghost hold as many keys as the policy wants it to. When the store is full, the memory for
 * that is that of a few segments. */
static void fit_ghost(memstore *store, uint64_t entries, int64_t deadline_us)
{
    const uint64_t keys = ms_ghost_keys(entries, store->eviction.policy->ghost_percent,
                                        ms_budget_limit(&store->arena.budget));

    if (!ms_ghost_needs_resize(&store->eviction.ghost, keys))
        return;
    const uint64_t victims = (ms_ghost_bytes(keys) >> store->arena.segment_shift) + 2;
    for (uint64_t i = 0; !resize_ghost(store, keys) && i < victims; i++) {
        if (!evict_victim(store) || !ms_harvest_locked(store, deadline_us))
            return;
        ms_arena_cool(&store->arena, 0);
    }
}

static bool evict_one(memstore *store, int64_t deadline_us)
{
    if (store->eviction.policy->ghost_percent != 0) {
        const uint64_t entries = ms_index_count(&store->index);

        ms_eviction_inform(&store->eviction, entries,
                           ms_counters_total(&store->counters, MS_COUNT_MISSES));
        fit_ghost(store, entries, deadline_us);
    }
    return evict_victim(store);
}

/* Free what was emptied before. Where memory allows it, a grace period is not waited for before
 * another segment has been emptied, if there is room for what is kept of that: it is the next writer's. The
 * maintenance thread lets it pass itself: nobody else does. */
static bool harvest(memstore *store, int64_t deadline_us)
{
    const struct ms_arena *arena = &store->arena;

    if (ms_maintenance_is_me() || !ms_harvest_begin_locked(store))
        return ms_harvest_locked(store, deadline_us);
    const bool waits = store->moves_wait || arena->segment_count < AHEAD_FROM_SEGMENTS ||
                       ms_arena_has_limbo(&store->arena, 2);
    return ms_harvest_ripe_locked(store, waits ? deadline_us : MS_HARVEST_NO_WAIT);
}

/* Empty a segment of what is of no use any more, or have tables give back what they do not need. */
static bool empty_spent(memstore *store, int64_t deadline_us)
{
    if (sweep_expired(store) || drop_stale(store))
        return true;
    const enum compaction compaction = compact_one(store);
    return compaction == COMPACTION_DONE || may_go_on(store, compaction, deadline_us) ||
           ms_tables_shrink_locked(store);
}

bool ms_room_empty_locked(memstore *store, int64_t deadline_us)
{
    return empty_spent(store, deadline_us) || evict_one(store, deadline_us);
}

/* What is dead in open segments is had once they are sealed. */
static bool seal_spent(memstore *store, uint32_t worn_from)
{
    bool left;

    return ms_arena_seal_spent(&store->arena, worn_from, true, &left);
}

static bool take_step(memstore *store, bool evicts, int64_t deadline_us)
{
    struct ms_arena *arena = &store->arena;

    if (ms_arena_has_waiting(arena) && ms_arena_recycle_waiting(arena) != 0)
        return true;
    if (harvest(store, deadline_us))
        return true;
    /* The grace period of those emptied before did not end in time. Emptying more would not help
     * and would cost the store its entries. */
    if (ms_arena_has_limbo(arena, 1) && ms_wait_is_over(deadline_us))
        return false;
    if (empty_spent(store, deadline_us) || (evicts && evict_one(store, deadline_us)) ||
        ms_harvest_ripe_locked(store, deadline_us) || ms_tables_finish_locked(store))
        return true;
    /* Who evicts nothing may have opened one in vain, which is to be found open. */
    return evicts && seal_spent(store, store->arena.worn_from);
}

bool ms_room_step_locked(memstore *store, int64_t deadline_us)
{
    return take_step(store, true, deadline_us);
}

bool ms_room_persist_locked(memstore *store, uint32_t *steps, int64_t deadline_us)
{
    store->keeps_none = ++*steps > store->arena.segment_count;
    const bool stepped = ms_room_step_locked(store, deadline_us);
    store->keeps_none = false;
    return stepped;
}

bool ms_room_evict_locked(memstore *store, int64_t deadline_us)
{
    if (store->settings.eviction == MS_EVICTION_NONE || !evict_one(store, deadline_us) ||
        !ms_harvest_locked(store, deadline_us))
        return false;
    return ms_arena_cool(&store->arena, 0) != 0;
}

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

bool ms_room_lock(memstore *store, int64_t deadline_us)
{
    return ms_maintenance_is_me() ? ms_mutex_try_lock(&store->reclaim_lock)
                                  : ms_mutex_lock_until(&store->reclaim_lock, deadline_us);
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
        return take_step(store, false, efforts->deadline_us);
    /* Rather than that it is refused for want of time what is used goes, as after a turn. */
    uint32_t steps = efforts->is_late ? store->arena.segment_count : efforts->steps;
    efforts->steps++;
    return ms_room_persist_locked(store, &steps, efforts->deadline_us);
}

/* Reclaim until it is satisfied. */
static int make_room_in_turn(memstore *store, const struct wanted *wanted, struct efforts *efforts,
                             const struct ms_budget_mark *since)
{
    int status = MEMSTORE_OK;

    /* A mutex is not fair, and writers that fill the store take it again and again. */
    if (ms_load_relaxed(&store->resizing))
        ms_wait_us(GIVE_WAY_US);
    efforts->locked = ms_room_lock(store, efforts->deadline_us);
    if (!efforts->locked)
        return MEMSTORE_ERR_GC_PRESSURE;
    /* The limit may have room and no run of pages be long enough: then one step at least, unless
     * somebody has given some back since it was tried. */
    bool insist = wanted->pages && !ms_budget_was_released(&store->arena.budget, since);
    while (status == MEMSTORE_OK && (insist || !is_satisfied(store, wanted))) {
        insist = false;
        if (is_beyond_limit(store, wanted, 0) ||
            (!step_towards(store, wanted, efforts) && !may_try_again(store, wanted, efforts)))
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

/* What is to be done for an entry that has got its room. */
static int settle_in(memstore *store, const struct ms_reserved *reserved)
{
    if (ms_unlikely(reserved->segment->is_solo) &&
        !ms_due_reserve(&store->due, ms_arena_most_in_use(&store->arena))) {
        ms_store_abandon(store, reserved);
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    /* The first entry of a segment is the time to see that others stay free and that dead bytes
     * do not pile up. */
    if (ms_unlikely(ms_room_was_opened_for(reserved))) {
        ms_store_relaxed(&store->stale.taken, 0);
        ms_maintenance_wake(store);
    }
    return MEMSTORE_OK;
}

/* ---- Where nothing is evicted: to the last byte ---- */

bool ms_room_has_reserve_locked(memstore *store)
{
    return ms_arena_room(&store->arena) >> store->arena.segment_shift != 0;
}

/* Compact one segment, however little of it is dead: what that wins is left where its entries go. */
static bool compact_little(memstore *store, int64_t deadline_us)
{
    struct ms_segment *segment = ms_reclaim_emptiest(store, 1);

    if (segment == NULL || !ms_reclaim_fits_reserve(store, segment))
        return false;
    ms_reclaim_compact_locked(store, segment);
    return was_emptied(segment) && ms_harvest_locked(store, deadline_us);
}

/* Room in any open segment, after compactions of segments that are not worth it otherwise. The reserve stays. */
static bool squeeze_in_locked(memstore *store, const struct ms_placement *placement,
                              const struct ms_entry_shape *shape, int64_t deadline_us,
                              struct ms_reserved *out)
{
    bool sealed = false;

    for (;;) {
        if (ms_room_has_reserve_locked(store) &&
            (ms_arena_reserve(&store->arena, placement, shape, out) ||
             ms_arena_reserve_rest(&store->arena, placement, shape, out)))
            return true;
        if (ms_wait_is_over(deadline_us))
            return false;
        if (!compact_little(store, deadline_us)) {
            if (sealed || !seal_spent(store, 1))
                return false;
            sealed = true;
        }
    }
}

static int squeeze_in(memstore *store, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, int64_t deadline_us,
                      struct ms_reserved *out)
{
    if (!ms_room_lock(store, deadline_us))
        return MEMSTORE_ERR_CACHE_FULL;
    const bool reserved = squeeze_in_locked(store, placement, shape, deadline_us, out);
    ms_mutex_unlock(&store->reclaim_lock);
    return reserved ? MEMSTORE_OK : MEMSTORE_ERR_CACHE_FULL;
}

int ms_room_reserve(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    struct ms_arena *arena = &store->arena;

    struct ms_budget_mark asked = ms_budget_mark(&arena->budget);

    if (ms_unlikely(!ms_arena_reserve(arena, placement, shape, out))) {
        const uint64_t size = ms_shape_size(shape, true, store->kept);
        const uint64_t bytes =
            ms_arena_is_large(arena, size)
                ? (uint64_t)ms_arena_solo_head(arena) + ms_arena_padded(arena, size)
                : 0;
        const int64_t deadline = ms_store_deadline(store);

        ms_count(&store->counters, MS_COUNT_ROOM_MADE, 1);
        do {
            int status = ms_room_make(store, bytes, deadline, &asked);
            if (status == MEMSTORE_ERR_CACHE_FULL && bytes == 0) {
                status = squeeze_in(store, placement, shape, deadline, out);
                if (status == MEMSTORE_OK)
                    break;
            }
            if (status != MEMSTORE_OK)
                return status;
        } while (!ms_arena_reserve(arena, placement, shape, out));
    }
    return settle_in(store, out);
}

void ms_room_prepare(memstore *store)
{
    if (store->settings.eviction == MS_EVICTION_NONE || ms_arena_freed_ahead(&store->arena) == 0 ||
        ms_arena_available(&store->arena) != 0 || !ms_maintenance_wake(store) ||
        !ms_mutex_try_lock(&store->reclaim_lock))
        return;
    if (ms_arena_available(&store->arena) == 0 && !ms_store_is_closed(store)) {
        ms_room_step_locked(store, MS_HARVEST_NO_WAIT);
        ms_harvest_begin_locked(store);
    }
    ms_mutex_unlock(&store->reclaim_lock);
}

/* Free some of what is of no use any more. False when nothing came free. */
static bool free_spent(memstore *store, int64_t deadline_us)
{
    if (!ms_room_lock(store, deadline_us))
        return false;
    const bool stepped = take_step(store, false, deadline_us);
    ms_mutex_unlock(&store->reclaim_lock);
    return stepped;
}

/* Segments that are kept free for writers. */
static uint32_t kept_for_writers(const memstore *store)
{
    return store->settings.eviction != MS_EVICTION_NONE ? ms_arena_freed_ahead(&store->arena) : 0;
}

/* Whether as much is free as is kept so for writers. */
static bool leaves_enough(memstore *store)
{
    const uint32_t kept = kept_for_writers(store);

    return kept == 0 || ms_arena_available(&store->arena) >= kept;
}

/* Take what is free beyond what is kept so for writers. */
static bool take_free(memstore *store, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    struct ms_arena *arena = &store->arena;

    if (!ms_arena_reserve(arena, placement, shape, out))
        return false;
    /* A segment was opened for it: the next one would be taken from those kept free for writers,
     * and something be evicted in its place. */
    if (ms_room_was_opened_for(out) && !leaves_enough(store)) {
        ms_store_abandon(store, out);
        return false;
    }
    return true;
}

int ms_room_take(memstore *store, const struct ms_placement *placement,
                 const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    if (!take_free(store, placement, shape, out)) {
        const int64_t deadline = ms_store_deadline(store);

        /* What was opened in vain is open still. */
        do {
            if (!free_spent(store, deadline))
                return MEMSTORE_ERR_CACHE_FULL;
        } while (!leaves_enough(store) || !take_free(store, placement, shape, out));
    }
    return settle_in(store, out);
}

int ms_room_take_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           const struct ms_budget_mark *since)
{
    struct ms_arena *arena = &store->arena;
    const uint64_t kept = (uint64_t)kept_for_writers(store) << arena->segment_shift;
    const struct wanted wanted = {.bytes = bytes + kept};
    bool satisfied = false;

    if (ms_budget_was_refused(&arena->budget, since) || ms_wait_is_over(deadline_us) ||
        !ms_room_lock(store, deadline_us))
        return MEMSTORE_ERR_SHARD_OVERFLOW;
    while (!(satisfied = is_satisfied(store, &wanted)) && take_step(store, false, deadline_us))
        continue;
    ms_mutex_unlock(&store->reclaim_lock);
    return satisfied ? MEMSTORE_OK : MEMSTORE_ERR_SHARD_OVERFLOW;
}

static void free_emptied_locked(memstore *store, int64_t deadline_us)
{
    ms_arena_recycle_waiting(&store->arena);
    ms_harvest_locked(store, deadline_us);
}

void ms_room_free_emptied(memstore *store)
{
    const int64_t deadline = ms_store_deadline(store);

    if (!ms_room_lock(store, deadline))
        return;
    free_emptied_locked(store, deadline);
    ms_mutex_unlock(&store->reclaim_lock);
}

/* ---- Compaction on demand ---- */

/* Not a status: a segment was emptied. */
#define COMPACTS_ON 1

static double dead_ratio(memstore *store)
{
    uint64_t live, dead;

    ms_store_live_and_dead(store, &live, &dead);
    return dead == 0 ? 0 : (double)dead / (double)(live + dead);
}

/* Free what is spent already. */
static void begin_compaction_locked(memstore *store)
{
    store->half_evicted = NULL;
    ms_arena_seal_open(&store->arena);
    free_emptied_locked(store, ms_store_deadline(store));
}

/* Compact one segment. OK when the share of dead bytes was as it should be before. */
static int compact_step_locked(memstore *store, double max_dead_ratio)
{
    if (ms_store_is_closed(store))
        return MEMSTORE_ERR_CACHE_CLOSED;
    if (dead_ratio(store) <= max_dead_ratio)
        return MEMSTORE_OK;
    struct ms_segment *segment = ms_reclaim_emptiest(store, 1);
    if (segment == NULL)
        return MEMSTORE_ERR_MEMORY_FRAGMENTATION;
    ms_reclaim_compact_locked(store, segment);
    const bool emptied = was_emptied(segment);
    ms_harvest_locked(store, ms_store_deadline(store));
    return emptied ? COMPACTS_ON : MEMSTORE_ERR_MEMORY_FRAGMENTATION;
}

int ms_store_compact(memstore *store, double max_dead_ratio)
{
    /* More segments than there are die only while it goes on: others may overwrite for ever. */
    uint32_t left = ms_arena_most_in_use(&store->arena);
    int status = COMPACTS_ON;

    ms_upkeep_expire(store, ms_store_deadline(store));
    if (store->settings.secure_wipe && max_dead_ratio == 0)
        ms_track_forget_keys(store);
    for (bool begun = false; status == COMPACTS_ON; begun = true) {
        if (!ms_mutex_lock_until(&store->reclaim_lock, ms_store_deadline(store)))
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        if (!begun)
            begin_compaction_locked(store);
        status = compact_step_locked(store, max_dead_ratio);
        ms_mutex_unlock(&store->reclaim_lock);
        if (status == COMPACTS_ON && ms_wait_is_stopped())
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        if (status == COMPACTS_ON && left-- == 0)
            return MEMSTORE_ERR_MEMORY_FRAGMENTATION;
        /* Between segments writers that wait for the reclaim lock come first. */
        if (status == COMPACTS_ON)
            sched_yield();
    }
    return status;
}
