/* SPDX-License-Identifier: Apache-2.0 */
/* The explorer itself: it sees every outcome that small programs can have, and no other. */
#include "litmus.h"
#include "support/support.h"

#include <inttypes.h>
#include <stdlib.h>

#define SEEN_MAX 10000
#define ALL_OUTCOMES (-2) /* instead of a list: each of sixteen */

static bool seen[SEEN_MAX];

static bool note_outcome(memstore *store)
{
    (void)store;
    seen[litmus_outcome()] = true;
    return true;
}

static bool is_wanted(const int *outcomes, int outcome)
{
    if (outcomes[0] == ALL_OUTCOMES)
        return true;
    for (unsigned i = 0; outcomes[i] != -1; i++) {
        if (outcomes[i] == outcome)
            return true;
    }
    return false;
}

static unsigned count_wanted(const int *outcomes)
{
    unsigned count = 0;

    if (outcomes[0] == ALL_OUTCOMES)
        return 16;
    while (outcomes[count] != -1)
        count++;
    return count;
}

static void check_outcomes(const char *name, const int *outcomes)
{
    unsigned count = 0;

    for (int outcome = 0; outcome < SEEN_MAX; outcome++) {
        if (!seen[outcome])
            continue;
        if (!is_wanted(outcomes, outcome))
            test_fail(__FILE__, __LINE__, "%s: %d cannot be", name, outcome);
        count++;
    }
    if (count != count_wanted(outcomes))
        test_fail(__FILE__, __LINE__, "%s: only %u of %u outcomes were seen", name, count,
                  count_wanted(outcomes));
}

static void check(const struct litmus *litmus, enum explore_mode mode)
{
    struct explore_scenario scenario = litmus->scenario;

    memset(seen, 0, sizeof seen);
    scenario.finish = note_outcome;
    scenario.stale = 4;
    const struct explore_result result =
        explore(&scenario, mode, 60, 0, litmus->fails != NULL ? NULL : stderr);
    if (litmus->fails != NULL) {
        CHECK(result.failed && strstr(result.why, litmus->fails) != NULL);
        return;
    }
    CHECK(result.complete && !result.failed);
    check_outcomes(scenario.name, mode == EXPLORE_WEAK ? litmus->weak_outcomes : litmus->outcomes);
    if (mode == EXPLORE_ORDERS && litmus->runs != 0)
        CHECK(result.runs - result.redundant == litmus->runs);
}

int main(void)
{
    for (unsigned i = 0; i < litmus_test_count; i++) {
        check(&litmus_tests[i], EXPLORE_ORDERS);
        check(&litmus_tests[i], EXPLORE_WEAK);
        printf("ok   %s\n", litmus_tests[i].scenario.name);
    }
    printf("explore_litmus: %u passed, 0 failed\n", litmus_test_count);
    return 0;
}
