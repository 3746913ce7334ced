/* SPDX-License-Identifier: Apache-2.0 */
#include "store/batch/commit.h"

#include "store/batch/plan.h"
#include "store/space/harvest.h"
#include "store/space/room.h"
#include "store/write/write.h"

/* Attempts to rewrite entries whose TTL changes while others keep writing them. */
#define RETIME_TRIES 16
/* Each time that tables found no room all of a large batch is looked up again: room is made for so much of the limit
 * together. */
#define TABLES_TOGETHER_DIVISOR 16

/* ---- Locks ---- */

/* The end of the run of steps that are in the same shard as step `first`. */
static size_t shard_end(const struct ms_commit *commit, size_t first)
{
    size_t end = first + 1;

    while (end < commit->count && commit->steps[end].shard == commit->steps[first].shard)
        end++;
    return end;
}

static ms_mutex *lock_of(const struct ms_commit *commit, size_t step)
{
    return &commit->store->index.shards[commit->steps[step].shard].lock;
}

static void unlock_up_to(const struct ms_commit *commit, size_t end)
{
    for (size_t i = 0; i < end; i = shard_end(commit, i))
        ms_mutex_unlock(lock_of(commit, i));
}

static int lock_all(const struct ms_commit *commit)
{
    const int64_t deadline = ms_store_deadline(commit->store);

    for (size_t i = 0; i < commit->count; i = shard_end(commit, i)) {
        if (!ms_mutex_lock_until(lock_of(commit, i), deadline)) {
            unlock_up_to(commit, i);
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        }
    }
    ms_testing_reach(MS_POINT_SHARD_LOCKED);
    return MEMSTORE_OK;
}

/* ---- Conditions, under the locks ---- */

static void find(struct ms_commit *commit, struct ms_step *step)
{
    const memstore_key *key = &step->op->key;

    step->exists = ms_lookup_find_slot(commit->store, key->data, key->size, step->hash, &step->slot,
                                       &step->found);
    step->live = step->exists && !ms_has_expired(ms_found_expiry(&step->found));
}

static int check_step(const struct ms_commit *commit, const struct ms_step *step)
{
    switch (step->op->kind) {
    case MS_OP_SET:
    case MS_OP_DELETE:
        return MEMSTORE_OK;
    case MS_OP_EXPECT_ABSENT:
        return step->live ? MEMSTORE_ERR_KEY_EXISTS : MEMSTORE_OK;
    case MS_OP_EXPECT_VERSION: {
        const uint64_t version = step->live ? ms_found_version(commit->store, &step->found) : 0;
        return version == step->op->version ? MEMSTORE_OK : MEMSTORE_ERR_VERSION_MISMATCH;
    }
    case MS_OP_UPDATE_TTL:
        if (step->superseded)
            return MEMSTORE_OK;
        if (!step->live || step->is_of_nothing)
            return step->exists && !step->is_of_nothing ? MEMSTORE_ERR_TTL_EXPIRED
                                                        : MEMSTORE_ERR_KEY_NOT_FOUND;
        /* Prepared from this very entry, or from another one, or there was none then. */
        return step->reserved_any &&
                       ms_found_instance(commit->store, &step->found) == step->instance
                   ? MEMSTORE_OK
                   : MS_WRITE_AGAIN;
    }
    return MEMSTORE_ERR_INVALID_ARGUMENT;
}

static bool is_condition(const struct ms_op *op)
{
    return op->kind > MS_OP_UPDATE_TTL;
}

/* Conditions before operations, then as they were given, whatever the order of the locks. */
static bool is_told_before(const struct ms_op *a, const struct ms_op *b)
{
    return is_condition(a) != is_condition(b) ? is_condition(a) : a < b;
}

static int check_all(struct ms_commit *commit)
{
    int refusal = MEMSTORE_OK;

    commit->refused = NULL;
    for (size_t i = 0; i < commit->count; i++) {
        struct ms_step *step = &commit->steps[i];

        find(commit, step);
        const int status = check_step(commit, step);
        if (status != MEMSTORE_OK &&
            (commit->refused == NULL || is_told_before(step->op, commit->refused))) {
            commit->refused = step->op;
            refusal = status;
        }
    }
    return refusal;
}

/* Whether there is a record for each slot that changes. */
static bool has_records(const struct ms_commit *commit)
{
    size_t changes = 0;

    if (commit->records == commit->writes)
        return true;
    for (size_t i = 0; i < commit->count; i++)
        changes += ms_step_changes(&commit->steps[i]);
    return changes <= commit->records;
}

/* The slots of one shard's steps, after its table has grown. */
static void find_again(struct ms_commit *commit, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        find(commit, &commit->steps[i]);
}

/* Room was made for one table. */
static enum ms_index_wish wish_for(const struct ms_commit *commit, uint32_t shard)
{
    return commit->wish == MS_INDEX_LARGER && shard != commit->tight_shard ? MS_INDEX_ROOMY
                                                                           : commit->wish;
}

/* How many entries some steps, all of one shard, add to its table. */
static uint32_t added_by(const struct ms_commit *commit, size_t first, size_t end)
{
    uint32_t more = 0;

    for (size_t i = first; i < end; i++)
        more += ms_step_stores(&commit->steps[i]) && !commit->steps[i].exists;
    return more;
}

/* Room is made for the table of one shard after the other: those that have grown are not too large meanwhile. */
static void expect_entries(const struct ms_commit *commit, bool expected)
{
    for (size_t first = 0, end; first < commit->count; first = end) {
        struct ms_shard *const shard = &commit->store->index.shards[commit->steps[first].shard];

        end = shard_end(commit, first);
        ms_store_relaxed(&shard->expected, expected ? added_by(commit, first, end) : 0);
    }
}

/* Note a table for which there is no room. False when room is made before it is asked for others. */
static bool goes_on_after_tight(struct ms_commit *commit, uint32_t shard, uint32_t more)
{
    memstore *store = commit->store;

    if (commit->table_bytes == 0)
        commit->tight_shard = shard;
    commit->table_bytes += ms_index_bytes_to_grow(&store->index, shard, more);
    /* Where nothing goes for them, what one table leaves behind may be all the room that the next one has. */
    return store->settings.eviction != MS_EVICTION_NONE &&
           commit->table_bytes < ms_budget_limit(&store->arena.budget) / TABLES_TOGETHER_DIVISOR;
}

/* Let each table have room for what the batch adds to it. */
static int grow_tables(struct ms_commit *commit)
{
    struct ms_index *index = &commit->store->index;

    commit->table_bytes = 0;
    for (size_t first = 0, end; first < commit->count; first = end) {
        const uint32_t shard = commit->steps[first].shard;

        end = shard_end(commit, first);
        const uint32_t more = added_by(commit, first, end);
        if (more == 0)
            continue;
        switch (ms_index_ensure(index, shard, more, wish_for(commit, shard))) {
        case MS_INDEX_AS_IT_WAS:
            break;
        case MS_INDEX_GROWN:
            find_again(commit, first, end);
            break;
        case MS_INDEX_NO_ROOM:
            if (!goes_on_after_tight(commit, shard, more))
                return MEMSTORE_ERR_SHARD_OVERFLOW;
            break;
        }
    }
    return commit->table_bytes == 0 ? MEMSTORE_OK : MEMSTORE_ERR_SHARD_OVERFLOW;
}

/* ---- Committing ---- */

struct tally {
    uint64_t counts[MS_COUNTERS];
};

static void tally_step(const struct ms_step *step, struct tally *tally)
{
    const bool stores = ms_step_stores(step) && step->op->kind == MS_OP_SET;

    tally->counts[MS_COUNT_SETS] += stores;
    tally->counts[MS_COUNT_UPDATES] += stores && step->live;
    tally->counts[MS_COUNT_WRITTEN_BYTES] += ms_step_stores(step) ? step->reserved.size : 0;
    if (ms_step_writes(step)) {
        tally->counts[MS_COUNT_DELETES] += step->op->kind == MS_OP_DELETE && step->live;
        tally->counts[MS_COUNT_EXPIRATIONS] += step->exists && !step->live;
    }
}

static void count_commit(memstore *store, const struct tally *tally)
{
    for (int i = 0; i < MS_COUNTERS; i++) {
        if (tally->counts[i] != 0)
            ms_count(&store->counters, (enum ms_counter)i, tally->counts[i]);
    }
}

/* With everything prepared: lock, check, publish. SHARD_OVERFLOW may be mended by reclaiming,
 * MS_WRITE_AGAIN by preparing anew. */
static int try_commit(struct ms_commit *commit, struct tally *tally)
{
    int status = lock_all(commit);
    if (status != MEMSTORE_OK)
        return status;

    status = check_all(commit);
    if (status == MEMSTORE_OK && !has_records(commit)) {
        commit->spare *= 4;
        status = MS_WRITE_AGAIN;
    }
    if (status == MEMSTORE_OK)
        status = grow_tables(commit);
    if (status == MEMSTORE_OK) {
        for (size_t i = 0; i < commit->count; i++)
            tally_step(&commit->steps[i], tally);
        ms_commit_publish(commit);
    }
    unlock_up_to(commit, commit->count);
    return status;
}

static int commit_prepared(struct ms_commit *commit, struct tally *tally)
{
    struct ms_budget_mark asked = ms_budget_mark(&commit->store->arena.budget);
    const int64_t deadline = ms_store_deadline(commit->store);
    bool expects = false;
    int status;

    commit->wish = commit->store->settings.eviction == MS_EVICTION_NONE ? MS_INDEX_TO_THE_LAST
                                                                        : MS_INDEX_ROOMY;
    /* Who borrows has the lock that room is made under. */
    while ((status = try_commit(commit, tally)) == MEMSTORE_ERR_SHARD_OVERFLOW &&
           !commit->borrows) {
        expect_entries(commit, true);
        expects = true;
        status = ms_room_make_for_index(commit->store, commit->table_bytes, deadline, &asked,
                                        &commit->wish);
        if (status != MEMSTORE_OK)
            break;
    }
    if (ms_unlikely(expects)) {
        expect_entries(commit, false);
        /* Of what is not added after all tables may be too large. */
        if (status != MEMSTORE_OK)
            ms_store_relaxed(&commit->store->index.may_be_oversized, true);
    }
    return status;
}

/* Prepare and commit until the entries to be retimed, and the absence of what is deleted, stay as they were
 * meanwhile. */
static int commit_planned(struct ms_commit *commit, struct tally *tally)
{
    int status = MS_WRITE_AGAIN;

    for (int i = 0; i < RETIME_TRIES && status == MS_WRITE_AGAIN; i++) {
        status = ms_commit_prepare(commit);
        if (status != MEMSTORE_OK)
            return status;
        status = commit_prepared(commit, tally);
        if (status == MEMSTORE_OK)
            ms_commit_land(commit);
        else
            ms_commit_abandon(commit);
    }
    return status == MS_WRITE_AGAIN ? MEMSTORE_ERR_TTL_UPDATE_FAILED : status;
}

int ms_store_try_commit(memstore *store, const struct ms_op *ops, size_t n,
                        struct ms_commit_result *result)
{
    struct ms_commit commit;
    struct tally tally = {{0}};

    *result = (struct ms_commit_result){.refused = n};
    if (n == 0)
        return MEMSTORE_OK;
    int status = ms_commit_plan(&commit, store, ops, n);
    if (status == MEMSTORE_OK) {
        status = commit_planned(&commit, &tally);
        ms_commit_free(&commit);
    }
    if (status != MEMSTORE_OK) {
        if (commit.refused != NULL)
            result->refused = (size_t)(commit.refused - ops);
        return status;
    }
    ms_harvest_if_much(store);
    count_commit(store, &tally);
    result->deleted = tally.counts[MS_COUNT_DELETES];
    return MEMSTORE_OK;
}

int ms_store_commit(memstore *store, const struct ms_op *ops, size_t n,
                    struct ms_commit_result *result)
{
    const int status = ms_store_try_commit(store, ops, n, result);

    if (status != MEMSTORE_OK)
        ms_store_count_refusal(store, status);
    return status;
}
