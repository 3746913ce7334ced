/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "store/store.h"
#include "store/write/write.h"

#include <pthread.h>
#include <unistd.h>

/* The thread state of who has given the GIL up in ms_py_release_gil(). */
static __thread PyThreadState *released;

void ms_py_release_gil(void)
{
    released = PyEval_SaveThread();
}

void ms_py_take_gil(void)
{
    PyThreadState *const thread = released;

    if (thread == NULL)
        return;
    /* Before it: an interpreter that is ending lets no thread come back from it. */
    released = NULL;
    PyEval_RestoreThread(thread);
}

/* ---- Signals ---- */

__thread signed char ms_py_main_thread;

bool ms_py_find_main_thread(void)
{
    ms_py_main_thread = getpid() == gettid() ? 1 : -1;
    return ms_py_main_thread > 0;
}

/* Whichever thread has forked is the child's main thread. */
static void forget_main_thread(void)
{
    ms_py_main_thread = 0;
}

int ms_py_gil_init(void)
{
    static bool forks_are_noted;

    if (forks_are_noted)
        return 0;
    if (pthread_atfork(NULL, NULL, forget_main_thread) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    forks_are_noted = true;
    return 0;
}

int64_t ms_py_next_slice(const struct ms_py_write *write)
{
    const int64_t waited_us = ms_clock_real_us() - write->since_us;

    return waited_us > MS_PY_LOOK_EVERY_US ? waited_us : MS_PY_LOOK_EVERY_US;
}

bool ms_py_write_goes_on(struct ms_py_write *write, int status)
{
    const bool was_cut = ms_store_gave_up(status);
    const int64_t began_us = ms_wait_bound.until_us - write->slice_us;

    ms_wait_bind(MS_WAIT_UNBOUNDED, NULL);
    if (!was_cut)
        return false;
    if (write->since_us == 0)
        write->since_us = began_us;
    return PyErr_CheckSignals() == 0;
}
