/* SPDX-License-Identifier: Apache-2.0 */
/* Applying what was queued: as one batch, and if that is refused, write by write. The apply lock is
 * held throughout. */
#include "platform/mem.h"
#include "store/batch/commit.h"
#include "store/maintenance.h"
#include "store/store.h"
#include "store/write/write.h"

/* The maintenance thread has other stores to look after, and grace periods to let pass. */
#define MAINTENANCE_PATIENCE_US 20000
/* When it comes back to what it could not apply. */
#define RETRY_US 10000

/* What may have another outcome for one who waits longer: for views, too, for which a writer would wait and
 * the maintenance thread does not. */
static bool is_want_of_patience(memstore *store, int status)
{
    switch (status) {
    case MEMSTORE_ERR_LOCK_TIMEOUT:
    case MEMSTORE_ERR_GC_PRESSURE:
        return true;
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
    case MEMSTORE_ERR_CACHE_FULL:
    case MEMSTORE_ERR_SHARD_OVERFLOW:
        return store->settings.eviction != MS_EVICTION_NONE || ms_arena_has_waiting(&store->arena);
    default:
        return false;
    }
}

/* Whether a failure is to be tried again later: the maintenance thread does not wait as long as a
 * writer may, so it comes back until that has passed. A writer that may wait less by its own wish leaves
 * what others have queued to those who come after it. */
static bool is_postponed(memstore *store, int status)
{
    struct ms_combiner *combiner = &store->combiner;

    if (ms_store_gave_up(status))
        return true;
    if (!ms_maintenance_is_me() || !is_want_of_patience(store, status))
        return false;
    const int64_t now = ms_clock_real_us();
    if (combiner->final_us == 0)
        combiner->final_us = now + ms_setting_of(&store->settings, lock_timeout) * 1000;
    return now < combiner->final_us;
}

/* ---- As one batch ---- */

static void make_op(const struct ms_pending *pending, struct ms_op *op)
{
    *op = (struct ms_op){.kind = MS_OP_SET,
                         .key = {ms_pending_key(pending), pending->key_size},
                         .value = ms_pending_value(pending),
                         .value_size = pending->value_size,
                         .life = {pending->expiry, pending->ttl},
                         .created = pending->created};
}

static int commit_all(memstore *store)
{
    const struct ms_pending_list *taken = &store->combiner.taken;
    struct ms_op *ops = ms_mem_alloc(taken->count * sizeof *ops);
    struct ms_commit_result result;
    size_t n = 0;

    if (ops == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    for (const struct ms_pending *pending = taken->first; pending != NULL; pending = pending->next)
        make_op(pending, &ops[n++]);
    const int status = ms_store_try_commit(store, ops, n, &result);
    ms_mem_free(ops);
    return status;
}

/* ---- One by one ---- */

/* Do the first write: OK, counted and done with, stored or refused; or why it is postponed. */
static int write_first(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;
    const struct ms_pending *first = combiner->taken.first;
    const struct ms_write write = {.key = {ms_pending_key(first), first->key_size},
                                   .value = ms_pending_value(first),
                                   .value_size = first->value_size,
                                   .life = {first->expiry, first->ttl},
                                   .mode = MS_WRITE_SET,
                                   .keep_created = first->created};
    struct ms_write_outcome outcome;
    const int status = ms_store_try_write(store, &write, first->hash, &outcome);

    if (status != MEMSTORE_OK && is_postponed(store, status))
        return status;
    ms_store_count_write(store, status, &outcome);
    if (status != MEMSTORE_OK)
        ms_combiner_note_error(combiner, status);
    ms_combiner_done_locked(store);
    return MEMSTORE_OK;
}

static int write_all(memstore *store)
{
    int status = MEMSTORE_OK;

    while (status == MEMSTORE_OK && store->combiner.taken.count != 0)
        status = write_first(store);
    return status;
}

/* ---- Both ---- */

static int apply(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    if (combiner->taken.count > 1) {
        const int status = commit_all(store);

        if (status == MEMSTORE_OK) {
            while (combiner->taken.count != 0)
                ms_combiner_done_locked(store);
            return MEMSTORE_OK;
        }
        if (is_postponed(store, status))
            return status;
        /* All writes together wait as long as one may. */
        ms_store_patience_us = ms_store_deadline(store);
    }
    return write_all(store);
}

int ms_combiner_apply_locked(memstore *store, enum ms_combiner_place place)
{
    struct ms_combiner *combiner = &store->combiner;
    int status = MEMSTORE_OK;

    if (combiner->taken.count == 0) {
        /* Who had the lock when the maintenance thread came may have had nothing to apply. */
        if (ms_combiner_wants_help(combiner))
            ms_combiner_retry_later(combiner, false);
        return MEMSTORE_OK;
    }
    /* A batch is one writer. */
    const bool takes_place =
        place == MS_COMBINER_TAKES_PLACE && (ms_store_diverts(store) & MS_DIVERT_WRITERS) != 0;
    if (takes_place)
        status = ms_admission_enter_writer(store);
    if (status == MEMSTORE_OK) {
        const int64_t patience = ms_store_patience_us;

        /* What others have queued has its own patience, not that of who comes by. */
        ms_store_patience_us = ms_maintenance_is_me() ? ms_clock_real_us() + MAINTENANCE_PATIENCE_US
                                                      : MS_STORE_PATIENT;
        status = apply(store);
        ms_store_patience_us = patience;
        if (takes_place)
            ms_admission_leave_writer(store);
    }
    if (status == MEMSTORE_OK)
        combiner->final_us = 0;
    ms_combiner_retry_later(combiner, status != MEMSTORE_OK);
    return status;
}

void ms_combiner_retry_later(struct ms_combiner *combiner, bool later)
{
    ms_store_relaxed(&combiner->retry_us, later ? ms_clock_real_us() + RETRY_US : 0);
}
