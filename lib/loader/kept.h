/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded value that the store could not take, kept on the heap for as long as views refer to it:
 * its callers get it all the same. A view's `pin` refers to it, marked by its third lowest bit (the
 * others are those of passes and events). The bytes of all together are bounded by a setting.
 *
 * KE-1  A kept value has as many references as there are views of it. */
#ifndef MS_LOADER_KEPT_H
#define MS_LOADER_KEPT_H

#include "platform/atomic.h"

#include <memstore/memstore.h>
#include <stdbool.h>

#define MS_VIEW_IS_KEPT ((uintptr_t)4)

/* A version that no entry has. */
#define MS_KEPT_VERSION UINT64_MAX

/* Copy a value and let `out` be a view of it. `bytes` counts what is kept, `most` bounds it. False
 * when that, or the system, leaves no room. */
bool ms_kept_make(atomic_uint_least64_t *bytes, uint64_t most, const void *value, size_t size,
                  bool wipes, memstore_view *out);

static inline bool ms_view_is_kept(const memstore_view *view)
{
    return ((uintptr_t)view->pin & MS_VIEW_IS_KEPT) != 0;
}

/* One more view of a kept value. */
void ms_kept_share(const memstore_view *view);
/* One less. */
void ms_kept_release(const memstore_view *view);

#endif
