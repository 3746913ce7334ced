/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring.track_operation_latency and monitoring.access_sample_ratio cost: the same calls, by
 * turns, in a store with the first and in one without; and, since the second can be changed, in one store
 * with it and without, whose entries lie where they lay.
 *
 * usage: bench_tracking [--entries N] [--hot N] [--calls N] [--rounds N] [--json=FILE]
 *
 * A round is so many calls without and with, over so many entries in an order of no pattern: few of them
 * are in the processor's caches and many are not; or all are, of those that are hot. From some 300000
 * entries on, all of which are read first, not more keys are followed than the ratio says. Told are medians: of a call without, and of the
 * differences in the rounds; of a get with latencies also whether it is within the aim. */
#include "common/json.h"

#include <memstore/memstore.h>

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 999
#define KEY_SIZE 24
#define MANY 50 /* keys of a get_many, each of which is a call */

/* What a get may take more with track_operation_latency. */
#define GET_AIM_NS 3.0

static unsigned entries = 100000, hot, calls = 200000, rounds = 31; /* hot: 0 = all */
static char (*keys)[KEY_SIZE + 1];
static unsigned *order; /* which key each call asks for */
static char value[100];
static const char *json_path;
static struct json json; /* open while json_path is given */

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

static void get_many_all(memstore *store)
{
    memstore_key asked[MANY];
    memstore_view views[MANY];
    size_t found;

    for (unsigned i = 0; i + MANY <= calls; i += MANY) {
        for (unsigned k = 0; k < MANY; k++)
            asked[k] = (memstore_key){keys[order[i + k]], KEY_SIZE};
        memstore_get_many(store, asked, MANY, views, &found);
        memstore_view_release_many(views, MANY);
    }
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

static void report(const char *name, const char *what, double aim_ns, double off[],
                   const double on[])
{
    double more[ROUNDS_MAX];

    for (unsigned round = 0; round < rounds; round++)
        more[round] = on[round] - off[round];
    const double without = median(off), difference = median(more);
    printf("%-9s %8.1f ns without, %+6.2f ns (%+5.1f %%) with %s", name, without, difference,
           100 * difference / without, what);
    if (aim_ns > 0)
        printf("  (at most %g: %s)", aim_ns, difference <= aim_ns ? "reached" : "MISSED");
    printf("\n");
    if (json_path == NULL)
        return;
    json_open_object(&json, NULL);
    json_string(&json, "operation", name);
    json_string(&json, "setting", what);
    json_number(&json, "ns_without", without);
    json_number(&json, "ns_more", difference);
    json_close_object(&json);
}

static void measure_latency(const char *name, void (*all)(memstore *), memstore *stores[2])
{
    double off[ROUNDS_MAX], on[ROUNDS_MAX];

    for (unsigned round = 0; round < rounds; round++) {
        off[round] = time_of(all, stores[0]);
        on[round] = time_of(all, stores[1]);
    }
    report(name, "track_operation_latency", all == get_all ? GET_AIM_NS : 0, off, on);
}

static void follow(memstore *store, const char *ratio)
{
    if (memstore_reconfigure(store, "monitoring.access_sample_ratio", ratio) != MEMSTORE_OK) {
        fprintf(stderr, "bench_tracking: keys cannot be followed\n");
        exit(1);
    }
    char buf[sizeof value];
    size_t size;
    for (unsigned i = 0; i < entries; i++)
        memstore_get(store, keys[i], KEY_SIZE, buf, sizeof buf, &size);
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
    report(name, what, 0, off, on);
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
        snprintf(keys[i], sizeof keys[i], "bench/tracking/%09u", i % 1000000000u);
    for (unsigned i = 0; i < calls; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        order[i] = (unsigned)((random >> 32) * (hot != 0 && hot < entries ? hot : entries) >> 32);
    }
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"entries", required_argument, NULL, 'e'}, {"hot", required_argument, NULL, 'h'},
        {"calls", required_argument, NULL, 'c'},   {"rounds", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},    {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j') {
            json_path = optarg;
            continue;
        }
        const unsigned number = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

        if (number == 0 || (option == 'r' && number > ROUNDS_MAX)) {
            fprintf(stderr,
                    "usage: bench_tracking [--entries N] [--hot N] [--calls N] [--rounds N] "
                    "[--json=FILE]\n");
            exit(2);
        }
        *(option == 'e'   ? &entries
          : option == 'h' ? &hot
          : option == 'c' ? &calls
                          : &rounds) = number;
    }
}

static void open_json(void)
{
    FILE *out = json_path != NULL ? fopen(json_path, "w") : NULL;

    if (json_path == NULL)
        return;
    if (out == NULL) {
        perror(json_path);
        exit(1);
    }
    json_init(&json, out);
    json_open_object(&json, NULL);
    json_unsigned(&json, "entries", entries);
    json_unsigned(&json, "calls", calls);
    json_unsigned(&json, "rounds", rounds);
    json_open_array(&json, "costs");
}

static bool close_json(void)
{
    if (json_path == NULL)
        return true;
    json_close_array(&json);
    json_close_object(&json);
    return fclose(json.out) == 0;
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    make_keys();
    memstore *stores[2] = {open_store("false"), open_store("true")};

    open_json();
    printf("%u entries, %u calls a round, %u rounds\n", entries, calls, rounds);
    measure("get", get_all, stores);
    measure("has", has_all, stores);
    measure("get_view", view_all, stores);
    measure("get_many", get_many_all, stores);
    measure("set", set_all, stores);
    const bool is_written = close_json();
    memstore_destroy(stores[0]);
    memstore_destroy(stores[1]);
    free(keys);
    free(order);
    return is_written ? 0 : 1;
}
