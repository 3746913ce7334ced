/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring.track_operation_latency and monitoring.access_sample_ratio cost: the same calls, by
 * turns, in a store with the first and in one without; and, since the second can be changed, in one store
 * with it and without, whose entries lie where they lay.
 *
 * usage: bench_tracking [--entries N] [--calls N] [--rounds N]
 *
 * A round is so many calls without and with, over so many entries in an order of no pattern: few of them
 * are in the processor's caches and many are not. Told are medians: of a call without, and of the
 * differences in the rounds. */
#include <memstore/memstore.h>

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 999
#define KEY_SIZE 24

static unsigned entries = 100000, calls = 200000, rounds = 31;
static char (*keys)[KEY_SIZE + 1];
static unsigned *order; /* which key each call asks for */
static char value[100];

static memstore *open_store(const char *measured)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;

    if (config == NULL ||
        memstore_config_set(config, "monitoring.track_operation_latency", measured) !=
            MEMSTORE_OK ||
        memstore_open(config, &store) != MEMSTORE_OK) {
        fprintf(stderr, "bench_tracking: the store does not open\n");
        exit(1);
    }
    memstore_config_free(config);
    for (unsigned i = 0; i < entries; i++)
        memstore_set(store, keys[i], KEY_SIZE, value, sizeof value, 0);
    return store;
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void get_all(memstore *store)
{
    char buf[sizeof value];
    size_t size;

    for (unsigned i = 0; i < calls; i++)
        memstore_get(store, keys[order[i]], KEY_SIZE, buf, sizeof buf, &size);
}

static void has_all(memstore *store)
{
    for (unsigned i = 0; i < calls; i++)
        memstore_has(store, keys[order[i]], KEY_SIZE);
}

static void view_all(memstore *store)
{
    memstore_view view;

    for (unsigned i = 0; i < calls; i++) {
        memstore_get_view(store, keys[order[i]], KEY_SIZE, &view);
        memstore_view_release(&view);
    }
}

static void set_all(memstore *store)
{
    for (unsigned i = 0; i < calls; i++)
        memstore_set(store, keys[order[i]], KEY_SIZE, value, sizeof value, 0);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, rounds, sizeof *times, compare);
    return times[rounds / 2] / calls;
}

static double time_of(void (*all)(memstore *), memstore *store)
{
    const double start = now_ns();

    all(store);
    return now_ns() - start;
}

static void report(const char *name, const char *what, double off[], const double on[])
{
    double more[ROUNDS_MAX];

    for (unsigned round = 0; round < rounds; round++)
        more[round] = on[round] - off[round];
    const double without = median(off), difference = median(more);
    printf("%-9s %8.1f ns without, %+6.2f ns (%+5.1f %%) with %s\n", name, without, difference,
           100 * difference / without, what);
}

static void measure_latency(const char *name, void (*all)(memstore *), memstore *stores[2])
{
    double off[ROUNDS_MAX], on[ROUNDS_MAX];

    for (unsigned round = 0; round < rounds; round++) {
        off[round] = time_of(all, stores[0]);
        on[round] = time_of(all, stores[1]);
    }
    report(name, "track_operation_latency", off, on);
}

static void follow(memstore *store, const char *ratio)
{
    if (memstore_reconfigure(store, "monitoring.access_sample_ratio", ratio) != MEMSTORE_OK) {
        fprintf(stderr, "bench_tracking: keys cannot be followed\n");
        exit(1);
    }
}

static void measure_following(const char *name, void (*all)(memstore *), memstore *store,
                              const char *ratio)
{
    double off[ROUNDS_MAX], on[ROUNDS_MAX];
    char what[64];

    for (unsigned round = 0; round < rounds; round++) {
        off[round] = time_of(all, store);
        follow(store, ratio);
        all(store);
        on[round] = time_of(all, store);
        follow(store, "0");
        all(store);
    }
    snprintf(what, sizeof what, "access_sample_ratio %s", ratio);
    report(name, what, off, on);
}

static void measure(const char *name, void (*all)(memstore *), memstore *stores[2])
{
    measure_latency(name, all, stores);
    measure_following(name, all, stores[0], "0.001");
    measure_following(name, all, stores[0], "0.01");
}

static void make_keys(void)
{
    uint64_t random = 1;

    keys = calloc(entries, sizeof *keys);
    order = calloc(calls, sizeof *order);
    if (keys == NULL || order == NULL)
        exit(1);
    for (unsigned i = 0; i < entries; i++)
        snprintf(keys[i], sizeof keys[i], "bench/tracking/%09u", i);
    for (unsigned i = 0; i < calls; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        order[i] = (unsigned)((random >> 32) * entries >> 32);
    }
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"entries", required_argument, NULL, 'e'},
                                            {"calls", required_argument, NULL, 'c'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const unsigned number = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

        if (number == 0 || (option == 'r' && number > ROUNDS_MAX)) {
            fprintf(stderr, "usage: bench_tracking [--entries N] [--calls N] [--rounds N]\n");
            exit(2);
        }
        *(option == 'e' ? &entries : option == 'c' ? &calls : &rounds) = number;
    }
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    make_keys();
    memstore *stores[2] = {open_store("false"), open_store("true")};

    printf("%u entries, %u calls a round, %u rounds\n", entries, calls, rounds);
    measure("get", get_all, stores);
    measure("has", has_all, stores);
    measure("get_view", view_all, stores);
    measure("set", set_all, stores);
    memstore_destroy(stores[0]);
    memstore_destroy(stores[1]);
    free(keys);
    free(order);
    return 0;
}
