/* SPDX-License-Identifier: Apache-2.0 */
/* How fast is a store saved and loaded, beside copying the file by read() and write() and beside storing
 * its entries one by one; and how long does a writer wait at most while it is saved?
 *
 * usage: bench_snapshot [--entries N] [--value BYTES] [--rounds N] [--folder PATH] [--compression zstd]
 *                       [--shards N]
 *
 * Files are in the system's cache; nothing is brought to the disk (`snapshot.fsync: false`), which is the
 * disk's business. Each figure is the median of the rounds.
 *
 * What the longest set took is the machine's doing as much as the store's: a writer that is not running
 * takes as long as the other program is let run. So the same writer is watched for as long without a
 * save; what a save holds a writer up for is the difference, and of that it is the least of the rounds
 * that says most. One set in a hundred thousand, too: the system's pauses are rarer than intervals. */
#include "common/clock.h"

#include <fcntl.h>
#include <getopt.h>
#include <memstore/memstore.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 101
/* Microseconds that are told apart. */
#define TOOK_MAX 20000

struct options {
    unsigned entries, value, rounds;
    const char *folder, *compression, *shards;
};

static char path[4096], copy[4096];
static char value[65536];

static void check(int status, const char *what)
{
    if (status == MEMSTORE_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, memstore_strerror(status));
    exit(1);
}

static memstore *open_store(const struct options *options)
{
    memstore_config *config = memstore_config_new();
    memstore *store;

    check(memstore_config_set(config, "performance.memory_limit", "4GB"), "limit");
    check(memstore_config_set(config, "shards", options->shards), "shards");
    check(memstore_config_set(config, "snapshot.fsync", "false"), "fsync");
    check(memstore_config_set(config, "snapshot.compression", options->compression), "compression");
    check(memstore_open(config, &store), "open");
    memstore_config_free(config);
    return store;
}

static void set_one(memstore *store, unsigned number, unsigned size)
{
    char key[16];
    const int key_size = snprintf(key, sizeof key, "key/%08u", number);

    check(memstore_set(store, key, (size_t)key_size, value, size, 0), "set");
}

static void fill(memstore *store, const struct options *options)
{
    for (unsigned i = 0; i < options->entries; i++)
        set_one(store, i, options->value);
}

static double clock_seconds(void)
{
    return (double)clock_now_ns() / 1e9;
}

/* ---- Figures ---- */

enum figure {
    SAVE,
    LOAD,
    COPY,
    SET_ALL,
    LONGEST_SAVING,
    RARE_SAVING,
    LONGEST_ALONE,
    RARE_ALONE,
    FIGURES
};
static const char *const names[] = {"save",
                                    "load",
                                    "copy of the file",
                                    "set one by one",
                                    "longest set beside a save",
                                    "  one in 100 000 takes more",
                                    "longest set without one",
                                    "  one in 100 000 takes more"};
static double figures[FIGURES][ROUNDS_MAX];

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(enum figure figure, unsigned rounds)
{
    qsort(figures[figure], rounds, sizeof(double), compare);
    return figures[figure][rounds / 2];
}

static void copy_file(void)
{
    static char buffer[1 << 18];
    const int from = open(path, O_RDONLY), to = open(copy, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ssize_t size;

    while ((size = read(from, buffer, sizeof buffer)) > 0) {
        if (write(to, buffer, (size_t)size) != size)
            check(MEMSTORE_ERR_IO, "copy");
    }
    close(from);
    close(to);
}

/* ---- A writer, beside a save and without one ---- */

struct writer {
    memstore *store;
    const struct options *options;
    atomic_bool stops;
    /* Calls by what they took, in microseconds; the last holds all that took longer. */
    unsigned took[TOOK_MAX + 1];
    double longest;
};

static void *write_on(void *context)
{
    struct writer *writer = context;

    for (unsigned i = 0; !atomic_load(&writer->stops); i++) {
        const double before = clock_seconds();

        set_one(writer->store, i * 7919 % writer->options->entries, writer->options->value);
        const double took = clock_seconds() - before;
        writer->took[took * 1e6 < TOOK_MAX ? (unsigned)(took * 1e6) : TOOK_MAX]++;
        writer->longest = took > writer->longest ? took : writer->longest;
    }
    return NULL;
}

/* What one call in 100 000 takes longer than. */
static double rare(const struct writer *writer)
{
    uint64_t calls = 0, longer = 0;
    unsigned at = TOOK_MAX;

    for (unsigned i = 0; i <= TOOK_MAX; i++)
        calls += writer->took[i];
    while (at != 0 && (longer += writer->took[at]) <= calls / 100000)
        at--;
    return (at + 1) / 1e6;
}

static void wait_for(double seconds)
{
    const struct timespec time = {(time_t)seconds,
                                  (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&time, NULL);
}

/* Sets beside a save, or for so many seconds without one; returns how long that was. */
static double watch_writer(memstore *store, const struct options *options, unsigned round,
                           double seconds)
{
    struct writer *const writer = calloc(1, sizeof *writer);
    const bool saves = seconds == 0;
    pthread_t thread;

    writer->store = store;
    writer->options = options;
    pthread_create(&thread, NULL, write_on, writer);
    const double began = clock_seconds();
    if (saves)
        check(memstore_save(store, path, NULL, NULL), "save");
    else
        wait_for(seconds);
    const double took = clock_seconds() - began;
    atomic_store(&writer->stops, true);
    pthread_join(thread, NULL);
    figures[saves ? LONGEST_SAVING : LONGEST_ALONE][round] = writer->longest;
    figures[saves ? RARE_SAVING : RARE_ALONE][round] = rare(writer);
    free(writer);
    return took;
}

/* ---- Rounds ---- */

static double timed(double began)
{
    return clock_seconds() - began;
}

static void run_round(const struct options *options, unsigned round)
{
    memstore *store = open_store(options);
    double began = clock_seconds();

    fill(store, options);
    figures[SET_ALL][round] = timed(began);
    began = clock_seconds();
    check(memstore_save(store, path, NULL, NULL), "save");
    figures[SAVE][round] = timed(began);
    began = clock_seconds();
    copy_file();
    figures[COPY][round] = timed(began);
    memstore *loaded = open_store(options);
    began = clock_seconds();
    check(memstore_load(loaded, path, NULL, NULL), "load");
    figures[LOAD][round] = timed(began);
    if (memstore_size(loaded) != options->entries)
        check(MEMSTORE_ERR_CORRUPT_SNAPSHOT, "entries are missing");
    memstore_destroy(loaded);
    watch_writer(store, options, round, watch_writer(store, options, round, 0));
    memstore_destroy(store);
}

static void report(const struct options *options)
{
    const double copied = median(COPY, options->rounds);
    struct stat status;

    stat(path, &status);
    printf("%u entries of %u bytes, a file of %.1f MB, compression %s, %s shards, %u rounds\n",
           options->entries, options->value, (double)status.st_size / 1e6, options->compression,
           options->shards, options->rounds);
    for (enum figure figure = 0; figure < FIGURES; figure++) {
        const double seconds = median(figure, options->rounds);

        printf("%-28s %9.3f ms", names[figure], seconds * 1e3);
        if (figure >= LONGEST_SAVING)
            printf("  %9.3f ms at least", figures[figure][0] * 1e3);
        else
            printf("  %8.1f ns an entry  %6.2f times the copy", seconds * 1e9 / options->entries,
                   seconds / copied);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"entries", 1, NULL, 'e'},
                                          {"value", 1, NULL, 'v'},
                                          {"rounds", 1, NULL, 'r'},
                                          {"folder", 1, NULL, 'f'},
                                          {"compression", 1, NULL, 'c'},
                                          {"shards", 1, NULL, 's'},
                                          {0}};
    struct options options = {1000000, 100, 5, "/tmp", "none", "1024"};
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 'e':
            options.entries = (unsigned)atoi(optarg);
            break;
        case 'v':
            options.value = (unsigned)atoi(optarg);
            break;
        case 'r':
            options.rounds = (unsigned)atoi(optarg);
            break;
        case 'f':
            options.folder = optarg;
            break;
        case 'c':
            options.compression = optarg;
            break;
        case 's':
            options.shards = optarg;
            break;
        default:
            return 2;
        }
    }
    if (options.entries == 0 || options.value > sizeof value || options.rounds == 0 ||
        options.rounds > ROUNDS_MAX)
        return 2;
    snprintf(path, sizeof path, "%s/bench_snapshot.%d", options.folder, (int)getpid());
    snprintf(copy, sizeof copy, "%s/bench_snapshot_copy.%d", options.folder, (int)getpid());
    for (unsigned round = 0; round < options.rounds; round++)
        run_round(&options, round);
    report(&options);
    unlink(path);
    unlink(copy);
    return 0;
}
