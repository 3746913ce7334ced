/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that run out while they are read and written, by a clock that one thread sets forward:
 * nothing is served once the clock has reached its expiry, nothing is missed before, and what
 * runs out together is missed together. */
#include "linear_run.h"
#include "support/support.h"

static const struct linear_mix mixes[] = {
    {.name = "single keys",
     .settings = {"shards=1"},
     .threads = 3,
     .ops = 8,
     .longest = 100,
     .singles = 3,
     .timed = true,
     .weights = {[HISTORY_GET] = 8,
                 [HISTORY_HAS] = 2,
                 [HISTORY_SET] = 4,
                 [HISTORY_ADD] = 1,
                 [HISTORY_REPLACE] = 1,
                 [HISTORY_RETIME] = 2,
                 [HISTORY_DELETE] = 1}},
    {.name = "single keys, kept in shape by the calls themselves",
     .settings = {"shards=1", "maintenance=manual"},
     .threads = 3,
     .ops = 8,
     .longest = 100,
     .singles = 1,
     .timed = true,
     .versions = true,
     .weights = {[HISTORY_GET] = 8,
                 [HISTORY_SET] = 4,
                 [HISTORY_REPLACE] = 1,
                 [HISTORY_COMPARE_AND_SET] = 2,
                 [HISTORY_RETIME] = 1}},
    {.name = "counters",
     .settings = {"shards=1"},
     .threads = 3,
     .ops = 7,
     .form = PERFORM_DECIMAL,
     .singles = 1,
     .timed = true,
     .weights = {[HISTORY_GET] = 4, [HISTORY_INCREMENT] = 5, [HISTORY_DELETE] = 1}},
    {.name = "batches",
     .settings = {"shards=16"},
     .threads = 3,
     .ops = 7,
     .longest = 100,
     .singles = 7,
     .together = 7,
     .snapshots = true,
     .timed = true,
     .weights = {[HISTORY_GET] = 4,
                 [HISTORY_GET_MANY] = 6,
                 [HISTORY_HAS_MANY] = 1,
                 [HISTORY_SET_MANY] = 4,
                 [HISTORY_DELETE_MANY] = 1}},
    {.name = "batches that change times, with conditions",
     .settings = {"shards=16"},
     .threads = 3,
     .ops = 7,
     .longest = 100,
     .singles = 7,
     .together = 7,
     .snapshots = true,
     .timed = true,
     .versions = true,
     .weights =
         {[HISTORY_GET] = 4, [HISTORY_GET_MANY] = 4, [HISTORY_HAS_MANY] = 1, [HISTORY_COMMIT] = 6}},
    {.name = "batches that change times, among writes of single keys",
     .settings = {"shards=4"},
     .threads = 3,
     .ops = 6,
     .longest = 100,
     .singles = 3,
     .together = 3,
     .timed = true,
     .weights = {[HISTORY_GET] = 4,
                 [HISTORY_GET_MANY] = 2,
                 [HISTORY_SET] = 2,
                 [HISTORY_RETIME] = 2,
                 [HISTORY_DELETE] = 1,
                 [HISTORY_COMMIT] = 5}},
};

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 2);

    linear_run_all(mixes, TEST_COUNT_OF(mixes), test_seed("linear_expiry"), seconds);
    printf("linear_expiry: %zu passed, 0 failed\n", TEST_COUNT_OF(mixes));
    return 0;
}
