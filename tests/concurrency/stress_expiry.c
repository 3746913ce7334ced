/* SPDX-License-Identifier: Apache-2.0 */
/* Expiry on the real clock under load: an entry is there until its time and never from then on,
 * to the millisecond. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <time.h>

#define KEYS 300
#define WRITERS 2

static memstore *store;
static uint64_t seed;
static atomic_uint_least64_t hits, misses, late_checks;

/* The last write of a key. Its writer alone changes it; readers trust it when `sequence` is the
 * same before and after. */
static struct {
    _Alignas(64) atomic_uint_least64_t sequence; /* odd while a write is going on */
    /* bounds of its expiry, monotonic milliseconds */
    atomic_int_least64_t earliest, latest;
} written[KEYS];

static int64_t exact_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t key_of(uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "ttl/%" PRIu64, number);
}

static void write_one(uint64_t key, int64_t ttl, struct test_rng *rng)
{
    char name[32];
    const size_t name_size = key_of(key, name);
    unsigned char value[400];
    const size_t size = sizeof(struct test_stamp) + test_below(rng, 300);
    const uint64_t sequence = atomic_load(&written[key].sequence) + 2;

    test_stamp_write(value, size, (struct test_stamp){.key = key, .sequence = sequence});
    atomic_store(&written[key].sequence, sequence - 1);
    const int64_t start = exact_ms();
    if (test_one_in(rng, 4)) {
        CHECK_OK(memstore_set(store, name, name_size, value, size, 3600000));
        CHECK_OK(memstore_update_ttl(store, name, name_size, ttl));
    } else {
        CHECK_OK(memstore_set(store, name, name_size, value, size, ttl));
    }
    atomic_store(&written[key].earliest, start + ttl);
    atomic_store(&written[key].latest, exact_ms() + ttl);
    atomic_store(&written[key].sequence, sequence);
}

static void write_keys(unsigned writer, void *context)
{
    struct test_rng rng = {seed + writer};

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&rng, KEYS / WRITERS) * WRITERS + writer;

        write_one(key, 1 + (int64_t)test_below(&rng, test_one_in(&rng, 3) ? 5 : 60), &rng);
        if (test_one_in(&rng, 50))
            test_sleep_ms(1);
    }
}

static void read_one(uint64_t key)
{
    char name[32];
    const size_t name_size = key_of(key, name);
    const uint64_t sequence = atomic_load(&written[key].sequence);
    const int64_t earliest = atomic_load(&written[key].earliest),
                  latest = atomic_load(&written[key].latest);
    unsigned char value[512];
    size_t size = 0;

    const int64_t before = exact_ms();
    const int status = memstore_get(store, name, name_size, value, sizeof value, &size);
    const int64_t after = exact_ms();
    const bool settled =
        sequence % 2 == 0 && sequence > 0 && atomic_load(&written[key].sequence) == sequence;

    if (status == MEMSTORE_OK) {
        struct test_stamp stamp;

        CHECK(test_stamp_read(value, size, &stamp) && stamp.key == key);
        if (settled && before >= latest)
            test_fail(__FILE__, __LINE__, "served %" PRId64 " ms after its expiry",
                      before - latest);
        atomic_fetch_add(&hits, 1);
    } else {
        CHECK_STATUS(status, MEMSTORE_ERR_KEY_NOT_FOUND);
        if (settled && after < earliest)
            test_fail(__FILE__, __LINE__, "gone %" PRId64 " ms before its expiry",
                      earliest - after);
        atomic_fetch_add(&misses, 1);
        atomic_fetch_add(&late_checks, settled);
    }
}

static void read_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on())
        read_one(test_below(&rng, KEYS));
}

/* Nobody touches the store, and the entries and their bytes go all the same. */
static void check_all_gone(void)
{
    const double deadline = test_now() + 60;

    test_sleep_ms(100);
    CHECK(memstore_size(store) == 0);
    while (test_memory(store).live > 0) {
        CHECK(test_now() < deadline);
        test_sleep_ms(10);
    }
    const memstore_stats stats = test_stats(store);
    CHECK(stats.expirations + stats.updates == stats.sets);
}

static bool has_done_enough(void)
{
    return atomic_load(&hits) > 0 && atomic_load(&late_checks) > 0;
}

static void run_round(const char *shards, double seconds)
{
    struct test_team team = {0};

    memset(written, 0, sizeof written);
    store =
        test_open(shards, "performance.memory_limit=64MiB", "performance.lock_timeout=60s", NULL);
    test_team_start(&team, WRITERS, write_keys, NULL);
    test_team_start(&team, 2, read_keys, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    check_all_gone();
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_expiry");
    run_round("shards=1024", seconds / 2);
    printf("ok   1024 shards\n");
    run_round("shards=1", seconds / 2);
    printf("ok   one shard\n");
    CHECK(atomic_load(&hits) > 0 && atomic_load(&late_checks) > 0);
    printf("stress_expiry: 2 passed, 0 failed\n");
    return 0;
}
