/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/scenario.h"

#include "common/bench_key.h"
#include "common/process_memory.h"
#include "common/random.h"
#include <inttypes.h>
#include <stdio.h>

enum { LARGEST_VALUE = 1 << 20 };

void scenario_warm_up(void)
{
    memstore *store = scenario_open(16 << 20);
    memstore_view view;

    if (!store)
        return;
    for (uint64_t id = 0; id < 1000; id++)
        scenario_set(store, id, 1000, id % 2 ? 1 : MEMSTORE_TTL_NONE);
    if (memstore_get_view(store, "key-0000000000000000", SCENARIO_KEY_SIZE, &view) == MEMSTORE_OK)
        memstore_view_release(&view);
    memstore_delete(store, "key-0000000000000000", SCENARIO_KEY_SIZE);
    memstore_destroy(store);
}

memstore *scenario_open(uint64_t memory_limit)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;
    char text[32];
    int status = MEMSTORE_ERR_MEMORY_EXHAUSTED;

    snprintf(text, sizeof text, "%" PRIu64, memory_limit);
    if (config && memstore_config_set(config, "performance.memory_limit", text) == MEMSTORE_OK)
        status = memstore_open(config, &store);
    if (status != MEMSTORE_OK)
        fprintf(stderr, "bench_memory: no store of %s bytes: %s\n", text,
                memstore_strerror(status));
    memstore_config_free(config);
    return store;
}

int scenario_set(memstore *store, uint64_t id, size_t size, int64_t ttl_ms)
{
    /* Zero but for the id at the front: the bytes do not matter, and they are not to cost memory
     * of their own. */
    static unsigned char value[LARGEST_VALUE];
    char key[BENCH_KEY_SIZE];

    bench_key_format(key, id);
    memcpy(value, &id, sizeof id);
    return memstore_set(store, key, sizeof key, value, size < sizeof value ? size : sizeof value,
                        ttl_ms);
}

uint64_t scenario_growth(uint64_t before)
{
    uint64_t now = process_resident_bytes();

    return now > before ? now - before : 0;
}

bool scenario_verdict(struct json *json, const char *name, bool reached)
{
    printf("    %s: %s\n", name, reached ? "reached" : "MISSED");
    json_bool(json, name, reached);
    return reached;
}
