/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: raised once by a window over its threshold, cleared once by one that is clearly back, and
 * told by events, the log and the metrics. */
#include "support/clock.h"
#include "support/criterion.h"

#include <memstore/events.h>
#include <memstore/loader.h>
#include <stdlib.h>

static void end_window(memstore *store)
{
    test_clock_advance(30000);
    assert_ok(memstore_maintain(store, 0));
}

static void read_some(memstore *store, unsigned hits, unsigned misses)
{
    assert_ok(test_set(store, "there", "v", 0));
    for (unsigned i = 0; i < hits; i++)
        assert_holds(store, "there", "v");
    for (unsigned i = 0; i < misses; i++)
        assert_holds(store, "absent", NULL);
}

static void expect_alert(memstore_subscription *subscription, uint32_t alert, bool raised,
                         double value, double threshold)
{
    memstore_event event = {.struct_size = sizeof event};

    assert_ok(memstore_subscription_next(subscription, 0, &event));
    cr_expect_eq(event.kind, MEMSTORE_EVENT_ALERT);
    cr_expect(event.key.size == 0 && event.value.size == 0);
    cr_expect_eq(event.alert, alert);
    cr_expect_eq(event.raised, raised);
    cr_expect(event.alert_value > value - 1e-9 && event.alert_value < value + 1e-9, "%g",
              event.alert_value);
    cr_expect_eq(event.alert_threshold, threshold);
    memstore_view_release(&event.value);
}

static void expect_none(memstore_subscription *subscription)
{
    memstore_event event = {.struct_size = sizeof event};

    assert_status(memstore_subscription_next(subscription, 0, &event), MEMSTORE_ERR_LOCK_TIMEOUT);
}

Test(alerts, are_events_raised_once_and_cleared_once)
{
    memstore_subscription *alerts;

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8", NULL);
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    read_some(store, 79, 21);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, true, 0.79, 0.8);
    read_some(store, 10, 90);
    end_window(store);
    read_some(store, 805, 195);
    end_window(store);
    expect_none(alerts);
    read_some(store, 90, 10);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, false, 0.9, 0.8);
    read_some(store, 0, 100);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, true, 0, 0.8);
    assert_ok(memstore_reconfigure(store, "monitoring.hit_rate_threshold", "0"));
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, false, 0, 0);
    cr_assert_eq(test_rates(store).alerts_raised, 2);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(alerts, hold_nothing_that_would_have_to_be_released)
{
    memstore_event_stats stats = {.struct_size = sizeof stats};
    memstore_event event = {.struct_size = sizeof event};
    memstore_subscription *alerts;

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8", NULL);
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    read_some(store, 0, 200);
    end_window(store);
    assert_ok(memstore_subscription_next(alerts, 0, &event));
    cr_assert_eq(event.alert, MEMSTORE_ALERT_HIT_RATE);
    cr_assert(event.key.size == 0 && event.value.pin == NULL);
    assert_ok(memstore_get_event_stats(store, &stats));
    cr_assert_eq(stats.bytes, 0);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(alerts, are_cleared_when_metrics_are_switched_off)
{
    memstore_subscription *alerts;

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8", NULL);
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    read_some(store, 10, 90);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, true, 0.1, 0.8);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "false"));
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, false, 0, 0);
    assert_ok(memstore_reconfigure(store, "monitoring.enable_metrics", "true"));
    read_some(store, 10, 90);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, true, 0.1, 0.8);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(alerts, are_cleared_when_their_threshold_is_switched_off)
{
    memstore_subscription *alerts;

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8",
                                "monitoring.memory_usage_threshold=0.000001", NULL);
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    read_some(store, 10, 90);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, true, 0.1, 0.8);
    assert_ok(memstore_reconfigure(store, "monitoring.memory_usage_threshold", "0.5"));
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE | MEMSTORE_ALERT_MEMORY_USAGE,
                 "the next window tells");
    assert_ok(memstore_reconfigure(store, "monitoring.hit_rate_threshold", "0"));
    assert_ok(memstore_reconfigure(store, "monitoring.track_memory_usage", "false"));
    cr_assert_eq(test_rates(store).alerts, 0);
    cr_assert_eq(test_rates(store).alerts_raised, 2);
    memstore_subscription_close(alerts);
    memstore_destroy(store);
}

Test(alerts, come_beside_removals_to_those_who_asked_for_both)
{
    memstore_subscription *both, *removals;
    memstore_event event = {.struct_size = sizeof event};

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8", NULL);
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT | MEMSTORE_EVENT_REMOVALS, 0, &both));
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &removals));
    read_some(store, 0, 100);
    end_window(store);
    assert_ok(test_delete(store, "there"));
    expect_alert(both, MEMSTORE_ALERT_HIT_RATE, true, 0, 0.8);
    assert_ok(memstore_subscription_next(both, 0, &event));
    cr_assert(event.kind == MEMSTORE_EVENT_DELETED && event.alert_threshold == 0);
    memstore_view_release(&event.value);
    memstore_subscription_close(both);
    assert_ok(memstore_subscription_next(removals, 0, &event));
    cr_assert(event.kind == MEMSTORE_EVENT_DELETED && event.alert == 0);
    memstore_view_release(&event.value);
    expect_none(removals);
    memstore_subscription_close(removals);
    memstore_destroy(store);
}

static uint64_t dropped_of(memstore *store)
{
    memstore_event_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_event_stats(store, &stats));
    return stats.dropped;
}

Test(alerts, are_not_lost_where_others_leave_all_memory_to_removals_that_wait)
{
    memstore_subscription *alerts, *removals;

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.8",
                                "events.queue_memory=10000", NULL);
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &removals));
    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_ALERT, 0, &alerts));
    while (dropped_of(store) == 0) {
        assert_ok(test_set(store, "a", "", 0));
        assert_ok(test_delete(store, "a"));
    }
    read_some(store, 0, 200);
    end_window(store);
    read_some(store, 200, 0);
    end_window(store);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, true, 0, 0.8);
    expect_alert(alerts, MEMSTORE_ALERT_HIT_RATE, false, 1, 0.8);
    memstore_subscription_close(alerts);
    memstore_subscription_close(removals);
    memstore_destroy(store);
}

Test(alerts, a_mask_with_other_bits_is_refused)
{
    memstore_subscription *none;
    memstore *store = test_open("maintenance=manual", NULL);

    assert_status(memstore_subscribe(store, 64 | MEMSTORE_EVENT_ALERT, 0, &none),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    memstore_destroy(store);
}

Test(alerts, alert_hysteresis_is_how_far_back_is_back)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.5",
                                "monitoring.alert_hysteresis=0.2", NULL);

    read_some(store, 10, 90);
    end_window(store);
    read_some(store, 69, 31);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE);
    assert_ok(memstore_reconfigure(store, "monitoring.alert_hysteresis", "0.1"));
    read_some(store, 69, 31);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, 0);
    memstore_destroy(store);
}

/* What is raised after a window with so many hits and misses. */
static uint64_t alerts_after(memstore *store, unsigned hits, unsigned misses)
{
    read_some(store, hits, misses);
    end_window(store);
    return test_rates(store).alerts;
}

Test(alerts, a_hit_rate_need_not_be_back_by_more_than_half_of_its_threshold)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.1",
                                "monitoring.alert_hysteresis=0.3", NULL);

    cr_assert_eq(alerts_after(store, 5, 95), MEMSTORE_ALERT_HIT_RATE);
    cr_assert_eq(alerts_after(store, 14, 86), MEMSTORE_ALERT_HIT_RATE);
    cr_assert_eq(alerts_after(store, 20, 80), 0);
    memstore_destroy(store);
}

Test(alerts, a_hit_rate_need_not_be_back_by_more_than_half_of_what_is_missing)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=0.995", NULL);

    cr_assert_eq(alerts_after(store, 990, 10), MEMSTORE_ALERT_HIT_RATE);
    cr_assert_eq(alerts_after(store, 997, 3), MEMSTORE_ALERT_HIT_RATE);
    cr_assert_eq(alerts_after(store, 999, 1), 0);
    memstore_destroy(store);
}

Test(alerts, a_hit_rate_that_is_to_be_perfect_is_back_when_it_is)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.hit_rate_threshold=1", NULL);

    cr_assert_eq(alerts_after(store, 999, 1), MEMSTORE_ALERT_HIT_RATE);
    cr_assert_eq(alerts_after(store, 1000, 0), 0);
    memstore_destroy(store);
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

Test(alerts, reclaim_pressure_threshold_counts_writers_that_reclaim)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=1MB",
                                "eviction=none", "monitoring.reclaim_pressure_threshold=0.5", NULL);

    fill(store, 200);
    end_window(store);
    cr_assert(test_rates(store).alerts == 0 && test_rates(store).reclaim_pressure == 0);
    fill(store, 50);
    assert_ok(memstore_clear(store));
    end_window(store);
    fill(store, 5000);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_RECLAIM_PRESSURE);
    cr_assert_gt(test_rates(store).reclaim_pressure, 0.5);
    cr_assert_gt(test_stats(store).room_made, 2500);
    assert_ok(memstore_clear(store));
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_RECLAIM_PRESSURE,
                 "few writes say little");
    fill(store, 200);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, 0);
    memstore_destroy(store);
}

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key;
    (void)key_size;
    if (*(bool *)context)
        return MEMSTORE_LOAD_FAILED;
    out->value = "v";
    out->value_size = 1;
    return MEMSTORE_LOAD_OK;
}

static void load_some(memstore *store, unsigned n, bool fails)
{
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = load, .context = &fails, .ttl_ms = 1};
    memstore_view view;
    char key[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%s/%u", fails ? "bad" : "good", i);
        if (memstore_get_or_load(store, key, strlen(key), &loader, &view) == MEMSTORE_OK)
            memstore_view_release(&view);
    }
}

Test(alerts, load_failure_threshold_is_a_share_of_loads)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "monitoring.load_failure_threshold=0.2", NULL);

    load_some(store, 9, true);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, 0, "nine loads say little");
    load_some(store, 5, true);
    load_some(store, 15, false);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_LOAD_FAILURES);
    cr_assert_eq(test_rates(store).load_failure_rate, 0.25);
    load_some(store, 20, false);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, 0);
    memstore_destroy(store);
}

Test(alerts, of_what_is_rare_as_many_windows_are_judged_as_it_takes)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.load_failure_threshold=0.2",
                                "monitoring.hit_rate_threshold=0.5", NULL);

    for (int i = 0; i < 4; i++) {
        load_some(store, 4, true);
        end_window(store);
    }
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_LOAD_FAILURES);
    for (int i = 0; i < 6; i++) {
        load_some(store, 4, false);
        end_window(store);
    }
    cr_assert_eq(test_rates(store).alerts & MEMSTORE_ALERT_LOAD_FAILURES, 0);
    cr_assert_eq(test_rates(store).load_failure_rate, 0, "rates are the last window's");
    for (int i = 0; i < 4; i++) {
        load_some(store, 30, false);
        end_window(store);
    }
    cr_assert_eq(test_rates(store).alerts, MEMSTORE_ALERT_HIT_RATE);
    memstore_destroy(store);
}

static int load_slowly(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    bool fails = false;

    (void)context;
    test_sleep_ms(2);
    return load(key, key_size, out, &fails);
}

Test(alerts, slow_loads_are_measured_and_raise_no_alert_of_latency)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "monitoring.track_operation_latency=true",
                                "monitoring.latency_threshold=1ms", NULL);
    const memstore_loader loader = {.struct_size = sizeof loader, .load = load_slowly};
    memstore_latency latency = {.struct_size = sizeof latency};
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    memstore_view_release(&view);
    assert_ok(memstore_get_latency(store, MEMSTORE_OPERATION_LOAD, &latency));
    cr_assert(latency.count == 1 && latency.one_in == 1 && latency.max_ns >= 2000000);
    cr_assert_eq(latency.slow, 1);
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, 0);
    memstore_destroy(store);
}

Test(alerts, rates_have_updates_loads_failures_and_what_was_served_stale)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", "loader.max_stale=1h", NULL);

    for (unsigned i = 0; i < 4; i++)
        assert_ok(test_set(store, "key", "v", 0));
    load_some(store, 10, false);
    load_some(store, 5, true);
    test_clock_advance(1000);
    assert_ok(test_set(store, "bad/0", "old", 1));
    test_clock_advance(1000);
    load_some(store, 1, true);
    test_clock_advance(8000);
    memstore_rates rates = test_rates(store);
    cr_assert_eq(rates.window_seconds, 10);
    cr_assert(rates.updates == 0.3 && rates.loads == 1 && rates.load_failures == 0.6 &&
                  rates.stale_served == 0.1,
              "%g updates, %g loads, %g failures, %g stale", rates.updates, rates.loads,
              rates.load_failures, rates.stale_served);
    memstore_destroy(store);
}

Test(alerts, pinned_threshold_is_a_share_of_the_limit)
{
    memstore_view view;
    char *value = calloc(1, 300000);

    test_clock_start();
    memstore *store = test_open("maintenance=manual", "performance.memory_limit=1MB",
                                "monitoring.pinned_threshold=0.25", NULL);
    assert_ok(memstore_set(store, "large", 5, value, 300000, 0));
    end_window(store);
    cr_assert_eq(test_rates(store).alerts, 0);
    assert_ok(memstore_get_view(store, "large", 5, &view));
    end_window(store);
    cr_assert(test_rates(store).alerts == MEMSTORE_ALERT_PINNED && test_rates(store).pinned > 0.29);
    memstore_view_release(&view);
    end_window(store);
    cr_assert(test_rates(store).alerts == 0 && test_rates(store).pinned == 0);
    memstore_destroy(store);
    free(value);
}

Test(alerts, memory_in_use_is_the_same_with_and_without_memory_stats)
{
    test_clock_start();
    memstore *with = test_open("maintenance=manual", NULL);
    memstore *without =
        test_open("maintenance=manual", "performance.enable_memory_stats=false", NULL);

    fill(with, 1000);
    fill(without, 1000);
    test_clock_advance(30000);
    assert_ok(memstore_maintain(with, 0));
    assert_ok(memstore_maintain(without, 0));
    cr_assert_float_eq(test_rates(with).memory_usage, test_rates(without).memory_usage, 0.001);
    memstore_destroy(with);
    memstore_destroy(without);
}

/* ---- In the log ---- */

static unsigned raised, cleared;

static void note(const memstore_log_record *record, void *context)
{
    (void)context;
    raised += strcmp(record->event, "alert_raised") == 0 &&
              strcmp(record->fields[0].text, "hit_rate") == 0 &&
              strcmp(record->fields[1].text, "0.25") == 0;
    cleared += strcmp(record->event, "alert_cleared") == 0;
}

Test(alerts, are_told_in_the_log)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    test_clock_start();
    assert_ok(memstore_config_set(config, "maintenance", "manual"));
    assert_ok(memstore_config_set(config, "monitoring.hit_rate_threshold", "0.5"));
    assert_ok(memstore_set_logger(config, MEMSTORE_LOG_INFO, note, NULL));
    assert_ok(memstore_open(config, &store));
    memstore_config_free(config);
    read_some(store, 25, 75);
    end_window(store);
    read_some(store, 100, 0);
    end_window(store);
    assert_ok(memstore_close(store));
    cr_assert(raised == 1 && cleared == 1);
    memstore_destroy(store);
}
