/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/mem.h"

#include "platform/testing.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of Linux 5.14; older headers do not have it, and older systems refuse it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void *ms_mem_alloc(size_t size)
{
    if (ms_testing_refuses_memory())
        return NULL;
    return calloc(1, size);
}

void *ms_mem_resize(void *block, size_t size)
{
    if (ms_testing_refuses_memory())
        return NULL;
    return realloc(block, size);
}

void ms_mem_free(void *block)
{
    free(block);
}

void ms_mem_wipe(void *p, size_t size)
{
    explicit_bzero(p, size);
}

void ms_mem_free_wiped(void *block, bool wipes)
{
    if (wipes && block != NULL)
        ms_mem_wipe(block, malloc_usable_size(block));
    ms_mem_free(block);
}

void *ms_mem_resize_wiped(void *block, size_t size, bool wipes)
{
    if (!wipes || block == NULL)
        return ms_mem_resize(block, size);

    const size_t old = malloc_usable_size(block);
    void *new = ms_mem_resize(NULL, size);
    if (new == NULL)
        return NULL;
    memcpy(new, block, old < size ? old : size);
    ms_mem_free_wiped(block, true);
    return new;
}

void *ms_mem_reserve(size_t size)
{
    if (ms_testing_refuses_memory())
        return NULL;

    /* Map too much and cut both ends off, so that what stays is aligned to a huge page. */
    const size_t padded = size + MS_HUGE_PAGE_SIZE;
    char *map = mmap(NULL, padded, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;

    const size_t head =
        (MS_HUGE_PAGE_SIZE - ((uintptr_t)map & (MS_HUGE_PAGE_SIZE - 1))) & (MS_HUGE_PAGE_SIZE - 1);
    if (head != 0)
        munmap(map, head);
    if (padded - head > size)
        munmap(map + head + size, padded - head - size);
    ms_mem_advise_small(map + head, size);
    return map + head;
}

void ms_mem_unreserve(void *base, size_t size)
{
    if (base != NULL)
        munmap(base, size);
}

bool ms_mem_commit(void *p, size_t size)
{
    (void)p;
    (void)size;
    return !ms_testing_refuses_memory();
}

void ms_mem_discard(void *p, size_t size)
{
    /* The system does not take what the program has locked in memory. */
    if (madvise(p, size, MADV_DONTNEED) != 0)
        memset(p, 0, size);
}

void ms_mem_populate(void *p, size_t size)
{
    madvise(p, size, MADV_POPULATE_WRITE);
}

void ms_mem_advise_huge(void *p, size_t size)
{
    madvise(p, size, MADV_HUGEPAGE);
}

void ms_mem_advise_small(void *p, size_t size)
{
    madvise(p, size, MADV_NOHUGEPAGE);
}

/* Pages that the system is asked about at once: 64 MiB. */
#define RESIDENT_PAGES ((size_t)16384)

size_t ms_mem_resident(void *p, size_t size)
{
    unsigned char in_memory[RESIDENT_PAGES];
    size_t resident = 0;

    for (size_t at = 0; at < size; at += RESIDENT_PAGES * MS_PAGE_SIZE) {
        const size_t left = (size - at + MS_PAGE_SIZE - 1) / MS_PAGE_SIZE;
        const size_t pages = left < RESIDENT_PAGES ? left : RESIDENT_PAGES;

        if (mincore((char *)p + at, pages * MS_PAGE_SIZE, in_memory) != 0)
            continue;
        for (size_t i = 0; i < pages; i++)
            resident += in_memory[i] & 1;
    }
    return resident * MS_PAGE_SIZE;
}
