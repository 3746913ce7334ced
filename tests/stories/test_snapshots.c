/* SPDX-License-Identifier: Apache-2.0 */
/* A restart that keeps what the cache knew: snapshots that are whole or refused, and entries that
 * expire when they would have. */
#include "platform/testing.h"
#include "store/store.h"
#include "snapshot/format.h"
#include "stories/snapshots.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"

#include <memstore/snapshot.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

TestSuite(snapshots, .init = stop_clock_and_make_folder, .fini = test_folder_remove);

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

/* Save where something lies at path.tmp, which `open_there` is open on: it has the same bytes afterwards. */
static void save_over_what_lies_there(int open_there)
{
    memstore *store = open_manual();
    struct stat status;
    char bytes[16];

    assert_ok(test_set(store, "secret", "value", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    cr_assert_eq(pread(open_there, bytes, sizeof bytes, 0), 5);
    cr_assert_eq(memcmp(bytes, "other", 5), 0);
    close(open_there);
    cr_assert_eq(stat(test_path("snapshot"), &status), 0);
    cr_assert_eq(status.st_uid, geteuid());
    cr_assert_eq(status.st_nlink, 1);
    cr_assert_not(test_file_exists(test_path("snapshot.tmp")));
    memstore_destroy(store);
}

Test(snapshots, who_has_what_lay_there_open_does_not_read_the_snapshot)
{
    test_file_write(test_path("snapshot.tmp"), "other", 5);
    cr_assert_eq(chmod(test_path("snapshot.tmp"), 0666), 0);
    save_over_what_lies_there(open(test_path("snapshot.tmp"), O_RDONLY));
}

Test(snapshots, what_lay_there_of_another_owner_is_not_written_to)
{
    if (geteuid() != 0)
        cr_skip("only root gives files away");
    test_file_write(test_path("snapshot.tmp"), "other", 5);
    cr_assert_eq(chmod(test_path("snapshot.tmp"), 0600), 0);
    cr_assert_eq(chown(test_path("snapshot.tmp"), 1, 1), 0);
    save_over_what_lies_there(open(test_path("snapshot.tmp"), O_RDONLY));
}

Test(snapshots, a_file_that_was_linked_there_keeps_what_it_holds)
{
    test_file_write(test_path("other"), "other", 5);
    cr_assert_eq(chmod(test_path("other"), 0600), 0);
    cr_assert_eq(link(test_path("other"), test_path("snapshot.tmp")), 0);
    save_over_what_lies_there(open(test_path("other"), O_RDONLY));
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

/* Stop in a phase of saving or loading a store of 40 values of 1 MB, when 10 are done; how many were. */
static uint64_t stop_among_large_values(int phase)
{
    memstore *store = test_open("maintenance=manual", "shards=16", NULL);
    struct watching watching = {.stop_at = 10, .stop_phase = phase};
    int status;

    cr_assert_eq(test_set_numbers(store, 0, 40, 1000000), 40);
    if (phase == MEMSTORE_PHASE_SAVING) {
        status = memstore_save(store, test_path("snapshot"), watch, &watching);
    } else {
        assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
        assert_ok(memstore_clear(store));
        status = memstore_load(store, test_path("snapshot"), watch, &watching);
    }
    assert_status(status, MEMSTORE_ERR_CANCELLED);
    memstore_destroy(store);
    return watching.last.done;
}

Test(snapshots, large_values_are_told_of_and_can_be_stopped_among)
{
    cr_assert_lt(stop_among_large_values(MEMSTORE_PHASE_SAVING), 40);
    cr_assert_lt(stop_among_large_values(MEMSTORE_PHASE_VERIFYING), 40);
    cr_assert_lt(stop_among_large_values(MEMSTORE_PHASE_LOADING), 40);
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
        const memstore_stats stats = test_stats(other);
        cr_assert_eq(stats.deletes, stats.sets);
        cr_assert_eq(stats.sets != 0, phases[i] == MEMSTORE_PHASE_LOADING);
        memstore_destroy(other);
    }
    memstore_destroy(store);
}
