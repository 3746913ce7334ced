/* SPDX-License-Identifier: Apache-2.0 */
/* What is newer than a snapshot that is being loaded.
 *
 * A file knows keys as they were when it was saved. What is written, removed or found not to exist while
 * it is loaded is newer, and need not be there any more when the loading comes to the key: so it is noted,
 * for each loading by itself, and what is noted is passed over.
 *
 *     bits       some keys share one, by their hash: what was done to a single key
 *     patterns   all keys were removed that match one, which is more than a key
 *     all        all keys were removed, or those that match one pattern more than can be noted
 *
 * That keys share bits leaves some of the file out in vain: of a file of N entries, of whose bits K are set,
 * one in 16 N / K at most.
 *
 * NW-1  What concerns a key is noted under its shard's lock, or before that lock is taken and given back;
 *       the loading looks for it under the lock under which it adds the key. So the key is added before
 *       what is newer happens to it, or not at all.
 * NW-2  News is read by who holds a shard's lock or the lock of the list. It is freed when it is not
 *       listed any more and each shard's lock was taken since.
 *
 * The lock is a leaf. What a write looks at while nothing is loaded is one word that is not written then. */
#ifndef MS_STORE_SNAPSHOT_NEWS_H
#define MS_STORE_SNAPSHOT_NEWS_H

#include "platform/atomic.h"
#include "platform/thread.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_news_pattern {
    struct ms_news_pattern *next; /* constant once it is listed */
    size_t size;
    char bytes[];
};

/* Of one loading. */
struct ms_news {
    _Atomic(struct ms_news *) next; /* lock to write */
    uint64_t thread;                /* serial of the one that loads; constant */
    unsigned shift;                 /* of a mixed hash, to a bit's number; constant */
    atomic_bool any;                /* bit is set */
    atomic_bool all;
    _Atomic(struct ms_news_pattern *) patterns; /* lock to write */
    uint32_t pattern_count;                     /* lock */
    atomic_uint_least64_t bits[];
};

/* Of all loadings of a store. */
struct ms_news_list {
    _Atomic(struct ms_news *)
        first MS_ALIGNED(MS_CACHE_LINE); /* lock to write; read by every write */
    ms_mutex lock;
};

void ms_news_init(struct ms_news_list *list);
void ms_news_fini(struct ms_news_list *list);
/* In the child of a fork(): nobody loads but the thread that forked, in whose loading that was. */
void ms_news_forget_threads(struct ms_news_list *list);

/* A snapshot of so many entries is loaded from now on by this thread; NULL when there is no memory. */
struct ms_news *ms_news_begin(memstore *store, uint64_t entries);
void ms_news_end(memstore *store, struct ms_news *news);

static inline bool ms_news_are_wanted(const struct ms_news_list *list)
{
    /* ORDER: relaxed; who does not see a loading that begins comes before it. */
    return ms_load_relaxed(&list->first) != NULL;
}

/* The same as below, for who knows that they are. */
void ms_news_note_wanted(struct ms_news_list *list, uint64_t hash);

/* A key is written, removed or known not to exist. Its shard is locked. */
static inline void ms_news_note(struct ms_news_list *list, uint64_t hash)
{
    if (ms_unlikely(ms_news_are_wanted(list)))
        ms_news_note_wanted(list, hash);
}

/* The same of a key whose shard is not locked. That is passed through, but for no longer than the store allows a
 * call to wait. */
void ms_news_note_unlocked(memstore *store, uint64_t hash);

/* All keys of a shard that is locked are removed, and of the others right after. */
void ms_news_note_all(struct ms_news_list *list);
/* All keys that match a pattern, which is valid, are about to be removed: OK or LOCK_TIMEOUT. */
int ms_news_note_matching(memstore *store, const char *pattern, size_t pattern_size);

/* Whether something newer than the file has happened to a key. Its shard is locked. */
bool ms_news_has(const struct ms_news *news, const memstore_key *key, uint64_t hash);

#endif
