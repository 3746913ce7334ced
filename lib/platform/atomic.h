/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic operations with the memory order in the name.
 *
 * C11 atomics, thinly named, so that an order weaker than sequentially consistent is always
 * visible where it is used and can be searched for. No stand-alone fences: gcc's ThreadSanitizer
 * does not understand them. */
#ifndef MS_PLATFORM_ATOMIC_H
#define MS_PLATFORM_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ms_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define ms_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define ms_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define ms_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define ms_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define ms_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define ms_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define ms_add_acquire(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acquire)
#define ms_add_release(p, v) atomic_fetch_add_explicit((p), (v), memory_order_release)
#define ms_add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define ms_add_seq_cst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define ms_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define ms_sub_release(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define ms_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define ms_sub_seq_cst(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define ms_or_relaxed(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define ms_cas_relaxed(p, expected, desired)                                                       \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_relaxed,      \
                                            memory_order_relaxed)
#define ms_cas_release(p, expected, desired)                                                       \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_release,      \
                                            memory_order_relaxed)
#define ms_cas_acq_rel(p, expected, desired)                                                       \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel,      \
                                            memory_order_acquire)

/* Add 1 to what no other thread writes. Compilers make more than one instruction of a load and a store. */
static inline void ms_add_one_alone(atomic_uint_least64_t *count)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __asm__ volatile("incq %0" : "+m"(*count));
#else
    ms_store_relaxed(count, ms_load_relaxed(count) + 1);
#endif
}

/* Whether a number is below another that is loaded relaxed. Compilers make more than one instruction of a
 * comparison with what is atomic. */
static inline bool ms_is_below_relaxed32(uint32_t number, const atomic_uint_least32_t *other)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    bool below;

    __asm__ volatile("cmpl %2, %1" : "=@ccb"(below) : "r"(number), "m"(*other));
    return below;
#else
    return number < ms_load_relaxed(other);
#endif
}

static inline bool ms_is_below_relaxed64(uint64_t number, const atomic_uint_least64_t *other)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    bool below;

    __asm__ volatile("cmpq %2, %1" : "=@ccb"(below) : "r"(number), "m"(*other));
    return below;
#else
    return number < ms_load_relaxed(other);
#endif
}

/* Loads and stores of a member of a plain struct, which is copied as a whole where nobody shares it. */
#define ms_plain_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ms_plain_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* Bytes between two fields that different threads write, so that neither slows the other down.
 * 64 on the processors this runs on; adjacent-line prefetch makes pairs of lines matter only for
 * counters, which are spaced by two. */
#define MS_CACHE_LINE 64

#endif
