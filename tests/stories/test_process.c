/* SPDX-License-Identifier: Apache-2.0 */
/* Stores and the process they live in: threads, signals, fork, and what is left when a store
 * goes. */
#include "support/await.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/stopper.h"
#include "support/team.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void fill(memstore *store, unsigned count, size_t size, int64_t ttl)
{
    unsigned char *value = test_bytes(size, count);

    for (unsigned i = 0; i < count; i++)
        assert_ok(memstore_set(store, &i, sizeof i, value, size, ttl));
    free(value);
}

Test(process, size_counts_entries_and_nothing_else)
{
    memstore *store = test_open_defaults();

    fill(store, 1000, 10, 60000);
    cr_assert_eq(memstore_size(store), 1000, "with a TTL each");
    fill(store, 1000, 20, 0);
    cr_assert_eq(memstore_size(store), 1000, "overwritten");
    fill(store, 1500, 30, 30000);
    cr_assert_eq(memstore_size(store), 1500);
    for (unsigned i = 0; i < 1500; i += 2)
        assert_ok(memstore_delete(store, &i, sizeof i));
    cr_assert_eq(memstore_size(store), 750);
    cr_assert_eq(test_stats(store).entries, 750);
    memstore_destroy(store);
}

Test(process, clear_is_true_when_it_returns)
{
    memstore *store = test_open_defaults();
    uint64_t count = 99;

    for (unsigned round = 0; round < 20; round++) {
        fill(store, 3000, 100, round % 2 == 0 ? 0 : 60000);
        assert_ok(memstore_clear(store));
        cr_assert_eq(memstore_size(store), 0);
        for (unsigned i = 0; i < 3000; i++)
            assert_status(memstore_has(store, &i, sizeof i), MEMSTORE_ERR_KEY_NOT_FOUND);
        assert_ok(memstore_count_by_pattern(store, "", 0, &count));
        cr_assert_eq(count, 0);
        cr_assert_eq(test_memory(store).live, 0);
    }
    memstore_destroy(store);
}

Test(process, destroy_gives_all_memory_back)
{
    memstore *first = test_open("performance.memory_limit=64MiB", NULL);
    memstore_destroy(first);
    const size_t resident = test_resident();
    const unsigned maps = test_count_maps();

    for (unsigned round = 0; round < 10; round++) {
        memstore *store = test_open("performance.memory_limit=64MiB", NULL);
        fill(store, 20000, 1000, 0);
        if (round % 2 == 0)
            assert_ok(memstore_close(store));
        memstore_destroy(store);
    }
#if !defined(__SANITIZE_ADDRESS__)
    cr_assert(test_resident() < resident + 4 * MIB, "%zu bytes are left",
              test_resident() - resident);
    cr_assert(test_count_maps() < maps + 10);
#else
    (void)resident;
    (void)maps;
#endif
}

Test(process, close_gives_back_all_but_what_views_hold)
{
    memstore *store = test_open("performance.memory_limit=64MiB", NULL);
    memstore_view view;

    fill(store, 40000, 1000, 0);
    const unsigned key = 39999;
    assert_ok(memstore_get_view(store, &key, sizeof key, &view));
    const size_t before = test_resident();
    assert_ok(memstore_close(store));
#if !defined(__SANITIZE_ADDRESS__)
    cr_assert(test_resident() + 30 * MIB < before, "%zu of %zu", test_resident(), before);
#else
    (void)before;
#endif
    unsigned char *value = test_bytes(1000, 40000);
    cr_assert_eq(memcmp(view.data, value, 1000), 0);
    free(value);
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(process, all_stores_share_one_thread_which_ends_with_the_last)
{
    memstore *stores[40];
    const unsigned before = test_count_threads();

    for (unsigned i = 0; i < 40; i++) {
        stores[i] = test_open("performance.memory_limit=1MiB", NULL);
        assert_ok(test_set(stores[i], "key", "value", 5));
    }
    cr_assert_eq(test_count_threads(), before + 1);
    for (unsigned i = 0; i < 40; i++)
        memstore_destroy(stores[i]);
    cr_assert_eq(test_count_threads_down_to(before), before);
}

static void give_a_ttl(void *store)
{
    (void)memstore_update_ttl(store, "key", 3, 5000);
}

static void *close_store(void *store)
{
    CHECK_OK(memstore_close(store));
    return NULL;
}

Test(process, a_call_in_flight_at_the_last_close_starts_no_thread)
{
    const unsigned before = test_count_threads();
    memstore *store = test_open_defaults();
    pthread_t closer;

    assert_ok(test_set(store, "key", "value", 0));
    /* It is about to plan for an expiry. */
    test_stop_at(MS_POINT_SHARD_LOCKED, give_a_ttl, store);
    cr_assert_eq(pthread_create(&closer, NULL, close_store, store), 0);
    TEST_AWAIT(test_count_threads() <= before + 2);
    test_let_go();
    pthread_join(closer, NULL);
    cr_assert_eq(test_count_threads_down_to(before), before);
    memstore_destroy(store);
}

Test(process, stores_do_not_see_each_other)
{
    memstore *one = test_open("performance.memory_limit=1MiB", NULL),
             *two = test_open("eviction=lru", NULL);

    assert_ok(test_set(one, "key", "of one", 0));
    assert_holds(two, "key", NULL);
    assert_ok(test_set(two, "key", "of two", 0));
    assert_ok(memstore_clear(one));
    assert_holds(two, "key", "of two");
    memstore_destroy(one);
    assert_holds(two, "key", "of two");
    memstore_destroy(two);
}

/* The signals that a thread of the process blocks, as the system tells it: bit n - 1 for signal n. */
static uint64_t signals_blocked_by(const char *thread)
{
    char path[300], line[256];
    uint64_t blocked = 0;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0)
            blocked = strtoull(line + 7, NULL, 16);
    }
    fclose(file);
    return blocked;
}

/* Every signal that can be blocked, but the two that the C library keeps for itself. */
static uint64_t all_signals(void)
{
    uint64_t all = 0;

    for (int number = 1; number <= 64; number++) {
        const bool is_blockable = number != SIGKILL && number != SIGSTOP;
        if (is_blockable && (number < __SIGRTMIN || number >= SIGRTMIN))
            all |= UINT64_C(1) << (number - 1);
    }
    return all;
}

#define THREADS_MAX 16

/* The threads of the process, by the names that the system gives them. */
struct threads {
    char names[THREADS_MAX][16];
    unsigned count;
};

static struct threads list_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct threads threads = {.count = 0};

    cr_assert_not_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        cr_assert_lt(threads.count, THREADS_MAX);
        snprintf(threads.names[threads.count++], sizeof threads.names[0], "%.15s", entry->d_name);
    }
    closedir(dir);
    return threads;
}

static bool has_thread(const struct threads *threads, const char *name)
{
    for (unsigned i = 0; i < threads->count; i++) {
        if (strcmp(threads->names[i], name) == 0)
            return true;
    }
    return false;
}

/* Check all threads that were not there before. Returns how many they are. */
static unsigned check_that_new_ones_block_all(const struct threads *before)
{
    const struct threads now = list_threads();
    unsigned new_ones = 0;

    for (unsigned i = 0; i < now.count; i++) {
        if (has_thread(before, now.names[i]))
            continue;
        const uint64_t open = all_signals() & ~signals_blocked_by(now.names[i]);
        cr_assert_eq(open, 0, "thread %s takes the signals %#llx", now.names[i],
                     (unsigned long long)open);
        new_ones++;
    }
    return new_ones;
}

/* Whether a thread has this name in the system's lists of threads. */
static bool is_listed(const char *name)
{
    const struct threads threads = list_threads();
    bool listed = false;

    for (unsigned i = 0; i < threads.count; i++) {
        char path[300], found[32] = "";

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", threads.names[i]);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue; /* it has ended */
        if (fgets(found, sizeof found, file) != NULL)
            found[strcspn(found, "\n")] = '\0';
        fclose(file);
        listed = listed || strcmp(found, name) == 0;
    }
    return listed;
}

static atomic_uint events_heard, lines_told;

static int hear(const memstore_event *event, void *context)
{
    (void)event;
    (void)context;
    atomic_fetch_add(&events_heard, 1);
    return 0;
}

static void tell(const memstore_log_record *record, void *context)
{
    (void)record;
    (void)context;
    atomic_fetch_add(&lines_told, 1);
}

static memstore *open_that_tells(void)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, tell, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    assert_ok(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, hear, NULL));
    return store;
}

/* The thread of maintenance, the one that calls for events and the one that tells the log. They are
 * looked at when each has done something: a thread that begins blocks all signals for a moment,
 * whatever it is to do about them. */
Test(process, the_librarys_threads_take_no_signals)
{
    const struct threads before = list_threads(); /* the program's and the test's own */
    memstore *store = open_that_tells();

    assert_ok(test_set(store, "key", "value", 5));
    TEST_AWAIT(memstore_size(store) == 0 && atomic_load(&events_heard) != 0 &&
               atomic_load(&lines_told) != 0);
    cr_assert_eq(check_that_new_ones_block_all(&before), 3);
    memstore_destroy(store);
}

/* So that who looks at the threads of a program sees what is whose. */
Test(process, the_librarys_threads_have_names)
{
    memstore *store = open_that_tells();

    assert_ok(test_set(store, "key", "value", 5));
    TEST_AWAIT(is_listed("memstore") && is_listed("memstore-events") && is_listed("memstore-log"));
    memstore_destroy(store);
}

static atomic_uint signals_handled;
static pthread_t handling_thread;

static void handle(int number)
{
    (void)number;
    if (pthread_equal(pthread_self(), handling_thread))
        atomic_fetch_add(&signals_handled, 1);
}

/* The program's signals come to the program's threads, whatever the library is at. */
Test(process, signals_go_to_the_programs_own_thread)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "performance.batch_timeout=1ms", NULL);
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD, SIGALRM, SIGWINCH};

    handling_thread = pthread_self();
    for (size_t i = 0; i < TEST_COUNT_OF(numbers); i++)
        signal(numbers[i], handle);
    for (unsigned i = 0; i < 600; i++) {
        assert_ok(memstore_set_async(store, &i, sizeof i, "value", 5, 1));
        kill(getpid(), numbers[i % TEST_COUNT_OF(numbers)]);
    }
    cr_assert_eq(atomic_load(&signals_handled), 600);
    memstore_destroy(store);
}

/* Run `work` in a child; whether it came to a good end. */
static bool child_succeeds(void (*work)(memstore *store), memstore *store)
{
    const pid_t child = test_fork();

    if (child == 0) {
        alarm(120);
        work(store);
        _exit(0);
    }
    return test_child_status(child) == 0;
}

static void use_and_destroy(memstore *store)
{
    CHECK(test_holds(store, "key", "of the parent"));
    CHECK_OK(test_set(store, "key", "of the child", 10));
    TEST_AWAIT(test_memory(store).live == 0);
    CHECK_OK(memstore_clear(store));
    memstore_destroy(store);
}

Test(process, a_child_may_use_and_destroy_the_store)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "key", "of the parent", 0));
    for (unsigned i = 0; i < 5; i++)
        cr_assert(child_succeeds(use_and_destroy, store));
    assert_holds(store, "key", "of the parent");
    assert_ok(test_set(store, "soon gone", "value", 10));
    TEST_AWAIT(memstore_size(store) == 1);
    memstore_destroy(store);
}

static void just_leave(memstore *store)
{
    (void)store;
}

static void close_only(memstore *store)
{
    CHECK_OK(memstore_close(store));
    CHECK_STATUS(memstore_close(store), MEMSTORE_ERR_CACHE_CLOSED);
}

Test(process, a_child_may_leave_the_store_alone_or_only_close_it)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "key", "value", 0));
    cr_assert(child_succeeds(just_leave, store));
    cr_assert(child_succeeds(close_only, store));
    assert_holds(store, "key", "value");
    memstore_destroy(store);
}

static void grandchild(memstore *store)
{
    CHECK(child_succeeds(use_and_destroy, store));
    use_and_destroy(store);
}

Test(process, a_child_may_fork_in_turn)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "key", "of the parent", 0));
    cr_assert(child_succeeds(grandchild, store));
    assert_holds(store, "key", "of the parent");
    memstore_destroy(store);
}

static void destroy_only(memstore *store)
{
    memstore_destroy(store);
}

/* Its log's thread and the one that calls for events are the parent's, and are there until it is
 * destroyed. */
Test(process, a_child_may_destroy_what_was_closed_before)
{
    memstore *store = open_that_tells();

    assert_ok(test_set(store, "key", "value", 5));
    while (memstore_size(store) != 0 || atomic_load(&events_heard) == 0)
        test_sleep_ms(1);
    assert_ok(memstore_close(store));
    for (unsigned i = 0; i < 3; i++)
        cr_assert(child_succeeds(destroy_only, store));
    memstore_destroy(store);
}

static memstore_subscription *subscription;

static void find_no_event(memstore *store)
{
    memstore_event event = {.struct_size = sizeof event};

    CHECK_STATUS(memstore_subscription_next(subscription, 0, &event), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

Test(process, what_a_closed_store_has_to_tell_is_told_by_the_parent_alone)
{
    memstore *store = test_open_defaults();
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_DELETED, 0, &subscription));
    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(test_delete(store, "key"));
    assert_ok(memstore_close(store));
    cr_assert(child_succeeds(find_no_event, store));
    assert_ok(memstore_subscription_next(subscription, 0, &event));
    memstore_view_release(&event.value);
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

static atomic_bool polls_end;
static atomic_uint polls;

static void *poll_closed(void *unused)
{
    memstore_event event = {.struct_size = sizeof event};

    while (!atomic_load(&polls_end)) {
        CHECK_STATUS(memstore_subscription_next(subscription, 0, &event),
                     MEMSTORE_ERR_CACHE_CLOSED);
        atomic_fetch_add(&polls, 1);
    }
    return unused;
}

Test(process, a_fork_waits_for_who_is_in_a_closed_store)
{
    memstore *store = test_open_defaults();
    pthread_t poller;

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_DELETED, 0, &subscription));
    assert_ok(memstore_close(store));
    cr_assert_eq(pthread_create(&poller, NULL, poll_closed, NULL), 0);
    /* A thread that begins may have a lock of the allocator's. */
    TEST_AWAIT(atomic_load(&polls) >= 2);
    for (unsigned i = 0; i < 100; i++) {
        /* Not test_fork(): who polls never rests, and has no lock of the allocator's. */
        const pid_t child = fork();

        if (child == 0) {
            alarm(30);
            find_no_event(store);
            _exit(0);
        }
        cr_assert_eq(test_child_status(child), 0);
    }
    atomic_store(&polls_end, true);
    pthread_join(poller, NULL);
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

/* Forks before it loads the first key. */
static int fork_to_load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    pid_t *const child = context;

    (void)key;
    (void)key_size;
    if (*child < 0 && (*child = test_fork()) == 0)
        alarm(30);
    out->value = "value";
    out->value_size = 5;
    return MEMSTORE_LOAD_OK;
}

static void warm_two(memstore *store, pid_t *child)
{
    const memstore_key keys[] = {{"a", 1}, {"b", 1}};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = fork_to_load, .context = child};

    CHECK_OK(memstore_warm(store, keys, 2, &loader, NULL, NULL));
    CHECK(test_holds(store, "a", "value") && test_holds(store, "b", "value"));
}

Test(process, a_child_of_a_loader_ends_the_call_and_closes_the_store)
{
    memstore *store = test_open_defaults();
    pid_t child = -1;

    warm_two(store, &child);
    if (child == 0) {
        CHECK_OK(memstore_close(store));
        _exit(0);
    }
    cr_assert_eq(test_child_status(child), 0);
    memstore_destroy(store);
}

/* More threads than have counters of their own. */
#define COUNTING_THREADS 200
#define COUNTED TEST_FEWER(1000, 5)

static atomic_uint counting;

static void count_hits(unsigned number, void *store)
{
    (void)number;
    /* All at the same time, so that each has a number of its own. */
    CHECK(test_holds(store, "other", NULL));
    atomic_fetch_add(&counting, 1);
    TEST_AWAIT(atomic_load(&counting) >= COUNTING_THREADS);
    for (unsigned i = 0; i < COUNTED; i++)
        CHECK(test_holds(store, "key", "value"));
}

Test(process, counters_are_exact_over_any_number_of_threads)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "key", "value", 0));
    for (unsigned round = 0; round < 3; round++) {
        struct test_team team = {0};
        atomic_store(&counting, 0);
        test_team_start(&team, COUNTING_THREADS, count_hits, store);
        test_team_join(&team);
    }
    cr_assert_eq(test_stats(store).hits, 3 * COUNTING_THREADS * COUNTED);
    assert_ok(memstore_reset_stats(store));
    cr_assert_eq(test_stats(store).hits, 0);
    cr_assert_eq(test_stats(store).entries, 1);
    cr_assert_eq(memstore_get_hit_rate(store), 0);
    memstore_destroy(store);
}

/* ---- A large entry in a thread that a child does not have ---- */

#define CHILDS_LARGE (300 * 1024)

static void write_large(void *store)
{
    static const unsigned char value[CHILDS_LARGE];

    CHECK_OK(memstore_set(store, "large", 5, value, CHILDS_LARGE, 0));
}

static uint64_t charged_before;

static void clear_and_look(memstore *store)
{
    CHECK_OK(memstore_clear(store));
    CHECK(test_memory(store).charged <= charged_before + CHILDS_LARGE / 2);
}

static memstore *open_for_large(void)
{
    memstore *store = test_open("performance.memory_limit=4MiB", "maintenance=manual", NULL);

    assert_ok(test_set(store, "small", "value", 0));
    assert_ok(memstore_clear(store));
    charged_before = test_memory(store).charged;
    return store;
}

static atomic_bool is_taking, is_forking, has_forked;

static void note_fork(void)
{
    atomic_store(&is_forking, true);
}

static void note_forked(void)
{
    atomic_store(&has_forked, true);
}

/* The memory is the entry's for a while before its segment is listed: until whoever forks waits for that, or has
 * forked. */
static void take_until_forking(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point == MS_POINT_LARGE_TAKEN && !atomic_exchange(&is_taking, true))
        TEST_AWAIT(atomic_load(&is_forking) && test_others_sleep());
}

static void write_one_large(unsigned number, void *store)
{
    (void)number;
    write_large(store);
    /* At rest, which test_fork() is about. */
    TEST_AWAIT(atomic_load(&has_forked));
}

Test(process, a_large_entry_in_the_making_takes_nothing_of_a_childs_limit)
{
    memstore *store = open_for_large();
    struct test_team team = {0};

    /* The first comes before what the library does, which was there earlier. */
    cr_assert_eq(pthread_atfork(note_fork, note_forked, NULL), 0);
    ms_testing_set_hook(take_until_forking, NULL);
    test_team_start(&team, 1, write_one_large, store);
    TEST_AWAIT(atomic_load(&is_taking));
    cr_assert(child_succeeds(clear_and_look, store));
    test_team_join(&team);
    ms_testing_set_hook(NULL, NULL);
    assert_ok(memstore_has(store, "large", 5));
    memstore_destroy(store);
}

static void copy_large(void *store)
{
    static unsigned char value[CHILDS_LARGE];

    CHECK_OK(memstore_get(store, "large", 5, value, sizeof value, NULL));
}

Test(process, a_large_entry_that_is_being_read_takes_nothing_of_a_childs_limit)
{
    memstore *store = open_for_large();

    write_large(store);
    test_stop_at(MS_POINT_READ_BORROWED, copy_large, store);
    cr_assert(child_succeeds(clear_and_look, store));
    test_let_go();
    assert_ok(memstore_has(store, "large", 5));
    memstore_destroy(store);
}

/* ---- Closing while a call takes long ---- */

static atomic_bool is_saving;

static int dawdle(const memstore_progress *progress, void *context)
{
    (void)progress;
    (void)context;
    if (!atomic_exchange(&is_saving, true))
        test_sleep_ms(500);
    return 0;
}

static void *save_slowly(void *store)
{
    CHECK_OK(memstore_save(store, test_path("snapshot"), dawdle, NULL));
    return NULL;
}

Test(process, closing_sleeps_while_a_call_takes_long)
{
    memstore *store = test_open("maintenance=manual", NULL);
    struct timespec before, after;
    pthread_t saver;

    test_folder();
    assert_ok(test_set(store, "key", "value", 0));
    cr_assert_eq(pthread_create(&saver, NULL, save_slowly, store), 0);
    while (!atomic_load(&is_saving))
        test_sleep_ms(1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    assert_ok(memstore_close(store));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    const double used =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    cr_assert_lt(used, 0.15, "%g s", used);
    pthread_join(saver, NULL);
    memstore_destroy(store);
    test_folder_remove();
}
