/* SPDX-License-Identifier: Apache-2.0 */
/* Loads that wait for a place, or for bytes. */
#include "store/load/place.h"
#include "store/store.h"
#include "stories/flights.h"
#include "stories/sources.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- What comes while one waits for a place ---- */

static size_t count_flights(memstore *store)
{
    struct ms_flight **list;
    memstore_view left;
    size_t count;

    cr_assert(ms_flights_list(&store->flights, &list, &count));
    for (size_t i = 0; i < count; i++)
        ms_flight_drop(list[i], &left);
    free(list);
    return count;
}

static bool are_in_line(struct ms_gate *gate, uint32_t count)
{
    return ms_load_relaxed(&gate->state) >= count * MS_GATE_WAITER;
}

static void *load_other(void *context)
{
    struct asker *asker = context;
    const memstore_loader loader = loader_of(asker->source);

    asker->status = memstore_get_or_load(asker->store, "other", 5, &loader, &asker->view);
    return NULL;
}

Test(load_places, who_finds_no_place_for_a_load_gets_what_was_stored_while_he_waited)
{
    memstore *store =
        test_open("maintenance=manual", "loader.max_loads=1", "loader.timeout=10m", NULL);
    struct source source = {.value = "loaded", .holds = true};
    struct asker other = {.store = store, .source = &source};
    struct asker asker = other;

    begin_asking(&other, load_other, 1);
    cr_assert_eq(pthread_create(&asker.thread, NULL, ask_until_told, &asker), 0);
    TEST_AWAIT(are_in_line(&store->loads_gate, 1));
    assert_ok(test_set(store, "key", "set", 0));
    atomic_store(&asker.gives_up, true);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    cr_assert(memcmp(asker.view.data, "set", 3) == 0 && source.calls == 1);
    cr_assert(test_stats(store).misses == 2 && test_stats(store).hits == 1);
    memstore_view_release(&asker.view);
    let_end(&other);
    memstore_view_release(&other.view);
    memstore_destroy(store);
}

Test(load_places, who_waits_too_long_for_a_load_gets_what_was_stored_meanwhile)
{
    memstore *store = test_open("maintenance=manual", NULL);
    struct source source = {.value = "loaded", .holds = true};
    struct asker first = {.store = store, .source = &source};
    struct asker second = first;

    begin_asking(&first, ask_in_thread, 1);
    cr_assert_eq(pthread_create(&second.thread, NULL, ask_until_told, &second), 0);
    wait_for_references(store, 2);
    assert_ok(test_set(store, "key", "set", 0));
    atomic_store(&second.gives_up, true);
    pthread_join(second.thread, NULL);
    assert_ok(second.status);
    cr_assert_eq(memcmp(second.view.data, "set", 3), 0);
    memstore_view_release(&second.view);
    let_end(&first);
    memstore_view_release(&first.view);
    memstore_destroy(store);
}

/* Ask for what is there, alone and with others, while another view has the only place. */
static void ask_without_place(const char *on_store_error, int wanted)
{
    memstore *store = test_open("maintenance=manual", "performance.max_concurrent_readers=1",
                                "performance.lock_timeout=1ms", on_store_error, NULL);
    struct source source = {.value = "loaded"};
    const memstore_loader loader = loader_of(&source);
    const memstore_key keys[] = {{"key", 3}, {"too", 3}};
    memstore_view held, views[2];

    assert_ok(test_set(store, "key", "set", 0));
    assert_ok(test_set(store, "too", "set", 0));
    assert_ok(memstore_get_view(store, "key", 3, &held));
    assert_status(memstore_get_or_load(store, "key", 3, &loader, &views[0]), wanted);
    cr_assert(wanted != MEMSTORE_OK || memcmp(views[0].data, "set", 3) == 0);
    memstore_view_release(&views[0]);
    assert_status(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL), wanted);
    cr_assert(wanted != MEMSTORE_OK ||
              (memcmp(views[0].data, "set", 3) == 0 && memcmp(views[1].data, "set", 3) == 0));
    memstore_view_release_many(views, 2);
    memstore_view_release(&held);
    cr_assert_eq(source.calls, 0);
    assert_nothing_is_pinned(store);
    memstore_destroy(store);
}

Test(load_places, what_is_there_is_copied_where_there_is_no_place_for_a_view)
{
    ask_without_place("loader.on_store_error=bypass", MEMSTORE_OK);
    ask_without_place("loader.on_store_error=fail", MEMSTORE_ERR_LOCK_TIMEOUT);
}

/* ---- What loads take ---- */

static void *ask_for_two(void *context)
{
    struct asker *asker = context;
    memstore_loader loader = loader_of(asker->source);
    const memstore_key keys[] = {{"one", 3}, {"two", 3}};
    memstore_view views[2];

    loader.load_many = NULL;
    asker->status = memstore_get_or_load_many(asker->store, keys, 2, &loader, views, NULL);
    if (asker->status == MEMSTORE_OK)
        memstore_view_release_many(views, 2);
    return NULL;
}

/* Who asks in this way leaves too few bytes for another load of as large a value, until he has his. */
static void check_that_bytes_hold_back(const char *bound, void *(*how)(void *))
{
    memstore *store = test_open(bound, "loader.timeout=50ms", NULL);
    static char large[3000];
    struct source source = {.value = memset(large, 'x', sizeof large - 1)};
    struct source held = {.value = large, .holds = true};
    struct asker asker = {.store = store, .source = &held};
    const memstore_loader loader = loader_of(&source);
    memstore_view view;

    ask(store, &source, MEMSTORE_OK);
    assert_ok(memstore_delete(store, "key", 3));
    begin_asking(&asker, how, 1);
    assert_status(memstore_get_or_load(store, "another", 7, &loader, &view),
                  MEMSTORE_ERR_LOCK_TIMEOUT);
    cr_assert(test_stats(store).loads_without_bytes == 1);
    cr_assert(test_stats(store).loads_without_place == 0);
    atomic_store(&held.holds, false);
    pthread_join(asker.thread, NULL);
    assert_ok(asker.status);
    memstore_view_release(&asker.view);
    assert_ok(memstore_get_or_load(store, "another", 7, &loader, &view));
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(load_places, max_load_bytes_holds_loads_back_by_what_values_were_before)
{
    check_that_bytes_hold_back("loader.max_load_bytes=4KiB", ask_in_thread);
}

Test(load_places, max_load_bytes_counts_what_was_loaded_one_by_one_until_all_of_it_is_stored)
{
    check_that_bytes_hold_back("loader.max_load_bytes=8KiB", ask_for_two);
}

/* A loader of several whose first value, when it is released, asks for another key, and what its thread holds then. */
struct reloading {
    memstore *store;
    uint32_t held;
    bool waits; /* for a place among those who hold views */
    atomic_bool viewed;
};

/* Hold the one view there may be until another is wanted. */
static void *view_until_in_the_way(void *context)
{
    struct reloading *reloading = context;
    memstore_view view;

    assert_ok(memstore_get_view(reloading->store, "viewed", 6, &view));
    atomic_store(&reloading->viewed, true);
    TEST_AWAIT(are_in_line(&reloading->store->admission.views, 1));
    memstore_view_release(&view);
    return NULL;
}

static void load_another(void *context)
{
    struct reloading *reloading = context;
    struct source source = {.value = "another"};
    const memstore_loader loader = loader_of(&source);
    memstore_view view;
    pthread_t thread;

    if (reloading->waits) {
        cr_assert_eq(pthread_create(&thread, NULL, view_until_in_the_way, reloading), 0);
        TEST_AWAIT(atomic_load(&reloading->viewed));
    }
    assert_ok(memstore_get_or_load(reloading->store, "another", 7, &loader, &view));
    memstore_view_release(&view);
    reloading->held = ms_load_bytes_held(reloading->store);
    if (reloading->waits)
        pthread_join(thread, NULL);
}

static int answer_and_load_another(const memstore_key *keys, size_t n, memstore_load_value *out,
                                   void *context)
{
    (void)keys;
    for (size_t i = 0; i < n; i++)
        out[i] = (memstore_load_value){.value = "one", .value_size = 3};
    out[0].release = load_another;
    out[0].release_context = context;
    return MEMSTORE_LOAD_OK;
}

static void check_that_a_release_gives_nothing_back(const char *setting, bool waits)
{
    memstore *store = test_open("loader.max_load_bytes=8KiB", setting, NULL);
    struct reloading reloading = {.store = store, .waits = waits};
    const memstore_loader loader = {
        .struct_size = sizeof loader, .load_many = answer_and_load_another, .context = &reloading};
    const memstore_key keys[] = {{"one", 3}, {"two", 3}};
    memstore_view views[2];

    assert_ok(test_set(store, "viewed", "v", 0));
    assert_ok(memstore_get_or_load_many(store, keys, 2, &loader, views, NULL));
    memstore_view_release_many(views, 2);
    cr_assert(reloading.held != 0 && ms_load_bytes_held(store) == 0);
    memstore_destroy(store);
}

Test(load_places, a_load_that_a_release_makes_gives_nothing_back_that_others_are_held_with)
{
    check_that_a_release_gives_nothing_back(NULL, false);
    check_that_a_release_gives_nothing_back("performance.max_concurrent_readers=1", true);
}

static void *load_other_and_let_go(void *context)
{
    struct asker *asker = context;

    load_other(asker);
    memstore_view_release(&asker->view);
    return NULL;
}

/* The one has an old value, which takes the only place, and waits for bytes; the other is given those first, and needs
 * a place. */
Test(load_places, who_has_bytes_and_who_has_a_place_do_not_wait_for_each_other)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s", "loader.max_load_bytes=1KiB",
                  "loader.timeout=10m", "performance.max_concurrent_readers=1",
                  "performance.lock_timeout=20s", NULL);
    struct source source = {.value = "new"};
    struct asker refreshes = {.store = store, .source = &source}, loads = refreshes;

    assert_ok(test_set(store, "key", "old", 0));
    test_clock_advance(10000);
    cr_assert(ms_gate_try_enter(&store->load_bytes_gate, 1));
    cr_assert_eq(pthread_create(&loads.thread, NULL, load_other_and_let_go, &loads), 0);
    TEST_AWAIT(are_in_line(&store->load_bytes_gate, 1));
    cr_assert_eq(pthread_create(&refreshes.thread, NULL, ask_in_thread, &refreshes), 0);
    TEST_AWAIT(are_in_line(&store->load_bytes_gate, 2));
    ms_gate_leave(&store->load_bytes_gate, 1);
    pthread_join(refreshes.thread, NULL);
    assert_ok(refreshes.status);
    cr_assert_eq(memcmp(refreshes.view.data, "new", 3), 0);
    memstore_view_release(&refreshes.view);
    pthread_join(loads.thread, NULL);
    assert_ok(loads.status);
    cr_assert(ms_gate_try_enter(&store->load_bytes_gate, 1), "nothing of them is held");
    ms_gate_leave(&store->load_bytes_gate, 1);
    memstore_destroy(store);
}
