/* SPDX-License-Identifier: Apache-2.0 */
/* The byte limit against the kernel's count, over limits from 256 KiB to 1 GiB and from one shard to
 * 65536: sizes spread log-normally from a byte to a mebibyte, lives from a millisecond to a day and for
 * ever, overwrites that grow and shrink, deletes. Each store gets an equal share of the time, in a
 * process of its own. */
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define WRITERS 2
#define SIZE_MAX_BYTES MIB
/* Half of the values are shorter than this; one in forty is longer than 50 times as long. */
#define SIZE_MEDIAN 300.0
#define SIZE_SIGMA 2.0
/* What the process may need beside the store: stacks, what the C library keeps of freed memory. */
#define OWN_BYTES MIB
#define LOOK_MS 20

/* Sanitizers keep memory of their own, so that resident bytes tell nothing there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_RESIDENT false
#else
#define COUNTS_RESIDENT true
#endif

struct place {
    uint64_t limit;
    unsigned shards;
};

static memstore *store;
static unsigned char *value;
static uint64_t seed, limit;
static size_t before, most;
static atomic_uint_least64_t writes, refused;

/* Two independent uniform numbers give one that is normal (Box and Muller, 1958). */
static size_t random_size(struct test_rng *rng)
{
    const double u = ((double)test_below(rng, 1 << 30) + 1) / (1 << 30);
    const double v = (double)test_below(rng, 1 << 30) / (1 << 30);
    const double normal = sqrt(-2 * log(u)) * cos(2 * 3.14159265358979 * v);
    const double size = SIZE_MEDIAN * exp(SIZE_SIGMA * normal);

    return size<1 ? 1 : size>(double) SIZE_MAX_BYTES ? SIZE_MAX_BYTES : (size_t)size;
}

static int64_t random_ttl(struct test_rng *rng)
{
    static const int64_t most_ms[] = {100, 1000, 60 * 1000, 24 * 3600 * 1000};

    return test_one_in(rng, 3) ? 1 + (int64_t)test_below(rng, (uint64_t)most_ms[test_below(rng, 4)])
                               : MEMSTORE_TTL_NONE;
}

static void check_write(int status)
{
    if (status == MEMSTORE_OK)
        return;
    if (status != MEMSTORE_ERR_GC_PRESSURE && status != MEMSTORE_ERR_MEMORY_EXHAUSTED &&
        status != MEMSTORE_ERR_SHARD_OVERFLOW && status != MEMSTORE_ERR_LOCK_TIMEOUT)
        CHECK_STATUS(status, MEMSTORE_ERR_ENTRY_TOO_LARGE);
    atomic_fetch_add(&refused, 1);
}

static void churn(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    /* About twice as many keys as find room. */
    const uint64_t keys = limit / 1000 + 10;

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&rng, keys);

        if (test_one_in(&rng, 8))
            (void)memstore_delete(store, &key, sizeof key);
        else
            check_write(
                memstore_set(store, &key, sizeof key, value, random_size(&rng), random_ttl(&rng)));
        atomic_fetch_add_explicit(&writes, 1, memory_order_relaxed);
    }
}

static void look(void)
{
    const memstore_memory_stats memory = test_memory(store);
    const size_t now = test_resident();

    CHECK(memory.charged <= memory.limit && memory.limit == limit);
    most = now > most ? now : most;
    if (COUNTS_RESIDENT && most > before + limit + limit / 50 + OWN_BYTES)
        test_fail(__FILE__, __LINE__, "resident memory grew by %zu bytes at a limit of %" PRIu64,
                  most - before, limit);
}

static void watch(unsigned number, void *context)
{
    (void)number;
    (void)context;
    while (test_team_goes_on()) {
        look();
        test_sleep_ms(LOOK_MS);
    }
}

/* What the store tells of its resident bytes, against what the process has grown by. */
static void compare_with_the_kernel(uint64_t told_empty, size_t empty)
{
    const uint64_t told = test_memory(store).resident - told_empty;
    const size_t grown = test_resident() - empty;
    const uint64_t slack = limit / 50 + OWN_BYTES / 2;

    if (COUNTS_RESIDENT && (told > grown + slack || grown > told + slack))
        test_fail(__FILE__, __LINE__, "%" PRIu64 " bytes were told, %zu counted", told, grown);
}

/* Use a small store once, so that the pages of the library's code are there before anything is
 * counted, and those of the C library's heap. */
static void warm_up(void)
{
    struct test_team team = {0};

    limit = MIB;
    store = test_open("performance.memory_limit=1MiB", NULL);
    test_team_start(&team, WRITERS, churn, NULL);
    test_team_finish(&team, 0.05);
    memstore_destroy(store);
    atomic_store(&writes, 0);
    atomic_store(&refused, 0);
}

static void run_store(const struct place *place, double seconds)
{
    struct test_team team = {0};
    char memory[64], shards[32], error[256];

    value = test_bytes(SIZE_MAX_BYTES, seed);
    warm_up();
    limit = place->limit;
    before = test_resident();
    snprintf(memory, sizeof memory, "performance.memory_limit=%" PRIu64, limit);
    snprintf(shards, sizeof shards, "shards=%u", place->shards);
    const int status = test_try_open(&store, error, memory, shards, NULL);
    if (status == MEMSTORE_ERR_INVALID_CONFIG) {
        printf("%10" PRIu64 " bytes, %5u shards: refused: %s\n", limit, place->shards, error);
        return;
    }
    CHECK_OK(status);
    const uint64_t told_empty = test_memory(store).resident;
    const size_t empty = test_resident();

    test_team_start(&team, WRITERS, churn, NULL);
    test_team_start(&team, 1, watch, NULL);
    test_team_finish(&team, seconds);
    look();
    compare_with_the_kernel(told_empty, empty);
    printf("%10" PRIu64 " bytes, %5u shards: %" PRIu64 " writes, %" PRIu64 " refused, %" PRIu64
           " entries; resident %+.2f %% of the limit\n",
           limit, place->shards, (uint64_t)atomic_load(&writes), (uint64_t)atomic_load(&refused),
           memstore_size(store), 100.0 * (double)(most - before) / (double)limit);
    memstore_destroy(store);
}

static void run_in_a_process(const struct place *place, double seconds)
{
    int status;

    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run_store(place, seconds);
        fflush(NULL);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    static const uint64_t limits[] = {256 * KIB, MIB, 64 * MIB, KIB * MIB};
    static const unsigned shard_counts[] = {1, 64, 65536};
    const unsigned count = TEST_COUNT_OF(limits) * TEST_COUNT_OF(shard_counts);
    const double seconds = test_seconds(argc, argv, 6) / count;

    seed = test_seed("stress_limit");
    for (unsigned i = 0; i < count; i++) {
        const struct place place = {limits[i / TEST_COUNT_OF(shard_counts)],
                                    shard_counts[i % TEST_COUNT_OF(shard_counts)]};

        run_in_a_process(&place, seconds);
    }
    printf("stress_limit: %u passed, 0 failed\n", count);
    return 0;
}
