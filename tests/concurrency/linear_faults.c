/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of the proof: faults are planted in the engine one after the other, and the histories
 * that then come out must be ones that cannot be explained. The same mixes without a fault are
 * explained. */
#include "linear_run.h"
#include "platform/testing.h"
#include "support/support.h"

#include <stdlib.h>
#include <sys/wait.h>

/* A fault that is not found within this time would be missed by longer runs as well. */
#define SECONDS_TO_FIND 20
/* Nor within so many histories, for which a busy machine takes longer. */
#define HISTORIES_TO_FIND 20000
/* Processes that may be ended by what a fault does before the checker has found it. */
#define TRIES 5

static const struct linear_mix batches_read_together = {
    .name = "batches and reads of many",
    .settings = {"shards=1024"},
    .threads = 3,
    .ops = 8,
    .longest = 100,
    .singles = 3,
    .together = 3,
    .snapshots = true,
    .weights = {[HISTORY_GET_MANY] = 6, [HISTORY_SET_MANY] = 3, [HISTORY_DELETE_MANY] = 1},
};

static const struct linear_mix batches_read_in_turn = {
    .name = "batches and reads in turn",
    .settings = {"shards=1024"},
    .threads = 3,
    .ops = 12,
    .longest = 100,
    .singles = 3,
    .together = 3,
    .snapshots = true,
    .weights = {[HISTORY_GET] = 10, [HISTORY_SET_MANY] = 2},
};

static const struct linear_mix compaction = {
    .name = "while segments are compacted",
    .settings = {"performance.memory_limit=128KiB", "shards=1"},
    .threads = 3,
    .ops = 12,
    .longest = 1000,
    .singles = 3,
    .evicts = true,
    .churns = 2,
    .weights = {[HISTORY_GET] = 10, [HISTORY_SET] = 2},
};

static const struct linear_mix expiry = {
    .name = "expiry",
    .settings = {"shards=1", "maintenance=manual"},
    .threads = 3,
    .ops = 8,
    .longest = 100,
    .singles = 1,
    .timed = true,
    .weights = {[HISTORY_GET] = 8, [HISTORY_SET] = 4},
};

static const struct linear_mix expiry_together = {
    .name = "expiry, reads of many",
    .settings = {"shards=1", "maintenance=manual"},
    .threads = 3,
    .ops = 8,
    .longest = 100,
    .singles = 3,
    .together = 3,
    .snapshots = true,
    .timed = true,
    .weights = {[HISTORY_GET_MANY] = 8, [HISTORY_SET_MANY] = 4},
};

static const struct linear_mix conditions = {
    .name = "conditions",
    .settings = {"shards=1"},
    .threads = 3,
    .ops = 8,
    .longest = 100,
    .singles = 1,
    .versions = true,
    .weights = {[HISTORY_GET] = 3,
                [HISTORY_ADD] = 4,
                [HISTORY_COMPARE_AND_SET] = 4,
                [HISTORY_DELETE] = 3},
};

static const struct planted {
    const char *what;
    enum ms_testing_fault fault;
    const struct linear_mix *mix;
} faults[] = {
    {"get_many does not check that no batch came in between", MS_FAULT_UNCHECKED_READ_MANY,
     &batches_read_together},
    {"a batch switches its slots one by one", MS_FAULT_BATCH_WITHOUT_RECORD, &batches_read_in_turn},
    {"memory is used again without a grace period", MS_FAULT_NO_GRACE_PERIOD, &compaction},
    {"what has expired is served", MS_FAULT_EXPIRED_SERVED, &expiry},
    {"what has expired is served by get_many", MS_FAULT_EXPIRED_SERVED, &expiry_together},
    {"a condition is judged without the lock", MS_FAULT_UNLOCKED_CONDITION, &conditions},
};

static FILE *unseen(void)
{
    FILE *file = fopen("/dev/null", "w");

    CHECK(file != NULL);
    return file;
}

/* How a process ended that ran with the fault. */
enum ending { FOUND, NOT_FOUND, BROKEN };

/* In a process of its own, because what a fault does to memory may end it. */
static enum ending run_with_fault(const struct planted *planted, uint64_t seed, FILE *file)
{
    int status;

    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ms_testing_plant(planted->fault);
        const struct linear_result result =
            linear_run(planted->mix, seed, HISTORIES_TO_FIND, SECONDS_TO_FIND, file);
        fflush(file);
        _exit(result.impossible ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status))
        return BROKEN;
    return WEXITSTATUS(status) == 0 ? FOUND : WEXITSTATUS(status) == 1 ? NOT_FOUND : BROKEN;
}

static void find(const struct planted *planted, uint64_t seed, FILE *file)
{
    const double start = test_now();
    enum ending ending = BROKEN;

    for (unsigned i = 0; i < TRIES && ending == BROKEN; i++)
        ending = run_with_fault(planted, seed + i, file);
#if defined(__SANITIZE_THREAD__)
    /* ThreadSanitizer ends the process at the first access to memory that is used again. */
    if (planted->fault == MS_FAULT_NO_GRACE_PERIOD && ending == BROKEN)
        ending = FOUND;
#endif
    if (ending != FOUND)
        test_fail(__FILE__, __LINE__, "%s: %s",
                  ending == BROKEN ? "the process ended" : "not found", planted->what);
    printf("ok   found: %s (%.2f s)\n", planted->what, test_now() - start);
}

/* Without the fault nothing is found, in a tenth of a second each. */
static void find_nothing(const struct planted *planted, uint64_t seed)
{
    const struct linear_result result = linear_run(planted->mix, seed, 0, 0.1, stderr);

    CHECK(result.histories > 0 && !result.impossible);
}

int main(void)
{
    const uint64_t seed = test_seed("linear_faults");
    /* The histories found are shown on request only: they are not failures. */
    FILE *file = getenv("MEMSTORE_TEST_SHOW") != NULL ? stderr : unseen();

    for (size_t i = 0; i < TEST_COUNT_OF(faults); i++) {
        find_nothing(&faults[i], seed + i);
        find(&faults[i], seed + i, file);
    }
    printf("linear_faults: %zu passed, 0 failed\n", TEST_COUNT_OF(faults));
    return 0;
}
