/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/pins.h"

struct ms_pin_row *ms_pin_own_row(struct ms_arena *arena, uint32_t number)
{
    if (number >= arena->pin_row_count)
        return NULL;
    struct ms_pin_row *const row = ms_pin_row(arena, number);
    /* One that had the number before may have made it. */
    if (ms_load_relaxed(&row->owner) == 0) {
        if (!ms_arena_try_charge_row(arena, number))
            return NULL;
        row->arena = arena;
        ms_store_relaxed(&row->owner, number + 1);
    }
    return row;
}

static size_t segment_number(const struct ms_arena *arena, uint64_t entry)
{
    return (entry - (uintptr_t)arena->base) >> arena->segment_shift;
}

void *ms_pin_hold_somewhere(struct ms_pin_row *row, const struct ms_entry *entry)
{
    for (unsigned i = 0; i < MS_PIN_PLACES; i++) {
        if (ms_load_acquire(&row->places[i]) != 0)
            continue;
        ms_store_release(&row->places[i], (uintptr_t)entry);
        return (void *)((uintptr_t)&row->places[i] | MS_PIN_HELD);
    }
    return ms_pin_take(row, segment_number(row->arena, (uintptr_t)entry));
}

void *ms_pin_share(void *pin)
{
    if (ms_pin_is_shared(pin)) {
        ms_segment_pin(ms_pin_record(pin));
        return pin;
    }
    if (((uintptr_t)pin & MS_PIN_HELD) == 0) {
        ms_sub_relaxed(&((struct ms_pin_count *)pin)->others, 1);
        return pin;
    }
    const struct ms_arena *const arena = ms_pin_row_of(pin)->arena;
    const uint64_t entry = ms_load_relaxed(ms_pin_place(pin));

    return ms_pin_take_shared(&arena->segments[segment_number(arena, entry)]);
}

static bool is_held_in(const struct ms_arena *arena, const struct ms_pin_row *row, size_t segment)
{
    for (unsigned i = 0; i < MS_PIN_PLACES; i++) {
        /* ORDER: acquire; pairs with the releases that empty it and fill it again. */
        const uint64_t entry = ms_load_acquire(&row->places[i]);

        if (entry != 0 && segment_number(arena, entry) == segment)
            return true;
    }
    return false;
}

static bool is_counted_in(const struct ms_pin_row *row, size_t segment)
{
    const struct ms_pin_count *const count = &row->counts[segment];
    /* ORDER: acquire, in this order (PN-3); pairs with the releases: what the holders read, they have
     * read. */
    const uint32_t own = ms_load_acquire(&count->own);

    return own != ms_load_acquire(&count->others);
}

bool ms_segment_is_pinned(const struct ms_arena *arena, const struct ms_segment *segment)
{
    uint64_t rows = ms_load_relaxed(&arena->pin_rows_made);

    for (; rows != 0 && !segment->is_solo; rows &= rows - 1) {
        const struct ms_pin_row *row = ms_pin_row(arena, (uint32_t)__builtin_ctzll(rows));
        const size_t number = (size_t)(segment - arena->segments);

        if (is_held_in(arena, row, number) || is_counted_in(row, number))
            return true;
    }
    return ms_load_acquire(&segment->pins) != 0 || ms_load_acquire(&segment->borrowed) != 0;
}
