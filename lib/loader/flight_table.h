/* SPDX-License-Identifier: Apache-2.0 */
/* The table of flights: what is listed in it, what it is charged, and how absences are kept. Its lock is held
 * in every call but those that say otherwise. */
#ifndef MS_LOADER_FLIGHT_TABLE_H
#define MS_LOADER_FLIGHT_TABLE_H

#include "loader/flights.h"

/* Bits of a hash, of which the lowest choose its bucket, and its part of the filter: those that choose the
 * shard first (FL-6). */
static inline uint32_t ms_flights_spread(uint64_t hash)
{
    return (uint32_t)(hash >> 48) | (uint32_t)(hash << 16);
}

/* How many are listed of hashes alike; NULL while there was no flight yet. For who does not hold the lock,
 * too. */
static inline atomic_uint *ms_flights_part_of(const struct ms_flights *flights, uint64_t hash)
{
    atomic_uint *const filter = ms_load_acquire(&flights->filter);

    return filter != NULL ? &filter[ms_flights_spread(hash) & (flights->parts - 1)] : NULL;
}

/* A flight that is not listed, with one reference; NULL without memory. The lock is not held. */
struct ms_flight *ms_flights_make(struct ms_flights *flights, const struct ms_flight_call *call);
/* Free one that nobody refers to. The lock may be held. */
void ms_flight_free(struct ms_flight *flight);

struct ms_flight *ms_flights_find(struct ms_flights *flights, const memstore_key *key,
                                  uint64_t hash);
void ms_flights_insert(struct ms_flights *flights, struct ms_flight *flight);
/* Take a flight out, if it is listed. An absence may end with that. */
void ms_flights_remove(struct ms_flights *flights, struct ms_flight *flight);
/* Take it out because it was overtaken; until it ends it is in the list of those. */
void ms_flights_remove_overtaken(struct ms_flights *flights, struct ms_flight *flight);
/* One of these ends. */
void ms_flights_end_overtaken(struct ms_flights *flights, struct ms_flight *flight);
/* Whether the time of a lease or an absence is over; then nobody joins it any more. */
bool ms_flights_has_lapsed(struct ms_flights *flights, struct ms_flight *flight);
/* Keep an absence, or a pause, if there is room for it when the oldest have made way: `most` of its kind at most. */
bool ms_flights_keep_absence(struct ms_flights *flights, struct ms_flight *flight, uint32_t most,
                             bool pause);

#endif
