/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/file.h"

#include "platform/atomic.h"
#include "platform/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* Read until the end or until the buffer is full. 0 or an error number. */
static int read_all(int descriptor, char *data, size_t cap, size_t *size)
{
    *size = 0;
    while (*size < cap) {
        const ssize_t got = read(descriptor, data + *size, cap - *size);

        if (got == 0)
            break;
        if (got > 0)
            *size += (size_t)got;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

int ms_file_read(const char *path, size_t most, struct ms_file_text *out)
{
    *out = (struct ms_file_text){0};

    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return errno;

    /* One byte more than wanted tells whether there is more. */
    char *const data = ms_mem_alloc(most + 1);
    size_t size = 0;
    const int error = data != NULL ? read_all(descriptor, data, most + 1, &size) : ENOMEM;

    close(descriptor);
    if (error != 0) {
        ms_mem_free(data);
        return error;
    }
    *out = (struct ms_file_text){data, size > most ? most : size, size > most};
    return 0;
}

/* 0 or an error number. */
static int write_all(int descriptor, const char *data, size_t size)
{
    while (size != 0) {
        const ssize_t written = write(descriptor, data, size);

        if (written >= 0) {
            data += written;
            size -= (size_t)written;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int write_new(const char *path, const void *data, size_t size)
{
    const int descriptor =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0644);

    if (descriptor < 0)
        return errno;
    const int error = write_all(descriptor, data, size);
    return close(descriptor) == 0 || error != 0 ? error : errno;
}

int ms_file_replace(const char *path, const void *data, size_t size)
{
    /* Several files, or the same one by several stores, may be written at once. */
    static atomic_uint number;
    char other[PATH_MAX];
    const int length = snprintf(other, sizeof other, "%s.tmp.%ld.%u", path, (long)getpid(),
                                ms_add_relaxed(&number, 1));

    if (length < 0 || (size_t)length >= sizeof other)
        return ENAMETOOLONG;
    int error = write_new(other, data, size);
    if (error == 0 && rename(other, path) != 0)
        error = errno;
    if (error != 0)
        unlink(other);
    return error;
}
