/* SPDX-License-Identifier: Apache-2.0 */
#include "events/subscription.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "util/abi.h"

#include <memstore/status.h>

/* ---- Queues ---- */

void ms_subscription_lose_locked(memstore_subscription *subscription)
{
    subscription->dropped++;
    subscription->events->dropped++;
}

void ms_subscription_append_locked(memstore_subscription *subscription, struct ms_event_link *link,
                                   struct ms_event *event)
{
    *link = (struct ms_event_link){.event = event,
                                   .dropped = subscription->dropped - subscription->dropped_told};
    subscription->dropped_told = subscription->dropped;
    if (subscription->last != NULL)
        subscription->last->next = link;
    else
        subscription->first = link;
    subscription->last = link;
    subscription->count++;
    subscription->events->queued++;
    if (subscription->fn != NULL)
        ms_dispatcher_wake_locked(subscription->events);
    else if (subscription->waiters != 0)
        pthread_cond_signal(&subscription->changes);
}

static struct ms_event *pop_locked(memstore_subscription *subscription, uint64_t *dropped)
{
    struct ms_event_link *link = subscription->first;

    subscription->first = link->next;
    if (subscription->first == NULL)
        subscription->last = NULL;
    subscription->count--;
    *dropped = link->dropped;
    return link->event;
}

static void empty_locked(memstore_subscription *subscription)
{
    uint64_t dropped;

    while (subscription->first != NULL)
        ms_event_drop_locked(pop_locked(subscription, &dropped));
}

void ms_subscription_take_locked(memstore_subscription *subscription, memstore_event *out)
{
    uint64_t dropped;
    struct ms_event *event = pop_locked(subscription, &dropped);

    ms_event_hand_out_locked(event, dropped, out);
}

/* ---- Subscriptions ---- */

static void sum_wanted_locked(struct ms_events *events)
{
    uint32_t wanted = 0;

    for (const memstore_subscription *one = events->subscriptions; one != NULL; one = one->next)
        wanted |= one->state == MS_SUBSCRIPTION_OPEN ? one->mask : 0;
    /* ORDER: relaxed; a writer that began before may or may not tell. */
    ms_store_relaxed(events->wanted, wanted);
}

memstore_subscription *ms_events_subscribe(struct ms_events *events, uint32_t mask, size_t limit,
                                           memstore_event_fn fn, void *context)
{
    memstore_subscription *subscription = ms_mem_alloc(sizeof *subscription);

    if (subscription == NULL)
        return NULL;
    *subscription = (memstore_subscription){.events = events,
                                            .mask = mask,
                                            .limit = limit,
                                            .fn = fn,
                                            .context = context,
                                            .state = MS_SUBSCRIPTION_OPENING};
    ms_cond_init(&subscription->changes);
    ms_mutex_lock(&events->lock);
    subscription->next = events->subscriptions;
    events->subscriptions = subscription;
    if (fn != NULL && !ms_dispatcher_wake_locked(events)) {
        ms_subscription_free_locked(subscription);
        subscription = NULL;
    }
    ms_mutex_unlock(&events->lock);
    return subscription;
}

void ms_subscription_open(memstore_subscription *subscription)
{
    struct ms_events *events = subscription->events;

    ms_mutex_lock(&events->lock);
    subscription->state = MS_SUBSCRIPTION_OPEN;
    sum_wanted_locked(events);
    ms_mutex_unlock(&events->lock);
}

void ms_subscription_abandon(memstore_subscription *subscription)
{
    struct ms_events *events = subscription->events;

    ms_mutex_lock(&events->lock);
    ms_subscription_free_locked(subscription);
    ms_mutex_unlock(&events->lock);
}

void ms_subscription_free_locked(memstore_subscription *subscription)
{
    struct ms_events *events = subscription->events;

    for (memstore_subscription **link = &events->subscriptions; *link != NULL;
         link = &(*link)->next) {
        if (*link == subscription) {
            *link = subscription->next;
            break;
        }
    }
    empty_locked(subscription);
    ms_events_uncharge_surplus_locked(events);
    sum_wanted_locked(events);
    pthread_cond_destroy(&subscription->changes);
    ms_mem_free(subscription);
}

static void begin_closing_locked(memstore_subscription *subscription)
{
    subscription->state = MS_SUBSCRIPTION_CLOSING;
    empty_locked(subscription);
    sum_wanted_locked(subscription->events);
    pthread_cond_broadcast(&subscription->changes);
}

void ms_subscription_close(memstore_subscription *subscription)
{
    struct ms_events *events = subscription->events;

    ms_mutex_lock(&events->lock);
    begin_closing_locked(subscription);
    while (subscription->waiters != 0)
        ms_cond_wait(&subscription->changes, &events->lock);
    ms_subscription_free_locked(subscription);
    ms_mutex_unlock(&events->lock);
}

/* The one with this callback that is open, or is closing, or NULL; of those that are closing, one whose
 * callback still runs. */
static memstore_subscription *find_locked(struct ms_events *events, memstore_event_fn fn,
                                          void *context, enum ms_subscription_state state)
{
    memstore_subscription *one = events->subscriptions;

    while (one != NULL && (one->fn != fn || one->context != context || one->state != state ||
                           (state == MS_SUBSCRIPTION_CLOSING && !one->runs)))
        one = one->next;
    return one;
}

/* Wait for the callback of one that is closing. Who waits last frees it. */
static void await_callback_locked(memstore_subscription *subscription)
{
    subscription->waiters++;
    while (subscription->runs)
        ms_cond_wait(&subscription->changes, &subscription->events->lock);
    if (--subscription->waiters == 0)
        ms_subscription_free_locked(subscription);
}

bool ms_events_unsubscribe(struct ms_events *events, memstore_event_fn fn, void *context)
{
    ms_mutex_lock(&events->lock);
    memstore_subscription *const open = find_locked(events, fn, context, MS_SUBSCRIPTION_OPEN);
    if (open != NULL) {
        begin_closing_locked(open);
        if (!open->runs)
            ms_subscription_free_locked(open);
    }
    /* Others may be waiting for it already, or it may have asked for its end itself. */
    if (!ms_dispatcher_is_me_locked(events)) {
        memstore_subscription *closing;

        while ((closing = find_locked(events, fn, context, MS_SUBSCRIPTION_CLOSING)) != NULL)
            await_callback_locked(closing);
    }
    ms_mutex_unlock(&events->lock);
    return open != NULL;
}

/* What the first version of memstore_event had. */
#define FIRST_EVENT_SIZE (offsetof(memstore_event, dropped) + sizeof(uint64_t))

#define LONGEST_WAIT_MS (INT64_C(1) << 40)

/* When a wait ends, in ms_clock_real_us(). */
static int64_t end_of_wait(int64_t timeout_ms)
{
    if (timeout_ms == 0)
        return 0;
    if (timeout_ms < 0 || timeout_ms > LONGEST_WAIT_MS)
        timeout_ms = LONGEST_WAIT_MS;
    return ms_clock_real_us() + timeout_ms * 1000;
}

/* OK when an event waits. */
static int await_event_locked(memstore_subscription *subscription, int64_t end_us)
{
    struct ms_events *events = subscription->events;
    int status = MEMSTORE_OK;

    subscription->waiters++;
    while (status == MEMSTORE_OK && subscription->first == NULL) {
        if (subscription->state == MS_SUBSCRIPTION_CLOSING || events->closed)
            status = MEMSTORE_ERR_CACHE_CLOSED;
        else if (end_us == 0 || subscription->woken || ms_clock_real_us() >= end_us)
            status = MEMSTORE_ERR_LOCK_TIMEOUT;
        else
            ms_cond_wait_until(&subscription->changes, &events->lock, end_us);
    }
    if (status == MEMSTORE_ERR_LOCK_TIMEOUT && end_us != 0)
        subscription->woken = false;
    if (--subscription->waiters == 0 && subscription->state == MS_SUBSCRIPTION_CLOSING)
        pthread_cond_broadcast(&subscription->changes);
    return status;
}

int ms_subscription_next(memstore_subscription *subscription, int64_t timeout_ms,
                         memstore_event *event)
{
    struct ms_events *events = subscription->events;
    const int64_t end_us = end_of_wait(timeout_ms);
    memstore_event ours;

    /* Without the view nobody could release it. */
    if (event->struct_size < FIRST_EVENT_SIZE || !ms_abi_is_size(event->struct_size))
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    ms_mutex_lock(&events->lock);
    const int status = await_event_locked(subscription, end_us);
    if (status == MEMSTORE_OK)
        ms_subscription_take_locked(subscription, &ours);
    ms_mutex_unlock(&events->lock);
    return status == MEMSTORE_OK ? ms_abi_store(event, &ours, sizeof ours) : status;
}

void ms_subscription_wake(memstore_subscription *subscription)
{
    ms_mutex_lock(&subscription->events->lock);
    subscription->woken = true;
    pthread_cond_signal(&subscription->changes);
    ms_mutex_unlock(&subscription->events->lock);
}

uint64_t ms_subscription_dropped(memstore_subscription *subscription)
{
    ms_mutex_lock(&subscription->events->lock);
    const uint64_t dropped = subscription->dropped;
    ms_mutex_unlock(&subscription->events->lock);
    return dropped;
}

void ms_subscription_forget_threads_locked(memstore_subscription *subscription)
{
    subscription->waiters = 0;
    subscription->runs = subscription->runs && subscription->events->dispatcher.started;
    ms_cond_init(&subscription->changes);
    empty_locked(subscription);
    /* Who was opening or closing it does not come back. */
    if (subscription->state == MS_SUBSCRIPTION_OPENING ||
        (subscription->state == MS_SUBSCRIPTION_CLOSING && !subscription->runs))
        ms_subscription_free_locked(subscription);
}
