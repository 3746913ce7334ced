/* SPDX-License-Identifier: Apache-2.0 */
/* An event: one copy of key and value, or a pinned segment, and the links by which it is in queues. */
#ifndef MS_EVENTS_EVENT_H
#define MS_EVENTS_EVENT_H

#include "segment/segment.h"

#include <memstore/events.h>

struct ms_event;
struct ms_events;

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

/* An event in a queue. */
struct ms_event_link {
    struct ms_event_link *next;
    struct ms_event *event;
    uint64_t dropped; /* events that the queue lost right before this one */
};

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

/* Release a view that was taken with an event, which its `pin` refers to, marked by the second lowest
 * bit. */
void ms_event_view_release(memstore_view *view);

/* ---- The events' lock held ---- */

/* An event that is going to be in so many queues, with a reference from each; NULL when there is no memory
 * for it. */
struct ms_event *ms_event_make_locked(struct ms_events *events, const struct ms_event_note *note,
                                      unsigned takers);
/* One reference less; the last one frees it. */
void ms_event_drop_locked(struct ms_event *event);
/* What a subscriber gets, before whom so many were lost; a queue's reference becomes the view's. */
void ms_event_hand_out_locked(struct ms_event *event, uint64_t dropped, memstore_event *out);

#endif
