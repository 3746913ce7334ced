/* SPDX-License-Identifier: Apache-2.0 */
/* Is one build of the library faster than another, or is it noise? Both are loaded into one process and
 * do the same in turn, in rounds of a few milliseconds; each trial opens its stores anew.
 *
 * usage: compare [OPTION]... OLD.so NEW.so      see usage() */
#include "common/json.h"
#include "common/random.h"
#include "compare/estimate.h"
#include "compare/operations.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A round is short beside what else a machine does, and long beside two readings of the clock. */
enum { ROUND_KEYS = 16384, MOST_OPERATIONS = 16 };

struct options {
    uint64_t entries, ttl_ms;
    unsigned trials, rounds;
    const char *only; /* names of operations between commas; NULL = all */
    const char *json;
};

struct record {
    double ratios[ESTIMATE_MOST_TRIALS];
    double first[ESTIMATE_MOST_TRIALS], second[ESTIMATE_MOST_TRIALS]; /* medians, nanoseconds */
};

static int usage(FILE *out, int status)
{
    fputs(
        "usage: compare [OPTION]... OLD.so NEW.so\n"
        "\n"
        "Tells by how much NEW takes longer or shorter than OLD, with the interval that holds the\n"
        "truth in 95 of 100 comparisons.\n"
        "\n"
        "  --entries N   keys in the stores (default 1000000)\n"
        "  --trials N    times that stores are opened anew, 2 to 31 (default 7)\n"
        "  --rounds N    rounds of each operation in a trial (default 41)\n"
        "  --only NAMES  operations between commas: get, has, get_view, get_many, overwrite, "
        "mixed,\n"
        "                set_new, set_many\n"
        "  --ttl MS      what is set expires after as many milliseconds (default 0: never)\n"
        "  --json FILE   write all figures there\n"
        "\n"
        "Loading one file twice gives one library: compare a build with a copy of its file to see\n"
        "what noise alone shows.\n",
        out);
    return status;
}

/* ---- Rounds ---- */

static struct round round_create(size_t count)
{
    struct round round = {.count = count,
                          .keys = malloc(count * sizeof *round.keys),
                          .ids = malloc(count * sizeof *round.ids)};

    if (round.keys == NULL || round.ids == NULL)
        abort();
    return round;
}

/* Other keys for each round: what the processor has learnt of the last ones says nothing. */
static void round_draw(struct round *round, struct random_state *random, uint64_t first,
                       uint64_t count, bool in_order)
{
    char value[VALUE_SIZE];
    uint64_t word;

    round->value_sum = 0;
    for (size_t i = 0; i < round->count; i++) {
        const uint64_t id = first + (in_order ? i : random_below(random, count));
        round->ids[i] = id;
        bench_key_format(round->keys[i], id);
        operation_value(id, value);
        memcpy(&word, value, sizeof word);
        round->value_sum += word;
    }
}

/* Who goes first changes with each round. */
static void run_rounds(const struct operation *operation, struct engine engines[2],
                       const struct options *options, struct random_state *random,
                       struct record *record, unsigned trial)
{
    static uint64_t fresh;
    struct round round = round_create(ROUND_KEYS);
    double *ratios = malloc(3 * options->rounds * sizeof *ratios);
    double *times[2] = {ratios + options->rounds, ratios + 2 * options->rounds};

    if (fresh == 0)
        fresh = options->entries;
    for (unsigned i = 0; i < options->rounds; i++) {
        round_draw(&round, random, operation->fresh ? fresh : 0, options->entries,
                   operation->fresh);
        fresh += operation->fresh ? ROUND_KEYS : 0;
        const unsigned leader = (i + trial) & 1;
        times[leader][i] = operation_time(operation, &engines[leader], &round);
        times[!leader][i] = operation_time(operation, &engines[!leader], &round);
        ratios[i] = times[1][i] / times[0][i];
    }
    record->ratios[trial] = estimate_median(ratios, options->rounds);
    record->first[trial] = estimate_median(times[0], options->rounds);
    record->second[trial] = estimate_median(times[1], options->rounds);
    free(ratios);
    free(round.keys);
    free(round.ids);
}

static bool is_wanted(const struct options *options, const char *name)
{
    const size_t size = strlen(name);

    for (const char *at = options->only; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, size) == 0 && (at[size] == ',' || at[size] == '\0'))
            return true;
    }
    return options->only == NULL;
}

static void run_trials(struct engine engines[2], const struct options *options,
                       struct record *records)
{
    struct random_state random;

    random_seed(&random, 1);
    for (unsigned trial = 0; trial < options->trials; trial++) {
        fprintf(stderr, "trial %u of %u\n", trial + 1, options->trials);
        /* Who is opened first gets other addresses. */
        engine_open(&engines[trial & 1], options->entries);
        engine_open(&engines[!(trial & 1)], options->entries);
        for (size_t i = 0; i < operation_count; i++) {
            if (is_wanted(options, operations[i].name))
                run_rounds(&operations[i], engines, options, &random, &records[i], trial);
        }
        engine_close(&engines[0]);
        engine_close(&engines[1]);
    }
}

/* ---- Telling ---- */

static const char *verdict_of(const struct estimate *estimate)
{
    if (estimate->high < 1)
        return "faster";
    return estimate->low > 1 ? "slower" : "no difference shown";
}

static void show(const struct operation *operation, struct record *record, unsigned trials)
{
    const struct estimate estimate = estimate_of(record->ratios, trials);

    printf("%-10s %8.1f %8.1f   %+6.1f %%   %+6.1f to %+6.1f %%   %s\n", operation->name,
           estimate_median(record->first, trials), estimate_median(record->second, trials),
           (estimate.ratio - 1) * 100, (estimate.low - 1) * 100, (estimate.high - 1) * 100,
           verdict_of(&estimate));
}

static void write_record(struct json *json, const struct operation *operation,
                         const struct record *record, unsigned trials)
{
    const struct estimate estimate = estimate_of(record->ratios, trials);

    json_open_object(json, operation->name);
    json_string(json, "what", operation->what);
    json_number(json, "ratio", estimate.ratio);
    json_number(json, "low", estimate.low);
    json_number(json, "high", estimate.high);
    json_string(json, "verdict", verdict_of(&estimate));
    json_open_array(json, "trials");
    for (unsigned i = 0; i < trials; i++)
        json_number(json, NULL, record->ratios[i]);
    json_close_array(json);
    json_close_object(json);
}

static bool write_json(const struct options *options, const struct engine engines[2],
                       const struct record *records)
{
    FILE *out = fopen(options->json, "w");
    struct json json;

    if (out == NULL) {
        perror(options->json);
        return false;
    }
    json_init(&json, out);
    json_open_object(&json, NULL);
    json_string(&json, "old", engines[0].path);
    json_string(&json, "new", engines[1].path);
    json_unsigned(&json, "entries", options->entries);
    json_unsigned(&json, "ttl_ms", options->ttl_ms);
    json_unsigned(&json, "rounds", options->rounds);
    json_open_object(&json, "operations");
    for (size_t i = 0; i < operation_count; i++) {
        if (is_wanted(options, operations[i].name))
            write_record(&json, &operations[i], &records[i], options->trials);
    }
    json_close_object(&json);
    json_close_object(&json);
    return fclose(out) == 0;
}

/* ---- Arguments ---- */

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && *out >= least && *out <= most)
        return true;
    fprintf(stderr, "compare: %s is no number from %" PRIu64 " to %" PRIu64 "\n", text, least,
            most);
    return false;
}

static bool names_are_known(const char *names)
{
    unsigned known = 0, asked = 1;
    const struct options options = {.only = names};

    for (const char *at = names; *at != '\0'; at++)
        asked += *at == ',';
    for (size_t i = 0; i < operation_count; i++)
        known += is_wanted(&options, operations[i].name);
    if (known != asked)
        fprintf(stderr, "compare: not every one of '%s' is an operation\n", names);
    return known == asked;
}

static bool parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"entries", required_argument, NULL, 'e'}, {"trials", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},  {"only", required_argument, NULL, 'o'},
        {"ttl", required_argument, NULL, 'l'},     {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    uint64_t number = 0;

    for (int letter; (letter = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (letter == 'h')
            exit(usage(stdout, 0));
        if (letter == 'e' && parse_number(optarg, 1000, UINT32_MAX, &number))
            options->entries = number;
        else if (letter == 't' && parse_number(optarg, 2, ESTIMATE_MOST_TRIALS, &number))
            options->trials = (unsigned)number;
        else if (letter == 'r' && parse_number(optarg, 1, 10000, &number))
            options->rounds = (unsigned)number;
        else if (letter == 'o' && names_are_known(optarg))
            options->only = optarg;
        else if (letter == 'l' && parse_number(optarg, 0, INT32_MAX, &number))
            options->ttl_ms = number;
        else if (letter == 'j')
            options->json = optarg;
        else
            return false;
    }
    return argc - optind == 2;
}

int main(int argc, char **argv)
{
    static struct record records[MOST_OPERATIONS];
    struct options options = {.entries = 1000000, .trials = 7, .rounds = 41};
    struct engine engines[2];

    if (!parse(argc, argv, &options))
        return usage(stderr, 2);
    engine_load(&engines[0], argv[optind], (int64_t)options.ttl_ms);
    engine_load(&engines[1], argv[optind + 1], (int64_t)options.ttl_ms);
    run_trials(engines, &options, records);

    printf("%-10s %8s %8s   %8s   %18s\n", "operation", "old, ns", "new, ns", "change",
           "95 % interval");
    for (size_t i = 0; i < operation_count; i++) {
        if (is_wanted(&options, operations[i].name))
            show(&operations[i], &records[i], options.trials);
    }
    return options.json == NULL || write_json(&options, engines, records) ? 0 : 1;
}
