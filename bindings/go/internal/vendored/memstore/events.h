/* SPDX-License-Identifier: Apache-2.0 */
/** @file events.h
 * What happens to entries, told as it happens: every entry that goes, once, with its key, its value
 * and the cause. And alerts: what goes over its threshold (docs/metrics.md).
 *
 *     memstore_subscription *removals;
 *     memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &removals);
 *     memstore_event event = {.struct_size = sizeof event};
 *     while (memstore_subscription_next(removals, -1, &event) == MEMSTORE_OK) {
 *         use(event.kind, event.key, event.value);
 *         memstore_view_release(&event.value);
 *     }
 *     memstore_subscription_close(removals);
 *
 * Events wait in a queue for each subscription. Events of one key come in the order in which they
 * happened. A writer never waits for a subscriber: what a queue has no room for is dropped and
 * counted, and the next event that gets into the queue says how many were lost before it. Events
 * take memory from `events.queue_memory`, which counts against the store's limit while there is a
 * subscription.
 *
 * What is told is what happens after the call that subscribes has returned, until the store is
 * closed. Closing is no event of its own: entries that are in the store then are not told. In a child
 * after fork() the queues are empty: the parent tells what was in them. docs/events.md says more. */
#ifndef MEMSTORE_EVENTS_H
#define MEMSTORE_EVENTS_H

#include <memstore/export.h>
#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What happened. Each is one bit, so that a mask can name several. */
enum memstore_event_kind {
    /** An entry was removed because its time was over: by a sweep, or by a call that met it. */
    MEMSTORE_EVENT_EXPIRED = 1,
    /** A live entry was removed to make room. */
    MEMSTORE_EVENT_EVICTED = 2,
    /** A live entry was removed by a call that deletes. */
    MEMSTORE_EVENT_DELETED = 4,
    /** A live entry was overwritten; the value told is the old one. */
    MEMSTORE_EVENT_REPLACED = 8,
    /** A live entry was removed by memstore_clear(). */
    MEMSTORE_EVENT_CLEARED = 16,
    /** All of the above: each entry that goes has exactly one of them. */
    MEMSTORE_EVENT_REMOVALS = 31,
    /** Something went over its threshold, or is back: `alert` and what follows it in the event; key and
     * value are empty, and nothing is to be released. */
    MEMSTORE_EVENT_ALERT = 32
};

/** An event. The caller sets `struct_size` to the size it was compiled with. */
typedef struct memstore_event {
    size_t struct_size; /**< [in] sizeof(memstore_event) as the caller knows it */
    uint32_t kind;      /**< one bit of memstore_event_kind: also the cause of a removal */
    uint32_t reserved;  /**< 0 */
    memstore_key key;   /**< valid as long as `value` */
    /** The value that went, with its version and when it was to expire. Valid until it is released
     * with memstore_view_release(), also when the store is closed meanwhile. */
    memstore_view value;
    int64_t at_ms;    /**< when it happened, Unix milliseconds */
    uint64_t dropped; /**< events that this subscription lost right before this one */
    /* Of an alert; else 0: */
    uint32_t alert;  /**< which: one bit of enum memstore_alert */
    uint32_t raised; /**< 1 = it is over its threshold, 0 = it is back */
    /** what was found, a share from 0 to 1. Of MEMSTORE_ALERT_BREAKER there is an event for each
     * change of a breaker, and this tells it: 1 it opened, 0.5 it is half open, 0 it closed */
    double alert_value;
    double alert_threshold; /**< what it is held against; 0 when there is no threshold any more */
} memstore_event;

/** A queue of events. */
typedef struct memstore_subscription memstore_subscription;

/** What the events of a store come to. */
typedef struct memstore_event_stats {
    size_t struct_size;     /**< [in] sizeof(memstore_event_stats) as the caller knows it */
    uint64_t subscriptions; /**< there are now, those with a callback included */
    uint64_t waiting;       /**< events in all queues, counted in each that they wait in */
    /** bytes of events that wait or whose views are held */
    uint64_t bytes;
    uint64_t memory;  /**< bytes set aside for events, which count against the limit */
    uint64_t queued;  /**< events that were ever put into a queue, counted in each */
    uint64_t dropped; /**< events that were not, for want of room, counted for each */
} memstore_event_stats;

/** Ask for events, to be taken with memstore_subscription_next(). The first subscription of a store
 * sets `events.queue_memory` bytes aside, evicting if need be.
 * @param[in] store the store; must outlive the subscription
 * @param[in] mask which kinds: bits of memstore_event_kind, at least one
 * @param[in] queue_size the most events that wait; 0 = as many as there is memory for
 * @param[out] out the subscription, for memstore_subscription_close(); NULL on failure
 * @retval MEMSTORE_OK what happens from now on is told
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or out is NULL, or mask is 0 or has an unknown bit
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory, or pins, the index and what the store
 *     needs for itself leave no room; then nothing is evicted
 * @retval MEMSTORE_ERR_CACHE_FULL eviction is off and the store has no memory to set aside
 * @retval MEMSTORE_ERR_GC_PRESSURE no memory was reclaimed within `performance.lock_timeout`
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits at most `performance.lock_timeout`, for memory.
 * @since 0.1 */
MEMSTORE_API int memstore_subscribe(memstore *store, uint32_t mask, size_t queue_size,
                                    memstore_subscription **out);

/** Take the next event, waiting for one. Several threads may do so at once: each event goes to one
 * of them.
 * @param[in] subscription the subscription
 * @param[in] timeout_ms how long to wait; 0 = not at all, negative = without bound
 * @param[in,out] event `struct_size` is read, the rest is written. `event->value` is to be released
 *     with memstore_view_release()
 * @retval MEMSTORE_OK event is filled
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT none came in time, or memstore_subscription_wake() ended the wait
 * @retval MEMSTORE_ERR_CACHE_CLOSED no more will come: the store is closed and all that had happened
 *     is taken, or another thread closes the subscription
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL, or struct_size is too small to hold any
 *     field; no event is taken
 * @threadsafety any
 * @progress Waits for an event as long as timeout_ms says, and for locks that others hold for a few
 *     steps.
 * @since 0.1 */
MEMSTORE_API int memstore_subscription_next(memstore_subscription *subscription, int64_t timeout_ms,
                                            memstore_event *event);

/** Let a thread that waits in memstore_subscription_next() return with LOCK_TIMEOUT at once; when none
 * waits, the next that would.
 * @param[in] subscription may be NULL
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API void memstore_subscription_wake(memstore_subscription *subscription);

/** How many events a subscription has lost, because its queue or the memory for events was full.
 * @param[in] subscription the subscription; NULL gives 0
 * @return the number since memstore_subscribe()
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API uint64_t memstore_subscription_dropped(memstore_subscription *subscription);

/** End a subscription. What waits in its queue is dropped; views that were taken stay valid. Threads
 * that wait in memstore_subscription_next() return with CACHE_CLOSED first. Must come before
 * memstore_destroy() of its store, before or after memstore_close().
 * @param[in] subscription may be NULL; not valid afterwards
 * @threadsafety object (threads that wait in memstore_subscription_next() excepted)
 * @progress Waits until these threads have returned.
 * @since 0.1 */
MEMSTORE_API void memstore_subscription_close(memstore_subscription *subscription);

/** Receives an event. No lock is held and no writer waits: it may call every function of the store,
 * memstore_close() included; memstore_destroy() only closes it. The event, its key and its value are valid
 * during the call. Callbacks of one store run in one thread, one after the other: one that takes
 * long delays the others, and what has no room meanwhile is dropped.
 * @return 0 to go on, anything else to end this subscription */
typedef int (*memstore_event_fn)(const memstore_event *event, void *context);

/** Have a function called for each event, by a thread of the library that is started for it. After
 * memstore_close() it is still called for what had happened; memstore_destroy() waits for that.
 * @param[in] store the store
 * @param[in] mask which kinds, as memstore_subscribe()
 * @param[in] fn called for each event
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK what happens from now on is told
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL, or mask is 0 or has an unknown bit
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory or no thread
 * @return otherwise as memstore_subscribe()
 * @threadsafety any
 * @progress Waits as memstore_subscribe().
 * @since 0.1 */
MEMSTORE_API int memstore_on_event(memstore *store, uint32_t mask, memstore_event_fn fn,
                                   void *context);

/** Have a function called no more. When it returns the function is not running, unless it is the
 * function itself that asks.
 * @param[in] store the store, open or closed
 * @param[in] fn,context as they were given to memstore_on_event()
 * @retval MEMSTORE_OK it is not called any more
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND there is no such function, or not any more
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL
 * @threadsafety any
 * @progress Waits until the function returns, if it is running: when that closes the store, until the
 *     calls in flight have ended, so that a loader that takes it away then waits for itself.
 * @since 0.1 */
MEMSTORE_API int memstore_off_event(memstore *store, memstore_event_fn fn, void *context);

/** Read what the events come to.
 * @param[in] store the store
 * @param[in,out] stats `struct_size` is read, the rest is written
 * @retval MEMSTORE_OK stats is filled
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or struct_size is too small to hold
 *     any field
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API int memstore_get_event_stats(memstore *store, memstore_event_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
