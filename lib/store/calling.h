/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a thread that are in functions of the caller's, such as loaders.
 *
 * Programs that switch stacks (greenlets, coroutines) leave such a function in its middle, and their thread
 * goes on in another: what began last need not end first, and what lay on the stack then is not there
 * meanwhile. So calls are noted on the heap, and each takes out its own note. */
#ifndef MS_STORE_CALLING_H
#define MS_STORE_CALLING_H

#include "platform/mem.h"

#include <memstore/memstore.h>
#include <stdint.h>

struct ms_calling {
    const memstore *store;
    struct ms_calling *outer;
};

/* A call in a thread's list of its kind; NULL when there is no memory. */
static inline struct ms_calling *ms_calling_begin(struct ms_calling **calls, const memstore *store)
{
    struct ms_calling *const call = ms_mem_alloc(sizeof *call);

    if (call == NULL)
        return NULL;
    *call = (struct ms_calling){store, *calls};
    *calls = call;
    return call;
}

static inline void ms_calling_end(struct ms_calling **calls, struct ms_calling *call)
{
    while (*calls != call)
        calls = &(*calls)->outer;
    *calls = call->outer;
    ms_mem_free(call);
}

/* How many of them are of a store. */
static inline uint32_t ms_calling_count(const struct ms_calling *calls, const memstore *store)
{
    uint32_t count = 0;

    for (; calls != NULL; calls = calls->outer)
        count += calls->store == store;
    return count;
}

#endif
