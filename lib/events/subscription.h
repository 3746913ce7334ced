/* SPDX-License-Identifier: Apache-2.0 */
/* Who wants to know what happens to a store, and the queue of what waits for him. */
#ifndef MS_EVENTS_SUBSCRIPTION_H
#define MS_EVENTS_SUBSCRIPTION_H

#include "events/events.h"

enum ms_subscription_state {
    MS_SUBSCRIPTION_OPENING, /* nothing is told yet: room is being made for what is going to be */
    MS_SUBSCRIPTION_OPEN,
    MS_SUBSCRIPTION_CLOSING
};

struct memstore_subscription {
    struct ms_events *events;
    struct memstore_subscription *next; /* in the list of all */
    uint32_t mask;
    size_t limit; /* most events that wait; 0 = as many as there is memory for */
    size_t count;
    struct ms_event_link *first, *last;
    uint64_t dropped;      /* ever */
    uint64_t dropped_told; /* of these, before the last event that was queued */
    enum ms_subscription_state state;
    bool woken;       /* a wait is to end */
    unsigned waiters; /* in ms_subscription_next() or waiting for a callback's end */
    pthread_cond_t changes;
    /* Of one that the dispatcher serves. */
    memstore_event_fn fn; /* else NULL */
    void *context;
    bool runs; /* fn is running */
};

/* A subscription, to which nothing is told before it is opened; NULL when there is no memory. With `fn`
 * the dispatcher calls that, else ms_subscription_next() is called for it. */
memstore_subscription *ms_events_subscribe(struct ms_events *events, uint32_t mask, size_t limit,
                                           memstore_event_fn fn, void *context);
/* What happens from now on is told. */
void ms_subscription_open(memstore_subscription *subscription);
/* In place of that: it is freed. */
void ms_subscription_abandon(memstore_subscription *subscription);
/* The next event: OK, LOCK_TIMEOUT when none came, CACHE_CLOSED. A negative timeout is none. */
int ms_subscription_next(memstore_subscription *subscription, int64_t timeout_ms,
                         memstore_event *event);
/* One wait ends, one of the future if there is none now. */
void ms_subscription_wake(memstore_subscription *subscription);
uint64_t ms_subscription_dropped(memstore_subscription *subscription);
/* Whoever waits for an event of it returns; then it is freed. */
void ms_subscription_close(memstore_subscription *subscription);
/* Close the one with this callback, waiting for it to end, unless it is the callback that asks:
 * false when there is none. */
bool ms_events_unsubscribe(struct ms_events *events, memstore_event_fn fn, void *context);

/* ---- The lock held ---- */

static inline bool ms_subscription_wants(const memstore_subscription *subscription, uint32_t kind)
{
    return (subscription->mask & kind) != 0 && subscription->state == MS_SUBSCRIPTION_OPEN;
}

static inline bool ms_subscription_has_room(const memstore_subscription *subscription)
{
    return subscription->limit == 0 || subscription->count < subscription->limit;
}

/* An event is added to the queue, by a link of its own; */
void ms_subscription_append_locked(memstore_subscription *subscription, struct ms_event_link *link,
                                   struct ms_event *event);
/* or there is no room for it. */
void ms_subscription_lose_locked(memstore_subscription *subscription);
/* Take the first event of a queue, which is not empty. */
void ms_subscription_take_locked(memstore_subscription *subscription, memstore_event *event);
/* Unlink a subscription that is closing and free it. */
void ms_subscription_free_locked(memstore_subscription *subscription);
/* In the child of a fork(): its queue is empty, nobody waits for it, and it is freed when whoever was
 * opening or closing it is gone. */
void ms_subscription_forget_threads_locked(memstore_subscription *subscription);

#endif
