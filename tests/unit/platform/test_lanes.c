/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: the sections of readers that call nothing. */
#include "platform/lanes.h"
#include "platform/rcu.h"
#include "platform/reader.h"
#include "platform/thread.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

static void *wait_for_grace_period(void *ended)
{
    ms_rcu_synchronize();
    ms_store_seq_cst((atomic_bool *)ended, true);
    return NULL;
}

static void claim(struct ms_lane **lanes, uint32_t n, uint32_t *first)
{
    *lanes = ms_lanes_claim(n, first);
    if (*lanes == NULL)
        cr_skip("the kernel has no membarrier()");
}

Test(lanes, a_grace_period_waits_for_a_section_in_a_lane)
{
    struct ms_lane *lanes;
    uint32_t first;
    atomic_bool ended = false;
    pthread_t waiter;

    claim(&lanes, 2, &first);
    ms_add_seq_cst(&lanes[1].turn, 1);
    cr_assert_eq(pthread_create(&waiter, NULL, wait_for_grace_period, &ended), 0);
    usleep(20000);
    cr_assert_not(ms_load_seq_cst(&ended));
    ms_add_seq_cst(&lanes[1].turn, 1);
    cr_assert_eq(pthread_join(waiter, NULL), 0);
    cr_assert(ms_load_seq_cst(&ended));
}

Test(lanes, a_section_that_follows_at_once_does_not_keep_a_grace_period_waiting)
{
    struct ms_lane *lanes;
    uint32_t first;
    atomic_bool ended = false;
    pthread_t waiter;

    claim(&lanes, 1, &first);
    ms_add_seq_cst(&lanes[0].turn, 1);
    cr_assert_eq(pthread_create(&waiter, NULL, wait_for_grace_period, &ended), 0);
    /* The end of one and the begin of the next, until the waiter has come to look between two: there is
     * no moment at which the lane is even. */
    while (!ms_load_seq_cst(&ended)) {
        ms_add_seq_cst(&lanes[0].turn, 2);
        usleep(100);
    }
    cr_assert_eq(pthread_join(waiter, NULL), 0);
}

Test(lanes, numbers_of_lanes_are_no_thread_s)
{
    struct ms_lane *lanes;
    uint32_t first, second;

    cr_assert_lt(ms_thread_slot(), MS_READER_SLOTS);
    claim(&lanes, 3, &first);
    cr_assert_eq(first, MS_READER_SLOTS - 3);
    cr_assert_not_null(ms_lanes_claim(2, &second));
    cr_assert_eq(second, first - 2);
    cr_assert_null(ms_lanes_claim(MS_READER_SLOTS, &second));
    cr_assert_null(ms_lanes_claim(0, &second));
}

Test(lanes, a_child_forgets_its_parent_s_readers)
{
    struct ms_lane *lanes;
    uint32_t first;

    claim(&lanes, 1, &first);
    ms_add_seq_cst(&lanes[0].turn, 1);
    ms_lanes_forget_readers();
    ms_rcu_synchronize();
}
