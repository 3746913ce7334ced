/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/leading.h"

/* The flights that this thread leads, the latest first. */
static __thread struct ms_flight *led;
/* Guards `waits_for` of the flights of all stores: a circle may go through several. Taken by
 * threads that wait while they lead a flight, and by no others. */
static ms_mutex waits_lock = MS_MUTEX_INITIALIZER(MS_RANK_WAITS);

void ms_leading_begin(struct ms_flight *flight)
{
    flight->outer = led;
    led = flight;
}

bool ms_leading_begin_to_wait(struct ms_flight *flight)
{
    const uint64_t me = ms_thread_serial();
    bool circle = false;

    if (led == NULL)
        return true;
    ms_mutex_lock(&waits_lock);
    for (struct ms_flight *at = flight; at != NULL && !circle; at = at->waits_for)
        circle = ms_load_relaxed(&at->leader) == me;
    for (struct ms_flight *mine = led; mine != NULL && !circle; mine = mine->outer)
        mine->waits_for = flight;
    ms_mutex_unlock(&waits_lock);
    return !circle;
}

void ms_leading_end_to_wait(void)
{
    if (led == NULL)
        return;
    ms_mutex_lock(&waits_lock);
    for (struct ms_flight *mine = led; mine != NULL; mine = mine->outer)
        mine->waits_for = NULL;
    ms_mutex_unlock(&waits_lock);
}

uint32_t ms_leading_count(const struct ms_flights *flights)
{
    uint32_t count = 0;

    for (const struct ms_flight *mine = led; mine != NULL; mine = mine->outer)
        count += mine->flights == flights;
    return count;
}

bool ms_leading_any(const struct ms_flights *flights)
{
    const struct ms_flight *flight = led;

    while (flight != NULL && flights != NULL && flight->flights != flights)
        flight = flight->outer;
    return flight != NULL;
}

void ms_leading_end(struct ms_flight *flight)
{
    struct ms_flight **link = &led;

    while (*link != flight)
        link = &(*link)->outer;
    *link = flight->outer;
    /* Before anybody sees the end: see ms_leading_begin_to_wait(). */
    ms_store_relaxed(&flight->leader, 0);
}

void ms_leading_before_fork(void)
{
    ms_mutex_lock(&waits_lock);
}

void ms_leading_after_fork(void)
{
    ms_mutex_unlock(&waits_lock);
}
