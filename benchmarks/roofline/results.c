/* SPDX-License-Identifier: Apache-2.0 */
#include "roofline/results.h"

#include "common/json.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const distribution_names[DISTRIBUTIONS] = {"uniform", "zipf 0.99", "new keys"};

struct cell *results_cell(struct results *results, enum case_id id, enum distribution distribution,
                          unsigned threads)
{
    struct cell *cell;

    for (unsigned i = 0; i < results->cell_count; i++) {
        cell = &results->cells[i];
        if (cell->id == id && cell->distribution == distribution && cell->threads == threads)
            return cell;
    }
    if (results->cell_count == RESULTS_MAX_CELLS)
        abort();
    cell = &results->cells[results->cell_count++];
    *cell = (struct cell){.id = id, .distribution = distribution, .threads = threads};
    return cell;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Share 0 is the least of them, 0.5 the median. */
static double quantile(const double *values, unsigned count, double share)
{
    double sorted[RESULTS_MAX_ROUNDS];

    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare);
    return sorted[(unsigned)(share * (count - 1) + 0.5)];
}

static double median_ratio(const struct cell *cell, unsigned rounds)
{
    double ratios[RESULTS_MAX_ROUNDS];

    for (unsigned i = 0; i < rounds; i++)
        ratios[i] = cell->ns[i] / cell->reference_ns[i];
    return quantile(ratios, rounds, 0.5);
}

static void print_cell(FILE *out, const struct cell *cell, unsigned rounds)
{
    const struct bench_case *bench_case = &bench_cases[cell->id];
    double ratio = median_ratio(cell, rounds);

    fprintf(out, "%-10s %7u  %-11s %8.1f %8.1f %8.1f", distribution_names[cell->distribution],
            cell->threads, bench_case->name, quantile(cell->ns, rounds, 0.5),
            quantile(cell->ns, rounds, 0.0), quantile(cell->ns, rounds, 1.0));
    if (bench_case->reference != cell->id)
        fprintf(out, "  %5.2f x %s", ratio, bench_cases[bench_case->reference].name);
    if (bench_case->target > 0.0)
        fprintf(out, "  (at most %.2f: %s)", bench_case->target,
                ratio <= bench_case->target ? "reached" : "MISSED");
    fputc('\n', out);
}

/* The cell of the same case on the fewest threads. */
static const struct cell *base_of(const struct results *results, const struct cell *cell)
{
    const struct cell *base = cell;

    for (unsigned i = 0; i < results->cell_count; i++) {
        const struct cell *other = &results->cells[i];
        if (other->id == cell->id && other->distribution == cell->distribution &&
            other->threads < base->threads)
            base = other;
    }
    return base;
}

/* How many times the operations of `base` in the same time: the median of the rounds' ratios. */
static double scaling(const struct cell *base, const struct cell *cell, unsigned rounds)
{
    const double more = (double)cell->threads / base->threads;
    double ratios[RESULTS_MAX_ROUNDS];

    for (unsigned i = 0; i < rounds; i++)
        ratios[i] = more * base->ns[i] / cell->ns[i];
    return quantile(ratios, rounds, 0.5);
}

static void print_scaling(FILE *out, const struct results *results, const struct cell *cell)
{
    const struct bench_case *bench_case = &bench_cases[cell->id];
    const struct cell *base = base_of(results, cell);

    if (base == cell || cell->id == CASE_EMPTY)
        return;
    const double times = scaling(base, cell, results->rounds);
    fprintf(out, "%-10s %3u ->%2u  %-11s %8.2f x", distribution_names[cell->distribution],
            base->threads, cell->threads, bench_case->name, times);
    if (bench_case->scaling > 0.0 && base->threads == 1 && cell->threads == 2)
        fprintf(out, "  (at least %.2f: %s)", bench_case->scaling,
                times >= bench_case->scaling ? "reached" : "MISSED");
    fputc('\n', out);
}

void results_table(FILE *out, const struct results *results)
{
    fprintf(out,
            "%" PRIu64 " entries of %d + %d B, limit %.0f MiB, %s pages, %" PRIu64
            " operations a thread, %u rounds, "
            "values %s\n",
            results->entries, BENCH_KEY_SIZE, VALUE_SIZE, (double)results->memory_limit / 1048576.0,
            results->pages, results->operations, results->rounds,
            results->correct ? "all right" : "WRONG");
    fprintf(out, "%-10s %7s  %-11s %8s %8s %8s  %s\n", "keys", "threads", "operation", "median",
            "least", "most", "median of the rounds' ratios");
    for (unsigned i = 0; i < results->cell_count; i++)
        print_cell(out, &results->cells[i], results->rounds);
    if (results->entries_left)
        fprintf(out, "after all overwrites %" PRIu64 " of %" PRIu64 " entries are left\n",
                results->entries_left, results->entries);
    fprintf(
        out,
        "%s in ns for an operation and thread, the cost of reading the stream (`empty`) included\n",
        results->clock);
    fprintf(out, "\n%-10s %7s  %-11s %8s  median of the rounds' ratios\n", "keys", "threads",
            "operation", "scaling");
    for (unsigned i = 0; i < results->cell_count; i++)
        print_scaling(out, results, &results->cells[i]);
}

static void json_cell(struct json *json, const struct results *results, const struct cell *cell)
{
    const struct cell *base = base_of(results, cell);
    const unsigned rounds = results->rounds;
    const struct bench_case *bench_case = &bench_cases[cell->id];

    json_open_object(json, NULL);
    json_string(json, "keys", distribution_names[cell->distribution]);
    json_unsigned(json, "threads", cell->threads);
    json_string(json, "operation", bench_case->name);
    json_number(json, "median_ns", quantile(cell->ns, rounds, 0.5));
    json_number(json, "least_ns", quantile(cell->ns, rounds, 0.0));
    json_open_array(json, "rounds_ns");
    for (unsigned i = 0; i < rounds; i++)
        json_number(json, NULL, cell->ns[i]);
    json_close_array(json);
    if (bench_case->reference != cell->id) {
        json_string(json, "reference", bench_cases[bench_case->reference].name);
        json_number(json, "ratio", median_ratio(cell, rounds));
    }
    if (bench_case->target > 0.0)
        json_number(json, "target_ratio", bench_case->target);
    if (base != cell) {
        json_unsigned(json, "scaling_from_threads", base->threads);
        json_number(json, "scaling", scaling(base, cell, rounds));
    }
    json_close_object(json);
}

void results_json(FILE *out, const struct results *results)
{
    struct json json;

    json_init(&json, out);
    json_open_object(&json, NULL);
    json_string(&json, "program", "bench_roofline");
    json_string(&json, "memstore", MEMSTORE_VERSION_STRING);
    json_unsigned(&json, "entries", results->entries);
    json_unsigned(&json, "key_size", BENCH_KEY_SIZE);
    json_unsigned(&json, "value_size", VALUE_SIZE);
    json_unsigned(&json, "memory_limit", results->memory_limit);
    json_string(&json, "pages", results->pages);
    json_string(&json, "clock", results->clock);
    json_unsigned(&json, "operations", results->operations);
    json_unsigned(&json, "rounds", results->rounds);
    json_bool(&json, "values_correct", results->correct);
    if (results->entries_left)
        json_unsigned(&json, "entries_left_after_overwrites", results->entries_left);
    json_open_array(&json, "cells");
    for (unsigned i = 0; i < results->cell_count; i++)
        json_cell(&json, results, &results->cells[i]);
    json_close_array(&json);
    json_close_object(&json);
}
