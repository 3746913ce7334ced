/* SPDX-License-Identifier: Apache-2.0 */
#include "store/batch/plan.h"

#include "platform/mem.h"
#include "store/batch/commit.h"
#include "store/write/ttl.h"
#include "store/write/write.h"

#include <stdlib.h>

static int compare_keys(const memstore_key *a, const memstore_key *b)
{
    const size_t shorter = a->size < b->size ? a->size : b->size;
    const int order = memcmp(a->data, b->data, shorter);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* By shard, because that is the lock order; then by key, so that operations on one key are
 * neighbours; then as given. */
static int compare_steps(const void *left, const void *right)
{
    const struct ms_step *a = left, *b = right;

    if (a->shard != b->shard)
        return a->shard < b->shard ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    const int order = compare_keys(&a->op->key, &b->op->key);
    return order != 0 ? order : (a->op > b->op) - (a->op < b->op);
}

static int check_op(struct ms_commit *commit, struct ms_step *step)
{
    const struct ms_op *op = step->op;
    int status = MEMSTORE_OK;

    if (op->kind == MS_OP_SET)
        status = ms_store_check_size(commit->store, op->key.size, op->value_size);
    else if (op->key.size > MS_KEY_SIZE_MAX)
        status = MEMSTORE_ERR_ENTRY_TOO_LARGE;

    if (op->life.expiry != 0)
        step->life = op->life;
    else if (status == MEMSTORE_OK && (op->kind == MS_OP_SET || op->kind == MS_OP_UPDATE_TTL))
        status = ms_ttl_to_life_at(commit->store, op->ttl_ms, commit->now, &step->life);
    return status;
}

/* Let the later of two writes of a key count, and return the one that does. A TTL change is of what the
 * earlier one leaves. */
static struct ms_step *supersede(struct ms_step *step, struct ms_step *later)
{
    if (later->op->kind == MS_OP_UPDATE_TTL && step->op->kind == MS_OP_SET &&
        !later->is_of_nothing) {
        step->life = later->life;
        later->superseded = true;
        return step;
    }
    if (later->op->kind == MS_OP_UPDATE_TTL && step->op->kind == MS_OP_DELETE)
        later->is_of_nothing = true;
    step->superseded = true;
    return later;
}

/* Of several writes of one key one counts. Steps on one key are neighbours, in order. */
static void supersede_all(struct ms_commit *commit)
{
    struct ms_step *later = NULL;

    for (size_t i = commit->count; i-- > 0;) {
        struct ms_step *step = &commit->steps[i];

        if (!ms_step_writes(step))
            continue;
        if (later != NULL && later->hash == step->hash &&
            compare_keys(&later->op->key, &step->op->key) == 0) {
            later = supersede(step, later);
        } else {
            commit->writes++;
            later = step;
        }
    }
}

/* All entries together are held to what one entry is held to. */
static bool could_ever_fit(const struct ms_commit *commit)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < commit->count; i++) {
        if (ms_step_stores(&commit->steps[i]))
            bytes += commit->steps[i].op->key.size + commit->steps[i].op->value_size +
                     ms_record_size(&commit->store->arena);
    }
    return ms_store_could_fit(commit->store, bytes);
}

/* A chunk of records lies within a segment. */
static uint32_t records_per_chunk(const memstore *store)
{
    const struct ms_arena *arena = &store->arena;

    return (uint32_t)((ms_arena_segment_size(arena) / 4 - ms_record_head_size(arena)) /
                      ms_record_size(arena));
}

static int allocate(struct ms_commit *commit, size_t n)
{
    commit->chunk_count = n / records_per_chunk(commit->store) + 1;
    commit->steps = ms_mem_alloc(n * sizeof *commit->steps);
    commit->chunks = ms_mem_alloc(commit->chunk_count * sizeof *commit->chunks);
    if (commit->steps == NULL || commit->chunks == NULL) {
        ms_commit_free(commit);
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    for (size_t i = 0; i < commit->chunk_count; i++)
        commit->chunks[i].capacity = records_per_chunk(commit->store);
    return MEMSTORE_OK;
}

#define RECORDS_TO_SPARE 64

int ms_commit_plan(struct ms_commit *commit, memstore *store, const struct ms_op *ops, size_t n)
{
    *commit = (struct ms_commit){
        .store = store, .count = n, .spare = RECORDS_TO_SPARE, .now = ms_clock_exact_ms()};

    int status = allocate(commit, n);
    if (status != MEMSTORE_OK)
        return status;
    for (size_t i = 0; i < n && status == MEMSTORE_OK; i++) {
        struct ms_step *step = &commit->steps[i];

        step->op = &ops[i];
        status = check_op(commit, step);
        if (status == MEMSTORE_OK) {
            step->hash = ms_store_hash(store, ops[i].key.data, ops[i].key.size);
            step->shard = ms_index_shard_of(&store->index, step->hash);
        } else {
            commit->refused = step->op;
        }
    }
    if (status == MEMSTORE_OK) {
        qsort(commit->steps, n, sizeof *commit->steps, compare_steps);
        supersede_all(commit);
        if (!could_ever_fit(commit))
            status = MEMSTORE_ERR_ENTRY_TOO_LARGE;
    }
    if (status != MEMSTORE_OK)
        ms_commit_free(commit);
    return status;
}

void ms_commit_free(struct ms_commit *commit)
{
    ms_mem_free(commit->steps);
    ms_mem_free(commit->chunks);
    commit->steps = NULL;
    commit->chunks = NULL;
}
