/* SPDX-License-Identifier: Apache-2.0 */
/* Settings as lines "key=value". After each: a refusal has changed nothing and says why in
 * printable text, an accepted value can be read and set again, and resolving either works or
 * says why it does not. */
#include "config/config.h"
#include "config/schema.h"

#include "fuzz.h"

#include <string.h>

struct snapshot {
    char text[MS_SETTINGS_MAX][MS_SETTING_TEXT_SIZE]; /* "" where it is longer */
    size_t size[MS_SETTINGS_MAX];
    size_t count;
};

static void take_snapshot(const memstore_config *config, struct snapshot *out)
{
    memset(out, 0, sizeof *out);
    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        FUZZ_CHECK(out->count < MS_SETTINGS_MAX);
        size_t *const size = &out->size[out->count];
        char *const text = out->text[out->count++];
        const int status = ms_config_get(config, setting->path, text, MS_SETTING_TEXT_SIZE, size);

        FUZZ_CHECK(status ==
                   (*size < MS_SETTING_TEXT_SIZE ? MEMSTORE_OK : MEMSTORE_ERR_BUFFER_TOO_SMALL));
        if (status == MEMSTORE_OK)
            FUZZ_CHECK(strlen(text) == *size);
        else
            text[0] = '\0';
    }
}

static void check_error_is_a_sentence(const memstore_config *config)
{
    const char *const error = ms_config_error(config);

    FUZZ_CHECK(error[0] != '\0');
    for (const char *p = error; *p != '\0'; p++)
        FUZZ_CHECK(*p >= ' ' && *p <= '~');
}

static void check_set(memstore_config *config, const char *key, const char *value)
{
    struct snapshot before, after;

    take_snapshot(config, &before);
    const int status = ms_config_set(config, key, value);
    if (status == MEMSTORE_OK) {
        static char text[1 << 16]; /* as long as any text may be */

        FUZZ_CHECK(ms_config_error(config)[0] == '\0');
        take_snapshot(config, &before);
        FUZZ_CHECK(ms_config_get(config, key, text, sizeof text, NULL) == MEMSTORE_OK);
        FUZZ_CHECK(ms_config_set(config, key, text) == MEMSTORE_OK);
    } else {
        FUZZ_CHECK(status == MEMSTORE_ERR_INVALID_CONFIG);
        check_error_is_a_sentence(config);
    }
    take_snapshot(config, &after);
    FUZZ_CHECK(memcmp(&before, &after, sizeof before) == 0);
}

static void check_resolve(const memstore_config *config)
{
    struct ms_settings settings;

    if (ms_config_resolve(config, &settings) == MEMSTORE_OK)
        FUZZ_CHECK(settings.limit > 0 && settings.shards > 0 &&
                   (settings.shards & (settings.shards - 1)) == 0);
    else
        check_error_is_a_sentence(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memstore_config *const config = ms_config_create();
    char *const lines = malloc(size + 1);

    FUZZ_CHECK(config != NULL && lines != NULL);
    memcpy(lines, data, size);
    lines[size] = '\0';
    for (char *line = lines, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';

        char *const equals = strchr(line, '=');
        if (equals != NULL)
            *equals = '\0';
        check_set(config, line, equals != NULL ? equals + 1 : "");
        check_resolve(config);
    }
    free(lines);
    ms_config_destroy(config);
    return 0;
}

static const char *random_key(struct fuzz_random *random)
{
    size_t count = 0;

    while (ms_schema[count].path != NULL)
        count++;
    return ms_schema[fuzz_below(random, count)].path;
}

size_t fuzz_generate(struct fuzz_random *random, uint8_t *out, size_t cap)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "2",
                                          "1024",
                                          "65536",
                                          "1.5",
                                          "0.001",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "-1",
                                          "",
                                          "36500",
                                          "128",
                                          "99"};
    static const char *const units[] = {"",   "",   "ms",  "s",   "m", "h", "d", "B",
                                        "kB", "MB", "GiB", "TiB", "x", " ", "."};
    static const char *const words[] = {"lru",  "none",   "fnv",    "true", "off",
                                        "auto", "minute", "manual", "",     "crc32"};
    const size_t lines = 1 + fuzz_below(random, 8);
    size_t used = 0;

    for (size_t i = 0; i < lines; i++) {
        const char *const key = random_key(random);
        const char *const prefix = fuzz_below(random, 8) == 0 ? "storage.memory." : "";
        const size_t from = used;

        if (fuzz_below(random, 4) == 0)
            used += (size_t)snprintf((char *)out + used, cap - used, "%s%s=%s\n", prefix, key,
                                     words[fuzz_below(random, sizeof words / sizeof words[0])]);
        else
            used +=
                (size_t)snprintf((char *)out + used, cap - used, "%s%s=%s%s\n", prefix, key,
                                 numbers[fuzz_below(random, sizeof numbers / sizeof numbers[0])],
                                 units[fuzz_below(random, sizeof units / sizeof units[0])]);
        if (fuzz_below(random, 4) == 0)
            out[from + fuzz_below(random, used - from)] = (uint8_t)fuzz_next(random);
    }
    return used;
}
