/* SPDX-License-Identifier: Apache-2.0 */
#include "util/text.h"

#include "platform/mem.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

int ms_text_vformat(char *buf, size_t cap, const char *format, va_list arguments)
{
    /* The C library has this one ready: nothing is allocated. */
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = uselocale(plain);
    const int size = vsnprintf(buf, cap, format, arguments);

    uselocale(before);
    if (plain != (locale_t)0)
        freelocale(plain);
    return size;
}

int ms_text_format(char *buf, size_t cap, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int size = ms_text_vformat(buf, cap, format, arguments);
    va_end(arguments);
    return size;
}

static bool make_room(struct ms_text *text, size_t more)
{
    if (text->failed || text->room - text->size > more)
        return !text->failed;
    const size_t room = 2 * text->room + more + 4096;
    char *data = ms_mem_resize_wiped(text->data, room, text->wipes);

    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void ms_text_put(struct ms_text *text, const char *format, ...)
{
    va_list arguments;

    if (!make_room(text, MS_TEXT_PIECE))
        return;
    va_start(arguments, format);
    const int size = ms_text_vformat(text->data + text->size, MS_TEXT_PIECE, format, arguments);
    va_end(arguments);
    text->size += size < 0 ? 0 : size < MS_TEXT_PIECE ? (size_t)size : MS_TEXT_PIECE - 1;
}

void ms_text_add(struct ms_text *text, const void *data, size_t size)
{
    if (!make_room(text, size))
        return;
    memcpy(text->data + text->size, data, size);
    text->size += size;
}
