/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/kept.h"

#include "platform/mem.h"

#include <string.h>

struct ms_kept {
    atomic_uint_least64_t references;
    atomic_uint_least64_t *bytes;
    size_t size;
    bool wipes;
    char data[];
};

static struct ms_kept *kept_of(const memstore_view *view)
{
    return (struct ms_kept *)((uintptr_t)view->pin & ~MS_VIEW_IS_KEPT);
}

bool ms_kept_make(atomic_uint_least64_t *bytes, uint64_t most, const void *value, size_t size,
                  bool wipes, memstore_view *out)
{
    struct ms_kept *kept = NULL;

    if (size <= most && ms_add_relaxed(bytes, size) <= most - size)
        kept = ms_mem_resize(NULL, sizeof *kept + size);
    else if (size > most)
        return false;
    if (kept == NULL) {
        ms_sub_relaxed(bytes, size);
        return false;
    }
    kept->bytes = bytes;
    kept->size = size;
    kept->wipes = wipes;
    ms_store_relaxed(&kept->references, 1);
    if (size != 0)
        memcpy(kept->data, value, size);
    *out = (memstore_view){.data = kept->data,
                           .size = size,
                           .version = MS_KEPT_VERSION,
                           .pin = (void *)((uintptr_t)kept | MS_VIEW_IS_KEPT)};
    return true;
}

void ms_kept_share(const memstore_view *view)
{
    ms_add_relaxed(&kept_of(view)->references, 1);
}

void ms_kept_release(const memstore_view *view)
{
    struct ms_kept *kept = kept_of(view);

    /* ORDER: acquire and release: whoever frees it comes after all who have read it. */
    if (ms_sub_acq_rel(&kept->references, 1) != 1)
        return;
    ms_sub_relaxed(kept->bytes, kept->size);
    ms_mem_free_wiped(kept, kept->wipes);
}
