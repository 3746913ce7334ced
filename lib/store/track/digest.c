/* SPDX-License-Identifier: Apache-2.0 */
/* What was recorded of followed keys goes to the pattern, in the order of its times; and the pace at which
 * keys are followed is kept. Track's lock is held but where the maintenance calls. */
#include "platform/mem.h"
#include "store/ways.h"
#include "store/maintenance.h"
#include "store/store.h"
#include "store/track/sampler.h"
#include "store/track/track.h"

void ms_track_publish_threshold(memstore *store, const struct ms_sampler *sampler)
{
    const uint64_t threshold =
        sampler != NULL ? ms_pace_threshold(&sampler->pace, &sampler->pattern.reuse) : 0;
    /* Half a word is compared in one instruction, and leaves out one hash of all. */
    const uint32_t below = threshold < UINT32_MAX ? (uint32_t)threshold : UINT32_MAX;

    if (ms_load_relaxed(&store->follows_below) != below)
        ms_store_relaxed(&store->follows_below, below);
}

/* References that the maintenance thread digests before somebody else may have the lock. */
#define DIGESTED_AT_ONCE 256

/* Whose turn it is: the ring whose first record is the oldest of all, and up to when its records are older
 * than the first ones of other rings. */
struct turn {
    struct ms_ring *ring; /* NULL = there is no record */
    uint64_t until;       /* milliseconds, inclusive */
};

static uint64_t time_of(const struct ms_track_use *use)
{
    return use->when >> MS_TRACK_KIND_BITS;
}

static struct turn next_turn(struct ms_sampler *sampler)
{
    struct turn turn = {NULL, UINT64_MAX};
    uint64_t oldest = UINT64_MAX;

    for (uint32_t used = ms_load_relaxed(&sampler->used); used != 0; used &= used - 1) {
        const int i = __builtin_ctz(used);
        const struct ms_track_use *use = ms_ring_at(&sampler->uses[i], 0);

        if (use == NULL)
            continue;
        if (time_of(use) < oldest) {
            turn = (struct turn){&sampler->uses[i], oldest};
            oldest = time_of(use);
        } else if (time_of(use) < turn.until) {
            turn.until = time_of(use);
        }
    }
    return turn;
}

static void digest_use(struct ms_sampler *sampler, const struct ms_track_use *use)
{
    const struct ms_reference reference = {
        .kind = (enum ms_reference_kind)(use->when & ((1 << MS_TRACK_KIND_BITS) - 1)),
        .hash = use->hash,
        .size = use->size,
        .now_ms = (int64_t)time_of(use),
        .expires_ms = use->expires_ms,
    };

    if (ms_reuse_follows(&sampler->pattern.reuse, reference.hash))
        ms_pattern_note(&sampler->pattern, &reference);
}

/* Up to so many uses of those whose turn it is, as many at a time as are fetched at a time. Returns how
 * many. */
static uint32_t digest_turn(struct ms_sampler *sampler, struct turn turn, uint32_t most)
{
    const struct ms_track_use *uses[MS_PATTERN_EXPECTED];
    uint64_t hashes[MS_PATTERN_EXPECTED];
    uint32_t n = 0;

    most = most < MS_PATTERN_EXPECTED ? most : MS_PATTERN_EXPECTED;
    while (n < most && (uses[n] = ms_ring_at(turn.ring, n)) != NULL &&
           time_of(uses[n]) <= turn.until) {
        hashes[n] = uses[n]->hash;
        n++;
    }
    ms_pattern_expect(&sampler->pattern, hashes, n);
    for (uint32_t i = 0; i < n; i++)
        digest_use(sampler, uses[i]);
    ms_ring_take(turn.ring, n);
    return n;
}

static void digest_keys(struct ms_sampler *sampler, bool wipes)
{
    ms_hot_age(&sampler->pattern.hot, ms_clock_coarse_ms());
    for (uint32_t used = ms_load_relaxed(&sampler->used); used != 0; used &= used - 1) {
        struct ms_ring *ring = &sampler->keys[__builtin_ctz(used)];
        struct ms_track_noted *noted;

        for (uint32_t n = 0; n <= ring->mask && (noted = ms_ring_at(ring, 0)) != NULL; n++) {
            ms_hot_note(&sampler->pattern.hot, noted->hash, noted->key, noted->key_size);
            if (wipes)
                ms_mem_wipe(noted->key, sizeof noted->key);
            ms_ring_take(ring, 1);
        }
    }
}

static uint64_t reads_since(const memstore *store, const struct ms_sampler *sampler)
{
    const uint64_t reads = ms_counters_total(&store->counters, MS_COUNT_READS);

    /* Of those before some may have been taken back since. */
    return reads > sampler->reads_before ? reads - sampler->reads_before : 0;
}

uint64_t ms_track_reads_locked(const memstore *store)
{
    const struct ms_sampler *sampler = ms_load_relaxed(&store->track.sampler);

    return ms_pace_reads(&sampler->pace, reads_since(store, sampler));
}

static bool is_diverted(const memstore *store)
{
    return (ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0;
}

/* The maintenance thread is to divert reads, or not any more, or to look when. */
static void plan_look(memstore *store)
{
    if (store->settings.maintenance != MS_MAINTENANCE_BACKGROUND)
        return;
    ms_store_relaxed(&store->track.look_ms, 0);
    if (!ms_maintenance_is_me())
        ms_maintenance_try_wake(store);
}

static void keep_pace(memstore *store, struct ms_sampler *sampler)
{
    const bool paused = sampler->pace.pauses;

    ms_pace_keep(&sampler->pace, &sampler->pattern.reuse, reads_since(store, sampler),
                 sampler->pattern.sampled);
    if (sampler->pace.pauses == paused)
        return;
    if (paused) {
        ms_pattern_pass(&sampler->pattern, ms_clock_coarse_ms() - sampler->paused_ms);
    } else {
        sampler->paused_ms = ms_clock_coarse_ms();
        plan_look(store);
    }
}

bool ms_track_digest_locked(memstore *store, struct ms_sampler *sampler, uint32_t most)
{
    struct turn turn = {NULL, 0};

    digest_keys(sampler, store->settings.secure_wipe);
    for (uint32_t done = 0; done < most && (turn = next_turn(sampler)).ring != NULL;)
        done += digest_turn(sampler, turn, most - done);
    /* A pause in which reads are not diverted ends when they are. */
    if (is_diverted(store))
        keep_pace(store, sampler);
    ms_track_publish_threshold(store, sampler);
    return turn.ring != NULL;
}

void ms_track_settle_locked(memstore *store)
{
    struct ms_sampler *sampler = ms_track_sampler_locked(store);

    /* Not more than there can be at a time, though others go on. */
    ms_track_digest_locked(store, sampler, MS_TRACK_RINGS * (sampler->uses[0].mask + 1));
}

static void digest_due(memstore *store)
{
    bool more = true;

    if (!ms_load_relaxed(&store->track.due))
        return;
    ms_store_relaxed(&store->track.due, false);
    for (uint32_t i = 0; more && i < MS_TRACK_RINGS * MS_TRACK_CELLS_MAX / DIGESTED_AT_ONCE; i++) {
        ms_mutex_lock(&store->track.lock);
        struct ms_sampler *sampler = ms_track_sampler_locked(store);
        more = sampler != NULL && ms_track_digest_locked(store, sampler, DIGESTED_AT_ONCE);
        ms_mutex_unlock(&store->track.lock);
    }
}

/* ---- Pauses ---- */

/* From one look whether a pause is over to the next, at least and at most: after hours without reads they may
 * come at any time. */
#define LOOK_MS 10
#define LOOK_MOST_MS 10000

/* When the pause is over if reads go on to come as they did in it, and before it has lasted twice as long as now. */
static int64_t time_of_look(const memstore *store, const struct ms_sampler *sampler)
{
    const struct ms_pace *pace = &sampler->pace;
    const uint64_t reads = reads_since(store, sampler), passed = reads - pace->paused;
    const uint64_t left =
        ms_pace_left(pace, &sampler->pattern.reuse, reads, sampler->pattern.sampled);
    const double part = left < passed ? (double)left / (double)passed : 1;
    const int64_t ms = (int64_t)(part * (double)(ms_clock_coarse_ms() - sampler->paused_ms));
    const int64_t least = ms > LOOK_MS ? ms : LOOK_MS;

    return ms_clock_exact_ms() + (least < LOOK_MOST_MS ? least : LOOK_MOST_MS);
}

/* Divert reads, but not in a pause. The settings lock is held. */
static void divert(memstore *store)
{
    bool follows = is_diverted(store);

    ms_mutex_lock(&store->track.lock);
    struct ms_sampler *sampler = ms_track_sampler_locked(store);
    if (sampler != NULL) {
        keep_pace(store, sampler);
        ms_track_publish_threshold(store, sampler);
        follows = !sampler->pace.pauses;
        ms_store_relaxed(&store->track.look_ms, follows ? INT64_MAX : time_of_look(store, sampler));
    } else {
        /* It was switched off after somebody had seen that it was time. */
        ms_store_relaxed(&store->track.look_ms, INT64_MAX);
    }
    ms_mutex_unlock(&store->track.lock);
    if (follows != is_diverted(store))
        ms_ways_divert(store, MS_DIVERT_TRACKED, follows);
}

static void look_at_pause(memstore *store)
{
    if (ms_load_relaxed(&store->track.look_ms) > ms_clock_exact_ms())
        return;
    if (!ms_mutex_try_lock(&store->settings_lock)) {
        ms_store_relaxed(&store->track.look_ms, ms_clock_exact_ms() + LOOK_MS);
        return;
    }
    divert(store);
    ms_mutex_unlock(&store->settings_lock);
}

void ms_track_digest(memstore *store)
{
    digest_due(store);
    if (ms_load_relaxed(&store->track.look_ms) != INT64_MAX)
        look_at_pause(store);
}
