/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of loads is exact: threads ask for few keys by calls and leases, from a loader that gives
 * values, knows that there is none, fails, or wants to be asked again; each of them counts what it did, and
 * at rest the store has counted the same. */
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <memstore/loader.h>
#include <stdlib.h>

#define THREADS 6
#define KEYS 24
#define ENOUGH 2000

/* What one thread did, or all of them. */
struct tally {
    uint64_t calls;   /* of memstore_get_or_load() */
    uint64_t given;   /* values that its loader gave, or that leases were filled with */
    uint64_t absent;  /* times that there was no such key */
    uint64_t failed;  /* loads that ended with a failure */
    uint64_t retried; /* times that the loader was asked again */
    uint64_t stale;   /* those of `failed` after which the call gave a value all the same */
};

static memstore *store;
static uint64_t seed;
static pthread_mutex_t total_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tally total;
static atomic_uint_least64_t done;

/* A call of a thread, and what its loader has said. */
struct asking {
    struct test_rng *rng;
    struct tally *tally;
    bool wants_more, has_failed;
};

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct asking *asking = context;

    (void)key;
    (void)key_size;
    asking->tally->retried += asking->wants_more;
    asking->wants_more = test_one_in(asking->rng, 10);
    if (asking->wants_more)
        return MEMSTORE_LOAD_RETRY;
    switch (test_below(asking->rng, 4)) {
    case 0:
        asking->tally->absent++;
        return MEMSTORE_LOAD_ABSENT;
    case 1:
        asking->tally->failed++;
        asking->has_failed = true;
        return MEMSTORE_LOAD_FAILED;
    default:
        asking->tally->given++;
        out->value = "value";
        out->value_size = 5;
        return MEMSTORE_LOAD_OK;
    }
}

static memstore_key any_key(struct test_rng *rng, char name[16])
{
    return (memstore_key){name,
                          (size_t)snprintf(name, 16, "row/%u", (unsigned)test_below(rng, KEYS))};
}

static void call(struct test_rng *rng, struct tally *tally)
{
    struct asking asking = {.rng = rng, .tally = tally};
    const memstore_loader loader = {.struct_size = sizeof loader,
                                    .load = load,
                                    .context = &asking,
                                    .ttl_ms = 1 + (int64_t)test_below(rng, 3),
                                    .name = "rows"};
    char name[16];
    const memstore_key key = any_key(rng, name);
    memstore_view view;
    const int status = memstore_get_or_load(store, key.data, key.size, &loader, &view);

    tally->calls++;
    tally->stale += asking.has_failed && status == MEMSTORE_OK;
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND ||
          status == MEMSTORE_ERR_LOADER_FAILED);
    memstore_view_release(&view);
}

static void take_lease(struct test_rng *rng, struct tally *tally)
{
    char name[16];
    const memstore_key key = any_key(rng, name);
    memstore_lease *lease;
    memstore_view view;
    const int status = memstore_lease_acquire(store, key.data, key.size, 60000, &lease, &view);

    memstore_view_release(&view);
    if (lease == NULL) {
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND ||
              status == MEMSTORE_ERR_LOADER_FAILED);
        return;
    }
    if (test_one_in(rng, 2)) {
        CHECK_OK(memstore_lease_fill(lease, "value", 5, 2, NULL));
        tally->given++;
        return;
    }
    const int ended = memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view);
    tally->failed++;
    tally->stale += ended == MEMSTORE_OK;
    memstore_view_release(&view);
}

static void add_to_total(const struct tally *tally)
{
    pthread_mutex_lock(&total_lock);
    total.calls += tally->calls;
    total.given += tally->given;
    total.absent += tally->absent;
    total.failed += tally->failed;
    total.retried += tally->retried;
    total.stale += tally->stale;
    pthread_mutex_unlock(&total_lock);
}

static void ask_on(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    struct tally tally = {0};

    (void)context;
    while (test_team_goes_on()) {
        if (test_one_in(&rng, 5))
            take_lease(&rng, &tally);
        else
            call(&rng, &tally);
        atomic_fetch_add(&done, 1);
    }
    add_to_total(&tally);
}

static bool is_enough(void)
{
    const memstore_stats stats = test_stats(store);

    return atomic_load(&done) >= ENOUGH && stats.load_failures > 200 && stats.stale_served > 20 &&
           stats.load_retries > 20 && stats.loads_coalesced > 20;
}

static void expect(const char *what, uint64_t counted, uint64_t wanted)
{
    if (counted != wanted)
        test_fail(__FILE__, __LINE__, "%s: %" PRIu64 " were counted, %" PRIu64 " done", what,
                  counted, wanted);
}

int main(int argc, char **argv)
{
    struct test_team team = {.count = 0};

    seed = test_seed("stress_load_counts");
    store = test_open("performance.memory_limit=4MB", "shards=4", "loader.max_stale=5ms",
                      "loader.negative_ttl=1ms", "loader.retry_initial=1ms", "loader.retry_max=1ms",
                      "loader.timeout=0", "loader.lease_timeout=10m",
                      "performance.lock_timeout=60s", NULL);
    test_team_start(&team, THREADS, ask_on, NULL);
    test_team_finish_when(&team, test_seconds(argc, argv, 2), is_enough);
    CHECK(is_enough());
    const memstore_stats stats = test_stats(store);
    expect("loads", stats.loads, total.given);
    expect("absences", stats.absent_loaded, total.absent);
    expect("failures", stats.load_failures, total.failed);
    expect("retries", stats.load_retries, total.retried);
    expect("stale values", stats.stale_served, total.stale);
    /* A call reads once, whatever comes of it. */
    expect("reads", stats.hits + stats.misses, atomic_load(&done));
    memstore_destroy(store);
    printf("stress_load_counts: 1 passed, 0 failed (%" PRIu64 " calls, %" PRIu64 " values, %" PRIu64
           " failures, %" PRIu64 " stale)\n",
           total.calls, total.given, total.failed, total.stale);
    return 0;
}
