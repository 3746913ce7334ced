/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/schema.h"
#include "unit/config/one_config.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(environment, .init = create_config, .fini = destroy_config);

static void expect_text(const char *key, const char *expected)
{
    char buf[64];

    cr_assert_eq(ms_config_get(config, key, buf, sizeof buf, NULL), MEMSTORE_OK, "%s", key);
    cr_expect_str_eq(buf, expected, "%s is '%s'", key, buf);
}

static void expect_refused(const char *expected)
{
    struct ms_settings before, after;

    ms_config_copy_settings(config, &before);
    cr_expect_eq(ms_config_load_environment(config), MEMSTORE_ERR_INVALID_CONFIG, "%s", expected);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    ms_config_copy_settings(config, &after);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0, "%s", expected);
}

Test(environment, every_setting_has_a_variable)
{
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        char name[128], text[64];
        size_t used = (size_t)sprintf(name, "MEMSTORE_");

        for (const char *p = row->path; *p != '\0'; p++)
            name[used++] = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
        name[used] = '\0';
        cr_assert_null(getenv(name), "%s", name);
        strcpy(text, row->type == MS_SETTING_CHOICE
                         ? row->choices[strcmp(row->choices[0].name, row->initial) == 0].name
                     : row->type == MS_SETTING_BOOL  ? "on"
                     : row->type == MS_SETTING_RATIO ? "0.5"
                                                     : "8");
        setenv(name, text, 1);
        cr_assert_eq(ms_config_load_environment(config), MEMSTORE_OK, "%s",
                     ms_config_error(config));
        expect_text(row->path, row->type == MS_SETTING_BOOL       ? "true"
                               : row->type == MS_SETTING_DURATION ? "8ms"
                               : row->type == MS_SETTING_SIZE     ? "8"
                                                                  : text);
        setenv(name, row->type == MS_SETTING_STRING ? "\x01" : "!", 1);
        cr_assert_eq(ms_config_load_environment(config), MEMSTORE_ERR_INVALID_CONFIG);
        cr_expect_eq(strncmp(ms_config_error(config), name, used), 0);
        unsetenv(name);
    }
}

Test(environment, is_not_read_unless_asked_for)
{
    setenv("MEMSTORE_SHARDS", "16", 1);
    memstore_config *const other = ms_config_create();
    char buf[32];

    cr_assert_eq(ms_config_load_yaml(other, "eviction: lru", 13), MEMSTORE_OK);
    cr_assert_eq(ms_config_get(other, "shards", buf, sizeof buf, NULL), MEMSTORE_OK);
    cr_expect_str_eq(buf, "1024");
    ms_config_destroy(other);
}

Test(environment, overrides_what_was_set_before_and_not_what_is_set_later)
{
    setenv("MEMSTORE_PERFORMANCE_MEMORY_LIMIT", "1GiB", 1);
    setenv("MEMSTORE_TTL_MAX_TTL", "24h", 1);
    cr_assert_eq(ms_config_set(config, "performance.memory_limit", "5MB"), MEMSTORE_OK);
    cr_assert_eq(ms_config_load_environment(config), MEMSTORE_OK);
    expect_text("performance.memory_limit", "1GiB");
    expect_text("ttl.max_ttl", "24h");
    cr_assert_eq(ms_config_set(config, "ttl.max_ttl", "1h"), MEMSTORE_OK);
    expect_text("ttl.max_ttl", "1h");
}

Test(environment, a_wrong_value_names_its_variable)
{
    setenv("MEMSTORE_SHARDS", "16", 1);
    setenv("MEMSTORE_TTL_MIN_TTL", "soon", 1);
    expect_refused("MEMSTORE_TTL_MIN_TTL: ttl.min_ttl: \"soon\" is not a number; expected a "
                   "duration such as 250ms, 10s, 5m, 1.5h, 7d, 0 or a plain number of "
                   "milliseconds");
    setenv("MEMSTORE_TTL_MIN_TTL", "", 1);
    expect_refused("MEMSTORE_TTL_MIN_TTL: ttl.min_ttl: \"\" is empty; expected a duration such as "
                   "250ms, 10s, 5m, 1.5h, 7d, 0 or a plain number of milliseconds");
}

Test(environment, a_contradiction_names_a_variable_that_has_part_in_it)
{
    setenv("MEMSTORE_TTL_MAX_TTL", "1h", 1);
    cr_assert_eq(ms_config_set(config, "ttl.min_ttl", "2h"), MEMSTORE_OK);
    expect_refused("MEMSTORE_TTL_MAX_TTL: ttl.min_ttl (2h) is above ttl.max_ttl (1h)");
    unsetenv("MEMSTORE_TTL_MAX_TTL");
    cr_assert_eq(ms_config_set(config, "ttl.max_ttl", "1h"), MEMSTORE_OK);
    setenv("MEMSTORE_SHARDS", "16", 1);
    cr_assert_eq(ms_config_load_environment(config), MEMSTORE_OK);
}

Test(environment, a_misspelt_variable_is_refused_and_anothers_is_not_looked_at)
{
    static const char *const foreign[] = {
        "MEMSTORE_PORT", "MEMSTORE_SERVICE_HOST", "MEMSTORE_PORT_6379_TCP_ADDR",
        "MEMSTORE_",     "MEMSTORE_HOME",         "MEMSTORE_TEST_SEED"};

    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        setenv(foreign[i], "tcp://10.0.0.1", 1);
        cr_expect_eq(ms_config_load_environment(config), MEMSTORE_OK, "%s",
                     ms_config_error(config));
    }
    setenv("MEMSTORE_SHARD", "4", 1);
    expect_refused("environment: \"MEMSTORE_SHARD\" is no setting; the nearest known variable is "
                   "\"MEMSTORE_SHARDS\"");
    unsetenv("MEMSTORE_SHARD");
    setenv("MEMSTORE_TTL_LONGEST", "4h", 1);
    cr_expect_eq(ms_config_load_environment(config), MEMSTORE_ERR_INVALID_CONFIG);
    cr_expect_eq(strncmp(ms_config_error(config),
                         "environment: \"MEMSTORE_TTL_LONGEST\" is no setting;", 50),
                 0, "%s", ms_config_error(config));
    unsetenv("MEMSTORE_TTL_LONGEST");
    setenv("memstore_shards", "4", 1);
    cr_expect_eq(ms_config_load_environment(config), MEMSTORE_OK);
    expect_text("shards", "1024");
}
