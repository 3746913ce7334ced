/* SPDX-License-Identifier: Apache-2.0 */
/* Hits and misses are exact: more threads than there are counters of their own read by every kind of
 * read while others write, delete and let expire; at rest each read was counted once, as what it was
 * to whoever made it. What only asks is not counted. */
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define READERS 24
#define WRITERS 2
#define KEYS 512
#define MANY 8
#define ENOUGH 50000

static memstore *store;
static uint64_t seed;
static double seconds;
static atomic_uint_least64_t hits, misses;

struct tally {
    uint64_t hits, misses;
};

static void tally_status(struct tally *tally, int status)
{
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND);
    *(status == MEMSTORE_OK ? &tally->hits : &tally->misses) += 1;
}

static void tally_views(const memstore_view *views, size_t n, void *context)
{
    struct tally *tally = context;

    for (size_t i = 0; i < n; i++)
        *(views[i].data != NULL ? &tally->hits : &tally->misses) += 1;
}

static void read_many(struct test_rng *rng, struct tally *tally, bool in_place)
{
    memstore_view views[MANY];
    memstore_key keys[MANY];
    uint64_t names[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        names[i] = test_below(rng, KEYS);
        keys[i] = (memstore_key){&names[i], sizeof names[i]};
    }
    if (in_place) {
        CHECK_OK(memstore_read_many(store, keys, MANY, tally_views, tally));
        return;
    }
    CHECK_OK(memstore_get_many(store, keys, MANY, views, NULL));
    tally_views(views, MANY, tally);
    memstore_view_release_many(views, MANY);
}

static void read_one(struct test_rng *rng, struct tally *tally)
{
    const uint64_t key = test_below(rng, KEYS);
    memstore_view view;
    char value[8];

    switch (test_below(rng, 5)) {
    case 0:
        tally_status(tally, memstore_get(store, &key, sizeof key, value, sizeof value, NULL));
        break;
    case 1:
        tally_status(tally, memstore_get_view(store, &key, sizeof key, &view));
        memstore_view_release(&view);
        break;
    case 2:
    case 3:
        read_many(rng, tally, test_one_in(rng, 2));
        break;
    default:
        memstore_has(store, &key, sizeof key);
    }
}

static void read_all(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    struct tally tally = {0};

    (void)context;
    while (test_team_goes_on()) {
        struct tally before = tally;

        read_one(&rng, &tally);
        atomic_fetch_add(&hits, tally.hits - before.hits);
        atomic_fetch_add(&misses, tally.misses - before.misses);
    }
}

static void write_all(unsigned number, void *context)
{
    struct test_rng rng = {seed + 1000 + number};

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t key = test_below(&rng, KEYS);

        if (test_one_in(&rng, 3))
            memstore_delete(store, &key, sizeof key);
        else
            CHECK_OK(memstore_set(store, &key, sizeof key, &key, sizeof key,
                                  (int64_t)test_below(&rng, 3)));
    }
}

static bool has_read_enough(void)
{
    return atomic_load(&hits) >= ENOUGH && atomic_load(&misses) >= ENOUGH;
}

static void count_reads_of(const char *setting)
{
    struct test_team team = {0};

    atomic_store(&hits, 0);
    atomic_store(&misses, 0);
    store = test_open("shards=16", "performance.memory_limit=16MiB", "performance.lock_timeout=60s",
                      setting, NULL);
    test_team_start(&team, READERS, read_all, NULL);
    test_team_start(&team, WRITERS, write_all, NULL);
    test_team_finish_when(&team, seconds, has_read_enough);
    const memstore_stats stats = test_stats(store);
    CHECK(stats.hits == atomic_load(&hits));
    CHECK(stats.misses == atomic_load(&misses));
    CHECK(stats.hits > 0 && stats.misses > 0);
    memstore_destroy(store);
}

static void each_read_is_counted_once(void)
{
    count_reads_of("monitoring.access_sample_ratio=0");
}

/* All keys at first, some after a while. */
static void and_where_keys_are_followed(void)
{
    count_reads_of("monitoring.access_sample_ratio=0.1");
}

static void and_where_calls_are_measured(void)
{
    count_reads_of("monitoring.track_operation_latency=true");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"each_read_is_counted_once", each_read_is_counted_once},
        {"and_where_keys_are_followed", and_where_keys_are_followed},
        {"and_where_calls_are_measured", and_where_calls_are_measured},
    };

    seconds = test_seconds(argc, argv, 2) / TEST_COUNT_OF(cases);
    seed = test_seed("stress_hits");
    return test_run_cases("stress_hits", cases, TEST_COUNT_OF(cases), NULL);
}
