/* SPDX-License-Identifier: Apache-2.0 */
/* Loads that fail, that are retried, made by loaders in turn, given up by who leads or waits, and ended by close, in stores
 * with random settings, while others change the database and invalidate. Whatever a load comes to, nobody is given what is
 * older than a change whose invalidation had returned when he asked; where nobody gives up, a key is loaded by one at a
 * time; everybody gets an answer; and at rest nothing is held or pinned. */
#include "platform/wait.h"
#include "support/support.h"
#include "support/team.h"

#include <memstore/loader.h>
#include <sched.h>
#include <stdlib.h>

#define KEYS 8
#define READERS 6
#define MOST_AT_ONCE 4
/* Of so many changes one is that the row is gone. */
#define GONE_EACH 4
#define ROUND_MS 150

/* What one round is like. */
struct round {
    bool impatient; /* readers give up */
    bool closes;    /* while they read */
    bool bypasses;  /* on_store_error */
    bool fails;     /* the loader, at times */
    /* Views have places. Who asks for several, or in a loader, would hold some while he waits for others, for as long as
     * the store lets him wait. */
    bool has_places;
    atomic_bool closing;
};

static memstore *store;
static uint64_t seed;
static struct round now;
static int64_t stops[READERS];
/* How often each row was changed, and the last change whose invalidation has returned. */
static atomic_uint_least64_t database[KEYS], floors[KEYS];
/* Changes that may overtake loads. */
static atomic_uint_least64_t begun, ended;
static pthread_mutex_t changing[KEYS];
static atomic_uint_least64_t loads, reads, failures, given_up, overlaps;

/* ---- One load at a time ---- */

/* A call, and how many changes had ended before it. */
struct request {
    struct test_rng *rng;
    uint64_t ended;
    unsigned depth;
};

static pthread_mutex_t loading_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned loading[KEYS];
/* How few changes had ended when one of those asked who have loaded since nobody did. */
static uint64_t asked_after[KEYS];

static struct request request_of(struct test_rng *rng, unsigned depth)
{
    return (struct request){.rng = rng, .ended = atomic_load(&ended), .depth = depth};
}

/* Who loads beside another does so because the key was changed since one of them asked. */
static void enter_load(const struct request *request, unsigned number)
{
    pthread_mutex_lock(&loading_lock);
    const bool is_alone = loading[number]++ == 0;
    if (is_alone || request->ended < asked_after[number])
        asked_after[number] = request->ended;
    atomic_fetch_add(&overlaps, !is_alone);
    if (!is_alone && !now.impatient && !atomic_load(&now.closing) &&
        asked_after[number] == atomic_load(&begun))
        test_fail(__FILE__, __LINE__, "key %u is loaded twice at once", number);
    pthread_mutex_unlock(&loading_lock);
}

static void leave_load(unsigned number)
{
    pthread_mutex_lock(&loading_lock);
    loading[number]--;
    pthread_mutex_unlock(&loading_lock);
}

/* ---- The database ---- */

static memstore_key key_of(unsigned number, char name[16])
{
    return (memstore_key){name, (size_t)snprintf(name, 16, "row/%02u", number)};
}

static unsigned number_of(const memstore_key *key)
{
    return (unsigned)(((const char *)key->data)[key->size - 1] - '0');
}

static bool is_gone(uint64_t version)
{
    return version % GONE_EACH == 0;
}

static void maybe_wait(struct test_rng *rng)
{
    if (test_one_in(rng, 20))
        test_sleep_ms((unsigned)test_below(rng, 4));
    for (uint64_t i = test_below(rng, 4); i > 0; i--)
        sched_yield();
}

static void read_one(struct test_rng *rng, unsigned depth);

/* What the database says of one row, as a result of a loader. */
static int ask(const struct request *request, const memstore_key *key, memstore_load_value *out)
{
    const uint64_t version = atomic_load(&database[number_of(key)]);

    atomic_fetch_add(&loads, 1);
    if (test_one_in(request->rng, 20))
        return MEMSTORE_LOAD_RETRY;
    if (now.fails && test_one_in(request->rng, 3))
        return MEMSTORE_LOAD_FAILED;
    if (is_gone(version))
        return MEMSTORE_LOAD_ABSENT;
    out->value = out->release_context = malloc(sizeof version);
    out->value_size = sizeof version;
    memcpy(out->release_context, &version, sizeof version);
    out->release = free;
    return MEMSTORE_LOAD_OK;
}

static bool loads_another(const struct request *request)
{
    return request->depth < 3 && !now.has_places && test_one_in(request->rng, 8);
}

static int load(const void *data, size_t size, memstore_load_value *out, void *context)
{
    const struct request *request = context;
    const memstore_key key = {data, size};

    enter_load(request, number_of(&key));
    /* What a loader waits for comes before it looks. */
    if (loads_another(request))
        read_one(request->rng, request->depth + 1);
    const int result = ask(request, &key, out);
    maybe_wait(request->rng);
    leave_load(number_of(&key));
    return result;
}

static int load_many(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    const struct request *request = context;

    for (size_t i = 0; i < n; i++)
        enter_load(request, number_of(&keys[i]));
    if (loads_another(request))
        read_one(request->rng, request->depth + 1);
    const bool fail = now.fails && test_one_in(request->rng, 10);
    for (size_t i = 0; i < n && !fail; i++)
        out[i].result = ask(request, &keys[i], &out[i]);
    maybe_wait(request->rng);
    for (size_t i = 0; i < n; i++)
        leave_load(number_of(&keys[i]));
    return fail ? MEMSTORE_LOAD_FAILED : MEMSTORE_LOAD_OK;
}

/* ---- Answers ---- */

static bool was_gone_since(unsigned number, uint64_t least)
{
    const uint64_t first = (least + GONE_EACH - 1) / GONE_EACH * GONE_EACH;

    return first <= atomic_load(&database[number]);
}

static void check_value(unsigned number, uint64_t least, memstore_view *view)
{
    uint64_t version;

    CHECK(view->size == sizeof version);
    memcpy(&version, view->data, sizeof version);
    memstore_view_release(view);
    if (version < least || is_gone(version))
        test_fail(__FILE__, __LINE__, "key %u: version %llu, asked for at %llu", number,
                  (unsigned long long)version, (unsigned long long)least);
}

/* A loader that waits for its own load has failed, and so has the load of those who wait for him. */
static void check_failure(int status)
{
    const bool gives_up = status == MEMSTORE_ERR_LOCK_TIMEOUT;

    atomic_fetch_add(gives_up ? &given_up : &failures, 1);
    if (!(gives_up && now.impatient) && status != MEMSTORE_ERR_LOADER_FAILED &&
        !(status == MEMSTORE_ERR_CACHE_CLOSED && atomic_load(&now.closing)))
        test_fail(__FILE__, __LINE__, "a load gave %s", memstore_status_name(status));
}

static void check_result(unsigned number, uint64_t least, int status, memstore_view *view)
{
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        CHECK(was_gone_since(number, least));
    else if (status == MEMSTORE_OK)
        check_value(number, least, view);
    else
        check_failure(status);
    atomic_fetch_add(&reads, 1);
}

/* ---- Readers ---- */

static memstore_loader loader_of(struct request *request)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader),
                             .load = load,
                             .load_many = test_one_in(request->rng, 2) ? load_many : NULL,
                             .context = request,
                             .ttl_ms = 1 + (int64_t)test_below(request->rng, 20),
                             .wait_ms = now.impatient ? (int64_t)test_below(request->rng, 4) : 0,
                             .name = "database"};
}

static void read_one(struct test_rng *rng, unsigned depth)
{
    const unsigned number = (unsigned)test_below(rng, KEYS);
    struct request request = request_of(rng, depth);
    const memstore_loader loader = loader_of(&request);
    const uint64_t least = atomic_load(&floors[number]);
    char name[16];
    const memstore_key key = key_of(number, name);
    memstore_view view;
    const int status = memstore_get_or_load(store, key.data, key.size, &loader, &view);

    check_result(number, least, status, &view);
}

static void read_many(struct test_rng *rng)
{
    struct request request = request_of(rng, 0);
    const memstore_loader loader = loader_of(&request);
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
    const int status = memstore_get_or_load_many(store, keys, MOST_AT_ONCE, &loader, views, NULL);
    for (unsigned i = 0; i < MOST_AT_ONCE; i++) {
        int of_key = status;
        if (status == MEMSTORE_OK && views[i].data == NULL)
            of_key = MEMSTORE_ERR_KEY_NOT_FOUND;
        CHECK(status == MEMSTORE_OK || views[i].data == NULL);
        check_result(numbers[i], least[i], of_key, &views[i]);
    }
}

/* Fill a lease, or end it in any other way. */
static void end_lease(struct test_rng *rng, unsigned number, uint64_t least, memstore_lease *lease)
{
    const uint64_t version = atomic_load(&database[number]);
    memstore_view view = {0};

    maybe_wait(rng);
    if (test_one_in(rng, 4)) {
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    } else if (now.fails && test_one_in(rng, 3)) {
        if (memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view) == MEMSTORE_OK)
            check_value(number, least, &view);
    } else if (is_gone(version)) {
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABSENT, NULL);
    } else {
        memstore_lease_fill(lease, &version, sizeof version, 10, &view);
        if (view.data != NULL)
            check_value(number, least, &view);
    }
}

static void read_by_lease(struct test_rng *rng)
{
    const unsigned number = (unsigned)test_below(rng, KEYS);
    const uint64_t least = atomic_load(&floors[number]);
    const int64_t wait_ms = now.impatient ? (int64_t)test_below(rng, 4) : 60000;
    char name[16];
    const memstore_key key = key_of(number, name);
    memstore_lease *lease;
    memstore_view view;
    const int status = memstore_lease_acquire(store, key.data, key.size, wait_ms, &lease, &view);

    if (status != MEMSTORE_OK || view.data != NULL)
        check_result(number, least, status, &view);
    if (status == MEMSTORE_OK && lease != NULL)
        end_lease(rng, number, least, lease);
}

static bool waits_on(void *rng)
{
    return !test_one_in(rng, 3);
}

static void read_any(struct test_rng *rng)
{
    const uint64_t choice = test_below(rng, 10);

    if (choice < 6 || now.has_places)
        read_one(rng, 0);
    else if (choice < 8)
        read_many(rng);
    else
        read_by_lease(rng);
}

/* With waits that end by themselves, or by another thread, or when asked. */
static void read_impatiently(struct test_rng *rng, unsigned thread)
{
    struct ms_wait_asked asked = {waits_on, rng, false};
    const uint64_t choice = test_below(rng, 4);

    if (choice == 0)
        memstore_bound_waits((int64_t)test_below(rng, 3), NULL);
    else if (choice == 1)
        memstore_bound_waits(-1, &stops[thread]);
    else if (choice == 2)
        ms_wait_asked = &asked;
    read_any(rng);
    ms_wait_asked = NULL;
    memstore_bound_waits(-1, NULL);
}

static void read_on(unsigned thread, void *context)
{
    struct test_rng rng = {*(const uint64_t *)context + thread};

    while (test_team_goes_on()) {
        if (now.impatient)
            read_impatiently(&rng, thread);
        else
            read_any(&rng);
    }
}

static void stop_on(unsigned thread, void *context)
{
    struct test_rng rng = {*(const uint64_t *)context + thread};

    while (test_team_goes_on()) {
        const uint64_t reader = test_below(&rng, READERS);

        __atomic_store_n(&stops[reader], 1, __ATOMIC_RELAXED);
        test_sleep_ms(1);
        __atomic_store_n(&stops[reader], 0, __ATOMIC_RELAXED);
    }
}

/* ---- Those who change the database ---- */

static int invalidate(struct test_rng *rng, unsigned number, uint64_t version)
{
    char name[16];
    const memstore_key key = key_of(number, name);

    switch (test_below(rng, 8)) {
    case 0:
        return memstore_clear(store);
    case 1:
        return memstore_delete_by_pattern(store, "row/*", 5, NULL);
    case 2:
        return memstore_delete_many(store, &key, 1, NULL);
    case 3:
    case 4:
        if (!is_gone(version))
            return memstore_set(store, key.data, key.size, &version, sizeof version, 5);
        /* fall through */
    default:
        return memstore_delete(store, key.data, key.size);
    }
}

static void change(struct test_rng *rng, unsigned number)
{
    pthread_mutex_lock(&changing[number]);
    atomic_fetch_add(&begun, 1);
    const uint64_t version = atomic_fetch_add(&database[number], 1) + 1;
    const int status = invalidate(rng, number, version);
    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_KEY_NOT_FOUND &&
        !(status == MEMSTORE_ERR_CACHE_CLOSED && atomic_load(&now.closing)))
        test_fail(__FILE__, __LINE__, "a change gave %s", memstore_status_name(status));
    atomic_fetch_add(&ended, 1);
    atomic_store(&floors[number], version);
    pthread_mutex_unlock(&changing[number]);
}

static void change_on(unsigned thread, void *context)
{
    struct test_rng rng = {*(const uint64_t *)context + thread};

    while (test_team_goes_on()) {
        change(&rng, (unsigned)test_below(&rng, KEYS));
        maybe_wait(&rng);
        if (test_one_in(&rng, 20))
            test_sleep_ms(10);
    }
}

static void reconfigure_on(unsigned thread, void *context)
{
    static const char *const values[] = {"0", "1", "1000"};
    struct test_rng rng = {*(const uint64_t *)context + thread};

    while (test_team_goes_on()) {
        memstore_reconfigure(store, "loader.max_absent", values[test_below(&rng, 3)]);
        test_sleep_ms(2);
    }
}

/* ---- Rounds ---- */

#define CHOOSE(...)                                                                                \
    (const char *const[]){                                                                         \
        __VA_ARGS__}[test_below(rng, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))]

static void open_store(struct test_rng *rng)
{
    /* Who waits for a place, or for another attempt, may wait in vain. */
    const char *const patience =
        now.impatient ? CHOOSE("loader.timeout=0", "loader.timeout=3ms") : "loader.timeout=0";
    const char *const readers = now.has_places ? "performance.max_concurrent_readers=3"
                                               : "performance.max_concurrent_readers=0";

    store = test_open(
        "performance.memory_limit=2MB", "performance.lock_timeout=60s", "loader.retry_initial=1ms",
        "loader.retry_max=2ms", patience, readers,
        now.bypasses ? "loader.on_store_error=bypass" : "loader.on_store_error=fail",
        CHOOSE("shards=1", "shards=4"),
        CHOOSE("loader.max_loads=0", "loader.max_loads=1", "loader.max_loads=3"),
        CHOOSE("loader.max_load_bytes=0", "loader.max_load_bytes=1KiB"),
        CHOOSE("loader.max_stale=0", "loader.max_stale=20ms"),
        CHOOSE("loader.refresh_after=0", "loader.refresh_after=2ms"),
        CHOOSE("loader.negative_ttl=0", "loader.negative_ttl=1ms", "loader.negative_ttl=1s"),
        CHOOSE("loader.breaker_failures=0", "loader.breaker_failures=2"), "loader.breaker_open=1ms",
        now.impatient ? "loader.lease_timeout=2ms" : "loader.lease_timeout=10m",
        CHOOSE("eviction=lru", "eviction=adaptive"), NULL);
}

/* Nothing is held for anybody any more: each key can be loaded, with nothing to wait for. */
static void check_rest(struct test_rng *rng)
{
    now.fails = now.impatient = false;
    test_sleep_ms(2);
    for (unsigned i = 0; i < KEYS; i++) {
        struct request request = request_of(rng, 3);
        memstore_loader loader = loader_of(&request);
        char name[16];
        const memstore_key key = key_of(i, name);
        memstore_view view;

        CHECK(memstore_delete(store, key.data, key.size) != MEMSTORE_ERR_LOCK_TIMEOUT);
        const int status = memstore_get_or_load(store, key.data, key.size, &loader, &view);
        check_result(i, atomic_load(&floors[i]), status, &view);
        CHECK(loading[i] == 0);
    }
    CHECK_OK(memstore_clear(store));
    CHECK(test_memory(store).pinned == 0);
}

static void run_round(struct test_rng *rng)
{
    struct test_team team = {.count = 0};
    uint64_t of_threads = test_random(rng);

    now.impatient = test_one_in(rng, 2);
    now.has_places = now.impatient && test_one_in(rng, 3);
    now.closes = test_one_in(rng, 3);
    now.bypasses = test_one_in(rng, 2);
    now.fails = test_one_in(rng, 2);
    atomic_store(&now.closing, false);
    open_store(rng);
    test_team_start(&team, READERS, read_on, &of_threads);
    test_team_start(&team, 2, change_on, &of_threads);
    test_team_start(&team, 1, reconfigure_on, &of_threads);
    if (now.impatient)
        test_team_start(&team, 1, stop_on, &of_threads);
    if (now.closes) {
        test_sleep_ms(ROUND_MS / 2);
        atomic_store(&now.closing, true);
        CHECK_OK(memstore_close(store));
    }
    /* A store that is closed is asked for a moment only. */
    test_team_finish(&team, now.closes ? 0.01 : ROUND_MS / 1000.0);
    if (!now.closes)
        check_rest(rng);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double end = test_now() + test_seconds(argc, argv, 2);
    unsigned rounds = 0;

    seed = test_seed("stress_load_failures");
    struct test_rng rng = {seed};
    for (unsigned i = 0; i < KEYS; i++) {
        pthread_mutex_init(&changing[i], NULL);
        atomic_store(&database[i], 1);
    }
    for (; test_now() < end || rounds < 8; rounds++)
        run_round(&rng);
    printf("stress_load_failures: 1 passed, 0 failed (%u rounds, %llu reads, %llu loads, %llu "
           "failed, %llu given up, %llu beside another)\n",
           rounds, (unsigned long long)reads, (unsigned long long)loads,
           (unsigned long long)failures, (unsigned long long)given_up,
           (unsigned long long)overlaps);
    return 0;
}
