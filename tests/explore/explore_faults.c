/* SPDX-License-Identifier: Apache-2.0 */
/* Planted faults: each makes one of the scenarios fail, which passes without it. */
#include "scenarios.h"

#include "platform/testing.h"
#include "support/support.h"

#include <stdlib.h>

#define SECONDS_TO_FIND 20
/* A relaxed place that is noticed at all is noticed in the first 211 of a scenario's runs. With a time to spend come
 * more, than which most scenarios have fewer. */
#define RUNS_OF_A_PLACE 300
#define MORE_RUNS 1000

/* Of what is planted in the engine. */
static const struct {
    const char *what;
    enum ms_testing_fault fault;
    const char *scenario;
    const char *why; /* what the failure says */
} faults[] = {
    {"the place is stored before the tag", MS_FAULT_PLACE_BEFORE_TAG,
     "what a scan has seen is found", "history"},
    {"no grace period before a segment is freed", MS_FAULT_NO_GRACE_PERIOD,
     "a segment is emptied and freed", "data race"},
    {"no grace period before a table is freed", MS_FAULT_NO_GRACE_PERIOD,
     "a table grows and is freed", "data race"},
    {"no grace period after a move", MS_FAULT_NO_GRACE_PERIOD,
     "an entry is moved and its segment freed", "data race"},
    {"a segment is freed although it is pinned", MS_FAULT_PINS_IGNORED,
     "a segment is freed while it is viewed", "data race"},
    {"a segment is freed although it is pinned in a row", MS_FAULT_PINS_IGNORED,
     "a segment is freed while a thread with a row views it", "data race"},
    {"a segment is freed although another thread is to release a view of it", MS_FAULT_PINS_IGNORED,
     "a segment is freed while another thread releases a view of it", "data race"},
    {"a segment is freed although it is pinned in a count", MS_FAULT_PINS_IGNORED,
     "a segment is freed while a thread that counts its pins views it", "data race"},
    {"a segment is freed although a share of a view is held", MS_FAULT_PINS_IGNORED,
     "a segment is freed while a view of it is shared", "data race"},
    {"get_many does not check that no batch came in between", MS_FAULT_UNCHECKED_READ_MANY,
     "a batch and a read of both", "history"},
    {"a batch switches its slots one by one", MS_FAULT_BATCH_WITHOUT_RECORD,
     "a batch and single reads in turn", "history"},
    {"what has expired is served", MS_FAULT_EXPIRED_SERVED,
     "an entry runs out after it was overwritten", "history"},
    {"an entry is moved whose version may be told meanwhile", MS_FAULT_VERSION_LEFT_BEHIND,
     "an entry is moved while its version is told", "history"},
    {"a condition is judged without the lock", MS_FAULT_UNLOCKED_CONDITION,
     "two who compare and set", "history"},
};

/* Places in the code whose release or acquire is relaxed, one after the other: in how many of
 * those that a scenario reaches that has to be noticed. */
static const struct {
    const char *scenario;
    unsigned least;
} orders[] = {
    {"a key is overwritten", 2},             /* the slot's store, and its load */
    {"a table grows", 2},                    /* the shard's view, likewise */
    {"a batch and single reads in turn", 2}, /* the commit word, likewise */
    /* the counts of batches, and the sequences; a version that is told for the first time orders as well */
    {"a batch and a read of both", 3},
    {"a segment is freed while it is viewed", 2}, /* the end of a pin, and its discovery */
    {"a segment is freed while a thread with a row views it",
     4}, /* the slot, and the place, likewise */
    {"a segment is freed while another thread releases a view of it", 6},
    {"a segment is freed while a view of it is shared", 10},
    /* The end of the pin, which the new one hands on */
    {"a place that another thread has emptied holds another view", 8},
    {"a segment is freed while a thread that counts its pins views it",
     4}, /* the slot, and `own`, likewise */
    /* The slot, `others`, and how the view gets there */
    {"a segment is freed while another thread releases a counted view of it", 6},
    /* The same, `own`, and how it is told that there is a share */
    {"a segment is freed while a counted view of it is shared", 10},
    {"a segment is emptied while it is sealed", 2}, /* its state, and the count of what is in it */
    {"a batch that removes what is beyond its home, and single reads in turn", 2}, /* overflow */
    {"a batch that frees a slot for another key, and single reads in turn", 2},    /* tags */
};

static void find_fault(size_t i, FILE *file)
{
    const struct explore_scenario *scenario = explore_scenario(faults[i].scenario);

    ms_testing_plant(faults[i].fault);
    const struct explore_result result =
        explore(scenario, EXPLORE_ORDERS, SECONDS_TO_FIND, 0, file);
    ms_testing_plant(MS_FAULT_NONE);
    if (!result.failed || strstr(result.why, faults[i].why) == NULL)
        test_fail(__FILE__, __LINE__, "not found: %s (%s)", faults[i].what, result.why);
    printf("ok   found: %s (run %llu)\n", faults[i].what, (unsigned long long)result.runs);
}

static void find_orders(size_t i, double seconds, FILE *file)
{
    const struct explore_scenario *scenario = explore_scenario(orders[i].scenario);
    unsigned found = 0, places = 0;

    for (;; places++) {
        explore_relax((int)places);
        const struct explore_result result = explore(
            scenario, EXPLORE_WEAK, seconds, seconds > 0 ? MORE_RUNS : RUNS_OF_A_PLACE, NULL);
        if (!explore_has_relaxed())
            break;
        if (file != NULL)
            fprintf(file, "%s: %s\n", result.failed ? "noticed" : "not noticed",
                    explore_relaxed_place());
        found += result.failed;
    }
    explore_relax(-1);
    if (found < orders[i].least)
        test_fail(__FILE__, __LINE__, "%s: %u relaxed places noticed, not %u", scenario->name,
                  found, orders[i].least);
    printf("ok   %s: relaxing is noticed at %u of %u places\n", scenario->name, found, places);
}

int main(int argc, char **argv)
{
    const double most = test_seconds(argc, argv, 0);
    const double seconds = most < 1 ? most : 1;
    /* What is found is shown on request only: it is no failure. */
    FILE *file = getenv("MEMSTORE_TEST_SHOW") != NULL ? stderr : NULL;

    for (size_t i = 0; i < TEST_COUNT_OF(faults); i++)
        find_fault(i, file);
    for (size_t i = 0; i < TEST_COUNT_OF(orders); i++)
        find_orders(i, seconds, file);
    printf("explore_faults: %zu passed, 0 failed\n", TEST_COUNT_OF(faults) + TEST_COUNT_OF(orders));
    return 0;
}
