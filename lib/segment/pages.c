/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/pages.h"

#include <string.h>

bool ms_pages_init(struct ms_pages *pages, struct ms_budget *budget, char *base, size_t count)
{
    const size_t bitmap_bytes = (count + 63) / 64 * 8;
    const size_t map_bytes =
        ms_pages_charge_of(bitmap_bytes + count * sizeof(struct ms_page_blocks));

    *pages =
        (struct ms_pages){.budget = budget, .base = base, .count = count, .map_bytes = map_bytes};
    pages->map = ms_mem_reserve(map_bytes);
    if (pages->map == NULL)
        return false;
    ms_mutex_init(&pages->lock, MS_RANK_PAGES);
    pages->used = (uint64_t *)pages->map;
    pages->blocks = (struct ms_page_blocks *)(pages->map + bitmap_bytes);
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

static bool page_is_used(const struct ms_pages *pages, size_t page)
{
    return pages->used[page / 64] >> page % 64 & 1;
}

static void mark_run(struct ms_pages *pages, size_t first, size_t n, bool used)
{
    for (size_t page = first; page < first + n; page++) {
        if (used)
            pages->used[page / 64] |= UINT64_C(1) << page % 64;
        else
            pages->used[page / 64] &= ~(UINT64_C(1) << page % 64);
    }
}

/* The first free page at or after `page`; `count` when there is none. */
static size_t next_free(const struct ms_pages *pages, size_t page)
{
    while (page < pages->count) {
        const uint64_t free = ~pages->used[page / 64] >> page % 64;
        if (free != 0) {
            page += (size_t)__builtin_ctzll(free);
            break;
        }
        page = (page / 64 + 1) * 64;
    }
    return page < pages->count ? page : pages->count;
}

/* Pages from `page` on that are free, counted up to `n`. */
static size_t free_run(const struct ms_pages *pages, size_t page, size_t n)
{
    size_t length = 0;

    while (length < n && page + length < pages->count && !page_is_used(pages, page + length))
        length++;
    return length;
}

/* Take the lowest run of `n` free pages; `count` when there is none. */
static size_t take_run_locked(struct ms_pages *pages, size_t n)
{
    size_t page = next_free(pages, pages->first_free);

    pages->first_free = page;
    while (page + n <= pages->count) {
        const size_t length = free_run(pages, page, n);
        if (length == n) {
            mark_run(pages, page, n, true);
            pages->reach = page + n > pages->reach ? page + n : pages->reach;
            if (page == pages->first_free)
                pages->first_free = page + n;
            return page;
        }
        page = next_free(pages, page + length);
    }
    return pages->count;
}

static void give_run_locked(struct ms_pages *pages, size_t first, size_t n)
{
    ms_mem_discard(pages->base + first * MS_PAGE_SIZE, n * MS_PAGE_SIZE);
    mark_run(pages, first, n, false);
    if (first < pages->first_free)
        pages->first_free = first;
    ms_budget_uncharge(pages->budget, n * MS_PAGE_SIZE);
}

static void *alloc_run_locked(struct ms_pages *pages, size_t n, uint64_t spare)
{
    if (n > pages->count || !ms_budget_charge(pages->budget, n * MS_PAGE_SIZE, spare))
        return NULL;

    const size_t first = take_run_locked(pages, n);
    const bool found = first != pages->count;
    if (!found || !ms_mem_commit(pages->base + first * MS_PAGE_SIZE, n * MS_PAGE_SIZE)) {
        if (found) {
            mark_run(pages, first, n, false);
            pages->first_free = first < pages->first_free ? first : pages->first_free;
            ms_budget_note_refusal(pages->budget);
        }
        ms_budget_uncharge(pages->budget, n * MS_PAGE_SIZE);
        return NULL;
    }
    return pages->base + first * MS_PAGE_SIZE;
}

/* ---- Blocks under a page ---- */

static bool is_block_size(size_t size)
{
    return size <= MS_BLOCK_MIN << (MS_BLOCK_CLASSES - 1);
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
        const char *fresh = alloc_run_locked(pages, 1, spare);
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
        give_run_locked(pages, page, 1);
    } else if (was_full) {
        blocks->next = pages->partial[class];
        pages->partial[class] = page;
    }
}

void *ms_pages_alloc(struct ms_pages *pages, size_t size, uint64_t spare)
{
    ms_mutex_lock(&pages->lock);
    void *memory = is_block_size(size)
                       ? alloc_block_locked(pages, block_class(size), spare)
                       : alloc_run_locked(pages, ms_pages_charge_of(size) / MS_PAGE_SIZE, spare);
    ms_mutex_unlock(&pages->lock);
    return memory;
}

void ms_pages_free(struct ms_pages *pages, void *memory, size_t size)
{
    ms_mutex_lock(&pages->lock);
    if (is_block_size(size))
        free_block_locked(pages, memory, block_class(size));
    else
        give_run_locked(pages, (size_t)((char *)memory - pages->base) / MS_PAGE_SIZE,
                        ms_pages_charge_of(size) / MS_PAGE_SIZE);
    ms_mutex_unlock(&pages->lock);
}

size_t ms_pages_reach(struct ms_pages *pages)
{
    ms_mutex_lock(&pages->lock);
    const size_t reach = pages->reach * MS_PAGE_SIZE;
    ms_mutex_unlock(&pages->lock);

    const size_t whole = (reach + MS_HUGE_PAGE_SIZE - 1) & ~(MS_HUGE_PAGE_SIZE - 1);
    return whole < pages->count * MS_PAGE_SIZE ? whole : pages->count * MS_PAGE_SIZE;
}
