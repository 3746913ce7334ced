/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that an entry costs above its key and value, and what a store without entries costs. */
#include "memory/scenario.h"

#include "common/clock.h"
#include "common/process_memory.h"
#include <inttypes.h>
#include <stdio.h>

static const double most_overhead = 18.0;
static const uint64_t most_when_empty = 1 << 20;

#define SETTLED_NS 2500000000u

struct shape {
    const char *name;
    uint64_t entries;
    size_t value_size;
};

/* Writes all entries below the limit, so that what is measured is the entries and not what
 * eviction left. */
static bool fill(memstore *store, const struct shape *shape)
{
    for (uint64_t id = 0; id < shape->entries; id++) {
        int status = scenario_set(store, id, shape->value_size, MEMSTORE_TTL_NONE);

        if (status != MEMSTORE_OK) {
            fprintf(stderr, "bench_memory: entry %" PRIu64 ": %s\n", id,
                    memstore_status_name(status));
            return false;
        }
    }
    if (memstore_size(store) == shape->entries)
        return true;
    fprintf(stderr, "bench_memory: %" PRIu64 " of %" PRIu64 " entries are left\n",
            memstore_size(store), shape->entries);
    return false;
}

static bool measure_shape(const struct shape *shape, struct json *json)
{
    uint64_t plain = shape->entries * (SCENARIO_KEY_SIZE + shape->value_size);
    memstore_memory_stats memory = {.struct_size = sizeof memory};
    double overhead, charged;
    uint64_t before, resident;
    memstore *store;
    bool ok;

    scenario_warm_up();
    before = process_resident_bytes();
    store = scenario_open(plain + shape->entries * 100 + (64 << 20));
    if (!store)
        return false;
    ok = fill(store, shape);
    /* What was made ahead of the writer goes back when it has stopped for a second, which is looked at each second. */
    clock_sleep_ns(SETTLED_NS);
    resident = scenario_growth(before);
    memstore_get_memory_stats(store, &memory);
    overhead = ((double)resident - (double)plain) / (double)shape->entries;
    charged = ((double)memory.charged - (double)plain) / (double)shape->entries;
    printf("  %s: %.2f B resident above key and value for each of %" PRIu64
           " entries (charged to the limit: %.2f)\n",
           shape->name, overhead, shape->entries, charged);
    json_string(json, "shape", shape->name);
    json_unsigned(json, "entries", shape->entries);
    json_unsigned(json, "key_value_bytes", plain);
    json_unsigned(json, "resident_growth_bytes", resident);
    json_unsigned(json, "charged_bytes", memory.charged);
    json_unsigned(json, "index_bytes", memory.index);
    json_unsigned(json, "bookkeeping_bytes", memory.overhead);
    json_number(json, "overhead_per_entry", overhead);
    ok = scenario_verdict(json, "at most 18 B an entry", overhead <= most_overhead) && ok;
    memstore_destroy(store);
    return ok;
}

bool scenario_overhead_small(const struct scenario_options *options, struct json *json)
{
    struct shape shape = {"2 M x (20 + 32 B)", options->entries ? options->entries : 2000000, 32};

    return measure_shape(&shape, json);
}

bool scenario_overhead_large(const struct scenario_options *options, struct json *json)
{
    struct shape shape = {"1 M x (20 + 500 B)", options->entries ? options->entries : 1000000, 500};

    return measure_shape(&shape, json);
}

bool scenario_empty(const struct scenario_options *options, struct json *json)
{
    uint64_t before, growth;
    memstore *store;
    bool ok;

    (void)options;
    scenario_warm_up();
    before = process_resident_bytes();
    store = scenario_open(1000000000);
    if (!store)
        return false;
    growth = scenario_growth(before);
    printf("  an empty store with a limit of 1 GB: %.1f KiB resident\n", (double)growth / 1024.0);
    json_unsigned(json, "resident_growth_bytes", growth);
    ok = scenario_verdict(json, "at most 1 MiB", growth <= most_when_empty);
    memstore_destroy(store);
    return ok;
}
