/* SPDX-License-Identifier: Apache-2.0 */
#include "expiry/ttl_class.h"
#include "store/batch/commit.h"
#include "store/batch/plan.h"
#include "store/lookup.h"
#include "store/space/freeing.h"
#include "store/space/harvest.h"
#include "store/space/reserve.h"
#include "store/space/room.h"
#include "store/write/retime.h"
#include "store/write/write.h"

/* What is to be appended for a step. */
struct draft {
    struct ms_entry_shape shape;
    struct ms_placement placement;
    const char *value;
    struct ms_segment *pinned; /* holds `value`, or NULL */
};

static void draft_set(struct ms_commit *commit, struct ms_step *step, struct draft *draft)
{
    memstore *store = commit->store;
    struct ms_found found;

    draft->shape.value_size = (uint32_t)step->op->value_size;
    draft->value = step->op->value;
    draft->shape.expiry = step->life.expiry;
    draft->shape.ttl = step->life.ttl;
    draft->shape.created = step->op->created;
    if (store->keeps_created && draft->shape.created == 0)
        draft->shape.created = commit->now;

    ms_rcu_read_lock();
    const bool live =
        ms_lookup_live(store, step->op->key.data, step->op->key.size, step->hash, &found);
    const unsigned old = live ? ms_load_relaxed(&found.entry->mark) & MS_MARK_ACCESS : 0;
    struct ms_subject entry = {
        .hash = step->hash,
        .size = sizeof(struct ms_entry) + step->op->key.size + step->op->value_size,
        .access = ms_eviction_initial_access(&store->eviction, old),
    };
    draft->placement.queue =
        ms_eviction_queue_for(&store->eviction, &entry, live ? found.segment : NULL);
    draft->placement.access = entry.access;
    draft->placement.rank = entry.rank;
    ms_rcu_read_unlock();
}

/* A TTL change rewrites the entry: a store into the old one could not be part of one instant. False
 * when there is no live entry. */
static bool draft_retimed(struct ms_commit *commit, struct ms_step *step, struct draft *draft)
{
    memstore *store = commit->store;
    struct ms_found found;

    ms_rcu_read_lock();
    const bool live =
        ms_lookup_live(store, step->op->key.data, step->op->key.size, step->hash, &found);
    if (live) {
        ms_segment_borrow(found.segment);
        draft->pinned = found.segment;
        draft->value = found.parts.value;
        draft->shape.value_size = found.parts.value_size;
        draft->shape.version = ms_found_version(store, &found);
        draft->shape.expiry = ms_ttl_bound_by_age(store, &found, step->life.expiry);
        draft->shape.ttl = step->life.ttl;
        draft->shape.created = store->keeps_created ? ms_entry_created(found.entry) : 0;
        draft->placement.access = ms_entry_seen_mark(found.entry) & MS_MARK_ACCESS;
        draft->placement.queue =
            found.segment->queue == MS_QUEUE_NEW ? MS_QUEUE_NEW : MS_QUEUE_MAIN;
        step->instance = ms_found_instance(store, &found);
        step->bounded = draft->shape.expiry;
    }
    ms_rcu_read_unlock();
    return live;
}

/* Append what was drafted. */
static int reserve_drafted(struct ms_commit *commit, struct ms_step *step, struct draft *draft)
{
    memstore *store = commit->store;
    const memstore_key *key = &step->op->key;

    draft->placement.ttl_class = ms_ttl_class_in(&store->arena, draft->shape.expiry, commit->now);
    const int status = ms_reserve_room(store, &draft->placement, &draft->shape, &step->reserved);
    if (status != MEMSTORE_OK)
        return status;
    step->reserved_any = true;
    commit->opened |= ms_reserve_opened(&step->reserved);
    memcpy(step->reserved.key, key->data, key->size);
    if (draft->shape.value_size != 0)
        memcpy(step->reserved.key + key->size, draft->value, draft->shape.value_size);
    ms_store_note_expiry(store, step->reserved.segment, draft->shape.expiry, commit->now);
    return MEMSTORE_OK;
}

static int prepare_step(struct ms_commit *commit, struct ms_step *step)
{
    struct draft draft = {
        .shape = {.key_size = (uint32_t)step->op->key.size},
        .placement = {.stripe = ms_thread_slot()},
    };

    if (step->op->kind == MS_OP_SET) {
        draft_set(commit, step, &draft);
    } else if (step->is_of_nothing || !draft_retimed(commit, step, &draft)) {
        /* Whether the batch is refused for that is told under the locks, after its conditions. */
        return MEMSTORE_OK;
    }
    const int status = reserve_drafted(commit, step, &draft);
    if (status != MEMSTORE_OK)
        commit->refused = step->op;
    if (draft.pinned != NULL)
        ms_segment_return(draft.pinned);
    return status;
}

static bool only_deletes(const struct ms_commit *commit)
{
    for (size_t i = 0; i < commit->count; i++) {
        if (ms_step_stores(&commit->steps[i]))
            return false;
    }
    return true;
}

/* Who deletes from a full store that evicts nothing, or whose memory is held by views, does so for want of
 * room; and where nothing is evicted no segment may be free beside what is dead here and there. */
static bool borrow(struct ms_commit *commit, uint32_t size, int64_t deadline,
                   struct ms_reserved *out)
{
    memstore *store = commit->store;

    if (!commit->borrows && !ms_freeing_lock(store, deadline))
        return false;
    commit->borrows = true;
    while (!ms_arena_borrow(&store->arena, size, &commit->loan, out)) {
        if (!ms_harvest_locked(store, deadline))
            return false;
    }
    return true;
}

static void end_borrowing(struct ms_commit *commit)
{
    if (!commit->borrows)
        return;
    ms_arena_end_loan(&commit->store->arena, commit->loan);
    ms_mutex_unlock(&commit->store->reclaim_lock);
    commit->borrows = false;
    commit->loan = NULL;
}

static int reserve_chunk(struct ms_commit *commit, uint32_t size, bool may_borrow, int64_t deadline,
                         struct ms_budget_mark *asked, struct ms_reserved *out)
{
    memstore *store = commit->store;
    const struct ms_placement placement = {.queue = MS_QUEUE_RECORDS};

    if (commit->borrows && borrow(commit, size, deadline, out))
        return MEMSTORE_OK;
    if (commit->borrows)
        return store->settings.eviction == MS_EVICTION_NONE ? MEMSTORE_ERR_CACHE_FULL
                                                            : MEMSTORE_ERR_GC_PRESSURE;
    while (!ms_arena_reserve_raw(&store->arena, &placement, size, out)) {
        /* Nothing is evicted for what is only deleted, as long as what is kept suffices. */
        if (may_borrow && store->settings.eviction != MS_EVICTION_NONE)
            return borrow(commit, size, deadline, out) ? MEMSTORE_OK : MEMSTORE_ERR_GC_PRESSURE;
        const int status = may_borrow ? ms_room_make_at_once(store, deadline, asked)
                                      : ms_room_make(store, 0, deadline, asked);

        if (status != MEMSTORE_OK)
            return (may_borrow || status == MEMSTORE_ERR_CACHE_FULL) &&
                           borrow(commit, size, deadline, out)
                       ? MEMSTORE_OK
                       : status;
    }
    return MEMSTORE_OK;
}

static int reserve_chunks(struct ms_commit *commit, bool may_borrow, int64_t deadline)
{
    memstore *store = commit->store;
    struct ms_budget_mark asked = ms_budget_mark(&store->arena.budget);
    size_t left = commit->records;

    for (size_t i = 0; i == 0 || left > 0; i++) {
        struct ms_record_chunk *chunk = &commit->chunks[i];
        const size_t records = left < chunk->capacity ? left : chunk->capacity;
        const uint32_t size = (uint32_t)(ms_record_head_size(&store->arena) +
                                         records * ms_record_size(&store->arena));
        const int status =
            reserve_chunk(commit, size, may_borrow, deadline, &asked, &chunk->reserved);

        if (status != MEMSTORE_OK)
            return status;
        commit->chunks_reserved = i + 1;
        left -= records;
    }
    return MEMSTORE_OK;
}

static void give_up_records(struct ms_commit *commit)
{
    for (size_t i = 0; i < commit->chunks_reserved; i++)
        ms_reserve_abandon(commit->store, &commit->chunks[i].reserved);
    commit->chunks_reserved = 0;
    end_borrowing(commit);
}

static int reserve_records(struct ms_commit *commit)
{
    const int64_t deadline = ms_store_deadline(commit->store);
    const bool may_borrow = only_deletes(commit);
    int status = reserve_chunks(commit, may_borrow, deadline);

    /* What can be borrowed is too little: then views are waited for. */
    if (status != MEMSTORE_OK && may_borrow && commit->borrows) {
        give_up_records(commit);
        status = reserve_chunks(commit, false, deadline);
    }
    return status;
}

/* How many steps ahead their buckets and entries are asked for, so that the cache misses of steps
 * overlap; half as many as there are line fill buffers for. */
#define BUCKETS_AHEAD 16
#define ENTRIES_AHEAD 8

static void ask_for_bucket(const struct ms_commit *commit, size_t i)
{
    if (i < commit->count)
        ms_index_prefetch(&commit->store->index, commit->steps[i].hash);
}

static void ask_for_entry(const struct ms_commit *commit, size_t i)
{
    if (i < commit->count)
        ms_lookup_prefetch(commit->store, commit->steps[i].hash);
}

static void ask_ahead(const struct ms_commit *commit, size_t i)
{
    const ms_reader reader = ms_section_begin();

    if (i == 0) {
        for (size_t k = 0; k < BUCKETS_AHEAD; k++)
            ask_for_bucket(commit, k);
        for (size_t k = 0; k < ENTRIES_AHEAD; k++)
            ask_for_entry(commit, k);
    }
    ask_for_bucket(commit, i + BUCKETS_AHEAD);
    ask_for_entry(commit, i + ENTRIES_AHEAD);
    ms_section_end(reader);
}

/* Whether there is an entry to be deleted: expired ones are, too. */
static bool is_there(const struct ms_commit *commit, const struct ms_step *step)
{
    const memstore_key *key = &step->op->key;
    struct ms_found found;

    ms_rcu_read_lock();
    const bool there = ms_lookup_find(commit->store, key->data, key->size, step->hash, &found);
    ms_rcu_read_unlock();
    return there;
}

/* Entries are not to make way for records that nothing needs: where these are many, keys to be deleted are
 * looked up first. */
static bool needs_record(const struct ms_commit *commit, const struct ms_step *step)
{
    return ms_step_stores(step) ||
           (ms_step_writes(step) && (commit->chunk_count == 1 || is_there(commit, step)));
}

int ms_commit_prepare(struct ms_commit *commit)
{
    int status = MEMSTORE_OK;

    commit->refused = NULL;
    commit->records = 0;
    for (size_t i = 0; i < commit->count && status == MEMSTORE_OK; i++) {
        ask_ahead(commit, i);
        if (ms_step_stores(&commit->steps[i]))
            status = prepare_step(commit, &commit->steps[i]);
        commit->records += needs_record(commit, &commit->steps[i]);
    }
    const size_t absent = commit->writes - commit->records;
    commit->records += absent < commit->spare ? absent : commit->spare;
    if (status == MEMSTORE_OK)
        status = reserve_records(commit);
    if (status != MEMSTORE_OK)
        ms_commit_abandon(commit);
    else
        ms_testing_reach(MS_POINT_BATCH_RESERVED);
    return status;
}

void ms_commit_abandon(struct ms_commit *commit)
{
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->steps[i].reserved_any)
            ms_reserve_abandon(commit->store, &commit->steps[i].reserved);
    }
    ms_commit_land(commit);
}

void ms_commit_land(struct ms_commit *commit)
{
    for (size_t i = 0; i < commit->count; i++)
        commit->steps[i].reserved_any = false;
    give_up_records(commit);
    if (commit->opened)
        ms_reserve_prepare(commit->store);
    commit->opened = false;
}
