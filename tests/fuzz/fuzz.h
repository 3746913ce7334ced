/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target is: LLVMFuzzerTestOneInput(), as libFuzzer calls it, and optionally a
 * generator of likely inputs for driver.c, which runs targets where there is no libFuzzer. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_random {
    uint64_t state;
};

/* splitmix64: one word of state. */
static inline uint64_t fuzz_next(struct fuzz_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t fuzz_below(struct fuzz_random *random, uint64_t bound)
{
    return fuzz_next(random) % bound;
}

/* Write an input of at most `cap` bytes, return its size. A target without one gets random
 * bytes. */
size_t fuzz_generate(struct fuzz_random *random, uint8_t *out, size_t cap) __attribute__((weak));

/* An assertion that stays in every build. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
