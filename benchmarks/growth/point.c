/* SPDX-License-Identifier: Apache-2.0 */
#include "growth/point.h"

#include "common/bench_key.h"
#include "common/clock.h"
#include "common/random.h"

#include <memstore/memstore.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_NS 1000000u
/* Calls for each thread and kind, and no more than so many bytes of values. */
#define CALLS 300000u
#define BYTES_MOST (1u << 30)

static void check(int status, const char *what)
{
    if (status == MEMSTORE_OK)
        return;
    fprintf(stderr, "bench_growth: %s: %s\n", what, memstore_strerror(status));
    exit(1);
}

static memstore *open_store(const struct point *point)
{
    memstore_config *config = memstore_config_new();
    memstore *store;
    char text[32];
    /* Room for all, index and ends of segments included. */
    const uint64_t each = BENCH_KEY_SIZE + point->value_size + point->value_size / 8 + 40;

    snprintf(text, sizeof text, "%llu", (unsigned long long)(point->entries * each + (64u << 20)));
    check(memstore_config_set(config, "performance.memory_limit", text), "memory_limit");
    snprintf(text, sizeof text, "%u", point->shards);
    check(memstore_config_set(config, "shards", text), "shards");
    check(memstore_open(config, &store), "open");
    memstore_config_free(config);
    return store;
}

static void put(memstore *store, uint64_t id, char *value, size_t size)
{
    char key[BENCH_KEY_SIZE];

    bench_key_format(key, id);
    memcpy(value, &id, sizeof id);
    check(memstore_set(store, key, sizeof key, value, size, 0), "set");
}

static void fill(memstore *store, const struct point *point, char *value, struct cost *cost)
{
    const uint64_t begin = clock_now_ns();
    uint64_t last = begin;

    for (uint64_t id = 0; id < point->entries; id++) {
        put(store, id, value, point->value_size);
        const uint64_t now = clock_now_ns();
        if (now - last > cost->longest_set)
            cost->longest_set = now - last;
        cost->slow_sets += now - last > SLOW_NS;
        last = now;
    }
    cost->fill = (double)(last - begin) / (double)point->entries;
}

struct worker {
    memstore *store;
    const struct point *point;
    uint64_t seed, calls;
    bool writes;
    double each;
    char *value;
    pthread_t thread;
};

static void read_one(const struct worker *worker, uint64_t id)
{
    char key[BENCH_KEY_SIZE];
    uint64_t word;
    size_t size;

    bench_key_format(key, id);
    check(memstore_get(worker->store, key, sizeof key, worker->value, worker->point->value_size,
                       &size),
          "get");
    memcpy(&word, worker->value, sizeof word);
    if (word != id || size != worker->point->value_size) {
        fprintf(stderr, "bench_growth: a value is wrong\n");
        exit(1);
    }
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct random_state random;

    random_seed(&random, worker->seed);
    const uint64_t begin = clock_now_ns();
    for (uint64_t i = 0; i < worker->calls; i++) {
        const uint64_t id = random_below(&random, worker->point->entries);
        if (worker->writes)
            put(worker->store, id, worker->value, worker->point->value_size);
        else
            read_one(worker, id);
    }
    worker->each = (double)(clock_now_ns() - begin) / (double)worker->calls;
    return NULL;
}

static char *new_value(size_t size)
{
    char *value = calloc(1, size);

    if (value == NULL)
        abort();
    return value;
}

/* The mean over the threads. */
static double run(memstore *store, const struct point *point, bool writes)
{
    struct worker workers[POINT_MOST_THREADS];
    const uint64_t most = BYTES_MOST / point->value_size;
    double sum = 0;

    for (unsigned i = 0; i < point->threads; i++) {
        workers[i] = (struct worker){.store = store,
                                     .point = point,
                                     .seed = i + 1,
                                     .calls = CALLS < most ? CALLS : most,
                                     .writes = writes,
                                     .value = new_value(point->value_size)};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < point->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        free(workers[i].value);
        sum += workers[i].each;
    }
    return sum / point->threads;
}

struct cost point_measure(const struct point *point)
{
    memstore *store = open_store(point);
    char *value = new_value(point->value_size);
    memstore_memory_stats memory = {.struct_size = sizeof memory};
    struct cost cost = {0};

    fill(store, point, value, &cost);
    check(memstore_get_memory_stats(store, &memory), "memory_stats");
    cost.bytes_an_entry = (double)memory.charged / (double)point->entries - BENCH_KEY_SIZE -
                          (double)point->value_size;
    cost.get = run(store, point, false);
    cost.overwrite = run(store, point, true);
    free(value);
    memstore_destroy(store);
    return cost;
}
