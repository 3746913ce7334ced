/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/pages.h"

#include "segment/bitmap.h"

#include <string.h>

#define PAGES_OF_HUGE (MS_HUGE_PAGE_SIZE / MS_PAGE_SIZE)

static size_t bitmap_bytes(size_t bits)
{
    return (bits + 63) / 64 * sizeof(uint64_t);
}

bool ms_pages_init(struct ms_pages *pages, struct ms_budget *budget, char *base, size_t count,
                   unsigned unit_shift, bool huge)
{
    const size_t units = count << (MS_PAGE_SHIFT - unit_shift);
    const size_t warm_bytes = bitmap_bytes(count), used_bytes = bitmap_bytes(units);
    const size_t map_bytes =
        ms_mem_whole_pages(warm_bytes + used_bytes + count * sizeof(struct ms_page_blocks));

    *pages = (struct ms_pages){.budget = budget,
                               .base = base,
                               .unit_shift = unit_shift,
                               .align = 1,
                               .huge = huge,
                               .count = count,
                               .units = units,
                               .map_bytes = map_bytes};
    pages->map = ms_mem_reserve(map_bytes);
    if (pages->map == NULL)
        return false;
    ms_mutex_init(&pages->lock, MS_RANK_PAGES);
    pages->warm = (uint64_t *)pages->map;
    pages->used = (uint64_t *)(pages->map + warm_bytes);
    pages->blocks = (struct ms_page_blocks *)(pages->map + warm_bytes + used_bytes);
    for (int class = 0; class < MS_BLOCK_CLASSES; class ++)
        pages->partial[class] = MS_PAGE_NONE;
    return true;
}

void ms_pages_fini(struct ms_pages *pages)
{
    if (pages->map == NULL)
        return;
    ms_mem_unreserve(pages->map, pages->map_bytes);
    ms_mutex_destroy(&pages->lock);
    pages->map = NULL;
}

void ms_pages_align(struct ms_pages *pages, size_t bytes)
{
    const size_t units = bytes >> pages->unit_shift;

    pages->align = units > 1 ? units : 1;
}

/* ---- Runs ---- */

/* A run of units. */
struct run {
    size_t first;
    size_t n;
};

static size_t units_of_page(const struct ms_pages *pages)
{
    return MS_PAGE_SIZE >> pages->unit_shift;
}

static struct run run_at(const struct ms_pages *pages, const void *memory, size_t n)
{
    return (struct run){(size_t)((const char *)memory - pages->base) >> pages->unit_shift, n};
}

/* Units that are enough for `size` bytes. */
static size_t units_for(const struct ms_pages *pages, size_t size)
{
    return (size + ms_pages_unit(pages) - 1) >> pages->unit_shift;
}

static bool page_is_free(const struct ms_pages *pages, size_t page)
{
    const size_t first = page * units_of_page(pages), end = first + units_of_page(pages);

    return ms_bitmap_find(pages->used, first, end, true) == end;
}

/* The pages that are this run's alone, while it is marked as free. */
static struct run own_pages(const struct ms_pages *pages, struct run run)
{
    const size_t in_page = units_of_page(pages);
    size_t first = run.first / in_page;
    size_t end = (run.first + run.n + in_page - 1) / in_page;

    if (!page_is_free(pages, first))
        first++;
    if (end > first && !page_is_free(pages, end - 1))
        end--;
    return (struct run){first, end - first};
}

/* Find the lowest run of `n` free units that begins at a multiple of `align`. False when there is
 * none. */
static bool find_run_locked(struct ms_pages *pages, size_t n, size_t align, struct run *run)
{
    pages->first_free = ms_bitmap_find(pages->used, pages->first_free, pages->units, false);
    size_t first = (pages->first_free + align - 1) / align * align;

    while (first + n <= pages->units) {
        const size_t used = ms_bitmap_find(pages->used, first, first + n, true);
        if (used == first + n) {
            *run = (struct run){first, n};
            return true;
        }
        const size_t free = ms_bitmap_find(pages->used, used, pages->units, false);
        first = (free + align - 1) / align * align;
    }
    return false;
}

/* ---- Giving back ---- */

/* The pages that are the run's alone whatever others do. */
static struct run inner_pages(const struct ms_pages *pages, struct run run)
{
    const size_t in_page = units_of_page(pages);
    const size_t first = (run.first + in_page - 1) / in_page, end = (run.first + run.n) / in_page;

    return (struct run){first, end > first ? end - first : 0};
}

static void discard_pages(const struct ms_pages *pages, struct run of_pages)
{
    ms_mem_discard(pages->base + of_pages.first * MS_PAGE_SIZE, of_pages.n * MS_PAGE_SIZE);
}

/* Let pages of one huge page read as zero: given back if they are all of it, else zeroed, as to give back
 * a part would split it. */
static void empty_part(const struct ms_pages *pages, struct run part)
{
    if (!pages->huge || part.n == PAGES_OF_HUGE)
        discard_pages(pages, part);
    else
        memset(pages->base + part.first * MS_PAGE_SIZE, 0, part.n * MS_PAGE_SIZE);
}

/* The same for any pages that nobody else uses. Takes as long as they are many: without the lock, by who is
 * about to free them. */
static void empty_pages(const struct ms_pages *pages, struct run of_pages)
{
    while (of_pages.n != 0) {
        const size_t left =
            pages->huge ? PAGES_OF_HUGE - of_pages.first % PAGES_OF_HUGE : of_pages.n;
        const struct run part = {of_pages.first, of_pages.n < left ? of_pages.n : left};

        empty_part(pages, part);
        of_pages = (struct run){part.first + part.n, of_pages.n - part.n};
    }
}

/* Give back the huge page of a page that has come free, if all the others are free as well. */
static void give_back_huge_locked(struct ms_pages *pages, size_t page)
{
    const size_t stretch = page / PAGES_OF_HUGE * PAGES_OF_HUGE;
    const size_t left = pages->count - stretch;
    const struct run whole = {stretch, left < PAGES_OF_HUGE ? left : PAGES_OF_HUGE};
    const size_t first = whole.first * units_of_page(pages);
    const size_t end = (whole.first + whole.n) * units_of_page(pages);

    if (ms_bitmap_find(pages->used, first, end, true) == end)
        discard_pages(pages, whole);
}

/* Mark a run as free. Returns the pages that were its alone. */
static struct run mark_free_locked(struct ms_pages *pages, struct run run)
{
    ms_bitmap_fill(pages->used, run.first, run.n, false);
    if (run.first < pages->first_free)
        pages->first_free = run.first;
    return own_pages(pages, run);
}

/* Free a run whose inner pages are emptied. */
static void give_run_locked(struct ms_pages *pages, struct run run)
{
    const struct run own = mark_free_locked(pages, run), inner = inner_pages(pages, run);

    /* Its ends may have been the last in pages shared with others. */
    for (size_t page = own.first; page < own.first + own.n; page++) {
        if (inner.n != 0 && page == inner.first)
            page += inner.n - 1;
        else
            empty_part(pages, (struct run){page, 1});
    }
    if (pages->huge && own.n != 0) {
        const size_t last = own.first + own.n - 1;

        give_back_huge_locked(pages, own.first);
        if (last / PAGES_OF_HUGE != own.first / PAGES_OF_HUGE)
            give_back_huge_locked(pages, last);
    }
    ms_budget_uncharge(pages->budget, own.n * MS_PAGE_SIZE);
}

/* ---- Warm pages ---- */

static void note_warm_locked(struct ms_pages *pages, struct run of_pages, bool warm)
{
    const size_t count = ms_load_relaxed(&pages->warm_count);

    ms_bitmap_fill(pages->warm, of_pages.first, of_pages.n, warm);
    ms_store_relaxed(&pages->warm_count, warm ? count + of_pages.n : count - of_pages.n);
}

/* Free a packed run and keep its pages. False when that would be too many. */
static bool keep_run_locked(struct ms_pages *pages, struct run run)
{
    const uint64_t limit = ms_budget_limit(pages->budget);
    const uint64_t bytes = ms_pages_charge_of(run.n << pages->unit_shift) + MS_PAGE_SIZE;

    if (!pages->keeps_warm || ms_pages_warm(pages) + bytes > limit / MS_WARM_DIVISOR ||
        ms_budget_charged(pages->budget) > limit)
        return false;
    note_warm_locked(pages, mark_free_locked(pages, run), true);
    return true;
}

/* The first stretch of warm pages in `within`; of none when there is none. */
static struct run warm_stretch(const struct ms_pages *pages, struct run within)
{
    const size_t end = within.first + within.n;
    const size_t first = ms_bitmap_find(pages->warm, within.first, end, true);

    return (struct run){first, ms_bitmap_find(pages->warm, first, end, false) - first};
}

/* Take what is warm of these pages, which stays charged, and zero it if that is wanted. Returns how many
 * it was. */
static size_t take_warm_locked(struct ms_pages *pages, struct run of_pages, bool zeroed)
{
    size_t taken = 0;

    if (ms_load_relaxed(&pages->warm_count) == 0)
        return 0;
    for (struct run warm; (warm = warm_stretch(pages, of_pages)).n != 0; taken += warm.n) {
        if (zeroed)
            memset(pages->base + warm.first * MS_PAGE_SIZE, 0, warm.n * MS_PAGE_SIZE);
        note_warm_locked(pages, warm, false);
    }
    return taken;
}

static uint64_t cool_locked(struct ms_pages *pages)
{
    const uint64_t bytes = ms_pages_warm(pages);
    struct run left = {0, pages->reach};

    if (bytes == 0)
        return 0;
    for (struct run warm; (warm = warm_stretch(pages, left)).n != 0;) {
        discard_pages(pages, warm);
        note_warm_locked(pages, warm, false);
        left = (struct run){warm.first + warm.n, pages->reach - warm.first - warm.n};
    }
    ms_budget_uncharge(pages->budget, bytes);
    return bytes;
}

void ms_pages_keep_warm(struct ms_pages *pages)
{
    pages->keeps_warm = !pages->huge;
}

uint64_t ms_pages_cool(struct ms_pages *pages)
{
    if (ms_load_relaxed(&pages->warm_count) == 0)
        return 0;
    ms_mutex_lock(&pages->lock);
    const uint64_t bytes = cool_locked(pages);
    ms_mutex_unlock(&pages->lock);
    return bytes;
}

/* ---- Taking ---- */

/* Charge pages that are to be used, but for those that are warm. */
static bool charge_locked(struct ms_pages *pages, struct run own, bool zeroed, uint64_t spare)
{
    const size_t warm = take_warm_locked(pages, own, zeroed);
    const uint64_t bytes = (own.n - warm) * MS_PAGE_SIZE;

    if (ms_budget_charge(pages->budget, bytes, spare) ||
        (cool_locked(pages) != 0 && ms_budget_charge(pages->budget, bytes, spare))) {
        if (ms_mem_commit(pages->base + own.first * MS_PAGE_SIZE, own.n * MS_PAGE_SIZE))
            return true;
        ms_budget_note_refusal(pages->budget);
        ms_budget_uncharge(pages->budget, bytes);
    }
    if (warm != 0) {
        discard_pages(pages, own);
        ms_budget_uncharge(pages->budget, warm * MS_PAGE_SIZE);
    }
    return false;
}

static void *alloc_run_locked(struct ms_pages *pages, size_t n, size_t align, bool zeroed,
                              uint64_t spare)
{
    struct run run;

    if (!find_run_locked(pages, n, align > pages->align ? align : pages->align, &run))
        return NULL;
    const struct run own = own_pages(pages, run);
    if (!charge_locked(pages, own, zeroed, spare))
        return NULL;
    ms_bitmap_fill(pages->used, run.first, run.n, true);
    if (own.first + own.n > pages->reach)
        pages->reach = own.first + own.n;
    return pages->base + (run.first << pages->unit_shift);
}

/* ---- Blocks under a page ---- */

/* The smallest units serve as well, without a page for each size. */
static bool is_block_size(const struct ms_pages *pages, size_t size)
{
    return pages->unit_shift > MS_UNIT_SHIFT_MIN && size <= MS_BLOCK_MIN << (MS_BLOCK_CLASSES - 1);
}

static int block_class(size_t size)
{
    int class = 0;

    while ((MS_BLOCK_MIN << class) < size)
        class ++;
    return class;
}

static uint64_t all_blocks_free(int class)
{
    const unsigned blocks = (unsigned)(MS_PAGE_SIZE / (MS_BLOCK_MIN << class));

    return blocks == 64 ? ~UINT64_C(0) : (UINT64_C(1) << blocks) - 1;
}

static void *alloc_block_locked(struct ms_pages *pages, int class, uint64_t spare)
{
    uint32_t page = pages->partial[class];

    if (page == MS_PAGE_NONE) {
        const size_t units = units_of_page(pages);
        const char *fresh = alloc_run_locked(pages, units, units, true, spare);
        if (fresh == NULL)
            return NULL;
        page = (uint32_t)((size_t)(fresh - pages->base) / MS_PAGE_SIZE);
        pages->blocks[page] =
            (struct ms_page_blocks){all_blocks_free(class), (uint32_t)class, MS_PAGE_NONE};
        pages->partial[class] = page;
    }

    struct ms_page_blocks *blocks = &pages->blocks[page];
    const int index = __builtin_ctzll(blocks->free);
    const size_t size = MS_BLOCK_MIN << class;

    blocks->free &= blocks->free - 1;
    if (blocks->free == 0)
        pages->partial[class] = blocks->next;
    return memset(pages->base + page * MS_PAGE_SIZE + (size_t)index * size, 0, size);
}

static void unlink_partial_locked(struct ms_pages *pages, uint32_t page, int class)
{
    uint32_t *link = &pages->partial[class];

    while (*link != page)
        link = &pages->blocks[*link].next;
    *link = pages->blocks[page].next;
}

static void free_block_locked(struct ms_pages *pages, const char *memory, int class)
{
    const size_t offset = (size_t)(memory - pages->base);
    const uint32_t page = (uint32_t)(offset / MS_PAGE_SIZE);
    struct ms_page_blocks *blocks = &pages->blocks[page];
    const bool was_full = blocks->free == 0;

    blocks->free |= UINT64_C(1) << (offset % MS_PAGE_SIZE / (MS_BLOCK_MIN << class));
    if (blocks->free == all_blocks_free(class)) {
        if (!was_full)
            unlink_partial_locked(pages, page, class);
        empty_pages(pages, (struct run){page, 1});
        give_run_locked(pages, (struct run){page * units_of_page(pages), units_of_page(pages)});
    } else if (was_full) {
        blocks->next = pages->partial[class];
        pages->partial[class] = page;
    }
}

/* Zero what others may have written in the run's pages before: those it has alone were given back. */
static void *zero_shared(char *memory, size_t bytes)
{
    char *first_own = (char *)(((uintptr_t)memory + MS_PAGE_SIZE - 1) & ~(MS_PAGE_SIZE - 1));
    char *end = memory + bytes;
    char *end_own = (char *)((uintptr_t)end & ~(MS_PAGE_SIZE - 1));

    if (first_own >= end_own)
        return memset(memory, 0, bytes);
    memset(memory, 0, (size_t)(first_own - memory));
    memset(end_own, 0, (size_t)(end - end_own));
    return memory;
}

/* What is as large as some pages does not share any. */
static void *alloc_zeroed_locked(struct ms_pages *pages, size_t size, uint64_t spare)
{
    const size_t n = units_for(pages, size), in_page = units_of_page(pages);
    char *memory = alloc_run_locked(pages, n, n % in_page == 0 ? in_page : 1, true, spare);

    return memory != NULL ? zero_shared(memory, n << pages->unit_shift) : NULL;
}

void *ms_pages_alloc(struct ms_pages *pages, size_t size, uint64_t spare)
{
    ms_mutex_lock(&pages->lock);
    void *memory = is_block_size(pages, size) ? alloc_block_locked(pages, block_class(size), spare)
                                              : alloc_zeroed_locked(pages, size, spare);
    ms_mutex_unlock(&pages->lock);
    return memory;
}

static void free_run(struct ms_pages *pages, const void *memory, size_t size)
{
    const struct run run = run_at(pages, memory, units_for(pages, size));

    empty_pages(pages, inner_pages(pages, run));
    ms_mutex_lock(&pages->lock);
    give_run_locked(pages, run);
    ms_mutex_unlock(&pages->lock);
}

void ms_pages_free(struct ms_pages *pages, void *memory, size_t size)
{
    if (!is_block_size(pages, size)) {
        free_run(pages, memory, size);
        return;
    }
    ms_mutex_lock(&pages->lock);
    free_block_locked(pages, memory, block_class(size));
    ms_mutex_unlock(&pages->lock);
}

void *ms_pages_alloc_packed(struct ms_pages *pages, size_t size, uint64_t spare)
{
    ms_mutex_lock(&pages->lock);
    void *memory = alloc_run_locked(pages, units_for(pages, size), 1, false, spare);
    if (memory != NULL)
        ms_add_relaxed(&pages->packed, 1);
    ms_mutex_unlock(&pages->lock);
    return memory;
}

void ms_pages_free_packed(struct ms_pages *pages, void *memory, size_t size)
{
    const struct run run = run_at(pages, memory, units_for(pages, size));

    ms_mutex_lock(&pages->lock);
    const bool kept = keep_run_locked(pages, run);
    ms_mutex_unlock(&pages->lock);
    if (!kept)
        free_run(pages, memory, size);
}

size_t ms_pages_reach(struct ms_pages *pages)
{
    ms_mutex_lock(&pages->lock);
    const size_t reach = pages->reach * MS_PAGE_SIZE;
    ms_mutex_unlock(&pages->lock);

    const size_t whole = (reach + MS_HUGE_PAGE_SIZE - 1) & ~(MS_HUGE_PAGE_SIZE - 1);
    return whole < pages->count * MS_PAGE_SIZE ? whole : pages->count * MS_PAGE_SIZE;
}
