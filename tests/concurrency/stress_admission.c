/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded views and bounded writers under many threads: never more than the bound, nobody waits
 * for ever, and all places are free in the end. */
#include "platform/testing.h"
#include "store/store.h"
#include "support/support.h"
#include "support/team.h"

#include <sched.h>

#define KEYS 50
#define VIEWS 8 /* the basket never keeps a get_many waiting for ever */
#define WRITERS 2
#define MOST_AT_ONCE 4 /* keys of a get_many */
#define BASKET 2       /* views that lie ready for whoever comes by to release */

static memstore *store;
static uint64_t seed;
static atomic_int held, writing;
static atomic_uint_least64_t views_got, entries_written, turned_away;

struct basket {
    pthread_mutex_t lock;
    memstore_view views[BASKET];
};

static struct basket basket = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t key_of(uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "admission/%llu", (unsigned long long)number);
}

/* ---- Readers ---- */

static void count_held(int n)
{
    CHECK(atomic_fetch_add(&held, n) + n <= VIEWS);
}

static void release(memstore_view *view)
{
    if (view->pin == NULL)
        return;
    CHECK(view->size == 5 && memcmp(view->data, "value", 5) == 0);
    /* Before it is: somebody else may have its place as soon as it is given back. */
    atomic_fetch_sub(&held, 1);
    memstore_view_release(view);
}

/* Swap with the basket, so that many views are released by another thread than the one that got
 * them. */
static void swap(memstore_view *view, struct test_rng *rng)
{
    pthread_mutex_lock(&basket.lock);
    memstore_view *other = &basket.views[test_below(rng, BASKET)];
    const memstore_view mine = *view;
    *view = *other;
    *other = mine;
    pthread_mutex_unlock(&basket.lock);
}

static bool was_admitted(int status)
{
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND ||
          status == MEMSTORE_ERR_LOCK_TIMEOUT);
    if (status == MEMSTORE_ERR_LOCK_TIMEOUT)
        atomic_fetch_add(&turned_away, 1);
    return status == MEMSTORE_OK;
}

static void read_one(struct test_rng *rng)
{
    char name[32];
    memstore_view view;

    if (!was_admitted(memstore_get_view(store, name, key_of(test_below(rng, KEYS), name), &view)))
        return;
    count_held(1);
    atomic_fetch_add(&views_got, 1);
    if (test_one_in(rng, 4))
        swap(&view, rng);
    release(&view);
}

static void read_several(struct test_rng *rng)
{
    char names[MOST_AT_ONCE][32];
    memstore_key keys[MOST_AT_ONCE];
    memstore_view views[MOST_AT_ONCE];
    const size_t n = 1 + test_below(rng, MOST_AT_ONCE);
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        keys[i] = (memstore_key){names[i], key_of(test_below(rng, KEYS), names[i])};
    if (!was_admitted(memstore_get_many(store, keys, n, views, &found)))
        return;
    count_held((int)found);
    atomic_fetch_add(&views_got, found);
    if (test_one_in(rng, 8))
        sched_yield();
    for (size_t i = 0; i < n; i++)
        release(&views[i]);
}

static void keep_reading(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        if (test_one_in(&rng, 2))
            read_one(&rng);
        else
            read_several(&rng);
    }
}

/* ---- Writers ---- */

/* Between its admission and its end. */
static void at_work(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point != MS_POINT_ENTRY_WRITTEN)
        return;
    CHECK(atomic_fetch_add(&writing, 1) < WRITERS);
    sched_yield();
    atomic_fetch_sub(&writing, 1);
}

static void keep_writing(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        char name[32];
        const size_t size = key_of(test_below(&rng, KEYS), name);
        const memstore_entry entry = {{name, size}, "value", 5, 0};
        const int status = test_one_in(&rng, 5)   ? memstore_delete(store, name, size)
                           : test_one_in(&rng, 4) ? memstore_set_many(store, &entry, 1)
                                                  : memstore_set(store, name, size, "value", 5, 0);

        if (was_admitted(status))
            atomic_fetch_add(&entries_written, 1);
    }
}

/* ---- Both ---- */

static bool has_done_enough(void)
{
    return atomic_load(&views_got) > 0 && atomic_load(&entries_written) > 0;
}

static void run(const char *lock_timeout, double seconds)
{
    struct test_team team = {0};

    store = test_open("performance.max_concurrent_readers=8",
                      "performance.max_concurrent_writers=2", lock_timeout, "shards=16", NULL);
    ms_testing_set_hook(at_work, NULL);
    test_team_start(&team, 6, keep_reading, NULL);
    test_team_start(&team, 4, keep_writing, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    ms_testing_set_hook(NULL, NULL);

    for (unsigned i = 0; i < BASKET; i++)
        release(&basket.views[i]);
    CHECK(atomic_load(&held) == 0);
    CHECK(ms_load_relaxed(&store->admission.views.state) == VIEWS);
    CHECK(ms_load_relaxed(&store->admission.writers.state) == WRITERS);
    CHECK(test_memory(store).pinned == 0);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_admission");
    run("performance.lock_timeout=60s", seconds / 2);
    CHECK(atomic_load(&turned_away) == 0);
    run("performance.lock_timeout=1ms", seconds / 2);
    CHECK(atomic_load(&views_got) > 0 && atomic_load(&entries_written) > 0);
    printf("ok   %llu views, %llu writes, %llu turned away\nstress_admission: 1 passed, 0 failed\n",
           (unsigned long long)atomic_load(&views_got),
           (unsigned long long)atomic_load(&entries_written),
           (unsigned long long)atomic_load(&turned_away));
    return 0;
}
