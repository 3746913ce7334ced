/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous writes: queued at the call, applied later, many as one batch.
 *
 *     set_async -> queue -> taken -> the store
 *
 * The queue is applied when batch_size writes are in it or they take up their share of the limit
 * (by the call that hands the last one over), when the oldest is batch_timeout old (by the
 * maintenance thread, or memstore_maintain()), by memstore_flush(), by closing, and by a
 * synchronous write of a key that is in it. One thread applies at a time: it takes all that is
 * queued and commits it as one batch; when that is refused, it does the writes one by one, so that
 * one refused does not refuse the others.
 *
 * CB-1  Writes are applied in the order in which they were handed over, but that of several of
 *       one key in a batch only the last is stored.
 * CB-2  A write counts in `pending` and in its key's place of the filter from before its call
 *       returns until it is applied or refused. So a writer that finds a zero there has nothing to
 *       wait for.
 * CB-3  A refused write is counted as one, and remembered for memstore_flush() unless an earlier
 *       one is.
 * CB-4  The bytes of all chunks and of the filter are charged to the budget.
 *
 * Lock order: the apply lock comes before the gate of writers, the reclaim lock and the shards; the
 * queue lock is a leaf. The maintenance thread only tries the apply lock, because its holder may
 * be waiting for a grace period from that thread. */
#ifndef MS_STORE_ASYNC_COMBINER_H
#define MS_STORE_ASYNC_COMBINER_H

#include "platform/atomic.h"
#include "platform/thread.h"
#include "store/async/chunk.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

struct ms_write;
struct ms_op;

/* A write that waits, in a chunk; its key and its value follow. */
struct ms_pending {
    struct ms_pending *next;
    uint64_t hash;
    int64_t expiry;  /* absolute, as the call asked for it, */
    int64_t ttl;     /* and what reads renew it by */
    int64_t created; /* 0 unless the store keeps creation times */
    uint32_t key_size;
    uint32_t value_size;
    bool is_alone; /* in a chunk that is in no list and ends with it */
};

/* Writes in their order, and the chunks they share. */
struct ms_pending_list {
    struct ms_pending *first, *last;
    uint32_t count;
    struct ms_chunk *chunks;
};

struct ms_combiner {
    /* Queued or taken (CB-2). ORDER: release by who queues and who applies, acquire by writers. */
    atomic_uint pending MS_ALIGNED(2 * MS_CACHE_LINE);
    uint32_t filter_mask;
    /* writes pending by their keys' hashes; made before the first is */
    atomic_ushort *filter;
    uint32_t chunk_size; /* of all but those that hold one large write; constant after open */

    ms_mutex apply_lock MS_ALIGNED(2 * MS_CACHE_LINE);
    struct ms_pending_list taken; /* apply lock */
    int64_t final_us;             /* from when on the maintenance thread gives up; 0 = it has not
                                     failed. Apply lock */

    ms_mutex lock;
    struct ms_pending_list queue; /* lock */
    uint64_t queue_bytes;         /* of the writes in it; lock */
    uint64_t charged;             /* to the budget, for chunks and the filter (CB-4); lock */
    atomic_bool is_full;          /* by number or by bytes; lock to write */
    struct ms_chunk *current;     /* of the queue's; what is carved next comes out of it. Lock */
    struct ms_chunk *spare;       /* free chunks of the common size; lock */
    int first_error;              /* since the last flush; lock */
    int64_t oldest; /* when the first write of the queue came, exact milliseconds; lock */

    /* The maintenance thread is going to look at the queue by `due`. Lock to write. */
    atomic_bool watched;
    atomic_int_least64_t due;      /* exact monotonic milliseconds */
    atomic_int_least64_t retry_us; /* in place of `due`, in ms_clock_real_us(); 0 = none */
};

void ms_combiner_init(struct ms_combiner *combiner, uint64_t limit);
void ms_combiner_fini(memstore *store);

/* ---- What calls do. The caller has entered the store. ---- */

/* Hand a write over: OK. What could never be stored is refused here. Without the memory to queue it
 * the write is done at once, with the statuses of a synchronous one. LOCK_TIMEOUT when the queue is
 * full and was not applied in time. */
int ms_combiner_set(memstore *store, const memstore_key *key, const void *value, size_t value_size,
                    int64_t ttl_ms);

/* Apply all that was handed over before: OK, or the first error since the last flush; LOCK_TIMEOUT
 * also when no place among the writers was had. */
int ms_combiner_flush(memstore *store);

/* Before a synchronous write: apply what is queued if a write of the key is (of one of the
 * operations' keys, of any key): OK, or LOCK_TIMEOUT or CACHE_CLOSED when that could not be
 * done. */
int ms_combiner_settle(memstore *store, const memstore_key *key);
int ms_combiner_settle_ops(memstore *store, const struct ms_op *ops, size_t n);
int ms_combiner_settle_all(memstore *store);

static inline bool ms_combiner_is_idle(struct ms_combiner *combiner)
{
    return ms_load_acquire(&combiner->pending) == 0;
}

/* ---- Upkeep ---- */

/* Apply what has become old enough, and give memory back when nothing comes any more: OK, or
 * LOCK_TIMEOUT when something is left. The maintenance thread does not wait, and comes back. */
int ms_combiner_run_due(memstore *store);
/* When ms_combiner_run_due() has something to do, in ms_clock_real_us(); INT64_MAX = never. */
int64_t ms_combiner_when(memstore *store, int64_t now_us);

/* For a writer that is done and has its place among the bounded writers still: the maintenance
 * thread found none, and does not stand in line. Let it be used for what is left to apply. */
void ms_combiner_help(memstore *store);
static inline bool ms_combiner_wants_help(struct ms_combiner *combiner)
{
    return ms_load_relaxed(&combiner->retry_us) != 0;
}

/* The settings of the queue, or the limit, have changed: from now on the queue is full, and due, as
 * they say, and what is due by them already is applied. What cannot be applied in time stays
 * queued. */
void ms_combiner_retune(memstore *store);

/* The limit goes down: apply what is queued, and give back what of the queue's memory is spare.
 * What cannot be applied in time stays queued. */
void ms_combiner_shed(memstore *store);

/* Apply all there is: the store is closed and no call is in flight. */
void ms_combiner_drain(memstore *store);

/* Forget all that is queued, taken and remembered: the store is closed; or this is the child of a
 * fork(), across which all locks were held, while it has one thread: the parent applies what is
 * queued. */
void ms_combiner_forget(memstore *store);

/* ---- Between combiner.c, queue.c and apply.c ---- */

/* Put a write into the queue. False when there is no memory for it. */
bool ms_combiner_queue(memstore *store, const struct ms_write *write, uint64_t hash);
/* Whether a write of the key is queued or being applied. */
bool ms_combiner_has_key(memstore *store, const memstore_key *key, uint64_t hash);
/* Move all that is queued to `taken`, which is empty. Apply lock held. */
void ms_combiner_take_locked(struct ms_combiner *combiner);
/* The same if it has become old enough; an empty queue is not watched any more and gives its spare
 * chunks back. */
void ms_combiner_take_due_locked(memstore *store);
/* Judge the queue by the settings anew. True when it is full. */
bool ms_combiner_judge(memstore *store);
/* Free the spare chunks. */
void ms_combiner_free_spare(memstore *store);
/* The first of what is taken is done with. Apply lock held. */
void ms_combiner_done_locked(memstore *store);
/* Remember an error for the next flush, unless an earlier one is. */
void ms_combiner_note_error(struct ms_combiner *combiner, int status);
/* Apply what is taken: OK, or why it has to wait. Apply lock held. */
enum ms_combiner_place {
    MS_COMBINER_TAKES_PLACE, /* among the writers, where these are bounded */
    MS_COMBINER_NEEDS_NONE,  /* has one, or nobody else is writing */
};
int ms_combiner_apply_locked(memstore *store, enum ms_combiner_place place);
/* The maintenance thread comes back after a while, or when something is due. */
void ms_combiner_retry_later(struct ms_combiner *combiner, bool later);

static inline const char *ms_pending_key(const struct ms_pending *pending)
{
    return (const char *)(pending + 1);
}

static inline const char *ms_pending_value(const struct ms_pending *pending)
{
    return ms_pending_key(pending) + pending->key_size;
}

#endif
