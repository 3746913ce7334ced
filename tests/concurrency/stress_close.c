/* SPDX-License-Identifier: Apache-2.0 */
/* close() against calls in flight from 16 threads: every call before it is served, every call
 * after it is refused, exactly one closer wins, and what views hold stays. */
#include "support/support.h"
#include "support/team.h"

#include <unistd.h>

#define CALLERS 16
#define LEASES 1000

static memstore *store;
static uint64_t seed;
static atomic_bool closed; /* some close() has returned */
static atomic_uint closers_won;
static atomic_uint_least64_t calls_served;
static memstore_lease *leases[LEASES];
static memstore_subscription *subscription;

static int commit_batch(const memstore_key *key)
{
    memstore_batch *batch = memstore_batch_new(store);

    CHECK(batch != NULL);
    CHECK_OK(memstore_batch_set(batch, key->data, key->size, "value", 5, 50));
    CHECK_OK(memstore_batch_update_ttl(batch, "counter", 7, MEMSTORE_TTL_NONE));
    const int status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

/* Calls that are at work on all of the store. */
static int call_for_all(struct test_rng *rng)
{
    uint64_t count;

    switch (test_below(rng, 5)) {
    case 0:
        return memstore_clear(store);
    case 1:
        return memstore_count_by_pattern(store, "close/1*", 8, &count);
    case 2:
        return memstore_maintain(store, 100);
    case 3:
        return memstore_compact(store, 0);
    default:
        return memstore_reconfigure(store, "performance.gc_percent",
                                    test_one_in(rng, 2) ? "10" : "50");
    }
}

/* One random call. */
static int call(struct test_rng *rng)
{
    char key[32];
    const size_t size =
        (size_t)snprintf(key, sizeof key, "close/%u", (unsigned)test_below(rng, 500));
    const memstore_key one = {key, size};
    const memstore_entry entry = {one, "value", 5, 50};
    memstore_view view;
    int64_t sum;
    int status;

    switch (test_below(rng, 14)) {
    case 0:
        return memstore_set_many(store, &entry, 1);
    case 1:
        status = memstore_get_many(store, &one, 1, &view, NULL);
        memstore_view_release(&view);
        return status;
    case 2:
        return memstore_delete(store, key, size);
    case 3:
        return test_one_in(rng, 20) ? call_for_all(rng) : memstore_has(store, key, size);
    case 4:
        return memstore_increment(store, "counter", 7, 1, 0, MEMSTORE_TTL_NONE, &sum);
    case 5:
        return memstore_update_ttl(store, key, size, 30);
    case 6:
    case 7:
        status = memstore_get_view(store, key, size, &view);
        if (status == MEMSTORE_OK) {
            CHECK(view.size == 5 && memcmp(view.data, "value", 5) == 0);
            memstore_view_release(&view);
        }
        return status;
    case 8:
        return commit_batch(&one);
    case 9:
        return memstore_set_async(store, key, size, "value", 5, 20);
    default:
        return memstore_set(store, key, size, "value", 5, (int64_t)test_below(rng, 40));
    }
}

static bool is_served(int status)
{
    switch (status) {
    case MEMSTORE_OK:
    case MEMSTORE_ERR_KEY_NOT_FOUND:
    case MEMSTORE_ERR_LOCK_TIMEOUT:
    case MEMSTORE_ERR_TTL_EXPIRED:
    case MEMSTORE_ERR_TTL_UPDATE_FAILED:
    case MEMSTORE_ERR_MEMORY_FRAGMENTATION:
        return true;
    default:
        return false;
    }
}

static void keep_calling(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    uint64_t served = 0;

    (void)context;
    for (;;) {
        const bool was_closed = atomic_load(&closed);
        const uint64_t size = memstore_size(store);
        const int status = call(&rng);

        if (status == MEMSTORE_ERR_CACHE_CLOSED)
            break;
        if (!is_served(status))
            test_fail(__FILE__, __LINE__, "a call gave %s", memstore_status_name(status));
        CHECK(!was_closed || size == 0);
        served++;
    }
    /* Closed once, closed for good. */
    CHECK_STATUS(memstore_set(store, "k", 1, "v", 1, 0), MEMSTORE_ERR_CACHE_CLOSED);
    CHECK_STATUS(memstore_has(store, "k", 1), MEMSTORE_ERR_CACHE_CLOSED);
    atomic_fetch_add(&calls_served, served);
}

static void close_it(unsigned number, void *context)
{
    (void)number;
    (void)context;
    const int status = memstore_close(store);

    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_CACHE_CLOSED);
    if (status == MEMSTORE_OK) {
        atomic_fetch_add(&closers_won, 1);
        atomic_store(&closed, true);
    }
}

/* What may be given back at any time, while the store is being closed too. */
static void take(void)
{
    char key[32];
    memstore_view view;

    CHECK_OK(memstore_subscribe(store, MEMSTORE_EVENT_EXPIRED, 0, &subscription));
    for (unsigned i = 0; i < LEASES; i++) {
        const int size = snprintf(key, sizeof key, "lease/%u", i);

        CHECK_OK(memstore_lease_acquire(store, key, (size_t)size, 0, &leases[i], &view));
        CHECK(leases[i] != NULL);
    }
}

static void give_back(unsigned number, void *context)
{
    (void)number;
    (void)context;
    for (unsigned i = 0; i < LEASES; i++) {
        (void)memstore_lease_fail(leases[i], MEMSTORE_LOAD_FAILED, NULL);
        if (!atomic_load(&closed))
            usleep(10);
    }
    memstore_subscription_close(subscription);
}

static void run_round(struct test_rng *rng)
{
    struct test_team team = {0};
    memstore_view view;
    memstore_cursor *cursor;
    memstore_key key;

    store = test_open("shards=16", "performance.memory_limit=1MiB", "performance.lock_timeout=60s",
                      NULL);
    atomic_store(&closed, false);
    atomic_store(&closers_won, 0);
    CHECK_OK(memstore_set(store, "held", 4, "these bytes", 11, 0));
    CHECK_OK(memstore_get_view(store, "held", 4, &view));
    CHECK_OK(memstore_cursor_new(store, "", 0, &cursor));

    take();
    test_team_start(&team, CALLERS, keep_calling, NULL);
    test_sleep_ms((unsigned)test_below(rng, 8));
    test_team_start(&team, 2, close_it, NULL);
    test_team_start(&team, 1, give_back, NULL);
    test_team_join(&team);

    CHECK(atomic_load(&closers_won) == 1);
    CHECK_STATUS(memstore_close(store), MEMSTORE_ERR_CACHE_CLOSED);
    CHECK_STATUS(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_CACHE_CLOSED);
    CHECK(memstore_size(store) == 0 && memstore_capacity(store) == 0);
    CHECK(view.size == 11 && memcmp(view.data, "these bytes", 11) == 0);
    memstore_view_release(&view);
    memstore_cursor_free(cursor);
    memstore_destroy(store);
}

/* ---- Calls that wait for a grace period ---- */

#define LOCK_TIMEOUT_S 20

/* Each waits for the maintenance thread to let one pass. */
static void keep_clearing(unsigned number, void *context)
{
    (void)number;
    (void)context;
    while (memstore_set(store, "key", 3, "value", 5, 0) == MEMSTORE_OK)
        (void)memstore_clear(store);
}

/* The thread ends with the only store that it looks after, whoever waits for it. */
static void run_short_round(struct test_rng *rng)
{
    struct test_team team = {0};

    store = test_open("performance.memory_limit=1MiB", "performance.lock_timeout=20s", NULL);
    test_team_start(&team, 2, keep_clearing, NULL);
    usleep((unsigned)test_below(rng, 1500));
    const double begin = test_now();
    CHECK_OK(memstore_close(store));
    CHECK(test_now() - begin < LOCK_TIMEOUT_S / 2);
    test_team_join(&team);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double end = test_now() + test_seconds(argc, argv, 4);
    unsigned rounds = 0;

    seed = test_seed("stress_close");
    struct test_rng rng = {seed};
    for (; test_now() < end; rounds++, seed += 1000) {
        run_round(&rng);
        for (unsigned i = 0; i < 20; i++)
            run_short_round(&rng);
    }
    CHECK(atomic_load(&calls_served) > 0);
    printf("ok   %u rounds\nstress_close: 1 passed, 0 failed\n", rounds);
    return 0;
}
