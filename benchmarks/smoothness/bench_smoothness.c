/* SPDX-License-Identifier: Apache-2.0 */
/* How evenly calls go at the memory limit: each get and set is timed on its own, and beside them an
 * empty loop that reads the clock alone, and one that computes for about as long as a call takes:
 * what interrupts it would have interrupted a call.
 *
 * Two loads, one after the other, each on a store of its own that is filled first: 95 % get and 5 %
 * set of keys of which half as many again exist as fit; and new keys alone. */
#include "common/bench_key.h"
#include "common/clock.h"
#include "common/random.h"
#include "replay/units.h"
#include "smoothness/stalls.h"
#include "smoothness/tails.h"

#include <getopt.h>
#include <inttypes.h>
#include <memstore/memstore.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUE_SIZE = 100,
    ENTRY_BYTES = 140,
    WRITE_ONE_IN = 20,
    EMPTY_ONE_IN = 8,
    SPIN_STEPS = 500, /* half a microsecond to one */
    MAX_THREADS = 64
};

struct arguments {
    uint64_t seconds, threads, limit;
    const char *json_path; /* NULL = no JSON */
};

static const char usage[] = "usage: bench_smoothness [options]\n"
                            "  --seconds N   how long each load runs at the limit (60)\n"
                            "  --threads N   threads that call (1)\n"
                            "  --limit SIZE  memory limit (256MiB)\n"
                            "  --json FILE   results as JSON, too\n"
                            "status: 0 done, 1 a call failed, 2 bad arguments\n";

enum load { LOAD_MIX, LOAD_NEW, LOADS };

struct worker {
    enum load load;
    memstore *store;
    uint64_t keys; /* that the mix draws from */
    uint64_t ends; /* clock_now_ns() */
    uint64_t next_key, key_step;
    struct random_state random;
    struct tails tails;
    struct stalls stalls;
    uint64_t failed;
    uint64_t spun;
    pthread_t thread;
};

/* ---- One call ---- */

static void time_set(struct worker *worker, uint64_t id)
{
    unsigned char value[VALUE_SIZE] = {0};
    char key[BENCH_KEY_SIZE];

    bench_key_format(key, id);
    const uint64_t began = clock_now_ns();
    const int status =
        memstore_set(worker->store, key, sizeof key, value, sizeof value, MEMSTORE_TTL_NONE);
    const uint64_t ended = clock_now_ns();
    histogram_add(&worker->tails.of[TAILS_SET], ended - began);
    stalls_note(&worker->stalls, began, ended);
    worker->failed += status != MEMSTORE_OK;
}

static void time_get(struct worker *worker, uint64_t id)
{
    unsigned char value[VALUE_SIZE];
    char key[BENCH_KEY_SIZE];
    size_t size;

    bench_key_format(key, id);
    const uint64_t began = clock_now_ns();
    const int status = memstore_get(worker->store, key, sizeof key, value, sizeof value, &size);
    histogram_add(&worker->tails.of[TAILS_GET], clock_now_ns() - began);
    worker->failed += status != MEMSTORE_OK && status != MEMSTORE_ERR_KEY_NOT_FOUND;
}

static void time_nothing(struct worker *worker)
{
    const uint64_t began = clock_now_ns();

    histogram_add(&worker->tails.of[TAILS_NOTHING], clock_now_ns() - began);
}

static void time_spin(struct worker *worker)
{
    uint64_t word = worker->spun;
    const uint64_t began = clock_now_ns();

    for (unsigned i = 0; i < SPIN_STEPS; i++)
        word = word * 6364136223846793005u + 1;
    /* The result is needed, so that it is computed before the clock is read. */
    __asm__ volatile("" : "+r"(word));
    histogram_add(&worker->tails.of[TAILS_SPIN], clock_now_ns() - began);
    worker->spun = word;
}

static uint64_t new_key(struct worker *worker)
{
    return worker->next_key += worker->key_step;
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (uint64_t i = 0; clock_now_ns() < worker->ends; i++) {
        if (i % EMPTY_ONE_IN == 0) {
            time_nothing(worker);
            time_spin(worker);
        }
        if (worker->load == LOAD_NEW)
            time_set(worker, new_key(worker));
        else if (i % WRITE_ONE_IN == 0)
            time_set(worker, random_below(&worker->random, worker->keys));
        else
            time_get(worker, random_below(&worker->random, worker->keys));
    }
    return NULL;
}

/* ---- One load ---- */

static memstore *open_full_store(uint64_t limit, uint64_t keys)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;
    unsigned char value[VALUE_SIZE] = {0};
    char text[32], key[BENCH_KEY_SIZE];

    snprintf(text, sizeof text, "%" PRIu64, limit);
    if (!config || memstore_config_set(config, "performance.memory_limit", text) != MEMSTORE_OK ||
        memstore_open(config, &store) != MEMSTORE_OK) {
        fprintf(stderr, "bench_smoothness: no store of %s bytes\n", text);
        exit(1);
    }
    memstore_config_free(config);
    for (uint64_t id = 0; id < keys; id++) {
        bench_key_format(key, id);
        if (memstore_set(store, key, sizeof key, value, sizeof value, MEMSTORE_TTL_NONE) !=
            MEMSTORE_OK)
            exit(1);
    }
    return store;
}

static void report_load(const struct worker *workers, const struct arguments *arguments,
                        struct json *json)
{
    static const char *const names[LOADS] = {"95 % get, 5 % set", "new keys"};
    static struct tails tails;
    const struct stalls *stalls[MAX_THREADS];

    memset(&tails, 0, sizeof tails);
    for (uint64_t i = 0; i < arguments->threads; i++) {
        tails_merge(&tails, &workers[i].tails);
        stalls[i] = &workers[i].stalls;
    }
    printf("\n%s, %" PRIu64 " threads\n", names[workers[0].load], arguments->threads);
    tails_print(&tails);
    const uint64_t longest = stalls_longest_of_all(stalls, (unsigned)arguments->threads);
    printf("longest time in which every thread stood in a set: %.3f ms\n", (double)longest / 1e6);
    if (json == NULL)
        return;
    json_open_object(json, NULL);
    json_string(json, "name", names[workers[0].load]);
    tails_write_json(&tails, json, "calls");
    json_unsigned(json, "longest_all_stood_ns", longest);
    json_close_object(json);
}

static bool run_load(enum load load, const struct arguments *arguments, struct json *json)
{
    const uint64_t keys = arguments->limit / ENTRY_BYTES * 3 / 2;
    struct worker *workers = calloc(arguments->threads, sizeof *workers);
    memstore *store = open_full_store(arguments->limit, keys);
    uint64_t failed = 0;

    if (!workers)
        exit(1);
    for (uint64_t i = 0; i < arguments->threads; i++) {
        struct worker *worker = &workers[i];

        worker->load = load;
        worker->store = store;
        worker->keys = keys;
        worker->next_key = keys + i;
        worker->key_step = arguments->threads;
        worker->ends = clock_now_ns() + arguments->seconds * 1000000000u;
        random_seed(&worker->random, i + 1);
        if (pthread_create(&worker->thread, NULL, work, worker) != 0)
            exit(1);
    }
    for (uint64_t i = 0; i < arguments->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        failed += workers[i].failed;
    }
    report_load(workers, arguments, json);
    memstore_destroy(store);
    free(workers);
    if (failed != 0)
        fprintf(stderr, "bench_smoothness: %" PRIu64 " calls failed\n", failed);
    return failed == 0;
}

static bool run_both(const struct arguments *arguments, struct json *json)
{
    const bool mixed = run_load(LOAD_MIX, arguments, json);

    return run_load(LOAD_NEW, arguments, json) && mixed;
}

static bool run_loads(const struct arguments *arguments)
{
    struct json json;

    if (arguments->json_path == NULL)
        return run_both(arguments, NULL);
    FILE *out = fopen(arguments->json_path, "w");
    if (out == NULL) {
        perror(arguments->json_path);
        return false;
    }
    json_init(&json, out);
    json_open_object(&json, NULL);
    json_unsigned(&json, "seconds", arguments->seconds);
    json_unsigned(&json, "threads", arguments->threads);
    json_unsigned(&json, "limit_bytes", arguments->limit);
    json_open_array(&json, "loads");
    const bool done = run_both(arguments, &json);
    json_close_array(&json);
    json_close_object(&json);
    const bool written = fclose(out) == 0;
    if (!written)
        perror(arguments->json_path);
    return done && written;
}

/* ---- Arguments ---- */

static bool parse_option(struct arguments *arguments, int option, const char *value)
{
    switch (option) {
    case 's':
        return units_parse_count(value, &arguments->seconds) && arguments->seconds >= 1;
    case 't':
        return units_parse_count(value, &arguments->threads) && arguments->threads >= 1 &&
               arguments->threads <= MAX_THREADS;
    case 'l':
        return units_parse_size(value, &arguments->limit);
    case 'j':
        arguments->json_path = value;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"threads", required_argument, NULL, 't'},
        {"limit", required_argument, NULL, 'l'},   {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    struct arguments arguments = {.seconds = 60, .threads = 1, .limit = 256 << 20};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (!parse_option(&arguments, option, optarg)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    return run_loads(&arguments) ? 0 : 1;
}
