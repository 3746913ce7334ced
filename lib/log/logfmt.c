/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line: ts=... level=... store=... event=... msg="..." field=value ... */
#include "log/log.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct line {
    char *data;
    size_t size, room;
};

/* All of it, or nothing: false when there is no room. */
static bool put(struct line *line, const char *bytes, size_t size)
{
    if (size > line->room - line->size)
        return false;
    memcpy(line->data + line->size, bytes, size);
    line->size += size;
    return true;
}

static bool is_plain(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c >= 0x7f)
            return false;
    }
    return text[0] != '\0';
}

/* The number of a character that is to control nothing, such as a terminal, or 0. Those from 0x80 to 0x9f,
 * which do as well, have two bytes, of which the second is that number. */
static unsigned control_of(const unsigned char *text, size_t size)
{
    if (size == 1)
        return *text < ' ' || *text == 0x7f ? *text : 0;
    return size == 2 && *text == 0xc2 && text[1] < 0xa0 ? text[1] : 0;
}

/* One character as it stands in quotes. Returns the bytes of `text` it was. */
static size_t put_quoted_character(struct line *line, const unsigned char *text, bool *fits)
{
    const size_t size = ms_utf8_character((const char *)text, strnlen((const char *)text, 4));
    const unsigned control = control_of(text, size);
    char escaped[8];

    if (size == 0)
        *fits = put(line, "\\ufffd", 6);
    else if (*text == '"' || *text == '\\')
        *fits = put(line, *text == '"' ? "\\\"" : "\\\\", 2);
    else if (*text == '\n' || *text == '\t' || *text == '\r')
        *fits = put(line, *text == '\n' ? "\\n" : *text == '\t' ? "\\t" : "\\r", 2);
    else if (control != 0)
        *fits = put(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", control));
    else
        *fits = put(line, (const char *)text, size);
    return size != 0 ? size : 1;
}

static void put_value(struct line *line, const char *text)
{
    const unsigned char *next = (const unsigned char *)text;
    bool fits = true;

    if (is_plain(text) && put(line, text, strlen(text)))
        return;
    if (!put(line, "\"", 1))
        return;
    line->room--; /* for the closing one */
    while (*next != '\0' && fits)
        next += put_quoted_character(line, next, &fits);
    line->room++;
    put(line, "\"", 1);
}

/* A field that has room for its name and something of its value. */
static void put_field(struct line *line, const char *name, const char *text)
{
    const size_t size = strlen(name);

    if (line->room - line->size < size + 4)
        return;
    put(line, " ", 1);
    put(line, name, size);
    put(line, "=", 1);
    put_value(line, text);
}

static void put_time(struct line *line, int64_t at_ms)
{
    const time_t seconds = (time_t)(at_ms / 1000);
    char text[48];
    struct tm utc;

    if (at_ms < 0 || gmtime_r(&seconds, &utc) == NULL)
        return;
    size_t size = strftime(text, sizeof text, "ts=%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(text + size, sizeof text - size, ".%03dZ", (int)(at_ms % 1000));
    put(line, text, size);
}

const char *ms_log_level_name(int level)
{
    static const char *const names[] = {"off", "error", "warn", "info", "debug"};

    return names[level];
}

size_t ms_logfmt(const memstore_log_record *record, char out[static MS_LOGFMT_SIZE])
{
    struct line line = {.data = out, .room = MS_LOGFMT_SIZE - 1};
    char count[24];

    put_time(&line, record->at_ms);
    put_field(&line, "level", ms_log_level_name(record->level));
    if (record->store[0] != '\0')
        put_field(&line, "store", record->store);
    put_field(&line, "event", record->event);
    put_field(&line, "msg", record->message);
    if (record->suppressed != 0) {
        snprintf(count, sizeof count, "%" PRIu64, record->suppressed);
        put_field(&line, "suppressed", count);
    }
    for (size_t i = 0; i < record->field_count; i++)
        put_field(&line, record->fields[i].name, record->fields[i].text);
    out[line.size++] = '\n';
    return line.size;
}
