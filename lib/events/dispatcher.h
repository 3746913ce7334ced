/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a store that calls callbacks. It is started for the first of them, blocks all
 * signals, and ends when the store is closed and everything is told. After fork() the child has no
 * such thread; it is started again when something is to be told there. */
#ifndef MS_EVENTS_DISPATCHER_H
#define MS_EVENTS_DISPATCHER_H

#include "platform/thread.h"

struct ms_events;

struct ms_dispatcher {
    bool started; /* and not joined yet */
    bool stops;   /* it ends when nothing waits any more */
    pthread_t thread;
    pthread_cond_t wakes;
};

/* ---- The events' lock held ---- */

/* Something waits for a callback, or the store is closed. False when there is no thread. */
bool ms_dispatcher_wake_locked(struct ms_events *events);
/* The thread is the dispatcher's. */
bool ms_dispatcher_is_me_locked(const struct ms_events *events);

#endif
