/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of loaders that fail share: a database of one row whose answers a test chooses, who asks, and
 * stores in which it is old or has expired. */
#ifndef STORIES_SOURCES_H
#define STORIES_SOURCES_H

#include "support/support.h"

#include <pthread.h>
#include <stdatomic.h>

/* A database of one row whose answers a test chooses. */
struct source {
    const char *value;
    int result; /* a memstore_load_result */
    int64_t ttl_ms;
    memstore *during;  /* a store in which the loader deletes the key, */
    const char *sets;  /* or sets it to this, */
    int64_t retimes;   /* or gives it this TTL */
    bool fills;        /* or writes others, more than there is room for, */
    uint64_t *takes;   /* or takes all memory but what is left in reserve: how much */
    bool takes_time;   /* the loader: a second of the test's clock */
    unsigned succeeds; /* from this call on, whatever the result is; 0 = never */
    atomic_uint calls;
    atomic_bool holds; /* the loader waits for this to become false */
};

/* Of what is evicted, and of what it is evicted for: entries of one TTL lie together. */
#define LIFE_MS 60000

/* Write other keys, three times what a small store has room for. */
void fill(memstore *store);
/* Take what is free, as others' writes do. */
uint64_t take_all_memory(memstore *store);

int answer(const void *key, size_t key_size, memstore_load_value *out, void *context);
int answer_many(const memstore_key *keys, size_t n, memstore_load_value *out, void *context);

static inline memstore_loader loader_of(struct source *source)
{
    return (memstore_loader){.struct_size = sizeof(memstore_loader),
                             .load = answer,
                             .load_many = answer_many,
                             .context = source};
}

/* What a caller gets, as text that the next call overwrites; NULL with another status than OK. */
const char *ask(memstore *store, struct source *source, int wanted_status);
void assert_asks(memstore *store, struct source *source, const char *wanted);
void assert_fails(memstore *store, struct source *source);
bool is_there(memstore *store);

#define STALE_SETTINGS "maintenance=manual", "loader.max_stale=1m"

/* A store whose clock stands still and in which "old", of a second, has just expired; swept, so that it
 * is not in the index any more, or not. */
memstore *open_with_expired(struct source *source, bool swept);
/* A store whose clock stands still and in which "old" is due to be loaded anew. */
memstore *open_with_old(struct source *source);

struct asker {
    pthread_t thread;
    memstore *store;
    struct source *source;
    memstore_view view;
    int status;
    atomic_bool gives_up;
};

void *ask_in_thread(void *context);
/* Ask, and wait for a place, for another attempt or for another's load until `gives_up` is set. */
void *ask_until_told(void *context);

/* Ask in a thread, until the loader has been called so often in all. */
void begin_asking(struct asker *asker, void *(*how)(void *), unsigned calls);
/* Let the loader that asks end, and wait for that. */
void let_end(struct asker *asker);

void assert_nothing_is_pinned(memstore *store);

#endif
