/* SPDX-License-Identifier: Apache-2.0 */
#include "support/team.h"

#include "support/support.h"

#include <stdlib.h>

#define POLL_MS 10
#define LONGEST_MS 600000

atomic_bool test_team_stop;

struct start {
    test_work work;
    void *context;
    unsigned number;
};

static void *run(void *argument)
{
    struct start start = *(struct start *)argument;

    free(argument);
    start.work(start.number, start.context);
    return NULL;
}

void test_team_start(struct test_team *team, unsigned count, test_work work, void *context)
{
    if (team->count == 0)
        atomic_store(&test_team_stop, false);
    for (; count > 0; count--, team->count++) {
        struct start *start = malloc(sizeof *start);

        CHECK(start != NULL && team->count < TEST_TEAM_MAX);
        *start = (struct start){work, context, team->count};
        CHECK(pthread_create(&team->threads[team->count], NULL, run, start) == 0);
    }
}

void test_team_join(struct test_team *team)
{
    for (; team->count > 0; team->count--)
        CHECK(pthread_join(team->threads[team->count - 1], NULL) == 0);
}

void test_team_finish(struct test_team *team, double seconds)
{
    test_team_finish_when(team, seconds, NULL);
}

void test_team_finish_when(struct test_team *team, double seconds, bool (*enough)(void))
{
    test_sleep_ms((unsigned)(seconds * 1000));
    for (unsigned ms = 0; enough != NULL && !enough() && ms < LONGEST_MS; ms += POLL_MS)
        test_sleep_ms(POLL_MS);
    atomic_store(&test_team_stop, true);
    test_team_join(team);
}
