/* SPDX-License-Identifier: Apache-2.0 */
#include "common/process_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads through a buffer on the stack: a FILE would add its own pages to what is measured. */
static ssize_t read_whole(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    n = read(fd, buf, cap - 1);
    close(fd);
    buf[n > 0 ? n : 0] = '\0';
    return n;
}

uint64_t process_resident_bytes(void)
{
    char text[4096];
    unsigned long long total, resident;
    const char *line;

    if (read_whole("/proc/self/smaps_rollup", text, sizeof text) > 0) {
        line = strstr(text, "\nRss:");
        if (line && sscanf(line, "\nRss: %llu kB", &resident) == 1)
            return resident * 1024;
    }
    if (read_whole("/proc/self/statm", text, sizeof text) > 0 &&
        sscanf(text, "%llu %llu", &total, &resident) == 2)
        return resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}
