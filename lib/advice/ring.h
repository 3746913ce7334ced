/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of small records of one size: many threads put records in, none of which waits for
 * another, or one does, and one takes them out.
 *
 *     head                 tail
 *     | 7 | 8 | 9 | - | 11 |     -: claimed, and not filled yet
 *
 * RI-1  A cell's turn is the ticket of who may fill it, and one more when it is filled; taking it out
 *       makes it the next ticket for that cell.
 * RI-2  What is put in while all cells are taken is refused: who puts in decides what that means.
 *
 * The algorithm is that of Vyukov's bounded queue. */
#ifndef MS_ADVICE_RING_H
#define MS_ADVICE_RING_H

#include "platform/atomic.h"
#include "platform/compiler.h"

#include <stddef.h>
#include <stdint.h>

struct ms_ring {
    /* Constant. */
    char *cells;
    uint32_t mask;       /* number of cells - 1 */
    uint32_t cell_bytes; /* of each, its turn included */

    atomic_uint tail MS_ALIGNED(MS_CACHE_LINE); /* the next ticket */
    /* The ticket of the first cell that is not taken out. Who takes out writes it; relaxed: who puts
     * in looks at it for how full it is. */
    atomic_uint head MS_ALIGNED(MS_CACHE_LINE);
};

/* What a record begins with. */
typedef atomic_uint ms_ring_turn;

/* `cells`, a power of two, lie in `memory`, which stays the caller's. */
void ms_ring_init(struct ms_ring *ring, uint32_t cells, uint32_t cell_bytes, void *memory);
/* Nothing is in it, whoever had claimed a cell. Nobody else uses it. */
void ms_ring_reset(struct ms_ring *ring);

MS_ALWAYS_INLINE ms_ring_turn *ms_ring_turn_of(const struct ms_ring *ring, uint32_t ticket)
{
    return (ms_ring_turn *)(ring->cells + (size_t)(ticket & ring->mask) * ring->cell_bytes);
}

/* How far ahead of its use a cell is fetched, which who took it out was the last to write. */
#define MS_RING_AHEAD 2

/* A cell to fill, which ends with ms_ring_filled(), and its ticket. NULL: all are taken. */
MS_ALWAYS_INLINE void *ms_ring_claim(struct ms_ring *ring, uint32_t *ticket)
{
    uint32_t at = ms_load_relaxed(&ring->tail);

    for (;;) {
        ms_ring_turn *turn = ms_ring_turn_of(ring, at);
        /* ORDER: acquire, pairs with the release of ms_ring_take(): the record before was read. */
        const int32_t ahead = (int32_t)(ms_load_acquire(turn) - at);

        if (ahead < 0)
            return NULL;
        if (ahead > 0)
            at = ms_load_relaxed(&ring->tail);
        else if (atomic_compare_exchange_strong_explicit(
                     &ring->tail, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) {
            *ticket = at;
            ms_prefetch_write(ms_ring_turn_of(ring, at + MS_RING_AHEAD));
            return turn;
        }
    }
}

/* The same for the only thread that puts records in: nothing is locked. */
MS_ALWAYS_INLINE void *ms_ring_claim_alone(struct ms_ring *ring, uint32_t *ticket)
{
    const uint32_t at = ms_load_relaxed(&ring->tail);
    ms_ring_turn *turn = ms_ring_turn_of(ring, at);

    /* ORDER: acquire, as in ms_ring_claim(). */
    if (ms_unlikely(ms_load_acquire(turn) != at))
        return NULL;
    ms_store_relaxed(&ring->tail, at + 1);
    *ticket = at;
    ms_prefetch_write(ms_ring_turn_of(ring, at + MS_RING_AHEAD));
    return turn;
}

MS_ALWAYS_INLINE void ms_ring_filled(void *cell, uint32_t ticket)
{
    /* ORDER: release, pairs with the acquire of ms_ring_at(). */
    ms_store_release((ms_ring_turn *)cell, ticket + 1);
}

/* How many cells were taken when the one with this ticket was, itself included, or fewer. */
static inline uint32_t ms_ring_used(const struct ms_ring *ring, uint32_t ticket)
{
    return ticket + 1 - ms_load_relaxed(&ring->head);
}

/* ---- For one thread at a time ---- */

/* The record that comes out after so many others; NULL when there is none, or it is not filled yet. */
static inline void *ms_ring_at(const struct ms_ring *ring, uint32_t after)
{
    const uint32_t ticket = ms_load_relaxed(&ring->head) + after;
    ms_ring_turn *turn = ms_ring_turn_of(ring, ticket);

    /* ORDER: acquire, pairs with the release of ms_ring_filled(). */
    return ms_load_acquire(turn) == ticket + 1 ? (void *)turn : NULL;
}

/* Take the first `n` out, all of which are there. */
void ms_ring_take(struct ms_ring *ring, uint32_t n);

#endif
