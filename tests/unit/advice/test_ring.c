/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/ring.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define CELLS 8

struct record {
    ms_ring_turn turn;
    uint32_t from;
    uint64_t number;
};

static struct record cells[CELLS];
static struct ms_ring ring;

static void init(void)
{
    ms_ring_init(&ring, CELLS, sizeof *cells, cells);
}

TestSuite(ring, .init = init);

/* One thread alone puts records in. */
static bool alone;

static bool put(uint32_t from, uint64_t number)
{
    uint32_t ticket;
    struct record *record =
        alone ? ms_ring_claim_alone(&ring, &ticket) : ms_ring_claim(&ring, &ticket);

    if (record == NULL)
        return false;
    record->from = from;
    record->number = number;
    ms_ring_filled(record, ticket);
    return true;
}

static bool take(uint64_t *number)
{
    const struct record *record = ms_ring_at(&ring, 0);

    if (record == NULL)
        return false;
    *number = record->number;
    ms_ring_take(&ring, 1);
    return true;
}

static void records_come_out_in_order(void)
{
    uint64_t got;

    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 5; i++)
            cr_assert(put(0, 5 * round + i));
        for (uint64_t i = 0; i < 5; i++)
            cr_assert(take(&got) && got == 5 * round + i);
        cr_assert(!take(&got));
    }
}

Test(ring, records_come_out_in_the_order_they_were_put_in)
{
    records_come_out_in_order();
    alone = true;
    records_come_out_in_order();
}

Test(ring, shows_records_ahead_and_takes_several_out_at_a_time)
{
    const struct record *record;
    uint64_t got;

    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 7; i++)
            cr_assert(put(0, 7 * round + i));
        for (uint32_t ahead = 0; ahead < 7; ahead++) {
            record = ms_ring_at(&ring, ahead);
            cr_assert(record != NULL && record->number == 7 * round + ahead);
        }
        cr_assert_null(ms_ring_at(&ring, 7));
        ms_ring_take(&ring, 5);
        cr_assert(take(&got) && got == 7 * round + 5);
        cr_assert(take(&got) && got == 7 * round + 6);
        cr_assert(!take(&got));
    }
}

static void what_has_no_room_is_refused(void)
{
    uint64_t got;

    for (uint64_t i = 0; i < CELLS; i++)
        cr_assert(put(0, i));
    cr_assert(!put(0, CELLS));
    cr_assert(take(&got) && got == 0);
    cr_assert(put(0, CELLS));
    cr_assert(!put(0, CELLS + 1));
    for (uint64_t i = 1; i <= CELLS; i++)
        cr_assert(take(&got) && got == i);
}

Test(ring, refuses_what_has_no_room_and_takes_it_when_there_is_some)
{
    what_has_no_room_is_refused();
    alone = true;
    what_has_no_room_is_refused();
    alone = false;
    what_has_no_room_is_refused();
}

Test(ring, tells_how_full_it_is)
{
    uint32_t ticket;
    uint64_t got;

    cr_assert(put(0, 0) && put(0, 1));
    cr_assert_not_null(ms_ring_claim(&ring, &ticket));
    cr_assert_eq(ms_ring_used(&ring, ticket), 3);
    cr_assert(take(&got));
    cr_assert_eq(ms_ring_used(&ring, ticket), 2);
}

Test(ring, waits_for_a_cell_that_is_not_filled_and_forgets_it_when_reset)
{
    uint32_t ticket;
    uint64_t got;

    cr_assert_not_null(ms_ring_claim(&ring, &ticket));
    cr_assert(put(0, 1));
    cr_assert(!take(&got));
    ms_ring_reset(&ring);
    cr_assert(!take(&got));
    cr_assert(put(0, 2) && take(&got) && got == 2);
}

#define WRITERS 3
#define EACH UINT64_C(20000)

static void *write_all(void *context)
{
    const uint32_t from = (uint32_t)(uintptr_t)context;

    for (uint64_t i = 0; i < EACH;) {
        if (put(from, i))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void take_all_of(uintptr_t count)
{
    pthread_t writers[WRITERS];
    uint64_t next[WRITERS] = {0};

    for (uintptr_t i = 0; i < count; i++)
        cr_assert_eq(pthread_create(&writers[i], NULL, write_all, (void *)i), 0);
    for (uint64_t taken = 0; taken < count * EACH;) {
        const struct record *record = ms_ring_at(&ring, 0);

        if (record == NULL) {
            sched_yield();
            continue;
        }
        cr_assert_eq(record->number, next[record->from]++);
        ms_ring_take(&ring, 1);
        taken++;
    }
    for (uintptr_t i = 0; i < count; i++)
        pthread_join(writers[i], NULL);
    cr_assert_null(ms_ring_at(&ring, 0));
}

Test(ring, each_record_of_many_threads_comes_out_once_and_each_threads_in_order)
{
    take_all_of(WRITERS);
}

Test(ring, each_record_of_one_thread_alone_comes_out_once_and_in_order)
{
    alone = true;
    take_all_of(1);
}
