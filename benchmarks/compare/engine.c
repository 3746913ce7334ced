/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/engine.h"

#include "common/bench_key.h"
#include "common/clock.h"
#include "common/random.h"
#include "compare/operations.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes of limit for each entry of the store that has room for all, and of the other. */
enum { ROOM_EACH = 256, ROOM_PRESSED = 64 };
/* How often each key is set before anything is measured, by mean: as many bytes as the first store may have. Memory that is
 * used for the first time costs what the system takes for it, which can be more than all the rest. */
enum { SETS_EACH = 3 };

static void *function_of(const struct engine *engine, const char *name)
{
    void *found = dlsym(engine->library, name);

    if (found == NULL) {
        fprintf(stderr, "compare: %s has no %s\n", engine->path, name);
        exit(2);
    }
    return found;
}

void engine_load(struct engine *engine, const char *path, int64_t ttl_ms)
{
    *engine = (struct engine){
        .path = path, .library = dlopen(path, RTLD_NOW | RTLD_LOCAL), .ttl_ms = ttl_ms};
    if (engine->library == NULL) {
        fprintf(stderr, "compare: %s\n", dlerror());
        exit(2);
    }
#define ENGINE_FIND(name)                                                                          \
    engine->name = (__typeof__(engine->name))function_of(engine, "memstore_" #name);
    ENGINE_FUNCTIONS(ENGINE_FIND)
#undef ENGINE_FIND
}

static void check(const struct engine *engine, int status, const char *what)
{
    if (status == MEMSTORE_OK)
        return;
    fprintf(stderr, "compare: %s: %s gives %d\n", engine->path, what, status);
    exit(2);
}

static memstore *open_store(const struct engine *engine, uint64_t bytes)
{
    const uint64_t least = 4u << 20;
    memstore_config *config = engine->config_new();
    memstore *store;
    char limit[32];

    snprintf(limit, sizeof limit, "%llu", (unsigned long long)(bytes > least ? bytes : least));
    check(engine, engine->config_set(config, "performance.memory_limit", limit), "memory_limit");
    check(engine, engine->config_set(config, "huge_pages", "on"), "huge_pages");
    check(engine, engine->open(config, &store), "open");
    engine->config_free(config);
    return store;
}

static void fill(const struct engine *engine, memstore *store, uint64_t id)
{
    char key[BENCH_KEY_SIZE], value[VALUE_SIZE];

    bench_key_format(key, id);
    operation_value(id, value);
    check(engine, engine->set(store, key, BENCH_KEY_SIZE, value, VALUE_SIZE, engine->ttl_ms),
          "set");
}

void engine_open(struct engine *engine, uint64_t entries)
{
    struct random_state random;

    engine->opened_ns = clock_now_ns();
    engine->full = open_store(engine, entries * ROOM_EACH + (16u << 20));
    engine->pressed = open_store(engine, entries * ROOM_PRESSED);
    for (uint64_t id = 0; id < entries; id++) {
        fill(engine, engine->full, id);
        fill(engine, engine->pressed, id);
    }
    random_seed(&random, 2);
    for (uint64_t n = entries; n < SETS_EACH * entries; n++)
        fill(engine, engine->full, random_below(&random, entries));
}

void engine_close(struct engine *engine)
{
    engine->destroy(engine->full);
    engine->destroy(engine->pressed);
}
