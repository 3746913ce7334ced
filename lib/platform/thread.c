/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/thread.h"

#include "platform/atomic.h"
#include "platform/clock.h"
#include "platform/reader.h"
#include "platform/wait.h"

#include <errno.h>
#include <time.h>

void ms_mutex_init(ms_mutex *mutex, enum ms_rank rank)
{
    pthread_mutex_init(&mutex->mutex, NULL);
#ifndef NDEBUG
    mutex->rank = rank;
#else
    (void)rank;
#endif
}

void ms_mutex_destroy(ms_mutex *mutex)
{
    pthread_mutex_destroy(&mutex->mutex);
}

static struct timespec timespec_of_us(int64_t us)
{
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* gcc 12's ThreadSanitizer does not know pthread_mutex_clocklock() and would take the mutex for
 * unlocked. */
#if defined(__GLIBC_PREREQ) && !defined(__SANITIZE_THREAD__)
#if __GLIBC_PREREQ(2, 30)
#define HAS_CLOCKLOCK
#endif
#endif

#ifdef HAS_CLOCKLOCK
static int lock_until(ms_mutex *mutex, int64_t deadline_us)
{
    const struct timespec deadline = timespec_of_us(deadline_us);

    return pthread_mutex_clocklock(&mutex->mutex, CLOCK_MONOTONIC, &deadline);
}
#else
/* Elsewhere (musl) a mutex can be waited for by the wall clock alone: for this long at once, so that
 * somebody who sets that clock does not change the wait by much. */
#define SLICE_US 50000

static int lock_for(ms_mutex *mutex, int64_t us)
{
    struct timespec unix_now;

    clock_gettime(CLOCK_REALTIME, &unix_now);
    const int64_t unix_us = (int64_t)unix_now.tv_sec * 1000000 + unix_now.tv_nsec / 1000;
    const struct timespec deadline = timespec_of_us(unix_us + us);
    return pthread_mutex_timedlock(&mutex->mutex, &deadline);
}

static int lock_until(ms_mutex *mutex, int64_t deadline_us)
{
    for (;;) {
        const int64_t left_us = deadline_us - ms_clock_real_us();

        if (left_us <= SLICE_US)
            return lock_for(mutex, left_us);
        const int error = lock_for(mutex, SLICE_US);
        if (error != ETIMEDOUT)
            return error;
    }
}
#endif

bool ms_mutex_lock_until(ms_mutex *mutex, int64_t deadline_us)
{
    ms_rank_before_wait(ms_mutex_rank(mutex), mutex);
    if (ms_likely(ms_mutex_try_lock(mutex)))
        return true;
    ms_wait_begins();
    int error;
    do {
        error = lock_until(mutex, ms_wait_look(deadline_us));
    } while (error == ETIMEDOUT && !ms_wait_is_over(deadline_us));
    if (error != 0)
        return false;
    ms_rank_taken(ms_mutex_rank(mutex), mutex);
    return true;
}

void ms_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void ms_cond_wait(pthread_cond_t *cond, ms_mutex *mutex)
{
    pthread_cond_wait(cond, &mutex->mutex);
}

void ms_cond_wait_until(pthread_cond_t *cond, ms_mutex *mutex, int64_t deadline_us)
{
    const struct timespec deadline = timespec_of_us(deadline_us);

    pthread_cond_timedwait(cond, &mutex->mutex, &deadline);
}

/* ---- Thread numbers ---- */

__thread uint32_t ms_thread_slot_plus_one;

static ms_mutex slots_lock = MS_MUTEX_INITIALIZER(MS_RANK_NUMBERS);
static uint64_t slots_taken[MS_THREAD_SLOTS / 64];
static pthread_key_t slot_key;
static bool slot_key_made;

static void release_slot(void *slot_plus_one)
{
    const uint32_t slot = (uint32_t)(uintptr_t)slot_plus_one - 1;

    ms_reader_end_thread();
    ms_mutex_lock(&slots_lock);
    slots_taken[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    ms_mutex_unlock(&slots_lock);
    ms_thread_slot_plus_one = 0;
}

static void make_slot_key_locked(void)
{
    if (!slot_key_made)
        slot_key_made = pthread_key_create(&slot_key, release_slot) == 0;
}

/* When the library is loaded: destructors run in the order of their keys, and this one's is to run right
 * after that of liburcu, which has just been loaded (RD-1). */
__attribute__((constructor)) static void make_slot_key(void)
{
    ms_mutex_lock(&slots_lock);
    make_slot_key_locked();
    ms_mutex_unlock(&slots_lock);
}

static bool is_slot_free(uint32_t slot)
{
    return (slots_taken[slot / 64] >> slot % 64 & 1) == 0;
}

/* The lowest free number, or the shared last one. */
static uint32_t take_free_slot(void)
{
    for (uint32_t slot = 0; slot < MS_THREAD_SLOTS - 1; slot++) {
        if (is_slot_free(slot)) {
            slots_taken[slot / 64] |= UINT64_C(1) << slot % 64;
            return slot;
        }
    }
    return MS_THREAD_SLOTS - 1;
}

uint32_t ms_thread_slot_assign(void)
{
    ms_mutex_lock(&slots_lock);
    make_slot_key_locked(); /* what is linked statically may come before its constructor */

    /* A thread whose end nobody would tell us of may not own a number. */
    uint32_t slot = slot_key_made ? take_free_slot() : MS_THREAD_SLOTS - 1;
    ms_mutex_unlock(&slots_lock);

    if (slot != MS_THREAD_SLOTS - 1 &&
        pthread_setspecific(slot_key, (void *)(uintptr_t)(slot + 1)) != 0) {
        release_slot((void *)(uintptr_t)(slot + 1));
        slot = MS_THREAD_SLOTS - 1;
    }
    ms_thread_slot_plus_one = slot + 1;
    return slot;
}

static bool claim_slots_locked(uint32_t n, uint32_t below, uint32_t *first)
{
    uint32_t in_a_row = 0;

    for (uint32_t slot = below; slot-- > 0;) {
        in_a_row = is_slot_free(slot) ? in_a_row + 1 : 0;
        if (in_a_row < n)
            continue;
        for (uint32_t taken = slot; taken < slot + n; taken++)
            slots_taken[taken / 64] |= UINT64_C(1) << taken % 64;
        *first = slot;
        return true;
    }
    return false;
}

bool ms_thread_slots_claim(uint32_t n, uint32_t below, uint32_t *first)
{
    ms_mutex_lock(&slots_lock);
    const bool claimed = n != 0 && claim_slots_locked(n, below, first);
    ms_mutex_unlock(&slots_lock);
    return claimed;
}

/* The shared library stays mapped, but what the static one is linked into may be unloaded: threads that
 * outlive it must not run a destructor that is no longer mapped. */
__attribute__((destructor)) static void forget_slot_key(void)
{
    if (slot_key_made)
        pthread_key_delete(slot_key);
}

uint64_t ms_thread_serial(void)
{
    static atomic_uint_least64_t given;
    static __thread uint64_t serial;

    if (serial == 0)
        serial = ms_add_relaxed(&given, 1) + 1;
    return serial;
}

void ms_thread_before_fork(void)
{
    ms_mutex_lock(&slots_lock);
}

void ms_thread_after_fork(void)
{
    ms_mutex_unlock(&slots_lock);
}
