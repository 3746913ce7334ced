/* SPDX-License-Identifier: Apache-2.0 */
/* With secure_wipe nothing that was removed is left in memory, wherever a copy of it has been. */
#include "support/criterion.h"
#include "support/folder.h"

#include <memstore/advice.h>
#include <memstore/events.h>
#include <memstore/loader.h>
#include <stdlib.h>

/* AddressSanitizer keeps what is freed, and its shadow is too much to search. */
#if !defined(__SANITIZE_ADDRESS__)

/* More than a processor's registers hold in one piece, which the dynamic linker and the handling of
 * signals write to the stack: what the end of a copied value left in them is beyond anybody's reach. */
#define SECRET_SIZE 1024

/* A byte of the secret, which is never all in one place, so that the test itself is not found. */
static unsigned char secret_byte(unsigned i)
{
    return (unsigned char)((i + 1) * 2654435761u >> 24);
}

static void write_secret(unsigned char *to)
{
    for (unsigned i = 0; i < SECRET_SIZE; i++)
        ((volatile unsigned char *)to)[i] = secret_byte(i);
}

static bool is_secret(const unsigned char *at, size_t size)
{
    for (unsigned i = 0; i < size; i++) {
        if (at[i] != secret_byte(i))
            return false;
    }
    return true;
}

/* How often the beginning of the secret is in the memory that this process may write to. */
static unsigned count_beginnings(size_t size)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], mode[8];
    unsigned long from, to;
    unsigned count = 0;

    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || strncmp(mode, "rw", 2) != 0)
            continue;
        for (const unsigned char *at = (void *)from; at + size <= (unsigned char *)to; at++)
            count += is_secret(at, size);
    }
    fclose(maps);
    return count;
}

static unsigned count_in_memory(void)
{
    return count_beginnings(SECRET_SIZE);
}

/* A value of which the secret is the end, in a buffer of the test's own. */
static const void *value_of(size_t size)
{
    static unsigned char value[100000];

    write_secret(value + size - SECRET_SIZE);
    return value;
}

static void forget_value(size_t size)
{
    memset((char *)value_of(size) + size - SECRET_SIZE, 0, SECRET_SIZE);
}

static void set(memstore *store, const char *key, size_t size)
{
    assert_ok(memstore_set(store, key, strlen(key), value_of(size), size, 0));
    forget_value(size);
}

static void use_a_batch(memstore *store)
{
    memstore_batch *batch = memstore_batch_new(store);

    for (char key = 'a'; key < 'z'; key++)
        assert_ok(memstore_batch_set(batch, &key, 1, value_of(2000), 2000, 0));
    forget_value(2000);
    assert_ok(memstore_batch_commit(batch));
    memstore_batch_free(batch);
}

static void be_told(memstore *store, memstore_subscription *subscription)
{
    memstore_event event = {.struct_size = sizeof event};
    unsigned told = 0;

    (void)store;
    while (memstore_subscription_next(subscription, 0, &event) == MEMSTORE_OK) {
        memstore_view_release(&event.value);
        told++;
    }
    cr_assert_gt(told, 0);
}

/* Have the secret in all places that there are, and remove it. */
static unsigned left_after_use(const char *secure_wipe)
{
    memstore *store = test_open(secure_wipe, "performance.memory_limit=2MiB", "maintenance=manual",
                                "performance.batch_size=8", NULL);
    memstore_subscription *subscription;

    assert_ok(memstore_subscribe(
        store, MEMSTORE_EVENT_DELETED | MEMSTORE_EVENT_REPLACED | MEMSTORE_EVENT_EVICTED, 100,
        &subscription));
    set(store, "deleted", 1100);
    set(store, "large", 90000);
    set(store, "replaced", 1300);
    assert_ok(memstore_set(store, "replaced", 8, "by something else", 17, 0));
    use_a_batch(store);
    for (char key = 'A'; key < 'Z'; key++)
        assert_ok(memstore_set_async(store, &key, 1, value_of(1500), 1500, 0));
    forget_value(1500);
    assert_ok(memstore_flush(store));
    uint64_t deleted;
    assert_ok(memstore_delete_by_pattern(store, "[a-zA-Z]", 8, &deleted));
    cr_assert_eq(deleted, 50);
    assert_ok(memstore_delete(store, "deleted", 7));
    assert_ok(memstore_delete(store, "large", 5));
    be_told(store, subscription);
    memstore_subscription_close(subscription);
    assert_ok(memstore_compact(store, 0));
    const unsigned left = count_in_memory();
    assert_ok(memstore_has(store, "replaced", 8));
    memstore_destroy(store);
    return left;
}

Test(secure_wipe, nothing_that_was_removed_is_left_in_memory)
{
    cr_assert_eq(left_after_use("secure_wipe=true"), 0);
}

Test(secure_wipe, without_it_removed_values_are_left_where_they_were)
{
    cr_assert_gt(left_after_use("secure_wipe=false"), 0);
}

Test(secure_wipe, what_is_evicted_goes_before_its_memory_is_used_again)
{
    memstore *store =
        test_open("secure_wipe=true", "performance.memory_limit=1MiB", "maintenance=manual", NULL);
    char other[1000] = {0};

    set(store, "evicted", 1100);
    for (int i = 0; i < 5000; i++)
        assert_ok(memstore_set(store, &i, sizeof i, other, sizeof other, 0));
    cr_assert_eq(memstore_has(store, "evicted", 7), MEMSTORE_ERR_KEY_NOT_FOUND);
    cr_assert_eq(count_in_memory(), 0);
    memstore_destroy(store);
}

/* Overwrites what the snapshot has not come to yet, so that it is kept beside the store. */
static int overwrite(const memstore_progress *progress, void *context)
{
    memstore *store = context;
    const memstore_entry entries[] = {test_entry("small", "other", 0),
                                      test_entry("large", "other", 0)};

    if (progress->done == 0)
        assert_ok(memstore_set_many(store, entries, 2));
    return 0;
}

static unsigned left_after_snapshots(const char *secure_wipe)
{
    memstore *store = test_open(secure_wipe, "performance.memory_limit=2MiB", "maintenance=manual",
                                "snapshot.compression=none", NULL);

    set(store, "small", 1100);
    set(store, "large", 90000);
    assert_ok(memstore_save(store, test_path("file"), overwrite, store));
    assert_ok(memstore_delete(store, "small", 5));
    assert_ok(memstore_delete(store, "large", 5));
    assert_ok(memstore_load(store, test_path("file"), NULL, NULL));
    cr_assert_eq(memstore_size(store), 2);
    assert_ok(memstore_clear(store));
    assert_ok(memstore_compact(store, 0));
    const unsigned left = count_in_memory();
    memstore_destroy(store);
    test_folder_remove();
    return left;
}

Test(secure_wipe, nothing_of_a_snapshot_is_left_in_memory)
{
    cr_assert_eq(left_after_snapshots("secure_wipe=true"), 0);
    cr_assert_gt(left_after_snapshots("secure_wipe=false"), 0);
}

/* ---- Keys ---- */

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)key;
    (void)key_size;
    if (context == NULL)
        return MEMSTORE_LOAD_ABSENT;
    out->value = context;
    out->value_size = 5;
    return MEMSTORE_LOAD_OK;
}

/* Load a key that is secret, and one that there is none of, and remove both. */
static unsigned left_after_loads(const char *secure_wipe)
{
    memstore *store = test_open(secure_wipe, "performance.memory_limit=2MiB", "maintenance=manual",
                                "loader.negative_ttl=1h", NULL);
    memstore_loader loader = {
        .struct_size = sizeof loader, .load = load, .context = (char[]){"value"}};
    memstore_view view;
    const void *key = value_of(SECRET_SIZE);

    assert_ok(memstore_get_or_load(store, key, SECRET_SIZE, &loader, &view));
    memstore_view_release(&view);
    assert_ok(memstore_delete(store, key, SECRET_SIZE));
    loader.context = NULL;
    assert_status(memstore_get_or_load(store, key, SECRET_SIZE, &loader, &view),
                  MEMSTORE_ERR_KEY_NOT_FOUND);
    assert_ok(memstore_set(store, key, SECRET_SIZE, "value", 5, 0));
    assert_ok(memstore_delete(store, key, SECRET_SIZE));
    forget_value(SECRET_SIZE);
    assert_ok(memstore_compact(store, 0));
    const unsigned left = count_in_memory();
    memstore_destroy(store);
    return left;
}

Test(secure_wipe, nothing_of_keys_that_were_loaded_is_left_in_memory)
{
    cr_assert_eq(left_after_loads("secure_wipe=true"), 0);
    cr_assert_gt(left_after_loads("secure_wipe=false"), 0);
}

/* Of keys that are followed the beginnings are kept. Registers hold one or two of them. */
#define FOLLOWED 50
#define FOLLOWED_SIZE 60
#define FEW 5

/* A key that begins with the secret and ends with a number. */
static const void *followed_key(uint32_t number)
{
    static unsigned char key[SECRET_SIZE + sizeof number];

    write_secret(key);
    memcpy(key + FOLLOWED_SIZE, &number, sizeof number);
    return key;
}

static void use_followed_keys(memstore *store)
{
    const size_t size = FOLLOWED_SIZE + sizeof(uint32_t);
    char value[5];

    for (uint32_t i = 0; i < FOLLOWED; i++)
        assert_ok(memstore_set(store, followed_key(i), size, "value", 5, 0));
    for (uint32_t i = 0; i < 200 * FOLLOWED; i++)
        assert_ok(memstore_get(store, followed_key(i % FOLLOWED), size, value, sizeof value, NULL));
    for (uint32_t i = 0; i < FOLLOWED; i++)
        assert_ok(memstore_delete(store, followed_key(i), size));
    memset((char *)followed_key(0), 0, SECRET_SIZE);
}

/* Follow all keys and remove them; `follows_on`: also after that. */
static unsigned left_after_following(const char *secure_wipe, bool follows_on)
{
    memstore *store = test_open(secure_wipe, "performance.memory_limit=4MiB", "maintenance=manual",
                                "monitoring.access_sample_ratio=1", NULL);

    use_followed_keys(store);
    if (!follows_on)
        assert_ok(memstore_reconfigure(store, "monitoring.access_sample_ratio", "0"));
    assert_ok(memstore_compact(store, 0));
    const unsigned left = count_beginnings(FOLLOWED_SIZE);
    memstore_destroy(store);
    return left;
}

Test(secure_wipe, nothing_of_keys_that_were_followed_is_left_in_memory)
{
    cr_assert_gt(left_after_following("secure_wipe=false", true), FEW);
    cr_assert_leq(left_after_following("secure_wipe=true", true), FEW);
    cr_assert_leq(left_after_following("secure_wipe=true", false), FEW);
}

static int take_nothing(const char *data, size_t size, void *context)
{
    (void)data;
    (void)size;
    (void)context;
    return 0;
}

/* How many more copies of keys there are when somebody has asked in a way that tells them. */
static int left_by(memstore *store, int (*ask)(memstore *, memstore_write_fn, void *))
{
    const unsigned before = count_beginnings(FOLLOWED_SIZE);

    assert_ok(ask(store, take_nothing, NULL));
    return (int)count_beginnings(FOLLOWED_SIZE) - (int)before;
}

Test(secure_wipe, nothing_of_keys_that_were_told_is_left_in_memory)
{
    memstore *store = test_open("secure_wipe=true", "performance.memory_limit=4MiB",
                                "maintenance=manual", "monitoring.access_sample_ratio=1", NULL);

    use_followed_keys(store);
    cr_expect_leq(left_by(store, memstore_advise_json), FEW);
    cr_expect_leq(left_by(store, memstore_advise_text), FEW);
    cr_expect_leq(left_by(store, memstore_metrics_text), FEW);
    memstore_destroy(store);
}

#endif
