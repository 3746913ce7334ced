/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/options.h"

#include "replay/units.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: replay [options] TRACE          replay a trace file ('-' is the standard input)\n"
    "       replay [options] --generate MIX  replay generated requests: ledger (a node) or vault\n"
    "\n"
    "A get that misses stores the value. Every value read is checked; a wrong one ends with status "
    "1.\n"
    "\n"
    "  --budget LIST       memory limits, each replayed in turn (10%): 5% of the bytes of all "
    "distinct keys and\n"
    "                      values; 64MB or 64MiB; 1000e entries of the trace's mean size plus the "
    "overhead\n"
    "  --overhead N        bytes added for each entry of a budget in entries (24)\n"
    "  --share-overhead    add them to budgets in percent too\n"
    "  --eviction LIST     policies, each replayed in turn (adaptive)\n"
    "  --threads N         threads that replay at once (1)\n"
    "  --set KEY=VALUE     any other setting of the store, for example shards=64\n"
    "  --speed F           keep the trace's times, F times faster, with TTLs shortened alike (0: "
    "as fast as it goes)\n"
    "\n"
    "of a trace alone:\n"
    "  --format F          auto, binary, text, csv (auto)\n"
    "  --columns LIST      CSV columns by name or number from 1, for example "
    "key=url,size=4,ttl=6;\n"
    "                      TTLs are in seconds where they have no unit\n"
    "  --value-size N      bytes of a value where the trace tells none (1000)\n"
    "  --size-includes-key a trace's sizes count key and value together\n"
    "  --ttl D             TTL of an entry where the trace tells none (0: never expires)\n"
    "  --limit N           replay only the first N requests\n"
    "of --generate alone:\n"
    "  --requests N, --seed N, --accounts N, --skew F   (1000000, 1, 200000, 0.9)\n"
    "\n"
    "  --json[=FILE]       results as JSON, to the standard output or a file\n"
    "  --svg FILE, --png FILE   the miss-ratio curve as a picture, drawn by plot_mrc.py with the "
    "Python that the\n"
    "                      environment variable MEMSTORE_PYTHON names (python3)\n"
    "  --sample N          time one request in N (1)\n"
    "  --no-verify         do not check values\n"
    "  --quiet             no progress bar\n"
    "\n"
    "status: 0 done, 1 a wrong value or a failed read, 2 bad arguments or a bad trace, 3 a limit "
    "was refused by the\n"
    "        store, 4 the results could not be written or drawn\n";

/* group_of() reads this order. */
enum long_option {
    OPT_BUDGET = 256,
    OPT_OVERHEAD,
    OPT_SHARE_OVERHEAD,
    OPT_EVICTION,
    OPT_THREADS,
    OPT_SET,
    OPT_SPEED,
    OPT_FORMAT,
    OPT_COLUMNS,
    OPT_VALUE_SIZE,
    OPT_SIZE_INCLUDES_KEY,
    OPT_TTL,
    OPT_LIMIT,
    OPT_GENERATE,
    OPT_REQUESTS,
    OPT_SEED,
    OPT_ACCOUNTS,
    OPT_SKEW,
    OPT_JSON,
    OPT_SVG,
    OPT_PNG,
    OPT_SAMPLE,
    OPT_NO_VERIFY,
    OPT_QUIET,
    OPT_HELP
};

static const struct option long_options[] = {
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"overhead", required_argument, NULL, OPT_OVERHEAD},
    {"share-overhead", no_argument, NULL, OPT_SHARE_OVERHEAD},
    {"eviction", required_argument, NULL, OPT_EVICTION},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"set", required_argument, NULL, OPT_SET},
    {"speed", required_argument, NULL, OPT_SPEED},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"columns", required_argument, NULL, OPT_COLUMNS},
    {"value-size", required_argument, NULL, OPT_VALUE_SIZE},
    {"size-includes-key", no_argument, NULL, OPT_SIZE_INCLUDES_KEY},
    {"ttl", required_argument, NULL, OPT_TTL},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"generate", required_argument, NULL, OPT_GENERATE},
    {"requests", required_argument, NULL, OPT_REQUESTS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"accounts", required_argument, NULL, OPT_ACCOUNTS},
    {"skew", required_argument, NULL, OPT_SKEW},
    {"json", optional_argument, NULL, OPT_JSON},
    {"svg", required_argument, NULL, OPT_SVG},
    {"png", required_argument, NULL, OPT_PNG},
    {"sample", required_argument, NULL, OPT_SAMPLE},
    {"no-verify", no_argument, NULL, OPT_NO_VERIFY},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

static bool complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool complain(const char *format, ...)
{
    va_list arguments;

    fputs("replay: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

/* Whose an option is: one that would have no effect is refused. */
enum group { GROUP_ANY, GROUP_TRACE, GROUP_GENERATOR };

static enum group group_of(int option)
{
    if (option >= OPT_FORMAT && option <= OPT_LIMIT)
        return GROUP_TRACE;
    return option >= OPT_REQUESTS && option <= OPT_SKEW ? GROUP_GENERATOR : GROUP_ANY;
}

static void note_group(struct options *options, int option, const char *name)
{
    if (group_of(option) == GROUP_TRACE)
        options->of_trace = name;
    else if (group_of(option) == GROUP_GENERATOR)
        options->of_generator = name;
}

static bool groups_fit(const struct options *options)
{
    if (options->generate && options->of_trace)
        return complain("--%s is for a trace, and has no effect on --generate", options->of_trace);
    if (!options->generate && options->of_generator)
        return complain("--%s is for --generate, and has no effect on a trace",
                        options->of_generator);
    return true;
}

static bool parse_number(const char *name, const char *text, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    if (units_parse_count(text, out) && *out >= min && *out <= max)
        return true;
    return complain("--%s %s: expected a number from %" PRIu64 " to %" PRIu64, name, text, min,
                    max);
}

static bool parse_number32(const char *name, const char *text, uint32_t min, uint32_t max,
                           uint32_t *out)
{
    uint64_t number = 0;
    bool ok = parse_number(name, text, min, max, &number);

    if (ok)
        *out = (uint32_t)number;
    return ok;
}

static bool parse_factor(const char *name, const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= 0.0 && *out <= 1e9)
        return true;
    return complain("--%s %s: expected a number from 0 to 1e9", name, text);
}

static bool parse_budgets(struct options *options, const char *text)
{
    char error[128];

    options->budget_count = budget_parse_list(text, options->budgets, error, sizeof error);
    return options->budget_count > 0 || complain("--budget %s: %s", text, error);
}

static bool parse_policies(struct options *options, const char *text)
{
    char *rest = options->policy_text, *part;

    if (snprintf(options->policy_text, sizeof options->policy_text, "%s", text) >=
        (int)sizeof options->policy_text)
        return complain("--eviction: the list is longer than %zu bytes",
                        sizeof options->policy_text);
    options->policy_count = 0;
    while ((part = strsep(&rest, ",")) != NULL) {
        if (options->policy_count == OPTIONS_MAX_POLICIES)
            return complain("--eviction: more than %d policies", OPTIONS_MAX_POLICIES);
        options->policies[options->policy_count++] = part;
    }
    return true;
}

static bool parse_setting(struct options *options, const char *text)
{
    if (options->run.setting_count == RUN_MAX_SETTINGS)
        return complain("--set: more than %d settings", RUN_MAX_SETTINGS);
    if (!strchr(text, '='))
        return complain("--set %s: expected KEY=VALUE", text);
    options->run.settings[options->run.setting_count++] = text;
    return true;
}

static bool parse_format(struct options *options, const char *text)
{
    static const char *const names[] = {"auto", "binary", "text", "csv"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            options->reader.format = (enum trace_format)i;
            return true;
        }
    }
    return complain("--format %s: expected auto, binary, text or csv", text);
}

static bool parse_mix(struct options *options, const char *text)
{
    options->generate = true;
    options->ledger.mix = strcmp(text, "vault") == 0 ? LEDGER_VAULT : LEDGER_NODE;
    return options->ledger.mix == LEDGER_VAULT || strcmp(text, "ledger") == 0 ||
           complain("--generate %s: expected ledger or vault", text);
}

static bool parse_generator_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPT_GENERATE:
        return parse_mix(options, value);
    case OPT_REQUESTS:
        return parse_number("requests", value, 1, UINT64_C(1) << 32, &options->ledger.requests);
    case OPT_SEED:
        return parse_number("seed", value, 0, UINT64_MAX, &options->ledger.seed);
    case OPT_ACCOUNTS:
        return parse_number("accounts", value, 1, UINT64_C(1) << 40, &options->ledger.accounts);
    case OPT_SKEW:
        return parse_factor("skew", value, &options->ledger.account_skew) &&
               (options->ledger.account_skew > 0.0 || complain("--skew: must be above 0"));
    default:
        return false;
    }
}

static bool parse_reader_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPT_FORMAT:
        return parse_format(options, value);
    case OPT_COLUMNS:
        options->reader.columns = value;
        return true;
    case OPT_VALUE_SIZE:
        return parse_number32("value-size", value, 0, WORKLOAD_MAX_VALUE_SIZE,
                              &options->reader.value_size);
    case OPT_SIZE_INCLUDES_KEY:
        options->reader.size_includes_key = true;
        return true;
    case OPT_TTL:
        return units_parse_duration(value, &options->reader.ttl_ms) ||
               complain("--ttl %s: expected a duration such as 1500, 250ms, 10s or 1h", value);
    case OPT_LIMIT:
        return parse_number("limit", value, 1, UINT64_MAX, &options->reader.max_requests);
    default:
        return parse_generator_option(options, option, value);
    }
}

/* Told before the replay, which may take long, and not by the script that draws. */
static bool parse_picture(const char **out, const char *path, const char *kind)
{
    const char *end = strrchr(path, '.');

    *out = path;
    return (end && strcmp(end + 1, kind) == 0) ||
           complain("--%s %s: the name of such a picture ends in .%s", kind, path, kind);
}

static bool parse_output_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPT_JSON:
        options->json = true;
        options->json_path = value;
        return true;
    case OPT_SVG:
        return parse_picture(&options->svg_path, value, "svg");
    case OPT_PNG:
        return parse_picture(&options->png_path, value, "png");
    case OPT_QUIET:
        options->quiet = true;
        return true;
    default:
        return parse_reader_option(options, option, value);
    }
}

static bool parse_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPT_BUDGET:
        return parse_budgets(options, value);
    case OPT_OVERHEAD:
        return parse_number32("overhead", value, 0, 1 << 20, &options->overhead);
    case OPT_SHARE_OVERHEAD:
        options->share_has_overhead = true;
        return true;
    case OPT_EVICTION:
        return parse_policies(options, value);
    case OPT_THREADS:
        return parse_number32("threads", value, 1, RUN_MAX_THREADS, &options->run.threads);
    case OPT_SET:
        return parse_setting(options, value);
    case OPT_SPEED:
        return parse_factor("speed", value, &options->run.speed);
    case OPT_SAMPLE:
        return parse_number32("sample", value, 1, UINT32_MAX, &options->run.sample_every);
    case OPT_NO_VERIFY:
        options->run.verify = false;
        return true;
    default:
        return parse_output_option(options, option, value);
    }
}

static void set_defaults(struct options *options)
{
    *options = (struct options){.reader = {.value_size = 1000},
                                .overhead = 24,
                                .run = {.threads = 1, .verify = true, .sample_every = 1}};
    ledger_options_init(&options->ledger);
    parse_budgets(options, "10%");
    parse_policies(options, "adaptive");
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
    int option, index = 0;

    set_defaults(options);
    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == OPT_HELP) {
            fputs(usage, stdout);
            return OPTIONS_DONE;
        }
        if (option == '?' || !parse_option(options, option, optarg))
            return OPTIONS_BAD;
        note_group(options, option, long_options[index].name);
    }
    if (!groups_fit(options))
        return OPTIONS_BAD;
    if (argc - optind != (options->generate ? 0 : 1)) {
        complain(options->generate ? "--generate takes no trace file"
                                   : "name one trace file, or --generate ledger; "
                                     "--help tells more");
        return OPTIONS_BAD;
    }
    options->path = options->generate ? NULL : argv[optind];
    return OPTIONS_RUN;
}
