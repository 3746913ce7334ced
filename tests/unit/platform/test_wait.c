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
