/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "system.h"

#include "platform/testing.h"

#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of this file alone, so that the tests of the lowest layers can link it. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static char root[128];

void test_system_start(void)
{
    const char *const base = getenv("TMPDIR");

    snprintf(root, sizeof root, "%s/memstore-system-XXXXXX", base != NULL ? base : "/tmp");
    CHECK(mkdtemp(root) != NULL);
    ms_testing_set_system_root(root);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void test_system_end(void)
{
    ms_testing_set_system_root(NULL);
    CHECK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void path_of(const char *path, char out[PATH_MAX])
{
    CHECK(snprintf(out, PATH_MAX, "%s%s", root, path) < PATH_MAX);
}

void test_system_write(const char *path, const char *format, ...)
{
    char whole[PATH_MAX];
    va_list arguments;

    path_of(path, whole);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(whole, 0755);
        *slash = '/';
    }
    FILE *const file = fopen(whole, "w");
    CHECK(file != NULL);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    CHECK(fclose(file) == 0);
}

void test_system_remove(const char *path)
{
    char whole[PATH_MAX];

    path_of(path, whole);
    CHECK(unlink(whole) == 0);
}

void test_system_group(uint64_t used, uint64_t reclaimable, uint64_t limit)
{
    test_system_write("/proc/self/cgroup", "0::/app\n");
    test_system_write("/proc/self/mountinfo",
                      "31 23 0:28 / / rw - ext4 /dev/root rw\n"
                      "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n");
    test_system_write(TEST_SYSTEM_GROUP "/memory.current", "%" PRIu64 "\n", used);
    test_system_write(TEST_SYSTEM_GROUP "/memory.max", "%" PRIu64 "\n", limit);
    test_system_write(TEST_SYSTEM_GROUP "/memory.high", "max\n");
    test_system_write(TEST_SYSTEM_GROUP "/memory.stat",
                      "anon 4096\nfile 8192\ninactive_file %" PRIu64 "\nactive_file 4096\n",
                      reclaimable);
}

static void write_stalls(const char *path, double percent)
{
    test_system_write(path,
                      "some avg10=%.2f avg60=0.00 avg300=0.00 total=1\n"
                      "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                      percent);
}

void test_system_stalls(double percent)
{
    write_stalls("/proc/pressure/memory", percent);
}

void test_system_group_stalls(double percent)
{
    write_stalls(TEST_SYSTEM_GROUP "/memory.pressure", percent);
}
