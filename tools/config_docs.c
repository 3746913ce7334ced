/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what is generated from the table of settings, lib/config/schema.c: docs/configuration.md
 * for people, docs/configuration.schema.json for editors and bindings/python/memstore/_settings.py
 * for Python's type checkers.
 *
 *     config_docs ROOT            write them
 *     config_docs --check ROOT    compare them; 1 when they are not what would be written */
#include "config/schema.h"
#include "config_python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Markdown ---- */

static const char introduction[] =
    "<!-- Generated from lib/config/schema.c by `./dev docs`; do not edit. -->\n"
    "# Settings\n"
    "\n"
    "Every setting has a path. It is given by a call, in YAML or by an environment variable; what "
    "comes later wins.\n"
    "\n"
    "```yaml\n"
    "# wes.yaml: under storage.memory, where other programs' sections may stand beside it, or at "
    "the top.\n"
    "storage:\n"
    "  memory:\n"
    "    max_entry_size: 500\n"
    "    ttl:\n"
    "      default_ttl: 1h\n"
    "    performance: {memory_limit: 1GB}\n"
    "```\n"
    "\n"
    "| | a file | the environment | one setting | in a running store |\n"
    "|---|---|---|---|---|\n"
    "| C | `memstore_config_load_file(config, \"wes.yaml\")` | "
    "`memstore_config_load_environment(config)` | "
    "`memstore_config_set(config, \"ttl.max_ttl\", \"24h\")` | "
    "`memstore_reconfigure(store, \"ttl.max_ttl\", \"24h\")` |\n"
    "| Python | `Store.from_yaml(\"wes.yaml\")` | `Store.from_yaml(path, environment=True)` | "
    "`Store(max_ttl=\"24h\")` | `store.reconfigure(\"ttl.max_ttl\", \"24h\")` |\n"
    "| Go | `OpenYAML(\"wes.yaml\")` | `Open(Config{File: path, Environment: true})` | "
    "`Open(Config{MaxTTL: 24 * time.Hour})` | `store.Reconfigure(ctx, \"ttl.max_ttl\", \"24h\")` "
    "|\n"
    "\n"
    "- **Durations**: `250ms`, `10s`, `5m`, `1.5h`, `7d`, `0`, or a plain number of milliseconds.\n"
    "- **Sizes**: plain bytes, `kB` `MB` `GB` `TB` (powers of 1000), `KiB` `MiB` `GiB` `TiB` (of "
    "1024).\n"
    "- **Numbers** are decimal digits, with a point in ratios, in quotes or not. What else YAML "
    "has for numbers is refused, since "
    "its versions differ in what they mean: `0x10`, `0o20`, `1_000`, `1:30`, `1e3`, `+5`.\n"
    "- **Booleans**: `true`, `false`, `yes`, `no`, `on`, `off`.\n"
    "- **The environment** is read only when the program asks for it. A setting's variable is "
    "`MEMSTORE_` and its path in capitals, dots as underscores: "
    "`MEMSTORE_PERFORMANCE_MEMORY_LIMIT=1GB`. A variable that looks like a misspelt one is "
    "refused.\n"
    "- **YAML** is one document in UTF-8 of at most 1 MiB, without anchors, aliases and tags. "
    "Unknown, misplaced and repeated keys, wrong types and units and settings that contradict "
    "each other are refused, with nothing applied: `wes.yaml:12:17: ttl.min_ttl: \"1 hour\" has no "
    "known unit; expected ...`. A path may be written with dots (`ttl.max_ttl: 24h`).\n"
    "- **Editors** complete and check such a file by "
    "[configuration.schema.json](configuration.schema.json). It cannot tell how a number is "
    "written, "
    "nor the bounds of one with a unit or in quotes: that is for the library.\n";

static const char live_introduction[] =
    "\n"
    "## In a running store\n"
    "\n"
    "`memstore_reconfigure()` changes the settings that are **live** in the tables above; "
    "`memstore_reconfigure_explained()` does the same and says why a change was refused. A "
    "change is checked against the other settings and is in force when the call returns. "
    "`memstore_get_setting()` tells what is in force.\n"
    "\n"
    "A file that has changed is read into a new configuration, as when the store was opened, and "
    "handed to "
    "`memstore_reconfigure_all()` (Python `store.reload_yaml(path)`, Go "
    "`store.ReconfigureAll(ctx, Config{File: path})`), for example when the process gets SIGHUP. "
    "It "
    "puts all of it into force, or nothing: then it tells which setting was refused, and why. What "
    "the "
    "file does not name goes back to its default.\n"
    "\n"
    "- TTL settings, `life_window` and `max_entry_size` hold for the writes and changes of TTL "
    "that follow; entries keep the expiry that they have. `life_window` can be set only where "
    "entries keep their age, that is when the store was opened with a `life_window` or with "
    "`ttl.store_creation_time`.\n"
    "- A higher `performance.memory_limit` may be up to four times that of the opening, less "
    "where the system rations addresses, or where more would make every entry larger: a store of 1 "
    "to 4 GiB can grow to nearly 4 GiB, and a larger one to nearly the next power of two. What was "
    "derived from the limit at the opening, such as the "
    "size of segments, stays.\n"
    "- A lower one is brought about before the call returns: what has expired goes, then dead "
    "bytes, then what the eviction policy gives up, and the memory goes back to the system. It is "
    "refused below what views hold, below what the store needs for itself, and with `eviction: "
    "none` below what it holds.\n"
    "- `ttl.cleanup_interval` and `clean_window` hold also for what is waiting to be swept.\n"
    "- Timeouts hold for the waits that begin afterwards.\n"
    "\n"
    "The others are refused with `MEMSTORE_ERR_UNSUPPORTED`:\n"
    "\n"
    "| key | why it is fixed |\n"
    "|---|---|\n";

/* The values of a setting, for a cell of a table. */
static void write_values(FILE *out, const struct ms_setting *row)
{
    char min[MS_SETTING_TEXT_SIZE], max[MS_SETTING_TEXT_SIZE];

    switch (row->type) {
    case MS_SETTING_DURATION:
        fputs("duration", out);
        break;
    case MS_SETTING_SIZE:
        fputs("size", out);
        break;
    case MS_SETTING_MEGABYTES:
        fputs("whole MB of 2^20 bytes", out);
        break;
    case MS_SETTING_RATIO:
        fputs("number, 0 to 1", out);
        break;
    case MS_SETTING_BOOL:
        fputs("boolean", out);
        break;
    case MS_SETTING_CHOICE:
        for (const struct ms_setting_choice *choice = row->choices; choice->name != NULL; choice++)
            fprintf(out, "%s`%s`", choice == row->choices ? "" : ", ", choice->name);
        break;
    case MS_SETTING_STRING:
        fputs("text", out);
        break;
    case MS_SETTING_INTEGER:
    case MS_SETTING_POWER_OF_TWO:
        fprintf(out, "%s, %s to %s",
                row->type == MS_SETTING_INTEGER ? "whole number" : "power of two",
                ms_schema_format(row, row->min, min), ms_schema_format(row, row->max, max));
        break;
    }
}

/* The section of a path, "" for none. */
static const char *section_of(const char *path, char section[static 64])
{
    const char *const dot = strchr(path, '.');

    snprintf(section, 64, "%.*s", dot != NULL ? (int)(dot - path) : 0, path);
    return section;
}

static void write_tables(FILE *out)
{
    char before[64] = "none yet", section[64];

    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        section_of(row->path, section);
        if (strcmp(before, section) != 0) {
            fprintf(out, "\n## %s%s%s\n\n| key | values | default | live | meaning |\n",
                    section[0] != '\0' ? "`" : "The store as a whole", section,
                    section[0] != '\0' ? "`" : "");
            fputs("|---|---|---|:-:|---|\n", out);
            strcpy(before, section);
        }
        fprintf(out, "| `%s` | ", row->path);
        write_values(out, row);
        fprintf(out, row->initial[0] != '\0' ? " | `%s` | %s | %s |\n" : " | %s | %s | %s |\n",
                row->initial, row->live ? "yes" : "", row->doc);
    }
}

static void write_markdown(FILE *out)
{
    fputs(introduction, out);
    write_tables(out);
    fputs(live_introduction, out);
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        if (!row->live)
            fprintf(out, "| `%s` | %s |\n", row->path, ms_schema_why_fixed(row));
    }
}

/* ---- JSON Schema ---- */

static void write_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void write_choices(FILE *out, const struct ms_setting *row)
{
    bool has_on = false, has_off = false;

    fputs("\"enum\": [", out);
    for (const struct ms_setting_choice *choice = row->choices; choice->name != NULL; choice++) {
        fprintf(out, "%s\"%s\"", choice == row->choices ? "" : ", ", choice->name);
        has_on |= strcmp(choice->name, "on") == 0;
        has_off |= strcmp(choice->name, "off") == 0;
    }
    /* Readers of YAML 1.1 take these words for booleans. */
    fprintf(out, "%s%s]", has_on ? ", true" : "", has_off ? ", false" : "");
}

/* A number in the smallest unit, within the bounds, or a text with a unit, whose bounds a schema cannot
 * tell. */
static void write_amount(FILE *out, const struct ms_setting *row, const char *units)
{
    fprintf(out,
            "\"type\": [\"integer\", \"string\"], \"minimum\": %llu, \"maximum\": %llu, "
            "\"pattern\": \"^[0-9]+((\\\\.[0-9]{1,6})?(%s))?$\"",
            (unsigned long long)row->min, (unsigned long long)row->max, units);
}

/* A whole number, or one in quotes, as templates write them; the bounds of that a schema cannot tell. */
static void write_whole(FILE *out, uint64_t min, uint64_t max)
{
    fprintf(out,
            "\"type\": [\"integer\", \"string\"], \"minimum\": %llu, \"maximum\": %llu, "
            "\"pattern\": \"^[0-9]+$\"",
            (unsigned long long)min, (unsigned long long)max);
}

static void write_powers(FILE *out, const struct ms_setting *row, const char *quote)
{
    for (uint64_t power = row->min; power <= row->max; power *= 2)
        fprintf(out, "%s%s%llu%s", power == row->min ? "" : ", ", quote, (unsigned long long)power,
                quote);
}

static void write_type(FILE *out, const struct ms_setting *row)
{
    switch (row->type) {
    case MS_SETTING_DURATION:
        write_amount(out, row, "ms|s|m|h|d");
        break;
    case MS_SETTING_SIZE:
        write_amount(out, row, "B|kB|KiB|MB|MiB|GB|GiB|TB|TiB");
        break;
    case MS_SETTING_MEGABYTES:
        write_whole(out, 0, row->max >> 20);
        break;
    case MS_SETTING_INTEGER:
        write_whole(out, row->min, row->max);
        break;
    case MS_SETTING_POWER_OF_TWO:
        fputs("\"enum\": [", out);
        write_powers(out, row, "");
        fputs(", ", out);
        write_powers(out, row, "\"");
        fputs("]", out);
        break;
    case MS_SETTING_RATIO:
        fputs("\"type\": [\"number\", \"string\"], \"minimum\": 0, \"maximum\": 1, "
              "\"pattern\": \"^(0(\\\\.[0-9]{1,6})?|1(\\\\.0{1,6})?)$\"",
              out);
        break;
    case MS_SETTING_BOOL:
        fputs("\"enum\": [true, false, \"yes\", \"no\", \"on\", \"off\", \"true\", \"false\"]",
              out);
        break;
    case MS_SETTING_CHOICE:
        write_choices(out, row);
        break;
    case MS_SETTING_STRING:
        fprintf(out, "\"type\": %s, \"maxLength\": %llu",
                row->flag_is_none ? "[\"string\", \"boolean\", \"null\"]"
                                  : "[\"string\", \"null\"]",
                (unsigned long long)row->max);
        break;
    }
}

static bool is_number(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

static void write_property(FILE *out, const struct ms_setting *row, const char *name,
                           const char *indent)
{
    fprintf(out, "%s\"%s\": {\n%s  ", indent, name, indent);
    write_type(out, row);
    fprintf(out, ",\n%s  \"default\": ", indent);
    if (row->type == MS_SETTING_BOOL || (row->type != MS_SETTING_STRING && is_number(row->initial)))
        fputs(row->initial, out);
    else
        write_string(out, row->initial);
    fprintf(out, ",\n%s  \"description\": ", indent);
    write_string(out, row->doc);
    fprintf(out, "\n%s}", indent);
}

/* The same by their paths, which may stand in place of a section. */
static void write_paths(FILE *out)
{
    char section[64];

    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        section_of(row->path, section);
        if (section[0] != '\0')
            fprintf(out,
                    ",\n        \"%s\": {\"$ref\": "
                    "\"#/definitions/settings/properties/%s/properties/%s\"}",
                    row->path, section, strchr(row->path, '.') + 1);
    }
    fputs("\n", out);
}

/* All rows; those of a section stand together and become its properties. */
static void write_properties(FILE *out)
{
    char open[64] = "", section[64];

    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        section_of(row->path, section);
        const bool begins = strcmp(open, section) != 0;

        if (begins && open[0] != '\0')
            fputs("\n          }\n        }", out);
        if (row != ms_schema)
            fputs(",\n", out);
        if (begins && section[0] != '\0')
            fprintf(out,
                    "        \"%s\": {\n          \"type\": [\"object\", \"null\"],\n"
                    "          \"additionalProperties\": false,\n          \"properties\": {\n",
                    section);
        strcpy(open, section);
        write_property(out, row, section[0] != '\0' ? strchr(row->path, '.') + 1 : row->path,
                       section[0] != '\0' ? "            " : "        ");
    }
    if (open[0] != '\0')
        fputs("\n          }\n        }", out);
    write_paths(out);
}

static void write_schema(FILE *out)
{
    fputs("{\n"
          "  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
          "  \"$comment\": \"Generated from lib/config/schema.c by ./dev docs; do not edit.\",\n"
          "  \"title\": \"memstore settings\",\n"
          "  \"description\": \"Under storage.memory, beside which other programs' sections may "
          "stand, or at the top.\",\n"
          "  \"type\": [\"object\", \"null\"],\n"
          "  \"if\": {\"required\": [\"storage\"]},\n"
          "  \"then\": {\n"
          "    \"properties\": {\n"
          "      \"storage\": {\n"
          "        \"type\": [\"object\", \"null\"],\n"
          "        \"properties\": {\"memory\": {\"$ref\": \"#/definitions/settings\"}}\n"
          "      }\n"
          "    }\n"
          "  },\n"
          "  \"else\": {\"$ref\": \"#/definitions/settings\"},\n"
          "  \"definitions\": {\n"
          "    \"settings\": {\n"
          "      \"type\": [\"object\", \"null\"],\n"
          "      \"additionalProperties\": false,\n"
          "      \"properties\": {\n",
          out);
    write_properties(out);
    fputs("      }\n    }\n  }\n}\n", out);
}

/* ---- Files ---- */

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static bool is_current(const char *path, const char *text, size_t size)
{
    FILE *const file = fopen(path, "rb");
    char *const there = malloc(size + 1);

    if (file == NULL || there == NULL)
        die(path);
    const size_t got = fread(there, 1, size + 1, file);
    const bool same = got == size && memcmp(there, text, size) == 0;
    fclose(file);
    free(there);
    if (!same)
        printf("%s is not what lib/config/schema.c makes it; run ./dev docs\n", path);
    return same;
}

/* Write the file, or compare it. */
static bool handle(const char *root, const char *name, void (*write)(FILE *), bool check)
{
    char path[4096], *text = NULL;
    size_t size = 0;
    FILE *const memory = open_memstream(&text, &size);
    bool current = true;

    if (memory == NULL)
        die("open_memstream");
    write(memory);
    fclose(memory);
    snprintf(path, sizeof path, "%s/%s", root, name);
    if (check) {
        current = is_current(path, text, size);
    } else {
        FILE *const file = fopen(path, "wb");
        if (file == NULL || fwrite(text, 1, size, file) != size || fclose(file) != 0)
            die(path);
    }
    free(text);
    return current;
}

int main(int argc, char **argv)
{
    const bool check = argc == 3 && strcmp(argv[1], "--check") == 0;

    if (argc != 2 && !check) {
        fprintf(stderr, "usage: config_docs [--check] ROOT\n");
        return 2;
    }
    const char *const root = argv[argc - 1];
    const bool markdown = handle(root, "docs/configuration.md", write_markdown, check);
    const bool schema = handle(root, "docs/configuration.schema.json", write_schema, check);
    const bool types =
        handle(root, "bindings/python/memstore/_settings.py", config_write_python, check);
    return markdown && schema && types ? 0 : 1;
}
