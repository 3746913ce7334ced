/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a segment: open, sealed, limbo, waiting, free. */
#include "platform/testing.h"
#include "unit/room.h"

#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define MOST 4000

static struct ms_reserved entries[MOST];

static void kill_segment(struct ms_arena *arena, uint32_t count, const struct ms_segment *segment)
{
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].segment == segment)
            room_kill(arena, &entries[i]);
    }
}

/* ---- Opening the arena ---- */

Test(segments, an_empty_arena_is_charged_for_its_bookkeeping_alone)
{
    struct ms_arena *arena = room_open(64 * MIB);

    cr_assert_eq(ms_budget_charged(&arena->budget), arena->overhead);
    cr_assert_lt(arena->overhead, 64 * MIB / 50);
    cr_assert_eq(arena->fresh, 0);
    cr_assert_not(ms_arena_has_limbo(arena, 1));
    cr_assert_not(ms_arena_has_waiting(arena));
    room_close(arena);
}

Test(segments, shapes_of_all_sizes_hold_together)
{
    for (uint64_t limit = MIB / 4; limit <= 64 * 1024 * MIB; limit *= 2) {
        struct ms_arena *arena = room_open(limit);

        cr_assert_eq(arena->stripes & (arena->stripes - 1), 0);
        cr_assert_geq(arena->segment_count, MS_ARENA_MIN_SEGMENTS);
        cr_assert_geq(arena->ttl_classes, 2);
        cr_assert_geq(arena->reserve, 1);
        cr_assert_leq(arena->reserved_bytes >> arena->granule_shift, UINT32_MAX,
                      "32 bits address all of it");
        cr_assert_leq(ms_arena_solo_threshold(arena), ms_arena_segment_size(arena));
        /* Open segments sit half empty. */
        cr_assert_leq(arena->stripes * arena->ttl_classes * 4, arena->segment_count);
        room_write_new(arena, 100);
        room_close(arena);
    }
}

Test(segments, a_limit_that_holds_no_eight_segments_is_refused)
{
    struct ms_arena arena;
    struct ms_arena_options options = {.limit = 20000};
    bool out_of_memory = true;

    cr_assert_not(ms_arena_init(&arena, &options, &out_of_memory));
    cr_assert_not(out_of_memory);
    options = (struct ms_arena_options){.limit = MIB, .overhead = MIB};
    cr_assert_not(ms_arena_init(&arena, &options, &out_of_memory));
    cr_assert_not(out_of_memory);
}

Test(segments, init_fails_when_the_system_gives_no_memory)
{
    const struct ms_arena_options options = {.limit = MIB};
    struct ms_arena arena;
    bool out_of_memory;
    uint64_t n = 0;

    do {
        ms_testing_fail_memory(++n, true);
        out_of_memory = false;
        cr_assert_lt(n, 100);
    } while (!ms_arena_init(&arena, &options, &out_of_memory) && out_of_memory);
    ms_testing_fail_memory(0, false);
    cr_assert_gt(n, 3, "the arena, its records and its slots are each asked for");
    ms_arena_fini(&arena);
}

/* ---- Dying ---- */

Test(segments, an_open_segment_stays_however_dead_it_is)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_reserved entry = room_write_new(arena, 100);

    cr_assert_not(room_kill(arena, &entry));
    cr_assert_eq(ms_load_relaxed(&entry.segment->state), MS_SEGMENT_OPEN);
    cr_assert_not(ms_arena_retire(arena, entry.segment));
    const struct ms_reserved next = room_write_new(arena, 100);
    cr_assert_eq(next.segment, entry.segment);
    room_close(arena);
}

Test(segments, a_sealed_segment_goes_to_limbo_with_its_last_entry)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 5, 500, entries, MOST);
    struct ms_segment *segment = entries[0].segment;
    uint32_t left = ms_segment_live_entries(segment);

    cr_assert_eq(ms_load_relaxed(&segment->state), MS_SEGMENT_SEALED);
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].segment != segment)
            continue;
        cr_assert_eq(room_kill(arena, &entries[i]), --left == 0);
        room_check(arena);
    }
    cr_assert_eq(ms_load_relaxed(&segment->state), MS_SEGMENT_LIMBO);
    cr_assert(ms_arena_has_limbo(arena, 1));
    room_close(arena);
}

Test(segments, from_16_mib_on_one_is_no_more_than_a_256th_of_the_limit)
{
    for (uint64_t limit = 16 * MIB; limit <= 4096 * MIB; limit += limit / 4) {
        struct ms_arena *arena = room_open(limit);

        cr_assert_geq(arena->segment_count, 256, "%llu", (unsigned long long)limit);
        ms_arena_fini(arena);
    }
}

Test(segments, none_is_kept_free_for_writers_where_one_is_more_than_a_128th)
{
    for (uint64_t limit = MIB; limit <= 1024 * MIB; limit *= 2) {
        struct ms_arena *arena = room_open_evicting(limit, true);
        const uint32_t ahead = ms_arena_freed_ahead(arena);

        cr_assert_eq(ahead != 0, arena->segment_count >= 128);
        cr_assert_leq(ahead * 128, arena->segment_count);
        ms_arena_fini(arena);
    }
}

Test(segments, a_policy_has_as_many_bins_as_it_asks_segments_for)
{
    for (uint32_t each = 64; each <= 128; each *= 2) {
        struct ms_arena arena;
        const struct ms_arena_options options = {
            .limit = 32 * MIB, .evicts = true, .bins = MS_BINS_MOST, .segments_a_bin = each};
        bool out_of_memory;

        cr_assert(ms_arena_init(&arena, &options, &out_of_memory));
        cr_assert_eq(arena.segment_count, 256);
        cr_assert_eq(arena.bins, 256 / each);
        ms_arena_fini(&arena);
    }
}

Test(segments, what_is_in_limbo_keeps_its_bytes_until_it_is_recycled)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 5, 500, entries, MOST);
    char copy[492];

    memcpy(copy, entries[0].key, sizeof copy);
    kill_segment(arena, count, entries[0].segment);
    room_fill_segments(arena, 20, 500, entries + count, MOST - count);
    cr_assert_arr_eq(entries[0].key, copy, sizeof copy);
    room_close(arena);
}

Test(segments, limbo_is_taken_whole_and_can_be_put_back)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 6, 500, entries, MOST);

    for (int i = 0; i < 2; i++)
        kill_segment(arena, count, arena->lists[MS_LIST_NEW].oldest);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 2);
    struct ms_segment *limbo = ms_arena_take_limbo(arena);
    cr_assert_not_null(limbo);
    cr_assert_not(ms_arena_has_limbo(arena, 1));
    cr_assert_null(ms_arena_take_limbo(arena));
    /* Others go on retiring meanwhile. */
    kill_segment(arena, count, arena->lists[MS_LIST_NEW].oldest);
    ms_arena_put_limbo(arena, limbo);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 3);
    room_check(arena);
    cr_assert_eq(room_recycle(arena), 3);
    cr_assert_eq(room_recycle(arena), 0);
    room_close(arena);
}

Test(segments, what_came_into_limbo_after_a_grace_period_began_is_not_ripe)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 6, 500, entries, MOST);

    cr_assert_not(ms_arena_let_ripen(arena));
    cr_assert_null(ms_arena_take_ripe(arena));
    for (int i = 0; i < 2; i++)
        kill_segment(arena, count, arena->lists[MS_LIST_NEW].oldest);
    cr_assert(ms_arena_let_ripen(arena));
    kill_segment(arena, count, arena->lists[MS_LIST_NEW].oldest);
    cr_assert(ms_arena_has_limbo(arena, 3) && !ms_arena_has_limbo(arena, 4));
    room_check(arena);
    cr_assert_eq(ms_arena_recycle(arena, ms_arena_take_ripe(arena)), 2);
    room_check(arena);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 1);
    cr_assert_null(ms_arena_take_ripe(arena), "no grace period has begun for it");
    cr_assert_eq(room_recycle(arena), 1);
    room_close(arena);
}

Test(segments, what_was_ripening_is_taken_with_the_rest_of_limbo)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 6, 500, entries, MOST);

    kill_segment(arena, count, arena->lists[MS_LIST_NEW].oldest);
    ms_arena_let_ripen(arena);
    kill_segment(arena, count, arena->lists[MS_LIST_NEW].oldest);
    struct ms_segment *limbo = ms_arena_take_limbo(arena);
    ms_arena_put_limbo(arena, limbo);
    cr_assert_null(ms_arena_take_ripe(arena));
    cr_assert_eq(room_recycle(arena), 2);
    room_close(arena);
}

Test(segments, a_pinned_segment_waits_for_its_views)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 5, 500, entries, MOST);
    struct ms_segment *segment = entries[0].segment;

    ms_add_acquire(&segment->pins, 2);
    kill_segment(arena, count, segment);
    cr_assert_eq(room_recycle(arena), 0);
    cr_assert_eq(ms_load_relaxed(&segment->state), MS_SEGMENT_WAITING);
    cr_assert(ms_arena_has_waiting(arena));
    room_check(arena);

    ms_sub_release(&segment->pins, 1);
    cr_assert_eq(ms_arena_recycle_waiting(arena), 0);
    cr_assert_eq((unsigned char)entries[0].key[3], 0x5a);
    ms_sub_release(&segment->pins, 1);
    cr_assert_eq(ms_arena_recycle_waiting(arena), 1);
    cr_assert_not(ms_arena_has_waiting(arena));
    cr_assert_eq(ms_load_relaxed(&segment->state), MS_SEGMENT_FREE);
    room_close(arena);
}

Test(segments, a_pinned_large_entry_waits_like_any_other)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint64_t before = ms_budget_charged(&arena->budget);
    const struct ms_reserved large = room_write_new(arena, 300000);

    ms_add_acquire(&large.segment->pins, 1);
    cr_assert(room_kill(arena, &large));
    cr_assert_eq(room_recycle(arena), 0);
    cr_assert_gt(ms_budget_charged(&arena->budget), before + 300000);
    room_check(arena);
    ms_sub_release(&large.segment->pins, 1);
    cr_assert_eq(ms_arena_recycle_waiting(arena), 1);
    cr_assert_eq(ms_budget_charged(&arena->budget), before);
    room_close(arena);
}

/* ---- Free segments ---- */

Test(segments, few_free_segments_are_kept_and_the_others_given_back)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint64_t before = ms_budget_charged(&arena->budget);
    const uint32_t count = room_fill_segments(arena, 40, 500, entries, MOST);

    for (uint32_t i = 0; i < count; i++)
        room_kill(arena, &entries[i]);
    ms_arena_seal_open(arena);
    cr_assert_geq(room_recycle(arena), 40);
    cr_assert_eq(arena->warm_count, ms_load_relaxed(&arena->warm_keep));
    cr_assert_eq(ms_budget_charged(&arena->budget) - before,
                 (uint64_t)ms_load_relaxed(&arena->warm_keep) << arena->segment_shift);
    room_check(arena);

    cr_assert_eq(ms_arena_cool(arena, 1), (uint64_t)(ms_load_relaxed(&arena->warm_keep) - 1)
                                              << arena->segment_shift);
    cr_assert_eq(arena->warm_count, 1);
    room_check(arena);
    cr_assert_eq(ms_arena_cool(arena, 1), 0);
    ms_arena_cool(arena, 0);
    cr_assert_eq(ms_budget_charged(&arena->budget), before);
    room_close(arena);
}

Test(segments, free_segments_are_used_before_new_ones)
{
    struct ms_arena *arena = room_open(4 * MIB);

    for (int round = 0; round < 50; round++) {
        const uint32_t count = room_fill_segments(arena, 5, 500, entries, MOST);
        for (uint32_t i = 0; i < count; i++)
            room_kill(arena, &entries[i]);
        ms_arena_seal_open(arena);
        room_recycle(arena);
        if (round % 2 == 0)
            ms_arena_cool(arena, 0);
    }
    cr_assert_lt(arena->fresh, 12);
    room_close(arena);
}

Test(segments, a_segment_used_again_knows_nothing_of_its_former_use)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_reserved old = room_write_new(arena, 100);
    const uint64_t sequence = old.segment->sequence;

    ms_store_relaxed(&old.segment->earliest, 5);
    room_kill(arena, &old);
    ms_arena_seal_open(arena);
    cr_assert_eq(room_recycle(arena), 1);
    ms_arena_cool(arena, 0); /* or it would be held back for the reclaimer */
    const struct ms_reserved new = room_write_new(arena, 200);
    cr_assert_eq(new.segment, old.segment);
    cr_assert_gt(new.segment->sequence, sequence);
    cr_assert_eq(ms_segment_live_entries(new.segment), 1);
    cr_assert_eq(ms_segment_live_bytes(new.segment), 200);
    cr_assert_eq(ms_load_relaxed(&new.segment->earliest), MS_NEVER);
    cr_assert_eq(new.segment->due_position, 0);
    room_close(arena);
}

Test(segments, available_is_what_a_writer_could_open)
{
    struct ms_arena *arena = room_open(4 * MIB);
    uint32_t available = ms_arena_available(arena);

    cr_assert_leq(available, arena->segment_count);
    while (available > 0) {
        const uint32_t before =
            room_count(arena, MS_SEGMENT_SEALED) + room_count(arena, MS_SEGMENT_OPEN);
        struct ms_reserved entry;
        do
            entry = room_write_new(arena, 1000);
        while (room_count(arena, MS_SEGMENT_SEALED) + room_count(arena, MS_SEGMENT_OPEN) == before);
        cr_assert_not_null(entry.segment);
        cr_assert_eq(ms_arena_available(arena), --available);
    }
    room_close(arena);
}

/* ---- Lists ---- */

static const struct ms_segment *oldest(const struct ms_arena *arena, enum ms_list list)
{
    return arena->lists[list].oldest;
}

Test(segments, lists_are_in_the_order_of_opening)
{
    struct ms_arena *arena = room_open(4 * MIB);
    uint64_t last = 0;

    room_fill_segments(arena, 20, 500, entries, MOST);
    for (const struct ms_segment *segment = oldest(arena, MS_LIST_NEW); segment != NULL;
         segment = segment->newer) {
        cr_assert_gt(segment->sequence, last);
        last = segment->sequence;
    }
    room_close(arena);
}

Test(segments, a_rank_that_is_asked_for_decides_where_a_segment_is_listed)
{
    struct ms_arena *arena = room_open(4 * MIB);
    static const uint64_t ranks[] = {1000, 10, 500, 2000, 10};
    struct ms_placement placement = room_placement(MS_QUEUE_MAIN);
    struct ms_reserved reserved;
    uint64_t last = 0;

    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        placement.rank = ranks[i];
        cr_assert(room_write(arena, &placement, 100, &reserved));
        ms_arena_seal_open(arena);
    }
    cr_assert_eq(arena->lists[MS_LIST_MAIN].count, 5);
    for (const struct ms_segment *segment = oldest(arena, MS_LIST_MAIN); segment != NULL;
         segment = segment->newer) {
        cr_assert_geq(segment->rank, last);
        last = segment->rank;
    }
    cr_assert_eq(last, 2000);
    room_close(arena);
}

Test(segments, each_queue_is_sealed_into_its_list)
{
    struct ms_arena *arena = room_open(4 * MIB);

    for (uint32_t queue = 0; queue < MS_QUEUE_BIN0 + arena->bins; queue++) {
        const struct ms_placement placement = room_placement((enum ms_queue)queue);
        struct ms_reserved reserved;

        if (queue == MS_QUEUE_RECORDS)
            cr_assert(ms_arena_reserve_raw(arena, &placement, 100, &reserved));
        else
            cr_assert(room_write(arena, &placement, 100, &reserved));
    }
    ms_arena_seal_open(arena);
    cr_assert_eq(arena->lists[MS_LIST_NEW].count, 1);
    cr_assert_eq(arena->lists[MS_LIST_RECORDS].count, 1);
    cr_assert_eq(arena->lists[MS_LIST_MAIN].count, 1 + arena->bins);
    cr_assert_eq(room_count(arena, MS_SEGMENT_OPEN), 0);
    room_close(arena);
}

Test(segments, requeueing_moves_a_segment_to_the_newest_end)
{
    struct ms_arena *arena = room_open(4 * MIB);

    room_fill_segments(arena, 6, 500, entries, MOST);
    struct ms_segment *segment = entries[0].segment;
    ms_arena_requeue(arena, segment, MS_LIST_NEW, 0);
    cr_assert_eq(arena->lists[MS_LIST_NEW].newest, segment);
    cr_assert_neq(oldest(arena, MS_LIST_NEW), segment);
    room_check(arena);
    ms_arena_requeue(arena, segment, MS_LIST_MAIN, 0);
    cr_assert_eq(oldest(arena, MS_LIST_MAIN), segment);
    cr_assert_eq(ms_load_relaxed(&segment->queue), MS_QUEUE_MAIN);
    room_check(arena);
    /* What is not sealed has no place in a list. */
    const struct ms_reserved open = room_write_new(arena, 100);
    ms_arena_requeue(arena, open.segment, MS_LIST_MAIN, 0);
    cr_assert_eq(arena->lists[MS_LIST_MAIN].count, 1);
    room_close(arena);
}

Test(segments, every_segment_in_use_is_visited_once)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = room_fill_segments(arena, 12, 500, entries, MOST);
    const struct ms_reserved large = room_write_new(arena, 100000);
    struct ms_segment *third = oldest(arena, MS_LIST_NEW)->newer->newer;

    ms_add_acquire(&third->pins, 1);
    kill_segment(arena, count, third);
    cr_assert_eq(room_recycle(arena), 0);
    kill_segment(arena, count, entries[0].segment);
    cr_assert_eq(room_count(arena, MS_SEGMENT_WAITING), 1);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 1);
    cr_assert_eq(room_count(arena, MS_SEGMENT_OPEN) + room_count(arena, MS_SEGMENT_SEALED) + 1,
                 arena->fresh);
    cr_assert_eq(room_count(arena, MS_SEGMENT_FREE), 0);
    cr_assert(large.segment->is_solo);
    room_close(arena);
}

/* ---- Closing, and forking ---- */

Test(segments, closing_frees_all_but_what_views_hold)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint64_t before = ms_budget_charged(&arena->budget);

    room_fill_segments(arena, 12, 500, entries, MOST);
    const struct ms_reserved large = room_write_new(arena, 100000);
    room_write_new(arena, 100000);
    ms_add_acquire(&entries[0].segment->pins, 1);
    ms_add_acquire(&large.segment->pins, 1);
    ms_arena_seal_open(arena);
    room_recycle(arena);
    ms_arena_close(arena);
    cr_assert_lt(ms_budget_charged(&arena->budget) - before,
                 ms_arena_segment_size(arena) + 100000 + 2 * MS_PAGE_SIZE);
    cr_assert_eq((unsigned char)entries[0].key[3], 0x5a);
    cr_assert_eq((unsigned char)large.key[99000], 0x5a);
    ms_arena_fini(arena);
}

Test(segments, a_child_forgets_the_writers_it_does_not_have)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape small = room_shape(arena, 100), large = room_shape(arena, 100000);
    struct ms_reserved lost, lost_large, lost_alone;

    const struct ms_reserved kept = room_write_new(arena, 100);
    cr_assert(ms_arena_reserve(arena, &placement, &small, &lost));
    ms_arena_seal_open(arena);
    cr_assert(ms_arena_reserve(arena, &placement, &small, &lost_alone));
    ms_arena_seal_open(arena);
    cr_assert(ms_arena_reserve(arena, &placement, &large, &lost_large));
    room_check(arena);

    ms_arena_forget_calls(arena);
    cr_assert_eq(ms_load_relaxed(&lost.entry->mark), MS_MARK_DEAD);
    cr_assert_eq(ms_load_relaxed(&kept.entry->mark) & MS_MARK_DEAD, 0);
    cr_assert_eq(ms_load_relaxed(&kept.segment->state), MS_SEGMENT_SEALED);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 2);
    room_check(arena);
    cr_assert_eq(room_recycle(arena), 2);
    cr_assert_eq(arena->solos, 0);
    room_close(arena);
}

Test(segments, wiping_leaves_nothing_of_entries)
{
    struct ms_arena *arena = room_open(MIB);
    struct ms_reserved first = {0}, other;
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);

    cr_assert(room_write(arena, &placement, 500, &first));
    for (unsigned i = 0; i < 100; i++)
        cr_assert(room_write(arena, &placement, 500, &other));
    const char *const at = (const char *)first.entry;
    ms_arena_wipe(arena);
    for (unsigned i = 0; i < 500; i++)
        cr_assert_eq(at[i], 0);
    cr_assert_eq(((const char *)other.entry)[8], 0, "in an open segment neither");
    ms_arena_fini(arena);
}

/* ---- Open segments that are spent ---- */

#define NO_BYTES UINT32_MAX

static bool seal_spent(struct ms_arena *arena, uint32_t worn_from, bool at_once)
{
    bool left;

    return ms_arena_seal_spent(arena, worn_from, at_once, &left);
}

Test(segments, an_open_one_of_which_all_is_dead_is_sealed_once_nothing_more_comes)
{
    struct ms_arena *arena = room_open(4 * MIB);
    struct ms_reserved entry = room_write_new(arena, 100);
    bool left;

    cr_assert_not(ms_load_relaxed(&arena->may_be_spent));
    room_kill(arena, &entry);
    cr_assert(ms_load_relaxed(&arena->may_be_spent));
    cr_assert_not(ms_arena_seal_spent(arena, NO_BYTES, false, &left));
    cr_assert(left);
    entry = room_write_new(arena, 100);
    cr_assert_not(ms_arena_seal_spent(arena, NO_BYTES, false, &left), "it lives");
    cr_assert_not(left);
    room_kill(arena, &entry);
    cr_assert_not(ms_arena_seal_spent(arena, NO_BYTES, false, &left), "it was appended since");
    cr_assert(left);
    cr_assert(ms_arena_seal_spent(arena, NO_BYTES, false, &left));
    cr_assert_not(left);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 1);
    cr_assert_not(seal_spent(arena, NO_BYTES, false), "there is none any more");
    room_close(arena);
}

Test(segments, an_open_one_of_which_much_is_dead_is_sealed_where_that_is_asked_for)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_reserved dead = room_write_new(arena, 100);

    room_write_new(arena, 100);
    room_kill(arena, &dead);
    cr_assert_not(seal_spent(arena, NO_BYTES, true));
    cr_assert_not(seal_spent(arena, dead.size + 1, true));
    cr_assert(seal_spent(arena, dead.size, true));
    cr_assert_eq(room_count(arena, MS_SEGMENT_SEALED), 1);
    room_close(arena);
}

Test(segments, one_that_is_written_to_or_was_just_opened_is_not_spent)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = room_shape(arena, 100);
    struct ms_reserved pending;

    cr_assert_not(seal_spent(arena, 0, true));
    cr_assert(ms_arena_reserve(arena, &placement, &shape, &pending));
    cr_assert_not(seal_spent(arena, 0, true));
    ms_arena_publish(&pending);
    room_kill(arena, &pending);
    cr_assert(seal_spent(arena, NO_BYTES, true));
    room_close(arena);
}
