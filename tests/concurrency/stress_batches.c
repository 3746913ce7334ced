/* SPDX-License-Identifier: Apache-2.0 */
/* Batches against readers: nobody sees a part of one.
 *
 * Keys come in groups. A group is always written, or removed, as a whole, with one number in all
 * its values. So get_many of a group gives one number or nothing, and who has seen number n
 * under one key finds no older one under another afterwards. */
#include "support/stamp.h"
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define GROUPS 6
#define MEMBERS 5
#define WRITERS 3
#define READERS 3
/* A lock is never waited for in vain, however long its holder has no processor. */
#define PATIENT "performance.lock_timeout=60s"

struct scenario {
    const char *name;
    const char *settings[8];
    bool evicts;
    bool deletes;
    bool contended; /* several writers for each group: no order between their numbers is known */
};

static const struct scenario scenarios[] = {
    {"groups over many shards", {"shards=1024", PATIENT}, false, true, false},
    {"groups in few shards", {"shards=2", PATIENT}, false, true, false},
    {"several writers for a group", {"shards=16", PATIENT}, false, true, true},
    {"no deletes, index growing", {"shards=1", PATIENT}, false, false, true},
    {"under pressure", {"performance.memory_limit=256KiB", "shards=8", PATIENT}, true, true, false},
    {"compaction",
     {"performance.memory_limit=1MiB", "performance.gc_percent=5", "shards=8", PATIENT},
     true,
     false,
     true},
};

struct group {
    char names[MEMBERS][32];
    memstore_key keys[MEMBERS];
    _Alignas(64) atomic_uint_least64_t started, completed;
};

static struct group groups[GROUPS];
static memstore *store;
static const struct scenario *scenario;
static uint64_t seed;
static atomic_uint_least64_t tickets;
static atomic_uint_least64_t reads_done, writes_done;

static bool is_delete(uint64_t sequence)
{
    struct test_rng rng = {seed ^ sequence};

    return scenario->deletes && test_one_in(&rng, 6);
}

static bool is_refusal(int status)
{
    return scenario->evicts &&
           (status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED);
}

static int set_group(struct group *group, uint64_t sequence, bool as_batch, struct test_rng *rng)
{
    unsigned char values[MEMBERS][1024];
    memstore_entry entries[MEMBERS];

    for (unsigned i = 0; i < MEMBERS; i++) {
        const size_t size = sizeof(struct test_stamp) + test_below(rng, 900);
        test_stamp_write(values[i], size,
                         (struct test_stamp){
                             .key = (uint64_t)(group - groups), .writer = i, .sequence = sequence});
        entries[i] = (memstore_entry){group->keys[i], values[i], size, MEMSTORE_TTL_NONE};
    }
    if (!as_batch)
        return memstore_set_many(store, entries, MEMBERS);

    memstore_batch *batch = memstore_batch_new(store);
    CHECK(batch != NULL);
    for (unsigned i = 0; i < MEMBERS; i++)
        CHECK_OK(memstore_batch_set(batch, entries[i].key.data, entries[i].key.size,
                                    entries[i].value, entries[i].value_size, MEMSTORE_TTL_NONE));
    const int status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

static void write_groups(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        struct group *group = &groups[test_below(&rng, GROUPS)];
        if (!scenario->contended)
            group = &groups[(size_t)(group - groups) / WRITERS * WRITERS + number];

        /* Numbers are drawn in order, so that each group of one writer sees them grow. */
        const uint64_t sequence = atomic_fetch_add(&tickets, 1) + 1;
        if (!scenario->contended)
            atomic_store(&group->started, sequence);
        const int status = is_delete(sequence)
                               ? memstore_delete_many(store, group->keys, MEMBERS, NULL)
                               : set_group(group, sequence, test_one_in(&rng, 2), &rng);
        if (is_refusal(status))
            continue;
        CHECK_OK(status);
        if (!scenario->contended)
            atomic_store(&group->completed, sequence);
        atomic_fetch_add(&writes_done, 1);
    }
}

/* The number in a member's value; 0 when the member is missing. */
static uint64_t number_of(const struct group *group, unsigned member, const memstore_view *view)
{
    struct test_stamp stamp;

    if (view->data == NULL)
        return 0;
    CHECK(test_stamp_read(view->data, view->size, &stamp));
    CHECK(stamp.key == (uint64_t)(group - groups) && stamp.writer == member);
    CHECK(!is_delete(stamp.sequence));
    return stamp.sequence;
}

static void read_together(struct group *group)
{
    memstore_view views[MEMBERS];
    const uint64_t completed = atomic_load(&group->completed);
    size_t found;
    uint64_t number = 0;

    CHECK_OK(memstore_get_many(store, group->keys, MEMBERS, views, &found));
    for (unsigned i = 0; i < MEMBERS; i++) {
        const uint64_t this = number_of(group, i, &views[i]);

        if (number == 0)
            number = this;
        CHECK(this == number || (this == 0 && scenario->evicts));
    }
    CHECK(scenario->evicts || found == 0 || found == MEMBERS);
    CHECK(number == 0 || scenario->contended || number >= completed);
    CHECK(number != 0 || scenario->deletes || scenario->evicts || completed == 0);
    memstore_view_release_many(views, MEMBERS);
}

static void ask_together(struct group *group)
{
    unsigned char out[MEMBERS];
    size_t found;

    CHECK_OK(memstore_has_many(store, group->keys, MEMBERS, out, &found));
    CHECK(scenario->evicts || found == 0 || found == MEMBERS);
}

/* One get after the other: the numbers never go back, and nothing is missed that only a later
 * delete could have removed. */
static void read_in_turn(struct group *group, struct test_rng *rng)
{
    uint64_t last = 0;

    for (unsigned step = 0; step < MEMBERS; step++) {
        const unsigned member = (unsigned)test_below(rng, MEMBERS);
        memstore_view view;
        const int status =
            memstore_get_view(store, group->keys[member].data, group->keys[member].size, &view);

        if (status == MEMSTORE_ERR_KEY_NOT_FOUND) {
            CHECK(last == 0 || scenario->deletes || scenario->evicts);
            if (last != 0 && scenario->deletes && !scenario->evicts && !scenario->contended) {
                /* Only a delete that came after what was seen explains the miss. */
                const uint64_t started = atomic_load(&group->started);
                uint64_t sequence = last + 1;
                while (sequence <= started && !is_delete(sequence))
                    sequence++;
                CHECK(sequence <= started);
            }
            continue;
        }
        CHECK_OK(status);
        const uint64_t number = number_of(group, member, &view);
        CHECK(scenario->contended || number >= last);
        last = number;
        memstore_view_release(&view);
    }
}

static void read_groups(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    for (; test_team_goes_on(); atomic_fetch_add_explicit(&reads_done, 1, memory_order_relaxed)) {
        struct group *group = &groups[test_below(&rng, GROUPS)];

        switch (test_below(&rng, 4)) {
        case 0:
            ask_together(group);
            break;
        case 1:
            read_in_turn(group, &rng);
            break;
        default:
            read_together(group);
        }
    }
}

/* Other keys come and go, so that tables grow and segments are reclaimed meanwhile. */
static void churn(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};
    unsigned char value[700] = {0};

    (void)context;
    for (uint64_t i = 0; test_team_goes_on(); i++) {
        char key[32];
        const size_t size = (size_t)snprintf(key, sizeof key, "churn/%u/%llu", number,
                                             (unsigned long long)(i % 20000));
        const int status = test_one_in(&rng, 3)
                               ? memstore_delete(store, key, size)
                               : memstore_set(store, key, size, value,
                                              test_below(&rng, sizeof value), MEMSTORE_TTL_NONE);

        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND || is_refusal(status));
    }
}

static bool has_done_enough(void)
{
    return atomic_load(&reads_done) > 0 && atomic_load(&writes_done) > 0;
}

static void run_scenario(double seconds)
{
    struct test_team team = {0};

    for (unsigned g = 0; g < GROUPS; g++) {
        atomic_store(&groups[g].started, 0);
        atomic_store(&groups[g].completed, 0);
        for (unsigned i = 0; i < MEMBERS; i++) {
            const int size =
                snprintf(groups[g].names[i], sizeof groups[g].names[i], "group/%u/%u", g, i);
            groups[g].keys[i] = (memstore_key){groups[g].names[i], (size_t)size};
        }
    }
    store = test_open_list(scenario->settings);
    test_team_start(&team, WRITERS, write_groups, NULL);
    test_team_start(&team, READERS, read_groups, NULL);
    test_team_start(&team, 1, churn, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 6);

    seed = test_seed("stress_batches");
    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++) {
        scenario = &scenarios[i];
        atomic_store(&reads_done, 0);
        atomic_store(&writes_done, 0);
        run_scenario(seconds / TEST_COUNT_OF(scenarios));
        printf("ok   %s: %llu reads, %llu writes\n", scenario->name,
               (unsigned long long)atomic_load(&reads_done),
               (unsigned long long)atomic_load(&writes_done));
        CHECK(atomic_load(&reads_done) > 0 && atomic_load(&writes_done) > 0);
    }
    printf("stress_batches: %zu passed, 0 failed\n", TEST_COUNT_OF(scenarios));
    return 0;
}
