/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring.track_operation_latency and monitoring.access_sample_ratio cost: the same calls, by
 * turns, in stores with them and in one without. */
#include <memstore/memstore.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define ENTRIES 100000
#define KEY_SIZE 24

static char keys[ENTRIES][KEY_SIZE + 1];
static char value[100];

/* The first one is what the others are compared with. */
static const struct {
    const char *key, *value;
} variants[] = {
    {"monitoring.track_operation_latency", "false"},
    {"monitoring.track_operation_latency", "true"},
    {"monitoring.access_sample_ratio", "0.001"},
    {"monitoring.access_sample_ratio", "0.01"},
};
#define VARIANTS (sizeof variants / sizeof *variants)

static memstore *open_store(size_t variant)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;

    if (config == NULL ||
        memstore_config_set(config, variants[variant].key, variants[variant].value) !=
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

static void measure(const char *name, void (*all)(memstore *), memstore *stores[VARIANTS])
{
    double times[VARIANTS][ROUNDS], ratios[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < VARIANTS; i++) {
            const double start = now_ns();

            all(stores[i]);
            times[i][round] = now_ns() - start;
        }
    }
    for (size_t i = 1; i < VARIANTS; i++) {
        for (int round = 0; round < ROUNDS; round++)
            ratios[round] = times[i][round] / times[0][round] * ENTRIES;
        printf("%-9s %-36s %-6s %+6.1f %%\n", name, variants[i].key, variants[i].value,
               100 * (median(ratios) - 1));
    }
    printf("%-9s %7.1f ns without\n", name, median(times[0]));
}

int main(void)
{
    memstore *stores[VARIANTS];

    for (int i = 0; i < ENTRIES; i++)
        snprintf(keys[i], sizeof keys[i], "bench/tracking/%09d", i);
    for (size_t i = 0; i < VARIANTS; i++)
        stores[i] = open_store(i);
    measure("get", get_all, stores);
    measure("has", has_all, stores);
    measure("get_view", view_all, stores);
    measure("set", set_all, stores);
    for (size_t i = 0; i < VARIANTS; i++)
        memstore_destroy(stores[i]);
    return 0;
}
