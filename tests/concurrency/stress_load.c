/* SPDX-License-Identifier: Apache-2.0 */
/* Readers load what is missing while others change the database and then invalidate, by every kind of
 * write. The database counts the changes of each key; a key's *floor* is the last change whose
 * invalidation has returned. Whoever begins to read afterwards must never be given an older one,
 * whether it comes from the store, from a load of his own, from one that he waited for, or as the
 * answer that there is no such key. */
#include "support/support.h"
#include "support/team.h"

#include <memstore/loader.h>
#include <sched.h>
#include <stdlib.h>

#define KEYS 12
/* Of so many changes one is that the row is gone. */
#define GONE_EACH 5
#define ENOUGH_LOADS 2000

static memstore *store;
static uint64_t seed;
static atomic_uint_least64_t database[KEYS];
static atomic_uint_least64_t floors[KEYS];
static pthread_mutex_t changing[KEYS];
static atomic_uint_least64_t loads, reads, invalidations;

static memstore_key key_of(unsigned number, char name[16])
{
    return (memstore_key){name, (size_t)snprintf(name, 16, "row/%02u", number)};
}

static unsigned number_of(const void *key)
{
    return (unsigned)atoi((const char *)key + 4);
}

static bool is_gone(uint64_t version)
{
    return version % GONE_EACH == 0;
}

/* ---- Loading ---- */

static void maybe_yield(uint64_t random)
{
    for (uint64_t i = random % 4; i > 0; i--)
        sched_yield();
}

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    static __thread uint64_t version;
    char name[16] = "";

    memcpy(name, key, key_size < 15 ? key_size : 15);
    version = atomic_load(&database[number_of(name)]);
    maybe_yield(test_random(context));
    if (test_one_in(context, 50))
        return MEMSTORE_LOAD_RETRY;
    atomic_fetch_add(&loads, 1);
    if (is_gone(version))
        return MEMSTORE_LOAD_ABSENT;
    out->value = &version;
    out->value_size = sizeof version;
    return MEMSTORE_LOAD_OK;
}

#define MOST_AT_ONCE 4

static int load_many(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t version = atomic_load(&database[number_of(keys[i].data)]);

        out[i].result = is_gone(version) ? MEMSTORE_LOAD_ABSENT : MEMSTORE_LOAD_OK;
        if (test_one_in(context, 50))
            out[i].result = MEMSTORE_LOAD_RETRY;
        if (out[i].result != MEMSTORE_LOAD_OK)
            continue;
        out[i].value = out[i].release_context = memcpy(malloc(sizeof version), &version, 8);
        out[i].value_size = sizeof version;
        out[i].release = free;
    }
    maybe_yield(test_random(context));
    atomic_fetch_add(&loads, n);
    return MEMSTORE_LOAD_OK;
}

/* ---- Checking ---- */

/* Whether the row was gone at some change from `least` to now. */
static bool was_gone_since(unsigned number, uint64_t least)
{
    const uint64_t first = (least + GONE_EACH - 1) / GONE_EACH * GONE_EACH;

    return first <= atomic_load(&database[number]);
}

static void check_value(unsigned number, uint64_t least, const memstore_view *view)
{
    uint64_t version;

    CHECK(view->size == sizeof version);
    memcpy(&version, view->data, sizeof version);
    if (version < least)
        test_fail(__FILE__, __LINE__, "key %u: version %llu is older than %llu", number,
                  (unsigned long long)version, (unsigned long long)least);
}

static void check_result(unsigned number, uint64_t least, int status, memstore_view *view)
{
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND) {
        CHECK(was_gone_since(number, least));
    } else {
        CHECK_OK(status);
        check_value(number, least, view);
        memstore_view_release(view);
    }
    atomic_fetch_add(&reads, 1);
}

/* ---- Readers ---- */

static void read_one(struct test_rng *rng)
{
    const unsigned number = (unsigned)test_below(rng, KEYS);
    const memstore_loader loader = {.struct_size = sizeof loader,
                                    .load = load,
                                    .context = rng,
                                    .ttl_ms = 1 + (int64_t)test_below(rng, 20)};
    const uint64_t least = atomic_load(&floors[number]);
    char name[16];
    const memstore_key key = key_of(number, name);
    memstore_view view;
    const int status = memstore_get_or_load(store, key.data, key.size, &loader, &view);

    check_result(number, least, status, &view);
}

static void read_many(struct test_rng *rng)
{
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load_many = load_many, .context = rng, .ttl_ms = 20};
    uint64_t least[MOST_AT_ONCE];
    unsigned numbers[MOST_AT_ONCE];
    char names[MOST_AT_ONCE][16];
    memstore_key keys[MOST_AT_ONCE];
    memstore_view views[MOST_AT_ONCE];

    for (unsigned i = 0; i < MOST_AT_ONCE; i++) {
        numbers[i] = (unsigned)test_below(rng, KEYS);
        keys[i] = key_of(numbers[i], names[i]);
        least[i] = atomic_load(&floors[numbers[i]]);
    }
    CHECK_OK(memstore_get_or_load_many(store, keys, MOST_AT_ONCE, &loader, views, NULL));
    for (unsigned i = 0; i < MOST_AT_ONCE; i++)
        check_result(numbers[i], least[i],
                     views[i].data != NULL ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND, &views[i]);
}

static void read_by_lease(struct test_rng *rng)
{
    const unsigned number = (unsigned)test_below(rng, KEYS);
    const uint64_t least = atomic_load(&floors[number]);
    char name[16];
    const memstore_key key = key_of(number, name);
    memstore_lease *lease;
    memstore_view view;
    int status = memstore_lease_acquire(store, key.data, key.size, 60000, &lease, &view);

    if (lease != NULL) {
        const uint64_t version = atomic_load(&database[number]);

        maybe_yield(test_random(rng));
        if (is_gone(version)) {
            memstore_lease_fail(lease, MEMSTORE_LOAD_ABSENT, NULL);
            return;
        }
        const int filled = memstore_lease_fill(lease, &version, sizeof version, 10, &view);
        CHECK(filled == MEMSTORE_OK || filled == MEMSTORE_ERR_VERSION_MISMATCH);
        status = MEMSTORE_OK;
    }
    check_result(number, least, status, &view);
}

static void read_on(unsigned thread, void *context)
{
    struct test_rng rng = {seed + thread};

    (void)context;
    while (test_team_goes_on()) {
        const uint64_t choice = test_below(&rng, 10);

        if (choice < 6)
            read_one(&rng);
        else if (choice < 8)
            read_many(&rng);
        else
            read_by_lease(&rng);
    }
}

/* ---- Those who change the database ---- */

static void remove_by_batch(const memstore_key *key)
{
    const memstore_key keys[] = {*key, test_key("another")};

    CHECK_OK(memstore_delete_many(store, keys, 2, NULL));
}

static void write_new(struct test_rng *rng, const memstore_key *key, uint64_t version)
{
    const memstore_entry entries[] = {{*key, &version, sizeof version, 0},
                                      test_entry("another", "x", 0)};

    if (is_gone(version))
        memstore_delete(store, key->data, key->size);
    else if (test_one_in(rng, 3))
        CHECK_OK(memstore_set_many(store, entries, 2));
    else if (test_one_in(rng, 2))
        CHECK_OK(memstore_set(store, key->data, key->size, &version, sizeof version, 5));
    else
        CHECK_OK(memstore_set_async(store, key->data, key->size, &version, sizeof version, 5));
    CHECK_OK(memstore_flush(store));
}

static void invalidate(struct test_rng *rng, unsigned number, uint64_t version)
{
    char name[16];
    const memstore_key key = key_of(number, name);

    switch (test_below(rng, 6)) {
    case 0:
        CHECK_OK(memstore_clear(store));
        break;
    case 1:
        CHECK_OK(memstore_delete_by_pattern(store, "row/*", 5, NULL));
        break;
    case 2:
        remove_by_batch(&key);
        break;
    case 3:
        memstore_delete(store, key.data, key.size);
        break;
    default:
        write_new(rng, &key, version);
        break;
    }
}

static void change_on(unsigned thread, void *context)
{
    struct test_rng rng = {seed + thread};

    (void)context;
    while (test_team_goes_on()) {
        const unsigned number = (unsigned)test_below(&rng, KEYS);

        pthread_mutex_lock(&changing[number]);
        const uint64_t version = atomic_fetch_add(&database[number], 1) + 1;
        invalidate(&rng, number, version);
        atomic_store(&floors[number], version);
        pthread_mutex_unlock(&changing[number]);
        atomic_fetch_add(&invalidations, 1);
        maybe_yield(test_random(&rng));
    }
}

static bool is_enough(void)
{
    return atomic_load(&loads) >= ENOUGH_LOADS && atomic_load(&invalidations) >= ENOUGH_LOADS;
}

int main(int argc, char **argv)
{
    struct test_team team = {.count = 0};

    seed = test_seed("stress_load");
    store = test_open("performance.memory_limit=2MB", "shards=4", "performance.lock_timeout=60s",
                      "loader.retry_initial=1ms", "loader.retry_max=1ms", "loader.max_loads=3",
                      "loader.timeout=0", "loader.lease_timeout=10m", NULL);
    for (unsigned i = 0; i < KEYS; i++) {
        pthread_mutex_init(&changing[i], NULL);
        atomic_store(&database[i], 1);
    }
    test_team_start(&team, 6, read_on, NULL);
    test_team_start(&team, 2, change_on, NULL);
    test_team_finish_when(&team, test_seconds(argc, argv, 2), is_enough);

    const memstore_stats stats = test_stats(store);
    CHECK(is_enough());
    CHECK(stats.loads_overtaken != 0);
    CHECK_OK(memstore_clear(store));
    CHECK(test_memory(store).pinned == 0);
    memstore_destroy(store);
    printf("stress_load: 1 passed, 0 failed (%llu reads, %llu loads, %llu coalesced, %llu "
           "overtaken)\n",
           (unsigned long long)reads, (unsigned long long)stats.loads,
           (unsigned long long)stats.loads_coalesced, (unsigned long long)stats.loads_overtaken);
    return 0;
}
