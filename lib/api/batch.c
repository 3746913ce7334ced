/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "platform/mem.h"
#include "store/batch/commit.h"
#include "store/batch/object.h"
#include "store/read/many.h"
#include "store/read/view.h"
#include "store/watch/measuring.h"
#include "store/write/writing.h"

#include <string.h>

/* ---- Arrays ---- */

static bool are_entries(const memstore_entry *entries, size_t n)
{
    if (entries == NULL)
        return n == 0;
    for (size_t i = 0; i < n; i++) {
        if (!ms_is_key(entries[i].key.data, entries[i].key.size) ||
            !ms_is_bytes(entries[i].value, entries[i].value_size))
            return false;
    }
    return true;
}

/* Commit an array of operations in a call of its own, and free it. */
static int commit_ops(memstore *store, enum memstore_operation operation, struct ms_op *ops,
                      size_t n, size_t *deleted)
{
    struct ms_commit_result result = {0};
    const uint64_t start = ms_measuring_begin(store);
    int status = ms_writing_begin_ops(store, ops, n);

    if (status == MEMSTORE_OK) {
        status = ms_store_commit(store, ops, n, &result);
        ms_writing_end(store);
    }
    ms_measuring_end(store, operation, start);
    ms_mem_free(ops);
    *deleted = result.deleted;
    return status;
}

/* An empty batch does nothing, but tells whether the store is open. */
static int commit_nothing(memstore *store)
{
    return ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : MEMSTORE_OK;
}

int memstore_set_many(memstore *store, const memstore_entry *entries, size_t n)
{
    size_t deleted;

    if (store == NULL || !are_entries(entries, n))
        return ms_refuse_argument(store);
    if (n == 0)
        return commit_nothing(store);
    struct ms_op *ops = ms_mem_alloc(n * sizeof *ops);
    if (ops == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    for (size_t i = 0; i < n; i++) {
        ops[i] = (struct ms_op){MS_OP_SET, entries[i].key, entries[i].value, entries[i].value_size,
                                .ttl_ms = entries[i].ttl_ms};
    }
    return commit_ops(store, MEMSTORE_OPERATION_SET_MANY, ops, n, &deleted);
}

int memstore_delete_many(memstore *store, const memstore_key *keys, size_t n, size_t *deleted)
{
    size_t removed = 0;

    if (deleted != NULL)
        *deleted = 0;
    if (store == NULL || !ms_are_keys(keys, n))
        return ms_refuse_argument(store);
    if (n == 0)
        return commit_nothing(store);
    struct ms_op *ops = ms_mem_alloc(n * sizeof *ops);
    if (ops == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    for (size_t i = 0; i < n; i++)
        ops[i] = (struct ms_op){.kind = MS_OP_DELETE, .key = keys[i]};

    const int status = commit_ops(store, MEMSTORE_OPERATION_DELETE_MANY, ops, n, &removed);
    if (deleted != NULL)
        *deleted = removed;
    return status;
}

int memstore_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                      size_t *found)
{
    size_t hits = 0;

    if (found != NULL)
        *found = 0;
    if (n != 0 && out == NULL)
        return ms_refuse_argument(store);
    if (n != 0)
        memset(out, 0, n * sizeof *out);
    if (store == NULL || !ms_are_keys(keys, n))
        return ms_refuse_argument(store);

    const uint64_t start = ms_measuring_begin(store);
    const int status = (ms_store_diverts(store) & MS_DIVERT_VIEWS) != 0
                           ? ms_admission_get_many(store, keys, n, out, &hits)
                           : ms_store_get_many(store, keys, n, out, &hits);
    ms_measuring_end(store, MEMSTORE_OPERATION_GET_MANY, start);
    if (found != NULL)
        *found = hits;
    return status;
}

void memstore_view_release_many(memstore_view *views, size_t n)
{
    for (size_t i = 0; views != NULL && i < n; i++)
        ms_view_give_back_other(&views[i]);
}

/* Views up to this many are on the stack. */
#define VIEWS_ON_STACK 128

static int read_into(memstore *store, const memstore_key *keys, size_t n, memstore_view *views,
                     memstore_read_fn fn, void *context)
{
    struct ms_calling *calling;
    size_t found;
    int status = ms_store_begin_callback(store, &calling);

    if (status != MEMSTORE_OK)
        return status;
    const uint64_t start = ms_measuring_begin(store);
    status = ms_store_get_many(store, keys, n, views, &found);
    ms_measuring_end(store, MEMSTORE_OPERATION_GET_MANY, start);
    if (status == MEMSTORE_OK) {
        fn(views, n, context);
        for (size_t i = 0; i < n; i++)
            ms_view_release(&views[i]);
    }
    ms_store_end_callback(calling);
    return status;
}

int memstore_read_many(memstore *store, const memstore_key *keys, size_t n, memstore_read_fn fn,
                       void *context)
{
    memstore_view on_stack[VIEWS_ON_STACK];

    if (store == NULL || fn == NULL || !ms_are_keys(keys, n))
        return ms_refuse_argument(store);
    if (n <= VIEWS_ON_STACK)
        return read_into(store, keys, n, on_stack, fn, context);

    memstore_view *views = ms_mem_alloc(n * sizeof *views);
    if (views == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    const int status = read_into(store, keys, n, views, fn, context);
    ms_mem_free(views);
    return status;
}

int memstore_has_many(memstore *store, const memstore_key *keys, size_t n, unsigned char *out,
                      size_t *found)
{
    size_t present = 0;

    if (found != NULL)
        *found = 0;
    if (store == NULL || !ms_are_keys(keys, n) || (n != 0 && out == NULL))
        return ms_refuse_argument(store);

    const uint64_t start = ms_measuring_begin(store);
    const int status = ms_store_has_many(store, keys, n, out, &present);
    ms_measuring_end(store, MEMSTORE_OPERATION_HAS_MANY, start);
    if (found != NULL)
        *found = present;
    return status;
}

/* ---- The batch object ---- */

memstore_batch *memstore_batch_new(memstore *store)
{
    return store != NULL ? ms_batch_new(store) : NULL;
}

void memstore_batch_free(memstore_batch *batch)
{
    if (batch != NULL)
        ms_batch_free(batch);
}

static int add_checked(memstore_batch *batch, const struct ms_op *op)
{
    if (batch == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (!ms_is_key(op->key.data, op->key.size) || !ms_is_bytes(op->value, op->value_size))
        return ms_refuse_argument(ms_batch_store(batch));
    return ms_batch_add(batch, op);
}

int memstore_batch_set(memstore_batch *batch, const void *key, size_t key_size, const void *value,
                       size_t value_size, int64_t ttl_ms)
{
    return add_checked(
        batch, &(struct ms_op){MS_OP_SET, {key, key_size}, value, value_size, .ttl_ms = ttl_ms});
}

int memstore_batch_delete(memstore_batch *batch, const void *key, size_t key_size)
{
    return add_checked(batch, &(struct ms_op){.kind = MS_OP_DELETE, .key = {key, key_size}});
}

int memstore_batch_update_ttl(memstore_batch *batch, const void *key, size_t key_size,
                              int64_t ttl_ms)
{
    return add_checked(
        batch, &(struct ms_op){.kind = MS_OP_UPDATE_TTL, .key = {key, key_size}, .ttl_ms = ttl_ms});
}

int memstore_batch_expect_version(memstore_batch *batch, const void *key, size_t key_size,
                                  uint64_t version)
{
    return add_checked(
        batch,
        &(struct ms_op){.kind = MS_OP_EXPECT_VERSION, .key = {key, key_size}, .version = version});
}

int memstore_batch_expect_absent(memstore_batch *batch, const void *key, size_t key_size)
{
    return add_checked(batch, &(struct ms_op){.kind = MS_OP_EXPECT_ABSENT, .key = {key, key_size}});
}

int memstore_batch_refused(const memstore_batch *batch, size_t *number, memstore_key *key)
{
    return batch != NULL ? ms_batch_refused(batch, number, key) : MEMSTORE_ERR_INVALID_ARGUMENT;
}

int memstore_batch_commit(memstore_batch *batch)
{
    return batch != NULL ? ms_batch_commit(batch) : MEMSTORE_ERR_INVALID_ARGUMENT;
}
