/* SPDX-License-Identifier: Apache-2.0 */
/* Several keys at one instant: a transfer between two accounts that no reader ever sees half
 * done, while another thread keeps reading both. */
#include <memstore/memstore.h>

#include <pthread.h>
#include <stdatomic.h>
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

enum { TOTAL = 1000, TRANSFERS = 20000 };

static const memstore_key accounts[2] = {{"account/a", 9}, {"account/b", 9}};

struct reader {
    memstore *store;
    _Atomic int stop;
    unsigned long reads;
};

static int balance(const memstore_view *view)
{
    int value;

    EXPECT(view->size == sizeof value);
    memcpy(&value, view->data, sizeof value);
    return value;
}

/* Whatever moment the reads fall on, no money is on its way. */
static void *keep_reading(void *argument)
{
    struct reader *reader = argument;

    while (!atomic_load(&reader->stop)) {
        memstore_view views[2];
        size_t found;

        EXPECT(memstore_get_many(reader->store, accounts, 2, views, &found) == MEMSTORE_OK);
        EXPECT(found == 2);
        EXPECT(balance(&views[0]) + balance(&views[1]) == TOTAL);
        memstore_view_release_many(views, 2);
        reader->reads++;
    }
    return NULL;
}

/* Move an amount, on condition that nobody changed either account since it was read; true when
 * it was done. */
static int transfer(memstore *store, int amount)
{
    memstore_batch *batch = memstore_batch_new(store);
    memstore_view views[2];
    int balances[2], status;

    EXPECT(batch != NULL);
    EXPECT(memstore_get_many(store, accounts, 2, views, NULL) == MEMSTORE_OK);
    balances[0] = balance(&views[0]) - amount;
    balances[1] = balance(&views[1]) + amount;
    for (int i = 0; i < 2; i++) {
        EXPECT(memstore_batch_expect_version(batch, accounts[i].data, accounts[i].size,
                                             views[i].version) == MEMSTORE_OK);
        EXPECT(memstore_batch_set(batch, accounts[i].data, accounts[i].size, &balances[i],
                                  sizeof balances[i], MEMSTORE_TTL_NONE) == MEMSTORE_OK);
    }
    memstore_view_release_many(views, 2);
    status = memstore_batch_commit(batch);
    EXPECT(status == MEMSTORE_OK || status == MEMSTORE_ERR_VERSION_MISMATCH);
    memstore_batch_free(batch);
    return status == MEMSTORE_OK;
}

static void open_accounts(memstore *store)
{
    int first = TOTAL, second = 0;
    memstore_entry entries[2] = {{accounts[0], &first, sizeof first, MEMSTORE_TTL_NONE},
                                 {accounts[1], &second, sizeof second, MEMSTORE_TTL_NONE}};

    EXPECT(memstore_set_many(store, entries, 2) == MEMSTORE_OK);
}

/* One entry that is refused undoes the whole. */
static void all_or_nothing(memstore *store)
{
    int value = 1;
    memstore_entry entries[2] = {{{"new", 3}, &value, sizeof value, MEMSTORE_TTL_NONE},
                                 {{"also new", 8}, &value, sizeof value, -5}};

    EXPECT(memstore_set_many(store, entries, 2) == MEMSTORE_ERR_INVALID_TTL);
    EXPECT(memstore_has(store, "new", 3) == MEMSTORE_ERR_KEY_NOT_FOUND);
}

int main(void)
{
    struct reader reader = {.reads = 0};
    unsigned done = 0;
    pthread_t thread;
    size_t deleted;

    EXPECT(memstore_open(NULL, &reader.store) == MEMSTORE_OK);
    open_accounts(reader.store);
    EXPECT(pthread_create(&thread, NULL, keep_reading, &reader) == 0);
    for (int i = 0; i < TRANSFERS; i++)
        done += (unsigned)transfer(reader.store, i % 7 - 3);
    atomic_store(&reader.stop, 1);
    pthread_join(thread, NULL);

    /* Nobody else writes, so that every transfer went through. */
    EXPECT(done == TRANSFERS);
    printf("%u transfers, and %lu reads that all saw the same total\n", done, reader.reads);
    all_or_nothing(reader.store);
    EXPECT(memstore_delete_many(reader.store, accounts, 2, &deleted) == MEMSTORE_OK &&
           deleted == 2);
    memstore_destroy(reader.store);
    return 0;
}
