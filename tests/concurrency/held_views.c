/* SPDX-License-Identifier: Apache-2.0 */
/* Views held while one thing happens to their entries, case by case: overwriting, deletion, expiry,
 * eviction, clear, compaction, a lower limit, closing. Threads look at the bytes throughout, which
 * shows ThreadSanitizer and AddressSanitizer memory that is written or given back too early; the
 * views are released by a thread that did not get them, and then their memory comes back. And
 * views that hold all there is: the limit holds, and writers are told so in time. */
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define HELD 60
#define LARGE_EVERY 20 /* one in so many has a mapping of its own */
#define LARGE_SIZE 70000
#define CHECKERS 2
#define PATIENCE 120 /* seconds until something that has to happen counts as not happening */
#define MIB ((uint64_t)1 << 20)

static memstore *store;
static uint64_t seed;
static memstore_view views[HELD];
static unsigned char *copies[HELD];
static struct test_team checkers;
static atomic_uint_least64_t rounds_checked;

/* ---- Holding ---- */

static size_t key_of(unsigned number, char key[32])
{
    return (size_t)snprintf(key, 32, "held/%u", number);
}

static size_t size_of(unsigned number)
{
    return number % LARGE_EVERY == 0 ? LARGE_SIZE : 1 + number * 67 % 3000;
}

static void store_held(void)
{
    for (unsigned i = 0; i < HELD; i++) {
        char key[32];
        unsigned char *value = test_bytes(size_of(i), seed + i);

        CHECK_OK(memstore_set(store, key, key_of(i, key), value, size_of(i), 0));
        copies[i] = value;
    }
}

/* Half of the views by get_view, half by get_many. */
static void get_views(void)
{
    char names[HELD][32];
    memstore_key keys[HELD];
    size_t found;

    for (unsigned i = 0; i < HELD; i++)
        keys[i] = (memstore_key){names[i], key_of(i, names[i])};
    for (unsigned i = 0; i < HELD / 2; i++)
        CHECK_OK(memstore_get_view(store, keys[i].data, keys[i].size, &views[i]));
    CHECK_OK(memstore_get_many(store, keys + HELD / 2, HELD - HELD / 2, views + HELD / 2, &found));
    CHECK(found == HELD - HELD / 2);
}

static void check_all(void)
{
    for (unsigned i = 0; i < HELD; i++)
        CHECK(views[i].size == size_of(i) && memcmp(views[i].data, copies[i], size_of(i)) == 0);
}

static void keep_checking(unsigned number, void *context)
{
    (void)number;
    (void)context;
    while (test_team_goes_on()) {
        check_all();
        atomic_fetch_add(&rounds_checked, 1);
        /* Most of a processor is for what happens meanwhile. */
        test_sleep_ms(1);
    }
}

static void hold(void)
{
    store_held();
    get_views();
    check_all();
    CHECK(test_memory(store).pinned > 0);
    atomic_store(&rounds_checked, 0);
    test_team_start(&checkers, CHECKERS, keep_checking, NULL);
}

/* ---- Letting go ---- */

static bool was_checked(void)
{
    return atomic_load(&rounds_checked) >= 2 * CHECKERS;
}

static void *release_all(void *unused)
{
    memstore_view_release_many(views, HELD);
    return unused;
}

/* The bytes are as they were; the views are released by another thread than got them. */
static void let_go(void)
{
    pthread_t thread;

    test_team_finish_when(&checkers, 0, was_checked);
    check_all();
    CHECK(pthread_create(&thread, NULL, release_all, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    for (unsigned i = 0; i < HELD; i++) {
        CHECK(views[i].data == NULL && views[i].pin == NULL);
        free(copies[i]);
    }
}

/* Nothing of what the views held stays behind. */
static void expect_memory_back(void)
{
    CHECK(test_memory(store).pinned == 0);
    CHECK_OK(memstore_clear(store));
    const double end = test_now() + PATIENCE;
    while (test_memory(store).segments != 0) {
        CHECK(test_now() < end);
        const int status = memstore_maintain(store, 0);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT);
    }
    memstore_destroy(store);
}

/* ---- What happens meanwhile ---- */

/* Write `total` bytes under many keys, so that all memory that is free is used again. */
static void churn(uint64_t total)
{
    static unsigned char noise[3000];
    static uint64_t key;

    memset(noise, 0xee, sizeof noise);
    for (uint64_t done = 0; done < TEST_FEWER(total, 2); done += sizeof noise, key++) {
        const int status = memstore_set(store, &key, sizeof key, noise, sizeof noise, 0);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_GC_PRESSURE ||
              status == MEMSTORE_ERR_MEMORY_EXHAUSTED);
    }
}

static void expect_gone(void)
{
    for (unsigned i = 0; i < HELD; i++) {
        char key[32];
        CHECK_STATUS(memstore_has(store, key, key_of(i, key)), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

static void overwrite(void)
{
    static unsigned char other[LARGE_SIZE];

    for (unsigned round = 0; round < 30; round++) {
        memset(other, (int)round, sizeof other);
        for (unsigned i = 0; i < HELD; i++) {
            char key[32];
            CHECK_OK(memstore_set(store, key, key_of(i, key), other, size_of(i), 0));
        }
    }
    churn(4 * MIB);
}

static void delete_all(void)
{
    for (unsigned i = 0; i < HELD; i++) {
        char key[32];
        CHECK_OK(memstore_delete(store, key, key_of(i, key)));
    }
    churn(12 * MIB);
    expect_gone();
}

static void await_expiry(void)
{
    const double end = test_now() + PATIENCE;

    for (unsigned i = 0; i < HELD; i++) {
        char key[32];
        CHECK_OK(memstore_update_ttl(store, key, key_of(i, key), 20));
    }
    while (memstore_size(store) != 0) {
        CHECK(test_now() < end);
        test_sleep_ms(2);
    }
    expect_gone();
    churn(12 * MIB);
}

static void evict(void)
{
    const double end = test_now() + PATIENCE;

    do {
        churn(8 * MIB);
        CHECK(test_now() < end);
    } while (test_stats(store).evictions < 5000);
}

static void clear(void)
{
    CHECK_OK(memstore_clear(store));
    expect_gone();
    churn(12 * MIB);
}

static void compact(void)
{
    static const unsigned char value[700];

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned key = 0; key < 2000; key++)
            CHECK_OK(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
        for (unsigned key = 0; key < 2000; key++) {
            if (key % 4 != 0)
                CHECK_OK(memstore_delete(store, &key, sizeof key));
        }
        const int status = memstore_compact(store, 0.01);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_MEMORY_FRAGMENTATION);
    }
    CHECK(test_stats(store).compactions > 0);
    churn(4 * MIB);
}

static void lower_the_limit(void)
{
    churn(6 * MIB);
    CHECK_OK(memstore_reconfigure(store, "performance.memory_limit", "2MiB"));
    CHECK(test_memory(store).charged <= 2 * MIB);
    churn(6 * MIB);
    CHECK_OK(memstore_reconfigure(store, "performance.gc_percent", "1"));
    CHECK_OK(memstore_reconfigure(store, "performance.memory_limit", "8MiB"));
    churn(6 * MIB);
}

/* ---- Cases ---- */

static void run(void (*happen)(void))
{
    static const char *const evictions[] = {"eviction=s3fifo", "eviction=lru", "eviction=lfu",
                                            "eviction=fifo", "eviction=adaptive"};

    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        store = test_open(evictions[i], "shards=8", "performance.memory_limit=4MiB",
                          "performance.lock_timeout=60s", NULL);
        hold();
        happen();
        let_go();
        expect_memory_back();
    }
}

static void across_overwriting(void)
{
    run(overwrite);
}

static void across_deletion(void)
{
    run(delete_all);
}

static void across_expiry(void)
{
    run(await_expiry);
}

static void across_eviction(void)
{
    run(evict);
}

static void across_clear(void)
{
    run(clear);
}

static void across_compaction(void)
{
    run(compact);
}

static void across_a_lower_limit(void)
{
    run(lower_the_limit);
}

/* What is not viewed is unmapped by close; destroy() takes the rest when all views are released. */
static void across_close(void)
{
    store = test_open("shards=8", "performance.memory_limit=4MiB", "performance.lock_timeout=60s",
                      NULL);
    hold();
    churn(MIB);
    CHECK_OK(memstore_close(store));
    CHECK_STATUS(memstore_close(store), MEMSTORE_ERR_CACHE_CLOSED);
    let_go();
    memstore_destroy(store);
}

/* The same in a store that counts its views, whose passes outlive its closing too. */
static void across_close_with_bounded_views(void)
{
    store =
        test_open("performance.max_concurrent_readers=60", "performance.memory_limit=4MiB", NULL);
    hold();
    CHECK_OK(memstore_close(store));
    let_go();
    memstore_destroy(store);
}

/* ---- Many pins ---- */

#define MANY 2000
#define ATTEMPTS 5
#define LOCK_TIMEOUT "30ms"
#define LOCK_TIMEOUT_MS 30
#define REFUSED_WITHIN 8 /* seconds: on a machine that others use as well */

static memstore_view many[MANY];
static atomic_uint refusals;

static bool is_shortage(int status)
{
    return status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

/* Write and view until a write is refused. Returns how many views there are. */
static unsigned pin_everything(void)
{
    static const unsigned char value[2000];
    int status = MEMSTORE_OK;
    unsigned held = 0;

    for (unsigned i = 0; status == MEMSTORE_OK; i++) {
        CHECK(i < MANY);
        status = memstore_set(store, &i, sizeof i, value, sizeof value, 0);
        if (status == MEMSTORE_OK)
            CHECK_OK(memstore_get_view(store, &i, sizeof i, &many[held++]));
    }
    CHECK(is_shortage(status));
    return held;
}

/* Each write waits for memory as long as it was told to, and then says what is short. */
static void write_in_vain(unsigned number, void *context)
{
    static const unsigned char value[2000];

    (void)context;
    for (unsigned i = 0; i < ATTEMPTS;) {
        const unsigned key[2] = {number, i};
        const double start = test_now();
        const int status = memstore_set(store, key, sizeof key, value, sizeof value, 0);

        /* The maintenance thread may have to wait for a processor with a shard's lock. */
        if (status == MEMSTORE_ERR_LOCK_TIMEOUT)
            continue;
        if (!is_shortage(status))
            test_fail(__FILE__, __LINE__, "a write gave %s", memstore_status_name(status));
        const double waited = test_now() - start;
        CHECK(waited >= (LOCK_TIMEOUT_MS - 1) / 1e3 && waited < REFUSED_WITHIN);
        const memstore_memory_stats memory = test_memory(store);
        CHECK(memory.charged <= memory.limit);
        atomic_fetch_add(&refusals, 1);
        i++;
    }
}

static void *release_many(void *count)
{
    memstore_view_release_many(many, *(unsigned *)count);
    return NULL;
}

static void many_pins_stop_writers_in_time_and_nothing_else(void)
{
    static const unsigned char value[2000];
    struct test_team writers = {0};
    pthread_t thread;

    /* The last one waits for what may still come free. */
    store =
        test_open("shards=8", "performance.memory_limit=1MiB", "performance.lock_timeout=2s", NULL);
    unsigned held = pin_everything();
    CHECK_OK(memstore_reconfigure(store, "performance.lock_timeout", LOCK_TIMEOUT));
    test_team_start(&writers, 4, write_in_vain, NULL);
    /* Reads of what is there go on. */
    for (unsigned i = 0; i < held; i++)
        CHECK_OK(memstore_has(store, &i, sizeof i));
    test_team_join(&writers);
    CHECK(atomic_load(&refusals) == 4 * ATTEMPTS);
    for (unsigned i = 0; i < held; i++)
        CHECK(many[i].size == sizeof value && memcmp(many[i].data, value, sizeof value) == 0);

    CHECK(pthread_create(&thread, NULL, release_many, &held) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    const double end = test_now() + PATIENCE;
    while (memstore_set(store, "again", 5, value, sizeof value, 0) != MEMSTORE_OK)
        CHECK(test_now() < end);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"across_overwriting", across_overwriting},
        {"across_deletion", across_deletion},
        {"across_expiry", across_expiry},
        {"across_eviction", across_eviction},
        {"across_clear", across_clear},
        {"across_compaction", across_compaction},
        {"across_a_lower_limit", across_a_lower_limit},
        {"across_close", across_close},
        {"across_close_with_bounded_views", across_close_with_bounded_views},
        {"many_pins_stop_writers_in_time_and_nothing_else",
         many_pins_stop_writers_in_time_and_nothing_else},
    };

    seed = test_seed("held_views");
    return test_run_cases("held_views", cases, TEST_COUNT_OF(cases), argc > 1 ? argv[1] : NULL);
}
