/* SPDX-License-Identifier: Apache-2.0 */
/* Locks as the explorer sees them, and the number of the thread under exploration; stands before
 * the library's own header of this name. No wait for a lock times out. */
#ifndef MS_PLATFORM_THREAD_H
#define MS_PLATFORM_THREAD_H

#include "platform/compiler.h"
#include "platform/rank.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All there is to a lock is its address. */
typedef struct {
    char unused;
} ms_mutex;

void explore_lock(ms_mutex *mutex);
bool explore_try_lock(ms_mutex *mutex);
void explore_unlock(ms_mutex *mutex);

static inline void ms_mutex_init(ms_mutex *mutex, enum ms_rank rank)
{
    (void)mutex;
    (void)rank;
}

static inline void ms_mutex_destroy(ms_mutex *mutex)
{
    (void)mutex;
}

static inline void ms_mutex_lock(ms_mutex *mutex)
{
    explore_lock(mutex);
}

static inline void ms_mutex_unlock(ms_mutex *mutex)
{
    explore_unlock(mutex);
}

static inline bool ms_mutex_try_lock(ms_mutex *mutex)
{
    return explore_try_lock(mutex);
}

static inline bool ms_mutex_lock_until(ms_mutex *mutex, int64_t deadline_us)
{
    (void)deadline_us;
    explore_lock(mutex);
    return true;
}

#define MS_MUTEX_INITIALIZER(of_rank) {0}

/* Nobody who is explored waits for a signal. */
static inline void ms_cond_init(pthread_cond_t *cond)
{
    pthread_cond_init(cond, NULL);
}

void ms_cond_wait(pthread_cond_t *cond, ms_mutex *mutex);
void ms_cond_wait_until(pthread_cond_t *cond, ms_mutex *mutex, int64_t deadline_us);

#define MS_THREAD_SLOTS 256

extern uint32_t ms_thread_slot_plus_one;

static inline uint32_t ms_thread_slot(void)
{
    return ms_thread_slot_plus_one - 1;
}

static inline uint64_t ms_thread_serial(void)
{
    return ms_thread_slot_plus_one;
}

#endif
