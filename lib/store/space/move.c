/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space/move.h"

#include "store/lookup.h"
#include "store/space/walk.h"
#include "store/write/slide.h"
#include "store/write/write.h"

#include "expiry/ttl_class.h"

static bool reserve_in(struct ms_moves *moves, const struct ms_entry_shape *shape,
                       struct ms_placement *placement, uint32_t ttl_class, struct ms_reserved *out)
{
    placement->ttl_class = ttl_class;
    return ms_arena_reserve(&moves->store->arena, placement, shape, out);
}

/* Entries that were of one TTL class when they were written are of several by now, and there may be one segment
 * only to move them to: then a compaction takes that for all. The classes nearest to an entry's own come
 * first, and that of what never expires last. */
static bool reserve_in_any_class(struct ms_moves *moves, const struct ms_entry_shape *shape,
                                 struct ms_placement *placement, struct ms_reserved *out)
{
    struct ms_arena *arena = &moves->store->arena;
    const uint64_t size = ms_shape_size(shape, true, arena->kept);

    if (moves->refused_size != 0 && size >= moves->refused_size)
        return false;
    const uint32_t own = placement->ttl_class;

    if (reserve_in(moves, shape, placement, own, out))
        return true;
    for (uint32_t step = 1; step < arena->ttl_classes; step++) {
        if (own + step < arena->ttl_classes && reserve_in(moves, shape, placement, own + step, out))
            return true;
        if (step < own && reserve_in(moves, shape, placement, own - step, out))
            return true;
    }
    if (own != 0 && reserve_in(moves, shape, placement, 0, out))
        return true;
    if (ms_arena_reserve_rest(arena, placement, shape, out))
        return true;
    moves->refused_size = size;
    return false;
}

static bool reserve_copy(struct ms_moves *moves, const struct ms_entry_shape *shape,
                         struct ms_placement *placement, struct ms_reserved *out)
{
    return moves->any_class ? reserve_in_any_class(moves, shape, placement, out)
                            : ms_arena_reserve(&moves->store->arena, placement, shape, out);
}

/* What an entry is when it has been moved, with its version or with one of its own. */
static struct ms_entry_shape shape_of_copy(memstore *store, const struct ms_found *found,
                                           bool keeps_version)
{
    return (struct ms_entry_shape){
        .key_size = found->parts.key_size,
        .value_size = found->parts.value_size,
        .version = keeps_version ? ms_found_version(store, found) : 0,
        .expiry = ms_found_expiry(found),
        .created = store->keeps_created ? ms_entry_created(found->entry) : 0,
        .ttl = ms_found_ttl(store, found),
    };
}

/* Copy an entry. False when there is no room. */
static bool copy_entry(struct ms_moves *moves, const struct ms_found *found,
                       const struct ms_verdict *verdict, bool keeps_version,
                       struct ms_reserved *copy)
{
    memstore *store = moves->store;
    const struct ms_entry_shape shape = shape_of_copy(store, found, keeps_version);
    const int64_t expiry = shape.expiry;
    struct ms_placement placement = {
        .queue = verdict->queue,
        .ttl_class = ms_ttl_class_in(&store->arena, expiry, moves->now),
        .access = verdict->access,
        .rank = verdict->rank,
        .privileged = true,
    };

    if (!reserve_copy(moves, &shape, &placement, copy))
        return false;
    memcpy(copy->key, found->parts.key, (size_t)found->parts.key_size + found->parts.value_size);
    ms_store_note_expiry(store, copy->segment, expiry,
                         ms_due_moved_since(moves->from, expiry, moves->now));
    ms_arena_publish(copy);
    moves->bytes += copy->size;
    ms_testing_reach(MS_POINT_ENTRY_COPIED);
    return true;
}

/* A version that nobody was told, or that its place tells, need not be kept. */
static bool is_told(const memstore *store, const struct ms_found *found)
{
    return (ms_load_relaxed(&found->entry->mark) & MS_MARK_VERSIONED) != 0 ||
           ms_found_version(store, found) != ms_found_instance(store, found);
}

/* From now on nobody is told an entry's version, but that of its copy. False when somebody was. VE-2 and
 * VE-3. */
static bool withhold_version(memstore *store, const struct ms_found *found, ms_place copy)
{
    unsigned char mark = ms_load_relaxed(&found->entry->mark);

    /* ORDER: release, and again below: who finds the entry dead finds this, and the copy. */
    ms_store_release(&store->moving, (uint64_t)found->place << 32 | copy);
    while ((mark & MS_MARK_VERSIONED) == 0) {
        if (ms_cas_acq_rel(&found->entry->mark, &mark, (unsigned char)(mark | MS_MARK_DEAD)))
            return true;
    }
    ms_store_release(&store->moving, 0);
    return false;
}

static void drop_copy(memstore *store, const struct ms_reserved *copy)
{
    struct ms_found found;

    ms_found_at(store, copy->place, &found);
    ms_store_entry_died(store, &found);
}

/* Copy an entry so that nobody is told its version any more, unless the copy has it. False when there is no
 * room. */
static bool copy_settled(struct ms_moves *moves, const struct ms_found *found,
                         const struct ms_verdict *verdict, struct ms_reserved *copy)
{
    memstore *store = moves->store;
    const bool told = is_told(store, found);

    if (!copy_entry(moves, found, verdict, told, copy))
        return false;
    if (told || ms_testing_has_fault(MS_FAULT_VERSION_LEFT_BEHIND) ||
        withhold_version(store, found, copy->place))
        return true;
    /* It was told meanwhile. */
    drop_copy(store, copy);
    return copy_entry(moves, found, verdict, true, copy);
}

bool ms_move_entry(struct ms_moves *moves, const struct ms_found *found, uint64_t hash,
                   const struct ms_index_slot *slot, const struct ms_verdict *verdict)
{
    memstore *store = moves->store;
    const int64_t expiry = ms_found_expiry(found);
    struct ms_reserved copy;

    if (!copy_settled(moves, found, verdict, &copy))
        return false;
    ms_testing_reach(MS_POINT_VERSION_WITHHELD);
    ms_index_set(&store->index, hash, slot, copy.place);
    /* ORDER: release: who finds no move under way finds the slot changed. */
    ms_store_release(&store->moving, 0);
    ms_slide_carry(store, found, &copy, expiry);
    ms_store_entry_died(store, found);
    return true;
}

static uint64_t free_segments(memstore *store)
{
    return ms_arena_room(&store->arena) >> store->arena.segment_shift;
}

bool ms_move_has_reserve(memstore *store)
{
    return free_segments(store) != 0;
}

/* Bytes that what lives in a segment takes where it goes, at most. */
static uint64_t bytes_to_move(memstore *store, struct ms_segment *segment)
{
    struct ms_arena *arena = &store->arena;
    struct ms_walk walk = ms_walk_start(store, segment);
    struct ms_found found;
    uint64_t bytes = 0;

    while (ms_walk_next(&walk, &found)) {
        if ((ms_load_acquire(&found.entry->mark) & MS_MARK_DEAD) == 0) {
            const struct ms_entry_shape shape =
                shape_of_copy(store, &found, is_told(store, &found));
            /* In what is opened later no expiry is farther off. */
            const bool is_long = ms_shape_is_long(&shape, segment->time_base);
            bytes += ms_arena_padded(arena, ms_shape_size(&shape, is_long, arena->kept));
        }
    }
    return bytes;
}

bool ms_move_fits_reserve(memstore *store, struct ms_segment *segment)
{
    return free_segments(store) > (bytes_to_move(store, segment) > segment->capacity);
}

/* With what dies so many times as much need not be moved, at most: the smallest entry is of 12 bytes, and its version
 * takes 24 more. */
#define MOVED_FOR_DEAD 3

bool ms_move_pays(memstore *store, struct ms_segment *segment)
{
    if (store->settings.eviction != MS_EVICTION_NONE)
        return true;
    /* First: what dies meanwhile may count as moved. */
    const uint32_t dead = ms_segment_dead_bytes(segment);
    const uint64_t bytes = bytes_to_move(store, segment);
    if (bytes <= segment->capacity)
        return true;
    segment->pays_from = dead + 1 + (uint32_t)((bytes - segment->capacity - 1) / MOVED_FOR_DEAD);
    return false;
}
