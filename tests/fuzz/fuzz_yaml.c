/* SPDX-License-Identifier: Apache-2.0 */
/* Settings as YAML. A text that is refused has changed nothing and is refused with a sentence
 * that begins with a position in it; one that is accepted leaves values that can be read and set
 * again, and is accepted again. */
#include "config/config.h"
#include "config/schema.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_error(const char *error, const uint8_t *data, size_t size)
{
    size_t lines = 1;
    char *end;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    /* Of what can be wrong with a text this short, all stands somewhere in it. */
    FUZZ_CHECK(strncmp(error, "yaml:", 5) == 0);
    const unsigned long line = strtoul(error + 5, &end, 10);
    FUZZ_CHECK(*end == ':' && line >= 1);
    const unsigned long column = strtoul(end + 1, &end, 10);
    FUZZ_CHECK(*end == ':' && end[1] == ' ' && end[2] != '\0' && column >= 1);
    /* YAML knows more line ends than \n. */
    FUZZ_CHECK(line <= size + 2 && column <= size + 2);
    for (const char *p = error; *p != '\0'; p++)
        FUZZ_CHECK(*p >= ' ' && *p <= '~');
}

static void check_values(memstore_config *config)
{
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        size_t size;

        /* A text may have any length. */
        FUZZ_CHECK(ms_config_get(config, row->path, NULL, 0, &size) ==
                   MEMSTORE_ERR_BUFFER_TOO_SMALL);
        char *const text = malloc(size + 1);
        FUZZ_CHECK(text != NULL);
        FUZZ_CHECK(ms_config_get(config, row->path, text, size + 1, NULL) == MEMSTORE_OK);
        FUZZ_CHECK(ms_config_set(config, row->path, text) == MEMSTORE_OK);
        free(text);
    }
}

/* What a text gives agrees, but for memory for events: the limit that is to hold it may come later. What is said of
 * that begins with its place in the text. */
static void check_resolved(memstore_config *config)
{
    static const char beside_the_limit[] = ": events.queue_memory (";
    struct ms_settings settings;

    if (ms_config_resolve(config, &settings) != MEMSTORE_OK)
        FUZZ_CHECK(strstr(ms_config_error(config), beside_the_limit) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memstore_config *const config = ms_config_create();
    struct ms_settings before, after;

    FUZZ_CHECK(config != NULL);
    ms_config_copy_settings(config, &before);
    const int status = ms_config_load_yaml(config, (const char *)data, size);
    ms_config_copy_settings(config, &after);
    if (status == MEMSTORE_OK) {
        FUZZ_CHECK(ms_config_error(config)[0] == '\0');
        check_resolved(config);
        check_values(config);
        FUZZ_CHECK(ms_config_load_yaml(config, (const char *)data, size) == MEMSTORE_OK);
    } else {
        FUZZ_CHECK(status == MEMSTORE_ERR_INVALID_CONFIG);
        FUZZ_CHECK(memcmp(&before, &after, sizeof before) == 0);
        if (size < 1000)
            check_error(ms_config_error(config), data, size);
    }
    ms_config_destroy(config);
    return 0;
}

/* ---- Likely texts ---- */

struct writer {
    struct fuzz_random *random;
    char *out;
    size_t used, cap;
};

static void put(struct writer *writer, const char *text)
{
    for (; *text != '\0' && writer->used < writer->cap; text++)
        writer->out[writer->used++] = *text;
}

#define PICK(writer, array)                                                                        \
    (array)[fuzz_below((writer)->random, sizeof(array) / sizeof((array)[0]))]

static void put_value(struct writer *writer)
{
    static const char *const values[] = {
        "1h",    "64MB",   "1024",    "lru",       "true",  "off",      "0",     "'10m'",  "\"2\"",
        "fnv",   "~",      "",        "-1",        "1.5h",  "&a 4",     "*a",    "[1, 2]", "{a: b}",
        "!!int", "|\n  4", "\"\\0\"", "minute",    "# no",  "\xc3\xa9", "\xff",  "{",      "]",
        "24h",   "- 4",    "manual",  "\"\\x41\"", "64MiB", "100",      "? [4]", "%",      "@"};

    put(writer, PICK(writer, values));
}

/* A line that is right by itself. */
static void put_good_line(struct writer *writer, const struct ms_setting *row, bool nested)
{
    put(writer, nested ? "    " : "");
    put(writer, row->path);
    put(writer, ": ");
    put(writer, row->initial);
    put(writer, fuzz_below(writer->random, 4) == 0 ? " # as it is\n" : "\n");
}

static void put_line(struct writer *writer, bool nested)
{
    static const char *const indents[] = {"", "", "", "  ", "  ", "    ", "      ", "\t", " "};
    static const char *const names[] = {
        "storage",        "memory", "ttl", "performance", "network", "<<",
        "storage.memory", "- a",    "---", "...",         "? a",     "%YAML 1.1"};
    size_t rows = 0;

    while (ms_schema[rows].path != NULL)
        rows++;
    if (fuzz_below(writer->random, 4) != 0) {
        put_good_line(writer, &ms_schema[fuzz_below(writer->random, rows)], nested);
        return;
    }
    put(writer, PICK(writer, indents));
    if (fuzz_below(writer->random, 3) == 0) {
        put(writer, PICK(writer, names));
    } else {
        const char *const path = ms_schema[fuzz_below(writer->random, rows)].path;
        const char *const dot = strchr(path, '.');
        put(writer, dot != NULL && fuzz_below(writer->random, 2) == 0 ? dot + 1 : path);
    }
    put(writer, fuzz_below(writer->random, 8) != 0 ? ": " : ":");
    if (fuzz_below(writer->random, 4) != 0)
        put_value(writer);
    put(writer, "\n");
}

size_t fuzz_generate(struct fuzz_random *random, uint8_t *out, size_t cap)
{
    struct writer writer = {random, (char *)out, 0, cap};
    const size_t lines = 1 + fuzz_below(random, 6);

    const bool nested = fuzz_below(random, 2) == 0;

    put(&writer, nested ? "storage:\n  memory:\n" : "");
    for (size_t i = 0; i < lines; i++)
        put_line(&writer, nested);
    for (unsigned i = 0; i < 3 && fuzz_below(random, 3) == 0; i++)
        out[fuzz_below(random, writer.used)] = (uint8_t)fuzz_next(random);
    return writer.used;
}
