/* SPDX-License-Identifier: Apache-2.0 */
#include "events/dispatcher.h"

#include "events/subscription.h"
#include "platform/background.h"

/* The callback that has waited longest, or NULL: it goes to the end of the list, so that the others
 * come first next time. */
static memstore_subscription *pick_locked(struct ms_events *events)
{
    memstore_subscription **link = &events->subscriptions;

    while (*link != NULL && ((*link)->fn == NULL || (*link)->first == NULL))
        link = &(*link)->next;
    memstore_subscription *picked = *link;
    if (picked == NULL)
        return NULL;
    *link = picked->next;
    while (*link != NULL)
        link = &(*link)->next;
    *link = picked;
    picked->next = NULL;
    return picked;
}

/* Call the callback for its next event. The lock held, but not meanwhile. */
static void call_locked(struct ms_events *events, memstore_subscription *subscription)
{
    memstore_event event;

    ms_subscription_take_locked(subscription, &event);
    subscription->runs = true;
    ms_mutex_unlock(&events->lock);
    /* The callback gets a copy: what it does to that is nothing to us. */
    memstore_event shown = event;
    const bool ends = subscription->fn(&shown, subscription->context) != 0;
    if (event.value.pin != NULL)
        ms_event_view_release(&event.value);
    ms_mutex_lock(&events->lock);
    subscription->runs = false;
    if (ends)
        subscription->state = MS_SUBSCRIPTION_CLOSING;
    if (subscription->waiters != 0)
        pthread_cond_broadcast(&subscription->changes); /* who waits frees it */
    else if (subscription->state == MS_SUBSCRIPTION_CLOSING)
        ms_subscription_free_locked(subscription);
}

static void *dispatch(void *argument)
{
    struct ms_events *events = argument;

    ms_mutex_lock(&events->lock);
    for (;;) {
        memstore_subscription *subscription = pick_locked(events);

        if (subscription != NULL)
            call_locked(events, subscription);
        else if (events->dispatcher.stops)
            break;
        else
            ms_cond_wait(&events->dispatcher.wakes, &events->lock);
    }
    ms_mutex_unlock(&events->lock);
    return NULL;
}

bool ms_dispatcher_wake_locked(struct ms_events *events)
{
    struct ms_dispatcher *dispatcher = &events->dispatcher;
    if (dispatcher->started)
        pthread_cond_signal(&dispatcher->wakes);
    else
        dispatcher->started =
            ms_background_start(&dispatcher->thread, "memstore-events", dispatch, events);
    return dispatcher->started;
}

bool ms_dispatcher_is_me_locked(const struct ms_events *events)
{
    return events->dispatcher.started && pthread_equal(events->dispatcher.thread, pthread_self());
}
