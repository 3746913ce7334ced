/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"
#include "store/calls.h"
#include "store/load/load.h"
#include "store/scan.h"
#include "store/write/writing.h"

static int open_cursor(memstore *store, const char *pattern, size_t pattern_size, bool of_all,
                       memstore_cursor **out)
{
    *out = NULL;
    if (store == NULL || !ms_is_bytes(pattern, pattern_size))
        return ms_refuse_argument(store);
    return ms_cursor_new(store, pattern, pattern_size, of_all, out);
}

int memstore_cursor_new(memstore *store, const char *pattern, size_t pattern_size,
                        memstore_cursor **out)
{
    return out != NULL ? open_cursor(store, pattern, pattern_size, false, out)
                       : ms_refuse_argument(store);
}

int memstore_cursor_next(memstore_cursor *cursor, memstore_key *key)
{
    return cursor != NULL && key != NULL ? ms_cursor_next(cursor, key)
                                         : MEMSTORE_ERR_INVALID_ARGUMENT;
}

void memstore_cursor_free(memstore_cursor *cursor)
{
    if (cursor != NULL)
        ms_cursor_free(cursor);
}

/* What is done with each matching key: OK to go on, STOP to end well, or an error. */
#define STOP 1
typedef int (*key_action)(memstore *store, const memstore_key *key, void *context);

static int for_each_key(memstore *store, const char *pattern, size_t pattern_size, bool of_all,
                        key_action action, void *context)
{
    memstore_cursor *cursor;
    memstore_key key;
    int status = open_cursor(store, pattern, pattern_size, of_all, &cursor);

    if (status != MEMSTORE_OK)
        return status;
    while ((status = ms_cursor_next(cursor, &key)) == MEMSTORE_OK) {
        status = action(store, &key, context);
        if (status != MEMSTORE_OK)
            break;
    }
    ms_cursor_free(cursor);
    return status == MEMSTORE_ERR_KEY_NOT_FOUND || status == STOP ? MEMSTORE_OK : status;
}

struct key_call {
    memstore_key_fn fn;
    void *context;
};

static int call_back(memstore *store, const memstore_key *key, void *context)
{
    const struct key_call *call = context;

    (void)store;
    return call->fn(key->data, key->size, call->context) == 0 ? MEMSTORE_OK : STOP;
}

int memstore_keys(memstore *store, const char *pattern, size_t pattern_size, memstore_key_fn fn,
                  void *context)
{
    struct key_call call = {fn, context};
    struct ms_calling *calling;

    if (store == NULL || fn == NULL)
        return ms_refuse_argument(store);
    int status = ms_store_begin_callback(store, &calling);
    if (status != MEMSTORE_OK)
        return status;
    status = for_each_key(store, pattern, pattern_size, false, call_back, &call);
    ms_store_end_callback(calling);
    return status;
}

static int count_key(memstore *store, const memstore_key *key, void *context)
{
    (void)store;
    (void)key;
    ++*(uint64_t *)context;
    return MEMSTORE_OK;
}

int memstore_count_by_pattern(memstore *store, const char *pattern, size_t pattern_size,
                              uint64_t *count)
{
    if (count == NULL)
        return ms_refuse_argument(store);
    *count = 0;
    return for_each_key(store, pattern, pattern_size, false, count_key, count);
}

static int delete_key(memstore *store, const memstore_key *key, void *context)
{
    const int status = memstore_delete(store, key->data, key->size);

    if (status == MEMSTORE_OK)
        ++*(uint64_t *)context;
    /* Somebody else was faster: it is gone all the same. */
    return status == MEMSTORE_ERR_KEY_NOT_FOUND ? MEMSTORE_OK : status;
}

/* Apply the asynchronous writes that were handed over before. */
static int settle(memstore *store)
{
    const int status = ms_writing_begin_all(store);

    if (status == MEMSTORE_OK)
        ms_writing_end(store);
    return status;
}

/* What is being loaded is not there yet, and is deleted all the same. */
static int overtake_loads(memstore *store, const char *pattern, size_t pattern_size)
{
    if (!ms_is_bytes(pattern, pattern_size))
        return ms_refuse_argument(store);
    int status = ms_store_enter(store);
    if (status == MEMSTORE_OK) {
        status = ms_load_overtake_matching(store, pattern, pattern_size);
        ms_store_leave(store);
    }
    return status;
}

/* What has expired is deleted, too, and is not to serve for loads that fail; this is what was kept for that. */
static int forget_stale(memstore *store, const char *pattern, size_t pattern_size)
{
    int status = ms_store_enter(store);

    if (status == MEMSTORE_OK) {
        status = ms_stale_forget_matching(store, pattern, pattern_size);
        ms_store_leave(store);
    }
    return status;
}

int memstore_delete_by_pattern(memstore *store, const char *pattern, size_t pattern_size,
                               uint64_t *deleted)
{
    uint64_t unwanted;

    if (deleted == NULL)
        deleted = &unwanted;
    *deleted = 0;
    /* Keys that are still queued are among them. */
    int status = store != NULL ? settle(store) : MEMSTORE_ERR_INVALID_ARGUMENT;
    if (status == MEMSTORE_OK)
        status = overtake_loads(store, pattern, pattern_size);
    if (status != MEMSTORE_OK)
        return status;
    status = for_each_key(store, pattern, pattern_size, true, delete_key, deleted);
    return status == MEMSTORE_OK ? forget_stale(store, pattern, pattern_size) : status;
}
