/* SPDX-License-Identifier: Apache-2.0 */
/* Readers who keep entries alive, `ttl.mode: access`, while others sweep, compact and change TTLs.
 * The clock goes on when all readers have read everything since it did last; so nothing that they
 * read is ever missed, however it is moved meanwhile, and all else expires. */
#include "support/clock.h"
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <sched.h>

#define READERS 3
#define READ_KEYS 300
#define CHURNED_KEYS 3000
#define CHURNED_A_TICK 300
#define TTL_MS 16
#define TICKS 300

static memstore *store;
static uint64_t seed;
static atomic_uint_least64_t tick, done[READERS], sweeps, churned;

static memstore_key key_of(const uint64_t *key)
{
    return (memstore_key){key, sizeof *key};
}

static void read_by_get(const uint64_t *keys)
{
    for (unsigned i = 0; i < READ_KEYS; i++) {
        uint64_t value;
        size_t size;

        CHECK_OK(memstore_get(store, &keys[i], sizeof keys[i], &value, sizeof value, &size));
        CHECK(size == sizeof value && value == keys[i]);
    }
}

static void read_by_view(const uint64_t *keys)
{
    for (unsigned i = 0; i < READ_KEYS; i++) {
        memstore_view view;

        CHECK_OK(memstore_get_view(store, &keys[i], sizeof keys[i], &view));
        CHECK(memcmp(view.data, &keys[i], sizeof keys[i]) == 0);
        memstore_view_release(&view);
    }
}

static void read_by_get_many(const uint64_t *keys)
{
    memstore_key wanted[READ_KEYS];
    memstore_view views[READ_KEYS];
    size_t found;

    for (unsigned i = 0; i < READ_KEYS; i++)
        wanted[i] = key_of(&keys[i]);
    CHECK_OK(memstore_get_many(store, wanted, READ_KEYS, views, &found));
    CHECK(found == READ_KEYS);
    memstore_view_release_many(views, READ_KEYS);
}

static void read_all(unsigned number, void *context)
{
    static void (*const kinds[READERS])(const uint64_t *) = {read_by_get, read_by_view,
                                                             read_by_get_many};
    uint64_t keys[READ_KEYS];

    (void)context;
    for (unsigned i = 0; i < READ_KEYS; i++)
        keys[i] = i;
    while (test_team_goes_on()) {
        const uint64_t now = atomic_load(&tick);

        kinds[number](keys);
        atomic_store(&done[number], now);
    }
}

static bool have_all_read(uint64_t now)
{
    for (unsigned i = 0; i < READERS; i++) {
        if (atomic_load(&done[i]) < now)
            return false;
    }
    return true;
}

static void move_the_clock(unsigned number, void *context)
{
    (void)number, (void)context;
    while (test_team_goes_on()) {
        const uint64_t now = atomic_load(&tick);

        if (!have_all_read(now)) {
            sched_yield();
            continue;
        }
        test_clock_advance(1);
        atomic_store(&tick, now + 1);
    }
}

static void sweep_and_compact(unsigned number, void *context)
{
    (void)number, (void)context;
    while (test_team_goes_on()) {
        int status = memstore_maintain(store, 1000);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT);
        status = memstore_compact(store, 0.05);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT ||
              status == MEMSTORE_ERR_MEMORY_FRAGMENTATION);
        atomic_fetch_add(&sweeps, 1);
    }
}

/* Entries among those that are read, so that segments have something to sweep and to move, and TTLs
 * of those that are read, which are never shorter. */
static void churn(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        if (atomic_load(&churned) > (atomic_load(&tick) + 1) * CHURNED_A_TICK) {
            sched_yield();
            continue;
        }
        const uint64_t other = READ_KEYS + test_below(&rng, CHURNED_KEYS);
        const uint64_t read = test_below(&rng, READ_KEYS);

        CHECK_OK(memstore_set(store, &other, sizeof other, &other, sizeof other,
                              1 + (int64_t)test_below(&rng, TTL_MS)));
        if (test_one_in(&rng, 8))
            CHECK_OK(memstore_set(store, &read, sizeof read, &read, sizeof read, TTL_MS));
        if (test_one_in(&rng, 8))
            CHECK_OK(memstore_update_ttl(store, &read, sizeof read,
                                         TTL_MS + (int64_t)test_below(&rng, TTL_MS)));
        atomic_fetch_add(&churned, 1);
    }
}

static bool has_done_enough(void)
{
    return atomic_load(&tick) >= TICKS && atomic_load(&sweeps) >= 20 &&
           atomic_load(&churned) >= CHURNED_KEYS;
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 2);
    struct test_team team = {0};

    seed = test_seed("stress_sliding");
    test_clock_start();
    store = test_open("maintenance=manual", "ttl.mode=access", "performance.memory_limit=16MiB",
                      "performance.lock_timeout=1m", "shards=4", NULL);
    for (uint64_t key = 0; key < READ_KEYS; key++)
        CHECK_OK(memstore_set(store, &key, sizeof key, &key, sizeof key, TTL_MS));
    test_team_start(&team, READERS, read_all, NULL);
    test_team_start(&team, 1, move_the_clock, NULL);
    test_team_start(&team, 1, sweep_and_compact, NULL);
    test_team_start(&team, 1, churn, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    CHECK(has_done_enough() && memstore_size(store) >= READ_KEYS);
    test_clock_advance(2 * TTL_MS + 1);
    CHECK_OK(memstore_maintain(store, 0));
    CHECK(memstore_size(store) == 0 && test_memory(store).live == 0);
    CHECK(test_stats(store).evictions == 0);
    memstore_destroy(store);
    printf("stress_sliding: %" PRIu64 " ticks, %" PRIu64 " sweeps, %" PRIu64
           " changes; 1 passed, 0 failed\n",
           (uint64_t)atomic_load(&tick), (uint64_t)atomic_load(&sweeps),
           (uint64_t)atomic_load(&churned));
    return 0;
}
