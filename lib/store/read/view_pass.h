/* SPDX-License-Identifier: Apache-2.0 */
/* What a view holds in a store that bounds how many are held: a pass, which the view's `pin`
 * refers to, marked by its lowest bit, and which keeps the pin in turn. It finds its way
 * back to the store whichever thread releases the view, and tells which thread got it: after
 * fork() the child counts the views of its one thread and no others.
 *
 * PS-1  A pass is free exactly when its pin is NULL.
 * PS-2  A pass is `counted` from when a view gets it until that is released; but not any more in
 *       a child whose one thread has not got the view. */
#ifndef MS_STORE_READ_VIEW_PASS_H
#define MS_STORE_READ_VIEW_PASS_H

#include "platform/thread.h"
#include "segment/segment.h"

#include <memstore/memstore.h>

struct ms_view_passes;

struct ms_view_pass {
    struct ms_view_passes *owner;
    uint64_t holder; /* thread that got the view; 0 = not counted */
    /* of the view. Set after the holder, so that a fork() in between leaves the pass free */
    _Atomic(void *) pin;
    struct ms_view_pass *next_made;
    struct ms_view_pass *next_free;
};

struct ms_view_passes {
    ms_mutex lock; /* a leaf */
    struct ms_view_pass *made;
    struct ms_view_pass *free;
};

void ms_view_passes_init(struct ms_view_passes *passes);
void ms_view_passes_fini(struct ms_view_passes *passes);

/* A free pass for a view to come; NULL when there is no memory. Passes are kept for later views,
 * so there are as many as views were ever held at once; the child of a fork() may make as many
 * again. */
struct ms_view_pass *ms_view_pass_take(struct ms_view_passes *passes);
/* Let a view that pins a segment hold the pass. */
void ms_view_pass_give(struct ms_view_pass *pass, memstore_view *view);
/* Whether a view holds a pass. */
static inline bool ms_view_has_pass(const memstore_view *view)
{
    return ((uintptr_t)view->pin & 1) != 0;
}
/* The pass of a view that holds one; from now on the view has merely its pin. */
struct ms_view_pass *ms_view_pass_withdraw(memstore_view *view);
/* Make a pass free again. */
void ms_view_pass_put(struct ms_view_pass *pass);

/* In the child of a fork(), across which the lock was held, while it has one thread: count the
 * views of that alone. Returns how many there are. */
uint32_t ms_view_passes_recount(struct ms_view_passes *passes);

#endif
