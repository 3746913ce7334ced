/* SPDX-License-Identifier: Apache-2.0 */
/* Appending entries to open segments, and entries too large for one. */
#include "segment/pool.h"

#include "platform/clock.h"
#include "platform/testing.h"

#include <assert.h>
#include <string.h>

/* The reclaimer has a stripe of its own: no writer fills up what it opened from the reserve. Where it
 * shares the writers', what it opens is its own until it has done with its pass. */
static bool shares_slots(const struct ms_arena *arena)
{
    return arena->slot_stripes == arena->stripes;
}

/* How many stripes the thread has moved on from the one that its number leads to. */
static __thread uint32_t stripes_moved;

/* Those of all stripes. */
static struct ms_open_slot *slots_of(struct ms_arena *arena, const struct ms_placement *placement)
{
    return &arena->open[((size_t)placement->queue * arena->ttl_classes + placement->ttl_class) *
                        arena->slot_stripes];
}

static struct ms_open_slot *open_slot(struct ms_arena *arena, const struct ms_placement *placement)
{
    const bool apart = placement->privileged && !shares_slots(arena);
    const uint32_t used = ms_load_relaxed(&arena->stripes_used);
    const uint32_t stripe =
        apart ? arena->stripes : (placement->stripe + stripes_moved) & (used - 1);

    return slots_of(arena, placement) + stripe;
}

/* The same, locked. Threads whose numbers lead to one stripe part when they meet, and stay apart. */
static struct ms_open_slot *lock_open_slot(struct ms_arena *arena,
                                           const struct ms_placement *placement)
{
    struct ms_open_slot *slot = open_slot(arena, placement);

    if (ms_likely(arena->stripes > 1)) {
        if (ms_likely(ms_mutex_try_lock(&slot->lock)))
            return slot;
        stripes_moved++;
        slot = open_slot(arena, placement);
    }
    ms_mutex_lock(&slot->lock);
    return slot;
}

/* What is to be appended. */
struct addition {
    const struct ms_entry_shape *shape; /* NULL = bytes that are not an entry */
    uint32_t size;                      /* padded; of an entry in the short form */
    uint32_t long_size;
};

static struct addition addition_of(const struct ms_arena *arena, const struct ms_entry_shape *shape)
{
    return (struct addition){
        .shape = shape,
        .size = ms_arena_padded(arena, ms_shape_size(shape, false, arena->kept)),
        .long_size = ms_arena_padded(arena, ms_shape_size(shape, true, arena->kept)),
    };
}

/* Whether it takes the long form in this segment: that depends on how far its expiry is from the
 * segment's time base. */
static bool is_long_in(const struct addition *addition, const struct ms_segment *segment)
{
    return addition->shape != NULL && ms_shape_is_long(addition->shape, segment->time_base);
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
    ms_store_relaxed(&segment->claimed, ms_load_relaxed(&segment->claimed) + 1);
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

/* Entries are of one size if they differ by up to this part of it. */
#define USUAL_WITHIN 32

/* Whether what is appended next begins in the segment's own stretch. */
static bool begins_inside(const struct ms_arena *arena, const struct ms_segment *segment)
{
    return segment->left_out + ms_load_relaxed(&segment->used) < ms_arena_segment_size(arena);
}

MS_ALWAYS_INLINE bool fits(const struct ms_arena *arena, const struct ms_segment *segment,
                           const struct addition *addition)
{
    const uint32_t room = room_in(segment);

    return room >= addition->size && begins_inside(arena, segment) &&
           (room >= addition->long_size || !is_long_in(addition, segment));
}

/* Whether those in the segment are of about this size by mean. */
static bool is_usual_in(const struct ms_segment *segment, uint32_t size)
{
    const uint64_t used = ms_load_relaxed(&segment->used);
    const uint64_t as_many = (uint64_t)size * ms_load_relaxed(&segment->claimed);

    return (as_many > used ? as_many - used : used - as_many) <= used / USUAL_WITHIN;
}

/* Let the slot's segment have it though it does not fit: where sizes vary, what one use of the memory has
 * needed of the next segment is of no use to the one after, whose entries end elsewhere. What is not an
 * entry has places within. */
static bool can_be_extended(struct ms_arena *arena, struct ms_segment *segment,
                            const struct ms_placement *placement, const struct addition *addition)
{
    if (!arena->tiles || segment == NULL || addition->shape == NULL)
        return false;
    const uint32_t size = is_long_in(addition, segment) ? addition->long_size : addition->size;
    return is_usual_in(segment, size) &&
           ms_pool_extend_segment(arena, segment, size, placement->privileged);
}

/* Whether the entry goes to such a segment by its age: what is new would be listed as old as what was moved
 * there, and be the next to go. */
MS_ALWAYS_INLINE bool suits(const struct ms_segment *segment, const struct ms_placement *placement)
{
    return ms_likely(segment == NULL || !segment->is_aged) || placement->privileged ||
           placement->rank != 0;
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
                                            const struct addition *addition)
{
    if (fits(arena, slot->spare, addition) && suits(slot->spare, placement))
        return slot->spare;
    if (ms_unlikely(slot->is_held) && !placement->privileged)
        return NULL;
    if (suits(slot->segment, placement) &&
        (ms_likely(fits(arena, slot->segment, addition)) ||
         can_be_extended(arena, slot->segment, placement, addition)))
        return slot->segment;
    return open_fresh(arena, slot, placement);
}

/* A large entry, in a packed run with the segment's record in front. Slot lock held. */
static bool reserve_solo_locked(struct ms_arena *arena, const struct ms_placement *placement,
                                const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    /* The clock may go on before the segment is opened, which brings the expiry nearer: what is short
     * here is short there. */
    const bool is_long = ms_shape_is_long(shape, ms_clock_coarse_ms() - MS_TIME_BASE_MARGIN_MS);
    const uint32_t size = ms_arena_padded(arena, ms_shape_size(shape, is_long, arena->kept));
    const uint64_t spare =
        placement->privileged ? 0 : (uint64_t)arena->reserve << arena->segment_shift;
    const uint32_t head = ms_arena_solo_head(arena);
    char *const run = ms_pages_alloc_packed(&arena->pages, (size_t)head + size, spare);

    if (run == NULL)
        return false;
    ms_testing_reach(MS_POINT_LARGE_TAKEN);
    struct ms_segment *segment = (struct ms_segment *)(void *)(run + head) - 1;
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

/* The same. The slot has no part in it, but fork() takes its lock: the child finds the run free, or the
 * segment listed. */
static bool reserve_solo(struct ms_arena *arena, const struct ms_placement *placement,
                         const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    struct ms_open_slot *slot = lock_open_slot(arena, placement);
    const bool reserved = reserve_solo_locked(arena, placement, shape, out);

    ms_mutex_unlock(&slot->lock);
    return reserved;
}

/* To a segment that it fits. Slot lock held. */
MS_ALWAYS_INLINE void append_to(struct ms_arena *arena, struct ms_segment *segment,
                                const struct ms_placement *placement,
                                const struct addition *addition, struct ms_reserved *out)
{
    const bool is_long = is_long_in(addition, segment);

    claim(arena, segment, is_long ? addition->long_size : addition->size, out);
    write_entry(arena, placement, addition->shape, is_long, out);
}

bool ms_arena_reserve(struct ms_arena *arena, const struct ms_placement *placement,
                      const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    /* The longest form decides, so that one entry is not moved back and forth. */
    if (ms_arena_is_large(arena, ms_shape_size(shape, true, arena->kept)))
        return reserve_solo(arena, placement, shape, out);

    const struct addition addition = addition_of(arena, shape);
    struct ms_open_slot *slot = lock_open_slot(arena, placement);
    struct ms_segment *segment = segment_with_room(arena, slot, placement, &addition);
    if (ms_likely(segment != NULL))
        append_to(arena, segment, placement, &addition, out);
    ms_mutex_unlock(&slot->lock);
    return segment != NULL;
}

static bool append_if_fits(struct ms_arena *arena, struct ms_segment *segment,
                           const struct ms_placement *placement, const struct addition *addition,
                           struct ms_reserved *out)
{
    if (segment == NULL || !fits(arena, segment, addition))
        return false;
    append_to(arena, segment, placement, addition, out);
    return true;
}

bool ms_arena_reserve_rest(struct ms_arena *arena, const struct ms_placement *placement,
                           const struct ms_entry_shape *shape, struct ms_reserved *out)
{
    const struct addition addition = addition_of(arena, shape);
    const size_t of_queue = (size_t)arena->ttl_classes * arena->slot_stripes;
    struct ms_open_slot *slots = &arena->open[(size_t)placement->queue * of_queue];
    bool reserved = false;

    for (size_t i = 0; i < of_queue && !reserved; i++) {
        ms_mutex_lock(&slots[i].lock);
        reserved = append_if_fits(arena, slots[i].segment, placement, &addition, out) ||
                   append_if_fits(arena, slots[i].spare, placement, &addition, out);
        ms_mutex_unlock(&slots[i].lock);
    }
    return reserved;
}

static void claim_raw(struct ms_arena *arena, struct ms_segment *segment, uint32_t size,
                      struct ms_reserved *out)
{
    claim(arena, segment, size, out);
    ms_store_release(&segment->used, ms_load_relaxed(&segment->used) + size);
}

bool ms_arena_reserve_raw(struct ms_arena *arena, const struct ms_placement *placement,
                          uint32_t size, struct ms_reserved *out)
{
    size = ms_arena_padded(arena, size);
    const struct addition addition = {NULL, size, size};
    struct ms_open_slot *slot = lock_open_slot(arena, placement);
    struct ms_segment *segment = segment_with_room(arena, slot, placement, &addition);
    if (segment != NULL)
        claim_raw(arena, segment, size, out);
    ms_mutex_unlock(&slot->lock);
    return segment != NULL;
}

bool ms_arena_borrow(struct ms_arena *arena, uint32_t size, struct ms_segment **loan,
                     struct ms_reserved *out)
{
    const struct ms_placement placement = {.queue = MS_QUEUE_RECORDS, .privileged = true};

    size = ms_arena_padded(arena, size);
    const struct addition addition = {NULL, size, size};
    if (*loan == NULL || !fits(arena, *loan, &addition)) {
        struct ms_segment *fresh = ms_pool_open_segment(arena, &placement);
        if (fresh == NULL)
            return false;
        ms_arena_end_loan(arena, *loan);
        *loan = fresh;
    }
    claim_raw(arena, *loan, size, out);
    return true;
}

void ms_arena_end_loan(struct ms_arena *arena, struct ms_segment *loan)
{
    if (loan != NULL)
        ms_pool_seal(arena, loan);
}

void ms_arena_await_appends(struct ms_arena *arena, const struct ms_segment *segment)
{
    const struct ms_placement placement = {.queue = (enum ms_queue)ms_load_relaxed(&segment->queue),
                                           .ttl_class = segment->ttl_class};

    /* ORDER: acquire, pairs with the store in ms_pool_seal(): all of a sealed segment is there. */
    if (ms_load_acquire(&segment->state) != MS_SEGMENT_OPEN)
        return;
    /* Which stripe the segment was opened for is not told: all of them, the reclaimer's too. */
    struct ms_open_slot *slots = slots_of(arena, &placement);
    for (uint32_t stripe = 0; stripe < arena->slot_stripes; stripe++) {
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
    /* ORDER: release, pairs with the acquire in ms_segment_pending(). */
    ms_add_release(&reserved->segment->settled, 1);
    /* ORDER: release, pairs with the acquire in is_candidate(): a reclaimer that walks the
     * segment finds the key and the value whole once the entry is no longer pending. Readers
     * come by the index slot, which is stored next. */
    ms_store_release(&reserved->entry->mark,
                     (unsigned char)(ms_load_relaxed(&reserved->entry->mark) & ~MS_MARK_PENDING));
}

bool ms_arena_entry_died(struct ms_arena *arena, struct ms_segment *segment, uint32_t size)
{
    ms_pool_count_gone(arena, segment, size);
    const unsigned state = ms_load_seq_cst(&segment->state);
    return (state == MS_SEGMENT_SEALED ||
            (state == MS_SEGMENT_OPEN && !ms_load_relaxed(&arena->may_be_spent))) &&
           ms_pool_is_empty(segment);
}
