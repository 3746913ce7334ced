/* SPDX-License-Identifier: Apache-2.0 */
/* Many keys that are known not to exist: what writes and clear look through for them. Counted in flights that are
 * passed under the lock, since time depends on the machine. */
#include "loader/flight_table.h"
#include "platform/testing.h"
#include "store/store.h"
#include "stories/loading.h"
#include "support/criterion.h"

#define MANY_ABSENCES "loader.max_absent=1000000", "loader.negative_ttl=1h"

/* A 16th of 64 MiB has room for no more than 17000 or so. */
#define LIMIT "performance.memory_limit=64MiB"
#define ASKED 20000
#define AT_LEAST 15000

struct walks {
    size_t count, passed, most;
};

static void note_walk(enum ms_testing_point point, void *context)
{
    struct walks *walks = context;

    if (point != MS_POINT_FLIGHTS_WALKED)
        return;
    walks->count++;
    walks->passed += ms_testing_work();
    walks->most = ms_testing_work() > walks->most ? ms_testing_work() : walks->most;
}

static void ask_for_absent(memstore *store, const char *prefix, int count)
{
    struct row row = {0};
    memstore_view view;
    char key[32];

    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s%d", prefix, i);
        assert_status(get_or_load(store, key, &row, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

static void put_keys(memstore *store, const char *prefix, int count)
{
    static const char value[1000];
    char key[32];

    for (int i = 0; i < count; i++) {
        const int size = snprintf(key, sizeof key, "%s%d", prefix, i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 0));
    }
}

static struct walks walks_of(memstore *store, void (*what)(memstore *store))
{
    struct walks walks = {0};

    ms_testing_set_hook(note_walk, &walks);
    what(store);
    ms_testing_set_hook(NULL, NULL);
    return walks;
}

static void write_some(memstore *store)
{
    put_keys(store, "key", 1000);
}

static void assert_writes_pass_few(memstore *store)
{
    const struct walks walks = walks_of(store, write_some);

    cr_assert_gt(walks.count, 500);
    cr_assert_leq(walks.passed, 8 * walks.count);
    cr_assert_leq(walks.most, 32);
}

Test(absences, a_write_passes_a_few_of_many)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", NULL);

    ask_for_absent(store, "absent", ASKED);
    cr_assert_geq(store->flights.absences.count, AT_LEAST);
    assert_writes_pass_few(store);
    memstore_destroy(store);
}

Test(absences, a_write_passes_a_few_of_many_in_a_store_that_was_full_before_them)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", NULL);

    put_keys(store, "filler", 80000);
    ask_for_absent(store, "absent", ASKED);
    cr_assert_geq(store->flights.absences.count, AT_LEAST);
    assert_writes_pass_few(store);
    memstore_destroy(store);
}

Test(absences, a_write_passes_a_few_when_more_may_be_remembered_than_at_first)
{
    memstore *store = test_open(LIMIT, "loader.negative_ttl=1h", "maintenance=manual", NULL);

    ask_for_absent(store, "early", 2000);
    cr_assert_eq(store->flights.absences.count, 1000);
    assert_ok(memstore_reconfigure(store, "loader.max_absent", "1000000"));
    ask_for_absent(store, "absent", ASKED);
    cr_assert_geq(store->flights.absences.count, AT_LEAST);
    assert_writes_pass_few(store);
    memstore_destroy(store);
}

static void clear(memstore *store)
{
    assert_ok(memstore_clear(store));
}

static void assert_clear_passes(const char *shards, uint32_t times)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", shards, NULL);

    ask_for_absent(store, "absent", ASKED);
    const uint32_t absences = store->flights.absences.count;
    cr_assert_geq(absences, AT_LEAST);
    const struct walks walks = walks_of(store, clear);
    cr_assert_eq(store->flights.absences.count, 0);
    cr_assert_leq(walks.passed, (size_t)times * absences);
    memstore_destroy(store);
}

Test(absences, clear_passes_each_once_and_not_once_for_each_shard)
{
    assert_clear_passes("shards=1", 1);
    assert_clear_passes("shards=64", 1);
    assert_clear_passes("shards=4096", 1);
}

/* Of 4096 buckets. */
Test(absences, clear_passes_each_as_often_as_shards_have_a_bucket_in_common)
{
    assert_clear_passes("shards=16384", 4);
}

/* All but a few are in others. */
Test(absences, each_shard_has_its_own_forgotten)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", "shards=64", NULL);

    ask_for_absent(store, "absent", ASKED);
    const uint32_t absences = store->flights.absences.count;
    for (uint32_t shard = 0; shard < 64; shard++) {
        const uint32_t before = store->flights.absences.count;

        ms_flights_overtake_shard(&store->flights, shard, 64);
        cr_assert_lt(store->flights.absences.count, before - absences / 128);
        cr_assert_gt(store->flights.absences.count + absences / 32, before);
    }
    cr_assert_eq(store->flights.absences.count, 0);
    memstore_destroy(store);
}

static uint64_t charged_besides(const memstore *store)
{
    return ms_load_relaxed(&store->flights.charged) - store->flights.absent_bytes;
}

Test(absences, what_they_are_listed_in_is_given_back_with_them)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", NULL);

    ask_for_absent(store, "absent", 1);
    const uint64_t few = charged_besides(store);
    ask_for_absent(store, "absent", ASKED);
    cr_assert_eq(charged_besides(store), few + 4096 * sizeof(struct ms_flight *));
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "4MiB"));
    cr_assert_geq(store->flights.absences.count, 100);
    cr_assert_leq(charged_besides(store), few + 512 * sizeof(struct ms_flight *));
    assert_writes_pass_few(store);
    assert_ok(memstore_reconfigure(store, "loader.max_absent", "1"));
    cr_assert_eq(store->flights.absences.count, 1);
    cr_assert_eq(charged_besides(store), few);
    memstore_destroy(store);
}

/* That they are known, and asked for no more. */
static void assert_known(memstore *store, const char *prefix, int count)
{
    const uint64_t served = test_stats(store).absent_served;

    ask_for_absent(store, prefix, count);
    cr_assert_eq(test_stats(store).absent_served, served + (uint64_t)count);
}

/* More than are listed without more buckets, of which there are 64. */
#define FEW 250
#define MORE 300

/* Whatever else was loaded meanwhile. */
Test(absences, have_all_that_they_may_come_to_be_listed_in_while_they_are_few)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", NULL);
    struct row row = {.store = store, .value = "there"};

    ask_for_absent(store, "absent", 256);
    cr_assert_eq(store->flights.bucket_count, 64);
    assert_loads(store, "key", &row, "there");
    ask_for_absent(store, "absent", 257);
    cr_assert_eq(store->flights.bucket_count, 4096);
    memstore_destroy(store);
}

Test(absences, are_remembered_when_the_limit_has_nothing_to_list_more_of_them_in)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", NULL);
    struct ms_budget *budget = &store->arena.budget;
    const uint64_t left = (MORE - FEW) * ms_flight_bytes(16);
    uint64_t taken = 0;

    ask_for_absent(store, "absent", FEW);
    while (ms_budget_charge(budget, 16, store->flights.spare + left))
        taken += 16;
    ask_for_absent(store, "absent", MORE);
    cr_assert_eq(store->flights.bucket_count, 64);
    assert_known(store, "absent", MORE);
    ms_budget_uncharge(budget, taken);
    ask_for_absent(store, "absent", MORE + 1);
    cr_assert_eq(store->flights.bucket_count, 4096);
    assert_known(store, "absent", MORE + 1);
    memstore_destroy(store);
}

Test(absences, are_remembered_when_the_system_has_nothing_to_list_more_of_them_in)
{
    memstore *store = test_open(LIMIT, MANY_ABSENCES, "maintenance=manual", NULL);

    ask_for_absent(store, "absent", 256);
    cr_assert_eq(store->flights.bucket_count, 64);
    ms_testing_fail_memory(1, false);
    ask_for_absent(store, "absent", 257);
    ms_testing_fail_memory(0, false);
    cr_assert_eq(store->flights.bucket_count, 64);
    assert_known(store, "absent", 257);
    ask_for_absent(store, "absent", 258);
    cr_assert_eq(store->flights.bucket_count, 4096);
    assert_known(store, "absent", 258);
    memstore_destroy(store);
}
