/* SPDX-License-Identifier: Apache-2.0 */
/* What the adaptive policy learns, and what follows from it. */
#include "eviction/eviction.h"

#include "unit/random.h"
#include "unit/room.h"

#define LIMIT ((uint64_t)4 << 20)
#define KEYS 3000 /* that the ghost is made for */

static struct ms_eviction eviction;
static struct ms_arena *arena;
static struct ms_segment *new_segment, *main_segment;
static uint64_t next_key;
static uint64_t charged_apart; /* as if other segments were in use */
static bool asked;             /* what is written was missed by a read before */

/* A sealed segment with a few entries. */
static struct ms_segment *seal_segment(enum ms_queue queue)
{
    const struct ms_placement placement = room_placement(queue);
    struct ms_reserved reserved;

    for (int i = 0; i < 5; i++)
        cr_assert(room_write(arena, &placement, 500, &reserved));
    ms_arena_seal_open(arena);
    return reserved.segment;
}

static void open_policy(void)
{
    arena = room_open(LIMIT);
    charged_apart = 0;
    asked = true;
    ms_eviction_init(&eviction, &ms_policy_adaptive, MS_GOAL_HITS, arena);
    eviction.keys = KEYS * 100 / ms_policy_adaptive.ghost_percent;
    new_segment = seal_segment(MS_QUEUE_NEW);
    main_segment = seal_segment(MS_QUEUE_MAIN);
}

static void empty(void)
{
    ms_sub_relaxed(&arena->budget.charged, charged_apart);
    charged_apart = 0;
}

/* So much of the limit is free. */
static void fill(uint64_t but)
{
    empty();
    charged_apart = LIMIT - but - ms_budget_charged(&arena->budget);
    ms_add_relaxed(&arena->budget.charged, charged_apart);
}

static void close_policy(void)
{
    empty();
    room_close(arena);
}

TestSuite(adaptive, .init = open_policy, .fini = close_policy);

/* There is one once the store is full. */
static void make_ghost(void)
{
    struct ms_ghost_table *old = NULL;

    empty();
    cr_assert(ms_ghost_resize(&eviction.ghost, &arena->pages, KEYS, 0, &old));
    if (old != NULL)
        ms_pages_free(&arena->pages, old, old->bytes);
    fill(0);
}

static uint64_t hash_of(uint64_t key)
{
    struct unit_random random = {key * UINT64_C(0x1234567)};

    return unit_random_next(&random);
}

static enum ms_queue queue_of_size(uint64_t hash, uint64_t size, const struct ms_segment *old)
{
    struct ms_subject entry = {.hash = hash, .size = size};

    return ms_policy_adaptive.queue_for(&eviction, &entry, old);
}

static enum ms_queue queue_for(uint64_t hash, const struct ms_segment *old)
{
    return queue_of_size(hash, 500, old);
}

static struct ms_verdict judge(const struct ms_segment *segment, uint64_t hash, uint64_t size,
                               unsigned access)
{
    const struct ms_subject entry = {.hash = hash, .size = size, .access = access};

    return ms_policy_adaptive.judge(&eviction, segment, &entry);
}

static enum ms_ghost_kind evict_entry(const struct ms_segment *from, const struct ms_subject *entry)
{
    const enum ms_ghost_kind kind = ms_policy_adaptive.drop(&eviction, from, entry);

    ms_ghost_insert(&eviction.ghost, entry->hash, kind);
    return kind;
}

static enum ms_ghost_kind evict(const struct ms_segment *from, unsigned access, uint64_t hash)
{
    const struct ms_subject entry = {.hash = hash, .size = 500, .access = access};

    return evict_entry(from, &entry);
}

/* Drop `count` new keys of entries like this one, of which `percent` come back at once. */
static void drop_like(const struct ms_segment *from, struct ms_subject entry, int count,
                      int percent)
{
    for (int i = 0; i < count; i++) {
        entry.hash = hash_of(next_key++);
        evict_entry(from, &entry);
        eviction.misses += asked;
        if (i % 100 < percent)
            queue_of_size(entry.hash, entry.size, NULL);
    }
}

static void drop_some(const struct ms_segment *from, unsigned access, int count, int percent)
{
    drop_like(from, (struct ms_subject){.size = 500, .access = access}, count, percent);
}

static double share_after(int small_percent, int main_percent, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        drop_some(new_segment, 0, KEYS / 20, small_percent);
        drop_some(main_segment, 0, KEYS / 20, main_percent);
        cr_assert_not_null(ms_policy_adaptive.victim(&eviction));
    }
    return eviction.learned.small_share;
}

Test(adaptive, until_the_store_is_full_everything_goes_to_the_main_queue)
{
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_MAIN);
    make_ghost();
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_NEW);
}

Test(adaptive, a_store_that_was_emptied_is_to_be_filled_first)
{
    make_ghost();
    fill(LIMIT / 4);
    cr_expect_eq(queue_for(hash_of(1), NULL), MS_QUEUE_NEW, "a large entry may have gone");
    fill(LIMIT / 2);
    cr_expect_eq(queue_for(hash_of(1), NULL), MS_QUEUE_MAIN);
    fill(LIMIT / 4);
    cr_expect_eq(queue_for(hash_of(1), NULL), MS_QUEUE_MAIN, "it is not full again yet");
    fill(LIMIT / 16);
    cr_expect_eq(queue_for(hash_of(1), NULL), MS_QUEUE_NEW);
}

Test(adaptive, an_overwrite_stays_in_its_queue)
{
    make_ghost();
    cr_assert_eq(queue_for(hash_of(1), new_segment), MS_QUEUE_NEW);
    cr_assert_eq(queue_for(hash_of(1), main_segment), MS_QUEUE_MAIN);
}

Test(adaptive, who_comes_back_to_where_the_small_queue_dropped_it_goes_to_the_main_one)
{
    make_ghost();
    cr_assert_eq(evict(new_segment, 0, hash_of(1)), MS_GHOST_UNUSED);
    cr_assert_eq(evict(new_segment, 1, hash_of(2)), MS_GHOST_USED_ONCE);
    cr_assert_eq(evict(new_segment, 2, hash_of(3)), MS_GHOST_USED_OFTEN);
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_MAIN);
    cr_assert_eq(queue_for(hash_of(2), NULL), MS_QUEUE_MAIN);
    cr_assert_eq(queue_for(hash_of(3), NULL), MS_QUEUE_MAIN);
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_NEW, "it comes back once");
}

/* Keys are dropped, and each comes back when so many others have been, over some turns; the small
 * queue's share stays. */
static void let_return_late(const struct ms_segment *from, uint64_t away)
{
    for (uint64_t i = 0; i < 10 * KEYS; i++) {
        evict(from, 0, hash_of(next_key++));
        eviction.misses++;
        if (next_key > away)
            queue_for(hash_of(next_key - away), NULL);
        eviction.learned.small_share = MS_SMALL_SHARE_AT_FIRST;
        ms_policy_adaptive.victim(&eviction);
    }
}

/* Where a key goes that comes back after so many others, with an entry of this size. */
static enum ms_queue queue_of_size_after(const struct ms_segment *from, uint64_t away,
                                         uint64_t size)
{
    const struct ms_subject entry = {.hash = hash_of(next_key++), .size = size};

    evict_entry(from, &entry);
    for (uint64_t i = 0; i < away; i++)
        ms_ghost_insert(&eviction.ghost, hash_of(next_key++), MS_GHOST_UNUSED);
    return queue_of_size(entry.hash, size, NULL);
}

static enum ms_queue queue_after(const struct ms_segment *from, uint64_t away)
{
    return queue_of_size_after(from, away, 500);
}

Test(adaptive, what_the_main_queue_dropped_comes_back_to_it_while_nothing_better_is_dropped)
{
    make_ghost();
    cr_assert_eq(evict(main_segment, 0, hash_of(1)), MS_GHOST_MAIN);
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_NEW, "nothing is known yet");
    drop_some(main_segment, 0, KEYS, 0);
    ms_policy_adaptive.victim(&eviction);
    cr_assert_eq(queue_after(main_segment, KEYS / 20), MS_QUEUE_MAIN);
    let_return_late(main_segment, KEYS / 4);
    cr_assert_eq(queue_after(main_segment, KEYS / 20), MS_QUEUE_NEW, "others would do as well");
}

Test(adaptive, what_comes_back_late_does_not_drive_out_what_comes_back_sooner)
{
    make_ghost();
    cr_assert_eq(queue_after(new_segment, KEYS / 2), MS_QUEUE_MAIN, "nothing was dropped for it");
    /* The main queue drops what would have been used again after a quarter of the ghost. */
    let_return_late(main_segment, KEYS / 4);
    cr_assert_eq(queue_after(new_segment, KEYS / 2), MS_QUEUE_NEW);
    cr_assert_eq(queue_after(new_segment, 0), MS_QUEUE_MAIN);
    /* What it drops does not come back any more. */
    drop_some(main_segment, 0, 5 * KEYS, 0);
    ms_policy_adaptive.victim(&eviction);
    cr_assert_eq(queue_after(new_segment, KEYS / 2), MS_QUEUE_MAIN);
}

Test(adaptive, what_the_ghost_was_about_to_forget_must_be_worth_twice_as_much)
{
    const struct ms_sizing sizing = {MS_GOAL_BYTES, 500};
    struct ms_ghost_trace trace = {MS_GHOST_UNUSED, MS_GHOST_NEAR - 1};

    ms_store_relaxed(&eviction.learned.in_small, 0);
    ms_store_relaxed(&eviction.learned.reach, MS_GHOST_NEAR * MS_ADAPT_ONE);
    cr_assert(ms_adapt_is_main(&eviction.learned, &sizing, &trace, 500));
    trace.age = MS_GHOST_NEAR;
    cr_assert_not(ms_adapt_is_main(&eviction.learned, &sizing, &trace, 500));
    ms_store_relaxed(&eviction.learned.reach, 2 * MS_GHOST_NEAR * MS_ADAPT_ONE);
    cr_assert(ms_adapt_is_main(&eviction.learned, &sizing, &trace, 500));
}

Test(adaptive, what_the_ghost_was_about_to_forget_teaches_nothing)
{
    const struct ms_sizing sizing = {MS_GOAL_BYTES, 500};
    struct ms_ghost_trace trace = {MS_GHOST_UNUSED, MS_GHOST_NEAR};
    struct ms_come_back *back = &eviction.learned.come_back[MS_GHOST_UNUSED];

    ms_learned_note(&eviction.learned, &sizing, &trace, 500);
    cr_assert_eq(ms_load_relaxed(&back->sums), 0);
    trace.age = MS_GHOST_NEAR - 1;
    ms_learned_note(&eviction.learned, &sizing, &trace, 500);
    cr_assert_neq(ms_load_relaxed(&back->sums), 0);
}

/* What the small queue drops comes back late, all of it; of what the main queue drops, `main_percent`. */
static double share_after_late_returns(int main_percent)
{
    for (uint64_t i = 0; i < 60 * KEYS; i++) {
        const struct ms_segment *from = i % 2 != 0 ? main_segment : new_segment;
        const uint64_t ago = KEYS / 2;

        evict(from, 0, hash_of(next_key++));
        eviction.misses++;
        if (i >= ago && (i % 2 == 0 || i % 100 < (uint64_t)main_percent))
            queue_for(hash_of(next_key - 1 - ago), NULL);
        ms_policy_adaptive.victim(&eviction);
    }
    return eviction.learned.small_share;
}

Test(adaptive, the_small_queue_grows_while_the_main_one_holds_what_is_done_with)
{
    make_ghost();
    cr_assert_gt(share_after_late_returns(0), 0.8);
}

Test(adaptive, late_returns_do_not_grow_the_small_queue_while_the_main_one_is_used)
{
    make_ghost();
    cr_assert_lt(share_after_late_returns(50), MS_SMALL_SHARE_AT_FIRST);
}

Test(adaptive, learns_on_when_nothing_has_come_back_for_ever_so_long)
{
    make_ghost();
    share_after(5, 5, 5);
    /* Until what once came back has faded to less than the smallest number. */
    for (int i = 0; i < 4000; i++) {
        drop_some(new_segment, 0, KEYS / 8, 0);
        ms_policy_adaptive.victim(&eviction);
        cr_assert_eq(eviction.learned.small_share, eviction.learned.small_share, "is a number");
    }
    cr_assert_eq(eviction.learned.small_share, 0.01);
    cr_assert_gt(share_after(30, 2, 30), 0.1);
}

Test(adaptive, while_recency_is_all_that_counts_uses_buy_one_round)
{
    eviction.learned.small_share = 0.5;
    cr_assert_eq(judge(main_segment, hash_of(1), 500, 3).access, 0);
    eviction.learned.small_share = 0.1;
    cr_assert_eq(judge(main_segment, hash_of(1), 500, 3).access, 1);
}

static unsigned rounds_for(unsigned access)
{
    unsigned rounds = 0;

    for (;; rounds++) {
        const struct ms_verdict verdict = judge(main_segment, hash_of(1), 500, access);
        if (!verdict.keep)
            return rounds;
        cr_assert_eq(verdict.queue, MS_QUEUE_MAIN);
        access = verdict.access;
    }
}

Test(adaptive, uses_in_the_main_queue_buy_two_rounds_at_most)
{
    for (unsigned access = 0; access <= MS_ACCESS_COUNT_MAX; access++)
        cr_assert_eq(rounds_for(access), access < 2 ? access : 2);
}

Test(adaptive,
     many_uses_buy_a_third_round_while_what_was_used_before_is_worth_more_than_what_is_new)
{
    make_ghost();
    share_after(10, 30, 5);
    cr_assert_eq(rounds_for(MS_ACCESS_COUNT_MAX), 3);
    cr_assert_eq(rounds_for(1), 1);
    cr_assert_eq(rounds_for(0), 0);
    share_after(20, 20, 20);
    cr_assert_eq(rounds_for(MS_ACCESS_COUNT_MAX), 2);
}

Test(adaptive, the_small_queue_grows_while_more_of_it_comes_back_than_of_the_main_one)
{
    make_ghost();
    const double before = eviction.learned.small_share;
    const double after = share_after(30, 2, 10);
    cr_assert_gt(after, 2 * before);
    cr_assert_gt(share_after(30, 2, 200), 0.8, "up to nearly all");
    cr_assert_leq(eviction.learned.small_share, 0.9);
}

Test(adaptive, a_small_queue_of_next_to_nothing_grows_within_a_turn_to_one_that_matters)
{
    make_ghost();
    eviction.learned.small_share = 0.01;
    cr_assert_gt(share_after(30, 2, 10), 0.08);
}

Test(adaptive, the_small_queue_shrinks_while_more_of_the_main_one_comes_back)
{
    make_ghost();
    eviction.learned.small_share = 0.05;
    const double before = eviction.learned.small_share;
    const double after = share_after(2, 30, 5);
    cr_assert_lt(after, before / 1.5);
    cr_assert_geq(share_after(2, 30, 200), 0.01, "never less than a hundredth");
}

Test(adaptive, the_small_queue_shrinks_slowly_while_nothing_comes_back)
{
    make_ghost();
    eviction.learned.small_share = 0.05;
    const double before = eviction.learned.small_share;
    const double after = share_after(0, 0, 10);
    cr_assert_lt(after, before);
    cr_assert_gt(after, before / 1.5);
}

/* As in a store that was just filled, which has all in the main queue. */
Test(adaptive,
     the_small_queue_does_not_grow_for_what_the_main_one_drops_before_it_has_dropped_anything)
{
    make_ghost();
    for (int i = 0; i < 10; i++) {
        drop_some(main_segment, 0, KEYS / 10, 0);
        cr_assert_not_null(ms_policy_adaptive.victim(&eviction));
    }
    cr_assert_lt(eviction.learned.small_share, MS_SMALL_SHARE_AT_FIRST);
}

Test(adaptive, the_small_queue_takes_nearly_all_while_nobody_asks_for_what_is_written)
{
    make_ghost();
    asked = false;
    cr_assert_gt(share_after(0, 0, 100), 0.8);
    cr_assert_leq(eviction.learned.small_share, 0.9);
    asked = true;
    cr_assert_leq(share_after(0, 0, 1), 0.5, "and gives it back when somebody does");
}

Test(adaptive, what_comes_back_tells_more_than_whether_it_was_asked_for)
{
    make_ghost();
    asked = false;
    cr_assert_lt(share_after(5, 50, 100), 0.1);
}

Test(adaptive, who_holds_more_than_its_share_is_evicted_from)
{
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), new_segment, "half is more");
    for (int i = 0; i < 100; i++)
        seal_segment(MS_QUEUE_MAIN);
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), main_segment, "a hundredth is less");
    eviction.learned.small_share = 0.001;
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), new_segment);
}

Test(adaptive, a_small_queue_far_above_its_share_gives_way_to_the_main_one)
{
    for (int i = 0; i < 30; i++)
        seal_segment(MS_QUEUE_MAIN);
    eviction.learned.small_share = 0.05;
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), main_segment, "it is within its share");
    seal_segment(MS_QUEUE_NEW);
    eviction.learned.small_share = 0.03;
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), new_segment);
    cr_assert_not(judge(new_segment, hash_of(1), 500, 0).keep, "a little more than its share");
    eviction.learned.small_share = 0.01;
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), new_segment);
    const struct ms_verdict verdict = judge(new_segment, hash_of(1), 500, 0);
    cr_assert(verdict.keep);
    cr_assert_eq(verdict.queue, MS_QUEUE_MAIN);
    cr_assert_eq(verdict.access, 0);
}

/* Of some keys, how many are kept when they were used once in the small queue. */
static int kept_of_hundred(void)
{
    int kept = 0;

    for (uint64_t key = 0; key < 100; key++)
        kept += judge(new_segment, hash_of(key), 500, 1).keep;
    return kept;
}

static void drop_used_once(int small_percent, int main_percent)
{
    for (int i = 0; i < 20; i++) {
        drop_some(new_segment, 1, KEYS / 40, small_percent);
        drop_some(main_segment, 0, KEYS / 20, main_percent);
        ms_policy_adaptive.victim(&eviction);
    }
}

Test(adaptive, one_use_promotes_while_such_entries_are_worth_more_than_those_of_the_main_queue)
{
    make_ghost();
    cr_assert_eq(kept_of_hundred(), 0);
    drop_used_once(30, 5);
    /* All but one in eight, which go on telling. */
    cr_assert_gt(kept_of_hundred(), 75);
    cr_assert_lt(kept_of_hundred(), 100);
    drop_used_once(5, 30);
    cr_assert_eq(kept_of_hundred(), 0);
}

/* Of some keys, how many are kept when they were used twice in the small queue. */
static int kept_of_twice_used(void)
{
    int kept = 0;

    for (uint64_t key = 0; key < 100; key++) {
        const struct ms_verdict twice = judge(new_segment, hash_of(key), 500, 2);

        kept += twice.keep;
        cr_assert_eq(twice.queue, MS_QUEUE_MAIN);
        cr_assert_eq(twice.access, 0);
    }
    return kept;
}

Test(adaptive, two_uses_promote_at_first_and_none_never)
{
    for (int learned = 0; learned < 2; learned++) {
        eviction.learned.one_use_promotes = learned;
        /* All but one in sixteen, which tell what would come back. */
        cr_assert_gt(kept_of_twice_used(), 85);
        cr_assert_lt(kept_of_twice_used(), 100);
        for (uint64_t key = 0; key < 100; key++)
            cr_assert_not(judge(new_segment, hash_of(key), 500, 0).keep);
    }
}

static void drop_used_twice(int small_percent, int main_percent)
{
    for (int i = 0; i < 40; i++) {
        drop_some(new_segment, 2, KEYS / 40, small_percent);
        drop_some(main_segment, 0, KEYS / 20, main_percent);
        ms_policy_adaptive.victim(&eviction);
    }
}

Test(adaptive, uses_that_come_in_a_burst_do_not_promote)
{
    make_ghost();
    drop_used_twice(5, 30);
    cr_assert_eq(kept_of_twice_used(), 0);
    drop_used_twice(50, 5);
    cr_assert_gt(kept_of_twice_used(), 85);
}

/* ---- Sizes ---- */

#define MEAN 1024

static void open_with_goal(enum ms_goal goal)
{
    eviction.goal = goal;
    ms_store_relaxed(&eviction.mean_size, MEAN);
    make_ghost();
}

/* Where a key goes that has come back and is written with so many bytes, and with what credit. */
static struct ms_subject come_back(uint64_t size, enum ms_queue *queue)
{
    struct ms_subject entry = {.hash = hash_of(next_key++), .size = size};

    evict(new_segment, 0, entry.hash);
    *queue = ms_policy_adaptive.queue_for(&eviction, &entry, NULL);
    return entry;
}

/* The main queue's oldest end is at rank 1000, and what is listed now comes at 2000. */
static void age_main_queue(void)
{
    ms_store_relaxed(&eviction.main_rank, 1000);
    ms_store_relaxed(&arena->rank_clock, 2000);
}

Test(adaptive, what_is_large_stays_for_a_part_of_a_turn_unless_bytes_count)
{
    static const enum ms_goal goals[] = {MS_GOAL_HITS, MS_GOAL_BALANCED};

    age_main_queue();
    for (int i = 0; i < 2; i++) {
        open_with_goal(goals[i]);
        const struct ms_verdict usual = judge(main_segment, hash_of(1), MEAN, 1);
        cr_assert_eq(usual.queue, MS_QUEUE_MAIN);
        cr_assert_eq(usual.rank, 0, "as the newest");
        const struct ms_verdict large = judge(main_segment, hash_of(1), 2 * MEAN, 1);
        cr_assert(large.keep);
        cr_assert_eq(large.queue, MS_QUEUE_BIN0);
        cr_assert_leq(large.rank, 1501, "half of a turn");
        cr_assert_gt(large.rank, 1400);
        const struct ms_verdict larger = judge(new_segment, hash_of(1), 10 * MEAN, 3);
        cr_assert(larger.keep);
        cr_assert_eq(larger.rank, 1251, "a quarter at least");
    }
    eviction.goal = MS_GOAL_BYTES;
    cr_assert_eq(judge(main_segment, hash_of(1), 10 * MEAN, 1).queue, MS_QUEUE_MAIN);
    cr_assert_eq(judge(new_segment, hash_of(1), 10 * MEAN, 2).rank, 0);
}

Test(adaptive, what_is_large_is_written_to_where_it_stays_for_a_part_of_a_turn)
{
    struct ms_subject entry = {.hash = hash_of(1), .size = 4 * MEAN};

    age_main_queue();
    open_with_goal(MS_GOAL_HITS);
    cr_assert_eq(ms_policy_adaptive.queue_for(&eviction, &entry, main_segment), MS_QUEUE_BIN0);
    cr_assert_eq(entry.rank, 1251);
    entry.rank = 0;
    cr_assert_eq(ms_policy_adaptive.queue_for(&eviction, &entry, new_segment), MS_QUEUE_NEW);
    cr_assert_eq(entry.rank, 0);
    evict_entry(new_segment, &entry);
    cr_assert_eq(ms_policy_adaptive.queue_for(&eviction, &entry, NULL), MS_QUEUE_BIN0);
    cr_assert_eq(entry.rank, 1251, "it came back");
}

Test(adaptive, where_a_turn_begins_is_told_by_the_last_victim_of_the_main_queue)
{
    for (int i = 0; i < 100; i++)
        seal_segment(MS_QUEUE_MAIN);
    cr_assert_eq(ms_policy_adaptive.victim(&eviction), main_segment);
    cr_assert_eq(ms_load_relaxed(&eviction.main_rank), main_segment->rank);
}

Test(adaptive, what_is_small_is_given_credit_for_a_use_unless_bytes_count)
{
    enum ms_queue queue;

    open_with_goal(MS_GOAL_HITS);
    cr_assert_eq(judge(new_segment, hash_of(1), MEAN / 4, 2).access, 2);
    cr_assert_eq(judge(main_segment, hash_of(1), MEAN / 4, 3).access, 2, "used to the full again");
    cr_assert_eq(judge(main_segment, hash_of(1), MEAN / 4, 2).access, 1, "else it counts down");
    cr_assert_eq(judge(new_segment, hash_of(1), MEAN / 2, 2).access, 1);
    cr_assert_eq(judge(new_segment, hash_of(1), MEAN, 2).access, 0);
    cr_assert_eq(come_back(MEAN / 2, &queue).access, 1);
    cr_assert_eq(queue, MS_QUEUE_MAIN);
    cr_assert_eq(come_back(MEAN, &queue).access, 0);
    eviction.goal = MS_GOAL_BYTES;
    cr_assert_eq(judge(new_segment, hash_of(1), MEAN / 2, 2).access, 0);
}

Test(adaptive, what_is_small_is_kept_unused_where_hits_count_alone)
{
    open_with_goal(MS_GOAL_HITS);
    cr_assert(judge(new_segment, hash_of(1), MEAN / 4, 0).keep);
    cr_assert(judge(new_segment, hash_of(1), MEAN / 2, 0).keep);
    cr_assert_not(judge(new_segment, hash_of(1), MEAN * 3 / 4, 0).keep, "that is to be learned");
    cr_assert_not(judge(new_segment, hash_of(1), MEAN, 1).keep);
    cr_assert_not(judge(main_segment, hash_of(1), MEAN / 4, 0).keep, "once");
    eviction.goal = MS_GOAL_BALANCED;
    cr_assert_not(judge(new_segment, hash_of(1), MEAN / 4, 1).keep);
    eviction.goal = MS_GOAL_BYTES;
    cr_assert_not(judge(new_segment, hash_of(1), MEAN / 4, 1).keep);
}

/* Of some keys, how many are kept that were not used in the small queue. */
static int kept_unused(uint64_t size)
{
    int kept = 0;

    for (uint64_t key = 0; key < 100; key++)
        kept += judge(new_segment, hash_of(key), size, 0).keep;
    return kept;
}

static void drop_smaller(int small_percent, int main_percent)
{
    for (int i = 0; i < 20; i++) {
        drop_like(new_segment, (struct ms_subject){.size = MEAN * 3 / 4}, KEYS / 40, small_percent);
        drop_like(main_segment, (struct ms_subject){.size = MEAN}, KEYS / 20, main_percent);
        ms_policy_adaptive.victim(&eviction);
        /* Nothing is judged here by how full the small queue is. */
        eviction.learned.small_gives_way = false;
    }
}

Test(adaptive,
     what_is_a_little_smaller_is_kept_unused_while_that_is_worth_as_much_as_the_main_queue)
{
    open_with_goal(MS_GOAL_HITS);
    drop_smaller(30, 5);
    /* All but one in sixteen, which go on telling. */
    cr_assert_gt(kept_unused(MEAN * 3 / 4), 85);
    cr_assert_lt(kept_unused(MEAN * 3 / 4), 100);
    cr_assert_eq(kept_unused(MEAN), 0, "not where all are of nearly one size");
    drop_smaller(5, 30);
    cr_assert_eq(kept_unused(MEAN * 3 / 4), 0);
}

/* Entries of this size come to the end of a queue, of which so many per cent were used; what goes is dropped. */
static void judge_some(const struct ms_segment *from, uint64_t size, int count, int percent)
{
    for (int i = 0; i < count; i++) {
        const struct ms_subject entry = {
            .hash = hash_of(next_key++),
            .size = size,
            .access = i % 100 < percent ? MS_ACCESS_COUNT_MAX : 0,
        };

        if (!ms_policy_adaptive.judge(&eviction, from, &entry).keep)
            evict_entry(from, &entry);
    }
}

/* Beside entries of the mean size, of which some are used, as many tiny ones come through the small queue, of
 * which so many per cent are; and through the main queue, where some are always kept. */
static void flood(int small_percent, int main_percent)
{
    for (int i = 0; i < 60; i++) {
        judge_some(new_segment, MEAN, KEYS / 10, 10);
        judge_some(new_segment, MEAN / 8, KEYS / 10, small_percent);
        judge_some(main_segment, MEAN, KEYS / 10, 50);
        judge_some(main_segment, MEAN / 8, KEYS / 10, main_percent);
        ms_policy_adaptive.victim(&eviction);
        eviction.learned.small_gives_way = false;
    }
}

Test(adaptive, what_is_tiny_and_never_used_goes_unused_but_for_some_that_tell)
{
    open_with_goal(MS_GOAL_HITS);
    flood(0, 0);
    cr_expect_gt(kept_unused(MEAN / 8), 0);
    cr_expect_lt(kept_unused(MEAN / 8), 15);
    cr_expect(judge(new_segment, hash_of(1), MEAN / 8, 2).keep, "it was used");
    cr_expect_not(judge(main_segment, hash_of(1), MEAN / 8, 2).keep, "its credit alone is no use");
    cr_expect(judge(main_segment, hash_of(1), MEAN / 8, 3).keep);
}

Test(adaptive, what_is_tiny_and_goes_unused_is_not_remembered)
{
    const struct ms_subject tiny = {.hash = hash_of(1), .size = MEAN / 8};

    open_with_goal(MS_GOAL_HITS);
    cr_expect_eq(ms_policy_adaptive.drop(&eviction, new_segment, &tiny), MS_GHOST_UNUSED);
    flood(0, 0);
    cr_expect_eq(ms_policy_adaptive.drop(&eviction, new_segment, &tiny), MS_GHOST_NONE);
}

Test(adaptive, what_is_tiny_and_goes_unused_makes_nothing_else_large)
{
    open_with_goal(MS_GOAL_HITS);
    age_main_queue();
    flood(0, 0);
    ms_store_relaxed(&eviction.mean_size, MEAN / 8);
    cr_expect_eq(judge(main_segment, hash_of(1), MEAN, 1).queue, MS_QUEUE_MAIN);
    cr_expect_eq(judge(main_segment, hash_of(1), MEAN, 1).rank, 0, "all of a turn");
}

Test(adaptive, what_is_tiny_is_kept_unused_where_it_is_used_as_much_for_its_room)
{
    open_with_goal(MS_GOAL_HITS);
    flood(2, 0);
    cr_expect_eq(kept_unused(MEAN / 8), 100, "soon");
    flood(0, 0);
    cr_expect_lt(kept_unused(MEAN / 8), 15);
    flood(0, 10);
    cr_expect_eq(kept_unused(MEAN / 8), 100, "late, which those that tell show");
}

/* As much of what the small queue dropped comes back as of what the main queue dropped, which is of
 * four times the size. */
static double share_after_large_from_main(enum ms_goal goal)
{
    open_with_goal(goal);
    for (int i = 0; i < 20; i++) {
        drop_like(new_segment, (struct ms_subject){.size = MEAN}, KEYS / 20, 20);
        drop_like(main_segment, (struct ms_subject){.size = 4 * MEAN}, KEYS / 20, 20);
        ms_policy_adaptive.victim(&eviction);
    }
    return eviction.learned.small_share;
}

Test(adaptive, where_hits_count_what_comes_back_counts_by_the_room_that_it_takes)
{
    cr_assert_gt(share_after_large_from_main(MS_GOAL_HITS), 3 * MS_SMALL_SHARE_AT_FIRST);
}

Test(adaptive, where_bytes_count_it_counts_by_keys)
{
    cr_assert_lt(share_after_large_from_main(MS_GOAL_BYTES), MS_SMALL_SHARE_AT_FIRST);
}

Test(adaptive, what_is_large_must_come_back_the_sooner_where_hits_count_alone)
{
    open_with_goal(MS_GOAL_HITS);
    ms_store_relaxed(&eviction.mean_size, 500);
    /* The main queue drops what would have been used again after half of the ghost. */
    let_return_late(main_segment, KEYS / 2);
    cr_assert_eq(queue_of_size_after(new_segment, KEYS / 8, 500), MS_QUEUE_MAIN);
    cr_assert_eq(queue_of_size_after(new_segment, KEYS / 8, 3000), MS_QUEUE_NEW);
    cr_assert_neq(queue_of_size_after(new_segment, 0, 3000), MS_QUEUE_NEW);
    eviction.goal = MS_GOAL_BYTES;
    cr_assert_eq(queue_of_size_after(new_segment, KEYS / 8, 3000), MS_QUEUE_MAIN);
}

Test(adaptive, what_comes_back_very_large_begins_anew_where_hits_count_alone)
{
    static const enum ms_goal goals[] = {MS_GOAL_HITS, MS_GOAL_BALANCED, MS_GOAL_BYTES};

    for (int i = 0; i < 3; i++) {
        enum ms_queue queue;

        open_with_goal(goals[i]);
        come_back(8 * MEAN, &queue);
        cr_assert_eq(queue == MS_QUEUE_NEW, goals[i] == MS_GOAL_HITS);
        come_back(6 * MEAN, &queue);
        cr_assert_neq(queue, MS_QUEUE_NEW);
    }
}

Test(adaptive, is_informed_of_the_number_of_entries_and_their_mean_size)
{
    const uint32_t size = ms_arena_padded(arena, 500);

    ms_eviction_inform(&eviction, 1, 77);
    cr_assert_eq(eviction.keys, 1);
    cr_assert_eq(eviction.misses, 77);
    cr_assert_eq(ms_load_relaxed(&eviction.mean_size), size);
    ms_arena_entry_died(arena, new_segment, size);
    ms_eviction_inform(&eviction, 0, 77);
    cr_assert_eq(ms_load_relaxed(&eviction.mean_size), size, "what is gone was of its size");
}

Test(adaptive, whatever_is_dropped_and_comes_back_it_stays_within_its_bounds)
{
    struct unit_random random = unit_random_start("adaptive");

    make_ghost();
    for (int i = 0; i < 2000; i++) {
        drop_some(unit_random_below(&random, 2) == 0 ? new_segment : main_segment,
                  (unsigned)unit_random_below(&random, 4),
                  (int)unit_random_below(&random, KEYS / 5), (int)unit_random_below(&random, 101));
        ms_policy_adaptive.victim(&eviction);
        cr_assert_geq(eviction.learned.small_share, 0.01);
        cr_assert_leq(eviction.learned.small_share, 0.9);
    }
}
