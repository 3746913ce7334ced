/* SPDX-License-Identifier: Apache-2.0 */
/* The memory behind segments: taken from the system and given back to it, so that what is resident
 * is what is charged; for the files of this module.
 *
 * A huge page is resident as a whole, and the system makes one of any page that is there, in an area
 * that asks for them. So:
 *
 * BK-1  In MS_PAGING_MIXED a stretch of MS_HUGE_PAGE_SIZE asks for a huge page only while all of the
 *       segments in it are charged.
 *
 * To have huge pages from the first touch on, the first segment of a stretch is charged for all of
 * them where the budget allows: the others are `ahead`.
 *
 * The system zeroes what is touched first, a huge page as a whole, while who touches it waits. So a
 * store that grows has what comes next charged and made ahead of its writers; when they have stopped for a
 * second it is given back.
 *
 * BK-2  On small pages, in a store that evicts, the last entry of a segment may end in the next one, if that
 *       is free when it is appended. The next one begins behind it, which is its `left_out`, until it is
 *       opened while less is needed. So entries of one size lie side by side from one end of a store to
 *       the other, and waste nothing at the ends of segments. Every entry begins in the stretch of its
 *       segment, by which its segment is found.
 * BK-3  The pages that a segment has of the next one are charged by themselves: while one of the two is
 *       charged.
 *
 * The pool lock is held in all functions. */
#ifndef MS_SEGMENT_BACKING_H
#define MS_SEGMENT_BACKING_H

#include "segment/arena.h"

/* Advise the system of the range as it was reserved. */
void ms_backing_init(struct ms_arena *arena, enum ms_arena_paging paging);
/* A segment with memory that is charged; NULL when the budget, with `spare` bytes left for others,
 * or the system has none. */
struct ms_segment *ms_backing_take(struct ms_arena *arena, uint64_t spare);
/* Say where a segment that is opened begins and ends. */
void ms_backing_shape(struct ms_arena *arena, struct ms_segment *segment, enum ms_queue queue);
/* Let an open segment reach into the next one, so far that an entry of `size` bytes that does not fit just
 * does. False when that is in use, or it would be too much of it. Its slot's lock is held, too. */
bool ms_backing_extend(struct ms_arena *arena, struct ms_segment *segment, uint32_t size,
                       uint64_t spare);
/* Charge what comes next, of a store that has grown beyond its first 16 MiB, if the budget has
 * `spare` bytes left then, unless enough is charged. What of all that is charged ahead has not been
 * made, from *number on: its segments, or 0. */
uint32_t ms_backing_prepare(struct ms_arena *arena, uint64_t spare, uint32_t *number);
/* Give the memory of a free segment back; returns the bytes. */
uint64_t ms_backing_give(struct ms_arena *arena, struct ms_segment *segment);
/* Give back what is charged ahead; returns the bytes. */
uint64_t ms_backing_give_ahead(struct ms_arena *arena);

#endif
