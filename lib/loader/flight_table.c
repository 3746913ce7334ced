/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/flight_table.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "util/hash.h"

#include <string.h>

/* How many absences are forgotten before others come first. */
#define FORGOTTEN_AT_ONCE 64

/* Buckets are a small share of the limit. */
#define LIMIT_PER_BUCKET 16384

static uint32_t buckets_for(uint64_t limit)
{
    uint32_t count = MS_FLIGHT_BUCKETS_LEAST;

    while (count < MS_FLIGHT_BUCKETS_MOST && count < limit / LIMIT_PER_BUCKET)
        count *= 2;
    return count;
}

static uint64_t buckets_bytes(const struct ms_flights *flights)
{
    return flights->bucket_count * sizeof(ms_flight_bucket);
}

void ms_flights_init(struct ms_flights *flights, struct ms_budget *budget, uint64_t limit,
                     bool wipes)
{
    flights->budget = budget;
    flights->wipes = wipes;
    flights->bucket_count = buckets_for(limit);
    ms_mutex_init(&flights->lock, MS_RANK_FLIGHTS);
    ms_cond_init(&flights->changes);
}

size_t ms_flights_bucket_count(const struct ms_flights *flights)
{
    return ms_load_relaxed(&flights->buckets) != NULL ? flights->bucket_count : 0;
}

struct ms_flight *ms_flights_in_bucket(const struct ms_flights *flights, size_t number)
{
    return ms_load_relaxed(&ms_load_relaxed(&flights->buckets)[number]);
}

ms_flight_bucket *ms_flights_bucket_of(const struct ms_flights *flights, uint64_t hash)
{
    ms_flight_bucket *const buckets = ms_load_acquire(&flights->buckets);

    return buckets != NULL ? &buckets[ms_mix64(hash) % flights->bucket_count] : NULL;
}

struct ms_flight *ms_flights_find(struct ms_flights *flights, const memstore_key *key,
                                  uint64_t hash)
{
    const ms_flight_bucket *bucket = ms_flights_bucket_of(flights, hash);
    struct ms_flight *flight = bucket != NULL ? ms_load_relaxed(bucket) : NULL;

    while (flight != NULL && (flight->hash != hash || flight->key_size != key->size ||
                              memcmp(flight->key, key->data, key->size) != 0))
        flight = flight->next;
    return flight;
}

void ms_flights_insert(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_flight_bucket *bucket = ms_flights_bucket_of(flights, flight->hash);

    flight->next = ms_load_relaxed(bucket);
    flight->listed = true;
    ms_store_relaxed(bucket, flight);
    ms_add_relaxed(&flights->listed, 1);
}

/* Those that were overtaken and go on are in a list of their own, by the links of absences, which none
 * of them is. */
static void go_on_overtaken(struct ms_flights *flights, struct ms_flight *flight)
{
    flight->earlier = NULL;
    flight->later = flights->overtaken;
    if (flight->later != NULL)
        flight->later->earlier = flight;
    flights->overtaken = flight;
}

void ms_flights_end_overtaken(struct ms_flights *flights, struct ms_flight *flight)
{
    if (flight->earlier != NULL)
        flight->earlier->later = flight->later;
    else
        flights->overtaken = flight->later;
    if (flight->later != NULL)
        flight->later->earlier = flight->earlier;
}

static void forget_absence_locked(struct ms_flights *flights, struct ms_flight *absence)
{
    if (absence->earlier != NULL)
        absence->earlier->later = absence->later;
    else
        flights->first = absence->later;
    if (absence->later != NULL)
        absence->later->earlier = absence->earlier;
    else
        flights->last = absence->earlier;
    absence->absence = false;
    flights->absences--;
    flights->absent_bytes -= ms_flight_bytes(absence->key_size);
}

static bool charge(struct ms_flights *flights, uint64_t bytes)
{
    if (!ms_budget_charge(flights->budget, bytes, flights->spare))
        return false;
    ms_add_relaxed(&flights->charged, bytes);
    return true;
}

static void uncharge(struct ms_flights *flights, uint64_t bytes, bool is_aside)
{
    if (is_aside) {
        ms_budget_uncharge(&flights->aside, bytes);
        return;
    }
    ms_sub_relaxed(&flights->charged, bytes);
    ms_budget_uncharge(flights->budget, bytes);
}

bool ms_flights_set_aside(struct ms_flights *flights, uint64_t bytes)
{
    if (!charge(flights, bytes))
        return false;
    ms_store_relaxed(&flights->aside.limit, bytes);
    return true;
}

void ms_flight_free(struct ms_flight *flight)
{
    const bool wipes = flight->flights->wipes;

    uncharge(flight->flights, ms_flight_bytes(flight->key_size), flight->is_aside);
    pthread_cond_destroy(&flight->ends);
    ms_mem_free_wiped(flight, wipes);
}

void ms_flights_remove(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_flight_bucket *bucket = ms_flights_bucket_of(flights, flight->hash);
    struct ms_flight *at = ms_load_relaxed(bucket);

    if (!flight->listed)
        return;
    if (at == flight) {
        ms_store_relaxed(bucket, flight->next);
    } else {
        while (at->next != flight)
            at = at->next;
        at->next = flight->next;
    }
    flight->listed = false;
    ms_sub_relaxed(&flights->listed, 1);
    if (flight->absence) {
        forget_absence_locked(flights, flight);
        if (--flight->references == 0)
            ms_flight_free(flight);
    }
}

void ms_flights_remove_overtaken(struct ms_flights *flights, struct ms_flight *flight)
{
    const bool goes_on = flight->listed && !flight->done;

    ms_store_relaxed(&flight->overtaken, true);
    ms_flights_remove(flights, flight);
    if (goes_on)
        go_on_overtaken(flights, flight);
}

bool ms_flights_has_lapsed(struct ms_flights *flights, struct ms_flight *flight)
{
    if (flight->until == 0 || (flight->done && !flight->absence) ||
        ms_clock_exact_ms() < flight->until)
        return false;
    if (!flight->done)
        pthread_cond_broadcast(&flight->ends);
    ms_flights_remove_overtaken(flights, flight);
    return true;
}

void ms_flights_fini(struct ms_flights *flights)
{
    while (flights->first != NULL)
        ms_flights_remove(flights, flights->first);
    if (ms_flights_bucket_count(flights) != 0)
        uncharge(flights, buckets_bytes(flights), flights->has_buckets_aside);
    uncharge(flights, ms_budget_limit(&flights->aside), false);
    ms_mem_free(ms_load_relaxed(&flights->buckets));
    pthread_cond_destroy(&flights->changes);
    ms_mutex_destroy(&flights->lock);
}

/* Whether absences are above a bound of their number or of their bytes. */
static bool exceed_locked(const struct ms_flights *flights, uint32_t most, uint64_t most_bytes)
{
    return flights->absences > most || flights->absent_bytes > most_bytes;
}

/* Forget some of them, the oldest first. False when none is above the bounds any more. */
static bool forget_some(struct ms_flights *flights, uint32_t most, uint64_t most_bytes)
{
    ms_mutex_lock(&flights->lock);
    for (int i = 0; i < FORGOTTEN_AT_ONCE && exceed_locked(flights, most, most_bytes); i++)
        ms_flights_remove(flights, flights->first);
    const bool exceed = exceed_locked(flights, most, most_bytes);
    ms_mutex_unlock(&flights->lock);
    return exceed;
}

void ms_flights_forget_absences(struct ms_flights *flights, uint32_t most, uint64_t most_bytes)
{
    while (forget_some(flights, most, most_bytes))
        ;
}

static bool forget_oldest(struct ms_flights *flights)
{
    ms_mutex_lock(&flights->lock);
    const bool any = flights->first != NULL;
    if (any)
        ms_flights_remove(flights, flights->first);
    ms_mutex_unlock(&flights->lock);
    return any;
}

/* Memory that is charged, where to is told; or NULL. */
static void *alloc_charged(struct ms_flights *flights, uint64_t bytes, bool insists, bool *is_aside)
{
    *is_aside = false;
    if (!charge(flights, bytes)) {
        *is_aside = insists && ms_budget_charge(&flights->aside, bytes, 0);
        if (!*is_aside)
            return NULL;
    }
    void *memory = ms_mem_alloc(bytes);
    if (memory == NULL) {
        ms_budget_note_refusal(flights->budget);
        uncharge(flights, bytes, *is_aside);
    }
    return memory;
}

/* See that there are buckets. Most stores never load anything, and in a small one they are memory for
 * entries. */
static bool make_buckets(struct ms_flights *flights, bool insists)
{
    ms_mutex_lock(&flights->lock);
    if (ms_flights_bucket_count(flights) == 0)
        ms_store_release(&flights->buckets, alloc_charged(flights, buckets_bytes(flights), insists,
                                                          &flights->has_buckets_aside));
    const bool made = ms_flights_bucket_count(flights) != 0;
    ms_mutex_unlock(&flights->lock);
    return made;
}

/* Memory for a flight, absences giving way to one of who insists. */
static struct ms_flight *alloc_flight(struct ms_flights *flights, const struct ms_flight_call *call)
{
    const uint64_t bytes = ms_flight_bytes(call->key.size);
    struct ms_flight *flight;
    bool is_aside;

    do
        flight = alloc_charged(flights, bytes, call->insists, &is_aside);
    while (flight == NULL && call->insists && bytes <= ms_budget_limit(&flights->aside) &&
           forget_oldest(flights));
    if (flight != NULL)
        flight->is_aside = is_aside;
    return flight;
}

struct ms_flight *ms_flights_make(struct ms_flights *flights, const struct ms_flight_call *call)
{
    struct ms_flight *flight =
        make_buckets(flights, call->insists) ? alloc_flight(flights, call) : NULL;

    if (flight == NULL)
        return NULL;
    flight->flights = flights;
    flight->refreshes = call->refreshes;
    flight->references = 1;
    flight->until = call->lease_until;
    ms_store_relaxed(&flight->leader, call->lease_until == 0 ? ms_thread_serial() : 0);
    ms_cond_init(&flight->ends);
    flight->hash = call->hash;
    flight->key_size = call->key.size;
    memcpy(flight->key, call->key.data, call->key.size);
    return flight;
}

bool ms_flights_keep_absence(struct ms_flights *flights, struct ms_flight *flight, uint32_t most)
{
    const uint64_t bytes = ms_flight_bytes(flight->key_size);
    const uint64_t most_bytes = ms_flights_most_absent(ms_budget_limit(flights->budget));

    if (most == 0 || bytes > most_bytes)
        return false;
    while (exceed_locked(flights, most - 1, most_bytes - bytes))
        ms_flights_remove(flights, flights->first);
    flight->absence = true;
    flight->references++;
    flight->earlier = flights->last;
    if (flights->last != NULL)
        flights->last->later = flight;
    else
        flights->first = flight;
    flights->last = flight;
    flights->absences++;
    flights->absent_bytes += bytes;
    return true;
}
