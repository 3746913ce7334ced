/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are overtaken at the worst moment, between finding an entry and asking the clock
 * whether it has run out: by a write of the same key and then by its old expiry. The key was there
 * all the time, so they find it. And what a batch let run out together is missed together, however
 * long a read of several keys takes. */
#include "platform/testing.h"
#include "store/scan.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/support.h"

#include <pthread.h>
#include <stdatomic.h>

static memstore *store;
/* What happens, in another thread, when a call has found its n-th entry or is at another point. */
static void (*disturbance)(void);
static unsigned found_until_then;
static enum ms_testing_point disturbed_point;
static atomic_uint retiring; /* segments that nothing referred to any more */

static void *disturb(void *unused)
{
    (void)unused;
    disturbance();
    return NULL;
}

static void at_point(enum ms_testing_point point, void *context)
{
    pthread_t thread;

    (void)context;
    if (point == MS_POINT_RETIRING)
        atomic_fetch_add(&retiring, 1);
    if (point != disturbed_point || found_until_then == 0 || --found_until_then != 0)
        return;
    CHECK(pthread_create(&thread, NULL, disturb, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void disturb_point(enum ms_testing_point point, void (*what)(void))
{
    disturbed_point = point;
    disturbance = what;
    found_until_then = 1;
}

static void disturb_at(unsigned nth, void (*what)(void))
{
    disturb_point(MS_POINT_READ_FOUND, what);
    found_until_then = nth;
}

/* The disturbance has happened. */
static void check_disturbed(void)
{
    CHECK(found_until_then == 0);
}

static void overwrite_and_expire(void)
{
    CHECK_OK(test_set(store, "key", "new", MEMSTORE_TTL_NONE));
    test_clock_advance(1000);
}

static void expire(void)
{
    test_clock_advance(1000);
}

static void start(const char *setting)
{
    test_clock_start();
    store = test_open("shards=1", "maintenance=manual", setting, NULL);
    CHECK_OK(test_set(store, "key", "old", 500));
    ms_testing_set_hook(at_point, NULL);
}

static void end(void)
{
    check_disturbed();
    ms_testing_set_hook(NULL, NULL);
    memstore_destroy(store);
    ms_testing_use_real_clock();
}

static void get_finds_what_overtook_it(void)
{
    char value[8];
    size_t size;

    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_get(store, "key", 3, value, sizeof value, &size));
    CHECK(size == 3 && memcmp(value, "new", 3) == 0);
    end();
}

static void get_view_finds_what_overtook_it(void)
{
    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK(test_holds(store, "key", "new"));
    end();
}

static void has_finds_what_overtook_it(void)
{
    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(test_has(store, "key"));
    end();
}

static void get_many_finds_what_overtook_it(void)
{
    const memstore_key key = test_key("key");
    memstore_view view;
    size_t found;

    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_get_many(store, &key, 1, &view, &found));
    CHECK(found == 1 && memcmp(view.data, "new", 3) == 0);
    memstore_view_release(&view);
    end();
}

static void has_many_finds_what_overtook_it(void)
{
    const memstore_key key = test_key("key");
    unsigned char there;
    size_t found;

    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_has_many(store, &key, 1, &there, &found));
    CHECK(found == 1 && there == 1);
    end();
}

static void get_ttl_finds_what_overtook_it(void)
{
    int64_t ttl_ms;

    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK_STATUS(memstore_get_ttl(store, "key", 3, &ttl_ms), MEMSTORE_ERR_TTL_NOT_SET);
    end();
}

static void get_created_finds_what_overtook_it(void)
{
    int64_t unix_ms;

    start("ttl.store_creation_time=true");
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_get_created(store, "key", 3, &unix_ms));
    end();
}

static void a_cursor_gives_what_overtook_it(void)
{
    memstore_cursor *cursor;
    memstore_key key;

    start(NULL);
    CHECK_OK(memstore_cursor_new(store, "k*", 2, &cursor));
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_cursor_next(cursor, &key));
    CHECK(key.size == 3 && memcmp(key.data, "key", 3) == 0);
    CHECK_STATUS(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    end();
}

static void a_count_has_what_overtook_it(void)
{
    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK(ms_scan_count(store) == 1);
    end();
}

static void replace_finds_what_overtook_it(void)
{
    start(NULL);
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_replace(store, "key", 3, "newest", 6, MEMSTORE_TTL_NONE));
    CHECK(test_holds(store, "key", "newest"));
    end();
}

static void batch_retimes_what_overtook_it(void)
{
    memstore_batch *batch;

    start(NULL);
    batch = memstore_batch_new(store);
    CHECK_OK(memstore_batch_update_ttl(batch, "key", 3, 9000));
    disturb_at(1, overwrite_and_expire);
    CHECK_OK(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    CHECK(test_holds(store, "key", "new"));
    end();
}

static void a_cursor_passes_over_what_expired_under_it(void)
{
    memstore_cursor *cursor;
    memstore_key key;

    start(NULL);
    CHECK_OK(memstore_cursor_new(store, "", 0, &cursor));
    disturb_at(1, expire);
    CHECK_STATUS(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    end();
}

static void get_misses_what_expired_under_it(void)
{
    char value[8];
    size_t size;

    start(NULL);
    disturb_at(1, expire);
    CHECK_STATUS(memstore_get(store, "key", 3, value, sizeof value, &size),
                 MEMSTORE_ERR_KEY_NOT_FOUND);
    end();
}

/* The clock passes the expiry of both after the first was looked at, and before. */
static void read_two_of_a_batch(unsigned nth)
{
    const memstore_entry entries[] = {test_entry("a", "1", 500), test_entry("b", "2", 500)};
    const memstore_key keys[] = {test_key("a"), test_key("b")};
    memstore_view views[2];
    unsigned char there[2];
    size_t found;

    start(NULL);
    CHECK_OK(memstore_set_many(store, entries, 2));
    disturb_at(nth, expire);
    CHECK_OK(memstore_get_many(store, keys, 2, views, &found));
    CHECK(found == 0 || found == 2);
    memstore_view_release_many(views, 2);
    CHECK_OK(memstore_set_many(store, entries, 2));
    check_disturbed();
    disturb_at(nth, expire);
    CHECK_OK(memstore_has_many(store, keys, 2, there, &found));
    CHECK(found == 0 || found == 2);
    end();
}

static void batch_runs_out_at_once_for_get_many(void)
{
    read_two_of_a_batch(1);
    read_two_of_a_batch(2);
}

/* ---- Reads that renew an expiry, and moves ---- */

static pthread_t compactor;

static void *compact(void *unused)
{
    const int status = memstore_compact(store, 0);

    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_MEMORY_FRAGMENTATION);
    return unused;
}

/* A compaction waits for the read that it overtakes; what it waits with has been moved by then. */
static void move(void)
{
    atomic_store(&retiring, 0);
    CHECK(pthread_create(&compactor, NULL, compact, NULL) == 0);
    TEST_AWAIT(atomic_load(&retiring) != 0);
}

static void start_to_renew(void)
{
    start("ttl.mode=access");
    CHECK_OK(test_set(store, "dead", "value", 500));
    CHECK_OK(test_delete(store, "dead"));
    /* So that nothing else waits for readers before that is moved. */
    CHECK_OK(memstore_maintain(store, 0));
    test_clock_advance(400);
}

static void check_renewed(void)
{
    int64_t ttl_ms;

    CHECK_OK(memstore_get_ttl(store, "key", 3, &ttl_ms));
    CHECK(ttl_ms == 500);
    end();
}

static void a_read_renews_what_is_moved_under_it(void)
{
    char value[8];
    size_t size;

    start_to_renew();
    /* A get finds what expires twice. */
    disturb_at(2, move);
    CHECK_OK(memstore_get(store, "key", 3, value, sizeof value, &size));
    CHECK(pthread_join(compactor, NULL) == 0);
    CHECK(test_stats(store).compactions >= 1);
    check_renewed();
}

static void a_view_renews_what_is_moved_under_it(void)
{
    memstore_view view;

    start_to_renew();
    disturb_at(1, move);
    CHECK_OK(memstore_get_view(store, "key", 3, &view));
    memstore_view_release(&view);
    CHECK(pthread_join(compactor, NULL) == 0);
    CHECK(test_stats(store).compactions >= 1);
    check_renewed();
}

static void read_key(void)
{
    char value[8];
    size_t size;

    CHECK_OK(memstore_get(store, "key", 3, value, sizeof value, &size));
}

static void a_move_keeps_what_a_read_renewed_meanwhile(void)
{
    start_to_renew();
    disturb_point(MS_POINT_ENTRY_COPIED, read_key);
    CHECK_OK(memstore_compact(store, 0));
    check_renewed();
}

/* Whether the compaction has chosen the segment, and whether the call has pinned it and holds no lock
 * any more. */
struct meeting {
    atomic_bool is_chosen, is_pinned;
};

/* The compaction has chosen the segment before the call pins it, walks it afterwards, and is done before
 * the call looks at the entry again. */
static void move_before_the_pin(enum ms_testing_point point, void *context)
{
    struct meeting *const meeting = context;

    if (point == MS_POINT_RECLAIMING && !atomic_exchange(&meeting->is_chosen, true))
        TEST_AWAIT(atomic_load(&meeting->is_pinned));
    if (point == MS_POINT_SHARD_LOCKED && !atomic_load(&meeting->is_chosen)) {
        CHECK(pthread_create(&compactor, NULL, compact, NULL) == 0);
        TEST_AWAIT(atomic_load(&meeting->is_chosen));
    }
    if (point == MS_POINT_ENTRY_WRITTEN && found_until_then != 0) {
        found_until_then = 0;
        atomic_store(&meeting->is_pinned, true);
        CHECK(pthread_join(compactor, NULL) == 0);
    }
}

static void an_update_of_the_ttl_goes_on_with_what_was_moved_meanwhile(void)
{
    struct meeting meeting = {false, false};

    start_to_renew();
    CHECK_OK(memstore_update_ttl(store, "key", 3, 600));
    test_clock_advance(100);
    /* So that the compaction finds no segment due, and walks none before the one it empties. */
    CHECK_OK(memstore_maintain(store, 0));
    found_until_then = 1;
    ms_testing_set_hook(move_before_the_pin, &meeting);
    /* The same expiry and another TTL: the entry is rewritten. */
    CHECK_OK(memstore_update_ttl(store, "key", 3, 500));
    CHECK(test_stats(store).compactions >= 1);
    CHECK(test_holds(store, "key", "old"));
    check_renewed();
}

static const struct test_case cases[] = {
    {"get finds what overtook it", get_finds_what_overtook_it},
    {"get_view finds what overtook it", get_view_finds_what_overtook_it},
    {"has finds what overtook it", has_finds_what_overtook_it},
    {"get_many finds what overtook it", get_many_finds_what_overtook_it},
    {"has_many finds what overtook it", has_many_finds_what_overtook_it},
    {"get_ttl finds what overtook it", get_ttl_finds_what_overtook_it},
    {"get_created finds what overtook it", get_created_finds_what_overtook_it},
    {"a cursor gives what overtook it", a_cursor_gives_what_overtook_it},
    {"a count has what overtook it", a_count_has_what_overtook_it},
    {"replace finds what overtook it", replace_finds_what_overtook_it},
    {"a batch retimes what overtook it", batch_retimes_what_overtook_it},
    {"a cursor passes over what expired under it", a_cursor_passes_over_what_expired_under_it},
    {"get misses what expired under it", get_misses_what_expired_under_it},
    {"a read renews what is moved under it", a_read_renews_what_is_moved_under_it},
    {"a view renews what is moved under it", a_view_renews_what_is_moved_under_it},
    {"a move keeps what a read renewed meanwhile", a_move_keeps_what_a_read_renewed_meanwhile},
    {"an update of the TTL goes on with what was moved meanwhile",
     an_update_of_the_ttl_goes_on_with_what_was_moved_meanwhile},
    {"a batch runs out at once for get_many", batch_runs_out_at_once_for_get_many},
};

int main(int argc, char **argv)
{
    return test_run_cases("expiry_races", cases, TEST_COUNT_OF(cases), argc > 1 ? argv[1] : NULL);
}
