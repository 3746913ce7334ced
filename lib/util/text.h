/* SPDX-License-Identifier: Apache-2.0 */
/* Text: in a buffer, and text that grows as it is written. Numbers are written with a point, whatever the
 * locale of the program: what reads them goes by no locale. */
#ifndef MS_UTIL_TEXT_H
#define MS_UTIL_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* As snprintf() and vsnprintf(), but for the locale. */
int ms_text_format(char *buf, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int ms_text_vformat(char *buf, size_t cap, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

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
