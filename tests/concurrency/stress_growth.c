/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that grow under their readers: what is in is found all the time, what is out is never
 * found. */
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define WRITERS 2
#define MOST 120000 /* keys of one writer */

static memstore *store;
static uint64_t seed;

/* Writer w holds its keys [removed, added). Added and removed in order; both only grow within
 * one round. */
static struct {
    _Alignas(64) atomic_uint_least64_t added; /* completed */
    atomic_uint_least64_t adding;             /* started */
    atomic_uint_least64_t removed, removing;
} ranges[WRITERS];

static size_t key_of(unsigned writer, uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "grow/%u/%llu", writer, (unsigned long long)number);
}

static void add_one(unsigned writer, uint64_t number)
{
    char key[32];
    const size_t size = key_of(writer, number, key);

    atomic_store(&ranges[writer].adding, number + 1);
    CHECK_OK(memstore_set(store, key, size, &number, sizeof number, MEMSTORE_TTL_NONE));
    atomic_store(&ranges[writer].added, number + 1);
}

/* The same value, elsewhere. */
static void write_again(unsigned writer, uint64_t number)
{
    char key[32];
    const size_t size = key_of(writer, number, key);

    CHECK_OK(memstore_set(store, key, size, &number, sizeof number, MEMSTORE_TTL_NONE));
}

static void remove_one(unsigned writer, uint64_t number)
{
    char key[32];
    const size_t size = key_of(writer, number, key);

    atomic_store(&ranges[writer].removing, number + 1);
    CHECK_OK(memstore_delete(store, key, size));
    atomic_store(&ranges[writer].removed, number + 1);
}

static void write_range(unsigned writer, void *context)
{
    (void)context;
    for (uint64_t i = 0; i < MOST && test_team_goes_on(); i++) {
        add_one(writer, i);
        if (i % 3 == 2)
            remove_one(writer, i / 3);
        if (i % 4 == 0)
            write_again(writer, (i + i / 3 + 1) / 2);
    }
}

static void check_one(unsigned writer, uint64_t number)
{
    char key[32];
    const size_t size = key_of(writer, number, key);
    const uint64_t added = atomic_load(&ranges[writer].added),
                   removed = atomic_load(&ranges[writer].removed);
    uint64_t value = UINT64_MAX;
    size_t value_size = 0;
    const int status = memstore_get(store, key, size, &value, sizeof value, &value_size);
    const uint64_t adding = atomic_load(&ranges[writer].adding),
                   removing = atomic_load(&ranges[writer].removing);

    if (status == MEMSTORE_OK) {
        CHECK(value_size == sizeof value && value == number);
        CHECK(number < adding && number >= removed);
    } else {
        CHECK_STATUS(status, MEMSTORE_ERR_KEY_NOT_FOUND);
        CHECK(number >= added || number < removing);
    }
}

static void read_ranges(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const unsigned writer = (unsigned)test_below(&rng, WRITERS);
        const uint64_t added = atomic_load(&ranges[writer].added);

        /* The newest half of the time, where the table is being changed. */
        check_one(writer, test_one_in(&rng, 2) ? test_below(&rng, added + 2)
                                               : added + 1 - test_below(&rng, 2));
    }
}

#define ENOUGH 1000 /* keys added by each writer: several growths of a table */

static bool has_done_enough(void)
{
    for (unsigned w = 0; w < WRITERS; w++) {
        if (atomic_load(&ranges[w].added) <= ENOUGH)
            return false;
    }
    return true;
}

static void run_round(const char *shards, const char *hash, double seconds)
{
    struct test_team team = {0};
    uint64_t live = 0;

    memset(ranges, 0, sizeof ranges);
    /* With one shard all wait for each other, on a machine that is busy for long. */
    store = test_open("performance.memory_limit=256MiB", "performance.lock_timeout=60s", shards,
                      hash, NULL);
    test_team_start(&team, WRITERS, write_range, NULL);
    test_team_start(&team, 3, read_ranges, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    for (unsigned w = 0; w < WRITERS; w++) {
        const uint64_t added = atomic_load(&ranges[w].added);

        live += added - atomic_load(&ranges[w].removed);
        for (uint64_t i = 0; i < added; i++)
            check_one(w, i);
        CHECK(added > ENOUGH);
    }
    CHECK(memstore_size(store) == live);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    static const char *const rounds[][2] = {{"shards=1", "hash_function=xxh3"},
                                            {"shards=1", "hash_function=fnv"},
                                            {"shards=64", "hash_function=crc32"}};
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_growth");
    for (size_t i = 0; i < TEST_COUNT_OF(rounds); i++) {
        run_round(rounds[i][0], rounds[i][1], seconds / TEST_COUNT_OF(rounds));
        printf("ok   %s, %s\n", rounds[i][0], rounds[i][1]);
    }
    printf("stress_growth: %zu passed, 0 failed\n", TEST_COUNT_OF(rounds));
    return 0;
}
