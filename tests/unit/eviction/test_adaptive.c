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
static bool asked; /* what is written was missed by a read before */

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
    asked = true;
    ms_eviction_init(&eviction, &ms_policy_adaptive, arena);
    new_segment = seal_segment(MS_QUEUE_NEW);
    main_segment = seal_segment(MS_QUEUE_MAIN);
}

static void close_policy(void)
{
    room_close(arena);
}

TestSuite(adaptive, .init = open_policy, .fini = close_policy);

static void make_ghost(void)
{
    struct ms_ghost_table *old = NULL;

    cr_assert(ms_ghost_resize(&eviction.ghost, &arena->pages, KEYS, 0, &old));
}

static uint64_t hash_of(uint64_t key)
{
    struct unit_random random = {key * UINT64_C(0x1234567)};

    return unit_random_next(&random);
}

static enum ms_queue queue_for(uint64_t hash, const struct ms_segment *old)
{
    return ms_policy_adaptive.queue_for(&eviction, hash, old);
}

static enum ms_ghost_kind evict(const struct ms_segment *from, unsigned access, uint64_t hash)
{
    const enum ms_ghost_kind kind = ms_policy_adaptive.drop(&eviction, from, access);

    ms_ghost_insert(&eviction.ghost, hash, kind);
    return kind;
}

/* Drop `count` new keys, of which `percent` come back at once. */
static void drop_some(const struct ms_segment *from, unsigned access, int count, int percent)
{
    for (int i = 0; i < count; i++) {
        const uint64_t hash = hash_of(next_key++);

        evict(from, access, hash);
        eviction.misses += asked;
        if (i % 100 < percent)
            queue_for(hash, NULL);
    }
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
    cr_assert_eq(evict(main_segment, 0, hash_of(3)), MS_GHOST_MAIN);
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_MAIN);
    cr_assert_eq(queue_for(hash_of(2), NULL), MS_QUEUE_MAIN);
    cr_assert_eq(queue_for(hash_of(3), NULL), MS_QUEUE_NEW, "the main queue has had it already");
    cr_assert_eq(queue_for(hash_of(1), NULL), MS_QUEUE_NEW, "it comes back once");
}

Test(adaptive, uses_in_the_main_queue_buy_two_rounds_at_most)
{
    for (unsigned access = 0; access <= MS_ACCESS_COUNT_MAX; access++) {
        unsigned rounds = 0;

        for (unsigned left = access;; rounds++) {
            const struct ms_verdict verdict =
                ms_policy_adaptive.judge(&eviction, main_segment, hash_of(1), left);
            if (!verdict.keep)
                break;
            cr_assert_eq(verdict.queue, MS_QUEUE_MAIN);
            left = verdict.access;
        }
        cr_assert_eq(rounds, access < 2 ? access : 2);
    }
}

Test(adaptive, the_small_queue_grows_while_more_of_it_comes_back_than_of_the_main_one)
{
    make_ghost();
    const double before = eviction.learned.small_share;
    const double after = share_after(30, 2, 10);
    cr_assert_gt(after, 2 * before);
    cr_assert_leq(share_after(30, 2, 200), 0.5, "never more than half");
}

Test(adaptive, the_small_queue_shrinks_while_more_of_the_main_one_comes_back)
{
    make_ghost();
    const double before = eviction.learned.small_share;
    const double after = share_after(2, 30, 5);
    cr_assert_lt(after, before / 1.5);
    cr_assert_geq(share_after(2, 30, 200), 0.01, "never less than a hundredth");
}

Test(adaptive, the_small_queue_shrinks_slowly_while_nothing_comes_back)
{
    make_ghost();
    const double before = eviction.learned.small_share;
    const double after = share_after(0, 0, 10);
    cr_assert_lt(after, before);
    cr_assert_gt(after, before / 1.5);
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

/* Of some keys, how many are kept when they were used once in the small queue. */
static int kept_of_hundred(void)
{
    int kept = 0;

    for (uint64_t key = 0; key < 100; key++)
        kept += ms_policy_adaptive.judge(&eviction, new_segment, hash_of(key), 1).keep;
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

Test(adaptive,
     one_use_promotes_while_such_entries_come_back_more_often_than_those_of_the_main_queue)
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

Test(adaptive, two_uses_promote_always_and_none_never)
{
    for (int learned = 0; learned < 2; learned++) {
        eviction.learned.one_use_promotes = learned;
        for (uint64_t key = 0; key < 100; key++) {
            const struct ms_verdict twice =
                ms_policy_adaptive.judge(&eviction, new_segment, hash_of(key), 2);
            cr_assert(twice.keep);
            cr_assert_eq(twice.queue, MS_QUEUE_MAIN);
            cr_assert_eq(twice.access, 0);
            cr_assert_not(ms_policy_adaptive.judge(&eviction, new_segment, hash_of(key), 0).keep);
        }
    }
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
        cr_assert_leq(eviction.learned.small_share, 0.5);
    }
}
