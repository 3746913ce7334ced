/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds on views held and on writers at work: who is admitted, who waits, and who is told
 * what when the waiting ends. */
#include "store/store.h"
#include "support/await.h"
#include "support/criterion.h"
#include "support/process.h"
#include "support/stopper.h"

#include <pthread.h>

#define PATIENT "performance.lock_timeout=20s"
#define BRIEF "performance.lock_timeout=30ms"

/* A call in a thread of its own. */
struct caller {
    pthread_t thread;
    memstore *store;
    const char *key;
    int status;
    memstore_view view;
    double waited;
};

static void *get_view(void *context)
{
    struct caller *caller = context;
    const double start = test_now();

    caller->status =
        memstore_get_view(caller->store, caller->key, strlen(caller->key), &caller->view);
    caller->waited = test_now() - start;
    return NULL;
}

static void *set(void *context)
{
    struct caller *caller = context;
    const double start = test_now();

    caller->status = test_set(caller->store, caller->key, "of the caller", 0);
    caller->waited = test_now() - start;
    return NULL;
}

static void *close_store(void *context)
{
    struct caller *caller = context;

    caller->status = memstore_close(caller->store);
    return NULL;
}

static void call(struct caller *caller, memstore *store, const char *key, void *(*work)(void *))
{
    *caller = (struct caller){.store = store, .key = key};
    cr_assert_eq(pthread_create(&caller->thread, NULL, work, caller), 0);
}

static int result_of(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    return caller->status;
}

static void wait_until_somebody_waits(struct ms_gate *gate)
{
    TEST_AWAIT(ms_load_relaxed(&gate->state) >= MS_GATE_WAITER);
}

static memstore *open_filled(const char *bound, const char *timeout)
{
    memstore *store = test_open(bound, timeout, "maintenance=manual", NULL);

    assert_ok(test_set(store, "a", "1", 0));
    assert_ok(test_set(store, "b", "2", 0));
    assert_ok(test_set(store, "c", "3", 0));
    assert_ok(test_set(store, "d", "4", 0));
    return store;
}

static int view_of(memstore *store, const char *key, memstore_view *view)
{
    return memstore_get_view(store, key, strlen(key), view);
}

/* ---- Views ---- */

Test(admission, one_view_more_than_max_concurrent_readers_waits_for_lock_timeout)
{
    memstore *store = open_filled("performance.max_concurrent_readers=2", BRIEF);
    memstore_view one, two, three;

    assert_ok(view_of(store, "a", &one));
    assert_ok(view_of(store, "a", &two));
    const double start = test_now();
    assert_status(view_of(store, "b", &three), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_now() - start >= 0.03);
    cr_assert(three.data == NULL && three.pin == NULL && three.size == 0);
    memstore_view_release(&one);
    assert_ok(view_of(store, "b", &three));
    cr_assert(three.size == 1 && memcmp(three.data, "2", 1) == 0);
    memstore_view_release(&two);
    memstore_view_release(&three);
    memstore_view_release(&three);
    cr_assert_eq(test_memory(store).pinned, 0);
    memstore_destroy(store);
}

Test(admission, without_a_bound_any_number_of_views_is_held)
{
    memstore *store = open_filled("performance.max_concurrent_readers=0", BRIEF);
    memstore_view views[1000];

    for (unsigned i = 0; i < 1000; i++)
        assert_ok(view_of(store, "a", &views[i]));
    memstore_view_release_many(views, 1000);
    memstore_destroy(store);
}

Test(admission, what_copies_or_pins_nothing_never_waits)
{
    memstore *store = open_filled("performance.max_concurrent_readers=1", PATIENT);
    const memstore_key keys[2] = {test_key("absent"), test_key("a")};
    memstore_view view, none[2];
    unsigned char there[2];
    size_t found = 9;
    char copy[8];
    const double start = test_now();

    assert_ok(view_of(store, "a", &view));
    assert_ok(memstore_get(store, "b", 1, copy, sizeof copy, NULL));
    assert_ok(test_has(store, "b"));
    assert_ok(memstore_has_many(store, keys, 2, there, NULL));
    assert_status(view_of(store, "absent", &none[0]), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_get_many(store, keys, 1, none, &found));
    cr_assert(found == 0 && none[0].data == NULL && none[0].size == 0);
    assert_ok(test_set(store, "e", "5", 0));
    cr_assert(test_now() - start < 10);
    cr_assert(test_stats(store).misses == 2 && test_stats(store).hits == 2);
    memstore_view_release(&view);
    memstore_destroy(store);
}

static bool are_zero(const memstore_view *views, size_t n)
{
    static const memstore_view zero;
    bool all = true;

    for (size_t i = 0; i < n; i++)
        all = all && memcmp(&views[i], &zero, sizeof zero) == 0;
    return all;
}

Test(admission, get_many_counts_each_view_it_hands_out)
{
    memstore *store = open_filled("performance.max_concurrent_readers=3", BRIEF);
    const memstore_key keys[6] = {test_key("a"), test_key("x"), test_key("b"),
                                  test_key("y"), test_key("c"), test_key("z")};
    memstore_view views[6], refused[6], more;
    size_t found = 0;

    /* More keys than places, but not more views. */
    assert_ok(memstore_get_many(store, keys, 6, views, &found));
    cr_assert_eq(found, 3);
    assert_status(view_of(store, "d", &more), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_view_release(&views[2]);
    assert_ok(view_of(store, "d", &more));
    memset(refused, 0xa5, sizeof refused);
    assert_status(memstore_get_many(store, keys, 6, refused, &found), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(found == 0 && are_zero(refused, 6));
    memstore_view_release(&more);
    assert_ok(memstore_get_many(store, keys, 2, refused, &found));
    cr_assert_eq(found, 1);
    cr_assert(test_stats(store).hits == 5 && test_stats(store).misses == 4,
              "what was refused is no read");
    memstore_view_release_many(views, 6);
    memstore_view_release_many(refused, 6);
    cr_assert_eq(test_memory(store).pinned, 0);
    memstore_destroy(store);
}

Test(admission, a_get_many_that_finds_more_than_the_bound_is_refused_at_once)
{
    memstore *store = open_filled("performance.max_concurrent_readers=2", PATIENT);
    const memstore_key keys[3] = {test_key("a"), test_key("b"), test_key("c")};
    memstore_view views[3];
    size_t found = 9;
    const double start = test_now();

    assert_status(memstore_get_many(store, keys, 3, views, &found), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(found == 0 && are_zero(views, 3));
    cr_assert(test_now() - start < 10);
    assert_ok(memstore_get_many(store, keys, 2, views, &found));
    cr_assert_eq(found, 2);
    memstore_view_release_many(views, 2);
    memstore_destroy(store);
}

Test(admission, a_release_wakes_one_who_waits_whichever_thread_releases)
{
    memstore *store = open_filled("performance.max_concurrent_readers=1", PATIENT);
    memstore_view view;
    struct caller waiter;

    assert_ok(view_of(store, "a", &view));
    call(&waiter, store, "b", get_view);
    wait_until_somebody_waits(&store->admission.views);
    memstore_view_release(&view);
    assert_ok(result_of(&waiter));
    cr_assert(waiter.view.size == 1 && memcmp(waiter.view.data, "2", 1) == 0);
    cr_assert(waiter.waited < 10);
    /* Got by one thread, released by another. */
    memstore_view_release(&waiter.view);
    assert_ok(view_of(store, "a", &view));
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(admission, who_has_waited_sees_what_is_there_then)
{
    memstore *store = open_filled("performance.max_concurrent_readers=1", PATIENT);
    memstore_view view;
    struct caller waiter;

    assert_ok(view_of(store, "a", &view));
    call(&waiter, store, "c", get_view);
    wait_until_somebody_waits(&store->admission.views);
    assert_ok(test_set(store, "c", "33", 0));
    memstore_view_release(&view);
    assert_ok(result_of(&waiter));
    cr_assert(waiter.view.size == 2 && memcmp(waiter.view.data, "33", 2) == 0);
    memstore_view_release(&waiter.view);
    memstore_destroy(store);
}

static memstore_view three[3];

static void *get_three(void *context)
{
    struct caller *caller = context;
    const memstore_key keys[3] = {test_key("a"), test_key("b"), test_key("e")};
    size_t found = 0;

    caller->status = memstore_get_many(caller->store, keys, 3, three, &found);
    caller->waited = (double)found;
    return NULL;
}

Test(admission, a_get_many_waits_for_all_its_places_and_counts_its_reads_once)
{
    memstore *store = open_filled("performance.max_concurrent_readers=3", PATIENT);
    memstore_view views[2];
    struct caller waiter;

    assert_ok(view_of(store, "c", &views[0]));
    assert_ok(view_of(store, "d", &views[1]));
    call(&waiter, store, NULL, get_three);
    wait_until_somebody_waits(&store->admission.views);
    /* It waits for the two that are there. Now there are three. */
    assert_ok(test_set(store, "e", "5", 0));
    memstore_view_release(&views[0]);
    wait_until_somebody_waits(&store->admission.views);
    memstore_view_release(&views[1]);
    assert_ok(result_of(&waiter));
    cr_assert(waiter.waited == 3 && three[2].size == 1);
    cr_assert(test_stats(store).hits == 5 && test_stats(store).misses == 0);
    memstore_view_release_many(three, 3);
    memstore_destroy(store);
}

Test(admission, closing_wakes_who_waits_for_a_view_and_views_are_released_after_it)
{
    memstore *store = open_filled("performance.max_concurrent_readers=1", PATIENT);
    memstore_view view;
    struct caller waiter;

    assert_ok(view_of(store, "a", &view));
    call(&waiter, store, "b", get_view);
    wait_until_somebody_waits(&store->admission.views);
    assert_ok(memstore_close(store));
    assert_status(result_of(&waiter), MEMSTORE_ERR_CACHE_CLOSED);
    cr_assert(waiter.waited < 10);
    cr_assert(view.size == 1 && memcmp(view.data, "1", 1) == 0);
    memstore_view_release(&view);
    cr_assert_eq(ms_load_relaxed(&store->admission.views.state), 1, "the place is free again");
    memstore_destroy(store);
}

Test(admission, what_a_bound_takes_counts_against_the_limit)
{
    memstore *without = test_open("performance.max_concurrent_readers=0", NULL);
    memstore *with = test_open("performance.max_concurrent_readers=10000", NULL);

    cr_assert(test_memory(with).charged >= test_memory(without).charged + 10000 * 16);
    memstore_destroy(with);
    memstore_destroy(without);
}

/* ---- Writers ---- */

static void write_one(void *context)
{
    CHECK_OK(test_set(context, "stopped", "value", 0));
}

Test(admission, one_writer_more_than_max_concurrent_writers_waits_for_lock_timeout)
{
    memstore *store = open_filled("performance.max_concurrent_writers=1", BRIEF);
    const memstore_entry entry = test_entry("e", "5", 0);
    memstore_batch *batch = memstore_batch_new(store);
    const memstore_key key = test_key("a");

    assert_ok(memstore_batch_delete(batch, "a", 1));
    /* Stopped where it holds no lock: the bound alone keeps the others out. */
    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    const double start = test_now();
    assert_status(test_set(store, "e", "5", 0), MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_now() - start >= 0.03);
    assert_status(test_delete(store, "a"), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_increment(store, "n", 1, 1, 0, 0, NULL), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_update_ttl(store, "a", 1, 1000), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_set_many(store, &entry, 1), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_delete_many(store, &key, 1, NULL), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_status(memstore_clear(store), MEMSTORE_ERR_LOCK_TIMEOUT);
    assert_holds(store, "a", "1");
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(memstore_size(store), 4);
    cr_assert_eq(test_stats(store).rejected_timeout, 8);
    test_let_go();
    assert_ok(memstore_batch_commit(batch));
    assert_ok(memstore_clear(store));
    memstore_batch_free(batch);
    memstore_destroy(store);
}

Test(admission, as_many_writers_as_the_bound_are_at_work_at_once)
{
    memstore *store = open_filled("performance.max_concurrent_writers=2", BRIEF);

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    assert_ok(test_set(store, "e", "5", 0));
    assert_ok(test_delete(store, "e"));
    test_let_go();
    memstore_destroy(store);
}

Test(admission, a_writer_that_ends_lets_the_next_one_in)
{
    memstore *store = open_filled("performance.max_concurrent_writers=1", PATIENT);
    struct caller waiter;

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    call(&waiter, store, "e", set);
    wait_until_somebody_waits(&store->admission.writers);
    test_let_go();
    assert_ok(result_of(&waiter));
    cr_assert(waiter.waited < 10);
    assert_holds(store, "e", "of the caller");
    memstore_destroy(store);
}

Test(admission, closing_sends_waiting_writers_away_and_waits_for_the_one_at_work)
{
    memstore *store = open_filled("performance.max_concurrent_writers=1", PATIENT);
    struct caller waiter, closer;

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    call(&waiter, store, "e", set);
    wait_until_somebody_waits(&store->admission.writers);
    call(&closer, store, NULL, close_store);
    assert_status(result_of(&waiter), MEMSTORE_ERR_CACHE_CLOSED);
    test_let_go();
    assert_ok(result_of(&closer));
    memstore_destroy(store);
}

/* ---- fork ---- */

static bool child_succeeds(void (*work)(memstore *store, memstore_view views[2]), memstore *store,
                           memstore_view views[2])
{
    const pid_t child = test_fork();

    if (child == 0) {
        alarm(120);
        work(store, views);
        _exit(0);
    }
    return test_child_status(child) == 0;
}

/* views[0] was got by the thread that forks, views[1] by another. */
static void count_in_child(memstore *store, memstore_view views[2])
{
    memstore_view more[2];

    CHECK_OK(view_of(store, "c", &more[0]));
    CHECK_STATUS(view_of(store, "d", &more[1]), MEMSTORE_ERR_LOCK_TIMEOUT);
    /* The bytes are there, and the view is released like any other; it gives no place back. */
    CHECK(views[1].size == 1 && memcmp(views[1].data, "2", 1) == 0);
    memstore_view_release(&views[1]);
    CHECK_STATUS(view_of(store, "d", &more[1]), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_view_release(&views[0]);
    CHECK_OK(view_of(store, "d", &more[1]));
    memstore_view_release_many(more, 2);
    CHECK(test_memory(store).pinned == 0);
    memstore_destroy(store);
}

Test(admission, a_child_counts_the_views_of_the_thread_that_forked)
{
    memstore *store = open_filled("performance.max_concurrent_readers=2", BRIEF);
    memstore_view views[2], more;
    struct caller other;

    assert_ok(view_of(store, "a", &views[0]));
    call(&other, store, "b", get_view);
    assert_ok(result_of(&other));
    views[1] = other.view;
    cr_assert(child_succeeds(count_in_child, store, views));

    assert_status(view_of(store, "c", &more), MEMSTORE_ERR_LOCK_TIMEOUT);
    memstore_view_release(&views[1]);
    assert_ok(view_of(store, "c", &more));
    memstore_view_release(&views[0]);
    memstore_view_release(&more);
    memstore_destroy(store);
}

static void write_in_child(memstore *store, memstore_view views[2])
{
    (void)views;
    CHECK_OK(test_set(store, "e", "5", 0));
    CHECK_OK(test_set(store, "f", "6", 0));
    memstore_destroy(store);
}

Test(admission, in_a_child_no_other_thread_is_writing)
{
    memstore *store = open_filled("performance.max_concurrent_writers=1", BRIEF);

    test_stop_at(MS_POINT_ENTRY_WRITTEN, write_one, store);
    const bool went_well = child_succeeds(write_in_child, store, NULL);
    test_let_go();
    cr_assert(went_well);
    memstore_destroy(store);
}
