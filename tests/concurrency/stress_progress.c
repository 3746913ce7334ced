/* SPDX-License-Identifier: Apache-2.0 */
/* A thread is stopped for good at each point where one can be stopped, most with a lock in its
 * hands: every call that is documented to be lock-free completes all the same and gives the right
 * answer, and writers get a status in time. */
#include "store/store.h"
#include "support/clock.h"
#include "support/stopper.h"
#include "support/support.h"
#include "support/team.h"

#include <stdlib.h>

#define KEYS 64
#define BRIEF 16 /* keys that run out while the thread is stopped */
#define BATCH 8
#define HOUR INT64_C(3600000)
#define PATIENCE                                                                                   \
    10 /* seconds that a call may take before it counts as stuck; a free one takes microseconds */

static memstore *store;
static unsigned char large[64 * 1024], largest[300 * 1024];

/* ---- The thread that is stopped ---- */

static enum ms_testing_point stop_at;

static size_t key_of(uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "progress/%llu", (unsigned long long)number);
}

/* Every other key never expires. */
static int64_t ttl_of(uint64_t number)
{
    return number % 2 == 0 ? HOUR : MEMSTORE_TTL_NONE;
}

static void set_one(uint64_t number, const char *value)
{
    char key[32];
    const size_t size = key_of(number, key);

    CHECK_OK(memstore_set(store, key, size, value, strlen(value), ttl_of(number)));
}

static void set_batch(const char *value)
{
    char names[BATCH][32];
    memstore_entry entries[BATCH];

    for (unsigned i = 0; i < BATCH; i++)
        entries[i] =
            (memstore_entry){{names[i], key_of(i, names[i])}, value, strlen(value), ttl_of(i)};
    CHECK_OK(memstore_set_many(store, entries, BATCH));
}

static void delete_one(const char *key)
{
    const int status = test_delete(store, key);

    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND);
}

static void get_batch(void)
{
    char names[BATCH][32];
    memstore_key keys[BATCH];
    memstore_view views[BATCH];

    for (unsigned i = 0; i < BATCH; i++)
        keys[i] = (memstore_key){names[i], key_of(i, names[i])};
    CHECK_OK(memstore_get_many(store, keys, BATCH, views, NULL));
    memstore_view_release_many(views, BATCH);
}

static void read_each_way(uint64_t number);

static char snapshot_path[64];

/* One call; each point lies on the way of one of these. */
static void be_stopped(void *context)
{
    static uint64_t i;
    int status;

    (void)context;
    i++;
    switch (stop_at) {
    case MS_POINT_SHARD_LOCKED:
    case MS_POINT_ENTRY_WRITTEN:
        set_one(i % KEYS, "new");
        break;
    case MS_POINT_BATCH_RESERVED:
    case MS_POINT_BATCH_PREPARED:
    case MS_POINT_BATCH_PENDING:
    case MS_POINT_BATCH_COMMITTED:
    case MS_POINT_BATCH_SLOT:
        set_batch("new");
        break;
    case MS_POINT_INDEX_GROWN:
    case MS_POINT_INDEX_TAGGED:
        set_one(KEYS + i, "more");
        break;
    case MS_POINT_READ_FOUND:
        /* It looks for the entry with its shard locked. */
        CHECK_OK(test_set(store, "victim", "v", 0));
        delete_one("victim");
        break;
    case MS_POINT_READ_LOADED:
        get_batch();
        break;
    case MS_POINT_READ_KEPT:
        read_each_way(i % KEYS);
        break;
    case MS_POINT_RETIRING:
        /* What has a segment of its own leaves it with the shard locked. */
        CHECK_OK(memstore_set(store, "victim", 6, large, sizeof large, 0));
        delete_one("victim");
        break;
    case MS_POINT_POOL_LOCKED:
        /* Until the segment is full. */
        CHECK_OK(memstore_set(store, "bulk", 4, large, 1000, 0));
        break;
    case MS_POINT_RECLAIMING:
    case MS_POINT_ENTRY_COPIED:
    case MS_POINT_VERSION_WITHHELD:
        set_one(i % KEYS, "new");
        /* Those who came by meanwhile may have left something behind. */
        status = memstore_compact(store, 0);
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_MEMORY_FRAGMENTATION);
        break;
    case MS_POINT_CHUNK_MADE:
        CHECK_OK(memstore_set_async(store, "queued", 6, "v", 1, 0));
        break;
    case MS_POINT_READ_BORROWED:
        CHECK_OK(memstore_set(store, "victim", 6, largest, sizeof largest, 0));
        CHECK_OK(memstore_get(store, "victim", 6, largest, sizeof largest, NULL));
        break;
    case MS_POINT_LARGE_TAKEN:
        CHECK_OK(memstore_set(store, "victim", 6, large, sizeof large, 0));
        break;
    case MS_POINT_LARGE_FREED:
        CHECK_OK(memstore_set(store, "victim", 6, large, sizeof large, 0));
        delete_one("victim");
        CHECK_OK(memstore_maintain(store, 0));
        break;
    case MS_POINT_SEGMENTS_SEEN:
        (void)test_memory(store);
        break;
    case MS_POINT_INTERVAL_NOTED:
    case MS_POINT_IMAGES_DONE:
        CHECK_OK(memstore_save(store, snapshot_path, NULL, NULL));
        break;
    case MS_POINT_FLIGHTS_WALKED: /* for counting alone: nobody is stopped there */
    case MS_POINT_COUNT:
        abort();
    }
}

/* ---- The others ---- */

/* One of the two values that a key can have. */
static void check_value(const void *value, size_t size)
{
    CHECK(size == 3 && (memcmp(value, "old", 3) == 0 || memcmp(value, "new", 3) == 0));
}

static void ask_for_times(uint64_t number, const char *key, size_t size)
{
    const int wanted = ttl_of(number) != 0 ? MEMSTORE_OK : MEMSTORE_ERR_TTL_NOT_SET;
    int64_t time;

    CHECK_STATUS(memstore_get_ttl(store, key, size, &time), wanted);
    CHECK(wanted != MEMSTORE_OK || (time > 0 && time <= HOUR));
    CHECK_STATUS(memstore_get_expiration(store, key, size, &time), wanted);
    CHECK_OK(memstore_get_created(store, key, size, &time));
}

static void read_each_way(uint64_t number)
{
    char key[32], buffer[16];
    const size_t size = key_of(number, key);
    memstore_view view;
    size_t value_size;

    CHECK_OK(memstore_get(store, key, size, buffer, sizeof buffer, &value_size));
    check_value(buffer, value_size);
    CHECK_OK(memstore_get_view(store, key, size, &view));
    check_value(view.data, view.size);
    memstore_view_release(&view);
    CHECK_OK(memstore_has(store, key, size));
    ask_for_times(number, key, size);
    CHECK_STATUS(memstore_has(store, "absent", 6), MEMSTORE_ERR_KEY_NOT_FOUND);
    CHECK_STATUS(memstore_has(store, "brief/1", 7), MEMSTORE_ERR_KEY_NOT_FOUND);
}

static int count_up(const void *key, size_t key_size, void *context)
{
    CHECK(key != NULL && key_size > 0);
    ++*(unsigned *)context;
    return 0;
}

/* Calls that came back, of all threads: while one does not, this comes to stand still. */
static atomic_uint_least64_t came_back;

static void note_return(void)
{
    atomic_fetch_add_explicit(&came_back, 1, memory_order_relaxed);
}

static void iterate(void)
{
    memstore_cursor *cursor;
    memstore_key key;
    unsigned met = 0, called = 0;
    uint64_t count = 0;
    int status;

    CHECK_OK(memstore_cursor_new(store, "progress/*", 10, &cursor));
    while ((status = memstore_cursor_next(cursor, &key)) == MEMSTORE_OK)
        met++;
    CHECK_STATUS(status, MEMSTORE_ERR_KEY_NOT_FOUND);
    memstore_cursor_free(cursor);
    CHECK(met >= KEYS);
    CHECK_OK(memstore_count_by_pattern(store, "progress/*", 10, &count));
    CHECK(count == met);
    CHECK_OK(memstore_keys(store, "progress/*", 10, count_up, &called));
    CHECK(called == met);
}

/* Reads of several keys wait for a batch in publication at most; a batch that is not, or another
 * shard, is no hindrance. */
static void read_together(void)
{
    char names[BATCH][32];
    memstore_key keys[BATCH];
    memstore_view views[BATCH];
    unsigned char present[BATCH];
    size_t found = 0, also_found = 0;

    for (unsigned i = 0; i < BATCH; i++)
        keys[i] = (memstore_key){names[i], key_of(i, names[i])};
    const int status = memstore_get_many(store, keys, BATCH, views, &found);
    const int other = memstore_has_many(store, keys, BATCH, present, &also_found);
    if (stop_at == MS_POINT_BATCH_PENDING || stop_at == MS_POINT_BATCH_COMMITTED ||
        stop_at == MS_POINT_BATCH_SLOT) {
        CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT);
        CHECK(other == MEMSTORE_OK || other == MEMSTORE_ERR_LOCK_TIMEOUT);
    } else {
        CHECK_OK(status);
        CHECK_OK(other);
    }
    CHECK(other != MEMSTORE_OK || also_found == BATCH);
    if (status != MEMSTORE_OK)
        return;
    CHECK(found == BATCH);
    for (unsigned i = 0; i < BATCH; i++) {
        check_value(views[i].data, views[i].size);
        if ((stop_at >= MS_POINT_BATCH_PREPARED && stop_at <= MS_POINT_BATCH_COMMITTED) ||
            stop_at == MS_POINT_BATCH_SLOT)
            CHECK(memcmp(views[i].data, views[0].data, 3) == 0);
    }
    memstore_view_release_many(views, BATCH);
}

static void ask_for_statistics(void)
{
    const memstore_stats stats = test_stats(store);
    const double rate = memstore_get_hit_rate(store);

    CHECK(stats.entries >= KEYS && stats.entries < KEYS + 1000);
    CHECK(rate >= 0 && rate <= 1);
    CHECK(test_memory(store).live > 0);
    CHECK(memstore_capacity(store) == 8 << 20);
    CHECK_OK(memstore_reset_stats(store));
}

/* Writers wait for a segment, size and statistics for the lists of segments: none of them is free of
 * that lock. */
static bool is_pool_locked(void)
{
    return stop_at == MS_POINT_POOL_LOCKED || stop_at == MS_POINT_SEGMENTS_SEEN;
}

static void read_all(unsigned number, void *context)
{
    (void)context;
    /* The first view of one thread is of many keys. */
    if (number == 0)
        read_together();
    for (unsigned round = 0; round < 20; round++) {
        for (uint64_t key = 0; key < KEYS; key++) {
            read_each_way(key);
            note_return();
        }
        read_together();
        note_return();
        iterate();
        note_return();
        if (is_pool_locked())
            continue;
        CHECK(memstore_size(store) >= KEYS);
        ask_for_statistics();
    }
}

static bool is_write_status(int status)
{
    return status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT ||
           status == MEMSTORE_ERR_GC_PRESSURE || status == MEMSTORE_ERR_MEMORY_EXHAUSTED ||
           status == MEMSTORE_ERR_KEY_NOT_FOUND;
}

/* One that came back now, in time since the one before. */
static void expect_write(int status, double *before)
{
    const double now = test_now();

    CHECK(is_write_status(status));
    CHECK(now - *before < PATIENCE);
    *before = now;
    note_return();
}

/* Writers meet the stopped one's lock: they wait for `performance.lock_timeout` and say so. */
static void write_all(unsigned number, void *context)
{
    static const char *const keys[] = {"other/1", "other/2", "other/3"};
    double start = test_now();

    (void)number;
    (void)context;
    for (unsigned i = 0; i < TEST_COUNT_OF(keys); i++) {
        expect_write(test_set(store, keys[i], "v", 0), &start);
        expect_write(test_delete(store, keys[i]), &start);
    }
    uint64_t deleted;
    expect_write(memstore_delete_by_pattern(store, "other/*", 7, &deleted), &start);
}

/* With writers done: what the counters say is what is there, expired entries not counted, though
 * nobody could remove them. */
static void check_size(void)
{
    uint64_t count;

    CHECK_OK(memstore_count_by_pattern(store, "", 0, &count));
    CHECK(memstore_size(store) == count);
    CHECK(test_stats(store).entries == count);
}

/* ---- The cases ---- */

static void *watch(void *done)
{
    double end = test_now() + PATIENCE;
    uint64_t seen = 0;

    while (!atomic_load((atomic_bool *)done)) {
        const uint64_t now = atomic_load_explicit(&came_back, memory_order_relaxed);

        if (now != seen)
            end = test_now() + PATIENCE;
        seen = now;
        if (test_now() > end)
            test_fail(__FILE__, __LINE__,
                      "a call did not come back while a thread was stopped at point %d", stop_at);
        test_sleep_ms(5);
    }
    return NULL;
}

static void fill(void)
{
    char key[32];

    for (uint64_t number = 0; number < KEYS; number++)
        set_one(number, "old");
    for (unsigned i = 0; i < BRIEF; i++) {
        snprintf(key, sizeof key, "brief/%u", i);
        CHECK_OK(test_set(store, key, "v", 1000));
    }
}

static bool was_tested[MS_POINT_COUNT];

static void check_point(enum ms_testing_point point)
{
    struct test_team team = {0};
    pthread_t watcher;
    atomic_bool done = false;
    memstore_view view;

    test_clock_start();
    store = test_open("shards=1", "performance.memory_limit=8MiB", "maintenance=manual",
                      "performance.lock_timeout=20ms", "ttl.store_creation_time=true", NULL);
    fill();
    CHECK_OK(memstore_get_view(store, "progress/1", 10, &view));

    stop_at = point;
    test_stop_at(point, be_stopped, NULL);
    test_clock_advance(2000);
    CHECK(pthread_create(&watcher, NULL, watch, &done) == 0);
    memstore_view_release(&view);
    test_team_start(&team, 2, read_all, NULL);
    if (!is_pool_locked())
        test_team_start(&team, 1, write_all, NULL);
    test_team_join(&team);
    if (!is_pool_locked())
        check_size();
    atomic_store(&done, true);
    CHECK(pthread_join(watcher, NULL) == 0);

    test_let_go();
    read_each_way(0);
    CHECK_OK(test_set(store, "afterwards", "v", 0));
    check_size();
    memstore_destroy(store);
    ms_testing_use_real_clock();
    was_tested[point] = true;
}

static void reads_pass_a_writer_that_holds_the_lock(void)
{
    check_point(MS_POINT_SHARD_LOCKED);
}

static void reads_pass_a_writer_before_publication(void)
{
    check_point(MS_POINT_ENTRY_WRITTEN);
}

static void reads_pass_a_batch_before_its_locks(void)
{
    check_point(MS_POINT_BATCH_RESERVED);
}

static void reads_pass_a_prepared_batch(void)
{
    check_point(MS_POINT_BATCH_PREPARED);
}

static void reads_pass_a_pending_batch(void)
{
    check_point(MS_POINT_BATCH_PENDING);
}

static void reads_pass_a_committed_batch(void)
{
    check_point(MS_POINT_BATCH_COMMITTED);
}

static void reads_pass_a_writer_that_looks_for_an_entry(void)
{
    check_point(MS_POINT_READ_FOUND);
}

static void reads_pass_a_reader_of_many_keys(void)
{
    check_point(MS_POINT_READ_LOADED);
}

static void reads_pass_a_reader_that_has_found_its_entry(void)
{
    check_point(MS_POINT_READ_KEPT);
}

static void reads_pass_an_insert_of_which_the_tag_is_there(void)
{
    check_point(MS_POINT_INDEX_TAGGED);
}

static void reads_pass_a_batch_that_has_switched_a_slot(void)
{
    check_point(MS_POINT_BATCH_SLOT);
}

static void reads_pass_a_growing_index(void)
{
    check_point(MS_POINT_INDEX_GROWN);
}

static void reads_pass_a_reclaimer(void)
{
    check_point(MS_POINT_RECLAIMING);
}

static void reads_pass_a_reclaimer_that_moves_an_entry(void)
{
    check_point(MS_POINT_ENTRY_COPIED);
}

static void reads_pass_a_reclaimer_that_is_about_to_switch_a_slot(void)
{
    check_point(MS_POINT_VERSION_WITHHELD);
}

static void reads_pass_a_writer_that_retires_a_segment(void)
{
    check_point(MS_POINT_RETIRING);
}

static void reads_pass_a_writer_that_holds_the_lists_of_segments(void)
{
    check_point(MS_POINT_POOL_LOCKED);
}

static void others_pass_a_reader_of_a_large_value(void)
{
    check_point(MS_POINT_READ_BORROWED);
}

static void reads_pass_a_writer_of_a_large_entry(void)
{
    check_point(MS_POINT_LARGE_TAKEN);
}

static void others_pass_a_reclaimer_that_gives_a_large_entry_back(void)
{
    check_point(MS_POINT_LARGE_FREED);
}

static void reads_pass_somebody_who_looks_at_all_segments(void)
{
    check_point(MS_POINT_SEGMENTS_SEEN);
}

static void reads_pass_a_writer_that_makes_room_in_the_queue(void)
{
    check_point(MS_POINT_CHUNK_MADE);
}

static void check_point_of_saving(enum ms_testing_point point)
{
    snprintf(snapshot_path, sizeof snapshot_path, "/tmp/memstore-progress-%d.snapshot",
             (int)getpid());
    check_point(point);
    unlink(snapshot_path);
}

static void reads_pass_a_save_that_holds_a_shard(void)
{
    check_point_of_saving(MS_POINT_INTERVAL_NOTED);
}

static void reads_pass_a_save_that_holds_what_batches_leave(void)
{
    check_point_of_saving(MS_POINT_IMAGES_DONE);
}

/* ---- One batch, many shards ---- */

/* A call with several keys: its status, and how many of them it found. */
typedef int asking(const memstore_key *keys, size_t n, size_t *found);

static int ask_get_many(const memstore_key *keys, size_t n, size_t *found)
{
    memstore_view views[KEYS];
    const int status = memstore_get_many(store, keys, n, views, found);

    memstore_view_release_many(views, n);
    return status;
}

static int ask_has_many(const memstore_key *keys, size_t n, size_t *found)
{
    unsigned char present[KEYS];

    return memstore_has_many(store, keys, n, present, found);
}

static void count_values(const memstore_view *views, size_t n, void *context)
{
    for (size_t i = 0; i < n; i++)
        *(size_t *)context += views[i].data != NULL;
}

static int ask_read_many(const memstore_key *keys, size_t n, size_t *found)
{
    *found = 0;
    return memstore_read_many(store, keys, n, count_values, found);
}

static asking *const ways_to_ask[] = {ask_get_many, ask_read_many, ask_has_many};

static uint32_t shard_of(const memstore_key *key)
{
    return ms_index_shard_of(&store->index, ms_store_hash(store, key->data, key->size));
}

/* The keys outside of the batch's shards, which has the first ones. */
static size_t keys_of_other_shards(const memstore_key *all, memstore_key *others)
{
    size_t count = 0;

    for (unsigned i = BATCH; i < KEYS; i++) {
        bool is_other = true;

        for (unsigned k = 0; k < BATCH; k++)
            is_other &= shard_of(&all[i]) != shard_of(&all[k]);
        if (is_other)
            others[count++] = all[i];
    }
    return count;
}

/* The shortest that such a call took. Other programs make some of them long. */
static double quickest(asking *ask, const memstore_key *keys, size_t n, int wanted, double least)
{
    double quickest = PATIENCE;

    for (unsigned i = 0; i < 10; i++) {
        const double start = test_now();
        size_t found;

        CHECK_STATUS(ask(keys, n, &found), wanted);
        const double took = test_now() - start;
        CHECK(wanted != MEMSTORE_OK || found == n);
        CHECK(took >= least);
        quickest = took < quickest ? took : quickest;
    }
    return quickest;
}

/* A batch is stopped for good where none of it is visible yet. */
static void reads_of_many_wait_for_batches_of_their_shards_alone(void)
{
    const double timeout = 0.02, microsecond = 1e-6;
    char names[KEYS][32];
    memstore_key all[KEYS], others[KEYS + 1];

    store = test_open("shards=64", "performance.memory_limit=8MiB", "maintenance=manual",
                      "performance.lock_timeout=20ms", NULL);
    for (unsigned i = 0; i < KEYS; i++) {
        set_one(i, "old");
        all[i] = (memstore_key){names[i], key_of(i, names[i])};
    }
    const size_t count = keys_of_other_shards(all, others);
    CHECK(count >= BATCH);
    others[count] = all[0];
    stop_at = MS_POINT_BATCH_PENDING;
    test_stop_at(stop_at, be_stopped, NULL);
    for (unsigned i = 0; i < TEST_COUNT_OF(ways_to_ask); i++) {
        asking *const ask = ways_to_ask[i];

        CHECK(quickest(ask, others, count, MEMSTORE_OK, 0) < timeout);
        /* Those of the batch, or one of them. The library counts whole microseconds. */
        CHECK(quickest(ask, all, BATCH, MEMSTORE_ERR_LOCK_TIMEOUT, timeout - microsecond) < 3);
        CHECK(quickest(ask, others, count + 1, MEMSTORE_ERR_LOCK_TIMEOUT, timeout - microsecond) <
              3);
    }
    test_let_go();
    for (unsigned i = 0; i < TEST_COUNT_OF(ways_to_ask); i++)
        CHECK(quickest(ways_to_ask[i], all, KEYS, MEMSTORE_OK, 0) < PATIENCE);
    memstore_destroy(store);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"reads_pass_a_writer_that_holds_the_lock", reads_pass_a_writer_that_holds_the_lock},
        {"reads_pass_a_writer_before_publication", reads_pass_a_writer_before_publication},
        {"reads_pass_a_batch_before_its_locks", reads_pass_a_batch_before_its_locks},
        {"reads_pass_a_prepared_batch", reads_pass_a_prepared_batch},
        {"reads_pass_a_pending_batch", reads_pass_a_pending_batch},
        {"reads_pass_a_committed_batch", reads_pass_a_committed_batch},
        {"reads_pass_a_writer_that_looks_for_an_entry",
         reads_pass_a_writer_that_looks_for_an_entry},
        {"reads_pass_a_reader_of_many_keys", reads_pass_a_reader_of_many_keys},
        {"reads_pass_a_reader_that_has_found_its_entry",
         reads_pass_a_reader_that_has_found_its_entry},
        {"reads_pass_an_insert_of_which_the_tag_is_there",
         reads_pass_an_insert_of_which_the_tag_is_there},
        {"reads_pass_a_batch_that_has_switched_a_slot",
         reads_pass_a_batch_that_has_switched_a_slot},
        {"reads_pass_a_growing_index", reads_pass_a_growing_index},
        {"reads_pass_a_reclaimer", reads_pass_a_reclaimer},
        {"reads_pass_a_reclaimer_that_moves_an_entry", reads_pass_a_reclaimer_that_moves_an_entry},
        {"reads_pass_a_reclaimer_that_is_about_to_switch_a_slot",
         reads_pass_a_reclaimer_that_is_about_to_switch_a_slot},
        {"reads_pass_a_writer_that_retires_a_segment", reads_pass_a_writer_that_retires_a_segment},
        {"reads_pass_a_writer_that_holds_the_lists_of_segments",
         reads_pass_a_writer_that_holds_the_lists_of_segments},
        {"others_pass_a_reader_of_a_large_value", others_pass_a_reader_of_a_large_value},
        {"reads_pass_a_writer_of_a_large_entry", reads_pass_a_writer_of_a_large_entry},
        {"others_pass_a_reclaimer_that_gives_a_large_entry_back",
         others_pass_a_reclaimer_that_gives_a_large_entry_back},
        {"reads_pass_somebody_who_looks_at_all_segments",
         reads_pass_somebody_who_looks_at_all_segments},
        {"reads_pass_a_writer_that_makes_room_in_the_queue",
         reads_pass_a_writer_that_makes_room_in_the_queue},
        {"reads_pass_a_save_that_holds_a_shard", reads_pass_a_save_that_holds_a_shard},
        {"reads_pass_a_save_that_holds_what_batches_leave",
         reads_pass_a_save_that_holds_what_batches_leave},
        {"reads_of_many_wait_for_batches_of_their_shards_alone",
         reads_of_many_wait_for_batches_of_their_shards_alone},
    };
    const char *filter = argc > 1 ? argv[1] : NULL;
    const int status = test_run_cases("stress_progress", cases, TEST_COUNT_OF(cases), filter);

    /* A new point needs its case here. */
    for (unsigned point = 0; filter == NULL && point < MS_POINT_COUNT; point++)
        CHECK(was_tested[point] || point == MS_POINT_FLIGHTS_WALKED);
    return status;
}
