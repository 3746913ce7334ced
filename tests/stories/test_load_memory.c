/* SPDX-License-Identifier: Apache-2.0 */
/* What loads, and what they find not to exist, take of the limit. */
#include "store/store.h"
#include "stories/sources.h"
#include "support/clock.h"
#include "support/criterion.h"

static int answer_absent(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key, (void)key_size, (void)out, (void)context;
    return MEMSTORE_LOAD_ABSENT;
}

#define ENTRIES 1000

/* A store of a few entries that remembers of as many keys as it may that they do not exist. */
static memstore *open_with_absences(void)
{
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=64MiB",
                                "loader.max_absent=1000000", "loader.negative_ttl=1h", NULL);
    const memstore_loader loader = {.struct_size = sizeof loader, .load = answer_absent};
    static const char value[100];
    memstore_view view;

    for (uint64_t key = 0; key < ENTRIES; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    for (uint64_t key = ENTRIES; key < 25 * ENTRIES; key++)
        assert_status(memstore_get_or_load(store, &key, sizeof key, &loader, &view),
                      MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_gt(store->flights.absent_bytes, UINT64_C(3) << 20);
    return store;
}

Test(load_memory, what_does_not_exist_gives_way_to_what_does_when_the_limit_goes_down)
{
    memstore *store = open_with_absences();

    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "4MiB"));
    cr_assert_eq(memstore_size(store), ENTRIES);
    cr_assert_leq(store->flights.absent_bytes, UINT64_C(4) << 20 >> 4);
    cr_assert_gt(store->flights.absences.count, 100);
    memstore_destroy(store);
}

Test(load_memory, fewer_keys_are_remembered_from_when_max_absent_is_lowered)
{
    memstore *store = open_with_absences();
    const uint64_t charged = ms_budget_charged(&store->arena.budget);
    const uint64_t bytes = ms_load_relaxed(&store->flights.charged);

    assert_ok(memstore_reconfigure(store, "loader.max_absent", "10"));
    cr_assert_eq(store->flights.absences.count, 10);
    cr_assert_eq(ms_budget_charged(&store->arena.budget),
                 charged - bytes + ms_load_relaxed(&store->flights.charged));
    cr_assert_eq(ms_load_relaxed(&store->flights.charged),
                 ms_flights_first_bytes(&store->flights) + store->flights.absent_bytes);
    assert_ok(memstore_reconfigure(store, "loader.max_absent", "0"));
    cr_assert_eq(store->flights.absences.count, 0);
    memstore_destroy(store);
}

Test(load_memory, leases_and_absences_count_against_the_limit)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=1MB",
                                "loader.max_absent=1000000", "loader.negative_ttl=1h", NULL);
    const uint64_t empty = ms_budget_charged(&store->arena.budget);
    struct source source = {.result = MEMSTORE_LOAD_ABSENT};
    const memstore_loader loader = loader_of(&source);
    memstore_lease *lease;
    memstore_view view;
    char key[16];

    /* The first brings the buckets with it, which stay. */
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert_eq(ms_budget_charged(&store->arena.budget),
                 empty + ms_flights_bytes_to_join(&store->flights, 3));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    const uint64_t before = ms_budget_charged(&store->arena.budget);
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert_eq(ms_budget_charged(&store->arena.budget), before + ms_flight_bytes(3));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    cr_assert_eq(ms_budget_charged(&store->arena.budget), before);
    for (int i = 0; i < 5000; i++) {
        const int size = snprintf(key, sizeof key, "%d", i);
        assert_status(memstore_get_or_load(store, key, (size_t)size, &loader, &view),
                      MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    const uint64_t absent = ms_budget_charged(&store->arena.budget) - before;
    cr_assert(absent != 0 && absent <= 1000000 / 16);
    memstore_destroy(store);
}

Test(load_memory, a_full_store_makes_room_for_loads)
{
    static const char value[100];
    char key[16];

    memstore *store = test_open("performance.memory_limit=1MB", NULL);
    for (int i = 0; i < 20000; i++) {
        const int size = snprintf(key, sizeof key, "%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 0));
    }
    struct source source = {.value = "row"};
    assert_asks(store, &source, "row");
    cr_assert(is_there(store) && test_stats(store).loads_bypassed == 0);
    memstore_destroy(store);
}
