/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/random.h"

#include "platform/atomic.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t mix(uint64_t state, uint64_t value)
{
    state = (state ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    state = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    state = (state ^ (state >> 27)) * UINT64_C(0x94d049bb133111eb);
    return state ^ (state >> 31);
}

/* What differs between calls (a counter), threads and processes (addresses, pid) and machines
 * and runs (clocks). */
static uint64_t seed_from_surroundings(void)
{
    static atomic_uint_least64_t calls;
    struct timespec monotonic, real;

    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &real);

    uint64_t seed = mix(0, ms_add_relaxed(&calls, 1));
    seed = mix(seed, (uint64_t)(uintptr_t)&monotonic);
    seed = mix(seed, (uint64_t)(uintptr_t)&calls);
    seed = mix(seed, (uint64_t)getpid());
    seed = mix(seed, (uint64_t)monotonic.tv_sec << 30 ^ (uint64_t)monotonic.tv_nsec);
    return mix(seed, (uint64_t)real.tv_sec << 30 ^ (uint64_t)real.tv_nsec);
}

uint64_t ms_random_seed(void)
{
    uint64_t seed;
    ssize_t got;

    /* Never block: opening a cache must not wait for a machine that is booting. */
    do
        got = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof seed ? seed : seed_from_surroundings();
}

/* xorshift64*, Vigna 2016: a state for each thread. */
uint64_t ms_random_cheap(void)
{
    static __thread uint64_t state;

    if (state == 0)
        state = ms_random_seed() | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(0x2545f4914f6cdd1d)) >> 16;
}
