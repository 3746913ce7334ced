/* SPDX-License-Identifier: Apache-2.0 */
/* replay: what a trace of requests makes of a store: hit ratio, speed, latency and memory at one
 * or more limits. */
#include "replay/options.h"
#include "replay/picture.h"
#include "replay/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAULT = 1,
    EXIT_BAD_INPUT = 2,
    EXIT_REFUSED = 3,
    EXIT_NOT_WRITTEN = 4
};

static const char *workload_name(const struct options *options)
{
    if (options->generate)
        return options->ledger.mix == LEDGER_VAULT ? "generated vault" : "generated ledger";
    return options->path;
}

static bool load(const struct options *options, struct workload *workload)
{
    struct progress progress;
    char error[512];

    if (options->generate) {
        if (!ledger_generate(&options->ledger, workload)) {
            fputs("replay: no memory for the generated requests\n", stderr);
            return false;
        }
        return true;
    }
    progress_start(&progress, options->quiet, "reading");
    if (!reader_load(options->path, &options->reader, &progress, workload, error, sizeof error)) {
        fprintf(stderr, "replay: %s\n", error);
        return false;
    }
    return true;
}

static bool has_times(const struct workload *workload)
{
    for (size_t i = 0; i < workload->count; i++) {
        if (workload->requests[i].time_ms > 0)
            return true;
    }
    return false;
}

static bool can_be_replayed(const struct options *options, const struct workload *workload)
{
    if (options->run.speed <= 0.0 || has_times(workload))
        return true;
    fprintf(stderr, "replay: --speed: %s has no times\n", workload_name(options));
    return false;
}

static void run_all(const struct options *options, const struct workload *workload,
                    struct report_row *rows)
{
    for (int p = 0; p < options->policy_count; p++) {
        for (int b = 0; b < options->budget_count; b++, rows++) {
            struct run_options run = options->run;
            struct progress progress;
            char label[64];

            rows->budget = &options->budgets[b];
            rows->eviction = options->policies[p];
            rows->limit_bytes = budget_bytes(rows->budget, workload, options->overhead,
                                             options->share_has_overhead);
            run.limit_bytes = rows->limit_bytes;
            run.eviction = rows->eviction;
            snprintf(label, sizeof label, "%s at %s", rows->eviction, rows->budget->text);
            progress_start(&progress, options->quiet, label);
            run_replay(workload, &run, &progress, &rows->result);
        }
    }
}

static bool complain_unless(bool ok, const char *path)
{
    if (!ok)
        fprintf(stderr, "replay: %s: %s\n", path ? path : "standard output", strerror(errno));
    return ok;
}

static bool write_table(const struct options *options, const struct workload *workload,
                        const struct report_row *rows, size_t count)
{
    if (options->json && !options->json_path)
        return true;
    report_workload(stdout, workload_name(options), workload);
    report_table(stdout, workload, rows, count);
    return complain_unless(fflush(stdout) == 0 && !ferror(stdout), NULL);
}

static bool write_text(const struct options *options, const char *json, size_t size)
{
    FILE *out = options->json_path ? fopen(options->json_path, "w") : stdout;
    bool ok = out && fwrite(json, 1, size, out) == size;

    if (out && (out == stdout ? fflush(out) : fclose(out)) != 0)
        ok = false;
    return complain_unless(ok, options->json_path);
}

static bool draw(const char *json, size_t size, const char *path)
{
    char error[512];

    if (!path || picture_draw(json, size, path, error, sizeof error))
        return true;
    fprintf(stderr, "replay: %s\n", error);
    return false;
}

static bool write_json_and_pictures(const struct options *options, const struct workload *workload,
                                    const struct report_row *rows, size_t count)
{
    char *json = NULL;
    size_t size = 0;
    FILE *memory;
    bool ok;

    if (!options->json && !options->svg_path && !options->png_path)
        return true;
    memory = open_memstream(&json, &size);
    if (memory)
        report_json(memory, workload_name(options), workload, options, rows, count);
    if (!memory || fclose(memory) != 0) {
        fputs("replay: no memory for the results\n", stderr);
        free(json);
        return false;
    }
    ok = !options->json || write_text(options, json, size);
    ok = draw(json, size, options->svg_path) && ok;
    ok = draw(json, size, options->png_path) && ok;
    free(json);
    return ok;
}

static enum exit_status outcome(const struct report_row *rows, size_t count, bool written)
{
    bool refused = false;

    for (size_t i = 0; i < count; i++) {
        if (run_faults(&rows[i].result))
            return EXIT_FAULT;
        refused = refused || rows[i].result.refusal[0];
    }
    return refused ? EXIT_REFUSED : written ? EXIT_DONE : EXIT_NOT_WRITTEN;
}

int main(int argc, char **argv)
{
    static struct options options;
    struct workload workload;
    struct report_row *rows;
    enum options_outcome parsed = options_parse(&options, argc, argv);
    enum exit_status status = EXIT_BAD_INPUT;
    size_t count;
    bool written;

    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_DONE ? EXIT_DONE : EXIT_BAD_INPUT;
    if (!load(&options, &workload))
        return EXIT_BAD_INPUT;
    if (!can_be_replayed(&options, &workload)) {
        workload_fini(&workload);
        return EXIT_BAD_INPUT;
    }
    count = (size_t)options.policy_count * (size_t)options.budget_count;
    rows = calloc(count, sizeof *rows);
    if (rows) {
        run_all(&options, &workload, rows);
        written = write_table(&options, &workload, rows, count);
        written = write_json_and_pictures(&options, &workload, rows, count) && written;
        status = outcome(rows, count, written);
    }
    free(rows);
    workload_fini(&workload);
    return (int)status;
}
