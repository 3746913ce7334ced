/* SPDX-License-Identifier: Apache-2.0 */
/* The file of monitoring.export_metrics: the store's metrics in the text form that Prometheus'
 * node_exporter collects, rewritten as a whole each metrics_interval.
 *
 * It is written under another name and renamed, so that whoever reads it sees one whole text. It goes
 * when the store is closed, another file is named or metrics are switched off: figures of a store that
 * is not there would be taken for current ones. A child after fork() leaves its parent's file alone.
 *
 * EX-1  Whoever has set `busy` alone writes files and `file`. */
#ifndef MS_STORE_WATCH_EXPORTER_H
#define MS_STORE_WATCH_EXPORTER_H

#include "platform/atomic.h"

#include <memstore/memstore.h>
#include <stdbool.h>

/* Texts are those of settings, which stay where they are. */
struct ms_exporter {
    atomic_bool busy;              /* ORDER: acquire to set it, release to clear it */
    atomic_int_least64_t tried_ms; /* when a file was last written, or not */
    atomic_uintptr_t tried;        /* which; 0 = none yet */
    atomic_uintptr_t parents;      /* the file that was the parent's; 0 = there was no fork() */
    const char *file;              /* which is there and ours; NULL = none */
};

/* Write the file if it is time, unless somebody does. No lock held that is not below the reclaim
 * lock. */
void ms_exporter_look(memstore *store);
/* When it is time, in ms_clock_real_us(); INT64_MAX when there is no file to write. */
int64_t ms_exporter_when(memstore *store, int64_t now_us);
/* The store is closed and nobody is in it. */
void ms_exporter_close(memstore *store);
/* In the child of a fork(), while it has one thread. */
void ms_exporter_forget_parent(memstore *store);

#endif
