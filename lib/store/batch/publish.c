/* SPDX-License-Identifier: Apache-2.0 */
/* The instant at which a batch becomes visible.
 *
 * Every slot concerned is switched to a record that names the entry before, the entry after and
 * the commit word. Readers that meet a record take the one or the other by that word. One
 * release store of the word commits; then the slots are switched to the entries themselves. All
 * shards concerned are locked throughout, so no writer ever meets a record. */
#include "store/batch/commit.h"
#include "store/batch/plan.h"
#include "store/lookup.h"
#include "store/track/follow.h"
#include "store/watch/notify.h"

static void bump_sequences(struct ms_commit *commit)
{
    uint32_t last = UINT32_MAX;

    for (size_t i = 0; i < commit->count; i++) {
        const struct ms_step *step = &commit->steps[i];
        atomic_uint_least32_t *sequence = &commit->store->index.shards[step->shard].batch_sequence;

        if (step->shard == last)
            continue;
        last = step->shard;
        /* ORDER: release, so that who reads the even number has the slots as the batch left
         * them. The odd one is ordered by the release of each slot that follows it. */
        ms_store_release(sequence, ms_load_relaxed(sequence) + 1);
    }
}

/* Where the next record goes. */
struct record_cursor {
    struct ms_commit *commit;
    size_t chunk;
    uint32_t used;
};

static struct ms_record *next_record(struct record_cursor *cursor)
{
    const struct ms_arena *arena = &cursor->commit->store->arena;
    const struct ms_record_chunk *chunk = &cursor->commit->chunks[cursor->chunk];

    if (cursor->used == chunk->capacity) {
        chunk = &cursor->commit->chunks[++cursor->chunk];
        cursor->used = 0;
    }
    /* Each chunk begins with room for a commit word; that of the first one is used. */
    return (struct ms_record *)(chunk->reserved.key + ms_record_head_size(arena) +
                                cursor->used++ * ms_record_size(arena));
}

static void make_pending(struct ms_commit *commit, struct ms_step *step, struct ms_record *record,
                         ms_place word)
{
    memstore *store = commit->store;

    ms_store_relaxed(&record->head.expiry, MS_EXPIRY_NEVER);
    ms_store_relaxed(&record->head.mark, 0);
    record->head.key_size = 0;
    record->head.value_size = MS_ENTRY_RECORD;
    record->before = step->exists ? step->found.place : MS_PLACE_NONE;
    record->after = ms_step_stores(step) ? step->reserved.place : MS_PLACE_NONE;
    record->word = word;

    const bool bare = ms_testing_has_fault(MS_FAULT_BATCH_WITHOUT_RECORD) && ms_step_stores(step);
    const ms_place place = bare ? step->reserved.place : ms_arena_place_of(&store->arena, record);
    if (step->exists)
        ms_index_set(&store->index, step->hash, &step->slot, place);
    else
        ms_index_insert(&store->index, step->hash, place, &step->slot);
    ms_testing_reach(MS_POINT_BATCH_SLOT);
}

/* Tell what goes; a TTL change only writes the entry elsewhere. */
static void notify(memstore *store, const struct ms_step *step)
{
    if (step->op->kind == MS_OP_SET)
        ms_notify_removal(store, &step->found,
                          ms_removal_kind(step->live, MEMSTORE_EVENT_REPLACED));
    else if (step->op->kind == MS_OP_DELETE)
        ms_notify_removal(store, &step->found, ms_removal_kind(step->live, MEMSTORE_EVENT_DELETED));
}

static void settle(struct ms_commit *commit, struct ms_step *step)
{
    memstore *store = commit->store;

    if (ms_step_stores(step))
        ms_index_set(&store->index, step->hash, &step->slot, step->reserved.place);
    else
        ms_index_remove(&store->index, step->hash, &step->slot);
    ms_testing_reach(MS_POINT_BATCH_SLOT);
    if (step->exists) {
        notify(store, step);
        ms_store_entry_died(store, &step->found);
    }
}

/* Loads of what is written, from elsewhere or from a snapshot, and what is kept for those that fail. A TTL is
 * not a value: changing it overtakes nothing, and is told to who loads anew. */
static void overtake_loads(const struct ms_commit *commit)
{
    memstore *store = commit->store;
    const bool stale = ms_stale_any(&store->stale);

    if (!ms_flights_any(&store->flights) && !ms_news_are_wanted(&store->news) && !stale)
        return;
    for (size_t i = 0; i < commit->count; i++) {
        const struct ms_step *step = &commit->steps[i];

        if (!ms_step_writes(step))
            continue;
        if (step->op->kind == MS_OP_UPDATE_TTL) {
            ms_store_retime(store, &step->op->key, step->hash, step->bounded);
            continue;
        }
        ms_store_overtake(store, &step->op->key, step->hash);
        if (stale)
            ms_stale_forget(store, &step->op->key, step->hash);
    }
}

static void track(memstore *store, const struct ms_step *step)
{
    const struct ms_op *op = step->op;

    if (op->kind == MS_OP_SET)
        ms_track_write(store, step->hash, op->key.size, op->value_size, step->life.expiry);
    else if (op->kind == MS_OP_DELETE)
        ms_track_delete(store, step->hash);
    else
        ms_track_retime(store, step->hash, step->bounded);
}

static void track_followed(const struct ms_commit *commit)
{
    for (size_t i = 0; i < commit->count; i++) {
        const struct ms_step *step = &commit->steps[i];

        if (ms_step_writes(step) && ms_track_follows(commit->store, step->hash))
            track(commit->store, step);
    }
}

void ms_commit_publish(struct ms_commit *commit)
{
    memstore *store = commit->store;
    atomic_uint_least32_t *word = (atomic_uint_least32_t *)commit->chunks[0].reserved.key;
    const ms_place word_place = ms_arena_place_of(&store->arena, word);
    struct record_cursor cursor = {.commit = commit};

    overtake_loads(commit);
    /* ORDER: relaxed; the shards' locks order it (CT-2). */
    if (ms_load_relaxed(&store->captures.first) != NULL)
        ms_capture_batch(commit);
    ms_store_relaxed(word, 0);
    for (size_t i = 0; i < commit->count; i++) {
        if (ms_step_stores(&commit->steps[i]))
            ms_arena_publish(&commit->steps[i].reserved);
    }
    ms_testing_reach(MS_POINT_BATCH_PREPARED);
    ms_add_relaxed(&store->batches_begun, 1);
    bump_sequences(commit);
    for (size_t i = 0; i < commit->count; i++) {
        if (ms_step_changes(&commit->steps[i]))
            make_pending(commit, &commit->steps[i], next_record(&cursor), word_place);
    }
    ms_testing_reach(MS_POINT_BATCH_PENDING);
    /* ORDER: release, pairs with the acquire in ms_record_resolve. */
    ms_store_release(word, 1);
    ms_testing_reach(MS_POINT_BATCH_COMMITTED);
    for (size_t i = 0; i < commit->count; i++) {
        if (ms_step_changes(&commit->steps[i]))
            settle(commit, &commit->steps[i]);
    }
    bump_sequences(commit);
    /* ORDER: release, pairs with the acquire in try_quiet: who sees it finds all slots settled. */
    atomic_fetch_add_explicit(&store->batches_done, 1, memory_order_release);
    if ((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0)
        track_followed(commit);
}
