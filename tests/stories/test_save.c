/* SPDX-License-Identifier: Apache-2.0 */
/* How a snapshot is written: its settings, beside batches, and without holding writers up. */
#include "platform/testing.h"
#include "store/store.h"
#include "stories/snapshots.h"
#include "support/criterion.h"
#include "support/folder.h"

#include <memstore/snapshot.h>
#include <stdlib.h>

TestSuite(save, .init = stop_clock_and_make_folder, .fini = test_folder_remove);

/* ---- Settings ---- */

Test(save, compression_makes_the_file_smaller)
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

Test(save, without_fsync_nothing_is_waited_for_but_the_name)
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

Test(save, a_batch_that_comes_during_a_save_is_left_out_as_a_whole)
{
    cr_assert(batches_are_left_out("shards=1024"));
    cr_assert(batches_are_left_out("shards=1"));
}

Test(save, without_images_a_batch_would_be_saved_by_half)
{
    ms_testing_plant(MS_FAULT_CAPTURE_WITHOUT_BATCHES);
    cr_assert_not(batches_are_left_out("shards=1024"));
    ms_testing_plant(MS_FAULT_NONE);
}

Test(save, batches_that_overwrite_too_much_fail_the_save_and_not_themselves)
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

Test(save, a_writer_waits_for_some_hundred_addresses_to_be_noted_and_no_more)
{
    assert_holds_are_short("shards=1");
    assert_holds_are_short("shards=4");
    assert_holds_are_short("shards=1024");
}

Test(save, a_batch_waits_for_few_images_to_be_seen_to)
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
