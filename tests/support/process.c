/* SPDX-License-Identifier: Apache-2.0 */
#include "support/process.h"

#include "support/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The state of a thread of ours as the kernel calls it: 'S' for asleep; 'S' when it has ended. */
static char state_of(const char *task)
{
    char path[64], text[256] = "";

    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", task);
    const int file = open(path, O_RDONLY);
    if (file < 0)
        return 'S';
    const ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    /* "1234 (name of the program) S": the name may have parentheses in it. */
    const char *const name_ends = size > 0 ? strrchr(text, ')') : NULL;
    return name_ends != NULL ? name_ends[2] : 'S';
}

bool test_others_sleep(void)
{
    DIR *const tasks = opendir("/proc/self/task");
    const struct dirent *task;
    bool sleep = true;

    CHECK(tasks != NULL);
    while (sleep && (task = readdir(tasks)) != NULL) {
        const long number = strtol(task->d_name, NULL, 10);
        sleep = number == 0 || number == syscall(SYS_gettid) || state_of(task->d_name) == 'S';
    }
    closedir(tasks);
    return sleep;
}

#if defined(__SANITIZE_ADDRESS__)

/* How long to wait for threads that do not come to rest. */
#define PATIENCE 10 /* seconds */

static void let_others_rest(void)
{
    const double end = test_now() + PATIENCE;

    while (!test_others_sleep() && test_now() < end)
        test_sleep_ms(1);
}

#else

static void let_others_rest(void)
{
}

#endif

pid_t test_fork(void)
{
    let_others_rest();
    return fork();
}

int test_child_status(pid_t child)
{
    int status;

    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
