/* SPDX-License-Identifier: Apache-2.0 */
/* Many keys in one crossing, packed, and batches. Compiled as glue.c is, after it. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

/* Batches up to this many keys work in stack memory; common batches are 16 to 100. */
#define GLUE_ON_STACK 128

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

    if (status == MEMSTORE_OK)
        status = GLUE_WAITING(wait_ms, stop, memstore_set_many(store, entries, n));
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
    status = GLUE_WAITING(wait_ms, stop,
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
    status = GLUE_WAITING(wait_ms, stop, memstore_has_many(store, unpacked, n, out, &found));
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
    status = GLUE_WAITING(wait_ms, stop, memstore_delete_many(store, unpacked, n, &deleted));
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
        status = GLUE_WAITING(wait_ms, stop, memstore_batch_commit(batch));
        size_t number = n;
        memstore_batch_refused(batch, &number, NULL);
        *refused = number;
    }
    memstore_batch_free(batch);
    return status;
}
