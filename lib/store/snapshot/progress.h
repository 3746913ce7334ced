/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the caller how far a long call has come. */
#ifndef MS_STORE_SNAPSHOT_PROGRESS_H
#define MS_STORE_SNAPSHOT_PROGRESS_H

#include <memstore/snapshot.h>
#include <stdbool.h>

/* Entries between two reports, and bytes of them. */
#define MS_REPORT_EVERY 2048
#define MS_REPORT_EVERY_BYTES (UINT64_C(4) << 20)

struct ms_reporting {
    memstore_progress_fn fn; /* NULL = nobody wants to know */
    void *context;
    memstore_progress progress;
    uint64_t reported; /* what was done at the last report */
    uint64_t bytes;    /* written or read since */
};

static inline struct ms_reporting ms_reporting_to(memstore_progress_fn fn, void *context)
{
    return (struct ms_reporting){
        .fn = fn, .context = context, .progress = {.struct_size = sizeof(memstore_progress)}};
}

/* Report: OK or CANCELLED. */
static inline int ms_report(struct ms_reporting *reporting)
{
    reporting->reported = reporting->progress.done;
    reporting->bytes = 0;
    return reporting->fn == NULL || reporting->fn(&reporting->progress, reporting->context) == 0
               ? MEMSTORE_OK
               : MEMSTORE_ERR_CANCELLED;
}

/* Some more was done, of so many bytes: report if that is enough. */
static inline int ms_report_some(struct ms_reporting *reporting, uint64_t bytes)
{
    reporting->bytes += bytes;
    return reporting->progress.done - reporting->reported >= MS_REPORT_EVERY ||
                   reporting->bytes >= MS_REPORT_EVERY_BYTES
               ? ms_report(reporting)
               : MEMSTORE_OK;
}

/* A phase begins, and that is reported. */
static inline int ms_report_phase(struct ms_reporting *reporting, enum memstore_phase phase,
                                  uint64_t total)
{
    reporting->progress.phase = phase;
    reporting->progress.done = 0;
    reporting->progress.total = total;
    return ms_report(reporting);
}

/* It ends. */
static inline int ms_report_end(struct ms_reporting *reporting)
{
    reporting->progress.total = reporting->progress.done;
    return ms_report(reporting);
}

#endif
