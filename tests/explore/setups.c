/* SPDX-License-Identifier: Apache-2.0 */
#include "setups.h"

#include "handing.h"
#include "segment/pins.h"
#include "store/space/harvest.h"
#include "store/space/reclaim.h"
#include "store/store.h"
#include "support/support.h"

/* Keys from this on are there to fill the store. */
#define FILLERS 10

void setup_one(memstore *store)
{
    (void)store;
    explore_start_with(0, 1);
}

/* The same, where another open segment was found spent: nobody takes a lock to tell of this one. */
void setup_one_and_spent(memstore *store)
{
    setup_one(store);
    ms_store_relaxed(&store->arena.may_be_spent, true);
}

void setup_both(memstore *store)
{
    (void)store;
    explore_start_with(0, 1);
    explore_start_with(1, 2);
}

static void fill(memstore *store, unsigned key)
{
    const memstore_key name = explore_key(key);

    CHECK_OK(memstore_set(store, name.data, name.size, "", 0, MEMSTORE_TTL_NONE));
}

static void take_out(memstore *store, unsigned key)
{
    const memstore_key name = explore_key(key);

    CHECK_OK(memstore_delete(store, name.data, name.size));
}

/* One entry more and the table grows. Returns the first key that is free. */
static unsigned fill_table(memstore *store)
{
    unsigned key = FILLERS;

    while (ms_index_has_room(&store->index, 0, 1))
        fill(store, key++);
    return key;
}

void setup_full_table(memstore *store)
{
    explore_start_with(0, 1);
    fill_table(store);
}

static unsigned home_of(memstore *store, unsigned key)
{
    const memstore_key name = explore_key(key);
    const uint64_t hash = ms_store_hash(store, name.data, name.size);

    return ms_table_home(store->index.tables[0], hash);
}

/* Two buckets, of which that of k0 is full of others: k0 has to go to the next. */
void setup_full_bucket(memstore *store)
{
    unsigned filled = 0;

    fill(store, FILLERS);
    const unsigned last = fill_table(store);
    fill(store, last);
    for (unsigned key = FILLERS; key <= last; key++)
        take_out(store, key);
    CHECK(ms_table_buckets(store->index.tables[0]) == 2);
    for (unsigned key = FILLERS; filled < MS_BUCKET_SLOTS; key++) {
        if (home_of(store, key) == home_of(store, 0)) {
            fill(store, key);
            filled++;
        }
    }
}

/* k0 in the bucket after its home, which is full of others; and k1. */
void setup_beyond_full_bucket(memstore *store)
{
    setup_full_bucket(store);
    setup_both(store);
}

/* k0 alone in a segment that is full as far as anybody knows; what comes free is given back, so
 * that whoever still reads there is seen. */
void setup_sealed(memstore *store)
{
    explore_start_with(0, 1);
    ms_arena_seal_open(&store->arena);
    ms_store_relaxed(&store->arena.warm_keep, 0);
}

/* The same, in a store in which three threads have had views, and each has its row of pins since. */
void setup_rows(memstore *store)
{
    const memstore_key name = explore_key(0);
    memstore_view view;

    setup_sealed(store);
    for (uint32_t thread = 0; thread < 3; thread++) {
        ms_thread_slot_plus_one = thread + 1;
        CHECK_OK(memstore_get_view(store, name.data, name.size, &view));
        memstore_view_release(&view);
    }
    ms_thread_slot_plus_one = 1;
    CHECK(ms_load_relaxed(&store->arena.pin_rows_made) == 7);
    handing_start();
}

/* The same, where they count their pins, as something has all places of the rows for good: entries of the
 * arena's last segment, which is never used here. */
void setup_counts(memstore *store)
{
    const struct ms_arena *arena = &store->arena;
    const uint64_t elsewhere = (uintptr_t)arena->base + arena->segments_bytes - 8;

    setup_rows(store);
    for (uint32_t thread = 0; thread < 3; thread++) {
        for (unsigned i = 0; i < MS_PIN_PLACES; i++)
            ms_store_relaxed(&ms_pin_row(arena, thread)->places[i], elsewhere);
    }
}

/* k1 is in another segment. */
void setup_rows_and_another(memstore *store)
{
    setup_rows(store);
    explore_start_with(1, 1);
}

/* The same with another entry in it that is dead. */
void setup_half_dead(memstore *store)
{
    explore_start_with(0, 1);
    fill(store, FILLERS);
    ms_arena_seal_open(&store->arena);
    take_out(store, FILLERS);
    ms_store_relaxed(&store->arena.warm_keep, 0);
}

void setup_both_sealed(memstore *store)
{
    setup_both(store);
    ms_arena_seal_open(&store->arena);
}

void do_seal(memstore *store)
{
    ms_arena_seal_open(&store->arena);
}

/* Whoever empties a segment last retires it, and nobody else does: none is left in which nothing
 * lives, and nothing lives in one that is retired. */
bool end_retired_when_empty(memstore *store)
{
    for (uint32_t i = 0; i < store->arena.fresh; i++) {
        struct ms_segment *segment = &store->arena.segments[i];
        const unsigned state = ms_load_relaxed(&segment->state);
        const bool empty =
            ms_segment_live_entries(segment) == 0 && ms_segment_pending(segment) == 0;

        if ((state == MS_SEGMENT_SEALED && empty) || (state == MS_SEGMENT_LIMBO && !empty))
            return false;
    }
    return true;
}

bool end_pinned_while_held(memstore *store)
{
    bool pinned = false;

    for (uint32_t i = 0; i < store->arena.fresh; i++)
        pinned |= ms_segment_is_pinned(&store->arena, &store->arena.segments[i]);
    return pinned == handing_is_held() && end_retired_when_empty(store);
}

void do_maintain(memstore *store)
{
    memstore_maintain(store, 0);
}

/* k0 in a segment as in setup_sealed(), run out and not yet swept. */
void setup_expired(memstore *store)
{
    const memstore_key name = explore_key(0);

    CHECK_OK(memstore_set(store, name.data, name.size, "old", 3, 500));
    explore_set_clock(explore_clock() + 1000);
    ms_arena_seal_open(&store->arena);
    ms_store_relaxed(&store->arena.warm_keep, 0);
}

void setup_used(memstore *store)
{
    char value[64];
    const memstore_key name = explore_key(0);

    setup_sealed(store);
    fill(store, FILLERS);
    CHECK_OK(memstore_get(store, name.data, name.size, value, sizeof value, NULL));
}

void setup_solo(memstore *store)
{
    explore_start_with(0, SOLO_A);
    CHECK(store->arena.solos == 1);
}

void do_evict(memstore *store)
{
    ms_mutex_lock(&store->reclaim_lock);
    struct ms_segment *victim = store->eviction.policy->victim(&store->eviction);
    if (victim != NULL)
        ms_reclaim_evict_locked(store, victim);
    ms_harvest_locked(store, 0);
    ms_mutex_unlock(&store->reclaim_lock);
}

void do_clear(memstore *store)
{
    memstore_clear(store);
}

/* Free what nothing refers to any more. */
void do_harvest(memstore *store)
{
    ms_mutex_lock(&store->reclaim_lock);
    ms_harvest_locked(store, 0);
    ms_mutex_unlock(&store->reclaim_lock);
}

void do_compact(memstore *store)
{
    memstore_compact(store, 0);
}
