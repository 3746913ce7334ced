/* SPDX-License-Identifier: Apache-2.0 */
/* Text as it stands between the quotes of a label of metrics, a character at a time. */
#ifndef MS_UTIL_LABEL_H
#define MS_UTIL_LABEL_H

#include "util/utf8.h"

#include <stdio.h>
#include <string.h>

/* Bytes for one character, the NUL behind it included. */
#define MS_LABEL_CHARACTER 6

/* A byte as \xNN, whose backslash is itself one that labels escape. */
static inline void ms_label_put_byte(char **out, char byte)
{
    *out += sprintf(*out, "\\\\x%02x", (unsigned char)byte);
}

/* One character, or one byte that is none. Returns the bytes of `text` it was. */
static inline size_t ms_label_put_character(char **out, const char *text, size_t size)
{
    const size_t bytes = ms_utf8_character(text, size);

    if (bytes == 0) {
        ms_label_put_byte(out, *text);
        return 1;
    }
    if (bytes == 1 && (*text == '\\' || *text == '"' || *text == '\n')) {
        *(*out)++ = '\\';
        *(*out)++ = *text == '\n' ? 'n' : *text;
    } else {
        memcpy(*out, text, bytes);
        *out += bytes;
    }
    return bytes;
}

#endif
