/* SPDX-License-Identifier: Apache-2.0 */
/* The loads in flight: who loads which key, and who waits for it.
 *
 *     buckets, by the key's hash                  a flight
 *     | 0 | -> flight -> flight                   key, leader, its end or its lease's end
 *     | 1 |                                       references: of the leader, of each who waits,
 *     | 2 | -> absence                            and of the table while it is an absence
 *
 * Writes look, without the lock, at a filter of a fixed size, which counts the flights of hashes alike.
 * Buckets are of who holds the lock alone, and become more as flights do.
 *
 * A flight is listed from when its leader asks for the key until it ends, or until somebody writes
 * the key, which *overtakes* it. Who comes later does not find it any more and begins another, so
 * nobody is given what is older than an invalidation that he knows of. A flight that ended with the
 * answer that the key does not exist may stay listed for a while, as an *absence*. A key that is
 * there and old is *refreshed* by a flight, which nobody waits for who has the old value; when that
 * fails it stays listed as an absence of another kind, a *pause*, which holds back the next refresh,
 * and no load. Of either kind the oldest makes way for one that is one too many of its own; for want of
 * memory, the oldest of the kind of which there are more.
 *
 * FL-1  Of one key at most one flight is listed.
 * FL-2  A flight that was overtaken is not listed and never becomes it again. Until it ends it is in the
 *       list of those that were, by which who waits for it is found.
 * FL-3  Writes overtake under their key's shard lock; a leader looks at the store under that lock
 *       after its flight is listed; and its own write asks under that lock whether it was
 *       overtaken. So each write of the key either is seen by the leader or overtakes it.
 * FL-4  A thread waits only for flights that do not wait for it in turn, by whatever chain.
 *
 * FL-5  Flights, absences and pauses are charged to the store's limit, each from when it is made until
 *       it is freed; filter and buckets from the first of them on. Where nothing is ever evicted a little is
 *       charged from the start, and flights that find no memory are charged to that. More buckets than
 *       the first are not: without memory for them there are as many as before.
 * FL-6  A bucket holds a few flights, where there was memory for so many buckets. The bits of a hash that
 *       choose the shard come first in choosing the bucket, so that of buckets that are as many as shards
 *       each has flights of one shard.
 *
 * The lock is a leaf. What a write looks at while nothing is in flight is one word that is not
 * written then. */
#ifndef MS_LOADER_FLIGHTS_H
#define MS_LOADER_FLIGHTS_H

#include "platform/atomic.h"
#include "platform/thread.h"
#include "segment/budget.h"

#include <memstore/memstore.h>
#include <pthread.h>

/* Parts of the filter, of which each has some buckets to begin with. */
#define MS_FLIGHT_PARTS_LEAST 16
#define MS_FLIGHT_PARTS_MOST 256
#define MS_FLIGHT_PARTS_PER_BUCKET 4

struct ms_flights;

struct ms_flight {
    struct ms_flights *flights; /* that it belongs to */
    struct ms_flight *next;     /* in its bucket; lock */
    struct ms_flight *earlier;  /* absences as they came, or the overtaken; lock */
    struct ms_flight *later;    /* lock */
    uint32_t references;        /* lock */
    bool listed;                /* lock */
    bool absence;               /* lock */
    bool pause;                 /* an absence that only holds back refreshes; lock */
    bool refreshes;             /* the key was there; constant */
    bool is_aside;              /* charged to what is set aside; constant */
    bool done;                  /* lock; `status` and `value` are constant afterwards */
    atomic_bool overtaken;      /* lock to write; ordered by FL-3 */
    int status;                 /* what those who wait get */
    /* When that is OK; released by who drops the last reference but the table's. Before the end it is
     * the leader's: what there was when he began to refresh (load.h). */
    memstore_view value;
    /* Of that, by the monotonic clock, as a change of its TTL has left it; 0 = not known. */
    atomic_int_least64_t old_expiry;
    int64_t until;                /* end of a lease or an absence, in ms_clock_exact_ms() */
    atomic_uint_least64_t leader; /* serial of the thread that loads; 0 = a lease, or ended */
    struct ms_flight *waits_for;  /* what its leader waits for meanwhile; the waits' lock */
    struct ms_flight *outer;      /* what its leader began before; the leader's thread */
    pthread_cond_t ends;
    uint64_t hash;
    size_t key_size;
    char key[];
};

/* Absences of one kind as they came. */
struct ms_absences {
    struct ms_flight *first, *last;
    uint32_t count;
};

struct ms_flights {
    ms_mutex lock;
    bool closed;              /* lock */
    bool wipes;               /* keys are overwritten before they are freed; constant */
    uint32_t leading;         /* flights that threads lead; lock */
    uint64_t absent_bytes;    /* that absences of both kinds are charged; lock */
    struct ms_budget *budget; /* constant, like the next two */
    uint64_t spare;           /* what is to be left of it */
    uint32_t parts;           /* of the filter */
    struct ms_budget aside;   /* that is charged to it from the start, for when it is used up */
    atomic_uint_least64_t charged;    /* to it, by all flights and for that */
    struct ms_absences absences;      /* but for pauses; lock */
    struct ms_absences pauses;        /* lock */
    struct ms_flight *overtaken;      /* that have not ended; lock */
    pthread_cond_t changes;           /* `leading` came to 0, or `closed` was set */
    atomic_uint_least64_t kept_bytes; /* kept.h */
    bool has_filter_aside;            /* charged to that, with the first buckets; lock */
    /* By part, how many are listed; lock to write. NULL until there is a flight. ORDER: release, acquire by
     * who overtakes */
    _Atomic(atomic_uint *) filter;
    struct ms_flight **buckets; /* the first, which lie behind the filter, or more; lock */
    uint32_t bucket_count;      /* lock */
    uint32_t most_absent;       /* absences of a kind that there may be, as was said last; lock */
    /* Listed flights; lock to write. Read by every write of a key. */
    atomic_uint listed MS_ALIGNED(MS_CACHE_LINE);
};

/* Who asks for a key. */
struct ms_flight_call {
    memstore_key key;
    uint64_t hash;
    int64_t lease_until; /* when a lease ends; 0 = the calling thread loads */
    bool refreshes;      /* the caller has an old value and does not wait */
    bool insists;        /* no room can be made: take what is set aside, absences giving way */
};

enum ms_joined {
    MS_JOINED_AS_LEADER, /* a flight of one's own */
    MS_JOINED,           /* somebody else's, to wait for */
    MS_JOINED_ABSENCE,   /* no flight: the key is known not to exist */
    MS_JOINED_NOT,       /* it need not be refreshed now: somebody is at it, or has failed */
    MS_JOINED_CLOSED,
    MS_JOINED_NO_MEMORY
};

/* Not a status: the lease that was waited for has ended without a value. */
#define MS_FLIGHT_LAPSED 1

void ms_flights_init(struct ms_flights *flights, struct ms_budget *budget, uint64_t limit,
                     bool wipes);
/* Set bytes aside for flights of who insists. False when the limit does not have them. */
bool ms_flights_set_aside(struct ms_flights *flights, uint64_t bytes);
/* Nobody refers to a flight any more, but for absences. */
void ms_flights_fini(struct ms_flights *flights);

/* ---- Joining and waiting ---- */

/* What a flight of a key is charged. */
static inline uint64_t ms_flight_bytes(size_t key_size)
{
    return sizeof(struct ms_flight) + key_size;
}

/* What the filter and the first buckets are charged. */
static inline uint64_t ms_flights_first_bytes(const struct ms_flights *flights)
{
    return flights->parts * sizeof(atomic_uint) +
           flights->parts / MS_FLIGHT_PARTS_PER_BUCKET * sizeof(struct ms_flight *);
}

/* Bytes that joining must have at most: those of the flight, and of the first buckets if there are none. */
static inline uint64_t ms_flights_bytes_to_join(const struct ms_flights *flights, size_t key_size)
{
    return ms_flight_bytes(key_size) + ms_flights_first_bytes(flights);
}

/* Join the flight of a key, or begin one. With a flight a reference to it is given. */
enum ms_joined ms_flights_join(struct ms_flights *flights, const struct ms_flight_call *call,
                               struct ms_flight **out);
/* Wait for the end of a flight until the deadline in ms_clock_real_us(): OK, and its status and
 * value can be read; LOCK_TIMEOUT, also when the caller, who is asked, does not want to wait on;
 * CACHE_CLOSED; LOADER_FAILED when it waits for the caller; or
 * MS_FLIGHT_LAPSED. */
int ms_flights_wait(struct ms_flight *flight, int64_t deadline_us);
/* Give a reference back. Of the last one *left is the value, for the caller to release; else it
 * holds nothing. */
void ms_flight_drop(struct ms_flight *flight, memstore_view *left);

/* ---- Leading ---- */

/* End a flight that the caller leads: with MS_FLIGHT_LAPSED as if its lease had ended. */
void ms_flights_end(struct ms_flight *flight, int status, const memstore_view *value);
/* End it with KEY_NOT_FOUND and, unless it was overtaken, keep that as an absence until a time, the
 * oldest making way where there are `most`. True when it is kept. */
bool ms_flights_end_absent(struct ms_flight *flight, int64_t until, uint32_t most);
/* End one that has failed to refresh its key, and keep it as a pause in the same way, among `most` of those. */
bool ms_flights_end_paused(struct ms_flight *flight, int status, const memstore_view *value,
                           int64_t until, uint32_t most);
/* Bytes that absences take of a limit at most, with the buckets that they need beyond the first. */
#define MS_FLIGHTS_ABSENT_SHARE 16
static inline uint64_t ms_flights_most_absent(uint64_t limit)
{
    return limit / MS_FLIGHTS_ABSENT_SHARE;
}

/* As many pauses are kept as absences, but so many in any case, if there is memory for them. */
#define MS_FLIGHTS_PAUSES_LEAST 1000
static inline uint32_t ms_flights_most_pauses(uint32_t most_absences)
{
    return most_absences > MS_FLIGHTS_PAUSES_LEAST ? most_absences : MS_FLIGHTS_PAUSES_LEAST;
}

/* Forget the oldest absences until there are so many at most, the oldest pauses until there are as many as that
 * allows, and of both until they have so many bytes; and give back buckets that are not for so many. */
void ms_flights_forget_absences(struct ms_flights *flights, uint32_t most, uint64_t most_bytes);
/* Wait until a time in ms_clock_exact_ms(): OK; CACHE_CLOSED; or LOCK_TIMEOUT when the caller, who is
 * asked (WT-2), does not want to wait on. */
int ms_flights_pause(struct ms_flights *flights, int64_t until);
/* Whether a lease still stands: it has not ended, nobody has overtaken it, and nothing is closed. */
bool ms_flight_stands(struct ms_flight *flight);
/* Whether a flight's value may be stored. Its key's shard is locked. */
static inline bool ms_flight_is_overtaken(const struct ms_flight *flight)
{
    return ms_load_relaxed(&flight->overtaken);
}

/* ---- Overtaking ---- */

/* Whether anything is in flight that a write might overtake. The shard of what is written is
 * locked, which orders the load (FL-3). */
static inline bool ms_flights_any(const struct ms_flights *flights)
{
    return ms_load_relaxed(&flights->listed) != 0;
}

/* Overtake the flight of a key. Its shard is locked. */
void ms_flights_overtake(struct ms_flights *flights, const memstore_key *key, uint64_t hash);
/* Whether a key is being loaded, or known not to exist. Its shard is locked. */
bool ms_flights_have(struct ms_flights *flights, const memstore_key *key, uint64_t hash);
/* The TTL of a key is changed, which overtakes nothing. Its shard is locked. */
void ms_flights_retime(struct ms_flights *flights, const memstore_key *key, uint64_t hash,
                       int64_t expiry);
/* Overtake those of a shard, by the uppermost 16 bits of their hashes, of so many, a power of two. It is
 * locked. */
void ms_flights_overtake_shard(struct ms_flights *flights, uint32_t shard, uint32_t shard_count);
/* Overtake a flight that the caller refers to. */
void ms_flight_overtake(struct ms_flight *flight);
/* All that are listed, with a reference to each; for ms_mem_free(). False without memory. */
bool ms_flights_list(struct ms_flights *flights, struct ms_flight ***out, size_t *count);

/* ---- Closing and forking ---- */

/* Send everybody away who waits; from now on nobody joins. Returns when no thread leads. */
void ms_flights_close(struct ms_flights *flights);

/* In the child, across which the lock was held, while it has one thread: what that one leads goes
 * on, leases stand, the other flights have failed. */
void ms_flights_forget_threads(struct ms_flights *flights);

#endif
