/* SPDX-License-Identifier: Apache-2.0 */
#include "eviction/ghost.h"

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#endif

static atomic_ushort *set_of(struct ms_ghost_table *table, uint64_t hash)
{
    const uint64_t set = (hash & UINT32_MAX) * table->sets >> 32;

    return &table->cells[set * MS_GHOST_CELLS];
}

#define KIND_SHIFT 14

#define KIND_BITS (16 - KIND_SHIFT)

static enum ms_ghost_kind kind_of(unsigned cell)
{
    const unsigned kind = cell >> KIND_SHIFT;

    return kind != 0 ? (enum ms_ghost_kind)kind : MS_GHOST_USED_OFTEN;
}

static unsigned cell_for(enum ms_ghost_kind kind, uint16_t fingerprint)
{
    return ((unsigned)kind << KIND_SHIFT | fingerprint) & UINT16_MAX;
}

/* Other bits than those that choose the set. Never 0, which is that of an empty cell. */
static uint16_t fingerprint_of(uint64_t hash)
{
    const uint16_t fingerprint = hash >> 46 & ((1u << KIND_SHIFT) - 1);

    return fingerprint != 0 ? fingerprint : 1;
}

/* A bit for each cell of the set that has this fingerprint; that of the cursor means nothing. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
/* ORDER: relaxed; lanes of sixteen bits are written whole, and each stands for itself. */
static uint32_t equal_in_half(const __m128i *eighths, __m128i wanted)
{
    const __m128i low =
        _mm_cmpeq_epi16(_mm_slli_epi16(_mm_loadu_si128(&eighths[0]), KIND_BITS), wanted);
    const __m128i high =
        _mm_cmpeq_epi16(_mm_slli_epi16(_mm_loadu_si128(&eighths[1]), KIND_BITS), wanted);

    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
}

static uint32_t cells_with(const atomic_ushort *set, uint16_t fingerprint)
{
    const __m128i wanted = _mm_set1_epi16((short)(fingerprint << KIND_BITS));
    const __m128i *eighths = (const __m128i *)set;

    return equal_in_half(eighths, wanted) | equal_in_half(eighths + 2, wanted) << 16;
}
#else
static uint32_t cells_with(const atomic_ushort *set, uint16_t fingerprint)
{
    uint32_t equal = 0;

    for (unsigned i = 1; i < MS_GHOST_CELLS; i++) {
        const uint16_t cell = ms_load_relaxed(&set[i]);
        equal |= (uint32_t)((uint16_t)(cell << KIND_BITS) == (uint16_t)(fingerprint << KIND_BITS))
                 << i;
    }
    return equal;
}
#endif

/* How many keys have been inserted into a ring after the one in `cell`. */
static unsigned age_of(unsigned cursor, unsigned cell)
{
    return cursor >= cell ? cursor - cell : cursor + MS_GHOST_CELLS - 1 - cell;
}

void ms_ghost_prefetch(struct ms_ghost *ghost, uint64_t hash)
{
    struct ms_ghost_table *table = ms_load_acquire(&ghost->table);

    if (table != NULL)
        ms_prefetch_write(set_of(table, hash));
}

struct ms_ghost_trace ms_ghost_take(struct ms_ghost *ghost, uint64_t hash)
{
    struct ms_ghost_table *table = ms_load_acquire(&ghost->table);
    struct ms_ghost_trace trace = {MS_GHOST_NONE, 0};

    if (table == NULL)
        return trace;

    atomic_ushort *set = set_of(table, hash);
    const uint32_t cells = cells_with(set, fingerprint_of(hash)) & ~UINT32_C(1);
    if (cells != 0) {
        const unsigned i = (unsigned)__builtin_ctz(cells);
        const unsigned cell = ms_load_relaxed(&set[i]);

        ms_store_relaxed(&set[i], 0);
        trace.kind = kind_of(cell);
        trace.age = age_of(ms_load_relaxed(&set[0]), i);
    }
    return trace;
}

void ms_ghost_insert(struct ms_ghost *ghost, uint64_t hash, enum ms_ghost_kind kind)
{
    struct ms_ghost_table *table = ms_load_acquire(&ghost->table);

    if (table == NULL || kind == MS_GHOST_NONE)
        return;

    atomic_ushort *set = set_of(table, hash);
    const unsigned last = ms_load_relaxed(&set[0]);
    const unsigned next = last + 1 < MS_GHOST_CELLS ? last + 1 : 1;
    ms_store_relaxed(&set[next], (unsigned short)cell_for(kind, fingerprint_of(hash)));
    ms_store_relaxed(&set[0], (unsigned short)next);
}

static uint32_t sets_for(uint64_t keys)
{
    const uint64_t sets = (keys + MS_GHOST_CELLS - 2) / (MS_GHOST_CELLS - 1);

    return sets == 0 ? 1 : sets > UINT32_MAX / 128 ? UINT32_MAX / 128 : (uint32_t)sets;
}

static uint64_t bytes_of(uint32_t sets)
{
    return sizeof(struct ms_ghost_table) + (uint64_t)sets * MS_GHOST_CELLS * sizeof(atomic_ushort);
}

uint64_t ms_ghost_bytes(uint64_t keys)
{
    return bytes_of(sets_for(keys));
}

bool ms_ghost_needs_resize(struct ms_ghost *ghost, uint64_t keys)
{
    struct ms_ghost_table *table = ms_load_relaxed(&ghost->table);
    const uint32_t sets = sets_for(keys);

    return table == NULL || sets > table->sets + table->sets / 2 || sets < table->sets / 2;
}

/* Larger tables begin empty: writers would wait for milliseconds while they are copied. */
#define TAKEN_OVER_MOST (UINT32_C(16) << 20)

/* Let each set begin as the one that has held the most of its keys. */
static void take_over(struct ms_ghost_table *table, struct ms_ghost_table *old)
{
    if (table->bytes > TAKEN_OVER_MOST)
        return;
    for (uint64_t set = 0; set < table->sets; set++) {
        const uint64_t from = (2 * set + 1) * old->sets / (2 * (uint64_t)table->sets);

        for (size_t i = 0; i < MS_GHOST_CELLS; i++)
            ms_store_relaxed(&table->cells[set * MS_GHOST_CELLS + i],
                             ms_load_relaxed(&old->cells[from * MS_GHOST_CELLS + i]));
    }
}

bool ms_ghost_resize(struct ms_ghost *ghost, struct ms_pages *pages, uint64_t keys, uint64_t spare,
                     struct ms_ghost_table **old)
{
    const uint32_t sets = sets_for(keys);
    const uint64_t bytes = bytes_of(sets);
    struct ms_ghost_table *table = bytes <= UINT32_MAX ? ms_pages_alloc(pages, bytes, spare) : NULL;

    if (table == NULL)
        return false;
    table->sets = sets;
    table->bytes = (uint32_t)bytes;
    *old = ms_load_relaxed(&ghost->table);
    if (*old != NULL)
        take_over(table, *old);
    /* ORDER: release, pairs with the acquire of those who look: the header is written. */
    ms_store_release(&ghost->table, table);
    return true;
}
