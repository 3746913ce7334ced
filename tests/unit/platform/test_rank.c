/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/rcu.h"
#include "platform/thread.h"

#include <criterion/criterion.h>

#ifdef NDEBUG

Test(rank, costs_no_byte_in_a_build_without_asserts)
{
    cr_assert_eq(sizeof(ms_mutex), sizeof(pthread_mutex_t));
}

#else

#include "platform/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two locks of each rank, ascending in memory. */
static ms_mutex locks[MS_RANKS][2];

static void init_locks(void)
{
    for (int rank = 0; rank < MS_RANKS; rank++) {
        ms_mutex_init(&locks[rank][0], (enum ms_rank)rank);
        ms_mutex_init(&locks[rank][1], (enum ms_rank)rank);
    }
}

TestSuite(rank, .init = init_locks);

static bool is_lock(int rank)
{
    return rank != MS_RANK_GRACE_PERIOD;
}

static void lock_first(enum ms_rank rank)
{
    ms_mutex_lock(&locks[rank][0]);
}

static void unlock_first(enum ms_rank rank)
{
    ms_mutex_unlock(&locks[rank][0]);
}

/* Run `body` in a child, which is to end by abort() with `text` in its last words. */
static bool dies(void (*body)(void), const char *text)
{
    char words[512] = "";
    int ends[2], status;
    ssize_t got;
    size_t used = 0;

    if (pipe(ends) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    while (used < sizeof words - 1 &&
           (got = read(ends[0], words + used, sizeof words - 1 - used)) > 0)
        used += (size_t)got;
    close(ends[0]);
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strstr(words, text) == NULL) {
        fprintf(stderr, "wait status %#x, last words: %s\n", (unsigned)status, words);
        return false;
    }
    return true;
}

/* ---- What is allowed ---- */

Test(rank, locks_are_taken_in_the_order_of_their_ranks)
{
    for (int rank = 0; rank < MS_RANKS; rank++) {
        if (is_lock(rank))
            lock_first((enum ms_rank)rank);
    }
    for (int rank = MS_RANKS; rank-- > 0;) {
        if (is_lock(rank))
            unlock_first((enum ms_rank)rank);
    }
    /* All are given back: any may be the first again. */
    lock_first(MS_RANK_NUMBERS);
    unlock_first(MS_RANK_NUMBERS);
    lock_first(MS_RANK_REGISTRY);
    unlock_first(MS_RANK_REGISTRY);
}

Test(rank, shards_are_taken_in_ascending_order_and_given_back_in_any)
{
    for (int round = 0; round < 2; round++) {
        ms_mutex_lock(&locks[MS_RANK_SHARD][0]);
        ms_mutex_lock(&locks[MS_RANK_SHARD][1]);
        ms_mutex_unlock(&locks[MS_RANK_SHARD][round]);
        ms_mutex_unlock(&locks[MS_RANK_SHARD][1 - round]);
    }
}

Test(rank, who_holds_the_registry_may_take_locks_of_several_stores)
{
    lock_first(MS_RANK_REGISTRY);
    ms_mutex_lock(&locks[MS_RANK_POOL][1]);
    ms_mutex_lock(&locks[MS_RANK_POOL][0]);
    ms_mutex_unlock(&locks[MS_RANK_POOL][0]);
    ms_mutex_unlock(&locks[MS_RANK_POOL][1]);
    unlock_first(MS_RANK_REGISTRY);
}

Test(rank, a_lock_may_be_tried_against_the_order)
{
    lock_first(MS_RANK_PAGES);
    cr_assert(ms_mutex_try_lock(&locks[MS_RANK_RECLAIM][0]));
    /* What comes after both may be waited for. */
    lock_first(MS_RANK_DUE);
    unlock_first(MS_RANK_DUE);
    unlock_first(MS_RANK_RECLAIM);
    unlock_first(MS_RANK_PAGES);
}

Test(rank, a_lock_that_was_tried_in_vain_is_not_held)
{
    lock_first(MS_RANK_POOL);
    cr_assert_not(ms_mutex_try_lock(&locks[MS_RANK_POOL][0]));
    unlock_first(MS_RANK_POOL);
    lock_first(MS_RANK_RECLAIM);
    unlock_first(MS_RANK_RECLAIM);
}

Test(rank, readers_wait_for_what_comes_after_grace_periods)
{
    ms_rcu_read_lock();
    lock_first(MS_RANK_POOL);
    unlock_first(MS_RANK_POOL);
    lock_first(MS_RANK_MAINTENANCE);
    unlock_first(MS_RANK_MAINTENANCE);
    ms_rcu_read_unlock();
}

Test(rank, readers_are_waited_for_under_what_comes_before_them)
{
    lock_first(MS_RANK_RECLAIM);
    ms_rcu_synchronize();
    unlock_first(MS_RANK_RECLAIM);
}

static void *lock_reclaim(void *unused)
{
    (void)unused;
    lock_first(MS_RANK_RECLAIM);
    unlock_first(MS_RANK_RECLAIM);
    return NULL;
}

Test(rank, threads_do_not_mind_what_others_hold)
{
    pthread_t thread;

    lock_first(MS_RANK_POOL);
    cr_assert_eq(pthread_create(&thread, NULL, lock_reclaim, NULL), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    unlock_first(MS_RANK_POOL);
}

/* ---- What is caught ---- */

/* Taken by the children, for they cannot be given arguments. */
static enum ms_rank held, wanted;

static void lock_held_then_wanted(void)
{
    lock_first(held);
    lock_first(wanted);
}

Test(rank, every_inversion_is_caught)
{
    for (int rank = 0; rank < MS_RANKS; rank++) {
        for (int lower = 0; lower < rank; lower++) {
            held = (enum ms_rank)rank;
            wanted = (enum ms_rank)lower;
            if (is_lock(rank) && is_lock(lower))
                cr_expect(dies(lock_held_then_wanted, "locks out of order"), "%d then %d", rank,
                          lower);
        }
    }
}

static void lock_shard_under_pool(void)
{
    lock_first(MS_RANK_REGISTRY);
    lock_first(MS_RANK_POOL);
    lock_first(MS_RANK_SHARD);
}

Test(rank, the_last_words_name_the_locks)
{
    cr_assert(dies(lock_shard_under_pool,
                   "memstore: locks out of order: waiting for shard while holding what comes "
                   "after it; held: registry (1) pool (1)\n"));
}

static void lock_until_against_the_order(void)
{
    lock_first(MS_RANK_POOL);
    ms_mutex_lock_until(&locks[MS_RANK_SHARD][0], ms_clock_real_us());
}

Test(rank, waiting_with_a_deadline_is_waiting)
{
    cr_assert(dies(lock_until_against_the_order, "waiting for shard"));
}

static void wait_after_a_try_against_the_order(void)
{
    lock_first(MS_RANK_RECLAIM);
    ms_mutex_try_lock(&locks[MS_RANK_PAGES][0]);
    lock_first(MS_RANK_SHARD);
}

Test(rank, what_was_got_by_trying_counts_for_later_waits)
{
    cr_assert(dies(wait_after_a_try_against_the_order, "held: reclaim (1) pages (1)"));
}

static void lock_shards_descending(void)
{
    ms_mutex_lock(&locks[MS_RANK_SHARD][1]);
    ms_mutex_lock(&locks[MS_RANK_SHARD][0]);
}

static void lock_a_shard_twice(void)
{
    lock_first(MS_RANK_SHARD);
    lock_first(MS_RANK_SHARD);
}

static void lock_two_pools(void)
{
    ms_mutex_lock(&locks[MS_RANK_POOL][0]);
    ms_mutex_lock(&locks[MS_RANK_POOL][1]);
}

Test(rank, two_of_one_rank_are_caught_unless_they_are_ascending_shards)
{
    cr_expect(dies(lock_shards_descending, "another of its kind"));
    cr_expect(dies(lock_a_shard_twice, "another of its kind"));
    cr_expect(dies(lock_two_pools, "another of its kind"));
}

static void lock_shard_in_a_read_section(void)
{
    ms_rcu_read_lock();
    lock_first(MS_RANK_SHARD);
}

static void synchronize_in_a_read_section(void)
{
    ms_rcu_read_lock();
    ms_rcu_synchronize();
}

static void synchronize_under_pool(void)
{
    lock_first(MS_RANK_POOL);
    ms_rcu_synchronize();
}

Test(rank, waiting_for_readers_has_its_place_in_the_order)
{
    cr_expect(dies(lock_shard_in_a_read_section, "waiting for shard in a read section"));
    cr_expect(dies(synchronize_in_a_read_section, "waiting for grace period in a read section"));
    cr_expect(dies(synchronize_under_pool, "waiting for grace period while holding"));
}

static void unlock_what_is_not_held(void)
{
    unlock_first(MS_RANK_POOL);
}

Test(rank, giving_back_what_is_not_held_is_caught)
{
    cr_assert(dies(unlock_what_is_not_held, "a lock (pool) that it does not hold"));
}

#endif
