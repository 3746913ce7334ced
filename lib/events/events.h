/* SPDX-License-Identifier: Apache-2.0 */
/* What happened to a store, told to those who subscribed: queues of events, one for each subscriber.
 *
 *     push ---> event (one copy of key and value, counted references)
 *                 ^        ^
 *                link     link         one for each subscriber who takes it, in the event's own block
 *                 |        |
 *              queue A   queue B ---> next: the link's reference becomes the view's
 *
 * A push never waits for a subscriber: who has no room for an event loses it, which is counted and told
 * by the next event that he gets. Writers push with the shard of the key locked, so that events of one
 * key are in the order in which they happened.
 *
 * Keys and values are copied, because what is pushed is on its way out: pins would keep in place the
 * very segments that eviction empties. Only an entry that has a segment of its own is pinned instead:
 * that holds its bytes and no others, and copying it would take long under the shard's lock.
 *
 * EV-1  An event has a reference from each queue that it is in and from each view that was given of it.
 * EV-2  `used` is the sum of all events that are not freed, at most `charged`, which is charged to the
 *       store's budget, when an event is pushed.
 * EV-3  `*wanted` has the bits of all subscriptions but those that are being opened or closed.
 * EV-4  A subscription that is closing is in no thread's hands when it is freed: `waiters` is 0 and no
 *       callback runs.
 *
 * Lock: one for all of it, a leaf; callbacks run without it (dispatcher.c). */
#ifndef MS_EVENTS_EVENTS_H
#define MS_EVENTS_EVENTS_H

#include "platform/thread.h"
#include "segment/budget.h"
#include "segment/segment.h"

#include <memstore/events.h>

struct ms_event;

/* An event in a queue. */
struct ms_event_link {
    struct ms_event_link *next;
    struct ms_event *event;
    uint64_t dropped; /* events that the queue lost right before this one */
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
    bool opening;          /* nothing is told yet: room is being made for what is going to be */
    bool closing;
    bool woken;       /* a wait is to end */
    unsigned waiters; /* in ms_subscription_next() or waiting for a callback's end */
    pthread_cond_t changes;
    /* Of one that the dispatcher serves. */
    memstore_event_fn fn; /* else NULL */
    void *context;
    bool runs; /* fn is running */
};

struct ms_dispatcher {
    bool started; /* and not joined yet */
    bool stops;   /* it ends when nothing waits any more */
    pthread_t thread;
    pthread_cond_t wakes;
};

struct ms_events {
    atomic_uint_least32_t *wanted;
    struct ms_budget *budget;
    ms_mutex lock;
    /* All below under the lock. */
    struct memstore_subscription *subscriptions;
    uint64_t allowance; /* what events should be able to take while somebody subscribes */
    uint64_t charged;
    uint64_t used;
    bool closed; /* nothing is pushed any more */
    bool wipes;  /* copies are overwritten before they are freed; constant */
    uint64_t queued, dropped;
    struct ms_dispatcher dispatcher;
};

/* What happened. */
struct ms_event_note {
    uint32_t kind;
    struct ms_segment *segment; /* to be pinned, in place of copying; or NULL */
    const void *key, *value;
    size_t key_size, value_size;
    uint64_t version;
    int64_t expires_at_ms;
};

/* What the value of an alert's event is, until it is taken. */
struct ms_alert_note {
    uint32_t alert, raised;
    double value, threshold;
};

void ms_events_init(struct ms_events *events, struct ms_budget *budget,
                    atomic_uint_least32_t *wanted, bool wipes);
/* All subscriptions but those with a callback are closed, all views released. Waits for the
 * dispatcher. */
void ms_events_fini(struct ms_events *events);

/* ---- Memory ---- */

/* What events may take from now on. What is charged above it is given back as far as it is not in
 * use. */
void ms_events_allow(struct ms_events *events, uint64_t bytes);
/* Bytes that are to be charged before there may be subscriptions; 0 = none. */
uint64_t ms_events_uncharged(struct ms_events *events);
uint64_t ms_events_charged(struct ms_events *events);
/* Whether there are subscriptions, those included that are being opened. */
bool ms_events_are_subscribed(struct ms_events *events);
/* So many have been charged for it. */
void ms_events_fund(struct ms_events *events, uint64_t bytes);

/* ---- Telling ---- */

/* Hand an event to all who want it. Any lock but leaves may be held. Returns how many of them had no
 * room for it. */
uint64_t ms_events_push(struct ms_events *events, const struct ms_event_note *note);
/* The store is closed: who waits is told so when his queue is empty. */
void ms_events_close(struct ms_events *events);
/* The caller is a callback, for whose end ms_events_fini() would wait. */
bool ms_events_calls_me(struct ms_events *events);

/* ---- Subscribing ---- */

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

void ms_events_stats(struct ms_events *events, memstore_event_stats *out);

/* ---- Views of events ---- */

/* Release a view that was taken with an event, which its `pin` refers to, marked by the second lowest
 * bit. */
void ms_event_view_release(memstore_view *view);

/* ---- The dispatcher (dispatcher.c); the lock held ---- */

/* Something waits for a callback, or the store is closed. False when there is no thread. */
bool ms_dispatcher_wake_locked(struct ms_events *events);
/* The thread is the dispatcher's. */
bool ms_dispatcher_is_me_locked(const struct ms_events *events);

/* ---- For dispatcher.c ---- */

/* Take the first event of a queue, which is not empty. The lock held. */
void ms_subscription_take_locked(memstore_subscription *subscription, memstore_event *event);
/* Unlink a subscription that is closing and free it. The lock held. */
void ms_subscription_free_locked(memstore_subscription *subscription);

/* In the child of a fork(), across which the lock was held, while it has one thread: nothing waits,
 * nobody does. */
void ms_events_forget_threads(struct ms_events *events);

#endif
