/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a run: coroutines of one thread of the system. A coroutine is begun anew with
 * every run; one that was left in the middle of the run before is forgotten. */
#include "schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_SIZE ((size_t)256 << 10)
#define OBJECTS_SIZE (1 << 13)
#define AT_FIRST_STEP 100 /* instead of how a run ended */

struct fiber {
    ucontext_t context;
    jmp_buf jump;
    bool started;
    char *stack;
};

struct thread *explore_running;
uint64_t explore_stamp;
struct thread explore_threads[EXPLORE_THREADS];
unsigned explore_thread_count;

static struct fiber fibers[EXPLORE_THREADS];
static void (*thread_body)(unsigned number);
static jmp_buf end_of_run;
static bool starting; /* the threads are on their way to their first steps */
static char failure[256];

static struct object objects[OBJECTS_SIZE];

/* ---- Objects ---- */

struct object *explore_object(const void *address)
{
    size_t i = ((uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15)) >> 51;

    while (objects[i].stamp == explore_stamp && objects[i].address != address)
        i = (i + 1) % OBJECTS_SIZE;
    struct object *object = &objects[i];
    if (object->stamp != explore_stamp) {
        *object = (struct object){.stamp = explore_stamp, .address = address};
        object->last_write = object->last_lock = object->holder = -1;
        for (unsigned t = 0; t < EXPLORE_THREADS; t++)
            object->last_read[t] = object->last_write_of[t] = -1;
    }
    return object;
}

_Noreturn void explore_end_run(enum run_end end)
{
    longjmp(end_of_run, 1 + (int)end);
}

/* ---- Coroutines ---- */

extern uint32_t ms_thread_slot_plus_one;

static void enter(unsigned thread)
{
    explore_running = &explore_threads[thread];
    ms_thread_slot_plus_one = thread + 1;
    if (fibers[thread].started)
        _longjmp(fibers[thread].jump, 1);
    fibers[thread].started = true;
    setcontext(&fibers[thread].context);
    abort();
}

static void run_fiber(void)
{
    struct thread *me = explore_running;

    thread_body(me->number);
    me->finished = true;
    if (starting)
        longjmp(end_of_run, AT_FIRST_STEP);
    enter(order_decide());
}

static __attribute__((noinline)) void leave(unsigned from, unsigned to)
{
    if (_setjmp(fibers[from].jump) == 0)
        enter(to);
}

static __attribute__((noinline)) void leave_at_start(unsigned from)
{
    if (_setjmp(fibers[from].jump) == 0)
        longjmp(end_of_run, AT_FIRST_STEP);
}

void explore_reach(enum step_kind kind, const void *object, const void *site)
{
    struct thread *me = explore_running;

    me->next = (struct step){kind, object, site};
    if (starting) {
        leave_at_start(me->number);
        return;
    }
    const unsigned next = order_decide();
    if (next != me->number)
        leave(me->number, next);
}

void explore_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(failure, sizeof failure, format, args);
    va_end(args);
    explore_end_run(RUN_FAILED);
}

/* ---- Runs ---- */

static void prepare_fiber(unsigned thread)
{
    struct fiber *fiber = &fibers[thread];

    if (fiber->stack == NULL)
        fiber->stack = malloc(STACK_SIZE);
    if (fiber->stack == NULL)
        abort();
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, run_fiber, 0);
    fiber->started = false;
}

static void prepare_run(void)
{
    explore_stamp++;
    order_start_run();
    memory_start_run();
    atomics_start_run();
    platform_start_run();
    for (unsigned t = 0; t < explore_thread_count; t++) {
        memset(&explore_threads[t], 0, sizeof explore_threads[t]);
        explore_threads[t].number = t;
        explore_threads[t].view.clock[t] = 1;
        prepare_fiber(t);
    }
}

/* Let each thread come to its first step. AT_FIRST_STEP, or how the run has ended before. */
static int start_threads(void)
{
    static volatile unsigned t;
    volatile int end = AT_FIRST_STEP;

    starting = true;
    for (t = 0; t < explore_thread_count && end == AT_FIRST_STEP; t++) {
        end = setjmp(end_of_run);
        if (end == 0)
            enter(t);
    }
    starting = false;
    explore_running = NULL;
    return end;
}

enum run_end schedule_run(unsigned count, void (*body)(unsigned number))
{
    explore_thread_count = count;
    thread_body = body;
    prepare_run();
    int end = start_threads();
    if (end == AT_FIRST_STEP) {
        end = setjmp(end_of_run);
        if (end == 0)
            enter(order_decide());
    }
    explore_running = NULL;
    ms_thread_slot_plus_one = 1;
    return (enum run_end)(end - 1);
}

const char *schedule_failure(void)
{
    return failure;
}
