/* SPDX-License-Identifier: Apache-2.0 */
/* An arena, and writers and a reclaimer that use it as a store does, without an index. */
#ifndef UNIT_ROOM_H
#define UNIT_ROOM_H

#include "platform/testing.h"
#include "segment/arena.h"
#include "segment/validate.h"

#include <criterion/criterion.h>
#include <string.h>

#define ROOM_NOW INT64_C(5000000) /* the time at which everything happens */

/* Open the arena there is, with a limit, for a store that evicts or for one that does not. Fails the
 * test when that fails. */
static inline struct ms_arena *room_open_evicting(uint64_t limit, bool evicts)
{
    static struct ms_arena arena;
    const struct ms_arena_options options = {
        .limit = limit, .evicts = evicts, .bins = MS_BINS_MOST, .segments_a_bin = 64};
    bool out_of_memory;

    ms_testing_set_clock(ROOM_NOW, ROOM_NOW);
    cr_assert(ms_arena_init(&arena, &options, &out_of_memory));
    return &arena;
}

static inline struct ms_arena *room_open(uint64_t limit)
{
    return room_open_evicting(limit, false);
}

/* Fails the test unless the arena's invariants hold. */
static inline void room_check(struct ms_arena *arena)
{
    const char *const problem = ms_arena_validate(arena, 0);

    cr_assert_null(problem, "%s", problem);
}

/* Close it, when it has been checked. */
static inline void room_close(struct ms_arena *arena)
{
    room_check(arena);
    ms_arena_fini(arena);
}

/* An entry of so many bytes without padding, key and value together. */
static inline struct ms_entry_shape room_shape(const struct ms_arena *arena, uint32_t size)
{
    const uint32_t head = ms_entry_head_size(false, arena->kept);
    struct ms_entry_shape shape = {.key_size = 8, .expiry = MS_NEVER};

    /* One that needs the long form is a little longer than asked for. */
    cr_assert_geq(size, head + shape.key_size);
    shape.value_size = size - head - shape.key_size;
    return shape;
}

/* Where an ordinary writer puts it. */
static inline struct ms_placement room_placement(enum ms_queue queue)
{
    return (struct ms_placement){.queue = queue};
}

/* Append an entry of so many bytes and publish it. False when there is no room. */
static inline bool room_write(struct ms_arena *arena, const struct ms_placement *placement,
                              uint32_t size, struct ms_reserved *out)
{
    const struct ms_entry_shape shape = room_shape(arena, size);

    if (!ms_arena_reserve(arena, placement, &shape, out))
        return false;
    memset(out->key, 0x5a, shape.key_size + shape.value_size);
    ms_arena_publish(out);
    return true;
}

/* The same; the test fails when there is no room. */
static inline struct ms_reserved room_write_new(struct ms_arena *arena, uint32_t size)
{
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved reserved;

    cr_assert(room_write(arena, &placement, size, &reserved));
    return reserved;
}

/* Nothing refers to the entry any more; its segment is retired if that was the last. Returns
 * whether it was. */
static inline bool room_kill(struct ms_arena *arena, const struct ms_reserved *entry)
{
    ms_store_relaxed(&entry->entry->mark, MS_MARK_DEAD);
    return ms_arena_entry_died(arena, entry->segment, entry->size) &&
           ms_arena_retire(arena, entry->segment) &&
           ms_load_relaxed(&entry->segment->state) == MS_SEGMENT_LIMBO;
}

static inline void room_count_one(struct ms_segment *segment, void *context)
{
    uint32_t *counts = context;

    counts[ms_load_relaxed(&segment->state)]++;
}

/* Segments in a state, in use. */
static inline uint32_t room_count(struct ms_arena *arena, enum ms_segment_state state)
{
    uint32_t counts[MS_SEGMENT_WAITING + 1] = {0};

    ms_arena_each(arena, room_count_one, counts);
    return counts[state];
}

/* Append entries until segments in all were opened. Returns how many entries. */
static inline uint32_t room_fill_segments(struct ms_arena *arena, uint32_t segments, uint32_t size,
                                          struct ms_reserved *out, uint32_t most)
{
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    uint32_t count = 0, opened = 0;
    uint64_t last = 0;

    for (;;) {
        struct ms_reserved reserved;

        cr_assert(room_write(arena, &placement, size, &reserved), "no room for %u segments",
                  segments);
        if (reserved.segment->sequence != last) {
            last = reserved.segment->sequence;
            opened++;
        }
        if (opened > segments) {
            room_kill(arena, &reserved);
            return count;
        }
        cr_assert_lt(count, most);
        out[count++] = reserved;
    }
}

/* Free what is in limbo, as after a grace period. Returns how many segments came free. */
static inline uint32_t room_recycle(struct ms_arena *arena)
{
    return ms_arena_recycle(arena, ms_arena_take_limbo(arena));
}

#endif
