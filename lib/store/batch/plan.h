/* SPDX-License-Identifier: Apache-2.0 */
/* A batch on its way to being committed; for the files of its room.
 *
 *     plan      sort the operations by shard and key, refuse what can never be stored (plan.c)
 *     prepare   append all entries and reserve the records, no lock held (prepare.c)
 *     lock      the shards, ascending; check the conditions; make room in the tables (commit.c)
 *     publish   slots to records, commit word, slots to entries (publish.c)
 *
 * Everything that can fail comes before the first slot is changed. */
#ifndef MS_STORE_BATCH_PLAN_H
#define MS_STORE_BATCH_PLAN_H

#include "store/batch/commit.h"
#include "store/lookup.h"
#include "store/write/ttl.h"

struct ms_step {
    const struct ms_op *op;
    uint64_t hash;
    uint32_t shard;
    bool superseded;     /* another operation of the batch writes the same key in its place */
    bool is_of_nothing;  /* a TTL change of what the batch deletes */
    bool reserved_any;   /* `reserved` holds something */
    struct ms_life life; /* for sets and TTL changes */
    int64_t bounded; /* the expiry of a TTL change, bound by the age of what it is prepared from */
    uint64_t instance; /* of the entry that a TTL change was prepared from */
    struct ms_reserved reserved;
    /* Under the locks. */
    bool exists, live;
    struct ms_found found;
    struct ms_index_slot slot;
};

struct ms_record_chunk {
    struct ms_reserved reserved;
    uint32_t capacity; /* records */
};

struct ms_commit {
    memstore *store;
    struct ms_step *steps; /* sorted by shard, then key, then order */
    size_t count;
    size_t writes;  /* steps that may change a slot */
    size_t records; /* for them: fewer where some delete what is absent */
    size_t spare;   /* of these, for keys that come until the shards are locked */
    struct ms_record_chunk *chunks;
    size_t chunk_count, chunks_reserved;
    bool opened; /* what was reserved began a segment */
    /* Records are in what is kept for the reclaimer, whose lock is held. */
    bool borrows;
    struct ms_segment *loan;
    enum ms_index_wish wish; /* of the index' tables */
    uint64_t table_bytes;    /* that those take for which there was no memory, */
    uint32_t tight_shard;    /* and the first one whose that is */
    int64_t now;
    const struct ms_op *refused; /* what a refusal is about, or NULL */
};

static inline bool ms_step_writes(const struct ms_step *step)
{
    return !step->superseded && step->op->kind <= MS_OP_UPDATE_TTL;
}

static inline bool ms_step_stores(const struct ms_step *step)
{
    return ms_step_writes(step) && step->op->kind != MS_OP_DELETE;
}

/* Whether it changes a slot. All locks held. */
static inline bool ms_step_changes(const struct ms_step *step)
{
    return ms_step_stores(step) || (ms_step_writes(step) && step->exists);
}

/* Build the plan: OK, or why the first operation refused is. */
int ms_commit_plan(struct ms_commit *commit, memstore *store, const struct ms_op *ops, size_t n);
void ms_commit_free(struct ms_commit *commit);

/* Append what is to be stored; nothing for a TTL change that meets no entry. On failure nothing is
 * left reserved. MS_WRITE_AGAIN never. */
int ms_commit_prepare(struct ms_commit *commit);
/* Give up what was prepared. */
void ms_commit_abandon(struct ms_commit *commit);

/* Make the batch visible. All locks held, all conditions checked, all tables have room. */
void ms_commit_publish(struct ms_commit *commit);
/* What was prepared has been published. */
void ms_commit_land(struct ms_commit *commit);

#endif
