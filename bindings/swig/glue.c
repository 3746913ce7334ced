/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled as part of the generated wrappers, which hold glue.h already and stand where it cannot
 * be found. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Batches up to this many keys work in stack memory; common batches are 16 to 100. */
#define GLUE_ON_STACK 128

static inline int64_t glue_copy_text(const char *text, void *buf, size_t cap)
{
    const size_t size = strlen(text);

    if (size <= cap)
        memcpy(buf, text, size);
    return (int64_t)size;
}

/* ---- Calls that may wait ---- */

/* Before a call that may wait, and after it. */
static inline void glue_bound(int64_t wait_ms, const int64_t *stop)
{
    if (wait_ms >= 0 || stop != NULL)
        memstore_bound_waits(wait_ms, stop);
}

/* Whether a call that ends so may have waited in vain; else it has its answer, however long it took. */
static inline int glue_may_wait(int status)
{
    switch (status) {
    case MEMSTORE_ERR_LOCK_TIMEOUT:
    case MEMSTORE_ERR_GC_PRESSURE:
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
    case MEMSTORE_ERR_CACHE_FULL:
    case MEMSTORE_ERR_SHARD_OVERFLOW:
        return 1;
    default:
        return 0;
    }
}

static inline int glue_unbound(int64_t wait_ms, const int64_t *stop, int status)
{
    if (wait_ms < 0 && stop == NULL)
        return status;
    const int is_over = memstore_bound_waits(-1, NULL);

    return is_over && glue_may_wait(status) ? status - GLUE_GAVE_UP : status;
}

static inline int glue_set(memstore *store, int64_t wait_ms, const int64_t *stop, const void *key,
                           size_t key_size, const void *value, size_t value_size, int64_t ttl_ms)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_set(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_set_until(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, const void *value,
                                 size_t value_size, int64_t unix_ms)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_set_until(store, key, key_size, value, value_size, unix_ms));
}

static inline int glue_set_async(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, const void *value,
                                 size_t value_size, int64_t ttl_ms)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_set_async(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_add(memstore *store, int64_t wait_ms, const int64_t *stop, const void *key,
                           size_t key_size, const void *value, size_t value_size, int64_t ttl_ms)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_add(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_replace(memstore *store, int64_t wait_ms, const int64_t *stop,
                               const void *key, size_t key_size, const void *value,
                               size_t value_size, int64_t ttl_ms)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_replace(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_compare_and_set(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const void *key, size_t key_size, const void *value,
                                       size_t value_size, int64_t ttl_ms, uint64_t version)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(
        wait_ms, stop,
        memstore_compare_and_set(store, key, key_size, value, value_size, ttl_ms, version));
}

static inline int glue_increment(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, int64_t delta, int64_t initial,
                                 int64_t ttl_ms, int64_t *result)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_increment(store, key, key_size, delta, initial, ttl_ms, result));
}

static inline int glue_delete(memstore *store, int64_t wait_ms, const int64_t *stop,
                              const void *key, size_t key_size)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_delete(store, key, key_size));
}

static inline int glue_update_ttl(memstore *store, int64_t wait_ms, const int64_t *stop,
                                  const void *key, size_t key_size, int64_t ttl_ms)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_update_ttl(store, key, key_size, ttl_ms));
}

static inline int glue_get_view(memstore *store, int64_t wait_ms, const int64_t *stop,
                                const void *key, size_t key_size, memstore_view *out)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_get_view(store, key, key_size, out));
}

static inline int glue_clear(memstore *store, int64_t wait_ms, const int64_t *stop)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_clear(store));
}

static inline int glue_maintain(memstore *store, int64_t wait_ms, const int64_t *stop,
                                int64_t budget_us)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_maintain(store, budget_us));
}

static inline int glue_delete_by_pattern(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const char *pattern, size_t pattern_size,
                                         uint64_t *deleted)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        memstore_delete_by_pattern(store, pattern, pattern_size, deleted));
}

static inline int glue_reconfigure(memstore *store, int64_t wait_ms, const int64_t *stop,
                                   const char *key, const char *value, char *why, size_t cap)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_reconfigure_explained(store, key, value, why, cap));
}

static inline int glue_reconfigure_all(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const memstore_config *config, char *why, size_t cap)
{
    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop, memstore_reconfigure_all(store, config, why, cap));
}

static inline int64_t glue_get(memstore *store, const void *key, size_t key_size, void *buf,
                               size_t cap)
{
    size_t size = 0;
    const int status = memstore_get(store, key, key_size, buf, cap, &size);

    return status == MEMSTORE_OK || status == MEMSTORE_ERR_BUFFER_TOO_SMALL ? (int64_t)size
                                                                            : status;
}

static inline int64_t glue_get_present(memstore *store, const void *key, size_t key_size, void *buf,
                                       size_t cap)
{
    const int status = memstore_has(store, key, key_size);

    return status == MEMSTORE_OK ? glue_get(store, key, key_size, buf, cap) : status;
}

/* Copies a value to the caller's buffer when it fits, else to memory that is kept for
 * glue_take_many(): its size, or a status. */
static inline int64_t glue_hand_over(const memstore_view *view, void *buf, size_t cap, void **kept)
{
    if (view->size > cap) {
        *kept = malloc(view->size);
        if (*kept == NULL)
            return MEMSTORE_ERR_MEMORY_EXHAUSTED;
        buf = *kept;
    }
    if (view->size != 0)
        memcpy(buf, view->data, view->size);
    return (int64_t)view->size;
}

struct glue_versioned {
    void *buf;
    size_t cap;
    void *kept;
    int64_t size; /* or a status */
    uint64_t version;
};

static void glue_take_versioned(const memstore_view *view, size_t n, void *context)
{
    struct glue_versioned *out = context;

    (void)n;
    if (view->data == NULL) {
        out->size = MEMSTORE_ERR_KEY_NOT_FOUND;
        return;
    }
    out->size = glue_hand_over(view, out->buf, out->cap, &out->kept);
    out->version = out->size >= 0 ? view->version : 0;
}

static inline int64_t glue_get_versioned(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const void *key, size_t key_size, void *buf, size_t cap,
                                         uint64_t *version, void **kept)
{
    const memstore_key one = {key, key_size};
    struct glue_versioned out = {.buf = buf, .cap = cap};
    glue_bound(wait_ms, stop);
    const int status =
        glue_unbound(wait_ms, stop, memstore_read_many(store, &one, 1, glue_take_versioned, &out));

    *version = out.version;
    *kept = out.kept;
    return status == MEMSTORE_OK ? out.size : status;
}

static inline int64_t glue_get_ttl(memstore *store, const void *key, size_t key_size)
{
    int64_t ms = 0;
    const int status = memstore_get_ttl(store, key, key_size, &ms);

    return status == MEMSTORE_OK ? ms : status;
}

static inline int64_t glue_get_expiration(memstore *store, const void *key, size_t key_size)
{
    int64_t ms = 0;
    const int status = memstore_get_expiration(store, key, key_size, &ms);

    return status == MEMSTORE_OK ? ms : status;
}

static inline int64_t glue_get_created(memstore *store, const void *key, size_t key_size)
{
    int64_t ms = 0;
    const int status = memstore_get_created(store, key, key_size, &ms);

    return status == MEMSTORE_OK ? ms : status;
}

/* The entries that packed memory and its items stand for; entries has room for n. */
static inline int glue_unpack_items(const void *packed, size_t packed_size, const glue_item *items,
                                    size_t n, int64_t ttl_ms, memstore_entry *entries)
{
    const char *next = packed;
    size_t left = packed_size;

    for (size_t i = 0; i < n; i++) {
        const int lent = items[i].value_address != 0;
        const uint64_t inline_size = lent ? 0 : items[i].value_size;

        if (items[i].key_size > left || inline_size > left - items[i].key_size)
            return MEMSTORE_ERR_INVALID_ARGUMENT;
        entries[i].key = (memstore_key){next, (size_t)items[i].key_size};
        next += items[i].key_size;
        entries[i].value = lent ? (const void *)(uintptr_t)items[i].value_address : next;
        entries[i].value_size = (size_t)items[i].value_size;
        entries[i].ttl_ms = ttl_ms;
        next += inline_size;
        left -= (size_t)(items[i].key_size + inline_size);
    }
    return MEMSTORE_OK;
}

static inline int glue_set_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                const void *packed, size_t packed_size, const glue_item *items,
                                size_t n, int64_t ttl_ms)
{
    memstore_entry on_stack[GLUE_ON_STACK];
    memstore_entry *entries = on_stack;

    if (n > GLUE_ON_STACK && (entries = calloc(n, sizeof *entries)) == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    int status = glue_unpack_items(packed, packed_size, items, n, ttl_ms, entries);

    if (status == MEMSTORE_OK) {
        glue_bound(wait_ms, stop);
        status = glue_unbound(wait_ms, stop, memstore_set_many(store, entries, n));
    }
    if (entries != on_stack)
        free(entries);
    return status;
}

/* The keys of packed memory, in on_stack when it has room for them, else in memory for free(); NULL
 * with *status set when there is no memory or the sizes go past the packed bytes. */
static inline memstore_key *glue_unpack_keys(const void *keys, size_t keys_size,
                                             const uint64_t *key_sizes, size_t n,
                                             memstore_key *on_stack, int *status)
{
    memstore_key *out = on_stack;
    const char *next = keys;
    size_t left = keys_size;

    *status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    if (n > GLUE_ON_STACK && (out = calloc(n, sizeof *out)) == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (key_sizes[i] > left) {
            *status = MEMSTORE_ERR_INVALID_ARGUMENT;
            if (out != on_stack)
                free(out);
            return NULL;
        }
        out[i] = (memstore_key){next, (size_t)key_sizes[i]};
        next += key_sizes[i];
        left -= (size_t)key_sizes[i];
    }
    *status = MEMSTORE_OK;
    return out;
}

static inline void glue_copy_views(const memstore_view *views, size_t n, char *buf)
{
    for (size_t i = 0; i < n; i++) {
        if (views[i].data != NULL && views[i].size != 0) {
            memcpy(buf, views[i].data, views[i].size);
            buf += views[i].size;
        }
    }
}

struct glue_delivery {
    void *buf;
    size_t cap;
    int64_t *value_sizes;
    void *kept; /* for free(), when the values do not fit `buf` */
    int64_t result;
};

/* Copies what was found: to the caller's buffer when it fits, else to memory that is kept for
 * glue_take_many(), so that nothing is looked up twice. */
static void glue_deliver(const memstore_view *views, size_t n, void *context)
{
    struct glue_delivery *delivery = context;
    uint64_t total = 0;

    for (size_t i = 0; i < n; i++) {
        delivery->value_sizes[i] = views[i].data == NULL ? -1 : (int64_t)views[i].size;
        total += views[i].size;
    }
    delivery->result = (int64_t)total;
    if (total <= delivery->cap) {
        glue_copy_views(views, n, delivery->buf);
        return;
    }
    delivery->kept = malloc(total);
    if (delivery->kept != NULL)
        glue_copy_views(views, n, delivery->kept);
    else
        delivery->result = MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

static inline int64_t glue_get_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                    const void *keys, size_t keys_size, const uint64_t *key_sizes,
                                    size_t n, void *buf, size_t cap, int64_t *value_sizes,
                                    void **kept)
{
    memstore_key on_stack[GLUE_ON_STACK];
    struct glue_delivery delivery = {.buf = buf, .cap = cap, .value_sizes = value_sizes};
    int status;

    *kept = NULL;
    memstore_key *unpacked = glue_unpack_keys(keys, keys_size, key_sizes, n, on_stack, &status);

    if (unpacked == NULL)
        return status;
    glue_bound(wait_ms, stop);
    status = glue_unbound(wait_ms, stop,
                          memstore_read_many(store, unpacked, n, glue_deliver, &delivery));
    if (unpacked != on_stack)
        free(unpacked);
    *kept = delivery.kept;
    return status == MEMSTORE_OK ? delivery.result : status;
}

static inline void glue_take_many(void *kept, void *buf, size_t cap, int wipes)
{
    memcpy(buf, kept, cap);
    if (wipes)
        explicit_bzero(kept, cap);
    free(kept);
}

static inline int64_t glue_has_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                    const void *keys, size_t keys_size, const uint64_t *key_sizes,
                                    size_t n, unsigned char *out)
{
    memstore_key on_stack[GLUE_ON_STACK];
    size_t found = 0;
    int status;
    memstore_key *unpacked = glue_unpack_keys(keys, keys_size, key_sizes, n, on_stack, &status);

    if (unpacked == NULL)
        return status;
    glue_bound(wait_ms, stop);
    status = glue_unbound(wait_ms, stop, memstore_has_many(store, unpacked, n, out, &found));
    if (unpacked != on_stack)
        free(unpacked);
    return status == MEMSTORE_OK ? (int64_t)found : status;
}

static inline int64_t glue_delete_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const void *keys, size_t keys_size,
                                       const uint64_t *key_sizes, size_t n)
{
    memstore_key on_stack[GLUE_ON_STACK];
    size_t deleted = 0;
    int status;
    memstore_key *unpacked = glue_unpack_keys(keys, keys_size, key_sizes, n, on_stack, &status);

    if (unpacked == NULL)
        return status;
    glue_bound(wait_ms, stop);
    status = glue_unbound(wait_ms, stop, memstore_delete_many(store, unpacked, n, &deleted));
    if (unpacked != on_stack)
        free(unpacked);
    return status == MEMSTORE_OK ? (int64_t)deleted : status;
}

/* Adds a step to a batch, whose key and value begin at `key`. */
static inline int glue_add_step(memstore_batch *batch, const char *key, const glue_step *step)
{
    const size_t size = (size_t)step->key_size;

    switch (step->kind) {
    case GLUE_STEP_SET:
        return memstore_batch_set(batch, key, size, key + size, (size_t)step->value_size,
                                  step->ttl_ms);
    case GLUE_STEP_DELETE:
        return memstore_batch_delete(batch, key, size);
    case GLUE_STEP_UPDATE_TTL:
        return memstore_batch_update_ttl(batch, key, size, step->ttl_ms);
    case GLUE_STEP_EXPECT_VERSION:
        return memstore_batch_expect_version(batch, key, size, step->version);
    case GLUE_STEP_EXPECT_ABSENT:
        return memstore_batch_expect_absent(batch, key, size);
    default:
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
}

/* Adds steps until one is refused, whose number *refused is then. */
static inline int glue_add_steps(memstore_batch *batch, const void *packed, size_t packed_size,
                                 const glue_step *steps, size_t n, uint64_t *refused)
{
    const char *next = packed;
    size_t left = packed_size;

    for (size_t i = 0; i < n; i++) {
        const glue_step *step = &steps[i];
        int status = MEMSTORE_ERR_INVALID_ARGUMENT;

        if (step->key_size <= left && step->value_size <= left - step->key_size)
            status = glue_add_step(batch, next, step);
        if (status != MEMSTORE_OK) {
            *refused = i;
            return status;
        }
        next += step->key_size + step->value_size;
        left -= (size_t)(step->key_size + step->value_size);
    }
    return MEMSTORE_OK;
}

static inline int glue_commit(memstore *store, int64_t wait_ms, const int64_t *stop,
                              const void *packed, size_t packed_size, const glue_step *steps,
                              size_t n, uint64_t *refused)
{
    memstore_batch *batch = memstore_batch_new(store);

    *refused = n;
    if (batch == NULL)
        return store != NULL ? MEMSTORE_ERR_MEMORY_EXHAUSTED : MEMSTORE_ERR_INVALID_ARGUMENT;
    int status = glue_add_steps(batch, packed, packed_size, steps, n, refused);

    if (status == MEMSTORE_OK) {
        glue_bound(wait_ms, stop);
        status = glue_unbound(wait_ms, stop, memstore_batch_commit(batch));
        size_t number = n;
        memstore_batch_refused(batch, &number, NULL);
        *refused = number;
    }
    memstore_batch_free(batch);
    return status;
}

static inline int64_t glue_count_by_pattern(memstore *store, int64_t wait_ms, const int64_t *stop,
                                            const char *pattern, size_t pattern_size)
{
    uint64_t count = 0;
    glue_bound(wait_ms, stop);
    const int status = glue_unbound(
        wait_ms, stop, memstore_count_by_pattern(store, pattern, pattern_size, &count));

    return status == MEMSTORE_OK ? (int64_t)count : status;
}

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

static inline int glue_get_event_stats(memstore *store, uint64_t *out, size_t n)
{
    memstore_event_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_event_stats(store, &s);
    const uint64_t fields[] = {
        s.subscriptions, s.waiting, s.bytes, s.memory, s.queued, s.dropped,
    };

    if (status != MEMSTORE_OK)
        return status;
    if (n > sizeof fields / sizeof *fields)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    memcpy(out, fields, n * sizeof *fields);
    return MEMSTORE_OK;
}

static inline int64_t glue_lease_acquire(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const void *key, size_t key_size, void *buf, size_t cap,
                                         memstore_lease **lease, void **kept)
{
    memstore_view view;

    *kept = NULL;
    glue_bound(wait_ms, stop);
    const int status =
        glue_unbound(wait_ms, stop, memstore_lease_acquire(store, key, key_size, 0, lease, &view));

    if (status != MEMSTORE_OK)
        return status;
    if (view.data == NULL)
        return GLUE_NO_VALUE;
    const int64_t size = glue_hand_over(&view, buf, cap, kept);

    memstore_view_release(&view);
    /* Without memory for the old value the lease is as good for a load that is waited for. */
    return size < 0 && *lease != NULL ? GLUE_NO_VALUE : size;
}

static inline int glue_lease_is_current(memstore_lease *lease)
{
    return memstore_lease_is_current(lease);
}

static inline int glue_lease_fill(memstore_lease *lease, const void *value, size_t value_size,
                                  int64_t ttl_ms)
{
    return memstore_lease_fill(lease, value, value_size, ttl_ms, NULL);
}

static inline int64_t glue_lease_fail(memstore_lease *lease, int result, void **kept)
{
    memstore_view view;
    const int status = memstore_lease_fail(lease, result, &view);
    const size_t size = view.size;

    *kept = status == MEMSTORE_OK ? malloc(size + 1) : NULL;
    if (*kept != NULL)
        glue_copy_views(&view, 1, *kept);
    memstore_view_release(&view);
    if (status != MEMSTORE_OK)
        return status;
    return *kept != NULL ? (int64_t)size : MEMSTORE_ERR_LOADER_FAILED;
}

static int glue_is_stopped(const memstore_progress *progress, void *context)
{
    (void)progress;
    return __atomic_load_n((const int64_t *)context, __ATOMIC_RELAXED) != 0;
}

static inline int glue_reasoned(int status, int64_t *reason)
{
    *reason = status == MEMSTORE_ERR_IO ? errno : 0;
    return status;
}

static inline int glue_save(memstore *store, int64_t wait_ms, const int64_t *stop, const char *path,
                            int64_t *reason)
{
    const memstore_progress_fn fn = stop != NULL ? glue_is_stopped : NULL;

    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        glue_reasoned(memstore_save(store, path, fn, (void *)stop), reason));
}

static inline int glue_load(memstore *store, int64_t wait_ms, const int64_t *stop, const char *path,
                            int64_t *reason)
{
    const memstore_progress_fn fn = stop != NULL ? glue_is_stopped : NULL;

    glue_bound(wait_ms, stop);
    return glue_unbound(wait_ms, stop,
                        glue_reasoned(memstore_load(store, path, fn, (void *)stop), reason));
}

static inline int glue_get_stats(memstore *store, uint64_t *out, size_t n)
{
    memstore_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_stats(store, &s);
    const uint64_t fields[] = {
        s.hits,
        s.misses,
        s.sets,
        s.updates,
        s.deletes,
        s.evictions,
        s.expirations,
        s.rejected_too_large,
        s.rejected_invalid_ttl,
        s.rejected_full,
        s.rejected_memory,
        s.rejected_condition,
        s.entries,
        s.compactions,
        s.moved_bytes,
        s.written_bytes,
        s.rejected_timeout,
        s.loads,
        s.load_failures,
        s.load_retries,
        s.loads_coalesced,
        s.loads_overtaken,
        s.loads_bypassed,
        s.absent_loaded,
        s.absent_served,
        s.loads_refused,
        s.breakers_opened,
        s.breakers_open,
        s.stale_served,
        s.refreshes,
        s.refresh_failures,
        s.room_made,
        s.exports,
        s.export_failures,
        s.rejected_ttl_expired,
        s.rejected_gc_pressure,
        s.rejected_shard_overflow,
        s.rejected_key_exists,
        s.rejected_key_not_found,
        s.rejected_version_mismatch,
        s.rejected_not_a_number,
        s.limit_lowered,
        s.limit_raised,
        s.loads_timed_out,
        s.loads_without_place,
        s.loads_without_bytes,
        s.breakers_half_open,
    };

    if (status != MEMSTORE_OK)
        return status;
    if (n > sizeof fields / sizeof *fields)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (n != 0)
        memcpy(out, fields, n * sizeof *fields);
    return MEMSTORE_OK;
}

static inline int glue_get_memory_stats(memstore *store, uint64_t *out, size_t n)
{
    memstore_memory_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_memory_stats(store, &s);
    const uint64_t fields[] = {
        s.limit, s.charged,  s.live,         s.dead,  s.index,    s.overhead,         s.pinned,
        s.free,  s.segments, s.segment_size, s.stale, s.resident, s.configured_limit,
    };

    if (status != MEMSTORE_OK)
        return status;
    if (n > sizeof fields / sizeof *fields)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (n != 0)
        memcpy(out, fields, n * sizeof *fields);
    return MEMSTORE_OK;
}

static inline int glue_get_ttl_stats(memstore *store, uint64_t *entries, uint64_t *from_ms,
                                     size_t n)
{
    memstore_ttl_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_ttl_stats(store, &s);

    if (status != MEMSTORE_OK)
        return status;
    if (n < s.classes)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    memcpy(entries, s.entries, s.classes * sizeof *entries);
    memcpy(from_ms, s.from_ms, s.classes * sizeof *from_ms);
    return (int)s.classes;
}

static inline int glue_get_latency(memstore *store, int operation, uint64_t *out, size_t n)
{
    memstore_latency l = {.struct_size = sizeof l};
    const int status = memstore_get_latency(store, operation, &l);
    const uint64_t fields[] = {
        l.count,  l.one_in,  l.total_ns, l.p50_ns, l.p90_ns,
        l.p99_ns, l.p999_ns, l.p9999_ns, l.max_ns, l.slow,
    };

    if (status != MEMSTORE_OK)
        return status;
    if (n > sizeof fields / sizeof *fields)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (n != 0)
        memcpy(out, fields, n * sizeof *fields);
    return MEMSTORE_OK;
}

static inline int glue_get_rates(memstore *store, double *out, size_t n, uint64_t *alerts)
{
    memstore_rates r = {.struct_size = sizeof r};
    const int status = memstore_get_rates(store, &r);
    const double fields[] = {
        r.window_seconds,
        r.hits,
        r.misses,
        r.sets,
        r.deletes,
        r.evictions,
        r.expirations,
        r.rejected,
        r.written_bytes,
        r.moved_bytes,
        r.hit_rate,
        r.memory_usage,
        r.reclaim_pressure,
        r.load_failure_rate,
        r.pinned,
        r.updates,
        r.loads,
        r.load_failures,
        r.stale_served,
    };

    if (status != MEMSTORE_OK)
        return status;
    if (n > sizeof fields / sizeof *fields)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (n != 0)
        memcpy(out, fields, n * sizeof *fields);
    alerts[0] = r.alerts;
    alerts[1] = r.alerts_raised;
    return MEMSTORE_OK;
}

struct glue_text {
    void *data; /* for free() */
    size_t size;
};

static int glue_keep_text(const char *data, size_t size, void *context)
{
    struct glue_text *text = context;

    text->data = malloc(size);
    if (text->data == NULL)
        return 1;
    memcpy(text->data, data, size);
    text->size = size;
    return 0;
}

/* A text that a function has written, kept: its size. */
static int64_t glue_written_text(memstore *store,
                                 int (*write)(memstore *, memstore_write_fn, void *), void **kept)
{
    struct glue_text text = {NULL, 0};
    const int status = write(store, glue_keep_text, &text);

    *kept = text.data;
    if (status == MEMSTORE_ERR_IO)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    return status == MEMSTORE_OK ? (int64_t)text.size : status;
}

static inline int64_t glue_metrics_text(memstore *store, void **kept)
{
    return glue_written_text(store, memstore_metrics_text, kept);
}

static inline int64_t glue_advise(memstore *store, int for_people, void **kept)
{
    return glue_written_text(store, for_people ? memstore_advise_text : memstore_advise_json, kept);
}

static inline int glue_claim_lanes(uint32_t count, uint64_t *out)
{
    memstore_lanes lanes;
    const int status = memstore_claim_lanes(count, &lanes);

    if (status == MEMSTORE_OK) {
        out[0] = (uint64_t)(uintptr_t)lanes.turns;
        out[1] = lanes.stride;
        out[2] = lanes.count;
        out[3] = lanes.first;
    }
    return status;
}

static inline int glue_get_layout(memstore *store, const uint64_t *lanes, uint64_t *out)
{
    const memstore_lanes claimed = {(uint64_t *)(uintptr_t)lanes[0], (size_t)lanes[1],
                                    (uint32_t)lanes[2], (uint32_t)lanes[3]};
    memstore_layout layout = {.struct_size = sizeof layout};
    const int status = memstore_get_layout(store, &claimed, &layout);

    if (status == MEMSTORE_OK) {
        _Static_assert(sizeof layout == sizeof(size_t) + GLUE_LAYOUT_MEMBERS * sizeof(uint64_t),
                       "all members are words");
        memcpy(out, (const char *)&layout + sizeof(size_t), GLUE_LAYOUT_MEMBERS * sizeof(uint64_t));
    }
    return status;
}
