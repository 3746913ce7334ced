/* SPDX-License-Identifier: Apache-2.0 */
/* The access pattern of a store, from a sample: what is done with the keys that are followed, and
 * which keys are read in calls taken at random.
 *
 * PN-1  What is kept has a bounded size, ms_pattern_bytes().
 *
 * Not thread-safe: whoever uses it sees to that. */
#ifndef MS_ADVICE_PATTERN_H
#define MS_ADVICE_PATTERN_H

#include "advice/hot.h"
#include "advice/miniature.h"
#include "advice/reuse.h"
#include "advice/spread.h"

/* The largest size that the curve is asked about, in sizes of the cache. */
#define MS_PATTERN_HORIZON 16
/* Keys that are fetched at a time: as many cache misses as a processor waits for at a time, about. */
#define MS_PATTERN_EXPECTED 16

enum ms_reference_kind {
    MS_REFERENCE_READ,
    MS_REFERENCE_WRITE,
    MS_REFERENCE_DELETE,
    MS_REFERENCE_RETIME /* another expiry */
};

struct ms_reference {
    enum ms_reference_kind kind;
    uint64_t hash;
    uint32_t size;      /* of the entry; of a read that missed, 0 */
    int64_t now_ms;     /* monotonic */
    int64_t expires_ms; /* of a write or another expiry; INT64_MAX = never */
};

struct ms_pattern {
    struct ms_reuse reuse;
    struct ms_mini_key *keys; /* by the numbers of reuse's, beside which they are kept */
    struct ms_mini minis[MS_MINI_POLICIES];
    struct ms_hot hot;
    uint64_t cache_bytes; /* entries of so many bytes fit the cache */
    uint64_t scaled_for;  /* the threshold for which the miniatures have their size */
    uint64_t sampled;     /* whatever was done with followed keys */
    uint64_t reads;       /* of them */
    int64_t passed_ms;    /* in pauses */
    double misses;        /* reads of followed keys that missed in the store, weighted */
    /* Milliseconds: between reads of a key; from a write to the expiry asked for; from an expiry to
     * the read that came after it. */
    struct ms_spread reuse_ages, ttls, late;
    /* Likewise, of hits on entries that expire: since the entry was written, and since it was written or read. In
     * the totals alone are those of which it is not known. */
    struct ms_spread hit_ages, idle_ages;
    /* Reads that hit, by the entry's size. */
    struct ms_spread hit_sizes;
};

/* Bytes for this many keys, a power of two. */
static inline size_t ms_pattern_bytes(uint32_t keys)
{
    return keys * sizeof(struct ms_mini_key) + ms_reuse_bytes(keys);
}

/* `memory` is zeroed, aligned to 8 bytes, better to a cache line, and stays the caller's; nor may the pattern be moved. */
void ms_pattern_init(struct ms_pattern *pattern, uint32_t keys, uint64_t threshold,
                     uint64_t cache_bytes, enum ms_goal goal, void *memory);
/* The cache has another size. */
void ms_pattern_resize(struct ms_pattern *pattern, uint64_t cache_bytes);
/* The next references, as many as MS_PATTERN_EXPECTED at most, are of followed keys with these hashes: what
 * is kept of them is fetched into the processor's caches. */
void ms_pattern_expect(const struct ms_pattern *pattern, const uint64_t *hashes, uint32_t n);
/* No key was followed for so long, which is no time between reads. */
void ms_pattern_pass(struct ms_pattern *pattern, int64_t ms);
/* Something is done with a followed key. */
void ms_pattern_note(struct ms_pattern *pattern, const struct ms_reference *reference);
/* All entries are gone. */
void ms_pattern_clear(struct ms_pattern *pattern);
/* What was counted is forgotten; the keys that are followed, and when they were referenced, are
 * not. */
void ms_pattern_forget(struct ms_pattern *pattern);

#endif
