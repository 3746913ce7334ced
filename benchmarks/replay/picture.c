/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/picture.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The build passes the script's place; an installed copy is named by the environment. */
#ifndef REPLAY_PLOT_SCRIPT
#define REPLAY_PLOT_SCRIPT "plot_mrc.py"
#endif

extern char **environ;

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

static int start_script(const char *path, int input_end, int output_end, pid_t *child)
{
    const char *python = environment("MEMSTORE_PYTHON", "python3");
    const char *script = environment("MEMSTORE_PLOT_SCRIPT", REPLAY_PLOT_SCRIPT);
    char *const arguments[] = {(char *)python,     (char *)script, (char *)"-",
                               (char *)"--output", (char *)path,   NULL};
    posix_spawn_file_actions_t actions;
    int result = posix_spawn_file_actions_init(&actions);

    if (result)
        return result;
    posix_spawn_file_actions_adddup2(&actions, input_end, STDIN_FILENO);
    posix_spawn_file_actions_addclose(&actions, output_end);
    result = posix_spawnp(child, python, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

bool picture_draw(const char *json, size_t json_size, const char *path, char *error,
                  size_t error_cap)
{
    int ends[2], status = 0, result;
    pid_t child;
    bool sent;

    if (pipe(ends) != 0) {
        snprintf(error, error_cap, "%s: %s", path, strerror(errno));
        return false;
    }
    result = start_script(path, ends[0], ends[1], &child);
    close(ends[0]);
    if (result) {
        close(ends[1]);
        snprintf(error, error_cap, "%s: cannot start Python: %s", path, strerror(result));
        return false;
    }
    signal(SIGPIPE, SIG_IGN); /* a script that ends early shows in its status */
    sent = write_all(ends[1], json, json_size);
    close(ends[1]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (sent && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    snprintf(error, error_cap,
             "%s: plot_mrc.py failed; it needs a Python with matplotlib, named by MEMSTORE_PYTHON",
             path);
    return false;
}
