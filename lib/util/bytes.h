/* SPDX-License-Identifier: Apache-2.0 */
/* A run of bytes somewhere else: pointer and length, never owned, never assumed to end in NUL. */
#ifndef MS_UTIL_BYTES_H
#define MS_UTIL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

struct ms_bytes {
    const void *data; /* may be NULL when size is 0 */
    size_t size;
};

static inline struct ms_bytes ms_bytes(const void *data, size_t size)
{
    return (struct ms_bytes){.data = data, .size = size};
}

/* The bytes of a C string, without its NUL. */
static inline struct ms_bytes ms_bytes_of(const char *text)
{
    return ms_bytes(text, strlen(text));
}

static inline bool ms_bytes_equal(struct ms_bytes a, struct ms_bytes b)
{
    /* memcmp() may not be given NULL, not even with a length of 0. */
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Sizes that ms_copy_quick() copies. */
static inline bool ms_is_quick_copy(size_t size)
{
    return size - 16 <= 112;
}

/* Copy 16 to 128 bytes without a call: from both ends towards the middle, sixteen bytes at a time or, where
 * it is compiled for that, 32. */
#if defined(__AVX2__)
static inline void ms_copy_32(char *to, const char *from)
{
    _mm256_storeu_si256((__m256i *)(void *)to,
                        _mm256_loadu_si256((const __m256i *)(const void *)from));
}

static inline void ms_copy_quick(char *to, const char *from, size_t size)
{
    if (size < 32) {
        memcpy(to, from, 16);
        memcpy(to + size - 16, from + size - 16, 16);
        return;
    }
    ms_copy_32(to, from);
    ms_copy_32(to + size - 32, from + size - 32);
    if (size <= 64)
        return;
    ms_copy_32(to + 32, from + 32);
    ms_copy_32(to + size - 64, from + size - 64);
}
#else
static inline void ms_copy_quick(char *to, const char *from, size_t size)
{
    memcpy(to, from, 16);
    memcpy(to + size - 16, from + size - 16, 16);
    if (size <= 32)
        return;
    memcpy(to + 16, from + 16, 16);
    memcpy(to + size - 32, from + size - 32, 16);
    if (size <= 64)
        return;
    memcpy(to + 32, from + 32, 16);
    memcpy(to + 48, from + 48, 16);
    memcpy(to + size - 64, from + size - 64, 16);
    memcpy(to + size - 48, from + size - 48, 16);
}
#endif

#endif
