/* SPDX-License-Identifier: Apache-2.0 */
/* Ending the store in the functions that its calls call. */
#include "stories/loading.h"
#include "stories/one_store.h"
#include "support/criterion.h"

#include <memstore/advice.h>

static unsigned called;

static void set_up(void)
{
    store = test_open("maintenance=manual", NULL);
    called = 0;
    assert_ok(test_set(store, "a", "1", 0));
    assert_ok(test_set(store, "b", "2", 0));
}

TestSuite(callbacks, .init = set_up, .fini = destroy_store);

static void destroy(void)
{
    called++;
    memstore_destroy(store);
}

static int destroy_at_key(const void *key, size_t size, void *context)
{
    (void)key;
    (void)size;
    (void)context;
    destroy();
    return 0;
}

static void destroy_at_values(const memstore_view *views, size_t n, void *context)
{
    (void)context;
    destroy();
    cr_assert_eq(n, 1);
    cr_assert(shows(&views[0], "1"));
}

static int destroy_at_text(const char *data, size_t size, void *context)
{
    (void)context;
    destroy();
    cr_assert_eq(data[size - 1], '\n');
    return 0;
}

static int destroy_at_advice(const memstore_advice *advice, void *context)
{
    (void)context;
    destroy();
    cr_assert_not_null(advice->what);
    return 0;
}

static void destroy_at_release(void *context)
{
    (void)context;
    destroy();
}

static int load_to_be_released(const void *key, size_t key_size, memstore_load_value *out,
                               void *context)
{
    (void)key;
    (void)key_size;
    (void)context;
    out->value = "row";
    out->value_size = 3;
    out->release = destroy_at_release;
    return MEMSTORE_LOAD_OK;
}

static const memstore_loader released_late = {.struct_size = sizeof released_late,
                                              .load = load_to_be_released};

/* The handle is valid still; destroying the store is due. */
static void assert_only_closed(void)
{
    cr_assert_eq(called, 1);
    assert_status(test_set(store, "a", "2", 0), MEMSTORE_ERR_CACHE_CLOSED);
}

Test(callbacks, destroying_at_a_key_closes_and_ends_the_iteration)
{
    assert_status(memstore_keys(store, NULL, 0, destroy_at_key, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    assert_only_closed();
}

Test(callbacks, destroying_where_values_are_read_in_place_closes)
{
    const memstore_key key = {"a", 1};

    assert_ok(memstore_read_many(store, &key, 1, destroy_at_values, NULL));
    assert_only_closed();
}

Test(callbacks, destroying_where_metrics_are_taken_closes)
{
    assert_ok(memstore_metrics_text(store, destroy_at_text, NULL));
    assert_only_closed();
}

Test(callbacks, destroying_where_a_report_is_taken_closes)
{
    assert_ok(memstore_advise_text(store, destroy_at_text, NULL));
    assert_only_closed();
}

Test(callbacks, destroying_where_advice_is_taken_closes)
{
    assert_ok(memstore_advise(store, destroy_at_advice, NULL));
    assert_only_closed();
}

Test(callbacks, destroying_where_a_loaded_value_is_released_closes)
{
    memstore_view view;

    assert_ok(memstore_get_or_load(store, "c", 1, &released_late, &view));
    cr_assert(shows(&view, "row"));
    memstore_view_release(&view);
    assert_only_closed();
}

Test(callbacks, destroying_where_the_last_of_several_loaded_values_is_released_closes)
{
    const memstore_key keys[] = {{"c", 1}, {"d", 1}};
    memstore_view views[2];
    size_t found;

    assert_ok(memstore_get_or_load_many(store, keys, 2, &released_late, views, &found));
    cr_assert_eq(found, 2);
    memstore_view_release_many(views, 2);
    cr_assert_eq(called, 2);
    assert_status(test_set(store, "a", "2", 0), MEMSTORE_ERR_CACHE_CLOSED);
}

Test(callbacks, another_store_may_be_destroyed_in_a_callback)
{
    const memstore_key key = {"a", 1};
    memstore *const other = test_open("maintenance=manual", NULL);

    /* What is called back for one store may destroy another. */
    memstore *const first = store;
    store = other;
    assert_ok(memstore_read_many(first, &key, 1, destroy_at_values, NULL));
    store = first;
    assert_holds(store, "a", "1");
}
