/* SPDX-License-Identifier: Apache-2.0 */
/* What a snapshot is loaded into: a store that holds something, has too little room, or is written to
 * meanwhile. */
#include "snapshot/format.h"
#include "store/snapshot/news.h"
#include "store/store.h"
#include "stories/snapshots.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/process.h"

#include <inttypes.h>
#include <memstore/snapshot.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

TestSuite(restore, .init = stop_clock_and_make_folder, .fini = test_folder_remove);

/* ---- What is there already, and what does not fit ---- */

Test(restore, what_the_store_holds_is_newer_and_stays)
{
    memstore *store = open_manual();
    memstore *other = open_manual();
    memstore_progress last;

    assert_ok(test_set(store, "both", "old", 0));
    assert_ok(test_set(store, "file", "old", 0));
    assert_ok(test_set(other, "both", "new", 0));
    assert_ok(test_set(other, "store", "new", 0));
    other = reopen(store, other, &last);
    cr_assert_eq(last.present, 1);
    cr_assert_eq(last.stored, 1);
    assert_holds(other, "both", "new");
    assert_holds(other, "file", "old");
    assert_holds(other, "store", "new");
    memstore_destroy(other);
}

static memstore *open_of_4_mib(const char *eviction)
{
    return test_open("maintenance=manual", "performance.memory_limit=4MiB", "shards=1", eviction,
                     NULL);
}

Test(restore, what_was_loaded_gives_way_to_what_is_written_later)
{
    static const char *const evictions[] = {"eviction=fifo", "eviction=lru", "eviction=lfu",
                                            "eviction=s3fifo", "eviction=adaptive"};

    for (size_t i = 0; i < sizeof evictions / sizeof *evictions; i++) {
        memstore *store = open_of_4_mib(evictions[i]), *other = open_of_4_mib(evictions[i]);
        uint64_t left = 0;

        test_set_numbers(store, 0, 3000, 1000);
        other = reopen(store, other, NULL);
        cr_assert_eq(memstore_size(other), 3000);
        cr_assert_eq(test_set_numbers(other, 3000, 20000, 1000), 20000, "%s", evictions[i]);
        for (uint64_t key = 0; key < 3000; key++)
            left += memstore_has(other, &key, sizeof key) == MEMSTORE_OK;
        cr_assert_lt(left, 1000, "%s: %" PRIu64 " are left", evictions[i], left);
        memstore_destroy(other);
    }
}

Test(restore, what_was_loaded_can_be_replaced_in_a_full_store_without_eviction)
{
    memstore *store = open_of_4_mib("eviction=none"), *other = open_of_4_mib("eviction=none");
    const uint64_t count = test_set_numbers(store, 0, 10000, 1000);

    other = reopen(store, other, NULL);
    cr_assert_eq(memstore_size(other), count);
    cr_assert_eq(test_set_numbers(other, 0, count, 1000), count);
    memstore_destroy(other);
}

/* The table of the one shard has to grow, and what has run out leaves room for that. */
Test(restore, what_has_expired_gives_way_to_what_is_loaded_and_its_index)
{
    memstore *store = test_open("maintenance=manual", "shards=1", NULL);
    memstore *full = test_open("maintenance=manual", "performance.memory_limit=2MiB", "shards=1",
                               "eviction=none", NULL);
    const unsigned count = 20000;
    const char large[200] = {0};
    memstore_progress last;
    char key[32];
    int status = MEMSTORE_OK;

    set_numbered(store, "row", count);
    for (unsigned i = 0; status == MEMSTORE_OK; i++) {
        snprintf(key, sizeof key, "large/%u", i);
        status = memstore_set(full, key, strlen(key), large, sizeof large, 1000);
    }
    assert_status(status, MEMSTORE_ERR_CACHE_FULL);
    test_clock_advance(2000);
    full = reopen(store, full, &last);
    cr_assert_eq(last.stored, count, "%" PRIu64 " of %u were stored", last.stored, count);
    cr_assert_eq(memstore_size(full), count);
    memstore_destroy(full);
}

static void read_twice(memstore *store, unsigned from, unsigned to)
{
    char key[32], value[1024];
    size_t size;

    for (unsigned i = from; i < to; i++) {
        snprintf(key, sizeof key, "key/%u", i);
        for (unsigned times = 0; times < 3; times++)
            assert_ok(memstore_get(store, key, strlen(key), value, sizeof value, &size));
    }
}

static void expect_hot_ones_loaded(const char *eviction)
{
    memstore *store = test_open(eviction, "maintenance=manual", NULL);
    memstore_progress last;
    char key[32], value[1000] = {0};

    for (unsigned i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "key/%u", i);
        assert_ok(memstore_set(store, key, strlen(key), value, sizeof value, 0));
    }
    /* Some from the middle, so that neither the first nor the last written will do. */
    read_twice(store, 2000, 2400);
    store = reopen(store,
                   test_open(eviction, "performance.memory_limit=1MiB", "maintenance=manual", NULL),
                   &last);
    cr_assert_gt(last.left_out, 2500);
    cr_assert_gt(last.stored, 500);
    cr_assert_eq(last.stored, memstore_size(store));
    cr_assert_eq(test_stats(store).evictions, 0);
    for (unsigned i = 2000; i < 2400; i++) {
        snprintf(key, sizeof key, "key/%u", i);
        cr_assert_eq(test_has(store, key), MEMSTORE_OK, "%s with %s", key, eviction);
    }
    memstore_destroy(store);
}

Test(restore, what_does_not_fit_is_what_was_of_least_use)
{
    expect_hot_ones_loaded("eviction=adaptive");
    expect_hot_ones_loaded("eviction=s3fifo");
    expect_hot_ones_loaded("eviction=lfu");
}

Test(restore, a_full_store_keeps_what_it_has)
{
    memstore *store = open_manual();
    memstore *full = test_open("performance.memory_limit=1MiB", "maintenance=manual", NULL);
    memstore_progress last;
    char key[32], value[1000] = {0};

    set_numbered(store, "file", 2000);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "store/%u", i);
        assert_ok(memstore_set(full, key, strlen(key), value, sizeof value, 0));
    }
    const uint64_t evictions = test_stats(full).evictions;
    const uint64_t size = memstore_size(full);
    full = reopen(store, full, &last);
    cr_assert_eq(test_stats(full).evictions, evictions);
    cr_assert_eq(memstore_size(full), size + last.stored);
    cr_assert_gt(last.left_out, 0);
    memstore_destroy(full);
}

/* How a full store comes to hold nothing. */
static void let_all_expire(memstore *store, unsigned count)
{
    (void)store;
    (void)count;
    test_clock_advance(2000);
}

static void delete_all_together(memstore *store, unsigned count)
{
    memstore_key *keys = calloc(count, sizeof *keys);
    char (*names)[32] = calloc(count, sizeof *names);
    size_t deleted;

    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "store/%u", i);
        keys[i] = test_key(names[i]);
    }
    for (unsigned i = 0; i + 100 <= count; i += 100)
        assert_ok(memstore_delete_many(store, keys + i, 100, &deleted));
    free(names);
    free(keys);
}

/* One entry in two: no segment comes free by itself. */
static void delete_every_other(memstore *store, unsigned count)
{
    char key[32];

    for (unsigned i = 0; i < count; i += 2) {
        snprintf(key, sizeof key, "store/%u", i);
        (void)test_delete(store, key);
    }
}

static void expect_loaded_after(void (*empty)(memstore *, unsigned), const char *eviction)
{
    enum { MOST = 3000 };
    memstore *store = open_manual();
    memstore *full =
        test_open("performance.memory_limit=1MiB", "maintenance=manual", eviction, NULL);
    memstore_progress last;
    char key[32], value[1000] = {0};
    unsigned count = 0;

    set_numbered(store, "file", 500);
    do
        snprintf(key, sizeof key, "store/%u", count);
    while (memstore_set(full, key, strlen(key), value, sizeof value, 1000) == MEMSTORE_OK &&
           ++count < MOST);
    empty(full, count);
    const uint64_t size = empty == delete_every_other ? memstore_size(full) : 0;
    const uint64_t evictions = test_stats(full).evictions;
    full = reopen(store, full, &last);
    cr_expect_eq(last.left_out, 0, "%llu with %s", (unsigned long long)last.left_out, eviction);
    cr_expect_geq(memstore_size(full), size + 500);
    cr_expect_eq(test_stats(full).evictions, evictions);
    memstore_destroy(full);
}

Test(restore, a_store_full_of_what_is_gone_has_room)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=none"};

    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        expect_loaded_after(let_all_expire, policies[i]);
        expect_loaded_after(delete_all_together, policies[i]);
        expect_loaded_after(delete_every_other, policies[i]);
    }
}

Test(restore, entries_above_max_entry_size_are_left_out)
{
    memstore *store = open_manual();
    memstore_progress last;

    assert_ok(test_set(store, "key", "a value of more than twenty bytes", 0));
    assert_ok(test_set(store, "small", "v", 0));
    store = reopen(store, test_open("max_entry_size=20", "maintenance=manual", NULL), &last);
    cr_assert_eq(last.left_out, 1);
    cr_assert_eq(memstore_size(store), 1);
    memstore_destroy(store);
}

Test(restore, what_is_loaded_is_counted_as_stored)
{
    memstore *store = open_manual();

    set_numbered(store, "key", 100);
    const memstore_stats written = test_stats(store);
    store = reopen(store, open_manual(), NULL);
    const memstore_stats loaded = test_stats(store);
    cr_assert_eq(loaded.sets, 100);
    cr_assert_eq(loaded.updates, 0);
    cr_assert_eq(loaded.written_bytes, written.written_bytes);
    /* What is there is not stored again. */
    assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
    cr_assert_eq(test_stats(store).sets, 100);
    memstore_destroy(store);
}

/* ---- Files that are made up ---- */

/* A file of so many bytes, all of which but the header are 0: it says that it has as many packed blocks as
 * fit it, each of as many entries as fit that. */
static void make_up_file(const char *path, uint64_t size)
{
    char header[MS_SNAPSHOT_HEADER_SIZE] = {0};
    const uint64_t blocks = size / MS_SNAPSHOT_BLOCK_HEAD_SIZE;
    const size_t entry = ms_snapshot_entry_head(false, false) + 1;

    memcpy(header, MS_SNAPSHOT_MAGIC, 8);
    ms_put_u32(header + 8, MS_SNAPSHOT_VERSION);
    ms_put_u32(header + 12, MS_SNAPSHOT_MAY_BE_PACKED);
    ms_put_u64(header + 24, blocks * (MS_SNAPSHOT_BLOCK_SIZE / entry));
    ms_put_u64(header + 32, blocks);
    ms_put_u64(header + 40, size);
    ms_put_u64(header + 56, XXH3_64bits(header, 56));
    test_file_write(path, header, sizeof header);
    cr_assert_eq(truncate(path, (off_t)size), 0);
}

/* Bytes of this process's address space. */
static uint64_t mapped(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    uint64_t pages = 0;

    cr_assert(file != NULL && fscanf(file, "%" SCNu64, &pages) == 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int note_mapped(const memstore_progress *progress, void *most)
{
    const uint64_t now = mapped();

    (void)progress;
    if (now > *(uint64_t *)most)
        *(uint64_t *)most = now;
    return 0;
}

Test(restore, a_header_that_is_made_up_asks_for_no_more_memory_than_its_file_is_long)
{
    const uint64_t size = UINT64_C(64) << 20;
    memstore *store = open_manual();
    uint64_t before, most = 0;

    make_up_file(test_path("snapshot"), size);
    before = mapped();
    const int status = memstore_load(store, test_path("snapshot"), note_mapped, &most);
    if (status == MEMSTORE_ERR_UNSUPPORTED)
        cr_skip("built without libzstd");
    assert_status(status, MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    cr_assert_gt(most, 0);
    cr_assert_lt(most - before, size * 2, "%" PRIu64 " bytes", most - before);
    memstore_destroy(store);
}

/* ---- What happens to keys while they are loaded ---- */

#define KEYS 100

/* What is done when a snapshot of "key/0" and so on is verified, and nothing of it is loaded yet. */
struct beside {
    memstore *store;
    void (*act)(memstore *store);
    memstore_progress last;
};

static int act_once(const memstore_progress *progress, void *context)
{
    struct beside *beside = context;

    beside->last = *progress;
    if (progress->phase == MEMSTORE_PHASE_LOADING && progress->done == 0)
        beside->act(beside->store);
    return 0;
}

/* The store after that, with what was told last. */
static memstore *load_beside(memstore *store, void (*act)(memstore *store), memstore_progress *last)
{
    struct beside beside = {.store = store, .act = act};
    memstore *saved = open_manual();

    set_numbered(saved, "key", KEYS);
    assert_ok(memstore_save(saved, test_path("snapshot"), NULL, NULL));
    memstore_destroy(saved);
    assert_ok(memstore_load(store, test_path("snapshot"), act_once, &beside));
    *last = beside.last;
    return store;
}

/* A database of one row, asked by a thread of its own. */
static struct row {
    int result;
    size_t size; /* 0 = that of "row" */
    atomic_uint calls;
    atomic_bool may_end;
    int status;
} row;

static const char large_row[2000];

static int load_row(const void *key, size_t key_size, memstore_load_value *out, void *unused)
{
    (void)key;
    (void)key_size;
    (void)unused;
    atomic_fetch_add(&row.calls, 1);
    TEST_AWAIT(atomic_load(&row.may_end));
    out->value = row.size != 0 ? large_row : "row";
    out->value_size = row.size != 0 ? row.size : 3;
    return row.result;
}

static void *ask_for_row(void *store)
{
    const memstore_loader loader = {.struct_size = sizeof loader, .load = load_row};
    memstore_view view;

    row.status = memstore_get_or_load(store, "key/0", 5, &loader, &view);
    memstore_view_release(&view);
    return NULL;
}

static pthread_t asking;

static void begin_to_ask(memstore *store)
{
    cr_assert_eq(pthread_create(&asking, NULL, ask_for_row, store), 0);
    TEST_AWAIT(atomic_load(&row.calls) == 1);
}

Test(restore, what_is_being_loaded_from_elsewhere_is_newer)
{
    memstore_progress last;
    memstore *store = load_beside(open_manual(), begin_to_ask, &last);

    atomic_store(&row.may_end, true);
    pthread_join(asking, NULL);
    assert_ok(row.status);
    cr_assert_eq(last.present, 1);
    cr_assert_eq(test_stats(store).loads_overtaken, 0);
    assert_holds(store, "key/0", "row");
    assert_holds(store, "key/1", "key/1");
    memstore_destroy(store);
}

static void ask(memstore *store)
{
    atomic_store(&row.may_end, true);
    ask_for_row(store);
}

static void expect_known_not_to_exist(memstore *store)
{
    memstore_progress last;

    row.result = MEMSTORE_LOAD_ABSENT;
    load_beside(store, ask, &last);
    assert_status(row.status, MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_geq(last.present, 1);
    assert_holds(store, "key/0", NULL);
    memstore_destroy(store);
}

Test(restore, what_is_known_not_to_exist_is_not_loaded)
{
    expect_known_not_to_exist(open_manual());
}

Test(restore, what_was_found_not_to_exist_meanwhile_is_not_loaded)
{
    expect_known_not_to_exist(test_open("maintenance=manual", "loader.negative_ttl=0", NULL));
}

/* It is given to who asks for it, all the same. */
Test(restore, what_was_loaded_from_elsewhere_and_is_too_large_is_newer)
{
    memstore_progress last;

    row.size = sizeof large_row;
    memstore *store =
        load_beside(test_open("maintenance=manual", "max_entry_size=1kB", NULL), ask, &last);
    assert_ok(row.status);
    assert_holds(store, "key/0", NULL);
    cr_assert_geq(last.stored, KEYS - 3);
    memstore_destroy(store);
}

/* While the place for a writer is another's. */
static void ask_without_place(memstore *store)
{
    cr_assert(ms_gate_try_enter(&store->admission.writers, 1));
    ask(store);
    ms_gate_leave(&store->admission.writers, 1);
}

/* The load is not noted, for which there is no memory, nor room to be made. */
static void ask_without_memory(memstore *store)
{
    cr_assert(ms_gate_try_enter(&store->room_line, 1));
    ms_testing_fail_memory(1, false);
    ask(store);
    ms_testing_fail_memory(0, false);
    ms_gate_leave(&store->room_line, 1);
}

static void expect_newer_beside_the_store(int result, int status)
{
    void (*const acts[])(memstore *) = {ask_without_place, ask_without_memory};
    memstore_progress last;

    row.result = result;
    for (size_t i = 0; i < TEST_COUNT_OF(acts); i++) {
        memstore *store = test_open("maintenance=manual", "performance.max_concurrent_writers=1",
                                    "performance.lock_timeout=0", "loader.negative_ttl=0", NULL);

        load_beside(store, acts[i], &last);
        cr_expect_eq(row.status, status, "%zu: %s", i, memstore_status_name(row.status));
        cr_expect(test_holds(store, "key/0", NULL), "%zu", i);
        cr_expect_geq(last.stored, KEYS - 3);
        memstore_destroy(store);
    }
}

Test(restore, what_was_loaded_beside_the_store_is_newer)
{
    expect_newer_beside_the_store(MEMSTORE_LOAD_OK, MEMSTORE_OK);
}

Test(restore, what_was_found_not_to_exist_beside_the_store_is_not_loaded)
{
    expect_newer_beside_the_store(MEMSTORE_LOAD_ABSENT, MEMSTORE_ERR_KEY_NOT_FOUND);
}

static void delete_alone(memstore *store)
{
    assert_status(test_delete(store, "key/0"), MEMSTORE_ERR_KEY_NOT_FOUND);
}

static void delete_of_many(memstore *store)
{
    const memstore_key key = test_key("key/0");
    size_t deleted;

    assert_ok(memstore_delete_many(store, &key, 1, &deleted));
    cr_assert_eq(deleted, 0);
}

static void delete_by_batch(memstore *store)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(memstore_batch_delete(batch, "key/0", 5));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
}

static void delete_matching(memstore *store)
{
    assert_ok(memstore_delete_by_pattern(store, "key/0", 5, NULL));
}

static void set_and_delete(memstore *store)
{
    assert_ok(test_set(store, "key/0", "new", 0));
    assert_ok(test_delete(store, "key/0"));
}

static void let_expire(memstore *store)
{
    assert_ok(test_set(store, "key/0", "new", 1000));
    test_clock_advance(1000);
}

static void let_expire_by_batch(memstore *store)
{
    const memstore_entry entry = test_entry("key/0", "new", 1000);

    assert_ok(memstore_set_many(store, &entry, 1));
    test_clock_advance(1000);
}

Test(restore, what_was_deleted_or_has_run_out_meanwhile_is_not_loaded)
{
    void (*const acts[])(memstore *) = {delete_alone,       delete_of_many, delete_by_batch,
                                        delete_matching,    set_and_delete, let_expire,
                                        let_expire_by_batch};
    memstore_progress last;

    for (size_t i = 0; i < TEST_COUNT_OF(acts); i++) {
        memstore *store = load_beside(open_manual(), acts[i], &last);

        assert_holds(store, "key/0", NULL);
        /* Another key may be taken for it. */
        cr_assert_geq(last.stored, KEYS - 3);
        cr_assert_eq(last.present + last.stored, KEYS);
        memstore_destroy(store);
    }
}

static void let_run_out(memstore *store)
{
    assert_ok(memstore_update_ttl(store, "key/0", 5, 1));
    test_clock_advance(1);
}

/* It was there before, as what is newer. */
Test(restore, what_a_change_of_its_ttl_has_ended_meanwhile_is_not_loaded)
{
    memstore *store = open_manual();
    memstore_progress last;

    assert_ok(test_set(store, "key/0", "new", 0));
    load_beside(store, let_run_out, &last);
    assert_holds(store, "key/0", NULL);
    memstore_destroy(store);
}

/* Patterns that match nothing of the file, given so often: one, different ones, and such as are keys. */
#define OFTEN 1000

static void delete_by_one(memstore *store)
{
    for (unsigned i = 0; i < OFTEN; i++)
        assert_ok(memstore_delete_by_pattern(store, "zzz*", 4, NULL));
}

static void delete_by_many(memstore *store)
{
    char pattern[32];

    for (unsigned i = 0; i < OFTEN; i++) {
        const int size = snprintf(pattern, sizeof pattern, "zzz%u*", i);
        assert_ok(memstore_delete_by_pattern(store, pattern, (size_t)size, NULL));
    }
}

static void delete_by_keys(memstore *store)
{
    char key[32];

    for (unsigned i = 0; i < OFTEN * 10; i++) {
        const int size = snprintf(key, sizeof key, "zzz/%u", i % 1000);
        assert_ok(memstore_delete_by_pattern(store, key, (size_t)size, NULL));
    }
}

Test(restore, what_many_patterns_do_not_match_is_loaded)
{
    void (*const acts[])(memstore *) = {delete_by_one, delete_by_many, delete_by_keys};
    memstore_progress last;

    for (size_t i = 0; i < TEST_COUNT_OF(acts); i++) {
        memstore *store = load_beside(open_manual(), acts[i], &last);

        /* Keys share notes: a thousand of 65536. */
        cr_expect_geq(last.stored, acts[i] == delete_by_keys ? KEYS - 10 : KEYS);
        memstore_destroy(store);
    }
}

static void clear(memstore *store)
{
    assert_ok(memstore_clear(store));
}

static void delete_all(memstore *store)
{
    assert_ok(memstore_delete_by_pattern(store, "k*", 2, NULL));
}

Test(restore, nothing_is_loaded_after_everything_was_removed)
{
    void (*const acts[])(memstore *) = {clear, delete_all};
    memstore_progress last;

    for (size_t i = 0; i < TEST_COUNT_OF(acts); i++) {
        memstore *store = load_beside(open_manual(), acts[i], &last);

        cr_assert_eq(memstore_size(store), 0);
        cr_assert_eq(last.present, KEYS);
        /* The next knows nothing of that. */
        assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
        cr_assert_eq(memstore_size(store), KEYS);
        memstore_destroy(store);
    }
}

/* That bits are shared leaves as little out of a large file as of a small one. */
Test(restore, what_is_newer_is_noted_by_bits_for_all_entries_of_a_file)
{
    static const uint64_t entries[] = {0, 1, 4096, 4097, 8388608, 8388609, 33000000};
    memstore *store = open_manual();

    for (size_t i = 0; i < TEST_COUNT_OF(entries); i++) {
        struct ms_news *const news = ms_news_begin(store, entries[i]);

        cr_assert_not_null(news);
        const uint64_t bits = UINT64_C(1) << (64 - news->shift);
        cr_expect_geq(bits, 16 * entries[i]);
        cr_expect(bits <= 65536 || bits < 32 * entries[i]);
        ms_news_end(store, news);
    }
    memstore_destroy(store);
}

static pid_t child;

static void fork_and_delete(memstore *store)
{
    child = test_fork();
    if (child == 0)
        delete_alone(store);
}

Test(restore, a_child_that_goes_on_with_a_loading_knows_what_is_newer)
{
    memstore_progress last;
    memstore *store = load_beside(open_manual(), fork_and_delete, &last);

    if (child == 0)
        _exit(!test_holds(store, "key/0", NULL) || last.stored < KEYS - 3);
    cr_assert_eq(test_child_status(child), 0);
    cr_assert_eq(last.stored, KEYS);
    memstore_destroy(store);
}

static atomic_bool is_held, may_go_on;

static void hold_up(memstore *store)
{
    (void)store;
    atomic_store(&is_held, true);
    while (!atomic_load(&may_go_on))
        test_sleep_ms(1); /* at rest, which test_fork() waits for */
}

static void *load_held_up(void *store)
{
    memstore_progress last;

    load_beside(store, hold_up, &last);
    return NULL;
}

Test(restore, in_a_child_nothing_is_noted_for_a_loading_of_another_thread)
{
    /* Which is another for each process. */
    const char *const path = test_path("snapshot");
    memstore *store = open_manual();
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, load_held_up, store), 0);
    TEST_AWAIT(atomic_load(&is_held));
    child = test_fork();
    if (child == 0) {
        const bool forgets = !ms_news_are_wanted(&store->news);

        _exit(!forgets || memstore_load(store, path, NULL, NULL) != MEMSTORE_OK ||
              memstore_size(store) != KEYS);
    }
    cr_assert_eq(test_child_status(child), 0);
    atomic_store(&may_go_on, true);
    pthread_join(thread, NULL);
    cr_assert_eq(memstore_size(store), KEYS);
    cr_assert(!ms_news_are_wanted(&store->news));
    memstore_destroy(store);
}
