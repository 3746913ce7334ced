/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/flights.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "platform/wait.h"
#include "util/hash.h"

#include <string.h>

/* Absences take this share of the limit at most. */
#define ABSENT_SHARE_DIVISOR 16

/* Who waits at most looks again this often, because the clock of leases may be a test's. */
#define LOOK_AGAIN_US 100000

/* The flights that this thread leads, the latest first. */
static __thread struct ms_flight *led;
/* Guards `waits_for` of the flights of all stores: a circle may go through several. Taken by
 * threads that wait while they lead a flight, and by no others. */
static ms_mutex waits_lock = MS_MUTEX_INITIALIZER(MS_RANK_WAITS);

void ms_flights_init(struct ms_flights *flights, struct ms_budget *budget)
{
    flights->budget = budget;
    ms_mutex_init(&flights->lock, MS_RANK_FLIGHTS);
    ms_cond_init(&flights->changes);
}

/* ---- The table; lock held ---- */

#define BUCKETS_BYTES (MS_FLIGHT_BUCKETS * sizeof(ms_flight_bucket))

/* None while there was no flight yet. */
static size_t bucket_count(const struct ms_flights *flights)
{
    return ms_load_relaxed(&flights->buckets) != NULL ? MS_FLIGHT_BUCKETS : 0;
}

static struct ms_flight *in_bucket(const struct ms_flights *flights, size_t number)
{
    return ms_load_relaxed(&ms_load_relaxed(&flights->buckets)[number]);
}

/* NULL while there was no flight yet. */
static ms_flight_bucket *bucket_of(const struct ms_flights *flights, uint64_t hash)
{
    ms_flight_bucket *const buckets = ms_load_acquire(&flights->buckets);

    return buckets != NULL ? &buckets[ms_mix64(hash) % MS_FLIGHT_BUCKETS] : NULL;
}

static struct ms_flight *find_locked(struct ms_flights *flights, const memstore_key *key,
                                     uint64_t hash)
{
    const ms_flight_bucket *bucket = bucket_of(flights, hash);
    struct ms_flight *flight = bucket != NULL ? ms_load_relaxed(bucket) : NULL;

    while (flight != NULL && (flight->hash != hash || flight->key_size != key->size ||
                              memcmp(flight->key, key->data, key->size) != 0))
        flight = flight->next;
    return flight;
}

static void list_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_flight_bucket *bucket = bucket_of(flights, flight->hash);

    flight->next = ms_load_relaxed(bucket);
    flight->listed = true;
    ms_store_relaxed(bucket, flight);
    ms_add_relaxed(&flights->listed, 1);
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

static void uncharge(struct ms_flights *flights, uint64_t bytes)
{
    ms_sub_relaxed(&flights->charged, bytes);
    ms_budget_uncharge(flights->budget, bytes);
}

static void free_flight(struct ms_flight *flight)
{
    uncharge(flight->flights, ms_flight_bytes(flight->key_size));
    pthread_cond_destroy(&flight->ends);
    ms_mem_free(flight);
}

/* Take a flight out of the table. An absence may end with that. */
static void unlist_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_flight_bucket *bucket = bucket_of(flights, flight->hash);
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
            free_flight(flight);
    }
}

static void overtake_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    ms_store_relaxed(&flight->overtaken, true);
    unlist_locked(flights, flight);
}

/* Whether the time of a lease or an absence is over; then nobody joins it any more. */
static bool has_lapsed_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    if (flight->until == 0 || (flight->done && !flight->absence) ||
        ms_clock_exact_ms() < flight->until)
        return false;
    if (!flight->done)
        pthread_cond_broadcast(&flight->ends);
    overtake_locked(flights, flight);
    return true;
}

void ms_flights_fini(struct ms_flights *flights)
{
    while (flights->first != NULL)
        unlist_locked(flights, flights->first);
    if (bucket_count(flights) != 0)
        uncharge(flights, BUCKETS_BYTES);
    ms_mem_free(ms_load_relaxed(&flights->buckets));
    pthread_cond_destroy(&flights->changes);
    ms_mutex_destroy(&flights->lock);
}

/* ---- Joining ---- */

/* Memory that is charged, or NULL. */
static void *alloc_charged(struct ms_flights *flights, uint64_t bytes)
{
    const bool charged = charge(flights, bytes);
    void *memory = charged ? ms_mem_alloc(bytes) : NULL;

    if (charged && memory == NULL)
        uncharge(flights, bytes);
    return memory;
}

/* See that there are buckets. Most stores never load anything, and in a small one they are memory for
 * entries. */
static bool make_buckets(struct ms_flights *flights)
{
    ms_mutex_lock(&flights->lock);
    if (bucket_count(flights) == 0)
        ms_store_release(&flights->buckets, alloc_charged(flights, BUCKETS_BYTES));
    const bool made = bucket_count(flights) != 0;
    ms_mutex_unlock(&flights->lock);
    return made;
}

static struct ms_flight *make_flight(struct ms_flights *flights, const struct ms_flight_call *call)
{
    struct ms_flight *flight =
        make_buckets(flights) ? alloc_charged(flights, ms_flight_bytes(call->key.size)) : NULL;

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

static void lead_locked(struct ms_flights *flights, struct ms_flight *flight)
{
    list_locked(flights, flight);
    if (flight->until != 0)
        return;
    flights->leading++;
    flight->outer = led;
    led = flight;
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
    struct ms_flight *flight = find_locked(flights, &call->key, call->hash);
    if (flight != NULL && !has_lapsed_locked(flights, flight)) {
        if (call->refreshes)
            return MS_JOINED_NOT;
        if (!flight->pause)
            return join_flight_locked(flight, out);
        overtake_locked(flights, flight);
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

    made = make_flight(flights, call);
    if (made == NULL)
        return joined;
    ms_mutex_lock(&flights->lock);
    joined = join_locked(flights, call, &made, out);
    ms_mutex_unlock(&flights->lock);
    if (made != NULL)
        free_flight(made);
    return joined;
}

void ms_flight_drop(struct ms_flight *flight, memstore_view *left)
{
    struct ms_flights *flights = flight->flights;

    ms_mutex_lock(&flights->lock);
    const bool last = --flight->references == 0;
    ms_mutex_unlock(&flights->lock);
    *left = last ? flight->value : (memstore_view){0};
    if (last)
        free_flight(flight);
}

/* ---- Waiting ---- */

/* Note that this thread waits for a flight while it leads others; false when that, or what its
 * leader waits for, and so on, is led by this thread. */
static bool begin_to_wait(struct ms_flight *flight)
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

static void end_to_wait(void)
{
    if (led == NULL)
        return;
    ms_mutex_lock(&waits_lock);
    for (struct ms_flight *mine = led; mine != NULL; mine = mine->outer)
        mine->waits_for = NULL;
    ms_mutex_unlock(&waits_lock);
}

static int wait_locked(struct ms_flights *flights, struct ms_flight *flight, int64_t deadline_us)
{
    for (;;) {
        const int64_t now_us = ms_clock_real_us();
        const int64_t look_us = flight->until != 0 ? now_us + LOOK_AGAIN_US : INT64_MAX;

        if (flight->done)
            return MEMSTORE_OK;
        if (flights->closed)
            return MEMSTORE_ERR_CACHE_CLOSED;
        if (has_lapsed_locked(flights, flight))
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

    if (!begin_to_wait(flight))
        return MEMSTORE_ERR_LOADER_FAILED;
    ms_mutex_lock(&flights->lock);
    const int status = wait_locked(flights, flight, deadline_us);
    ms_mutex_unlock(&flights->lock);
    end_to_wait();
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

bool ms_flights_are_led(const struct ms_flights *flights)
{
    const struct ms_flight *flight = led;

    while (flight != NULL && flights != NULL && flight->flights != flights)
        flight = flight->outer;
    return flight != NULL;
}

/* This thread does not lead the flight any more. */
static void stop_leading(struct ms_flight *flight)
{
    struct ms_flight **link = &led;

    while (*link != flight)
        link = &(*link)->outer;
    *link = flight->outer;
    /* Before anybody sees the end: see begin_to_wait(). */
    ms_store_relaxed(&flight->leader, 0);
}

static void end_locked(struct ms_flights *flights, struct ms_flight *flight, bool led_by_thread)
{
    flight->done = true;
    pthread_cond_broadcast(&flight->ends);
    if (led_by_thread && --flights->leading == 0)
        pthread_cond_broadcast(&flights->changes);
}

void ms_flights_end(struct ms_flight *flight, int status, const memstore_view *value)
{
    struct ms_flights *flights = flight->flights;
    const bool by_thread = ms_load_relaxed(&flight->leader) != 0;

    if (by_thread)
        stop_leading(flight);
    ms_mutex_lock(&flights->lock);
    flight->status = status;
    flight->value = *value;
    unlist_locked(flights, flight);
    end_locked(flights, flight, by_thread);
    ms_mutex_unlock(&flights->lock);
}

/* Keep an absence, if there is room for it when the oldest have made way. */
static bool keep_absence_locked(struct ms_flights *flights, struct ms_flight *flight, uint32_t most)
{
    const uint64_t bytes = ms_flight_bytes(flight->key_size);
    const uint64_t most_bytes = ms_budget_limit(flights->budget) / ABSENT_SHARE_DIVISOR;

    if (most == 0 || bytes > most_bytes)
        return false;
    while (flights->absences >= most || flights->absent_bytes > most_bytes - bytes)
        unlist_locked(flights, flights->first);
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

bool ms_flights_end_absent(struct ms_flight *flight, int64_t until, uint32_t most)
{
    struct ms_flights *flights = flight->flights;
    const bool by_thread = ms_load_relaxed(&flight->leader) != 0;

    if (by_thread)
        stop_leading(flight);
    ms_mutex_lock(&flights->lock);
    flight->status = MEMSTORE_ERR_KEY_NOT_FOUND;
    flight->until = until;
    const bool keeps =
        flight->listed && !flights->closed && keep_absence_locked(flights, flight, most);
    if (!keeps)
        unlist_locked(flights, flight);
    end_locked(flights, flight, by_thread);
    ms_mutex_unlock(&flights->lock);
    return keeps;
}

void ms_flights_hold_back(struct ms_flights *flights, const struct ms_flight *failed, int64_t until,
                          uint32_t most)
{
    const struct ms_flight_call call = {.key = {failed->key, failed->key_size},
                                        .hash = failed->hash,
                                        .lease_until = until,
                                        .refreshes = true};
    struct ms_flight *pause = make_flight(flights, &call);

    if (pause == NULL)
        return;
    pause->pause = true;
    pause->done = true;
    pause->references = 0;
    ms_mutex_lock(&flights->lock);
    const bool keeps = !flights->closed && !ms_flight_is_overtaken(failed) &&
                       find_locked(flights, &call.key, call.hash) == NULL &&
                       keep_absence_locked(flights, pause, most);
    if (keeps)
        list_locked(flights, pause);
    ms_mutex_unlock(&flights->lock);
    if (!keeps)
        free_flight(pause);
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
    const bool stands = flight->listed && !has_lapsed_locked(flights, flight) && !flights->closed;
    ms_mutex_unlock(&flights->lock);
    return stands;
}

/* ---- Overtaking ---- */

void ms_flights_overtake(struct ms_flights *flights, const memstore_key *key, uint64_t hash)
{
    /* ORDER: relaxed; what must be seen is ordered by the shard's lock (FL-3). */
    const ms_flight_bucket *bucket = bucket_of(flights, hash);
    if (bucket == NULL || ms_load_relaxed(bucket) == NULL)
        return;
    ms_mutex_lock(&flights->lock);
    struct ms_flight *flight = find_locked(flights, key, hash);
    if (flight != NULL)
        overtake_locked(flights, flight);
    ms_mutex_unlock(&flights->lock);
}

void ms_flights_overtake_those(struct ms_flights *flights,
                               bool (*concerned)(uint64_t hash, const void *context),
                               const void *context)
{
    ms_mutex_lock(&flights->lock);
    for (size_t i = 0; i < bucket_count(flights); i++) {
        struct ms_flight *flight = in_bucket(flights, i);

        while (flight != NULL) {
            struct ms_flight *next = flight->next;

            if (concerned(flight->hash, context))
                overtake_locked(flights, flight);
            flight = next;
        }
    }
    ms_mutex_unlock(&flights->lock);
}

void ms_flight_overtake(struct ms_flight *flight)
{
    ms_mutex_lock(&flight->flights->lock);
    overtake_locked(flight->flights, flight);
    ms_mutex_unlock(&flight->flights->lock);
}

static size_t list_up_to_locked(struct ms_flights *flights, struct ms_flight **list, size_t room)
{
    size_t count = 0;

    for (size_t i = 0; i < bucket_count(flights); i++) {
        struct ms_flight *flight = in_bucket(flights, i);

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
    for (size_t i = 0; i < bucket_count(flights); i++) {
        struct ms_flight *flight = in_bucket(flights, i);

        for (; flight != NULL; flight = flight->next)
            pthread_cond_broadcast(&flight->ends);
    }
}

void ms_flights_close(struct ms_flights *flights)
{
    ms_mutex_lock(&flights->lock);
    flights->closed = true;
    if (ms_load_relaxed(&flights->listed) != 0 || flights->leading != 0) {
        send_away_locked(flights);
        pthread_cond_broadcast(&flights->changes);
    }
    while (flights->leading != 0)
        ms_cond_wait(&flights->changes, &flights->lock);
    ms_mutex_unlock(&flights->lock);
}

/* ---- fork ---- */

void ms_flights_before_fork(void)
{
    ms_mutex_lock(&waits_lock);
}

void ms_flights_after_fork(void)
{
    ms_mutex_unlock(&waits_lock);
}

static bool is_of_another_thread(const struct ms_flight *flight)
{
    const uint64_t leader = ms_load_relaxed(&flight->leader);
    /* Its leader had just stopped leading it, and had not come to end it. */
    const bool is_ending = leader == 0 && flight->until == 0 && !flight->done;

    return is_ending || (leader != 0 && leader != ms_thread_serial());
}

void ms_flights_forget_threads(struct ms_flights *flights)
{
    ms_cond_init(&flights->changes);
    for (size_t i = 0; i < bucket_count(flights); i++) {
        struct ms_flight *flight = in_bucket(flights, i);

        while (flight != NULL) {
            struct ms_flight *next = flight->next;

            ms_cond_init(&flight->ends);
            if (is_of_another_thread(flight)) {
                /* Its memory is lost: who referred to it is not there to give it back. */
                overtake_locked(flights, flight);
                flight->done = true;
                flight->status = MEMSTORE_ERR_LOADER_FAILED;
            }
            flight = next;
        }
    }
    flights->leading = 0;
    for (const struct ms_flight *mine = led; mine != NULL; mine = mine->outer)
        flights->leading += mine->flights == flights;
}
