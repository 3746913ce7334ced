/* SPDX-License-Identifier: Apache-2.0 */
/* A store set up from a file, a text and the environment; and why one does not open. */
#include "platform/testing.h"
#include "support/criterion.h"

#include <stdlib.h>

static memstore_config *config;

static void create_config(void)
{
    config = memstore_config_new();
    cr_assert_not_null(config);
}

static void free_config(void)
{
    memstore_config_free(config);
}

TestSuite(configuration, .init = create_config, .fini = free_config);

static int load(const char *text)
{
    return memstore_config_load_yaml(config, text, strlen(text));
}

static const char *value_of(const char *key)
{
    static char text[64];

    assert_ok(memstore_config_get(config, key, text, sizeof text, NULL));
    return text;
}

/* Opening fails for this reason, and gives no store. */
static void expect_no_store(int status, const char *reason)
{
    memstore *store = (memstore *)&store;

    assert_status(memstore_open(config, &store), status);
    cr_assert_null(store);
    cr_expect_str_eq(memstore_config_error(config), reason, "%s", memstore_config_error(config));
}

Test(configuration, a_store_is_what_its_file_says)
{
    char path[] = "/tmp/memstore-story-XXXXXX";
    static const char text[] = "storage:\n"
                               "  memory:\n"
                               "    max_entry_size: 100\n"
                               "    maintenance: manual\n"
                               "    ttl: {default_ttl: 1h, max_ttl: 24h, ttl_precision: minute}\n"
                               "    performance:\n"
                               "      memory_limit: 5MB\n";
    const int descriptor = mkstemp(path);
    const unsigned threads = test_count_threads();
    memstore *store;
    int64_t ttl = 0;

    cr_assert(write(descriptor, text, sizeof text - 1) == sizeof text - 1);
    close(descriptor);
    assert_ok(memstore_config_load_file(config, path));
    assert_ok(memstore_open(config, &store));
    cr_assert_eq(memstore_capacity(store), 5000000);
    assert_ok(test_set(store, "key", "v", MEMSTORE_TTL_DEFAULT));
    assert_ok(memstore_get_ttl(store, "key", 3, &ttl));
    cr_assert(ttl > 3590000 && ttl <= 3660000);
    assert_status(test_set(store, "key", "v", INT64_C(25) * 3600000), MEMSTORE_ERR_INVALID_TTL);
    cr_assert_eq(test_count_threads(), threads);
    memstore_destroy(store);
    unlink(path);
}

/* The example as it lies in the source. */
static const char *example(void)
{
    const char *const root = getenv("MEMSTORE_SOURCE_ROOT");
    static char path[4096];

    snprintf(path, sizeof path, "%s/examples/wes.yaml", root != NULL ? root : ".");
    return path;
}

Test(configuration, the_example_file_names_every_setting_of_a_wes_node)
{
    static const char *const settings[][2] = {
        {"life_window", "10m"},
        {"clean_window", "5m"},
        {"max_entries_in_window", "1000000"},
        {"max_entry_size", "500"},
        {"hard_max_cache_size", "0"},
        {"shards", "1024"},
        {"hash_function", "fnv"},
        {"logger_enabled", "true"},
        {"verbose", "false"},
        {"ttl.default_ttl", "1h"},
        {"ttl.max_ttl", "24h"},
        {"ttl.min_ttl", "1m"},
        {"ttl.cleanup_interval", "5m"},
        {"ttl.batch_cleanup_size", "1000"},
        {"ttl.ttl_precision", "second"},
        {"ttl.store_creation_time", "true"},
        {"performance.lock_timeout", "1s"},
        {"performance.max_concurrent_readers", "100"},
        {"performance.max_concurrent_writers", "10"},
        {"performance.batch_size", "100"},
        {"performance.batch_timeout", "10ms"},
        {"performance.enable_batch_optimization", "true"},
        {"performance.gc_percent", "100"},
        {"performance.memory_limit", "1GB"},
        {"performance.enable_memory_stats", "true"},
        {"monitoring.enable_metrics", "true"},
        {"monitoring.metrics_interval", "30s"},
        {"monitoring.export_metrics", ""},
        {"monitoring.track_hit_rate", "true"},
        {"monitoring.track_memory_usage", "true"},
        {"monitoring.track_operation_latency", "true"},
        {"monitoring.hit_rate_threshold", "0.8"},
        {"monitoring.memory_usage_threshold", "0.9"},
        {"monitoring.latency_threshold", "1ms"},
    };
    memstore *store;

    assert_ok(memstore_config_load_file(config, example()));
    for (unsigned i = 0; i < TEST_COUNT_OF(settings); i++)
        cr_expect_str_eq(value_of(settings[i][0]), settings[i][1], "%s is %s", settings[i][0],
                         value_of(settings[i][0]));
    assert_ok(memstore_config_set(config, "logger_enabled", "false"));
    assert_ok(memstore_open(config, &store));
    cr_assert_eq(memstore_capacity(store), 1000000000);
    memstore_destroy(store);
}

Test(configuration, the_later_source_wins)
{
    setenv("MEMSTORE_SHARDS", "32", 1);
    setenv("MEMSTORE_EVICTION", "fifo", 1);
    assert_ok(memstore_config_set(config, "shards", "8"));
    assert_ok(load("shards: 16\neviction: lru\nmax_entry_size: 1kB\n"));
    cr_assert_str_eq(value_of("shards"), "16");
    assert_ok(memstore_config_load_environment(config));
    cr_assert_str_eq(value_of("shards"), "32");
    cr_assert_str_eq(value_of("eviction"), "fifo");
    cr_assert_str_eq(value_of("max_entry_size"), "1kB");
    assert_ok(memstore_config_set(config, "shards", "64"));
    cr_assert_str_eq(value_of("shards"), "64");
}

Test(configuration, a_store_does_not_read_the_environment_by_itself)
{
    memstore *store;

    setenv("MEMSTORE_PERFORMANCE_MEMORY_LIMIT", "1MB", 1);
    assert_ok(load("shards: 16\n"));
    assert_ok(memstore_open(config, &store));
    cr_assert_eq(memstore_capacity(store), 64000000);
    memstore_destroy(store);
    store = test_open_defaults();
    cr_assert_eq(memstore_capacity(store), 64000000);
    memstore_destroy(store);
}

Test(configuration, the_keys_can_be_listed_and_each_can_be_read)
{
    size_t count = 0;

    for (const char *key; (key = memstore_config_key(count)) != NULL; count++)
        cr_assert(value_of(key)[0] != '\0' || strcmp(key, "store_name") == 0 ||
                      strcmp(key, "monitoring.export_metrics") == 0,
                  "%s", key);
    cr_assert(count >= 20);
    cr_assert_null(memstore_config_key(count + 1));
    cr_assert_null(memstore_config_key(SIZE_MAX));
}

Test(configuration, null_arguments_are_refused_with_a_sentence)
{
    assert_status(memstore_config_load_file(NULL, "wes.yaml"), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_config_load_yaml(NULL, "", 0), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_config_load_environment(NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_config_load_file(config, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(memstore_config_error(config), "the path is NULL");
    assert_status(memstore_config_load_yaml(config, NULL, 1), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(memstore_config_error(config), "the text is NULL");
    assert_status(memstore_open(config, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(memstore_config_error(config), "the place for the store is NULL");
    assert_ok(memstore_config_load_yaml(config, NULL, 0));
    cr_assert_str_eq(memstore_config_error(config), "");
}

/* ---- Why a store does not open ---- */

Test(configuration, settings_that_contradict_each_other_do_not_open)
{
    assert_ok(memstore_config_set(config, "ttl.max_ttl", "1h"));
    assert_ok(memstore_config_set(config, "ttl.min_ttl", "2h"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG, "ttl.min_ttl (2h) is above ttl.max_ttl (1h)");
}

Test(configuration, a_limit_that_holds_nothing_does_not_open)
{
    assert_ok(memstore_config_set(config, "performance.memory_limit", "1kB"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "performance.memory_limit: too small to hold the bookkeeping and eight "
                    "segments; 128KiB is enough, and 320KiB with "
                    "monitoring.track_operation_latency");
    assert_ok(memstore_config_set(config, "performance.memory_limit", "128KiB"));
    assert_ok(memstore_config_set(config, "shards", "65536"));
    assert_ok(memstore_config_set(config, "ttl.store_creation_time", "true"));
    memstore *store;
    assert_ok(memstore_open(config, &store));
    memstore_destroy(store);
    assert_ok(memstore_config_set(config, "performance.memory_limit", "320KiB"));
    assert_ok(memstore_config_set(config, "monitoring.track_operation_latency", "true"));
    assert_ok(memstore_open(config, &store));
    memstore_destroy(store);
}

Test(configuration, readers_that_leave_nothing_of_the_limit_are_named)
{
    assert_ok(memstore_config_set(config, "performance.memory_limit", "1MB"));
    assert_ok(memstore_config_set(config, "performance.max_concurrent_readers", "65536"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "performance.max_concurrent_readers: so many, of 40 bytes each, do not fit "
                    "performance.memory_limit");
    assert_ok(memstore_config_set(config, "performance.memory_limit", "1kB"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "performance.memory_limit: too small to hold the bookkeeping and eight "
                    "segments; 128KiB is enough, and 320KiB with "
                    "monitoring.track_operation_latency");
}

Test(configuration, an_index_that_does_not_fit_does_not_open)
{
    assert_ok(memstore_config_set(config, "performance.memory_limit", "1MB"));
    assert_ok(memstore_config_set(config, "max_entries_in_window", "1000000"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "max_entries_in_window: the index for as many entries does not fit "
                    "performance.memory_limit");
}

/* What is found wrong when the store is opened stands somewhere, too. */
Test(configuration, what_does_not_open_names_its_place_in_the_text)
{
    assert_ok(load("storage:\n  memory:\n    max_entries_in_window: 1000000\n"));
    assert_ok(memstore_config_set(config, "performance.memory_limit", "1MB"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "yaml:3:28: max_entries_in_window: the index for as many entries does not fit "
                    "performance.memory_limit");
    assert_ok(load("max_entries_in_window: 0\nevents.queue_memory: 1GB\n"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "yaml:2:22: events.queue_memory (1GB) is not below performance.memory_limit "
                    "(1MB)");
    /* Of two it is the later one, and of what was set otherwise nothing is told. */
    assert_ok(memstore_config_set(config, "events.queue_memory", "2MB"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "events.queue_memory (2MB) is not below performance.memory_limit (1MB)");
    assert_ok(load("performance.memory_limit: 1MB"));
    expect_no_store(MEMSTORE_ERR_INVALID_CONFIG,
                    "yaml:1:27: events.queue_memory (2MB) is not below performance.memory_limit "
                    "(1MB)");
}

Test(configuration, a_limit_that_no_addresses_are_left_for_does_not_open)
{
    assert_ok(memstore_config_set(config, "performance.memory_limit", "128TiB"));
    expect_no_store(MEMSTORE_ERR_MEMORY_EXHAUSTED,
                    "the system gave no memory, no addresses or no thread for a store with this "
                    "performance.memory_limit");
}

Test(configuration, a_store_that_gets_no_memory_does_not_open)
{
    ms_testing_fail_memory(1, true);
    expect_no_store(MEMSTORE_ERR_MEMORY_EXHAUSTED,
                    "the system gave no memory, no addresses or no thread for a store with this "
                    "performance.memory_limit");
    ms_testing_fail_memory(0, false);
    memstore *store;
    assert_ok(memstore_open(config, &store));
    cr_assert_str_eq(memstore_config_error(config), "");
    memstore_destroy(store);
}
