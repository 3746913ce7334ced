/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/pins.h"

struct ms_pin_row *ms_pin_own_row(struct ms_arena *arena, uint32_t number)
{
    if (number >= arena->pin_row_count)
        return NULL;
    struct ms_pin_row *const row = ms_pin_row(arena, number);
    /* One that had the number before may have made it. */
    if (ms_load_relaxed(&row->owner) == 0) {
        if (!ms_arena_try_charge_row(arena))
            return NULL;
        ms_store_relaxed(&row->owner, number + 1);
        /* ORDER: none of its own, like the pins that follow in this read section. */
        ms_or_relaxed(&arena->pin_rows_made, UINT64_C(1) << number);
    }
    return row;
}

static bool is_pinned_in(const struct ms_pin_row *row, size_t segment)
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

    if (!segment->is_solo) {
        for (; rows != 0; rows &= rows - 1) {
            const uint32_t row = (uint32_t)__builtin_ctzll(rows);

            if (is_pinned_in(ms_pin_row(arena, row), (size_t)(segment - arena->segments)))
                return true;
        }
    }
    return ms_load_acquire(&segment->pins) != 0;
}
