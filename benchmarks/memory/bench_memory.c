/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds of the machine's memory. Each scenario runs in a child process of its
 * own, so that none finds pages that another left behind. */
#include "memory/scenario.h"
#include "replay/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct scenario scenarios[] = {
    {"overhead-small", scenario_overhead_small},
    {"overhead-large", scenario_overhead_large},
    {"empty", scenario_empty},
    {"ttl", scenario_ttl},
    {"churn", scenario_churn},
};

enum { SCENARIOS = sizeof scenarios / sizeof *scenarios, JSON_ROOM = 64 * 1024 };

struct arguments {
    struct scenario_options options;
    bool chosen[SCENARIOS];
    bool json;
    const char *json_path;
};

static const char usage[] =
    "usage: bench_memory [options] [overhead-small] [overhead-large] [empty] [ttl] [churn]     "
    "(all of them)\n"
    "  --entries N       entries of overhead and ttl (their own numbers, one and two million)\n"
    "  --limit SIZE      memory limit of churn (64MiB)\n"
    "  --seconds N       how long churn runs (20)\n"
    "  --seed N          what churn draws from (1)\n"
    "  --json[=FILE]     results as JSON, to a file or after the text\n"
    "status: 0 all bounds hold, 1 one does not, 2 bad arguments\n";

static bool parse_option(struct arguments *arguments, int option, const char *value)
{
    uint64_t number;

    switch (option) {
    case 'e':
        return units_parse_count(value, &arguments->options.entries) &&
               arguments->options.entries > 0;
    case 'l':
        return units_parse_size(value, &arguments->options.memory_limit);
    case 't':
        if (!units_parse_count(value, &number) || number < 1 || number > 86400)
            return false;
        arguments->options.churn_seconds = (double)number;
        return true;
    case 's':
        return units_parse_count(value, &arguments->options.seed);
    case 'j':
        arguments->json = true;
        arguments->json_path = value;
        return true;
    default:
        return false;
    }
}

static bool choose(struct arguments *arguments, const char *name)
{
    for (unsigned i = 0; i < SCENARIOS; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            arguments->chosen[i] = true;
            return true;
        }
    }
    fprintf(stderr, "bench_memory: no scenario \"%s\"; --help lists them\n", name);
    return false;
}

static bool parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {{"entries", required_argument, NULL, 'e'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"json", optional_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    *arguments =
        (struct arguments){.options = {.memory_limit = 64 << 20, .churn_seconds = 20.0, .seed = 1}};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!parse_option(arguments, option, optarg)) {
            fputs("bench_memory: bad option or value; --help lists them\n", stderr);
            return false;
        }
    }
    for (unsigned i = 0; optind == argc && i < SCENARIOS; i++)
        arguments->chosen[i] = true;
    for (; optind < argc; optind++) {
        if (!choose(arguments, argv[optind]))
            return false;
    }
    return true;
}

/* Run in a child; its JSON comes back through shared memory, as the members of one object. */
static bool run_in_child(const struct scenario *scenario, const struct scenario_options *options,
                         char *shared)
{
    int status = 0;
    pid_t child;

    printf("%s\n", scenario->name);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        struct json json;
        FILE *out = fmemopen(shared, JSON_ROOM, "w");
        bool ok;

        if (!out)
            _exit(1);
        json_init(&json, out);
        json_open_object(&json, NULL);
        json_string(&json, "scenario", scenario->name);
        ok = scenario->run(options, &json);
        json_close_object(&json);
        fclose(out);
        fflush(stdout);
        _exit(ok ? 0 : 1);
    }
    if (child < 0) {
        perror("bench_memory");
        return false;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        fprintf(stderr, "bench_memory: %s was ended by signal %d\n", scenario->name,
                WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool write_json(const struct arguments *arguments, const char *shared)
{
    FILE *out = arguments->json_path ? fopen(arguments->json_path, "w") : stdout;
    bool first = true;

    if (!out) {
        perror(arguments->json_path);
        return false;
    }
    fputs("[\n", out);
    for (unsigned i = 0; i < SCENARIOS; i++) {
        if (shared[(size_t)i * JSON_ROOM]) {
            fprintf(out, "%s%s", first ? "" : ",\n", &shared[(size_t)i * JSON_ROOM]);
            first = false;
        }
    }
    fputs("]\n", out);
    return (out == stdout ? fflush(out) : fclose(out)) == 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    char *shared;
    bool ok = true;

    if (!parse_arguments(&arguments, argc, argv))
        return 2;
    shared = mmap(NULL, (size_t)SCENARIOS * JSON_ROOM, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("bench_memory");
        return 1;
    }
    for (unsigned i = 0; i < SCENARIOS; i++) {
        if (arguments.chosen[i])
            ok = run_in_child(&scenarios[i], &arguments.options, &shared[(size_t)i * JSON_ROOM]) &&
                 ok;
    }
    if (arguments.json)
        ok = write_json(&arguments, shared) && ok;
    munmap(shared, (size_t)SCENARIOS * JSON_ROOM);
    return ok ? 0 : 1;
}
