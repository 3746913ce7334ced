/* SPDX-License-Identifier: Apache-2.0 */
/* Writers and readers on the same keys; every value read is checked against what was written when.
 *
 * A writer numbers its writes of a key and notes when each starts and when it has returned. A
 * reader that starts after write n has returned may see n or a later one that has started by the
 * time the read ends, and nothing else. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define KEYS 64
#define WRITERS 3
#define READERS 3
#define MAX_VALUE 8192
#define MANY 8
/* A lock is never waited for in vain, however long its holder has no processor. */
#define PATIENT "performance.lock_timeout=60s"

struct scenario {
    const char *name;
    const char *settings[8];
    bool shared;  /* all writers write all keys, else each its own */
    bool deletes; /* about every eighth write is a delete */
    bool evicts;  /* entries may go at any time */
    bool refuses; /* writes may be refused for want of room */
    size_t big;   /* largest value */
};

static const struct scenario scenarios[] = {
    {"own keys", {"shards=8", PATIENT}, false, true, false, false, 6000},
    {"shared keys", {"shards=2", PATIENT}, true, false, false, false, 2000},
    {"one shard, small values", {"shards=1", PATIENT}, false, true, false, false, 100},
    {"compaction",
     {"performance.memory_limit=2MiB", "eviction=none", "performance.gc_percent=5", PATIENT},
     false,
     true,
     false,
     true,
     3000},
    {"adaptive under pressure",
     {"performance.memory_limit=256KiB", "shards=4", PATIENT},
     false,
     true,
     true,
     false,
     6000},
    {"lru under pressure",
     {"performance.memory_limit=256KiB", "eviction=lru", PATIENT},
     false,
     true,
     true,
     false,
     6000},
    {"fifo under pressure",
     {"performance.memory_limit=256KiB", "eviction=fifo", PATIENT},
     true,
     true,
     true,
     false,
     6000},
};

/* Of one key and one writer. Written by that writer alone. */
struct history {
    _Alignas(64) atomic_uint_least64_t started;
    atomic_uint_least64_t completed;
};

static struct history histories[KEYS][WRITERS];
static memstore *store;
static const struct scenario *scenario;
static uint64_t seed;
static atomic_uint_least64_t reads_done, writes_done;

static size_t key_of(unsigned number, char key[32])
{
    return (size_t)snprintf(key, 32, "history/%u", number);
}

static bool is_delete(unsigned key, uint64_t sequence)
{
    struct test_rng rng = {seed ^ key * UINT64_C(1000003) ^ sequence << 20};

    return scenario->deletes && test_one_in(&rng, 8);
}

static bool is_refusal(int status)
{
    if (status == MEMSTORE_ERR_CACHE_FULL || status == MEMSTORE_ERR_SHARD_OVERFLOW)
        return scenario->refuses;
    /* A limit this tight may be held by readers and other writers for a while. */
    return (scenario->refuses || scenario->evicts) &&
           (status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED);
}

static int write_once(unsigned key, unsigned writer, uint64_t sequence, struct test_rng *rng)
{
    unsigned char value[MAX_VALUE];
    char name[32];
    const size_t name_size = key_of(key, name);

    if (is_delete(key, sequence)) {
        const int status = memstore_delete(store, name, name_size);
        return status == MEMSTORE_ERR_KEY_NOT_FOUND ? MEMSTORE_OK : status;
    }
    const size_t size = sizeof(struct test_stamp) + test_below(rng, scenario->big);
    test_stamp_write(value, size,
                     (struct test_stamp){.key = key, .writer = writer, .sequence = sequence});
    return memstore_set(store, name, name_size, value, size, MEMSTORE_TTL_NONE);
}

static void write_keys(unsigned number, void *context)
{
    const unsigned writer = number; /* writers are started first */
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        unsigned key = (unsigned)test_below(&rng, KEYS);
        if (!scenario->shared)
            key = (key - key % WRITERS + writer) % (KEYS - KEYS % WRITERS);

        struct history *history = &histories[key][writer];
        const uint64_t sequence = atomic_load(&history->completed) + 1;
        atomic_store(&history->started, sequence);
        const int status = write_once(key, writer, sequence, &rng);
        /* A refused write never happened: its number is used again. */
        if (is_refusal(status))
            continue;
        CHECK_OK(status);
        atomic_store(&history->completed, sequence);
        atomic_fetch_add(&writes_done, 1);
    }
}

/* What a reader knows of a key before it reads. */
struct before {
    uint64_t completed[WRITERS];
};

static struct before look(unsigned key)
{
    struct before before;

    for (unsigned w = 0; w < WRITERS; w++)
        before.completed[w] = atomic_load(&histories[key][w].completed);
    return before;
}

static void check_hit(unsigned key, const struct before *before, uint64_t seen[KEYS][WRITERS],
                      const void *value, size_t size)
{
    struct test_stamp stamp;

    CHECK(test_stamp_read(value, size, &stamp));
    CHECK(stamp.key == key && stamp.writer < WRITERS);
    CHECK(scenario->shared || stamp.writer == key % WRITERS);
    CHECK(stamp.sequence >= before->completed[stamp.writer]);
    CHECK(stamp.sequence <= atomic_load(&histories[key][stamp.writer].started));
    CHECK(!is_delete(key, stamp.sequence));
    CHECK(stamp.sequence >= seen[key][stamp.writer]);
    seen[key][stamp.writer] = stamp.sequence;
}

/* Only a delete explains that a key of one writer is missing, unless entries are evicted. */
static void check_miss(unsigned key, const struct before *before)
{
    const unsigned writer = key % WRITERS;
    uint64_t sequence = before->completed[writer];

    if (scenario->evicts || (scenario->shared && scenario->deletes))
        return;
    if (scenario->shared) {
        for (unsigned w = 0; w < WRITERS; w++)
            CHECK(before->completed[w] == 0);
        return;
    }
    if (sequence == 0)
        return;
    const uint64_t last = atomic_load(&histories[key][writer].started);
    while (sequence <= last && !is_delete(key, sequence))
        sequence++;
    CHECK(sequence <= last);
}

static void read_many(unsigned first, uint64_t seen[KEYS][WRITERS])
{
    char names[MANY][32];
    memstore_key keys[MANY];
    memstore_view views[MANY];
    struct before before[MANY];
    size_t found;

    for (unsigned i = 0; i < MANY; i++) {
        const unsigned key = (first + i * 7) % KEYS;
        keys[i] = (memstore_key){names[i], key_of(key, names[i])};
        before[i] = look(key);
    }
    CHECK_OK(memstore_get_many(store, keys, MANY, views, &found));
    for (unsigned i = 0; i < MANY; i++) {
        const unsigned key = (first + i * 7) % KEYS;
        if (views[i].data != NULL)
            check_hit(key, &before[i], seen, views[i].data, views[i].size);
        else
            check_miss(key, &before[i]);
    }
    memstore_view_release_many(views, MANY);
}

static void read_one(unsigned key, bool copy, uint64_t seen[KEYS][WRITERS])
{
    char name[32];
    const size_t name_size = key_of(key, name);
    const struct before before = look(key);
    unsigned char buffer[MAX_VALUE];
    memstore_view view = {0};
    size_t size;

    const int status = copy ? memstore_get(store, name, name_size, buffer, sizeof buffer, &size)
                            : memstore_get_view(store, name, name_size, &view);
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND) {
        check_miss(key, &before);
        return;
    }
    CHECK_OK(status);
    check_hit(key, &before, seen, copy ? buffer : view.data, copy ? size : view.size);
    memstore_view_release(&view);
}

static void read_keys(unsigned number, void *context)
{
    uint64_t (*seen)[WRITERS] = calloc(KEYS, sizeof *seen);
    struct test_rng rng = {seed + number};

    (void)context;
    for (; test_team_goes_on(); atomic_fetch_add_explicit(&reads_done, 1, memory_order_relaxed)) {
        const unsigned key = (unsigned)test_below(&rng, KEYS);
        if (test_one_in(&rng, 8))
            read_many(key, seen);
        else
            read_one(key, test_one_in(&rng, 2), seen);
    }
    free(seen);
}

static uint64_t count_there(void)
{
    uint64_t there = 0;

    for (unsigned key = 0; key < KEYS; key++) {
        char name[32];
        const size_t name_size = key_of(key, name);

        there += memstore_has(store, name, name_size) == MEMSTORE_OK;
    }
    return there;
}

/* After the last write: what is there is the last value, and the count agrees. */
static void check_end(void)
{
    uint64_t (*seen)[WRITERS] = calloc(KEYS, sizeof *seen);

    for (unsigned key = 0; key < KEYS; key++)
        read_one(key, true, seen);
    CHECK(test_size_agrees(store, count_there));
    const memstore_memory_stats memory = test_memory(store);
    CHECK(memory.charged <= memory.limit);
    free(seen);
}

static bool has_done_enough(void)
{
    return atomic_load(&reads_done) > 0 && atomic_load(&writes_done) > 0;
}

static void run_scenario(double seconds)
{
    struct test_team team = {0};

    memset(histories, 0, sizeof histories);
    store = test_open_list(scenario->settings);
    test_team_start(&team, WRITERS, write_keys, NULL);
    test_team_start(&team, READERS, read_keys, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    check_end();
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 5);

    seed = test_seed("stress_history");
    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++) {
        scenario = &scenarios[i];
        atomic_store(&reads_done, 0);
        atomic_store(&writes_done, 0);
        run_scenario(seconds / TEST_COUNT_OF(scenarios));
        printf("ok   %s: %llu reads, %llu writes\n", scenario->name,
               (unsigned long long)atomic_load(&reads_done),
               (unsigned long long)atomic_load(&writes_done));
        CHECK(atomic_load(&reads_done) > 0 && atomic_load(&writes_done) > 0);
    }
    printf("stress_history: %zu passed, 0 failed\n", TEST_COUNT_OF(scenarios));
    return 0;
}
