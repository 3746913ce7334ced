/* SPDX-License-Identifier: Apache-2.0 */
#include "events/events.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "util/abi.h"

#include <memstore/status.h>

/* What the allocator takes for a block beside it. */
#define BLOCK_OVERHEAD 16

struct ms_event {
    struct ms_events *events;
    atomic_uint references; /* ORDER: acq_rel, so that whoever frees comes after all who read */
    uint32_t kind;
    uint64_t bytes; /* as counted in `used` */
    struct ms_segment *segment;
    const char *key, *value;
    size_t key_size, value_size;
    uint64_t version;
    int64_t expires_at_ms, at_ms;
    struct ms_event_link links[]; /* and then key and value, unless they are pinned */
};

void ms_events_init(struct ms_events *events, struct ms_budget *budget,
                    atomic_uint_least32_t *wanted, bool wipes)
{
    *events = (struct ms_events){.wanted = wanted, .budget = budget, .wipes = wipes};
    ms_mutex_init(&events->lock, MS_RANK_EVENTS);
    ms_cond_init(&events->dispatcher.wakes);
}

/* ---- Memory ---- */

/* Give back what is charged and not needed any more. */
static void uncharge_surplus_locked(struct ms_events *events)
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
    uncharge_surplus_locked(events);
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
    uncharge_surplus_locked(events);
    ms_mutex_unlock(&events->lock);
}

/* ---- Events ---- */

static void free_event_locked(struct ms_event *event)
{
    struct ms_events *events = event->events;

    events->used -= event->bytes;
    if (event->segment != NULL)
        ms_segment_unpin(event->segment);
    ms_mem_free_wiped(event, events->wipes);
}

static void drop_reference_locked(struct ms_event *event)
{
    if (ms_sub_acq_rel(&event->references, 1) == 1)
        free_event_locked(event);
}

void ms_event_view_release(memstore_view *view)
{
    struct ms_event *event = (struct ms_event *)((uintptr_t)view->pin & ~(uintptr_t)2);
    struct ms_events *events = event->events;

    *view = (memstore_view){0};
    if (ms_sub_acq_rel(&event->references, 1) != 1)
        return;
    ms_mutex_lock(&events->lock);
    free_event_locked(event);
    uncharge_surplus_locked(events);
    ms_mutex_unlock(&events->lock);
}

/* An event that is going to be in so many queues; NULL when there is no memory for it. */
static struct ms_event *make_event_locked(struct ms_events *events,
                                          const struct ms_event_note *note, unsigned takers)
{
    const uint64_t head = sizeof(struct ms_event) + takers * sizeof(struct ms_event_link);
    const uint64_t contents = (uint64_t)note->key_size + note->value_size;
    const uint64_t bytes = head + contents + BLOCK_OVERHEAD;

    /* What is pinned counts all the same: it cannot be used for anything else. */
    if (bytes > events->charged - events->used)
        return NULL;
    struct ms_event *event = ms_mem_alloc(note->segment != NULL ? head : head + contents);
    if (event == NULL)
        return NULL;
    events->used += bytes;
    *event = (struct ms_event){.events = events,
                               .kind = note->kind,
                               .bytes = bytes,
                               .segment = note->segment,
                               .key = note->key,
                               .value = note->value,
                               .key_size = note->key_size,
                               .value_size = note->value_size,
                               .version = note->version,
                               .expires_at_ms = note->expires_at_ms,
                               .at_ms = ms_clock_unix_ms()};
    if (note->segment != NULL) {
        ms_segment_pin(note->segment);
        return event;
    }
    char *copy = (char *)event + head;
    memcpy(copy, note->key, note->key_size);
    if (note->value_size != 0)
        memcpy(copy + note->key_size, note->value, note->value_size);
    event->key = copy;
    event->value = copy + note->key_size;
    return event;
}

/* ---- Queues ---- */

static bool wants(const memstore_subscription *subscription, uint32_t kind)
{
    return (subscription->mask & kind) != 0 && !subscription->opening && !subscription->closing;
}

static bool has_room(const memstore_subscription *subscription)
{
    return subscription->limit == 0 || subscription->count < subscription->limit;
}

static void lose_locked(memstore_subscription *subscription)
{
    subscription->dropped++;
    subscription->events->dropped++;
}

static void append_locked(memstore_subscription *subscription, struct ms_event_link *link,
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
        drop_reference_locked(pop_locked(subscription, &dropped));
}

static void push_locked(struct ms_events *events, const struct ms_event_note *note)
{
    struct ms_event *event = NULL;
    unsigned takers = 0, taken = 0;

    for (memstore_subscription *one = events->subscriptions; one != NULL; one = one->next)
        takers += wants(one, note->kind) && has_room(one);
    if (takers != 0 && (event = make_event_locked(events, note, takers)) != NULL)
        ms_store_relaxed(&event->references, takers);
    for (memstore_subscription *one = events->subscriptions; one != NULL; one = one->next) {
        if (!wants(one, note->kind))
            continue;
        if (event != NULL && has_room(one))
            append_locked(one, &event->links[taken++], event);
        else
            lose_locked(one);
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

/* What there is to tell of an alert is in the struct, so that nothing is left to be released. */
static void hand_out_alert_locked(struct ms_event *event, memstore_event *out)
{
    struct ms_events *events = event->events;
    struct ms_alert_note note;

    memcpy(&note, event->value, sizeof note);
    drop_reference_locked(event);
    uncharge_surplus_locked(events);
    out->key = (memstore_key){"", 0};
    out->value = (memstore_view){0};
    out->alert = note.alert;
    out->raised = note.raised;
    out->alert_value = note.value;
    out->alert_threshold = note.threshold;
}

void ms_subscription_take_locked(memstore_subscription *subscription, memstore_event *out)
{
    uint64_t dropped;
    struct ms_event *event = pop_locked(subscription, &dropped);

    *out = (memstore_event){.struct_size = sizeof *out,
                            .kind = event->kind,
                            .key = {event->key, event->key_size},
                            .value = {.data = event->value,
                                      .size = event->value_size,
                                      .version = event->version,
                                      .expires_at_ms = event->expires_at_ms,
                                      .pin = (void *)((uintptr_t)event | 2)},
                            .at_ms = event->at_ms,
                            .dropped = dropped};
    if (event->kind == MEMSTORE_EVENT_ALERT)
        hand_out_alert_locked(event, out);
}

/* ---- Subscriptions ---- */

static void sum_wanted_locked(struct ms_events *events)
{
    uint32_t wanted = 0;

    for (const memstore_subscription *one = events->subscriptions; one != NULL; one = one->next)
        wanted |= one->opening || one->closing ? 0 : one->mask;
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
                                            .opening = true};
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
    subscription->opening = false;
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
    uncharge_surplus_locked(events);
    sum_wanted_locked(events);
    pthread_cond_destroy(&subscription->changes);
    ms_mem_free(subscription);
}

static void begin_closing_locked(memstore_subscription *subscription)
{
    subscription->closing = true;
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

/* The one with this callback that is closing or is not, or NULL; of those that are closing, one whose
 * callback still runs. */
static memstore_subscription *find_locked(struct ms_events *events, memstore_event_fn fn,
                                          void *context, bool closing)
{
    memstore_subscription *one = events->subscriptions;

    while (one != NULL && (one->fn != fn || one->context != context || one->opening ||
                           one->closing != closing || (closing && !one->runs)))
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
    memstore_subscription *const open = find_locked(events, fn, context, false);
    if (open != NULL) {
        begin_closing_locked(open);
        if (!open->runs)
            ms_subscription_free_locked(open);
    }
    /* Others may be waiting for it already, or it may have asked for its end itself. */
    if (!ms_dispatcher_is_me_locked(events)) {
        memstore_subscription *closing;

        while ((closing = find_locked(events, fn, context, true)) != NULL)
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
        if (subscription->closing || events->closed)
            status = MEMSTORE_ERR_CACHE_CLOSED;
        else if (end_us == 0 || subscription->woken || ms_clock_real_us() >= end_us)
            status = MEMSTORE_ERR_LOCK_TIMEOUT;
        else
            ms_cond_wait_until(&subscription->changes, &events->lock, end_us);
    }
    if (status == MEMSTORE_ERR_LOCK_TIMEOUT && end_us != 0)
        subscription->woken = false;
    if (--subscription->waiters == 0 && subscription->closing)
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

/* ---- All of them ---- */

void ms_events_stats(struct ms_events *events, memstore_event_stats *out)
{
    ms_mutex_lock(&events->lock);
    for (const memstore_subscription *one = events->subscriptions; one != NULL; one = one->next) {
        out->subscriptions += !one->opening && !one->closing;
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
        one->waiters = 0;
        one->runs = one->runs && events->dispatcher.started;
        ms_cond_init(&one->changes);
        empty_locked(one);
        /* Who was opening or closing it does not come back. */
        if (one->opening || (one->closing && !one->runs))
            ms_subscription_free_locked(one);
    }
    ms_mutex_unlock(&events->lock);
}
