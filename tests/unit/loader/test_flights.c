/* SPDX-License-Identifier: Apache-2.0 */
/* How long who begins a load may have the lock, counted in flights that he passes under it. */
#include "loader/flights.h"
#include "platform/testing.h"
#include "support/criterion.h"

#define LIMIT (UINT64_C(16) << 30)
#define MANY 150000

static struct ms_flights flights;
static struct ms_flight *begun[MANY];

static void note_walk(enum ms_testing_point point, void *most)
{
    if (point == MS_POINT_FLIGHTS_WALKED && ms_testing_work() > *(size_t *)most)
        *(size_t *)most = ms_testing_work();
}

/* Begin so many loads that go on at once: leases, which no thread leads. */
static void begin_many(void)
{
    for (uint64_t i = 0; i < MANY; i++) {
        const struct ms_flight_call call = {.key = {&i, sizeof i},
                                            .hash = i * UINT64_C(0x9e3779b97f4a7c15),
                                            .lease_until = INT64_MAX};

        cr_assert_eq(ms_flights_join(&flights, &call, &begun[i]), MS_JOINED_AS_LEADER);
    }
}

/* None of the keys exists, and that is remembered of all. */
static void end_many(void)
{
    memstore_view left;

    for (size_t i = 0; i < MANY; i++) {
        cr_assert(ms_flights_end_absent(begun[i], INT64_MAX, MANY));
        ms_flight_drop(begun[i], &left);
    }
}

Test(flights, however_many_loads_begin_few_are_passed_at_once)
{
    struct ms_budget budget = {.limit = LIMIT};
    size_t most = 0;

    ms_flights_init(&flights, &budget, LIMIT, false);
    ms_testing_set_hook(note_walk, &most);
    begin_many();
    end_many();
    cr_assert_leq(most, 20000);
    for (uint32_t left = MANY; left != 0; left -= 1000)
        ms_flights_forget_absences(&flights, left, UINT64_MAX);
    ms_testing_set_hook(NULL, NULL);
    cr_assert_leq(most, 20000);
    ms_flights_fini(&flights);
    cr_assert_eq(ms_budget_charged(&budget), 0);
}
