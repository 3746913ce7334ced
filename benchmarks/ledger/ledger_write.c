/* SPDX-License-Identifier: Apache-2.0 */
/* Writes generated requests to a file, in a format that replay reads.
 *
 * MSTTTL01 keeps everything. MSTRACE1 keeps keys and value sizes, and every request is then a
 * read that stores on a miss. In the vault mix an MSTRACE1 file carries no sizes with
 * --no-sizes, as the recorded trace has none. */
#include "ledger/generator.h"
#include "replay/units.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct ledger_options ledger;
    bool ttl_format;
    bool no_sizes;
    const char *path;
};

static const char usage[] =
    "usage: ledger_write [options] FILE      ('-' is the standard output)\n"
    "  --mix vault|node     the vault alone, fitted to a recording, or a whole node (default)\n"
    "  --requests N         how many (1000000)\n"
    "  --seed N             the same seed gives the same file (1)\n"
    "  --accounts N         accounts of the node mix (200000)\n"
    "  --rate N             requests a second, for the times in MSTTTL01 (5000)\n"
    "  --format trace|ttl   MSTRACE1: keys and sizes; MSTTTL01: also operations, times and TTLs "
    "(default)\n"
    "  --no-sizes           MSTRACE1 without sizes\n";

static bool parse_number(const char *name, const char *text, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    if (units_parse_count(text, out) && *out >= min && *out <= max)
        return true;
    fprintf(stderr, "ledger_write: --%s %s: expected a number from %" PRIu64 " to %" PRIu64 "\n",
            name, text, min, max);
    return false;
}

static bool parse_choice(const char *name, const char *text, const char *no, const char *yes,
                         bool *out)
{
    *out = strcmp(text, yes) == 0;
    if (*out || strcmp(text, no) == 0)
        return true;
    fprintf(stderr, "ledger_write: --%s %s: expected %s or %s\n", name, text, no, yes);
    return false;
}

static bool parse_option(struct arguments *arguments, int option, const char *value)
{
    uint64_t number = 0;
    bool chosen = false, ok = true;

    switch (option) {
    case 'm':
        ok = parse_choice("mix", value, "vault", "node", &chosen);
        arguments->ledger.mix = chosen ? LEDGER_NODE : LEDGER_VAULT;
        return ok;
    case 'f':
        return parse_choice("format", value, "trace", "ttl", &arguments->ttl_format);
    case 'n':
        return parse_number("requests", value, 1, UINT64_C(1) << 32, &arguments->ledger.requests);
    case 's':
        return parse_number("seed", value, 0, UINT64_MAX, &arguments->ledger.seed);
    case 'a':
        return parse_number("accounts", value, 1, UINT64_C(1) << 40, &arguments->ledger.accounts);
    case 'r':
        ok = parse_number("rate", value, 1, 1000000000, &number);
        arguments->ledger.requests_per_second = (uint32_t)number;
        return ok;
    case 'z':
        arguments->no_sizes = true;
        return true;
    default:
        return false;
    }
}

static bool parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {{"mix", required_argument, NULL, 'm'},
                                            {"requests", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"accounts", required_argument, NULL, 'a'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"format", required_argument, NULL, 'f'},
                                            {"no-sizes", no_argument, NULL, 'z'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    ledger_options_init(&arguments->ledger);
    arguments->ttl_format = true;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!parse_option(arguments, option, optarg))
            return false;
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return false;
    }
    arguments->path = argv[optind];
    return true;
}

static void store32(unsigned char *out, uint32_t value)
{
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static void store64(unsigned char *out, uint64_t value)
{
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static void write_header(FILE *out, const struct arguments *arguments, uint64_t count)
{
    unsigned char header[24];

    memcpy(header, arguments->ttl_format ? "MSTTTL01" : "MSTRACE1", 8);
    store64(header + 8, count);
    store32(header + 16, arguments->ttl_format ? 23 : !arguments->no_sizes);
    store32(header + 20, 0);
    fwrite(header, 1, sizeof header, out);
}

static void write_request(FILE *out, const struct arguments *arguments,
                          const struct request *request)
{
    unsigned char record[23];

    if (!arguments->ttl_format) {
        store64(record, request->key);
        store32(record + 8, arguments->no_sizes ? 0 : request->value_size);
        fwrite(record, 1, 12, out);
        return;
    }
    store32(record, request->time_ms);
    store64(record + 4, request->key);
    record[12] = (unsigned char)request->key_size;
    record[13] = (unsigned char)(request->key_size >> 8);
    store32(record + 14, request->value_size);
    store32(record + 18, (uint32_t)(request->ttl_ms / 1000));
    record[22] = request->op;
    fwrite(record, 1, 23, out);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct workload workload;
    FILE *out;
    bool failed;

    if (!parse_arguments(&arguments, argc, argv))
        return 2;
    if (!ledger_generate(&arguments.ledger, &workload)) {
        fputs("ledger_write: no memory for the requests\n", stderr);
        return 1;
    }
    out = strcmp(arguments.path, "-") == 0 ? stdout : fopen(arguments.path, "wb");
    if (out) {
        write_header(out, &arguments, workload.count);
        for (size_t i = 0; i < workload.count; i++)
            write_request(out, &arguments, &workload.requests[i]);
    }
    failed = !out || ferror(out) || fclose(out) != 0;
    if (failed)
        fprintf(stderr, "ledger_write: %s: %s\n", arguments.path, strerror(errno));
    workload_fini(&workload);
    return failed;
}
