/* SPDX-License-Identifier: Apache-2.0 */
/* How long a caller lets his calls wait is his own affair: who waits for his load is not refused with him. */
#include "store/store.h"
#include "stories/flights.h"
#include "stories/sources.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/holder.h"

#include <pthread.h>
#include <stdatomic.h>

#define LONG "performance.lock_timeout=10m"

static int64_t stop;

/* Ask, with waits that the test stops. */
static void *ask_until_stopped(void *context)
{
    memstore_bound_waits(-1, &stop);
    ask_in_thread(context);
    memstore_bound_waits(-1, NULL);
    return NULL;
}

static void end_waits_of(struct asker *asker)
{
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(asker->thread, NULL);
}

static void begin(struct asker *asker, void *(*how)(void *))
{
    cr_assert_eq(pthread_create(&asker->thread, NULL, how, asker), 0);
}

static void assert_got(struct asker *asker, const char *value)
{
    assert_ok(asker->status);
    cr_assert(asker->view.size == strlen(value) &&
              memcmp(asker->view.data, value, asker->view.size) == 0);
    memstore_view_release(&asker->view);
}

static void assert_gets(struct asker *asker, const char *value)
{
    pthread_join(asker->thread, NULL);
    assert_got(asker, value);
}

/* ---- Places ---- */

static bool has_line(struct ms_gate *gate)
{
    return ms_load_relaxed(&gate->state) >= MS_GATE_WAITER;
}

static bool waits_for_place(memstore *store)
{
    return has_line(&store->loads_gate) || has_line(&store->load_bytes_gate) ||
           has_line(&store->admission.views);
}

/* Who asks, and how to have him give up. */
struct way {
    void *(*ask)(void *context);
    void (*end)(struct asker *asker);
};

static const struct way by_bound = {ask_until_stopped, end_waits_of};

static void tell_to_give_up(struct asker *asker)
{
    atomic_store(&asker->gives_up, true);
    pthread_join(asker->thread, NULL);
}

static const struct way by_being_asked = {ask_until_told, tell_to_give_up};

/* Have one caller wait for a place and another for his load, which are those of so many `others` and two more, and
 * stop the waits of the first. */
static void stop_the_leader(memstore *store, const struct way *way, struct asker *leader,
                            struct asker *waiter, unsigned others)
{
    begin(leader, way->ask);
    TEST_AWAIT(waits_for_place(store));
    begin(waiter, ask_in_thread);
    wait_for_references(store, others + 2);
    way->end(leader);
    assert_status(leader->status, MEMSTORE_ERR_LOCK_TIMEOUT);
}

Test(load_patience, who_stops_waiting_for_a_view_stops_nobody_who_waits_for_his_load)
{
    memstore *store = test_open(LONG, "performance.max_concurrent_readers=1", NULL);
    struct source source = {.value = "loaded"};
    struct asker leader = {.store = store, .source = &source}, waiter = leader;
    memstore_view held;

    assert_ok(test_set(store, "held", "v", 0));
    assert_ok(memstore_get_view(store, "held", 4, &held));
    stop_the_leader(store, &by_bound, &leader, &waiter, 0);
    memstore_view_release(&held);
    assert_gets(&waiter, "loaded");
    cr_assert(source.calls == 1 && test_stats(store).load_failures == 0);
    memstore_destroy(store);
}

static void *load_other(void *context)
{
    struct asker *asker = context;
    const memstore_loader loader = loader_of(asker->source);

    asker->status = memstore_get_or_load(asker->store, "other", 5, &loader, &asker->view);
    return NULL;
}

static void check_that_only_the_leader_stops(const char *bound, const struct way *way)
{
    memstore *store = test_open(LONG, "loader.timeout=10m", bound, NULL);
    struct source source = {.value = "loaded"}, other = {.value = "other", .holds = true};
    struct asker leader = {.store = store, .source = &source}, waiter = leader;
    struct asker holder = {.store = store, .source = &other};

    __atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
    begin_asking(&holder, load_other, 1);
    stop_the_leader(store, way, &leader, &waiter, 1);
    atomic_store(&other.holds, false);
    assert_gets(&holder, "other");
    assert_gets(&waiter, "loaded");
    const memstore_stats stats = test_stats(store);
    cr_assert(source.calls == 1 && stats.load_failures == 0);
    cr_assert(stats.loads_without_place == 0 && stats.loads_without_bytes == 0);
    memstore_destroy(store);
}

Test(load_patience, nor_does_who_stops_waiting_for_a_place_to_load)
{
    check_that_only_the_leader_stops("loader.max_loads=1", &by_bound);
    check_that_only_the_leader_stops("loader.max_load_bytes=1KiB", &by_bound);
}

Test(load_patience, nor_does_who_is_asked_whether_to_wait_on_for_a_place)
{
    check_that_only_the_leader_stops("loader.max_loads=1", &by_being_asked);
    check_that_only_the_leader_stops("loader.max_load_bytes=1KiB", &by_being_asked);
}

/* The loader was not called, so that nothing is known of it: whoever asks next may have it called at once. */
Test(load_patience, who_stops_waiting_for_a_place_to_refresh_keeps_nobody_else_from_it)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", LONG, "loader.timeout=10m", "loader.max_loads=1",
                  "loader.refresh_after=10s", "loader.retry_max=1h", NULL);
    struct source source = {.value = "new"}, other = {.value = "other", .holds = true};
    struct asker leader = {.store = store, .source = &source};
    struct asker holder = {.store = store, .source = &other};

    assert_ok(test_set(store, "key", "old", 0));
    test_clock_advance(10000);
    begin_asking(&holder, load_other, 1);
    begin(&leader, ask_until_stopped);
    TEST_AWAIT(waits_for_place(store));
    end_waits_of(&leader);
    assert_got(&leader, "old");
    atomic_store(&other.holds, false);
    assert_gets(&holder, "other");
    assert_asks(store, &source, "new");
    cr_assert_eq(test_stats(store).refresh_failures, 0);
    memstore_destroy(store);
}

/* The clock stands still: a pause does not end, and is one but once in 600000 times. */
Test(load_patience, nor_does_who_is_asked_whether_to_wait_for_another_attempt)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.timeout=1h", "loader.retry_initial=10m",
                  "loader.retry_max=10m", "loader.breaker_failures=1", NULL);
    struct source busy = {.result = MEMSTORE_LOAD_RETRY};
    struct source source = {.value = "loaded", .holds = true};
    struct asker leader = {.store = store, .source = &busy};
    struct asker waiter = {.store = store, .source = &source};

    begin_asking(&leader, ask_until_told, 1);
    begin(&waiter, ask_in_thread);
    wait_for_references(store, 2);
    tell_to_give_up(&leader);
    assert_status(leader.status, MEMSTORE_ERR_LOCK_TIMEOUT);
    atomic_store(&source.holds, false);
    assert_gets(&waiter, "loaded");
    cr_assert(busy.calls == 1 && source.calls == 1 && test_stats(store).load_failures == 0);
    memstore_destroy(store);
}

/* ---- Memory ---- */

#define VIEWS_MAX 4000

/* Ask with a bound that is over soon after the value is to be stored. */
static void *ask_briefly(void *context)
{
    memstore_bound_waits(20, NULL);
    ask_in_thread(context);
    memstore_bound_waits(-1, NULL);
    return NULL;
}

Test(load_patience, nor_does_who_has_no_time_to_make_room_for_what_he_has_loaded)
{
    static memstore_view held[VIEWS_MAX];
    static char value[TEST_HELD_BYTES + 1];
    memstore *store =
        test_open("performance.memory_limit=4MB", "shards=1", "loader.on_store_error=fail", NULL);
    struct source source = {.value = memset(value, 'x', TEST_HELD_BYTES), .holds = true};
    struct asker leader = {.store = store, .source = &source}, waiter = leader;

    begin_asking(&leader, ask_briefly, 1);
    const size_t count = test_hold_all(store, held, VIEWS_MAX);
    assert_ok(memstore_reconfigure(store, "performance.lock_timeout", "10m"));
    begin(&waiter, ask_in_thread);
    wait_for_references(store, 2);
    let_end(&leader);
    cr_assert_neq(leader.status, MEMSTORE_OK);
    memstore_view_release_many(held, count);
    assert_gets(&waiter, value);
    cr_assert(source.calls == 2 && test_stats(store).load_failures == 0);
    memstore_destroy(store);
}
