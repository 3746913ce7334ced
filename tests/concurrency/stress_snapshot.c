/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots that are taken while batches rewrite groups of keys: what is loaded from one holds each
 * group as some batch has left it, never two batches' values. Single writers, TTL changes, growth of
 * the index and large values go on beside. A fault that is planted shows that a mix would be seen. */
#include "platform/testing.h"
#include "support/folder.h"
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define GROUPS 400
#define MEMBERS 4
#define WRITERS 3
#define FILLING 4000

static memstore *store;
static memstore_key keys[GROUPS][MEMBERS];
static char names[GROUPS][MEMBERS][32];
static atomic_uint_least64_t sequences;
static atomic_uint_least64_t batches, snapshots, mixes, empty_groups;

static void make_names(void)
{
    for (unsigned group = 0; group < GROUPS; group++) {
        for (unsigned member = 0; member < MEMBERS; member++) {
            char *const name = names[group][member];

            snprintf(name, sizeof names[0][0], "group/%u/%u", group, member);
            keys[group][member] = test_key(name);
        }
    }
}

/* ---- Writers ---- */

static void write_group(struct test_rng *rng, unsigned group)
{
    static _Thread_local unsigned char value[40000];
    memstore_entry entries[MEMBERS];
    /* Some are too large for a block of the file. */
    const size_t size = test_one_in(rng, 200) ? sizeof value : 64 + test_below(rng, 100);

    test_stamp_write(
        value, size,
        (struct test_stamp){.key = group, .sequence = atomic_fetch_add(&sequences, 1) + 1});
    for (unsigned member = 0; member < MEMBERS; member++)
        entries[member] = (memstore_entry){keys[group][member], value, size, 0};
    CHECK_OK(memstore_set_many(store, entries, MEMBERS));
}

static void delete_group(unsigned group)
{
    CHECK_OK(memstore_delete_many(store, keys[group], MEMBERS, NULL));
}

static void retime_group(unsigned group)
{
    memstore_batch *batch = memstore_batch_new(store);

    for (unsigned member = 0; member < MEMBERS; member++)
        CHECK_OK(memstore_batch_update_ttl(batch, keys[group][member].data,
                                           keys[group][member].size, 3600000));
    const int status = memstore_batch_commit(batch);
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND ||
          status == MEMSTORE_ERR_TTL_UPDATE_FAILED);
    memstore_batch_free(batch);
}

static void write_groups(unsigned number, void *context)
{
    struct test_rng rng = {*(const uint64_t *)context + number};

    while (test_team_goes_on()) {
        const unsigned group = (unsigned)test_below(&rng, GROUPS);

        if (test_one_in(&rng, 10))
            delete_group(group);
        else if (test_one_in(&rng, 10))
            retime_group(group);
        else
            write_group(&rng, group);
        atomic_fetch_add(&batches, 1);
    }
}

/* Others' keys come and go, so that tables are replaced meanwhile. */
static void write_singles(unsigned number, void *context)
{
    struct test_rng rng = {*(const uint64_t *)context + number};
    char name[32];

    while (test_team_goes_on()) {
        const int size =
            snprintf(name, sizeof name, "single/%u", (unsigned)test_below(&rng, FILLING * 4));

        if (test_one_in(&rng, 3))
            memstore_delete(store, name, (size_t)size);
        else
            CHECK_OK(memstore_set(store, name, (size_t)size, name, (size_t)size, 0));
    }
}

/* ---- Snapshots ---- */

/* The batch that a member is of; 0 when it is not there. */
static uint64_t batch_of(memstore *loaded, const memstore_key *key, unsigned group)
{
    struct test_stamp stamp;
    memstore_view view;

    if (memstore_get_view(loaded, key->data, key->size, &view) != MEMSTORE_OK)
        return 0;
    CHECK(test_stamp_read(view.data, view.size, &stamp) && stamp.key == group);
    memstore_view_release(&view);
    return stamp.sequence;
}

static void check_snapshot(const char *path)
{
    memstore *loaded = test_open("performance.memory_limit=256MB", "maintenance=manual", NULL);

    CHECK_OK(memstore_load(loaded, path, NULL, NULL));
    for (unsigned group = 0; group < GROUPS; group++) {
        const uint64_t first = batch_of(loaded, &keys[group][0], group);
        bool mixed = false;

        for (unsigned member = 1; member < MEMBERS; member++)
            mixed |= batch_of(loaded, &keys[group][member], group) != first;
        atomic_fetch_add(&mixes, mixed);
        atomic_fetch_add(&empty_groups, first == 0);
    }
    memstore_destroy(loaded);
}

static int lag(const memstore_progress *progress, void *context)
{
    (void)progress;
    (void)context;
    test_sleep_ms(1);
    return 0;
}

/* Several save at once, each to a file of its own. */
static void save_and_check(unsigned number, void *context)
{
    char name[16], path[512];

    (void)context;
    snprintf(name, sizeof name, "file%u", number);
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    while (test_team_goes_on()) {
        CHECK_OK(memstore_save(store, path, number % 2 == 0 ? lag : NULL, NULL));
        check_snapshot(path);
        atomic_fetch_add(&snapshots, 1);
    }
}

static bool enough(void)
{
    return atomic_load(&snapshots) >= 6 && atomic_load(&batches) >= 2000;
}

static bool has_mixed(void)
{
    return atomic_load(&mixes) > 0;
}

static double seconds = 1;
static uint64_t seed;

static void run(const char *shards, enum ms_testing_fault fault)
{
    struct test_team team = {0};

    atomic_store(&snapshots, 0);
    atomic_store(&batches, 0);
    atomic_store(&mixes, 0);
    ms_testing_plant(fault);
    store = test_open(shards, "performance.memory_limit=256MB", "snapshot.fsync=false",
                      "performance.lock_timeout=60s", NULL);
    for (unsigned group = 0; group < GROUPS; group++)
        write_group(&(struct test_rng){seed + group}, group);
    test_team_start(&team, WRITERS, write_groups, &seed);
    test_team_start(&team, 1, write_singles, &seed);
    test_team_start(&team, 2, save_and_check, NULL);
    test_team_finish_when(&team, fault == MS_FAULT_NONE ? seconds : 0,
                          fault == MS_FAULT_NONE ? enough : has_mixed);
    ms_testing_plant(MS_FAULT_NONE);
    memstore_destroy(store);
    fprintf(stderr, "%s: %llu snapshots beside %llu batches, %llu mixes\n", shards,
            (unsigned long long)snapshots, (unsigned long long)batches, (unsigned long long)mixes);
}

static void no_batch_is_saved_by_half_over_many_shards(void)
{
    run("shards=1024", MS_FAULT_NONE);
    CHECK(mixes == 0);
}

static void no_batch_is_saved_by_half_in_one_shard(void)
{
    run("shards=1", MS_FAULT_NONE);
    CHECK(mixes == 0);
}

static void a_mix_would_be_seen(void)
{
    run("shards=1024", MS_FAULT_CAPTURE_WITHOUT_BATCHES);
    CHECK(mixes > 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"no_batch_is_saved_by_half_over_many_shards", no_batch_is_saved_by_half_over_many_shards},
        {"no_batch_is_saved_by_half_in_one_shard", no_batch_is_saved_by_half_in_one_shard},
        {"a_mix_would_be_seen", a_mix_would_be_seen},
    };

    seconds = test_seconds(argc, argv, 2);
    seed = test_seed("stress_snapshot");
    make_names();
    test_folder();
    const int result = test_run_cases("stress_snapshot", cases, TEST_COUNT_OF(cases), NULL);
    test_folder_remove();
    return result;
}
