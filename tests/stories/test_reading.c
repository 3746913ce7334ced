/* SPDX-License-Identifier: Apache-2.0 */
/* What a read gives: what was written, under that very key, for as long as it is looked at. */
#include "support/clock.h"
#include "support/criterion.h"

#include "platform/processor.h"
#include "store/read/read.h"
#include "store/store.h"

#include <stdlib.h>

Test(reading, a_set_is_seen_by_the_next_get)
{
    static const char *const evictions[] = {"eviction=adaptive", "eviction=s3fifo", "eviction=lru",
                                            "eviction=lfu", "eviction=fifo"};

    for (unsigned e = 0; e < TEST_COUNT_OF(evictions); e++) {
        memstore *store = test_open(evictions[e], "performance.memory_limit=1MiB", NULL);
        unsigned char value[300] = {0}, copy[300];

        /* Ten times what fits: whatever goes, it is never what was stored a moment ago. */
        for (uint64_t key = 0; key < 30000; key++) {
            size_t size;
            memcpy(value, &key, sizeof key);
            assert_ok(memstore_set(store, &key, sizeof key, value, sizeof value, 0));
            assert_ok(memstore_get(store, &key, sizeof key, copy, sizeof copy, &size));
            cr_assert_eq(memcmp(value, copy, sizeof copy), 0);
        }
        memstore_destroy(store);
    }
}

Test(reading, an_empty_value_is_a_hit)
{
    memstore *store = test_open_defaults();
    memstore_view view;
    size_t size = 9;

    assert_ok(memstore_set(store, "empty", 5, NULL, 0, 0));
    assert_ok(memstore_get(store, "empty", 5, NULL, 0, &size));
    cr_assert_eq(size, 0);
    assert_ok(memstore_get_view(store, "empty", 5, &view));
    cr_assert(view.data != NULL && view.size == 0 && view.version != 0);
    memstore_view_release(&view);
    cr_assert_eq(test_stats(store).hits, 2);
    memstore_destroy(store);
}

Test(reading, a_key_may_hold_any_bytes)
{
    memstore *store = test_open_defaults();

    assert_ok(memstore_set(store, "a\0b", 3, "1", 1, 0));
    assert_ok(memstore_set(store, "a\0c", 3, "2", 1, 0));
    assert_ok(memstore_set(store, "a", 1, "3", 1, 0));
    assert_ok(memstore_set(store, "\0", 1, "4", 1, 0));
    assert_ok(memstore_set(store, "\0\0", 2, "5", 1, 0));
    cr_assert_eq(memstore_size(store), 5);
    assert_ok(memstore_delete(store, "a\0b", 3));
    assert_status(memstore_has(store, "a\0b", 3), MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_has(store, "a\0c", 3));
    assert_holds(store, "a", "3");
    memstore_destroy(store);
}

Test(reading, long_keys_work)
{
    memstore *store = test_open("performance.memory_limit=64MiB", NULL);
    unsigned char *key = test_bytes(1 << 20, 11);
    static const size_t sizes[] = {254, 255, 256, 257, 65533, 65534, 65535, 65536, 65537, 1 << 20};

    for (unsigned i = 0; i < TEST_COUNT_OF(sizes); i++)
        assert_ok(
            memstore_set(store, key, sizes[i], &sizes[i], sizeof sizes[i], i % 2 == 0 ? 0 : 60000));
    cr_assert_eq(memstore_size(store), TEST_COUNT_OF(sizes));
    for (unsigned i = 0; i < TEST_COUNT_OF(sizes); i++) {
        size_t value, size;
        assert_ok(memstore_get(store, key, sizes[i], &value, sizeof value, &size));
        cr_assert_eq(value, sizes[i]);
    }
    free(key);
    memstore_destroy(store);
}

Test(reading, sizes_around_every_boundary_come_back_whole)
{
    memstore *store =
        test_open("performance.memory_limit=64MiB", "ttl.store_creation_time=true", NULL);
    unsigned char *value = test_bytes(1 << 21, 12);

    for (size_t bits = 0; bits <= 21; bits++) {
        for (size_t size = ((size_t)1 << bits) - (bits > 0);
             size <= ((size_t)1 << bits) + (bits < 21); size++) {
            memstore_view view;
            assert_ok(memstore_set(store, "key", 3, value, size, 0));
            assert_ok(memstore_get_view(store, "key", 3, &view));
            cr_assert(view.size == size && memcmp(view.data, value, size) == 0, "%zu bytes", size);
            memstore_view_release(&view);
        }
    }
    free(value);
    memstore_destroy(store);
}

/* Many keys in one shard: 16-bit tags collide by the thousand, and each key still has its own
 * value. */
static void check_own_values(const char *hash)
{
    memstore *store = test_open(hash, "shards=1", "performance.memory_limit=128MiB", NULL);

    for (uint64_t key = 0; key < 100000; key++)
        assert_ok(memstore_set(store, &key, sizeof key, &key, sizeof key, 0));
    for (uint64_t key = 0; key < 100000; key++) {
        uint64_t value;
        size_t size;
        assert_ok(memstore_get(store, &key, sizeof key, &value, sizeof value, &size));
        cr_assert_eq(value, key);
        const uint64_t absent = key + 1000000000;
        assert_status(memstore_has(store, &absent, sizeof absent), MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    cr_assert_eq(memstore_size(store), 100000);
    memstore_destroy(store);
}

Test(reading, colliding_keys_keep_their_own_values)
{
    check_own_values("hash_function=crc32");
    check_own_values("hash_function=fnv");
    check_own_values("hash_function=xxh3");
}

/* A CRC is linear: keys that differ by a multiple of its generator polynomial have the same
 * checksum, whatever the seed. */
Test(reading, keys_of_equal_checksum_keep_their_own_values)
{
    static const unsigned char differences[2][5] = {{0x41, 0x06, 0x71, 0xdb, 0x01},  /* CRC-32 */
                                                    {0xf1, 0x76, 0xec, 0x05, 0x01}}; /* CRC-32C */
    memstore *store = test_open("hash_function=crc32", "shards=1", NULL);

    for (unsigned i = 0; i < 256; i++) {
        unsigned char keys[3][5];

        memset(keys, (int)i, sizeof keys);
        for (unsigned b = 0; b < 5; b++) {
            keys[1][b] ^= differences[0][b];
            keys[2][b] ^= differences[1][b];
        }
        for (unsigned k = 0; k < 3; k++)
            assert_ok(memstore_set(store, keys[k], 5, &k, sizeof k, 0));
        for (unsigned k = 0; k < 3; k++) {
            unsigned value;
            assert_ok(memstore_get(store, keys[k], 5, &value, sizeof value, NULL));
            cr_assert_eq(value, k);
        }
    }
    memstore_destroy(store);
}

Test(reading, no_key_collides_with_bookkeeping)
{
    memstore *store = test_open("ttl.store_creation_time=true", NULL);
    static const char *const names[] = {
        "__ttl__",  "ttl:key", "key:ttl", "key_ttl", "key:expiration", "__meta__", "key",
        "\xff",     "_",       "__",      "created", "key:created",    "stats",    "*",
        "memstore", "0",       "-1",      "key\n",   "[a-z]",          "\\"};

    for (unsigned i = 0; i < TEST_COUNT_OF(names); i++)
        assert_ok(test_set(store, names[i], names[i], 60000));
    cr_assert_eq(memstore_size(store), TEST_COUNT_OF(names));
    assert_ok(test_delete(store, "key"));
    for (unsigned i = 0; i < TEST_COUNT_OF(names); i++)
        assert_holds(store, names[i], strcmp(names[i], "key") == 0 ? NULL : names[i]);
    memstore_destroy(store);
}

/* ---- Views ---- */

Test(reading, a_view_outlives_everything_that_happens_to_its_entry)
{
    memstore *store = test_open("performance.memory_limit=2MiB", NULL);
    unsigned char *bytes = test_bytes(5000, 13), *noise = test_bytes(5000, 14);
    memstore_view view;

    assert_ok(memstore_set(store, "key", 3, bytes, 5000, 0));
    assert_ok(memstore_get_view(store, "key", 3, &view));
    assert_ok(memstore_set(store, "key", 3, noise, 5000, 0));
    cr_assert_eq(memcmp(view.data, bytes, 5000), 0, "overwritten");
    assert_ok(test_delete(store, "key"));
    for (uint64_t i = 0; i < 5000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, noise, 5000, 0));
    cr_assert_eq(memcmp(view.data, bytes, 5000), 0, "evicted around");
    (void)memstore_compact(store, 0);
    assert_ok(memstore_clear(store));
    for (uint64_t i = 0; i < 500; i++)
        assert_ok(memstore_set(store, &i, sizeof i, noise, 5000, 0));
    cr_assert_eq(memcmp(view.data, bytes, 5000), 0, "cleared");
    assert_ok(memstore_close(store));
    cr_assert_eq(memcmp(view.data, bytes, 5000), 0, "closed");
    memstore_view_release(&view);
    memstore_destroy(store);
    free(bytes);
    free(noise);
}

Test(reading, a_view_outlives_the_expiry_of_its_entry)
{
    test_clock_start();
    memstore *store = test_open("maintenance=manual", NULL);
    memstore_view view;

    assert_ok(test_set(store, "key", "value", 100));
    assert_ok(memstore_get_view(store, "key", 3, &view));
    test_clock_advance(101);
    assert_ok(memstore_maintain(store, 0));
    assert_holds(store, "key", NULL);
    cr_assert_eq(memcmp(view.data, "value", 5), 0);
    memstore_view_release(&view);
    memstore_destroy(store);
}

Test(reading, releasing_a_view_twice_or_a_zeroed_one_does_nothing)
{
    memstore *store = test_open_defaults();
    memstore_view views[3] = {{0}};

    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_get_view(store, "key", 3, &views[1]));
    memstore_view_release_many(views, 3);
    memstore_view_release(&views[1]);
    memstore_view_release(&views[0]);
    memstore_view_release(NULL);
    cr_assert(views[1].data == NULL && views[1].pin == NULL && views[1].version == 0);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(test_memory(store).pinned, 0);
    memstore_destroy(store);
}

Test(reading, a_view_points_to_the_stores_own_bytes)
{
    memstore *store = test_open_defaults();
    memstore_view one, two;

    assert_ok(test_set(store, "key", "value", 0));
    assert_ok(memstore_get_view(store, "key", 3, &one));
    assert_ok(memstore_get_view(store, "key", 3, &two));
    cr_assert_eq(one.data, two.data);
    cr_assert_eq(one.version, two.version);
    cr_assert(test_memory(store).pinned > 0);
    memstore_view_release(&one);
    memstore_view_release(&two);
    memstore_destroy(store);
}

Test(reading, a_buffer_that_is_too_small_gets_the_size_and_no_bytes)
{
    memstore *store = test_open_defaults();
    char buffer[4] = "....";
    size_t size = 0;

    assert_ok(test_set(store, "key", "value", 0));
    assert_status(memstore_get(store, "key", 3, buffer, 4, &size), MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert_eq(size, 5);
    cr_assert_eq(memcmp(buffer, "....", 4), 0);
    assert_status(memstore_get(store, "key", 3, NULL, 0, &size), MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert_eq(size, 5);
    memstore_destroy(store);
}

struct sum {
    memstore *store;
    unsigned calls, found;
    uint64_t bytes;
};

/* Everything the store offers may be called from here. */
static void sum_values(const memstore_view *views, size_t n, void *context)
{
    struct sum *sum = context;

    sum->calls++;
    CHECK_OK(memstore_clear(sum->store));
    for (size_t i = 0; i < n; i++) {
        if (views[i].data == NULL)
            continue;
        CHECK(views[i].version != 0 && *(const char *)views[i].data == 'v');
        sum->found++;
        sum->bytes += views[i].size;
    }
}

Test(reading, read_many_shows_values_in_place_and_holds_none_after_it)
{
    memstore *store = test_open("maintenance=manual", NULL);
    char names[200][8];
    memstore_key keys[200];
    static const size_t counts[] = {0, 1, 32, 33, 200};

    for (unsigned i = 0; i < TEST_COUNT_OF(counts); i++) {
        const size_t n = counts[i];
        struct sum sum = {.store = store};

        for (unsigned k = 0; k < n; k++) {
            snprintf(names[k], sizeof names[k], "k%u", k);
            keys[k] = test_key(names[k]);
            if (k % 3 != 2)
                assert_ok(test_set(store, names[k], "value", 0));
        }
        assert_ok(memstore_read_many(store, keys, n, sum_values, &sum));
        cr_assert_eq(sum.calls, 1);
        cr_assert(sum.found == n - n / 3 && sum.bytes == 5 * (n - n / 3));
        cr_assert_eq(test_memory(store).pinned, 0);
    }
    cr_assert(test_stats(store).hits == 1 + 22 + 22 + 134 &&
              test_stats(store).misses == 10 + 11 + 66);
    memstore_destroy(store);
}

/* ---- Every way to read ---- */

static const size_t key_sizes[] = {1, 7, 8, 16, 17, 20, 31, 32, 33, 255, 256, 300};
static const size_t value_sizes[] = {0,  1,   15,  16,  31,    32,    33,    64,
                                     65, 100, 128, 129, 65532, 65533, 65534, 70000};
/* Bytes that a buffer has beside the value. */
static const size_t spare_sizes[] = {0, 1, 200};
#define SPARES TEST_COUNT_OF(spare_sizes)
#define KEYS TEST_COUNT_OF(key_sizes)

static void name_keys(memstore_key keys[KEYS], const unsigned char *bytes)
{
    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = (memstore_key){bytes, key_sizes[i]};
}

static void fill(memstore *store, const unsigned char *bytes, size_t value_size)
{
    for (unsigned i = 0; i < KEYS; i++)
        assert_ok(memstore_set(store, bytes, key_sizes[i], bytes + i, value_size,
                               i % 3 == 2 ? 3600000 : 0));
}

static bool is_view(const memstore_view *view, const unsigned char *value, size_t size, bool ends)
{
    return view->size == size && (size == 0 || memcmp(view->data, value, size) == 0) &&
           view->version != 0 && (view->expires_at_ms != 0) == ends;
}

/* A get writes the value to the buffer and nothing behind it, however large the buffer is. */
static void expect_got(memstore *store, memstore_key key, const unsigned char *value,
                       size_t value_size)
{
    static unsigned char copy[70000 + 200];

    for (unsigned i = 0; i < SPARES; i++) {
        size_t size;

        memset(copy, 0x5a, value_size + spare_sizes[SPARES - 1]);
        assert_ok(
            memstore_get(store, key.data, key.size, copy, value_size + spare_sizes[i], &size));
        cr_assert(size == value_size && memcmp(copy, value, size) == 0, "%zu, %zu bytes", key.size,
                  value_size);
        for (size_t behind = size; behind < size + spare_sizes[SPARES - 1]; behind++)
            cr_assert_eq(copy[behind], 0x5a, "%zu bytes and one at %zu", size, behind);
    }
}

/* The entries of fill(), by get(), get_view(), get_many() and has_many(). */
static void expect_filled(memstore *store, const unsigned char *bytes, size_t value_size)
{
    memstore_view views[KEYS], view;
    unsigned char there[KEYS];
    memstore_key keys[KEYS];
    size_t found;

    name_keys(keys, bytes);
    assert_ok(memstore_get_many(store, keys, KEYS, views, &found));
    cr_assert_eq(found, KEYS);
    assert_ok(memstore_has_many(store, keys, KEYS, there, &found));
    cr_assert_eq(found, KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        cr_assert(is_view(&views[i], bytes + i, value_size, i % 3 == 2), "%zu, %zu bytes",
                  key_sizes[i], value_size);
        expect_got(store, keys[i], bytes + i, value_size);
        assert_ok(memstore_get_view(store, bytes, key_sizes[i], &view));
        cr_assert(is_view(&view, bytes + i, value_size, i % 3 == 2));
        cr_assert(view.data == views[i].data && view.version == views[i].version && there[i] == 1);
        memstore_view_release(&view);
    }
    cr_assert_gt(test_memory(store).pinned, 0);
    memstore_view_release_many(views, KEYS);
    cr_assert_eq(test_memory(store).pinned, 0);
}

static void expect_nothing(memstore *store, const unsigned char *bytes)
{
    memstore_view views[KEYS], view;
    memstore_key keys[KEYS];
    size_t found;

    name_keys(keys, bytes);
    assert_ok(memstore_get_many(store, keys, KEYS, views, &found));
    cr_assert_eq(found, 0);
    for (unsigned i = 0; i < KEYS; i++) {
        cr_assert(views[i].data == NULL && views[i].pin == NULL);
        assert_status(memstore_get_view(store, bytes, key_sizes[i], &view),
                      MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

Test(reading, every_way_to_read_tells_the_same_of_every_size_in_every_kind_of_store)
{
    static const char *const kinds[] = {"eviction=adaptive",
                                        "eviction=lru",
                                        "eviction=lfu",
                                        "hash_function=crc32",
                                        "ttl.mode=access",
                                        "ttl.store_creation_time=true",
                                        "shards=1",
                                        "monitoring.track_operation_latency=true",
                                        "monitoring.access_sample_ratio=1"};
    unsigned char *bytes = test_bytes(70000 + KEYS, 13);

    test_clock_start();
    for (unsigned k = 0; k < TEST_COUNT_OF(kinds); k++) {
        for (unsigned small = 0; small < 2; small++) {
            memstore *store = test_open(
                kinds[k], "maintenance=manual",
                small ? "performance.memory_limit=3MiB" : "performance.memory_limit=64MiB", NULL);

            expect_nothing(store, bytes);
            for (unsigned v = 0; v < TEST_COUNT_OF(value_sizes); v++) {
                fill(store, bytes, value_sizes[v]);
                expect_filled(store, bytes, value_sizes[v]);
            }
            const uint64_t reads = test_stats(store).hits + test_stats(store).misses;
            cr_assert_eq(test_stats(store).hits, (2 + SPARES) * KEYS * TEST_COUNT_OF(value_sizes));
            cr_assert_eq(reads, test_stats(store).hits + 2 * KEYS);
            assert_ok(memstore_clear(store));
            expect_nothing(store, bytes);
            memstore_destroy(store);
        }
    }
    free(bytes);
}

/* ---- For each kind of processor ---- */

#define GUARD 0xee

static bool is_untouched(const unsigned char *bytes, size_t from, size_t to)
{
    while (from < to && bytes[from] == GUARD)
        from++;
    return from == to;
}

static void expect_every_cap(ms_get_fn get, memstore *store, const memstore_key *key,
                             const unsigned char *value, size_t value_size)
{
    unsigned char copy[400];

    for (size_t cap = value_size == 0 ? 0 : value_size - 1; cap <= value_size + 1; cap++) {
        size_t size = 0;

        memset(copy, GUARD, sizeof copy);
        const int status = get(store, key->data, key->size, copy, cap, &size);
        cr_assert_eq(status, cap < value_size ? MEMSTORE_ERR_BUFFER_TOO_SMALL : MEMSTORE_OK);
        cr_assert_eq(size, value_size);
        cr_assert(is_untouched(copy, cap < value_size ? 0 : value_size, sizeof copy),
                  "a value of %zu bytes writes no others", value_size);
        if (cap >= value_size)
            cr_assert_eq(memcmp(copy, value, value_size), 0, "%zu bytes", value_size);
    }
}

/* Read more than is followed above a small ratio, so that a store with one follows nothing for a while. */
static void use_up_what_is_followed(memstore *store)
{
    assert_ok(memstore_set(store, "key", 3, "value", 5, 0));
    for (int i = 0; i < 100000; i++)
        assert_ok(memstore_get(store, "key", 3, (char[8]){0}, 8, NULL));
}

static void read_everything_by(ms_get_fn get, const char *followed)
{
    memstore *store =
        test_open("performance.memory_limit=8MiB", "maintenance=manual", followed, NULL);
    unsigned char *bytes = test_bytes(400, 29);
    unsigned char copy[400];
    size_t size;

    test_clock_start();
    use_up_what_is_followed(store);
    const memstore_stats before = test_stats(store);
    for (size_t key_size = 1; key_size <= 40; key_size++) {
        const memstore_key key = {bytes, key_size};

        for (size_t value_size = 0; value_size <= 300; value_size++) {
            assert_ok(memstore_set(store, bytes, key_size, bytes + 100, value_size, 0));
            expect_every_cap(get, store, &key, bytes + 100, value_size);
        }
        assert_ok(memstore_set(store, bytes, key_size, bytes, 100, 1000));
        expect_every_cap(get, store, &key, bytes, 100);
        test_clock_advance(1000);
        assert_status(get(store, bytes, key_size, copy, sizeof copy, &size),
                      MEMSTORE_ERR_KEY_NOT_FOUND);
    }
    /* A value that does not fit is neither. */
    cr_assert_eq(test_stats(store).hits - before.hits, 40 * 302 * 2);
    cr_assert_eq(test_stats(store).misses - before.misses, 40);
    assert_ok(memstore_close(store));
    assert_status(get(store, bytes, 20, copy, sizeof copy, NULL), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
    free(bytes);
}

static void read_everything_in_all_stores_by(ms_get_fn get)
{
    read_everything_by(get, "monitoring.access_sample_ratio=0");
    read_everything_by(get, "monitoring.access_sample_ratio=1");
    read_everything_by(get, "monitoring.access_sample_ratio=0.000001");
}

Test(reading, a_get_copies_a_value_of_any_size_and_no_byte_more)
{
    read_everything_in_all_stores_by(ms_store_get);
    read_everything_in_all_stores_by(ms_store_get_following);
}

static ms_get_fn get_of(const char *setting)
{
    memstore *store = test_open("maintenance=manual", setting, NULL);
    const ms_get_fn get = ms_load_relaxed(&store->get);

    memstore_destroy(store);
    return get;
}

Test(reading, on_processors_with_avx2_too)
{
    ms_get_fn any = ms_store_get, following = ms_store_get_following;

#if MS_HAVE_AVX2_BUILD
    if (ms_processor_has_avx2()) {
        any = ms_store_get_avx2;
        following = ms_store_get_following_avx2;
        read_everything_in_all_stores_by(any);
        read_everything_in_all_stores_by(following);
    }
#endif
    cr_assert(get_of("monitoring.access_sample_ratio=0") == any, "what is fit is used");
    cr_assert(get_of("monitoring.access_sample_ratio=1") == following, "what is fit is used");
}
