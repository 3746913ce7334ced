/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on one key. */
#include "model/run.h"

#include <inttypes.h>
#include <stdlib.h>

struct write {
    struct model_entry *entry;
    unsigned char *value;
    size_t size;
    int64_t ttl;
    int wanted; /* what the size and the TTL alone would give */
    int64_t expiry;
    bool is_until; /* which no read renews */
};

static struct write pick_write(struct run *run)
{
    struct write write = {.entry = run_pick(run)};

    write.value = run_pick_value(run, &write.size);
    write.ttl = run_pick_ttl(run);
    write.wanted =
        model_admit(&run->model, write.entry->key_size, write.size, write.ttl, &write.expiry);
    if (write.wanted == MEMSTORE_ERR_ENTRY_TOO_LARGE)
        write.ttl = MEMSTORE_TTL_DEFAULT;
    run_sync(run, write.entry);
    run_note(run, "  key %td, %zu bytes, ttl %" PRId64 "\n", write.entry - run->model.entries,
             write.size, write.ttl);
    run_settle_key(run, write.entry);
    return write;
}

static void finish(struct run *run, struct write *write, const char *call, int got)
{
    if (run_settle(run, call, got, write->wanted)) {
        model_write(&run->model, write->entry, write->value, write->size, write->expiry);
        if (write->is_until)
            write->entry->ttl = 0;
    }
    free(write->value);
    run_check_after(run, write->entry);
}

void op_set(struct run *run)
{
    struct write write = pick_write(run);
    const struct model_entry *entry = write.entry;

    finish(
        run, &write, "set",
        memstore_set(run->store, entry->key, entry->key_size, write.value, write.size, write.ttl));
}

void op_set_until(struct run *run)
{
    struct write write = pick_write(run);
    const struct model_entry *entry = write.entry;
    int64_t ttl = (int64_t)test_below(&run->rng, 200000) - 20000;

    if (run->model.rules.min_ttl > 0 && ttl > 0 && !test_one_in(&run->rng, 8))
        ttl += run->model.rules.min_ttl;
    const int64_t until = run->model.unix_now + ttl;
    write.wanted =
        model_admit_until(&run->model, entry->key_size, write.size, until, &write.expiry);
    if (write.wanted == MEMSTORE_ERR_ENTRY_TOO_LARGE && ttl <= 0) {
        free(write.value); /* two reasons to refuse, and no rule which comes first */
        run_flush(run);
        return;
    }
    write.is_until = true;
    finish(run, &write, "set_until",
           memstore_set_until(run->store, entry->key, entry->key_size, write.value, write.size,
                              until));
}

void op_add(struct run *run)
{
    struct write write = pick_write(run);
    const struct model_entry *entry = write.entry;

    if (write.wanted == MEMSTORE_OK && model_is_live(entry))
        write.wanted = MEMSTORE_ERR_KEY_EXISTS;
    finish(
        run, &write, "add",
        memstore_add(run->store, entry->key, entry->key_size, write.value, write.size, write.ttl));
}

void op_replace(struct run *run)
{
    struct write write = pick_write(run);
    const struct model_entry *entry = write.entry;

    if (write.wanted == MEMSTORE_OK && !model_is_live(entry))
        write.wanted = MEMSTORE_ERR_KEY_NOT_FOUND;
    finish(run, &write, "replace",
           memstore_replace(run->store, entry->key, entry->key_size, write.value, write.size,
                            write.ttl));
}

/* The entry's version as a view tells it now; 0 when it is not live. */
static uint64_t ask_version(struct run *run, struct model_entry *entry)
{
    memstore_view view;

    if (!model_is_live(entry))
        return 0;
    run->model.counts.hits++;
    run_expect(run, "get_view", memstore_get_view(run->store, entry->key, entry->key_size, &view),
               MEMSTORE_OK);
    run_check_view(run, entry, &view);
    memstore_view_release(&view);
    return entry->version;
}

void op_compare_and_set(struct run *run)
{
    struct write write = pick_write(run);
    struct model_entry *entry = write.entry;
    uint64_t version = 0;

    run_flush(run); /* the version asked for is of what is there by now */
    switch (test_below(&run->rng, 4)) {
    case 0:
        break;
    case 1: /* an old one, or any number */
        version = entry->older_count > 0 ? entry->older[0] : test_random(&run->rng) | 1;
        break;
    default:
        version = ask_version(run, entry);
    }
    const uint64_t current = model_is_live(entry) ? ask_version(run, entry) : 0;
    if (write.wanted == MEMSTORE_OK && version != current)
        write.wanted = MEMSTORE_ERR_VERSION_MISMATCH;
    finish(run, &write, "compare_and_set",
           memstore_compare_and_set(run->store, entry->key, entry->key_size, write.value,
                                    write.size, write.ttl, version));
}

/* What an increment must give; the sum in `text`. */
static int admit_increment(const struct run *run, const struct model_entry *entry, int64_t delta,
                           int64_t initial, int64_t ttl, char text[24], int64_t *expiry)
{
    int64_t before = initial, sum;

    if (model_is_live(entry) && !model_number(entry, &before))
        return MEMSTORE_ERR_NOT_A_NUMBER;
    if (__builtin_add_overflow(before, delta, &sum))
        return MEMSTORE_ERR_NOT_A_NUMBER;
    snprintf(text, 24, "%" PRId64, sum);

    const int status = model_admit(&run->model, entry->key_size, strlen(text), ttl, expiry);
    if (model_is_live(entry))
        *expiry = entry->ttl != 0 ? run->model.now + entry->ttl : entry->expiry;
    return status;
}

void op_increment(struct run *run)
{
    struct model_entry *entry = run_pick(run);
    const int64_t delta =
        test_one_in(&run->rng, 10) ? INT64_MAX : (int64_t)test_below(&run->rng, 2000) - 1000;
    const int64_t initial =
        test_one_in(&run->rng, 10) ? INT64_MIN : (int64_t)test_below(&run->rng, 100);
    const int64_t ttl = run_pick_valid_ttl(run);
    int64_t expiry = 0, result = -77;
    char text[24] = "";

    run_sync(run, entry);
    run_settle_key(run, entry);
    run_note(run, "  key %td, delta %" PRId64 "\n", entry - run->model.entries, delta);

    const int wanted = admit_increment(run, entry, delta, initial, ttl, text, &expiry);
    const int got =
        memstore_increment(run->store, entry->key, entry->key_size, delta, initial, ttl, &result);
    if (run_settle(run, "increment", got, wanted)) {
        if (result != strtoll(text, NULL, 10))
            run_fail(run, "increment gave %" PRId64 ", expected %s", result, text);
        const bool keeps_ttl = model_is_live(entry);
        const int64_t kept = entry->ttl;

        model_write(&run->model, entry, text, strlen(text), expiry);
        if (keeps_ttl)
            entry->ttl = kept;
    }
    run_check_after(run, entry);
}

void op_get(struct run *run)
{
    struct model_entry *entry = run_pick(run);

    run_sync(run, entry);
    run_note(run, "  key %td\n", entry - run->model.entries);
    run_check_entry(run, entry);
}

void op_hold_view(struct run *run)
{
    struct model_entry *entry = run_pick(run);
    struct run_view *held = &run->views[run->held];

    run_sync(run, entry);
    if (!model_is_live(entry) || run->held >= run->config->views)
        return;
    run->model.counts.hits++;
    run_expect(run, "get_view",
               memstore_get_view(run->store, entry->key, entry->key_size, &held->view),
               MEMSTORE_OK);
    run_check_view(run, entry, &held->view);
    held->bytes = malloc(held->view.size + 1);
    memcpy(held->bytes, held->view.data, held->view.size);
    run->held++;
}

void run_release_view(struct run *run, unsigned which)
{
    struct run_view *held = &run->views[which];

    if (memcmp(held->bytes, held->view.data, held->view.size) != 0)
        run_fail(run, "the bytes of a held view changed");
    memstore_view_release(&held->view);
    free(held->bytes);
    *held = run->views[--run->held];
}

void op_release_view(struct run *run)
{
    if (run->held > 0)
        run_release_view(run, (unsigned)test_below(&run->rng, run->held));
}

void op_has(struct run *run)
{
    struct model_entry *entry = run_pick(run);

    run_sync(run, entry);
    run_expect(run, "has", memstore_has(run->store, entry->key, entry->key_size),
               model_is_live(entry) ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
}

void op_delete(struct run *run)
{
    struct model_entry *entry = run_pick(run);

    run_sync(run, entry);
    run_note(run, "  key %td\n", entry - run->model.entries);
    run_settle_key(run, entry);
    run_expect(run, "delete", memstore_delete(run->store, entry->key, entry->key_size),
               model_is_live(entry) ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
    if (model_is_live(entry)) {
        run->model.counts.deletes++;
        model_remove(entry);
    }
    run_expect(run, "has after delete", memstore_has(run->store, entry->key, entry->key_size),
               MEMSTORE_ERR_KEY_NOT_FOUND);
}

/* An entry that ran out may be told as just that, or as absent once it is reclaimed. */
static int missing_status(const struct model_entry *entry, int got)
{
    return entry->state == MODEL_RAN_OUT && got == MEMSTORE_ERR_TTL_EXPIRED
               ? got
               : MEMSTORE_ERR_KEY_NOT_FOUND;
}

static void check_created(struct run *run, const struct model_entry *entry)
{
    int64_t created = -1;
    const int got = memstore_get_created(run->store, entry->key, entry->key_size, &created);

    if (!run->model.rules.keeps_created) {
        run_expect(run, "get_created", got, MEMSTORE_ERR_UNSUPPORTED);
        return;
    }
    run_expect(run, "get_created", got,
               model_is_live(entry) ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
    /* As the wall clock stands now: it may have been stepped since. */
    const int64_t wanted = run->model.unix_now - (run->model.now - entry->written);
    if (got == MEMSTORE_OK && created != wanted)
        run_fail(run, "created at %" PRId64 ", expected %" PRId64, created, wanted);
}

void op_query_ttl(struct run *run)
{
    struct model_entry *entry = run_pick(run);
    int64_t ttl = -1, until = -1;

    run_sync(run, entry);
    check_created(run, entry);

    const int got = memstore_get_ttl(run->store, entry->key, entry->key_size, &ttl);
    const int again = memstore_get_expiration(run->store, entry->key, entry->key_size, &until);
    int wanted = missing_status(entry, got);
    if (model_is_live(entry))
        wanted = entry->expiry == MODEL_NEVER ? MEMSTORE_ERR_TTL_NOT_SET : MEMSTORE_OK;
    run_expect(run, "get_ttl", got, wanted);
    run_expect(run, "get_expiration", again,
               model_is_live(entry) ? wanted : missing_status(entry, again));
    if (got != MEMSTORE_OK)
        return;

    const int64_t left = entry->expiry - run->model.now;
    if (ttl != left || until != run->model.unix_now + left)
        run_fail(run, "ttl %" PRId64 " until %" PRId64 ", expected %" PRId64 " until %" PRId64, ttl,
                 until, left, run->model.unix_now + left);
}

void op_update_ttl(struct run *run)
{
    struct model_entry *entry = run_pick(run);
    int64_t ttl = run_pick_ttl(run), expiry = 0;

    run_sync(run, entry);
    if (test_one_in(&run->rng, 2))
        run_flush(run);
    const uint64_t version = !model_is_queued(&run->model, entry) && test_one_in(&run->rng, 2)
                                 ? ask_version(run, entry)
                                 : 0;
    run_settle_key(run, entry);
    if (!model_is_live(entry))
        /* else there are two reasons to refuse; a story says which comes first */
        ttl = MEMSTORE_TTL_DEFAULT;
    run_note(run, "  key %td, ttl %" PRId64 "\n", entry - run->model.entries, ttl);

    const int got = memstore_update_ttl(run->store, entry->key, entry->key_size, ttl);
    if (!model_is_live(entry)) {
        run_settle(run, "update_ttl", got, missing_status(entry, got));
        run_expect(run, "has after update_ttl",
                   memstore_has(run->store, entry->key, entry->key_size),
                   MEMSTORE_ERR_KEY_NOT_FOUND);
        return;
    }
    if (run_settle(run, "update_ttl", got, model_admit_ttl(&run->model, entry, ttl, &expiry)))
        model_retime(&run->model, entry, expiry);
    /* Bounded by its age, the entry may have run out at once. */
    model_advance(&run->model, run->model.now, run->model.unix_now);
    run_sync(run, entry);
    if (version != 0 && model_is_live(entry) && ask_version(run, entry) != version)
        run_fail(run, "update_ttl changed the version");
    if (model_is_live(entry))
        run_check_entry(run, entry);
}
