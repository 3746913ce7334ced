/* SPDX-License-Identifier: Apache-2.0 */
/* A gate with a number of places: who finds none free waits in line.
 *
 * First come, first served, so that who needs many places is not passed over for ever by those
 * who need one. While nobody waits, entering and leaving are one atomic operation each.
 *
 * GA-1  Free places and waiters are halves of one word, so that who leaves either finds nobody
 *       waiting, or is seen to have left by who begins to wait.
 * GA-2  The need of the first in line is above what is free, but while the gate is locked.
 *
 * All functions may be called by any thread; the lock inside is a leaf. */
#ifndef MS_PLATFORM_GATE_H
#define MS_PLATFORM_GATE_H

#include "platform/atomic.h"
#include "platform/thread.h"

#include <stdbool.h>
#include <stdint.h>

enum ms_gate_result { MS_GATE_ENTERED, MS_GATE_TIMED_OUT, MS_GATE_CLOSED };

struct ms_gate_waiter;

struct ms_gate {
    uint32_t places;
    bool closed;                         /* lock */
    struct ms_gate_waiter *first, *last; /* the line; lock */
    uint32_t forks;                      /* that this process comes from since it was made; lock */
    ms_mutex lock;
    atomic_uint_least64_t state MS_ALIGNED(MS_CACHE_LINE); /* waiters high, free places low */
};

#define MS_GATE_WAITER (UINT64_C(1) << 32)

void ms_gate_init(struct ms_gate *gate, uint32_t places);
void ms_gate_fini(struct ms_gate *gate);

/* Take `n` places, 1 or more, if they are free and nobody waits. */
static inline bool ms_gate_try_enter(struct ms_gate *gate, uint32_t n)
{
    uint64_t state = ms_load_relaxed(&gate->state);

    do {
        if (state >= MS_GATE_WAITER || state < n)
            return false;
        /* ORDER: acquire, pairs with ms_gate_leave(): who enters comes after those who left. */
    } while (!ms_cas_acq_rel(&gate->state, &state, state - n));
    return true;
}

/* The same, waiting in line until the deadline in ms_clock_real_us(). More places than there are
 * in all are not waited for. */
enum ms_gate_result ms_gate_enter(struct ms_gate *gate, uint32_t n, int64_t deadline_us);

/* The same for who may be asked whether to wait on (WT-2), which costs no place in line, but in the child of
 * a fork() of who is asked: it begins anew there. */
enum ms_gate_result ms_gate_enter_asking(struct ms_gate *gate, uint32_t n, int64_t deadline_us);

/* Whether no place is free just now. */
static inline bool ms_gate_is_taken(const struct ms_gate *gate)
{
    return (uint32_t)ms_load_relaxed(&gate->state) == 0;
}

/* Let those in line in who now find room. */
void ms_gate_serve(struct ms_gate *gate);

/* Give places back. */
static inline void ms_gate_leave(struct ms_gate *gate, uint32_t n)
{
    if (ms_unlikely(ms_add_seq_cst(&gate->state, n) >= MS_GATE_WAITER))
        ms_gate_serve(gate);
}

/* Send everybody away who waits; from now on nobody waits. */
void ms_gate_close(struct ms_gate *gate);

/* In the child of a fork(), across which the lock was held, while it has one thread: nobody waits,
 * and `taken` places are. */
void ms_gate_forget_threads(struct ms_gate *gate, uint32_t taken);

#endif
