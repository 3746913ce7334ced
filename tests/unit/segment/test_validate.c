/* SPDX-License-Identifier: Apache-2.0 */
/* The check of the arena finds what is wrong. */
#include "unit/room.h"

#define LIMIT ((uint64_t)4 << 20)

static struct ms_reserved entries[1000];

static struct ms_arena *open_filled(void)
{
    struct ms_arena *arena = room_open(LIMIT);

    room_fill_segments(arena, 5, 500, entries, 1000);
    room_check(arena);
    return arena;
}

static void expect_problem(struct ms_arena *arena, const char *invariant)
{
    const char *const problem = ms_arena_validate(arena, 0);

    cr_assert_not_null(problem, "%s was broken and not noticed", invariant);
    cr_assert(strncmp(problem, invariant, strlen(invariant)) == 0, "%s: %s", invariant, problem);
    ms_arena_fini(arena);
}

Test(segment_validate, finds_a_charge_that_is_not_what_is_in_use)
{
    struct ms_arena *arena = open_filled();

    ms_budget_uncharge(&arena->budget, 1);
    expect_problem(arena, "AR-1");
}

Test(segment_validate, finds_a_page_that_nobody_was_given)
{
    struct ms_arena *arena = open_filled();

    arena->pages.used[5] |= 1;
    expect_problem(arena, "AR-1");
}

Test(segment_validate, finds_a_segment_that_is_nowhere)
{
    struct ms_arena *arena = open_filled();

    for (size_t i = 0; i <= arena->stripes; i++)
        arena->open[i].segment = NULL;
    expect_problem(arena, "AR: a segment is lost");
}

Test(segment_validate, finds_a_list_that_miscounts)
{
    struct ms_arena *arena = open_filled();

    arena->lists[MS_LIST_NEW].bytes++;
    expect_problem(arena, "AR: a list miscounts");
}

Test(segment_validate, finds_an_order_that_ranks_contradict)
{
    struct ms_arena *arena = open_filled();

    arena->lists[MS_LIST_NEW].newest->rank = 0;
    expect_problem(arena, "AR: a list is not sorted");
}

Test(segment_validate, finds_more_counted_live_than_there_are)
{
    struct ms_arena *arena = open_filled();

    ms_add_relaxed(&entries[0].segment->claimed, 1);
    ms_add_relaxed(&entries[0].segment->settled, 1);
    expect_problem(arena, "SG-1");
}

Test(segment_validate, finds_a_sealed_segment_that_should_have_been_retired)
{
    struct ms_arena *arena = open_filled();

    struct ms_segment *const segment = entries[0].segment;

    ms_store_relaxed(&segment->gone, (uint64_t)ms_load_relaxed(&segment->claimed) << 32 |
                                         ms_load_relaxed(&segment->used));
    expect_problem(arena, "SG-2");
}

Test(segment_validate, finds_a_pending_entry_without_a_writer)
{
    struct ms_arena *arena = open_filled();

    ms_store_relaxed(&entries[0].entry->mark, MS_MARK_PENDING);
    expect_problem(arena, "SG-2");
}

Test(segment_validate, finds_an_entry_that_reaches_too_far)
{
    struct ms_arena *arena = open_filled();

    entries[0].entry->value_size = MS_ENTRY_MAX_SHORT_VALUE;
    expect_problem(arena, "SG-3");
}
