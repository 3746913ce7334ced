/* SPDX-License-Identifier: Apache-2.0 */
/* Stores opened and closed over and over, at least ten thousand times, from one thread and from
 * several: threads, descriptors, mappings and memory stay as they were. */
#include "support/support.h"
#include "support/team.h"

#define WARM_UP 200
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CYCLES_EACH 300 /* sanitizers take their time over each mapping */
#else
#define CYCLES_EACH 5000 /* one after the other, and as many from four threads */
#endif

static uint64_t seed;
static atomic_uint_least64_t cycles;

/* Threads while there is no store. */
#if defined(__SANITIZE_THREAD__)
#define ALONE 2 /* it has one of its own from the first that is started on */
#else
#define ALONE 1
#endif

struct census {
    unsigned threads, descriptors, maps;
    size_t resident;
};

static struct census take_census(void)
{
    return (struct census){test_count_threads_down_to(ALONE), test_count_descriptors(),
                           test_count_maps(), test_resident()};
}

static void cycle(struct test_rng *rng)
{
    static const char *const shards[] = {"shards=1", "shards=16", "shards=1024"};
    const bool manual = test_one_in(rng, 4);
    memstore *store = test_open(shards[test_below(rng, 3)],
                                manual ? "maintenance=manual" : "maintenance=background",
                                "performance.lock_timeout=60s", NULL);
    unsigned char value[2000] = {1};
    memstore_view view;

    for (unsigned i = 0; i < 40; i++)
        CHECK_OK(memstore_set(store, &i, sizeof i, value, test_below(rng, sizeof value),
                              (int64_t)test_below(rng, 3)));
    CHECK_OK(memstore_set(store, "view", 4, value, sizeof value, 0));
    CHECK_OK(memstore_get_view(store, "view", 4, &view));
    if (test_one_in(rng, 2)) {
        CHECK_OK(memstore_close(store));
        CHECK(memcmp(view.data, value, sizeof value) == 0);
    }
    memstore_view_release(&view);
    memstore_destroy(store);
    atomic_fetch_add(&cycles, 1);
}

static atomic_uint_least64_t cycles_wanted;

static bool has_done_enough(void)
{
    return atomic_load(&cycles) >= atomic_load(&cycles_wanted);
}

static void cycle_on(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on() || !has_done_enough())
        cycle(&rng);
}

/* `count` cycles at least, from four threads. */
static void cycle_from_four(uint64_t count, double seconds)
{
    struct test_team team = {0};

    atomic_store(&cycles_wanted, atomic_load(&cycles) + count);
    test_team_start(&team, 4, cycle_on, NULL);
    test_team_finish(&team, seconds);
}

static void expect_flat(const struct census *before, const struct census *after)
{
    if (after->threads > before->threads || after->descriptors > before->descriptors)
        test_fail(__FILE__, __LINE__, "threads %u -> %u, descriptors %u -> %u", before->threads,
                  after->threads, before->descriptors, after->descriptors);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    /* Allocators may cut or join a few mappings of their own; a store that leaked one each time
     * would show by hundreds. */
    if (after->maps > before->maps + 20)
        test_fail(__FILE__, __LINE__, "mappings %u -> %u", before->maps, after->maps);
    if (after->resident > before->resident + ((size_t)4 << 20))
        test_fail(__FILE__, __LINE__, "resident %zu -> %zu", before->resident, after->resident);
#endif
}

/* One thread serves all stores, however many there are. */
static void check_one_thread(void)
{
    memstore *stores[50];
    const unsigned before = test_count_threads_down_to(ALONE);

    for (unsigned i = 0; i < TEST_COUNT_OF(stores); i++) {
        stores[i] = test_open("performance.memory_limit=1MiB", NULL);
        CHECK_OK(memstore_set(stores[i], "k", 1, "v", 1, 1));
    }
    CHECK(test_count_threads() <= before + 1);
    for (unsigned i = 0; i < TEST_COUNT_OF(stores); i++)
        memstore_destroy(stores[i]);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_lifetime");
    struct test_rng rng = {seed};
    for (unsigned i = 0; i < WARM_UP; i++)
        cycle(&rng);

    struct census before = take_census();
    const double end = test_now() + seconds / 2;
    for (unsigned i = 0; i < CYCLES_EACH || test_now() < end; i++)
        cycle(&rng);
    struct census after = take_census();
    expect_flat(&before, &after);
    printf("ok   one after the other\n");

    cycle_from_four(WARM_UP, 0);
    before = take_census();
    cycle_from_four(CYCLES_EACH, seconds / 2);
    after = take_census();
    expect_flat(&before, &after);
    printf("ok   from four threads\n");

    check_one_thread();
    printf("ok   one thread for fifty stores\nstress_lifetime: 3 passed, 0 failed (%llu cycles)\n",
           (unsigned long long)atomic_load(&cycles));
    return 0;
}
