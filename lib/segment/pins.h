/* SPDX-License-Identifier: Apache-2.0 */
/* What holds segments in place: views, and whoever copies out of one.
 *
 * A view of a hot key must not write a line that other cores write. So threads count what they pin in rows
 * of their own, without locked instructions; a row has a count for each segment. Threads that have no row,
 * and large entries, which lie outside the range that the rows count, count in the segment's record.
 *
 * A thread that has a view or two at a time does not even count: its row begins with some places that
 * hold an entry's address each, and with it the entry's segment. Where such a place is does not depend on
 * the entry, which the processor may be waiting for.
 *
 * A pin is the address of its count in a row; or that of such a place, with MS_PIN_HELD; or that of the
 * record, with MS_PIN_SHARED. Rows are aligned to their size, so that who releases a pin finds the row's
 * owner at its beginning.
 *
 * PN-1  `own` of a row is written by its thread alone. The number of a thread is given to another only when
 *       it has ended.
 * PN-2  Who releases a pin of another thread's row adds to `others`, and who shares a view takes one from
 *       `others` or adds to the record, where its pin is. Each row holds a segment own - others times.
 * PN-3  Once no reader can reach a segment, `own` only falls: who looks at `own` first and at `others` after
 *       it, and finds them equal, has seen the end of all pins of the row. What held it does so no more
 *       once it is seen not to.
 * PN-4  A place that holds nothing is filled by its thread alone, and emptied by anybody who releases the
 *       pin, of which there is one: who shares it adds to the record. */
#ifndef MS_SEGMENT_PINS_H
#define MS_SEGMENT_PINS_H

#include "platform/thread.h"
#include "segment/arena.h"

#define MS_PIN_SHARED ((uintptr_t)1 << 63)
#define MS_PIN_HELD ((uintptr_t)1 << 62)

/* Bytes of a row, of which only what the segments need is ever touched. Where there are rows the range has
 * no more segments than counts: that is up to 64 GiB. */
#define MS_PIN_ROW_SIZE (UINT32_C(1) << 18)
#define MS_PIN_ROW_COUNTS (MS_PIN_ROW_SIZE / 8 - 8)
#define MS_PIN_PLACES 6

struct ms_pin_count {
    atomic_uint own;
    atomic_uint others; /* release to add; acquire, after `own` */
};

struct ms_pin_row {
    atomic_uint owner; /* the number of its thread + 1; 0 = not in use yet */
    uint32_t unused;
    const struct ms_arena *arena;
    /* Entries; 0 = none. Release, to fill it as well, so that who sees it filled again has seen the end of
     * the pin before, whoever released that; acquire */
    atomic_uint_least64_t places[MS_PIN_PLACES];
    struct ms_pin_count counts[MS_PIN_ROW_COUNTS];
};

_Static_assert(sizeof(struct ms_pin_row) == MS_PIN_ROW_SIZE, "a row fills what it is aligned to");

static inline struct ms_pin_row *ms_pin_row(const struct ms_arena *arena, uint32_t number)
{
    return (struct ms_pin_row *)(void *)(arena->pin_rows + (size_t)number * MS_PIN_ROW_SIZE);
}

/* The row of the calling thread, whose number it is, or NULL when there is none for it; or when there is
 * none yet, and the budget has no room for it or somebody holds the pool lock. Never waits. */
struct ms_pin_row *ms_pin_own_row(struct ms_arena *arena, uint32_t number);

/* Whether the first place of a row of one's own is free. */
MS_ALWAYS_INLINE bool ms_pin_has_place(const struct ms_pin_row *row)
{
    return ms_load_acquire(&row->places[0]) == 0;
}

/* Let it hold an entry that is not a large one. In a read section, or where else its segment cannot be
 * freed meanwhile. */
MS_ALWAYS_INLINE void *ms_pin_hold(struct ms_pin_row *row, const struct ms_entry *entry)
{
    ms_store_release(&row->places[0], (uintptr_t)entry);
    return (void *)((uintptr_t)&row->places[0] | MS_PIN_HELD);
}

/* Hold it in any place of a row of one's own; or count it, if all are in use. */
void *ms_pin_hold_somewhere(struct ms_pin_row *row, const struct ms_entry *entry);

/* Count a pin of the segment with this number in a row of one's own. In a read section, as above. */
MS_ALWAYS_INLINE void *ms_pin_take(struct ms_pin_row *row, size_t segment)
{
    struct ms_pin_count *const count = &row->counts[segment];

    /* ORDER: none of its own: who reclaims waits for the end of the section. */
    ms_store_relaxed(&count->own, ms_load_relaxed(&count->own) + 1);
    return count;
}

/* The same in the segment's record. */
static inline void *ms_pin_take_shared(struct ms_segment *segment)
{
    ms_segment_pin(segment);
    return (void *)((uintptr_t)segment | MS_PIN_SHARED);
}

static inline bool ms_pin_is_shared(const void *pin)
{
    return ((uintptr_t)pin & MS_PIN_SHARED) != 0;
}

static inline struct ms_segment *ms_pin_record(const void *pin)
{
    return (struct ms_segment *)((uintptr_t)pin & ~MS_PIN_SHARED);
}

/* The place of one that is held. */
static inline atomic_uint_least64_t *ms_pin_place(const void *pin)
{
    return (atomic_uint_least64_t *)((uintptr_t)pin & ~MS_PIN_HELD);
}

/* The row of one that is held or counted. */
static inline struct ms_pin_row *ms_pin_row_of(const void *pin)
{
    return (struct ms_pin_row *)((uintptr_t)ms_pin_place(pin) & ~(uintptr_t)(MS_PIN_ROW_SIZE - 1));
}

/* Once more, by any thread while somebody has it: the pin to release for it. */
void *ms_pin_share(void *pin);

/* Let go of one that is held in a place. Any thread. */
MS_ALWAYS_INLINE void ms_pin_release_held(void *pin)
{
    /* ORDER: release, as in ms_segment_unpin(). */
    ms_store_release(ms_pin_place(pin), 0);
}

/* Let go of any. Any thread. */
MS_ALWAYS_INLINE void ms_pin_release(void *pin)
{
    struct ms_pin_count *const count = pin;

    if (ms_unlikely(ms_pin_is_shared(pin)))
        ms_segment_unpin(ms_pin_record(pin));
    else if (ms_unlikely(((uintptr_t)pin & MS_PIN_HELD) != 0))
        ms_pin_release_held(pin);
    /* ORDER: likewise. */
    else if (ms_likely(ms_load_relaxed(&ms_pin_row_of(pin)->owner) == ms_thread_slot_plus_one))
        ms_store_release(&count->own, ms_load_relaxed(&count->own) - 1);
    else
        ms_add_release(&count->others, 1);
}

/* Whether anything holds it: for certain where PN-3 says so, else as of a moment. */
bool ms_segment_is_pinned(const struct ms_arena *arena, const struct ms_segment *segment);

#endif
