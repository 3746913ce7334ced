/* SPDX-License-Identifier: Apache-2.0 */
#include "store/async/chunk.h"

#include "platform/mem.h"
#include "store/space/room.h"
#include "store/store.h"

/* Under the queue's lock, so that the child of a fork() knows what other threads had charged. */
static bool charge(memstore *store, uint64_t bytes, uint64_t spare)
{
    struct ms_combiner *combiner = &store->combiner;

    ms_mutex_lock(&combiner->lock);
    const bool charged = ms_budget_charge(&store->arena.budget, bytes, spare);
    if (charged)
        combiner->charged += bytes;
    ms_mutex_unlock(&combiner->lock);
    return charged;
}

void ms_chunk_uncharge(memstore *store, uint64_t bytes)
{
    struct ms_combiner *combiner = &store->combiner;

    ms_mutex_lock(&combiner->lock);
    ms_budget_uncharge(&store->arena.budget, bytes);
    combiner->charged -= bytes;
    ms_mutex_unlock(&combiner->lock);
}

bool ms_chunk_charge(memstore *store, uint64_t bytes)
{
    struct ms_budget *budget = &store->arena.budget;
    const uint64_t spare = (uint64_t)store->arena.reserve << store->arena.segment_shift;
    struct ms_budget_mark asked = ms_budget_mark(budget);
    bool charged = charge(store, bytes, spare);

    if (charged)
        return true;
    const int64_t deadline = ms_store_deadline(store);
    while (!charged && ms_room_make_to_charge(store, bytes, deadline, &asked) == MEMSTORE_OK)
        charged = charge(store, bytes, spare);
    return charged;
}

struct ms_chunk *ms_chunk_new(memstore *store, uint64_t size)
{
    if (size > UINT32_MAX || !ms_chunk_charge(store, size))
        return NULL;

    struct ms_chunk *chunk = ms_mem_resize(NULL, size);
    if (chunk == NULL) {
        ms_chunk_uncharge(store, size);
        return NULL;
    }
    *chunk = (struct ms_chunk){.size = (uint32_t)size};
    return chunk;
}

void ms_chunk_free_all(memstore *store, struct ms_chunk *first)
{
    while (first != NULL) {
        struct ms_chunk *next = first->next;

        ms_chunk_uncharge(store, first->size);
        ms_mem_free_wiped(first, store->settings.secure_wipe);
        first = next;
    }
}
