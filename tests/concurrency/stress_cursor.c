/* SPDX-License-Identifier: Apache-2.0 */
/* Iteration under writes: each key that is there throughout comes exactly once, whatever others
 * do, and nobody is blocked. */
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <stdlib.h>

#define STAYING 2000
#define PASSING 20000

static memstore *store;
static uint64_t seed;
static atomic_uint_least64_t rounds, overwrites;

static size_t key_of(const char *kind, uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "%s/%" PRIu64, kind, number);
}

/* Keys that stay are overwritten with values of other sizes, so that they move between segments. */
static void overwrite(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    unsigned char value[500] = {0};

    (void)context;
    while (test_team_goes_on()) {
        char key[32];
        const size_t size = key_of("stay", test_below(&rng, STAYING), key);

        CHECK_OK(memstore_set(store, key, size, value, test_below(&rng, sizeof value),
                              test_one_in(&rng, 2) ? 0 : 3600000));
        atomic_fetch_add(&overwrites, 1);
    }
}

/* Keys that pass come by thousands and go again, so that tables grow. */
static void pass_by(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    for (uint64_t i = 0; test_team_goes_on(); i++) {
        char key[32];
        const size_t size = key_of("pass", (i + number * 7919) % PASSING, key);
        const int status = i / PASSING % 2 == 0 ? memstore_set(store, key, size, key, size,
                                                               test_one_in(&rng, 4) ? 2 : 0)
                                                : memstore_delete(store, key, size);

        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

static void meet(unsigned char *met, const void *key, size_t size)
{
    char text[32];

    CHECK(size > 5 && size < sizeof text);
    memcpy(text, key, size);
    text[size] = '\0';
    if (strncmp(text, "stay/", 5) == 0)
        met[strtoul(text + 5, NULL, 10)]++;
    else
        CHECK(strncmp(text, "pass/", 5) == 0);
}

static int meet_key(const void *key, size_t size, void *context)
{
    meet(context, key, size);
    return 0;
}

static void walk_with_cursor(unsigned char *met, const char *pattern)
{
    memstore_cursor *cursor;
    memstore_key key;
    int status;

    CHECK_OK(memstore_cursor_new(store, pattern, strlen(pattern), &cursor));
    while ((status = memstore_cursor_next(cursor, &key)) == MEMSTORE_OK)
        meet(met, key.data, key.size);
    CHECK_STATUS(status, MEMSTORE_ERR_KEY_NOT_FOUND);
    CHECK_STATUS(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
}

static void iterate(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    unsigned char met[STAYING];

    (void)context;
    while (test_team_goes_on()) {
        const char *pattern = test_one_in(&rng, 2) ? "" : "stay/*";

        memset(met, 0, sizeof met);
        if (test_one_in(&rng, 2))
            walk_with_cursor(met, pattern);
        else
            CHECK_OK(memstore_keys(store, pattern, strlen(pattern), meet_key, met));
        for (unsigned i = 0; i < STAYING; i++) {
            if (met[i] != 1)
                test_fail(__FILE__, __LINE__, "stay/%u came %u times", i, met[i]);
        }
        uint64_t count = 0;
        CHECK_OK(memstore_count_by_pattern(store, "stay/*", 6, &count));
        CHECK(count == STAYING);
        atomic_fetch_add(&rounds, 1);
    }
}

static bool has_done_enough(void)
{
    return atomic_load(&rounds) > 0 && atomic_load(&overwrites) > 0;
}

static void run_round(const char *shards, double seconds)
{
    struct test_team team = {0};

    store = test_open(shards, "performance.memory_limit=64MiB", "performance.gc_percent=20",
                      /* A lock is not fair, and a sanitizer makes the wait for it long. */
                      "performance.lock_timeout=60s", NULL);
    for (unsigned i = 0; i < STAYING; i++) {
        char key[32];
        CHECK_OK(memstore_set(store, key, key_of("stay", i, key), "v", 1, 0));
    }
    atomic_store(&rounds, 0);
    test_team_start(&team, 2, overwrite, NULL);
    test_team_start(&team, 2, pass_by, NULL);
    test_team_start(&team, 2, iterate, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    CHECK(atomic_load(&rounds) > 0 && atomic_load(&overwrites) > 0);
    printf("ok   %s: %" PRIu64 " iterations, %" PRIu64 " overwrites\n", shards,
           (uint64_t)atomic_load(&rounds), (uint64_t)atomic_load(&overwrites));
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);

    seed = test_seed("stress_cursor");
    run_round("shards=1", seconds / 3);
    run_round("shards=16", seconds / 3);
    run_round("shards=1024", seconds / 3);
    printf("stress_cursor: 3 passed, 0 failed\n");
    return 0;
}
