/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots that are loaded, two at once, while all of their keys are deleted, set and loaded from elsewhere:
 * what is in the file is older than any of that, and never comes back over it. */
#include "support/await.h"
#include "support/folder.h"
#include "support/support.h"
#include "support/team.h"

#include <memstore/snapshot.h>

#define WRITERS 3
#define LOADERS 2
#define KEYS 4000 /* of each writer */

/* What a key holds after a round. */
enum outcome { ANYTHING, NOTHING, NEW };

static memstore *store;
static char path[512];
static enum outcome outcomes[WRITERS][KEYS];
static atomic_uint begun; /* loadings of this round */
static atomic_uint ended;
static atomic_uint_least64_t ahead; /* keys that were removed before a loading came to them */
static uint64_t seed;
static double seconds = 1;

struct name {
    char bytes[24];
    size_t size;
};

static struct name name_of(unsigned writer, unsigned number)
{
    struct name name;

    name.size = (size_t)snprintf(name.bytes, sizeof name.bytes, "%u/%u", writer, number);
    return name;
}

/* ---- One key ---- */

static enum outcome delete_it(const struct name *name)
{
    const int status = memstore_delete(store, name->bytes, name->size);

    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND);
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND && atomic_load(&ended) == 0)
        atomic_fetch_add(&ahead, 1);
    return NOTHING;
}

static enum outcome delete_by_batch(const struct name *name)
{
    const memstore_key key = {name->bytes, name->size};

    CHECK_OK(memstore_delete_many(store, &key, 1, NULL));
    return NOTHING;
}

static enum outcome delete_matching(const struct name *name)
{
    CHECK_OK(memstore_delete_by_pattern(store, name->bytes, name->size, NULL));
    return NOTHING;
}

static enum outcome set_it(const struct name *name)
{
    CHECK_OK(memstore_set(store, name->bytes, name->size, "new", 3, 0));
    return NEW;
}

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key;
    (void)key_size;
    *(bool *)context = true;
    out->value = "new";
    out->value_size = 3;
    return MEMSTORE_LOAD_OK;
}

static enum outcome load_it(const struct name *name)
{
    bool was_called = false;
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = load, .context = &was_called};
    memstore_view view;

    CHECK_OK(memstore_get_or_load(store, name->bytes, name->size, &loader, &view));
    memstore_view_release(&view);
    return was_called ? NEW : ANYTHING;
}

static void write_key(struct test_rng *rng, unsigned writer, unsigned number)
{
    const struct name name = name_of(writer, number);
    enum outcome (*const ways[])(const struct name *) = {delete_it, delete_by_batch, set_it,
                                                         load_it};

    outcomes[writer][number] =
        test_one_in(rng, 500) ? delete_matching(&name) : ways[test_below(rng, 4)](&name);
}

/* ---- A round ---- */

static void write_all(unsigned writer, void *context)
{
    struct test_rng rng = {*(const uint64_t *)context + writer};
    const unsigned from = (unsigned)test_below(&rng, KEYS);

    TEST_AWAIT(atomic_load(&begun) == LOADERS);
    for (unsigned i = 0; i < KEYS; i++)
        write_key(&rng, writer, (from + i) % KEYS);
}

static int note_begin(const memstore_progress *progress, void *unused)
{
    (void)unused;
    if (progress->phase == MEMSTORE_PHASE_VERIFYING && progress->done == 0)
        atomic_fetch_add(&begun, 1);
    return 0;
}

static void load_file(unsigned number, void *unused)
{
    (void)number;
    (void)unused;
    CHECK_OK(memstore_load(store, path, note_begin, NULL));
    atomic_fetch_add(&ended, 1);
}

static void check_key(unsigned writer, unsigned number)
{
    const struct name name = name_of(writer, number);
    const enum outcome outcome = outcomes[writer][number];

    if (outcome != ANYTHING)
        CHECK(test_holds(store, name.bytes, outcome == NEW ? "new" : NULL));
}

static void each_key(void (*fn)(unsigned writer, unsigned number))
{
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        for (unsigned number = 0; number < KEYS; number++)
            fn(writer, number);
    }
}

static void run_round(uint64_t *round_seed)
{
    struct test_team team = {0};

    ++*round_seed;
    atomic_store(&begun, 0);
    atomic_store(&ended, 0);
    test_team_start(&team, WRITERS, write_all, round_seed);
    test_team_start(&team, LOADERS, load_file, NULL);
    test_team_join(&team);
    each_key(check_key);
    CHECK_OK(memstore_clear(store));
}

/* ---- All of them ---- */

static void set_old(unsigned writer, unsigned number)
{
    const struct name name = name_of(writer, number);

    CHECK_OK(memstore_set(store, name.bytes, name.size, "old", 3, 0));
}

static void run(const char *shards)
{
    const double until = test_now() + seconds;
    uint64_t rounds = 0, round_seed = seed;

    store = test_open(shards, "snapshot.fsync=false", "performance.lock_timeout=60s", NULL);
    snprintf(path, sizeof path, "%s", test_path("snapshot"));
    each_key(set_old);
    CHECK_OK(memstore_save(store, path, NULL, NULL));
    CHECK_OK(memstore_clear(store));
    atomic_store(&ahead, 0);
    for (; rounds < 3 || atomic_load(&ahead) < 100 || test_now() < until; rounds++)
        run_round(&round_seed);
    memstore_destroy(store);
    fprintf(stderr, "%s: %llu rounds, %llu keys removed ahead of a loading\n", shards,
            (unsigned long long)rounds, (unsigned long long)ahead);
}

static void nothing_older_comes_back_over_many_shards(void)
{
    run("shards=64");
}

static void nothing_older_comes_back_in_one_shard(void)
{
    run("shards=1");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"nothing_older_comes_back_over_many_shards", nothing_older_comes_back_over_many_shards},
        {"nothing_older_comes_back_in_one_shard", nothing_older_comes_back_in_one_shard},
    };

    seconds = test_seconds(argc, argv, 1);
    seed = test_seed("stress_restore");
    test_folder();
    const int result = test_run_cases("stress_restore", cases, TEST_COUNT_OF(cases), NULL);
    test_folder_remove();
    return result;
}
