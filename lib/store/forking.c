/* SPDX-License-Identifier: Apache-2.0 */
#include "store/forking.h"

#include "store/calls.h"
#include "store/load/place.h"

/* A store's locks of one rank; none for ranks that are not a store's. */
static void each_lock(memstore *store, enum ms_rank rank, void (*fn)(ms_mutex *lock))
{
    switch (rank) {
    case MS_RANK_SETTINGS:
        fn(&store->settings_lock);
        break;
    case MS_RANK_APPLY:
        fn(&store->combiner.apply_lock);
        break;
    case MS_RANK_RECLAIM:
        fn(&store->reclaim_lock);
        break;
    case MS_RANK_SHARD:
        for (uint32_t i = 0; i < store->index.shard_count; i++)
            fn(&store->index.shards[i].lock);
        break;
    case MS_RANK_OPEN_SLOT:
        ms_arena_each_slot_lock(&store->arena, fn);
        break;
    case MS_RANK_POOL:
        fn(&store->arena.pool_lock);
        break;
    case MS_RANK_PAGES:
        fn(&store->arena.pages.lock);
        break;
    case MS_RANK_DUE:
        fn(&store->due.lock);
        break;
    case MS_RANK_RETIRED:
        fn(&store->retired_lock);
        break;
    case MS_RANK_COUNTERS:
        fn(&store->counters.reset_lock);
        break;
    case MS_RANK_MONITOR:
        fn(&store->monitor.lock);
        break;
    case MS_RANK_TRACK:
        fn(&store->track.lock);
        break;
    case MS_RANK_PASSES:
        fn(&store->admission.passes.lock);
        break;
    case MS_RANK_GATE:
        fn(&store->admission.views.lock);
        fn(&store->admission.writers.lock);
        fn(&store->room_line.lock);
        fn(&store->loads_gate.lock);
        fn(&store->load_bytes_gate.lock);
        break;
    case MS_RANK_QUEUE:
        fn(&store->combiner.lock);
        break;
    case MS_RANK_EVENTS:
        fn(&store->events.lock);
        break;
    case MS_RANK_FLIGHTS:
        fn(&store->flights.lock);
        break;
    case MS_RANK_BREAKERS:
        fn(&store->breakers.lock);
        break;
    case MS_RANK_LOG:
        fn(&store->log.lock);
        break;
    case MS_RANK_CAPTURES:
        fn(&store->captures.lock);
        fn(&store->news.lock);
        break;
    default:
        break;
    }
}

void ms_forking_lock(memstore *stores, int first, int end)
{
    for (int rank = first; rank < end; rank++) {
        for (memstore *store = stores; store != NULL; store = store->next_store)
            each_lock(store, (enum ms_rank)rank, ms_mutex_lock);
    }
}

void ms_forking_unlock(memstore *stores)
{
    for (memstore *store = stores; store != NULL; store = store->next_store) {
        for (int rank = MS_RANKS; rank-- > 0;)
            each_lock(store, (enum ms_rank)rank, ms_mutex_unlock);
    }
}

void ms_forking_forget_threads(memstore *store)
{
    ms_store_forget_calls(store);
    store->in_round = false;
    ms_arena_forget_calls(&store->arena);
    ms_track_forget_users(store);
    ms_gate_forget_threads(&store->room_line, 0);
    ms_admission_forget_threads(&store->admission, ms_load_readers_held(store));
    ms_combiner_forget(store);
    ms_events_forget_threads(&store->events);
    ms_flights_forget_threads(&store->flights);
    ms_log_forget_threads(&store->log);
    ms_exporter_forget_parent(store);
    ms_pressure_limit_forget_parent(store);
    ms_captures_forget(&store->captures);
    ms_news_forget_threads(&store->news);
    ms_gate_forget_threads(&store->loads_gate, ms_load_places_held(store));
    ms_gate_forget_threads(&store->load_bytes_gate, ms_load_bytes_held(store));
}
