/* SPDX-License-Identifier: Apache-2.0 */
#include "events/event.h"

#include "events/events.h"
#include "platform/clock.h"
#include "platform/mem.h"

/* What the allocator takes for a block beside it. */
#define BLOCK_OVERHEAD 16

/* While somebody wants alerts, which are few and small, so much is left to them: that removals wait for others is
 * no reason to miss one. */
#define ALERTS_PART 8
#define ALERTS_MOST 4096

/* Bytes that an event of the kind may take. */
static uint64_t room_locked(const struct ms_events *events, uint32_t kind)
{
    const uint64_t free = events->charged - events->used, part = events->charged / ALERTS_PART;
    const uint64_t aside = part < ALERTS_MOST ? part : ALERTS_MOST;

    if (kind == MEMSTORE_EVENT_ALERT ||
        (ms_load_relaxed(events->wanted) & MEMSTORE_EVENT_ALERT) == 0)
        return free;
    return free > aside ? free - aside : 0;
}

struct ms_event *ms_event_make_locked(struct ms_events *events, const struct ms_event_note *note,
                                      unsigned takers)
{
    const uint64_t head = sizeof(struct ms_event) + takers * sizeof(struct ms_event_link);
    const uint64_t contents = (uint64_t)note->key_size + note->value_size;
    const uint64_t bytes = head + contents + BLOCK_OVERHEAD;

    /* What is pinned counts all the same: it cannot be used for anything else. */
    if (bytes > room_locked(events, note->kind))
        return NULL;
    struct ms_event *event = ms_mem_alloc(note->segment != NULL ? head : head + contents);
    if (event == NULL)
        return NULL;
    events->used += bytes;
    *event = (struct ms_event){.events = events,
                               .references = takers,
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

static void free_locked(struct ms_event *event)
{
    struct ms_events *events = event->events;

    events->used -= event->bytes;
    if (event->segment != NULL)
        ms_segment_unpin(event->segment);
    ms_mem_free_wiped(event, events->wipes);
}

void ms_event_drop_locked(struct ms_event *event)
{
    if (ms_sub_acq_rel(&event->references, 1) == 1)
        free_locked(event);
}

void ms_event_view_release(memstore_view *view)
{
    struct ms_event *event = (struct ms_event *)((uintptr_t)view->pin & ~(uintptr_t)2);
    struct ms_events *events = event->events;

    *view = (memstore_view){0};
    if (ms_sub_acq_rel(&event->references, 1) != 1)
        return;
    ms_mutex_lock(&events->lock);
    free_locked(event);
    ms_events_uncharge_surplus_locked(events);
    ms_mutex_unlock(&events->lock);
}

/* What there is to tell of an alert is in the struct, so that nothing is left to be released. */
static void hand_out_alert_locked(struct ms_event *event, memstore_event *out)
{
    struct ms_events *events = event->events;
    struct ms_alert_note note;

    memcpy(&note, event->value, sizeof note);
    ms_event_drop_locked(event);
    ms_events_uncharge_surplus_locked(events);
    out->key = (memstore_key){"", 0};
    out->value = (memstore_view){0};
    out->alert = note.alert;
    out->raised = note.raised;
    out->alert_value = note.value;
    out->alert_threshold = note.threshold;
}

void ms_event_hand_out_locked(struct ms_event *event, uint64_t dropped, memstore_event *out)
{
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
