/* SPDX-License-Identifier: Apache-2.0 */
#include "roofline/measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_SHARE = 8 };

struct job {
    enum case_id id;
    clockid_t clock;
    const struct subject *subject;
    const struct stream *stream;
    struct stream
        warm; /* the part of it that a read goes through beforehand, so that what ran before
                         * it in the same caches makes no difference */
    pthread_barrier_t *barrier;
    unsigned number;
    pthread_t thread;
    struct outcome outcome;
    uint64_t ns;
};

/* Pin the calling thread to the number-th processor it may run on, so that threads do not share
 * one by chance. */
static void pin(unsigned number)
{
    cpu_set_t allowed, one;
    unsigned seen = 0, count;

    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0)
        return;
    count = (unsigned)CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && seen++ == number % count) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
            return;
        }
    }
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    uint64_t started;

    pin(job->number);
    if (job->id < CASE_READS)
        bench_cases[job->id].run(job->subject, &job->warm);
    pthread_barrier_wait(job->barrier);
    started = read_clock(job->clock);
    job->outcome = bench_cases[job->id].run(job->subject, job->stream);
    job->ns = read_clock(job->clock) - started;
    return NULL;
}

static bool is_correct(const struct job *job)
{
    const struct bench_case *bench_case = &bench_cases[job->id];

    if (job->outcome.done != job->stream->count)
        return false;
    return !bench_case->sums_values || job->outcome.sum == job->stream->value_sum;
}

static struct stream warm_part_of(const struct stream *stream)
{
    return (struct stream){.count = stream->count / LARGEST_BATCH / WARM_SHARE * LARGEST_BATCH,
                           .keys = stream->keys};
}

double measure(enum case_id id, const struct subject *subject, const struct stream *streams,
               unsigned threads, bool cpu_time, bool *correct)
{
    struct job jobs[MEASURE_MAX_THREADS];
    pthread_barrier_t barrier;
    double sum = 0.0;

    pthread_barrier_init(&barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){.id = id,
                               .clock = cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC,
                               .subject = subject,
                               .stream = &streams[i],
                               .warm = warm_part_of(&streams[i]),
                               .barrier = &barrier,
                               .number = i};
        if (pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) != 0) {
            fputs("bench_roofline: no thread\n", stderr);
            exit(1);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(jobs[i].thread, NULL);
        sum += (double)jobs[i].ns / (double)jobs[i].stream->count;
        *correct = *correct && is_correct(&jobs[i]);
    }
    pthread_barrier_destroy(&barrier);
    return sum / threads;
}
