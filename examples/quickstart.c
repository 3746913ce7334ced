/* SPDX-License-Identifier: Apache-2.0 */
/* The first five minutes: open a store, put values in, read them back by copy and in place,
 * count, close.
 *
 *     cc quickstart.c $(pkg-config --cflags --libs memstore) && ./a.out */
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

static memstore *open_store(void)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    EXPECT(config != NULL);
    EXPECT(memstore_config_set(config, "performance.memory_limit", "16MiB") == MEMSTORE_OK);

    /* A mistake changes nothing and is explained. */
    EXPECT(memstore_config_set(config, "performance.memory_limit", "a lot") ==
           MEMSTORE_ERR_INVALID_CONFIG);
    printf("a bad setting: %s\n", memstore_config_error(config));

    EXPECT(memstore_open(config, &store) == MEMSTORE_OK);
    memstore_config_free(config);
    return store;
}

static void write_and_read(memstore *store)
{
    char buffer[64];
    size_t size;

    EXPECT(memstore_set(store, "block/42", 8, "the bytes of a block", 20, MEMSTORE_TTL_NONE) ==
           MEMSTORE_OK);

    /* By copy. The size is told also when the buffer is too small for it. */
    EXPECT(memstore_get(store, "block/42", 8, buffer, 4, &size) == MEMSTORE_ERR_BUFFER_TOO_SMALL);
    EXPECT(size == 20);
    EXPECT(memstore_get(store, "block/42", 8, buffer, sizeof buffer, &size) == MEMSTORE_OK);
    printf("block/42 holds %zu bytes: %.*s\n", size, (int)size, buffer);

    /* A miss is an outcome, not an error. */
    EXPECT(memstore_get(store, "block/43", 8, buffer, sizeof buffer, &size) ==
           MEMSTORE_ERR_KEY_NOT_FOUND);
}

static void read_in_place(memstore *store)
{
    memstore_view view;

    EXPECT(memstore_get_view(store, "block/42", 8, &view) == MEMSTORE_OK);

    /* What a view shows stays as it is, whatever becomes of the entry. */
    EXPECT(memstore_set(store, "block/42", 8, "other bytes", 11, MEMSTORE_TTL_NONE) == MEMSTORE_OK);
    EXPECT(view.size == 20 && memcmp(view.data, "the bytes of a block", 20) == 0);
    memstore_view_release(&view);

    EXPECT(memstore_get_view(store, "block/42", 8, &view) == MEMSTORE_OK);
    EXPECT(view.size == 11 && memcmp(view.data, "other bytes", 11) == 0);
    memstore_view_release(&view);
}

static void show_counts(memstore *store)
{
    memstore_stats stats = {.struct_size = sizeof stats};

    EXPECT(memstore_get_stats(store, &stats) == MEMSTORE_OK);
    EXPECT(stats.entries == 1 && stats.sets == 2 && stats.updates == 1);
    printf("%" PRIu64 " entry, %" PRIu64 " hits, %" PRIu64 " misses\n", stats.entries, stats.hits,
           stats.misses);
}

int main(void)
{
    memstore *store = open_store();

    write_and_read(store);
    read_in_place(store);
    show_counts(store);

    EXPECT(memstore_delete(store, "block/42", 8) == MEMSTORE_OK);
    EXPECT(memstore_size(store) == 0);
    memstore_destroy(store);
    return 0;
}
