/* SPDX-License-Identifier: Apache-2.0 */
/* Advice on eviction, keys and sizes, in a store whose use deserves it and in one whose use does not; and as reports. */
#include "store/store.h"
#include "stories/advice.h"
#include "support/criterion.h"

#include <stdlib.h>

/* ---- Eviction ---- */

/* What is used again and again, beside a scan that nobody comes back to. */
static void use_beside_a_scan(memstore *store, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        use_account(store, (uint64_t)i % 3000, 100, 0);
        use_account(store, 1000000 + 2 * (uint64_t)i, 100, 0);
        use_account(store, 1000001 + 2 * (uint64_t)i, 100, 0);
    }
}

Test(advice, another_policy_is_advised_where_it_would_save_misses)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    struct heard heard;

    use_beside_a_scan(store, 40000);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_EVICTION, "eviction");
    cr_assert_str_eq(heard.current[i], "lru");
    cr_assert_str_eq(heard.suggested[i], "adaptive");
    memstore_destroy(store);
}

Test(advice, no_other_policy_is_advised_where_none_is_better)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=s3fifo", FOLLOWED, NULL);

    use_beside_a_scan(store, 40000);
    assert_not_advised(store, MEMSTORE_ADVICE_EVICTION);
    assert_not_advised(store, MEMSTORE_ADVICE_READ_ONCE);
    memstore_destroy(store);
}

/* Round and round, three times as many as fit. */
static void use_in_a_loop(memstore *store, int rounds)
{
    for (int i = 0; i < 15000 * rounds; i++)
        use_account(store, (uint64_t)i % 15000, 100, 0);
}

static memstore *open_under(const char *policy)
{
    char setting[32];

    snprintf(setting, sizeof setting, "eviction=%s", policy);
    return test_open("performance.memory_limit=1MB", "shards=4", setting, FOLLOWED, NULL);
}

Test(advice, adaptive_is_advised_where_it_alone_finds_something)
{
    static const char *const others[] = {"lru", "fifo", "s3fifo", "lfu"};

    for (size_t i = 0; i < TEST_COUNT_OF(others); i++) {
        memstore *store = open_under(others[i]);
        struct heard heard;

        use_in_a_loop(store, 10);
        const int at = assert_advised(store, &heard, MEMSTORE_ADVICE_EVICTION, "eviction");
        cr_assert_str_eq(heard.current[at], others[i]);
        cr_assert_str_eq(heard.suggested[at], "adaptive");
        cr_assert(strstr(heard.evidence[at], ", adaptive ") != NULL, "%s", heard.evidence[at]);
        /* What is not simulated was seen. */
        cr_assert_eq(strstr(heard.evidence[at], "; lfu misses ") != NULL,
                     strcmp(others[i], "lfu") == 0, "%s", heard.evidence[at]);
        memstore_destroy(store);
    }
}

Test(advice, adaptive_is_not_advised_where_it_is_there_or_finds_no_more)
{
    memstore *store = open_under("adaptive");

    use_in_a_loop(store, 10);
    assert_not_advised(store, MEMSTORE_ADVICE_EVICTION);
    memstore_destroy(store);

    static const char *const others[] = {"lru", "fifo", "s3fifo", "lfu"};
    for (size_t i = 0; i < TEST_COUNT_OF(others); i++) {
        store = open_under(others[i]);
        /* Nothing comes back, whatever is kept. */
        for (uint64_t key = 0; key < 60000; key++)
            use_account(store, key, 100, 0);
        assert_not_advised(store, MEMSTORE_ADVICE_EVICTION);
        memstore_destroy(store);
    }
}

Test(advice, keys_read_once_are_told_where_the_policy_keeps_them)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=fifo", FOLLOWED, NULL);
    struct heard heard;

    use_beside_a_scan(store, 20000);
    assert_advised(store, &heard, MEMSTORE_ADVICE_READ_ONCE, "eviction");
    memstore_destroy(store);
}

Test(advice, keys_read_once_are_not_told_where_there_are_few)
{
    memstore *store =
        test_open("performance.memory_limit=1MB", "shards=4", "eviction=fifo", FOLLOWED, NULL);

    use_accounts_at_random(store, 8000, 100000);
    assert_not_advised(store, MEMSTORE_ADVICE_READ_ONCE);
    memstore_destroy(store);
}

/* ---- Keys, sizes, shards, refusals ---- */

Test(advice, hot_keys_are_told_where_few_get_much_of_the_reads)
{
    memstore *store = test_open(FOLLOWED, NULL);
    struct test_rng rng = {1};
    struct heard heard;

    for (int i = 0; i < 20000; i++)
        use_account(store, test_one_in(&rng, 3) ? 7 : test_below(&rng, 5000) + 100, 100, 0);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_HOT_KEYS, "");
    cr_assert(strstr(heard.evidence[i], "1 key gets 3") != NULL, "%s", heard.evidence[i]);
    memstore_destroy(store);
}

Test(advice, hot_keys_are_not_told_where_all_are_alike)
{
    memstore *store = test_open(FOLLOWED, NULL);

    for (uint64_t i = 0; i < 20000; i++)
        use_account(store, i * 7919 % 5000, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_HOT_KEYS);
    memstore_destroy(store);
}

/* One entry in twenty has 20 kB; small ones are read again, large ones if `large_too`. */
static void use_sizes(memstore *store, bool large_too)
{
    struct test_rng rng = {3};

    for (uint64_t i = 0; i < 60000; i++) {
        if (i % 20 == 0)
            use_account(store, 100000 + (large_too ? i / 20 % 20 : i), 20000, 0);
        use_account(store, test_below(&rng, 8000), 100, 0);
    }
}

Test(advice, a_largest_size_is_advised_where_large_entries_are_not_read)
{
    memstore *store =
        test_open("performance.memory_limit=4MB", "shards=4", "eviction=lru", FOLLOWED, NULL);
    struct heard heard;

    use_sizes(store, false);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_LARGE_ENTRIES, "max_entry_size");
    const double size = atof(heard.suggested[i]);
    cr_assert(size >= 128 && size <= 16384, "%s", heard.suggested[i]);
    memstore_destroy(store);
}

Test(advice, a_largest_size_is_not_advised_where_large_entries_are_read)
{
    memstore *store =
        test_open("performance.memory_limit=4MB", "shards=4", "eviction=lru", FOLLOWED, NULL);

    use_sizes(store, true);
    assert_not_advised(store, MEMSTORE_ADVICE_LARGE_ENTRIES);
    memstore_destroy(store);
}

/* Keys whose CRC-32 is one and the same whatever the seed: each is a multiple of the polynomial, as
 * bits, beside the first. */
static void put_colliding(memstore *store, int count)
{
    /* 33 bits, the first byte's lowest bit first: x^32 + x^26 + ... + 1, reflected. */
    static const unsigned char polynomial[5] = {0x41, 0x06, 0x71, 0xdb, 0x01};
    unsigned char key[40];

    for (int i = 0; i < count; i++) {
        memset(key, 'k', sizeof key);
        for (int bit = 0; bit < 10; bit++) {
            for (int j = 0; (i >> bit & 1) != 0 && j < 5; j++) {
                const unsigned shifted = (unsigned)polynomial[j] << (bit % 7);

                key[3 * (bit / 7) + j + 2] ^= (unsigned char)shifted;
                key[3 * (bit / 7) + j + 3] ^= (unsigned char)(shifted >> 8);
            }
        }
        assert_ok(memstore_set(store, key, sizeof key, "v", 1, 0));
    }
}

Test(advice, another_hash_function_is_advised_where_keys_collide)
{
    memstore *store = test_open("hash_function=crc32", "shards=64", NULL);
    struct heard heard;

    put_colliding(store, 1000);
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_SHARDS, "hash_function");
    cr_assert_str_eq(heard.suggested[i], "xxh3");
    memstore_destroy(store);
}

Test(advice, no_other_hash_function_is_advised_where_shards_are_alike)
{
    memstore *store = test_open("hash_function=crc32", "shards=64", NULL);

    for (uint64_t i = 0; i < 5000; i++)
        put_account(store, i, 10, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_SHARDS);
    memstore_destroy(store);
}

Test(advice, eviction_is_advised_where_writes_are_refused)
{
    memstore *store = test_open("performance.memory_limit=256KiB", "eviction=none", NULL);
    struct heard heard;

    for (uint64_t i = 0; i < 5000; i++) {
        const char *key = account_key(i);

        memstore_set(store, key, strlen(key), account_filler, 100, 0);
    }
    const int i = assert_advised(store, &heard, MEMSTORE_ADVICE_REFUSED, "eviction");
    cr_assert_eq(i, 0, "a warning comes first");
    cr_assert_str_eq(heard.suggested[i], "adaptive");
    memstore_destroy(store);
}

Test(advice, eviction_is_not_advised_where_all_fits)
{
    memstore *store = test_open("eviction=none", NULL);

    for (uint64_t i = 0; i < 1000; i++)
        put_account(store, i, 100, 0);
    assert_not_advised(store, MEMSTORE_ADVICE_REFUSED);
    memstore_destroy(store);
}

/* ---- Reports ---- */

static int refuse(const char *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    (void)context;
    return 1;
}

Test(advice, is_written_for_people_with_its_figures)
{
    memstore *store = test_open("performance.memory_limit=1MB", "shards=4", FOLLOWED, NULL);
    struct taken_text taken = {0};

    use_accounts_at_random(store, 20000, 50000);
    assert_ok(memstore_advise_text(store, take_text, &taken));
    cr_assert_eq(taken.calls, 1);
    cr_assert(strstr(taken.text, "set       performance.memory_limit: ") != NULL);
    cr_assert(strstr(taken.text, "the limit now") != NULL);
    cr_assert(strstr(taken.text, "account/balance/") != NULL);
    cr_assert(strstr(taken.text, "Sizes of entries") != NULL);
    cr_assert(strstr(taken.text, " %, adaptive ") != NULL);
    free(taken.text);
    memstore_destroy(store);
}

Test(advice, is_written_as_json_whatever_keys_are_like)
{
    memstore *store = test_open(FOLLOWED, NULL);
    struct taken_text taken = {0};
    char buf[8];

    for (int i = 0; i < 2000; i++)
        memstore_get(store, "\"\\\n\xff\0k", 6, buf, sizeof buf, NULL);
    assert_ok(memstore_advise_json(store, take_text, &taken));
    cr_assert(strstr(taken.text, "\"key\":\"\\\"\\\\\\u000a\\u00ff\\u0000k\"") != NULL, "%s",
              taken.text);
    free(taken.text);
    memstore_destroy(store);
}

/* What a store of so few bytes holds at least. */
static void write_into_little(memstore *store)
{
    char value[1000] = "";

    for (int i = 0; i < 50; i++) {
        assert_ok(memstore_set(store, &i, sizeof i, value, sizeof value, 0));
        assert_ok(memstore_has(store, &i, sizeof i));
    }
}

Test(advice, following_keys_is_refused_where_it_leaves_no_room_for_entries)
{
    unsigned refused = 0, opened = 0;

    for (unsigned kib = 160; kib <= 400; kib += 4) {
        memstore_config *config = memstore_config_new();
        memstore *store = NULL;
        char limit[32];

        snprintf(limit, sizeof limit, "%uKiB", kib);
        assert_ok(memstore_config_set(config, "performance.memory_limit", limit));
        assert_ok(memstore_config_set(config, "monitoring.access_sample_ratio", "0.01"));
        const int status = memstore_open(config, &store);
        if (status == MEMSTORE_OK) {
            opened++;
            write_into_little(store);
            memstore_destroy(store);
        } else {
            refused++;
            cr_assert_eq(status, MEMSTORE_ERR_INVALID_CONFIG, "%s", memstore_status_name(status));
        }
        assert_ok(memstore_config_set(config, "monitoring.access_sample_ratio", "0"));
        assert_ok(memstore_open(config, &store));
        write_into_little(store);
        const int changed = memstore_reconfigure(store, "monitoring.access_sample_ratio", "0.01");
        cr_assert_eq(changed, status == MEMSTORE_OK ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED,
                     "%s: %s", limit, memstore_status_name(changed));
        write_into_little(store);
        memstore_destroy(store);
        memstore_config_free(config);
    }
    cr_assert(refused > 0 && opened > 0, "%u refused, %u opened", refused, opened);
}

Test(advice, refuses_bad_arguments_and_tells_when_text_is_not_taken)
{
    memstore *store = test_open_defaults();
    struct heard heard = {0};
    struct taken_text taken = {0};

    assert_status(memstore_advise(NULL, hear_advice, &heard), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise(store, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise_text(store, NULL, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise_json(NULL, take_text, &taken), MEMSTORE_ERR_INVALID_ARGUMENT);
    assert_status(memstore_advise_text(store, refuse, NULL), MEMSTORE_ERR_IO);
    assert_ok(memstore_close(store));
    assert_status(memstore_advise(store, hear_advice, &heard), MEMSTORE_ERR_CACHE_CLOSED);
    assert_status(memstore_advise_json(store, take_text, &taken), MEMSTORE_ERR_CACHE_CLOSED);
    memstore_destroy(store);
}

Test(advice, a_look_that_was_due_when_sampling_was_switched_off_is_the_last)
{
    memstore *store = test_open("maintenance=manual", NULL);

    cr_assert_eq(ms_load_relaxed(&store->track.look_ms), INT64_MAX);
    /* As somebody leaves it who did not get the settings lock meanwhile. */
    ms_store_relaxed(&store->track.look_ms, 0);
    assert_ok(memstore_maintain(store, 0));
    cr_assert_eq(ms_load_relaxed(&store->track.look_ms), INT64_MAX);
    memstore_destroy(store);
}
