/* SPDX-License-Identifier: Apache-2.0 */
/* Least recently used, on segments.
 *
 * Time is the arena's rank clock, which counts accesses. An entry carries a stamp, five bits
 * that name the epoch of its last use; a segment's rank is the time at which it was sealed, or,
 * for one that holds moved entries, the time of their last use. The list is sorted by rank. When
 * the oldest segment's turn comes, an entry that was not used after its rank is the least
 * recently used there is and is dropped; another is moved to a segment that will be listed at
 * its own time, and so comes up again when that is the oldest. Moves are sorted into a few bins
 * by age, one open segment each. */
#include "eviction/eviction.h"

/* The ages in the list span about this many epochs, which leaves the stamps room before they go
 * round. A stamp comes again when the list is younger than what may carry it from before: until then the
 * epoch goes on, so that what is not used is never taken for used. */
#define EPOCHS_IN_LIST 22

/* Until something is evicted, how old the list will be when the store is full is foretold from
 * how full it is now. */
static uint64_t foretold_epoch_length(const struct ms_arena *arena, uint64_t now, uint64_t used)
{
    const double span = (double)now * (double)ms_budget_limit(&arena->budget) / (double)used;

    return (uint64_t)(span / EPOCHS_IN_LIST) + 1;
}

/* Bytes of segments, a segment at least. */
static uint64_t used_bytes(const struct ms_arena *arena)
{
    const uint64_t charged = ms_budget_charged(&arena->budget);
    const uint64_t segment = ms_arena_segment_size(arena);

    return charged > arena->overhead + segment ? charged - arena->overhead : segment;
}

/* Until something is evicted, when stamps cannot come again: an epoch goes on until its part of the limit
 * was filled in it, or it has lasted as long as all before. */
static bool is_over(struct ms_eviction *eviction, uint64_t now, uint64_t used)
{
    const unsigned stamp = ms_load_relaxed(&eviction->stamp);
    const uint64_t part =
        ms_budget_limit(&eviction->arena->budget) / (EPOCHS_IN_LIST + EPOCHS_IN_LIST / 8);

    return used >= ms_load_relaxed(&eviction->epoch_used) + part ||
           now / 2 >= ms_load_relaxed(&eviction->epoch_start[stamp]);
}

/* While nothing is evicted, as in a night of hits, each epoch lasts as long as all since the last victim. */
static uint64_t measured_epoch_length(struct ms_eviction *eviction, uint64_t now, uint64_t length)
{
    const uint64_t evicted = ms_load_relaxed(&eviction->evicted);
    const uint64_t since = now > evicted ? now - evicted : 0;

    return length > since ? length : since;
}

/* Whether there may be entries that carry the stamp from when it was current before. */
static bool is_carried(struct ms_eviction *eviction, unsigned stamp)
{
    const uint64_t end = ms_load_relaxed(&eviction->epoch_start[(stamp + 1) % MS_STAMPS]);

    return end > ms_load_relaxed(&eviction->oldest_rank);
}

void ms_eviction_tick(struct ms_eviction *eviction, uint64_t accesses)
{
    const uint64_t now = ms_add_relaxed(&eviction->arena->rank_clock, accesses) + accesses;
    uint64_t next = ms_load_relaxed(&eviction->next_epoch);

    if (now < next)
        return;
    const uint64_t measured = ms_load_relaxed(&eviction->epoch_length);
    const uint64_t used = used_bytes(eviction->arena);
    const uint64_t length = measured != 0 ? measured_epoch_length(eviction, now, measured)
                                          : foretold_epoch_length(eviction->arena, now, used);
    const bool begins = measured != 0 || is_over(eviction, now, used);
    /* One thread begins the epoch; the others find the boundary moved. */
    if (ms_cas_relaxed(&eviction->next_epoch, &next, now + length) && begins) {
        const unsigned stamp = (ms_load_relaxed(&eviction->stamp) + 1) % MS_STAMPS;
        if (is_carried(eviction, stamp))
            return;
        ms_store_relaxed(&eviction->epoch_used, used);
        ms_store_relaxed(&eviction->epoch_start[stamp], now);
        /* ORDER: release, pairs with the acquire in ms_eviction_stamp(): who stamps an entry knows when the
         * epoch began, and so does who judges that entry. */
        ms_store_release(&eviction->stamp, stamp);
    }
}

/* How long epochs are to be with a victim of such an age. A list that is old for a night of hits alone will
 * soon be replaced: epochs become longer slowly, by some seven times while it is. */
static uint64_t epoch_length_for(struct ms_eviction *eviction, uint64_t age)
{
    const uint64_t before = ms_load_relaxed(&eviction->epoch_length);
    const uint64_t most = before + before * 2 / (eviction->arena->segment_count + 1) + 1;
    const uint64_t length = age / EPOCHS_IN_LIST + 1;

    return before == 0 || length < most ? length : most;
}

/* An epoch that was to be long, as nothing was evicted, ends as others do. */
static void note_victim(struct ms_eviction *eviction, uint64_t rank)
{
    const uint64_t now = ms_load_relaxed(&eviction->arena->rank_clock);
    const uint64_t length = epoch_length_for(eviction, now > rank ? now - rank : 0);
    uint64_t next = ms_load_relaxed(&eviction->next_epoch);

    ms_store_relaxed(&eviction->oldest_rank, rank);
    ms_store_relaxed(&eviction->evicted, now);
    ms_store_relaxed(&eviction->epoch_length, length);
    if (next > now + length)
        ms_cas_relaxed(&eviction->next_epoch, &next, now + length);
}

static struct ms_segment *victim(struct ms_eviction *eviction)
{
    struct ms_segment *segment = ms_eviction_oldest(eviction, MS_LIST_MAIN);

    if (segment != NULL)
        note_victim(eviction, segment->rank);
    return segment;
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    const uint64_t now = ms_load_relaxed(&eviction->arena->rank_clock);
    const uint64_t used = ms_load_relaxed(&eviction->epoch_start[entry->access]);

    if (used <= victim->rank || now <= victim->rank)
        return (struct ms_verdict){.keep = false};

    const uint64_t bin = (used - victim->rank) * eviction->bins / (now - victim->rank + 1);
    return (struct ms_verdict){
        .keep = true,
        .queue = (enum ms_queue)(MS_QUEUE_BIN0 + (bin < eviction->bins ? bin : eviction->bins - 1)),
        .access = entry->access,
        .rank = used,
    };
}

const struct ms_policy ms_policy_lru = {
    .touch = MS_TOUCH_STAMP,
    .victim = victim,
    .judge = judge,
    .bins = MS_BINS_MOST,
    .segments_a_bin = 128,
};
