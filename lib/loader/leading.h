/* SPDX-License-Identifier: Apache-2.0 */
/* Which flights the calling thread leads, the latest first, and what it waits for meanwhile (FL-4). */
#ifndef MS_LOADER_LEADING_H
#define MS_LOADER_LEADING_H

#include "loader/flights.h"

/* This thread leads a flight from now on, and not any more. */
void ms_leading_begin(struct ms_flight *flight);
void ms_leading_end(struct ms_flight *flight);

/* Whether it leads any: of these flights, or with NULL of any store's. */
bool ms_leading_any(const struct ms_flights *flights);
/* How many of these flights it leads. */
uint32_t ms_leading_count(const struct ms_flights *flights);

/* Note that this thread waits for a flight while it leads others; false when that, or what its
 * leader waits for, and so on, is led by this thread. */
bool ms_leading_begin_to_wait(struct ms_flight *flight);
void ms_leading_end_to_wait(void);

/* Around fork(), inside the stores' locks: the lock of who waits for whom. */
void ms_leading_before_fork(void);
void ms_leading_after_fork(void);

#endif
