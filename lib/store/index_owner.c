/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index_owner.h"

#include "store/sizing.h"
#include "store/space/harvest.h"
#include "store/store.h"
#include "store/watch/store_log.h"

#include "platform/mem.h"

static bool alloc_table(void *context, size_t bytes, bool wins, uint64_t *offset)
{
    memstore *store = context;
    struct ms_arena *arena = &store->arena;
    const uint64_t spare = wins ? 0 : (uint64_t)arena->reserve << arena->segment_shift;
    struct ms_retired *node = ms_mem_alloc(sizeof *node);
    void *table = node != NULL ? ms_pages_alloc(&arena->pages, bytes, spare) : NULL;

    if (table == NULL) {
        if (node == NULL)
            ms_budget_note_refusal(&arena->budget);
        ms_mem_free(node);
        return false;
    }
    *node = (struct ms_retired){.memory = table, .size = bytes};
    ms_mutex_lock(&store->retired_lock);
    node->next = store->retired_spare;
    store->retired_spare = node;
    ms_mutex_unlock(&store->retired_lock);
    ms_tell_index_grown(store, bytes);
    *offset = (uint64_t)((char *)table - arena->base);
    return true;
}

static void retire_table(void *context, uint64_t offset, size_t bytes)
{
    memstore *store = context;

    /* Each table in use has a node set aside; which one does not matter. */
    ms_mutex_lock(&store->retired_lock);
    struct ms_retired *node = store->retired_spare;
    store->retired_spare = node->next;
    ms_mutex_unlock(&store->retired_lock);
    *node = (struct ms_retired){.memory = store->arena.base + offset, .size = bytes};
    ms_harvest_retire(store, node);
}

static const void *entry_address(void *context, uint32_t place)
{
    memstore *store = context;

    return ms_arena_entry(&store->arena, place);
}

static uint64_t entry_hash(void *context, uint32_t place)
{
    memstore *store = context;
    const struct ms_entry_parts parts =
        ms_entry_parts(ms_arena_entry(&store->arena, place), store->kept);

    return ms_store_hash(store, parts.key, parts.key_size);
}

void ms_index_owner_init(memstore *store)
{
    const struct ms_index_owner owner = {
        .alloc_table = alloc_table,
        .retire_table = retire_table,
        .address = entry_address,
        .hash = entry_hash,
        .table_unit = store->settings.limit < MS_SIZING_SMALL ? ms_pages_unit(&store->arena.pages)
                                                              : MS_PAGE_SIZE,
        .context = store,
        .granule_shift = store->arena.granule_shift,
    };

    ms_index_init(&store->index, ms_sizing_shards(&store->settings), store + 1, store->arena.base,
                  &owner);
}
