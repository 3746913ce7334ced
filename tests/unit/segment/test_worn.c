/* SPDX-License-Identifier: Apache-2.0 */
/* How many segments are worn, that is worth compacting: AR-4, which room_check() holds against what is
 * there. */
#include "unit/room.h"

#define LIMIT (UINT64_C(4) << 20)
#define SIZE 400

static uint32_t worn(const struct ms_arena *arena)
{
    return ms_load_relaxed(&arena->worn);
}

/* Fill a segment and seal it. Returns how many entries it has. */
static uint32_t fill_segment(struct ms_arena *arena, struct ms_reserved entries[])
{
    uint32_t n = 0;

    do
        entries[n] = room_write_new(arena, SIZE);
    while (entries[n].segment == entries[0].segment && ++n);
    ms_arena_seal_open(arena);
    return n;
}

static void check_worn_from(bool evicts, uint32_t divisor)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, evicts);
    const size_t least = ms_arena_segment_size(arena) / divisor;
    struct ms_reserved entries[200];
    const uint32_t n = fill_segment(arena, entries);
    uint32_t dead = 0;

    for (uint32_t i = 0; i < n - 1; i++) {
        room_kill(arena, &entries[i]);
        dead += entries[i].size;
        cr_assert_eq(worn(arena), dead >= least, "%u bytes are dead", dead);
        room_check(arena);
    }
    cr_assert(room_kill(arena, &entries[n - 1]), "the segment goes");
    cr_assert_eq(worn(arena), 0);
    room_close(arena);
}

Test(worn, a_segment_is_from_a_quarter_dead_on_where_others_can_be_evicted)
{
    check_worn_from(true, 4);
}

Test(worn, a_segment_is_from_a_sixteenth_dead_on_where_nothing_is_evicted)
{
    check_worn_from(false, 16);
}

Test(worn, what_writers_give_up_is_dead_as_well)
{
    struct ms_arena *arena = room_open(LIMIT);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = room_shape(arena, SIZE);
    const size_t size = ms_arena_segment_size(arena);
    struct ms_reserved reserved;

    room_write_new(arena, SIZE);
    for (size_t dead = 0; dead < size / 2; dead += reserved.size) {
        cr_assert(ms_arena_reserve(arena, &placement, &shape, &reserved));
        ms_arena_abandon(arena, &reserved);
    }
    cr_assert_eq(worn(arena), 1);
    room_close(arena);
}

Test(worn, large_entries_are_not_and_segments_that_are_used_again_begin_anew)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const uint32_t large = (uint32_t)ms_arena_segment_size(arena);
    struct ms_reserved entries[200];

    for (int round = 0; round < 20; round++) {
        const struct ms_reserved one = room_write_new(arena, large);
        const uint32_t n = fill_segment(arena, entries);

        for (uint32_t i = 0; i < n; i++)
            room_kill(arena, &entries[i]);
        cr_assert_eq(worn(arena), 0);
        cr_assert(room_kill(arena, &one));
        cr_assert_eq(worn(arena), 0);
        room_recycle(arena);
    }
    room_close(arena);
}

/* A writer that is gone may have counted its entry as dead and not the segment as worn. */
Test(worn, segments_are_counted_anew_in_the_child_of_a_fork)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    struct ms_reserved entries[200];
    const uint32_t n = fill_segment(arena, entries);

    for (uint32_t i = 0; i < n / 2; i++)
        room_kill(arena, &entries[i]);
    ms_store_relaxed(&arena->worn, 0);
    ms_arena_forget_calls(arena);
    cr_assert_eq(worn(arena), 1);
    room_close(arena);
}
