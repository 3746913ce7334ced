/* SPDX-License-Identifier: Apache-2.0 */
#include "eviction/ghost.h"

#include "unit/random.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define MIB ((uint64_t)1 << 20)
#define RANGE (4 * MIB)

static struct ms_budget budget;
static struct ms_pages pages;
static struct ms_ghost ghost;
static char *base;

static void open_ghost(void)
{
    budget = (struct ms_budget){.limit = RANGE};
    base = ms_mem_reserve(RANGE);
    cr_assert(base != NULL &&
              ms_pages_init(&pages, &budget, base, RANGE / MS_PAGE_SIZE, MS_PAGE_SHIFT, false));
    ms_store_relaxed(&ghost.table, NULL);
}

static void close_ghost(void)
{
    ms_pages_fini(&pages);
    ms_mem_unreserve(base, RANGE);
}

TestSuite(ghost, .init = open_ghost, .fini = close_ghost);

static void resize(uint64_t keys)
{
    struct ms_ghost_table *old = NULL;

    cr_assert(ms_ghost_resize(&ghost, &pages, keys, 0, &old));
    if (old != NULL)
        ms_pages_free(&pages, old, old->bytes);
}

static uint64_t hash_of(uint64_t key)
{
    struct unit_random random = {key * UINT64_C(0x1234567)};

    return unit_random_next(&random);
}

static bool knows(uint64_t hash)
{
    return ms_ghost_take(&ghost, hash).kind != MS_GHOST_NONE;
}

/* How many of these keys are remembered; they are forgotten by that. */
static unsigned take(uint64_t from, uint64_t to)
{
    unsigned taken = 0;

    for (uint64_t key = from; key < to; key++)
        taken += knows(hash_of(key));
    return taken;
}

Test(ghost, without_a_table_remembers_nothing)
{
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_UNUSED);
    cr_assert_not(knows(hash_of(1)));
    cr_assert(ms_ghost_needs_resize(&ghost, 1));
}

Test(ghost, remembers_a_key_until_it_is_asked)
{
    resize(1000);
    cr_assert_not(knows(hash_of(1)));
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_UNUSED);
    cr_assert_not(knows(hash_of(2)));
    cr_assert(knows(hash_of(1)));
    cr_assert_not(knows(hash_of(1)));
}

Test(ghost, remembers_every_hash)
{
    /* Whatever its bits: none looks like an empty cell. */
    resize(1000);
    for (unsigned bit = 0; bit <= 64; bit++) {
        const uint64_t hash = bit < 64 ? UINT64_C(1) << bit : 0;

        cr_assert_not(knows(hash));
        ms_ghost_insert(&ghost, hash, MS_GHOST_UNUSED);
        cr_assert(knows(hash));
        cr_assert_not(knows(~hash));
        ms_ghost_insert(&ghost, ~hash, MS_GHOST_UNUSED);
        cr_assert(knows(~hash));
    }
}

Test(ghost, remembers_about_as_many_keys_as_it_is_made_for)
{
    const uint64_t keys = 10000;

    resize(keys);
    for (uint64_t key = 0; key < 10 * keys; key++)
        ms_ghost_insert(&ghost, hash_of(key), MS_GHOST_UNUSED);
    /* Of the newest half nearly all; of what is twice as old as it holds nearly none, but for
     * fingerprints that agree by chance. */
    cr_assert_gt(take(10 * keys - keys / 2, 10 * keys), keys / 2 * 95 / 100);
    cr_assert_lt(take(7 * keys, 8 * keys), keys / 20);
}

Test(ghost, seldom_takes_a_stranger_for_an_acquaintance)
{
    const uint64_t keys = 10000;

    resize(keys);
    for (uint64_t key = 0; key < keys; key++)
        ms_ghost_insert(&ghost, hash_of(key), MS_GHOST_UNUSED);
    /* 31 fingerprints of 14 bits in a set: 1 in 528. */
    cr_assert_lt(take(1000000, 1100000), 100000 / 400);
}

Test(ghost, tells_where_a_key_was_evicted_from)
{
    resize(1000);
    for (uint64_t key = 0; key < 300; key++)
        ms_ghost_insert(&ghost, hash_of(key),
                        (enum ms_ghost_kind)(MS_GHOST_UNUSED + key % (MS_GHOST_KINDS - 1)));
    unsigned right = 0;
    for (uint64_t key = 0; key < 300; key++)
        right += ms_ghost_take(&ghost, hash_of(key)).kind ==
                 (enum ms_ghost_kind)(MS_GHOST_UNUSED + key % (MS_GHOST_KINDS - 1));
    /* But for fingerprints that agree by chance. */
    cr_assert_gt(right, 290);
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_NONE);
    cr_assert_not(knows(hash_of(1)), "that is no place: it is not remembered");
}

Test(ghost, tells_who_was_evicted_just_now)
{
    const uint64_t keys = 10000;
    unsigned late = 0, early = 0;

    resize(keys);
    for (uint64_t key = 0; key < 4 * keys; key++)
        ms_ghost_insert(&ghost, hash_of(key), MS_GHOST_MAIN);
    for (uint64_t key = 4 * keys - keys / 50; key < 4 * keys; key++)
        late += ms_ghost_take(&ghost, hash_of(key)).age < MS_GHOST_RECENT;
    for (uint64_t key = 4 * keys - keys / 2; key < 4 * keys - keys / 4; key++)
        early += ms_ghost_take(&ghost, hash_of(key)).age < MS_GHOST_RECENT;
    cr_assert_gt(late, keys / 50 * 90 / 100);
    cr_assert_lt(early, keys / 4 * 10 / 100);
}

Test(ghost, has_to_be_resized_when_the_number_of_keys_has_changed_much)
{
    resize(10000);
    cr_assert_not(ms_ghost_needs_resize(&ghost, 10000));
    cr_assert_not(ms_ghost_needs_resize(&ghost, 11000));
    cr_assert_not(ms_ghost_needs_resize(&ghost, 9000));
    cr_assert(ms_ghost_needs_resize(&ghost, 40000));
    cr_assert(ms_ghost_needs_resize(&ghost, 1000));
    resize(40000);
    cr_assert_not(ms_ghost_needs_resize(&ghost, 40000));
    resize(0);
    cr_assert_not(ms_ghost_needs_resize(&ghost, 0));
}

/* Of so many keys that one table knew, those that the next one knows in percent. */
static unsigned percent_taken_over(uint64_t keys, uint64_t resized)
{
    resize(keys);
    for (uint64_t key = 0; key < keys; key++)
        ms_ghost_insert(&ghost, hash_of(key), MS_GHOST_MAIN);
    const unsigned before = take(0, keys);
    for (uint64_t key = 0; key < keys; key++)
        ms_ghost_insert(&ghost, hash_of(key), MS_GHOST_MAIN);
    resize(resized);
    return take(0, keys) * 100 / before;
}

Test(ghost, a_new_table_knows_most_of_what_the_old_one_knew)
{
    cr_assert_gt(percent_taken_over(10000, 16000), 75);
    cr_assert_gt(percent_taken_over(10000, 40000), 90);
    cr_assert_gt(percent_taken_over(10000, 4000), 30, "as many as it has room for");
}

Test(ghost, a_new_table_knows_how_long_ago_a_key_was_evicted)
{
    resize(1000);
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_USED_ONCE);
    for (uint64_t key = 1000; key < 1500; key++)
        ms_ghost_insert(&ghost, hash_of(key), MS_GHOST_UNUSED);
    ms_ghost_insert(&ghost, hash_of(2), MS_GHOST_USED_ONCE);
    resize(4000);
    const struct ms_ghost_trace first = ms_ghost_take(&ghost, hash_of(1));
    const struct ms_ghost_trace last = ms_ghost_take(&ghost, hash_of(2));
    cr_assert_eq(last.kind, MS_GHOST_USED_ONCE);
    cr_assert_eq(last.age, 0);
    cr_assert_eq(first.kind, MS_GHOST_USED_ONCE);
    cr_assert_gt(first.age, 5);
}

Test(ghost, a_very_large_table_begins_empty)
{
    const uint64_t range = 64 * MIB;

    close_ghost();
    budget = (struct ms_budget){.limit = range};
    base = ms_mem_reserve(range);
    cr_assert(base != NULL &&
              ms_pages_init(&pages, &budget, base, range / MS_PAGE_SIZE, MS_PAGE_SHIFT, false));
    resize(1000);
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_MAIN);
    resize(12 * MIB);
    cr_assert_not(knows(hash_of(1)));
    ms_pages_fini(&pages);
    ms_mem_unreserve(base, range);
    ms_store_relaxed(&ghost.table, NULL);
    open_ghost();
}

Test(ghost, the_old_table_is_handed_back)
{
    struct ms_ghost_table *first = NULL;
    struct ms_ghost_table *second = NULL;

    cr_assert(ms_ghost_resize(&ghost, &pages, 1000, 0, &first));
    cr_assert_null(first);
    const struct ms_ghost_table *const table = ms_load_relaxed(&ghost.table);
    cr_assert(ms_ghost_resize(&ghost, &pages, 5000, 0, &second));
    cr_assert_eq(second, table);
    ms_pages_free(&pages, second, second->bytes);
    ms_pages_free(&pages, ms_load_relaxed(&ghost.table), ms_load_relaxed(&ghost.table)->bytes);
    cr_assert_eq(ms_budget_charged(&budget), 0);
}

Test(ghost, when_there_is_no_memory_the_old_table_goes_on)
{
    struct ms_ghost_table *old = NULL;

    resize(1000);
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_UNUSED);
    const uint64_t charged = ms_budget_charged(&budget);
    cr_assert_not(ms_ghost_resize(&ghost, &pages, 10 * RANGE, 0, &old));
    cr_assert_not(ms_ghost_resize(&ghost, &pages, 1000, RANGE, &old), "that is to be spared");
    cr_assert_not(ms_ghost_resize(&ghost, &pages, UINT64_MAX / 2, 0, &old));
    cr_assert_null(old);
    cr_assert_eq(ms_budget_charged(&budget), charged);
    cr_assert(knows(hash_of(1)));
}

static void *insert_and_take(void *argument)
{
    struct unit_random random = {(uint64_t)(uintptr_t)argument};

    for (int i = 0; i < 100000; i++) {
        const uint64_t hash = unit_random_next(&random);
        ms_ghost_insert(&ghost, hash, MS_GHOST_UNUSED);
        ms_ghost_take(&ghost, hash);
    }
    return NULL;
}

Test(ghost, several_threads_may_use_it_at_once)
{
    pthread_t threads[2];

    resize(100);
    for (uintptr_t i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, insert_and_take, (void *)(i + 1)), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    ms_ghost_insert(&ghost, hash_of(1), MS_GHOST_UNUSED);
    cr_assert(knows(hash_of(1)));
}

Test(ghost, of_small_entries_fewer_are_remembered)
{
    const uint64_t entries = 1000;

    cr_assert_eq(ms_ghost_keys(entries, 200, 1000 * entries), 2000);
    cr_assert_eq(ms_ghost_keys(entries, 200, 50 * entries), 50 * entries / 32 / 2);
    cr_assert_leq(ms_ghost_bytes(ms_ghost_keys(100000, 200, 5000000)), 5000000 / 32 * 11 / 10);
}
