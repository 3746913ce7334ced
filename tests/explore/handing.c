/* SPDX-License-Identifier: Apache-2.0 */
#include "handing.h"

#include "model.h"
#include "platform/atomic.h"
#include "platform/mem.h"
#include "store/read/view.h"
#include "store/store.h"
#include "support/support.h"

enum { TAKEN = 1, SHARED = 2 };

/* In the memory that is explored, so that each run begins with none. */
static struct handing {
    atomic_uint how_far;
    atomic_uint holders;
    memstore_view view;
} *handing;

void handing_start(void)
{
    handing = ms_mem_alloc(sizeof *handing);
}

bool handing_is_held(void)
{
    return ms_load_relaxed(&handing->holders) != 0;
}

/* The first of the bytes is enough: the segment is given back as a whole. */
static void read_and_release(memstore_view *view)
{
    const unsigned char first = *(const unsigned char *)view->data;

    if (first != 1 && first != 2)
        explore_fail("a view shows what k0 never was");
    memstore_view_release(view);
    ms_sub_relaxed(&handing->holders, 1);
}

void do_take_view(memstore *store)
{
    const memstore_key name = explore_key(0);

    CHECK_OK(memstore_get_view(store, name.data, name.size, &handing->view));
    ms_store_relaxed(&handing->holders, 1);
    /* ORDER: release: the view, with the acquires below. */
    ms_store_release(&handing->how_far, TAKEN);
}

void do_release_taken_view(memstore *store)
{
    (void)store;
    if (ms_load_acquire(&handing->how_far) == TAKEN)
        read_and_release(&handing->view);
}

void do_share_taken_view(memstore *store)
{
    memstore_view share;

    (void)store;
    if (ms_load_acquire(&handing->how_far) != TAKEN)
        return;
    ms_view_share(&handing->view, &share);
    ms_add_relaxed(&handing->holders, 1);
    /* ORDER: release: there is a share, before the view is released. */
    ms_store_release(&handing->how_far, SHARED);
    read_and_release(&share);
}

void do_release_shared_view(memstore *store)
{
    (void)store;
    if (ms_load_acquire(&handing->how_far) == SHARED)
        read_and_release(&handing->view);
}
