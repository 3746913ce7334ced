/* SPDX-License-Identifier: Apache-2.0 */
/* From limbo to free memory: when no reader is left, and no view pins it. */
#include "segment/pool.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "platform/testing.h"
#include "segment/backing.h"
#include "segment/pins.h"

void ms_arena_put_limbo(struct ms_arena *arena, struct ms_segment *limbo)
{
    ms_mutex_lock(&arena->pool_lock);
    while (limbo != NULL)
        ms_pool_push_limbo(arena, ms_segment_pop(&limbo));
    ms_mutex_unlock(&arena->pool_lock);
}

/* Take the segments in limbo from this one on, which is where the older ones begin; NULL = none. */
static struct ms_segment *take_limbo_locked(struct ms_arena *arena, struct ms_segment *from)
{
    struct ms_segment **link = &arena->limbo;

    while (*link != from)
        link = &(*link)->newer;
    *link = NULL;
    arena->ripening = NULL;
    for (const struct ms_segment *segment = from; segment != NULL; segment = segment->newer)
        arena->limbo_bytes -= ms_pool_bytes_of(arena, segment);
    return from;
}

struct ms_segment *ms_arena_take_limbo(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    struct ms_segment *limbo = take_limbo_locked(arena, arena->limbo);
    ms_mutex_unlock(&arena->pool_lock);
    return limbo;
}

bool ms_arena_let_ripen(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    arena->ripening = arena->limbo;
    const bool has = arena->ripening != NULL;
    ms_mutex_unlock(&arena->pool_lock);
    return has;
}

struct ms_segment *ms_arena_take_ripe(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    struct ms_segment *ripe = take_limbo_locked(arena, arena->ripening);
    ms_mutex_unlock(&arena->pool_lock);
    return ripe;
}

/* Nothing is in it any more for who walks over it meanwhile. */
static void wipe_segment(struct ms_segment *segment)
{
    const uint32_t used = ms_load_relaxed(&segment->used);

    ms_store_relaxed(&segment->used, 0);
    ms_mem_wipe(segment->base, used);
}

static void wipe_each(struct ms_segment *segment, void *unused)
{
    (void)unused;
    wipe_segment(segment);
}

void ms_arena_wipe(struct ms_arena *arena)
{
    ms_arena_each(arena, wipe_each, NULL);
}

#define IDLE_MS 1000

static void look_again_locked(struct ms_arena *arena, int64_t now)
{
    arena->seen_fresh = arena->fresh;
    arena->seen_packed = ms_load_relaxed(&arena->pages.packed);
    ms_store_relaxed(&arena->idle_at, now + IDLE_MS);
}

static void free_locked(struct ms_arena *arena, struct ms_segment *segment)
{
    if (arena->warm_count < ms_load_relaxed(&arena->warm_keep)) {
        ms_segment_push(&arena->warm, segment);
        arena->warm_count++;
    } else {
        ms_backing_give(arena, segment);
    }
}

/* Free those of the stack that are not pinned; the others wait. Returns how many came free. The large
 * entries among these are not quite: free_large() is to see to them. */
static uint32_t recycle_locked(struct ms_arena *arena, struct ms_segment *stack,
                               struct ms_segment **large)
{
    uint32_t freed = 0;

    while (stack != NULL) {
        struct ms_segment *segment = ms_segment_pop(&stack);

        /* No new pin can appear: no index slot has referred here for a grace period. */
        if (ms_segment_is_pinned(arena, segment) && !ms_testing_has_fault(MS_FAULT_PINS_IGNORED)) {
            ms_store_relaxed(&segment->state, MS_SEGMENT_WAITING);
            ms_segment_push(&arena->waiting, segment);
            continue;
        }
        freed++;
        ms_store_relaxed(&segment->state, MS_SEGMENT_FREE);
        if (segment->is_solo) {
            arena->solos--;
            ms_segment_push(large, segment);
            continue;
        }
        if (arena->wipes)
            wipe_segment(segment);
        free_locked(arena, segment);
    }
    return freed;
}

/* To wipe a large entry and to give its pages back takes long: without the lock, which all who open a
 * segment wait for. */
static void free_large(struct ms_arena *arena, struct ms_segment *large)
{
    if (large == NULL)
        return;
    while (large != NULL) {
        struct ms_segment *segment = ms_segment_pop(&large);

        ms_testing_reach(MS_POINT_LARGE_FREED);
        if (arena->wipes)
            wipe_segment(segment);
        const uint32_t head = ms_arena_solo_head(arena);
        ms_pages_free_packed(&arena->pages, (char *)(segment + 1) - head,
                             (size_t)head + segment->capacity);
    }
    ms_mutex_lock(&arena->pool_lock);
    if (ms_pages_warm(&arena->pages) != 0 && ms_load_relaxed(&arena->idle_at) == MS_NEVER)
        look_again_locked(arena, ms_clock_coarse_ms());
    ms_mutex_unlock(&arena->pool_lock);
}

/* Of threads that were refused them while the store was full. */
static void charge_rows_locked(struct ms_arena *arena)
{
    ms_pool_charge_rows(arena);
    if (ms_unlikely(arena->pin_rows_wanted != 0) && ms_pages_cool(&arena->pages) != 0)
        ms_pool_charge_rows(arena);
}

uint32_t ms_arena_recycle(struct ms_arena *arena, struct ms_segment *limbo)
{
    struct ms_segment *large = NULL;

    ms_mutex_lock(&arena->pool_lock);
    const uint32_t freed = recycle_locked(arena, limbo, &large);
    charge_rows_locked(arena);
    ms_mutex_unlock(&arena->pool_lock);
    free_large(arena, large);
    return freed;
}

uint32_t ms_arena_recycle_waiting(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    struct ms_segment *waiting = arena->waiting;
    arena->waiting = NULL;
    ms_mutex_unlock(&arena->pool_lock);
    return ms_arena_recycle(arena, waiting);
}

bool ms_arena_make_ahead(struct ms_arena *arena)
{
    uint32_t number;

    ms_mutex_lock(&arena->pool_lock);
    const uint32_t n = ms_backing_prepare(arena, ms_pool_withheld_bytes(arena), &number);
    if (n != 0)
        look_again_locked(arena, ms_clock_exact_ms());
    ms_mutex_unlock(&arena->pool_lock);
    if (n == 0)
        return false;
    ms_mem_populate(arena->base + ((size_t)number << arena->segment_shift),
                    (size_t)n << arena->segment_shift);
    return true;
}

bool ms_arena_give_idle(struct ms_arena *arena, int64_t now)
{
    uint64_t bytes = 0;

    if (now < ms_load_relaxed(&arena->idle_at))
        return false;
    ms_mutex_lock(&arena->pool_lock);
    if (arena->fresh != arena->seen_fresh ||
        ms_load_relaxed(&arena->pages.packed) != arena->seen_packed) {
        look_again_locked(arena, now);
    } else {
        bytes = ms_backing_give_ahead(arena) + ms_pages_cool(&arena->pages);
        arena->idle_fresh = arena->fresh;
        ms_store_relaxed(&arena->idle_at, MS_NEVER);
    }
    ms_mutex_unlock(&arena->pool_lock);
    return bytes != 0;
}

uint64_t ms_arena_cool(struct ms_arena *arena, uint32_t keep)
{
    uint64_t bytes = 0;

    ms_mutex_lock(&arena->pool_lock);
    while (arena->warm_count > keep) {
        bytes += ms_backing_give(arena, ms_segment_pop(&arena->warm));
        arena->warm_count--;
    }
    bytes += ms_backing_give_ahead(arena) + ms_pages_cool(&arena->pages);
    ms_mutex_unlock(&arena->pool_lock);
    return bytes;
}

void ms_arena_close(struct ms_arena *arena)
{
    struct ms_segment *large = NULL;

    ms_mutex_lock(&arena->pool_lock);
    ms_store_relaxed(&arena->warm_keep, 0);
    ms_store_relaxed(&arena->worn, 0);
    for (int list = 0; list < MS_LISTS; list++) {
        struct ms_segment *segments = arena->lists[list].oldest;

        arena->lists[list] = (struct ms_segment_list){0};
        recycle_locked(arena, segments, &large);
    }
    ms_mutex_unlock(&arena->pool_lock);
    free_large(arena, large);
    ms_arena_cool(arena, 0);
}

static uint64_t free_bytes_locked(const struct ms_arena *arena)
{
    const uint64_t segments = (uint64_t)arena->warm_count + arena->ahead;

    return (segments << arena->segment_shift) + ms_pages_warm(&arena->pages);
}

uint64_t ms_arena_free_bytes(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    const uint64_t bytes = free_bytes_locked(arena);
    ms_mutex_unlock(&arena->pool_lock);
    return bytes;
}

uint64_t ms_arena_room(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    const uint64_t charged = ms_budget_charged(&arena->budget);
    const uint64_t most = ms_budget_limit(&arena->budget) + free_bytes_locked(arena);
    ms_mutex_unlock(&arena->pool_lock);
    return most > charged ? most - charged : 0;
}

uint32_t ms_arena_available(struct ms_arena *arena)
{
    uint64_t available = ms_arena_room(arena) >> arena->segment_shift;

    available = available > arena->reserve ? available - arena->reserve : 0;
    return available > UINT32_MAX ? UINT32_MAX : (uint32_t)available;
}

uint32_t ms_arena_most_in_use(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    const uint32_t most = arena->range_segments + arena->solos;
    ms_mutex_unlock(&arena->pool_lock);
    return most;
}

bool ms_arena_has_limbo(struct ms_arena *arena, uint32_t least)
{
    uint32_t count = 0;

    ms_mutex_lock(&arena->pool_lock);
    for (struct ms_segment *segment = arena->limbo; segment != NULL && count < least; count++)
        segment = segment->newer;
    ms_mutex_unlock(&arena->pool_lock);
    return count >= least;
}

uint64_t ms_arena_limbo_bytes(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    const uint64_t bytes = arena->limbo_bytes;
    ms_mutex_unlock(&arena->pool_lock);
    return bytes;
}

bool ms_arena_limbo_is_large(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    const bool is_large = arena->limbo != NULL && arena->limbo->is_solo;
    ms_mutex_unlock(&arena->pool_lock);
    return is_large;
}

bool ms_arena_has_waiting(struct ms_arena *arena)
{
    ms_mutex_lock(&arena->pool_lock);
    const bool has = arena->waiting != NULL;
    ms_mutex_unlock(&arena->pool_lock);
    return has;
}
