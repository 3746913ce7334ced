/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/budget.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

Test(budget, charges_up_to_the_limit_and_not_beyond)
{
    struct ms_budget budget = {.limit = 1000};

    cr_assert(ms_budget_charge(&budget, 600, 0));
    cr_assert_not(ms_budget_charge(&budget, 401, 0));
    cr_assert_eq(ms_budget_charged(&budget), 600);
    cr_assert(ms_budget_charge(&budget, 400, 0));
    cr_assert_not(ms_budget_charge(&budget, 1, 0));
    cr_assert(ms_budget_charge(&budget, 0, 0));
    cr_assert_eq(ms_budget_charged(&budget), 1000);
}

Test(budget, leaves_what_is_to_be_spared)
{
    struct ms_budget budget = {.limit = 1000};

    cr_assert_not(ms_budget_charge(&budget, 801, 200));
    cr_assert(ms_budget_charge(&budget, 800, 200));
    cr_assert_not(ms_budget_charge(&budget, 1, 200));
    cr_assert(ms_budget_charge(&budget, 200, 0));
}

Test(budget, gives_back_what_was_charged)
{
    struct ms_budget budget = {.limit = 1000};

    cr_assert(ms_budget_charge(&budget, 700, 0));
    cr_assert(ms_budget_charge(&budget, 300, 0));
    ms_budget_uncharge(&budget, 700);
    cr_assert_eq(ms_budget_charged(&budget), 300);
    cr_assert(ms_budget_charge(&budget, 700, 0));
}

Test(budget, above_a_lowered_limit_charges_nothing)
{
    struct ms_budget budget = {.limit = 1000};

    cr_assert(ms_budget_charge(&budget, 900, 0));
    budget.limit = 500;
    cr_assert_not(ms_budget_charge(&budget, 1, 0));
    ms_budget_uncharge(&budget, 500);
    cr_assert(ms_budget_charge(&budget, 100, 0));
}

Test(budget, tells_what_happened_since_a_mark)
{
    struct ms_budget budget = {.limit = 1000};
    struct ms_budget_mark mark = ms_budget_mark(&budget);

    cr_assert(ms_budget_charge(&budget, 100, 0));
    cr_assert_not(ms_budget_charge(&budget, 1000, 0));
    cr_assert_not(ms_budget_was_refused(&budget, &mark), "that was the limit, not the system");
    cr_assert_not(ms_budget_was_released(&budget, &mark));
    ms_budget_note_refusal(&budget);
    cr_assert(ms_budget_was_refused(&budget, &mark));
    ms_budget_uncharge(&budget, 100);
    cr_assert(ms_budget_was_released(&budget, &mark));
    mark = ms_budget_mark(&budget);
    cr_assert_not(ms_budget_was_refused(&budget, &mark));
    cr_assert_not(ms_budget_was_released(&budget, &mark));
}

/* For two threads there is never room at once. */
static atomic_bool exceeded;

static void *charge_and_give_back(void *argument)
{
    struct ms_budget *budget = argument;

    for (int charged = 0; charged < 20000;) {
        if (!ms_budget_charge(budget, 600, 0)) {
            sched_yield();
            continue;
        }
        if (ms_budget_charged(budget) > budget->limit)
            atomic_store(&exceeded, true);
        ms_budget_uncharge(budget, 600);
        charged++;
    }
    return NULL;
}

Test(budget, holds_while_several_threads_charge)
{
    struct ms_budget budget = {.limit = 1000};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, charge_and_give_back, &budget), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_not(atomic_load(&exceeded));
    cr_assert_eq(ms_budget_charged(&budget), 0);
}
