/* SPDX-License-Identifier: Apache-2.0 */
/* Writers who outrun a tiny limit: every write gets in or is told why not, the limit holds at
 * every moment, nothing hangs. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS 3000
#define OLDEST_VIEWS 2

struct scenario {
    const char *name;
    const char *settings[8];
    size_t big;
    bool views;  /* a thread pins entries all the time */
    bool evicts; /* else writes get CACHE_FULL */
};

static const struct scenario scenarios[] = {
    {"256 KiB, entries of 64 KiB",
     {"performance.memory_limit=256KiB", "shards=4", "performance.lock_timeout=60s"},
     64000,
     false,
     true},
    {"256 KiB, small entries",
     {"performance.memory_limit=256KiB", "shards=1", "performance.lock_timeout=60s"},
     200,
     false,
     true},
    {"1 MiB, lru, mixed",
     {"performance.memory_limit=1MiB", "eviction=lru", "performance.lock_timeout=60s"},
     40000,
     false,
     true},
    {"1 MiB, fifo, mixed",
     {"performance.memory_limit=1MiB", "eviction=fifo", "shards=16",
      "performance.lock_timeout=60s"},
     40000,
     false,
     true},
    {"1 MiB, none",
     {"performance.memory_limit=1MiB", "eviction=none", "shards=16",
      "performance.lock_timeout=60s"},
     3000,
     false,
     false},
    {"1 MiB, pinned",
     {"performance.memory_limit=1MiB", "shards=16", "performance.lock_timeout=20ms"},
     20000,
     true,
     true},
    {"8 MiB, large entries",
     {"performance.memory_limit=8MiB", "shards=16", "performance.lock_timeout=60s"},
     1500000,
     false,
     true},
};

static memstore *store;
static const struct scenario *scenario;
static uint64_t seed;
static atomic_uint_least64_t stored, refused, found;

static bool may_refuse(int status)
{
    if (status == MEMSTORE_ERR_CACHE_FULL || status == MEMSTORE_ERR_SHARD_OVERFLOW)
        return !scenario->evicts;
    /* Who pins is waited for briefly, and so is a maintenance thread that has no processor. */
    return scenario->views &&
           (status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED ||
            status == MEMSTORE_ERR_LOCK_TIMEOUT);
}

static void write_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    unsigned char *value = malloc(scenario->big + sizeof(struct test_stamp));

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&rng, KEYS);
        const size_t size = sizeof(struct test_stamp) + test_below(&rng, scenario->big);

        test_stamp_write(value, size, (struct test_stamp){.key = key, .writer = number});
        const int status = memstore_set(store, &key, sizeof key, value, size,
                                        test_one_in(&rng, 3) ? (int64_t)test_below(&rng, 20) : 0);
        if (may_refuse(status)) {
            atomic_fetch_add(&refused, 1);
            if (!scenario->evicts)
                (void)memstore_delete(store, &key, sizeof key);
            continue;
        }
        CHECK_OK(status);
        atomic_fetch_add(&stored, 1);
    }
    free(value);
}

static void read_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    memstore_view held[OLDEST_VIEWS] = {{0}};
    unsigned char *buffer = malloc(scenario->big + sizeof(struct test_stamp));

    (void)context;
    for (unsigned i = 0; test_team_goes_on(); i++) {
        const uint64_t key = test_below(&rng, KEYS);
        memstore_view *view = &held[i % OLDEST_VIEWS];
        struct test_stamp stamp;
        size_t size = 0;

        memstore_view_release(view);
        const int status = scenario->views ? memstore_get_view(store, &key, sizeof key, view)
                                           : memstore_get(store, &key, sizeof key, buffer,
                                                          scenario->big + sizeof stamp, &size);
        if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
            continue;
        CHECK_OK(status);
        CHECK(scenario->views ? test_stamp_read(view->data, view->size, &stamp)
                              : test_stamp_read(buffer, size, &stamp));
        CHECK(stamp.key == key);
        atomic_fetch_add(&found, 1);
    }
    memstore_view_release_many(held, OLDEST_VIEWS);
    free(buffer);
}

static void watch_limit(unsigned number, void *context)
{
    (void)number;
    (void)context;
    while (test_team_goes_on()) {
        const memstore_memory_stats memory = test_memory(store);

        if (memory.charged > memory.limit)
            test_fail(__FILE__, __LINE__, "charged %" PRIu64 " of %" PRIu64, memory.charged,
                      memory.limit);
        test_sleep_ms(1);
    }
}

static uint64_t count_there(void)
{
    uint64_t there = 0;

    for (uint64_t key = 0; key < KEYS; key++)
        there += memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
    return there;
}

/* The entries that a full reading finds are those that size tells. */
static void check_end(void)
{
    test_sleep_ms(40); /* the longest TTL */
    CHECK_OK(memstore_reconfigure(store, "performance.lock_timeout", "60s"));
    CHECK(test_size_agrees(store, count_there));
    CHECK_OK(memstore_clear(store));
    CHECK(memstore_size(store) == 0);
    CHECK_OK(memstore_maintain(store, 0));
    CHECK(test_memory(store).live == 0);
}

/* Entries have been stored, and have gone where they may. */
static bool has_done_enough(void)
{
    return atomic_load(&stored) > 0 && (!scenario->evicts || test_stats(store).evictions > 0);
}

static void run_scenario(double seconds)
{
    struct test_team team = {0};

    store = test_open_list(scenario->settings);
    test_team_start(&team, 3, write_keys, NULL);
    test_team_start(&team, 2, read_keys, NULL);
    test_team_start(&team, 1, watch_limit, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    const memstore_stats stats = test_stats(store);
    CHECK(scenario->evicts ? stats.evictions > 0 : stats.evictions == 0);
    check_end();
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 6);

    seed = test_seed("stress_eviction");
    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++) {
        scenario = &scenarios[i];
        atomic_store(&stored, 0);
        atomic_store(&refused, 0);
        atomic_store(&found, 0);
        run_scenario(seconds / TEST_COUNT_OF(scenarios));
        printf("ok   %s: %" PRIu64 " stored, %" PRIu64 " refused, %" PRIu64 " found\n",
               scenario->name, (uint64_t)atomic_load(&stored), (uint64_t)atomic_load(&refused),
               (uint64_t)atomic_load(&found));
        CHECK(atomic_load(&stored) > 0);
    }
    printf("stress_eviction: %zu passed, 0 failed\n", TEST_COUNT_OF(scenarios));
    return 0;
}
