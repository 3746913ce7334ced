/* SPDX-License-Identifier: Apache-2.0 */
/* Appending entries to open segments, and entries too large for one. */
#include "segment/pool.h"

#include <assert.h>
#include <string.h>

/* The reclaimer has a stripe of its own: no writer fills up what it opened from the reserve. Not in a
 * small store that evicts, where a segment more that is half empty costs too much: what it opens there
 * is its own until it has done with its pass. */
static bool shares_slots(const struct ms_arena *arena)
{
    return arena->stripes == 1 && arena->evicts;
}

static struct ms_open_slot *open_slot(struct ms_arena *arena, const struct ms_placement *placement)
{
    const bool apart = placement->privileged && !shares_slots(arena);
    const uint32_t stripe = apart ? arena->stripes : placement->stripe & (arena->stripes - 1);

    return &arena->open[((size_t)placement->queue * arena->ttl_classes + placement->ttl_class) *
                            (arena->stripes + 1) +
                        stripe];
}

/* Bytes that the shape takes in this segment, padded. */
static uint32_t size_in(const struct ms_arena *arena, const struct ms_segment *segment,
                        const struct ms_entry_shape *shape, bool *is_long)
{
    *is_long = ms_shape_is_long(shape, segment->time_base);
    return ms_arena_padded(arena, ms_shape_size(shape, *is_long, arena->kept));
}

/* Claim `size` bytes at the end of the segment. Slot lock held, unless nobody else has the
 * segment yet. */
static void claim(struct ms_arena *arena, struct ms_segment *segment, uint32_t size,
                  struct ms_reserved *out)
{
    char *at = segment->base + ms_load_relaxed(&segment->used);

    assert(size <= segment->capacity - ms_load_relaxed(&segment->used));
    out->segment = segment;
    out->entry = (struct ms_entry *)at;
    out->key = at;
    out->place = ms_arena_place_of(arena, at);
    out->size = size;
    ms_add_seq_cst(&segment->inflight, 1);
}

static void write_entry(struct ms_arena *arena, const struct ms_placement *placement,
                        const struct ms_entry_shape *shape, bool is_long, struct ms_reserved *out)
{
    struct ms_segment *segment = out->segment;

    out->key = ms_entry_write_head(out->entry, shape, is_long, segment->time_base, arena->kept,
                                   placement->access);
    /* ORDER: release, pairs with the acquire of whoever walks the segment: below `used` every
     * head is whole. */
    ms_store_release(&segment->used, ms_load_relaxed(&segment->used) + out->size);
}

static uint32_t room_in(const struct ms_segment *segment)
{
    return segment != NULL ? segment->capacity - ms_load_relaxed(&segment->used) : 0;
}

/* A spare is sealed when this many segments were opened after it: where all entries are of one
 * size, none would ever fit it. */
#define SPARE_AGE_MAX 2

/* Seal one of the slot's two segments to make way for a fresh one: the fuller, or the spare when
 * it is old. The other stays for entries that still fit it, which keeps what is wasted at the
 * ends small when sizes vary. Slot lock held. */
static void make_way(struct ms_arena *arena, struct ms_open_slot *slot)
{
    struct ms_segment *sealed = slot->spare;

    if (slot->spare != NULL && ++slot->spare_age < SPARE_AGE_MAX &&
        room_in(slot->spare) >= room_in(slot->segment)) {
        sealed = slot->segment;
    } else {
        slot->spare = slot->segment;
        slot->spare_age = 0;
    }
    if (sealed != NULL)
        ms_pool_seal(arena, sealed);
}

/* Whether what is to be appended fits: an entry of this shape, or else `raw` bytes. How long an
 * entry is depends on how far its expiry is from the segment's time base. */
static bool fits(const struct ms_arena *arena, const struct ms_segment *segment,
                 const struct ms_entry_shape *shape, uint32_t raw)
{
    bool is_long;

    return segment != NULL &&
           room_in(segment) >= (shape != NULL ? size_in(arena, segment, shape, &is_long) : raw);
}

/* A new segment for the slot, or NULL. Slot lock held. */
static struct ms_segment *open_fresh(struct ms_arena *arena, struct ms_open_slot *slot,
                                     const struct ms_placement *placement)
{
    const bool from_reserve =
        placement->privileged && shares_slots(arena) && ms_arena_available(arena) == 0;
    struct ms_segment *fresh = ms_pool_open_segment(arena, placement);

    if (fresh == NULL)
        return NULL;
    make_way(arena, slot);
    slot->segment = fresh;
    slot->is_held = from_reserve;
    if (from_reserve)
        arena->holds = true;
    return fresh;
}

/* One of the slot's segments if what is to be appended fits, else a new one, else NULL. Slot
 * lock held. */
static struct ms_segment *segment_with_room(struct ms_arena *arena, struct ms_open_slot *slot,
                                            const struct ms_placement *placement,
                                            const struct ms_entry_shape *shape, uint32_t raw)
{
    if (fits(arena, slot->spare, shape, raw))
        return slot->spare;
    if (ms_unlikely(slot->is_held) && !placement->privileged)
        return NULL;
    if (fits(arena, slot->segment, shape, raw))
        return slot->segment;
    return open_fresh(arena, slot, placement);
}

/* A large entry, in a packed run with the segment's record in front. */
static bool reserve_solo(struct ms_arena *arena, const struct ms_placement *placement,
                         const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    const bool is_long = ms_shape_is_long(shape, placement->now - MS_TIME_BASE_MARGIN_MS);
    const uint32_t size = ms_arena_padded(arena, ms_shape_size(shape, is_long, arena->kept));
    const uint64_t spare =
        placement->privileged ? 0 : (uint64_t)arena->reserve << arena->segment_shift;
    struct ms_segment *segment =
        ms_pages_alloc_packed(&arena->pages, sizeof *segment + size, spare);

    if (segment == NULL)
        return false;
    memset(segment, 0, sizeof *segment);
    ms_pool_init_segment(arena, segment, placement);
    segment->is_solo = 1;
    segment->capacity = size;
    segment->base = (char *)(segment + 1);
    claim(arena, segment, size, out);
    write_entry(arena, placement, shape, is_long, out);
    ms_pool_seal(arena, segment);
    return true;
}

bool ms_arena_reserve(struct ms_arena *arena, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    /* The longest form decides, so that one entry is not moved back and forth. */
    if (ms_shape_size(shape, true, arena->kept) > ms_arena_solo_threshold(arena))
        return reserve_solo(arena, placement, shape, out);

    struct ms_open_slot *slot = open_slot(arena, placement);
    bool is_long;
    bool reserved = false;

    ms_mutex_lock(&slot->lock);
    struct ms_segment *segment = segment_with_room(arena, slot, placement, shape, 0);
    if (segment != NULL) {
        const uint32_t size = size_in(arena, segment, shape, &is_long);
        claim(arena, segment, size, out);
        write_entry(arena, placement, shape, is_long, out);
        reserved = true;
    }
    ms_mutex_unlock(&slot->lock);
    return reserved;
}

bool ms_arena_reserve_raw(struct ms_arena *arena, const struct ms_placement *placement,
                          uint32_t size, struct ms_reserved *out)
{
    struct ms_open_slot *slot = open_slot(arena, placement);

    size = ms_arena_padded(arena, size);
    ms_mutex_lock(&slot->lock);
    struct ms_segment *segment = segment_with_room(arena, slot, placement, NULL, size);
    if (segment != NULL) {
        claim(arena, segment, size, out);
        ms_store_release(&segment->used, ms_load_relaxed(&segment->used) + size);
    }
    ms_mutex_unlock(&slot->lock);
    return segment != NULL;
}

void ms_arena_await_appends(struct ms_arena *arena, const struct ms_segment *segment)
{
    const struct ms_placement placement = {.queue = (enum ms_queue)ms_load_relaxed(&segment->queue),
                                           .ttl_class = segment->ttl_class};

    /* ORDER: acquire, pairs with the store in ms_pool_seal(): all of a sealed segment is there. */
    if (ms_load_acquire(&segment->state) != MS_SEGMENT_OPEN)
        return;
    /* Which stripe the segment was opened for is not told: all of them, the reclaimer's too. */
    struct ms_open_slot *slots = open_slot(arena, &placement);
    for (uint32_t stripe = 0; stripe <= arena->stripes; stripe++) {
        ms_mutex_lock(&slots[stripe].lock);
        ms_mutex_unlock(&slots[stripe].lock);
    }
}

void ms_arena_let_writers_in(struct ms_arena *arena)
{
    if (!arena->holds)
        return;
    for (size_t i = 0; i < ms_pool_slots(arena); i++) {
        ms_mutex_lock(&arena->open[i].lock);
        arena->open[i].is_held = false;
        ms_mutex_unlock(&arena->open[i].lock);
    }
    arena->holds = false;
}

void ms_arena_publish(struct ms_reserved *reserved)
{
    struct ms_segment *segment = reserved->segment;

    ms_add_relaxed(&segment->live_entries, 1);
    ms_add_relaxed(&segment->live_bytes, reserved->size);
    /* ORDER: release, pairs with the acquire in is_candidate(): a reclaimer that walks the
     * segment finds the key and the value whole once the entry is no longer pending. Readers
     * come by the index slot, which is stored next. */
    ms_store_release(&reserved->entry->mark,
                     (unsigned char)(ms_load_relaxed(&reserved->entry->mark) & ~MS_MARK_PENDING));
}

static bool may_be_retired(struct ms_segment *segment)
{
    return ms_load_seq_cst(&segment->state) == MS_SEGMENT_SEALED &&
           ms_load_seq_cst(&segment->inflight) == 0 && ms_load_seq_cst(&segment->live_entries) == 0;
}

bool ms_arena_landed(struct ms_segment *segment)
{
    ms_sub_seq_cst(&segment->inflight, 1);
    return may_be_retired(segment);
}

bool ms_arena_entry_died(struct ms_segment *segment, uint32_t size)
{
    ms_sub_relaxed(&segment->live_bytes, size);
    ms_sub_seq_cst(&segment->live_entries, 1);
    return may_be_retired(segment);
}
