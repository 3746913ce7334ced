/* SPDX-License-Identifier: Apache-2.0 */
/* Every order of steps of every scenario, and every older value that C11 lets be read in it. Of
 * the large ones as much as there is time for.
 *
 * usage: explore_engine [SECONDS [NAME]] */
#include "scenarios.h"
#include "support/support.h"

#include <inttypes.h>

/* Of the seconds, for each of the large scenarios and modes. */
#define SLICES 32
#define SECONDS_FOR_SMALL 100

static void show(const struct explore_scenario *scenario, enum explore_mode mode,
                 const struct explore_result *result, double seconds)
{
    printf("ok   %s%s: %s %" PRIu64 " orders, %.0f steps each, %.2f s\n", scenario->name,
           mode == EXPLORE_WEAK ? ", older values" : "", result->complete ? "all" : "the first",
           result->runs - result->redundant, (double)result->steps / (double)result->runs, seconds);
    fflush(stdout);
}

static void run(const struct explore_scenario *scenario, enum explore_mode mode, double seconds)
{
    const double start = test_now();
    const struct explore_result result =
        explore(scenario, mode, scenario->large ? seconds : SECONDS_FOR_SMALL, 0, stderr);

    if (result.failed)
        test_fail(__FILE__, __LINE__, "%s: %s", scenario->name, result.why);
    CHECK(result.complete || scenario->large);
    show(scenario, mode, &result, test_now() - start);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 4);
    unsigned passed = 0;

    for (unsigned i = 0; i < explore_scenario_count; i++) {
        const struct explore_scenario *scenario = explore_scenario_at(i);

        if (argc > 2 && strstr(scenario->name, argv[2]) == NULL)
            continue;
        run(scenario, EXPLORE_ORDERS, seconds / SLICES);
        run(scenario, EXPLORE_WEAK, seconds / SLICES);
        passed++;
    }
    printf("explore_engine: %u passed, 0 failed\n", passed);
    return passed > 0 ? 0 : 1;
}
