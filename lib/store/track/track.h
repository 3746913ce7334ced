/* SPDX-License-Identifier: Apache-2.0 */
/* Following some of the keys, monitoring.access_sample_ratio of them and more in a small store
 * (advice/pace.h): what is done with them goes to the store's pattern (advice/pattern.h), which
 * memstore_advise() reads.
 *
 * Whether a key is followed is a comparison of its hash with a number, which is 0 while nothing is
 * followed; reads do not even look at that then, but those that are diverted by `hot` or by `get`.
 * Which keys are read most is told by reads taken at random, an eighth as many, since the keys
 * followed are not those.
 *
 *     who uses a followed key -> the thread's ring, or one of those that threads share -> pattern
 *
 * What is done with a key is a record in a ring (advice/ring.h), and the maintenance thread digests the
 * records, in the order of their times: when it is there for something else and a ring is a quarter full, and
 * it is woken when one of a larger store is three quarters full. Who finds a ring
 * full digests a few itself, with `maintenance: manual` always, and else when the thread does not
 * keep up; it only tries the lock for that, and when somebody else has it the reference is lost, and
 * counted as lost. Who asks for something has all of them digested.
 *
 * While none is followed for a while (advice/pace.h) reads are not diverted either, and are as without,
 * if there is a maintenance thread: it looks, at times that it plans, whether the pause is over.
 *
 * TR-1  `sampler` is not NULL exactly while the ratio is not 0. Its memory is out of the store's
 *       pages, so that it counts against the limit.
 * TR-2  Whoever puts a record in is in a read section, and a sampler is freed a grace period after
 *       it was taken away. */
#ifndef MS_STORE_TRACK_TRACK_H
#define MS_STORE_TRACK_TRACK_H

#include "advice/pace.h"
#include "advice/pattern.h"
#include "advice/ring.h"
#include "config/settings.h"
#include "platform/atomic.h"
#include "platform/compiler.h"
#include "platform/thread.h"
#include "stats/counters.h"

#include <memstore/memstore.h>

/* Threads with a lower number have a ring each, where they put a record in without a locked instruction;
 * the others share the rest. */
#define MS_TRACK_OWN_RINGS 8
#define MS_TRACK_RINGS (MS_TRACK_OWN_RINGS + 4)

struct ms_sampler {
    struct ms_ring uses[MS_TRACK_RINGS]; /* of what is done with followed keys */
    struct ms_ring keys[MS_TRACK_RINGS]; /* of keys of reads taken at random */
    atomic_uint used;                    /* rings, by bits, that anything was put in */
    struct ms_pattern pattern;
    struct ms_pace pace;   /* of it */
    int64_t paused_ms;     /* when its last pause began */
    size_t bytes;          /* of this allocation */
    uint64_t reads_before; /* reads that the store had counted when it began */
};

struct ms_track {
    ms_mutex lock;                        /* for all of a sampler but putting records in */
    _Atomic(struct ms_sampler *) sampler; /* lock to write. ORDER: release, acquired by readers */
    atomic_uint_least64_t missed;         /* references that found a full ring and the lock taken */
    atomic_bool due;                      /* a ring is a quarter full */
    /* By ms_clock_exact_ms(), when the maintenance thread is to see to whether reads are diverted; INT64_MAX =
     * it is not. */
    atomic_int_least64_t look_ms;
};

void ms_track_init(struct ms_track *track);
void ms_track_fini(struct ms_track *track);

/* Following keys, which begins in two steps, the first of which may fail. The settings lock is held
 * throughout, or nobody else knows the store yet. */
/* Have what it takes to follow this share of the keys, in millionths, under a limit that is in force or will
 * be; nothing for 0. False: there is no room for it. */
bool ms_track_prepare(memstore *store, uint64_t limit, uint32_t millionths,
                      struct ms_sampler **sampler);
/* What those that are followed now take of the limit. The settings lock is held. */
uint64_t ms_track_charged(const memstore *store);
/* What following the share that is set would take of such a limit. */
uint64_t ms_track_charge_at(uint64_t limit);
/* Follow them, with what was prepared, and not those that were followed until now. */
void ms_track_start(memstore *store, struct ms_sampler *sampler, uint32_t millionths);
/* Give back what was prepared. */
void ms_track_discard(memstore *store, struct ms_sampler *sampler);
/* The limit has changed. */
void ms_track_resize(memstore *store);
/* Let the pattern know of all records. Track's lock is held. */
void ms_track_settle_locked(memstore *store);
/* Reads that were counted while keys were followed, which the sample is one of. Track's lock is held, and
 * there is a sampler. */
uint64_t ms_track_reads_locked(const memstore *store);
/* The same from the maintenance, a part at a time; and it diverts reads, or does not any more. */
void ms_track_digest(memstore *store);
/* In the child of a fork() nobody else puts a record in. */
void ms_track_forget_users(memstore *store);
/* The keys that are read most, most read first, of `noted` reads taken at random; `out` has room for
 * MS_HOT_KEYS. None while no keys are followed. Returns how many. */
uint32_t ms_track_hot_keys(memstore *store, struct ms_hot_key *out, uint64_t *noted);
/* Which keys are read most is forgotten, and no key is left that was noted for it. */
void ms_track_forget_keys(memstore *store);
/* What was counted is forgotten. */
void ms_track_forget(memstore *store);

/* Whether it is a thread's turn to have a read taken at random; if so, its next one is drawn. */
bool ms_track_take_turn(memstore *store, struct ms_counter_stripe *stripe);
/* The key of a read is followed, which found a value of this size; or a read of this key is taken at random.
 * In a read section. False when there is no room for the record: the section is to be left first. */
bool ms_track_try_hit(memstore *store, uint64_t hash, size_t key_size, size_t value_size);
bool ms_track_try_key(memstore *store, uint64_t hash, const void *key, size_t key_size);
/* A read is in the sample: what it found is `status`, and a value of this size. */
void ms_track_read(memstore *store, const void *key, size_t key_size, int status, size_t value_size,
                   bool by_turn);
/* The same of `n` reads that were counted at once in this stripe, `first` before them: the next one that is
 * taken at random, which is one of them if it is below `n`. */
size_t ms_track_next_turn(memstore *store, struct ms_counter_stripe *stripe, uint64_t first,
                          size_t n);
/* A read of a followed key, and one that is taken at random: of keys that an entry can have, and that were
 * looked for. */
void ms_track_read_of(memstore *store, uint64_t hash, size_t key_size, bool found,
                      size_t value_size);
void ms_track_key(memstore *store, const void *key, size_t key_size);
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
