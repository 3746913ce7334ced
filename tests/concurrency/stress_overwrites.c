/* SPDX-License-Identifier: Apache-2.0 */
/* Writers who overwrite what fits into half of the limit: the dead half is compacted in time, and
 * nothing is evicted for want of it, unless a thread stands still with what the others need for longer
 * than they wait for it, a tenth of a second. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>

#define VALUE_SIZE 100
/* What an entry takes: head, key, value, index slot. */
#define ENTRY_BYTES (8 + 8 + VALUE_SIZE + 8)
#define WRITERS 2
/* A writer whose call takes longer, in seconds, may have kept the others from what they need. */
#define STANDS_STILL 0.05
/* No write is refused, however long another thread has no processor. */
#define PATIENT "performance.lock_timeout=60s"

struct scenario {
    const char *name;
    const char *settings[4];
    uint64_t limit;
};

static const struct scenario scenarios[] = {
    {"4 MiB", {"performance.memory_limit=4MiB", PATIENT}, 4 << 20},
    {"4 MiB, s3fifo", {"performance.memory_limit=4MiB", "eviction=s3fifo", PATIENT}, 4 << 20},
    {"16 MiB", {"performance.memory_limit=16MiB", PATIENT}, 16 << 20},
    {"16 MiB, lru", {"performance.memory_limit=16MiB", "eviction=lru", PATIENT}, 16 << 20},
    {"64 MiB", {"performance.memory_limit=64MiB", PATIENT}, 64 << 20},
    {"64 MiB, s3fifo", {"performance.memory_limit=64MiB", "eviction=s3fifo", PATIENT}, 64 << 20},
};

/* Under ThreadSanitizer, which takes half a minute for each, without the two largest. Half of the limit is filled before:
 * it is reached when as much has been written again. */
#if defined(__SANITIZE_THREAD__)
#define SCENARIOS (TEST_COUNT_OF(scenarios) - 2)
#define TIMES 2
#else
#define SCENARIOS TEST_COUNT_OF(scenarios)
#define TIMES 3
#endif

static memstore *store;
static uint64_t seed, keys;
static atomic_uint_least64_t stored;
static atomic_bool stood_still;

static void set(uint64_t key, unsigned writer)
{
    unsigned char value[VALUE_SIZE];

    test_stamp_write(value, sizeof value, (struct test_stamp){.key = key, .writer = writer});
    CHECK_OK(memstore_set(store, &key, sizeof key, value, sizeof value, MEMSTORE_TTL_NONE));
}

static void overwrite(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const double begin = test_now();

        set(test_below(&rng, keys), number);
        if (test_now() - begin > STANDS_STILL)
            atomic_store(&stood_still, true);
        atomic_fetch_add_explicit(&stored, 1, memory_order_relaxed);
    }
}

/* As much has been written as there was, a few times over. */
static bool has_done_enough(void)
{
    return atomic_load(&stored) > TIMES * keys;
}

static bool is_there(uint64_t key)
{
    unsigned char value[VALUE_SIZE];
    struct test_stamp stamp;
    size_t size;
    const int status = memstore_get(store, &key, sizeof key, value, sizeof value, &size);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        return false;
    CHECK_OK(status);
    CHECK(test_stamp_read(value, size, &stamp) && stamp.key == key);
    return true;
}

/* Returns how many were evicted. */
static uint64_t check_that_all_are_there(void)
{
    const uint64_t evictions = test_stats(store).evictions;
    uint64_t missing = 0;

    for (uint64_t key = 0; key < keys; key++)
        missing += !is_there(key);
    CHECK(memstore_size(store) == keys - missing);
    CHECK(missing <= evictions);
    CHECK(evictions == 0 || atomic_load(&stood_still));
    return evictions;
}

static void run_scenario(const struct scenario *scenario, double seconds)
{
    struct test_team team = {0};

    atomic_store(&stored, 0);
    atomic_store(&stood_still, false);
    store = test_open_list(scenario->settings);
    keys = scenario->limit / 2 / ENTRY_BYTES;
    for (uint64_t key = 0; key < keys; key++)
        set(key, WRITERS);
    test_team_start(&team, WRITERS, overwrite, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    const uint64_t evictions = check_that_all_are_there();
    memstore_destroy(store);
    printf("ok   %s: %" PRIu64 " of %" PRIu64 " entries overwritten, %" PRIu64 " evicted\n",
           scenario->name, (uint64_t)atomic_load(&stored), keys, evictions);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_overwrites");
    for (size_t i = 0; i < SCENARIOS; i++)
        run_scenario(&scenarios[i], seconds / SCENARIOS);
    printf("stress_overwrites: %zu passed, 0 failed\n", SCENARIOS);
    return 0;
}
