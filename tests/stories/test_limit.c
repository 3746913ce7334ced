/* SPDX-License-Identifier: Apache-2.0 */
/* The byte limit: it holds, it costs little, and who meets it is told. */
#include "store/validate.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/stopper.h"

#include <inttypes.h>
#include <memstore/loader.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

/* AddressSanitizer keeps memory of its own, so that resident bytes and page faults tell nothing there. */
#if defined(__SANITIZE_ADDRESS__)
#define assert_resident(condition, ...) ((void)(condition))
#else
#define assert_resident(condition, ...) cr_assert(condition, __VA_ARGS__)
#endif

/* Write `count` entries of `size` bytes under numbers from `first` on. */
static void fill(memstore *store, uint64_t first, uint64_t count, size_t size)
{
    unsigned char *value = test_bytes(size, first);

    for (uint64_t key = first; key < first + count; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, size, 0));
    free(value);
}

Test(limit, a_too_large_overwrite_is_refused_and_the_old_value_stays)
{
    memstore *store = test_open("max_entry_size=100", NULL);
    char large[200] = "large";

    assert_ok(test_set(store, "key", "old", 0));
    assert_status(memstore_set(store, "key", 3, large, sizeof large, 0),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_holds(store, "key", "old");
    cr_assert_eq(test_stats(store).rejected_too_large, 1);
    cr_assert_eq(memstore_size(store), 1);
    memstore_destroy(store);
}

Test(limit, an_entry_above_the_whole_limit_is_too_large)
{
    memstore *store = test_open("performance.memory_limit=1MiB", NULL);
    unsigned char *large = test_bytes(3 * MIB, 1);

    assert_ok(test_set(store, "key", "old", 0));
    assert_status(memstore_set(store, "key", 3, large, MIB, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set(store, "key", 3, large, 3 * MIB, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set(store, "key", 3, large, SIZE_MAX / 2, 0),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set(store, "key", 3, large, SIZE_MAX - 2, 0),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set(store, "key", 3, large, UINT32_MAX, 0),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set(store, large, SIZE_MAX, "v", 1, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_holds(store, "key", "old");
    free(large);
    memstore_destroy(store);
}

/* What is set aside for events is not to be had for entries. */
Test(limit, an_entry_above_what_events_leave_is_too_large)
{
    memstore *store = test_open("performance.memory_limit=64MiB", "maintenance=manual",
                                "events.queue_memory=40MiB", NULL);
    unsigned char *large = test_bytes(30 * MIB, 1);
    const memstore_entry entry = {
        .key = {"key", 3}, .value = large, .value_size = 30 * MIB, .ttl_ms = 0};
    memstore_subscription *subscription;

    assert_ok(memstore_set(store, "key", 3, large, 30 * MIB, 0));
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_EXPIRED, 0, &subscription));
    fill(store, 0, 10000, 1000);
    const uint64_t size = memstore_size(store);
    assert_status(memstore_set(store, "key", 3, large, 30 * MIB, 0), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    assert_status(memstore_set_many(store, &entry, 1), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    cr_assert_eq(memstore_size(store), size);
    assert_ok(memstore_set(store, "key", 3, large, 11 * MIB, 0));
    memstore_subscription_close(subscription);
    assert_ok(memstore_set(store, "key", 3, large, 30 * MIB, 0));
    free(large);
    memstore_destroy(store);
}

/* However many are to be applied together, as in a large store. */
Test(limit, asynchronous_writes_take_little_of_a_small_store)
{
    memstore *store = test_open("performance.memory_limit=128KiB", "maintenance=manual",
                                "performance.batch_size=10000", NULL);

    fill(store, 0, 500, 20);
    const uint64_t size = memstore_size(store);
    cr_assert_eq(test_stats(store).evictions, 0);
    assert_ok(memstore_set_async(store, "key", 3, "value", 5, 0));
    assert_ok(memstore_flush(store));
    assert_holds(store, "key", "value");
    cr_assert_eq(memstore_size(store), size + 1);
    memstore_destroy(store);
}

Test(limit, what_is_accepted_can_always_be_stored)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "maintenance=manual", NULL);
    unsigned char *value = test_bytes(MIB, 2);
    unsigned refused = 0;

    /* Every size up to the limit is either stored, whatever was there before, or called too
     * large. */
    for (size_t size = 1000; size <= MIB; size += 7919) {
        const int status = memstore_set(store, &size, sizeof size, value, size, 0);

        cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_ENTRY_TOO_LARGE,
                  "%zu bytes gave %s", size, memstore_status_name(status));
        cr_assert(status != MEMSTORE_OK || memstore_has(store, &size, sizeof size) == MEMSTORE_OK);
        refused += status != MEMSTORE_OK;
        cr_assert(refused == 0 || status != MEMSTORE_OK, "%zu bytes fit, fewer did not", size);
        cr_assert(size > MIB / 3 || status == MEMSTORE_OK, "%zu bytes of 1 MiB are too large",
                  size);
    }
    free(value);
    memstore_destroy(store);
}

/* Overwrites, deletes, TTLs and sizes from one byte to far above a segment. */
static void churn(memstore *store, struct test_rng *rng, unsigned writes)
{
    unsigned char *value = test_bytes(300000, 3);

    for (unsigned i = 0; i < writes; i++) {
        const uint64_t key = test_below(rng, 60000);
        const size_t most = test_one_in(rng, 500) ? 300000 : test_one_in(rng, 10) ? 9000 : 400;

        if (test_one_in(rng, 8))
            (void)memstore_delete(store, &key, sizeof key);
        else
            assert_ok(memstore_set(store, &key, sizeof key, value, test_below(rng, most),
                                   test_one_in(rng, 4) ? (int64_t)(1 + test_below(rng, 500)) : 0));
    }
    free(value);
}

Test(limit, resident_memory_stays_under_the_limit, .timeout = 120)
{
    const size_t before = test_resident();
    memstore *store = test_open("performance.memory_limit=32MiB", "shards=64",
                                "performance.lock_timeout=60s", NULL);
    struct test_rng rng = {test_seed("limit")};
    size_t most = 0;

    for (unsigned round = 0; round < TEST_FEWER(200, 4); round++) {
        churn(store, &rng, 2000);
        const size_t now = test_resident();
        most = now > most ? now : most;
        const memstore_memory_stats memory = test_memory(store);
        cr_assert(memory.charged <= memory.limit);
    }
    /* However slowly that went, and however much of it has expired: this does not fit. */
    fill(store, 0, 60000, 1000);
    const size_t at_end = test_resident();
    most = at_end > most ? at_end : most;
    cr_assert(test_stats(store).evictions > 0);
    /* 2 % and 1 MiB for the process's own needs, and the buffer that the values come from. */
    assert_resident(most <= before + 32 * MIB * 102 / 100 + MIB + 300000,
                    "resident memory grew by %zu bytes", most - before);
    memstore_destroy(store);
}

Test(limit, resident_bytes_are_those_that_the_kernel_counts)
{
    memstore *store = test_open("performance.memory_limit=64MiB", NULL);
    const size_t empty = test_resident();
    const uint64_t told_empty = test_memory(store).resident;

    fill(store, 0, 58000, 1000);
    const uint64_t told = test_memory(store).resident - told_empty;
    const size_t grown = test_resident() - empty;
    /* What is free is being touched ahead of writers meanwhile. */
    const uint64_t then = test_memory(store).resident - told_empty;
    cr_assert(told_empty > 0 && told > 58000000);
    assert_resident(told <= grown + grown / 50 && grown <= then + then / 50,
                    "%zu bytes are told, then %zu, the process grew by %zu", (size_t)told,
                    (size_t)then, grown);
    assert_ok(memstore_clear(store));
    assert_ok(memstore_maintain(store, 0));
    cr_assert_lt(test_memory(store).resident, told_empty + told / 4);
    memstore_destroy(store);
}

Test(limit, memory_goes_back_to_the_system_when_entries_are_gone)
{
    const size_t before = test_resident();
    memstore *store = test_open("performance.memory_limit=256MiB", NULL);

    fill(store, 0, 100000, 1000);
    assert_resident(test_resident() > before + 90 * MIB, "%zu bytes", test_resident() - before);
    assert_ok(memstore_clear(store));
    assert_ok(memstore_maintain(store, 0));
    assert_resident(test_resident() < before + 40 * MIB, "still %zu bytes after the clear",
                    test_resident() - before);
    memstore_destroy(store);
}

/* What maintenance adds to what is resident, beyond a few bytes of other kinds. */
static uint64_t made_by_maintenance(memstore *store)
{
    const uint64_t before = test_memory(store).resident;

    assert_ok(memstore_maintain(store, 0));
    const uint64_t after = test_memory(store).resident;
    return after > before + 4096 ? after - before : 0;
}

Test(limit, a_store_that_grows_has_memory_before_its_writers_come_to_it)
{
    memstore *store =
        test_open("performance.memory_limit=256MiB", "maintenance=manual", "shards=16", NULL);
    uint64_t made = 0;

    for (uint64_t keys = 0; keys < 40000; keys += 200) {
        fill(store, keys, 200, 1000);
        const uint64_t now = made_by_maintenance(store);
        assert_resident(keys >= 14000 || now == 0, "%zu bytes, of little", (size_t)now);
        assert_resident(now <= 4 * MIB, "%zu bytes at once", (size_t)now);
        assert_resident(made_by_maintenance(store) == 0, "although nothing was written since");
        made += now;
    }
    assert_resident(made >= 10 * MIB, "%zu bytes in all", (size_t)made);
    memstore_destroy(store);
}

Test(limit, memory_that_is_kept_for_the_next_large_entry_is_told_as_free)
{
    memstore *store = test_open("performance.memory_limit=64MiB", "maintenance=manual", NULL);
    const memstore_memory_stats before = test_memory(store);

    fill(store, 0, 1, MIB);
    assert_ok(memstore_delete(store, &(uint64_t){0}, sizeof(uint64_t)));
    assert_ok(memstore_maintain(store, 0));
    const memstore_memory_stats after = test_memory(store);
    cr_assert_geq(after.charged, before.charged + MIB);
    cr_assert_geq(after.free, before.free + MIB);
    cr_assert_leq(after.overhead, before.overhead + 8192);
    memstore_destroy(store);
}

/* A full store whose free bytes are those of a large entry that has gone: what is charged alone, as a load that
 * is noted, takes them, and nothing is evicted for it. */
Test(limit, memory_that_is_kept_for_the_next_large_entry_serves_what_is_charged_alone)
{
    memstore *store = test_open("performance.memory_limit=64MiB", "maintenance=manual", NULL);
    const uint64_t larges = 2000, smalls = 1000000;

    fill(store, 0, larges, 100000);
    for (uint64_t i = 1; i <= 300; i++) {
        const uint64_t large = larges - i;
        memstore_lease *lease;
        memstore_view view;
        int status;

        fill(store, smalls + i * 1000, 1000, 100);
        status = memstore_delete(store, &large, sizeof large);
        cr_assert(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_ok(memstore_maintain(store, 0));
        const uint64_t evictions = test_stats(store).evictions;
        const bool has_free = test_memory(store).free >= 100000;
        assert_ok(memstore_lease_acquire(store, "absent", 6, 0, &lease, &view));
        cr_assert_not_null(lease);
        cr_assert(!has_free || test_stats(store).evictions == evictions,
                  "%" PRIu64 " were evicted for a lease in round %" PRIu64,
                  test_stats(store).evictions - evictions, i);
        assert_status(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL),
                      MEMSTORE_ERR_LOADER_FAILED);
    }
    memstore_destroy(store);
}

#define HUGE_PAGE (2 * MIB)

/* Whether one byte takes a whole huge page: there is one free, and the system is set to give it. */
static bool system_gives_huge_pages(void)
{
    char *const memory =
        mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(memory, MAP_FAILED);
    madvise(memory, 2 * HUGE_PAGE, MADV_HUGEPAGE);
    const size_t before = test_resident();
    memory[HUGE_PAGE] = 1; /* one of the first and the second begins before it and ends after it */
    const bool is_huge = test_resident() > before + MIB;
    munmap(memory, 2 * HUGE_PAGE);
    return is_huge;
}

static uint64_t resident_of_a_small_store(const char *huge_pages)
{
    const size_t before = test_resident();
    memstore *store = test_open("performance.memory_limit=256MiB", huge_pages, NULL);

    assert_ok(test_set(store, "key", "value", 0));
    const size_t grown = test_resident() - before;
    memstore_destroy(store);
    return grown;
}

Test(limit, huge_pages_that_are_always_on_are_resident_from_the_first_byte)
{
    assert_resident(resident_of_a_small_store("huge_pages=off") < MIB, "off");
    assert_resident(resident_of_a_small_store("huge_pages=auto") < MIB, "auto");
    if (!system_gives_huge_pages())
        cr_skip("the system gives no huge pages");
    assert_resident(resident_of_a_small_store("huge_pages=on") > MIB, "on");
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Do at once what the system does in time: put on huge pages whatever this process asked that for. */
static void collapse_what_asks_for_it(void)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    uintptr_t begin = 0, end = 0, from[512], to[512];
    size_t n = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) != 2 &&
            strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " hg") != NULL && n < 512) {
            from[n] = begin;
            to[n++] = end;
        }
    }
    fclose(file);
    while (n-- > 0)
        madvise((void *)from[n], to[n] - from[n], MADV_COLLAPSE);
}

/* At most this much more is in memory than is charged: the index of shards, what tests add. */
static void assert_resident_is_charged(memstore *store, const char *when)
{
    const memstore_memory_stats memory = test_memory(store);

    assert_resident(memory.resident <= memory.charged + 256 * 1024,
                    "%s: %" PRIu64 " bytes are charged and %" PRIu64 " resident", when,
                    memory.charged, memory.resident);
}

Test(limit, huge_pages_hold_no_more_than_what_is_charged)
{
    memstore *store = test_open("performance.memory_limit=256MiB", "maintenance=manual", NULL);
    struct test_rng rng = {42};

    /* Wherever the last huge page begins, and as they are begun. */
    for (int i = 0; i < 40; i++) {
        fill(store, i * 1000, 1000, 1000);
        assert_resident_is_charged(store, "as it fills");
    }
    collapse_what_asks_for_it();
    assert_resident_is_charged(store, "filled in part");
    /* Large entries take the memory of segments here and there, and give it up again. */
    fill(store, 0, 300000, 1000);
    for (int i = 0; i < 600; i++) {
        const size_t size = test_below(&rng, 100) < 30 ? MIB + test_below(&rng, MIB) : 20000;
        fill(store, 1000000 + (int)test_below(&rng, 200), 1, size);
        assert_resident_is_charged(store, "with large entries");
    }
    collapse_what_asks_for_it();
    assert_resident_is_charged(store, "on huge pages, with large entries");
    assert_ok(memstore_clear(store));
    assert_ok(memstore_maintain(store, 0));
    collapse_what_asks_for_it();
    assert_resident_is_charged(store, "cleared");
    memstore_destroy(store);
}

/* Locks are larger where their order is checked. */
#ifdef NDEBUG
#define FOR_RANKS 0
#else
#define FOR_RANKS (64 << 10)
#endif

Test(limit, an_empty_store_with_a_gigabyte_limit_holds_less_than_a_megabyte)
{
    const size_t before = test_resident();
    memstore *store = test_open("performance.memory_limit=1GB", NULL);

    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(test_delete(store, "key"));
    assert_resident(test_resident() <= before + MIB, "%zu bytes", test_resident() - before);
    cr_assert(test_memory(store).charged <= MIB + FOR_RANKS, "%llu bytes",
              (unsigned long long)test_memory(store).charged);
    memstore_destroy(store);
}

Test(limit, a_small_store_has_room_whatever_its_shards)
{
    memstore *store = test_open("shards=65536", "performance.memory_limit=128KiB", NULL);

    fill(store, 0, 1000, 20);
    cr_assert(memstore_size(store) > 500, "%llu entries of 28 bytes in 128 KiB",
              (unsigned long long)memstore_size(store));
    memstore_destroy(store);
}

Test(limit, an_empty_store_of_many_shards_says_what_it_holds)
{
    memstore *store = test_open("shards=65536", "performance.memory_limit=1GiB", NULL);
    const memstore_memory_stats memory = test_memory(store);

    cr_assert_eq(memory.limit, (uint64_t)1 << 30);
    cr_assert(memory.overhead > 0 && memory.overhead <= memory.charged);
    cr_assert_eq(memory.live, 0);
    assert_ok(test_set(store, "key", "value", 0));
    assert_holds(store, "key", "value");
    memstore_destroy(store);
}

Test(limit, capacity_is_the_limit_that_was_set)
{
    memstore *store = test_open("performance.memory_limit=3000000", NULL);

    cr_assert_eq(memstore_capacity(store), 3000000);
    cr_assert_eq(test_memory(store).limit, 3000000);
    memstore_destroy(store);
}

Test(limit, entries_do_not_go_in_one_burst)
{
    memstore *store = test_open("performance.memory_limit=8MiB", "maintenance=manual", NULL);
    uint64_t key = 0, most = 0, before;
    unsigned char value[100] = {0};

    for (; key % 16 != 0 || test_stats(store).evictions == 0; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    const uint64_t full = memstore_size(store);
    /* From now on a write evicts a segment's worth at most, and the store stays nearly full. */
    for (unsigned i = 0; i < TEST_FEWER(50000, 4); i++, key++) {
        before = test_stats(store).evictions;
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
        const uint64_t evicted = test_stats(store).evictions - before;
        most = evicted > most ? evicted : most;
        cr_assert(memstore_size(store) > full * 8 / 10, "%llu of %llu entries are left",
                  (unsigned long long)memstore_size(store), (unsigned long long)full);
    }
    cr_assert(most < full / 20, "%llu of %llu entries went at once", (unsigned long long)most,
              (unsigned long long)full);
    memstore_destroy(store);
}

/* For writes that must succeed, however long the maintenance thread has to wait for a processor. */
#define PATIENT "performance.lock_timeout=60s"

/* What may be told to a writer that does not wait: the maintenance thread was in its way. */
static bool may_pass(int status)
{
    return status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_LOCK_TIMEOUT;
}

/* Write new entries, refused or not; the fewest entries that the store had meanwhile. */
static uint64_t fewest_while_writing(memstore *store, uint64_t first, unsigned writes)
{
    unsigned char value[1000] = {0};
    uint64_t fewest = UINT64_MAX;

    for (uint64_t key = first; key < first + writes; key++) {
        const int status = memstore_set(store, &key, sizeof key, value, sizeof value, 0);
        cr_assert(status == MEMSTORE_OK || may_pass(status), "%s", memstore_strerror(status));
        const uint64_t entries = memstore_size(store);
        fewest = entries < fewest ? entries : fewest;
    }
    return fewest;
}

Test(limit, a_writer_that_may_not_wait_does_not_evict_more_than_it_needs)
{
    memstore *store = test_open("performance.memory_limit=8MiB", PATIENT, NULL);

    fill(store, 0, 6000, 1000);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "0"));
    const uint64_t fewest = fewest_while_writing(store, 10000, 20000);
    cr_assert(fewest > 5500, "%llu entries were left at one time", (unsigned long long)fewest);
    memstore_destroy(store);
}

static void read_one(void *store)
{
    const uint64_t key = 1;
    unsigned char value[1000];

    (void)memstore_get(store, &key, sizeof key, value, sizeof value, NULL);
}

Test(limit, a_reader_that_stands_still_does_not_cost_the_store_its_entries)
{
    memstore *store = test_open("performance.memory_limit=8MiB", PATIENT, NULL);

    fill(store, 0, 6000, 1000);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "10ms"));
    test_stop_at(MS_POINT_READ_FOUND, read_one, store);
    const uint64_t fewest = fewest_while_writing(store, 10000, 2000);
    test_let_go();
    cr_assert(test_stats(store).rejected_memory > 0, "nothing came free while the reader stood");
    cr_assert(fewest > 4000, "%llu entries were left at one time", (unsigned long long)fewest);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "60s"));
    assert_ok(test_set(store, "key", "value", 0));
    memstore_destroy(store);
}

Test(limit, without_eviction_a_full_store_says_so_and_keeps_all_it_has)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none", "shards=1", NULL);
    unsigned char value[500] = {7};
    uint64_t key = 0;
    int status;

    while ((status = memstore_set(store, &key, sizeof key, value, sizeof value, 0)) == MEMSTORE_OK)
        key++;
    assert_status(status, MEMSTORE_ERR_CACHE_FULL);
    cr_assert(key > 1000, "%llu entries of 500 bytes filled 1 MiB", (unsigned long long)key);
    cr_assert_eq(memstore_size(store), key);
    for (uint64_t i = 0; i < key; i++)
        assert_ok(memstore_has(store, &i, sizeof i));
    cr_assert_eq(test_stats(store).rejected_full, 1);
    memstore_destroy(store);
}

Test(limit, a_ttl_for_which_there_is_no_room_is_counted_as_refused)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none", NULL);
    const int64_t century = INT64_C(36500) * 24 * 3600 * 1000;
    unsigned char value[4000] = {7};
    uint64_t key = 0;

    for (size_t size = sizeof value; size != 0; size /= 2) {
        while (memstore_set(store, &key, sizeof key, value, size, 0) == MEMSTORE_OK)
            key++;
    }
    const uint64_t before = test_stats(store).rejected_full, first = 0;
    /* So long a TTL needs another form of the entry, written elsewhere. */
    assert_status(memstore_update_ttl(store, &first, sizeof first, century),
                  MEMSTORE_ERR_CACHE_FULL);
    cr_assert_eq(test_stats(store).rejected_full, before + 1);
    memstore_destroy(store);
}

Test(limit, a_full_store_without_eviction_takes_as_much_again_as_was_deleted)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "eviction=none", "maintenance=manual", NULL);
    unsigned char value[500] = {7};
    uint64_t key = 0;

    while (memstore_set(store, &key, sizeof key, value, sizeof value, 0) == MEMSTORE_OK)
        key++;
    /* Every other entry, so that no segment comes free by itself: the dead bytes have to be
     * brought together. */
    for (uint64_t i = 0; i < key; i += 2)
        assert_ok(memstore_delete(store, &i, sizeof i));
    for (uint64_t i = 0; i < key / 2 - key / 20; i++) {
        const uint64_t again = key + 1 + i;
        assert_ok(memstore_set(store, &again, sizeof again, value, sizeof value, 0));
    }
    for (uint64_t i = 1; i < key; i += 2)
        assert_ok(memstore_has(store, &i, sizeof i));
    memstore_destroy(store);
}

/* Entries that were of one class by their TTLs when they were written are of several when they are brought
 * together. */
Test(limit, what_was_deleted_of_entries_of_different_ttls_is_room_again)
{
    test_clock_start();
    memstore *store =
        test_open("performance.memory_limit=1MiB", "eviction=none", "maintenance=manual", NULL);
    const int64_t ttls[] = {600 * 1000, 24 * 3600 * 1000};
    unsigned char value[500] = {7};
    uint64_t key = 0;

    while (memstore_set(store, &key, sizeof key, value, sizeof value, ttls[key / 2 % 2]) ==
           MEMSTORE_OK)
        key++;
    test_clock_advance(200 * 1000);
    for (uint64_t i = 0; i < key; i += 2)
        assert_ok(memstore_delete(store, &i, sizeof i));
    for (uint64_t i = 0; i < key / 2 - key / 10; i++) {
        const uint64_t again = key + 1 + i;
        assert_ok(
            memstore_set(store, &again, sizeof again, value, sizeof value, ttls[again / 2 % 2]));
    }
    for (uint64_t i = 1; i < key; i += 2)
        assert_ok(memstore_has(store, &i, sizeof i));
    memstore_destroy(store);
}

/* Of one shard, so that no table has to grow for keys that others give way to. */
static memstore *open_without_eviction(const char *limit)
{
    return test_open(limit, "eviction=none", "maintenance=manual", "shards=1", NULL);
}

static void overwrite_all_when_full(const char *limit)
{
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, 1000);
    unsigned char value[1000] = {8};

    for (uint64_t key = 0; key < count; key += 7)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    for (uint64_t key = 0; key < count; key += 5)
        assert_ok(memstore_set(store, &key, sizeof key, value, 10, 0));
    cr_assert_eq(memstore_size(store), count);
    for (uint64_t key = 0; key < count; key++)
        assert_ok(memstore_has(store, &key, sizeof key));
    cr_assert_null(ms_store_validate(store));
    memstore_destroy(store);
}

Test(limit, a_full_store_without_eviction_takes_what_replaces_an_entry_as_large)
{
    overwrite_all_when_full("performance.memory_limit=1MiB");
    overwrite_all_when_full("performance.memory_limit=16MiB");
}

/* Who was told a version takes it along when he is moved, which is longer; so not even a full segment fits one. */
static void overwrite_all_that_was_viewed(const char *limit)
{
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, 1000);
    unsigned char value[1000] = {8};
    memstore_view view;

    for (uint64_t key = 0; key < count; key++) {
        assert_ok(memstore_get_view(store, &key, sizeof key, &view));
        memstore_view_release(&view);
    }
    for (uint64_t key = 0; key < count; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    cr_assert_eq(memstore_size(store), count);
    memstore_destroy(store);
}

Test(limit, a_full_store_without_eviction_takes_what_replaces_entries_that_were_viewed)
{
    overwrite_all_that_was_viewed("performance.memory_limit=1MiB");
    overwrite_all_that_was_viewed("performance.memory_limit=8MiB");
    overwrite_all_that_was_viewed("performance.memory_limit=16MiB");
}

/* Moved entries of which a version was told are longer: what that does not fit is left where it is. */
static void delete_tenths_of_what_was_viewed(const char *limit)
{
    enum { SIZE = 100 };
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, SIZE);
    memstore_view view;

    for (uint64_t key = 0; key < count; key++) {
        assert_ok(memstore_get_view(store, &key, sizeof key, &view));
        memstore_view_release(&view);
    }
    uint64_t next = count;
    for (uint64_t tenth = 0; tenth < 6; tenth++) {
        for (uint64_t key = tenth; key < count; key += 10)
            assert_ok(memstore_delete(store, &key, sizeof key));
        next += test_set_numbers(store, next, UINT64_MAX - next, SIZE);
    }
    cr_assert_gt(next - count, count / 4, "%" PRIu64 " of %" PRIu64, next - count, count * 6 / 10);
    cr_assert_null(ms_store_validate(store));
    memstore_destroy(store);
}

Test(limit, a_full_store_without_eviction_takes_others_for_what_was_viewed_and_deleted)
{
    delete_tenths_of_what_was_viewed("performance.memory_limit=1MiB");
    delete_tenths_of_what_was_viewed("performance.memory_limit=16MiB");
}

/* For each that is deleted one as large is stored, with pages that it shares with those beside it. */
static void exchange_large_ones(const char *limit, size_t size)
{
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, size);
    unsigned char *value = test_bytes(size, 1);

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t old = i * 89 % count, key = count + i;

        if (memstore_delete(store, &old, sizeof old) == MEMSTORE_OK)
            assert_ok(memstore_set(store, &key, sizeof key, value, size, 0));
    }
    cr_assert_eq(memstore_size(store), count);
    memstore_destroy(store);
    free(value);
}

Test(limit, a_full_store_without_eviction_takes_a_large_entry_for_each_that_is_deleted)
{
    exchange_large_ones("performance.memory_limit=1MiB", 5429);
    exchange_large_ones("performance.memory_limit=1MiB", 7000);
    exchange_large_ones("performance.memory_limit=1MiB", 12000);
}

Test(limit, a_full_store_without_eviction_takes_large_entries_for_many_small_ones_that_are_deleted)
{
    const uint64_t first_large = UINT64_C(1) << 40;
    memstore *store = open_without_eviction("performance.memory_limit=16MiB");
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, 1000);
    const size_t size = 40000;
    unsigned char *value = test_bytes(size, 1);
    uint64_t freed = 0, stored = 0;

    for (uint64_t key = 0; key < count; key += 20) {
        assert_ok(memstore_delete(store, &key, sizeof key));
        freed += 1000;
    }
    for (uint64_t key = first_large;
         memstore_set(store, &key, sizeof key, value, size, 0) == MEMSTORE_OK; key++)
        stored += size;
    cr_assert_gt(stored, freed / 3, "%" PRIu64 " of %" PRIu64 " bytes", stored, freed);
    memstore_destroy(store);
    free(value);
}

static void delete_and_add_when_full(const char *limit, uint64_t apart)
{
    memstore *store = open_without_eviction(limit);
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, 1000);
    unsigned char value[1000] = {8};

    for (uint64_t i = 0; i < 2 * count && i < 4000; i++) {
        const uint64_t old = i * apart % count + (i >= count ? count : 0), key = count + i;

        if (memstore_delete(store, &old, sizeof old) == MEMSTORE_OK)
            assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    }
    cr_assert_eq(memstore_size(store), count);
    cr_assert_null(ms_store_validate(store));
    memstore_destroy(store);
}

Test(limit, a_full_store_without_eviction_takes_one_for_each_that_is_deleted)
{
    delete_and_add_when_full("performance.memory_limit=1MiB", 1);
    delete_and_add_when_full("performance.memory_limit=1MiB", 89);
    delete_and_add_when_full("performance.memory_limit=16MiB", 1);
    delete_and_add_when_full("performance.memory_limit=16MiB", 89);
}

/* A twentieth of the keys are deleted, none of which lie together; what comes for them is three times as large. */
Test(limit, what_was_deleted_here_and_there_is_room_for_what_is_larger)
{
    memstore *store = open_without_eviction("performance.memory_limit=1MiB");
    const uint64_t count = test_set_numbers(store, 0, UINT64_MAX, 1000);
    unsigned char value[3000] = {8};

    for (uint64_t key = 0; key < count; key += 20)
        assert_ok(memstore_delete(store, &key, sizeof key));
    for (uint64_t key = count; key < count + count / 20 / 4; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    memstore_destroy(store);
}

/* Fill a store with entries of 500 bytes and then of none, and return how many of 500 there are. */
static uint64_t fill_up(memstore *store)
{
    unsigned char value[500] = {7};
    uint64_t key = 0;

    while (memstore_set(store, &key, sizeof key, value, sizeof value, 0) == MEMSTORE_OK)
        key++;
    for (uint64_t i = 1; memstore_set(store, &i, 5, NULL, 0, 0) == MEMSTORE_OK; i++)
        continue;
    return key;
}

static void delete_together(memstore *store, const uint64_t *numbers, size_t n)
{
    memstore_key keys[500];
    size_t deleted;

    for (size_t i = 0; i < n; i++)
        keys[i] = (memstore_key){&numbers[i], sizeof numbers[i]};
    assert_ok(memstore_delete_many(store, keys, n, &deleted));
    cr_assert_eq(deleted, n);
}

static void delete_all_together(memstore *store, size_t n)
{
    const uint64_t count = fill_up(store);
    uint64_t numbers[500];

    for (uint64_t first = 0; first + n <= count; first += n) {
        for (size_t i = 0; i < n; i++)
            numbers[i] = first + i;
        delete_together(store, numbers, n);
    }
    fill_up(store);
    cr_assert_gt(memstore_size(store), count - count / 10,
                 "what was deleted cannot be stored again");
    memstore_destroy(store);
}

Test(limit, a_full_store_without_eviction_deletes_several_entries_together)
{
    const size_t together[] = {1, 2, 50, 500};

    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        delete_all_together(test_open("performance.memory_limit=1MiB", "eviction=none", NULL),
                            together[i]);
        delete_all_together(test_open("performance.memory_limit=32MiB", "eviction=none", NULL),
                            together[i]);
    }
}

Test(limit, a_full_store_without_eviction_commits_deletes_with_conditions)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none", NULL);
    memstore_batch *batch = memstore_batch_new(store);
    const uint64_t first = 0, second = 1;

    fill_up(store);
    assert_ok(memstore_batch_delete(batch, &first, sizeof first));
    assert_ok(memstore_batch_expect_absent(batch, &second, sizeof second));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_KEY_EXISTS);
    assert_ok(memstore_has(store, &first, sizeof first));
    assert_ok(memstore_delete(store, &second, sizeof second));
    assert_ok(memstore_batch_commit(batch));
    assert_status(memstore_has(store, &first, sizeof first), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_batch_free(batch);
    memstore_destroy(store);
}

enum { KEYS_TOGETHER = 100000 };

/* Keys from a number on that are deleted together. */
struct deletion {
    memstore *store;
    uint64_t first;
    size_t n, deleted;
};

static void delete_from(void *context)
{
    struct deletion *deletion = context;
    uint64_t *numbers = malloc(deletion->n * sizeof *numbers);
    memstore_key *keys = malloc(deletion->n * sizeof *keys);

    for (size_t i = 0; i < deletion->n; i++) {
        numbers[i] = deletion->first + i;
        keys[i] = (memstore_key){&numbers[i], sizeof numbers[i]};
    }
    assert_ok(memstore_delete_many(deletion->store, keys, deletion->n, &deletion->deleted));
    free(keys);
    free(numbers);
}

Test(limit, deleting_what_is_not_there_costs_hardly_an_entry)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=none"};

    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        memstore *store =
            test_open("performance.memory_limit=1MiB", "maintenance=manual", policies[i], NULL);
        struct deletion absent = {.store = store, .first = 1000000, .n = KEYS_TOGETHER};
        unsigned char value[500] = {7};

        for (uint64_t key = 0; key < 4000; key++)
            memstore_set(store, &key, sizeof key, value, sizeof value, 0);
        const size_t size = memstore_size(store);
        delete_from(&absent);
        cr_assert_eq(absent.deleted, 0);
        cr_assert_geq(memstore_size(store), size - size / 20, "%s", policies[i]);
        memstore_destroy(store);
    }
}

/* What is kept for the reclaimer has room for the records. */
Test(limit, deleting_some_hundreds_together_from_a_full_store_evicts_nothing)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "maintenance=manual", "eviction=lru", NULL);
    struct deletion deletion = {.store = store, .n = 100};
    unsigned char value[100] = {7};
    uint64_t next = 0;

    for (; next < 12000; next++)
        assert_ok(memstore_set(store, &next, sizeof next, value, sizeof value, 0));
    for (int i = 0; i < 5; i++) {
        const uint64_t evicted = test_stats(store).evictions, size = memstore_size(store);

        next -= deletion.n;
        deletion.first = next;
        delete_from(&deletion);
        cr_assert_eq(deletion.deleted, deletion.n);
        cr_assert_eq(test_stats(store).evictions, evicted);
        cr_assert_eq(memstore_size(store), size - deletion.n);
    }
    memstore_destroy(store);
}

Test(limit, what_comes_while_many_keys_are_deleted_is_deleted_too)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "maintenance=manual", NULL);
    struct deletion deletion = {.store = store, .first = 0, .n = KEYS_TOGETHER};

    test_stop_at(MS_POINT_BATCH_RESERVED, delete_from, &deletion);
    for (uint64_t key = 0; key < 1000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, "new", 3, 0));
    test_let_go();
    cr_assert_eq(deletion.deleted, 1000);
    cr_assert_eq(memstore_size(store), 0);
    memstore_destroy(store);
}

Test(limit, overwriting_one_key_for_ever_fits_any_limit)
{
    memstore *store = test_open("performance.memory_limit=1MiB", "eviction=none", NULL);
    unsigned char value[20000] = {1};

    for (unsigned i = 0; i < 5000; i++)
        assert_ok(memstore_set(store, "key", 3, value, sizeof value, 0));
    cr_assert_eq(memstore_size(store), 1);
    memstore_destroy(store);
}

Test(limit, a_large_entry_of_256_mib_is_stored_read_and_given_back, .timeout = 120)
{
    const size_t size = 256 * MIB;
    memstore *store = test_open("performance.memory_limit=1GiB", NULL);
    unsigned char *value = test_bytes(size, 4);
    memstore_view view;

    for (unsigned round = 0; round < 6; round++) {
        value[round] ^= 0xff;
        assert_ok(memstore_set(store, "large", 5, value, size, 0));
    }
    assert_ok(memstore_get_view(store, "large", 5, &view));
    cr_assert_eq(view.size, size);
    cr_assert_eq(memcmp(view.data, value, size), 0);
    assert_ok(memstore_set(store, "large", 5, "small", 5, 0));
    cr_assert_eq(memcmp(view.data, value, size), 0);
    memstore_view_release(&view);
    assert_ok(memstore_maintain(store, 0));
    cr_assert(test_memory(store).charged < 64 * MIB);
    free(value);
    memstore_destroy(store);
}

/* As much as may be stored at other times, but not beside what views hold: all that may go would not do. */
Test(limit, what_views_leave_no_room_for_evicts_little)
{
    memstore *store =
        test_open("performance.memory_limit=64MiB", "performance.lock_timeout=50ms", NULL);
    unsigned char *value = test_bytes(28 * MIB, 5);
    memstore_view views[2];

    for (uint64_t i = 0; i < 2; i++) {
        const uint64_t key = 1000000 + i;
        assert_ok(memstore_set(store, &key, sizeof key, value, 19 * MIB, 0));
        assert_ok(memstore_get_view(store, &key, sizeof key, &views[i]));
    }
    fill(store, 0, 30000, 1000);
    const uint64_t size = memstore_size(store);
    assert_status(memstore_set(store, "large", 5, value, 28 * MIB, 0),
                  MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert_geq(memstore_size(store), size * 7 / 8, "%" PRIu64 " of %" PRIu64 " are left",
                  memstore_size(store), size);
    memstore_view_release_many(views, 2);
    assert_ok(memstore_set(store, "large", 5, value, 28 * MIB, 0));
    free(value);
    memstore_destroy(store);
}

struct large_write {
    memstore *store;
    const void *value;
    size_t size;
    int status;
};

static void *write_large(void *context)
{
    struct large_write *write = context;

    write->status = memstore_set(write->store, "large", 5, write->value, write->size, 0);
    return NULL;
}

/* What others ask for is to be had meanwhile, at the cost of what they write alone. */
static void expect_that_others_write_meanwhile(const char *maintenance)
{
    memstore *store = test_open("performance.memory_limit=64MiB", "performance.lock_timeout=1m",
                                maintenance, NULL);
    unsigned char *value = test_bytes(28 * MIB, 5);
    struct large_write large = {.store = store, .value = value, .size = 28 * MIB};
    memstore_view views[2];
    pthread_t thread;

    for (uint64_t i = 0; i < 2; i++) {
        const uint64_t key = 1000000 + i;
        assert_ok(memstore_set(store, &key, sizeof key, value, 19 * MIB, 0));
        assert_ok(memstore_get_view(store, &key, sizeof key, &views[i]));
    }
    fill(store, 0, 30000, 1000);
    const uint64_t size = memstore_size(store), evictions = test_stats(store).evictions;
    cr_assert_eq(pthread_create(&thread, NULL, write_large, &large), 0);
    TEST_AWAIT(test_stats(store).evictions > evictions);
    for (uint64_t key = 2000000; key < 2000400; key++) {
        assert_ok(memstore_set(store, &key, sizeof key, "small", 5, 0));
        test_sleep_ms(1);
    }
    fill(store, 3000000, 1000, 1000);
    cr_assert_geq(memstore_size(store), size * 7 / 8, "%s: %" PRIu64 " of %" PRIu64 " are left",
                  maintenance, memstore_size(store), size);
    assert_status(memstore_has(store, "large", 5), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_view_release_many(views, 2);
    pthread_join(thread, NULL);
    assert_ok(large.status);
    free(value);
    memstore_destroy(store);
}

Test(limit, who_waits_for_views_keeps_nobody_from_writing)
{
    expect_that_others_write_meanwhile("maintenance=background");
    expect_that_others_write_meanwhile("maintenance=manual");
}

Test(limit, large_entries_evict_and_are_evicted, .timeout = 120)
{
    memstore *store = test_open("performance.memory_limit=64MiB", NULL);
    unsigned char *value = test_bytes(20 * MIB, 5);

    fill(store, 0, 30000, 1000);
    for (uint64_t i = 0; i < 20; i++) {
        const uint64_t key = 1000000 + i;
        assert_ok(memstore_set(store, &key, sizeof key, value, 20 * MIB - i, 0));
        assert_ok(memstore_has(store, &key, sizeof key));
        cr_assert(test_memory(store).charged <= 64 * MIB);
    }
    fill(store, 0, 100000, 1000);
    cr_assert(test_memory(store).charged <= 64 * MIB);
    cr_assert(memstore_size(store) > 20000);
    free(value);
    memstore_destroy(store);
}

static uint64_t page_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_minflt;
}

/* What one entry leaves is there for the next: memory from the system costs ten times the copy. Not for all of
 * them: what waits for a grace period comes back at once, and above a sixteenth of the limit is given back. */
Test(limit, large_entries_take_over_the_memory_of_those_before, .timeout = 120)
{
    const size_t sizes[] = {20000, 100000, 1000000};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memstore *store = test_open("performance.memory_limit=32MiB", NULL);
        const uint64_t fit = 32 * MIB / sizes[i];

        fill(store, 0, 2 * fit, sizes[i]);
        const uint64_t before = page_faults();
        fill(store, 2 * fit, 200, sizes[i]);
        const uint64_t each = (page_faults() - before) / 200;
        assert_resident(each <= sizes[i] / 4096 / 3,
                        "%" PRIu64 " page faults for each of %zu bytes", each, sizes[i]);
        memstore_destroy(store);
    }
}
