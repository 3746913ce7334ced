/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/notify.h"

#include "store/lookup.h"
#include "store/space/resize.h"
#include "store/space/room.h"
#include "store/watch/store_log.h"

#include <stdio.h>

/* Without events.queue_memory: this part of the limit, but not more than that. */
#define ALLOWANCE_DIVISOR 16
#define ALLOWANCE_MOST (UINT64_C(16) << 20)
/* What is left to entries at the least when memory for events was had by evicting. */
#define SEGMENTS_LEFT (MS_ARENA_MIN_SEGMENTS / 2)

static void push(memstore *store, const struct ms_event_note *note)
{
    const uint64_t lost = ms_events_push(&store->events, note);

    if (ms_unlikely(lost != 0))
        ms_tell_events_dropped(store, lost);
}

/* ---- Removals ---- */

void ms_notify_of_removal(memstore *store, const struct ms_found *found, uint32_t kind)
{
    const int64_t expiry = ms_found_expiry(found);
    const struct ms_event_note note = {
        .kind = kind,
        .segment = found->segment->is_solo ? found->segment : NULL,
        .key = found->parts.key,
        .value = found->parts.value,
        .key_size = found->parts.key_size,
        .value_size = found->parts.value_size,
        .version = ms_found_version(store, found),
        .expires_at_ms = expiry == MS_NEVER ? 0 : expiry + ms_clock_unix_offset_ms(),
    };

    push(store, &note);
}

/* ---- Alerts ---- */

void ms_notify_alert(memstore *store, const struct ms_alert_note *alert)
{
    const struct ms_event_note note = {
        .kind = MEMSTORE_EVENT_ALERT, .key = "", .value = alert, .value_size = sizeof *alert};

    if ((ms_load_relaxed(&store->events_wanted) & MEMSTORE_EVENT_ALERT) != 0)
        push(store, &note);
}

/* ---- Memory ---- */

uint64_t ms_notify_allowance(const struct ms_settings *settings)
{
    const uint64_t share = settings->limit / ALLOWANCE_DIVISOR;

    if (settings->event_memory != 0)
        return settings->event_memory;
    return share < ALLOWANCE_MOST ? share : ALLOWANCE_MOST;
}

/* Whether so many bytes can be had by evicting what may go: where not, all of it would go in vain. */
static bool can_be_had(memstore *store, uint64_t bytes)
{
    struct ms_arena *arena = &store->arena;

    return ms_room_that_stays(store) + ms_arena_pinned(arena) + bytes +
               ((uint64_t)SEGMENTS_LEFT << arena->segment_shift) <=
           ms_budget_limit(&arena->budget);
}

/* Charge what events may take and was not charged yet. */
static int fund(memstore *store)
{
    struct ms_budget *budget = &store->arena.budget;
    const uint64_t spare = (uint64_t)store->arena.reserve << store->arena.segment_shift;
    const uint64_t bytes = ms_events_uncharged(&store->events);
    const int64_t deadline = ms_store_deadline(store);
    struct ms_budget_mark asked = ms_budget_mark(budget);

    if (bytes == 0)
        return MEMSTORE_OK;
    while (!ms_budget_charge(budget, bytes, spare)) {
        const int status = can_be_had(store, bytes)
                               ? ms_room_make_to_charge(store, bytes, deadline, &asked)
                               : MEMSTORE_ERR_MEMORY_EXHAUSTED;
        if (status != MEMSTORE_OK)
            return status;
    }
    ms_events_fund(&store->events, bytes);
    return MEMSTORE_OK;
}

int ms_notify_reconfigured(memstore *store, const struct ms_settings *settings)
{
    ms_events_allow(&store->events, ms_notify_allowance(settings));
    return ms_events_are_subscribed(&store->events) ? fund(store) : MEMSTORE_OK;
}

static void say_why_not(int status, char why[static MS_WHY_SIZE])
{
    snprintf(why, MS_WHY_SIZE, "%s",
             status == MEMSTORE_ERR_CACHE_FULL ? "so much is not free, and eviction is none"
             : status == MEMSTORE_ERR_MEMORY_EXHAUSTED
                 ? "views, the index and what the store needs for itself leave no room for it"
                 : "so much was not had within performance.lock_timeout");
}

int ms_notify_raise(memstore *store, const struct ms_settings *next, char why[static MS_WHY_SIZE])
{
    const struct ms_settings *const now = &store->settings;

    if (ms_notify_allowance(next) <= ms_notify_allowance(now))
        return MEMSTORE_OK;
    const int status = ms_notify_reconfigured(store, next);
    /* Of what comes with a higher limit alone they do with what there is. */
    if (status == MEMSTORE_OK || next->event_memory == now->event_memory)
        return MEMSTORE_OK;
    say_why_not(status, why);
    return status;
}

uint64_t ms_notify_lacks(memstore *store, const struct ms_settings *next)
{
    const uint64_t wanted = ms_notify_allowance(next), charged = ms_events_charged(&store->events);

    return ms_events_are_subscribed(&store->events) && wanted > charged ? wanted - charged : 0;
}

void ms_notify_grant(memstore *store, const struct ms_settings *next, uint64_t bytes)
{
    ms_events_allow(&store->events, ms_notify_allowance(next));
    ms_events_fund(&store->events, bytes);
}

void ms_notify_take_back(memstore *store)
{
    ms_events_allow(&store->events, ms_notify_allowance(&store->settings));
}

/* ---- Subscribing ---- */

int ms_notify_subscribe(memstore *store, uint32_t mask, size_t limit, memstore_event_fn fn,
                        void *context, memstore_subscription **out)
{
    memstore_subscription *subscription =
        ms_events_subscribe(&store->events, mask, limit, fn, context);

    if (subscription == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    /* Now that there is a subscription the memory stays set aside; what goes for it is not told. */
    const int status = fund(store);
    if (status != MEMSTORE_OK) {
        ms_subscription_abandon(subscription);
        return status;
    }
    ms_subscription_open(subscription);
    *out = subscription;
    return MEMSTORE_OK;
}
