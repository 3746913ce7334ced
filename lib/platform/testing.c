/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/testing.h"

#ifdef MS_TESTING

#include "platform/atomic.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static _Atomic(ms_testing_hook) hook;
static _Atomic(void *) hook_context;

/* Of this thread, under the lock that it holds. */
static _Thread_local size_t work_done;

static atomic_int planted;

static atomic_uint_least64_t memory_requests;
static atomic_uint_least64_t failing_request;
static atomic_bool fail_all_after;

static atomic_uint_least64_t file_steps;
static atomic_uint_least64_t stopping_step;
static atomic_int file_end;
static _Thread_local bool dies_after_writing;

static _Atomic(const char *) system_root;

static atomic_bool clock_replaced;
static atomic_int_least64_t clock_lag;
static atomic_int_least64_t fake_monotonic;
static atomic_int_least64_t fake_unix;

void ms_testing_set_hook(ms_testing_hook new_hook, void *context)
{
    atomic_store(&hook_context, context);
    atomic_store(&hook, new_hook);
}

void ms_testing_reach(enum ms_testing_point point)
{
    const ms_testing_hook current = ms_load_acquire(&hook);

    if (current != NULL)
        current(point, ms_load_relaxed(&hook_context));
}

void ms_testing_reach_after(enum ms_testing_point point, size_t work)
{
    work_done = work;
    ms_testing_reach(point);
}

size_t ms_testing_work(void)
{
    return work_done;
}

void ms_testing_plant(enum ms_testing_fault fault)
{
    atomic_store(&planted, (int)fault);
}

bool ms_testing_has_fault(enum ms_testing_fault fault)
{
    return ms_load_relaxed(&planted) == (int)fault;
}

void ms_testing_fail_memory(uint64_t n, bool all_after)
{
    atomic_store(&memory_requests, 0);
    atomic_store(&fail_all_after, all_after);
    atomic_store(&failing_request, n);
}

uint64_t ms_testing_memory_requests(void)
{
    return atomic_load(&memory_requests);
}

bool ms_testing_refuses_memory(void)
{
    const uint64_t request = atomic_fetch_add(&memory_requests, 1) + 1;
    const uint64_t failing = atomic_load(&failing_request);

    if (failing == 0)
        return false;
    return request == failing || (request > failing && atomic_load(&fail_all_after));
}

void ms_testing_stop_file(uint64_t n, enum ms_testing_file_end end)
{
    atomic_store(&file_steps, 0);
    atomic_store(&file_end, (int)end);
    atomic_store(&stopping_step, n);
}

uint64_t ms_testing_file_steps(void)
{
    return atomic_load(&file_steps);
}

int ms_testing_file_step(size_t *size)
{
    const uint64_t step = atomic_fetch_add(&file_steps, 1) + 1;

    if (step != atomic_load(&stopping_step))
        return 0;
    if (atomic_load(&file_end) == MS_FILE_HANGS) {
        while (atomic_load(&stopping_step) == step)
            usleep(1000);
        return 0;
    }
    if (size != NULL)
        *size /= 2;
    if (atomic_load(&file_end) == MS_FILE_FAILS)
        return EIO;
    /* A write of which something was written is told as a short one. */
    if (atomic_load(&file_end) == MS_FILE_IS_INTERRUPTED)
        return size != NULL ? 0 : EINTR;
    dies_after_writing = size != NULL;
    if (!dies_after_writing)
        kill(getpid(), SIGKILL);
    return 0;
}

void ms_testing_file_wrote(void)
{
    if (dies_after_writing)
        kill(getpid(), SIGKILL);
}

void ms_testing_set_system_root(const char *folder)
{
    atomic_store(&system_root, folder);
}

const char *ms_testing_system_root(void)
{
    const char *const folder = ms_load_acquire(&system_root);

    return folder != NULL ? folder : "";
}

void ms_testing_set_clock(int64_t monotonic_ms, int64_t unix_ms)
{
    atomic_store(&fake_monotonic, monotonic_ms);
    atomic_store(&fake_unix, unix_ms);
    atomic_store(&clock_replaced, true);
}

void ms_testing_set_clock_lag(int64_t ms)
{
    atomic_store(&clock_lag, ms);
}

int64_t ms_testing_clock_lag(void)
{
    return atomic_load(&clock_lag);
}

void ms_testing_use_real_clock(void)
{
    atomic_store(&clock_replaced, false);
}

bool ms_testing_clock(int64_t *monotonic_ms, int64_t *unix_ms)
{
    if (!atomic_load(&clock_replaced))
        return false;
    *monotonic_ms = atomic_load(&fake_monotonic);
    *unix_ms = atomic_load(&fake_unix);
    return true;
}

#else

/* ISO C asks for a declaration in every file. */
typedef int ms_testing_is_compiled_out;

#endif
