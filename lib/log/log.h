/* SPDX-License-Identifier: Apache-2.0 */
/* What a store says to whoever operates it.
 *
 *     begin -> line (fields, on the caller's stack) -> end: a copy in the queue
 *                                                        |
 *                                    the store's log thread: the function, or stderr
 *
 * Whoever says something may hold any lock but the log's own: he copies his line into the queue and
 * goes on. The thread that tells it holds none, so that the function may call the store. Each kind of
 * event has a bound for how often it is said.
 *
 * LG-1  `level` is what is said at most: one relaxed load decides that nothing is.
 * LG-2  At most MS_LOG_QUEUE lines wait. What finds the queue full counts as suppressed, as does what
 *       is said too often; the next line of the same kind has the number.
 * LG-3  Lines are told in the order in which they were queued, one at a time.
 *
 * Lock: one for all of it, the last but the maintenance thread's and the numbers of threads. */
#ifndef MS_LOG_LOG_H
#define MS_LOG_LOG_H

#include "platform/atomic.h"
#include "platform/thread.h"

#include <memstore/log.h>
#include <stdbool.h>

/* What is said. Each has a row in log.c. */
enum ms_log_event {
    MS_LOG_OPENED,
    MS_LOG_CLOSED,
    MS_LOG_RECONFIGURED,
    MS_LOG_RECONFIGURE_REFUSED,
    MS_LOG_CONFIG_REFUSED,
    MS_LOG_LIMIT_REACHED,
    MS_LOG_NO_ROOM,
    MS_LOG_SHARD_OVERFLOW,
    MS_LOG_LOAD_FAILED,
    MS_LOG_EVENTS_DROPPED,
    MS_LOG_ALERT_RAISED,
    MS_LOG_ALERT_CLEARED,
    MS_LOG_BREAKER_OPENED,
    MS_LOG_BREAKER_HALF_OPEN,
    MS_LOG_BREAKER_CLOSED,
    MS_LOG_EXPORT_FAILED,
    MS_LOG_SNAPSHOT_SAVED,
    MS_LOG_SNAPSHOT_LOADED,
    MS_LOG_SNAPSHOT_NOT_SAVED,
    MS_LOG_SNAPSHOT_NOT_SYNCED,
    MS_LOG_SNAPSHOT_REFUSED,
    MS_LOG_LIMIT_LOWERED,
    MS_LOG_LIMIT_RAISED,
    MS_LOG_PRESSURE_WATCHED,
    MS_LOG_PRESSURE_UNKNOWN,
    MS_LOG_INDEX_GROWN,
    MS_LOG_COMPACTED,
    MS_LOG_EVENTS
};

struct ms_logger {
    int level; /* what the program asked for */
    memstore_log_fn fn;
    void *context;
};

/* How often one kind of event is said. */
struct ms_log_limit {
    int64_t began_ms;
    uint32_t said; /* since then */
    uint64_t suppressed;
};

#define MS_LOG_QUEUE 128
#define MS_LOG_FIELDS_MAX 112
/* All fields of a line. With the rest of it a line is written at once, also to a pipe. */
#define MS_LOG_FIELDS_SIZE 3072

/* A line that is being put together. */
struct ms_log_line {
    struct ms_log *log;
    enum ms_log_event event;
    uint64_t suppressed;
    uint32_t count;
    uint32_t size;
    char fields[MS_LOG_FIELDS_SIZE]; /* of each its kind, its name and its text with their NULs */
};

struct ms_log_entry;

struct ms_log {
    atomic_int level; /* in force: enum memstore_log_level */
    struct ms_logger logger;
    const char *name; /* of the store; */
    char number[24];  /* when it has none */
    ms_mutex lock;
    /* All below under the lock. */
    struct ms_log_limit limits[MS_LOG_EVENTS];
    struct ms_log_entry *first, *last;
    uint32_t waiting;
    bool telling;     /* a line is being told, */
    pthread_t teller; /* by this thread */
    bool started;     /* the thread is, and is not joined yet */
    bool stops;       /* it ends when nothing waits any more */
    pthread_t thread;
    pthread_cond_t wakes, idle;
};

/* `name` stays where it is; "" = a number takes its place. */
void ms_log_init(struct ms_log *log, const struct ms_logger *logger, const char *name);
/* Tells what waits. */
void ms_log_fini(struct ms_log *log);
/* What is in force from now on. */
void ms_log_set_level(struct ms_log *log, bool enabled, bool verbose);

/* ---- Saying something ---- */

/* Begin a line: false when it is not to be said. */
bool ms_log_begin(struct ms_log *log, enum ms_log_event event, struct ms_log_line *line);
/* A field; what there is no room for is left out or cut. */
void ms_log_text(struct ms_log_line *line, const char *name, const char *text);
void ms_log_integer(struct ms_log_line *line, const char *name, uint64_t value);
void ms_log_real(struct ms_log_line *line, const char *name, double value);
void ms_log_boolean(struct ms_log_line *line, const char *name, bool value);
/* A field whose text is there already. */
void ms_log_field(struct ms_log_line *line, const char *name, enum memstore_log_kind kind,
                  const char *text);
/* Queue it. */
void ms_log_end(struct ms_log_line *line);

/* Wait until all is told, unless this is the thread that tells. Without a thread it is told here. */
void ms_log_flush(struct ms_log *log);
/* The caller is the function that is being told, for whose end ms_log_fini() would wait. */
bool ms_log_calls_me(struct ms_log *log);

/* Say at once, in this thread, why a configuration was refused. */
void ms_log_refusal(const struct ms_logger *logger, bool enabled, struct ms_log_limit *limit,
                    const char *status, const char *why);

/* In the child of a fork(), across which the lock was held: the parent tells what waits. */
void ms_log_forget_threads(struct ms_log *log);

/* ---- For log.c and thread.c ---- */

struct ms_log_entry {
    struct ms_log_entry *next;
    enum ms_log_event event;
    int64_t at_ms;
    uint64_t suppressed;
    uint32_t count;
    uint32_t size;
    char fields[];
};

/* Something waits: false when there is no thread and none can be started. The lock held. */
bool ms_log_wake_locked(struct ms_log *log);
/* Tell the first of the queue. The lock held, but not meanwhile. */
void ms_log_tell_first_locked(struct ms_log *log);
/* The calling thread is telling a line. */
bool ms_log_tells_locked(const struct ms_log *log);

/* ---- logfmt.c ---- */

/* The longest line, with its newline: what a pipe takes as one piece. */
#define MS_LOGFMT_SIZE 4096
/* Write a record as one line; returns its bytes. What does not fit is cut. */
size_t ms_logfmt(const memstore_log_record *record, char out[static MS_LOGFMT_SIZE]);

/* The name of a level: "error". */
const char *ms_log_level_name(int level);

#endif
