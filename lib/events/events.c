/* SPDX-License-Identifier: Apache-2.0 */
#include "events/events.h"

#include "events/subscription.h"

void ms_events_init(struct ms_events *events, struct ms_budget *budget,
                    atomic_uint_least32_t *wanted, bool wipes)
{
    *events = (struct ms_events){.wanted = wanted, .budget = budget, .wipes = wipes};
    ms_mutex_init(&events->lock, MS_RANK_EVENTS);
    ms_cond_init(&events->dispatcher.wakes);
}

/* ---- Memory ---- */

void ms_events_uncharge_surplus_locked(struct ms_events *events)
{
    uint64_t needed = events->subscriptions != NULL ? events->allowance : 0;

    if (needed < events->used)
        needed = events->used;
    if (events->charged > needed) {
        ms_budget_uncharge(events->budget, events->charged - needed);
        events->charged = needed;
    }
}

void ms_events_allow(struct ms_events *events, uint64_t bytes)
{
    ms_mutex_lock(&events->lock);
    events->allowance = bytes;
    ms_events_uncharge_surplus_locked(events);
    ms_mutex_unlock(&events->lock);
}

uint64_t ms_events_uncharged(struct ms_events *events)
{
    ms_mutex_lock(&events->lock);
    const uint64_t missing =
        events->allowance > events->charged ? events->allowance - events->charged : 0;
    ms_mutex_unlock(&events->lock);
    return missing;
}

uint64_t ms_events_charged(struct ms_events *events)
{
    ms_mutex_lock(&events->lock);
    const uint64_t charged = events->charged;
    ms_mutex_unlock(&events->lock);
    return charged;
}

bool ms_events_are_subscribed(struct ms_events *events)
{
    ms_mutex_lock(&events->lock);
    const bool subscribed = events->subscriptions != NULL;
    ms_mutex_unlock(&events->lock);
    return subscribed;
}

void ms_events_fund(struct ms_events *events, uint64_t bytes)
{
    ms_mutex_lock(&events->lock);
    events->charged += bytes;
    ms_events_uncharge_surplus_locked(events);
    ms_mutex_unlock(&events->lock);
}

/* ---- Telling ---- */

static void push_locked(struct ms_events *events, const struct ms_event_note *note)
{
    struct ms_event *event = NULL;
    unsigned takers = 0, taken = 0;

    for (memstore_subscription *one = events->subscriptions; one != NULL; one = one->next)
        takers += ms_subscription_wants(one, note->kind) && ms_subscription_has_room(one);
    if (takers != 0)
        event = ms_event_make_locked(events, note, takers);
    for (memstore_subscription *one = events->subscriptions; one != NULL; one = one->next) {
        if (!ms_subscription_wants(one, note->kind))
            continue;
        if (event != NULL && ms_subscription_has_room(one))
            ms_subscription_append_locked(one, &event->links[taken++], event);
        else
            ms_subscription_lose_locked(one);
    }
}

uint64_t ms_events_push(struct ms_events *events, const struct ms_event_note *note)
{
    ms_mutex_lock(&events->lock);
    const uint64_t before = events->dropped;
    push_locked(events, note);
    const uint64_t lost = events->dropped - before;
    ms_mutex_unlock(&events->lock);
    return lost;
}

/* ---- All of them ---- */

void ms_events_stats(struct ms_events *events, memstore_event_stats *out)
{
    ms_mutex_lock(&events->lock);
    for (const memstore_subscription *one = events->subscriptions; one != NULL; one = one->next) {
        out->subscriptions += one->state == MS_SUBSCRIPTION_OPEN;
        out->waiting += one->count;
    }
    out->bytes = events->used;
    out->memory = events->charged;
    out->queued = events->queued;
    out->dropped = events->dropped;
    ms_mutex_unlock(&events->lock);
}

void ms_events_close(struct ms_events *events)
{
    ms_mutex_lock(&events->lock);
    events->closed = true;
    for (memstore_subscription *one = events->subscriptions; one != NULL; one = one->next)
        pthread_cond_broadcast(&one->changes);
    events->dispatcher.stops = true;
    if (events->dispatcher.started)
        ms_dispatcher_wake_locked(events);
    ms_mutex_unlock(&events->lock);
}

bool ms_events_calls_me(struct ms_events *events)
{
    ms_mutex_lock(&events->lock);
    const bool calls_me = ms_dispatcher_is_me_locked(events);
    ms_mutex_unlock(&events->lock);
    return calls_me;
}

void ms_events_fini(struct ms_events *events)
{
    ms_events_close(events);
    if (events->dispatcher.started)
        pthread_join(events->dispatcher.thread, NULL);
    ms_mutex_lock(&events->lock);
    for (memstore_subscription *one = events->subscriptions, *next; one != NULL; one = next) {
        next = one->next;
        if (one->fn != NULL)
            ms_subscription_free_locked(one);
    }
    ms_mutex_unlock(&events->lock);
    pthread_cond_destroy(&events->dispatcher.wakes);
    ms_mutex_destroy(&events->lock);
}

void ms_events_forget_threads(struct ms_events *events)
{
    ms_mutex_lock(&events->lock);
    events->dispatcher.started = events->dispatcher.started && ms_dispatcher_is_me_locked(events);
    ms_cond_init(&events->dispatcher.wakes);
    for (memstore_subscription *one = events->subscriptions, *next; one != NULL; one = next) {
        next = one->next;
        ms_subscription_forget_threads_locked(one);
    }
    ms_mutex_unlock(&events->lock);
}
