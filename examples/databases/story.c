/* SPDX-License-Identifier: Apache-2.0 */
/* A database with a store in front: how many queries reach it; what callers get while it is away; and
 * that it is not run over when it comes back. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime(), nanosleep() */
#include "database.h"

#include <memstore/loader.h>
#include <memstore/memstore.h>
#include <memstore/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS 500
#define READS 20000
#define THREADS 8
/* Longer than anything here takes on a machine that does much else. */
#define PATIENCE_S 60

static atomic_uint queries;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "this should hold and does not: %s\n", what);
    exit(1);
}

static double now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
}

/* ---- The loader: all that a program has to write ---- */

static int load_row(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    const struct database *database = context;
    char *row = malloc(ROW_SIZE);

    if (row == NULL)
        return MEMSTORE_LOAD_FAILED;
    atomic_fetch_add(&queries, 1);
    const enum found found = database->find(key, key_size, row);
    if (found != FOUND) {
        free(row);
        return found == NOT_THERE ? MEMSTORE_LOAD_ABSENT : MEMSTORE_LOAD_FAILED;
    }
    out->value = row;
    out->value_size = strlen(row);
    out->release = free;
    out->release_context = row;
    return MEMSTORE_LOAD_OK;
}

struct cached {
    memstore *store;
    memstore_loader loader;
};

/* A row through the store; *stale tells that it is older than its TTL. */
static int read_row(struct cached *cached, int number, bool *stale)
{
    char key[32];
    const int size = snprintf(key, sizeof key, "row/%d", number);
    memstore_view view;
    const int status =
        memstore_get_or_load(cached->store, key, (size_t)size, &cached->loader, &view);

    *stale = false;
    if (status == MEMSTORE_OK) {
        check(view.size > (size_t)size && memcmp(view.data, key, (size_t)size) == 0,
              "a row is the one that was asked for");
        *stale = view.expires_at_ms != 0 && memstore_has(cached->store, key, (size_t)size) != 0;
        memstore_view_release(&view);
    }
    return status;
}

static struct cached open_cached(const struct database *database)
{
    struct cached cached = {.loader = {.struct_size = sizeof(memstore_loader),
                                       .load = load_row,
                                       .context = (void *)database,
                                       .ttl_ms = 60000}};
    static const char *const settings[][2] = {{"performance.memory_limit", "16MB"},
                                              {"loader.max_stale", "2s"},
                                              {"loader.breaker_failures", "3"},
                                              {"loader.breaker_open", "200ms"}};
    memstore_config *config = memstore_config_new();

    check(config != NULL, "a configuration can be made");
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        check(memstore_config_set(config, settings[i][0], settings[i][1]) == MEMSTORE_OK,
              "a setting is accepted");
    check(memstore_open(config, &cached.store) == MEMSTORE_OK, "the store opens");
    memstore_config_free(config);
    return cached;
}

/* ---- The story ---- */

/* Few rows are asked for often and many rarely. */
static int choose_row(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    const double share = (double)(*state >> 8) / (double)(1 << 24);

    return (int)(share * share * share * ROWS);
}

static void read_directly(const struct database *database)
{
    unsigned state = 1;
    const double start = now_s();

    for (int i = 0; i < READS; i++) {
        char key[32], row[ROW_SIZE];
        const int size = snprintf(key, sizeof key, "row/%d", choose_row(&state));

        check(database->find(key, (size_t)size, row) == FOUND, "the database has its rows");
    }
    printf("without the store: %d reads, %d queries, %.0f reads a second\n", READS, READS,
           READS / (now_s() - start));
}

static void read_through(struct cached *cached)
{
    unsigned state = 1;
    bool stale;
    const double start = now_s();

    atomic_store(&queries, 0);
    for (int i = 0; i < READS; i++)
        check(read_row(cached, choose_row(&state), &stale) == MEMSTORE_OK, "reads succeed");
    printf("with the store:    %d reads, %u queries, %.0f reads a second\n", READS,
           atomic_load(&queries), READS / (now_s() - start));
    check(atomic_load(&queries) <= ROWS, "each row is asked for once");
}

/* What callers get from when the database is cut off on: the value, the old value, an error. */
static void lose(struct cached *cached, const struct database *database)
{
    const double end = now_s() + PATIENCE_S;
    unsigned stale_reads = 0;
    bool stale;
    int status;

    check(memstore_delete(cached->store, "row/0", 5) == MEMSTORE_OK, "the row was there");
    cached->loader.ttl_ms = 200;
    check(read_row(cached, 0, &stale) == MEMSTORE_OK, "the row is there for a moment");
    database->cut();
    atomic_store(&queries, 0);
    while ((status = read_row(cached, 0, &stale)) == MEMSTORE_OK && now_s() < end) {
        stale_reads += stale;
        pause_briefly();
    }
    check(status == MEMSTORE_ERR_LOADER_FAILED, "at last the failure is told");
    check(stale_reads != 0, "before that the old value is served");
    printf("without the database: %u reads of what had expired, then an error; %u queries tried\n",
           stale_reads, atomic_load(&queries));
}

static void *read_all(void *context)
{
    bool stale;

    for (int i = 0; i < ROWS; i++)
        check(read_row(context, i, &stale) == MEMSTORE_OK, "everything can be read again");
    return NULL;
}

static void come_back(struct cached *cached, const struct database *database)
{
    const double end = now_s() + PATIENCE_S;
    pthread_t threads[THREADS];
    bool stale;

    check(memstore_clear(cached->store) == MEMSTORE_OK, "the store can be cleared");
    cached->loader.ttl_ms = 60000;
    database->mend();
    while (read_row(cached, 0, &stale) != MEMSTORE_OK && now_s() < end)
        pause_briefly();
    atomic_store(&queries, 0);
    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, read_all, cached) == 0, "a thread starts");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("when it is back: %d reads by %d threads of an empty store, %u queries\n",
           THREADS * ROWS, THREADS, atomic_load(&queries));
    check(atomic_load(&queries) < ROWS, "each row is asked for once, whoever asks");
}

int tell(const struct database *database)
{
    check(database->create(ROWS), "the database can be made");
    struct cached cached = open_cached(database);

    printf("%s\n", database->name);
    read_directly(database);
    read_through(&cached);
    lose(&cached, database);
    come_back(&cached, database);
    memstore_destroy(cached.store);
    database->destroy();
    return 0;
}
