/* SPDX-License-Identifier: Apache-2.0 */
#include "eviction/ghost.h"

static atomic_ushort *set_of(struct ms_ghost_table *table, uint64_t hash)
{
    const uint64_t set = (hash & UINT32_MAX) * table->sets >> 32;

    return &table->cells[set * MS_GHOST_CELLS];
}

/* Never 0, which is an empty cell. Other bits than those that choose the set. */
static uint16_t fingerprint_of(uint64_t hash)
{
    const uint16_t fingerprint = (uint16_t)(hash >> 44);

    return fingerprint != 0 ? fingerprint : 1;
}

bool ms_ghost_take(struct ms_ghost *ghost, uint64_t hash)
{
    struct ms_ghost_table *table = ms_load_acquire(&ghost->table);

    if (table == NULL)
        return false;

    atomic_ushort *set = set_of(table, hash);
    const uint16_t fingerprint = fingerprint_of(hash);
    for (unsigned i = 1; i < MS_GHOST_CELLS; i++) {
        if (ms_load_relaxed(&set[i]) == fingerprint) {
            ms_store_relaxed(&set[i], 0);
            return true;
        }
    }
    return false;
}

void ms_ghost_insert(struct ms_ghost *ghost, uint64_t hash)
{
    struct ms_ghost_table *table = ms_load_acquire(&ghost->table);

    if (table == NULL)
        return;

    atomic_ushort *set = set_of(table, hash);
    const unsigned last = ms_load_relaxed(&set[0]);
    const unsigned next = last + 1 < MS_GHOST_CELLS ? last + 1 : 1;
    ms_store_relaxed(&set[next], fingerprint_of(hash));
    ms_store_relaxed(&set[0], (unsigned short)next);
}

static uint32_t sets_for(uint64_t keys)
{
    const uint64_t sets = (keys + MS_GHOST_CELLS - 2) / (MS_GHOST_CELLS - 1);

    return sets == 0 ? 1 : sets > UINT32_MAX / 128 ? UINT32_MAX / 128 : (uint32_t)sets;
}

bool ms_ghost_needs_resize(struct ms_ghost *ghost, uint64_t keys)
{
    struct ms_ghost_table *table = ms_load_relaxed(&ghost->table);
    const uint32_t sets = sets_for(keys);

    return table == NULL || sets > table->sets + table->sets / 2 || sets < table->sets / 2;
}

bool ms_ghost_resize(struct ms_ghost *ghost, struct ms_pages *pages, uint64_t keys, uint64_t spare,
                     struct ms_ghost_table **old)
{
    const uint32_t sets = sets_for(keys);
    const size_t bytes =
        sizeof(struct ms_ghost_table) + (size_t)sets * MS_GHOST_CELLS * sizeof(atomic_ushort);
    struct ms_ghost_table *table = bytes <= UINT32_MAX ? ms_pages_alloc(pages, bytes, spare) : NULL;

    if (table == NULL)
        return false;
    table->sets = sets;
    table->bytes = (uint32_t)bytes;
    *old = ms_load_relaxed(&ghost->table);
    /* ORDER: release, pairs with the acquire of those who look: the header is written. */
    ms_store_release(&ghost->table, table);
    return true;
}
