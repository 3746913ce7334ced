/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on several keys. */
#include "model/run.h"

#include <inttypes.h>
#include <stdlib.h>

struct picked {
    struct model_entry *entries[RUN_MAX_BATCH];
    memstore_key keys[RUN_MAX_BATCH];
    size_t count;
};

static bool is_first(const struct picked *picked, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (picked->entries[j] == picked->entries[i])
            return false;
    }
    return true;
}

static bool is_last(const struct picked *picked, size_t i)
{
    for (size_t j = i + 1; j < picked->count; j++) {
        if (picked->entries[j] == picked->entries[i])
            return false;
    }
    return true;
}

/* Any keys; now and then one of them twice, unless they are to be distinct. */
static void pick_keys(struct run *run, struct picked *picked, bool distinct)
{
    const size_t count = test_below(&run->rng, RUN_MAX_BATCH + 1);

    picked->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct model_entry *entry = run_pick(run);

        picked->entries[picked->count] = entry;
        picked->keys[picked->count] = (memstore_key){entry->key, entry->key_size};
        if (distinct && !is_first(picked, picked->count))
            continue;
        run_sync(run, entry);
        run_note(run, "  key %td\n", entry - run->model.entries);
        picked->count++;
    }
}

/* The real store applies what is queued before a batch that has one of its keys. */
static void settle_keys(struct run *run, const struct picked *picked)
{
    for (size_t i = 0; i < picked->count; i++)
        run_settle_key(run, picked->entries[i]);
}

/* After a write of several keys: all of them are as the model says. */
static void check_all(struct run *run, const struct picked *picked)
{
    for (size_t i = 0; i < picked->count; i++) {
        struct model_entry *entry = picked->entries[i];

        if (run->held > 0)
            run_sync(run, entry);
        run_expect(run, "has after a batch", memstore_has(run->store, entry->key, entry->key_size),
                   model_is_live(entry) ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
        if (test_one_in(&run->rng, 4))
            run_check_entry(run, entry);
    }
}

void op_set_many(struct run *run)
{
    struct picked picked;
    memstore_entry entries[RUN_MAX_BATCH];
    int64_t expiry[RUN_MAX_BATCH];
    int wanted = MEMSTORE_OK;

    pick_keys(run, &picked, false);
    for (size_t i = 0; i < picked.count; i++) {
        memstore_entry *entry = &entries[i];

        entry->key = picked.keys[i];
        entry->value = run_pick_value(run, &entry->value_size);
        entry->ttl_ms = test_one_in(&run->rng, 8) ? run_pick_ttl(run) : run_pick_valid_ttl(run);
        const int status =
            model_admit(&run->model, entry->key.size, entry->value_size, entry->ttl_ms, &expiry[i]);
        if (status == MEMSTORE_ERR_ENTRY_TOO_LARGE)
            entry->ttl_ms = MEMSTORE_TTL_DEFAULT;
        if (wanted == MEMSTORE_OK)
            wanted = status;
    }

    settle_keys(run, &picked);
    if (run_settle(run, "set_many", memstore_set_many(run->store, entries, picked.count), wanted)) {
        for (size_t i = 0; i < picked.count; i++) {
            if (is_last(&picked, i))
                model_write(&run->model, picked.entries[i], entries[i].value, entries[i].value_size,
                            expiry[i]);
        }
    }
    for (size_t i = 0; i < picked.count; i++)
        free((void *)entries[i].value);
    check_all(run, &picked);
}

void op_get_many(struct run *run)
{
    struct picked picked;
    memstore_view views[RUN_MAX_BATCH];
    size_t found = 99, live = 0;

    pick_keys(run, &picked, false);
    run_expect(run, "get_many",
               memstore_get_many(run->store, picked.keys, picked.count, views, &found),
               MEMSTORE_OK);
    for (size_t i = 0; i < picked.count; i++) {
        struct model_entry *entry = picked.entries[i];

        if ((views[i].data != NULL) != model_is_live(entry))
            run_fail(run, "get_many has key %td: %d", entry - run->model.entries,
                     views[i].data != NULL);
        if (model_is_live(entry))
            run_check_view(run, entry, &views[i]);
        live += model_is_live(entry);
    }
    if (found != live)
        run_fail(run, "get_many found %zu of %zu", found, live);
    run->model.counts.hits += live;
    run->model.counts.misses += picked.count - live;
    memstore_view_release_many(views, picked.count);
}

void op_has_many(struct run *run)
{
    struct picked picked;
    unsigned char out[RUN_MAX_BATCH];
    size_t found = 99, live = 0;

    pick_keys(run, &picked, false);
    run_expect(run, "has_many",
               memstore_has_many(run->store, picked.keys, picked.count, out, &found), MEMSTORE_OK);
    for (size_t i = 0; i < picked.count; i++) {
        if (out[i] != model_is_live(picked.entries[i]))
            run_fail(run, "has_many has key %td: %d", picked.entries[i] - run->model.entries,
                     out[i]);
        live += out[i];
    }
    if (found != live)
        run_fail(run, "has_many found %zu of %zu", found, live);
}

void op_delete_many(struct run *run)
{
    struct picked picked;
    size_t deleted = 99, live = 0;

    pick_keys(run, &picked, false);
    settle_keys(run, &picked);
    run_expect(run, "delete_many",
               memstore_delete_many(run->store, picked.keys, picked.count, &deleted), MEMSTORE_OK);
    for (size_t i = 0; i < picked.count; i++) {
        live += model_is_live(picked.entries[i]);
        if (model_is_live(picked.entries[i]))
            model_remove(picked.entries[i]);
    }
    if (deleted != live)
        run_fail(run, "delete_many deleted %zu of %zu", deleted, live);
    run->model.counts.deletes += live;
    check_all(run, &picked);
}

/* ---- memstore_batch ---- */

enum step_kind { STEP_SET, STEP_DELETE, STEP_UPDATE_TTL, STEP_EXPECT_VERSION, STEP_EXPECT_ABSENT };

/* Up to two steps a key: a condition and an operation. */
struct step {
    enum step_kind kind;
    struct model_entry *entry;
    unsigned char *value;
    size_t size;
    int64_t ttl, expiry;
    uint64_t version;
    int wanted; /* what this step alone would give */
};

struct steps {
    struct step at[2 * RUN_MAX_BATCH];
    size_t count;
};

static uint64_t pick_version(struct run *run, struct model_entry *entry)
{
    memstore_view view;

    if (test_one_in(&run->rng, 8))
        return entry->older_count > 0 ? entry->older[0] : 0;
    if (!model_is_live(entry))
        return 0;
    run->model.counts.hits++;
    run_expect(run, "get_view", memstore_get_view(run->store, entry->key, entry->key_size, &view),
               MEMSTORE_OK);
    run_check_view(run, entry, &view);
    memstore_view_release(&view);
    return entry->version;
}

static void plan_condition(struct run *run, struct step *step)
{
    struct model_entry *entry = step->entry;

    if (!model_is_live(entry) || test_one_in(&run->rng, 16)) {
        step->kind = STEP_EXPECT_ABSENT;
        step->wanted = model_is_live(entry) ? MEMSTORE_ERR_KEY_EXISTS : MEMSTORE_OK;
        return;
    }
    step->kind = STEP_EXPECT_VERSION;
    step->version = pick_version(run, entry);
    step->wanted = step->version == entry->version && step->version != 0
                       ? MEMSTORE_OK
                       : MEMSTORE_ERR_VERSION_MISMATCH;
}

static void plan_operation(struct run *run, struct step *step)
{
    struct model_entry *entry = step->entry;

    switch (test_below(&run->rng, 5)) {
    case 0:
        step->kind = STEP_DELETE;
        break;
    case 1:
        step->kind = STEP_UPDATE_TTL;
        step->ttl = run_pick_valid_ttl(run);
        step->wanted = !model_is_live(entry)
                           ? MEMSTORE_ERR_KEY_NOT_FOUND
                           : model_admit_ttl(&run->model, entry, step->ttl, &step->expiry);
        break;
    default:
        step->kind = STEP_SET;
        step->value = run_pick_value(run, &step->size);
        step->ttl = test_one_in(&run->rng, 8) ? run_pick_ttl(run) : run_pick_valid_ttl(run);
        step->wanted =
            model_admit(&run->model, entry->key_size, step->size, step->ttl, &step->expiry);
        if (step->wanted == MEMSTORE_ERR_ENTRY_TOO_LARGE)
            step->ttl = MEMSTORE_TTL_DEFAULT;
    }
}

static void plan(struct run *run, struct steps *steps, struct picked *picked)
{
    pick_keys(run, picked, true);
    /* Conditions are planned by what is there. */
    for (size_t i = 0; i < picked->count; i++) {
        if (model_is_queued(&run->model, picked->entries[i]))
            run_flush(run);
    }
    steps->count = 0;
    for (size_t i = 0; i < picked->count; i++) {
        const bool conditional = test_one_in(&run->rng, 3);

        if (conditional) {
            struct step *step = &steps->at[steps->count++];
            *step = (struct step){.entry = picked->entries[i]};
            plan_condition(run, step);
        }
        if (!conditional || test_one_in(&run->rng, 2)) {
            struct step *step = &steps->at[steps->count++];
            *step = (struct step){.entry = picked->entries[i]};
            plan_operation(run, step);
        }
    }
}

static int add_step(memstore_batch *batch, const struct step *step)
{
    const struct model_entry *entry = step->entry;

    switch (step->kind) {
    case STEP_SET:
        return memstore_batch_set(batch, entry->key, entry->key_size, step->value, step->size,
                                  step->ttl);
    case STEP_DELETE:
        return memstore_batch_delete(batch, entry->key, entry->key_size);
    case STEP_UPDATE_TTL:
        return memstore_batch_update_ttl(batch, entry->key, entry->key_size, step->ttl);
    case STEP_EXPECT_VERSION:
        return memstore_batch_expect_version(batch, entry->key, entry->key_size, step->version);
    default:
        return memstore_batch_expect_absent(batch, entry->key, entry->key_size);
    }
}

static void apply_step(struct run *run, const struct step *step)
{
    if (step->kind == STEP_SET) {
        model_write(&run->model, step->entry, step->value, step->size, step->expiry);
    } else if (step->kind == STEP_DELETE && model_is_live(step->entry)) {
        run->model.counts.deletes++;
        model_remove(step->entry);
    } else if (step->kind == STEP_UPDATE_TTL) {
        model_retime(&run->model, step->entry, step->expiry);
    }
}

/* Any failing step may be the one that is told; TTL_EXPIRED stands for KEY_NOT_FOUND while the
 * entry is not reclaimed. */
static int expected_status(const struct steps *steps, int got)
{
    int wanted = MEMSTORE_OK;

    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->at[i];

        if (step->wanted == got && got != MEMSTORE_OK)
            return got;
        if (step->wanted == MEMSTORE_ERR_KEY_NOT_FOUND && step->entry->state == MODEL_RAN_OUT &&
            got == MEMSTORE_ERR_TTL_EXPIRED)
            return got;
        if (wanted == MEMSTORE_OK)
            wanted = step->wanted;
    }
    return wanted;
}

static bool commit(struct run *run, memstore_batch *batch, const struct steps *steps)
{
    const int got = memstore_batch_commit(batch);

    return run_settle(run, "batch_commit", got, expected_status(steps, got));
}

void op_batch(struct run *run)
{
    struct picked picked;
    struct steps steps;
    memstore_batch *batch = memstore_batch_new(run->store);

    if (batch == NULL)
        run_fail(run, "batch_new gave NULL");
    plan(run, &steps, &picked);
    for (size_t i = 0; i < steps.count; i++)
        run_expect(run, "adding to a batch", add_step(batch, &steps.at[i]), MEMSTORE_OK);

    bool done = commit(run, batch, &steps);
    if (!done && test_one_in(&run->rng, 4))
        done = commit(run, batch, &steps); /* unchanged by the failure */
    if (done) {
        for (size_t i = 0; i < steps.count; i++)
            apply_step(run, &steps.at[i]);
        model_advance(&run->model, run->model.now, run->model.unix_now);
        /* Empty by now: nothing is applied twice. */
        run_expect(run, "committing an empty batch", memstore_batch_commit(batch), MEMSTORE_OK);
    }
    memstore_batch_free(batch);
    for (size_t i = 0; i < steps.count; i++)
        free(steps.at[i].value);
    check_all(run, &picked);
}
