/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/rcu.h"

#include "platform/lanes.h"
#include "platform/rank.h"
#include "platform/reader.h"

#if defined(__SANITIZE_THREAD__)
char ms_rcu_tsan_edge;
#endif

bool ms_rcu_needs_no_fence(void)
{
#if defined(_LGPL_SOURCE)
    return urcu_bp_has_sys_membarrier != 0;
#else
    return true;
#endif
}

void ms_rcu_synchronize(void)
{
    ms_rank_before_wait(MS_RANK_GRACE_PERIOD, NULL);
    ms_reader_let_leave();
    urcu_bp_synchronize_rcu();
    ms_lanes_wait();
    MS_RCU_TSAN_GRACE_PERIOD_ENDS();
}

#ifndef NDEBUG
bool ms_rcu_is_reading(void)
{
    return urcu_bp_read_ongoing() != 0;
}
#endif

void ms_rcu_before_fork(void)
{
    ms_rank_before_wait(MS_RANK_GRACE_PERIOD, NULL);
    urcu_bp_before_fork();
    ms_rank_taken(MS_RANK_GRACE_PERIOD, NULL);
}

void ms_rcu_after_fork(bool in_child)
{
    ms_rank_given_back(MS_RANK_GRACE_PERIOD);
    if (in_child)
        urcu_bp_after_fork_child();
    else
        urcu_bp_after_fork_parent();
}

const void *ms_rcu_domain(void)
{
    return (const void *)(uintptr_t)&urcu_bp_synchronize_rcu;
}
