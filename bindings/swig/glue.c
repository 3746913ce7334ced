/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled as part of the generated wrappers, which hold glue.h already and stand where it cannot
 * be found. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* The status of a call that may wait, made under a bound. */
#define GLUE_WAITING(wait_ms, stop, call)                                                          \
    (glue_bound(wait_ms, stop), glue_unbound(wait_ms, stop, call))

static inline int glue_set(memstore *store, int64_t wait_ms, const int64_t *stop, const void *key,
                           size_t key_size, const void *value, size_t value_size, int64_t ttl_ms)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_set(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_set_until(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, const void *value,
                                 size_t value_size, int64_t unix_ms)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_set_until(store, key, key_size, value, value_size, unix_ms));
}

static inline int glue_set_async(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, const void *value,
                                 size_t value_size, int64_t ttl_ms)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_set_async(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_add(memstore *store, int64_t wait_ms, const int64_t *stop, const void *key,
                           size_t key_size, const void *value, size_t value_size, int64_t ttl_ms)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_add(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_replace(memstore *store, int64_t wait_ms, const int64_t *stop,
                               const void *key, size_t key_size, const void *value,
                               size_t value_size, int64_t ttl_ms)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_replace(store, key, key_size, value, value_size, ttl_ms));
}

static inline int glue_compare_and_set(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const void *key, size_t key_size, const void *value,
                                       size_t value_size, int64_t ttl_ms, uint64_t version)
{
    return GLUE_WAITING(
        wait_ms, stop,
        memstore_compare_and_set(store, key, key_size, value, value_size, ttl_ms, version));
}

static inline int glue_increment(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, int64_t delta, int64_t initial,
                                 int64_t ttl_ms, int64_t *result)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_increment(store, key, key_size, delta, initial, ttl_ms, result));
}

static inline int glue_delete(memstore *store, int64_t wait_ms, const int64_t *stop,
                              const void *key, size_t key_size)
{
    return GLUE_WAITING(wait_ms, stop, memstore_delete(store, key, key_size));
}

static inline int glue_update_ttl(memstore *store, int64_t wait_ms, const int64_t *stop,
                                  const void *key, size_t key_size, int64_t ttl_ms)
{
    return GLUE_WAITING(wait_ms, stop, memstore_update_ttl(store, key, key_size, ttl_ms));
}

static inline int glue_get_view(memstore *store, int64_t wait_ms, const int64_t *stop,
                                const void *key, size_t key_size, memstore_view *out)
{
    return GLUE_WAITING(wait_ms, stop, memstore_get_view(store, key, key_size, out));
}

static inline int glue_clear(memstore *store, int64_t wait_ms, const int64_t *stop)
{
    return GLUE_WAITING(wait_ms, stop, memstore_clear(store));
}

static inline int glue_maintain(memstore *store, int64_t wait_ms, const int64_t *stop,
                                int64_t budget_us)
{
    return GLUE_WAITING(wait_ms, stop, memstore_maintain(store, budget_us));
}

static inline int glue_delete_by_pattern(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const char *pattern, size_t pattern_size,
                                         uint64_t *deleted)
{
    return GLUE_WAITING(wait_ms, stop,
                        memstore_delete_by_pattern(store, pattern, pattern_size, deleted));
}

static inline int glue_reconfigure(memstore *store, int64_t wait_ms, const int64_t *stop,
                                   const char *key, const char *value, char *why, size_t cap)
{
    return GLUE_WAITING(wait_ms, stop, memstore_reconfigure_explained(store, key, value, why, cap));
}

static inline int glue_reconfigure_all(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const memstore_config *config, char *why, size_t cap)
{
    return GLUE_WAITING(wait_ms, stop, memstore_reconfigure_all(store, config, why, cap));
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
    const int status =
        GLUE_WAITING(wait_ms, stop, memstore_read_many(store, &one, 1, glue_take_versioned, &out));

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

static inline int64_t glue_count_by_pattern(memstore *store, int64_t wait_ms, const int64_t *stop,
                                            const char *pattern, size_t pattern_size)
{
    uint64_t count = 0;
    const int status = GLUE_WAITING(
        wait_ms, stop, memstore_count_by_pattern(store, pattern, pattern_size, &count));

    return status == MEMSTORE_OK ? (int64_t)count : status;
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

    return GLUE_WAITING(wait_ms, stop,
                        glue_reasoned(memstore_save(store, path, fn, (void *)stop), reason));
}

static inline int glue_load(memstore *store, int64_t wait_ms, const int64_t *stop, const char *path,
                            int64_t *reason)
{
    const memstore_progress_fn fn = stop != NULL ? glue_is_stopped : NULL;

    return GLUE_WAITING(wait_ms, stop,
                        glue_reasoned(memstore_load(store, path, fn, (void *)stop), reason));
}
