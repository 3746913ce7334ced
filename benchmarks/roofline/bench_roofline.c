/* SPDX-License-Identifier: Apache-2.0 */
/* How far the store is from the least that a look-up can cost on this machine.
 *
 * The minimal loop (loop_table.h) and the store's functions run on the same streams of keys, in
 * turn, round after round, so that each ratio compares what ran within a second of each other.
 * Every value read is checked. */
#include "common/json.h"
#include "replay/units.h"
#include "roofline/measure.h"
#include "roofline/results.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

enum { MAX_THREAD_COUNTS = 8 };

struct arguments {
    uint64_t entries, operations, rounds, memory_limit, new_key_limit;
    unsigned thread_counts[MAX_THREAD_COUNTS];
    unsigned thread_count_count, most_threads;
    bool huge_pages, writes, cpu_time, json;
    const char *json_path;
};

static const char usage[] =
    "usage: bench_roofline [options]\n"
    "  --entries N       entries in the store and in the loop's table (1000000)\n"
    "  --operations N    operations of a thread in each measurement (1000000)\n"
    "  --rounds N        how often everything is measured in turn (5)\n"
    "  --threads LIST    numbers of threads (1,2)\n"
    "  --pages 4k|huge   pages of the loop's table and of the stores (huge)\n"
    "  --limit SIZE      memory limit of the stores that hold all entries (256MiB)\n"
    "  --new-limit SIZE  memory limit of the store that new keys go to (128MiB)\n"
    "  --reads-only      leave out overwrites, the mix and new keys\n"
    "  --cpu-time        count the time in which a thread ran, not the time that passed: for a "
    "machine in use\n"
    "  --json[=FILE]     results as JSON, to the standard output or a file\n"
    "status: 0 done, 1 a value was wrong or missing, 2 bad arguments\n";

/* ---- Arguments ---- */

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    return units_parse_count(text, out) && *out >= 1 && *out <= max;
}

static bool parse_threads(struct arguments *arguments, char *text)
{
    char *part;
    uint64_t number;

    arguments->thread_count_count = 0;
    while ((part = strsep(&text, ",")) != NULL) {
        if (arguments->thread_count_count == MAX_THREAD_COUNTS ||
            !parse_number(part, MEASURE_MAX_THREADS, &number))
            return false;
        arguments->thread_counts[arguments->thread_count_count++] = (unsigned)number;
        if (number > arguments->most_threads)
            arguments->most_threads = (unsigned)number;
    }
    return true;
}

static bool parse_option(struct arguments *arguments, int option, char *value)
{
    switch (option) {
    case 'e':
        return parse_number(value, UINT64_C(1) << 31, &arguments->entries);
    case 'o':
        return parse_number(value, UINT64_C(1) << 31, &arguments->operations);
    case 'r':
        return parse_number(value, RESULTS_MAX_ROUNDS, &arguments->rounds);
    case 't':
        return parse_threads(arguments, value);
    case 'p':
        arguments->huge_pages = strcmp(value, "huge") == 0;
        return arguments->huge_pages || strcmp(value, "4k") == 0;
    case 'l':
        return units_parse_size(value, &arguments->memory_limit);
    case 'n':
        return units_parse_size(value, &arguments->new_key_limit);
    case 'w':
        arguments->writes = false;
        return true;
    case 'c':
        arguments->cpu_time = true;
        return true;
    case 'j':
        arguments->json = true;
        arguments->json_path = value;
        return true;
    default:
        return false;
    }
}

static bool parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {{"entries", required_argument, NULL, 'e'},
                                            {"operations", required_argument, NULL, 'o'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"pages", required_argument, NULL, 'p'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {"new-limit", required_argument, NULL, 'n'},
                                            {"reads-only", no_argument, NULL, 'w'},
                                            {"cpu-time", no_argument, NULL, 'c'},
                                            {"json", optional_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    *arguments = (struct arguments){.entries = 1000000,
                                    .operations = 1000000,
                                    .rounds = 5,
                                    .memory_limit = 256 << 20,
                                    .new_key_limit = 128 << 20,
                                    .thread_counts = {1, 2},
                                    .thread_count_count = 2,
                                    .most_threads = 2,
                                    .huge_pages = true,
                                    .writes = true};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!parse_option(arguments, option, optarg)) {
            fprintf(stderr, "bench_roofline: bad option or value%s%s; --help lists them\n",
                    optarg ? ": " : "", optarg ? optarg : "");
            return false;
        }
    }
    arguments->operations =
        (arguments->operations + LARGEST_BATCH - 1) / LARGEST_BATCH * LARGEST_BATCH;
    return optind == argc;
}

/* ---- Stores ---- */

static memstore *open_store(uint64_t limit, bool huge_pages)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, limit);
    if (!config || memstore_config_set(config, "performance.memory_limit", text) != MEMSTORE_OK ||
        memstore_config_set(config, "huge_pages", huge_pages ? "on" : "off") != MEMSTORE_OK ||
        memstore_open(config, &store) != MEMSTORE_OK) {
        fprintf(stderr, "bench_roofline: no store of %s bytes: %s\n", text,
                memstore_config_error(config));
        exit(1);
    }
    memstore_config_free(config);
    return store;
}

static memstore *open_full_store(const struct arguments *arguments)
{
    memstore *store = open_store(arguments->memory_limit, arguments->huge_pages);
    unsigned char value[VALUE_SIZE];
    char key[BENCH_KEY_SIZE];

    for (uint64_t id = 0; id < arguments->entries; id++) {
        int status;

        bench_key_format(key, id);
        stream_value(id, value);
        status = memstore_set(store, key, sizeof key, value, sizeof value, MEMSTORE_TTL_NONE);
        if (status != MEMSTORE_OK) {
            fprintf(stderr, "bench_roofline: entry %" PRIu64 " was refused: %s\n", id,
                    memstore_status_name(status));
            exit(1);
        }
    }
    return store;
}

/* Whether every entry is there, with every byte of its value. */
static bool holds_everything(memstore *store, uint64_t entries)
{
    unsigned char expected[VALUE_SIZE], value[VALUE_SIZE];
    char key[BENCH_KEY_SIZE];
    uint64_t right = 0;
    size_t size;

    for (uint64_t id = 0; id < entries; id++) {
        bench_key_format(key, id);
        stream_value(id, expected);
        right += memstore_get(store, key, sizeof key, value, sizeof value, &size) == MEMSTORE_OK &&
                 size == sizeof value && memcmp(value, expected, sizeof value) == 0;
    }
    if (right != entries)
        fprintf(stderr,
                "bench_roofline: only %" PRIu64 " of %" PRIu64 " entries are there and right\n",
                right, entries);
    return right == entries;
}

/* ---- Rounds ---- */

struct bench {
    const struct arguments *arguments;
    struct subject subject;
    struct stream streams[DISTRIBUTIONS][MEASURE_MAX_THREADS];
    uint64_t next_fresh;
    struct results results;
};

static void create_streams(struct bench *bench)
{
    const struct arguments *arguments = bench->arguments;
    uint64_t seed = 1;

    for (unsigned d = 0; d < DISTRIBUTIONS; d++) {
        for (unsigned t = 0; t < arguments->most_threads; t++)
            bench->streams[d][t] = stream_create((enum distribution)d, arguments->operations,
                                                 arguments->entries, seed++);
    }
}

static void measure_case(struct bench *bench, enum case_id id, enum distribution distribution,
                         unsigned threads, unsigned round)
{
    struct results *results = &bench->results;
    struct cell *cell = results_cell(results, id, distribution, threads);
    enum case_id reference = bench_cases[id].reference;
    bool correct = true;

    cell->ns[round] = measure(id, &bench->subject, bench->streams[distribution], threads,
                              bench->arguments->cpu_time, &correct);
    if (reference == id || distribution == FRESH)
        cell->reference_ns[round] = results_cell(results, reference, UNIFORM, threads)->ns[round];
    else
        cell->reference_ns[round] =
            results_cell(results, reference, distribution, threads)->ns[round];
    if (!correct) {
        fprintf(stderr,
                "bench_roofline: %s on %u threads, round %u: a value was wrong or a key missing\n",
                bench_cases[id].name, threads, round + 1);
        results->correct = false;
    }
}

static void measure_writes(struct bench *bench, unsigned threads, unsigned round)
{
    measure_case(bench, CASE_OVERWRITE, UNIFORM, threads, round);
    measure_case(bench, CASE_MIXED, UNIFORM, threads, round);
    measure_case(bench, CASE_MIXED, ZIPF, threads, round);
    for (unsigned t = 0; t < threads; t++) {
        stream_refill_fresh(&bench->streams[FRESH][t], bench->next_fresh);
        bench->next_fresh += bench->streams[FRESH][t].count;
    }
    measure_case(bench, CASE_SET_NEW, FRESH, threads, round);
}

static void measure_round(struct bench *bench, unsigned round)
{
    const struct arguments *arguments = bench->arguments;

    for (unsigned d = UNIFORM; d <= ZIPF; d++) {
        for (unsigned t = 0; t < arguments->thread_count_count; t++) {
            for (unsigned id = CASE_EMPTY; id < CASE_READS; id++)
                measure_case(bench, (enum case_id)id, (enum distribution)d,
                             arguments->thread_counts[t], round);
        }
    }
    for (unsigned t = 0; arguments->writes && t < arguments->thread_count_count; t++)
        measure_writes(bench, arguments->thread_counts[t], round);
}

static void set_up(struct bench *bench, const struct arguments *arguments)
{
    bench->arguments = arguments;
    bench->next_fresh = arguments->entries;
    bench->results =
        (struct results){.rounds = (unsigned)arguments->rounds,
                         .entries = arguments->entries,
                         .operations = arguments->operations,
                         .memory_limit = arguments->memory_limit,
                         .pages = arguments->huge_pages ? "huge" : "4 KiB",
                         .clock = arguments->cpu_time ? "processor time" : "elapsed time"};
    create_streams(bench);
    bench->subject.loop = loop_table_create(arguments->entries, arguments->huge_pages);
    bench->subject.read = open_full_store(arguments);
    if (arguments->writes) {
        bench->subject.overwritten = open_full_store(arguments);
        bench->subject.filled = open_store(arguments->new_key_limit, arguments->huge_pages);
    }
    bench->results.correct = holds_everything(bench->subject.read, arguments->entries);
}

static void tear_down(struct bench *bench)
{
    loop_table_destroy(&bench->subject.loop);
    memstore_destroy(bench->subject.read);
    memstore_destroy(bench->subject.overwritten);
    memstore_destroy(bench->subject.filled);
    for (unsigned d = 0; d < DISTRIBUTIONS; d++) {
        for (unsigned t = 0; t < bench->arguments->most_threads; t++)
            stream_destroy(&bench->streams[d][t]);
    }
}

static bool write_json(const struct arguments *arguments, const struct results *results)
{
    FILE *out = arguments->json_path ? fopen(arguments->json_path, "w") : stdout;

    if (!out) {
        perror(arguments->json_path);
        return false;
    }
    results_json(out, results);
    return (out == stdout ? fflush(out) : fclose(out)) == 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct arguments arguments;
    bool written = true;

    if (!parse_arguments(&arguments, argc, argv))
        return 2;
    set_up(&bench, &arguments);
    for (unsigned round = 0; bench.results.correct && round < arguments.rounds; round++)
        measure_round(&bench, round);
    if (arguments.writes)
        bench.results.entries_left = memstore_size(bench.subject.overwritten);
    if (!arguments.json || arguments.json_path)
        results_table(stdout, &bench.results);
    if (arguments.json)
        written = write_json(&arguments, &bench.results);
    tear_down(&bench);
    return bench.results.correct && written ? 0 : 1;
}
