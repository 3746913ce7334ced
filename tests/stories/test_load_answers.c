/* SPDX-License-Identifier: Apache-2.0 */
/* What loaders answer that cannot be kept: values that are not there, and keys too long for any store. */
#include "store/store.h"
#include "stories/loading.h"
#include "support/criterion.h"

/* What a loader has been asked, and what it says. */
struct answer {
    const char *value;
    size_t value_size;
    unsigned calls, released;
};

static void release(void *context)
{
    struct answer *const answer = context;

    answer->released++;
}

static void give(struct answer *answer, memstore_load_value *out)
{
    out->value = answer->value;
    out->value_size = answer->value_size;
    out->release = release;
    out->release_context = answer;
    out->result = MEMSTORE_LOAD_OK;
}

static int load_one(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct answer *const answer = context;

    (void)key;
    (void)key_size;
    answer->calls++;
    give(answer, out);
    return MEMSTORE_LOAD_OK;
}

static int load_all(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    struct answer *const answer = context;

    (void)keys;
    answer->calls++;
    for (size_t i = 0; i < n; i++)
        give(answer, &out[i]);
    return MEMSTORE_LOAD_OK;
}

static memstore_loader asking(struct answer *answer, bool together)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader),
                             .load = together ? NULL : load_one,
                             .load_many = together ? load_all : NULL,
                             .context = answer};
}

Test(load_answers, who_has_a_value_and_gives_none_has_failed)
{
    memstore *store = open_manual();
    struct answer answer = {.value = NULL, .value_size = 5};
    const memstore_loader loader = asking(&answer, false);
    memstore_view view;

    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(view.data == NULL && answer.calls == 1 && answer.released == 1);
    cr_assert_eq(test_stats(store).load_failures, 1);
    assert_holds(store, "key", NULL);
    memstore_destroy(store);
}

Test(load_answers, so_has_who_gives_none_of_many)
{
    memstore *store = open_manual();
    struct answer answer = {.value = NULL, .value_size = 5};
    const memstore_loader loader = asking(&answer, true);
    const memstore_key keys[] = {test_key("a"), test_key("b")};
    memstore_view views[2];
    size_t found;

    assert_status(memstore_get_or_load_many(store, keys, 2, &loader, views, &found),
                  MEMSTORE_ERR_LOADER_FAILED);
    cr_assert(found == 0 && answer.calls == 1 && answer.released == 2);
    assert_holds(store, "a", NULL);
    memstore_destroy(store);
}

Test(load_answers, a_value_of_no_bytes_needs_no_place)
{
    memstore *store = open_manual();
    struct answer answer = {.value = NULL};
    const memstore_loader loader = asking(&answer, false);
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "key", 3, &loader, &view));
    cr_assert(view.size == 0 && view.pin != NULL);
    memstore_view_release(&view);
    assert_holds(store, "key", "");
    memstore_destroy(store);
}

/* No store has room for such a key, of which nothing is read. */
static const memstore_key too_long = {"k", (size_t)MS_KEY_SIZE_MAX + 1};

Test(load_answers, a_key_that_no_store_takes_is_loaded_and_handed_out)
{
    memstore *store = open_manual();
    struct answer answer = {.value = "value", .value_size = 5};
    const memstore_loader loader = asking(&answer, false);
    memstore_lease *lease;
    memstore_view view;

    for (unsigned calls = 1; calls <= 2; calls++) {
        assert_ok(memstore_get_or_load(store, too_long.data, too_long.size, &loader, &view));
        cr_assert(shows(&view, "value") && answer.calls == calls);
        memstore_view_release(&view);
        cr_assert_eq(answer.released, calls);
    }
    cr_assert_eq(memstore_size(store), 0);
    assert_status(memstore_lease_acquire(store, too_long.data, too_long.size, 0, &lease, &view),
                  MEMSTORE_ERR_ENTRY_TOO_LARGE);
    memstore_destroy(store);
}

Test(load_answers, so_is_one_among_many)
{
    memstore *store = open_manual();
    struct answer answer = {.value = "value", .value_size = 5};
    const memstore_loader loader = asking(&answer, false);
    const memstore_key keys[] = {test_key("a"), too_long, test_key("b")};
    memstore_view views[3];
    size_t found;

    assert_ok(memstore_get_or_load_many(store, keys, 3, &loader, views, &found));
    cr_assert(found == 3 && answer.calls == 3 && memstore_size(store) == 2);
    for (size_t i = 0; i < 3; i++)
        cr_assert(shows(&views[i], "value"));
    memstore_view_release_many(views, 3);
    cr_assert_eq(answer.released, 3);
    memstore_destroy(store);
}

Test(load_answers, bad_arguments_for_many_are_refused_and_nothing_is_loaded)
{
    memstore *store = open_manual();
    struct answer answer = {.value = "value", .value_size = 5};
    const memstore_loader loader = asking(&answer, false);
    const memstore_key keys[] = {test_key("a"), test_key("")};
    memstore_view views[2];
    size_t found = 7;

    assert_status(memstore_get_or_load_many(store, keys, 1, &loader, NULL, &found),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(found, 0);
    assert_status(memstore_get_or_load_many(store, keys, 2, &loader, views, &found),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert(views[0].pin == NULL && views[1].pin == NULL);
    assert_status(memstore_get_or_load_many(store, NULL, 1, &loader, views, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_or_load_many(NULL, keys, 1, &loader, views, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_get_or_load_many(store, keys, 1, NULL, views, NULL),
                  MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_ok(memstore_get_or_load_many(store, NULL, 0, &loader, NULL, &found));
    cr_assert_eq(answer.calls, 0);
    memstore_destroy(store);
}
