/* SPDX-License-Identifier: Apache-2.0 */
/* A batch as a caller builds it: operations in an array, keys and values copied to one buffer. */
#include "store/batch/object.h"

#include "platform/mem.h"
#include "store/batch/commit.h"
#include "store/watch/measuring.h"
#include "store/write/writing.h"

#define NONE SIZE_MAX

struct memstore_batch {
    memstore *store;
    struct ms_op *ops; /* keys and values are offsets into `bytes` until the commit */
    size_t count, capacity;
    size_t refused; /* the number of the operation that the last commit was refused for, or NONE */
    char *bytes;
    size_t used, size;
};

memstore_batch *ms_batch_new(memstore *store)
{
    memstore_batch *batch = ms_mem_alloc(sizeof *batch);

    if (batch != NULL) {
        batch->store = store;
        batch->refused = NONE;
    }
    return batch;
}

void ms_batch_free(memstore_batch *batch)
{
    ms_mem_free(batch->ops);
    ms_mem_free_wiped(batch->bytes, batch->store->settings.secure_wipe);
    ms_mem_free(batch);
}

static bool ensure_op(memstore_batch *batch)
{
    if (batch->count < batch->capacity)
        return true;

    const size_t capacity = batch->capacity * 2 + 16;
    struct ms_op *ops = ms_mem_resize(batch->ops, capacity * sizeof *ops);
    if (ops == NULL)
        return false;
    batch->ops = ops;
    batch->capacity = capacity;
    return true;
}

static bool ensure_bytes(memstore_batch *batch, size_t more)
{
    if (more <= batch->size - batch->used)
        return true;
    if (more > SIZE_MAX / 4 - batch->used)
        return false;

    const size_t size = (batch->used + more) * 2;
    char *bytes = ms_mem_resize_wiped(batch->bytes, size, batch->store->settings.secure_wipe);
    if (bytes == NULL)
        return false;
    batch->bytes = bytes;
    batch->size = size;
    return true;
}

/* Copy to the buffer; returns the offset in the guise of a pointer, because the buffer still
 * moves. */
static const void *keep(memstore_batch *batch, const void *data, size_t size)
{
    const size_t offset = batch->used;

    if (size != 0)
        memcpy(batch->bytes + offset, data, size);
    batch->used += size;
    return (const void *)(uintptr_t)offset;
}

/* Where something lies in the buffer, which gives keys out by memstore_batch_refused(); NONE = elsewhere. */
static size_t offset_of(const memstore_batch *batch, const void *data)
{
    const uintptr_t offset = (uintptr_t)data - (uintptr_t)batch->bytes;

    return batch->bytes != NULL && offset < batch->used ? offset : NONE;
}

static const void *after_move(const memstore_batch *batch, size_t offset, const void *elsewhere)
{
    return offset != NONE ? batch->bytes + offset : elsewhere;
}

memstore *ms_batch_store(const memstore_batch *batch)
{
    return batch->store;
}

int ms_batch_add(memstore_batch *batch, const struct ms_op *op)
{
    const size_t key_at = offset_of(batch, op->key.data), value_at = offset_of(batch, op->value);

    /* What could never be committed is not even copied. */
    if (op->key.size > MS_KEY_SIZE_MAX || op->value_size > MS_KEY_SIZE_MAX)
        return MEMSTORE_ERR_ENTRY_TOO_LARGE;
    if (!ensure_op(batch) || !ensure_bytes(batch, op->key.size + op->value_size))
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;

    batch->refused = NONE;
    struct ms_op *kept = &batch->ops[batch->count++];
    *kept = *op;
    kept->key.data = keep(batch, after_move(batch, key_at, op->key.data), op->key.size);
    kept->value = keep(batch, after_move(batch, value_at, op->value), op->value_size);
    return MEMSTORE_OK;
}

/* Turn offsets into pointers, or back. */
static void relocate(memstore_batch *batch, bool to_pointers)
{
    const uintptr_t base = (uintptr_t)batch->bytes;

    for (size_t i = 0; i < batch->count; i++) {
        struct ms_op *op = &batch->ops[i];
        const uintptr_t key = (uintptr_t)op->key.data, value = (uintptr_t)op->value;

        op->key.data = (const void *)(to_pointers ? key + base : key - base);
        op->value = (const void *)(to_pointers ? value + base : value - base);
    }
}

int ms_batch_commit(memstore_batch *batch)
{
    struct ms_commit_result result = {.refused = batch->count};
    relocate(batch, true);
    const uint64_t start = ms_measuring_begin(batch->store);
    int status = ms_writing_begin_ops(batch->store, batch->ops, batch->count);
    if (status == MEMSTORE_OK) {
        status = ms_store_commit(batch->store, batch->ops, batch->count, &result);
        ms_writing_end(batch->store);
    }
    ms_measuring_end(batch->store, MEMSTORE_OPERATION_COMMIT, start);
    relocate(batch, false);
    batch->refused = result.refused < batch->count ? result.refused : NONE;
    if (status == MEMSTORE_OK) {
        batch->count = 0;
        batch->used = 0;
    }
    return status;
}

int ms_batch_refused(const memstore_batch *batch, size_t *number, memstore_key *key)
{
    if (batch->refused == NONE)
        return MEMSTORE_ERR_KEY_NOT_FOUND;
    const struct ms_op *refused = &batch->ops[batch->refused];

    if (number != NULL)
        *number = batch->refused;
    if (key != NULL)
        *key = (memstore_key){batch->bytes + (uintptr_t)refused->key.data, refused->key.size};
    return MEMSTORE_OK;
}
