/* SPDX-License-Identifier: Apache-2.0 */
/* Finding keys by pattern: count, list, walk with a cursor while others write, delete. */
#include <memstore/memstore.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An example shows what holds; when it does not hold, it says so and fails. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { BLOCKS = 1000, TRANSACTIONS = 200 };

static void fill(memstore *store)
{
    char key[32];

    for (int i = 0; i < BLOCKS; i++) {
        int size = snprintf(key, sizeof key, "block/%04d", i);

        EXPECT(memstore_set(store, key, (size_t)size, "b", 1, MEMSTORE_TTL_NONE) == MEMSTORE_OK);
    }
    for (int i = 0; i < TRANSACTIONS; i++) {
        int size = snprintf(key, sizeof key, "tx/pending/%d", i);

        EXPECT(memstore_set(store, key, (size_t)size, "t", 1, MEMSTORE_TTL_NONE) == MEMSTORE_OK);
    }
}

static uint64_t count(memstore *store, const char *pattern)
{
    uint64_t found;

    EXPECT(memstore_count_by_pattern(store, pattern, strlen(pattern), &found) == MEMSTORE_OK);
    return found;
}

static void count_patterns(memstore *store)
{
    EXPECT(count(store, "") == BLOCKS + TRANSACTIONS);
    EXPECT(count(store, "block/*") == BLOCKS);
    EXPECT(count(store, "block/00?[13579]") == 50);
    /* A star also runs over slashes. */
    EXPECT(count(store, "tx*") == TRANSACTIONS);

    /* A pattern that is malformed is refused, and nothing is touched. */
    EXPECT(memstore_delete_by_pattern(store, "block/[0", 8, NULL) == MEMSTORE_ERR_INVALID_PATTERN);
    EXPECT(count(store, "") == BLOCKS + TRANSACTIONS);
}

/* Called for each key; 0 goes on. No lock is held, so that it may also write to the store. */
static int print_first(const void *key, size_t key_size, void *context)
{
    int *left = context;

    printf("  %.*s\n", (int)key_size, (const char *)key);
    return --*left == 0;
}

static void list_some(memstore *store)
{
    int left = 3;

    printf("three of the pending transactions:\n");
    EXPECT(memstore_keys(store, "tx/pending/*", 12, print_first, &left) == MEMSTORE_OK);
    EXPECT(left == 0);
}

/* Keys that are there throughout are met exactly once, although others come and go meanwhile. */
static void walk(memstore *store)
{
    unsigned char met[BLOCKS] = {0};
    memstore_cursor *cursor;
    memstore_key key;
    int status;

    EXPECT(memstore_cursor_new(store, "block/*", 7, &cursor) == MEMSTORE_OK);
    while ((status = memstore_cursor_next(cursor, &key)) == MEMSTORE_OK) {
        char text[32] = {0}, other[48];
        int number, size;

        EXPECT(key.size < sizeof text);
        memcpy(text, key.data, key.size);
        number = atoi(text + strlen("block/"));
        EXPECT(number >= 0 && number < BLOCKS && !met[number]);
        met[number] = 1;
        size = snprintf(other, sizeof other, "receipt/%s", text);
        EXPECT(memstore_set(store, other, (size_t)size, "r", 1, MEMSTORE_TTL_NONE) == MEMSTORE_OK);
    }
    EXPECT(status == MEMSTORE_ERR_KEY_NOT_FOUND);
    EXPECT(memchr(met, 0, sizeof met) == NULL);
    memstore_cursor_free(cursor);
}

int main(void)
{
    memstore *store;
    uint64_t deleted;

    EXPECT(memstore_open(NULL, &store) == MEMSTORE_OK);
    fill(store);
    count_patterns(store);
    list_some(store);
    walk(store);
    EXPECT(memstore_delete_by_pattern(store, "receipt/*", 9, &deleted) == MEMSTORE_OK);
    printf("%" PRIu64 " receipts deleted, %" PRIu64 " keys left\n", deleted, memstore_size(store));
    EXPECT(deleted == BLOCKS && memstore_size(store) == BLOCKS + TRANSACTIONS);
    memstore_destroy(store);
    return 0;
}
