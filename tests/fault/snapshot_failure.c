/* SPDX-License-Identifier: Apache-2.0 */
/* Saving that fails, or whose process is killed, at each of its steps in turn: each opening, locking,
 * write, sync and rename. The file is then the old one, whole, or, after the rename, the new one. And saving
 * beside children, signals and folders that others would stumble over. */
#include "platform/testing.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ENTRIES 3000

static const char large[400000];

static void fill(memstore *store, const char *prefix)
{
    char key[32], value[200];

    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < ENTRIES; i++) {
        const int size = snprintf(key, sizeof key, "%s/%u", prefix, i);
        CHECK_OK(memstore_set(store, key, (size_t)size, value, sizeof value, 0));
    }
}

static memstore *open_filled(const char *prefix)
{
    memstore *store = test_open("maintenance=manual", NULL);

    fill(store, prefix);
    CHECK_OK(memstore_set(store, "large", 5, large, sizeof large, 0));
    return store;
}

/* Whose entries the file holds. */
static bool holds(const char *path, const char *key)
{
    memstore *store = test_open("maintenance=manual", NULL);

    CHECK_OK(memstore_load(store, path, NULL, NULL));
    CHECK(memstore_size(store) == ENTRIES + 1);
    const bool is_there = test_has(store, key) == MEMSTORE_OK;
    memstore_destroy(store);
    return is_there;
}

static uint64_t count_steps(memstore *store, const char *path)
{
    ms_testing_stop_file(0, MS_FILE_FAILS);
    CHECK_OK(memstore_save(store, path, NULL, NULL));
    return ms_testing_file_steps();
}

static void a_save_that_fails_leaves_the_old_file_whole(void)
{
    memstore *old = open_filled("old"), *new = open_filled("new");
    const char *const path = test_path("snapshot");
    const uint64_t steps = count_steps(new, path);

    CHECK(steps > 8);
    for (uint64_t step = 1; step <= steps; step++) {
        ms_testing_stop_file(0, MS_FILE_FAILS);
        CHECK_OK(memstore_save(old, path, NULL, NULL));
        ms_testing_stop_file(step, MS_FILE_FAILS);
        CHECK_STATUS(memstore_save(new, path, NULL, NULL), MEMSTORE_ERR_IO);
        ms_testing_stop_file(0, MS_FILE_FAILS);
        /* The last step lets the disk have the name that is already there. */
        CHECK(holds(path, step < steps ? "old/7" : "new/7"));
        CHECK(!test_file_exists(test_path("snapshot.tmp")));
    }
    memstore_destroy(old);
    memstore_destroy(new);
}

static void save_and_be_killed(memstore *store, const char *path, uint64_t step)
{
    const pid_t child = test_fork();

    if (child == 0) {
        ms_testing_stop_file(step, MS_FILE_IS_KILLED);
        memstore_save(store, path, NULL, NULL);
        _exit(0);
    }
    CHECK(test_child_status(child) == 128 + SIGKILL);
}

static void a_process_that_is_killed_leaves_the_old_file_whole(void)
{
    memstore *old = open_filled("old"), *new = open_filled("new");
    const char *const path = test_path("snapshot");
    const uint64_t steps = count_steps(new, path);

    for (uint64_t step = 1; step <= steps; step++) {
        CHECK_OK(memstore_save(old, path, NULL, NULL));
        save_and_be_killed(new, path, step);
        CHECK(holds(path, step < steps ? "old/7" : "new/7"));
    }
    memstore_destroy(old);
    memstore_destroy(new);
}

static void a_save_that_is_interrupted_goes_on(void)
{
    memstore *old = open_filled("old"), *new = open_filled("new");
    const char *const path = test_path("snapshot");
    const uint64_t steps = count_steps(new, path);

    for (uint64_t step = 1; step <= steps; step++) {
        /* No signal interrupts a rename. */
        if (step == steps - 1)
            continue;
        ms_testing_stop_file(0, MS_FILE_FAILS);
        CHECK_OK(memstore_save(old, path, NULL, NULL));
        ms_testing_stop_file(step, MS_FILE_IS_INTERRUPTED);
        CHECK_OK(memstore_save(new, path, NULL, NULL));
        CHECK(ms_testing_file_steps() == steps + 1);
        ms_testing_stop_file(0, MS_FILE_FAILS);
        CHECK(holds(path, "new/7"));
    }
    memstore_destroy(old);
    memstore_destroy(new);
}

/* ---- Folders ---- */

/* Root may read any folder, but not without its capabilities. */
static void give_up_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    CHECK(syscall(SYS_capset, &head, none) == 0);
}

static void a_folder_that_cannot_be_read_is_saved_to(void)
{
    memstore *store = open_filled("new");
    const char *const folder = test_path("closed"), *const moved = test_path("moved");
    char path[256];

    snprintf(path, sizeof path, "%s/snapshot", folder);
    CHECK(mkdir(folder, 0300) == 0);
    const pid_t child = test_fork();
    if (child == 0) {
        give_up_capabilities();
        CHECK(open(folder, O_RDONLY) < 0 && errno == EACCES);
        CHECK_OK(memstore_save(store, path, NULL, NULL));
        _exit(0);
    }
    CHECK(test_child_status(child) == 0);
    CHECK(rename(path, moved) == 0 && rmdir(folder) == 0);
    CHECK(holds(moved, "new/7"));
    memstore_destroy(store);
}

/* ---- fork ---- */

struct forking {
    int answer; /* what the progress function returns in the child */
    pid_t child;
    bool is_child;
};

static int fork_once(const memstore_progress *progress, void *context)
{
    struct forking *forking = context;

    /* Some of the file is written. */
    if (forking->child == 0 && progress->done > ENTRIES / 2) {
        forking->child = test_fork();
        if (forking->child == 0) {
            forking->is_child = true;
            forking->child = -1;
        } else {
            /* The child comes to its end first. */
            forking->child = test_child_status(forking->child) == 0 ? 1 : -1;
        }
    }
    return forking->is_child ? forking->answer : 0;
}

/* A child in which a progress function returns ends the call, too: what it ends is not the parent's file. */
static void fork_while_saving(int answer, int wanted)
{
    memstore *old = open_filled("old"), *new = open_filled("new");
    const char *const path = test_path("forked");
    struct forking forking = {.answer = answer};

    CHECK_OK(memstore_save(old, path, NULL, NULL));
    const int status = memstore_save(new, path, fork_once, &forking);
    if (forking.is_child)
        _exit(status == wanted ? 0 : 1);
    CHECK_OK(status);
    CHECK(forking.child == 1);
    CHECK(holds(path, "new/7"));
    CHECK(!test_file_exists(test_path("forked.tmp")));
    CHECK_OK(memstore_save(old, path, NULL, NULL));
    memstore_destroy(old);
    memstore_destroy(new);
}

static void a_child_that_stops_a_save_leaves_that_of_its_parent(void)
{
    fork_while_saving(1, MEMSTORE_ERR_CANCELLED);
}

static void a_child_that_goes_on_with_a_save_leaves_that_of_its_parent(void)
{
    fork_while_saving(0, MEMSTORE_ERR_LOCK_TIMEOUT);
}

/* Forks a child off that tells itself by a pipe, when it is out of fork(), and lives on when its parent is killed. */
static int fork_and_be_killed(const memstore_progress *progress, void *context)
{
    const int *const pipe_ends = context;

    if (progress->done <= ENTRIES / 2)
        return 0;
    const pid_t child = test_fork();
    if (child == 0) {
        const pid_t me = getpid();

        CHECK(write(pipe_ends[1], &me, sizeof me) == sizeof me);
        alarm(60);
        pause();
        _exit(0);
    }
    pause();
    return 1;
}

static void a_child_keeps_nobody_from_saving_when_its_parent_was_killed(void)
{
    memstore *store = open_filled("new");
    const char *const path = test_path("orphan");
    int pipe_ends[2];
    pid_t orphan;

    CHECK(pipe(pipe_ends) == 0);
    const pid_t parent = test_fork();
    if (parent == 0) {
        memstore_save(store, path, fork_and_be_killed, pipe_ends);
        _exit(0);
    }
    CHECK(read(pipe_ends[0], &orphan, sizeof orphan) == sizeof orphan);
    CHECK(kill(parent, SIGKILL) == 0);
    CHECK(test_child_status(parent) == 128 + SIGKILL);
    CHECK(kill(orphan, 0) == 0);
    const int status = memstore_save(store, path, NULL, NULL);
    CHECK(kill(orphan, SIGKILL) == 0);
    CHECK_OK(status);
    CHECK(holds(path, "new/7"));
    memstore_destroy(store);
}

/* ---- Memory ---- */

static void saving_without_memory_says_so(void)
{
    memstore *store = open_filled("old");
    const char *const path = test_path("memory");
    int status = MEMSTORE_ERR_MEMORY_EXHAUSTED;

    for (uint64_t n = 1; status == MEMSTORE_ERR_MEMORY_EXHAUSTED; n++) {
        ms_testing_fail_memory(n, false);
        status = memstore_save(store, path, NULL, NULL);
        ms_testing_fail_memory(0, false);
    }
    CHECK_OK(status);
    CHECK(holds(path, "old/7"));
    memstore_destroy(store);
}

/* Load with the n-th request for memory refused, 0 = none: the requests that there were. The index has
 * the size that it needs: where its tables would grow is for the hash to say, another one in each store. */
static uint64_t load_without(const char *path, uint64_t n, int *status)
{
    memstore *loaded =
        test_open("maintenance=manual", "shards=1", "max_entries_in_window=100000", NULL);

    ms_testing_fail_memory(n, false);
    *status = memstore_load(loaded, path, NULL, NULL);
    const uint64_t requests = ms_testing_memory_requests();
    ms_testing_fail_memory(0, false);
    CHECK(*status == MEMSTORE_OK || *status == MEMSTORE_ERR_MEMORY_EXHAUSTED);
    CHECK(*status == MEMSTORE_OK || memstore_size(loaded) == 0);
    memstore_destroy(loaded);
    return requests;
}

static void a_load_that_finds_no_memory_leaves_nothing_behind(void)
{
    memstore *store = open_filled("old");
    const char *const path = test_path("memory");
    uint64_t failed = 0;
    int status;

    CHECK_OK(memstore_save(store, path, NULL, NULL));
    memstore_destroy(store);
    const uint64_t requests = load_without(path, 0, &status);
    CHECK_OK(status);
    for (uint64_t n = 1; n <= requests; n++) {
        load_without(path, n, &status);
        failed += status != MEMSTORE_OK;
    }
    /* The list of what was added grows after the first entries. */
    CHECK(failed >= 4);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"a_save_that_fails_leaves_the_old_file_whole",
         a_save_that_fails_leaves_the_old_file_whole},
        {"a_process_that_is_killed_leaves_the_old_file_whole",
         a_process_that_is_killed_leaves_the_old_file_whole},
        {"a_save_that_is_interrupted_goes_on", a_save_that_is_interrupted_goes_on},
        {"a_folder_that_cannot_be_read_is_saved_to", a_folder_that_cannot_be_read_is_saved_to},
        {"a_child_that_stops_a_save_leaves_that_of_its_parent",
         a_child_that_stops_a_save_leaves_that_of_its_parent},
        {"a_child_that_goes_on_with_a_save_leaves_that_of_its_parent",
         a_child_that_goes_on_with_a_save_leaves_that_of_its_parent},
        {"a_child_keeps_nobody_from_saving_when_its_parent_was_killed",
         a_child_keeps_nobody_from_saving_when_its_parent_was_killed},
        {"saving_without_memory_says_so", saving_without_memory_says_so},
        {"a_load_that_finds_no_memory_leaves_nothing_behind",
         a_load_that_finds_no_memory_leaves_nothing_behind},
    };
    const int result =
        test_run_cases("snapshot_failure", cases, TEST_COUNT_OF(cases), argc > 1 ? argv[1] : NULL);

    test_folder_remove();
    return result;
}
