/* SPDX-License-Identifier: Apache-2.0 */
/* fork() in loaders, and beside them. Threads load the same few keys of several stores with a loader that
 * sleeps, fails, asks to be called again, loads other keys, writes its own, and forks. In the child, where
 * the other threads are not, every key can be loaded, what was written is there, and a load that the
 * forking thread is in goes on to its end; then each store is closed and destroyed. */
#include "support/process.h"
#include "support/support.h"
#include "support/team.h"

#include <memstore/loader.h>
#include <pthread.h>
#include <stdlib.h>

#define THREADS 4
#define STORES 3
#define KEYS 6
#define DEEPEST 3
/* A child that went through all of it. */
#define CHILD_IS_DONE 7
#define ENOUGH_FORKS 10

#if defined(__SANITIZE_THREAD__)
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0:die_after_fork=0";
}
#endif

enum { PLAIN, BOUNDED, FORGETFUL };

/* What is kept under a key. */
struct row {
    uint32_t store, key;
};

static memstore *stores[STORES];
static uint64_t seed;
static bool is_child;
static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER; /* a child may not fork in turn */
static atomic_bool rests;                                   /* somebody is about to fork */
static atomic_uint_least64_t forks_in_loaders, forks_beside, loads;

/* Of the calling thread. */
static __thread struct {
    struct test_rng rng;
    unsigned number;
    uint64_t written;            /* last, under its own key */
    struct row leading[DEEPEST]; /* the loads that it is in */
    unsigned depth;
    bool leads_all[STORES]; /* perhaps */
} me;

/* Threads that sleep are not in the allocator, which AddressSanitizer's fork() leaves locked. */
static void rest(void)
{
#if defined(__SANITIZE_ADDRESS__)
    while (atomic_load(&rests) && !is_child)
        test_sleep_ms(1);
#endif
}

static memstore_key key_of(const struct row *row, char name[16])
{
    return (memstore_key){name, (size_t)snprintf(name, 16, "row/%u", row->key)};
}

static memstore_key own_key(unsigned number, char name[16])
{
    return (memstore_key){name, (size_t)snprintf(name, 16, "own/%u", number)};
}

static bool is_leading(const struct row *row)
{
    bool leads = me.leads_all[row->store];

    for (unsigned i = 0; i < me.depth; i++)
        leads = leads || (me.leading[i].store == row->store && me.leading[i].key == row->key);
    return leads;
}

static struct row random_row(unsigned store)
{
    return (struct row){store, (uint32_t)test_below(&me.rng, KEYS)};
}

/* ---- Loading ---- */

static void fork_in_loader(void);
static void ask(struct row row);

/* What a loader does beside giving the value. */
static int misbehave(struct row row)
{
    char name[16];
    const memstore_key key = key_of(&row, name);

    switch (test_below(&me.rng, 16)) {
    case 0:
    case 1:
        test_sleep_ms(1 + (unsigned)test_below(&me.rng, 2));
        return MEMSTORE_LOAD_OK;
    case 2:
        return MEMSTORE_LOAD_FAILED;
    case 3:
        return MEMSTORE_LOAD_ABSENT;
    case 4:
        return MEMSTORE_LOAD_RETRY;
    case 5:
        /* Not where loaders hold the places of the views that they would wait for. */
        if (me.depth < DEEPEST)
            ask(random_row(test_one_in(&me.rng, 2) ? PLAIN : FORGETFUL));
        return MEMSTORE_LOAD_OK;
    case 6:
        CHECK_OK(memstore_set(stores[row.store], key.data, key.size, &row, sizeof row, 0));
        return MEMSTORE_LOAD_OK;
    case 7:
        (void)memstore_delete(stores[row.store], key.data, key.size);
        return MEMSTORE_LOAD_FAILED;
    case 8:
        if (test_one_in(&me.rng, 2))
            fork_in_loader();
        return MEMSTORE_LOAD_OK;
    default:
        return MEMSTORE_LOAD_OK;
    }
}

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    const uint32_t store = (uint32_t)((memstore **)context - stores);
    char name[16] = "";

    CHECK(key_size < sizeof name);
    memcpy(name, key, key_size);
    const struct row row = {store, (uint32_t)(name[4] - '0')};
    CHECK(row.key < KEYS);
    rest();
    atomic_fetch_add(&loads, 1);
    CHECK(me.depth < DEEPEST + 1);
    int result = MEMSTORE_LOAD_OK;
    if (!is_child && me.depth < DEEPEST) {
        me.leading[me.depth++] = row;
        result = misbehave(row);
        me.depth--;
    }
    if (result != MEMSTORE_LOAD_OK)
        return result;
    out->value = out->release_context = memcpy(malloc(sizeof row), &row, sizeof row);
    out->value_size = sizeof row;
    out->release = free;
    return result;
}

static memstore_loader loader_of(unsigned store)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader),
                             .load = load,
                             .context = &stores[store],
                             .ttl_ms = 1 + (int64_t)test_below(&me.rng, 20)};
}

/* ---- In the child ---- */

static bool may_be(const struct row *row, int status)
{
    return status == MEMSTORE_OK ||
           (status == MEMSTORE_ERR_KEY_NOT_FOUND && row->store == FORGETFUL) ||
           (status == MEMSTORE_ERR_LOADER_FAILED && is_leading(row));
}

static void check_row(const struct row *row, memstore_view *view)
{
    CHECK(view->size == sizeof *row && memcmp(view->data, row, sizeof *row) == 0);
    memstore_view_release(view);
}

/* What is loaded, if anything is, is right. */
static int get_or_load(const struct row *row)
{
    const memstore_loader loader = loader_of(row->store);
    char name[16];
    const memstore_key key = key_of(row, name);
    memstore_view view;
    const int status = memstore_get_or_load(stores[row->store], key.data, key.size, &loader, &view);

    if (status == MEMSTORE_OK)
        check_row(row, &view);
    return status;
}

static void load_well(struct row row)
{
    const int status = get_or_load(&row);

    if (!may_be(&row, status))
        test_fail(__FILE__, __LINE__, "store %u, key %u: %s", row.store, row.key,
                  memstore_status_name(status));
}

/* What each thread has written last is there; of the others' keys it is not known what that is. */
static void check_own_keys(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        memstore_view view;
        char name[16];
        const memstore_key key = own_key(i, name);
        const int status = memstore_get_view(stores[PLAIN], key.data, key.size, &view);
        uint64_t number;

        if (status == MEMSTORE_ERR_KEY_NOT_FOUND && i != me.number)
            continue;
        CHECK_OK(status);
        CHECK(view.size == sizeof number);
        memcpy(&number, view.data, sizeof number);
        CHECK(i != me.number || number == me.written);
        memstore_view_release(&view);
    }
}

static void use_store(unsigned store)
{
    char text[16];

    for (unsigned i = 0; i < KEYS; i++)
        load_well((struct row){store, i});
    snprintf(text, sizeof text, "%d", (int)getpid());
    CHECK_OK(test_set(stores[store], "child", text, 0));
    CHECK(test_holds(stores[store], "child", text));
    CHECK_OK(test_delete(stores[store], "child"));
    if (me.depth != 0 && me.leading[me.depth - 1].store == store)
        CHECK_STATUS(memstore_close(stores[store]), MEMSTORE_ERR_UNSUPPORTED);
}

static void use_all(void)
{
    for (unsigned s = 0; s < STORES; s++)
        use_store(s);
    check_own_keys();
}

static _Noreturn void end_child(void)
{
    use_all();
    for (unsigned s = 0; s < STORES; s++) {
        CHECK_OK(memstore_close(stores[s]));
        /* Beside the store, which takes nothing any more. */
        load_well(random_row(s));
        memstore_destroy(stores[s]);
    }
    _exit(CHILD_IS_DONE);
}

/* ---- Forking ---- */

static pid_t fork_one(void)
{
    pthread_mutex_lock(&forking);
    atomic_store(&rests, true);
    const pid_t child = test_fork();
    if (child == 0) {
        is_child = true;
        alarm(120); /* a deadlock shows as a signal, not as a hang */
        return child;
    }
    atomic_store(&rests, false);
    pthread_mutex_unlock(&forking);
    return child;
}

static void check_child(pid_t child)
{
    const int status = test_child_status(child);

    if (status != CHILD_IS_DONE)
        test_fail(__FILE__, __LINE__, "a child ended with status %d", status);
}

/* The child ends here, or goes on to load, as its parent does. */
static void fork_in_loader(void)
{
    const bool ends = test_one_in(&me.rng, 2);
    const pid_t child = fork_one();

    if (child == 0) {
        use_all();
        if (ends)
            _exit(CHILD_IS_DONE);
        return;
    }
    check_child(child);
    atomic_fetch_add(&forks_in_loaders, 1);
}

static void fork_beside(void)
{
    const pid_t child = fork_one();

    if (child == 0)
        end_child();
    check_child(child);
    atomic_fetch_add(&forks_beside, 1);
}

/* ---- Threads ---- */

static void ask(struct row row)
{
    const int status = get_or_load(&row);

    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_KEY_NOT_FOUND)
        CHECK_STATUS(status, MEMSTORE_ERR_LOADER_FAILED);
    if (is_child && me.depth == 0)
        end_child();
}

static void ask_for_all(unsigned store)
{
    const memstore_loader loader = loader_of(store);
    memstore_key keys[KEYS];
    char names[KEYS][16];
    memstore_view views[KEYS];

    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = key_of(&(struct row){store, i}, names[i]);
    me.leads_all[store] = true;
    const int status = memstore_get_or_load_many(stores[store], keys, KEYS, &loader, views, NULL);
    me.leads_all[store] = false;
    for (unsigned i = 0; status == MEMSTORE_OK && i < KEYS; i++) {
        if (views[i].data != NULL)
            check_row(&(struct row){store, i}, &views[i]);
    }
    if (status != MEMSTORE_OK)
        CHECK_STATUS(status, MEMSTORE_ERR_LOADER_FAILED);
    if (is_child && me.depth == 0)
        end_child();
}

static void hold_lease(struct row row)
{
    char name[16];
    const memstore_key key = key_of(&row, name);
    memstore_lease *lease;
    memstore_view view;
    const int status =
        memstore_lease_acquire(stores[row.store], key.data, key.size, 5, &lease, &view);

    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND ||
          status == MEMSTORE_ERR_LOCK_TIMEOUT || status == MEMSTORE_ERR_LOADER_FAILED);
    memstore_view_release(&view);
    if (lease == NULL)
        return;
    rest();
    test_sleep_ms(1);
    if (test_one_in(&me.rng, 3))
        (void)memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    else
        (void)memstore_lease_fill(lease, &row, sizeof row, 10, NULL);
}

static void write_own(void)
{
    char name[16];
    const memstore_key key = own_key(me.number, name);

    me.written++;
    CHECK_OK(memstore_set(stores[PLAIN], key.data, key.size, &me.written, sizeof me.written, 0));
}

static void keep_loading(unsigned number, void *context)
{
    (void)context;
    me.rng.state = seed + number;
    me.number = number;
    while (test_team_goes_on()) {
        const unsigned store = (unsigned)test_below(&me.rng, STORES);

        rest();
        write_own();
        switch (test_below(&me.rng, 8)) {
        case 0:
            ask_for_all(store);
            break;
        case 1:
            hold_lease(random_row(store));
            break;
        case 2:
            if (test_one_in(&me.rng, 100))
                fork_beside();
            break;
        default:
            ask(random_row(store));
        }
        check_own_keys();
    }
}

static bool enough(void)
{
    return atomic_load(&forks_in_loaders) >= ENOUGH_FORKS && atomic_load(&forks_beside) != 0;
}

static void check_at_the_end(void)
{
    is_child = true; /* in that loaders behave from now on */
    me.number = THREADS;
    for (unsigned s = 0; s < STORES; s++) {
        use_store(s);
        CHECK(test_memory(stores[s]).pinned == 0);
        CHECK_OK(memstore_close(stores[s]));
        memstore_destroy(stores[s]);
    }
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 2);
    struct test_team team = {0};

    seed = test_seed("stress_fork_load");
    alarm((unsigned)seconds + 720);
    /* ThreadSanitizer lets a child start no thread, of which maintenance is one. */
    stores[PLAIN] =
        test_open("maintenance=manual", "performance.memory_limit=8MiB", "loader.negative_ttl=0",
                  "loader.max_loads=2", "loader.timeout=1m", "loader.retry_initial=1ms",
                  "loader.retry_max=1ms", "loader.lease_timeout=20ms", "loader.refresh_after=3ms",
                  "performance.lock_timeout=1m", NULL);
    stores[BOUNDED] = test_open(
        "maintenance=manual", "performance.memory_limit=8MiB",
        "performance.max_concurrent_readers=32", "performance.lock_timeout=1m",
        "loader.negative_ttl=0", "loader.max_load_bytes=16KiB", "loader.timeout=1m",
        "loader.retry_initial=1ms", "loader.retry_max=1ms", "loader.lease_timeout=20ms", NULL);
    stores[FORGETFUL] = test_open(
        "maintenance=manual", "performance.memory_limit=8MiB", "loader.negative_ttl=2ms",
        "loader.max_stale=1s", "loader.timeout=1m", "loader.retry_initial=1ms",
        "loader.retry_max=1ms", "loader.lease_timeout=20ms", "performance.lock_timeout=1m", NULL);
    test_team_start(&team, THREADS, keep_loading, NULL);
    test_team_finish_when(&team, seconds, enough);
    check_at_the_end();
    printf("ok   %llu loads, %llu forks in loaders, %llu beside\n"
           "stress_fork_load: 1 passed, 0 failed\n",
           (unsigned long long)loads, (unsigned long long)forks_in_loaders,
           (unsigned long long)forks_beside);
    return 0;
}
