/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be done before the calling thread waits.
 *
 * Who calls the library may hold something that others need to come on: Python's lock on its
 * interpreter, without which the thread that holds the views that are waited for cannot release them.
 * Such a caller names a function here, for the length of a call, that gives it up. It is called once at
 * the most, before the first wait of the call that may be long, and what is given up is taken back
 * by the caller, after the call:
 *
 * WT-1  Nothing of the caller's is waited for inside the library, where locks may be held. */
#ifndef MS_PLATFORM_WAIT_H
#define MS_PLATFORM_WAIT_H

#include "platform/compiler.h"

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

#endif
