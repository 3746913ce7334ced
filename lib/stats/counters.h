/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that cost a reader nothing shared: each thread adds to a stripe of its own, and
 * whoever asks sums them up.
 *
 * CO-1  A thread whose number is below stripes - 1 is the only writer of a stripe and adds without
 *       a read-modify-write; all other threads share stripe 0 and add atomically. So no count is
 *       ever lost.
 * CO-2  The stripe of thread number s is s + 1 stripes before the end of the memory. */
#ifndef MS_STATS_COUNTERS_H
#define MS_STATS_COUNTERS_H

#include "platform/atomic.h"
#include "platform/thread.h"

#include <stdbool.h>
#include <stdint.h>

enum ms_counter {
    MS_COUNT_MISSES,
    MS_COUNT_READS, /* that hit or missed: hits are not counted by themselves */
    MS_COUNT_SETS,
    MS_COUNT_UPDATES,
    MS_COUNT_DELETES,
    MS_COUNT_EVICTIONS,
    MS_COUNT_EXPIRATIONS,
    MS_COUNT_COMPACTIONS,
    MS_COUNT_MOVED_BYTES,
    MS_COUNT_WRITTEN_BYTES,
    MS_COUNT_LOADS,
    MS_COUNT_LOAD_FAILURES,
    MS_COUNT_LOAD_RETRIES,
    MS_COUNT_LOADS_COALESCED,
    MS_COUNT_LOADS_OVERTAKEN,
    MS_COUNT_LOADS_BYPASSED,
    MS_COUNT_ABSENT_LOADED,
    MS_COUNT_ABSENT_SERVED,
    MS_COUNT_LOADS_REFUSED,
    MS_COUNT_BREAKERS_OPENED,
    MS_COUNT_STALE_SERVED,
    MS_COUNT_REFRESHES,
    MS_COUNT_REFRESH_FAILURES,
    MS_COUNT_LOADS_TIMED_OUT,
    MS_COUNT_LOADS_WITHOUT_PLACE,
    MS_COUNT_LOADS_WITHOUT_BYTES,
    MS_COUNT_EXPIRED_UNREAD, /* of MS_COUNT_EXPIRATIONS, in a store whose policy counts uses */
    MS_COUNT_EVICTED_UNREAD, /* of MS_COUNT_EVICTIONS, likewise */
    MS_COUNT_ROOM_MADE,
    MS_COUNT_EXPORTS,
    MS_COUNT_EXPORT_FAILURES,
    MS_COUNT_LIMIT_LOWERED,
    MS_COUNT_LIMIT_RAISED,
    /* Refused writes, one for each status; what is summed up stands together. */
    MS_COUNT_REJECTED_TOO_LARGE,
    MS_COUNT_REJECTED_TIMEOUT,
    MS_COUNT_REJECTED_INVALID_TTL,
    MS_COUNT_REJECTED_TTL_EXPIRED,
    MS_COUNT_REJECTED_FULL,
    MS_COUNT_REJECTED_MEMORY_EXHAUSTED,
    MS_COUNT_REJECTED_GC_PRESSURE,
    MS_COUNT_REJECTED_SHARD_OVERFLOW,
    MS_COUNT_REJECTED_KEY_EXISTS,
    MS_COUNT_REJECTED_KEY_NOT_FOUND,
    MS_COUNT_REJECTED_VERSION_MISMATCH,
    MS_COUNT_REJECTED_NOT_A_NUMBER,
    MS_COUNTERS
};

/* Of the values of all counters, the sum of those from one to another. */
static inline uint64_t ms_counts_from_to(const uint64_t counts[MS_COUNTERS], enum ms_counter first,
                                         enum ms_counter last)
{
    uint64_t sum = 0;

    for (int i = first; i <= (int)last; i++)
        sum += counts[i];
    return sum;
}

struct ms_counter_stripe {
    /* A read that finds as many counted is looked at more closely. Like counts, and in the line of those
     * that reads write. */
    atomic_uint_least64_t next_turn;
    atomic_uint_least64_t counts[MS_COUNTERS];
    atomic_uint writers;       /* calls in flight that write: what closing waits for */
    uint32_t views_until_pins; /* before `pins` is asked for again; the thread's alone */
    void *pins; /* the thread's row of segment/pins.h, once it has pinned; the thread's alone */
} MS_ALIGNED(2 * MS_CACHE_LINE);

struct ms_counters {
    struct ms_counter_stripe *stripes; /* 0 is the shared one; see CO-2 for the others */
    uint32_t stripe_count;
    uint32_t exclusive; /* stripe_count - 1: the stripes that have one writer each */
    ms_mutex reset_lock MS_ALIGNED(MS_CACHE_LINE);
    /* Of the reset lock: what the sums were at the last reset, and the most that was told since by
     * ms_counters_sum_rising(). */
    uint64_t baseline[MS_COUNTERS];
    uint64_t told_hits, told_misses;
};

/* Bytes of a set of counters with this many stripes. */
static inline size_t ms_counters_bytes(uint32_t stripes)
{
    return stripes * sizeof(struct ms_counter_stripe);
}

/* `memory` is zeroed, aligned to a stripe, has room for that many and stays the caller's. */
void ms_counters_init(struct ms_counters *counters, uint32_t stripes, void *memory);
void ms_counters_fini(struct ms_counters *counters);

static inline struct ms_counter_stripe *ms_counters_stripe(struct ms_counters *counters,
                                                           bool *exclusive)
{
    const uint32_t slot = ms_thread_slot();

    *exclusive = slot < counters->exclusive;
    return &counters->stripes[*exclusive ? counters->exclusive - slot : 0];
}

/* The same for a thread that has no number yet, or no stripe of its own. */
uint64_t ms_count_shared(struct ms_counters *counters, enum ms_counter counter, uint64_t n);

/* The stripe that the calling thread alone writes, or NULL. */
MS_ALWAYS_INLINE struct ms_counter_stripe *ms_counters_own(struct ms_counters *counters)
{
    const uint32_t slot = ms_thread_slot_plus_one - 1;

    /* One comparison tells a thread that has a number, and a stripe of its own: without a number
     * the subtraction wraps. */
    return ms_likely(slot < counters->exclusive) ? &counters->stripes[counters->exclusive - slot]
                                                 : NULL;
}

/* Add to a stripe of one's own, and return its count before. */
MS_ALWAYS_INLINE uint64_t ms_count_own(struct ms_counter_stripe *own, enum ms_counter counter,
                                       uint64_t n)
{
    const uint64_t before = ms_load_relaxed(&own->counts[counter]);

    ms_store_relaxed(&own->counts[counter], before + n);
    return before;
}

/* Add 1 to a stripe of one's own. */
MS_ALWAYS_INLINE void ms_count_own_one(struct ms_counter_stripe *own, enum ms_counter counter)
{
    ms_add_one_alone(&own->counts[counter]);
}

/* Add, and return the stripe's count before: callers use it to do something every so many times. */
MS_ALWAYS_INLINE uint64_t ms_count(struct ms_counters *counters, enum ms_counter counter,
                                   uint64_t n)
{
    struct ms_counter_stripe *own = ms_counters_own(counters);

    return ms_likely(own != NULL) ? ms_count_own(own, counter, n)
                                  : ms_count_shared(counters, counter, n);
}

/* What one counter has counted since the beginning, resets or not. */
uint64_t ms_counters_total(const struct ms_counters *counters, enum ms_counter counter);
/* The sums of all counters since the last reset. */
void ms_counters_sum(struct ms_counters *counters, uint64_t sums[MS_COUNTERS]);
/* The same for those who take a count that goes down for one that began anew: neither the misses nor the
 * hits, reads less misses, are fewer than they were told so before. Reads in flight count among the hits
 * until they miss: afterwards the hits told stay as many too high until there are more. */
void ms_counters_sum_rising(struct ms_counters *counters, uint64_t sums[MS_COUNTERS]);
/* The sums of all counters since the store was opened. Takes no lock. */
void ms_counters_sum_all(struct ms_counters *counters, uint64_t sums[MS_COUNTERS]);
void ms_counters_reset(struct ms_counters *counters);

#endif
