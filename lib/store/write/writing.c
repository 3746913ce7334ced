/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write/writing.h"

#include "store/calls.h"
#include "store/write/write.h"

/* Take a place, if the asynchronous writes before it are applied: `settled`. */
static int try_place(memstore *store, int settled)
{
    if (settled == MEMSTORE_OK && (ms_store_diverts(store) & MS_DIVERT_WRITERS) != 0)
        return ms_admission_enter_writer(store);
    return settled;
}

static int take_place(memstore *store, int settled)
{
    const int status = try_place(store, settled);

    if (status != MEMSTORE_OK)
        ms_store_count_refusal(store, status);
    return status;
}

void ms_writing_leave_place(memstore *store)
{
    if (ms_unlikely(ms_combiner_wants_help(&store->combiner)))
        ms_combiner_help(store);
    ms_admission_leave_writer(store);
}

int ms_writing_admit(memstore *store, const memstore_key *key)
{
    return take_place(store, ms_combiner_settle(store, key));
}

int ms_writing_begin_to_look(memstore *store, const void *key, size_t key_size)
{
    int status = ms_store_enter(store);

    if (status != MEMSTORE_OK || !ms_writing_waits(store))
        return status;
    status = try_place(store, ms_combiner_settle(store, &(memstore_key){key, key_size}));
    if (status != MEMSTORE_OK)
        ms_store_leave(store);
    return status;
}

int ms_writing_begin_ops(memstore *store, const struct ms_op *ops, size_t n)
{
    int status = ms_store_enter(store);

    if (status != MEMSTORE_OK || !ms_writing_waits(store))
        return status;
    status = take_place(store, ms_combiner_settle_ops(store, ops, n));
    if (status != MEMSTORE_OK)
        ms_store_leave(store);
    return status;
}

int ms_writing_begin_all(memstore *store)
{
    int status = ms_store_enter(store);

    if (status != MEMSTORE_OK || !ms_writing_waits(store))
        return status;
    status = take_place(store, ms_combiner_settle_all(store));
    if (status != MEMSTORE_OK)
        ms_store_leave(store);
    return status;
}
