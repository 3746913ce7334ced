/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml_reader.h"

#include "util/utf8.h"

#include <memstore/status.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Values that are passed over may be nested as deep. libyaml's time grows with the square of it. */
#define DEEPEST 64
/* What is shown of a text's name, its end. */
#define NAME_SHOWN 160

/* ---- Saying what is wrong ---- */

/* Bytes of the character at `p` in UTF-8; 0 when there is none that can be shown. */
static size_t character_size(const char *p)
{
    const size_t size = ms_utf8_character(p, strnlen(p, 4));

    return size == 1 && (*p < ' ' || *p == 0x7f) ? 0 : size;
}

/* "name:line:column: ", or "name: " for what concerns all of the text. */
static size_t write_position(struct ms_yaml *yaml, struct ms_yaml_mark at)
{
    const size_t length = strlen(yaml->name);
    const bool cut = length > NAME_SHOWN;
    char *const why = yaml->why;
    int used = snprintf(why, sizeof yaml->why, "%s%s:", cut ? "..." : "",
                        cut ? yaml->name + length - NAME_SHOWN : yaml->name);

    /* A name in UTF-8 is shown as it is. */
    for (char *p = why; *p != '\0';) {
        const size_t bytes = character_size(p);

        if (bytes == 0)
            *p = '?';
        p += bytes != 0 ? bytes : 1;
    }
    if (at.line != 0)
        used +=
            snprintf(why + used, sizeof yaml->why - (size_t)used, "%zu:%zu:", at.line, at.column);
    return (size_t)used + (size_t)snprintf(why + used, sizeof yaml->why - (size_t)used, " ");
}

bool ms_yaml_fail(struct ms_yaml *yaml, struct ms_yaml_mark at, const char *format, ...)
{
    const size_t used = write_position(yaml, at);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(yaml->why + used, sizeof yaml->why - used, format, arguments);
    va_end(arguments);
    for (char *p = yaml->why + used; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
    yaml->status = MEMSTORE_ERR_INVALID_CONFIG;
    return false;
}

static struct ms_yaml_mark mark_of(yaml_mark_t mark)
{
    return (struct ms_yaml_mark){mark.line + 1, mark.column + 1};
}

struct ms_yaml_mark ms_yaml_here(const struct ms_yaml *yaml)
{
    return mark_of(yaml->event.start_mark);
}

/* The position of a byte, for errors that come without one. */
static struct ms_yaml_mark mark_of_offset(const struct ms_yaml *yaml, size_t offset)
{
    struct ms_yaml_mark mark = {1, 1};

    for (size_t i = 0; i < offset && i < yaml->size; i++) {
        if (yaml->text[i] == '\n')
            mark = (struct ms_yaml_mark){mark.line + 1, 1};
        else if (((unsigned char)yaml->text[i] & 0xc0) != 0x80)
            mark.column++;
    }
    return mark;
}

static bool fail_syntax(struct ms_yaml *yaml)
{
    const yaml_parser_t *parser = &yaml->parser;
    const char *const context = parser->context != NULL ? parser->context : "";
    const char *const problem = parser->problem != NULL ? parser->problem : "it ends too early";

    switch (parser->error) {
    case YAML_MEMORY_ERROR:
        ms_yaml_fail(yaml, MS_YAML_WHOLE, "the system gave no memory to read it");
        yaml->status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
        return false;
    case YAML_READER_ERROR:
        return ms_yaml_fail(yaml, mark_of_offset(yaml, parser->problem_offset),
                            "not a text in UTF-8: %s", problem);
    default:
        return ms_yaml_fail(yaml, mark_of(parser->problem_mark), "not YAML: %s%s%s", context,
                            context[0] != '\0' ? ", " : "", problem);
    }
}

bool ms_yaml_open(struct ms_yaml *yaml, const char *name, const char *text, size_t size)
{
    *yaml = (struct ms_yaml){.name = name, .text = text, .size = size};
    if (!yaml_parser_initialize(&yaml->parser)) {
        ms_yaml_fail(yaml, MS_YAML_WHOLE, "the system gave no memory to read it");
        yaml->status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
        return false;
    }
    /* Stated, so that no other encoding is looked for. */
    yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml->parser, (const unsigned char *)text, size);
    return true;
}

void ms_yaml_close(struct ms_yaml *yaml)
{
    if (yaml->has_event)
        yaml_event_delete(&yaml->event);
    yaml->has_event = false;
    yaml_parser_delete(&yaml->parser);
}

/* ---- Events ---- */

bool ms_yaml_next(struct ms_yaml *yaml)
{
    yaml_event_t *event = &yaml->event;
    const unsigned char *anchor = NULL;

    if (yaml->has_event)
        yaml_event_delete(event);
    yaml->has_event = yaml_parser_parse(&yaml->parser, event) != 0;
    if (!yaml->has_event)
        return fail_syntax(yaml);

    if (event->type == YAML_ALIAS_EVENT)
        anchor = event->data.alias.anchor;
    else if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor;
    else if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor;
    if (anchor != NULL)
        return ms_yaml_fail(
            yaml, ms_yaml_here(yaml),
            "\"%s%.40s\": anchors and aliases are not accepted; write the value itself",
            event->type == YAML_ALIAS_EVENT ? "*" : "&", (const char *)anchor);
    return true;
}

bool ms_yaml_is_scalar(const struct ms_yaml *yaml)
{
    return yaml->event.type == YAML_SCALAR_EVENT;
}

const char *ms_yaml_scalar(const struct ms_yaml *yaml)
{
    return (const char *)yaml->event.data.scalar.value;
}

bool ms_yaml_has_nul(const struct ms_yaml *yaml)
{
    return strlen(ms_yaml_scalar(yaml)) != yaml->event.data.scalar.length;
}

/* As the core schema of YAML 1.2 has it. */
bool ms_yaml_is_nothing(const struct ms_yaml *yaml)
{
    static const char *const names[] = {"", "~", "null", "Null", "NULL"};

    if (!ms_yaml_is_scalar(yaml) || yaml->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(ms_yaml_scalar(yaml), names[i]) == 0)
            return true;
    }
    return false;
}

const char *ms_yaml_kind(const struct ms_yaml *yaml)
{
    return yaml->event.type == YAML_MAPPING_START_EVENT ? "a mapping" : "a list";
}

bool ms_yaml_is_tagged(const struct ms_yaml *yaml)
{
    const yaml_event_t *event = &yaml->event;

    return (event->type == YAML_SCALAR_EVENT && event->data.scalar.tag != NULL) ||
           (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.tag != NULL) ||
           (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.tag != NULL);
}

bool ms_yaml_skip_value(struct ms_yaml *yaml)
{
    unsigned depth = 0;

    for (;;) {
        switch (yaml->event.type) {
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
            depth++;
            break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
            depth--;
            break;
        default:
            break;
        }
        if (depth == 0)
            return true;
        if (depth > DEEPEST)
            return ms_yaml_fail(yaml, ms_yaml_here(yaml), "nested deeper than %d levels", DEEPEST);
        if (!ms_yaml_next(yaml))
            return false;
    }
}
