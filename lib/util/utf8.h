/* SPDX-License-Identifier: Apache-2.0 */
/* Characters in UTF-8, in bytes that may hold anything. */
#ifndef MS_UTIL_UTF8_H
#define MS_UTIL_UTF8_H

#include <stddef.h>

/* Bytes of the character at `text`, of which `size` bytes are there; 0 when it is none, or not all
 * of it is there. */
static inline size_t ms_utf8_character(const char *text, size_t size)
{
    const unsigned char *const p = (const unsigned char *)text;
    const size_t bytes = size == 0                      ? 0
                         : p[0] < 0x80                  ? 1
                         : p[0] >= 0xc2 && p[0] < 0xe0  ? 2
                         : p[0] >= 0xe0 && p[0] < 0xf0  ? 3
                         : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                        : 0;

    if (bytes > size)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Longer forms than need be, surrogates, and what is beyond the last character. */
    if (bytes > 1 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                      (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)))
        return 0;
    return bytes;
}

#endif
