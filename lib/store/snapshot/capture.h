/* SPDX-License-Identifier: Apache-2.0 */
/* What a snapshot must know of the batches that are committed while it is taken.
 *
 * A snapshot copies the store interval by interval, in the order of *positions*: the number of the
 * shard, then the home hash. A batch that writes keys on both sides of the point that the copying has
 * reached would come in by half. So it is left out as a whole: for each key that the copying has not
 * reached it first leaves an *image* here, of what the key held before, or of its absence; the
 * snapshot takes the image and passes over what it meets under that key later. Keys that it has
 * reached are in the snapshot as they were already. A key's first image stands.
 *
 * CT-1  A capture's position moves on only under the lock of the shard that it is in. A batch
 *       publishes with all its shards locked, so for each of its keys it knows on which side it is.
 * CT-2  A batch that does not see a capture had all its shards locked before the capture locked its
 *       first shard among them: the copying meets only what that batch has left.
 * CT-3  Images of positions that were passed do not change any more, but for being written.
 *
 * Lock: captures, a leaf. Batches take it under their shards' locks, and only while a snapshot is
 * taken. */
#ifndef MS_STORE_SNAPSHOT_CAPTURE_H
#define MS_STORE_SNAPSHOT_CAPTURE_H

#include "platform/atomic.h"
#include "platform/thread.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_commit;

/* What a key held before a batch wrote it. */
struct ms_image {
    struct ms_image *next;       /* in its range */
    struct ms_image *next_fresh; /* that is not written yet */
    uint64_t hash;
    char *bytes; /* key and value; only the key once it is written */
    uint32_t key_size;
    uint32_t value_size;
    int64_t expiry;  /* monotonic, or MS_NEVER */
    int64_t ttl;     /* what reads renew it by; 0 = they do not */
    int64_t created; /* monotonic */
    unsigned heat;
    bool was_there;
};

/* Images are found by their position, in as many ranges of positions. */
#define MS_CAPTURE_RANGES_LOG2 14
#define MS_CAPTURE_RANGES (1u << MS_CAPTURE_RANGES_LOG2)

struct ms_capture {
    struct ms_capture *next; /* captures lock */
    /* What is before it is copied: [shard, home hash : 32]. Shard's lock to write (CT-1) */
    atomic_uint_least64_t position;
    unsigned range_shift; /* constant */
    uint64_t most_bytes;  /* constant */
    bool wipes;           /* constant */
    /* Captures lock, all of these. */
    struct ms_image **ranges;
    struct ms_image *fresh;
    uint64_t purged; /* ranges before it are empty for good */
    atomic_uint_least64_t images;
    uint64_t bytes;
    int status; /* MEMORY_EXHAUSTED when an image could not be kept */
};

/* The captures of a store. */
struct ms_captures {
    ms_mutex lock;
    _Atomic(struct ms_capture *) first; /* captures lock to write */
};

void ms_captures_init(struct ms_captures *captures);
void ms_captures_fini(struct ms_captures *captures);
/* In the child of a fork(): nobody takes a snapshot. */
void ms_captures_forget(struct ms_captures *captures);

/* Begin one, in which images take `most_bytes` at most; NULL when there is no memory. It is on the heap: batches
 * come to it while its thread, in the middle of telling the progress, may have gone on with another stack. */
struct ms_capture *ms_capture_begin(memstore *store, uint64_t most_bytes);
void ms_capture_end(memstore *store, struct ms_capture *capture);

/* A batch is about to change its slots: leave images. All its shards are locked, and what it found
 * there is in its steps. */
void ms_capture_batch(const struct ms_commit *commit);

/* Whether a key has an image. */
bool ms_capture_has(memstore *store, struct ms_capture *capture, uint64_t hash, const char *key,
                    size_t key_size);
/* Take the images that are to be written, linked by next_fresh: OK, or MEMORY_EXHAUSTED when an image
 * could not be kept. They stay where they are found, and are handed back by ms_capture_written(). */
int ms_capture_take(memstore *store, struct ms_capture *capture, struct ms_image **images);
/* They are written: their values are not needed any more. */
void ms_capture_written(memstore *store, struct ms_capture *capture, struct ms_image *images);
/* Free the images of what was passed, which are written. */
void ms_capture_purge(memstore *store, struct ms_capture *capture);

#endif
