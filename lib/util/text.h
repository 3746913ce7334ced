/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows as it is written. */
#ifndef MS_UTIL_TEXT_H
#define MS_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct ms_text {
    char *data; /* for ms_mem_free() */
    size_t size, room;
    bool failed; /* there was no memory; nothing more is written */
    bool wipes;  /* memory is overwritten before it is free */
};

/* What one call writes is at most this long. */
#define MS_TEXT_PIECE 512

void ms_text_put(struct ms_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Bytes of any number. */
void ms_text_add(struct ms_text *text, const void *data, size_t size);

#endif
