/* SPDX-License-Identifier: Apache-2.0 */
/* What a read writes: nothing that another thread reads or writes. docs/design/scaling.md draws the
 * conclusions.
 *
 * Two proofs. All memory of the process that can be written is compared before and after reads by
 * another thread. And the store's memory is made read-only while they run, so that a write which
 * leaves no trace is seen too: it ends the test by a signal. */
#include "store/store.h"
#include "support/await.h"
#include "support/criterion.h"
#include "support/process.h"
#include "support/team.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
/* Shadow memory changes with every call. */
#define CAN_COMPARE false
#else
#define CAN_COMPARE true
#endif

#define ENTRIES 2000
#define SATURATING 4 /* reads after which s3fifo's use count says all it can */
#define FIRST_OWN_SLOT 8

/* ---- A store with all kinds of keys ---- */

static memstore *store;

static size_t key_of(unsigned number, char key[64])
{
    /* 20 bytes take the quickest way, the others further ones. */
    static const char *const forms[] = {"key-%016u", "k%u", "a-key-that-is-too-long-for-it-%032u"};

    return (size_t)snprintf(key, 64, forms[number % 3], number);
}

static void open_store_of(const char *limit, const char *eviction)
{
    unsigned char value[300] = {7};

    store = test_open(eviction, limit, "maintenance=manual", NULL);
    for (unsigned i = 0; i < ENTRIES; i++) {
        char key[64];
        assert_ok(memstore_set(store, key, key_of(i, key), value, i % sizeof value,
                               i % 5 == 0 ? 3600 * 1000 : 0));
    }
}

static void open_store(const char *eviction)
{
    open_store_of("performance.memory_limit=4MiB", eviction);
}

/* ---- Reads ---- */

static void get_all(void)
{
    unsigned char value[300];
    size_t size;

    for (unsigned i = 0; i < ENTRIES; i++) {
        char key[64];
        CHECK_OK(memstore_get(store, key, key_of(i, key), value, sizeof value, &size));
    }
}

static void ask_for_all(void)
{
    int64_t ttl;

    for (unsigned i = 0; i < ENTRIES; i++) {
        char key[64];
        const size_t size = key_of(i, key);
        CHECK_OK(memstore_has(store, key, size));
        CHECK_STATUS(memstore_get_ttl(store, key, size, &ttl),
                     i % 5 == 0 ? MEMSTORE_OK : MEMSTORE_ERR_TTL_NOT_SET);
    }
}

static void miss(void)
{
    unsigned char value[8];
    size_t size;

    for (unsigned i = ENTRIES; i < 2 * ENTRIES; i++) {
        char key[64];
        const size_t key_size = key_of(i, key);
        CHECK_STATUS(memstore_get(store, key, key_size, value, sizeof value, &size),
                     MEMSTORE_ERR_KEY_NOT_FOUND);
        CHECK_STATUS(memstore_has(store, key, key_size), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

static void ask_for_many(void)
{
    char names[64][64];
    memstore_key keys[64];
    unsigned char there[64];
    size_t found;

    for (unsigned i = 0; i < 64; i++)
        keys[i] = (memstore_key){names[i], key_of(i, names[i])};
    CHECK_OK(memstore_has_many(store, keys, 64, there, &found));
    CHECK(found == 64);
}

static void scan(void)
{
    uint64_t count;

    CHECK_OK(memstore_count_by_pattern(store, "*9*", 3, &count));
    CHECK(count > 0);
}

static void read_everything(void)
{
    get_all();
    ask_for_all();
    miss();
    ask_for_many();
}

static void view_one(void)
{
    char key[64];
    memstore_view view;

    CHECK_OK(memstore_get_view(store, key, key_of(1, key), &view));
    memstore_view_release(&view);
}

/* By get_view, and 16 at a time by get_many. */
static void view_all(void)
{
    for (unsigned i = 0; i < ENTRIES; i += 16) {
        char names[16][64];
        memstore_key keys[16];
        memstore_view views[16];
        size_t found;

        for (unsigned k = 0; k < 16; k++) {
            keys[k] = (memstore_key){names[k], key_of(i + k, names[k])};
            CHECK_OK(memstore_get_view(store, keys[k].data, keys[k].size, &views[0]));
            memstore_view_release(&views[0]);
        }
        CHECK_OK(memstore_get_many(store, keys, 16, views, &found));
        CHECK(found == 16);
        memstore_view_release_many(views, 16);
    }
}

/* ---- A reader that reads when told to ---- */

static void (*reads)(void);
static sem_t may_read, has_read;
static struct ms_counter_stripe *own_stripe;
static const char *own_record; /* of read sections */
static pthread_t reader, holders[FIRST_OWN_SLOT];
static sem_t may_end, has_number;

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

static void *read_when_told(void *unused)
{
    (void)unused;
    bool exclusive;

    own_stripe = ms_counters_stripe(&store->counters, &exclusive);
    CHECK(exclusive);
    ms_reader_prepare();
    own_record = (const char *)ms_reader_current().record;
    for (;;) {
        await(&may_read);
        if (reads == NULL)
            return NULL;
        reads();
        sem_post(&has_read);
    }
}

static void let_read(void (*what)(void))
{
    reads = what;
    sem_post(&may_read);
    if (what != NULL)
        await(&has_read);
}

/* A thread that has a number, and so a stripe of counters close to the store. */
static void *hold_number(void *unused)
{
    (void)ms_thread_slot();
    sem_post(&has_number);
    await(&may_end);
    return unused;
}

/* The reader's stripe is in no page with the store itself. */
static void start_reader(void)
{
    sem_init(&may_read, 0, 0);
    sem_init(&has_read, 0, 0);
    sem_init(&may_end, 0, 0);
    sem_init(&has_number, 0, 0);
    for (unsigned i = 0; i < FIRST_OWN_SLOT; i++)
        cr_assert_eq(pthread_create(&holders[i], NULL, hold_number, NULL), 0);
    for (unsigned i = 0; i < FIRST_OWN_SLOT; i++)
        await(&has_number);
    cr_assert_eq(pthread_create(&reader, NULL, read_when_told, NULL), 0);
    /* It comes to have all that a thread gets with its first call, and to have read all often. */
    for (unsigned i = 0; i < SATURATING; i++)
        let_read(read_everything);
    let_read(scan);
}

static void stop_reader(void)
{
    let_read(NULL);
    pthread_join(reader, NULL);
    for (unsigned i = 0; i < FIRST_OWN_SLOT; i++)
        sem_post(&may_end);
    for (unsigned i = 0; i < FIRST_OWN_SLOT; i++)
        pthread_join(holders[i], NULL);
    memstore_destroy(store);
}

/* ---- Images of memory ---- */

struct mapping {
    char *from;
    size_t size;
    char *image;
};

#define MAPPINGS_MAX 400
#define LARGEST ((size_t)128 << 20) /* beyond it nothing but reserved addresses */

static struct mapping mappings[MAPPINGS_MAX];
static unsigned mapping_count;

static bool has(const struct mapping *mapping, const void *address)
{
    return (const char *)address >= mapping->from &&
           (const char *)address < mapping->from + mapping->size;
}

/* What can be written and is in use: the store's memory, heaps, data of the program and of all
 * libraries; but neither the stack of the reader, in whose mapping its thread-local variables are
 * too, nor that of the caller. */
static void list_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[512];
    pthread_attr_t attr;
    void *reader_stack;
    size_t stack_size;

    cr_assert(file != NULL && pthread_getattr_np(reader, &attr) == 0);
    pthread_attr_getstack(&attr, &reader_stack, &stack_size);
    pthread_attr_destroy(&attr);
    mapping_count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long from, to;
        char permissions[8];

        if (sscanf(line, "%lx-%lx %7s", &from, &to, permissions) != 3 || permissions[1] != 'w' ||
            to - from > LARGEST)
            continue;
        const struct mapping mapping = {(char *)from, to - from, NULL};
        if (has(&mapping, reader_stack) || has(&mapping, (char *)reader_stack + stack_size - 1) ||
            has(&mapping, &mapping))
            continue;
        cr_assert(mapping_count < MAPPINGS_MAX);
        mappings[mapping_count++] = mapping;
    }
    fclose(file);
}

static void take_images(void)
{
    /* What a thread does on its way to a semaphore is written too. */
    TEST_AWAIT(test_others_sleep());
    list_mappings();
    for (unsigned i = 0; i < mapping_count; i++) {
        mappings[i].image = mmap(NULL, mappings[i].size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(mappings[i].image, MAP_FAILED);
    }
    for (unsigned i = 0; i < mapping_count; i++)
        memcpy(mappings[i].image, mappings[i].from, mappings[i].size);
}

/* Where the system writes on which processor the calling thread runs; not every C library has it. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
#define RSEQ_SIZE 32

/* What may change: the reader's counters, its record of read sections, the processor that this
 * thread runs on, and what the two talk to each other by. */
static bool may_change(const char *byte)
{
    static const struct {
        const void *at;
        size_t size;
    } ours[] = {
        {&reads, sizeof reads},
        {&may_read, sizeof may_read},
        {&has_read, sizeof has_read},
        {mappings, sizeof mappings},
    };

    if (byte >= (const char *)own_stripe && byte < (const char *)(own_stripe + 1))
        return true;
    if (byte >= own_record && byte < own_record + MS_CACHE_LINE)
        return true;
    if (&__rseq_offset != NULL) {
        const char *rseq = (const char *)__builtin_thread_pointer() + __rseq_offset;
        if (byte >= rseq && byte < rseq + RSEQ_SIZE)
            return true;
    }
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (byte >= (const char *)ours[i].at && byte < (const char *)ours[i].at + ours[i].size)
            return true;
    }
    return false;
}

static bool has_changed(const struct mapping *mapping, size_t line)
{
    if (memcmp(mapping->from + line, mapping->image + line, MS_CACHE_LINE) == 0)
        return false;
    for (size_t at = line; at < line + MS_CACHE_LINE; at++) {
        if (mapping->from[at] != mapping->image[at] && !may_change(mapping->from + at))
            return true;
    }
    return false;
}

/* Lines that have changed and that the reader does not have for itself. */
static unsigned count_changed_lines(void)
{
    unsigned lines = 0;

    for (unsigned i = 0; i < mapping_count; i++) {
        const struct mapping *mapping = &mappings[i];

        for (size_t line = 0; line < mapping->size; line += MS_CACHE_LINE)
            lines += has_changed(mapping, line);
    }
    return lines;
}

static void drop_images(void)
{
    for (unsigned i = 0; i < mapping_count; i++)
        munmap(mappings[i].image, mappings[i].size);
}

static unsigned lines_changed_by(void (*what)(void))
{
    take_images();
    let_read(what);
    const unsigned changed = count_changed_lines();
    drop_images();
    return changed;
}

Test(scaling, reads_leave_all_memory_as_it_was_but_for_the_threads_own_counters,
     .disabled = !CAN_COMPARE)
{
    static const char *const evictions[] = {"eviction=s3fifo", "eviction=fifo", "eviction=none"};

    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        open_store(evictions[i]);
        start_reader();
        const uint64_t before = test_stats(store).hits;
        cr_assert_eq(lines_changed_by(get_all), 0, "%s: get", evictions[i]);
        cr_assert_eq(lines_changed_by(ask_for_all), 0, "%s: has, get_ttl", evictions[i]);
        cr_assert_eq(lines_changed_by(miss), 0, "%s: misses", evictions[i]);
        cr_assert_eq(lines_changed_by(ask_for_many), 0, "%s: has_many", evictions[i]);
        cr_assert_eq(test_stats(store).hits, before + ENTRIES, "they did read");
        stop_reader();
    }
}

/* The other side: what changes is seen. */
Test(scaling, an_entry_that_was_not_read_yet_is_marked_and_nothing_else, .disabled = !CAN_COMPARE)
{
    open_store("eviction=s3fifo");
    start_reader();
    /* As new, all of them. */
    assert_ok(memstore_clear(store));
    unsigned char value[300] = {7};
    for (unsigned i = 0; i < ENTRIES; i++) {
        char key[64];
        assert_ok(memstore_set(store, key, key_of(i, key), value, 200, 0));
    }
    for (unsigned i = 0; i < MS_ACCESS_COUNT_MAX; i++) {
        const unsigned changed = lines_changed_by(get_all);
        cr_assert(changed > ENTRIES * 9 / 10 && changed <= ENTRIES, "%u lines", changed);
    }
    cr_assert_eq(lines_changed_by(get_all), 0);
    stop_reader();
}

/* ---- Memory that cannot be written ---- */

static void protect(int protection)
{
    const struct ms_arena *arena = &store->arena;
    char *from = (char *)store - (uintptr_t)store % MS_PAGE_SIZE;
    char *to = store->block + store->block_bytes;

    cr_assert((char *)(own_stripe + 1) <= from, "the reader's counters lie in the store's page");
    cr_assert_eq(mprotect(from, (size_t)(to - from), protection), 0);
    cr_assert_eq(mprotect(arena->base, arena->reserved_bytes, protection), 0);
    cr_assert_eq(mprotect(arena->segments,
                          (arena->range_segments * sizeof(struct ms_segment) + MS_PAGE_SIZE - 1) &
                              ~(MS_PAGE_SIZE - 1),
                          protection),
                 0);
}

static void read_protected(void (*what)(void))
{
    protect(PROT_READ);
    let_read(what);
    protect(PROT_READ | PROT_WRITE);
}

Test(scaling, reads_need_no_more_than_to_read_the_stores_memory)
{
    static const char *const evictions[] = {"eviction=s3fifo", "eviction=fifo", "eviction=none"};

    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        open_store(evictions[i]);
        start_reader();
        read_protected(read_everything);
        read_protected(scan);
        stop_reader();
    }
}

/* Where they lie is the one part of the store that is not made read-only. */
Test(scaling, views_need_to_write_no_more_than_the_counts_of_their_thread)
{
    static const char *const evictions[] = {"eviction=s3fifo", "eviction=fifo", "eviction=none"};

    for (size_t i = 0; i < TEST_COUNT_OF(evictions); i++) {
        open_store_of("performance.memory_limit=64MiB", evictions[i]);
        start_reader();
        let_read(view_all);
        read_protected(view_all);
        stop_reader();
    }
}

/* Where there are no counts for a thread a view is known to its segment. */
Test(scaling, a_view_in_a_small_store_writes_its_segments_record, .signal = SIGSEGV,
     .disabled = !CAN_COMPARE)
{
    open_store("eviction=s3fifo");
    start_reader();
    read_protected(view_one);
}

Test(scaling, a_first_read_writes_the_entrys_mark, .signal = SIGSEGV, .disabled = !CAN_COMPARE)
{
    char key[64];

    open_store("eviction=s3fifo");
    start_reader();
    /* An overwritten entry would hand its count on. */
    assert_ok(memstore_delete(store, key, key_of(2, key)));
    assert_ok(memstore_set(store, key, key_of(2, key), "value", 5, 0));
    read_protected(get_all);
}

/* ---- Counts of a thread that begins in a full store ---- */

#define VIEWS 20000
#define LARGE_ENTRIES 40000 /* of 1000 bytes */

static atomic_uint pool_locks;
static unsigned last_key; /* that was written */

static void count_pool_locks(enum ms_testing_point point, void *unused)
{
    (void)unused;
    if (point == MS_POINT_POOL_LOCKED)
        atomic_fetch_add(&pool_locks, 1);
}

/* As many as there is room for. */
static void set_large(unsigned from, unsigned to)
{
    unsigned char value[1000] = {7};
    int status = MEMSTORE_OK;

    for (unsigned i = from; i < to && status == MEMSTORE_OK; i++) {
        char key[64];

        status = memstore_set(store, key, key_of(i, key), value, sizeof value, 0);
        if (status == MEMSTORE_OK)
            last_key = i;
        else
            assert_status(status, MEMSTORE_ERR_CACHE_FULL);
    }
}

/* Leaves nothing of the limit but what is kept free for writers: what is less than a segment may be more than
 * a thread's counts. */
static void open_full(const char *eviction)
{
    store = test_open(eviction, "performance.memory_limit=8MiB", "maintenance=manual", NULL);
    struct ms_budget *const budget = &store->arena.budget;

    set_large(0, LARGE_ENTRIES);
    const uint64_t left = ms_budget_limit(budget) - ms_budget_charged(budget);
    cr_assert(ms_budget_charge(budget, left, 0));
    /* As loads have it that others wait for. */
    ms_add_relaxed(&store->flights.charged, left);
}

/* Of the entry that was written last. */
static void view_often(void)
{
    char key[64];
    memstore_view view;
    const size_t size = key_of(last_key, key);

    for (unsigned i = 0; i < VIEWS; i++) {
        CHECK_OK(memstore_get_view(store, key, size, &view));
        memstore_view_release(&view);
    }
}

static struct ms_pin_row *own_pins(void)
{
    return ms_counters_own(&store->counters)->pins;
}

/* A thread asks for its counts seldom while it is refused them, and gets them when there is room. */
Test(scaling, views_in_a_full_store_hardly_ever_lock_anything)
{
    open_full("eviction=none");
    ms_testing_set_hook(count_pool_locks, NULL);
    view_often();
    ms_testing_set_hook(NULL, NULL);
    cr_expect_null(own_pins());
    cr_expect_leq(atomic_load(&pool_locks), VIEWS / 1000);

    assert_ok(memstore_clear(store));
    set_large(0, 1);
    view_often();
    cr_expect_not_null(own_pins());
    memstore_destroy(store);
}

/* Of what is kept free for writers, for which a segment is evicted at most. */
Test(scaling, a_thread_that_begins_in_a_full_store_gets_counts_of_its_own)
{
    open_full("eviction=s3fifo");
    assert_ok(memstore_maintain(store, 0));
    const uint64_t entries = memstore_size(store);

    view_often();
    cr_expect_not_null(own_pins());
    assert_ok(memstore_maintain(store, 0));
    cr_expect_geq(memstore_size(store) + ms_arena_segment_size(&store->arena) / 1000, entries);
    memstore_destroy(store);
}

Test(scaling, a_thread_gets_counts_of_its_own_when_writers_free_a_segment)
{
    open_full("eviction=s3fifo");
    view_often();
    cr_expect_null(own_pins());
    set_large(LARGE_ENTRIES, LARGE_ENTRIES + 100);
    view_often();
    cr_expect_not_null(own_pins());
    memstore_destroy(store);
}

/* ---- Making room ---- */

#define LARGE_VALUE 40000

static unsigned times_reached[MS_POINT_COUNT];
static uint64_t most_in_limbo; /* bytes, when a segment was being emptied */

static void watch_reclaiming(enum ms_testing_point point, void *unused)
{
    (void)unused;
    times_reached[point]++;
    if (point == MS_POINT_RECLAIMING && store->arena.limbo_bytes > most_in_limbo)
        most_in_limbo = store->arena.limbo_bytes;
}

static memstore *full_of_large_entries(void)
{
    memstore *full =
        test_open("eviction=s3fifo", "performance.memory_limit=32MiB", "maintenance=manual", NULL);
    static unsigned char value[LARGE_VALUE];

    for (uint64_t i = 0; i < 2 * (UINT64_C(32) << 20) / LARGE_VALUE; i++)
        assert_ok(memstore_set(full, &i, sizeof i, value, sizeof value, 0));
    return full;
}

/* It would take the longer the more there are. */
Test(scaling, room_is_made_without_looking_at_all_segments_where_nothing_is_dead)
{
    static unsigned char value[LARGE_VALUE];

    store = full_of_large_entries();
    ms_testing_set_hook(watch_reclaiming, NULL);
    for (uint64_t i = 1u << 20; i < (1u << 20) + 100; i++)
        CHECK_OK(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
    CHECK_OK(memstore_maintain(store, 0));
    ms_testing_set_hook(NULL, NULL);
    cr_expect_geq(times_reached[MS_POINT_RECLAIMING], 100);
    cr_expect_eq(times_reached[MS_POINT_SEGMENTS_SEEN], 0);
    memstore_destroy(store);
}

Test(scaling, one_grace_period_serves_for_all_that_is_evicted_ahead)
{
    store = full_of_large_entries();
    ms_testing_set_hook(watch_reclaiming, NULL);
    CHECK_OK(memstore_maintain(store, 0));
    ms_testing_set_hook(NULL, NULL);
    cr_expect_geq(times_reached[MS_POINT_RECLAIMING], 3);
    cr_expect_geq(most_in_limbo, 2 * LARGE_VALUE, "%llu", (unsigned long long)most_in_limbo);
    memstore_destroy(store);
}

/* ---- Threads have counters of their own ---- */

#define THREADS 126

static atomic_uint ready;
static atomic_uint shared_stripes;

static void count_alone(unsigned number, void *context)
{
    char key[64];
    bool exclusive;

    (void)number;
    (void)context;
    CHECK_OK(memstore_has(store, key, key_of(1, key)));
    (void)ms_counters_stripe(&store->counters, &exclusive);
    if (!exclusive || !ms_reader_is_prepared(ms_reader_current()))
        atomic_fetch_add(&shared_stripes, 1);
    atomic_fetch_add(&ready, 1);
    while (test_team_goes_on())
        test_sleep_ms(1);
}

static bool all_are_ready(void)
{
    return atomic_load(&ready) == THREADS;
}

Test(scaling, a_hundred_and_twenty_six_threads_share_no_counters_from_4_mib_on)
{
    struct test_team team = {0};

    store = test_open("performance.memory_limit=4MiB", "maintenance=manual", NULL);
    char key[64];
    assert_ok(memstore_set(store, key, key_of(1, key), "value", 5, 0));
    test_team_start(&team, THREADS, count_alone, NULL);
    test_team_finish_when(&team, 0, all_are_ready);
    cr_assert_eq(atomic_load(&ready), THREADS);
    cr_assert_eq(atomic_load(&shared_stripes), 0);
    memstore_destroy(store);
}

/* ---- Which fields share a line ---- */

#define LINE_OF(type, member) (offsetof(type, member) / MS_CACHE_LINE)
#define LAST_LINE_OF(type, member)                                                                 \
    ((offsetof(type, member) + sizeof(((type *)0)->member) - 1) / MS_CACHE_LINE)
/* What lies in [first, last] shares no line with `other`. */
#define APART(type, first, last, other)                                                            \
    _Static_assert(LAST_LINE_OF(type, last) < LINE_OF(type, other) ||                              \
                       LAST_LINE_OF(type, other) < LINE_OF(type, first),                           \
                   #first " to " #last " share a line with " #other)

/* What every read loads: written by opening and closing alone. */
_Static_assert(offsetof(memstore, hot) == 0, "the store begins with what every read loads");
APART(memstore, hot, tick_mask, index.table_bytes);
APART(memstore, index.tables, index.shards, index.table_bytes);
APART(memstore, hot, index.shards, arena.budget);
APART(memstore, arena.base, arena.segment_shift, index.table_bytes);
APART(memstore, arena.base, arena.segment_shift, arena.budget);
APART(memstore, arena.base, arena.segment_shift, arena.pages);
APART(memstore, arena.base, arena.segment_shift, arena.rank_clock);
APART(memstore, arena.base, arena.segment_shift, arena.pool_lock);
/* Of reads that are not the usual ones. */
APART(memstore, counters.stripes, counters.exclusive, counters.reset_lock);
APART(memstore, counters.stripes, counters.exclusive, counters.baseline);
APART(memstore, counters.stripes, counters.exclusive, arena.waiting);
/* Of reads that stamp: the LRU policy. */
APART(memstore, eviction.stamp, eviction.next_epoch, settings_lock);
APART(memstore, eviction.stamp, eviction.next_epoch, eviction.ghost);
APART(memstore, eviction.stamp, eviction.next_epoch, eviction.epoch_length);
/* Of get_many. */
APART(memstore, batches_begun, batches_done, due);
APART(memstore, batches_begun, batches_done, reclaim_lock);
/* Of views of what expires. */
APART(memstore, unix_offset, unix_offset_read, retired_spare);
APART(memstore, unix_offset, unix_offset_read, reclaim_lock);
APART(memstore, unix_offset, unix_offset_read, admission);
/* Of writers that queue nothing. */
APART(memstore, combiner.pending, combiner.filter, combiner.apply_lock);
APART(memstore, combiner.pending, combiner.filter, admission);

/* A segment: what readers of what expires load, against what every write and view changes. */
APART(struct ms_segment, base, newer, pins);
APART(struct ms_segment, base, newer, claimed);
APART(struct ms_segment, base, newer, settled);
APART(struct ms_segment, base, newer, gone);
APART(struct ms_segment, base, newer, used);
APART(struct ms_segment, base, newer, earliest);
_Static_assert(sizeof(struct ms_segment) % (2 * MS_CACHE_LINE) == 0, "segments share no line");

/* Counters of two threads, and a shard's lock and count, are in lines of their own. */
_Static_assert(sizeof(struct ms_counter_stripe) % (2 * MS_CACHE_LINE) == 0 &&
                   _Alignof(struct ms_counter_stripe) == 2 * MS_CACHE_LINE,
               "stripes share no line, nor a pair of lines");
_Static_assert(sizeof(struct ms_shard) % MS_CACHE_LINE == 0, "shards share no line");
_Static_assert(sizeof(struct ms_open_slot) % MS_CACHE_LINE == 0, "open slots share no line");
_Static_assert(sizeof(struct ms_bucket) == MS_CACHE_LINE, "a bucket is a line");

Test(scaling, the_store_begins_at_a_line_in_memory)
{
    open_store("eviction=s3fifo");
    cr_assert_eq((uintptr_t)store % (2 * MS_CACHE_LINE), 0);
    cr_assert_eq((uintptr_t)store->arena.segments % (2 * MS_CACHE_LINE), 0);
    cr_assert_eq((uintptr_t)store->index.shards % MS_CACHE_LINE, 0);
    memstore_destroy(store);
}
