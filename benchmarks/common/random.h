/* SPDX-License-Identifier: Apache-2.0 */
/* A small deterministic random generator: the same seed gives the same stream on every machine. */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <math.h>
#include <stdint.h>

/* SplitMix64's finalizer: a bijection on 64 bits, so distinct inputs give distinct outputs. */
static inline uint64_t random_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

struct random_state {
    uint64_t counter;
};

static inline void random_seed(struct random_state *random, uint64_t seed)
{
    random->counter = random_mix(seed);
}

static inline uint64_t random_next(struct random_state *random)
{
    random->counter += 0x9e3779b97f4a7c15u;
    return random_mix(random->counter);
}

/* Uniform in [0, 1). */
static inline double random_unit(struct random_state *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* Uniform in [0, bound), bound > 0. The bias is below bound / 2^64. */
static inline uint64_t random_below(struct random_state *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_next(random) * bound) >> 64);
}

/* How often an event of this probability fails to happen before it happens once. */
static inline uint64_t random_geometric(struct random_state *random, double probability)
{
    return (uint64_t)(log(1.0 - random_unit(random)) / log(1.0 - probability));
}

/* Normal with mean 0 and deviation 1 (Box and Muller). */
static inline double random_normal(struct random_state *random)
{
    double radius = sqrt(-2.0 * log(1.0 - random_unit(random)));

    return radius * cos(6.283185307179586 * random_unit(random));
}

#endif
