/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/metrics_file.h"

#include "util/label.h"

#include <string.h>

/* A line of the text, its end included. */
struct line {
    const char *text;
    size_t size;
};

static bool begins_with(struct line line, const char *with)
{
    const size_t size = strlen(with);

    return line.size >= size && memcmp(line.text, with, size) == 0;
}

static bool ends_with(struct line line, const char *with)
{
    const size_t size = strlen(with);

    return line.size >= size && memcmp(line.text + line.size - size, with, size) == 0;
}

/* What the samples of a family have behind its name, which the older form wants in the name. */
static const char *suffix_of(struct line type)
{
    return ends_with(type, " counter\n") ? "_total" : ends_with(type, " info\n") ? "_info" : "";
}

/* "# TYPE name rest" or "# HELP name rest". */
static void put_about(struct ms_text *out, struct line line, const char *suffix)
{
    const size_t name = strlen("# TYPE ");
    const char *const rest = memchr(line.text + name, ' ', line.size - name);

    ms_text_add(out, line.text, (size_t)(rest - line.text));
    ms_text_add(out, suffix, strlen(suffix));
    if (ends_with(line, " info\n"))
        ms_text_add(out, " gauge\n", 7); /* the older form has no infos */
    else
        ms_text_add(out, rest, (size_t)(line.text + line.size - rest));
}

/* The label with the store's name, whose bytes that are no characters are told as those of hot keys are. */
static void put_name(struct ms_text *out, const char *name)
{
    const size_t size = strlen(name);

    ms_text_add(out, "store=\"", 7);
    for (size_t at = 0; at < size;) {
        char form[MS_LABEL_CHARACTER], *end = form;

        at += ms_label_put_character(&end, name + at, size - at);
        ms_text_add(out, form, (size_t)(end - form));
    }
    ms_text_add(out, "\"", 1);
}

static void put_sample(struct ms_text *out, struct line line, const char *store_name)
{
    size_t name = 0;

    while (line.text[name] != '{' && line.text[name] != ' ')
        name++;
    const bool has_labels = line.text[name] == '{';
    ms_text_add(out, line.text, name);
    if (store_name[0] != '\0') {
        ms_text_add(out, "{", 1);
        put_name(out, store_name);
        ms_text_add(out, has_labels ? "," : "}", 1);
        name += has_labels;
    }
    ms_text_add(out, line.text + name, line.size - name);
}

void ms_metrics_for_file(const struct ms_text *metrics, const char *store_name, struct ms_text *out)
{
    const char *suffix = "";

    for (size_t at = 0; at < metrics->size;) {
        const char *const text = metrics->data + at;
        const char *const end = (const char *)memchr(text, '\n', metrics->size - at) + 1;
        const struct line line = {text, (size_t)(end - text)};

        if (begins_with(line, "# TYPE "))
            suffix = suffix_of(line);
        if (begins_with(line, "# TYPE ") || begins_with(line, "# HELP "))
            put_about(out, line, suffix);
        else if (!begins_with(line, "# EOF"))
            put_sample(out, line, store_name);
        at += line.size;
    }
}
