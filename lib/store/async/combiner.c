/* SPDX-License-Identifier: Apache-2.0 */
#include "store/async/combiner.h"

#include "platform/mem.h"
#include "store/batch/commit.h"
#include "store/maintenance.h"
#include "store/write/ttl.h"
#include "store/write/write.h"
#include "store/write/writing.h"

/* ---- Errors ---- */

void ms_combiner_note_error(struct ms_combiner *combiner, int status)
{
    ms_mutex_lock(&combiner->lock);
    if (combiner->first_error == MEMSTORE_OK)
        combiner->first_error = status;
    ms_mutex_unlock(&combiner->lock);
}

/* Hand out what is remembered. */
static int take_error(struct ms_combiner *combiner)
{
    ms_mutex_lock(&combiner->lock);
    const int status = combiner->first_error;
    combiner->first_error = MEMSTORE_OK;
    ms_mutex_unlock(&combiner->lock);
    return status;
}

/* ---- Applying ---- */

/* Apply all that was handed over before. Apply lock held. */
static int apply_all_locked(memstore *store, enum ms_combiner_place place)
{
    /* What somebody had to leave comes first. */
    int status = ms_combiner_apply_locked(store, place);

    if (status == MEMSTORE_OK) {
        ms_combiner_take_locked(&store->combiner);
        status = ms_combiner_apply_locked(store, place);
    }
    return status;
}

static int apply_all(memstore *store)
{
    ms_mutex *lock = &store->combiner.apply_lock;

    if (!ms_mutex_lock_until(lock, ms_store_deadline(store)))
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    const int status = apply_all_locked(store, MS_COMBINER_TAKES_PLACE);
    ms_mutex_unlock(lock);
    return status;
}

int ms_combiner_flush(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    /* Without a bound of the store's: those before us have theirs. */
    if (!ms_mutex_lock_until(&combiner->apply_lock, ms_wait_deadline(MS_WAIT_UNBOUNDED)))
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    const int status = apply_all_locked(store, MS_COMBINER_TAKES_PLACE);
    ms_mutex_unlock(&combiner->apply_lock);
    return status == MEMSTORE_OK ? take_error(combiner) : status;
}

void ms_combiner_help(memstore *store)
{
    /* Who holds it may be waiting for our place. */
    if (!ms_mutex_try_lock(&store->combiner.apply_lock))
        return;
    ms_combiner_apply_locked(store, MS_COMBINER_NEEDS_NONE);
    ms_mutex_unlock(&store->combiner.apply_lock);
}

void ms_combiner_shed(memstore *store)
{
    apply_all(store);
    ms_combiner_free_spare(store);
}

void ms_combiner_retune(memstore *store)
{
    if (ms_combiner_judge(store) || !ms_setting_of(&store->settings, enable_batch_optimization))
        apply_all(store);
}

void ms_combiner_drain(memstore *store)
{
    const struct ms_wait_bound bound = ms_wait_bound;

    /* What is not applied now is lost. */
    ms_wait_bind(MS_WAIT_UNBOUNDED, NULL);
    ms_mutex_lock(&store->combiner.apply_lock);
    apply_all_locked(store, MS_COMBINER_NEEDS_NONE);
    ms_combiner_forget(store);
    ms_mutex_unlock(&store->combiner.apply_lock);
    ms_wait_bound = bound;
}

/* ---- Handing over ---- */

/* Do the write in the call, as a synchronous one. */
static int write_now(memstore *store, const struct ms_write *write)
{
    int status = ms_writing_admit(store, &write->key);

    if (status == MEMSTORE_OK) {
        status = ms_store_write(store, write);
        ms_writing_done(store);
    }
    return status;
}

static bool is_full(memstore *store)
{
    return ms_load_relaxed(&store->combiner.is_full);
}

/* Apply a full queue, unless somebody else does meanwhile: OK when it is not full any more. */
static int apply_full(memstore *store)
{
    ms_mutex *lock = &store->combiner.apply_lock;
    int status = MEMSTORE_OK;

    if (!ms_mutex_lock_until(lock, ms_store_deadline(store)))
        return is_full(store) ? MEMSTORE_ERR_LOCK_TIMEOUT : MEMSTORE_OK;
    if (is_full(store))
        status = apply_all_locked(store, MS_COMBINER_TAKES_PLACE);
    ms_mutex_unlock(lock);
    return is_full(store) ? status : MEMSTORE_OK;
}

/* Queue the write, or do it now. */
static int hand_over(memstore *store, const struct ms_write *write)
{
    const uint64_t hash = ms_store_hash(store, write->key.data, write->key.size);

    if (ms_unlikely(is_full(store))) {
        const int status = apply_full(store);
        if (status != MEMSTORE_OK) {
            ms_store_count_refusal(store, status);
            return status;
        }
    }
    if (!ms_combiner_queue(store, write, hash))
        return write_now(store, write);
    /* It is queued now, whatever keeps it from being applied. */
    if (ms_unlikely(is_full(store)))
        apply_full(store);
    return MEMSTORE_OK;
}

int ms_combiner_set(memstore *store, const memstore_key *key, const void *value, size_t value_size,
                    int64_t ttl_ms)
{
    struct ms_write write = {*key, value, value_size, .mode = MS_WRITE_SET};
    int status = ms_ttl_to_life(store, ttl_ms, &write.life);

    if (status == MEMSTORE_OK)
        status = ms_store_check_size(store, key->size, value_size);
    if (status != MEMSTORE_OK) {
        ms_store_count_refusal(store, status);
        return status;
    }
    if (store->keeps_created)
        write.keep_created = ms_clock_exact_ms();
    return ms_setting_of(&store->settings, enable_batch_optimization) ? hand_over(store, &write)
                                                                      : write_now(store, &write);
}

/* ---- Before a synchronous write ---- */

int ms_combiner_settle_all(memstore *store)
{
    return ms_combiner_is_idle(&store->combiner) ? MEMSTORE_OK : apply_all(store);
}

static bool has_key(memstore *store, const memstore_key *key)
{
    return ms_combiner_has_key(store, key, ms_store_hash(store, key->data, key->size));
}

int ms_combiner_settle(memstore *store, const memstore_key *key)
{
    if (ms_combiner_is_idle(&store->combiner) || !has_key(store, key))
        return MEMSTORE_OK;
    return apply_all(store);
}

int ms_combiner_settle_ops(memstore *store, const struct ms_op *ops, size_t n)
{
    if (ms_combiner_is_idle(&store->combiner))
        return MEMSTORE_OK;
    for (size_t i = 0; i < n; i++) {
        if (has_key(store, &ops[i].key))
            return apply_all(store);
    }
    return MEMSTORE_OK;
}

/* ---- Upkeep ---- */

int ms_combiner_run_due(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;
    const bool waits = !ms_maintenance_is_me();

    if (!ms_load_relaxed(&combiner->watched))
        return MEMSTORE_OK;
    if (waits ? !ms_mutex_lock_until(&combiner->apply_lock, ms_store_deadline(store))
              : !ms_mutex_try_lock(&combiner->apply_lock)) {
        ms_combiner_retry_later(combiner, true);
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    }
    int status = ms_combiner_apply_locked(store, MS_COMBINER_TAKES_PLACE);
    if (status == MEMSTORE_OK) {
        ms_combiner_take_due_locked(store);
        status = ms_combiner_apply_locked(store, MS_COMBINER_TAKES_PLACE);
    }
    ms_mutex_unlock(&combiner->apply_lock);
    return status;
}

int64_t ms_combiner_when(memstore *store, int64_t now_us)
{
    struct ms_combiner *combiner = &store->combiner;

    if (!ms_load_relaxed(&combiner->watched))
        return INT64_MAX;
    const int64_t retry_us = ms_load_relaxed(&combiner->retry_us);
    if (retry_us != 0)
        return retry_us;
    return now_us + (ms_load_relaxed(&combiner->due) - ms_clock_exact_ms()) * 1000;
}
