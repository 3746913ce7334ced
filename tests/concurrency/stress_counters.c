/* SPDX-License-Identifier: Apache-2.0 */
/* Read-modify-write under contention: increments, compare-and-set, add and conditional batches
 * lose nothing and invent nothing. */
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <stdlib.h>

#define THREADS 6
#define COUNTERS 4
#define ACCOUNTS 12
#define START_BALANCE 1000

static memstore *store;
static uint64_t seed;
static double seconds_each;
static atomic_int_least64_t expected[COUNTERS];
static atomic_uint_least64_t done, conflicts;

static int64_t number_at(const void *key, size_t size)
{
    char text[32];
    size_t length = 0;

    CHECK_OK(memstore_get(store, key, size, text, sizeof text - 1, &length));
    text[length] = '\0';
    return strtoll(text, NULL, 10);
}

static void open_store(void)
{
    store = test_open("shards=4", "performance.memory_limit=16MiB", "performance.lock_timeout=60s",
                      NULL);
    for (unsigned i = 0; i < COUNTERS; i++)
        atomic_store(&expected[i], 0);
    atomic_store(&done, 0);
    atomic_store(&conflicts, 0);
}

#define ENOUGH 2000 /* calls, so that each counter has had some */

static bool has_done_enough(void)
{
    return atomic_load(&done) >= ENOUGH;
}

static void run_threads(test_work work)
{
    struct test_team team = {0};

    test_team_start(&team, THREADS, work, NULL);
    test_team_finish_when(&team, seconds_each, has_done_enough);
    CHECK(atomic_load(&done) > 0);
}

static void check_sums(void)
{
    for (unsigned i = 0; i < COUNTERS; i++)
        CHECK(number_at(&i, sizeof i) == atomic_load(&expected[i]));
}

/* ---- increment ---- */

static void increment(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const unsigned counter = (unsigned)test_below(&rng, COUNTERS);
        const int64_t delta = (int64_t)test_below(&rng, 21) - 10;

        CHECK_OK(memstore_increment(store, &counter, sizeof counter, delta, 0, 0, NULL));
        atomic_fetch_add(&expected[counter], delta);
        atomic_fetch_add(&done, 1);
    }
}

static void increments_sum_exactly(void)
{
    open_store();
    for (unsigned i = 0; i < COUNTERS; i++)
        CHECK_OK(memstore_increment(store, &i, sizeof i, 0, 0, 0, NULL));
    run_threads(increment);
    check_sums();
    memstore_destroy(store);
}

/* ---- compare_and_set ---- */

static void compare_and_set(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const unsigned counter = (unsigned)test_below(&rng, COUNTERS);
        memstore_view view = {0};
        int64_t value = 0;
        char text[32];
        int status = memstore_get_view(store, &counter, sizeof counter, &view);

        if (status == MEMSTORE_OK) {
            memcpy(text, view.data, view.size);
            text[view.size] = '\0';
            value = strtoll(text, NULL, 10);
        }
        const uint64_t version = view.version; /* 0 when absent: then the counter is created */
        memstore_view_release(&view);
        const int size = snprintf(text, sizeof text, "%" PRId64, value + 1);
        status = memstore_compare_and_set(store, &counter, sizeof counter, text, (size_t)size, 0,
                                          version);
        if (status == MEMSTORE_ERR_VERSION_MISMATCH) {
            atomic_fetch_add(&conflicts, 1);
            continue;
        }
        CHECK_OK(status);
        atomic_fetch_add(&expected[counter], 1);
        atomic_fetch_add(&done, 1);
    }
}

static void compare_and_set_succeeds_once_a_version(void)
{
    open_store();
    run_threads(compare_and_set);
    for (unsigned i = 0; i < COUNTERS; i++)
        CHECK(atomic_load(&expected[i]) > 0);
    check_sums();
    const memstore_stats stats = test_stats(store);
    CHECK(stats.rejected_condition == atomic_load(&conflicts));
    CHECK(stats.sets == atomic_load(&done));
    memstore_destroy(store);
}

/* ---- add ---- */

static atomic_uint_least64_t current_key;

/* All threads add the same key; who comes second moves everybody on to the next. */
static void add(unsigned number, void *context)
{
    (void)context;
    while (test_team_goes_on()) {
        uint64_t key = atomic_load(&current_key);
        const int status = memstore_add(store, &key, sizeof key, &number, sizeof number, 0);

        if (status == MEMSTORE_ERR_KEY_EXISTS) {
            atomic_fetch_add(&conflicts, 1);
            atomic_compare_exchange_strong(&current_key, &key, (key + 1) % 20000);
            continue;
        }
        CHECK_OK(status);
        atomic_fetch_add(&done, 1);
    }
}

static void add_lets_one_in(void)
{
    open_store();
    atomic_store(&current_key, 0);
    run_threads(add);
    CHECK(memstore_size(store) == atomic_load(&done));
    CHECK(test_stats(store).updates == 0);
    memstore_destroy(store);
}

/* ---- The bank ---- */

static memstore_key account_key(unsigned account, char name[32])
{
    return (memstore_key){name, (size_t)snprintf(name, 32, "account/%u", account)};
}

static int64_t balance_of(const memstore_view *view)
{
    int64_t balance;

    CHECK(view->data != NULL && view->size == sizeof balance);
    memcpy(&balance, view->data, sizeof balance);
    return balance;
}

/* Move money between two accounts if neither was written since it was read. */
static int transfer(unsigned from, unsigned to, int64_t amount)
{
    char names[2][32];
    const memstore_key keys[2] = {account_key(from, names[0]), account_key(to, names[1])};
    memstore_view views[2];
    memstore_batch *batch = memstore_batch_new(store);

    CHECK(batch != NULL);
    CHECK_OK(memstore_get_many(store, keys, 2, views, NULL));
    const int64_t balances[2] = {balance_of(&views[0]) - amount, balance_of(&views[1]) + amount};
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(
            memstore_batch_expect_version(batch, keys[i].data, keys[i].size, views[i].version));
        CHECK_OK(memstore_batch_set(batch, keys[i].data, keys[i].size, &balances[i],
                                    sizeof balances[i], 0));
    }
    memstore_view_release_many(views, 2);
    const int status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

static void check_total(void)
{
    char names[ACCOUNTS][32];
    memstore_key keys[ACCOUNTS];
    memstore_view views[ACCOUNTS];
    int64_t total = 0;

    for (unsigned i = 0; i < ACCOUNTS; i++)
        keys[i] = account_key(i, names[i]);
    CHECK_OK(memstore_get_many(store, keys, ACCOUNTS, views, NULL));
    for (unsigned i = 0; i < ACCOUNTS; i++)
        total += balance_of(&views[i]);
    memstore_view_release_many(views, ACCOUNTS);
    if (total != (int64_t)ACCOUNTS * START_BALANCE)
        test_fail(__FILE__, __LINE__, "the accounts hold %" PRId64 " together", total);
}

static void bank(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        const unsigned from = (unsigned)test_below(&rng, ACCOUNTS);
        const unsigned to = (from + 1 + (unsigned)test_below(&rng, ACCOUNTS - 1)) % ACCOUNTS;

        if (number % 3 == 2) {
            check_total();
            continue;
        }
        const int status = transfer(from, to, (int64_t)test_below(&rng, 100));
        if (status == MEMSTORE_ERR_VERSION_MISMATCH) {
            atomic_fetch_add(&conflicts, 1);
            continue;
        }
        CHECK_OK(status);
        atomic_fetch_add(&done, 1);
    }
}

static void transfers_keep_the_total(void)
{
    const int64_t start = START_BALANCE;

    open_store();
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char name[32];
        const memstore_key key = account_key(i, name);
        CHECK_OK(memstore_set(store, key.data, key.size, &start, sizeof start, 0));
    }
    run_threads(bank);
    check_total();
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"increments_sum_exactly", increments_sum_exactly},
        {"compare_and_set_succeeds_once_a_version", compare_and_set_succeeds_once_a_version},
        {"add_lets_one_in", add_lets_one_in},
        {"transfers_keep_the_total", transfers_keep_the_total},
    };

    seconds_each = test_seconds(argc, argv, 4) / TEST_COUNT_OF(cases);
    seed = test_seed("stress_counters");
    return test_run_cases("stress_counters", cases, TEST_COUNT_OF(cases), NULL);
}
