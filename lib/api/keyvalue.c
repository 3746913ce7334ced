/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "store/calls.h"
#include "store/read/read.h"
#include "store/read/view.h"
#include "store/watch/measuring.h"
#include "store/write/delete.h"
#include "store/write/increment.h"
#include "store/write/ttl.h"
#include "store/write/write.h"
#include "store/write/writing.h"

/* ---- Writing ---- */

/* Do the write if it was given an expiry. The caller has entered and leaves afterwards. */
static int write_with_expiry(memstore *store, const struct ms_write *write, int status)
{
    if (status == MEMSTORE_OK)
        return ms_store_write(store, write);
    ms_store_count_refusal(store, status);
    return status;
}

static int checked_write(memstore *store, struct ms_write *write, int64_t ttl_ms)
{
    if (store == NULL || !ms_is_key(write->key.data, write->key.size) ||
        !ms_is_bytes(write->value, write->value_size))
        return ms_refuse_argument(store);

    const uint64_t start = ms_measuring_begin(store);
    int status = ms_writing_begin(store, write->key.data, write->key.size);
    if (status == MEMSTORE_OK) {
        status = write_with_expiry(store, write, ms_ttl_to_life(store, ttl_ms, &write->life));
        ms_writing_end(store);
    }
    ms_measuring_end(store, MEMSTORE_OPERATION_SET, start);
    return status;
}

int memstore_set(memstore *store, const void *key, size_t key_size, const void *value,
                 size_t value_size, int64_t ttl_ms)
{
    struct ms_write write = {{key, key_size}, value, value_size, .mode = MS_WRITE_SET};

    return checked_write(store, &write, ttl_ms);
}

int memstore_add(memstore *store, const void *key, size_t key_size, const void *value,
                 size_t value_size, int64_t ttl_ms)
{
    struct ms_write write = {{key, key_size}, value, value_size, .mode = MS_WRITE_ADD};

    return checked_write(store, &write, ttl_ms);
}

int memstore_replace(memstore *store, const void *key, size_t key_size, const void *value,
                     size_t value_size, int64_t ttl_ms)
{
    struct ms_write write = {{key, key_size}, value, value_size, .mode = MS_WRITE_REPLACE};

    return checked_write(store, &write, ttl_ms);
}

int memstore_compare_and_set(memstore *store, const void *key, size_t key_size, const void *value,
                             size_t value_size, int64_t ttl_ms, uint64_t version)
{
    struct ms_write write = {
        {key, key_size}, value, value_size, .mode = MS_WRITE_IF_VERSION, .version = version};

    return checked_write(store, &write, ttl_ms);
}

int memstore_set_until(memstore *store, const void *key, size_t key_size, const void *value,
                       size_t value_size, int64_t unix_ms)
{
    struct ms_write write = {{key, key_size}, value, value_size, .mode = MS_WRITE_SET};

    if (store == NULL || !ms_is_key(key, key_size) || !ms_is_bytes(value, value_size))
        return ms_refuse_argument(store);
    const uint64_t start = ms_measuring_begin(store);
    int status = ms_writing_begin(store, key, key_size);
    if (status == MEMSTORE_OK) {
        status = write_with_expiry(store, &write, ms_ttl_until(store, unix_ms, &write.life));
        ms_writing_end(store);
    }
    ms_measuring_end(store, MEMSTORE_OPERATION_SET, start);
    return status;
}

int memstore_set_async(memstore *store, const void *key, size_t key_size, const void *value,
                       size_t value_size, int64_t ttl_ms)
{
    if (store == NULL || !ms_is_key(key, key_size) || !ms_is_bytes(value, value_size))
        return ms_refuse_argument(store);

    const uint64_t start = ms_measuring_begin(store);
    int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        status = ms_combiner_set(store, &(memstore_key){key, key_size}, value, value_size, ttl_ms);
        ms_store_leave(store);
    }
    ms_measuring_end(store, MEMSTORE_OPERATION_SET_ASYNC, start);
    return status;
}

int memstore_flush(memstore *store)
{
    if (store == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;

    int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        status = ms_combiner_flush(store);
        ms_store_leave(store);
    }
    return status;
}

/* In a call that has entered. */
static int increment(memstore *store, const memstore_key *key, int64_t delta, int64_t initial,
                     int64_t ttl_ms, int64_t *sum)
{
    struct ms_life life;
    const int status = ms_ttl_to_life(store, ttl_ms, &life);

    if (status == MEMSTORE_OK)
        return ms_store_increment(store, key->data, key->size, delta, initial, &life, sum);
    ms_store_count_refusal(store, status);
    return status;
}

int memstore_increment(memstore *store, const void *key, size_t key_size, int64_t delta,
                       int64_t initial, int64_t ttl_ms, int64_t *result)
{
    int64_t sum;

    if (store == NULL || !ms_is_key(key, key_size))
        return ms_refuse_argument(store);
    const uint64_t start = ms_measuring_begin(store);
    int status = ms_writing_begin(store, key, key_size);
    if (status == MEMSTORE_OK) {
        status = increment(store, &(memstore_key){key, key_size}, delta, initial, ttl_ms, &sum);
        ms_writing_end(store);
    }
    ms_measuring_end(store, MEMSTORE_OPERATION_INCREMENT, start);
    if (status == MEMSTORE_OK && result != NULL)
        *result = sum;
    return status;
}

int memstore_delete(memstore *store, const void *key, size_t key_size)
{
    if (store == NULL || !ms_is_key(key, key_size))
        return ms_refuse_argument(store);

    const uint64_t start = ms_measuring_begin(store);
    int status = ms_writing_begin(store, key, key_size);
    if (status == MEMSTORE_OK) {
        status = ms_store_delete(store, key, key_size);
        ms_writing_end(store);
    }
    ms_measuring_end(store, MEMSTORE_OPERATION_DELETE, start);
    return status;
}

/* ---- Reading ---- */

int memstore_get(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                 size_t *value_size)
{
    if (store == NULL || !ms_is_key(key, key_size) || !ms_is_bytes(buf, cap))
        return ms_refuse_argument(store);
    return ms_load_relaxed(&store->get)(store, key, key_size, buf, cap, value_size);
}

/* A view in a store that bounds them or measures calls. */
static MS_NOINLINE int get_view_otherwise(memstore *store, const void *key, size_t key_size,
                                          memstore_view *out)
{
    *out = (memstore_view){0};
    const uint64_t start = ms_measuring_begin_read(store);
    const int status = (ms_store_diverts(store) & MS_DIVERT_VIEWS) != 0
                           ? ms_admission_get_view(store, key, key_size, out)
                           : ms_store_get_view(store, key, key_size, out);

    ms_measuring_end(store, MEMSTORE_OPERATION_GET_VIEW, start);
    return status;
}

int memstore_get_view(memstore *store, const void *key, size_t key_size, memstore_view *out)
{
    if (out == NULL)
        return ms_refuse_argument(store);
    if (store == NULL || !ms_is_key(key, key_size)) {
        *out = (memstore_view){0};
        return ms_refuse_argument(store);
    }
    if (ms_unlikely((ms_store_diverts(store) & (MS_DIVERT_VIEWS | MS_DIVERT_MEASURED)) != 0))
        return get_view_otherwise(store, key, key_size, out);
    return ms_store_get_view(store, key, key_size, out);
}

void memstore_view_release(memstore_view *view)
{
    if (view != NULL)
        ms_view_give_back(view);
}

int memstore_has(memstore *store, const void *key, size_t key_size)
{
    if (store == NULL || !ms_is_key(key, key_size))
        return ms_refuse_argument(store);
    return ms_store_has(store, key, key_size);
}
