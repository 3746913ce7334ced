/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/worker.h"

#include "common/clock.h"
#include "common/pattern.h"
#include <stdlib.h>

/* Small enough that the threads stay close together in the workload, large enough that taking
 * one costs nothing. */
enum { BLOCK = 256 };

/* One request with its key written out. */
struct step {
    const struct request *request;
    const char *key;
    int64_t ttl_ms;
    bool timed;
};

struct worker *worker_create(struct worker_shared *shared)
{
    struct worker *worker = calloc(1, sizeof *worker);
    size_t value_size = shared->workload->max_value_size;
    size_t key_size = shared->workload->max_key_size;

    if (!worker)
        return NULL;
    worker->shared = shared;
    worker->until_sample = 1;
    worker->value = malloc(value_size + 1);
    worker->read = malloc(value_size + 1);
    worker->key = malloc(key_size + WORKLOAD_NUMERIC_KEY_SIZE);
    if (worker->value && worker->read && worker->key)
        return worker;
    worker_destroy(worker);
    return NULL;
}

void worker_destroy(struct worker *worker)
{
    if (!worker)
        return;
    free(worker->value);
    free(worker->read);
    free(worker->key);
    free(worker);
}

static void count_status(uint64_t counts[RUN_STATUSES], int status)
{
    counts[status < 0 && -status < RUN_STATUSES ? -status : 0]++;
}

static uint64_t start_timer(const struct step *step)
{
    return step->timed ? clock_now_ns() : 0;
}

static void stop_timer(const struct step *step, uint64_t started, struct histogram *histogram)
{
    if (step->timed)
        histogram_add(histogram, clock_now_ns() - started);
}

enum write_kind { WRITE_SET, WRITE_ADD };

static void write_value(struct worker *worker, const struct step *step, enum write_kind kind)
{
    const struct request *request = step->request;
    memstore *store = worker->shared->store;
    uint64_t started;
    int status;

    pattern_fill(worker->value, request->value_size, step->key, request->key_size);
    started = start_timer(step);
    if (kind == WRITE_ADD)
        status = memstore_add(store, step->key, request->key_size, worker->value,
                              request->value_size, step->ttl_ms);
    else
        status = memstore_set(store, step->key, request->key_size, worker->value,
                              request->value_size, step->ttl_ms);
    stop_timer(step, started, &worker->set_ns);
    if (status == MEMSTORE_OK)
        worker->counts.sets++;
    else if (status != MEMSTORE_ERR_KEY_EXISTS)
        count_status(worker->counts.refused, status);
}

static void check_value(struct worker *worker, const struct step *step, const void *value,
                        size_t size)
{
    if (worker->shared->options->verify &&
        !pattern_matches(value, size, step->key, step->request->key_size))
        worker->counts.wrong_values++;
}

static void read_value(struct worker *worker, const struct step *step)
{
    const struct request *request = step->request;
    uint64_t bytes = (uint64_t)request->key_size + request->value_size;
    uint64_t started = start_timer(step);
    size_t size = 0;
    int status = memstore_get(worker->shared->store, step->key, request->key_size, worker->read,
                              worker->shared->workload->max_value_size, &size);

    stop_timer(step, started, &worker->get_ns);
    worker->counts.gets++;
    worker->counts.get_bytes += bytes;
    if (status == MEMSTORE_OK) {
        worker->counts.hits++;
        worker->counts.hit_bytes += bytes;
        check_value(worker, step, worker->read, size);
        return;
    }
    if (status != MEMSTORE_ERR_KEY_NOT_FOUND)
        count_status(worker->counts.failed_reads, status);
    write_value(worker, step, WRITE_SET);
}

/* Replace a live value by compare-and-set, as a read, change and write of it does. */
static void change_value(struct worker *worker, const struct step *step)
{
    const struct request *request = step->request;
    memstore *store = worker->shared->store;
    memstore_view view;
    uint64_t version;
    int status = memstore_get_view(store, step->key, request->key_size, &view);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND) {
        if (request->op == OP_INCREMENT)
            write_value(worker, step, WRITE_SET);
        return;
    }
    if (status != MEMSTORE_OK) {
        count_status(worker->counts.failed_reads, status);
        return;
    }
    check_value(worker, step, view.data, view.size);
    version = view.version;
    memstore_view_release(&view);
    pattern_fill(worker->value, request->value_size, step->key, request->key_size);
    status = memstore_compare_and_set(store, step->key, request->key_size, worker->value,
                                      request->value_size, step->ttl_ms, version);
    if (status == MEMSTORE_OK)
        worker->counts.sets++;
    else if (status != MEMSTORE_ERR_VERSION_MISMATCH)
        count_status(worker->counts.refused, status);
}

static void delete_value(struct worker *worker, const struct step *step)
{
    int status = memstore_delete(worker->shared->store, step->key, step->request->key_size);

    if (status == MEMSTORE_OK)
        worker->counts.deletes++;
    else if (status != MEMSTORE_ERR_KEY_NOT_FOUND)
        count_status(worker->counts.refused, status);
}

static void carry_out(struct worker *worker, const struct step *step)
{
    switch ((enum request_op)step->request->op) {
    case OP_GET:
    case OP_GETS:
        read_value(worker, step);
        break;
    case OP_SET:
        write_value(worker, step, WRITE_SET);
        break;
    case OP_ADD:
        write_value(worker, step, WRITE_ADD);
        break;
    case OP_DELETE:
        delete_value(worker, step);
        break;
    case OP_INCREMENT:
    case OP_CAS:
    case OP_PREPEND:
        change_value(worker, step);
        break;
    case OP_COUNT:
        break;
    }
}

static void wait_for_its_time(const struct worker *worker, const struct request *request)
{
    double due = (double)worker->shared->started_ns +
                 request->time_ms * 1e6 / worker->shared->options->speed;
    double early = due - (double)clock_now_ns();

    if (early > 0.0)
        clock_sleep_ns((uint64_t)early);
}

/* Scaling keeps a TTL a TTL: it never becomes 0, which would mean none. */
static int64_t scale_ttl(int64_t ttl_ms, double speed)
{
    if (ttl_ms == 0 || speed <= 0.0)
        return ttl_ms;
    return (double)ttl_ms > speed ? (int64_t)((double)ttl_ms / speed) : 1;
}

static void run_block(struct worker *worker, size_t first, size_t end)
{
    const struct workload *workload = worker->shared->workload;
    const struct run_options *options = worker->shared->options;

    for (size_t i = first; i < end; i++) {
        const struct request *request = &workload->requests[i];
        struct step step = {.request = request,
                            .ttl_ms = scale_ttl(request->ttl_ms, options->speed)};

        if (options->speed > 0.0)
            wait_for_its_time(worker, request);
        step.key = workload_key(workload, request, worker->key);
        if (--worker->until_sample == 0) {
            worker->until_sample = options->sample_every;
            step.timed = true;
        }
        carry_out(worker, &step);
    }
}

void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct worker_shared *shared = worker->shared;
    size_t count = shared->workload->count;

    for (;;) {
        size_t first = atomic_fetch_add(&shared->next, BLOCK);
        size_t end = first + BLOCK < count ? first + BLOCK : count;

        if (first >= count)
            break;
        run_block(worker, first, end);
        atomic_fetch_add(&shared->done, end - first);
    }
    atomic_fetch_sub(&shared->running, 1);
    return NULL;
}
