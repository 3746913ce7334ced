/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that change while everybody works: the limit goes up and down, TTL bounds and waits
 * come and go, memory is short and is not. Values stay whole, TTLs are within bounds that were in force, whoever changes the
 * limit finds it kept on return, and in the end all is as the last changes say. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/system.h"
#include "support/team.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS 20000
#define LARGEST 30000

static const char *const evictions[] = {"eviction=adaptive", "eviction=s3fifo", "eviction=lru",
                                        "eviction=lfu", "eviction=fifo"};
static const char *const limits[] = {"2MiB", "16MiB", "1MiB", "8MiB", "4MiB", "12MiB"};
static const uint64_t limit_bytes[] = {2 << 20, 16 << 20, 1 << 20, 8 << 20, 4 << 20, 12 << 20};

static memstore *store;
static uint64_t seed;
static atomic_uint_least64_t stored, refused, resized, changed;

/* A writer that was let in at a high limit may find that its entry is above half of the next, or
 * that a limit that goes down leaves no room for it. */
static bool may_refuse(int status)
{
    return status == MEMSTORE_ERR_ENTRY_TOO_LARGE || status == MEMSTORE_ERR_GC_PRESSURE ||
           status == MEMSTORE_ERR_MEMORY_EXHAUSTED || status == MEMSTORE_ERR_LOCK_TIMEOUT ||
           status == MEMSTORE_ERR_SHARD_OVERFLOW;
}

static void write_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    unsigned char *value = malloc(LARGEST + sizeof(struct test_stamp));

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&rng, KEYS);
        const size_t size =
            sizeof(struct test_stamp) + test_below(&rng, test_one_in(&rng, 50) ? LARGEST : 300);
        int64_t ttl = 0;

        test_stamp_write(value, size, (struct test_stamp){.key = key, .writer = number});
        int status = memstore_set(store, &key, sizeof key, value, size, MEMSTORE_TTL_DEFAULT);
        if (status == MEMSTORE_OK)
            atomic_fetch_add(&stored, 1);
        else if (may_refuse(status))
            atomic_fetch_add(&refused, 1);
        else
            CHECK_OK(status);
        /* 10 to 30 minutes, as default and as bound, or never. */
        status = memstore_get_ttl(store, &key, sizeof key, &ttl);
        CHECK(status != MEMSTORE_OK || (ttl > 9 * 60000 && ttl <= 30 * 60000));
    }
    free(value);
}

static void read_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&rng, KEYS);
        struct test_stamp stamp;
        memstore_view view;
        const int status = memstore_get_view(store, &key, sizeof key, &view);

        if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
            continue;
        CHECK_OK(status);
        CHECK(test_stamp_read(view.data, view.size, &stamp) && stamp.key == key);
        memstore_view_release(&view);
    }
}

/* What is charged is read after the limit: nobody else is to raise that in between. */
static void change_limit_to(size_t pick)
{
    char why[256];
    const int status = memstore_reconfigure_explained(store, "performance.memory_limit",
                                                      limits[pick], why, sizeof why);

    /* Views may hold too much of a small limit, and others may be at it for too long. */
    if (status == MEMSTORE_ERR_MEMORY_EXHAUSTED || status == MEMSTORE_ERR_GC_PRESSURE ||
        status == MEMSTORE_ERR_LOCK_TIMEOUT)
        return;
    if (status != MEMSTORE_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", memstore_status_name(status), why);
    const memstore_memory_stats memory = test_memory(store);
    if (memory.limit == limit_bytes[pick] && memory.charged > memory.limit)
        test_fail(__FILE__, __LINE__, "charged %" PRIu64 " of %" PRIu64, memory.charged,
                  memory.limit);
    atomic_fetch_add(&resized, 1);
}

static void change_limit(unsigned number, void *context)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        pthread_mutex_lock(&one_at_a_time);
        change_limit_to((size_t)test_below(&rng, TEST_COUNT_OF(limits)));
        pthread_mutex_unlock(&one_at_a_time);
        test_sleep_ms(10);
    }
}

static void change_others(unsigned number, void *context)
{
    static const char *const changes[][2] = {{"ttl.default_ttl", "10m"},
                                             {"ttl.default_ttl", "20m"},
                                             {"ttl.max_ttl", "30m"},
                                             {"ttl.max_ttl", "25m"},
                                             {"ttl.min_ttl", "1m"},
                                             {"ttl.min_ttl", "0"},
                                             {"life_window", "28m"},
                                             {"life_window", "0"},
                                             {"ttl.cleanup_interval", "1s"},
                                             {"ttl.cleanup_interval", "0"},
                                             {"clean_window", "100ms"},
                                             {"ttl.batch_cleanup_size", "10"},
                                             {"performance.gc_percent", "10"},
                                             {"performance.gc_percent", "200"},
                                             {"performance.lock_timeout", "1s"},
                                             {"performance.lock_timeout", "5s"},
                                             {"monitoring.access_sample_ratio", "0.1"},
                                             {"monitoring.access_sample_ratio", "0"},
                                             {"max_entry_size", "20000"},
                                             {"max_entry_size", "0"},
                                             {"ttl.ttl_precision", "second"},
                                             {"ttl.ttl_precision", "millisecond"}};
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const size_t pick = (size_t)test_below(&rng, TEST_COUNT_OF(changes));

        const int status = memstore_reconfigure(store, changes[pick][0], changes[pick][1]);
        /* Room for following keys may not be had in time. */
        CHECK(status == MEMSTORE_OK || (status == MEMSTORE_ERR_MEMORY_EXHAUSTED &&
                                        strstr(changes[pick][0], "access_sample") != NULL));
        CHECK_STATUS(memstore_reconfigure(store, "shards", "4"), MEMSTORE_ERR_UNSUPPORTED);
        CHECK_STATUS(memstore_reconfigure(store, "ttl.min_ttl", "40m"),
                     MEMSTORE_ERR_INVALID_CONFIG);
        atomic_fetch_add(&changed, 1);
        /* Whoever only tries the settings' lock is to have it, too. */
        test_sleep_ms(1);
    }
}

/* Memory is short and is not, and the store looks whenever what it watches is another one. What it reads
 * may be half written. */
static void press(unsigned number, void *context)
{
    static const char *const sources[] = {"cgroup", "psi", "cgroup", "psi", "off"};
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const bool is_short = test_one_in(&rng, 2);
        const size_t pick = (size_t)test_below(&rng, TEST_COUNT_OF(sources));

        test_system_group(is_short ? (1 << 30) - test_below(&rng, 100 << 20) : 1 << 20, 0, 1 << 30);
        test_system_group_stalls(is_short ? 20 : 0);
        const int status = memstore_reconfigure(store, "memory_pressure", sources[pick]);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT);
        test_sleep_ms((unsigned)test_below(&rng, 20));
    }
}

static bool has_done_enough(void)
{
    return atomic_load(&resized) > 0 && atomic_load(&changed) > 0 &&
           test_stats(store).limit_lowered > 0;
}

static uint64_t count_there(void)
{
    uint64_t there = 0;

    for (uint64_t key = 0; key < KEYS; key++)
        there += memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
    return there;
}

static void check_end(void)
{
    CHECK_OK(memstore_reconfigure(store, "memory_pressure", "off"));
    CHECK_OK(memstore_reconfigure(store, "performance.memory_limit", "3MiB"));
    CHECK(memstore_capacity(store) == 3 << 20 && test_memory(store).charged <= 3 << 20);
    CHECK(test_size_agrees(store, count_there));
    CHECK_OK(memstore_clear(store));
    CHECK_OK(memstore_maintain(store, 0));
    CHECK(test_memory(store).live == 0);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_reconfigure");
    test_system_start();
    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        struct test_team team = {0};

        atomic_store(&resized, 0);
        atomic_store(&changed, 0);
        store = test_open(evictions[i], "performance.memory_limit=4MiB", "shards=16",
                          "ttl.default_ttl=10m", "ttl.max_ttl=30m", "ttl.store_creation_time=true",
                          NULL);
        test_team_start(&team, 2, write_keys, NULL);
        test_team_start(&team, 1, read_keys, NULL);
        test_team_start(&team, 2, change_limit, NULL);
        test_team_start(&team, 1, change_others, NULL);
        test_team_start(&team, 1, press, NULL);
        test_team_finish_when(&team, seconds / TEST_COUNT_OF(evictions), has_done_enough);
        const uint64_t lowered = test_stats(store).limit_lowered;
        check_end();
        memstore_destroy(store);
        printf("ok   %s: %" PRIu64 " stored, %" PRIu64 " refused, %" PRIu64 " limits, %" PRIu64
               " changes, %" PRIu64 " lowered\n",
               evictions[i], (uint64_t)atomic_load(&stored), (uint64_t)atomic_load(&refused),
               (uint64_t)atomic_load(&resized), (uint64_t)atomic_load(&changed), lowered);
        CHECK(atomic_load(&resized) > 0 && atomic_load(&changed) > 0);
    }
    test_system_end();
    printf("stress_reconfigure: %zu passed, 0 failed\n", TEST_COUNT_OF(evictions));
    return 0;
}
