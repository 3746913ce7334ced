/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a store's log on their way to a language: the library's thread puts them into a queue, a
 * goroutine or a thread of Python takes them out, so that the library neither runs code of the language
 * nor waits for it. Part of the generated wrapper in Go, of native/log.c in Python.
 *
 * A record crosses as five uint64_t (bytes of all of it, level, when, records left out before it, number
 * of fields) and texts that end in a NUL: store, event, message, and of each field its kind, one byte,
 * its name and its value; padded to eight bytes. */
#ifndef MEMSTORE_BINDINGS_LOG_QUEUE_H
#define MEMSTORE_BINDINGS_LOG_QUEUE_H

#include <memstore/memstore.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GLUE_LOG_QUEUE 1024
#define GLUE_LOG_HEAD 5
/* The longest record that the library makes is shorter. */
#define GLUE_LOG_LONGEST 8192

typedef struct glue_log_record {
    struct glue_log_record *next;
    size_t size;
    char bytes[];
} glue_log_record;

/* A queue; it lives until both the store and who takes records have dropped it. */
typedef struct glue_log {
    pthread_mutex_t lock;
    pthread_cond_t changes;
    glue_log_record *first, **last;
    unsigned count, users;
    uint64_t lost; /* since the last record that was queued */
    int ended;
} glue_log;

static inline void glue_log_init(glue_log *log)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->changes, &attributes);
    pthread_condattr_destroy(&attributes);
    log->first = NULL;
    log->last = &log->first;
    log->count = 0;
}

static inline size_t glue_log_size(const memstore_log_record *record)
{
    size_t size = GLUE_LOG_HEAD * sizeof(uint64_t) + strlen(record->store) + strlen(record->event) +
                  strlen(record->message) + 3;

    for (size_t i = 0; i < record->field_count; i++)
        size += strlen(record->fields[i].name) + strlen(record->fields[i].text) + 3;
    return (size + 7) & ~(size_t)7;
}

static inline char *glue_log_put_text(char *out, const char *text)
{
    const size_t size = strlen(text) + 1;

    memcpy(out, text, size);
    return out + size;
}

static inline void glue_log_pack(const memstore_log_record *record, uint64_t suppressed, char *out,
                                 size_t size)
{
    const uint64_t head[GLUE_LOG_HEAD] = {size, (uint64_t)record->level, (uint64_t)record->at_ms,
                                          suppressed, record->field_count};

    memcpy(out, head, sizeof head);
    out = glue_log_put_text(out + sizeof head, record->store);
    out = glue_log_put_text(out, record->event);
    out = glue_log_put_text(out, record->message);
    for (size_t i = 0; i < record->field_count; i++) {
        *out++ = (char)record->fields[i].kind;
        out = glue_log_put_text(out, record->fields[i].name);
        out = glue_log_put_text(out, record->fields[i].text);
    }
}

/* The memstore_log_fn of a queue. */
static void glue_log_take(const memstore_log_record *record, void *context)
{
    glue_log *log = (glue_log *)context;
    const size_t size = glue_log_size(record);
    glue_log_record *made =
        size <= GLUE_LOG_LONGEST ? (glue_log_record *)calloc(1, sizeof *made + size) : NULL;

    pthread_mutex_lock(&log->lock);
    if (made == NULL || log->count >= GLUE_LOG_QUEUE) {
        log->lost += 1 + record->suppressed;
        free(made);
    } else {
        made->size = size;
        glue_log_pack(record, record->suppressed + log->lost, made->bytes, size);
        log->lost = 0;
        *log->last = made;
        log->last = &made->next;
        log->count++;
        pthread_cond_signal(&log->changes);
    }
    pthread_mutex_unlock(&log->lock);
}

/* A queue for the stores that are opened from a configuration, up to a level. */
static inline glue_log *glue_log_new(memstore_config *config, int level)
{
    glue_log *log = (glue_log *)calloc(1, sizeof *log);

    if (log == NULL)
        return NULL;
    glue_log_init(log);
    log->users = 2;
    memstore_set_logger(config, level, glue_log_take, log);
    return log;
}

static inline void glue_log_wait_locked(glue_log *log, int64_t timeout_ms)
{
    struct timespec end;

    if (timeout_ms < 0) {
        pthread_cond_wait(&log->changes, &log->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(timeout_ms / 1000);
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&log->changes, &log->lock, &end);
}

/* Writes records to buf, of GLUE_LOG_LONGEST bytes or more, waiting for the first one: the bytes
 * written, 0 when none came in time, CACHE_CLOSED when no more will come. A negative timeout is
 * none. */
static inline int64_t glue_log_fill(glue_log *log, int64_t timeout_ms, void *buf, size_t cap)
{
    size_t used = 0;

    pthread_mutex_lock(&log->lock);
    if (log->first == NULL && !log->ended)
        glue_log_wait_locked(log, timeout_ms);
    const int ended = log->first == NULL && log->ended;
    while (log->first != NULL && log->first->size <= cap - used) {
        glue_log_record *record = log->first;

        memcpy((char *)buf + used, record->bytes, record->size);
        used += record->size;
        log->first = record->next;
        if (log->first == NULL)
            log->last = &log->first;
        log->count--;
        free(record);
    }
    pthread_mutex_unlock(&log->lock);
    return ended ? MEMSTORE_ERR_CACHE_CLOSED : (int64_t)used;
}

/* No more will come. */
static inline void glue_log_end(glue_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->ended = 1;
    pthread_cond_broadcast(&log->changes);
    pthread_mutex_unlock(&log->lock);
}

/* One of both users does not need it any more. */
static inline void glue_log_drop(glue_log *log)
{
    pthread_mutex_lock(&log->lock);
    const unsigned left = --log->users;
    pthread_mutex_unlock(&log->lock);
    if (left != 0)
        return;
    while (log->first != NULL) {
        glue_log_record *next = log->first->next;

        free(log->first);
        log->first = next;
    }
    pthread_cond_destroy(&log->changes);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* In the child of a fork(), while it has one thread: the parent has what waited, and whoever held the
 * lock is not there. */
static inline void glue_log_forget(glue_log *log)
{
    glue_log_init(log);
    log->lost = 0;
}

#endif
