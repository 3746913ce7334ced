/* SPDX-License-Identifier: Apache-2.0 */
/* Stores whose limit was lowered: what they hold then, and what they take. */
#include "store/store.h"
#include "support/criterion.h"
#include "support/support.h"

#include <stdio.h>

#define SIZE 200
#define KEYS 60000

/* From five minutes to a day, and never. */
static const int64_t ttls[] = {0,       300000,   600000,   1800000,  3600000,
                               7200000, 20000000, 40000000, 90000000, 5000000};

static void set_with_all_ttls(memstore *store, uint32_t key)
{
    static const char value[SIZE];

    assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value,
                           ttls[key % TEST_COUNT_OF(ttls)]));
}

/* A store of that eviction and limit that was opened with another one, and was full at each. */
static memstore *open_full(const char *eviction, const char *opened, const char *limit)
{
    char settings[2][64];

    snprintf(settings[0], sizeof settings[0], "eviction=%s", eviction);
    snprintf(settings[1], sizeof settings[1], "performance.memory_limit=%s", opened);
    memstore *store = test_open(settings[0], settings[1], "maintenance=manual", NULL);
    for (uint32_t key = 0; key < KEYS; key++)
        set_with_all_ttls(store, key);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", limit));
    for (uint32_t key = 0; key < KEYS; key++)
        set_with_all_ttls(store, key);
    return store;
}

/* How many entries it holds in the mean while others are written. */
static uint64_t holds(const char *eviction, const char *opened, const char *limit)
{
    memstore *store = open_full(eviction, opened, limit);
    uint64_t sum = 0;

    for (uint32_t key = 0; key < KEYS / 2; key++) {
        set_with_all_ttls(store, KEYS + key);
        sum += memstore_size(store);
    }
    memstore_destroy(store);
    return sum / (KEYS / 2);
}

/* As many segments are appended to as the limit in force has room for: with those of 16 MiB a store of 1 MiB held a fifth of
 * what it holds now by itself. */
Test(lowered, holds_much_of_what_a_store_opened_so_holds, .timeout = 120)
{
    static const char *const evictions[] = {"adaptive", "s3fifo", "lru", "lfu", "fifo"};

    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        const uint64_t fresh[] = {holds(evictions[i], "1MiB", "1MiB"),
                                  holds(evictions[i], "4MiB", "4MiB")};
        const uint64_t by_16 = holds(evictions[i], "16MiB", "1MiB");
        const uint64_t by_4 = holds(evictions[i], "16MiB", "4MiB");

        cr_expect_geq(by_16, fresh[0] * 4 / 10, "%s: %lu of %lu at 1 MiB", evictions[i],
                      (unsigned long)by_16, (unsigned long)fresh[0]);
        cr_expect_geq(by_4, fresh[1] * 84 / 100, "%s: %lu of %lu at 4 MiB", evictions[i],
                      (unsigned long)by_4, (unsigned long)fresh[1]);
    }
}

#define BATCH 500

/* A quarter of what it may take, with TTLs of all classes. */
static int set_batch(memstore *store)
{
    static const char value[300];
    memstore_entry entries[BATCH];
    uint32_t keys[BATCH];

    for (uint32_t i = 0; i < BATCH; i++) {
        keys[i] = i;
        entries[i] = (memstore_entry){{&keys[i], sizeof keys[i]},
                                      value,
                                      sizeof value,
                                      i % 17 == 0 ? 0 : INT64_C(1000) << i % 17};
    }
    return memstore_set_many(store, entries, BATCH);
}

/* How many of ten batches a store takes whose limit was 16 MiB, or 4. */
static unsigned takes(const char *eviction, const char *opened)
{
    memstore *store = open_full(eviction, opened, "1MiB");
    unsigned taken = 0;

    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "100ms"));
    for (int i = 0; i < 10; i++) {
        const int status = set_batch(store);

        cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_GC_PRESSURE);
        taken += status == MEMSTORE_OK;
    }
    memstore_destroy(store);
    return taken;
}

/* What a batch is to be published with cannot be evicted for it: with TTL classes for 16 MiB none was stored, or one or two.
 * Segments are as large as they were, so that one may be refused still. */
Test(lowered, takes_batches_of_all_ttls, .timeout = 120)
{
    static const char *const evictions[] = {"adaptive", "s3fifo", "lru", "lfu", "fifo"};

    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        cr_expect_eq(takes(evictions[i], "4MiB"), 10, "%s", evictions[i]);
        cr_expect_geq(takes(evictions[i], "16MiB"), 4, "%s", evictions[i]);
    }
}

/* And with the limit as it was all is as it was. */
Test(lowered, tells_all_ttls_apart_again_when_the_limit_is_raised)
{
    memstore_ttl_stats stats = {.struct_size = sizeof stats};
    memstore *store = open_full("lru", "16MiB", "1MiB");
    uint64_t told = 0;

    assert_ok(memstore_get_ttl_stats(store, &stats));
    cr_expect_eq(stats.classes, store->arena.ttl_classes);
    cr_expect_eq(stats.entries[0] + stats.entries[1], memstore_size(store));
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "16MiB"));
    for (uint32_t key = 0; key < 1000; key++)
        set_with_all_ttls(store, key);
    assert_ok(memstore_get_ttl_stats(store, &stats));
    for (size_t i = 2; i < stats.classes; i++)
        told += stats.entries[i] != 0;
    cr_expect_geq(told, 4);
    memstore_destroy(store);
}
