/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

/* Settings as "key", "value" pairs, ended by NULL. */
static memstore_config *make_config(const char *key, ...)
{
    memstore_config *const config = ms_config_create();
    va_list pairs;

    cr_assert_not_null(config);
    va_start(pairs, key);
    for (; key != NULL; key = va_arg(pairs, const char *))
        cr_assert_eq(ms_config_set(config, key, va_arg(pairs, const char *)), MEMSTORE_OK, "%s",
                     ms_config_error(config));
    va_end(pairs);
    return config;
}

static void expect_limit(memstore_config *config, uint64_t limit)
{
    struct ms_settings settings;

    cr_assert_eq(ms_config_resolve(config, &settings), MEMSTORE_OK, "%s", ms_config_error(config));
    cr_expect_eq(settings.limit, limit, "the limit is %llu", (unsigned long long)settings.limit);
    ms_config_destroy(config);
}

/* The settings contradict each other for the reason `expected`; nothing is given out. */
static void expect_contradiction(memstore_config *config, const char *expected)
{
    struct ms_settings settings, before;

    memset(&settings, 0x5a, sizeof settings);
    before = settings;
    cr_assert_eq(ms_config_resolve(config, &settings), MEMSTORE_ERR_INVALID_CONFIG, "%s", expected);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    cr_expect_eq(memcmp(&settings, &before, sizeof settings), 0);
    ms_config_destroy(config);
}

Test(resolve, no_configuration_means_the_defaults)
{
    struct ms_settings without, with;
    memstore_config *const config = make_config(NULL);

    cr_assert_eq(ms_config_resolve(NULL, &without), MEMSTORE_OK);
    cr_assert_eq(ms_config_resolve(config, &with), MEMSTORE_OK);
    cr_expect_eq(memcmp(&without, &with, sizeof with), 0);
    cr_expect_eq(without.memory_limit, 64000000);
    cr_expect_eq(without.shards, 1024);
    cr_expect_eq(without.hash_function, MS_HASH_XXH3);
    cr_expect_eq(without.eviction, MS_EVICTION_ADAPTIVE);
    cr_expect_eq(without.ttl_precision, 1);
    ms_config_destroy(config);
}

Test(resolve, the_smaller_limit_that_is_not_zero_holds)
{
    expect_limit(make_config("performance.memory_limit", "10MB", NULL), 10000000);
    expect_limit(make_config("performance.memory_limit", "1GB", "hard_max_cache_size", "10", NULL),
                 10 << 20);
    expect_limit(make_config("performance.memory_limit", "10MB", "hard_max_cache_size", "10", NULL),
                 10000000);
    expect_limit(make_config("performance.memory_limit", "0", "hard_max_cache_size", "10", NULL),
                 10 << 20);
    expect_limit(make_config("hard_max_cache_size", "8", NULL), 8 << 20);
}

Test(resolve, no_limit_at_all_is_refused)
{
    expect_contradiction(
        make_config("performance.memory_limit", "0", NULL),
        "performance.memory_limit and hard_max_cache_size are both 0: a store needs a limit");
}

Test(resolve, memory_for_events_is_less_than_the_limit)
{
    expect_contradiction(
        make_config("performance.memory_limit", "4MiB", "events.queue_memory", "4MiB", NULL),
        "events.queue_memory (4MiB) is not below performance.memory_limit (4MiB)");
    expect_contradiction(
        make_config("hard_max_cache_size", "8", "events.queue_memory", "9MiB", NULL),
        "events.queue_memory (9MiB) is not below hard_max_cache_size (8MiB)");
    expect_limit(
        make_config("performance.memory_limit", "4MiB", "events.queue_memory", "3MiB", NULL),
        4 << 20);
}

Test(resolve, ttl_bounds_that_exclude_each_other_are_refused)
{
    expect_contradiction(make_config("ttl.min_ttl", "2h", "ttl.max_ttl", "90m", NULL),
                         "ttl.min_ttl (2h) is above ttl.max_ttl (90m)");
    expect_contradiction(make_config("ttl.min_ttl", "1m", "ttl.default_ttl", "59s", NULL),
                         "ttl.min_ttl (1m) is above ttl.default_ttl (59s)");
    expect_contradiction(make_config("ttl.max_ttl", "1h", "ttl.default_ttl", "24h", NULL),
                         "ttl.default_ttl (24h) is above ttl.max_ttl (1h)");
}

Test(resolve, ttl_bounds_may_meet_and_may_be_absent)
{
    expect_limit(
        make_config("ttl.min_ttl", "1h", "ttl.max_ttl", "1h", "ttl.default_ttl", "1h", NULL),
        64000000);
    expect_limit(make_config("ttl.min_ttl", "1h", NULL), 64000000);
    expect_limit(make_config("ttl.max_ttl", "1h", NULL), 64000000);
    expect_limit(make_config("ttl.min_ttl", "1h", "ttl.max_ttl", "2h", NULL), 64000000);
}

Test(resolve, a_contradiction_can_be_mended_and_its_error_goes)
{
    struct ms_settings settings;
    memstore_config *const config = make_config("ttl.min_ttl", "2h", "ttl.max_ttl", "1h", NULL);

    cr_assert_eq(ms_config_resolve(config, &settings), MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_eq(ms_config_set(config, "ttl.max_ttl", "3h"), MEMSTORE_OK);
    cr_assert_eq(ms_config_resolve(config, &settings), MEMSTORE_OK);
    cr_assert_str_eq(ms_config_error(config), "");
    ms_config_destroy(config);
}

Test(resolve, leaves_the_configuration_as_it_was)
{
    struct ms_settings settings;
    char buf[32];
    memstore_config *const config =
        make_config("performance.memory_limit", "1GB", "hard_max_cache_size", "10", NULL);

    cr_assert_eq(ms_config_resolve(config, &settings), MEMSTORE_OK);
    cr_assert_eq(ms_config_get(config, "performance.memory_limit", buf, sizeof buf, NULL),
                 MEMSTORE_OK);
    cr_assert_str_eq(buf, "1GB");
    ms_config_destroy(config);
}
