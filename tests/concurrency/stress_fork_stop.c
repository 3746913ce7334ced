/* SPDX-License-Identifier: Apache-2.0 */
/* fork() at moments that chance rarely finds: while a writer is stopped in the middle of its work
 * and others wait. */
#include "support/process.h"
#include "support/stopper.h"
#include "support/support.h"
#include "support/team.h"

#include <sys/wait.h>

#define PATIENCE 120 /* seconds until a call counts as stuck */
#define SETTLE 50    /* milliseconds that a thread is given to come to where it waits */

#if defined(__SANITIZE_THREAD__)
/* fork() holds every lock at once, more than the sanitizer's search for deadlocks has room for. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0:die_after_fork=0";
}
#endif

static memstore *store, *other;

static void *fork_once(void *unused)
{
    int status = -1;

    (void)unused;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return NULL;
}

/* ---- A writer in a read section, a grace period that waits for it, and fork() ---- */

static unsigned char large[64 * 1024];

/* A large entry has a segment of its own, which is about to be retired when it is overwritten. */
static void replace(void *unused)
{
    (void)unused;
    CHECK_OK(memstore_set(store, "key", 3, large, sizeof large, 0));
    CHECK_OK(test_set(store, "key", "first", 0));
}

static void *close_other(void *unused)
{
    (void)unused;
    CHECK_OK(memstore_close(other));
    return NULL;
}

static void fork_passes_a_writer_that_a_grace_period_waits_for(void)
{
    pthread_t closer, forker;

    alarm(PATIENCE); /* a deadlock shows as a signal, not as a hang */
    store = test_open("shards=1", "performance.memory_limit=1MiB", "maintenance=manual",
                      "performance.lock_timeout=1ms", NULL);
    other = test_open("shards=1", "performance.memory_limit=1MiB", "maintenance=manual", NULL);
    test_stop_at(MS_POINT_RETIRING, replace, NULL);

    /* It is in a read section, so this waits. */
    CHECK(pthread_create(&closer, NULL, close_other, NULL) == 0);
    while (test_has(other, "key") != MEMSTORE_ERR_CACHE_CLOSED)
        test_sleep_ms(1);
    test_sleep_ms(SETTLE);
    /* And this waits for its shard, with locks in its hands. */
    CHECK(pthread_create(&forker, NULL, fork_once, NULL) == 0);
    test_sleep_ms(SETTLE);

    test_let_go();
    CHECK(pthread_join(closer, NULL) == 0);
    CHECK(pthread_join(forker, NULL) == 0);
    memstore_destroy(store);
    memstore_destroy(other);
    alarm(0);
}

/* ---- What writers had in hand when their threads did not come along ---- */

/* Stop a writer that has appended an entry and not published it, and run `in_child` in a child. */
static void check_child(void (*write)(void *unused), void (*in_child)(void))
{
    int status = -1;

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write, NULL);
    const pid_t child = test_fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(PATIENCE);
        ms_testing_set_hook(NULL, NULL);
        in_child();
        memstore_destroy(store);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    test_let_go();
    memstore_destroy(store);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        test_fail(__FILE__, __LINE__, "the child ended with wait status %#x", (unsigned)status);
}

static void write_large(void *unused)
{
    (void)unused;
    CHECK_OK(memstore_set(store, "large", 5, large, sizeof large, 0));
}

static void expect_no_segments(void)
{
    CHECK_OK(memstore_clear(store));
    CHECK_OK(memstore_maintain(store, 0));
    CHECK(test_memory(store).segments == 0);
    CHECK(test_memory(store).live == 0 && test_memory(store).dead == 0);
}

static void a_child_gets_the_memory_of_writers_it_does_not_have(void)
{
    store = test_open("shards=1", "performance.memory_limit=1MiB", "maintenance=manual", NULL);
    CHECK_OK(test_set(store, "small", "v", 0));
    check_child(write_large, expect_no_segments);
}

#if !defined(__SANITIZE_THREAD__)
/* ThreadSanitizer lets a child of a process with threads start none, such as for maintenance. */

static void write_brief(void *unused)
{
    (void)unused;
    CHECK_OK(memstore_set(store, "brief", 5, "v", 1, 200));
}

static atomic_uint sweeps;

static void count_sweeps(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point == MS_POINT_RECLAIMING)
        atomic_fetch_add(&sweeps, 1);
}

/* The child's own entry is in the same segment and expires first, so that maintenance begins. */
static void expect_quiet(void)
{
    ms_testing_set_hook(count_sweeps, NULL);
    CHECK_OK(memstore_set(store, "own", 3, "v", 1, 20));
    while (test_memory(store).live > 0)
        test_sleep_ms(5);
    test_sleep_ms(500);
    if (atomic_load(&sweeps) > 20)
        test_fail(__FILE__, __LINE__, "%u sweeps for two entries", atomic_load(&sweeps));
    ms_testing_set_hook(NULL, NULL);
}

static void a_child_does_not_wait_for_writers_it_does_not_have(void)
{
    store = test_open("shards=1", "performance.memory_limit=1MiB", NULL);
    check_child(write_brief, expect_quiet);
}

/* The parent's thread had planned for it; the child's first write, which plans nothing, starts one. */
static void a_child_reclaims_what_its_parents_thread_was_to_reclaim(void)
{
    int status = -1;

    store = test_open("shards=1", "performance.memory_limit=1MiB", NULL);
    CHECK_OK(test_set(store, "brief", "v", 300));
    const pid_t child = test_fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(PATIENCE);
        test_sleep_ms(400);
        CHECK_OK(test_set(store, "later", "v", 300));
        /* Statistics would expire what is due themselves. */
        while (test_memory(store).live > 0)
            test_sleep_ms(5);
        memstore_destroy(store);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    memstore_destroy(store);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        test_fail(__FILE__, __LINE__, "the child ended with wait status %#x", (unsigned)status);
}
#endif

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"fork_passes_a_writer_that_a_grace_period_waits_for",
         fork_passes_a_writer_that_a_grace_period_waits_for},
        {"a_child_gets_the_memory_of_writers_it_does_not_have",
         a_child_gets_the_memory_of_writers_it_does_not_have},
#if !defined(__SANITIZE_THREAD__)
        {"a_child_does_not_wait_for_writers_it_does_not_have",
         a_child_does_not_wait_for_writers_it_does_not_have},
        {"a_child_reclaims_what_its_parents_thread_was_to_reclaim",
         a_child_reclaims_what_its_parents_thread_was_to_reclaim},
#endif
    };

    return test_run_cases("stress_fork_stop", cases, TEST_COUNT_OF(cases),
                          argc > 1 ? argv[1] : NULL);
}
