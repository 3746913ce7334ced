/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a store that tells what it has to say. It is started for the first line, blocks all
 * signals, and ends when the store is closed and everything is told. After fork() the child has no
 * such thread; it is started again when there is something to tell. */
#include "log/log.h"

#include "platform/background.h"
#include "platform/mem.h"

static void *run(void *argument)
{
    struct ms_log *log = argument;

    ms_mutex_lock(&log->lock);
    for (;;) {
        if (log->first != NULL)
            ms_log_tell_first_locked(log);
        else if (log->stops)
            break;
        else
            ms_cond_wait(&log->wakes, &log->lock);
    }
    ms_mutex_unlock(&log->lock);
    return NULL;
}

bool ms_log_wake_locked(struct ms_log *log)
{
    if (log->started)
        pthread_cond_signal(&log->wakes);
    else
        log->started = ms_background_start(&log->thread, "memstore-log", run, log);
    return log->started;
}

bool ms_log_tells_locked(const struct ms_log *log)
{
    return log->telling && pthread_equal(log->teller, pthread_self());
}

void ms_log_fini(struct ms_log *log)
{
    ms_log_flush(log);
    ms_mutex_lock(&log->lock);
    const bool started = log->started;
    log->stops = true;
    pthread_cond_signal(&log->wakes);
    ms_mutex_unlock(&log->lock);
    if (started)
        pthread_join(log->thread, NULL);
    pthread_cond_destroy(&log->wakes);
    pthread_cond_destroy(&log->idle);
    ms_mutex_destroy(&log->lock);
}

void ms_log_forget_threads(struct ms_log *log)
{
    ms_mutex_lock(&log->lock);
    while (log->first != NULL) {
        struct ms_log_entry *const next = log->first->next;

        ms_mem_free(log->first);
        log->first = next;
    }
    log->last = NULL;
    log->waiting = 0;
    log->telling = ms_log_tells_locked(log);
    log->started = log->started && pthread_equal(log->thread, pthread_self());
    ms_cond_init(&log->wakes);
    ms_cond_init(&log->idle);
    ms_mutex_unlock(&log->lock);
}
