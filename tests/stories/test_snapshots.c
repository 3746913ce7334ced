/* SPDX-License-Identifier: Apache-2.0 */
/* A restart that keeps what the cache knew: snapshots that are whole or refused, entries that expire
 * when they would have, and stores that are warm before they are asked. */
#include "platform/testing.h"
#include "snapshot/format.h"
#include "store/store.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/stopper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

static void stop_clock_and_make_folder(void)
{
    test_clock_start();
    test_folder();
}

TestSuite(snapshots, .init = stop_clock_and_make_folder, .fini = test_folder_remove);

static memstore *open_manual(void)
{
    return test_open("maintenance=manual", NULL);
}

static int keep_last(const memstore_progress *progress, void *context)
{
    *(memstore_progress *)context = *progress;
    return 0;
}

/* Save and close a store, and load what was saved into another. */
static memstore *reopen(memstore *store, memstore *other, memstore_progress *last)
{
    memstore_progress unwanted;

    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    assert_ok(
        memstore_load(other, test_path("snapshot"), keep_last, last != NULL ? last : &unwanted));
    return other;
}

static void set_numbered(memstore *store, const char *prefix, unsigned count)
{
    char key[64];

    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s/%u", prefix, i);
        assert_ok(test_set(store, key, key, 0));
    }
}

/* ---- What comes back ---- */

Test(snapshots, a_store_comes_back_with_what_it_held)
{
    memstore *store = open_manual();
    char *const large = (char *)test_bytes(300000, 7);
    memstore_progress last;
    memstore_view view;

    set_numbered(store, "key", 5000);
    assert_ok(memstore_set(store, "large", 5, large, 300000, 0));
    assert_ok(memstore_set(store, "empty", 5, NULL, 0, 0));
    assert_ok(memstore_set(store, "nul\0inside", 10, "v\0w", 3, 0));
    store = reopen(store, open_manual(), &last);
    cr_assert_eq(memstore_size(store), 5003);
    assert_holds(store, "key/4999", "key/4999");
    assert_holds(store, "empty", "");
    assert_ok(memstore_get_view(store, "large", 5, &view));
    cr_assert(view.size == 300000 && memcmp(view.data, large, 300000) == 0);
    memstore_view_release(&view);
    assert_ok(memstore_get_view(store, "nul\0inside", 10, &view));
    cr_assert(view.size == 3 && memcmp(view.data, "v\0w", 3) == 0);
    memstore_view_release(&view);
    cr_assert_eq(last.phase, MEMSTORE_PHASE_LOADING);
    cr_assert_eq(last.done, 5003);
    cr_assert_eq(last.total, 5003);
    cr_assert_eq(last.stored, 5003);
    memstore_destroy(store);
    free(large);
}

Test(snapshots, they_move_between_shards_hash_functions_and_policies)
{
    static const char *const to[][4] = {
        {"shards=1", "hash_function=fnv", "maintenance=manual"},
        {"shards=4096", "hash_function=crc32", "eviction=lru", "maintenance=manual"},
        {"eviction=fifo", "ttl.store_creation_time=true", "maintenance=manual"},
        {"eviction=none", "performance.memory_limit=4MB", "maintenance=manual"},
    };

    for (size_t i = 0; i < TEST_COUNT_OF(to); i++) {
        memstore *store = test_open("shards=64", "maintenance=manual", NULL);

        set_numbered(store, "key", 3000);
        store = reopen(store, test_open(to[i][0], to[i][1], to[i][2], to[i][3], NULL), NULL);
        cr_assert_eq(memstore_size(store), 3000);
        assert_holds(store, "key/2999", "key/2999");
        /* And back again from there. */
        store = reopen(store, open_manual(), NULL);
        cr_assert_eq(memstore_size(store), 3000);
        memstore_destroy(store);
    }
}

Test(snapshots, asynchronous_writes_that_are_queued_are_saved)
{
    memstore *store = open_manual();

    assert_ok(memstore_set_async(store, "queued", 6, "v", 1, 0));
    store = reopen(store, open_manual(), NULL);
    assert_holds(store, "queued", "v");
    memstore_destroy(store);
}

/* ---- Time ---- */

Test(snapshots, the_time_away_counts)
{
    memstore *store = open_manual();
    memstore_progress last;
    int64_t ttl;

    assert_ok(test_set(store, "short", "v", 5000));
    assert_ok(test_set(store, "long", "v", 60000));
    assert_ok(test_set(store, "forever", "v", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    test_clock_advance(10000);
    store = open_manual();
    assert_ok(memstore_load(store, test_path("snapshot"), keep_last, &last));
    cr_assert_eq(last.expired, 1);
    cr_assert_eq(test_has(store, "short"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get_ttl(store, "long", 4, &ttl));
    cr_assert_eq(ttl, 50000);
    assert_status(memstore_get_ttl(store, "forever", 7, &ttl), MEMSTORE_ERR_TTL_NOT_SET);
    test_clock_advance(50000);
    cr_assert_eq(test_has(store, "long"), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_destroy(store);
}

Test(snapshots, expiry_follows_the_wall_clock_between_processes)
{
    memstore *store = open_manual();
    int64_t ttl;

    assert_ok(test_set(store, "key", "v", 60000));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    /* Another machine, or this one after a boot: its monotonic clock is another. */
    ms_testing_set_clock(1000, test_clock_unix() + 20000);
    store = open_manual();
    assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
    assert_ok(memstore_get_ttl(store, "key", 3, &ttl));
    cr_assert_eq(ttl, 40000);
    memstore_destroy(store);
}

Test(snapshots, a_clock_that_was_set_back_gives_no_longer_life)
{
    memstore *store = open_manual();
    int64_t ttl;

    assert_ok(test_set(store, "key", "v", 60000));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    test_clock_step_unix(-86400000);
    store = open_manual();
    assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
    assert_ok(memstore_get_ttl(store, "key", 3, &ttl));
    cr_assert_eq(ttl, 60000);
    memstore_destroy(store);
}

Test(snapshots, creation_times_are_kept_where_both_keep_them)
{
    memstore *store = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
    int64_t before, after;

    test_clock_advance(5000);
    assert_ok(test_set(store, "key", "v", 0));
    assert_ok(memstore_get_created(store, "key", 3, &before));
    test_clock_advance(5000);
    store =
        reopen(store, test_open("ttl.store_creation_time=true", "maintenance=manual", NULL), NULL);
    assert_ok(memstore_get_created(store, "key", 3, &after));
    cr_assert_eq(after, before);
    memstore_destroy(store);
}

Test(snapshots, bounds_of_age_and_ttl_hold_for_what_is_loaded)
{
    memstore *store = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
    memstore_progress last;
    int64_t ttl;

    assert_ok(test_set(store, "old", "v", 0));
    test_clock_advance(8000);
    assert_ok(test_set(store, "new", "v", 0));
    test_clock_advance(3000);
    store = reopen(
        store, test_open("life_window=10s", "ttl.max_ttl=4s", "maintenance=manual", NULL), &last);
    cr_assert_eq(last.expired, 1);
    cr_assert_eq(test_has(store, "old"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get_ttl(store, "new", 3, &ttl));
    cr_assert_eq(ttl, 4000);
    memstore_destroy(store);
}

/* The machine has started anew, and has been up for less than the entries are old. */
static void start_machine_anew(int64_t unix_ms)
{
    ms_testing_set_clock(1000, unix_ms);
}

Test(snapshots, entries_are_as_old_as_they_are_when_the_machine_has_just_started)
{
    memstore *store = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
    const int64_t first = test_clock_unix();
    int64_t created;

    assert_ok(test_set(store, "key", "v", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    /* Of one second and of twenty; the first is the moment at which the clock stood at 0. */
    for (int64_t age = 1000; age <= 20000; age += 19000) {
        start_machine_anew(first + age);
        store = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
        assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
        assert_ok(memstore_get_created(store, "key", 3, &created));
        cr_assert(created >= first - 1 && created <= first, "%lld", (long long)(created - first));
        assert_ok(memstore_save(store, test_path("again"), NULL, NULL));
        memstore_destroy(store);
        store = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
        assert_ok(memstore_load(store, test_path("again"), NULL, NULL));
        assert_ok(memstore_get_created(store, "key", 3, &created));
        cr_assert(created >= first - 1 && created <= first, "%lld", (long long)(created - first));
        memstore_destroy(store);
    }
}

Test(snapshots, bounds_of_age_hold_when_the_machine_has_just_started)
{
    memstore *store = test_open("ttl.store_creation_time=true", "maintenance=manual", NULL);
    const int64_t first = test_clock_unix();
    memstore_progress last;
    int64_t ttl;

    assert_ok(test_set(store, "old", "v", 0));
    test_clock_advance(15000);
    assert_ok(test_set(store, "new", "v", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    start_machine_anew(first + 20000);
    store = test_open("life_window=10s", "maintenance=manual", NULL);
    assert_ok(memstore_load(store, test_path("snapshot"), keep_last, &last));
    cr_assert_eq(last.expired, 1);
    cr_assert_eq(test_has(store, "old"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get_ttl(store, "new", 3, &ttl));
    cr_assert_eq(ttl, 5000);
    /* No longer TTL takes it beyond that. */
    assert_ok(memstore_update_ttl(store, "new", 3, 60000));
    assert_ok(memstore_get_ttl(store, "new", 3, &ttl));
    cr_assert_eq(ttl, 5000);
    memstore_destroy(store);
}

/* ---- What is there already, and what does not fit ---- */

Test(snapshots, what_the_store_holds_is_newer_and_stays)
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

Test(snapshots, what_does_not_fit_is_what_was_of_least_use)
{
    expect_hot_ones_loaded("eviction=adaptive");
    expect_hot_ones_loaded("eviction=s3fifo");
    expect_hot_ones_loaded("eviction=lfu");
}

Test(snapshots, a_full_store_keeps_what_it_has)
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

Test(snapshots, a_store_full_of_what_is_gone_has_room)
{
    static const char *const policies[] = {"eviction=adaptive", "eviction=none"};

    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        expect_loaded_after(let_all_expire, policies[i]);
        expect_loaded_after(delete_all_together, policies[i]);
        expect_loaded_after(delete_every_other, policies[i]);
    }
}

Test(snapshots, entries_above_max_entry_size_are_left_out)
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

/* ---- Refusals ---- */

Test(snapshots, a_damaged_file_loads_nothing)
{
    memstore *store = open_manual();
    size_t size;

    set_numbered(store, "key", 5000);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    char *const data = test_file_read(test_path("snapshot"), &size);
    memstore *other = open_manual();
    assert_ok(test_set(other, "mine", "v", 0));
    for (size_t at = 0; at < size; at += 1 + size / 97) {
        data[at] ^= 0x10;
        test_file_write(test_path("damaged"), data, size);
        assert_status(memstore_load(other, test_path("damaged"), NULL, NULL),
                      MEMSTORE_ERR_CORRUPT_SNAPSHOT);
        data[at] ^= 0x10;
        test_file_write(test_path("damaged"), data, at);
        assert_status(memstore_load(other, test_path("damaged"), NULL, NULL),
                      MEMSTORE_ERR_CORRUPT_SNAPSHOT);
        cr_assert_eq(memstore_size(other), 1);
    }
    assert_holds(other, "mine", "v");
    memstore_destroy(other);
    memstore_destroy(store);
    free(data);
}

/* What somebody writes into the file when it is verified and partly loaded. */
struct meddling {
    uint64_t after; /* entries */
    bool done;
};

static int meddle(const memstore_progress *progress, void *context)
{
    struct meddling *meddling = context;

    if (progress->phase != MEMSTORE_PHASE_LOADING || meddling->done ||
        progress->done < meddling->after)
        return 0;
    FILE *const file = fopen(test_path("snapshot"), "r+b");
    cr_assert(file != NULL && fseek(file, -500, SEEK_END) == 0 && fputs("xyz", file) > 0);
    fclose(file);
    meddling->done = true;
    return 0;
}

Test(snapshots, a_file_that_is_written_to_while_it_is_loaded_leaves_nothing_behind)
{
    for (uint64_t after = 0; after <= 4096; after += 2048) {
        struct meddling meddling = {.after = after};
        memstore *store = open_manual();
        memstore *other = open_manual();

        set_numbered(store, "key", 20000);
        assert_ok(test_set(other, "key/1", "mine", 0));
        assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
        assert_status(memstore_load(other, test_path("snapshot"), meddle, &meddling),
                      MEMSTORE_ERR_CORRUPT_SNAPSHOT);
        cr_assert(meddling.done);
        cr_assert_eq(memstore_size(other), 1);
        assert_holds(other, "key/1", "mine");
        memstore_destroy(store);
        memstore_destroy(other);
    }
}

Test(snapshots, bad_paths_are_refused)
{
    memstore *store = open_manual();

    assert_status(memstore_save(store, NULL, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_save(store, "", NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_load(store, NULL, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_save(NULL, "x", NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_load(store, test_path("absent"), NULL, NULL), MEMSTORE_ERR_IO);
    assert_status(memstore_save(store, test_path("no/folder"), NULL, NULL), MEMSTORE_ERR_IO);
    assert_status(memstore_load(store, test_folder(), NULL, NULL), MEMSTORE_ERR_IO);
    assert_ok(memstore_close(store));
    assert_status(memstore_save(store, test_path("x"), NULL, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_load(store, test_path("x"), NULL, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(snapshots, errno_tells_why_a_file_cannot_be_read_or_written)
{
    memstore_snapshot_info info = {.struct_size = sizeof info};
    memstore *store = open_manual();

    errno = 0;
    assert_status(memstore_load(store, test_path("absent"), NULL, NULL), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, ENOENT);
    assert_status(memstore_load(store, test_folder(), NULL, NULL), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, EISDIR, "%s", strerror(errno));
    errno = 0;
    assert_status(memstore_read_snapshot_info(test_folder(), &info), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, EISDIR, "%s", strerror(errno));
    assert_status(memstore_load(store, "/dev/null", NULL, NULL), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, EINVAL, "%s", strerror(errno));
    assert_status(memstore_save(store, test_path("no/folder"), NULL, NULL), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, ENOENT);
    assert_status(memstore_save(store, test_folder(), NULL, NULL), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, EISDIR);
    memstore_destroy(store);
}

/* As an administrator a process may replace /dev/null. */
Test(snapshots, what_is_no_file_is_not_replaced)
{
    memstore *store = open_manual();
    struct stat status;

    cr_assert_eq(mkfifo(test_path("pipe"), 0600), 0);
    assert_status(memstore_save(store, test_path("pipe"), NULL, NULL), MEMSTORE_ERR_IO);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(lstat(test_path("pipe"), &status), 0);
    cr_assert(S_ISFIFO(status.st_mode), "the pipe is still one");
    memstore_destroy(store);
}

Test(snapshots, what_lay_there_does_not_open_a_snapshot_to_others)
{
    memstore *store = open_manual();
    struct stat status;

    test_file_write(test_path("snapshot.tmp"), "", 0);
    cr_assert_eq(chmod(test_path("snapshot.tmp"), 0666), 0);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    cr_assert_eq(stat(test_path("snapshot"), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    memstore_destroy(store);
}

Test(snapshots, the_beginning_of_a_file_tells_what_it_is)
{
    memstore *store = open_manual();
    memstore_snapshot_info info = {.struct_size = sizeof info};
    size_t size;

    set_numbered(store, "key", 10);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    free(test_file_read(test_path("snapshot"), &size));
    assert_ok(memstore_read_snapshot_info(test_path("snapshot"), &info));
    cr_assert_eq(info.version, 1);
    cr_assert_eq(info.entries, 10);
    cr_assert_eq(info.bytes, size);
    cr_assert_eq(info.saved_at_ms, test_clock_unix());
    test_file_write(test_path("other"), "other", 5);
    assert_status(memstore_read_snapshot_info(test_path("other"), &info),
                  MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    cr_assert_eq(info.entries, 0);
    info.struct_size = 3;
    assert_status(memstore_read_snapshot_info(test_path("snapshot"), &info),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    memstore_destroy(store);
}

/* Let the header say another version, with a checksum that fits. */
static void forge_version(const char *path, uint32_t version)
{
    size_t size;
    char *const data = test_file_read(path, &size);

    ms_put_u32(data + 8, version);
    ms_put_u64(data + 56, XXH3_64bits(data, 56));
    test_file_write(path, data, size);
    free(data);
}

Test(snapshots, one_of_a_later_version_is_refused_by_name)
{
    memstore *store = open_manual();
    memstore_snapshot_info info = {.struct_size = sizeof info};

    set_numbered(store, "key", 10);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    forge_version(test_path("snapshot"), 2);
    store = open_manual();
    assert_status(memstore_load(store, test_path("snapshot"), NULL, NULL),
                  MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(memstore_size(store), 0);
    assert_status(memstore_read_snapshot_info(test_path("snapshot"), &info),
                  MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(info.version, 2);
    memstore_destroy(store);
}

/* ---- Progress ---- */

struct watching {
    uint64_t calls;
    uint64_t stop_at; /* 0 = do not stop */
    int stop_phase;
    memstore_progress last;
    bool went_back;
};

static int watch(const memstore_progress *progress, void *context)
{
    struct watching *watching = context;

    watching->went_back |=
        progress->phase == watching->last.phase && progress->done < watching->last.done;
    watching->last = *progress;
    watching->calls++;
    return watching->stop_at != 0 && progress->phase == watching->stop_phase &&
           progress->done >= watching->stop_at;
}

Test(snapshots, progress_is_told_and_ends_at_the_total)
{
    struct watching watching = {0};
    memstore *store = open_manual();

    set_numbered(store, "key", 10000);
    assert_ok(memstore_save(store, test_path("snapshot"), watch, &watching));
    cr_assert_gt(watching.calls, 4);
    cr_assert_eq(watching.last.done, 10000);
    cr_assert_eq(watching.last.total, 10000);
    cr_assert_not(watching.went_back);
    memstore_destroy(store);
}

Test(snapshots, a_save_that_is_stopped_leaves_the_old_file)
{
    struct watching watching = {.stop_at = 5000, .stop_phase = MEMSTORE_PHASE_SAVING};
    memstore *store = open_manual();

    assert_ok(test_set(store, "old", "v", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    set_numbered(store, "key", 10000);
    assert_status(memstore_save(store, test_path("snapshot"), watch, &watching),
                  MEMSTORE_ERR_CANCELLED);
    cr_assert_not(test_file_exists(test_path("snapshot.tmp")));
    store = (memstore_destroy(store), open_manual());
    assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
    cr_assert_eq(memstore_size(store), 1);
    memstore_destroy(store);
}

Test(snapshots, a_load_that_is_stopped_takes_back_what_it_stored)
{
    static const int phases[] = {MEMSTORE_PHASE_VERIFYING, MEMSTORE_PHASE_LOADING};
    memstore *store = open_manual();

    set_numbered(store, "key", 10000);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    for (size_t i = 0; i < TEST_COUNT_OF(phases); i++) {
        struct watching watching = {.stop_at = 5000, .stop_phase = phases[i]};
        memstore *other = open_manual();

        assert_status(memstore_load(other, test_path("snapshot"), watch, &watching),
                      MEMSTORE_ERR_CANCELLED);
        cr_assert_eq(memstore_size(other), 0);
        memstore_destroy(other);
    }
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

Test(snapshots, what_is_being_loaded_from_elsewhere_is_newer)
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

Test(snapshots, what_is_known_not_to_exist_is_not_loaded)
{
    expect_known_not_to_exist(open_manual());
}

Test(snapshots, what_was_found_not_to_exist_meanwhile_is_not_loaded)
{
    expect_known_not_to_exist(test_open("maintenance=manual", "loader.negative_ttl=0", NULL));
}

/* It is given to who asks for it, all the same. */
Test(snapshots, what_was_loaded_from_elsewhere_and_is_too_large_is_newer)
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

Test(snapshots, what_was_loaded_beside_the_store_is_newer)
{
    expect_newer_beside_the_store(MEMSTORE_LOAD_OK, MEMSTORE_OK);
}

Test(snapshots, what_was_found_not_to_exist_beside_the_store_is_not_loaded)
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

Test(snapshots, what_was_deleted_or_has_run_out_meanwhile_is_not_loaded)
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
Test(snapshots, what_a_change_of_its_ttl_has_ended_meanwhile_is_not_loaded)
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

Test(snapshots, what_many_patterns_do_not_match_is_loaded)
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

Test(snapshots, nothing_is_loaded_after_everything_was_removed)
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
Test(snapshots, what_is_newer_is_noted_by_bits_for_all_entries_of_a_file)
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

Test(snapshots, a_child_that_goes_on_with_a_loading_knows_what_is_newer)
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

Test(snapshots, in_a_child_nothing_is_noted_for_a_loading_of_another_thread)
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

/* ---- Settings ---- */

Test(snapshots, compression_makes_the_file_smaller)
{
    memstore *store = open_manual();
    char key[32], value[500];
    size_t plain, packed;

    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key/%u", i);
        assert_ok(memstore_set(store, key, strlen(key), value, sizeof value, 0));
    }
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    free(test_file_read(test_path("snapshot"), &plain));
    assert_ok(memstore_reconfigure(store, "snapshot.compression", "zstd"));
    const int status = memstore_save(store, test_path("packed"), NULL, NULL);
    if (status == MEMSTORE_ERR_UNSUPPORTED)
        cr_skip("built without libzstd");
    assert_ok(status);
    free(test_file_read(test_path("packed"), &packed));
    cr_assert_lt(packed, plain / 5);
    memstore_destroy(store);
    store = open_manual();
    assert_ok(memstore_load(store, test_path("packed"), NULL, NULL));
    cr_assert_eq(memstore_size(store), 2000);
    memstore_destroy(store);
}

Test(snapshots, without_fsync_nothing_is_waited_for_but_the_name)
{
    memstore *store = open_manual();

    ms_testing_stop_file(0, MS_FILE_FAILS);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    const uint64_t with = ms_testing_file_steps();
    assert_ok(memstore_reconfigure(store, "snapshot.fsync", "false"));
    ms_testing_stop_file(0, MS_FILE_FAILS);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    /* The file's and the directory's. */
    cr_assert_eq(ms_testing_file_steps(), with - 2);
    memstore_destroy(store);
}

/* ---- Batches ---- */

/* Rewrites all pairs when the saving has come some way. */
struct rewriting {
    memstore *store;
    bool done;
};

#define PAIRS 3000

static void write_pairs(memstore *store, const char *value)
{
    memstore_batch *batch = memstore_batch_new(store);
    char key[32];

    for (unsigned i = 0; i < PAIRS; i++) {
        for (unsigned half = 0; half < 2; half++) {
            snprintf(key, sizeof key, "pair/%u/%u", i, half);
            assert_ok(memstore_batch_set(batch, key, strlen(key), value, strlen(value), 0));
        }
    }
    /* One that comes, and one that goes. */
    assert_ok(memstore_batch_set(batch, value, strlen(value), value, strlen(value), 0));
    assert_ok(memstore_batch_delete(batch, "before", 6));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
}

static int rewrite(const memstore_progress *progress, void *context)
{
    struct rewriting *rewriting = context;

    if (progress->done >= PAIRS / 2 && !rewriting->done) {
        rewriting->done = true;
        write_pairs(rewriting->store, "after");
        write_pairs(rewriting->store, "later");
    }
    return 0;
}

static bool all_are_old(memstore *store)
{
    char key[32];

    for (unsigned i = 0; i < PAIRS * 2; i++) {
        snprintf(key, sizeof key, "pair/%u/%u", i / 2, i % 2);
        if (!test_holds(store, key, "before"))
            return false;
    }
    return test_holds(store, "before", "before") && memstore_size(store) == PAIRS * 2 + 1;
}

/* Save while two batches rewrite everything, and see whether they are left out. */
static bool batches_are_left_out(const char *shards)
{
    memstore *store = test_open(shards, "maintenance=manual", NULL);
    memstore *other = open_manual();
    struct rewriting rewriting = {.store = store};

    write_pairs(store, "before");
    assert_ok(test_set(store, "before", "before", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), rewrite, &rewriting));
    cr_assert(rewriting.done);
    assert_ok(memstore_load(other, test_path("snapshot"), NULL, NULL));
    const bool left_out = all_are_old(other);
    memstore_destroy(store);
    memstore_destroy(other);
    return left_out;
}

Test(snapshots, a_batch_that_comes_during_a_save_is_left_out_as_a_whole)
{
    cr_assert(batches_are_left_out("shards=1024"));
    cr_assert(batches_are_left_out("shards=1"));
}

Test(snapshots, without_images_a_batch_would_be_saved_by_half)
{
    ms_testing_plant(MS_FAULT_CAPTURE_WITHOUT_BATCHES);
    cr_assert_not(batches_are_left_out("shards=1024"));
    ms_testing_plant(MS_FAULT_NONE);
}

Test(snapshots, batches_that_overwrite_too_much_fail_the_save_and_not_themselves)
{
    memstore *store = test_open("snapshot.batch_memory=64kB", "maintenance=manual", NULL);
    struct rewriting rewriting = {.store = store};

    write_pairs(store, "before");
    assert_ok(test_set(store, "before", "before", 0));
    assert_status(memstore_save(store, test_path("snapshot"), rewrite, &rewriting),
                  MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert_not(test_file_exists(test_path("snapshot")));
    assert_holds(store, "pair/0/0", "later");
    memstore_destroy(store);
}

/* ---- What writers wait for ---- */

/* More than 64 buckets and those that entries have passed on to hold. */
#define MOST_IN_ONE_HOLD 1280

struct holds {
    size_t count, work, most;
    enum ms_testing_point point;
};

static void note_hold(enum ms_testing_point point, void *context)
{
    struct holds *holds = context;

    if (point != holds->point)
        return;
    holds->count++;
    holds->work += ms_testing_work();
    holds->most = ms_testing_work() > holds->most ? ms_testing_work() : holds->most;
}

static void assert_holds_are_short(const char *shards)
{
    struct holds holds = {.point = MS_POINT_INTERVAL_NOTED};
    memstore *store = test_open(shards, "maintenance=manual", NULL);

    set_numbered(store, "key", 50000);
    ms_testing_set_hook(note_hold, &holds);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    ms_testing_set_hook(NULL, NULL);
    cr_assert_geq(holds.work, 50000);
    cr_assert_leq(holds.most, MOST_IN_ONE_HOLD);
    memstore_destroy(store);
}

Test(snapshots, a_writer_waits_for_some_hundred_addresses_to_be_noted_and_no_more)
{
    assert_holds_are_short("shards=1");
    assert_holds_are_short("shards=4");
    assert_holds_are_short("shards=1024");
}

Test(snapshots, a_batch_waits_for_few_images_to_be_seen_to)
{
    struct holds holds = {.point = MS_POINT_IMAGES_DONE};
    memstore *store = test_open("shards=1", "maintenance=manual", NULL);
    struct rewriting rewriting = {.store = store};

    write_pairs(store, "before");
    assert_ok(test_set(store, "before", "before", 0));
    ms_testing_set_hook(note_hold, &holds);
    assert_ok(memstore_save(store, test_path("snapshot"), rewrite, &rewriting));
    ms_testing_set_hook(NULL, NULL);
    cr_assert(rewriting.done);
    /* Each is written once, and freed unless the save ends before it is passed. */
    cr_assert_geq(holds.work, PAIRS / 2);
    cr_assert_leq(holds.most, 64);
    memstore_destroy(store);
}

/* ---- Warming ---- */

struct database {
    unsigned calls, keys;
    bool fails;           /* all keys of a call in which "key/100" is */
    unsigned absent_from; /* keys numbered from here do not exist */
    int64_t first_takes;  /* milliseconds, the first call */
};

static int load_rows(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    struct database *database = context;

    if (database->calls++ == 0)
        test_clock_advance(database->first_takes);
    database->keys += (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        char name[32] = "";

        memcpy(name, keys[i].data, keys[i].size);
        if (database->fails && strcmp(name, "key/100") == 0)
            return MEMSTORE_LOAD_FAILED;
        if (database->absent_from != 0 && (unsigned)atoi(name + 4) >= database->absent_from)
            continue;
        out[i].value = "loaded";
        out[i].value_size = 6;
        out[i].result = MEMSTORE_LOAD_OK;
    }
    return MEMSTORE_LOAD_OK;
}

#define ROWS 1000

static char row_names[ROWS][32];
static memstore_key row_keys[ROWS];

static memstore_loader loader_of(struct database *database)
{
    for (unsigned i = 0; i < ROWS; i++) {
        snprintf(row_names[i], sizeof row_names[i], "key/%u", i);
        row_keys[i] = test_key(row_names[i]);
    }
    return (memstore_loader){
        .struct_size = sizeof(memstore_loader), .load_many = load_rows, .context = database};
}

Test(snapshots, warming_loads_in_groups_what_is_not_there)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {0};
    memstore *store = open_manual();

    for (unsigned i = 0; i < ROWS; i += 2)
        assert_ok(test_set(store, row_names[i], "mine", 0));
    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching));
    cr_assert_eq(memstore_size(store), ROWS);
    assert_holds(store, "key/0", "mine");
    assert_holds(store, "key/1", "loaded");
    cr_assert_eq(database.keys, ROWS / 2);
    cr_assert_leq(database.calls, 8);
    cr_assert_eq(watching.last.phase, MEMSTORE_PHASE_WARMING);
    cr_assert_eq(watching.last.done, ROWS);
    cr_assert_eq(watching.last.total, ROWS);
    cr_assert_eq(watching.last.present, ROWS / 2);
    cr_assert_eq(watching.last.stored, ROWS / 2);
    cr_assert_geq(watching.calls, 8);
    /* Again, there is nothing to load. */
    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, NULL, NULL));
    cr_assert_eq(database.keys, ROWS / 2);
    memstore_destroy(store);
}

Test(snapshots, what_fails_while_warming_is_counted_and_the_rest_is_loaded)
{
    struct database database = {.fails = true, .absent_from = 900};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {0};
    memstore *store = open_manual();

    assert_status(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(watching.last.failed, 128);
    cr_assert_eq(watching.last.absent, 100);
    cr_assert_eq(watching.last.stored, ROWS - 100 - 128);
    cr_assert_eq(watching.last.done, ROWS);
    cr_assert_eq(memstore_size(store), ROWS - 100 - 128);
    memstore_destroy(store);
}

static void warm_a_store_that_refuses(const char *on_store_error)
{
    struct database database = {.absent_from = 900};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {0};
    /* "key/100" and its value are above it. */
    memstore *store = test_open("maintenance=manual", "max_entry_size=12", on_store_error, NULL);

    assert_status(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    cr_assert_eq(memstore_size(store), 100);
    cr_assert_eq(watching.last.stored, 100);
    cr_assert_eq(watching.last.absent, 100);
    cr_assert_eq(watching.last.failed, ROWS - 200);
    cr_assert_eq(watching.last.done, ROWS);
    memstore_destroy(store);
}

Test(snapshots, what_a_store_cannot_take_while_warming_has_failed)
{
    warm_a_store_that_refuses("loader.on_store_error=fail");
    warm_a_store_that_refuses("loader.on_store_error=bypass");
}

static void write_beside(void *context)
{
    assert_ok(test_set(context, "beside", "value", 0));
}

static int load_when_the_writer_is_gone(const void *key, size_t key_size, memstore_load_value *out,
                                        void *context)
{
    (void)key;
    (void)key_size;
    (void)context;
    test_let_go();
    out->value = "value";
    out->value_size = 5;
    return MEMSTORE_LOAD_OK;
}

/* Its shard is free again when the loader is done. */
Test(snapshots, a_key_that_could_not_be_looked_at_while_warming_is_not_told_as_stored)
{
    const memstore_key key = {"key", 3};
    const memstore_loader loader = {.struct_size = sizeof loader,
                                    .load = load_when_the_writer_is_gone};
    struct watching watching = {0};
    memstore *store =
        test_open("maintenance=manual", "shards=1", "performance.lock_timeout=1ms", NULL);

    test_stop_at(MS_POINT_SHARD_LOCKED, write_beside, store);
    assert_status(memstore_warm(store, &key, 1, &loader, watch, &watching),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(watching.last.stored, memstore_size(store) - 1);
    cr_assert_eq(watching.last.failed, 1);
    memstore_destroy(store);
}

/* Fails for keys of one byte and knows those of three. */
static int load_by_size(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    (void)context;
    for (size_t i = 0; i < n; i++) {
        out[i].value = "";
        if (keys[i].size == 1)
            out[i].result = MEMSTORE_LOAD_FAILED;
        else if (keys[i].size == 3)
            out[i].result = MEMSTORE_LOAD_OK;
    }
    return MEMSTORE_LOAD_OK;
}

Test(snapshots, keys_that_begin_at_one_address_are_told_apart_while_warming)
{
    static const char name[] = "abcd";
    const memstore_key keys[] = {{name, 1}, {name, 2}, {name, 3}, {name, 4}};
    const memstore_loader loader = {.struct_size = sizeof loader, .load_many = load_by_size};
    struct watching watching = {0};
    memstore *store = open_manual();

    assert_status(memstore_warm(store, keys, 4, &loader, watch, &watching),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(watching.last.failed, 1);
    cr_assert_eq(watching.last.absent, 2);
    cr_assert_eq(watching.last.stored, 1);
    memstore_destroy(store);
}

Test(snapshots, what_is_known_not_to_exist_has_not_failed_while_warming)
{
    const memstore_key keys[] = {{"a", 1}, {"ab", 2}};
    const memstore_loader loader = {.struct_size = sizeof loader, .load_many = load_by_size};
    struct watching watching = {0};
    memstore *store = open_manual();
    memstore_view view;

    assert_ok(memstore_get_or_load_many(store, &keys[1], 1, &loader, &view, NULL));
    cr_assert_null(view.data);
    assert_status(memstore_warm(store, keys, 2, &loader, watch, &watching),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(watching.last.failed == 1 && watching.last.absent == 1);
    memstore_destroy(store);
}

Test(snapshots, warming_stops_when_it_is_told_to)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    struct watching watching = {.stop_at = 300, .stop_phase = MEMSTORE_PHASE_WARMING};
    memstore *store = open_manual();

    assert_status(memstore_warm(store, row_keys, ROWS, &loader, watch, &watching),
                  MEMSTORE_ERR_CANCELLED);
    cr_assert_eq(memstore_size(store), 384);
    memstore_destroy(store);
}

/* A store that a call's own functions close, and what that gave. */
struct self_closing {
    memstore *store;
    unsigned calls, refused;
};

static void close_by_release(void *context)
{
    struct self_closing *closing = context;

    closing->calls++;
    closing->refused += memstore_close(closing->store) == MEMSTORE_ERR_UNSUPPORTED;
    memstore_destroy(closing->store); /* does nothing */
}

static int load_to_close(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key;
    (void)key_size;
    out->value = "loaded";
    out->value_size = 6;
    out->release = close_by_release;
    out->release_context = context;
    return MEMSTORE_LOAD_OK;
}

static int close_by_progress(const memstore_progress *progress, void *context)
{
    (void)progress;
    close_by_release(context);
    return 0;
}

Test(snapshots, closing_the_store_in_a_function_that_a_call_waits_for_is_refused)
{
    struct self_closing closing = {.store = open_manual()};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = load_to_close, .context = &closing};
    const memstore_key key = test_key("key");
    unsigned calls;

    alarm(60); /* it would wait for itself */
    assert_ok(memstore_warm(closing.store, &key, 1, &loader, NULL, NULL));
    cr_assert_eq(closing.calls, 1);
    assert_ok(memstore_save(closing.store, test_path("snapshot"), close_by_progress, &closing));
    cr_assert_gt(calls = closing.calls, 1);
    assert_ok(memstore_load(closing.store, test_path("snapshot"), close_by_progress, &closing));
    cr_assert_gt(closing.calls, calls);
    cr_assert_eq(closing.refused, closing.calls);
    assert_holds(closing.store, "key", "loaded");
    memstore_destroy(closing.store);
}

/* Lets a tenth of a second pass at each report. */
static int pass_time(const memstore_progress *progress, void *context)
{
    (void)progress;
    ++*(unsigned *)context;
    test_clock_advance(100);
    return 0;
}

Test(snapshots, warming_goes_at_the_rate_that_is_asked_for)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    unsigned tenths = 0;
    memstore *store = test_open("loader.warm_rate=500", "maintenance=manual", NULL);
    const int64_t began = test_clock_unix();

    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, pass_time, &tenths));
    cr_assert_eq(memstore_size(store), ROWS);
    /* The last group is asked for when the others have had their time. */
    cr_assert_geq(test_clock_unix() - began, (ROWS - 51) * 1000 / 500);
    cr_assert_geq(database.calls, 19);
    memstore_destroy(store);
}

/* Lets time pass while nothing else is done. */
static int pass_time_of_waiting(const memstore_progress *progress, void *context)
{
    uint64_t *done = context;

    if (progress->done == *done)
        test_clock_advance(10);
    *done = progress->done;
    return 0;
}

Test(snapshots, what_warming_could_not_ask_for_in_time_is_not_asked_for_at_once)
{
    struct database database = {.first_takes = 60000};
    const memstore_loader loader = loader_of(&database);
    uint64_t done = 0;
    memstore *store = test_open("loader.warm_rate=500", "maintenance=manual", NULL);
    const int64_t began = test_clock_unix();

    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, pass_time_of_waiting, &done));
    cr_assert_geq(test_clock_unix() - began, 60000 + (ROWS - 3 * 51) * 1000 / 500);
    memstore_destroy(store);
}

/* Bounds the rate when half of the keys have been asked for without a bound. */
static int bound_later(const memstore_progress *progress, void *context)
{
    if (progress->done == ROWS / 2 / 128 * 128)
        assert_ok(memstore_reconfigure(context, "loader.warm_rate", "500"));
    if (progress->done >= ROWS / 2 / 128 * 128)
        test_clock_advance(100);
    return 0;
}

Test(snapshots, a_rate_that_is_set_while_keys_are_warmed_counts_those_that_follow)
{
    struct database database = {0};
    const memstore_loader loader = loader_of(&database);
    memstore *store = test_open("maintenance=manual", NULL);
    const int64_t began = test_clock_unix();

    assert_ok(memstore_warm(store, row_keys, ROWS, &loader, bound_later, store));
    cr_assert_geq(test_clock_unix() - began, (ROWS / 2 - 2 * 51) * 1000 / 500);
    cr_assert_leq(test_clock_unix() - began, (ROWS / 2 + 5 * 51) * 1000 / 500);
    memstore_destroy(store);
}

Test(snapshots, bad_arguments_of_warming_are_refused)
{
    struct database database = {0};
    memstore_loader loader = loader_of(&database);
    memstore *store = open_manual();
    const memstore_key none = {"", 0};

    assert_ok(memstore_warm(store, NULL, 0, &loader, NULL, NULL));
    assert_status(memstore_warm(NULL, row_keys, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_warm(store, NULL, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_warm(store, &none, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_warm(store, row_keys, 1, NULL, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    loader.load_many = NULL;
    assert_status(memstore_warm(store, row_keys, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_close(store));
    loader.load_many = load_rows;
    assert_status(memstore_warm(store, row_keys, 1, &loader, NULL, NULL),
                  MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}
