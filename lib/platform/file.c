/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/file.h"

#include "platform/mem.h"

#include <errno.h>
#include <fcntl.h>
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
