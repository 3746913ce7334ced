/* SPDX-License-Identifier: Apache-2.0 */
/* Memory from the system. Every allocation the library makes goes through here, so that tests
 * can make the n-th one fail. */
#ifndef MS_PLATFORM_MEM_H
#define MS_PLATFORM_MEM_H

#include <stdbool.h>
#include <stddef.h>

#define MS_PAGE_SIZE ((size_t)4096)
#define MS_HUGE_PAGE_SIZE ((size_t)2 << 20)

/* The bytes of as many pages as so many take. */
static inline size_t ms_mem_whole_pages(size_t bytes)
{
    return (bytes + MS_PAGE_SIZE - 1) & ~(MS_PAGE_SIZE - 1);
}

/* Zeroed heap memory, aligned for any type; NULL when there is none. Freed with ms_mem_free(). */
void *ms_mem_alloc(size_t size);
/* Grow or shrink heap memory; on failure NULL and the old block stays. New bytes are not zeroed. */
void *ms_mem_resize(void *block, size_t size);
void ms_mem_free(void *block);
/* Overwrite memory with zeroes, also where the compiler sees that nobody reads them. */
void ms_mem_wipe(void *p, size_t size);
/* Free heap memory, overwriting all of the block first if `wipes`. */
void ms_mem_free_wiped(void *block, bool wipes);
/* ms_mem_resize(), overwriting what is left behind if `wipes`. */
void *ms_mem_resize_wiped(void *block, size_t size, bool wipes);

/* Reserve address space that costs nothing until it is touched, aligned to MS_HUGE_PAGE_SIZE.
 * Touched pages read as zero, and are not huge even where the system prefers that. NULL when the
 * system refuses. `size` is a multiple of the page size. */
void *ms_mem_reserve(size_t size);
/* Give reserved address space back. */
void ms_mem_unreserve(void *base, size_t size);
/* Ask leave to touch [p, p + size) of a reservation. Costs nothing: it exists so that tests can
 * refuse it. */
bool ms_mem_commit(void *p, size_t size);
/* Give the pages of [p, p + size) back to the system, unless they are locked in memory; they read as
 * zero when touched again. Both are page-aligned. */
void ms_mem_discard(void *p, size_t size);
/* Let the system make the pages of [p, p + size) that are not there, as if they were written to, and
 * change none. Where it cannot, whoever touches them first has them made. */
void ms_mem_populate(void *p, size_t size);
/* How many bytes of the mapping [p, p + size) are in memory; `p` is page-aligned. 0 for what the
 * system does not tell. */
size_t ms_mem_resident(void *p, size_t size);
/* Ask for huge pages in [p, p + size), or for none, as in what was just reserved. Advice: failure
 * changes nothing. */
void ms_mem_advise_huge(void *p, size_t size);
void ms_mem_advise_small(void *p, size_t size);

#endif
