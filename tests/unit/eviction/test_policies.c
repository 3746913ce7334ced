/* SPDX-License-Identifier: Apache-2.0 */
/* What each policy promises: which segment it gives up, and what becomes of the entries. */
#include "eviction/eviction.h"

#include "unit/room.h"

#define MIB ((uint64_t)1 << 20)
#define LIMIT (4 * MIB)
#define HASH UINT64_C(0x123456789abcdef0)

static struct ms_eviction eviction;

static struct ms_arena *open_within(uint64_t limit, const struct ms_policy *policy)
{
    struct ms_arena *arena = room_open(limit);

    ms_eviction_init(&eviction, policy, MS_GOAL_HITS, arena);
    return arena;
}

static struct ms_arena *open_with(const struct ms_policy *policy)
{
    return open_within(LIMIT, policy);
}

static const struct ms_policy *const policies[] = {&ms_policy_adaptive, &ms_policy_s3fifo,
                                                   &ms_policy_lru,      &ms_policy_lfu,
                                                   &ms_policy_fifo,     &ms_policy_none};
enum { POLICIES = sizeof policies / sizeof *policies };

/* A sealed segment with `count` entries of 500 bytes. */
static struct ms_reserved seal_segment(struct ms_arena *arena, enum ms_queue queue, unsigned count)
{
    const struct ms_placement placement = room_placement(queue);
    struct ms_reserved first = {0}, other;

    for (unsigned i = 0; i < count; i++)
        cr_assert(room_write(arena, &placement, 500, i == 0 ? &first : &other));
    ms_arena_seal_open(arena);
    return first;
}

static struct ms_segment *victim(void)
{
    return eviction.policy->victim(&eviction);
}

static const struct ms_subject an_entry = {.hash = HASH, .size = 500};

/* What becomes of an entry, whatever its key. */
static struct ms_verdict judge(const struct ms_segment *segment, unsigned access)
{
    const struct ms_subject entry = {.hash = HASH, .size = 500, .access = access};

    return eviction.policy->judge(&eviction, segment, &entry);
}

/* Where the policy puts what is written in place of an entry in a segment, or NULL. */
static enum ms_queue queue_for(const struct ms_segment *old)
{
    struct ms_subject entry = {.hash = HASH, .size = 500};

    return ms_eviction_queue_for(&eviction, &entry, old);
}

static enum ms_queue queue_of_new(void)
{
    return queue_for(NULL);
}

/* ---- All of them ---- */

Test(policies, an_empty_store_has_no_victim)
{
    for (int i = 0; i < POLICIES; i++) {
        struct ms_arena *arena = open_with(policies[i]);

        cr_assert_null(victim());
        room_write_new(arena, 100);
        cr_assert_null(victim(), "what is being appended to is no victim");
        room_close(arena);
    }
}

Test(policies, a_victim_is_sealed_and_neither_viewed_nor_written_to)
{
    for (int i = 0; i < POLICIES; i++) {
        struct ms_arena *arena = open_with(policies[i]);
        struct ms_segment *segments[8];

        for (int k = 0; k < 8; k++)
            segments[k] = seal_segment(arena, queue_of_new(), 5).segment;
        if (policies[i] != &ms_policy_none)
            cr_assert_not_null(victim());
        for (int k = 0; k < 8; k++) {
            struct ms_segment *chosen = victim();
            if (chosen == NULL)
                continue;
            cr_assert_eq(ms_load_relaxed(&chosen->state), MS_SEGMENT_SEALED);
            cr_assert_eq(ms_load_relaxed(&chosen->pins), 0);
            cr_assert_eq(ms_segment_pending(chosen), 0);
            ms_add_acquire(k % 2 == 0 ? &chosen->pins : &chosen->claimed, 1);
            cr_assert_neq(victim(), chosen);
        }
        cr_assert_null(victim(), "all are held");
        for (int k = 0; k < 8; k++) {
            ms_store_relaxed(&segments[k]->pins, 0);
            ms_store_relaxed(&segments[k]->claimed, ms_load_relaxed(&segments[k]->settled));
        }
        room_close(arena);
    }
}

Test(policies, records_of_batches_are_never_victims)
{
    for (int i = 0; i < POLICIES; i++) {
        struct ms_arena *arena = open_with(policies[i]);
        const struct ms_placement placement = room_placement(MS_QUEUE_RECORDS);
        struct ms_reserved records;

        cr_assert(ms_arena_reserve_raw(arena, &placement, 100, &records));
        ms_arena_seal_open(arena);
        cr_assert_null(victim());
        room_close(arena);
    }
}

Test(policies, whoever_is_kept_is_kept_with_access_bits_and_in_a_queue_for_entries)
{
    for (int i = 0; i < POLICIES; i++) {
        struct ms_arena *arena = open_with(policies[i]);

        for (uint32_t queue = 0; queue < MS_QUEUE_BIN0 + arena->bins; queue++) {
            if (queue == MS_QUEUE_RECORDS)
                continue;
            const struct ms_segment *segment = seal_segment(arena, (enum ms_queue)queue, 3).segment;
            for (unsigned access = 0; access <= MS_MARK_ACCESS; access++) {
                const struct ms_verdict verdict = judge(segment, access);
                if (!verdict.keep)
                    continue;
                cr_assert_neq(verdict.queue, MS_QUEUE_RECORDS);
                cr_assert_lt(verdict.queue, MS_QUEUE_BIN0 + arena->bins);
                cr_assert_leq(verdict.access, MS_MARK_ACCESS);
            }
        }
        room_close(arena);
    }
}

/* ---- Access bits ---- */

static struct ms_entry touched;

static void touch(enum ms_touch how)
{
    ms_eviction_touch(how, &eviction, &touched);
}

Test(policies, counting_stops_at_its_most_and_leaves_the_other_bits)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);

    ms_store_relaxed(&touched.mark, MS_MARK_VERSIONED);
    for (unsigned uses = 1; uses < 10; uses++) {
        touch(MS_TOUCH_COUNT);
        cr_assert_eq(ms_load_relaxed(&touched.mark),
                     MS_MARK_VERSIONED | (uses < MS_ACCESS_COUNT_MAX ? uses : MS_ACCESS_COUNT_MAX));
    }
    room_close(arena);
}

Test(policies, stamping_writes_the_stamp_of_now_and_leaves_the_other_bits)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);

    ms_store_relaxed(&touched.mark, MS_MARK_VERSIONED | 3);
    for (unsigned stamp = 0; stamp < MS_STAMPS; stamp++) {
        ms_store_relaxed(&eviction.stamp, stamp);
        touch(MS_TOUCH_STAMP);
        cr_assert_eq(ms_load_relaxed(&touched.mark), MS_MARK_VERSIONED | stamp);
    }
    room_close(arena);
}

/* What the bits hold after `uses` uses, the first 16 of them exact. */
static unsigned counted_after(unsigned uses)
{
    ms_store_relaxed(&touched.mark, MS_MARK_VERSIONED);
    for (unsigned use = 1; use <= uses; use++) {
        touch(MS_TOUCH_FREQUENCY);
        if (use <= 16)
            cr_assert_eq(ms_load_relaxed(&touched.mark), MS_MARK_VERSIONED | use);
    }
    return ms_load_relaxed(&touched.mark) & MS_MARK_ACCESS;
}

Test(policies, frequent_use_is_counted_by_chance_and_leaves_the_other_bits)
{
    enum { COUNTERS = 400, USES = 4000 };
    /* From 16 on each count stands for twice as many: about 16 and log2(4000 / 16). Summed up over
     * the odds of each use, 4000 uses are counted as 23.692 with a standard deviation of 0.873, so
     * that the mean of 400 counters lies within 0.35, eight of its own deviations. */
    const double expected = 23.692;
    struct ms_arena *arena = open_with(&ms_policy_lfu);
    double mean = 0;

    for (int i = 0; i < COUNTERS; i++)
        mean += counted_after(USES) / (double)COUNTERS;
    cr_assert(mean > expected - 0.35 && mean < expected + 0.35, "%d uses are counted as %f", USES,
              mean);
    ms_store_relaxed(&touched.mark, MS_MARK_ACCESS);
    touch(MS_TOUCH_FREQUENCY);
    cr_assert_eq(ms_load_relaxed(&touched.mark), MS_MARK_ACCESS, "it stops at its most");
    room_close(arena);
}

Test(policies, touching_nothing_changes_nothing)
{
    struct ms_arena *arena = open_with(&ms_policy_fifo);

    ms_store_relaxed(&touched.mark, MS_MARK_VERSIONED | 2);
    touch(MS_TOUCH_NOTHING);
    cr_assert_eq(ms_load_relaxed(&touched.mark), MS_MARK_VERSIONED | 2);
    room_close(arena);
}

Test(policies, a_new_entry_inherits_a_count_and_is_given_a_stamp)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);

    cr_assert_eq(ms_eviction_initial_access(&eviction, 2), 2);
    room_close(arena);
    arena = open_with(&ms_policy_lru);
    ms_store_relaxed(&eviction.stamp, 17);
    cr_assert_eq(ms_eviction_initial_access(&eviction, 2), 17);
    room_close(arena);
}

/* ---- fifo, none ---- */

Test(fifo, gives_up_the_oldest_and_keeps_nothing)
{
    struct ms_arena *arena = open_with(&ms_policy_fifo);
    struct ms_segment *first = seal_segment(arena, queue_of_new(), 5).segment;
    struct ms_segment *second = seal_segment(arena, queue_of_new(), 5).segment;

    cr_assert_eq(victim(), first);
    for (unsigned access = 0; access <= MS_MARK_ACCESS; access++)
        cr_assert_not(judge(first, access).keep);
    cr_assert_eq(ms_eviction_drop(&eviction, first, &an_entry), MS_GHOST_NONE);
    ms_add_acquire(&first->pins, 1);
    cr_assert_eq(victim(), second, "a view does not hold up the others");
    room_close(arena);
}

Test(none, gives_up_nothing)
{
    struct ms_arena *arena = open_with(&ms_policy_none);

    for (int i = 0; i < 5; i++)
        seal_segment(arena, queue_of_new(), 5);
    cr_assert_null(victim());
    room_close(arena);
}

/* ---- s3fifo ---- */

Test(s3fifo, what_is_new_goes_to_the_small_queue_and_what_comes_back_to_the_main_one)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);
    struct ms_ghost_table *old = NULL;

    cr_assert_eq(queue_of_new(), MS_QUEUE_NEW);
    cr_assert(ms_ghost_resize(&eviction.ghost, &arena->pages, 1000, 0, &old));
    cr_assert_eq(queue_of_new(), MS_QUEUE_NEW);
    ms_ghost_insert(&eviction.ghost, HASH, MS_GHOST_UNUSED);
    cr_assert_eq(queue_of_new(), MS_QUEUE_MAIN);
    cr_assert_eq(queue_of_new(), MS_QUEUE_NEW, "it comes back once");
    room_close(arena);
}

Test(s3fifo, an_overwrite_stays_in_its_queue)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);
    const struct ms_segment *new = seal_segment(arena, MS_QUEUE_NEW, 5).segment;
    const struct ms_segment *main = seal_segment(arena, MS_QUEUE_MAIN, 5).segment;

    cr_assert_eq(queue_for(new), MS_QUEUE_NEW);
    cr_assert_eq(queue_for(main), MS_QUEUE_MAIN);
    room_close(arena);
}

Test(s3fifo, what_was_not_used_goes_and_what_was_used_to_the_full_stays)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);
    const struct ms_segment *new = seal_segment(arena, MS_QUEUE_NEW, 5).segment;
    const struct ms_segment *main = seal_segment(arena, MS_QUEUE_MAIN, 5).segment;

    cr_assert_not(judge(new, 0).keep);
    cr_assert_not(judge(main, 0).keep);
    const struct ms_verdict promoted = judge(new, MS_ACCESS_COUNT_MAX);
    cr_assert(promoted.keep);
    cr_assert_eq(promoted.queue, MS_QUEUE_MAIN);
    room_close(arena);
}

Test(s3fifo, every_use_in_the_main_queue_buys_one_more_round)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);
    const struct ms_segment *main = seal_segment(arena, MS_QUEUE_MAIN, 5).segment;
    unsigned access = MS_ACCESS_COUNT_MAX, rounds = 0;

    for (;;) {
        const struct ms_verdict verdict = judge(main, access);
        if (!verdict.keep)
            break;
        cr_assert_eq(verdict.queue, MS_QUEUE_MAIN);
        cr_assert_lt(verdict.access, access);
        access = verdict.access;
        rounds++;
    }
    cr_assert_eq(rounds, MS_ACCESS_COUNT_MAX);
    room_close(arena);
}

Test(s3fifo, remembers_what_it_drops_from_the_small_queue_alone)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);

    const struct ms_segment *new = seal_segment(arena, MS_QUEUE_NEW, 5).segment;
    const struct ms_segment *main = seal_segment(arena, MS_QUEUE_MAIN, 5).segment;
    cr_assert_neq(ms_eviction_drop(&eviction, new, &an_entry), MS_GHOST_NONE);
    cr_assert_eq(ms_eviction_drop(&eviction, main, &an_entry), MS_GHOST_NONE);
    room_close(arena);
}

Test(s3fifo, takes_from_the_small_queue_while_it_is_more_than_its_share)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);
    struct ms_segment *new = seal_segment(arena, MS_QUEUE_NEW, 20).segment;
    struct ms_segment *main = seal_segment(arena, MS_QUEUE_MAIN, 20).segment;

    cr_assert_eq(victim(), new, "half is more than its share");
    for (int i = 0; i < 100; i++)
        seal_segment(arena, MS_QUEUE_MAIN, 20);
    cr_assert_eq(victim(), main, "a hundredth is less");
    room_close(arena);
}

Test(s3fifo, takes_from_the_queue_there_is)
{
    struct ms_arena *arena = open_with(&ms_policy_s3fifo);
    struct ms_segment *main = seal_segment(arena, MS_QUEUE_MAIN, 5).segment;

    cr_assert_eq(victim(), main);
    struct ms_segment *new = seal_segment(arena, MS_QUEUE_NEW, 5).segment;
    ms_add_acquire(&main->pins, 1);
    cr_assert_eq(victim(), new);
    ms_sub_release(&main->pins, 1);
    ms_add_acquire(&new->pins, 1);
    cr_assert_eq(victim(), main);
    room_close(arena);
}

/* ---- lru ---- */

Test(lru, a_stamp_lasts_some_accesses_and_then_comes_another)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);
    unsigned stamps = 0;

    for (int i = 0; i < 100000; i++) {
        const unsigned before = ms_load_relaxed(&eviction.stamp);
        ms_eviction_tick(&eviction, 1);
        const unsigned after = ms_load_relaxed(&eviction.stamp);
        cr_assert(after == before || after == (before + 1) % MS_STAMPS);
        stamps += after != before;
    }
    cr_assert_gt(stamps, 1);
    cr_assert_lt(stamps, 50000);
    room_close(arena);
}

Test(lru, gives_up_the_segment_that_was_listed_first)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);
    struct ms_segment *first = seal_segment(arena, queue_of_new(), 5).segment;

    ms_eviction_tick(&eviction, 1000);
    seal_segment(arena, queue_of_new(), 5);
    cr_assert_eq(victim(), first);
    cr_assert_eq(ms_eviction_drop(&eviction, first, &an_entry), MS_GHOST_NONE);
    room_close(arena);
}

Test(lru, keeps_what_was_used_after_its_segment_was_listed_and_drops_the_rest)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);

    for (int i = 0; i < 1000; i++)
        ms_eviction_tick(&eviction, 10);
    const unsigned unused = ms_eviction_initial_access(&eviction, 0);
    struct ms_segment *segment = seal_segment(arena, queue_of_new(), 5).segment;
    const uint64_t listed = segment->rank;

    /* Some epochs later, some of the entries are read. */
    for (unsigned stamp = ms_load_relaxed(&eviction.stamp), changes = 0; changes < 3;) {
        ms_eviction_tick(&eviction, 10);
        changes += ms_load_relaxed(&eviction.stamp) != stamp;
        stamp = ms_load_relaxed(&eviction.stamp);
    }
    const unsigned used = ms_load_relaxed(&eviction.stamp);
    cr_assert_eq(victim(), segment);
    cr_assert_not(judge(segment, unused).keep);
    const struct ms_verdict verdict = judge(segment, used);
    cr_assert(verdict.keep);
    cr_assert_eq(verdict.access, used, "it keeps its stamp");
    cr_assert_gt(verdict.rank, listed, "and is listed at its own age");
    cr_assert_leq(verdict.rank, ms_load_relaxed(&arena->rank_clock));
    room_close(arena);
}

#define LISTED 32
#define STEP 275 /* accesses from one segment to the next */
#define SPAN ((uint64_t)LISTED * STEP)

/* Accesses without an eviction; the stamp after them. */
static unsigned pass(uint64_t accesses)
{
    for (uint64_t i = 0; i < accesses; i++)
        ms_eviction_tick(&eviction, 1);
    return ms_load_relaxed(&eviction.stamp);
}

/* Segments come, and once there are LISTED the oldest goes for each: views hold it. `stamps` get those of
 * what is in them. Returns the oldest that there is then. */
static struct ms_segment *go_round(struct ms_arena *arena, unsigned *stamps, unsigned segments)
{
    for (unsigned i = 0; i < segments; i++) {
        if (i >= LISTED)
            ms_add_acquire(&victim()->pins, 1);
        stamps[i] = pass(STEP);
        seal_segment(arena, queue_of_new(), 5);
    }
    return victim();
}

/* Reads that hit for a night. */
Test(lru, what_is_not_used_stays_the_oldest_however_long_nothing_is_evicted)
{
    for (unsigned spans = 1; spans <= 1000; spans *= 3) {
        struct ms_arena *arena = open_with(&ms_policy_lru);
        unsigned stamps[2 * LISTED];
        struct ms_segment *segment = go_round(arena, stamps, 2 * LISTED);
        const unsigned before = stamps[2 * LISTED - 1];
        const unsigned used = pass(spans * SPAN);

        cr_expect_eq(victim(), segment);
        cr_expect_not(judge(segment, stamps[LISTED]).keep, "%u spans", spans);
        cr_expect(judge(segment, before).keep, "%u spans", spans);
        cr_expect_gt(judge(segment, used).rank, judge(segment, before).rank, "%u spans", spans);
        room_close(arena);
    }
}

/* How often the stamp changes while the list is replaced. */
static unsigned changes_in_round(struct ms_arena *arena)
{
    unsigned stamp = ms_load_relaxed(&eviction.stamp), changes = 0;

    for (unsigned i = 0; i < LISTED; i++) {
        ms_add_acquire(&victim()->pins, 1);
        const unsigned before = stamp;
        stamp = pass(STEP);
        changes += stamp != before;
        seal_segment(arena, queue_of_new(), 5);
    }
    return changes;
}

Test(lru, stamps_go_on_when_segments_come_and_go_after_long)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);
    unsigned stamps[LISTED + 10];

    go_round(arena, stamps, LISTED + 10);
    pass(1000 * SPAN);
    cr_expect_geq(changes_in_round(arena), 5, "though the list is old");
    cr_expect_geq(changes_in_round(arena), 10, "and more when it is not");
    room_close(arena);
}

/* What is written first carries the stamps that would come again first. */
Test(lru, what_is_not_used_stays_the_oldest_before_anything_is_evicted)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);
    const struct ms_placement placement = room_placement(queue_of_new());
    struct ms_reserved entry;
    unsigned unused = 0;

    for (uint64_t i = 0; room_write(arena, &placement, 500, &entry); i++) {
        unused = i == 0 ? ms_load_relaxed(&eviction.stamp) : unused;
        pass(1);
    }
    const unsigned filled = ms_load_relaxed(&eviction.stamp);
    pass(1000000);
    const unsigned used = ms_load_relaxed(&eviction.stamp);
    ms_arena_seal_open(arena);
    const struct ms_segment *segment = victim();
    cr_assert_not(judge(segment, unused).keep);
    cr_assert(judge(segment, filled).keep);
    cr_assert_gt(judge(segment, used).rank, judge(segment, filled).rank);
    room_close(arena);
}

/* As in a cache that comes to have most of what it is asked for. */
Test(lru, stamps_are_left_for_what_is_written_last_where_writes_become_rare)
{
    struct ms_arena *arena = open_with(&ms_policy_lru);
    const struct ms_placement placement = room_placement(queue_of_new());
    struct ms_reserved entry;
    unsigned stamp = 0, changes = 0;

    for (uint64_t i = 0; room_write(arena, &placement, 500, &entry); i++) {
        const unsigned before = stamp;
        stamp = pass(1 + i / 50);
        changes += stamp != before && i > LIMIT / 500 * 3 / 4;
    }
    cr_assert_geq(changes, 3, "%u", changes);
    room_close(arena);
}

/* ---- lfu ---- */

Test(lfu, drops_the_unused_and_sorts_the_others_by_their_counts)
{
    struct ms_arena *arena = open_with(&ms_policy_lfu);
    struct ms_segment *segment = seal_segment(arena, queue_of_new(), 5).segment;

    eviction.bins = MS_LFU_BINS;
    cr_assert_eq(victim(), segment);
    cr_assert_not(judge(segment, 0).keep);
    cr_assert_eq(ms_eviction_drop(&eviction, segment, &an_entry), MS_GHOST_NONE);
    uint64_t rank = segment->rank;
    for (unsigned count = 1; count <= MS_MARK_ACCESS; count++) {
        const struct ms_verdict verdict = judge(segment, count);

        cr_assert(verdict.keep);
        cr_assert_eq(verdict.access, count, "counts are not lost by moving");
        cr_assert_gt(verdict.rank, rank, "more use is listed later");
        rank = verdict.rank;
    }
    room_close(arena);
}

/* A sealed segment of moved entries, as the policy had it judged them by this count. */
static struct ms_segment *seal_moved(struct ms_arena *arena, const struct ms_segment *from,
                                     unsigned count)
{
    const struct ms_verdict verdict = judge(from, count);
    struct ms_placement placement = room_placement(verdict.queue);
    struct ms_reserved entry;

    placement.rank = verdict.rank;
    cr_assert(room_write(arena, &placement, 500, &entry));
    ms_arena_seal_open(arena);
    return entry.segment;
}

Test(lfu, gives_up_the_unused_before_the_less_used_and_these_before_the_more_used)
{
    struct ms_arena *arena = open_within(UINT64_C(256) << 20, &ms_policy_lfu);

    cr_assert_eq(eviction.bins, MS_LFU_BINS);
    struct ms_segment *first = seal_segment(arena, queue_of_new(), 5).segment;
    struct ms_segment *often = seal_moved(arena, first, 20);
    struct ms_segment *seldom = seal_moved(arena, first, 1);
    struct ms_segment *late = seal_segment(arena, queue_of_new(), 5).segment;
    struct ms_segment *const order[] = {first, late, seldom, often};

    for (int i = 0; i < 4; i++) {
        cr_assert_eq(victim(), order[i]);
        ms_add_acquire(&order[i]->pins, 1);
    }
    room_close(arena);
}

Test(lfu, raises_the_bar_of_a_bin_to_the_least_that_a_round_has_met)
{
    struct ms_arena *arena = open_with(&ms_policy_lfu);

    eviction.bins = 1;
    struct ms_segment *new = seal_segment(arena, queue_of_new(), 5).segment;
    struct ms_segment *bin = seal_moved(arena, new, 5);
    ms_add_acquire(&new->pins, 1);
    cr_assert_eq(victim(), bin);
    cr_assert_not(judge(bin, 1).keep);
    cr_assert(judge(bin, 7).keep);
    cr_assert(judge(bin, 9).keep);
    /* What comes up next was moved after the round began. */
    cr_assert_eq(judge(bin, 7).queue, MS_QUEUE_BIN0);
    struct ms_segment *next = seal_moved(arena, bin, 7);
    ms_add_acquire(&bin->pins, 1);
    cr_assert_eq(victim(), next);
    cr_assert(judge(next, 7).keep, "the last round met a 1");
    struct ms_segment *later = seal_moved(arena, next, 7);
    ms_add_acquire(&next->pins, 1);
    cr_assert_eq(victim(), later);
    cr_assert_not(judge(later, 7).keep, "the last round met nothing below");
    cr_assert(judge(later, 8).keep);
    room_close(arena);
}
