/* SPDX-License-Identifier: Apache-2.0 */
/* What is switched off has no part in a call: keys that are not followed, latencies that are not measured,
 * events to which nobody has subscribed.
 *
 * That is shown without a clock. A read is made by the function that knows nothing of it, and all of the
 * state that it would be noted in is such that a call which so much as followed it would crash: pointers to
 * where no memory is, and numbers by which every read is one to be noted. */
#include "support/clock.h"
#include "support/criterion.h"

#include "platform/processor.h"
#include "store/hot.h"
#include "store/read/get.h"
#include "store/read/read.h"
#include "store/store.h"

#include <memstore/events.h>
#include <signal.h>

/* No memory is there. */
#define NOWHERE 64

static ms_get_fn plain_get(void)
{
#if MS_HAVE_AVX2_BUILD
    if (ms_processor_has_avx2())
        return ms_store_get_avx2;
#endif
    return ms_store_get;
}

static void expect_plain(memstore *store)
{
    cr_expect(ms_load_relaxed(&store->get) == plain_get());
    cr_expect_eq(ms_load_relaxed(&store->hot) & MS_HOT_FLAGS, store->hot_unmeasured);
    cr_expect((ms_load_relaxed(&store->hot) & MS_HOT_USUAL) != 0);
    cr_expect_eq(ms_store_diverts(store) & (MS_DIVERT_MEASURED | MS_DIVERT_TRACKED), 0);
    cr_expect_eq(ms_load_relaxed(&store->follows_below), 0);
    cr_expect_eq(ms_load_relaxed(&store->events_wanted), 0);
    cr_expect_null(ms_load_relaxed(&store->track.sampler));
}

Test(off, a_get_is_made_by_the_plain_function_and_by_another_only_while_keys_are_followed)
{
    memstore *store = test_open_defaults();

    expect_plain(store);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0.01"));
    cr_expect(ms_load_relaxed(&store->get) != plain_get());
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0"));
    expect_plain(store);
    memstore_destroy(store);
}

/* ---- Pauses, while keys are followed by turns ---- */

#define FEW_KEYS 100
/* Reads after which something has long happened, if it does. */
#define AT_MOST 100000000

static memstore *open_few(const char *ratio, const char *maintenance)
{
    memstore *store = test_open(ratio, maintenance, NULL);

    for (int i = 0; i < FEW_KEYS; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "value", 5, 0));
    return store;
}

static void read_few(memstore *store, int reads)
{
    for (int n = 0; n < reads; n++) {
        const int i = n % FEW_KEYS;
        char value[5];

        assert_ok(memstore_get(store, &i, sizeof i, value, sizeof value, NULL));
    }
}

static bool is_plain(memstore *store)
{
    return ms_load_relaxed(&store->get) == plain_get() &&
           (ms_load_relaxed(&store->hot) & MS_HOT_FLAGS) == store->hot_unmeasured &&
           (ms_store_diverts(store) & MS_DIVERT_TRACKED) == 0;
}

/* Read until reads are plain, or are not any more. Whether they are. */
static bool read_until(memstore *store, bool plain)
{
    for (int reads = 0; reads < AT_MOST && is_plain(store) != plain; reads += FEW_KEYS)
        read_few(store, FEW_KEYS);
    return is_plain(store) == plain;
}

Test(off, reads_are_plain_in_each_pause_in_which_no_key_is_followed)
{
    memstore *store = open_few("monitoring.access_sample_ratio=0.01", "shards=16");

    for (int pauses = 0; pauses < 5; pauses++) {
        cr_assert(read_until(store, true), "pause %d does not begin", pauses);
        cr_assert_eq(ms_load_relaxed(&store->follows_below), 0);
        cr_assert(read_until(store, false), "pause %d does not end", pauses);
    }
    memstore_destroy(store);
}

/* It has seen that keys are followed, and asks which when they are not any more. One in 256 would be timed if
 * calls were. */
Test(off, a_read_that_meets_the_beginning_of_a_pause_is_not_timed)
{
    static const char key[] = "a key of twenty byte";
    memstore *store = open_few("monitoring.access_sample_ratio=0", "shards=16");
    const uint64_t hot = ms_load_relaxed(&store->hot);
    char value[5];

    assert_ok(memstore_set(store, key, 20, "value", 5, 0));
    ms_store_release(&store->hot,
                     (hot & ~(uint64_t)MS_HOT_FLAGS) | MS_HOT_MEASURED | MS_HOT_MEASURED_USUAL);
    for (int n = 0; n < 100; n++) {
        read_few(store, FEW_KEYS);
        for (int again = 0; again < FEW_KEYS; again++)
            assert_ok(memstore_get(store, key, 20, value, sizeof value, NULL));
    }
    ms_store_release(&store->hot, hot);
    memstore_destroy(store);
}

/* Nobody would see to the end of the pause. */
Test(off, reads_are_not_plain_in_pauses_of_a_store_without_a_maintenance_thread)
{
    memstore *store = open_few("monitoring.access_sample_ratio=0.01", "maintenance=manual");

    for (int reads = 0; reads < AT_MOST && ms_load_relaxed(&store->follows_below) != 0;
         reads += FEW_KEYS)
        read_few(store, FEW_KEYS);
    cr_assert_eq(ms_load_relaxed(&store->follows_below), 0);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_not(is_plain(store));
    memstore_destroy(store);
}

Test(off, a_pause_ends_when_what_was_counted_is_forgotten)
{
    /* It would last 16 million reads. */
    memstore *store = open_few("monitoring.access_sample_ratio=0.0001", "shards=16");

    cr_assert(read_until(store, true));
    assert_ok(memstore_reset_stats(store));
    int reads = 0;
    while (reads < AT_MOST / 20 && is_plain(store)) {
        read_few(store, FEW_KEYS);
        reads += FEW_KEYS;
    }
    cr_assert_not(is_plain(store));
    memstore_destroy(store);
}

/* Hours in which nothing is read: the maintenance looks whenever it has planned to. */
static void idle(memstore *store, int64_t hours)
{
    const int64_t end = test_clock_monotonic() + hours * 3600 * 1000;

    while (test_clock_monotonic() < end) {
        const int64_t look = ms_load_relaxed(&store->track.look_ms);
        const int64_t now = test_clock_monotonic();

        test_clock_advance(look <= now ? 1 : look < end ? look - now : end - now);
        assert_ok(memstore_maintain(store, 0));
    }
}

Test(off, a_pause_ends_with_its_reads_after_hours_without_any)
{
    test_clock_start();
    memstore *store = open_few("monitoring.access_sample_ratio=0.01", "shards=16");

    cr_assert(read_until(store, true));
    test_clock_advance(1000);
    read_few(store, FEW_KEYS);
    idle(store, 9);
    cr_assert(is_plain(store));
    read_few(store, 500000);
    test_clock_advance(20000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_not(is_plain(store));
    memstore_destroy(store);
}

Test(off, following_ends_in_a_pause)
{
    memstore *store = open_few("monitoring.access_sample_ratio=0.0001", "shards=16");

    cr_assert(read_until(store, true));
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0"));
    expect_plain(store);
    read_few(store, 100000);
    expect_plain(store);
    assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0.01"));
    cr_assert_not(is_plain(store));
    memstore_destroy(store);
}

Test(off, what_is_measured_is_told_by_the_word_that_a_read_looks_at_anyway)
{
    memstore *store = test_open("monitoring.track_operation_latency=true", NULL);

    cr_expect_eq(ms_load_relaxed(&store->hot) & MS_HOT_USUAL, 0);
    memstore_destroy(store);
}

static void read_all_ways(memstore *store)
{
    const memstore_key keys[] = {{"there", 5}, {"absent", 6}};
    unsigned char has[2];
    memstore_view views[2];
    size_t found;

    for (int i = 0; i < 1000; i++) {
        assert_holds(store, "there", "value");
        assert_holds(store, "absent", NULL);
        assert_ok(test_has(store, "there"));
        assert_ok(memstore_get_view(store, "there", 5, views));
        memstore_view_release(views);
        assert_ok(memstore_get_many(store, keys, 2, views, &found));
        memstore_view_release_many(views, 2);
        assert_ok(memstore_has_many(store, keys, 2, has, &found));
    }
}

Test(off, no_read_looks_at_what_would_follow_keys)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "there", "value", 0));
    ms_store_relaxed(&store->follows_below, UINT32_MAX);
    ms_store_relaxed(&store->turn_below, UINT32_MAX);
    ms_store_relaxed(&store->track.sampler, (struct ms_sampler *)NOWHERE);
    read_all_ways(store);
    ms_store_relaxed(&store->follows_below, 0);
    ms_store_relaxed(&store->turn_below, 0);
    ms_store_relaxed(&store->track.sampler, NULL);
    memstore_destroy(store);
}

static void write_all_ways(memstore *store)
{
    const memstore_entry entry = {.key = {"many", 4}, .value = "value", .value_size = 5};
    uint64_t count;
    size_t deleted;

    for (int i = 0; i < 1000; i++) {
        assert_ok(test_set(store, "there", "value", 0));
        assert_ok(memstore_set_many(store, &entry, 1));
        assert_ok(memstore_update_ttl(store, "there", 5, 60000));
        assert_ok(memstore_delete(store, "there", 5));
        assert_ok(memstore_delete_many(store, &entry.key, 1, &deleted));
        assert_ok(test_set(store, "there", "value", 0));
        assert_ok(memstore_delete_by_pattern(store, "th*", 3, &count));
    }
}

/* A write of a key looks at a number, by which no key is followed, and its removal at another, by which
 * nobody wants to know. There it ends. */
Test(off, a_write_looks_at_no_more_than_that_nothing_is_wanted)
{
    memstore *store = test_open_defaults();

    ms_store_relaxed(&store->track.sampler, (struct ms_sampler *)NOWHERE);
    store->events.subscriptions = (memstore_subscription *)NOWHERE;
    write_all_ways(store);
    ms_store_relaxed(&store->track.sampler, NULL);
    store->events.subscriptions = NULL;
    memstore_destroy(store);
}

/* What the tests above rest on: a call that did follow it would not come back. The sanitizer of addresses
 * takes the signal for itself. */
#ifndef __SANITIZE_ADDRESS__
Test(off, a_read_that_is_wanted_is_noted_where_no_memory_is, .signal = SIGSEGV)
{
    memstore *store = test_open("monitoring.access_sample_ratio=1", NULL);

    assert_ok(test_set(store, "there", "value", 0));
    ms_store_relaxed(&store->track.sampler, (struct ms_sampler *)NOWHERE);
    assert_holds(store, "there", "value");
}

Test(off, a_removal_that_is_wanted_is_told_where_no_memory_is, .signal = SIGSEGV)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "there", "value", 0));
    store->events.subscriptions = (memstore_subscription *)NOWHERE;
    ms_store_relaxed(&store->events_wanted, MEMSTORE_EVENT_REMOVALS);
    memstore_delete(store, "there", 5);
}
#endif
