/* SPDX-License-Identifier: Apache-2.0 */
/* What a call that writes passes before it begins: it is counted in, so that closing waits for it;
 * asynchronous writes of its keys are applied before it; and it takes a place among the writers,
 * where these are bounded. In this order, because who applies takes a place for that. */
#ifndef MS_STORE_WRITE_WRITING_H
#define MS_STORE_WRITE_WRITING_H

#include "store/calls.h"
#include "store/store.h"

/* Whether there may be something to wait for. */
MS_ALWAYS_INLINE bool ms_writing_waits(memstore *store)
{
    return (ms_store_diverts(store) & MS_DIVERT_WRITERS) != 0 ||
           !ms_combiner_is_idle(&store->combiner);
}

/* Wait for it, in a call that has entered the store: OK and ms_writing_done() is due, LOCK_TIMEOUT
 * or CACHE_CLOSED. A refusal is counted. */
int ms_writing_admit(memstore *store, const memstore_key *key);

/* Give the place back. */
void ms_writing_leave_place(memstore *store);

MS_ALWAYS_INLINE void ms_writing_done(memstore *store)
{
    if (ms_unlikely((ms_store_diverts(store) & MS_DIVERT_WRITERS) != 0))
        ms_writing_leave_place(store);
}

/* A call that writes a key begins: OK and ms_writing_end() is due, LOCK_TIMEOUT or CACHE_CLOSED. */
MS_ALWAYS_INLINE int ms_writing_begin(memstore *store, const void *key, size_t key_size)
{
    int status = ms_store_enter(store);

    if (ms_unlikely(ms_writing_waits(store)) && status == MEMSTORE_OK) {
        status = ms_writing_admit(store, &(memstore_key){key, key_size});
        if (status != MEMSTORE_OK)
            ms_store_leave(store);
    }
    return status;
}

/* The same for who only looks at the key, or counts himself what is refused. */
int ms_writing_begin_to_look(memstore *store, const void *key, size_t key_size);
/* The same as ms_writing_begin() for a batch, and for what may touch any key. */
int ms_writing_begin_ops(memstore *store, const struct ms_op *ops, size_t n);
int ms_writing_begin_all(memstore *store);

MS_ALWAYS_INLINE void ms_writing_end(memstore *store)
{
    ms_writing_done(store);
    ms_store_leave(store);
}

#endif
