/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/schema.h"
#include "platform/testing.h"
#include "unit/config/one_config.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Each is kept by two threads at once. */
#define TEXTS 2000

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

TestSuite(config, .init = create_config, .fini = destroy_config);

static void expect_text(const char *key, const char *expected)
{
    char buf[64];
    size_t size = 0;

    cr_assert_eq(ms_config_get(config, key, buf, sizeof buf, &size), MEMSTORE_OK, "get %s", key);
    cr_expect_str_eq(buf, expected, "%s is '%s'", key, buf);
    cr_expect_eq(size, strlen(expected), "%s", key);
}

/* Set what is valid: it is then read back in the form `expected`. */
static void expect_set(const char *key, const char *value, const char *expected)
{
    cr_assert_eq(ms_config_set(config, key, value), MEMSTORE_OK, "set %s to '%s': %s", key, value,
                 ms_config_error(config));
    cr_expect_str_eq(ms_config_error(config), "");
    expect_text(key, expected);
}

/* Set what is not valid: the value stays and the error is `expected`. */
static void expect_refused(const char *key, const char *value, const char *expected)
{
    char before[64];

    cr_assert_eq(ms_config_get(config, key, before, sizeof before, NULL), MEMSTORE_OK, "get %s",
                 key);
    cr_expect_eq(ms_config_set(config, key, value), MEMSTORE_ERR_INVALID_CONFIG, "set %s to '%s'",
                 key, value);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    expect_text(key, before);
}

/* Every key: its default, and a value with the form it is read back in. */
static const struct {
    const char *key, *initial, *value, *text;
} keys[] = {
    {"life_window", "0", "10m", "10m"},
    {"clean_window", "0", "300s", "5m"},
    {"max_entries_in_window", "0", "1000000", "1000000"},
    {"max_entry_size", "0", "500", "500"},
    {"hard_max_cache_size", "0", "128", "128"},
    {"shards", "1024", "65536", "65536"},
    {"hash_function", "xxh3", "fnv", "fnv"},
    {"eviction", "adaptive", "lru", "lru"},
    {"eviction_goal", "hits", "bytes", "bytes"},
    {"maintenance", "background", "manual", "manual"},
    {"huge_pages", "auto", "off", "off"},
    {"memory_pressure", "off", "cgroup", "cgroup"},
    {"secure_wipe", "false", "yes", "true"},
    {"store_name", "", "two words", "two words"},
    {"logger_enabled", "false", "true", "true"},
    {"verbose", "false", "on", "true"},
    {"ttl.mode", "write", "access", "access"},
    {"ttl.default_ttl", "0", "1h", "1h"},
    {"ttl.min_ttl", "0", "60000", "1m"},
    {"ttl.max_ttl", "0", "1d", "24h"},
    {"ttl.jitter", "0", "25", "25"},
    {"ttl.ttl_precision", "millisecond", "minute", "minute"},
    {"ttl.cleanup_interval", "0", "1500ms", "1500ms"},
    {"ttl.batch_cleanup_size", "1000", "0", "0"},
    {"ttl.store_creation_time", "false", "yes", "true"},
    {"performance.lock_timeout", "1s", "0", "0"},
    {"performance.max_concurrent_readers", "0", "100", "100"},
    {"performance.max_concurrent_writers", "0", "10", "10"},
    {"performance.batch_size", "100", "1", "1"},
    {"performance.batch_timeout", "10ms", "1500", "1500ms"},
    {"performance.enable_batch_optimization", "true", "off", "false"},
    {"performance.gc_percent", "100", "50", "50"},
    {"performance.memory_limit", "64MB", "1GB", "1GB"},
    {"performance.enable_memory_stats", "true", "no", "false"},
    {"monitoring.enable_metrics", "true", "off", "false"},
    {"monitoring.metrics_interval", "30s", "60s", "1m"},
    {"monitoring.track_hit_rate", "true", "false", "false"},
    {"monitoring.track_memory_usage", "true", "false", "false"},
    {"monitoring.track_operation_latency", "false", "on", "true"},
    {"monitoring.access_sample_ratio", "0", "0.010", "0.01"},
    {"monitoring.hit_rate_threshold", "0", "0.80", "0.8"},
    {"monitoring.memory_usage_threshold", "0", "1.0", "1"},
    {"monitoring.latency_threshold", "0", "1ms", "1ms"},
    {"monitoring.reclaim_pressure_threshold", "0", "0.5", "0.5"},
    {"monitoring.load_failure_threshold", "0", "0.10", "0.1"},
    {"monitoring.pinned_threshold", "0", "0.25", "0.25"},
    {"monitoring.alert_hysteresis", "0.01", "0.05", "0.05"},
    {"monitoring.export_metrics", "", "/tmp/x.prom", "/tmp/x.prom"},
    {"events.queue_memory", "0", "5MB", "5MB"},
    {"loader.timeout", "30s", "0", "0"},
    {"loader.retry_initial", "10ms", "1s", "1s"},
    {"loader.retry_max", "1s", "90s", "90s"},
    {"loader.negative_ttl", "1s", "0", "0"},
    {"loader.max_absent", "1000", "5", "5"},
    {"loader.max_loads", "0", "16", "16"},
    {"loader.lease_timeout", "10s", "250ms", "250ms"},
    {"loader.on_store_error", "bypass", "fail", "fail"},
    {"loader.bypass_limit", "16MB", "1MB", "1MB"},
    {"loader.refresh_after", "0", "60s", "1m"},
    {"loader.max_stale", "0", "1h", "1h"},
    {"loader.breaker_failures", "0", "5", "5"},
    {"loader.breaker_open", "5s", "250ms", "250ms"},
    {"loader.max_load_bytes", "0", "1MB", "1MB"},
    {"loader.warm_rate", "0", "1000", "1000"},
    {"snapshot.compression", "none", "zstd", "zstd"},
    {"snapshot.fsync", "true", "false", "false"},
    {"snapshot.batch_memory", "64MB", "1MB", "1MB"},
};

Test(config, every_key_of_the_schema_is_tested_here)
{
    size_t rows = 0;

    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++, rows++) {
        cr_assert_lt(rows, COUNT(keys));
        cr_expect_str_eq(setting->path, keys[rows].key);
        cr_expect_neq(setting->doc[0], '\0');
    }
    cr_assert_eq(rows, COUNT(keys));
}

/* What is generated from the schema makes one table of each section. */
Test(config, the_keys_of_a_section_stand_together)
{
    for (const struct ms_setting *one = ms_schema; one->path != NULL; one++) {
        for (const struct ms_setting *other = one + 1; other->path != NULL; other++) {
            const size_t section = strcspn(one->path, ".") + 1;
            if (one->path[section - 1] == '.' && strncmp(one->path, other->path, section) == 0)
                cr_expect_eq(strncmp(one->path, other[-1].path, section), 0, "%s", other->path);
        }
        cr_expect(one == ms_schema || strchr(one->path, '.') != NULL ||
                      strchr(one[-1].path, '.') == NULL,
                  "%s", one->path);
    }
}

Test(config, a_key_is_live_or_has_a_reason_why_not)
{
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++)
        cr_expect(row->live == (row->fixed == NULL), "%s", row->path);
}

Test(config, every_key_has_its_built_in_default)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        expect_text(keys[i].key, keys[i].initial);
}

Test(config, every_key_can_be_set_and_read_back)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        expect_set(keys[i].key, keys[i].value, keys[i].text);
    for (size_t i = 0; i < COUNT(keys); i++)
        expect_text(keys[i].key, keys[i].text);
}

Test(config, what_is_read_can_be_set_again)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        expect_set(keys[i].key, keys[i].text, keys[i].text);
}

Test(config, every_key_can_be_given_by_its_whole_path)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        char path[96];

        snprintf(path, sizeof path, "storage.memory.%s", keys[i].key);
        expect_set(path, keys[i].value, keys[i].text);
        expect_text(keys[i].key, keys[i].text);
    }
}

Test(config, a_text_is_any_bytes_but_control_characters_up_to_its_longest)
{
    char text[102];

    memset(text, 'x', sizeof text - 1);
    text[101] = '\0';
    expect_refused(
        "store_name", text,
        "store_name: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is "
        "too long; expected a text of at most 100 bytes");
    text[100] = '\0';
    expect_refused(
        "store_name", "a\nb",
        "store_name: \"a?b\" holds a control character; expected a text of at most 100 bytes");
    cr_assert_eq(ms_config_set(config, "store_name", text), MEMSTORE_OK);
    expect_set("store_name", "Größe = \"\xff\"", "Größe = \"\xff\"");
    expect_set("store_name", "", "");
}

Test(config, a_text_that_there_is_no_memory_for_is_refused)
{
    expect_set("store_name", "kept", "kept");
    ms_testing_fail_memory(1, true);
    expect_refused("store_name", "new",
                   "store_name: \"new\" finds no memory; expected a text of at most 100 bytes");
    expect_set("store_name", "kept", "kept");
    ms_testing_fail_memory(0, false);
}

Test(config, every_choice_is_accepted)
{
    static const struct {
        const char *key, *values[7];
    } choices[] = {
        {"hash_function", {"fnv", "crc32", "xxh3"}},
        {"eviction", {"adaptive", "s3fifo", "lru", "lfu", "fifo", "none"}},
        {"eviction_goal", {"hits", "bytes", "balanced"}},
        {"maintenance", {"background", "manual"}},
        {"huge_pages", {"auto", "on", "off"}},
        {"memory_pressure", {"off", "cgroup", "psi"}},
        {"ttl.ttl_precision", {"millisecond", "second", "minute"}},
    };

    for (size_t i = 0; i < COUNT(choices); i++) {
        for (const char *const *value = choices[i].values; *value != NULL; value++)
            expect_set(choices[i].key, *value, *value);
    }
}

/* Readers of YAML 1.1 make booleans of on and off. */
Test(config, a_boolean_is_the_choice_on_or_off)
{
    expect_set("huge_pages", "true", "on");
    expect_set("huge_pages", "false", "off");
    expect_set("memory_pressure", "False", "off");
    expect_refused("memory_pressure", "true",
                   "memory_pressure: \"true\" is not one of its values; expected one of off, "
                   "cgroup, psi");
    expect_refused("eviction", "false",
                   "eviction: \"false\" is not one of its values; expected one of adaptive, "
                   "s3fifo, lru, lfu, fifo, none");
}

Test(config, settings_reach_their_members)
{
    struct ms_settings settings;

    for (size_t i = 0; i < COUNT(keys); i++)
        cr_assert_eq(ms_config_set(config, keys[i].key, keys[i].value), MEMSTORE_OK);
    cr_assert_eq(ms_config_resolve(config, &settings), MEMSTORE_OK, "%s", ms_config_error(config));
    cr_expect_eq(settings.life_window, 600000);
    cr_expect_eq(settings.clean_window, 300000);
    cr_expect_eq(settings.max_entries_in_window, 1000000);
    cr_expect_eq(settings.max_entry_size, 500);
    cr_expect_eq(settings.hard_max_cache_size, 128 << 20);
    cr_expect_eq(settings.shards, 65536);
    cr_expect_eq(settings.hash_function, MS_HASH_FNV);
    cr_expect_eq(settings.eviction, MS_EVICTION_LRU);
    cr_expect_eq(settings.maintenance, MS_MAINTENANCE_MANUAL);
    cr_expect_eq(settings.huge_pages, MS_HUGE_PAGES_OFF);
    cr_expect_eq(settings.memory_pressure, MS_MEMORY_PRESSURE_CGROUP);
    cr_expect_eq(settings.default_ttl, 3600000);
    cr_expect_eq(settings.min_ttl, 60000);
    cr_expect_eq(settings.max_ttl, 86400000);
    cr_expect_eq(settings.ttl_precision, 60000);
    cr_expect_eq(settings.cleanup_interval, 1500);
    cr_expect_eq(settings.batch_cleanup_size, 0);
    cr_expect_eq(settings.store_creation_time, true);
    cr_expect_eq(settings.lock_timeout, 0);
    cr_expect_eq(settings.max_concurrent_readers, 100);
    cr_expect_eq(settings.max_concurrent_writers, 10);
    cr_expect_eq(settings.batch_size, 1);
    cr_expect_eq(settings.batch_timeout, 1500);
    cr_expect_eq(settings.enable_batch_optimization, false);
    cr_expect_eq(settings.gc_percent, 50);
    cr_expect_eq(settings.memory_limit, 1000000000);
    cr_expect_eq(settings.limit, 128 << 20);
}

#define DURATION_EXPECTED                                                                          \
    "; expected a duration such as 250ms, 10s, 5m, 1.5h, 7d, 0 or a plain number of milliseconds"
#define SIZE_EXPECTED                                                                              \
    "; expected a size such as 64MB (powers of 1000: kB, MB, GB, TB), 64MiB (of 1024: KiB, MiB, "  \
    "GiB, TiB) or plain "                                                                          \
    "bytes"

Test(config, a_value_that_is_no_duration_is_explained)
{
    expect_refused("ttl.min_ttl", "1 hour",
                   "ttl.min_ttl: \"1 hour\" has no known unit" DURATION_EXPECTED);
    expect_refused("ttl.max_ttl", "-5s", "ttl.max_ttl: \"-5s\" is negative" DURATION_EXPECTED);
    expect_refused("life_window", "", "life_window: \"\" is empty" DURATION_EXPECTED);
    expect_refused(
        "ttl.default_ttl", "36501d",
        "ttl.default_ttl: \"36501d\" is above the largest value allowed, 36500d" DURATION_EXPECTED);
    expect_refused(
        "performance.lock_timeout", "99999999999999999999s",
        "performance.lock_timeout: \"99999999999999999999s\" is too large" DURATION_EXPECTED);
    expect_refused("performance.batch_timeout", "0",
                   "performance.batch_timeout: \"0\" is below the smallest value allowed, "
                   "1ms" DURATION_EXPECTED);
    expect_set("ttl.default_ttl", "36500d", "36500d");
}

Test(config, a_value_that_is_no_size_is_explained)
{
    expect_refused("performance.memory_limit", "64mb",
                   "performance.memory_limit: \"64mb\" has no known unit" SIZE_EXPECTED);
    expect_refused("performance.memory_limit", "129TiB",
                   "performance.memory_limit: \"129TiB\" is above the largest value allowed, "
                   "128TiB" SIZE_EXPECTED);
    expect_refused("max_entry_size", "-1", "max_entry_size: \"-1\" is negative" SIZE_EXPECTED);
    expect_set("performance.memory_limit", "128TiB", "128TiB");
}

Test(config, a_value_that_is_no_number_of_megabytes_is_explained)
{
#define MEGABYTES_EXPECTED "; expected a whole number of MB (of 2^20 bytes), without a unit"
    expect_refused("hard_max_cache_size", "1GB",
                   "hard_max_cache_size: \"1GB\" is not a number" MEGABYTES_EXPECTED);
    expect_refused("hard_max_cache_size", "134217729",
                   "hard_max_cache_size: \"134217729\" is above the largest value allowed, "
                   "134217728" MEGABYTES_EXPECTED);
    expect_refused("hard_max_cache_size", "17592186044416",
                   "hard_max_cache_size: \"17592186044416\" is too large" MEGABYTES_EXPECTED);
    expect_set("hard_max_cache_size", "134217728", "134217728");
}

Test(config, a_number_of_shards_that_does_not_do_is_explained)
{
#define SHARDS_EXPECTED "; expected a power of two from 1 to 65536"
    expect_refused("shards", "0",
                   "shards: \"0\" is below the smallest value allowed, 1" SHARDS_EXPECTED);
    expect_refused("shards", "1000", "shards: \"1000\" is not a power of two" SHARDS_EXPECTED);
    expect_refused("shards", "131072",
                   "shards: \"131072\" is above the largest value allowed, 65536" SHARDS_EXPECTED);
    expect_refused(
        "shards", "4294968320",
        "shards: \"4294968320\" is above the largest value allowed, 65536" SHARDS_EXPECTED);
    expect_refused("shards", "many", "shards: \"many\" is not a number" SHARDS_EXPECTED);
    expect_set("shards", "1", "1");
}

Test(config, a_value_that_is_no_integer_is_explained)
{
    expect_refused(
        "performance.gc_percent", "50%",
        "performance.gc_percent: \"50%\" is not a number; expected a whole number from 0 to 10000");
    expect_refused("ttl.batch_cleanup_size", "1.5",
                   "ttl.batch_cleanup_size: \"1.5\" is not a whole number; expected a whole number "
                   "from 0 to 1000000000");
    expect_refused("ttl.batch_cleanup_size", "4294967296",
                   "ttl.batch_cleanup_size: \"4294967296\" is above the largest value allowed, "
                   "1000000000; expected a "
                   "whole number from 0 to 1000000000");
    expect_refused("performance.max_concurrent_readers", "65537",
                   "performance.max_concurrent_readers: \"65537\" is above the largest value "
                   "allowed, 65536; expected a whole number from 0 to 65536");
    expect_refused("performance.batch_size", "0",
                   "performance.batch_size: \"0\" is below the smallest value allowed, 1; expected "
                   "a whole number from 1 to 10000");
    expect_refused("performance.batch_size", "10001",
                   "performance.batch_size: \"10001\" is above the largest value allowed, 10000; "
                   "expected a whole number from 1 to 10000");
    expect_refused("performance.max_concurrent_writers", "1s",
                   "performance.max_concurrent_writers: \"1s\" is not a number; expected a whole "
                   "number from 0 to 65536");
    expect_refused("max_entries_in_window", "-1",
                   "max_entries_in_window: \"-1\" is negative; expected a whole number from 0 to "
                   "1099511627776");
}

Test(config, a_value_that_is_no_choice_is_explained)
{
    expect_refused(
        "hash_function", "md5",
        "hash_function: \"md5\" is not one of its values; expected one of fnv, crc32, xxh3");
    expect_refused("eviction", "LRU",
                   "eviction: \"LRU\" is not one of its values; expected one of adaptive, s3fifo, "
                   "lru, lfu, fifo, none");
    expect_refused("maintenance", "",
                   "maintenance: \"\" is empty; expected one of background, manual");
    expect_refused("huge_pages", "yes",
                   "huge_pages: \"yes\" is not one of its values; expected one of auto, on, off");
    expect_refused("memory_pressure", "on",
                   "memory_pressure: \"on\" is not one of its values; expected one of off, cgroup, "
                   "psi");
    expect_refused("ttl.ttl_precision", "hour",
                   "ttl.ttl_precision: \"hour\" is not one of its values; expected one of "
                   "millisecond, second, minute");
}

Test(config, a_value_that_is_no_boolean_is_explained)
{
    expect_refused("ttl.store_creation_time", "maybe",
                   "ttl.store_creation_time: \"maybe\" is not a boolean; expected true, false, "
                   "yes, no, on or off");
}

static void expect_unknown(const char *key, const char *expected)
{
    char buf[8] = "intact";

    cr_expect_eq(ms_config_set(config, key, "1"), MEMSTORE_ERR_INVALID_CONFIG, "%s", key);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    ms_config_set_error(config, "%s", "another");
    cr_expect_eq(ms_config_get(config, key, buf, sizeof buf, NULL), MEMSTORE_ERR_INVALID_CONFIG,
                 "%s", key);
    cr_expect_str_eq(ms_config_error(config), expected, "%s", ms_config_error(config));
    cr_expect_str_eq(buf, "intact");
}

Test(config, an_unknown_key_is_named_with_the_nearest_known_one)
{
    expect_unknown("shard", "unknown key \"shard\"; the nearest known key is \"shards\"");
    expect_unknown(
        "memory_limit",
        "unknown key \"memory_limit\"; the nearest known key is \"performance.memory_limit\"");
    expect_unknown("ttl.defualt_ttl",
                   "unknown key \"ttl.defualt_ttl\"; the nearest known key is \"ttl.default_ttl\"");
    expect_unknown("performance.min_ttl",
                   "unknown key \"performance.min_ttl\"; the nearest known key is \"ttl.min_ttl\"");
    expect_unknown(
        "storage.memory.evictions",
        "unknown key \"storage.memory.evictions\"; the nearest known key is \"eviction\"");
    expect_unknown("EVICTION", "unknown key \"EVICTION\"; the nearest known key is \"eviction\"");
    expect_unknown("", "unknown key \"\"; the nearest known key is \"ttl.mode\"");
    expect_unknown("shards ", "unknown key \"shards \"; the nearest known key is \"shards\"");
    expect_unknown("storage.memory.storage.memory.shards",
                   "unknown key \"storage.memory.storage.memory.shards\"; the nearest known key is "
                   "\"shards\"");
}

Test(config, long_and_strange_texts_are_shown_cut_and_printable)
{
    char text[3000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text, "\n\x1b\xff\"", 4);
    cr_assert_eq(ms_config_set(config, text, "1"), MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert(strncmp(ms_config_error(config), "unknown key \"???\"xxx", 20) == 0, "%s",
              ms_config_error(config));
    cr_assert_not_null(strstr(ms_config_error(config), "xxx...\"; the nearest known key is \""));
    cr_assert_eq(ms_config_set(config, "ttl.store_creation_time", text),
                 MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_not_null(
        strstr(ms_config_error(config), "xxx...\" is not a boolean; expected true, false"));
    cr_assert_lt(strlen(ms_config_error(config)), 256);
}

Test(config, a_success_clears_the_error)
{
    cr_assert_eq(ms_config_set(config, "nothing", "1"), MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_neq(ms_config_error(config)[0], '\0');
    expect_set("shards", "2", "2");
}

Test(config, a_buffer_too_small_gets_nothing_but_the_size)
{
    char buf[8] = "intact";
    size_t size = 0;

    cr_assert_eq(ms_config_get(config, "performance.memory_limit", buf, 4, &size),
                 MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert_eq(size, 4);
    cr_assert_str_eq(buf, "intact");
    cr_assert_str_eq(ms_config_error(config),
                     "performance.memory_limit: its value takes 4 bytes and a NUL byte");
    cr_assert_eq(ms_config_get(config, "performance.memory_limit", NULL, 0, &size),
                 MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert_eq(ms_config_get(config, "performance.memory_limit", buf, 5, NULL), MEMSTORE_OK);
    cr_assert_str_eq(buf, "64MB");
    cr_assert_str_eq(ms_config_error(config), "");
}

Test(config, is_not_created_without_memory)
{
    ms_testing_fail_memory(1, false);
    cr_assert_null(ms_config_create());
    ms_testing_fail_memory(0, false);
}

Test(config, anyone_may_report_an_error_through_it)
{
    const memstore_config *const same = config;

    ms_config_set_error(same, "the limit is %d bytes short", 7);
    cr_assert_str_eq(ms_config_error(config), "the limit is 7 bytes short");
    ms_config_set_error(NULL, "%s", "nobody reads this");
    cr_assert_str_eq(ms_config_error(NULL), "");
}

/* Texts are told apart by where they are: a store of one that two threads have kept twice would take
 * its own name for another. */
static void *keep_texts(void *barrier)
{
    static uint64_t kept[2][TEXTS];
    static atomic_uint threads;
    uint64_t *const mine = kept[atomic_fetch_add(&threads, 1)];
    char text[32];

    for (unsigned i = 0; i < TEXTS; i++) {
        snprintf(text, sizeof text, "a text %u", i);
        pthread_barrier_wait(barrier);
        mine[i] = ms_schema_keep(text);
    }
    return mine;
}

Test(config, a_text_is_kept_once_whoever_keeps_it)
{
    pthread_barrier_t barrier;
    pthread_t other;
    void *theirs;

    cr_assert_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    cr_assert_eq(pthread_create(&other, NULL, keep_texts, &barrier), 0);
    const void *const mine = keep_texts(&barrier);
    cr_assert_eq(pthread_join(other, &theirs), 0);
    cr_assert_arr_eq(mine, theirs, TEXTS * sizeof(uint64_t));
    pthread_barrier_destroy(&barrier);
}
