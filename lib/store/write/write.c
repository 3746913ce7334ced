/* SPDX-License-Identifier: Apache-2.0 */
/* Single writes. An entry is appended first, with no lock held; then the key's shard is locked,
 * the condition checked and the entry published by one store to the key's slot. So a refused
 * write has changed nothing that a reader can see. */
#include "store/write/write.h"

#include "expiry/ttl_class.h"
#include "segment/pins.h"
#include "store/heat.h"
#include "store/lookup.h"
#include "store/maintenance.h"
#include "store/read/view.h"
#include "store/space/freeing.h"
#include "store/space/harvest.h"
#include "store/space/move.h"
#include "store/space/reclaim.h"
#include "store/space/reserve.h"
#include "store/space/room.h"
#include "store/track/follow.h"
#include "store/watch/notify.h"
#include "store/write/slide.h"
#include "store/write/ttl.h"

/* Half of what there is beside the fixed bookkeeping can always be cleared for one entry, whatever else the
 * store holds: index tables and open segments never take the other half. */
static uint64_t half_beside(memstore *store, uint64_t aside)
{
    const uint64_t limit = ms_budget_limit(&store->arena.budget);

    aside += store->arena.overhead;
    return limit > aside ? (limit - aside) / 2 : 0;
}

bool ms_store_could_fit(memstore *store, uint64_t bytes)
{
    /* Segments there are always: what takes no more than one need not know what is set aside. */
    return bytes <= ms_arena_segment_size(&store->arena) ||
           bytes <= half_beside(store, ms_events_charged(&store->events) + ms_track_charged(store));
}

int ms_store_check_size(memstore *store, size_t key_size, size_t value_size)
{
    const uint64_t most = ms_setting_of(&store->settings, max_entry_size);
    const uint64_t largest = half_beside(store, 0);

    /* Each on its own first, so that their sum cannot overflow. */
    if (key_size > largest || value_size > largest || key_size > MS_KEY_SIZE_MAX ||
        value_size > MS_KEY_SIZE_MAX)
        return MEMSTORE_ERR_ENTRY_TOO_LARGE;
    if (!ms_store_could_fit(store, key_size + value_size) ||
        (most != 0 && key_size + value_size > most))
        return MEMSTORE_ERR_ENTRY_TOO_LARGE;
    return MEMSTORE_OK;
}

/* What a look without a lock tells about where a write's entry should go. */
struct foresight {
    enum ms_queue queue;
    unsigned access; /* of what is new; what replaces an entry takes over the use of that */
    uint64_t rank;
    int status; /* a condition that does not hold, or OK */
};

/* Whether an entry has the life still that it was seen with. Reads move an expiry later, and only where
 * there is a TTL. */
static bool has_life(const memstore *store, const struct ms_found *found,
                     const struct ms_life *seen)
{
    const int64_t expiry = ms_found_expiry(found);
    const int64_t ttl = ms_found_ttl(store, found);

    return ttl == seen->ttl && (ttl == 0 ? expiry == seen->expiry : expiry >= seen->expiry);
}

static int check_condition(const memstore *store, const struct ms_write *write,
                           const struct ms_found *found, bool live)
{
    switch (write->mode) {
    case MS_WRITE_SET:
        return MEMSTORE_OK;
    case MS_WRITE_ADD:
        return live ? MEMSTORE_ERR_KEY_EXISTS : MEMSTORE_OK;
    case MS_WRITE_REPLACE:
        return live ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND;
    case MS_WRITE_IF_VERSION: {
        const uint64_t version = live ? ms_found_version(store, found) : 0;
        return version == write->version ? MEMSTORE_OK : MEMSTORE_ERR_VERSION_MISMATCH;
    }
    case MS_WRITE_IF_SAME: {
        const uint64_t instance = live ? ms_found_instance(store, found) : 0;
        return instance == write->instance ? MEMSTORE_OK : MS_WRITE_AGAIN;
    }
    case MS_WRITE_IF_UNCHANGED:
        return live && ms_found_instance(store, found) == write->instance &&
                       has_life(store, found, &write->seen)
                   ? MEMSTORE_OK
                   : MS_WRITE_AGAIN;
    }
    return MEMSTORE_ERR_INVALID_ARGUMENT;
}

/* The segment of the entry that the key most likely has, by its tag alone, or NULL. What replacing that
 * takes is on its way here while the new one is appended. In a read section. */
static const struct ms_segment *glance(const memstore *store, uint64_t hash)
{
    const ms_place place = ms_lookup_likely(store, hash);

    if (place == MS_PLACE_NONE)
        return NULL;
    const char *const entry = (const char *)ms_arena_entry(&store->arena, place);
    ms_prefetch_write(entry);
    ms_prefetch(entry + MS_CACHE_LINE);
    const struct ms_segment *const segment = ms_arena_segment_of(&store->arena, place);
    ms_prefetch_write(&segment->gone);
    return segment;
}

/* The same for certain, and whether the write's condition holds. In a read section. */
static const struct ms_segment *look_up(memstore *store, const struct ms_write *write,
                                        uint64_t hash, int *status)
{
    struct ms_found found;
    const bool live = ms_lookup_live(store, write->key.data, write->key.size, hash, &found);

    *status = check_condition(store, write, &found, live);
    /* The version may be that of a copy to which the slot does not lead yet: the lock tells. */
    if (*status == MEMSTORE_ERR_VERSION_MISMATCH && live &&
        (ms_load_acquire(&found.entry->mark) & MS_MARK_DEAD) != 0)
        *status = MEMSTORE_OK;
    return live ? found.segment : NULL;
}

static struct foresight look_ahead(memstore *store, const struct ms_write *write, uint64_t hash)
{
    struct foresight foresight = {.queue = MS_QUEUE_NEW};

    if (ms_unlikely(!ms_reader_is_prepared(ms_reader_current())))
        ms_reader_prepare();
    const ms_reader reader = ms_section_begin();
    ms_ghost_prefetch(&store->eviction.ghost, hash);
    ms_prefetch_write(ms_store_shard_lock(store, hash));
    /* It is read next, and written after that. */
    ms_index_prefetch(&store->index, hash);
    const struct ms_segment *const old = write->mode == MS_WRITE_SET
                                             ? glance(store, hash)
                                             : look_up(store, write, hash, &foresight.status);
    if (foresight.status == MEMSTORE_OK) {
        struct ms_subject entry = {
            .hash = hash,
            .size = sizeof(struct ms_entry) + write->key.size + write->value_size,
            .access = ms_eviction_initial_access(&store->eviction, 0),
        };
        foresight.queue = ms_eviction_queue_for(&store->eviction, &entry, old);
        foresight.access = entry.access;
        foresight.rank = entry.rank;
    }
    if (ms_unlikely(write->heat_plus_one != 0)) {
        foresight.queue = ms_heat_queue(store, write->heat_plus_one - 1);
        foresight.access = ms_heat_access(store, write->heat_plus_one - 1);
        foresight.rank = 0;
    }
    ms_section_end(reader);
    return foresight;
}

static struct ms_entry_shape shape_of(const memstore *store, const struct ms_write *write)
{
    return (struct ms_entry_shape){
        .key_size = (uint32_t)write->key.size,
        .value_size = (uint32_t)write->value_size,
        .version = write->keep_version,
        .expiry = write->life.expiry,
        .ttl = write->life.ttl,
        .created = write->keep_created != 0 || !store->keeps_created ? write->keep_created
                                                                     : ms_clock_exact_ms(),
    };
}

static struct ms_placement placement_of(const memstore *store, const struct ms_write *write,
                                        const struct foresight *foresight, int64_t now)
{
    return (struct ms_placement){
        .queue = foresight->queue,
        .ttl_class = ms_ttl_class_in(&store->arena, write->life.expiry, now),
        .stripe = ms_thread_slot(),
        .access = foresight->access,
        .rank = foresight->rank,
    };
}

static void fill_in(const struct ms_write *write, const struct ms_reserved *reserved)
{
    memcpy(reserved->key, write->key.data, write->key.size);
    if (write->value_size != 0)
        memcpy(reserved->key + write->key.size, write->value, write->value_size);
}

/* Append the entry. */
static int append(memstore *store, const struct ms_write *write, const struct foresight *foresight,
                  int64_t now, struct ms_reserved *out)
{
    const struct ms_entry_shape shape = shape_of(store, write);
    const struct ms_placement placement = placement_of(store, write, foresight, now);
    const int status = ms_unlikely(write->heat_plus_one != 0)
                           ? ms_reserve_free(store, &placement, &shape, out)
                           : ms_reserve_room(store, &placement, &shape, out);

    if (status == MEMSTORE_OK)
        fill_in(write, out);
    return status;
}

/* Let the entry, not published yet, have been used as the one that it replaces. Shard lock held. */
static void take_over_use(memstore *store, struct ms_entry *entry, const struct ms_found *old)
{
    const unsigned used = ms_load_relaxed(&old->entry->mark) & MS_MARK_ACCESS;
    const unsigned mark = ms_load_relaxed(&entry->mark) & ~(unsigned)MS_MARK_ACCESS;

    ms_store_relaxed(&entry->mark,
                     (unsigned char)(mark | ms_eviction_initial_access(&store->eviction, used)));
}

/* Whether something newer is known of the key of a write that comes from a snapshot. Shard lock held. */
static bool is_outdated(memstore *store, const struct ms_write *write, uint64_t hash)
{
    return ms_news_has(write->news, &write->key, hash) ||
           (ms_flights_any(&store->flights) && ms_flights_have(&store->flights, &write->key, hash));
}

/* A write is about to be published: tell those who load the key, from elsewhere or from a snapshot. A load that what
 * it loads is written by, a change of TTL and a snapshot overtake nothing. Shard lock held. */
static void tell_loads(memstore *store, const struct ms_write *write, uint64_t hash)
{
    if (ms_unlikely(write->news != NULL))
        return;
    if (write->keep_version != 0)
        ms_store_retime(store, &write->key, hash, write->life.expiry);
    else if (write->flight == NULL)
        ms_store_overtake(store, &write->key, hash);
    else
        ms_news_note(&store->news, hash);
}

/* Let the key's slot refer to the new entry, if the write's condition holds. Shard lock held. */
static int publish_locked(memstore *store, const struct ms_write *write, uint64_t hash,
                          enum ms_index_wish wish, struct ms_reserved *reserved,
                          struct ms_write_outcome *outcome)
{
    const uint32_t shard = ms_index_shard_of(&store->index, hash);
    struct ms_index_slot slot;
    struct ms_found found;
    const bool exists =
        ms_lookup_find_slot(store, write->key.data, write->key.size, hash, &slot, &found);
    const bool live = exists && !ms_has_expired(ms_found_expiry(&found));
    const int status = ms_testing_has_fault(MS_FAULT_UNLOCKED_CONDITION)
                           ? MEMSTORE_OK
                           : check_condition(store, write, &found, live);

    if (status != MEMSTORE_OK)
        return status;
    if (write->flight != NULL && ms_flight_is_overtaken(write->flight))
        return MEMSTORE_ERR_VERSION_MISMATCH;
    if (ms_unlikely(write->news != NULL) && is_outdated(store, write, hash))
        return MEMSTORE_ERR_KEY_EXISTS;
    if (!exists && ms_index_ensure(&store->index, shard, 1, wish) == MS_INDEX_NO_ROOM)
        return MEMSTORE_ERR_SHARD_OVERFLOW;

    tell_loads(store, write, hash);
    *outcome = (struct ms_write_outcome){
        .size = reserved->size,
        .updated = live,
        .replaced_expired = exists && !live,
        .replaced_unread = exists && !live && ms_store_is_unread(store, &found),
    };
    if (live && write->heat_plus_one == 0)
        take_over_use(store, reserved->entry, &found);
    ms_arena_publish(reserved);
    if (write->pinned != NULL)
        ms_or_relaxed(&reserved->entry->mark, MS_MARK_VERSIONED);
    if (exists) {
        ms_index_set(&store->index, hash, &slot, reserved->place);
        if (write->mode == MS_WRITE_IF_UNCHANGED)
            ms_slide_carry(store, &found, reserved, write->life.expiry);
        /* What keeps its version is the same entry, written elsewhere. */
        if (write->keep_version == 0)
            ms_notify_removal(store, &found, ms_removal_kind(live, MEMSTORE_EVENT_REPLACED));
        ms_store_entry_died(store, &found);
    } else {
        if (ms_unlikely(ms_stale_any(&store->stale)))
            ms_stale_forget(store, &write->key, hash);
        ms_index_insert(&store->index, hash, reserved->place, &slot);
    }
    if (ms_unlikely(write->heat_plus_one != 0))
        outcome->instance = ms_arena_version(&store->arena, reserved->place, reserved->segment);
    return MEMSTORE_OK;
}

/* Publish; when the index cannot grow for want of memory, reclaim some and try again. */
static int publish(memstore *store, const struct ms_write *write, uint64_t hash,
                   struct ms_reserved *reserved, struct ms_write_outcome *outcome)
{
    const uint32_t shard = ms_index_shard_of(&store->index, hash);
    struct ms_budget_mark asked = ms_budget_mark(&store->arena.budget);
    enum ms_index_wish wish =
        store->settings.eviction == MS_EVICTION_NONE || write->heat_plus_one != 0
            ? MS_INDEX_TO_THE_LAST
            : MS_INDEX_ROOMY;
    const int64_t no_deadline = 0;
    int64_t deadline = no_deadline;

    ms_testing_reach(MS_POINT_ENTRY_WRITTEN);
    for (;;) {
        int status = ms_store_lock_shard(store, hash);
        if (status != MEMSTORE_OK)
            return status;
        status = publish_locked(store, write, hash, wish, reserved, outcome);
        const uint64_t bytes = status == MEMSTORE_ERR_SHARD_OVERFLOW
                                   ? ms_index_bytes_to_grow(&store->index, shard, 1)
                                   : 0;
        ms_mutex_unlock(ms_store_shard_lock(store, hash));
        if (status != MEMSTORE_ERR_SHARD_OVERFLOW) {
            ms_harvest_if_much(store);
            return status;
        }

        if (deadline == no_deadline)
            deadline = ms_store_deadline(store);
        /* For what comes out of a snapshot nothing goes. */
        status = write->heat_plus_one != 0
                     ? ms_room_take_for_index(store, bytes, deadline, &asked)
                     : ms_room_make_for_index(store, bytes, deadline, &asked, &wish);
        if (status != MEMSTORE_OK)
            return status;
    }
}

void ms_store_note_expiry(memstore *store, struct ms_segment *segment, int64_t expiry,
                          int64_t since)
{
    if (expiry != MS_NEVER && ms_due_note(&store->due, segment, expiry, since))
        ms_maintenance_plan(store);
}

/* Let the write's view show what is reserved, which holds its segment for now. */
static void view_reserved(memstore *store, const struct ms_write *write,
                          const struct ms_reserved *reserved)
{
    *write->pinned = (memstore_view){
        .data = reserved->key + write->key.size,
        .size = write->value_size,
        .version = ms_arena_version(&store->arena, reserved->place, reserved->segment),
        .expires_at_ms = ms_store_unix_expiry(store, write->life.expiry),
        .pin = ms_pin_take_shared(reserved->segment),
    };
}

/* The segment of what the write replaces, if that takes as much room and can come free, or NULL. Reclaim lock held, so
 * that it stays one. */
static struct ms_segment *replaced_in(memstore *store, const struct ms_write *write, uint64_t hash,
                                      const struct ms_entry_shape *shape)
{
    struct ms_arena *arena = &store->arena;
    struct ms_found found;

    ms_rcu_read_lock();
    const bool live = ms_lookup_live(store, write->key.data, write->key.size, hash, &found);
    /* In what is opened later no expiry is farther off. */
    const bool enough =
        live && !found.segment->is_solo &&
        found.parts.size >=
            ms_shape_size(shape, ms_shape_is_long(shape, found.segment->time_base), store->kept);
    ms_rcu_read_unlock();
    if (!enough)
        return NULL;
    ms_arena_seal(arena, found.segment);
    return ms_load_relaxed(&found.segment->state) == MS_SEGMENT_SEALED &&
                   ms_segment_pending(found.segment) == 0 &&
                   !ms_segment_is_pinned(arena, found.segment) &&
                   ms_move_fits_reserve(store, found.segment)
               ? found.segment
               : NULL;
}

/* Publish what has been reserved out of the reserve, which comes back with the segment of what is replaced, or
 * else what was opened for it. */
static int publish_replacement(memstore *store, const struct ms_write *write, uint64_t hash,
                               struct ms_segment *old, struct ms_reserved *reserved,
                               struct ms_write_outcome *outcome)
{
    int status = ms_store_lock_shard(store, hash);

    if (status == MEMSTORE_OK) {
        status = publish_locked(store, write, hash, MS_INDEX_TO_THE_LAST, reserved, outcome);
        ms_mutex_unlock(ms_store_shard_lock(store, hash));
    }
    if (status == MEMSTORE_OK) {
        ms_reclaim_compact_locked(store, old);
    } else {
        struct ms_segment *const opened = ms_reserve_opened(reserved) ? reserved->segment : NULL;

        ms_reserve_abandon(store, reserved);
        if (opened != NULL)
            ms_arena_seal(&store->arena, opened);
    }
    ms_harvest_locked(store, ms_store_deadline(store));
    return status == MEMSTORE_ERR_SHARD_OVERFLOW ? MEMSTORE_ERR_CACHE_FULL : status;
}

/* Where nothing is evicted and nothing is dead there is no room but the reserve for what replaces an entry. It is
 * taken if the segment of that entry gives it back. */
static int replace_by_reserve(memstore *store, const struct ms_write *write, uint64_t hash,
                              const struct foresight *foresight, int64_t now,
                              struct ms_write_outcome *outcome)
{
    const struct ms_entry_shape shape = shape_of(store, write);
    struct ms_placement placement = placement_of(store, write, foresight, now);
    const uint64_t size = ms_shape_size(&shape, true, store->kept);
    struct ms_reserved reserved;
    int status = MEMSTORE_ERR_CACHE_FULL;

    placement.privileged = true;
    if (ms_arena_is_large(&store->arena, size) || !ms_freeing_lock(store, ms_store_deadline(store)))
        return status;
    struct ms_segment *const old =
        ms_move_has_reserve(store) ? replaced_in(store, write, hash, &shape) : NULL;
    if (old != NULL && ms_arena_reserve(&store->arena, &placement, &shape, &reserved)) {
        fill_in(write, &reserved);
        ms_store_note_expiry(store, reserved.segment, write->life.expiry, now);
        if (write->pinned != NULL)
            view_reserved(store, write, &reserved);
        status = publish_replacement(store, write, hash, old, &reserved, outcome);
    }
    ms_mutex_unlock(&store->reclaim_lock);
    return status;
}

/* Publish what was appended, or let it go. */
static int publish_appended(memstore *store, const struct ms_write *write, uint64_t hash,
                            int64_t now, struct ms_reserved *reserved,
                            struct ms_write_outcome *outcome)
{
    ms_store_note_expiry(store, reserved->segment, write->life.expiry, now);
    if (write->pinned != NULL)
        view_reserved(store, write, reserved);
    const bool opened = ms_reserve_opened(reserved);
    const int status = publish(store, write, hash, reserved, outcome);
    if (status != MEMSTORE_OK)
        ms_reserve_abandon(store, reserved);
    else if (ms_unlikely(opened))
        ms_reserve_prepare(store);
    return status;
}

int ms_store_try_write(memstore *store, const struct ms_write *write, uint64_t hash,
                       struct ms_write_outcome *outcome)
{
    /* What never expires needs no clock. */
    const int64_t now = write->life.expiry != MS_NEVER ? ms_clock_coarse_ms() : 0;
    const struct foresight foresight = look_ahead(store, write, hash);
    struct ms_reserved reserved;
    if (foresight.status != MEMSTORE_OK)
        return foresight.status;
    int status = append(store, write, &foresight, now, &reserved);
    if (ms_likely(status == MEMSTORE_OK))
        status = publish_appended(store, write, hash, now, &reserved, outcome);
    else if (status == MEMSTORE_ERR_CACHE_FULL && write->heat_plus_one == 0)
        status = replace_by_reserve(store, write, hash, &foresight, now, outcome);
    if (status == MEMSTORE_OK && ms_track_follows(store, hash))
        ms_track_write(store, hash, write->key.size, write->value_size, write->life.expiry);
    return status;
}

int ms_store_write(memstore *store, const struct ms_write *write)
{
    struct ms_write_outcome outcome;
    /* The size first: what is absurdly large is not even read. */
    int status = ms_store_check_size(store, write->key.size, write->value_size);

    if (status == MEMSTORE_OK) {
        const uint64_t hash = ms_store_hash(store, write->key.data, write->key.size);
        status = ms_store_try_write(store, write, hash, &outcome);
    }
    ms_store_count_write(store, status, &outcome);
    return status;
}
