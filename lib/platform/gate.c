/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/gate.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "platform/wait.h"

#include <stddef.h>

/* On the stack of who waits; of who is asked, on the heap: his thread may do other things on that stack
 * meanwhile. */
struct ms_gate_waiter {
    struct ms_gate_waiter *next;
    uint32_t need;
    bool called; /* `result` is known and the waiter is out of the line */
    enum ms_gate_result result;
    pthread_cond_t is_called;
};

void ms_gate_init(struct ms_gate *gate, uint32_t places)
{
    gate->places = places;
    gate->closed = false;
    gate->first = gate->last = NULL;
    ms_mutex_init(&gate->lock, MS_RANK_GATE);
    ms_store_relaxed(&gate->state, places);
}

void ms_gate_fini(struct ms_gate *gate)
{
    ms_mutex_destroy(&gate->lock);
}

static uint32_t free_places(uint64_t state)
{
    return (uint32_t)state;
}

/* ---- The line; gate locked ---- */

static void append_locked(struct ms_gate *gate, struct ms_gate_waiter *waiter)
{
    if (gate->last != NULL)
        gate->last->next = waiter;
    else
        gate->first = waiter;
    gate->last = waiter;
}

static void remove_locked(struct ms_gate *gate, const struct ms_gate_waiter *waiter)
{
    struct ms_gate_waiter *before = NULL, **link = &gate->first;

    while (*link != waiter) {
        before = *link;
        link = &before->next;
    }
    *link = waiter->next;
    if (gate->last == waiter)
        gate->last = before;
}

static void call_first_locked(struct ms_gate *gate, enum ms_gate_result result)
{
    struct ms_gate_waiter *first = gate->first;

    remove_locked(gate, first);
    first->result = result;
    first->called = true;
    pthread_cond_signal(&first->is_called);
}

/* ---- Entering ---- */

/* Take the places, or be counted as a waiter: one step, for GA-1. */
static bool take_or_wait_locked(struct ms_gate *gate, uint32_t n)
{
    uint64_t state = ms_load_relaxed(&gate->state);

    for (;;) {
        const bool takes = gate->first == NULL && free_places(state) >= n;

        if (ms_cas_acq_rel(&gate->state, &state, takes ? state - n : state + MS_GATE_WAITER))
            return takes;
    }
}

/* Take the places for one who is counted as a waiter. */
static bool take_for_waiter_locked(struct ms_gate *gate, uint32_t n)
{
    uint64_t state = ms_load_relaxed(&gate->state);

    do {
        if (free_places(state) < n)
            return false;
    } while (!ms_cas_acq_rel(&gate->state, &state, state - n - MS_GATE_WAITER));
    return true;
}

static void serve_locked(struct ms_gate *gate)
{
    while (gate->first != NULL && take_for_waiter_locked(gate, gate->first->need))
        call_first_locked(gate, MS_GATE_ENTERED);
}

void ms_gate_serve(struct ms_gate *gate)
{
    ms_mutex_lock(&gate->lock);
    serve_locked(gate);
    ms_mutex_unlock(&gate->lock);
}

static void wait_to_be_called_locked(struct ms_gate *gate, struct ms_gate_waiter *me,
                                     int64_t deadline_us)
{
    while (!me->called && !ms_wait_is_over(deadline_us))
        ms_cond_wait_until(&me->is_called, &gate->lock, ms_wait_look(deadline_us));
}

/* Whether to stay in line for longer than until now. */
static bool goes_on_locked(struct ms_gate *gate, int64_t deadline_us)
{
    ms_mutex_unlock(&gate->lock);
    const bool goes_on = ms_wait_goes_on(deadline_us);
    ms_mutex_lock(&gate->lock);
    return goes_on;
}

/* In line, which is left when the wait is over. False in the child of a fork() meanwhile, where nobody is in
 * it, and who was called is not in. */
static bool stand_in_line_locked(struct ms_gate *gate, struct ms_gate_waiter *me,
                                 int64_t deadline_us, bool asks, bool *goes_on)
{
    const uint32_t forks = gate->forks;

    append_locked(gate, me);
    do {
        wait_to_be_called_locked(gate, me, asks ? ms_wait_until_asking(deadline_us) : deadline_us);
        *goes_on = !me->called && asks && goes_on_locked(gate, deadline_us);
    } while (*goes_on && !me->called && gate->forks == forks);
    if (gate->forks != forks)
        return false;
    if (!me->called) {
        remove_locked(gate, me);
        ms_sub_seq_cst(&gate->state, MS_GATE_WAITER);
        /* Those behind may need less. */
        serve_locked(gate);
    }
    return true;
}

static enum ms_gate_result wait_locked(struct ms_gate *gate, struct ms_gate_waiter *me, uint32_t n,
                                       int64_t deadline_us, bool asks)
{
    for (;;) {
        bool goes_on;

        *me = (struct ms_gate_waiter){.need = n, .result = MS_GATE_TIMED_OUT};
        ms_cond_init(&me->is_called);
        const bool is_over = stand_in_line_locked(gate, me, deadline_us, asks, &goes_on);
        pthread_cond_destroy(&me->is_called);
        if (is_over)
            return me->result;
        if (!goes_on)
            return MS_GATE_TIMED_OUT;
        if (take_or_wait_locked(gate, n))
            return MS_GATE_ENTERED;
    }
}

static enum ms_gate_result enter(struct ms_gate *gate, struct ms_gate_waiter *me, uint32_t n,
                                 int64_t deadline_us, bool asks)
{
    enum ms_gate_result result = MS_GATE_ENTERED;

    if (n > gate->places)
        return MS_GATE_TIMED_OUT;
    ms_wait_begins();
    ms_mutex_lock(&gate->lock);
    if (gate->closed)
        result = MS_GATE_CLOSED;
    else if (!take_or_wait_locked(gate, n))
        result = wait_locked(gate, me, n, deadline_us, asks);
    ms_mutex_unlock(&gate->lock);
    return result;
}

enum ms_gate_result ms_gate_enter(struct ms_gate *gate, uint32_t n, int64_t deadline_us)
{
    struct ms_gate_waiter me;

    if (ms_gate_try_enter(gate, n))
        return MS_GATE_ENTERED;
    return enter(gate, &me, n, deadline_us, false);
}

enum ms_gate_result ms_gate_enter_asking(struct ms_gate *gate, uint32_t n, int64_t deadline_us)
{
    if (ms_gate_try_enter(gate, n))
        return MS_GATE_ENTERED;
    /* Without memory nobody is asked. */
    struct ms_gate_waiter *const me = ms_wait_asked != NULL ? ms_mem_alloc(sizeof *me) : NULL;
    if (me == NULL)
        return ms_gate_enter(gate, n, deadline_us);
    const enum ms_gate_result result = enter(gate, me, n, deadline_us, true);
    ms_mem_free(me);
    return result;
}

void ms_gate_close(struct ms_gate *gate)
{
    ms_mutex_lock(&gate->lock);
    gate->closed = true;
    while (gate->first != NULL) {
        ms_sub_seq_cst(&gate->state, MS_GATE_WAITER);
        call_first_locked(gate, MS_GATE_CLOSED);
    }
    ms_mutex_unlock(&gate->lock);
}

/* ---- fork ---- */

void ms_gate_forget_threads(struct ms_gate *gate, uint32_t taken)
{
    gate->first = gate->last = NULL;
    gate->forks++;
    ms_store_relaxed(&gate->state, gate->places - taken);
}
