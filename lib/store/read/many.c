/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of several keys: pipelined, so that their cache misses overlap, and consistent with
 * batches.
 *
 * All keys are looked up as of one moment between batches. If no batch was being published when
 * the lookups began and none had begun when they ended, that is shown by two loads. Else the
 * batch sequences of the shards concerned are compared, and if batches keep coming, the shards
 * are locked. */
#include "store/read/many.h"

#include "store/hot.h"
#include "store/lookup.h"
#include "store/read/quick.h"
#include "store/read/view.h"
#include "store/track/follow.h"
#include "store/write/slide.h"

#include "platform/mem.h"

#include <stdlib.h>

/* Lookups that are in one stage at once; about as many as the processor has line fill buffers. */
#define GROUP 16
/* Groups that are under way at once, one in each stage; a power of two above that of the stages. */
#define GROUPS_UNDER_WAY 4
/* Attempts without a lock; after that writers are kept out. */
#define OPTIMISTIC_TRIES 8

/* Followed keys of a call that are noted as they are met; if there are more, all keys are looked at again. */
#define FOLLOWED_NOTED 32

struct followed {
    size_t i; /* of the call's keys */
    uint64_t hash;
};

/* What is done with each lookup. */
struct reading {
    memstore *store;
    const memstore_key *keys;
    size_t n;
    memstore_view *views; /* or NULL */
    unsigned char *flags; /* or NULL */
    size_t found;
    /* One clock for all keys, so that what a batch lets run out together is missed together; 0 =
     * not looked at yet. */
    int64_t now;
    /* The keys that are followed, in a store that follows some; more than there is room for are counted. */
    size_t followed_count;
    struct followed *followed; /* room for FOLLOWED_NOTED, not filled in advance */
};

static bool has_expired(struct reading *reading, int64_t expiry)
{
    if (ms_likely(expiry == MS_NEVER) || ms_testing_has_fault(MS_FAULT_EXPIRED_SERVED))
        return false;
    if (reading->now == 0)
        reading->now = ms_clock_exact_ms();
    return expiry <= reading->now;
}

/* False when the key is to be looked up again. */
static bool note_found(struct reading *reading, size_t i, struct ms_found *found)
{
    int64_t expiry = ms_found_expiry(found);

    if (has_expired(reading, expiry)) {
        const memstore_key *key = &reading->keys[i];

        if (!ms_lookup_renewed(reading->store, key->data, key->size, &found->place))
            return true;
        ms_found_at(reading->store, found->place, found);
        expiry = ms_found_expiry(found);
    }
    if (reading->flags != NULL) {
        reading->flags[i] = 1;
        reading->found++;
        return true;
    }
    if (!ms_version_tell(reading->store, found, &reading->views[i].version))
        return false;
    reading->found++;
    /* The pin and what follows from it are added when the lookups are known to be consistent. */
    reading->views[i].data = found->parts.value;
    reading->views[i].size = found->parts.value_size;
    reading->views[i].expires_at_ms = expiry == MS_NEVER ? 0 : expiry;
    reading->views[i].pin = found->entry;
    return true;
}

static void forget_results(struct reading *reading)
{
    reading->found = 0;
    reading->now = 0;
    reading->followed_count = 0;
    if (reading->n == 0)
        return;
    if (reading->views != NULL)
        memset(reading->views, 0, reading->n * sizeof *reading->views);
    else
        memset(reading->flags, 0, reading->n);
}

MS_ALWAYS_INLINE bool is_usual(const memstore *store)
{
    return (store->hot_unmeasured & MS_HOT_USUAL) != 0;
}

/* Whether some keys are followed, and what is done is a reference to them. */
MS_ALWAYS_INLINE bool is_following(const struct reading *reading)
{
    return (ms_store_diverts(reading->store) & MS_DIVERT_TRACKED) != 0 && reading->views != NULL;
}

/* One lookup on its way through the stages. */
struct stage {
    uint64_t hash;
    const struct ms_bucket *bucket;
    struct ms_entry *entry; /* the first candidate in the home bucket; nearly always the one */
};

/* First: which bucket. */
MS_ALWAYS_INLINE void stage_bucket(const memstore *store, uint64_t hot, const memstore_key *key,
                                   struct stage *stage, bool usual)
{
    stage->hash = usual && ms_likely(ms_is_quick_size(key->size))
                      ? ms_quick_key_hash(&store->hasher, ms_quick_key(key->data, key->size))
                      : ms_store_hash(store, key->data, key->size);
    stage->bucket = ms_quick_bucket(store, hot, stage->hash, usual);
    ms_prefetch(stage->bucket);
}

/* Most entries reach into a second line. */
MS_ALWAYS_INLINE void prefetch_entry(const struct ms_entry *entry)
{
    ms_prefetch(entry);
    ms_prefetch((const char *)entry + MS_CACHE_LINE);
}

/* One key in twenty is beyond its home bucket: start loading what is like it in the next one. */
static MS_NOINLINE void prefetch_beyond(const memstore *store, const struct stage *stage)
{
    struct ms_probe probe = ms_index_probe(&store->index, stage->hash);

    if (probe.count == 0 || ms_load_relaxed(&probe.buckets[probe.at].overflow) == 0)
        return;
    ms_probe_next(&probe);
    const ms_place place = ms_lookup_candidate(&probe, stage->hash);
    if (place != MS_PLACE_NONE)
        prefetch_entry(ms_arena_entry(&store->arena, place));
}

/* Second, with the bucket there: which entry. */
MS_ALWAYS_INLINE void stage_entry(const memstore *store, uint64_t hot, struct stage *stage)
{
    stage->entry = ms_quick_candidate_in(store, hot, stage->bucket, stage->hash);
    if (ms_likely(stage->entry != NULL)) {
        prefetch_entry(stage->entry);
    } else {
        prefetch_beyond(store, stage);
    }
}

/* Whether an entry with this head is the key's. */
MS_ALWAYS_INLINE bool is_of_key(const memstore *store, const struct ms_entry *entry, uint64_t head,
                                const memstore_key *key, bool usual)
{
    if (usual && ms_likely(ms_is_quick_size(key->size)))
        return ms_likely((head >> 40 & 0xff) == key->size) &&
               ms_quick_key_is(ms_quick_key(key->data, key->size), (const char *)(entry + 1));
    return ms_quick_is_of(store, entry, head, key->data, key->size);
}

enum match { MATCH_NONE, MATCH_EXPIRING, MATCH };

/* Third, with the entry there: compare. Most that are there never expire. */
MS_ALWAYS_INLINE enum match stage_compare(const memstore *store, const memstore_key *key,
                                          const struct stage *stage, memstore_view *view,
                                          bool usual)
{
    if (ms_unlikely(stage->entry == NULL))
        return MATCH_NONE;
    const uint64_t head = ms_quick_head(stage->entry);
    if (ms_unlikely(!is_of_key(store, stage->entry, head, key, usual)))
        return MATCH_NONE;
    if (ms_unlikely(!ms_quick_never_expires(head)))
        return MATCH_EXPIRING;
    if (view != NULL) {
        if (ms_unlikely((head >> 32 & MS_MARK_VERSIONED) == 0) &&
            ms_unlikely(!ms_entry_keep_version(stage->entry)))
            return MATCH_NONE;
        view->data = (const char *)stage->entry + ms_quick_head_size(store, usual) + key->size;
        view->size = ms_quick_value_size(head);
        view->pin = stage->entry;
    }
    return MATCH;
}

/* It is not where most are, or not there. */
static MS_NOINLINE void look_up_whole(struct reading *reading, size_t i, uint64_t hash)
{
    const memstore_key *key = &reading->keys[i];
    struct ms_found found;

    while (ms_lookup_find(reading->store, key->data, key->size, hash, &found) &&
           !note_found(reading, i, &found))
        ;
}

/* The key's entry was found, and the clock decides. */
static MS_NOINLINE void note_expiring(struct reading *reading, size_t i, const struct stage *stage)
{
    struct ms_found found;

    ms_found_at(reading->store, ms_arena_place_of(&reading->store->arena, stage->entry), &found);
    if (!note_found(reading, i, &found))
        look_up_whole(reading, i, stage->hash);
}

/* ---- A stage of a group; `usual` is known to the compiler ---- */

static inline size_t size_of_group(const struct reading *reading, size_t group)
{
    const size_t left = reading->n - group * GROUP;

    return left < GROUP ? left : GROUP;
}

static MS_NOINLINE void note_followed(struct reading *reading, size_t i, uint64_t hash)
{
    if (reading->followed_count < FOLLOWED_NOTED)
        reading->followed[reading->followed_count] = (struct followed){i, hash};
    reading->followed_count++;
}

MS_ALWAYS_INLINE void stage_buckets(struct reading *reading, size_t group, struct stage *stages,
                                    bool usual, bool following)
{
    const memstore_key *const keys = reading->keys + group * GROUP;
    const uint64_t hot = ms_quick_hot(reading->store);
    const size_t count = size_of_group(reading, group);

    for (size_t i = 0; i < count; i++) {
        stage_bucket(reading->store, hot, &keys[i], &stages[i], usual);
        if (following && ms_track_follows(reading->store, stages[i].hash))
            note_followed(reading, group * GROUP + i, stages[i].hash);
    }
}

MS_ALWAYS_INLINE void stage_entries(const struct reading *reading, size_t group,
                                    struct stage *stages)
{
    const uint64_t hot = ms_quick_hot(reading->store);
    const size_t count = size_of_group(reading, group);

    for (size_t i = 0; i < count; i++)
        stage_entry(reading->store, hot, &stages[i]);
}

MS_ALWAYS_INLINE void stage_results(struct reading *reading, size_t group,
                                    const struct stage *stages, bool usual)
{
    const size_t first = group * GROUP, count = size_of_group(reading, group);
    const memstore_key *const keys = reading->keys + first;
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        memstore_view *const view = reading->views != NULL ? &reading->views[first + i] : NULL;
        const enum match match = stage_compare(reading->store, &keys[i], &stages[i], view, usual);

        if (ms_unlikely(match == MATCH_NONE)) {
            look_up_whole(reading, first + i, stages[i].hash);
        } else if (ms_unlikely(match == MATCH_EXPIRING)) {
            note_expiring(reading, first + i, &stages[i]);
        } else {
            found++;
            if (view == NULL)
                reading->flags[first + i] = 1;
        }
    }
    reading->found += found;
}

/* While the lines of one group come in, the groups before and after it are worked on:
 *
 *     step      0        1        2        3        4
 *     buckets   group 0  group 1  group 2
 *     entries            group 0  group 1  group 2
 *     results                     group 0  group 1  group 2 */
MS_ALWAYS_INLINE void look_up_groups(struct reading *reading, bool usual, bool following)
{
    struct stage ring[GROUPS_UNDER_WAY][GROUP];
    const size_t groups = (reading->n + GROUP - 1) / GROUP;

    for (size_t step = 0; step < groups + 2; step++) {
        if (step < groups)
            stage_buckets(reading, step, ring[step % GROUPS_UNDER_WAY], usual, following);
        if (step >= 1 && step < groups + 1)
            stage_entries(reading, step - 1, ring[(step - 1) % GROUPS_UNDER_WAY]);
        if (step >= 2)
            stage_results(reading, step - 2, ring[(step - 2) % GROUPS_UNDER_WAY], usual);
    }
}

static void look_up_all(struct reading *reading)
{
    forget_results(reading);
    if (ms_unlikely(!is_usual(reading->store)))
        look_up_groups(reading, false, is_following(reading));
    else if (ms_unlikely(is_following(reading)))
        look_up_groups(reading, true, true);
    else
        look_up_groups(reading, true, false);
    ms_testing_reach(MS_POINT_READ_LOADED);
}

/* ---- Consistency ---- */

/* Look up while no batch publishes anywhere. False when one did. */
static bool try_quiet(struct reading *reading)
{
    memstore *store = reading->store;
    /* ORDER: acquire; a batch raises `begun` before it touches a slot, so who has seen one of
     * its slots sees that too. */
    const uint64_t done = ms_load_acquire(&store->batches_done);
    const uint64_t begun = ms_load_acquire(&store->batches_begun);

    if (done != begun)
        return false;
    look_up_all(reading);
    return ms_load_acquire(&store->batches_begun) == begun;
}

static uint32_t shard_of(const struct reading *reading, size_t i)
{
    const uint64_t hash =
        ms_store_hash(reading->store, reading->keys[i].data, reading->keys[i].size);

    return ms_index_shard_of(&reading->store->index, hash);
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The shards concerned, ascending, each once. Returns how many; `shards` has room for one a key. */
static size_t collect_shards(const struct reading *reading, uint32_t *shards)
{
    size_t count = 0;

    for (size_t i = 0; i < reading->n; i++)
        shards[i] = shard_of(reading, i);
    qsort(shards, reading->n, sizeof *shards, compare_u32);
    for (size_t i = 0; i < reading->n; i++) {
        if (count == 0 || shards[count - 1] != shards[i])
            shards[count++] = shards[i];
    }
    return count;
}

static bool sequences_are(const memstore *store, const uint32_t *shards, const uint32_t *sequences,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ms_load_acquire(&store->index.shards[shards[i]].batch_sequence) != sequences[i])
            return false;
    }
    return true;
}

/* Look up while no batch publishes in these shards. */
static bool try_shards(struct reading *reading, const uint32_t *shards, uint32_t *sequences,
                       size_t count)
{
    memstore *store = reading->store;

    for (size_t i = 0; i < count; i++) {
        sequences[i] = ms_load_acquire(&store->index.shards[shards[i]].batch_sequence);
        if (sequences[i] % 2 != 0)
            return false;
    }
    look_up_all(reading);
    return sequences_are(store, shards, sequences, count);
}

/* Look up with the shards locked: OK or LOCK_TIMEOUT. Begins and ends in a read section, but
 * waits outside it. */
static int read_locked(struct reading *reading, const uint32_t *shards, size_t count)
{
    memstore *store = reading->store;
    const int64_t deadline = ms_store_deadline(store);
    size_t locked = 0;
    int status = MEMSTORE_ERR_LOCK_TIMEOUT;

    ms_rcu_read_unlock();
    while (locked < count &&
           ms_mutex_lock_until(&store->index.shards[shards[locked]].lock, deadline))
        locked++;
    ms_rcu_read_lock();
    if (locked == count) {
        look_up_all(reading);
        status = MEMSTORE_OK;
    }
    while (locked > 0)
        ms_mutex_unlock(&store->index.shards[shards[--locked]].lock);
    return status;
}

static MS_NOINLINE int read_against_batches(struct reading *reading)
{
    uint32_t *shards = ms_mem_alloc(2 * reading->n * sizeof *shards);
    if (shards == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;

    uint32_t *sequences = shards + reading->n;
    const size_t count = collect_shards(reading, shards);
    bool consistent = false;
    int status = MEMSTORE_OK;

    for (int i = 0; i < OPTIMISTIC_TRIES && !consistent; i++)
        consistent = try_shards(reading, shards, sequences, count);
    if (!consistent)
        status = read_locked(reading, shards, count);
    ms_mem_free(shards);
    return status;
}

static int read_all(struct reading *reading)
{
    if (ms_testing_has_fault(MS_FAULT_UNCHECKED_READ_MANY))
        return look_up_all(reading), MEMSTORE_OK;
    return try_quiet(reading) ? MEMSTORE_OK : read_against_batches(reading);
}

/* ---- Views ---- */

/* What the reads of these renew; only now are they known to count. */
static void renew(const struct reading *reading, size_t i, const struct ms_found *found)
{
    const memstore_key *key = &reading->keys[i];

    ms_slide_read(reading->store, key->data, key->size, found->place);
    const int64_t expiry = ms_found_expiry(found);
    reading->views[i].expires_at_ms = expiry == MS_NEVER ? 0 : expiry;
}

/* Pin what the view shows of any store. Its version is the entry's unless the lookup was told another. */
static MS_NOINLINE void complete_any(const struct reading *reading, size_t i)
{
    memstore *store = reading->store;
    memstore_view *view = &reading->views[i];
    struct ms_found found = {.entry = view->pin};

    found.place = ms_arena_place_of(&store->arena, found.entry);
    found.segment = ms_arena_segment_of(&store->arena, found.place);
    void *const pin = ms_store_pin(store, found.segment);
    ms_eviction_touch(store->touch, &store->eviction, found.entry);
    if (ms_unlikely((store->kept & MS_KEPT_TTL) != 0))
        renew(reading, i, &found);
    if (view->version == 0)
        view->version = ms_found_version(store, &found);
    view->pin = pin;
}

/* The same in a usual store. */
MS_ALWAYS_INLINE void complete_usual(memstore *store, uint64_t hot, ms_reader reader,
                                     memstore_view *view)
{
    uint64_t version;

    view->pin = ms_quick_pin(store, hot, reader, view->pin, &version);
    if (ms_likely(view->version == 0))
        view->version = version;
}

/* Pin what was found and complete the views. Still in the read section of the lookups. */
static void complete_views(const struct reading *reading)
{
    memstore *const store = reading->store;
    const uint64_t hot = ms_quick_hot(store);
    const ms_reader reader = ms_reader_current();
    const bool usual = is_usual(store) && ms_reader_is_prepared(reader);
    int64_t offset = 0;

    for (size_t i = 0; i < reading->n; i++) {
        memstore_view *view = &reading->views[i];
        const struct ms_entry *entry = view->pin;

        if (ms_unlikely(entry == NULL))
            continue;
        if (ms_likely(usual) && ms_likely(!ms_entry_is_long(entry)))
            complete_usual(store, hot, reader, view);
        else
            complete_any(reading, i);
        if (ms_unlikely(view->expires_at_ms != 0)) {
            if (offset == 0)
                offset = ms_clock_unix_offset_ms();
            view->expires_at_ms += offset;
        }
    }
}

static void track_read(const struct reading *reading, size_t i, uint64_t hash)
{
    const memstore_view *view = &reading->views[i];

    if (reading->keys[i].size <= MS_KEY_SIZE_MAX)
        ms_track_read_of(reading->store, hash, reading->keys[i].size, view->pin != NULL,
                         view->size);
}

/* More of the keys are followed than were noted. */
static void track_all_followed(const struct reading *reading)
{
    for (size_t i = 0; i < reading->n; i++) {
        const uint64_t hash =
            ms_store_hash(reading->store, reading->keys[i].data, reading->keys[i].size);

        if (ms_track_follows(reading->store, hash))
            track_read(reading, i, hash);
    }
}

/* Of reads that were counted, `before` before them. */
static void track_by_turn(const struct reading *reading, uint64_t before)
{
    bool exclusive;
    struct ms_counter_stripe *stripe = ms_counters_stripe(&reading->store->counters, &exclusive);
    size_t i;

    while ((i = ms_track_next_turn(reading->store, stripe, before, reading->n)) < reading->n) {
        if (reading->keys[i].size <= MS_KEY_SIZE_MAX)
            ms_track_key(reading->store, reading->keys[i].data, reading->keys[i].size);
    }
}

static void track_reads(const struct reading *reading, uint64_t before)
{
    track_by_turn(reading, before);
    if (reading->followed_count > FOLLOWED_NOTED) {
        track_all_followed(reading);
        return;
    }
    for (size_t i = 0; i < reading->followed_count; i++)
        track_read(reading, reading->followed[i].i, reading->followed[i].hash);
}

/* How many reads the thread had counted before. */
static uint64_t count_reads(memstore *store, size_t hits, size_t misses)
{
    const uint64_t before = ms_count(&store->counters, MS_COUNT_READS, hits + misses);

    ms_count(&store->counters, MS_COUNT_MISSES, misses);
    if (store->touch == MS_TOUCH_STAMP)
        ms_eviction_tick(&store->eviction, hits + misses);
    return before;
}

int ms_store_get_many_up_to(memstore *store, const memstore_key *keys, size_t n, size_t most,
                            memstore_view *out, size_t *found)
{
    struct followed followed[FOLLOWED_NOTED];
    struct reading reading = {
        .store = store, .keys = keys, .n = n, .views = out, .followed = followed};

    if (ms_unlikely(!ms_reader_is_prepared(ms_reader_current())))
        ms_reader_prepare();
    ms_rcu_read_lock();
    int status = ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : read_all(&reading);
    const bool taken = status == MEMSTORE_OK && reading.found <= most;
    if (taken)
        complete_views(&reading);
    ms_rcu_read_unlock();

    if (status == MEMSTORE_OK)
        *found = reading.found;
    if (!taken) {
        forget_results(&reading);
        return status;
    }
    const uint64_t before = count_reads(store, reading.found, n - reading.found);
    if (ms_unlikely((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0))
        track_reads(&reading, before);
    return MEMSTORE_OK;
}

int ms_store_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                      size_t *found)
{
    return ms_store_get_many_up_to(store, keys, n, n, out, found);
}

int ms_store_has_many(memstore *store, const memstore_key *keys, size_t n, unsigned char *out,
                      size_t *found)
{
    struct reading reading = {.store = store, .keys = keys, .n = n, .flags = out};

    ms_rcu_read_lock();
    const int status = ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED : read_all(&reading);
    ms_rcu_read_unlock();

    if (status != MEMSTORE_OK)
        forget_results(&reading);
    *found = reading.found;
    return status;
}
