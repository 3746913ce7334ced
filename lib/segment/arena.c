/* SPDX-License-Identifier: Apache-2.0 */
/* Setting an arena up, taking it down, and what looks at all of it. Appending is in append.c,
 * the life of segments in pool.c. */
#include "segment/arena.h"

#include "platform/mem.h"
#include "platform/testing.h"
#include "segment/backing.h"
#include "segment/pins.h"
#include "segment/pool.h"

#define SEGMENT_SHIFT_MIN 12 /* 4 KiB */
#define SEGMENT_SHIFT_MAX 21 /* 2 MiB, a huge page */

static unsigned log2_floor(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n | 1);
}

/* The binary logarithm of how many segments a store has: 64 of 1 MiB, 512 from 64 MiB to 512 MiB, and more
 * above. Few make eviction coarse, and leave much of the store in half-filled open segments and in those
 * that are free or about to be; many are small, and waste more at their ends, on large entries, which
 * have runs of pages of their own, and on being opened. */
static unsigned log2_count_of(unsigned log2_limit)
{
    if (log2_limit < 24)
        return (log2_limit + 1) / 2 - 4;
    return log2_limit < 28 ? log2_limit / 2 - 4 : (log2_limit + 1) / 2 - 5;
}

static unsigned segment_shift_of(uint64_t limit)
{
    const unsigned log2_limit = log2_floor(limit);
    const unsigned shift = log2_limit - log2_count_of(log2_limit);

    return shift < SEGMENT_SHIFT_MIN   ? SEGMENT_SHIFT_MIN
           : shift > SEGMENT_SHIFT_MAX ? SEGMENT_SHIFT_MAX
                                       : shift;
}

/* The smallest granule, from 4 bytes on, with which 32 bits address the whole range. */
static unsigned granule_shift_of(size_t reserved)
{
    unsigned shift = 2;

    while (reserved >> shift > UINT32_MAX)
        shift++;
    return shift;
}

static uint32_t clamp_u32(uint32_t n, uint32_t low, uint32_t high)
{
    return n < low ? low : n > high ? high : n;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/* A running store may be given up to this many times the limit that it was opened with. */
#define GROWTH 4

/* The pages may hold all of the limit, and gaps that no run fits in cost only addresses. */
static size_t reserved_for(uint64_t limit)
{
    return round_up(limit, MS_HUGE_PAGE_SIZE) + round_up(3 * limit + (1 << 20), MS_HUGE_PAGE_SIZE);
}

/* The largest limit to reserve addresses for: less than GROWTH times as much where that would
 * need coarser granules, which waste more behind every entry: up to a part of the limit below 4 GiB, or
 * below the next power of two. */
static uint64_t largest_limit_for(uint64_t limit)
{
    const unsigned granule_shift = granule_shift_of(reserved_for(limit));
    uint64_t largest = GROWTH * limit;

    while (largest > limit && granule_shift_of(reserved_for(largest)) != granule_shift)
        largest -= limit / 4 + 1;
    return largest > limit ? largest : limit;
}

/* Beside the reserve and what is freed ahead one is kept, for who has emptied it to open next. */
#define WARM_NEXT 1

/* Some are freed ahead of the writers, who make room themselves where one is more than a 128th of the
 * memory. */
static uint32_t warm_segments(const struct ms_arena *arena)
{
    const uint64_t segments = ms_budget_limit(&arena->budget) >> arena->segment_shift;
    const uint32_t most = arena->segment_count;

    return arena->reserve + WARM_NEXT +
           clamp_u32((segments < most ? (uint32_t)segments : most) / 128, 0, 16);
}

uint32_t ms_arena_freed_ahead(const struct ms_arena *arena)
{
    const uint32_t keep = ms_load_relaxed(&arena->warm_keep), others = arena->reserve + WARM_NEXT;

    return keep > others ? keep - others : 0;
}

/* What the rows of counts may take of the limit. */
#define PIN_SHARE_DIVISOR 128
#define PIN_ROWS_MOST 64 /* bits in pin_rows_made */
#define PIN_ROWS_LEAST 4 /* fewer are not worth it */

static void shape_rows(struct ms_arena *arena, uint64_t limit)
{
    const size_t used =
        offsetof(struct ms_pin_row, counts) + arena->range_segments * sizeof(struct ms_pin_count);
    const uint64_t rows = limit / PIN_SHARE_DIVISOR / round_up(used, MS_PAGE_SIZE);

    arena->pin_row_bytes = (uint32_t)round_up(used, MS_PAGE_SIZE);
    arena->pin_row_count = used > MS_PIN_ROW_SIZE || rows < PIN_ROWS_LEAST
                               ? 0
                               : clamp_u32((uint32_t)rows, 0, PIN_ROWS_MOST);
}

/* AR-4: moving three bytes wins one. Without eviction every byte counts. */
#define WORN_DIVISOR 4
#define WORN_DIVISOR_WITHOUT_EVICTION 16

/* Open segments sit half empty, so their number is kept to a few percent of all. */

static uint32_t stripes_of(uint32_t segments)
{
    return segments >= 1024 ? 4 : segments >= 256 ? 2 : 1;
}

static uint32_t ttl_classes_of(uint32_t segments)
{
    return 1 + clamp_u32(segments / 32, 1, MS_TTL_CLASSES_MOST - 1);
}

/* Use no more of those that there are than so many segments have room for. Whether that is fewer than before. */
static bool use_slots(struct ms_arena *arena, uint32_t segments)
{
    const uint32_t stripes = clamp_u32(stripes_of(segments), 1, arena->stripes);
    const uint32_t classes = clamp_u32(ttl_classes_of(segments), 1, arena->ttl_classes);
    const bool fewer = stripes < ms_load_relaxed(&arena->stripes_used) ||
                       classes < ms_load_relaxed(&arena->classes_used);

    ms_store_relaxed(&arena->stripes_used, stripes);
    ms_store_relaxed(&arena->classes_used, classes);
    return fewer;
}

/* Derive all sizes from the limit. */
static void shape_arena(struct ms_arena *arena, uint64_t limit, uint64_t largest_limit)
{
    arena->segment_shift = segment_shift_of(limit);
    arena->segment_count = (uint32_t)(limit >> arena->segment_shift);
    arena->stripes = stripes_of(arena->segment_count);
    /* Not a small store that evicts: a segment more that is half empty costs too much. */
    arena->slot_stripes = arena->stripes + (arena->stripes > 1 || !arena->evicts);
    arena->ttl_classes = ttl_classes_of(arena->segment_count);
    use_slots(arena, arena->segment_count);
    /* Each bin has a segment half full: few bins in stores of few segments. */
    if (arena->bins != 0)
        arena->bins = clamp_u32(arena->segment_count / arena->segments_a_bin, 1, arena->bins);
    /* Where nothing is evicted what is moved with a version that was told may be more than a segment. */
    arena->reserve = arena->segment_count >= 256 || !arena->evicts ? 2 : 1;
    arena->worn_from = (uint32_t)(ms_arena_segment_size(arena) /
                                  (arena->evicts ? WORN_DIVISOR : WORN_DIVISOR_WITHOUT_EVICTION));
    ms_store_relaxed(&arena->warm_keep, warm_segments(arena));
    arena->largest_limit = largest_limit;
    arena->range_segments = (uint32_t)(largest_limit >> arena->segment_shift);
    arena->segments_bytes =
        round_up((size_t)arena->range_segments << arena->segment_shift, MS_HUGE_PAGE_SIZE);
    arena->pages_offset = arena->segments_bytes;
    arena->reserved_bytes = reserved_for(largest_limit);
    arena->granule_shift = granule_shift_of(arena->reserved_bytes);
    shape_rows(arena, limit);
}

static size_t records_bytes(const struct ms_arena *arena)
{
    return round_up(arena->range_segments * sizeof(struct ms_segment), MS_PAGE_SIZE);
}

/* They are aligned within. */
static size_t reserved_for_rows(const struct ms_arena *arena)
{
    return arena->pin_row_count == 0 ? 0 : (size_t)(arena->pin_row_count + 1) * MS_PIN_ROW_SIZE;
}

static bool map_rows(struct ms_arena *arena)
{
    if (arena->pin_row_count == 0)
        return true;
    arena->pin_memory = ms_mem_reserve(reserved_for_rows(arena));
    if (arena->pin_memory == NULL)
        return false;
    /* A row is charged by the page. */
    ms_mem_advise_small(arena->pin_memory, reserved_for_rows(arena));
    arena->pin_rows =
        arena->pin_memory - (uintptr_t)arena->pin_memory % MS_PIN_ROW_SIZE + MS_PIN_ROW_SIZE;
    return true;
}

static void unmap_range(struct ms_arena *arena)
{
    ms_pages_fini(&arena->pages);
    ms_mem_unreserve(arena->segments, records_bytes(arena));
    ms_mem_unreserve(arena->pin_memory, reserved_for_rows(arena));
    ms_mem_unreserve(arena->base, arena->reserved_bytes);
    arena->segments = NULL;
    arena->pin_memory = NULL;
    arena->base = NULL;
}

/* What an entry in a packed run wastes: its record, and half a unit. */
#define PACKED_WASTE (sizeof(struct ms_segment) + ((size_t)1 << MS_UNIT_SHIFT_MIN) / 2)

static bool two_fill_a_segment(const struct ms_arena *arena, uint64_t size)
{
    const uint64_t half =
        (ms_arena_segment_size(arena) - (arena->evicts ? 0 : MS_ARENA_EMPTY_BYTES)) / 2;

    return size <= half && size + PACKED_WASTE > half;
}

bool ms_arena_is_large(const struct ms_arena *arena, uint64_t size)
{
    return ms_unlikely(size > ms_arena_solo_threshold(arena)) && !two_fill_a_segment(arena, size);
}

/* Large entries waste half a unit on average: less than a hundredth of the smallest. */
static unsigned unit_shift_of(const struct ms_arena *arena)
{
    return clamp_u32(log2_floor(ms_arena_solo_threshold(arena) / 64), MS_UNIT_SHIFT_MIN,
                     MS_PAGE_SHIFT);
}

static bool map_range(struct ms_arena *arena, enum ms_arena_paging paging)
{
    const size_t pages = (arena->reserved_bytes - arena->pages_offset) / MS_PAGE_SIZE;

    arena->base = ms_mem_reserve(arena->reserved_bytes);
    arena->segments = ms_mem_reserve(records_bytes(arena));
    if (arena->base == NULL || arena->segments == NULL || !map_rows(arena))
        return false;
    ms_backing_init(arena, paging);
    if (!ms_pages_init(&arena->pages, &arena->budget, arena->base + arena->pages_offset, pages,
                       unit_shift_of(arena), paging == MS_PAGING_HUGE))
        return false;
    /* Places and tables lead to multiples of the granule. */
    ms_pages_align(&arena->pages, (size_t)1 << arena->granule_shift);
    if (arena->evicts)
        ms_pages_keep_warm(&arena->pages);
    return true;
}

/* Where address space is rationed, do without room to grow. */
static bool map_range_or_less(struct ms_arena *arena, const struct ms_arena_options *options)
{
    if (map_range(arena, options->paging))
        return true;
    unmap_range(arena);
    shape_arena(arena, options->limit, options->limit);
    return map_range(arena, options->paging);
}

bool ms_arena_init(struct ms_arena *arena, const struct ms_arena_options *options,
                   bool *out_of_memory)
{
    *arena = (struct ms_arena){.kept = options->kept,
                               .wipes = options->wipes,
                               .evicts = options->evicts,
                               .bins = options->bins,
                               .segments_a_bin = options->segments_a_bin};
    ms_store_relaxed(&arena->idle_at, MS_NEVER);
    ms_store_relaxed(&arena->budget.limit, options->limit);
    *out_of_memory = false;
    shape_arena(arena, options->limit, largest_limit_for(options->limit));

    /* A page at least of what describes the pages is used. */
    arena->overhead = options->overhead +
                      round_up(arena->segment_count * sizeof(struct ms_segment), MS_PAGE_SIZE) +
                      ms_pool_slots(arena) * sizeof(struct ms_open_slot) + MS_PAGE_SIZE;
    ms_store_relaxed(&arena->charged_records, arena->segment_count);
    if (!ms_budget_charge(&arena->budget, arena->overhead,
                          (uint64_t)MS_ARENA_MIN_SEGMENTS << arena->segment_shift))
        return false;

    arena->open = ms_mem_alloc(ms_pool_slots(arena) * sizeof(struct ms_open_slot));
    if (arena->open == NULL || !map_range_or_less(arena, options)) {
        ms_arena_fini(arena);
        *out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < ms_pool_slots(arena); i++)
        ms_mutex_init(&arena->open[i].lock, MS_RANK_OPEN_SLOT);
    ms_mutex_init(&arena->pool_lock, MS_RANK_POOL);
    return true;
}

void ms_arena_fini(struct ms_arena *arena)
{
    if (arena->wipes && arena->base != NULL)
        ms_arena_wipe(arena);
    unmap_range(arena);
    ms_mem_free(arena->open);
    arena->open = NULL;
}

/* ---- A limit that changes ---- */

uint64_t ms_arena_least_limit(const struct ms_arena *arena)
{
    return arena->overhead + ms_arena_further_overhead(arena) +
           ((uint64_t)MS_ARENA_MIN_SEGMENTS << arena->segment_shift);
}

void ms_arena_set_limit(struct ms_arena *arena, uint64_t limit)
{
    const uint32_t segments = (uint32_t)(limit >> arena->segment_shift);
    const uint32_t charged = ms_load_relaxed(&arena->charged_records);

    ms_store_relaxed(&arena->budget.limit, limit);
    /* Records that were touched stay, so that they are charged for good. */
    if (segments > charged) {
        ms_add_relaxed(&arena->budget.charged, (segments - charged) * sizeof(struct ms_segment));
        ms_store_relaxed(&arena->charged_records, segments);
    }
    if (use_slots(arena, segments))
        ms_arena_seal_open(arena);
}

void ms_arena_keep_warm(struct ms_arena *arena, uint32_t keep)
{
    ms_mutex_lock(&arena->pool_lock);
    ms_store_relaxed(&arena->warm_keep, keep != 0 ? keep : warm_segments(arena));
    ms_mutex_unlock(&arena->pool_lock);
}

uint64_t ms_arena_solo_threshold(const struct ms_arena *arena)
{
    /* An entry of s bytes in a segment of G wastes some s / 2 of every G, that is s * s / 2G for
     * itself; in a packed run half a unit and the segment's record. Less than that from a tenth of
     * a segment on or so, but then its memory comes from the system and goes back each time: about a
     * quarter of a segment, unless segments are small themselves. In the smallest, which are those of
     * small stores, a third: above it only two would fit, and leave up to a third of every G unused. */
    const uint64_t size = ms_arena_segment_size(arena);
    const uint64_t floor = 4 * MS_PAGE_SIZE;

    return size / 4 >= floor ? size / 4 : size / 2 >= floor ? floor : size / 3;
}

static void each_of(struct ms_segment *first, ms_segment_fn fn, void *context)
{
    for (struct ms_segment *segment = first, *next; segment != NULL; segment = next) {
        next = segment->newer;
        fn(segment, context);
    }
}

void ms_arena_each(struct ms_arena *arena, ms_segment_fn fn, void *context)
{
    ms_mutex_lock(&arena->pool_lock);
    for (int list = 0; list < MS_LISTS; list++)
        each_of(arena->lists[list].oldest, fn, context);
    each_of(arena->limbo, fn, context);
    each_of(arena->waiting, fn, context);
    for (uint32_t i = 0; i < arena->fresh; i++) {
        if (ms_load_relaxed(&arena->segments[i].state) == MS_SEGMENT_OPEN)
            fn(&arena->segments[i], context);
    }
    ms_testing_reach(MS_POINT_SEGMENTS_SEEN);
    ms_mutex_unlock(&arena->pool_lock);
}

struct pinned {
    const struct ms_arena *arena;
    uint64_t bytes;
};

static void sum_pinned(struct ms_segment *segment, void *context)
{
    struct pinned *sum = context;

    if (ms_segment_is_pinned(sum->arena, segment))
        sum->bytes += segment->capacity;
}

uint64_t ms_arena_pinned(struct ms_arena *arena)
{
    struct pinned sum = {.arena = arena};

    ms_arena_each(arena, sum_pinned, &sum);
    return sum.bytes;
}

uint64_t ms_arena_resident(struct ms_arena *arena)
{
    /* What is not charged ahead from `fresh` on was never touched: with the room to grow that is
     * most of the range. */
    ms_mutex_lock(&arena->pool_lock);
    const size_t touched = (size_t)(arena->fresh + arena->ahead) << arena->segment_shift;
    ms_mutex_unlock(&arena->pool_lock);

    return ms_mem_resident(arena->base, round_up(touched + 1, MS_HUGE_PAGE_SIZE)) +
           ms_mem_resident(arena->base + arena->pages_offset, ms_pages_reach(&arena->pages)) +
           ms_mem_resident(arena->pages.map, arena->pages.map_bytes) +
           ms_mem_resident(arena->segments, records_bytes(arena)) +
           ms_mem_resident(arena->pin_memory, reserved_for_rows(arena));
}

void ms_arena_each_slot_lock(struct ms_arena *arena, void (*fn)(ms_mutex *lock))
{
    for (size_t i = 0; i < ms_pool_slots(arena); i++)
        fn(&arena->open[i].lock);
}
