/* SPDX-License-Identifier: Apache-2.0 */
/* One memstore: what its parts share.
 *
 * The index maps hashes to places, the arena maps places to entries; this module joins the two.
 * Readers are in an RCU read section and lock nothing. Writers append an entry first and lock
 * the key's shard only to publish it.
 *
 * Lock order, outermost first (platform/rank.h; checked in builds with asserts):
 *     registry (maintenance.c) -> settings -> apply (combiner.h) -> reclaim -> shards, by number ->
 *     grace period -> open slot -> pool -> pages
 *     due, retired, counters, monitor, track, passes, gates, queue (combiner.h), events, flights,
 *     breakers and waits (loader/), log, captures and news, maintenance thread, thread numbers: leaves,
 *     under any of these
 * Who waits at a gate (admission.h) holds none of them, but for the apply lock. Nobody waits for
 * the reclaim lock while he holds a shard's, and no thread in a read section waits for either.
 *
 * ST-1  A slot refers to an entry that is published, live or expired; or, while its shard is
 *       locked by a batch, to a record.
 * ST-2  Whoever empties or overwrites a slot tells the arena that the entry died, exactly once, or
 *       leaves it to stale.h.
 * ST-3  Memory that readers may have reached is reused only after a grace period that began
 *       after the last slot left it. */
#ifndef MS_STORE_STORE_H
#define MS_STORE_STORE_H

#include "config/settings.h"
#include "events/events.h"
#include "eviction/eviction.h"
#include "expiry/due.h"
#include "index/index.h"
#include "loader/breaker.h"
#include "loader/flights.h"
#include "log/log.h"
#include "platform/clock.h"
#include "platform/gate.h"
#include "platform/rcu.h"
#include "platform/reader.h"
#include "platform/wait.h"
#include "segment/arena.h"
#include "segment/pins.h"
#include "stats/counters.h"
#include "stats/latency.h"
#include "store/async/combiner.h"
#include "store/calling.h"
#include "store/read/admission.h"
#include "store/snapshot/capture.h"
#include "store/snapshot/news.h"
#include "store/space/pressure_limit.h"
#include "store/space/stale.h"
#include "store/space/tables.h"
#include "store/track/track.h"
#include "store/watch/exporter.h"
#include "store/watch/monitor.h"
#include "util/hash.h"

#include <memstore/memstore.h>
#include <memstore/snapshot.h>

/* No store has room for a longer key or value; a lookup of one is a miss without reading it. */
#define MS_KEY_SIZE_MAX (UINT32_MAX / 4)

typedef int (*ms_get_fn)(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                         size_t *value_size);

/* The counters lie right before it in memory and the words of its tables right behind it, so that a read
 * finds both without a pointer (lifetime.c). */
struct memstore {
    /* Constant after open, but for the atomic ones; read by every call. */
    atomic_uint_least64_t hot; /* ORDER: release by close, acquire by readers */
    /* ms_store_get() or one of those of its kind, each of which will do; relaxed */
    _Atomic(ms_get_fn) get;
    bool keeps_created;
    uint8_t kept;          /* MS_KEPT_ of every entry */
    uint8_t short_head;    /* bytes of an entry in the short form before its key */
    uint8_t granule_shift; /* the arena's */
    atomic_bool closed;    /* ORDER: seq_cst by close and ms_store_enter(), acquire by readers */
    enum ms_touch touch;
    /* A key is followed if the lower half of its hash is below; track.h. Track's lock to write,
     * relaxed, like `turn_below` */
    atomic_uint_least32_t follows_below;
    struct ms_hasher hasher;
    /* What diverts calls from their short way: enum ms_diverts. Settings lock to write, relaxed */
    atomic_uchar diverts;
    /* bits of memstore_event_kind: what somebody has subscribed to. Events' lock to write */
    atomic_uint_least32_t events_wanted;
    uint64_t tick_mask; /* accesses are reported to the policy each tick_mask + 1 of a thread */
    struct ms_index index;
    char *block; /* what is mapped for all three */
    size_t block_bytes;
    struct ms_arena arena;
    struct ms_counters counters;
    struct ms_settings settings; /* live ones by ms_setting_of() */
    /* A thread's read is taken at random by its number; see `follows_below` */
    atomic_uint_least32_t turn_below;
    uint64_t hot_unmeasured; /* MS_HOT_USUAL and MS_HOT_OPEN, wherever calls are diverted */
    bool is_shut;            /* close has cleared the flags of `hot`; settings lock */
    struct ms_latency latency;
    ms_mutex settings_lock; /* to change one */
    struct ms_eviction eviction;
    struct ms_due due;

    /* Batches that began and ended their publication; equal when none is in between. */
    atomic_uint_least64_t batches_begun MS_ALIGNED(2 * MS_CACHE_LINE);
    atomic_uint_least64_t batches_done;

    ms_mutex reclaim_lock MS_ALIGNED(2 * MS_CACHE_LINE);
    struct ms_gate room_line; /* of those who make room: a mutex is not fair */
    atomic_bool resizing; /* somebody brings the limit down and comes first to the reclaim lock */
    bool keeps_none;      /* what is evicted goes, used or not; reclaim lock */
    uint64_t moves_owed;  /* bytes that evictions have moved and not yet paid for; reclaim lock */
    /* The entry that is being moved, the upper half its place, the lower that of its copy, from when its own
     * version cannot be told any more until its slot leads to the copy; 0 = none. Reclaim and shard lock
     * to write */
    atomic_uint_least64_t moving;
    /* A victim whose rest is kept and has to wait for room, and whether there is none until what is in limbo is
     * free; reclaim lock. A compaction would list that rest as old as it was, and all that comes to it. */
    const struct ms_segment *half_evicted;
    bool moves_wait;
    uint32_t steps_down; /* of reclaiming since the limit last went down; reclaim lock */
    /* since when, by the real clock, held shards keep compactions from their end; 0 = they do not;
     * reclaim lock */
    int64_t held_up_since;
    int64_t held_up_last; /* when they did last; reclaim lock */
    /* Bytes of the limit that are saved up for the ghost's next table; reclaim lock to change. */
    atomic_uint_least64_t ghost_savings;
    /* When to look at open segments in which nothing lives, by the exact clock; MS_NEVER = not. To write;
     * relaxed */
    atomic_int_least64_t spent_at;
    atomic_bool sweeping; /* the holder of the reclaim lock is removing what has expired */

    ms_mutex retired_lock;
    uint64_t ripening;                   /* the grace period that was begun, or 0; reclaim lock */
    struct ms_retired *retired;          /* waiting for a grace period */
    struct ms_retired *retired_ripening; /* from here on for the one that was begun */
    atomic_uint_least64_t retired_bytes;
    struct ms_retired *retired_spare; /* set aside, one for each table in use */
    struct ms_tables tables;

    /* Unix minus monotonic milliseconds, and when that was looked up. */
    atomic_int_least64_t unix_offset MS_ALIGNED(MS_CACHE_LINE);
    atomic_int_least64_t unix_offset_read;

    struct ms_admission admission;
    struct ms_combiner combiner;
    struct ms_events events;

    struct ms_captures captures; /* the snapshots that are being taken */
    struct ms_news_list news;    /* what is newer than those that are being loaded */

    struct ms_flights flights; /* the loads */
    /* Until when, in ms_clock_real_us(), refreshes do without room, as none could be made. */
    atomic_int_least64_t refreshes_wait_until;
    struct ms_breakers breakers;
    struct ms_gate loads_gate;      /* loader.max_loads */
    struct ms_gate load_bytes_gate; /* loader.max_load_bytes, in KiB */
    /* Of values that were loaded, a running mean. */
    atomic_uint_least64_t load_size MS_ALIGNED(MS_CACHE_LINE);
    struct ms_stale stale; /* loader.max_stale */

    struct ms_monitor monitor;
    struct ms_track track;
    struct ms_exporter exporter;
    struct ms_pressure_limit pressure_limit;

    struct ms_log log;
    atomic_bool limit_told; /* that it is reached was logged */

    /* Maintenance (maintenance.c). */
    struct memstore *next_store; /* registry lock */
    atomic_bool lacks_thread;    /* a child of fork() has not started one yet */
    bool in_round;               /* the maintenance thread is working on it; thread lock */
    atomic_bool wanted;          /* a writer found less room than it should */
};

/* ---- Small things that everything needs ---- */

/* A key is written or removed: overtake what loads it. Its shard is locked. */
static inline void ms_store_overtake(memstore *store, const memstore_key *key, uint64_t hash)
{
    ms_news_note(&store->news, hash);
    if (ms_unlikely(ms_flights_any(&store->flights)))
        ms_flights_overtake(&store->flights, key, hash);
}

/* Its TTL is changed: that is known to what loads it anew. Likewise. */
static inline void ms_store_retime(memstore *store, const memstore_key *key, uint64_t hash,
                                   int64_t expiry)
{
    ms_news_note(&store->news, hash);
    if (ms_unlikely(ms_flights_any(&store->flights)))
        ms_flights_retime(&store->flights, key, hash, expiry);
}

static inline uint64_t ms_store_hash(const memstore *store, const void *key, size_t key_size)
{
    /* No entry has so long a key; any hash will do, and the bytes are not read. */
    if (ms_unlikely(key_size > MS_KEY_SIZE_MAX))
        return 0;
    return ms_hash(&store->hasher, key, key_size);
}

MS_ALWAYS_INLINE unsigned ms_store_diverts(const memstore *store)
{
    return ms_load_relaxed(&store->diverts);
}

static inline bool ms_store_is_closed(const memstore *store)
{
    return ms_load_acquire(&store->closed);
}

/* When breakers open, by the settings now. */
static inline struct ms_breaker_rule ms_store_breaker_rule(const memstore *store)
{
    return (struct ms_breaker_rule){ms_setting_of(&store->settings, breaker_failures),
                                    ms_setting_of(&store->settings, breaker_open)};
}

/* No wait of this thread goes on beyond this, in ms_clock_real_us(), whatever lock_timeout
 * allows. */
#define MS_STORE_PATIENT INT64_MAX
extern __thread int64_t ms_store_patience_us;

static inline int64_t ms_store_deadline(const memstore *store)
{
    const int64_t now_us = ms_clock_real_us();
    const int64_t since_us = ms_wait_bound.since_us != 0 ? ms_wait_bound.since_us : now_us;
    const int64_t deadline = since_us + ms_setting_of(&store->settings, lock_timeout) * 1000;

    return ms_wait_deadline_from(now_us,
                                 deadline < ms_store_patience_us ? deadline : ms_store_patience_us);
}

static inline ms_mutex *ms_store_shard_lock(memstore *store, uint64_t hash)
{
    return &store->index.shards[ms_index_shard_of(&store->index, hash)].lock;
}

/* Lock the shard of a hash within lock_timeout: OK or LOCK_TIMEOUT. The clock is read only when
 * the lock is taken. */
static inline int ms_store_lock_shard(memstore *store, uint64_t hash)
{
    ms_mutex *lock = ms_store_shard_lock(store, hash);

    if (ms_unlikely(!ms_mutex_try_lock(lock)) &&
        !ms_mutex_lock_until(lock, ms_store_deadline(store)))
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    ms_testing_reach(MS_POINT_SHARD_LOCKED);
    return MEMSTORE_OK;
}

/* Report accesses to the policy, if it wants to know; `before` is a thread's count of them. */
static inline void ms_store_tick(memstore *store, uint64_t before)
{
    if (ms_unlikely((before & store->tick_mask) == 0) && store->touch == MS_TOUCH_STAMP)
        ms_eviction_tick(&store->eviction, store->tick_mask + 1);
}

#endif
