/* SPDX-License-Identifier: Apache-2.0 */
#include "store/validate.h"

#if MS_VALIDATES

#include "index/validate.h"
#include "segment/validate.h"
#include "store/lookup.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* What the index and the segments say of each other. */
struct comparison {
    memstore *store;
    uint64_t entries; /* that slots refer to, in the segments met so far */
    uint64_t kept;    /* beyond their expiry, likewise */
    const char *problem;
};

struct referred {
    uint32_t entries, bytes, kept, kept_bytes, pending_bytes;
    int64_t earliest;
};

static bool is_referred_to(memstore *store, const struct ms_entry *entry,
                           const struct ms_entry_parts *parts)
{
    const uint64_t hash = ms_store_hash(store, parts->key, parts->key_size);
    struct ms_index_slot slot;

    return ms_index_find_place(&store->index, hash, ms_arena_place_of(&store->arena, entry), &slot);
}

static bool is_kept(memstore *store, const struct ms_entry *entry,
                    const struct ms_entry_parts *parts)
{
    const memstore_key key = {parts->key, parts->key_size};
    struct ms_found found;

    return ms_stale_find(store, &key, ms_store_hash(store, key.data, key.size), &found) &&
           found.entry == entry;
}

/* Look each entry of a segment up in the index. */
static const char *look_up_all(memstore *store, const struct ms_segment *segment,
                               struct referred *referred)
{
    const uint32_t used = ms_load_relaxed(&segment->used);
    uint32_t padded;

    for (uint32_t offset = 0; offset < used; offset += padded) {
        const struct ms_entry *entry = ms_segment_entry(segment, offset);
        const struct ms_entry_parts parts = ms_entry_parts(entry, store->kept);
        const unsigned mark = ms_load_relaxed(&entry->mark);
        const int64_t expiry = ms_entry_expiry(entry, segment->time_base);

        padded = ms_arena_padded(&store->arena, parts.size);
        if (ms_mark_is_pending(mark))
            referred->pending_bytes += padded;
        if (is_kept(store, entry, &parts)) {
            MS_REQUIRE(!is_referred_to(store, entry, &parts),
                       "SL-1: what is kept beyond its expiry is in the index");
            referred->kept++;
            referred->kept_bytes += padded;
        }
        if (!is_referred_to(store, entry, &parts))
            continue;
        MS_REQUIRE((mark & (MS_MARK_PENDING | MS_MARK_DEAD)) == 0,
                   "ST-1: a slot refers to an entry that is pending or dead");
        referred->entries++;
        referred->bytes += padded;
        if (expiry < referred->earliest)
            referred->earliest = expiry;
    }
    return NULL;
}

static const char *compare(struct comparison *comparison, const struct ms_segment *segment)
{
    const struct ms_due *due = &comparison->store->due;
    const int64_t earliest = ms_load_relaxed(&segment->earliest);
    struct referred referred = {.earliest = MS_NEVER};

    if (ms_load_relaxed(&segment->queue) == MS_QUEUE_RECORDS)
        return NULL;
    MS_REQUIRE_VALID(look_up_all(comparison->store, segment, &referred));
    MS_REQUIRE(referred.entries + referred.kept == ms_segment_live_entries(segment),
               "SG-1: a segment counts other live entries than slots refer to");
    MS_REQUIRE(referred.bytes + referred.kept_bytes + referred.pending_bytes ==
                   ms_segment_live_bytes(segment),
               "SG-1: a segment counts other live bytes than slots refer to");
    MS_REQUIRE(referred.kept_bytes == ms_load_relaxed(&segment->stale_bytes),
               "SL-2: a segment counts other bytes as kept than slots refer to");
    MS_REQUIRE(referred.kept == ms_load_relaxed(&segment->stale_entries),
               "SL-2: a segment counts other entries as kept than slots refer to");
    /* What a sweep had to leave counts as expiring then. */
    MS_REQUIRE(earliest <= referred.earliest || earliest <= ms_clock_exact_ms(),
               "DU-2: an entry expires before its segment's first");
    MS_REQUIRE(earliest == MS_NEVER ||
                   (segment->due_position != 0 && segment->due_position <= due->count &&
                    due->heap[segment->due_position] == segment),
               "DU-1: a segment in which something expires is not in the heap");
    comparison->entries += referred.entries;
    comparison->kept += referred.kept;
    return NULL;
}

static void compare_next(struct ms_segment *segment, void *context)
{
    struct comparison *comparison = context;

    if (comparison->problem == NULL)
        comparison->problem = compare(comparison, segment);
}

/* How often to look whether the charge is right. */
#define LOOKS 1000

/* Subscriptions, views of events and leases may be given back at any time, in no call of the store: what is
 * charged for them changes beside this, in steps. What is wrong stays so. */
static const char *validate_arena(memstore *store)
{
    const char *problem = NULL;

    for (int looks = 0; looks < LOOKS; looks++) {
        const uint64_t others = store->combiner.charged + ms_events_charged(&store->events) +
                                ms_load_relaxed(&store->stale.charged) +
                                ms_load_relaxed(&store->ghost_savings) +
                                ms_load_relaxed(&store->flights.charged);

        problem = ms_arena_validate(&store->arena, others);
        if (problem == NULL)
            break;
        sched_yield();
    }
    return problem;
}

const char *ms_store_validate(memstore *store)
{
    struct comparison comparison = {.store = store};
    uint64_t entries = 0;

    MS_REQUIRE_VALID(ms_index_validate(&store->index));
    MS_REQUIRE_VALID(validate_arena(store));
    MS_REQUIRE_VALID(ms_due_validate(&store->due));
    ms_arena_each(&store->arena, compare_next, &comparison);
    MS_REQUIRE_VALID(comparison.problem);
    for (uint32_t shard = 0; shard < store->index.shard_count; shard++)
        entries += ms_index_entries(&store->index, shard);
    MS_REQUIRE(comparison.entries == entries, "ST-1: a slot refers to no segment's entry");
    MS_REQUIRE(comparison.kept == ms_load_relaxed(&store->stale.entries),
               "SL-2: what is kept beyond its expiry is miscounted");
    MS_REQUIRE(ms_load_relaxed(&store->batches_begun) == ms_load_relaxed(&store->batches_done),
               "ST: a batch is in publication");
    return NULL;
}

#ifndef NDEBUG
void ms_store_assert_valid(memstore *store)
{
    const char *const problem = ms_store_validate(store);

    if (problem != NULL) {
        fprintf(stderr, "memstore: an invariant does not hold: %s\n", problem);
        abort();
    }
}
#endif

#else

/* ISO C asks for a declaration in every file. */
typedef int ms_store_validate_is_compiled_out;

#endif
