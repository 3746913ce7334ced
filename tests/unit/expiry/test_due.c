/* SPDX-License-Identifier: Apache-2.0 */
#include "expiry/due.h"

#include "platform/testing.h"
#include "unit/random.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define NOW INT64_C(1000000)
#define SEGMENTS 200

static struct ms_due due;
static struct ms_segment segments[SEGMENTS];

static void open_due(void)
{
    ms_due_init(&due, 0);
    cr_assert(ms_due_reserve(&due, SEGMENTS));
    for (int i = 0; i < SEGMENTS; i++) {
        ms_store_relaxed(&segments[i].earliest, MS_NEVER);
        ms_store_relaxed(&segments[i].least_ttl, MS_TTL_UNKNOWN);
    }
}

static void close_due(void)
{
    ms_due_fini(&due);
}

TestSuite(due, .init = open_due, .fini = close_due);

static void check(void)
{
    const char *const problem = ms_due_validate(&due);

    cr_assert_null(problem, "%s", problem);
}

static int64_t earliest_of(int i)
{
    return ms_load_relaxed(&segments[i].earliest);
}

/* A time at which a segment is due for certain in which something expires at `expiry`. */
static int64_t surely_due(int64_t expiry)
{
    return expiry + (expiry - NOW) + 1000;
}

/* ---- Order ---- */

Test(due, with_nothing_noted_nothing_is_due)
{
    cr_assert_null(ms_due_next(&due, INT64_MAX - 1));
    cr_assert_null(ms_due_any_expired(&due, INT64_MAX - 1));
    cr_assert_eq(ms_due_when(&due), MS_NEVER);
    check();
}

Test(due, what_expires_first_is_due_first)
{
    ms_due_note(&due, &segments[0], NOW + 30000, NOW);
    ms_due_note(&due, &segments[1], NOW + 10000, NOW);
    ms_due_note(&due, &segments[2], NOW + 20000, NOW);
    check();
    cr_assert_null(ms_due_next(&due, NOW + 9999));
    cr_assert_eq(ms_due_next(&due, surely_due(NOW + 30000)), &segments[1]);
    ms_due_forget(&due, &segments[1]);
    cr_assert_eq(ms_due_next(&due, surely_due(NOW + 30000)), &segments[2]);
    ms_due_forget(&due, &segments[2]);
    cr_assert_eq(ms_due_next(&due, surely_due(NOW + 30000)), &segments[0]);
    check();
}

Test(due, only_an_earlier_expiry_changes_anything)
{
    ms_due_note(&due, &segments[0], NOW + 20000, NOW);
    const int64_t when = ms_due_when(&due);

    ms_due_note(&due, &segments[0], NOW + 20000, NOW);
    ms_due_note(&due, &segments[0], NOW + 30000, NOW);
    ms_due_note(&due, &segments[0], MS_NEVER, NOW);
    cr_assert_eq(earliest_of(0), NOW + 20000);
    cr_assert_eq(ms_due_when(&due), when);
    ms_due_note(&due, &segments[0], NOW + 10000, NOW);
    cr_assert_eq(earliest_of(0), NOW + 10000);
    cr_assert_lt(ms_due_when(&due), when);
    check();
}

Test(due, a_change_in_place_is_noted_like_an_append)
{
    ms_due_note_changed(&due, &segments[0], NOW + 20000, NOW);
    ms_due_note_changed(&due, &segments[0], NOW + 30000, NOW);
    cr_assert_eq(earliest_of(0), NOW + 20000);
    ms_due_note_changed(&due, &segments[0], NOW + 10000, NOW);
    cr_assert_eq(earliest_of(0), NOW + 10000);
    check();
}

Test(due, a_note_tells_whether_it_is_due_before_all_else)
{
    cr_assert(ms_due_note(&due, &segments[0], NOW + 20000, NOW));
    cr_assert_not(ms_due_note(&due, &segments[1], NOW + 20000, NOW));
    cr_assert_not(ms_due_note(&due, &segments[2], NOW + 30000, NOW));
    cr_assert(ms_due_note(&due, &segments[2], NOW + 10000, NOW));
    cr_assert_not(ms_due_note_changed(&due, &segments[0], NOW + 15000, NOW));
    cr_assert(ms_due_note_changed(&due, &segments[0], NOW + 5000, NOW));
    /* What had been first is gone: the next one is. */
    ms_due_forget(&due, &segments[0]);
    ms_due_forget(&due, &segments[2]);
    cr_assert(ms_due_note(&due, &segments[3], NOW + 19000, NOW));
}

/* ---- Slack ---- */

Test(due, a_segment_is_due_when_or_after_its_first_entry_expires)
{
    for (int64_t ttl = 1; ttl < INT64_C(1) << 40; ttl *= 2) {
        ms_due_note(&due, &segments[0], NOW + ttl, NOW);
        cr_assert_geq(ms_due_when(&due), NOW + ttl);
        cr_assert_leq(ms_due_when(&due), surely_due(NOW + ttl));
        ms_due_forget(&due, &segments[0]);
    }
}

Test(due, slack_grows_with_the_ttl_and_no_further_than_its_cap)
{
    int64_t last = 0;

    for (int64_t ttl = 1; ttl < INT64_C(1) << 40; ttl *= 2) {
        struct ms_due capped;

        ms_due_note(&due, &segments[0], NOW + ttl, NOW);
        const int64_t slack = ms_due_when(&due) - (NOW + ttl);
        cr_assert_geq(slack, last);
        last = slack;
        ms_due_forget(&due, &segments[0]);

        ms_due_init(&capped, 70);
        cr_assert(ms_due_reserve(&capped, 1));
        ms_due_note(&capped, &segments[0], NOW + ttl, NOW);
        cr_assert_leq(ms_due_when(&capped), NOW + ttl + 70);
        ms_due_forget(&capped, &segments[0]);
        ms_due_fini(&capped);
    }
    cr_assert_gt(last, 70);
}

Test(due, the_end_of_time_does_not_overflow)
{
    ms_due_note(&due, &segments[0], MS_NEVER - 1, NOW);
    cr_assert_eq(earliest_of(0), MS_NEVER - 1);
    cr_assert_gt(ms_due_when(&due), NOW);
    cr_assert_lt(ms_due_when(&due), MS_NEVER);
    check();
}

Test(due, what_had_expired_before_is_due_soon)
{
    ms_due_note(&due, &segments[0], NOW - 5000, NOW);
    cr_assert_eq(ms_due_next(&due, NOW + 1000), &segments[0]);
    check();
}

/* ---- Without slack ---- */

Test(due, any_expired_finds_what_is_not_due_yet)
{
    ms_due_note(&due, &segments[0], NOW + 100000, NOW);
    ms_due_note(&due, &segments[1], NOW + 50000, NOW);
    cr_assert_null(ms_due_any_expired(&due, NOW + 49999));
    cr_assert_eq(ms_due_any_expired(&due, NOW + 50000), &segments[1]);
    ms_due_forget(&due, &segments[1]);
    cr_assert_null(ms_due_any_expired(&due, NOW + 99999));
    cr_assert_eq(ms_due_any_expired(&due, NOW + 100000), &segments[0]);
}

/* ---- Sweeps ---- */

Test(due, a_sweep_that_leaves_nothing_takes_the_segment_out)
{
    ms_due_note(&due, &segments[0], NOW, NOW);
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_swept(&due, &segments[0], MS_NEVER, NOW);
    cr_assert_eq(earliest_of(0), MS_NEVER);
    cr_assert_eq(ms_due_when(&due), MS_NEVER);
    check();
    /* And it can come back. */
    ms_due_note(&due, &segments[0], NOW + 5, NOW);
    cr_assert_eq(ms_due_any_expired(&due, NOW + 5), &segments[0]);
    check();
}

Test(due, a_sweep_that_leaves_something_sets_the_next)
{
    ms_due_note(&due, &segments[0], NOW, NOW);
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_swept(&due, &segments[0], NOW + 70000, NOW);
    cr_assert_eq(earliest_of(0), NOW + 70000);
    cr_assert_null(ms_due_next(&due, NOW + 69999));
    cr_assert_eq(ms_due_next(&due, surely_due(NOW + 70000)), &segments[0]);
    check();
}

Test(due, what_a_sweep_has_not_come_to_is_due_at_once)
{
    ms_due_note(&due, &segments[0], NOW, NOW);
    ms_due_note(&due, &segments[1], NOW + 1, NOW);
    cr_assert_eq(ms_due_sweep_begins(&due, &segments[0]), NOW);
    ms_due_sweep_stopped(&due, &segments[0], NOW + 500);
    cr_assert_eq(earliest_of(0), NOW + 500);
    cr_assert_eq(ms_due_next(&due, surely_due(NOW)), &segments[1]);
    ms_due_forget(&due, &segments[1]);
    cr_assert_null(ms_due_next(&due, NOW + 499));
    cr_assert_eq(ms_due_next(&due, NOW + 500), &segments[0]);
    check();
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_note(&due, &segments[0], NOW + 600, NOW + 700);
    ms_due_sweep_stopped(&due, &segments[0], NOW + 700);
    cr_assert_eq(earliest_of(0), NOW + 600);
    check();
}

Test(due, what_is_noted_during_a_sweep_is_kept)
{
    ms_due_note(&due, &segments[0], NOW, NOW);
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_note(&due, &segments[0], NOW + 30000, NOW);
    ms_due_swept(&due, &segments[0], MS_NEVER, NOW);
    cr_assert_eq(earliest_of(0), NOW + 30000);

    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_note(&due, &segments[0], NOW + 30000, NOW);
    ms_due_swept(&due, &segments[0], NOW + 20000, NOW);
    cr_assert_eq(earliest_of(0), NOW + 20000);

    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_note(&due, &segments[0], NOW + 10000, NOW);
    ms_due_swept(&due, &segments[0], NOW + 20000, NOW);
    cr_assert_eq(earliest_of(0), NOW + 10000);
    check();
}

Test(due, a_segment_under_sweep_is_not_found_expired)
{
    ms_due_note(&due, &segments[0], NOW, NOW);
    ms_due_sweep_begins(&due, &segments[0]);
    cr_assert_null(ms_due_any_expired(&due, NOW + 1000000));
    ms_due_swept(&due, &segments[0], NOW, NOW);
    cr_assert_eq(ms_due_any_expired(&due, NOW), &segments[0]);
}

/* ---- Room ---- */

Test(due, there_is_room_for_as_many_as_were_reserved)
{
    struct ms_due small;

    ms_due_init(&small, 0);
    for (uint32_t count = 1; count <= SEGMENTS; count++) {
        cr_assert(ms_due_reserve(&small, count));
        ms_due_note(&small, &segments[count - 1], NOW + (int64_t)(count * 7919 % 1000), NOW);
        cr_assert_eq(small.count, count);
        cr_assert_null(ms_due_validate(&small));
    }
    ms_due_fini(&small);
}

Test(due, a_reservation_that_fails_leaves_all_as_it_was)
{
    for (int i = 0; i < 50; i++)
        ms_due_note(&due, &segments[i], NOW + 1000 * i, NOW);
    ms_testing_fail_memory(1, false);
    cr_assert_not(ms_due_reserve(&due, 100000));
    ms_testing_fail_memory(0, false);
    check();
    cr_assert_eq(ms_due_next(&due, surely_due(NOW + 50000)), &segments[0]);
    ms_testing_fail_memory(1, false);
    cr_assert(ms_due_reserve(&due, 10), "nothing is needed for that");
    ms_testing_fail_memory(0, false);
}

/* ---- Against a plain list ---- */

static int64_t plain_earliest(const int64_t earliest[SEGMENTS])
{
    int64_t first = MS_NEVER;

    for (int i = 0; i < SEGMENTS; i++)
        first = earliest[i] < first ? earliest[i] : first;
    return first;
}

Test(due, agrees_with_a_plain_list_whatever_happens)
{
    struct unit_random random = unit_random_start("due");
    int64_t earliest[SEGMENTS];
    int64_t now = NOW;

    for (int i = 0; i < SEGMENTS; i++)
        earliest[i] = MS_NEVER;
    for (int round = 0; round < 20000; round++) {
        const int i = (int)unit_random_below(&random, SEGMENTS);
        const int64_t expiry = now + (int64_t)unit_random_below(&random, 5000);

        switch (unit_random_below(&random, 4)) {
        case 0:
            ms_due_forget(&due, &segments[i]);
            earliest[i] = MS_NEVER;
            break;
        case 1:
            ms_due_sweep_begins(&due, &segments[i]);
            ms_due_swept(&due, &segments[i], expiry, now);
            earliest[i] = expiry;
            break;
        default:
            ms_due_note(&due, &segments[i], expiry, now);
            earliest[i] = expiry < earliest[i] ? expiry : earliest[i];
        }
        now += (int64_t)unit_random_below(&random, 3);
        check();
        cr_assert_eq(earliest_of(i), earliest[i]);
        const int64_t first = plain_earliest(earliest);
        cr_assert_eq(ms_due_any_expired(&due, first - 1), NULL);
        cr_assert(first == MS_NEVER || ms_due_any_expired(&due, first) != NULL);
        cr_assert_geq(ms_due_when(&due), first);
    }
}

/* ---- Several at once ---- */

static uint64_t next_note(struct unit_random *random, int64_t *expiry)
{
    *expiry = NOW + (int64_t)unit_random_below(random, 1000000);
    return unit_random_below(random, SEGMENTS);
}

static void *note_many(void *argument)
{
    struct unit_random random = {(uint64_t)(uintptr_t)argument};
    int64_t expiry;

    for (int i = 0; i < 20000; i++) {
        const uint64_t segment = next_note(&random, &expiry);
        ms_due_note(&due, &segments[segment], expiry, NOW);
    }
    return NULL;
}

Test(due, several_threads_note_at_once)
{
    struct unit_random random;
    int64_t earliest[SEGMENTS];
    pthread_t threads[2];

    for (uintptr_t i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, note_many, (void *)(i + 1)), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    check();
    for (int i = 0; i < SEGMENTS; i++)
        earliest[i] = MS_NEVER;
    for (uintptr_t thread = 1; thread <= 2; thread++) {
        random.state = thread;
        for (int i = 0; i < 20000; i++) {
            int64_t expiry;
            const uint64_t segment = next_note(&random, &expiry);
            earliest[segment] = expiry < earliest[segment] ? expiry : earliest[segment];
        }
    }
    for (int i = 0; i < SEGMENTS; i++)
        cr_assert_eq(earliest_of(i), earliest[i]);
}
