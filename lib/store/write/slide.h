/* SPDX-License-Identifier: Apache-2.0 */
/* Expiries that reads renew: `ttl.mode: access`.
 *
 * A read lets an entry live for its whole TTL again. It does so without a lock, by one
 * compare-and-swap, and only when that moves the expiry by a share of the TTL, so that readers of
 * one entry write to it now and then: an entry lives for 15/16 of its TTL after its last read at
 * least, and for all of it at most.
 *
 * SD-1  A renewal moves an expiry later, never earlier; so what a sweeper knows about a segment
 *       stays true (DU-2).
 * SD-2  A reader looks at the slot again after it has renewed; who moves an entry, or counts on in
 *       it, reads its expiry again, by a read-modify-write, after the slot leads to the copy. So a
 *       renewal is found by the mover, or the reader finds the copy.
 * SD-3  Who removes an entry for its expiry reads that under the shard's lock. A renewal that comes
 *       after it changes nothing but bytes that are dead.
 * SD-4  A reader that was held up between the clock and its compare-and-swap may renew what others
 *       have seen expired meanwhile, as long as it was not removed: the read that is in progress
 *       and the expiry are of one moment. */
#ifndef MS_STORE_WRITE_SLIDE_H
#define MS_STORE_WRITE_SLIDE_H

#include "store/lookup.h"
#include "store/write/ttl.h"

/* A read hit what is at this place, live. In its read section. */
void ms_slide_renew(memstore *store, const void *key, size_t key_size, ms_place place);
MS_ALWAYS_INLINE void ms_slide_read(memstore *store, const void *key, size_t key_size,
                                    ms_place place)
{
    if (ms_unlikely((store->kept & MS_KEPT_TTL) != 0))
        ms_slide_renew(store, key, key_size, place);
}

/* The life of an entry that is used and written anew in one: the one it was seen with, renewed where
 * reads renew. */
struct ms_life ms_slide_life(const memstore *store, const struct ms_found *found,
                             const struct ms_life *seen);

/* Give a published entry this TTL and this expiry, in its stored form, which is not MS_EXPIRY_FAR.
 * False when it has that already, but with another TTL: a reader that is about to renew it by that
 * could not know. Shard lock held. */
bool ms_slide_set(const memstore *store, struct ms_entry *entry, uint32_t encoded, int64_t ttl);

/* An entry was written elsewhere and its slot leads there: let that expire when the entry does by now.
 * Shard lock held. */
void ms_slide_carry(const memstore *store, const struct ms_found *from,
                    const struct ms_reserved *to, int64_t expiry);

#endif
