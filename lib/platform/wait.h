/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be done before the calling thread waits.
 *
 * Who calls the library may hold something that others need to come on: Python's lock on its
 * interpreter, without which the thread that holds the views that are waited for cannot release them.
 * Such a caller names a function here, for the length of a call, that gives it up. It is called once at
 * the most, before the first wait of the call that may be long, and what is given up is taken back
 * by the caller, after the call:
 *
 * WT-1  Nothing of the caller's is waited for inside the library, where locks may be held.
 *
 * And how long it waits, where its caller does not have as much time as the store would give it.
 *
 * And what it does now and then while it waits for a load, which takes as long as others make it take:
 *
 * WT-2  A caller is asked whether to wait on with no lock held and in no read section, so that it may do
 *       whatever a loader may. */
#ifndef MS_PLATFORM_WAIT_H
#define MS_PLATFORM_WAIT_H

#include "platform/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL in most threads, and after it was called. It takes no lock of the library and does not wait
 * for who may be waiting for one. */
extern __thread void (*ms_before_wait)(void);

/* About to wait for what others do, or to do work of unknown length. */
static inline void ms_wait_begins(void)
{
    void (*const before_wait)(void) = ms_before_wait;

    if (ms_likely(before_wait == NULL))
        return;
    ms_before_wait = NULL;
    before_wait();
}

/* Sleep for a moment, to look again after it. */
void ms_wait_us(uint32_t us);

/* ---- By the caller's own wish ---- */

#define MS_WAIT_UNBOUNDED INT64_MAX

/* How long the calls of a thread may wait, whatever else bounds them. */
struct ms_wait_bound {
    int64_t allowed_us; /* in all, or MS_WAIT_UNBOUNDED */
    int64_t until_us; /* when that is over, in ms_clock_real_us(), once something was waited for */
    const int64_t *stop; /* no longer once others have set this to another value than 0; or NULL */
    /* For a call that is made again after its bound was over: what the store allows it counts from this
     * time on, in ms_clock_real_us(); 0 = from when it waits. */
    int64_t since_us;
};
extern __thread struct ms_wait_bound ms_wait_bound;

/* From now on. */
void ms_wait_bind(int64_t allowed_us, const int64_t *stop);

/* The deadline of a wait that begins now, in ms_clock_real_us(), which may come sooner than the one
 * given. */
int64_t ms_wait_deadline(int64_t deadline_us);
/* The same for who knows what ms_clock_real_us() says. */
int64_t ms_wait_deadline_from(int64_t now_us, int64_t deadline_us);

/* Whether the bound is over, or who was asked did not want to wait on, so that what was not had may be for want
 * of patience. */
bool ms_wait_was_cut(void);

/* Whether somebody ended the thread's waits. */
static inline bool ms_wait_is_stopped(void)
{
    const int64_t *const stop = ms_wait_bound.stop;

    return ms_unlikely(stop != NULL) && __atomic_load_n(stop, __ATOMIC_RELAXED) != 0;
}

/* Whether a wait is over that was to last until this deadline. */
bool ms_wait_is_over(int64_t deadline_us);

/* How long to sleep in such a wait before looking whether it is: until the deadline, or shorter where
 * it may be stopped. */
int64_t ms_wait_look(int64_t deadline_us);

/* ---- Waits for loads ---- */

struct ms_wait_asked {
    bool (*goes_on)(void *context);
    void *context;
    bool gave_up; /* he did not want to: what was not had is for want of his patience */
};

/* Who is asked during such waits of the thread; NULL in most threads. */
extern __thread struct ms_wait_asked *ms_wait_asked;

/* Until when to wait before asking, or, with nobody to ask, to the deadline. */
int64_t ms_wait_until_asking(int64_t deadline_us);

/* That time has come: whether it is not the deadline, and who is asked wants to wait on. */
bool ms_wait_goes_on(int64_t deadline_us);

#endif
