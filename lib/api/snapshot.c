/* SPDX-License-Identifier: Apache-2.0 */
#include "api/loading.h"
#include "snapshot/reader.h"
#include "store/calls.h"
#include "store/snapshot/restore.h"
#include "store/snapshot/save.h"
#include "store/snapshot/warm.h"
#include "store/store.h"
#include "util/abi.h"

static bool is_path(const char *path)
{
    return path != NULL && path[0] != '\0';
}

int memstore_save(memstore *store, const char *path, memstore_progress_fn fn, void *context)
{
    if (store == NULL || !is_path(path))
        return ms_refuse_argument(store);

    struct ms_calling *call;
    int status = ms_store_enter_to_call_out(store, &call);
    if (status == MEMSTORE_OK) {
        status = ms_store_save(store, path, fn, context);
        ms_store_leave_calling_out(store, call);
    }
    return status;
}

int memstore_load(memstore *store, const char *path, memstore_progress_fn fn, void *context)
{
    if (store == NULL || !is_path(path))
        return ms_refuse_argument(store);

    struct ms_calling *call;
    int status = ms_store_enter_to_call_out(store, &call);
    if (status == MEMSTORE_OK) {
        status = ms_store_restore(store, path, fn, context);
        ms_store_leave_calling_out(store, call);
    }
    return status;
}

int memstore_read_snapshot_info(const char *path, memstore_snapshot_info *info)
{
    memstore_snapshot_info ours = {.struct_size = sizeof ours};
    struct ms_snapshot_reader reader;

    if (info == NULL || !is_path(path))
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    const int status = ms_snapshot_open(&reader, path, false);
    if (status == MEMSTORE_OK)
        ms_snapshot_close(&reader);
    if (status == MEMSTORE_OK || status == MEMSTORE_ERR_UNSUPPORTED) {
        ours.version = reader.summary.version;
        ours.compressed = reader.summary.may_be_packed;
        ours.saved_at_ms = reader.summary.saved_at;
        ours.entries = reader.summary.entries;
        ours.bytes = reader.summary.file_size;
    }
    const int stored = ms_abi_store(info, &ours, sizeof ours);
    return stored == MEMSTORE_OK ? status : stored;
}

int memstore_warm(memstore *store, const memstore_key *keys, size_t n,
                  const memstore_loader *loader, memstore_progress_fn fn, void *context)
{
    struct ms_calling *call;
    memstore_loader ours;

    if (store == NULL || !ms_are_keys(keys, n))
        return ms_refuse_argument(store);
    int status = ms_read_loader(loader, false, &ours);
    if (status != MEMSTORE_OK)
        return ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : status;
    status = ms_store_enter_to_call_out(store, &call);
    if (status == MEMSTORE_OK) {
        status = ms_store_warm(store, keys, n, &ours, fn, context);
        ms_store_leave_calling_out(store, call);
    }
    return status;
}
