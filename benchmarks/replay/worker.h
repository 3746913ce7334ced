/* SPDX-License-Identifier: Apache-2.0 */
/* A thread of a replay: carries out requests and counts what came of them. */
#ifndef REPLAY_WORKER_H
#define REPLAY_WORKER_H

#include "replay/run.h"
#include <memstore/memstore.h>
#include <pthread.h>
#include <stdatomic.h>

/* What the threads of one replay share. */
struct worker_shared {
    const struct workload *workload;
    const struct run_options *options;
    memstore *store;
    uint64_t started_ns;
    _Atomic size_t next; /* the first request that no thread has taken */
    _Atomic size_t done;
    _Atomic unsigned running;
};

struct worker {
    struct worker_shared *shared;
    pthread_t thread;
    struct run_counts counts;
    struct histogram get_ns, set_ns;
    unsigned char *value; /* room for the largest value, to write from */
    unsigned char *read;  /* the same, to read to */
    char *key;            /* room for the longest key */
    uint32_t until_sample;
};

/* A worker with its buffers, or NULL when the system gave no memory. */
struct worker *worker_create(struct worker_shared *shared);
void worker_destroy(struct worker *worker);
/* The thread's function; its argument is the worker. */
void *worker_main(void *argument);

#endif
