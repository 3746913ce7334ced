/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the limit holds while sizes, TTLs, overwrites and deletes are mixed as badly as they
 * come. */
#include "memory/scenario.h"

#include "common/clock.h"
#include "common/process_memory.h"
#include "common/random.h"
#include <inttypes.h>
#include <stdio.h>

/* Sizes are log-normal: half below 400 B, one in a thousand above 40 KiB, now and then a large
 * one. Keys come from a range several times what fits, so that writes evict, overwrite and meet
 * deleted keys. */
static const double median_size = 400.0, size_sigma = 1.5;
static const double large_share = 0.0005;
static const size_t large_size = 256 * 1024, largest_size = 512 * 1024;
static const uint64_t keys_per_mib = 4000;

enum { SAMPLE_EVERY = 2000 };

struct churn {
    const struct scenario_options *options;
    memstore *store;
    struct random_state random;
    uint64_t keys;
    uint64_t resident_before, resident_most, charged_most;
    uint64_t sets, deletes, gets, refused;
};

static size_t draw_size(struct churn *churn)
{
    double size = median_size * exp(size_sigma * random_normal(&churn->random));

    if (random_unit(&churn->random) < large_share)
        size = (double)large_size * (1.0 + random_unit(&churn->random));
    return size<1.0 ? 1 : size>(double) largest_size ? largest_size : (size_t)size;
}

/* A third never expires; the others live from 10 ms to 10 s, evenly in the logarithm. */
static int64_t draw_ttl(struct churn *churn)
{
    if (random_unit(&churn->random) < 1.0 / 3.0)
        return MEMSTORE_TTL_NONE;
    return (int64_t)(10.0 * exp(random_unit(&churn->random) * log(1000.0)));
}

static void step(struct churn *churn)
{
    double draw = random_unit(&churn->random);
    uint64_t id = random_below(&churn->random, churn->keys);
    char key[SCENARIO_KEY_SIZE + 1];

    /* A quarter of the requests go to the first hundredth of the keys, so that some entries stay
     * and age. */
    if (random_unit(&churn->random) < 0.25)
        id /= 100;
    if (draw < 0.6) {
        int status = scenario_set(churn->store, id, draw_size(churn), draw_ttl(churn));

        churn->sets++;
        churn->refused += status != MEMSTORE_OK;
        return;
    }
    snprintf(key, sizeof key, "key-%016" PRIx64, id);
    if (draw < 0.75) {
        memstore_delete(churn->store, key, SCENARIO_KEY_SIZE);
        churn->deletes++;
    } else {
        memstore_view view;

        if (memstore_get_view(churn->store, key, SCENARIO_KEY_SIZE, &view) == MEMSTORE_OK)
            memstore_view_release(&view);
        churn->gets++;
    }
}

static void sample(struct churn *churn)
{
    memstore_memory_stats memory = {.struct_size = sizeof memory};
    uint64_t resident = scenario_growth(churn->resident_before);

    if (resident > churn->resident_most)
        churn->resident_most = resident;
    if (memstore_get_memory_stats(churn->store, &memory) == MEMSTORE_OK &&
        memory.charged > churn->charged_most)
        churn->charged_most = memory.charged;
}

static bool report(const struct churn *churn, struct json *json)
{
    uint64_t limit = churn->options->memory_limit;
    uint64_t bound = limit + limit / 50 + (1 << 20);
    memstore_stats stats = {.struct_size = sizeof stats};
    bool ok;

    memstore_get_stats(churn->store, &stats);
    printf("  %" PRIu64 " sets (%" PRIu64 " refused), %" PRIu64 " deletes, %" PRIu64
           " gets; %" PRIu64 " evictions, %" PRIu64 " expirations; %" PRIu64 " entries left\n",
           churn->sets, churn->refused, churn->deletes, churn->gets, stats.evictions,
           stats.expirations, stats.entries);
    printf("  limit %.2f MiB: most resident %.2f MiB (%.2f %%), most charged %.2f MiB (%.2f %%)\n",
           (double)limit / 1048576.0, (double)churn->resident_most / 1048576.0,
           100.0 * (double)churn->resident_most / (double)limit,
           (double)churn->charged_most / 1048576.0,
           100.0 * (double)churn->charged_most / (double)limit);
    json_unsigned(json, "limit_bytes", limit);
    json_unsigned(json, "seed", churn->options->seed);
    json_unsigned(json, "resident_most_bytes", churn->resident_most);
    json_unsigned(json, "charged_most_bytes", churn->charged_most);
    json_unsigned(json, "sets", churn->sets);
    json_unsigned(json, "refused", churn->refused);
    json_unsigned(json, "evictions", stats.evictions);
    json_unsigned(json, "expirations", stats.expirations);
    ok = scenario_verdict(json, "never above the limit + 2 % + 1 MiB",
                          churn->resident_most <= bound);
    return scenario_verdict(json, "no write refused", churn->refused == 0) && ok;
}

bool scenario_churn(const struct scenario_options *options, struct json *json)
{
    struct churn churn = {.options = options,
                          .keys = options->memory_limit / 1048576 * keys_per_mib + 1};
    uint64_t end = clock_now_ns() + (uint64_t)(options->churn_seconds * 1e9);
    bool ok;

    random_seed(&churn.random, options->seed);
    scenario_warm_up();
    churn.resident_before = process_resident_bytes();
    churn.store = scenario_open(options->memory_limit);
    if (!churn.store)
        return false;
    while (clock_now_ns() < end) {
        for (unsigned i = 0; i < SAMPLE_EVERY; i++)
            step(&churn);
        sample(&churn);
    }
    ok = report(&churn, json);
    memstore_destroy(churn.store);
    return ok;
}
