/* SPDX-License-Identifier: Apache-2.0 */
/* What a store says to whoever operates it, and to whom. */
#include "platform/testing.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/process.h"

#include <memstore/events.h>
#include <memstore/loader.h>
#include <pthread.h>
#include <stdlib.h>

#define MOST 256

struct told {
    int level;
    uint64_t suppressed;
    char event[32], store[32], fields[1024];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct told all[MOST];
static unsigned count;
static memstore *called; /* by the function, when not NULL */

static void tell(const memstore_log_record *record, void *context)
{
    size_t used = 0;

    cr_assert_eq(context, &all);
    pthread_mutex_lock(&lock);
    struct told *out = &all[count < MOST ? count++ : MOST - 1];
    out->level = record->level;
    out->suppressed = record->suppressed;
    snprintf(out->event, sizeof out->event, "%s", record->event);
    snprintf(out->store, sizeof out->store, "%s", record->store);
    out->fields[0] = '\0';
    for (size_t i = 0; i < record->field_count && used < sizeof out->fields; i++)
        used += (size_t)snprintf(out->fields + used, sizeof out->fields - used, "%s=%s;",
                                 record->fields[i].name, record->fields[i].text);
    pthread_mutex_unlock(&lock);
    if (called != NULL) {
        test_set(called, "from/the/logger", "v", 0);
        memstore_reconfigure(called, "max_entry_size", "1000");
        memstore_maintain(called, 0);
    }
}

static memstore *open_logged(int level, const char *const settings[])
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    for (size_t i = 0; settings[i] != NULL; i += 2)
        assert_ok(memstore_config_set(config, settings[i], settings[i + 1]));
    assert_ok(memstore_set_logger(config, level, tell, all));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    return store;
}

#define OPEN(level, ...) open_logged(level, (const char *const[]){__VA_ARGS__, NULL})

/* The n-th line of an event, waiting for it; NULL when it does not come. */
static const struct told *nth(const char *event, unsigned n)
{
    for (unsigned tries = 0; tries < 3000; tries++) {
        unsigned left = n;

        pthread_mutex_lock(&lock);
        for (unsigned i = 0; i < count; i++) {
            if (strcmp(all[i].event, event) == 0 && left-- == 0) {
                pthread_mutex_unlock(&lock);
                return &all[i];
            }
        }
        pthread_mutex_unlock(&lock);
        test_sleep_ms(10);
    }
    return NULL;
}

/* How many lines of an event there were; the store is closed. */
static unsigned count_of(const char *event)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        found += strcmp(all[i].event, event) == 0;
    return found;
}

static void expect(const char *event, int level, const char *fields)
{
    const struct told *one = nth(event, 0);

    cr_assert_not_null(one, "%s was not told", event);
    cr_expect_eq(one->level, level);
    cr_expect_not_null(strstr(one->fields, fields), "%s: %s", event, one->fields);
}

static void fill(memstore *store, unsigned n)
{
    static char value[1000];
    char key[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key/%u", i);
        memstore_set(store, key, strlen(key), value, sizeof value, 0);
    }
}

Test(logging, opening_and_closing_are_told_with_the_settings_in_force)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "store_name", "blocks", "shards", "16", "ttl.max_ttl",
                           "1h", "monitoring.hit_rate_threshold", "0.5");

    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(memstore_close(store));
    cr_assert_eq(count, 2, "all is told when it is closed");
    expect("opened", MEMSTORE_LOG_INFO, ";limit=64000000;");
    expect("opened", MEMSTORE_LOG_INFO, ";shards=16;store_name=blocks;ttl.max_ttl=1h;");
    expect("opened", MEMSTORE_LOG_INFO, ";monitoring.hit_rate_threshold=0.5;");
    expect("closed", MEMSTORE_LOG_INFO, ";sets=1;");
    cr_assert_str_eq(all[0].store, "blocks");
    memstore_destroy(store);
}

Test(logging, changes_of_settings_are_told_and_so_are_refusals)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");

    assert_ok(memstore_reconfigure(store, "ttl.max_ttl", "1h"));
    assert_ok(memstore_reconfigure(store, "ttl.max_ttl", "60m"));
    assert_status(memstore_reconfigure(store, "ttl.max_tll", "1h"), MEMSTORE_ERR_INVALID_CONFIG);
    assert_ok(memstore_close(store));
    expect("reconfigured", MEMSTORE_LOG_INFO, "key=ttl.max_ttl;before=0;now=1h;");
    cr_assert_eq(count_of("reconfigured"), 1, "what changes nothing is no change");
    expect("reconfigure_refused", MEMSTORE_LOG_WARN,
           "status=MEMSTORE_ERR_INVALID_CONFIG;why=unknown key \"ttl.max_tll\"");
    memstore_destroy(store);
}

Test(logging, a_refused_configuration_is_told_at_once)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_ERROR, tell, all));
    assert_status(memstore_config_load_yaml(config, "shard: 1\n", 9), MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_eq(count, 1);
    expect("config_refused", MEMSTORE_LOG_ERROR, "why=yaml:1:1: shard: unknown key");
    assert_status(memstore_config_load_file(config, "/none/there.yaml"), MEMSTORE_ERR_IO);
    assert_ok(memstore_config_set(config, "ttl.min_ttl", "2h"));
    assert_ok(memstore_config_set(config, "ttl.max_ttl", "1h"));
    assert_status(memstore_open(config, &store), MEMSTORE_ERR_INVALID_CONFIG);
    cr_assert_eq(count, 3);
    cr_assert_not_null(strstr(all[2].fields, "why=ttl.min_ttl (2h) is above ttl.max_ttl (1h)"));
    memstore_config_free(config);
}

Test(logging, reaching_the_limit_is_told_once_and_having_no_room_rarely)
{
    test_clock_start();
    memstore *store =
        OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual", "performance.memory_limit", "1MB");

    fill(store, 5000);
    assert_ok(memstore_close(store));
    expect("limit_reached", MEMSTORE_LOG_INFO, "limit=1000000;");
    cr_assert_eq(count_of("limit_reached"), 1);
    cr_assert_eq(count_of("no_room"), 0);
    memstore_destroy(store);

    count = 0;
    store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual", "performance.memory_limit", "1MB",
                 "eviction", "none");
    fill(store, 5000);
    test_clock_advance(10000);
    fill(store, 5000);
    assert_ok(memstore_close(store));
    expect("no_room", MEMSTORE_LOG_WARN, "why=eviction is off;limit=1000000;");
    cr_assert_eq(count_of("no_room"), 2, "one in ten seconds");
    cr_assert_gt(nth("no_room", 1)->suppressed, 1000);
    memstore_destroy(store);
}

static int fail(const void *key, size_t key_size, memstore_load_value *value, void *context)
{
    (void)key;
    (void)key_size;
    (void)value;
    (void)context;
    return -7;
}

Test(logging, loaders_that_fail_are_told)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");
    const memstore_loader loader = {.struct_size = sizeof loader, .load = fail};
    memstore_view view;

    for (int i = 0; i < 100; i++)
        cr_assert_neq(memstore_get_or_load(store, "k", 1, &loader, &view), MEMSTORE_OK);
    assert_ok(memstore_close(store));
    expect("load_failed", MEMSTORE_LOG_WARN, "result=-7;");
    cr_assert_eq(count_of("load_failed"), 1);
    memstore_destroy(store);
}

static int fail_one(const memstore_key *keys, size_t n, memstore_load_value *values, void *context)
{
    (void)keys;
    (void)context;
    values[n - 1].result = -8;
    return MEMSTORE_LOAD_OK;
}

static void expect_failure_told(memstore *store, const char *fields)
{
    assert_ok(memstore_close(store));
    expect("load_failed", MEMSTORE_LOG_WARN, fields);
    memstore_destroy(store);
    count = 0;
}

Test(logging, what_a_loader_of_many_and_the_holder_of_a_lease_return_is_told)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");
    const memstore_loader loader = {.struct_size = sizeof loader, .load_many = fail_one};
    const memstore_key keys[] = {{"a", 1}, {"b", 1}};
    memstore_view views[2];
    memstore_lease *lease;

    assert_status(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL),
                  MEMSTORE_ERR_LOADER_FAILED);
    expect_failure_told(store, "result=-8;");
    store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");
    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, views));
    assert_status(memstore_lease_fail(lease, -9, NULL), MEMSTORE_ERR_LOADER_FAILED);
    expect_failure_told(store, "result=-9;");
}

Test(logging, events_that_a_subscriber_loses_are_told)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");
    memstore_subscription *subscription;

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 1, &subscription));
    fill(store, 10);
    fill(store, 10);
    memstore_subscription_close(subscription);
    assert_ok(memstore_close(store));
    expect("events_dropped", MEMSTORE_LOG_WARN, "dropped=1;");
    cr_assert_eq(count_of("events_dropped"), 1);
    memstore_destroy(store);
}

Test(logging, details_are_told_with_verbose_which_can_be_changed)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual", "shards", "1");

    fill(store, 500);
    assert_ok(memstore_reconfigure(store, "verbose", "true"));
    fill(store, 5000);
    assert_ok(memstore_compact(store, 0));
    assert_ok(memstore_reconfigure(store, "verbose", "false"));
    fill(store, 10000);
    assert_ok(memstore_close(store));
    expect("index_grown", MEMSTORE_LOG_DEBUG, "table_bytes=");
    expect("compacted", MEMSTORE_LOG_DEBUG, "emptied=true;");
    cr_assert_eq(nth("reconfigured", 0) < nth("index_grown", 0), true);
    memstore_destroy(store);
}

Test(logging, the_function_may_call_the_store)
{
    memstore *store = OPEN(MEMSTORE_LOG_DEBUG, "performance.memory_limit", "1MB");

    called = store;
    fill(store, 20000);
    cr_assert_not_null(nth("reconfigured", 0), "the function's own change is told");
    assert_ok(memstore_close(store));
    called = NULL;
    memstore_destroy(store);
}

static void close_it(const memstore_log_record *record, void *context)
{
    memstore **store = context;

    (void)record;
    pthread_mutex_lock(&lock);
    memstore *const closes = *store;
    pthread_mutex_unlock(&lock);
    if (closes != NULL && memstore_close(closes) == MEMSTORE_OK) {
        pthread_mutex_lock(&lock);
        count++;
        pthread_mutex_unlock(&lock);
    }
}

Test(logging, the_function_may_close_the_store)
{
    memstore_config *config = memstore_config_new();
    memstore *store, *closes = NULL;

    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, close_it, &closes));
    assert_ok(memstore_open(config, &store));
    pthread_mutex_lock(&lock);
    closes = store;
    pthread_mutex_unlock(&lock);
    memstore_reconfigure(store, "ttl.max_ttl", "1h");
    memstore_destroy(store);
    memstore_config_free(config);
}

/* ---- The default logger ---- */

/* What a store writes to stderr. */
static char *written(const char *const settings[], const char *reconfigured)
{
    static char text[16384];
    char path[] = "/tmp/memstore-story-XXXXXX";
    const int file = mkstemp(path), before = dup(STDERR_FILENO);
    memstore *store = test_open_list(settings);

    dup2(file, STDERR_FILENO);
    if (reconfigured != NULL)
        assert_ok(memstore_reconfigure(store, reconfigured, "true"));
    assert_ok(memstore_reconfigure(store, "ttl.max_ttl", "1h"));
    memstore_destroy(store);
    dup2(before, STDERR_FILENO);
    const ssize_t size = pread(file, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    close(file);
    close(before);
    unlink(path);
    return text;
}

Test(logging, logger_enabled_writes_lines_of_logfmt_to_stderr)
{
    const char *const off[] = {"maintenance=manual", NULL};
    const char *const on[] = {"maintenance=manual", "logger_enabled=true", "store_name=two words",
                              NULL};

    cr_assert_str_eq(written(off, NULL), "");
    const char *text = written(on, NULL);
    cr_assert_not_null(strstr(text, "level=info store=\"two words\" event=reconfigured "
                                    "msg=\"setting changed\" key=ttl.max_ttl before=0 now=1h\n"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "event=closed"));
    text = written(off, "logger_enabled");
    cr_assert_not_null(strstr(text, "key=logger_enabled before=false now=true\n"), "%s", text);
}

Test(logging, levels_that_are_none_are_refused)
{
    memstore_config *config = memstore_config_new();

    assert_status(memstore_set_logger(NULL, MEMSTORE_LOG_INFO, tell, all),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_set_logger(config, -1, tell, all), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_set_logger(config, MEMSTORE_LOG_DEBUG + 1, tell, all),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_OFF, NULL, NULL));
    memstore_config_free(config);
}

/* ---- fork() ---- */

Test(logging, a_child_has_a_log_of_its_own)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "store_name", "shared");

    cr_assert_not_null(nth("opened", 0));
    const pid_t child = test_fork();
    if (child == 0) {
        count = 0;
        memstore_reconfigure(store, "ttl.max_ttl", "1h");
        memstore_destroy(store);
        _exit(count == 2 && strcmp(all[0].event, "reconfigured") == 0 ? 0 : 1);
    }
    cr_assert_eq(test_child_status(child), 0);
    assert_ok(memstore_close(store));
    cr_assert_eq(count_of("reconfigured"), 0);
    memstore_destroy(store);
}

/* ---- Snapshots ---- */

Test(logging, snapshots_are_told_and_why_there_is_none)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");

    assert_ok(test_set(store, "k", "v", 0));
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    assert_ok(memstore_load(store, test_path("snapshot"), NULL, NULL));
    test_file_write(test_path("damaged"), "damaged", 7);
    assert_status(memstore_load(store, test_path("damaged"), NULL, NULL),
                  MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    assert_status(memstore_save(store, test_path("no/such/folder"), NULL, NULL), MEMSTORE_ERR_IO);
    assert_ok(memstore_close(store));
    expect("snapshot_saved", MEMSTORE_LOG_INFO, "/snapshot;entries=1;");
    expect("snapshot_loaded", MEMSTORE_LOG_INFO,
           "/snapshot;version=1;stored=0;present=1;expired=0;left_out=0;");
    expect("snapshot_refused", MEMSTORE_LOG_WARN, "/damaged;version=0;why=the file is damaged");
    expect("snapshot_not_saved", MEMSTORE_LOG_WARN,
           "/no/such/folder;why=the file could not be opened");
    memstore_destroy(store);
    test_folder_remove();
}

Test(logging, of_a_snapshot_that_is_in_its_place_the_log_does_not_say_that_the_old_one_is)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");

    ms_testing_stop_file(0, MS_FILE_FAILS);
    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    /* The last step brings the name to the disk. */
    ms_testing_stop_file(ms_testing_file_steps(), MS_FILE_FAILS);
    assert_status(memstore_save(store, test_path("snapshot"), NULL, NULL), MEMSTORE_ERR_IO);
    ms_testing_stop_file(0, MS_FILE_FAILS);
    assert_ok(memstore_close(store));
    cr_assert_eq(count_of("snapshot_not_saved"), 0);
    expect("snapshot_not_synced", MEMSTORE_LOG_WARN, "/snapshot;entries=0;");
    memstore_destroy(store);
    test_folder_remove();
}

static int stop(const memstore_progress *progress, void *context)
{
    (void)progress;
    (void)context;
    return 1;
}

Test(logging, who_stops_a_snapshot_himself_is_not_warned)
{
    memstore *store = OPEN(MEMSTORE_LOG_INFO, "maintenance", "manual");

    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    assert_status(memstore_save(store, test_path("snapshot"), stop, NULL), MEMSTORE_ERR_CANCELLED);
    assert_status(memstore_load(store, test_path("snapshot"), stop, NULL), MEMSTORE_ERR_CANCELLED);
    assert_ok(memstore_close(store));
    cr_assert_eq(count_of("snapshot_not_saved") + count_of("snapshot_refused"), 0);
    cr_assert_eq(count_of("snapshot_saved"), 1);
    memstore_destroy(store);
    test_folder_remove();
}
