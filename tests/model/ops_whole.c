/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the whole store, and time. */
#include "model/run.h"

#include "support/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void follow_clock(struct run *run)
{
    model_advance(&run->model, test_clock_monotonic(), test_clock_unix());
}

/* Half of the steps stop a millisecond before, at or after the moment that some entry runs out. */
void op_advance(struct run *run)
{
    static const int64_t most[] = {10, 1000, 60000, 3600000, INT64_C(60) * 86400000};
    const struct model_entry *entry = run_pick(run);
    /* In segments of more than 46 days renewed expiries are rounded up. */
    const size_t which =
        test_below(&run->rng, TEST_COUNT_OF(most) - (run->model.rules.slides ? 1 : 0));
    int64_t step = (int64_t)test_below(&run->rng, (uint64_t)most[which]);

    if (model_is_live(entry) && entry->expiry - run->model.now < INT64_C(200) * 86400000 &&
        test_one_in(&run->rng, 2))
        step = entry->expiry - run->model.now + (int64_t)test_below(&run->rng, 3) - 1;
    else if (!test_one_in(&run->rng, 4))
        step %= 2000;
    run_sync_all(run); /* what is gone by now was evicted, and did not run out */
    run_note(run, "  by %" PRId64 " ms\n", step);
    test_clock_advance(step);
    follow_clock(run);
}

/* In whole minutes, so that rounding falls on the same moments of both clocks. */
void op_step_unix(struct run *run)
{
    const int64_t step = 60000 * ((int64_t)test_below(&run->rng, 100000) - 50000);

    run_sync_all(run);
    test_clock_step_unix(step);
    follow_clock(run);
}

void op_maintain(struct run *run)
{
    const bool all = test_one_in(&run->rng, 2);
    int status;

    run_sync_all(run);
    do {
        status = memstore_maintain(run->store, all ? 0 : (int64_t)test_below(&run->rng, 50) + 1);
    } while (!all && status == MEMSTORE_ERR_LOCK_TIMEOUT);
    run_expect(run, "maintain", status, MEMSTORE_OK);
    run_settle_due(run);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        if (run->model.entries[i].state == MODEL_RAN_OUT)
            model_remove(&run->model.entries[i]);
    }
}

void op_compact(struct run *run)
{
    const double bound = (double)test_below(&run->rng, 5) / 4;
    const int got = memstore_compact(run->store, bound);

    /* Pins keep segments where they are, and a full store may have no room to move anything to. */
    if (got == MEMSTORE_ERR_MEMORY_FRAGMENTATION && (run->held > 0 || run->config->tight))
        return;
    run_expect(run, "compact", got, MEMSTORE_OK);

    const memstore_memory_stats memory = test_memory(run->store);
    if ((double)memory.dead > bound * (double)(memory.live + memory.dead))
        run_fail(run, "compact(%g) left %" PRIu64 " dead bytes beside %" PRIu64 " live ones", bound,
                 memory.dead, memory.live);
}

void op_clear(struct run *run)
{
    run_sync_all(run);
    run_expect(run, "clear", memstore_clear(run->store), MEMSTORE_OK);
    run_settle_all(run);
    model_clear(&run->model);
    if (memstore_size(run->store) != 0)
        run_fail(run, "size after clear is %" PRIu64, memstore_size(run->store));
}

void op_size(struct run *run)
{
    run_sync_all(run);
    if (memstore_size(run->store) != model_size(&run->model))
        run_fail(run, "size is %" PRIu64 ", expected %u", memstore_size(run->store),
                 model_size(&run->model));
}

/* ---- Patterns ---- */

static bool wanted_by(const struct model_entry *entry, const char *pattern)
{
    return model_is_live(entry) &&
           model_matches(pattern, strlen(pattern), entry->key, entry->key_size);
}

static unsigned count_wanted(const struct run *run, const char *pattern)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MODEL_KEYS; i++)
        count += wanted_by(&run->model.entries[i], pattern);
    return count;
}

struct visit {
    struct run *run;
    const char *pattern;
    unsigned met[MODEL_KEYS];
    unsigned count, stop_after;
};

static int visit_key(const void *key, size_t key_size, void *context)
{
    struct visit *visit = context;
    const struct model_entry *entry = model_find(&visit->run->model, key, key_size);

    if (entry == NULL || !wanted_by(entry, visit->pattern))
        run_fail(visit->run, "keys(\"%s\") gave a key that is not there or does not match",
                 visit->pattern);
    if (visit->met[entry - visit->run->model.entries]++ > 0)
        run_fail(visit->run, "keys(\"%s\") gave key %td twice", visit->pattern,
                 entry - visit->run->model.entries);
    return ++visit->count == visit->stop_after;
}

void op_keys(struct run *run)
{
    bool well_formed;
    struct visit visit = {.run = run, .pattern = run_pick_pattern(run, &well_formed)};

    run_sync_all(run);
    visit.stop_after = test_one_in(&run->rng, 4) ? 3 : 0;
    run_note(run, "  \"%s\"\n", visit.pattern);
    run_expect(run, "keys",
               memstore_keys(run->store, visit.pattern, strlen(visit.pattern), visit_key, &visit),
               well_formed ? MEMSTORE_OK : MEMSTORE_ERR_INVALID_PATTERN);

    unsigned wanted = well_formed ? count_wanted(run, visit.pattern) : 0;
    if (visit.stop_after > 0 && wanted > visit.stop_after)
        wanted = visit.stop_after;
    if (visit.count != wanted)
        run_fail(run, "keys(\"%s\") gave %u keys, expected %u", visit.pattern, visit.count, wanted);
}

void op_count(struct run *run)
{
    bool well_formed;
    const char *pattern = run_pick_pattern(run, &well_formed);
    uint64_t count = 0;

    run_sync_all(run);
    run_note(run, "  \"%s\"\n", pattern);
    run_expect(run, "count_by_pattern",
               memstore_count_by_pattern(run->store, pattern, strlen(pattern), &count),
               well_formed ? MEMSTORE_OK : MEMSTORE_ERR_INVALID_PATTERN);
    if (well_formed && count != count_wanted(run, pattern))
        run_fail(run, "count_by_pattern(\"%s\") gave %" PRIu64 ", expected %u", pattern, count,
                 count_wanted(run, pattern));
}

void op_delete_by_pattern(struct run *run)
{
    bool well_formed;
    const char *pattern = run_pick_pattern(run, &well_formed);
    uint64_t deleted = 0;

    run_sync_all(run);
    run_note(run, "  \"%s\"\n", pattern);
    run_expect(run, "delete_by_pattern",
               memstore_delete_by_pattern(run->store, pattern, strlen(pattern), &deleted),
               well_formed ? MEMSTORE_OK : MEMSTORE_ERR_INVALID_PATTERN);
    run_settle_all(run);
    if (!well_formed)
        return;

    const unsigned wanted = count_wanted(run, pattern);
    if (deleted != wanted)
        run_fail(run, "delete_by_pattern(\"%s\") deleted %" PRIu64 ", expected %u", pattern,
                 deleted, wanted);
    run->model.counts.deletes += wanted;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        if (wanted_by(&run->model.entries[i], pattern))
            model_remove(&run->model.entries[i]);
    }
}

/* ---- The cursor: it stays open while other operations go on ---- */

static void open_cursor(struct run *run)
{
    bool well_formed;

    run->cursor_pattern = test_one_in(&run->rng, 2) ? "" : run_pick_pattern(run, &well_formed);
    if (run->cursor_pattern[0] == '\0')
        well_formed = true;
    run_sync_all(run);
    run_expect(run, "cursor_new",
               memstore_cursor_new(run->store, run->cursor_pattern, strlen(run->cursor_pattern),
                                   &run->cursor),
               well_formed ? MEMSTORE_OK : MEMSTORE_ERR_INVALID_PATTERN);
    if (!well_formed && run->cursor != NULL)
        run_fail(run, "a refused cursor is not NULL");
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        struct model_entry *entry = &run->model.entries[i];

        entry->throughout = entry->sometime = model_is_live(entry);
        entry->met = 0;
    }
}

static void meet(struct run *run, const memstore_key *key)
{
    struct model_entry *entry = model_find(&run->model, key->data, key->size);

    if (entry == NULL || !entry->sometime ||
        !model_matches(run->cursor_pattern, strlen(run->cursor_pattern), entry->key,
                       entry->key_size))
        run_fail(run, "the cursor gave a key that was never there or does not match");
    entry->met++;
}

static void finish_cursor(struct run *run)
{
    run_sync_all(run);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        const struct model_entry *entry = &run->model.entries[i];
        const bool matches = model_matches(run->cursor_pattern, strlen(run->cursor_pattern),
                                           entry->key, entry->key_size);

        if (entry->throughout && entry->met != matches)
            run_fail(run, "the cursor gave key %u %u times, expected %d", i, entry->met, matches);
    }
}

void run_close_cursor(struct run *run)
{
    memstore_cursor_free(run->cursor);
    run->cursor = NULL;
}

void op_cursor(struct run *run)
{
    if (run->cursor == NULL) {
        open_cursor(run);
        return;
    }
    for (uint64_t steps = 1 + test_below(&run->rng, 40); steps > 0; steps--) {
        memstore_key key;
        const int status = memstore_cursor_next(run->cursor, &key);

        if (status == MEMSTORE_OK) {
            meet(run, &key);
            continue;
        }
        run_expect(run, "cursor_next", status, MEMSTORE_ERR_KEY_NOT_FOUND);
        finish_cursor(run);
        run_close_cursor(run);
        return;
    }
}

/* ---- Statistics ---- */

void op_stats(struct run *run)
{
    const memstore_stats *counts = &run->model.counts;
    const double reads = (double)(counts->hits + counts->misses);
    const double wanted = reads > 0 ? (double)counts->hits / reads : 0;

    if (fabs(memstore_get_hit_rate(run->store) - wanted) > 1e-9)
        run_fail(run, "hit rate is %g, expected %g", memstore_get_hit_rate(run->store), wanted);
    run_check_stats(run);
}

void op_reset_stats(struct run *run)
{
    run_check_stats(run); /* counts what has run out before the counters start again */
    run_expect(run, "reset_stats", memstore_reset_stats(run->store), MEMSTORE_OK);
    run->model.counts = (memstore_stats){0};
    run->model.cleared_ran_out = 0;
    run->evicted = 0;
    run_check_stats(run);
}

/* ---- Calls that make no sense change nothing ---- */

void op_bad_arguments(struct run *run)
{
    const struct model_entry *entry = run_pick(run);
    const memstore_key empty = {entry->key, 0};
    const memstore_entry nothing = {{entry->key, entry->key_size}, NULL, 5, 0};
    memstore *store = run->store;
    size_t size;

    run_expect(run, "set without a key", memstore_set(store, NULL, 3, "v", 1, 0),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "set with an empty key", memstore_set(store, entry->key, 0, "v", 1, 0),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "set_async without a value",
               memstore_set_async(store, entry->key, entry->key_size, NULL, 1, 0),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "set without a value",
               memstore_set(store, entry->key, entry->key_size, NULL, 1, 0),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "set_many without a value", memstore_set_many(store, &nothing, 1),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "delete_many of an empty key", memstore_delete_many(store, &empty, 1, &size),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "get into nothing",
               memstore_get(store, entry->key, entry->key_size, NULL, 1, &size),
               MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "compact(1.5)", memstore_compact(store, 1.5), MEMSTORE_ERR_INVALID_ARGUMENT);
    run_expect(run, "maintain(-1)", memstore_maintain(store, -1), MEMSTORE_ERR_INVALID_ARGUMENT);
}
