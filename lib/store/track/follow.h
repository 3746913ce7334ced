/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys are followed, for all that is done with keys. */
#ifndef MS_STORE_TRACK_FOLLOW_H
#define MS_STORE_TRACK_FOLLOW_H

#include "store/store.h"

/* Whether what is done with a key is in the sample. */
MS_ALWAYS_INLINE bool ms_track_follows(const memstore *store, uint64_t hash)
{
    return ms_unlikely(ms_is_below_relaxed32((uint32_t)hash, &store->follows_below));
}

/* Whether a thread's n-th read is taken at random, for its key. */
MS_ALWAYS_INLINE bool ms_track_is_turn(const memstore *store, uint64_t n)
{
    return ms_unlikely((uint32_t)n * UINT32_C(0x9e3779b1) < ms_load_relaxed(&store->turn_below));
}

#endif
