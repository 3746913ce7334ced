/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of up to terabytes: what the addresses are more than is coarser then. Such a store takes no more
 * memory than what is in it. */
#include "support/criterion.h"
#include "support/stopper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_ENTRIES 5000
#define LARGE_SIZE ((size_t)700 << 10)

/* Entries begin at multiples of 4 bytes in the first of these stores, of 8, 16, 64, 128 and 256 bytes, of
 * half a page, of a page and of more in the others. */
static const char *const limits[] = {"1GiB",   "5GiB",  "12GiB", "40GiB", "80GiB",
                                     "200GiB", "300GB", "1TiB",  "2TiB",  "5TiB"};

#define LIMITS (sizeof limits / sizeof limits[0])

/* Open a store with such a limit; NULL where the system has no addresses for that. */
static memstore *open_large(const char *limit)
{
    char setting[64];
    memstore *store = NULL;

    snprintf(setting, sizeof setting, "performance.memory_limit=%s", limit);
    const int status = test_try_open(&store, NULL, setting, "shards=4", "maintenance=manual", NULL);
    cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_MEMORY_EXHAUSTED, "%s: %s", limit,
              memstore_status_name(status));
    return store;
}

static void assert_has_numbers(memstore *store, const char *limit, uint64_t from, uint64_t end)
{
    for (uint64_t key = from; key < end; key++) {
        uint64_t value = 0;
        size_t size = 0;

        cr_assert_eq(memstore_get(store, &key, sizeof key, &value, sizeof value, &size),
                     MEMSTORE_OK, "%s: %" PRIu64, limit, key);
        cr_assert(size == sizeof value && value == ~key, "%s: %" PRIu64, limit, key);
    }
}

Test(large_limits, what_is_written_is_read)
{
    for (size_t i = 0; i < LIMITS; i++) {
        memstore *store = open_large(limits[i]);

        for (uint64_t key = 0; store != NULL && key < SMALL_ENTRIES; key++) {
            const uint64_t value = ~key;
            assert_ok(memstore_set(store, &key, sizeof key, &value, sizeof value, 0));
        }
        if (store == NULL)
            continue;
        assert_has_numbers(store, limits[i], 0, SMALL_ENTRIES);
        cr_assert_eq(memstore_size(store), SMALL_ENTRIES, "%s", limits[i]);
        for (uint64_t key = 0; key < SMALL_ENTRIES / 2; key++)
            assert_ok(memstore_delete(store, &key, sizeof key));
        assert_ok(memstore_compact(store, 0.5));
        assert_has_numbers(store, limits[i], SMALL_ENTRIES / 2, SMALL_ENTRIES);
        memstore_destroy(store);
    }
}

/* As long as entries need not begin at multiples of more bytes, docs/configuration.md. */
Test(large_limits, grow_to_nearly_the_next_power_of_two)
{
    static const struct {
        const char *limit, *fits, *too_large;
    } stores[] = {
        {"2GiB", "3500MiB", "4GiB"}, {"4GiB", "6900MiB", "8GiB"}, {"5GiB", "6500MiB", "8GiB"}};

    for (size_t i = 0; i < TEST_COUNT_OF(stores); i++) {
        memstore *store = open_large(stores[i].limit);

        if (store == NULL)
            continue;
        assert_ok(memstore_reconfigure(store, "performance.memory_limit", stores[i].fits));
        assert_status(memstore_reconfigure(store, "performance.memory_limit", stores[i].too_large),
                      MEMSTORE_ERR_UNSUPPORTED);
        memstore_destroy(store);
    }
}

Test(large_limits, large_entries_are_read_and_freed)
{
    unsigned char *value = test_bytes(LARGE_SIZE, 1);

    for (size_t i = 0; i < LIMITS; i++) {
        memstore *store = open_large(limits[i]);

        if (store == NULL)
            continue;
        for (uint64_t round = 0; round < 3; round++) {
            for (uint64_t key = 0; key < 8; key++)
                assert_ok(memstore_set(store, &key, sizeof key, value, LARGE_SIZE - key, 0));
            for (uint64_t key = 0; key < 8; key++) {
                memstore_view view;

                cr_assert_eq(memstore_get_view(store, &key, sizeof key, &view), MEMSTORE_OK, "%s",
                             limits[i]);
                cr_assert(view.size == LARGE_SIZE - key && memcmp(view.data, value, view.size) == 0,
                          "%s", limits[i]);
                memstore_view_release(&view);
            }
        }
        assert_ok(memstore_clear(store));
        cr_assert_eq(test_memory(store).live, 0, "%s", limits[i]);
        memstore_destroy(store);
    }
    free(value);
}

static void commit_three(void *context)
{
    memstore_batch *batch = memstore_batch_new(context);

    if (memstore_batch_set(batch, "a", 1, "new", 3, 0) != MEMSTORE_OK ||
        memstore_batch_set(batch, "b", 1, "new", 3, 0) != MEMSTORE_OK ||
        memstore_batch_set(batch, "c", 1, "new", 3, 0) != MEMSTORE_OK ||
        memstore_batch_commit(batch) != MEMSTORE_OK)
        abort();
    memstore_batch_free(batch);
}

static void assert_all_hold(memstore *store, const char *limit, const char *value)
{
    for (const char *key = "abc"; *key != 0; key++) {
        const char name[] = {*key, 0};

        cr_assert(test_holds(store, name, value), "%s: %s does not hold %s", limit, name, value);
    }
}

Test(large_limits, a_batch_is_seen_as_a_whole)
{
    for (size_t i = 0; i < LIMITS; i++) {
        memstore *store = open_large(limits[i]);

        if (store == NULL)
            continue;
        assert_ok(test_set(store, "a", "old", 0));
        assert_ok(test_set(store, "b", "old", 0));
        assert_ok(test_set(store, "c", "old", 0));
        test_stop_at(MS_POINT_BATCH_PENDING, commit_three, store);
        assert_all_hold(store, limits[i], "old");
        test_let_go();
        assert_all_hold(store, limits[i], "new");
        assert_ok(memstore_clear(store));
        test_stop_at(MS_POINT_BATCH_COMMITTED, commit_three, store);
        assert_all_hold(store, limits[i], "new");
        test_let_go();
        memstore_destroy(store);
    }
}
