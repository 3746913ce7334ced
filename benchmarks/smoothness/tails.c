/* SPDX-License-Identifier: Apache-2.0 */
#include "smoothness/tails.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[TAILS_KINDS] = {"nothing", "spin", "get", "set"};

void tails_merge(struct tails *into, const struct tails *from)
{
    for (unsigned kind = 0; kind < TAILS_KINDS; kind++)
        histogram_merge(&into->of[kind], &from->of[kind]);
}

static void print_percentiles(const struct tails *tails)
{
    const int64_t clock = (int64_t)histogram_percentile(&tails->of[TAILS_NOTHING], 0.5);

    puts(
        "ns            count    mean     p50     p99   p99.9   p99.99         max  p99.9 above the "
        "clock");
    for (unsigned kind = 0; kind < TAILS_KINDS; kind++) {
        const struct histogram *calls = &tails->of[kind];
        const uint64_t p999 = histogram_percentile(calls, 0.999);

        if (calls->count != 0)
            printf("%-8s %10" PRIu64 " %7.0f %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8" PRIu64
                   " %11" PRIu64 " %7" PRId64 "\n",
                   names[kind], calls->count, histogram_mean(calls),
                   histogram_percentile(calls, 0.5), histogram_percentile(calls, 0.99), p999,
                   histogram_percentile(calls, 0.9999), calls->max, (int64_t)p999 - clock);
    }
}

/* Calls that took below 2^exponent ns and no less than half of that. */
static uint64_t count_below(const struct histogram *calls, unsigned exponent)
{
    const unsigned end = histogram_bucket(UINT64_C(1) << exponent);
    uint64_t count = 0;

    for (unsigned i = histogram_bucket(UINT64_C(1) << (exponent - 1)); i < end; i++)
        count += calls->buckets[i];
    return count;
}

static void print_histograms(const struct tails *tails)
{
    puts("       below ns      nothing         spin          get          set");
    for (unsigned exponent = 1; exponent < 40; exponent++) {
        uint64_t counts[TAILS_KINDS], all = 0;

        for (unsigned kind = 0; kind < TAILS_KINDS; kind++)
            all += counts[kind] = count_below(&tails->of[kind], exponent);
        if (all != 0)
            printf("%15" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
                   UINT64_C(1) << exponent, counts[TAILS_NOTHING], counts[TAILS_SPIN],
                   counts[TAILS_GET], counts[TAILS_SET]);
    }
}

void tails_print(const struct tails *tails)
{
    print_percentiles(tails);
    print_histograms(tails);
}

static void write_histogram(const struct histogram *calls, struct json *json)
{
    json_open_array(json, "below");
    for (unsigned exponent = 1; exponent < 40; exponent++) {
        const uint64_t count = count_below(calls, exponent);

        if (count == 0)
            continue;
        json_open_array(json, NULL);
        json_unsigned(json, NULL, UINT64_C(1) << exponent);
        json_unsigned(json, NULL, count);
        json_close_array(json);
    }
    json_close_array(json);
}

void tails_write_json(const struct tails *tails, struct json *json, const char *name)
{
    json_open_array(json, name);
    for (unsigned kind = 0; kind < TAILS_KINDS; kind++) {
        const struct histogram *calls = &tails->of[kind];

        if (calls->count == 0)
            continue;
        json_open_object(json, NULL);
        json_string(json, "operation", names[kind]);
        json_unsigned(json, "count", calls->count);
        json_number(json, "mean_ns", histogram_mean(calls));
        json_unsigned(json, "p50_ns", histogram_percentile(calls, 0.5));
        json_unsigned(json, "p99_ns", histogram_percentile(calls, 0.99));
        json_unsigned(json, "p99_9_ns", histogram_percentile(calls, 0.999));
        json_unsigned(json, "p99_99_ns", histogram_percentile(calls, 0.9999));
        json_unsigned(json, "max_ns", calls->max);
        write_histogram(calls, json);
        json_close_object(json);
    }
    json_close_array(json);
}
