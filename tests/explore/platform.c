/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, read sections, grace periods, the clock; and what the maintenance thread would do for
 * the store, which has none here.
 *
 * A grace period waits for the read sections that had begun when it began: what they did happens
 * before its end. What came before its beginning happens before every section that begins later.
 * That is all that RCU promises. */
#include "model.h"

#include "platform/lanes.h"
#include "platform/gate.h"
#include "platform/rcu.h"
#include "platform/thread.h"
#include "store/maintenance.h"
#include "store/store.h"

#include <string.h>

#define SITE __builtin_return_address(0)

uint32_t ms_thread_slot_plus_one = 1;

/* ---- Locks ---- */

void explore_lock(ms_mutex *mutex)
{
    struct thread *me = explore_running;

    if (me == NULL)
        return;
    explore_reach(STEP_LOCK, mutex, SITE);
    struct object *object = explore_object(mutex);
    object->holder = (int)me->number;
    view_join(&me->view, object->released);
    me->view.clock[me->number]++;
}

bool explore_try_lock(ms_mutex *mutex)
{
    struct thread *me = explore_running;

    if (me == NULL)
        return true;
    explore_reach(STEP_TRY_LOCK, mutex, SITE);
    struct object *object = explore_object(mutex);
    if (object->holder >= 0)
        return false;
    object->holder = (int)me->number;
    view_join(&me->view, object->released);
    me->view.clock[me->number]++;
    return true;
}

void explore_unlock(ms_mutex *mutex)
{
    struct thread *me = explore_running;

    if (me == NULL)
        return;
    explore_reach(STEP_UNLOCK, mutex, SITE);
    struct object *object = explore_object(mutex);
    if (object->holder != (int)me->number)
        explore_fail("thread %u unlocks what it does not hold", me->number);
    object->holder = -1;
    object->released = view_keep(&me->view);
    me->view.clock[me->number]++;
}

void ms_cond_wait(pthread_cond_t *cond, ms_mutex *mutex)
{
    explore_fail("somebody waits for the condition %p with the lock %p", (void *)cond,
                 (void *)mutex);
}

void ms_cond_wait_until(pthread_cond_t *cond, ms_mutex *mutex, int64_t deadline_us)
{
    (void)deadline_us;
    ms_cond_wait(cond, mutex);
}

/* ---- Read-copy-update ---- */

/* Of the grace period that a thread waits for. */
struct grace {
    unsigned waits_for; /* threads in sections that had begun */
    struct view ended;  /* what the sections have done that began before it */
};

static const char sections; /* the object of STEP_ENTER and STEP_GRACE_BEGINS */
static struct grace graces[EXPLORE_THREADS];
static unsigned in_section; /* threads */
static struct view ended;   /* by sections that have ended */
static struct view begun;   /* by what came before grace periods that have begun */

void ms_rcu_read_lock(void)
{
    struct thread *me = explore_running;

    if (me == NULL || me->sections++ != 0)
        return;
    explore_reach(STEP_ENTER, &sections, SITE);
    in_section |= 1u << me->number;
    view_join(&me->view, &begun);
}

void ms_rcu_read_unlock(void)
{
    struct thread *me = explore_running;

    if (me == NULL || --me->sections != 0)
        return;
    in_section &= ~(1u << me->number);
    view_join(&ended, &me->view);
    for (unsigned t = 0; t < EXPLORE_THREADS; t++) {
        if ((graces[t].waits_for >> me->number & 1) != 0) {
            graces[t].waits_for &= ~(1u << me->number);
            view_join(&graces[t].ended, &me->view);
            explore_section_ended(t);
        }
    }
    me->view.clock[me->number]++;
}

void ms_rcu_synchronize(void)
{
    struct thread *me = explore_running;

    if (me == NULL)
        return;
    if (me->sections != 0)
        explore_fail("thread %u waits for a grace period in a read section", me->number);
    struct grace *grace = &graces[me->number];

    explore_reach(STEP_GRACE_BEGINS, &sections, SITE);
    explore_grace_begun();
    grace->waits_for = in_section;
    grace->ended = ended;
    view_join(&begun, &me->view);
    me->view.clock[me->number]++;
    explore_reach(STEP_GRACE_ENDS, grace, SITE);
    view_join(&me->view, &grace->ended);
}

bool explore_is_blocked(const struct thread *thread)
{
    if (thread->next.kind == STEP_LOCK)
        return explore_object(thread->next.object)->holder >= 0;
    if (thread->next.kind == STEP_GRACE_ENDS)
        return graces[thread->number].waits_for != 0;
    return false;
}

/* ---- The clock ---- */

static int64_t clock_now, clock_at_start;
static bool clock_moves;

/* Everybody reads the same clock, and it orders nothing. */
int64_t explore_clock_ms(void)
{
    if (explore_running != NULL && clock_moves)
        explore_reach(STEP_READ, &clock_now, SITE);
    return clock_now;
}

void explore_set_clock(int64_t clock)
{
    if (explore_running != NULL)
        explore_reach(STEP_WRITE, &clock_now, SITE);
    else
        clock_at_start = clock;
    clock_now = clock;
}

void platform_start_clock(int64_t clock, bool moves)
{
    clock_at_start = clock_now = clock;
    clock_moves = moves;
}

int64_t explore_clock(void)
{
    return clock_now;
}

void platform_start_run(void)
{
    memset(graces, 0, sizeof graces);
    memset(&ended, 0, sizeof ended);
    memset(&begun, 0, sizeof begun);
    in_section = 0;
    clock_now = clock_at_start;
}

/* ---- store/maintenance.c ---- */

int ms_maintenance_register(memstore *store)
{
    (void)store;
    return MEMSTORE_OK;
}

void ms_maintenance_retire(memstore *store)
{
    (void)store;
}

void ms_maintenance_unregister(memstore *store)
{
    (void)store;
}

bool ms_maintenance_wake(memstore *store)
{
    (void)store;
    return false;
}

void ms_maintenance_try_wake(memstore *store)
{
    (void)store;
}

bool ms_maintenance_plan(memstore *store)
{
    (void)store;
    return true;
}

void ms_maintenance_resume(memstore *store)
{
    (void)store;
}

bool ms_maintenance_is_me(void)
{
    return false;
}

bool ms_maintenance_grace_period(memstore *store, int64_t deadline_us)
{
    (void)store;
    (void)deadline_us;
    if (!ms_testing_has_fault(MS_FAULT_NO_GRACE_PERIOD))
        ms_rcu_synchronize();
    return true;
}

uint64_t ms_maintenance_begin_grace_period(memstore *store)
{
    (void)store;
    return 0;
}

bool ms_maintenance_await_grace_period(uint64_t number, int64_t deadline_us)
{
    (void)number;
    (void)deadline_us;
    return false;
}

void ms_maintenance_pass_grace_periods(void)
{
}

void ms_maintenance_goes_away(void)
{
}

void ms_maintenance_is_back(void)
{
}

/* ---- Gates: no store under exploration bounds anything, so that nobody stands before one ---- */

void ms_gate_init(struct ms_gate *gate, uint32_t places)
{
    *gate = (struct ms_gate){.places = places};
}

void ms_gate_fini(struct ms_gate *gate)
{
    (void)gate;
}

enum ms_gate_result ms_gate_enter(struct ms_gate *gate, uint32_t n, int64_t deadline_us)
{
    (void)deadline_us;
    explore_fail("somebody wants %u of %u places at a gate", n, gate->places);
    return MS_GATE_CLOSED;
}

enum ms_gate_result ms_gate_enter_asking(struct ms_gate *gate, uint32_t n, int64_t deadline_us)
{
    return ms_gate_enter(gate, n, deadline_us);
}

void ms_gate_serve(struct ms_gate *gate)
{
    explore_fail("somebody leaves a gate of %u places", gate->places);
}

void ms_gate_close(struct ms_gate *gate)
{
    (void)gate;
}

void ms_gate_forget_threads(struct ms_gate *gate, uint32_t taken)
{
    (void)gate;
    (void)taken;
}

/* All readers are the explorer's. */
struct ms_lane *ms_lanes_claim(uint32_t n, uint32_t *first)
{
    (void)n;
    (void)first;
    return NULL;
}
