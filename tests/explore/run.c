/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario from its start to what is made of its history. */
#include "model.h"

#include "schedule.h"
#include "support/linear.h"
#include "support/perform.h"
#include "support/support.h"

#include <inttypes.h>

#define CLOCK_AT_START 1000000
/* The time is looked at after as many runs. */
#define RUNS_BETWEEN 64

enum explore_mode explore_mode;
unsigned explore_stale;
bool explore_shows;

static const struct explore_scenario *scenario;
static struct perform_target target;
static char key_names[64][8];
static uint64_t start_values[HISTORY_KEYS];
static struct history history;
static uint64_t ticket;
static int64_t clock_at_start; /* after the setup */
/* In EXPLORE_WEAK: what each thread had done that happens before a call, and when it returned. */
static uint16_t known_at_call[EXPLORE_THREADS][HISTORY_OPS][EXPLORE_THREADS];
static uint16_t returned[EXPLORE_THREADS][HISTORY_OPS];
static const char calls; /* the object of STEP_CALL and STEP_RETURN */

/* By their hashes the first two differ in their shards, when there are two, and in their homes. */
memstore_key explore_key(unsigned key)
{
    return (memstore_key){key_names[key],
                          (size_t)snprintf(key_names[key], sizeof key_names[key], "name%u", key)};
}

void explore_start_with(unsigned key, uint64_t value)
{
    struct history_op op = {.kind = HISTORY_SET, .keys = 1u << key};

    op.parts[key] = (struct history_part){.effect = HISTORY_STORES, .value = value};
    perform(&target, &op);
    CHECK(op.status == MEMSTORE_OK);
    start_values[key] = value;
}

/* ---- Threads ---- */

static void begin_call(struct history_op *op, unsigned thread, unsigned number)
{
    if (explore_mode == EXPLORE_ORDERS)
        explore_reach(STEP_CALL, &calls, NULL);
    memcpy(known_at_call[thread][number], explore_running->view.clock, sizeof known_at_call[0][0]);
    if (op->kind != HISTORY_CLOCK)
        op->clock = explore_clock();
    op->begin = ticket++;
}

static void end_call(struct history_op *op, unsigned thread, unsigned number)
{
    if (explore_mode == EXPLORE_ORDERS)
        explore_reach(STEP_RETURN, &calls, NULL);
    op->end = ticket++;
    returned[thread][number] = ++explore_running->view.clock[thread];
    explore_running->view.clock[thread]++;
}

static void run_thread(unsigned thread)
{
    uint64_t known[HISTORY_KEYS] = {0};

    for (unsigned i = 0; i < EXPLORE_STEPS; i++) {
        const struct explore_step *step = &scenario->steps[thread][i];

        if (step->other != NULL) {
            step->other(target.store);
        } else if (step->op.keys != 0 || step->op.kind == HISTORY_CLOCK) {
            const unsigned number = history.counts[thread];
            struct history_op *op = &history.ops[thread][number];

            *op = step->op;
            for (unsigned k = 0; k < HISTORY_KEYS; k++) {
                if (op->parts[k].expect == HISTORY_VERSION)
                    op->parts[k].version = known[k];
            }
            begin_call(op, thread, number);
            perform(&target, op);
            end_call(op, thread, number);
            history.counts[thread]++;
            for (unsigned k = 0; k < HISTORY_KEYS; k++) {
                if (history_is_read(op->kind) && op->parts[k].version != 0)
                    known[k] = op->parts[k].version;
            }
        }
    }
}

/* ---- Histories ---- */

static void order_by_happens_before(void)
{
    for (unsigned t = 0; t < history.threads; t++) {
        for (unsigned i = 0; i < history.counts[t]; i++) {
            for (unsigned other = 0; other < history.threads; other++) {
                uint8_t ended = 0;

                while (ended < history.counts[other] &&
                       returned[other][ended] <= known_at_call[t][i][other])
                    ended++;
                history.before[t][i][other] = ended;
            }
        }
    }
}

static void start_history(unsigned threads)
{
    memset(&history, 0, sizeof history);
    memcpy(history.start, start_values, sizeof start_values);
    history.threads = threads;
    history.clock = clock_at_start;
    history.snapshots = scenario->snapshots;
    history.timed = scenario->timed;
    history.evicts = scenario->evicts;
    ticket = 0;
}

static enum linear_answer explain(FILE *file)
{
    if (explore_mode == EXPLORE_ORDERS)
        history_order_by_time(&history);
    else
        order_by_happens_before();
    return file != NULL ? linear_explain(&history, file) : linear_check(&history);
}

/* ---- Scenarios ---- */

static void open_store(void)
{
    memory_reset();
    memset(start_values, 0, sizeof start_values);
    platform_start_clock(CLOCK_AT_START, scenario->timed);
    target = (struct perform_target){.store = test_open_list(scenario->settings),
                                     .versions = scenario->versions,
                                     .longest = scenario->longest,
                                     .form = scenario->counters ? PERFORM_DECIMAL : PERFORM_SEALED,
                                     .set_clock = explore_set_clock};
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        target.keys[k] = explore_key(k);
    if (scenario->setup != NULL)
        scenario->setup(target.store);
    clock_at_start = explore_clock();
}

static unsigned count_threads(void)
{
    unsigned count = 0;

    for (unsigned t = 0; t < EXPLORE_THREADS; t++) {
        const struct explore_step *first = &scenario->steps[t][0];
        if (first->other != NULL || first->op.keys != 0 || first->op.kind == HISTORY_CLOCK)
            count = t + 1;
    }
    return count;
}

static void note_failure(struct explore_result *result, enum run_end end, FILE *file)
{
    result->failed = true;
    if (end == RUN_FAILED)
        snprintf(result->why, sizeof result->why, "%s", schedule_failure());
    else
        snprintf(result->why, sizeof result->why, "%s",
                 explain(NULL) == LINEAR_EXPLAINED ? "what is left behind is not as it should be"
                                                   : "the history cannot be explained");
    if (file == NULL)
        return;
    fprintf(file, "%s, run %" PRIu64 ": %s\n", scenario->name, result->runs, result->why);
    report_steps(file);
    if (end == RUN_FAILED)
        history_print(file, &history);
    else
        explain(file);
}

static bool ended_well(void)
{
    return explain(NULL) == LINEAR_EXPLAINED &&
           (scenario->finish == NULL || scenario->finish(target.store));
}

static void run_once(struct explore_result *result, unsigned threads, FILE *file)
{
    start_history(threads);
    const enum run_end end = schedule_run(threads, run_thread);

    result->runs++;
    result->redundant += end == RUN_REDUNDANT;
    if (end == RUN_FAILED || (end == RUN_FINISHED && !ended_well()))
        note_failure(result, end, file);
    memory_undo_run();
}

struct explore_result explore(const struct explore_scenario *what, enum explore_mode mode,
                              double seconds, uint64_t runs, FILE *file)
{
    struct explore_result result = {0};
    const double end = test_now() + seconds;

    scenario = what;
    explore_mode = mode;
    explore_shows = file != NULL;
    explore_stale = what->stale != 0 ? what->stale : 1;
    open_store();
    schedule_reset();
    const unsigned threads = count_threads();
    do {
        run_once(&result, threads, file);
        if (result.failed ||
            (result.runs >= runs && result.runs % RUNS_BETWEEN == 0 && test_now() > end))
            break;
        result.complete = !schedule_next();
    } while (!result.complete);
    result.steps = schedule_steps();
    return result;
}
