/* SPDX-License-Identifier: Apache-2.0 */
#include "support/preempt.h"

#include "platform/testing.h"
#include "support/support.h"

#include <sched.h>
#include <stdatomic.h>

#define SPINS_MAX 2000
/* Times that a thread yields after each preempt_seed(): on a machine that others use as well, each
 * may cost a whole turn of theirs. */
#define YIELDS_MAX 12

static __thread struct test_rng rng;
static __thread bool is_exempt;
static __thread unsigned yields_left = YIELDS_MAX;
static atomic_uint rarity;

static void spin(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        atomic_signal_fence(memory_order_seq_cst);
}

static void hold_up(enum ms_testing_point point, void *context)
{
    (void)point;
    (void)context;
    if (is_exempt || !test_one_in(&rng, atomic_load_explicit(&rarity, memory_order_relaxed)))
        return;
    /* On another processor a thread that spins is overtaken, on the same one a thread that
     * yields is: by one operation mostly, sometimes by many. */
    if (yields_left == 0 || test_one_in(&rng, 3)) {
        spin(test_below(&rng, SPINS_MAX));
    } else {
        yields_left--;
        for (uint64_t i = test_below(&rng, test_one_in(&rng, 8) ? 50 : 3) + 1; i > 0; i--)
            sched_yield();
    }
}

void preempt_start(unsigned one_in)
{
    atomic_store(&rarity, one_in);
    ms_testing_set_hook(hold_up, NULL);
}

void preempt_stop(void)
{
    ms_testing_set_hook(NULL, NULL);
}

void preempt_seed(uint64_t seed)
{
    rng.state = seed;
    yields_left = YIELDS_MAX;
}

void preempt_exempt(void)
{
    is_exempt = true;
}

void preempt_here(void)
{
    hold_up(MS_POINT_COUNT, NULL);
}
