/* SPDX-License-Identifier: Apache-2.0 */
#include "common/json.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void json_init(struct json *json, FILE *out)
{
    *json = (struct json){.out = out};
}

/* JSON is UTF-8, which file names need not be: bytes that are none become a mark each. */
static void write_text(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text) {
        const unsigned char c = (unsigned char)*text;
        const size_t bytes = ms_utf8_character(text, strnlen(text, 4));

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else if (bytes)
            fwrite(text, 1, bytes, out);
        else
            fputs("\\ufffd", out);
        text += bytes ? bytes : 1;
    }
    fputc('"', out);
}

static void start_member(struct json *json, const char *name)
{
    if (json->depth)
        fprintf(json->out, "%s\n%*s", json->has_members ? "," : "", (int)json->depth * 2, "");
    json->has_members = true;
    if (name) {
        write_text(json->out, name);
        fputs(": ", json->out);
    }
}

static void open_group(struct json *json, const char *name, char bracket)
{
    start_member(json, name);
    fputc(bracket, json->out);
    json->depth++;
    json->has_members = false;
}

static void close_group(struct json *json, char bracket)
{
    json->depth--;
    if (json->has_members)
        fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
    fputc(bracket, json->out);
    json->has_members = true;
    if (json->depth == 0)
        fputc('\n', json->out);
}

void json_open_object(struct json *json, const char *name)
{
    open_group(json, name, '{');
}

void json_close_object(struct json *json)
{
    close_group(json, '}');
}

void json_open_array(struct json *json, const char *name)
{
    open_group(json, name, '[');
}

void json_close_array(struct json *json)
{
    close_group(json, ']');
}

void json_string(struct json *json, const char *name, const char *value)
{
    start_member(json, name);
    write_text(json->out, value);
}

void json_unsigned(struct json *json, const char *name, uint64_t value)
{
    start_member(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void json_number(struct json *json, const char *name, double value)
{
    start_member(json, name);
    if (isfinite(value))
        fprintf(json->out, "%.6g", value);
    else
        fputs("null", json->out);
}

void json_bool(struct json *json, const char *name, bool value)
{
    start_member(json, name);
    fputs(value ? "true" : "false", json->out);
}
