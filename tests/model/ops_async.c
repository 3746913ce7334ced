/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous writes: the model has a queue too, and knows when it is applied. */
#include "model/run.h"

#include <inttypes.h>
#include <stdlib.h>

void run_settle_all(struct run *run)
{
    if (run->model.queued > 0)
        run_note(run, "  %u queued writes are applied\n", run->model.queued);
    model_apply(&run->model);
}

void run_settle_key(struct run *run, const struct model_entry *entry)
{
    if (model_is_queued(&run->model, entry))
        run_settle_all(run);
}

void run_settle_due(struct run *run)
{
    if (model_is_due(&run->model))
        run_settle_all(run);
}

void run_flush(struct run *run)
{
    run_expect(run, "flush", memstore_flush(run->store), MEMSTORE_OK);
    run_settle_all(run);
}

/* A tight limit may refuse the write in the call, or later: it is flushed at once, so that there is
 * one status. */
static int set_and_flush(struct run *run, const struct model_entry *entry, const void *value,
                         size_t size, int64_t ttl)
{
    const int status =
        memstore_set_async(run->store, entry->key, entry->key_size, value, size, ttl);

    return status == MEMSTORE_OK ? memstore_flush(run->store) : status;
}

static void set_tight(struct run *run, struct model_entry *entry, const void *value, size_t size,
                      int64_t ttl)
{
    int64_t expiry = 0;
    const int wanted = model_admit(&run->model, entry->key_size, size, ttl, &expiry);

    if (run_settle(run, "set_async and flush", set_and_flush(run, entry, value, size, ttl), wanted))
        model_write(&run->model, entry, value, size, expiry);
}

static void set_queued(struct run *run, struct model_entry *entry, const void *value, size_t size,
                       int64_t ttl)
{
    int64_t expiry = 0;
    const int wanted = model_admit(&run->model, entry->key_size, size, ttl, &expiry);
    const int got = memstore_set_async(run->store, entry->key, entry->key_size, value, size, ttl);

    if (!run_settle(run, "set_async", got, wanted))
        return;
    if (run->model.rules.writes_at_once)
        model_write(&run->model, entry, value, size, expiry);
    else if (model_queue(&run->model, entry, value, size, expiry))
        run_settle_all(run);
}

void op_set_async(struct run *run)
{
    struct model_entry *entry = run_pick(run);
    size_t size;
    unsigned char *value = run_pick_value(run, &size);
    int64_t ttl = run_pick_ttl(run), expiry;

    /* Two reasons to refuse, and no rule which comes first. */
    if (model_admit(&run->model, entry->key_size, size, ttl, &expiry) ==
        MEMSTORE_ERR_ENTRY_TOO_LARGE)
        ttl = MEMSTORE_TTL_DEFAULT;
    run_sync(run, entry);
    run_note(run, "  key %td, %zu bytes, ttl %" PRId64 "\n", entry - run->model.entries, size, ttl);
    if (run->config->tight)
        set_tight(run, entry, value, size, ttl);
    else
        set_queued(run, entry, value, size, ttl);
    free(value);
    run_check_after(run, entry);
}

void op_flush(struct run *run)
{
    struct model_entry *entry = run_pick(run);

    run_sync_all(run);
    run_flush(run);
    run_check_after(run, entry);
}
