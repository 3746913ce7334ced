/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/run.h"

#include "common/clock.h"
#include "common/pattern.h"
#include "common/process_memory.h"
#include "replay/worker.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_NS = 20000000 };

static bool configure(memstore_config *config, const char *key, const char *value,
                      struct run_result *result)
{
    if (memstore_config_set(config, key, value) == MEMSTORE_OK)
        return true;
    snprintf(result->refusal, sizeof result->refusal, "%s", memstore_config_error(config));
    return false;
}

/* The caller's settings come last, so that they can also replace the limit and the policy. */
static bool configure_all(memstore_config *config, const struct run_options *options,
                          struct run_result *result)
{
    char text[256];

    snprintf(text, sizeof text, "%" PRIu64, options->limit_bytes);
    if (!configure(config, "performance.memory_limit", text, result) ||
        !configure(config, "eviction", options->eviction, result))
        return false;
    for (unsigned i = 0; i < options->setting_count; i++) {
        const char *value = strchr(options->settings[i], '=');

        if (!value || (size_t)(value - options->settings[i]) >= sizeof text) {
            snprintf(result->refusal, sizeof result->refusal,
                     "\"%s\" is no setting such as shards=64", options->settings[i]);
            return false;
        }
        snprintf(text, sizeof text, "%.*s", (int)(value - options->settings[i]),
                 options->settings[i]);
        if (!configure(config, text, value + 1, result))
            return false;
    }
    return true;
}

static memstore *open_store(const struct run_options *options, struct run_result *result)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;
    int status;

    if (!config) {
        snprintf(result->refusal, sizeof result->refusal, "no memory for a configuration");
        return NULL;
    }
    if (configure_all(config, options, result)) {
        status = memstore_open(config, &store);
        if (status != MEMSTORE_OK) {
            const char *why = memstore_config_error(config);

            snprintf(result->refusal, sizeof result->refusal, "%s",
                     *why ? why : memstore_strerror(status));
        }
    }
    memstore_config_free(config);
    return store;
}

static void merge_counts(struct run_counts *into, const struct run_counts *from)
{
    into->gets += from->gets;
    into->hits += from->hits;
    into->get_bytes += from->get_bytes;
    into->hit_bytes += from->hit_bytes;
    into->sets += from->sets;
    into->deletes += from->deletes;
    into->wrong_values += from->wrong_values;
    for (unsigned i = 0; i < RUN_STATUSES; i++) {
        into->refused[i] += from->refused[i];
        into->failed_reads[i] += from->failed_reads[i];
    }
}

/* Walk over what is left in the store: how many bytes of keys and values there are, and whether
 * all are right. */
static void inspect_entries(memstore *store, bool verify, struct run_result *result)
{
    memstore_cursor *cursor;
    memstore_key key;

    if (memstore_cursor_new(store, "", 0, &cursor) != MEMSTORE_OK)
        return;
    while (memstore_cursor_next(cursor, &key) == MEMSTORE_OK) {
        memstore_view view;

        if (memstore_get_view(store, key.data, key.size, &view) != MEMSTORE_OK)
            continue;
        result->entries++;
        result->live_key_value_bytes += key.size + view.size;
        if (verify && !pattern_matches(view.data, view.size, key.data, key.size))
            result->counts.wrong_values++;
        memstore_view_release(&view);
    }
    memstore_cursor_free(cursor);
}

static void collect_store(memstore *store, bool verify, struct run_result *result)
{
    memstore_stats stats = {.struct_size = sizeof stats};
    memstore_memory_stats memory = {.struct_size = sizeof memory};

    if (memstore_get_stats(store, &stats) == MEMSTORE_OK) {
        result->evictions = stats.evictions;
        result->expirations = stats.expirations;
        result->moved_bytes = stats.moved_bytes;
        result->written_bytes = stats.written_bytes;
    }
    if (memstore_get_memory_stats(store, &memory) == MEMSTORE_OK)
        result->charged_bytes = memory.charged;
    result->capacity_bytes = memstore_capacity(store);
    inspect_entries(store, verify, result);
}

static void run_workers(struct worker_shared *shared, struct worker **workers, unsigned count,
                        struct progress *progress, struct run_result *result)
{
    unsigned started = 0;

    atomic_store(&shared->running, count);
    shared->started_ns = clock_now_ns();
    for (; started < count; started++) {
        if (pthread_create(&workers[started]->thread, NULL, worker_main, workers[started]) != 0)
            break;
    }
    if (started < count) {
        snprintf(result->refusal, sizeof result->refusal, "no thread for a worker");
        atomic_fetch_sub(&shared->running, count - started);
    }
    while (progress->enabled && atomic_load(&shared->running)) {
        progress_update(progress, atomic_load(&shared->done), shared->workload->count);
        clock_sleep_ns(POLL_NS);
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i]->thread, NULL);
    result->seconds = (double)(clock_now_ns() - shared->started_ns) * 1e-9;
    progress_finish(progress);
}

void run_replay(const struct workload *workload, const struct run_options *options,
                struct progress *progress, struct run_result *result)
{
    struct worker_shared shared = {.workload = workload, .options = options};
    struct worker *workers[RUN_MAX_THREADS] = {0};
    uint64_t resident;
    bool ready = true;

    *result = (struct run_result){.seconds = 0.0};
    for (unsigned i = 0; i < options->threads; i++) {
        workers[i] = worker_create(&shared);
        ready = ready && workers[i];
    }
    if (!ready)
        snprintf(result->refusal, sizeof result->refusal, "no memory for the workers' buffers");
    resident = process_resident_bytes();
    if (ready)
        shared.store = open_store(options, result);
    if (shared.store) {
        uint64_t grown;

        run_workers(&shared, workers, options->threads, progress, result);
        grown = process_resident_bytes();
        result->resident_growth_bytes = grown > resident ? grown - resident : 0;
        collect_store(shared.store, options->verify, result);
        memstore_destroy(shared.store);
    }
    for (unsigned i = 0; i < options->threads; i++) {
        if (workers[i]) {
            merge_counts(&result->counts, &workers[i]->counts);
            histogram_merge(&result->get_ns, &workers[i]->get_ns);
            histogram_merge(&result->set_ns, &workers[i]->set_ns);
        }
        worker_destroy(workers[i]);
    }
}

uint64_t run_faults(const struct run_result *result)
{
    uint64_t faults = result->counts.wrong_values;

    for (unsigned i = 0; i < RUN_STATUSES; i++)
        faults += result->counts.failed_reads[i];
    return faults;
}
