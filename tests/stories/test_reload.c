/* SPDX-License-Identifier: Apache-2.0 */
/* A file of settings has changed: an open store takes all of it, or nothing and says why. */
#include "support/criterion.h"
#include "support/folder.h"

#include <stdlib.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

static memstore_config *config_from(const char *yaml)
{
    memstore_config *config = memstore_config_new();

    assert_ok(memstore_config_load_yaml(config, yaml, strlen(yaml)));
    return config;
}

static memstore *open_from(const char *yaml)
{
    memstore_config *config = config_from(yaml);
    memstore *store;

    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    return store;
}

/* What becomes of a store that is to be as the text says. */
static int reload(memstore *store, const char *yaml, char why[static 512])
{
    memstore_config *config = config_from(yaml);
    const int status = memstore_reconfigure_all(store, config, why, 512);

    memstore_config_free(config);
    return status;
}

static void assert_setting(memstore *store, const char *key, const char *wanted)
{
    char text[64] = "nothing";
    size_t size = 0;

    assert_ok(memstore_get_setting(store, key, text, sizeof text, &size));
    cr_assert_str_eq(text, wanted, "%s is %s", key, text);
    cr_assert_eq(size, strlen(wanted));
}

#define BEFORE                                                                                     \
    "maintenance: manual\nttl: {min_ttl: 1m, max_ttl: 2m}\nperformance: {memory_limit: 4MiB}\n"

Test(reload, settings_that_depend_on_each_other_change_together)
{
    memstore *store = open_from(BEFORE);
    char why[512] = "nothing";

    assert_status(memstore_reconfigure(store, "ttl.min_ttl", "1h"), MEMSTORE_ERR_INVALID_CONFIG);
    assert_ok(reload(store,
                     "maintenance: manual\nttl: {min_ttl: 1h, max_ttl: 2h}\n"
                     "performance: {memory_limit: 8MiB}\n",
                     why));
    cr_assert_str_eq(why, "");
    assert_setting(store, "ttl.min_ttl", "1h");
    assert_setting(store, "ttl.max_ttl", "2h");
    cr_assert_eq(memstore_capacity(store), 8 * MIB);
    assert_status(test_set(store, "key", "v", 60000), MEMSTORE_ERR_INVALID_TTL);
    assert_ok(test_set(store, "key", "v", 3600000));
    memstore_destroy(store);
}

Test(reload, what_the_file_no_longer_names_is_as_it_is_by_default)
{
    memstore *store = open_from(BEFORE);
    char why[512];

    assert_ok(reload(store, "maintenance: manual\nperformance: {memory_limit: 4MiB}\n", why));
    assert_setting(store, "ttl.min_ttl", "0");
    assert_setting(store, "ttl.max_ttl", "0");
    assert_ok(test_set(store, "key", "v", 1));
    memstore_destroy(store);
}

Test(reload, what_a_running_store_cannot_change_refuses_all_of_it)
{
    memstore *store = open_from(BEFORE);
    char why[512];

    assert_status(reload(store,
                         "shards: 16\nmaintenance: manual\nttl: {min_ttl: 2m, max_ttl: 3m}\n"
                         "performance: {memory_limit: 8MiB}\n",
                         why),
                  MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_str_eq(why, "shards: cannot be changed while the store is open: every key's place in "
                          "the index depends on their number");
    assert_setting(store, "ttl.min_ttl", "1m");
    cr_assert_eq(memstore_capacity(store), 4 * MIB);
    memstore_destroy(store);
}

Test(reload, a_memory_limit_that_is_not_reached_refuses_all_of_it)
{
    memstore *store = open_from("maintenance: manual\nttl: {min_ttl: 1m, max_ttl: 2m}\n"
                                "performance: {memory_limit: 8MiB}\n");
    unsigned char *value = test_bytes(3 * MIB, 1);
    memstore_view view;
    char why[512];

    assert_ok(memstore_set(store, "large", 5, value, 3 * MIB, 60000));
    assert_ok(memstore_get_view(store, "large", 5, &view));
    const uint64_t charged = test_memory(store).charged;
    assert_status(reload(store,
                         "maintenance: manual\nttl: {min_ttl: 2m, max_ttl: 3m}\n"
                         "monitoring: {access_sample_ratio: 1}\n"
                         "performance: {memory_limit: 2MiB}\n",
                         why),
                  MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert_not_null(
        strstr(why, "performance.memory_limit: 2097152 bytes are too few while views hold "), "%s",
        why);
    assert_setting(store, "ttl.min_ttl", "1m");
    assert_setting(store, "performance.memory_limit", "8MiB");
    assert_setting(store, "monitoring.access_sample_ratio", "0");
    cr_assert_leq(test_memory(store).charged, charged);
    cr_assert_eq(memstore_capacity(store), 8 * MIB);
    memstore_view_release(&view);
    free(value);
    memstore_destroy(store);
}

/* A store that is full and may not evict. Returns how many entries it has. */
static uint64_t fill_up(memstore *store)
{
    uint64_t key = 0;

    while (memstore_set(store, &key, sizeof key, BEFORE, sizeof BEFORE, 0) == MEMSTORE_OK)
        key++;
    return key;
}

Test(reload, a_sample_that_there_is_no_room_for_refuses_all_of_it)
{
    memstore *store = open_from("eviction: none\nmaintenance: manual\n"
                                "performance: {memory_limit: 4MiB}");
    memstore_subscription *subscription;
    char why[512];

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 16, &subscription));
    const uint64_t entries = fill_up(store);
    const uint64_t charged = test_memory(store).charged;

    assert_status(reload(store,
                         "eviction: none\nmaintenance: manual\n"
                         "monitoring: {access_sample_ratio: 1}\n"
                         "events: {queue_memory: 64KiB}\n"
                         "performance: {memory_limit: 4200KiB}\n",
                         why),
                  MEMSTORE_ERR_MEMORY_EXHAUSTED);
    cr_assert_str_eq(why,
                     "monitoring.access_sample_ratio: performance.memory_limit has no room for "
                     "what monitoring.access_sample_ratio needs");
    cr_assert_eq(memstore_capacity(store), 4 * MIB);
    assert_setting(store, "monitoring.access_sample_ratio", "0");
    assert_setting(store, "performance.memory_limit", "4MiB");
    cr_assert_eq(memstore_size(store), entries);
    cr_assert_geq(test_memory(store).charged, charged, "what events may take is set aside");
    memstore_subscription_close(subscription);
    memstore_destroy(store);
}

Test(reload, a_sample_has_the_room_of_the_limit_that_comes_with_it)
{
    memstore *store = open_from("eviction: none\nmaintenance: manual\n"
                                "performance: {memory_limit: 256KiB}");
    const uint64_t entries = fill_up(store);
    char why[512];

    assert_ok(reload(store,
                     "eviction: none\nmaintenance: manual\n"
                     "monitoring: {access_sample_ratio: 1}\n"
                     "performance: {memory_limit: 1MiB}\n",
                     why));
    assert_setting(store, "monitoring.access_sample_ratio", "1");
    cr_assert_eq(memstore_capacity(store), MIB);
    cr_assert_eq(memstore_size(store), entries);
    memstore_destroy(store);
}

Test(reload, a_limit_has_the_room_of_the_sample_that_goes_with_it)
{
    memstore *store = open_from("maintenance: manual\nmonitoring: {access_sample_ratio: 1}\n"
                                "performance: {memory_limit: 1MiB}");
    char why[512];

    for (uint64_t key = 0; key < 20000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, BEFORE, sizeof BEFORE, 0));
    assert_ok(reload(store, "maintenance: manual\nperformance: {memory_limit: 256KiB}\n", why));
    assert_setting(store, "monitoring.access_sample_ratio", "0");
    cr_assert_eq(memstore_capacity(store), 256 * KIB);
    cr_assert_leq(test_memory(store).charged, 256 * KIB);
    cr_assert(memstore_size(store) > 500, "%zu", (size_t)memstore_size(store));
    memstore_destroy(store);
}

/* What follows keys is as large as a store of its limit can use. */
Test(reload, a_store_that_follows_keys_goes_down_to_what_it_could_be_opened_with)
{
    memstore *store = open_from("maintenance: manual\nmonitoring: {access_sample_ratio: 1}\n"
                                "shards: 1\nperformance: {memory_limit: 64MiB}");
    char why[512];

    for (uint64_t key = 0; key < 1000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, BEFORE, sizeof BEFORE, 0));
    assert_status(
        memstore_reconfigure_explained(store, "performance.memory_limit", "1MiB", why, sizeof why),
        MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_eq(memstore_size(store), 1000, "what cannot be reached costs nothing");
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "2MiB"));
    cr_assert_leq(test_memory(store).charged, 2 * MIB);
    assert_setting(store, "monitoring.access_sample_ratio", "1");
    cr_assert_eq(memstore_size(store), 1000);
    memstore_destroy(store);
}

Test(reload, contradictions_are_refused)
{
    memstore *store = open_from(BEFORE);
    memstore_config *config = config_from("ttl: {min_ttl: 2h}");
    char why[512];

    assert_ok(memstore_config_set(config, "ttl.max_ttl", "1h"));
    assert_status(memstore_reconfigure_all(store, config, why, sizeof why),
                  MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_str_eq(why, "ttl.min_ttl (2h) is above ttl.max_ttl (1h)");
    memstore_config_free(config);
    memstore_destroy(store);
}

Test(reload, the_configuration_is_only_read)
{
    memstore_config *config = config_from(BEFORE);
    memstore *store = open_from(BEFORE);
    char why[512], error[512];

    assert_status(memstore_config_set(config, "ttl.max", "1h"), MEMSTORE_ERR_INVALID_CONFIG);
    snprintf(error, sizeof error, "%s", memstore_config_error(config));
    assert_ok(memstore_reconfigure_all(store, config, why, sizeof why));
    cr_assert_str_eq(memstore_config_error(config), error, "it is what the configuration refused");
    assert_ok(memstore_config_set(config, "ttl.min_ttl", "1h"));
    assert_status(memstore_reconfigure_all(store, config, why, sizeof why),
                  MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_str_eq(why, "ttl.min_ttl (1h) is above ttl.max_ttl (2m)");
    cr_assert_str_eq(memstore_config_error(config), "");
    memstore_config_free(config);
    memstore_destroy(store);
}

/* The limit is one of two settings, or of memory pressure: the one that changed is to blame. */
Test(reload, the_setting_that_changed_the_limit_is_named)
{
    memstore *store = open_from("maintenance: manual\nhard_max_cache_size: 4\n"
                                "performance: {memory_limit: 0}\n");
    char why[512];

    assert_status(reload(store,
                         "maintenance: manual\nhard_max_cache_size: 1000\nverbose: true\n"
                         "performance: {memory_limit: 0}\n",
                         why),
                  MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(strncmp(why, "hard_max_cache_size: ", 21), 0, "%s", why);
    assert_status(reload(store,
                         "maintenance: manual\nverbose: true\n"
                         "performance: {memory_limit: 1000MiB}\n",
                         why),
                  MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(strncmp(why, "performance.memory_limit: ", 26), 0, "%s", why);
    memstore_destroy(store);
}

Test(reload, a_file_that_says_what_is_so_changes_nothing)
{
    test_file_write(test_path("store.yaml"), BEFORE, sizeof BEFORE - 1);
    memstore *store = open_from(BEFORE);
    memstore_config *config = memstore_config_new();

    assert_ok(memstore_config_load_file(config, test_path("store.yaml")));
    assert_ok(memstore_reconfigure_all(store, config, NULL, 0));
    assert_setting(store, "ttl.min_ttl", "1m");
    memstore_config_free(config);
    memstore_destroy(store);
    test_folder_remove();
}

Test(reload, bad_arguments_are_refused)
{
    memstore *store = open_from(BEFORE);
    memstore_config *config = memstore_config_new();
    char why[512], text[2];
    size_t size;

    assert_status(memstore_reconfigure_all(NULL, config, why, 512), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(why, memstore_strerror(MEMSTORE_ERR_INVALID_ARGUMENT));
    assert_status(memstore_reconfigure_all(store, NULL, why, 512), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_reconfigure_all(store, config, NULL, 1), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_setting(NULL, "shards", text, 2, &size),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_setting(store, NULL, text, 2, &size), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_setting(store, "shards", NULL, 2, &size),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_setting(store, "shard", text, 2, &size),
                  MEMSTORE_ERR_INVALID_CONFIG);
    assert_status(memstore_get_setting(store, "shards", text, 2, &size),
                  MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert_eq(size, 4);
    assert_ok(memstore_close(store));
    assert_status(memstore_reconfigure_all(store, config, why, 512), MEMSTORE_ERR_CACHE_CLOSED);
    cr_assert_str_eq(why, memstore_strerror(MEMSTORE_ERR_CACHE_CLOSED));
    assert_status(memstore_get_setting(store, "shards", text, 2, &size), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_config_free(config);
    memstore_destroy(store);
}
