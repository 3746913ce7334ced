/* SPDX-License-Identifier: Apache-2.0 */
/* Files in place of the kernel's, for what is read by ms_file_read_system(). Process-wide, as the hooks
 * of platform/testing.h are. */
#ifndef TEST_SYSTEM_H
#define TEST_SYSTEM_H

#include <stdint.h>

/* Begin with none at all; test_system_end() removes them. */
void test_system_start(void);
void test_system_end(void);
/* Write a file as printf() does, with the folders above it: "/proc/self/cgroup". */
void test_system_write(const char *path, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void test_system_remove(const char *path);

/* A process in a version 2 group of its own, "/app", and what its files say: bytes in use, of which the
 * kernel could drop some, and the limit. */
#define TEST_SYSTEM_GROUP "/sys/fs/cgroup/app"
void test_system_group(uint64_t used, uint64_t reclaimable, uint64_t limit);
/* What the machine's /proc/pressure/memory says: percent. */
void test_system_stalls(double percent);
/* The same of the group. */
void test_system_group_stalls(double percent);

#endif
