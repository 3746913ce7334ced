/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of asynchronous writes: chunks of memory, writes carved out of them, and the filter
 * that tells other writers that they have nothing to wait for. */
#include "platform/mem.h"
#include "store/maintenance.h"
#include "store/store.h"
#include "store/write/write.h"

/* The queue takes no more than this part of the limit: what is applied as a batch needs as much
 * again, and the rest is for entries. */
#define QUEUE_SHARE_DIVISOR 16

/* Chunks are 16 KiB; less in a small store, where they are this part of the limit. */
#define CHUNK_SIZE_MAX (16 * 1024)
#define CHUNK_SIZE_MIN 1024
#define CHUNK_SHARE_DIVISOR 256

/* A write larger than this part of a common chunk gets one of its own. */
#define LARGE_DIVISOR 4

/* Places of the filter for each write that may be queued: few writers look closer in vain. */
#define FILTER_PER_WRITE 4
#define FILTER_MIN 256
#define FILTER_MAX 65536

void ms_combiner_init(struct ms_combiner *combiner, uint64_t limit)
{
    combiner->chunk_size = CHUNK_SIZE_MIN;
    while (combiner->chunk_size < CHUNK_SIZE_MAX &&
           combiner->chunk_size < limit / CHUNK_SHARE_DIVISOR)
        combiner->chunk_size *= 2;
    ms_mutex_init(&combiner->apply_lock, MS_RANK_APPLY);
    ms_mutex_init(&combiner->lock, MS_RANK_QUEUE);
}

/* ---- Memory ---- */

/* What the queue may take. */
static uint64_t bytes_max(const memstore *store)
{
    return ms_budget_limit(&store->arena.budget) / QUEUE_SHARE_DIVISOR;
}

static uint32_t filter_places(const memstore *store)
{
    const uint64_t fit = bytes_max(store) / sizeof(struct ms_pending);
    const uint64_t together = ms_setting_of(&store->settings, batch_size);
    const uint64_t writes = together < fit ? together : fit;
    uint32_t places = FILTER_MIN;

    while (places < FILTER_MAX && places < FILTER_PER_WRITE * writes)
        places *= 2;
    return places;
}

static bool make_filter(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;
    const uint32_t places = filter_places(store);
    const size_t bytes = places * sizeof *combiner->filter;

    if (!ms_chunk_charge(store, bytes))
        return false;
    atomic_ushort *filter = ms_mem_alloc(bytes);
    const bool made = filter != NULL;

    ms_mutex_lock(&combiner->lock);
    if (made && combiner->filter == NULL) {
        combiner->filter_mask = places - 1;
        combiner->filter = filter;
        filter = NULL;
    }
    const bool is_in_use = made && filter == NULL;
    ms_mutex_unlock(&combiner->lock);
    if (!is_in_use) {
        ms_mem_free(filter);
        ms_chunk_uncharge(store, bytes);
    }
    return made;
}

static bool make_spare(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;
    struct ms_chunk *chunk = ms_chunk_new(store, combiner->chunk_size);

    if (chunk == NULL)
        return false;
    ms_testing_reach(MS_POINT_CHUNK_MADE);
    ms_mutex_lock(&combiner->lock);
    ms_chunk_push(&combiner->spare, chunk);
    ms_mutex_unlock(&combiner->lock);
    return true;
}

/* Make what the queue lacks. */
static bool provide(memstore *store)
{
    ms_mutex_lock(&store->combiner.lock);
    const bool has_filter = store->combiner.filter != NULL;
    ms_mutex_unlock(&store->combiner.lock);
    return has_filter ? make_spare(store) : make_filter(store);
}

/* ---- Queueing ---- */

static size_t size_of(const struct ms_write *write)
{
    const size_t size = sizeof(struct ms_pending) + write->key.size + write->value_size;
    const size_t alignment = _Alignof(struct ms_pending);

    return (size + alignment - 1) & ~(alignment - 1);
}

static bool is_large(const struct ms_combiner *combiner, size_t size)
{
    return size > combiner->chunk_size / LARGE_DIVISOR;
}

/* Carve out of the current chunk, or out of a spare one, which becomes the current. */
static struct ms_pending *carve_locked(struct ms_combiner *combiner, size_t size)
{
    struct ms_pending *pending =
        combiner->current != NULL ? ms_chunk_carve(combiner->current, size) : NULL;

    if (pending != NULL || combiner->spare == NULL)
        return pending;
    combiner->current = ms_chunk_pop(&combiner->spare);
    ms_chunk_push(&combiner->queue.chunks, combiner->current);
    return ms_chunk_carve(combiner->current, size);
}

static void fill(struct ms_pending *pending, const struct ms_write *write, uint64_t hash)
{
    *pending = (struct ms_pending){.hash = hash,
                                   .expiry = write->life.expiry,
                                   .ttl = write->life.ttl,
                                   .created = write->keep_created,
                                   .key_size = (uint32_t)write->key.size,
                                   .value_size = (uint32_t)write->value_size};
    memcpy((char *)ms_pending_key(pending), write->key.data, write->key.size);
    if (write->value_size != 0)
        memcpy((char *)ms_pending_value(pending), write->value, write->value_size);
}

static atomic_ushort *filter_place(const struct ms_combiner *combiner, uint64_t hash)
{
    return &combiner->filter[hash & combiner->filter_mask];
}

/* Whether the queue is full, by number or by bytes. */
static bool should_apply_locked(const memstore *store)
{
    const struct ms_combiner *combiner = &store->combiner;

    return combiner->queue.count >= ms_setting_of(&store->settings, batch_size) ||
           combiner->queue_bytes >= bytes_max(store);
}

static void append_locked(memstore *store, struct ms_pending *pending, size_t size)
{
    struct ms_combiner *combiner = &store->combiner;
    struct ms_pending_list *queue = &combiner->queue;

    if (queue->last != NULL)
        queue->last->next = pending;
    else
        queue->first = pending;
    queue->last = pending;
    queue->count++;
    combiner->queue_bytes += size;
    if (should_apply_locked(store))
        ms_store_relaxed(&combiner->is_full, true);
    ms_add_relaxed(filter_place(combiner, pending->hash), 1);
    /* ORDER: release, so that who sees it sees the filter too. */
    ms_add_release(&combiner->pending, 1);
}

/* The first write into the queue says when it is due. True when the maintenance thread has to be
 * told, which may have failed before. */
static bool watch_locked(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    if (combiner->queue.count == 1) {
        combiner->oldest = ms_clock_exact_ms();
        ms_store_relaxed(&combiner->due,
                         combiner->oldest + ms_setting_of(&store->settings, batch_timeout));
    }
    if (ms_load_relaxed(&combiner->watched))
        return false;
    ms_store_relaxed(&combiner->watched, true);
    return true;
}

bool ms_combiner_queue(memstore *store, const struct ms_write *write, uint64_t hash)
{
    struct ms_combiner *combiner = &store->combiner;
    const size_t size = size_of(write);
    struct ms_chunk *own = NULL;
    struct ms_pending *pending = NULL;

    if (size > bytes_max(store))
        return false;
    /* A large write is copied before the queue is locked. */
    if (is_large(combiner, size)) {
        own = ms_chunk_new(store, sizeof *own + size);
        if (own == NULL)
            return false;
        pending = ms_chunk_carve(own, size);
        fill(pending, write, hash);
        pending->is_alone = true;
    }

    ms_mutex_lock(&combiner->lock);
    while (combiner->filter == NULL ||
           (own == NULL && (pending = carve_locked(combiner, size)) == NULL)) {
        ms_mutex_unlock(&combiner->lock);
        if (!provide(store)) {
            ms_chunk_free_all(store, own);
            return false;
        }
        ms_mutex_lock(&combiner->lock);
    }
    if (own == NULL)
        fill(pending, write, hash);
    append_locked(store, pending, size);
    const bool tells = watch_locked(store);
    ms_mutex_unlock(&combiner->lock);

    if (tells && !ms_maintenance_plan(store))
        ms_store_relaxed(&combiner->watched, false);
    return true;
}

bool ms_combiner_judge(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    ms_mutex_lock(&combiner->lock);
    const bool full = combiner->queue.count != 0 && should_apply_locked(store);
    ms_store_relaxed(&combiner->is_full, full);
    /* Of an empty queue nobody is to think that it is looked at later. */
    ms_store_relaxed(&combiner->due,
                     combiner->queue.count != 0
                         ? combiner->oldest + ms_setting_of(&store->settings, batch_timeout)
                         : ms_clock_exact_ms());
    ms_mutex_unlock(&combiner->lock);
    return full;
}

/* ---- Looking ---- */

static bool has_key_locked(const struct ms_combiner *combiner, const memstore_key *key,
                           uint64_t hash)
{
    for (const struct ms_pending *pending = combiner->queue.first; pending != NULL;
         pending = pending->next) {
        if (pending->hash == hash && pending->key_size == key->size &&
            memcmp(ms_pending_key(pending), key->data, key->size) == 0)
            return true;
    }
    return false;
}

bool ms_combiner_has_key(memstore *store, const memstore_key *key, uint64_t hash)
{
    struct ms_combiner *combiner = &store->combiner;

    /* ORDER: acquire, pairs with the release in ms_combiner_done_locked(): a write that is not
     * seen any more is in the store. */
    if (ms_load_acquire(filter_place(combiner, hash)) == 0)
        return false;
    ms_mutex_lock(&combiner->lock);
    /* What is being applied is not looked through, just waited for. */
    const bool has = ms_load_relaxed(&combiner->pending) != combiner->queue.count ||
                     has_key_locked(combiner, key, hash);
    ms_mutex_unlock(&combiner->lock);
    return has;
}

/* ---- Taking and being done ---- */

static void take_all_locked(struct ms_combiner *combiner)
{
    combiner->taken = combiner->queue;
    combiner->queue = (struct ms_pending_list){.first = NULL};
    combiner->queue_bytes = 0;
    combiner->current = NULL;
    ms_store_relaxed(&combiner->is_full, false);
}

void ms_combiner_take_locked(struct ms_combiner *combiner)
{
    ms_mutex_lock(&combiner->lock);
    take_all_locked(combiner);
    ms_mutex_unlock(&combiner->lock);
}

void ms_combiner_take_due_locked(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;
    const int64_t now = ms_clock_exact_ms();
    struct ms_chunk *surplus = NULL;

    ms_mutex_lock(&combiner->lock);
    if (now >= ms_load_relaxed(&combiner->due)) {
        if (combiner->queue.count != 0) {
            take_all_locked(combiner);
            /* Look once more: to find that nothing comes any more. */
            ms_store_relaxed(&combiner->due, now + ms_setting_of(&store->settings, batch_timeout));
        } else {
            ms_store_relaxed(&combiner->watched, false);
            surplus = combiner->spare;
            combiner->spare = NULL;
        }
    }
    ms_mutex_unlock(&combiner->lock);
    ms_chunk_free_all(store, surplus);
}

static void free_alone(memstore *store, struct ms_pending *pending)
{
    ms_chunk_free_all(store,
                      (struct ms_chunk *)((char *)pending - offsetof(struct ms_chunk, bytes)));
}

/* Nothing lies in the shared chunks any more. */
static void make_spare_again(memstore *store, struct ms_chunk *chunks)
{
    struct ms_combiner *combiner = &store->combiner;
    struct ms_chunk *chunk;

    ms_mutex_lock(&combiner->lock);
    while ((chunk = ms_chunk_pop(&chunks)) != NULL) {
        if (store->settings.secure_wipe)
            ms_mem_wipe(chunk->bytes, chunk->used);
        chunk->used = 0;
        ms_chunk_push(&combiner->spare, chunk);
    }
    ms_mutex_unlock(&combiner->lock);
}

void ms_combiner_free_spare(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    ms_mutex_lock(&combiner->lock);
    struct ms_chunk *surplus = combiner->spare;
    combiner->spare = NULL;
    ms_mutex_unlock(&combiner->lock);
    ms_chunk_free_all(store, surplus);
}

void ms_combiner_done_locked(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;
    struct ms_pending_list *taken = &combiner->taken;
    struct ms_pending *done = taken->first;
    atomic_ushort *place = filter_place(combiner, done->hash);

    taken->first = done->next;
    if (done->is_alone)
        free_alone(store, done);
    if (--taken->count == 0) {
        make_spare_again(store, taken->chunks);
        *taken = (struct ms_pending_list){.first = NULL};
    }
    /* ORDER: release, so that who does not find the write here finds it in the store. */
    ms_sub_release(place, 1);
    ms_sub_release(&combiner->pending, 1);
}

/* ---- The end ---- */

static void free_list(memstore *store, struct ms_pending_list *list)
{
    for (struct ms_pending *pending = list->first, *next; pending != NULL; pending = next) {
        next = pending->next;
        if (pending->is_alone)
            free_alone(store, pending);
    }
    ms_chunk_free_all(store, list->chunks);
    *list = (struct ms_pending_list){.first = NULL};
}

void ms_combiner_forget(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    free_list(store, &combiner->taken);
    free_list(store, &combiner->queue);
    ms_chunk_free_all(store, combiner->spare);
    combiner->current = combiner->spare = NULL;
    combiner->first_error = MEMSTORE_OK;
    combiner->final_us = 0;
    ms_store_relaxed(&combiner->retry_us, 0);
    ms_store_relaxed(&combiner->watched, false);
    combiner->queue_bytes = 0;
    ms_store_relaxed(&combiner->is_full, false);
    ms_store_relaxed(&combiner->pending, 0);
    for (uint32_t i = 0; combiner->filter != NULL && i <= combiner->filter_mask; i++)
        ms_store_relaxed(&combiner->filter[i], 0);
    /* Chunks that other threads of the parent had in their hands are in no list. */
    const uint64_t kept =
        combiner->filter != NULL ? (combiner->filter_mask + 1) * sizeof *combiner->filter : 0;
    ms_chunk_uncharge(store, combiner->charged - kept);
}

void ms_combiner_fini(memstore *store)
{
    struct ms_combiner *combiner = &store->combiner;

    ms_combiner_forget(store);
    ms_mem_free(combiner->filter);
    ms_mutex_destroy(&combiner->apply_lock);
    ms_mutex_destroy(&combiner->lock);
}
