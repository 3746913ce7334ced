/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous writes from many threads, mixed with every other kind of write: a key's writes take
 * effect in the order of its owner's calls, a flush shows them, and closing loses none. */
#include "store/store.h"
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#define OWNERS 4
#define KEYS_EACH 12
#define MAX_VALUE 3000

struct scenario {
    const char *name;
    const char *settings[8];
    bool evicts;
    bool changes; /* the settings of the queue, and the limit, while it works */
};

/* Nobody gives up waiting for a lock, however busy the machine is. */
static const struct scenario scenarios[] = {
    {"small batches, often due",
     {"shards=4", "performance.batch_size=7", "performance.batch_timeout=1ms",
      "performance.lock_timeout=60s"},
     false,
     false},
    {"batches of the default size", {"shards=64", "performance.lock_timeout=60s"}, false, false},
    {"one writer at a time",
     {"shards=4", "performance.batch_size=20", "performance.max_concurrent_writers=1",
      "performance.lock_timeout=60s"},
     false,
     false},
    {"little memory",
     {"shards=4", "performance.memory_limit=512KiB", "performance.batch_timeout=1ms",
      "performance.lock_timeout=60s"},
     true,
     false},
    {"manual maintenance",
     {"shards=4", "maintenance=manual", "performance.batch_size=13",
      "performance.lock_timeout=60s"},
     false,
     false},
    {"settings that change",
     {"shards=4", "performance.memory_limit=8MiB", "performance.lock_timeout=60s"},
     true,
     true},
};

static memstore *store;
static const struct scenario *scenario;
static uint64_t seed;
static atomic_uint_least64_t flushes, values_read;

static size_t key_of(uint64_t owner, uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "async/%llu/%llu", (unsigned long long)owner,
                            (unsigned long long)number);
}

/* ---- Owners: each writes keys of its own and knows what they must hold ---- */

struct owned {
    uint64_t sequence; /* of the last write; 0 = deleted or never written */
};

struct owner {
    unsigned number;
    struct test_rng rng;
    uint64_t sequence;
    struct owned keys[KEYS_EACH];
    unsigned char value[MAX_VALUE];
};

static size_t make_value(struct owner *owner, uint64_t key)
{
    const size_t size = sizeof(struct test_stamp) +
                        test_below(&owner->rng, test_one_in(&owner->rng, 10) ? 2500 : 100);

    test_stamp_write(
        owner->value, size,
        (struct test_stamp){.key = key, .writer = owner->number, .sequence = ++owner->sequence});
    return size;
}

/* The sequence that a key holds; 0 when it is absent. */
static uint64_t look(unsigned owner, uint64_t key)
{
    unsigned char value[MAX_VALUE];
    char name[32];
    size_t size = 0;
    struct test_stamp stamp;
    const int status =
        memstore_get(store, name, key_of(owner, key, name), value, sizeof value, &size);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        return 0;
    CHECK_OK(status);
    CHECK(test_stamp_read(value, size, &stamp) && stamp.writer == owner && stamp.key == key);
    return stamp.sequence;
}

static void check_key(const struct owner *owner, uint64_t key)
{
    const uint64_t found = look(owner->number, key);

    CHECK(found == owner->keys[key].sequence || (scenario->evicts && found == 0));
}

static void check_all(const struct owner *owner)
{
    for (uint64_t key = 0; key < KEYS_EACH; key++)
        check_key(owner, key);
}

static void write_async(struct owner *owner, uint64_t key)
{
    char name[32];
    const size_t name_size = key_of(owner->number, key, name);
    const size_t size = make_value(owner, key);

    CHECK_OK(memstore_set_async(store, name, name_size, owner->value, size, 0));
    owner->keys[key].sequence = owner->sequence;
}

/* Another kind of write, which must find what the asynchronous ones before it have left. */
static void write_otherwise(struct owner *owner, uint64_t key)
{
    char name[32];
    const size_t name_size = key_of(owner->number, key, name);
    const size_t size = make_value(owner, key);
    const memstore_entry entry = {{name, name_size}, owner->value, size, 0};
    struct owned *owned = &owner->keys[key];
    int status;

    switch (test_below(&owner->rng, 4)) {
    case 0:
        status = memstore_delete(store, name, name_size);
        CHECK(status == (owned->sequence != 0 ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND) ||
              (scenario->evicts && status == MEMSTORE_ERR_KEY_NOT_FOUND));
        owned->sequence = 0;
        break;
    case 1:
        status = memstore_add(store, name, name_size, owner->value, size, 0);
        CHECK(status == (owned->sequence == 0 ? MEMSTORE_OK : MEMSTORE_ERR_KEY_EXISTS) ||
              (scenario->evicts && status == MEMSTORE_OK));
        if (status == MEMSTORE_OK)
            owned->sequence = owner->sequence;
        break;
    case 2:
        CHECK_OK(memstore_set_many(store, &entry, 1));
        owned->sequence = owner->sequence;
        break;
    default:
        CHECK_OK(memstore_set(store, name, name_size, owner->value, size, 0));
        owned->sequence = owner->sequence;
    }
    check_key(owner, key);
}

static void own(unsigned number, void *context)
{
    struct owner owner = {.number = number, .rng = {seed + number}};

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&owner.rng, KEYS_EACH);

        if (test_one_in(&owner.rng, 12)) {
            write_otherwise(&owner, key);
        } else if (test_one_in(&owner.rng, 30)) {
            CHECK_OK(memstore_flush(store));
            check_all(&owner);
            atomic_fetch_add(&flushes, 1);
        } else {
            write_async(&owner, key);
        }
    }
    CHECK_OK(memstore_flush(store));
    check_all(&owner);
}

/* ---- Readers: no key ever goes back ---- */

static void read_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    uint64_t last[OWNERS][KEYS_EACH] = {{0}};

    (void)context;
    while (test_team_goes_on()) {
        const unsigned owner = (unsigned)test_below(&rng, OWNERS);
        const uint64_t key = test_below(&rng, KEYS_EACH);
        const uint64_t sequence = look(owner, key);

        CHECK(sequence == 0 || sequence >= last[owner][key]);
        if (sequence != 0)
            last[owner][key] = sequence;
        atomic_fetch_add(&values_read, 1);
        if (test_one_in(&rng, 500) && store->settings.maintenance == MS_MAINTENANCE_MANUAL)
            CHECK_OK(memstore_maintain(store, 0));
    }
}

/* ---- Settings ---- */

static atomic_uint_least64_t changes;

#define LIMITS 2

/* One of the queue's own settings, or the limit if `any`. */
static void change_one(struct test_rng *rng, bool any)
{
    static const char *const pairs[][2] = {
        {"performance.enable_batch_optimization", "false"},
        {"performance.enable_batch_optimization", "true"},
        {"performance.enable_batch_optimization", "true"},
        {"performance.batch_size", "3"},
        {"performance.batch_size", "500"},
        {"performance.batch_timeout", "1ms"},
        {"performance.batch_timeout", "1h"},
        {"performance.memory_limit", "2MiB"},
        {"performance.memory_limit", "8MiB"},
    };
    const size_t pick = (size_t)test_below(rng, TEST_COUNT_OF(pairs) - (any ? 0 : LIMITS));
    const int status = memstore_reconfigure(store, pairs[pick][0], pairs[pick][1]);

    /* Views and queued writes may hold too much of a small limit for a while. */
    if (status != MEMSTORE_ERR_GC_PRESSURE && status != MEMSTORE_ERR_MEMORY_EXHAUSTED &&
        status != MEMSTORE_ERR_CACHE_CLOSED)
        CHECK_OK(status);
    atomic_fetch_add(&changes, 1);
}

static void keep_changing(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on())
        change_one(&rng, true);
}

static bool has_done_enough(void)
{
    return atomic_load(&flushes) > 0 && (!scenario->changes || atomic_load(&changes) > 20);
}

static void run_scenario(double seconds)
{
    struct test_team team = {0};

    store = test_open_list(scenario->settings);
    test_team_start(&team, OWNERS, own, NULL);
    test_team_start(&team, 2, read_keys, NULL);
    if (scenario->changes)
        test_team_start(&team, 1, keep_changing, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    const memstore_memory_stats memory = test_memory(store);
    CHECK(memory.charged <= memory.limit);
    memstore_destroy(store);
}

/* ---- Closing ---- */

static atomic_uint_least64_t accepted;

static void hand_over_until_closed(unsigned number, void *context)
{
    uint64_t key[2] = {number, 0}, done = 0;
    int status;

    (void)context;
    while ((status = memstore_set_async(store, key, sizeof key, "value", 5, 0)) == MEMSTORE_OK) {
        key[1]++;
        done++;
    }
    CHECK_STATUS(status, MEMSTORE_ERR_CACHE_CLOSED);
    atomic_fetch_add(&accepted, done);
}

static void change_until_closed(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (memstore_capacity(store) != 0)
        change_one(&rng, false);
}

/* Every write that was accepted is applied, the last ones by the closing itself. */
static void close_once(struct test_rng *rng)
{
    struct test_team team = {0};
    uint64_t sums[MS_COUNTERS];

    store = test_open("shards=16", "performance.batch_timeout=1ms",
                      test_one_in(rng, 2) ? "performance.max_concurrent_writers=1" : "shards=4",
                      "performance.memory_limit=256MiB", "performance.lock_timeout=60s", NULL);
    atomic_store(&accepted, 0);
    test_team_start(&team, 6, hand_over_until_closed, NULL);
    if (test_one_in(rng, 2))
        test_team_start(&team, 1, change_until_closed, NULL);
    test_sleep_ms((unsigned)test_below(rng, 10));
    CHECK_OK(memstore_close(store));
    test_team_join(&team);
    ms_counters_sum(&store->counters, sums);
    if (sums[MS_COUNT_SETS] != atomic_load(&accepted))
        test_fail(__FILE__, __LINE__, "%llu of %llu writes were applied",
                  (unsigned long long)sums[MS_COUNT_SETS],
                  (unsigned long long)atomic_load(&accepted));
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 6);
    unsigned closings = 0;

    seed = test_seed("stress_async");
    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++) {
        scenario = &scenarios[i];
        atomic_store(&flushes, 0);
        atomic_store(&values_read, 0);
        run_scenario(seconds / (TEST_COUNT_OF(scenarios) + 1));
        printf("ok   %s: %llu flushes, %llu reads\n", scenario->name,
               (unsigned long long)atomic_load(&flushes),
               (unsigned long long)atomic_load(&values_read));
        CHECK(atomic_load(&flushes) > 0);
    }
    struct test_rng rng = {seed};
    for (const double end = test_now() + seconds / (TEST_COUNT_OF(scenarios) + 1); test_now() < end;
         closings++)
        close_once(&rng);
    printf("ok   %u closings\nstress_async: %zu passed, 0 failed\n", closings,
           TEST_COUNT_OF(scenarios) + 1);
    return 0;
}
