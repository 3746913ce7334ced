/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of a test's own, and files in it. */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Make an empty folder, once for the process. It is removed by test_folder_remove(). */
const char *test_folder(void);
/* The path of a file in it, of 15 at most; always the same for a name. */
const char *test_path(const char *name);
/* Remove it with what is in it. */
void test_folder_remove(void);

/* All of a file; for free(). */
char *test_file_read(const char *path, size_t *size);
void test_file_write(const char *path, const void *data, size_t size);
bool test_file_exists(const char *path);

#endif
