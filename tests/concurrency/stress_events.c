/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that many threads increment, delete and let expire or be evicted, while one subscriber
 * follows each of them: a replaced value is one below the next, and any other removal is followed by
 * a counter that starts anew. So nothing is told twice, left out, or out of order. Meanwhile
 * subscriptions come and go, callbacks call back, and stores are closed under all of it. */
#include "support/support.h"
#include "support/team.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS 200
/* Writers stand back when the follower is this far behind. */
#define BEHIND 2000

static memstore *store;
static uint64_t seed;

static size_t key_of(unsigned number, char key[16])
{
    return (size_t)snprintf(key, 16, "n%u", number);
}

static size_t fill_key(struct test_rng *rng, char key[16])
{
    return (size_t)snprintf(key, 16, "f%u", (unsigned)test_below(rng, 1000));
}

static uint64_t waiting(void)
{
    memstore_event_stats stats = {.struct_size = sizeof stats};

    CHECK_OK(memstore_get_event_stats(store, &stats));
    return stats.waiting;
}

static void change(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    int64_t sum;
    char key[16], filler[3000] = {0};

    (void)context;
    for (unsigned turn = 0; test_team_goes_on(); turn++) {
        const size_t size = key_of((unsigned)test_below(&rng, KEYS), key);

        if (turn % 16 == 0) {
            while (waiting() > BEHIND && test_team_goes_on())
                test_sleep_ms(1);
        }
        switch (test_below(&rng, 8)) {
        case 0:
            memstore_delete(store, key, size);
            break;
        case 1:
            memstore_delete_many(store, &(memstore_key){key, size}, 1, NULL);
            break;
        case 2:
            /* What evicts. */
            memstore_set(store, key, fill_key(&rng, key), filler, sizeof filler, 0);
            break;
        default:
            memstore_increment(store, key, size, 1, 0, test_one_in(&rng, 3) ? 5 : 0, &sum);
        }
    }
}

/* ---- One who follows every counter ---- */

static struct {
    int64_t next; /* value that goes next */
    bool known;
} counters[KEYS];
static uint64_t followed, resumed;
static bool follows_values;

static void follow_event(const memstore_event *event)
{
    char text[24] = "";
    unsigned number;

    CHECK(event->key.size < 16 && event->value.size < 24);
    memcpy(text, event->key.data, event->key.size);
    CHECK(sscanf(text, "n%u", &number) == 1 && number < KEYS);
    memset(text, 0, sizeof text);
    memcpy(text, event->value.data, event->value.size);
    const int64_t value = strtoll(text, NULL, 10);
    if (counters[number].known && counters[number].next != value)
        test_fail(__FILE__, __LINE__,
                  "seed %" PRIu64 ": n%u: kind %u tells %" PRId64 ", expected %" PRId64, seed,
                  number, event->kind, value, counters[number].next);
    counters[number].known = true;
    counters[number].next = event->kind == MEMSTORE_EVENT_REPLACED ? value + 1 : 1;
}

static void *follow(void *argument)
{
    memstore_subscription *removals = argument;
    memstore_event event = {.struct_size = sizeof event};

    while (memstore_subscription_next(removals, -1, &event) == MEMSTORE_OK) {
        if (event.dropped != 0) {
            /* A gap that was told: every counter may be anywhere. */
            resumed++;
            for (unsigned i = 0; i < KEYS; i++)
                counters[i].known = false;
        }
        if (follows_values && ((const char *)event.key.data)[0] == 'n')
            follow_event(&event);
        followed++;
        memstore_view_release(&event.value);
    }
    return NULL;
}

/* ---- Others who come and go ---- */

static int call_back(const memstore_event *event, void *context)
{
    int64_t sum;

    (void)context;
    memstore_has(store, event->key.data, event->key.size);
    if (event->key.size > 1 && ((const char *)event->key.data)[event->key.size - 1] == '7')
        memstore_increment(store, "called", 6, 1, 0, 0, &sum);
    return 0;
}

static void come_and_go(unsigned number, void *context)
{
    struct test_rng rng = {seed * 31 + number};

    (void)context;
    while (test_team_goes_on()) {
        memstore_subscription *subscription;
        memstore_event event = {.struct_size = sizeof event};

        CHECK_OK(memstore_subscribe(store, 1u << test_below(&rng, 5), test_below(&rng, 50),
                                    &subscription));
        for (uint64_t n = test_below(&rng, 20); n > 0; n--) {
            if (memstore_subscription_next(subscription, 1, &event) == MEMSTORE_OK)
                memstore_view_release(&event.value);
        }
        const bool held = memstore_subscription_next(subscription, 0, &event) == MEMSTORE_OK;
        memstore_subscription_close(subscription);
        if (held)
            memstore_view_release(&event.value);
        /* The context tells these callbacks apart. */
        if (test_one_in(&rng, 4)) {
            CHECK_OK(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, call_back, &rng));
            test_sleep_ms(1);
            CHECK_OK(memstore_off_event(store, call_back, &rng));
        }
    }
}

static bool enough(void)
{
    memstore_event_stats stats = {.struct_size = sizeof stats};
    const memstore_stats counts = test_stats(store);

    CHECK_OK(memstore_get_event_stats(store, &stats));
    return stats.queued > 20000 && counts.evictions > 100 && counts.expirations > 100;
}

static void check_followed(double seconds)
{
    struct test_team team = {0};
    memstore_subscription *removals;
    pthread_t follower;

    store =
        test_open("performance.memory_limit=2MiB", "shards=8", "events.queue_memory=500KiB", NULL);
    CHECK_OK(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 0, &removals));
    follows_values = true;
    CHECK(pthread_create(&follower, NULL, follow, removals) == 0);
    test_team_start(&team, 3, change, NULL);
    test_team_start(&team, 2, come_and_go, NULL);
    test_team_finish_when(&team, seconds, enough);

    const memstore_stats counts = test_stats(store);
    CHECK_OK(memstore_close(store));
    CHECK(pthread_join(follower, NULL) == 0);
    const uint64_t removed =
        counts.updates + counts.deletes + counts.evictions + counts.expirations;
    const uint64_t lost = memstore_subscription_dropped(removals);
    memstore_subscription_close(removals);
    memstore_destroy(store);
    printf("stress_events: %" PRIu64 " events followed, %" PRIu64 " lost in %" PRIu64 " gaps\n",
           followed, lost, resumed);
    /* The maintenance thread may have removed a few more after they were counted. */
    CHECK(followed + lost >= removed);
}

/* ---- Closing while events fly ---- */

static void write_until_closed(unsigned number, void *context)
{
    char key[16];

    (void)context;
    for (unsigned i = 0;; i++) {
        const size_t size = key_of((i + number) % 5, key);

        if (memstore_set(store, key, size, "v", 1, 0) == MEMSTORE_ERR_CACHE_CLOSED)
            return;
    }
}

static int close_at(const memstore_event *event, void *context)
{
    unsigned *left = context;

    (void)event;
    if ((*left)-- == 0)
        memstore_close(store);
    return 0;
}

static void check_closing(void)
{
    for (unsigned round = 0; round < 50; round++) {
        struct test_team team = {0};
        memstore_subscription *removals;
        pthread_t follower;
        unsigned left = round;

        store = test_open("performance.memory_limit=1MiB", "shards=2", NULL);
        CHECK_OK(memstore_subscribe(store, MEMSTORE_EVENT_REMOVALS, 100, &removals));
        follows_values = false;
        CHECK_OK(memstore_on_event(store, MEMSTORE_EVENT_REMOVALS, close_at, &left));
        test_team_start(&team, 2, write_until_closed, NULL);
        CHECK(pthread_create(&follower, NULL, follow, removals) == 0);
        test_team_join(&team);
        CHECK(pthread_join(follower, NULL) == 0);
        memstore_subscription_close(removals);
        memstore_destroy(store);
    }
}

int main(int argc, char **argv)
{
    seed = test_seed("stress_events");
    check_followed(test_seconds(argc, argv, 2));
    check_closing();
    printf("stress_events: done\n");
    return 0;
}
