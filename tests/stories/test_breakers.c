/* SPDX-License-Identifier: Apache-2.0 */
/* A loader that keeps failing is not called for a while. */
#include "store/load/call.h"
#include "store/store.h"
#include "store/watch/monitor.h"
#include "stories/sources.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <memstore/snapshot.h>

Test(breakers, a_loader_that_keeps_failing_is_not_called_for_a_while)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=3",
                                "loader.breaker_open=10s", NULL);
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    struct source other = {.value = "row"};

    for (int i = 0; i < 10; i++)
        assert_fails(store, &source);
    const memstore_stats open = test_stats(store);
    cr_assert(source.calls == 3 && open.load_failures == 3 && open.loads_refused == 7);
    cr_assert(open.breakers_open == 1 && open.breakers_opened == 1);
    assert_asks(store, &other, "row");
    assert_ok(memstore_delete(store, "key", 3));

    source.result = MEMSTORE_LOAD_OK;
    test_clock_advance(9999);
    assert_fails(store, &source);
    test_clock_advance(1);
    assert_asks(store, &source, "row");
    cr_assert(source.calls == 4 && test_stats(store).breakers_open == 0);
    memstore_destroy(store);
}

Test(breakers, loaders_of_one_name_share_a_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    struct source one = {.result = MEMSTORE_LOAD_FAILED}, two = {.value = "row"};
    memstore_loader loader = loader_of(&one);
    memstore_view view;

    loader.name = "database";
    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    loader.context = &two;
    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(two.calls, 0);
    assert_asks(store, &two, "row");
    memstore_destroy(store);
}

Test(breakers, contexts_that_failed_once_leave_a_named_loader_its_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=3", NULL);
    struct source requests[MS_BREAKERS], database = {.result = MEMSTORE_LOAD_FAILED};
    memstore_loader loader = loader_of(&database);
    memstore_view view;

    for (size_t i = 0; i < MS_BREAKERS; i++) {
        requests[i] = (struct source){.result = MEMSTORE_LOAD_FAILED};
        assert_fails(store, &requests[i]);
    }
    loader.name = "database";
    for (int i = 0; i < 4; i++)
        assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                      MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(database.calls == 3 && test_stats(store).loads_refused == 1);
    memstore_destroy(store);
}

/* Without a name: it is told by what the caller gave, not by who calls it for him. */
Test(breakers, a_loader_that_warms_a_store_has_one_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "loader.breaker_open=1h", NULL);
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    const memstore_loader loader = loader_of(&source);
    const memstore_key other = {"other", 5};

    assert_fails(store, &source);
    assert_status(memstore_warm(store, &other, 1, &loader, NULL, NULL), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(source.calls == 1 && test_stats(store).loads_refused == 1);

    test_clock_advance(3600 * 1000);
    assert_status(memstore_warm(store, &other, 1, &loader, NULL, NULL), MEMSTORE_ERR_LOADER_FAILED);
    cr_assert_eq(source.calls, 2);
    test_clock_advance(3600 * 1000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "row");
    cr_assert_eq(test_stats(store).breakers_open, 0);
    memstore_destroy(store);
}

Test(breakers, while_a_breaker_is_open_what_has_expired_is_served_without_a_call)
{
    struct source source;
    memstore *store = open_with_expired(&source, true);

    assert_ok(memstore_reconfigure(store, "loader.breaker_failures", "1"));
    for (int i = 0; i < 5; i++)
        assert_asks(store, &source, "old");
    cr_assert(source.calls == 2 && test_stats(store).stale_served == 5);
    memstore_destroy(store);
}

Test(breakers, leases_share_a_breaker)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
    assert_status(memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    assert_status(memstore_lease_acquire(store, "b", 1, 0, &lease, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    test_clock_advance(5000);
    assert_ok(memstore_lease_acquire(store, "b", 1, 0, &lease, &view));
    assert_ok(memstore_lease_fill(lease, "v", 1, 0, NULL));
    cr_assert_eq(test_stats(store).breakers_open, 0);
    memstore_destroy(store);
}

Test(breakers, a_lease_that_is_abandoned_says_nothing_about_the_loader)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.breaker_failures=2", "loader.breaker_open=1h",
                  "loader.refresh_after=10s", "loader.retry_max=1h", NULL);
    memstore_lease *lease;
    memstore_view view;

    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    for (int i = 0; i < 3; i++) {
        assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
        assert_status(memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL),
                      MEMSTORE_ERR_LOADER_FAILED);
    }
    memstore_stats stats = test_stats(store);
    cr_assert(stats.load_failures == 1 && stats.breakers_open == 0);

    /* Nor does it hold back a refresh. */
    assert_ok(test_set(store, "b", "old", 0));
    test_clock_advance(10000);
    for (int i = 0; i < 3; i++) {
        assert_ok(memstore_lease_acquire(store, "b", 1, 0, &lease, &view));
        cr_assert(lease != NULL && view.size == 3);
        memstore_view_release(&view);
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    }
    cr_assert_eq(test_stats(store).refresh_failures, 0);

    /* Nor was it a success. */
    assert_ok(memstore_lease_acquire(store, "a", 1, 0, &lease, &view));
    memstore_lease_fail(lease, MEMSTORE_LOAD_FAILED, NULL);
    stats = test_stats(store);
    cr_assert(stats.load_failures == 2 && stats.breakers_open == 1);
    memstore_destroy(store);
}

/* What a subscriber and the log are told of breakers, in the order in which it happens. */
static void expect_breaker(memstore_subscription *alerts, double openness, bool raised)
{
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscription_next(alerts, 0, &event));
    cr_expect(event.kind == MEMSTORE_EVENT_ALERT && event.alert == MEMSTORE_ALERT_BREAKER);
    cr_expect(event.alert_value > openness - 1e-9 && event.alert_value < openness + 1e-9, "%g",
              event.alert_value);
    cr_expect_eq(event.raised, raised);
    memstore_view_release(&event.value);
}

static void expect_breakers(memstore *store, uint64_t open, uint64_t half_open)
{
    const memstore_stats stats = test_stats(store);

    cr_expect_eq(stats.breakers_open, open);
    cr_expect_eq(stats.breakers_half_open, half_open);
}

Test(breakers, each_change_of_a_breaker_is_an_event)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=2",
                                "loader.breaker_open=10s", NULL);
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    memstore_subscription *alerts;
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    assert_fails(store, &source);
    expect_breakers(store, 0, 0);
    assert_fails(store, &source);
    expect_breaker(alerts, 1, true);
    expect_breakers(store, 1, 0);
    assert_fails(store, &source); /* refused, which changes nothing */

    test_clock_advance(10000);
    expect_breakers(store, 1, 1);
    assert_fails(store, &source);
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 1, true);
    expect_breakers(store, 1, 0);

    test_clock_advance(10000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "row");
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 0, false);
    expect_breakers(store, 0, 0);
    assert_status(memstore_subscription_next(alerts, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert_eq(test_stats(store).breakers_opened, 1);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(breakers, the_alert_stays_until_the_last_breaker_is_closed)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "loader.breaker_open=10s", NULL);
    struct source one = {.value = "row", .result = MEMSTORE_LOAD_FAILED}, two = one;
    memstore_subscription *alerts;

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    assert_fails(store, &one);
    assert_fails(store, &two);
    expect_breaker(alerts, 1, true);
    expect_breaker(alerts, 1, true);
    test_clock_advance(10000);
    one.result = two.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &one, "row");
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 0, true);
    assert_ok(memstore_delete(store, "key", 3));
    assert_asks(store, &two, "row");
    expect_breaker(alerts, 0.5, true);
    expect_breaker(alerts, 0, false);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(breakers, the_alert_goes_when_nobody_asks_for_what_is_open)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "loader.breaker_open=10s", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_fails(store, &source);
    test_clock_advance(60 * 1000);
    expect_breakers(store, 1, 1);
    test_clock_advance(24 * 3600 * 1000);
    expect_breakers(store, 0, 0);
    assert_ok(memstore_maintain(store, 0));
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert_eq(rates.alerts, 0);
    /* What opened it is known all the same: one load tries. */
    assert_fails(store, &source);
    assert_fails(store, &source);
    cr_assert_eq(source.calls, 2);
    expect_breakers(store, 1, 0);
    memstore_destroy(store);
}

Test(breakers, the_alert_goes_when_breakers_are_switched_off)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_fails(store, &source);
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert_eq(rates.alerts, MEMSTORE_ALERT_BREAKER);
    assert_ok(memstore_reconfigure(store, "loader.breaker_failures", "0"));
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert(rates.alerts == 0 && rates.alerts_raised == 1);
    memstore_destroy(store);
}

Test(breakers, the_alert_goes_when_breakers_are_switched_off_without_windows)
{
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1",
                                "monitoring.enable_metrics=false", NULL);
    struct source source = {.result = MEMSTORE_LOAD_FAILED};
    memstore_subscription *alerts;
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    assert_fails(store, &source);
    expect_breaker(alerts, 1, true);
    assert_ok(memstore_reconfigure(store, "loader.breaker_failures", "0"));
    expect_breaker(alerts, 0, false);
    assert_status(memstore_subscription_next(alerts, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

/* Whoever has changed a breaker may come to tell it after another has changed it again, and has told that. */
Test(breakers, a_change_of_a_breaker_that_another_has_overtaken_is_not_told)
{
    memstore *store = test_open("maintenance=manual", "loader.breaker_failures=1", NULL);
    const struct ms_breaker_rule rule = ms_store_breaker_rule(store);
    memstore_subscription *alerts;
    memstore_event event = {.struct_size = sizeof event};
    memstore_rates rates = {.struct_size = sizeof rates};

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    const enum ms_breaker_change opens =
        ms_breakers_failed(&store->breakers, 1, &rule, ms_clock_exact_ms());
    cr_assert_eq(opens, MS_BREAKER_OPENS);
    ms_load_note_success(store, 1);
    expect_breaker(alerts, 0, false);
    ms_monitor_breaker(store, 1, opens);
    assert_status(memstore_subscription_next(alerts, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_ok(memstore_get_rates(store, &rates));
    cr_assert(rates.alerts == 0 && rates.alerts_raised == 0);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

static char told[1024];

static void note_breakers(const memstore_log_record *record, void *unused)
{
    const size_t length = strlen(told);

    (void)unused;
    if (strncmp(record->event, "breaker_", 8) == 0)
        snprintf(told + length, sizeof told - length, "%s ", record->event);
}

Test(breakers, each_change_of_a_breaker_is_in_the_log)
{
    memstore_config *config = memstore_config_new();
    struct source source = {.value = "row", .result = MEMSTORE_LOAD_FAILED};
    memstore *store;

    test_clock_start();
    assert_ok(memstore_config_set(config, "maintenance", "manual"));
    assert_ok(memstore_config_set(config, "loader.breaker_failures", "1"));
    assert_ok(memstore_config_set(config, "loader.breaker_open", "10s"));
    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, note_breakers, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    assert_fails(store, &source);
    test_clock_advance(10000);
    source.result = MEMSTORE_LOAD_OK;
    assert_asks(store, &source, "row");
    assert_ok(memstore_close(store));
    cr_assert_str_eq(told, "breaker_opened breaker_half_open breaker_closed ");
    memstore_destroy(store);
}
