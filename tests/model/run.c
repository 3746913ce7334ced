/* SPDX-License-Identifier: Apache-2.0 */
#include "model/run.h"

#include "store/validate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* ---- Reporting ---- */

void run_fail(struct run *run, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "model: config %s, seed %" PRIu64 ", op %u (%s): ", run->config->name,
            run->seed, run->op, run->op_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nreplay: model_ops --config %s --seed %" PRIu64 " --ops %u --trace\n",
            run->config->name, run->seed, run->op + 1);
    fflush(stderr);
    _exit(1);
}

void run_note(struct run *run, const char *format, ...)
{
    va_list args;

    if (!run->trace)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

/* ---- Comparing ---- */

void run_expect(struct run *run, const char *call, int got, int wanted)
{
    if (got != wanted)
        run_fail(run, "%s gave %s, expected %s", call, memstore_status_name(got),
                 memstore_status_name(wanted));
}

/* A refusal for want of room. With nothing pinned, eviction always makes room, and without
 * eviction the store is full. */
static bool may_refuse(const struct run *run, int status)
{
    if (!run->config->tight)
        return false;
    if (status == MEMSTORE_ERR_CACHE_FULL || status == MEMSTORE_ERR_SHARD_OVERFLOW)
        return !run->config->evicts;
    return run->held > 0 &&
           (status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED);
}

static void count_refusal(struct run *run, int status)
{
    memstore_stats *counts = &run->model.counts;

    counts->rejected_too_large += status == MEMSTORE_ERR_ENTRY_TOO_LARGE;
    counts->rejected_invalid_ttl +=
        status == MEMSTORE_ERR_INVALID_TTL || status == MEMSTORE_ERR_TTL_EXPIRED;
    counts->rejected_full += status == MEMSTORE_ERR_CACHE_FULL;
    counts->rejected_memory += status == MEMSTORE_ERR_MEMORY_EXHAUSTED ||
                               status == MEMSTORE_ERR_GC_PRESSURE ||
                               status == MEMSTORE_ERR_SHARD_OVERFLOW;
    counts->rejected_condition +=
        status == MEMSTORE_ERR_KEY_EXISTS || status == MEMSTORE_ERR_VERSION_MISMATCH ||
        status == MEMSTORE_ERR_NOT_A_NUMBER || status == MEMSTORE_ERR_KEY_NOT_FOUND;
    counts->rejected_ttl_expired += status == MEMSTORE_ERR_TTL_EXPIRED;
    counts->rejected_gc_pressure += status == MEMSTORE_ERR_GC_PRESSURE;
    counts->rejected_shard_overflow += status == MEMSTORE_ERR_SHARD_OVERFLOW;
    counts->rejected_key_exists += status == MEMSTORE_ERR_KEY_EXISTS;
    counts->rejected_key_not_found += status == MEMSTORE_ERR_KEY_NOT_FOUND;
    counts->rejected_version_mismatch += status == MEMSTORE_ERR_VERSION_MISMATCH;
    counts->rejected_not_a_number += status == MEMSTORE_ERR_NOT_A_NUMBER;
}

bool run_settle(struct run *run, const char *call, int got, int wanted)
{
    count_refusal(run, got);
    if (got != wanted && wanted == MEMSTORE_OK && may_refuse(run, got)) {
        run_note(run, "  %s refused: %s\n", call, memstore_status_name(got));
        return false;
    }
    run_expect(run, call, got, wanted);
    return got == MEMSTORE_OK;
}

void run_sync(struct run *run, struct model_entry *entry)
{
    if (!run->config->evicts)
        return;

    const int status = memstore_has(run->store, entry->key, entry->key_size);
    if (status == MEMSTORE_OK && !model_is_live(entry))
        run_fail(run, "key %td is there and should not be", entry - run->model.entries);
    if (status == MEMSTORE_OK || !model_is_live(entry))
        return;
    run_expect(run, "has", status, MEMSTORE_ERR_KEY_NOT_FOUND);
    model_remove(entry);
    run->evicted++;
}

void run_sync_all(struct run *run)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        run_sync(run, &run->model.entries[i]);
}

static void check_value(struct run *run, const struct model_entry *entry, const void *value,
                        size_t size)
{
    if (size != entry->size || (size > 0 && memcmp(value, entry->value, size) != 0))
        run_fail(run, "key %td holds %zu bytes that differ from the %zu written last",
                 entry - run->model.entries, size, entry->size);
}

void run_check_view(struct run *run, struct model_entry *entry, const memstore_view *view)
{
    model_read(&run->model, entry);
    const int64_t expires =
        entry->expiry == MODEL_NEVER ? 0 : run->model.unix_now + (entry->expiry - run->model.now);

    check_value(run, entry, view->data, view->size);
    if (view->data == NULL)
        run_fail(run, "a view of an entry has no data");
    if (view->expires_at_ms != expires)
        run_fail(run, "a view expires at %" PRId64 ", expected %" PRId64, view->expires_at_ms,
                 expires);
    if (!model_note_version(entry, view->version))
        run_fail(run, "version %" PRIu64 " of key %td, told before: %" PRIu64 " or an older write",
                 view->version, entry - run->model.entries, entry->version);
}

/* A buffer one byte too small gets the size and nothing else. */
static void check_short_buffer(struct run *run, const struct model_entry *entry)
{
    unsigned char byte = 0xa5;
    size_t size = 0;
    const size_t cap = entry->size == 1 ? 0 : 1;

    run_expect(run, "get into a short buffer",
               memstore_get(run->store, entry->key, entry->key_size, &byte, cap, &size),
               MEMSTORE_ERR_BUFFER_TOO_SMALL);
    if (size != entry->size || byte != 0xa5)
        run_fail(run, "a short buffer got size %zu of %zu, or was written to", size, entry->size);
}

static void check_copy(struct run *run, struct model_entry *entry)
{
    unsigned char *buffer = malloc(entry->size + 1);
    size_t size = 0;

    run_expect(
        run, "get",
        memstore_get(run->store, entry->key, entry->key_size, buffer, entry->size + 1, &size),
        MEMSTORE_OK);
    check_value(run, entry, buffer, size);
    model_read(&run->model, entry);
    free(buffer);
}

static void check_absent(struct run *run, const struct model_entry *entry)
{
    memstore_view view = {.size = 1};
    size_t size = 1;

    if (test_one_in(&run->rng, 2)) {
        run_expect(run, "get",
                   memstore_get(run->store, entry->key, entry->key_size, NULL, 0, &size),
                   MEMSTORE_ERR_KEY_NOT_FOUND);
        if (size != 0)
            run_fail(run, "a miss gave the size %zu", size);
    } else {
        run_expect(run, "get_view",
                   memstore_get_view(run->store, entry->key, entry->key_size, &view),
                   MEMSTORE_ERR_KEY_NOT_FOUND);
        if (view.data != NULL || view.size != 0 || view.pin != NULL || view.version != 0)
            run_fail(run, "a miss left something in the view");
    }
}

void run_check_entry(struct run *run, struct model_entry *entry)
{
    const unsigned how = (unsigned)test_below(&run->rng, 4);
    memstore_view view;

    if (model_is_live(entry) && how == 0 && entry->size > 0) {
        /* Nothing was read, so nothing is counted: the caller is going to come back. */
        check_short_buffer(run, entry);
        return;
    }
    run->model.counts.hits += model_is_live(entry);
    run->model.counts.misses += !model_is_live(entry);
    if (!model_is_live(entry)) {
        check_absent(run, entry);
    } else if (how == 1) {
        run_expect(run, "get_view",
                   memstore_get_view(run->store, entry->key, entry->key_size, &view), MEMSTORE_OK);
        run_check_view(run, entry, &view);
        memstore_view_release(&view);
        if (view.data != NULL || view.pin != NULL)
            run_fail(run, "a released view is not zero");
    } else {
        check_copy(run, entry);
    }
}

/* What was written is there at once, and what was refused left no trace. */
void run_check_after(struct run *run, struct model_entry *entry)
{
    const int wanted = model_is_live(entry) ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND;

    /* A write that was refused may have evicted before it gave up. */
    if (run->config->tight && run->config->evicts && run->held > 0)
        run_sync(run, entry);
    else
        run_expect(run, "has after a write", memstore_has(run->store, entry->key, entry->key_size),
                   wanted);
    if (test_one_in(&run->rng, 4))
        run_check_entry(run, entry);
}

/* ---- Choosing ---- */

struct model_entry *run_pick(struct run *run)
{
    /* Every other operation falls on one of eight keys, so that much happens to them. */
    const uint64_t among = test_one_in(&run->rng, 2) ? 8 : MODEL_KEYS;

    return &run->model.entries[test_below(&run->rng, among)];
}

int64_t run_pick_valid_ttl(struct run *run)
{
    static const int64_t scales[] = {
        20, 1000, 60000, 3600000, INT64_C(100) * 86400000, INT64_C(10000000000000)};
    const struct model_rules *rules = &run->model.rules;
    int64_t ttl;

    switch (test_below(&run->rng, 4)) {
    case 0:
        return MEMSTORE_TTL_NONE;
    case 1:
        return MEMSTORE_TTL_DEFAULT;
    default:
        ttl = 1 + (int64_t)test_below(
                      &run->rng, (uint64_t)scales[test_below(&run->rng, TEST_COUNT_OF(scales))]);
    }
    if (ttl < rules->min_ttl)
        ttl = rules->min_ttl;
    return rules->max_ttl > 0 && ttl > rules->max_ttl ? rules->max_ttl : ttl;
}

int64_t run_pick_ttl(struct run *run)
{
    const struct model_rules *rules = &run->model.rules;

    if (!test_one_in(&run->rng, 20))
        return run_pick_valid_ttl(run);
    switch (test_below(&run->rng, 5)) {
    case 0:
        return -2;
    case 1:
        return INT64_MIN;
    case 2:
        return INT64_MAX;
    case 3:
        return rules->min_ttl > 0 ? rules->min_ttl - 1 : -1000;
    default:
        return rules->max_ttl > 0 ? rules->max_ttl + 1 : -1000;
    }
}

static size_t pick_size(struct run *run)
{
    switch (test_below(&run->rng, 24)) {
    case 0:
    case 1:
        return 0;
    case 2:
    case 3:
        return test_below(&run->rng, 4096);
    case 4:
        return run->config->big_value / 2 + test_below(&run->rng, run->config->big_value / 2 + 1);
    default:
        return test_below(&run->rng, test_one_in(&run->rng, 2) ? 16 : 300);
    }
}

unsigned char *run_pick_value(struct run *run, size_t *size)
{
    if (test_one_in(&run->rng, 6)) {
        char text[24];

        *size = (size_t)snprintf(text, sizeof text, "%" PRId64,
                                 (int64_t)test_random(&run->rng) >> test_below(&run->rng, 64));
        unsigned char *number = malloc(sizeof text);
        return memcpy(number, text, sizeof text);
    }
    *size = pick_size(run);
    if (*size > run->config->big_value)
        *size = run->config->big_value;

    unsigned char *bytes = test_bytes(*size, test_random(&run->rng));
    bytes[0] = 'v'; /* never a number */
    return bytes;
}

const char *run_pick_pattern(struct run *run, bool *well_formed)
{
    static const char *const good[] = {
        "",          "*",      "acct/*",    "acct/?",    "acct/eu/*",   "*1*",   "[a-c]*",
        "[^a]*",     "*/eu/*", "b[a-m]k/*", "tx-[0-9]",  "tx-[^3-57]*", "??",    "*?",
        "acct*1",    "**9",    "\\a*",      "[\\]t]x-*", "k*k",         "*k*k*", "no such",
        "acct/eu/1", "[5]*",   "[x-z0-4]*", "?*?"};
    static const char *const bad[] = {"[", "acct/[0-9", "abc\\", "*[", "*\\", "[a-", "[^", "[\\"};

    *well_formed = !test_one_in(&run->rng, 8);
    return *well_formed ? good[test_below(&run->rng, TEST_COUNT_OF(good))]
                        : bad[test_below(&run->rng, TEST_COUNT_OF(bad))];
}

/* ---- Statistics ---- */

static void compare(struct run *run, const char *name, uint64_t got, uint64_t wanted)
{
    if (got != wanted)
        run_fail(run, "stats: %s is %" PRIu64 ", expected %" PRIu64, name, got, wanted);
}

static void check_expirations(struct run *run, uint64_t got)
{
    const uint64_t most = run->model.counts.expirations;
    const uint64_t least = most - run->model.cleared_ran_out;

    if (got < least || got > most)
        run_fail(run, "stats: expirations is %" PRIu64 ", expected %" PRIu64 " to %" PRIu64, got,
                 least, most);
}

static void check_memory(struct run *run)
{
    const memstore_memory_stats memory = test_memory(run->store);
    const uint64_t bytes = model_keys_and_values(&run->model);
    const unsigned entries = model_size(&run->model);

    if (memory.charged > memory.limit || memory.limit != memstore_capacity(run->store))
        run_fail(run, "memory: charged %" PRIu64 " of %" PRIu64, memory.charged, memory.limit);
    /* Between 8 bytes of head an entry and the longest form with its padding, which is that to a multiple
     * of a 4-GiB-th of the addresses: some four times the limit. */
    const uint64_t padding = memory.limit >> 29;
    if (memory.live < bytes + 8 * entries || memory.live > bytes + (64 + padding) * entries)
        run_fail(run, "memory: %" PRIu64 " live bytes for %u entries of %" PRIu64 " bytes",
                 memory.live, entries, bytes);
    if (memory.live + memory.dead > memory.charged)
        run_fail(run, "memory: live %" PRIu64 " and dead %" PRIu64 " of %" PRIu64 " charged",
                 memory.live, memory.dead, memory.charged);
    if (run->held == 0)
        compare(run, "pinned", memory.pinned, 0);
}

/* Each refused write is counted under its status, and in no other counter. */
static void check_refusals(struct run *run, const memstore_stats *got, const memstore_stats *wanted)
{
    compare(run, "rejected_too_large", got->rejected_too_large, wanted->rejected_too_large);
    compare(run, "rejected_invalid_ttl", got->rejected_invalid_ttl, wanted->rejected_invalid_ttl);
    compare(run, "rejected_ttl_expired", got->rejected_ttl_expired, wanted->rejected_ttl_expired);
    compare(run, "rejected_full", got->rejected_full, wanted->rejected_full);
    compare(run, "rejected_memory", got->rejected_memory, wanted->rejected_memory);
    compare(run, "rejected_gc_pressure", got->rejected_gc_pressure, wanted->rejected_gc_pressure);
    compare(run, "rejected_shard_overflow", got->rejected_shard_overflow,
            wanted->rejected_shard_overflow);
    compare(run, "rejected_condition", got->rejected_condition, wanted->rejected_condition);
    compare(run, "rejected_key_exists", got->rejected_key_exists, wanted->rejected_key_exists);
    compare(run, "rejected_key_not_found", got->rejected_key_not_found,
            wanted->rejected_key_not_found);
    compare(run, "rejected_version_mismatch", got->rejected_version_mismatch,
            wanted->rejected_version_mismatch);
    compare(run, "rejected_not_a_number", got->rejected_not_a_number,
            wanted->rejected_not_a_number);
    compare(run, "rejected_timeout", got->rejected_timeout, 0);
}

/* Everything is reclaimed and counted first, so that the counters are exact. */
void run_check_stats(struct run *run)
{
    const memstore_stats *wanted = &run->model.counts;

    run_sync_all(run);
    run_expect(run, "maintain", memstore_maintain(run->store, 0), MEMSTORE_OK);
    run_settle_due(run);
    run_sync_all(run);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        if (run->model.entries[i].state == MODEL_RAN_OUT)
            model_remove(&run->model.entries[i]);
    }

    const memstore_stats got = test_stats(run->store);
    compare(run, "entries", got.entries, model_size(&run->model));
    compare(run, "size", memstore_size(run->store), model_size(&run->model));
    compare(run, "hits", got.hits, wanted->hits);
    compare(run, "misses", got.misses, wanted->misses);
    compare(run, "sets", got.sets, wanted->sets);
    compare(run, "deletes", got.deletes, wanted->deletes);
    /* An entry may be evicted to make room for its own next value. */
    compare(run, "updates + evictions", got.updates + got.evictions,
            wanted->updates + run->evicted);
    if (!run->config->evicts)
        compare(run, "evictions", got.evictions, 0);
    check_expirations(run, got.expirations);
    check_refusals(run, &got, wanted);
    check_memory(run);
}

void run_check_validity(struct run *run)
{
    const char *const problem = ms_store_validate(run->store);

    if (problem != NULL)
        run_fail(run, "an invariant does not hold: %s", problem);
}
