/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring.access_sample_ratio takes of the processor's time in the long run: of all of the process,
 * the maintenance thread included, which the clock of bench_tracking does not tell.
 *
 * usage: bench_following [--entries N] [--ratio R] [--calls N] [--turns N] [--rounds N] [--limit SIZE]
 *
 * In the long run keys are followed by turns (lib/advice/pace.h): a run is 16 reads of each entry here, the pause
 * after it seven times as long. There are two stores alike, which are read by turns, so many gets of each; one of
 * them follows keys in a run, then in a pause, then not at all; in the next round the other one does. How much longer
 * its gets take is compared with what it is when neither follows: how entries lie in memory is in both. What is
 * between, the 40960 references in the beginning among it, is not timed. Told are medians and the middle half of the rounds,
 * for the thread that reads and for all others, and what an eighth of a run and seven eighths of a pause make. */
#include <memstore/memstore.h>

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 999
#define TURNS_MAX 999
#define KEY_SIZE 24
/* Reads of each entry in a run: MS_PACE_RUN. */
#define RUN 16
/* Of the time, while keys are followed: MS_PACE_PART. */
#define PART 0.125

static unsigned long entries = 300000, calls = 25000, turns = 100, rounds = 20;
static const char *ratio = "0.01", *limit = "1GB";
static char (*keys)[KEY_SIZE + 1];
static uint64_t random_state = 1;

static memstore *open_store(void)
{
    static const char value[100];
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;

    if (config == NULL ||
        memstore_config_set(config, "performance.memory_limit", limit) != MEMSTORE_OK ||
        memstore_open(config, &store) != MEMSTORE_OK) {
        fprintf(stderr, "bench_following: the store does not open\n");
        exit(1);
    }
    memstore_config_free(config);
    for (unsigned long i = 0; i < entries; i++)
        memstore_set(store, keys[i], KEY_SIZE, value, sizeof value, 0);
    return store;
}

static void make_keys(void)
{
    keys = calloc(entries, sizeof *keys);
    if (keys == NULL)
        exit(1);
    for (unsigned long i = 0; i < entries; i++)
        snprintf(keys[i], sizeof keys[i], "bench/following/%08lu", i % 100000000);
}

/* Gets of entries in an order of no pattern. */
static void read_some(memstore *store, unsigned long n)
{
    char buf[100];
    size_t size;

    for (unsigned long i = 0; i < n; i++) {
        random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        memstore_get(store, keys[(random_state >> 32) * entries >> 32], KEY_SIZE, buf, sizeof buf,
                     &size);
    }
}

/* Nanoseconds of processor time that a get takes: of the thread that reads, and of all others. */
struct cost {
    double own, others;
};

static double now_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct cost time_reads(memstore *store)
{
    const double own = now_of(CLOCK_THREAD_CPUTIME_ID), all = now_of(CLOCK_PROCESS_CPUTIME_ID);

    read_some(store, calls);
    const double own_more = now_of(CLOCK_THREAD_CPUTIME_ID) - own;
    const double all_more = now_of(CLOCK_PROCESS_CPUTIME_ID) - all;
    return (struct cost){own_more / (double)calls, (all_more - own_more) / (double)calls};
}

static void follow(memstore *store, const char *share)
{
    if (memstore_reconfigure(store, "monitoring.access_sample_ratio", share) != MEMSTORE_OK) {
        fprintf(stderr, "bench_following: keys cannot be followed\n");
        exit(1);
    }
    read_some(store, 3 * entries);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct costs {
    double own[ROUNDS_MAX], others[ROUNDS_MAX];
};

static void add(struct costs *costs, unsigned long round, struct cost cost, struct cost without)
{
    costs->own[round] = cost.own - without.own;
    costs->others[round] = cost.others - without.others;
}

static double median_of(double *numbers, const char *what)
{
    qsort(numbers, rounds, sizeof *numbers, compare);
    printf("  %s %+6.2f ns (%+.2f .. %+.2f)", what, numbers[rounds / 2], numbers[rounds / 4],
           numbers[rounds * 3 / 4]);
    return numbers[rounds / 2];
}

static double report(const char *what, struct costs *more, double without)
{
    printf("%-11s", what);
    const double own = median_of(more->own, "the reader"),
                 others = median_of(more->others, "other threads");
    printf("  %+5.2f %%\n", 100 * (own + others) / without);
    return own + others;
}

/* What gets of the second store take more than those of the first: the median of the turns. Those of the
 * other threads are of both: they go on with what the turn before has left. */
static struct cost difference(memstore *const stores[2], double *taken)
{
    static double own[TURNS_MAX], first[TURNS_MAX];
    double others = 0;

    for (unsigned long turn = 0; turn < turns; turn++) {
        const struct cost a = time_reads(stores[0]), b = time_reads(stores[1]);

        first[turn] = a.own;
        own[turn] = b.own - a.own;
        others += a.others + b.others;
    }
    qsort(own, turns, sizeof *own, compare);
    qsort(first, turns, sizeof *first, compare);
    *taken = first[turns / 2];
    return (struct cost){own[turns / 2], others / (double)turns};
}

static void measure(memstore *stores[2])
{
    static struct costs in_run, in_pause;
    static double without[ROUNDS_MAX];

    for (unsigned long round = 0; round < rounds; round++) {
        memstore *const pair[2] = {stores[round % 2], stores[(round + 1) % 2]};
        double taken;

        follow(pair[0], "0");
        follow(pair[1], ratio);
        const struct cost run = difference(pair, &taken);
        read_some(pair[1], (RUN + 2) * entries);
        const struct cost pause = difference(pair, &taken);
        follow(pair[1], "0");
        const struct cost neither = difference(pair, &without[round]);
        add(&in_run, round, run, neither);
        add(&in_pause, round, pause, neither);
    }
    qsort(without, rounds, sizeof *without, compare);
    const double middle = without[rounds / 2];
    printf("%lu entries, access_sample_ratio %s, %lu rounds: a get takes %.1f ns of processor time "
           "without\n",
           entries, ratio, rounds, middle);
    const double run = report("in a run", &in_run, middle);
    const double pause = report("in a pause", &in_pause, middle);
    const double both = PART * run + (1 - PART) * pause;
    printf("in the long run %+.2f ns, %+.2f %%\n", both, 100 * both / middle);
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"entries", required_argument, NULL, 'e'},
                                            {"ratio", required_argument, NULL, 'a'},
                                            {"calls", required_argument, NULL, 'c'},
                                            {"turns", required_argument, NULL, 't'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'a')
            ratio = optarg;
        else if (option == 'l')
            limit = optarg;
        else if (option != '?')
            *(option == 'e'   ? &entries
              : option == 'c' ? &calls
              : option == 't' ? &turns
                              : &rounds) = strtoul(optarg, NULL, 10);
        if (option == '?' || entries == 0 || calls == 0 || rounds == 0 || turns == 0 ||
            rounds > ROUNDS_MAX || turns > TURNS_MAX) {
            fprintf(stderr, "usage: bench_following [--entries N] [--ratio R] [--calls N] "
                            "[--turns N] [--rounds N] [--limit SIZE]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    make_keys();
    memstore *stores[2] = {open_store(), open_store()};

    measure(stores);
    memstore_destroy(stores[0]);
    memstore_destroy(stores[1]);
    free(keys);
    return 0;
}
