/* SPDX-License-Identifier: Apache-2.0 */
/* How late a segment may be swept, changed while segments wait to be. */
#include "expiry/due.h"

#include "unit/random.h"

#include <criterion/criterion.h>

#define SEGMENTS 100
#define HOUR INT64_C(3600000)

static struct ms_due due;
static struct ms_segment segments[SEGMENTS];

static void set_up(void)
{
    ms_due_init(&due, 0);
    cr_assert(ms_due_reserve(&due, SEGMENTS));
    /* What expires later has the longer slack; noted in no order. */
    for (unsigned i = 0; i < SEGMENTS; i++) {
        ms_store_relaxed(&segments[i].earliest, MS_NEVER);
        ms_store_relaxed(&segments[i].least_ttl, MS_TTL_UNKNOWN);
        ms_due_note(&due, &segments[i], (1 + i * 37 % SEGMENTS) * HOUR, 0);
    }
}

static void tear_down(void)
{
    ms_due_fini(&due);
}

TestSuite(slack, .init = set_up, .fini = tear_down);

/* All segments come to be due in the order of their expiry, each within `slack` after it. */
static void expect_order(int64_t slack)
{
    int64_t before = 0;

    for (unsigned i = 0; i < SEGMENTS; i++) {
        const int64_t when = ms_due_when(&due);
        struct ms_segment *segment = ms_due_next(&due, when);

        cr_assert_not_null(segment);
        cr_assert_null(ms_due_next(&due, when - 1));
        cr_assert(when >= before);
        cr_assert(when >= segment->earliest && when <= segment->earliest + slack);
        before = when;
        ms_due_forget(&due, segment);
    }
    cr_assert_eq(ms_due_when(&due), MS_NEVER);
}

Test(slack, grows_with_the_time_to_live_when_it_has_no_cap)
{
    cr_assert_eq(ms_due_when(&due), HOUR + 50 + HOUR / 100);
    expect_order(50 + HOUR);
}

Test(slack, a_cap_holds_for_what_is_waiting)
{
    ms_due_set_slack(&due, 10);
    cr_assert_eq(ms_due_when(&due), HOUR + 10);
    expect_order(10);
}

Test(slack, a_higher_cap_holds_for_what_is_noted_from_then_on)
{
    ms_due_set_slack(&due, 10);
    ms_due_set_slack(&due, 0);
    cr_assert_eq(ms_due_when(&due), HOUR + 10);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        ms_due_forget(&due, &segments[i]);
        ms_due_note(&due, &segments[i], (1 + i) * HOUR, 0);
    }
    cr_assert_eq(ms_due_when(&due), HOUR + 50 + HOUR / 100);
}

Test(slack, a_segment_that_is_being_swept_stays_where_it_is)
{
    struct ms_segment *first = ms_due_next(&due, MS_NEVER - 1);

    ms_due_sweep_begins(&due, first);
    ms_due_set_slack(&due, 10);
    ms_due_swept(&due, first, 5 * HOUR, HOUR);
    cr_assert_eq(first->due, 5 * HOUR + 10);
    cr_assert_eq(ms_due_when(&due), 2 * HOUR + 10);
}

Test(slack, an_empty_heap_takes_a_cap)
{
    for (unsigned i = 0; i < SEGMENTS; i++)
        ms_due_forget(&due, &segments[i]);
    ms_due_set_slack(&due, 10);
    cr_assert_eq(ms_due_when(&due), MS_NEVER);
    ms_due_note(&due, &segments[0], HOUR, 0);
    cr_assert_eq(ms_due_when(&due), HOUR + 10);
}

/* ---- By the least time to live in the segment ---- */

#define MINUTE INT64_C(60000)

static void empty_all(void)
{
    for (unsigned i = 0; i < SEGMENTS; i++)
        ms_due_forget(&due, &segments[i]);
}

Test(slack, what_expires_right_after_a_sweep_waits_by_its_time_to_live)
{
    empty_all();
    ms_due_note(&due, &segments[0], 10 * MINUTE, 0);
    ms_due_note(&due, &segments[0], 10 * MINUTE + 100, 100);
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_swept(&due, &segments[0], 10 * MINUTE + 100, 10 * MINUTE + 99);
    cr_assert_eq(ms_due_when(&due), 10 * MINUTE + 100 + 50 + 6000);
}

Test(slack, what_was_passed_over_is_tried_again_soon)
{
    empty_all();
    ms_due_note(&due, &segments[0], 10 * MINUTE, 0);
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_swept(&due, &segments[0], 11 * MINUTE, 11 * MINUTE);
    cr_assert_eq(ms_due_when(&due), 11 * MINUTE + 50);
}

Test(slack, a_shorter_time_to_live_counts_though_others_expire_before)
{
    empty_all();
    ms_due_note(&due, &segments[0], 10 * MINUTE, 0);
    cr_assert_eq(ms_due_when(&due), 10 * MINUTE + 50 + 6000);
    cr_assert(ms_due_note(&due, &segments[0], 10 * MINUTE + 1, 9 * MINUTE));
    cr_assert_eq(ms_due_when(&due), 10 * MINUTE + 50 + 600);
    cr_assert(ms_due_note_changed(&due, &segments[0], 10 * MINUTE + 2, 10 * MINUTE - 1000));
    cr_assert_eq(ms_due_when(&due), 10 * MINUTE + 50 + 10);
}

Test(slack, a_segment_whose_sweep_was_stopped_stays_due_at_once)
{
    empty_all();
    ms_due_note(&due, &segments[0], 10 * MINUTE, 0);
    ms_due_sweep_begins(&due, &segments[0]);
    ms_due_sweep_stopped(&due, &segments[0], 11 * MINUTE);
    ms_due_note(&due, &segments[0], 12 * MINUTE, 11 * MINUTE);
    cr_assert_eq(ms_due_when(&due), 11 * MINUTE);
}

Test(slack, what_is_moved_was_to_live_as_long_as_the_least_it_lay_with)
{
    empty_all();
    ms_due_note(&due, &segments[0], 10 * MINUTE, 0);
    ms_due_note(&due, &segments[0], 30 * MINUTE, 0);
    cr_assert_eq(ms_due_moved_since(&segments[0], 10 * MINUTE, 9 * MINUTE), 0, "not what is left");
    cr_assert_eq(ms_due_moved_since(&segments[0], 30 * MINUTE, 9 * MINUTE), 9 * MINUTE);
}

#define ENTRIES 400

struct entry {
    int64_t expiry, ttl;
    bool is_there;
};

/* Remove what has expired, as a sweep does; each in its time. Returns what expires next. */
static int64_t sweep_all(struct entry entries[ENTRIES], int64_t now)
{
    int64_t earliest = MS_NEVER;

    for (unsigned i = 0; i < ENTRIES; i++) {
        if (!entries[i].is_there)
            continue;
        if (entries[i].expiry > now) {
            earliest = entries[i].expiry < earliest ? entries[i].expiry : earliest;
            continue;
        }
        cr_assert_leq(now, entries[i].expiry + 50 + entries[i].ttl / 100, "of %lld",
                      (long long)entries[i].ttl);
        entries[i].is_there = false;
    }
    return earliest;
}

Test(slack, no_entry_waits_longer_than_its_own_time_to_live_allows)
{
    struct unit_random random = unit_random_start("slack");
    static struct entry entries[ENTRIES];

    empty_all();
    for (int64_t now = 0; now < 60 * MINUTE; now++) {
        struct entry *const entry = &entries[unit_random_below(&random, ENTRIES)];

        if (now % 50 == 0 && !entry->is_there) {
            entry->ttl = 1 + (int64_t)unit_random_below(&random, 5 * MINUTE) /
                                 (unit_random_below(&random, 1000) == 0 ? 1000 : 1);
            entry->expiry = now + entry->ttl;
            entry->is_there = true;
            ms_due_note(&due, &segments[0], entry->expiry, now);
        }
        if (ms_due_next(&due, now) == NULL)
            continue;
        ms_due_sweep_begins(&due, &segments[0]);
        ms_due_swept(&due, &segments[0], sweep_all(entries, now), now);
    }
}
