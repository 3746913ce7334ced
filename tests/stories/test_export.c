/* SPDX-License-Identifier: Apache-2.0 */
/* monitoring.export_metrics: a file that always holds one whole text of the store's metrics. */
#include "platform/testing.h"
#include "support/clock.h"
#include "support/await.h"
#include "support/criterion.h"
#include "support/process.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[] = "/tmp/memstore-export-XXXXXX";
static char path[64], other[64], text[1 << 16];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/store.prom", folder);
    snprintf(other, sizeof other, "%s/other.prom", folder);
}

static void remove_folder(void)
{
    unlink(path);
    unlink(other);
    rmdir(folder);
}

TestSuite(export, .init = make_folder, .fini = remove_folder);

/* What the file holds; NULL when there is none. */
static const char *contents(const char *of)
{
    FILE *file = fopen(of, "r");

    if (file == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static unsigned files(void)
{
    DIR *directory = opendir(folder);
    unsigned count = 0;

    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

static memstore *open_exporting(const char *more)
{
    char setting[96];

    snprintf(setting, sizeof setting, "monitoring.export_metrics=%s", path);
    return test_open(setting, "maintenance=manual", more, NULL);
}

static void pass(memstore *store, int64_t ms)
{
    test_clock_advance(ms);
    assert_ok(memstore_maintain(store, 0));
}

Test(export, the_file_is_written_at_once_and_each_metrics_interval)
{
    test_clock_start();
    memstore *store = open_exporting("monitoring.metrics_interval=10s");

    pass(store, 0);
    cr_assert_not_null(strstr(contents(path), "\n# HELP memstore_sets_total "));
    cr_assert_not_null(strstr(text, "\nmemstore_sets_total 0\n"));
    assert_ok(test_set(store, "k", "v", 0));
    pass(store, 9999);
    cr_assert_not_null(strstr(contents(path), "\nmemstore_sets_total 0\n"));
    pass(store, 1);
    cr_assert_not_null(strstr(contents(path), "\nmemstore_sets_total 1\n"));
    cr_assert_eq(files(), 1, "nothing is left beside it");
    cr_assert_eq(test_stats(store).exports, 2);
    memstore_destroy(store);
    cr_assert_eq(files(), 0, "it goes when the store is closed");
}

/* The thread of all stores had nothing to do for an hour. */
Test(export, the_file_is_written_at_once_though_another_store_has_the_thread_sleep)
{
    char setting[96];
    memstore *sleeper = test_open("monitoring.enable_metrics=false", NULL);

    /* Until the thread has looked at it, once and for long. */
    test_sleep_ms(100);
    snprintf(setting, sizeof setting, "monitoring.export_metrics=%s", path);
    memstore *store = test_open(setting, NULL);
    TEST_AWAIT(contents(path) != NULL);
    memstore_destroy(store);
    memstore_destroy(sleeper);
}

/* Who has opened the file reads all of what it was then, however often it is written meanwhile. */
Test(export, a_reader_keeps_the_whole_text_that_it_opened)
{
    test_clock_start();
    memstore *store = open_exporting("monitoring.metrics_interval=10s");
    static char before[sizeof text];

    pass(store, 0);
    strcpy(before, contents(path));
    FILE *reader = fopen(path, "r");
    cr_assert_not_null(reader);
    assert_ok(test_set(store, "k", "v", 0));
    pass(store, 10000);
    cr_assert_not_null(strstr(contents(path), "\nmemstore_sets_total 1\n"));
    text[fread(text, 1, sizeof text - 1, reader)] = '\0';
    fclose(reader);
    cr_assert_str_eq(text, before);
    memstore_destroy(store);
}

Test(export, the_text_is_in_the_form_of_node_exporter)
{
    memstore *store = open_exporting("store_name=say \"x\"\\y");

    assert_ok(memstore_maintain(store, 0));
    cr_assert_not_null(contents(path));
    cr_assert_eq(strncmp(text, "# TYPE memstore_build_info gauge\n", 33), 0, "%.40s", text);
    cr_assert_not_null(strstr(text, "\nmemstore_build_info{store=\"say \\\"x\\\"\\\\y\",version="));
    cr_assert_not_null(strstr(text, "\nmemstore_sets_total{store=\"say \\\"x\\\"\\\\y\"} 0\n"));
    cr_assert_null(strstr(text, "# EOF"));
    cr_assert_null(strstr(text, " info\n"));
    cr_assert_null(strstr(text, "\nmemstore_sets "));
    memstore_destroy(store);
}

/* Who reads a file with a byte that is no text refuses all of it. */
Test(export, a_name_that_is_no_text_is_told_as_text)
{
    memstore *store = open_exporting("store_name=n\xc3\xa4me \xff\xc3");

    assert_ok(memstore_maintain(store, 0));
    cr_assert_not_null(contents(path));
    cr_assert_not_null(
        strstr(text, "\nmemstore_sets_total{store=\"n\xc3\xa4me \\\\xff\\\\xc3\"} 0\n"));
    memstore_destroy(store);
}

Test(export, labels_with_hot_keys_are_as_in_the_other_form)
{
    memstore *store = open_exporting("store_name=blocks");
    static const char key[] = "a \"b\"\n, {c}\xff";

    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "1"));
    assert_ok(test_set(store, key, "v", 0));
    for (int i = 0; i < 4000; i++)
        assert_holds(store, key, "v");
    assert_ok(memstore_maintain(store, 0));
    cr_assert_not_null(contents(path));
    cr_assert_not_null(strstr(text, "\n# TYPE memstore_hot_key_share gauge\n"));
    cr_assert_not_null(strstr(text, "\nmemstore_hot_key_share{store=\"blocks\","
                                    "key=\"a \\\"b\\\"\\n, {c}\\\\xff\"} 1\n"),
                       "%s", text);
    memstore_destroy(store);
}

Test(export, the_maintenance_thread_writes_it)
{
    char setting[96];

    snprintf(setting, sizeof setting, "monitoring.export_metrics=%s", path);
    memstore *store = test_open(setting, NULL);
    for (int i = 0; i < 3000 && contents(path) == NULL; i++)
        test_sleep_ms(10);
    cr_assert_not_null(contents(path));
    memstore_destroy(store);
    cr_assert_null(contents(path));
}

Test(export, another_file_can_be_named_and_none)
{
    test_clock_start();
    memstore *store = open_exporting("shards=16");

    pass(store, 0);
    assert_ok(memstore_reconfigure(store, "monitoring.export_metrics", other));
    pass(store, 0);
    cr_assert(contents(other) != NULL && contents(path) == NULL);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "false"));
    pass(store, 0);
    cr_assert_eq(files(), 0);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "true"));
    pass(store, 0);
    cr_assert_eq(files(), 1);
    assert_ok(memstore_reconfigure(store, "monitoring.export_metrics", ""));
    pass(store, 0);
    cr_assert_eq(files(), 0);
    memstore_destroy(store);
}

static unsigned failures;

static void note(const memstore_log_record *record, void *context)
{
    (void)context;
    failures += strcmp(record->event, "export_failed") == 0 &&
                strcmp(record->fields[1].text, "No such file or directory") == 0;
}

Test(export, what_cannot_be_written_is_counted_and_logged)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    test_clock_start();
    assert_ok(memstore_config_set(config, "maintenance", "manual"));
    assert_ok(memstore_config_set(config, "monitoring.export_metrics", "/no/such/folder/x.prom"));
    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, note, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    pass(store, 0);
    pass(store, 30000);
    cr_assert(test_stats(store).export_failures == 2 && test_stats(store).exports == 0);
    assert_ok(memstore_reconfigure(store, "monitoring.export_metrics", path));
    pass(store, 0);
    cr_assert_not_null(strstr(contents(path), "\nmemstore_export_failures_total 2\n"));
    cr_assert_eq(mkdir(other, 0755), 0);
    assert_ok(memstore_reconfigure(store, "monitoring.export_metrics", other));
    pass(store, 0);
    cr_assert_eq(test_stats(store).export_failures, 3, "a folder is no file");
    cr_assert_eq(files(), 1, "and nothing is left beside it");
    assert_ok(memstore_close(store));
    cr_assert_eq(failures, 1, "at most one in a minute");
    memstore_destroy(store);
    rmdir(other);
}

static void child_of(memstore *store)
{
    pass(store, 60000);
    if (test_stats(store).exports != 1)
        _exit(1);
    assert_ok(memstore_reconfigure(store, "monitoring.export_metrics", other));
    pass(store, 0);
    if (contents(other) == NULL || test_stats(store).exports != 2)
        _exit(2);
    memstore_destroy(store);
    _exit(contents(other) == NULL && contents(path) != NULL ? 0 : 3);
}

Test(export, a_child_leaves_the_file_of_its_parent_alone)
{
    struct stat before, after;

    test_clock_start();
    memstore *store = open_exporting("shards=16");
    pass(store, 0);
    cr_assert_eq(stat(path, &before), 0);
    const pid_t child = test_fork();
    if (child == 0)
        child_of(store);
    const int status = test_child_status(child);
    cr_assert_eq(status, 0, "%d", status);
    cr_assert(stat(path, &after) == 0 && after.st_ino == before.st_ino);
    pass(store, 30000);
    cr_assert_eq(test_stats(store).exports, 2);
    memstore_destroy(store);
    cr_assert_eq(files(), 0);
}

Test(export, a_flag_in_place_of_a_path_is_no_file)
{
    static const char *const flags[] = {"monitoring.export_metrics=true",
                                        "monitoring.export_metrics=false",
                                        "monitoring.export_metrics=none"};

    for (unsigned i = 0; i < TEST_COUNT_OF(flags); i++) {
        memstore *store = test_open(flags[i], NULL);

        assert_ok(memstore_maintain(store, 0));
        cr_assert_eq(test_stats(store).exports, 0);
        cr_assert_eq(test_stats(store).export_failures, 0);
        memstore_destroy(store);
    }
}

Test(export, a_file_system_that_hangs_keeps_no_other_store_from_its_writes)
{
    static const unsigned char value[1000];
    char setting[96];

    ms_testing_stop_file(1, MS_FILE_HANGS);
    snprintf(setting, sizeof setting, "monitoring.export_metrics=%s", path);
    memstore *exporting = test_open(setting, NULL);
    memstore *writing =
        test_open("performance.memory_limit=4MiB", "performance.lock_timeout=2s", NULL);
    TEST_AWAIT(ms_testing_file_steps() != 0);
    for (unsigned i = 0; i < 20000; i++)
        assert_ok(memstore_set(writing, &i, sizeof i, value, sizeof value, 0));
    cr_assert_gt(test_stats(writing).evictions, 0);
    ms_testing_stop_file(0, MS_FILE_FAILS);
    memstore_destroy(writing);
    memstore_destroy(exporting);
}
