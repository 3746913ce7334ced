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

void ms_ring_take(struct ms_ring *ring, uint32_t n)
{
    const uint32_t head = ms_load_relaxed(&ring->head);

    for (uint32_t ticket = head; ticket != head + n; ticket++) {
        /* ORDER: release, pairs with the acquire of ms_ring_claim(). */
        ms_store_release(ms_ring_turn_of(ring, ticket), ticket + ring->mask + 1);
    }
    ms_store_relaxed(&ring->head, head + n);
}
