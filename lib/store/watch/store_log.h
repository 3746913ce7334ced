/* SPDX-License-Identifier: Apache-2.0 */
/* What a store says in its log. Any lock may be held but the log's. */
#ifndef MS_STORE_WATCH_STORE_LOG_H
#define MS_STORE_WATCH_STORE_LOG_H

#include "snapshot/reader.h"
#include "store/store.h"

/* It is closed; what it has done is told. */
void ms_tell_closed(memstore *store);
/* Something is evicted: told once after it was opened and after each change of the limit. */
void ms_tell_limit_reached(memstore *store);
/* A write was refused with this status for want of room. */
void ms_tell_no_room(memstore *store, int status);
/* A load has failed: what its loader returned, or the status for which it was not called. */
void ms_tell_load_failed(memstore *store, int result);
/* So many events found no room in this moment. */
void ms_tell_events_dropped(memstore *store, uint64_t dropped);
/* The metrics could not be written to a file. */
void ms_tell_export_failed(memstore *store, const char *file, int error);
/* A save ended with this status; `placed`: the file is at its path, */
void ms_tell_saved(memstore *store, const char *path, int status, bool placed, uint64_t entries);
/* or a load of what the summary tells did. */
void ms_tell_loaded(memstore *store, const char *path, int status,
                    const struct ms_snapshot_summary *summary, const memstore_progress *progress);
/* Memory pressure has brought the limit from `before` to where it is. */
void ms_tell_limit_moved(memstore *store, uint64_t before);
/* It is watched by this file, or by what is in this folder, */
void ms_tell_pressure_watched(memstore *store, const char *path);
/* or it cannot be: the end of a sentence about the path. */
void ms_tell_pressure_unknown(memstore *store, const char *path, const char *why);
/* An alert is raised or cleared. */
void ms_tell_alert(memstore *store, const struct ms_alert_note *alert);
/* A breaker has changed; so many are open now, half open ones included. */
void ms_tell_breaker(memstore *store, enum ms_breaker_change change, uint32_t open);
/* A table of so many bytes takes the place of a shard's smaller one. */
void ms_tell_index_grown(memstore *store, uint64_t bytes);
/* The live entries of a segment were moved. */
void ms_tell_compacted(memstore *store, const struct ms_segment *segment);

#endif
