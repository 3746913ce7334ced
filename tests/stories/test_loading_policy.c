/* SPDX-License-Identifier: Apache-2.0 */
/* When loaders fail, and before they have to: old values refreshed, expired ones served, breakers, and
 * what loads may take. */
#include "platform/wait.h"
#include "store/load/call.h"
#include "store/store.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <memstore/snapshot.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* A database of one row whose answers a test chooses. */
struct source {
    const char *value;
    int result; /* a memstore_load_result */
    int64_t ttl_ms;
    memstore *during;  /* a store in which the loader deletes the key, */
    const char *sets;  /* or sets it to this, */
    int64_t retimes;   /* or gives it this TTL */
    bool fills;        /* or writes others, more than there is room for, */
    uint64_t *takes;   /* or takes all memory but what is left in reserve: how much */
    bool takes_time;   /* the loader: a second of the test's clock */
    unsigned succeeds; /* from this call on, whatever the result is; 0 = never */
    atomic_uint calls;
    atomic_bool holds; /* the loader waits for this to become false */
};

/* Of what is evicted, and of what it is evicted for: entries of one TTL lie together. */
#define LIFE_MS 60000

/* Write other keys, three times what a small store has room for. */
static void fill(memstore *store)
{
    static const char filler[4000];
    char key[16];

    for (int i = 0; i < 1500; i++) {
        const int size = snprintf(key, sizeof key, "f%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, filler, sizeof filler, LIFE_MS));
    }
}

/* Take what is free, as others' writes do. */
static uint64_t take_all_memory(memstore *store)
{
    uint64_t taken = 0;

    while (ms_budget_charge(&store->arena.budget, 16, store->flights.spare))
        taken += 16;
    return taken;
}

static int answer(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct source *source = context;

    const unsigned call = atomic_fetch_add(&source->calls, 1) + 1;

    while (atomic_load(&source->holds))
        sched_yield();
    if (source->takes_time)
        test_clock_advance(1000);
    if (source->fills)
        fill(source->during);
    else if (source->takes != NULL)
        *source->takes += take_all_memory(source->during);
    else if (source->retimes != 0)
        memstore_update_ttl(source->during, key, key_size, source->retimes);
    else if (source->sets != NULL)
        memstore_set(source->during, key, key_size, source->sets, strlen(source->sets), 0);
    else if (source->during != NULL)
        memstore_delete(source->during, key, key_size);
    out->value = source->value;
    out->value_size = source->value != NULL ? strlen(source->value) : 0;
    out->ttl_ms = source->ttl_ms;
    return source->succeeds != 0 && call >= source->succeeds ? MEMSTORE_LOAD_OK : source->result;
}

static int answer_many(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    for (size_t i = 0; i < n; i++)
        out[i].result = answer(keys[i].data, keys[i].size, &out[i], context);
    return MEMSTORE_LOAD_OK;
}

static memstore_loader loader_of(struct source *source)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader),
                             .load = answer,
                             .load_many = answer_many,
                             .context = source};
}

/* What a caller gets, as text that the next call overwrites; NULL with another status than OK. */
static const char *ask(memstore *store, struct source *source, int wanted_status)
{
    static char text[64];
    const memstore_loader loader = loader_of(source);
    memstore_view view;

    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view), wanted_status);
    if (wanted_status != MEMSTORE_OK)
        return NULL;
    snprintf(text, sizeof text, "%.*s", (int)view.size, (const char *)view.data);
    memstore_view_release(&view);
    return text;
}

static void assert_asks(memstore *store, struct source *source, const char *wanted)
{
    cr_assert_str_eq(ask(store, source, MEMSTORE_OK), wanted);
}

static void assert_fails(memstore *store, struct source *source)
{
    ask(store, source, MEMSTORE_ERR_LOADER_FAILED);
}

static bool is_there(memstore *store)
{
    return memstore_has(store, "key", 3) == MEMSTORE_OK;
}

static uint64_t stale_bytes(memstore *store)
{
    memstore_memory_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_memory_stats(store, &stats));
    return stats.stale;
}

/* ---- What has expired ---- */

#define STALE_SETTINGS "maintenance=manual", "loader.max_stale=1m"

/* A store whose clock stands still and in which "old", of a second, has just expired; swept, so that it
 * is not in the index any more, or not. */
static memstore *open_with_expired(struct source *source, bool swept)
{
    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, NULL);

    *source = (struct source){.value = "old", .ttl_ms = 1000};
    assert_asks(store, source, "old");
    test_clock_advance(1000);
    if (swept)
        cr_assert_eq(memstore_size(store), 0);
    source->result = MEMSTORE_LOAD_FAILED;
    source->value = "new";
    return store;
}

static void assert_serves_for_a_minute(bool swept)
{
    struct source source;
    memstore *store = open_with_expired(&source, swept);

    assert_asks(store, &source, "old");
    cr_assert(!is_there(store));
    cr_assert_eq(memstore_size(store), 0);
    test_clock_advance(59 * 1000 + 999);
    assert_asks(store, &source, "old");
    cr_assert(source.calls == 3 && test_stats(store).stale_served == 2);
    test_clock_advance(1);
    assert_fails(store, &source);
    cr_assert_eq(test_stats(store).load_failures, 3);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "new");
    memstore_destroy(store);
}

Test(loading_policy, what_has_expired_serves_for_max_stale_when_its_load_fails)
{
    assert_serves_for_a_minute(false);
}

Test(loading_policy, what_has_expired_serves_after_it_was_swept_too)
{
    assert_serves_for_a_minute(true);
}

Test(loading_policy, what_has_expired_is_told_by_its_expiry)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    const memstore_loader loader = loader_of(&source);
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    cr_assert_eq(view.expires_at_ms, test_clock_unix());
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(loading_policy, nobody_but_a_failed_load_sees_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    memstore_cursor *cursor;
    memstore_key key;
    int64_t ttl;
    char byte;
    size_t size;

    cr_assert(stale_bytes(store) != 0);
    assert_status(memstore_get(store, "key", 3, &byte, 1, &size), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_get_ttl(store, "key", 3, &ttl), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_update_ttl(store, "key", 3, 1000), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_cursor_new(store, "*", 1, &cursor));
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    assert_status(memstore_delete(store, "key", 3), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_destroy(store);
}

static int set_key(memstore *store)
{
    const int status = memstore_set(store, "key", 3, "set", 3, 1);

    test_clock_advance(70 * 1000);
    return status;
}

static int delete_key(memstore *store)
{
    return memstore_delete(store, "key", 3) == MEMSTORE_ERR_KEY_NOT_FOUND ? MEMSTORE_OK : 1;
}

static int delete_matching(memstore *store)
{
    return memstore_delete_by_pattern(store, "k*", 2, NULL);
}

static int delete_by_batch(memstore *store)
{
    memstore_batch *batch = memstore_batch_new(store);
    int status = memstore_batch_delete(batch, "key", 3);

    if (status == MEMSTORE_OK)
        status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

Test(loading_policy, each_kind_of_write_ends_what_has_expired)
{
    int (*const writes[])(memstore *) = {set_key, delete_key, delete_matching, delete_by_batch,
                                         memstore_clear};

    for (size_t i = 0; i < 2 * (sizeof writes / sizeof *writes); i++) {
        struct source source;
        memstore *store = open_with_expired(&source, i % 2 == 0);

        assert_ok(writes[i / 2](store));
        assert_fails(store, &source);
        cr_assert_eq(stale_bytes(store), 0);
        memstore_destroy(store);
    }
}

Test(loading_policy, what_was_written_during_the_load_is_not_served_from_before)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);

    source.during = store;
    assert_fails(store, &source);
    memstore_destroy(store);
}

Test(loading_policy, that_a_key_does_not_exist_ends_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);

    source.result = MEMSTORE_LOAD_ABSENT;
    ask(store, &source, MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(stale_bytes(store), 0);
    memstore_destroy(store);
}

/* Also where it is said while nothing would be served, and something is later on. */
Test(loading_policy, what_does_not_exist_is_not_served_when_max_stale_is_switched_on_again)
{
    for (int swept = 0; swept < 2; swept++) {
        struct source source;
        memstore *store = open_with_expired(&source, swept != 0);

        assert_ok(memstore_reconfigure(store, "loader.max_stale", "0"));
        source.result = MEMSTORE_LOAD_ABSENT;
        ask(store, &source, MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_ok(memstore_reconfigure(store, "loader.max_stale", "1m"));
        test_clock_advance(2000);
        source.result = MEMSTORE_LOAD_FAILED;
        assert_fails(store, &source);
        cr_assert_eq(stale_bytes(store), 0);
        memstore_destroy(store);
    }
}

/* Fill a store of 1 MB with what expires at once and is kept. */
static uint64_t keep_thousands(memstore *store)
{
    static const char value[100];
    char key[16];

    for (int i = 0; i < 4000; i++) {
        const int size = snprintf(key, sizeof key, "old/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 1000));
    }
    test_clock_advance(2000);
    cr_assert(memstore_size(store) <= 1);
    return stale_bytes(store);
}

Test(loading_policy, what_has_expired_goes_when_memory_is_needed_before_anything_live)
{
    static const char value[100];
    char key[16];

    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.memory_limit=1MB", NULL);
    assert_ok(memstore_set(store, "live", 4, "v", 1, 0));
    const uint64_t kept = keep_thousands(store);
    cr_assert(kept > 4000 * 100);
    for (int i = 0; i < 5000; i++) {
        const int size = snprintf(key, sizeof key, "new/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 0));
    }
    cr_assert(stale_bytes(store) < kept);
    cr_assert_eq(test_stats(store).evictions, 0);
    cr_assert_eq(memstore_size(store), 5001);
    memstore_destroy(store);
}

Test(loading_policy, what_has_expired_goes_when_max_stale_is_over)
{
    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.memory_limit=1MB", NULL);

    cr_assert(keep_thousands(store) != 0);
    test_clock_advance(60 * 1000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(stale_bytes(store), 0);
    assert_ok(memstore_reconfigure(store, "loader.max_stale", "0"));
    cr_assert_eq(keep_thousands(store), 0);
    memstore_destroy(store);
}

Test(loading_policy, a_full_store_keeps_what_expires_through_a_failure)
{
    static const char value[100];
    char key[16];

    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, "performance.memory_limit=1MB", NULL);
    for (int i = 0; i < 20000; i++) {
        const int size = snprintf(key, sizeof key, "old/%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 1000));
    }
    const uint64_t entries = memstore_size(store);
    test_clock_advance(2000);
    cr_assert_eq(memstore_size(store), 0);
    cr_assert(stale_bytes(store) > entries * 100 * 3 / 4);
    memstore_destroy(store);
}

#define KEYS_A_MIB 2500 /* somewhat more than there is room for */

/* Overwrite keys in no order until the store is full, as the clock goes on. */
static void overwrite_until_full(memstore *store, uint32_t keys)
{
    static const char value[450];
    uint64_t state = 1;

    for (uint32_t i = 0; i < 4 * keys; i++) {
        state = state * UINT64_C(6364136223846793005) + 1;
        const uint32_t key = (uint32_t)((state >> 33) % keys);

        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 1000));
        if (i % (keys / 200) == 0)
            test_clock_advance(1);
    }
}

/* How many of those that live are served when they have expired, while nobody writes. */
static uint32_t count_served(memstore *store, uint32_t keys, uint32_t *lived)
{
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    bool *const lives = calloc(keys, sizeof *lives);
    uint32_t served = 0;

    *lived = 0;
    for (uint32_t key = 0; key < keys; key++) {
        lives[key] = memstore_has(store, &key, sizeof key) == MEMSTORE_OK;
        *lived += lives[key];
    }
    for (int i = 0; i < 20; i++) {
        test_clock_advance(100);
        assert_ok(memstore_maintain(store, 0));
    }
    for (uint32_t key = 0; key < keys; key++) {
        memstore_view view;

        if (lives[key] &&
            memstore_get_or_load(store, &key, sizeof key, &loader, &view) == MEMSTORE_OK) {
            memstore_view_release(&view);
            served++;
        }
    }
    free(lives);
    return served;
}

/* Segments that are half dead are not compacted for that, nor is room made for writers that do not come. */
Test(loading_policy, a_full_store_of_whatever_size_keeps_what_expires_while_nobody_writes)
{
    static const char *const limits[] = {"performance.memory_limit=2MiB",
                                         "performance.memory_limit=4MiB",
                                         "performance.memory_limit=16MiB"};
    static const uint32_t mib[] = {2, 4, 16};

    test_clock_start();
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        memstore *store = test_open(STALE_SETTINGS, limits[i], NULL);
        const uint32_t keys = mib[i] * KEYS_A_MIB;
        uint32_t lived;

        overwrite_until_full(store, keys);
        const uint32_t served = count_served(store, keys, &lived);
        cr_expect_gt(served, lived / 10 * 9, "%s: %u of %u", limits[i], served, lived);
        memstore_destroy(store);
    }
}

Test(loading_policy, what_expires_at_once_in_a_full_store_that_evicts_nothing_serves_in_part)
{
    test_clock_start();
    memstore *store =
        test_open(STALE_SETTINGS, "performance.memory_limit=1MiB", "eviction=none", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    static const char value[200];
    uint64_t written = 0, served = 0;

    while (memstore_set(store, &written, sizeof written, value, sizeof value, 1000) == MEMSTORE_OK)
        written++;
    test_clock_advance(1000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(memstore_size(store), 0);
    for (uint64_t key = 0; key < written; key++) {
        memstore_view view;

        served += memstore_get_or_load(store, &key, sizeof key, &loader, &view) == MEMSTORE_OK;
        memstore_view_release(&view);
    }
    /* The rest makes room for the tables of where it is. */
    cr_assert_gt(served, written / 4 * 3, "%lu of %lu", (unsigned long)served,
                 (unsigned long)written);
    memstore_destroy(store);
}

Test(loading_policy, many_at_once_are_served_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}};
    memstore_view view;
    size_t found;

    assert_ok(memstore_get_or_load_many(store, keys, 1, &loader, &view, &found));
    cr_assert(found == 1 && view.size == 3 && memcmp(view.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(loading_policy, a_lease_that_fails_gives_what_has_expired)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert(lease != NULL && view.data == NULL);
    assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view));
    cr_assert(view.size == 3 && memcmp(view.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_destroy(store);
}

/* ---- What is old ---- */

static memstore *open_with_old(struct source *source)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s", "loader.retry_max=1s", NULL);

    *source = (struct source){.value = "old", .ttl_ms = 60000};
    assert_asks(store, source, "old");
    test_clock_advance(9999);
    source->value = "new";
    assert_asks(store, source, "old");
    cr_assert_eq(source->calls, 1);
    test_clock_advance(1);
    return store;
}

Test(loading_policy, what_is_old_is_loaded_anew)
{
    struct source source;
    memstore *store = open_with_old(&source);

    assert_asks(store, &source, "new");
    assert_asks(store, &source, "new");
    cr_assert(source.calls == 2 && test_stats(store).refreshes == 1);
    memstore_destroy(store);
}

struct asker {
    pthread_t thread;
    memstore *store;
    struct source *source;
    memstore_view view;
    int status;
    atomic_bool gives_up;
};

static void *ask_in_thread(void *context)
{
    struct asker *asker = context;
    const memstore_loader loader = loader_of(asker->source);

    asker->status = memstore_get_or_load(asker->store, "key", 3, &loader, &asker->view);
    return NULL;
}

/* Ask in a thread, until the loader has been called so often in all. */
static void begin_asking(struct asker *asker, void *(*how)(void *), unsigned calls)
{
    cr_assert_eq(pthread_create(&asker->thread, NULL, how, asker), 0);
    TEST_AWAIT(atomic_load(&asker->source->calls) >= calls);
}

Test(loading_policy, while_one_caller_refreshes_others_are_given_the_old_value)
{
    struct source source;
    memstore *store = open_with_old(&source);
    struct asker asker = {.store = store, .source = &source};

    atomic_store(&source.holds, true);
    begin_asking(&asker, ask_in_thread, 2);
    for (int i = 0; i < 10; i++)
        assert_asks(store, &source, "old");
    cr_assert_eq(source.calls, 2);
    atomic_store(&source.holds, false);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    cr_assert(memcmp(asker.view.data, "new", 3) == 0);
    memstore_view_release(&asker.view);
    memstore_destroy(store);
}

Test(loading_policy, a_refresh_that_fails_leaves_the_old_value_and_waits_before_the_next)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.result = MEMSTORE_LOAD_RETRY;
    for (int i = 0; i < 10; i++)
        assert_asks(store, &source, "old");
    cr_assert(source.calls == 2 && test_stats(store).refresh_failures == 1);
    test_clock_advance(1000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "new");
    cr_assert_eq(test_stats(store).stale_served, 0);
    memstore_destroy(store);
}

Test(loading_policy, after_a_refresh_that_failed_what_is_gone_is_loaded_at_once)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.result = MEMSTORE_LOAD_FAILED;
    assert_asks(store, &source, "old");
    assert_ok(memstore_delete(store, "key", 3));
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "new");
    memstore_destroy(store);
}

Test(loading_policy, a_refresh_that_finds_that_the_key_is_gone_removes_it)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.result = MEMSTORE_LOAD_ABSENT;
    ask(store, &source, MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert(!is_there(store) && test_stats(store).deletes == 1);
    memstore_destroy(store);
}

Test(loading_policy, a_write_during_a_refresh_wins_over_it)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.during = store;
    assert_asks(store, &source, "new");
    cr_assert(!is_there(store) && test_stats(store).loads_overtaken == 1);
    memstore_destroy(store);
}

Test(loading_policy, a_ttl_that_is_changed_during_a_refresh_leaves_it_alone)
{
    struct source source;
    memstore *store = open_with_old(&source);

    /* Which an entry of a minute has no room for: it is rewritten. */
    source.during = store;
    source.retimes = INT64_C(100) * 86400 * 1000;
    assert_asks(store, &source, "new");
    assert_asks(store, &source, "new");
    cr_assert(source.calls == 2 && test_stats(store).loads_overtaken == 0);
    memstore_destroy(store);
}

Test(loading_policy, what_was_written_during_a_refresh_that_fails_is_given)
{
    struct source source;
    memstore *store = open_with_old(&source);
    memstore_lease *lease;
    memstore_view old, view;

    source.during = store;
    source.sets = "set";
    source.result = MEMSTORE_LOAD_FAILED;
    assert_asks(store, &source, "set");
    test_clock_advance(10000);
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &old));
    assert_ok(test_set(store, "key", "again", 0));
    assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view));
    cr_assert(memcmp(old.data, "set", 3) == 0 && memcmp(view.data, "again", 5) == 0);
    memstore_view_release(&view);
    memstore_view_release(&old);
    memstore_destroy(store);
}

Test(loading_policy, what_is_deleted_during_a_refresh_that_fails_is_not_given)
{
    struct source source;
    memstore *store = open_with_old(&source);

    source.during = store;
    source.result = MEMSTORE_LOAD_FAILED;
    assert_fails(store, &source);
    memstore_destroy(store);
}

/* How a TTL is changed by a loader that fails after that has run out. */
struct running_out {
    memstore *store;
    int (*retime)(memstore *store);
    bool swept;
};

static int retime_alone(memstore *store)
{
    return memstore_update_ttl(store, "key", 3, 1);
}

static int retime_by_batch(memstore *store)
{
    memstore_batch *batch = memstore_batch_new(store);
    int status = memstore_batch_update_ttl(batch, "key", 3, 1);

    if (status == MEMSTORE_OK)
        status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

/* Which an entry of a minute has no room for: it is rewritten, and then runs out. */
static int retime_far_and_back(memstore *store)
{
    const int status = memstore_update_ttl(store, "key", 3, INT64_C(100) * 86400 * 1000);

    return status == MEMSTORE_OK ? retime_alone(store) : status;
}

static int let_run_out(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    const struct running_out *running_out = context;

    (void)key;
    (void)key_size;
    (void)out;
    assert_ok(running_out->retime(running_out->store));
    test_clock_advance(2);
    if (running_out->swept)
        cr_assert_eq(memstore_size(running_out->store), 0);
    return MEMSTORE_LOAD_FAILED;
}

static void assert_runs_out(int (*retime)(memstore *store), bool swept)
{
    struct source source;
    struct running_out running_out = {open_with_old(&source), retime, swept};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = let_run_out, .context = &running_out};
    memstore_view view;

    assert_status(memstore_get_or_load(running_out.store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    memstore_destroy(running_out.store);
}

Test(loading_policy, what_a_change_of_its_ttl_ends_during_a_refresh_that_fails_is_not_given)
{
    int (*const retimes[])(memstore *) = {retime_alone, retime_by_batch, retime_far_and_back};

    for (size_t i = 0; i < TEST_COUNT_OF(retimes); i++) {
        assert_runs_out(retimes[i], false);
        assert_runs_out(retimes[i], true);
    }
}

/* A small store in which "old" is old, whose next load fails. */
static memstore *open_small(struct source *source)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=2MiB",
                                "eviction=fifo", "loader.refresh_after=10s", NULL);

    *source = (struct source){.value = "new", .result = MEMSTORE_LOAD_FAILED, .during = store};
    assert_ok(test_set(store, "key", "old", LIFE_MS));
    test_clock_advance(10000);
    return store;
}

static void assert_nothing_is_pinned(memstore *store)
{
    memstore_memory_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_memory_stats(store, &stats));
    cr_assert_eq(stats.pinned, 0);
}

/* More than the first load of a store takes. */
#define ROOM_FOR_A_LOAD 65536

/* Ask once the memory of the key is being reclaimed, when a view comes too late to keep it there. Whether
 * there is room for a load at that moment is chance, and nobody could make any: some was set aside. */
static void ask_while_reclaiming(enum ms_testing_point point, void *context)
{
    struct asker *asker = context;

    if (point != MS_POINT_RECLAIMING || asker->source->calls != 0)
        return;
    ms_budget_uncharge(&asker->store->arena.budget, ROOM_FOR_A_LOAD);
    begin_asking(asker, ask_in_thread, 1);
}

/* Begin a refresh, and have the old value evicted while its loader is held. */
static void begin_and_evict(struct asker *asker)
{
    asker->source->during = NULL;
    atomic_store(&asker->source->holds, true);
    cr_assert(ms_budget_charge(&asker->store->arena.budget, ROOM_FOR_A_LOAD, 0));
    ms_testing_set_hook(ask_while_reclaiming, asker);
    fill(asker->store);
    ms_testing_set_hook(NULL, NULL);
    cr_assert(!is_there(asker->store));
}

static void let_end(struct asker *asker)
{
    atomic_store(&asker->source->holds, false);
    pthread_join(asker->thread, NULL);
}

static void assert_got_old(struct asker *asker)
{
    assert_ok(asker->status);
    cr_assert(asker->view.size == 3 && memcmp(asker->view.data, "old", 3) == 0);
    memstore_view_release(&asker->view);
}

Test(loading_policy, what_is_evicted_during_a_refresh_that_fails_is_given_all_the_same)
{
    struct source source;
    memstore *store = open_small(&source);
    struct asker asker = {.store = store, .source = &source};

    begin_and_evict(&asker);
    let_end(&asker);
    assert_got_old(&asker);
    cr_assert(test_stats(store).refresh_failures == 1 && test_stats(store).stale_served == 0);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(loading_policy, what_is_evicted_during_a_refresh_is_no_longer_pinned_however_that_ends)
{
    static const int results[] = {MEMSTORE_LOAD_OK, MEMSTORE_LOAD_ABSENT};

    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct source source;
        memstore *store = open_small(&source);
        struct asker asker = {.store = store, .source = &source};

        source.result = results[i];
        begin_and_evict(&asker);
        let_end(&asker);
        assert_status(asker.status,
                      results[i] == MEMSTORE_LOAD_OK ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND);
        memstore_view_release(&asker.view);
        assert_nothing_is_pinned(store);
        memstore_destroy(store);
    }
}

Test(loading_policy, what_is_evicted_and_deleted_during_a_refresh_that_fails_is_not_given)
{
    struct source source;
    memstore *store = open_small(&source);
    struct asker asker = {.store = store, .source = &source};

    begin_and_evict(&asker);
    assert_status(memstore_delete(store, "key", 3), MEMSTORE_ERR_KEY_NOT_FOUND);
    let_end(&asker);
    assert_status(asker.status, MEMSTORE_ERR_LOADER_FAILED);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(loading_policy,
     what_is_evicted_and_expires_during_a_refresh_that_fails_serves_as_long_as_others)
{
    static const char *const max_stale[] = {"0", "1m"};

    for (size_t i = 0; i < 2; i++) {
        struct source source;
        memstore *store = open_small(&source);
        struct asker asker = {.store = store, .source = &source};

        assert_ok(memstore_reconfigure(store, "loader.max_stale", max_stale[i]));
        begin_and_evict(&asker);
        test_clock_advance(LIFE_MS);
        let_end(&asker);
        if (i == 0)
            assert_status(asker.status, MEMSTORE_ERR_LOADER_FAILED);
        else
            assert_got_old(&asker);
        cr_assert_eq(test_stats(store).stale_served, i);
        assert_nothing_is_pinned(store);
        memstore_destroy(store);
    }
}

Test(loading_policy, a_step_of_the_wall_clock_during_a_refresh_that_fails_changes_nothing)
{
    static const int64_t steps[] = {-86400000, 86400000};

    for (size_t i = 0; i < 4; i++) {
        struct source source;
        memstore *store = open_small(&source);
        struct asker asker = {.store = store, .source = &source};
        const bool expires = i >= 2;

        begin_and_evict(&asker);
        test_clock_advance(expires ? LIFE_MS : 0);
        test_clock_step_unix(steps[i % 2]);
        let_end(&asker);
        if (expires)
            assert_status(asker.status, MEMSTORE_ERR_LOADER_FAILED);
        else
            assert_got_old(&asker);
        memstore_destroy(store);
    }
}

Test(loading_policy, what_is_old_is_refreshed_where_no_memory_is_free)
{
    struct source source = {.value = "new"};
    const memstore_loader loader = loader_of(&source);
    const memstore_key key = {.data = "key", .size = 3};

    for (int how = 0; how < 3; how++) {
        memstore_view view = {0};
        memstore_lease *lease = NULL;

        test_clock_start();
        memstore *store = test_open("maintenance=manual", "performance.memory_limit=2MiB",
                                    "loader.refresh_after=10s", NULL);
        fill(store);
        assert_ok(test_set(store, "key", "old", 0));
        test_clock_advance(10000);
        if (how == 0)
            assert_asks(store, &source, "new");
        else if (how == 1)
            assert_ok(memstore_get_or_load_many(store, &key, 1, &loader, &view, NULL));
        else
            assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
        if (how == 1)
            cr_assert(memcmp(view.data, "new", 3) == 0);
        cr_assert(how != 2 || lease != NULL);
        memstore_view_release(&view);
        if (lease != NULL)
            assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL));
        memstore_destroy(store);
    }
    cr_assert_eq(source.calls, 2);
}

/* A store in which nothing is free, and a key is old. */
static memstore *open_full_with_old(void)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=2MiB",
                                "loader.refresh_after=10s", NULL);

    fill(store);
    assert_ok(test_set(store, "key", "old", 0));
    test_clock_advance(10000);
    return store;
}

Test(loading_policy, a_failed_refresh_holds_back_the_next_where_others_have_taken_all_memory)
{
    memstore *store = open_full_with_old();
    uint64_t taken = 0;
    struct source source = {.result = MEMSTORE_LOAD_FAILED, .during = store, .takes = &taken};

    assert_asks(store, &source, "old");
    assert_nothing_is_pinned(store);
    assert_asks(store, &source, "old");
    cr_assert_eq(source.calls, 1);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

Test(loading_policy, a_failed_lease_holds_back_the_next_where_others_have_taken_all_memory)
{
    memstore *store = open_full_with_old();
    memstore_lease *lease = NULL;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    memstore_view_release(&view);
    const uint64_t taken = take_all_memory(store);
    assert_ok(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL));
    lease = NULL;
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert_null(lease);
    memstore_view_release(&view);
    assert_nothing_is_pinned(store);
    ms_budget_uncharge(&store->arena.budget, taken);
    memstore_destroy(store);
}

/* Acquire leases of keys of a size that are not there, between writes that take what is free. */
static void check_that_leases_find_memory(size_t size)
{
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=1MiB", NULL);
    static const char value[5000];
    char absent[2000] = {0};
    uint64_t key = 0;

    for (uint64_t i = 0; i < 3000; i++) {
        memstore_lease *lease;
        memstore_view view;

        for (unsigned j = 0; j < 4; j++, key++)
            assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
        memcpy(absent, &i, sizeof i);
        assert_ok(memstore_lease_acquire(store, absent, size, 0, &lease, &view));
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    }
    memstore_destroy(store);
}

Test(loading_policy, leases_find_memory_wherever_something_can_be_evicted)
{
    for (size_t size = 1500; size <= 1800; size += 50)
        check_that_leases_find_memory(size);
}

/* ---- Absences and the limit ---- */

static int answer_absent(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key, (void)key_size, (void)out, (void)context;
    return MEMSTORE_LOAD_ABSENT;
}

#define ENTRIES 1000

/* A store of a few entries that remembers of as many keys as it may that they do not exist. */
static memstore *open_with_absences(void)
{
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=64MiB",
                                "loader.max_absent=1000000", "loader.negative_ttl=1h", NULL);
    const memstore_loader loader = {.struct_size = sizeof loader, .load = answer_absent};
    static const char value[100];
    memstore_view view;

    for (uint64_t key = 0; key < ENTRIES; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
    for (uint64_t key = ENTRIES; key < 25 * ENTRIES; key++)
        assert_status(memstore_get_or_load(store, &key, sizeof key, &loader, &view),
                      MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_gt(store->flights.absent_bytes, UINT64_C(3) << 20);
    return store;
}

Test(loading_policy, what_does_not_exist_gives_way_to_what_does_when_the_limit_goes_down)
{
    memstore *store = open_with_absences();

    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "4MiB"));
    cr_assert_eq(memstore_size(store), ENTRIES);
    cr_assert_leq(store->flights.absent_bytes, UINT64_C(4) << 20 >> 4);
    cr_assert_gt(store->flights.absences, 100);
    memstore_destroy(store);
}

Test(loading_policy, fewer_keys_are_remembered_from_when_max_absent_is_lowered)
{
    memstore *store = open_with_absences();
    const uint64_t charged = ms_budget_charged(&store->arena.budget);
    const uint64_t bytes = store->flights.absent_bytes;

    assert_ok(memstore_reconfigure(store, "loader.max_absent", "10"));
    cr_assert_eq(store->flights.absences, 10);
    cr_assert_eq(ms_budget_charged(&store->arena.budget),
                 charged - bytes + store->flights.absent_bytes);
    assert_ok(memstore_reconfigure(store, "loader.max_absent", "0"));
    cr_assert_eq(store->flights.absences, 0);
    memstore_destroy(store);
}

static uint32_t count_references(memstore *store)
{
    struct ms_flight **list;
    size_t count = 0;
    uint32_t references = 0;
    memstore_view left;

    cr_assert(ms_flights_list(&store->flights, &list, &count));
    ms_mutex_lock(&store->flights.lock);
    for (size_t i = 0; i < count; i++)
        references += list[i]->references - 1;
    ms_mutex_unlock(&store->flights.lock);
    for (size_t i = 0; i < count; i++)
        ms_flight_drop(list[i], &left);
    free(list);
    return references;
}

/* Until so many threads wait for loads in flight. */
static void wait_for_references(memstore *store, uint32_t references)
{
    TEST_AWAIT(count_references(store) >= references);
}

Test(loading_policy, who_waits_for_a_refresh_that_fails_is_given_what_was_evicted_too)
{
    struct source source;
    memstore *store = open_small(&source);
    struct asker first = {.store = store, .source = &source};
    struct asker second = first;

    begin_and_evict(&first);
    cr_assert_eq(pthread_create(&second.thread, NULL, ask_in_thread, &second), 0);
    wait_for_references(store, 2);
    let_end(&first);
    let_end(&second);
    cr_assert_eq(source.calls, 1);
    assert_got_old(&first);
    assert_got_old(&second);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(loading_policy,
     of_many_the_old_ones_are_given_when_their_refresh_fails_however_full_the_store_is)
{
    struct source source;
    memstore *store = open_small(&source);
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"new", 3}, {"too", 3}};
    memstore_view views[3];
    size_t found;

    assert_ok(test_set(store, "too", "old", 0));
    test_clock_advance(10000);
    assert_ok(test_set(store, "new", "set", 0));
    source.fills = true;
    assert_ok(memstore_get_or_load_many(store, keys, 3, &loader, views, &found));
    cr_assert_eq(found, 3);
    cr_assert(memcmp(views[0].data, "old", 3) == 0 && memcmp(views[1].data, "set", 3) == 0 &&
              memcmp(views[2].data, "old", 3) == 0);
    cr_assert_eq(source.calls, 2);
    memstore_view_release_many(views, 3);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(loading_policy, where_views_are_bounded_the_old_ones_of_many_are_the_place_of_their_loader)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s",
                  "performance.max_concurrent_readers=2", "performance.lock_timeout=20ms", NULL);
    struct source source = {.value = "new"};
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"other", 5}};
    memstore_view views[2];

    assert_ok(test_set(store, "key", "old", 0));
    assert_ok(test_set(store, "other", "old", 0));
    test_clock_advance(10000);
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL));
    cr_assert(memcmp(views[0].data, "new", 3) == 0 && memcmp(views[1].data, "new", 3) == 0);
    memstore_view_release_many(views, 2);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(loading_policy, where_views_are_bounded_a_refresh_in_flight_counts_as_one)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s",
                  "performance.max_concurrent_readers=1", "performance.lock_timeout=20ms", NULL);
    struct source source = {.value = "old"};
    struct asker asker = {.store = store, .source = &source};
    memstore_view view;

    assert_asks(store, &source, "old");
    test_clock_advance(10000);
    source.value = "new";
    atomic_store(&source.holds, true);
    begin_asking(&asker, ask_in_thread, 2);
    assert_status(memstore_get_view(store, "key", 3, &view), MEMSTORE_ERR_LOCK_TIMEOUT);
    atomic_store(&source.holds, false);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    cr_assert(memcmp(asker.view.data, "new", 3) == 0);
    memstore_view_release(&asker.view);
    memstore_destroy(store);
}

Test(loading_policy, of_many_those_that_are_old_are_loaded_along)
{
    struct source source;
    memstore *store = open_with_old(&source);
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"other", 5}};
    memstore_view views[2];
    size_t found;

    assert_ok(memstore_set(store, "other", 5, "set", 3, 0));
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, &found));
    cr_assert(found == 2 && memcmp(views[0].data, "new", 3) == 0 &&
              memcmp(views[1].data, "set", 3) == 0 && source.calls == 2);
    memstore_view_release_many(views, 2);
    memstore_destroy(store);
}

Test(loading_policy, a_lease_to_refresh_comes_with_the_value_and_to_one)
{
    struct source source;
    memstore *store = open_with_old(&source);
    memstore_lease *lease, *none;
    memstore_view view, other;

    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &none, &other));
    cr_assert(lease != NULL && none == NULL);
    cr_assert(memcmp(view.data, "old", 3) == 0 && memcmp(other.data, "old", 3) == 0);
    memstore_view_release(&view);
    memstore_view_release(&other);
    assert_ok(memstore_lease_fill(lease, "new", 3, 0, NULL));
    assert_asks(store, &source, "new");
    memstore_destroy(store);
}

Test(loading_policy, refresh_after_needs_a_store_that_knows_how_old_entries_are)
{
    memstore *without = test_open("maintenance=manual", NULL);
    memstore *with = test_open("maintenance=manual", "ttl.store_creation_time=true", NULL);

    assert_status(memstore_reconfigure(without, "loader.refresh_after", "1s"),
                  MEMSTORE_ERR_UNSUPPORTED);
    assert_ok(memstore_reconfigure(with, "loader.refresh_after", "1s"));
    memstore_destroy(without);
    memstore_destroy(with);
}

/* ---- What comes while one waits for a place ---- */

#define TEN_MINUTES 600000

static size_t count_flights(memstore *store)
{
    struct ms_flight **list;
    memstore_view left;
    size_t count;

    cr_assert(ms_flights_list(&store->flights, &list, &count));
    for (size_t i = 0; i < count; i++)
        ms_flight_drop(list[i], &left);
    free(list);
    return count;
}

static bool waits_on(void *asker)
{
    return !atomic_load(&((struct asker *)asker)->gives_up);
}

/* Ask, and wait for a place or for another's load for as long as the test lets it. */
static void *ask_until_told(void *context)
{
    const struct ms_wait_asked asked = {waits_on, context};
    struct asker *asker = context;
    memstore_loader loader = loader_of(asker->source);

    loader.wait_ms = TEN_MINUTES;
    ms_wait_asked = &asked;
    asker->status = memstore_get_or_load(asker->store, "key", 3, &loader, &asker->view);
    ms_wait_asked = NULL;
    return NULL;
}

static void *load_other(void *context)
{
    struct asker *asker = context;
    const memstore_loader loader = loader_of(asker->source);

    asker->status = memstore_get_or_load(asker->store, "other", 5, &loader, &asker->view);
    return NULL;
}

Test(loading_policy, who_finds_no_place_for_a_load_gets_what_was_stored_while_he_waited)
{
    memstore *store =
        test_open("maintenance=manual", "loader.max_loads=1", "loader.timeout=10m", NULL);
    struct source source = {.value = "loaded", .holds = true};
    struct asker other = {.store = store, .source = &source};
    struct asker asker = other;

    begin_asking(&other, load_other, 1);
    cr_assert_eq(pthread_create(&asker.thread, NULL, ask_until_told, &asker), 0);
    TEST_AWAIT(count_flights(store) == 2);
    assert_ok(test_set(store, "key", "set", 0));
    atomic_store(&asker.gives_up, true);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    cr_assert(memcmp(asker.view.data, "set", 3) == 0 && source.calls == 1);
    cr_assert(test_stats(store).misses == 2 && test_stats(store).hits == 1);
    memstore_view_release(&asker.view);
    let_end(&other);
    memstore_view_release(&other.view);
    memstore_destroy(store);
}

Test(loading_policy, who_waits_too_long_for_a_load_gets_what_was_stored_meanwhile)
{
    memstore *store = test_open("maintenance=manual", NULL);
    struct source source = {.value = "loaded", .holds = true};
    struct asker first = {.store = store, .source = &source};
    struct asker second = first;

    begin_asking(&first, ask_in_thread, 1);
    cr_assert_eq(pthread_create(&second.thread, NULL, ask_until_told, &second), 0);
    wait_for_references(store, 2);
    assert_ok(test_set(store, "key", "set", 0));
    atomic_store(&second.gives_up, true);
    pthread_join(second.thread, NULL);
    assert_ok(second.status);
    cr_assert_eq(memcmp(second.view.data, "set", 3), 0);
    memstore_view_release(&second.view);
    let_end(&first);
    memstore_view_release(&first.view);
    memstore_destroy(store);
}

/* Ask for what is there, alone and with others, while another view has the only place. */
static void ask_without_place(const char *on_store_error, int wanted)
{
    memstore *store = test_open("maintenance=manual", "performance.max_concurrent_readers=1",
                                "performance.lock_timeout=1ms", on_store_error, NULL);
    struct source source = {.value = "loaded"};
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"too", 3}};
    memstore_view held, views[2];

    assert_ok(test_set(store, "key", "set", 0));
    assert_ok(test_set(store, "too", "set", 0));
    assert_ok(memstore_get_view(store, "key", 3, &held));
    assert_status(memstore_get_or_load(store, "key", 3, &loader, &views[0]), wanted);
    cr_assert(wanted != MEMSTORE_OK || memcmp(views[0].data, "set", 3) == 0);
    memstore_view_release(&views[0]);
    assert_status(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL), wanted);
    cr_assert(wanted != MEMSTORE_OK ||
              (memcmp(views[0].data, "set", 3) == 0 && memcmp(views[1].data, "set", 3) == 0));
    memstore_view_release_many(views, 2);
    memstore_view_release(&held);
    cr_assert_eq(source.calls, 0);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(loading_policy, what_is_there_is_copied_where_there_is_no_place_for_a_view)
{
    ask_without_place("loader.on_store_error=bypass", MEMSTORE_OK);
    ask_without_place("loader.on_store_error=fail", MEMSTORE_ERR_LOCK_TIMEOUT);
}

/* Ask for "key", which is there and old, and one that is not, whose loader asks for another call. */
static void check_that_the_old_one_is_tried_once(bool together)
{
    struct source source;
    memstore *store = open_with_old(&source);
    memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"other", 5}};
    memstore_view views[2];

    if (!together)
        loader.load_many = NULL;
    assert_ok(memstore_reconfigure(store, "loader.retry_initial", "0"));
    source.takes_time = true;
    source.result = MEMSTORE_LOAD_RETRY;
    source.succeeds = 4;
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL));
    cr_expect(memcmp(views[0].data, "old", 3) == 0 && memcmp(views[1].data, "new", 3) == 0);
    cr_expect_eq(source.calls, 4);
    const memstore_stats stats = test_stats(store);
    cr_expect(stats.load_retries == 1 && stats.refresh_failures == 1 && stats.refreshes == 0);
    memstore_view_release_many(views, 2);
    memstore_destroy(store);
}

Test(loading_policy, of_many_those_that_are_old_are_tried_once)
{
    check_that_the_old_one_is_tried_once(true);
}

Test(loading_policy, of_many_that_are_loaded_one_by_one_those_that_are_old_are_tried_once)
{
    check_that_the_old_one_is_tried_once(false);
}

/* ---- Breakers ---- */

Test(loading_policy, a_loader_that_keeps_failing_is_not_called_for_a_while)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=3",
                                "loader.breaker_open=10s", NULL);
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    struct source other = {.value = "row"};

    for (int i = 0; i < 10; i++)
        assert_fails(store, &source);
    const memstore_stats open = test_stats(store);
    cr_assert(source.calls == 3 && open.load_failures == 3 && open.loads_refused == 7);
    cr_assert(open.breakers_open == 1 && open.breakers_opened == 1);
    assert_asks(store, &other, "row");
    assert_ok(memstore_delete(store, "key", 3));

    source.result = MEMSTORE_LOAD_OK;
    test_clock_advance(9999);
    assert_fails(store, &source);
    test_clock_advance(1);
    assert_asks(store, &source, "row");
    cr_assert(source.calls == 4 && test_stats(store).breakers_open == 0);
    memstore_destroy(store);
}

Test(loading_policy, loaders_of_one_name_share_a_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    struct source one = {.result = MEMSTORE_LOAD_FAILED}, two = {.value = "row"};
    memstore_loader loader = loader_of(&one);
    memstore_view view;

    loader.name = "database";
    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    loader.context = &two;
    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(two.calls, 0);
    assert_asks(store, &two, "row");
    memstore_destroy(store);
}

Test(loading_policy, contexts_that_failed_once_leave_a_named_loader_its_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=3", NULL);
    struct source requests[MS_BREAKERS], database = {.result = MEMSTORE_LOAD_FAILED};
    memstore_loader loader = loader_of(&database);
    memstore_view view;

    for (size_t i = 0; i < MS_BREAKERS; i++) {
        requests[i] = (struct source){.result = MEMSTORE_LOAD_FAILED};
        assert_fails(store, &requests[i]);
    }
    loader.name = "database";
    for (int i = 0; i < 4; i++)
        assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                      MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(database.calls == 3 && test_stats(store).loads_refused == 1);
    memstore_destroy(store);
}

/* Without a name: it is told by what the caller gave, not by who calls it for him. */
Test(loading_policy, a_loader_that_warms_a_store_has_one_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "loader.breaker_open=1h", NULL);
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    const memstore_key other = {"other", 5};

    assert_fails(store, &source);
    assert_status(memstore_warm(store, &other, 1, &loader, NULL, NULL), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(source.calls == 1 && test_stats(store).loads_refused == 1);

    test_clock_advance(3600 * 1000);
    assert_status(memstore_warm(store, &other, 1, &loader, NULL, NULL), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(source.calls, 2);
    test_clock_advance(3600 * 1000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "row");
    cr_assert_eq(test_stats(store).breakers_open, 0);
    memstore_destroy(store);
}

Test(loading_policy, while_a_breaker_is_open_what_has_expired_is_served_without_a_call)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);

    assert_ok(memstore_reconfigure(store, "loader.breaker_failures", "1"));
    for (int i = 0; i < 5; i++)
        assert_asks(store, &source, "old");
    cr_assert(source.calls == 2 && test_stats(store).stale_served == 5);
    memstore_destroy(store);
}

Test(loading_policy, leases_share_a_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
    assert_status(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    assert_status(memstore_lease_acquire(store, "b", 1, 0, &lease, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    test_clock_advance(5000);
    assert_ok(memstore_lease_acquire(store, "b", 1, 0, &lease, &view));
    assert_ok(memstore_lease_fill(lease, "v", 1, 0, NULL));
    cr_assert_eq(test_stats(store).breakers_open, 0);
    memstore_destroy(store);
}

Test(loading_policy, a_lease_that_is_abandoned_says_nothing_about_the_loader)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.breaker_failures=2", "loader.breaker_open=1h",
                  "loader.refresh_after=10s", "loader.retry_max=1h", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    for (int i = 0; i < 3; i++) {
        assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
        assert_status(memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL),
                      MEMSTORE_ERR_LOADER_FAILED);
    }
    memstore_stats stats = test_stats(store);
    cr_assert(stats.load_failures == 1 && stats.breakers_open == 0);

    /* Nor does it hold back a refresh. */
    assert_ok(test_set(store, "b", "old", 0));
    test_clock_advance(10000);
    for (int i = 0; i < 3; i++) {
        assert_ok(memstore_lease_acquire(store, "b", 1, 0, &lease, &view));
        cr_assert(lease != NULL && view.size == 3);
        memstore_view_release(&view);
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    }
    cr_assert_eq(test_stats(store).refresh_failures, 0);

    /* Nor was it a success. */
    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    stats = test_stats(store);
    cr_assert(stats.load_failures == 2 && stats.breakers_open == 1);
    memstore_destroy(store);
}

/* What a subscriber and the log are told of breakers, in the order in which it happens. */
static void expect_breaker(memstore_subscription *alerts, double openness, bool raised)
{
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscription_next(alerts, 0, &event));
    cr_expect(event.kind == MEMSTORE_EVENT_ALERT && event.alert == MEMSTORE_ALERT_BREAKER);
    cr_expect(event.alert_value > openness - 1e-9 && event.alert_value < openness + 1e-9, "%g",
              event.alert_value);
    cr_expect_eq(event.raised, raised);
    memstore_view_release(&event.value);
}

static void expect_breakers(memstore *store, uint64_t open, uint64_t half_open)
{
    const memstore_stats stats = test_stats(store);

    cr_expect_eq(stats.breakers_open, open);
    cr_expect_eq(stats.breakers_half_open, half_open);
}

Test(loading_policy, each_change_of_a_breaker_is_an_event)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=2",
                                "loader.breaker_open=10s", NULL);
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    memstore_subscription *alerts;
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    assert_fails(store, &source);
    expect_breakers(store, 0, 0);
    assert_fails(store, &source);
    expect_breaker(alerts, 1, true);
    expect_breakers(store, 1, 0);
    assert_fails(store, &source); /* refused, which changes nothing */

    test_clock_advance(10000);
    expect_breakers(store, 1, 1);
    assert_fails(store, &source);
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 1, true);
    expect_breakers(store, 1, 0);

    test_clock_advance(10000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "row");
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 0, false);
    expect_breakers(store, 0, 0);
    assert_status(memstore_subscription_next(alerts, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(test_stats(store).breakers_opened, 1);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(loading_policy, the_alert_stays_until_the_last_breaker_is_closed)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "loader.breaker_open=10s", NULL);
    struct source one = {.value = "row", .result = MEMSTORE_LOAD_FAILED}, two = one;
    memstore_subscription *alerts;

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    assert_fails(store, &one);
    assert_fails(store, &two);
    expect_breaker(alerts, 1, true);
    expect_breaker(alerts, 1, true);
    test_clock_advance(10000);
    one.result = two.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &one, "row");
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 0, true);
    assert_ok(memstore_delete(store, "key", 3));
    assert_asks(store, &two, "row");
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 0, false);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(loading_policy, the_alert_goes_when_nobody_asks_for_what_is_open)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "loader.breaker_open=10s", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_fails(store, &source);
    test_clock_advance(60 * 1000);
    expect_breakers(store, 1, 1);
    test_clock_advance(24 * 3600 * 1000);
    expect_breakers(store, 0, 0);
    assert_ok(memstore_maintain(store, 0));
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert_eq(rates.alerts, 0);
    /* What opened it is known all the same: one load tries. */
    assert_fails(store, &source);
    assert_fails(store, &source);
    cr_assert_eq(source.calls, 2);
    expect_breakers(store, 1, 0);
    memstore_destroy(store);
}

Test(loading_policy, the_alert_goes_when_breakers_are_switched_off)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_fails(store, &source);
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert_eq(rates.alerts, MEMSTORE_ALERT_BREAKER);
    assert_ok(memstore_reconfigure(store, "loader.breaker_failures", "0"));
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert(rates.alerts == 0 && rates.alerts_raised == 1);
    memstore_destroy(store);
}

Test(loading_policy, the_alert_goes_when_breakers_are_switched_off_without_windows)
{
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "monitoring.enable_metrics=false", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    memstore_subscription *alerts;
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    assert_fails(store, &source);
    expect_breaker(alerts, 1, true);
    assert_ok(memstore_reconfigure(store, "loader.breaker_failures", "0"));
    expect_breaker(alerts, 0, false);
    assert_status(memstore_subscription_next(alerts, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

/* Whoever has changed a breaker may come to tell it after another has changed it again, and has told that. */
Test(loading_policy, a_change_of_a_breaker_that_another_has_overtaken_is_not_told)
{
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);
    memstore_subscription *alerts;
    memstore_event event = {.struct_size = sizeof event};
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    const enum ms_breaker_change opens =
        ms_breakers_failed(&store->breakers, 1, &rule, ms_clock_exact_ms());
    cr_assert_eq(opens, MS_BREAKER_OPENS);
    ms_load_note_success(store, 1);
    expect_breaker(alerts, 0, false);
    ms_monitor_breaker(store, 1, opens);
    assert_status(memstore_subscription_next(alerts, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert(rates.alerts == 0 && rates.alerts_raised == 0);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

static char told[1024];

static void note_breakers(const memstore_log_record *record, void *unused)
{
    const size_t length = strlen(told);

    (void)unused;
    if (strncmp(record->event, "breaker_", 8) == 0)
        snprintf(told + length, sizeof told - length, "%s ", record->event);
}

Test(loading_policy, each_change_of_a_breaker_is_in_the_log)
{
    memstore_config *config = memstore_config_new();
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    memstore *store;

    test_clock_start();
    assert_ok(memstore_config_set(config, "maintenance", "manual"));
    assert_ok(memstore_config_set(config, "loader.breaker_failures", "1"));
    assert_ok(memstore_config_set(config, "loader.breaker_open", "10s"));
    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, note_breakers, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    assert_fails(store, &source);
    test_clock_advance(10000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "row");
    assert_ok(memstore_close(store));
    cr_assert_str_eq(told, "breaker_opened breaker_half_open breaker_closed ");
    memstore_destroy(store);
}

/* ---- What loads take ---- */

static void *ask_for_two(void *context)
{
    struct asker *asker = context;
    memstore_loader loader = loader_of(asker->source);
    const memstore_key keys[] = {{"one", 3}, {"two", 3}};
    memstore_view views[2];

    loader.load_many = NULL;
    asker->status = memstore_get_or_load_many(asker->store, keys, 2, &loader, views, NULL);
    if (asker->status == MEMSTORE_OK)
        memstore_view_release_many(views, 2);
    return NULL;
}

/* Who asks in this way leaves too few bytes for another load of as large a value, until he has his. */
static void check_that_bytes_hold_back(const char *bound, void *(*how)(void *))
{
    memstore *store = test_open(bound, "loader.timeout=50ms", NULL);
    static char large[3000];
    struct source source = {.value = memset(large, 'x', sizeof large - 1)};
    struct source held = {.value = large, .holds = true};
    struct asker asker = {.store = store, .source = &held};
    const memstore_loader loader = loader_of(&source);
    memstore_view view;

    ask(store, &source, MEMSTORE_OK);
    assert_ok(memstore_delete(store, "key", 3));
    begin_asking(&asker, how, 1);
    assert_status(memstore_get_or_load(store, "another", 7, &loader, &view),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_stats(store).loads_without_bytes == 1);
    cr_assert(test_stats(store).loads_without_place == 0);
    atomic_store(&held.holds, false);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    memstore_view_release(&asker.view);
    assert_ok(memstore_get_or_load(store, "another", 7, &loader, &view));
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(loading_policy, max_load_bytes_holds_loads_back_by_what_values_were_before)
{
    check_that_bytes_hold_back("loader.max_load_bytes=4KiB", ask_in_thread);
}

Test(loading_policy, max_load_bytes_counts_what_was_loaded_one_by_one_until_all_of_it_is_stored)
{
    check_that_bytes_hold_back("loader.max_load_bytes=8KiB", ask_for_two);
}

Test(loading_policy, leases_and_absences_count_against_the_limit)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=1MB",
                                "loader.max_absent=1000000", "loader.negative_ttl=1h", NULL);
    const uint64_t empty = ms_budget_charged(&store->arena.budget);
    struct source source = {.result = MEMSTORE_LOAD_ABSENT};
    const memstore_loader loader = loader_of(&source);
    memstore_lease *lease;
    memstore_view view;
    char key[16];

    /* The first brings the buckets with it, which stay. */
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert_eq(ms_budget_charged(&store->arena.budget),
                 empty + ms_flights_bytes_to_join(&store->flights, 3));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    const uint64_t before = ms_budget_charged(&store->arena.budget);
    assert_ok(memstore_lease_acquire(store, "key", 3, 0, &lease, &view));
    cr_assert_eq(ms_budget_charged(&store->arena.budget), before + ms_flight_bytes(3));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    cr_assert_eq(ms_budget_charged(&store->arena.budget), before);
    for (int i = 0; i < 5000; i++) {
        const int size = snprintf(key, sizeof key, "%d", i);
        assert_status(memstore_get_or_load(store, key, (size_t)size, &loader, &view),
                      MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    const uint64_t absent = ms_budget_charged(&store->arena.budget) - before;
    cr_assert(absent != 0 && absent <= 1000000 / 16);
    memstore_destroy(store);
}

Test(loading_policy, a_full_store_makes_room_for_loads)
{
    static const char value[100];
    char key[16];

    memstore *store = test_open("performance.memory_limit=1MB", NULL);
    for (int i = 0; i < 20000; i++) {
        const int size = snprintf(key, sizeof key, "%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, value, sizeof value, 0));
    }
    struct source source = {.value = "row"};
    assert_asks(store, &source, "row");
    cr_assert(is_there(store) && test_stats(store).loads_bypassed == 0);
    memstore_destroy(store);
}
