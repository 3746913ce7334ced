/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/backing.h"

#include "platform/mem.h"

/* A store that holds little takes little: what comes before is not on huge pages, nor made ahead. */
#define LITTLE ((size_t)16 << 20)

/* Where few entries fill a segment, one that does not find the place that it had before, since its neighbour
 * is in use by then, leaves a gap of up to an entry. So those of more than the first part of a segment have
 * to save the second. */
#define FEW_DIVISOR 8
#define WORTH_DIVISOR 32
/* Of segments of one page two would share all of it. */
#define TILES_FROM_PAGES 2

void ms_backing_init(struct ms_arena *arena, enum ms_arena_paging paging)
{
    arena->huge_from = UINT32_MAX;
    if (paging == MS_PAGING_HUGE)
        ms_mem_advise_huge(arena->base, arena->reserved_bytes);
    arena->tiles = paging != MS_PAGING_HUGE && arena->evicts &&
                   ms_arena_segment_size(arena) >= TILES_FROM_PAGES * MS_PAGE_SIZE;
    if (paging == MS_PAGING_MIXED)
        arena->huge_from = (uint32_t)(LITTLE >> arena->segment_shift);
}

static char *memory_of(const struct ms_arena *arena, uint32_t number)
{
    return arena->base + ((size_t)number << arena->segment_shift);
}

/* Bytes of the pages at a segment's beginning that are charged for what the one before has in them. */
static size_t shared_pages(const struct ms_arena *arena, uint32_t number)
{
    return number == 0 ? 0 : ms_mem_whole_pages(arena->segments[number].left_out);
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
 * page, or for none. */
static void note_charged(struct ms_arena *arena, uint32_t number, uint32_t n, bool charged)
{
    const uint32_t in_stretch = segments_of_stretch(arena);
    struct ms_segment *head = &arena->segments[number - number % in_stretch];
    char *stretch = memory_of(arena, number - number % in_stretch);

    if (number < arena->huge_from)
        return;
    if (!charged && head->missing == 0)
        ms_mem_advise_small(stretch, MS_HUGE_PAGE_SIZE);
    head->missing += charged ? -n : n;
    if (head->missing == 0)
        ms_mem_advise_huge(stretch, MS_HUGE_PAGE_SIZE);
}

static void mark_backed(struct ms_arena *arena, uint32_t number, uint32_t n, bool backed)
{
    for (uint32_t i = number; i < number + n; i++)
        arena->segments[i].is_backed = backed;
}

/* ---- Taking ---- */

static bool take_pages(struct ms_arena *arena, char *memory, size_t bytes, uint64_t spare)
{
    if (!ms_budget_charge(&arena->budget, bytes, spare) &&
        (ms_pages_cool(&arena->pages) == 0 || !ms_budget_charge(&arena->budget, bytes, spare)))
        return false;
    if (!ms_mem_commit(memory, bytes)) {
        ms_budget_note_refusal(&arena->budget);
        ms_budget_uncharge(&arena->budget, bytes);
        return false;
    }
    return true;
}

/* `n` segments, of which the first alone may share pages with the one before. */
static bool charge(struct ms_arena *arena, uint32_t number, uint32_t n, uint64_t spare)
{
    const size_t shared = shared_pages(arena, number);

    if (!take_pages(arena, memory_of(arena, number) + shared,
                    ((size_t)n << arena->segment_shift) - shared, spare))
        return false;
    mark_backed(arena, number, n, true);
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

/* What is charged already comes first: there may be no room for more. */
struct ms_segment *ms_backing_take(struct ms_arena *arena, uint64_t spare)
{
    struct ms_segment *const cold = arena->cold;

    if (arena->ahead == 0 && cold != NULL)
        return charge(arena, (uint32_t)(cold - arena->segments), 1, spare)
                   ? ms_segment_pop(&arena->cold)
                   : NULL;
    if (arena->ahead == 0 && !charge_next(arena, spare))
        return NULL;
    arena->ahead--;
    return &arena->segments[arena->fresh++];
}

/* ---- Where segments begin and end ---- */

/* The segment after this one, or NULL when there is none. */
static struct ms_segment *next_of(const struct ms_arena *arena, struct ms_segment *segment)
{
    const uint32_t number = (uint32_t)(segment - arena->segments);

    return number + 1 < arena->range_segments ? segment + 1 : NULL;
}

/* What a segment has left of what it had of the next one, which is opened anew, goes back. */
static void take_back(struct ms_arena *arena, struct ms_segment *segment)
{
    const uint32_t number = (uint32_t)(segment - arena->segments);
    const char *memory = memory_of(arena, number);

    if (number == 0 || segment->left_out == 0)
        return;
    struct ms_segment *before = segment - 1;
    const char *end = before->base + ms_load_relaxed(&before->used);
    if (ms_load_relaxed(&before->state) != MS_SEGMENT_SEALED || end >= memory + segment->left_out)
        return;
    segment->left_out = end > memory ? (uint32_t)(end - memory) : 0;
    before->capacity = (uint32_t)(memory + segment->left_out - before->base);
}

void ms_backing_shape(struct ms_arena *arena, struct ms_segment *segment, enum ms_queue queue)
{
    const uint32_t number = (uint32_t)(segment - arena->segments);
    const struct ms_segment *next = next_of(arena, segment);
    uint32_t reach = (uint32_t)ms_arena_segment_size(arena);

    if (number == 0)
        segment->left_out = ms_arena_padded(arena, MS_ARENA_EMPTY_BYTES);
    take_back(arena, segment);
    /* Records are appended many at once, and each is to begin inside. */
    if (queue != MS_QUEUE_RECORDS && next != NULL)
        reach += next->left_out;
    segment->base = memory_of(arena, number) + segment->left_out;
    segment->capacity = reach - segment->left_out;
    /* What one holds has to fit any other where nothing may go: the first is the smallest. */
    if (!arena->evicts && number != 0)
        segment->capacity -= ms_arena_padded(arena, MS_ARENA_EMPTY_BYTES);
}

static bool is_worth_reaching(uint32_t whole, uint32_t room, uint32_t size)
{
    return size <= whole / FEW_DIVISOR || room >= whole / WORTH_DIVISOR;
}

bool ms_backing_extend(struct ms_arena *arena, struct ms_segment *segment, uint32_t size,
                       uint64_t spare)
{
    const uint32_t whole = (uint32_t)ms_arena_segment_size(arena);
    struct ms_segment *next = next_of(arena, segment);
    const uint32_t at = segment->left_out + ms_load_relaxed(&segment->used);

    if (!arena->tiles || next == NULL || ms_load_relaxed(&next->state) != MS_SEGMENT_FREE ||
        at >= whole || !is_worth_reaching(whole, whole - at, size))
        return false;
    const uint32_t number = (uint32_t)(next - arena->segments);
    const uint32_t left_out = at + size - whole;
    const size_t had = shared_pages(arena, number), needs = ms_mem_whole_pages(left_out);
    /* Not if the rest of the next one would have no room any more. */
    if (!next->is_backed && needs > had &&
        !take_pages(arena, memory_of(arena, number) + had, needs - had, spare + whole - needs))
        return false;
    next->left_out = left_out;
    segment->capacity = at + size - segment->left_out;
    return true;
}

/* ---- Giving back ---- */

static uint64_t give_pages(struct ms_arena *arena, char *memory, size_t bytes)
{
    ms_mem_discard(memory, bytes);
    ms_budget_uncharge(&arena->budget, bytes);
    return bytes;
}

/* Give back what a segment shares with the one before if neither has memory any more. */
static uint64_t give_shared(struct ms_arena *arena, uint32_t number)
{
    struct ms_segment *segment = &arena->segments[number];

    if (number == 0 || number >= arena->range_segments || segment->left_out == 0 ||
        segment->is_backed || (segment - 1)->is_backed)
        return 0;
    const size_t bytes = shared_pages(arena, number);
    segment->left_out = 0;
    return give_pages(arena, memory_of(arena, number), bytes);
}

static uint64_t give(struct ms_arena *arena, uint32_t number, uint32_t n)
{
    const size_t shared = shared_pages(arena, number);

    note_charged(arena, number, n, false);
    mark_backed(arena, number, n, false);
    return give_pages(arena, memory_of(arena, number) + shared,
                      ((size_t)n << arena->segment_shift) - shared) +
           give_shared(arena, number) + give_shared(arena, number + n);
}

uint64_t ms_backing_give(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_segment_push(&arena->cold, segment);
    return give(arena, (uint32_t)(segment - arena->segments), 1);
}

uint64_t ms_backing_give_ahead(struct ms_arena *arena)
{
    const uint32_t in_stretch = segments_of_stretch(arena);
    const uint32_t end = arena->fresh + arena->ahead;
    uint64_t bytes = 0;

    for (uint32_t number = arena->fresh, n; number < end; number += n) {
        const uint32_t left_of_stretch = in_stretch - number % in_stretch;

        n = left_of_stretch < end - number ? left_of_stretch : end - number;
        bytes += give(arena, number, n);
    }
    arena->ahead = 0;
    if (arena->made > arena->fresh)
        arena->made = arena->fresh;
    return bytes;
}
