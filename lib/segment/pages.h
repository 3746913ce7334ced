/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is not segments: index tables, large entries, the ghost. Runs of pages out of a
 * reserved address range, first fit from the low end; packed runs, which begin and end anywhere at
 * multiples of a unit, of a page or less; and blocks of a power of two under a page carved out of single
 * pages, where units are not of the smallest kind.
 *
 *     | run of 3 pages | 1 KiB x 4 blocks | free | packed, 16.1 pages |, 16.1 pages | run ...
 *
 * PA-1  Every page of a run or with a block in use is charged to the budget; a page is given
 *       back to the system and uncharged as soon as nothing in it is in use. On huge pages it is zeroed
 *       instead while others of its huge page are in use: to give it back would split that for good.
 * PA-2  Free pages read as zero, but warm ones. Blocks do not: they are zeroed when handed out. The ends
 *       of packed runs do not, either.
 * PA-3  Of packed runs that come free some pages may stay charged as they are, `warm`, for the next ones:
 *       memory from the system costs many times what copying as much does. Whoever finds no room in the
 *       budget takes them from here first.
 *
 * All functions may be called by any thread; the lock inside is a leaf. */
#ifndef MS_SEGMENT_PAGES_H
#define MS_SEGMENT_PAGES_H

#include "platform/mem.h"
#include "platform/thread.h"
#include "segment/budget.h"

#define MS_PAGE_SHIFT 12
#define MS_UNIT_SHIFT_MIN 7

#define MS_BLOCK_MIN ((size_t)64)
#define MS_BLOCK_CLASSES 6 /* 64 B .. 2 KiB */

struct ms_page_blocks {
    uint64_t free;   /* a bit for each free block of the page */
    uint32_t class_; /* blocks are MS_BLOCK_MIN << class_ */
    uint32_t next;   /* next page of the class with a free block; MS_PAGE_NONE at the end */
};

#define MS_PAGE_NONE UINT32_MAX

struct ms_pages {
    ms_mutex lock;
    struct ms_budget *budget;
    char *base;
    unsigned unit_shift;
    size_t align;                       /* units that runs begin at multiples of, at least */
    bool huge;                          /* on huge pages */
    bool keeps_warm;                    /* PA-3 */
    size_t count;                       /* pages in the range */
    size_t units;                       /* the same in units */
    size_t first_free;                  /* no unit below this one is free */
    size_t reach;                       /* no page from this one on was ever used */
    uint64_t *used;                     /* a bit for each unit */
    struct ms_page_blocks *blocks;      /* one for each page, looked at for pages of blocks only */
    uint32_t partial[MS_BLOCK_CLASSES]; /* pages with a free block, by class */
    size_t map_bytes;                   /* reserved behind `used` and `blocks` */
    char *map;
    uint64_t *warm;           /* a bit for each page: PA-3 */
    atomic_size_t warm_count; /* pages. To write */
    atomic_size_t packed;     /* packed runs that were ever taken. To write */
};

/* Manage `count` pages at `base`, asked for as huge ones or not, in units of 1 << unit_shift bytes, from
 * MS_UNIT_SHIFT_MIN up to MS_PAGE_SHIFT: a search looks at as many bits. False when the system gives no
 * memory. */
bool ms_pages_init(struct ms_pages *pages, struct ms_budget *budget, char *base, size_t count,
                   unsigned unit_shift, bool huge);
void ms_pages_fini(struct ms_pages *pages);

/* Zeroed memory of `size` bytes: up to half a page a power of two from MS_BLOCK_MIN on, but with the
 * smallest units, else rounded up to whole units. Charged with `spare` bytes left for others. NULL when the
 * budget or the range has no room. */
void *ms_pages_alloc(struct ms_pages *pages, size_t size, uint64_t spare);
/* Give back what ms_pages_alloc() gave for the same `size`. */
void ms_pages_free(struct ms_pages *pages, void *memory, size_t size);

/* The same in units whatever the size, and not zeroed where the first and the last page are shared with
 * others. */
void *ms_pages_alloc_packed(struct ms_pages *pages, size_t size, uint64_t spare);
void ms_pages_free_packed(struct ms_pages *pages, void *memory, size_t size);

/* Begin what is a page or more, and packed runs, at multiples of so many bytes, a power of two. */
void ms_pages_align(struct ms_pages *pages, size_t bytes);

/* What of the budget's limit may be warm. */
#define MS_WARM_DIVISOR 16

/* Keep pages warm from now on, but not huge ones, of which others are a part. */
void ms_pages_keep_warm(struct ms_pages *pages);
/* Give all that is warm back; returns the bytes. */
uint64_t ms_pages_cool(struct ms_pages *pages);

/* Bytes that are warm. */
static inline uint64_t ms_pages_warm(const struct ms_pages *pages)
{
    return (uint64_t)ms_load_relaxed(&pages->warm_count) * MS_PAGE_SIZE;
}

static inline size_t ms_pages_unit(const struct ms_pages *pages)
{
    return (size_t)1 << pages->unit_shift;
}

/* Bytes of the range up to the end of the last page that was ever used, huge pages whole. */
size_t ms_pages_reach(struct ms_pages *pages);

/* Bytes that either charges at most for `size`: a packed run begins inside a page only where somebody
 * pays for that page. */
static inline uint64_t ms_pages_charge_of(size_t size)
{
    return ms_mem_whole_pages(size);
}

#endif
