/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/backing.h"

#include "platform/mem.h"

/* A store that holds little takes little: what comes before is not on huge pages, nor made ahead. */
#define LITTLE ((size_t)16 << 20)

void ms_backing_init(struct ms_arena *arena, enum ms_arena_paging paging)
{
    arena->huge_from = UINT32_MAX;
    if (paging == MS_PAGING_HUGE)
        ms_mem_advise_huge(arena->base, arena->reserved_bytes);
    if (paging == MS_PAGING_MIXED)
        arena->huge_from = (uint32_t)(LITTLE >> arena->segment_shift);
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

/* Charge the segment after those that are, with all of its stretch if it is the first of one. */
static bool charge_next(struct ms_arena *arena, uint64_t spare)
{
    const uint32_t in_stretch = segments_of_stretch(arena);
    const uint32_t next = arena->fresh + arena->ahead;
    uint32_t n = 1;

    if (next == arena->range_segments)
        return false;
    if (begins_stretch(arena, next)) {
        arena->segments[next].missing = in_stretch;
        if (next + in_stretch <= arena->range_segments)
            n = in_stretch;
    }
    if (!charge(arena, next, n, spare)) {
        if (n == 1 || !charge(arena, next, 1, spare))
            return false;
        n = 1;
    }
    arena->ahead += n;
    return true;
}

uint32_t ms_backing_prepare(struct ms_arena *arena, uint64_t spare, uint32_t *number)
{
    if (arena->cold != NULL || arena->fresh < LITTLE >> arena->segment_shift ||
        arena->fresh == arena->idle_fresh)
        return 0;
    if (arena->ahead <= segments_of_stretch(arena) / 2)
        charge_next(arena, spare);
    *number = arena->made > arena->fresh ? arena->made : arena->fresh;
    arena->made = arena->fresh + arena->ahead;
    return arena->made - *number;
}

struct ms_segment *ms_backing_take(struct ms_arena *arena, uint64_t spare)
{
    struct ms_segment *segment = arena->cold;

    if (segment != NULL) {
        if (!charge(arena, (uint32_t)(segment - arena->segments), 1, spare))
            return NULL;
        ms_segment_pop(&arena->cold);
    } else {
        if (arena->ahead == 0 && !charge_next(arena, spare))
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
    const uint32_t in_stretch = segments_of_stretch(arena);
    const uint32_t end = arena->fresh + arena->ahead;
    const uint64_t bytes = (uint64_t)arena->ahead << arena->segment_shift;

    for (uint32_t number = arena->fresh, n; number < end; number += n) {
        const uint32_t left_of_stretch = in_stretch - number % in_stretch;

        n = left_of_stretch < end - number ? left_of_stretch : end - number;
        give(arena, number, n);
    }
    arena->ahead = 0;
    if (arena->made > arena->fresh)
        arena->made = arena->fresh;
    return bytes;
}
