/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/flight_table.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "platform/testing.h"

#include <string.h>

/* How many absences are forgotten before others come first. */
#define FORGOTTEN_AT_ONCE 64

/* Filter and buckets are a small share of the limit. Of the flights that absences' share has room for (FL-5)
 * four or five are in a bucket then. */
#define LIMIT_PER_PART 16384
#define LIMIT_PER_BUCKET 16384

#define FLIGHTS_PER_BUCKET 4
#define MOST_BUCKETS (UINT32_C(1) << 18)

/* All flights are moved to other buckets under the lock. No more than so many are, which takes a millisecond or
 * two: with as many there are all buckets that the limit has, if it has them then, and with more they are not given
 * back. */
#define MOVED_AT_MOST 16384

static uint32_t parts_for(uint64_t limit)
{
    uint32_t count = MS_FLIGHT_PARTS_LEAST;

    while (count < MS_FLIGHT_PARTS_MOST && count < limit / LIMIT_PER_PART)
        count *= 2;
    return count;
}

void ms_flights_init(struct ms_flights *flights, struct ms_budget *budget, uint64_t limit,
                     bool wipes)
{
    flights->budget = budget;
    flights->wipes = wipes;
    flights->parts = parts_for(limit);
    ms_mutex_init(&flights->lock, MS_RANK_FLIGHTS);
    ms_cond_init(&flights->changes);
}

/* The bucket of a hash. There are some. */
static struct ms_flight **bucket_of(const struct ms_flights *flights, uint64_t hash)
{
    return &flights->buckets[ms_flights_spread(hash) & (flights->bucket_count - 1)];
}

static void put(const struct ms_flights *flights, struct ms_flight *flight)
{
    struct ms_flight **bucket = bucket_of(flights, flight->hash);

    flight->next = *bucket;
    *bucket = flight;
}

static bool is_of(const struct ms_flight *flight, const memstore_key *key, uint64_t hash)
{
    return flight->hash == hash && flight->key_size == key->size &&
           memcmp(flight->key, key->data, key->size) == 0;
}

struct ms_flight *ms_flights_find(struct ms_flights *flights, const memstore_key *key,
                                  uint64_t hash)
{
    struct ms_flight *flight = flights->bucket_count != 0 ? *bucket_of(flights, hash) : NULL;
    size_t passed = 0;

    for (; flight != NULL && !is_of(flight, key, hash); flight = flight->next)
        passed++;
    ms_testing_reach_after(MS_POINT_FLIGHTS_WALKED, passed);
    return flight;
}

void ms_flights_insert(struct ms_flights *flights, struct ms_flight *flight)
{
    put(flights, flight);
    flight->listed = true;
    ms_add_relaxed(ms_flights_part_of(flights, flight->hash), 1);
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

/* Those of the same kind. */
static struct ms_absences *absences_with(struct ms_flights *flights, const struct ms_flight *flight)
{
    return flight->pause ? &flights->pauses : &flights->absences;
}

static void forget_absence_locked(struct ms_flights *flights, struct ms_flight *absence)
{
    struct ms_absences *absences = absences_with(flights, absence);

    if (absence->earlier != NULL)
        absence->earlier->later = absence->later;
    else
        absences->first = absence->later;
    if (absence->later != NULL)
        absence->later->earlier = absence->earlier;
    else
        absences->last = absence->earlier;
    absence->absence = false;
    absences->count--;
    flights->absent_bytes -= ms_flight_bytes(absence->key_size);
}

/* How many absences there may be. */
struct bounds {
    uint32_t absences, pauses;
    uint64_t bytes; /* of both */
};

/* The oldest of the kind of which there are more, or NULL. */
static struct ms_flight *oldest(const struct ms_flights *flights)
{
    return flights->pauses.count > flights->absences.count ? flights->pauses.first
                                                           : flights->absences.first;
}

/* The next to be forgotten, or NULL when there are no more than there may be. */
static struct ms_flight *excess(const struct ms_flights *flights, const struct bounds *most)
{
    if (flights->absences.count > most->absences)
        return flights->absences.first;
    if (flights->pauses.count > most->pauses)
        return flights->pauses.first;
    return flights->absent_bytes > most->bytes ? oldest(flights) : NULL;
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
    if (!flight->listed)
        return;
    struct ms_flight **at = bucket_of(flights, flight->hash);
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    flight->listed = false;
    ms_sub_relaxed(ms_flights_part_of(flights, flight->hash), 1);
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

/* ---- How many buckets there are ---- */

static uint32_t first_count(const struct ms_flights *flights)
{
    return flights->parts / MS_FLIGHT_PARTS_PER_BUCKET;
}

static struct ms_flight **first_buckets(const struct ms_flights *flights)
{
    return (struct ms_flight **)(ms_load_relaxed(&flights->filter) + flights->parts);
}

/* Buckets for so many flights under such a limit. */
static uint32_t buckets_for(const struct ms_flights *flights, uint64_t many, uint64_t limit)
{
    uint32_t count = first_count(flights);

    while (count < MOST_BUCKETS && count < many / FLIGHTS_PER_BUCKET &&
           count < limit / LIMIT_PER_BUCKET)
        count *= 2;
    return count;
}

/* What buckets are charged when they are others than the first. */
static uint64_t more_bytes(const struct ms_flights *flights)
{
    return flights->bucket_count > first_count(flights)
               ? flights->bucket_count * sizeof *flights->buckets
               : 0;
}

/* Go on with other buckets, which are empty, as the first are whenever there are others. */
static void move_to(struct ms_flights *flights, struct ms_flight **buckets, uint32_t count)
{
    struct ms_flight **const old = flights->buckets;
    const uint32_t old_count = flights->bucket_count;
    const uint64_t old_bytes = more_bytes(flights);

    flights->buckets = buckets;
    flights->bucket_count = count;
    ms_testing_reach_after(MS_POINT_FLIGHTS_WALKED, ms_load_relaxed(&flights->listed));
    for (uint32_t i = 0; i < old_count; i++) {
        for (struct ms_flight *flight = old[i], *next; flight != NULL; flight = next) {
            next = flight->next;
            put(flights, flight);
        }
        old[i] = NULL;
    }
    if (old_bytes == 0)
        return;
    uncharge(flights, old_bytes, false);
    ms_mem_free(old);
}

/* Have so many buckets; or as many as there are, without memory. That is no refusal that anybody must know
 * of, since nothing fails. */
static void have_buckets(struct ms_flights *flights, uint32_t count)
{
    const uint64_t bytes = count * sizeof(struct ms_flight *);
    struct ms_flight **buckets;

    if (count == flights->bucket_count)
        return;
    if (count == first_count(flights)) {
        move_to(flights, first_buckets(flights), count);
        return;
    }
    if (!charge(flights, bytes))
        return;
    buckets = ms_mem_alloc(bytes);
    if (buckets != NULL)
        move_to(flights, buckets, count);
    else
        uncharge(flights, bytes, false);
}

/* For how many flights to have buckets when so many are listed. */
static uint64_t worth_buckets(const struct ms_flights *flights, uint64_t listed)
{
    if (2 * listed > MOVED_AT_MOST)
        return UINT64_MAX;
    return 2 * listed > flights->most_absent ? 2 * listed : flights->most_absent;
}

/* One more is to be listed: have more buckets if those there are have their fill, at once as many as absences
 * may come to need, so that flights are moved while they are few. */
static void grow(struct ms_flights *flights)
{
    const uint64_t listed = ms_load_relaxed(&flights->listed);
    const uint64_t many = worth_buckets(flights, listed);

    if (listed >= (uint64_t)flights->bucket_count * FLIGHTS_PER_BUCKET) {
        const uint32_t count = buckets_for(flights, many, ms_budget_limit(flights->budget));

        if (count > flights->bucket_count)
            have_buckets(flights, count);
    }
}

/* So many absences, with so many bytes, are the most from now on: keep no more buckets than they can need. */
static void shrink(struct ms_flights *flights, uint32_t most, uint64_t most_bytes)
{
    const uint64_t listed = ms_load_relaxed(&flights->listed);
    const uint64_t limit = most_bytes < UINT64_MAX / MS_FLIGHTS_ABSENT_SHARE
                               ? most_bytes * MS_FLIGHTS_ABSENT_SHARE
                               : UINT64_MAX;

    if (listed <= MOVED_AT_MOST && flights->bucket_count > buckets_for(flights, most, limit)) {
        const uint32_t count = buckets_for(flights, listed, limit);

        if (count < flights->bucket_count)
            have_buckets(flights, count);
    }
}

void ms_flights_fini(struct ms_flights *flights)
{
    while (oldest(flights) != NULL)
        ms_flights_remove(flights, oldest(flights));
    if (flights->bucket_count != 0) {
        have_buckets(flights, first_count(flights));
        uncharge(flights, ms_flights_first_bytes(flights), flights->has_filter_aside);
    }
    uncharge(flights, ms_budget_limit(&flights->aside), false);
    ms_mem_free(ms_load_relaxed(&flights->filter));
    pthread_cond_destroy(&flights->changes);
    ms_mutex_destroy(&flights->lock);
}

/* Forget some of them, the oldest first. False when none is above the bounds any more. */
static bool forget_some(struct ms_flights *flights, const struct bounds *most)
{
    struct ms_flight *next;

    ms_mutex_lock(&flights->lock);
    for (int i = 0; i < FORGOTTEN_AT_ONCE && (next = excess(flights, most)) != NULL; i++)
        ms_flights_remove(flights, next);
    const bool exceed = excess(flights, most) != NULL;
    ms_mutex_unlock(&flights->lock);
    return exceed;
}

void ms_flights_forget_absences(struct ms_flights *flights, uint32_t most, uint64_t most_bytes)
{
    const struct bounds bounds = {most, ms_flights_most_pauses(most), most_bytes};

    while (forget_some(flights, &bounds))
        ;
    ms_mutex_lock(&flights->lock);
    shrink(flights, most, most_bytes);
    ms_mutex_unlock(&flights->lock);
}

static bool forget_oldest(struct ms_flights *flights)
{
    ms_mutex_lock(&flights->lock);
    struct ms_flight *const flight = oldest(flights);
    if (flight != NULL)
        ms_flights_remove(flights, flight);
    ms_mutex_unlock(&flights->lock);
    return flight != NULL;
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

static void make_first_buckets(struct ms_flights *flights, bool insists)
{
    atomic_uint *filter = alloc_charged(flights, ms_flights_first_bytes(flights), insists,
                                        &flights->has_filter_aside);

    if (filter == NULL)
        return;
    ms_store_release(&flights->filter, filter);
    flights->buckets = first_buckets(flights);
    flights->bucket_count = first_count(flights);
}

/* See that there are buckets. Most stores never load anything, and in a small one they are memory for
 * entries. */
static bool make_buckets(struct ms_flights *flights, bool insists)
{
    ms_mutex_lock(&flights->lock);
    if (flights->bucket_count == 0)
        make_first_buckets(flights, insists);
    else
        grow(flights);
    const bool made = flights->bucket_count != 0;
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

static void append_absence_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    struct ms_absences *absences = absences_with(flights, flight);

    flight->absence = true;
    flight->references++;
    flight->earlier = absences->last;
    if (absences->last != NULL)
        absences->last->later = flight;
    else
        absences->first = flight;
    absences->last = flight;
    absences->count++;
    flights->absent_bytes += ms_flight_bytes(flight->key_size);
}

bool ms_flights_keep_absence(struct ms_flights *flights, struct ms_flight *flight, uint32_t most,
                             bool pause)
{
    const uint64_t bytes = ms_flight_bytes(flight->key_size) + more_bytes(flights);
    const uint64_t most_bytes = ms_flights_most_absent(ms_budget_limit(flights->budget));
    struct ms_flight *next;

    if (most == 0 || bytes > most_bytes)
        return false;
    const struct bounds bounds = {.absences = pause ? UINT32_MAX : most - 1,
                                  .pauses = pause ? most - 1 : UINT32_MAX,
                                  .bytes = most_bytes - bytes};
    while ((next = excess(flights, &bounds)) != NULL)
        ms_flights_remove(flights, next);
    flights->most_absent = most;
    flight->pause = pause;
    append_absence_locked(flights, flight);
    return true;
}
