/* SPDX-License-Identifier: Apache-2.0 */
/* Views held while everything happens to their entries: the bytes stay as they were, whoever
 * releases them. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define KEYS 200
#define BASKET 24 /* views that lie ready for whoever comes by to check and release */

struct scenario {
    const char *name;
    const char *settings[8];
    size_t big;
    bool clears;
};

static const struct scenario scenarios[] = {
    {"overwrite, delete, clear", {"shards=8", "performance.memory_limit=8MiB"}, 5000, true},
    {"eviction",
     {"performance.memory_limit=1MiB", "shards=8", "performance.lock_timeout=50ms"},
     5000,
     false},
    {"eviction, pins counted by some of the threads",
     {"performance.memory_limit=4MiB", "shards=8", "performance.lock_timeout=50ms"},
     40000,
     false},
    {"compaction",
     {"performance.memory_limit=4MiB", "performance.gc_percent=5", "shards=2",
      "performance.lock_timeout=50ms"},
     3000,
     false},
    {"entries of their own mapping",
     {"performance.memory_limit=64MiB", "shards=4", "performance.lock_timeout=50ms"},
     600000,
     true},
};

struct basket {
    pthread_mutex_t lock;
    memstore_view views[BASKET];
    unsigned count;
};

static struct basket basket = {.lock = PTHREAD_MUTEX_INITIALIZER};
static memstore *store;
static const struct scenario *scenario;
static uint64_t seed;
static atomic_uint_least64_t views_checked;

static size_t key_of(uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "view/%llu", (unsigned long long)number);
}

static void check_view(const memstore_view *view)
{
    struct test_stamp stamp;

    CHECK(test_stamp_read(view->data, view->size, &stamp));
    CHECK(stamp.key < KEYS);
    atomic_fetch_add(&views_checked, 1);
}

/* The views may hold all there is, and whoever moves large entries about may hold a shard for
 * longer than lock_timeout. */
static bool is_write_status(int status)
{
    return status == MEMSTORE_OK || status == MEMSTORE_ERR_GC_PRESSURE ||
           status == MEMSTORE_ERR_MEMORY_EXHAUSTED || status == MEMSTORE_ERR_LOCK_TIMEOUT;
}

static void write_keys(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    unsigned char *value = malloc(scenario->big + sizeof(struct test_stamp));

    (void)context;
    for (uint64_t sequence = 1; test_team_goes_on(); sequence++) {
        char name[32];
        const uint64_t key = test_below(&rng, KEYS);
        const size_t name_size = key_of(key, name);
        const size_t size = sizeof(struct test_stamp) + test_below(&rng, scenario->big);

        if (test_one_in(&rng, 10)) {
            const int status = memstore_delete(store, name, name_size);
            CHECK(status == MEMSTORE_ERR_KEY_NOT_FOUND || is_write_status(status));
            continue;
        }
        test_stamp_write(value, size,
                         (struct test_stamp){.key = key, .writer = number, .sequence = sequence});
        const int status =
            memstore_set(store, name, name_size, value, size, test_one_in(&rng, 4) ? 5 : 0);
        CHECK(is_write_status(status));
    }
    free(value);
}

/* Until it could take all locks. */
static void clear(void)
{
    int status;

    do
        status = memstore_clear(store);
    while (status == MEMSTORE_ERR_LOCK_TIMEOUT);
    CHECK_OK(status);
}

static void disturb(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const int status = memstore_compact(store, 0.1);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_MEMORY_FRAGMENTATION ||
              status == MEMSTORE_ERR_LOCK_TIMEOUT);
        if (scenario->clears && test_one_in(&rng, 20))
            clear();
        const memstore_memory_stats memory = test_memory(store);
        CHECK(memory.charged <= memory.limit);
        test_sleep_ms(1);
    }
}

/* Swap a view with one from the basket, so that most are released by another thread than the one
 * that got them. */
static void swap(memstore_view *view, struct test_rng *rng)
{
    pthread_mutex_lock(&basket.lock);
    if (basket.count < BASKET) {
        basket.views[basket.count++] = *view;
        *view = (memstore_view){0};
    } else {
        memstore_view *other = &basket.views[test_below(rng, BASKET)];
        const memstore_view mine = *view;
        *view = *other;
        *other = mine;
    }
    pthread_mutex_unlock(&basket.lock);
}

static void hold_views(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        char name[32];
        const uint64_t key = test_below(&rng, KEYS);
        memstore_view view;

        if (memstore_get_view(store, name, key_of(key, name), &view) != MEMSTORE_OK)
            continue;
        check_view(&view);
        swap(&view, &rng);
        if (view.data == NULL)
            continue;
        check_view(&view);
        memstore_view_release(&view);
    }
}

static bool has_done_enough(void)
{
    return atomic_load(&views_checked) > 0;
}

static void run_scenario(double seconds)
{
    struct test_team team = {0};

    store = test_open_list(scenario->settings);
    basket.count = 0;
    test_team_start(&team, 2, write_keys, NULL);
    test_team_start(&team, 3, hold_views, NULL);
    test_team_start(&team, 1, disturb, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);

    /* What is still held outlives even the store's closing. */
    CHECK_OK(memstore_close(store));
    for (unsigned i = 0; i < basket.count; i++) {
        check_view(&basket.views[i]);
        memstore_view_release(&basket.views[i]);
    }
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 5);

    seed = test_seed("stress_views");
    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++) {
        scenario = &scenarios[i];
        atomic_store(&views_checked, 0);
        run_scenario(seconds / TEST_COUNT_OF(scenarios));
        printf("ok   %s: %llu checks of views\n", scenario->name,
               (unsigned long long)atomic_load(&views_checked));
        CHECK(atomic_load(&views_checked) > 0);
    }
    printf("stress_views: %zu passed, 0 failed\n", TEST_COUNT_OF(scenarios));
    return 0;
}
