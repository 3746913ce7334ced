/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations against a naive model.
 *
 *     model_ops [--seeds N] [--seed S] [--ops N] [--config NAME] [--trace]
 *
 * Each run takes one configuration and one seed, and compares every result, count and byte with
 * the model under a clock that only the run moves. A failure prints the command that shows it
 * again; a smaller --ops finds the shortest prefix that fails. */
#include "model/run.h"

#include "support/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>

/* Stands in for the C library's function in this program, so that a run decides the store's hash
 * seed too and a replay repeats every collision. */
static uint64_t fixed_random;

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    struct test_rng rng = {fixed_random};

    if (fixed_random == 0)
        return syscall(SYS_getrandom, buffer, size, flags);
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)buffer)[i] = (unsigned char)test_random(&rng);
    return (ssize_t)size;
}

#define LIMIT "performance.memory_limit="
#define MANUAL "maintenance=manual"

/* Operations between two checks of the store's own invariants. */
#define VALIDATED_EACH 50

const struct run_config run_configs[] = {
    {"one-shard", {MANUAL, "shards=1"}, {0}, 3000, false, false, 4, 0},
    {"16-shards", {MANUAL, "shards=16"}, {0}, 3000, false, false, 4, 0},
    {"small-batches",
     {MANUAL, "shards=4", "performance.batch_size=5", "performance.batch_timeout=2s"},
     {.batch_size = 5, .batch_timeout = 2000},
     3000,
     false,
     false,
     4,
     0},
    {"no-batches",
     {MANUAL, "shards=4", "performance.enable_batch_optimization=false"},
     {.writes_at_once = true},
     3000,
     false,
     false,
     4,
     0},
    {"bounded",
     {MANUAL, "shards=4", "performance.max_concurrent_readers=20",
      "performance.max_concurrent_writers=1"},
     {0},
     3000,
     false,
     false,
     4,
     0},
    {"defaults", {MANUAL}, {0}, 3000, false, false, 4, 0},
    {"fnv", {MANUAL, "shards=4", "hash_function=fnv"}, {0}, 3000, false, false, 4, 0},
    {"crc32", {MANUAL, "shards=4", "hash_function=crc32"}, {0}, 3000, false, false, 4, 0},
    {"lru", {MANUAL, "shards=4", "eviction=lru"}, {0}, 3000, false, false, 4, 0},
    {"second",
     {MANUAL, "shards=2", "ttl.ttl_precision=second"},
     {.precision = 1000},
     3000,
     false,
     false,
     4,
     0},
    {"minute",
     {MANUAL, "shards=2", "ttl.ttl_precision=minute"},
     {.precision = 60000},
     3000,
     false,
     false,
     4,
     0},
    {"created",
     {MANUAL, "shards=2", "ttl.store_creation_time=true"},
     {.keeps_created = true},
     3000,
     false,
     false,
     4,
     0},
    {"window",
     {MANUAL, "shards=2", "life_window=30s"},
     {.life_window = 30000},
     3000,
     false,
     false,
     4,
     0},
    {"created-window",
     {MANUAL, "shards=2", "life_window=30s", "ttl.store_creation_time=true"},
     {.life_window = 30000, .keeps_created = true},
     3000,
     false,
     false,
     4,
     0},
    {"bounds",
     {MANUAL, "shards=2", "ttl.min_ttl=1s", "ttl.max_ttl=1h", "ttl.default_ttl=10m"},
     {.min_ttl = 1000, .max_ttl = 3600000, .default_ttl = 600000},
     3000,
     false,
     false,
     4,
     0},
    {"access",
     {MANUAL, "shards=2", "ttl.mode=access", "ttl.max_ttl=1h"},
     {.max_ttl = 3600000, .slides = true},
     3000,
     false,
     false,
     4,
     0},
    {"access-tight",
     {MANUAL, "shards=4", LIMIT "256KiB", "ttl.mode=access", "ttl.max_ttl=1h"},
     {.max_ttl = 3600000, .slides = true},
     9000,
     true,
     true,
     1,
     0},
    {"access-created",
     {MANUAL, LIMIT "4MiB", "performance.gc_percent=5", "ttl.mode=access", "ttl.max_ttl=1h",
      "ttl.store_creation_time=true"},
     {.max_ttl = 3600000, .keeps_created = true, .slides = true},
     3000,
     false,
     false,
     2,
     0},
    {"max-entry",
     {MANUAL, "shards=2", "max_entry_size=300"},
     {.max_entry_size = 300},
     600,
     false,
     false,
     4,
     0},
    {"presized", {MANUAL, "shards=2", "max_entries_in_window=5000"}, {0}, 3000, false, false, 4, 0},
    {"compacting",
     {MANUAL, "shards=2", LIMIT "4MiB", "performance.gc_percent=5"},
     {0},
     3000,
     false,
     false,
     2,
     0},
    {"large", {MANUAL, "shards=4", LIMIT "1GiB"}, {0}, 3 << 20, false, false, 4, 150},
    {"larger", {MANUAL, "shards=4", LIMIT "5GiB"}, {0}, 3000, false, false, 4, 0},
    {"largest", {MANUAL, "shards=4", LIMIT "130GiB"}, {0}, 3 << 20, false, false, 4, 60},
    {"large-created",
     {MANUAL, "shards=4", LIMIT "512MiB", "ttl.store_creation_time=true"},
     {.keeps_created = true},
     200000,
     false,
     false,
     4,
     0},
    {"tight", {MANUAL, "shards=4", LIMIT "256KiB"}, {0}, 9000, true, true, 1, 0},
    {"tight-s3fifo",
     {MANUAL, "shards=4", LIMIT "256KiB", "eviction=s3fifo"},
     {0},
     9000,
     true,
     true,
     1,
     0},
    {"tight-lru",
     {MANUAL, "shards=4", LIMIT "256KiB", "eviction=lru"},
     {0},
     9000,
     true,
     true,
     1,
     0},
    {"tight-lfu",
     {MANUAL, "shards=4", LIMIT "256KiB", "eviction=lfu"},
     {0},
     9000,
     true,
     true,
     1,
     0},
    {"tight-fifo",
     {MANUAL, "shards=1", LIMIT "256KiB", "eviction=fifo"},
     {0},
     9000,
     true,
     true,
     1,
     0},
    {"tight-none",
     {MANUAL, "shards=4", LIMIT "256KiB", "eviction=none"},
     {0},
     9000,
     true,
     false,
     1,
     0},
    {"tight-1MiB", {MANUAL, "shards=16", LIMIT "1MiB"}, {0}, 60000, true, true, 2, 0},
    {"tight-none-1MiB",
     {MANUAL, "shards=16", LIMIT "1MiB", "eviction=none"},
     {0},
     60000,
     true,
     false,
     2,
     0},
};
const unsigned run_config_count = TEST_COUNT_OF(run_configs);

static const struct {
    const char *name;
    run_op run;
    unsigned weight;
} operations[] = {
    {"set", op_set, 22},
    {"set_async", op_set_async, 12},
    {"flush", op_flush, 2},
    {"set_until", op_set_until, 4},
    {"add", op_add, 6},
    {"replace", op_replace, 6},
    {"compare_and_set", op_compare_and_set, 6},
    {"increment", op_increment, 6},
    {"get", op_get, 16},
    {"hold_view", op_hold_view, 3},
    {"release_view", op_release_view, 3},
    {"has", op_has, 4},
    {"delete", op_delete, 7},
    {"query_ttl", op_query_ttl, 7},
    {"update_ttl", op_update_ttl, 7},
    {"set_many", op_set_many, 4},
    {"get_many", op_get_many, 4},
    {"has_many", op_has_many, 3},
    {"delete_many", op_delete_many, 3},
    {"batch", op_batch, 7},
    {"advance", op_advance, 8},
    {"step_unix", op_step_unix, 1},
    {"maintain", op_maintain, 3},
    {"compact", op_compact, 2},
    {"clear", op_clear, 1},
    {"size", op_size, 4},
    {"keys", op_keys, 3},
    {"count", op_count, 3},
    {"delete_by_pattern", op_delete_by_pattern, 2},
    {"cursor", op_cursor, 10},
    {"stats", op_stats, 3},
    {"reset_stats", op_reset_stats, 1},
    {"bad_arguments", op_bad_arguments, 1},
};

static unsigned pick_operation(struct test_rng *rng)
{
    unsigned total = 0, i = 0;

    for (size_t k = 0; k < TEST_COUNT_OF(operations); k++)
        total += operations[k].weight;
    for (unsigned left = (unsigned)test_below(rng, total); left >= operations[i].weight; i++)
        left -= operations[i].weight;
    return i;
}

static void finish(struct run *run)
{
    run->op_name = "end";
    run_close_cursor(run);
    while (run->held > 0)
        run_release_view(run, run->held - 1);
    run_sync_all(run);
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        run_check_entry(run, &run->model.entries[i]);
    run_check_stats(run);
    run_check_validity(run);
    memstore_destroy(run->store);
    model_fini(&run->model);
}

/* No call that makes room is refused for want of time because this process had no processor for a second. */
static memstore *open_store(const struct run_config *config)
{
    const char *settings[TEST_COUNT_OF(config->settings) + 1] = {"performance.lock_timeout=10s"};

    memcpy(settings + 1, config->settings, sizeof config->settings);
    return test_open_list(settings);
}

static void run_once(const struct run_config *config, uint64_t seed, unsigned ops, bool trace)
{
    static struct run run;

    run = (struct run){
        .config = config, .rng = {seed}, .seed = seed, .trace = trace, .op_name = "open"};
    test_clock_start();
    model_init(&run.model, &config->rules, test_clock_monotonic(), test_clock_unix());
    fixed_random = seed | 1;
    run.store = open_store(config);
    for (run.op = 0; run.op < ops; run.op++) {
        const unsigned which = pick_operation(&run.rng);

        run.op_name = operations[which].name;
        run_note(&run, "%u %s\n", run.op, run.op_name);
        operations[which].run(&run);
        if (run.op % VALIDATED_EACH == 0)
            run_check_validity(&run);
    }
    finish(&run);
}

struct options {
    uint64_t seeds, seed, ops;
    bool one_seed, trace;
    const char *config;
};

static int parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--trace") == 0) {
            options->trace = true;
            continue;
        }
        if (strcmp(argv[i], "--config") == 0) {
            options->config = value;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            options->seeds = strtoull(value, NULL, 0);
        } else if (strcmp(argv[i], "--ops") == 0) {
            options->ops = strtoull(value, NULL, 0);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options->seed = strtoull(value, NULL, 0);
            options->one_seed = true;
        } else {
            fprintf(
                stderr,
                "usage: model_ops [--seeds N] [--seed S] [--ops N] [--config NAME] [--trace]\n");
            return 1;
        }
        i++;
    }
    return 0;
}

/* Seeds of a run that is not told how many: as many as take some ten seconds. */
#define DEFAULT_SEEDS TEST_FEWER(2000, 5)

int main(int argc, char **argv)
{
    struct options options = {.seeds = DEFAULT_SEEDS};
    uint64_t runs = 0;

    if (parse(argc, argv, &options) != 0)
        return 2;
    const uint64_t first = options.one_seed ? options.seed : test_seed("model_ops");
    if (options.one_seed)
        options.seeds = options.config != NULL ? 1 : run_config_count;

    for (uint64_t i = 0; i < options.seeds; i++) {
        const struct run_config *config = &run_configs[i % run_config_count];
        const uint64_t seed = options.one_seed ? first : first + i;

        for (unsigned k = 0; options.config != NULL && k < run_config_count; k++) {
            if (strcmp(run_configs[k].name, options.config) == 0)
                config = &run_configs[k];
        }
        run_once(config, seed,
                 (unsigned)(options.ops   ? options.ops
                            : config->ops ? config->ops
                                          : 300),
                 options.trace);
        runs++;
    }
    printf("model_ops: %" PRIu64 " passed, 0 failed\n", runs);
    return 0;
}
