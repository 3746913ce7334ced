/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor can do beyond what everything is compiled for. */
#ifndef MS_PLATFORM_PROCESSOR_H
#define MS_PLATFORM_PROCESSOR_H

#include <stdbool.h>

/* Whether there are functions for AVX2, BMI1 and BMI2 (store/read/get_avx2.c): with gcc, and not where all
 * sources are one unit. ThreadSanitizer is shown the ordinary ones. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_THREAD__) && !defined(MS_ONE_UNIT)
#define MS_HAVE_AVX2_BUILD 1
#else
#define MS_HAVE_AVX2_BUILD 0
#endif

/* Whether they may be called here. */
static inline bool ms_processor_has_avx2(void)
{
#if MS_HAVE_AVX2_BUILD
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

#endif
