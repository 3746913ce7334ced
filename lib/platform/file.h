/* SPDX-License-Identifier: Apache-2.0 */
/* Files, whole. */
#ifndef MS_PLATFORM_FILE_H
#define MS_PLATFORM_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct ms_file_text {
    char *data; /* for ms_mem_free(); NULL on failure */
    size_t size;
    bool cut; /* there is more than was asked for */
};

/* Read a file, or the first `most` bytes of it. 0, or the system's error number. */
int ms_file_read(const char *path, size_t most, struct ms_file_text *out);

/* Let a file have this text, at one instant: it is written beside it under another name, which ends in
 * ".tmp" and numbers, and renamed. 0, or the system's error number and the file is as it was. */
int ms_file_replace(const char *path, const void *data, size_t size);

#endif
