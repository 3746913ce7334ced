/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out: each scenario is run again and again, with its first request for memory
 * failing, then its second, and so on; and again with all requests failing from that one on.
 * Whatever fails, the call says so, what succeeded before is there, what was refused is not, and
 * everything is given back. */
#include "platform/testing.h"
#include "support/clock.h"
#include "support/support.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS 600
#define MAX_VALUE 200000

/* What each key must hold. */
struct shadow {
    bool live;
    uint64_t seed;
    size_t size;
};

struct scenario {
    const char *name;
    const char *settings[8];
    void (*run)(memstore *store);
    bool evicts;
};

static struct shadow shadows[KEYS];
static const struct scenario *scenario;
static unsigned char value[MAX_VALUE];

/* ---- Values that a number determines ---- */

static void fill(unsigned char *bytes, const struct shadow *shadow)
{
    struct test_rng rng = {shadow->seed};

    for (size_t i = 0; i < shadow->size; i += 8) {
        const uint64_t word = test_random(&rng);
        memcpy(bytes + i, &word, shadow->size - i < 8 ? shadow->size - i : 8);
    }
}

static memstore_key key_of(unsigned number, char name[32])
{
    return (memstore_key){name, (size_t)snprintf(name, 32, "fault/%u", number)};
}

/* Refused for want of memory: the only failure that a scenario may meet. */
static bool refused(int status)
{
    if (status == MEMSTORE_ERR_MEMORY_EXHAUSTED || status == MEMSTORE_ERR_GC_PRESSURE ||
        status == MEMSTORE_ERR_SHARD_OVERFLOW)
        return true;
    CHECK_OK(status);
    return false;
}

static void set(memstore *store, unsigned number, size_t size, int64_t ttl)
{
    const struct shadow shadow = {true, test_random(&(struct test_rng){number * 131 + size}), size};
    char name[32];
    const memstore_key key = key_of(number, name);

    fill(value, &shadow);
    if (!refused(memstore_set(store, key.data, key.size, value, size, ttl)))
        shadows[number] = shadow;
}

static void drop(memstore *store, unsigned number)
{
    char name[32];
    const memstore_key key = key_of(number, name);
    const int status = memstore_delete(store, key.data, key.size);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        CHECK(!shadows[number].live || scenario->evicts);
    else if (refused(status))
        return;
    shadows[number].live = false;
}

/* ---- Scenarios ---- */

static void sets_and_growth(memstore *store)
{
    for (unsigned i = 0; i < KEYS; i++)
        set(store, i, i % 97, 0);
    for (unsigned i = 0; i < KEYS; i += 3)
        set(store, i, i % 800, 3600000);
    for (unsigned i = 0; i < KEYS; i += 5)
        drop(store, i);
    for (unsigned i = 0; i < 20; i++) {
        char name[32];
        const memstore_key key = key_of(i, name);
        const int status = memstore_update_ttl(store, key.data, key.size, 100000);
        if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
            CHECK(!shadows[i].live);
        else
            (void)refused(status);
    }
}

static void large_entries(memstore *store)
{
    for (unsigned i = 0; i < 12; i++)
        set(store, i, MAX_VALUE - i * 10000, i % 2 == 0 ? 0 : 60000);
    for (unsigned i = 0; i < 12; i += 2)
        set(store, i, 100000, 0);
    for (unsigned i = 0; i < 12; i += 3)
        drop(store, i);
}

static void set_batch(memstore *store, unsigned first, unsigned count, bool with_set_many)
{
    memstore_entry *entries = calloc(count, sizeof *entries);
    char (*names)[32] = calloc(count, sizeof *names);
    struct shadow shadow = {true, first, 64};
    int status = MEMSTORE_OK;

    fill(value, &shadow);
    for (unsigned i = 0; i < count; i++)
        entries[i] = (memstore_entry){key_of(first + i, names[i]), value, shadow.size, 0};
    if (with_set_many) {
        status = memstore_set_many(store, entries, count);
    } else {
        memstore_batch *batch = memstore_batch_new(store);
        if (batch == NULL)
            status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
        for (unsigned i = 0; i < count && status == MEMSTORE_OK; i++)
            status = memstore_batch_set(batch, entries[i].key.data, entries[i].key.size, value,
                                        shadow.size, 0);
        if (status == MEMSTORE_OK)
            status = memstore_batch_commit(batch);
        memstore_batch_free(batch);
    }
    if (!refused(status)) {
        for (unsigned i = 0; i < count; i++)
            shadows[first + i] = shadow;
    }
    free(entries);
    free(names);
}

static void delete_batch(memstore *store, unsigned first, unsigned count)
{
    memstore_key *keys = calloc(count, sizeof *keys);
    char (*names)[32] = calloc(count, sizeof *names);

    for (unsigned i = 0; i < count; i++)
        keys[i] = key_of(first + i, names[i]);
    if (!refused(memstore_delete_many(store, keys, count, NULL))) {
        for (unsigned i = 0; i < count; i++)
            shadows[first + i].live = false;
    }
    free(keys);
    free(names);
}

static void batches(memstore *store)
{
    for (unsigned i = 0; i < 4; i++)
        set_batch(store, i * 40, 5, i % 2 == 0);
    set_batch(store, 100, 300, true);
    set_batch(store, 50, 200, false);
    delete_batch(store, 120, 7);
    delete_batch(store, 200, 150);
    set_batch(store, 180, 90, true);
}

/* Reads need no memory of their own, however many keys. */
static void check_many(memstore *store)
{
    memstore_key keys[100];
    char names[100][32];
    memstore_view views[100];
    unsigned char there[100];
    size_t found = 0, had = 0;

    for (unsigned i = 0; i < 100; i++)
        keys[i] = key_of(i, names[i]);
    CHECK_OK(memstore_get_many(store, keys, 100, views, &found));
    memstore_view_release_many(views, 100);
    CHECK_OK(memstore_has_many(store, keys, 100, there, &had));
    CHECK(found == had);
}

static int count_key(const void *key, size_t size, void *context)
{
    (void)key;
    (void)size;
    ++*(unsigned *)context;
    return 0;
}

static unsigned count_shadows(void)
{
    unsigned live = 0;

    for (unsigned i = 0; i < KEYS; i++)
        live += shadows[i].live;
    return live;
}

static void walk(memstore *store)
{
    memstore_cursor *cursor = NULL;
    memstore_key key;
    unsigned met = 0, tries = 0;
    int status;

    if (refused(memstore_cursor_new(store, "fault/*", 7, &cursor))) {
        CHECK(cursor == NULL);
        return;
    }
    /* A step that got no memory may be repeated, and nothing is skipped for it. */
    while ((status = memstore_cursor_next(cursor, &key)) != MEMSTORE_ERR_KEY_NOT_FOUND &&
           tries < 3) {
        if (refused(status))
            tries++;
        else
            met++;
    }
    CHECK(status != MEMSTORE_ERR_KEY_NOT_FOUND || met == count_shadows());
    memstore_cursor_free(cursor);
}

static void patterns_and_cursors(memstore *store)
{
    unsigned met = 0;
    uint64_t count = 0;

    for (unsigned i = 0; i < 400; i++)
        set(store, i, 30, 0);
    check_many(store);
    walk(store);
    if (!refused(memstore_keys(store, "*", 1, count_key, &met)))
        CHECK(met == count_shadows());
    if (!refused(memstore_count_by_pattern(store, "fault/1*", 8, &count)))
        CHECK(count <= 111);
    /* Not at one instant: what went before a failure stays gone. */
    const int status = memstore_delete_by_pattern(store, "fault/39?", 9, &count);
    (void)refused(status);
    for (unsigned i = 390; i < 400; i++) {
        char name[32];
        const memstore_key key = key_of(i, name);
        const bool there = memstore_has(store, key.data, key.size) == MEMSTORE_OK;
        CHECK(status != MEMSTORE_OK || !there);
        shadows[i].live = shadows[i].live && there;
    }
    if (!refused(memstore_clear(store)))
        memset(shadows, 0, sizeof shadows);
    for (unsigned i = 0; i < 50; i++)
        set(store, i, 30, 0);
}

static void overwrites_and_compaction(memstore *store)
{
    memstore_view views[8] = {{0}};

    for (unsigned round = 0; round < 12; round++) {
        char name[32];
        const memstore_key key = key_of(round, name);

        for (unsigned i = 0; i < 200; i++)
            set(store, i, 100 + (i * 7 + round * 131) % 900, round % 3 == 0 ? 600000 : 0);
        memstore_view_release(&views[round % 8]);
        (void)memstore_get_view(store, key.data, key.size, &views[round % 8]);
        const int status = memstore_compact(store, 0.2);
        if (status != MEMSTORE_ERR_MEMORY_FRAGMENTATION)
            CHECK_OK(status);
        CHECK_OK(memstore_maintain(store, 0));
    }
    memstore_view_release_many(views, 8);
}

static void expiry(memstore *store)
{
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 150; i++)
            set(store, i, 200, (int64_t)(1 + i * 10));
        test_clock_advance(700);
        for (unsigned i = 0; i < 70; i++)
            shadows[i].live = false;
        CHECK_OK(memstore_maintain(store, 0));
        test_clock_advance(1000);
        memset(shadows, 0, sizeof shadows);
    }
    set(store, 7, 300, 0);
}

static void eviction(memstore *store)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < KEYS; i++)
            set(store, i, 300 + i * 11 % 1500, i % 4 == 0 ? 50000 : 0);
        for (unsigned i = 0; i < KEYS; i += 7)
            drop(store, i);
    }
    set(store, 3, 90000, 0);
}

/* A limit that goes down needs memory for smaller tables, and does without. */
static void other_limits(memstore *store)
{
    static const char *const limits[] = {"600KiB", "2MiB", "700KiB", "1MiB"};

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < KEYS; i++)
            set(store, i, 200 + i * 5 % 1500, 0);
        const uint64_t before = memstore_capacity(store);
        const int status = memstore_reconfigure(store, "performance.memory_limit", limits[round]);
        /* Without memory for the addresses at the opening there is no growing. */
        if (status == MEMSTORE_ERR_UNSUPPORTED)
            CHECK(round == 1);
        if (status == MEMSTORE_ERR_UNSUPPORTED || refused(status))
            CHECK(memstore_capacity(store) == before);
        else
            CHECK(memstore_capacity(store) != before &&
                  test_memory(store).charged <= memstore_capacity(store));
    }
}

/* Hand writes over and flush. Of those that were accepted the flush may tell that some are
 * refused, and each of these has left the older entry as it was. */
static void set_asynchronously(memstore *store, unsigned first, unsigned count, size_t size)
{
    static unsigned char found[MAX_VALUE];
    const struct shadow fresh = {true, test_random(&(struct test_rng){first * 131 + size}), size};
    bool accepted[KEYS] = {false};
    char name[32];
    size_t found_size;

    fill(value, &fresh);
    for (unsigned i = first; i < first + count; i++) {
        const memstore_key key = key_of(i, name);
        accepted[i] = !refused(memstore_set_async(store, key.data, key.size, value, size, 0));
    }
    const bool all = !refused(memstore_flush(store));
    for (unsigned i = first; i < first + count; i++) {
        const memstore_key key = key_of(i, name);
        const bool is_new = memstore_get(store, key.data, key.size, found, sizeof found,
                                         &found_size) == MEMSTORE_OK &&
                            found_size == size && memcmp(found, value, size) == 0;
        CHECK(is_new ? accepted[i] : !accepted[i] || !all);
        if (is_new)
            shadows[i] = fresh;
    }
    CHECK_OK(memstore_flush(store));
}

static void asynchronous_writes(memstore *store)
{
    for (unsigned round = 0; round < 6; round++) {
        set_asynchronously(store, round * 40, 1 + round * 20, 50 + round);
        set_asynchronously(store, 300 + round, 3, 30000);
        set(store, round, 64, 0);
        test_clock_advance(1000);
        CHECK_OK(memstore_maintain(store, 0));
    }
}

static void bounded_views(memstore *store)
{
    memstore_key keys[20];
    char names[20][32];
    memstore_view views[20], one;

    for (unsigned i = 0; i < 20; i++) {
        keys[i] = key_of(i, names[i]);
        set(store, i, 40, 0);
    }
    for (unsigned n = 1; n <= 20; n += 3) {
        if (!refused(memstore_get_many(store, keys, n, views, NULL)))
            memstore_view_release_many(views, n);
        const int status = memstore_get_view(store, keys[n - 1].data, keys[n - 1].size, &one);
        if (status != MEMSTORE_ERR_KEY_NOT_FOUND && !refused(status))
            memstore_view_release(&one);
    }
}

static int ignore_event(const memstore_event *event, void *context)
{
    (void)event;
    (void)context;
    return 0;
}

/* An event that there is no memory for is lost and counted, and nothing else. */
static void events(memstore *store)
{
    memstore_subscription *subscription;
    memstore_event event = {.struct_size = sizeof event};
    uint64_t taken = 0;

    if (!refused(memstore_on_event(store, MEMSTORE_EVENT_EVICTED, ignore_event, NULL)))
        CHECK_OK(memstore_off_event(store, ignore_event, NULL));
    if (refused(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &subscription)))
        return;
    for (unsigned i = 0; i < 60; i++)
        set(store, i % 20, 50 + i, 0);
    for (unsigned i = 0; i < 20; i += 3)
        drop(store, i);
    while (memstore_subscription_next(subscription, 0, &event) == MEMSTORE_OK) {
        memstore_view_release(&event.value);
        taken++;
    }
    const memstore_stats stats = test_stats(store);
    CHECK(taken + memstore_subscription_dropped(subscription) == stats.updates + stats.deletes);
    memstore_subscription_close(subscription);
}

/* ---- Loading ---- */

static int load_shadow(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    const struct shadow *shadow = context;

    (void)key;
    (void)key_size;
    fill(value, shadow);
    out->value = value;
    out->value_size = shadow->size;
    return MEMSTORE_LOAD_OK;
}

static int load_shadows(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    (void)keys;
    for (size_t i = 0; i < n; i++) {
        load_shadow(NULL, 0, &out[i], context);
        out[i].result = MEMSTORE_LOAD_OK;
    }
    return MEMSTORE_LOAD_OK;
}

/* A value that was handed out may be stored or not; its bytes are right. */
static void take_loaded(memstore *store, unsigned number, memstore_view *view, int status)
{
    char name[32];
    const memstore_key key = key_of(number, name);

    shadows[number].live = memstore_has(store, key.data, key.size) == MEMSTORE_OK;
    if (refused(status))
        return;
    fill(value, &shadows[number]);
    CHECK(view->size == shadows[number].size && memcmp(view->data, value, view->size) == 0);
    memstore_view_release(view);
}

static void load_by_lease(memstore *store, unsigned number)
{
    char name[32];
    const memstore_key key = key_of(number, name);
    memstore_lease *lease;
    memstore_view view;
    int status = memstore_lease_acquire(store, key.data, key.size, 0, &lease, &view);

    if (lease != NULL) {
        fill(value, &shadows[number]);
        status = memstore_lease_fill(lease, value, shadows[number].size, 0, &view);
        memstore_view_release(&view);
    }
    shadows[number].live = memstore_has(store, key.data, key.size) == MEMSTORE_OK;
    (void)refused(status);
}

static void load_two(memstore *store, unsigned number, const memstore_loader *loader)
{
    char names[2][32];
    const memstore_key keys[] = {key_of(number, names[0]), key_of(number + 1, names[1])};
    memstore_view views[2];
    const int status = memstore_get_or_load_many(store, keys, 2, loader, views, NULL);

    take_loaded(store, number, &views[0], status);
    take_loaded(store, number + 1, &views[1], status);
}

static void loading(memstore *store)
{
    memstore_loader loader = {
        .struct_size = sizeof loader, .load = load_shadow, .load_many = load_shadows};

    for (unsigned i = 0; i < 60; i += 4) {
        char name[32];
        const memstore_key key = key_of(i, name);
        memstore_view view;

        for (unsigned j = 0; j < 4; j++)
            shadows[i + j] = (struct shadow){.seed = i + 1, .size = 100 + i};
        loader.context = &shadows[i];
        take_loaded(store, i, &view,
                    memstore_get_or_load(store, key.data, key.size, &loader, &view));
        load_by_lease(store, i + 1);
        load_two(store, i + 2, &loader);
        (void)memstore_delete_by_pattern(store, "nothing*", 8, NULL);
    }
}

#define OLD 3

static int load_none(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    (void)keys, (void)n, (void)out, (void)context;
    return MEMSTORE_LOAD_FAILED;
}

/* What is there is given, whatever was needed to load it anew. */
static void refreshing(memstore *store)
{
    const memstore_loader loader = {.struct_size = sizeof loader, .load_many = load_none};
    char names[OLD][32];
    memstore_key keys[OLD];
    memstore_view views[OLD];
    bool all = true;

    for (unsigned i = 0; i < OLD; i++) {
        keys[i] = key_of(i, names[i]);
        set(store, i, 100, 0);
        all = all && shadows[i].live;
    }
    test_clock_advance(10000);
    if (all) {
        CHECK_OK(memstore_get_or_load_many(store, keys, OLD, &loader, views, NULL));
        memstore_view_release_many(views, OLD);
    }
}

static const struct scenario scenarios[] = {
    {"loading", {"shards=4"}, loading, false},
    {"refreshing", {"shards=4", "loader.refresh_after=10s"}, refreshing, false},
    {"sets and growth", {"shards=1"}, sets_and_growth, false},
    {"sets and growth, many shards", {"shards=64", "hash_function=fnv"}, sets_and_growth, false},
    {"large entries", {"shards=2"}, large_entries, false},
    {"batches", {"shards=8"}, batches, false},
    {"patterns and cursors", {"shards=4"}, patterns_and_cursors, false},
    {"overwrites and compaction",
     {"shards=2", "performance.gc_percent=10", "performance.memory_limit=4MiB"},
     overwrites_and_compaction,
     false},
    {"expiry", {"shards=2", "ttl.store_creation_time=true"}, expiry, false},
    {"asynchronous writes", {"shards=4", "performance.batch_size=50"}, asynchronous_writes, false},
    {"events", {"shards=4"}, events, false},
    {"bounded views", {"shards=4", "performance.max_concurrent_readers=20"}, bounded_views, false},
    {"eviction, adaptive", {"shards=2", "performance.memory_limit=512KiB"}, eviction, true},
    {"other limits", {"shards=16", "performance.memory_limit=1MiB"}, other_limits, true},
    {"eviction, lru",
     {"shards=2", "performance.memory_limit=512KiB", "eviction=lru"},
     eviction,
     true},
};

/* ---- Running them ---- */

static void check_key(memstore *store, unsigned number)
{
    static unsigned char wanted[MAX_VALUE + 8];
    char name[32];
    const memstore_key key = key_of(number, name);
    memstore_view view;
    const int status = memstore_get_view(store, key.data, key.size, &view);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND) {
        CHECK(!shadows[number].live || scenario->evicts);
        shadows[number].live = false;
        return;
    }
    CHECK_OK(status);
    CHECK(shadows[number].live && view.size == shadows[number].size);
    fill(wanted, &shadows[number]);
    CHECK(memcmp(view.data, wanted, view.size) == 0);
    memstore_view_release(&view);
}

/* With memory back, the store holds what it should and works as ever. */
static void check_store(memstore *store)
{
    for (unsigned i = 0; i < KEYS; i++)
        check_key(store, i);
    CHECK(memstore_size(store) == count_shadows());
    CHECK_OK(memstore_maintain(store, 0));
    const memstore_memory_stats memory = test_memory(store);
    CHECK(memory.charged <= memory.limit && memory.pinned == 0);
    CHECK_OK(test_set(store, "after", "memory came back", 0));
    CHECK(test_holds(store, "after", "memory came back"));
    CHECK_OK(memstore_clear(store));
    CHECK(memstore_size(store) == 0);
}

/* The settings are applied in a loop of their own, because opening is part of what may fail. */
static memstore *open_or_fail(void)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;

    if (config == NULL)
        return NULL;
    CHECK_OK(memstore_config_set(config, "maintenance", "manual"));
    /* No use to wait for memory that is not going to come. */
    CHECK_OK(memstore_config_set(config, "performance.lock_timeout", "1ms"));
    for (const char *const *setting = scenario->settings; *setting != NULL; setting++) {
        const char *equals = strchr(*setting, '=');
        char key[64] = "";

        memcpy(key, *setting, (size_t)(equals - *setting));
        CHECK_OK(memstore_config_set(config, key, equals + 1));
    }
    const int status = memstore_open(config, &store);
    if (status != MEMSTORE_OK)
        CHECK(refused(status) && store == NULL);
    memstore_config_free(config);
    return store;
}

/* One run with the n-th request failing; how many requests it made. */
static uint64_t run_failing(uint64_t n, bool all_after)
{
    memset(shadows, 0, sizeof shadows);
    test_clock_start();
    ms_testing_fail_memory(n, all_after);
    memstore *store = open_or_fail();
    if (store != NULL)
        scenario->run(store);
    const uint64_t requests = ms_testing_memory_requests();

    /* Every other run closes while memory is still out. */
    if (store != NULL && n % 2 == 1) {
        memstore_destroy(store);
        store = NULL;
    }
    ms_testing_fail_memory(0, false);
    if (store != NULL) {
        check_store(store);
        memstore_destroy(store);
    }
    return requests;
}

/* Requests after which all others fail as well, too: each, or one in so many, odd ones and even. */
#if defined(__SANITIZE_ADDRESS__)
#define ALL_AFTER_EACH 3
#else
#define ALL_AFTER_EACH 1
#endif

static void run_scenario(void)
{
    const uint64_t total = run_failing(0, false);
    const unsigned maps = test_count_maps();
    /* Long scenarios are sampled past the first few hundred requests; the step is prime, so that
     * it falls everywhere. */
    const uint64_t dense = 400;

    CHECK(total > 0);
    for (uint64_t n = 1; n <= total; n += n < dense ? 1 : 7) {
        (void)run_failing(n, false);
        if (n % ALL_AFTER_EACH == 0)
            (void)run_failing(n, true);
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (test_count_maps() > maps + 8)
        test_fail(__FILE__, __LINE__, "%s: mappings %u -> %u", scenario->name, maps,
                  test_count_maps());
#else
    (void)maps;
#endif
    printf("ok   %s: %" PRIu64 " requests for memory\n", scenario->name, total);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned passed = 0;

    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++) {
        scenario = &scenarios[i];
        if (argc > 1 && strcmp(argv[1], scenario->name) != 0)
            continue;
        run_scenario();
        passed++;
    }
    printf("alloc_failure: %u passed, 0 failed\n", passed);
    return passed > 0 ? 0 : 1;
}
