/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/pages.h"
#include "segment/validate.h"

#include "platform/testing.h"
#include "unit/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define PAGE MS_PAGE_SIZE
#define PAGES 64
#define UNIT_SHIFT 9
#define UNIT ((size_t)1 << UNIT_SHIFT)

static struct ms_budget budget;
static struct ms_pages pages;
static char *base;

static size_t range;

static void open_range(size_t count, bool huge)
{
    range = count * PAGE;
    budget = (struct ms_budget){.limit = range};
    base = ms_mem_reserve(range);
    cr_assert_not_null(base);
    cr_assert(ms_pages_init(&pages, &budget, base, count, UNIT_SHIFT, huge));
}

static void open_pages(void)
{
    open_range(PAGES, false);
}

static void close_pages(void)
{
    ms_pages_fini(&pages);
    ms_mem_unreserve(base, range);
}

TestSuite(pages, .init = open_pages, .fini = close_pages);

static void check(void)
{
    uint64_t charged;
    const char *const problem = ms_pages_validate(&pages, &charged);

    cr_assert_null(problem, "%s", problem);
    cr_assert_eq(charged, ms_budget_charged(&budget));
}

static bool is_zero(const void *memory, size_t size)
{
    const unsigned char *bytes = memory;

    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void *page(size_t number)
{
    return base + number * PAGE;
}

/* ---- Runs ---- */

Test(pages, a_run_of_whole_pages_shares_none)
{
    void *one = ms_pages_alloc(&pages, PAGE / 2 + 1, 0);
    void *three = ms_pages_alloc(&pages, 3 * PAGE, 0);

    cr_assert(one == page(0) && three == page(1));
    cr_assert_eq(ms_budget_charged(&budget), 4 * PAGE);
    check();
    ms_pages_free(&pages, three, 3 * PAGE);
    cr_assert_eq(ms_budget_charged(&budget), PAGE);
    ms_pages_free(&pages, one, PAGE / 2 + 1);
    cr_assert_eq(ms_budget_charged(&budget), 0);
    check();
}

Test(pages, runs_of_parts_of_pages_share_them)
{
    char *first = ms_pages_alloc(&pages, 5 * UNIT, 0);
    char *second = ms_pages_alloc(&pages, 9 * UNIT, 0);

    cr_assert(first == page(0) && second == first + 5 * UNIT);
    cr_assert_eq(ms_budget_charged(&budget), 2 * PAGE, "and each page is charged once");
    check();
    memset(first, 1, 5 * UNIT);
    memset(second, 1, 9 * UNIT);
    ms_pages_free(&pages, second, 9 * UNIT);
    cr_assert_eq(ms_budget_charged(&budget), PAGE);
    check();
    /* Zeroed, though what was there before is not given back. */
    char *third = ms_pages_alloc(&pages, 5 * UNIT, 0);
    cr_assert_eq(third, second);
    cr_assert(is_zero(third, 5 * UNIT));
    ms_pages_free(&pages, third, 5 * UNIT);
    ms_pages_free(&pages, first, 5 * UNIT);
    cr_assert_eq(ms_budget_charged(&budget), 0);
    check();
}

Test(pages, at_most_what_was_foretold_is_charged)
{
    for (size_t size = 1; size < 5 * PAGE; size += 37) {
        const uint64_t before = ms_budget_charged(&budget);
        void *memory = ms_pages_alloc(&pages, size, 0);

        cr_assert_not_null(memory);
        cr_assert_leq(ms_budget_charged(&budget) - before, ms_pages_charge_of(size));
        ms_pages_free(&pages, memory, size);
        cr_assert_eq(ms_budget_charged(&budget), before);
    }
}

Test(pages, the_lowest_run_that_fits_is_taken)
{
    cr_assert_eq(ms_pages_alloc(&pages, 2 * PAGE, 0), page(0));
    cr_assert_eq(ms_pages_alloc(&pages, 1 * PAGE, 0), page(2));
    cr_assert_eq(ms_pages_alloc(&pages, 3 * PAGE, 0), page(3));
    cr_assert_eq(ms_pages_alloc(&pages, 1 * PAGE, 0), page(6));
    ms_pages_free(&pages, page(0), 2 * PAGE);
    ms_pages_free(&pages, page(3), 3 * PAGE);
    cr_assert_eq(ms_pages_alloc(&pages, 3 * PAGE, 0), page(3));
    cr_assert_eq(ms_pages_alloc(&pages, 1 * PAGE, 0), page(0));
    cr_assert_eq(ms_pages_alloc(&pages, 2 * PAGE, 0), page(7));
    cr_assert_eq(ms_pages_alloc(&pages, 1 * PAGE, 0), page(1));
    check();
}

Test(pages, neighbours_that_are_free_make_one_run)
{
    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(ms_pages_alloc(&pages, PAGE, 0), page(i));
    for (size_t i = 2; i < 6; i++)
        ms_pages_free(&pages, page(i), PAGE);
    cr_assert_eq(ms_pages_alloc(&pages, 4 * PAGE, 0), page(2));
    check();
}

Test(pages, free_pages_read_as_zero)
{
    char *memory = ms_pages_alloc(&pages, 4 * PAGE, 0);

    cr_assert(is_zero(memory, 4 * PAGE));
    memset(memory, 0xff, 4 * PAGE);
    ms_pages_free(&pages, memory, 4 * PAGE);
    cr_assert(is_zero(base, PAGES * PAGE));
    cr_assert_eq(ms_pages_alloc(&pages, 4 * PAGE, 0), memory);
    cr_assert(is_zero(memory, 4 * PAGE));
}

Test(pages, the_whole_range_can_be_taken_and_no_more)
{
    budget.limit *= 2;
    cr_assert_null(ms_pages_alloc(&pages, (PAGES + 1) * PAGE, 0));
    cr_assert_eq(ms_pages_alloc(&pages, PAGES * PAGE, 0), base);
    cr_assert_null(ms_pages_alloc(&pages, PAGE, 0));
    cr_assert_null(ms_pages_alloc(&pages, 1, 0));
    cr_assert_eq(ms_budget_charged(&budget), PAGES * PAGE, "what was refused is not charged");
    check();
    ms_pages_free(&pages, base, PAGES * PAGE);
    cr_assert_not_null(ms_pages_alloc(&pages, PAGE, 0));
    check();
}

Test(pages, gaps_that_are_too_short_are_passed_over)
{
    for (size_t i = 0; i < PAGES; i++)
        cr_assert_not_null(ms_pages_alloc(&pages, PAGE, 0));
    for (size_t i = 0; i < PAGES; i += 2)
        ms_pages_free(&pages, page(i), PAGE);
    cr_assert_null(ms_pages_alloc(&pages, 2 * PAGE, 0));
    cr_assert_eq(ms_budget_charged(&budget), PAGES / 2 * PAGE);
    ms_pages_free(&pages, page(PAGES - 1), PAGE);
    cr_assert_eq(ms_pages_alloc(&pages, 2 * PAGE, 0), page(PAGES - 2));
    check();
}

Test(pages, the_limit_is_kept_and_what_is_to_be_spared)
{
    budget.limit = 10 * PAGE;
    cr_assert_null(ms_pages_alloc(&pages, 11 * PAGE, 0));
    cr_assert_null(ms_pages_alloc(&pages, 8 * PAGE, 3 * PAGE));
    cr_assert_not_null(ms_pages_alloc(&pages, 7 * PAGE, 3 * PAGE));
    cr_assert_null(ms_pages_alloc(&pages, 100, 3 * PAGE));
    cr_assert_not_null(ms_pages_alloc(&pages, 100, 2 * PAGE));
    check();
}

Test(pages, what_the_system_refuses_is_not_charged_and_told)
{
    const struct ms_budget_mark mark = ms_budget_mark(&budget);

    ms_testing_fail_memory(1, false);
    cr_assert_null(ms_pages_alloc(&pages, 3 * PAGE, 0));
    ms_testing_fail_memory(0, false);
    cr_assert_eq(ms_budget_charged(&budget), 0);
    cr_assert(ms_budget_was_refused(&budget, &mark));
    cr_assert_eq(ms_pages_alloc(&pages, PAGES * PAGE, 0), base, "no page was lost");
    check();
}

Test(pages, init_fails_when_the_system_gives_no_memory)
{
    struct ms_pages others;

    ms_testing_fail_memory(1, false);
    cr_assert_not(ms_pages_init(&others, &budget, base, PAGES, UNIT_SHIFT, false));
    ms_testing_fail_memory(0, false);
    ms_pages_fini(&others);
}

/* ---- Packed runs ---- */

Test(pages, packed_runs_lie_wall_to_wall_and_share_the_pages_between_them)
{
    const size_t size = 2 * PAGE + 1;
    char *first = ms_pages_alloc_packed(&pages, size, 0);
    char *second = ms_pages_alloc_packed(&pages, size, 0);

    cr_assert_eq(first, base);
    cr_assert_eq(second, base + 2 * PAGE + UNIT);
    cr_assert_eq(ms_budget_charged(&budget), 5 * PAGE, "and not 6");
    check();
    ms_pages_free_packed(&pages, first, size);
    cr_assert_eq(ms_budget_charged(&budget), 3 * PAGE, "the page between is the second's");
    check();
    ms_pages_free_packed(&pages, second, size);
    cr_assert_eq(ms_budget_charged(&budget), 0);
    check();
}

Test(pages, what_lies_beside_a_packed_run_that_goes_stays_as_it_is)
{
    char *runs[3];

    for (int i = 0; i < 3; i++) {
        runs[i] = ms_pages_alloc_packed(&pages, PAGE + UNIT, 0);
        memset(runs[i], 1 + i, PAGE + UNIT);
    }
    ms_pages_free_packed(&pages, runs[1], PAGE + UNIT);
    for (int i = 0; i < 3; i += 2) {
        for (size_t k = 0; k < PAGE + UNIT; k++)
            cr_assert_eq(runs[i][k], 1 + i);
    }
    cr_assert_eq(ms_pages_alloc_packed(&pages, PAGE + UNIT, 0), runs[1]);
    check();
}

Test(pages, a_run_of_pages_begins_at_a_page_behind_a_packed_one)
{
    cr_assert_eq(ms_pages_alloc_packed(&pages, UNIT, 0), base);
    cr_assert_eq(ms_pages_alloc(&pages, PAGE, 0), page(1));
    cr_assert_eq(ms_pages_alloc_packed(&pages, PAGE - UNIT, 0), base + UNIT, "the gap is used");
    cr_assert_eq(ms_budget_charged(&budget), 2 * PAGE);
    check();
}

Test(pages, a_packed_run_is_charged_for_no_page_that_is_paid_for)
{
    cr_assert_not_null(ms_pages_alloc_packed(&pages, UNIT, 0));
    budget.limit = PAGE;
    cr_assert_null(ms_pages_alloc_packed(&pages, PAGE, 0));
    cr_assert_not_null(ms_pages_alloc_packed(&pages, PAGE - UNIT, 0));
    check();
}

/* ---- Warm pages ---- */

/* Three pages and some, filled. */
#define LARGE (3 * PAGE + 2 * UNIT)

static void *write_packed(uint64_t spare)
{
    void *memory = ms_pages_alloc_packed(&pages, LARGE, spare);

    if (memory != NULL)
        memset(memory, 0xa5, LARGE);
    check();
    return memory;
}

static void open_warm(uint64_t limit)
{
    ms_store_relaxed(&budget.limit, limit);
    ms_pages_keep_warm(&pages);
}

Test(pages, of_a_packed_run_that_goes_the_pages_stay_for_the_next_one)
{
    open_warm(1024 * PAGE);
    void *memory = write_packed(0);
    for (int i = 0; i < 3; i++) {
        ms_pages_free_packed(&pages, memory, LARGE);
        check();
        cr_assert_eq(ms_pages_warm(&pages), 4 * PAGE);
        cr_assert_eq(ms_budget_charged(&budget), 4 * PAGE);
        cr_assert_eq(ms_mem_resident(memory, 4 * PAGE), 4 * PAGE);
        cr_assert_eq(write_packed(0), memory);
        cr_assert_eq(ms_pages_warm(&pages), 0);
        cr_assert_eq(ms_budget_charged(&budget), 4 * PAGE);
    }
}

Test(pages, what_was_warm_reads_as_zero_for_others)
{
    open_warm(1024 * PAGE);
    ms_pages_free_packed(&pages, write_packed(0), LARGE);
    void *memory = ms_pages_alloc(&pages, 6 * PAGE, 0);
    cr_assert_eq(memory, page(0));
    cr_assert(is_zero(memory, 6 * PAGE));
    cr_assert_eq(ms_budget_charged(&budget), 6 * PAGE);
    cr_assert_eq(ms_pages_warm(&pages), 0);
    check();
}

Test(pages, a_part_of_the_limit_may_be_warm)
{
    open_warm(10 * MS_WARM_DIVISOR * PAGE);
    void *first = write_packed(0), *second = write_packed(0), *third = write_packed(0);
    const uint64_t charged = ms_budget_charged(&budget);

    ms_pages_free_packed(&pages, first, LARGE);
    check();
    ms_pages_free_packed(&pages, third, LARGE);
    check();
    cr_assert_eq(ms_budget_charged(&budget), charged);
    ms_pages_free_packed(&pages, second, LARGE);
    check();
    cr_assert_leq(ms_pages_warm(&pages), 10 * PAGE);
    cr_assert_lt(ms_budget_charged(&budget), charged);
}

Test(pages, what_is_warm_is_given_back_before_anybody_is_refused)
{
    open_warm(40 * MS_WARM_DIVISOR * PAGE);
    ms_pages_free_packed(&pages, write_packed(0), LARGE);
    ms_store_relaxed(&budget.limit, 12 * PAGE);
    void *behind = ms_pages_alloc(&pages, 5 * PAGE, 6 * PAGE);
    cr_assert_not_null(behind);
    cr_assert(is_zero(behind, 5 * PAGE));
    cr_assert_eq(ms_budget_charged(&budget), 5 * PAGE);
    check();
    cr_assert_null(write_packed(4 * PAGE));
    cr_assert_not_null(write_packed(3 * PAGE));
}

Test(pages, a_refusal_leaves_nothing_warm_and_charged)
{
    open_warm(1024 * PAGE);
    ms_pages_free_packed(&pages, write_packed(0), LARGE);
    ms_store_relaxed(&budget.limit, 5 * PAGE);
    cr_assert_null(ms_pages_alloc_packed(&pages, 8 * PAGE, 0));
    check();
    cr_assert_eq(ms_budget_charged(&budget), 0);
    cr_assert(is_zero(page(0), 4 * PAGE));
}

Test(pages, none_is_kept_while_more_is_charged_than_the_limit)
{
    open_warm(1024 * PAGE);
    void *memory = write_packed(0);
    ms_store_relaxed(&budget.limit, 3 * PAGE);
    ms_pages_free_packed(&pages, memory, LARGE);
    check();
    cr_assert_eq(ms_budget_charged(&budget), 0);
}

Test(pages, all_that_is_warm_can_be_given_back)
{
    open_warm(1024 * PAGE);
    void *first = write_packed(0), *between = write_packed(0), *last = write_packed(0);
    ms_pages_free_packed(&pages, first, LARGE);
    ms_pages_free_packed(&pages, last, LARGE);
    const uint64_t warm = ms_pages_warm(&pages), charged = ms_budget_charged(&budget);
    cr_assert_gt(warm, 5 * PAGE);
    cr_assert_eq(ms_pages_cool(&pages), warm);
    cr_assert_eq(ms_budget_charged(&budget), charged - warm);
    cr_assert_eq(ms_pages_cool(&pages), 0);
    cr_assert(is_zero(page(0), 3 * PAGE));
    cr_assert_eq(*(unsigned char *)between, 0xa5);
    check();
}

/* ---- Blocks ---- */

Test(pages, blocks_of_a_size_share_a_page)
{
    for (size_t size = MS_BLOCK_MIN; size <= MS_BLOCK_MIN << (MS_BLOCK_CLASSES - 1); size *= 2) {
        const size_t count = PAGE / size;
        char *first = ms_pages_alloc(&pages, size, 0);

        for (size_t i = 1; i < count; i++) {
            char *block = ms_pages_alloc(&pages, size, 0);
            cr_assert_eq((size_t)(block - base) / PAGE, (size_t)(first - base) / PAGE);
            cr_assert_eq((size_t)(block - base) % size, 0);
        }
        cr_assert_eq(ms_budget_charged(&budget), PAGE);
        check();
        for (size_t i = 0; i < count; i++)
            ms_pages_free(&pages, first + i * size, size);
        cr_assert_eq(ms_budget_charged(&budget), 0);
        check();
    }
}

Test(pages, blocks_of_different_sizes_do_not_share_a_page)
{
    const char *small = ms_pages_alloc(&pages, MS_BLOCK_MIN, 0);
    const char *large = ms_pages_alloc(&pages, 4 * MS_BLOCK_MIN, 0);

    cr_assert_neq((size_t)(small - base) / PAGE, (size_t)(large - base) / PAGE);
    cr_assert_eq(ms_budget_charged(&budget), 2 * PAGE);
    check();
}

Test(pages, a_block_is_zeroed_when_it_is_handed_out)
{
    char *kept = ms_pages_alloc(&pages, 256, 0);
    char *block = ms_pages_alloc(&pages, 256, 0);

    memset(block, 0xff, 256);
    memset(kept, 0xee, 256);
    ms_pages_free(&pages, block, 256);
    cr_assert_eq(ms_pages_alloc(&pages, 256, 0), block);
    cr_assert(is_zero(block, 256));
    cr_assert_not(is_zero(kept, 256), "and nothing else is");
}

Test(pages, a_full_page_takes_blocks_again_when_one_is_free)
{
    char *blocks[2 * PAGE / 1024];
    const size_t count = sizeof blocks / sizeof *blocks;

    for (size_t i = 0; i < count; i++)
        blocks[i] = ms_pages_alloc(&pages, 1024, 0);
    cr_assert_eq(ms_budget_charged(&budget), 2 * PAGE);
    ms_pages_free(&pages, blocks[1], 1024);
    ms_pages_free(&pages, blocks[6], 1024);
    check();
    cr_assert_not_null(ms_pages_alloc(&pages, 1024, 0));
    cr_assert_not_null(ms_pages_alloc(&pages, 1024, 0));
    cr_assert_eq(ms_budget_charged(&budget), 2 * PAGE);
    check();
}

/* ---- Everything at random ---- */

enum { HELD = 100 };

static struct {
    unsigned char *memory;
    size_t size;
    unsigned char pattern;
    bool packed;
} held[HELD];

static void drop(size_t i)
{
    for (size_t k = 0; k < held[i].size; k++)
        cr_assert_eq(held[i].memory[k], held[i].pattern, "memory was handed out twice");
    if (held[i].packed)
        ms_pages_free_packed(&pages, held[i].memory, held[i].size);
    else
        ms_pages_free(&pages, held[i].memory, held[i].size);
    held[i].memory = NULL;
}

static void take_and_drop_at_random(void)
{
    struct unit_random random = unit_random_start("pages");

    for (unsigned round = 0; round < 20000; round++) {
        const size_t i = unit_random_below(&random, HELD);

        if (held[i].memory != NULL) {
            drop(i);
            continue;
        }
        held[i].size = unit_random_below(&random, 3) == 0 ? 1 + unit_random_below(&random, 5 * PAGE)
                                                          : 1 + unit_random_below(&random, 2048);
        held[i].packed = unit_random_below(&random, 3) == 0;
        held[i].memory = held[i].packed ? ms_pages_alloc_packed(&pages, held[i].size, 0)
                                        : ms_pages_alloc(&pages, held[i].size, 0);
        if (held[i].memory == NULL)
            continue;
        cr_assert(held[i].packed || is_zero(held[i].memory, held[i].size));
        held[i].pattern = (unsigned char)(1 + unit_random_below(&random, 255));
        memset(held[i].memory, held[i].pattern, held[i].size);
        if (round % 100 == 0)
            check();
    }
    for (size_t i = 0; i < HELD; i++) {
        if (held[i].memory != NULL)
            drop(i);
    }
    ms_pages_cool(&pages);
    cr_assert_eq(ms_budget_charged(&budget), 0);
    cr_assert(is_zero(base, PAGES * PAGE));
    check();
}

Test(pages, random_runs_packed_ones_and_blocks_stay_apart_and_come_back)
{
    take_and_drop_at_random();
}

/* ---- On huge pages ---- */

#define PAGES_OF_HUGE (MS_HUGE_PAGE_SIZE / PAGE)

Test(pages, whatever_is_warm)
{
    open_warm(512 * PAGE);
    take_and_drop_at_random();
    close_pages();
    open_pages();
    open_warm(40 * PAGE);
    take_and_drop_at_random();
}

Test(pages, on_huge_pages_they_come_back_zeroed_too)
{
    close_pages();
    open_range(PAGES, true);
    take_and_drop_at_random();
}

Test(pages, a_huge_page_is_given_back_when_nothing_in_it_is_used)
{
    close_pages();
    open_range(3 * PAGES_OF_HUGE, true);
    /* From the middle of the first huge page to that of the third. */
    const size_t half = MS_HUGE_PAGE_SIZE / 2, long_size = 2 * MS_HUGE_PAGE_SIZE;
    char *first = ms_pages_alloc(&pages, half, 0);
    char *across = ms_pages_alloc(&pages, long_size, 0);
    char *last = ms_pages_alloc(&pages, half, 0);

    cr_assert(first == base && across == base + half && last == across + long_size);
    memset(base, 0xff, range);
    ms_pages_free(&pages, across, long_size);
    cr_assert(is_zero(across, half) && is_zero(across + long_size - half, half));
    cr_assert_eq(ms_mem_resident(base, MS_HUGE_PAGE_SIZE), MS_HUGE_PAGE_SIZE);
    cr_assert_eq(ms_mem_resident(base + MS_HUGE_PAGE_SIZE, MS_HUGE_PAGE_SIZE), 0);
    cr_assert_eq(ms_mem_resident(base + 2 * MS_HUGE_PAGE_SIZE, MS_HUGE_PAGE_SIZE),
                 MS_HUGE_PAGE_SIZE);
    cr_assert_eq(ms_budget_charged(&budget), 2 * half, "what is free is not charged");
    cr_assert((unsigned char)first[half - 1] == 0xff && (unsigned char)last[0] == 0xff);

    ms_pages_free(&pages, first, half);
    ms_pages_free(&pages, last, half);
    cr_assert_eq(ms_mem_resident(base, range), 0);
    cr_assert_eq(ms_budget_charged(&budget), 0);
    check();
}
