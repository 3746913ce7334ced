/* SPDX-License-Identifier: Apache-2.0 */
/* memory_pressure: the limit gives way while memory is short, and comes back. */
#include "platform/testing.h"
#include "store/store.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/process.h"
#include "support/system.h"
#include "support/team.h"

#include <memstore/advice.h>
#include <memstore/events.h>
#include <memstore/log.h>
#include <memstore/snapshot.h>
#include <pthread.h>
#include <stdlib.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define LIMIT (64 * MIB)
#define STEP (LIMIT / 16)

static void begin(void)
{
    test_clock_start();
    test_system_start();
    test_system_group(200 * MIB, 0, GIB);
    test_system_stalls(0);
    test_system_group_stalls(0);
}

TestSuite(pressure, .init = begin, .fini = test_system_end);

/* ---- What is said ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char said[64][512];
static unsigned lines;

static void tell(const memstore_log_record *record, void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    char *const out = said[lines < 63 ? lines++ : 63];
    size_t used = (size_t)snprintf(out, 512, "%s", record->event);

    for (size_t i = 0; i < record->field_count && used < 512; i++)
        used += (size_t)snprintf(out + used, 512 - used, " %s=%s", record->fields[i].name,
                                 record->fields[i].text);
    pthread_mutex_unlock(&lock);
}

/* How many lines begin so. */
static unsigned count_said(const char *beginning)
{
    unsigned found = 0;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < lines; i++)
        found += strncmp(said[i], beginning, strlen(beginning)) == 0;
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- Stores ---- */

static memstore *open_guarded(const char *pressure, const char *more)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    assert_ok(memstore_config_set(config, "maintenance", "manual"));
    assert_ok(memstore_config_set(config, "performance.memory_limit", "64MiB"));
    assert_ok(memstore_config_set(config, "memory_pressure", pressure));
    if (more != NULL)
        assert_ok(memstore_config_set(config, more, more + strlen(more) + 1));
    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, tell, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    return store;
}

/* Let time pass and the store look; returns its limit. */
static uint64_t look(memstore *store, int64_t ms)
{
    test_clock_advance(ms);
    assert_ok(memstore_maintain(store, 0));
    const uint64_t limit = test_memory(store).limit;
    cr_assert_eq(memstore_capacity(store), limit);
    return limit;
}

static void fill(memstore *store, uint64_t bytes)
{
    unsigned char *value = test_bytes(1000, 1);

    for (uint64_t key = 0; key < bytes / 1024; key++)
        assert_ok(memstore_set(store, &key, sizeof key, value, 1000, 0));
    free(value);
}

/* The group has so much less left than memory is short at. */
static void group_lacks(int64_t bytes)
{
    test_system_group((uint64_t)((int64_t)(GIB - GIB / 10) + bytes), 0, GIB);
}

/* ---- Down and up ---- */

Test(pressure, the_limit_gives_way_in_steps_and_memory_goes_back_to_the_system)
{
    memstore *store = open_guarded("cgroup", NULL);

    cr_assert_eq(look(store, 0), LIMIT);
    fill(store, 2 * LIMIT);
    cr_assert_eq(look(store, 500), LIMIT);
    const size_t resident = test_memory(store).resident;
    group_lacks(1);
    const uint64_t first = look(store, 500);
    cr_expect(first <= LIMIT - STEP && first > LIMIT - 2 * STEP, "%ju", (uintmax_t)first);
    cr_expect_eq(look(store, 499), first, "not before half a second is over");
    const uint64_t second = look(store, 1);
    cr_expect(second <= first - STEP && second > first - 2 * STEP, "%ju", (uintmax_t)second);

    const memstore_memory_stats memory = test_memory(store);
    cr_expect_eq(memory.configured_limit, LIMIT);
    cr_expect_leq(memory.charged, memory.limit);
    cr_expect_leq(memory.resident + 2 * STEP - MIB, resident);
    cr_expect_eq(test_stats(store).limit_lowered, 2);
    cr_expect_eq(test_stats(store).limit_raised, 0);
    memstore_destroy(store);
}

Test(pressure, it_stops_at_a_quarter_and_comes_back_when_there_is_room)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 2 * LIMIT);
    group_lacks(GIB / 20);
    for (int i = 0; i < 8; i++)
        look(store, 500);
    cr_assert_eq(look(store, 500), LIMIT / 4);
    cr_assert_leq(test_memory(store).charged, LIMIT / 4);
    fill(store, 2 * LIMIT);
    cr_assert_leq(test_memory(store).charged, LIMIT / 4, "writers keep to it");

    test_system_group(200 * MIB, 0, GIB);
    cr_expect_eq(look(store, 9999), LIMIT / 4);
    cr_expect_eq(look(store, 500), LIMIT / 4 + STEP);
    for (int i = 0; i < 11; i++)
        look(store, 2000);
    cr_expect_eq(test_memory(store).limit, LIMIT);
    cr_expect_eq(test_stats(store).limit_raised, 12);
    const uint64_t lowered = test_stats(store).limit_lowered;
    fill(store, 2 * LIMIT);
    cr_expect_eq(look(store, 2000), LIMIT);
    cr_expect(test_memory(store).charged > LIMIT * 9 / 10);
    cr_expect_eq(test_stats(store).limit_lowered, lowered);
    memstore_destroy(store);
}

Test(pressure, psi_acts_on_waits_for_memory)
{
    memstore *store = open_guarded("psi", NULL);

    fill(store, 2 * LIMIT);
    cr_assert_eq(look(store, 0), LIMIT);
    test_system_stalls(100);
    cr_assert_eq(look(store, 1000), LIMIT, "those of others");
    test_system_group_stalls(25);
    const uint64_t first = look(store, 500);
    cr_expect(first <= LIMIT - STEP && first > LIMIT - 2 * STEP);
    cr_expect_eq(look(store, 1000), first);
    cr_expect_lt(look(store, 1000), first);
    test_system_group_stalls(0.5);
    look(store, 9999);
    look(store, 2000);
    cr_expect_eq(test_stats(store).limit_raised, 1);
    memstore_destroy(store);
}

Test(pressure, off_reads_nothing_and_does_nothing)
{
    memstore *store = open_guarded("off", NULL);

    group_lacks(GIB / 10);
    test_system_stalls(100);
    cr_expect_eq(look(store, 60000), LIMIT);
    cr_expect_eq(count_said("memory_pressure"), 0);
    memstore_destroy(store);
}

Test(pressure, what_is_not_in_use_goes_first)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 30 * MIB);
    const uint64_t entries = test_stats(store).entries, charged = test_memory(store).charged;
    group_lacks(1);
    const uint64_t limit = look(store, 500);
    cr_expect_leq(limit, charged - STEP);
    cr_expect_gt(test_stats(store).entries, entries * 3 / 4);
    memstore_destroy(store);
}

Test(pressure, without_eviction_what_is_free_is_given_back_and_nothing_else)
{
    memstore *store = open_guarded("cgroup", "eviction\0none");
    const char large[1000] = "large";
    int status = MEMSTORE_OK;

    fill(store, 40 * MIB);
    const uint64_t entries = test_stats(store).entries;
    group_lacks(GIB / 10);
    for (int i = 0; i < 10; i++)
        look(store, 500);
    const memstore_memory_stats memory = test_memory(store);
    cr_expect_eq(test_stats(store).entries, entries);
    cr_expect(memory.charged <= memory.limit && memory.limit < LIMIT - 15 * MIB, "%ju",
              (uintmax_t)memory.limit);
    for (uint64_t key = 0; key < 10000 && status == MEMSTORE_OK; key++)
        status = memstore_set(store, &key, 7, large, sizeof large, 0);
    cr_expect(status == MEMSTORE_ERR_CACHE_FULL || status == MEMSTORE_ERR_SHARD_OVERFLOW, "%s",
              memstore_status_name(status));
    memstore_destroy(store);
}

Test(pressure, what_views_hold_is_asked_for_again)
{
    memstore *store = open_guarded("cgroup", NULL);
    static memstore_view views[60000];
    unsigned held = 0;

    fill(store, 60 * MIB);
    for (uint64_t key = 0; key < 60 * MIB / 1024 && held < 60000; key += 64)
        held += memstore_get_view(store, &key, sizeof key, &views[held]) == MEMSTORE_OK;
    group_lacks(GIB / 10);
    const uint64_t stuck = look(store, 500);
    cr_expect_gt(stuck, LIMIT / 2, "%ju", (uintmax_t)stuck);
    for (unsigned i = 0; i < held; i++)
        memstore_view_release(&views[i]);
    for (int i = 0; i < 4; i++)
        look(store, 500);
    cr_expect_eq(test_memory(store).limit, LIMIT / 4);
    memstore_destroy(store);
}

/* For so long at most, so that what waits for them comes to an end. */
#define WRITES_FOR_S 20.0

static void write_on(unsigned number, void *context)
{
    const double end = test_now() + WRITES_FOR_S;

    for (uint64_t key = (uint64_t)(number + 1) << 32; test_team_goes_on() && test_now() < end;
         key++)
        (void)memstore_set(context, &key, sizeof key, "value", 5, 0);
}

static void look_for_a_while(memstore *store, int64_t ms)
{
    test_clock_advance(ms);
    (void)memstore_maintain(store, 500000);
}

/* What they write is evicted again and again, which is no progress. */
Test(pressure, what_views_hold_is_let_be_although_others_write, .timeout = 120)
{
    memstore *store = open_guarded("cgroup", NULL);
    static memstore_view views[4000];
    struct test_team team = {0};
    unsigned held = 0;

    fill(store, 60 * MIB);
    for (uint64_t key = 0; key < LIMIT * 2 / 5 / 1024 && held < TEST_COUNT_OF(views); key += 16)
        held += memstore_get_view(store, &key, sizeof key, &views[held]) == MEMSTORE_OK;
    test_team_start(&team, 2, write_on, store);
    group_lacks(GIB / 10);
    for (int i = 0; i < 6; i++)
        look_for_a_while(store, 500);
    test_system_group(200 * MIB, 0, GIB);
    for (int i = 0; i < 8 && test_stats(store).limit_raised == 0; i++)
        look_for_a_while(store, 10000);
    cr_expect_gt(test_stats(store).limit_lowered, 0);
    cr_expect_gt(test_stats(store).limit_raised, 0, "a change is still under way");
    test_team_finish(&team, 0);
    for (unsigned i = 0; i < held; i++)
        memstore_view_release(&views[i]);
    memstore_destroy(store);
}

Test(pressure, a_round_with_a_budget_goes_on_where_the_last_one_stopped)
{
    memstore *store = open_guarded("cgroup", NULL);
    unsigned rounds = 0;

    fill(store, 2 * LIMIT);
    group_lacks(GIB / 10);
    test_clock_advance(500);
    while (memstore_maintain(store, 1) != MEMSTORE_OK && rounds < 100000)
        rounds++;
    cr_expect_leq(test_memory(store).limit, LIMIT - LIMIT / 4);
    cr_expect_eq(test_stats(store).limit_lowered, 1);
    memstore_destroy(store);
}

/* ---- Settings ---- */

Test(pressure, the_configured_limit_can_be_changed_while_it_is_lowered)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 2 * LIMIT);
    group_lacks(GIB / 10);
    const uint64_t lowered = look(store, 500);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "128MiB"));
    cr_expect_eq(test_memory(store).limit, lowered, "more is configured and not there");
    cr_expect_eq(test_memory(store).configured_limit, 128 * MIB);
    assert_status(memstore_reconfigure(store, "performance.memory_limit", "1GiB"),
                  MEMSTORE_ERR_UNSUPPORTED);
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "256MiB"));
    cr_expect_eq(test_memory(store).limit, 64 * MIB, "the floor is higher");
    assert_ok(memstore_reconfigure(store, "performance.memory_limit", "16MiB"));
    cr_expect_eq(test_memory(store).limit, 16 * MIB);
    cr_expect_leq(test_memory(store).charged, 16 * MIB);
    assert_status(memstore_reconfigure(store, "performance.memory_limit", "1000"),
                  MEMSTORE_ERR_INVALID_CONFIG);
    cr_expect_eq(test_memory(store).configured_limit, 16 * MIB);
    memstore_destroy(store);
}

static void take_time(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point == MS_POINT_RECLAIMING)
        test_sleep_ms(2);
}

/* Nor is what was under way given up, or left half done. */
Test(pressure, a_refused_change_of_the_limit_changes_nothing_for_it)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 2 * LIMIT);
    group_lacks(GIB / 10);
    test_clock_advance(500);
    ms_testing_set_hook(take_time, NULL);
    /* No budget is so short that it is a step's whatever the machine does. */
    for (int i = 0; i < 1000 && test_memory(store).limit == LIMIT; i++)
        (void)memstore_maintain(store, 1000);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_lt(test_memory(store).limit, LIMIT);
    cr_assert_gt(test_memory(store).limit, LIMIT * 3 / 4, "part of the way");
    assert_status(memstore_reconfigure(store, "performance.memory_limit", "1000"),
                  MEMSTORE_ERR_INVALID_CONFIG);
    test_system_group(200 * MIB, 0, GIB);
    look(store, 500);
    cr_expect_leq(test_memory(store).limit, LIMIT * 3 / 4);
    cr_expect_eq(test_stats(store).limit_lowered, 1);
    cr_expect_gt(ms_arena_freed_ahead(&store->arena), 0);
    memstore_destroy(store);
}

Test(pressure, it_can_be_switched_while_the_store_is_open)
{
    memstore *store = open_guarded("off", NULL);

    fill(store, 2 * LIMIT);
    group_lacks(1);
    assert_ok(memstore_reconfigure(store, "memory_pressure", "cgroup"));
    const uint64_t lowered = look(store, 0);
    cr_expect_leq(lowered, LIMIT - STEP, "it looks at once");
    assert_ok(memstore_reconfigure(store, "memory_pressure", "psi"));
    cr_expect_eq(look(store, 0), lowered, "what is lowered stays until there is room");
    look(store, 10000);
    cr_expect_eq(test_stats(store).limit_raised, 1);
    assert_ok(memstore_reconfigure(store, "memory_pressure", "off"));
    cr_expect_eq(test_memory(store).limit, LIMIT);
    cr_expect_eq(look(store, 60000), LIMIT);
    assert_status(memstore_reconfigure(store, "memory_pressure", "yes"),
                  MEMSTORE_ERR_INVALID_CONFIG);
    memstore_destroy(store);
}

Test(pressure, a_small_store_gives_nothing_below_what_it_needs)
{
    memstore *store = test_open("performance.memory_limit=256KiB", "memory_pressure=cgroup",
                                "maintenance=manual", NULL);

    for (uint64_t key = 0; key < 10000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, "value", 5, 0));
    group_lacks(GIB / 10);
    for (int i = 0; i < 10; i++)
        look(store, 500);
    cr_expect_leq(test_memory(store).charged, test_memory(store).limit);
    for (uint64_t key = 0; key < 10000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, "value", 5, 0));
    memstore_destroy(store);
}

/* ---- What is to be seen ---- */

Test(pressure, what_is_switched_on_again_says_what_it_watches)
{
    memstore *store = open_guarded("cgroup", NULL);

    look(store, 0);
    assert_ok(memstore_reconfigure(store, "memory_pressure", "off"));
    look(store, 0);
    assert_ok(memstore_reconfigure(store, "memory_pressure", "cgroup"));
    look(store, 0);
    assert_ok(memstore_reconfigure(store, "memory_pressure", "off"));
    assert_ok(memstore_reconfigure(store, "memory_pressure", "cgroup"));
    look(store, 0);
    memstore_close(store);
    cr_expect_eq(count_said("memory_pressure path=" TEST_SYSTEM_GROUP "/memory.current"), 3);
    memstore_destroy(store);
}

Test(pressure, each_change_is_a_line_of_the_log)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 2 * LIMIT);
    look(store, 0);
    group_lacks(1);
    look(store, 500);
    look(store, 500);
    test_system_group(200 * MIB, 0, GIB);
    look(store, 10000);
    look(store, 2000);
    memstore_close(store);
    cr_expect_eq(count_said("memory_pressure path=" TEST_SYSTEM_GROUP "/memory.current"), 1);
    cr_expect_eq(count_said("limit_lowered limit="), 2);
    cr_expect_eq(count_said("limit_raised limit="), 2);
    for (unsigned i = 0; i < lines; i++) {
        if (strncmp(said[i], "limit_lowered", 13) == 0 || strncmp(said[i], "limit_raised", 12) == 0)
            cr_expect(strstr(said[i], " before=") != NULL &&
                          strstr(said[i], " configured=67108864 ") != NULL &&
                          strstr(said[i], " path=" TEST_SYSTEM_GROUP "/memory.current") != NULL,
                      "%s", said[i]);
    }
    memstore_destroy(store);
}

Test(pressure, files_that_are_missing_or_garbled_are_named_once)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 2 * LIMIT);
    test_system_remove("/proc/self/cgroup");
    for (int i = 0; i < 5; i++)
        cr_expect_eq(look(store, 500), LIMIT);
    group_lacks(GIB / 10);
    test_system_write(TEST_SYSTEM_GROUP "/memory.current", "?");
    for (int i = 0; i < 5; i++)
        cr_expect_eq(look(store, 500), LIMIT);
    test_system_write(TEST_SYSTEM_GROUP "/memory.max", "max\n");
    for (int i = 0; i < 5; i++)
        cr_expect_eq(look(store, 500), LIMIT);
    memstore_close(store);
    cr_expect_eq(count_said("memory_pressure_unknown path=/proc/self/cgroup why=names no group"),
                 1);
    cr_expect_eq(count_said("memory_pressure_unknown path=" TEST_SYSTEM_GROUP
                            "/memory.current why=does not hold"),
                 1);
    cr_expect_eq(count_said("memory_pressure_unknown path=" TEST_SYSTEM_GROUP " why=no group up"),
                 1);
    cr_expect_eq(count_said("memory_pressure_unknown"), 3);
    cr_expect_eq(count_said("memory_pressure path="), 0);
    memstore_destroy(store);
}

static int take(const char *data, size_t size, void *context)
{
    snprintf(context, 1 << 16, "%.*s", (int)size, data);
    return 0;
}

Test(pressure, metrics_have_both_limits_and_the_changes)
{
    static char text[1 << 16];
    memstore *store = open_guarded("cgroup", NULL);
    char line[96];

    fill(store, 2 * LIMIT);
    group_lacks(1);
    const uint64_t limit = look(store, 0);
    assert_ok(memstore_metrics_text(store, take, text));
    snprintf(line, sizeof line, "\nmemstore_memory_limit_bytes %ju\n", (uintmax_t)limit);
    cr_expect_not_null(strstr(text, line), "%s", line);
    cr_expect_not_null(strstr(text, "\nmemstore_memory_configured_limit_bytes 67108864\n"));
    cr_expect_not_null(strstr(text, "\nmemstore_limit_lowered_total 1\n"));
    cr_expect_not_null(strstr(text, "\nmemstore_limit_raised_total 0\n"));
    memstore_destroy(store);
}

Test(pressure, the_memory_alert_is_about_the_limit_in_force)
{
    memstore *store = open_guarded("cgroup", "monitoring.memory_usage_threshold\0"
                                             "0.8");
    memstore_rates rates = {.struct_size = sizeof rates};

    fill(store, 30 * MIB);
    look(store, 30000);
    assert_ok(memstore_get_rates(store, &rates));
    cr_expect(rates.memory_usage < 0.6 && rates.alerts == 0, "%f", rates.memory_usage);
    group_lacks(1);
    look(store, 500);
    look(store, 30000);
    look(store, 30000);
    assert_ok(memstore_get_rates(store, &rates));
    cr_expect(rates.memory_usage > 0.8 && rates.memory_usage <= 1, "%f", rates.memory_usage);
    cr_expect_eq(rates.alerts, MEMSTORE_ALERT_MEMORY_USAGE);
    memstore_destroy(store);
}

struct advised {
    unsigned memory, pressure;
    char suggested[48];
};

static int hear(const memstore_advice *advice, void *context)
{
    struct advised *advised = context;

    advised->memory +=
        advice->kind == MEMSTORE_ADVICE_MORE_MEMORY || advice->kind == MEMSTORE_ADVICE_LESS_MEMORY;
    if (advice->kind == MEMSTORE_ADVICE_MEMORY_PRESSURE) {
        advised->pressure++;
        snprintf(advised->suggested, sizeof advised->suggested, "%s", advice->suggested);
    }
    return 0;
}

static struct advised advise(memstore *store)
{
    struct advised advised = {0};

    assert_ok(memstore_advise(store, hear, &advised));
    return advised;
}

Test(pressure, while_the_limit_is_lowered_advice_is_about_that)
{
    memstore *store = open_guarded("cgroup", "monitoring.access_sample_ratio\0"
                                             "0.1");
    struct test_rng rng = {7};
    char buffer[1024];

    fill(store, 2 * LIMIT);
    for (int i = 0; i < 200000; i++) {
        const uint64_t key = test_below(&rng, 2 * LIMIT / 1024);
        memstore_get(store, &key, sizeof key, buffer, sizeof buffer, NULL);
    }
    cr_expect(advise(store).memory == 1 && advise(store).pressure == 0);
    group_lacks(GIB / 10);
    const uint64_t limit = look(store, 500);
    const struct advised advised = advise(store);
    cr_expect(advised.memory == 0 && advised.pressure == 1);
    cr_expect_eq(strtoull(advised.suggested, NULL, 10), (limit + 999) / 1000, "%s of %ju",
                 advised.suggested, (uintmax_t)limit);
    memstore_destroy(store);
}

/* ---- Beside others ---- */

Test(pressure, a_snapshot_is_loaded_into_the_room_there_is)
{
    memstore *whole = open_guarded("off", NULL), *store = open_guarded("cgroup", NULL);
    char path[] = "/tmp/memstore-pressure-XXXXXX";

    close(mkstemp(path));
    fill(whole, 50 * MIB);
    assert_ok(memstore_save(whole, path, NULL, NULL));
    group_lacks(GIB / 10);
    for (int i = 0; i < 10; i++)
        look(store, 500);
    cr_assert_eq(test_memory(store).limit, LIMIT / 4);
    const int status = memstore_load(store, path, NULL, NULL);
    cr_expect(status == MEMSTORE_OK || status == MEMSTORE_ERR_CACHE_FULL, "%s",
              memstore_status_name(status));
    cr_expect_leq(test_memory(store).charged, LIMIT / 4);
    unlink(path);
    memstore_destroy(whole);
    memstore_destroy(store);
}

Test(pressure, the_maintenance_thread_watches_on_the_real_clock)
{
    ms_testing_use_real_clock();
    memstore *store = test_open("performance.memory_limit=64MiB", "memory_pressure=cgroup", NULL);
    const double end = test_now() + 60;

    fill(store, 2 * LIMIT);
    group_lacks(1);
    while (test_stats(store).limit_lowered < 3 && test_now() < end)
        test_sleep_ms(10);
    cr_expect_geq(test_stats(store).limit_lowered, 3);
    cr_expect_lt(test_memory(store).limit, LIMIT - 2 * STEP);
    memstore_destroy(store);
}

Test(pressure, a_child_goes_on_by_itself)
{
    memstore *store = open_guarded("cgroup", NULL);

    fill(store, 2 * LIMIT);
    look(store, 0);
    const pid_t child = test_fork();
    if (child == 0) {
        group_lacks(1);
        _exit(look(store, 500) < LIMIT && look(store, 500) < LIMIT - STEP ? 0 : 1);
    }
    cr_expect_eq(test_child_status(child), 0);
    memstore_destroy(store);
}
