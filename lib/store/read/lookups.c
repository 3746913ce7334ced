/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of several keys, pipelined so that their cache misses overlap. */
#include "store/read/lookups.h"

#include "store/lookup.h"
#include "store/read/quick.h"
#include "store/track/follow.h"

/* Lookups that are in one stage at once; about as many as the processor has line fill buffers. */
#define GROUP 16
/* Groups that are under way at once, one in each stage; a power of two above that of the stages. */
#define GROUPS_UNDER_WAY 4

static bool has_expired(struct ms_lookups *lookups, int64_t expiry)
{
    if (ms_likely(expiry == MS_NEVER) || ms_testing_has_fault(MS_FAULT_EXPIRED_SERVED))
        return false;
    if (lookups->now == 0)
        lookups->now = ms_clock_exact_ms();
    return expiry <= lookups->now;
}

/* False when the key is to be looked up again. */
static bool note_found(struct ms_lookups *lookups, size_t i, struct ms_found *found)
{
    int64_t expiry = ms_found_expiry(found);

    if (has_expired(lookups, expiry)) {
        const memstore_key *key = &lookups->keys[i];

        if (!ms_lookup_renewed(lookups->store, key->data, key->size, &found->place))
            return true;
        ms_found_at(lookups->store, found->place, found);
        expiry = ms_found_expiry(found);
    }
    if (lookups->flags != NULL) {
        lookups->flags[i] = 1;
        lookups->found++;
        return true;
    }
    if (!ms_version_tell(lookups->store, found, &lookups->views[i].version))
        return false;
    lookups->found++;
    /* The pin and what follows from it are added when the lookups are known to be consistent. */
    lookups->views[i].data = found->parts.value;
    lookups->views[i].size = found->parts.value_size;
    lookups->views[i].expires_at_ms = expiry == MS_NEVER ? 0 : expiry;
    lookups->views[i].pin = found->entry;
    return true;
}

void ms_lookups_forget(struct ms_lookups *lookups)
{
    lookups->found = 0;
    lookups->now = 0;
    lookups->followed_count = 0;
    if (lookups->n == 0)
        return;
    if (lookups->views != NULL)
        memset(lookups->views, 0, lookups->n * sizeof *lookups->views);
    else
        memset(lookups->flags, 0, lookups->n);
}

/* Whether some keys are followed, and what is done is a reference to them. */
MS_ALWAYS_INLINE bool is_following(const struct ms_lookups *lookups)
{
    return (ms_store_diverts(lookups->store) & MS_DIVERT_TRACKED) != 0 && lookups->views != NULL;
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
static MS_NOINLINE void look_up_whole(struct ms_lookups *lookups, size_t i, uint64_t hash)
{
    const memstore_key *key = &lookups->keys[i];
    struct ms_found found;

    while (ms_lookup_find(lookups->store, key->data, key->size, hash, &found) &&
           !note_found(lookups, i, &found))
        ;
}

/* The key's entry was found, and the clock decides. */
static MS_NOINLINE void note_expiring(struct ms_lookups *lookups, size_t i,
                                      const struct stage *stage)
{
    struct ms_found found;

    ms_found_at(lookups->store, ms_arena_place_of(&lookups->store->arena, stage->entry), &found);
    if (!note_found(lookups, i, &found))
        look_up_whole(lookups, i, stage->hash);
}

/* ---- A stage of a group; `usual` is known to the compiler ---- */

static inline size_t size_of_group(const struct ms_lookups *lookups, size_t group)
{
    const size_t left = lookups->n - group * GROUP;

    return left < GROUP ? left : GROUP;
}

static MS_NOINLINE void note_followed(struct ms_lookups *lookups, size_t i, uint64_t hash)
{
    if (lookups->followed_count < MS_FOLLOWED_NOTED)
        lookups->followed[lookups->followed_count] = (struct ms_lookups_followed){i, hash};
    lookups->followed_count++;
}

MS_ALWAYS_INLINE void stage_buckets(struct ms_lookups *lookups, size_t group, struct stage *stages,
                                    bool usual, bool following)
{
    const memstore_key *const keys = lookups->keys + group * GROUP;
    const uint64_t hot = ms_quick_hot(lookups->store);
    const size_t count = size_of_group(lookups, group);

    for (size_t i = 0; i < count; i++) {
        stage_bucket(lookups->store, hot, &keys[i], &stages[i], usual);
        if (following && ms_track_follows(lookups->store, stages[i].hash))
            note_followed(lookups, group * GROUP + i, stages[i].hash);
    }
}

MS_ALWAYS_INLINE void stage_entries(const struct ms_lookups *lookups, size_t group,
                                    struct stage *stages)
{
    const uint64_t hot = ms_quick_hot(lookups->store);
    const size_t count = size_of_group(lookups, group);

    for (size_t i = 0; i < count; i++)
        stage_entry(lookups->store, hot, &stages[i]);
}

MS_ALWAYS_INLINE void stage_results(struct ms_lookups *lookups, size_t group,
                                    const struct stage *stages, bool usual)
{
    const size_t first = group * GROUP, count = size_of_group(lookups, group);
    const memstore_key *const keys = lookups->keys + first;
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        memstore_view *const view = lookups->views != NULL ? &lookups->views[first + i] : NULL;
        const enum match match = stage_compare(lookups->store, &keys[i], &stages[i], view, usual);

        if (ms_unlikely(match == MATCH_NONE)) {
            look_up_whole(lookups, first + i, stages[i].hash);
        } else if (ms_unlikely(match == MATCH_EXPIRING)) {
            note_expiring(lookups, first + i, &stages[i]);
        } else {
            found++;
            if (view == NULL)
                lookups->flags[first + i] = 1;
        }
    }
    lookups->found += found;
}

/* While the lines of one group come in, the groups before and after it are worked on:
 *
 *     step      0        1        2        3        4
 *     buckets   group 0  group 1  group 2
 *     entries            group 0  group 1  group 2
 *     results                     group 0  group 1  group 2 */
MS_ALWAYS_INLINE void look_up_groups(struct ms_lookups *lookups, bool usual, bool following)
{
    struct stage ring[GROUPS_UNDER_WAY][GROUP];
    const size_t groups = (lookups->n + GROUP - 1) / GROUP;

    for (size_t step = 0; step < groups + 2; step++) {
        if (step < groups)
            stage_buckets(lookups, step, ring[step % GROUPS_UNDER_WAY], usual, following);
        if (step >= 1 && step < groups + 1)
            stage_entries(lookups, step - 1, ring[(step - 1) % GROUPS_UNDER_WAY]);
        if (step >= 2)
            stage_results(lookups, step - 2, ring[(step - 2) % GROUPS_UNDER_WAY], usual);
    }
}

void ms_lookups_run(struct ms_lookups *lookups)
{
    ms_lookups_forget(lookups);
    if (ms_unlikely(!ms_lookups_are_usual(lookups->store)))
        look_up_groups(lookups, false, is_following(lookups));
    else if (ms_unlikely(is_following(lookups)))
        look_up_groups(lookups, true, true);
    else
        look_up_groups(lookups, true, false);
    ms_testing_reach(MS_POINT_READ_LOADED);
}
