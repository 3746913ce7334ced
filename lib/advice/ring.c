/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/ring.h"

void ms_ring_init(struct ms_ring *ring, uint32_t cells, uint32_t cell_bytes, void *memory)
{
    ring->cells = memory;
    ring->mask = cells - 1;
    ring->cell_bytes = cell_bytes;
    ms_ring_reset(ring);
}

void ms_ring_reset(struct ms_ring *ring)
{
    ms_store_relaxed(&ring->tail, 0);
    ms_store_relaxed(&ring->head, 0);
    for (uint32_t i = 0; i <= ring->mask; i++)
        ms_store_relaxed(ms_ring_turn_of(ring, i), i);
}

const void *ms_ring_first(const struct ms_ring *ring)
{
    const uint32_t head = ms_load_relaxed(&ring->head);
    ms_ring_turn *turn = ms_ring_turn_of(ring, head);

    /* ORDER: acquire, pairs with the release of ms_ring_filled(). */
    return ms_load_acquire(turn) == head + 1 ? (const void *)turn : NULL;
}

void ms_ring_take(struct ms_ring *ring)
{
    const uint32_t head = ms_load_relaxed(&ring->head);

    /* ORDER: release, pairs with the acquire of ms_ring_claim(). */
    ms_store_release(ms_ring_turn_of(ring, head), head + ring->mask + 1);
    ms_store_relaxed(&ring->head, head + 1);
}
