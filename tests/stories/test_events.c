/* SPDX-License-Identifier: Apache-2.0 */
/* Caches that tell removals from the writer's thread stall it, or deadlock when the callback calls
 * back; that tell them from elsewhere often lose the value, the order or the cause. */
#include "events/subscription.h"
#include "platform/testing.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/process.h"

#include <memstore/snapshot.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ANY MEMSTORE_EVENT_REMOVALS

static memstore *open_manual(void)
{
    test_clock_start();
    return test_open("performance.memory_limit=4MiB", "maintenance=manual", "shards=4", NULL);
}

static memstore_subscription *subscribe(memstore *store, uint32_t mask, size_t queue_size)
{
    memstore_subscription *subscription;

    assert_ok(memstore_subscribe(store, mask, queue_size, &subscription));
    return subscription;
}

static memstore_event next(memstore_subscription *subscription)
{
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscription_next(subscription, 0, &event));
    return event;
}

static int poll_status(memstore_subscription *subscription)
{
    memstore_event event = {.struct_size = sizeof event};
    const int status = memstore_subscription_next(subscription, 0, &event);

    if (status == MEMSTORE_OK)
        memstore_view_release(&event.value);
    return status;
}

static bool is_text(const void *data, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(data, text, size) == 0;
}

static void expect(memstore_subscription *subscription, uint32_t kind, const char *key,
                   const char *value)
{
    memstore_event event = next(subscription);

    cr_assert_eq(event.kind, kind, "kind %u, expected %u of %s", event.kind, kind, key);
    cr_assert(is_text(event.key.data, event.key.size, key), "the key is not %s", key);
    cr_assert(is_text(event.value.data, event.value.size, value), "the value is not %s", value);
    cr_assert_eq(event.at_ms, test_clock_unix());
    cr_assert_eq(event.dropped, 0);
    memstore_view_release(&event.value);
    cr_assert_null(event.value.pin);
}

static memstore_event_stats stats_of(memstore *store)
{
    memstore_event_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_event_stats(store, &stats));
    return stats;
}

/* ---- What is told ---- */

Test(events, each_removal_is_told_once_with_key_value_and_cause)
{
    memstore *store = open_manual();
    memstore_subscription *all = subscribe(store, ANY, 0);
    int64_t sum;

    assert_ok(test_set(store, "a", "1", 0));
    assert_ok(test_set(store, "a", "2", 0));
    expect(all, MEMSTORE_EVENT_REPLACED, "a", "1");
    assert_ok(test_delete(store, "a"));
    expect(all, MEMSTORE_EVENT_DELETED, "a", "2");
    assert_ok(memstore_increment(store, "n", 1, 1, 4, 0, &sum));
    assert_ok(memstore_increment(store, "n", 1, 1, 4, 0, &sum));
    expect(all, MEMSTORE_EVENT_REPLACED, "n", "5");
    assert_ok(memstore_clear(store));
    expect(all, MEMSTORE_EVENT_CLEARED, "n", "6");
    assert_ok(test_set(store, "t", "swept", 1000));
    test_clock_advance(1000);
    assert_ok(memstore_maintain(store, 0));
    expect(all, MEMSTORE_EVENT_EXPIRED, "t", "swept");
    assert_status(poll_status(all), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, what_has_run_out_is_told_as_expired_whoever_meets_it)
{
    memstore *store = open_manual();
    memstore_subscription *all = subscribe(store, ANY, 0);
    const char *const keys[] = {"set", "delete", "batch", "clear"};

    for (unsigned i = 0; i < TEST_COUNT_OF(keys); i++)
        assert_ok(test_set(store, keys[i], "old", 1000));
    test_clock_advance(1000);
    assert_ok(test_set(store, "set", "new", 0));
    expect(all, MEMSTORE_EVENT_EXPIRED, "set", "old");
    assert_status(test_delete(store, "delete"), MEMSTORE_ERR_KEY_NOT_FOUND);
    expect(all, MEMSTORE_EVENT_EXPIRED, "delete", "old");
    const memstore_entry entry = test_entry("batch", "new", 0);
    assert_ok(memstore_set_many(store, &entry, 1));
    expect(all, MEMSTORE_EVENT_EXPIRED, "batch", "old");
    assert_ok(test_delete(store, "set"));
    expect(all, MEMSTORE_EVENT_DELETED, "set", "new");
    assert_ok(test_delete(store, "batch"));
    expect(all, MEMSTORE_EVENT_DELETED, "batch", "new");
    assert_ok(memstore_clear(store));
    expect(all, MEMSTORE_EVENT_EXPIRED, "clear", "old");
    cr_assert_eq(test_stats(store).expirations, 4);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

/* Some of the entries are stored and read; one has been overwritten, one has run out. */
static int stop_loading(const memstore_progress *progress, void *context)
{
    memstore *store = context;

    if (progress->phase != MEMSTORE_PHASE_LOADING || progress->stored == 0)
        return 0;
    assert_ok(test_set(store, "key/3", "newer", 0));
    test_clock_advance(1000);
    return 1;
}

Test(events, what_a_load_takes_back_is_told)
{
    const int loaded = 500;
    memstore *store = open_manual();
    char key[32];

    for (int i = 0; i < loaded; i++) {
        snprintf(key, sizeof key, "key/%d", i);
        assert_ok(test_set(store, key, "value", i == 7 ? 1000 : 0));
    }
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    store = (memstore_destroy(store), open_manual());
    memstore_subscription *all = subscribe(store, ANY, 0);
    assert_status(memstore_load(store, test_path("snapshot"), stop_loading, store),
                  MEMSTORE_ERR_CANCELLED);
    cr_assert_eq(memstore_size(store), 1);

    int told[MEMSTORE_EVENT_CLEARED + 1] = {0};
    memstore_event event = {.struct_size = sizeof event};
    while (memstore_subscription_next(all, 0, &event) == MEMSTORE_OK) {
        told[event.kind]++;
        memstore_view_release(&event.value);
    }
    cr_assert_eq(told[MEMSTORE_EVENT_REPLACED], 1);
    cr_assert_eq(told[MEMSTORE_EVENT_DELETED], loaded - 2);
    cr_assert_eq(told[MEMSTORE_EVENT_EXPIRED], 1);
    cr_assert_eq(test_stats(store).deletes, (uint64_t)loaded - 2);
    cr_assert_eq(test_stats(store).expirations, 1);
    memstore_subscription_close(all);
    memstore_destroy(store);
    test_folder_remove();
}

Test(events, a_batch_tells_what_it_replaced_and_deleted)
{
    memstore *store = open_manual();
    memstore_subscription *all = subscribe(store, ANY, 0);
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "a", "1", 0));
    assert_ok(test_set(store, "b", "2", 0));
    assert_ok(test_set(store, "c", "3", 0));
    assert_ok(memstore_batch_set(batch, "a", 1, "9", 1, 0));
    assert_ok(memstore_batch_set(batch, "a", 1, "10", 2, 0));
    assert_ok(memstore_batch_commit(batch));
    /* The write that the batch itself overtook was never there. */
    expect(all, MEMSTORE_EVENT_REPLACED, "a", "1");
    assert_ok(memstore_batch_delete(batch, "b", 1));
    assert_ok(memstore_batch_update_ttl(batch, "c", 1, 5000));
    assert_ok(memstore_batch_commit(batch));
    expect(all, MEMSTORE_EVENT_DELETED, "b", "2");
    assert_status(poll_status(all), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_batch_free(batch);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, what_only_moves_is_not_told)
{
    memstore *store = open_manual();
    memstore_subscription *all = subscribe(store, ANY & ~(uint32_t)MEMSTORE_EVENT_DELETED, 0);
    const int64_t beyond_short_form = INT64_C(60) * 24 * 3600 * 1000;
    char key[16];

    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(test_set(store, key, "v", 0));
    }
    for (int i = 0; i < 2000; i += 2) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(test_delete(store, key));
    }
    assert_ok(memstore_compact(store, 0.01));
    assert_ok(memstore_update_ttl(store, "k1", 2, 5000));
    assert_ok(memstore_update_ttl(store, "k1", 2, beyond_short_form));
    assert_status(poll_status(all), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, a_mask_chooses_and_each_subscriber_gets_its_own)
{
    memstore *store = open_manual();
    memstore_subscription *deleted = subscribe(store, MEMSTORE_EVENT_DELETED, 0);
    memstore_subscription *replaced = subscribe(store, MEMSTORE_EVENT_REPLACED, 0);
    memstore_subscription *many[50];

    for (unsigned i = 0; i < TEST_COUNT_OF(many); i++)
        many[i] = subscribe(store, ANY, 0);
    assert_ok(test_set(store, "a", "1", 0));
    assert_ok(test_set(store, "a", "2", 0));
    assert_ok(test_delete(store, "a"));
    expect(replaced, MEMSTORE_EVENT_REPLACED, "a", "1");
    expect(deleted, MEMSTORE_EVENT_DELETED, "a", "2");
    assert_status(poll_status(replaced), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(poll_status(deleted), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(stats_of(store).waiting, 2 * TEST_COUNT_OF(many));
    for (unsigned i = 0; i < TEST_COUNT_OF(many); i++) {
        expect(many[i], MEMSTORE_EVENT_REPLACED, "a", "1");
        expect(many[i], MEMSTORE_EVENT_DELETED, "a", "2");
        memstore_subscription_close(many[i]);
    }
    cr_assert_eq(stats_of(store).bytes, 0);
    memstore_subscription_close(deleted);
    memstore_subscription_close(replaced);
    memstore_destroy(store);
}

Test(events, the_view_tells_version_and_expiry)
{
    memstore *store = open_manual();
    memstore_subscription *all = subscribe(store, ANY, 0);
    memstore_view view;

    assert_ok(test_set(store, "a", "1", 5000));
    assert_ok(memstore_get_view(store, "a", 1, &view));
    assert_ok(test_delete(store, "a"));
    memstore_event event = next(all);
    cr_assert_eq(event.value.version, view.version);
    cr_assert_eq(event.value.expires_at_ms, view.expires_at_ms);
    memstore_view_release(&view);
    memstore_view_release(&event.value);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, evictions_are_told_and_a_subscriber_who_sleeps_holds_nothing_up)
{
    memstore *store = test_open("performance.memory_limit=2MiB", "shards=4",
                                "performance.lock_timeout=60s", NULL);
    memstore_subscription *evicted = subscribe(store, MEMSTORE_EVENT_EVICTED, 0);
    char key[32], value[500] = {0};

    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(memstore_set(store, key, strlen(key), value, sizeof value, 0));
    }
    assert_ok(memstore_maintain(store, 0));
    const uint64_t lost = memstore_subscription_dropped(evicted);
    const memstore_event_stats stats = stats_of(store);
    cr_assert_gt(lost, 0);
    cr_assert_gt(stats.waiting, 50);
    cr_assert_eq(stats.waiting + lost, test_stats(store).evictions);
    cr_assert_leq(stats.bytes, stats.memory);
    cr_assert_leq(test_memory(store).charged, test_memory(store).limit);
    /* What waits is what was evicted first. */
    memstore_event event = next(evicted);
    cr_assert_eq(event.kind, MEMSTORE_EVENT_EVICTED);
    cr_assert_eq(event.value.size, sizeof value);
    memstore_view_release(&event.value);
    memstore_subscription_close(evicted);
    memstore_destroy(store);
}

/* ---- Queues and memory ---- */

Test(events, a_full_queue_drops_and_the_next_event_says_how_many)
{
    memstore *store = open_manual();
    memstore_subscription *two = subscribe(store, ANY, 2);
    char value[2] = "a";

    for (; value[0] <= 'h'; value[0]++)
        assert_ok(test_set(store, "k", value, 0));
    expect(two, MEMSTORE_EVENT_REPLACED, "k", "a");
    expect(two, MEMSTORE_EVENT_REPLACED, "k", "b");
    cr_assert_eq(memstore_subscription_dropped(two), 5);
    cr_assert_eq(stats_of(store).dropped, 5);
    cr_assert_eq(stats_of(store).queued, 2);
    assert_ok(test_delete(store, "k"));
    memstore_event event = next(two);
    cr_assert_eq(event.kind, MEMSTORE_EVENT_DELETED);
    cr_assert_eq(event.dropped, 5);
    memstore_view_release(&event.value);
    memstore_subscription_close(two);
    memstore_destroy(store);
}

Test(events, queue_memory_bounds_what_waits_and_counts_against_the_limit)
{
    memstore *store = test_open("performance.memory_limit=4MiB", "maintenance=manual",
                                "events.queue_memory=100000", NULL);
    const uint64_t before = test_memory(store).charged;
    memstore_subscription *all = subscribe(store, ANY, 0);
    char value[1000] = {0};

    cr_assert_eq(test_memory(store).charged, before + 100000);
    for (int i = 0; i < 200; i++)
        assert_ok(memstore_set(store, "k", 1, value, sizeof value, 0));
    cr_assert_leq(stats_of(store).bytes, 100000);
    cr_assert_gt(stats_of(store).waiting, 80);
    cr_assert_eq(stats_of(store).waiting + memstore_subscription_dropped(all), 199);
    memstore_subscription_close(all);
    cr_assert_eq(stats_of(store).memory, 0);
    memstore_destroy(store);
}

Test(events, queue_memory_can_be_changed_while_the_store_is_open)
{
    memstore *store = test_open("performance.memory_limit=4MiB", "maintenance=manual", NULL);
    memstore_subscription *all = subscribe(store, ANY, 0);

    cr_assert_eq(stats_of(store).memory, (4 << 20) / 16);
    assert_ok(memstore_reconfigure(store, "events.queue_memory", "500000"));
    cr_assert_eq(stats_of(store).memory, 500000);
    assert_ok(memstore_reconfigure(store, "events.queue_memory", "1000"));
    cr_assert_eq(stats_of(store).memory, 1000);
    assert_ok(memstore_reconfigure(store, "events.queue_memory", "0"));
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "2MiB"));
    cr_assert_eq(stats_of(store).memory, (2 << 20) / 16);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, memory_for_events_is_made_by_evicting_or_refused)
{
    memstore *evicts = test_open("performance.memory_limit=1MiB", "shards=1",
                                 "performance.lock_timeout=60s", NULL);
    memstore *full = test_open("performance.memory_limit=1MiB", "shards=1", "eviction=none", NULL);
    memstore_subscription *subscription;
    char key[32], value[500] = {0};

    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(memstore_set(evicts, key, strlen(key), value, sizeof value, 0));
        memstore_set(full, key, strlen(key), value, sizeof value, 0);
    }
    subscription = subscribe(evicts, ANY, 0);
    cr_assert_eq(stats_of(evicts).memory, (1 << 20) / 16);
    assert_status(memstore_subscribe(full, ANY, 0, &(memstore_subscription *){NULL}),
                  MEMSTORE_ERR_CACHE_FULL);
    cr_assert_eq(stats_of(full).subscriptions, 0);
    memstore_subscription_close(subscription);
    memstore_destroy(evicts);
    memstore_destroy(full);
}

/* Write so many entries of 1000 bytes. */
static void fill(memstore *store, int entries)
{
    static const char value[1000];

    for (int i = 0; i < entries; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
}

static void assert_queue_memory_is(memstore *store, const char *wanted)
{
    char text[32];

    assert_ok(memstore_get_setting(store, "events.queue_memory", text, sizeof text, NULL));
    cr_assert_str_eq(text, wanted);
}

Test(events, memory_for_events_that_leaves_no_store_is_refused_and_evicts_nothing)
{
    static const char *const too_much[] = {"8MiB", "4MiB", "4000KiB"};
    memstore *store = open_manual();
    char why[256];

    fill(store, 1000);
    for (size_t i = 0; i < 2 * TEST_COUNT_OF(too_much); i++) {
        memstore_subscription *all = i % 2 == 0 ? NULL : subscribe(store, ANY, 0);
        const uint64_t memory = stats_of(store).memory;

        assert_status(memstore_reconfigure_explained(store, "events.queue_memory", too_much[i / 2],
                                                     why, sizeof why),
                      MEMSTORE_ERR_INVALID_CONFIG);
        cr_assert_eq(strncmp(why, "events.queue_memory", 19), 0, "%s", why);
        assert_queue_memory_is(store, "0");
        cr_assert_eq(stats_of(store).memory, memory);
        cr_assert_eq(memstore_size(store), 1000);
        memstore_subscription_close(all);
    }
    memstore_destroy(store);
}

Test(events, a_limit_that_leaves_no_store_beside_the_memory_for_events_is_refused)
{
    memstore *store = test_open("performance.memory_limit=8MiB", "maintenance=manual",
                                "events.queue_memory=4MiB", NULL);
    char why[256];

    fill(store, 1000);
    assert_status(
        memstore_reconfigure_explained(store, "performance.memory_limit", "4MiB", why, sizeof why),
        MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_str_eq(why,
                     "events.queue_memory (4MiB) is not below performance.memory_limit (4MiB)");
    assert_status(memstore_reconfigure(store, "performance.memory_limit", "4200KiB"),
                  MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_eq(memstore_capacity(store), 8 << 20);
    cr_assert_eq(memstore_size(store), 1000);
    memstore_destroy(store);
}

Test(events, a_store_that_memory_for_events_leaves_nothing_of_does_not_open)
{
    static const char *const too_much[] = {"8MiB", "4MiB", "4000KiB"};
    memstore_config *config = memstore_config_new();
    memstore *store;

    assert_ok(memstore_config_set(config, "performance.memory_limit", "4MiB"));
    for (size_t i = 0; i < TEST_COUNT_OF(too_much); i++) {
        assert_ok(memstore_config_set(config, "events.queue_memory", too_much[i]));
        assert_status(memstore_open(config, &store), MEMSTORE_ERR_INVALID_CONFIG);
        cr_assert_eq(strncmp(memstore_config_error(config), "events.queue_memory", 19), 0, "%s",
                     memstore_config_error(config));
    }
    memstore_config_free(config);
}

Test(events, each_store_that_opens_has_memory_for_events)
{
    static const char *const limits[] = {
        "performance.memory_limit=128KiB", "performance.memory_limit=256KiB",
        "performance.memory_limit=1MiB", "performance.memory_limit=64MiB"};

    for (size_t i = 0; i < TEST_COUNT_OF(limits); i++) {
        memstore *store = test_open(limits[i], "maintenance=manual", NULL);

        fill(store, 1000);
        memstore_subscription *all = subscribe(store, ANY, 0);
        cr_assert_eq(stats_of(store).memory, memstore_capacity(store) / 16);
        cr_assert_gt(memstore_size(store), 5);
        memstore_subscription_close(all);
        memstore_destroy(store);
    }
}

Test(events, what_a_view_holds_leaves_no_memory_for_events_and_nothing_goes_for_it)
{
    memstore *store = open_manual();
    memstore_view view;
    unsigned char *value = test_bytes(1500000, 3);

    assert_ok(memstore_set(store, "large", 5, value, 1500000, 0));
    assert_ok(memstore_get_view(store, "large", 5, &view));
    fill(store, 1000);
    memstore_subscription *all = subscribe(store, ANY, 0);
    const uint64_t entries = memstore_size(store);
    assert_status(memstore_reconfigure(store, "events.queue_memory", "3MiB"),
                  MEMSTORE_ERR_MEMORY_EXHAUSTED);
    assert_queue_memory_is(store, "0");
    cr_assert_eq(stats_of(store).memory, (4 << 20) / 16);
    cr_assert_eq(memstore_size(store), entries);
    memstore_view_release(&view);
    free(value);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, without_eviction_more_memory_for_events_than_is_free_is_refused)
{
    memstore *store =
        test_open("performance.memory_limit=4MiB", "maintenance=manual", "eviction=none", NULL);
    memstore_subscription *all = subscribe(store, ANY, 0);
    char why[256];

    fill(store, 3000);
    assert_status(
        memstore_reconfigure_explained(store, "events.queue_memory", "2MiB", why, sizeof why),
        MEMSTORE_ERR_CACHE_FULL);
    cr_assert_eq(strncmp(why, "events.queue_memory: ", 21), 0, "%s", why);
    assert_queue_memory_is(store, "0");
    cr_assert_eq(stats_of(store).memory, (4 << 20) / 16);
    cr_assert_eq(memstore_size(store), 3000);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

/* Somebody who writes until there is no room any more, in the middle of a change that makes room. */
struct filler {
    memstore *store;
    uint64_t keys; /* that were written */
    pthread_t thread;
    bool started;
    atomic_bool is_full;
};

static void *fill_up(void *context)
{
    struct filler *filler = context;
    static const char value[1000];

    while (memstore_set(filler->store, &filler->keys, sizeof filler->keys, value, sizeof value,
                        0) == MEMSTORE_OK)
        filler->keys++;
    atomic_store(&filler->is_full, true);
    return NULL;
}

static void let_others_fill(enum ms_testing_point point, void *context)
{
    struct filler *filler = context;

    if (point != MS_POINT_RECLAIMING || filler->started)
        return;
    filler->started = true;
    CHECK(pthread_create(&filler->thread, NULL, fill_up, filler) == 0);
    TEST_AWAIT(atomic_load(&filler->is_full));
}

/* The limit goes up for it first, and is as before when all of that is not enough. */
Test(events, a_higher_limit_that_is_refused_with_more_memory_for_events_has_not_been_used)
{
    memstore_config *config = memstore_config_new();
    memstore *store;
    char why[256];

    assert_ok(memstore_config_set(config, "performance.memory_limit", "8MiB"));
    assert_ok(memstore_config_set(config, "eviction", "none"));
    assert_ok(memstore_config_set(config, "maintenance", "manual"));
    assert_ok(memstore_config_set(config, "performance.lock_timeout", "20ms"));
    assert_ok(memstore_open(config, &store));
    memstore_subscription *all = subscribe(store, MEMSTORE_EVENT_EXPIRED, 0);
    struct filler filler = {.store = store};
    fill_up(&filler);
    for (uint64_t key = 0; key < filler.keys; key += 4)
        assert_ok(memstore_delete(store, &key, sizeof key));
    atomic_store(&filler.is_full, false);

    assert_ok(memstore_config_set(config, "performance.memory_limit", "12MiB"));
    assert_ok(memstore_config_set(config, "events.queue_memory", "8MiB"));
    ms_testing_set_hook(let_others_fill, &filler);
    assert_status(memstore_reconfigure_all(store, config, why, sizeof why),
                  MEMSTORE_ERR_CACHE_FULL);
    ms_testing_set_hook(NULL, NULL);
    cr_assert(filler.started);
    pthread_join(filler.thread, NULL);
    cr_expect_eq(memstore_capacity(store), 8 << 20);
    cr_expect_leq(test_memory(store).charged, 8 << 20);
    cr_expect_eq(stats_of(store).memory, (8 << 20) / 16);
    memstore_subscription_close(all);
    memstore_destroy(store);
    memstore_config_free(config);
}

/* ---- What a subscription does to the store before it begins ---- */

/* A store that has to evict for what events may take. */
static memstore *open_full(void)
{
    memstore *store =
        test_open("performance.memory_limit=2MiB", "maintenance=manual", "shards=4", NULL);

    fill(store, 3000);
    return store;
}

/* Write until something is evicted, and tell of it. */
static memstore_event next_evicted(memstore *store, memstore_subscription *subscription)
{
    const uint64_t before = test_stats(store).evictions;
    int key = 100000;

    while (test_stats(store).evictions == before) {
        assert_ok(memstore_set(store, &key, sizeof key, "value", 5, 0));
        key++;
    }
    return next(subscription);
}

Test(events, what_is_evicted_for_a_subscription_is_not_lost_by_it)
{
    memstore *store = open_full();
    const uint64_t evictions = test_stats(store).evictions;
    memstore_subscription *evicted = subscribe(store, MEMSTORE_EVENT_EVICTED, 0);

    cr_assert_gt(test_stats(store).evictions, evictions);
    cr_assert_eq(memstore_subscription_dropped(evicted), 0);
    cr_assert_eq(stats_of(store).dropped, 0);
    cr_assert_eq(stats_of(store).waiting, 0);
    memstore_event event = next_evicted(store, evicted);
    cr_assert_eq(event.dropped, 0);
    memstore_view_release(&event.value);
    memstore_subscription_close(evicted);
    memstore_destroy(store);
}

Test(events, a_large_value_is_not_copied)
{
    memstore *store = open_manual();
    memstore_subscription *all = subscribe(store, ANY, 0);
    unsigned char *value = test_bytes(200000, 7);
    memstore_view view;

    assert_ok(memstore_set(store, "large", 5, value, 200000, 0));
    assert_ok(memstore_get_view(store, "large", 5, &view));
    assert_ok(test_delete(store, "large"));
    memstore_event event = next(all);
    cr_assert_eq(event.value.data, view.data);
    memstore_view_release(&view);
    assert_ok(memstore_maintain(store, 0));
    memstore_subscription_close(all);
    assert_ok(memstore_close(store));
    cr_assert_arr_eq(event.value.data, value, 200000);
    memstore_view_release(&event.value);
    free(value);
    memstore_destroy(store);
}

/* ---- Waiting and closing ---- */

struct waiting {
    memstore_subscription *subscription;
    int status;
};

static void *wait_for_one(void *argument)
{
    struct waiting *waiting = argument;
    memstore_event event = {.struct_size = sizeof event};

    waiting->status = memstore_subscription_next(waiting->subscription, -1, &event);
    memstore_view_release(&event.value);
    return NULL;
}

static bool is_waited_for(memstore_subscription *subscription)
{
    ms_mutex_lock(&subscription->events->lock);
    const bool is_waited_for = subscription->waiters != 0;
    ms_mutex_unlock(&subscription->events->lock);
    return is_waited_for;
}

static pthread_t start_waiting(struct waiting *waiting)
{
    pthread_t thread;

    pthread_create(&thread, NULL, wait_for_one, waiting);
    TEST_AWAIT(is_waited_for(waiting->subscription));
    return thread;
}

Test(events, a_wait_ends_with_an_event_with_time_or_with_the_subscription)
{
    memstore *store = test_open_defaults();
    struct waiting waiting = {.subscription = subscribe(store, ANY, 0)};
    memstore_event event = {.struct_size = sizeof event};
    const double before = test_now();

    assert_status(memstore_subscription_next(waiting.subscription, 30, &event),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_geq(test_now() - before, 0.029);
    pthread_t thread = start_waiting(&waiting);
    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(test_delete(store, "k"));
    pthread_join(thread, NULL);
    assert_ok(waiting.status);
    thread = start_waiting(&waiting);
    memstore_subscription_wake(waiting.subscription);
    pthread_join(thread, NULL);
    assert_status(waiting.status, MEMSTORE_ERR_LOCK_TIMEOUT);
    /* What comes when nobody waits is for the next who does. */
    memstore_subscription_wake(waiting.subscription);
    assert_status(memstore_subscription_next(waiting.subscription, -1, &event),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    thread = start_waiting(&waiting);
    memstore_subscription_close(waiting.subscription);
    pthread_join(thread, NULL);
    assert_status(waiting.status, MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(events, what_happened_before_close_can_be_taken_after_it)
{
    memstore *store = open_manual();
    struct waiting waiting = {.subscription = subscribe(store, ANY, 0)};
    memstore_subscription *other = subscribe(store, ANY, 0);

    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(test_delete(store, "k"));
    assert_ok(test_set(store, "left", "v", 0));
    expect(waiting.subscription, MEMSTORE_EVENT_DELETED, "k", "v");
    pthread_t thread = start_waiting(&waiting);
    assert_ok(memstore_close(store));
    pthread_join(thread, NULL);
    assert_status(waiting.status, MEMSTORE_ERR_CACHE_CLOSED);
    expect(other, MEMSTORE_EVENT_DELETED, "k", "v");
    assert_status(poll_status(other), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_subscribe(store, ANY, 0, &(memstore_subscription *){NULL}),
                  MEMSTORE_ERR_CACHE_CLOSED);
    memstore_subscription_close(waiting.subscription);
    memstore_subscription_close(other);
    memstore_destroy(store);
}

Test(events, bad_arguments_are_refused)
{
    memstore *store = test_open_defaults();
    memstore_subscription *subscription;
    memstore_event event = {.struct_size = 40};

    assert_status(memstore_subscribe(NULL, ANY, 0, &subscription), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_null(subscription);
    assert_status(memstore_subscribe(store, 0, 0, &subscription), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_subscribe(store, 1u << 31, 0, &subscription),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_subscribe(store, ANY, 0, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    subscription = subscribe(store, ANY, 0);
    assert_status(memstore_subscription_next(subscription, 0, &event),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_subscription_next(subscription, 0, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_subscription_next(NULL, 0, &event), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_on_event(store, ANY, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_off_event(store, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_event_stats(store, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    memstore_subscription_close(NULL);
    cr_assert_eq(memstore_subscription_dropped(NULL), 0);
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

/* ---- Callbacks ---- */

struct heard {
    memstore *store;
    atomic_uint calls;
    atomic_uint last_kind;
    int ends_with;
    int closing;
};

static bool comes_true(atomic_uint *count, unsigned wanted)
{
    const double end = test_now() + 60;

    while (atomic_load(count) < wanted && test_now() < end)
        test_sleep_ms(1);
    return atomic_load(count) >= wanted;
}

/* Have a callback, which has been called so often when a key was deleted. */
static void be_told_of_a_deletion(memstore *store, memstore_event_fn fn, struct heard *heard,
                                  unsigned calls)
{
    assert_ok(memstore_on_event(store, ANY, fn, heard));
    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(test_delete(store, "k"));
    cr_assert(comes_true(&heard->calls, calls));
}

static int count_event(const memstore_event *event, void *context)
{
    struct heard *heard = context;

    atomic_store(&heard->last_kind, event->kind);
    atomic_fetch_add(&heard->calls, 1);
    return heard->ends_with;
}

Test(events, a_callback_is_called_until_it_is_taken_back)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};

    be_told_of_a_deletion(store, count_event, &heard, 1);
    cr_assert_eq(heard.last_kind, MEMSTORE_EVENT_DELETED);
    assert_ok(memstore_off_event(store, count_event, &heard));
    assert_status(memstore_off_event(store, count_event, &heard), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(stats_of(store).subscriptions, 0);
    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(test_delete(store, "k"));
    memstore_destroy(store);
    cr_assert_eq(heard.calls, 1);
}

Test(events, a_callback_ends_itself)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store, .ends_with = 1};

    assert_ok(memstore_on_event(store, ANY, count_event, &heard));
    for (int i = 0; i < 10; i++)
        assert_ok(test_set(store, "k", "v", 0));
    cr_assert(comes_true(&heard.calls, 1));
    memstore_destroy(store);
    cr_assert_eq(heard.calls, 1);
}

static int write_back(const memstore_event *event, void *context)
{
    struct heard *heard = context;
    char sum[16];

    if (event->kind == MEMSTORE_EVENT_DELETED) {
        snprintf(sum, sizeof sum, "%u", atomic_fetch_add(&heard->calls, 1) + 1);
        CHECK_OK(memstore_set(heard->store, event->key.data, event->key.size, sum, strlen(sum), 0));
        CHECK_OK(test_has(heard->store, "k"));
        if (heard->calls < 50)
            CHECK_OK(test_delete(heard->store, "k"));
    }
    return 0;
}

Test(events, a_callback_may_call_the_store)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};

    be_told_of_a_deletion(store, write_back, &heard, 50);
    memstore_destroy(store);
}

static int close_store(const memstore_event *event, void *context)
{
    struct heard *heard = context;

    (void)event;
    heard->closing = memstore_close(heard->store);
    CHECK_OK(memstore_off_event(heard->store, close_store, heard));
    atomic_fetch_add(&heard->calls, 1);
    return 0;
}

Test(events, a_callback_may_close_the_store)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};

    be_told_of_a_deletion(store, close_store, &heard, 1);
    assert_ok(heard.closing);
    assert_status(test_has(store, "k"), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
    cr_assert_eq(heard.calls, 1);
}

static int linger(const memstore_event *event, void *context)
{
    struct heard *heard = context;

    (void)event;
    atomic_fetch_add(&heard->calls, 1);
    test_sleep_ms(30);
    atomic_store(&heard->last_kind, 1);
    return 0;
}

Test(events, taking_a_callback_back_waits_for_it)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};

    be_told_of_a_deletion(store, linger, &heard, 1);
    assert_ok(memstore_off_event(store, linger, &heard));
    cr_assert_eq(heard.last_kind, 1);
    memstore_destroy(store);
}

static int take_back_and_linger(const memstore_event *event, void *context)
{
    struct heard *heard = context;

    (void)event;
    CHECK_OK(memstore_off_event(heard->store, take_back_and_linger, heard));
    atomic_fetch_add(&heard->calls, 1);
    test_sleep_ms(30);
    atomic_store(&heard->last_kind, 1);
    return 0;
}

/* What it works with is freed then. */
Test(events, taking_a_callback_back_waits_for_one_that_is_taken_back_already)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};

    be_told_of_a_deletion(store, take_back_and_linger, &heard, 1);
    assert_status(memstore_off_event(store, take_back_and_linger, &heard),
                  MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(heard.last_kind, 1);
    memstore_destroy(store);
    cr_assert_eq(heard.calls, 1);
}

static void *take_linger_back(void *context)
{
    struct heard *heard = context;

    memstore_off_event(heard->store, linger, heard);
    return (void *)(uintptr_t)atomic_load(&heard->last_kind);
}

Test(events, who_takes_a_callback_back_together_all_wait_for_it)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};
    pthread_t threads[4];

    be_told_of_a_deletion(store, linger, &heard, 1);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_linger_back, &heard), 0);
    for (int i = 0; i < 4; i++) {
        void *ended;

        cr_assert_eq(pthread_join(threads[i], &ended), 0);
        cr_assert_neq(ended, NULL);
    }
    cr_assert_eq(stats_of(store).subscriptions, 0);
    memstore_destroy(store);
}

Test(events, destroying_waits_until_all_that_happened_is_told)
{
    memstore *store = test_open_defaults();
    struct heard heard = {.store = store};

    assert_ok(memstore_on_event(store, MEMSTORE_EVENT_REPLACED, count_event, &heard));
    for (int i = 0; i < 501; i++)
        assert_ok(test_set(store, "k", "v", 0));
    memstore_destroy(store);
    cr_assert_eq(heard.calls, 500);
}

/* ---- fork ---- */

Test(events, a_child_has_empty_queues_and_hears_its_own_events)
{
    memstore *store = test_open_defaults();
    memstore_subscription *all = subscribe(store, ANY, 0);
    struct heard heard = {.store = store};

    be_told_of_a_deletion(store, count_event, &heard, 1);
    assert_ok(test_set(store, "c", "child", 0));
    const pid_t child = test_fork();
    if (child == 0) {
        CHECK_STATUS(poll_status(all), MEMSTORE_ERR_LOCK_TIMEOUT);
        CHECK_OK(test_delete(store, "c"));
        CHECK_OK(poll_status(all));
        CHECK(comes_true(&heard.calls, 2));
        memstore_subscription_close(all);
        memstore_destroy(store);
        _exit(0);
    }
    cr_assert_eq(test_child_status(child), 0);
    assert_ok(poll_status(all));
    assert_status(poll_status(all), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(heard.calls, 1);
    memstore_subscription_close(all);
    memstore_destroy(store);
}

Test(events, a_child_can_close_what_another_thread_waited_for)
{
    memstore *store = test_open_defaults();
    struct waiting waiting = {.subscription = subscribe(store, ANY, 0)};
    const pthread_t thread = start_waiting(&waiting);
    const pid_t child = test_fork();

    if (child == 0) {
        memstore_subscription_close(waiting.subscription);
        memstore_destroy(store);
        _exit(0);
    }
    cr_assert_eq(test_child_status(child), 0);
    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(test_delete(store, "k"));
    pthread_join(thread, NULL);
    assert_ok(waiting.status);
    memstore_subscription_close(waiting.subscription);
    memstore_destroy(store);
}
