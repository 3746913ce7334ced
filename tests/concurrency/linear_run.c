/* SPDX-License-Identifier: Apache-2.0 */
#include "linear_run.h"

#include "linear_plan.h"
#include "platform/testing.h"
#include "support/clock.h"
#include "support/preempt.h"
#include "support/team.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>

/* Histories that a team runs before they are checked. */
#define BLOCK 32
/* One point in as many holds its thread up. */
#define PREEMPTION 4
#define CHURN_KEYS 3000
#define SPINS_TO_MEET 2000

static const struct linear_mix *mix;
static struct perform_target target;
static uint64_t seed;
static struct history *histories; /* BLOCK of them */
static pthread_barrier_t barrier;
static atomic_uint arrived;
static atomic_uint_least64_t ticket;
static int64_t clock_now;

/* ---- One history ---- */

static void set_clock(int64_t clock)
{
    test_clock_advance(clock - test_clock_monotonic());
}

static int64_t read_clock(void)
{
    int64_t monotonic = 0, unix_now;

    ms_testing_clock(&monotonic, &unix_now);
    return monotonic;
}

/* All threads have come here: asleep at first, because there are fewer processors than threads,
 * then for a moment awake, so that they go on together. */
static void meet(unsigned threads, unsigned *round)
{
    const unsigned all = ++*round * threads;

    pthread_barrier_wait(&barrier);
    atomic_fetch_add(&arrived, 1);
    for (unsigned i = 0; i < SPINS_TO_MEET && atomic_load(&arrived) < all; i++)
        ;
}

/* Let each key hold what the history begins with. */
static void prepare(struct history *history)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        struct history_op op = {.kind = HISTORY_DELETE, .keys = 1u << k};

        if (target.keys[k].size == 0)
            continue;
        if (history->start[k] != 0) {
            op.kind = HISTORY_SET;
            op.parts[k] =
                (struct history_part){.effect = HISTORY_STORES, .value = history->start[k]};
            perform(&target, &op);
            if (op.status == MEMSTORE_OK)
                continue;
            /* Refused for want of room: then it begins without. */
            history->start[k] = 0;
            op.kind = HISTORY_DELETE;
        }
        perform(&target, &op);
        CHECK(op.status == MEMSTORE_OK || op.status == MEMSTORE_ERR_KEY_NOT_FOUND);
    }
}

/* Versions expected are those that this thread was last told. */
static void expect_versions(struct history_op *op, const uint64_t *known)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if (op->parts[k].expect == HISTORY_VERSION)
            op->parts[k].version = known[k];
    }
}

static void learn_versions(const struct history_op *op, uint64_t *known)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if (history_is_read(op->kind) && op->parts[k].version != 0)
            known[k] = op->parts[k].version;
    }
}

static void run_thread(struct history *history, unsigned thread)
{
    uint64_t known[HISTORY_KEYS] = {0};

    for (unsigned i = 0; i < history->counts[thread]; i++) {
        struct history_op *op = &history->ops[thread][i];

        preempt_here();
        expect_versions(op, known);
        if (history->timed && op->kind != HISTORY_CLOCK)
            op->clock = read_clock();
        op->begin = atomic_fetch_add(&ticket, 1);
        perform(&target, op);
        op->end = atomic_fetch_add(&ticket, 1);
        learn_versions(op, known);
    }
}

static void run_block(unsigned thread, void *context)
{
    unsigned round = 0;

    (void)context;
    for (unsigned h = 0; h < BLOCK; h++) {
        struct history *history = &histories[h];

        if (thread == 0) {
            if (history->timed)
                set_clock(history->clock);
            prepare(history);
            atomic_store(&ticket, 0);
        }
        preempt_seed(seed ^ test_random(&(struct test_rng){(uint64_t)h << 32 | thread}));
        meet(history->threads, &round);
        run_thread(history, thread);
        pthread_barrier_wait(&barrier);
    }
}

/* ---- Beside the histories ---- */

static atomic_bool churn_stops;

static void churn(unsigned thread, void *context)
{
    struct test_rng rng = {seed};
    unsigned char value[600] = {0};
    char key[32];

    (void)context;
    rng.state ^= thread;
    preempt_exempt();
    while (!atomic_load(&churn_stops)) {
        const size_t size =
            (size_t)snprintf(key, sizeof key, "churn/%" PRIu64, test_below(&rng, CHURN_KEYS));

        if (test_one_in(&rng, 3))
            memstore_delete(target.store, key, size);
        else
            memstore_set(target.store, key, size, value, test_below(&rng, sizeof value),
                         MEMSTORE_TTL_NONE);
        if (test_one_in(&rng, 16))
            sched_yield();
    }
}

/* ---- Checking ---- */

static bool overlaps(const struct history *history)
{
    for (unsigned t = 0; t < history->threads; t++) {
        for (unsigned i = 0; i < history->counts[t]; i++) {
            const struct history_op *op = &history->ops[t][i];

            if (op->end > op->begin + 1)
                return true;
        }
    }
    return false;
}

static bool is_by_key(const struct linear_mix *what)
{
    return what->together == 0 && !what->timed;
}

/* Operations on one key alone: where no operation has several, each key can be explained for
 * itself, which takes much less. */
static void extract_key(const struct history *whole, unsigned key, struct history *part)
{
    *part = *whole;
    for (unsigned t = 0; t < whole->threads; t++) {
        part->counts[t] = 0;
        for (unsigned i = 0; i < whole->counts[t]; i++) {
            if (whole->ops[t][i].keys == 1u << key)
                part->ops[t][part->counts[t]++] = whole->ops[t][i];
        }
    }
    history_order_by_time(part);
}

static enum linear_answer check_history(struct history *history, FILE *file)
{
    static struct history part;
    enum linear_answer worst = LINEAR_EXPLAINED;

    if (!is_by_key(mix)) {
        history_order_by_time(history);
        return linear_explain(history, file);
    }
    for (unsigned k = 0; k < HISTORY_KEYS && worst != LINEAR_IMPOSSIBLE; k++) {
        extract_key(history, k, &part);
        const enum linear_answer answer = linear_explain(&part, file);
        if (answer != LINEAR_EXPLAINED)
            worst = answer;
    }
    return worst;
}

static void check_block(struct linear_result *result, FILE *file)
{
    for (unsigned h = 0; h < BLOCK && !result->impossible; h++) {
        const enum linear_answer answer = check_history(&histories[h], file);

        result->histories++;
        result->overlapping += overlaps(&histories[h]);
        result->undecided += answer == LINEAR_TOO_LARGE;
        result->impossible = answer == LINEAR_IMPOSSIBLE;
        if (result->impossible)
            fprintf(file, "%s, history %" PRIu64 "\n", mix->name, result->histories - 1);
    }
}

/* ---- Running ---- */

static void name_keys(char names[HISTORY_KEYS][8])
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        const bool used = ((mix->singles | mix->together) >> k & 1) != 0;
        const int size = snprintf(names[k], 8, "key%u", k);

        target.keys[k] = (memstore_key){names[k], used ? (size_t)size : 0};
    }
}

static void plan_block(struct test_rng *rng)
{
    for (unsigned h = 0; h < BLOCK; h++) {
        if (mix->timed)
            clock_now += 10 * LINEAR_CLOCK_STEP;
        linear_plan(mix, rng, clock_now, &histories[h]);
    }
}

/* Seconds for a machine so busy that histories are few and threads hardly meet. */
#define PATIENCE 60

static void run_and_check(struct linear_result *result, uint64_t least, double seconds, FILE *file)
{
    const double end = test_now() + seconds, latest = end + PATIENCE;
    struct test_rng rng = {seed};

    while (!result->impossible &&
           (test_now() < end ||
            ((result->histories < least || result->overlapping == 0) && test_now() < latest))) {
        struct test_team team = {0};

        plan_block(&rng);
        atomic_store(&arrived, 0);
        CHECK(pthread_barrier_init(&barrier, NULL, histories[0].threads) == 0);
        test_team_start(&team, histories[0].threads, run_block, NULL);
        test_team_join(&team);
        pthread_barrier_destroy(&barrier);
        check_block(result, file);
    }
}

/* On a machine that others use as well, a thread may stand still for long with a lock held. */
static memstore *open_store(void)
{
    const char *settings[TEST_COUNT_OF(mix->settings) + 2] = {"performance.lock_timeout=30s"};
    unsigned count = 1;

    /* An entry that is moved in the moment in which its version is first asked for may get another:
     * where versions are compared, nothing is moved. */
    if (mix->versions)
        settings[count++] = "performance.gc_percent=0";
    memcpy(settings + count, mix->settings, sizeof mix->settings);
    return test_open_list(settings);
}

struct linear_result linear_run(const struct linear_mix *wanted, uint64_t new_seed, uint64_t least,
                                double seconds, FILE *file)
{
    struct linear_result result = {0};
    struct test_team churners = {0};
    char names[HISTORY_KEYS][8];

    mix = wanted;
    seed = new_seed;
    target = (struct perform_target){
        .form = mix->form, .longest = mix->longest, .versions = mix->versions};
    target.set_clock = set_clock;
    name_keys(names);
    histories = calloc(BLOCK, sizeof *histories);
    CHECK(histories != NULL);
    if (mix->timed) {
        test_clock_start();
        clock_now = test_clock_monotonic();
    }
    target.store = open_store();
    preempt_start(PREEMPTION);
    atomic_store(&churn_stops, false);
    test_team_start(&churners, mix->churns, churn, NULL);
    run_and_check(&result, least, seconds, file);
    atomic_store(&churn_stops, true);
    test_team_join(&churners);
    preempt_stop();
    memstore_destroy(target.store);
    if (mix->timed)
        ms_testing_use_real_clock();
    free(histories);
    return result;
}

/* What each mix, and all of a program together, have to show. */
#define LEAST_OF_MIX 100
#define LEAST_OF_ALL 1000

void linear_run_all(const struct linear_mix *mixes, size_t count, uint64_t seed_of_all,
                    double seconds)
{
    const uint64_t share = (LEAST_OF_ALL + count - 1) / count,
                   least = share > LEAST_OF_MIX ? share : LEAST_OF_MIX;

    for (size_t i = 0; i < count; i++) {
        const struct linear_result result =
            linear_run(&mixes[i], seed_of_all + i, least, seconds / (double)count, stderr);

        CHECK(!result.impossible);
        CHECK(result.histories >= least && result.overlapping > 0);
        CHECK(result.undecided * 100 <= result.histories);
        printf("ok   %s: %" PRIu64 " histories, %" PRIu64 " with overlapping operations",
               mixes[i].name, result.histories, result.overlapping);
        if (result.undecided != 0)
            printf(", %" PRIu64 " too large to decide", result.undecided);
        printf("\n");
        fflush(stdout);
    }
}
