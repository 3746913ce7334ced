/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the compiler beyond C11, each behind a name. */
#ifndef MS_PLATFORM_COMPILER_H
#define MS_PLATFORM_COMPILER_H

#define ms_likely(x) __builtin_expect(!!(x), 1)
#define ms_unlikely(x) __builtin_expect(!!(x), 0)
#define ms_prefetch(p) __builtin_prefetch((p), 0, 3)
#define ms_prefetch_write(p) __builtin_prefetch((p), 1, 3)
#define MS_ALWAYS_INLINE static inline __attribute__((always_inline))
#define MS_NOINLINE __attribute__((noinline))
#define MS_ALIGNED(n) __attribute__((aligned(n)))

/* The compiler may take it for granted. */
#define ms_assume(what) ((what) ? (void)0 : __builtin_unreachable())

/* The compiler computes `value` before what follows from it here, instead of interleaving both. */
#define ms_keep_in_order(value) __asm__("" : "+r"(value))

#endif
