/* SPDX-License-Identifier: Apache-2.0 */
/* Telling subscribers what happens to the store. */
#ifndef MS_STORE_WATCH_NOTIFY_H
#define MS_STORE_WATCH_NOTIFY_H

#include "events/subscription.h"
#include "store/space/resize.h"
#include "store/store.h"

/* The same for an event that somebody wants. */
void ms_notify_of_removal(memstore *store, const struct ms_found *found, uint32_t kind);

/* An entry is about to go. The key's shard is locked and the entry does not count as dead yet, so
 * that its bytes stay where they are. With no subscription this is one branch. */
MS_ALWAYS_INLINE void ms_notify_removal(memstore *store, const struct ms_found *found,
                                        uint32_t kind)
{
    if (ms_unlikely((ms_load_relaxed(&store->events_wanted) & kind) != 0))
        ms_notify_of_removal(store, found, kind);
}

/* Why an entry goes that a call met: that it had run out comes first. */
static inline uint32_t ms_removal_kind(bool live, uint32_t kind)
{
    return live ? kind : MEMSTORE_EVENT_EXPIRED;
}

/* ---- Alerts ---- */

void ms_notify_alert(memstore *store, const struct ms_alert_note *alert);

/* ---- Subscribing; the caller has entered the store ---- */

/* A subscription, with memory set aside for its events: OK, or why there is none. `fn` may be
 * NULL. */
int ms_notify_subscribe(memstore *store, uint32_t mask, size_t limit, memstore_event_fn fn,
                        void *context, memstore_subscription **out);
/* Bytes that events may take in a store with these settings. */
uint64_t ms_notify_allowance(const struct ms_settings *settings);
/* Set as much memory aside as settings say. Where that is not OK events do with what they have. */
int ms_notify_reconfigured(memstore *store, const struct ms_settings *settings);
/* Before others come into force, set aside what they say more: OK, or `why` is the end of a sentence, and the caller
 * takes it back. The settings lock is held. */
int ms_notify_raise(memstore *store, const struct ms_settings *next, char why[static MS_WHY_SIZE]);
/* What there is to be set aside for that. */
uint64_t ms_notify_lacks(memstore *store, const struct ms_settings *next);
/* So many bytes of it have been charged. */
void ms_notify_grant(memstore *store, const struct ms_settings *next, uint64_t bytes);
/* As before, whatever was set aside since. */
void ms_notify_take_back(memstore *store);

#endif
