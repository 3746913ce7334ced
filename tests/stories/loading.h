/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of loading share: a database of one row, who asks for it, and stores with no memory for it. */
#ifndef STORIES_LOADING_H
#define STORIES_LOADING_H

#include "support/support.h"

#include <pthread.h>
#include <stdatomic.h>

/* A database of one row, or none: what a loader's context is. */
struct row {
    memstore *store;
    const char *value; /* NULL = there is no such row */
    int64_t ttl_ms;
    unsigned failures; /* calls that ask for a retry before one succeeds */
    bool fails;
    int (*during)(struct row *row); /* called by the loader */
    int during_status;
    const memstore_loader *loader;
    atomic_uint calls;
    atomic_uint released;
    atomic_bool may_end;
};

int load(const void *key, size_t key_size, memstore_load_value *out, void *context);

static inline memstore_loader loader_of(struct row *row)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader), .load = load, .context = row};
}

int get_or_load(memstore *store, const char *key, struct row *row, memstore_view *view);
bool shows(const memstore_view *view, const char *value);

/* Load and compare; releases the view. */
void assert_loads(memstore *store, const char *key, struct row *row, const char *value);
void wait_for_calls(struct row *row, unsigned calls);

/* A loader that waits until the test lets it end. */
int wait_for_leave(struct row *row);

/* A call in a thread of its own. */
struct caller {
    pthread_t thread;
    memstore *store;
    const char *key;
    struct row *row;
    int64_t wait_ms;
    memstore_view view;
    int status;
    atomic_bool ended;
};

void start(struct caller *caller, memstore *store, const char *key, struct row *row);
int result_of(struct caller *caller);

static inline memstore *open_manual(void)
{
    return test_open("maintenance=manual", NULL);
}

/* Write until a store whose reader stands still has nothing left to reuse, and what it says then. That
 * the maintenance thread had a shard's lock for too long is something else. */
int write_until_refused(memstore *store);

/* 2400 bytes: more than a store of 1 MiB has for loads when it is full. */
#define LONG_24 "a key of very many bytes"
#define LONG_240 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24 LONG_24
#define LONG_KEY                                                                                   \
    LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240 LONG_240

/* A store that evicts nothing, and of which nothing is free. */
memstore *open_full(uint64_t *taken);

static inline int acquire(memstore *store, int64_t timeout_ms, memstore_lease **lease,
                          memstore_view *view)
{
    return memstore_lease_acquire(store, "key", 3, timeout_ms, lease, view);
}

#endif
