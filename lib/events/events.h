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
 * Lock: one for all of it, a leaf; callbacks run without it (dispatcher.h). */
#ifndef MS_EVENTS_EVENTS_H
#define MS_EVENTS_EVENTS_H

#include "events/dispatcher.h"
#include "events/event.h"
#include "platform/thread.h"
#include "segment/budget.h"

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
/* Give back what is charged and not needed any more. The lock held. */
void ms_events_uncharge_surplus_locked(struct ms_events *events);

/* ---- Telling ---- */

/* Hand an event to all who want it. Any lock but leaves may be held. Returns how many of them had no
 * room for it. */
uint64_t ms_events_push(struct ms_events *events, const struct ms_event_note *note);
/* The store is closed: who waits is told so when his queue is empty. */
void ms_events_close(struct ms_events *events);
/* The caller is a callback, for whose end ms_events_fini() would wait. */
bool ms_events_calls_me(struct ms_events *events);

void ms_events_stats(struct ms_events *events, memstore_event_stats *out);

/* In the child of a fork(), across which the lock was held, while it has one thread: nothing waits,
 * nobody does. */
void ms_events_forget_threads(struct ms_events *events);

#endif
