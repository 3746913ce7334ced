/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring.track_operation_latency and monitoring.access_sample_ratio cost: the same calls, by
 * turns, in a store with the first and in one without; and, since the second can be changed, in one store
 * with it and without, whose entries lie where they lay. */
#include <memstore/memstore.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define ENTRIES 100000
#define KEY_SIZE 24

static char keys[ENTRIES][KEY_SIZE + 1];
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
    for (int i = 0; i < ENTRIES; i++)
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

    for (int i = 0; i < ENTRIES; i++)
        memstore_get(store, keys[i], KEY_SIZE, buf, sizeof buf, &size);
}

static void has_all(memstore *store)
{
    for (int i = 0; i < ENTRIES; i++)
        memstore_has(store, keys[i], KEY_SIZE);
}

static void view_all(memstore *store)
{
    memstore_view view;

    for (int i = 0; i < ENTRIES; i++) {
        memstore_get_view(store, keys[i], KEY_SIZE, &view);
        memstore_view_release(&view);
    }
}

static void set_all(memstore *store)
{
    for (int i = 0; i < ENTRIES; i++)
        memstore_set(store, keys[i], KEY_SIZE, value, sizeof value, 0);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, compare);
    return times[ROUNDS / 2] / ENTRIES;
}

static double time_of(void (*all)(memstore *), memstore *store)
{
    const double start = now_ns();

    all(store);
    return now_ns() - start;
}

static void report(const char *name, const char *what, double off[], double on[])
{
    double ratios[ROUNDS];

    for (int round = 0; round < ROUNDS; round++)
        ratios[round] = on[round] / off[round] * ENTRIES;
    printf("%-9s %8.1f ns without, %+6.1f %% with %s\n", name, median(off),
           100 * (median(ratios) - 1), what);
}

static void measure_latency(const char *name, void (*all)(memstore *), memstore *stores[2])
{
    double off[ROUNDS], on[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
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
    double off[ROUNDS], on[ROUNDS];
    char what[64];

    for (int round = 0; round < ROUNDS; round++) {
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

int main(void)
{
    for (int i = 0; i < ENTRIES; i++)
        snprintf(keys[i], sizeof keys[i], "bench/tracking/%09d", i);
    memstore *stores[2] = {open_store("false"), open_store("true")};

    measure("get", get_all, stores);
    measure("has", has_all, stores);
    measure("get_view", view_all, stores);
    measure("set", set_all, stores);
    memstore_destroy(stores[0]);
    memstore_destroy(stores[1]);
    return 0;
}
