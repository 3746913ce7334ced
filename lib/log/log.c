/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"

#include "platform/clock.h"
#include "platform/mem.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Within `interval_ms` an event is said `burst` times. */
struct row {
    const char *event, *message;
    int level;
    uint32_t burst;
    int64_t interval_ms;
};

/* What people do by hand may be said often; what happens by itself under load comes in thousands a
 * second, and one line of it in ten seconds tells as much. */
#define BY_HAND 20, 10000
#define BY_ITSELF 1, 10000
#define IN_DETAIL 10, 10000
#define ONCE_A_MINUTE 1, 60000

static const struct row rows[MS_LOG_EVENTS] = {
    [MS_LOG_OPENED] = {"opened", "store opened", MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_CLOSED] = {"closed", "store closed", MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_RECONFIGURED] = {"reconfigured", "setting changed", MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_RECONFIGURE_REFUSED] = {"reconfigure_refused", "change of a setting refused",
                                    MEMSTORE_LOG_WARN, BY_HAND},
    [MS_LOG_CONFIG_REFUSED] = {"config_refused", "configuration refused", MEMSTORE_LOG_ERROR,
                               BY_HAND},
    [MS_LOG_LIMIT_REACHED] = {"limit_reached", "memory limit reached", MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_NO_ROOM] = {"no_room", "no room could be made for a write", MEMSTORE_LOG_WARN,
                        BY_ITSELF},
    [MS_LOG_SHARD_OVERFLOW] = {"shard_overflow", "the index of a shard cannot grow",
                               MEMSTORE_LOG_ERROR, BY_ITSELF},
    [MS_LOG_LOAD_FAILED] = {"load_failed", "a loader failed", MEMSTORE_LOG_WARN, BY_ITSELF},
    [MS_LOG_EVENTS_DROPPED] = {"events_dropped", "a subscriber was too slow for its events",
                               MEMSTORE_LOG_WARN, BY_ITSELF},
    [MS_LOG_ALERT_RAISED] = {"alert_raised", "alert raised", MEMSTORE_LOG_WARN, IN_DETAIL},
    [MS_LOG_ALERT_CLEARED] = {"alert_cleared", "alert cleared", MEMSTORE_LOG_INFO, IN_DETAIL},
    [MS_LOG_BREAKER_OPENED] = {"breaker_opened", "a loader is not called for a while",
                               MEMSTORE_LOG_WARN, IN_DETAIL},
    [MS_LOG_BREAKER_HALF_OPEN] = {"breaker_half_open", "a loader is called to try",
                                  MEMSTORE_LOG_INFO, IN_DETAIL},
    [MS_LOG_BREAKER_CLOSED] = {"breaker_closed", "a loader is called again", MEMSTORE_LOG_INFO,
                               IN_DETAIL},
    [MS_LOG_EXPORT_FAILED] = {"export_failed", "metrics cannot be exported", MEMSTORE_LOG_ERROR,
                              ONCE_A_MINUTE},
    [MS_LOG_SNAPSHOT_SAVED] = {"snapshot_saved", "snapshot saved", MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_SNAPSHOT_LOADED] = {"snapshot_loaded", "snapshot loaded", MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_SNAPSHOT_NOT_SAVED] =
        {"snapshot_not_saved", "a snapshot could not be saved; what was at the path is still there",
         MEMSTORE_LOG_WARN, BY_HAND},
    [MS_LOG_SNAPSHOT_NOT_SYNCED] =
        {"snapshot_not_synced",
         "a snapshot was saved, but after a loss of power what was at the path before may be there",
         MEMSTORE_LOG_WARN, BY_HAND},
    [MS_LOG_SNAPSHOT_REFUSED] = {"snapshot_refused", "nothing was loaded from a snapshot",
                                 MEMSTORE_LOG_WARN, BY_HAND},
    [MS_LOG_LIMIT_LOWERED] = {"limit_lowered", "memory is short: the limit was lowered",
                              MEMSTORE_LOG_WARN, BY_HAND},
    [MS_LOG_LIMIT_RAISED] = {"limit_raised", "memory is no longer short: the limit was raised",
                             MEMSTORE_LOG_INFO, BY_HAND},
    [MS_LOG_PRESSURE_WATCHED] = {"memory_pressure", "memory pressure is watched", MEMSTORE_LOG_INFO,
                                 BY_HAND},
    [MS_LOG_PRESSURE_UNKNOWN] = {"memory_pressure_unknown",
                                 "it cannot be told whether memory is short", MEMSTORE_LOG_WARN,
                                 BY_HAND},
    [MS_LOG_INDEX_GROWN] = {"index_grown", "a shard of the index has another table",
                            MEMSTORE_LOG_DEBUG, IN_DETAIL},
    [MS_LOG_COMPACTED] = {"compacted", "a segment was compacted", MEMSTORE_LOG_DEBUG, IN_DETAIL},
};

static atomic_uint_least64_t stores_named;

void ms_log_init(struct ms_log *log, const struct ms_logger *logger, const char *name)
{
    *log = (struct ms_log){.logger = *logger, .name = name};
    if (name[0] == '\0') {
        snprintf(log->number, sizeof log->number, "%" PRIu64, ms_add_relaxed(&stores_named, 1) + 1);
        log->name = log->number;
    }
    ms_mutex_init(&log->lock, MS_RANK_LOG);
    ms_cond_init(&log->wakes);
    ms_cond_init(&log->idle);
}

static int level_of(const struct ms_logger *logger, bool enabled, bool verbose)
{
    const int level = logger->fn != NULL || enabled ? logger->level : MEMSTORE_LOG_OFF;

    return verbose && level != MEMSTORE_LOG_OFF ? MEMSTORE_LOG_DEBUG : level;
}

void ms_log_set_level(struct ms_log *log, bool enabled, bool verbose)
{
    /* ORDER: relaxed; a line that is begun meanwhile may still be said, or left out. */
    ms_store_relaxed(&log->level, level_of(&log->logger, enabled, verbose));
}

/* ---- How often ---- */

/* Whether it may be said now, and how many like it were not. */
static bool admit(struct ms_log_limit *limit, enum ms_log_event event, uint64_t *suppressed)
{
    const int64_t now = ms_clock_exact_ms();

    if (limit->said == 0 || now - limit->began_ms >= rows[event].interval_ms) {
        limit->began_ms = now;
        limit->said = 0;
    }
    if (limit->said >= rows[event].burst) {
        limit->suppressed++;
        return false;
    }
    limit->said++;
    *suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

/* ---- Lines ---- */

bool ms_log_begin(struct ms_log *log, enum ms_log_event event, struct ms_log_line *line)
{
    if (rows[event].level > ms_load_relaxed(&log->level))
        return false;
    line->log = log;
    line->event = event;
    line->count = line->size = 0;
    ms_mutex_lock(&log->lock);
    const bool admitted = admit(&log->limits[event], event, &line->suppressed);
    ms_mutex_unlock(&log->lock);
    return admitted;
}

void ms_log_field(struct ms_log_line *line, const char *name, enum memstore_log_kind kind,
                  const char *text)
{
    const size_t name_size = strlen(name) + 1;
    const size_t left = sizeof line->fields - line->size;
    size_t text_size = strlen(text);
    char *out = line->fields + line->size;

    if (line->count == MS_LOG_FIELDS_MAX || left < name_size + 2)
        return;
    /* A number is whole or not there. */
    if (text_size > left - name_size - 2) {
        if (kind != MEMSTORE_LOG_TEXT)
            return;
        text_size = left - name_size - 2;
    }
    *out++ = (char)kind;
    memcpy(out, name, name_size);
    memcpy(out + name_size, text, text_size);
    out[name_size + text_size] = '\0';
    line->size += (uint32_t)(name_size + text_size + 2);
    line->count++;
}

void ms_log_text(struct ms_log_line *line, const char *name, const char *text)
{
    ms_log_field(line, name, MEMSTORE_LOG_TEXT, text);
}

void ms_log_integer(struct ms_log_line *line, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value <= INT64_MAX ? value : INT64_MAX);
    ms_log_field(line, name, MEMSTORE_LOG_INTEGER, text);
}

void ms_log_real(struct ms_log_line *line, const char *name, double value)
{
    char text[32];

    ms_text_format(text, sizeof text, "%.6g", value);
    ms_log_field(line, name, MEMSTORE_LOG_REAL, text);
}

void ms_log_boolean(struct ms_log_line *line, const char *name, bool value)
{
    ms_log_field(line, name, MEMSTORE_LOG_BOOLEAN, value ? "true" : "false");
}

static void append_locked(struct ms_log *log, struct ms_log_entry *entry)
{
    if (log->last != NULL)
        log->last->next = entry;
    else
        log->first = entry;
    log->last = entry;
    log->waiting++;
    ms_log_wake_locked(log);
}

void ms_log_end(struct ms_log_line *line)
{
    struct ms_log *log = line->log;
    struct ms_log_entry *entry = ms_mem_alloc(sizeof *entry + line->size);

    if (entry != NULL) {
        *entry = (struct ms_log_entry){.event = line->event,
                                       .at_ms = ms_clock_unix_ms(),
                                       .suppressed = line->suppressed,
                                       .count = line->count,
                                       .size = line->size};
        memcpy(entry->fields, line->fields, line->size);
    }
    ms_mutex_lock(&log->lock);
    if (entry != NULL && log->waiting < MS_LOG_QUEUE) {
        append_locked(log, entry);
        entry = NULL;
    } else {
        log->limits[line->event].suppressed += 1 + line->suppressed;
    }
    ms_mutex_unlock(&log->lock);
    ms_mem_free(entry);
}

/* ---- Telling ---- */

static void write_line(const memstore_log_record *record)
{
    char line[MS_LOGFMT_SIZE];
    const size_t size = ms_logfmt(record, line);

    /* A logger that cannot write has nobody to tell. */
    if (write(STDERR_FILENO, line, size) < 0)
        return;
}

static void hand_out(const struct ms_logger *logger, const memstore_log_record *record)
{
    if (logger->fn != NULL)
        logger->fn(record, logger->context);
    else
        write_line(record);
}

static void tell(const struct ms_logger *logger, const char *store,
                 const struct ms_log_entry *entry)
{
    memstore_log_field fields[MS_LOG_FIELDS_MAX];
    const char *next = entry->fields;

    for (uint32_t i = 0; i < entry->count; i++) {
        const char *const name = next + 1;
        const char *const text = name + strlen(name) + 1;

        fields[i] = (memstore_log_field){.name = name, .text = text, .kind = *next};
        next = text + strlen(text) + 1;
    }
    const memstore_log_record record = {.struct_size = sizeof record,
                                        .at_ms = entry->at_ms,
                                        .level = rows[entry->event].level,
                                        .store = store,
                                        .event = rows[entry->event].event,
                                        .message = rows[entry->event].message,
                                        .fields = fields,
                                        .field_count = entry->count,
                                        .suppressed = entry->suppressed};
    hand_out(logger, &record);
}

void ms_log_tell_first_locked(struct ms_log *log)
{
    struct ms_log_entry *entry = log->first;

    log->first = entry->next;
    if (log->first == NULL)
        log->last = NULL;
    log->waiting--;
    log->telling = true;
    log->teller = pthread_self();
    ms_mutex_unlock(&log->lock);
    tell(&log->logger, log->name, entry);
    ms_mem_free(entry);
    ms_mutex_lock(&log->lock);
    log->telling = false;
    if (log->first == NULL)
        pthread_cond_broadcast(&log->idle);
}

void ms_log_flush(struct ms_log *log)
{
    ms_mutex_lock(&log->lock);
    if (log->first != NULL && !ms_log_wake_locked(log)) {
        while (log->first != NULL && !log->telling)
            ms_log_tell_first_locked(log);
    }
    while ((log->first != NULL || log->telling) && !ms_log_tells_locked(log))
        ms_cond_wait(&log->idle, &log->lock);
    ms_mutex_unlock(&log->lock);
}

bool ms_log_calls_me(struct ms_log *log)
{
    ms_mutex_lock(&log->lock);
    const bool calls_me = ms_log_tells_locked(log);
    ms_mutex_unlock(&log->lock);
    return calls_me;
}

void ms_log_refusal(const struct ms_logger *logger, bool enabled, struct ms_log_limit *limit,
                    const char *status, const char *why)
{
    const struct row *const row = &rows[MS_LOG_CONFIG_REFUSED];
    const memstore_log_field fields[] = {{.name = "status", .text = status},
                                         {.name = "why", .text = why}};
    memstore_log_record record = {.struct_size = sizeof record,
                                  .at_ms = ms_clock_unix_ms(),
                                  .level = row->level,
                                  .store = "",
                                  .event = row->event,
                                  .message = row->message,
                                  .fields = fields,
                                  .field_count = sizeof fields / sizeof *fields};

    if (level_of(logger, enabled, false) >= row->level &&
        admit(limit, MS_LOG_CONFIG_REFUSED, &record.suppressed))
        hand_out(logger, &record);
}
