/* SPDX-License-Identifier: Apache-2.0 */
/* Plain text and CSV. Both cut a line into fields and hand them to add_fields(). */
#include "replay/reader.h"
#include "replay/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_LINE = 64 * 1024, MAX_FIELDS = 256, PROGRESS_EVERY = 1 << 14 };

struct field {
    char *text; /* terminated */
    size_t size;
};

/* Which field is what, counted from 0; -1 = the trace has none. */
struct columns {
    int key, size, ttl;
};

struct line {
    uint64_t number;
    char text[MAX_LINE + 1];
    struct field fields[MAX_FIELDS];
    int field_count;
};

/* ---- Lines ---- */

enum line_result { LINE_READ, LINE_END, LINE_BAD };

static enum line_result next_line(struct reader *reader, struct line *line)
{
    size_t available, size;
    const char *bytes = (const char *)input_peek(reader->input, MAX_LINE, &available);
    const char *end;

    if (available == 0)
        return LINE_END;
    line->number++;
    end = memchr(bytes, '\n', available);
    if (!end && available == MAX_LINE) {
        reader_fail_at_line(reader, line->number, "the line is longer than %d bytes", MAX_LINE);
        return LINE_BAD;
    }
    size = end ? (size_t)(end - bytes) : available;
    memcpy(line->text, bytes, size);
    input_skip(reader->input, size + (end != NULL));
    if (memchr(line->text, '\0', size)) {
        reader_fail_at_line(reader, line->number,
                            "a NUL byte: this is neither text nor a known binary format");
        return LINE_BAD;
    }
    if (size && line->text[size - 1] == '\r')
        size--;
    line->text[size] = '\0';
    return LINE_READ;
}

static bool split_blanks(struct reader *reader, struct line *line)
{
    char *at = line->text;

    line->field_count = 0;
    for (;;) {
        at += strspn(at, " \t");
        if (!*at)
            return true;
        if (line->field_count == 3)
            return reader_fail_at_line(reader, line->number, "more than key, size and TTL");
        line->fields[line->field_count].text = at;
        at += strcspn(at, " \t");
        line->fields[line->field_count].size = (size_t)(at - line->fields[line->field_count].text);
        line->field_count++;
        if (*at)
            *at++ = '\0';
    }
}

/* Take one CSV field off the line, unquoting it in place. Sets *more when a comma follows it. */
static bool split_one(struct reader *reader, struct line *line, char **at, bool *more)
{
    struct field *field = &line->fields[line->field_count];
    char *in = *at, *out = *at;

    field->text = in;
    if (*in == '"') {
        for (in++; *in && (*in != '"' || in[1] == '"'); *out++ = *in++)
            in += *in == '"';
        if (*in != '"')
            return reader_fail_at_line(reader, line->number,
                                       "a quoted field does not end on its line");
        in++;
        if (*in && *in != ',')
            return reader_fail_at_line(reader, line->number, "text follows a quoted field");
    } else {
        in += strcspn(in, ",");
        out = in;
    }
    *more = *in == ',';
    *at = in + 1;
    *out = '\0';
    field->size = (size_t)(out - field->text);
    line->field_count++;
    return true;
}

static bool split_commas(struct reader *reader, struct line *line)
{
    char *at = line->text;
    bool more = *at != '\0';

    line->field_count = 0;
    while (more) {
        if (line->field_count == MAX_FIELDS)
            return reader_fail_at_line(reader, line->number, "more than %d columns", MAX_FIELDS);
        if (!split_one(reader, line, &at, &more))
            return false;
    }
    return true;
}

/* ---- Fields ---- */

static const struct field *column(const struct line *line, int index)
{
    if (index < 0 || index >= line->field_count || line->fields[index].size == 0)
        return NULL;
    return &line->fields[index];
}

static bool add_fields(struct reader *reader, const struct line *line,
                       const struct columns *columns)
{
    const struct field *key = column(line, columns->key), *size = column(line, columns->size);
    const struct field *ttl = column(line, columns->ttl);
    struct request request = {
        .op = OP_GET, .value_size = reader->options->value_size, .ttl_ms = reader->options->ttl_ms};
    uint64_t bytes;

    if (!key)
        return reader_fail_at_line(reader, line->number, "no key");
    if (key->size > WORKLOAD_MAX_KEY_SIZE)
        return reader_fail_at_line(reader, line->number, "a key of %zu bytes, at most %d",
                                   key->size, WORKLOAD_MAX_KEY_SIZE);
    request.key_size = (uint32_t)key->size;
    if (size) {
        if (!units_parse_size(size->text, &bytes) || bytes > WORKLOAD_MAX_VALUE_SIZE)
            return reader_fail_at_line(reader, line->number,
                                       "\"%.40s\" is no size from 0 to %d bytes", size->text,
                                       WORKLOAD_MAX_VALUE_SIZE);
        request.value_size = reader_value_size(reader, bytes, request.key_size);
    }
    if (ttl && !units_parse_seconds(ttl->text, &request.ttl_ms))
        return reader_fail_at_line(reader, line->number,
                                   "\"%.40s\" is no TTL such as 1500 (seconds), 250ms or 1h",
                                   ttl->text);
    if (!workload_add_text(reader->workload, &request, key->text))
        return reader_fail_at_line(reader, line->number, "no memory for request %zu",
                                   reader->workload->count + 1);
    return true;
}

/* ---- CSV columns ---- */

static int find_column(const struct line *header, const char *name)
{
    uint64_t number;

    for (int i = 0; header && i < header->field_count; i++) {
        if (strcasecmp(header->fields[i].text, name) == 0)
            return i;
    }
    return units_parse_count(name, &number) && number >= 1 && number <= MAX_FIELDS ? (int)number - 1
                                                                                   : -1;
}

/* "key=NAME,size=NAME,ttl=NAME": which columns the user asked for. */
static bool choose_columns(struct reader *reader, const struct line *header,
                           struct columns *columns)
{
    char text[512], *rest = text, *part;

    *columns = (struct columns){-1, -1, -1};
    if (snprintf(text, sizeof text, "%s", reader->options->columns) >= (int)sizeof text)
        return reader_fail_at_line(reader, header->number,
                                   "the column option is longer than %zu bytes", sizeof text);
    while ((part = strsep(&rest, ",")) != NULL) {
        char *name = strchr(part, '=');
        int *target = NULL;

        if (name) {
            *name++ = '\0';
            target = strcmp(part, "key") == 0    ? &columns->key
                     : strcmp(part, "size") == 0 ? &columns->size
                     : strcmp(part, "ttl") == 0  ? &columns->ttl
                                                 : NULL;
        }
        if (!target)
            return reader_fail_at_line(reader, header->number,
                                       "columns are chosen as key=NAME,size=NAME,ttl=NAME");
        *target = find_column(header, name);
        if (*target < 0)
            return reader_fail_at_line(reader, header->number, "there is no column \"%s\"", name);
    }
    if (columns->key < 0)
        return reader_fail_at_line(reader, header->number, "the columns chosen have no key");
    return true;
}

/* Whether a column is chosen by its name, so that the first line must be a header. */
static bool columns_have_names(const char *columns)
{
    for (const char *at = columns; at && (at = strchr(at, '=')) != NULL;) {
        at++;
        if (strspn(at, "0123456789") != strcspn(at, ","))
            return true;
    }
    return false;
}

static bool set_up_columns(struct reader *reader, const struct line *first, struct columns *columns,
                           bool *is_header)
{
    *is_header = columns_have_names(reader->options->columns);
    for (int i = 0; i < first->field_count; i++)
        *is_header = *is_header || strcasecmp(first->fields[i].text, "key") == 0;
    if (reader->options->columns)
        return choose_columns(reader, first, columns);
    if (*is_header)
        *columns = (struct columns){find_column(first, "key"), find_column(first, "size"),
                                    find_column(first, "ttl")};
    else
        *columns = (struct columns){0, 1, 2};
    return true;
}

/* ---- Files ---- */

static bool read_lines(struct reader *reader, struct progress *progress, struct line *line,
                       bool is_csv)
{
    struct columns columns = {0, 1, 2};
    enum line_result result = LINE_READ;
    bool is_first = true;

    while (!reader_is_full(reader) && (result = next_line(reader, line)) == LINE_READ) {
        if (!(is_csv ? split_commas(reader, line) : split_blanks(reader, line)))
            return false;
        if (line->field_count == 0)
            continue;
        if (is_csv && is_first) {
            bool is_header;

            if (!set_up_columns(reader, line, &columns, &is_header))
                return false;
            is_first = false;
            if (is_header)
                continue;
        }
        if (!add_fields(reader, line, &columns))
            return false;
        if (line->number % PROGRESS_EVERY == 0)
            progress_update(progress, input_raw_offset(reader->input),
                            input_raw_size(reader->input));
    }
    return result != LINE_BAD;
}

static bool read_file(struct reader *reader, struct progress *progress, bool is_csv)
{
    struct line *line = calloc(1, sizeof *line);
    bool ok;

    if (!line)
        return reader_fail_at_line(reader, 1, "no memory for a line");
    ok = read_lines(reader, progress, line, is_csv);
    free(line);
    return ok;
}

bool reader_read_text(struct reader *reader, struct progress *progress)
{
    return read_file(reader, progress, false);
}

bool reader_read_csv(struct reader *reader, struct progress *progress)
{
    return read_file(reader, progress, true);
}
