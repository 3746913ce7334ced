/* SPDX-License-Identifier: Apache-2.0 */
/* Reserving, publishing, giving up. */
#include "platform/testing.h"
#include "unit/random.h"
#include "unit/room.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

Test(append, places_and_addresses_stand_for_each_other)
{
    struct ms_arena *arena = room_open(4 * MIB);

    for (int i = 0; i < 1000; i++) {
        const struct ms_reserved entry = room_write_new(arena, 100 + (uint32_t)i % 7);

        cr_assert_neq(entry.place, MS_PLACE_NONE);
        cr_assert_eq(ms_arena_entry(arena, entry.place), entry.entry);
        cr_assert_eq(ms_arena_place_of(arena, entry.entry), entry.place);
        cr_assert_eq(ms_arena_segment_of(arena, entry.place), entry.segment);
    }
    room_close(arena);
}

Test(append, the_first_place_of_all_means_none)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_reserved entry = room_write_new(arena, 100);

    cr_assert_eq(entry.segment, arena->segments);
    cr_assert_gt(entry.place, MS_PLACE_NONE);
    room_close(arena);
}

Test(append, entries_do_not_overlap_and_keep_their_bytes)
{
    enum { ENTRIES = 2000 };
    struct ms_arena *arena = room_open(4 * MIB);
    struct unit_random random = unit_random_start("append");
    static struct ms_reserved entries[ENTRIES];
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);

    for (unsigned i = 0; i < ENTRIES; i++) {
        const struct ms_entry_shape shape = {.key_size = 8,
                                             .value_size =
                                                 (uint32_t)unit_random_below(&random, 900),
                                             .expiry = MS_NEVER};

        cr_assert(ms_arena_reserve(arena, &placement, &shape, &entries[i]));
        memset(entries[i].key, (int)(i & 0xff), shape.key_size + shape.value_size);
        ms_arena_publish(&entries[i]);
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        const struct ms_entry_parts parts = ms_entry_parts(entries[i].entry, false);

        for (uint32_t k = 0; k < parts.key_size + parts.value_size; k++)
            cr_assert_eq((unsigned char)parts.key[k], i & 0xff);
    }
    room_close(arena);
}

Test(append, a_reservation_is_pending_until_it_is_published)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = room_shape(arena, 100);
    struct ms_reserved reserved;

    cr_assert(ms_arena_reserve(arena, &placement, &shape, &reserved));
    cr_assert_neq(ms_load_relaxed(&reserved.entry->mark) & MS_MARK_PENDING, 0);
    cr_assert_eq(ms_segment_live_entries(reserved.segment), 0);
    cr_assert_eq(ms_segment_pending(reserved.segment), 1);
    cr_assert_eq(ms_segment_dead_bytes(reserved.segment), 0);
    room_check(arena);

    ms_arena_publish(&reserved);
    cr_assert_eq(ms_load_relaxed(&reserved.entry->mark) & MS_MARK_PENDING, 0);
    cr_assert_eq(ms_segment_live_entries(reserved.segment), 1);
    cr_assert_eq(ms_segment_live_bytes(reserved.segment), reserved.size);
    cr_assert_eq(ms_segment_dead_bytes(reserved.segment), 0);
    cr_assert_eq(ms_segment_pending(reserved.segment), 0);
    room_close(arena);
}

Test(append, sizes_are_padded_to_the_granule)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t granule = 1u << arena->granule_shift;

    for (uint32_t size = 100; size < 120; size++) {
        const struct ms_reserved entry = room_write_new(arena, size);

        cr_assert_eq(entry.size, (size + granule - 1) / granule * granule);
        cr_assert_eq((uintptr_t)entry.entry % granule, 0);
    }
    room_close(arena);
}

Test(append, what_a_writer_asks_for_decides_which_segment_it_gets)
{
    struct ms_arena *arena = room_open(64 * MIB);
    struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved a, b;

    cr_assert(room_write(arena, &placement, 100, &a));
    cr_assert(room_write(arena, &placement, 100, &b));
    cr_assert_eq(a.segment, b.segment, "the same goes to the same");
    placement.queue = MS_QUEUE_MAIN;
    cr_assert(room_write(arena, &placement, 100, &b));
    cr_assert_neq(a.segment, b.segment, "queues are apart");
    placement = room_placement(MS_QUEUE_NEW);
    placement.ttl_class = 1;
    cr_assert(room_write(arena, &placement, 100, &b));
    cr_assert_neq(a.segment, b.segment, "TTL classes are apart");
    cr_assert_eq(b.segment->ttl_class, 1);
    placement = room_placement(MS_QUEUE_NEW);
    placement.privileged = true;
    cr_assert(room_write(arena, &placement, 100, &b));
    cr_assert_neq(a.segment, b.segment, "the reclaimer has a stripe of its own");
    room_close(arena);
}

struct holding {
    ms_mutex *lock;
    sem_t held, let_go;
};

static void *hold(void *context)
{
    struct holding *holding = context;

    ms_mutex_lock(holding->lock);
    sem_post(&holding->held);
    sem_wait(&holding->let_go);
    ms_mutex_unlock(holding->lock);
    return NULL;
}

static struct ms_segment *segment_for(struct ms_arena *arena, const struct ms_placement *placement)
{
    const struct ms_entry_shape shape = room_shape(arena, 100);
    struct ms_reserved entry;

    cr_assert(ms_arena_reserve(arena, placement, &shape, &entry));
    ms_arena_publish(&entry);
    return entry.segment;
}

Test(append, a_thread_that_finds_another_at_its_stripe_moves_on_to_the_next_for_good)
{
    struct ms_arena *arena = room_open(64 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_segment *const first = segment_for(arena, &placement);
    struct holding holding = {.lock = &arena->open[0].lock};
    pthread_t holder;

    cr_assert_gt(arena->stripes, 1);
    cr_assert_eq(segment_for(arena, &placement), first);
    cr_assert_eq(arena->open[0].segment, first);
    sem_init(&holding.held, 0, 0);
    sem_init(&holding.let_go, 0, 0);
    cr_assert_eq(pthread_create(&holder, NULL, hold, &holding), 0);
    sem_wait(&holding.held);
    /* It would wait for ever at its own. */
    struct ms_segment *const second = segment_for(arena, &placement);
    sem_post(&holding.let_go);
    pthread_join(holder, NULL);
    cr_assert_neq(second, first);
    cr_assert_eq(segment_for(arena, &placement), second, "it stays there");
    room_close(arena);
}

Test(append, any_number_names_a_stripe)
{
    struct ms_arena *arena = room_open(64 * MIB);
    struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved reserved;

    for (uint32_t stripe = 0; stripe < 1000; stripe++) {
        placement.stripe = stripe;
        cr_assert(room_write(arena, &placement, 100, &reserved));
    }
    cr_assert_leq(room_count(arena, MS_SEGMENT_OPEN), arena->stripes);
    room_close(arena);
}

Test(append, a_segments_time_base_lies_before_its_entries)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = {.key_size = 8, .value_size = 8, .expiry = ROOM_NOW - 1000};
    struct ms_reserved reserved;

    /* An expiry that had passed a second before the segment was opened is kept exactly. */
    cr_assert(ms_arena_reserve(arena, &placement, &shape, &reserved));
    cr_assert_lt(reserved.segment->time_base, ROOM_NOW);
    cr_assert_eq(ms_entry_expiry(reserved.entry, reserved.segment->time_base), ROOM_NOW - 1000);
    ms_arena_publish(&reserved);
    room_close(arena);
}

Test(append, versions_never_come_twice)
{
    struct ms_arena *arena = room_open(4 * MIB);
    uint64_t last = 0;

    /* The same memory over and over. */
    for (int i = 0; i < 2000; i++) {
        const struct ms_reserved entry = room_write_new(arena, 4000);
        const uint64_t version = ms_arena_version(arena, entry.place, entry.segment);

        cr_assert_gt(version, last);
        last = version;
        room_kill(arena, &entry);
        room_recycle(arena);
    }
    cr_assert_lt(arena->fresh, 10);
    room_close(arena);
}

/* ---- Giving up ---- */

Test(append, what_is_given_up_is_dead_from_the_start)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = room_shape(arena, 100);
    struct ms_reserved reserved;

    cr_assert(ms_arena_reserve(arena, &placement, &shape, &reserved));
    cr_assert_not(ms_arena_abandon(arena, &reserved), "it is still open");
    cr_assert_eq(ms_segment_pending(reserved.segment), 0);
    cr_assert_eq(ms_segment_dead_bytes(reserved.segment), 100);
    room_check(arena);
    ms_arena_seal_open(arena);
    cr_assert_eq(room_count(arena, MS_SEGMENT_LIMBO), 1, "there is nothing to be sealed for");
    room_close(arena);
}

Test(append, who_gives_up_last_retires_a_sealed_segment)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_entry_shape shape = room_shape(arena, 100);
    struct ms_reserved one, two;

    cr_assert(ms_arena_reserve(arena, &placement, &shape, &one));
    cr_assert(ms_arena_reserve(arena, &placement, &shape, &two));
    ms_arena_seal_open(arena);
    cr_assert_eq(ms_load_relaxed(&one.segment->state), MS_SEGMENT_SEALED);
    cr_assert_not(ms_arena_retire(arena, one.segment), "both are pending");
    cr_assert_not(ms_arena_abandon(arena, &one));
    cr_assert_not(ms_arena_retire(arena, one.segment), "one is pending");
    cr_assert(ms_arena_abandon(arena, &two));
    cr_assert_eq(ms_load_relaxed(&one.segment->state), MS_SEGMENT_LIMBO);
    cr_assert_not(ms_arena_retire(arena, one.segment), "once is enough");
    room_close(arena);
}

/* ---- Bytes that are not an entry ---- */

Test(append, raw_bytes_are_reserved_like_an_entry_and_never_live)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_RECORDS);
    struct ms_reserved one, two;

    cr_assert(ms_arena_reserve_raw(arena, &placement, 333, &one));
    cr_assert(ms_arena_reserve_raw(arena, &placement, 333, &two));
    cr_assert_eq(one.size, ms_arena_padded(arena, 333));
    cr_assert_geq((size_t)(two.key - one.key), 333);
    memset(one.key, 0xff, one.size);
    memset(two.key, 0xee, two.size);
    cr_assert_eq((unsigned char)one.key[332], 0xff);
    room_check(arena);
    ms_arena_seal_open(arena);
    cr_assert_not(ms_arena_abandon(arena, &one));
    cr_assert(ms_arena_abandon(arena, &two));
    room_close(arena);
}

/* ---- When a segment is full ---- */

Test(append, a_segment_is_sealed_when_it_is_full_and_listed_in_its_queue)
{
    enum { MOST = 3000 };
    struct ms_arena *arena = room_open(4 * MIB);
    static struct ms_reserved entries[MOST];
    const uint32_t count = room_fill_segments(arena, 6, 500, entries, MOST);
    const struct ms_segment_list *list = &arena->lists[MS_LIST_NEW];

    cr_assert_gt(list->count, 2);
    cr_assert_eq(list->oldest, entries[0].segment);
    cr_assert_eq(arena->lists[MS_LIST_MAIN].count, 0);
    /* All of one size, so that little is left at a segment's end. */
    cr_assert_gt(ms_load_relaxed(&list->oldest->used) + 600, list->oldest->capacity);
    cr_assert_gt(count, 6);
    room_close(arena);
}

Test(append, smaller_entries_fill_up_what_a_larger_one_left)
{
    struct ms_arena *arena = room_open(16 * MIB);
    const uint32_t most = (uint32_t)ms_arena_solo_threshold(arena) - 64;
    const struct ms_reserved first = room_write_new(arena, most);
    struct ms_reserved large = first;

    /* Until a large one does not fit the first segment any more. */
    while (large.segment == first.segment)
        large = room_write_new(arena, most);
    const struct ms_reserved small = room_write_new(arena, 64);
    cr_assert_eq(small.segment, first.segment);
    cr_assert_eq(ms_load_relaxed(&first.segment->state), MS_SEGMENT_OPEN);
    room_close(arena);
}

static void find_oldest_open(struct ms_segment *segment, void *context)
{
    uint64_t *oldest = context;

    if (ms_load_relaxed(&segment->state) == MS_SEGMENT_OPEN && segment->sequence < *oldest)
        *oldest = segment->sequence;
}

Test(append, a_segment_that_nothing_fits_any_more_is_sealed_before_long)
{
    struct ms_arena *arena = room_open(64 * MIB);
    const uint32_t most = (uint32_t)ms_arena_solo_threshold(arena) - 64;

    for (int i = 0; i < 600; i++) {
        const struct ms_reserved newest = room_write_new(arena, most);
        uint64_t oldest = newest.segment->sequence;

        ms_arena_each(arena, find_oldest_open, &oldest);
        cr_assert_lt(newest.segment->sequence - oldest, 50);
        cr_assert_leq(room_count(arena, MS_SEGMENT_OPEN), 2);
    }
    room_close(arena);
}

/* ---- Large entries ---- */

Test(append, a_large_entry_has_a_segment_of_its_own)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint64_t before = ms_budget_charged(&arena->budget);
    const uint32_t size = (uint32_t)(2 * ms_arena_segment_size(arena)) + 12345;
    const struct ms_reserved large = room_write_new(arena, size);

    cr_assert(large.segment->is_solo);
    cr_assert_eq(ms_load_relaxed(&large.segment->state), MS_SEGMENT_SEALED);
    cr_assert_eq(ms_arena_segment_of(arena, large.place), large.segment);
    cr_assert_eq(ms_arena_entry(arena, large.place), large.entry);
    cr_assert_eq(arena->solos, 1);
    cr_assert_eq(ms_arena_most_in_use(arena), arena->range_segments + 1);
    /* Charged by what it takes, not by segments. */
    cr_assert_lt(ms_budget_charged(&arena->budget) - before, size + 2 * MS_PAGE_SIZE);
    room_check(arena);

    cr_assert(room_kill(arena, &large));
    room_check(arena);
    cr_assert_eq(room_recycle(arena), 1);
    cr_assert_eq(ms_budget_charged(&arena->budget), before);
    cr_assert_eq(arena->solos, 0);
    room_close(arena);
}

Test(append, entries_up_to_the_threshold_share_segments)
{
    struct ms_arena *arena = room_open(16 * MIB);
    const uint32_t threshold = (uint32_t)ms_arena_solo_threshold(arena);

    /* The long form decides. */
    cr_assert_not(room_write_new(arena, threshold - sizeof(struct ms_entry_long)).segment->is_solo);
    cr_assert(room_write_new(arena, threshold + 1).segment->is_solo);
    cr_assert_leq(threshold, ms_arena_segment_size(arena));
    room_close(arena);
}

Test(append, two_entries_of_nearly_half_a_segment_share_one)
{
    struct ms_arena *arena = room_open(1 * MIB);
    const uint32_t half = (uint32_t)(ms_arena_segment_size(arena) - MS_ARENA_EMPTY_BYTES) / 2;

    cr_assert(ms_arena_is_large(arena, half - 1000), "much would be left");
    cr_assert_not(ms_arena_is_large(arena, half));
    cr_assert(ms_arena_is_large(arena, half + 1));
    /* The long form decides. */
    const struct ms_segment *first =
        room_write_new(arena, half - sizeof(struct ms_entry_long)).segment;
    cr_assert_not(first->is_solo);
    cr_assert_eq(room_write_new(arena, half - sizeof(struct ms_entry_long)).segment, first);
    room_close(arena);
}

Test(append, moves_share_the_writers_segment_in_a_small_store_that_evicts)
{
    for (int evicts = 0; evicts < 2; evicts++) {
        struct ms_arena *arena = room_open_evicting(1 * MIB, evicts == 1);
        struct ms_placement placement = room_placement(MS_QUEUE_MAIN);
        struct ms_reserved written, moved;

        cr_assert(room_write(arena, &placement, 100, &written));
        placement.privileged = true;
        cr_assert(room_write(arena, &placement, 100, &moved));
        cr_assert_eq(written.segment == moved.segment, evicts == 1);
        room_close(arena);
    }
}

Test(append, what_comes_out_of_the_reserve_is_closed_to_writers_until_the_reclaimer_has_done)
{
    struct ms_arena *arena = room_open_evicting(1 * MIB, true);
    struct ms_placement writer = room_placement(MS_QUEUE_MAIN), reclaimer = writer;
    struct ms_reserved moved, written;

    reclaimer.privileged = true;
    while (room_write(arena, &writer, 1000, &written))
        ;
    while (room_write(arena, &writer, 100, &written))
        ;
    cr_assert_eq(ms_arena_available(arena), 0);
    cr_assert(room_write(arena, &reclaimer, 1000, &moved));
    cr_assert_neq(moved.segment, written.segment, "from the reserve");
    cr_assert_not(room_write(arena, &writer, 1000, &written));
    cr_assert_not(room_write(arena, &writer, 100, &written));
    cr_assert(room_write(arena, &reclaimer, 1000, &moved));

    ms_arena_let_writers_in(arena);
    cr_assert(room_write(arena, &writer, 1000, &written));
    cr_assert_eq(moved.segment, written.segment);
    room_close(arena);
}

Test(append, writers_share_what_the_reclaimer_opens_while_there_is_room)
{
    struct ms_arena *arena = room_open_evicting(1 * MIB, true);
    struct ms_placement writer = room_placement(MS_QUEUE_MAIN), reclaimer = writer;
    struct ms_reserved moved, written;

    reclaimer.privileged = true;
    cr_assert(room_write(arena, &reclaimer, 1000, &moved));
    cr_assert(room_write(arena, &writer, 1000, &written));
    cr_assert_eq(moved.segment, written.segment);
    room_close(arena);
}

Test(append, a_large_entry_may_take_half_of_the_memory)
{
    struct ms_arena *arena = room_open(8 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved large, larger;

    cr_assert(room_write(arena, &placement, 4 * MIB, &large));
    cr_assert_not(room_write(arena, &placement, 4 * MIB, &larger));
    room_check(arena);
    cr_assert(room_kill(arena, &large));
    room_recycle(arena);
    cr_assert(room_write(arena, &placement, 4 * MIB, &large));
    room_close(arena);
}

/* ---- The limit ---- */

static uint32_t write_until_full(struct ms_arena *arena, bool privileged)
{
    struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved reserved;
    uint32_t count = 0;

    placement.privileged = privileged;
    while (room_write(arena, &placement, 1000, &reserved))
        count++;
    room_check(arena);
    cr_assert_leq(ms_budget_charged(&arena->budget), arena->budget.limit);
    return count;
}

Test(append, writers_use_the_memory_there_is_and_leave_the_reserve)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const uint32_t count = write_until_full(arena, false);

    cr_assert_gt((uint64_t)count * 1000, 4 * MIB * 8 / 10);
    cr_assert_eq(ms_arena_available(arena), 0);
    /* The reserve is there for the reclaimer, and no more. */
    const uint32_t reserved = write_until_full(arena, true);
    cr_assert_geq((uint64_t)(reserved + 1) * 1000,
                  (uint64_t)arena->reserve * (ms_arena_segment_size(arena) - 1000));
    cr_assert_leq(reserved, (arena->reserve + 1) * (ms_arena_segment_size(arena) / 1000 + 1));
    room_close(arena);
}

Test(append, writers_find_room_again_when_segments_come_free)
{
    enum { MOST = 5000 };
    struct ms_arena *arena = room_open(4 * MIB);
    static struct ms_reserved entries[MOST];
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    uint32_t count = 0;

    while (room_write(arena, &placement, 1000, &entries[count]))
        count++;
    for (uint32_t i = 0; i < count / 2; i++)
        room_kill(arena, &entries[i]);
    cr_assert_not(room_write(arena, &placement, 1000, &entries[count]),
                  "no grace period has passed");
    cr_assert_gt(room_recycle(arena), 0);
    cr_assert_gt(ms_arena_available(arena), 0);
    cr_assert(room_write(arena, &placement, 1000, &entries[count]));
    room_close(arena);
}

Test(append, what_the_system_refuses_is_not_lost)
{
    struct ms_arena *arena = room_open(4 * MIB);
    const struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    const struct ms_budget_mark mark = ms_budget_mark(&arena->budget);
    const uint64_t before = ms_budget_charged(&arena->budget);
    struct ms_reserved reserved;

    ms_testing_fail_memory(1, true);
    cr_assert_not(room_write(arena, &placement, 100, &reserved));
    cr_assert_not(room_write(arena, &placement, 100000, &reserved));
    ms_testing_fail_memory(0, false);
    cr_assert(ms_budget_was_refused(&arena->budget, &mark));
    cr_assert_eq(ms_budget_charged(&arena->budget), before);
    room_check(arena);
    cr_assert(room_write(arena, &placement, 100, &reserved));
    cr_assert(room_write(arena, &placement, 100000, &reserved));
    room_close(arena);
}

/* ---- Several at once ---- */

#define WRITERS 3

static atomic_uint writers_done;

static void *write_and_kill(void *argument)
{
    struct ms_arena *arena = argument;
    struct ms_placement placement = room_placement(MS_QUEUE_NEW);
    struct ms_reserved reserved;

    placement.stripe = (uint32_t)((uintptr_t)&placement >> 20);
    for (uint32_t written = 0; written < 20000;) {
        if (room_write(arena, &placement, 64 + written % 512, &reserved)) {
            room_kill(arena, &reserved);
            written++;
        } else {
            sched_yield();
        }
    }
    atomic_fetch_add(&writers_done, 1);
    return NULL;
}

Test(append, several_writers_lose_no_segment)
{
    struct ms_arena *arena = room_open(8 * MIB);
    pthread_t threads[WRITERS];

    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_and_kill, arena), 0);
    while (atomic_load(&writers_done) < WRITERS) {
        room_recycle(arena);
        sched_yield();
    }
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    room_check(arena);
    ms_arena_seal_open(arena);
    room_recycle(arena);
    cr_assert_eq(room_count(arena, MS_SEGMENT_SEALED) + room_count(arena, MS_SEGMENT_OPEN), 0);
    room_close(arena);
}
