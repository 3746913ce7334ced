/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/flights.h"

#include "loader/flight_table.h"
#include "loader/leading.h"
#include "platform/clock.h"
#include "platform/mem.h"
#include "platform/wait.h"

/* Who waits at most looks again this often, because the clock of leases may be a test's. */
#define LOOK_AGAIN_US 100000

/* ---- Joining ---- */

static void lead_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_flights_insert(flights, flight);
    if (flight->until != 0)
        return;
    flights->leading++;
    ms_leading_begin(flight);
}

static enum ms_joined join_flight_locked(struct ms_flight *flight, struct ms_flight **out)
{
    if (flight->absence)
        return MS_JOINED_ABSENCE;
    flight->references++;
    *out = flight;
    return MS_JOINED;
}

/* Join what is there, or list `made`, if there is one: MS_JOINED_NO_MEMORY asks for one. */
static enum ms_joined join_locked(struct ms_flights *flights, const struct ms_flight_call *call,
                                  struct ms_flight **made, struct ms_flight **out)
{
    if (flights->closed)
        return MS_JOINED_CLOSED;
    struct ms_flight *flight = ms_flights_find(flights, &call->key, call->hash);
    if (flight != NULL && !ms_flights_has_lapsed(flights, flight)) {
        if (call->refreshes)
            return MS_JOINED_NOT;
        if (!flight->pause)
            return join_flight_locked(flight, out);
        ms_flights_remove_overtaken(flights, flight);
    }
    if (*made == NULL)
        return MS_JOINED_NO_MEMORY;
    lead_locked(flights, *made);
    *out = *made;
    *made = NULL;
    return MS_JOINED_AS_LEADER;
}

enum ms_joined ms_flights_join(struct ms_flights *flights, const struct ms_flight_call *call,
                               struct ms_flight **out)
{
    struct ms_flight *made = NULL;
    enum ms_joined joined;

    *out = NULL;
    ms_mutex_lock(&flights->lock);
    joined = join_locked(flights, call, &made, out);
    ms_mutex_unlock(&flights->lock);
    if (joined != MS_JOINED_NO_MEMORY)
        return joined;

    made = ms_flights_make(flights, call);
    if (made == NULL)
        return joined;
    ms_mutex_lock(&flights->lock);
    joined = join_locked(flights, call, &made, out);
    ms_mutex_unlock(&flights->lock);
    if (made != NULL)
        ms_flight_free(made);
    return joined;
}

void ms_flight_drop(struct ms_flight *flight, memstore_view *left)
{
    struct ms_flights *flights = flight->flights;

    ms_mutex_lock(&flights->lock);
    const uint32_t references = --flight->references;
    /* The table refers to what it keeps, and has no use for the value. */
    const bool unused = references == (flight->absence ? 1 : 0);
    *left = unused ? flight->value : (memstore_view){0};
    if (unused)
        flight->value = (memstore_view){0};
    ms_mutex_unlock(&flights->lock);
    if (references == 0)
        ms_flight_free(flight);
}

/* ---- Waiting ---- */

static int wait_locked(struct ms_flights *flights, struct ms_flight *flight, int64_t deadline_us)
{
    for (;;) {
        const int64_t now_us = ms_clock_real_us();
        const int64_t look_us = flight->until != 0 ? now_us + LOOK_AGAIN_US : INT64_MAX;

        if (flight->done)
            return flight->status == MS_FLIGHT_LAPSED ? MS_FLIGHT_LAPSED : MEMSTORE_OK;
        if (flights->closed)
            return MEMSTORE_ERR_CACHE_CLOSED;
        if (ms_flights_has_lapsed(flights, flight))
            return MS_FLIGHT_LAPSED;
        if (now_us >= deadline_us)
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        ms_cond_wait_until(&flight->ends, &flights->lock,
                           look_us < deadline_us ? look_us : deadline_us);
    }
}

static int wait_once(struct ms_flight *flight, int64_t deadline_us)
{
    struct ms_flights *flights = flight->flights;

    if (!ms_leading_begin_to_wait(flight))
        return MEMSTORE_ERR_LOADER_FAILED;
    ms_mutex_lock(&flights->lock);
    const int status = wait_locked(flights, flight, deadline_us);
    ms_mutex_unlock(&flights->lock);
    ms_leading_end_to_wait();
    return status;
}

int ms_flights_wait(struct ms_flight *flight, int64_t deadline_us)
{
    int status;

    do
        status = wait_once(flight, ms_wait_until_asking(deadline_us));
    while (status == MEMSTORE_ERR_LOCK_TIMEOUT && ms_wait_goes_on(deadline_us));
    return status;
}

/* ---- Leading ---- */

static void end_locked(struct ms_flights *flights, struct ms_flight *flight, bool led_by_thread)
{
    flight->done = true;
    pthread_cond_broadcast(&flight->ends);
    if (led_by_thread && --flights->leading == 0)
        pthread_cond_broadcast(&flights->changes);
}

/* Whether and how a flight that has ended stays listed. */
struct keeping {
    int64_t until;
    uint32_t most; /* 0 = it does not */
    bool pause;
};

static bool end(struct ms_flight *flight, int status, const memstore_view *value,
                struct keeping keeping)
{
    struct ms_flights *flights = flight->flights;
    const bool by_thread = ms_load_relaxed(&flight->leader) != 0;

    if (by_thread)
        ms_leading_end(flight);
    ms_mutex_lock(&flights->lock);
    flight->status = status;
    flight->value = *value;
    if (!flight->listed)
        ms_flights_end_overtaken(flights, flight);
    const bool keeps = flight->listed && !flights->closed &&
                       ms_flights_keep_absence(flights, flight, keeping.most, keeping.pause);
    if (keeps)
        flight->until = keeping.until;
    else
        ms_flights_remove(flights, flight);
    end_locked(flights, flight, by_thread);
    ms_mutex_unlock(&flights->lock);
    return keeps;
}

void ms_flights_end(struct ms_flight *flight, int status, const memstore_view *value)
{
    end(flight, status, value, (struct keeping){0});
}

bool ms_flights_end_absent(struct ms_flight *flight, int64_t until, uint32_t most)
{
    return end(flight, MEMSTORE_ERR_KEY_NOT_FOUND, &(memstore_view){0},
               (struct keeping){until, most, false});
}

bool ms_flights_end_paused(struct ms_flight *flight, int status, const memstore_view *value,
                           int64_t until, uint32_t most)
{
    return end(flight, status, value, (struct keeping){until, most, true});
}

static int pause_locked(struct ms_flights *flights, int64_t until, int64_t ask_us)
{
    while (!flights->closed) {
        const int64_t left = until - ms_clock_exact_ms();
        const int64_t now_us = ms_clock_real_us();

        if (left <= 0)
            return MEMSTORE_OK;
        if (now_us >= ask_us)
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        const int64_t left_us = left < LOOK_AGAIN_US / 1000 ? left * 1000 : LOOK_AGAIN_US;
        ms_cond_wait_until(&flights->changes, &flights->lock,
                           now_us + left_us < ask_us ? now_us + left_us : ask_us);
    }
    return MEMSTORE_ERR_CACHE_CLOSED;
}

int ms_flights_pause(struct ms_flights *flights, int64_t until)
{
    int status;

    do {
        ms_mutex_lock(&flights->lock);
        status = pause_locked(flights, until, ms_wait_until_asking(INT64_MAX));
        ms_mutex_unlock(&flights->lock);
    } while (status == MEMSTORE_ERR_LOCK_TIMEOUT && ms_wait_goes_on(INT64_MAX));
    return status;
}

bool ms_flight_stands(struct ms_flight *flight)
{
    struct ms_flights *flights = flight->flights;

    ms_mutex_lock(&flights->lock);
    const bool stands =
        flight->listed && !ms_flights_has_lapsed(flights, flight) && !flights->closed;
    ms_mutex_unlock(&flights->lock);
    return stands;
}

/* ---- Overtaking ---- */

/* Whether a key may have a flight. */
static bool may_have(const struct ms_flights *flights, uint64_t hash)
{
    /* ORDER: relaxed; what must be seen is ordered by the shard's lock (FL-3). */
    const atomic_uint *part = ms_flights_part_of(flights, hash);

    return part != NULL && ms_load_relaxed(part) != 0;
}

void ms_flights_overtake(struct ms_flights *flights, const memstore_key *key, uint64_t hash)
{
    if (!may_have(flights, hash))
        return;
    ms_mutex_lock(&flights->lock);
    struct ms_flight *flight = ms_flights_find(flights, key, hash);
    if (flight != NULL)
        ms_flights_remove_overtaken(flights, flight);
    ms_mutex_unlock(&flights->lock);
}

bool ms_flights_have(struct ms_flights *flights, const memstore_key *key, uint64_t hash)
{
    if (!may_have(flights, hash))
        return false;
    ms_mutex_lock(&flights->lock);
    struct ms_flight *flight = ms_flights_find(flights, key, hash);
    const bool have = flight != NULL && !flight->pause && !ms_flights_has_lapsed(flights, flight);
    ms_mutex_unlock(&flights->lock);
    return have;
}

void ms_flights_retime(struct ms_flights *flights, const memstore_key *key, uint64_t hash,
                       int64_t expiry)
{
    if (!may_have(flights, hash))
        return;
    ms_mutex_lock(&flights->lock);
    struct ms_flight *flight = ms_flights_find(flights, key, hash);
    if (flight != NULL)
        ms_store_relaxed(&flight->old_expiry, expiry);
    ms_mutex_unlock(&flights->lock);
}

/* Overtake those of a shard in a bucket. Returns how many flights are in it. */
static size_t overtake_in_bucket(struct ms_flights *flights, uint32_t bucket, uint32_t shard,
                                 uint32_t shard_count)
{
    size_t count = 0;

    for (struct ms_flight *flight = flights->buckets[bucket], *next; flight != NULL;
         flight = next) {
        next = flight->next;
        count++;
        if ((ms_flights_spread(flight->hash) & (shard_count - 1)) == shard)
            ms_flights_remove_overtaken(flights, flight);
    }
    return count;
}

void ms_flights_overtake_shard(struct ms_flights *flights, uint32_t shard, uint32_t shard_count)
{
    size_t walked = 0;

    ms_mutex_lock(&flights->lock);
    const uint32_t count = flights->bucket_count;
    /* They are in each `shard_count`th bucket, or in one that other shards have, too (FL-6). */
    for (uint32_t i = count != 0 ? shard & (count - 1) : 0; i < count; i += shard_count)
        walked += overtake_in_bucket(flights, i, shard, shard_count);
    ms_mutex_unlock(&flights->lock);
    ms_testing_reach_after(MS_POINT_FLIGHTS_WALKED, walked);
}

void ms_flight_overtake(struct ms_flight *flight)
{
    ms_mutex_lock(&flight->flights->lock);
    ms_flights_remove_overtaken(flight->flights, flight);
    ms_mutex_unlock(&flight->flights->lock);
}

static size_t list_up_to_locked(struct ms_flights *flights, struct ms_flight **list, size_t room)
{
    size_t count = 0;

    for (size_t i = 0; i < flights->bucket_count; i++) {
        struct ms_flight *flight = flights->buckets[i];

        for (; flight != NULL && count < room; flight = flight->next) {
            flight->references++;
            list[count++] = flight;
        }
    }
    return count;
}

bool ms_flights_list(struct ms_flights *flights, struct ms_flight ***out, size_t *count)
{
    struct ms_flight **list = NULL;
    size_t room = 0;

    *count = 0;
    ms_mutex_lock(&flights->lock);
    while (room < ms_load_relaxed(&flights->listed)) {
        room = ms_load_relaxed(&flights->listed) + 16;
        ms_mutex_unlock(&flights->lock);
        ms_mem_free(list);
        list = ms_mem_alloc(room * sizeof *list);
        if (list == NULL)
            return false;
        ms_mutex_lock(&flights->lock);
    }
    *count = list_up_to_locked(flights, list, room);
    ms_mutex_unlock(&flights->lock);
    *out = list;
    return true;
}

/* ---- Closing ---- */

static void send_away_locked(struct ms_flights *flights)
{
    for (size_t i = 0; i < flights->bucket_count; i++) {
        struct ms_flight *flight = flights->buckets[i];

        for (; flight != NULL; flight = flight->next)
            pthread_cond_broadcast(&flight->ends);
    }
    for (struct ms_flight *flight = flights->overtaken; flight != NULL; flight = flight->later)
        pthread_cond_broadcast(&flight->ends);
}

void ms_flights_close(struct ms_flights *flights)
{
    ms_mutex_lock(&flights->lock);
    flights->closed = true;
    send_away_locked(flights);
    pthread_cond_broadcast(&flights->changes);
    while (flights->leading != 0)
        ms_cond_wait(&flights->changes, &flights->lock);
    ms_mutex_unlock(&flights->lock);
}

/* ---- fork ---- */

static bool is_of_another_thread(const struct ms_flight *flight)
{
    const uint64_t leader = ms_load_relaxed(&flight->leader);
    /* Its leader had just stopped leading it, and had not come to end it. */
    const bool is_ending = leader == 0 && flight->until == 0 && !flight->done;

    return is_ending || (leader != 0 && leader != ms_thread_serial());
}

/* What another thread led has failed. Its memory is lost: who referred to it is not there to give it back. */
static void forget_thread_of(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_cond_init(&flight->ends);
    if (!is_of_another_thread(flight))
        return;
    ms_flights_remove_overtaken(flights, flight);
    ms_flights_end_overtaken(flights, flight);
    flight->done = true;
    flight->status = MEMSTORE_ERR_LOADER_FAILED;
}

void ms_flights_forget_threads(struct ms_flights *flights)
{
    ms_cond_init(&flights->changes);
    for (struct ms_flight *flight = flights->overtaken, *next; flight != NULL; flight = next) {
        next = flight->later;
        forget_thread_of(flights, flight);
    }
    for (size_t i = 0; i < flights->bucket_count; i++) {
        struct ms_flight *flight = flights->buckets[i];

        while (flight != NULL) {
            struct ms_flight *next = flight->next;

            forget_thread_of(flights, flight);
            flight = next;
        }
    }
    flights->leading = ms_leading_count(flights);
}
