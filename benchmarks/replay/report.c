/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/report.h"

#include "common/json.h"
#include <inttypes.h>
#include <memstore/memstore.h>
#include <string.h>

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static double requests_per_second(const struct run_result *result, const struct workload *workload)
{
    return result->seconds > 0.0 ? (double)workload->count / result->seconds : 0.0;
}

static uint64_t refused_writes(const struct run_result *result)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < RUN_STATUSES; i++)
        sum += result->counts.refused[i];
    return sum;
}

void report_workload(FILE *out, const char *name, const struct workload *workload)
{
    fprintf(out,
            "%s: %zu requests, %" PRIu64
            " keys (%.0f %% requested once), %.1f MB of distinct keys and values, mean "
            "%.0f B\n",
            name, workload->count, workload->distinct_keys,
            100.0 * ratio(workload->one_hit_keys, workload->distinct_keys),
            (double)workload->footprint_bytes / 1e6,
            ratio(workload->footprint_bytes, workload->distinct_keys));
}

/* ---- Table ---- */

static void print_size(FILE *out, uint64_t bytes)
{
    if (bytes >= 10000000)
        fprintf(out, "%7.1f MB", (double)bytes / 1e6);
    else
        fprintf(out, "%7.1f kB", (double)bytes / 1e3);
}

static void print_latency(FILE *out, const char *name, const struct histogram *histogram)
{
    fprintf(out, "%s %" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64, name,
            histogram_percentile(histogram, 0.5), histogram_percentile(histogram, 0.99),
            histogram_percentile(histogram, 0.999), histogram->max);
}

static void print_faults(FILE *out, const struct run_result *result)
{
    if (result->counts.wrong_values)
        fprintf(out, "       WRONG VALUES: %" PRIu64 "\n", result->counts.wrong_values);
    for (int i = 0; i < RUN_STATUSES; i++) {
        if (result->counts.failed_reads[i])
            fprintf(out, "       FAILED READS: %" PRIu64 " %s\n", result->counts.failed_reads[i],
                    memstore_status_name(-i));
        if (result->counts.refused[i])
            fprintf(out, "       writes refused: %" PRIu64 " %s\n", result->counts.refused[i],
                    memstore_status_name(-i));
    }
}

static void print_row(FILE *out, const struct workload *workload, const struct report_row *row)
{
    const struct run_result *result = &row->result;

    fprintf(out, "%-7s %10s ", row->eviction, row->budget->text);
    print_size(out, row->limit_bytes);
    if (result->refusal[0]) {
        fprintf(out, "  refused: %s\n", result->refusal);
        return;
    }
    fprintf(out, " %7.2f %7.2f %8.3f %9" PRIu64 " %7.0f %9.1f %10" PRIu64 "  ",
            100.0 * ratio(result->counts.hits, result->counts.gets),
            100.0 - 100.0 * ratio(result->counts.hits, result->counts.gets),
            requests_per_second(result, workload) / 1e6, result->entries,
            ratio(result->charged_bytes, result->entries),
            result->entries ? ratio(result->charged_bytes, result->entries) -
                                  ratio(result->live_key_value_bytes, result->entries)
                            : 0.0,
            result->evictions);
    print_latency(out, "get", &result->get_ns);
    print_latency(out, "  set", &result->set_ns);
    fputc('\n', out);
    print_faults(out, result);
}

void report_table(FILE *out, const struct workload *workload, const struct report_row *rows,
                  size_t count)
{
    fprintf(out, "%-7s %10s %10s %7s %7s %8s %9s %7s %9s %10s  %s\n", "policy", "budget", "limit",
            "hit %", "miss %", "Mreq/s", "entries", "B/entry", "over k+v", "evictions",
            "ns p50/p99/p99.9/max");
    for (size_t i = 0; i < count; i++)
        print_row(out, workload, &rows[i]);
}

/* ---- JSON ---- */

static void json_latency(struct json *json, const char *name, const struct histogram *histogram)
{
    json_open_object(json, name);
    json_unsigned(json, "count", histogram->count);
    json_number(json, "mean", histogram_mean(histogram));
    json_unsigned(json, "p50", histogram_percentile(histogram, 0.5));
    json_unsigned(json, "p99", histogram_percentile(histogram, 0.99));
    json_unsigned(json, "p99_9", histogram_percentile(histogram, 0.999));
    json_unsigned(json, "max", histogram->max);
    json_close_object(json);
}

static void json_statuses(struct json *json, const char *name, const uint64_t counts[RUN_STATUSES])
{
    json_open_object(json, name);
    for (int i = 0; i < RUN_STATUSES; i++) {
        if (counts[i])
            json_unsigned(json, memstore_status_name(-i), counts[i]);
    }
    json_close_object(json);
}

static void json_counts(struct json *json, const struct run_result *result)
{
    const struct run_counts *counts = &result->counts;

    json_unsigned(json, "gets", counts->gets);
    json_unsigned(json, "hits", counts->hits);
    json_number(json, "hit_ratio", ratio(counts->hits, counts->gets));
    json_number(json, "miss_ratio", 1.0 - ratio(counts->hits, counts->gets));
    json_number(json, "byte_miss_ratio", 1.0 - ratio(counts->hit_bytes, counts->get_bytes));
    json_unsigned(json, "sets", counts->sets);
    json_unsigned(json, "deletes", counts->deletes);
    json_unsigned(json, "wrong_values", counts->wrong_values);
    json_unsigned(json, "refused_writes", refused_writes(result));
    json_statuses(json, "refused_by_status", counts->refused);
    json_statuses(json, "failed_reads_by_status", counts->failed_reads);
}

static void json_memory(struct json *json, const struct run_result *result)
{
    json_unsigned(json, "entries", result->entries);
    json_unsigned(json, "charged_bytes", result->charged_bytes);
    json_unsigned(json, "key_value_bytes", result->live_key_value_bytes);
    json_number(json, "bytes_per_entry", ratio(result->charged_bytes, result->entries));
    json_number(json, "overhead_per_entry",
                ratio(result->charged_bytes, result->entries) -
                    ratio(result->live_key_value_bytes, result->entries));
    json_unsigned(json, "resident_growth_bytes", result->resident_growth_bytes);
    json_unsigned(json, "capacity_bytes", result->capacity_bytes);
    json_number(json, "write_amplification",
                1.0 + ratio(result->moved_bytes, result->written_bytes));
}

static void json_row(struct json *json, const struct workload *workload,
                     const struct report_row *row)
{
    const struct run_result *result = &row->result;

    json_open_object(json, NULL);
    json_string(json, "eviction", row->eviction);
    json_string(json, "budget", row->budget->text);
    json_unsigned(json, "limit_bytes", row->limit_bytes);
    json_number(json, "share_of_footprint", ratio(row->limit_bytes, workload->footprint_bytes));
    if (result->refusal[0]) {
        json_string(json, "refused", result->refusal);
    } else {
        json_counts(json, result);
        json_number(json, "seconds", result->seconds);
        json_number(json, "requests_per_second", requests_per_second(result, workload));
        json_latency(json, "get_ns", &result->get_ns);
        json_latency(json, "set_ns", &result->set_ns);
        json_memory(json, result);
        json_unsigned(json, "evictions", result->evictions);
        json_unsigned(json, "expirations", result->expirations);
    }
    json_close_object(json);
}

void report_json(FILE *out, const char *name, const struct workload *workload,
                 const struct options *options, const struct report_row *rows, size_t count)
{
    struct json json;

    json_init(&json, out);
    json_open_object(&json, NULL);
    json_string(&json, "program", "replay");
    json_string(&json, "memstore", MEMSTORE_VERSION_STRING);
    json_open_object(&json, "workload");
    json_string(&json, "name", name);
    json_unsigned(&json, "requests", workload->count);
    json_unsigned(&json, "distinct_keys", workload->distinct_keys);
    json_unsigned(&json, "one_hit_keys", workload->one_hit_keys);
    json_unsigned(&json, "footprint_bytes", workload->footprint_bytes);
    json_close_object(&json);
    json_unsigned(&json, "threads", options->run.threads);
    json_number(&json, "speed", options->run.speed);
    json_bool(&json, "values_verified", options->run.verify);
    json_open_array(&json, "settings");
    for (unsigned i = 0; i < options->run.setting_count; i++)
        json_string(&json, NULL, options->run.settings[i]);
    json_close_array(&json);
    json_open_array(&json, "runs");
    for (size_t i = 0; i < count; i++)
        json_row(&json, workload, &rows[i]);
    json_close_array(&json);
    json_close_object(&json);
}
