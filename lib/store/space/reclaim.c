/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the entries of a segment that is swept, compacted or evicted.
 *
 * All three walk the segment, hash the keys of the entries concerned, start loading their
 * buckets and locks, and then take one after the other under its shard's lock. A writer may replace or
 * remove any of them meanwhile; the slot tells. The walk is in groups, so that the cache misses
 * of a group overlap. */
#include "store/space/reclaim.h"

#include "store/lookup.h"
#include "store/space/move.h"
#include "store/space/walk.h"
#include "store/watch/notify.h"
#include "store/watch/store_log.h"
#include "store/write/write.h"

#include "segment/pins.h"

#define GROUP 16
/* A shard that somebody holds longer than this is passed over; its entries stay where they are.
 * Waited for once in a pass, not for each entry. */
#define SHARD_PATIENCE_US 5000
/* How often a compaction walks a segment for the sake of shards that were held: to give up on one that
 * is nearly empty is to evict in its place. */
#define COMPACT_PASSES 4
/* Evictions move at most so many times as much of what is used as they free; then it goes as well: after a night
 * in which all was read writers would wait until half of the store had been moved. They may owe so many segments
 * of what they are to free for that, or so many bytes. docs/design/eviction.md says how much traffic asks for. */
#define MOVES_FOR_FREED 8
#define OWED_SEGMENTS 2
#define OWED_BYTES (UINT64_C(128) << 10)

/* ---- One entry, under its shard's lock ---- */

enum purpose { PURPOSE_EVICT, PURPOSE_COMPACT, PURPOSE_SWEEP, PURPOSE_DROP_STALE };

struct pass {
    memstore *store;
    struct ms_segment *segment;
    enum purpose purpose;
    int64_t now;
    int64_t max_stale; /* how long what has expired is kept; 0 = not */
    int64_t earliest;  /* of what is left alone, when it expires or is not to be kept any longer */
    bool passed_over;  /* a shard was held by somebody else; something is left */
    /* Before the end of the segment: as many were removed as may be at once, or what is kept has to wait for
     * room. */
    bool stopped;
    struct ms_moves moves;
    uint64_t removed_expired, expired_unread, evicted, evicted_unread, dropped_stale;
};

struct candidate {
    struct ms_found found;
    uint64_t hash;
};

static void remove_entry(struct pass *pass, const struct candidate *candidate,
                         const struct ms_index_slot *slot, uint32_t cause)
{
    ms_index_remove(&pass->store->index, candidate->hash, slot);
    ms_notify_removal(pass->store, &candidate->found, cause);
    ms_store_entry_died(pass->store, &candidate->found);
}

/* When an entry that has expired is not to be kept any longer. */
static int64_t end_of_stale(const struct pass *pass, int64_t expiry)
{
    return expiry > MS_NEVER - pass->max_stale ? MS_NEVER : expiry + pass->max_stale;
}

static void note_earliest(struct pass *pass, int64_t when)
{
    if (when < pass->earliest)
        pass->earliest = when;
}

/* An entry has expired: it leaves the index, and may be kept where it is. A read may renew it still (SD-4):
 * `expiry` is what it was judged by. */
static void expire_entry(struct pass *pass, const struct candidate *candidate,
                         const struct ms_index_slot *slot, int64_t expiry)
{
    memstore *store = pass->store;
    const int64_t end = end_of_stale(pass, expiry);

    pass->removed_expired++;
    pass->expired_unread += ms_store_is_unread(store, &candidate->found);
    if (end <= pass->now) {
        remove_entry(pass, candidate, slot, MEMSTORE_EVENT_EXPIRED);
        return;
    }
    ms_index_remove(&store->index, candidate->hash, slot);
    ms_notify_removal(store, &candidate->found, MEMSTORE_EVENT_EXPIRED);
    if (ms_stale_keep_locked(store, candidate->hash, &candidate->found))
        note_earliest(pass, end);
    else
        ms_store_entry_died(store, &candidate->found);
}

/* No slot refers to an entry: it is dead, or it is kept, and that may be over. */
static void judge_stale(struct pass *pass, const struct candidate *candidate)
{
    const int64_t end = end_of_stale(pass, ms_found_expiry(&candidate->found));
    const bool drops = pass->purpose != PURPOSE_SWEEP || end <= pass->now;

    if (!ms_stale_judge(pass->store, candidate->hash, &candidate->found, drops))
        return;
    if (drops)
        pass->dropped_stale++;
    else
        note_earliest(pass, end);
}

/* A victim's bytes pay for so many of them as may be moved, if the rest comes free. How much that was. */
static uint64_t pay_for_moves(memstore *store, const struct ms_segment *victim)
{
    const uint64_t used = ms_load_relaxed(&victim->used);
    const uint64_t worth = used * MOVES_FOR_FREED / (MOVES_FOR_FREED + 1);
    const uint64_t paid = worth < store->moves_owed ? worth : store->moves_owed;

    store->moves_owed -= paid;
    return paid;
}

/* Whether an entry of so many bytes may be moved for being used. */
static bool may_move(const memstore *store, uint64_t size)
{
    const uint64_t segments = (uint64_t)OWED_SEGMENTS << store->arena.segment_shift;
    const uint64_t most = segments > OWED_BYTES ? segments : OWED_BYTES;

    return store->eviction.policy->sorts || store->moves_owed + size <= most;
}

static void evict_entry(struct pass *pass, const struct candidate *candidate,
                        const struct ms_index_slot *slot)
{
    memstore *store = pass->store;
    const unsigned mark = ms_entry_seen_mark(candidate->found.entry);
    const struct ms_subject entry = {
        .hash = candidate->hash,
        .size = candidate->found.parts.size,
        .access = mark & MS_MARK_ACCESS,
    };
    const struct ms_verdict verdict =
        store->eviction.policy->judge(&store->eviction, pass->segment, &entry);

    const bool keep = verdict.keep && !store->keeps_none;

    if (keep && pass->segment->is_solo) {
        /* What has a segment of its own is kept by listing that anew. */
        ms_entry_note_use(candidate->found.entry, mark,
                          (mark & ~(unsigned)MS_MARK_ACCESS) | verdict.access);
        ms_arena_requeue(&store->arena, pass->segment, MS_LIST_MAIN, verdict.rank);
        return;
    }
    if (keep && may_move(store, entry.size)) {
        if (ms_move_entry(&pass->moves, &candidate->found, candidate->hash, slot, &verdict)) {
            store->moves_owed += entry.size;
            return;
        }
        /* The reserve holds what was kept of the victim before, whose own memory comes free. */
        if (ms_arena_has_limbo(&store->arena, 1)) {
            pass->stopped = true;
            return;
        }
    }
    pass->evicted_unread += ms_store_is_unread(store, &candidate->found);
    const enum ms_ghost_kind kind = ms_eviction_drop(&store->eviction, pass->segment, &entry);
    remove_entry(pass, candidate, slot, MEMSTORE_EVENT_EVICTED);
    ms_ghost_insert(&store->eviction.ghost, candidate->hash, kind);
    pass->evicted++;
}

static void compact_entry(struct pass *pass, const struct candidate *candidate,
                          const struct ms_index_slot *slot)
{
    const enum ms_queue queue = (enum ms_queue)ms_load_relaxed(&pass->segment->queue);
    const struct ms_verdict verdict = {
        .keep = true,
        .queue = queue,
        .access = ms_entry_seen_mark(candidate->found.entry) & MS_MARK_ACCESS,
        .rank = pass->segment->rank,
    };

    ms_move_entry(&pass->moves, &candidate->found, candidate->hash, slot, &verdict);
}

static bool lock_shard(struct pass *pass, ms_mutex *lock)
{
    if (ms_mutex_try_lock(lock))
        return true;
    if (pass->passed_over || !ms_mutex_lock_until(lock, ms_clock_real_us() + SHARD_PATIENCE_US)) {
        pass->passed_over = true;
        return false;
    }
    return true;
}

static void take_entry(struct pass *pass, const struct candidate *candidate)
{
    memstore *store = pass->store;
    ms_mutex *lock = ms_store_shard_lock(store, candidate->hash);
    struct ms_index_slot slot;

    if (!lock_shard(pass, lock))
        return;
    if (ms_index_find_place(&store->index, candidate->hash, candidate->found.place, &slot)) {
        const int64_t expiry = ms_found_expiry(&candidate->found);

        if (expiry <= pass->now) {
            expire_entry(pass, candidate, &slot, expiry);
        } else if (pass->purpose == PURPOSE_EVICT) {
            evict_entry(pass, candidate, &slot);
        } else if (pass->purpose == PURPOSE_COMPACT) {
            compact_entry(pass, candidate, &slot);
        } else {
            /* Its expiry was moved after it was chosen. */
            note_earliest(pass, expiry);
        }
    } else if (ms_unlikely(ms_stale_any(&store->stale))) {
        judge_stale(pass, candidate);
    }
    ms_mutex_unlock(lock);
}

/* ---- A segment ---- */

static bool is_candidate(const struct pass *pass, const struct ms_found *found)
{
    /* ORDER: acquire, pairs with the releases of ms_arena_publish() and of whoever stores the
     * mark of a published entry: the key is read next. */
    const unsigned mark = ms_load_acquire(&found->entry->mark);
    const bool sweeps = pass->purpose == PURPOSE_SWEEP;

    if (ms_mark_is_stale(mark))
        return !sweeps || end_of_stale(pass, ms_found_expiry(found)) <= pass->now;
    if ((mark & (MS_MARK_DEAD | MS_MARK_PENDING)) != 0)
        return false;
    return (!sweeps && pass->purpose != PURPOSE_DROP_STALE) || ms_found_expiry(found) <= pass->now;
}

/* What is left alone tells when to come again. Pending entries count too: they may be published
 * while we walk. */
static void leave_alone(struct pass *pass, const struct ms_found *found)
{
    const unsigned mark = ms_load_relaxed(&found->entry->mark);

    if (ms_mark_is_stale(mark))
        note_earliest(pass, end_of_stale(pass, ms_found_expiry(found)));
    else if ((mark & MS_MARK_DEAD) == 0)
        note_earliest(pass, ms_found_expiry(found));
}

static size_t collect_group(struct pass *pass, struct ms_walk *walk, struct candidate group[GROUP])
{
    size_t count = 0;
    struct ms_found found;

    while (count < GROUP && ms_walk_next(walk, &found)) {
        if (is_candidate(pass, &found)) {
            group[count].found = found;
            group[count].hash = ms_store_hash(pass->store, found.parts.key, found.parts.key_size);
            ms_index_prefetch(&pass->store->index, group[count].hash);
            ms_prefetch_write(ms_store_shard_lock(pass->store, group[count].hash));
            if (pass->purpose == PURPOSE_EVICT)
                ms_ghost_prefetch(&pass->store->eviction.ghost, group[count].hash);
            count++;
        } else {
            leave_alone(pass, &found);
        }
    }
    return count;
}

static void count_pass(const struct pass *pass)
{
    struct ms_counters *counters = &pass->store->counters;

    if (pass->removed_expired != 0)
        ms_count(counters, MS_COUNT_EXPIRATIONS, pass->removed_expired);
    if (pass->expired_unread != 0)
        ms_count(counters, MS_COUNT_EXPIRED_UNREAD, pass->expired_unread);
    if (pass->evicted_unread != 0)
        ms_count(counters, MS_COUNT_EVICTED_UNREAD, pass->evicted_unread);
    if (pass->evicted != 0)
        ms_count(counters, MS_COUNT_EVICTIONS, pass->evicted);
    if (pass->moves.bytes != 0)
        ms_count(counters, MS_COUNT_MOVED_BYTES, pass->moves.bytes);
}

/* Walk the segment once. Stops after `most` removals for having expired, unless 0. */
static void run_pass(struct pass *pass, uint32_t most)
{
    struct ms_walk walk = ms_walk_start(pass->store, pass->segment);
    struct candidate group[GROUP];
    size_t count;

    pass->earliest = MS_NEVER;
    ms_testing_reach(MS_POINT_RECLAIMING);
    while ((count = collect_group(pass, &walk, group)) != 0) {
        for (size_t i = 0; i < count; i++) {
            pass->stopped |= most != 0 && pass->removed_expired >= most;
            if (pass->stopped) {
                count_pass(pass);
                return;
            }
            take_entry(pass, &group[i]);
        }
    }
    count_pass(pass);
}

/* Walk the segment up to `passes` times, until no shard was passed over: whether that was so, in
 * *met_all. False when something could not be taken. */
static bool empty_segment(memstore *store, struct ms_segment *segment, enum purpose purpose,
                          unsigned passes, bool *met_all)
{
    const uint64_t rank = segment->rank;
    struct pass pass;

    do {
        const int64_t now = ms_clock_exact_ms();
        const struct ms_moves moves = {
            .store = store, .from = segment, .now = now, .any_class = purpose == PURPOSE_COMPACT};

        pass = (struct pass){
            .store = store, .segment = segment, .purpose = purpose, .now = now, .moves = moves};
        run_pass(&pass, 0);
    } while (pass.passed_over && --passes != 0);
    *met_all = !pass.passed_over;
    ms_arena_let_writers_in(&store->arena);
    if (purpose == PURPOSE_EVICT)
        store->half_evicted = pass.stopped ? segment : NULL;
    if (pass.stopped) {
        store->moves_wait = true;
        return false;
    }
    /* A solo that was kept has been listed anew already. */
    if (ms_load_relaxed(&segment->state) != MS_SEGMENT_SEALED || segment->rank != rank)
        return true;
    /* Let others come first. */
    ms_arena_requeue(&store->arena, segment,
                     segment->queue == MS_QUEUE_NEW ? MS_LIST_NEW : MS_LIST_MAIN, 0);
    return false;
}

bool ms_reclaim_evict_locked(memstore *store, struct ms_segment *victim)
{
    bool met_all;

    const uint64_t paid = pay_for_moves(store, victim);
    const bool done = empty_segment(store, victim, PURPOSE_EVICT, 1, &met_all);

    /* It was listed anew, and nothing of it comes free. */
    if (ms_load_relaxed(&victim->state) == MS_SEGMENT_SEALED)
        store->moves_owed += paid;
    return done;
}

bool ms_reclaim_compact_locked(memstore *store, struct ms_segment *victim)
{
    bool met_all;

    if (empty_segment(store, victim, PURPOSE_COMPACT, COMPACT_PASSES, &met_all))
        ms_count(&store->counters, MS_COUNT_COMPACTIONS, 1);
    ms_tell_compacted(store, victim);
    return met_all;
}

/* Others may have removed all of it meanwhile. Then it is not due any more: nobody would take it out of the
 * list again who gives its memory to another. */
static bool may_hold_entries(const struct ms_segment *segment)
{
    const unsigned state = ms_load_relaxed(&segment->state);

    return state == MS_SEGMENT_OPEN || state == MS_SEGMENT_SEALED;
}

static void sweep(struct pass *pass, uint32_t most)
{
    memstore *store = pass->store;
    struct ms_segment *segment = pass->segment;

    ms_store_relaxed(&store->sweeping, true);
    const int64_t earliest = ms_due_sweep_begins(&store->due, segment);
    ms_arena_await_appends(&store->arena, segment);
    run_pass(pass, most);
    if (!may_hold_entries(segment))
        ms_due_forget(&store->due, segment);
    else if (pass->stopped)
        ms_due_sweep_stopped(&store->due, segment, earliest);
    else
        ms_due_swept(&store->due, segment, pass->passed_over ? earliest : pass->earliest,
                     pass->now);
    /* ORDER: release, pairs with the acquire in is_swept(). */
    ms_store_release(&store->sweeping, false);
}

uint64_t ms_reclaim_sweep_locked(memstore *store, struct ms_segment *segment, int64_t now,
                                 uint32_t most, bool keeps)
{
    struct pass pass = {.store = store, .segment = segment, .purpose = PURPOSE_SWEEP, .now = now};

    if (keeps)
        pass.max_stale = ms_setting_of(&store->settings, load_max_stale);
    if (pass.max_stale == 0) {
        sweep(&pass, most);
    } else {
        ms_segment_pin(segment);
        /* All of the segment goes then, which is memory for the tables of others: what some tables have room
         * for would be in the way. */
        if (!ms_stale_prepare_locked(store, segment))
            pass.max_stale = 0;
        sweep(&pass, most);
        ms_stale_settle_locked(store);
        ms_segment_unpin(segment);
    }
    return pass.removed_expired + pass.dropped_stale;
}

/* ---- What is kept beyond its expiry ---- */

uint64_t ms_reclaim_drop_stale_locked(memstore *store, struct ms_segment *segment)
{
    struct pass pass = {.store = store,
                        .segment = segment,
                        .purpose = PURPOSE_DROP_STALE,
                        .now = ms_clock_exact_ms()};

    run_pass(&pass, 0);
    return pass.removed_expired + pass.dropped_stale;
}
