/* SPDX-License-Identifier: Apache-2.0 */
/* Another memory limit for an open store. */
#ifndef MS_STORE_SPACE_RESIZE_H
#define MS_STORE_SPACE_RESIZE_H

#include "store/space/descent.h"

#include <memstore/memstore.h>
#include <stdint.h>

/* What a sentence about a change takes. */
#define MS_WHY_SIZE 256

/* The least that a limit has to be while nothing is pinned. */
uint64_t ms_store_least_limit(memstore *store);
/* Whether a limit is at least that: OK or INVALID_CONFIG, and why. */
int ms_store_check_least(uint64_t limit, uint64_t least, char why[static MS_WHY_SIZE]);
/* The least that the store could be given now: with what would follow keys then, and room for what is kept
 * without eviction. No lock held that is not below the pool's. */
uint64_t ms_store_reachable_limit(memstore *store);
/* Bring about a lower memory limit, with `parting` bytes of what is in use still: the caller gives them back next.
 * The settings lock is held. */
int ms_store_lower(memstore *store, uint64_t limit, uint64_t parting, char why[static MS_WHY_SIZE]);
/* Bring about one that is not lower, nor above what ms_store_check_limit() allows. So many bytes of what it is
 * higher are the caller's, charged before anybody else has them. The settings lock is held. */
int ms_store_raise(memstore *store, uint64_t limit, uint64_t taken, char why[static MS_WHY_SIZE]);
/* Take back a higher limit that was brought about just now: at once, whatever has been stored since. The
 * settings lock is held. */
void ms_store_put_limit_back(memstore *store, uint64_t limit);
/* After a lower limit was brought about, and what parts with it is given back: what that shared with what
 * stays, or who saw the old limit was charged for, is reclaimed, if it can be had in time. */
void ms_store_settle_limit(memstore *store);
/* Whether there are addresses for such a limit: OK or UNSUPPORTED. */
int ms_store_check_limit(const memstore *store, uint64_t limit, char why[static MS_WHY_SIZE]);

enum ms_resize_end {
    MS_RESIZE_DONE,
    MS_RESIZE_LATER, /* the time is over, or somebody else reclaims: go on another time */
    MS_RESIZE_STUCK, /* nothing more is to be had back now, or others take what is */
};
/* Go towards another limit until it is there or until `until_us`; what is reached stays, and `descent` is for the
 * next time. Waits for views for no time. The settings lock is held. */
enum ms_resize_end ms_store_resize_some(memstore *store, uint64_t limit, struct ms_descent *descent,
                                        int64_t until_us);

#endif
