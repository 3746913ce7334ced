/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <dirent.h>
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

static char folder[256];
static pid_t owner;

const char *test_folder(void)
{
    const char *const base = getenv("TMPDIR");

    /* A test that runs in a process of its own has a folder of its own. */
    if (owner == getpid())
        return folder;
    snprintf(folder, sizeof folder, "%s/memstore-test-XXXXXX", base != NULL ? base : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
    owner = getpid();
    return folder;
}

const char *test_path(const char *name)
{
    static char paths[16][512];
    char path[512];
    unsigned i = 0;

    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    while (i < 15 && paths[i][0] != 0 && strcmp(paths[i], path) != 0)
        i++;
    return strcpy(paths[i], path);
}

void test_folder_remove(void)
{
    DIR *const directory = opendir(test_folder());

    CHECK(directory != NULL);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] != '.')
            CHECK(unlink(test_path(entry->d_name)) == 0);
    }
    closedir(directory);
    CHECK(rmdir(folder) == 0);
    owner = 0;
}

char *test_file_read(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "rb");
    struct stat status;

    CHECK(file != NULL && fstat(fileno(file), &status) == 0);
    char *const data = malloc((size_t)status.st_size + 1);
    *size = fread(data, 1, (size_t)status.st_size, file);
    CHECK(*size == (size_t)status.st_size);
    fclose(file);
    return data;
}

void test_file_write(const char *path, const void *data, size_t size)
{
    FILE *const file = fopen(path, "wb");

    CHECK(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

bool test_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
