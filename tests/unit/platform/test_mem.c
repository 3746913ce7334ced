/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/mem.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 3

static void assert_zero(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(memory[i], 0, "at %zu", i);
}

Test(mem, what_is_given_back_reads_as_zero_and_is_not_resident)
{
    char *const memory = ms_mem_reserve(PAGES * MS_PAGE_SIZE);

    cr_assert_not_null(memory);
    memset(memory, 0x5a, PAGES * MS_PAGE_SIZE);
    ms_mem_discard(memory, PAGES * MS_PAGE_SIZE);
    cr_assert_eq(ms_mem_resident(memory, PAGES * MS_PAGE_SIZE), 0);
    assert_zero(memory, PAGES * MS_PAGE_SIZE);
    ms_mem_unreserve(memory, PAGES * MS_PAGE_SIZE);
}

/* The system takes no page back that the program has locked. */
Test(mem, what_is_locked_and_given_back_reads_as_zero)
{
    char *const memory = ms_mem_reserve(PAGES * MS_PAGE_SIZE);

    cr_assert_not_null(memory);
    memset(memory, 0x5a, PAGES * MS_PAGE_SIZE);
    if (mlock(memory + MS_PAGE_SIZE, MS_PAGE_SIZE) != 0)
        cr_skip("the system lets nothing be locked");
    ms_mem_discard(memory, PAGES * MS_PAGE_SIZE);
    assert_zero(memory, PAGES * MS_PAGE_SIZE);
    ms_mem_unreserve(memory, PAGES * MS_PAGE_SIZE);
}
