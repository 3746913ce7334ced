/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns and iteration. */
#include "support/criterion.h"
#include "stories/one_store.h"

#include <stdlib.h>

static void set_up(void)
{
    store = test_open("shards=8", NULL);
}

TestSuite(patterns, .init = set_up, .fini = destroy_store);

static uint64_t count(const char *pattern)
{
    uint64_t matched = 99;

    assert_ok(memstore_count_by_pattern(store, pattern, strlen(pattern), &matched));
    return matched;
}

static void set_keys(const char *const *keys)
{
    for (; *keys != NULL; keys++)
        assert_ok(test_set(store, *keys, "value", 0));
}

Test(patterns, a_star_does_not_stop_at_a_slash)
{
    set_keys((const char *const[]){"a/b/c", "a/b", "a", "b/a", NULL});
    cr_assert_eq(count("a*"), 3);
    cr_assert_eq(count("a/*"), 2);
    cr_assert_eq(count("*/c"), 1);
    cr_assert_eq(count("*"), 4);
    cr_assert_eq(count(""), 4);
    cr_assert_eq(count("a?b"), 1);
}

Test(patterns, sets_ranges_and_escapes)
{
    set_keys((const char *const[]){"k1", "k2", "k9", "ka", "k*", "k]", "k\\", "k-", "k^", NULL});
    cr_assert_eq(count("k[0-5]"), 2);
    cr_assert_eq(count("k[^0-9]"), 6);
    cr_assert_eq(count("k\\*"), 1);
    cr_assert_eq(count("k\\\\"), 1);
    cr_assert_eq(count("k[\\]*]"), 2);
    cr_assert_eq(count("k[a1-2]"), 3);
    cr_assert_eq(count("k[+\\-]"), 1);
    cr_assert_eq(count("[k][9]"), 1);
    cr_assert_eq(count("K*"), 0);
}

Test(patterns, a_pattern_may_hold_any_bytes)
{
    uint64_t matched;

    assert_ok(memstore_set(store, "a\0b", 3, "v", 1, 0));
    assert_ok(memstore_set(store, "a\xff", 2, "v", 1, 0));
    assert_ok(memstore_count_by_pattern(store, "a\0*", 3, &matched));
    cr_assert_eq(matched, 1);
    assert_ok(memstore_count_by_pattern(store, "a[\x80-\xff]", 6, &matched));
    cr_assert_eq(matched, 1);
    cr_assert_eq(count("a?*"), 2);
}

static int fail_key(const void *key, size_t size, void *context)
{
    (void)key;
    (void)size;
    (void)context;
    cr_assert_fail("called for a malformed pattern");
    return 0;
}

Test(patterns, a_malformed_pattern_touches_nothing)
{
    static const char *const malformed[] = {"[",   "k[", "k[a",  "k[a-", "k[^",
                                            "*\\", "\\", "k*[z", "[\\]", "[\\"};

    set_keys((const char *const[]){"k1", "k2", "other", "[", "\\", NULL});
    for (unsigned i = 0; i < TEST_COUNT_OF(malformed); i++) {
        const char *pattern = malformed[i];
        const size_t size = strlen(pattern);
        memstore_cursor *cursor = (memstore_cursor *)&cursor;
        uint64_t deleted = 77, matched;

        assert_status(memstore_delete_by_pattern(store, pattern, size, &deleted),
                      MEMSTORE_ERR_INVALID_PATTERN);
        assert_status(memstore_count_by_pattern(store, pattern, size, &matched),
                      MEMSTORE_ERR_INVALID_PATTERN);
        assert_status(memstore_keys(store, pattern, size, fail_key, NULL),
                      MEMSTORE_ERR_INVALID_PATTERN);
        assert_status(memstore_cursor_new(store, pattern, size, &cursor),
                      MEMSTORE_ERR_INVALID_PATTERN);
        cr_assert_null(cursor);
    }
    cr_assert_eq(memstore_size(store), 5);
    cr_assert_eq(test_stats(store).deletes, 0);
}

Test(patterns, delete_by_pattern_deletes_what_matches_and_nothing_else)
{
    uint64_t deleted = 0;

    set_keys((const char *const[]){"user/1", "user/2", "user", "users/1", "xuser/1", NULL});
    assert_ok(memstore_delete_by_pattern(store, "user/*", 6, &deleted));
    cr_assert_eq(deleted, 2);
    cr_assert_eq(memstore_size(store), 3);
    assert_holds(store, "users/1", "value");
    assert_holds(store, "xuser/1", "value");
    assert_ok(memstore_delete_by_pattern(store, NULL, 0, NULL));
    cr_assert_eq(memstore_size(store), 0);
}

/* Exponential matchers take longer than the universe for this. */
Test(patterns, a_pattern_bomb_takes_no_time, .timeout = 20)
{
    static char key[2001], pattern[203];

    memset(key, 'a', 2000);
    for (unsigned i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    strcpy(pattern + 200, "*b");
    assert_ok(test_set(store, key, "value", 0));
    const double start = test_now();
    cr_assert_eq(count(pattern), 0);
    pattern[201] = 'a';
    cr_assert_eq(count(pattern), 1);
    cr_assert_eq(
        count("********************************************************************************b"),
        0);
    cr_assert_eq(count("*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[0-9]"),
                 0);
    cr_assert(test_now() - start < 5);
}

Test(patterns, a_very_long_pattern_works)
{
    char *pattern = malloc(100000);

    memset(pattern, '?', 100000);
    assert_ok(memstore_set(store, pattern, 100000, "v", 1, 0));
    uint64_t matched;
    assert_ok(memstore_count_by_pattern(store, pattern, 100000, &matched));
    cr_assert_eq(matched, 1);
    assert_ok(memstore_count_by_pattern(store, pattern, 99999, &matched));
    cr_assert_eq(matched, 0);
    free(pattern);
}

/* ---- Callbacks ---- */

struct visit {
    unsigned met, stop_after;
};

/* Does to the store what would lock up if anything were locked. */
static int use_store(const void *key, size_t size, void *context)
{
    struct visit *visit = context;
    char copy[64];
    uint64_t matched;

    visit->met++;
    memcpy(copy, key, size);
    assert_ok(memstore_set(store, copy, size, "rewritten", 9, 1000));
    assert_ok(memstore_has(store, copy, size));
    assert_ok(memstore_update_ttl(store, copy, size, 5000));
    assert_ok(memstore_delete(store, copy, size));
    assert_ok(memstore_count_by_pattern(store, "*", 1, &matched));
    assert_ok(test_set(store, "from the callback", "value", 0));
    (void)memstore_size(store);
    assert_ok(memstore_maintain(store, 0));
    return visit->met == visit->stop_after;
}

Test(patterns, a_callback_may_call_the_store, .timeout = 20)
{
    struct visit visit = {0, 0};

    set_keys((const char *const[]){"k1", "k2", "k3", "k4", "k5", NULL});
    assert_ok(memstore_keys(store, "k*", 2, use_store, &visit));
    cr_assert_eq(visit.met, 5);
    cr_assert_eq(memstore_size(store), 1);
}

static int clear_store(const void *key, size_t size, void *context)
{
    (void)key;
    (void)size;
    ++*(unsigned *)context;
    assert_ok(memstore_clear(store));
    return 0;
}

Test(patterns, a_callback_may_clear_the_store, .timeout = 20)
{
    unsigned met = 0;

    set_keys((const char *const[]){"k1", "k2", "k3", "k4", "k5", NULL});
    assert_ok(memstore_keys(store, "k*", 2, clear_store, &met));
    cr_assert(met >= 1 && met <= 5);
    cr_assert_eq(memstore_size(store), 0);
}

Test(patterns, a_callback_stops_the_iteration_by_its_answer)
{
    struct visit visit = {0, 2};

    set_keys((const char *const[]){"k1", "k2", "k3", "k4", "k5", NULL});
    assert_ok(memstore_keys(store, "k*", 2, use_store, &visit));
    cr_assert_eq(visit.met, 2);
}

/* ---- The cursor ---- */

Test(patterns, iteration_survives_writes)
{
    memstore_cursor *cursor;
    memstore_key key;
    unsigned met = 0;

    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "stay/%u", i);
        assert_ok(test_set(store, name, "value", 0));
    }
    assert_ok(memstore_cursor_new(store, "stay/*", 6, &cursor));
    for (unsigned i = 0; memstore_cursor_next(cursor, &key) == MEMSTORE_OK; i++) {
        assert_ok(memstore_has(store, key.data, key.size));
        assert_ok(memstore_set(store, key.data, key.size, "other", 5, 0));
        for (unsigned k = 0; k < 20; k++) {
            const unsigned passing[2] = {i, k};
            assert_ok(memstore_set(store, passing, sizeof passing, "v", 1, 0));
        }
        met++;
    }
    cr_assert_eq(met, 1000);
    memstore_cursor_free(cursor);
}

Test(patterns, a_cursor_over_nothing_ends_at_once)
{
    memstore_cursor *cursor;
    memstore_key key;

    assert_ok(memstore_cursor_new(store, NULL, 0, &cursor));
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    memstore_cursor_free(NULL);
}

Test(patterns, a_cursor_gives_long_keys_whole)
{
    unsigned char *long_key = test_bytes(200000, 21);
    memstore_cursor *cursor;
    memstore_key key;

    assert_ok(memstore_set(store, long_key, 200000, "v", 1, 0));
    assert_ok(memstore_cursor_new(store, "", 0, &cursor));
    assert_ok(memstore_cursor_next(cursor, &key));
    cr_assert(key.size == 200000 && memcmp(key.data, long_key, 200000) == 0);
    memstore_cursor_free(cursor);
    free(long_key);
}

Test(patterns, a_cursor_meets_no_key_that_was_deleted_before_it_began)
{
    memstore_cursor *cursor;
    memstore_key key;

    set_keys((const char *const[]){"gone", "there", NULL});
    assert_ok(test_delete(store, "gone"));
    assert_ok(memstore_cursor_new(store, "*", 1, &cursor));
    assert_ok(memstore_cursor_next(cursor, &key));
    cr_assert(key.size == 5 && memcmp(key.data, "there", 5) == 0);
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
}

Test(patterns, a_cursor_ends_with_its_store)
{
    memstore_cursor *cursor;
    memstore_key key;

    set_keys((const char *const[]){"a", "b", "c", NULL});
    assert_ok(memstore_cursor_new(store, "*", 1, &cursor));
    assert_ok(memstore_cursor_next(cursor, &key));
    assert_ok(memstore_close(store));
    assert_status(memstore_cursor_next(cursor, &key), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_cursor_free(cursor);
}
