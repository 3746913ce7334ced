/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/pins.h"

#include "platform/reader.h"
#include "unit/room.h"

#include <pthread.h>

#define MIB (UINT64_C(1) << 20)

static struct ms_segment *open_one(struct ms_arena *arena)
{
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = room_shape(arena, 100);
    struct ms_reserved reserved;

    cr_assert(ms_arena_reserve(arena, &placement, &shape, &reserved));
    ms_arena_publish(&reserved);
    return reserved.segment;
}

/* What the calling thread pins, in its row. */
static void *pin(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_reader_prepare();
    struct ms_pin_row *const row = ms_pin_own_row(arena, ms_thread_slot());

    cr_assert_not_null(row);
    return ms_pin_take(row, (size_t)(segment - arena->segments));
}

static void *release(void *taken)
{
    ms_pin_release(taken);
    return NULL;
}

static void *by_another_thread(void *(*what)(void *), void *taken)
{
    pthread_t other;
    void *result;

    /* It is given another number than ours. */
    (void)ms_thread_slot();
    cr_assert_eq(pthread_create(&other, NULL, what, taken), 0);
    pthread_join(other, &result);
    return result;
}

Test(pins, a_segment_is_pinned_until_each_pin_is_released)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);

    cr_assert_not(ms_segment_is_pinned(arena, segment));
    void *const first = pin(arena, segment), *const second = pin(arena, segment);
    cr_assert_eq(first, second, "both are counted in one place");
    ms_pin_release(first);
    cr_assert(ms_segment_is_pinned(arena, segment));
    ms_pin_release(second);
    cr_assert_not(ms_segment_is_pinned(arena, segment));
    room_close(arena);
}

Test(pins, another_thread_may_release_what_this_one_has_pinned)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);
    void *const first = pin(arena, segment), *const second = pin(arena, segment);

    by_another_thread(release, first);
    cr_assert(ms_segment_is_pinned(arena, segment));
    by_another_thread(release, second);
    cr_assert_not(ms_segment_is_pinned(arena, segment));
    ms_pin_release(pin(arena, segment));
    cr_assert_not(ms_segment_is_pinned(arena, segment));
    room_close(arena);
}

static void *share(void *taken)
{
    return ms_pin_share(taken);
}

Test(pins, a_shared_pin_holds_until_both_are_released_whoever_does_it)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);

    for (int order = 0; order < 4; order++) {
        void *const taken = pin(arena, segment);

        if (order % 2 == 0)
            by_another_thread(share, taken);
        else
            ms_pin_share(taken);
        if (order / 2 == 0)
            by_another_thread(release, taken);
        else
            ms_pin_release(taken);
        cr_assert(ms_segment_is_pinned(arena, segment), "order %d", order);
        ms_pin_release(taken);
        cr_assert_not(ms_segment_is_pinned(arena, segment), "order %d", order);
    }
    room_close(arena);
}

Test(pins, pins_of_one_segment_are_not_those_of_another)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);
    struct ms_segment *const next = segment + 1;
    void *const taken = pin(arena, segment);

    cr_assert_not(ms_segment_is_pinned(arena, next));
    void *const recorded = ms_pin_take_shared(next);
    cr_assert(ms_pin_is_shared(recorded) && !ms_pin_is_shared(taken));
    ms_pin_release(taken);
    cr_assert(ms_segment_is_pinned(arena, next) && !ms_segment_is_pinned(arena, segment));
    ms_pin_share(recorded);
    ms_pin_release(recorded);
    cr_assert(ms_segment_is_pinned(arena, next));
    ms_pin_release(recorded);
    cr_assert_not(ms_segment_is_pinned(arena, next));
    room_close(arena);
}

/* ---- Held in a place ---- */

/* An entry of the segment, and what holds it in a row of the calling thread. */
static void *hold(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_reader_prepare();
    struct ms_pin_row *const row = ms_pin_own_row(arena, ms_thread_slot());

    cr_assert_not_null(row);
    const struct ms_entry *const entry = ms_segment_entry(segment, 0);
    return ms_pin_has_place(row) ? ms_pin_hold(row, entry) : ms_pin_hold_somewhere(row, entry);
}

Test(pins, an_entry_in_a_place_holds_its_segment_and_no_other)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);
    void *const held = hold(arena, segment);

    cr_assert(ms_segment_is_pinned(arena, segment));
    cr_assert_not(ms_segment_is_pinned(arena, segment + 1));
    ms_pin_release(held);
    cr_assert_not(ms_segment_is_pinned(arena, segment));
    cr_assert_eq(hold(arena, segment), held, "the same place again");
    by_another_thread(release, held);
    cr_assert_not(ms_segment_is_pinned(arena, segment));
    room_close(arena);
}

Test(pins, when_all_places_are_in_use_they_are_counted)
{
    enum { MOST = MS_PIN_PLACES + 3 };
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);
    void *held[MOST];

    for (unsigned i = 0; i < MOST; i++) {
        held[i] = hold(arena, segment);
        cr_assert_eq(((uintptr_t)held[i] & MS_PIN_HELD) == 0, i >= MS_PIN_PLACES);
        for (unsigned k = 0; k < i && i < MS_PIN_PLACES; k++)
            cr_assert_neq(held[k], held[i]);
    }
    for (unsigned i = 0; i < MOST; i++) {
        cr_assert(ms_segment_is_pinned(arena, segment), "%u", i);
        if (i % 2 == 0)
            by_another_thread(release, held[i]);
        else
            ms_pin_release(held[i]);
    }
    cr_assert_not(ms_segment_is_pinned(arena, segment));
    room_close(arena);
}

Test(pins, what_shares_one_in_a_place_holds_on_when_that_is_released)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);

    for (int order = 0; order < 4; order++) {
        void *const held = hold(arena, segment);
        void *const shared = order % 2 == 0 ? by_another_thread(share, held) : ms_pin_share(held);

        ms_pin_release(order / 2 == 0 ? held : shared);
        cr_assert(ms_segment_is_pinned(arena, segment), "order %d", order);
        cr_assert_not(ms_segment_is_pinned(arena, segment + 1));
        ms_pin_release(order / 2 == 0 ? shared : held);
        cr_assert_not(ms_segment_is_pinned(arena, segment), "order %d", order);
    }
    room_close(arena);
}

struct to_hold {
    struct ms_arena *arena;
    struct ms_segment *segment;
};

static void *hold_and_end(void *place)
{
    const struct to_hold *const of = place;

    return hold(of->arena, of->segment);
}

Test(pins, what_a_thread_that_has_ended_holds_is_not_taken_from_it)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct to_hold of = {arena, open_one(arena)};
    void *const first = by_another_thread(hold_and_end, &of);
    void *const second = by_another_thread(hold_and_end, &of);

    cr_assert_eq(ms_pin_row_of(first), ms_pin_row_of(second), "the next thread has the row");
    cr_assert_neq(first, second);
    ms_pin_release(second);
    cr_assert(ms_segment_is_pinned(arena, of.segment));
    ms_pin_release(first);
    cr_assert_not(ms_segment_is_pinned(arena, of.segment));
    room_close(arena);
}

/* ---- Rows ---- */

struct pinned {
    struct ms_arena *arena;
    struct ms_segment *segment;
    void *taken;
    uint32_t number; /* of the thread */
};

static void *take_and_end(void *place)
{
    struct pinned *const pinned = place;

    pinned->number = ms_thread_slot();
    pinned->taken = pin(pinned->arena, pinned->segment);
    return NULL;
}

Test(pins, the_pins_of_a_thread_outlive_it_and_its_number)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct pinned first = {.arena = arena, .segment = open_one(arena)};
    struct pinned second = first;

    by_another_thread(take_and_end, &first);
    cr_assert(ms_segment_is_pinned(arena, first.segment));
    by_another_thread(take_and_end, &second);
    cr_assert_eq(second.number, first.number, "the next thread has the number");
    cr_assert_eq(second.taken, first.taken);
    by_another_thread(release, first.taken);
    cr_assert(ms_segment_is_pinned(arena, first.segment));
    ms_pin_release(second.taken);
    cr_assert_not(ms_segment_is_pinned(arena, first.segment));
    room_close(arena);
}

Test(pins, a_row_is_charged_when_its_thread_first_pins)
{
    struct ms_arena *arena = room_open(16 * MIB);
    struct ms_segment *segment = open_one(arena);
    const uint64_t before = ms_budget_charged(&arena->budget);

    ms_pin_release(pin(arena, segment));
    cr_assert_eq(ms_budget_charged(&arena->budget), before + arena->pin_row_bytes);
    ms_pin_release(pin(arena, segment));
    cr_assert_eq(ms_budget_charged(&arena->budget), before + arena->pin_row_bytes);
    room_close(arena);
}

Test(pins, without_room_in_the_limit_there_is_no_row)
{
    struct ms_arena *arena = room_open(16 * MIB);
    const uint64_t left = ms_budget_limit(&arena->budget) - ms_budget_charged(&arena->budget);

    ms_reader_prepare();
    cr_assert(ms_budget_charge(&arena->budget, left, 0));
    cr_assert_null(ms_pin_own_row(arena, ms_thread_slot()));
    ms_budget_uncharge(&arena->budget, left);
    cr_assert_not_null(ms_pin_own_row(arena, ms_thread_slot()));
    room_close(arena);
}

static void *ask_for_row(void *arena)
{
    ms_reader_prepare();
    return ms_pin_own_row(arena, ms_thread_slot());
}

Test(pins, who_holds_the_pool_lock_keeps_nobody_waiting_for_a_row)
{
    struct ms_arena *arena = room_open(16 * MIB);

    ms_mutex_lock(&arena->pool_lock);
    cr_assert_null(by_another_thread(ask_for_row, arena));
    ms_mutex_unlock(&arena->pool_lock);
    cr_assert_not_null(by_another_thread(ask_for_row, arena));
    room_close(arena);
}

Test(pins, threads_of_high_numbers_and_small_stores_have_no_rows)
{
    struct ms_arena *arena = room_open(16 * MIB);

    cr_assert_null(ms_pin_own_row(arena, arena->pin_row_count));
    room_close(arena);
    arena = room_open(MIB);
    cr_assert_null(ms_pin_own_row(arena, 0));
    room_close(arena);
}

Test(pins, where_there_are_rows_each_segment_has_a_count_in_them)
{
    static const uint64_t limits[] = {1, 4, 64, 1 << 10, 10 << 10, 20 << 10, 100 << 10};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct ms_arena *arena = room_open(limits[i] * MIB);

        cr_expect(arena->pin_row_count == 0 || arena->range_segments <= MS_PIN_ROW_COUNTS,
                  "%u segments of %llu MiB", arena->range_segments, (unsigned long long)limits[i]);
        cr_expect(i == 0 || arena->pin_row_count != 0 || limits[i] > 32 << 10);
        room_close(arena);
    }
}
