/* SPDX-License-Identifier: Apache-2.0 */
/* Views: values that are read where they are. */
#ifndef MS_STORE_READ_VIEW_H
#define MS_STORE_READ_VIEW_H

#include "segment/pins.h"
#include "store/store.h"

struct ms_found;

int ms_store_get_view(memstore *store, const void *key, size_t key_size, memstore_view *out);
void ms_view_release(memstore_view *view);
/* Hold a segment in place for a view, which is to have this pin. In a read section, or where else it
 * cannot be freed meanwhile. */
void *ms_store_pin(memstore *store, struct ms_segment *segment);
/* A view of an entry that is published under its shard's lock, or that is still reserved. Pins its
 * segment. */
void ms_view_of(memstore *store, const struct ms_found *found, memstore_view *out);
/* One more view of what a view without a pass shows. */
void ms_view_share(const memstore_view *view, memstore_view *out);
/* What a view's `pin` may be marked with, by its lowest bits: it holds a pass (view_pass.h), is of an
 * event (events/events.h), or shows a value that is not in the store (loader/kept.h). */
#define MS_VIEW_MARKS ((uintptr_t)7)
void ms_view_give_back_other(memstore_view *view);
/* When a view says that something expires: Unix milliseconds, 0 = never. */
int64_t ms_store_unix_expiry(memstore *store, int64_t expiry);

/* Release a view of any kind, most likely one that is held in a place. */
MS_ALWAYS_INLINE void ms_view_give_back(memstore_view *view)
{
    const uintptr_t kinds = MS_VIEW_MARKS | MS_PIN_HELD | MS_PIN_SHARED;

    if (ms_likely(((uintptr_t)view->pin & kinds) == MS_PIN_HELD)) {
        ms_pin_release_held(view->pin);
        *view = (memstore_view){0};
    } else {
        ms_view_give_back_other(view);
    }
}

#endif
