/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of track.h share: the records that the rings of a sampler are of, and what digests them. */
#ifndef MS_STORE_TRACK_SAMPLER_H
#define MS_STORE_TRACK_SAMPLER_H

#include "store/store.h"
#include "store/track/track.h"

/* A record that something was done with a followed key. */
struct ms_track_use {
    ms_ring_turn turn;
    uint32_t size;
    uint64_t hash;
    uint64_t when; /* milliseconds << MS_TRACK_KIND_BITS | kind */
    int64_t expires_ms;
};

#define MS_TRACK_KIND_BITS 2
_Static_assert(MS_REFERENCE_RETIME < 1 << MS_TRACK_KIND_BITS, "kinds fit their bits");

/* A record that a key was read. */
struct ms_track_noted {
    ms_ring_turn turn;
    uint32_t key_size;
    uint64_t hash;
    char key[MS_HOT_KEY_BYTES];
};

/* Cells of a ring of uses, at most. */
#define MS_TRACK_CELLS_MAX 1024

/* ---- Track's lock is held ---- */

static inline struct ms_sampler *ms_track_sampler_locked(memstore *store)
{
    return ms_load_relaxed(&store->track.sampler);
}

/* Which hashes are followed, for who uses keys. `sampler`: NULL = none. */
void ms_track_publish_threshold(memstore *store, const struct ms_sampler *sampler);
/* Digest up to so many uses. False when none are left. */
bool ms_track_digest_locked(memstore *store, struct ms_sampler *sampler, uint32_t most);

#endif
