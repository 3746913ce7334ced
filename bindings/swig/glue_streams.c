/* SPDX-License-Identifier: Apache-2.0 */
/* What is handed out buffer by buffer: keys and events. Compiled as glue.c is, after it. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

struct glue_scan {
    memstore_cursor *cursor;
    memstore_key pending; /* met and not handed out yet; data is NULL when there is none */
};

static inline int glue_scan_new(memstore *store, const char *pattern, size_t pattern_size,
                                glue_scan **out)
{
    glue_scan *scan = calloc(1, sizeof *scan);

    *out = NULL;
    if (scan == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    const int status = memstore_cursor_new(store, pattern, pattern_size, &scan->cursor);

    if (status != MEMSTORE_OK) {
        free(scan);
        return status;
    }
    *out = scan;
    return MEMSTORE_OK;
}

/* glue_scan_fill() under the bound that is in force. */
static inline int64_t glue_fill_keys(glue_scan *scan, void *buf, size_t cap)
{
    char *out = buf;
    size_t used = 0;

    for (;;) {
        if (scan->pending.data == NULL) {
            const int status = memstore_cursor_next(scan->cursor, &scan->pending);

            if (status != MEMSTORE_OK) {
                scan->pending = (memstore_key){NULL, 0};
                /* What was written before a failure is handed out first; the next call meets the
                 * failure again. */
                return status == MEMSTORE_ERR_KEY_NOT_FOUND || used != 0 ? (int64_t)used : status;
            }
        }
        if (scan->pending.size > UINT32_MAX)
            return MEMSTORE_ERR_UNSUPPORTED;
        const uint32_t size = (uint32_t)scan->pending.size;
        const size_t need = sizeof size + scan->pending.size;

        if (need > cap - used)
            return used != 0 ? (int64_t)used : (int64_t)need;
        memcpy(out + used, &size, sizeof size);
        memcpy(out + used + sizeof size, scan->pending.data, scan->pending.size);
        used += need;
        scan->pending.data = NULL;
    }
}

static inline int64_t glue_scan_fill(glue_scan *scan, int64_t wait_ms, const int64_t *stop,
                                     void *buf, size_t cap)
{
    glue_bound(wait_ms, stop);
    const int64_t used = glue_fill_keys(scan, buf, cap);
    const int status = glue_unbound(wait_ms, stop, used < 0 ? (int)used : MEMSTORE_OK);

    return used < 0 ? status : used;
}

static inline void glue_scan_free(glue_scan *scan)
{
    if (scan == NULL)
        return;
    memstore_cursor_free(scan->cursor);
    free(scan);
}

struct glue_events {
    memstore_subscription *subscription;
    memstore_event pending; /* taken and not handed out yet; kind is 0 when there is none */
};

static inline int glue_events_new(memstore *store, uint32_t mask, size_t queue_size,
                                  glue_events **out)
{
    glue_events *events = calloc(1, sizeof *events);

    *out = NULL;
    if (events == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    const int status = memstore_subscribe(store, mask, queue_size, &events->subscription);

    if (status != MEMSTORE_OK) {
        free(events);
        return status;
    }
    *out = events;
    return MEMSTORE_OK;
}

#define GLUE_EVENT_HEAD 10

/* Bytes of the pending event as it is handed out. */
static inline size_t glue_event_size(const memstore_event *event)
{
    return GLUE_EVENT_HEAD * sizeof(uint64_t) +
           ((event->key.size + event->value.size + 7) & ~(size_t)7);
}

/* Writes the pending event. */
static inline size_t glue_put_event(memstore_event *event, char *out)
{
    const size_t size = glue_event_size(event);
    uint64_t head[GLUE_EVENT_HEAD] = {
        event->kind,
        event->key.size,
        event->value.size,
        event->value.version,
        (uint64_t)event->value.expires_at_ms,
        (uint64_t)event->at_ms,
        event->dropped,
        event->alert | (uint64_t)event->raised << 32,
    };

    memcpy(&head[8], &event->alert_value, sizeof(double));
    memcpy(&head[9], &event->alert_threshold, sizeof(double));
    memcpy(out, head, sizeof head);
    if (event->key.size != 0)
        memcpy(out + sizeof head, event->key.data, event->key.size);
    if (event->value.size != 0)
        memcpy(out + sizeof head + event->key.size, event->value.data, event->value.size);
    memstore_view_release(&event->value);
    event->kind = 0;
    return size;
}

static inline int64_t glue_events_fill(glue_events *events, int64_t timeout_ms, void *buf,
                                       size_t cap)
{
    size_t used = 0;

    for (;;) {
        if (events->pending.kind == 0) {
            events->pending.struct_size = sizeof events->pending;
            const int status = memstore_subscription_next(
                events->subscription, used == 0 ? timeout_ms : 0, &events->pending);

            if (status != MEMSTORE_OK) {
                events->pending.kind = 0;
                return used != 0 ? (int64_t)used : status;
            }
        }
        const size_t size = glue_event_size(&events->pending);
        if (size > cap - used)
            return (int64_t)(used != 0 ? used : size);
        used += glue_put_event(&events->pending, (char *)buf + used);
    }
}

static inline void glue_events_wake(glue_events *events)
{
    memstore_subscription_wake(events->subscription);
}

static inline uint64_t glue_events_dropped(glue_events *events)
{
    return memstore_subscription_dropped(events->subscription);
}

static inline void glue_events_free(glue_events *events)
{
    memstore_view_release(&events->pending.value);
    memstore_subscription_close(events->subscription);
    free(events);
}
