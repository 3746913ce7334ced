/* SPDX-License-Identifier: Apache-2.0 */
/* Several keys are loaded together, and none of them waits for another: what the loader has answered is stored
 * and given to those who wait, while it is still asked for the rest. */
#include "store/store.h"
#include "stories/flights.h"
#include "stories/loading.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <pthread.h>
#include <stdatomic.h>

/* A database that has each key for its value, and is busy when it is first asked for a key with 'r'. What
 * begins with 'x' it does not have, and it fails for 'f'. */
struct busy {
    memstore *store;
    const char *first; /* the key whose answer is known before that of another */
    bool waited_for;   /* another thread asks for it */
    struct caller other;
    struct row none;           /* what that would load it from */
    int (*beside)(memstore *); /* called by the loader when it is asked again */
    int beside_status;
    unsigned calls, released, seen; /* seen: when it was asked again */
};

static void count_release(void *context)
{
    ((struct busy *)context)->released++;
}

static int answer(struct busy *busy, const memstore_key *key, memstore_load_value *out, bool again)
{
    const char kind = *(const char *)key->data;

    if (kind == 'x')
        return MEMSTORE_LOAD_ABSENT;
    if (kind == 'f')
        return MEMSTORE_LOAD_FAILED;
    if (kind == 'r' && !again)
        return MEMSTORE_LOAD_RETRY;
    out->value = key->data;
    out->value_size = key->size;
    out->release = count_release;
    out->release_context = busy;
    return MEMSTORE_LOAD_OK;
}

/* One more asks for the key that the loader is about to answer. */
static void begin_to_wait(struct busy *busy)
{
    if (!busy->waited_for)
        return;
    start(&busy->other, busy->store, busy->first, &busy->none);
    wait_for_references(busy->store, 3); /* two of who loads both */
}

/* The loader is asked for what comes after the first. */
static void look_beside(struct busy *busy)
{
    busy->seen = busy->released;
    if (busy->waited_for)
        TEST_AWAIT(atomic_load(&busy->other.ended));
    if (busy->beside != NULL)
        busy->beside_status = busy->beside(busy->store);
}

static int load_together(const memstore_key *keys, size_t n, memstore_load_value *out,
                         void *context)
{
    struct busy *busy = context;
    const bool again = ++busy->calls > 1;

    if (again)
        look_beside(busy);
    else
        begin_to_wait(busy);
    for (size_t i = 0; i < n; i++)
        out[i].result = answer(busy, &keys[i], &out[i], again);
    return MEMSTORE_LOAD_OK;
}

static int load_single(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct busy *busy = context;

    if (++busy->calls == 1)
        begin_to_wait(busy);
    else
        look_beside(busy);
    return answer(busy, &(memstore_key){key, key_size}, out, true);
}

static memstore_loader asking(struct busy *busy, bool together)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader),
                             .load = together ? NULL : load_single,
                             .load_many = together ? load_together : NULL,
                             .context = busy};
}

static int look_for_first(memstore *store)
{
    return test_has(store, "a");
}

static int load_many(struct busy *busy, bool together, const memstore_key *keys, size_t n,
                     memstore_view *views)
{
    const memstore_loader loader = asking(busy, together);

    return memstore_get_or_load_many(busy->store, keys, n, &loader, views, NULL);
}

/* ---- What the first key has come to ---- */

static void check_that_the_first_is_stored(bool together)
{
    struct busy busy = {.store = test_open("maintenance=manual", "loader.retry_initial=0", NULL),
                        .beside = look_for_first};
    const memstore_key keys[] = {test_key("r"), test_key("a")};
    const memstore_key in_turn[] = {test_key("a"), test_key("r")};
    memstore_view views[2];

    assert_ok(load_many(&busy, together, together ? keys : in_turn, 2, views));
    cr_assert_eq(busy.calls, 2);
    assert_ok(busy.beside_status);
    cr_assert(busy.seen == 1 && busy.released == 2);
    cr_assert(shows(&views[together], "a") && shows(&views[!together], "r"));
    memstore_view_release_many(views, 2);
    cr_assert_eq(test_memory(busy.store).pinned, 0);
    memstore_destroy(busy.store);
}

Test(load_many, what_is_loaded_is_stored_while_another_is_tried_again)
{
    check_that_the_first_is_stored(true);
}

Test(load_many, what_is_loaded_one_by_one_is_stored_before_the_next_is_asked_for)
{
    check_that_the_first_is_stored(false);
}

/* Who waits for the first of two keys is told before the loader is asked for the second alone. */
static void check_who_waits(bool together, const char *first, int told, int status)
{
    struct busy busy = {
        .store = test_open("loader.retry_initial=0", NULL), .first = first, .waited_for = true};
    const memstore_key keys[] = {test_key(first), test_key("r")};
    memstore_view views[2];

    assert_status(load_many(&busy, together, keys, 2, views), status);
    assert_status(result_of(&busy.other), told);
    cr_assert(told != MEMSTORE_OK || shows(&busy.other.view, first));
    cr_assert(busy.calls == 2 && atomic_load(&busy.none.calls) == 0);
    cr_assert(status != MEMSTORE_OK || shows(&views[1], "r"));
    assert_holds(busy.store, "r", "r");
    memstore_view_release(&busy.other.view);
    memstore_view_release_many(views, 2);
    cr_assert_eq(test_memory(busy.store).pinned, 0);
    memstore_destroy(busy.store);
}

Test(load_many, who_waits_for_a_key_does_not_wait_for_another_that_is_tried_again)
{
    check_who_waits(true, "a", MEMSTORE_OK, MEMSTORE_OK);
    check_who_waits(true, "x", MEMSTORE_ERR_KEY_NOT_FOUND, MEMSTORE_OK);
    check_who_waits(true, "f", MEMSTORE_ERR_LOADER_FAILED, MEMSTORE_ERR_LOADER_FAILED);
}

Test(load_many, nor_for_one_that_is_loaded_after_it)
{
    check_who_waits(false, "a", MEMSTORE_OK, MEMSTORE_OK);
    check_who_waits(false, "x", MEMSTORE_ERR_KEY_NOT_FOUND, MEMSTORE_OK);
    check_who_waits(false, "f", MEMSTORE_ERR_LOADER_FAILED, MEMSTORE_ERR_LOADER_FAILED);
}

static int delete_first(memstore *store)
{
    return test_delete(store, "a");
}

static void check_what_is_deleted(bool together)
{
    struct busy busy = {.store = test_open("maintenance=manual", "loader.retry_initial=0", NULL),
                        .beside = delete_first};
    const memstore_key keys[] = {test_key("a"), test_key("r")};
    memstore_view views[2];

    assert_ok(load_many(&busy, together, keys, 2, views));
    assert_ok(busy.beside_status);
    cr_assert(shows(&views[0], "a") && shows(&views[1], "r"));
    assert_holds(busy.store, "a", NULL);
    memstore_view_release_many(views, 2);
    memstore_destroy(busy.store);
}

Test(load_many, what_is_deleted_before_the_last_is_loaded_is_given_to_who_had_asked)
{
    check_what_is_deleted(true);
    check_what_is_deleted(false);
}

/* ---- Places ---- */

static void check_places(bool together)
{
    struct busy busy = {.store = test_open("maintenance=manual", "loader.retry_initial=0",
                                           "performance.max_concurrent_readers=1",
                                           "performance.lock_timeout=20ms", NULL)};
    const memstore_key keys[] = {test_key("a"), test_key("r")};
    memstore_view views[2];

    assert_ok(load_many(&busy, together, keys, 2, views));
    cr_assert(shows(&views[0], "a") && shows(&views[1], "r"));
    memstore_view_release_many(views, 2);
    cr_assert_eq(test_memory(busy.store).pinned, 0);
    memstore_destroy(busy.store);
}

Test(load_many, what_is_stored_takes_no_place_from_the_loader_of_the_rest)
{
    check_places(true);
    check_places(false);
}

static void check_places_of_old(bool together)
{
    test_clock_start();
    struct busy busy = {.store = test_open("maintenance=manual", "loader.retry_initial=0",
                                           "loader.refresh_after=10s",
                                           "performance.max_concurrent_readers=1",
                                           "performance.lock_timeout=20ms", NULL)};
    const memstore_key keys[] = {test_key("a"), test_key("r")};
    memstore_view views[2], held;

    assert_ok(test_set(busy.store, "a", "old", 0));
    test_clock_advance(10000);
    assert_ok(load_many(&busy, together, keys, 2, views));
    cr_assert(shows(&views[0], "a") && shows(&views[1], "r"));
    memstore_view_release_many(views, 2);
    assert_ok(memstore_get_view(busy.store, "a", 1, &held));
    memstore_view_release(&held);
    cr_assert_eq(test_memory(busy.store).pinned, 0);
    memstore_destroy(busy.store);
}

Test(load_many, what_was_old_leaves_its_place_to_the_loader_of_the_rest)
{
    check_places_of_old(true);
    check_places_of_old(false);
}

static int byte_places_taken(memstore *store)
{
    const struct ms_gate *gate = &store->load_bytes_gate;

    return (int)(gate->places - (uint32_t)ms_load_relaxed(&gate->state));
}

static void check_bytes(bool together)
{
    struct busy busy = {.store = test_open("maintenance=manual", "loader.retry_initial=0",
                                           "loader.max_load_bytes=64KiB", NULL),
                        .beside = byte_places_taken};
    const memstore_key keys[] = {test_key("a"), test_key("r")};
    memstore_view views[2];

    assert_ok(load_many(&busy, together, keys, 2, views));
    cr_assert_eq(busy.beside_status, 2);
    cr_assert_eq(byte_places_taken(busy.store), 0);
    memstore_view_release_many(views, 2);
    memstore_destroy(busy.store);
}

Test(load_many, the_bytes_of_values_are_taken_once_and_until_the_last_is_stored)
{
    check_bytes(true);
    check_bytes(false);
}
