/* SPDX-License-Identifier: Apache-2.0 */
/* What calls cost as a store grows, in entries, in the size of values, in shards and in threads: a curve
 * for each, of which every other measure stays as it is.
 *
 * usage: bench_growth [--most ENTRIES] [--curve NAME]... [--json FILE]
 *
 * Curves: entries, values, shards, threads; all without --curve. --most bounds the entries of each point (50
 * million without it, which takes some 3 GiB and minutes). plot_growth.py draws the results. */
#include "common/json.h"
#include "growth/point.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 12 };

struct curve {
    const char *name, *what;
    struct point points[MOST_POINTS]; /* ended by one without entries */
};

#define POINT(count, size, parts, workers)                                                         \
    {.entries = (count), .value_size = (size), .shards = (parts), .threads = (workers)}

static const struct curve curves[] = {
    {"entries",
     "entries, with values of 8 bytes",
     {POINT(10000, 8, 1024, 1), POINT(100000, 8, 1024, 1), POINT(300000, 8, 1024, 1),
      POINT(1000000, 8, 1024, 1), POINT(3000000, 8, 1024, 1), POINT(10000000, 8, 1024, 1),
      POINT(50000000, 8, 1024, 1)}},
    {"values",
     "bytes a value",
     {POINT(1000000, 8, 1024, 1), POINT(1000000, 64, 1024, 1), POINT(1000000, 512, 1024, 1),
      POINT(200000, 4096, 1024, 1), POINT(30000, 32768, 1024, 1), POINT(4000, 262144, 1024, 1),
      POINT(1000, 1048576, 1024, 1)}},
    {"shards",
     "shards, with a million entries",
     {POINT(1000000, 100, 1, 1), POINT(1000000, 100, 16, 1), POINT(1000000, 100, 256, 1),
      POINT(1000000, 100, 1024, 1), POINT(1000000, 100, 4096, 1), POINT(1000000, 100, 65536, 1)}},
    {"threads",
     "threads, with a million entries",
     {POINT(1000000, 100, 1024, 1), POINT(1000000, 100, 1024, 2), POINT(1000000, 100, 1024, 4),
      POINT(1000000, 100, 1024, 16)}},
};

enum { CURVES = sizeof curves / sizeof curves[0] };

struct options {
    uint64_t most;
    bool wanted[CURVES];
    const char *json;
};

static void show(const struct point *point, const struct cost *cost)
{
    printf("%10llu %8llu %6u %4u  %8.0f %8.0f %9.0f  %10.3f %6llu  %8.1f\n",
           (unsigned long long)point->entries, (unsigned long long)point->value_size, point->shards,
           point->threads, cost->fill, cost->get, cost->overwrite, (double)cost->longest_set / 1e6,
           (unsigned long long)cost->slow_sets, cost->bytes_an_entry);
    fflush(stdout);
}

static void write_point(struct json *json, const struct point *point, const struct cost *cost)
{
    json_open_object(json, NULL);
    json_unsigned(json, "entries", point->entries);
    json_unsigned(json, "value_size", point->value_size);
    json_unsigned(json, "shards", point->shards);
    json_unsigned(json, "threads", point->threads);
    json_number(json, "fill_ns", cost->fill);
    json_number(json, "get_ns", cost->get);
    json_number(json, "overwrite_ns", cost->overwrite);
    json_unsigned(json, "longest_set_ns", cost->longest_set);
    json_unsigned(json, "sets_over_1_ms", cost->slow_sets);
    json_number(json, "overhead_bytes", cost->bytes_an_entry);
    json_close_object(json);
}

static void run_curve(const struct curve *curve, uint64_t most, struct json *json)
{
    printf("\n%s\n%10s %8s %6s %4s  %8s %8s %9s  %10s %6s  %8s\n", curve->what, "entries", "value",
           "shards", "thr.", "fill, ns", "get, ns", "overwr.", "longest ms", "> 1 ms", "over, B");
    if (json != NULL)
        json_open_array(json, curve->name);
    for (unsigned i = 0; i < MOST_POINTS && curve->points[i].entries != 0; i++) {
        if (curve->points[i].entries > most)
            continue;
        const struct cost cost = point_measure(&curve->points[i]);
        show(&curve->points[i], &cost);
        if (json != NULL)
            write_point(json, &curve->points[i], &cost);
    }
    if (json != NULL)
        json_close_array(json);
}

static bool choose(struct options *options, const char *name)
{
    for (unsigned i = 0; i < CURVES; i++) {
        if (strcmp(curves[i].name, name) == 0)
            return options->wanted[i] = true;
    }
    fprintf(stderr, "bench_growth: there is no curve '%s'\n", name);
    return false;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {{"most", required_argument, NULL, 'm'},
                                          {"curve", required_argument, NULL, 'c'},
                                          {"json", required_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    bool chosen = false;

    for (int letter; (letter = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (letter == 'm')
            options->most = strtoull(optarg, NULL, 10);
        else if (letter == 'j')
            options->json = optarg;
        else if (letter == 'c' && choose(options, optarg))
            chosen = true;
        else
            return false;
    }
    for (unsigned i = 0; i < CURVES && !chosen; i++)
        options->wanted[i] = true;
    return optind == argc && options->most != 0;
}

int main(int argc, char **argv)
{
    struct options options = {.most = 50000000};
    struct json json;
    FILE *out = NULL;

    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: bench_growth [--most ENTRIES] [--curve NAME]... [--json FILE]\n");
        return 2;
    }
    if (options.json != NULL && (out = fopen(options.json, "w")) == NULL) {
        perror(options.json);
        return 1;
    }
    if (out != NULL) {
        json_init(&json, out);
        json_open_object(&json, NULL);
    }
    for (unsigned i = 0; i < CURVES; i++) {
        if (options.wanted[i])
            run_curve(&curves[i], options.most, out != NULL ? &json : NULL);
    }
    if (out != NULL)
        json_close_object(&json);
    return out == NULL || fclose(out) == 0 ? 0 : 1;
}
