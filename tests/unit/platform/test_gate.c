/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/gate.h"

#include "platform/clock.h"
#include "platform/wait.h"
#include "support/await.h"

#include <criterion/criterion.h>

static struct ms_gate gate;

static int64_t in_ms(int64_t ms)
{
    return ms_clock_real_us() + ms * 1000;
}

/* One who enters in a thread of its own, waiting for up to a minute. */
struct guest {
    pthread_t thread;
    uint32_t need;
    enum ms_gate_result result;
    unsigned order; /* of getting in */
};

static atomic_uint entered;

static void *enter(void *context)
{
    struct guest *guest = context;

    guest->result = ms_gate_enter(&gate, guest->need, in_ms(60000));
    guest->order = atomic_fetch_add(&entered, 1);
    return NULL;
}

static unsigned waiting(void)
{
    return (unsigned)(ms_load_relaxed(&gate.state) / MS_GATE_WAITER);
}

/* Send a guest and return when it stands in line behind the others. */
static void send(struct guest *guest, uint32_t need)
{
    const unsigned before = waiting();

    *guest = (struct guest){.need = need};
    cr_assert_eq(pthread_create(&guest->thread, NULL, enter, guest), 0);
    TEST_AWAIT(waiting() != before);
}

static enum ms_gate_result join(struct guest *guest)
{
    pthread_join(guest->thread, NULL);
    return guest->result;
}

Test(gate, as_many_get_in_as_there_are_places)
{
    ms_gate_init(&gate, 3);
    cr_assert(ms_gate_try_enter(&gate, 2));
    cr_assert_not(ms_gate_try_enter(&gate, 2));
    cr_assert(ms_gate_try_enter(&gate, 1));
    cr_assert_not(ms_gate_try_enter(&gate, 1));
    ms_gate_leave(&gate, 3);
    cr_assert_eq(ms_gate_enter(&gate, 3, 0), MS_GATE_ENTERED, "no waiting, no deadline");
    ms_gate_leave(&gate, 3);
    ms_gate_fini(&gate);
}

Test(gate, who_finds_no_place_waits_until_the_deadline)
{
    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    const int64_t start = ms_clock_real_us();
    cr_assert_eq(ms_gate_enter(&gate, 1, in_ms(30)), MS_GATE_TIMED_OUT);
    cr_assert(ms_clock_real_us() - start >= 30000);
    cr_assert_eq(ms_gate_enter(&gate, 1, 0), MS_GATE_TIMED_OUT);
    cr_assert_eq(waiting(), 0);
    ms_gate_leave(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    ms_gate_fini(&gate);
}

Test(gate, more_places_than_there_are_are_not_waited_for)
{
    ms_gate_init(&gate, 2);
    const int64_t start = ms_clock_real_us();
    cr_assert_eq(ms_gate_enter(&gate, 3, in_ms(60000)), MS_GATE_TIMED_OUT);
    cr_assert(ms_clock_real_us() - start < 30000000);
    ms_gate_fini(&gate);
}

Test(gate, each_place_given_back_lets_one_in)
{
    struct guest guests[3];

    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    for (unsigned i = 0; i < 3; i++)
        send(&guests[i], 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(waiting(), 3 - i);
        ms_gate_leave(&gate, 1);
        cr_assert_eq(join(&guests[i]), MS_GATE_ENTERED);
        cr_assert_eq(guests[i].order, i, "first come, first served");
    }
    ms_gate_leave(&gate, 1);
    cr_assert_eq(ms_load_relaxed(&gate.state), 1);
    ms_gate_fini(&gate);
}

Test(gate, who_needs_many_is_not_passed_over)
{
    struct guest many, one;

    ms_gate_init(&gate, 4);
    cr_assert(ms_gate_try_enter(&gate, 3));
    send(&many, 4);
    cr_assert_not(ms_gate_try_enter(&gate, 1), "there is a place, but it is not the first in line");
    send(&one, 1);
    ms_gate_leave(&gate, 3);
    cr_assert_eq(join(&many), MS_GATE_ENTERED);
    cr_assert_eq(waiting(), 1);
    ms_gate_leave(&gate, 4);
    cr_assert_eq(join(&one), MS_GATE_ENTERED);
    ms_gate_fini(&gate);
}

static int64_t stop;

static void *enter_until_stopped(void *context)
{
    struct guest *guest = context;

    ms_wait_bind(MS_WAIT_UNBOUNDED, &stop);
    guest->result = ms_gate_enter(&gate, guest->need, in_ms(600000));
    return NULL;
}

Test(gate, who_gives_up_lets_those_behind_in)
{
    struct guest many = {.need = 2}, one;

    ms_gate_init(&gate, 2);
    cr_assert(ms_gate_try_enter(&gate, 1));
    cr_assert_eq(pthread_create(&many.thread, NULL, enter_until_stopped, &many), 0);
    TEST_AWAIT(waiting() != 0);
    send(&one, 1);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    cr_assert_eq(join(&many), MS_GATE_TIMED_OUT);
    cr_assert_eq(join(&one), MS_GATE_ENTERED);
    cr_assert_eq(ms_load_relaxed(&gate.state), 0);
    ms_gate_fini(&gate);
}

Test(gate, closing_sends_everybody_away)
{
    struct guest guests[2];

    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    send(&guests[0], 1);
    send(&guests[1], 1);
    ms_gate_close(&gate);
    cr_assert_eq(join(&guests[0]), MS_GATE_CLOSED);
    cr_assert_eq(join(&guests[1]), MS_GATE_CLOSED);
    cr_assert_eq(ms_gate_enter(&gate, 1, in_ms(10000)), MS_GATE_CLOSED);
    ms_gate_leave(&gate, 1);
    cr_assert_eq(ms_load_relaxed(&gate.state), 1);
    ms_gate_fini(&gate);
}

Test(gate, a_child_has_the_places_it_is_told_and_nobody_in_line)
{
    struct guest guest;

    ms_gate_init(&gate, 3);
    cr_assert(ms_gate_try_enter(&gate, 3));
    send(&guest, 1);
    /* What the handlers do in the child; the parent's guest is not part of it. */
    struct ms_gate child = gate;
    ms_mutex_init(&child.lock, MS_RANK_GATE);
    ms_gate_forget_threads(&child, 2);
    cr_assert(ms_gate_try_enter(&child, 1));
    cr_assert_not(ms_gate_try_enter(&child, 1));
    cr_assert_eq(ms_gate_enter(&child, 1, in_ms(1)), MS_GATE_TIMED_OUT);
    ms_gate_fini(&child);

    ms_gate_leave(&gate, 3);
    cr_assert_eq(join(&guest), MS_GATE_ENTERED);
    ms_gate_fini(&gate);
}

/* What a fork() leaves of the gate, in who is asked whether to wait on. */
static bool become_a_child(void *goes_on)
{
    ms_gate_forget_threads(&gate, 0);
    return *(const bool *)goes_on;
}

static enum ms_gate_result enter_across_a_fork(bool goes_on)
{
    struct ms_wait_asked asked = {become_a_child, &goes_on, false};

    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    ms_wait_asked = &asked;
    const enum ms_gate_result result = ms_gate_enter_asking(&gate, 1, in_ms(10000));
    ms_wait_asked = NULL;
    return result;
}

Test(gate, who_is_asked_in_line_and_forks_begins_anew_in_the_child)
{
    cr_assert_eq(enter_across_a_fork(true), MS_GATE_ENTERED);
    cr_assert_not(ms_gate_try_enter(&gate, 1));
    ms_gate_leave(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    ms_gate_fini(&gate);
}

Test(gate, who_is_asked_in_line_and_forks_may_give_up_in_the_child)
{
    cr_assert_eq(enter_across_a_fork(false), MS_GATE_TIMED_OUT);
    cr_assert_eq(waiting(), 0);
    cr_assert(ms_gate_try_enter(&gate, 1));
    ms_gate_fini(&gate);
}
