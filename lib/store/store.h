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
#include "store/admission.h"
#include "store/calling.h"
#include "store/capture.h"
#include "store/combiner.h"
#include "store/exporter.h"
#include "store/guard.h"
#include "store/monitor.h"
#include "store/news.h"
#include "store/stale.h"
#include "store/track.h"
#include "util/hash.h"

#include <memstore/memstore.h>
#include <memstore/snapshot.h>

/* No store has room for a longer key or value; a lookup of one is a miss without reading it. */
#define MS_KEY_SIZE_MAX (UINT32_MAX / 4)

/* A run of pages that waits for a grace period: an index table or a ghost table. */
struct ms_retired {
    struct ms_retired *next;
    void *memory;
    size_t size;
};

/* `hot`: the arena's base, which is aligned to a huge page, and below it what every read wants to
 * know. */
#define MS_HOT_MASK ((UINT64_C(1) << 21) - 1)
#define MS_HOT_SHARDS UINT64_C(0xffff) /* number of shards - 1 */
/* The whole of quick.h may be used: XXH3, tables that lie at multiples of the least, no creation times, a
 * policy that counts. */
#define MS_HOT_USUAL (UINT64_C(1) << 16)
/* quick.h may be used: the store is open and has a stripe of counters for every prepared reader. */
#define MS_HOT_OPEN (UINT64_C(1) << 17)
/* In a store that is open so, entries with a value of so many bytes at most share their segment with
 * others. */
#define MS_QUICK_SHARED 4096
/* Calls are measured, or some keys followed; the other two are not set then but stand in
 * `hot_unmeasured`, so that reads of other stores need not ask. */
#define MS_HOT_MEASURED (UINT64_C(1) << 18)
/* The same in what would be a usual store. */
#define MS_HOT_MEASURED_USUAL (UINT64_C(1) << 19)
/* That, and only because keys are followed: ms_store_get_following() is for these. */
#define MS_HOT_FOLLOWED_USUAL (UINT64_C(1) << 20)
#define MS_HOT_FLAGS                                                                               \
    (MS_HOT_USUAL | MS_HOT_OPEN | MS_HOT_MEASURED | MS_HOT_MEASURED_USUAL | MS_HOT_FOLLOWED_USUAL)

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
    /* What admission bounds: enum ms_bounds. Settings lock to write, relaxed */
    atomic_uchar bounds;
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
    /* A victim whose rest is kept and has to wait for room, and whether there is none until what is in limbo is
     * free; reclaim lock. A compaction would list that rest as old as it was, and all that comes to it. */
    const struct ms_segment *half_evicted;
    bool moves_wait;
    uint32_t steps_down; /* of reclaiming since the limit last went down; reclaim lock */
    /* since when, by the real clock, held shards keep compactions from their end; 0 = they do not;
     * reclaim lock */
    int64_t held_up_since;
    int64_t held_up_last; /* when they did last; reclaim lock */
    atomic_bool sweeping; /* the holder of the reclaim lock is removing what has expired */

    ms_mutex retired_lock;
    uint64_t ripening;                   /* the grace period that was begun, or 0; reclaim lock */
    struct ms_retired *retired;          /* waiting for a grace period */
    struct ms_retired *retired_ripening; /* from here on for the one that was begun */
    atomic_uint_least64_t retired_bytes;
    struct ms_retired *retired_spare; /* set aside, one for each table in use */

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
    struct ms_guard guard;

    struct ms_log log;
    atomic_bool limit_told; /* that it is reached was logged */

    /* Maintenance (maintenance.c). */
    struct memstore *next_store; /* registry lock */
    atomic_bool lacks_thread;    /* a child of fork() has not started one yet */
    bool in_round;               /* the maintenance thread is working on it; thread lock */
    atomic_bool wanted;          /* a writer found less room than it should */
};

/* An entry that was found, in a read section or under its shard's lock. */
struct ms_found {
    ms_place place;
    struct ms_segment *segment;
    struct ms_entry *entry;
    struct ms_entry_parts parts;
};

/* ---- store/lifetime.c ---- */
/* On failure `*why` says why; on success it is NULL. */
int ms_store_open(const struct ms_settings *settings, const struct ms_logger *logger,
                  memstore **out, const char **why);
int ms_store_close(memstore *store);
void ms_store_destroy(memstore *store);

/* A writing call begins: CACHE_CLOSED, or OK and ms_store_leave() is due. Reading calls enter a
 * read section instead and look at `closed` inside it. */
int ms_store_enter(memstore *store);
void ms_store_leave(memstore *store);

/* As ms_store_enter(), or MEMORY_EXHAUSTED: a writing call that calls functions of the caller's. The child
 * of a fork() in one of them goes on with it. */
int ms_store_enter_to_call_out(memstore *store, struct ms_calling **call);
void ms_store_leave_calling_out(memstore *store, struct ms_calling *call);
/* In the child of a fork(), while it has one thread: other threads are in no call. */
void ms_store_forget_calls(memstore *store);

/* Whether calls are diverted for one of MS_BOUNDS_MEASURED and MS_BOUNDS_TRACKED. The settings lock
 * is held, or nobody else knows the store yet. */
void ms_store_divert(memstore *store, enum ms_bounds why, bool wanted);

/* ---- store/reconfigure.c ---- */
/* What a sentence about a change takes. */
#define MS_WHY_SIZE 256

/* A member of struct ms_settings that changes. */
struct ms_setting_change {
    size_t offset;
    size_t size;
    uint64_t value;
};

/* Between the two nobody else changes settings; `now` are those in force. False when the caller's bound
 * on waits was over first. */
bool ms_store_begin_reconfiguration(memstore *store, struct ms_settings *now);
/* Put changes into force: `next` are the settings with them. OK, or nothing is changed and `why`
 * is the end of a sentence about the setting whose offset is in `*refused`. */
int ms_store_reconfigure(memstore *store, const struct ms_settings *next,
                         const struct ms_setting_change *changes, size_t count, size_t *refused,
                         char why[static MS_WHY_SIZE]);
void ms_store_end_reconfiguration(memstore *store);
/* Longest wait until something that has expired is swept: the tightest of what is configured; 0 =
 * no bound. */
int64_t ms_store_sweep_slack(const struct ms_settings *settings);

/* ---- store/resize.c ---- */
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

/* ---- store/read.c ---- */
int ms_store_get(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                 size_t *value_size);
/* The same where ms_processor_has_avx2(); store/get_avx2.c. */
int ms_store_get_avx2(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                      size_t *value_size);
/* Both for where keys are followed. */
int ms_store_get_following(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                           size_t *value_size);
int ms_store_get_following_avx2(memstore *store, const void *key, size_t key_size, void *buf,
                                size_t cap, size_t *value_size);
int ms_store_has(memstore *store, const void *key, size_t key_size);
int ms_store_get_expiry(memstore *store, const void *key, size_t key_size, int64_t *expiry,
                        int64_t *now);
int ms_store_get_created(memstore *store, const void *key, size_t key_size, int64_t *unix_ms);

/* ---- store/view.c ---- */
int ms_store_get_view(memstore *store, const void *key, size_t key_size, memstore_view *out);
void ms_view_release(memstore_view *view);
/* Hold a segment in place for a view, which is to have this pin. In a read section, or where else it
 * cannot be freed meanwhile. */
void *ms_store_pin(memstore *store, struct ms_segment *segment);
/* A view of an entry that is published under its shard's lock, or that is still reserved. Pins its
 * segment. */
void ms_view_of(memstore *store, const struct ms_found *found, memstore_view *out);
/* One more view of what a view without a pass shows. */
void ms_view_share(const memstore_view *view, memstore_view *out);
/* What a view's `pin` may be marked with, by its lowest bits: it holds a pass (pass.h), is of an
 * event (events/events.h), or shows a value that is not in the store (loader/kept.h). */
#define MS_VIEW_MARKS ((uintptr_t)7)
void ms_view_give_back_other(memstore_view *view);
/* When a view says that something expires: Unix milliseconds, 0 = never. */
int64_t ms_store_unix_expiry(memstore *store, int64_t expiry);

/* ---- store/many.c ---- */
int ms_store_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                      size_t *found);
/* The same; but where more than `most` are found, nothing is read, or counted, and all views are empty. */
int ms_store_get_many_up_to(memstore *store, const memstore_key *keys, size_t n, size_t most,
                            memstore_view *out, size_t *found);
int ms_store_has_many(memstore *store, const memstore_key *keys, size_t n, unsigned char *out,
                      size_t *found);

/* How long an entry is to live. */
struct ms_life {
    int64_t expiry; /* absolute monotonic milliseconds, or MS_NEVER */
    int64_t ttl;    /* what reads renew it by, in a store in which they do; 0 = they do not */
};

/* ---- store/write.c ---- */
enum ms_write_mode {
    MS_WRITE_SET,
    MS_WRITE_ADD,
    MS_WRITE_REPLACE,
    MS_WRITE_IF_VERSION, /* `version`; 0 = must be absent */
    /* the entry is the `instance` that the change was computed from; 0 = none is there */
    MS_WRITE_IF_SAME,
    /* the same, and it has the life still that it was `seen` with and which the write keeps, but for what
     * reads have renewed, which is kept, too */
    MS_WRITE_IF_UNCHANGED,
};

/* Not a status: what one of the two above was computed from is not there any more; compute it
 * again. */
#define MS_WRITE_AGAIN 1

struct ms_write {
    memstore_key key;
    const void *value;
    size_t value_size;
    struct ms_life life;
    enum ms_write_mode mode;
    uint64_t version;
    uint64_t instance;
    struct ms_life seen;
    uint64_t keep_version; /* store this version with the entry; 0 = a new one */
    /* Keep this creation time (monotonic, negative if it was before the machine started); 0 = now. */
    int64_t keep_created;
    /* What was loaded is stored unless a write has overtaken the load, then VERSION_MISMATCH; NULL
     * for all other writes, which overtake loads in turn. */
    const struct ms_flight *flight;
    /* Becomes a view of what was appended, stored or not; NULL = none is wanted. */
    memstore_view *pinned;
    /* It comes from a snapshot, where it was of this use plus one: it takes only room that there is,
     * else CACHE_FULL or SHARD_OVERFLOW. 0 = it does not. */
    unsigned heat_plus_one;
    /* It is stored unless that tells something newer, or the key is being loaded from elsewhere, or known not
     * to exist: then KEY_EXISTS. NULL for all that does not come from a snapshot. */
    const struct ms_news *news;
};

/* What a write did, for the counters. */
struct ms_write_outcome {
    uint32_t size;
    bool updated;          /* a live entry was replaced */
    bool replaced_expired; /* an expired one was, */
    bool replaced_unread;  /* which had never been read */
    uint64_t instance;     /* of the new entry, if it comes from a snapshot */
};

/* Store an entry. The caller has entered. Sizes are checked by ms_store_write(), for the others
 * by the caller. */
int ms_store_write(memstore *store, const struct ms_write *write);
/* The same without counting it. */
int ms_store_try_write(memstore *store, const struct ms_write *write, uint64_t hash,
                       struct ms_write_outcome *outcome);
void ms_store_count_write(memstore *store, int status, const struct ms_write_outcome *outcome);
void ms_store_count_refusal(memstore *store, int status);
/* What a write of this size is refused with whatever the store holds: OK or ENTRY_TOO_LARGE. */
int ms_store_check_size(memstore *store, size_t key_size, size_t value_size);
/* Whether so many bytes could be stored together if nothing else were. */
bool ms_store_could_fit(memstore *store, uint64_t bytes);
/* Tell the sweeper of an entry's expiry, after it is stored. */
void ms_store_note_expiry(memstore *store, struct ms_segment *segment, int64_t expiry,
                          int64_t since);

/* ---- store/increment.c, delete.c, retime.c ---- */
int ms_store_increment(memstore *store, const void *key, size_t key_size, int64_t delta,
                       int64_t initial, const struct ms_life *life, int64_t *result);
int ms_store_delete(memstore *store, const void *key, size_t key_size);
int ms_store_update_ttl(memstore *store, const void *key, size_t key_size, int64_t ttl_ms);
/* An expiry asked for, bounded by the age that the entry may reach. */
int64_t ms_ttl_bound_by_age(const memstore *store, const struct ms_found *found, int64_t expiry);
/* ---- store/ttl.c ---- */
/* When a TTL that begins now ends, as precise as ends are. */
int64_t ms_ttl_end(const memstore *store, int64_t ttl_ms, int64_t now);
/* What a TTL given now asks for: OK or INVALID_TTL. */
int ms_ttl_to_life(const memstore *store, int64_t ttl_ms, struct ms_life *life);
/* The same for one given at `now`, in exact monotonic milliseconds; what is given one TTL at one moment
 * this way gets one jitter. */
int ms_ttl_to_life_at(const memstore *store, int64_t ttl_ms, int64_t now, struct ms_life *life);
/* The same for a Unix time, which is kept without jitter, and which reads do not move: OK,
 * TTL_EXPIRED or INVALID_TTL. */
int ms_ttl_until(const memstore *store, int64_t unix_ms, struct ms_life *life);

/* ---- store/batch.c ---- */
enum ms_op_kind {
    MS_OP_SET,
    MS_OP_DELETE,
    MS_OP_UPDATE_TTL,
    MS_OP_EXPECT_VERSION,
    MS_OP_EXPECT_ABSENT
};

struct ms_op {
    enum ms_op_kind kind;
    memstore_key key;
    const void *value;
    size_t value_size;
    int64_t ttl_ms;
    uint64_t version;
    /* Of a set that was asked for earlier: its life, in place of ttl_ms, and when that was, where
     * creation times are kept; 0 = neither. */
    struct ms_life life;
    int64_t created;
};

struct ms_commit_result {
    size_t deleted; /* entries */
    size_t refused; /* the number of the operation that was refused; n if none was by itself */
};

/* Apply all operations at one instant, or none. */
int ms_store_commit(memstore *store, const struct ms_op *ops, size_t n,
                    struct ms_commit_result *result);
/* The same without counting a refusal. */
int ms_store_try_commit(memstore *store, const struct ms_op *ops, size_t n,
                        struct ms_commit_result *result);

/* ---- store/batch_object.c ---- */
memstore_batch *ms_batch_new(memstore *store);
int ms_batch_add(memstore_batch *batch, const struct ms_op *op);
int ms_batch_commit(memstore_batch *batch);
/* As memstore_batch_refused(). */
int ms_batch_refused(const memstore_batch *batch, size_t *number, memstore_key *key);
void ms_batch_free(memstore_batch *batch);

/* ---- store/scan.c ---- */
int ms_cursor_new(memstore *store, const char *pattern, size_t pattern_size, memstore_cursor **out);
int ms_cursor_next(memstore_cursor *cursor, memstore_key *key);
void ms_cursor_free(memstore_cursor *cursor);
/* How many live entries a walk over the index meets, taking no lock. The caller has entered. */
uint64_t ms_scan_count(memstore *store);

/* ---- store/clear.c ---- */
int ms_store_clear(memstore *store);

/* ---- store/room.c ---- */
/* Take the reclaim lock; the maintenance thread does not wait for it, since who holds it may be
 * waiting for a grace period from that thread. */
bool ms_room_lock(memstore *store, int64_t deadline_us);
/* Bytes that no eviction brings back, beside what views hold. */
uint64_t ms_room_that_stays(memstore *store);
/* For one who has tried to reserve and got nothing: make room for a segment, or for `bytes` of
 * pages when that is not 0. OK when it is worth trying again, else why not. Not when the system
 * has refused memory since the mark, which was taken before trying and is moved on for the next
 * try; and not for ever. */
int ms_room_make(memstore *store, uint64_t bytes, int64_t deadline_us,
                 struct ms_budget_mark *since);
/* The same for a segment, waiting for no views. */
int ms_room_make_at_once(memstore *store, int64_t deadline_us, struct ms_budget_mark *since);
/* As ms_room_make() for bytes that are charged without pages of the arena. */
int ms_room_make_to_charge(memstore *store, uint64_t bytes, int64_t deadline_us,
                           struct ms_budget_mark *since);
/* The same for one whose table could not grow: what to ask of it next is in *wish. Where nothing is evicted it
 * stays as it is. */
int ms_room_make_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           struct ms_budget_mark *since, enum ms_index_wish *wish);
/* Reserve room for an entry, reclaiming as long as there is none. */
int ms_room_reserve(memstore *store, const struct ms_placement *placement,
                    const struct ms_entry_shape *shape, struct ms_reserved *out);
/* Whether a segment is free for a compaction, of the reserve. Reclaim lock held. */
bool ms_room_has_reserve_locked(memstore *store);
/* Take one step towards more free memory: what has expired first, then what is dead, then what
 * the policy gives up. Reclaim lock held. False when nothing can be done. */
bool ms_room_step_locked(memstore *store, int64_t deadline_us);
/* The same for one who has taken so many steps, which is counted on: where readers use everything again before
 * its turn comes nothing would ever go, so after a turn of all segments what is used goes as well. */
bool ms_room_persist_locked(memstore *store, uint32_t *steps, int64_t deadline_us);
/* As ms_room_step_locked(), but what was emptied before is left to wait for its grace period. */
bool ms_room_empty_locked(memstore *store, int64_t deadline_us);
/* Evict, and give the memory back to the limit. Reclaim lock held. False when nothing was won. */
bool ms_room_evict_locked(memstore *store, int64_t deadline_us);
/* Whether the entry is the first of its segment. */
static inline bool ms_room_was_opened_for(const struct ms_reserved *reserved)
{
    return (const char *)reserved->entry == reserved->segment->base;
}
/* For a writer who has opened a segment and is done: if that was the last free one, empty another,
 * unless somebody is at it. Where all processors are busy the maintenance thread does not get to
 * it in time. Waits for nothing; no lock held. */
void ms_room_prepare(memstore *store);
/* As ms_room_reserve(), for which nothing that lives goes: OK or CACHE_FULL. Leaves alone what is kept free
 * for writers. */
int ms_room_take(memstore *store, const struct ms_placement *placement,
                 const struct ms_entry_shape *shape, struct ms_reserved *out);
/* The same for bytes of the index, as ms_room_make_for_index(): OK or SHARD_OVERFLOW. */
int ms_room_take_for_index(memstore *store, uint64_t bytes, int64_t deadline_us,
                           const struct ms_budget_mark *since);
/* Free what was emptied before. */
void ms_room_free_emptied(memstore *store);
int ms_store_compact(memstore *store, double max_dead_ratio);

/* ---- store/harvest.c: what waits for a grace period; the reclaim lock held but where told ---- */
/* Let `node`'s memory wait. No lock needed. */
void ms_harvest_retire(memstore *store, struct ms_retired *node);
/* Growing tables have left much behind: have it freed, unless somebody is at it. No lock held. */
void ms_harvest_if_much(memstore *store);
/* Free all that waits. False when nothing came free, or readers that stand still did not let the
 * period end by the deadline. */
bool ms_harvest_locked(memstore *store, int64_t deadline_us);
/* Begin a grace period for all that waits, unless one is on its way. False when nothing waits, or
 * there is no maintenance thread to let it pass. */
bool ms_harvest_begin_locked(memstore *store);
/* Free what it was begun for once it has passed, which is waited for until the deadline, and begin
 * the next. False when nothing came free. The maintenance thread does not wait. */
#define MS_HARVEST_NO_WAIT 0
bool ms_harvest_ripe_locked(memstore *store, int64_t deadline_us);

/* ---- store/reclaim.c: what happens to a segment's entries. Reclaim lock held. ---- */
/* Remove or move every live entry, as the policy judges; a large one, which has a segment of its
 * own, is kept by listing that anew. False when something could not be taken, or is kept and has to wait
 * until what is in limbo is free (`moves_wait`). */
bool ms_reclaim_evict_locked(memstore *store, struct ms_segment *victim);
/* Whether what lives in the segment certainly fits what is free of the reserve. */
bool ms_reclaim_fits_reserve(memstore *store, struct ms_segment *segment);
/* Move every live entry to another segment. False when some were left because others held their
 * shards. */
bool ms_reclaim_compact_locked(memstore *store, struct ms_segment *victim);
/* Remove what has expired at `now`, at most `most` entries (0 = all); with `keeps` it stays where it
 * is for `loader.max_stale`, for stale.h. Returns how many were removed. */
uint64_t ms_reclaim_sweep_locked(memstore *store, struct ms_segment *segment, int64_t now,
                                 uint32_t most, bool keeps);
/* Drop what is kept in a segment beyond its expiry. Returns how many entries that were. */
uint64_t ms_reclaim_drop_stale_locked(memstore *store, struct ms_segment *segment);
/* The segment in which that is kept of which the time is over first, or NULL. */
struct ms_segment *ms_reclaim_stalest(memstore *store);
/* The sealed segment with the most dead bytes, if it has at least so many. NULL when there is none. */
struct ms_segment *ms_reclaim_emptiest(memstore *store, uint64_t least);

/* ---- store/maintenance.c ---- */
/* Every store is registered until it is destroyed, so that fork() finds it; those with background
 * maintenance are also looked after, until they are closed. */
int ms_maintenance_register(memstore *store);
/* It is closed: no round of it begins any more, and none goes on. */
void ms_maintenance_retire(memstore *store);
/* Its threads and locks are about to go. */
void ms_maintenance_unregister(memstore *store);
/* Something is to be done before the time it was planned for. False when nobody does it in the
 * background. */
bool ms_maintenance_wake(memstore *store);
/* The same from a read: nothing is waited for, and if the thread is just being woken it is not. */
void ms_maintenance_try_wake(memstore *store);
/* Wait for a grace period, at most until the deadline. With background maintenance its thread
 * does the waiting that has no bound; with manual maintenance the caller does. False when the
 * deadline passed. */
bool ms_maintenance_grace_period(memstore *store, int64_t deadline_us);
/* Have the maintenance thread let one pass: its number, or 0 when there is no such thread, or it is away. */
uint64_t ms_maintenance_begin_grace_period(memstore *store);
/* Wait for it, at most until the deadline, 0 = not at all; nor does the maintenance thread. False
 * when it has not passed. */
bool ms_maintenance_await_grace_period(uint64_t number, int64_t deadline_us);
/* The maintenance thread, no lock held: let those pass that were begun. */
void ms_maintenance_pass_grace_periods(void);
/* Around what may keep it long, as a file system that hangs, if this is the maintenance thread: whoever
 * needs a grace period meanwhile lets it pass himself. No lock held. */
void ms_maintenance_goes_away(void);
void ms_maintenance_is_back(void);
/* Start the thread that a child of fork() lacks: its parent's had planned what is due. */
void ms_maintenance_resume(memstore *store);
/* Plan for something that is due earlier than all before. False when there is no thread and none
 * could be started. */
bool ms_maintenance_plan(memstore *store);
/* Whether this is the maintenance thread. It does not wait for those who may be waiting for it. */
bool ms_maintenance_is_me(void);

/* ---- store/upkeep.c ---- */
/* Do what there is to do for about `budget_us`, 0 = all of it: OK, or LOCK_TIMEOUT when
 * something is left, because the budget has ended or because somebody else reclaims: without a
 * budget he is waited for, as long as `performance.lock_timeout`. `exact`: remove all that has
 * expired, not only what is due to be swept. */
int ms_upkeep_run(memstore *store, int64_t budget_us, bool exact);
/* Remove all that has expired by now, a segment at a time. False when some may be left, because somebody
 * held a lock that it takes: a shard's, or the reclaim lock; or because there was more than could be
 * swept until the deadline. */
bool ms_upkeep_expire(memstore *store, int64_t deadline_us);

/* ---- store/report.c ---- */
uint64_t ms_store_size(memstore *store);
void ms_store_stats(memstore *store, memstore_stats *out);
/* The same with hits and misses that do not go down from one call to the next, for metrics. */
void ms_store_rising_stats(memstore *store, memstore_stats *out);
void ms_store_memory_stats(memstore *store, memstore_memory_stats *out);
/* Entries by TTL; `out` is zeroed. */
void ms_store_ttl_stats(memstore *store, memstore_ttl_stats *out);
/* All of it, whether `performance.enable_memory_stats` is on or not. */
void ms_store_measure_memory(memstore *store, memstore_memory_stats *out);
/* OK, or UNSUPPORTED where calls are not measured. */
int ms_store_latency(memstore *store, enum memstore_operation operation, memstore_latency *out);
void ms_store_reset_stats(memstore *store);
/* Live and dead bytes of all segments: what is kept beyond its expiry is of use, so that it counts as live. */
void ms_store_live_and_dead(memstore *store, uint64_t *live, uint64_t *dead);

/* ---- store/load.c, load_many.c, lease.c: loading what is not there ---- */
int ms_load_get(memstore *store, const memstore_key *key, const memstore_loader *loader,
                memstore_view *out);
/* What became of keys that were asked for together. */
struct ms_load_outcome {
    int *statuses;  /* one for each key; set by the caller, to an array or NULL */
    size_t refused; /* values that were given out though the store could not take them, */
    int refusal;    /* and why it could not the first */
};
int ms_load_get_many(memstore *store, const memstore_key *keys, size_t n,
                     const memstore_loader *loader, memstore_view *out, size_t *found,
                     struct ms_load_outcome *outcome);
int ms_lease_acquire(memstore *store, const memstore_key *key, int64_t timeout_ms,
                     struct ms_flight **lease, memstore_view *out);
int ms_lease_fill(struct ms_flight *lease, const memstore_load_value *value, memstore_view *out);
int ms_lease_fail(struct ms_flight *lease, int result, memstore_view *out);
/* The calling thread is in a loader that was called for this store. */
bool ms_load_is_calling(const memstore *store);
/* Places among `loader.max_loads` that the calling thread holds. */
uint32_t ms_load_places_held(const memstore *store);
/* The same of performance.max_concurrent_readers, for a loader that it is in; */
uint32_t ms_load_readers_held(const memstore *store);
/* The same of the KiB of `loader.max_load_bytes`, and how many those are. */
uint32_t ms_load_bytes_held(const memstore *store);
uint32_t ms_load_byte_places(const struct ms_settings *settings);
/* When breakers open, by the settings now. */
struct ms_breaker_rule ms_load_breaker_rule(const memstore *store);
/* Overtake the loads of all keys that match a pattern: OK, LOCK_TIMEOUT or MEMORY_EXHAUSTED. */
int ms_load_overtake_matching(memstore *store, const char *pattern, size_t pattern_size);

/* ---- store/save.c, restore.c, warm.c ---- */
int ms_store_save(memstore *store, const char *path, memstore_progress_fn fn, void *context);
int ms_store_restore(memstore *store, const char *path, memstore_progress_fn fn, void *context);
int ms_store_warm(memstore *store, const memstore_key *keys, size_t n,
                  const memstore_loader *loader, memstore_progress_fn fn, void *context);

/* ---- Small things that several of these need ---- */

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

MS_ALWAYS_INLINE unsigned ms_store_bounds(const memstore *store)
{
    return ms_load_relaxed(&store->bounds);
}

static inline bool ms_store_is_closed(const memstore *store)
{
    return ms_load_acquire(&store->closed);
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

/* Whether a call ends with this status for want of its caller's patience, where the store would have
 * let it wait. */
bool ms_store_gave_up(int status);

/* Whether an entry was surely never read: its use bits say so, unless the policy may have had it in
 * hand since it was written, which takes from them. */
static inline bool ms_store_is_unread(const memstore *store, const struct ms_found *found)
{
    return store->touch == MS_TOUCH_COUNT &&
           (ms_load_relaxed(&found->entry->mark) & MS_MARK_ACCESS) == 0 &&
           (ms_load_relaxed(&found->segment->queue) == MS_QUEUE_NEW ||
            ms_load_relaxed(&store->eviction.ghost.table) == NULL);
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

/* An entry is not referred to any more (ST-2). In a read section, because as soon as it is
 * counted dead somebody else may retire its segment, and a large entry's segment ends with its
 * record. */
static inline void ms_store_entry_died(memstore *store, const struct ms_found *found)
{
    const ms_reader reader = ms_section_begin();

    ms_store_relaxed(&found->entry->mark,
                     (unsigned char)(ms_load_relaxed(&found->entry->mark) | MS_MARK_DEAD));
    if (ms_arena_entry_died(&store->arena, found->segment,
                            ms_arena_padded(&store->arena, found->parts.size)) &&
        ms_arena_retire(&store->arena, found->segment))
        ms_maintenance_wake(store);
    ms_section_end(reader);
}

/* A writer gives up what it reserved: its bytes are dead from the start. */
static inline void ms_store_abandon(memstore *store, const struct ms_reserved *reserved)
{
    if (ms_arena_abandon(&store->arena, reserved))
        ms_maintenance_wake(store);
}

/* Release a view of any kind, most likely one that is held in a place. */
MS_ALWAYS_INLINE void ms_view_give_back(memstore_view *view)
{
    const uintptr_t kinds = MS_VIEW_MARKS | MS_PIN_HELD | MS_PIN_SHARED;

    if (ms_likely(((uintptr_t)view->pin & kinds) == MS_PIN_HELD)) {
        ms_pin_release_held(view->pin);
        *view = (memstore_view){0};
    } else {
        ms_view_give_back_other(view);
    }
}

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

/* Report accesses to the policy, if it wants to know; `before` is a thread's count of them. */
static inline void ms_store_tick(memstore *store, uint64_t before)
{
    if (ms_unlikely((before & store->tick_mask) == 0) && store->touch == MS_TOUCH_STAMP)
        ms_eviction_tick(&store->eviction, store->tick_mask + 1);
}

#endif
