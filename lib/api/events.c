/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "store/calls.h"
#include "store/watch/notify.h"
#include "util/abi.h"

static bool is_mask(uint32_t mask)
{
    return mask != 0 && (mask & ~(uint32_t)(MEMSTORE_EVENT_REMOVALS | MEMSTORE_EVENT_ALERT)) == 0;
}

static int subscribe(memstore *store, uint32_t mask, size_t limit, memstore_event_fn fn,
                     void *context, memstore_subscription **out)
{
    int status = ms_store_enter(store);

    if (status == MEMSTORE_OK) {
        status = ms_notify_subscribe(store, mask, limit, fn, context, out);
        ms_store_leave(store);
    }
    return status;
}

int memstore_subscribe(memstore *store, uint32_t mask, size_t queue_size,
                       memstore_subscription **out)
{
    if (out == NULL)
        return ms_refuse_argument(store);
    *out = NULL;
    if (store == NULL || !is_mask(mask))
        return ms_refuse_argument(store);
    return subscribe(store, mask, queue_size, NULL, NULL, out);
}

int memstore_subscription_next(memstore_subscription *subscription, int64_t timeout_ms,
                               memstore_event *event)
{
    return subscription != NULL && event != NULL
               ? ms_subscription_next(subscription, timeout_ms, event)
               : MEMSTORE_ERR_INVALID_ARGUMENT;
}

void memstore_subscription_wake(memstore_subscription *subscription)
{
    if (subscription != NULL)
        ms_subscription_wake(subscription);
}

uint64_t memstore_subscription_dropped(memstore_subscription *subscription)
{
    return subscription != NULL ? ms_subscription_dropped(subscription) : 0;
}

void memstore_subscription_close(memstore_subscription *subscription)
{
    if (subscription != NULL)
        ms_subscription_close(subscription);
}

int memstore_on_event(memstore *store, uint32_t mask, memstore_event_fn fn, void *context)
{
    memstore_subscription *subscription;

    if (store == NULL || fn == NULL || !is_mask(mask))
        return ms_refuse_argument(store);
    return subscribe(store, mask, 0, fn, context, &subscription);
}

int memstore_off_event(memstore *store, memstore_event_fn fn, void *context)
{
    if (store == NULL || fn == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    return ms_events_unsubscribe(&store->events, fn, context) ? MEMSTORE_OK
                                                              : MEMSTORE_ERR_KEY_NOT_FOUND;
}

int memstore_get_event_stats(memstore *store, memstore_event_stats *stats)
{
    memstore_event_stats now = {0};

    if (store == NULL || stats == NULL)
        return ms_refuse_argument(store);
    if (ms_store_is_closed(store))
        return MEMSTORE_ERR_CACHE_CLOSED;
    ms_events_stats(&store->events, &now);
    return ms_abi_store(stats, &now, sizeof now);
}
