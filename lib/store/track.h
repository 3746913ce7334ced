/* SPDX-License-Identifier: Apache-2.0 */
/* Following some of the keys, monitoring.access_sample_ratio of them: what is done with them goes to
 * the store's pattern (advice/pattern.h), which memstore_advise() reads.
 *
 * Whether a key is followed is a comparison of its hash with a number, which is 0 while nothing is
 * followed. Reads do not even look at that then: they are diverted by `hot` like those that are
 * measured (quick.h). Which keys are read most is told by reads taken at random, an eighth as many,
 * since the keys followed are not those.
 *
 * Who is in the sample tries the lock; when somebody else has it the reference is lost, and counted
 * as lost.
 *
 * TR-1  `sampler` is not NULL exactly while the ratio is not 0. Its memory is out of the store's
 *       pages, so that it counts against the limit. */
#ifndef MS_STORE_TRACK_H
#define MS_STORE_TRACK_H

#include "advice/pattern.h"
#include "config/settings.h"
#include "platform/atomic.h"
#include "platform/compiler.h"
#include "platform/thread.h"

#include <memstore/memstore.h>

/* References that are gathered before they go to the pattern, whose memory is then in the caches for
 * all but the first. */
#define MS_TRACK_GATHERED 64

struct ms_sampler {
    struct ms_pattern pattern;
    uint32_t gathered;
    struct ms_reference references[MS_TRACK_GATHERED];
    size_t bytes;          /* of this allocation */
    uint64_t reads_before; /* reads that the store had counted when it began */
};

struct ms_track {
    ms_mutex lock;
    struct ms_sampler *sampler;   /* lock */
    atomic_uint_least64_t missed; /* references that found the lock taken */
};

void ms_track_init(struct ms_track *track);
void ms_track_fini(struct ms_track *track);

/* Follow this share of the keys, in millionths; 0 = none. OK, or MEMORY_EXHAUSTED and everything is
 * as before. The settings lock is held, or nobody else knows the store yet. */
int ms_track_start(memstore *store, uint32_t millionths);
/* The limit has changed. */
void ms_track_resize(memstore *store);
/* Let the pattern know of all that was gathered. Track's lock is held. */
void ms_track_settle_locked(memstore *store);
/* The keys that are read most, most read first, of `noted` reads taken at random; `out` has room for
 * MS_HOT_KEYS. None while no keys are followed. Returns how many. */
uint32_t ms_track_hot_keys(memstore *store, struct ms_hot_key *out, uint64_t *noted);
/* What was counted is forgotten. */
void ms_track_forget(memstore *store);

/* A read is in the sample: what it found is `status`, and a value of this size. */
void ms_track_read(memstore *store, const void *key, size_t key_size, int status, size_t value_size,
                   bool by_turn);
/* A read of a store that follows keys, of which it is not known whether it is in the sample. */
void ms_track_any_read(memstore *store, const void *key, size_t key_size, int status,
                       size_t value_size);
/* A followed key is written, removed, or gets another expiry. */
void ms_track_write(memstore *store, uint64_t hash, size_t key_size, size_t value_size,
                    int64_t expiry);
void ms_track_delete(memstore *store, uint64_t hash);
void ms_track_retime(memstore *store, uint64_t hash, int64_t expiry);
/* All entries are removed. */
void ms_track_clear(memstore *store);

#endif
