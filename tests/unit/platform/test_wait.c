/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/wait.h"

#include "platform/clock.h"
#include "platform/gate.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static int calls;

static void note(void)
{
    calls++;
}

static int64_t in_ms(int64_t ms)
{
    return ms_clock_real_us() + ms * 1000;
}

Test(wait, without_a_function_nothing_is_done_before_a_wait)
{
    ms_wait_us(1);
    cr_assert_eq(calls, 0);
}

Test(wait, the_function_is_called_once_before_the_first_wait)
{
    ms_before_wait = note;
    ms_wait_us(1);
    ms_wait_us(1);
    cr_assert_eq(calls, 1);
    cr_assert_null(ms_before_wait);
}

static void *wait_us(void *unused)
{
    ms_wait_us(1);
    return unused;
}

Test(wait, the_function_of_one_thread_is_not_called_for_another)
{
    pthread_t thread;

    ms_before_wait = note;
    cr_assert_eq(pthread_create(&thread, NULL, wait_us, NULL), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(calls, 0);
    ms_before_wait = NULL;
}

static ms_mutex mutex;
static atomic_bool is_held, may_let_go;

static void *hold_mutex(void *unused)
{
    ms_mutex_lock(&mutex);
    atomic_store(&is_held, true);
    while (!atomic_load(&may_let_go))
        sched_yield();
    ms_mutex_unlock(&mutex);
    return unused;
}

static void let_go(void)
{
    calls++;
    atomic_store(&may_let_go, true);
}

Test(wait, a_lock_is_waited_for_after_the_function_was_called)
{
    pthread_t holder;

    ms_mutex_init(&mutex, MS_RANK_RECLAIM);
    ms_before_wait = let_go;
    cr_assert(ms_mutex_lock_until(&mutex, in_ms(20000)));
    cr_assert_eq(calls, 0, "a free lock is not waited for");
    ms_mutex_unlock(&mutex);
    cr_assert_eq(pthread_create(&holder, NULL, hold_mutex, NULL), 0);
    while (!atomic_load(&is_held))
        sched_yield();
    cr_assert(ms_mutex_lock_until(&mutex, in_ms(20000)));
    cr_assert_eq(calls, 1);
    ms_mutex_unlock(&mutex);
    pthread_join(holder, NULL);
    ms_mutex_destroy(&mutex);
}

static struct ms_gate gate;

static void leave_gate(void)
{
    calls++;
    ms_gate_leave(&gate, 1);
}

Test(wait, a_place_is_waited_for_after_the_function_was_called)
{
    ms_gate_init(&gate, 1);
    ms_before_wait = leave_gate;
    cr_assert_eq(ms_gate_enter(&gate, 1, in_ms(20000)), MS_GATE_ENTERED);
    cr_assert_eq(calls, 0, "a free place is not waited for");
    cr_assert_eq(ms_gate_enter(&gate, 1, in_ms(20000)), MS_GATE_ENTERED);
    cr_assert_eq(calls, 1);
}

/* ---- By the caller's own wish ---- */

static int64_t stop;

static void *stop_waits(void *unused)
{
    ms_wait_us(5000);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    return unused;
}

/* Run a wait that would last ten minutes, which another thread stops. */
static void assert_stops(bool (*wait)(int64_t deadline_us))
{
    pthread_t thread;

    ms_wait_bind(MS_WAIT_UNBOUNDED, &stop);
    cr_assert_not(ms_wait_was_cut());
    cr_assert_eq(pthread_create(&thread, NULL, stop_waits, NULL), 0);
    cr_assert_not(wait(in_ms(600000)));
    cr_assert(ms_wait_was_cut());
    pthread_join(thread, NULL);
    cr_assert_leq(ms_wait_deadline(in_ms(600000)), ms_clock_real_us());
    ms_wait_bind(MS_WAIT_UNBOUNDED, NULL);
    cr_assert_not(ms_wait_was_cut());
}

static bool wait_for_mutex(int64_t deadline_us)
{
    return ms_mutex_lock_until(&mutex, deadline_us);
}

Test(wait, a_lock_is_waited_for_no_longer_once_that_is_stopped, .timeout = 60)
{
    pthread_t holder;

    ms_mutex_init(&mutex, MS_RANK_RECLAIM);
    cr_assert_eq(pthread_create(&holder, NULL, hold_mutex, NULL), 0);
    while (!atomic_load(&is_held))
        sched_yield();
    assert_stops(wait_for_mutex);
    atomic_store(&may_let_go, true);
    pthread_join(holder, NULL);
    ms_mutex_destroy(&mutex);
}

static bool wait_for_place(int64_t deadline_us)
{
    return ms_gate_enter(&gate, 1, deadline_us) == MS_GATE_ENTERED;
}

Test(wait, nor_is_a_place, .timeout = 60)
{
    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    assert_stops(wait_for_place);
    ms_gate_leave(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1), "nobody is left in line");
}

Test(wait, the_time_allowed_counts_from_the_first_wait_on)
{
    ms_wait_bind(1000, NULL);
    ms_wait_us(2000);
    cr_assert_not(ms_wait_was_cut());
    const int64_t first = ms_wait_deadline(in_ms(600000));
    cr_assert_leq(first, in_ms(1));
    ms_wait_us(2000);
    cr_assert_eq(ms_wait_deadline(in_ms(600000)), first);
    cr_assert_eq(ms_wait_deadline(5), 5, "a deadline that is sooner stays");
    cr_assert(ms_wait_was_cut());
    ms_wait_bind(MS_WAIT_UNBOUNDED, NULL);
}

static void *ask_whether_cut(void *cut)
{
    *(bool *)cut = ms_wait_was_cut();
    return NULL;
}

Test(wait, the_bound_of_one_thread_is_not_that_of_another)
{
    bool cut = true;
    pthread_t thread;

    stop = 1;
    ms_wait_bind(0, &stop);
    cr_assert(ms_wait_was_cut());
    cr_assert_eq(pthread_create(&thread, NULL, ask_whether_cut, &cut), 0);
    pthread_join(thread, NULL);
    cr_assert_not(cut);
    ms_wait_bind(MS_WAIT_UNBOUNDED, NULL);
}

/* ---- Waits for loads ---- */

/* Leaves the gate, whose lock therefore nobody holds, when asked for the third time. */
static bool leave_gate_in_the_end(void *context)
{
    int *const asked = context;

    if (++*asked == 3)
        ms_gate_leave(&gate, 1);
    return true;
}

static bool give_up(void *context)
{
    ++*(int *)context;
    return false;
}

/* How a wait for a place ends, and how often it asks. */
static enum ms_gate_result wait_asking(bool (*goes_on)(void *), int *asked)
{
    struct ms_wait_asked caller = {goes_on, asked, false};

    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    ms_wait_asked = &caller;
    const enum ms_gate_result result = ms_gate_enter_asking(&gate, 1, in_ms(600000));
    ms_wait_asked = NULL;
    return result;
}

Test(wait, who_waits_for_a_load_is_asked_with_no_lock_held, .timeout = 60)
{
    int asked = 0;

    cr_assert_eq(wait_asking(leave_gate_in_the_end, &asked), MS_GATE_ENTERED);
    cr_assert_eq(asked, 3);
}

Test(wait, who_does_not_want_to_wait_on_leaves_the_line, .timeout = 60)
{
    int asked = 0;

    cr_assert_eq(wait_asking(give_up, &asked), MS_GATE_TIMED_OUT);
    cr_assert_eq(asked, 1);
    ms_gate_leave(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1), "nobody is left in line");
}

Test(wait, other_waits_do_not_ask)
{
    int asked = 0;
    struct ms_wait_asked caller = {give_up, &asked, false};

    ms_gate_init(&gate, 1);
    cr_assert(ms_gate_try_enter(&gate, 1));
    ms_wait_asked = &caller;
    cr_assert_eq(ms_gate_enter(&gate, 1, in_ms(120)), MS_GATE_TIMED_OUT);
    cr_assert_eq(asked, 0);
    ms_wait_asked = NULL;
}

Test(wait, nobody_is_asked_after_the_deadline)
{
    int asked = 0;
    struct ms_wait_asked caller = {give_up, &asked, false};

    ms_wait_asked = &caller;
    cr_assert_leq(ms_wait_until_asking(in_ms(1)), in_ms(1));
    cr_assert_not(ms_wait_goes_on(in_ms(-1)));
    cr_assert_eq(asked, 0);
    ms_wait_asked = NULL;
    cr_assert_not(ms_wait_goes_on(in_ms(1000)), "nobody is there to ask");
}

static bool gives_up(void *asked)
{
    ++*(int *)asked;
    return false;
}

/* Or who waits for many loads would be asked for each of them after the time that he lets one take. */
Test(wait, who_did_not_want_to_wait_on_is_asked_at_once_about_what_comes_next)
{
    struct ms_wait_asked asked = {gives_up, &calls, false};
    const int64_t deadline = in_ms(60000);

    ms_wait_asked = &asked;
    cr_assert_gt(ms_wait_until_asking(deadline), ms_clock_real_us());
    cr_assert(!ms_wait_goes_on(deadline) && asked.gave_up);
    cr_assert_leq(ms_wait_until_asking(deadline), ms_clock_real_us());
    cr_assert(!ms_wait_goes_on(deadline) && calls == 2);
    ms_wait_asked = NULL;
}
