/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/validate.h"

#include "segment/bitmap.h"
#include "segment/pins.h"
#include "segment/pool.h"

#if MS_VALIDATES

/* ---- Pages ---- */

/* How many of a page's units are in use. */
static unsigned used_units(const struct ms_pages *pages, size_t page)
{
    const size_t in_page = MS_PAGE_SIZE >> pages->unit_shift;
    unsigned used = 0;

    for (size_t unit = page * in_page; unit < (page + 1) * in_page; unit++)
        used += pages->used[unit / 64] >> unit % 64 & 1;
    return used;
}

static const char *check_partial(const struct ms_pages *pages, uint32_t class)
{
    const size_t blocks = MS_PAGE_SIZE / (MS_BLOCK_MIN << class);
    size_t length = 0;

    for (uint32_t page = pages->partial[class]; page != MS_PAGE_NONE;
         page = pages->blocks[page].next) {
        const uint64_t free = pages->blocks[page].free;

        MS_REQUIRE(page < pages->count &&
                       used_units(pages, page) == MS_PAGE_SIZE >> pages->unit_shift,
                   "PA-1: a page with blocks in use is not marked as used");
        MS_REQUIRE(pages->blocks[page].class_ == class, "PA: a page is listed for other blocks");
        MS_REQUIRE(free != 0, "PA: a page without a free block is listed as having one");
        MS_REQUIRE((size_t)__builtin_popcountll(free) < blocks,
                   "PA-1: a page of which no block is in use was not given back");
        MS_REQUIRE(++length <= pages->count, "PA: a list of pages goes in a circle");
    }
    return NULL;
}

const char *ms_pages_validate(const struct ms_pages *pages, uint64_t *charged)
{
    const size_t in_page = MS_PAGE_SIZE >> pages->unit_shift;
    uint64_t used = 0;

    for (size_t unit = 0; unit < pages->first_free; unit++)
        MS_REQUIRE(pages->used[unit / 64] >> unit % 64 & 1,
                   "PA: there is a free unit below the first free one");
    for (size_t unit = ms_bitmap_find(pages->used, 0, pages->units, true); unit < pages->units;) {
        const size_t page = unit / in_page;

        used++;
        unit = ms_bitmap_find(pages->used, (page + 1) * in_page, pages->units, true);
    }
    for (size_t page = ms_bitmap_find(pages->warm, 0, pages->count, true); page < pages->count;
         page = ms_bitmap_find(pages->warm, page + 1, pages->count, true))
        MS_REQUIRE(used_units(pages, page) == 0, "PA-3: a warm page is in use");
    MS_REQUIRE(ms_bitmap_count(pages->warm, 0, pages->count) == ms_load_relaxed(&pages->warm_count),
               "PA-3: the warm pages are miscounted");
    *charged = used * MS_PAGE_SIZE + ms_pages_warm(pages);
    for (uint32_t class = 0; class < MS_BLOCK_CLASSES; class ++)
        MS_REQUIRE_VALID(check_partial(pages, class));
    return NULL;
}

/* ---- One segment ---- */

/* The entries of a segment, met one after the other. */
struct tally {
    uint32_t pending, whole;
    uint64_t pending_bytes;
    uint64_t whole_bytes; /* of entries that are neither pending nor marked dead */
};

static const char *walk(const struct ms_arena *arena, const struct ms_segment *segment,
                        struct tally *tally)
{
    const uint32_t used = ms_load_relaxed(&segment->used);
    uint32_t offset = 0;

    while (offset < used) {
        const struct ms_entry *entry = ms_segment_entry(segment, offset);
        const unsigned mark = ms_load_relaxed(&entry->mark);
        const uint64_t size = ms_entry_parts(entry, arena->kept).size;

        MS_REQUIRE(entry->key_size != 0 || ms_entry_is_long(entry),
                   "EN-2: a segment of entries holds something else");
        MS_REQUIRE(size <= used - offset, "SG-3: an entry reaches past the end of its segment");
        if (ms_mark_is_pending(mark)) {
            tally->pending++;
            tally->pending_bytes += ms_arena_padded(arena, size);
        }
        if ((mark & MS_MARK_STALE) == 0 || ms_mark_is_stale(mark)) {
            tally->whole++;
            tally->whole_bytes += ms_arena_padded(arena, size);
        }
        offset += ms_arena_padded(arena, size);
    }
    MS_REQUIRE(offset == used, "SG-3: a segment's entries do not end where it does");
    return NULL;
}

static const char *check_segment(const struct ms_arena *arena, const struct ms_segment *segment)
{
    const uint32_t used = ms_load_relaxed(&segment->used);
    const uint32_t live = ms_segment_live_entries(segment);
    const uint32_t live_bytes = ms_segment_live_bytes(segment);
    const uint32_t pending = ms_segment_pending(segment);
    struct tally tally = {0};

    MS_REQUIRE(used <= segment->capacity, "SG: a segment is fuller than full");
    MS_REQUIRE(live_bytes <= used && (live + pending != 0) == (live_bytes != 0),
               "SG-1: a segment's live bytes and live entries contradict each other");
    MS_REQUIRE(segment->ttl_class < arena->ttl_classes, "SG: a segment has no TTL class");
    if (ms_load_relaxed(&segment->queue) == MS_QUEUE_RECORDS) {
        MS_REQUIRE(live == 0, "SG-1: a segment of records counts live entries");
        return NULL;
    }
    MS_REQUIRE_VALID(walk(arena, segment, &tally));
    MS_REQUIRE(tally.pending == pending, "SG-2: a segment miscounts its pending entries");
    /* The mark of the dead may get lost, so that there can be fewer live ones. */
    MS_REQUIRE(live <= tally.whole && live_bytes <= tally.whole_bytes + tally.pending_bytes,
               "SG-1: a segment counts more as live than is in it");
    return NULL;
}

/* ---- Where segments are ---- */

struct census {
    struct ms_arena *arena;
    uint64_t ordinary; /* segments of the range that were found, free ones included */
    uint64_t charged;  /* those of them that are charged */
    uint64_t solos;
    uint64_t worn;
    uint64_t limbo_bytes;
};

static void note(struct census *census, const struct ms_segment *segment, bool charged)
{
    census->solos += segment->is_solo;
    census->ordinary += !segment->is_solo;
    census->charged += !segment->is_solo && charged;
}

/* One that holds something or may yet. */
static void note_in_use(struct census *census, const struct ms_segment *segment)
{
    note(census, segment, true);
    census->worn += ms_pool_is_worn(census->arena, segment, ms_segment_dead_bytes(segment));
}

static const char *check_list(struct census *census, const struct ms_segment_list *list)
{
    const struct ms_segment *older = NULL;
    uint64_t bytes = 0;
    uint32_t count = 0;

    for (const struct ms_segment *segment = list->oldest; segment != NULL;
         older = segment, segment = segment->newer) {
        MS_REQUIRE(segment->older == older, "AR: a list's links contradict each other");
        MS_REQUIRE(older == NULL || older->rank <= segment->rank, "AR: a list is not sorted");
        MS_REQUIRE(ms_load_relaxed(&segment->state) == MS_SEGMENT_SEALED,
                   "AR: a listed segment is not sealed");
        MS_REQUIRE(ms_segment_live_entries(segment) != 0 || ms_segment_pending(segment) != 0,
                   "SG-2: a segment that holds nothing was not retired");
        MS_REQUIRE_VALID(check_segment(census->arena, segment));
        bytes += ms_load_relaxed(&segment->used);
        count++;
        note_in_use(census, segment);
    }
    MS_REQUIRE(list->newest == older, "AR: a list's newest segment is not its last");
    MS_REQUIRE(list->count == count && list->bytes == bytes, "AR: a list miscounts itself");
    return NULL;
}

/* Limbo, or the segments that wait for views. */
static const char *check_unreferenced(struct census *census, const struct ms_segment *stack,
                                      enum ms_segment_state state)
{
    for (const struct ms_segment *segment = stack; segment != NULL; segment = segment->newer) {
        MS_REQUIRE(ms_load_relaxed(&segment->state) == state,
                   "AR: a segment in limbo or waiting is in another state");
        MS_REQUIRE(ms_segment_live_entries(segment) == 0 && ms_segment_pending(segment) == 0,
                   "SG-2: a segment was retired that holds something");
        MS_REQUIRE_VALID(check_segment(census->arena, segment));
        note(census, segment, true);
        if (state == MS_SEGMENT_LIMBO)
            census->limbo_bytes += ms_pool_bytes_of(census->arena, segment);
    }
    return NULL;
}

static const char *check_free(struct census *census, const struct ms_segment *stack, bool charged,
                              uint32_t *count)
{
    *count = 0;
    for (const struct ms_segment *segment = stack; segment != NULL; segment = segment->newer) {
        MS_REQUIRE(ms_load_relaxed(&segment->state) == MS_SEGMENT_FREE && !segment->is_solo,
                   "AR: a free segment is in another state");
        MS_REQUIRE(!ms_segment_is_pinned(census->arena, segment), "AR: a free segment is pinned");
        ++*count;
        note(census, segment, charged);
    }
    return NULL;
}

static const char *check_open(struct census *census, const struct ms_segment *segment,
                              enum ms_queue queue, uint32_t ttl_class)
{
    if (segment == NULL)
        return NULL;
    MS_REQUIRE(ms_load_relaxed(&segment->state) == MS_SEGMENT_OPEN,
               "AR-3: a segment that is appended to is not open");
    MS_REQUIRE(ms_load_relaxed(&segment->queue) == queue && segment->ttl_class == ttl_class,
               "AR-3: a segment is appended to for another queue or TTL class than its own");
    MS_REQUIRE_VALID(check_segment(census->arena, segment));
    note_in_use(census, segment);
    return NULL;
}

static const char *check_open_slots(struct census *census)
{
    const struct ms_arena *arena = census->arena;
    const size_t stripes = arena->slot_stripes;

    for (size_t i = 0; i < ms_pool_slots(arena); i++) {
        const struct ms_open_slot *slot = &arena->open[i];
        const uint32_t ttl_class = (uint32_t)(i / stripes % arena->ttl_classes);
        const enum ms_queue queue = (enum ms_queue)(i / stripes / arena->ttl_classes);

        MS_REQUIRE(slot->segment == NULL || slot->segment != slot->spare,
                   "AR-3: a segment is its own spare");
        MS_REQUIRE_VALID(check_open(census, slot->segment, queue, ttl_class));
        MS_REQUIRE_VALID(check_open(census, slot->spare, queue, ttl_class));
    }
    return NULL;
}

/* What segments that are not charged share with those before them: BK-3. */
static uint64_t shared_bytes(const struct ms_arena *arena)
{
    uint64_t bytes = 0;

    for (uint32_t i = 1; i < arena->range_segments && i <= arena->fresh + arena->ahead; i++) {
        const struct ms_segment *segment = &arena->segments[i];

        if (!segment->is_backed)
            bytes += ms_mem_whole_pages(segment->left_out);
    }
    return bytes;
}

const char *ms_arena_validate(struct ms_arena *arena, uint64_t others)
{
    struct census census = {.arena = arena};
    uint64_t pages;
    uint32_t warm, cold;

    for (int list = 0; list < MS_LISTS; list++)
        MS_REQUIRE_VALID(check_list(&census, &arena->lists[list]));
    MS_REQUIRE_VALID(check_unreferenced(&census, arena->limbo, MS_SEGMENT_LIMBO));
    MS_REQUIRE_VALID(check_unreferenced(&census, arena->waiting, MS_SEGMENT_WAITING));
    MS_REQUIRE_VALID(check_free(&census, arena->warm, true, &warm));
    MS_REQUIRE_VALID(check_free(&census, arena->cold, false, &cold));
    MS_REQUIRE_VALID(check_open_slots(&census));
    MS_REQUIRE(warm == arena->warm_count, "AR: the warm segments are miscounted");
    MS_REQUIRE(census.ordinary == arena->fresh, "AR: a segment is lost, or in two places");
    MS_REQUIRE(census.solos == arena->solos, "AR: the large entries are miscounted");
    MS_REQUIRE(census.worn == ms_load_relaxed(&arena->worn),
               "AR-4: the worn segments are miscounted");
    MS_REQUIRE(census.limbo_bytes == arena->limbo_bytes, "AR: what is in limbo is miscounted");

    MS_REQUIRE_VALID(ms_pages_validate(&arena->pages, &pages));
    MS_REQUIRE(ms_budget_charged(&arena->budget) ==
                   arena->overhead + ms_arena_further_overhead(arena) + others + pages +
                       ((census.charged + arena->ahead) << arena->segment_shift) +
                       shared_bytes(arena),
               "AR-1, BU-2: the charge is not what is in use");
    return NULL;
}

#else

/* ISO C asks for a declaration in every file. */
typedef int ms_segment_validate_is_compiled_out;

#endif
