/* SPDX-License-Identifier: Apache-2.0 */
/* Time to live: to the millisecond, on a clock that nobody steps, with nothing left behind. */
#include "platform/testing.h"
#include "store/maintenance.h"
#include "store/store.h"
#include "store/upkeep.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "stories/one_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define DAY INT64_C(86400000)

static void set_up(void)
{
    test_clock_start();
    store = test_open("maintenance=manual", "shards=4", NULL);
}

TestSuite(time, .init = set_up, .fini = destroy_store);

static int64_t test_unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

Test(time, an_entry_is_served_until_the_millisecond_of_its_expiry)
{
    assert_ok(test_set(store, "key", "value", 1000));
    test_clock_advance(999);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 1);
    test_clock_advance(1);
    assert_holds(store, "key", NULL);
    cr_assert_eq(memstore_size(store), 0);
}

Test(time, every_read_agrees_that_an_entry_has_run_out)
{
    const memstore_key key = {"key", 3};
    memstore_view view;
    unsigned char there;
    uint64_t count;
    size_t found;

    assert_ok(test_set(store, "key", "value", 10));
    test_clock_advance(10);
    assert_status(memstore_get(store, "key", 3, NULL, 0, NULL), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_get_view(store, "key", 3, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(test_has(store, "key"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get_many(store, &key, 1, &view, &found));
    cr_assert(found == 0 && view.data == NULL);
    assert_ok(memstore_has_many(store, &key, 1, &there, &found));
    cr_assert(found == 0 && there == 0);
    assert_ok(memstore_count_by_pattern(store, "*", 1, &count));
    cr_assert_eq(count, 0);
    assert_status(test_delete(store, "key"), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_replace(store, "key", 3, "v", 1, 0), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_add(store, "key", 3, "v", 1, 0));
}

Test(time, no_record_of_a_ttl_outlives_its_entry)
{
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 1000; i++)
            assert_ok(memstore_set(store, &i, sizeof i, "value", 5, 1 + i));
        test_clock_advance(1001);
        assert_ok(memstore_maintain(store, 0));
        const memstore_memory_stats memory = test_memory(store);
        cr_assert_eq(memory.live, 0);
        cr_assert_eq(memory.dead, 0, "dead %llu", (unsigned long long)memory.dead);
        cr_assert(memory.charged < 4 << 20);
    }
    cr_assert_eq(test_stats(store).expirations, 50000);
}

Test(time, a_deleted_entry_leaves_no_ttl_to_the_next_one)
{
    int64_t ttl;

    assert_ok(test_set(store, "key", "first", 1000));
    assert_ok(test_delete(store, "key"));
    assert_ok(test_set(store, "key", "second", 0));
    assert_status(memstore_get_ttl(store, "key", 3, &ttl), MEMSTORE_ERR_TTL_NOT_SET);
    test_clock_advance(2000);
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "key", "second");
}

Test(time, an_overwrite_replaces_the_ttl_too)
{
    assert_ok(test_set(store, "key", "first", 1000));
    assert_ok(test_set(store, "key", "second", 5000));
    cr_assert_eq(test_ttl(store, "key"), 5000);
    test_clock_advance(1500);
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "key", "second");
    assert_ok(test_set(store, "key", "third", 100));
    test_clock_advance(100);
    assert_holds(store, "key", NULL);
}

Test(time, steps_of_the_wall_clock_change_no_expiry)
{
    int64_t until = 0;

    assert_ok(test_set(store, "key", "value", 10000));
    test_clock_step_unix(365 * DAY);
    assert_holds(store, "key", "value");
    cr_assert_eq(test_ttl(store, "key"), 10000);
    assert_ok(memstore_get_expiration(store, "key", 3, &until));
    cr_assert_eq(until, test_clock_unix() + 10000);
    test_clock_step_unix(-2 * 365 * DAY);
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "key", "value");
    test_clock_advance(10000);
    assert_holds(store, "key", NULL);
}

Test(time, set_until_takes_the_wall_clock_as_it_stands)
{
    int64_t until;

    test_clock_step_unix(DAY);
    assert_ok(memstore_set_until(store, "key", 3, "value", 5, test_clock_unix() + 500));
    cr_assert_eq(test_ttl(store, "key"), 500);
    test_clock_step_unix(-10 * DAY);
    cr_assert_eq(test_ttl(store, "key"), 500);
    assert_ok(memstore_get_expiration(store, "key", 3, &until));
    cr_assert_eq(until, test_clock_unix() + 500);
}

Test(time, set_until_a_moment_that_has_passed_is_refused_and_keeps_the_old_entry)
{
    assert_ok(test_set(store, "key", "old", 0));
    assert_status(memstore_set_until(store, "key", 3, "new", 3, test_clock_unix()),
                  MEMSTORE_ERR_TTL_EXPIRED);
    assert_status(memstore_set_until(store, "key", 3, "new", 3, test_clock_unix() - 1),
                  MEMSTORE_ERR_TTL_EXPIRED);
    assert_status(memstore_set_until(store, "key", 3, "new", 3, INT64_MIN),
                  MEMSTORE_ERR_TTL_EXPIRED);
    assert_status(memstore_set_until(store, "key", 3, "new", 3, 0), MEMSTORE_ERR_TTL_EXPIRED);
    assert_holds(store, "key", "old");
    cr_assert_eq(test_stats(store).rejected_invalid_ttl, 4);
}

Test(time, absurd_ttls_are_refused_and_keep_the_old_entry)
{
    static const int64_t absurd[] = {-2, -1000, INT64_MIN, INT64_MIN + 1, INT64_MAX};

    assert_ok(test_set(store, "key", "old", 0));
    for (unsigned i = 0; i < TEST_COUNT_OF(absurd); i++) {
        assert_status(test_set(store, "key", "new", absurd[i]), MEMSTORE_ERR_INVALID_TTL);
        assert_status(test_set(store, "other", "new", absurd[i]), MEMSTORE_ERR_INVALID_TTL);
        assert_status(memstore_add(store, "other", 5, "new", 3, absurd[i]),
                      MEMSTORE_ERR_INVALID_TTL);
        assert_status(memstore_increment(store, "other", 5, 1, 0, absurd[i], NULL),
                      MEMSTORE_ERR_INVALID_TTL);
        assert_status(memstore_update_ttl(store, "key", 3, absurd[i]), MEMSTORE_ERR_INVALID_TTL);
        assert_status(memstore_update_ttl(store, "absent", 6, absurd[i]), MEMSTORE_ERR_INVALID_TTL);
    }
    assert_holds(store, "key", "old");
    assert_holds(store, "other", NULL);
}

Test(time, very_long_ttls_are_kept_exactly)
{
    static const int64_t ttls[] = {49 * DAY,
                                   50 * DAY,
                                   365 * DAY,
                                   36500 * DAY,
                                   INT64_C(0xfffffffc),
                                   INT64_C(0xfffffffd),
                                   INT64_C(0xfffffffe),
                                   INT64_C(0xffffffff),
                                   INT64_C(0x100000000)};

    for (unsigned i = 0; i < TEST_COUNT_OF(ttls); i++) {
        assert_ok(test_set(store, "key", "value", ttls[i]));
        cr_assert_eq(test_ttl(store, "key"), ttls[i]);
        assert_ok(memstore_update_ttl(store, "key", 3, ttls[i] + 1));
        cr_assert_eq(test_ttl(store, "key"), ttls[i] + 1);
        test_clock_advance(ttls[i]);
        assert_ok(memstore_maintain(store, 0));
        assert_holds(store, "key", "value");
        test_clock_advance(1);
        assert_holds(store, "key", NULL);
    }
}

Test(time, update_ttl_never_revives_the_dead)
{
    assert_ok(test_set(store, "key", "value", 100));
    test_clock_advance(100);
    assert_status(memstore_update_ttl(store, "key", 3, 1000), MEMSTORE_ERR_TTL_EXPIRED);
    assert_holds(store, "key", NULL);
    assert_status(memstore_update_ttl(store, "key", 3, MEMSTORE_TTL_NONE),
                  MEMSTORE_ERR_TTL_EXPIRED);
    assert_ok(memstore_maintain(store, 0));
    assert_status(memstore_update_ttl(store, "key", 3, 1000), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_holds(store, "key", NULL);
    cr_assert_eq(memstore_size(store), 0);
}

Test(time, update_ttl_changes_the_expiry_and_nothing_else)
{
    memstore_view before, after;

    assert_ok(test_set(store, "key", "value", 100));
    assert_ok(memstore_get_view(store, "key", 3, &before));
    assert_ok(memstore_update_ttl(store, "key", 3, 60 * DAY));
    cr_assert_eq(test_ttl(store, "key"), 60 * DAY);
    assert_ok(memstore_update_ttl(store, "key", 3, MEMSTORE_TTL_NONE));
    test_clock_advance(100 * DAY);
    assert_ok(memstore_maintain(store, 0));
    assert_ok(memstore_get_view(store, "key", 3, &after));
    cr_assert_eq(after.version, before.version);
    cr_assert_eq(after.expires_at_ms, 0);
    cr_assert_eq(test_stats(store).sets, 1);
    memstore_view_release(&before);
    memstore_view_release(&after);
    assert_ok(memstore_update_ttl(store, "key", 3, 5));
    test_clock_advance(5);
    assert_holds(store, "key", NULL);
}

Test(time, a_ttl_that_was_shortened_is_swept_in_time)
{
    for (unsigned i = 0; i < 500; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "value", 5, DAY));
    for (unsigned i = 0; i < 500; i++)
        assert_ok(memstore_update_ttl(store, &i, sizeof i, 50));
    test_clock_advance(50);
    cr_assert_eq(memstore_size(store), 0);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(test_memory(store).live, 0);
    cr_assert_eq(test_stats(store).expirations, 500);
}

Test(time, an_entry_without_ttl_says_so)
{
    int64_t time;

    assert_ok(test_set(store, "key", "value", MEMSTORE_TTL_NONE));
    assert_status(memstore_get_ttl(store, "key", 3, &time), MEMSTORE_ERR_TTL_NOT_SET);
    assert_status(memstore_get_expiration(store, "key", 3, &time), MEMSTORE_ERR_TTL_NOT_SET);
    assert_status(memstore_get_ttl(store, "absent", 6, &time), MEMSTORE_ERR_KEY_NOT_FOUND);
}

Test(time, an_expired_entry_tells_so_until_it_is_reclaimed)
{
    int64_t time;

    assert_ok(test_set(store, "key", "value", 5));
    test_clock_advance(5);
    assert_status(memstore_get_ttl(store, "key", 3, &time), MEMSTORE_ERR_TTL_EXPIRED);
    assert_status(memstore_get_expiration(store, "key", 3, &time), MEMSTORE_ERR_TTL_EXPIRED);
    assert_ok(memstore_maintain(store, 0));
    assert_status(memstore_get_ttl(store, "key", 3, &time), MEMSTORE_ERR_KEY_NOT_FOUND);
}

Test(time, increment_keeps_the_expiry_of_an_entry_that_exists)
{
    int64_t sum = 0;

    assert_ok(memstore_increment(store, "n", 1, 5, 10, 1000, &sum));
    cr_assert_eq(sum, 15);
    test_clock_advance(400);
    assert_ok(memstore_increment(store, "n", 1, -20, 99, 50000, &sum));
    cr_assert_eq(sum, -5);
    cr_assert_eq(test_ttl(store, "n"), 600);
    test_clock_advance(600);
    assert_ok(memstore_increment(store, "n", 1, 1, 0, 0, &sum));
    cr_assert_eq(sum, 1);
}

/* In the thread that increments, at a point where no lock is held. */
static void retime_meanwhile(enum ms_testing_point point, void *ttl)
{
    if (point != MS_POINT_ENTRY_WRITTEN)
        return;
    ms_testing_set_hook(NULL, NULL);
    assert_ok(memstore_update_ttl(store, "n", 1, *(int64_t *)ttl));
}

static void increment_while_retimed(int64_t before, int64_t after)
{
    int64_t sum = 0, ttl = 0;

    assert_ok(test_set(store, "n", "1", before));
    ms_testing_set_hook(retime_meanwhile, &after);
    assert_ok(memstore_increment(store, "n", 1, 1, 0, 0, &sum));
    ms_testing_set_hook(NULL, NULL);
    cr_assert_eq(sum, 2);
    if (after == MEMSTORE_TTL_NONE)
        assert_status(memstore_get_ttl(store, "n", 1, &ttl), MEMSTORE_ERR_TTL_NOT_SET);
    else
        cr_assert_eq(test_ttl(store, "n"), after, "from %lld to %lld", (long long)before,
                     (long long)after);
}

Test(time, increment_keeps_a_ttl_that_is_given_meanwhile)
{
    const int64_t ttls[] = {MEMSTORE_TTL_NONE, 1000, 60000};

    for (int slides = 0; slides < 2; slides++) {
        for (size_t i = 0; i < TEST_COUNT_OF(ttls); i++) {
            for (size_t k = 0; k < TEST_COUNT_OF(ttls); k++)
                increment_while_retimed(ttls[i], ttls[k]);
        }
        memstore_destroy(store);
        store = test_open("maintenance=manual", "ttl.mode=access", NULL);
    }
}

/* By the real clocks, of which neither begins its milliseconds with the other: at a time by the wall
 * clock at which it is said to be gone an entry is. */
static void assert_gone_in_time(memstore *unaided, int64_t until)
{
    for (;;) {
        const int64_t now = test_unix_ms();
        const int status = memstore_has(unaided, "key", 3);

        if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
            return;
        assert_ok(status);
        cr_assert(now < until, "served at %lld, and was to expire at %lld", (long long)now,
                  (long long)until);
    }
}

Test(time_unaided, no_entry_is_served_at_the_unix_time_of_its_expiry)
{
    memstore *unaided = test_open("shards=4", NULL);
    memstore_view view;
    int64_t until;

    for (unsigned i = 0; i < 100; i++) {
        assert_ok(memstore_set(unaided, "key", 3, "v", 1, 2));
        const int status = memstore_get_expiration(unaided, "key", 3, &until);
        if (status == MEMSTORE_OK)
            assert_gone_in_time(unaided, until);

        assert_ok(memstore_set(unaided, "key", 3, "v", 1, 2));
        if (memstore_get_view(unaided, "key", 3, &view) == MEMSTORE_OK) {
            until = view.expires_at_ms;
            memstore_view_release(&view);
            assert_gone_in_time(unaided, until);
        }

        until = test_unix_ms() + 2;
        if (memstore_set_until(unaided, "key", 3, "v", 1, until) == MEMSTORE_OK)
            assert_gone_in_time(unaided, until);
    }
    memstore_destroy(unaided);
}

/* A store with entries of that TTL, and their bytes; NULL if filling it took half as long. */
static memstore *fill_in_time(unsigned count, int64_t ttl_ms, uint64_t *live)
{
    memstore *filled = test_open("performance.memory_limit=256MiB", NULL);
    const double start = test_now();

    for (unsigned i = 0; i < count; i++)
        assert_ok(memstore_set(filled, &i, sizeof i, "some value or other", 19, ttl_ms));
    *live = test_memory(filled).live;
    if (test_now() < start + (double)ttl_ms / 2000)
        return filled;
    memstore_destroy(filled);
    return NULL;
}

/* The real clock and the library's own thread. */
Test(time_unaided, entries_go_and_their_memory_comes_back_with_no_access)
{
    memstore *unaided;
    int64_t ttl_ms = 1000;
    uint64_t live;

    while ((unaided = fill_in_time(100000, ttl_ms, &live)) == NULL)
        ttl_ms *= 2;
    cr_assert(live > 100000 * 23);
    test_sleep_ms((unsigned)ttl_ms + 1);
    cr_assert_eq(memstore_size(unaided), 0);
    TEST_AWAIT(test_memory(unaided).live == 0);
    cr_assert_eq(test_stats(unaided).expirations, 100000);
    cr_assert_eq(test_stats(unaided).misses, 0);
    memstore_destroy(unaided);
}

/* A step of the sweep that stops before it is through is followed by the next. */
Test(time_unaided, entries_go_in_time_however_few_a_step_removes)
{
    memstore *unaided = test_open("ttl.batch_cleanup_size=10", NULL);

    for (unsigned i = 0; i < 2000; i++)
        assert_ok(memstore_set(unaided, &i, sizeof i, "some value or other", 19, 100));
    TEST_AWAIT(test_memory(unaided).live == 0);
    cr_assert_eq(test_stats(unaided).expirations, 2000);
    memstore_destroy(unaided);
}

/* Which of the two clocks has begun its millisecond first changes all the time. */
Test(time_unaided, an_entry_was_created_at_one_moment)
{
    memstore *unaided = test_open("ttl.store_creation_time=true", NULL);
    const double start = test_now();
    unsigned calls = 0, differing = 0;
    int64_t created, first;

    const int64_t before = test_unix_ms();
    assert_ok(test_set(unaided, "key", "value", 0));
    const int64_t after = test_unix_ms();
    assert_ok(memstore_get_created(unaided, "key", 3, &first));
    while (test_now() < start + 0.05) {
        for (unsigned i = 0; i < 1000; i++) {
            assert_ok(memstore_get_created(unaided, "key", 3, &created));
            differing += created != first;
        }
        calls += 1000;
    }
    /* Whoever is held up between the clocks is off by that. */
    cr_assert(differing <= calls / 1000 || differing >= calls - calls / 1000, "%u of %u", differing,
              calls);
    cr_assert(created >= before - 1 && created <= after);
    memstore_destroy(unaided);
}

/* It is as of the last tick, which comes late where a hypervisor holds the processor back. */
Test(time, what_has_run_out_is_not_served_while_the_coarse_clock_lags)
{
    const memstore_key key = {"a key of twenty bytes", 20};
    memstore_view view;
    size_t found;

    assert_ok(memstore_set(store, key.data, key.size, "value", 5, 1000));
    ms_testing_set_clock_lag(60);
    test_clock_advance(999);
    assert_ok(memstore_has(store, key.data, key.size));
    test_clock_advance(1);
    assert_status(memstore_has(store, key.data, key.size), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_get(store, key.data, key.size, NULL, 0, NULL),
                  MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_get_view(store, key.data, key.size, &view), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get_many(store, &key, 1, &view, &found));
    cr_assert_eq(found, 0);
    ms_testing_set_clock_lag(0);
}

/* ---- Sweeps ---- */

#define MINUTE INT64_C(60000)
#define SESSIONS 5000
/* The clock goes on by so many milliseconds between looks at what is due. */
#define STEP 10

static void count_pass(enum ms_testing_point point, void *passes)
{
    if (point == MS_POINT_RECLAIMING)
        ++*(unsigned *)passes;
}

/* Whether each of what was told to have expired went in time. Returns how many. */
static unsigned check_expired(memstore_subscription *expired, int64_t (*ttl_of_number)(unsigned))
{
    memstore_event event = {.struct_size = sizeof event};
    unsigned count = 0, number;

    while (memstore_subscription_next(expired, 0, &event) == MEMSTORE_OK) {
        const int64_t late = event.at_ms - event.value.expires_at_ms;

        memcpy(&number, event.key.data, sizeof number);
        cr_assert_leq(late, 50 + ttl_of_number(number) / 100 + STEP, "late by %lld ms",
                      (long long)late);
        memstore_view_release(&event.value);
        count++;
    }
    return count;
}

static int64_t ttl_of_session(unsigned number)
{
    return 10 * MINUTE + number * MINUTE / SESSIONS;
}

/* Sessions that run out one after the other for a minute: in each segment there is nearly always one
 * that is about to. */
Test(time, what_runs_out_one_after_the_other_is_swept_by_the_percent_of_its_ttl)
{
    memstore *sessions = test_open("maintenance=manual", "performance.memory_limit=64MiB", NULL);
    memstore_subscription *expired;
    unsigned passes = 0, count = 0;

    assert_ok(memstore_subscribe(sessions, MEMSTORE_EVENT_EXPIRED, 0, &expired));
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_ok(memstore_set(sessions, &i, sizeof i, "a session's value", 17, ttl_of_session(i)));
    test_clock_advance(10 * MINUTE - 1000);
    ms_testing_set_hook(count_pass, &passes);
    for (int64_t ms = 0; ms < MINUTE + 8000; ms += STEP) {
        test_clock_advance(STEP);
        ms_upkeep_run(sessions, 0, false);
        count += check_expired(expired, ttl_of_session);
    }
    ms_testing_set_hook(NULL, NULL);
    cr_assert_eq(count, SESSIONS);
    /* A percent of ten minutes apart, in the three segments that they lie in at the most. */
    cr_assert_leq(passes, 3 * (60 / 6 + 2), "%u passes", passes);
    memstore_subscription_close(expired);
    memstore_destroy(sessions);
}

/* The first five last an hour, the others are given seconds then. */
static int64_t ttl_of_ten(unsigned number)
{
    return number < 5 ? 60 * MINUTE : 1000 * (number - 4);
}

Test(time, one_that_is_given_less_time_goes_by_the_percent_of_that)
{
    memstore_subscription *expired;
    unsigned count = 0;

    assert_ok(memstore_subscribe(store, MEMSTORE_EVENT_EXPIRED, 0, &expired));
    for (unsigned i = 0; i < 10; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "value", 5, 60 * MINUTE + 60 * i));
    test_clock_advance(60 * MINUTE - 1000);
    for (unsigned i = 5; i < 10; i++)
        assert_ok(memstore_update_ttl(store, &i, sizeof i, ttl_of_ten(i)));
    for (unsigned ms = 0; ms < 40000; ms += STEP) {
        test_clock_advance(STEP);
        ms_upkeep_run(store, 0, false);
        count += check_expired(expired, ttl_of_ten);
    }
    cr_assert_eq(count, 10);
    memstore_subscription_close(expired);
}

/* Whoever sweeps a segment takes long. */
static void take_long(enum ms_testing_point point, void *context)
{
    (void)context;
    if (point == MS_POINT_RECLAIMING)
        test_sleep_ms(20);
}

static void *ask_for_size(void *full)
{
    (void)memstore_size(full);
    return NULL;
}

Test(time, writers_come_to_room_while_all_that_has_expired_is_swept)
{
    static const unsigned char value[1000];
    memstore *full = test_open("maintenance=manual", "performance.memory_limit=16MiB",
                               "performance.lock_timeout=2s", NULL);
    pthread_t asker;
    unsigned i = 0;

    for (; i < 20000; i++)
        assert_ok(memstore_set(full, &i, sizeof i, value, sizeof value, 1000));
    cr_assert_gt(test_stats(full).evictions, 0);
    test_clock_advance(1010);
    ms_testing_set_hook(take_long, NULL);
    cr_assert_eq(pthread_create(&asker, NULL, ask_for_size, full), 0);
    for (unsigned end = i + 2000; i < end; i++)
        assert_ok(memstore_set(full, &i, sizeof i, value, sizeof value, 0));
    pthread_join(asker, NULL);
    ms_testing_set_hook(NULL, NULL);
    memstore_destroy(full);
}

/* A grace period of another store that begins while the maintenance thread sweeps a segment. */
struct bystander {
    memstore *store;
    atomic_uint passes;
    uint64_t number;
    bool has_passed;
};

static void begin_and_look(enum ms_testing_point point, void *context)
{
    struct bystander *const bystander = context;

    if (point != MS_POINT_RECLAIMING || !ms_maintenance_is_me())
        return;
    const unsigned before = atomic_load(&bystander->passes);
    if (before == 0)
        bystander->number = ms_maintenance_begin_grace_period(bystander->store);
    else if (before == 1)
        bystander->has_passed = ms_maintenance_await_grace_period(bystander->number, 0);
    atomic_store(&bystander->passes, before + 1);
}

Test(time, between_two_sweeps_grace_periods_of_other_stores_pass)
{
    memstore *busy = test_open("performance.memory_limit=16MiB", NULL);
    struct bystander bystander = {.store = test_open_defaults()};

    /* Of each segment something stays, so that none is retired. */
    for (unsigned i = 0; i < 40000; i++)
        assert_ok(memstore_set(busy, &i, sizeof i, "value", 5, (i % 2 == 0 ? 10 : 15) * MINUTE));
    /* Nor is anything left to ripen. */
    assert_ok(memstore_maintain(busy, 0));
    ms_testing_set_hook(begin_and_look, &bystander);
    test_clock_advance(11 * MINUTE);
    ms_maintenance_wake(busy);
    while (atomic_load(&bystander.passes) < 2)
        test_sleep_ms(1);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_neq(bystander.number, 0);
    cr_assert(bystander.has_passed);
    memstore_destroy(bystander.store);
    memstore_destroy(busy);
}
