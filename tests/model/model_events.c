/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations under a fake clock, each write with a value of its own: every value that was
 * stored and is not there any more was told exactly once, in the order of the writes of its key, and
 * with a cause that the counters know as often. */
#include "support/clock.h"
#include "support/support.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS 64
#define RUNS 7 /* one of each kind */
#define OPS TEST_FEWER(3000, 2)

struct chain {
    uint64_t *written; /* the values of this key, in order */
    size_t count, room;
    size_t told;
};

static struct test_rng rng;
static memstore *store;
static memstore_subscription *removals;
static struct chain chains[KEYS];
static uint64_t last_value;
static uint64_t told_by_kind[5];
static uint64_t told_ever[5];
static uint64_t seed;

struct word {
    char text[24];
    size_t size;
};

static struct word key_of(unsigned number)
{
    struct word key;

    key.size = (size_t)snprintf(key.text, sizeof key.text, "key/%u", number);
    return key;
}

static void note_written(unsigned key, uint64_t value)
{
    struct chain *chain = &chains[key];

    if (chain->count == chain->room) {
        chain->room = 2 * chain->room + 16;
        chain->written = realloc(chain->written, chain->room * sizeof *chain->written);
    }
    chain->written[chain->count++] = value;
}

static void take(const memstore_event *event)
{
    struct word text = {.size = event->key.size};
    unsigned key;
    uint64_t value;

    CHECK(text.size < sizeof text.text);
    memcpy(text.text, event->key.data, text.size);
    CHECK(sscanf(text.text, "key/%u", &key) == 1 && key < KEYS);
    CHECK(event->value.size >= sizeof value);
    memcpy(&value, event->value.data, sizeof value);
    struct chain *chain = &chains[key];
    if (chain->told >= chain->count || chain->written[chain->told] != value)
        test_fail(__FILE__, __LINE__,
                  "seed %" PRIu64 ": key %u: kind %u tells value %" PRIu64
                  ", which is not the one that has to go next",
                  seed, key, event->kind, value);
    chain->told++;
    told_by_kind[__builtin_ctz(event->kind)]++;
    CHECK(event->dropped == 0);
}

static void drain(void)
{
    memstore_event event = {.struct_size = sizeof event};

    while (memstore_subscription_next(removals, 0, &event) == MEMSTORE_OK) {
        take(&event);
        memstore_view_release(&event.value);
    }
}

/* A value that is like no other, of any size. */
static size_t make_value(char *buffer, uint64_t *value)
{
    static const size_t sizes[] = {8, 20, 100, 1000, 3000, 40000};
    const size_t size = sizes[test_below(&rng, test_one_in(&rng, 2) ? 6 : 4)];

    *value = ++last_value;
    memcpy(buffer, value, sizeof *value);
    return size;
}

static int64_t any_ttl(void)
{
    return test_one_in(&rng, 2) ? 0 : (int64_t)test_below(&rng, 5000) + 1;
}

static char buffers[8][40000];

static void write_one(void)
{
    const unsigned number = (unsigned)test_below(&rng, KEYS);
    const struct word key = key_of(number);
    uint64_t value;
    const size_t size = make_value(buffers[0], &value);
    const char *const bytes = buffers[0];
    int status;

    switch (test_below(&rng, 4)) {
    case 0:
        status = memstore_add(store, key.text, key.size, bytes, size, any_ttl());
        break;
    case 1:
        status = memstore_replace(store, key.text, key.size, bytes, size, any_ttl());
        break;
    default:
        status = memstore_set(store, key.text, key.size, bytes, size, any_ttl());
    }
    if (status == MEMSTORE_OK)
        note_written(number, value);
}

static void write_batch(void)
{
    memstore_batch *batch = memstore_batch_new(store);
    const unsigned first = (unsigned)test_below(&rng, KEYS);
    uint64_t values[8];

    for (unsigned i = 0; i < 8; i++) {
        const struct word key = key_of((first + 5 * i) % KEYS);
        const size_t size = make_value(buffers[i], &values[i]);

        if (i < 5)
            CHECK_OK(memstore_batch_set(batch, key.text, key.size, buffers[i], size, any_ttl()));
        else
            CHECK_OK(memstore_batch_delete(batch, key.text, key.size));
    }
    if (memstore_batch_commit(batch) == MEMSTORE_OK) {
        for (unsigned i = 0; i < 5; i++)
            note_written((first + 5 * i) % KEYS, values[i]);
    }
    memstore_batch_free(batch);
}

static void write_async(void)
{
    const unsigned number = (unsigned)test_below(&rng, KEYS);
    const struct word key = key_of(number);
    uint64_t value;
    const size_t size = make_value(buffers[0], &value);

    /* One at a time, so that what was written is known at once. */
    if (memstore_set_async(store, key.text, key.size, buffers[0], size, any_ttl()) == MEMSTORE_OK &&
        memstore_flush(store) == MEMSTORE_OK)
        note_written(number, value);
}

static void change_one(void)
{
    const struct word key = key_of((unsigned)test_below(&rng, KEYS));

    if (test_one_in(&rng, 3))
        memstore_update_ttl(store, key.text, key.size,
                            test_one_in(&rng, 3) ? INT64_C(6000000000) : any_ttl());
    else if (test_one_in(&rng, 2))
        memstore_delete(store, key.text, key.size);
    else
        memstore_delete_many(store, &(memstore_key){key.text, key.size}, 1, NULL);
}

static void change_all(void)
{
    uint64_t deleted;

    switch (test_below(&rng, 12)) {
    case 0:
        CHECK_OK(memstore_clear(store));
        break;
    case 1:
        CHECK_OK(memstore_delete_by_pattern(store, "key/1*", 6, &deleted));
        break;
    case 2:
    case 3:
        memstore_compact(store, 0.1);
        break;
    default:
        memstore_maintain(store, 0);
    }
}

static void run_ops(void)
{
    for (unsigned op = 0; op < OPS; op++) {
        const uint64_t choice = test_below(&rng, 100);

        if (choice < 45)
            write_one();
        else if (choice < 60)
            write_batch();
        else if (choice < 65)
            write_async();
        else if (choice < 85)
            change_one();
        else if (choice < 97)
            test_clock_advance((int64_t)test_below(&rng, 300));
        else
            change_all();
        drain();
    }
}

/* What was not told is there: one entry at most of each key, the last one. */
static void check_the_rest(void)
{
    uint64_t live = 0;

    CHECK_OK(memstore_maintain(store, 0));
    const uint64_t size = memstore_size(store);
    drain();
    for (unsigned number = 0; number < KEYS; number++) {
        const struct word key = key_of(number);
        const struct chain *chain = &chains[number];
        const bool there = memstore_has(store, key.text, key.size) == MEMSTORE_OK;

        if (chain->count - chain->told != there)
            test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": key %u: %zu written, %zu told, %s",
                      seed, number, chain->count, chain->told, there ? "there" : "gone");
        live += there;
    }
    CHECK(live == size);
}

/* Of which a store is. */
struct kind {
    const char *eviction;
    const char *other;
};

static void check_causes(void)
{
    const memstore_stats stats = test_stats(store);

    CHECK(told_by_kind[0] == stats.expirations);
    CHECK(told_by_kind[1] == stats.evictions);
    CHECK(told_by_kind[2] == stats.deletes);
    CHECK(told_by_kind[3] == stats.updates);
}

static void run(const struct kind *kind)
{
    test_clock_start();
    store = test_open("performance.memory_limit=900KiB", "maintenance=manual", "shards=4",
                      "events.queue_memory=500KiB", kind->eviction, kind->other, NULL);
    CHECK_OK(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &removals));
    run_ops();
    check_the_rest();
    check_causes();
    memstore_subscription_close(removals);
    memstore_destroy(store);
    for (unsigned i = 0; i < KEYS; i++) {
        free(chains[i].written);
        chains[i] = (struct chain){.written = NULL};
    }
    for (unsigned i = 0; i < 5; i++) {
        told_ever[i] += told_by_kind[i];
        told_by_kind[i] = 0;
    }
}

int main(void)
{
    static const struct kind kinds[] = {
        {"eviction=adaptive", NULL},
        {"eviction=s3fifo", NULL},
        {"eviction=lru", "loader.max_stale=3s"},
        {"eviction=lfu", "ttl.mode=access"},
        {"eviction=fifo", NULL},
        {"eviction=adaptive", "loader.max_stale=3s"},
        {"eviction=adaptive", "ttl.mode=access"},
    };

    seed = test_seed("model_events");
    rng.state = seed;
    for (unsigned i = 0; i < RUNS; i++)
        run(&kinds[i % TEST_COUNT_OF(kinds)]);
    for (unsigned i = 0; i < 5; i++)
        CHECK(told_ever[i] != 0);
    printf("model_events: %d runs of %d operations; expired %" PRIu64 ", evicted %" PRIu64
           ", deleted %" PRIu64 ", replaced %" PRIu64 ", cleared %" PRIu64 "\n",
           RUNS, OPS, told_ever[0], told_ever[1], told_ever[2], told_ever[3], told_ever[4]);
    return 0;
}
