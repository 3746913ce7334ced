/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/exporter.h"

#include "platform/file.h"
#include "platform/mem.h"
#include "store/maintenance.h"
#include "store/store.h"
#include "store/watch/metrics.h"
#include "store/watch/metrics_file.h"
#include "store/watch/store_log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The file that should be there; "" = none. */
static const char *wanted_file(memstore *store)
{
    const char *const file = ms_setting_text_of(&store->settings, export_metrics);
    const char *const parents = (const char *)ms_load_relaxed(&store->exporter.parents);

    if (!ms_setting_of(&store->settings, enable_metrics) ||
        (parents != NULL && strcmp(file, parents) == 0))
        return "";
    return file;
}

static bool was_tried(memstore *store, const char *file)
{
    return ms_load_relaxed(&store->exporter.tried) == (uintptr_t)file;
}

/* Milliseconds until something is to be done; negative: never. */
static int64_t left_ms(memstore *store)
{
    const char *const file = wanted_file(store);

    if (!was_tried(store, file))
        return file[0] == '\0' && ms_load_relaxed(&store->exporter.tried) == 0 ? -1 : 0;
    if (file[0] == '\0')
        return -1;
    const int64_t left = ms_load_relaxed(&store->exporter.tried_ms) +
                         ms_setting_of(&store->settings, metrics_interval) - ms_clock_exact_ms();
    return left > 0 ? left : 0;
}

int64_t ms_exporter_when(memstore *store, int64_t now_us)
{
    const int64_t left = left_ms(store);

    return left < 0 ? INT64_MAX : now_us + left * 1000;
}

static void remove_file(struct ms_exporter *exporter)
{
    if (exporter->file != NULL)
        unlink(exporter->file);
    exporter->file = NULL;
}

/* 0 or an error number. */
static int write_file(memstore *store, const char *file)
{
    const bool wipes = store->settings.secure_wipe;
    struct ms_text metrics = {.wipes = wipes}, text = {.wipes = wipes};
    int error = ENOMEM;

    if (ms_metrics_write(store, &metrics) == MEMSTORE_OK)
        ms_metrics_for_file(&metrics, ms_setting_text(store->settings.store_name), &text);
    if (text.data != NULL && !text.failed)
        error = ms_file_replace(file, 0644, text.data, text.size);
    ms_mem_free_wiped(metrics.data, wipes);
    ms_mem_free_wiped(text.data, wipes);
    return error;
}

static void export_file(memstore *store, const char *file)
{
    struct ms_exporter *exporter = &store->exporter;

    if (exporter->file != NULL && strcmp(exporter->file, file) != 0)
        remove_file(exporter);
    if (file[0] == '\0')
        return;
    const int error = write_file(store, file);
    if (error == 0) {
        exporter->file = file;
        ms_count(&store->counters, MS_COUNT_EXPORTS, 1);
    } else {
        ms_count(&store->counters, MS_COUNT_EXPORT_FAILURES, 1);
        ms_tell_export_failed(store, file, error);
    }
}

void ms_exporter_look(memstore *store)
{
    struct ms_exporter *exporter = &store->exporter;
    bool idle = false;

    if (ms_likely(left_ms(store) != 0) || !ms_cas_acq_rel(&exporter->busy, &idle, true))
        return;
    if (left_ms(store) == 0) {
        const char *const file = wanted_file(store);

        ms_store_relaxed(&exporter->tried_ms, ms_clock_exact_ms());
        ms_store_relaxed(&exporter->tried, (uintptr_t)file);
        ms_maintenance_goes_away();
        export_file(store, file);
        ms_maintenance_is_back();
    }
    ms_store_release(&exporter->busy, false);
}

void ms_exporter_close(memstore *store)
{
    remove_file(&store->exporter);
}

void ms_exporter_forget_parent(memstore *store)
{
    struct ms_exporter *exporter = &store->exporter;

    ms_store_relaxed(&exporter->busy, false);
    ms_store_relaxed(&exporter->parents,
                     (uintptr_t)ms_setting_text_of(&store->settings, export_metrics));
    exporter->file = NULL;
}
