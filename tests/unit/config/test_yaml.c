/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from YAML: what is accepted, and where and why the rest is refused, as a whole. */
#include "config/config.h"
#include "config/schema.h"
#include "platform/testing.h"
#include "unit/config/one_config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

TestSuite(yaml, .init = create_config, .fini = destroy_config);

static int load(const char *text)
{
    return ms_config_load_yaml(config, text, strlen(text));
}

static void expect_text(const char *key, const char *expected)
{
    char buf[64];

    cr_assert_eq(ms_config_get(config, key, buf, sizeof buf, NULL), MEMSTORE_OK, "%s", key);
    cr_expect_str_eq(buf, expected, "%s is '%s'", key, buf);
}

static void expect_loaded(const char *text)
{
    cr_assert_eq(load(text), MEMSTORE_OK, "%s", ms_config_error(config));
    cr_expect_str_eq(ms_config_error(config), "");
}

/* The text of `size` bytes is refused with this sentence, and nothing is changed. */
static void expect_refused_bytes(const char *text, size_t size, const char *expected)
{
    struct ms_settings before, after;

    ms_config_copy_settings(config, &before);
    cr_expect_eq(ms_config_load_yaml(config, text, size), MEMSTORE_ERR_INVALID_CONFIG, "%s", text);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    ms_config_copy_settings(config, &after);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0, "%s", text);
}

static void expect_refused(const char *text, const char *expected)
{
    expect_refused_bytes(text, strlen(text), expected);
}

/* ---- What is accepted ---- */

Test(yaml, settings_stand_under_storage_memory)
{
    expect_loaded("storage:\n"
                  "  memory:\n"
                  "    shards: 64\n"
                  "    life_window: 10m # ten minutes\n"
                  "    ttl:\n"
                  "      max_ttl: \"24h\"\n"
                  "    performance: {memory_limit: 1GiB, gc_percent: 50}\n");
    expect_text("shards", "64");
    expect_text("life_window", "10m");
    expect_text("ttl.max_ttl", "24h");
    expect_text("performance.memory_limit", "1GiB");
    expect_text("performance.gc_percent", "50");
    expect_text("ttl.min_ttl", "0");
}

Test(yaml, settings_stand_at_the_top)
{
    expect_loaded("eviction: lru\nttl:\n  store_creation_time: yes\n");
    expect_text("eviction", "lru");
    expect_text("ttl.store_creation_time", "true");
}

Test(yaml, paths_may_be_written_with_dots)
{
    expect_loaded("storage.memory:\n  ttl.max_ttl: 2h\n");
    expect_loaded("storage.memory.ttl.min_ttl: 1h\n");
    expect_loaded("storage: {memory.ttl: {default_ttl: 90m}}\n");
    expect_text("ttl.max_ttl", "2h");
    expect_text("ttl.min_ttl", "1h");
    expect_text("ttl.default_ttl", "90m");
}

Test(yaml, every_unit_of_a_value_works)
{
    static const char *const values[][3] = {
        {"ttl.max_ttl", "250ms", "250ms"},
        {"ttl.max_ttl", "10s", "10s"},
        {"ttl.max_ttl", "1.5h", "90m"},
        {"ttl.max_ttl", "7d", "7d"},
        {"ttl.max_ttl", "60000", "1m"},
        {"ttl.max_ttl", "0", "0"},
        {"performance.memory_limit", "64MB", "64MB"},
        {"performance.memory_limit", "64MiB", "64MiB"},
        {"performance.memory_limit", "1GiB", "1GiB"},
        {"performance.memory_limit", "1000000", "1MB"},
        {"performance.memory_limit", "'1.5kB'", "1500"},
        {"huge_pages", "off", "off"},
        {"ttl.store_creation_time", "True", "true"},
    };

    for (size_t i = 0; i < COUNT(values); i++) {
        char text[128];

        snprintf(text, sizeof text, "%s: %s\n", values[i][0], values[i][1]);
        expect_loaded(text);
        expect_text(values[i][0], values[i][2]);
    }
}

Test(yaml, nothing_is_no_settings)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        "# a comment",
        "---\n",
        "{}",
        "storage:\n",
        "ttl:\n",
        "~",
        "storage: {memory: }",
        "null\n",
        "storage: ~\n ",
        "\xef\xbb\xbf",
    };

    for (size_t i = 0; i < COUNT(texts); i++)
        expect_loaded(texts[i]);
    expect_loaded("\xef\xbb\xbfshards: 2\n");
    expect_text("shards", "2");
    cr_expect_eq(ms_config_load_yaml(config, NULL, 0), MEMSTORE_OK);
}

Test(yaml, what_a_text_leaves_out_stays)
{
    expect_loaded("shards: 64\neviction: lru\n");
    expect_loaded("shards: 32\n");
    expect_text("shards", "32");
    expect_text("eviction", "lru");
}

Test(yaml, sections_of_other_programs_may_stand_beside_storage_memory)
{
    expect_loaded("%YAML 1.1\n"
                  "---\n"
                  "network: {peers: [a, b, {c: [d]}], key: !file cert.pem}\n"
                  "tls: cert.pem\n"
                  "storage:\n"
                  "  badger:\n"
                  "    path: /data\n"
                  "    ttl: {max_ttl: never}\n"
                  "  memory:\n"
                  "    shards: 64\n"
                  "api: [http, grpc]\n");
    expect_text("shards", "64");
}

/* A value that is not the default, in the form that it is read back in. */
static const char *other_value(const struct ms_setting *row)
{
    switch (row->type) {
    case MS_SETTING_DURATION:
        return "77s";
    case MS_SETTING_SIZE:
        return "77MB";
    case MS_SETTING_RATIO:
        return "0.77";
    case MS_SETTING_BOOL:
        return strcmp(row->initial, "true") == 0 ? "false" : "true";
    case MS_SETTING_CHOICE:
        return row->choices[strcmp(row->choices[0].name, row->initial) == 0].name;
    case MS_SETTING_POWER_OF_TWO:
        return "32";
    case MS_SETTING_STRING:
        return "any text";
    case MS_SETTING_MEGABYTES:
    case MS_SETTING_INTEGER:
        break;
    }
    return "77";
}

Test(yaml, every_key_of_the_schema_can_be_given_in_either_place)
{
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        const char *const dot = strchr(row->path, '.');
        char text[256];

        if (dot != NULL)
            snprintf(text, sizeof text, "storage:\n  memory:\n    %.*s:\n      %s: %s\n",
                     (int)(dot - row->path), row->path, dot + 1, other_value(row));
        else
            snprintf(text, sizeof text, "storage:\n  memory:\n    %s: %s\n", row->path,
                     other_value(row));
        expect_loaded(text);
        expect_text(row->path, other_value(row));
        snprintf(text, sizeof text, "%s: %s\n", row->path, row->initial);
        expect_loaded(text);
        expect_text(row->path, row->initial);
    }
}

/* ---- What is refused ---- */

Test(yaml, an_unknown_key_is_named_with_the_nearest_known_one)
{
    expect_refused("storage:\n  memory:\n    ttl:\n      defualt_ttl: 1h\n",
                   "yaml:4:7: ttl.defualt_ttl: unknown key; the nearest known key is "
                   "\"ttl.default_ttl\"");
    expect_refused("shards: 4\nmemory_limit: 1GB\n",
                   "yaml:2:1: memory_limit: unknown key; the nearest known key is "
                   "\"performance.memory_limit\"");
    expect_refused("storage:\n  memory:\n    tll: {max_ttl: 1h}\n",
                   "yaml:3:5: tll: unknown key; the nearest known key is \"ttl\"");
    expect_refused("storage:\n  memory:\n    <<: {shards: 4}\n",
                   "yaml:3:5: <<: unknown key; the nearest known key is \"ttl\"");
    expect_refused("network: 1\n",
                   "yaml:1:1: network: unknown key; the nearest known key is \"verbose\"");
    expect_refused("storage:\n  badger: {}\n",
                   "yaml:2:3: storage.badger: unknown key; the nearest known key is \"loader\"");
}

Test(yaml, a_misplaced_or_misspelt_key_beside_storage_memory_is_not_taken_for_anothers)
{
    expect_refused("storage:\n  memory:\n    shards: 4\n  ttl:\n    max_ttl: 1h\n",
                   "yaml:4:3: storage.ttl: beside storage.memory, not in it; indent it further");
    expect_refused("storage:\n  memory:\n    shards: 4\n  evictions: lru\n",
                   "yaml:4:3: storage.evictions: unknown key; the nearest known key is "
                   "\"eviction\"");
    expect_refused("storage:\n  memory:\n    shards: 4\neviction: lru\n",
                   "yaml:4:1: eviction: settings stand either all under storage.memory or all "
                   "outside of it; one in line 3 is under it");
    expect_refused("eviction: lru\nstorage:\n  memory:\n    shards: 4\n",
                   "yaml:4:5: shards: settings stand either all under storage.memory or all "
                   "outside of it; one in line 1 is outside");
    expect_refused("storage: {memory: {shards: 4}}\nttl.bogus: 1\n",
                   "yaml:2:1: ttl.bogus: unknown key; the nearest known key is \"ttl.mode\"");
    expect_refused("storages: {memory: {shards: 4}}\n",
                   "yaml:1:1: storages: unknown key; the nearest known key is \"storage\"");
    expect_refused("Storage: {memory: {shards: 4}}\n",
                   "yaml:1:1: Storage: unknown key; the nearest known key is \"storage\"");
    expect_refused("storage:\n  memry: {shards: 4}\n",
                   "yaml:2:3: storage.memry: unknown key; the nearest known key is "
                   "\"storage.memory\"");
    expect_refused("storage: {memory: {storage: {shards: 4}}}\n",
                   "yaml:1:20: storage: unknown key; the nearest known key is \"loader\"");
}

#define DURATION_EXPECTED                                                                          \
    "expected a duration such as 250ms, 10s, 5m, 1.5h, 7d, 0 or a plain number of milliseconds"

Test(yaml, a_wrong_value_is_explained_where_it_stands)
{
    expect_refused("ttl:\n  min_ttl: 1 hour\n",
                   "yaml:2:12: ttl.min_ttl: \"1 hour\" has no known unit; " DURATION_EXPECTED);
    expect_refused("ttl: {min_ttl: -5s}\n",
                   "yaml:1:16: ttl.min_ttl: \"-5s\" is negative; " DURATION_EXPECTED);
    expect_refused("ttl:\n  max_ttl:\n",
                   "yaml:2:11: ttl.max_ttl: \"\" is empty; " DURATION_EXPECTED);
    expect_refused("ttl:\n  max_ttl: [1h, 2h]\n",
                   "yaml:2:12: ttl.max_ttl: a list is no value for it; " DURATION_EXPECTED);
    expect_refused("ttl:\n  max_ttl: {hours: 1}\n",
                   "yaml:2:12: ttl.max_ttl: a mapping is no value for it; " DURATION_EXPECTED);
    expect_refused("shards: 1000\n", "yaml:1:9: shards: \"1000\" is not a power of two; expected a "
                                     "power of two from 1 to 65536");
    expect_refused("shards: true\n", "yaml:1:9: shards: \"true\" is not a number; expected a "
                                     "power of two from 1 to 65536");
    expect_refused("eviction: random\n",
                   "yaml:1:11: eviction: \"random\" is not one of its "
                   "values; expected one of adaptive, s3fifo, lru, lfu, fifo, none");
    expect_refused("ttl:\n  store_creation_time: 1\n",
                   "yaml:2:24: ttl.store_creation_time: \"1\" is not a boolean; expected true, "
                   "false, yes, no, on or off");
    expect_refused("hash_function: \"xx\\x00h3\"\n",
                   "yaml:1:16: hash_function: a NUL byte is not accepted; expected one of fnv, "
                   "crc32, xxh3");
    expect_refused("shards: !!int 4\n", "yaml:1:9: shards: a value with a tag is not accepted; "
                                        "expected a power of two from 1 to 65536");
    expect_refused("--- !foo {shards: 4}\n",
                   "yaml:1:5: a value with a tag is not accepted; expected a mapping of settings");
    expect_refused("--- !foo\n", "yaml:1:5: a value with a tag is not accepted; expected a mapping "
                                 "of settings");
    expect_refused("ttl: !foo\n", "yaml:1:6: ttl: a value with a tag is not accepted; expected a "
                                  "mapping of settings");
    expect_refused("ttl: !foo {max_ttl: 1h}\n", "yaml:1:6: ttl: a value with a tag is not "
                                                "accepted; expected a mapping of settings");
}

Test(yaml, a_section_is_a_mapping)
{
    expect_refused("ttl: 1h\n", "yaml:1:6: ttl: expected a mapping of settings");
    expect_refused("storage: [memory]\n", "yaml:1:10: storage: expected a mapping of settings");
    expect_refused("storage:\n  memory: 1GB\n",
                   "yaml:2:11: storage.memory: expected a mapping of settings");
    expect_refused("- shards: 4\n", "yaml:1:1: expected a mapping of settings");
    expect_refused("shards", "yaml:1:1: expected a mapping of settings");
    expect_refused("? [shards]\n: 4\n", "yaml:1:3: this is no key; expected the name of a setting");
    expect_refused("ttl:\n  ? {a: b}\n  : 4\n",
                   "yaml:2:5: ttl: this is no key; expected the name of a setting");
    expect_refused("\"shards\\0x\": 4\n", "yaml:1:1: a key with a NUL byte is not accepted");
}

Test(yaml, what_is_given_twice_is_refused)
{
    expect_refused("shards: 4\neviction: lru\nshards: 4\n",
                   "yaml:3:1: shards: duplicate key, first given in line 1");
    expect_refused("ttl:\n  max_ttl: 1h\nttl.max_ttl: 2h\n",
                   "yaml:3:1: ttl.max_ttl: duplicate key, first given in line 2");
    expect_refused("ttl:\n  max_ttl: 1h\nttl:\n  min_ttl: 1m\n",
                   "yaml:3:1: ttl: duplicate section, first given in line 1");
    expect_refused("storage: {memory: {shards: 4}}\nstorage: {}\n",
                   "yaml:2:1: storage: duplicate section, first given in line 1");
}

Test(yaml, settings_that_contradict_each_other_are_refused_at_the_later_one)
{
    expect_refused("ttl:\n  max_ttl: 1h\n  min_ttl: 2h\n",
                   "yaml:3:12: ttl.min_ttl (2h) is above ttl.max_ttl (1h)");
    expect_refused("ttl:\n  min_ttl: 2h\n  max_ttl: 1h\n",
                   "yaml:3:12: ttl.min_ttl (2h) is above ttl.max_ttl (1h)");
    expect_refused("performance:\n  memory_limit: 0\n",
                   "yaml:2:17: performance.memory_limit and hard_max_cache_size are both 0: a "
                   "store needs a limit");
    cr_assert_eq(ms_config_set(config, "ttl.max_ttl", "1h"), MEMSTORE_OK);
    expect_refused("shards: 4\nttl: {default_ttl: 90m}\n",
                   "yaml:2:20: ttl.default_ttl (90m) is above ttl.max_ttl (1h)");
    expect_loaded("ttl: {default_ttl: 90m, max_ttl: 2h}\n");
    expect_refused("performance: {memory_limit: 4MiB}\nevents:\n  queue_memory: 4MiB\n",
                   "yaml:3:17: events.queue_memory (4MiB) is not below performance.memory_limit "
                   "(4MiB)");
    expect_refused("events.queue_memory: 9MiB\nhard_max_cache_size: 8\n",
                   "yaml:2:22: events.queue_memory (9MiB) is not below hard_max_cache_size (8MiB)");
}

Test(yaml, memory_for_events_may_be_given_before_the_limit_is)
{
    expect_loaded("events.queue_memory: 64MB\n");
    expect_loaded("performance.memory_limit: 128MB\n");
}

Test(yaml, a_contradiction_that_the_text_has_no_part_in_is_left_to_the_opening)
{
    cr_assert_eq(ms_config_set(config, "ttl.max_ttl", "1h"), MEMSTORE_OK);
    cr_assert_eq(ms_config_set(config, "ttl.min_ttl", "2h"), MEMSTORE_OK);
    expect_loaded("shards: 4\n");
    expect_loaded("ttl: {max_ttl: 3h}\n");
}

Test(yaml, anchors_and_aliases_are_refused_before_they_can_expand)
{
    expect_refused("shards: &n 4\n", "yaml:1:9: \"&n\": anchors and aliases are not accepted; "
                                     "write the value itself");
    expect_refused("shards: *n\n", "yaml:1:9: \"*n\": anchors and aliases are not accepted; write "
                                   "the value itself");
    expect_refused("a: &a [x, x]\nb: &b [*a, *a]\nstorage: {memory: {}}\n",
                   "yaml:1:4: \"&a\": anchors and aliases are not accepted; write the value "
                   "itself");
}

Test(yaml, there_is_one_document)
{
    expect_refused("shards: 4\n---\nshards: 8\n",
                   "yaml:2:1: a second document begins; expected one");
    expect_loaded("---\nshards: 4\n...\n");
}

Test(yaml, what_is_not_yaml_is_refused_where_it_ends_to_be_it)
{
    expect_refused("ttl:\n  max_ttl: 1h\n min_ttl: 1m\n",
                   "yaml:3:2: not YAML: while parsing a block mapping, did not find expected "
                   "key");
    expect_refused(
        "eviction: lru\n shards: 4\n",
        "yaml:1:11: eviction: \"lru shards\" is not one of its values; expected one of "
        "adaptive, s3fifo, lru, lfu, fifo, none; the next line was taken as part of it: check the "
        "indentation");
    expect_refused("shards: [4\n",
                   "yaml:1:9: shards: a list is no value for it; expected a power of two from 1 "
                   "to 65536");
    expect_refused("ttl: {max_ttl: 1h\n", "yaml:2:1: not YAML: while parsing a flow mapping, did "
                                          "not find expected ',' or '}'");
    expect_refused("\tshards: 4\n",
                   "yaml:1:1: not YAML: while scanning for the next token, found character that "
                   "cannot start any token");
    expect_refused("%YAML 9.9\n---\nshards: 4\n",
                   "yaml:1:1: not YAML: found incompatible YAML document");
}

Test(yaml, what_is_not_utf_8_is_refused_where_it_stands)
{
    expect_refused("shards: 4\n# caf\xe9\n",
                   "yaml:2:6: not a text in UTF-8: incomplete UTF-8 octet sequence");
    expect_refused("shards: 4\neviction: \xff\xfe\n",
                   "yaml:2:11: not a text in UTF-8: invalid leading UTF-8 octet");
    expect_refused_bytes("\xff\xfes\0h\0", 6,
                         "yaml:1:1: not a text in UTF-8: invalid leading UTF-8 octet");
    expect_refused_bytes("shards: 4\0 # more", 17,
                         "yaml:1:10: not a text in UTF-8: control characters are not allowed");
    /* Columns count characters. */
    expect_refused("ttl: {\"\xc3\xa9\xe2\x82\xac\": 1}\n",
                   "yaml:1:7: ttl.?????: unknown key; the nearest known key is \"ttl.mode\"");
    expect_refused("ttl: {min_ttl: \"\xc3\xa9\", x: 1}\n",
                   "yaml:1:16: ttl.min_ttl: \"??\" is not a number; " DURATION_EXPECTED);
}

static char *repeat(const char *before, const char *part, size_t times)
{
    char *const text = malloc(strlen(before) + strlen(part) * times + 1);
    char *end = text + sprintf(text, "%s", before);

    for (size_t i = 0; i < times; i++)
        end += sprintf(end, "%s", part);
    return text;
}

Test(yaml, a_text_that_is_large_or_deep_is_refused_without_ado, .timeout = 20)
{
    static const char *const parts[][2] = {
        {"shards: ", "["},      {"foreign: ", "["},  {"foreign: ", "{a: "},     {"foreign: ", "- "},
        {"? ", "? "},           {"foreign: ", "[["}, {"foreign: \"", "\\x41"},  {"", "- "},
        {"", "a: [a, b, c]\n"}, {"", "shards: 4\n"}, {"foreign: ", "x\n    y "}};

    for (size_t i = 0; i < COUNT(parts); i++) {
        const size_t times = (((size_t)1 << 20) - 100) / strlen(parts[i][1]);
        char *const text = repeat(parts[i][0], parts[i][1], times);

        cr_expect_eq(load(text), MEMSTORE_ERR_INVALID_CONFIG, "%s...", parts[i][1]);
        free(text);
    }
    char *const large = repeat("shards: 4\n", "# comment\n", 110000);
    expect_refused(large, "yaml: larger than 1 MiB, which no configuration is");
    large[1 << 20] = '\0';
    expect_loaded(large);
    free(large);
}

Test(yaml, long_and_strange_names_are_shown_cut_and_printable)
{
    char *const key = repeat("ttl: {\"\\e[31m\\n", "x", 900);
    char *const text = repeat(key, "\": 1}", 1);

    cr_assert_eq(load(text), MEMSTORE_ERR_INVALID_CONFIG);
    cr_expect_eq(strncmp(ms_config_error(config), "yaml:1:7: ttl.?[31m?xxx", 23), 0, "%s",
                 ms_config_error(config));
    cr_expect_not_null(strstr(ms_config_error(config), "xxx...: unknown key"));
    cr_expect_lt(strlen(ms_config_error(config)), 200);
    free(key);
    free(text);
}

/* ---- Files ---- */

static const char *write_file(const char *text)
{
    static char path[64];

    strcpy(path, "/tmp/memstore-yaml-XXXXXX");
    const int descriptor = mkstemp(path);
    cr_assert(descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text));
    close(descriptor);
    return path;
}

Test(yaml, a_file_is_read_and_named_in_errors)
{
    char expected[256];
    const char *path = write_file("shards: 64\n");

    cr_assert_eq(ms_config_load_file(config, path), MEMSTORE_OK, "%s", ms_config_error(config));
    expect_text("shards", "64");
    unlink(path);

    path = write_file("eviction: lru\nshards: 3\n");
    cr_assert_eq(ms_config_load_file(config, path), MEMSTORE_ERR_INVALID_CONFIG);
    snprintf(expected, sizeof expected,
             "%s:2:9: shards: \"3\" is not a power of two; expected a power of two from 1 to 65536",
             path);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    expect_text("shards", "64");
    expect_text("eviction", "adaptive");
    unlink(path);
}

Test(yaml, a_file_that_cannot_be_read_is_an_io_error)
{
    char name[1000];

    cr_assert_eq(ms_config_load_file(config, "/nowhere/wes.yaml"), MEMSTORE_ERR_IO);
    cr_expect_str_eq(ms_config_error(config), "/nowhere/wes.yaml: No such file or directory");
    cr_assert_eq(ms_config_load_file(config, "/"), MEMSTORE_ERR_IO);
    cr_expect_str_eq(ms_config_error(config), "/: Is a directory");
    cr_assert_eq(ms_config_load_file(config, ""), MEMSTORE_ERR_IO);
    cr_assert_eq(ms_config_load_file(config, "/nowhere/\xe4\xb8\xad\xe6\x96\x87\xff\xe4\xb8.yaml"),
                 MEMSTORE_ERR_IO);
    cr_expect_str_eq(ms_config_error(config),
                     "/nowhere/\xe4\xb8\xad\xe6\x96\x87???.yaml: No such file or directory");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    name[900] = '\n';
    cr_assert_eq(ms_config_load_file(config, name), MEMSTORE_ERR_IO);
    cr_expect_eq(strncmp(ms_config_error(config), "...nnn", 6), 0);
    cr_expect_not_null(strstr(ms_config_error(config), "nn?nn"));
    cr_expect_not_null(strstr(ms_config_error(config), "nn: File name too long"));
}

Test(yaml, a_file_without_end_is_read_up_to_the_limit)
{
    cr_assert_eq(ms_config_load_file(config, "/dev/zero"), MEMSTORE_ERR_INVALID_CONFIG);
    cr_expect_str_eq(ms_config_error(config),
                     "/dev/zero: larger than 1 MiB, which no configuration is");
    cr_assert_eq(ms_config_load_file(config, "/dev/null"), MEMSTORE_OK);
}

Test(yaml, without_memory_for_the_file_it_says_so)
{
    ms_testing_fail_memory(1, false);
    cr_expect_eq(ms_config_load_file(config, "/dev/null"), MEMSTORE_ERR_MEMORY_EXHAUSTED);
    ms_testing_fail_memory(0, false);
    cr_expect_str_eq(ms_config_error(config), "/dev/null: Cannot allocate memory");
}

Test(yaml, null_in_place_of_a_text_is_none)
{
    const char *const nothing[] = {"null", "Null", "NULL", "~", ""};
    char text[64];

    for (size_t i = 0; i < COUNT(nothing); i++) {
        snprintf(text, sizeof text, "store_name: %s\nmonitoring: {export_metrics: %s}\n",
                 nothing[i], nothing[i]);
        expect_loaded(text);
        expect_text("store_name", "");
        expect_text("monitoring.export_metrics", "");
    }
    expect_loaded("store_name: 'null'\nmonitoring: NULL\n");
    expect_text("store_name", "null");
    expect_loaded("store_name: nULL\n");
    expect_text("store_name", "nULL");
}
