/* SPDX-License-Identifier: Apache-2.0 */
/* fork() while other threads use the stores: the child may use, close and destroy every one, the
 * parent goes on undisturbed. */
#include "support/await.h"
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define STORES 3
#define KEYS 200

#if defined(__SANITIZE_THREAD__)
/* fork() holds every lock at once, more than the sanitizer's search for deadlocks has room for. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0:die_after_fork=0";
}
#endif

static memstore *stores[STORES];
static uint64_t seed;
static atomic_uint_least64_t calls;

/* A change of the limit holds a lock of its own for long. */
static void reconfigure(memstore *store, struct test_rng *rng)
{
    static const char *const limits[] = {"3MiB", "6MiB", "8MiB"};

    CHECK_OK(
        memstore_reconfigure(store, "performance.gc_percent", test_one_in(rng, 2) ? "20" : "100"));
    if (store == stores[0])
        CHECK_OK(memstore_reconfigure(store, "performance.memory_limit",
                                      limits[test_below(rng, TEST_COUNT_OF(limits))]));
}

static void use(memstore *store, struct test_rng *rng, unsigned number)
{
    const uint64_t key = test_below(rng, KEYS);
    unsigned char value[3000];
    const size_t size = sizeof(struct test_stamp) + test_below(rng, 2500);
    struct test_stamp stamp;
    memstore_view view;

    if (test_one_in(rng, 40))
        reconfigure(store, rng);
    test_stamp_write(value, size, (struct test_stamp){.key = key, .writer = number});
    if (test_one_in(rng, 3)) {
        const memstore_entry pair[2] = {{{&key, sizeof key}, value, size, 0},
                                        {{"both", 4}, value, size, 0}};
        CHECK_OK(memstore_set_many(store, pair, 2));
    } else if (test_one_in(rng, 3)) {
        CHECK_OK(
            memstore_set_async(store, &key, sizeof key, value, size, (int64_t)test_below(rng, 20)));
    } else {
        CHECK_OK(memstore_set(store, &key, sizeof key, value, size, (int64_t)test_below(rng, 20)));
    }
    const int status = memstore_get_view(store, &key, sizeof key, &view);
    if (status == MEMSTORE_OK) {
        CHECK(test_stamp_read(view.data, view.size, &stamp) && stamp.key == key);
        memstore_view_release(&view);
    } else {
        CHECK_STATUS(status, MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

static void keep_using(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        use(stores[test_below(&rng, STORES)], &rng, number);
        atomic_fetch_add(&calls, 1);
    }
}

static void expire_unaided(void)
{
#if !defined(__SANITIZE_THREAD__)
    /* The maintenance thread did not come along; it is started again when the child first needs
     * it. ThreadSanitizer lets a child of a process with threads start none. */
    memstore *fresh = test_open("performance.memory_limit=1MiB", NULL);

    CHECK_OK(memstore_set(fresh, "k", 1, "v", 1, 5));
    TEST_AWAIT(test_memory(fresh).live == 0);
    memstore_destroy(fresh);
#endif
}

static _Noreturn void be_child(memstore_view *view)
{
    struct test_rng rng = {seed ^ (uint64_t)getpid()};
    struct test_stamp stamp;

    alarm(120); /* a deadlock shows as a signal, not as a hang */
    CHECK(test_stamp_read(view->data, view->size, &stamp));
    memstore_view_release(view);
    for (unsigned s = 0; s < STORES; s++) {
        for (unsigned i = 0; i < 200; i++)
            use(stores[s], &rng, 99);
        CHECK_OK(memstore_flush(stores[s]));
        CHECK_OK(memstore_clear(stores[s]));
        CHECK(memstore_size(stores[s]) == 0);
        CHECK_OK(memstore_set(stores[s], "k", 1, "v", 1, 0));
        CHECK(memstore_size(stores[s]) == 1);
        if (s > 0)
            CHECK_OK(memstore_close(stores[s]));
        memstore_destroy(stores[s]);
    }
    expire_unaided();
    _exit(0);
}

static void fork_once(void)
{
    memstore_view view;
    unsigned char value[100];
    int status = -1;

    test_stamp_write(value, sizeof value, (struct test_stamp){.key = 1});
    CHECK_OK(memstore_set(stores[0], "parent", 6, value, sizeof value, 0));
    CHECK_OK(memstore_get_view(stores[0], "parent", 6, &view));

    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        be_child(&view);
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        test_fail(__FILE__, __LINE__, "the child ended with wait status %#x", (unsigned)status);

    /* What the child did to its copy did nothing to ours. */
    CHECK(view.size == sizeof value && memcmp(view.data, value, sizeof value) == 0);
    memstore_view_release(&view);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);
    struct test_team team = {0};
    unsigned forks = 0;

#if defined(__SANITIZE_THREAD__)
    /* ThreadSanitizer lets a child of a process with threads start none, and a child's first
     * reclaiming starts the maintenance thread. 77 tells the runner that nothing was tested. */
    puts("stress_fork: skipped under ThreadSanitizer");
    return 77;
#endif
    seed = test_seed("stress_fork");
    stores[0] = test_open("shards=16", "performance.memory_limit=8MiB",
                          "performance.lock_timeout=60s", NULL);
    stores[1] =
        test_open("shards=1", "performance.memory_limit=512KiB",
                  "performance.max_concurrent_readers=3", "performance.max_concurrent_writers=2",
                  "performance.lock_timeout=60s", "performance.batch_timeout=1ms", NULL);
    stores[2] = test_open("maintenance=manual", "performance.memory_limit=4MiB", "eviction=lru",
                          "performance.lock_timeout=60s", NULL);
    test_team_start(&team, 4, keep_using, NULL);
    for (const double end = test_now() + seconds; test_now() < end; forks++)
        fork_once();
    const uint64_t before = atomic_load(&calls);
    test_team_finish(&team, 0.1);
    CHECK(atomic_load(&calls) > before);
    for (unsigned s = 0; s < STORES; s++)
        memstore_destroy(stores[s]);
    printf("ok   %u forks\nstress_fork: 1 passed, 0 failed\n", forks);
    return 0;
}
