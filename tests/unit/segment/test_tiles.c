/* SPDX-License-Identifier: Apache-2.0 */
/* The last entry of a segment may end in the next one: BK-2, BK-3. */
#include "platform/mem.h"
#include "unit/random.h"
#include "unit/room.h"

#include <string.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define LIMIT ((uint64_t)4 << 20)
#define SIZE 1028 /* leaves 900 bytes of a segment of 32 KiB */

enum { MOST = 65536 };

static struct ms_reserved entries[MOST];

/* Append entries until there is no room. Returns how many. */
static unsigned fill(struct ms_arena *arena, uint32_t size)
{
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    unsigned count = 0;

    while (room_write(arena, &placement, size, &entries[count]))
        cr_assert_lt(++count, MOST);
    return count;
}

static void kill_all(struct ms_arena *arena, unsigned count)
{
    ms_arena_seal_open(arena);
    for (unsigned i = 0; i < count; i++)
        room_kill(arena, &entries[i]);
    room_recycle(arena);
}

/* How many of the entries, of one size, follow the one before without a gap. */
static unsigned count_adjacent(unsigned count, uint32_t size)
{
    unsigned adjacent = 0;

    for (unsigned i = 1; i < count; i++)
        adjacent += (char *)entries[i - 1].entry + size == (char *)entries[i].entry;
    return adjacent;
}

Test(tiles, entries_of_one_size_leave_no_gaps)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const unsigned count = fill(arena, SIZE);

    cr_assert_eq(count_adjacent(count, SIZE), count - 1);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(ms_arena_segment_of(arena, entries[i].place), entries[i].segment);
    room_close(arena);
}

Test(tiles, nor_do_they_when_memory_is_used_again)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const unsigned in_segment = (unsigned)ms_arena_segment_size(arena) / SIZE;
    const unsigned first = fill(arena, SIZE);
    unsigned count = first;

    for (int round = 0; round < 3; round++) {
        kill_all(arena, count);
        room_check(arena);
        count = fill(arena, SIZE);
        /* One segment less where two free ones share a page that both need. */
        cr_assert_geq(count, first - in_segment - 1, "of %u", first);
        cr_assert_geq(count_adjacent(count, SIZE), count - in_segment);
        room_check(arena);
    }
    room_close(arena);
}

Test(tiles, a_segment_in_use_keeps_its_beginning)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const struct ms_placement main = room_placement(MS_QUEUE_MAIN);
    struct ms_reserved first, next;
    unsigned inside = 0;

    first = room_write_new(arena, SIZE);
    cr_assert(room_write(arena, &main, SIZE, &next));
    cr_assert_eq(next.segment, first.segment + 1);
    for (struct ms_reserved more = first; more.segment == first.segment; inside++)
        more = room_write_new(arena, SIZE);
    cr_assert_eq(inside, ms_arena_segment_size(arena) / SIZE);
    cr_assert_eq(next.segment->left_out, 0);
    room_close(arena);
}

Test(tiles, what_varies_in_size_ends_where_its_segment_does)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const uint32_t sizes[] = {100, 1028, 300, 2500};

    for (unsigned i = 0; i < 1500; i++)
        room_write_new(arena, sizes[i % 4]);
    for (uint32_t i = 1; i < arena->fresh; i++)
        cr_assert_eq(arena->segments[i].left_out, 0);
    room_close(arena);
}

/* Three would fill a segment, and leave a quarter of it. */
Test(tiles, however_few_fill_a_segment)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const uint32_t size = (uint32_t)ms_arena_segment_size(arena) / 4 + 4;
    const unsigned count = fill(arena, size);

    cr_assert_not(ms_arena_is_large(arena, size));
    cr_assert_eq(count_adjacent(count, size), count - 1);
    room_close(arena);
}

/* Four fill it but for 80 bytes. */
Test(tiles, where_few_fill_a_segment_they_have_to_save_something)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);

    fill(arena, (uint32_t)ms_arena_segment_size(arena) / 4 - 20);
    for (uint32_t i = 1; i < arena->fresh; i++)
        cr_assert_eq(arena->segments[i].left_out, 0);
    room_close(arena);
}

Test(tiles, a_store_that_does_not_evict_has_none)
{
    struct ms_arena *arena = room_open(LIMIT);
    const unsigned count = fill(arena, SIZE);

    cr_assert_lt(count_adjacent(count, SIZE), count - 1);
    room_close(arena);
}

/* What was needed of the next segment by longer entries goes back to it when less is. */
Test(tiles, a_segment_that_is_opened_anew_takes_back_what_is_not_needed)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    unsigned count = fill(arena, 4000);
    uint64_t had = 0, has = 0;

    for (uint32_t i = 1; i < arena->fresh; i++)
        had += arena->segments[i].left_out;
    kill_all(arena, count);
    for (int round = 0; round < 4; round++) {
        count = fill(arena, 100);
        room_check(arena);
        kill_all(arena, count);
    }
    for (uint32_t i = 1; i < arena->fresh; i++)
        has += arena->segments[i].left_out;
    cr_assert_gt(had, 0);
    cr_assert_lt(has, had / 8);
    room_close(arena);
}

Test(tiles, all_of_it_is_given_back)
{
    struct ms_arena *arena = room_open_evicting(LIMIT, true);
    const uint64_t before = ms_budget_charged(&arena->budget);

    for (int round = 0; round < 2; round++) {
        kill_all(arena, fill(arena, SIZE));
        ms_arena_cool(arena, 0);
        room_check(arena);
        cr_assert_eq(ms_budget_charged(&arena->budget), before);
    }
    room_close(arena);
}

/* Each segment is a huge page. */
Test(tiles, of_a_huge_page_that_is_not_charged_the_system_has_no_more_than_what_is_shared)
{
    static struct ms_arena arena;
    const struct ms_arena_options options = {
        .limit = (uint64_t)4 << 30, .evicts = true, .paging = MS_PAGING_MIXED};
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    bool out_of_memory;
    unsigned count = 0;

    ms_testing_set_clock(ROOM_NOW, ROOM_NOW);
    cr_assert(ms_arena_init(&arena, &options, &out_of_memory));
    cr_assert_eq(ms_arena_segment_size(&arena), MS_HUGE_PAGE_SIZE);
    while (arena.fresh < arena.huge_from + 4)
        cr_assert(room_write(&arena, &placement, SIZE, &entries[count]) && ++count < MOST);
    struct ms_segment *const freed = &arena.segments[arena.huge_from + 1];
    for (unsigned i = 0; i < count; i++) {
        if (entries[i].segment == freed)
            room_kill(&arena, &entries[i]);
    }
    room_recycle(&arena);
    ms_arena_cool(&arena, 0);
    cr_assert_gt(freed->left_out, 0);
    char *const memory = arena.base + ((size_t)(arena.huge_from + 1) << arena.segment_shift);
    madvise(memory, MS_HUGE_PAGE_SIZE, MADV_COLLAPSE);
    cr_assert_eq(ms_mem_resident(memory, MS_HUGE_PAGE_SIZE), ms_mem_whole_pages(freed->left_out));
    room_close(&arena);
}

static unsigned char tag_of(const struct ms_reserved *entry)
{
    return (unsigned char)(entry->place * 2654435761u >> 24);
}

static void assert_whole(const struct ms_arena *arena, const struct ms_reserved *entry)
{
    const struct ms_entry_parts parts = ms_entry_parts(entry->entry, arena->kept);

    cr_assert_eq(ms_arena_segment_of(arena, entry->place), entry->segment);
    for (uint32_t i = 0; i < parts.key_size + parts.value_size; i++)
        cr_assert_eq((unsigned char)parts.key[i], tag_of(entry));
}

/* Write, remove and give back at random, of one size for a while and then of another. */
static void use_at_random(uint64_t limit)
{
    struct ms_arena *arena = room_open_evicting(limit, true);
    const uint64_t before = ms_budget_charged(&arena->budget);
    struct unit_random random = unit_random_start("tiles");
    unsigned count = 0;

    for (int step = 0; step < 60000; step++) {
        const uint32_t usual = 500 + (uint32_t)(step / 6000) * 371;
        const uint32_t size = unit_random_below(&random, 50) != 0
                                  ? usual
                                  : 100 + (uint32_t)unit_random_below(&random, 2000);
        const struct ms_placement placement =
            room_placement(unit_random_below(&random, 3) != 0 ? MS_QUEUE_NEW : MS_QUEUE_MAIN);

        if (count < MOST && unit_random_below(&random, 5) != 0 &&
            room_write(arena, &placement, size, &entries[count])) {
            const struct ms_entry_parts parts = ms_entry_parts(entries[count].entry, arena->kept);
            memset(entries[count].key, tag_of(&entries[count]), parts.key_size + parts.value_size);
            count++;
        }
        for (uint64_t n = step % 500 == 0 ? unit_random_below(&random, count + 1) : 0; n > 0; n--) {
            const uint64_t i = unit_random_below(&random, count);
            assert_whole(arena, &entries[i]);
            room_kill(arena, &entries[i]);
            entries[i] = entries[--count];
        }
        room_recycle(arena);
        if (unit_random_below(&random, 200) == 0)
            ms_arena_cool(arena, (uint32_t)unit_random_below(&random, 3));
        if (step % 100 == 0)
            room_check(arena);
    }
    kill_all(arena, count);
    ms_arena_cool(arena, 0);
    cr_assert_eq(ms_budget_charged(&arena->budget), before);
    room_close(arena);
}

Test(tiles, nobody_writes_over_another_whatever_is_given_back)
{
    use_at_random(LIMIT);
}

Test(tiles, nor_where_a_segment_is_two_pages)
{
    use_at_random(LIMIT / 8);
}
