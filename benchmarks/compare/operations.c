/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/operations.h"

#include "common/clock.h"
#include "common/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITE_ONE_IN = 20 };

void operation_value(uint64_t id, char out[VALUE_SIZE])
{
    const uint64_t word = random_mix(id);

    memset(out, (int)(word & 0x7f), VALUE_SIZE);
    memcpy(out, &word, sizeof word);
}

static uint64_t first_word(const void *value)
{
    uint64_t word;

    memcpy(&word, value, sizeof word);
    return word;
}

static uint64_t do_get(const struct engine *engine, const struct round *round)
{
    char value[VALUE_SIZE];
    uint64_t sum = 0;
    size_t size;

    for (size_t i = 0; i < round->count; i++) {
        if (engine->get(engine->full, round->keys[i], BENCH_KEY_SIZE, value, sizeof value, &size) ==
            MEMSTORE_OK)
            sum += first_word(value);
    }
    return sum;
}

static uint64_t do_has(const struct engine *engine, const struct round *round)
{
    uint64_t found = 0;

    for (size_t i = 0; i < round->count; i++)
        found += engine->has(engine->full, round->keys[i], BENCH_KEY_SIZE) == MEMSTORE_OK;
    return found;
}

static uint64_t do_get_view(const struct engine *engine, const struct round *round)
{
    memstore_view view;
    uint64_t sum = 0;

    for (size_t i = 0; i < round->count; i++) {
        if (engine->get_view(engine->full, round->keys[i], BENCH_KEY_SIZE, &view) != MEMSTORE_OK)
            continue;
        sum += first_word(view.data);
        engine->view_release(&view);
    }
    return sum;
}

static uint64_t do_get_many(const struct engine *engine, const struct round *round)
{
    memstore_view views[BATCH];
    memstore_key keys[BATCH];
    uint64_t sum = 0;
    size_t found;

    for (size_t i = 0; i < round->count; i += BATCH) {
        for (size_t k = 0; k < BATCH; k++)
            keys[k] = (memstore_key){round->keys[i + k], BENCH_KEY_SIZE};
        if (engine->get_many(engine->full, keys, BATCH, views, &found) != MEMSTORE_OK)
            continue;
        for (size_t k = 0; k < BATCH; k++)
            sum += views[k].data != NULL ? first_word(views[k].data) : 0;
        engine->view_release_many(views, BATCH);
    }
    return sum;
}

static bool set_one(const struct engine *engine, memstore *store, const struct round *round,
                    size_t i)
{
    char value[VALUE_SIZE];

    operation_value(round->ids[i], value);
    return engine->set(store, round->keys[i], BENCH_KEY_SIZE, value, sizeof value,
                       engine->ttl_ms) == MEMSTORE_OK;
}

static uint64_t do_overwrite(const struct engine *engine, const struct round *round)
{
    uint64_t done = 0;

    for (size_t i = 0; i < round->count; i++)
        done += set_one(engine, engine->full, round, i);
    return done;
}

static uint64_t do_set_new(const struct engine *engine, const struct round *round)
{
    uint64_t done = 0;

    for (size_t i = 0; i < round->count; i++)
        done += set_one(engine, engine->pressed, round, i);
    return done;
}

static uint64_t do_set_many(const struct engine *engine, const struct round *round)
{
    char values[BATCH][VALUE_SIZE];
    memstore_entry entries[BATCH];
    uint64_t done = 0;

    for (size_t i = 0; i < round->count; i += BATCH) {
        for (size_t k = 0; k < BATCH; k++) {
            operation_value(round->ids[i + k], values[k]);
            entries[k] = (memstore_entry){
                .key = {round->keys[i + k], BENCH_KEY_SIZE},
                .value = values[k],
                .value_size = VALUE_SIZE,
                .ttl_ms = engine->ttl_ms,
            };
        }
        if (engine->set_many(engine->pressed, entries, BATCH) == MEMSTORE_OK)
            done += BATCH;
    }
    return done;
}

static uint64_t do_mixed(const struct engine *engine, const struct round *round)
{
    char value[VALUE_SIZE];
    uint64_t done = 0;
    size_t size;

    for (size_t i = 0; i < round->count; i++) {
        if (i % WRITE_ONE_IN == 0)
            done += set_one(engine, engine->full, round, i);
        else
            done += engine->get(engine->full, round->keys[i], BENCH_KEY_SIZE, value, sizeof value,
                                &size) == MEMSTORE_OK;
    }
    return done;
}

const struct operation operations[] = {
    {"get", "copy a value", do_get, true, false},
    {"has", "ask for a key", do_has, false, false},
    {"get_view", "read a value in place", do_get_view, true, false},
    {"get_many", "16 keys a call", do_get_many, true, false},
    {"overwrite", "set keys that are there", do_overwrite, false, false},
    {"mixed", "19 of 20 get, one sets", do_mixed, false, false},
    {"set_new", "set new keys, each evicts", do_set_new, false, true},
    {"set_many", "16 new keys a call", do_set_many, false, true},
};
const size_t operation_count = sizeof operations / sizeof operations[0];

/* Says why the result of an operation is not the one that was wanted, and ends the program. */
static void give_up(const struct operation *operation, const struct engine *engine, uint64_t now)
{
    if (engine->ttl_ms > 0 && now - engine->opened_ns >= (uint64_t)engine->ttl_ms * 1000000) {
        fprintf(stderr, "compare: the TTL, %lld ms, is shorter than a trial\n",
                (long long)engine->ttl_ms);
        exit(2);
    }
    fprintf(stderr, "compare: %s: %s is wrong\n", engine->path, operation->name);
    exit(1);
}

double operation_time(const struct operation *operation, const struct engine *engine,
                      const struct round *round)
{
    const uint64_t start = clock_now_ns();
    const uint64_t result = operation->run(engine, round);
    const uint64_t end = clock_now_ns();
    const uint64_t wanted = operation->sums_values ? round->value_sum : round->count;

    if (result != wanted)
        give_up(operation, engine, end);
    return (double)(end - start) / (double)round->count;
}
