/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, each with its place in the order of platform/rank.h, and the number of the calling
 * thread. */
#ifndef MS_PLATFORM_THREAD_H
#define MS_PLATFORM_THREAD_H

#include "platform/compiler.h"
#include "platform/rank.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ms_mutex {
    pthread_mutex_t mutex;
#ifndef NDEBUG
    enum ms_rank rank;
#endif
} ms_mutex;

#ifndef NDEBUG
/* For a lock that is there before anything runs. */
#define MS_MUTEX_INITIALIZER(of_rank) {PTHREAD_MUTEX_INITIALIZER, (of_rank)}
#define ms_mutex_rank(of) ((of)->rank)
#else
#define MS_MUTEX_INITIALIZER(of_rank) {PTHREAD_MUTEX_INITIALIZER}
#define ms_mutex_rank(of) MS_RANKS
#endif

void ms_mutex_init(ms_mutex *mutex, enum ms_rank rank);
void ms_mutex_destroy(ms_mutex *mutex);

static inline void ms_mutex_lock(ms_mutex *mutex)
{
    ms_rank_before_wait(ms_mutex_rank(mutex), mutex);
    pthread_mutex_lock(&mutex->mutex);
    ms_rank_taken(ms_mutex_rank(mutex), mutex);
}

static inline void ms_mutex_unlock(ms_mutex *mutex)
{
    ms_rank_given_back(ms_mutex_rank(mutex));
    pthread_mutex_unlock(&mutex->mutex);
}

/* Lock if that needs no waiting, whatever the order of ranks. */
static inline bool ms_mutex_try_lock(ms_mutex *mutex)
{
    const bool taken = pthread_mutex_trylock(&mutex->mutex) == 0;

    if (taken)
        ms_rank_taken(ms_mutex_rank(mutex), mutex);
    return taken;
}

/* Lock, waiting until `deadline_us` of ms_clock_real_us() at most; false when that passed. */
bool ms_mutex_lock_until(ms_mutex *mutex, int64_t deadline_us);

/* Initialize a condition variable whose timed waits run on the monotonic clock. */
void ms_cond_init(pthread_cond_t *cond);
/* Wait until signalled. The mutex counts as held throughout. */
void ms_cond_wait(pthread_cond_t *cond, ms_mutex *mutex);
/* The same, until `deadline_us` of ms_clock_real_us() at most. */
void ms_cond_wait_until(pthread_cond_t *cond, ms_mutex *mutex, int64_t deadline_us);

/* Threads are numbered from 0; a number is unique among living threads and used again after its
 * thread has ended. Threads past MS_THREAD_SLOTS - 1 share the last number. */
#define MS_THREAD_SLOTS 256

extern __thread uint32_t ms_thread_slot_plus_one;
uint32_t ms_thread_slot_assign(void);

static inline uint32_t ms_thread_slot(void)
{
    return ms_likely(ms_thread_slot_plus_one != 0) ? ms_thread_slot_plus_one - 1
                                                   : ms_thread_slot_assign();
}

/* Take `n` numbers in a row below `below`, the highest that are free, from threads for good; *first is
 * the lowest of them. False when there are none. */
bool ms_thread_slots_claim(uint32_t n, uint32_t below, uint32_t *first);

/* What tells the calling thread from every other that this process and its parents ever had; never
 * 0, and the same in a child for the thread that called fork(). */
uint64_t ms_thread_serial(void);

/* Around fork(): the numbers' lock is held across it. In the child the numbers of the threads it
 * does not have stay taken. */
void ms_thread_before_fork(void);
void ms_thread_after_fork(void);

#endif
