/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is charged and made before writers need it. */
#include "platform/clock.h"
#include "platform/mem.h"
#include "unit/room.h"

#include <criterion/parameterized.h>

#define MIB ((uint64_t)1 << 20)
#define LITTLE (16 * MIB)

static struct ms_arena arena;

static void open_arena(uint64_t limit, enum ms_arena_paging paging)
{
    const struct ms_arena_options options = {.limit = limit, .paging = paging};
    bool out_of_memory;

    ms_testing_set_clock(ROOM_NOW, ROOM_NOW);
    cr_assert(ms_arena_init(&arena, &options, &out_of_memory));
}

/* Append until there is no room or so many segments have been opened. Returns how many entries. */
static uint32_t fill(uint64_t segments)
{
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved reserved;
    uint32_t entries = 0;

    while (arena.fresh < segments && room_write(&arena, &placement, 4000, &reserved))
        entries++;
    return entries;
}

static uint64_t segments_of(uint64_t bytes)
{
    return bytes >> arena.segment_shift;
}

static void make_all(void)
{
    for (int i = 0; ms_arena_make_ahead(&arena); i++)
        cr_assert_lt(i, 64, "there is always more to make");
    room_check(&arena);
}

static size_t resident_ahead(void)
{
    return ms_mem_resident(arena.base + ((size_t)arena.fresh << arena.segment_shift),
                           (size_t)arena.ahead << arena.segment_shift);
}

/* Whether the system makes pages that it is asked for. */
static bool makes_pages(void)
{
    char *const memory = ms_mem_reserve(MS_HUGE_PAGE_SIZE);

    cr_assert_not_null(memory);
    ms_mem_populate(memory, MS_HUGE_PAGE_SIZE);
    const bool made = ms_mem_resident(memory, MS_HUGE_PAGE_SIZE) == MS_HUGE_PAGE_SIZE;
    ms_mem_unreserve(memory, MS_HUGE_PAGE_SIZE);
    return made;
}

static const enum ms_arena_paging pagings[] = {MS_PAGING_SMALL, MS_PAGING_MIXED, MS_PAGING_HUGE};

ParameterizedTestParameters(ahead, a_store_that_holds_little_has_nothing_made)
{
    return cr_make_param_array(enum ms_arena_paging, (void *)pagings, 3);
}

ParameterizedTest(enum ms_arena_paging *paging, ahead, a_store_that_holds_little_has_nothing_made)
{
    open_arena(256 * MIB, *paging);
    cr_assert_not(ms_arena_make_ahead(&arena));
    fill(segments_of(LITTLE) - 1);
    const uint64_t charged = ms_budget_charged(&arena.budget);
    cr_assert_not(ms_arena_make_ahead(&arena));
    cr_assert_eq(ms_budget_charged(&arena.budget), charged);
    room_close(&arena);
}

ParameterizedTestParameters(ahead, what_writers_open_next_is_charged_and_made)
{
    return cr_make_param_array(enum ms_arena_paging, (void *)pagings, 3);
}

ParameterizedTest(enum ms_arena_paging *paging, ahead, what_writers_open_next_is_charged_and_made)
{
    if (!makes_pages())
        cr_skip("the system makes no pages that nobody touches");
    for (uint64_t limit = 64 * MIB; limit <= 4096 * MIB; limit *= 8) {
        open_arena(limit, *paging);
        for (uint64_t bytes = LITTLE; bytes < 24 * MIB; bytes += MIB) {
            fill(segments_of(bytes) + 1);
            make_all();
            cr_assert_gt(arena.ahead, 0);
            cr_assert_leq((uint64_t)arena.ahead << arena.segment_shift, 2 * MS_HUGE_PAGE_SIZE);
            cr_assert_eq(resident_ahead(), (size_t)arena.ahead << arena.segment_shift);
            const uint64_t charged = ms_budget_charged(&arena.budget);
            fill(arena.fresh + 1);
            cr_assert_eq(ms_budget_charged(&arena.budget), charged, "it was charged already");
        }
        room_close(&arena);
    }
}

ParameterizedTestParameters(ahead, it_is_given_back_when_memory_is_short_and_made_again)
{
    return cr_make_param_array(enum ms_arena_paging, (void *)pagings, 3);
}

ParameterizedTest(enum ms_arena_paging *paging, ahead,
                  it_is_given_back_when_memory_is_short_and_made_again)
{
    if (!makes_pages())
        cr_skip("the system makes no pages that nobody touches");
    open_arena(256 * MIB, *paging);
    fill(segments_of(LITTLE) + 1);
    ms_arena_cool(&arena, 0);
    const uint64_t charged = ms_budget_charged(&arena.budget);
    for (int i = 0; i < 3; i++) {
        make_all();
        const size_t bytes = (size_t)arena.ahead << arena.segment_shift;
        cr_assert_gt(bytes, 0);
        cr_assert_eq(resident_ahead(), bytes);
        cr_assert_eq(ms_budget_charged(&arena.budget), charged + bytes);
        cr_assert_eq(ms_arena_cool(&arena, 0), bytes);
        room_check(&arena);
        cr_assert_eq(ms_budget_charged(&arena.budget), charged);
        cr_assert_eq(arena.ahead, 0);
        cr_assert_eq(
            ms_mem_resident(arena.base + ((size_t)arena.fresh << arena.segment_shift), bytes), 0);
    }
    room_close(&arena);
}

/* Append until there is no room or so many segments have been opened, and let all of it die. */
static void fill_and_kill(uint64_t segments)
{
    static struct ms_reserved entries[8192];
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    uint32_t count = 0;

    while (arena.fresh < segments && room_write(&arena, &placement, 4000, &entries[count]))
        cr_assert_lt(++count, 8192);
    ms_arena_seal_open(&arena);
    while (count != 0)
        room_kill(&arena, &entries[--count]);
    room_recycle(&arena);
}

/* Somebody else has all of the limit but so many segments. */
static void leave_segments(uint64_t segments)
{
    const uint64_t rest = ms_budget_limit(&arena.budget) - ms_budget_charged(&arena.budget);
    const uint64_t bytes = rest - (segments << arena.segment_shift);

    cr_assert_not_null(ms_pages_alloc(&arena.pages, bytes & ~(MS_PAGE_SIZE - 1), 0));
}

Test(ahead, it_is_opened_when_no_other_segment_can_be_charged)
{
    open_arena(64 * MIB, MS_PAGING_MIXED);
    fill_and_kill(segments_of(LITTLE) + 1);
    cr_assert_gt(arena.ahead, 1);
    cr_assert_not_null(arena.cold);
    leave_segments(arena.reserve);
    fill(UINT32_MAX);
    cr_assert_eq(ms_arena_available(&arena), 0, "no segment was opened although there are");
    room_close(&arena);
}

Test(ahead, of_a_huge_page_that_was_given_back_a_part_is_charged_and_no_more_resident)
{
    open_arena(256 * MIB, MS_PAGING_MIXED);
    fill(segments_of(LITTLE) + segments_of(MS_HUGE_PAGE_SIZE));
    cr_assert_eq(arena.ahead, 0);
    make_all();
    ms_arena_cool(&arena, 0);
    leave_segments(arena.reserve + 1);
    char *const next = arena.base + ((size_t)arena.fresh << arena.segment_shift);
    fill(arena.fresh + 1);
    cr_assert_eq(arena.ahead, 0);
    cr_assert_leq(ms_mem_resident(next, MS_HUGE_PAGE_SIZE), ms_arena_segment_size(&arena));
    room_close(&arena);
}

static void at_ms(int64_t ms)
{
    ms_testing_set_clock(ROOM_NOW + ms, ROOM_NOW + ms);
}

/* For what is due, as the maintenance thread asks. */
static bool give_idle(void)
{
    const bool given = ms_arena_give_idle(&arena, ms_clock_exact_ms());

    room_check(&arena);
    return given;
}

ParameterizedTestParameters(ahead, it_is_given_back_when_nobody_opens_a_segment_for_a_second)
{
    return cr_make_param_array(enum ms_arena_paging, (void *)pagings, 3);
}

ParameterizedTest(enum ms_arena_paging *paging, ahead,
                  it_is_given_back_when_nobody_opens_a_segment_for_a_second)
{
    open_arena(256 * MIB, *paging);
    cr_assert_eq(ms_load_relaxed(&arena.idle_at), MS_NEVER, "there is nothing to look after");
    fill(segments_of(LITTLE) + 1);
    make_all();
    cr_assert_eq(ms_load_relaxed(&arena.idle_at), ROOM_NOW + 1000);
    at_ms(999);
    cr_assert_not(give_idle());
    fill(arena.fresh + 1);
    at_ms(1000);
    cr_assert_not(give_idle(), "somebody has opened one");
    cr_assert_eq(ms_load_relaxed(&arena.idle_at), ROOM_NOW + 2000);
    at_ms(2000);
    const uint64_t charged = ms_budget_charged(&arena.budget);
    const uint64_t bytes = (uint64_t)arena.ahead << arena.segment_shift;
    cr_assert_gt(bytes, 0);
    cr_assert(give_idle());
    cr_assert_eq(arena.ahead, 0);
    cr_assert_eq(ms_budget_charged(&arena.budget), charged - bytes);
    cr_assert_eq(ms_load_relaxed(&arena.idle_at), MS_NEVER);
    cr_assert_not(ms_arena_make_ahead(&arena), "for nobody");
    fill(arena.fresh + 1);
    make_all();
    cr_assert_gt(arena.ahead, 0);
    room_close(&arena);
}

ParameterizedTestParameters(ahead, writers_get_as_much_of_the_limit_as_without)
{
    return cr_make_param_array(enum ms_arena_paging, (void *)pagings, 3);
}

ParameterizedTest(enum ms_arena_paging *paging, ahead, writers_get_as_much_of_the_limit_as_without)
{
    struct ms_placement reclaimer = room_placement(MS_QUEUE_MAIN);
    struct ms_reserved reserved;

    open_arena(40 * MIB, *paging);
    const uint32_t without = fill(UINT32_MAX);
    room_close(&arena);

    open_arena(40 * MIB, *paging);
    uint32_t with = 0;
    for (uint32_t n; (n = fill(arena.fresh + 1)) != 0; with += n)
        make_all();
    cr_assert_eq(with, without);
    reclaimer.privileged = true;
    cr_assert(room_write(&arena, &reclaimer, 4000, &reserved), "the reserve was given away");
    room_close(&arena);
}

Test(ahead, pages_of_large_entries_go_back_when_none_is_written_for_a_second)
{
    struct ms_arena *evicting = room_open_evicting(64 * MIB, true);
    const uint64_t before = ms_budget_charged(&evicting->budget);

    for (int i = 0; i < 3; i++) {
        const struct ms_reserved large = room_write_new(evicting, 1000000);
        cr_assert(room_kill(evicting, &large));
        room_recycle(evicting);
        room_check(evicting);
    }
    cr_assert_gt(ms_budget_charged(&evicting->budget), before + 1000000);
    at_ms(1000);
    cr_assert_not(ms_arena_give_idle(evicting, ms_clock_exact_ms()), "two were written since");
    at_ms(2000);
    cr_assert(ms_arena_give_idle(evicting, ms_clock_exact_ms()));
    cr_assert_eq(ms_budget_charged(&evicting->budget), before);
    cr_assert_eq(ms_load_relaxed(&evicting->idle_at), MS_NEVER);
    room_close(evicting);
}
