/* SPDX-License-Identifier: Apache-2.0 */
/* How soon after their expiry entries are gone, and their memory is there again, when nobody
 * touches the store. */
#include "memory/scenario.h"

#include "common/clock.h"
#include "common/process_memory.h"
#include <inttypes.h>
#include <stdio.h>

enum { VALUE_SIZE = 100, TTL_MS = 2000, GIVE_UP_MS = 20000 };

static const double most_seconds = 0.5;

static uint64_t reusable_bytes(memstore *store)
{
    memstore_memory_stats memory = {.struct_size = sizeof memory};

    if (memstore_get_memory_stats(store, &memory) != MEMSTORE_OK)
        return 0;
    return memory.free + (memory.limit > memory.charged ? memory.limit - memory.charged : 0);
}

struct expiry_times {
    /* seconds after the last entry's expiry; below 0 = not yet */
    double size_zero, memory_reusable, memory_returned;
};

/* Watches until all three have happened. Reading the counters is no access to an entry. */
static struct expiry_times watch(memstore *store, uint64_t last_expiry_ns, uint64_t reusable_before,
                                 uint64_t resident_before)
{
    struct expiry_times times = {-1.0, -1.0, -1.0};

    for (;;) {
        uint64_t now = clock_now_ns();
        double after = now > last_expiry_ns ? (double)(now - last_expiry_ns) * 1e-9 : 0.0;

        if (times.size_zero < 0.0 && memstore_size(store) == 0)
            times.size_zero = after;
        /* All but what the index and the bookkeeping keep: 5 % of what was free at first. */
        if (times.memory_reusable < 0.0 && reusable_bytes(store) >= reusable_before / 100 * 95)
            times.memory_reusable = after;
        if (times.memory_returned < 0.0 && scenario_growth(resident_before) <= reusable_before / 10)
            times.memory_returned = after;
        if ((times.size_zero >= 0.0 && times.memory_reusable >= 0.0 &&
             times.memory_returned >= 0.0) ||
            after > GIVE_UP_MS / 1e3)
            return times;
        clock_sleep_ns(5000000);
    }
}

/* Whether the memory is not only said to be free: as many bytes again are written without an
 * eviction. */
static bool refill_without_eviction(memstore *store, uint64_t entries)
{
    memstore_stats before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    bool ok = memstore_get_stats(store, &before) == MEMSTORE_OK;

    for (uint64_t id = 0; ok && id < entries; id++)
        ok = scenario_set(store, entries + id, VALUE_SIZE, MEMSTORE_TTL_NONE) == MEMSTORE_OK;
    ok = ok && memstore_get_stats(store, &after) == MEMSTORE_OK;
    return ok && after.evictions == before.evictions && memstore_size(store) == entries;
}

static void report_time(struct json *json, const char *what, const char *name, double seconds)
{
    if (seconds < 0.0)
        printf("  %s: not within %d s\n", what, GIVE_UP_MS / 1000);
    else
        printf("  %s: %.3f s after the last expiry\n", what, seconds);
    json_number(json, name, seconds < 0.0 ? -1.0 : seconds);
}

static bool fill(memstore *store, uint64_t entries)
{
    for (uint64_t id = 0; id < entries; id++) {
        int status = scenario_set(store, id, VALUE_SIZE, TTL_MS);

        if (status != MEMSTORE_OK) {
            fprintf(stderr, "bench_memory: entry %" PRIu64 ": %s\n", id,
                    memstore_status_name(status));
            return false;
        }
    }
    return true;
}

bool scenario_ttl(const struct scenario_options *options, struct json *json)
{
    uint64_t entries = options->entries ? options->entries : 1000000;
    uint64_t resident, reusable;
    struct expiry_times times;
    memstore *store;
    bool ok, refilled;

    scenario_warm_up();
    resident = process_resident_bytes();
    store = scenario_open(entries * (SCENARIO_KEY_SIZE + VALUE_SIZE + 40) + (16 << 20));
    if (!store)
        return false;
    reusable = reusable_bytes(store);
    ok = fill(store, entries);
    printf("  %" PRIu64 " entries of %d B with %d ms; %.1f MiB resident\n", memstore_size(store),
           VALUE_SIZE, TTL_MS, (double)scenario_growth(resident) / 1048576.0);
    times = watch(store, clock_now_ns() + TTL_MS * UINT64_C(1000000), reusable, resident);
    json_unsigned(json, "entries", entries);
    json_unsigned(json, "resident_after_bytes", scenario_growth(resident));
    printf("  %.1f MiB are still resident\n", (double)scenario_growth(resident) / 1048576.0);
    refilled = refill_without_eviction(store, entries);
    report_time(json, "size() is 0", "size_zero_seconds", times.size_zero);
    report_time(json, "95 % of the limit is free again", "memory_reusable_seconds",
                times.memory_reusable);
    report_time(json, "90 % went back to the system", "memory_returned_seconds",
                times.memory_returned);
    ok = scenario_verdict(json, "as many entries again fit without an eviction", refilled) && ok;
    ok = scenario_verdict(json, "within 0.5 s of the last expiry",
                          times.size_zero >= 0.0 && times.size_zero <= most_seconds &&
                              times.memory_reusable >= 0.0 &&
                              times.memory_reusable <= most_seconds) &&
         ok;
    memstore_destroy(store);
    return ok;
}
