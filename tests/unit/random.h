/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of unit tests, which link nothing but the module they test. A run prints its seed;
 * MEMSTORE_TEST_SEED in the environment replays it. */
#ifndef UNIT_RANDOM_H
#define UNIT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct unit_random {
    uint64_t state;
};

static inline struct unit_random unit_random_start(const char *test)
{
    const char *const given = getenv("MEMSTORE_TEST_SEED");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                        : (uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec;
    fprintf(stderr, "%s: seed %llu (set MEMSTORE_TEST_SEED to replay)\n", test,
            (unsigned long long)seed);
    return (struct unit_random){seed};
}

/* splitmix64: one word of state. */
static inline uint64_t unit_random_next(struct unit_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t unit_random_below(struct unit_random *random, uint64_t bound)
{
    return unit_random_next(random) % bound;
}

#endif
