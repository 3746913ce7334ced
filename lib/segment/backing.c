/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/backing.h"

#include "platform/mem.h"

/* A store that holds little takes little: what comes before is not on huge pages. */
#define HUGE_PAGES_FROM ((size_t)16 << 20)

void ms_backing_init(struct ms_arena *arena, enum ms_arena_paging paging)
{
    arena->huge_from = UINT32_MAX;
    if (paging == MS_PAGING_HUGE)
        ms_mem_advise_huge(arena->base, arena->reserved_bytes);
    if (paging == MS_PAGING_MIXED)
        arena->huge_from = (uint32_t)(HUGE_PAGES_FROM >> arena->segment_shift);
}

static char *memory_of(const struct ms_arena *arena, uint32_t number)
{
    return arena->base + ((size_t)number << arena->segment_shift);
}

static uint32_t segments_of_stretch(const struct ms_arena *arena)
{
    return (uint32_t)(MS_HUGE_PAGE_SIZE >> arena->segment_shift);
}

static bool begins_stretch(const struct ms_arena *arena, uint32_t number)
{
    return number >= arena->huge_from && number % segments_of_stretch(arena) == 0;
}

/* `n` segments from this one on, of one stretch, are charged now, or are not any more: ask for a huge
 * page, or for none. What is given back as a whole needs no asking. */
static void note_charged(struct ms_arena *arena, uint32_t number, uint32_t n, bool charged)
{
    const uint32_t in_stretch = segments_of_stretch(arena);
    struct ms_segment *head = &arena->segments[number - number % in_stretch];
    char *stretch = memory_of(arena, number - number % in_stretch);

    if (number < arena->huge_from)
        return;
    if (!charged && head->missing == 0 && n < in_stretch)
        ms_mem_advise_small(stretch, MS_HUGE_PAGE_SIZE);
    head->missing += charged ? -n : n;
    if (head->missing == 0)
        ms_mem_advise_huge(stretch, MS_HUGE_PAGE_SIZE);
}

/* ---- Taking ---- */

static bool charge(struct ms_arena *arena, uint32_t number, uint32_t n, uint64_t spare)
{
    const size_t bytes = (size_t)n << arena->segment_shift;

    if (!ms_budget_charge(&arena->budget, bytes, spare))
        return false;
    if (!ms_mem_commit(memory_of(arena, number), bytes)) {
        ms_budget_note_refusal(&arena->budget);
        ms_budget_uncharge(&arena->budget, bytes);
        return false;
    }
    note_charged(arena, number, n, true);
    return true;
}

/* Charge the segment that comes next, with all of its stretch if it is the first of one. */
static bool charge_fresh(struct ms_arena *arena, uint64_t spare)
{
    const uint32_t in_stretch = segments_of_stretch(arena);

    if (arena->ahead != 0)
        return true;
    if (begins_stretch(arena, arena->fresh)) {
        arena->segments[arena->fresh].missing = in_stretch;
        if (arena->fresh + in_stretch <= arena->range_segments &&
            charge(arena, arena->fresh, in_stretch, spare)) {
            arena->ahead = in_stretch;
            return true;
        }
    }
    arena->ahead = charge(arena, arena->fresh, 1, spare) ? 1 : 0;
    return arena->ahead != 0;
}

struct ms_segment *ms_backing_take(struct ms_arena *arena, uint64_t spare)
{
    struct ms_segment *segment = arena->cold;

    if (segment != NULL) {
        if (!charge(arena, (uint32_t)(segment - arena->segments), 1, spare))
            return NULL;
        ms_segment_pop(&arena->cold);
    } else {
        if (arena->fresh == arena->range_segments || !charge_fresh(arena, spare))
            return NULL;
        segment = &arena->segments[arena->fresh++];
        arena->ahead--;
    }

    const uint32_t left_out = segment == arena->segments ? MS_ARENA_EMPTY_BYTES : 0;
    segment->base = memory_of(arena, (uint32_t)(segment - arena->segments)) + left_out;
    segment->capacity = (uint32_t)ms_arena_segment_size(arena) - left_out;
    return segment;
}

/* ---- Giving back ---- */

static void give(struct ms_arena *arena, uint32_t number, uint32_t n)
{
    const size_t bytes = (size_t)n << arena->segment_shift;

    note_charged(arena, number, n, false);
    ms_mem_discard(memory_of(arena, number), bytes);
    ms_budget_uncharge(&arena->budget, bytes);
}

void ms_backing_give(struct ms_arena *arena, struct ms_segment *segment)
{
    give(arena, (uint32_t)(segment - arena->segments), 1);
    ms_segment_push(&arena->cold, segment);
}

uint64_t ms_backing_give_ahead(struct ms_arena *arena)
{
    const uint32_t n = arena->ahead;

    if (n != 0)
        give(arena, arena->fresh, n);
    arena->ahead = 0;
    return (uint64_t)n << arena->segment_shift;
}
