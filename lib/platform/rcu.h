/* SPDX-License-Identifier: Apache-2.0 */
/* Read-copy-update, by liburcu's `bp` flavour: any thread may enter a read section without
 * having registered, threads that Go and Python created included.
 *
 * The read side is inlined (_LGPL_SOURCE; the functions are under the ten lines that the LGPL
 * lets any program inline, see NOTICE) and its thread-local pointer is reached with the
 * initial-exec model: 3 ns a section instead of 12.
 *
 * Read sections nest, never block, and are short: what needs long takes a pin instead. */
#ifndef MS_PLATFORM_RCU_H
#define MS_PLATFORM_RCU_H

/* liburcu does not align its reader records as their type asks. Inlined, that would be an
 * alignment error of ours to UndefinedBehaviorSanitizer, so that build (it has AddressSanitizer
 * too) calls the library instead. */
#if !defined(__SANITIZE_ADDRESS__)
#define _LGPL_SOURCE
#endif
#include <stdbool.h>
#include <urcu-bp.h>

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer cannot see that a grace period orders a read section before the reclaimer:
 * liburcu is not instrumented and uses fences. These two annotations state exactly that edge and
 * no other. */
extern char ms_rcu_tsan_edge;
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define MS_RCU_TSAN_READ_ENDS() __tsan_release(&ms_rcu_tsan_edge)
#define MS_RCU_TSAN_GRACE_PERIOD_ENDS() __tsan_acquire(&ms_rcu_tsan_edge)
#else
#define MS_RCU_TSAN_READ_ENDS() ((void)0)
#define MS_RCU_TSAN_GRACE_PERIOD_ENDS() ((void)0)
#endif

static inline void ms_rcu_read_lock(void)
{
    urcu_bp_read_lock();
}

static inline void ms_rcu_read_unlock(void)
{
    MS_RCU_TSAN_READ_ENDS();
    urcu_bp_read_unlock();
}

/* Whether a section can be begun without a fence (platform/reader.h). */
bool ms_rcu_needs_no_fence(void);

/* Wait until every read section that has begun by now has ended. Not called inside one. */
void ms_rcu_synchronize(void);
#ifndef NDEBUG
/* Whether the caller is in a read section; for platform/rank.h, which checks that nobody waits in
 * one for what a grace period may wait for. */
bool ms_rcu_is_reading(void);
#endif

/* Around fork(): no grace period runs across it, and the child forgets the threads it does not
 * have. */
void ms_rcu_before_fork(void);
void ms_rcu_after_fork(bool in_child);

/* What tells this liburcu from another in the process. */
const void *ms_rcu_domain(void);

#endif
