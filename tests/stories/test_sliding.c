/* SPDX-License-Identifier: Apache-2.0 */
/* `ttl.mode: access`: what is read lives on. */
#include "platform/testing.h"
#include "snapshot/writer.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"

#include <memstore/snapshot.h>

#define ACCESS "ttl.mode=access"
#define MANUAL "maintenance=manual"

static memstore *store;

static void set_up(void)
{
    test_clock_start();
    test_folder();
    store = test_open(MANUAL, ACCESS, "shards=4", NULL);
}

static void tear_down(void)
{
    memstore_destroy(store);
    test_folder_remove();
}

TestSuite(sliding, .init = set_up, .fini = tear_down);

static void replace_store(memstore *other)
{
    memstore_destroy(store);
    store = other;
}

/* ---- Which reads renew ---- */

static void read_by_get(void)
{
    assert_holds(store, "key", "value");
}

static void read_by_view(void)
{
    memstore_view view;

    assert_ok(memstore_get_view(store, "key", 3, &view));
    cr_assert_eq(view.expires_at_ms, test_clock_unix() + 1600);
    memstore_view_release(&view);
}

static void read_by_get_many(void)
{
    const memstore_key keys[] = {test_key("absent"), test_key("key")};
    memstore_view views[2];
    size_t found;

    assert_ok(memstore_get_many(store, keys, 2, views, &found));
    cr_assert_eq(views[1].expires_at_ms, test_clock_unix() + 1600);
    memstore_view_release_many(views, 2);
}

static int never_called(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key, (void)key_size, (void)out, (void)context;
    cr_assert_fail("what is there is not loaded");
    return MEMSTORE_LOAD_ABSENT;
}

static void read_by_load(void)
{
    const memstore_loader loader = {.struct_size = sizeof loader, .load = never_called};
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    memstore_view_release(&view);
}

static void read_by_increment(void)
{
    int64_t sum;

    assert_ok(memstore_increment(store, "key", 3, 1, 0, 5000, &sum));
}

static void count_shown(const memstore_view *views, size_t n, void *context)
{
    *(size_t *)context = n;
    cr_assert(n == 1 && views[0].size == 5);
}

static void read_in_place(void)
{
    const memstore_key key = test_key("key");
    size_t shown = 0;

    assert_ok(memstore_read_many(store, &key, 1, count_shown, &shown));
    cr_assert_eq(shown, 1);
}

static void (*const reads[])(void) = {read_by_get, read_by_view, read_by_get_many, read_in_place,
                                      read_by_load};

Test(sliding, each_kind_of_read_lets_an_entry_live_for_its_ttl_again)
{
    for (size_t i = 0; i < TEST_COUNT_OF(reads); i++) {
        assert_ok(test_set(store, "key", "value", 1600));
        for (int n = 0; n < 5; n++) {
            test_clock_advance(1599);
            reads[i]();
            cr_assert_eq(test_ttl(store, "key"), 1600, "read %zu", i);
        }
        test_clock_advance(1600);
        assert_holds(store, "key", NULL);
    }
}

Test(sliding, an_increment_renews_what_it_counts_in)
{
    assert_ok(test_set(store, "key", "1", 1600));
    test_clock_advance(1000);
    read_by_increment();
    cr_assert_eq(test_ttl(store, "key"), 1600);
    test_clock_advance(1599);
    assert_holds(store, "key", "2");
    cr_assert_eq(test_ttl(store, "key"), 1600, "the TTL is kept, too");
}

/* In the thread that increments, at a point where no lock is held. */
static void read_meanwhile(enum ms_testing_point point, void *value)
{
    if (point != MS_POINT_ENTRY_WRITTEN)
        return;
    ms_testing_set_hook(NULL, NULL);
    test_clock_advance(800);
    assert_holds(store, "key", value);
}

Test(sliding, an_increment_that_takes_long_keeps_what_a_read_renewed)
{
    int64_t sum;

    assert_ok(test_set(store, "key", "1", 1600));
    test_clock_advance(100);
    ms_testing_set_hook(read_meanwhile, (void *)"1");
    assert_ok(memstore_increment(store, "key", 3, 1, 0, 5000, &sum));
    ms_testing_set_hook(NULL, NULL);
    cr_assert_eq(sum, 2);
    cr_assert_eq(test_ttl(store, "key"), 1600);
}

Test(sliding, what_only_asks_renews_nothing)
{
    const memstore_key key = test_key("key");
    unsigned char there;
    char byte;
    size_t size;
    int64_t until;

    assert_ok(test_set(store, "key", "value", 1600));
    test_clock_advance(1000);
    assert_ok(test_has(store, "key"));
    assert_ok(memstore_has_many(store, &key, 1, &there, &size));
    assert_ok(memstore_get_expiration(store, "key", 3, &until));
    assert_status(memstore_get(store, "key", 3, &byte, 1, &size), MEMSTORE_ERR_BUFFER_TOO_SMALL);
    assert_ok(memstore_save(store, test_path("asked"), NULL, NULL));
    cr_assert_eq(test_ttl(store, "key"), 600);
}

Test(sliding, without_it_reads_renew_nothing)
{
    replace_store(test_open(MANUAL, "ttl.mode=write", NULL));
    assert_ok(test_set(store, "key", "value", 1600));
    test_clock_advance(1000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 600);
}

/* ---- How far ---- */

Test(sliding, an_entry_is_renewed_when_a_sixteenth_of_its_ttl_has_passed)
{
    assert_ok(test_set(store, "key", "value", 1600));
    test_clock_advance(99);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1501);
    test_clock_advance(1);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1600);

    /* Of a short one in each millisecond. */
    assert_ok(test_set(store, "short", "value", 5));
    test_clock_advance(1);
    assert_holds(store, "short", "value");
    cr_assert_eq(test_ttl(store, "short"), 5);
}

Test(sliding, what_has_expired_is_not_renewed)
{
    assert_ok(test_set(store, "key", "value", 1000));
    test_clock_advance(1000);
    assert_holds(store, "key", NULL);
    assert_holds(store, "key", NULL);
    cr_assert_eq(memstore_size(store), 0);
}

Test(sliding, what_never_expires_or_does_at_a_moment_stays_as_it_is)
{
    int64_t ttl;

    assert_ok(test_set(store, "never", "value", MEMSTORE_TTL_NONE));
    assert_ok(memstore_set_until(store, "until", 5, "value", 5, test_clock_unix() + 1000));
    test_clock_advance(900);
    assert_holds(store, "never", "value");
    assert_holds(store, "until", "value");
    assert_status(memstore_get_ttl(store, "never", 5, &ttl), MEMSTORE_ERR_TTL_NOT_SET);
    cr_assert_eq(test_ttl(store, "until"), 100);
}

Test(sliding, a_renewed_expiry_is_rounded_up_to_the_precision)
{
    replace_store(test_open(MANUAL, ACCESS, "ttl.ttl_precision=second", NULL));
    assert_ok(test_set(store, "key", "value", 10000));
    test_clock_advance(5500);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 10500);
}

Test(sliding, no_read_lets_an_entry_outlive_the_life_window)
{
    replace_store(test_open(MANUAL, ACCESS, "life_window=3s", NULL));
    assert_ok(test_set(store, "key", "value", 2000));
    test_clock_advance(1500);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1500);
    test_clock_advance(1400);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 100);
    test_clock_advance(100);
    assert_holds(store, "key", NULL);
}

Test(sliding, long_ttls_and_old_segments_are_kept_to_a_few_seconds)
{
    const int64_t day = 86400000;

    assert_ok(test_set(store, "long", "value", 100 * day));
    assert_ok(test_set(store, "short", "value", day));
    for (int i = 0; i < 120; i++) {
        test_clock_advance(day - 1);
        assert_holds(store, "short", "value");
        cr_assert(test_ttl(store, "short") >= day && test_ttl(store, "short") < day + 4096,
                  "day %d", i);
    }
    assert_holds(store, "long", NULL);
    assert_ok(test_set(store, "long", "value", 100 * day));
    test_clock_advance(99 * day);
    assert_holds(store, "long", "value");
    cr_assert(test_ttl(store, "long") > 100 * day - 4096 &&
              test_ttl(store, "long") < 100 * day + 4096);
}

/* Both the TTL and the expiry are kept to 4 s: not both of them upwards. */
Test(sliding, no_read_gives_a_long_ttl_more_than_a_few_seconds_beyond_it)
{
    const int64_t day = 86400000;

    for (int64_t ttl = 50 * day; ttl < 50 * day + 8000; ttl += 500) {
        assert_ok(test_set(store, "key", "value", ttl));
        test_clock_advance(4 * day);
        assert_holds(store, "key", "value");
        cr_expect(test_ttl(store, "key") > ttl - 4096 && test_ttl(store, "key") < ttl + 4096,
                  "%lld beyond it", (long long)(test_ttl(store, "key") - ttl));
    }
}

/* ---- Who else sets expiries ---- */

Test(sliding, another_ttl_is_what_reads_renew_by_from_then_on)
{
    assert_ok(test_set(store, "key", "value", 1000));
    test_clock_advance(500);
    assert_ok(memstore_update_ttl(store, "key", 3, 3200));
    test_clock_advance(3000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 3200);

    /* The same moment by another TTL. */
    test_clock_advance(1200);
    assert_ok(memstore_update_ttl(store, "key", 3, 2000));
    cr_assert_eq(test_ttl(store, "key"), 2000);
    test_clock_advance(1900);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 2000);

    assert_ok(memstore_update_ttl(store, "key", 3, MEMSTORE_TTL_NONE));
    test_clock_advance(100000);
    assert_holds(store, "key", "value");
    assert_ok(memstore_update_ttl(store, "key", 3, 1000));
    test_clock_advance(500);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1000);
}

Test(sliding, a_batch_gives_ttls_that_reads_renew_by)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "old", "value", 1000));
    assert_ok(memstore_batch_set(batch, "new", 3, "value", 5, 1600));
    assert_ok(memstore_batch_update_ttl(batch, "old", 3, 3200));
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    test_clock_advance(1500);
    assert_holds(store, "new", "value");
    assert_holds(store, "old", "value");
    cr_assert(test_ttl(store, "new") == 1600 && test_ttl(store, "old") == 3200);
}

Test(sliding, what_was_written_asynchronously_has_the_ttl_it_was_given)
{
    assert_ok(memstore_set_async(store, "key", 3, "value", 5, 1600));
    test_clock_advance(50);
    assert_ok(memstore_flush(store));
    test_clock_advance(1000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1600);
}

/* ---- What happens to the entry meanwhile ---- */

Test(sliding, a_sweep_leaves_what_was_renewed_and_comes_back_for_it)
{
    char key[16];

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_ok(test_set(store, key, "value", 10000));
    }
    test_clock_advance(9000);
    for (unsigned i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "%u", i);
        assert_holds(store, key, "value");
    }
    test_clock_advance(2000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(memstore_size(store), 500);
    cr_assert_eq(test_stats(store).expirations, 500);
    test_clock_advance(10000);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(memstore_size(store), 0);
    cr_assert_eq(test_stats(store).expirations, 1000);
}

Test(sliding, what_is_moved_keeps_its_ttl_and_its_expiry)
{
    char key[16];

    assert_ok(test_set(store, "key", "value", 16000));
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_ok(test_set(store, key, "value", 16000));
    }
    test_clock_advance(8000);
    assert_holds(store, "key", "value");
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_ok(test_delete(store, key));
    }
    assert_ok(memstore_compact(store, 0));
    cr_assert_eq(test_ttl(store, "key"), 16000);
    test_clock_advance(15000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 16000);
}

Test(sliding, a_snapshot_keeps_what_is_left_and_the_ttl)
{
    assert_ok(test_set(store, "key", "value", 10000));
    assert_ok(memstore_set_until(store, "until", 5, "value", 5, test_clock_unix() + 10000));
    test_clock_advance(4000);
    assert_ok(memstore_save(store, test_path("sliding"), NULL, NULL));
    replace_store(test_open(MANUAL, ACCESS, "ttl.store_creation_time=true", NULL));
    assert_ok(memstore_load(store, test_path("sliding"), NULL, NULL));
    cr_assert(test_ttl(store, "key") == 6000 && test_ttl(store, "until") == 6000);
    test_clock_advance(5000);
    assert_holds(store, "key", "value");
    assert_holds(store, "until", "value");
    cr_assert(test_ttl(store, "key") == 10000 && test_ttl(store, "until") == 1000);

    /* A store that counts from the write takes what is left. */
    replace_store(test_open(MANUAL, NULL));
    assert_ok(memstore_load(store, test_path("sliding"), NULL, NULL));
    cr_assert_eq(test_ttl(store, "key"), 1000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1000);
}

Test(sliding, what_never_expired_is_renewed_where_nothing_may_live_for_ever)
{
    assert_ok(test_set(store, "never", "value", 0));
    assert_ok(test_set(store, "long", "value", 3600000));
    assert_ok(memstore_save(store, test_path("sliding"), NULL, NULL));
    replace_store(test_open(MANUAL, ACCESS, "ttl.max_ttl=10s", NULL));
    assert_ok(memstore_load(store, test_path("sliding"), NULL, NULL));
    for (int i = 0; i < 6; i++) {
        test_clock_advance(5000);
        assert_holds(store, "never", "value");
        assert_holds(store, "long", "value");
        cr_assert(test_ttl(store, "never") == 10000 && test_ttl(store, "long") == 10000);
    }
    test_clock_advance(10000);
    assert_holds(store, "never", NULL);
}

/* A file may say anything. */
Test(sliding, a_ttl_beyond_all_clocks_is_not_renewed_by)
{
    const struct ms_snapshot_options options = {.saved_at = test_clock_unix(), .keeps_ttl = true};
    const struct ms_snapshot_entry entry = {.key = "key",
                                            .value = "value",
                                            .key_size = 3,
                                            .value_size = 5,
                                            .expires_at = test_clock_unix() + 10000,
                                            .ttl = INT64_MAX};
    struct ms_snapshot_writer writer;

    assert_ok(ms_snapshot_begin(&writer, test_path("sliding"), &options));
    assert_ok(ms_snapshot_add(&writer, &entry));
    assert_ok(ms_snapshot_commit(&writer));
    assert_ok(memstore_load(store, test_path("sliding"), NULL, NULL));
    test_clock_advance(5000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 5000);
}

Test(sliding, what_comes_from_a_store_without_ttls_is_renewed_by_what_was_left)
{
    memstore *other = test_open(MANUAL, NULL);

    assert_ok(test_set(other, "key", "value", 10000));
    test_clock_advance(4000);
    assert_ok(memstore_save(other, test_path("plain"), NULL, NULL));
    memstore_destroy(other);
    assert_ok(memstore_load(store, test_path("plain"), NULL, NULL));
    test_clock_advance(5000);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 6000);
}

static int load_value(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key, (void)key_size;
    ++*(int *)context;
    out->value = "loaded";
    out->value_size = 6;
    out->ttl_ms = 10000;
    return MEMSTORE_LOAD_OK;
}

Test(sliding, a_value_is_refreshed_by_its_age_however_often_it_is_read)
{
    int loads = 0;
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load = load_value, .context = &loads};
    memstore_view view;

    replace_store(test_open(MANUAL, ACCESS, "loader.refresh_after=30s", NULL));
    for (int i = 0; i < 6; i++) {
        assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
        memstore_view_release(&view);
        cr_assert_eq(loads, 1);
        test_clock_advance(5000);
    }
    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    memstore_view_release(&view);
    cr_assert_eq(loads, 2);
}

Test(sliding, ttl_mode_costs_four_bytes_an_entry)
{
    char key[16];

    memstore *plain = test_open(MANUAL, "shards=4", NULL);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%04u", i);
        assert_ok(test_set(store, key, "value 890123", 0));
        assert_ok(test_set(plain, key, "value 890123", 0));
    }
    cr_assert_eq(test_memory(store).live - test_memory(plain).live, 4000);
    memstore_destroy(plain);
}
