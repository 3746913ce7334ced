/* SPDX-License-Identifier: Apache-2.0 */
/* Several entries at once: all or nothing. */
#include "support/clock.h"
#include "support/criterion.h"
#include "stories/one_store.h"

#include <stdlib.h>

static void set_up(void)
{
    test_clock_start();
    store = test_open("maintenance=manual", "max_entry_size=1000", "ttl.max_ttl=1h", NULL);
}

TestSuite(batches, .init = set_up, .fini = destroy_store);

static uint64_t version_of(const char *key)
{
    memstore_view view;

    assert_ok(memstore_get_view(store, key, strlen(key), &view));
    const uint64_t version = view.version;
    memstore_view_release(&view);
    return version;
}

static int add_set(memstore_batch *batch, const char *key, const char *value)
{
    return memstore_batch_set(batch, key, strlen(key), value, strlen(value), 0);
}

Test(batches, set_many_stores_all)
{
    const memstore_entry entries[] = {test_entry("a", "1", 0), test_entry("b", "2", 50),
                                      test_entry("c", "3", 0)};

    assert_ok(memstore_set_many(store, entries, 3));
    assert_holds(store, "a", "1");
    assert_holds(store, "b", "2");
    assert_holds(store, "c", "3");
    test_clock_advance(50);
    assert_holds(store, "b", NULL);
    cr_assert_eq(test_stats(store).sets, 3);
    cr_assert_eq(memstore_size(store), 2);
}

Test(batches, one_refused_entry_refuses_all)
{
    static char large[2000];
    const memstore_entry wrong[] = {{{"x", 1}, large, sizeof large, 0},
                                    {{"x", 1}, "v", 1, -5},
                                    {{"x", 1}, "v", 1, 7200000},
                                    {{"x", 0}, "v", 1, 0},
                                    {{NULL, 1}, "v", 1, 0},
                                    {{"x", 1}, NULL, 1, 0}};
    const int statuses[] = {MEMSTORE_ERR_ENTRY_TOO_LARGE,  MEMSTORE_ERR_INVALID_TTL,
                            MEMSTORE_ERR_INVALID_TTL,      MEMSTORE_ERR_INVALID_ARGUMENT,
                            MEMSTORE_ERR_INVALID_ARGUMENT, MEMSTORE_ERR_INVALID_ARGUMENT};

    assert_ok(test_set(store, "a", "old", 0));
    for (unsigned i = 0; i < TEST_COUNT_OF(wrong); i++) {
        const memstore_entry entries[] = {test_entry("a", "new", 0), wrong[i],
                                          test_entry("b", "new", 0)};
        assert_status(memstore_set_many(store, entries, 3), statuses[i]);
        assert_holds(store, "a", "old");
        assert_holds(store, "b", NULL);
        cr_assert_eq(memstore_size(store), 1);
    }
    cr_assert_eq(test_stats(store).sets, 1);
}

Test(batches, the_later_of_two_entries_with_one_key_counts)
{
    const memstore_entry entries[] = {test_entry("a", "1", 0), test_entry("b", "2", 0),
                                      test_entry("a", "3", 0)};

    assert_ok(memstore_set_many(store, entries, 3));
    assert_holds(store, "a", "3");
    cr_assert_eq(memstore_size(store), 2);
}

Test(batches, empty_ones_do_nothing)
{
    size_t found = 9, deleted = 9;

    assert_ok(memstore_set_many(store, NULL, 0));
    assert_ok(memstore_get_many(store, NULL, 0, NULL, &found));
    cr_assert_eq(found, 0);
    assert_ok(memstore_has_many(store, NULL, 0, NULL, NULL));
    assert_ok(memstore_delete_many(store, NULL, 0, &deleted));
    cr_assert_eq(deleted, 0);
    memstore_view_release_many(NULL, 0);
    memstore_batch *batch = memstore_batch_new(store);
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
    memstore_batch_free(NULL);
}

Test(batches, get_many_keeps_the_order_of_its_keys)
{
    const memstore_key keys[] = {test_key("b"), test_key("absent"), test_key("a"), test_key("b")};
    memstore_view views[4];
    size_t found;

    assert_ok(test_set(store, "a", "1", 0));
    assert_ok(test_set(store, "b", "2", 0));
    assert_ok(memstore_get_many(store, keys, 4, views, &found));
    cr_assert_eq(found, 3);
    cr_assert(*(const char *)views[0].data == '2' && *(const char *)views[2].data == '1');
    cr_assert(views[1].data == NULL && views[1].pin == NULL);
    cr_assert_eq(views[3].version, views[0].version);
    memstore_view_release_many(views, 4);
    cr_assert_eq(test_stats(store).hits, 3);
    cr_assert_eq(test_stats(store).misses, 1);
}

/* Every third key is absent; one in twenty of those that are there is beyond its home bucket. */
static size_t ask_for(const memstore_key *keys, unsigned n)
{
    memstore_view views[256];
    unsigned char there[256];
    size_t found, present;

    assert_ok(memstore_get_many(store, keys, n, views, &found));
    assert_ok(memstore_has_many(store, keys, n, there, &present));
    cr_assert_eq(found, present);
    for (unsigned i = 0; i < n; i++) {
        const bool absent = i % 3 == 0;

        cr_assert_eq(there[i], !absent, "key %u of %u", i, n);
        cr_assert_eq(views[i].data == NULL, absent, "key %u of %u", i, n);
        cr_assert(absent || memcmp(views[i].data, keys[i].data, keys[i].size) == 0);
    }
    memstore_view_release_many(views, n);
    return found;
}

Test(batches, reads_of_any_number_of_keys_answer_each_key)
{
    enum { N = 256, OTHERS = 20000 };
    uint64_t numbers[N];
    memstore_key keys[N];

    for (uint64_t i = 0; i < OTHERS; i++)
        assert_ok(memstore_set(store, &i, sizeof i, "", 0, 0));
    for (unsigned i = 0; i < N; i++) {
        numbers[i] = OTHERS + i;
        keys[i] = (memstore_key){&numbers[i], sizeof numbers[i]};
        if (i % 3 != 0)
            assert_ok(memstore_set(store, keys[i].data, sizeof numbers[i], keys[i].data,
                                   sizeof numbers[i], i % 2 == 0 ? 0 : 1000));
    }
    for (unsigned n = 1; n <= N; n++)
        cr_assert_eq(ask_for(keys, n), n - (n + 2) / 3);
}

Test(batches, an_empty_key_makes_the_whole_read_fail_and_leaves_no_view)
{
    const memstore_key keys[] = {test_key("a"), {"", 0}};
    memstore_view views[2];
    unsigned char there[2];

    assert_ok(test_set(store, "a", "1", 0));
    memset(views, 0xee, sizeof views);
    assert_status(memstore_get_many(store, keys, 2, views, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert(views[0].data == NULL && views[0].pin == NULL && views[1].pin == NULL);
    assert_status(memstore_has_many(store, keys, 2, there, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_delete_many(store, keys, 2, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_holds(store, "a", "1");
}

Test(batches, thousands_of_entries_fit_one_batch)
{
    enum { N = 20000 };
    memstore_entry *entries = calloc(N, sizeof *entries);
    memstore_key *keys = calloc(N, sizeof *keys);
    memstore_view *views = calloc(N, sizeof *views);
    unsigned *numbers = calloc(N, sizeof *numbers);
    size_t found, deleted;

    for (unsigned i = 0; i < N; i++) {
        numbers[i] = i;
        keys[i] = (memstore_key){&numbers[i], sizeof numbers[i]};
        entries[i] = (memstore_entry){keys[i], &numbers[i], sizeof numbers[i], 0};
    }
    assert_ok(memstore_set_many(store, entries, N));
    assert_ok(memstore_get_many(store, keys, N, views, &found));
    cr_assert_eq(found, N);
    for (unsigned i = 0; i < N; i++)
        cr_assert(views[i].size == sizeof i && memcmp(views[i].data, &i, sizeof i) == 0);
    memstore_view_release_many(views, N);
    assert_ok(memstore_delete_many(store, keys, N, &deleted));
    cr_assert(deleted == N && memstore_size(store) == 0);
    free(entries);
    free(keys);
    free(views);
    free(numbers);
}

/* ---- memstore_batch ---- */

Test(batches, a_batch_mixes_operations_and_conditions)
{
    memstore_batch *batch = memstore_batch_new(store);
    int64_t ttl;

    assert_ok(test_set(store, "changed", "old", 0));
    assert_ok(test_set(store, "removed", "old", 0));
    assert_ok(test_set(store, "retimed", "old", 0));
    assert_ok(memstore_batch_expect_version(batch, "changed", 7, version_of("changed")));
    assert_ok(memstore_batch_expect_absent(batch, "created", 7));
    assert_ok(add_set(batch, "changed", "new"));
    assert_ok(add_set(batch, "created", "new"));
    assert_ok(memstore_batch_delete(batch, "removed", 7));
    assert_ok(memstore_batch_delete(batch, "never there", 11));
    assert_ok(memstore_batch_update_ttl(batch, "retimed", 7, 1234));
    cr_assert_eq(memstore_size(store), 3, "nothing is applied before the commit");
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "changed", "new");
    assert_holds(store, "created", "new");
    assert_holds(store, "removed", NULL);
    assert_ok(memstore_get_ttl(store, "retimed", 7, &ttl));
    cr_assert_eq(ttl, 1234);
    memstore_batch_free(batch);
}

Test(batches, a_condition_that_does_not_hold_changes_nothing)
{
    memstore_batch *batch = memstore_batch_new(store);
    int64_t ttl;

    assert_ok(test_set(store, "a", "old", 0));
    assert_ok(test_set(store, "retimed", "old", 5000));
    const uint64_t version = version_of("a"), untouched = version_of("retimed");
    assert_ok(add_set(batch, "b", "new"));
    assert_ok(memstore_batch_update_ttl(batch, "retimed", 7, 1234));
    assert_ok(memstore_batch_expect_version(batch, "a", 1, version));
    assert_ok(test_set(store, "a", "other", 0));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_VERSION_MISMATCH);
    assert_holds(store, "a", "other");
    assert_holds(store, "b", NULL);
    assert_ok(memstore_get_ttl(store, "retimed", 7, &ttl));
    cr_assert_eq(ttl, 5000);
    cr_assert_eq(version_of("retimed"), untouched);
    memstore_batch_free(batch);

    batch = memstore_batch_new(store);
    assert_ok(memstore_batch_delete(batch, "b", 1));
    assert_ok(add_set(batch, "c", "new"));
    assert_ok(memstore_batch_expect_absent(batch, "a", 1));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_KEY_EXISTS);
    assert_holds(store, "c", NULL);
    memstore_batch_free(batch);
    cr_assert_eq(test_stats(store).rejected_condition, 2);
}

Test(batches, a_refused_batch_may_be_tried_again_and_a_committed_one_is_empty)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "a", "there", 0));
    assert_ok(memstore_batch_expect_absent(batch, "a", 1));
    assert_ok(add_set(batch, "b", "new"));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_KEY_EXISTS);
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_KEY_EXISTS);
    assert_ok(test_delete(store, "a"));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "b", "new");
    assert_ok(test_delete(store, "b"));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "b", NULL);
    assert_ok(add_set(batch, "c", "again"));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "c", "again");
    memstore_batch_free(batch);
}

Test(batches, a_batch_keeps_copies_of_keys_and_values)
{
    memstore_batch *batch = memstore_batch_new(store);
    char key[4] = "key", value[6] = "value";

    assert_ok(add_set(batch, key, value));
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "key", "value");
    cr_assert_eq(memstore_size(store), 1);
    memstore_batch_free(batch);
}

Test(batches, update_ttl_in_a_batch_needs_its_entry)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(add_set(batch, "a", "new"));
    assert_ok(memstore_batch_update_ttl(batch, "absent", 6, 1000));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_holds(store, "a", NULL);
    memstore_batch_free(batch);
}

Test(batches, the_last_operation_on_a_key_counts)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "kept", "old", 0));
    assert_ok(memstore_batch_delete(batch, "kept", 4));
    assert_ok(add_set(batch, "kept", "new"));
    assert_ok(add_set(batch, "gone", "first"));
    assert_ok(memstore_batch_delete(batch, "gone", 4));
    assert_ok(add_set(batch, "twice", "first"));
    assert_ok(add_set(batch, "twice", "second"));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "kept", "new");
    assert_holds(store, "gone", NULL);
    assert_holds(store, "twice", "second");
    memstore_batch_free(batch);
}

static int64_t ttl_of(const char *key)
{
    int64_t ttl_ms;

    assert_ok(memstore_get_ttl(store, key, strlen(key), &ttl_ms));
    return ttl_ms;
}

/* Of what the batch itself sets, too, whatever is there. */
Test(batches, a_change_of_ttl_is_of_what_is_set_before_it)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "there", "old", 0));
    assert_ok(add_set(batch, "new", "1"));
    assert_ok(memstore_batch_update_ttl(batch, "new", 3, 4000));
    assert_ok(add_set(batch, "there", "first"));
    assert_ok(add_set(batch, "there", "second"));
    assert_ok(memstore_batch_update_ttl(batch, "there", 5, 5000));
    assert_ok(memstore_batch_update_ttl(batch, "there", 5, 6000));
    assert_ok(add_set(batch, "set last", "first"));
    assert_ok(memstore_batch_update_ttl(batch, "set last", 8, 7000));
    assert_ok(memstore_batch_set(batch, "set last", 8, "second", 6, 8000));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "new", "1");
    cr_assert_eq(ttl_of("new"), 4000);
    assert_holds(store, "there", "second");
    cr_assert_eq(ttl_of("there"), 6000);
    assert_holds(store, "set last", "second");
    cr_assert_eq(ttl_of("set last"), 8000);
    cr_assert_eq(test_stats(store).sets, 4);
    memstore_batch_free(batch);
}

Test(batches, version_zero_expects_absence)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(memstore_batch_expect_version(batch, "a", 1, 0));
    assert_ok(add_set(batch, "a", "first"));
    assert_ok(memstore_batch_commit(batch));
    assert_ok(memstore_batch_expect_version(batch, "a", 1, 0));
    assert_ok(add_set(batch, "a", "second"));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_VERSION_MISMATCH);
    assert_holds(store, "a", "first");
    memstore_batch_free(batch);
}

Test(batches, an_expired_entry_counts_as_absent)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "a", "old", 10));
    const uint64_t version = version_of("a");
    test_clock_advance(10);
    assert_ok(memstore_batch_expect_version(batch, "a", 1, version));
    assert_status(memstore_batch_commit(batch), MEMSTORE_ERR_VERSION_MISMATCH);
    memstore_batch_free(batch);
    batch = memstore_batch_new(store);
    assert_ok(memstore_batch_expect_absent(batch, "a", 1));
    assert_ok(add_set(batch, "a", "new"));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "a", "new");
    memstore_batch_free(batch);
}

Test(batches, a_batch_too_large_for_the_store_is_refused_whole)
{
    memstore *small = test_open("performance.memory_limit=1MiB", "maintenance=manual", NULL);
    memstore_entry entries[40];
    unsigned char *value = test_bytes(60000, 31);
    unsigned numbers[40];

    assert_ok(test_set(small, "old", "value", 0));
    for (unsigned i = 0; i < 40; i++) {
        numbers[i] = i;
        entries[i] = (memstore_entry){{&numbers[i], sizeof numbers[i]}, value, 60000, 0};
    }
    assert_status(memstore_set_many(small, entries, 40), MEMSTORE_ERR_ENTRY_TOO_LARGE);
    cr_assert_eq(test_stats(small).rejected_too_large, 1);
    for (unsigned i = 0; i < 40; i++)
        assert_status(memstore_has(small, &i, sizeof i), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_set_many(small, entries, 3));
    free(value);
    memstore_destroy(small);
}

/* ---- What a batch was refused for ---- */

static void assert_refused(memstore_batch *batch, int status, size_t number, const char *key)
{
    memstore_key told;
    size_t at;

    assert_status(memstore_batch_commit(batch), status);
    assert_ok(memstore_batch_refused(batch, &at, &told));
    cr_assert_eq(at, number);
    cr_assert_eq(told.size, strlen(key));
    cr_assert_arr_eq(told.data, key, told.size);
    assert_ok(memstore_batch_refused(batch, NULL, NULL));
}

Test(batches, what_was_refused_may_be_added_again_by_the_key_that_was_told)
{
    static const char value[900];
    memstore *wiping = test_open("maintenance=manual", "secure_wipe=true", NULL);
    memstore_batch *batch = memstore_batch_new(wiping);
    memstore_key told;

    assert_ok(memstore_set(wiping, "there", 5, "1", 1, MEMSTORE_TTL_NONE));
    assert_ok(memstore_batch_expect_absent(batch, "there", 5));
    assert_refused(batch, MEMSTORE_ERR_KEY_EXISTS, 0, "there");
    assert_ok(memstore_batch_refused(batch, NULL, &told));
    assert_ok(memstore_delete(wiping, "there", 5));
    /* For which the batch takes more memory. */
    assert_ok(memstore_batch_set(batch, told.data, told.size, value, sizeof value, 0));
    assert_ok(memstore_batch_commit(batch));
    assert_ok(memstore_has(wiping, "there", 5));
    cr_assert_eq(memstore_size(wiping), 1);
    memstore_batch_free(batch);
    memstore_destroy(wiping);
}

Test(batches, the_first_condition_that_did_not_hold_is_told)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(memstore_set(store, "there", 5, "1", 1, MEMSTORE_TTL_NONE));
    for (char key = 'a'; key < 'k'; key++)
        assert_ok(memstore_batch_expect_absent(batch, &key, 1));
    assert_status(memstore_batch_refused(batch, NULL, NULL), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_batch_set(batch, "k", 1, "value", 5, MEMSTORE_TTL_NONE));
    assert_ok(memstore_batch_expect_absent(batch, "there", 5));
    assert_ok(memstore_batch_expect_version(batch, "there", 5, 0));
    assert_ok(memstore_batch_expect_version(batch, "absent", 6, 7));
    assert_refused(batch, MEMSTORE_ERR_KEY_EXISTS, 11, "there");
    assert_ok(memstore_delete(store, "there", 5));
    assert_refused(batch, MEMSTORE_ERR_VERSION_MISMATCH, 13, "absent");
    memstore_batch_free(batch);
}

/* Wherever it stands among them: a change of TTL that meets nothing is not a condition. */
Test(batches, a_condition_is_told_before_a_ttl_that_cannot_be_changed)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(memstore_set(store, "there", 5, "1", 1, MEMSTORE_TTL_NONE));
    assert_ok(memstore_batch_update_ttl(batch, "first", 5, 1000));
    assert_ok(memstore_batch_expect_absent(batch, "there", 5));
    assert_ok(memstore_batch_update_ttl(batch, "second", 6, 1000));
    assert_refused(batch, MEMSTORE_ERR_KEY_EXISTS, 1, "there");
    assert_ok(memstore_delete(store, "there", 5));
    assert_refused(batch, MEMSTORE_ERR_KEY_NOT_FOUND, 0, "first");
    assert_ok(memstore_set(store, "first", 5, "1", 1, MEMSTORE_TTL_NONE));
    assert_refused(batch, MEMSTORE_ERR_KEY_NOT_FOUND, 2, "second");
    memstore_batch_free(batch);
}

Test(batches, a_change_of_ttl_of_what_is_deleted_before_it_is_told)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "there", "1", 0));
    assert_ok(add_set(batch, "there", "2"));
    assert_ok(memstore_batch_delete(batch, "there", 5));
    assert_ok(memstore_batch_update_ttl(batch, "there", 5, 1000));
    assert_refused(batch, MEMSTORE_ERR_KEY_NOT_FOUND, 2, "there");
    assert_holds(store, "there", "1");
    assert_ok(add_set(batch, "there", "3"));
    assert_ok(memstore_batch_commit(batch));
    assert_holds(store, "there", "3");
    memstore_batch_free(batch);
}

Test(batches, a_change_of_ttl_of_what_has_just_run_out_tells_so)
{
    memstore_batch *batch = memstore_batch_new(store);

    assert_ok(test_set(store, "late", "1", 10));
    test_clock_advance(10);
    assert_status(memstore_update_ttl(store, "late", 4, 1000), MEMSTORE_ERR_TTL_EXPIRED);
    assert_ok(add_set(batch, "other", "1"));
    assert_ok(memstore_batch_update_ttl(batch, "late", 4, 1000));
    assert_refused(batch, MEMSTORE_ERR_TTL_EXPIRED, 1, "late");
    assert_holds(store, "other", NULL);
    memstore_batch_free(batch);
}

Test(batches, an_operation_that_cannot_be_done_is_told)
{
    memstore_batch *batch = memstore_batch_new(store);
    memstore_key key;

    assert_ok(memstore_batch_set(batch, "fine", 4, "", 0, 1000));
    assert_ok(memstore_batch_update_ttl(batch, "absent", 6, 1000));
    assert_refused(batch, MEMSTORE_ERR_KEY_NOT_FOUND, 1, "absent");
    assert_ok(memstore_batch_set(batch, "negative", 8, "", 0, -5));
    assert_status(memstore_batch_refused(batch, NULL, NULL), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_refused(batch, MEMSTORE_ERR_INVALID_TTL, 2, "negative");
    memstore_batch_free(batch);

    batch = memstore_batch_new(store);
    assert_ok(memstore_batch_delete(batch, "absent", 6));
    assert_ok(memstore_batch_commit(batch));
    assert_status(memstore_batch_refused(batch, NULL, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_batch_refused(NULL, NULL, &key), MEMSTORE_ERR_INVALID_ARGUMENT);
    memstore_batch_free(batch);
}
