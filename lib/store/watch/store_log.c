/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/store_log.h"

#include "platform/file.h"

#include <errno.h>
#include <stdio.h>

void ms_tell_closed(memstore *store)
{
    uint64_t sums[MS_COUNTERS];
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_CLOSED, &line))
        return;
    ms_counters_sum_all(&store->counters, sums);
    ms_log_integer(&line, "hits",
                   sums[MS_COUNT_READS] > sums[MS_COUNT_MISSES]
                       ? sums[MS_COUNT_READS] - sums[MS_COUNT_MISSES]
                       : 0);
    ms_log_integer(&line, "misses", sums[MS_COUNT_MISSES]);
    ms_log_integer(&line, "sets", sums[MS_COUNT_SETS]);
    ms_log_integer(&line, "evictions", sums[MS_COUNT_EVICTIONS]);
    ms_log_integer(&line, "expirations", sums[MS_COUNT_EXPIRATIONS]);
    ms_log_end(&line);
}

void ms_tell_limit_reached(memstore *store)
{
    struct ms_log_line line;

    if (ms_load_relaxed(&store->limit_told))
        return;
    ms_store_relaxed(&store->limit_told, true);
    if (!ms_log_begin(&store->log, MS_LOG_LIMIT_REACHED, &line))
        return;
    ms_log_integer(&line, "limit", ms_budget_limit(&store->arena.budget));
    ms_log_integer(&line, "entries", ms_index_count(&store->index));
    ms_log_end(&line);
}

static const char *reason_of(int status)
{
    switch (status) {
    case MEMSTORE_ERR_CACHE_FULL:
        return "eviction is off";
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
        return "views hold the memory or the system gave none";
    case MEMSTORE_ERR_GC_PRESSURE:
        return "no memory came free within performance.lock_timeout";
    default:
        return "no memory for a larger table";
    }
}

void ms_tell_no_room(memstore *store, int status)
{
    const enum ms_log_event event =
        status == MEMSTORE_ERR_SHARD_OVERFLOW ? MS_LOG_SHARD_OVERFLOW : MS_LOG_NO_ROOM;
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, event, &line))
        return;
    ms_log_text(&line, "why", reason_of(status));
    ms_log_integer(&line, "limit", ms_budget_limit(&store->arena.budget));
    ms_log_integer(&line, "charged", ms_budget_charged(&store->arena.budget));
    ms_log_end(&line);
}

void ms_tell_load_failed(memstore *store, int result)
{
    struct ms_log_line line;
    char text[16];

    if (ms_store_is_closed(store) || !ms_log_begin(&store->log, MS_LOG_LOAD_FAILED, &line))
        return;
    snprintf(text, sizeof text, "%d", result);
    ms_log_field(&line, "result", MEMSTORE_LOG_INTEGER, text);
    ms_log_end(&line);
}

void ms_tell_events_dropped(memstore *store, uint64_t dropped)
{
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_EVENTS_DROPPED, &line))
        return;
    ms_log_integer(&line, "dropped", dropped);
    ms_log_end(&line);
}

void ms_tell_export_failed(memstore *store, const char *file, int error)
{
    struct ms_log_line line;
    char text[128];

    if (!ms_log_begin(&store->log, MS_LOG_EXPORT_FAILED, &line))
        return;
    ms_log_text(&line, "path", file);
    ms_log_text(&line, "why", ms_file_error(error, text, sizeof text));
    ms_log_end(&line);
}

/* Why there is no snapshot, or nothing of one; who stopped it himself knows. */
static const char *snapshot_reason_of(int status, const struct ms_snapshot_summary *summary)
{
    switch (status) {
    case MEMSTORE_ERR_IO:
        return "the file could not be opened, read or written";
    case MEMSTORE_ERR_LOCK_TIMEOUT:
        return "somebody else saves to this path";
    case MEMSTORE_ERR_CORRUPT_SNAPSHOT:
        return "the file is damaged, cut short or no snapshot";
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
        return "there was not enough memory";
    case MEMSTORE_ERR_UNSUPPORTED:
        return summary != NULL && summary->version > MS_SNAPSHOT_VERSION
                   ? "the version of its format is later than what this library reads"
                   : "it is or would be compressed, and this library was built without libzstd";
    default:
        return "the store could not do it";
    }
}

void ms_tell_saved(memstore *store, const char *path, int status, bool placed, uint64_t entries)
{
    const int error = errno;
    struct ms_log_line line;

    if (status == MEMSTORE_ERR_CANCELLED ||
        !ms_log_begin(&store->log,
                      status == MEMSTORE_OK ? MS_LOG_SNAPSHOT_SAVED
                      : placed              ? MS_LOG_SNAPSHOT_NOT_SYNCED
                                            : MS_LOG_SNAPSHOT_NOT_SAVED,
                      &line))
        return;
    ms_log_text(&line, "path", path);
    if (placed)
        ms_log_integer(&line, "entries", entries);
    else
        ms_log_text(&line, "why", snapshot_reason_of(status, NULL));
    ms_log_end(&line);
    errno = error;
}

void ms_tell_loaded(memstore *store, const char *path, int status,
                    const struct ms_snapshot_summary *summary, const memstore_progress *progress)
{
    const bool loaded = status == MEMSTORE_OK;
    const int error = errno;
    struct ms_log_line line;

    if (status == MEMSTORE_ERR_CANCELLED ||
        !ms_log_begin(&store->log, loaded ? MS_LOG_SNAPSHOT_LOADED : MS_LOG_SNAPSHOT_REFUSED,
                      &line))
        return;
    ms_log_text(&line, "path", path);
    ms_log_integer(&line, "version", summary->version);
    if (loaded) {
        ms_log_integer(&line, "stored", progress->stored);
        ms_log_integer(&line, "present", progress->present);
        ms_log_integer(&line, "expired", progress->expired);
        ms_log_integer(&line, "left_out", progress->left_out);
    } else {
        ms_log_text(&line, "why", snapshot_reason_of(status, summary));
    }
    ms_log_end(&line);
    errno = error;
}

void ms_tell_limit_moved(memstore *store, uint64_t before)
{
    const uint64_t now = ms_budget_limit(&store->arena.budget);
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, now < before ? MS_LOG_LIMIT_LOWERED : MS_LOG_LIMIT_RAISED,
                      &line))
        return;
    ms_log_integer(&line, "limit", now);
    ms_log_integer(&line, "before", before);
    ms_log_integer(&line, "configured", ms_setting_of(&store->settings, limit));
    ms_log_text(&line, "path", store->pressure_limit.sensor.file);
    ms_log_end(&line);
}

void ms_tell_pressure_watched(memstore *store, const char *path)
{
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_PRESSURE_WATCHED, &line))
        return;
    ms_log_text(&line, "path", path);
    ms_log_end(&line);
}

void ms_tell_pressure_unknown(memstore *store, const char *path, const char *why)
{
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_PRESSURE_UNKNOWN, &line))
        return;
    ms_log_text(&line, "path", path);
    ms_log_text(&line, "why", why);
    ms_log_end(&line);
}

void ms_tell_alert(memstore *store, const struct ms_alert_note *alert)
{
    const enum ms_log_event event = alert->raised != 0 ? MS_LOG_ALERT_RAISED : MS_LOG_ALERT_CLEARED;
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, event, &line))
        return;
    ms_log_text(&line, "alert", ms_monitor_alert_name(alert->alert));
    ms_log_real(&line, "value", alert->value);
    ms_log_real(&line, "threshold", alert->threshold);
    ms_log_end(&line);
}

void ms_tell_breaker(memstore *store, enum ms_breaker_change change, uint32_t open)
{
    const enum ms_log_event event = change == MS_BREAKER_CLOSES       ? MS_LOG_BREAKER_CLOSED
                                    : change == MS_BREAKER_HALF_OPENS ? MS_LOG_BREAKER_HALF_OPEN
                                                                      : MS_LOG_BREAKER_OPENED;
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, event, &line))
        return;
    ms_log_integer(&line, "open", open);
    if (event == MS_LOG_BREAKER_OPENED)
        ms_log_boolean(&line, "again", change == MS_BREAKER_REOPENS);
    ms_log_end(&line);
}

void ms_tell_index_grown(memstore *store, uint64_t bytes)
{
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_INDEX_GROWN, &line))
        return;
    ms_log_integer(&line, "table_bytes", bytes);
    ms_log_integer(&line, "index_bytes", ms_load_relaxed(&store->index.table_bytes));
    ms_log_end(&line);
}

void ms_tell_compacted(memstore *store, const struct ms_segment *segment)
{
    struct ms_log_line line;

    if (!ms_log_begin(&store->log, MS_LOG_COMPACTED, &line))
        return;
    ms_log_integer(&line, "used_bytes", ms_load_relaxed(&segment->used));
    ms_log_boolean(&line, "emptied", ms_segment_is_in_limbo(segment));
    ms_log_end(&line);
}
